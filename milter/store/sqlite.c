/*
 * sqlite - the SQLite engine: its statements, its transactions, its care of the file
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum base_result
store_sqlite_fail(struct store_database *database, int code, const char **why_r)
{
	bool is_last =
	    database->handle != NULL && sqlite3_extended_errcode(database->handle) == code;

	*why_r = base_why("%s: %s", database->path,
	    is_last ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code));
	switch (code & 0xff) {
	case SQLITE_BUSY:
		return BASE_RETRY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		if (database->is_damaged != NULL)
			*database->is_damaged = true;
		return BASE_BROKEN;
	case SQLITE_CONSTRAINT:
		return BASE_REFUSE;
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		database->is_short = true;
		return BASE_BROKEN;
	default:
		return BASE_BROKEN;
	}
}

/* --- statements --------------------------------------------------------------------------- */

/*
 * To SQLite $1 is a name, numbered as it first occurs; ?1 is the number itself. No text of ours
 * has another use for that sign.
 */
static char *
text_numbered(const char *text)
{
	char *copy = strdup(text);

	for (char *at = copy; at != NULL && (at = strchr(at, '$')) != NULL;)
		*at = '?';
	return copy;
}

/* Keeps a statement with the others of its database. */
static enum base_result
sqlite_prepare(struct store_database *database, const char *text,
    struct store_statement **statement_r, const char **why_r)
{
	struct store_statement *statement = calloc(1, sizeof(*statement));
	char *numbered = text_numbered(text);
	int code = SQLITE_NOMEM;

	if (statement != NULL && numbered != NULL)
		code = sqlite3_prepare_v3(database->handle, numbered, -1, SQLITE_PREPARE_PERSISTENT,
		    &statement->handle, NULL);
	free(numbered);
	if (code != SQLITE_OK) {
		free(statement);
		return store_sqlite_fail(database, code, why_r);
	}
	statement->database = database;
	statement->next = database->statements;
	database->statements = statement;
	*statement_r = statement;
	return BASE_OK;
}

/* One value, in the C type of its type; the code of SQLite. */
static int
value_bind(sqlite3_stmt *handle, int number, enum store_type type, const void *value)
{
	const struct store_blob *blob = value;
	const char *text = "";

	switch (type) {
	case STORE_INT:
		return sqlite3_bind_int(handle, number, *(const int *)value);
	case STORE_INT64:
		return sqlite3_bind_int64(handle, number, *(const int64_t *)value);
	case STORE_REAL:
		return sqlite3_bind_double(handle, number, *(const double *)value);
	case STORE_TEXT:
		if (*(const char *const *)value != NULL)
			text = *(const char *const *)value;
		return sqlite3_bind_text64(
		    handle, number, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8);
	default: /* no address would be NULL, not no bytes */
		return sqlite3_bind_blob64(handle, number, blob->length > 0 ? blob->data : "",
		    blob->length, SQLITE_STATIC);
	}
}

/* The first failure is kept for the step. */
static void
sqlite_bind(struct store_statement *statement, int number, enum store_type type, const void *value)
{
	int code = value_bind(statement->handle, number, type, value);

	if (statement->code == SQLITE_OK)
		statement->code = code;
}

/* DONE and ROW are no failures, all else is. */
static enum base_result
sqlite_step(struct store_statement *statement, const char **why_r)
{
	struct store_database *database = statement->database;
	int code = statement->code;

	/* after a disk error SQLite may have rolled back: nothing may be written outside */
	if (database->in_transaction && sqlite3_get_autocommit(database->handle))
		code = SQLITE_ABORT;
	if (code == SQLITE_OK)
		code = sqlite3_step(statement->handle);
	if (code == SQLITE_ROW)
		return BASE_OK;
	return code == SQLITE_DONE ? BASE_NONE : store_sqlite_fail(database, code, why_r);
}

/* A text of the row, as it is or copied; false: no memory. */
static bool
text_column(
    struct store_statement *statement, int number, struct base_arena *arena, const char **text_r)
{
	const char *text = (const char *)sqlite3_column_text(statement->handle, number);

	if (text != NULL && arena != NULL)
		text = base_arena_strdup(arena, text);
	*text_r = text;
	return text != NULL;
}

/* The same of bytes. */
static bool
blob_column(struct store_statement *statement, int number, struct base_arena *arena,
    struct store_blob *blob_r)
{
	const void *data = sqlite3_column_blob(statement->handle, number);
	size_t length = (size_t)sqlite3_column_bytes(statement->handle, number);
	char *copy = NULL;

	if (data == NULL && length > 0)
		return false;
	if (arena != NULL) {
		copy = base_arena_alloc(arena, length + 1);
		if (copy == NULL)
			return false;
		if (length > 0)
			memcpy(copy, data, length);
		data = copy;
	}
	*blob_r = (struct store_blob){ data, length };
	return true;
}

/* A value of the row. */
static bool
sqlite_column(struct store_statement *statement, int number, enum store_type type,
    struct base_arena *arena, void *value_r)
{
	switch (type) {
	case STORE_INT:
		*(int *)value_r = sqlite3_column_int(statement->handle, number);
		return true;
	case STORE_INT64:
		*(int64_t *)value_r = sqlite3_column_int64(statement->handle, number);
		return true;
	case STORE_REAL:
		*(double *)value_r = sqlite3_column_double(statement->handle, number);
		return true;
	case STORE_TEXT:
		return text_column(statement, number, arena, value_r);
	default:
		return blob_column(statement, number, arena, value_r);
	}
}

/* Ends it, and forgets the values. */
static int
sqlite_finish(struct store_statement *statement)
{
	sqlite3_reset(statement->handle);
	sqlite3_clear_bindings(statement->handle);
	statement->code = SQLITE_OK;
	return sqlite3_changes(statement->database->handle);
}

enum base_result
store_sqlite_execute(struct store_database *database, const char *text, const char **why_r)
{
	int code = sqlite3_exec(database->handle, text, NULL, NULL, NULL);

	return code == SQLITE_OK ? BASE_OK : store_sqlite_fail(database, code, why_r);
}

enum base_result
store_sqlite_expect(
    struct store_database *database, const char *text, const char *expected, const char **why_r)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(database->handle, text, -1, &statement, NULL);
	enum base_result result = BASE_OK;
	const char *answer = NULL;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		answer = (const char *)sqlite3_column_text(statement, 0);
	if (code != SQLITE_ROW)
		result = store_sqlite_fail(database, code, why_r);
	else if (answer == NULL || strcasecmp(answer, expected) != 0) {
		*why_r = base_why("%s: \"%s\" answers \"%s\", not \"%s\"", database->path, text,
		    answer != NULL ? answer : "", expected);
		result = BASE_BROKEN;
	}
	sqlite3_finalize(statement);
	return result;
}

enum base_result
store_sqlite_version(
    struct store_database *database, int new_version, int *version_r, const char **why_r)
{
	sqlite3_stmt *statement = NULL;
	enum base_result result = BASE_OK;
	char pragma[64];
	int code;

	if (new_version > 0) {
		sqlite3_snprintf(sizeof(pragma), pragma, "PRAGMA user_version = %d", new_version);
		result = store_sqlite_execute(database, pragma, why_r);
	}
	if (result != BASE_OK)
		return result;
	code = sqlite3_prepare_v2(database->handle, "PRAGMA user_version", -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*version_r = sqlite3_column_int(statement, 0);
	else
		result = store_sqlite_fail(database, code, why_r);
	sqlite3_finalize(statement);
	return result;
}

/* --- transactions ------------------------------------------------------------------------- */

/* Takes the write lock at once: a transaction that reads first could not get it later. */
static enum base_result
sqlite_begin(struct store_database *database, const char **why_r)
{
	enum base_result result;

	database->is_short = false;
	if (store_sqlite_is_lost(database)) {
		/* rows written now would be durable in a file that nobody finds again */
		*why_r = base_why(
		    "%s or its log was moved or removed while it is in use", database->path);
		return BASE_BROKEN;
	}
	result = store_sqlite_execute(database, "BEGIN IMMEDIATE", why_r);
	database->in_transaction = result == BASE_OK;
	return result;
}

/* Did the disk fail? */
static bool
sqlite_is_short(const struct store_database *database)
{
	return database->is_short;
}

/* Ends the transaction without it. */
static void
sqlite_rollback(struct store_database *database)
{

	database->in_transaction = false;
	/* fails only if SQLite has rolled back already */
	if (!sqlite3_get_autocommit(database->handle))
		sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* Ends the transaction durably, or as if it had not been. */
static enum base_result
sqlite_commit(struct store_database *database, const char **why_r)
{
	enum base_result result = store_sqlite_execute(database, "COMMIT", why_r);

	if (result != BASE_OK)
		sqlite_rollback(database);
	database->in_transaction = false;
	return result;
}

/* --- care of the file ---------------------------------------------------------------------- */

/* Empties the write-ahead log if nobody is reading from it. */
static enum base_result
sqlite_tidy(struct store_database *database, const char **why_r)
{
	enum base_result result = BASE_OK;
	int code;

	sqlite3_busy_timeout(database->handle, 0);
	code = sqlite3_wal_checkpoint_v2(
	    database->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (code != SQLITE_OK)
		result = store_sqlite_fail(database, code, why_r);
	sqlite3_busy_timeout(database->handle, database->busy_ms);
	return result;
}

/*
 * Writes every page anew: a page that was split or filled again may hold bytes of a row
 * that moved, which secure_delete does not reach. The copy is built in memory.
 */
static enum base_result
sqlite_compact(struct store_database *database, const char **why_r)
{
	int64_t end = base_tick_ms() + STORE_SQLITE_BUSY_MS;
	enum base_result result = store_sqlite_execute(database, "VACUUM", why_r);

	if (result != BASE_OK)
		return result;
	/* the log holds the old pages until nobody reads from it any more */
	while ((result = sqlite_tidy(database, why_r)) == BASE_RETRY && base_tick_ms() < end)
		base_sleep_ms(20);
	return result;
}

/* Reads the whole file. */
static enum base_result
sqlite_check(struct store_database *database, const char **why_r)
{
	enum base_result result =
	    store_sqlite_expect(database, "PRAGMA quick_check(1)", "ok", why_r);

	if (result != BASE_OK && sqlite3_errcode(database->handle) == SQLITE_OK &&
	    database->is_damaged != NULL)
		*database->is_damaged = true; /* it was read, and told what is not whole */
	return result;
}

/* One of the tasks. */
static enum base_result
sqlite_maintain(struct store_database *database, enum store_task task, const char **why_r)
{
	switch (task) {
	case STORE_TIDY:
		return sqlite_tidy(database, why_r);
	case STORE_COMPACT:
		return sqlite_compact(database, why_r);
	default:
		return sqlite_check(database, why_r);
	}
}

static const struct store_dialect dialect = {
	.types = { [STORE_INT] = "INTEGER",
	    [STORE_INT64] = "INTEGER",
	    [STORE_REAL] = "REAL",
	    [STORE_TEXT] = "TEXT",
	    [STORE_BLOB] = "BLOB" },
	.inside = { "", "", "" },
	.behind = { [STORE_PLAIN] = " STRICT",
	    [STORE_BY_KEY] = " STRICT, WITHOUT ROWID",
	    [STORE_IN_ORDER] = " STRICT" },
};

const struct store_engine store_sqlite = {
	.name = "sqlite",
	.dialect = &dialect,
	.open = store_sqlite_open,
	.close = store_sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.prepare = sqlite_prepare,
	.bind = sqlite_bind,
	.step = sqlite_step,
	.column = sqlite_column,
	.finish = sqlite_finish,
	.execute = store_sqlite_execute,
	.version = store_sqlite_version,
	.maintain = sqlite_maintain,
	.is_lost = store_sqlite_is_lost,
	.is_short = sqlite_is_short,
	.is_damaged = store_sqlite_is_damaged,
	.set_aside = store_sqlite_set_aside,
};
