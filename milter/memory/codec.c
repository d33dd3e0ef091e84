/*
 * NAME
 *	memory/codec - records as bytes and back
 *
 * A record opens with its version and kind. Numbers are little-endian; a contact writes
 * only the parts (sent, received, name) that it has. What cannot be read whole is not a record.
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/memory/internal.h"
#include "milter/memory/wire.h"

/* of a profile 2 has neither domains nor rhythms; the others did not change */
#define CODEC_VERSION 3
#define CODEC_OLDEST 2

enum codec_kind { CODEC_PROFILE = 'p', CODEC_THREAD = 't', CODEC_SITE = 's' };
enum codec_part { CODEC_SENT = 1, CODEC_RECEIVED = 2, CODEC_NAMED = 4 };

/* Opens a record for writing. */
static struct memory_wire
record_new(struct base_arena *arena, enum codec_kind kind, size_t room)
{
	struct memory_wire wire = memory_wire_new(arena, room);

	if (wire.data) {
		memory_put(&wire, CODEC_VERSION, 1);
		memory_put(&wire, kind, 1);
	}
	return wire;
}

/* Hands the bytes out. */
static enum base_result
record_end(const struct memory_wire *wire, const void **data_r, size_t *length_r)
{
	if (!wire->data || wire->failed)
		return BASE_BROKEN;
	*data_r = wire->data;
	*length_r = wire->length;
	return BASE_OK;
}

/* The version of a record of this kind, 0 when it is none. */
static unsigned
record_open(struct memory_wire *wire, enum codec_kind kind)
{
	uint64_t version = memory_take(wire, 1), is = memory_take(wire, 1);

	return version >= CODEC_OLDEST && version <= CODEC_VERSION && is == kind ? (unsigned)version
										 : 0;
}

/* Several weights. */
static void
put_floats(struct memory_wire *wire, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		memory_put_float(wire, values[i]);
}

/* Several weights. */
static void
take_floats(struct memory_wire *wire, float *values_r, size_t count)
{
	for (size_t i = 0; i < count; i++)
		values_r[i] = memory_take_float(wire);
}

/* Are hashes sorted and distinct? */
static bool
is_sorted(const uint64_t *hashes, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (hashes[i] <= hashes[i - 1])
			return false;
	return true;
}

/* --- profile ----------------------------------------------------------------------- */

/* One contact. */
static void
contact_put(struct memory_wire *wire, const struct memory_contact *contact)
{
	unsigned parts = (contact->last_sent ? CODEC_SENT : 0) |
			 (contact->last_received ? CODEC_RECEIVED : 0) |
			 (contact->name ? CODEC_NAMED : 0);

	memory_put(wire, contact->hash, 8);
	memory_put(wire, parts, 1);
	if (parts & CODEC_SENT) {
		memory_put_float(wire, contact->sent);
		memory_put_float(wire, contact->alone);
		memory_put(wire, contact->last_sent, 4);
		memory_put(wire, contact->audiences, 8);
	}
	if (parts & CODEC_RECEIVED) {
		memory_put_float(wire, contact->received);
		memory_put(wire, contact->last_received, 4);
		memory_put(wire, contact->heard, 1);
		memory_put(wire, contact->heard_size, 1);
	}
	if (parts & CODEC_NAMED)
		memory_put(wire, contact->name, 4);
}

/* One contact. */
static void
contact_take(struct memory_wire *wire, struct memory_contact *contact_r)
{
	unsigned parts;

	contact_r->hash = memory_take(wire, 8);
	contact_r->heard = MEMORY_NO_SLOT;
	parts = (unsigned)memory_take(wire, 1);
	if (parts & CODEC_SENT) {
		contact_r->sent = memory_take_float(wire);
		contact_r->alone = memory_take_float(wire);
		contact_r->last_sent = (uint32_t)memory_take(wire, 4);
		contact_r->audiences = memory_take(wire, 8);
	}
	if (parts & CODEC_RECEIVED) {
		contact_r->received = memory_take_float(wire);
		contact_r->last_received = (uint32_t)memory_take(wire, 4);
		contact_r->heard = (uint8_t)memory_take(wire, 1);
		contact_r->heard_size = (uint8_t)memory_take(wire, 1);
	}
	if (parts & CODEC_NAMED)
		contact_r->name = (uint32_t)memory_take(wire, 4);
}

/* When sends come. */
static void
rhythm_put(struct memory_wire *wire, const struct memory_rhythm *rhythm)
{
	memory_put(wire, rhythm->count, 4);
	memory_put(wire, rhythm->last, 4);
	memory_put_float(wire, rhythm->gap);
	memory_put_float(wire, rhythm->deviation);
}

/* When sends come. */
static void
rhythm_take(struct memory_wire *wire, struct memory_rhythm *rhythm_r)
{
	rhythm_r->count = (uint32_t)memory_take(wire, 4);
	rhythm_r->last = (uint32_t)memory_take(wire, 4);
	rhythm_r->gap = memory_take_float(wire);
	rhythm_r->deviation = memory_take_float(wire);
}

/* One audience written to. */
static void
sent_put(struct memory_wire *wire, const struct memory_sent *sent)
{
	memory_put(wire, sent->sum, 8);
	memory_put(wire, sent->size, 4);
	memory_put(wire, sent->first, 4);
	memory_put(wire, sent->last, 4);
	memory_put(wire, sent->count, 4);
	memory_put_float(wire, sent->weight);
	memory_put(wire, sent->is_confirmed, 1);
	rhythm_put(wire, &sent->rhythm);
}

/* One audience written to. */
static void
sent_take(struct memory_wire *wire, unsigned version, struct memory_sent *sent_r)
{
	sent_r->sum = memory_take(wire, 8);
	sent_r->size = (uint32_t)memory_take(wire, 4);
	sent_r->first = (uint32_t)memory_take(wire, 4);
	sent_r->last = (uint32_t)memory_take(wire, 4);
	sent_r->count = (uint32_t)memory_take(wire, 4);
	sent_r->weight = memory_take_float(wire);
	if (version > 2) {
		sent_r->is_confirmed = memory_take(wire, 1) != 0;
		rhythm_take(wire, &sent_r->rhythm);
		return;
	}
	sent_r->rhythm = (struct memory_rhythm){ .count = sent_r->count, .last = sent_r->last };
	sent_r->rhythm.gap = memory_take_float(wire);
	sent_r->rhythm.deviation = memory_take_float(wire);
}

/* One audience received from. */
static void
heard_put(struct memory_wire *wire, const struct memory_heard *heard)
{
	memory_put(wire, heard->sum, 8);
	memory_put_hashes(wire, heard->voices, heard->voice_count);
	memory_put(wire, heard->last_voice, 8);
	memory_put(wire, heard->size, 4);
	memory_put(wire, heard->last, 4);
	memory_put(wire, heard->count, 4);
	memory_put(wire, heard->turns, 2);
	memory_put(wire, heard->answered, 1);
	memory_put(wire, heard->declined, 1);
	memory_put(wire, heard->sketch_count, 1);
	for (size_t i = 0; i < heard->sketch_count; i++)
		memory_put(wire, heard->sketch[i], 4);
}

/* One audience received from. */
static void
heard_take(struct memory_wire *wire, struct memory_heard *heard_r)
{
	size_t count;

	heard_r->sum = memory_take(wire, 8);
	heard_r->voice_count = memory_take_hashes(wire, heard_r->voices, MEMORY_MAX_VOICES);
	heard_r->last_voice = memory_take(wire, 8);
	heard_r->size = (uint32_t)memory_take(wire, 4);
	heard_r->last = (uint32_t)memory_take(wire, 4);
	heard_r->count = (uint32_t)memory_take(wire, 4);
	heard_r->turns = (uint16_t)memory_take(wire, 2);
	heard_r->answered = (uint8_t)memory_take(wire, 1);
	heard_r->declined = (uint8_t)memory_take(wire, 1);
	count = memory_take(wire, 1);
	if (count > MEMORY_SKETCH) {
		wire->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		heard_r->sketch[i] = (uint32_t)memory_take(wire, 4);
	heard_r->sketch_count = (uint8_t)count;
}

/* One mark of a large audience. */
static void
list_put(struct memory_wire *wire, const struct memory_list *list)
{
	memory_put(wire, list->with, 4);
	memory_put(wire, list->without, 4);
}

/* One mark of a large audience. */
static void
list_take(struct memory_wire *wire, struct memory_list *list_r)
{
	list_r->with = (uint32_t)memory_take(wire, 4);
	list_r->without = (uint32_t)memory_take(wire, 4);
}

/* Bytes that a profile needs at most. */
static size_t
profile_room(const struct memory_profile *profile)
{
	return 168 + MEMORY_SIZE_CLASSES * 16 + profile->domain_count * 8 +
	       profile->contact_count * 43 + profile->sent_count * 44 +
	       profile->heard_count * (34 + MEMORY_MAX_VOICES * 8 + MEMORY_SKETCH * 4) +
	       profile->list_count * 8;
}

/* A profile as bytes. */
enum base_result
memory_profile_encode(struct base_arena *arena, const struct memory_profile *profile,
    const void **data_r, size_t *length_r)
{
	struct memory_wire wire = record_new(arena, CODEC_PROFILE, profile_room(profile));

	if (!wire.data)
		return BASE_BROKEN;
	memory_put(&wire, (uint64_t)profile->epoch, 8);
	memory_put(&wire, profile->first, 4);
	memory_put(&wire, profile->last, 4);
	memory_put(&wire, profile->sends, 4);
	memory_put(&wire, profile->received, 4);
	memory_put(&wire, profile->largest, 4);
	put_floats(&wire, profile->sizes, MEMORY_SIZE_CLASSES);
	memory_put_float(&wire, profile->total);
	put_floats(&wire, profile->could, MEMORY_PARENT_CLASSES);
	put_floats(&wire, profile->did, MEMORY_PARENT_CLASSES);
	memory_put(&wire, profile->contact_count, 2);
	memory_put(&wire, profile->sent_count, 1);
	memory_put(&wire, profile->heard_count, 1);
	memory_put(&wire, profile->list_count, 2);
	memory_put(&wire, profile->list_next, 2);
	memory_put(&wire, profile->domain_count, 1);
	memory_put(&wire, profile->domain_sends, 4);
	for (size_t i = 0; i < MEMORY_SIZE_CLASSES; i++)
		rhythm_put(&wire, &profile->rhythms[i]);
	for (size_t i = 0; i < profile->contact_count; i++)
		contact_put(&wire, &profile->contacts[i]);
	for (size_t i = 0; i < profile->sent_count; i++)
		sent_put(&wire, &profile->sent[i]);
	for (size_t i = 0; i < profile->heard_count; i++)
		heard_put(&wire, &profile->heard[i]);
	for (size_t i = 0; i < profile->list_count; i++)
		list_put(&wire, &profile->lists[i]);
	for (size_t i = 0; i < profile->domain_count; i++)
		memory_put(&wire, profile->domains[i], 8);
	return record_end(&wire, data_r, length_r);
}

/* Room for the lists of a profile that is being read; false: arena full. */
static bool
profile_lists_new(struct base_arena *arena, struct memory_profile *profile)
{
	profile->contact_room = profile->contact_count;
	profile->sent_room = profile->sent_count;
	profile->heard_room = profile->heard_count;
	profile->list_room = profile->list_count;
	profile->domain_room = profile->domain_count;
	profile->contacts =
	    base_arena_array(arena, profile->contact_count + 1, sizeof(*profile->contacts));
	profile->sent = base_arena_array(arena, profile->sent_count + 1, sizeof(*profile->sent));
	profile->heard = base_arena_array(arena, profile->heard_count + 1, sizeof(*profile->heard));
	profile->lists = base_arena_array(arena, profile->list_count + 1, sizeof(*profile->lists));
	profile->domains =
	    base_arena_array(arena, profile->domain_count + 1, sizeof(*profile->domains));
	return profile->contacts && profile->sent && profile->heard && profile->lists &&
	       profile->domains;
}

/* Reads the lists; false unless they are what an encoder writes. */
static bool
profile_lists_take(struct memory_wire *wire, unsigned version, struct memory_profile *profile)
{
	for (size_t i = 0; i < profile->contact_count && !wire->failed; i++) {
		contact_take(wire, &profile->contacts[i]);
		if (i && profile->contacts[i].hash <= profile->contacts[i - 1].hash)
			return false;
	}
	for (size_t i = 0; i < profile->sent_count && !wire->failed; i++)
		sent_take(wire, version, &profile->sent[i]);
	for (size_t i = 0; i < profile->heard_count && !wire->failed; i++)
		heard_take(wire, &profile->heard[i]);
	for (size_t i = 0; i < profile->list_count && !wire->failed; i++)
		list_take(wire, &profile->lists[i]);
	for (size_t i = 0; i < profile->domain_count; i++)
		profile->domains[i] = memory_take(wire, 8);
	return memory_wire_is_done(wire);
}

/* The fixed part of a profile. */
static void
profile_head_take(struct memory_wire *wire, unsigned version, struct memory_profile *profile)
{
	profile->epoch = (int64_t)memory_take(wire, 8);
	profile->first = (uint32_t)memory_take(wire, 4);
	profile->last = (uint32_t)memory_take(wire, 4);
	profile->sends = (uint32_t)memory_take(wire, 4);
	profile->received = (uint32_t)memory_take(wire, 4);
	profile->largest = (uint32_t)memory_take(wire, 4);
	take_floats(wire, profile->sizes, MEMORY_SIZE_CLASSES);
	profile->total = memory_take_float(wire);
	take_floats(wire, profile->could, MEMORY_PARENT_CLASSES);
	take_floats(wire, profile->did, MEMORY_PARENT_CLASSES);
	profile->contact_count = memory_take(wire, 2);
	profile->sent_count = memory_take(wire, 1);
	profile->heard_count = memory_take(wire, 1);
	profile->list_count = memory_take(wire, 2);
	profile->list_next = memory_take(wire, 2);
	if (version < 3)
		return;
	profile->domain_count = memory_take(wire, 1);
	profile->domain_sends = (uint32_t)memory_take(wire, 4);
	for (size_t i = 0; i < MEMORY_SIZE_CLASSES; i++)
		rhythm_take(wire, &profile->rhythms[i]);
}

/* Is there no more in a profile than there may be? */
static bool
profile_head_is_sane(const struct memory_profile *profile)
{
	return profile->epoch >= 0 && profile->epoch <= UINT32_MAX &&
	       profile->contact_count <= MEMORY_MAX_CONTACTS &&
	       profile->sent_count <= MEMORY_MAX_SENT && profile->heard_count <= MEMORY_MAX_HEARD &&
	       profile->list_count <= MEMORY_MAX_LISTS && profile->list_next < MEMORY_MAX_LISTS &&
	       profile->domain_count <= MEMORY_MAX_DOMAINS;
}

/* Bytes as a profile. */
enum base_result
memory_profile_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_profile **profile_r)
{
	struct memory_wire wire = memory_wire_over(data, length);
	struct memory_profile *profile = base_arena_alloc(arena, sizeof(*profile));
	unsigned version = record_open(&wire, CODEC_PROFILE);

	if (!profile)
		return BASE_BROKEN;
	if (!version)
		return BASE_NONE;
	profile_head_take(&wire, version, profile);
	if (wire.failed || !profile_head_is_sane(profile))
		return BASE_NONE;
	if (!profile_lists_new(arena, profile))
		return BASE_BROKEN;
	if (!profile_lists_take(&wire, version, profile))
		return BASE_NONE;
	*profile_r = profile;
	return BASE_OK;
}

/* --- thread ------------------------------------------------------------------------ */

/* A thread as bytes. */
enum base_result
memory_thread_encode(struct base_arena *arena, const struct memory_thread *thread,
    const void **data_r, size_t *length_r)
{
	struct memory_wire wire = record_new(arena, CODEC_THREAD,
	    40 + 8 * (size_t)(thread->member_count + thread->hidden_count + thread->copied_count +
			      thread->answerer_count));

	if (!wire.data)
		return BASE_BROKEN;
	memory_put(&wire, thread->originator, 8);
	memory_put(&wire, thread->sum, 8);
	memory_put(&wire, thread->size, 4);
	memory_put(&wire, thread->time, 4);
	memory_put(&wire, thread->answered_all, 1);
	memory_put(&wire,
	    (thread->has_header ? 1 : 0) | (thread->is_one_domain ? 2 : 0) |
		(thread->knows_copied ? 4 : 0),
	    1);
	memory_put_hashes(&wire, thread->members, thread->member_count);
	memory_put_hashes(&wire, thread->hidden, thread->hidden_count);
	memory_put_hashes(&wire, thread->answerers, thread->answerer_count);
	if (thread->knows_copied)
		memory_put_hashes(&wire, thread->copied, thread->copied_count);
	return record_end(&wire, data_r, length_r);
}

/* Bytes as a thread. */
enum base_result
memory_thread_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_thread **thread_r)
{
	struct memory_wire wire = memory_wire_over(data, length);
	struct memory_thread *thread = base_arena_alloc(arena, sizeof(*thread));
	uint64_t flags;

	if (!thread)
		return BASE_BROKEN;
	if (!record_open(&wire, CODEC_THREAD))
		return BASE_NONE;
	thread->originator = memory_take(&wire, 8);
	thread->sum = memory_take(&wire, 8);
	thread->size = (uint32_t)memory_take(&wire, 4);
	thread->time = (uint32_t)memory_take(&wire, 4);
	thread->answered_all = (uint8_t)memory_take(&wire, 1);
	flags = memory_take(&wire, 1);
	thread->has_header = flags & 1;
	thread->is_one_domain = flags & 2;
	thread->member_count = memory_take_hashes(&wire, thread->members, MEMORY_MAX_MEMBERS);
	thread->hidden_count = memory_take_hashes(&wire, thread->hidden, MEMORY_MAX_HIDDEN);
	thread->answerer_count = memory_take_hashes(&wire, thread->answerers, MEMORY_MAX_ANSWERERS);
	thread->knows_copied = flags & 4;
	if (thread->knows_copied)
		thread->copied_count = memory_take_hashes(&wire, thread->copied, MEMORY_MAX_HIDDEN);
	if (!memory_wire_is_done(&wire) || thread->size < thread->member_count ||
	    !is_sorted(thread->members, thread->member_count) ||
	    !is_sorted(thread->hidden, thread->hidden_count) ||
	    !is_sorted(thread->copied, thread->copied_count))
		return BASE_NONE;
	*thread_r = thread;
	return BASE_OK;
}

/* --- site -------------------------------------------------------------------------- */

/* The site as bytes. */
enum base_result
memory_site_encode(
    struct base_arena *arena, const struct memory_site *site, const void **data_r, size_t *length_r)
{
	struct memory_wire wire =
	    record_new(arena, CODEC_SITE, 128 + 4 * (size_t)MEMORY_SCORE_BINS);

	if (!wire.data)
		return BASE_BROKEN;
	memory_put(&wire, (uint64_t)site->epoch, 8);
	memory_put(&wire, site->sends, 4);
	put_floats(&wire, site->sizes, MEMORY_SIZE_CLASSES);
	memory_put_float(&wire, site->total);
	put_floats(&wire, site->could, MEMORY_PARENT_CLASSES);
	put_floats(&wire, site->did, MEMORY_PARENT_CLASSES);
	put_floats(&wire, site->scores, MEMORY_SCORE_BINS);
	memory_put_float(&wire, site->score_total);
	memory_put_float(&wire, site->score_gain);
	memory_put(&wire, site->day, 4);
	memory_put(&wire, site->day_sends[0], 4);
	memory_put(&wire, site->day_sends[1], 4);
	return record_end(&wire, data_r, length_r);
}

/* Bytes as the site. */
enum base_result
memory_site_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_site **site_r)
{
	struct memory_wire wire = memory_wire_over(data, length);
	struct memory_site *site = base_arena_alloc(arena, sizeof(*site));

	if (!site)
		return BASE_BROKEN;
	if (!record_open(&wire, CODEC_SITE))
		return BASE_NONE;
	site->epoch = (int64_t)memory_take(&wire, 8);
	site->sends = (uint32_t)memory_take(&wire, 4);
	take_floats(&wire, site->sizes, MEMORY_SIZE_CLASSES);
	site->total = memory_take_float(&wire);
	take_floats(&wire, site->could, MEMORY_PARENT_CLASSES);
	take_floats(&wire, site->did, MEMORY_PARENT_CLASSES);
	take_floats(&wire, site->scores, MEMORY_SCORE_BINS);
	site->score_total = memory_take_float(&wire);
	site->score_gain = memory_take_float(&wire);
	site->day = (uint32_t)memory_take(&wire, 4);
	site->day_sends[0] = (uint32_t)memory_take(&wire, 4);
	site->day_sends[1] = (uint32_t)memory_take(&wire, 4);
	if (!memory_wire_is_done(&wire) || site->epoch < 0 || site->epoch > UINT32_MAX)
		return BASE_NONE;
	*site_r = site;
	return BASE_OK;
}
