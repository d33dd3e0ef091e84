/*
 * NAME
 *	history/parent - which message a send answers, and how much of its audience it takes
 */
#include "milter/history/record.h"

/* Are there more people in a thread than addresses, though all addresses were kept? */
static bool
has_lists(const struct history_thread *thread)
{
	return thread->member_count < HISTORY_MAX_MEMBERS && thread->size > thread->member_count;
}

/* Fills the answer from the thread row of the parent. */
static struct history_parent
parent_given(const struct history_thread *thread, uint64_t sender, const uint64_t *recipients,
    size_t count, size_t people)
{
	struct history_parent answer = { .kind = HISTORY_PARENT_GIVEN };
	size_t known = 0, taken = 0;
	bool is_kept = false;

	for (size_t i = 0; i < thread->member_count; i++) {
		if (thread->members[i] == sender) {
			is_kept = true;
			continue;
		}
		known++;
		taken += history_hash_has(recipients, count, thread->members[i]);
	}
	for (size_t i = 0; i < thread->replier_count; i++)
		answer.wrote_earlier |= thread->repliers[i] == sender;
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
received_taken(
    const struct history_received_audience *received_from, const uint64_t *recipients, size_t count)
{
	size_t taken = 0;

	for (size_t i = 0; i < received_from->sketch_count; i++)
		taken += history_sketch_has(recipients, count, received_from->sketch[i]);
	return received_from->sketch_count ? (double)taken / received_from->sketch_count : 0;
}

/* Fills the answer from an audience received from. */
static struct history_parent
parent_received(const struct history_received_audience *received_from, uint64_t originator,
    uint32_t time, double taken)
{
	return (struct history_parent){
		.kind = HISTORY_PARENT_INFERRED,
		.originator = originator,
		.others = received_from->size,
		.taken = taken,
		.time = time,
		.sum = received_from->sum,
		.was_member = true,
		.answered_all = received_from->author_changes,
	};
}

/* Was a mail to this audience received lately, and none of its writer's since? */
static bool
is_answerable(const struct history_profile *profile,
    const struct history_received_audience *received_from, const uint64_t *recipients, size_t count,
    int64_t now)
{
	const struct history_contact *writer;

	if (received_from->size == 0 || now - received_from->last > HISTORY_PARENT_DAYS * 86400 ||
	    !history_hash_has(recipients, count, received_from->last_author))
		return false;
	writer = history_contact_find(profile, received_from->last_author);
	return !writer || writer->last_received <= received_from->last;
}

/*
 * The audience received from that is answered: exactly the recipients, else the latest that most
 * of the recipients are of.
 */
static const struct history_received_audience *
received_answered(const struct history_profile *profile, uint64_t sender,
    const uint64_t *recipients, size_t count, int64_t now, double *taken_r)
{
	const struct history_received_audience *best = NULL;
	uint64_t sum = sender;

	for (size_t i = 0; i < count; i++)
		sum += recipients[i];

	for (size_t i = 0; i < profile->received_count; i++) {
		const struct history_received_audience *received_from = &profile->received_from[i];
		double taken;

		if (!is_answerable(profile, received_from, recipients, count, now))
			continue;
		if (received_from->sum == sum) {
			*taken_r = 1;
			return received_from;
		}
		if (best && received_from->last <= best->last)
			continue;
		taken = received_taken(received_from, recipients, count);
		if (taken >= HISTORY_WHOLE) {
			best = received_from;
			*taken_r = taken;
		}
	}
	return best;
}

/* The recipient received from last. */
static const struct history_contact *
contact_answered(
    const struct history_profile *profile, const uint64_t *recipients, size_t count, int64_t now)
{
	const struct history_contact *best = NULL;

	for (size_t i = 0; i < count && i < HISTORY_SAMPLE; i++) {
		const struct history_contact *contact =
		    history_contact_find(profile, recipients[i]);

		if (contact && contact->last_received &&
		    now - contact->last_received <= HISTORY_PARENT_DAYS * 86400 &&
		    (!best || contact->last_received > best->last_received))
			best = contact;
	}
	return best;
}

/* Without a thread row: what was received lately tells. */
static struct history_parent
parent_inferred(const struct history_profile *profile, uint64_t sender, const uint64_t *recipients,
    size_t count, int64_t now)
{
	double taken = 0;
	const struct history_received_audience *received_from =
	    received_answered(profile, sender, recipients, count, now, &taken);
	const struct history_contact *contact;

	if (received_from)
		return parent_received(
		    received_from, received_from->last_author, received_from->last, taken);
	contact = contact_answered(profile, recipients, count, now);
	if (!contact)
		return (struct history_parent){ .kind = HISTORY_PARENT_NONE };
	if (contact->received_from < profile->received_count) {
		received_from = &profile->received_from[contact->received_from];
		if (received_from->size && received_from->last == contact->last_received)
			return parent_received(received_from, contact->hash, contact->last_received,
			    received_taken(received_from, recipients, count));
	}
	return (struct history_parent){
		.kind = HISTORY_PARENT_INFERRED,
		.originator = contact->hash,
		.others = contact->received_size ? contact->received_size : 1,
		.taken =
		    contact->received_size > count ? (double)count / contact->received_size : 1,
		.time = contact->last_received,
		.is_small = true,
		.was_member = true,
	};
}

/* Could this reply have gone to all of a large audience? */
static bool
is_choice(const struct history_parent *answer, const uint64_t *recipients, size_t count)
{
	return answer->kind && !answer->is_small && !answer->is_own && answer->was_member &&
	       answer->others >= HISTORY_LARGE_PARENT &&
	       history_hash_has(recipients, count, answer->originator);
}

/* The message that a send answers. */
struct history_parent
history_parent_find(const struct history_profile *profile, const struct history_thread *thread,
    uint64_t sender, const uint64_t *recipients, size_t count, size_t people, int64_t now)
{
	struct history_parent answer = { .kind = HISTORY_PARENT_NONE };

	if (thread)
		answer = parent_given(thread, sender, recipients, count, people);
	else if (profile)
		answer = parent_inferred(profile, sender, recipients, count, now);
	answer.is_choice = is_choice(&answer, recipients, count);
	return answer;
}
