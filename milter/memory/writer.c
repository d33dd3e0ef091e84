/*
 * NAME
 *	memory/writer - the thread that writes what was learned
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "milter/memory/handle.h"

#define MEMORY_TAKE 4096         /* lessons taken from the queue at once */
#define MEMORY_BATCH_MS 300      /* a lesson waits no longer for company */
#define MEMORY_TROUBLE_MS 60000  /* between two reports of it */
#define MEMORY_RETRY_MS 1000     /* after a write that failed */
#define MEMORY_EXPIRE_EVERY 3600 /* seconds */

/* Remembers why a batch could not be written. */
static void
failure_note(struct memory *memory, const char *why)
{
	pthread_mutex_lock(&memory->lock);
	memory->has_failed = true;
	memory->is_failing = true;
	snprintf(memory->failure, sizeof(memory->failure), "%s", why);
	pthread_mutex_unlock(&memory->lock);
}

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

/* Learns lessons until the table is full, and writes them; how many. */
static enum base_result
part_write(struct memory *memory, const struct memory_queued *lessons, size_t count,
    size_t *done_r, const char **why_r)
{
	enum base_result result = memory_table_begin(memory->table, why_r);
	size_t done = 0;

	memory_calibration_apply(memory);
	while (result == BASE_OK && done < count && !memory_table_is_full(memory->table)) {
		result = memory_table_learn(
		    memory->table, lessons[done].data, lessons[done].length, why_r);
		if (result == BASE_REFUSE)
			result = BASE_OK;
		done++;
	}
	if (result == BASE_OK)
		result = memory_site_refresh(memory, why_r);
	if (result == BASE_OK)
		result = memory_table_write(memory->table, why_r);
	else
		memory_table_abandon(memory->table);
	if (result == BASE_OK)
		*done_r = done;
	return result;
}

/* Tells of what was dropped or could not be written, now and then. */
static void
trouble_tell(struct memory *memory)
{
	char why[sizeof(memory->failure)];
	int64_t now = base_now_ms();
	uint64_t dropped;

	pthread_mutex_lock(&memory->lock);
	if ((!memory->dropped && !memory->is_failing) ||
	    (memory->told && now - memory->told < MEMORY_TROUBLE_MS)) {
		pthread_mutex_unlock(&memory->lock);
		return;
	}
	memory->told = now;
	dropped = memory->dropped;
	memory->dropped = 0;
	snprintf(why, sizeof(why), "%s",
	    memory->is_failing ? memory->failure : "more mail came than could be written");
	memory->is_failing = false;
	pthread_mutex_unlock(&memory->lock);
	if (memory->trouble)
		memory->trouble(memory->context, dropped, why);
}

/* Is it over? */
static bool
is_closing(struct memory *memory)
{
	bool is;

	pthread_mutex_lock(&memory->lock);
	is = memory->is_closing;
	pthread_mutex_unlock(&memory->lock);
	return is;
}

/* Lessons that are given up because the program ends. */
static void
memory_drop(struct memory *memory, size_t count, const char *why)
{
	pthread_mutex_lock(&memory->lock);
	memory->dropped += count;
	memory->is_failing = true;
	memory->told = 0;
	snprintf(memory->failure, sizeof(memory->failure), "%s", why);
	pthread_mutex_unlock(&memory->lock);
}

/* Should the writer go on trying? Sleeps first, so that a broken store is not hammered. */
static bool
may_retry(struct memory *memory)
{
	if (is_closing(memory))
		return false;
	base_sleep_ms(MEMORY_RETRY_MS);
	return true;
}

/* Writes a batch in as many transactions as it takes. A lesson that never fits is given up.
 */
static void
batch_write(struct memory *memory, const struct memory_queued *lessons, size_t count)
{
	size_t done = 0, step = count;

	while (done < count) {
		size_t part = count - done < step ? count - done : step, written = 0;
		const char *why = "";
		enum base_result result =
		    part_write(memory, lessons + done, part, &written, &why);

		done += written;
		if (result == BASE_OK)
			continue;
		if (result != BASE_RETRY)
			failure_note(memory, why);
		trouble_tell(memory);
		if (result == BASE_RETRY) { /* the busy time has passed: no need to sleep */
			if (!is_closing(memory))
				continue;
			memory_drop(memory, count - done, why);
			return;
		}
		if (step > 1)
			step = step / 2;
		else if (!may_retry(memory)) {
			memory_drop(memory, count - done, why);
			return;
		}
	}
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
	if (store_record_expire(memory->writes, now, &why) == BASE_BROKEN)
		failure_note(memory, why);
}

/* Waits, with the lock held, until there is a batch to write; false: closing and empty. */
static bool
batch_wait(struct memory *memory)
{
	struct timespec until;

	while (memory->count == 0 && !memory->is_closing)
		pthread_cond_wait(&memory->wake, &memory->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += MEMORY_BATCH_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	while (memory->count > 0 && memory->count < MEMORY_BATCH && !memory->is_closing &&
	       !memory->flushers)
		if (pthread_cond_timedwait(&memory->wake, &memory->lock, &until) ==
		    ETIMEDOUT)
			break;
	return memory->count > 0;
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
		batch_write(memory, lessons, count);
		rows_expire(memory);
		trouble_tell(memory);
		for (size_t i = 0; i < count; i++)
			free(lessons[i].data);
		pthread_mutex_lock(&memory->lock);
		memory->written += count;
		pthread_cond_broadcast(&memory->done);
	}
	pthread_mutex_unlock(&memory->lock);
	return NULL;
}
