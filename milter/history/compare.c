/*
 * NAME
 *	history/compare - a send against the audiences and the mail that its sender knows
 */
#include "milter/history/internal.h"

#define COMPARE_RECEIVED_MIN 4 /* people from which audiences received from are compared */

/* What all comparisons of one send go by. */
struct compare {
	const struct history_recall *recall;
	const struct history_profile *profile; /* never NULL */
	int64_t now;
	size_t covered[HISTORY_MAX_SENT]; /* of the sample, by each audience written to */
};

/* How many of the sample each audience written to has. */
static void
covered_count(struct compare *compare)
{
	for (size_t i = 0; i < compare->recall->sample; i++) {
		const struct history_contact *contact =
		    history_contact_find(compare->profile, compare->recall->recipients[i].hash);

		for (uint64_t bits = contact ? contact->audiences : 0; bits; bits &= bits - 1)
			compare->covered[__builtin_ctzll(bits)]++;
	}
}

/* An audience written to, as others see it. */
static struct history_sent_to
written_of(const struct compare *compare, const struct history_sent_audience *sent)
{
	return (struct history_sent_to){
		.is_known = true,
		.is_confirmed = sent->is_confirmed,
		.is_steady = history_rhythm_is_steady(&sent->rhythm),
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
compare_sent(const struct compare *compare, struct history_comparison *comparison)
{
	const struct history_recall *recall = compare->recall;
	const struct history_rhythm *rhythm = NULL;

	for (size_t i = 0; recall->sample && i < compare->profile->sent_count; i++) {
		const struct history_sent_audience *sent = &compare->profile->sent[i];
		double cover = (double)compare->covered[i] / (double)recall->sample, overlap;

		if (sent->size == 0)
			continue;
		overlap =
		    history_sent_likeness(sent, compare->covered[i], recall->sample, recall->count);
		if (sent->sum == recall->records->sum && sent->size == recall->count)
			comparison->same = written_of(compare, sent);
		if (cover > comparison->best_cover)
			comparison->best_cover = cover;
		if (overlap > comparison->best_overlap)
			comparison->best_overlap = overlap;
		if (overlap >= HISTORY_ALMOST && (!rhythm || sent->rhythm.last > rhythm->last))
			rhythm = &sent->rhythm;
	}
	comparison->is_due = rhythm && history_rhythm_is_due(rhythm, compare->now);
}

/* How like an audience received from this one is: 1 when it is the same. */
static double
received_overlap(
    const struct history_recall *recall, const struct history_received_audience *received_from)
{
	const struct history_records *records = recall->records;
	uint64_t full = records->sum + recall->actor;
	double cover, common, count = (double)recall->count;
	size_t in = 0;

	if (received_from->sum == full)
		return 1;
	for (size_t i = 0; i < received_from->author_count; i++)
		if (received_from->sum == full + received_from->authors[i])
			return 1;
	for (size_t i = 0; i < received_from->sketch_count; i++)
		in += history_sketch_has(records->hashes, recall->count, received_from->sketch[i]);
	cover = received_from->sketch_count ? (double)in / received_from->sketch_count : 0;
	common = cover * received_from->size;
	if (common > count)
		common = count;
	return common / (count + received_from->size - common);
}

/* Did such a large audience leave a mark, with or without its author? */
static bool
has_mark(const struct history_profile *profile, uint64_t sum)
{
	uint32_t mark = (uint32_t)(sum >> 32);

	for (size_t i = 0; i < profile->list_count; i++)
		if (profile->lists[i].with == mark || profile->lists[i].without == mark)
			return true;
	return false;
}

/* Compares with the audiences received from. */
static void
compare_received(const struct compare *compare, struct history_comparison *comparison)
{
	const struct history_recall *recall = compare->recall;
	const struct history_profile *profile = compare->profile;
	const struct history_received_audience *received_from = NULL;

	for (size_t i = 0; i < profile->received_count; i++) {
		double overlap;

		if (profile->received_from[i].size == 0)
			continue;
		overlap = received_overlap(recall, &profile->received_from[i]);
		if (overlap > comparison->received_overlap) {
			comparison->received_overlap = overlap;
			received_from = &profile->received_from[i];
		}
	}
	if (comparison->received_overlap < 1 &&
	    has_mark(profile, recall->records->sum + recall->actor)) {
		comparison->received_overlap = 1;
		received_from = NULL;
	}
	if (received_from)
		comparison->received_from = (struct history_received_from){ .is_known = true,
			.count = received_from->count,
			.authors = received_from->author_count,
			.author_changes = received_from->author_changes,
			.answered = received_from->answered,
			.replied_to_author_only = received_from->replied_to_author_only };
}

/* Is it certain that a sorted list with a maximum does not have a hash only for want of room? */
static bool
is_kept(const uint64_t *sorted, size_t count, size_t most, uint64_t hash)
{
	return count < most || hash <= sorted[count - 1];
}

/* How somebody who did not write it got the parent; a blind copy is told apart. */
static enum history_reach
reach_of(const struct history_thread *thread, uint64_t self)
{
	if (!thread->knows_copied || thread->originator == self ||
	    history_hash_has(thread->hidden, thread->hidden_count, self) ||
	    !is_kept(thread->members, thread->member_count, HISTORY_MAX_MEMBERS, self) ||
	    !is_kept(thread->copied, thread->copied_count, HISTORY_MAX_HIDDEN, self) ||
	    !is_kept(thread->hidden, thread->hidden_count, HISTORY_MAX_HIDDEN, self))
		return HISTORY_REACH_UNKNOWN;
	if (!history_hash_has(thread->members, thread->member_count, self))
		return HISTORY_REACH_LIST;
	return history_hash_has(thread->copied, thread->copied_count, self) ? HISTORY_REACH_CC
									    : HISTORY_REACH_TO;
}

/* What is known of the mail that is answered. */
static void
compare_parent(const struct history_recall *recall, struct history_comparison *comparison)
{
	const struct history_records *records = recall->records;
	const struct history_thread *thread = records->thread;
	const struct history_parent *answer = &comparison->answer;

	comparison->is_parent_audience =
	    answer->sum == records->sum + recall->actor || answer->sum == records->sum;
	history_contact_author(recall, answer->originator, &comparison->author);
	if (!thread)
		return;
	comparison->is_parent_inside =
	    thread->is_one_domain &&
	    history_hash_has(thread->members, thread->member_count, recall->actor);
	comparison->knows_hidden = thread->has_header;
	comparison->is_hidden =
	    history_hash_has(thread->hidden, thread->hidden_count, recall->actor);
	comparison->reach = reach_of(thread, recall->actor);
}

void
history_compare(const struct history_recall *recall, size_t people, int64_t now,
    struct history_comparison *comparison_r)
{
	const struct history_records *records = recall->records;
	struct compare compare = { .recall = recall, .profile = records->profile, .now = now };
	struct history_comparison comparison = { .answer = history_parent_find(records->profile,
						     records->thread, recall->actor,
						     records->hashes, recall->count, people, now) };

	compare_parent(recall, &comparison);
	if (compare.profile) {
		covered_count(&compare);
		compare_sent(&compare, &comparison);
		comparison.is_size_due = history_rhythm_is_due(
		    &compare.profile->rhythms[history_size_class(people)], now);
	}
	if (compare.profile && people >= COMPARE_RECEIVED_MIN)
		compare_received(&compare, &comparison);
	*comparison_r = comparison;
}
