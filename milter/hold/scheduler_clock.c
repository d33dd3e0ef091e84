/*
 * scheduler_clock - notices that the clock of the machine was set, and moves what runs with it
 *
 * Rows have the time that people read. How much of it has passed tells a clock that nobody sets:
 * where the two part, the times of all that is not over are moved by as much, so that a window
 * lasts as long as its author was told. What passed while no scheduler ran goes by the rows alone.
 */
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/hold/scheduler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STEP_MS 2000 /* less is no matter, and time services do it all the time */

/* By how much the clock was set since it was looked at last. */
static int64_t
clock_step(const struct hold_scheduler_clock *clock, int64_t wall, int64_t boot)
{
	int64_t step = (wall - boot) - clock->offset;

	return clock->looked_at != 0 && llabs(step) >= STEP_MS ? step : 0;
}

/* Moves the rows of this node by the step. */
static enum base_result
clock_follow(
    struct hold_scheduler *scheduler, int64_t step, int64_t wall, int64_t boot, const char **why_r)
{
	struct store *store = scheduler->hold->store;
	struct store_shift shift = { .node = scheduler->hold->node, .by = step };
	enum base_result result = hold_begin(scheduler->hold, why_r);

	/* what others wrote since it was set, and before we look, has the right time already */
	shift.from = step > 0 ? wall - step + 1 : wall - (boot - scheduler->clock.looked_at);
	shift.to = step > 0 ? INT64_MAX : wall;
	if (result != BASE_OK)
		return result;
	result = store_hold_shift(store, &shift, why_r);
	if (result != BASE_OK && result != BASE_NONE) {
		store_rollback(store);
		return result;
	}
	return store_commit(store, why_r);
}

/* To the log and the auditor. */
static void
clock_report(int64_t step)
{
	char what[80];

	snprintf(what, sizeof(what), "the clock was set %s by %" PRId64 " seconds",
	    step > 0 ? "forward" : "back", (int64_t)llabs(step) / 1000);
	base_log(BASE_LOG_WARNING, "%s: the times of held mail move with it", what);
	audit_event(
	    AUDIT_ERROR, NULL, { "where", "clock" }, { "what", what }, { "answer", "times moved" });
}

enum base_result
hold_scheduler_now(struct hold_scheduler *scheduler, int64_t *now_r, const char **why_r)
{
	const struct hold_scheduler_options *options = &scheduler->options;
	int64_t wall = options->now_ms != NULL ? options->now_ms() : base_now_ms();
	int64_t boot = base_boot_ms();
	int64_t step = clock_step(&scheduler->clock, wall, boot);
	enum base_result result = BASE_OK;

	if (step != 0)
		result = clock_follow(scheduler, step, wall, boot, why_r);
	if (result != BASE_OK)
		return result;
	if (step != 0)
		clock_report(step);
	scheduler->clock =
	    (struct hold_scheduler_clock){ .offset = wall - boot, .looked_at = boot };
	*now_r = wall;
	return BASE_OK;
}

int64_t
hold_scheduler_later(const struct hold_scheduler *scheduler)
{
	return base_boot_ms() + scheduler->clock.offset;
}
