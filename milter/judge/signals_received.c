/*
 * NAME
 *	judge/signals_received - signals about audiences that the sender received mail with
 *
 * A mail to the wrong people mostly goes to people who were a group before: everybody of the
 * mail that is answered, or a list that the sender only ever received from.
 */
#include "milter/judge/internal.h"

#define RECEIVED_MIN 5     /* recipients from which they are compared */
#define RECEIVED_LIKE 0.7  /* overlap from which an audience received from is meant */
#define RECEIVED_ALIKE 0.6 /* overlap from which it is alike */

/*
 * 0 no audience received from, 1 alike, 2 exactly one, 3 most of the answered mail's, 4 exactly
 * the answered mail's.
 */
bool
judge_measure_received_as(const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	if (view->people < RECEIVED_MIN)
		return false;
	if (view->is_reply_exact)
		*value_r = 4;
	else if (view->usual.received_overlap >= 1)
		*value_r = 2;
	else if (history_parent_is_replied_to_all(&view->usual.answer))
		*value_r = 3;
	else
		*value_r = view->usual.received_overlap >= RECEIVED_ALIKE ? 1 : 0;
	return true;
}

/* Is it a group that the sender gets mail with, and does not write to? */
static void
report_heard(const struct judge_view *view, struct words_reason *reason)
{
	bool is_only = !view->usual.same.is_known && view->usual.best_overlap < RECEIVED_LIKE;

	if (view->usual.received_overlap >= 1)
		reason->which = is_only ? "same_only" : "same";
	else if (view->usual.received_overlap >= RECEIVED_ALIKE)
		reason->which = is_only ? "like_only" : "like";
	else
		reason->which = "unlike";
}

void
judge_fill_received_as(const struct judge_view *view, double value, struct words_reason *reason)
{
	if (value >= 3)
		reason->which = value < 4                        ? "most"
				: view->usual.is_parent_audience ? "everybody"
								 : "almost";
	else
		report_heard(view, reason);
}

bool
judge_measure_group_authors(const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r =
	    view->usual.received_overlap >= RECEIVED_LIKE ? view->usual.received_from.authors : 0;
	return view->people >= RECEIVED_MIN;
}

void
judge_fill_group_authors(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value < 1 ? "none" : value < HISTORY_MAX_AUTHORS ? "some" : "several";
	reason->n = (unsigned long)value;
}

/* The audience received from that is exactly this one; NULL: none, or its record is gone. */
static const struct history_received_from *
same_heard(const struct judge_view *view)
{
	bool is_same = view->people >= RECEIVED_MIN && view->usual.received_overlap >= 1;

	return is_same && view->usual.received_from.is_known ? &view->usual.received_from : NULL;
}

/* Is it a conversation, or does one person write to all the others? */
bool
judge_measure_group_author_changes(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_received_from *received_from = same_heard(view);

	(void)person_r;
	if (!received_from || received_from->count < 2)
		return false;
	*value_r = (double)received_from->author_changes / (double)(received_from->count - 1);
	return true;
}

void
judge_fill_group_author_changes(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value <= 0 ? "one" : value < 0.5 ? "mostly" : "several";
}

bool
judge_measure_group_replied_to_all(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_received_from *received_from = same_heard(view);

	(void)person_r;
	if (!received_from)
		return false;
	*value_r = received_from->answered;
	return true;
}

void
judge_fill_group_replied_to_all(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value < 1 ? "never" : "times";
	reason->n = (unsigned long)value;
}

bool
judge_measure_group_replied_to_author_only(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_received_from *received_from = same_heard(view);

	(void)person_r;
	if (!received_from)
		return false;
	*value_r = received_from->replied_to_author_only;
	return true;
}

void
judge_fill_group_replied_to_author_only(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	bool is_always =
	    view->usual.received_from.is_known && view->usual.received_from.answered == 0;

	reason->which = value < 1 ? "never" : is_always && value > 1 ? "always" : "times";
	reason->n = (unsigned long)value;
}
