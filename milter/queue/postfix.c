/* Postfix: postcat looks and reads, postsuper and postqueue act, postqueue lists. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"
#include "milter/narrow/narrow.h"
#include "milter/queue/internal.h"

#define LOOKUP_MAX 100 /* files that one postcat looks at */
#define FLUSH_MAX 8    /* files that are put to the queue manager one by one: 50 ms each */

void
queue_lines_output(void *context, const char *data, size_t length)
{
	struct queue_lines *lines = context;

	for (size_t i = 0; i < length; i++) {
		if (data[i] == '\n') {
			lines->line[lines->length] = '\0';
			lines->each(lines->context, lines->line);
			lines->length = 0;
		} else if (lines->length + 1 < sizeof(lines->line)) {
			lines->line[lines->length++] = data[i] == '\0' ? '?' : data[i];
		}
	}
}

/* --- looking ---------------------------------------------------------------------- */

/* "*** ENVELOPE RECORDS hold/ID ***": does it name this file? `name` begins behind RECORDS. */
static bool
is_name_of(const char *name, const char *queue_id)
{
	/* With hashed queues there are more directories between the two. */
	const char *slash = strrchr(name, '/'), *end = strchr(name, ' ');
	size_t length = strlen(queue_id);

	return slash != NULL && end != NULL && slash < end && length == (size_t)(end - slash - 1) &&
	       strncmp(slash + 1, queue_id, length) == 0;
}

/* Is it the line that begins a file's part? Then it must be the next file's. */
static bool
envelope_line(struct queue_postcat *postcat, const char *line)
{
	static const char start[] = "*** ENVELOPE RECORDS ";
	const char *name = line + sizeof(start) - 1;

	if (strncmp(line, start, sizeof(start) - 1) != 0)
		return false;
	if (postcat->begun == postcat->count ||
	    !is_name_of(name, postcat->lookups[postcat->begun]->queue_id)) {
		postcat->is_odd = true;
		if (postcat->section == QUEUE_POSTCAT_HEADER)
			postcat->section = QUEUE_POSTCAT_END;
		return true;
	}
	postcat->lookups[postcat->begun++]->status = QUEUE_FAILED;
	postcat->section = QUEUE_POSTCAT_ENVELOPE;
	postcat->is_held = strncmp(name, "hold/", 5) == 0;
	postcat->has_tag = postcat->has_contents = false;
	return true;
}

/* Is it the line that begins a header? A second one shows that somebody wrote one of them. */
static bool
contents_line(struct queue_postcat *postcat, const char *line)
{
	static const char start[] = "*** MESSAGE CONTENTS ";
	struct queue_lookup *lookup;

	if (postcat->begun == 0 || strncmp(line, start, sizeof(start) - 1) != 0)
		return false;
	lookup = postcat->lookups[postcat->begun - 1];
	lookup->status = postcat->has_contents ? QUEUE_FAILED : QUEUE_FOREIGN;
	postcat->section = postcat->has_contents ? QUEUE_POSTCAT_END : QUEUE_POSTCAT_HEADER;
	postcat->has_contents = true;
	return true;
}

/* "postcat: fatal: open queue file ID: No such file or directory" */
static bool
is_missing_line(const char *line)
{
	static const char missing[] = ": No such file or directory";
	size_t length = strlen(line), end = sizeof(missing) - 1;

	return length >= end && strcmp(line + length - end, missing) == 0 &&
	       strstr(line, "open queue file") != NULL;
}

/* The first tag header decides: what stands below it was there before us, or is forged. */
static void
header_line(struct queue_postcat *postcat, const char *line)
{
	static const char name[] = QUEUE_TAG_NAME ":";
	struct queue_lookup *lookup = postcat->lookups[postcat->begun - 1];

	if (postcat->has_tag || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	postcat->has_tag = true;
	if (queue_tag_parse(line + sizeof(name) - 1, &lookup->tag) == BASE_OK)
		lookup->status = postcat->is_held ? QUEUE_HELD : QUEUE_MOVING;
}

void
queue_postcat_line(void *context, const char *line)
{
	struct queue_postcat *postcat = context;

	if (envelope_line(postcat, line) || contents_line(postcat, line))
		return;
	switch (postcat->section) {
	case QUEUE_POSTCAT_NOTHING:
		if (is_missing_line(line))
			postcat->is_missing = true;
		break;
	case QUEUE_POSTCAT_HEADER:
		if (line[0] == '\0' || strncmp(line, "*** ", 4) == 0)
			postcat->section = QUEUE_POSTCAT_END;
		else
			header_line(postcat, line);
		break;
	case QUEUE_POSTCAT_ENVELOPE:
	case QUEUE_POSTCAT_END:
		break;
	}
}

void
queue_header_line(void *context, const char *line)
{
	static const char name[] = QUEUE_TAG_NAME ":";
	struct queue_header *header = context;

	if (is_missing_line(line))
		header->is_missing = true;
	if (line[0] == '\0')
		header->has_ended = true;
	if (header->has_ended || header->has_tag || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	header->has_tag = true;
	header->is_ours = queue_tag_parse(line + sizeof(name) - 1, &header->tag) == BASE_OK;
}

/* Runs a command that needs no more than one file, or none. */
static enum base_result
run(const struct queue_mta *mta, enum queue_tool tool, const char *queue_id,
    struct queue_lines *lines, int64_t deadline, const char **why_r)
{
	const struct queue_command command = { .tool = tool,
		.ids = &queue_id,
		.count = queue_id != NULL,
		.output = lines != NULL ? queue_lines_output : NULL,
		.context = lines,
		.deadline = deadline };

	return queue_tool_run(mta->options, &command, why_r);
}

/* Reads the headers of some files in one run of postcat. */
static enum base_result
postcat_run(const struct queue_mta *mta, struct queue_postcat *postcat, int64_t deadline,
    const char **why_r)
{
	const char *ids[LOOKUP_MAX];
	struct queue_lines lines = { .each = queue_postcat_line, .context = postcat };
	const struct queue_command command = { .tool = QUEUE_TOOL_LOOKUP,
		.ids = ids,
		.count = postcat->count,
		.output = queue_lines_output,
		.context = &lines,
		.deadline = deadline };

	for (size_t i = 0; i < postcat->count; i++) {
		ids[i] = postcat->lookups[i]->queue_id;
		postcat->lookups[i]->status = QUEUE_FAILED;
	}
	return queue_tool_run(mta->options, &command, why_r);
}

/* The header of one file, and nothing but that: no line of it can be anything else. */
static enum base_result
header_run(const struct queue_mta *mta, const char *queue_id, struct queue_header *header,
    int64_t deadline, const char **why_r)
{
	struct queue_lines lines = { .each = queue_header_line, .context = header };

	return run(mta, QUEUE_TOOL_HEADER, queue_id, &lines, deadline, why_r);
}

/* One file by itself. Where it is its directory says; it may not move meanwhile. */
static void
lookup_single(const struct queue_mta *mta, struct queue_lookup *lookup, int64_t deadline)
{
	struct queue_location before = { false, false }, after = { false, false };
	struct queue_header header = { .has_tag = false };
	const char *why;

	lookup->status = QUEUE_FAILED;
	switch (queue_spool_find(mta->queue_directory, lookup->queue_id, &before)) {
	case BASE_OK:
		break;
	case BASE_NONE:
		lookup->status = QUEUE_GONE;
		return;
	default:
		return;
	}
	if (header_run(mta, lookup->queue_id, &header, deadline, &why) != BASE_OK) {
		if (header.is_missing && !header.has_tag)
			lookup->status = QUEUE_GONE;
		return;
	}
	if (queue_spool_find(mta->queue_directory, lookup->queue_id, &after) != BASE_OK ||
	    before.is_held != after.is_held)
		return;
	lookup->tag = header.tag;
	lookup->is_stopped = after.is_stopped;
	lookup->status = !header.is_ours ? QUEUE_FOREIGN
			 : after.is_held ? QUEUE_HELD
					 : QUEUE_MOVING;
}

/*
 * Up to LOOK_MAX files at once. Where anything is odd, as when one of them left meanwhile, which
 * ends postcat, each half is looked at by itself, down to the one that is odd.
 */
static void
lookup_batch(
    const struct queue_mta *mta, struct queue_lookup **lookups, size_t count, int64_t deadline)
{
	struct queue_postcat postcat = { .lookups = lookups, .count = count };
	const char *why;

	if (count > 1 && (postcat_run(mta, &postcat, deadline, &why) != BASE_OK ||
			     postcat.begun != count || postcat.is_odd)) {
		lookup_batch(mta, lookups, count / 2, deadline);
		lookup_batch(mta, lookups + count / 2, count - count / 2, deadline);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (count == 1 || lookups[i]->status == QUEUE_FAILED)
			lookup_single(mta, lookups[i], deadline);
}

/* Where the files are, and whose they are. Postfix never splits a message. */
static void
lookup(struct queue_mta *mta, struct queue_lookup *lookups, size_t count, int64_t deadline)
{
	struct queue_lookup *there[LOOKUP_MAX];
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		struct queue_location location = { false, false };
		enum base_result result =
		    queue_spool_find(mta->queue_directory, lookups[i].queue_id, &location);

		lookups[i].status = result == BASE_NONE ? QUEUE_GONE : QUEUE_FAILED;
		lookups[i].is_stopped = location.is_stopped;
		if (result == BASE_OK)
			there[found++] = &lookups[i];
		if (found == LOOKUP_MAX || i + 1 == count) {
			lookup_batch(mta, there, found, deadline);
			found = 0;
		}
	}
}

/* --- acting ----------------------------------------------------------------------- */

/* How each verb is asked of postsuper, and what postsuper says of each file when it is done. */
static const struct {
	enum queue_tool tool;
	const char *said;
	enum queue_status status; /* then */
} acts[] = {
	[QUEUE_STATUS] = { QUEUE_TOOLS, NULL, QUEUE_FAILED },
	[QUEUE_RELEASE] = { QUEUE_TOOL_RELEASE, ": released from hold", QUEUE_MOVING },
	[QUEUE_RETURN] = { QUEUE_TOOL_RETURN, ": released from hold", QUEUE_MOVING },
	[QUEUE_DELETE] = { QUEUE_TOOL_DELETE, ": removed", QUEUE_GONE },
	[QUEUE_STOP] = { QUEUE_TOOLS, NULL, QUEUE_FAILED },
};

/* Reads what postsuper says: "postsuper: ID: released from hold". */
struct said {
	enum queue_verb verb;
	struct queue_item *items;
	size_t count;
};

/* Notes that one file is done. */
static void
postsuper_line(void *context, const char *line)
{
	static const char start[] = "postsuper: ";
	struct said *said = context;
	size_t length;

	if (strncmp(line, start, sizeof(start) - 1) != 0)
		return;
	line += sizeof(start) - 1;
	length = strcspn(line, ":");
	if (strcmp(line + length, acts[said->verb].said) != 0)
		return;
	for (size_t i = 0; i < said->count; i++) {
		struct queue_item *item = &said->items[i];

		if (item->status == QUEUE_HELD && strlen(item->queue_id) == length &&
		    memcmp(item->queue_id, line, length) == 0)
			item->status = acts[said->verb].status;
	}
}

/* One run for all files on hold, in the hold queue alone. */
static enum base_result
postsuper(const struct queue_mta *mta, struct said *said, int64_t deadline, const char **why_r)
{
	const char *ids[QUEUE_MAX_ITEMS];
	struct queue_lines lines = { .each = postsuper_line, .context = said };
	struct queue_command command = { .tool = acts[said->verb].tool,
		.ids = ids,
		.output = queue_lines_output,
		.context = &lines,
		.deadline = deadline };

	for (size_t i = 0; i < said->count; i++)
		if (said->items[i].status == QUEUE_HELD)
			ids[command.count++] = said->items[i].queue_id;
	return command.count == 0 ? BASE_OK : queue_tool_run(mta->options, &command, why_r);
}

/*
 * Has the queue manager look at those that are off hold now and not at its next queue run: each by
 * itself, or all deferred mail at once where they are many, which tries that of others again as
 * well, as a queue run does every few minutes anyway. Without that they are not where they were
 * wanted: asked again later.
 */
static enum base_result
flush_moving(const struct queue_mta *mta, struct queue_item *items, size_t count, int64_t deadline,
    const char **why_r)
{
	enum base_result result = BASE_OK, flushed = BASE_NONE;
	size_t moving = 0;
	const char *why;

	for (size_t i = 0; i < count; i++)
		moving += items[i].status == QUEUE_MOVING;
	if (moving > FLUSH_MAX)
		flushed = run(mta, QUEUE_TOOL_FLUSH, NULL, NULL, deadline, &why);
	for (size_t i = 0; moving > 0 && i < count; i++) {
		if (items[i].status != QUEUE_MOVING ||
		    (flushed == BASE_NONE ? run(mta, QUEUE_TOOL_FLUSH_ONE, items[i].queue_id, NULL,
						deadline, &why)
					  : flushed) == BASE_OK)
			continue;
		items[i].status = QUEUE_FAILED;
		*why_r = why;
		result = BASE_RETRY;
	}
	return result;
}

static enum base_result
act(struct queue_mta *mta, enum queue_verb verb, struct queue_item *items, size_t count,
    int64_t deadline, const char **why_r)
{
	struct said said = { .verb = verb, .items = items, .count = count };
	enum base_result result = postsuper(mta, &said, deadline, why_r), flushed = BASE_OK;
	const char *why = "";

	for (size_t i = 0; i < count; i++)
		/* postsuper did not say that it is done: asked for again later. */
		if (items[i].status == QUEUE_HELD)
			items[i].status = QUEUE_FAILED;
	if (verb != QUEUE_DELETE)
		flushed = flush_moving(mta, items, count, deadline, &why);
	if (result == BASE_OK && flushed != BASE_OK) {
		*why_r = why;
		result = flushed;
	}
	return result;
}

static enum base_result
mark(
    const struct queue_mta *mta, const struct queue_item *item, bool is_stopped, const char **why_r)
{
	return queue_spool_mark(mta->queue_directory, item->queue_id, is_stopped, why_r);
}

/* --- reading and listing ------------------------------------------------------------ */

/* A base_output_fn that fills a buffer. */
static void
append_output(void *buffer, const char *data, size_t length)
{
	base_buffer_append(buffer, data, length);
}

static enum base_result
read_message(const struct queue_mta *mta, const char *queue_id, int64_t deadline,
    struct base_buffer *message_r, const char **why_r)
{
	const struct queue_command command = { .tool = QUEUE_TOOL_READ,
		.ids = &queue_id,
		.count = 1,
		.output = append_output,
		.context = message_r,
		.deadline = deadline };
	enum base_result result = queue_tool_run(mta->options, &command, why_r);

	if (result == BASE_OK && message_r->failed) {
		*why_r = "the message is too large to be read";
		return BASE_REFUSE;
	}
	return result;
}

/* One line of `postqueue -j`, which is one JSON object; long lines come cut off. */
static void
listed_line(void *context, const char *line)
{
	static const char start[] = "{\"queue_name\": \"hold\", \"queue_id\": \"";
	struct base_buffer *ids = context;
	char id[QUEUE_MAX_ID + 2];
	size_t length;

	if (strncmp(line, start, sizeof(start) - 1) != 0)
		return;
	line += sizeof(start) - 1;
	length = strcspn(line, "\"");
	if (length > QUEUE_MAX_ID)
		return;
	memcpy(id, line, length);
	id[length] = '\0';
	if (queue_is_queue_id(id))
		base_buffer_printf(ids, "%s\n", id);
}

static enum base_result
list_held(
    const struct queue_mta *mta, int64_t deadline, struct base_buffer *ids_r, const char **why_r)
{
	struct queue_lines lines = { .each = listed_line, .context = ids_r };
	enum base_result result = run(mta, QUEUE_TOOL_LIST, NULL, &lines, deadline, why_r);

	if (result == BASE_OK && ids_r->failed) {
		*why_r = "too many files on hold";
		return BASE_REFUSE;
	}
	return result;
}

/* --- opening ---------------------------------------------------------------------- */

/* A line of `postconf -h`: the first one is what was asked for. */
static void
directory_line(void *directory, const char *line)
{
	char *known = directory;

	if (known[0] == '\0' && line[0] == '/')
		snprintf(known, QUEUE_MAX_PATH, "%s", line);
}

static enum base_result
open_mta(struct queue_mta *mta, const char **why_r)
{
	struct queue_lines lines = { .each = directory_line, .context = mta->queue_directory };
	enum base_result result =
	    run(mta, QUEUE_TOOL_DIRECTORY, NULL, &lines, base_tick_ms() + BASE_TOOL_MS, why_r);

	if (result == BASE_OK && mta->queue_directory[0] == '\0') {
		*why_r = base_why("postconf does not know the queue_directory of %s",
		    mta->options->config_directory);
		result = BASE_BROKEN;
	}
	return result;
}

/* Postfix gives all of its queues to one user, whatever he is called, who is not root. */
static enum base_result
owner(const struct queue_mta *mta, unsigned *uid_r, const char **why_r)
{
	char path[QUEUE_MAX_PATH + 8];
	struct stat status;

	snprintf(path, sizeof(path), "%s/hold", mta->queue_directory);
	if (stat(path, &status) != 0 || status.st_uid == 0) {
		*why_r = base_why("%s: not there, or not the mail system's own user's", path);
		return BASE_BROKEN;
	}
	*uid_r = status.st_uid;
	return BASE_OK;
}

/* Its commands change the files: here only a mode is, for which one is opened to be read. */
static enum base_result
narrow(const struct queue_mta *mta, const char **why_r)
{
	(void)mta;
	return narrow_files(NULL, 0, true, why_r);
}

const struct queue_driver queue_postfix = {
	.kind = "postfix",
	.owner = owner,
	.open = open_mta,
	.narrow = narrow,
	.lookup = lookup,
	.act = act,
	.mark = mark,
	.read = read_message,
	.list_held = list_held,
};
