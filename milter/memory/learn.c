/*
 * NAME
 *	memory/learn - lessons, queued behind the answer or learned at once
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/memory/handle.h"

#define MEMORY_QUEUE_BYTES (16u << 20) /* of all of them */
#define MEMORY_PATIENCE_MS 10000       /* without any progress */

/* What every lesson of one send is made from. */
struct lesson_source {
	const char *actor;
	const struct mail_transaction *transaction;
	size_t people;
	double score;
	bool is_held;
};

/* One lesson under each valid key, joined. */
static enum base_result
lessons_make(const struct base_key *key, struct base_arena *arena,
    const struct lesson_source *source, const void **lesson_r, size_t *length_r, const char **why_r)
{
	const struct base_key *valid[BASE_KEY_MAX];
	struct store_blob parts[BASE_KEY_MAX] = { 0 };
	size_t count = base_key_valid(key, base_now(), valid);
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < count && result == BASE_OK; i++) {
		struct memory_lesson lesson;

		result = memory_lesson_make(arena, valid[i], source->actor, source->transaction,
		    source->people, source->score, &lesson, why_r);
		lesson.is_confirmed = source->is_held;
		if (result == BASE_OK)
			result =
			    memory_lesson_encode(arena, &lesson, &parts[i].data, &parts[i].length);
	}
	if (result == BASE_OK)
		result = memory_lessons_join(arena, parts, count, lesson_r, length_r);
	if (result == BASE_BROKEN)
		*why_r = base_why("no memory for a lesson");
	return result;
}

/* What would be learned if this send really leaves. */
enum base_result
memory_lesson(const struct base_key *key, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score, const void **lesson_r,
    size_t *length_r, const char **why_r)
{
	const struct lesson_source source = {
		.actor = actor, .transaction = transaction, .people = people, .score = score
	};

	return lessons_make(key, arena, &source, lesson_r, length_r, why_r);
}

/* The same for a send that waits for its sender's word. */
enum base_result
memory_lesson_held(const struct base_key *key, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score, const void **lesson_r,
    size_t *length_r, const char **why_r)
{
	const struct lesson_source source = { .actor = actor,
		.transaction = transaction,
		.people = people,
		.score = score,
		.is_held = true };

	return lessons_make(key, arena, &source, lesson_r, length_r, why_r);
}

/* Learns in the calling thread; what is known stays in the table until there is much of it.
 */
static enum base_result
learn_at_once(struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	enum base_result result = BASE_OK;

	if (memory_table_is_full(memory->table))
		result = memory_table_write(memory->table, why_r);
	if (result == BASE_OK)
		result = memory_table_begin(memory->table, why_r);
	if (result == BASE_OK)
		memory_calibration_apply(memory);
	if (result == BASE_OK)
		result = memory_table_learn(memory->table, lesson, length, why_r);
	return result;
}

/* Puts a copy into the queue, with the lock held. */
static enum base_result
queue_add(struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	struct memory_queued *place =
	    &memory->queue[(memory->first + memory->count) % MEMORY_QUEUE_MAX];

	if (memory->count == MEMORY_QUEUE_MAX || memory->bytes + length > MEMORY_QUEUE_BYTES) {
		*why_r = base_why("%zu lessons are waiting to be written", memory->count);
		memory->dropped++;
		return BASE_RETRY;
	}
	place->data = malloc(length);
	if (!place->data) {
		*why_r = base_why("no memory for a lesson");
		memory->dropped++;
		return BASE_RETRY;
	}
	memory->bytes += length;
	memcpy(place->data, lesson, length);
	place->length = length;
	memory->count++;
	memory->learned++;
	if (memory->count == 1 || memory->count >= MEMORY_BATCH)
		pthread_cond_signal(&memory->wake);
	return BASE_OK;
}

/*
 * Puts a copy in the place of a lesson that waits, with the lock held; false: none does. Only
 * the newest are looked at: what is older waits no longer, or a lot of others came since.
 */
static bool
queue_replace(struct memory *memory, const void *lesson, size_t length)
{
	size_t looked = memory->count < MEMORY_BATCH ? memory->count : MEMORY_BATCH;

	for (size_t i = 1; i <= looked; i++) {
		struct memory_queued *place =
		    &memory->queue[(memory->first + memory->count - i) % MEMORY_QUEUE_MAX];
		void *copy;

		if (!memory_lesson_is_of_same(place->data, place->length, lesson, length))
			continue;
		copy = malloc(length);
		if (!copy)
			return false;
		memcpy(copy, lesson, length);
		free(place->data);
		memory->bytes += length - place->length;
		*place = (struct memory_queued){ .data = copy, .length = length };
		return true;
	}
	return false;
}

/* Learns a lesson. */
enum base_result
memory_learn(struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	enum base_result result;

	if (length == 0) {
		*why_r = base_why("an empty lesson");
		return BASE_REFUSE;
	}
	if (memory->learns_at_once)
		return learn_at_once(memory, lesson, length, why_r);
	pthread_mutex_lock(&memory->lock);
	result = queue_add(memory, lesson, length, why_r);
	pthread_mutex_unlock(&memory->lock);
	return result;
}

/* Learns more of what was taught a moment ago. */
enum base_result
memory_learn_instead(struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	bool is_done;

	if (memory->learns_at_once)
		return memory_learn(memory, lesson, length, why_r);
	pthread_mutex_lock(&memory->lock);
	is_done = queue_replace(memory, lesson, length);
	pthread_mutex_unlock(&memory->lock);
	return is_done ? BASE_OK : memory_learn(memory, lesson, length, why_r);
}

struct timespec
memory_time_after(int64_t milliseconds)
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
written_wait(struct memory *memory, uint64_t goal, int64_t milliseconds, bool is_patient)
{
	struct timespec until = memory_time_after(milliseconds);

	memory->flushers++;
	pthread_cond_signal(&memory->wake);
	while (memory->written < goal && (is_patient || !memory->is_away))
		if (pthread_cond_timedwait(&memory->done, &memory->lock, &until) == ETIMEDOUT)
			break;
	memory->flushers--;
	return memory->written >= goal;
}

/* Why it is not written yet, with the lock held. */
static enum base_result
behind_tell(const struct memory *memory, const char **why_r)
{
	*why_r =
	    base_why("%s", memory->is_away ? memory->failure : "the history is written too slowly");
	return BASE_RETRY;
}

/* Waits until everything queued before is written, as long as anything is. */
enum base_result
memory_flush(struct memory *memory, const char **why_r)
{
	enum base_result result = BASE_OK;
	uint64_t goal, before;
	bool is_done = false;

	if (memory->learns_at_once)
		return memory_table_write(memory->table, why_r);
	pthread_mutex_lock(&memory->lock);
	goal = memory->learned;
	do {
		before = memory->written;
		is_done = written_wait(memory, goal, MEMORY_PATIENCE_MS, true);
	} while (!is_done && memory->written != before);
	if (!is_done)
		result = behind_tell(memory, why_r);
	pthread_mutex_unlock(&memory->lock);
	return result;
}

/* The same for whoever must not be kept; nobody else waits in vain for the same again. */
enum base_result
memory_flush_within(struct memory *memory, int64_t milliseconds, const char **why_r)
{
	enum base_result result = BASE_OK;

	if (memory->learns_at_once)
		return memory_table_write(memory->table, why_r);
	pthread_mutex_lock(&memory->lock);
	if (memory->is_stuck && memory->stuck == memory->written)
		milliseconds = 0;
	memory->is_stuck = !written_wait(memory, memory->learned, milliseconds, false);
	memory->stuck = memory->written;
	if (memory->is_stuck)
		result = behind_tell(memory, why_r);
	pthread_mutex_unlock(&memory->lock);
	return result;
}
