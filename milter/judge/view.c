/*
 * NAME
 *	judge/view - the facts of one send, joined once for all signals
 */
#include <math.h>

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
		const struct history_recipient *one = &view->recall->recipients[i];

		view->never_written += !one->is_written_to;
		view->unknown += !one->is_written_to && !one->is_received_from;
		view->rarely_written += one->sent < VIEW_WEAK;
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
	const struct history_comparison *usual = &view->usual;

	if (!view->recall->sender.is_known || (view->is_reply_exact && !usual->answer.is_own))
		return false;
	if (usual->is_due)
		return true;
	return view->people >= VIEW_REGULAR_MIN && usual->received_overlap < VIEW_REGULAR_HEARD &&
	       (!usual->answer.kind || usual->answer.is_own) && usual->is_size_due;
}

/* Are the recipients exactly everybody else in the mail that is answered? */
static bool
is_reply_exact(const struct judge_view *view)
{
	const struct history_parent *answer = &view->usual.answer;

	if (!answer->kind || answer->is_small || answer->others < HISTORY_LARGE_PARENT)
		return false;
	if (view->usual.is_parent_audience)
		return true;
	return answer->taken >= VIEW_WHOLE &&
	       fabs((double)view->people - answer->others) <= (1 - VIEW_WHOLE) * answer->others;
}

/* How well a recipient is known, and how well it fits with the others. */
static double
recipient_worth(const struct judge_view *view, const struct history_recipient *one)
{
	const struct history_parent *answer = &view->usual.answer;
	double worth = 0;

	if (one->is_written_to)
		worth += 2 + log2(1 + 2 * one->sent);
	if (one->is_received_from)
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
	const struct history_recall *recall = facts->recall;
	struct judge_view view = {
		.facts = facts,
		.recall = recall,
		.now = facts->transaction->time,
		.count = recall->count,
		.sample = recall->sample,
		.people = audience_people(facts->audience, recall->count),
	};

	history_compare(recall, view.people, view.now, &view.usual);
	view_familiarity(&view);
	view.is_reply_exact = is_reply_exact(&view);
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
	const struct history_recipient *one = history_recipient_find(view->recall, hash);

	return one ? judge_view_person(view, (size_t)(one - view->recall->recipients)) : "";
}

/* What is known of how many people there are. */
static enum words_known
view_known(const struct judge_view *view)
{
	switch (view->facts->audience != NULL ? view->facts->audience->kind : AUDIENCE_EXACT) {
	case AUDIENCE_EXACT:
		return WORDS_EXACTLY;
	case AUDIENCE_AT_LEAST:
		return WORDS_AT_LEAST;
	case AUDIENCE_UNKNOWN:
		break;
	}
	return WORDS_UNKNOWN;
}

struct words_reason
judge_view_reason(const struct judge_view *view, const char *signal)
{
	const struct audience *audience = view->facts->audience;

	return (struct words_reason){
		.signal = signal,
		.which = "",
		.people = view->people,
		.known = view_known(view),
		.addresses = view->count,
		.has_lists =
		    audience != NULL && (audience->lists > 0 || audience->kind == AUDIENCE_UNKNOWN),
		.who = "",
		.other = "",
	};
}
