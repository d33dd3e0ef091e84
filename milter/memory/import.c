/*
 * NAME
 *	memory/import - mail of the past, learned once
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/memory/handle.h"

#define IMPORT_BATCH_MS 100                          /* a batch keeps others waiting no longer */
#define IMPORT_SCRATCH (BASE_KEY_MAX * (256u << 10)) /* bytes of one mail's lessons */

/* The batch begins, unless it has. */
enum base_result
memory_import_begin(struct memory *memory, const char **why_r)
{
	if (!memory->batch_began)
		memory->batch_began = base_tick_ms();
	return memory_table_begin(memory->table, why_r);
}

/* Writes what the batch has learned. */
enum base_result
memory_import_end(struct memory *memory, const char **why_r)
{
	memory->batch_began = 0;
	return memory_table_write(memory->table, why_r);
}

/* Is it large, or has it kept others waiting for long enough? */
bool
memory_import_is_full(const struct memory *memory)
{
	return memory_table_is_full(memory->table) ||
	       (memory->batch_began && base_tick_ms() - memory->batch_began >= IMPORT_BATCH_MS);
}

/* What a mail's note is called. */
static uint64_t
note_key(const struct base_key *key, const struct memory_lesson *lesson)
{
	uint64_t parts[] = { lesson->message, lesson->sender, lesson->recipient_sum,
		lesson->recipient_count, lesson->message ? 0 : (uint64_t)lesson->time };

	return base_key_hash64(key, BASE_KEY_NOTE, parts, sizeof(parts));
}

/* What the note of a message is called that came by an import, in whatever parts. */
static uint64_t
note_message_key(const struct base_key *key, uint64_t message)
{
	return base_key_hash64(key, BASE_KEY_NOTE, &message, sizeof(message));
}

/* Is this note there? */
static enum base_result
note_find(struct memory *memory, struct base_arena *arena, uint64_t note, const char **why_r)
{
	struct store_blob blob;

	return store_record_get(memory->writes, arena, STORE_NOTE, note, &blob, why_r);
}

/* Did a daemon learn it when it passed? Then its thread is there, and no import's note. */
static enum base_result
daemon_knows(struct memory *memory, const struct base_key *key, struct base_arena *arena,
    const struct memory_lesson *lesson, const char **why_r)
{
	struct memory_thread *thread;
	enum base_result result;

	if (!lesson->message)
		return BASE_NONE;
	result = memory_table_thread(memory->table, lesson->message, &thread, why_r);
	if (result != BASE_OK || thread->originator != lesson->sender)
		return result == BASE_OK ? BASE_NONE : result;
	result = note_find(memory, arena, note_message_key(key, lesson->message), why_r);
	if (result == BASE_OK)
		return BASE_NONE;
	return result == BASE_NONE ? BASE_OK : result;
}

/* The lesson under one key, and that key. */
struct import_part {
	const struct base_key *key;
	struct store_blob data;
	struct memory_lesson lesson;
};

/*
 * A mail's lessons under their keys, the oldest first; 0: they are none. A key's time may have
 * ended since they were made: the valid ones are the last.
 */
static size_t
import_parts(const struct base_key *key, struct base_arena *arena, const void *data, size_t length,
    struct import_part parts_r[BASE_KEY_MAX], const char **why_r)
{
	const struct base_key *valid[BASE_KEY_MAX];
	struct store_blob blobs[BASE_KEY_MAX];
	size_t key_count = base_key_valid(key, base_now(), valid);
	size_t blob_count = memory_lessons_split(data, length, blobs);
	size_t count = key_count < blob_count ? key_count : blob_count;

	*why_r = base_why("%zu bytes are not a lesson", length);
	for (size_t i = 0; i < count; i++) {
		struct import_part *part = &parts_r[i];

		part->key = valid[key_count - count + i];
		part->data = blobs[blob_count - count + i];
		if (memory_lesson_decode(
			arena, part->data.data, part->data.length, &part->lesson) != BASE_OK)
			return 0;
	}
	return count;
}

/* Was this mail learned before? The oldest key's history is whole. */
enum base_result
memory_import_known(struct memory *memory, const struct base_key *key, const void *data,
    size_t length, const char **why_r)
{
	struct base_arena *arena = base_arena_new(IMPORT_SCRATCH);
	struct import_part parts[BASE_KEY_MAX];
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to import";
	if (arena)
		result =
		    import_parts(key, arena, data, length, parts, why_r) ? BASE_OK : BASE_REFUSE;
	if (result == BASE_OK)
		result = note_find(memory, arena, note_key(parts[0].key, &parts[0].lesson), why_r);
	if (result == BASE_NONE)
		result = daemon_knows(memory, parts[0].key, arena, &parts[0].lesson, why_r);
	base_arena_free(&arena);
	return result;
}

/* Leaves a note for as long as an import would take the mail. */
static enum base_result
note_put(struct memory *memory, uint64_t note, int64_t time, const char **why_r)
{
	return store_record_put(
	    memory->writes, STORE_NOTE, note, "", 0, time + MEMORY_IMPORT_OLDEST + 86400, why_r);
}

/* The notes of one mail under one key. */
static enum base_result
notes_put(struct memory *memory, const struct import_part *part, const char **why_r)
{
	const struct memory_lesson *lesson = &part->lesson;
	enum base_result result =
	    note_put(memory, note_key(part->key, lesson), lesson->time, why_r);

	if (result == BASE_OK && lesson->message)
		result = note_put(
		    memory, note_message_key(part->key, lesson->message), lesson->time, why_r);
	return result;
}

/* Learns and leaves the notes. */
enum base_result
memory_import(struct memory *memory, const struct base_key *key, const void *data, size_t length,
    const char **why_r)
{
	struct base_arena *arena = base_arena_new(IMPORT_SCRATCH);
	struct import_part parts[BASE_KEY_MAX];
	size_t count = 0;
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to import";
	if (arena) {
		count = import_parts(key, arena, data, length, parts, why_r);
		result = count ? BASE_OK : BASE_REFUSE;
	}
	for (size_t i = 0; i < count && result == BASE_OK; i++)
		result = notes_put(memory, &parts[i], why_r);
	base_arena_free(&arena);
	if (result == BASE_OK)
		result = memory_table_learn(memory->table, data, length, why_r);
	return result;
}
