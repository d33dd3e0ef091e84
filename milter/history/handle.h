/*
 * NAME
 *	history/handle - what an open history is, for the files that work on it
 *
 * WHAT IT DOES
 *	history.c opens and closes it, recall.c reads by it, observe.c queues observations, writer.c
 *	is the thread that writes them, outage.c what it does when it cannot, import.c learns mail
 *	of the past. The records themselves, and everything pure, are in internal.h.
 *
 * THREADS
 *	Behind `lock` is what the comment says; `table` and `writes` are the writer's, or of the
 *	only caller of a memory that learns at once.
 */
#ifndef OOPS_HISTORY_HANDLE_H
#define OOPS_HISTORY_HANDLE_H

#include <pthread.h>
#include <time.h>

#include "milter/base/result.h"
#include "milter/history/internal.h"

#define HISTORY_QUEUE_MAX 16384 /* observations waiting */
#define HISTORY_BATCH 512       /* observations that need not wait for company */

/* An observation that waits. */
struct history_queued {
	void *data;
	size_t length;
};

struct history {
	struct store_options options; /* of both; the directory is a copy */
	struct store *reads;
	struct store *writes;
	bool observes_at_once;
	struct history_table *table; /* of the writer, or of the only caller */

	pthread_t writer;
	bool has_writer;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t wake;  /* the writer: something to do */
	pthread_cond_t done;  /* flushers: something was done */
	struct history_queued queue[HISTORY_QUEUE_MAX];
	size_t first, count, bytes;
	uint64_t learned;  /* observations ever queued */
	uint64_t written;  /* observations ever written, or given up */
	unsigned flushers; /* who waits for `written` */
	bool is_closing;
	uint64_t stuck; /* `written` when somebody had waited in vain */
	bool is_stuck;
	struct history_calibration calibration;
	struct history_global site; /* as last written or read */
	bool has_site;
	int64_t expired; /* when rows were last expired */

	bool is_unread;   /* a recall failed, and the writer has not looked why */
	char unread[200]; /* what it said */
	bool is_away;     /* the last try to write failed, and not for one observation */
	bool is_broken;   /* while it is away: not only locked */
	bool is_away_reported;
	int64_t away_since; /* milliseconds since 1970: for people */
	int64_t away_began; /* the same by base_tick_ms(), which nobody sets */
	uint64_t dropped;   /* observations, not yet told */
	int64_t reported;   /* when trouble was told, by base_tick_ms(); 0 never */
	char failure[200];  /* why, of what was not told yet */
	void (*outage)(void *context, const struct history_outage *outage);
	void *context;
	unsigned tries;      /* of the writer alone: since it is away */
	int64_t mended;      /* the same: when it looked why a recall failed, by base_tick_ms() */
	int64_t batch_began; /* of an import, milliseconds */
};

/* That much later, by the clock of the conditions. */
struct timespec history_time_after(int64_t milliseconds);
/* The thread that writes; its context is the memory. */
void *history_writer_run(void *context);
/* --- outage.c: the writer's, without the lock ------------------------------------- */

/* The store was written. */
void history_store_is_back(struct history *history);
/* It was not, for this reason: waits before it is tried again. False: it is time to end. */
bool history_store_is_away(struct history *history, enum base_result result, const char *why);
/* If a recall has failed: the file may be another one, or whole again. */
void history_reads_mend(struct history *history);
/* Can anything be written at all? An empty note is, and goes again. */
enum base_result history_store_try(struct store *store, const char **why_r);
/* Observations that are given up; `why` NULL: for the reason noted before. */
void history_observations_drop(struct history *history, size_t count, const char *why);
/* Tells what there is to tell, if it is time. */
void history_outage_report(struct history *history);

/* Keeps a copy of the site's record for recalls. */
enum base_result history_global_refresh(struct history *history, const char **why_r);
/* The table goes by the calibration in force. */
void history_calibration_apply(struct history *history);

#endif
