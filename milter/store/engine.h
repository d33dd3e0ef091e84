/*
 * NAME
 *	engine - what store asks of a kind of database: a connection, and statements on it
 *
 * WHAT IT DOES
 *	Runs texts of SQL. What the tables are, and what each statement means, is known above it;
 *	a second kind of database is one more struct store_engine.
 *
 * WHAT THE TEXTS RELY ON
 *	Parameters are $1, $2, ...; each number up to the highest occurs. ON CONFLICT, row values,
 *	LIMIT, CASE, partial indexes and indexes on expressions; TRUE and FALSE.
 *	instr(a, b), where b begins in a, of text and of bytes alike: SQLite has it, an engine for
 *	PostgreSQL makes two functions of one line beside its tables. What differs more than that
 *	is no text of ours, but in struct store_dialect.
 *
 * OWNERSHIP
 *	A connection owns its statements; close() ends them all. What is bound must live until
 *	finish(). What column() hands out lives in the arena, or, without one, until the next
 *	step().
 *
 * THREADS
 *	None: who calls holds the lock of the store.
 *
 * DIAGNOSTICS
 *	Those of store.h. A bind() that fails is told by the step() after it. Between begin() and
 *	the end, a statement that failed with REFUSE harms nothing else; one that failed otherwise
 *	may have ended the transaction, and then everything up to the end fails as well.
 *
 * AN ENGINE FOR POSTGRESQL, so that the shape is right for it
 *	open		PQconnectdb(); search_path is the schema of the kind, with a role of its own
 *	close		PQfinish()
 *	begin		BEGIN ISOLATION LEVEL SERIALIZABLE: read, decide, write stays safe
 *	commit		COMMIT; a command tag that says ROLLBACK is a failure
 *	rollback	ROLLBACK
 *	prepare		keeps the text; PQprepare() is for the first step(), when the types of what
 *			was bound are known, and for the first one on a new connection
 *	bind		INT and INT64 as int8, REAL as float8, TEXT as text, BLOB as bytea
 *	step		PQexecPrepared() at the first one, PQsetSingleRowMode() for many rows
 *	column		PQgetvalue(), in text: a sum of int8 is numeric there
 *	finish		PQcmdTuples(), PQclear()
 *	execute		PQexec(), which takes several statements as well
 *	version		of a table of one row, which open() makes, as it does both instr()
 *	maintain	TIDY: nothing; COMPACT: VACUUM FULL; CHECK: SELECT 1
 *	is_lost		false, and so is_damaged; set_aside: REFUSE: a server keeps its own files
 *	is_short	was there an SQLSTATE of class 53 or 58 (no room, no memory, a disk)?
 *	rowid		a column BIGSERIAL of tables IN_ORDER, by `inside` of the dialect
 *	RETRY is 40001 and 40P01 (serialization, deadlock), 55P03 (a lock), class 57 (it goes down)
 *	and 08 (a lost connection): the next begin(), or step() outside of a transaction, connects
 *	anew. A commit whose connection is lost may have been carried out; it is RETRY, and whoever
 *	comes again meets a conditional update that says NONE. REFUSE is class 23; in a transaction
 *	a statement that may meet it stands behind a savepoint. Nobody waits for a NOTIFY: what is
 *	due is asked for by its time.
 */
#ifndef OOPS_STORE_ENGINE_H
#define OOPS_STORE_ENGINE_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

struct store_database;  /* a connection */
struct store_statement; /* prepared on it */

/* What a value is in C, and so what its column is. */
enum store_type {
	STORE_INT,   /* int */
	STORE_INT64, /* int64_t, or the bits of an uint64_t */
	STORE_REAL,  /* double */
	STORE_TEXT,  /* const char *; NULL goes in as "" */
	STORE_BLOB,  /* struct store_blob */
	STORE_TYPES,
};

/* How the rows of a table lie. */
enum store_layout {
	STORE_PLAIN,
	STORE_BY_KEY,   /* in the order of their key: small rows, looked up by it */
	STORE_IN_ORDER, /* read as they were inserted: ORDER BY rowid, whatever that is there */
	STORE_LAYOUTS,
};

/* What CREATE TABLE says differently. */
struct store_dialect {
	const char *types[STORE_TYPES];    /* of a column */
	const char *inside[STORE_LAYOUTS]; /* before the closing parenthesis */
	const char *behind[STORE_LAYOUTS]; /* ... and after it */
};

enum store_task { STORE_TIDY, STORE_COMPACT, STORE_CHECK }; /* as the functions in store.h */

struct store_engine {
	const char *name;
	const struct store_dialect *dialect;

	/* Makes what is missing of files if that was asked for, but no tables. */
	enum base_result (*open)(const struct store_options *options, enum store_kind kind,
	    struct store_database **database_r, const char **why_r);
	void (*close)(struct store_database *database);

	enum base_result (*begin)(struct store_database *database, const char **why_r);
	enum base_result (*commit)(struct store_database *database, const char **why_r);
	void (*rollback)(struct store_database *database);

	/* A text with one statement; to be used many times. */
	enum base_result (*prepare)(struct store_database *database, const char *text,
	    struct store_statement **statement_r, const char **why_r);
	/* The value of parameter `number` (from 1) is at `value`, in the C type of `type`. */
	void (*bind)(
	    struct store_statement *statement, int number, enum store_type type, const void *value);
	/* OK: it stands on a row; NONE: there are no more. */
	enum base_result (*step)(struct store_statement *statement, const char **why_r);
	/* Column `number` (from 0) to where a value of that type is wanted; false: no memory. */
	bool (*column)(struct store_statement *statement, int number, enum store_type type,
	    struct base_arena *arena, void *value_r);
	/* Makes it ready for other values, as every path must: an open one keeps others from
	 * writing. Returns how many rows the last INSERT, UPDATE or DELETE changed. */
	int (*finish)(struct store_statement *statement);

	/* A text with any number of statements, without values and rows. */
	enum base_result (*execute)(
	    struct store_database *database, const char *text, const char **why_r);
	/* The version of the schema, 0: no tables yet. new_version 0: it stays. */
	enum base_result (*version)(
	    struct store_database *database, int new_version, int *version_r, const char **why_r);
	enum base_result (*maintain)(
	    struct store_database *database, enum store_task task, const char **why_r);

	bool (*is_lost)(const struct store_database *database);
	bool (*is_short)(const struct store_database *database);
	bool (*is_damaged)(
	    const struct store_options *options, enum store_kind kind, const char **why_r);
	enum base_result (*set_aside)(const struct store_options *options, enum store_kind kind,
	    const char **name_r, const char **why_r);
};

extern const struct store_engine store_sqlite;

#endif
