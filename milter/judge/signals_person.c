/*
 * NAME
 *	judge/signals_person - signals that name one recipient
 */
#include <string.h>

#include "milter/judge/internal.h"

#define PERSON_MAX_GROUP 12  /* recipients among whom one stands out */
#define PERSON_KNOWN_GROUP 4 /* mean worth from which the others are a known group */
#define PERSON_SELDOM 0.5    /* sends, halved as they age */

/*
 * The least familiar recipient: 0 never heard of, 1 known by nothing left, 2 only heard
 * from, 3 seldom written to, 4 written to; 10 more when the others are well known.
 */
bool
judge_measure_stranger_among_known(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	const struct history_recipient *suspect;

	if (view->count < 2 || view->count > PERSON_MAX_GROUP)
		return false;
	suspect = &view->recall->recipients[view->suspect];
	if (!suspect->is_contact)
		*value_r = 0;
	else if (!suspect->is_written_to)
		*value_r = suspect->is_received_from ? 2 : 1;
	else
		*value_r = suspect->sent < PERSON_SELDOM ? 3 : 4;
	if (view->others_worth > PERSON_KNOWN_GROUP)
		*value_r += 10;
	*person_r = judge_view_person(view, view->suspect);
	return true;
}

void
judge_fill_stranger_among_known(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	bool is_known_group = value >= 10;
	double who = is_known_group ? value - 10 : value;

	reason->who = judge_view_person(view, view->suspect);
	if (who >= 4)
		reason->which = "least";
	else if (who >= 3)
		reason->which = is_known_group ? "seldom_here" : "seldom";
	else if (who >= 2)
		reason->which = is_known_group ? "heard_here" : "heard";
	else
		reason->which = is_known_group ? "never_here" : "never";
}

/* Is this one a contact of the person at work, and a stranger to the address sent as? */
static bool
is_of_other_account(const struct judge_view *view, size_t i)
{
	const struct history_recipient *one = &view->recall->recipients[i];

	return !one->is_written_to && !one->is_received_from &&
	       history_weight_sent(view->facts->login_recall, one->hash, view->now) >=
		   PERSON_SELDOM;
}

/* Sent as another address, to people whom only the person at work writes to. */
bool
judge_measure_wrong_account(const struct judge_view *view, double *value_r, const char **person_r)
{
	size_t count = 0;

	if (view->facts->login_recall == NULL || view->sample == 0)
		return false;
	for (size_t i = 0; i < view->sample; i++) {
		if (is_of_other_account(view, i) && count++ == 0)
			*person_r = judge_view_person(view, i);
	}
	*value_r = (double)count / (double)view->sample;
	return true;
}

void
judge_fill_wrong_account(const struct judge_view *view, double value, struct words_reason *reason)
{
	const struct identity *identity = view->facts->identity;

	reason->which = value <= 0 ? "none" : value >= 1 ? "all" : "some";
	reason->who = identity->actor;
	reason->other = identity_own_account(identity);
}

/* Somebody never written to whose address is almost that of somebody who is. */
bool
judge_measure_look_alike_contact(
    const struct judge_view *view, double *value_r, const char **person_r)
{
	size_t first = 0;

	while (first < view->sample && view->recall->recipients[first].lookalike == 0)
		first++;
	*value_r = first < view->sample;
	*person_r = first < view->sample ? judge_view_person(view, first) : "";
	return view->recall->knows_lookalikes;
}

void
judge_fill_look_alike_contact(
    const struct judge_view *view, double value, struct words_reason *reason)
{
	bool is_found = value > 0 && judge_measure_look_alike_contact(view, &value, &reason->who) &&
			*reason->who;

	reason->which = is_found ? "yes" : "no";
}

/* Somebody never written to who has the display name of somebody who is. */
bool
judge_measure_look_alike_name(const struct judge_view *view, double *value_r, const char **person_r)
{
	size_t first = 0;

	while (first < view->sample && view->recall->recipients[first].lookalike_name == 0)
		first++;
	*value_r = first < view->sample;
	*person_r = first < view->sample ? judge_view_person(view, first) : "";
	return view->recall->knows_lookalikes;
}

/* The display name that To or Cc gives an address. */
static const char *
display_name(const struct judge_view *view, const char *address)
{
	const struct mail_transaction *transaction = view->facts->transaction;

	for (size_t i = 0; i < transaction->name_count; i++)
		if (strcmp(transaction->names[i].address, address) == 0)
			return transaction->names[i].name;
	return address;
}

void
judge_fill_look_alike_name(const struct judge_view *view, double value, struct words_reason *reason)
{
	bool is_found =
	    value > 0 && judge_measure_look_alike_name(view, &value, &reason->who) && *reason->who;

	reason->which = is_found ? "yes" : "no";
	reason->other = is_found ? display_name(view, reason->who) : "";
}
