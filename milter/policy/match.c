/* match - which rule fits a send, and why another does not; see policy.h */
#include "milter/policy/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "milter/mail/mail.h"

struct policy_moment
policy_moment_of(int64_t time)
{
	struct policy_moment moment = { 0 };
	time_t now = (time_t)time;
	struct tm tm;

	if (localtime_r(&now, &tm) == NULL)
		return moment;
	moment.weekday = (unsigned)tm.tm_wday;
	moment.minute = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
	return moment;
}

/* --- the criteria ------------------------------------------------------------------- */

/* Is one of the recipients in the list? */
static bool
writes_to(const struct policy_facts *facts, const struct settings_match *match)
{
	const struct mail_addresses *set = &facts->transaction->recipients;

	for (size_t i = 0; i < set->count; i++)
		if (settings_addresses_have(
			match->recipients, match->recipient_count, set->items[i]))
			return true;
	return false;
}

/* Is everybody whom it goes to of the sender's organisation? */
static bool
stays_inside(const struct policy_facts *facts)
{
	const struct mail_addresses *set = &facts->transaction->recipients;

	for (size_t i = 0; i < set->count; i++)
		if (!mail_is_inside(facts->transaction, facts->actor, set->items[i]))
			return false;
	return !set->capped;
}

/* Does the login stand in the list? */
static bool
has_login(const char *login, const struct settings_match *match)
{
	for (size_t i = 0; i < match->login_count; i++)
		if (strcmp(match->logins[i], login) == 0)
			return true;
	return false;
}

/* Is it within one of the hours? Those that go past midnight are two pieces of a day. */
static bool
is_within(const struct settings_match *match, unsigned minute)
{
	for (size_t i = 0; i < match->hours_count; i++) {
		const struct settings_hours *hours = &match->hours[i];
		bool is_after = minute >= hours->from, is_before = minute < hours->to;

		if (hours->from < hours->to ? is_after && is_before : is_after || is_before)
			return true;
	}
	return false;
}

/* Is it one of the days? */
static bool
is_on(const struct settings_match *match, unsigned weekday)
{
	for (size_t i = 0; i < match->weekday_count; i++)
		if (match->weekdays[i] == weekday)
			return true;
	return false;
}

/* Does one of the signals add points? */
static bool
has_reason(const struct settings_match *match, const struct judge_score *score)
{
	for (size_t i = 0; i < match->reason_count; i++)
		for (size_t k = 0; k < score->reason_count; k++)
			if (strcmp(match->reasons[i], score->reasons[k].signal) == 0)
				return true;
	return false;
}

/*
 * Why the number of people does not fit. What is not known is no number: a list of 2,000 that
 * cannot be resolved must not slip through a rule for up to 4.
 */
static const char *
people_mismatch(const struct policy_facts *facts, const struct settings_match *match,
    char *capacity_r, size_t size)
{
	const struct audience *audience = facts->audience;

	if (match->people_min == 0 && match->people_max == 0)
		return NULL;
	if (audience == NULL || audience->kind == AUDIENCE_UNKNOWN)
		return "people: it is not known how many";
	if (audience->people < match->people_min)
		snprintf(capacity_r, size, "people_min: %s%lu people are less than %lu",
		    audience->kind == AUDIENCE_AT_LEAST ? "the known " : "", audience->people,
		    match->people_min);
	else if (match->people_max == 0)
		return NULL;
	else if (audience->people > match->people_max)
		snprintf(capacity_r, size, "people_max: %lu people are more than %lu",
		    audience->people, match->people_max);
	else if (audience->kind == AUDIENCE_AT_LEAST)
		snprintf(capacity_r, size,
		    "people_max: at least %lu people, it is not known how many", audience->people);
	else
		return NULL;
	return capacity_r;
}

/* Why who sends does not fit. */
static const char *
sender_mismatch(const struct policy_facts *facts, const struct settings_match *match,
    char *capacity_r, size_t size)
{
	if (match->sender_count > 0 &&
	    !settings_addresses_have(match->senders, match->sender_count, facts->actor)) {
		snprintf(capacity_r, size, "sender: %.200s is not one of them", facts->actor);
		return capacity_r;
	}
	if (match->login_count > 0 && !has_login(facts->login, match)) {
		snprintf(capacity_r, size, "login: %.200s is not one of them",
		    facts->login[0] == '\0' ? "no login" : facts->login);
		return capacity_r;
	}
	if (match->network_count > 0 &&
	    (facts->client == NULL ||
		!settings_networks_have(match->networks, match->network_count, facts->client)))
		return "network: the client is in none of them";
	return NULL;
}

/* Why when it is sent does not fit. */
static const char *
time_mismatch(const struct policy_facts *facts, const struct settings_match *match,
    char *capacity_r, size_t size)
{
	static const char *const days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
		"Friday", "Saturday" };

	if (match->hours_count > 0 && !is_within(match, facts->moment.minute)) {
		snprintf(capacity_r, size, "hours: it is %02u:%02u", facts->moment.minute / 60,
		    facts->moment.minute % 60);
		return capacity_r;
	}
	if (match->weekday_count > 0 && !is_on(match, facts->moment.weekday)) {
		snprintf(capacity_r, size, "weekday: it is %s", days[facts->moment.weekday % 7]);
		return capacity_r;
	}
	return NULL;
}

const char *
policy_mismatch_but_reasons(const struct policy_facts *facts, const struct settings_match *match,
    char *capacity_r, size_t size)
{
	const char *mismatch = sender_mismatch(facts, match, capacity_r, size);

	if (mismatch == NULL && match->recipient_count > 0 && !writes_to(facts, match))
		mismatch = "recipient: none of them is written to";
	if (mismatch == NULL && match->reach == SETTINGS_REACH_INSIDE && !stays_inside(facts))
		mismatch = "reach: it goes outside";
	if (mismatch == NULL && match->reach == SETTINGS_REACH_OUTSIDE && stays_inside(facts))
		mismatch = "reach: it stays inside";
	if (mismatch == NULL)
		mismatch = people_mismatch(facts, match, capacity_r, size);
	if (mismatch == NULL)
		mismatch = time_mismatch(facts, match, capacity_r, size);
	return mismatch;
}

const char *
policy_mismatch(const struct policy_facts *facts, const struct judge_score *score,
    const struct settings_policy *rule, char *capacity_r, size_t size)
{
	const char *mismatch = policy_mismatch_but_reasons(facts, &rule->match, capacity_r, size);

	if (mismatch != NULL || rule->match.reason_count == 0)
		return mismatch;
	if (score == NULL)
		return "reason: there is no score";
	return has_reason(&rule->match, score) ? NULL : "reason: none of them holds";
}

/* --- the choice --------------------------------------------------------------------- */

const struct settings_policy *
policy_choose(const struct policy_facts *facts, const struct judge_score *score)
{
	const struct settings *settings = facts->settings;
	char scratch[256];
	size_t i = 0;

	while (
	    i + 1 < settings->policy_count &&
	    policy_mismatch(facts, score, &settings->policies[i], scratch, sizeof(scratch)) != NULL)
		i++;
	return &settings->policies[i];
}
