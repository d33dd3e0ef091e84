/*
 * NAME
 *	memory/update_sent - what a send changes in its sender's own profile
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/memory/update.h"

/* Sends that an audience is worth for having been confirmed: nobody is asked twice. */
#define UPDATE_CONFIRMED_WORTH 2

/* The slot of least worth among the audiences written to. */
static size_t
sent_least(const struct memory_profile *profile, int64_t now)
{
	double fade = memory_fade(profile->epoch, now), least_worth = INFINITY;
	size_t least = 0;

	for (size_t i = 0; i < profile->sent_count; i++) {
		const struct memory_sent *sent = &profile->sent[i];
		double worth = (double)sent->weight * fade +
			       exp2(((double)sent->last - (double)now) / MEMORY_HALF_LIFE * 4) +
			       (sent->is_confirmed ? UPDATE_CONFIRMED_WORTH : 0);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	return least;
}

/* The slot of an audience written to, made if need be; MEMORY_MAX_SENT: arena full. */
static size_t
sent_slot(struct base_arena *arena, struct memory_profile *profile, uint64_t sum, uint32_t size,
    int64_t now)
{
	size_t slot;
	struct memory_sent *list;

	for (slot = 0; slot < profile->sent_count; slot++)
		if (profile->sent[slot].sum == sum && profile->sent[slot].size == size)
			return slot;
	if (profile->sent_count < MEMORY_MAX_SENT) {
		list = memory_list_grown(arena, profile->sent, profile->sent_count,
		    &profile->sent_room, MEMORY_MAX_SENT, sizeof(*list));
		if (!list)
			return MEMORY_MAX_SENT;
		profile->sent = list;
		slot = profile->sent_count++;
	} else {
		slot = sent_least(profile, now);
		for (size_t i = 0; i < profile->contact_count; i++)
			profile->contacts[i].audiences &= ~(UINT64_C(1) << slot);
	}
	profile->sent[slot] =
	    (struct memory_sent){ .sum = sum, .size = size, .first = (uint32_t)now };
	return slot;
}

/* When this audience, or the latest that is almost the same, was written to before. */
static struct memory_rhythm
rhythm_before(const struct memory_profile *profile, const struct memory_lesson *lesson,
    const uint64_t *recipients, size_t count)
{
	size_t covered[MEMORY_MAX_SENT] = { 0 };
	struct memory_rhythm latest = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct memory_contact *contact = memory_contact_find(profile, recipients[i]);
		uint64_t bits = contact ? contact->audiences : 0;

		for (; bits; bits &= bits - 1)
			covered[__builtin_ctzll(bits)]++;
	}
	for (size_t i = 0; count && i < profile->sent_count; i++) {
		const struct memory_sent *sent = &profile->sent[i];

		if (sent->rhythm.last >= latest.last &&
		    memory_sent_likeness(sent, covered[i], count, lesson->recipient_count) >=
			MEMORY_ALMOST)
			latest = sent->rhythm;
	}
	return latest;
}

/* Counts a send in an audience's own record. */
static void
sent_count(struct memory_sent *sent, const struct memory_rhythm *before,
    const struct memory_lesson *lesson, float weight)
{
	sent->rhythm = *before;
	memory_rhythm_learn(&sent->rhythm, lesson->time);
	sent->weight += weight;
	sent->is_confirmed |= lesson->is_confirmed;
	memory_later(&sent->last, lesson->time);
	if (sent->count < UINT32_MAX)
		sent->count++;
}

/* The display name that a mail gives a recipient. */
static uint32_t
person_name(const struct memory_lesson *lesson, uint64_t hash)
{
	size_t low = 0, high = lesson->person_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (lesson->people[middle].hash == hash)
			return lesson->people[middle].name;
		if (lesson->people[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* Everybody of one send becomes a contact; they are the first of the recipients. */
static enum base_result
profile_contacts(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson, const uint64_t *recipients, size_t count, float weight)
{
	for (size_t i = 0; i < count; i++) {
		struct memory_contact *contact =
		    memory_contact_get(arena, profile, recipients[i], lesson->time);

		if (!contact)
			return BASE_BROKEN;
		contact->sent += weight;
		memory_name_learn(contact, person_name(lesson, recipients[i]));
		memory_later(&contact->last_sent, lesson->time);
		if (lesson->recipient_count == 1 && lesson->people_count == 1)
			contact->alone += weight;
	}
	return BASE_OK;
}

/* The audience that they make. After the contacts: one that goes can take audiences along. */
static enum base_result
profile_audience(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson, const uint64_t *recipients, size_t count, float weight)
{
	struct memory_rhythm before;
	size_t slot;

	if (lesson->recipient_count < 1 || lesson->people_count < 2)
		return BASE_OK;
	before = rhythm_before(profile, lesson, recipients, count);
	slot =
	    sent_slot(arena, profile, lesson->recipient_sum, lesson->recipient_count, lesson->time);
	if (slot == MEMORY_MAX_SENT)
		return BASE_BROKEN;
	sent_count(&profile->sent[slot], &before, lesson, weight);
	for (size_t i = 0; i < count; i++) {
		size_t place = memory_contact_place(profile, recipients[i]);

		if (place < profile->contact_count &&
		    profile->contacts[place].hash == recipients[i])
			profile->contacts[place].audiences |= UINT64_C(1) << slot;
	}
	return BASE_OK;
}

/* The owner answered all of an audience received from, or its author alone. */
static void
heard_answered(struct memory_profile *profile, const struct memory_answer *answer)
{
	bool is_to_all = memory_answer_is_to_all(answer);

	for (size_t i = 0; i < profile->heard_count; i++) {
		struct memory_heard *heard = &profile->heard[i];

		if (!answer->kind || answer->is_small || heard->sum != answer->sum)
			continue;
		if (is_to_all && heard->answered < UINT8_MAX)
			heard->answered++;
		if (!is_to_all && answer->is_choice && heard->declined < UINT8_MAX)
			heard->declined++;
	}
}

/* An outside domain was written to: it becomes the latest, and of too many the oldest goes. */
static bool
domain_learn(struct base_arena *arena, struct memory_profile *profile, uint64_t hash)
{
	uint64_t *domains = profile->domains;
	size_t place = 0;

	while (place < profile->domain_count && domains[place] != hash)
		place++;
	if (place == profile->domain_count && place < MEMORY_MAX_DOMAINS) {
		domains = memory_list_grown(arena, domains, profile->domain_count,
		    &profile->domain_room, MEMORY_MAX_DOMAINS, sizeof(*domains));
		if (!domains)
			return false;
		profile->domains = domains;
		domains[profile->domain_count++] = hash;
		return true;
	}
	if (place == profile->domain_count)
		place = 0;
	memmove(&domains[place], &domains[place + 1],
	    (profile->domain_count - place - 1) * sizeof(*domains));
	domains[profile->domain_count - 1] = hash;
	return true;
}

/* The outside domains that a send goes to. */
static enum base_result
profile_domains(
    struct base_arena *arena, struct memory_profile *profile, const struct memory_lesson *lesson)
{
	if (lesson->knows_domains && profile->domain_sends < UINT32_MAX)
		profile->domain_sends++;
	for (size_t i = 0; i < lesson->domain_count; i++)
		if (!domain_learn(arena, profile, lesson->domains[i]))
			return BASE_BROKEN;
	return BASE_OK;
}

/* The sender's profile learns a send. */
enum base_result
memory_profile_sent(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson, const uint64_t *recipients, size_t count,
    const struct memory_answer *answer)
{
	enum base_result result;
	float weight;

	if (count > MEMORY_SAMPLE)
		count = MEMORY_SAMPLE;
	memory_profile_renew(profile, lesson->time);
	weight = memory_weight_now(profile->epoch, lesson->time);
	if (answer->is_choice) {
		unsigned size_class = memory_parent_class(answer->others);

		profile->could[size_class] += weight;
		if (answer->taken >= MEMORY_WHOLE)
			profile->did[size_class] += weight;
	}
	heard_answered(profile, answer);
	if (!profile->first || lesson->time < profile->first)
		profile->first = (uint32_t)lesson->time;
	memory_later(&profile->last, lesson->time);
	if (profile->sends < UINT32_MAX)
		profile->sends++;
	if (lesson->people_count > profile->largest)
		profile->largest = lesson->people_count;
	profile->sizes[memory_size_class(lesson->people_count)] += weight;
	memory_rhythm_learn(
	    &profile->rhythms[memory_size_class(lesson->people_count)], lesson->time);
	profile->total += weight;
	if (profile_domains(arena, profile, lesson) != BASE_OK)
		return BASE_BROKEN;
	result = profile_contacts(arena, profile, lesson, recipients, count, weight);
	if (result == BASE_OK)
		result = profile_audience(arena, profile, lesson, recipients, count, weight);
	return result;
}
