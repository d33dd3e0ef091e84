/*
 * The entries of `lists` and the rules of `policy`: defaults that depend on other keys,
 * and what one entry means for another.
 */
#include <stdio.h>
#include <string.h>

#include "milter/settings/internal.h"

/* Is the entry of a list a group? An error otherwise. */
static bool
entry_is_group(struct settings_reader *reader, const config_setting_t *entry,
    const char *name, int number)
{
	if (config_setting_is_group(entry))
		return true;
	settings_error_at(
	    reader, entry, "%s[%d]: not a group: each entry is { ... }", name, number);
	return false;
}

/* Does the file have a usable list of entries here, and how many? */
static int
entry_count(
    struct settings_reader *reader, const config_setting_t *entries, const char *name)
{
	int count = entries == NULL || !config_setting_is_list(entries)
			? 0
			: config_setting_length(entries);

	if (count <= SETTINGS_MAX_ENTRIES)
		return count;
	settings_error_at(reader, entries, "%s: has %d entries: up to %d are possible",
	    name, count, SETTINGS_MAX_ENTRIES);
	return 0;
}

/* lists: ( ... ) */
void
settings_read_lists(struct settings_reader *reader, config_setting_t *lists)
{
	int count = entry_count(reader, lists, "lists");

	reader->settings->lists = base_arena_array(
	    reader->arena, (size_t)count + 1, sizeof(struct settings_list));
	if (reader->settings->lists == NULL) {
		reader->is_short = true;
		return;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *entry = config_setting_get_elem(lists, (unsigned)i);
		struct settings_list *list =
		    &reader->settings->lists[reader->settings->list_count];
		char label[32];

		if (!entry_is_group(reader, entry, "lists", i + 1))
			continue;
		snprintf(label, sizeof(label), "lists[%d].", i + 1);
		settings_read_group(reader, settings_list_keys, entry, label, list);
		snprintf(label, sizeof(label), "lists[%d]:", i + 1);
		settings_list_check(reader, entry, label, list);
		reader->settings->list_count++;
	}
}

/* Does every sender that `narrow` names fit `wide`? */
static bool
sender_covers(const char *wide, const char *narrow)
{
	const char *domain = narrow == NULL ? NULL : strrchr(narrow, '@');

	if (wide == NULL)
		return true;
	if (narrow == NULL)
		return false;
	return strcmp(wide, narrow) == 0 ||
	       (wide[0] == '@' && domain != NULL && strcmp(wide, domain) == 0);
}

/* A rule behind one that takes all its senders does nothing: better said than wondered at.
 */
static void
rule_check(struct settings_reader *reader, const config_setting_t *entry, int number,
    const struct settings_policy *rule)
{
	for (size_t i = 0; i < reader->settings->policy_count; i++) {
		const struct settings_policy *other = &reader->settings->policies[i];

		if (!sender_covers(other->sender, rule->sender))
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
	int count = entry_count(reader, rules, "policy");

	settings->policies = base_arena_array(
	    reader->arena, (size_t)count + 1, sizeof(struct settings_policy));
	if (settings->policies == NULL) {
		reader->is_short = true;
		return;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *entry = config_setting_get_elem(rules, (unsigned)i);

		if (!entry_is_group(reader, entry, "policy", i + 1))
			continue;
		rule_read(
		    reader, entry, i + 1, &settings->policies[settings->policy_count]);
		settings->policy_count++;
	}
	rule_defaults(reader, &settings->policies[settings->policy_count]);
	settings->policy_count++;
}

/* The first rule that fits. */
const struct settings_policy *
settings_policy_for(const struct settings *settings, const char *sender)
{
	size_t i = 0;

	while (i + 1 < settings->policy_count &&
	       !sender_covers(settings->policies[i].sender, sender))
		i++;
	return &settings->policies[i];
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
settings_end_str(enum settings_end end)
{
	switch (end) {
	case SETTINGS_END_RETURN:
		return "return";
	case SETTINGS_END_SEND:
		return "send";
	case SETTINGS_END_DELETE:
		return "delete";
	}
	return "unknown";
}
