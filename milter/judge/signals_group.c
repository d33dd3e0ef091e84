/*
 * NAME
 *	judge/signals_group - signals about who the recipients are to the sender
 */
#include <math.h>

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

/* Of how many recipients it holds, for a count in the sample; of nobody: what holds of all. */
static void
report_of(const struct judge_view *view, size_t in_sample, struct words_reason *reason)
{
	reason->n = (unsigned long)round(of_all(view, in_sample));
	if (in_sample == 0)
		reason->which = view->count == 1 ? "known_one" : "known";
	else if (view->count == 1)
		reason->which = "one";
	else if (in_sample == view->sample)
		reason->which = "all";
	else
		reason->which = view->sample < view->count ? "about" : "some";
}

bool
judge_measure_never_written_share(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	return share_of(view, view->never_written, value_r);
}

void
judge_fill_never_written_share(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)value;
	report_of(view, view->never_written, reason);
}

bool
judge_measure_never_written_count(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	/* A list that was never written to is as many strangers as it has people. */
	*value_r = view->sample == 0
		       ? 0
		       : (double)view->never_written / (double)view->sample * (double)view->people;
	return true;
}

void
judge_fill_never_written_count(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->n = (unsigned long)fmax(0, round(value));
}

bool
judge_measure_stranger_share(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	return share_of(view, view->unknown, value_r);
}

void
judge_fill_stranger_share(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)value;
	report_of(view, view->unknown, reason);
}

bool
judge_measure_familiarity(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->familiarity;
	return view->people >= GROUP_MIN;
}

void
judge_fill_familiarity(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)value;
	report_of(view, view->rarely_written, reason);
}

bool
judge_measure_covered_by_one(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->usual.best_cover;
	return view->people >= GROUP_MIN;
}

void
judge_fill_covered_by_one(const struct judge_view *view, double value, struct words_reason *reason)
{
	double most = round(value * (double)view->count);

	if (value >= 1)
		reason->which = "all";
	else if (value <= 0)
		reason->which = view->count == 1 ? "none_one" : "none";
	else
		reason->which = view->sample < view->count ? "about" : "some";
	reason->n = (unsigned long)fmax(1, fmin(most, (double)view->count - 1));
}

bool
judge_measure_closest_sent(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->usual.same.is_known ? 1 : view->usual.best_overlap;
	return view->people >= GROUP_MIN;
}

void
judge_fill_closest_sent(const struct judge_view *view, double value, struct words_reason *reason)
{
	if (value <= 0)
		reason->which = "none";
	else if (view->count == 1)
		reason->which = value >= 1 ? "alone" : "not_alone";
	else
		reason->which = value < GROUP_LIKE     ? "unlike"
				: value < GROUP_ALMOST ? "like"
				: value < 1            ? "almost"
						       : "same";
}

bool
judge_measure_exact_before(const struct judge_view *view, double *value_r, const char **person_r)
{
	name_suspect(view, person_r);
	*value_r = view->usual.same.weight;
	return view->people >= 2;
}

void
judge_fill_exact_before(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)value;
	reason->which = view->usual.same.is_known ? "known" : "never";
	reason->n = view->usual.same.count;
}

/* The Friday newsletter: the same audience at a steady interval. */
bool
judge_measure_regular_mailing(const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_sent_to *same = &view->usual.same;

	(void)person_r;
	if (same->count < GROUP_REGULAR_MIN || same->last - same->first < GROUP_REGULAR_SPAN)
		return false;
	*value_r = same->gap > 0 ? same->deviation / same->gap : 1;
	return true;
}

void
judge_fill_regular_mailing(const struct judge_view *view, double value, struct words_reason *reason)
{
	const struct history_sent_to *same = &view->usual.same;

	(void)value;
	reason->which = same->is_steady ? "steady" : "unsteady";
	reason->n =
	    same->is_steady ? (unsigned long)fmax(1, round(same->gap / 86400)) : same->count;
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
judge_fill_cohesion(const struct judge_view *view, double value, struct words_reason *reason)
{
	reason->which = value <= 0 ? "none" : value >= 1 ? "each" : "some";
	reason->n = (unsigned long)fmax(0, round(value * (double)view->count));
}
