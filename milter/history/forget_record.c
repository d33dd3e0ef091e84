/*
 * NAME
 *	history/forget_record - takes one person out of an observation, a profile, a thread
 *
 * Nothing here reads or writes: forget.c finds the records, the table those that wait.
 */
#include <string.h>

#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"
#include "milter/history/wire.h"

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

struct history_forgotten
history_forgotten_new(uint64_t hash, int64_t now)
{
	struct history_forgotten forgotten = { .time = now };

	base_random(forgotten.key, sizeof(forgotten.key));
	forgotten.mark = mark_of(forgotten.key, hash);
	return forgotten;
}

void
history_forgotten_encode(
    const struct history_forgotten *forgotten, unsigned char bytes_r[HISTORY_FORGOTTEN_BYTES])
{
	struct history_wire wire = { .data = bytes_r, .capacity = HISTORY_FORGOTTEN_BYTES };

	memcpy(bytes_r, forgotten->key, sizeof(forgotten->key));
	wire.length = sizeof(forgotten->key);
	history_put(&wire, forgotten->mark, 8);
	history_put(&wire, (uint64_t)forgotten->time, 8);
}

bool
history_forgotten_decode(const void *data, size_t length, struct history_forgotten *forgotten_r)
{
	struct history_wire wire = history_wire_over(data, length);

	if (length != HISTORY_FORGOTTEN_BYTES)
		return false;
	memcpy(forgotten_r->key, data, sizeof(forgotten_r->key));
	wire.length = sizeof(forgotten_r->key);
	forgotten_r->mark = history_take(&wire, 8);
	forgotten_r->time = (int64_t)history_take(&wire, 8);
	return true;
}

/* Was this person forgotten after this mail? */
static bool
is_forgotten(const struct history_forgotten *forgotten, size_t count, uint64_t hash, int64_t time)
{
	for (size_t i = 0; i < count; i++)
		if (time <= forgotten[i].time &&
		    mark_of(forgotten[i].key, hash) == forgotten[i].mark)
			return true;
	return false;
}

/* One person less in an observation's counts and sums. */
static void
observation_lessen(struct history_observation *observation, const struct history_person *person)
{
	observation->member_count--;
	observation->member_sum -= person->hash;
	if (person->places & HISTORY_IN_ENVELOPE) {
		observation->recipient_count--;
		observation->recipient_sum -= person->hash;
		observation->people_count -= observation->people_count > 0;
	}
}

/* Takes those who were forgotten since out of an observation. */
void
history_observation_forget(struct history_observation *observation,
    const struct history_forgotten *forgotten, size_t count)
{
	size_t kept = 0;

	if (count == 0)
		return;
	if (is_forgotten(forgotten, count, observation->sender, observation->time)) {
		observation->sender = 0;
		return;
	}
	for (size_t i = 0; i < observation->person_count; i++)
		if (is_forgotten(forgotten, count, observation->people[i].hash, observation->time))
			observation_lessen(observation, &observation->people[i]);
		else
			observation->people[kept++] = observation->people[i];
	observation->person_count = kept;
}

/* --- profiles ---------------------------------------------------------------------- */

/* What the contacts tell of the audiences written to. */
struct sent_known {
	uint64_t sums[HISTORY_MAX_SENT];
	uint32_t counts[HISTORY_MAX_SENT];
};

static void
sent_know(const struct history_profile *profile, struct sent_known *known_r)
{
	memset(known_r, 0, sizeof(*known_r));
	for (size_t i = 0; i < profile->contact_count; i++) {
		const struct history_contact *contact = &profile->contacts[i];

		for (uint64_t left = contact->audiences; left; left &= left - 1) {
			size_t slot = (size_t)__builtin_ctzll(left);

			known_r->sums[slot] += contact->hash;
			known_r->counts[slot]++;
		}
	}
}

/* Is this person the only one of an audience whom no contact stands for? Then the sum tells. */
static bool
is_missing(const struct history_profile *profile, size_t slot, const struct sent_known *known,
    uint64_t hash)
{
	const struct history_sent_audience *sent = &profile->sent[slot];

	return known->counts[slot] + 1 == sent->size && sent->sum - known->sums[slot] == hash;
}

/* Takes the hash out of one audience. */
static void
slot_forget(struct history_profile *profile, size_t slot, uint64_t hash)
{
	struct history_sent_audience *sent = &profile->sent[slot];

	sent->sum -= hash;
	if (sent->size > 2)
		sent->size--;
	else /* the one who is left is no audience; the sum would be a hash */
		history_sent_remove(profile, slot);
}

/* Takes the hash out of the audiences that it belongs to; those of its contact are known. */
static bool
sent_forget(struct history_profile *profile, uint64_t audiences, uint64_t hash)
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
history_profile_reveals(const struct history_profile *profile, uint64_t hash)
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
contact_forget(struct history_profile *profile, uint64_t hash)
{
	const struct history_contact *found = history_contact_find(profile, hash);
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
received_forget(struct history_received_audience *received_from, uint64_t hash)
{
	size_t authors = 0, sketch = 0;
	bool is_member = received_from->last_author == hash;

	for (size_t i = 0; i < received_from->author_count; i++)
		if (received_from->authors[i] != hash)
			received_from->authors[authors++] = received_from->authors[i];
	for (size_t i = 0; i < received_from->sketch_count; i++)
		if (received_from->sketch[i] != (uint32_t)(hash >> 32))
			received_from->sketch[sketch++] = received_from->sketch[i];
	is_member |= authors < received_from->author_count || sketch < received_from->sketch_count;
	if (!is_member)
		return false;
	received_from->author_count = (uint8_t)authors;
	received_from->sketch_count = (uint8_t)sketch;
	if (received_from->last_author == hash)
		received_from->last_author = 0;
	received_from->sum -= hash;
	if (received_from->size)
		received_from->size--;
	return true;
}

/* Marks of large audiences that a person wrote to go: their two halves tell the person. */
static bool
lists_forget(struct history_profile *profile, uint64_t hash)
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
history_profile_forget(struct history_profile *profile, uint64_t hash)
{
	bool is_changed = contact_forget(profile, hash);

	for (size_t i = 0; i < profile->received_count; i++)
		is_changed |= received_forget(&profile->received_from[i], hash);
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
history_thread_forget(struct history_thread *thread, uint64_t hash)
{
	bool is_member = hash_remove(thread->members, &thread->member_count, hash);
	bool is_changed = is_member;

	is_changed |= hash_remove(thread->hidden, &thread->hidden_count, hash);
	is_changed |= hash_remove(thread->copied, &thread->copied_count, hash);
	is_changed |= hash_remove(thread->repliers, &thread->replier_count, hash);
	if (is_member) {
		thread->sum -= hash;
		thread->size--;
	}
	return is_changed;
}
