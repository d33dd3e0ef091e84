/* table_queue_entry - the table of the queue files of holds */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/queue_entry.h"

#include <stddef.h>

#include "milter/store/table.h"

#define AT(member) offsetof(struct store_entry, member)

static const struct store_column columns[] = {
	{ "hold_id", STORE_TEXT, AT(hold_id), 1 },
	{ "queue_id", STORE_TEXT, AT(queue_id), 1 },
	{ "state", STORE_INT, AT(state), 1 },
	{ "created", STORE_INT64, AT(created), 1 },
	{ "lesson", STORE_BLOB, STORE_BESIDE, 1 },
	{ "returned", STORE_INT64, AT(returned), 5 },
	{ "asked", STORE_INT64, AT(asked), 5 },
	{ "mail", STORE_INT64, AT(mail), 5 },
};

const struct store_table store_table_entry = { "part", "UNIQUE (hold_id, queue_id)", STORE_IN_ORDER,
	columns, sizeof(columns) / sizeof(*columns), sizeof(struct store_entry) };

enum query { INSERT, UPDATE, RENAME, LIST, OBSERVATION, WIPE, QUERIES };

static const struct store_query queries[QUERIES] = {
	[INSERT] = { &store_table_entry,
	    "INSERT INTO part ({columns}, lesson) VALUES ({values}, {next})" },
	/* which mail it is a file of stays: who writes an entry again need not know */
	[UPDATE] = { NULL, "UPDATE part SET state = $3, created = $4, asked = $5, returned = $6"
			   " WHERE hold_id = $1 AND queue_id = $2" },
	[RENAME] = { NULL, "UPDATE part SET queue_id = $3 WHERE hold_id = $1 AND queue_id = $2"
			   " AND NOT EXISTS (SELECT 1 FROM part AS other WHERE other.hold_id = $1"
			   " AND other.queue_id = $3 AND other.queue_id <> $2)" },
	[LIST] = { &store_table_entry,
	    "SELECT {columns} FROM part WHERE hold_id = $1 ORDER BY rowid" },
	[OBSERVATION] = { &store_table_bytes,
	    "SELECT lesson FROM part WHERE hold_id = $1 AND queue_id = $2" },
	[WIPE] = { NULL, "UPDATE part SET lesson = $2 WHERE hold_id = $1" },
};

enum base_result
store_entry_insert(struct store *store, const struct store_entry *entry, const void *observation,
    size_t observation_length, const char **why_r)
{
	return store_run_row(store, &queries[INSERT], entry,
	    STORE_VALUES(STORE_IS_BLOB(observation, observation_length)), why_r);
}

enum base_result
store_entry_update(struct store *store, const struct store_entry *entry, const char **why_r)
{
	return store_run(store, &queries[UPDATE],
	    STORE_VALUES(STORE_IS_TEXT(entry->hold_id), STORE_IS_TEXT(entry->queue_id),
		STORE_IS_INT64(entry->state), STORE_IS_INT64(entry->created),
		STORE_IS_INT64(entry->asked), STORE_IS_INT64(entry->returned)),
	    why_r);
}

enum base_result
store_entry_rename(
    struct store *store, const struct store_entry *entry, const char *queue_id, const char **why_r)
{
	return store_run(store, &queries[RENAME],
	    STORE_VALUES(STORE_IS_TEXT(entry->hold_id), STORE_IS_TEXT(entry->queue_id),
		STORE_IS_TEXT(queue_id)),
	    why_r);
}

enum base_result
store_entry_list(struct store *store, struct base_arena *arena, const char *hold_id,
    struct store_entry **entries_r, size_t *count_r, const char **why_r)
{
	return store_read(store, &queries[LIST], STORE_VALUES(STORE_IS_TEXT(hold_id)), arena,
	    STORE_ALL, entries_r, count_r, why_r);
}

enum base_result
store_entry_observation(struct store *store, struct base_arena *arena,
    const struct store_entry *entry, struct store_blob *observation_r, const char **why_r)
{
	return store_read_into(store, &queries[OBSERVATION],
	    STORE_VALUES(STORE_IS_TEXT(entry->hold_id), STORE_IS_TEXT(entry->queue_id)), arena,
	    observation_r, why_r);
}

enum base_result
store_entry_wipe(struct store *store, const char *hold_id, const char **why_r)
{
	return store_run(store, &queries[WIPE],
	    STORE_VALUES(STORE_IS_TEXT(hold_id), STORE_IS_BLOB(NULL, 0)), why_r);
}
