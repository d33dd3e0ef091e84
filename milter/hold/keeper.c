/*
 * keeper - the thread that carries out what is due; see hold.h
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
#include "milter/hold/keeper.h"
#include "milter/hold/storm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_ACTS QUEUE_MAX_ITEMS /* holds of one round with which something is done */
#define ROUND_LOOKS 100            /* of one that only looks: timers wait for it */
#define ROUND_BYTES (256u << 20)   /* ceiling of its memory; a few MiB in practice */
#define POLL_MS 200                /* wishes of other processes are found by looking */
#define FAILURE_MS 1000            /* rest after the store failed */
#define PURGE_MS 60000
#define TIDY_MS 5000

/* The store works, or not: said when it changes. */
static void
tell_store(struct hold_keeper *keeper, bool works, const char *why)
{
	if (works && keeper->is_failing)
		base_log(BASE_LOG_INFO, "the store works again");
	if (!works && !keeper->is_failing) {
		base_log(BASE_LOG_ERROR, "holds are not attended to for now: %s", why);
		audit_event(AUDIT_ERROR, NULL, { "where", "store" }, { "answer", why });
	}
	keeper->is_failing = !works;
}

/* --- timers ---------------------------------------------------------------------- */

/* Moves one hold whose time has come, unless somebody was faster. */
static enum base_result
timer_write(
    struct hold_keeper *keeper, struct hold_keeper_step *step, int64_t now, const char **why_r)
{
	struct hold *hold = keeper->hold;
	struct store_hold *row = NULL;
	struct hold_plan plan;
	const char *by = "timer";
	enum base_result result;

	if (step->plan.kind != HOLD_PLAN_MOVE)
		return BASE_OK;
	result = store_hold_get(hold->store, keeper->arena, step->row->id, &row, why_r);
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	step->row = row;
	plan = hold_step_plan(row, now);
	if (plan.kind != HOLD_PLAN_MOVE)
		return BASE_OK;
	step->before = *row;
	result = hold_storm_ender(hold, keeper->arena, row, &by, why_r);
	if (result == BASE_OK)
		result = hold_move(hold, keeper->arena, row, plan.to, by, false, now, why_r);
	step->is_written = result == BASE_OK;
	return result;
}

/* Carries out the timers, audits them, and plans what follows from them. */
static enum base_result
timers_run(
    struct hold_keeper *keeper, struct hold_keeper_round *round, int64_t now, const char **why_r)
{
	enum base_result result;
	bool has_any = false;

	for (size_t i = 0; i < round->count; i++)
		has_any = has_any || round->steps[i].plan.kind == HOLD_PLAN_MOVE;
	if (!has_any)
		return BASE_OK;
	result = hold_keeper_write(keeper, round, timer_write, now, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < round->count; i++) {
		struct hold_keeper_step *step = &round->steps[i];

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
round_run(struct hold_keeper *keeper, enum store_due which, size_t room, const char **why_r)
{
	struct store_hold *rows = NULL;
	struct hold_keeper_round round = { .steps = NULL };
	int64_t now;
	enum base_result result = hold_keeper_now(keeper, &now, why_r);

	base_arena_reset(keeper->arena);
	if (result != BASE_OK)
		return result;
	result = store_hold_due(keeper->hold->store, keeper->arena, which, keeper->hold->node, now,
	    &rows, room, &round.count, why_r);
	if (result == BASE_BROKEN) { /* by one of them, perhaps */
		base_arena_reset(keeper->arena);
		result = hold_keeper_read(keeper, which, room, &rows, &round.count, why_r);
	}
	if (result != BASE_OK)
		return result;
	if (round.count == 0)
		return BASE_NONE;
	round.steps = base_arena_array(keeper->arena, round.count, sizeof(*round.steps));
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
		result = hold_keeper_set_aside(keeper, &round.steps[i], why_r);
		if (result != BASE_OK)
			return result;
	}
	result = timers_run(keeper, &round, now, why_r);
	if (result == BASE_OK)
		result = hold_keeper_ask(keeper, &round, why_r);
	if (result == BASE_OK)
		result = hold_keeper_settle(keeper, &round, why_r);
	return result;
}

/*
 * What must be done comes before what is only looked at, and what is expected to show before
 * what is expected to stay. Looks are few a round, so that timers never wait long for them.
 * NONE: nothing was due.
 */
static enum base_result
rounds_run(struct hold_keeper *keeper, const char **why_r)
{
	static const struct {
		enum store_due which;
		size_t room;
	} kinds[] = {
		{ STORE_DUE_TIMER, ROUND_ACTS },
		{ STORE_DUE_UNSEEN, ROUND_LOOKS },
		{ STORE_DUE_SEEN, ROUND_LOOKS },
	};
	bool has_any = false;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		enum base_result result = round_run(keeper, kinds[i].which, kinds[i].room, why_r);

		if (result != BASE_OK && result != BASE_NONE)
			return result;
		has_any = has_any || result == BASE_OK;
	}
	return has_any ? BASE_OK : BASE_NONE;
}

/* Forgets old holds and storms, some at a time. */
static enum base_result
purge(struct hold_keeper *keeper, const char **why_r)
{
	int64_t now = hold_keeper_later(keeper);
	int64_t before = now - keeper->options.keep_seconds * 1000;
	enum base_result result = store_storm_purge(
	    keeper->hold->store, before, now - HOLD_STORM_MAX_WINDOW * INT64_C(1000), why_r);
	enum base_result purged = store_hold_purge(keeper->hold->store, before, why_r);
	enum base_result forgotten = store_answer_forget(keeper->hold->store, now, why_r);

	if (purged == BASE_OK)
		keeper->is_untidy = true; /* and there may be more: soon again */
	else
		keeper->purge_at = base_tick_ms() + PURGE_MS;
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
housekeeping(struct hold_keeper *keeper, const char **why_r)
{
	int64_t tick = base_tick_ms();
	enum base_result result = BASE_OK, purged = BASE_OK;

	if (tick < keeper->storms_at)
		return BASE_OK;
	keeper->storms_at = tick + POLL_MS;
	base_arena_reset(keeper->arena);
	result = hold_storms_end(keeper->hold, &keeper->aside, keeper->arena, why_r);
	if (tick >= keeper->purge_at)
		purged = purge(keeper, why_r);
	if (keeper->is_untidy && tick >= keeper->tidy_at) {
		const char *why;

		/* a reader in the way is no failure: later, then */
		keeper->is_untidy = store_tidy(keeper->hold->store, &why) != BASE_OK;
		keeper->tidy_at = tick + TIDY_MS;
	}
	if (result == BASE_OK || result == BASE_NONE)
		result = purged;
	return result == BASE_NONE ? BASE_OK : result;
}

/* How long nothing is due, at most POLL_MS. */
static int64_t
rest_length(struct hold_keeper *keeper)
{
	int64_t due = 0;
	const char *why;

	if (keeper->is_skipping ||
	    store_hold_next_due(keeper->hold->store, keeper->hold->node, &due, &why) != BASE_OK)
		return POLL_MS;
	due -= hold_keeper_later(keeper);
	return due < 1 ? 1 : due < POLL_MS ? due : POLL_MS;
}

/* Waits for a wake-up, for the time given at most; false: it is time to stop. */
static bool
keeper_rest(struct hold_keeper *keeper, int64_t milliseconds)
{
	struct hold *hold = keeper->hold;
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
	while (milliseconds > 0 && !keeper->is_stopping && !hold->is_woken)
		if (pthread_cond_timedwait(&hold->wake, &hold->wake_lock, &until) == ETIMEDOUT)
			break;
	hold->is_woken = false;
	is_stopping = keeper->is_stopping;
	pthread_mutex_unlock(&hold->wake_lock);
	return !is_stopping;
}

/* Rounds until it is stopped. */
static void *
keeper_main(void *context)
{
	struct hold_keeper *keeper = context;
	int64_t rest = 0;

	while (keeper_rest(keeper, rest)) {
		const char *why = "";
		enum base_result result;

		hold_refresh(keeper->hold);
		keeper->is_skipping = false;
		result = rounds_run(keeper, &why);
		rest = 0;
		if (result == BASE_NONE)
			rest = rest_length(keeper);
		if (result == BASE_OK || result == BASE_NONE)
			result = housekeeping(keeper, &why);
		tell_store(keeper, result == BASE_OK, why);
		if (result != BASE_OK)
			rest = FAILURE_MS;
	}
	return NULL;
}

enum base_result
hold_keeper_start(struct hold *hold, const struct hold_keeper_options *options,
    struct hold_keeper **keeper_r, const char **why_r)
{
	struct hold_keeper *keeper = calloc(1, sizeof(*keeper));
	sigset_t all, before;
	int code = ENOMEM;

	if (keeper != NULL) {
		keeper->hold = hold;
		keeper->options = *options;
		keeper->ask_room = QUEUE_MAX_ITEMS;
		keeper->is_untidy = true; /* what a killed keeper left */
		keeper->arena = base_arena_new(ROUND_BYTES);
	}
	if (keeper != NULL && keeper->arena != NULL) {
		/* signals are for the thread that waits for them */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		code = pthread_create(&keeper->thread, NULL, keeper_main, keeper);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (code != 0) {
		*why_r = base_why("cannot start the keeper: %s", strerror(code));
		if (keeper != NULL)
			base_arena_free(&keeper->arena);
		free(keeper);
		return BASE_BROKEN;
	}
	*keeper_r = keeper;
	return BASE_OK;
}

void
hold_keeper_stop(struct hold_keeper **keeper)
{
	struct hold *hold;

	if (*keeper == NULL)
		return;
	hold = (*keeper)->hold;
	pthread_mutex_lock(&hold->wake_lock);
	(*keeper)->is_stopping = true;
	pthread_cond_broadcast(&hold->wake);
	pthread_mutex_unlock(&hold->wake_lock);
	pthread_join((*keeper)->thread, NULL);
	base_arena_free(&(*keeper)->arena);
	free(*keeper);
	*keeper = NULL;
}
