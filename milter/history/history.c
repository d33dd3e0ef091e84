/*
 * NAME
 *	history - opens the history and closes it
 */
#include <stdlib.h>
#include <string.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/history/handle.h"

#define HISTORY_TOOL_BYTES (UINT64_C(2) << 30) /* of a memory that has no store */

/* The store's two handles: recalls do not wait for a transaction of the writer. */
static enum base_result
stores_open(struct history *history, const struct history_options *options, const char **why_r)
{
	enum base_result result;

	if (!options->driver)
		return BASE_OK;
	history->options.driver = strdup(options->driver);
	history->options.directory = strdup(options->directory);
	history->options.create = options->create;
	if (!history->options.driver || !history->options.directory) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	result = store_open(&history->options, STORE_MEMORY, &history->writes, why_r);
	if (result == BASE_OK && !options->observe_at_once)
		result = store_open(&history->options, STORE_MEMORY, &history->reads, why_r);
	return result;
}

/* Locks and conditions; timed waits follow the clock that nobody sets. */
static void
locks_init(struct history *history)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&history->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&history->wake, &attributes);
	pthread_cond_init(&history->done, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* The table, what is known of the site, and the writer unless it learns at once. */
static enum base_result
history_begin(struct history *history, const char **why_r)
{
	enum base_result result;

	history->table = history_table_new(
	    history->writes, history->writes ? HISTORY_TABLE_BYTES : (size_t)HISTORY_TOOL_BYTES);
	if (!history->table) {
		*why_r = base_why("no memory for the table of records");
		return BASE_BROKEN;
	}
	if (history->observes_at_once)
		return BASE_OK;
	result = history_global_refresh(history, why_r);
	if (result != BASE_OK)
		return result;
	if (pthread_create(&history->writer, NULL, history_writer_run, history) != 0) {
		*why_r = base_why("cannot start the thread that learns");
		return BASE_BROKEN;
	}
	history->has_writer = true;
	return BASE_OK;
}

/* Opens the history. */
enum base_result
history_open(const struct history_options *options, struct history **history_r, const char **why_r)
{
	struct history *history = calloc(1, sizeof(*history));
	enum base_result result;

	if (!history) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	history->calibration = HISTORY_CALIBRATION;
	history->observes_at_once = options->observe_at_once || !options->driver;
	history->expired = base_now();
	history->outage = options->outage;
	history->context = options->context;
	locks_init(history);
	result = stores_open(history, options, why_r);
	if (result == BASE_OK)
		result = history_begin(history, why_r);
	if (result != BASE_OK) {
		history_close(&history);
		return result;
	}
	*history_r = history;
	return BASE_OK;
}

/* Writes what is queued, then ends. */
void
history_close(struct history **history)
{
	struct history *old = *history;
	const char *why = "";

	if (!old)
		return;
	if (old->has_writer) {
		pthread_mutex_lock(&old->lock);
		old->is_closing = true;
		pthread_cond_broadcast(&old->wake);
		pthread_mutex_unlock(&old->lock);
		pthread_join(old->writer, NULL);
	} else if (old->table) {
		(void)history_table_write(old->table, &why); /* nobody is left to tell */
	}
	history_table_free(&old->table);
	store_close(&old->reads);
	store_close(&old->writes);
	free((char *)old->options.driver);
	free((char *)old->options.directory);
	pthread_cond_destroy(&old->wake);
	pthread_cond_destroy(&old->done);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*history = NULL;
}

void
history_calibrate(struct history *history, const struct history_calibration *calibration)
{
	pthread_mutex_lock(&history->lock);
	history->calibration = *calibration;
	pthread_mutex_unlock(&history->lock);
}
