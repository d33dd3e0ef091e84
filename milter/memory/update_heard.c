/*
 * NAME
 *	memory/update_heard - what a send changes in the profile of one who got it
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/memory/update.h"

/* The slot of least worth among the audiences received from. */
static size_t
heard_least(const struct memory_profile *profile, int64_t now)
{
	double least_worth = INFINITY;
	size_t least = 0;

	for (size_t i = 0; i < profile->heard_count; i++) {
		const struct memory_heard *heard = &profile->heard[i];
		double worth = exp2(((double)heard->last - (double)now) / MEMORY_HALF_LIFE * 4) *
			       (1 + log2(heard->count)) * (heard->size >= 15 ? 2 : 1);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	return least;
}

/* The slot of an audience received from, made if need be; MEMORY_MAX_HEARD: arena full. */
static size_t
heard_slot(struct base_arena *arena, struct memory_profile *profile, uint64_t owner,
    const struct memory_lesson *lesson)
{
	size_t slot;
	struct memory_heard *list, *heard;

	for (slot = 0; slot < profile->heard_count; slot++)
		if (profile->heard[slot].sum == lesson->member_sum)
			return slot;
	if (profile->heard_count < MEMORY_MAX_HEARD) {
		list = memory_list_grown(arena, profile->heard, profile->heard_count,
		    &profile->heard_room, MEMORY_MAX_HEARD, sizeof(*list));
		if (!list)
			return MEMORY_MAX_HEARD;
		profile->heard = list;
		slot = profile->heard_count++;
	} else {
		slot = heard_least(profile, lesson->time);
		for (size_t i = 0; i < profile->contact_count; i++)
			if (profile->contacts[i].heard == slot)
				profile->contacts[i].heard = MEMORY_NO_SLOT;
	}
	heard = &profile->heard[slot];
	*heard = (struct memory_heard){
		.sum = lesson->member_sum,
		.size = lesson->member_count - 1,
	};
	for (size_t i = 0; i < lesson->person_count && heard->sketch_count < MEMORY_SKETCH; i++)
		if (lesson->people[i].hash != owner)
			heard->sketch[heard->sketch_count++] =
			    (uint32_t)(lesson->people[i].hash >> 32);
	return slot;
}

/* Leaves a large audience's mark, one for each of its authors; false: arena full. */
static bool
list_mark(
    struct base_arena *arena, struct memory_profile *profile, const struct memory_lesson *lesson)
{
	struct memory_list mark = {
		.with = (uint32_t)(lesson->member_sum >> 32),
		.without = (uint32_t)((lesson->member_sum - lesson->sender) >> 32),
	};
	struct memory_list *lists;

	for (size_t i = 0; i < profile->list_count; i++)
		if (profile->lists[i].with == mark.with &&
		    profile->lists[i].without == mark.without)
			return true;
	if (profile->list_count < MEMORY_MAX_LISTS) {
		lists = memory_list_grown(arena, profile->lists, profile->list_count,
		    &profile->list_room, MEMORY_MAX_LISTS, sizeof(*lists));
		if (!lists)
			return false;
		profile->lists = lists;
		lists[profile->list_count++] = mark;
		return true;
	}
	profile->lists[profile->list_next] = mark;
	profile->list_next = (profile->list_next + 1) % MEMORY_MAX_LISTS;
	return true;
}

/* Who wrote to an audience. */
static void
heard_voice(struct memory_heard *heard, uint64_t sender, int64_t now)
{
	size_t i = 0;

	if (heard->count && heard->last_voice != sender && heard->turns < UINT16_MAX)
		heard->turns++;
	if (now >= heard->last)
		heard->last_voice = sender;
	memory_later(&heard->last, now);
	if (heard->count < UINT32_MAX)
		heard->count++;
	while (i < heard->voice_count && heard->voices[i] != sender)
		i++;
	if (i == heard->voice_count && i < MEMORY_MAX_VOICES)
		heard->voices[heard->voice_count++] = sender;
}

/* A recipient's profile learns that it was written to. */
enum base_result
memory_profile_heard(struct base_arena *arena, struct memory_profile *profile, uint64_t owner,
    const struct memory_lesson *lesson)
{
	struct memory_contact *contact;
	size_t slot = MEMORY_NO_SLOT;

	memory_profile_renew(profile, lesson->time);
	if (profile->received < UINT32_MAX)
		profile->received++;
	if (lesson->member_count > MEMORY_HEARD_MIN) {
		slot = heard_slot(arena, profile, owner, lesson);
		if (slot == MEMORY_MAX_HEARD)
			return BASE_BROKEN;
		heard_voice(&profile->heard[slot], lesson->sender, lesson->time);
		if (lesson->member_count > MEMORY_LIST_MIN && !list_mark(arena, profile, lesson))
			return BASE_BROKEN;
	}
	contact = memory_contact_get(arena, profile, lesson->sender, lesson->time);
	if (!contact)
		return BASE_BROKEN;
	contact->received += memory_weight_now(profile->epoch, lesson->time);
	memory_name_learn(contact, lesson->sender_name);
	if (lesson->time < contact->last_received)
		return BASE_OK;
	contact->last_received = (uint32_t)lesson->time;
	contact->heard = (uint8_t)slot;
	contact->heard_size =
	    (uint8_t)(lesson->member_count > 256 ? 255 : lesson->member_count - 1);
	return BASE_OK;
}
