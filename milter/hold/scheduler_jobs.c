/*
 * scheduler_jobs - what is to be done with one hold: plain values in, plain values out
 *
 * A queue file is not to be believed while the MTA may still be writing it: it can be
 * absent, stand in another queue, or lack our tag for a moment. So a queue entry that was never
 * seen on hold (PENDING) is given time before an answer counts; one that was seen (HELD) is
 * believed. Nothing is asked to act before a look has shown it on hold and that we ask was
 * written down (asked): what left before left without us, what left after is taken for ours.
 */
#include "milter/hold/internal.h"

#define LOOK_AFTER_FAILURE_MS 60000 /* at a file of which nothing is expected */

/* A move of the timer. */
static struct hold_plan
plan_move(enum hold_state to)
{
	return (struct hold_plan){ .kind = HOLD_PLAN_MOVE, .to = to };
}

/* A question to the queue. */
static struct hold_plan
plan_ask(enum queue_verb verb)
{
	return (struct hold_plan){ .kind = HOLD_PLAN_ASK, .verb = verb };
}

/* Nothing but looking before the author has it. */
static enum queue_verb
plan_return(const struct store_hold *row)
{
	switch ((enum hold_return)row->return_how) {
	case HOLD_RETURN_LETTER:
		return QUEUE_DELETE;
	case HOLD_RETURN_BOUNCE:
		return QUEUE_RETURN;
	case HOLD_RETURN_KEPT:
	case HOLD_RETURN_DUE:
	case HOLD_RETURN_STUCK:
		break;
	}
	return QUEUE_STATUS;
}

struct hold_plan
hold_step_plan(const struct store_hold *row, int64_t now)
{
	bool is_over = now >= row->deadline;

	switch ((enum hold_state)row->state) {
	case HOLD_HELD:
		if (!is_over)
			return plan_ask(QUEUE_STATUS);
		if (row->action == HOLD_UNDO || row->on_end == MAIL_END_SEND)
			return plan_move(HOLD_SENDING);
		return plan_move(HOLD_RETURNING);
	case HOLD_UNDONE:
		/* a look that marks the file, too, as long as there was none */
		if (!is_over)
			return plan_ask(row->seen < row->moved ? QUEUE_STOP : QUEUE_STATUS);
		/* deleting comes before its move: the request to restore is refused by now */
		if (row->then == MAIL_END_DELETE)
			return plan_ask(QUEUE_DELETE);
		return plan_move(HOLD_RETURNING);
	case HOLD_SENDING:
		return plan_ask(QUEUE_RELEASE);
	case HOLD_RETURNING:
		return plan_ask(plan_return(row));
	case HOLD_PENDING:
		return plan_ask(QUEUE_STATUS);
	case HOLD_SENT:
	case HOLD_RETURNED:
	case HOLD_DELETED:
	case HOLD_LOST:
		break;
	}
	return (struct hold_plan){ .kind = HOLD_PLAN_NOTHING };
}

void
hold_step_asked(const struct store_hold *row, enum queue_verb verb,
    const struct store_entry *entries, size_t count, struct hold_response *answers_r)
{
	bool only_placing = verb == QUEUE_STATUS && row->state != HOLD_UNDONE &&
			    hold_has_entry(entries, count, HOLD_ENTRY_PENDING);

	for (size_t i = 0; i < count; i++) {
		answers_r[i].verb = QUEUE_STATUS;
		answers_r[i].status = QUEUE_FAILED;
		answers_r[i].is_asked = hold_entry_is_open(&entries[i]) &&
					(!only_placing || entries[i].state == HOLD_ENTRY_PENDING);
	}
}

bool
hold_verb_is_look(enum queue_verb verb)
{
	return verb == QUEUE_STATUS || verb == QUEUE_STOP;
}

enum queue_verb
hold_step_verb(enum queue_verb verb, const struct store_entry *entry)
{
	if (hold_verb_is_look(verb))
		return verb;
	if (entry->asked == 0)
		return QUEUE_STATUS;
	/* its author has this one already */
	return verb == QUEUE_RETURN && entry->returned != 0 ? QUEUE_DELETE : verb;
}

/* What an answer means for a queue entry that was never seen on hold. */
static enum hold_entry_state
entry_placing(enum queue_status status, int64_t age)
{
	switch (status) {
	case QUEUE_HELD:
		return HOLD_ENTRY_HELD;
	case QUEUE_GONE:
		return age >= HOLD_APPEAR_MS ? HOLD_ENTRY_LOST : HOLD_ENTRY_PENDING;
	case QUEUE_MOVING: /* not on hold: it leaves without us */
	case QUEUE_FOREIGN:
		return age >= HOLD_FINISH_MS ? HOLD_ENTRY_LOST : HOLD_ENTRY_PENDING;
	case QUEUE_FAILED:
		break;
	}
	return HOLD_ENTRY_PENDING;
}

/* What an answer means for a queue entry that was on hold. */
static enum hold_entry_state
entry_held(enum queue_verb verb, enum queue_status status)
{
	switch (status) {
	case QUEUE_HELD:
	case QUEUE_FAILED:
		return HOLD_ENTRY_HELD;
	case QUEUE_GONE:
		/* asked twice, or after a crash: it went when we had asked for that */
		return hold_verb_is_look(verb) ? HOLD_ENTRY_LOST : HOLD_ENTRY_DONE;
	case QUEUE_MOVING:
		return verb == QUEUE_RELEASE || verb == QUEUE_RETURN ? HOLD_ENTRY_DONE
								     : HOLD_ENTRY_LOST;
	case QUEUE_FOREIGN:
		break;
	}
	return HOLD_ENTRY_LOST;
}

enum hold_entry_state
hold_job_entry(
    enum queue_verb verb, const struct store_entry *entry, enum queue_status status, int64_t now)
{
	if (entry->state == HOLD_ENTRY_PENDING)
		return entry_placing(status, now - entry->created);
	if (entry->state == HOLD_ENTRY_HELD)
		return entry_held(verb, status);
	return entry->state;
}

enum hold_how
hold_step_how(enum queue_status status)
{
	return status == QUEUE_MOVING ? HOLD_HOW_RELEASED : HOLD_HOW_GONE;
}

bool
hold_step_end(const struct store_hold *row, enum queue_verb verb, const struct store_entry *entries,
    size_t count, int64_t now, enum hold_state *to_r)
{
	bool has_placing = hold_has_entry(entries, count, HOLD_ENTRY_PENDING);
	bool has_held = hold_has_entry(entries, count, HOLD_ENTRY_HELD);
	bool has_done = hold_has_entry(entries, count, HOLD_ENTRY_DONE);

	if (row->state == HOLD_PENDING && has_held &&
	    (!has_placing || now >= row->created + HOLD_GATHER_MS)) {
		*to_r = HOLD_HELD;
		return true;
	}
	if (has_placing || has_held || hold_state_is_final(row->state))
		return false;
	*to_r = HOLD_LOST;
	if (has_done && row->state == HOLD_SENDING)
		*to_r = HOLD_SENT;
	else if (has_done && row->state == HOLD_RETURNING)
		*to_r = HOLD_RETURNED;
	else if (has_done && row->state == HOLD_UNDONE && verb == QUEUE_DELETE)
		*to_r = HOLD_DELETED;
	return true;
}

/* When to look again at files of which nothing is wanted. */
static int64_t
look_again(struct store_hold *row, bool is_awaited, bool worked, int64_t now)
{
	if (is_awaited) {
		row->tries++;
		return now + hold_backoff(HOLD_LOOK_FIRST_MS, HOLD_LOOK_MAX_MS, row->tries);
	}
	row->tries = 0;
	return now + (worked ? HOLD_LOOK_RARE_MS : LOOK_AFTER_FAILURE_MS);
}

/* Asked to act: again soon, with growing patience. */
static void
act_again(struct store_hold *row, bool is_reached, int64_t now)
{
	row->due = 0;
	row->timer = now + hold_backoff(HOLD_ASK_FIRST_MS,
			       is_reached ? HOLD_ASK_MAX_MS : HOLD_REACH_MAX_MS, row->tries);
	row->tries++;
}

void
hold_step_again(struct store_hold *row, enum queue_verb verb, const struct store_entry *entries,
    size_t count, bool is_reached, bool worked, int64_t now)
{
	bool is_unsure = row->state == HOLD_UNDONE && row->seen < row->moved;
	bool has_placing = hold_has_entry(entries, count, HOLD_ENTRY_PENDING);
	int64_t end;

	if (!hold_verb_is_look(verb)) {
		act_again(row, is_reached, now);
		return;
	}
	row->due = look_again(row, has_placing || is_unsure, worked, now);
	row->timer = is_unsure && row->due < row->deadline ? row->due : row->deadline;
	if (row->state != HOLD_PENDING)
		return;
	row->timer = 0; /* its deadline counts from HELD on */
	end = row->created + HOLD_GATHER_MS;
	if (hold_has_entry(entries, count, HOLD_ENTRY_HELD) && end < row->due)
		row->due = end;
}
