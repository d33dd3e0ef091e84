/*
 * NAME
 *	memory/table - decoded records between two writes
 *
 * A hash table with linear probing over an arena. Each record is read from the store once,
 * changed by any number of lessons, and written once.
 */
#include <stdlib.h>
#include <string.h>

#include "milter/memory/internal.h"

#define TABLE_SLOTS_MIN 1024                      /* a power of two */
#define TABLE_PROFILE_KEPT (400 * INT64_C(86400)) /* seconds after the last lesson */
#define TABLE_THREAD_KEPT (90 * INT64_C(86400))
#define TABLE_SITE_KEY 0
#define TABLE_RECORDS 8192 /* changed in one transaction */

/*
 * Why every lesson fits, whatever its people have heard: a transaction ends between two lessons
 * once its records take TABLE_FULL of the arena, and within one, before the next recipient, once
 * they take TABLE_CUT. From there on one step is left: a recipient's profile, or a sender's with
 * the site's record and two threads'. A list that grows leaves what it outgrew behind, at most
 * as much again; bytes that turn out to be no record leave as much once more; small pieces can
 * leave half of a block unused.
 */
#define TABLE_FULL(max_bytes) ((max_bytes) / 4)
#define TABLE_CUT(max_bytes) ((max_bytes) / 2)
#define TABLE_LIST(count, type) (((count) + 1) * sizeof(type))
#define TABLE_PROFILE_BYTES                                                                \
	(sizeof(struct memory_profile) +                                                   \
	    TABLE_LIST(MEMORY_MAX_CONTACTS, struct memory_contact) +                       \
	    TABLE_LIST(MEMORY_MAX_SENT, struct memory_sent) +                              \
	    TABLE_LIST(MEMORY_MAX_HEARD, struct memory_heard) +                            \
	    TABLE_LIST(MEMORY_MAX_LISTS, struct memory_list) +                             \
	    TABLE_LIST(MEMORY_MAX_DOMAINS, uint64_t))
#define TABLE_STEP_BYTES                                                                   \
	(2 * 3 *                                                                           \
	    (TABLE_PROFILE_BYTES + sizeof(struct memory_site) +                            \
		2 * sizeof(struct memory_thread)))
_Static_assert(TABLE_CUT(MEMORY_TABLE_BYTES) + TABLE_STEP_BYTES <= MEMORY_TABLE_BYTES,
    "one step of a lesson does not fit");

/* One lesson, decoded: its people, and their hashes once more. */
#define TABLE_SCRATCH (256u << 10)
_Static_assert(2 * MEMORY_LESSON_PEOPLE *
	    (sizeof(struct memory_person) + sizeof(uint64_t)) <= TABLE_SCRATCH,
    "a lesson does not fit");

/* One record as bytes: as it comes from the store, or goes there. */
#define TABLE_ROW (1u << 20)
_Static_assert(2 * MEMORY_MAX_RECORD <= TABLE_ROW, "a record does not fit");

struct table_slot {
	uint64_t key;
	enum store_record kind;
	bool is_used;
	bool is_changed;
	void *record; /* NULL: known not to be there */
	int64_t time; /* of the last lesson */
};

struct memory_table {
	struct store *store;
	bool is_begun; /* the store's write lock is ours */
	bool was_cut;  /* the lesson before was written in several transactions */
	size_t max_bytes;
	struct memory_forgotten *forgotten; /* what must not be written back; mostly none */
	size_t forgotten_count;
	struct base_arena *arena;   /* records */
	struct base_arena *scratch; /* of one lesson */
	struct base_arena *row;     /* of one record as bytes */
	struct table_slot *slots;
	size_t slot_count; /* a power of two */
	size_t used;
	double half_life; /* of the site's scores, in sends */
};

/* A table over a store, or over nothing. */
struct memory_table *
memory_table_new(struct store *store, size_t max_bytes)
{
	struct memory_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->store = store;
	table->half_life = MEMORY_CALIBRATION.half_life;
	table->max_bytes = max_bytes;
	table->arena = base_arena_new(max_bytes);
	table->scratch = base_arena_new(TABLE_SCRATCH);
	table->row = base_arena_new(TABLE_ROW);
	table->slot_count = TABLE_SLOTS_MIN;
	table->slots = calloc(table->slot_count, sizeof(*table->slots));
	if (!table->arena || !table->scratch || !table->row || !table->slots)
		memory_table_free(&table);
	return table;
}

void
memory_table_half_life(struct memory_table *table, double sends)
{
	table->half_life = sends;
}

void
memory_table_free(struct memory_table **table)
{
	if (!*table)
		return;
	memory_table_abandon(*table);
	base_arena_free(&(*table)->arena);
	base_arena_free(&(*table)->scratch);
	base_arena_free(&(*table)->row);
	free((*table)->forgotten);
	free((*table)->slots);
	free(*table);
	*table = NULL;
}

/* Is it time to write, once a lesson is over? */
bool
memory_table_is_full(const struct memory_table *table)
{
	return table->store && (table->used >= TABLE_RECORDS ||
				   base_arena_held(table->arena) >=
				       TABLE_FULL(table->max_bytes));
}

bool
memory_table_was_cut(const struct memory_table *table)
{
	return table->was_cut;
}

/* Forgets all records. */
void
memory_table_reset(struct memory_table *table)
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
slots_grow(struct memory_table *table)
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
			*slot_find(slots, larger, table->slots[i].kind,
			    table->slots[i].key) = table->slots[i];
	free(table->slots);
	table->slots = slots;
	table->slot_count = larger;
	return true;
}

/* Bytes as a record of a kind; NONE when they are not one. */
static enum base_result
record_decode(struct base_arena *arena, enum store_record kind, struct store_blob blob,
    void **record_r)
{
	switch (kind) {
	case STORE_PROFILE:
		return memory_profile_decode(
		    arena, blob.data, blob.length, (struct memory_profile **)record_r);
	case STORE_THREAD:
		return memory_thread_decode(
		    arena, blob.data, blob.length, (struct memory_thread **)record_r);
	case STORE_SITE:
		return memory_site_decode(
		    arena, blob.data, blob.length, (struct memory_site **)record_r);
	case STORE_NOTE:
	case STORE_FORGOTTEN:
		break;
	}
	return BASE_NONE;
}

/* Reads a record from the store into the arena; NULL when it is not there. */
static enum base_result
record_load(struct memory_table *table, enum store_record kind, uint64_t key,
    void **record_r, const char **why_r)
{
	struct store_blob blob;
	enum base_result result = BASE_NONE;

	*record_r = NULL;
	base_arena_reset(table->row);
	if (table->store)
		result =
		    store_record_get(table->store, table->row, kind, key, &blob, why_r);
	if (result == BASE_OK) {
		result = record_decode(table->arena, kind, blob, record_r);
		if (result == BASE_BROKEN)
			*why_r = base_why("no more room for records");
	}
	return result == BASE_NONE ? BASE_OK : result;
}

/* The slot of a record, read from the store the first time. */
static enum base_result
slot_get(struct memory_table *table, enum store_record kind, uint64_t key,
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
record_look(struct memory_table *table, enum store_record kind, uint64_t key,
    void **record_r, const char **why_r)
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
memory_table_profile(struct memory_table *table, uint64_t key,
    struct memory_profile **profile_r, const char **why_r)
{
	return record_look(table, STORE_PROFILE, key, (void **)profile_r, why_r);
}

enum base_result
memory_table_thread(struct memory_table *table, uint64_t key,
    struct memory_thread **thread_r, const char **why_r)
{
	return record_look(table, STORE_THREAD, key, (void **)thread_r, why_r);
}

enum base_result
memory_table_site(
    struct memory_table *table, struct memory_site **site_r, const char **why_r)
{
	return record_look(table, STORE_SITE, TABLE_SITE_KEY, (void **)site_r, why_r);
}

/* A record to change, made of `size` zero bytes when it is new. */
static enum base_result
record_change(struct memory_table *table, enum store_record kind, uint64_t key, size_t size,
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

/* A profile to change. */
static enum base_result
profile_change(struct memory_table *table, uint64_t key, int64_t time,
    struct memory_profile **profile_r, const char **why_r)
{
	enum base_result result = record_change(table, STORE_PROFILE, key,
	    sizeof(struct memory_profile), time, (void **)profile_r, why_r);

	if (result == BASE_OK && (*profile_r)->epoch == 0)
		(*profile_r)->epoch = time;
	return result;
}

/* --- one lesson -------------------------------------------------------------------- */

/* What a lesson is about, once the records it needs are found. */
struct table_lesson {
	bool is_first; /* of the keys: the site, which has none, learns once */
	struct memory_lesson lesson;
	uint64_t *recipients;
	size_t recipient_count;
	struct memory_thread *parent; /* NULL: unknown */
	struct memory_answer answer;
};

/* The sender's habits and the site's. */
static enum base_result
learn_sender(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	const struct memory_lesson *lesson = &about->lesson;
	struct memory_profile *profile;
	struct memory_site *site;
	enum base_result result;

	result = profile_change(table, lesson->sender, lesson->time, &profile, why_r);
	if (result == BASE_OK)
		result = record_change(table, STORE_SITE, TABLE_SITE_KEY, sizeof(*site),
		    lesson->time, (void **)&site, why_r);
	if (result != BASE_OK)
		return result;
	about->answer = memory_answer_find(profile, about->parent, lesson->sender,
	    about->recipients, about->recipient_count, lesson->people_count, lesson->time);
	if (about->is_first)
		memory_site_learn(site, lesson, &about->answer, table->half_life);
	result = memory_profile_sent(table->arena, profile, lesson, about->recipients,
	    about->recipient_count, &about->answer);
	if (result != BASE_OK)
		*why_r = base_why("no more room for records");
	return result;
}

/*
 * Writes what a lesson has changed so far, once that is much, and goes on with an empty table:
 * all records that were found before are gone.
 */
static enum base_result
lesson_cut(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	enum base_result result;

	if (!table->store ||
	    base_arena_held(table->arena) < TABLE_CUT(table->max_bytes))
		return BASE_OK;
	about->parent = NULL;
	result = memory_table_write(table, why_r);
	if (result == BASE_OK) {
		table->was_cut = true;
		result = memory_table_begin(table, why_r);
	}
	return result;
}

/* Those who got it: last, because a lesson may be cut here. */
static enum base_result
learn_recipients(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	const struct memory_lesson *lesson = &about->lesson;
	enum base_result result = BASE_OK;

	for (size_t i = 0;
	     i < about->recipient_count && i < MEMORY_LESSON_TAUGHT && result == BASE_OK;
	     i++) {
		struct memory_profile *profile;

		result = lesson_cut(table, about, why_r);
		if (result == BASE_OK)
			result = profile_change(
			    table, about->recipients[i], lesson->time, &profile, why_r);
		if (result != BASE_OK)
			return result;
		result = memory_profile_heard(
		    table->arena, profile, about->recipients[i], lesson);
		if (result != BASE_OK)
			*why_r = base_why("no more room for records");
	}
	return result;
}

/* The message's own thread row, and the parent's count of answers to all. */
static enum base_result
learn_thread(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	const struct memory_lesson *lesson = &about->lesson;
	struct memory_thread *thread;
	enum base_result result = BASE_OK;

	if (about->parent && memory_answer_is_to_all(&about->answer)) {
		result = record_change(table, STORE_THREAD, lesson->parent, sizeof(*thread),
		    lesson->time, (void **)&thread, why_r);
		if (result == BASE_OK && thread->answered_all < UINT8_MAX)
			thread->answered_all++;
	}
	if (result != BASE_OK || !lesson->message || lesson->message == lesson->parent)
		return result;
	result = record_change(table, STORE_THREAD, lesson->message, sizeof(*thread),
	    lesson->time, (void **)&thread, why_r);
	if (result == BASE_OK)
		memory_thread_learn(thread, lesson, about->parent, &about->answer);
	return result;
}

/* The parent's thread, if any, and the recipients. */
static enum base_result
lesson_prepare(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	enum base_result result = BASE_NONE;

	if (memory_lesson_recipients(table->scratch, &about->lesson, &about->recipients,
		&about->recipient_count) != BASE_OK) {
		*why_r = base_why("no memory for a lesson");
		return BASE_BROKEN;
	}
	if (about->lesson.parent)
		result =
		    memory_table_thread(table, about->lesson.parent, &about->parent, why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* All that one lesson changes under its key. */
static enum base_result
lesson_learn(struct memory_table *table, const void *data, size_t length, bool is_first,
    const char **why_r)
{
	struct table_lesson about = { 0 };
	enum base_result result;

	base_arena_reset(table->scratch);
	result = memory_lesson_decode(table->scratch, data, length, &about.lesson);
	if (result != BASE_OK) {
		*why_r = base_why("%zu bytes are not a lesson", length);
		return result;
	}
	memory_lesson_forget(&about.lesson, table->forgotten, table->forgotten_count);
	about.is_first = is_first;
	if (!about.lesson.sender)
		return BASE_OK;
	result = lesson_cut(table, &about, why_r);
	if (result == BASE_OK)
		result = lesson_prepare(table, &about, why_r);
	if (result == BASE_OK && about.lesson.is_send)
		result = learn_sender(table, &about, why_r);
	else if (result == BASE_OK)
		about.answer = memory_answer_find(NULL, about.parent, about.lesson.sender,
		    about.recipients, about.recipient_count, about.lesson.people_count,
		    about.lesson.time);
	if (result == BASE_OK)
		result = learn_thread(table, &about, why_r);
	if (result == BASE_OK)
		result = learn_recipients(table, &about, why_r);
	return result;
}

/* All that the lessons of one mail change: one for each key. */
enum base_result
memory_table_learn(
    struct memory_table *table, const void *data, size_t length, const char **why_r)
{
	struct store_blob parts[BASE_KEY_MAX];
	size_t count = memory_lessons_split(data, length, parts);
	enum base_result result = BASE_OK;

	table->was_cut = false;
	if (count == 0) {
		*why_r = base_why("%zu bytes are not a lesson", length);
		return BASE_REFUSE;
	}
	for (size_t i = 0; i < count && result == BASE_OK; i++)
		result = lesson_learn(table, parts[i].data, parts[i].length, i == 0, why_r);
	return result;
}

/* --- writing ----------------------------------------------------------------------- */

/* Writes one changed record. */
static enum base_result
slot_write(struct memory_table *table, const struct table_slot *slot, const char **why_r)
{
	enum base_result result = BASE_BROKEN;
	const void *data = NULL;
	size_t length = 0;
	int64_t expires = 0;

	base_arena_reset(table->row);
	switch (slot->kind) {
	case STORE_PROFILE:
		result =
		    memory_profile_encode(table->row, slot->record, &data, &length);
		expires = slot->time + TABLE_PROFILE_KEPT;
		break;
	case STORE_THREAD:
		result = memory_thread_encode(table->row, slot->record, &data, &length);
		expires = slot->time + TABLE_THREAD_KEPT;
		break;
	case STORE_SITE:
		result = memory_site_encode(table->row, slot->record, &data, &length);
		break;
	case STORE_NOTE: /* never in the table */
	case STORE_FORGOTTEN:
		break;
	}
	if (result != BASE_OK) {
		*why_r = base_why("no memory to write a record");
		return result;
	}
	return store_record_put(
	    table->store, slot->kind, slot->key, data, length, expires, why_r);
}

/* Keeps what must not be written back; false ends the reading: no more room. */
static bool
forgotten_add(void *context, uint64_t key, const void *data, size_t length)
{
	struct memory_table *table = context;

	(void)key;
	if (table->forgotten_count == MEMORY_MAX_FORGOTTEN)
		return false;
	if (memory_forgotten_decode(
		data, length, &table->forgotten[table->forgotten_count]))
		table->forgotten_count++;
	return true;
}

/* Takes the store's write lock and starts with an empty table. */
enum base_result
memory_table_begin(struct memory_table *table, const char **why_r)
{
	enum base_result result;

	if (!table->store || table->is_begun)
		return BASE_OK;
	if (!table->forgotten)
		table->forgotten = calloc(MEMORY_MAX_FORGOTTEN, sizeof(*table->forgotten));
	if (!table->forgotten) {
		*why_r = base_why("no memory to learn");
		return BASE_BROKEN;
	}
	result = store_begin(table->store, why_r);
	if (result != BASE_OK)
		return result;
	table->is_begun = true;
	memory_table_reset(table);
	result =
	    store_record_each(table->store, STORE_FORGOTTEN, forgotten_add, table, why_r);
	if (result != BASE_OK)
		memory_table_abandon(table);
	return result;
}

/* Gives the lock back; nothing was changed. */
void
memory_table_abandon(struct memory_table *table)
{
	if (table->is_begun)
		store_rollback(table->store);
	table->is_begun = false;
	if (table->store)
		memory_table_reset(table);
}

/* Writes what changed since the table was begun. */
enum base_result
memory_table_write(struct memory_table *table, const char **why_r)
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
	memory_table_abandon(table);
	return result;
}
