/*
 * sqlite_call - one statement of the SQLite driver: values in, rows out, what a failure means
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#include <string.h>

enum base_result
store_sqlite_fail(struct store_sqlite *database, int code, const char **why_r)
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

struct store_sqlite_call
store_sqlite_call(struct store_sqlite *database, int slot, const char *sql)
{
	struct store_sqlite_call call = { .database = database };
	sqlite3_stmt **statement = &database->statements[slot];

	/* after a disk error SQLite may have rolled back: nothing may be written outside */
	if (database->in_transaction && sqlite3_get_autocommit(database->handle)) {
		call.code = SQLITE_ABORT;
		return call;
	}
	if (*statement == NULL)
		call.code = sqlite3_prepare_v3(
		    database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (call.code == SQLITE_OK)
		call.statement = *statement;
	return call;
}

/* Keeps the first failure of a bind. */
static void
call_note(struct store_sqlite_call *call, int code)
{
	if (call->code == SQLITE_OK)
		call->code = code;
}

void
store_sqlite_text(struct store_sqlite_call *call, const char *text)
{
	if (call->statement != NULL)
		call_note(call,
		    sqlite3_bind_text64(call->statement, ++call->index, text != NULL ? text : "",
			text != NULL ? strlen(text) : 0, SQLITE_STATIC, SQLITE_UTF8));
}

void
store_sqlite_int(struct store_sqlite_call *call, int64_t value)
{
	if (call->statement != NULL)
		call_note(call, sqlite3_bind_int64(call->statement, ++call->index, value));
}

void
store_sqlite_real(struct store_sqlite_call *call, double value)
{
	if (call->statement != NULL)
		call_note(call, sqlite3_bind_double(call->statement, ++call->index, value));
}

void
store_sqlite_blob(struct store_sqlite_call *call, const void *data, size_t length)
{
	if (call->statement != NULL)
		call_note(call, sqlite3_bind_blob64(call->statement, ++call->index,
				    length > 0 ? data : "", length, SQLITE_STATIC));
}

enum base_result
store_sqlite_step(struct store_sqlite_call *call, const char **why_r)
{
	enum base_result result;
	int code = call->code;

	if (code == SQLITE_OK)
		code = sqlite3_step(call->statement);
	if (code == SQLITE_ROW)
		return BASE_OK;
	if (code == SQLITE_DONE) {
		store_sqlite_end(call);
		return BASE_NONE;
	}
	result = store_sqlite_fail(call->database, code, why_r);
	store_sqlite_end(call);
	return result;
}

void
store_sqlite_end(struct store_sqlite_call *call)
{
	if (call->statement == NULL)
		return;
	sqlite3_reset(call->statement);
	sqlite3_clear_bindings(call->statement);
}

enum base_result
store_sqlite_run(struct store_sqlite_call *call, const char **why_r)
{
	enum base_result result = store_sqlite_step(call, why_r);

	if (result == BASE_OK) { /* a statement of this kind has no rows */
		store_sqlite_end(call);
		*why_r = base_why("%s: an unexpected row", call->database->path);
		return BASE_BROKEN;
	}
	if (result == BASE_NONE && sqlite3_changes(call->database->handle) > 0)
		return BASE_OK;
	return result;
}

const char *
store_sqlite_column_text(struct store_sqlite_call *call, struct base_arena *arena, int column)
{
	const char *text = (const char *)sqlite3_column_text(call->statement, column);

	return base_arena_strdup(arena, text != NULL ? text : "");
}

bool
store_sqlite_column_blob(
    struct store_sqlite_call *call, struct base_arena *arena, int column, struct store_blob *blob_r)
{
	const void *data = sqlite3_column_blob(call->statement, column);
	size_t length = (size_t)sqlite3_column_bytes(call->statement, column);
	char *copy = base_arena_alloc(arena, length + 1);

	if (copy == NULL || (data == NULL && length > 0))
		return false;
	if (length > 0)
		memcpy(copy, data, length);
	*blob_r = (struct store_blob){ copy, length };
	return true;
}

enum base_result
store_sqlite_execute(struct store_sqlite *database, const char *sql, const char **why_r)
{
	int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? BASE_OK : store_sqlite_fail(database, code, why_r);
}

enum base_result
store_sqlite_ask_int(
    struct store_sqlite *database, const char *sql, int *value_r, const char **why_r)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
	int value = 0;

	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW)
			value = sqlite3_column_int(statement, 0);
	}
	if (code != SQLITE_ROW) {
		enum base_result result = store_sqlite_fail(database, code, why_r);

		sqlite3_finalize(statement);
		return result;
	}
	sqlite3_finalize(statement);
	*value_r = value;
	return BASE_OK;
}

enum base_result
store_sqlite_expect(
    struct store_sqlite *database, const char *sql, const char *expected, const char **why_r)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
	enum base_result result = BASE_OK;
	const char *text = NULL;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(statement, 0);
	if (code != SQLITE_ROW)
		result = store_sqlite_fail(database, code, why_r);
	else if (text == NULL || strcasecmp(text, expected) != 0) {
		*why_r = base_why("%s: \"%s\" answers \"%s\", not \"%s\"", database->path, sql,
		    text != NULL ? text : "", expected);
		result = BASE_BROKEN;
	}
	sqlite3_finalize(statement);
	return result;
}
