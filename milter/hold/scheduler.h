/*
 * NAME
 *	hold/scheduler - what the files of the scheduler share; private to them
 *
 * THREADS
 *	All of it belongs to the scheduler's thread, but for what wake_lock guards.
 */
#ifndef OOPS_HOLD_SCHEDULER_H
#define OOPS_HOLD_SCHEDULER_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

/* How the clock on the wall and the one that nobody sets stood when they were looked at. */
struct hold_scheduler_clock {
	int64_t offset;    /* milliseconds from base_boot_ms() to the time since 1970 */
	int64_t looked_at; /* by base_boot_ms(); 0: never */
};

struct hold_scheduler {
	struct hold *hold;
	struct hold_scheduler_options options;
	pthread_t thread;
	bool is_stopping; /* under hold->wake_lock */

	/* of the thread alone */
	struct base_arena *arena;
	size_t ask_capacity; /* files that one request may name */
	bool is_unreachable; /* oops-queued; said once */
	bool is_failing;     /* the store; said once */
	bool is_skipping;    /* what is set aside seems to be due */
	bool is_untidy;      /* something was wiped that is still in the files */
	int64_t scan_at;     /* by base_tick_ms(): no scan of the queue before */
	int scan_failures;
	int64_t storms_at, purge_at, tidy_at; /* by base_tick_ms() */
	struct hold_scheduler_clock clock;
	struct hold_aside aside; /* holds and storms that could not be read or written */
};

/* One hold in a round. */
struct hold_scheduler_job {
	struct store_hold *row;
	struct hold_plan plan;
	struct store_entry *entries;
	size_t count;
	struct hold_response *answers;
	int64_t looked_at; /* when its round began to ask oops-queued */
	bool is_ready;     /* all its questions were asked, with or without an answer */
	bool is_reached;   /* oops-queued could be asked */
	bool is_unsure;    /* a file was found under another name, or is still looked for */
	bool is_aside;     /* it cannot be written: it waits, the others go on */

	/* what was written, for the audit */
	bool is_written, has_moved;
	struct store_hold before, after;
	const char *lost;  /* queue ids that went away */
	enum hold_how how; /* and how; the worst of them */
};

struct hold_scheduler_batch {
	struct hold_scheduler_job *steps;
	size_t count;
	int64_t looked_at; /* when it began to ask oops-queued */
	bool is_cut;       /* oops-queued did not answer: ask no more in this round */
};

/* --- scheduler_clock.c ---------------------------------------------------------------- */

/* Milliseconds since 1970. If the clock was set meanwhile, what is not over moves with it first. */
enum base_result hold_scheduler_now(
    struct hold_scheduler *scheduler, int64_t *now_r, const char **why_r);
/* The same a moment later, whatever becomes of the clock: within one round. */
int64_t hold_scheduler_later(const struct hold_scheduler *scheduler);

/* --- scheduler_group.c ---------------------------------------------------------------- */

/* Writes what one step has to write, inside a transaction. */
typedef enum base_result hold_scheduler_write_fn(struct hold_scheduler *scheduler,
    struct hold_scheduler_job *step, int64_t now, const char **why_r);

/* All steps in one transaction; one that fails alone is set aside. OK though some were. */
enum base_result hold_scheduler_write(struct hold_scheduler *scheduler,
    struct hold_scheduler_batch *round, hold_scheduler_write_fn *write, int64_t now,
    const char **why_r);
/* Lets a hold wait because of *why_r, and says so once. Not OK: the store is broken. */
enum base_result hold_scheduler_set_aside(
    struct hold_scheduler *scheduler, struct hold_scheduler_job *step, const char **why_r);
/* The holds that are due, one by one: those that cannot be read are set aside. */
enum base_result hold_scheduler_read(struct hold_scheduler *scheduler, enum store_due which,
    size_t capacity, struct store_hold **rows_r, size_t *count_r, const char **why_r);

/* --- scheduler_rename.c --------------------------------------------------------------- */

/* Finds files that seem to be missing under another name; after the looks of a round. */
enum base_result hold_scheduler_rename(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r);

/* --- scheduler_ask.c, scheduler_commit.c --------------------------------------------------- */

/* Asks all that the steps of a round have to ask; what acts comes first. Without an answer the
 * statuses stay FAILED. */
enum base_result hold_scheduler_ask(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r);
/* Writes what came out of a round: observations first, then all rows in one transaction. */
enum base_result hold_scheduler_commit(
    struct hold_scheduler *scheduler, struct hold_scheduler_batch *round, const char **why_r);

#endif
