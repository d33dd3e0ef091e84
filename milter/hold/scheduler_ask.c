/*
 * scheduler_ask - what a round of the scheduler asks of oops-queued, in few requests
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/hold/scheduler.h"

#define LOOKS_MAX QUEUE_MAX_ITEMS /* files of a round that are only looked at, about */
#define SLOW_MS 5000              /* an answer that takes longer comes too late */

/* The queue answers, or not: said when it changes. */
static void
report_reach(
    struct hold_scheduler *scheduler, enum queue_verb verb, bool is_reached, const char *why)
{
	if (is_reached && scheduler->is_unreachable)
		base_log(BASE_LOG_INFO, "oops-queued answers again");
	if (!is_reached && !scheduler->is_unreachable) {
		base_log(BASE_LOG_ERROR, "held mail stays on hold for now: %s", why);
		audit_event(AUDIT_ERROR, NULL, { "where", "queue" },
		    { "what", queue_verb_str(verb) }, { "answer", why });
	}
	scheduler->is_unreachable = !is_reached;
}

/* The items of one request, and where each answer belongs. */
struct request {
	enum queue_verb verb;
	size_t count;
	struct queue_item items[QUEUE_MAX_ITEMS];
	struct hold_response *answers[QUEUE_MAX_ITEMS];
};

/*
 * How many files one request may name: half of them after one that took too long to be
 * answered, so that it does not fail for ever, and by and by more again.
 */
static void
capacity_learn(struct hold_scheduler *scheduler, bool is_answered, int64_t milliseconds)
{
	if (is_answered && scheduler->ask_capacity < QUEUE_MAX_ITEMS)
		scheduler->ask_capacity++;
	else if (!is_answered && milliseconds >= SLOW_MS && scheduler->ask_capacity > 1)
		scheduler->ask_capacity /= 2;
}

/* Sends what has gathered. Without an answer the statuses stay FAILED. */
static void
request_send(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, struct request *request)
{
	int64_t began = base_tick_ms();
	const char *why = "";
	enum base_result result;

	if (request->count > 0 && !round->is_cut) {
		result = queue_ask(
		    scheduler->options.queue, request->verb, request->items, request->count, &why);
		report_reach(scheduler, request->verb, result == BASE_OK, why);
		capacity_learn(scheduler, result == BASE_OK, base_tick_ms() - began);
		round->is_cut = result != BASE_OK;
		for (size_t i = 0; result == BASE_OK && i < request->count; i++)
			request->answers[i]->status = request->items[i].status;
	}
	request->count = 0;
}

/* Adds a hold's questions of the verb; what does not fit goes in a request of its own. */
static void
request_add(struct hold_scheduler *scheduler, struct hold_scheduler_batch *round,
    struct request *request, struct hold_scheduler_job *step)
{
	for (size_t i = 0; i < step->count; i++) {
		struct hold_response *answer = &step->answers[i];

		if (!answer->is_asked ||
		    hold_step_verb(step->plan.verb, &step->entries[i]) != request->verb)
			continue;
		answer->verb = request->verb;
		answer->status = QUEUE_FAILED; /* of a look before, too */
		/* one that may not be asked about would have the whole request refused */
		if (!queue_is_queue_id(step->entries[i].queue_id))
			continue;
		if (request->count >= scheduler->ask_capacity)
			request_send(scheduler, round, request);
		request->answers[request->count] = answer;
		request->items[request->count++] = (struct queue_item){
			.queue_id = step->entries[i].queue_id,
			.hold_id = step->row->id,
			.status = QUEUE_FAILED,
		};
	}
	step->is_ready = true;
}

/*
 * Asks with one verb for all holds that need it, in requests of bounded size. Where nothing
 * is wanted but to know, some files a round are enough: the others stay due, and the next
 * round of their kind begins with them.
 */
static void
ask_verb(struct hold_scheduler *scheduler, struct hold_scheduler_batch *round,
    struct request *request, enum queue_verb verb)
{
	size_t looked = 0;

	request->verb = verb;
	for (size_t i = 0; i < round->count; i++) {
		struct hold_scheduler_job *step = &round->steps[i];

		if (step->is_aside || step->plan.kind != HOLD_PLAN_ASK ||
		    (looked >= LOOKS_MAX && step->plan.verb == QUEUE_STATUS && !round->is_cut))
			continue;
		if (verb == QUEUE_STATUS || verb == step->plan.verb ||
		    (verb == QUEUE_DELETE && step->plan.verb == QUEUE_RETURN))
			request_add(scheduler, round, request, step);
		if (step->plan.verb == QUEUE_STATUS)
			looked += step->count;
	}
	request_send(scheduler, round, request);
}

/* Reads the queue entries of a hold and marks those to be asked about. */
static enum base_result
step_prepare(struct hold_scheduler *scheduler, struct hold_scheduler_job *step, const char **why_r)
{
	enum base_result result = store_entry_list(scheduler->hold->store, scheduler->arena,
	    step->row->id, &step->entries, &step->count, why_r);

	if (result != BASE_OK)
		return result;
	step->answers = base_arena_array(scheduler->arena, step->count + 1, sizeof(*step->answers));
	if (step->answers == NULL) {
		*why_r = base_why("no memory for the queue entries of a hold");
		return BASE_BROKEN;
	}
	if (step->plan.kind == HOLD_PLAN_ASK)
		hold_step_asked(
		    step->row, step->plan.verb, step->entries, step->count, step->answers);
	return BASE_OK;
}

/* Is the queue about to be asked to act on this queue entry for the first time? */
static bool
is_first_ask(const struct hold_scheduler_job *step, size_t i)
{
	return step->plan.kind == HOLD_PLAN_ASK && !hold_verb_is_look(step->plan.verb) &&
	       step->answers[i].is_asked && step->answers[i].status == QUEUE_HELD &&
	       step->entries[i].asked == 0;
}

/* Writes down of which queue entries of a hold we ask now. */
static enum base_result
step_ask_write(struct hold_scheduler *scheduler, struct hold_scheduler_job *step, int64_t now,
    const char **why_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; result == BASE_OK && i < step->count; i++) {
		struct store_entry entry = step->entries[i];

		if (!is_first_ask(step, i))
			continue;
		entry.state = HOLD_ENTRY_HELD;
		entry.asked = now;
		result = store_entry_update(scheduler->hold->store, &entry, why_r);
		step->is_written = result == BASE_OK;
	}
	return result;
}

/*
 * After the looks, before anything is asked to act: what is seen on hold is marked as asked
 * for. From then on "gone" means that it went because we asked, also after a crash.
 */
static enum base_result
asks_write(struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r)
{
	int64_t now = hold_scheduler_later(scheduler);
	enum base_result result;
	bool has_any = false;

	for (size_t i = 0; i < round->count; i++)
		for (size_t j = 0; j < round->steps[i].count; j++)
			has_any = has_any || is_first_ask(&round->steps[i], j);
	if (!has_any)
		return BASE_OK;
	result = hold_scheduler_write(scheduler, round, step_ask_write, now, why_r);
	for (size_t i = 0; result == BASE_OK && i < round->count; i++)
		for (size_t j = 0; j < round->steps[i].count; j++)
			if (round->steps[i].is_written && is_first_ask(&round->steps[i], j)) {
				round->steps[i].entries[j].state = HOLD_ENTRY_HELD;
				round->steps[i].entries[j].asked = now;
			}
	return result;
}

/* The queue entries of all holds of a round. */
static enum base_result
round_prepare(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; result == BASE_OK && i < round->count; i++) {
		struct hold_scheduler_job *step = &round->steps[i];

		if (!step->is_aside)
			result = step_prepare(scheduler, step, why_r);
		if (result != BASE_OK && result != BASE_RETRY)
			result = hold_scheduler_set_aside(scheduler, step, why_r);
		if (step->is_aside)
			step->count = 0;
	}
	return result;
}

enum base_result
hold_scheduler_ask(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r)
{
	static const enum queue_verb submissions[] = { QUEUE_RELEASE, QUEUE_RETURN, QUEUE_DELETE };
	struct request *request = base_arena_alloc(scheduler->arena, sizeof(*request));
	enum base_result result;

	if (request == NULL) {
		*why_r = base_why("no memory for a request to oops-queued");
		return BASE_BROKEN;
	}
	result = round_prepare(scheduler, round, why_r);
	if (result != BASE_OK)
		return result;
	round->looked_at = hold_scheduler_later(scheduler);
	ask_verb(scheduler, round, request, QUEUE_STATUS);
	ask_verb(scheduler, round, request, QUEUE_STOP);
	result = hold_scheduler_rename(scheduler, round, why_r);
	if (result == BASE_OK)
		result = asks_write(scheduler, round, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < sizeof(submissions) / sizeof(*submissions); i++)
		ask_verb(scheduler, round, request, submissions[i]);
	result = hold_scheduler_rename(scheduler, round, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < round->count; i++)
		round->steps[i].is_reached = !round->is_cut;
	return BASE_OK;
}
