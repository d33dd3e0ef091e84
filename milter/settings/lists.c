/*
 * What belongs together in one entry of `lists`.
 */
#include <string.h>

#include "milter/settings/internal.h"

/* Where members come from; some sources are of one address, others bring theirs along. */
static const struct {
	const char *name;
	bool has_address;
	bool has_domain; /* possible */
	bool is_asked;   /* has a time limit, and answers that live for a while */
} sources[] = {
	{ "members", true, false, false },
	{ "file", true, false, false },
	{ "aliases", false, false, false },
	{ "virtual", false, false, false },
	{ "folder", false, true, false },
	{ "command", false, true, true },
	{ "table", false, true, true },
};

static bool
has(const config_setting_t *entry, const char *name)
{
	return config_setting_get_member(entry, name) != NULL;
}

/* Is it one source, with an address if it needs one; or an owner alone? */
static bool
is_whole(const config_setting_t *entry)
{
	bool has_address = has(entry, "address"), is_right = true;
	bool has_domain = has(entry, "domain");
	bool is_tuned = has(entry, "timeout") || has(entry, "cache");
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		bool is_command = strcmp(sources[i].name, "command") == 0;

		if (!has(entry, sources[i].name))
			continue;
		count++;
		/* a command is of one address or of domains */
		is_right = is_right &&
			   (is_command ? has_address != has_domain
				       : sources[i].has_address == has_address) &&
			   (!has_domain || sources[i].has_domain) &&
			   (!is_tuned || sources[i].is_asked);
	}
	if (has(entry, "owner") && !has_address)
		return false;
	if (count == 0)
		return has(entry, "owner") && !has_domain && !is_tuned;
	return is_right && count == 1;
}

/* Is a command one that can be run: an absolute path, and then its arguments? */
static bool
is_command(const struct settings_list *list)
{
	return list->command_count > 0 && list->command[0] != NULL && list->command[0][0] == '/' &&
	       list->command_count <= 50;
}

void
settings_list_check(struct settings_reader *reader, const config_setting_t *entry,
    const char *label, const struct settings_list *list)
{
	const char *extensions;

	if (!is_whole(entry))
		settings_error_at(reader, entry,
		    "%s one of address with members, address with file, aliases, virtual, "
		    "folder, table, or command with address or domain is needed; owner "
		    "goes "
		    "with address, domain with folder or table, timeout and cache with "
		    "table or command",
		    label);
	else if (has(entry, "command") && !is_command(list))
		settings_error_at(reader, entry,
		    "%s command begins with the absolute path of a program, up to 50 words "
		    "in all: ( \"/usr/local/bin/list-size\", \"--people\" )",
		    label);
	extensions = reader->settings->identity.recipient_delimiter[0] == '\0'
			 ? ""
			 : ", what is behind identity.recipient_delimiter left out";
	for (size_t i = 0; list->address != NULL && i < reader->settings->list_count; i++) {
		const struct settings_list *other = &reader->settings->lists[i];

		if (other->address != NULL && strcmp(other->address, list->address) == 0)
			settings_error_at(reader, entry, "%s %s is in lists[%zu] already%s", label,
			    list->address, i + 1, extensions);
	}
}
