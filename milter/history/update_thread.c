/*
 * NAME
 *	history/update_thread - what a message leaves for its answers
 */
#include <string.h>

#include "milter/history/internal.h"

/* Adds a hash to a sorted list with a maximum: the lowest stay. */
static uint8_t
hashes_add(uint64_t *hashes, uint8_t count, size_t capacity, uint64_t hash)
{
	size_t place = history_hash_index(hashes, count, hash);

	if (place == capacity || (place < count && hashes[place] == hash))
		return count;
	if (count == capacity)
		count--;
	memmove(&hashes[place + 1], &hashes[place], (count - place) * sizeof(*hashes));
	hashes[place] = hash;
	return count + 1;
}

/* The people of a mail as a thread's members. */
static void
thread_members(struct history_thread *thread, const struct history_observation *observation)
{
	for (size_t i = 0; i < observation->person_count; i++) {
		const struct history_person *person = &observation->people[i];

		thread->member_count = hashes_add(
		    thread->members, thread->member_count, HISTORY_MAX_MEMBERS, person->hash);
		if (observation->has_header && person->places == HISTORY_IN_ENVELOPE)
			thread->hidden_count = hashes_add(
			    thread->hidden, thread->hidden_count, HISTORY_MAX_HIDDEN, person->hash);
		if ((person->places & (HISTORY_IN_TO | HISTORY_IN_CC)) == HISTORY_IN_CC)
			thread->copied_count = hashes_add(
			    thread->copied, thread->copied_count, HISTORY_MAX_HIDDEN, person->hash);
	}
	if (observation->sender)
		thread->member_count = hashes_add(thread->members, thread->member_count,
		    HISTORY_MAX_MEMBERS, observation->sender);
}

/* Who wrote before in the thread that this message answers. */
static void
thread_repliers(struct history_thread *thread, const struct history_thread *parent)
{
	thread->repliers[0] = thread->originator;
	thread->replier_count = 1;
	for (size_t i = 0;
	     parent && i < parent->replier_count && thread->replier_count < HISTORY_MAX_REPLIERS;
	     i++)
		if (parent->repliers[i] != thread->originator)
			thread->repliers[thread->replier_count++] = parent->repliers[i];
}

/* How many people have a message: its author and, where lists are known, those behind them. */
static uint32_t
observation_members(const struct history_observation *observation)
{
	uint32_t people = observation->people_count;

	if (people < UINT32_MAX && observation->sender != 0)
		people++;
	return people > observation->member_count ? people : observation->member_count;
}

/* A message that may be answered. A second transaction of the same one adds its people. */
void
history_thread_observe(struct history_thread *thread, const struct history_observation *observation,
    const struct history_thread *parent, const struct history_parent *answer)
{
	if (thread->time && thread->originator != observation->sender)
		return;
	thread->has_header = observation->has_header || thread->has_header;
	thread->knows_copied = thread->has_header && (thread->knows_copied || !thread->time);
	thread->is_one_domain =
	    observation->is_one_domain && (thread->is_one_domain || !thread->time);
	thread->originator = observation->sender;
	thread->time = (uint32_t)observation->time;
	thread_members(thread, observation);
	if (observation_members(observation) > thread->size) {
		thread->size = observation_members(observation);
		thread->sum = observation->member_sum;
	}
	if (thread->size < thread->member_count)
		thread->size = thread->member_count;
	thread_repliers(thread, parent);
	if (parent && history_parent_is_replied_to_all(answer))
		thread->answered_all = parent->answered_all;
}
