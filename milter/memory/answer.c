/*
 * NAME
 *	memory/answer - which message a send answers, and how much of its audience it takes
 */
#include "milter/memory/record.h"

/* Are there more people in a thread than addresses, though all addresses were kept? */
static bool
has_lists(const struct memory_thread *thread)
{
	return thread->member_count < MEMORY_MAX_MEMBERS && thread->size > thread->member_count;
}

/* Fills the answer from the thread row of the parent. */
static struct memory_answer
answer_given(const struct memory_thread *thread, uint64_t sender, const uint64_t *recipients,
    size_t count, size_t people)
{
	struct memory_answer answer = { .kind = MEMORY_ANSWER_GIVEN };
	size_t known = 0, taken = 0;
	bool is_kept = false;

	for (size_t i = 0; i < thread->member_count; i++) {
		if (thread->members[i] == sender) {
			is_kept = true;
			continue;
		}
		known++;
		taken += memory_hash_has(recipients, count, thread->members[i]);
	}
	for (size_t i = 0; i < thread->answerer_count; i++)
		answer.wrote_earlier |= thread->answerers[i] == sender;
	answer.originator = thread->originator;
	answer.time = thread->time;
	answer.sum = thread->sum;
	answer.answered_all = thread->answered_all;
	answer.is_own = thread->originator == sender;
	/* Of a large audience only some members are kept: then being in it cannot be
	 * denied. */
	answer.was_member = is_kept || thread->size > thread->member_count;
	answer.others = thread->size - (answer.was_member || answer.is_own ? 1 : 0);
	if (answer.others == 0)
		answer.others = 1;
	answer.taken = known ? (double)taken / (double)known : 0;
	/* Where lists were written to, their addresses alone do not tell how many are taken. */
	if (has_lists(thread) && answer.taken > (double)people / answer.others)
		answer.taken = (double)people / answer.others;
	return answer;
}

/* The share of an audience received from that is among the recipients. */
static double
heard_taken(const struct memory_heard *heard, const uint64_t *recipients, size_t count)
{
	size_t taken = 0;

	for (size_t i = 0; i < heard->sketch_count; i++)
		taken += memory_sketch_has(recipients, count, heard->sketch[i]);
	return heard->sketch_count ? (double)taken / heard->sketch_count : 0;
}

/* Fills the answer from an audience received from. */
static struct memory_answer
answer_heard(const struct memory_heard *heard, uint64_t originator, uint32_t time, double taken)
{
	return (struct memory_answer){
		.kind = MEMORY_ANSWER_INFERRED,
		.originator = originator,
		.others = heard->size,
		.taken = taken,
		.time = time,
		.sum = heard->sum,
		.was_member = true,
		.answered_all = heard->turns,
	};
}

/* Was a mail to this audience received lately, and none of its writer's since? */
static bool
is_answerable(const struct memory_profile *profile, const struct memory_heard *heard,
    const uint64_t *recipients, size_t count, int64_t now)
{
	const struct memory_contact *writer;

	if (heard->size == 0 || now - heard->last > MEMORY_ANSWER_DAYS * 86400 ||
	    !memory_hash_has(recipients, count, heard->last_voice))
		return false;
	writer = memory_contact_find(profile, heard->last_voice);
	return !writer || writer->last_received <= heard->last;
}

/*
 * The audience received from that is answered: exactly the recipients, else the latest that most
 * of the recipients are of.
 */
static const struct memory_heard *
heard_answered(const struct memory_profile *profile, uint64_t sender, const uint64_t *recipients,
    size_t count, int64_t now, double *taken_r)
{
	const struct memory_heard *best = NULL;
	uint64_t sum = sender;

	for (size_t i = 0; i < count; i++)
		sum += recipients[i];

	for (size_t i = 0; i < profile->heard_count; i++) {
		const struct memory_heard *heard = &profile->heard[i];
		double taken;

		if (!is_answerable(profile, heard, recipients, count, now))
			continue;
		if (heard->sum == sum) {
			*taken_r = 1;
			return heard;
		}
		if (best && heard->last <= best->last)
			continue;
		taken = heard_taken(heard, recipients, count);
		if (taken >= MEMORY_WHOLE) {
			best = heard;
			*taken_r = taken;
		}
	}
	return best;
}

/* The recipient heard from last. */
static const struct memory_contact *
contact_answered(
    const struct memory_profile *profile, const uint64_t *recipients, size_t count, int64_t now)
{
	const struct memory_contact *best = NULL;

	for (size_t i = 0; i < count && i < MEMORY_SAMPLE; i++) {
		const struct memory_contact *contact = memory_contact_find(profile, recipients[i]);

		if (contact && contact->last_received &&
		    now - contact->last_received <= MEMORY_ANSWER_DAYS * 86400 &&
		    (!best || contact->last_received > best->last_received))
			best = contact;
	}
	return best;
}

/* Without a thread row: what was received lately tells. */
static struct memory_answer
answer_inferred(const struct memory_profile *profile, uint64_t sender, const uint64_t *recipients,
    size_t count, int64_t now)
{
	double taken = 0;
	const struct memory_heard *heard =
	    heard_answered(profile, sender, recipients, count, now, &taken);
	const struct memory_contact *contact;

	if (heard)
		return answer_heard(heard, heard->last_voice, heard->last, taken);
	contact = contact_answered(profile, recipients, count, now);
	if (!contact)
		return (struct memory_answer){ .kind = MEMORY_ANSWER_NONE };
	if (contact->heard < profile->heard_count) {
		heard = &profile->heard[contact->heard];
		if (heard->size && heard->last == contact->last_received)
			return answer_heard(heard, contact->hash, contact->last_received,
			    heard_taken(heard, recipients, count));
	}
	return (struct memory_answer){
		.kind = MEMORY_ANSWER_INFERRED,
		.originator = contact->hash,
		.others = contact->heard_size ? contact->heard_size : 1,
		.taken = contact->heard_size > count ? (double)count / contact->heard_size : 1,
		.time = contact->last_received,
		.is_small = true,
		.was_member = true,
	};
}

/* Could this reply have gone to all of a large audience? */
static bool
is_choice(const struct memory_answer *answer, const uint64_t *recipients, size_t count)
{
	return answer->kind && !answer->is_small && !answer->is_own && answer->was_member &&
	       answer->others >= MEMORY_LARGE_PARENT &&
	       memory_hash_has(recipients, count, answer->originator);
}

/* The message that a send answers. */
struct memory_answer
memory_answer_find(const struct memory_profile *profile, const struct memory_thread *thread,
    uint64_t sender, const uint64_t *recipients, size_t count, size_t people, int64_t now)
{
	struct memory_answer answer = { .kind = MEMORY_ANSWER_NONE };

	if (thread)
		answer = answer_given(thread, sender, recipients, count, people);
	else if (profile)
		answer = answer_inferred(profile, sender, recipients, count, now);
	answer.is_choice = is_choice(&answer, recipients, count);
	return answer;
}
