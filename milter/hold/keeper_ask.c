/*
 * keeper_ask - what a round of the keeper asks of oops-queued, in few requests
 */
#include "milter/hold/keeper.h"

#define ROUND_LOOKS 20 /* files only looked at in a round: timers must not wait long */
#define ASK_ITEMS 100  /* files of one request that acts */

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

/* The items of one request, and where each answer belongs. */
struct request {
	enum queue_verb verb;
	size_t count;
	struct queue_item items[QUEUE_MAX_ITEMS];
	struct hold_answer *answers[QUEUE_MAX_ITEMS];
};

/* Sends what has gathered. Without an answer the statuses stay FAILED. */
static void
request_send(
    struct hold_keeper *keeper, struct hold_keeper_round *round, struct request *request)
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
request_add(struct hold_keeper *keeper, struct hold_keeper_round *round,
    struct request *request, struct hold_keeper_step *step)
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
ask_verb(struct hold_keeper *keeper, struct hold_keeper_round *round,
    struct request *request, enum queue_verb verb)
{
	size_t max = verb == QUEUE_STATUS ? ROUND_LOOKS : ASK_ITEMS;
	bool is_enough = false;

	request->verb = verb;
	for (size_t i = 0; i < round->count; i++) {
		struct hold_keeper_step *step = &round->steps[i];

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
step_prepare(struct hold_keeper *keeper, struct hold_keeper_step *step, const char **why_r)
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

enum base_result
hold_keeper_ask(
    struct hold_keeper *keeper, struct hold_keeper_round *round, const char **why_r)
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
