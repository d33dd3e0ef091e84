/*
 * NAME
 *	memory/writer - the thread that writes what was learned
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/memory/handle.h"

#define MEMORY_TAKE 4096         /* lessons taken from the queue at once */
#define MEMORY_BATCH_MS 300      /* a lesson waits no longer for company */
#define MEMORY_EXPIRE_EVERY 3600 /* seconds */

/* Keeps a copy of the site's record for recalls. */
enum base_result
memory_site_refresh(struct memory *memory, const char **why_r)
{
	struct memory_site *site;
	enum base_result result = memory_table_site(memory->table, &site, why_r);

	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	pthread_mutex_lock(&memory->lock);
	memory->site = *site;
	memory->has_site = true;
	pthread_mutex_unlock(&memory->lock);
	return BASE_OK;
}

/* The table goes by the calibration in force. */
void
memory_calibration_apply(struct memory *memory)
{
	double half_life;

	pthread_mutex_lock(&memory->lock);
	half_life = memory->calibration.half_life;
	pthread_mutex_unlock(&memory->lock);
	memory_table_half_life(memory->table, half_life);
}

/* What became of a part of a batch. */
struct part {
	size_t written; /* lessons */
	size_t failed;  /* the one that did not fit; their number: no particular one */
};

/* Learns lessons until the table is full or one fails; how many. */
static enum base_result
part_learn(struct memory *memory, const struct memory_queued *lessons, size_t count,
    struct part *part, size_t *learned_r, const char **why_r)
{
	enum base_result result = BASE_OK;
	size_t i = 0;

	while (result == BASE_OK && i < count && !memory_table_is_full(memory->table)) {
		result =
		    memory_table_learn(memory->table, lessons[i].data, lessons[i].length, why_r);
		if (memory_table_was_cut(memory->table))
			part->written = i;
		if (result == BASE_OK)
			i++;
		else
			part->failed = i;
	}
	*learned_r = i;
	return result;
}

/* Writes lessons as one transaction, as many as one should have. */
static enum base_result
part_write(struct memory *memory, const struct memory_queued *lessons, size_t count,
    struct part *part_r, const char **why_r)
{
	enum base_result result = memory_table_begin(memory->table, why_r);
	size_t learned = 0;

	*part_r = (struct part){ .failed = count };
	memory_calibration_apply(memory);
	if (result == BASE_OK)
		result = part_learn(memory, lessons, count, part_r, &learned, why_r);
	if (result == BASE_OK)
		result = memory_site_refresh(memory, why_r);
	if (result == BASE_OK)
		result = memory_table_write(memory->table, why_r);
	else
		memory_table_abandon(memory->table);
	if (result == BASE_OK)
		part_r->written = learned;
	return result;
}

/* So many lessons are over: who waits for them may go on. */
static void
lessons_end(struct memory *memory, size_t count)
{
	pthread_mutex_lock(&memory->lock);
	memory->written += count;
	pthread_cond_broadcast(&memory->done);
	pthread_mutex_unlock(&memory->lock);
}

/* How many to try next, after a part failed though the store can be written. 0: the first one
 * fails alone. */
static size_t
part_smaller(const struct part *part, size_t count)
{
	if (part->failed < count)
		return part->failed - part->written;
	return (count - part->written) / 2;
}

/*
 * Writes a batch in as many transactions as it takes. What fails alone is dropped; false: the
 * store cannot be written, and it is time to end. *done_r lessons are over.
 */
static bool
batch_write(
    struct memory *memory, const struct memory_queued *lessons, size_t count, size_t *done_r)
{
	size_t done = 0, step = count;
	bool may_go_on = true;

	while (done < count && may_go_on) {
		size_t size = count - done < step ? count - done : step;
		const char *why = "", *away = "";
		struct part part;
		enum base_result result = part_write(memory, lessons + done, size, &part, &why);

		done += part.written;
		lessons_end(memory, part.written);
		step = count;
		if (result == BASE_OK) {
			memory_store_is_back(memory);
			continue;
		}
		if (result != BASE_RETRY && !store_is_short(memory->writes))
			result = memory_store_try(memory->writes, &away);
		if (result != BASE_OK) {
			may_go_on = memory_store_is_away(memory, result, *away ? away : why);
			continue;
		}
		step = part_smaller(&part, size);
		if (step > 0)
			continue;
		memory_lessons_drop(memory, 1, why);
		lessons_end(memory, 1);
		done++;
		step = count;
	}
	*done_r = done;
	return may_go_on;
}

/* Once in a while rows that nobody needs any more go. */
static void
rows_expire(struct memory *memory)
{
	int64_t now = base_now();
	const char *why = "";

	if (now - memory->expired < MEMORY_EXPIRE_EVERY)
		return;
	memory->expired = now;
	/* what keeps them there is told when the next lesson meets it */
	(void)store_record_expire(memory->writes, now, &why);
}

/* Waits, with the lock held, until there is a batch to write; false: closing and empty. */
static bool
batch_wait(struct memory *memory)
{
	struct timespec until;

	while (memory->count == 0 && !memory->is_closing && !memory->is_unread)
		pthread_cond_wait(&memory->wake, &memory->lock);
	until = memory_time_after(MEMORY_BATCH_MS);
	while (memory->count > 0 && memory->count < MEMORY_BATCH && !memory->is_closing &&
	       !memory->flushers && !memory->is_unread)
		if (pthread_cond_timedwait(&memory->wake, &memory->lock, &until) == ETIMEDOUT)
			break;
	return memory->count > 0 || !memory->is_closing;
}

/* Takes up to a batch from the queue, with the lock held. */
static size_t
batch_take(struct memory *memory, struct memory_queued *lessons)
{
	size_t count = memory->count < MEMORY_TAKE ? memory->count : MEMORY_TAKE;

	for (size_t i = 0; i < count; i++) {
		lessons[i] = memory->queue[memory->first];
		memory->bytes -= lessons[i].length;
		memory->first = (memory->first + 1) % MEMORY_QUEUE_MAX;
	}
	memory->count -= count;
	return count;
}

/* Gives up all that waits: the program ends, and the store cannot be written. */
static void
queue_drop(struct memory *memory)
{
	pthread_mutex_lock(&memory->lock);
	while (memory->count > 0) {
		free(memory->queue[memory->first].data);
		memory->first = (memory->first + 1) % MEMORY_QUEUE_MAX;
		memory->count--;
		memory->dropped++;
	}
	memory->written = memory->learned;
	memory->bytes = 0;
	pthread_cond_broadcast(&memory->done);
	pthread_mutex_unlock(&memory->lock);
}

/* One batch, and what there is to do beside it. */
static void
batch_run(struct memory *memory, struct memory_queued *lessons, size_t count)
{
	size_t done = 0;

	memory_reads_mend(memory);
	if (batch_write(memory, lessons, count, &done)) {
		rows_expire(memory);
	} else {
		memory_lessons_drop(memory, count - done, NULL);
		queue_drop(memory);
	}
	memory_trouble_tell(memory);
	for (size_t i = 0; i < count; i++)
		free(lessons[i].data);
}

/* The thread that writes. */
void *
memory_writer_run(void *context)
{
	struct memory *memory = context;
	struct memory_queued lessons[MEMORY_TAKE];

	pthread_mutex_lock(&memory->lock);
	while (batch_wait(memory)) {
		size_t count = batch_take(memory, lessons);

		pthread_mutex_unlock(&memory->lock);
		batch_run(memory, lessons, count);
		pthread_mutex_lock(&memory->lock);
	}
	pthread_mutex_unlock(&memory->lock);
	memory_trouble_tell(memory); /* what was dropped since it was told last */
	return NULL;
}
