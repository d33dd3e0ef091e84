/*
 * NAME
 *	history/forget - takes one person out of everything that is stored
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"
#include "milter/history/wire.h"

#define FORGET_BATCH 256            /* records changed in one transaction */
#define FORGET_SCRATCH (4u << 20)   /* bytes of one record, read and written */
#define FORGET_MAX_KEYS (64u << 20) /* bytes of the keys of one kind that are looked at */

/* Keys of records, found while nothing may be changed. */
struct forget_keys {
	uint64_t hash;
	enum store_record kind;
	struct base_arena *arena; /* of one record */
	struct base_buffer keys;  /* uint64_t, one after the other */
};

/* Does a profile tell the hash without having it: by an audience's sum and the others'? */
static bool
profile_tells(struct base_arena *arena, const void *data, size_t length, uint64_t hash)
{
	struct history_profile *profile;

	base_arena_reset(arena);
	return history_profile_decode(arena, data, length, &profile) == BASE_OK &&
	       history_profile_reveals(profile, hash);
}

/* Do these bytes hold the hash, or the half of it that a profile keeps of many? */
static bool
may_hold(const struct forget_keys *found, const void *data, size_t length)
{
	unsigned char bytes[8];
	struct history_wire wire = { .data = bytes, .capacity = sizeof(bytes) };

	history_put(&wire, found->hash, 8);
	if (memmem(data, length, bytes, sizeof(bytes)))
		return true;
	return found->kind == STORE_PROFILE &&
	       (memmem(data, length, bytes + 4, 4) ||
		   profile_tells(found->arena, data, length, found->hash));
}

/* Notes the key of a record that may have to be changed. */
static bool
key_add(void *context, uint64_t key, const void *data, size_t length)
{
	struct forget_keys *found = context;

	if (key != found->hash && may_hold(found, data, length))
		return base_buffer_append(&found->keys, &key, sizeof(key));
	return true;
}

/* A thread without the person; one that the person began goes. */
static enum base_result
thread_rewrite(struct store *store, struct base_arena *arena, uint64_t key, struct store_blob row,
    uint64_t hash, struct history_forgotten_count *count, const char **why_r)
{
	struct history_thread *thread;
	enum base_result result = history_thread_decode(arena, row.data, row.length, &thread);

	if (result == BASE_OK && thread->originator != hash) {
		if (!history_thread_forget(thread, hash))
			return BASE_OK;
		result = history_thread_encode(arena, thread, &row.data, &row.length);
		if (result != BASE_OK)
			return result;
		count->changed++;
		return store_record_put(store, STORE_THREAD, key, row.data, row.length, 0, why_r);
	}
	if (result == BASE_BROKEN)
		return result;
	count->removed++;
	return store_record_delete(store, STORE_THREAD, key, why_r);
}

/* Somebody else's profile without the person; what is no profile goes. */
static enum base_result
profile_rewrite(struct store *store, struct base_arena *arena, uint64_t key, struct store_blob row,
    uint64_t hash, struct history_forgotten_count *count, const char **why_r)
{
	struct history_profile *profile;
	enum base_result result = history_profile_decode(arena, row.data, row.length, &profile);

	if (result == BASE_BROKEN)
		return result;
	if (result == BASE_NONE) {
		count->removed++;
		return store_record_delete(store, STORE_PROFILE, key, why_r);
	}
	if (!history_profile_forget(profile, hash))
		return BASE_OK;
	result = history_profile_encode(arena, profile, &row.data, &row.length);
	if (result != BASE_OK)
		return result;
	count->changed++;
	return store_record_put(store, STORE_PROFILE, key, row.data, row.length, 0, why_r);
}

/* One record, read anew: others may have changed it since it was found. */
static enum base_result
record_rewrite(struct store *store, struct base_arena *arena, enum store_record kind, uint64_t key,
    uint64_t hash, struct history_forgotten_count *count, const char **why_r)
{
	struct store_blob row;
	enum base_result result;

	base_arena_reset(arena);
	*why_r = "no memory for a record";
	result = store_record_get(store, arena, kind, key, &row, why_r);
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	result = kind == STORE_THREAD ? thread_rewrite(store, arena, key, row, hash, count, why_r)
				      : profile_rewrite(store, arena, key, row, hash, count, why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* Rewrites the records found, a few in each transaction. */
static enum base_result
keys_rewrite(struct store *store, struct base_arena *arena, const struct forget_keys *found,
    struct history_forgotten_count *count, const char **why_r)
{
	size_t key_count = found->keys.length / sizeof(uint64_t);
	enum base_result result = BASE_OK;

	for (size_t done = 0; done < key_count && result == BASE_OK;) {
		struct history_forgotten_count before = *count;

		result = store_begin(store, why_r);
		if (result != BASE_OK)
			return result;
		for (size_t i = 0; i < FORGET_BATCH && done < key_count && result == BASE_OK; i++) {
			uint64_t key;

			memcpy(&key, found->keys.data + done++ * sizeof(key), sizeof(key));
			result = record_rewrite(
			    store, arena, found->kind, key, found->hash, count, why_r);
		}
		if (result == BASE_OK) {
			result = store_commit(store, why_r);
		} else {
			store_rollback(store);
			*count = before;
		}
	}
	return result;
}

/* Takes the person out of all records of a kind. */
static enum base_result
kind_forget(struct store *store, struct base_arena *arena, enum store_record kind, uint64_t hash,
    struct history_forgotten_count *count, const char **why_r)
{
	struct forget_keys found = { .hash = hash, .kind = kind, .arena = arena };
	enum base_result result;

	base_buffer_init(&found.keys, FORGET_MAX_KEYS);
	result = store_record_each(store, kind, key_add, &found, why_r);
	if (result == BASE_OK && found.keys.failed) {
		*why_r = base_why("no memory for the keys of the records to change");
		result = BASE_BROKEN;
	}
	if (result == BASE_OK)
		result = keys_rewrite(store, arena, &found, count, why_r);
	base_buffer_free(&found.keys);
	return result;
}

/* From here on nobody learns older mail of this person; their own profile goes. */
static enum base_result
forget_begin(
    struct store *store, uint64_t hash, struct history_forgotten_count *count, const char **why_r)
{
	struct history_forgotten forgotten = history_forgotten_new(hash, base_now());
	unsigned char bytes[HISTORY_FORGOTTEN_BYTES];
	uint64_t key;
	enum base_result result = store_begin(store, why_r);

	if (result != BASE_OK)
		return result;
	base_random(&key, sizeof(key));
	history_forgotten_encode(&forgotten, bytes);
	result = store_record_put(store, STORE_FORGOTTEN, key, bytes, sizeof(bytes),
	    forgotten.time + HISTORY_FORGOTTEN_KEPT, why_r);
	if (result == BASE_OK) {
		result = store_record_delete(store, STORE_PROFILE, hash, why_r);
		count->removed += result == BASE_OK;
	}
	if (result == BASE_OK || result == BASE_NONE)
		return store_commit(store, why_r);
	store_rollback(store);
	return result;
}

/* Takes a person out of the records of one key. */
static enum base_result
person_forget(struct store *store, struct base_arena *arena, uint64_t hash,
    struct history_forgotten_count *count, const char **why_r)
{
	enum base_result result = forget_begin(store, hash, count, why_r);

	if (result == BASE_OK)
		result = kind_forget(store, arena, STORE_PROFILE, hash, count, why_r);
	if (result == BASE_OK)
		result = kind_forget(store, arena, STORE_THREAD, hash, count, why_r);
	return result;
}

/* Takes a person out of the history, of whatever key that is still known. */
enum base_result
history_forget(const struct history_options *options, const struct base_key *key,
    const char *address, struct history_forgotten_count *count_r, const char **why_r)
{
	struct store_options store_options = { .driver = options->driver,
		.directory = options->directory };
	struct base_arena *arena = base_arena_new(FORGET_SCRATCH);
	struct history_forgotten_count count = { 0 };
	const struct base_key *keys[BASE_KEY_MAX];
	size_t key_count = base_key_valid(key, BASE_KEY_EVER, keys);
	struct store *store = NULL;
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to forget";
	if (arena)
		result = store_open(&store_options, STORE_MEMORY, &store, why_r);
	if (result == BASE_OK)
		result = store_record_expire(store, base_now(), why_r);
	for (size_t i = 0; i < key_count && result == BASE_OK; i++)
		result = person_forget(store, arena, history_hash(keys[i], address), &count, why_r);
	if (result == BASE_OK)
		result = store_compact(store, why_r);
	store_close(&store);
	base_arena_free(&arena);
	if (result == BASE_OK)
		*count_r = count;
	return result;
}

/* The bytes that observations which name the address have in them, under each key. */
size_t
history_observation_marks(const struct base_key *key, const char *address,
    unsigned char marks_r[BASE_KEY_MAX][HISTORY_MARK_SIZE])
{
	const struct base_key *keys[BASE_KEY_MAX];
	size_t count = base_key_valid(key, BASE_KEY_EVER, keys);

	for (size_t i = 0; i < count; i++) {
		struct history_wire wire = { .data = marks_r[i], .capacity = HISTORY_MARK_SIZE };

		history_put(&wire, history_hash(keys[i], address), 8);
	}
	return count;
}

/* Not the hash of the records: whoever has the log finds nothing in a copy of the store. */
uint64_t
history_address_hash(const struct base_key *key, const char *address)
{
	return base_key_hash64(key, BASE_KEY_FORGET, address, strlen(address));
}
