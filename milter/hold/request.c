/* request - what a request to hold must be, and the row that is made of it */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

#include <string.h>

/* --- what a request must be ------------------------------------------------------ */

/* Is a length of time one that can be added to the clock? */
static bool
is_span(int64_t seconds)
{
	return seconds >= 0 && seconds <= HOLD_MAX_SECONDS;
}

enum base_result
hold_request_check(const struct hold_params *request, const char **why_r)
{
	if (!queue_is_queue_id(request->queue_id))
		*why_r = base_why("\"%.70s\" is not a queue id", request->queue_id);
	else if (request->action != HOLD_UNDO && request->action != HOLD_CONFIRM &&
		 request->action != HOLD_STORM)
		*why_r = base_why("action %d is not one that holds", (int)request->action);
	else if (request->on_end != MAIL_END_RETURN && request->on_end != MAIL_END_SEND)
		*why_r = base_why("a hold cannot end by deleting");
	else if (request->then != MAIL_END_RETURN && request->then != MAIL_END_DELETE)
		*why_r = base_why("a cancelled mail cannot end by being sent");
	else if (!is_span(request->window) || !is_span(request->grace) ||
		 !is_span(request->announce))
		*why_r = base_why("a window or grace is out of range");
	else if (request->submission_length == 0 ||
		 request->observation_length > HOLD_MAX_OBSERVATION)
		*why_r =
		    base_why("no act, or a lesson of more than %u bytes", HOLD_MAX_OBSERVATION);
	else if (strlen(request->sender) > HOLD_MAX_SENDER)
		*why_r = base_why("a sender of more than %d bytes", HOLD_MAX_SENDER);
	else
		return BASE_OK;
	return BASE_REFUSE;
}

/* --- the row --------------------------------------------------------------------- */

/* Text of a stranger on one line, bounded. */
static const char *
line_make(struct base_arena *arena, const char *text, size_t max_bytes)
{
	struct base_buffer line;
	const char *copy;

	base_buffer_init(&line, max_bytes + 1);
	base_quote_line(&line, text != NULL ? text : "", max_bytes);
	copy = base_arena_strdup(arena, base_buffer_text(&line));
	base_buffer_free(&line);
	return copy;
}

/*
 * Where the letter goes, byte by byte; "" stands for the sender. A letter is no place for an
 * address that is longer than one can be.
 */
static const char *
mailbox_of(const struct hold_params *request)
{
	bool is_known = request->mailbox != NULL &&
			strcmp(request->mailbox, request->sender) != 0 &&
			strlen(request->mailbox) <= HOLD_MAX_SENDER;

	return is_known ? request->mailbox : "";
}

/* Whose address the mail bears, if it is not the sender's; "" else. */
static const char *
from_of(struct base_arena *arena, const struct hold_params *request)
{
	bool is_own = request->from == NULL || strcmp(request->from, request->sender) == 0;

	return is_own ? "" : line_make(arena, request->from, HOLD_MAX_SENDER);
}

/* Lines of addresses as we have made them ourselves, or none where they are too long. */
static const char *
lines_make(struct base_arena *arena, const char *lines)
{
	return base_arena_strdup(
	    arena, lines == NULL || strlen(lines) > HOLD_MAX_RECIPIENTS ? "" : lines);
}

/* The recipients that are shown, one a line, whole ones only. */
static const char *
recipients_make(struct base_arena *arena, const struct hold_params *request)
{
	struct base_buffer lines;
	const char *copy;

	base_buffer_init(&lines, HOLD_MAX_RECIPIENTS);
	for (size_t i = 0; i < request->recipients_visible; i++) {
		size_t capacity = lines.max - lines.length;

		if (strlen(request->recipients[i]) + 2 > capacity)
			break;
		if (i > 0)
			base_buffer_puts(&lines, "\n");
		base_quote_line(&lines, request->recipients[i], HOLD_MAX_SENDER);
	}
	copy = base_arena_strdup(arena, base_buffer_text(&lines));
	base_buffer_free(&lines);
	return copy;
}

/* The reasons as text. */
static const char *
reasons_make(struct base_arena *arena, const struct hold_params *request)
{
	struct base_buffer text;
	const char *copy;

	base_buffer_init(&text, HOLD_MAX_REASONS * (2 * HOLD_MAX_NAME + 3 * HOLD_MAX_REASON + 8));
	hold_reasons_write(&text, request->reasons, request->reason_count, false);
	copy = base_arena_strdup(arena, base_buffer_text(&text));
	base_buffer_free(&text);
	return copy;
}

enum base_result
hold_row_make(struct hold *hold, struct base_arena *arena, const struct hold_params *request,
    const char *id, struct store_hold *row_r, const char **why_r)
{
	struct store_hold row = {
		.id = id,
		.node = hold->node,
		.state = HOLD_PENDING,
		.action = request->action,
		.submission = { request->submission, request->submission_length },
		.sender = request->sender,
		.mailbox = mailbox_of(request),
		.from_address = from_of(arena, request),
		.subject = line_make(arena, request->subject, HOLD_MAX_SUBJECT),
		.recipients = recipients_make(arena, request),
		.recipient_count = (int64_t)request->recipient_count,
		.people = (int64_t)request->people,
		.people_kind = (int)request->people_kind,
		.score = request->score,
		.reasons = reasons_make(arena, request),
		.policy = line_make(arena, request->policy, HOLD_MAX_NAME),
		.language = line_make(arena, request->language, HOLD_MAX_NAME),
		.template = line_make(arena, request->template, HOLD_MAX_TEMPLATE),
		.window = request->window,
		.announce = request->announce,
		.grace = request->grace,
		.on_end = request->on_end,
		.then = request->then,
		.by = "mta",
		.undone_by = "",
		.storm = request->action == HOLD_STORM ? request->storm : "",
		.author = line_make(arena, request->author, HOLD_MAX_SENDER),
		.answered = (int64_t)request->answered,
		.limited_by = "",
		.left_count = (int64_t)request->left_count,
		.left_to = lines_make(arena, request->left_to),
		.bounces_home = request->bounces_home,
	};

	if (row.subject == NULL || row.recipients == NULL || row.reasons == NULL ||
	    row.policy == NULL || row.language == NULL || row.template == NULL ||
	    row.author == NULL || row.left_to == NULL || row.from_address == NULL) {
		*why_r = base_why("no memory for a hold");
		return BASE_BROKEN;
	}
	*row_r = row;
	return BASE_OK;
}
