/*
 * NAME
 *	memory - opens the history and closes it
 */
#include <stdlib.h>
#include <string.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/memory/handle.h"

#define MEMORY_TOOL_BYTES (UINT64_C(2) << 30) /* of a memory that has no store */

/* The store's two handles: recalls do not wait for a transaction of the writer. */
static enum base_result
stores_open(struct memory *memory, const struct memory_options *options, const char **why_r)
{
	enum base_result result;

	if (!options->driver)
		return BASE_OK;
	memory->options.driver = strdup(options->driver);
	memory->options.directory = strdup(options->directory);
	memory->options.create = options->create;
	if (!memory->options.driver || !memory->options.directory) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	result = store_open(&memory->options, STORE_MEMORY, &memory->writes, why_r);
	if (result == BASE_OK && !options->learn_at_once)
		result = store_open(&memory->options, STORE_MEMORY, &memory->reads, why_r);
	return result;
}

/* Locks and conditions; timed waits follow the clock that nobody sets. */
static void
locks_init(struct memory *memory)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&memory->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&memory->wake, &attributes);
	pthread_cond_init(&memory->done, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* The table, what is known of the site, and the writer unless it learns at once. */
static enum base_result
memory_begin(struct memory *memory, const char **why_r)
{
	enum base_result result;

	memory->table = memory_table_new(
	    memory->writes, memory->writes ? MEMORY_TABLE_BYTES : (size_t)MEMORY_TOOL_BYTES);
	if (!memory->table) {
		*why_r = base_why("no memory for the table of records");
		return BASE_BROKEN;
	}
	if (memory->learns_at_once)
		return BASE_OK;
	result = memory_site_refresh(memory, why_r);
	if (result != BASE_OK)
		return result;
	if (pthread_create(&memory->writer, NULL, memory_writer_run, memory) != 0) {
		*why_r = base_why("cannot start the thread that learns");
		return BASE_BROKEN;
	}
	memory->has_writer = true;
	return BASE_OK;
}

/* Opens the history. */
enum base_result
memory_open(const struct memory_options *options, struct memory **memory_r, const char **why_r)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	enum base_result result;

	if (!memory) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	memory->calibration = MEMORY_CALIBRATION;
	memory->learns_at_once = options->learn_at_once || !options->driver;
	memory->expired = base_now();
	memory->trouble = options->trouble;
	memory->context = options->context;
	locks_init(memory);
	result = stores_open(memory, options, why_r);
	if (result == BASE_OK)
		result = memory_begin(memory, why_r);
	if (result != BASE_OK) {
		memory_close(&memory);
		return result;
	}
	*memory_r = memory;
	return BASE_OK;
}

/* Writes what is queued, then ends. */
void
memory_close(struct memory **memory)
{
	struct memory *old = *memory;
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
		(void)memory_table_write(old->table, &why); /* nobody is left to tell */
	}
	memory_table_free(&old->table);
	store_close(&old->reads);
	store_close(&old->writes);
	free((char *)old->options.driver);
	free((char *)old->options.directory);
	pthread_cond_destroy(&old->wake);
	pthread_cond_destroy(&old->done);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*memory = NULL;
}

void
memory_calibrate(struct memory *memory, const struct memory_calibration *calibration)
{
	pthread_mutex_lock(&memory->lock);
	memory->calibration = *calibration;
	pthread_mutex_unlock(&memory->lock);
}
