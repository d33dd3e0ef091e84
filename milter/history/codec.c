/*
 * NAME
 *	history/codec - records as bytes and back
 *
 * A record opens with its version and kind. Numbers are little-endian; a contact writes
 * only the parts (sent, received, name) that it has. What cannot be read whole is not a record.
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"
#include "milter/history/wire.h"

/* of a profile 2 has neither domains nor rhythms; the others did not change */
#define CODEC_VERSION 3
#define CODEC_OLDEST 2

enum codec_kind { CODEC_PROFILE = 'p', CODEC_THREAD = 't', CODEC_SITE = 's' };
enum codec_part { CODEC_SENT = 1, CODEC_RECEIVED = 2, CODEC_NAMED = 4 };

/* Opens a record for writing. */
static struct history_wire
record_new(struct base_arena *arena, enum codec_kind kind, size_t capacity)
{
	struct history_wire wire = history_wire_new(arena, capacity);

	if (wire.data) {
		history_put(&wire, CODEC_VERSION, 1);
		history_put(&wire, kind, 1);
	}
	return wire;
}

/* Hands the bytes out. */
static enum base_result
record_end(const struct history_wire *wire, const void **data_r, size_t *length_r)
{
	if (!wire->data || wire->failed)
		return BASE_BROKEN;
	*data_r = wire->data;
	*length_r = wire->length;
	return BASE_OK;
}

/* The version of a record of this kind, 0 when it is none. */
static unsigned
record_open(struct history_wire *wire, enum codec_kind kind)
{
	uint64_t version = history_take(wire, 1), is = history_take(wire, 1);

	return version >= CODEC_OLDEST && version <= CODEC_VERSION && is == kind ? (unsigned)version
										 : 0;
}

/* Several weights. */
static void
put_floats(struct history_wire *wire, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		history_put_float(wire, values[i]);
}

/* Several weights. */
static void
take_floats(struct history_wire *wire, float *values_r, size_t count)
{
	for (size_t i = 0; i < count; i++)
		values_r[i] = history_take_float(wire);
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
contact_put(struct history_wire *wire, const struct history_contact *contact)
{
	unsigned parts = (contact->last_sent ? CODEC_SENT : 0) |
			 (contact->last_received ? CODEC_RECEIVED : 0) |
			 (contact->name ? CODEC_NAMED : 0);

	history_put(wire, contact->hash, 8);
	history_put(wire, parts, 1);
	if (parts & CODEC_SENT) {
		history_put_float(wire, contact->sent);
		history_put_float(wire, contact->alone);
		history_put(wire, contact->last_sent, 4);
		history_put(wire, contact->audiences, 8);
	}
	if (parts & CODEC_RECEIVED) {
		history_put_float(wire, contact->received);
		history_put(wire, contact->last_received, 4);
		history_put(wire, contact->received_from, 1);
		history_put(wire, contact->received_size, 1);
	}
	if (parts & CODEC_NAMED)
		history_put(wire, contact->name, 4);
}

/* One contact. */
static void
contact_take(struct history_wire *wire, struct history_contact *contact_r)
{
	unsigned parts;

	contact_r->hash = history_take(wire, 8);
	contact_r->received_from = HISTORY_NO_SLOT;
	parts = (unsigned)history_take(wire, 1);
	if (parts & CODEC_SENT) {
		contact_r->sent = history_take_float(wire);
		contact_r->alone = history_take_float(wire);
		contact_r->last_sent = (uint32_t)history_take(wire, 4);
		contact_r->audiences = history_take(wire, 8);
	}
	if (parts & CODEC_RECEIVED) {
		contact_r->received = history_take_float(wire);
		contact_r->last_received = (uint32_t)history_take(wire, 4);
		contact_r->received_from = (uint8_t)history_take(wire, 1);
		contact_r->received_size = (uint8_t)history_take(wire, 1);
	}
	if (parts & CODEC_NAMED)
		contact_r->name = (uint32_t)history_take(wire, 4);
}

/* When sends come. */
static void
rhythm_put(struct history_wire *wire, const struct history_rhythm *rhythm)
{
	history_put(wire, rhythm->count, 4);
	history_put(wire, rhythm->last, 4);
	history_put_float(wire, rhythm->gap);
	history_put_float(wire, rhythm->deviation);
}

/* When sends come. */
static void
rhythm_take(struct history_wire *wire, struct history_rhythm *rhythm_r)
{
	rhythm_r->count = (uint32_t)history_take(wire, 4);
	rhythm_r->last = (uint32_t)history_take(wire, 4);
	rhythm_r->gap = history_take_float(wire);
	rhythm_r->deviation = history_take_float(wire);
}

/* One audience written to. */
static void
sent_put(struct history_wire *wire, const struct history_sent_audience *sent)
{
	history_put(wire, sent->sum, 8);
	history_put(wire, sent->size, 4);
	history_put(wire, sent->first, 4);
	history_put(wire, sent->last, 4);
	history_put(wire, sent->count, 4);
	history_put_float(wire, sent->weight);
	history_put(wire, sent->is_confirmed, 1);
	rhythm_put(wire, &sent->rhythm);
}

/* One audience written to. */
static void
sent_take(struct history_wire *wire, unsigned version, struct history_sent_audience *sent_r)
{
	sent_r->sum = history_take(wire, 8);
	sent_r->size = (uint32_t)history_take(wire, 4);
	sent_r->first = (uint32_t)history_take(wire, 4);
	sent_r->last = (uint32_t)history_take(wire, 4);
	sent_r->count = (uint32_t)history_take(wire, 4);
	sent_r->weight = history_take_float(wire);
	if (version > 2) {
		sent_r->is_confirmed = history_take(wire, 1) != 0;
		rhythm_take(wire, &sent_r->rhythm);
		return;
	}
	sent_r->rhythm = (struct history_rhythm){ .count = sent_r->count, .last = sent_r->last };
	sent_r->rhythm.gap = history_take_float(wire);
	sent_r->rhythm.deviation = history_take_float(wire);
}

/* One audience received from. */
static void
received_put(struct history_wire *wire, const struct history_received_audience *received_from)
{
	history_put(wire, received_from->sum, 8);
	history_put_hashes(wire, received_from->authors, received_from->author_count);
	history_put(wire, received_from->last_author, 8);
	history_put(wire, received_from->size, 4);
	history_put(wire, received_from->last, 4);
	history_put(wire, received_from->count, 4);
	history_put(wire, received_from->author_changes, 2);
	history_put(wire, received_from->answered, 1);
	history_put(wire, received_from->replied_to_author_only, 1);
	history_put(wire, received_from->sketch_count, 1);
	for (size_t i = 0; i < received_from->sketch_count; i++)
		history_put(wire, received_from->sketch[i], 4);
}

/* One audience received from. */
static void
received_take(struct history_wire *wire, struct history_received_audience *received_r)
{
	size_t count;

	received_r->sum = history_take(wire, 8);
	received_r->author_count =
	    history_take_hashes(wire, received_r->authors, HISTORY_MAX_AUTHORS);
	received_r->last_author = history_take(wire, 8);
	received_r->size = (uint32_t)history_take(wire, 4);
	received_r->last = (uint32_t)history_take(wire, 4);
	received_r->count = (uint32_t)history_take(wire, 4);
	received_r->author_changes = (uint16_t)history_take(wire, 2);
	received_r->answered = (uint8_t)history_take(wire, 1);
	received_r->replied_to_author_only = (uint8_t)history_take(wire, 1);
	count = history_take(wire, 1);
	if (count > HISTORY_SKETCH) {
		wire->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		received_r->sketch[i] = (uint32_t)history_take(wire, 4);
	received_r->sketch_count = (uint8_t)count;
}

/* One mark of a large audience. */
static void
list_put(struct history_wire *wire, const struct history_list *list)
{
	history_put(wire, list->with, 4);
	history_put(wire, list->without, 4);
}

/* One mark of a large audience. */
static void
list_take(struct history_wire *wire, struct history_list *list_r)
{
	list_r->with = (uint32_t)history_take(wire, 4);
	list_r->without = (uint32_t)history_take(wire, 4);
}

/* Bytes that a profile needs at most. */
static size_t
profile_capacity(const struct history_profile *profile)
{
	return 168 + HISTORY_SIZE_CLASSES * 16 + profile->domain_count * 8 +
	       profile->contact_count * 43 + profile->sent_count * 44 +
	       profile->received_count * (34 + HISTORY_MAX_AUTHORS * 8 + HISTORY_SKETCH * 4) +
	       profile->list_count * 8;
}

/* A profile as bytes. */
enum base_result
history_profile_encode(struct base_arena *arena, const struct history_profile *profile,
    const void **data_r, size_t *length_r)
{
	struct history_wire wire = record_new(arena, CODEC_PROFILE, profile_capacity(profile));

	if (!wire.data)
		return BASE_BROKEN;
	history_put(&wire, (uint64_t)profile->epoch, 8);
	history_put(&wire, profile->first, 4);
	history_put(&wire, profile->last, 4);
	history_put(&wire, profile->sends, 4);
	history_put(&wire, profile->received, 4);
	history_put(&wire, profile->largest, 4);
	put_floats(&wire, profile->sizes, HISTORY_SIZE_CLASSES);
	history_put_float(&wire, profile->total);
	put_floats(&wire, profile->reply_all_possible, HISTORY_PARENT_CLASSES);
	put_floats(&wire, profile->reply_all_done, HISTORY_PARENT_CLASSES);
	history_put(&wire, profile->contact_count, 2);
	history_put(&wire, profile->sent_count, 1);
	history_put(&wire, profile->received_count, 1);
	history_put(&wire, profile->list_count, 2);
	history_put(&wire, profile->list_next, 2);
	history_put(&wire, profile->domain_count, 1);
	history_put(&wire, profile->domain_sends, 4);
	for (size_t i = 0; i < HISTORY_SIZE_CLASSES; i++)
		rhythm_put(&wire, &profile->rhythms[i]);
	for (size_t i = 0; i < profile->contact_count; i++)
		contact_put(&wire, &profile->contacts[i]);
	for (size_t i = 0; i < profile->sent_count; i++)
		sent_put(&wire, &profile->sent[i]);
	for (size_t i = 0; i < profile->received_count; i++)
		received_put(&wire, &profile->received_from[i]);
	for (size_t i = 0; i < profile->list_count; i++)
		list_put(&wire, &profile->lists[i]);
	for (size_t i = 0; i < profile->domain_count; i++)
		history_put(&wire, profile->domains[i], 8);
	return record_end(&wire, data_r, length_r);
}

/* Room for the lists of a profile that is being read; false: arena full. */
static bool
profile_lists_new(struct base_arena *arena, struct history_profile *profile)
{
	profile->contact_capacity = profile->contact_count;
	profile->sent_capacity = profile->sent_count;
	profile->received_capacity = profile->received_count;
	profile->list_capacity = profile->list_count;
	profile->domain_capacity = profile->domain_count;
	profile->contacts =
	    base_arena_array(arena, profile->contact_count + 1, sizeof(*profile->contacts));
	profile->sent = base_arena_array(arena, profile->sent_count + 1, sizeof(*profile->sent));
	profile->received_from =
	    base_arena_array(arena, profile->received_count + 1, sizeof(*profile->received_from));
	profile->lists = base_arena_array(arena, profile->list_count + 1, sizeof(*profile->lists));
	profile->domains =
	    base_arena_array(arena, profile->domain_count + 1, sizeof(*profile->domains));
	return profile->contacts && profile->sent && profile->received_from && profile->lists &&
	       profile->domains;
}

/* Reads the lists; false unless they are what an encoder writes. */
static bool
profile_lists_take(struct history_wire *wire, unsigned version, struct history_profile *profile)
{
	for (size_t i = 0; i < profile->contact_count && !wire->failed; i++) {
		contact_take(wire, &profile->contacts[i]);
		if (i && profile->contacts[i].hash <= profile->contacts[i - 1].hash)
			return false;
	}
	for (size_t i = 0; i < profile->sent_count && !wire->failed; i++)
		sent_take(wire, version, &profile->sent[i]);
	for (size_t i = 0; i < profile->received_count && !wire->failed; i++)
		received_take(wire, &profile->received_from[i]);
	for (size_t i = 0; i < profile->list_count && !wire->failed; i++)
		list_take(wire, &profile->lists[i]);
	for (size_t i = 0; i < profile->domain_count; i++)
		profile->domains[i] = history_take(wire, 8);
	return history_wire_is_done(wire);
}

/* The fixed part of a profile. */
static void
profile_head_take(struct history_wire *wire, unsigned version, struct history_profile *profile)
{
	profile->epoch = (int64_t)history_take(wire, 8);
	profile->first = (uint32_t)history_take(wire, 4);
	profile->last = (uint32_t)history_take(wire, 4);
	profile->sends = (uint32_t)history_take(wire, 4);
	profile->received = (uint32_t)history_take(wire, 4);
	profile->largest = (uint32_t)history_take(wire, 4);
	take_floats(wire, profile->sizes, HISTORY_SIZE_CLASSES);
	profile->total = history_take_float(wire);
	take_floats(wire, profile->reply_all_possible, HISTORY_PARENT_CLASSES);
	take_floats(wire, profile->reply_all_done, HISTORY_PARENT_CLASSES);
	profile->contact_count = history_take(wire, 2);
	profile->sent_count = history_take(wire, 1);
	profile->received_count = history_take(wire, 1);
	profile->list_count = history_take(wire, 2);
	profile->list_next = history_take(wire, 2);
	if (version < 3)
		return;
	profile->domain_count = history_take(wire, 1);
	profile->domain_sends = (uint32_t)history_take(wire, 4);
	for (size_t i = 0; i < HISTORY_SIZE_CLASSES; i++)
		rhythm_take(wire, &profile->rhythms[i]);
}

/* Is there no more in a profile than there may be? */
static bool
profile_head_is_sane(const struct history_profile *profile)
{
	return profile->epoch >= 0 && profile->epoch <= UINT32_MAX &&
	       profile->contact_count <= HISTORY_MAX_CONTACTS &&
	       profile->sent_count <= HISTORY_MAX_SENT &&
	       profile->received_count <= HISTORY_MAX_RECEIVED &&
	       profile->list_count <= HISTORY_MAX_LISTS && profile->list_next < HISTORY_MAX_LISTS &&
	       profile->domain_count <= HISTORY_MAX_DOMAINS;
}

/* Bytes as a profile. */
enum base_result
history_profile_decode(
    struct base_arena *arena, const void *data, size_t length, struct history_profile **profile_r)
{
	struct history_wire wire = history_wire_over(data, length);
	struct history_profile *profile = base_arena_alloc(arena, sizeof(*profile));
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
history_thread_encode(struct base_arena *arena, const struct history_thread *thread,
    const void **data_r, size_t *length_r)
{
	struct history_wire wire = record_new(arena, CODEC_THREAD,
	    40 + 8 * (size_t)(thread->member_count + thread->hidden_count + thread->copied_count +
			      thread->replier_count));

	if (!wire.data)
		return BASE_BROKEN;
	history_put(&wire, thread->originator, 8);
	history_put(&wire, thread->sum, 8);
	history_put(&wire, thread->size, 4);
	history_put(&wire, thread->time, 4);
	history_put(&wire, thread->answered_all, 1);
	history_put(&wire,
	    (thread->has_header ? 1 : 0) | (thread->is_one_domain ? 2 : 0) |
		(thread->knows_copied ? 4 : 0),
	    1);
	history_put_hashes(&wire, thread->members, thread->member_count);
	history_put_hashes(&wire, thread->hidden, thread->hidden_count);
	history_put_hashes(&wire, thread->repliers, thread->replier_count);
	if (thread->knows_copied)
		history_put_hashes(&wire, thread->copied, thread->copied_count);
	return record_end(&wire, data_r, length_r);
}

/* Bytes as a thread. */
enum base_result
history_thread_decode(
    struct base_arena *arena, const void *data, size_t length, struct history_thread **thread_r)
{
	struct history_wire wire = history_wire_over(data, length);
	struct history_thread *thread = base_arena_alloc(arena, sizeof(*thread));
	uint64_t flags;

	if (!thread)
		return BASE_BROKEN;
	if (!record_open(&wire, CODEC_THREAD))
		return BASE_NONE;
	thread->originator = history_take(&wire, 8);
	thread->sum = history_take(&wire, 8);
	thread->size = (uint32_t)history_take(&wire, 4);
	thread->time = (uint32_t)history_take(&wire, 4);
	thread->answered_all = (uint8_t)history_take(&wire, 1);
	flags = history_take(&wire, 1);
	thread->has_header = flags & 1;
	thread->is_one_domain = flags & 2;
	thread->member_count = history_take_hashes(&wire, thread->members, HISTORY_MAX_MEMBERS);
	thread->hidden_count = history_take_hashes(&wire, thread->hidden, HISTORY_MAX_HIDDEN);
	thread->replier_count = history_take_hashes(&wire, thread->repliers, HISTORY_MAX_REPLIERS);
	thread->knows_copied = flags & 4;
	if (thread->knows_copied)
		thread->copied_count =
		    history_take_hashes(&wire, thread->copied, HISTORY_MAX_HIDDEN);
	if (!history_wire_is_done(&wire) || thread->size < thread->member_count ||
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
history_global_encode(struct base_arena *arena, const struct history_global *site,
    const void **data_r, size_t *length_r)
{
	struct history_wire wire =
	    record_new(arena, CODEC_SITE, 128 + 4 * (size_t)HISTORY_SCORE_BINS);

	if (!wire.data)
		return BASE_BROKEN;
	history_put(&wire, (uint64_t)site->epoch, 8);
	history_put(&wire, site->sends, 4);
	put_floats(&wire, site->sizes, HISTORY_SIZE_CLASSES);
	history_put_float(&wire, site->total);
	put_floats(&wire, site->reply_all_possible, HISTORY_PARENT_CLASSES);
	put_floats(&wire, site->reply_all_done, HISTORY_PARENT_CLASSES);
	put_floats(&wire, site->scores, HISTORY_SCORE_BINS);
	history_put_float(&wire, site->score_total);
	history_put_float(&wire, site->score_gain);
	history_put(&wire, site->day, 4);
	history_put(&wire, site->day_sends[0], 4);
	history_put(&wire, site->day_sends[1], 4);
	return record_end(&wire, data_r, length_r);
}

/* Bytes as the site. */
enum base_result
history_global_decode(
    struct base_arena *arena, const void *data, size_t length, struct history_global **site_r)
{
	struct history_wire wire = history_wire_over(data, length);
	struct history_global *site = base_arena_alloc(arena, sizeof(*site));

	if (!site)
		return BASE_BROKEN;
	if (!record_open(&wire, CODEC_SITE))
		return BASE_NONE;
	site->epoch = (int64_t)history_take(&wire, 8);
	site->sends = (uint32_t)history_take(&wire, 4);
	take_floats(&wire, site->sizes, HISTORY_SIZE_CLASSES);
	site->total = history_take_float(&wire);
	take_floats(&wire, site->reply_all_possible, HISTORY_PARENT_CLASSES);
	take_floats(&wire, site->reply_all_done, HISTORY_PARENT_CLASSES);
	take_floats(&wire, site->scores, HISTORY_SCORE_BINS);
	site->score_total = history_take_float(&wire);
	site->score_gain = history_take_float(&wire);
	site->day = (uint32_t)history_take(&wire, 4);
	site->day_sends[0] = (uint32_t)history_take(&wire, 4);
	site->day_sends[1] = (uint32_t)history_take(&wire, 4);
	if (!history_wire_is_done(&wire) || site->epoch < 0 || site->epoch > UINT32_MAX)
		return BASE_NONE;
	*site_r = site;
	return BASE_OK;
}
