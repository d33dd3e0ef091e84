/*
 * NAME
 *	history/update - what every change of a profile needs: weights, room, contacts
 *
 * Weights grow forward: an event at time t counts 2^((t - epoch) / half-life), so that nothing
 * else needs to be touched when time passes. Now and then a record's epoch moves up, before the
 * numbers become large.
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/history/update.h"

#define UPDATE_EPOCH_AGE 16 /* half-lives after which the epoch moves */

/* What one event at `now` adds to weights of `epoch`. */
float
history_weight_now(int64_t epoch, int64_t now)
{
	return (float)exp2((double)(now - epoch) / HISTORY_HALF_LIFE);
}

/* Is the epoch so old that it should move? Then `factor_r` brings weights to `now`. */
static bool
epoch_is_old(int64_t epoch, int64_t now, float *factor_r)
{
	if ((double)(now - epoch) / HISTORY_HALF_LIFE < UPDATE_EPOCH_AGE)
		return false;
	*factor_r = (float)history_fade(epoch, now);
	return true;
}

/* Mail is not always learned in its order: a time only ever moves on. */
void
history_later(uint32_t *time, int64_t now)
{
	if ((uint32_t)now > *time)
		*time = (uint32_t)now;
}

static void
scale(float *values, size_t count, float factor)
{
	for (size_t i = 0; i < count; i++)
		values[i] *= factor;
}

/* Moves a profile's epoch when it is time. */
void
history_profile_renew(struct history_profile *profile, int64_t now)
{
	float factor;

	if (!epoch_is_old(profile->epoch, now, &factor))
		return;
	for (size_t i = 0; i < profile->contact_count; i++) {
		profile->contacts[i].sent *= factor;
		profile->contacts[i].alone *= factor;
		profile->contacts[i].received *= factor;
	}
	for (size_t i = 0; i < profile->sent_count; i++)
		profile->sent[i].weight *= factor;
	scale(profile->sizes, HISTORY_SIZE_CLASSES, factor);
	scale(profile->reply_all_possible, HISTORY_PARENT_CLASSES, factor);
	scale(profile->reply_all_done, HISTORY_PARENT_CLASSES, factor);
	profile->total *= factor;
	profile->epoch = now;
}

/* A profile that knows nothing. */
struct history_profile *
history_profile_new(struct base_arena *arena, int64_t epoch)
{
	struct history_profile *profile = base_arena_alloc(arena, sizeof(*profile));

	if (profile)
		profile->epoch = epoch;
	return profile;
}

/* Room for one more element: the list itself, a larger copy, or NULL when the arena is
 * full. */
void *
history_list_grown(
    struct base_arena *arena, void *list, size_t count, size_t *capacity, size_t max, size_t size)
{
	size_t larger = *capacity < 4 ? 4 : *capacity * 2;
	void *copy;

	if (count < *capacity)
		return list;
	if (larger > max)
		larger = max;
	copy = base_arena_array(arena, larger, size);
	if (!copy)
		return NULL;
	if (count)
		memcpy(copy, list, count * size);
	*capacity = larger;
	return copy;
}

/* How much a full profile would lose with this contact. */
static double
contact_worth(
    const struct history_contact *contact, const struct history_profile *profile, int64_t now)
{
	int64_t last = contact->last_sent > contact->last_received ? contact->last_sent
								   : contact->last_received;
	double fade = history_fade(profile->epoch, now);

	return (4 * (double)contact->sent + (double)contact->received) * fade +
	       0.5 * exp2((double)(last - now) / HISTORY_HALF_LIFE * 2);
}

/* Removes an audience written to; the last one takes its place, and its bit. */
void
history_sent_remove(struct history_profile *profile, size_t slot)
{
	size_t last = --profile->sent_count;

	profile->sent[slot] = profile->sent[last];
	for (size_t i = 0; i < profile->contact_count; i++) {
		uint64_t *audiences = &profile->contacts[i].audiences;
		uint64_t had = *audiences >> last & 1;

		*audiences &= ~(UINT64_C(1) << slot | UINT64_C(1) << last);
		if (slot != last)
			*audiences |= had << slot;
	}
}

/*
 * Removes the audiences of one or two that a contact belongs to, before it goes: their sum is
 * its hash, or tells it by the other one's, and nobody would know any more whose it is.
 */
static void
sent_small_remove(struct history_profile *profile, uint64_t audiences)
{
	for (size_t slot = profile->sent_count; slot-- > 0;)
		if (audiences >> slot & 1 && profile->sent[slot].size <= 2)
			history_sent_remove(profile, slot);
}

/* Makes room in a full profile: the contact of least worth goes. */
static void
contact_evict(struct history_profile *profile, int64_t now)
{
	size_t least = 0;
	double least_worth = INFINITY;

	for (size_t i = 0; i < profile->contact_count; i++) {
		double worth = contact_worth(&profile->contacts[i], profile, now);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	sent_small_remove(profile, profile->contacts[least].audiences);
	profile->contact_count--;
	memmove(&profile->contacts[least], &profile->contacts[least + 1],
	    (profile->contact_count - least) * sizeof(*profile->contacts));
}

/* The contact, made if need be. NULL: arena full. */
struct history_contact *
history_contact_get(
    struct base_arena *arena, struct history_profile *profile, uint64_t hash, int64_t now)
{
	size_t place = history_contact_index(profile, hash);
	struct history_contact *contacts;

	if (place < profile->contact_count && profile->contacts[place].hash == hash)
		return &profile->contacts[place];
	if (profile->contact_count >= HISTORY_MAX_CONTACTS) {
		contact_evict(profile, now);
		place = history_contact_index(profile, hash);
	}
	contacts = history_list_grown(arena, profile->contacts, profile->contact_count,
	    &profile->contact_capacity, HISTORY_MAX_CONTACTS, sizeof(*contacts));
	if (!contacts)
		return NULL;
	profile->contacts = contacts;
	memmove(&contacts[place + 1], &contacts[place],
	    (profile->contact_count - place) * sizeof(*contacts));
	profile->contact_count++;
	contacts[place] =
	    (struct history_contact){ .hash = hash, .received_from = HISTORY_NO_SLOT };
	return &contacts[place];
}

/* The name that was seen last is the one under which a contact is known. */
void
history_name_observe(struct history_contact *contact, uint32_t name)
{
	if (name)
		contact->name = name;
}
