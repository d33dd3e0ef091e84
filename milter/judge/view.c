/*
 * NAME
 *	judge/view - the facts of one send, joined once for all signals
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/judge/internal.h"

#define VIEW_WEAK 0.7      /* sends, halved as they age: less is hardly known */
#define VIEW_HEARD_MIN 4   /* recipients from which audiences received from are compared */
#define VIEW_WHOLE 0.95    /* of an answered mail's audience, and no more others */
#define VIEW_REGULAR_MIN 5 /* people from which a size class has a rhythm */
/* likeness with an audience received from that is too much */
#define VIEW_REGULAR_HEARD 0.6
#define VIEW_PARENT_WORTH 3 /* a recipient who was in the parent's audience is expected */

struct placed {
	uint64_t hash;
	size_t place;
};

/* Orders by hash, then by place. */
static int
placed_compare(const void *a, const void *b)
{
	const struct placed *left = a, *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->place < right->place ? -1 : left->place > right->place;
}

/* The distinct recipients without the sender, sorted by hash. */
static bool
view_sort(struct judge_view *view, struct base_arena *arena)
{
	const struct memory_recall *recall = view->facts->recall;
	size_t count = recall->recipient_count;
	struct placed *all = base_arena_array(arena, count + 1, sizeof(*all));

	view->hashes = base_arena_array(arena, count + 1, sizeof(*view->hashes));
	view->places = base_arena_array(arena, count + 1, sizeof(*view->places));
	if (!all || !view->hashes || !view->places)
		return false;
	for (size_t i = 0; i < count; i++)
		all[i] = (struct placed){ .hash = recall->recipients[i], .place = i };
	qsort(all, count, sizeof(*all), placed_compare);
	for (size_t i = 0; i < count; i++) {
		if (all[i].hash == view->self || (i && all[i].hash == all[i - 1].hash))
			continue;
		view->hashes[view->count] = all[i].hash;
		view->places[view->count++] = all[i].place;
		view->sum += all[i].hash;
	}
	return true;
}

/* Counts one recipient. */
static void
view_contact(struct judge_view *view, const struct memory_contact *contact)
{
	double sent = contact ? contact->sent * view->fade : 0;

	view->never += !contact || !contact->last_sent;
	view->strange += !contact || (!contact->last_sent && !contact->last_received);
	view->weak += sent < VIEW_WEAK;
	if (!contact)
		return;
	view->familiarity += sent < 2 ? sent / 2 : 1;
	view->two |= view->any & contact->audiences;
	view->any |= contact->audiences;
	for (uint64_t bits = contact->audiences; bits; bits &= bits - 1)
		view->covered[__builtin_ctzll(bits)]++;
}

/* Who each recipient of the sample is to the sender. */
static bool
view_contacts(struct judge_view *view, struct base_arena *arena)
{
	const struct memory_profile *profile = view->facts->recall->profile;

	view->sample = view->count < MEMORY_SAMPLE ? view->count : MEMORY_SAMPLE;
	view->contacts = base_arena_array(arena, view->sample + 1, sizeof(*view->contacts));
	if (!view->contacts)
		return false;
	for (size_t i = 0; i < view->sample; i++) {
		view->contacts[i] = memory_contact_find(profile, view->hashes[i]);
		view_contact(view, view->contacts[i]);
	}
	if (view->sample)
		view->familiarity /= (double)view->sample;
	return true;
}

/* Compares with the audiences written to before. */
static void
view_sent(struct judge_view *view)
{
	const struct memory_profile *profile = view->facts->recall->profile;

	for (size_t i = 0; profile && view->sample && i < profile->sent_count; i++) {
		const struct memory_sent *sent = &profile->sent[i];
		double cover = (double)view->covered[i] / (double)view->sample, overlap;

		if (sent->size == 0)
			continue;
		overlap = memory_sent_likeness(sent, view->covered[i], view->sample, view->count);
		if (sent->sum == view->sum && sent->size == view->count)
			view->same = sent;
		if (cover > view->best_cover)
			view->best_cover = cover;
		if (overlap > view->best_overlap)
			view->best_overlap = overlap;
		if (overlap >= MEMORY_ALMOST &&
		    (!view->rhythm || sent->rhythm.last > view->rhythm->last))
			view->rhythm = &sent->rhythm;
	}
}

/*
 * Is it a regular mailing that is due: to almost the same audience, or to about as many people
 * whoever they are? No answer to a mail of somebody else's is one; and a group that the sender
 * gets mail with is one only if it was written to.
 */
static bool
is_regular(const struct judge_view *view)
{
	const struct memory_profile *profile = view->facts->recall->profile;

	if (!profile || (view->is_answer_exact && !view->answer.is_own))
		return false;
	if (view->rhythm && memory_rhythm_is_due(view->rhythm, view->now))
		return true;
	return view->people >= VIEW_REGULAR_MIN && view->heard_overlap < VIEW_REGULAR_HEARD &&
	       (!view->answer.kind || view->answer.is_own) &&
	       memory_rhythm_is_due(&profile->rhythms[memory_size_class(view->people)], view->now);
}

/* How like an audience received from this one is: 1 when it is the same. */
static double
heard_overlap(const struct judge_view *view, const struct memory_heard *heard)
{
	uint64_t full = view->sum + view->self;
	size_t in = 0;
	double cover, common;

	if (heard->sum == full)
		return 1;
	for (size_t i = 0; i < heard->voice_count; i++)
		if (heard->sum == full + heard->voices[i])
			return 1;
	for (size_t i = 0; i < heard->sketch_count; i++)
		in += memory_sketch_has(view->hashes, view->count, heard->sketch[i]);
	cover = heard->sketch_count ? (double)in / heard->sketch_count : 0;
	common = cover * heard->size;
	if (common > (double)view->count)
		common = (double)view->count;
	return common / ((double)view->count + heard->size - common);
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
view_heard(struct judge_view *view)
{
	const struct memory_profile *profile = view->facts->recall->profile;

	if (!profile || view->people < VIEW_HEARD_MIN)
		return;
	for (size_t i = 0; i < profile->heard_count; i++) {
		double overlap;

		if (profile->heard[i].size == 0)
			continue;
		overlap = heard_overlap(view, &profile->heard[i]);
		if (overlap > view->heard_overlap) {
			view->heard_overlap = overlap;
			view->heard = &profile->heard[i];
		}
	}
	if (view->heard_overlap < 1 && has_mark(profile, view->sum + view->self)) {
		view->heard_overlap = 1;
		view->heard = NULL;
	}
}

/* Are the recipients exactly everybody else in the mail that is answered? */
static bool
is_answer_exact(const struct judge_view *view)
{
	const struct memory_answer *answer = &view->answer;

	if (!answer->kind || answer->is_small || answer->others < MEMORY_LARGE_PARENT)
		return false;
	if (answer->sum == view->sum + view->self || answer->sum == view->sum)
		return true;
	return answer->taken >= VIEW_WHOLE &&
	       fabs((double)view->people - answer->others) <= (1 - VIEW_WHOLE) * answer->others;
}

/* How well a recipient is known, and how well it fits with the others. */
static double
contact_worth(const struct judge_view *view, size_t i)
{
	const struct memory_contact *contact = view->contacts[i];
	const struct memory_thread *thread = view->facts->recall->thread;
	double worth = 0;

	if (contact) {
		uint64_t shared = contact->audiences & view->two;

		if (contact->last_sent)
			worth += 2 + log2(1 + 2 * contact->sent * view->fade);
		if (contact->last_received)
			worth += 1 + 0.5 * log2(1 + 2 * contact->received * view->fade);
		worth += 0.7 * log2(1 + __builtin_popcountll(shared));
	}
	if ((thread && memory_hash_has(thread->members, thread->member_count, view->hashes[i])) ||
	    (view->answer.kind && view->hashes[i] == view->answer.originator))
		worth += VIEW_PARENT_WORTH;
	return worth;
}

/* The recipient who is least expected. */
static void
view_suspect(struct judge_view *view)
{
	double sum = 0;

	view->suspect = view->sample;
	for (size_t i = 0; i < view->sample; i++) {
		double worth = contact_worth(view, i);

		sum += worth;
		if (view->suspect == view->sample || worth < view->suspect_worth) {
			view->suspect = i;
			view->suspect_worth = worth;
		}
	}
	if (view->sample > 1)
		view->others_worth = (sum - view->suspect_worth) / (double)(view->sample - 1);
}

/* Joins the facts. */
enum base_result
judge_view_make(const struct judge_facts *facts, struct base_arena *arena,
    struct judge_view *view_r, const char **why_r)
{
	const struct memory_recall *recall = facts->recall;
	struct judge_view view = {
		.facts = facts,
		.now = facts->transaction->time,
		.self = recall->actor,
		.fade = 1,
		.site_fade = 1,
	};

	if (recall->profile)
		view.fade = memory_fade(recall->profile->epoch, view.now);
	if (recall->site)
		view.site_fade = memory_fade(recall->site->epoch, view.now);
	if (!view_sort(&view, arena) || !view_contacts(&view, arena)) {
		*why_r = base_why("no memory to judge %zu recipients", recall->recipient_count);
		return BASE_BROKEN;
	}
	view.people = audience_people(facts->audience, view.count);
	view.answer = memory_answer_find(recall->profile, recall->thread, view.self, view.hashes,
	    view.count, view.people, view.now);
	view.is_answer_exact = is_answer_exact(&view);
	view_sent(&view);
	view_heard(&view);
	view_suspect(&view);
	view.is_regular = is_regular(&view);
	*view_r = view;
	return BASE_OK;
}

/* A recipient's address by place among the hashes. */
const char *
judge_view_person(const struct judge_view *view, size_t i)
{
	return i < view->count ? view->facts->transaction->recipients.items[view->places[i]] : "";
}

/* A recipient's address by hash. */
const char *
judge_view_person_of(const struct judge_view *view, uint64_t hash)
{
	size_t place = memory_hash_place(view->hashes, view->count, hash);

	if (place < view->count && view->hashes[place] == hash)
		return judge_view_person(view, place);
	return "";
}

/* How exactly it is known how many people there are. */
static enum audience_kind
view_kind(const struct judge_view *view)
{
	return view->facts->audience ? view->facts->audience->kind : AUDIENCE_EXACT;
}

const char *
judge_view_number(const struct judge_view *view, char room[JUDGE_PEOPLE_SIZE])
{
	if (view_kind(view) == AUDIENCE_UNKNOWN)
		snprintf(room, JUDGE_PEOPLE_SIZE, "an unknown number");
	else
		snprintf(room, JUDGE_PEOPLE_SIZE, "%s%zu",
		    view_kind(view) == AUDIENCE_AT_LEAST ? "at least " : "", view->people);
	return room;
}

const char *
judge_view_people(const struct judge_view *view, char room[JUDGE_PEOPLE_SIZE])
{
	char number[JUDGE_PEOPLE_SIZE];
	const char *of = view_kind(view) == AUDIENCE_UNKNOWN ? " of" : "";
	bool is_one = !*of && view->people == 1;

	snprintf(room, JUDGE_PEOPLE_SIZE, "%.40s%s %s", judge_view_number(view, number), of,
	    is_one ? "person" : "people");
	return room;
}

const char *
judge_view_these(const struct judge_view *view, char room[JUDGE_PEOPLE_SIZE])
{
	bool has_lists = view->facts->audience && view->facts->audience->lists > 0;

	if (view_kind(view) == AUDIENCE_UNKNOWN)
		has_lists = true;
	if (view->count == 1)
		snprintf(room, JUDGE_PEOPLE_SIZE, "this %s", has_lists ? "list" : "person");
	else
		snprintf(room, JUDGE_PEOPLE_SIZE, "these %zu %s", view->count,
		    has_lists ? "addresses" : "people");
	return room;
}
