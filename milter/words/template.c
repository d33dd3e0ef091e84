/* template - reads a site's own sentences and puts them over the shipped ones; see template.h */
#include "milter/words/template.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/words/internal.h"

#define TEMPLATE_MAX_ARENA (4u << 20) /* bytes of all templates together */

/* What one reading needs. */
struct reading {
	struct base_arena *arena;
	const char *path;
	struct words *words; /* what is made */
	const struct words *base;
	struct base_buffer *faults;
	struct base_buffer text; /* of the sentence in hand */
	const char *name;        /* of it; NULL: none */
	size_t name_length;
	unsigned line; /* where it began */
	enum base_result result;
};

/* A fault of the sentence in hand. */
#define fault(reading, number, ...)                                                                \
	do {                                                                                       \
		base_buffer_printf((reading)->faults, "%s:%u: ", (reading)->path, number);         \
		base_buffer_printf((reading)->faults, __VA_ARGS__);                                \
		base_buffer_puts((reading)->faults, "\n");                                         \
		(reading)->result = BASE_REFUSE;                                                   \
	} while (0)

/* The row with this name, and which form of a plural; NULL: none. */
static const struct words_row *
row_find(const struct reading *reading, unsigned *form_r)
{
	size_t length = reading->name_length;
	const struct words_row *row;
	unsigned form = 0;

	if (length > 2 && reading->name[length - 2] == '.') {
		form = (unsigned)(reading->name[length - 1] - '0');
		length -= 2;
		if (form < 1 || form > reading->base->plurals)
			return NULL;
	}
	row = words_row_find(reading->name, length);
	if (row == NULL || (row->many != NULL) != (form > 0))
		return NULL;
	*form_r = form > 0 ? form - 1 : 0;
	return row;
}

/* Proves the text of the sentence in hand, which replaces `shipped`. */
static void
sentence_check(struct reading *reading, const struct words_row *row, const char *shipped)
{
	struct base_buffer why;

	base_buffer_init(&why, 2048);
	if (reading->text.failed)
		base_buffer_printf(&why, "longer than %zu bytes", row->max);
	if (reading->text.failed ||
	    !words_is_fit(row, base_buffer_text(&reading->text), shipped, false, &why))
		fault(reading, reading->line, "%.*s: %s", (int)reading->name_length, reading->name,
		    base_buffer_text(&why));
	base_buffer_free(&why);
}

/* The sentence in hand is whole: proves and keeps it. */
static void
sentence_end(struct reading *reading)
{
	const struct words_row *row;
	const char **slot, *shipped;
	unsigned form = 0;

	if (reading->name == NULL)
		return;
	row = row_find(reading, &form);
	if (row == NULL) {
		fault(reading, reading->line, "\"%.*s\": no sentence has this name",
		    (int)reading->name_length, reading->name);
		return;
	}
	slot = words_slot(reading->words, row, form);
	shipped = *words_slot((struct words *)reading->base, row, form);
	if (*slot != shipped)
		fault(reading, reading->line, "%.*s: it stands twice", (int)reading->name_length,
		    reading->name);
	else
		sentence_check(reading, row, shipped);
	if (reading->result != BASE_OK)
		return;
	*slot = base_arena_strdup(reading->arena, base_buffer_text(&reading->text));
	if (*slot == NULL)
		reading->result = BASE_BROKEN;
}

/* A line of text more for the sentence in hand, without the blanks around it. */
static void
sentence_add(struct reading *reading, const char *text, size_t length)
{
	while (length > 0 && strchr(" \t", *text) != NULL) {
		text++;
		length--;
	}
	while (length > 0 && strchr(" \t", text[length - 1]) != NULL)
		length--;
	if (length > 0 && reading->text.length > 0)
		base_buffer_puts(&reading->text, " ");
	base_buffer_append(&reading->text, text, length);
}

/* A line that begins a sentence. */
static void
sentence_begin(struct reading *reading, const char *line, size_t length, unsigned number)
{
	size_t name = 0;

	while (name < length && line[name] != ':')
		name++;
	base_buffer_free(&reading->text);
	base_buffer_init(&reading->text, WORDS_MAX_SENTENCE + 1);
	reading->name = NULL;
	if (name == length || name == 0 || name > 64) {
		fault(reading, number, "a name and a colon are expected");
		return;
	}
	reading->name = line;
	reading->name_length = name;
	reading->line = number;
	sentence_add(reading, line + name + 1, length - name - 1);
}

/* May this stand in a template? UTF-8 without control characters but the tab. */
static bool
is_text(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return false;
	return base_is_utf8(line, length);
}

/* One line of the file, without its end. */
static void
line_read(struct reading *reading, const char *line, size_t length, unsigned number)
{
	bool is_more = length > 0 && strchr(" \t", line[0]) != NULL;
	size_t blanks = 0;

	while (blanks < length && strchr(" \t", line[blanks]) != NULL)
		blanks++;
	if (!is_text(line, length)) {
		fault(reading, number, "not UTF-8 text, or a control character");
	} else if (blanks == length || line[0] == '#') {
		return;
	} else if (!is_more) {
		sentence_end(reading);
		sentence_begin(reading, line, length, number);
	} else if (reading->name == NULL) {
		fault(reading, number, "it continues nothing");
	} else {
		sentence_add(reading, line, length);
	}
}

enum base_result
words_template_parse(struct base_arena *arena, const char *path, const char *text, size_t length,
    const struct words *base, struct words *words_r, struct base_buffer *faults_r)
{
	struct words words = *base;
	struct reading reading = {
		.arena = arena, .path = path, .words = &words, .base = base, .faults = faults_r
	};
	const char *end = text + length, *line, *next;
	unsigned number = 1;

	base_buffer_init(&reading.text, WORDS_MAX_SENTENCE + 1);
	for (line = text; line < end; line = next + 1, number++) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (next == NULL)
			next = end;
		line_read(&reading, line, (size_t)(next - line), number);
	}
	sentence_end(&reading);
	base_buffer_free(&reading.text);
	if (reading.result == BASE_OK)
		*words_r = words;
	else if (reading.result == BASE_BROKEN)
		base_buffer_printf(faults_r, "%s: no memory\n", path);
	return reading.result;
}

/* --- all of a site ---------------------------------------------------------------- */

/* A file over the sentences of a language. */
struct template
{
	const char *path;
	const struct words *base;
	struct words words;
};

struct words_templates {
	struct base_arena *arena;
	const char *own; /* the site's, "" for none */
	struct template items[WORDS_MAX_TEMPLATES];
	size_t count;
};

/* The template of a path over these sentences, or NULL. */
static const struct template *
template_find(const struct words_templates *templates, const char *path, const struct words *base)
{
	for (size_t i = 0; i < templates->count; i++)
		if (templates->items[i].base == base && strcmp(templates->items[i].path, path) == 0)
			return &templates->items[i];
	return NULL;
}

/* Reads one more, unless it is known; one that is wrong is known from then on, and told once. */
static enum base_result
template_load(struct words_templates *templates, const struct words_named *named,
    struct base_buffer *faults_r)
{
	const struct words *base = words_for(named->language);
	struct template *template = &templates->items[templates->count];
	const char *why = "";
	enum base_result result;
	size_t length;
	char *text;

	if (named->path == NULL || template_find(templates, named->path, base) != NULL)
		return BASE_OK;
	if (templates->count == WORDS_MAX_TEMPLATES || strlen(named->path) >= WORDS_MAX_PATH) {
		base_buffer_printf(faults_r, "%s: %s\n", named->path,
		    templates->count == WORDS_MAX_TEMPLATES ? "too many templates"
							    : "too long a path");
		return BASE_REFUSE;
	}
	template->path = base_arena_strdup(templates->arena, named->path);
	template->base = base;
	templates->count += template->path != NULL;
	result = template->path == NULL ? BASE_BROKEN
					: base_file_read(templates->arena, named->path,
					      WORDS_MAX_TEMPLATE, &text, &length, &why);
	if (result != BASE_OK) {
		base_buffer_printf(faults_r, "%s\n", *why ? why : "no memory for a template");
		return result;
	}
	return words_template_parse(
	    templates->arena, named->path, text, length, base, &template->words, faults_r);
}

enum base_result
words_templates_load(const struct words_named *named, size_t count,
    struct words_templates **templates_r, struct base_buffer *faults_r)
{
	struct words_templates *templates = calloc(1, sizeof(*templates));
	enum base_result result = BASE_OK, one;

	if (templates != NULL)
		templates->arena = base_arena_new(TEMPLATE_MAX_ARENA);
	if (templates == NULL || templates->arena == NULL) {
		free(templates);
		base_buffer_puts(faults_r, "no memory for templates\n");
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < count; i++) {
		one = template_load(templates, &named[i], faults_r);
		result = result == BASE_OK ? one : result;
	}
	templates->own =
	    named[0].path == NULL ? "" : base_arena_strdup(templates->arena, named[0].path);
	if (result == BASE_OK && templates->own == NULL)
		result = BASE_BROKEN;
	if (result == BASE_OK)
		*templates_r = templates;
	else
		words_templates_free(&templates);
	return result;
}

void
words_templates_free(struct words_templates **templates)
{
	if (*templates == NULL)
		return;
	base_arena_free(&(*templates)->arena);
	free(*templates);
	*templates = NULL;
}

const struct words *
words_templates_find(
    const struct words_templates *templates, const char *path, const char *language)
{
	const struct words *base = words_for(language);
	const struct template *found;

	if (templates == NULL)
		return base;
	found = template_find(templates, path == NULL ? templates->own : path, base);
	return found == NULL ? base : &found->words;
}
