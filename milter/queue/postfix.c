/* Postfix: postcat looks and reads, postsuper and postqueue act, postqueue lists. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "milter/queue/internal.h"

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

/* The path of one of Postfix's commands. */
static bool
command_path(const struct queue_mta *mta, const char *name, char path_r[QUEUE_MAX_PATH])
{
	int n = snprintf(
	    path_r, QUEUE_MAX_PATH, "%s/%s", mta->options->command_directory, name);

	return n > 0 && n < QUEUE_MAX_PATH;
}

/* Runs a command on our configuration; argv[0] is its name. OK only when it exits with 0.
 */
static enum base_result
run(const struct queue_mta *mta, struct base_tool *tool, const char **why_r)
{
	enum base_result result;
	char path[QUEUE_MAX_PATH];
	int status = 0;

	if (!command_path(mta, tool->argv[0], path)) {
		*why_r = "mta.command_directory is too long";
		return BASE_BROKEN;
	}
	tool->path = path;
	result = base_tool_run(tool, &status, why_r);
	tool->path = NULL;
	if (result == BASE_OK && status != 0) {
		*why_r = base_why("%s %s ended with status %d", tool->argv[0],
		    tool->argv[3] == NULL ? "" : tool->argv[3], status);
		return BASE_RETRY;
	}
	return result;
}

/* --- looking ---------------------------------------------------------------------- */

/* "*** ENVELOPE RECORDS hold/ID ***": does it name our file, and the hold queue? */
static bool
envelope_line(struct queue_postcat *postcat, const char *line)
{
	static const char start[] = "*** ENVELOPE RECORDS ";
	const char *name, *slash, *end;

	if (strncmp(line, start, sizeof(start) - 1) != 0)
		return false;
	name = line + sizeof(start) - 1;
	/* With hashed queues there are more directories between the two. */
	slash = strrchr(name, '/');
	end = strchr(name, ' ');
	if (slash == NULL || end == NULL || slash > end ||
	    strlen(postcat->queue_id) != (size_t)(end - slash - 1) ||
	    strncmp(slash + 1, postcat->queue_id, strlen(postcat->queue_id)) != 0)
		return false;
	postcat->is_held = strncmp(name, "hold/", 5) == 0;
	return true;
}

/* The first tag header decides: what stands below it was there before us, or is forged. */
static void
header_line(struct queue_postcat *postcat, const char *line)
{
	static const char name[] = QUEUE_TAG_NAME ":";

	if (postcat->has_tag || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	postcat->has_tag = true;
	if (queue_tag_parse(line + sizeof(name) - 1, postcat->hold_id) != BASE_OK)
		postcat->hold_id[0] = '\0';
}

void
queue_postcat_line(void *context, const char *line)
{
	static const char missing[] = ": No such file or directory";
	struct queue_postcat *postcat = context;
	size_t length = strlen(line);

	switch (postcat->place) {
	case QUEUE_POSTCAT_NOTHING:
		if (envelope_line(postcat, line))
			postcat->place = QUEUE_POSTCAT_ENVELOPE;
		else if (length >= sizeof(missing) - 1 &&
			 strcmp(line + length - (sizeof(missing) - 1), missing) == 0 &&
			 strstr(line, "open queue file") != NULL)
			postcat->is_missing = true;
		break;
	case QUEUE_POSTCAT_ENVELOPE:
		/* No record of an envelope is printed without its name before it. */
		if (strncmp(line, "*** MESSAGE CONTENTS ", 21) == 0)
			postcat->place = QUEUE_POSTCAT_HEADER;
		break;
	case QUEUE_POSTCAT_HEADER:
		if (line[0] == '\0' || strncmp(line, "*** ", 4) == 0)
			postcat->place = QUEUE_POSTCAT_END;
		else
			header_line(postcat, line);
		break;
	case QUEUE_POSTCAT_END:
		break;
	}
}

/* Where one file is, and whose it is. */
static enum queue_status
look(const struct queue_mta *mta, const char *queue_id, const char *hold_id,
    int64_t deadline, char hold_id_r[BASE_ID_SIZE])
{
	const char *argv[] = { "postcat", "-c", mta->options->config_directory, "-e", "-h",
		"-q", queue_id, NULL };
	struct queue_postcat postcat = { .queue_id = queue_id };
	struct queue_lines lines = { .each = queue_postcat_line, .context = &postcat };
	struct base_tool tool = { .argv = argv,
		.output = queue_lines_output,
		.context = &lines,
		.with_errors = true,
		.deadline = deadline };
	const char *why;

	(void)hold_id; /* Postfix never splits a message */
	if (!queue_spool_has(mta->queue_directory, queue_id))
		return QUEUE_GONE;
	if (run(mta, &tool, &why) != BASE_OK)
		return postcat.place == QUEUE_POSTCAT_NOTHING && postcat.is_missing
			   ? QUEUE_GONE
			   : QUEUE_FAILED;
	if (postcat.place == QUEUE_POSTCAT_NOTHING ||
	    postcat.place == QUEUE_POSTCAT_ENVELOPE)
		return QUEUE_FAILED;
	if (postcat.hold_id[0] == '\0')
		return QUEUE_FOREIGN;
	memcpy(hold_id_r, postcat.hold_id, BASE_ID_SIZE);
	return postcat.is_held ? QUEUE_HELD : QUEUE_MOVING;
}

/* --- acting ----------------------------------------------------------------------- */

/* What each verb is to postsuper, and what postsuper says of each file when it is done. */
static const struct {
	const char *option;
	const char *said;
	enum queue_status status; /* then */
} acts[] = {
	[QUEUE_STATUS] = { NULL, NULL, QUEUE_FAILED },
	[QUEUE_RELEASE] = { "-H", ": released from hold", QUEUE_MOVING },
	[QUEUE_RETURN] = { "-f", ": released from hold", QUEUE_MOVING },
	[QUEUE_DELETE] = { "-d", ": removed", QUEUE_GONE },
};

/* Reads what postsuper says: "postsuper: ID: released from hold". */
struct said {
	enum queue_verb verb;
	struct queue_item *items;
	size_t count;
};

/* Notes that one file is done. */
static void
said_line(void *context, const char *line)
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
postsuper(
    const struct queue_mta *mta, struct said *said, int64_t deadline, const char **why_r)
{
	const char *argv[] = { "postsuper", "-c", mta->options->config_directory,
		acts[said->verb].option, "-", "hold", NULL };
	struct queue_lines lines = { .each = said_line, .context = said };
	struct base_tool tool = { .argv = argv,
		.output = queue_lines_output,
		.context = &lines,
		.with_errors = true,
		.deadline = deadline };
	enum base_result result = BASE_OK;
	struct base_buffer ids;

	base_buffer_init(&ids, QUEUE_MAX_ITEMS * (QUEUE_MAX_ID + 1));
	for (size_t i = 0; i < said->count; i++) {
		if (said->items[i].status == QUEUE_HELD)
			base_buffer_printf(&ids, "%s\n", said->items[i].queue_id);
	}
	tool.input = base_buffer_text(&ids);
	if (ids.failed) {
		*why_r = "out of memory";
		result = BASE_BROKEN;
	} else if (ids.length > 0) {
		result = run(mta, &tool, why_r);
	}
	base_buffer_free(&ids);
	return result;
}

/* Has the queue manager look at one file now, not at its next queue run. */
static enum base_result
prod(
    const struct queue_mta *mta, const char *queue_id, int64_t deadline, const char **why_r)
{
	const char *argv[] = { "postqueue", "-c", mta->options->config_directory, "-i",
		queue_id, NULL };
	struct base_tool tool = { .argv = argv, .deadline = deadline };

	return run(mta, &tool, why_r);
}

static enum base_result
act(const struct queue_mta *mta, enum queue_verb verb, struct queue_item *items,
    size_t count, int64_t deadline, const char **why_r)
{
	struct said said = { .verb = verb, .items = items, .count = count };
	enum base_result result = postsuper(mta, &said, deadline, why_r);

	for (size_t i = 0; i < count; i++) {
		const char *why;

		if (items[i].status == QUEUE_HELD) {
			/* postsuper did not say that it is done: asked for again later. */
			items[i].status = QUEUE_FAILED;
		} else if (items[i].status == QUEUE_MOVING && verb != QUEUE_DELETE &&
			   prod(mta, items[i].queue_id, deadline, &why) != BASE_OK) {
			items[i].status = QUEUE_FAILED;
			if (result == BASE_OK)
				*why_r = why;
			result = BASE_RETRY;
		}
	}
	return result;
}

/* --- reading and listing ------------------------------------------------------------ */

/* A base_output_fn that fills a buffer. */
static void
keep(void *buffer, const char *data, size_t length)
{
	base_buffer_append(buffer, data, length);
}

static enum base_result
read_message(const struct queue_mta *mta, const char *queue_id, int64_t deadline,
    struct base_buffer *message_r, const char **why_r)
{
	const char *argv[] = { "postcat", "-c", mta->options->config_directory, "-b", "-h",
		"-q", queue_id, NULL };
	struct base_tool tool = {
		.argv = argv, .output = keep, .context = message_r, .deadline = deadline
	};
	enum base_result result = run(mta, &tool, why_r);

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
held(const struct queue_mta *mta, int64_t deadline, struct base_buffer *ids_r,
    const char **why_r)
{
	const char *argv[] = { "postqueue", "-c", mta->options->config_directory, "-j",
		NULL };
	struct queue_lines lines = { .each = listed_line, .context = ids_r };
	struct base_tool tool = { .argv = argv,
		.output = queue_lines_output,
		.context = &lines,
		.deadline = deadline };
	enum base_result result = run(mta, &tool, why_r);

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
	const char *argv[] = { "postconf", "-c", mta->options->config_directory, "-h",
		"queue_directory", NULL };
	struct queue_lines lines = { .each = directory_line,
		.context = mta->queue_directory };
	struct base_tool tool = { .argv = argv,
		.output = queue_lines_output,
		.context = &lines,
		.deadline = base_tick_ms() + BASE_TOOL_MS };
	enum base_result result = run(mta, &tool, why_r);

	if (result == BASE_OK && mta->queue_directory[0] == '\0') {
		*why_r = base_why("postconf does not know the queue_directory of %s",
		    mta->options->config_directory);
		result = BASE_BROKEN;
	}
	return result;
}

const struct queue_driver queue_postfix = {
	.kind = "postfix",
	.open = open_mta,
	.look = look,
	.act = act,
	.read = read_message,
	.held = held,
};
