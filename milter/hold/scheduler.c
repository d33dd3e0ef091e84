/*
 * scheduler - the thread that carries out what is due; see hold.h
 *
 * A round reads the most urgent rows of a kind, moves those whose time has come, looks at
 * their files, asks oops-queued to act on them in a few requests, and writes what came out in
 * one transaction. Nothing
 * is done to the queue that a committed row does not ask for, and no row says that
 * something is done before the queue has said so: killed anywhere, the next round does the
 * rest.
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/hold/scheduler.h"
#include "milter/hold/storm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_ACTS QUEUE_MAX_ITEMS /* holds of one round with which something is done */
#define ROUND_LOOKS 100            /* of one that only looks: timers wait for it */
#define ROUND_BYTES (256u << 20)   /* ceiling of its memory; a few MiB in practice */
#define POLL_MS 200                /* requests of other processes are found by looking */
#define FAILURE_MS 1000            /* rest after the store failed */
#define PURGE_MS 60000
#define TIDY_MS 5000

/* The store works, or not: said when it changes. */
static void
report_store(struct hold_scheduler *scheduler, bool works, const char *why)
{
	if (works && scheduler->is_failing)
		base_log(BASE_LOG_INFO, "the store works again");
	if (!works && !scheduler->is_failing) {
		base_log(BASE_LOG_ERROR, "holds are not attended to for now: %s", why);
		audit_event(AUDIT_ERROR, NULL, { "where", "store" }, { "answer", why });
	}
	scheduler->is_failing = !works;
}

/* --- timers ---------------------------------------------------------------------- */

/* Moves one hold whose time has come, unless somebody was faster. */
static enum base_result
timer_write(struct hold_scheduler *scheduler, struct hold_scheduler_job *step, int64_t now,
    const char **why_r)
{
	struct hold *hold = scheduler->hold;
	struct store_hold *row = NULL;
	struct hold_plan plan;
	const char *by = "timer";
	enum base_result result;

	if (step->plan.kind != HOLD_PLAN_MOVE)
		return BASE_OK;
	result = store_hold_get(hold->store, scheduler->arena, step->row->id, &row, why_r);
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	step->row = row;
	plan = hold_step_plan(row, now);
	if (plan.kind != HOLD_PLAN_MOVE)
		return BASE_OK;
	step->before = *row;
	result = hold_storm_ender(hold, scheduler->arena, row, &by, why_r);
	if (result == BASE_OK)
		result = hold_move(hold, scheduler->arena, row, plan.to, by, false, now, why_r);
	step->is_written = result == BASE_OK;
	return result;
}

/* Carries out the timers, audits them, and plans what follows from them. */
static enum base_result
timers_run(struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, int64_t now,
    const char **why_r)
{
	enum base_result result;
	bool has_any = false;

	for (size_t i = 0; i < round->count; i++)
		has_any = has_any || round->steps[i].plan.kind == HOLD_PLAN_MOVE;
	if (!has_any)
		return BASE_OK;
	result = hold_scheduler_write(scheduler, round, timer_write, now, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < round->count; i++) {
		struct hold_scheduler_job *step = &round->steps[i];

		if (step->is_aside || step->plan.kind != HOLD_PLAN_MOVE)
			continue;
		if (step->is_written)
			hold_move_audit(&step->before, step->row, NULL, 0);
		step->plan = hold_step_plan(step->row, now);
	}
	return BASE_OK;
}

/* --- the thread ------------------------------------------------------------------ */

/* One round of what is due in one way. NONE: nothing was. */
static enum base_result
round_run(
    struct hold_scheduler *scheduler, enum store_due which, size_t capacity, const char **why_r)
{
	struct store_hold *rows = NULL;
	struct hold_scheduler_batch round = { .steps = NULL };
	int64_t now;
	enum base_result result = hold_scheduler_now(scheduler, &now, why_r);

	base_arena_reset(scheduler->arena);
	if (result != BASE_OK)
		return result;
	result = store_hold_due(scheduler->hold->store, scheduler->arena, which,
	    scheduler->hold->node, now, &rows, capacity, &round.count, why_r);
	if (result == BASE_BROKEN) { /* by one of them, perhaps */
		base_arena_reset(scheduler->arena);
		result =
		    hold_scheduler_read(scheduler, which, capacity, &rows, &round.count, why_r);
	}
	if (result != BASE_OK)
		return result;
	if (round.count == 0)
		return BASE_NONE;
	round.steps = base_arena_array(scheduler->arena, round.count, sizeof(*round.steps));
	if (round.steps == NULL) {
		*why_r = base_why("no memory for what is due");
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < round.count; i++) {
		round.steps[i].row = &rows[i];
		round.steps[i].plan = hold_step_plan(&rows[i], now);
		if (round.steps[i].plan.kind != HOLD_PLAN_NOTHING)
			continue;
		*why_r = base_why("it is due in a state that has nothing to do");
		result = hold_scheduler_set_aside(scheduler, &round.steps[i], why_r);
		if (result != BASE_OK)
			return result;
	}
	result = timers_run(scheduler, &round, now, why_r);
	if (result == BASE_OK)
		result = hold_scheduler_ask(scheduler, &round, why_r);
	if (result == BASE_OK)
		result = hold_scheduler_commit(scheduler, &round, why_r);
	return result;
}

/*
 * What must be done comes before what is only looked at, and what is expected to show before
 * what is expected to stay. Looks are few a round, so that timers never wait long for them.
 * NONE: nothing was due.
 */
static enum base_result
rounds_run(struct hold_scheduler *scheduler, const char **why_r)
{
	static const struct {
		enum store_due which;
		size_t capacity;
	} kinds[] = {
		{ STORE_DUE_TIMER, ROUND_ACTS },
		{ STORE_DUE_UNSEEN, ROUND_LOOKS },
		{ STORE_DUE_SEEN, ROUND_LOOKS },
	};
	bool has_any = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		enum base_result result =
		    round_run(scheduler, kinds[i].which, kinds[i].capacity, why_r);

		if (result != BASE_OK && result != BASE_NONE)
			return result;
		has_any = has_any || result == BASE_OK;
	}
	return has_any ? BASE_OK : BASE_NONE;
}

/* Forgets old holds and storms, some at a time. */
static enum base_result
purge(struct hold_scheduler *scheduler, const char **why_r)
{
	int64_t now = hold_scheduler_later(scheduler);
	int64_t before = now - scheduler->options.keep_seconds * 1000;
	enum base_result result = store_storm_purge(
	    scheduler->hold->store, before, now - HOLD_STORM_MAX_WINDOW * INT64_C(1000), why_r);
	enum base_result purged = store_hold_purge(scheduler->hold->store, before, why_r);
	enum base_result forgotten = store_answer_forget(scheduler->hold->store, now, why_r);

	if (purged == BASE_OK)
		scheduler->is_untidy = true; /* and there may be more: soon again */
	else
		scheduler->purge_at = base_tick_ms() + PURGE_MS;
	if (purged != BASE_OK && purged != BASE_NONE)
		return purged;
	if (forgotten != BASE_OK && forgotten != BASE_NONE)
		return forgotten;
	return result == BASE_NONE ? BASE_OK : result;
}

/*
 * Now and then: ends storms, forgets old holds, and clears the files of what was wiped. None
 * of it is in the way of the others; *why_r is of the last that failed.
 */
static enum base_result
housekeeping(struct hold_scheduler *scheduler, const char **why_r)
{
	int64_t tick = base_tick_ms();
	enum base_result result = BASE_OK, purged = BASE_OK;

	if (tick < scheduler->storms_at)
		return BASE_OK;
	scheduler->storms_at = tick + POLL_MS;
	base_arena_reset(scheduler->arena);
	result = hold_storms_end(scheduler->hold, &scheduler->aside, scheduler->arena, why_r);
	if (tick >= scheduler->purge_at)
		purged = purge(scheduler, why_r);
	if (scheduler->is_untidy && tick >= scheduler->tidy_at) {
		const char *why;

		/* a reader in the way is no failure: later, then */
		scheduler->is_untidy = store_tidy(scheduler->hold->store, &why) != BASE_OK;
		scheduler->tidy_at = tick + TIDY_MS;
	}
	if (result == BASE_OK || result == BASE_NONE)
		result = purged;
	return result == BASE_NONE ? BASE_OK : result;
}

/* How long nothing is due, at most POLL_MS. */
static int64_t
rest_length(struct hold_scheduler *scheduler)
{
	int64_t due = 0;
	const char *why;

	if (scheduler->is_skipping || store_hold_next_due(scheduler->hold->store,
					  scheduler->hold->node, &due, &why) != BASE_OK)
		return POLL_MS;
	due -= hold_scheduler_later(scheduler);
	return due < 1 ? 1 : due < POLL_MS ? due : POLL_MS;
}

/* Waits for a wake-up, for the time given at most; false: it is time to stop. */
static bool
scheduler_rest(struct hold_scheduler *scheduler, int64_t milliseconds)
{
	struct hold *hold = scheduler->hold;
	struct timespec until;
	bool is_stopping;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += milliseconds / 1000;
	until.tv_nsec += (milliseconds % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&hold->wake_lock);
	while (milliseconds > 0 && !scheduler->is_stopping && !hold->is_woken)
		if (pthread_cond_timedwait(&hold->wake, &hold->wake_lock, &until) == ETIMEDOUT)
			break;
	hold->is_woken = false;
	is_stopping = scheduler->is_stopping;
	pthread_mutex_unlock(&hold->wake_lock);
	return !is_stopping;
}

/* Rounds until it is stopped. */
static void *
scheduler_main(void *context)
{
	struct hold_scheduler *scheduler = context;
	int64_t rest = 0;

	while (scheduler_rest(scheduler, rest)) {
		const char *why = "";
		enum base_result result;

		hold_refresh(scheduler->hold);
		scheduler->is_skipping = false;
		result = rounds_run(scheduler, &why);
		rest = 0;
		if (result == BASE_NONE)
			rest = rest_length(scheduler);
		if (result == BASE_OK || result == BASE_NONE)
			result = housekeeping(scheduler, &why);
		report_store(scheduler, result == BASE_OK, why);
		if (result != BASE_OK)
			rest = FAILURE_MS;
	}
	return NULL;
}

enum base_result
hold_scheduler_start(struct hold *hold, const struct hold_scheduler_options *options,
    struct hold_scheduler **scheduler_r, const char **why_r)
{
	struct hold_scheduler *scheduler = calloc(1, sizeof(*scheduler));
	sigset_t all, before;
	int code = ENOMEM;

	if (scheduler != NULL) {
		scheduler->hold = hold;
		scheduler->options = *options;
		scheduler->ask_capacity = QUEUE_MAX_ITEMS;
		scheduler->is_untidy = true; /* what a killed scheduler left */
		scheduler->arena = base_arena_new(ROUND_BYTES);
	}
	if (scheduler != NULL && scheduler->arena != NULL) {
		/* signals are for the thread that waits for them */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		code = pthread_create(&scheduler->thread, NULL, scheduler_main, scheduler);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (code != 0) {
		*why_r = base_why("cannot start the keeper: %s", strerror(code));
		if (scheduler != NULL)
			base_arena_free(&scheduler->arena);
		free(scheduler);
		return BASE_BROKEN;
	}
	*scheduler_r = scheduler;
	return BASE_OK;
}

void
hold_scheduler_stop(struct hold_scheduler **scheduler)
{
	struct hold *hold;

	if (*scheduler == NULL)
		return;
	hold = (*scheduler)->hold;
	pthread_mutex_lock(&hold->wake_lock);
	(*scheduler)->is_stopping = true;
	pthread_cond_broadcast(&hold->wake);
	pthread_mutex_unlock(&hold->wake_lock);
	pthread_join((*scheduler)->thread, NULL);
	base_arena_free(&(*scheduler)->arena);
	free(*scheduler);
	*scheduler = NULL;
}
