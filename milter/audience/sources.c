/* sources - what the settings name as lists, put into one table */
#include "milter/audience/internal.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "milter/mail/mail.h"

/* One list of its own: a line in the settings, or a file of members. */
static enum base_result
read_list(struct audience_table *table, const char *name, unsigned long fixed,
    const char *path, const char **why_r)
{
	struct base_arena *scratch = base_arena_new(1u << 16);
	struct audience_entry *entry =
	    scratch == NULL ? NULL : audience_address_entry(table, scratch, name);

	base_arena_free(&scratch);
	if (entry == NULL) {
		*why_r = "out of memory";
		return BASE_BROKEN;
	}
	if (path == NULL) {
		entry->fixed = fixed;
		return BASE_OK;
	}
	entry->is_list = true;
	return audience_file_read(table, AUDIENCE_MEMBERS, path, entry, why_r);
}

/* One file of a folder: its name is the list's address, or its local part. */
static enum base_result
read_folder_file(struct audience_table *table, const struct settings_list *list,
    const char *name, const char **why_r)
{
	char *path = base_arena_printf(table->arena, "%s/%s", list->folder, name);
	enum base_result result = BASE_OK;
	size_t count = strchr(name, '@') != NULL ? 0 : list->domain_count;

	if (path == NULL || strlen(name) > MAIL_MAX_ADDRESS) {
		*why_r = base_why("%s/%.40s: the name is too long", list->folder, name);
		return BASE_BROKEN;
	}
	if (count == 0)
		return read_list(table, name, 0, path, why_r);
	for (size_t i = 0; i < count && result == BASE_OK; i++) {
		const char *address =
		    base_arena_printf(table->arena, "%s@%s", name, list->domains[i]);

		*why_r = "out of memory";
		result = address == NULL ? BASE_BROKEN
					 : read_list(table, address, 0, path, why_r);
	}
	return result;
}

/* Hidden files and an editor's copies are no lists. */
static bool
is_ours(const char *name)
{
	return name[0] != '.' && name[strlen(name) - 1] != '~';
}

/* Every file of a folder. */
static enum base_result
read_folder(
    struct audience_table *table, const struct settings_list *list, const char **why_r)
{
	enum base_result result = BASE_OK;
	struct dirent *file;
	DIR *folder;

	if (!audience_table_watch(table, list->folder)) {
		*why_r =
		    base_why("%s: more than %d files", list->folder, AUDIENCE_MAX_FILES);
		return BASE_BROKEN;
	}
	folder = opendir(list->folder);
	if (folder == NULL) {
		*why_r = base_why("cannot open %s: %s", list->folder, strerror(errno));
		return BASE_BROKEN;
	}
	while (result == BASE_OK && (file = readdir(folder)) != NULL)
		if (is_ours(file->d_name))
			result = read_folder_file(table, list, file->d_name, why_r);
	closedir(folder);
	return result;
}

/* Watches what postmap made, so that what it said is forgotten when that changes. */
static enum base_result
watch_table(struct audience_table *table, const char *name, const char **why_r)
{
	static const char *const endings[] = { "", ".db", ".lmdb", ".cdb", ".dir", ".pag" };
	const char *path = strchr(name, ':') + 1;

	for (size_t i = 0; path[0] == '/' && i < sizeof(endings) / sizeof(*endings); i++) {
		const char *file =
		    base_arena_printf(table->arena, "%s%s", path, endings[i]);

		if (file == NULL || !audience_table_watch(table, file)) {
			*why_r =
			    base_why("%s: more than %d files", path, AUDIENCE_MAX_FILES);
			return BASE_BROKEN;
		}
	}
	return BASE_OK;
}

/* One entry of the settings. */
static enum base_result
read_entry(
    struct audience_table *table, const struct settings_list *list, const char **why_r)
{
	if (list->aliases != NULL)
		return audience_file_read(
		    table, AUDIENCE_ALIASES, list->aliases, NULL, why_r);
	if (list->virtual != NULL)
		return audience_file_read(
		    table, AUDIENCE_VIRTUAL, list->virtual, NULL, why_r);
	if (list->table != NULL)
		return watch_table(table, list->table, why_r);
	if (list->folder != NULL)
		return read_folder(table, list, why_r);
	if (list->file != NULL || list->members > 0)
		return read_list(table, list->address, list->members, list->file, why_r);
	return BASE_OK;
}

enum base_result
audience_table_read(struct audience_table *table, const char **why_r)
{
	const struct settings *settings = table->settings;
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < settings->list_count && result == BASE_OK; i++)
		result = read_entry(table, &settings->lists[i], why_r);
	for (size_t i = 0; i < table->include_count && result == BASE_OK; i++) {
		struct audience_entry *entry = table->includes[i];

		result = audience_file_read(table, AUDIENCE_INCLUDED,
		    entry->name + strlen(AUDIENCE_INCLUDE), entry, why_r);
	}
	if (result == BASE_OK)
		audience_table_link(table);
	return result;
}
