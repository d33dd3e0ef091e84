/*
 * The MTA's commands, all of them: which there are, with what arguments, and who runs them.
 *
 * A process that may run nothing asks one that may, over a socket that keeps packets apart: a
 * struct head and the ids, a line each. The answer is any number of packets OUTPUT with what the
 * command wrote, and one END. What is asked is looked at again here: nothing but queue ids gets
 * into a command.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"
#include "milter/base/user.h"
#include "milter/queue/internal.h"

#define MAX_ARGUMENTS 100 /* ids on a command line */
#define IDS_SIZE (QUEUE_MAX_ITEMS * (QUEUE_MAX_ID + 1) + 1)
#define STOP_CHECK_MS 500 /* how late a signal may be seen */

enum { OUTPUT = 'O', END = 'E' };

/* What `what` is besides a tool. */
enum { REPORT_READY = QUEUE_TOOLS, REPORT_FAILED };

struct head {
	uint32_t what, length; /* bytes of text that follow */
	int64_t deadline;
};

/* --- the commands ------------------------------------------------------------------- */

static const struct {
	const char *program;
	const char *arguments[4]; /* behind the configuration, NULL-terminated */
	size_t max_ids;
	bool reads_ids;  /* from standard input; else they follow as arguments */
	bool needs_root; /* else the owner of the queue may run it */
	bool hides_errors;
} tools[] = {
	[QUEUE_TOOL_DIRECTORY] = { "postconf", { "-h", "queue_directory" }, 0,
	    .hides_errors = true },
	[QUEUE_TOOL_LOOKUP] = { "postcat", { "-e", "-h", "-q" }, .max_ids = MAX_ARGUMENTS },
	[QUEUE_TOOL_HEADER] = { "postcat", { "-h", "-q" }, .max_ids = 1 },
	[QUEUE_TOOL_READ] = { "postcat", { "-b", "-h", "-q" }, 1, .hides_errors = true },
	/* of Postfix that does not run, the list is told to root alone */
	[QUEUE_TOOL_LIST] = { "postqueue", { "-j" }, 0, .needs_root = true, .hides_errors = true },
	[QUEUE_TOOL_FLUSH_ONE] = { "postqueue", { "-i" }, 1, .hides_errors = true },
	[QUEUE_TOOL_FLUSH] = { "postqueue", { "-f" }, 0, .hides_errors = true },
	[QUEUE_TOOL_RELEASE] = { "postsuper", { "-H", "-", "hold" }, QUEUE_MAX_ITEMS,
	    .reads_ids = true, .needs_root = true },
	[QUEUE_TOOL_RETURN] = { "postsuper", { "-f", "-", "hold" }, QUEUE_MAX_ITEMS,
	    .reads_ids = true, .needs_root = true },
	[QUEUE_TOOL_DELETE] = { "postsuper", { "-d", "-", "hold" }, QUEUE_MAX_ITEMS,
	    .reads_ids = true, .needs_root = true },
	[QUEUE_TOOL_RUN] = { "sendmail", { NULL }, MAX_ARGUMENTS, .needs_root = true,
	    .hides_errors = true },
};

/* Is it one of the commands of this MTA? */
static bool
is_of_mta(const struct queue_server_options *options, enum queue_tool tool)
{
	return (tool == QUEUE_TOOL_RUN) == (strcmp(options->mta_kind, "sendmail") == 0);
}

/* Where a command is, and the option and name of its configuration. */
static bool
tool_path(const struct queue_server_options *options, enum queue_tool tool,
    char path_r[QUEUE_MAX_PATH], const char *argv_r[3])
{
	bool is_sendmail = tool == QUEUE_TOOL_RUN;
	int n = is_sendmail ? snprintf(path_r, QUEUE_MAX_PATH, "%s", options->sendmail_program)
			    : snprintf(path_r, QUEUE_MAX_PATH, "%s/%s", options->command_directory,
				  tools[tool].program);

	argv_r[0] = tools[tool].program;
	argv_r[1] = is_sendmail ? "-C" : "-c";
	argv_r[2] = is_sendmail ? options->sendmail_config : options->config_directory;
	return n > 0 && n < QUEUE_MAX_PATH;
}

/* Runs one here. */
static enum base_result
tool_exec(const struct queue_server_options *options, const struct queue_command *command,
    const char **why_r)
{
	const char *argv[3 + 4 + MAX_ARGUMENTS + 1] = { NULL };
	char path[QUEUE_MAX_PATH], ids[MAX_ARGUMENTS][QUEUE_MAX_ID + 4];
	const char *prefix = command->tool == QUEUE_TOOL_RUN ? "-qI" : "";
	struct base_tool tool = { .path = path,
		.argv = argv,
		.output = command->output,
		.context = command->context,
		.deadline = command->deadline,
		.with_errors = !tools[command->tool].hides_errors };
	enum base_result result = BASE_BROKEN;
	struct base_buffer input;
	int status = 0;
	size_t n = 3;

	*why_r = "the path of a command is too long, or there is no memory";
	if (!tool_path(options, command->tool, path, argv))
		return BASE_BROKEN;
	while (tools[command->tool].arguments[n - 3] != NULL) {
		argv[n] = tools[command->tool].arguments[n - 3];
		n++;
	}
	base_buffer_init(&input, IDS_SIZE);
	for (size_t i = 0; i < command->count; i++) {
		if (tools[command->tool].reads_ids) {
			base_buffer_printf(&input, "%s\n", command->ids[i]);
		} else {
			snprintf(ids[i], sizeof(ids[i]), "%s%s", prefix, command->ids[i]);
			argv[n++] = ids[i];
		}
	}
	tool.input = base_buffer_text(&input);
	if (!input.failed)
		result = base_tool_run(&tool, &status, why_r);
	base_buffer_free(&input);
	if (result == BASE_OK && status != 0) {
		*why_r = base_why(
		    "%s %s ended with status %d", argv[0], argv[3] == NULL ? "" : argv[3], status);
		result = BASE_RETRY;
	}
	return result;
}

/* May anybody but root change what is here, or put something else in its place? */
static enum base_result
file_guard(const char *path, const char **why_r)
{
	struct stat status;

	if (stat(path, &status) != 0) {
		*why_r = base_why("%s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		*why_r = base_why("%s may be changed by others than root, and root would "
				  "run it or go by it: chown root, chmod go-w",
		    path);
		return BASE_REFUSE;
	}
	return base_folder_guard(path, 0, why_r);
}

enum base_result
queue_tools_guard(const struct queue_server_options *options, const char **why_r)
{
	enum base_result result = BASE_OK;
	char path[QUEUE_MAX_PATH];
	const char *argv[3];

	for (int i = 0; result == BASE_OK && i < QUEUE_TOOLS; i++) {
		if (!is_of_mta(options, (enum queue_tool)i))
			continue;
		*why_r = "the path of a command is too long";
		result = tool_path(options, (enum queue_tool)i, path, argv)
			     ? file_guard(path, why_r)
			     : BASE_BROKEN;
		if (result == BASE_OK)
			result = file_guard(argv[2], why_r);
	}
	return result;
}

/* --- the process that may run nothing ------------------------------------------------- */

/* One packet; the text is cut into none. */
static bool
packet_send(int fd, const struct head *head, const char *text)
{
	struct iovec parts[] = { { (void *)(uintptr_t)head, sizeof(*head) },
		{ (void *)(uintptr_t)text, head->length } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n;

	while ((n = sendmsg(fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n == (ssize_t)(sizeof(*head) + head->length);
}

/* Its output, and how it ended. */
static enum base_result
result_receive(int fd, const struct queue_command *command, const char **why_r)
{
	char data[1 + 16384 + 1];
	ssize_t n;

	for (;;) {
		n = recv(fd, data, sizeof(data) - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 2 || (data[0] != OUTPUT && data[0] != END))
			break;
		if (data[0] == END) {
			data[n] = '\0';
			*why_r = base_why("%s", data + 2);
			return (enum base_result)data[1];
		}
		if (command->output != NULL)
			command->output(command->context, data + 1, (size_t)n - 1);
	}
	*why_r = "the process that runs the MTA's commands does not answer";
	return BASE_BROKEN;
}

enum base_result
queue_tool_run(const struct queue_server_options *options, const struct queue_command *command,
    const char **why_r)
{
	struct head head = { .what = command->tool, .deadline = command->deadline };
	struct base_buffer ids;
	bool is_sent;
	int fd;

	if (options->runners == NULL)
		return tool_exec(options, command, why_r);
	fd = tools[command->tool].needs_root ? options->runners->root : options->runners->owner;
	base_buffer_init(&ids, IDS_SIZE);
	for (size_t i = 0; i < command->count; i++)
		base_buffer_printf(&ids, "%s\n", command->ids[i]);
	head.length = (uint32_t)ids.length;
	is_sent = !ids.failed && packet_send(fd, &head, base_buffer_text(&ids));
	base_buffer_free(&ids);
	if (is_sent)
		return result_receive(fd, command, why_r);
	*why_r = base_why("cannot ask for the MTA's commands: %s", strerror(errno));
	return BASE_BROKEN;
}

void
queue_runner_report(int fd, bool is_ready, const char *text)
{
	struct head head = { .what = is_ready ? REPORT_READY : REPORT_FAILED,
		.length = (uint32_t)strlen(text) };

	(void)packet_send(fd, &head, text);
}

/* --- the process that runs them ------------------------------------------------------- */

/* Cuts the text into ids; false: it is anything else than the ids of that tool. */
static bool
ids_parse(char *text, struct queue_command *command, const char **ids)
{
	command->ids = ids;
	while (*text != '\0') {
		char *end = strchr(text, '\n');

		if (end == NULL || command->count == tools[command->tool].max_ids)
			return false;
		*end = '\0';
		if (!queue_is_queue_id(text))
			return false;
		ids[command->count++] = text;
		text = end + 1;
	}
	return true;
}

/* A base_output_fn: hands a piece on. Who asked may be gone: then the rest is thrown away. */
static void
output_send(void *context, const char *data, size_t length)
{
	const struct queue_runner *runner = context;
	char kind = OUTPUT;
	struct iovec parts[] = { { &kind, 1 }, { (void *)(uintptr_t)data, length } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	while (sendmsg(runner->fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* How it ended. */
static void
end_send(const struct queue_runner *runner, enum base_result result, const char *why)
{
	char data[600];
	int n = snprintf(data, sizeof(data), "%c%c%.500s", END, (char)result, why);

	/* BASE_OK is a NUL, which printf writes as it is */
	while (send(runner->fd, data, (size_t)n, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* One command that was asked for, if it may be. */
static void
command_serve(const struct queue_runner *runner, const struct head *head, char *text)
{
	const char *ids[QUEUE_MAX_ITEMS], *why = "";
	struct queue_command command = { .tool = (enum queue_tool)head->what,
		.deadline = head->deadline,
		.output = output_send,
		.context = (void *)(uintptr_t)runner };
	enum base_result result = BASE_REFUSE;

	if (head->what < QUEUE_TOOLS && tools[head->what].needs_root == runner->is_root &&
	    is_of_mta(runner->options, (enum queue_tool)head->what) &&
	    ids_parse(text, &command, ids))
		result = tool_exec(runner->options, &command, &why);
	else
		why = "this is not to be asked here";
	end_send(runner, result, why);
}

/* The next packet; BASE_NONE: nobody is there any more. RETRY: none yet. */
static enum base_result
packet_receive(int fd, struct head *head_r, char text_r[IDS_SIZE])
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct iovec parts[] = { { head_r, sizeof(*head_r) }, { text_r, IDS_SIZE - 1 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n;

	if (poll(&ready, 1, STOP_CHECK_MS) <= 0)
		return BASE_RETRY;
	n = recvmsg(fd, &message, 0);
	if (n < 0 && errno == EINTR)
		return BASE_RETRY;
	if (n < (ssize_t)sizeof(*head_r) || (size_t)n - sizeof(*head_r) != head_r->length ||
	    memchr(text_r, '\0', head_r->length) != NULL)
		return BASE_NONE;
	text_r[head_r->length] = '\0';
	return BASE_OK;
}

enum base_result
queue_runner_serve(const struct queue_runner *runner, const char **why_r)
{
	enum base_result received, result = BASE_OK;
	char text[IDS_SIZE];
	struct head head;

	while ((received = packet_receive(runner->fd, &head, text)) != BASE_NONE) {
		if (runner->worker > 0 && *runner->stop)
			kill(runner->worker, SIGTERM); /* it ends after its request, and so do we */
		if (received == BASE_RETRY)
			continue;
		if (head.what < QUEUE_TOOLS || runner->worker <= 0) {
			command_serve(runner, &head, text);
		} else if (head.what == REPORT_READY) {
			if (runner->options->listening != NULL)
				runner->options->listening(runner->options->context);
		} else {
			*why_r = base_why("%s", text);
			result = BASE_BROKEN;
		}
	}
	return result;
}
