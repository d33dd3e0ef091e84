/* template - reads a site's own sentences and puts them over the shipped ones; see template.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/notice/template.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "milter/notice/notice.h"
#include "milter/notice/words.h"

#define TEMPLATE_MAX_ARENA (4u << 20) /* bytes of all templates together */
#define TEMPLATE_MAX_PLACES 8         /* places in one sentence */

/* One name that a template may use. */
struct place {
	const char *name;
	size_t offset;  /* in struct notice_words */
	unsigned forms; /* 0: one sentence, else a plural with so many at most */
	size_t max;     /* bytes */
};

#define AT(member) .name = #member, .offset = offsetof(struct notice_words, member)
#define SENTENCE(member)                                                                           \
	{                                                                                          \
		AT(member), .max = NOTICE_MAX_SENTENCE                                             \
	}
#define PIECE(member)                                                                              \
	{                                                                                          \
		AT(member), .max = NOTICE_MAX_PIECE                                                \
	}
#define SEVERAL(member)                                                                            \
	{                                                                                          \
		AT(member), .forms = NOTICE_PLURALS, .max = NOTICE_MAX_PIECE                       \
	}

/* Every sentence but the names of days and months. */
static const struct place places[] = {
	PIECE(clock),
	PIECE(clock_exact),
	PIECE(clock_bare),
	PIECE(time_today),
	PIECE(time_other_day),
	PIECE(time_within),
	SEVERAL(seconds),
	SEVERAL(minutes),
	SEVERAL(hours),
	SEVERAL(days),
	SEVERAL(people),
	SEVERAL(people_at_least),
	PIECE(people_unknown),
	SEVERAL(and_more),
	SEVERAL(left),
	SEVERAL(series),
	PIECE(got_nobody),
	PIECE(got_unknown),
	SENTENCE(got_some),
	PIECE(no_subject),
	PIECE(fact_subject),
	PIECE(fact_to),
	PIECE(fact_left),
	PIECE(fact_series),
	PIECE(fact_answered),
	PIECE(fact_since),
	PIECE(why_title),
	PIECE(next_title),
	PIECE(letter_from),
	SENTENCE(letter_subject_confirm),
	SENTENCE(letter_subject_undo),
	SENTENCE(letter_confirm),
	SENTENCE(letter_undo),
	SENTENCE(letter_confirm_return),
	SENTENCE(letter_confirm_send),
	SENTENCE(letter_undo_send),
	SENTENCE(letter_link_confirm),
	SENTENCE(letter_link_undo),
	PIECE(letter_button),
	SENTENCE(letter_link_note),
	SENTENCE(letter_foot),
	SENTENCE(letter_as),
	SENTENCE(letter_last),
	SEVERAL(answered),
	SENTENCE(letter_subject_storm),
	SENTENCE(letter_storm),
	SENTENCE(letter_storm_author),
	SENTENCE(letter_storm_somebody),
	SENTENCE(letter_storm_return),
	SENTENCE(letter_storm_send),
	SENTENCE(letter_link_storm),
	SENTENCE(letter_subject_brake),
	SENTENCE(letter_brake),
	SENTENCE(letter_brake_more),
	SENTENCE(letter_brake_return),
	SENTENCE(letter_brake_send),
	SENTENCE(letter_link_brake),
	SENTENCE(letter_subject_kept),
	SENTENCE(letter_link_kept),
	SENTENCE(kept_title),
	SENTENCE(kept_text),
	SENTENCE(kept_next),
	SENTENCE(letter_subject_left),
	SENTENCE(letter_link_left),
	SENTENCE(left_title),
	SENTENCE(left_text),
	SENTENCE(left_released),
	SENTENCE(left_gone),
	SENTENCE(letter_subject_back),
	SENTENCE(back_expired),
	SENTENCE(back_storm),
	SENTENCE(back_undone),
	SENTENCE(back_undone_admin),
	SENTENCE(back_nobody),
	SENTENCE(back_left),
	SENTENCE(back_attached),
	SENTENCE(back_again),
	SENTENCE(page_title),
	SENTENCE(page_foot),
	SENTENCE(about_title),
	SENTENCE(about_text),
	SENTENCE(about_more),
	SENTENCE(placing_title),
	SENTENCE(placing_text),
	SENTENCE(confirm_title),
	SENTENCE(confirm_text),
	SENTENCE(confirm_return),
	SENTENCE(confirm_send),
	SENTENCE(undo_title),
	SENTENCE(undo_text),
	SENTENCE(undo_next),
	SENTENCE(undo_now),
	SENTENCE(undo_unannounced),
	SENTENCE(storm_title),
	SENTENCE(storm_text),
	SENTENCE(storm_note),
	PIECE(button_undo_storm),
	PIECE(storm_link),
	SENTENCE(brake_title),
	SENTENCE(brake_text),
	SENTENCE(brake_return),
	SENTENCE(brake_send),
	SENTENCE(brake_note),
	SENTENCE(brake_over_title),
	SENTENCE(brake_lifted),
	SENTENCE(brake_over),
	PIECE(button_lift),
	SENTENCE(choose_note),
	SENTENCE(choose_note_final),
	PIECE(button_undo_confirm),
	PIECE(button_send_confirm),
	PIECE(button_undo),
	PIECE(button_send_now),
	PIECE(button_restore),
	SENTENCE(nobody_has_it),
	SENTENCE(part_released),
	SENTENCE(part_gone),
	SENTENCE(sending_title),
	SENTENCE(sending_text),
	SENTENCE(sending_slow),
	SENTENCE(sent_title),
	SENTENCE(sent_you),
	SENTENCE(sent_admin),
	SENTENCE(sent_timer),
	SENTENCE(sent_owner),
	SENTENCE(sent_other),
	SENTENCE(sent_note),
	SENTENCE(stopping_title),
	SENTENCE(stopping_text),
	SENTENCE(undone_title),
	SENTENCE(undone_you),
	SENTENCE(undone_admin),
	SENTENCE(undone_other),
	SENTENCE(undone_return),
	SENTENCE(undone_delete),
	SENTENCE(undone_note),
	SENTENCE(undone_wait),
	PIECE(restore_open),
	PIECE(restore_sure),
	SENTENCE(unsure_title),
	SENTENCE(unsure_text),
	SENTENCE(returning_title),
	SENTENCE(returning_text),
	SENTENCE(returning_stuck),
	SENTENCE(returned_title),
	SENTENCE(returned_text),
	SENTENCE(returned_note),
	SENTENCE(returned_bounce),
	SENTENCE(deleted_title),
	SENTENCE(deleted_text),
	SENTENCE(lost_title),
	SENTENCE(lost_text),
	SENTENCE(lost_released_title),
	SENTENCE(lost_released),
	SENTENCE(late_title),
	SENTENCE(late_text),
	SENTENCE(unknown_title),
	SENTENCE(unknown_text),
	SENTENCE(unknown_more),
	SENTENCE(busy_title),
	SENTENCE(busy_text),
	SENTENCE(bad_title),
	SENTENCE(bad_text),
	SENTENCE(foreign_title),
	SENTENCE(foreign_text),
	SENTENCE(method_title),
	SENTENCE(method_text),
};

#define PLACE_COUNT (sizeof(places) / sizeof(*places))
#define PLACE_PLURALS 10

_Static_assert(sizeof(struct notice_words) - offsetof(struct notice_words, clock) ==
		   (PLACE_COUNT - PLACE_PLURALS) * sizeof(const char *) +
		       PLACE_PLURALS * sizeof(struct notice_plural),
    "a sentence has no name for templates");

/* What one reading needs. */
struct reading {
	struct base_arena *arena;
	const char *path;
	struct notice_words *words; /* what is made */
	const struct notice_words *base;
	struct base_buffer *faults;
	struct base_buffer text; /* of the sentence in hand */
	const char *name;        /* of it; NULL: none */
	size_t name_length;
	unsigned line; /* where it began */
	enum base_result result;
};

/* Where in a table the sentence of a name stands. */
static const char **
slot_of(struct notice_words *words, const struct place *place, unsigned form)
{
	return (const char **)((char *)words + place->offset) + form;
}

/* A fault of the sentence in hand. */
#define fault(reading, number, ...)                                                                \
	do {                                                                                       \
		base_buffer_printf((reading)->faults, "%s:%u: ", (reading)->path, number);         \
		base_buffer_printf((reading)->faults, __VA_ARGS__);                                \
		base_buffer_puts((reading)->faults, "\n");                                         \
		(reading)->result = BASE_REFUSE;                                                   \
	} while (0)

/* The place with this name, and which form of a plural; NULL: none. */
static const struct place *
place_find(const struct reading *reading, unsigned *form_r)
{
	size_t length = reading->name_length;
	unsigned form = 0;

	if (length > 2 && reading->name[length - 2] == '.') {
		form = (unsigned)(reading->name[length - 1] - '0');
		length -= 2;
		if (form < 1 || form > reading->base->plurals)
			return NULL;
	}
	for (size_t i = 0; i < PLACE_COUNT; i++) {
		if (strlen(places[i].name) != length ||
		    memcmp(places[i].name, reading->name, length) != 0 ||
		    (places[i].forms > 0) != (form > 0))
			continue;
		*form_r = form > 0 ? form - 1 : 0;
		return &places[i];
	}
	return NULL;
}

/* What stands in braces in a sentence, braces included. */
struct brace {
	const char *start;
	size_t length;
};

/* All of them; false: one has no end, or there are too many. */
static bool
braces_find(const char *text, struct brace *braces_r, size_t *count_r)
{
	size_t count = 0, length;

	for (; *(text += strcspn(text, "{}")) != '\0'; text += length) {
		length = strcspn(text + 1, "{}") + 2;
		if (*text != '{' || text[length - 1] != '}' || count == TEMPLATE_MAX_PLACES)
			return false;
		braces_r[count++] = (struct brace){ text, length };
	}
	*count_r = count;
	return true;
}

/* How often is it among these? */
static size_t
braces_count(const struct brace *braces, size_t count, const struct brace *one)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += braces[i].length == one->length &&
			 memcmp(braces[i].start, one->start, one->length) == 0;
	return found;
}

/* Has the sentence just the places of the shipped one? */
static void
braces_check(struct reading *reading, const char *text, const char *shipped)
{
	struct brace own[TEMPLATE_MAX_PLACES], others[TEMPLATE_MAX_PLACES];
	size_t own_count = 0, other_count = 0;

	if (!braces_find(text, own, &own_count) || !braces_find(shipped, others, &other_count)) {
		fault(reading, reading->line, "a { without its }, or too many of them");
		return;
	}
	for (size_t i = 0; i < own_count; i++)
		if (braces_count(others, other_count, &own[i]) == 0)
			fault(reading, reading->line, "%.*s: %.*s is not in \"%s\"",
			    (int)reading->name_length, reading->name, (int)own[i].length,
			    own[i].start, shipped);
	for (size_t i = 0; i < other_count; i++)
		if (braces_count(own, own_count, &others[i]) != 1)
			fault(reading, reading->line, "%.*s: %.*s must stand in it, once",
			    (int)reading->name_length, reading->name, (int)others[i].length,
			    others[i].start);
}

/* The sentence in hand is whole: proves and keeps it. */
static void
sentence_end(struct reading *reading)
{
	const char *text = base_buffer_text(&reading->text);
	const struct place *place;
	const char **slot, *shipped;
	unsigned form = 0;

	if (reading->name == NULL)
		return;
	place = place_find(reading, &form);
	if (place == NULL) {
		fault(reading, reading->line, "\"%.*s\": no sentence has this name",
		    (int)reading->name_length, reading->name);
		return;
	}
	slot = slot_of(reading->words, place, form);
	shipped = *slot_of((struct notice_words *)reading->base, place, form);
	if (*slot != shipped)
		fault(reading, reading->line, "%.*s: it stands twice", (int)reading->name_length,
		    reading->name);
	else if (text[0] == '\0')
		fault(reading, reading->line, "%s: no text", place->name);
	else if (reading->text.failed || strlen(text) > place->max)
		fault(reading, reading->line, "%s: longer than %zu bytes", place->name, place->max);
	else
		braces_check(reading, text, shipped);
	if (reading->result != BASE_OK)
		return;
	*slot = base_arena_strdup(reading->arena, text);
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
	base_buffer_init(&reading->text, NOTICE_MAX_SENTENCE + 1);
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
notice_template_parse(struct base_arena *arena, const char *path, const char *text, size_t length,
    const struct notice_words *base, struct notice_words *words_r, struct base_buffer *faults_r)
{
	struct notice_words words = *base;
	struct reading reading = {
		.arena = arena, .path = path, .words = &words, .base = base, .faults = faults_r
	};
	const char *end = text + length, *line, *next;
	unsigned number = 1;

	base_buffer_init(&reading.text, NOTICE_MAX_SENTENCE + 1);
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
	const char *name; /* its path */
	const struct notice_words *base;
	struct notice_words words;
};

struct notice_templates {
	struct base_arena *arena;
	const char *own; /* the site's, "" for none */
	struct template items[NOTICE_MAX_TEMPLATES];
	size_t count;
};

/* The template of a name over these sentences, or NULL. */
static const struct template *
template_find(
    const struct notice_templates *templates, const char *name, const struct notice_words *base)
{
	for (size_t i = 0; i < templates->count; i++)
		if (templates->items[i].base == base && strcmp(templates->items[i].name, name) == 0)
			return &templates->items[i];
	return NULL;
}

/* Reads one more, unless it is known; one that is wrong is known from then on, and told once. */
static enum base_result
template_load(struct notice_templates *templates, const char *name, const char *language,
    struct base_buffer *faults_r)
{
	const struct notice_words *base = notice_words_for(language);
	struct template *template = &templates->items[templates->count];
	const char *why = "";
	enum base_result result;
	size_t length;
	char *text;

	if (name == NULL || template_find(templates, name, base) != NULL)
		return BASE_OK;
	if (templates->count == NOTICE_MAX_TEMPLATES || strlen(name) >= HOLD_MAX_TEMPLATE) {
		base_buffer_printf(faults_r, "%s: %s\n", name,
		    templates->count == NOTICE_MAX_TEMPLATES ? "too many templates"
							     : "too long a path");
		return BASE_REFUSE;
	}
	template->name = base_arena_strdup(templates->arena, name);
	template->base = base;
	templates->count += template->name != NULL;
	result = template->name == NULL ? BASE_BROKEN
					: base_file_read(templates->arena, name,
					      NOTICE_MAX_TEMPLATE, &text, &length, &why);
	if (result != BASE_OK) {
		base_buffer_printf(faults_r, "%s\n", *why ? why : "no memory for a template");
		return result;
	}
	return notice_template_parse(
	    templates->arena, name, text, length, base, &template->words, faults_r);
}

enum base_result
notice_templates_load(const struct settings *settings, struct notice_templates **templates_r,
    struct base_buffer *faults_r)
{
	struct notice_templates *templates = calloc(1, sizeof(*templates));
	const char *own = settings->notice.template;
	enum base_result result = BASE_OK, one;

	if (templates != NULL)
		templates->arena = base_arena_new(TEMPLATE_MAX_ARENA);
	if (templates == NULL || templates->arena == NULL) {
		free(templates);
		base_buffer_puts(faults_r, "no memory for templates\n");
		return BASE_BROKEN;
	}
	result = template_load(templates, own, settings->notice.language, faults_r);
	for (size_t i = 0; i < settings->policy_count; i++) {
		one = template_load(templates, settings->policies[i].template,
		    settings->policies[i].language, faults_r);
		result = result == BASE_OK ? one : result;
	}
	templates->own = own == NULL ? "" : base_arena_strdup(templates->arena, own);
	if (result == BASE_OK && templates->own == NULL)
		result = BASE_BROKEN;
	if (result == BASE_OK)
		*templates_r = templates;
	else
		notice_templates_free(&templates);
	return result;
}

void
notice_templates_free(struct notice_templates **templates)
{
	if (*templates == NULL)
		return;
	base_arena_free(&(*templates)->arena);
	free(*templates);
	*templates = NULL;
}

const struct notice_words *
notice_templates_words(
    const struct notice_templates *templates, const char *name, const char *language)
{
	const struct notice_words *base = notice_words_for(language);
	const struct template *found;

	if (templates == NULL)
		return base;
	found = template_find(templates, name == NULL ? templates->own : name, base);
	return found == NULL ? base : &found->words;
}
