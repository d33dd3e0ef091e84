/*
 * keeper_group - writing a round together, and setting aside what cannot be written
 *
 * One transaction for all is what makes a round cheap. But one hold with which something is
 * wrong must not be in the way of the others: if the group cannot be written, each hold is
 * written by itself, and one that still fails waits for a while. That it waits must be
 * written, too: if not even that works, it is the store and not the hold that is broken.
 */
#include "milter/hold/keeper.h"

#include <string.h>

#define ASIDE_MS 300000 /* until one that was set aside is tried again */

bool
hold_keeper_is_aside(const struct hold_keeper *keeper, const char *id)
{
	for (size_t i = 0; i < HOLD_KEEPER_ASIDE; i++)
		if (strcmp(keeper->aside[i], id) == 0)
			return true;
	return false;
}

/* Says it once of each; the oldest of too many is forgotten. */
static void
tell_aside(struct hold_keeper *keeper, const char *id, const char *why)
{
	char *place = keeper->aside[keeper->next_aside];

	if (hold_keeper_is_aside(keeper, id))
		return;
	keeper->next_aside = (keeper->next_aside + 1) % HOLD_KEEPER_ASIDE;
	memset(place, 0, BASE_ID_SIZE);
	memcpy(place, id, strnlen(id, BASE_ID_LENGTH));
	base_log(BASE_LOG_ERROR,
	    "%s cannot be attended to, tried again every %d minutes: %s", id,
	    ASIDE_MS / 60000, why);
	audit_event(
	    AUDIT_ERROR, id, { "where", "hold" }, { "what", "set aside" }, { "answer", why });
}

enum base_result
hold_keeper_set_aside(
    struct hold_keeper *keeper, struct hold_keeper_step *step, const char **why_r)
{
	char why[200];
	enum base_result result;

	strncpy(why, *why_r, sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	step->is_aside = true;
	step->is_ready = step->is_written = false;
	result = store_hold_postpone(
	    keeper->hold->store, step->row->id, base_now_ms() + ASIDE_MS, why_r);
	if (result == BASE_NONE) /* somebody removed it */
		return BASE_OK;
	if (result == BASE_OK)
		tell_aside(keeper, step->row->id, why);
	return result;
}

/* Some steps in one transaction; those that were set aside are left out. */
static enum base_result
steps_write(struct hold_keeper *keeper, struct hold_keeper_step *steps, size_t count,
    hold_keeper_write_fn *write, int64_t now, const char **why_r)
{
	struct store *store = keeper->hold->store;
	enum base_result result = hold_begin(keeper->hold, why_r);

	if (result != BASE_OK)
		return result;
	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		steps[i].is_written = false;
		if (!steps[i].is_aside)
			result = write(keeper, &steps[i], now, why_r);
	}
	if (result == BASE_OK)
		return store_commit(store, why_r);
	store_rollback(store);
	return result;
}

enum base_result
hold_keeper_write(struct hold_keeper *keeper, struct hold_keeper_round *round,
    hold_keeper_write_fn *write, int64_t now, const char **why_r)
{
	enum base_result result =
	    steps_write(keeper, round->steps, round->count, write, now, why_r);

	if (result == BASE_OK || result == BASE_RETRY)
		return result;
	result = BASE_OK;
	for (size_t i = 0; result == BASE_OK && i < round->count; i++) {
		if (round->steps[i].is_aside)
			continue;
		result = steps_write(keeper, &round->steps[i], 1, write, now, why_r);
		if (result != BASE_OK && result != BASE_RETRY)
			result = hold_keeper_set_aside(keeper, &round->steps[i], why_r);
	}
	return result;
}
