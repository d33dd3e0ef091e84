/*
 * table_record - the tables of memory.db and their statements
 *
 * One table per kind, keyed by the hash as a signed number of 64 bits: with records of several KiB
 * one descent of a small tree finds the row, however long the history is. `expires` stands before
 * the record, so that expiry reads no record.
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/record.h"

#include <stddef.h>

#include "milter/store/table.h"

struct row {
	uint64_t key;
	int64_t expires;
	struct store_blob record;
};

#define COLUMNS(since)                                                                             \
	{                                                                                          \
		{ "key", STORE_INT64, offsetof(struct row, key), since },                          \
		    { "expires", STORE_INT64, offsetof(struct row, expires), since },              \
		    { "record", STORE_BLOB, offsetof(struct row, record), since },                 \
	}
#define TABLE(name, columns)                                                                       \
	{                                                                                          \
		name, "PRIMARY KEY (key)", STORE_PLAIN, columns, 3, sizeof(struct row)             \
	}

static const struct store_column columns[] = COLUMNS(1), columns_2[] = COLUMNS(2);

const struct store_table store_table_records[STORE_RECORDS] = {
	[STORE_PROFILE] = TABLE("profile", columns),
	[STORE_THREAD] = TABLE("thread", columns),
	[STORE_GLOBAL] = TABLE("site", columns),
	[STORE_NOTE] = TABLE("note", columns_2),
	[STORE_FORGOTTEN] = TABLE("forgotten", columns_2),
};

enum operation { GET, PUT, DELETE, EACH, EXPIRE, OPERATIONS };

#define QUERIES(kind, name)                                                                        \
	[kind] = {                                                                                 \
		[GET] = { &store_table_bytes, "SELECT record FROM " name " WHERE key = $1" },      \
		[PUT] = { &store_table_records[kind],                                              \
		    "INSERT INTO " name " ({columns}) VALUES ({values}) ON CONFLICT (key)"         \
		    " DO UPDATE SET record = excluded.record, expires = CASE WHEN " name           \
		    ".expires > excluded.expires THEN " name                                       \
		    ".expires ELSE excluded.expires END" },                                        \
		[DELETE] = { NULL, "DELETE FROM " name " WHERE key = $1" },                        \
		[EACH] = { &store_table_records[kind], "SELECT {columns} FROM " name },            \
		[EXPIRE] = { NULL, "DELETE FROM " name " WHERE key IN (SELECT key FROM " name      \
				   " WHERE expires <> 0 AND expires < $1"                          \
				   " ORDER BY expires LIMIT " STORE_PURGE ")" },                   \
	}

static const struct store_query queries[STORE_RECORDS][OPERATIONS] = {
	QUERIES(STORE_PROFILE, "profile"),
	QUERIES(STORE_THREAD, "thread"),
	QUERIES(STORE_GLOBAL, "site"),
	QUERIES(STORE_NOTE, "note"),
	QUERIES(STORE_FORGOTTEN, "forgotten"),
};

enum base_result
store_record_get(struct store *store, struct base_arena *arena, enum store_record kind,
    uint64_t key, struct store_blob *blob_r, const char **why_r)
{
	return store_read_into(store, &queries[kind][GET],
	    STORE_VALUES(STORE_IS_INT64((int64_t)key)), arena, blob_r, why_r);
}

enum base_result
store_record_put(struct store *store, enum store_record kind, uint64_t key, const void *data,
    size_t length, int64_t expires, const char **why_r)
{
	const struct row row = { key, expires, { data, length } };

	return store_run_row(store, &queries[kind][PUT], &row, STORE_NO_VALUES, why_r);
}

enum base_result
store_record_delete(struct store *store, enum store_record kind, uint64_t key, const char **why_r)
{
	return store_run(
	    store, &queries[kind][DELETE], STORE_VALUES(STORE_IS_INT64((int64_t)key)), why_r);
}

/* Whom to give each record to. */
struct visit {
	bool (*each)(void *context, uint64_t key, const void *data, size_t length);
	void *context;
};

/* Gives one record away. */
static bool
visit_row(void *context, const void *read)
{
	const struct visit *visit = context;
	const struct row *row = read;

	return visit->each(visit->context, row->key, row->record.data, row->record.length);
}

enum base_result
store_record_each(struct store *store, enum store_record kind,
    bool (*each)(void *context, uint64_t key, const void *data, size_t length), void *context,
    const char **why_r)
{
	struct visit visit = { each, context };
	struct row row;

	return store_read_each(store, &queries[kind][EACH], &row, visit_row, &visit, why_r);
}

enum base_result
store_record_expire(struct store *store, int64_t now, const char **why_r)
{
	enum base_result result = BASE_NONE;

	/* each piece takes the lock anew, so that readers get their turn */
	for (int kind = 0; kind < STORE_RECORDS; kind++) {
		do
			result = store_run(store, &queries[kind][EXPIRE],
			    STORE_VALUES(STORE_IS_INT64(now)), why_r);
		while (result == BASE_OK);
		if (result != BASE_NONE)
			return result;
	}
	return BASE_OK;
}
