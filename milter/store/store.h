/*
 * NAME
 *	store - rows: one table of operations, a database behind it, schema versions
 *
 * WHAT IT DOES
 *	Keeps the rows of held mail (holds.db: durable before the call returns) and of the
 *	history (memory.db: may lose the last second in a power cut). All operations go
 *	through one table of functions, so that a second kind of database is one more table.
 *
 * WHAT IT NEVER DOES
 *	It gives no meaning to a state number or a blob: that is for hold and memory. It never
 *	logs. It never retries by itself beyond the busy time of one call.
 *
 * OWNERSHIP
 *	Rows that come out live in the arena given. store_close() ends everything.
 *
 * THREADS
 *	One struct store may be used by several threads: every call takes its lock. Between
 *	store_begin() and store_commit() or store_rollback() the lock stays with the caller, so
 *	readers that must not wait for a long batch open a store of their own. A struct store
 *	does not survive fork(): open it in the child.
 *
 * DIAGNOSTICS
 *	OK, NONE (no such row, or a conditional update met another state), RETRY (another
 *	process holds the database longer than the busy time), BROKEN (disk full, unwritable,
 *	corrupt, moved away, no memory); REFUSE: a schema of a newer version than this program
 *	knows, an unknown driver, or, from an insert, a row of this key that exists already.
 */
#ifndef OOPS_STORE_H
#define OOPS_STORE_H

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"

struct store;

enum store_kind { STORE_HOLDS, STORE_MEMORY };

struct store_options {
	const char *driver;    /* "sqlite" */
	const char *directory; /* where holds/holds.db and memory.db are */
	bool create;           /* make what is missing (directories, files, schema) */
	bool *is_damaged_r;    /* set once the file is found to be no whole database; lives as
				* long as the store; NULL: nobody asks */
	bool *is_new_r;        /* set when its tables were made, for nothing was there; as above */
};

/* The names under `directory`: the web user may enter the first one only. */
#define STORE_HOLDS_PATH "holds/holds.db"
#define STORE_MEMORY_PATH "memory.db"

enum base_result store_open(const struct store_options *options, enum store_kind kind,
    struct store **store_r, const char **why_r);
void store_close(struct store **store);

/*
 * Is what is there no database, or a damaged one? Reads all of it. False as well when there is
 * none, or when that cannot be found out. why_r: what is wrong with it.
 */
bool store_is_damaged(
    const struct store_options *options, enum store_kind kind, const char **why_r);
/*
 * Gives the file another name, ".damaged-" and the time (UTC) behind its own, and so for what is
 * beside it, so that a new one can be made in its place. Nobody may have it open but to notice
 * that. BROKEN: it could not be renamed.
 */
enum base_result store_set_aside(const struct store_options *options, enum store_kind kind,
    const char **name_r, const char **why_r);
#define STORE_ASIDE "damaged"

/*
 * Are the files that it works on (the database and what is beside it) still those at their paths?
 * True: one was removed or moved, or another took its place; what is written goes nowhere. A look
 * costs a few microseconds.
 */
bool store_is_lost(struct store *store);
/*
 * Since the last store_begin(), did anything fail for want of room, rights or a working disk? Then
 * it was not for what was written.
 */
bool store_is_short(struct store *store);
/*
 * Opens all of these anew, by the options they were opened with; nobody may be inside a
 * transaction of theirs. All that work on one file must be in the same call. What is only in a
 * log that was removed is written to the file first, unless that or its log is another one by
 * now. Until it succeeds
 * every call of those that could not be opened is BROKEN.
 */
enum base_result store_reopen(struct store *const *stores, size_t count, const char **why_r);

/*
 * Several calls as one: all or nothing. Nesting is not allowed. No other process changes
 * anything between store_begin() and the end, so read, decide, write is safe in between.
 * A commit that fails has rolled back. A REFUSE or NONE in between harms nothing else.
 */
enum base_result store_begin(struct store *store, const char **why_r);
enum base_result store_commit(struct store *store, const char **why_r);
void store_rollback(struct store *store);

/*
 * Overwrites in the files, too, what was deleted from the rows (SQLite: empties the
 * write-ahead log). RETRY: somebody is reading; nothing is lost by waiting.
 */
enum base_result store_tidy(struct store *store, const char **why_r);

/*
 * Writes the whole file anew (SQLite: VACUUM), so that no page keeps a copy of what once
 * was there, and empties the write-ahead log. Others go on reading meanwhile. RETRY:
 * somebody reads or writes all the time.
 */
enum base_result store_compact(struct store *store, const char **why_r);

/* Schema version in use, and whether the file is whole (SQLite: quick_check). */
enum base_result store_check(struct store *store, int *version_r, const char **why_r);

/* --- holds.db -------------------------------------------------------------------- */

struct store_blob {
	const void *data;
	size_t length;
};

/* One human act that is or was held. Times in milliseconds since 1970; 0: never. */
struct store_hold {
	const char *id;
	const char *node;       /* whose MTA has the queue files */
	int state;              /* enum hold_state */
	int action;             /* enum hold_action */
	struct store_blob act;  /* which transactions belong to this act */
	const char *sender;     /* whose mail it is, normalised */
	const char *subject;    /* emptied when it is over */
	const char *recipients; /* visible ones, one a line, bounded; emptied when it is over */
	int64_t recipient_count;
	int64_t people;  /* behind the recipients */
	int people_kind; /* 0 exactly, 1 at least, 2 unknown */
	double score;
	const char *reasons; /* "name:points\tsentence", one a line */
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

/* One queue file of a hold. What memory learns if it is sent lies beside it, see below. */
struct store_part {
	const char *hold_id;
	const char *queue_id;
	int state; /* enum hold_part_state */
	int64_t created;
	int64_t returned; /* when the MTA took a letter with its message to its author; 0: not */
	int64_t asked;    /* when we began to ask the queue to act on it; 0: not yet */
	int64_t mail;     /* which mail of the hold it is a file of; 0 is the first */
};

enum base_result store_hold_insert(
    struct store *store, const struct store_hold *hold, const char **why_r);
enum base_result store_hold_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_hold **hold_r, const char **why_r);
/* The hold a token opens, if the token has not expired at `now`. */
enum base_result store_hold_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_hold **hold_r,
    const char **why_r);
/* The newest hold of this act created at or after `since`. */
enum base_result store_hold_by_act(struct store *store, struct base_arena *arena, const char *node,
    const void *act, size_t length, int64_t since, struct store_hold **hold_r, const char **why_r);
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

/* Up to `room` holds of a node whose time of that kind is not 0 and <= now, earliest first. */
enum base_result store_hold_due(struct store *store, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r);
/* Only the ids of them, for each kind: they can be read when a row itself cannot. */
enum base_result store_due_ids(struct store *store, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, const char ***ids_r, size_t room, size_t *count_r,
    const char **why_r);
/* When the earliest time of any kind of a node is; NONE if there is none. */
enum base_result store_hold_next_due(
    struct store *store, const char *node, int64_t *due_r, const char **why_r);
/*
 * Up to `room` holds created before the one given (NULL: the newest), newest first; all_states or
 * only open ones.
 */
enum base_result store_hold_list(struct store *store, struct base_arena *arena, bool all_states,
    const struct store_hold *before, struct store_hold **holds_r, size_t room, size_t *count_r,
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
 * Moves the times of all that is not over: holds, their parts, storms. To be called between
 * store_begin() and the end. NONE: there was nothing.
 */
enum base_result store_hold_shift(
    struct store *store, const struct store_shift *shift, const char **why_r);
/* How many of a sender's letters were taken at or after `since`. */
enum base_result store_hold_letters(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r);
/*
 * Removes some holds settled before `time`, with their parts and tokens. NONE: there are no more.
 */
enum base_result store_hold_purge(struct store *store, int64_t time, const char **why_r);

/*
 * Up to `room` holds that name an address: as their sender, among the recipients shown, in
 * a reason, or in a lesson that has the bytes of `mark` in it.
 */
enum base_result store_hold_naming(struct store *store, struct base_arena *arena,
    const char *address, const void *mark, size_t length, struct store_hold **holds_r, size_t room,
    size_t *count_r, const char **why_r);
/* Removes a hold with its parts and tokens, whatever its state; NONE: there is none. */
enum base_result store_hold_remove(struct store *store, const char *id, const char **why_r);

enum base_result store_part_insert(struct store *store, const struct store_part *part,
    const void *lesson, size_t lesson_length, const char **why_r);
/* All but the lesson of a part; NONE: no such part. */
enum base_result store_part_update(
    struct store *store, const struct store_part *part, const char **why_r);
/* Another queue id for a part: the MTA renamed its file. NONE: no such part, or the hold has a
 * part of that name. */
enum base_result store_part_rename(
    struct store *store, const struct store_part *part, const char *queue_id, const char **why_r);
/* The lesson of a part, empty once it is wiped. */
enum base_result store_part_lesson(struct store *store, struct base_arena *arena,
    const struct store_part *part, struct store_blob *lesson_r, const char **why_r);
/* Forgets the lessons of all parts of a hold. */
enum base_result store_part_wipe(struct store *store, const char *hold_id, const char **why_r);
enum base_result store_part_list(struct store *store, struct base_arena *arena, const char *hold_id,
    struct store_part **parts_r, size_t *count_r, const char **why_r);

enum base_result store_token_insert(struct store *store, const unsigned char hash[BASE_HASH_SIZE],
    const char *hold_id, int64_t expires, const char **why_r);

/* --- storms, in holds.db -------------------------------------------------------------- */

/* A brake on answers to everybody in one topic. Times in milliseconds since 1970; 0: never. */
struct store_storm {
	const char *id;
	const char *node;        /* whose postman writes the letter */
	struct store_blob topic; /* keyed hash of a list's address or a thread's message id */
	const char *list;        /* its address, "" for a thread */
	const char *owner;       /* who gets the letter, "" for nobody */
	const char *subject;     /* of the answer that was too many; emptied when it is over */
	const char *language;
	int state;         /* enum hold_storm_state */
	int64_t people;    /* whom the answers reach */
	int64_t answers;   /* when it began */
	int64_t answerers; /* people who had written them */
	int64_t started;
	int64_t until;      /* when the present state ends by itself */
	int64_t span;       /* seconds */
	int on_end;         /* enum mail_end */
	int64_t ended;      /* when it was lifted or over */
	const char *by;     /* who ended it */
	int64_t letter_due; /* 0: no letter waits */
	int letter_tries;
	int64_t letter_sent;
	/* some of those who had answered, one a line; emptied when it is over */
	const char *answered_by;
};

/* One answer to everybody that was let through. */
struct store_answer {
	struct store_blob topic;
	struct store_blob message; /* keyed hash of its Message-ID */
	struct store_blob act;
	struct store_blob sender;
	int64_t time;
	const char *person; /* the address of who answered; forgotten ... */
	int64_t forget;     /* ... at this time, 0: it is not known (any more) */
};

enum store_storm_set {
	STORE_STORMS_OPEN, /* not over, newest first */
	STORE_STORMS_ALL,  /* newest first */
};

enum base_result store_storm_insert(
    struct store *store, const struct store_storm *storm, const char **why_r);
/* Writes every field, but only if its state in the database still is `expected`; else NONE. */
enum base_result store_storm_update(
    struct store *store, const struct store_storm *storm, int expected, const char **why_r);
enum base_result store_storm_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_storm **storm_r, const char **why_r);
/* The storm a token opens, if the token has not expired at `now`. */
enum base_result store_storm_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_storm **storm_r,
    const char **why_r);
/* The newest storm of a topic that is not over and goes on beyond `now`. */
enum base_result store_storm_by_topic(struct store *store, struct base_arena *arena,
    const struct store_blob *topic, int64_t now, struct store_storm **storm_r, const char **why_r);
/* Up to `room` storms of a set; `node` and `now` for those sets that ask for them. */
enum base_result store_storm_some(struct store *store, struct base_arena *arena,
    enum store_storm_set set, const char *node, int64_t now, struct store_storm **storms_r,
    size_t room, size_t *count_r, const char **why_r);
/* The holds of a storm that are in one of two states: their time is over now, and ends so. */
enum base_result store_storm_release(struct store *store, const char *id, const int states[2],
    int64_t now, int on_end, const char **why_r);
/* How many holds a storm has had. */
enum base_result store_storm_held(
    struct store *store, const char *id, size_t *count_r, const char **why_r);
/* Has a sender a hold of this storm with a letter that was sent or waits? NONE: no. */
enum base_result store_storm_told(
    struct store *store, const char *id, const char *sender, const char **why_r);
/* Removes storms that ended before `time` with their tokens, and answers before `answers_time`. */
enum base_result store_storm_purge(
    struct store *store, int64_t time, int64_t answers_time, const char **why_r);
/* Takes an address out of all storms, as their list and as their owner, who gets no letter then. */
enum base_result store_storm_forget(struct store *store, const char *address, const char **why_r);
/* REFUSE: this message of this topic is there already. */
enum base_result store_answer_insert(
    struct store *store, const struct store_answer *answer, const char **why_r);
/* Is an answer of this act there? NONE: no. */
enum base_result store_answer_has(struct store *store, const struct store_blob *topic,
    const struct store_blob *act, const char **why_r);
/* The topic of a message that was an answer itself. */
enum base_result store_answer_topic(struct store *store, struct base_arena *arena,
    const struct store_blob *message, struct store_blob *topic_r, const char **why_r);
/* Some people who answered since a time, by their addresses, one a line; the first ones first. */
enum base_result store_answer_people(struct store *store, struct base_arena *arena,
    const struct store_blob *topic, int64_t since, size_t room, const char **people_r,
    const char **why_r);
/* Forgets the addresses whose time is over at `now`; NONE: there was none. */
enum base_result store_answer_forget(struct store *store, int64_t now, const char **why_r);
/* How many acts, and of how many senders, since a time. */
enum base_result store_answer_count(struct store *store, const struct store_blob *topic,
    int64_t since, size_t *answers_r, size_t *answerers_r, const char **why_r);

/* --- memory.db ------------------------------------------------------------------- */

/* Records by 64-bit keyed hash; the blob is memory's own format. */
enum store_record {
	STORE_PROFILE,
	STORE_THREAD,
	STORE_SITE,
	STORE_NOTE,      /* what was imported; no bytes, the key says it all */
	STORE_FORGOTTEN, /* what must not be written back, for a short while */
};

enum base_result store_record_get(struct store *store, struct base_arena *arena,
    enum store_record kind, uint64_t key, struct store_blob *blob_r, const char **why_r);
/*
 * `expires`: seconds since 1970, 0 for never. A record that is there already keeps its own
 * when that is later: old mail that is learned late shortens nothing.
 */
enum base_result store_record_put(struct store *store, enum store_record kind, uint64_t key,
    const void *data, size_t length, int64_t expires, const char **why_r);
enum base_result store_record_delete(
    struct store *store, enum store_record kind, uint64_t key, const char **why_r);
/* Calls `each` for every record of a kind until it returns false. The blob lives for the
 * call only; `each` must not call the store. */
enum base_result store_record_each(struct store *store, enum store_record kind,
    bool (*each)(void *context, uint64_t key, const void *data, size_t length), void *context,
    const char **why_r);
/* Removes the records of every kind that expired before `now`, a few at a time. */
enum base_result store_record_expire(struct store *store, int64_t now, const char **why_r);

#endif
