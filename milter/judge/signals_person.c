/*
 * NAME
 *	judge/signals_person - signals that name one recipient
 */
#include <string.h>

#include "milter/base/buffer.h"
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
	const struct memory_recipient *suspect;

	if (view->count < 2 || view->count > PERSON_MAX_GROUP)
		return false;
	suspect = &view->recall->recipients[view->suspect];
	if (!suspect->is_contact)
		*value_r = 0;
	else if (!suspect->is_written_to)
		*value_r = suspect->is_heard_from ? 2 : 1;
	else
		*value_r = suspect->sent < PERSON_SELDOM ? 3 : 4;
	if (view->others_worth > PERSON_KNOWN_GROUP)
		*value_r += 10;
	*person_r = judge_view_person(view, view->suspect);
	return true;
}

void
judge_say_stranger_among_known(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	const char *person = judge_view_person(view, view->suspect);
	bool is_known_group = value >= 10;
	double who = is_known_group ? value - 10 : value;

	if (who >= 4) {
		base_buffer_printf(text_r, "You know the others better than %s.", person);
		return;
	}
	base_buffer_printf(text_r, "You have %s %s",
	    who < 2   ? "never written to"
	    : who < 3 ? "only heard from"
		      : "seldom written to",
	    person);
	base_buffer_puts(text_r, is_known_group ? ", while you know the others well." : ".");
}

/* Is this one a contact of the person at work, and a stranger to the address sent as? */
static bool
is_of_other_account(const struct judge_view *view, size_t i)
{
	const struct memory_recipient *one = &view->recall->recipients[i];

	return !one->is_written_to && !one->is_heard_from &&
	       memory_weight_sent(view->facts->login_recall, one->hash, view->now) >= PERSON_SELDOM;
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
judge_say_wrong_account(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	const struct identity *identity = view->facts->identity;

	if (value <= 0)
		base_buffer_printf(text_r, "This goes out as %s.", identity->actor);
	else
		base_buffer_printf(text_r,
		    "This goes out as %s, %s people whom you only write to as %s.", identity->actor,
		    value >= 1 ? "to" : "also to", identity_own_account(identity));
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
judge_say_look_alike_contact(
    const struct judge_view *view, double value, struct base_buffer *text_r)
{
	const char *person = "";

	if (value > 0 && judge_measure_look_alike_contact(view, &value, &person) && *person)
		base_buffer_printf(text_r,
		    "You have never written to %s, which looks like somebody you write to.",
		    person);
	else
		base_buffer_puts(
		    text_r, "No new address looks like that of somebody you write to.");
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
judge_say_look_alike_name(const struct judge_view *view, double value, struct base_buffer *text_r)
{
	const char *person = "";

	if (value > 0 && judge_measure_look_alike_name(view, &value, &person) && *person)
		base_buffer_printf(text_r,
		    "You usually write to another address of \"%s\"; this one is %s.",
		    display_name(view, person), person);
	else
		base_buffer_puts(text_r, "No new address has the name of somebody you write to.");
}
