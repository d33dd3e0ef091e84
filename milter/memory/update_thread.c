/*
 * NAME
 *	memory/update_thread - what a message leaves for its answers
 */
#include <string.h>

#include "milter/memory/internal.h"

/* Adds a hash to a sorted list with a maximum: the lowest stay. */
static uint8_t
hashes_add(uint64_t *hashes, uint8_t count, size_t room, uint64_t hash)
{
	size_t place = memory_hash_place(hashes, count, hash);

	if (place == room || (place < count && hashes[place] == hash))
		return count;
	if (count == room)
		count--;
	memmove(&hashes[place + 1], &hashes[place], (count - place) * sizeof(*hashes));
	hashes[place] = hash;
	return count + 1;
}

/* The people of a mail as a thread's members. */
static void
thread_members(struct memory_thread *thread, const struct memory_lesson *lesson)
{
	for (size_t i = 0; i < lesson->person_count; i++) {
		const struct memory_person *person = &lesson->people[i];

		thread->member_count = hashes_add(
		    thread->members, thread->member_count, MEMORY_MAX_MEMBERS, person->hash);
		if (lesson->has_header && person->places == MEMORY_IN_ENVELOPE)
			thread->hidden_count = hashes_add(
			    thread->hidden, thread->hidden_count, MEMORY_MAX_HIDDEN, person->hash);
		if ((person->places & (MEMORY_IN_TO | MEMORY_IN_CC)) == MEMORY_IN_CC)
			thread->copied_count = hashes_add(
			    thread->copied, thread->copied_count, MEMORY_MAX_HIDDEN, person->hash);
	}
	if (lesson->sender)
		thread->member_count = hashes_add(
		    thread->members, thread->member_count, MEMORY_MAX_MEMBERS, lesson->sender);
}

/* Who wrote before in the thread that this message answers. */
static void
thread_answerers(struct memory_thread *thread, const struct memory_thread *parent)
{
	thread->answerers[0] = thread->originator;
	thread->answerer_count = 1;
	for (size_t i = 0;
	     parent && i < parent->answerer_count && thread->answerer_count < MEMORY_MAX_ANSWERERS;
	     i++)
		if (parent->answerers[i] != thread->originator)
			thread->answerers[thread->answerer_count++] = parent->answerers[i];
}

/* How many people have a message: its author and, where lists are known, those behind them. */
static uint32_t
lesson_members(const struct memory_lesson *lesson)
{
	uint32_t people = lesson->people_count;

	if (people < UINT32_MAX && lesson->sender != 0)
		people++;
	return people > lesson->member_count ? people : lesson->member_count;
}

/* A message that may be answered. A second transaction of the same one adds its people. */
void
memory_thread_learn(struct memory_thread *thread, const struct memory_lesson *lesson,
    const struct memory_thread *parent, const struct memory_answer *answer)
{
	if (thread->time && thread->originator != lesson->sender)
		return;
	thread->has_header = lesson->has_header || thread->has_header;
	thread->knows_copied = thread->has_header && (thread->knows_copied || !thread->time);
	thread->is_one_domain = lesson->is_one_domain && (thread->is_one_domain || !thread->time);
	thread->originator = lesson->sender;
	thread->time = (uint32_t)lesson->time;
	thread_members(thread, lesson);
	if (lesson_members(lesson) > thread->size) {
		thread->size = lesson_members(lesson);
		thread->sum = lesson->member_sum;
	}
	if (thread->size < thread->member_count)
		thread->size = thread->member_count;
	thread_answerers(thread, parent);
	if (parent && memory_answer_is_to_all(answer))
		thread->answered_all = parent->answered_all;
}
