/* Sendmail: the verbs on its queue files, and its own program to run the queue. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

#define MAX_RUNS 8 /* queue runs at once: a slow recipient delays only its own */

#define MAX_PIECES 1000  /* envelopes that one message is split into */
#define MAX_HELD 1000000 /* of all messages: a buffer's maximum */

/* One envelope. */
static enum queue_status
lookup_envelope(const struct queue_mta *mta, const char *queue_id, struct queue_lookup *lookup_r)
{
	struct queue_message message;
	const char *why = "";
	enum queue_status status;
	struct stat directory;

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
	if (message.qf.tag.hold_id[0] == '\0')
		status = QUEUE_FOREIGN;
	lookup_r->tag = message.qf.tag;
	lookup_r->is_stopped = message.is_stopped;
	if (fstat(message.directory.qf, &directory) == 0) {
		lookup_r->device = directory.st_dev;
		lookup_r->inode = directory.st_ino;
	}
	queue_message_close(&message);
	return status;
}

/* Is it asked about by its own name? Then it is a message by itself, and no piece of another. */
static bool
is_asked_about(const struct queue_lookup *lookups, size_t count, const char *queue_id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(lookups[i].queue_id, queue_id) == 0)
			return true;
	return false;
}

/*
 * Held while one of its pieces is; there while one of them is. The mails of one connection bear
 * such names, too, and some of them may be parts of one hold: those are among the `count` looks.
 */
static void
lookup_message(const struct queue_mta *mta, struct queue_lookup *lookup,
    const struct queue_lookup *lookups, size_t count)
{
	enum queue_status status = lookup_envelope(mta, lookup->queue_id, lookup);
	const char *hold_id = lookup->hold_id, *why;
	struct base_buffer ids;
	char *rest, *id;

	lookup->status = status;
	if (hold_id == NULL || (status != QUEUE_MOVING && status != QUEUE_GONE) ||
	    (status == QUEUE_MOVING && strcmp(lookup->tag.hold_id, hold_id) != 0))
		return;
	base_buffer_init(&ids, MAX_PIECES * (QUEUE_MAX_ID + 1));
	if (queue_message_pieces(mta, lookup->queue_id, &ids, &why) != BASE_OK)
		lookup->status = QUEUE_FAILED;
	rest = ids.data;
	while (lookup->status != QUEUE_HELD && lookup->status != QUEUE_FAILED && rest != NULL &&
	       (id = strsep(&rest, "\n")) != NULL && *id != '\0') {
		struct queue_lookup piece = { .queue_id = id };

		if (is_asked_about(lookups, count, id))
			continue;
		piece.status = lookup_envelope(mta, id, &piece);
		if ((piece.status == QUEUE_HELD || piece.status == QUEUE_MOVING) &&
		    strcmp(piece.tag.hold_id, hold_id) == 0) {
			lookup->tag = piece.tag;
			lookup->is_stopped = piece.is_stopped;
			lookup->device = piece.device;
			lookup->inode = piece.inode;
			lookup->status = piece.status;
		}
	}
	base_buffer_free(&ids);
}

/*
 * What is not there is gone, as long as the queue is the one in which it was. One that was mounted
 * later may have it where we may not read it.
 */
static void
lookup_known(struct queue_mta *mta, struct queue_lookup *lookup, const struct queue_lookup *lookups,
    size_t count)
{
	lookup_message(mta, lookup, lookups, count);
	if (lookup->status == QUEUE_GONE || lookup->status == QUEUE_FAILED) {
		mta->is_away = !queue_known_is_there(&mta->known, &mta->mqueue, lookup->queue_id);
		if (mta->is_away)
			lookup->status = QUEUE_FAILED;
	} else if ((lookup->status == QUEUE_HELD || lookup->status == QUEUE_MOVING) &&
		   lookup->hold_id != NULL && strcmp(lookup->tag.hold_id, lookup->hold_id) == 0) {
		queue_known_trust(&mta->known, &mta->mqueue, lookup->device, lookup->inode);
	}
}

static void
lookup(struct queue_mta *mta, struct queue_lookup *lookups, size_t count, int64_t deadline)
{
	(void)deadline;
	for (size_t i = 0; i < count; i++)
		lookup_known(mta, &lookups[i], lookups, count);
}

/* Is this envelope on hold, and of this hold? */
static bool
is_held_piece(const struct queue_mta *mta, const char *queue_id, const char *hold_id)
{
	struct queue_lookup lookup = { .queue_id = queue_id };

	return lookup_envelope(mta, queue_id, &lookup) == QUEUE_HELD &&
	       strcmp(lookup.tag.hold_id, hold_id) == 0;
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
		if (strncmp(entry->d_name, "hf", 2) == 0 && queue_is_queue_id(entry->d_name + 2))
			base_buffer_printf(ids, "%s\n", entry->d_name + 2);
	}
	closedir(names);
	return BASE_NONE;
}

static enum base_result
list_held(
    const struct queue_mta *mta, int64_t deadline, struct base_buffer *ids_r, const char **why_r)
{
	enum base_result result = queue_mqueue_each(&mta->mqueue, list_in, ids_r, why_r);

	(void)deadline;
	if (result == BASE_NONE && ids_r->failed) {
		*why_r = "too many files on hold";
		return BASE_REFUSE;
	}
	return result == BASE_NONE ? BASE_OK : BASE_RETRY;
}

/* Does the verb to one held message; whose it is is asked again, under the lock. */
static enum base_result
act_on(
    const struct queue_mta *mta, enum queue_verb verb, struct queue_item *item, const char **why_r)
{
	struct queue_message message;
	enum base_result result = queue_message_open(mta, item->queue_id, &message, why_r);

	if (result != BASE_OK)
		return BASE_RETRY;
	result = message.is_held ? queue_message_lock(&message, why_r) : BASE_RETRY;
	if (result == BASE_OK && strcmp(message.qf.tag.hold_id, item->hold_id) != 0) {
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
	const char *ids[QUEUE_MAX_ITEMS / MAX_RUNS + 1];
	struct queue_command command = { .tool = QUEUE_TOOL_RUN, .ids = ids, .deadline = deadline };

	for (size_t i = first; i < count; i += MAX_RUNS)
		if (items[i].status == QUEUE_MOVING)
			ids[command.count++] = items[i].queue_id;
	return command.count == 0 ? BASE_OK : queue_tool_run(mta->options, &command, why_r);
}

/* Is this envelope a part of what one of the items was split into, by its name? */
static bool
is_piece_of_any(const struct queue_item *items, size_t count, const char *queue_id)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].status == QUEUE_HELD &&
		    queue_message_is_piece(items[i].queue_id, queue_id))
			return true;
	return false;
}

/*
 * Lines "QUEUEID HOLDID" of the held envelopes that may be a part of one of the items. A client
 * that sends many mails at once gives all of them such names: each file is read once for a whole
 * request, not once for each item.
 */
static enum base_result
pieces_read(const struct queue_mta *mta, const struct queue_item *items, size_t count,
    int64_t deadline, struct base_buffer *pieces_r, const char **why_r)
{
	struct base_buffer ids;
	enum base_result result;
	char *rest, *id;

	base_buffer_init(&ids, MAX_HELD * (QUEUE_MAX_ID + 1));
	result = list_held(mta, deadline, &ids, why_r);
	rest = ids.data;
	while (result == BASE_OK && rest != NULL && (id = strsep(&rest, "\n")) != NULL) {
		struct queue_lookup lookup = { .queue_id = id };

		if (*id != '\0' && is_piece_of_any(items, count, id) &&
		    lookup_envelope(mta, id, &lookup) == QUEUE_HELD)
			base_buffer_printf(pieces_r, "%s %s\n", id, lookup.tag.hold_id);
	}
	base_buffer_free(&ids);
	if (result == BASE_OK && pieces_r->failed) {
		*why_r = "too many files on hold";
		result = BASE_RETRY;
	}
	return result;
}

/* The pieces of one item, and at last itself, one a line. */
static void
pieces_choose(const char *pieces, const struct queue_item *item, struct base_buffer *ids_r)
{
	char id[QUEUE_MAX_ID + 1], hold_id[BASE_ID_SIZE];

	for (const char *line = pieces; *line != '\0'; line = strchr(line, '\n') + 1) {
		if (sscanf(line, "%64s %16s", id, hold_id) == 2 &&
		    strcmp(hold_id, item->hold_id) == 0 &&
		    queue_message_is_piece(item->queue_id, id))
			base_buffer_printf(ids_r, "%s\n", id);
	}
	base_buffer_puts(ids_r, item->queue_id);
}

/*
 * The same to all envelopes that the message was split into. Those that are off hold, or of
 * another message of the same client, are left alone.
 */
static enum base_result
act_on_all(struct queue_mta *mta, enum queue_verb verb, struct queue_item *item, const char *pieces,
    int64_t deadline, const char **why_r)
{
	struct queue_lookup lookup = { .queue_id = item->queue_id, .hold_id = item->hold_id };
	char *rest, *id;
	enum base_result result = BASE_OK;
	struct base_buffer ids;

	base_buffer_init(&ids, MAX_PIECES * (QUEUE_MAX_ID + 1));
	pieces_choose(pieces, item, &ids);
	if (ids.failed) {
		*why_r = base_why("%s: too many pieces", item->queue_id);
		result = BASE_RETRY;
	}
	rest = ids.data;
	while (result == BASE_OK && rest != NULL && (id = strsep(&rest, "\n")) != NULL) {
		struct queue_item piece = {
			.queue_id = id, .hold_id = item->hold_id, .status = QUEUE_HELD
		};

		if (!is_held_piece(mta, id, item->hold_id))
			continue;
		result = act_on(mta, verb, &piece, why_r);
		if (result == BASE_OK && strcmp(id, item->queue_id) != 0)
			result = run(mta, &piece, 1, 0, deadline, why_r);
		if (result == BASE_OK)
			item->status = piece.status;
	}
	/* It may have gone along with another part of the same hold, a moment ago. */
	if (result == BASE_OK && item->status == QUEUE_HELD) {
		lookup_known(mta, &lookup, &lookup, 1);
		*why_r = base_why("%s is not ours any more", item->queue_id);
		if (lookup.status == QUEUE_MOVING || lookup.status == QUEUE_GONE)
			item->status = lookup.status;
		else
			result = BASE_RETRY;
	}
	base_buffer_free(&ids);
	return result;
}

static enum base_result
act(struct queue_mta *mta, enum queue_verb verb, struct queue_item *items, size_t count,
    int64_t deadline, const char **why_r)
{
	enum base_result worst = BASE_OK, result, read;
	struct base_buffer pieces;
	const char *why = "";

	base_buffer_init(&pieces, MAX_HELD * (QUEUE_MAX_ID + BASE_ID_SIZE + 1));
	read = pieces_read(mta, items, count, deadline, &pieces, why_r);
	for (size_t i = 0; i < count; i++) {
		if (items[i].status != QUEUE_HELD)
			continue;
		why = read == BASE_OK ? "there was no time left" : *why_r;
		result = read != BASE_OK || base_tick_ms() > deadline
			     ? BASE_RETRY
			     : act_on_all(
				   mta, verb, &items[i], base_buffer_text(&pieces), deadline, &why);
		if (result != BASE_OK) {
			items[i].status = QUEUE_FAILED;
			*why_r = why;
			worst = BASE_RETRY;
		}
	}
	base_buffer_free(&pieces);
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

/* --- marking ------------------------------------------------------------------------- */

/* One envelope. */
static enum base_result
mark_one(const struct queue_mta *mta, const char *queue_id, bool is_stopped, const char **why_r)
{
	struct queue_message message;
	enum base_result result = queue_message_open(mta, queue_id, &message, why_r);

	if (result != BASE_OK)
		return BASE_RETRY;
	if (!message.is_held || !queue_mark_set(message.control, is_stopped)) {
		*why_r = base_why("hf%s cannot be marked", queue_id);
		result = BASE_RETRY;
	}
	queue_message_close(&message);
	return result;
}

/* All envelopes that the message was split into, as far as they are on hold. */
static enum base_result
mark(
    const struct queue_mta *mta, const struct queue_item *item, bool is_stopped, const char **why_r)
{
	enum base_result result;
	struct base_buffer ids;
	char *rest, *id;

	base_buffer_init(&ids, MAX_PIECES * (QUEUE_MAX_ID + 1));
	result = queue_message_pieces(mta, item->queue_id, &ids, why_r);
	base_buffer_puts(&ids, item->queue_id);
	rest = ids.failed ? NULL : ids.data;
	while (result == BASE_OK && rest != NULL && (id = strsep(&rest, "\n")) != NULL) {
		if (is_held_piece(mta, id, item->hold_id))
			result = mark_one(mta, id, is_stopped, why_r);
	}
	if (ids.failed) {
		*why_r = base_why("%s: too many pieces", item->queue_id);
		result = BASE_RETRY;
	}
	base_buffer_free(&ids);
	return result;
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

/* --- opening ------------------------------------------------------------------------- */

static enum base_result
open_mta(struct queue_mta *mta, const char **why_r)
{
	const struct queue_server_options *options = mta->options;

	if (access(options->sendmail_program, X_OK) != 0) {
		*why_r = base_why("%s: %s", options->sendmail_program, strerror(errno));
		return BASE_BROKEN;
	}
	if (queue_mqueue_read(options->sendmail_config, &mta->mqueue, why_r) != BASE_OK ||
	    queue_known_learn(&mta->known, &mta->mqueue, why_r) != BASE_OK)
		return BASE_BROKEN;
	if (mta->known.count == 0) {
		*why_r = base_why("%s: there is no such directory", mta->mqueue.patterns[0]);
		return BASE_BROKEN;
	}
	return BASE_OK;
}

static enum base_result
narrow(const struct queue_mta *mta, const char **why_r)
{
	return queue_mqueue_narrow(&mta->mqueue, why_r);
}

const struct queue_driver queue_sendmail = {
	.kind = "sendmail",
	.open = open_mta,
	.narrow = narrow,
	.lookup = lookup,
	.act = act,
	.mark = mark,
	.read = read_message,
	.list_held = list_held,
};
