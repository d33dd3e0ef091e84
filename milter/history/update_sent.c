/*
 * NAME
 *	history/update_sent - what a send changes in its sender's own profile
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/history/update.h"

/* Sends that an audience is worth for having been confirmed: nobody is asked twice. */
#define UPDATE_CONFIRMED_WORTH 2

/* The slot of least worth among the audiences written to. */
static size_t
sent_least(const struct history_profile *profile, int64_t now)
{
	double fade = history_fade(profile->epoch, now), least_worth = INFINITY;
	size_t least = 0;

	for (size_t i = 0; i < profile->sent_count; i++) {
		const struct history_sent_audience *sent = &profile->sent[i];
		double worth = (double)sent->weight * fade +
			       exp2(((double)sent->last - (double)now) / HISTORY_HALF_LIFE * 4) +
			       (sent->is_confirmed ? UPDATE_CONFIRMED_WORTH : 0);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	return least;
}

/* The slot of an audience written to, made if need be; HISTORY_MAX_SENT: arena full. */
static size_t
sent_slot(struct base_arena *arena, struct history_profile *profile, uint64_t sum, uint32_t size,
    int64_t now)
{
	size_t slot;
	struct history_sent_audience *list;

	for (slot = 0; slot < profile->sent_count; slot++)
		if (profile->sent[slot].sum == sum && profile->sent[slot].size == size)
			return slot;
	if (profile->sent_count < HISTORY_MAX_SENT) {
		list = history_list_grown(arena, profile->sent, profile->sent_count,
		    &profile->sent_capacity, HISTORY_MAX_SENT, sizeof(*list));
		if (!list)
			return HISTORY_MAX_SENT;
		profile->sent = list;
		slot = profile->sent_count++;
	} else {
		slot = sent_least(profile, now);
		for (size_t i = 0; i < profile->contact_count; i++)
			profile->contacts[i].audiences &= ~(UINT64_C(1) << slot);
	}
	profile->sent[slot] =
	    (struct history_sent_audience){ .sum = sum, .size = size, .first = (uint32_t)now };
	return slot;
}

/* When this audience, or the latest that is almost the same, was written to before. */
static struct history_rhythm
rhythm_before(const struct history_profile *profile, const struct history_observation *observation,
    const uint64_t *recipients, size_t count)
{
	size_t covered[HISTORY_MAX_SENT] = { 0 };
	struct history_rhythm latest = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct history_contact *contact =
		    history_contact_find(profile, recipients[i]);
		uint64_t bits = contact ? contact->audiences : 0;

		for (; bits; bits &= bits - 1)
			covered[__builtin_ctzll(bits)]++;
	}
	for (size_t i = 0; count && i < profile->sent_count; i++) {
		const struct history_sent_audience *sent = &profile->sent[i];

		if (sent->rhythm.last >= latest.last &&
		    history_sent_likeness(sent, covered[i], count, observation->recipient_count) >=
			HISTORY_ALMOST)
			latest = sent->rhythm;
	}
	return latest;
}

/* Counts a send in an audience's own record. */
static void
sent_count(struct history_sent_audience *sent, const struct history_rhythm *before,
    const struct history_observation *observation, float weight)
{
	sent->rhythm = *before;
	history_rhythm_observe(&sent->rhythm, observation->time);
	sent->weight += weight;
	sent->is_confirmed |= observation->is_confirmed;
	history_later(&sent->last, observation->time);
	if (sent->count < UINT32_MAX)
		sent->count++;
}

/* The display name that a mail gives a recipient. */
static uint32_t
person_name(const struct history_observation *observation, uint64_t hash)
{
	size_t low = 0, high = observation->person_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (observation->people[middle].hash == hash)
			return observation->people[middle].name;
		if (observation->people[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* Everybody of one send becomes a contact; they are the first of the recipients. */
static enum base_result
profile_contacts(struct base_arena *arena, struct history_profile *profile,
    const struct history_observation *observation, const uint64_t *recipients, size_t count,
    float weight)
{
	for (size_t i = 0; i < count; i++) {
		struct history_contact *contact =
		    history_contact_get(arena, profile, recipients[i], observation->time);

		if (!contact)
			return BASE_BROKEN;
		contact->sent += weight;
		history_name_observe(contact, person_name(observation, recipients[i]));
		history_later(&contact->last_sent, observation->time);
		if (observation->recipient_count == 1 && observation->people_count == 1)
			contact->alone += weight;
	}
	return BASE_OK;
}

/* The audience that they make. After the contacts: one that goes can take audiences along. */
static enum base_result
profile_audience(struct base_arena *arena, struct history_profile *profile,
    const struct history_observation *observation, const uint64_t *recipients, size_t count,
    float weight)
{
	struct history_rhythm before;
	size_t slot;

	if (observation->recipient_count < 1 || observation->people_count < 2)
		return BASE_OK;
	before = rhythm_before(profile, observation, recipients, count);
	slot = sent_slot(arena, profile, observation->recipient_sum, observation->recipient_count,
	    observation->time);
	if (slot == HISTORY_MAX_SENT)
		return BASE_BROKEN;
	sent_count(&profile->sent[slot], &before, observation, weight);
	for (size_t i = 0; i < count; i++) {
		size_t place = history_contact_index(profile, recipients[i]);

		if (place < profile->contact_count &&
		    profile->contacts[place].hash == recipients[i])
			profile->contacts[place].audiences |= UINT64_C(1) << slot;
	}
	return BASE_OK;
}

/* The owner answered all of an audience received from, or its author alone. */
static void
received_answered(struct history_profile *profile, const struct history_parent *answer)
{
	bool is_to_all = history_parent_is_replied_to_all(answer);

	for (size_t i = 0; i < profile->received_count; i++) {
		struct history_received_audience *received_from = &profile->received_from[i];

		if (!answer->kind || answer->is_small || received_from->sum != answer->sum)
			continue;
		if (is_to_all && received_from->answered < UINT8_MAX)
			received_from->answered++;
		if (!is_to_all && answer->is_choice &&
		    received_from->replied_to_author_only < UINT8_MAX)
			received_from->replied_to_author_only++;
	}
}

/* An outside domain was written to: it becomes the latest, and of too many the oldest goes. */
static bool
domain_learn(struct base_arena *arena, struct history_profile *profile, uint64_t hash)
{
	uint64_t *domains = profile->domains;
	size_t place = 0;

	while (place < profile->domain_count && domains[place] != hash)
		place++;
	if (place == profile->domain_count && place < HISTORY_MAX_DOMAINS) {
		domains = history_list_grown(arena, domains, profile->domain_count,
		    &profile->domain_capacity, HISTORY_MAX_DOMAINS, sizeof(*domains));
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
profile_domains(struct base_arena *arena, struct history_profile *profile,
    const struct history_observation *observation)
{
	if (observation->knows_domains && profile->domain_sends < UINT32_MAX)
		profile->domain_sends++;
	for (size_t i = 0; i < observation->domain_count; i++)
		if (!domain_learn(arena, profile, observation->domains[i]))
			return BASE_BROKEN;
	return BASE_OK;
}

/* The sender's profile learns a send. */
enum base_result
history_profile_sent(struct base_arena *arena, struct history_profile *profile,
    const struct history_observation *observation, const uint64_t *recipients, size_t count,
    const struct history_parent *answer)
{
	enum base_result result;
	float weight;

	if (count > HISTORY_SAMPLE)
		count = HISTORY_SAMPLE;
	history_profile_renew(profile, observation->time);
	weight = history_weight_now(profile->epoch, observation->time);
	if (answer->is_choice) {
		unsigned size_class = history_parent_class(answer->others);

		profile->reply_all_possible[size_class] += weight;
		if (answer->taken >= HISTORY_WHOLE)
			profile->reply_all_done[size_class] += weight;
	}
	received_answered(profile, answer);
	if (!profile->first || observation->time < profile->first)
		profile->first = (uint32_t)observation->time;
	history_later(&profile->last, observation->time);
	if (profile->sends < UINT32_MAX)
		profile->sends++;
	if (observation->people_count > profile->largest)
		profile->largest = observation->people_count;
	profile->sizes[history_size_class(observation->people_count)] += weight;
	history_rhythm_observe(
	    &profile->rhythms[history_size_class(observation->people_count)], observation->time);
	profile->total += weight;
	if (profile_domains(arena, profile, observation) != BASE_OK)
		return BASE_BROKEN;
	result = profile_contacts(arena, profile, observation, recipients, count, weight);
	if (result == BASE_OK)
		result = profile_audience(arena, profile, observation, recipients, count, weight);
	return result;
}
