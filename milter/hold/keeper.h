/*
 * NAME
 *	hold/keeper - what the files of the keeper share; private to them
 *
 * THREADS
 *	All of it belongs to the keeper's thread, but for what wake_lock guards.
 */
#ifndef OOPS_HOLD_KEEPER_H
#define OOPS_HOLD_KEEPER_H

#include "milter/hold/internal.h"

struct hold_keeper {
	struct hold *hold;
	struct hold_keeper_options options;
	pthread_t thread;
	bool is_stopping; /* under hold->wake_lock */

	/* of the thread alone */
	struct base_arena *arena;
	bool is_unreachable; /* oops-queued; said once */
	bool is_failing;     /* the store; said once */
	bool is_untidy;      /* something was wiped that is still in the files */
	int64_t purge_at, tidy_at;
};

/* One hold in a round. */
struct hold_keeper_step {
	struct store_hold *row;
	struct hold_plan plan;
	struct store_part *parts;
	size_t count;
	struct hold_answer *answers;
	bool is_ready;   /* all its questions were asked, with or without an answer */
	bool is_reached; /* oops-queued could be asked */

	/* what was written, for the audit */
	bool is_written, has_moved;
	struct store_hold before, after;
	const char *lost; /* queue ids that went away */
};

struct hold_keeper_round {
	struct hold_keeper_step *steps;
	size_t count;
	bool is_cut; /* oops-queued did not answer: ask no more in this round */
};

/* Asks all that the steps of a round have to ask; what acts comes first. Without an answer the
 * statuses stay FAILED. */
enum base_result hold_keeper_ask(
    struct hold_keeper *keeper, struct hold_keeper_round *round, const char **why_r);
/* Writes what came out of a round: lessons first, then all rows in one transaction. */
enum base_result hold_keeper_settle(
    struct hold_keeper *keeper, struct hold_keeper_round *round, const char **why_r);

#endif
