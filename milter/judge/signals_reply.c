/*
 * NAME
 *	judge/signals_reply - signals about a reply and the message it answers
 */
#include <math.h>

#include "milter/base/buffer.h"
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
	const struct memory_habits *site = &view->recall->site;

	return (site->did + 0.2) / (site->could + 10);
}

/* How often this sender does. */
static double
sender_habit(const struct judge_view *view)
{
	const struct memory_habits *sender = &view->recall->sender;

	return (sender->did + REPLY_SITE_WORTH * site_habit(view)) /
	       (sender->could + REPLY_SITE_WORTH);
}

/* A share of all that could have been, in words. */
static const char *
how_often(double share)
{
	return share < 0.05   ? "almost never"
	       : share < 0.2  ? "seldom"
	       : share < 0.5  ? "now and then"
	       : share < 0.95 ? "often, but not always,"
			      : "almost always";
}

/* Names the originator if the mail goes to them. */
static void
name_originator(const struct judge_view *view, const char **person_r)
{
	*person_r = judge_view_person_of(view, view->usual.answer.originator);
}

/* "ann@example.com", or "its author". */
static const char *
originator(const struct judge_view *view)
{
	const char *person = judge_view_person_of(view, view->usual.answer.originator);

	return *person ? person : "its author";
}

/*
 * 0 no reply known, 1 to the author of a small mail, 2 to the author of a large one, 3 to
 * all of a large one, 4 to all of it and others, 5 to others but not to its author.
 */
bool
judge_measure_reply_kind(const struct judge_view *view, double *value_r, const char **person_r)
{
	if (view->count == 1 || memory_answer_is_to_all(&view->usual.answer))
		name_originator(view, person_r);
	if (!view->usual.answer.kind)
		*value_r = 0;
	else if (memory_answer_is_to_all(&view->usual.answer))
		*value_r = view->is_answer_exact ? 3 : 4;
	else if (*judge_view_person_of(view, view->usual.answer.originator))
		*value_r = view->usual.answer.others >= MEMORY_LARGE_PARENT ? 2 : 1;
	else
		*value_r = 5;
	return true;
}

void
judge_say_reply_kind(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char people[JUDGE_PEOPLE_SIZE];

	judge_view_people(view, people);
	if (value == 3 || value == 4)
		base_buffer_printf(text_r,
		    "This answers not only %s but everybody who got the mail: %s%s.",
		    originator(view), people, value == 4 ? ", and more" : "");
	else if (value == 5 && !view->usual.answer.is_own)
		base_buffer_printf(text_r,
		    "This answers a mail and does not go to its author, but to %s.", people);
	else
		base_buffer_printf(text_r, "This goes to %s.", people);
}

bool
judge_measure_habit_answer_all(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = sender_habit(view);
	return view->is_answer_exact;
}

void
judge_say_habit_answer_all(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	const struct memory_habits *sender = &view->recall->sender;

	(void)value; /* the site's habit is in it too */
	if (sender->could >= REPLY_KNOWN)
		base_buffer_printf(text_r, "You %s answer everybody of a large mail.",
		    how_often(sender->did / sender->could));
	else
		base_buffer_puts(
		    text_r, "You are not known to have answered everybody of a large mail lately.");
}

bool
judge_measure_habit_lift(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = log2(sender_habit(view) / site_habit(view));
	return view->is_answer_exact;
}

void
judge_say_habit_lift(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	(void)view;
	base_buffer_printf(text_r, "You answer everybody %s others here%s.",
	    value < -REPLY_LIFT  ? "less often than"
	    : value > REPLY_LIFT ? "more often than"
				 : "about as often as",
	    value < -REPLY_LIFT || value > REPLY_LIFT ? " do" : "");
}

bool
judge_measure_answered_all_before(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = view->recall->sender.did;
	return view->is_answer_exact;
}

void
judge_say_answered_all_before(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	(void)view;
	if (value < 0.01)
		base_buffer_puts(text_r, "You have not answered a large mail to everybody.");
	else if (value < 0.5)
		base_buffer_puts(
		    text_r, "It is long ago that you answered a large mail to everybody.");
	else
		base_buffer_printf(text_r,
		    "In recent months you answered a large mail to everybody about %.0f "
		    "%s.",
		    value, value < 1.5 ? "time" : "times");
}

/* The sender's own mails to the originator alone. */
bool
judge_measure_one_to_one_author(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = view->usual.author.alone;
	return view->is_answer_exact;
}

void
judge_say_one_to_one_author(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	base_buffer_printf(text_r, "You %s to %s alone; this goes to everybody.",
	    value < 0.05  ? "hardly ever write"
	    : value < 0.5 ? "have written"
	    : value < 5   ? "now and then write"
			  : "often write",
	    originator(view));
}

bool
judge_measure_author_alone_share(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct memory_recipient *author = &view->usual.author;

	name_originator(view, person_r);
	if (!view->is_answer_exact || author->sent <= 0)
		return false;
	*value_r = author->alone / author->sent;
	return true;
}

void
judge_say_author_alone_share(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char people[JUDGE_PEOPLE_SIZE];

	base_buffer_printf(text_r,
	    "%s your mails to %s went to that person alone; this one goes to %s.",
	    value >= 1      ? "All"
	    : value > 0.95  ? "Almost all"
	    : value > 0.5   ? "Most of"
	    : value >= 0.05 ? "Some of"
			    : "Hardly any of",
	    originator(view), judge_view_people(view, people));
}

bool
judge_measure_others_answered_all(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	*value_r = view->usual.answer.answered_all;
	return view->is_answer_exact;
}

void
judge_say_others_answered_all(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	if (view->usual.answer.kind == MEMORY_ANSWER_INFERRED)
		base_buffer_puts(text_r, value < 1
					     ? "Nobody else is known to have answered this mail to "
					       "everybody."
					     : "Others wrote to everybody before.");
	else if (value < 1)
		base_buffer_puts(text_r, "Nobody has yet answered this mail to everybody.");
	else
		base_buffer_printf(text_r, "%.0f %s to everybody came before this one.", value,
		    value == 1 ? "answer" : "answers");
}

bool
judge_measure_minutes_since_parent(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = (double)(view->now - view->usual.answer.time) / 60;
	return view->is_answer_exact;
}

void
judge_say_minutes_since_parent(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	double hours = value / 60;
	bool is_minutes = value < 120, is_days = hours >= 48;
	double many = round(is_minutes ? fmax(value, 0) : is_days ? hours / 24 : hours);

	(void)view;
	base_buffer_printf(text_r, "The mail you answer is %.0f %s%s old.", many,
	    is_minutes ? "minute"
	    : is_days  ? "day"
		       : "hour",
	    many == 1 ? "" : "s");
}

bool
judge_measure_site_reply_all(const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = site_habit(view);
	return view->is_answer_exact;
}

void
judge_say_site_reply_all(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char people[JUDGE_PEOPLE_SIZE];
	const struct memory_habits *site = &view->recall->site;

	(void)value; /* a guess is in it for as long as the site is new */
	base_buffer_printf(text_r, "This answers everybody who got the mail, %s; ",
	    judge_view_people(view, people));
	if (site->could >= REPLY_KNOWN)
		base_buffer_printf(
		    text_r, "people here %s do that.", how_often(site->did / site->could));
	else
		base_buffer_puts(text_r, "nobody here is known to do that.");
}

bool
judge_measure_reached_by_bcc(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	if (!view->usual.knows_hidden || !memory_answer_is_to_all(&view->usual.answer))
		return false;
	*value_r = view->usual.is_hidden;
	return true;
}

void
judge_say_reached_by_bcc(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char people[JUDGE_PEOPLE_SIZE];

	if (value > 0)
		base_buffer_printf(text_r,
		    "You got the mail as a blind copy: answering tells %s that you have "
		    "it.",
		    judge_view_people(view, people));
	else
		base_buffer_puts(text_r, "You did not get the mail as a blind copy.");
}

/* How somebody who answers everybody got the mail; a blind copy is reached_by_bcc's. */
bool
judge_measure_reached_as(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_originator(view, person_r);
	if (view->usual.reach == MEMORY_REACH_UNKNOWN ||
	    !memory_answer_is_to_all(&view->usual.answer))
		return false;
	*value_r =
	    view->usual.reach == MEMORY_REACH_LIST ? 2 : view->usual.reach == MEMORY_REACH_CC;
	return true;
}

void
judge_say_reached_as(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char people[JUDGE_PEOPLE_SIZE];

	base_buffer_printf(text_r, "You got the mail %s, and answer %s.",
	    value >= 2   ? "by a list only"
	    : value >= 1 ? "as a copy only"
			 : "as one of those it is to",
	    judge_view_people(view, people));
}
