/*
 * sqlite_parts - the statements about the parts of holds and the tokens of their letters, in
 * holds.db; the tables are in sqlite_schema.c
 */
#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#include <string.h>

enum slot {
	PART_INSERT,
	PART_UPDATE,
	PART_RENAME,
	PART_LIST,
	PART_LESSON,
	PART_WIPE,
	TOKEN_INSERT,
	SLOT_COUNT,
};

_Static_assert(
    STORE_SQLITE_PART_SLOT + SLOT_COUNT <= STORE_SQLITE_STORM_SLOT, "more statements than slots");

static const char *const statements[] = {
	[PART_INSERT] = "INSERT INTO part (hold_id, queue_id, state, created, asked, lesson,"
			" mail)"
			" VALUES (?, ?, ?, ?, ?, ?, ?)",
	[PART_UPDATE] = "UPDATE part SET state = ?3, created = ?4, asked = ?5, returned = ?6"
			" WHERE hold_id = ?1 AND queue_id = ?2",
	[PART_RENAME] = "UPDATE OR IGNORE part SET queue_id = ?3"
			" WHERE hold_id = ?1 AND queue_id = ?2",
	[PART_LIST] = "SELECT queue_id, state, created, asked, returned, mail FROM part"
		      " WHERE hold_id = ?"
		      " ORDER BY rowid",
	[PART_LESSON] = "SELECT lesson FROM part WHERE hold_id = ? AND queue_id = ?",
	[PART_WIPE] = "UPDATE part SET lesson = x'' WHERE hold_id = ?",
	[TOKEN_INSERT] = "INSERT INTO token (hash, hold_id, expires) VALUES (?, ?, ?)",
};

/* A statement of this file. */
static struct store_sqlite_call
call_new(void *database, enum slot slot)
{
	return store_sqlite_call(database, STORE_SQLITE_PART_SLOT + (int)slot, statements[slot]);
}

enum base_result
store_sqlite_part_insert(void *database, const struct store_part *part, const void *lesson,
    size_t lesson_length, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, PART_INSERT);

	store_sqlite_text(&call, part->hold_id);
	store_sqlite_text(&call, part->queue_id);
	store_sqlite_int(&call, part->state);
	store_sqlite_int(&call, part->created);
	store_sqlite_int(&call, part->asked);
	store_sqlite_blob(&call, lesson, lesson_length);
	store_sqlite_int(&call, part->mail);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_part_update(void *database, const struct store_part *part, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, PART_UPDATE);

	store_sqlite_text(&call, part->hold_id);
	store_sqlite_text(&call, part->queue_id);
	store_sqlite_int(&call, part->state);
	store_sqlite_int(&call, part->created);
	store_sqlite_int(&call, part->asked);
	store_sqlite_int(&call, part->returned);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_part_rename(
    void *database, const struct store_part *part, const char *queue_id, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, PART_RENAME);

	store_sqlite_text(&call, part->hold_id);
	store_sqlite_text(&call, part->queue_id);
	store_sqlite_text(&call, queue_id);
	return store_sqlite_run(&call, why_r);
}

/* Twice the room for parts; NULL when the arena is full. */
static struct store_part *
parts_grow(struct base_arena *arena, struct store_part *parts, size_t count, size_t *room)
{
	size_t wanted = *room > 0 ? *room * 2 : 4;
	struct store_part *more = base_arena_array(arena, wanted, sizeof(*more));

	if (more == NULL)
		return NULL;
	if (count > 0)
		memcpy(more, parts, count * sizeof(*more));
	*room = wanted;
	return more;
}

enum base_result
store_sqlite_part_list(void *database, struct base_arena *arena, const char *hold_id,
    struct store_part **parts_r, size_t *count_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, PART_LIST);
	const char *id = base_arena_strdup(arena, hold_id);
	struct store_part *parts = NULL;
	enum base_result result;
	size_t room = 0;
	size_t count = 0;

	store_sqlite_text(&call, hold_id);
	while ((result = store_sqlite_step(&call, why_r)) == BASE_OK) {
		if (count == room)
			parts = parts_grow(arena, parts, count, &room);
		if (parts == NULL || id == NULL)
			break;
		parts[count].hold_id = id;
		parts[count].queue_id = store_sqlite_column_text(&call, arena, 0);
		parts[count].state = sqlite3_column_int(call.statement, 1);
		parts[count].created = sqlite3_column_int64(call.statement, 2);
		parts[count].asked = sqlite3_column_int64(call.statement, 3);
		parts[count].returned = sqlite3_column_int64(call.statement, 4);
		parts[count].mail = sqlite3_column_int64(call.statement, 5);
		if (parts[count].queue_id == NULL)
			break;
		count++;
	}
	store_sqlite_end(&call);
	if (result == BASE_OK)
		return store_sqlite_rows_full(why_r);
	if (result != BASE_NONE)
		return result;
	*parts_r = parts;
	*count_r = count;
	return BASE_OK;
}

enum base_result
store_sqlite_part_lesson(void *database, struct base_arena *arena, const struct store_part *part,
    struct store_blob *lesson_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, PART_LESSON);

	store_sqlite_text(&call, part->hold_id);
	store_sqlite_text(&call, part->queue_id);
	return store_sqlite_one_blob(&call, arena, lesson_r, why_r);
}

enum base_result
store_sqlite_part_wipe(void *database, const char *hold_id, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, PART_WIPE);

	store_sqlite_text(&call, hold_id);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_token_insert(void *database, const unsigned char hash[BASE_HASH_SIZE],
    const char *hold_id, int64_t expires, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, TOKEN_INSERT);

	store_sqlite_blob(&call, hash, BASE_HASH_SIZE);
	store_sqlite_text(&call, hold_id);
	store_sqlite_int(&call, expires);
	return store_sqlite_run(&call, why_r);
}
