/*
 * scheduler_group - writing a round together, and setting aside what cannot be written
 *
 * One transaction for all is what makes a round cheap. But one hold with which something is
 * wrong must not be in the way of the others: if the group cannot be written, each hold is
 * written by itself, and one that still fails waits for a while. That it waits must be
 * written, too: if not even that works, it is the store and not the hold that is broken.
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/hold/scheduler.h"

#include <string.h>

enum base_result
hold_scheduler_set_aside(
    struct hold_scheduler *scheduler, struct hold_scheduler_job *step, const char **why_r)
{
	char why[200];
	enum base_result result;

	strncpy(why, *why_r, sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	step->is_aside = true;
	step->is_ready = step->is_written = false;
	result = store_hold_postpone(
	    scheduler->hold->store, step->row->id, base_now_ms() + HOLD_ASIDE_MS, why_r);
	if (result == BASE_NONE) /* somebody removed it */
		return BASE_OK;
	if (result == BASE_OK)
		hold_aside_add(&scheduler->aside, step->row->id, "cannot be attended to", why);
	return result;
}

/* Some steps in one transaction; those that were set aside are left out. */
static enum base_result
jobs_write(struct hold_scheduler *scheduler, struct hold_scheduler_job *steps, size_t count,
    hold_scheduler_write_fn *write, int64_t now, const char **why_r)
{
	struct store *store = scheduler->hold->store;
	enum base_result result = hold_begin(scheduler->hold, why_r);

	if (result != BASE_OK)
		return result;
	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		steps[i].is_written = false;
		if (!steps[i].is_aside)
			result = write(scheduler, &steps[i], now, why_r);
	}
	if (result == BASE_OK)
		return store_commit(store, why_r);
	store_rollback(store);
	return result;
}

enum base_result
hold_scheduler_write(struct hold_scheduler *scheduler, struct hold_scheduler_batch *round,
    hold_scheduler_write_fn *write, int64_t now, const char **why_r)
{
	enum base_result result =
	    jobs_write(scheduler, round->steps, round->count, write, now, why_r);

	if (result == BASE_OK || result == BASE_RETRY)
		return result;
	result = BASE_OK;
	for (size_t i = 0; result == BASE_OK && i < round->count; i++) {
		if (round->steps[i].is_aside)
			continue;
		result = jobs_write(scheduler, &round->steps[i], 1, write, now, why_r);
		if (result != BASE_OK && result != BASE_RETRY)
			result = hold_scheduler_set_aside(scheduler, &round->steps[i], why_r);
	}
	return result;
}

enum base_result
hold_scheduler_read(struct hold_scheduler *scheduler, enum store_due which, size_t capacity,
    struct store_hold **rows_r, size_t *count_r, const char **why_r)
{
	struct store_hold *rows = base_arena_array(scheduler->arena, capacity, sizeof(*rows)), *row;
	const char **ids = NULL;
	size_t count = 0, read = 0;
	enum base_result result = BASE_BROKEN;
	const char *ignored;

	*why_r = base_why("no memory for what is due");
	if (rows != NULL)
		result = store_due_ids(scheduler->hold->store, scheduler->arena, which,
		    scheduler->hold->node, base_now_ms(), &ids, capacity, &count, why_r);
	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		if (hold_aside_has(&scheduler->aside, ids[i])) {
			scheduler->is_skipping = true;
			continue;
		}
		result =
		    store_hold_get(scheduler->hold->store, scheduler->arena, ids[i], &row, why_r);
		if (result == BASE_OK)
			rows[read++] = *row;
		else if (hold_is_of_row(scheduler->hold, result)) {
			hold_aside_add(&scheduler->aside, ids[i], "its row cannot be read", *why_r);
			(void)store_hold_postpone(scheduler->hold->store, ids[i],
			    base_now_ms() + HOLD_ASIDE_MS, &ignored);
		}
		if (result == BASE_NONE || hold_is_of_row(scheduler->hold, result))
			result = BASE_OK;
	}
	*rows_r = rows;
	*count_r = read;
	return result;
}
