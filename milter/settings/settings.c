/*
 * Loading: a file in, a frozen value or a list of errors out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/settings/internal.h"

/* What settings_free() needs besides the value itself. */
struct whole {
	struct settings settings;
	struct base_arena *arena;
};

/* An empty value in an arena of its own. */
static struct settings *
settings_new(struct settings_reader *reader, const char *path)
{
	struct base_arena *arena = base_arena_new(SETTINGS_MAX_MEMORY);
	struct whole *whole = arena == NULL ? NULL : base_arena_alloc(arena, sizeof(struct whole));

	if (whole == NULL) {
		base_arena_free(&arena);
		return NULL;
	}
	whole->arena = arena;
	reader->arena = arena;
	reader->settings = &whole->settings;
	reader->path = base_arena_strdup(arena, path);
	whole->settings.path = reader->path;
	if (reader->path == NULL)
		settings_free(&reader->settings);
	return reader->settings;
}

void
settings_free(struct settings **settings)
{
	struct base_arena *arena;

	if (*settings == NULL)
		return;
	arena = ((struct whole *)*settings)->arena;
	base_arena_free(&arena);
	*settings = NULL;
}

void
settings_errors_free(struct settings_errors *errors)
{
	base_arena_free(&errors->arena);
	memset(errors, 0, sizeof(*errors));
}

void
settings_error_print(const struct settings_error *error, struct base_buffer *text_r)
{
	if (error->line > 0)
		base_buffer_printf(text_r, "%s:%d: %s\n", error->file, error->line, error->text);
	else if (strstr(error->text, error->file) != NULL)
		base_buffer_printf(text_r, "%s\n", error->text);
	else
		base_buffer_printf(text_r, "%s: %s\n", error->file, error->text);
}

/* Everything at its default. */
struct settings *
settings_defaults(void)
{
	struct settings_reader reader = { 0 };

	if (settings_new(&reader, "(defaults)") == NULL)
		return NULL;
	settings_read_defaults(&reader, settings_keys, reader.settings, true);
	settings_read_identity(&reader, NULL);
	settings_read_lists(&reader, NULL);
	settings_read_policy(&reader, NULL);
	if (reader.is_short)
		settings_free(&reader.settings);
	return reader.settings;
}

/* Parses the text; libconfig stops at the first fault of grammar. */
static bool
parse(struct settings_reader *reader, config_t *config, const char *text)
{
	const char *file;

	if (config_read_string(config, text) == CONFIG_TRUE)
		return true;
	file = config_error_file(config);
	settings_error_add(reader, file == NULL ? reader->path : file, config_error_line(config),
	    strcmp(config_error_text(config), "syntax error") == 0
		? "%s here or just before: is a quote, a bracket or a semicolon missing?"
		: "%s",
	    config_error_text(config));
	return false;
}

/* Walks a parsed file. */
static void
read_config(struct settings_reader *reader, const config_t *config)
{
	config_setting_t *root = config_root_setting(config);

	settings_read_defaults(reader, settings_keys, reader->settings, false);
	settings_read_group(reader, settings_keys, root, "", reader->settings);
	settings_read_identity(reader, config);
	settings_read_lists(reader, config_setting_get_member(root, "lists"));
	settings_read_policy(reader, config_setting_get_member(root, "policy"));
}

/* The main file's errors by line, those of the whole file last; as they came otherwise. */
static void
sort_errors(struct settings_errors *errors)
{
	for (size_t i = 1; i < errors->count; i++) {
		struct settings_error error = errors->items[i];
		size_t j = i;

		for (; j > 0 && error.line != 0; j--) {
			const struct settings_error *before = &errors->items[j - 1];

			if (strcmp(before->file, error.file) != 0 ||
			    (before->line != 0 && before->line <= error.line))
				break;
			errors->items[j] = errors->items[j - 1];
		}
		errors->items[j] = error;
	}
}

/* libconfig ends the program over an @include that is no file, so they are looked at first. */
static void
check_includes(struct settings_reader *reader, const char *file, const char *text, int depth)
{
	int line_number = 1;

	for (const char *line = text; *line != '\0'; line_number++) {
		const char *at = line + strspn(line, " \t");
		struct base_arena *scratch = NULL;
		char path[4096], *inner = NULL;
		size_t length = 0;
		struct stat status;
		const char *why = "out of memory";
		enum base_result result;

		if (sscanf(at, "@include%*[ \t]\"%4095[^\"\n]\"", path) == 1 &&
		    (result = base_file_look(path, &status, &why)) != BASE_NONE) {
			if (result != BASE_OK)
				settings_error_add(
				    reader, file, line_number, "@include \"%s\": %s", path, why);
			else if (!S_ISREG(status.st_mode))
				settings_error_add(reader, file, line_number,
				    "@include \"%s\": not a file: name each file", path);
			else if (depth < SETTINGS_MAX_INCLUDES)
				scratch = base_arena_new(SETTINGS_MAX_FILE + 65536);
			if (scratch != NULL && base_file_read(scratch, path, SETTINGS_MAX_FILE,
						   &inner, &length, &why) == BASE_OK)
				check_includes(reader, path, inner, depth + 1);
			base_arena_free(&scratch);
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

/* Parses and walks; false if the file does not hold a usable value. */
static bool
read_text(struct settings_reader *reader, const char *text, size_t length)
{
	config_t config;

	if (strlen(text) != length) {
		int line = 1;

		for (const char *c = text; *c != '\0'; c++)
			line += *c == '\n';
		settings_error_add(
		    reader, reader->path, line, "a NUL byte: this is not a text file");
		return false;
	}
	check_includes(reader, reader->path, text, 0);
	if (reader->errors->count > 0)
		return false;
	config_init(&config);
	if (parse(reader, &config, text))
		read_config(reader, &config);
	config_destroy(&config);
	return reader->errors->count == 0;
}

/* From the path, or (`fd` not -1) from what is open already and has this name. */
static enum base_result
load(const char *path, int fd, struct settings **settings_r, struct settings_errors *errors)
{
	struct settings_reader reader = { .errors = errors };
	struct base_arena *scratch = base_arena_new(SETTINGS_MAX_FILE + 65536);
	enum base_result result = BASE_BROKEN;
	const char *why = "out of memory";
	size_t length = 0;
	char *text = NULL;

	memset(errors, 0, sizeof(*errors));
	errors->arena = base_arena_new(1u << 20);
	if (scratch != NULL && errors->arena != NULL && settings_new(&reader, path) != NULL)
		result =
		    fd < 0 ? base_file_read(scratch, path, SETTINGS_MAX_FILE, &text, &length, &why)
			   : base_input_read(
				 scratch, fd, path, SETTINGS_MAX_FILE, &text, &length, &why);
	if (result != BASE_OK)
		settings_error_add(&reader, path, 0, "%s", why);
	if (result == BASE_RETRY)
		result = BASE_BROKEN;
	else if (result == BASE_OK && !read_text(&reader, text, length))
		result = BASE_REFUSE;
	if (reader.is_short && result == BASE_OK) {
		settings_error_add(&reader, path, 0, "out of memory");
		result = BASE_BROKEN;
	}
	sort_errors(errors);
	base_arena_free(&scratch);
	if (result == BASE_OK)
		*settings_r = reader.settings;
	else
		settings_free(&reader.settings);
	return result;
}

enum base_result
settings_load(const char *path, struct settings **settings_r, struct settings_errors *errors)
{
	return load(path, -1, settings_r, errors);
}

/* Every fault goes to standard error. */
static struct settings *
load_or_report(const char *path, int fd)
{
	struct settings_errors errors;
	struct base_buffer text;
	struct settings *settings = NULL;

	load(path, fd, &settings, &errors);
	base_buffer_init(&text, SETTINGS_MAX_MEMORY);
	for (size_t i = 0; i < errors.count; i++)
		settings_error_print(&errors.items[i], &text);
	fputs(base_buffer_text(&text), stderr);
	base_buffer_free(&text);
	settings_errors_free(&errors);
	return settings;
}

struct settings *
settings_load_or_report(const char *path)
{
	return load_or_report(path, -1);
}

struct settings *
settings_input_or_report(int fd, const char *name)
{
	return load_or_report(name, fd);
}
