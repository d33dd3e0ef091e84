/*
 * What the settings say, handed over by a process without root: only that one reads what an admin,
 * or whoever can write the file, put into it. What it says is looked at as plain text here.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/queue/internal.h"

#define READER "oops-milter" /* in the folder of this program */
#define NOBODY 65534         /* a user that owns nothing, whatever it is called here */
#define READ_MS 30000        /* a file, and who a user is: some ask over the network */

/* --- the process without root ------------------------------------------------------- */

/* Ends the child, which has a reason of its own. */
static void __attribute__((noreturn)) child_end(const char *path, const char *why)
{
	/* as the settings' own faults: the file is named once */
	if (strstr(why, path) != NULL)
		fprintf(stderr, "%s\n", why);
	else
		fprintf(stderr, "%s: %s\n", path, why);
	_exit(EX_CONFIG);
}

/* The file as standard input; the group that may read it, if that is not root's. */
static gid_t
child_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		child_end(path, base_why("cannot open %s: %s", path, strerror(errno)));
	if (fstat(fd, &status) != 0)
		child_end(path, base_why("cannot look at %s: %s", path, strerror(errno)));
	if (!S_ISREG(status.st_mode))
		child_end(
		    path, base_why(S_ISDIR(status.st_mode) ? "%s is a folder, not a regular file"
							   : "%s is not a regular file",
			      path));
	if (dup2(fd, STDIN_FILENO) < 0)
		child_end(path, strerror(errno));
	return status.st_gid != 0 ? status.st_gid : NOBODY;
}

/* Becomes nobody and then the reader; what it writes is `output`. */
static void __attribute__((noreturn)) child_main(const char *program, const char *path, int output)
{
	char *const arguments[] = { (char *)(uintptr_t)program, (char *)QUEUE_SETTINGS_OPTION,
		(char *)(uintptr_t)path, NULL };
	char *const environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)"LC_ALL=C", NULL };
	gid_t group = child_open(path);
	const char *why = "";

	signal(SIGPIPE, SIG_DFL);
	if (dup2(output, STDOUT_FILENO) < 0)
		child_end(path, strerror(errno));
	closefrom(STDERR_FILENO + 1);
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) != 0 || base_user_drop(NOBODY, group, &why) != BASE_OK))
		child_end(path, base_why("its reader keeps root's rights: %s", why));
	execve(program, arguments, environment);
	child_end(path, base_why("cannot run %s, which reads it, as user %u: %s", program,
			    (unsigned)geteuid(), strerror(errno)));
}

/* The reader lies where this program does. */
static bool
reader_path(char path_r[QUEUE_MAX_PATH])
{
	ssize_t length = readlink("/proc/self/exe", path_r, QUEUE_MAX_PATH - 1);
	char *slash;

	if (length <= 0)
		return false;
	path_r[length] = '\0';
	slash = strrchr(path_r, '/');
	if (slash == NULL || (size_t)(slash + 1 - path_r) + sizeof(READER) > QUEUE_MAX_PATH)
		return false;
	memcpy(slash + 1, READER, sizeof(READER));
	return true;
}

/* Starts it; -1: *why_r tells. */
static pid_t
reader_start(const char *path, int *output_r, const char **why_r)
{
	char program[QUEUE_MAX_PATH];
	int ends[2] = { -1, -1 };
	pid_t pid = -1;

	errno = ENOENT;
	if (reader_path(program) && pipe2(ends, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0)
		child_main(program, path, ends[1]);
	if (pid < 0)
		*why_r = base_why("the settings cannot be read: %s", strerror(errno));
	if (ends[1] >= 0)
		close(ends[1]);
	if (pid < 0 && ends[0] >= 0)
		close(ends[0]);
	*output_r = ends[0];
	return pid;
}

/* All that it says; false: too much, or not in time. */
static bool
reader_read(int output, char *text, size_t size)
{
	int64_t deadline = base_tick_ms() + READ_MS;
	struct pollfd ready = { .fd = output, .events = POLLIN };
	size_t length = 0;

	while (length + 1 < size) {
		int64_t left = deadline - base_tick_ms();
		ssize_t n;

		if (left <= 0 || poll(&ready, 1, (int)left) == 0)
			return false;
		n = read(output, text + length, size - length - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			text[length] = '\0';
			return n == 0;
		}
		length += (size_t)n;
	}
	return false;
}

/* --- what it says ------------------------------------------------------------------- */

/* A line of visible text, an absolute path where one is wanted. */
static bool
value_is_good(const char *value, enum queue_value which)
{
	size_t length = 0;

	while (
	    value[length] != '\0' && (unsigned char)value[length] >= ' ' && value[length] != 0x7f)
		length++;
	return value[length] == '\0' && length > 0 && length < QUEUE_MAX_PATH &&
	       (value[0] == '/' || which == QUEUE_VALUE_KIND || which >= QUEUE_VALUE_USER);
}

/* Cuts the text into the values: so many lines, no more. */
static bool
values_parse(char *text, struct queue_settings *settings_r)
{
	for (int i = 0; i < QUEUE_VALUES; i++) {
		char *line = strsep(&text, "\n");

		if (text == NULL || !value_is_good(line, (enum queue_value)i))
			return false;
		memcpy(settings_r->values[i], line, strlen(line) + 1);
	}
	return text[0] == '\0';
}

/* The user's number; "-": there is no such user. */
static bool
uid_parse(struct queue_settings *settings)
{
	const char *text = settings->values[QUEUE_VALUE_UID];
	char *end;
	unsigned long number;

	settings->has_user = strcmp(text, "-") != 0;
	if (!settings->has_user)
		return true;
	errno = 0;
	number = strtoul(text, &end, 10);
	settings->uid = (unsigned)number;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number < (uid_t)-1;
}

enum base_result
queue_settings_get(const char *path, struct queue_settings *settings_r, const char **why_r)
{
	char text[QUEUE_VALUES * (QUEUE_MAX_PATH + 1)] = "";
	bool is_read;
	int output, status = 0;
	pid_t pid = reader_start(path, &output, why_r);

	if (pid < 0)
		return BASE_BROKEN;
	is_read = reader_read(output, text, sizeof(text));
	close(output);
	if (!is_read)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (is_read && WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
		return BASE_REFUSE;
	if (!is_read || !WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
	    !values_parse(text, settings_r) || !uid_parse(settings_r)) {
		*why_r = base_why("%s: its reader ended without an answer that makes sense", path);
		return BASE_BROKEN;
	}
	return BASE_OK;
}
