/*
 * scheduler_rename - files that the MTA gave another name, found again by their tag
 *
 * A queue that was moved or restored has its files under new queue ids (postsuper -s). What
 * looks as if it had gone may be there under another name, on hold as before: before a file is
 * given up, all that are on hold are looked through for one of the same hold.
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/hold/scheduler.h"

#include <string.h>

#define SCAN_REST_MS 2000 /* between two, at least, and SCAN_SHARE times as long as one took */
#define SCAN_SHARE 10
#define SCAN_TRIES 5 /* that failed one after the other: then it is given up without */
#define SCAN_BYTES (16u << 20)

/* Is this queue entry about to be given up, though it was seen before? */
static bool
is_missing(const struct hold_scheduler_job *step, size_t i, int64_t looked_at)
{
	const struct hold_response *answer = &step->answers[i];
	const struct store_entry *entry = &step->entries[i];

	return step->is_ready && !step->is_aside && answer->is_asked &&
	       entry->state == HOLD_ENTRY_HELD && !answer->is_sought && entry->asked < looked_at &&
	       (answer->status == QUEUE_GONE || answer->status == QUEUE_FOREIGN);
}

/* Does a queue entry of the hold have this name? */
static bool
is_named(const struct hold_scheduler_job *step, const char *queue_id)
{
	for (size_t i = 0; i < step->count; i++)
		if (strcmp(step->entries[i].queue_id, queue_id) == 0)
			return true;
	return false;
}

/* A file of the hold that none of its queue entries names; NULL: there is none. */
static const char *
file_find(const struct hold_scheduler_job *step, const struct queue_item *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(files[i].hold_id, step->row->id) == 0 &&
		    queue_is_queue_id(files[i].queue_id) && !is_named(step, files[i].queue_id))
			return files[i].queue_id;
	return NULL;
}

/* Gives a queue entry its new name. It is asked about by that in the next round. */
static enum base_result
entry_rename(struct hold_scheduler *scheduler, struct hold_scheduler_job *step, size_t i,
    const char *queue_id, const char **why_r)
{
	struct store_entry *entry = &step->entries[i];
	const char *name = base_arena_strdup(scheduler->arena, queue_id);
	enum base_result result = BASE_BROKEN;

	*why_r = base_why("no memory for a queue id");
	if (name != NULL)
		result = store_entry_rename(scheduler->hold->store, entry, name, why_r);
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	audit_event(AUDIT_RENAME, step->row->id, { "was", entry->queue_id }, { "now", name });
	entry->queue_id = name;
	step->answers[i].is_asked = false;
	step->is_unsure = true;
	return BASE_OK;
}

/* Nothing is decided about what is missing: it is looked at again. */
static void
missing_wait(struct hold_scheduler_batch *round)
{
	for (size_t i = 0; i < round->count; i++)
		for (size_t j = 0; j < round->steps[i].count; j++)
			if (is_missing(&round->steps[i], j, round->looked_at)) {
				round->steps[i].answers[j].is_asked = false;
				round->steps[i].is_unsure = true;
			}
}

/* Every missing entry for which there is a file. */
static enum base_result
missing_match(struct hold_scheduler *scheduler, struct hold_scheduler_batch *round,
    const struct queue_item *files, size_t count, const char **why_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < round->count; i++) {
		struct hold_scheduler_job *step = &round->steps[i];

		for (size_t j = 0; result == BASE_OK && j < step->count; j++) {
			const char *found = NULL;

			if (is_missing(step, j, round->looked_at)) {
				found = file_find(step, files, count);
				step->answers[j].is_sought = true;
			}
			if (found != NULL)
				result = entry_rename(scheduler, step, j, found, why_r);
		}
	}
	return result;
}

/* All files on hold, unless that was asked for a moment ago, or fails. */
static enum base_result
scan(struct hold_scheduler *scheduler, struct base_arena *arena, struct queue_item **files_r,
    size_t *count_r)
{
	int64_t began = base_tick_ms();
	const char *why = "";
	enum base_result result;

	if (began < scheduler->scan_at)
		return BASE_RETRY;
	result = queue_scan(scheduler->options.queue, arena, files_r, count_r, &why);
	scheduler->scan_at = base_tick_ms() + SCAN_REST_MS + SCAN_SHARE * (base_tick_ms() - began);
	if (result == BASE_OK || result == BASE_NONE)
		scheduler->scan_failures = 0;
	else if (++scheduler->scan_failures >= SCAN_TRIES)
		return BASE_NONE;
	return result;
}

enum base_result
hold_scheduler_rename(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r)
{
	struct queue_item *files = NULL;
	struct base_arena *arena;
	enum base_result result;
	bool has_any = false;
	size_t count = 0;

	for (size_t i = 0; i < round->count; i++)
		for (size_t j = 0; j < round->steps[i].count; j++)
			has_any = has_any || is_missing(&round->steps[i], j, round->looked_at);
	if (!has_any || round->is_cut)
		return BASE_OK;
	arena = base_arena_new(SCAN_BYTES);
	result = arena != NULL ? scan(scheduler, arena, &files, &count) : BASE_BROKEN;
	if (result == BASE_OK)
		result = missing_match(scheduler, round, files, count, why_r);
	else if (result == BASE_NONE)
		result = BASE_OK;
	else {
		missing_wait(round);
		result = BASE_OK;
	}
	base_arena_free(&arena);
	return result;
}
