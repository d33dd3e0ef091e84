/*
 * NAME
 *	history/table - decoded records between two writes
 *
 * A hash table with linear probing over an arena. Each record is read from the store once,
 * changed by any number of observations (table_observe.c), and written once.
 */
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/history/table.h"

#define TABLE_SLOTS_MIN 1024                      /* a power of two */
#define TABLE_PROFILE_KEPT (400 * INT64_C(86400)) /* seconds after the last observation */
#define TABLE_THREAD_KEPT (90 * INT64_C(86400))
#define TABLE_RECORDS 8192 /* changed in one transaction */

/* One record as bytes: as it comes from the store, or goes there. */
#define TABLE_ROW (1u << 20)
_Static_assert(2 * HISTORY_MAX_RECORD <= TABLE_ROW, "a record does not fit");

/* A table over a store, or over nothing. */
struct history_table *
history_table_new(struct store *store, size_t max_bytes)
{
	struct history_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->store = store;
	table->half_life = HISTORY_CALIBRATION.half_life;
	table->max_bytes = max_bytes;
	table->arena = base_arena_new(max_bytes);
	table->scratch = base_arena_new(TABLE_SCRATCH);
	table->row = base_arena_new(TABLE_ROW);
	table->slot_count = TABLE_SLOTS_MIN;
	table->slots = calloc(table->slot_count, sizeof(*table->slots));
	if (!table->arena || !table->scratch || !table->row || !table->slots)
		history_table_free(&table);
	return table;
}

void
history_table_half_life(struct history_table *table, double sends)
{
	table->half_life = sends;
}

void
history_table_free(struct history_table **table)
{
	if (!*table)
		return;
	history_table_abandon(*table);
	base_arena_free(&(*table)->arena);
	base_arena_free(&(*table)->scratch);
	base_arena_free(&(*table)->row);
	free((*table)->forgotten);
	free((*table)->slots);
	free(*table);
	*table = NULL;
}

/* Is it time to write, once an observation is over? */
bool
history_table_is_full(const struct history_table *table)
{
	return table->store && (table->used >= TABLE_RECORDS ||
				   base_arena_held(table->arena) >= TABLE_FULL(table->max_bytes));
}

bool
history_table_was_cut(const struct history_table *table)
{
	return table->was_cut;
}

/* Forgets all records. */
void
history_table_reset(struct history_table *table)
{
	base_arena_reset(table->arena);
	base_arena_reset(table->row);
	memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
	table->used = 0;
	table->forgotten_count = 0;
}

/* Where a key is, or where it would go. */
static struct table_slot *
slot_find(struct table_slot *slots, size_t slot_count, enum store_record kind, uint64_t key)
{
	size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) + kind;

	for (;; i++) {
		struct table_slot *slot = &slots[i & (slot_count - 1)];

		if (!slot->is_used || (slot->key == key && slot->kind == kind))
			return slot;
	}
}

/* Doubles the slots when more than half are used; false: no memory. */
static bool
slots_grow(struct history_table *table)
{
	size_t larger = table->slot_count * 2;
	struct table_slot *slots;

	if (table->used * 2 < table->slot_count)
		return true;
	slots = calloc(larger, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; i < table->slot_count; i++)
		if (table->slots[i].is_used)
			*slot_find(slots, larger, table->slots[i].kind, table->slots[i].key) =
			    table->slots[i];
	free(table->slots);
	table->slots = slots;
	table->slot_count = larger;
	return true;
}

/* Bytes as a record of a kind; NONE when they are not one. */
static enum base_result
record_decode(
    struct base_arena *arena, enum store_record kind, struct store_blob blob, void **record_r)
{
	switch (kind) {
	case STORE_PROFILE:
		return history_profile_decode(
		    arena, blob.data, blob.length, (struct history_profile **)record_r);
	case STORE_THREAD:
		return history_thread_decode(
		    arena, blob.data, blob.length, (struct history_thread **)record_r);
	case STORE_GLOBAL:
		return history_global_decode(
		    arena, blob.data, blob.length, (struct history_global **)record_r);
	case STORE_NOTE:
	case STORE_FORGOTTEN:
		break;
	}
	return BASE_NONE;
}

/* Reads a record from the store into the arena; NULL when it is not there. */
static enum base_result
record_load(struct history_table *table, enum store_record kind, uint64_t key, void **record_r,
    const char **why_r)
{
	struct store_blob blob;
	enum base_result result = BASE_NONE;

	*record_r = NULL;
	base_arena_reset(table->row);
	if (table->store)
		result = store_record_get(table->store, table->row, kind, key, &blob, why_r);
	if (result == BASE_OK) {
		result = record_decode(table->arena, kind, blob, record_r);
		if (result == BASE_BROKEN)
			*why_r = base_why("no more room for records");
	}
	return result == BASE_NONE ? BASE_OK : result;
}

/* The slot of a record, read from the store the first time. */
static enum base_result
slot_get(struct history_table *table, enum store_record kind, uint64_t key,
    struct table_slot **slot_r, const char **why_r)
{
	struct table_slot *slot = slot_find(table->slots, table->slot_count, kind, key);
	enum base_result result;
	void *record;

	if (!slot->is_used) {
		if (!slots_grow(table)) {
			*why_r = base_why("no memory for %zu records", table->used);
			return BASE_BROKEN;
		}
		result = record_load(table, kind, key, &record, why_r);
		if (result != BASE_OK)
			return result;
		slot = slot_find(table->slots, table->slot_count, kind, key);
		*slot = (struct table_slot){
			.key = key, .kind = kind, .is_used = true, .record = record
		};
		table->used++;
	}
	*slot_r = slot;
	return BASE_OK;
}

/* A record to look at. */
static enum base_result
record_look(struct history_table *table, enum store_record kind, uint64_t key, void **record_r,
    const char **why_r)
{
	struct table_slot *slot;
	enum base_result result = slot_get(table, kind, key, &slot, why_r);

	if (result == BASE_OK && !slot->record)
		result = BASE_NONE;
	if (result == BASE_OK)
		*record_r = slot->record;
	return result;
}

enum base_result
history_table_profile(struct history_table *table, uint64_t key, struct history_profile **profile_r,
    const char **why_r)
{
	return record_look(table, STORE_PROFILE, key, (void **)profile_r, why_r);
}

enum base_result
history_table_thread(
    struct history_table *table, uint64_t key, struct history_thread **thread_r, const char **why_r)
{
	return record_look(table, STORE_THREAD, key, (void **)thread_r, why_r);
}

enum base_result
history_table_global(
    struct history_table *table, struct history_global **site_r, const char **why_r)
{
	return record_look(table, STORE_GLOBAL, TABLE_SITE_KEY, (void **)site_r, why_r);
}

enum base_result
history_table_change(struct history_table *table, enum store_record kind, uint64_t key, size_t size,
    int64_t time, void **record_r, const char **why_r)
{
	struct table_slot *slot;
	enum base_result result = slot_get(table, kind, key, &slot, why_r);

	if (result != BASE_OK)
		return result;
	if (!slot->record)
		slot->record = base_arena_alloc(table->arena, size);
	if (!slot->record) {
		*why_r = base_why("no more room for records");
		return BASE_BROKEN;
	}
	slot->is_changed = true;
	if (time > slot->time)
		slot->time = time;
	*record_r = slot->record;
	return BASE_OK;
}

/* --- writing ----------------------------------------------------------------------- */

/* Writes one changed record. */
static enum base_result
slot_write(struct history_table *table, const struct table_slot *slot, const char **why_r)
{
	enum base_result result = BASE_BROKEN;
	const void *data = NULL;
	size_t length = 0;
	int64_t expires = 0;

	base_arena_reset(table->row);
	switch (slot->kind) {
	case STORE_PROFILE:
		result = history_profile_encode(table->row, slot->record, &data, &length);
		expires = slot->time + TABLE_PROFILE_KEPT;
		break;
	case STORE_THREAD:
		result = history_thread_encode(table->row, slot->record, &data, &length);
		expires = slot->time + TABLE_THREAD_KEPT;
		break;
	case STORE_GLOBAL:
		result = history_global_encode(table->row, slot->record, &data, &length);
		break;
	case STORE_NOTE: /* never in the table */
	case STORE_FORGOTTEN:
		break;
	}
	if (result != BASE_OK) {
		*why_r = base_why("no memory to write a record");
		return result;
	}
	return store_record_put(table->store, slot->kind, slot->key, data, length, expires, why_r);
}

/* Keeps what must not be written back; false ends the reading: no more room. */
static bool
forgotten_add(void *context, uint64_t key, const void *data, size_t length)
{
	struct history_table *table = context;

	(void)key;
	if (table->forgotten_count == HISTORY_MAX_FORGOTTEN)
		return false;
	if (history_forgotten_decode(data, length, &table->forgotten[table->forgotten_count]))
		table->forgotten_count++;
	return true;
}

/* Takes the store's write lock and starts with an empty table. */
enum base_result
history_table_begin(struct history_table *table, const char **why_r)
{
	enum base_result result;

	if (!table->store || table->is_begun)
		return BASE_OK;
	if (!table->forgotten)
		table->forgotten = calloc(HISTORY_MAX_FORGOTTEN, sizeof(*table->forgotten));
	if (!table->forgotten) {
		*why_r = base_why("no memory to learn");
		return BASE_BROKEN;
	}
	result = store_begin(table->store, why_r);
	if (result != BASE_OK)
		return result;
	table->is_begun = true;
	history_table_reset(table);
	result = store_record_each(table->store, STORE_FORGOTTEN, forgotten_add, table, why_r);
	if (result != BASE_OK)
		history_table_abandon(table);
	return result;
}

/* Gives the lock back; nothing was changed. */
void
history_table_abandon(struct history_table *table)
{
	if (table->is_begun)
		store_rollback(table->store);
	table->is_begun = false;
	if (table->store)
		history_table_reset(table);
}

/* Writes what changed since the table was begun. */
enum base_result
history_table_write(struct history_table *table, const char **why_r)
{
	enum base_result result = BASE_OK;

	if (!table->is_begun)
		return BASE_OK;
	for (size_t i = 0; i < table->slot_count && result == BASE_OK; i++)
		if (table->slots[i].is_used && table->slots[i].is_changed)
			result = slot_write(table, &table->slots[i], why_r);
	if (result == BASE_OK) {
		result = store_commit(table->store, why_r);
		table->is_begun = false;
	}
	history_table_abandon(table);
	return result;
}
