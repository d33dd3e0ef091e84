/* Sendmail: the verbs on its queue files, and its own program to run the queue. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "milter/queue/internal.h"

#define MAX_RUNS 8 /* queue runs at once: a slow recipient delays only its own */

static enum queue_status
look(const struct queue_mta *mta, const char *queue_id, int64_t deadline,
    char hold_id_r[BASE_ID_SIZE])
{
	struct queue_message message;
	const char *why = "";
	enum queue_status status;

	(void)deadline;
	switch (queue_message_open(mta, queue_id, &message, &why)) {
	case BASE_OK:
		break;
	case BASE_NONE:
		return QUEUE_GONE;
	case BASE_REFUSE:
		return QUEUE_FOREIGN;
	default:
		return QUEUE_FAILED;
	}
	status = message.is_held ? QUEUE_HELD : QUEUE_MOVING;
	if (message.qf.hold_id[0] == '\0')
		status = QUEUE_FOREIGN;
	else
		memcpy(hold_id_r, message.qf.hold_id, BASE_ID_SIZE);
	queue_message_close(&message);
	return status;
}

/* Does the verb to one held message; whose it is is asked again, under the lock. */
static enum base_result
act_on(const struct queue_mta *mta, enum queue_verb verb, struct queue_item *item,
    const char **why_r)
{
	struct queue_message message;
	enum base_result result = queue_message_open(mta, item->queue_id, &message, why_r);

	if (result != BASE_OK)
		return BASE_RETRY;
	result = message.is_held ? queue_message_lock(&message, why_r) : BASE_RETRY;
	if (result == BASE_OK && strcmp(message.qf.hold_id, item->hold_id) != 0) {
		*why_r = base_why("%s is another mail now", item->queue_id);
		result = BASE_RETRY;
	}
	if (result == BASE_OK && verb == QUEUE_DELETE)
		result = queue_message_delete(&message, why_r);
	else if (result == BASE_OK)
		result = queue_message_free(&message, verb == QUEUE_RETURN, why_r);
	queue_message_close(&message);
	if (result == BASE_OK)
		item->status = verb == QUEUE_DELETE ? QUEUE_GONE : QUEUE_MOVING;
	return result;
}

/* --- running the queue --------------------------------------------------------------- */

/*
 * Has Sendmail run every MAX_RUNS-th of the messages that are off hold. The run goes to the
 * background by itself, and skips what somebody else has locked.
 */
static enum base_result
run(const struct queue_mta *mta, const struct queue_item *items, size_t count, size_t first,
    int64_t deadline, const char **why_r)
{
	char limits[QUEUE_MAX_ITEMS / MAX_RUNS + 1][QUEUE_MAX_ID + 4];
	const char *argv[QUEUE_MAX_ITEMS / MAX_RUNS + 6] = { "sendmail", "-C",
		mta->options->sendmail_config };
	struct queue_tool tool = {
		.path = mta->options->sendmail_program, .argv = argv, .deadline = deadline
	};
	enum base_result result;
	size_t chosen = 0;
	int status = 0;

	for (size_t i = first; i < count; i += MAX_RUNS) {
		if (items[i].status != QUEUE_MOVING)
			continue;
		snprintf(
		    limits[chosen], sizeof(limits[chosen]), "-qI%s", items[i].queue_id);
		argv[3 + chosen] = limits[chosen];
		chosen++;
	}
	argv[3 + chosen] = NULL;
	if (chosen == 0)
		return BASE_OK;
	result = queue_tool_run(&tool, &status, why_r);
	if (result == BASE_OK && status != 0) {
		*why_r = base_why("%s -qI%s ended with status %d",
		    mta->options->sendmail_program, limits[0] + 3, status);
		result = BASE_RETRY;
	}
	return result;
}

static enum base_result
act(const struct queue_mta *mta, enum queue_verb verb, struct queue_item *items,
    size_t count, int64_t deadline, const char **why_r)
{
	enum base_result worst = BASE_OK, result;
	const char *why = "";

	for (size_t i = 0; i < count; i++) {
		if (items[i].status != QUEUE_HELD)
			continue;
		why = "there was no time left";
		result = queue_clock_ms() > deadline ? BASE_RETRY
						     : act_on(mta, verb, &items[i], &why);
		if (result != BASE_OK) {
			items[i].status = QUEUE_FAILED;
			*why_r = why;
			worst = BASE_RETRY;
		}
	}
	for (size_t first = 0; verb != QUEUE_DELETE && first < MAX_RUNS; first++) {
		result = run(mta, items, count, first, deadline, &why);
		if (result != BASE_OK) {
			/* They are off hold all the same: the next run of the queue has them. */
			*why_r = why;
			worst = BASE_RETRY;
		}
	}
	return worst;
}

/* --- reading and listing ------------------------------------------------------------- */

static enum base_result
read_message(const struct queue_mta *mta, const char *queue_id, int64_t deadline,
    struct base_buffer *message_r, const char **why_r)
{
	struct queue_message message;
	enum base_result result = queue_message_open(mta, queue_id, &message, why_r);

	(void)deadline;
	if (result != BASE_OK)
		return BASE_RETRY;
	queue_qf_header(base_buffer_text(&message.text), message.text.length, message_r);
	result = queue_message_body(&message, message_r, why_r);
	queue_message_close(&message);
	if (result == BASE_OK && message_r->failed) {
		*why_r = "the message is too large to be read";
		return BASE_REFUSE;
	}
	return result;
}

/* A queue_visit_fn: the queue ids of the held files of one directory. */
static enum base_result
list_in(void *context, const struct queue_directory *directory, const char **why_r)
{
	int fd = openat(directory->qf, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct base_buffer *ids = context;
	struct dirent *entry;

	if (names == NULL) {
		*why_r = base_why("%s: %s", directory->name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return BASE_BROKEN;
	}
	while ((entry = readdir(names)) != NULL) {
		if (strncmp(entry->d_name, "hf", 2) == 0 &&
		    queue_is_queue_id(entry->d_name + 2))
			base_buffer_printf(ids, "%s\n", entry->d_name + 2);
	}
	closedir(names);
	return BASE_NONE;
}

static enum base_result
held(const struct queue_mta *mta, int64_t deadline, struct base_buffer *ids_r,
    const char **why_r)
{
	enum base_result result = queue_mqueue_each(&mta->mqueue, list_in, ids_r, why_r);

	(void)deadline;
	if (result == BASE_NONE && ids_r->failed) {
		*why_r = "too many files on hold";
		return BASE_REFUSE;
	}
	return result == BASE_NONE ? BASE_OK : BASE_RETRY;
}

/* --- opening ------------------------------------------------------------------------- */

/* A queue_visit_fn that finds a directory and goes on. */
static enum base_result
see(void *context, const struct queue_directory *directory, const char **why_r)
{
	(void)directory;
	(void)why_r;
	*(bool *)context = true;
	return BASE_NONE;
}

static enum base_result
open_mta(struct queue_mta *mta, const char **why_r)
{
	const struct queue_server_options *options = mta->options;
	bool is_there = false;

	if (access(options->sendmail_program, X_OK) != 0) {
		*why_r = base_why("%s: %s", options->sendmail_program, strerror(errno));
		return BASE_BROKEN;
	}
	if (queue_mqueue_read(options->sendmail_config, &mta->mqueue, why_r) != BASE_OK ||
	    queue_mqueue_each(&mta->mqueue, see, &is_there, why_r) == BASE_BROKEN)
		return BASE_BROKEN;
	if (!is_there) {
		*why_r =
		    base_why("%s: there is no such directory", mta->mqueue.patterns[0]);
		return BASE_BROKEN;
	}
	return BASE_OK;
}

const struct queue_driver queue_sendmail = {
	.kind = "sendmail",
	.open = open_mta,
	.look = look,
	.act = act,
	.read = read_message,
	.held = held,
};
