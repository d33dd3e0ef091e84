/*
 * NAME
 *	memory/handle - what an open history is, for the files that work on it
 *
 * WHAT IT DOES
 *	memory.c opens and closes it, recall.c reads by it, learn.c queues lessons, writer.c is
 *	the thread that writes them, import.c learns mail of the past. The records themselves,
 *	and everything pure, are in internal.h.
 *
 * THREADS
 *	Behind `lock` is what the comment says; `table` and `writes` are the writer's, or of the
 *	only caller of a memory that learns at once.
 */
#ifndef OOPS_MEMORY_HANDLE_H
#define OOPS_MEMORY_HANDLE_H

#include <pthread.h>

#include "milter/memory/internal.h"

#define MEMORY_QUEUE_MAX 16384 /* lessons waiting */
#define MEMORY_BATCH 512       /* lessons that need not wait for company */

/* A lesson that waits. */
struct memory_queued {
	void *data;
	size_t length;
};

struct memory {
	struct store *reads;
	struct store *writes;
	bool learns_at_once;
	struct memory_table *table; /* of the writer, or of the only caller */

	pthread_t writer;
	bool has_writer;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t wake;  /* the writer: something to do */
	pthread_cond_t done;  /* flushers: something was done */
	struct memory_queued queue[MEMORY_QUEUE_MAX];
	size_t first, count, bytes;
	uint64_t learned;  /* lessons ever queued */
	uint64_t written;  /* lessons ever written, or given up */
	unsigned flushers; /* who waits for `written` */
	bool is_closing;
	bool has_failed; /* not yet told */
	char failure[200];
	struct memory_calibration calibration;
	struct memory_site site; /* as last written or read */
	bool has_site;
	int64_t expired; /* when rows were last expired */

	uint64_t dropped; /* lessons, not yet told */
	int64_t told;     /* when trouble was told, milliseconds; 0 never */
	bool is_failing;  /* the last batch could not be written, not yet told */
	void (*trouble)(void *context, uint64_t dropped, const char *why);
	void *context;
	int64_t batch_began; /* of an import, milliseconds */
};

/* The thread that writes; its context is the memory. */
void *memory_writer_run(void *context);
/* Keeps a copy of the site's record for recalls. */
enum base_result memory_site_refresh(struct memory *memory, const char **why_r);
/* The table goes by the calibration in force. */
void memory_calibration_apply(struct memory *memory);

#endif
