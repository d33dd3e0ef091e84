/*
 * NAME
 *	history/observe - observations, queued behind the answer or learned at once
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/history/handle.h"

#define HISTORY_QUEUE_BYTES (16u << 20) /* of all of them */
#define HISTORY_PATIENCE_MS 10000       /* without any progress */

/* What every observation of one send is made from. */
struct observation_source {
	const char *actor;
	const struct mail_transaction *transaction;
	size_t people;
	double score;
	bool is_held;
};

/* One observation under each valid key, joined. */
static enum base_result
observations_make(const struct base_key *key, struct base_arena *arena,
    const struct observation_source *source, const void **observation_r, size_t *length_r,
    const char **why_r)
{
	const struct base_key *valid[BASE_KEY_MAX];
	struct store_blob parts[BASE_KEY_MAX] = { 0 };
	size_t count = base_key_valid(key, base_now(), valid);
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < count && result == BASE_OK; i++) {
		struct history_observation observation;

		result = history_observation_make(arena, valid[i], source->actor,
		    source->transaction, source->people, source->score, &observation, why_r);
		observation.is_confirmed = source->is_held;
		if (result == BASE_OK)
			result = history_observation_encode(
			    arena, &observation, &parts[i].data, &parts[i].length);
	}
	if (result == BASE_OK)
		result = history_observations_join(arena, parts, count, observation_r, length_r);
	if (result == BASE_BROKEN)
		*why_r = base_why("no memory for a lesson");
	return result;
}

/* What would be learned if this send really leaves. */
enum base_result
history_observation(const struct base_key *key, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score,
    const void **observation_r, size_t *length_r, const char **why_r)
{
	const struct observation_source source = {
		.actor = actor, .transaction = transaction, .people = people, .score = score
	};

	return observations_make(key, arena, &source, observation_r, length_r, why_r);
}

/* The same for a send that waits for its sender's word. */
enum base_result
history_observation_held(const struct base_key *key, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score,
    const void **observation_r, size_t *length_r, const char **why_r)
{
	const struct observation_source source = { .actor = actor,
		.transaction = transaction,
		.people = people,
		.score = score,
		.is_held = true };

	return observations_make(key, arena, &source, observation_r, length_r, why_r);
}

/* Learns in the calling thread; what is known stays in the table until there is much of it.
 */
static enum base_result
observe_at_once(struct history *history, const void *observation, size_t length, const char **why_r)
{
	enum base_result result = BASE_OK;

	if (history_table_is_full(history->table))
		result = history_table_write(history->table, why_r);
	if (result == BASE_OK)
		result = history_table_begin(history->table, why_r);
	if (result == BASE_OK)
		history_calibration_apply(history);
	if (result == BASE_OK)
		result = history_table_observe(history->table, observation, length, why_r);
	return result;
}

/* Puts a copy into the queue, with the lock held. */
static enum base_result
queue_add(struct history *history, const void *observation, size_t length, const char **why_r)
{
	struct history_queued *place =
	    &history->queue[(history->first + history->count) % HISTORY_QUEUE_MAX];

	if (history->count == HISTORY_QUEUE_MAX || history->bytes + length > HISTORY_QUEUE_BYTES) {
		*why_r = base_why("%zu lessons are waiting to be written", history->count);
		history->dropped++;
		return BASE_RETRY;
	}
	place->data = malloc(length);
	if (!place->data) {
		*why_r = base_why("no memory for a lesson");
		history->dropped++;
		return BASE_RETRY;
	}
	history->bytes += length;
	memcpy(place->data, observation, length);
	place->length = length;
	history->count++;
	history->learned++;
	if (history->count == 1 || history->count >= HISTORY_BATCH)
		pthread_cond_signal(&history->wake);
	return BASE_OK;
}

/*
 * Puts a copy in the place of an observation that waits, with the lock held; false: none does. Only
 * the newest are looked at: what is older waits no longer, or a lot of others came since.
 */
static bool
queue_replace(struct history *history, const void *observation, size_t length)
{
	size_t looked = history->count < HISTORY_BATCH ? history->count : HISTORY_BATCH;

	for (size_t i = 1; i <= looked; i++) {
		struct history_queued *place =
		    &history->queue[(history->first + history->count - i) % HISTORY_QUEUE_MAX];
		void *copy;

		if (!history_observation_is_of_same(
			place->data, place->length, observation, length))
			continue;
		copy = malloc(length);
		if (!copy)
			return false;
		memcpy(copy, observation, length);
		free(place->data);
		history->bytes += length - place->length;
		*place = (struct history_queued){ .data = copy, .length = length };
		return true;
	}
	return false;
}

/* Learns an observation. */
enum base_result
history_observe(struct history *history, const void *observation, size_t length, const char **why_r)
{
	enum base_result result;

	if (length == 0) {
		*why_r = base_why("an empty lesson");
		return BASE_REFUSE;
	}
	if (history->observes_at_once)
		return observe_at_once(history, observation, length, why_r);
	pthread_mutex_lock(&history->lock);
	result = queue_add(history, observation, length, why_r);
	pthread_mutex_unlock(&history->lock);
	return result;
}

/* Learns more of what was taught a moment ago. */
enum base_result
history_observe_instead(
    struct history *history, const void *observation, size_t length, const char **why_r)
{
	bool is_done;

	if (history->observes_at_once)
		return history_observe(history, observation, length, why_r);
	pthread_mutex_lock(&history->lock);
	is_done = queue_replace(history, observation, length);
	pthread_mutex_unlock(&history->lock);
	return is_done ? BASE_OK : history_observe(history, observation, length, why_r);
}

struct timespec
history_time_after(int64_t milliseconds)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += milliseconds / 1000;
	until.tv_nsec += (milliseconds % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	return until;
}

/* Waits, with the lock held, until so many are written; false: not within the time. */
static bool
written_wait(struct history *history, uint64_t goal, int64_t milliseconds, bool is_patient)
{
	struct timespec until = history_time_after(milliseconds);

	history->flushers++;
	pthread_cond_signal(&history->wake);
	while (history->written < goal && (is_patient || !history->is_away))
		if (pthread_cond_timedwait(&history->done, &history->lock, &until) == ETIMEDOUT)
			break;
	history->flushers--;
	return history->written >= goal;
}

/* Why it is not written yet, with the lock held. */
static enum base_result
behind_report(const struct history *history, const char **why_r)
{
	*why_r = base_why(
	    "%s", history->is_away ? history->failure : "the history is written too slowly");
	return BASE_RETRY;
}

/* Waits until everything queued before is written, as long as anything is. */
enum base_result
history_flush(struct history *history, const char **why_r)
{
	enum base_result result = BASE_OK;
	uint64_t goal, before;
	bool is_done = false;

	if (history->observes_at_once)
		return history_table_write(history->table, why_r);
	pthread_mutex_lock(&history->lock);
	goal = history->learned;
	do {
		before = history->written;
		is_done = written_wait(history, goal, HISTORY_PATIENCE_MS, true);
	} while (!is_done && history->written != before);
	if (!is_done)
		result = behind_report(history, why_r);
	pthread_mutex_unlock(&history->lock);
	return result;
}

/* The same for whoever must not be kept; nobody else waits in vain for the same again. */
enum base_result
history_flush_within(struct history *history, int64_t milliseconds, const char **why_r)
{
	enum base_result result = BASE_OK;

	if (history->observes_at_once)
		return history_table_write(history->table, why_r);
	pthread_mutex_lock(&history->lock);
	if (history->is_stuck && history->stuck == history->written)
		milliseconds = 0;
	history->is_stuck = !written_wait(history, history->learned, milliseconds, false);
	history->stuck = history->written;
	if (history->is_stuck)
		result = behind_report(history, why_r);
	pthread_mutex_unlock(&history->lock);
	return result;
}
