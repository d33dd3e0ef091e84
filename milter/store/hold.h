/*
 * NAME
 *	store/hold - rows of holds, and how many the site had, in holds.db; see store.h for what all
 *	calls have in common
 */
#ifndef OOPS_STORE_HOLD_H
#define OOPS_STORE_HOLD_H

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

/* One submission that is or was held. Times in milliseconds since 1970; 0: never. */
struct store_hold {
	const char *id;
	const char *node;             /* whose MTA has the queue files */
	int state;                    /* enum hold_state */
	int action;                   /* enum hold_action */
	struct store_blob submission; /* which transactions belong to this submission */
	const char *sender;           /* whose mail it is, normalised */
	const char *subject;          /* emptied when it is over */
	const char *recipients; /* visible ones, one a line, bounded; emptied when it is over */
	int64_t recipient_count;
	int64_t people;  /* behind the recipients */
	int people_kind; /* 0 exactly, 1 at least, 2 unknown */
	double score;
	const char *reasons; /* "name:points\tvalues\ttext\ttext", one a line */
	const char *policy;  /* name of the rule */
	const char *language;
	int64_t created;
	int64_t timer;      /* when something must be done with it; 0: nothing */
	int64_t due;        /* when it must be looked at next, only to know; 0: never */
	int64_t deadline;   /* when the present state ends by itself: the time shown to people */
	int64_t window;     /* of undo, or life of confirm */
	int64_t grace;      /* after undo */
	int on_end;         /* enum mail_end, for the end of a confirm */
	int then;           /* enum mail_end, for the end of the grace */
	int64_t settled;    /* when a final state was reached */
	int64_t moved;      /* when the present state was reached */
	const char *by;     /* who moved it last: "link", "admin", "timer", "mta" */
	int tries;          /* of the present step, for the backoff */
	int64_t letter_due; /* 0: no letter waits */
	int letter_tries;
	int64_t letter_sent;
	const char *storm;    /* the storm that it is held for, "" for none */
	const char *author;   /* whom it answers, "" unknown; emptied when it is over */
	int64_t answered;     /* people who had answered everybody before */
	const char *template; /* name of the site's own sentences, "" for none */
	const char *mailbox;  /* where the letter goes, "": to sender; emptied when it is over */
	int64_t return_due; /* when its author is to get it back by a letter; 0: no letter waits */
	int return_tries;
	int return_how;           /* enum hold_return */
	const char *from_address; /* of the mail, where it is not the sender's, else ""; emptied
				   * when it is over */
	int64_t seen;             /* when the queue last showed all its files on hold; 0: not yet */
	int how;                  /* enum hold_how: how files left that we did not ask for */
	int64_t left_at;          /* when that was noticed */
	int64_t announce;         /* seconds that its window waits for the letter at most */
	const char
	    *limited_by;       /* what made it less than was wanted: "sender", "site"; "" nothing */
	int64_t left_count;    /* recipients who had it before it was held */
	const char *left_to;   /* visible ones of them, one a line; emptied when it is over */
	const char *undone_by; /* who stopped it, "" nobody */
	int bounces_home;      /* 1: what the MTA bounces goes where its letters go */
	int64_t letters;       /* that were taken about it */
};

enum base_result store_hold_insert(
    struct store *store, const struct store_hold *hold, const char **why_r);
enum base_result store_hold_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_hold **hold_r, const char **why_r);
/* The hold a token opens, if the token has not expired at `now`. */
enum base_result store_hold_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_hold **hold_r,
    const char **why_r);
/* The newest hold of this submission created at or after `since`. */
enum base_result store_hold_by_submission(struct store *store, struct base_arena *arena,
    const char *node, const void *submission, size_t length, int64_t since,
    struct store_hold **hold_r, const char **why_r);
/*
 * Writes every field of a hold, but only if its state in the database still is `expected`; else
 * NONE.
 */
enum base_result store_hold_update(
    struct store *store, const struct store_hold *hold, int expected, const char **why_r);
/* Sets aside a hold with which nothing can be done just now: its times, those that are set,
 * come at `time`, nothing else of it is read or written. */
enum base_result store_hold_postpone(
    struct store *store, const char *id, int64_t time, const char **why_r);
/*
 * Makes a hold be looked at `now` rather than later, and changes nothing else of it. NONE: it is
 * due already, it is over, or the last time that this was done is less than `rest` ago.
 */
enum base_result store_hold_look(
    struct store *store, const char *id, int64_t now, int64_t rest, const char **why_r);
/* What can be due of a hold. */
enum store_due {
	STORE_DUE_TIMER,  /* by `timer` */
	STORE_DUE_UNSEEN, /* by `due`, of those that were never seen */
	STORE_DUE_SEEN,   /* by `due`, of the others */
	/* these by store_due_ids() alone */
	STORE_DUE_LETTER,       /* by `letter_due`; holds of a storm come after all others */
	STORE_DUE_RETURN,       /* by `return_due` */
	STORE_DUE_STORM,        /* storms of all nodes, by `until` */
	STORE_DUE_STORM_LETTER, /* storms, by `letter_due` */
};

/* Up to `capacity` holds of a node whose time of that kind is not 0 and <= now, earliest first. */
enum base_result store_hold_due(struct store *store, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, struct store_hold **holds_r, size_t capacity, size_t *count_r,
    const char **why_r);
/* Only the ids of them, for each kind: they can be read when a row itself cannot. */
enum base_result store_due_ids(struct store *store, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, const char ***ids_r, size_t capacity, size_t *count_r,
    const char **why_r);
/* When the earliest time of any kind of a node is; NONE if there is none. */
enum base_result store_hold_next_due(
    struct store *store, const char *node, int64_t *due_r, const char **why_r);
/*
 * Up to `capacity` holds created before the one given (NULL: the newest), newest first; all_states
 * or only open ones.
 */
enum base_result store_hold_list(struct store *store, struct base_arena *arena, bool all_states,
    const struct store_hold *before, struct store_hold **holds_r, size_t capacity, size_t *count_r,
    const char **why_r);
/* How many holds of one sender were created at or after `since`; those of storms are left
 * out. */
enum base_result store_hold_count(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r);
/* The same without those that were limited. */
enum base_result store_hold_count_unlimited(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r);
/* Holds that count for the whole site: one more at `time`; those before `since` are forgotten. */
enum base_result store_budget_add(
    struct store *store, int64_t time, int64_t since, const char **why_r);
/* How many there were from the minute of `since` on. Takes as long however many they are. */
enum base_result store_budget_count(
    struct store *store, int64_t since, int64_t *count_r, const char **why_r);

/* The clock of a machine was set: what its node wrote before is of another time. */
struct store_shift {
	const char *node;
	int64_t by; /* milliseconds that its clock was set forward (back: negative) */
	/* what was written between these times, by the clock as it is now, is right already */
	int64_t from, to;
};

/*
 * Moves the times of all that is not over: holds, their queue entries, storms. To be called between
 * store_begin() and the end. NONE: there was nothing.
 */
enum base_result store_hold_shift(
    struct store *store, const struct store_shift *shift, const char **why_r);
/* How many of a sender's letters were taken at or after `since`. */
enum base_result store_hold_letters(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r);
/*
 * Removes some holds settled before `time`, with their queue entries and tokens. NONE: there are no
 * more.
 */
enum base_result store_hold_purge(struct store *store, int64_t time, const char **why_r);

/*
 * Up to `capacity` holds that name an address: as their sender, among the recipients shown, in
 * a reason, or in an observation that has the bytes of `mark` in it.
 */
enum base_result store_hold_naming(struct store *store, struct base_arena *arena,
    const char *address, const void *mark, size_t length, struct store_hold **holds_r,
    size_t capacity, size_t *count_r, const char **why_r);
/* Removes a hold with its queue entries and tokens, whatever its state; NONE: there is none. */
enum base_result store_hold_remove(struct store *store, const char *id, const char **why_r);

#endif
