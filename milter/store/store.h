/*
 * NAME
 *	store - rows: the tables, an engine with a database below them, schema versions
 *
 * WHAT IT DOES
 *	Keeps the rows of held mail (holds.db: durable before the call returns) and of the
 *	history (memory.db: may lose the last second in a power cut). This header is about the
 *	database as a whole; hold.h, queue_entry.h, storm.h and record.h are about its rows. Inside,
 *	each table is described once, in a file of its name, and all stand on one narrow engine.
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

/* Bytes, of a row that came out or for one that goes in. */
struct store_blob {
	const void *data;
	size_t length;
};

#endif
