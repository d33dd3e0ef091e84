/*
 * NAME
 *	judge/signals_received - signals about audiences that the sender received mail with
 *
 * A mail to the wrong people mostly goes to people who were a group before: everybody of the
 * mail that is answered, or a list that the sender only ever received from.
 */
#include "milter/base/buffer.h"
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
	if (view->is_answer_exact)
		*value_r = 4;
	else if (view->usual.heard_overlap >= 1)
		*value_r = 2;
	else if (memory_answer_is_to_all(&view->usual.answer))
		*value_r = 3;
	else
		*value_r = view->usual.heard_overlap >= RECEIVED_ALIKE ? 1 : 0;
	return true;
}

/* "You get mail with these 20 people; you do not write to that group." */
static void
say_heard(const struct judge_view *view, struct base_buffer *text)
{
	char these[JUDGE_PEOPLE_SIZE];
	const char *but = view->usual.same.is_known || view->usual.best_overlap >= RECEIVED_LIKE
			      ? ""
			      : "; you do not write to that group";

	judge_view_these(view, these);
	if (view->usual.heard_overlap >= 1)
		base_buffer_printf(text, "You get mail with %s%s.", these, but);
	else if (view->usual.heard_overlap >= RECEIVED_ALIKE)
		base_buffer_printf(text, "You get mail with a group like %s%s.", these, but);
	else
		base_buffer_printf(text, "You do not get mail with a group like %s.", these);
}

void
judge_say_received_as(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	if (value >= 3)
		base_buffer_printf(text_r, "This goes to %s who got the mail you answer.",
		    value < 4                        ? "most of those"
		    : view->usual.is_parent_audience ? "everybody"
						     : "almost everybody");
	else
		say_heard(view, text_r);
}

bool
judge_measure_group_voices(const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = view->usual.heard_overlap >= RECEIVED_LIKE ? view->usual.heard.voices : 0;
	return view->people >= RECEIVED_MIN;
}

void
judge_say_group_voices(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	if (value < 1)
		base_buffer_printf(text_r,
		    "Nobody is known to write to a group like this one of %zu.", view->count);
	else if (value < MEMORY_MAX_VOICES)
		base_buffer_printf(text_r, "Only %.0f %s known to write to this group of %zu.",
		    value, value == 1 ? "person is" : "people are", view->count);
	else
		base_buffer_printf(
		    text_r, "Several people write to this group of %zu.", view->count);
}

/* The audience received from that is exactly this one; NULL: none, or its record is gone. */
static const struct memory_received *
same_heard(const struct judge_view *view)
{
	bool is_same = view->people >= RECEIVED_MIN && view->usual.heard_overlap >= 1;

	return is_same && view->usual.heard.is_known ? &view->usual.heard : NULL;
}

/* Is it a conversation, or does one person write to all the others? */
bool
judge_measure_group_turns(const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct memory_received *heard = same_heard(view);

	(void)person_r;
	if (!heard || heard->count < 2)
		return false;
	*value_r = (double)heard->turns / (double)(heard->count - 1);
	return true;
}

void
judge_say_group_turns(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	base_buffer_printf(text_r,
	    value <= 0    ? "In this group of %zu people one person writes to all others."
	    : value < 0.5 ? "In this group of %zu people mostly the same person writes to "
			    "everybody."
			  : "In this group of %zu people several write to everybody in turn.",
	    view->count);
}

bool
judge_measure_group_answered(const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct memory_received *heard = same_heard(view);

	(void)person_r;
	if (!heard)
		return false;
	*value_r = heard->answered;
	return true;
}

void
judge_say_group_answered(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	if (value < 1)
		base_buffer_printf(text_r,
		    "You have never answered everybody in this group of %zu people.", view->count);
	else
		base_buffer_printf(text_r,
		    "You answered everybody in this group of %zu people %.0f %s.", view->count,
		    value, value == 1 ? "time" : "times");
}

bool
judge_measure_group_declined(const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct memory_received *heard = same_heard(view);

	(void)person_r;
	if (!heard)
		return false;
	*value_r = heard->declined;
	return true;
}

void
judge_say_group_declined(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	bool is_always = view->usual.heard.is_known && view->usual.heard.answered == 0;

	if (value < 1)
		base_buffer_printf(text_r,
		    "You have not yet answered the author alone of a mail to these %zu "
		    "people.",
		    view->count);
	else
		base_buffer_printf(text_r,
		    "You answered mails to these %zu people %.0f %s before%s the author "
		    "alone.",
		    view->count, value, value == 1 ? "time" : "times",
		    is_always && value > 1 ? ", each time" : " to");
}
