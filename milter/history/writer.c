/*
 * NAME
 *	history/writer - the thread that writes what was learned
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/history/handle.h"

#define HISTORY_TAKE 4096         /* observations taken from the queue at once */
#define HISTORY_BATCH_MS 300      /* an observation waits no longer for company */
#define HISTORY_EXPIRE_EVERY 3600 /* seconds */

/* Keeps a copy of the site's record for recalls. */
enum base_result
history_global_refresh(struct history *history, const char **why_r)
{
	struct history_global *site;
	enum base_result result = history_table_global(history->table, &site, why_r);

	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	pthread_mutex_lock(&history->lock);
	history->site = *site;
	history->has_site = true;
	pthread_mutex_unlock(&history->lock);
	return BASE_OK;
}

/* The table goes by the calibration in force. */
void
history_calibration_apply(struct history *history)
{
	double half_life;

	pthread_mutex_lock(&history->lock);
	half_life = history->calibration.half_life;
	pthread_mutex_unlock(&history->lock);
	history_table_half_life(history->table, half_life);
}

/* What became of a part of a batch. */
struct part {
	size_t written; /* observations */
	size_t failed;  /* the one that did not fit; their number: no particular one */
};

/* Learns observations until the table is full or one fails; how many. */
static enum base_result
part_learn(struct history *history, const struct history_queued *observations, size_t count,
    struct part *part, size_t *learned_r, const char **why_r)
{
	enum base_result result = BASE_OK;
	size_t i = 0;

	while (result == BASE_OK && i < count && !history_table_is_full(history->table)) {
		result = history_table_observe(
		    history->table, observations[i].data, observations[i].length, why_r);
		if (history_table_was_cut(history->table))
			part->written = i;
		if (result == BASE_OK)
			i++;
		else
			part->failed = i;
	}
	*learned_r = i;
	return result;
}

/* Writes observations as one transaction, as many as one should have. */
static enum base_result
part_write(struct history *history, const struct history_queued *observations, size_t count,
    struct part *part_r, const char **why_r)
{
	enum base_result result = history_table_begin(history->table, why_r);
	size_t learned = 0;

	*part_r = (struct part){ .failed = count };
	history_calibration_apply(history);
	if (result == BASE_OK)
		result = part_learn(history, observations, count, part_r, &learned, why_r);
	if (result == BASE_OK)
		result = history_global_refresh(history, why_r);
	if (result == BASE_OK)
		result = history_table_write(history->table, why_r);
	else
		history_table_abandon(history->table);
	if (result == BASE_OK)
		part_r->written = learned;
	return result;
}

/* So many observations are over: who waits for them may go on. */
static void
observations_end(struct history *history, size_t count)
{
	pthread_mutex_lock(&history->lock);
	history->written += count;
	pthread_cond_broadcast(&history->done);
	pthread_mutex_unlock(&history->lock);
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
 * store cannot be written, and it is time to end. *done_r observations are over.
 */
static bool
batch_write(struct history *history, const struct history_queued *observations, size_t count,
    size_t *done_r)
{
	size_t done = 0, step = count;
	bool may_go_on = true;

	while (done < count && may_go_on) {
		size_t size = count - done < step ? count - done : step;
		const char *why = "", *away = "";
		struct part part;
		enum base_result result =
		    part_write(history, observations + done, size, &part, &why);

		done += part.written;
		observations_end(history, part.written);
		step = count;
		if (result == BASE_OK) {
			history_store_is_back(history);
			continue;
		}
		if (result != BASE_RETRY && !store_is_short(history->writes))
			result = history_store_try(history->writes, &away);
		if (result != BASE_OK) {
			may_go_on = history_store_is_away(history, result, *away ? away : why);
			continue;
		}
		step = part_smaller(&part, size);
		if (step > 0)
			continue;
		history_observations_drop(history, 1, why);
		observations_end(history, 1);
		done++;
		step = count;
	}
	*done_r = done;
	return may_go_on;
}

/* Once in a while rows that nobody needs any more go. */
static void
rows_expire(struct history *history)
{
	int64_t now = base_now();
	const char *why = "";

	if (now - history->expired < HISTORY_EXPIRE_EVERY)
		return;
	history->expired = now;
	/* what keeps them there is told when the next observation meets it */
	(void)store_record_expire(history->writes, now, &why);
}

/* Waits, with the lock held, until there is a batch to write; false: closing and empty. */
static bool
batch_wait(struct history *history)
{
	struct timespec until;

	while (history->count == 0 && !history->is_closing && !history->is_unread)
		pthread_cond_wait(&history->wake, &history->lock);
	until = history_time_after(HISTORY_BATCH_MS);
	while (history->count > 0 && history->count < HISTORY_BATCH && !history->is_closing &&
	       !history->flushers && !history->is_unread)
		if (pthread_cond_timedwait(&history->wake, &history->lock, &until) == ETIMEDOUT)
			break;
	return history->count > 0 || !history->is_closing;
}

/* Takes up to a batch from the queue, with the lock held. */
static size_t
batch_take(struct history *history, struct history_queued *observations)
{
	size_t count = history->count < HISTORY_TAKE ? history->count : HISTORY_TAKE;

	for (size_t i = 0; i < count; i++) {
		observations[i] = history->queue[history->first];
		history->bytes -= observations[i].length;
		history->first = (history->first + 1) % HISTORY_QUEUE_MAX;
	}
	history->count -= count;
	return count;
}

/* Gives up all that waits: the program ends, and the store cannot be written. */
static void
queue_drop(struct history *history)
{
	pthread_mutex_lock(&history->lock);
	while (history->count > 0) {
		free(history->queue[history->first].data);
		history->first = (history->first + 1) % HISTORY_QUEUE_MAX;
		history->count--;
		history->dropped++;
	}
	history->written = history->learned;
	history->bytes = 0;
	pthread_cond_broadcast(&history->done);
	pthread_mutex_unlock(&history->lock);
}

/* One batch, and what there is to do beside it. */
static void
batch_run(struct history *history, struct history_queued *observations, size_t count)
{
	size_t done = 0;

	history_reads_mend(history);
	if (batch_write(history, observations, count, &done)) {
		rows_expire(history);
	} else {
		history_observations_drop(history, count - done, NULL);
		queue_drop(history);
	}
	history_outage_report(history);
	for (size_t i = 0; i < count; i++)
		free(observations[i].data);
}

/* The thread that writes. */
void *
history_writer_run(void *context)
{
	struct history *history = context;
	struct history_queued observations[HISTORY_TAKE];

	pthread_mutex_lock(&history->lock);
	while (batch_wait(history)) {
		size_t count = batch_take(history, observations);

		pthread_mutex_unlock(&history->lock);
		batch_run(history, observations, count);
		pthread_mutex_lock(&history->lock);
	}
	pthread_mutex_unlock(&history->lock);
	history_outage_report(history); /* what was dropped since it was told last */
	return NULL;
}
