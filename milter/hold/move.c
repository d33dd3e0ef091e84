/* move - the one function that changes a state, what it writes to the audit, and requests */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"
#include "milter/hold/storm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- audit ----------------------------------------------------------------------- */

#define NUMBER_SIZE 32

/* A number as text. */
static const char *
number(char text_r[NUMBER_SIZE], int64_t value)
{
	snprintf(text_r, NUMBER_SIZE, "%" PRId64, value);
	return text_r;
}

/* How many people it goes to: "40", or "40+" for at least so many. */
static const char *
people_text(char text_r[NUMBER_SIZE], const struct store_hold *row)
{
	snprintf(
	    text_r, NUMBER_SIZE, "%" PRId64 "%s", row->people, row->people_kind != 0 ? "+" : "");
	return text_r;
}

void
hold_audit_hold(const struct store_hold *row, const char *was, const char *queue_id,
    const char *message_id, size_t entry)
{
	char score[NUMBER_SIZE], recipients[NUMBER_SIZE], people[NUMBER_SIZE];
	char deadline[NUMBER_SIZE], number_of_entry[NUMBER_SIZE];
	struct base_arena *arena = base_arena_new(HOLD_MAX_ROW);

	snprintf(score, sizeof(score), "%.4f", row->score);
	audit_event(AUDIT_HOLD, row->id, { "sender", row->sender },
	    { "action", hold_action_str(row->action) }, { "score", score },
	    { "recipients", number(recipients, row->recipient_count) },
	    { "people", people_text(people, row) }, { "policy", row->policy },
	    { "reasons", arena != NULL ? hold_reasons_brief(arena, row->reasons) : NULL },
	    { "queue_id", queue_id }, { "message_id", message_id }, { "node", row->node },
	    { "deadline", number(deadline, row->deadline / 1000) },
	    { "part", entry > 0 ? number(number_of_entry, (int64_t)entry) : NULL }, { "was", was },
	    { "now", hold_state_str(row->state) });
	base_arena_free(&arena);
}

void
hold_audit_lost(const char *id, enum hold_state was, enum hold_state now, enum hold_how how,
    const char *queue_ids)
{
	audit_event(AUDIT_LOST, id, { "was", hold_state_str(was) }, { "now", hold_state_str(now) },
	    { "how", hold_how_str(how) }, { "queue_ids", queue_ids });
}

/* The queue ids of the queue entries in a state, separated by commas; bounded by the audit. */
static void
queue_ids_list(struct base_buffer *list_r, const struct store_entry *entries, size_t count,
    enum hold_entry_state state)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].state == (int)state)
			base_buffer_printf(
			    list_r, "%s%s", list_r->length > 0 ? "," : "", entries[i].queue_id);
}

/* The queue showed it on hold, with these files. */
static void
audit_held(const struct store_hold *before, const struct store_hold *after,
    const struct store_entry *entries, size_t count)
{
	char recipients[NUMBER_SIZE], people[NUMBER_SIZE], deadline[NUMBER_SIZE];
	struct base_buffer held;

	base_buffer_init(&held, HOLD_MAX_ENTRIES * (QUEUE_MAX_ID + 1));
	queue_ids_list(&held, entries, count, HOLD_ENTRY_HELD);
	audit_event(AUDIT_HELD, after->id, { "sender", after->sender },
	    { "action", hold_action_str(after->action) },
	    { "recipients", number(recipients, after->recipient_count) },
	    { "people", people_text(people, after) }, { "queue_ids", base_buffer_text(&held) },
	    { "node", after->node }, { "deadline", number(deadline, after->deadline / 1000) },
	    { "was", hold_state_str(before->state) }, { "now", hold_state_str(after->state) });
	base_buffer_free(&held);
}

/* A move that ends with the queue entries gone the way they should. */
static void
audit_end(enum audit_event event, const struct store_hold *before, const struct store_hold *after,
    const char *queue_ids)
{
	audit_event(event, after->id, { "by", after->by }, { "was", hold_state_str(before->state) },
	    { "now", hold_state_str(after->state) }, { "queue_ids", queue_ids });
}

/* The same for what went back to its author, and how it did. */
static void
audit_return(const struct store_hold *before, const struct store_hold *after, const char *queue_ids)
{
	audit_event(AUDIT_RETURN, after->id, { "by", after->by },
	    { "was", hold_state_str(before->state) }, { "now", hold_state_str(after->state) },
	    { "queue_ids", queue_ids }, { "how", hold_return_str(after->return_how) });
}

/* A move that only asks for something. */
static void
audit_start(enum audit_event event, const struct store_hold *before, const struct store_hold *after)
{
	audit_event(event, after->id, { "by", after->by }, { "was", hold_state_str(before->state) },
	    { "now", hold_state_str(after->state) });
}

/* It shall not be sent; until when it can be sent after all. */
static void
audit_undo(const struct store_hold *before, const struct store_hold *after)
{
	char deadline[NUMBER_SIZE];

	audit_event(AUDIT_UNDO, after->id, { "by", after->by },
	    { "was", hold_state_str(before->state) }, { "now", hold_state_str(after->state) },
	    { "deadline", number(deadline, after->deadline / 1000) });
}

/* A time that came. */
static void
audit_expire(const struct store_hold *before, const struct store_hold *after)
{
	char deadline[NUMBER_SIZE];

	audit_event(AUDIT_EXPIRE, after->id, { "was", hold_state_str(before->state) },
	    { "now", hold_state_str(after->state) },
	    { "deadline", number(deadline, before->deadline / 1000) },
	    { "announced", before->letter_sent != 0 ? "yes" : "no" });
}

void
hold_move_audit(const struct store_hold *before, const struct store_hold *after,
    const struct store_entry *entries, size_t entry_count)
{
	struct base_buffer done;

	base_buffer_init(&done, HOLD_MAX_ENTRIES * (QUEUE_MAX_ID + 1));
	queue_ids_list(&done, entries, entry_count, HOLD_ENTRY_DONE);
	if (strcmp(after->by, "timer") == 0 && !hold_state_is_final(after->state))
		audit_expire(before, after);
	switch ((enum hold_state)after->state) {
	case HOLD_PENDING:
	case HOLD_LOST: /* hold_audit_lost() with the queue entries */
		break;
	case HOLD_HELD:
		audit_held(before, after, entries, entry_count);
		break;
	case HOLD_SENDING:
		audit_start(before->state == HOLD_HELD ? AUDIT_SEND : AUDIT_RESTORE, before, after);
		break;
	case HOLD_UNDONE:
		audit_undo(before, after);
		break;
	case HOLD_RETURNING: /* the line of the timer says it */
		break;
	case HOLD_SENT:
		audit_end(AUDIT_SENT, before, after, base_buffer_text(&done));
		break;
	case HOLD_RETURNED:
		audit_return(before, after, base_buffer_text(&done));
		break;
	case HOLD_DELETED:
		audit_end(AUDIT_DELETE, before, after, base_buffer_text(&done));
		break;
	}
	base_buffer_free(&done);
}

/* --- moving ---------------------------------------------------------------------- */

/* Leaves the names and points of the reasons: the rest names people. */
static const char *
reasons_wipe(struct base_arena *arena, const char *text)
{
	struct hold_reason *reasons;
	struct base_buffer wiped;
	const char *copy = NULL;
	size_t count;

	if (hold_reasons_read(arena, text, &reasons, &count) != BASE_OK)
		return "";
	base_buffer_init(&wiped, strlen(text) + HOLD_MAX_REASONS * 4);
	if (hold_reasons_write(&wiped, reasons, count, true))
		copy = base_arena_strdup(arena, base_buffer_text(&wiped));
	base_buffer_free(&wiped);
	return copy != NULL ? copy : "";
}

/* It is over: nothing is left to do, and nothing that names people stays. */
static void
row_settle(struct base_arena *arena, struct store_hold *row, int64_t now)
{
	row->settled = now;
	row->deadline = row->due = row->timer = 0;
	row->recipients = row->author = row->left_to = "";
	row->reasons = reasons_wipe(arena, row->reasons);
	if (row->letter_due == 0) /* one more letter may be about it */
		hold_row_forget(row);
}

void
hold_row_forget(struct store_hold *row)
{
	row->mailbox = row->subject = row->from_address = "";
}

/* When a letter about the new state is due; 0: none. Who stopped a mail hears that it left. */
static int64_t
letter_time(const struct store_hold *row, enum hold_state to, int64_t now)
{
	if (to == HOLD_HELD)
		return now + HOLD_LETTER_MS;
	if (to == HOLD_LOST && (row->state == HOLD_UNDONE || row->state == HOLD_RETURNING))
		return now;
	return 0;
}

/* What goes with a new state. */
static void
row_enter(struct base_arena *arena, struct store_hold *row, enum hold_state to, bool is_looking,
    int64_t now)
{
	row->letter_due = letter_time(row, to, now);
	row->letter_tries = row->letter_due != 0 ? 0 : row->letter_tries;
	row->state = to;
	row->moved = now;
	row->tries = 0;
	row->timer = 0;
	row->due = now + (is_looking ? HOLD_LOOK_FIRST_MS : HOLD_LOOK_RARE_MS);
	row->return_due = to == HOLD_RETURNING ? now : 0;
	switch (to) {
	case HOLD_PENDING: /* adopted */
		row->settled = row->seen = 0;
		row->return_how = HOLD_RETURN_DUE;
		row->return_tries = 0;
		row->deadline = now + row->window * 1000;
		break;
	case HOLD_HELD: /* the times of its window come with its letter */
		break;
	case HOLD_UNDONE: /* at once: are they still there to be stopped? */
		row->deadline = now + row->grace * 1000;
		row->timer = now;
		break;
	case HOLD_SENDING:
	case HOLD_RETURNING:
		row->deadline = row->due = 0;
		row->timer = now;
		break;
	case HOLD_SENT:
	case HOLD_RETURNED:
	case HOLD_DELETED:
	case HOLD_LOST:
		row_settle(arena, row, now);
		break;
	}
}

/* Nobody gets a second letter about the same storm. */
static enum base_result
letter_spare(struct hold *hold, struct store_hold *row, const char **why_r)
{
	enum base_result result;

	if (row->state != HOLD_HELD || row->letter_due == 0 || *row->storm == '\0')
		return BASE_OK;
	result = store_storm_told(hold->store, row->storm, row->sender, why_r);
	if (result == BASE_OK)
		row->letter_due = 0;
	return result == BASE_NONE ? BASE_OK : result;
}

bool
hold_is_unannounced(const struct store_hold *row)
{
	bool leaves = row->action == HOLD_UNDO ||
		      (row->action == HOLD_CONFIRM && row->on_end == MAIL_END_SEND);

	return row->state == HOLD_HELD && row->letter_due != 0 && row->announce > 0 && leaves;
}

/* A window of which nobody knows is worth nothing: it waits for its letter, for some time. */
static void
window_wait(struct store_hold *row, int64_t now)
{
	if (hold_is_unannounced(row))
		row->deadline = now + (row->window + row->announce) * 1000;
	if (row->state == HOLD_HELD)
		row->timer = row->deadline;
}

enum base_result
hold_move(struct hold *hold, struct base_arena *arena, struct store_hold *row, enum hold_state to,
    const char *by, bool is_looking, int64_t now, const char **why_r)
{
	enum hold_state from = row->state;
	enum base_result result;

	if (!hold_move_is_allowed(from, to)) {
		*why_r = base_why("%s cannot move from %s to %s", row->id, hold_state_str(from),
		    hold_state_str(to));
		return BASE_REFUSE;
	}
	row_enter(arena, row, to, is_looking, now);
	if (by != NULL)
		row->by = by;
	if (to == HOLD_UNDONE || to == HOLD_PENDING)
		row->undone_by = to == HOLD_UNDONE ? row->by : "";
	result = letter_spare(hold, row, why_r);
	window_wait(row, now);
	if (result == BASE_OK)
		result = store_hold_update(hold->store, row, from, why_r);
	if (result == BASE_OK && hold_state_is_final(to)) {
		result = store_entry_wipe(hold->store, row->id, why_r);
		if (result == BASE_NONE) /* it has no queue entries */
			result = BASE_OK;
	}
	return result;
}

/* --- requests ---------------------------------------------------------------------- */

static const struct {
	enum hold_state from, to;
} requests[] = {
	[HOLD_REQUEST_SEND] = { HOLD_HELD, HOLD_SENDING },
	[HOLD_REQUEST_UNDO] = { HOLD_HELD, HOLD_UNDONE },
	[HOLD_REQUEST_RESTORE] = { HOLD_UNDONE, HOLD_SENDING },
};

/* One request, and what came of it. */
struct request {
	const char *id;
	enum hold_request kind;
	const char *by;
	const char *client;  /* NULL: none */
	const char *refused; /* why nothing moved, for the audit; NULL: it did */
};

/* May this person request it? A block would be none if everybody could drive on. */
static bool
request_is_allowed(const struct store_hold *row, const struct request *request)
{
	return row->action != HOLD_STORM || request->kind == HOLD_REQUEST_UNDO ||
	       strcmp(request->by, "admin") == 0;
}

/* Is it a second click of the hand that undid it, rather than a change of mind? */
static bool
request_is_early(const struct store_hold *row, const struct request *request, int64_t now)
{
	return request->kind == HOLD_REQUEST_RESTORE && strcmp(request->by, "admin") != 0 &&
	       now < row->moved + HOLD_RESTORE_AFTER_MS && now > row->moved - HOLD_CLOCK_SKEW_MS;
}

/* Is it a request for what is kept because it is too large to come back? */
static bool
request_is_for_kept(const struct store_hold *row, const struct request *request)
{
	return hold_is_kept(row) &&
	       (request->kind != HOLD_REQUEST_UNDO || strcmp(request->by, "admin") == 0);
}

/* Is it one that the state of the row allows? */
static bool
request_fits(const struct store_hold *row, const struct request *request)
{
	return row->state == (int)requests[request->kind].from || request_is_for_kept(row, request);
}

/* Is the request possible in the row's state? */
static enum base_result
request_check(
    const struct store_hold *row, struct request *request, int64_t now, const char **why_r)
{
	if (!request_fits(row, request)) {
		request->refused = "state";
		*why_r = base_why("%s is %s", row->id, hold_state_str(row->state));
	} else if (row->state == HOLD_UNDONE && row->then == MAIL_END_DELETE &&
		   now >= row->deadline) {
		/* the scheduler may be deleting the file at this moment */
		request->refused = "over";
		*why_r = base_why("the time to restore %s is over", row->id);
	} else if (!request_is_allowed(row, request)) {
		request->refused = "storm";
		*why_r = base_why("%s waits for the end of a storm", row->id);
	} else if (request_is_early(row, request, now)) {
		request->refused = "early";
		*why_r = base_why("%s was undone a moment ago", row->id);
	}
	return request->refused != NULL ? BASE_REFUSE : BASE_OK;
}

/* An admin has made room: what is kept is to come back to its author after all. */
static enum base_result
return_again(struct hold *hold, struct store_hold *row, int64_t now, const char **why_r)
{
	row->return_how = HOLD_RETURN_DUE;
	row->return_due = now;
	row->return_tries = 0;
	row->letter_due = 0;
	return store_hold_update(hold->store, row, row->state, why_r);
}

/* Reads, decides and writes inside a transaction; *before_r is the row as it was. */
static enum base_result
request_write(struct hold *hold, struct base_arena *arena, struct request *request,
    struct store_hold *before_r, struct store_hold *after_r, const char **why_r)
{
	int64_t now = base_now_ms();
	struct store_hold *row = NULL;
	struct store_entry *entries;
	size_t count = 0;
	enum base_result result = store_hold_get(hold->store, arena, request->id, &row, why_r);

	if (result != BASE_OK)
		return result;
	*before_r = *after_r = *row;
	result = request_check(row, request, now, why_r);
	if (result == BASE_OK)
		result = store_entry_list(hold->store, arena, request->id, &entries, &count, why_r);
	if (result != BASE_OK)
		return result;
	if (hold_is_kept(row) && request->kind == HOLD_REQUEST_UNDO)
		return return_again(hold, after_r, now, why_r);
	return hold_move(hold, arena, after_r, requests[request->kind].to, request->by,
	    hold_has_entry(entries, count, HOLD_ENTRY_PENDING), now, why_r);
}

/* One request in a transaction of its own. */
static enum base_result
request_run(
    struct hold *hold, struct base_arena *arena, struct request *request, const char **why_r)
{
	struct store_hold before = { .id = NULL };
	struct store_hold after;
	enum base_result result = hold_begin(hold, why_r);

	if (result != BASE_OK)
		return result;
	result = request_write(hold, arena, request, &before, &after, why_r);
	if (result == BASE_OK)
		result = store_commit(hold->store, why_r);
	else
		store_rollback(hold->store);
	if (result != BASE_OK && result != BASE_REFUSE)
		return result;
	audit_event(AUDIT_REQUEST, before.id, { "request", hold_request_str(request->kind) },
	    { "by", request->by }, { "was", hold_state_str(before.state) },
	    { "now", hold_state_str(result == BASE_OK ? after.state : before.state) },
	    { "refused", request->refused }, { "client", request->client });
	if (result == BASE_OK) {
		if (before.state != after.state)
			hold_move_audit(&before, &after, NULL, 0);
		hold_wake(hold);
	}
	return result;
}

enum base_result
hold_request(struct hold *hold, const char *id, enum hold_request request, const char *by,
    const char *client, const char **why_r)
{
	struct request one = { .id = id, .kind = request, .by = by, .client = client };
	struct base_arena *arena;
	enum base_result result;

	if (request == HOLD_REQUEST_LIFT)
		return hold_storm_lift(hold, id, by, client, why_r);
	arena = base_arena_new(HOLD_MAX_ROW);
	if (arena == NULL) {
		*why_r = base_why("no memory for a wish");
		return BASE_BROKEN;
	}
	result = request_run(hold, arena, &one, why_r);
	base_arena_free(&arena);
	return result;
}
