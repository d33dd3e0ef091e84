/*
 * aliases - reads files of lists: aliases(5), what they include, virtual(5), plain members
 *
 * "name: member, member": a line that begins with a space continues the one before; empty
 * lines and those that begin with '#' say nothing. A member is an address, a local name,
 * "\name" (no further lists), "|command", "/file" or ":include:/file".
 */
#include "milter/audience/internal.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/result.h"

#include <string.h>
#include <sys/stat.h>

#include "milter/mail/mail.h"

#define BLANKS " \t\r\f\v"

/* A file being read. */
struct source {
	struct audience_table *table;
	enum audience_form form;
	const char *path;
	const char *next; /* of the text, what is not read yet */
	int line;         /* of `next`, from 1 */
	struct base_buffer logical;
	int logical_line; /* where it begins */
	const char *why;
};

bool
audience_table_watch(struct audience_table *table, const char *path)
{
	struct audience_file *file = &table->files[table->file_count];
	const char *why;

	for (size_t i = 0; i < table->file_count; i++)
		if (strcmp(table->files[i].path, path) == 0)
			return true;
	if (table->file_count >= AUDIENCE_MAX_FILES)
		return false;
	file->path = base_arena_strdup(table->arena, path);
	if (file->path == NULL)
		return false;
	file->state = base_file_look(path, &file->stat, &why);
	table->file_count++;
	return true;
}

/* Does a file look other than it did? */
static bool
has_changed(const struct audience_file *file, enum base_result state, const struct stat *now)
{
	const struct stat *old = &file->stat;

	if (state != file->state)
		return true;
	return state == BASE_OK &&
	       (now->st_ino != old->st_ino || now->st_dev != old->st_dev ||
		   now->st_size != old->st_size || now->st_mtim.tv_sec != old->st_mtim.tv_sec ||
		   now->st_mtim.tv_nsec != old->st_mtim.tv_nsec);
}

enum base_result
audience_table_look(const struct audience_table *table, const char **why_r)
{
	enum base_result result = BASE_NONE;

	for (size_t i = 0; i < table->file_count; i++) {
		const struct audience_file *file = &table->files[i];
		struct stat now;
		enum base_result state = base_file_look(file->path, &now, why_r);

		if (state == BASE_RETRY || state == BASE_BROKEN)
			result = BASE_RETRY;
		else if (has_changed(file, state, &now))
			return BASE_OK;
	}
	return result;
}

/* The next logical line into source->logical: OK, NONE at the end, or REFUSE. */
static enum base_result
source_line(struct source *source)
{
	bool has_some = false;

	base_buffer_clear(&source->logical);
	while (*source->next != '\0') {
		const char *line = source->next;
		size_t length = strcspn(line, "\n");
		size_t blanks = strspn(line, BLANKS);
		bool is_empty = blanks >= length || line[blanks] == '#';

		bool is_more = blanks > 0 && source->form != AUDIENCE_MEMBERS;

		if (!is_empty && !is_more && has_some)
			return BASE_OK;
		if (!is_empty && is_more && !has_some) {
			source->why =
			    base_why("%s:%d: begins with a space, but there is no line to "
				     "continue",
				source->path, source->line);
			return BASE_REFUSE;
		}
		if (!is_empty) {
			if (!has_some)
				source->logical_line = source->line;
			has_some = true;
			base_buffer_append(&source->logical, line, length);
			base_buffer_puts(&source->logical, " ");
		}
		source->line++;
		source->next = line + length + (line[length] == '\n');
	}
	return has_some ? BASE_OK : BASE_NONE;
}

/* Takes quotes off: `"a\"b"` is a"b. Returns where the quoted text ended, NULL if nowhere.
 */
static const char *
unquote(const char *text, struct base_buffer *plain_r)
{
	for (text++; *text != '\0' && *text != '"'; text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		base_buffer_append(plain_r, text, 1);
	}
	return *text == '"' ? text + 1 : NULL;
}

/* The entry of a file that is to be read as well. */
static struct audience_entry *
include_entry(struct audience_table *table, const char *name)
{
	struct audience_entry *entry = audience_table_entry(table, name);

	if (entry == NULL || entry->is_list)
		return entry;
	entry->is_list = true;
	if (name[strlen(AUDIENCE_INCLUDE)] != '/' || table->include_count >= AUDIENCE_MAX_FILES)
		entry->is_partial = true;
	else
		table->includes[table->include_count++] = entry;
	return entry;
}

struct audience_entry *
audience_address_entry(struct audience_table *table, struct base_arena *scratch, const char *text)
{
	const char *normal, *why;
	char *lower;

	base_arena_reset(scratch);
	if (mail_path_parse(scratch, text, &normal, &why) == BASE_OK && normal[0] != '\0')
		return audience_table_entry(table, normal);
	lower = base_arena_strdup(scratch, text);
	for (char *c = lower; c != NULL && *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return lower == NULL ? NULL : audience_table_entry(table, lower);
}

/* Adds what one member's text, without comments, stands for. */
static bool
add_member(struct audience_table *table, struct base_arena *scratch, struct audience_entry *list,
    char *text)
{
	struct base_buffer plain;
	struct audience_entry *entry;
	bool is_final = false;
	char *angle = strchr(text, '<');

	base_buffer_init(&plain, AUDIENCE_MAX_FILE);
	if (text[0] == '"') {
		const char *end = unquote(text, &plain);

		if (end != NULL && *end == '\0')
			text = plain.length > 0 ? plain.data : text;
		else if (angle != NULL)
			text = angle;
	} else if (angle != NULL && strchr("|/:", text[0]) == NULL) {
		text = angle;
	}
	if (text[0] == '\\') {
		is_final = true;
		text++;
	}
	if (strncasecmp(text, AUDIENCE_INCLUDE, strlen(AUDIENCE_INCLUDE)) == 0) {
		memcpy(text, AUDIENCE_INCLUDE, strlen(AUDIENCE_INCLUDE));
		entry = include_entry(table, text);
	} else if (text[0] == '|' || text[0] == '/') {
		entry = audience_table_entry(table, text);
		if (entry != NULL)
			entry->is_partial = text[0] == '|';
	} else {
		entry = audience_address_entry(table, scratch, text);
	}
	base_buffer_free(&plain);
	return entry != NULL && audience_table_member(table, list, entry, is_final);
}

/* Takes the blanks around the text away and adds what is left, if anything. */
static bool
add_trimmed(struct audience_table *table, struct base_arena *scratch, struct audience_entry *list,
    struct base_buffer *piece)
{
	char *text = piece->data;
	bool is_added = true;

	while (piece->length > 0 && strchr(BLANKS, text[piece->length - 1]) != NULL)
		text[--piece->length] = '\0';
	if (piece->length > 0 && text[strspn(text, BLANKS)] != '\0')
		is_added = add_member(table, scratch, list, text + strspn(text, BLANKS));
	base_buffer_clear(piece);
	return is_added;
}

/* Members between commas, those in quotes, brackets and comments excepted. */
static enum base_result
add_members(struct source *source, struct base_arena *scratch, struct audience_entry *list,
    const char *text)
{
	struct base_buffer piece;
	bool is_quoted = false, is_angled = false, is_added = true;
	unsigned comments = 0;

	base_buffer_init(&piece, AUDIENCE_MAX_FILE);
	for (; *text != '\0' && is_added; text++) {
		size_t length = *text == '\\' && text[1] != '\0' ? 2 : 1;

		if (comments > 0 || (*text == '(' && !is_quoted)) {
			comments += *text == '(' ? 1u : 0;
			comments -= *text == ')' ? 1u : 0;
		} else if (*text == ',' && !is_quoted && !is_angled) {
			is_added = add_trimmed(source->table, scratch, list, &piece);
			continue;
		} else {
			is_quoted ^= *text == '"';
			is_angled = !is_quoted && *text != '>' && (is_angled || *text == '<');
			base_buffer_append(&piece, text, length);
		}
		text += length - 1;
	}
	is_added = is_added && add_trimmed(source->table, scratch, list, &piece);
	base_buffer_free(&piece);
	if (is_quoted || comments > 0) {
		source->why = base_why("%s:%d: a %s is not closed", source->path,
		    source->logical_line, is_quoted ? "quote" : "comment");
		return BASE_REFUSE;
	}
	if (!is_added)
		source->why = base_why("%s: too large to be kept in memory", source->path);
	return is_added ? BASE_OK : BASE_BROKEN;
}

bool
audience_members_read(struct audience_table *table, struct audience_entry *list, const char *text)
{
	struct source source = { .table = table, .form = AUDIENCE_VIRTUAL, .path = list->name };
	struct base_arena *scratch = base_arena_new(1u << 20);
	bool is_read = scratch != NULL && add_members(&source, scratch, list, text) == BASE_OK;

	base_arena_free(&scratch);
	return is_read;
}

/* Where the name of a line ends, and the colon of aliases(5); NULL: it has none. */
static const char *
name_end(const struct source *source, const char *text, struct base_buffer *name)
{
	bool is_virtual = source->form == AUDIENCE_VIRTUAL;
	const char *end;

	if (text[0] == '"' && !is_virtual) {
		end = unquote(text, name);
	} else {
		end = text + strcspn(text, is_virtual ? BLANKS : ":" BLANKS);
		base_buffer_append(name, text, (size_t)(end - text));
	}
	if (end == NULL || name->length == 0)
		return NULL;
	end += strspn(end, BLANKS);
	if (is_virtual)
		return *end == '\0' ? NULL : end;
	return *end == ':' ? end + 1 : NULL;
}

/* The list that a line is about; *rest_r is where its members begin. */
static struct audience_entry *
read_name(struct source *source, struct base_arena *scratch, const char **rest_r)
{
	struct base_buffer name;
	struct audience_entry *entry = NULL;
	const char *rest;

	base_buffer_init(&name, AUDIENCE_MAX_FILE);
	rest = name_end(source, base_buffer_text(&source->logical), &name);
	if (rest == NULL) {
		source->why =
		    base_why("%s:%d: not of the form \"%s\"", source->path, source->logical_line,
			source->form == AUDIENCE_VIRTUAL ? "address member, member"
							 : "name: member, member");
	} else {
		entry = audience_address_entry(source->table, scratch, base_buffer_text(&name));
		if (entry == NULL)
			source->why = base_why("%s: too large to be kept in memory", source->path);
		else
			entry->is_list = true;
		*rest_r = rest;
	}
	base_buffer_free(&name);
	return entry;
}

/* Is it what a mailbox's local name may look like, and no more? */
static bool
is_local_name(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
						    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						    "0123456789._+-=")] == '\0';
}

/* The mailboxes of one line. */
struct line {
	const char *normal; /* of the first */
	size_t count;
};

static bool
line_mailbox(void *context, const char *name, const char *normal)
{
	struct line *line = context;

	(void)name;
	if (line->count++ == 0)
		line->normal = normal;
	return true;
}

/* The one member of a line: an address, "Name <address>", a local name, or AUDIENCE_MORE. */
static enum base_result
add_line(struct source *source, struct base_arena *scratch, struct audience_entry *list)
{
	char *text = source->logical.data + strspn(source->logical.data, BLANKS);
	size_t length = strlen(text);
	struct audience_entry *entry = NULL;
	struct line line = { .count = 0 };

	while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
		text[--length] = '\0';
	base_arena_reset(scratch);
	if (strcmp(text, AUDIENCE_MORE) == 0) {
		list->is_partial = true;
		return BASE_OK;
	}
	if (is_local_name(text)) {
		entry = audience_address_entry(source->table, scratch, text);
	} else {
		(void)mail_each_mailbox(scratch, text, line_mailbox, &line);
		if (line.count != 1) {
			source->why = base_why("%s:%d: not an address: one a line is needed",
			    source->path, source->logical_line);
			return BASE_REFUSE;
		}
		entry = audience_table_entry(source->table, line.normal);
	}
	if (entry == NULL || !audience_table_member(source->table, list, entry, false)) {
		source->why = base_why("%s: too large to be kept in memory", source->path);
		return BASE_BROKEN;
	}
	return BASE_OK;
}

/* What one logical line says. */
static enum base_result
add_logical(struct source *source, struct base_arena *scratch, struct audience_entry *list)
{
	const char *members = base_buffer_text(&source->logical);

	if (source->form == AUDIENCE_MEMBERS)
		return add_line(source, scratch, list);
	if (list == NULL)
		list = read_name(source, scratch, &members);
	return list == NULL ? BASE_REFUSE : add_members(source, scratch, list, members);
}

/* Every line of a text; `list` gets them all, or each line names its own. */
static enum base_result
read_text(struct source *source, struct audience_entry *list)
{
	struct base_arena *scratch = base_arena_new(1u << 20);
	enum base_result result = scratch == NULL ? BASE_BROKEN : BASE_OK;

	source->why = "out of memory";
	base_buffer_init(&source->logical, 2 * AUDIENCE_MAX_FILE);
	while (result == BASE_OK && (result = source_line(source)) == BASE_OK)
		result = add_logical(source, scratch, list);
	base_buffer_free(&source->logical);
	base_arena_free(&scratch);
	return result == BASE_NONE ? BASE_OK : result;
}

enum base_result
audience_file_read(struct audience_table *table, enum audience_form form, const char *path,
    struct audience_entry *list, const char **why_r)
{
	struct base_arena *arena = base_arena_new(AUDIENCE_MAX_FILE + 65536);
	struct source source = { .table = table, .form = form, .path = path, .line = 1 };
	enum base_result result = BASE_BROKEN;
	size_t length;
	char *text;

	*why_r = "out of memory";
	if (arena != NULL && !audience_table_watch(table, path))
		*why_r = base_why("%s: more than %d files", path, AUDIENCE_MAX_FILES);
	else if (arena != NULL)
		result = base_file_read(arena, path, AUDIENCE_MAX_FILE, &text, &length, why_r);
	if (result == BASE_OK && strlen(text) != length) {
		*why_r = base_why("%s: has a NUL byte: this is not a text file", path);
		result = BASE_REFUSE;
	}
	if (result != BASE_OK && result != BASE_RETRY && form == AUDIENCE_INCLUDED) {
		list->is_partial = true;
		result = BASE_OK;
	} else if (result == BASE_OK) {
		source.next = text;
		result = read_text(&source, list);
		*why_r = source.why;
	}
	base_arena_free(&arena);
	return result;
}
