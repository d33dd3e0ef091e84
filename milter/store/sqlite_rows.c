/*
 * sqlite_rows - rows of holds.db read into an arena: one, up to so many, a single value
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

enum base_result
store_sqlite_rows_full(const char **why_r)
{
	*why_r = base_why("no memory for rows of " STORE_HOLDS_PATH);
	return BASE_BROKEN;
}

bool
store_sqlite_column_texts(struct store_sqlite_call *call, struct base_arena *arena,
    const struct store_sqlite_text_column *columns, size_t count)
{
	bool is_whole = true;

	for (size_t i = 0; i < count; i++) {
		*columns[i].text_r = store_sqlite_column_text(call, arena, columns[i].column);
		is_whole = is_whole && *columns[i].text_r != NULL;
	}
	return is_whole;
}

enum base_result
store_sqlite_many(struct store_sqlite_call *call, const struct store_sqlite_row *kind,
    struct base_arena *arena, size_t room, void **rows_r, size_t *count_r, const char **why_r)
{
	char *rows = base_arena_array(arena, room, kind->size);
	enum base_result result = BASE_NONE;
	size_t count = 0;

	if (rows == NULL) {
		store_sqlite_end(call);
		return store_sqlite_rows_full(why_r);
	}
	while (count < room && (result = store_sqlite_step(call, why_r)) == BASE_OK) {
		if (!kind->read(call, arena, rows + count * kind->size)) {
			store_sqlite_end(call);
			return store_sqlite_rows_full(why_r);
		}
		count++;
	}
	store_sqlite_end(call);
	if (result != BASE_OK && result != BASE_NONE)
		return result;
	*rows_r = rows;
	*count_r = count;
	return BASE_OK;
}

enum base_result
store_sqlite_one(struct store_sqlite_call *call, const struct store_sqlite_row *kind,
    struct base_arena *arena, void **row_r, const char **why_r)
{
	void *row = NULL;
	size_t count = 0;
	enum base_result result = store_sqlite_many(call, kind, arena, 1, &row, &count, why_r);

	if (result == BASE_OK && count == 0)
		return BASE_NONE;
	if (result == BASE_OK)
		*row_r = row;
	return result;
}

enum base_result
store_sqlite_one_int(struct store_sqlite_call *call, int64_t *value_r, const char **why_r)
{
	enum base_result result = store_sqlite_step(call, why_r);

	if (result != BASE_OK)
		return result;
	*value_r = sqlite3_column_int64(call->statement, 0);
	store_sqlite_end(call);
	return BASE_OK;
}

enum base_result
store_sqlite_one_blob(struct store_sqlite_call *call, struct base_arena *arena,
    struct store_blob *blob_r, const char **why_r)
{
	enum base_result result = store_sqlite_step(call, why_r);

	if (result != BASE_OK)
		return result;
	if (!store_sqlite_column_blob(call, arena, 0, blob_r))
		result = store_sqlite_rows_full(why_r);
	store_sqlite_end(call);
	return result;
}
