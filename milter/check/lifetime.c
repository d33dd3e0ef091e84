/* check/lifetime - does the MTA keep a mail well beyond the longest hold? see internal.h */
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/check/internal.h"

#define DAY INT64_C(86400)
#define YEARS (3650 * DAY) /* nothing is kept that long */

/* The longest time that a mail can be on hold before it leaves. */
struct longest {
	int64_t seconds;
	const char *what; /* the settings that say so */
};

/* Seconds of a unit; 0: there is no such unit. */
static int64_t
unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return DAY;
	case 'w':
		return 7 * DAY;
	default:
		return 0;
	}
}

int64_t
check_mta_seconds(const char *text)
{
	int64_t seconds = 0;

	while (*text >= '0' && *text <= '9') { /* Sendmail joins several: "1d12h" */
		char *end;
		long long number = strtoll(text, &end, 10);
		int64_t unit = unit_seconds(*end == '\0' ? 'd' : *end);

		if (unit == 0 || number > YEARS / unit)
			return 0;
		seconds += number * unit;
		text = *end == '\0' ? end : end + 1;
	}
	return *text == '\0' || strchr(" \t\r", *text) != NULL ? seconds : 0;
}

/* "3d 1h", of the two largest units. */
static const char *
span_text(struct base_arena *arena, int64_t seconds)
{
	static const char units[] = "dhms";
	const char *text = "", *more;
	int shown = 0;

	for (const char *unit = units; *unit != '\0' && seconds > 0 && shown < 2; unit++) {
		int64_t size = unit_seconds(*unit);

		if (seconds < size)
			continue;
		more = base_arena_printf(arena, "%s%s%lld%c", text, shown > 0 ? " " : "",
		    (long long)(seconds / size), *unit);
		if (more == NULL)
			return "?";
		text = more;
		seconds %= size;
		shown++;
	}
	return text;
}

/* Takes what is longer. */
static void
longest_take(struct longest *longest, int64_t seconds, const char *what)
{
	if (seconds > longest->seconds && what != NULL)
		*longest = (struct longest){ seconds, what };
}

/*
 * What a rule holds: it may be stopped at the last moment, and sent all the same at the end of the
 * grace. One that asks may become a window, for the budget. A window that ends by sending waits
 * for its letter.
 */
static void
longest_of_policy(
    struct check *check, const struct settings_policy *policy, struct longest *longest)
{
	const struct settings *settings = check->settings;
	int64_t grace = settings->undo.grace, announce = settings->undo.announce_within;
	bool is_asked = policy->action == SETTINGS_CONFIRM;
	bool is_sent = is_asked && policy->on_expiry == MAIL_END_SEND;

	if (policy->action < SETTINGS_UNDO)
		return;
	longest_take(longest, announce + policy->window + grace,
	    base_arena_printf(check->arena,
		"window of policy \"%s\" with undo.announce_within and undo.grace", policy->name));
	if (is_asked)
		longest_take(longest, (is_sent ? announce : 0) + policy->expires + grace,
		    base_arena_printf(check->arena, "expires of policy \"%s\" with %sundo.grace",
			policy->name, is_sent ? "undo.announce_within and " : ""));
}

/* Of all that is held. What a storm made wait is taken back at once when it is stopped. */
static struct longest
longest_find(struct check *check)
{
	const struct settings *settings = check->settings;
	struct longest longest = { 0, "" };

	if (settings->monitor)
		return longest;
	for (size_t i = 0; i < settings->policy_count; i++)
		longest_of_policy(check, &settings->policies[i], &longest);
	if (settings->storm.enabled)
		longest_take(&longest, settings->storm.hold, "storm.hold");
	return longest;
}

void
check_lifetime(
    struct check *check, const char *name, const char *value, const char *before, const char *after)
{
	int64_t kept = check_mta_seconds(value);
	struct longest longest = longest_find(check);
	const char *held = span_text(check->arena, longest.seconds), *change;

	if (kept == 0 || longest.seconds == 0)
		return;
	if (longest.seconds <= kept / 4 * 3) {
		check_ok(
		    check, "%s = %s: longer than a mail can be on hold (%s)", name, value, held);
		return;
	}
	change = base_arena_printf(check->arena,
	    "%s%lldd%s, or shorten in the settings what is named here", before,
	    (long long)((longest.seconds * 4 / 3 + DAY - 1) / DAY), after);
	check_warn(check, change != NULL ? change : name,
	    "%s = %s, and a mail can be on hold for %s (%s): what leaves so late may come "
	    "back "
	    "as undeliverable at its first delay",
	    name, value, held, longest.what);
}
