/*
 * NAME
 *	judge/view - the facts of one send, joined once for all signals
 */
#include <math.h>
#include <stdio.h>

#include "milter/judge/internal.h"

#define VIEW_WEAK 0.7      /* sends, halved as they age: less is hardly known */
#define VIEW_WHOLE 0.95    /* of an answered mail's audience, and no more others */
#define VIEW_REGULAR_MIN 5 /* people from which a size class has a rhythm */
/* likeness with an audience received from that is too much */
#define VIEW_REGULAR_HEARD 0.6
#define VIEW_PARENT_WORTH 3 /* a recipient who was in the parent's audience is expected */

/* Counts how well the recipients are known. */
static void
view_familiarity(struct judge_view *view)
{
	for (size_t i = 0; i < view->sample; i++) {
		const struct memory_recipient *one = &view->recall->recipients[i];

		view->never += !one->is_written_to;
		view->strange += !one->is_written_to && !one->is_heard_from;
		view->weak += one->sent < VIEW_WEAK;
		view->familiarity += one->sent < 2 ? one->sent / 2 : 1;
	}
	if (view->sample)
		view->familiarity /= (double)view->sample;
}

/*
 * Is it a regular mailing that is due: to almost the same audience, or to about as many people
 * whoever they are? No answer to a mail of somebody else's is one; and a group that the sender
 * gets mail with is one only if it was written to.
 */
static bool
is_regular(const struct judge_view *view)
{
	const struct memory_comparison *usual = &view->usual;

	if (!view->recall->sender.is_known || (view->is_answer_exact && !usual->answer.is_own))
		return false;
	if (usual->is_due)
		return true;
	return view->people >= VIEW_REGULAR_MIN && usual->heard_overlap < VIEW_REGULAR_HEARD &&
	       (!usual->answer.kind || usual->answer.is_own) && usual->is_size_due;
}

/* Are the recipients exactly everybody else in the mail that is answered? */
static bool
is_answer_exact(const struct judge_view *view)
{
	const struct memory_answer *answer = &view->usual.answer;

	if (!answer->kind || answer->is_small || answer->others < MEMORY_LARGE_PARENT)
		return false;
	if (view->usual.is_parent_audience)
		return true;
	return answer->taken >= VIEW_WHOLE &&
	       fabs((double)view->people - answer->others) <= (1 - VIEW_WHOLE) * answer->others;
}

/* How well a recipient is known, and how well it fits with the others. */
static double
recipient_worth(const struct judge_view *view, const struct memory_recipient *one)
{
	const struct memory_answer *answer = &view->usual.answer;
	double worth = 0;

	if (one->is_written_to)
		worth += 2 + log2(1 + 2 * one->sent);
	if (one->is_heard_from)
		worth += 1 + 0.5 * log2(1 + 2 * one->received);
	if (one->is_contact)
		worth += 0.7 * log2(1 + one->shared);
	if (one->in_parent || (answer->kind && one->hash == answer->originator))
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
		double worth = recipient_worth(view, &view->recall->recipients[i]);

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
struct judge_view
judge_view_make(const struct judge_facts *facts)
{
	const struct memory_recall *recall = facts->recall;
	struct judge_view view = {
		.facts = facts,
		.recall = recall,
		.now = facts->transaction->time,
		.count = recall->count,
		.sample = recall->sample,
		.people = audience_people(facts->audience, recall->count),
	};

	memory_compare(recall, view.people, view.now, &view.usual);
	view_familiarity(&view);
	view.is_answer_exact = is_answer_exact(&view);
	view.is_regular = is_regular(&view);
	view_suspect(&view);
	return view;
}

/* A recipient's address. */
const char *
judge_view_person(const struct judge_view *view, size_t i)
{
	if (i >= view->count)
		return "";
	return view->facts->transaction->recipients.items[view->recall->recipients[i].index];
}

/* A recipient's address by hash. */
const char *
judge_view_person_of(const struct judge_view *view, uint64_t hash)
{
	const struct memory_recipient *one = memory_recipient_find(view->recall, hash);

	return one ? judge_view_person(view, (size_t)(one - view->recall->recipients)) : "";
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
