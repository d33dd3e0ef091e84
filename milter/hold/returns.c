/*
 * returns - how a mail comes back to its author: what is due, and what was done; see hold.h
 *
 * The order is what keeps it from being lost: first the MTA has the letter, then the row says
 * so, then the files go. Killed in between, the author gets the letter twice.
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

#include <string.h>

#define AWAY_SHARE 20 /* of the time that nobody answered, until the next try */

/* The queue files whose message is still to be brought back. */
static enum base_result
returning_entries(struct hold *hold, struct base_arena *arena, struct hold_returning *returning,
    const char **why_r)
{
	struct store_entry *entries = NULL;
	size_t count = 0;
	enum base_result result =
	    store_entry_list(hold->store, arena, returning->view.id, &entries, &count, why_r);

	if (result != BASE_OK)
		return result;
	returning->queue_ids = base_arena_array(arena, count + 1, sizeof(*returning->queue_ids));
	returning->mails = base_arena_array(arena, count + 1, sizeof(*returning->mails));
	if (returning->queue_ids == NULL || returning->mails == NULL) {
		*why_r = base_why("no memory for the files of a hold");
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < count; i++) {
		if (!hold_entry_is_open(&entries[i]))
			returning->has_left = true;
		else if (entries[i].returned == 0) {
			returning->mails[returning->count] = entries[i].mail;
			returning->queue_ids[returning->count++] = entries[i].queue_id;
		}
	}
	return BASE_OK;
}

enum base_result
hold_return_next(struct hold *hold, struct base_arena *arena, struct hold_returning *returning_r,
    const char **why_r)
{
	struct hold_returning returning = { .count = 0 };
	struct store_hold *row = NULL;
	enum base_result result =
	    hold_aside_read(hold, &hold->returns, arena, STORE_DUE_RETURN, &row, why_r);

	if (result == BASE_OK)
		result = hold_view_make(hold, arena, row, &returning.view, why_r);
	if (result == BASE_OK)
		result = returning_entries(hold, arena, &returning, why_r);
	if (row != NULL && hold_is_of_row(hold, result)) {
		hold_return_aside(hold, row->id, false, *why_r);
		return BASE_NONE; /* the next one will be found by the next call */
	}
	if (result == BASE_OK) {
		returning.can_bounce = row->bounces_home != 0;
		*returning_r = returning;
	}
	return result;
}

void
hold_return_aside(struct hold *hold, const char *id, bool is_back, const char *why)
{
	if (is_back)
		hold_aside_keep(
		    &hold->returns, id, "it came back to its author, which cannot be written", why);
	else
		hold_aside_add(
		    &hold->returns, id, "what came of its return cannot be read or written", why);
}

/* --- writing it down -------------------------------------------------------------- */

/* What became of a letter. */
struct outcome {
	const char *const *queue_ids; /* files that it brought back */
	size_t count;
	enum hold_return how; /* LETTER: if it was the last one */
	bool is_answered;     /* by the MTA */
	bool is_news;         /* output: the row did not say so before */
};

/* Is it one of these? */
static bool
is_among(const char *queue_id, const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++)
		if (strcmp(outcome->queue_ids[i], queue_id) == 0)
			return true;
	return false;
}

/* Marks the files whose message is back, if any; *are_all_r: no other is left. */
static enum base_result
entries_mark(struct hold *hold, struct base_arena *arena, const struct store_hold *row,
    const struct outcome *outcome, int64_t now, bool *are_all_r, const char **why_r)
{
	struct store_entry *entries = NULL;
	size_t count = 0;
	enum base_result result =
	    store_entry_list(hold->store, arena, row->id, &entries, &count, why_r);

	*are_all_r = true;
	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		if (!hold_entry_is_open(&entries[i]) || entries[i].returned != 0)
			continue;
		if (!is_among(entries[i].queue_id, outcome)) {
			*are_all_r = false;
			continue;
		}
		entries[i].returned = now;
		result = store_entry_update(hold->store, &entries[i], why_r);
	}
	return result;
}

/*
 * Later again; the files are looked at now, because that may be why it failed. Only what the MTA
 * says counts as a try: while nobody answers, the time between tries grows with the time that is
 * lost already.
 */
static void
row_later(struct store_hold *row, bool is_answered, int64_t now)
{
	int64_t wait = hold_backoff(HOLD_LETTER_FIRST_MS, HOLD_LETTER_MAX_MS, row->return_tries);

	if (is_answered)
		row->return_tries++;
	else if (now - row->moved > wait * AWAY_SHARE)
		wait = (now - row->moved) / AWAY_SHARE;
	row->return_due = now + (wait < HOLD_LETTER_MAX_MS ? wait : HOLD_LETTER_MAX_MS);
	row->due = now;
}

/*
 * Too large for any letter: nothing is tried any more until somebody decides; its author is told.
 */
static void
row_keep(struct store_hold *row, int64_t now)
{
	row->return_tries++;
	row->return_how = HOLD_RETURN_KEPT;
	row->return_due = 0;
	row->due = row->letter_due = now;
	row->letter_tries = 0;
}

/* Changes the row by what became of a letter. */
static enum base_result
outcome_write(struct hold *hold, struct base_arena *arena, struct store_hold *row,
    struct outcome *outcome, const char **why_r)
{
	enum base_result result = BASE_OK;
	int64_t now = base_now_ms();
	bool are_all = true;

	if (outcome->how != HOLD_RETURN_BOUNCE)
		result = entries_mark(hold, arena, row, outcome, now, &are_all, why_r);
	if (result != BASE_OK || (outcome->how == HOLD_RETURN_LETTER && !are_all))
		return result;
	/* what the letter failed for has left meanwhile: the others are back already */
	if (outcome->how != HOLD_RETURN_BOUNCE && are_all)
		outcome->how = HOLD_RETURN_LETTER;
	outcome->is_news = row->return_how != (int)outcome->how;
	if (outcome->how == HOLD_RETURN_DUE || outcome->how == HOLD_RETURN_STUCK) {
		row_later(row, outcome->is_answered, now);
		if (outcome->how == HOLD_RETURN_STUCK)
			row->return_how = HOLD_RETURN_STUCK;
	} else if (outcome->how == HOLD_RETURN_KEPT) {
		row_keep(row, now);
	} else {
		row->return_how = (int)outcome->how;
		row->return_due = 0;
		row->due = 0;
		row->timer = now;
		row->tries = 0;
	}
	return store_hold_update(hold->store, row, row->state, why_r);
}

/* The same in a transaction that has not begun yet. */
static enum base_result
outcome_commit(struct hold *hold, struct base_arena *arena, const char *id, struct outcome *outcome,
    const char **why_r)
{
	struct store_hold *row = NULL;
	enum base_result result = hold_begin(hold, why_r);

	if (result != BASE_OK)
		return result;
	result = store_hold_get(hold->store, arena, id, &row, why_r);
	if (result == BASE_OK &&
	    (row->state != HOLD_RETURNING || row->return_how == HOLD_RETURN_LETTER ||
		row->return_how == HOLD_RETURN_KEPT || row->return_how == HOLD_RETURN_BOUNCE))
		result = BASE_NONE;
	if (result == BASE_OK)
		result = outcome_write(hold, arena, row, outcome, why_r);
	if (result == BASE_OK)
		result = store_commit(hold->store, why_r);
	else
		store_rollback(hold->store);
	return hold_is_of_row(hold, result) ? BASE_REFUSE : result;
}

/* With memory of its own; the scheduler goes on. */
static enum base_result
outcome_run(struct hold *hold, const char *id, struct outcome *outcome, const char **why_r)
{
	struct base_arena *arena = base_arena_new(HOLD_MAX_ROW);
	enum base_result result;

	if (arena == NULL) {
		*why_r = base_why("no memory for a mail that comes back");
		return BASE_BROKEN;
	}
	result = outcome_commit(hold, arena, id, outcome, why_r);
	base_arena_free(&arena);
	if (result == BASE_OK)
		hold_wake(hold);
	return result;
}

enum base_result
hold_return_taken(struct hold *hold, const char *id, const char *const *queue_ids, size_t count,
    const char **why_r)
{
	struct outcome outcome = {
		.queue_ids = queue_ids, .count = count, .how = HOLD_RETURN_LETTER
	};

	return outcome_run(hold, id, &outcome, why_r);
}

enum base_result
hold_return_bounce(struct hold *hold, const char *id, const char **why_r)
{
	struct outcome outcome = { .how = HOLD_RETURN_BOUNCE };

	return outcome_run(hold, id, &outcome, why_r);
}

enum base_result
hold_return_failed(struct hold *hold, const char *id, enum hold_return how, bool is_answered,
    bool *is_news_r, const char **why_r)
{
	struct outcome outcome = { .how = how, .is_answered = is_answered };
	enum base_result result = outcome_run(hold, id, &outcome, why_r);

	if (result == BASE_OK)
		*is_news_r = outcome.is_news;
	return result;
}
