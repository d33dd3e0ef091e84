/*
 * NAME
 *	history/import - mail of the past, learned once
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/history/handle.h"

#define IMPORT_BATCH_MS 100                          /* a batch keeps others waiting no longer */
#define IMPORT_SCRATCH (BASE_KEY_MAX * (256u << 10)) /* bytes of one mail's observations */

/* The batch begins, unless it has. */
enum base_result
history_import_begin(struct history *history, const char **why_r)
{
	if (!history->batch_began)
		history->batch_began = base_tick_ms();
	return history_table_begin(history->table, why_r);
}

/* Writes what the batch has learned. */
enum base_result
history_import_end(struct history *history, const char **why_r)
{
	history->batch_began = 0;
	return history_table_write(history->table, why_r);
}

/* Is it large, or has it kept others waiting for long enough? */
bool
history_import_is_full(const struct history *history)
{
	return history_table_is_full(history->table) ||
	       (history->batch_began && base_tick_ms() - history->batch_began >= IMPORT_BATCH_MS);
}

/* What a mail's note is called. */
static uint64_t
note_key(const struct base_key *key, const struct history_observation *observation)
{
	uint64_t parts[] = { observation->message, observation->sender, observation->recipient_sum,
		observation->recipient_count,
		observation->message ? 0 : (uint64_t)observation->time };

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
note_find(struct history *history, struct base_arena *arena, uint64_t note, const char **why_r)
{
	struct store_blob blob;

	return store_record_get(history->writes, arena, STORE_NOTE, note, &blob, why_r);
}

/* Did a daemon learn it when it passed? Then its thread is there, and no import's note. */
static enum base_result
daemon_knows(struct history *history, const struct base_key *key, struct base_arena *arena,
    const struct history_observation *observation, const char **why_r)
{
	struct history_thread *thread;
	enum base_result result;

	if (!observation->message)
		return BASE_NONE;
	result = history_table_thread(history->table, observation->message, &thread, why_r);
	if (result != BASE_OK || thread->originator != observation->sender)
		return result == BASE_OK ? BASE_NONE : result;
	result = note_find(history, arena, note_message_key(key, observation->message), why_r);
	if (result == BASE_OK)
		return BASE_NONE;
	return result == BASE_NONE ? BASE_OK : result;
}

/* The observation under one key, and that key. */
struct import_part {
	const struct base_key *key;
	struct store_blob data;
	struct history_observation observation;
};

/*
 * A mail's observations under their keys, the oldest first; 0: they are none. A key's time may have
 * ended since they were made: the valid ones are the last.
 */
static size_t
import_parts(const struct base_key *key, struct base_arena *arena, const void *data, size_t length,
    struct import_part parts_r[BASE_KEY_MAX], const char **why_r)
{
	const struct base_key *valid[BASE_KEY_MAX];
	struct store_blob blobs[BASE_KEY_MAX];
	size_t key_count = base_key_valid(key, base_now(), valid);
	size_t blob_count = history_observations_split(data, length, blobs);
	size_t count = key_count < blob_count ? key_count : blob_count;

	*why_r = base_why("%zu bytes are not a lesson", length);
	for (size_t i = 0; i < count; i++) {
		struct import_part *part = &parts_r[i];

		part->key = valid[key_count - count + i];
		part->data = blobs[blob_count - count + i];
		if (history_observation_decode(
			arena, part->data.data, part->data.length, &part->observation) != BASE_OK)
			return 0;
	}
	return count;
}

/* Was this mail learned before? The oldest key's history is whole. */
enum base_result
history_import_known(struct history *history, const struct base_key *key, const void *data,
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
		result =
		    note_find(history, arena, note_key(parts[0].key, &parts[0].observation), why_r);
	if (result == BASE_NONE)
		result = daemon_knows(history, parts[0].key, arena, &parts[0].observation, why_r);
	base_arena_free(&arena);
	return result;
}

/* Leaves a note for as long as an import would take the mail. */
static enum base_result
note_put(struct history *history, uint64_t note, int64_t time, const char **why_r)
{
	return store_record_put(
	    history->writes, STORE_NOTE, note, "", 0, time + HISTORY_IMPORT_OLDEST + 86400, why_r);
}

/* The notes of one mail under one key. */
static enum base_result
notes_put(struct history *history, const struct import_part *part, const char **why_r)
{
	const struct history_observation *observation = &part->observation;
	enum base_result result =
	    note_put(history, note_key(part->key, observation), observation->time, why_r);

	if (result == BASE_OK && observation->message)
		result = note_put(history, note_message_key(part->key, observation->message),
		    observation->time, why_r);
	return result;
}

/* Learns and leaves the notes. */
enum base_result
history_import(struct history *history, const struct base_key *key, const void *data, size_t length,
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
		result = notes_put(history, &parts[i], why_r);
	base_arena_free(&arena);
	if (result == BASE_OK)
		result = history_table_observe(history->table, data, length, why_r);
	return result;
}
