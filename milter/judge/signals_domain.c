/*
 * NAME
 *	judge/signals_domain - signals about the domains of addresses
 *
 * They are unknown for a send whose To and Cc are not known.
 */
#include <string.h>

#include "milter/base/distance.h"
#include "milter/judge/internal.h"
#include "milter/mail/mail.h"

#define DOMAIN_SENDS 20     /* sends from which a domain's first time means something */
#define DOMAIN_MIN_LENGTH 6 /* shorter ones are alike by chance */
#define DOMAIN_ALIKE 2      /* edits between look-alikes, at most */

/* Is the header there, so that addresses are those of real people? */
static bool
has_header(const struct judge_view *view)
{
	return view->facts->transaction->to.count + view->facts->transaction->cc.count > 0;
}

/* The part after the last '@'. */
static const char *
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at ? at + 1 : "";
}

/* The sender's own domain. */
static const char *
own_domain(const struct judge_view *view)
{
	return domain_of(view->facts->identity->actor);
}

/* --- domains ----------------------------------------------------------------------- */

/* Is this recipient of the sender's organisation? */
static bool
is_inside(const struct judge_view *view, size_t i)
{
	return mail_is_inside(
	    view->facts->transaction, view->facts->identity->actor, judge_view_person(view, i));
}

/* How many distinct domains of other organisations there are, of the sample. */
static size_t
outside_count(const struct judge_view *view, size_t *first_r)
{
	size_t count = 0;

	for (size_t i = 0; i < view->sample; i++) {
		const char *domain = domain_of(judge_view_person(view, i));
		bool is_new = !is_inside(view, i);

		for (size_t j = 0; j < i && is_new; j++)
			is_new = strcmp(domain, domain_of(judge_view_person(view, j))) != 0;
		if (is_new && count++ == 0)
			*first_r = i;
	}
	return count;
}

bool
judge_measure_outside_domains(const struct judge_view *view, double *value_r, const char **person_r)
{
	size_t first;

	(void)person_r;
	*value_r = (double)outside_count(view, &first);
	return has_header(view);
}

void
judge_fill_outside_domains(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value < 1 ? "none" : "some";
	reason->n = (unsigned long)value;
}

/* A thread of one domain that somebody from outside gets to see. */
bool
judge_measure_outsider_joins(const struct judge_view *view, double *value_r, const char **person_r)
{
	size_t first = view->count;

	if (!has_header(view) || !view->usual.is_parent_inside)
		return false;
	*value_r = outside_count(view, &first) > 0;
	*person_r = judge_view_person(view, first);
	return true;
}

void
judge_fill_outsider_joins(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value > 0 ? "yes" : "no";
}

/* How many recipients, of the sample, have a domain of this kind. */
static size_t
domain_count(const struct judge_view *view, enum history_domain whose)
{
	size_t count = 0;

	for (size_t i = 0; i < view->sample; i++)
		count += view->recall->recipients[i].domain == whose;
	return count;
}

/* The first recipient never written to at an outside domain never written to; or `sample`. */
static size_t
domain_stranger(const struct judge_view *view)
{
	size_t i = 0;

	while (i < view->sample && (view->recall->recipients[i].domain != HISTORY_DOMAIN_NEW ||
				       view->recall->recipients[i].is_written_to))
		i++;
	return i;
}

/*
 * Does it go to an outside domain that this sender never wrote to? 0 no, 1 yes, 2 yes, while all
 * others are of the sender's own domain.
 */
bool
judge_measure_outside_domain_first(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	size_t stranger;

	if (!has_header(view) || !view->recall->knows_domains ||
	    view->recall->sender.outside_sends < DOMAIN_SENDS)
		return false;
	stranger = domain_stranger(view);
	*person_r = judge_view_person(view, stranger);
	if (stranger == view->sample)
		*value_r = 0;
	else
		*value_r = domain_count(view, HISTORY_DOMAIN_OWN) > 0 &&
				   domain_count(view, HISTORY_DOMAIN_KNOWN) == 0
			       ? 2
			       : 1;
	return true;
}

void
judge_fill_outside_domain_first(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	size_t stranger = view->recall->knows_domains ? domain_stranger(view) : view->sample;

	if (value <= 0 || stranger == view->sample) {
		reason->which = "none";
		return;
	}
	reason->which = value >= 2 ? "only" : "one";
	reason->who = domain_of(judge_view_person(view, stranger));
}

/* Is a domain almost, but not quite, another one? */
static bool
is_alike(const char *domain, const char *other)
{
	size_t length = strlen(domain);

	if (length < DOMAIN_MIN_LENGTH || strlen(other) < DOMAIN_MIN_LENGTH ||
	    strcmp(domain, other) == 0)
		return false;
	return base_edit_distance(domain, other, DOMAIN_ALIKE) <= (length < 10 ? 1 : DOMAIN_ALIKE);
}

/* Somebody never written to, at a domain almost like the sender's or another recipient's. */
bool
judge_measure_look_alike_domain(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	*value_r = 0;
	for (size_t i = 0; i < view->sample && *value_r == 0; i++) {
		const char *domain = domain_of(judge_view_person(view, i));
		bool found;

		if (view->recall->recipients[i].is_written_to || is_inside(view, i))
			continue;
		found = is_alike(domain, own_domain(view));
		for (size_t j = 0; j < view->sample && !found; j++)
			found = view->recall->recipients[j].is_written_to &&
				is_alike(domain, domain_of(judge_view_person(view, j)));
		if (found) {
			*value_r = 1;
			*person_r = judge_view_person(view, i);
		}
	}
	return has_header(view);
}

void
judge_fill_look_alike_domain(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value > 0 ? "yes" : "no";
}
