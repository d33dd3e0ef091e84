/*
 * NAME
 *	hold/internal - what the files of this module share
 *
 * TIMES
 *	Milliseconds since 1970 everywhere inside; hold.h speaks of seconds.
 */
#ifndef OOPS_HOLD_INTERNAL_H
#define OOPS_HOLD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/store/hold.h"
#include "milter/store/queue_entry.h"
#include "milter/store/store.h"
#include "milter/store/storm.h"

/* Looking for a file that the MTA was asked to hold. */
#define HOLD_LOOK_FIRST_MS 150  /* the first look, doubling ... */
#define HOLD_LOOK_MAX_MS 5000   /* ... up to this */
#define HOLD_LOOK_RARE_MS 60000 /* while nothing is expected to happen */
#define HOLD_APPEAR_MS 60000    /* a file that did not show by then is lost */
/*
 * how long the MTA may still be writing a file: its place in the queue and its tag mean nothing
 * before
 */
#define HOLD_FINISH_MS 5000
#define HOLD_GATHER_MS 2000 /* how long a hold waits for its slower queue entries */
#define HOLD_LETTER_MS 1000 /* more queue entries may come before the letter is written */

/* Asking the MTA to act. */
#define HOLD_ASK_FIRST_MS 250
#define HOLD_ASK_MAX_MS 30000  /* after its tools failed */
#define HOLD_REACH_MAX_MS 5000 /* after oops-queued could not be reached */

#define HOLD_CLOCK_SKEW_MS 60000 /* by which clocks of nodes may differ, or one be set back */

#define HOLD_LETTER_FIRST_MS 5000
#define HOLD_LETTER_MAX_MS 900000
#define HOLD_LETTER_KEEP_MS 86400000 /* how long one waits that is about what is over */
#define HOLD_LETTER_WAIT_MS 3600000  /* of one whose reader gets too many */

/* Bounds of what is stored. */
#define HOLD_MAX_ENTRIES QUEUE_MAX_ITEMS
#define HOLD_MAX_SENDER 320       /* bytes */
#define HOLD_MAX_SUBJECT 500      /* bytes */
#define HOLD_MAX_RECIPIENTS 16384 /* bytes of all those that are shown */
#define HOLD_MAX_REASONS 32
#define HOLD_MAX_REASON 400             /* bytes of its values, and of each of its texts */
#define HOLD_MAX_NAME 100               /* bytes of a signal, a policy, a language */
#define HOLD_MAX_OBSERVATION (4u << 20) /* bytes */
#define HOLD_MAX_SECONDS 315360000      /* of a window or a grace: ten years */
#define HOLD_MAX_GROUP 100              /* rows of one commit */
#define HOLD_MAX_ROW (1u << 20)         /* bytes of one hold with its queue entries, in memory */

struct hold_create;

/* --- aside.c ---------------------------------------------------------------------- */

#define HOLD_ASIDE 64            /* that are remembered; of more, the oldest is forgotten */
#define HOLD_ASIDE_FIRST_MS 5000 /* until one is tried again, doubling ... */
#define HOLD_ASIDE_MS 300000     /* ... up to this */

/* What one thread cannot read or write: it waits, and what is behind it goes on. */
struct hold_aside {
	struct hold_aside_entry {
		char id[BASE_ID_SIZE];
		int64_t until; /* of base_tick_ms() */
		int tries;
	} entries[HOLD_ASIDE];
	size_t next;         /* overwritten next */
	unsigned long count; /* that ever were, since the start */
};

struct hold;

/* Is it to be left alone now? Was it ever? */
bool hold_aside_has(const struct hold_aside *aside, const char *id);
bool hold_aside_is_known(const struct hold_aside *aside, const char *id);
/* Leaves it alone for a while; logged and audited once. */
void hold_aside_add(struct hold_aside *aside, const char *id, const char *what, const char *why);
/* The same until the program starts anew. */
void hold_aside_keep(struct hold_aside *aside, const char *id, const char *what, const char *why);
/* Was such a failure one of a row alone, rather than of the whole store? */
bool hold_is_of_row(struct hold *hold, enum base_result result);
/* The ids that are due, at most HOLD_ASIDE + 1, without those that are set aside. */
enum base_result hold_aside_next(struct hold *hold, struct hold_aside *aside,
    struct base_arena *arena, enum store_due which, const char ***ids_r, size_t *count_r,
    const char **why_r);
/* The first hold that is due and can be read; NONE: none. What cannot be read is set aside. */
enum base_result hold_aside_read(struct hold *hold, struct hold_aside *aside,
    struct base_arena *arena, enum store_due which, struct store_hold **row_r, const char **why_r);

struct hold {
	struct store *store;
	char *node;

	/* hold_create(): whoever finds no leader commits the rows of all that wait */
	pthread_mutex_t creation_lock;
	pthread_cond_t creation_done;
	struct hold_create *creation_first, *creation_last;
	bool has_leader;

	/* a request of this process wakes the scheduler; those of others it finds by looking */
	pthread_mutex_t wake_lock;
	pthread_cond_t wake;
	bool is_woken;

	/* the files below the store: when they were looked at, by base_tick_ms() */
	atomic_llong looked_at;
	pthread_mutex_t renew_lock; /* of is_away: they cannot be opened anew, which is said once */
	bool is_away;
	struct hold_aside letters; /* of the thread that asks for letters */
	struct hold_aside returns; /* of the one that brings mail back */
};

/* --- renew.c --------------------------------------------------------------------- */

/* store_begin(), on the files that are at their paths now. */
enum base_result hold_begin(struct hold *hold, const char **why_r);
/* Before reads: the same look once a second at most. */
void hold_refresh(struct hold *hold);

void hold_wake(struct hold *hold);

/* first, doubled `tries` times, at most max. */
int64_t hold_backoff(int64_t first, int64_t max, int tries);

/* --- request.c ------------------------------------------------------------------- */

/* REFUSE what could never be carried out: nothing may be on hold that we cannot release. */
enum base_result hold_request_check(const struct hold_params *request, const char **why_r);
/* The row of a new hold, PENDING; its times are set by whoever writes it. */
enum base_result hold_row_make(struct hold *hold, struct base_arena *arena,
    const struct hold_params *request, const char *id, struct store_hold *row_r,
    const char **why_r);
/* --- create.c --------------------------------------------------------------------- */

/* Adds the request's queue file to a hold; one that is there already is looked for anew. */
enum base_result hold_entry_write(struct hold *hold, const struct hold_params *request,
    const char *id, int64_t now, const char **why_r);

/* --- states.c -------------------------------------------------------------------- */

const char *hold_entry_state_str(enum hold_entry_state state);
bool hold_entry_is_open(const struct store_entry *entry);
bool hold_has_entry(const struct store_entry *entries, size_t count, enum hold_entry_state state);

/* --- hold.c ---------------------------------------------------------------------- */

/* The row for people to see; strings are shared with the row. */
enum base_result hold_view_make(struct hold *hold, struct base_arena *arena,
    const struct store_hold *row, struct hold_view *view_r, const char **why_r);
/* What a view calls the state that the hold or block came into at `moved`. */
void hold_mark_make(char mark_r[HOLD_MARK_SIZE], int state, int64_t moved);
/*
 * A reason per line, as a row keeps them: "name:points", and while the hold is open its values and
 * two texts, a tab before each. No text can have a tab or a line end in it.
 */
bool hold_reasons_write(
    struct base_buffer *text_r, const struct hold_reason *reasons, size_t count, bool is_over);
enum base_result hold_reasons_read(
    struct base_arena *arena, const char *text, struct hold_reason **reasons_r, size_t *count_r);
/* "name:points,name:points" for an audit line. */
const char *hold_reasons_brief(struct base_arena *arena, const char *text);

/* --- storm.c --------------------------------------------------------------------- */

/* Ends the storms whose time has come, and audits it. */
enum base_result hold_storms_end(
    struct hold *hold, struct hold_aside *aside, struct base_arena *arena, const char **why_r);
/*
 * Who ends the waiting of a hold whose time has come: "timer"; or who lifted the storm that it
 * waits for, "admin" or HOLD_BY_OWNER. The text lives on.
 */
enum base_result hold_storm_ender(struct hold *hold, struct base_arena *arena,
    const struct store_hold *row, const char **by_r, const char **why_r);
/* A block as its owner sees it; strings are shared with the row. */
void hold_storm_view_make(const struct store_storm *storm, struct hold_view *view_r);

/* --- move.c ---------------------------------------------------------------------- */

/*
 * The one function that changes a state. Inside a transaction that has read `row`: sets all
 * that goes with the new state and writes it, if the row still is in its old one. `by`
 * NULL: who asked for the state before. `is_looking`: queue entries are still expected to show.
 * REFUSE: the table does not allow it. NONE: somebody else moved it.
 */
enum base_result hold_move(struct hold *hold, struct base_arena *arena, struct store_hold *row,
    enum hold_state to, const char *by, bool is_looking, int64_t now, const char **why_r);
/* Forgets who reads its letters, and what of: nobody is to be written to any more. */
void hold_row_forget(struct store_hold *row);
/* After the commit: the audit lines of a move. `before` is the row as it was. */
void hold_move_audit(const struct store_hold *before, const struct store_hold *after,
    const struct store_entry *entries, size_t entry_count);
/* The line of event=hold. */
void hold_audit_hold(const struct store_hold *row, const char *was, const char *queue_id,
    const char *message_id, size_t entry);
/* The line of event=lost for some queue entries of a hold. */
void hold_audit_lost(const char *id, enum hold_state was, enum hold_state now, enum hold_how how,
    const char *queue_ids);

/* Can it not come back to its author, for its size, and is kept until somebody decides? */
bool hold_is_kept(const struct store_hold *row);
/* Does it leave by itself, after a window that waits for the letter about it? */
bool hold_is_unannounced(const struct store_hold *row);

/* --- scheduler_jobs.c: what is to be done with one hold, pure ---------------------- */

/* What the queue said of one queue entry. */
struct hold_response {
	bool is_asked;
	enum queue_verb verb; /* what `status` is the answer to */
	enum queue_status status;
	bool is_sought;  /* it was looked for under other names */
	bool is_failure; /* no answer, or still on hold after it was asked to act */
};

/* What is to be done now: a move because its time has come, or questions to the queue. */
enum hold_plan_kind { HOLD_PLAN_NOTHING, HOLD_PLAN_MOVE, HOLD_PLAN_ASK };

struct hold_plan {
	enum hold_plan_kind kind;
	enum hold_state to;   /* of a move */
	enum queue_verb verb; /* what is wanted of the files: STATUS, only to know */
};

struct hold_plan hold_step_plan(const struct store_hold *row, int64_t now);
/* Marks the queue entries to be asked about. */
void hold_step_asked(const struct store_hold *row, enum queue_verb verb,
    const struct store_entry *entries, size_t count, struct hold_response *answers_r);
/* Does the verb leave the file where it is? Then the answer is what a look shows. */
bool hold_verb_is_look(enum queue_verb verb);
/*
 * What is asked for a queue entry: the verb; a look, as long as it must be looked at first; or to
 * delete instead of to return what came back by a letter.
 */
enum queue_verb hold_step_verb(enum queue_verb verb, const struct store_entry *entry);
/* What a queue entry is after the answer to a verb. */
enum hold_entry_state hold_job_entry(
    enum queue_verb verb, const struct store_entry *entry, enum queue_status status, int64_t now);
/* How a queue entry left that such an answer made LOST. */
enum hold_how hold_step_how(enum queue_status status);
/* Does the hold move now that its queue entries are so? */
bool hold_step_end(const struct store_hold *row, enum queue_verb verb,
    const struct store_entry *entries, size_t count, int64_t now, enum hold_state *to_r);
/* When its times come again; counts the tries. `worked`: every answer was of use. */
void hold_step_again(struct store_hold *row, enum queue_verb verb,
    const struct store_entry *entries, size_t count, bool is_reached, bool worked, int64_t now);

#endif
