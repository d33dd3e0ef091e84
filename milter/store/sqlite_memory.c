/*
 * sqlite_memory - the tables and statements of memory.db
 *
 * One table per kind, keyed by the hash as a signed INTEGER PRIMARY KEY: with records of
 * several KiB one descent of a small tree finds the row, however long the history is.
 * `expires` stands before the record, so that expiry reads no record.
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#include <string.h>

#define RECORD_TABLE(name)                                                                         \
	"CREATE TABLE " name " (key INTEGER PRIMARY KEY NOT NULL, expires INTEGER NOT NULL,"       \
	" record BLOB NOT NULL) STRICT;"                                                           \
	"CREATE INDEX " name "_expires ON " name " (expires) WHERE expires <> 0;"

const char *const store_sqlite_memory_schema[] = {
	RECORD_TABLE("profile") RECORD_TABLE("thread") RECORD_TABLE("site"),
	RECORD_TABLE("note") RECORD_TABLE("forgotten"),
};

enum operation { GET, PUT, DELETE, EACH, EXPIRE, OPERATION_COUNT };

#define RECORD_KINDS 5
#define RECORD_STATEMENTS(name)                                                                    \
	{                                                                                          \
		[GET] = "SELECT record FROM " name " WHERE key = ?",                               \
		[PUT] = "INSERT INTO " name " (key, expires, record) VALUES (?1, ?2, ?3)"          \
			" ON CONFLICT (key) DO UPDATE"                                             \
			" SET expires = max(expires, ?2), record = ?3",                            \
		[DELETE] = "DELETE FROM " name " WHERE key = ?",                                   \
		[EACH] = "SELECT key, record FROM " name,                                          \
		[EXPIRE] = "DELETE FROM " name " WHERE key IN (SELECT key FROM " name              \
			   " WHERE expires <> 0 AND expires < ?"                                   \
			   " ORDER BY expires LIMIT " STORE_SQLITE_PURGE ")",                      \
	}

static const char *const statements[RECORD_KINDS][OPERATION_COUNT] = {
	[STORE_PROFILE] = RECORD_STATEMENTS("profile"),
	[STORE_THREAD] = RECORD_STATEMENTS("thread"),
	[STORE_SITE] = RECORD_STATEMENTS("site"),
	[STORE_NOTE] = RECORD_STATEMENTS("note"),
	[STORE_FORGOTTEN] = RECORD_STATEMENTS("forgotten"),
};

_Static_assert(RECORD_KINDS *OPERATION_COUNT <= STORE_SQLITE_SLOTS, "too few slots");

/* A statement of this file. */
static struct store_sqlite_call
call_new(void *database, enum store_record kind, enum operation operation)
{
	return store_sqlite_call(
	    database, (int)kind * OPERATION_COUNT + (int)operation, statements[kind][operation]);
}

/* The key as SQLite's signed integer: the same 64 bits. */
static int64_t
key_signed(uint64_t key)
{
	int64_t value;

	memcpy(&value, &key, sizeof(value));
	return value;
}

enum base_result
store_sqlite_record_get(void *database, struct base_arena *arena, enum store_record kind,
    uint64_t key, struct store_blob *blob_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, kind, GET);
	enum base_result result;

	store_sqlite_int(&call, key_signed(key));
	result = store_sqlite_step(&call, why_r);
	if (result != BASE_OK)
		return result;
	if (!store_sqlite_column_blob(&call, arena, 0, blob_r)) {
		*why_r = base_why("no memory for a record of " STORE_MEMORY_PATH);
		result = BASE_BROKEN;
	}
	store_sqlite_end(&call);
	return result;
}

enum base_result
store_sqlite_record_put(void *database, enum store_record kind, uint64_t key, const void *data,
    size_t length, int64_t expires, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, kind, PUT);

	store_sqlite_int(&call, key_signed(key));
	store_sqlite_int(&call, expires);
	store_sqlite_blob(&call, data, length);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_record_delete(void *database, enum store_record kind, uint64_t key, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, kind, DELETE);

	store_sqlite_int(&call, key_signed(key));
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_record_each(void *database, enum store_record kind,
    bool (*each)(void *context, uint64_t key, const void *data, size_t length), void *context,
    const char **why_r)
{
	struct store_sqlite_call call = call_new(database, kind, EACH);
	enum base_result result;

	while ((result = store_sqlite_step(&call, why_r)) == BASE_OK) {
		int64_t key = sqlite3_column_int64(call.statement, 0);
		const void *data = sqlite3_column_blob(call.statement, 1);

		if (!each(context, (uint64_t)key, data,
			(size_t)sqlite3_column_bytes(call.statement, 1)))
			break;
	}
	store_sqlite_end(&call);
	return result == BASE_NONE ? BASE_OK : result;
}

enum base_result
store_sqlite_record_expire(void *database, int64_t now, const char **why_r)
{
	enum base_result result = BASE_NONE;

	for (int kind = 0; kind < RECORD_KINDS && result == BASE_NONE; kind++) {
		struct store_sqlite_call call = call_new(database, kind, EXPIRE);

		store_sqlite_int(&call, now);
		result = store_sqlite_run(&call, why_r);
	}
	return result;
}
