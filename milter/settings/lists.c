/*
 * What belongs together in one entry of `lists`.
 */
#include <string.h>

#include "milter/settings/internal.h"

/* Where members come from; some sources are of one address, others bring theirs along. */
static const struct {
	const char *name;
	bool has_address;
} sources[] = {
	{ "members", true },
	{ "file", true },
	{ "aliases", false },
	{ "virtual", false },
	{ "folder", false },
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
	unsigned count = 0;

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		if (!has(entry, sources[i].name))
			continue;
		count++;
		is_right = is_right && sources[i].has_address == has_address;
	}
	if (has(entry, "owner") && !has_address)
		return false;
	if (has(entry, "domain") && !has(entry, "folder"))
		return false;
	return is_right && (count == 1 || (count == 0 && has(entry, "owner")));
}

void
settings_list_check(struct settings_reader *reader, const config_setting_t *entry,
    const char *label, const struct settings_list *list)
{
	if (!is_whole(entry))
		settings_error_at(reader, entry,
		    "%s one of address with members, address with file, aliases, virtual "
		    "or "
		    "folder is needed; owner goes with address, domain with folder",
		    label);
	for (size_t i = 0; list->address != NULL && i < reader->settings->list_count; i++) {
		const struct settings_list *other = &reader->settings->lists[i];

		if (other->address != NULL && strcmp(other->address, list->address) == 0)
			settings_error_at(reader, entry, "%s %s is in lists[%zu] already",
			    label, list->address, i + 1);
	}
}
