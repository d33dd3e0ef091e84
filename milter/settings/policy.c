/*
 * The entries of `lists` and the rules of `policy`: defaults that depend on other keys,
 * and what one entry means for another.
 */
#include <stdio.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/mail/mail.h"
#include "milter/settings/internal.h"

bool
settings_entry_is_group(
    struct settings_reader *reader, const config_setting_t *entry, const char *name, int number)
{
	if (config_setting_is_group(entry))
		return true;
	settings_error_at(
	    reader, entry, "%s[%d]: not a group: each entry is { ... }", name, number);
	return false;
}

int
settings_entry_count(
    struct settings_reader *reader, const config_setting_t *entries, const char *name)
{
	int count = entries == NULL || !config_setting_is_list(entries)
			? 0
			: config_setting_length(entries);

	if (count <= SETTINGS_MAX_ENTRIES)
		return count;
	settings_error_at(reader, entries, "%s: has %d entries: up to %d are possible", name, count,
	    SETTINGS_MAX_ENTRIES);
	return 0;
}

/* The file that an entry is in: an included one, or the main one. */
static const char *
file_of(struct settings_reader *reader, const config_setting_t *entry)
{
	const char *file = config_setting_source_file(entry);

	return file == NULL ? reader->path : settings_keep(reader, file, strlen(file));
}

/* lists: ( ... ) */
void
settings_read_lists(struct settings_reader *reader, config_setting_t *lists)
{
	int count = settings_entry_count(reader, lists, "lists");

	reader->settings->lists =
	    base_arena_array(reader->arena, (size_t)count + 1, sizeof(struct settings_list));
	if (reader->settings->lists == NULL) {
		reader->is_short = true;
		return;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *entry = config_setting_get_elem(lists, (unsigned)i);
		struct settings_list *list = &reader->settings->lists[reader->settings->list_count];
		char label[32];

		if (!settings_entry_is_group(reader, entry, "lists", i + 1))
			continue;
		snprintf(label, sizeof(label), "lists[%d].", i + 1);
		settings_read_defaults(reader, settings_list_keys, list, false);
		settings_read_group(reader, settings_list_keys, entry, label, list);
		list->settings_file = file_of(reader, entry);
		list->line = (int)config_setting_source_line(entry);
		snprintf(label, sizeof(label), "lists[%d]:", i + 1);
		settings_list_check(reader, entry, label, list);
		reader->settings->list_count++;
	}
}

/* Does a rule look at nothing but senders? */
static bool
is_for_senders_only(const struct settings_match *match)
{
	return match->login_count == 0 && match->network_count == 0 &&
	       match->recipient_count == 0 && match->reach == SETTINGS_REACH_ANY &&
	       match->people_min == 0 && match->people_max == 0 && match->hours_count == 0 &&
	       match->weekday_count == 0 && match->reason_count == 0;
}

/* Does every send that fits `narrow` fit `wide`? */
static bool
match_covers(const struct settings_match *wide, const struct settings_match *narrow)
{
	if (!is_for_senders_only(wide))
		return false;
	if (wide->sender_count == 0)
		return true;
	for (size_t i = 0; i < narrow->sender_count; i++)
		if (narrow->senders[i] == NULL ||
		    !settings_addresses_have(wide->senders, wide->sender_count, narrow->senders[i]))
			return false;
	return narrow->sender_count > 0;
}

/* A rule behind one that takes all its senders does nothing: better said than wondered at.
 */
static void
rule_check(struct settings_reader *reader, const config_setting_t *entry, int number,
    const struct settings_policy *rule)
{
	const struct settings_match *match = &rule->match;

	if (match->people_max != 0 && match->people_max < match->people_min)
		settings_error_at(reader, entry,
		    "policy[%d].match: people_max is less than people_min: nothing would "
		    "fit",
		    number);
	for (size_t i = 0; i < reader->settings->policy_count; i++) {
		const struct settings_policy *other = &reader->settings->policies[i];

		if (!match_covers(&other->match, match))
			continue;
		settings_error_at(reader, entry,
		    "policy[%d]: never reached: \"%s\" on line %d fits its senders first; "
		    "put this "
		    "one before it",
		    number, other->name, other->line);
		return;
	}
}

/* Everybody, confirm, and the times of the file. */
static void
rule_defaults(struct settings_reader *reader, struct settings_policy *rule)
{
	settings_read_defaults(reader, settings_rule_keys, rule, false);
	rule->name = "built-in";
	rule->window = reader->settings->undo.window;
	rule->expires = reader->settings->confirm.expires;
	rule->on_expiry = reader->settings->confirm.on_expiry;
	rule->learning = reader->settings->judge.learning;
	rule->budget = reader->settings->budget;
	rule->language = reader->settings->notice.language;
	rule->template = reader->settings->notice.template;
}

/* One rule of the file. */
static void
rule_read(struct settings_reader *reader, config_setting_t *entry, int number,
    struct settings_policy *rule)
{
	char text[32];

	rule_defaults(reader, rule);
	snprintf(text, sizeof(text), "rule %d", number);
	rule->name = settings_keep(reader, text, strlen(text));
	rule->file = file_of(reader, entry);
	rule->line = (int)config_setting_source_line(entry);
	snprintf(text, sizeof(text), "policy[%d].", number);
	settings_read_group(reader, settings_rule_keys, entry, text, rule);
	if (rule->action == SETTINGS_PASS &&
	    config_setting_get_member(entry, "tag_threshold") == NULL)
		rule->tag_threshold = 2;
	rule_check(reader, entry, number, rule);
}

/* policy: ( ... ), and behind it the built-in rule */
void
settings_read_policy(struct settings_reader *reader, config_setting_t *rules)
{
	struct settings *settings = reader->settings;
	int count = settings_entry_count(reader, rules, "policy");

	settings->policies =
	    base_arena_array(reader->arena, (size_t)count + 1, sizeof(struct settings_policy));
	if (settings->policies == NULL) {
		reader->is_short = true;
		return;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *entry = config_setting_get_elem(rules, (unsigned)i);

		if (!settings_entry_is_group(reader, entry, "policy", i + 1))
			continue;
		rule_read(reader, entry, i + 1, &settings->policies[settings->policy_count]);
		settings->policy_count++;
	}
	rule_defaults(reader, &settings->policies[settings->policy_count]);
	settings->policy_count++;
}

/* "user@domain" is itself, "@domain" everybody in it. */
bool
settings_addresses_have(const char *const *list, size_t count, const char *address)
{
	const char *domain = strrchr(address, '@');

	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], address) == 0 ||
		    (list[i][0] == '@' && domain != NULL && strcmp(list[i], domain) == 0))
			return true;
	return false;
}

/* Is the domain one of the site's, and the rest a name in it? */
bool
settings_is_local(const struct settings *settings, const char *address)
{
	const char *domain = strrchr(address, '@');

	if (!mail_address_is_mailbox(address))
		return false;
	for (size_t i = 0; domain != NULL && i < settings->identity.local_domain_count; i++)
		if (strcmp(settings->identity.local_domains[i], domain + 1) == 0)
			return true;
	return false;
}

/* The word of an action, as in the file. */
const char *
settings_action_str(enum settings_action action)
{
	switch (action) {
	case SETTINGS_PASS:
		return "pass";
	case SETTINGS_TAG:
		return "tag";
	case SETTINGS_UNDO:
		return "undo";
	case SETTINGS_CONFIRM:
		return "confirm";
	}
	return "unknown";
}

/* The word of an end, as in the file. */
const char *
settings_end_str(enum mail_end end)
{
	switch (end) {
	case MAIL_END_RETURN:
		return "return";
	case MAIL_END_SEND:
		return "send";
	case MAIL_END_DELETE:
		return "delete";
	}
	return "unknown";
}
