/*
 * keeper - the thread that carries out what is due; see hold.h
 *
 * A round reads the most urgent rows, moves those whose time has come, asks oops-queued
 * about all of them in a few requests, and writes what came out in one transaction. Nothing
 * is done to the queue that a committed row does not ask for, and no row says that
 * something is done before the queue has said so: killed anywhere, the next round does the
 * rest.
 */
#include "milter/hold/internal.h"
#include "milter/hold/storm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_ROWS 64 /* holds of one round */
#define ROUND_BYTES                                                                        \
	(128u << 20)    /* ceiling of its memory; a few hundred KiB in practice            \
			 */
#define ROUND_LOOKS 20  /* files only looked at in a round: timers must not wait long */
#define ASK_ITEMS 100   /* files of one request that acts */
#define POLL_MS 200     /* wishes of other processes are found by looking */
#define FAILURE_MS 1000 /* rest after the store failed */
#define PURGE_MS 60000
#define TIDY_MS 5000

struct hold_keeper {
	struct hold *hold;
	struct hold_keeper_options options;
	pthread_t thread;
	bool is_stopping; /* under hold->wake_lock */

	/* of the thread alone */
	struct base_arena *arena;
	bool is_unreachable; /* oops-queued; said once */
	bool is_failing;     /* the store; said once */
	bool is_untidy;      /* something was wiped that is still in the files */
	int64_t purge_at, tidy_at;
};

/* One hold in a round. */
struct step {
	struct store_hold *row;
	struct hold_plan plan;
	struct store_part *parts;
	size_t count;
	struct hold_answer *answers;
	bool is_ready;   /* all its questions were asked, with or without an answer */
	bool is_reached; /* oops-queued could be asked */

	/* what was written, for the audit */
	bool is_written, has_moved;
	struct store_hold before, after;
	const char *lost; /* queue ids that went away */
};

struct round {
	struct step *steps;
	size_t count;
	bool is_cut; /* oops-queued did not answer: ask no more in this round */
};

/* --- telling --------------------------------------------------------------------- */

/* The queue answers, or not: said when it changes. */
static void
tell_reach(
    struct hold_keeper *keeper, enum queue_verb verb, bool is_reached, const char *why)
{
	if (is_reached && keeper->is_unreachable)
		base_log(BASE_LOG_INFO, "oops-queued answers again");
	if (!is_reached && !keeper->is_unreachable) {
		base_log(BASE_LOG_ERROR, "held mail stays on hold for now: %s", why);
		audit_event(AUDIT_ERROR, NULL, { "where", "queue" },
		    { "what", queue_verb_str(verb) }, { "answer", why });
	}
	keeper->is_unreachable = !is_reached;
}

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

/* The MTA's tool failed for a file: said at the first try. */
static void
tell_failure(const struct step *step)
{
	if (step->plan.verb == QUEUE_STATUS || !step->is_reached || step->before.tries > 0)
		return;
	for (size_t i = 0; i < step->count; i++) {
		if (!step->answers[i].is_failure)
			continue;
		base_log(BASE_LOG_WARNING, "%s: %s of %s failed, trying again",
		    step->before.id, queue_verb_str(step->plan.verb),
		    step->parts[i].queue_id);
		audit_event(AUDIT_ERROR, step->before.id, { "where", "queue" },
		    { "what", queue_verb_str(step->plan.verb) },
		    { "answer", queue_status_str(step->answers[i].status) },
		    { "queue_id", step->parts[i].queue_id });
	}
}

/* --- timers ---------------------------------------------------------------------- */

/* Moves one hold whose time has come, unless somebody was faster. */
static enum base_result
timer_write(struct hold_keeper *keeper, struct step *step, int64_t now, const char **why_r)
{
	struct hold *hold = keeper->hold;
	struct store_hold *row = NULL;
	struct hold_plan plan;
	enum base_result result =
	    store_hold_get(hold->store, keeper->arena, step->row->id, &row, why_r);

	step->is_written = false;
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	step->row = row;
	plan = hold_step_plan(row, now);
	if (plan.kind != HOLD_PLAN_MOVE)
		return BASE_OK;
	step->before = *row;
	result = hold_move(hold, keeper->arena, row, plan.to, "timer", false, now, why_r);
	step->is_written = result == BASE_OK;
	return result;
}

/* All timers of a round in one transaction. */
static enum base_result
timers_write(
    struct hold_keeper *keeper, struct round *round, int64_t now, const char **why_r)
{
	enum base_result result = store_begin(keeper->hold->store, why_r);

	if (result != BASE_OK)
		return result;
	for (size_t i = 0; result == BASE_OK && i < round->count; i++)
		if (round->steps[i].plan.kind == HOLD_PLAN_MOVE)
			result = timer_write(keeper, &round->steps[i], now, why_r);
	if (result == BASE_OK)
		return store_commit(keeper->hold->store, why_r);
	store_rollback(keeper->hold->store);
	return result;
}

/* Carries out the timers, audits them, and plans what follows from them. */
static enum base_result
timers_run(struct hold_keeper *keeper, struct round *round, int64_t now, const char **why_r)
{
	enum base_result result;
	bool has_any = false;

	for (size_t i = 0; i < round->count; i++)
		has_any = has_any || round->steps[i].plan.kind == HOLD_PLAN_MOVE;
	if (!has_any)
		return BASE_OK;
	result = timers_write(keeper, round, now, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < round->count; i++) {
		struct step *step = &round->steps[i];

		if (step->plan.kind != HOLD_PLAN_MOVE)
			continue;
		if (step->is_written)
			hold_move_audit(&step->before, step->row, NULL, 0);
		step->plan = hold_step_plan(step->row, now);
	}
	return BASE_OK;
}

/* --- asking ---------------------------------------------------------------------- */

/* The items of one request, and where each answer belongs. */
struct request {
	enum queue_verb verb;
	size_t count;
	struct queue_item items[QUEUE_MAX_ITEMS];
	struct hold_answer *answers[QUEUE_MAX_ITEMS];
};

/* Sends what has gathered. Without an answer the statuses stay FAILED. */
static void
request_send(struct hold_keeper *keeper, struct round *round, struct request *request)
{
	const char *why = "";
	enum base_result result;

	if (request->count > 0 && !round->is_cut) {
		result = queue_ask(keeper->options.queue, request->verb, request->items,
		    request->count, &why);
		tell_reach(keeper, request->verb, result == BASE_OK, why);
		round->is_cut = result != BASE_OK;
		for (size_t i = 0; result == BASE_OK && i < request->count; i++)
			request->answers[i]->status = request->items[i].status;
	}
	request->count = 0;
}

/* Adds a hold's questions of the verb; what does not fit goes in a request of its own. */
static void
request_add(struct hold_keeper *keeper, struct round *round, struct request *request,
    struct step *step)
{
	for (size_t i = 0; i < step->count; i++) {
		if (!step->answers[i].is_asked ||
		    hold_step_verb(step->plan.verb, &step->parts[i]) != request->verb)
			continue;
		if (request->count == QUEUE_MAX_ITEMS)
			request_send(keeper, round, request);
		request->answers[request->count] = &step->answers[i];
		request->items[request->count++] = (struct queue_item){
			.queue_id = step->parts[i].queue_id,
			.hold_id = step->row->id,
			.status = QUEUE_FAILED,
		};
	}
	step->is_ready = true;
}

/*
 * Asks with one verb for all holds that need it, in requests of bounded size. Where nothing
 * is wanted but to know, one request a round is enough: the others stay due, and the next
 * round begins with them.
 */
static void
ask_verb(struct hold_keeper *keeper, struct round *round, struct request *request,
    enum queue_verb verb)
{
	size_t max = verb == QUEUE_STATUS ? ROUND_LOOKS : ASK_ITEMS;
	bool is_enough = false;

	request->verb = verb;
	for (size_t i = 0; i < round->count; i++) {
		struct step *step = &round->steps[i];

		if (step->plan.kind != HOLD_PLAN_ASK ||
		    (is_enough && step->plan.verb == QUEUE_STATUS && !round->is_cut))
			continue;
		if (verb == QUEUE_STATUS || verb == step->plan.verb)
			request_add(keeper, round, request, step);
		if (request->count < max)
			continue;
		request_send(keeper, round, request);
		is_enough = verb == QUEUE_STATUS;
	}
	request_send(keeper, round, request);
}

/* Reads the parts of a hold and marks those to be asked about. */
static enum base_result
step_prepare(struct hold_keeper *keeper, struct step *step, const char **why_r)
{
	enum base_result result = store_part_list(keeper->hold->store, keeper->arena,
	    step->row->id, &step->parts, &step->count, why_r);

	if (result != BASE_OK)
		return result;
	step->answers =
	    base_arena_array(keeper->arena, step->count + 1, sizeof(*step->answers));
	if (step->answers == NULL) {
		*why_r = base_why("no memory for the parts of a hold");
		return BASE_BROKEN;
	}
	if (step->plan.kind == HOLD_PLAN_ASK)
		hold_step_asked(step->plan.verb, step->parts, step->count, step->answers);
	return BASE_OK;
}

/* Asks all that a round has to ask; what acts comes first. */
static enum base_result
ask_run(struct hold_keeper *keeper, struct round *round, const char **why_r)
{
	static const enum queue_verb verbs[] = { QUEUE_RELEASE, QUEUE_RETURN, QUEUE_DELETE,
		QUEUE_STATUS };
	struct request *request = base_arena_alloc(keeper->arena, sizeof(*request));

	if (request == NULL) {
		*why_r = base_why("no memory for a request to oops-queued");
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < round->count; i++) {
		enum base_result result = step_prepare(keeper, &round->steps[i], why_r);

		if (result != BASE_OK)
			return result;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		ask_verb(keeper, round, request, verbs[i]);
	for (size_t i = 0; i < round->count; i++)
		round->steps[i].is_reached = !round->is_cut;
	return BASE_OK;
}

/* --- learning -------------------------------------------------------------------- */

/* Hands out the lesson of one part that left. */
static enum base_result
lesson_give(struct hold_keeper *keeper, const struct store_part *part, const char **why_r)
{
	struct base_arena *arena = base_arena_new(HOLD_MAX_LESSON + HOLD_MAX_ROW);
	struct store_blob lesson = { NULL, 0 };
	enum base_result result;

	if (arena == NULL) {
		*why_r = base_why("no memory for a lesson");
		return BASE_BROKEN;
	}
	result = store_part_lesson(keeper->hold->store, arena, part, &lesson, why_r);
	if (result == BASE_OK && lesson.length > 0)
		keeper->options.sent(keeper->options.context, lesson.data, lesson.length);
	base_arena_free(&arena);
	return result == BASE_NONE ? BASE_OK : result;
}

/*
 * Before the hold says SENT: what was sent is learned. Killed in between it is learned
 * twice, which weighs less than a lesson that is lost.
 */
static enum base_result
lessons_give(
    struct hold_keeper *keeper, const struct step *step, int64_t now, const char **why_r)
{
	struct store_part *parts =
	    base_arena_array(keeper->arena, step->count + 1, sizeof(*parts));
	enum base_result result = BASE_OK;
	enum hold_state to;

	if (parts == NULL) {
		*why_r = base_why("no memory for lessons");
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < step->count; i++) {
		parts[i] = step->parts[i];
		if (step->answers[i].is_asked)
			parts[i].state = hold_step_part(
			    step->plan.verb, &parts[i], step->answers[i].status, now);
	}
	if (!hold_step_end(step->row, step->plan.verb, parts, step->count, now, &to) ||
	    to != HOLD_SENT)
		return BASE_OK;
	for (size_t i = 0; result == BASE_OK && i < step->count; i++)
		if (parts[i].state == HOLD_PART_DONE)
			result = lesson_give(keeper, &parts[i], why_r);
	return result;
}

/* --- writing what came out ------------------------------------------------------- */

/* Who the audit says it was; NULL: whoever asked for it. */
static const char *
move_by(enum hold_state to)
{
	switch (to) {
	case HOLD_HELD:
	case HOLD_LOST:
		return "mta";
	case HOLD_DELETED:
		return "timer";
	default:
		return NULL;
	}
}

/* Writes what the answers say of each part; true in *worked_r: all of them were of use. */
static enum base_result
parts_write(struct hold_keeper *keeper, struct step *step, struct store_part *parts,
    size_t count, int64_t now, bool *worked_r, const char **why_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; result == BASE_OK && i < step->count && i < count; i++) {
		struct hold_answer *answer = &step->answers[i];
		enum hold_part_state state;

		if (!answer->is_asked)
			continue;
		answer->is_failure =
		    answer->status == QUEUE_FAILED ||
		    (answer->status == QUEUE_HELD &&
			hold_step_verb(step->plan.verb, &step->parts[i]) != QUEUE_STATUS);
		*worked_r = *worked_r && !answer->is_failure;
		state = hold_step_part(step->plan.verb, &parts[i], answer->status, now);
		if ((int)state == parts[i].state)
			continue;
		parts[i].state = state;
		result = store_part_update(keeper->hold->store, &parts[i], why_r);
		if (state == HOLD_PART_LOST)
			step->lost = base_arena_printf(keeper->arena, "%s%s%s",
			    step->lost != NULL ? step->lost : "",
			    step->lost != NULL ? "," : "", parts[i].queue_id);
	}
	return result;
}

/* Writes one hold from what is in the database now, unless somebody moved it meanwhile. */
static enum base_result
step_write(struct hold_keeper *keeper, struct step *step, int64_t now, const char **why_r)
{
	struct store *store = keeper->hold->store;
	struct store_hold *row = NULL;
	struct store_part *parts = NULL;
	bool worked = step->is_reached;
	enum hold_state to;
	size_t count = 0;
	enum base_result result =
	    store_hold_get(store, keeper->arena, step->row->id, &row, why_r);

	if (result == BASE_NONE || (result == BASE_OK && row->state != step->row->state))
		return BASE_OK;
	if (result == BASE_OK)
		result =
		    store_part_list(store, keeper->arena, row->id, &parts, &count, why_r);
	if (result != BASE_OK)
		return result;
	step->before = *row;
	result = parts_write(keeper, step, parts, count, now, &worked, why_r);
	if (result != BASE_OK)
		return result;
	step->has_moved = hold_step_end(row, step->plan.verb, parts, count, now, &to);
	if (step->has_moved)
		result = hold_move(keeper->hold, keeper->arena, row, to, move_by(to),
		    hold_has_part(parts, count, HOLD_PART_PLACING), now, why_r);
	else {
		hold_step_again(
		    row, step->plan.verb, parts, count, step->is_reached, worked, now);
		result = store_hold_update(store, row, row->state, why_r);
	}
	step->is_written = result == BASE_OK;
	step->after = *row;
	step->parts = parts; /* same order, maybe more of them */
	step->count = count < step->count ? count : step->count;
	return result;
}

/* The audit lines of one hold, after the commit. */
static void
step_tell(struct hold_keeper *keeper, const struct step *step)
{
	tell_failure(step);
	if (step->lost != NULL || (step->has_moved && step->after.state == HOLD_LOST))
		hold_audit_lost(
		    step->after.id, step->before.state, step->after.state, step->lost);
	if (step->has_moved)
		hold_move_audit(&step->before, &step->after, step->parts, step->count);
	if (step->has_moved && hold_state_is_final(step->after.state))
		keeper->is_untidy = true;
}

/* Writes what came out of a round: lessons first, then all rows in one transaction. */
static enum base_result
settle_run(struct hold_keeper *keeper, struct round *round, const char **why_r)
{
	int64_t now = base_now_ms();
	enum base_result result = BASE_OK;

	for (size_t i = 0; result == BASE_OK && i < round->count; i++)
		if (round->steps[i].is_ready && keeper->options.sent != NULL &&
		    round->steps[i].plan.verb == QUEUE_RELEASE)
			result = lessons_give(keeper, &round->steps[i], now, why_r);
	if (result == BASE_OK)
		result = store_begin(keeper->hold->store, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; result == BASE_OK && i < round->count; i++) {
		round->steps[i].is_written = false;
		if (round->steps[i].is_ready)
			result = step_write(keeper, &round->steps[i], now, why_r);
	}
	if (result == BASE_OK)
		result = store_commit(keeper->hold->store, why_r);
	else
		store_rollback(keeper->hold->store);
	for (size_t i = 0; result == BASE_OK && i < round->count; i++)
		if (round->steps[i].is_written)
			step_tell(keeper, &round->steps[i]);
	return result;
}

/* --- the thread ------------------------------------------------------------------ */

/* One round. NONE: nothing was due. */
static enum base_result
round_run(struct hold_keeper *keeper, const char **why_r)
{
	struct store_hold *rows = NULL;
	struct round round = { .steps = NULL };
	int64_t now = base_now_ms();
	enum base_result result;

	base_arena_reset(keeper->arena);
	result = store_hold_due(keeper->hold->store, keeper->arena, keeper->hold->node, now,
	    &rows, ROUND_ROWS, &round.count, why_r);
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
	}
	result = timers_run(keeper, &round, now, why_r);
	if (result == BASE_OK)
		result = ask_run(keeper, &round, why_r);
	if (result == BASE_OK)
		result = settle_run(keeper, &round, why_r);
	return result;
}

/* Now and then: forgets old holds, and clears the files of what was wiped. */
static enum base_result
housekeeping(struct hold_keeper *keeper, const char **why_r)
{
	int64_t now = base_now_ms();
	enum base_result result = BASE_OK;

	base_arena_reset(keeper->arena);
	result = hold_storms_end(keeper->hold, keeper->arena, why_r);
	if (result == BASE_OK && now >= keeper->purge_at)
		result = store_storm_purge(keeper->hold->store,
		    now - keeper->options.keep_seconds * 1000,
		    now - HOLD_STORM_MAX_WINDOW * INT64_C(1000), why_r);
	if (result == BASE_OK && now >= keeper->purge_at) {
		result = store_hold_purge(
		    keeper->hold->store, now - keeper->options.keep_seconds * 1000, why_r);
		if (result == BASE_OK)
			keeper->is_untidy = true; /* and there may be more: at once again */
		else if (result == BASE_NONE)
			keeper->purge_at = now + PURGE_MS;
	}
	if (keeper->is_untidy && now >= keeper->tidy_at) {
		const char *why;

		/* a reader in the way is no failure: later, then */
		keeper->is_untidy = store_tidy(keeper->hold->store, &why) != BASE_OK;
		keeper->tidy_at = now + TIDY_MS;
	}
	return result == BASE_NONE ? BASE_OK : result;
}

/* How long nothing is due, at most POLL_MS. */
static int64_t
rest_length(struct hold_keeper *keeper)
{
	int64_t due = 0;
	const char *why;

	if (store_hold_next_due(keeper->hold->store, keeper->hold->node, &due, &why) !=
	    BASE_OK)
		return POLL_MS;
	due -= base_now_ms();
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
		if (pthread_cond_timedwait(&hold->wake, &hold->wake_lock, &until) ==
		    ETIMEDOUT)
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
		enum base_result result = round_run(keeper, &why);

		rest = 0;
		if (result == BASE_NONE) {
			result = housekeeping(keeper, &why);
			rest = rest_length(keeper);
		}
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
