/*
 * NAME
 *	judge/signals_reply - signals about a reply and the message it answers
 */
#include <math.h>

#include "milter/judge/internal.h"

/* replies that the site's habit counts among the sender's own */
#define REPLY_SITE_WORTH 3
/* replies that could have gone to all: from here on there is a habit */
#define REPLY_KNOWN 1
#define REPLY_LIFT 0.3 /* bits from which a habit is not like the others' */

/* How often people here answer all when they could. */
static double
site_habit(const struct judge_view *view)
{
	const struct history_habits *site = &view->recall->site;

	return (site->reply_all_done + 0.2) / (site->reply_all_possible + 10);
}

/* How often this sender does. */
static double
sender_habit(const struct judge_view *view)
{
	const struct history_habits *sender = &view->recall->sender;

	return (sender->reply_all_done + REPLY_SITE_WORTH * site_habit(view)) /
	       (sender->reply_all_possible + REPLY_SITE_WORTH);
}

/* How often somebody answered all of those who could be, as a case of a reason. */
static const char *
how_often(const struct history_habits *habits)
{
	double share;

	if (habits->reply_all_possible < REPLY_KNOWN)
		return "unknown";
	share = habits->reply_all_done / habits->reply_all_possible;
	return share < 0.05   ? "hardly"
	       : share < 0.2  ? "seldom"
	       : share < 0.5  ? "sometimes"
	       : share < 0.95 ? "often"
			      : "always";
}

/* Names the originator if the mail goes to them. */
static void
name_originator(const struct judge_view *view, const char **person_r)
{
	*person_r = judge_view_person_of(view, view->usual.answer.originator);
}

/* Who wrote the mail that is answered, "" when this does not go to them. */
static const char *
originator(const struct judge_view *view)
{
	return judge_view_person_of(view, view->usual.answer.originator);
}

/*
 * 0 no reply known, 1 to the author of a small mail, 2 to the author of a large one, 3 to
 * all of a large one, 4 to all of it and others, 5 to others but not to its author.
 */
bool
judge_measure_reply_kind(const struct judge_view *view, double *value_r, const char **person_r)
{
	if (view->count == 1 || history_parent_is_replied_to_all(&view->usual.answer))
		name_originator(view, person_r);
	if (!view->usual.answer.kind)
		*value_r = 0;
	else if (history_parent_is_replied_to_all(&view->usual.answer))
		*value_r = view->is_reply_exact ? 3 : 4;
	else if (*judge_view_person_of(view, view->usual.answer.originator))
		*value_r = view->usual.answer.others >= HISTORY_LARGE_PARENT ? 2 : 1;
	else
		*value_r = 5;
	return true;
}

void
judge_fill_reply_kind(const struct judge_view *view, double value, struct words_reason *reason)
{
	reason->who = originator(view);
	if (value == 3 || value == 4)
		reason->which = value == 3 ? "all" : "more";
	else
		reason->which = value == 5 && !view->usual.answer.is_own ? "others" : "plain";
}

bool
judge_measure_habit_reply_all(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = sender_habit(view);
	return view->is_reply_exact;
}

void
judge_fill_habit_reply_all(const struct judge_view *view, double value, struct words_reason *reason)
{
	const struct history_habits *sender = &view->recall->sender;

	(void)value; /* the site's habit is in it too */
	reason->which = how_often(sender);
}

bool
judge_measure_habit_lift(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = log2(sender_habit(view) / site_habit(view));
	return view->is_reply_exact;
}

void
judge_fill_habit_lift(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value < -REPLY_LIFT ? "less" : value > REPLY_LIFT ? "more" : "same";
}

bool
judge_measure_replied_all_before(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = view->recall->sender.reply_all_done;
	return view->is_reply_exact;
}

void
judge_fill_replied_all_before(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value < 0.01 ? "never" : value < 0.5 ? "long_ago" : "lately";
	reason->n = (unsigned long)fmax(0, round(value));
}

/* The sender's own mails to the originator alone. */
bool
judge_measure_one_to_one_author(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = view->usual.author.alone;
	return view->is_reply_exact;
}

void
judge_fill_one_to_one_author(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	reason->who = originator(view);
	reason->which = value < 0.05  ? "hardly"
			: value < 0.5 ? "once"
			: value < 5   ? "sometimes"
				      : "often";
}

bool
judge_measure_author_alone_share(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_recipient *author = &view->usual.author;

	name_originator(view, person_r);
	if (!view->is_reply_exact || author->sent <= 0)
		return false;
	*value_r = author->alone / author->sent;
	return true;
}

void
judge_fill_author_alone_share(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	reason->who = originator(view);
	reason->which = value >= 1      ? "all"
			: value > 0.95  ? "almost"
			: value > 0.5   ? "most"
			: value >= 0.05 ? "some"
					: "hardly";
}

bool
judge_measure_others_replied_all(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = view->usual.answer.answered_all;
	return view->is_reply_exact;
}

void
judge_fill_others_replied_all(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	if (view->usual.answer.kind == HISTORY_PARENT_INFERRED)
		reason->which = value < 1 ? "unknown" : "wrote";
	else
		reason->which = value < 1 ? "nobody" : "some";
	reason->n = (unsigned long)value;
}

bool
judge_measure_minutes_since_parent(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = (double)(view->now - view->usual.answer.time) / 60;
	return view->is_reply_exact;
}

void
judge_fill_minutes_since_parent(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	double hours = value / 60;
	bool is_minutes = value < 120, is_days = hours >= 48;

	(void)view;
	reason->which = is_minutes ? "minutes" : is_days ? "days" : "hours";
	reason->n = (unsigned long)round(is_minutes ? fmax(value, 0)
					 : is_days  ? hours / 24
						    : hours);
}

bool
judge_measure_site_reply_all(const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = site_habit(view);
	return view->is_reply_exact;
}

void
judge_fill_site_reply_all(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)value; /* a guess is in it for as long as the site is new */
	reason->which = how_often(&view->recall->site);
}

bool
judge_measure_reached_by_bcc(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	if (!view->usual.knows_hidden || !history_parent_is_replied_to_all(&view->usual.answer))
		return false;
	*value_r = view->usual.is_hidden;
	return true;
}

void
judge_fill_reached_by_bcc(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value > 0 ? "yes" : "no";
}

/* How somebody who answers everybody got the mail; a blind copy is reached_by_bcc's. */
bool
judge_measure_reached_as(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	if (view->usual.reach == HISTORY_REACH_UNKNOWN ||
	    !history_parent_is_replied_to_all(&view->usual.answer))
		return false;
	*value_r =
	    view->usual.reach == HISTORY_REACH_LIST ? 2 : view->usual.reach == HISTORY_REACH_CC;
	return true;
}

void
judge_fill_reached_as(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value >= 2 ? "list" : value >= 1 ? "copy" : "to";
}
