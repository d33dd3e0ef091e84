/*
 * NAME
 *	memory/forget - takes one person out of everything that is known
 */
#include <stdlib.h>
#include <string.h>

#include "milter/memory/internal.h"
#include "milter/memory/wire.h"

#define FORGET_BATCH 256            /* records changed in one transaction */
#define FORGET_SCRATCH (4u << 20)   /* bytes of one record, read and written */
#define FORGET_MAX_KEYS (64u << 20) /* bytes of the keys of one kind that are looked at */

/* --- marks, so that nobody writes back what was forgotten -------------------------- */

/* The hash under a mark's own key. */
static uint64_t
mark_of(const unsigned char key[32], uint64_t hash)
{
	struct base_key *own;
	uint64_t mark;

	if (base_key_from_bytes(key, &own) != BASE_OK)
		return 0;
	mark = base_key_hash64(own, BASE_KEY_FORGET, &hash, sizeof(hash));
	base_key_free(&own);
	return mark;
}

struct memory_forgotten
memory_forgotten_new(uint64_t hash, int64_t now)
{
	struct memory_forgotten forgotten = { .time = now };

	base_random(forgotten.key, sizeof(forgotten.key));
	forgotten.mark = mark_of(forgotten.key, hash);
	return forgotten;
}

void
memory_forgotten_encode(
    const struct memory_forgotten *forgotten, unsigned char bytes_r[MEMORY_FORGOTTEN_BYTES])
{
	struct memory_wire wire = { .data = bytes_r, .room = MEMORY_FORGOTTEN_BYTES };

	memcpy(bytes_r, forgotten->key, sizeof(forgotten->key));
	wire.length = sizeof(forgotten->key);
	memory_put(&wire, forgotten->mark, 8);
	memory_put(&wire, (uint64_t)forgotten->time, 8);
}

bool
memory_forgotten_decode(
    const void *data, size_t length, struct memory_forgotten *forgotten_r)
{
	struct memory_wire wire = memory_wire_over(data, length);

	if (length != MEMORY_FORGOTTEN_BYTES)
		return false;
	memcpy(forgotten_r->key, data, sizeof(forgotten_r->key));
	wire.length = sizeof(forgotten_r->key);
	forgotten_r->mark = memory_take(&wire, 8);
	forgotten_r->time = (int64_t)memory_take(&wire, 8);
	return true;
}

/* Was this person forgotten after this mail? */
static bool
is_forgotten(
    const struct memory_forgotten *forgotten, size_t count, uint64_t hash, int64_t time)
{
	for (size_t i = 0; i < count; i++)
		if (time <= forgotten[i].time &&
		    mark_of(forgotten[i].key, hash) == forgotten[i].mark)
			return true;
	return false;
}

/* One person less in a lesson's counts and sums. */
static void
lesson_lessen(struct memory_lesson *lesson, const struct memory_person *person)
{
	lesson->member_count--;
	lesson->member_sum -= person->hash;
	if (person->places & MEMORY_IN_ENVELOPE) {
		lesson->recipient_count--;
		lesson->recipient_sum -= person->hash;
		lesson->people_count -= lesson->people_count > 0;
	}
}

/* Takes those who were forgotten since out of a lesson. */
void
memory_lesson_forget(
    struct memory_lesson *lesson, const struct memory_forgotten *forgotten, size_t count)
{
	size_t kept = 0;

	if (count == 0)
		return;
	if (is_forgotten(forgotten, count, lesson->sender, lesson->time)) {
		lesson->sender = 0;
		return;
	}
	for (size_t i = 0; i < lesson->person_count; i++)
		if (is_forgotten(forgotten, count, lesson->people[i].hash, lesson->time))
			lesson_lessen(lesson, &lesson->people[i]);
		else
			lesson->people[kept++] = lesson->people[i];
	lesson->person_count = kept;
}

/* --- profiles ---------------------------------------------------------------------- */

/* What the contacts tell of the audiences written to. */
struct sent_known {
	uint64_t sums[MEMORY_MAX_SENT];
	uint32_t counts[MEMORY_MAX_SENT];
};

static void
sent_know(const struct memory_profile *profile, struct sent_known *known_r)
{
	memset(known_r, 0, sizeof(*known_r));
	for (size_t i = 0; i < profile->contact_count; i++) {
		const struct memory_contact *contact = &profile->contacts[i];

		for (uint64_t left = contact->audiences; left; left &= left - 1) {
			size_t slot = (size_t)__builtin_ctzll(left);

			known_r->sums[slot] += contact->hash;
			known_r->counts[slot]++;
		}
	}
}

/* Is this person the only one of an audience whom no contact stands for? Then the sum tells. */
static bool
is_missing(const struct memory_profile *profile, size_t slot,
    const struct sent_known *known, uint64_t hash)
{
	const struct memory_sent *sent = &profile->sent[slot];

	return known->counts[slot] + 1 == sent->size &&
	       sent->sum - known->sums[slot] == hash;
}

/* Takes the hash out of one audience. */
static void
slot_forget(struct memory_profile *profile, size_t slot, uint64_t hash)
{
	struct memory_sent *sent = &profile->sent[slot];

	sent->sum -= hash;
	if (sent->size > 2)
		sent->size--;
	else /* the one who is left is no audience; the sum would be a hash */
		memory_sent_remove(profile, slot);
}

/* Takes the hash out of the audiences that it belongs to; those of its contact are known. */
static bool
sent_forget(struct memory_profile *profile, uint64_t audiences, uint64_t hash)
{
	struct sent_known known;
	bool is_changed = false;

	sent_know(profile, &known);
	for (size_t slot = profile->sent_count; slot-- > 0;) {
		if (!(audiences >> slot & 1) && !is_missing(profile, slot, &known, hash))
			continue;
		slot_forget(profile, slot, hash);
		is_changed = true;
	}
	return is_changed;
}

bool
memory_profile_tells(const struct memory_profile *profile, uint64_t hash)
{
	struct sent_known known;
	bool tells = false;

	sent_know(profile, &known);
	for (size_t slot = 0; slot < profile->sent_count; slot++)
		tells |= is_missing(profile, slot, &known, hash);
	return tells;
}

/* Removes the person from the contacts and the audiences written to. */
static bool
contact_forget(struct memory_profile *profile, uint64_t hash)
{
	const struct memory_contact *found = memory_contact_find(profile, hash);
	bool is_changed = sent_forget(profile, found ? found->audiences : 0, hash);
	size_t place;

	if (!found)
		return is_changed;
	place = (size_t)(found - profile->contacts);
	profile->contact_count--;
	memmove(&profile->contacts[place], &profile->contacts[place + 1],
	    (profile->contact_count - place) * sizeof(*profile->contacts));
	return true;
}

/* Takes the person out of one audience received from. */
static bool
heard_forget(struct memory_heard *heard, uint64_t hash)
{
	size_t voices = 0, sketch = 0;
	bool is_member = heard->last_voice == hash;

	for (size_t i = 0; i < heard->voice_count; i++)
		if (heard->voices[i] != hash)
			heard->voices[voices++] = heard->voices[i];
	for (size_t i = 0; i < heard->sketch_count; i++)
		if (heard->sketch[i] != (uint32_t)(hash >> 32))
			heard->sketch[sketch++] = heard->sketch[i];
	is_member |= voices < heard->voice_count || sketch < heard->sketch_count;
	if (!is_member)
		return false;
	heard->voice_count = (uint8_t)voices;
	heard->sketch_count = (uint8_t)sketch;
	if (heard->last_voice == hash)
		heard->last_voice = 0;
	heard->sum -= hash;
	if (heard->size)
		heard->size--;
	return true;
}

/* Marks of large audiences that a person wrote to go: their two halves tell the person. */
static bool
lists_forget(struct memory_profile *profile, uint64_t hash)
{
	size_t kept = 0, count = profile->list_count;

	for (size_t i = 0; i < count; i++) {
		uint32_t between = profile->lists[i].with - profile->lists[i].without;

		if (between - (uint32_t)(hash >> 32) > 1)
			profile->lists[kept++] = profile->lists[i];
	}
	profile->list_count = kept;
	if (kept < count)
		profile->list_next = 0;
	return kept < count;
}

/* Takes a person out of somebody else's profile. */
bool
memory_profile_forget(struct memory_profile *profile, uint64_t hash)
{
	bool is_changed = contact_forget(profile, hash);

	for (size_t i = 0; i < profile->heard_count; i++)
		is_changed |= heard_forget(&profile->heard[i], hash);
	return lists_forget(profile, hash) || is_changed;
}

/* --- threads ----------------------------------------------------------------------- */

/* Takes a hash out of a list; false: it is not there. */
static bool
hash_remove(uint64_t *hashes, uint8_t *count, uint64_t hash)
{
	uint8_t kept = 0;

	for (uint8_t i = 0; i < *count; i++)
		if (hashes[i] != hash)
			hashes[kept++] = hashes[i];
	if (kept == *count)
		return false;
	*count = kept;
	return true;
}

/* Takes a person out of somebody else's thread. */
bool
memory_thread_forget(struct memory_thread *thread, uint64_t hash)
{
	bool is_member = hash_remove(thread->members, &thread->member_count, hash);
	bool is_changed = is_member;

	is_changed |= hash_remove(thread->hidden, &thread->hidden_count, hash);
	is_changed |= hash_remove(thread->copied, &thread->copied_count, hash);
	is_changed |= hash_remove(thread->answerers, &thread->answerer_count, hash);
	if (is_member) {
		thread->sum -= hash;
		thread->size--;
	}
	return is_changed;
}

/* --- the store --------------------------------------------------------------------- */

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
	struct memory_profile *profile;

	base_arena_reset(arena);
	return memory_profile_decode(arena, data, length, &profile) == BASE_OK &&
	       memory_profile_tells(profile, hash);
}

/* Do these bytes hold the hash, or the half of it that a profile keeps of many? */
static bool
may_hold(const struct forget_keys *found, const void *data, size_t length)
{
	unsigned char bytes[8];
	struct memory_wire wire = { .data = bytes, .room = sizeof(bytes) };

	memory_put(&wire, found->hash, 8);
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
thread_rewrite(struct store *store, struct base_arena *arena, uint64_t key,
    struct store_blob row, uint64_t hash, struct memory_forgotten_count *count,
    const char **why_r)
{
	struct memory_thread *thread;
	enum base_result result =
	    memory_thread_decode(arena, row.data, row.length, &thread);

	if (result == BASE_OK && thread->originator != hash) {
		if (!memory_thread_forget(thread, hash))
			return BASE_OK;
		result = memory_thread_encode(arena, thread, &row.data, &row.length);
		if (result != BASE_OK)
			return result;
		count->changed++;
		return store_record_put(
		    store, STORE_THREAD, key, row.data, row.length, 0, why_r);
	}
	if (result == BASE_BROKEN)
		return result;
	count->removed++;
	return store_record_delete(store, STORE_THREAD, key, why_r);
}

/* Somebody else's profile without the person; what is no profile goes. */
static enum base_result
profile_rewrite(struct store *store, struct base_arena *arena, uint64_t key,
    struct store_blob row, uint64_t hash, struct memory_forgotten_count *count,
    const char **why_r)
{
	struct memory_profile *profile;
	enum base_result result =
	    memory_profile_decode(arena, row.data, row.length, &profile);

	if (result == BASE_BROKEN)
		return result;
	if (result == BASE_NONE) {
		count->removed++;
		return store_record_delete(store, STORE_PROFILE, key, why_r);
	}
	if (!memory_profile_forget(profile, hash))
		return BASE_OK;
	result = memory_profile_encode(arena, profile, &row.data, &row.length);
	if (result != BASE_OK)
		return result;
	count->changed++;
	return store_record_put(store, STORE_PROFILE, key, row.data, row.length, 0, why_r);
}

/* One record, read anew: others may have changed it since it was found. */
static enum base_result
record_rewrite(struct store *store, struct base_arena *arena, enum store_record kind,
    uint64_t key, uint64_t hash, struct memory_forgotten_count *count, const char **why_r)
{
	struct store_blob row;
	enum base_result result;

	base_arena_reset(arena);
	*why_r = "no memory for a record";
	result = store_record_get(store, arena, kind, key, &row, why_r);
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	result = kind == STORE_THREAD
		     ? thread_rewrite(store, arena, key, row, hash, count, why_r)
		     : profile_rewrite(store, arena, key, row, hash, count, why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* Rewrites the records found, a few in each transaction. */
static enum base_result
keys_rewrite(struct store *store, struct base_arena *arena, const struct forget_keys *found,
    struct memory_forgotten_count *count, const char **why_r)
{
	size_t key_count = found->keys.length / sizeof(uint64_t);
	enum base_result result = BASE_OK;

	for (size_t done = 0; done < key_count && result == BASE_OK;) {
		struct memory_forgotten_count before = *count;

		result = store_begin(store, why_r);
		if (result != BASE_OK)
			return result;
		for (size_t i = 0;
		     i < FORGET_BATCH && done < key_count && result == BASE_OK; i++) {
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
kind_forget(struct store *store, struct base_arena *arena, enum store_record kind,
    uint64_t hash, struct memory_forgotten_count *count, const char **why_r)
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
forget_begin(struct store *store, uint64_t hash, struct memory_forgotten_count *count,
    const char **why_r)
{
	struct memory_forgotten forgotten = memory_forgotten_new(hash, base_now());
	unsigned char bytes[MEMORY_FORGOTTEN_BYTES];
	uint64_t key;
	enum base_result result = store_begin(store, why_r);

	if (result != BASE_OK)
		return result;
	base_random(&key, sizeof(key));
	memory_forgotten_encode(&forgotten, bytes);
	result = store_record_put(store, STORE_FORGOTTEN, key, bytes, sizeof(bytes),
	    forgotten.time + MEMORY_FORGOTTEN_KEPT, why_r);
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
    struct memory_forgotten_count *count, const char **why_r)
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
memory_forget(const struct memory_options *options, const struct base_key *key,
    const char *address, struct memory_forgotten_count *count_r, const char **why_r)
{
	struct store_options store_options = { .driver = options->driver,
		.directory = options->directory };
	struct base_arena *arena = base_arena_new(FORGET_SCRATCH);
	struct memory_forgotten_count count = { 0 };
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
		result = person_forget(
		    store, arena, memory_hash(keys[i], address), &count, why_r);
	if (result == BASE_OK)
		result = store_compact(store, why_r);
	store_close(&store);
	base_arena_free(&arena);
	if (result == BASE_OK)
		*count_r = count;
	return result;
}

/* The bytes that lessons which name the address have in them, under each key. */
size_t
memory_lesson_marks(const struct base_key *key, const char *address,
    unsigned char marks_r[BASE_KEY_MAX][MEMORY_MARK_SIZE])
{
	const struct base_key *keys[BASE_KEY_MAX];
	size_t count = base_key_valid(key, BASE_KEY_EVER, keys);

	for (size_t i = 0; i < count; i++) {
		struct memory_wire wire = { .data = marks_r[i], .room = MEMORY_MARK_SIZE };

		memory_put(&wire, memory_hash(keys[i], address), 8);
	}
	return count;
}

/* Not the hash of the records: whoever has the log finds nothing in a copy of the store. */
uint64_t
memory_address_hash(const struct base_key *key, const char *address)
{
	return base_key_hash64(key, BASE_KEY_FORGET, address, strlen(address));
}
