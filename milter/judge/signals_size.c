/*
 * NAME
 *	judge/signals_size - signals about how many people a send goes to
 */
#include <math.h>

#include "milter/judge/internal.h"

#define SIZE_SITE_WORTH 2 /* sends that the site's habit counts among the sender's own */
#define SIZE_USUAL 0.8    /* share of sends that is called usual */

static const unsigned size_low[MEMORY_SIZE_CLASSES] = { 1, 2, 3, 5, 8, 11, 15, 25, 50, 100,
	250, 1000 };
static const unsigned size_high[MEMORY_SIZE_CLASSES] = { 1, 2, 4, 7, 10, 14, 24, 49, 99,
	249, 999, 0 };

/* Sum of the size classes from one up. */
static double
sizes_from(const float *sizes, unsigned size_class)
{
	double sum = 0;

	for (unsigned i = size_class; i < MEMORY_SIZE_CLASSES; i++)
		sum += (double)sizes[i];
	return sum;
}

/* How much of the site's mail goes to as many people as this, or more. */
static double
site_share(const struct judge_view *view)
{
	const struct memory_site *site = view->facts->recall->site;
	double more = 0, total = 0;

	if (site) {
		more = sizes_from(site->sizes, memory_size_class(view->people)) *
		       view->site_fade;
		total = (double)site->total * view->site_fade;
	}
	return (more + 0.05) / (total + 1);
}

/* How much of the sender's mail goes to as many people as this, or more. */
static double
sender_share(const struct judge_view *view)
{
	const struct memory_profile *profile = view->facts->recall->profile;
	double more = 0, total = 0;

	if (profile) {
		more = sizes_from(profile->sizes, memory_size_class(view->people)) *
		       view->fade;
		total = (double)profile->total * view->fade;
	}
	return (more + SIZE_SITE_WORTH * site_share(view)) / (total + SIZE_SITE_WORTH);
}

/* A share as how surprising it is, in bits. */
static double
surprise(double share)
{
	return -log2(share > 1e-5 ? share : 1e-5);
}

/* "1-4 people": the classes that most of the sender's mail falls in. */
static void
usual_sizes(const struct memory_profile *profile, struct base_buffer *text)
{
	unsigned low = 0, high = 0;
	double sum, goal = SIZE_USUAL * (double)profile->total;

	for (unsigned i = 1; i < MEMORY_SIZE_CLASSES; i++)
		if (profile->sizes[i] > profile->sizes[low])
			low = i;
	high = low;
	sum = (double)profile->sizes[low];
	while (sum < goal && (low > 0 || high + 1 < MEMORY_SIZE_CLASSES)) {
		if (high + 1 == MEMORY_SIZE_CLASSES ||
		    (low > 0 && profile->sizes[low - 1] > profile->sizes[high + 1]))
			sum += (double)profile->sizes[--low];
		else
			sum += (double)profile->sizes[++high];
	}
	if (size_high[high] == 0)
		base_buffer_printf(text, "%u people or more", size_low[low]);
	else if (size_low[low] == size_high[high])
		base_buffer_printf(
		    text, "%u %s", size_low[low], size_low[low] == 1 ? "person" : "people");
	else
		base_buffer_printf(text, "%u-%u people", size_low[low], size_high[high]);
}

bool
judge_measure_audience_size(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = (double)view->people;
	return true;
}

void
judge_say_audience_size(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char people[JUDGE_PEOPLE_SIZE];

	(void)value;
	base_buffer_printf(text_r, "This goes to %s.", judge_view_people(view, people));
}

bool
judge_measure_size_for_sender(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = surprise(sender_share(view));
	return true;
}

void
judge_say_size_for_sender(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	const struct memory_profile *profile = view->facts->recall->profile;
	char number[JUDGE_PEOPLE_SIZE];

	(void)value;
	if (!profile || profile->total <= 0) {
		base_buffer_printf(text_r,
		    "You are new here, and few people write to %zu at once.", view->people);
		return;
	}
	base_buffer_puts(text_r, "You usually write to ");
	usual_sizes(profile, text_r);
	base_buffer_printf(text_r, "; this goes to %s.", judge_view_number(view, number));
}

bool
judge_measure_size_vs_max(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct memory_profile *profile = view->facts->recall->profile;

	(void)person_r;
	if (!profile || profile->largest == 0)
		return false;
	*value_r = (double)view->people / profile->largest;
	return true;
}

void
judge_say_size_vs_max(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	char number[JUDGE_PEOPLE_SIZE];

	(void)value;
	base_buffer_printf(text_r,
	    "The most people you have ever written to at once is %u; this goes to %s.",
	    view->facts->recall->profile ? view->facts->recall->profile->largest : 0,
	    judge_view_number(view, number));
}

bool
judge_measure_site_size(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = surprise(site_share(view));
	return true;
}

void
judge_say_site_size(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	double share = exp2(-value) * 1000;

	base_buffer_printf(text_r, "Here, %s in 1,000 mails %s to as many people as %zu.",
	    share < 1    ? "fewer than 1"
	    : share < 10 ? "only a few"
			 : "some",
	    share < 1 ? "goes" : "go", view->people);
}

/* Sends to at least half as many people. */
bool
judge_measure_big_sends(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct memory_profile *profile = view->facts->recall->profile;

	(void)person_r;
	if (view->people < 5)
		return false;
	*value_r = profile ? sizes_from(profile->sizes,
				 memory_size_class((view->people + 1) / 2)) *
				 view->fade
			   : 0;
	return true;
}

void
judge_say_big_sends(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	if (value < 0.5)
		base_buffer_printf(text_r,
		    "In recent months you have not written to as many as %zu people.",
		    view->people);
	else
		base_buffer_printf(text_r,
		    "In recent months you wrote to about as many people as %zu only %s.",
		    view->people, value < 1.5 ? "once" : "a few times");
}

bool
judge_measure_sender_seen(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	(void)person_r;
	*value_r = view->facts->recall->profile ? view->facts->recall->profile->sends : 0;
	return true;
}

void
judge_say_sender_seen(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	(void)view;
	base_buffer_printf(
	    text_r, "Little is known of your habits yet (%.0f mails).", value);
}
