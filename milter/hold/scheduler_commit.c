/*
 * scheduler_commit - what came out of a round of the scheduler: observations, rows, audit lines
 */
#include "milter/base/arena.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/hold/scheduler.h"

/* --- learning -------------------------------------------------------------------- */

/* Hands out the observation of one queue entry that left; true: there was one. */
static bool
observation_give(struct hold_scheduler *scheduler, const struct store_entry *entry)
{
	struct base_arena *arena = base_arena_new(HOLD_MAX_OBSERVATION + HOLD_MAX_ROW);
	struct store_blob observation = { NULL, 0 };
	const char *why = "no memory";
	enum base_result result = BASE_BROKEN;

	if (arena != NULL)
		result = store_entry_observation(
		    scheduler->hold->store, arena, entry, &observation, &why);
	if (result == BASE_OK && observation.length > 0)
		scheduler->options.sent(
		    scheduler->options.context, observation.data, observation.length);
	else if (result != BASE_OK && result != BASE_NONE)
		base_log(
		    BASE_LOG_WARNING, "what %s teaches cannot be read: %s", entry->hold_id, why);
	base_arena_free(&arena);
	return observation.length > 0;
}

/*
 * The observations of one hold, if it is sent now: how many. One that cannot be read is no reason
 * to let the mail, or that of others, wait.
 */
static size_t
observations_give(
    struct hold_scheduler *scheduler, const struct hold_scheduler_job *step, int64_t now)
{
	struct store_entry *entries =
	    base_arena_array(scheduler->arena, step->count + 1, sizeof(*entries));
	enum hold_state to;
	size_t given = 0;

	if (entries == NULL)
		return 0;
	for (size_t i = 0; i < step->count; i++) {
		entries[i] = step->entries[i];
		if (step->answers[i].is_asked)
			entries[i].state = hold_job_entry(
			    step->answers[i].verb, &entries[i], step->answers[i].status, now);
	}
	if (!hold_step_end(step->row, step->plan.verb, entries, step->count, now, &to) ||
	    to != HOLD_SENT)
		return 0;
	for (size_t i = 0; i < step->count; i++)
		if (entries[i].state == HOLD_ENTRY_DONE)
			given += observation_give(scheduler, &entries[i]);
	return given;
}

/*
 * Before the holds of a round say SENT: what was sent is learned. Killed in between it is
 * learned twice, which weighs less than an observation that is lost.
 */
static void
round_teach(struct hold_scheduler *scheduler, const struct hold_scheduler_batch *round, int64_t now)
{
	size_t given = 0;

	if (scheduler->options.sent == NULL)
		return;
	for (size_t i = 0; i < round->count; i++) {
		const struct hold_scheduler_job *step = &round->steps[i];

		if (step->is_ready && step->plan.verb == QUEUE_RELEASE &&
		    !hold_aside_is_known(&scheduler->aside, step->row->id))
			given += observations_give(scheduler, step, now);
	}
	if (given > 0 && scheduler->options.all_sent != NULL)
		scheduler->options.all_sent(scheduler->options.context);
}

/* --- writing what came out ------------------------------------------------------- */

/* The MTA's tool failed for a file: said at the first try. */
static void
report_failure(const struct hold_scheduler_job *step)
{
	if (step->plan.verb == QUEUE_STATUS || !step->is_reached || step->before.tries > 0)
		return;
	for (size_t i = 0; i < step->count; i++) {
		if (!step->answers[i].is_failure)
			continue;
		base_log(BASE_LOG_WARNING, "%s: %s of %s failed, trying again", step->before.id,
		    queue_verb_str(step->plan.verb), step->entries[i].queue_id);
		audit_event(AUDIT_ERROR, step->before.id, { "where", "queue" },
		    { "what", queue_verb_str(step->plan.verb) },
		    { "answer", queue_status_str(step->answers[i].status) },
		    { "queue_id", step->entries[i].queue_id });
	}
}

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

/* A file that left without us, for the row and for the audit. */
static void
entry_left(struct hold_scheduler *scheduler, struct hold_scheduler_job *step,
    struct store_hold *row, const struct store_entry *entry, enum hold_how how, int64_t now)
{
	step->lost = base_arena_printf(scheduler->arena, "%s%s%s",
	    step->lost != NULL ? step->lost : "", step->lost != NULL ? "," : "", entry->queue_id);
	if (how > step->how)
		step->how = how;
	if ((int)how > row->how) {
		row->how = how;
		row->left_at = now;
		if (row->state == HOLD_UNDONE || row->state == HOLD_RETURNING) {
			row->letter_due = now; /* who stopped it hears of it */
			row->letter_tries = 0;
		}
	}
}

/* Writes what the answers say of each queue entry; true in *worked_r: all of them were of use. */
static enum base_result
entries_write(struct hold_scheduler *scheduler, struct hold_scheduler_job *step,
    struct store_hold *row, struct store_entry *entries, size_t count, int64_t now, bool *worked_r,
    const char **why_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; result == BASE_OK && i < step->count && i < count; i++) {
		struct hold_response *answer = &step->answers[i];
		enum hold_entry_state state;

		if (!answer->is_asked)
			continue;
		answer->is_failure =
		    answer->status == QUEUE_FAILED ||
		    (answer->status == QUEUE_HELD && !hold_verb_is_look(answer->verb));
		*worked_r = *worked_r && !answer->is_failure;
		/*
		 * `entries` are those of now: if somebody else has asked meanwhile, it counts
		 */
		state = hold_job_entry(
		    hold_step_verb(step->plan.verb, &entries[i]), &entries[i], answer->status, now);
		if ((int)state == entries[i].state)
			continue;
		entries[i].state = state;
		result = store_entry_update(scheduler->hold->store, &entries[i], why_r);
		if (state == HOLD_ENTRY_LOST)
			entry_left(
			    scheduler, step, row, &entries[i], hold_step_how(answer->status), now);
	}
	return result;
}

/* Were all its open files seen on hold? The answers are those of this round. */
static bool
is_all_seen(const struct hold_scheduler_job *step, const struct store_entry *entries, size_t count)
{
	if (count != step->count || step->is_unsure ||
	    hold_has_entry(entries, count, HOLD_ENTRY_PENDING))
		return false;
	for (size_t i = 0; i < count; i++)
		if (step->answers[i].is_asked && entries[i].state == HOLD_ENTRY_HELD &&
		    step->answers[i].status != QUEUE_HELD)
			return false;
	return hold_has_entry(entries, count, HOLD_ENTRY_HELD);
}

/* Did somebody move it meanwhile, or bring it on its way back? Then the answers are of no use. */
static bool
is_moved(const struct store_hold *row, const struct hold_scheduler_job *step)
{
	return row->state != step->row->state || row->return_how != step->row->return_how;
}

/*
 * When it is asked about next. Who wanted a look while this round was under way knows something
 * newer than its answers: that look stays due.
 */
static void
step_again(const struct hold_scheduler_job *step, struct store_hold *row,
    const struct store_entry *entries, size_t count, bool worked, int64_t now)
{
	int64_t wanted = row->due != step->row->due ? row->due : 0;

	hold_step_again(row, step->plan.verb, entries, count, step->is_reached, worked, now);
	if (wanted != 0 && row->due > wanted)
		row->due = wanted;
}

/* Writes one hold from what is in the database now, unless somebody moved it meanwhile. */
static enum base_result
step_write(struct hold_scheduler *scheduler, struct hold_scheduler_job *step, int64_t now,
    const char **why_r)
{
	struct store *store = scheduler->hold->store;
	struct store_hold *row = NULL;
	struct store_entry *entries = NULL;
	bool worked = step->is_reached;
	enum hold_state to;
	size_t count = 0;
	enum base_result result;

	step->lost = NULL;
	step->how = HOLD_HOW_STAYED;
	if (!step->is_ready)
		return BASE_OK;
	result = store_hold_get(store, scheduler->arena, step->row->id, &row, why_r);
	if (result == BASE_NONE || (result == BASE_OK && is_moved(row, step)))
		return BASE_OK;
	if (result == BASE_OK)
		result =
		    store_entry_list(store, scheduler->arena, row->id, &entries, &count, why_r);
	if (result != BASE_OK)
		return result;
	step->before = *row;
	result = entries_write(scheduler, step, row, entries, count, now, &worked, why_r);
	if (result != BASE_OK)
		return result;
	if (is_all_seen(step, entries, count))
		row->seen = step->looked_at;
	step->has_moved = hold_step_end(row, step->plan.verb, entries, count, now, &to);
	if (step->has_moved)
		result = hold_move(scheduler->hold, scheduler->arena, row, to, move_by(to),
		    hold_has_entry(entries, count, HOLD_ENTRY_PENDING), now, why_r);
	else {
		step_again(step, row, entries, count, worked, now);
		result = store_hold_update(store, row, row->state, why_r);
	}
	step->is_written = result == BASE_OK;
	step->after = *row;
	step->entries = entries; /* same order, maybe more of them */
	step->count = count < step->count ? count : step->count;
	return result;
}

/* The audit lines of one hold, after the commit. */
static void
step_report(struct hold_scheduler *scheduler, const struct hold_scheduler_job *step)
{
	report_failure(step);
	if (step->lost != NULL || (step->has_moved && step->after.state == HOLD_LOST))
		hold_audit_lost(
		    step->after.id, step->before.state, step->after.state, step->how, step->lost);
	if (step->has_moved)
		hold_move_audit(&step->before, &step->after, step->entries, step->count);
	if (step->has_moved && hold_state_is_final(step->after.state))
		scheduler->is_untidy = true;
}

enum base_result
hold_scheduler_commit(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r)
{
	int64_t now = hold_scheduler_later(scheduler);
	enum base_result result;

	for (size_t i = 0; i < round->count; i++)
		round->steps[i].looked_at = round->looked_at;
	round_teach(scheduler, round, now);
	result = hold_scheduler_write(scheduler, round, step_write, now, why_r);
	for (size_t i = 0; result == BASE_OK && i < round->count; i++)
		if (round->steps[i].is_written)
			step_report(scheduler, &round->steps[i]);
	return result;
}
