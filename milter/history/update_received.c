/*
 * NAME
 *	history/update_received - what a send changes in the profile of one who got it
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/history/update.h"

/* The slot of least worth among the audiences received from. */
static size_t
received_least(const struct history_profile *profile, int64_t now)
{
	double least_worth = INFINITY;
	size_t least = 0;

	for (size_t i = 0; i < profile->received_count; i++) {
		const struct history_received_audience *received_from = &profile->received_from[i];
		double worth =
		    exp2(((double)received_from->last - (double)now) / HISTORY_HALF_LIFE * 4) *
		    (1 + log2(received_from->count)) * (received_from->size >= 15 ? 2 : 1);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	return least;
}

/* The slot of an audience received from, made if need be; HISTORY_MAX_RECEIVED: arena full. */
static size_t
received_slot(struct base_arena *arena, struct history_profile *profile, uint64_t owner,
    const struct history_observation *observation)
{
	size_t slot;
	struct history_received_audience *list, *received_from;

	for (slot = 0; slot < profile->received_count; slot++)
		if (profile->received_from[slot].sum == observation->member_sum)
			return slot;
	if (profile->received_count < HISTORY_MAX_RECEIVED) {
		list = history_list_grown(arena, profile->received_from, profile->received_count,
		    &profile->received_capacity, HISTORY_MAX_RECEIVED, sizeof(*list));
		if (!list)
			return HISTORY_MAX_RECEIVED;
		profile->received_from = list;
		slot = profile->received_count++;
	} else {
		slot = received_least(profile, observation->time);
		for (size_t i = 0; i < profile->contact_count; i++)
			if (profile->contacts[i].received_from == slot)
				profile->contacts[i].received_from = HISTORY_NO_SLOT;
	}
	received_from = &profile->received_from[slot];
	*received_from = (struct history_received_audience){
		.sum = observation->member_sum,
		.size = observation->member_count - 1,
	};
	for (size_t i = 0;
	     i < observation->person_count && received_from->sketch_count < HISTORY_SKETCH; i++)
		if (observation->people[i].hash != owner)
			received_from->sketch[received_from->sketch_count++] =
			    (uint32_t)(observation->people[i].hash >> 32);
	return slot;
}

/* Leaves a large audience's mark, one for each of its authors; false: arena full. */
static bool
list_mark(struct base_arena *arena, struct history_profile *profile,
    const struct history_observation *observation)
{
	struct history_list mark = {
		.with = (uint32_t)(observation->member_sum >> 32),
		.without = (uint32_t)((observation->member_sum - observation->sender) >> 32),
	};
	struct history_list *lists;

	for (size_t i = 0; i < profile->list_count; i++)
		if (profile->lists[i].with == mark.with &&
		    profile->lists[i].without == mark.without)
			return true;
	if (profile->list_count < HISTORY_MAX_LISTS) {
		lists = history_list_grown(arena, profile->lists, profile->list_count,
		    &profile->list_capacity, HISTORY_MAX_LISTS, sizeof(*lists));
		if (!lists)
			return false;
		profile->lists = lists;
		lists[profile->list_count++] = mark;
		return true;
	}
	profile->lists[profile->list_next] = mark;
	profile->list_next = (profile->list_next + 1) % HISTORY_MAX_LISTS;
	return true;
}

/* Who wrote to an audience. */
static void
received_author(struct history_received_audience *received_from, uint64_t sender, int64_t now)
{
	size_t i = 0;

	if (received_from->count && received_from->last_author != sender &&
	    received_from->author_changes < UINT16_MAX)
		received_from->author_changes++;
	if (now >= received_from->last)
		received_from->last_author = sender;
	history_later(&received_from->last, now);
	if (received_from->count < UINT32_MAX)
		received_from->count++;
	while (i < received_from->author_count && received_from->authors[i] != sender)
		i++;
	if (i == received_from->author_count && i < HISTORY_MAX_AUTHORS)
		received_from->authors[received_from->author_count++] = sender;
}

/* A recipient's profile learns that it was written to. */
enum base_result
history_profile_received(struct base_arena *arena, struct history_profile *profile, uint64_t owner,
    const struct history_observation *observation)
{
	struct history_contact *contact;
	size_t slot = HISTORY_NO_SLOT;

	history_profile_renew(profile, observation->time);
	if (profile->received < UINT32_MAX)
		profile->received++;
	if (observation->member_count > HISTORY_RECEIVED_MIN) {
		slot = received_slot(arena, profile, owner, observation);
		if (slot == HISTORY_MAX_RECEIVED)
			return BASE_BROKEN;
		received_author(
		    &profile->received_from[slot], observation->sender, observation->time);
		if (observation->member_count > HISTORY_LIST_MIN &&
		    !list_mark(arena, profile, observation))
			return BASE_BROKEN;
	}
	contact = history_contact_get(arena, profile, observation->sender, observation->time);
	if (!contact)
		return BASE_BROKEN;
	contact->received += history_weight_now(profile->epoch, observation->time);
	history_name_observe(contact, observation->sender_name);
	if (observation->time < contact->last_received)
		return BASE_OK;
	contact->last_received = (uint32_t)observation->time;
	contact->received_from = (uint8_t)slot;
	contact->received_size =
	    (uint8_t)(observation->member_count > 256 ? 255 : observation->member_count - 1);
	return BASE_OK;
}
