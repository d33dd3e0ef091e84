/* sources - what the settings name as lists, put into one table */
#include "milter/audience/internal.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/guard.h"
#include "milter/base/result.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "milter/mail/mail.h"

/* One list of its own: a line in the settings, or a file of members. */
static enum base_result
read_list(struct audience_table *table, const char *name, unsigned long fixed, const char *path,
    const char **why_r)
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
read_folder_file(struct audience_table *table, const struct settings_list *list, const char *name,
    const char **why_r)
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
		result = address == NULL ? BASE_BROKEN : read_list(table, address, 0, path, why_r);
	}
	return result;
}

/* Hidden files and an editor's copies are no lists. */
static bool
is_ours(const char *name)
{
	return name[0] != '.' && name[strlen(name) - 1] != '~';
}

/* The names in a folder, gathered by a thread that may be left behind. */
struct listing {
	char *path;
	struct base_buffer names; /* each with its NUL */
	int error;
};

static void
listing_free(void *context)
{
	struct listing *listing = context;

	base_buffer_free(&listing->names);
	free(listing->path);
	free(listing);
}

static void
listing_make(void *context)
{
	struct listing *listing = context;
	struct dirent *file;
	DIR *folder = opendir(listing->path);

	if (folder == NULL) {
		listing->error = errno;
		return;
	}
	while ((file = readdir(folder)) != NULL)
		if (is_ours(file->d_name))
			base_buffer_append(&listing->names, file->d_name, strlen(file->d_name) + 1);
	closedir(folder);
}

/* Reads the files of a folder that was listed. */
static enum base_result
read_listing(struct audience_table *table, const struct settings_list *list,
    const struct listing *listing, const char **why_r)
{
	const char *name = base_buffer_text(&listing->names);
	const char *end = name + listing->names.length;
	enum base_result result = BASE_OK;

	if (listing->error != 0 || listing->names.failed) {
		*why_r = base_why("cannot open %s: %s", list->folder,
		    listing->error != 0 ? strerror(listing->error) : "too many files");
		return BASE_BROKEN;
	}
	for (; result == BASE_OK && name < end; name += strlen(name) + 1)
		result = read_folder_file(table, list, name, why_r);
	return result;
}

/* Every file of a folder. */
static enum base_result
read_folder(struct audience_table *table, const struct settings_list *list, const char **why_r)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	enum base_result result;

	*why_r = "out of memory";
	if (listing == NULL || (listing->path = strdup(list->folder)) == NULL) {
		free(listing);
		return BASE_BROKEN;
	}
	base_buffer_init(&listing->names, AUDIENCE_MAX_NAMES);
	result = base_guard(
	    list->folder, (int64_t)BASE_FILE_SECONDS * 1000, listing_make, listing_free, listing);
	if (result != BASE_OK) {
		*why_r = base_why(
		    "%s does not answer within %d seconds", list->folder, BASE_FILE_SECONDS);
		return result;
	}
	result = read_listing(table, list, listing, why_r);
	listing_free(listing);
	return result;
}

/* A folder, watched from before it is read. */
static enum base_result
read_watched_folder(
    struct audience_table *table, const struct settings_list *list, const char **why_r)
{
	if (!audience_table_watch(table, list->folder)) {
		*why_r = base_why("%s: more than %d files", list->folder, AUDIENCE_MAX_FILES);
		return BASE_BROKEN;
	}
	return read_folder(table, list, why_r);
}

/* Watches what postmap made, so that what it said is forgotten when that changes. */
static enum base_result
watch_table(struct audience_table *table, const char *name, const char **why_r)
{
	static const char *const endings[] = { "", ".db", ".lmdb", ".cdb", ".dir", ".pag" };
	const char *path = strchr(name, ':') + 1;

	for (size_t i = 0; path[0] == '/' && i < sizeof(endings) / sizeof(*endings); i++) {
		const char *file = base_arena_printf(table->arena, "%s%s", path, endings[i]);

		if (file == NULL || !audience_table_watch(table, file)) {
			*why_r = base_why("%s: more than %d files", path, AUDIENCE_MAX_FILES);
			return BASE_BROKEN;
		}
	}
	return BASE_OK;
}

/* What an entry names. */
static enum base_result
read_source(struct audience_table *table, const struct settings_list *list, const char **why_r)
{
	if (list->aliases != NULL)
		return audience_file_read(table, AUDIENCE_ALIASES, list->aliases, NULL, why_r);
	if (list->virtual != NULL)
		return audience_file_read(table, AUDIENCE_VIRTUAL, list->virtual, NULL, why_r);
	if (list->table != NULL)
		return watch_table(table, list->table, why_r);
	if (list->folder != NULL)
		return read_watched_folder(table, list, why_r);
	if (list->file != NULL || list->members > 0)
		return read_list(table, list->address, list->members, list->file, why_r);
	return BASE_OK;
}

/* One entry of the settings; why it cannot be read begins with where it is named. */
static enum base_result
read_entry(struct audience_table *table, size_t number, const char **why_r)
{
	const struct settings_list *list = &table->settings->lists[number];
	enum base_result result = read_source(table, list, why_r);

	if (result != BASE_OK && list->settings_file != NULL)
		*why_r = base_why(
		    "%s:%d: lists[%zu]: %s", list->settings_file, list->line, number + 1, *why_r);
	return result;
}

enum base_result
audience_table_read(struct audience_table *table, const char **why_r)
{
	const struct settings *settings = table->settings;
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < settings->list_count && result == BASE_OK; i++)
		result = read_entry(table, i, why_r);
	for (size_t i = 0; i < table->include_count && result == BASE_OK; i++) {
		struct audience_entry *entry = table->includes[i];

		result = audience_file_read(
		    table, AUDIENCE_INCLUDED, entry->name + strlen(AUDIENCE_INCLUDE), entry, why_r);
	}
	if (result == BASE_OK)
		audience_table_link(table);
	return result;
}
