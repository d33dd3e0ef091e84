/*
 * NAME
 *	judge/signals_size - signals about how many people a send goes to
 */
#include <math.h>

#include "milter/judge/internal.h"

#define SIZE_SITE_WORTH 2 /* sends that the site's habit counts among the sender's own */
#define SIZE_USUAL 0.8    /* share of sends that is called usual */
#define SIZE_RARE 3       /* bits from which sends are few: 1 of 8 */
#define SIZE_KNOWN 10     /* sends of a sender from which a first time means something */

static const unsigned size_low[HISTORY_SIZE_CLASSES] = { 1, 2, 3, 5, 8, 11, 15, 25, 50, 100, 250,
	1000 };
static const unsigned size_high[HISTORY_SIZE_CLASSES] = { 1, 2, 4, 7, 10, 14, 24, 49, 99, 249, 999,
	0 };

/* Sum of the size classes from one up. */
static double
sizes_from(const float *sizes, unsigned size_class)
{
	double sum = 0;

	for (unsigned i = size_class; i < HISTORY_SIZE_CLASSES; i++)
		sum += (double)sizes[i];
	return sum;
}

/* How much of the site's mail goes to as many people as this, or more. */
static double
site_share(const struct judge_view *view)
{
	const struct history_habits *site = &view->recall->site;
	double more = sizes_from(site->sizes, history_size_class(view->people)) * site->fade;
	double total = (double)site->total * site->fade;

	return (more + 0.05) / (total + 1);
}

/* How much of the sender's mail goes to as many people as this, or more. */
static double
sender_share(const struct judge_view *view)
{
	const struct history_habits *sender = &view->recall->sender;
	double more = sizes_from(sender->sizes, history_size_class(view->people)) * sender->fade;
	double total = (double)sender->total * sender->fade;

	return (more + SIZE_SITE_WORTH * site_share(view)) / (total + SIZE_SITE_WORTH);
}

/* A share as how surprising it is, in bits. */
static double
surprise(double share)
{
	return -log2(share > 1e-5 ? share : 1e-5);
}

/* The classes that most of the sender's mail falls in. */
static void
usual_classes(const struct history_habits *sender, unsigned *low_r, unsigned *high_r)
{
	unsigned low = 0, high = 0;
	double sum, goal = SIZE_USUAL * (double)sender->total;

	for (unsigned i = 1; i < HISTORY_SIZE_CLASSES; i++)
		if (sender->sizes[i] > sender->sizes[low])
			low = i;
	high = low;
	sum = (double)sender->sizes[low];
	while (sum < goal && (low > 0 || high + 1 < HISTORY_SIZE_CLASSES)) {
		if (high + 1 == HISTORY_SIZE_CLASSES ||
		    (low > 0 && sender->sizes[low - 1] > sender->sizes[high + 1]))
			sum += (double)sender->sizes[--low];
		else
			sum += (double)sender->sizes[++high];
	}
	*low_r = low;
	*high_r = high;
}

/* Is this size among those that the sender's mail mostly has? */
static bool
is_among_usual(const struct judge_view *view)
{
	unsigned low, high, now = history_size_class(view->people);

	usual_classes(&view->recall->sender, &low, &high);
	return now >= low && now <= high;
}

/* Does most of the sender's mail go to fewer people than this? */
static bool
goes_to_fewer(const struct judge_view *view)
{
	const struct history_habits *sender = &view->recall->sender;

	return sizes_from(sender->sizes, history_size_class(view->people)) <
	       (double)sender->total / 2;
}

bool
judge_measure_audience_size(const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = (double)view->people;
	return true;
}

void
judge_fill_audience_size(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	(void)value;
	(void)reason;
}

bool
judge_measure_size_for_sender(const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = surprise(sender_share(view));
	return true;
}

void
judge_fill_size_for_sender(const struct judge_view *view, double value, struct words_reason *reason)
{
	const struct history_habits *sender = &view->recall->sender;
	unsigned low, high;

	if (sender->total <= 0) {
		reason->which =
		    view->recall->site.total > 0 && value >= SIZE_RARE ? "new_rare" : "new";
		return;
	}
	if (is_among_usual(view)) {
		reason->which = goes_to_fewer(view) ? "fewer" : "some";
		return;
	}
	usual_classes(sender, &low, &high);
	reason->more = size_low[low];
	reason->n = size_high[high] == 0 ? size_low[low] : size_high[high];
	reason->which = size_high[high] == 0               ? "open"
			: size_low[low] == size_high[high] ? "usual"
							   : "range";
}

bool
judge_measure_size_vs_max(const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_habits *sender = &view->recall->sender;

	(void)person_r;
	if (sender->largest == 0)
		return false;
	*value_r = (double)view->people / sender->largest;
	return true;
}

void
judge_fill_size_vs_max(const struct judge_view *view, double value, struct words_reason *reason)
{
	reason->which = value == 1 ? "same" : value > 1 ? "larger" : "smaller";
	reason->n = view->recall->sender.largest;
}

/* Has this sender ever written to about as many people? */
bool
judge_measure_size_class_first(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_habits *sender = &view->recall->sender;
	unsigned now = history_size_class(view->people);

	(void)person_r;
	if (sender->sends < SIZE_KNOWN)
		return false;
	*value_r = sizes_from(sender->sizes, now) <= 0 ? 2 : sender->sizes[now] <= 0;
	return true;
}

void
judge_fill_size_class_first(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value >= 2 ? "largest" : value >= 1 ? "first" : "known";
}
