/*
 * The walk along the tables: errors, defaults, groups and values.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/distance.h"
#include "milter/base/quote.h"
#include "milter/settings/internal.h"

/* Adds an error to the list, up to a maximum. */
static void
error_add(struct settings_reader *reader, const char *file, int line, const char *text)
{
	struct settings_errors *errors = reader->errors;
	struct settings_error *items = errors->items;

	if (errors->count >= SETTINGS_MAX_ERRORS)
		return;
	if (errors->count == SETTINGS_MAX_ERRORS - 1)
		text = "and more errors, which are not shown";
	if (errors->count == errors->capacity) {
		size_t capacity = errors->capacity == 0 ? 16 : errors->capacity * 2;

		items = base_arena_array(errors->arena, capacity, sizeof(*items));
		if (items == NULL) {
			reader->is_short = true;
			return;
		}
		if (errors->count > 0)
			memcpy(items, errors->items, errors->count * sizeof(*items));
		errors->items = items;
		errors->capacity = capacity;
	}
	items[errors->count].file = base_arena_strdup(errors->arena, file);
	items[errors->count].line = line;
	items[errors->count].text = base_arena_strdup(errors->arena, text);
	if (items[errors->count].file == NULL || items[errors->count].text == NULL)
		reader->is_short = true;
	else
		errors->count++;
}

/* The same, formatted. */
void
settings_error_add(
    struct settings_reader *reader, const char *file, int line, const char *format, ...)
{
	char text[1200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	error_add(reader, file, line, text);
}

/* An error where an element stands; what is not of an included file is of the main one. */
void
settings_error_at(
    struct settings_reader *reader, const config_setting_t *setting, const char *format, ...)
{
	const char *file = config_setting_source_file(setting);
	char text[1200];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	error_add(reader, file == NULL ? reader->path : file,
	    (int)config_setting_source_line(setting), text);
}

/* Where a key's value goes. */
static void *
target_of(const struct settings_key *key, void *base)
{
	return (char *)base + key->offset;
}

/* The default of a list: words between spaces. */
static void
default_several(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *base)
{
	size_t count = 0;
	char *items = base_arena_array(reader->arena, strlen(text) / 2 + 1, key->type->item_size);

	while (items != NULL && *text != '\0') {
		size_t length = strcspn(text, " ");
		char *word = settings_keep(reader, text, length);

		if (word == NULL)
			return;
		(void)key->type->parse(reader, key, word, items + count * key->type->item_size);
		count++;
		text += length + strspn(text + length, " ");
	}
	if (items == NULL)
		reader->is_short = true;
	*(void **)target_of(key, base) = items;
	*(size_t *)((char *)base + key->count_offset) = count;
}

/* A required key's example without its quotes and brackets: "( \"a\" )" is a. */
static const char *
placeholder_of(struct settings_reader *reader, const struct settings_key *key)
{
	const char *start = strchr(key->required, '"') + 1;

	return settings_keep(reader, start, strcspn(start, "\""));
}

/* Fills in what the file need not say. */
void
settings_read_defaults(struct settings_reader *reader, const struct settings_key *table, void *base,
    bool with_placeholders)
{
	for (const struct settings_key *key = table; key->name != NULL; key++) {
		const char *text = key->fallback;

		if (key->required != NULL && with_placeholders)
			text = placeholder_of(reader, key);
		if (text == NULL)
			continue;
		if (key->type->shapes & SETTINGS_SEVERAL)
			default_several(reader, key, text, base);
		else
			(void)key->type->parse(reader, key, text, target_of(key, base));
	}
}

/* The shape of a value in the file; 0 for a group. */
static unsigned
shape_of(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return SETTINGS_WHOLE;
	case CONFIG_TYPE_FLOAT:
		return SETTINGS_REAL;
	case CONFIG_TYPE_STRING:
		return SETTINGS_TEXT;
	case CONFIG_TYPE_BOOL:
		return SETTINGS_TRUTH;
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		return SETTINGS_SEVERAL | SETTINGS_ENTRIES;
	default:
		return 0;
	}
}

/* A scalar as the text that the types read. */
static const char *
text_of(const config_setting_t *setting, char *scratch, size_t size)
{
	switch (shape_of(setting)) {
	case SETTINGS_TEXT:
		return config_setting_get_string(setting);
	case SETTINGS_TRUTH:
		return config_setting_get_bool(setting) ? "true" : "false";
	case SETTINGS_WHOLE:
		snprintf(scratch, size, "%lld", (long long)config_setting_get_int64(setting));
		return scratch;
	case SETTINGS_REAL:
		snprintf(scratch, size, "%.15g", config_setting_get_float(setting));
		return scratch;
	default:
		return config_setting_is_group(setting) ? "{ ... }" : "( ... )";
	}
}

/* What is wrong with the value of one key. */
static void
error_value(struct settings_reader *reader, const config_setting_t *setting, const char *label,
    const char *name, const char *problem)
{
	struct base_buffer shown;
	char scratch[32];
	const char *quote = shape_of(setting) == SETTINGS_TEXT ? "\"" : "";

	base_buffer_init(&shown, 200);
	base_quote_line(&shown, text_of(setting, scratch, sizeof(scratch)), 100);
	settings_error_at(reader, setting, "%s%s = %s%s%s: %s", label, name, quote,
	    base_buffer_text(&shown), quote, problem);
	base_buffer_free(&shown);
}

/* One scalar into its target; what is wrong, or NULL. */
static const char *
read_scalar(struct settings_reader *reader, const struct settings_key *key,
    const config_setting_t *setting, void *target)
{
	char scratch[32];

	if ((shape_of(setting) & key->type->shapes) == 0 ||
	    shape_of(setting) & (SETTINGS_SEVERAL | SETTINGS_ENTRIES))
		return key->type->wrong;
	return key->type->parse(reader, key, text_of(setting, scratch, sizeof(scratch)), target);
}

/* A list of scalars; one alone, without brackets, is a list as well. */
static void
read_several(struct settings_reader *reader, const struct settings_key *key,
    config_setting_t *setting, const char *label, void *base)
{
	bool is_list = (shape_of(setting) & SETTINGS_SEVERAL) != 0;
	int length = is_list ? config_setting_length(setting) : 1;
	char *items = NULL;

	if (length > SETTINGS_MAX_ENTRIES || (length == 0 && key->required != NULL)) {
		settings_error_at(reader, setting,
		    "%s%s: has %d entries: from %d to %d are possible", label, key->name, length,
		    key->required != NULL, SETTINGS_MAX_ENTRIES);
		return;
	}
	items = base_arena_array(reader->arena, (size_t)length + 1, key->type->item_size);
	if (items == NULL) {
		reader->is_short = true;
		return;
	}
	for (int i = 0; i < length; i++) {
		config_setting_t *element =
		    is_list ? config_setting_get_elem(setting, (unsigned)i) : setting;
		const char *problem =
		    read_scalar(reader, key, element, items + (size_t)i * key->type->item_size);

		if (problem != NULL)
			error_value(reader, element, label, key->name, problem);
	}
	*(void **)target_of(key, base) = items;
	*(size_t *)((char *)base + key->count_offset) = (size_t)length;
}

/* One key of the table. */
static void
read_key(struct settings_reader *reader, const struct settings_key *key, config_setting_t *setting,
    const char *label, void *base)
{
	const char *problem;

	if (key->type->shapes == SETTINGS_ENTRIES) {
		if (!config_setting_is_list(setting))
			error_value(reader, setting, label, key->name, key->type->wrong);
		return;
	}
	if (key->type->shapes & SETTINGS_SEVERAL) {
		read_several(reader, key, setting, label, base);
		return;
	}
	problem = read_scalar(reader, key, setting, target_of(key, base));
	if (problem != NULL)
		error_value(reader, setting, label, key->name, problem);
}

/* Does `name` continue with a dot after `group`? */
static bool
is_below(const char *name, const char *group)
{
	size_t length = strlen(group);

	return strncmp(name, group, length) == 0 && name[length] == '.';
}

/* The known name nearest to an unknown one, NULL if none is near. */
static const char *
nearest(const struct settings_key *table, const char *unknown)
{
	const char *leaf = strrchr(unknown, '.') == NULL ? unknown : strrchr(unknown, '.') + 1;
	const char *best = NULL;
	unsigned best_distance = 1 + (unsigned)(strlen(leaf) < 6 ? 1 : strlen(leaf) / 3);

	for (const struct settings_key *key = table; key->name != NULL; key++) {
		const char *dot = strrchr(key->name, '.');
		unsigned distance = base_edit_distance(unknown, key->name, BASE_DISTANCE_LONGEST);
		unsigned elsewhere =
		    dot == NULL ? 64 : base_edit_distance(leaf, dot + 1, BASE_DISTANCE_LONGEST);

		if (distance < best_distance) {
			best_distance = distance;
			best = key->name;
		} else if (elsewhere == 0 && best == NULL) {
			best = key->name;
		}
	}
	return best;
}

/* The nearest group, for a group of an unknown name. */
static const char *
nearest_group(const struct settings_key *table, const char *unknown, char *scratch, size_t size)
{
	for (const struct settings_key *key = table; key->name != NULL; key++) {
		size_t length = strcspn(key->name, ".");

		if (key->name[length] != '.' || length >= size)
			continue;
		memcpy(scratch, key->name, length);
		scratch[length] = '\0';
		if (base_edit_distance(unknown, scratch, 2) <= 2)
			return scratch;
	}
	return NULL;
}

/* Says that a key is unknown, and which one was perhaps meant. */
static void
error_unknown(struct settings_reader *reader, const struct settings_key *table,
    const config_setting_t *setting, const char *label, const char *name)
{
	char scratch[64];
	const char *meant = config_setting_is_group(setting)
				? nearest_group(table, name, scratch, sizeof(scratch))
				: NULL;

	if (meant == NULL)
		meant = nearest(table, name);
	if (meant != NULL)
		settings_error_at(reader, setting, "%s%s: no such key: did you mean %s%s?", label,
		    name, label, meant);
	else
		settings_error_at(reader, setting,
		    "%s%s: no such key: oops-milter.conf(5) lists those there are", label, name);
}

/* Reads what stands in one group of the file, and the groups below it. */
static void
read_children(struct settings_reader *reader, const struct settings_key *table,
    config_setting_t *group, const char *label, const char *prefix, void *base)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		config_setting_t *child = config_setting_get_elem(group, (unsigned)i);
		const struct settings_key *key = table;
		char name[256];

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix == '\0' ? "" : ".",
		    config_setting_name(child));
		while (
		    key->name != NULL && strcmp(key->name, name) != 0 && !is_below(key->name, name))
			key++;
		if (key->name == NULL)
			error_unknown(reader, table, child, label, name);
		else if (strcmp(key->name, name) == 0)
			read_key(reader, key, child, label, base);
		else if (config_setting_is_group(child))
			read_children(reader, table, child, label, name, base);
		else
			error_value(reader, child, label, name, "not a group: use { ... }");
	}
}

/* Says which keys are missing that only the site can know. */
static void
find_missing(struct settings_reader *reader, const struct settings_key *table,
    config_setting_t *group, const char *label)
{
	for (const struct settings_key *key = table; key->name != NULL; key++) {
		char name[64];
		config_setting_t *above;

		if (key->required == NULL || config_setting_lookup(group, key->name) != NULL)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(key->name, "."), key->name);
		above = config_setting_lookup(group, name);
		settings_error_add(reader, reader->path,
		    above == NULL ? 0 : (int)config_setting_source_line(above),
		    "%s%s: missing, and only the site knows it: for example %s = %s", label,
		    key->name, strrchr(key->name, '.') + 1, key->required);
	}
}

/* One group of the file along one table. */
void
settings_read_group(struct settings_reader *reader, const struct settings_key *table,
    config_setting_t *group, const char *label, void *base)
{
	read_children(reader, table, group, label, "", base);
	find_missing(reader, table, group, label);
}
