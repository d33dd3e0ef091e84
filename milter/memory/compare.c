/*
 * NAME
 *	memory/compare - a send against the audiences and the mail that its sender knows
 */
#include "milter/memory/internal.h"

#define COMPARE_HEARD_MIN 4 /* people from which audiences received from are compared */

/* What all comparisons of one send go by. */
struct compare {
	const struct memory_recall *recall;
	const struct memory_profile *profile; /* never NULL */
	int64_t now;
	size_t covered[MEMORY_MAX_SENT]; /* of the sample, by each audience written to */
};

/* How many of the sample each audience written to has. */
static void
covered_count(struct compare *compare)
{
	for (size_t i = 0; i < compare->recall->sample; i++) {
		const struct memory_contact *contact =
		    memory_contact_find(compare->profile, compare->recall->recipients[i].hash);

		for (uint64_t bits = contact ? contact->audiences : 0; bits; bits &= bits - 1)
			compare->covered[__builtin_ctzll(bits)]++;
	}
}

/* An audience written to, as others see it. */
static struct memory_written
written_of(const struct compare *compare, const struct memory_sent *sent)
{
	return (struct memory_written){
		.is_known = true,
		.is_confirmed = sent->is_confirmed,
		.is_steady = memory_rhythm_is_steady(&sent->rhythm),
		.count = sent->count,
		.first = sent->first,
		.last = sent->last,
		.weight = (double)sent->weight * compare->recall->sender.fade,
		.gap = (double)sent->rhythm.gap,
		.deviation = (double)sent->rhythm.deviation,
	};
}

/* Compares with the audiences written to before. */
static void
compare_sent(const struct compare *compare, struct memory_comparison *comparison)
{
	const struct memory_recall *recall = compare->recall;
	const struct memory_rhythm *rhythm = NULL;

	for (size_t i = 0; recall->sample && i < compare->profile->sent_count; i++) {
		const struct memory_sent *sent = &compare->profile->sent[i];
		double cover = (double)compare->covered[i] / (double)recall->sample, overlap;

		if (sent->size == 0)
			continue;
		overlap =
		    memory_sent_likeness(sent, compare->covered[i], recall->sample, recall->count);
		if (sent->sum == recall->records->sum && sent->size == recall->count)
			comparison->same = written_of(compare, sent);
		if (cover > comparison->best_cover)
			comparison->best_cover = cover;
		if (overlap > comparison->best_overlap)
			comparison->best_overlap = overlap;
		if (overlap >= MEMORY_ALMOST && (!rhythm || sent->rhythm.last > rhythm->last))
			rhythm = &sent->rhythm;
	}
	comparison->is_due = rhythm && memory_rhythm_is_due(rhythm, compare->now);
}

/* How like an audience received from this one is: 1 when it is the same. */
static double
heard_overlap(const struct memory_recall *recall, const struct memory_heard *heard)
{
	const struct memory_records *records = recall->records;
	uint64_t full = records->sum + recall->actor;
	double cover, common, count = (double)recall->count;
	size_t in = 0;

	if (heard->sum == full)
		return 1;
	for (size_t i = 0; i < heard->voice_count; i++)
		if (heard->sum == full + heard->voices[i])
			return 1;
	for (size_t i = 0; i < heard->sketch_count; i++)
		in += memory_sketch_has(records->hashes, recall->count, heard->sketch[i]);
	cover = heard->sketch_count ? (double)in / heard->sketch_count : 0;
	common = cover * heard->size;
	if (common > count)
		common = count;
	return common / (count + heard->size - common);
}

/* Did such a large audience leave a mark, with or without its author? */
static bool
has_mark(const struct memory_profile *profile, uint64_t sum)
{
	uint32_t mark = (uint32_t)(sum >> 32);

	for (size_t i = 0; i < profile->list_count; i++)
		if (profile->lists[i].with == mark || profile->lists[i].without == mark)
			return true;
	return false;
}

/* Compares with the audiences received from. */
static void
compare_heard(const struct compare *compare, struct memory_comparison *comparison)
{
	const struct memory_recall *recall = compare->recall;
	const struct memory_profile *profile = compare->profile;
	const struct memory_heard *heard = NULL;

	for (size_t i = 0; i < profile->heard_count; i++) {
		double overlap;

		if (profile->heard[i].size == 0)
			continue;
		overlap = heard_overlap(recall, &profile->heard[i]);
		if (overlap > comparison->heard_overlap) {
			comparison->heard_overlap = overlap;
			heard = &profile->heard[i];
		}
	}
	if (comparison->heard_overlap < 1 &&
	    has_mark(profile, recall->records->sum + recall->actor)) {
		comparison->heard_overlap = 1;
		heard = NULL;
	}
	if (heard)
		comparison->heard = (struct memory_received){ .is_known = true,
			.count = heard->count,
			.voices = heard->voice_count,
			.turns = heard->turns,
			.answered = heard->answered,
			.declined = heard->declined };
}

/* Is it certain that a sorted list with a maximum does not have a hash only for want of room? */
static bool
is_kept(const uint64_t *sorted, size_t count, size_t most, uint64_t hash)
{
	return count < most || hash <= sorted[count - 1];
}

/* How somebody who did not write it got the parent; a blind copy is told apart. */
static enum memory_reach
reach_of(const struct memory_thread *thread, uint64_t self)
{
	if (!thread->knows_copied || thread->originator == self ||
	    memory_hash_has(thread->hidden, thread->hidden_count, self) ||
	    !is_kept(thread->members, thread->member_count, MEMORY_MAX_MEMBERS, self) ||
	    !is_kept(thread->copied, thread->copied_count, MEMORY_MAX_HIDDEN, self) ||
	    !is_kept(thread->hidden, thread->hidden_count, MEMORY_MAX_HIDDEN, self))
		return MEMORY_REACH_UNKNOWN;
	if (!memory_hash_has(thread->members, thread->member_count, self))
		return MEMORY_REACH_LIST;
	return memory_hash_has(thread->copied, thread->copied_count, self) ? MEMORY_REACH_CC
									   : MEMORY_REACH_TO;
}

/* What is known of the mail that is answered. */
static void
compare_parent(const struct memory_recall *recall, struct memory_comparison *comparison)
{
	const struct memory_records *records = recall->records;
	const struct memory_thread *thread = records->thread;
	const struct memory_answer *answer = &comparison->answer;

	comparison->is_parent_audience =
	    answer->sum == records->sum + recall->actor || answer->sum == records->sum;
	memory_contact_author(recall, answer->originator, &comparison->author);
	if (!thread)
		return;
	comparison->is_parent_inside =
	    thread->is_one_domain &&
	    memory_hash_has(thread->members, thread->member_count, recall->actor);
	comparison->knows_hidden = thread->has_header;
	comparison->is_hidden =
	    memory_hash_has(thread->hidden, thread->hidden_count, recall->actor);
	comparison->reach = reach_of(thread, recall->actor);
}

void
memory_compare(const struct memory_recall *recall, size_t people, int64_t now,
    struct memory_comparison *comparison_r)
{
	const struct memory_records *records = recall->records;
	struct compare compare = { .recall = recall, .profile = records->profile, .now = now };
	struct memory_comparison comparison = { .answer = memory_answer_find(records->profile,
						    records->thread, recall->actor, records->hashes,
						    recall->count, people, now) };

	compare_parent(recall, &comparison);
	if (compare.profile) {
		covered_count(&compare);
		compare_sent(&compare, &comparison);
		comparison.is_size_due =
		    memory_rhythm_is_due(&compare.profile->rhythms[memory_size_class(people)], now);
	}
	if (compare.profile && people >= COMPARE_HEARD_MIN)
		compare_heard(&compare, &comparison);
	*comparison_r = comparison;
}
