/*
 * NAME
 *	judge/signals_group - signals about who the recipients are to the sender
 */
#include <math.h>

#include "milter/base/buffer.h"
#include "milter/judge/internal.h"

#define GROUP_MIN 3           /* people from which shares mean something */
#define GROUP_NAMED_MAX 12    /* recipients among whom one is named */
#define GROUP_REGULAR_MIN 4   /* sends that make an interval */
#define GROUP_REGULAR_SPAN 60 /* seconds from the first to the last: less is one occasion */
#define GROUP_LIKE 0.6        /* likeness from which a group is called like another */
#define GROUP_ALMOST 0.9      /* likeness from which it is called almost the same */

/* Among few recipients the least expected one is named. */
static void
name_suspect(const struct judge_view *view, const char **person_r)
{
	if (view->count >= 2 && view->count <= GROUP_NAMED_MAX)
		*person_r = judge_view_person(view, view->suspect);
}

/* A count in the sample as one of all recipients. */
static double
of_all(const struct judge_view *view, size_t in_sample)
{
	if (view->sample == 0)
		return 0;
	return (double)in_sample * (double)view->count / (double)view->sample;
}

/* A count in the sample as a share; false for few recipients. */
static bool
share_of(const struct judge_view *view, size_t in_sample, double *value_r)
{
	if (view->people < GROUP_MIN)
		return false;
	*value_r = (double)in_sample / (double)view->sample;
	return true;
}

/*
 * "37 of these 41 people", for a count in the sample that is not 0; a sample's is a guess. `all`
 * is what all of them are called: "any of ", "all of ".
 */
static void
say_count(
    const struct judge_view *view, size_t in_sample, const char *all, struct base_buffer *text)
{
	char these[JUDGE_PEOPLE_SIZE];

	judge_view_these(view, these);
	if (view->count == 1)
		base_buffer_puts(text, these);
	else if (in_sample == view->sample)
		base_buffer_printf(text, "%s%s", all, these);
	else
		base_buffer_printf(text, "%s%.0f of %s", view->sample < view->count ? "about " : "",
		    of_all(view, in_sample), these);
}

/* "You have ... any of these 4 people.", or when it holds of nobody, what holds of all. */
static void
say_of(const struct judge_view *view, size_t in_sample, const char *of_some, const char *of_nobody,
    struct base_buffer *text)
{
	bool is_some = in_sample > 0;

	base_buffer_puts(text, is_some ? of_some : of_nobody);
	say_count(view, is_some ? in_sample : view->sample, is_some ? "any of " : "all of ", text);
	base_buffer_puts(text, ".");
}

bool
judge_measure_never_written_share(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	return share_of(view, view->never, value_r);
}

void
judge_say_never_written_share(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	(void)value;
	say_of(
	    view, view->never, "You have never written to ", "You have written before to ", text_r);
}

bool
judge_measure_never_written_count(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	/* A list that was never written to is as many strangers as it has people. */
	*value_r = view->sample == 0
		       ? 0
		       : (double)view->never / (double)view->sample * (double)view->people;
	return true;
}

void
judge_say_never_written_count(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	double count = fmax(0, round(value));

	(void)view;
	base_buffer_printf(text_r, "It reaches %.0f %s whom you have never written to.", count,
	    count == 1 ? "person" : "people");
}

bool
judge_measure_stranger_share(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	return share_of(view, view->strange, value_r);
}

void
judge_say_stranger_share(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	(void)value;
	say_of(view, view->strange, "You have neither written to nor heard from ",
	    "You have written to or heard from ", text_r);
}

bool
judge_measure_familiarity(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->familiarity;
	return view->people >= GROUP_MIN;
}

void
judge_say_familiarity(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	(void)value;
	say_of(view, view->weak, "You seldom or never write to ",
	    "You have written lately, if not often, to ", text_r);
}

bool
judge_measure_covered_by_one(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->usual.best_cover;
	return view->people >= GROUP_MIN;
}

void
judge_say_covered_by_one(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char these[JUDGE_PEOPLE_SIZE];
	double most = round(value * (double)view->count);

	judge_view_these(view, these);
	if (value >= 1)
		base_buffer_printf(text_r, "A group you wrote to before holds all of %s.", these);
	else if (value <= 0)
		base_buffer_printf(text_r, "No group you wrote to before holds %s%s.",
		    view->count == 1 ? "" : "any of ", these);
	else
		base_buffer_printf(text_r,
		    "No group you wrote to before holds more than %s%.0f of %s.",
		    view->sample < view->count ? "about " : "",
		    fmax(1, fmin(most, (double)view->count - 1)), these);
}

bool
judge_measure_closest_sent(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->usual.same.is_known ? 1 : view->usual.best_overlap;
	return view->people >= GROUP_MIN;
}

void
judge_say_closest_sent(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char these[JUDGE_PEOPLE_SIZE];

	judge_view_these(view, these);
	if (value <= 0)
		base_buffer_printf(
		    text_r, "You have not written to a group with anybody of %s.", these);
	else if (view->count == 1)
		base_buffer_printf(text_r, "You have %swritten to %s alone before.",
		    value >= 1 ? "" : "not ", these);
	else if (value < GROUP_LIKE)
		base_buffer_printf(text_r, "You have not written to a group like %s.", these);
	else if (value < GROUP_ALMOST)
		base_buffer_printf(text_r,
		    "You have written to a group like %s, but not to quite the same.", these);
	else
		base_buffer_printf(text_r, "You have written to %s%s before.",
		    value >= 1 ? "" : "almost exactly ", these);
}

bool
judge_measure_exact_before(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->usual.same.weight;
	return view->people >= 2;
}

void
judge_say_exact_before(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char these[JUDGE_PEOPLE_SIZE];

	(void)value;
	if (view->usual.same.is_known)
		base_buffer_printf(text_r, "You wrote to exactly %s %u %s.",
		    judge_view_these(view, these), view->usual.same.count,
		    view->usual.same.count == 1 ? "time" : "times");
	else
		base_buffer_printf(
		    text_r, "You have never written to exactly %s.", judge_view_these(view, these));
}

/* The Friday newsletter: the same audience at a steady interval. */
bool
judge_measure_regular_mailing(const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct memory_written *same = &view->usual.same;

	(void)person_r;
	if (same->count < GROUP_REGULAR_MIN || same->last - same->first < GROUP_REGULAR_SPAN)
		return false;
	*value_r = same->gap > 0 ? same->deviation / same->gap : 1;
	return true;
}

void
judge_say_regular_mailing(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char these[JUDGE_PEOPLE_SIZE];
	const struct memory_written *same = &view->usual.same;

	(void)value;
	judge_view_these(view, these);
	if (same->is_steady)
		base_buffer_printf(text_r, "You write to %s about every %.0f days.", these,
		    fmax(1, same->gap / 86400));
	else
		base_buffer_printf(text_r, "You wrote to exactly %s %u %s, at no steady interval.",
		    these, same->count, same->count == 1 ? "time" : "times");
}

/* The share of recipients that other recipients were written to with. */
bool
judge_measure_cohesion(const struct judge_view *view, double *value_r, const char **person_r)
{
	size_t together = 0;

	(void)person_r;
	for (size_t i = 0; i < view->sample; i++)
		together += view->recall->recipients[i].shared > 0;
	return share_of(view, together, value_r) && view->count > 1;
}

void
judge_say_cohesion(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char these[JUDGE_PEOPLE_SIZE];

	judge_view_these(view, these);
	if (value <= 0)
		base_buffer_printf(
		    text_r, "You have not written to any two of %s together.", these);
	else if (value >= 1)
		base_buffer_printf(
		    text_r, "You have written to each of %s together with another of them.", these);
	else
		base_buffer_printf(text_r,
		    "Of %s you wrote to only %.0f together with another of them.", these,
		    value * (double)view->count);
}
