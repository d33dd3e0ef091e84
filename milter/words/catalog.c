/* catalog - a .mo file's bytes as the sentences of a language; see catalog.h */
#include "milter/words/catalog.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "milter/base/quote.h"
#include "milter/words/internal.h"

#define CATALOG_MAX_ENTRIES 4096
#define CATALOG_TRIED 1000 /* numbers for which a plural rule is proved */

/* What one reading needs. */
struct reading {
	const struct words_catalog *catalog;
	bool is_big; /* the order of its bytes */
	uint32_t count, keys, texts;
	struct words *words;            /* what is made */
	bool is_for_one[WORDS_PLURALS]; /* a form that one number alone asks for */
	struct base_buffer *faults;
};

/* A string of the file; NUL-terminated, and NULs may be in it. */
struct piece {
	const char *text;
	size_t length;
};

#define fault(reading, ...)                                                                        \
	do {                                                                                       \
		base_buffer_printf((reading)->faults, "%s: ", (reading)->catalog->name);           \
		base_buffer_printf((reading)->faults, __VA_ARGS__);                                \
		base_buffer_puts((reading)->faults, "\n");                                         \
	} while (0)

/* --- the file -------------------------------------------------------------------------- */

/* Four bytes as a number; false: the file ends before. */
static bool
number_read(const struct reading *reading, size_t at, uint32_t *number_r)
{
	const unsigned char *bytes;

	if (at > reading->catalog->size || reading->catalog->size - at < 4)
		return false;
	bytes = reading->catalog->bytes + at;
	*number_r = reading->is_big ? (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
					  (uint32_t)bytes[2] << 8 | bytes[3]
				    : (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 |
					  (uint32_t)bytes[1] << 8 | bytes[0];
	return true;
}

/* A string by its row in one of the two tables. */
static bool
piece_read(const struct reading *reading, uint32_t table, uint32_t i, struct piece *piece_r)
{
	size_t size = reading->catalog->size, row = (size_t)table + 8 * (size_t)i;
	uint32_t length, start;

	if (!number_read(reading, row, &length) || !number_read(reading, row + 4, &start) ||
	    start >= size || length >= size - start ||
	    reading->catalog->bytes[(size_t)start + length] != '\0')
		return false;
	*piece_r = (struct piece){ (const char *)reading->catalog->bytes + start, length };
	return true;
}

/* The head of the file: whose order of bytes, how many strings, and where. */
static bool
head_read(struct reading *reading)
{
	uint32_t magic = 0, revision = 0;

	if (!number_read(reading, 0, &magic))
		return false;
	reading->is_big = magic == 0xde120495;
	return (magic == 0x950412de || reading->is_big) && number_read(reading, 4, &revision) &&
	       revision >> 16 == 0 && number_read(reading, 8, &reading->count) &&
	       number_read(reading, 12, &reading->keys) &&
	       number_read(reading, 16, &reading->texts) && reading->count <= CATALOG_MAX_ENTRIES;
}

/* --- its own entry ---------------------------------------------------------------------- */

/* A field of the catalog's header up to the end of its line, or "". */
static struct piece
field_find(const char *header, const char *name)
{
	const char *line = header;

	while (line != NULL && strncmp(line, name, strlen(name)) != 0) {
		line = strchr(line, '\n');
		line = line == NULL ? NULL : line + 1;
	}
	if (line == NULL)
		return (struct piece){ "", 0 };
	line += strlen(name);
	return (struct piece){ line, strcspn(line, "\n") };
}

/* Is the rule good for every number that is likely? Notes which forms one number alone has. */
static bool
rule_prove(struct reading *reading)
{
	unsigned seen[WORDS_PLURALS] = { 0 };
	unsigned long form = 0;

	for (unsigned long n = 0; n < CATALOG_TRIED; n++) {
		if (!words_plural_find(reading->words->rule, n, &form) ||
		    form >= reading->words->plurals)
			return false;
		seen[form]++;
	}
	for (size_t i = 0; i < WORDS_PLURALS; i++)
		reading->is_for_one[i] = seen[i] == 1;
	return true;
}

/* "nplurals=2; plural=(n != 1);" */
static bool
plurals_read(struct reading *reading, const char *header)
{
	struct piece field = field_find(header, "Plural-Forms:");
	unsigned plurals = 0;
	int start = 0;
	size_t length;

	if (sscanf(field.text, " nplurals = %1u ; plural = %n", &plurals, &start) < 1 ||
	    start == 0 || (size_t)start > field.length || plurals < 1 || plurals > WORDS_PLURALS)
		return false;
	length = strcspn(field.text + start, ";\n");
	if (length >= sizeof(reading->words->rule))
		return false;
	memcpy(reading->words->rule, field.text + start, length);
	reading->words->rule[length] = '\0';
	reading->words->plurals = plurals;
	return rule_prove(reading);
}

/* The entry without a name: what the catalog says of itself. */
static bool
header_read(struct reading *reading)
{
	struct piece key, text, type;

	if (!piece_read(reading, reading->keys, 0, &key) ||
	    !piece_read(reading, reading->texts, 0, &text) || key.length != 0) {
		fault(reading, "no header");
		return false;
	}
	type = field_find(text.text, "Content-Type:");
	if (memmem(type.text, type.length, "charset=UTF-8", strlen("charset=UTF-8")) == NULL) {
		fault(reading, "not charset=UTF-8");
		return false;
	}
	if (!plurals_read(reading, text.text)) {
		fault(reading, "Plural-Forms is not for 1 to %d forms, or is wrong", WORDS_PLURALS);
		return false;
	}
	return true;
}

/* --- the sentences ---------------------------------------------------------------------- */

/* The English text that the entry was made for, behind its name; is it today's? */
static bool
is_for_today(const struct words_row *row, const char *english, size_t length)
{
	size_t one = strlen(row->text);

	if (row->many == NULL)
		return length == one && memcmp(english, row->text, one) == 0;
	return length == one + 1 + strlen(row->many) && memcmp(english, row->text, one + 1) == 0 &&
	       memcmp(english + one + 1, row->many, length - one - 1) == 0;
}

/* Each form of a sentence, one behind the other; all are kept, or none. */
static bool
forms_read(struct reading *reading, const struct words_row *row, struct piece text,
    struct base_buffer *why)
{
	unsigned count = row->many == NULL ? 1 : reading->words->plurals;
	const char *shipped = row->many == NULL ? row->text : row->many;
	const char *forms[WORDS_PLURALS], *end = text.text + text.length;

	for (unsigned i = 0; i < count; i++) {
		if (text.text > end) {
			base_buffer_printf(why, "it has not %u forms", count);
			return false;
		}
		if (!words_is_fit(
			row, text.text, shipped, row->many != NULL && reading->is_for_one[i], why))
			return false;
		forms[i] = text.text;
		text.text += strlen(text.text) + 1;
	}
	if (text.text != end + 1) {
		base_buffer_printf(why, "it has more than %u forms", count);
		return false;
	}
	for (unsigned i = 0; i < count; i++)
		*words_slot(reading->words, row, i) = forms[i];
	return true;
}

/* One entry. */
static void
entry_read(struct reading *reading, uint32_t i)
{
	const struct words_row *row;
	struct base_buffer why;
	struct piece key, text;
	size_t name;

	if (!piece_read(reading, reading->keys, i, &key) ||
	    !piece_read(reading, reading->texts, i, &text)) {
		fault(reading, "entry %u is outside of the file", (unsigned)i);
		return;
	}
	name = strcspn(key.text, "\004");
	row = name < key.length ? words_row_find(key.text, name) : NULL;
	base_buffer_init(&why, 2048);
	if (row == NULL)
		fault(reading, "entry %u: no sentence has this name", (unsigned)i);
	else if (!is_for_today(row, key.text + name + 1, key.length - name - 1))
		fault(reading, "%s: for another English text", row->name);
	else if (!forms_read(reading, row, text, &why))
		fault(reading, "%s: %s", row->name, base_buffer_text(&why));
	base_buffer_free(&why);
}

/* Forms that the language has and English has not say what English says of several. */
static void
rest_make(struct reading *reading)
{
	const struct words *english = &words_en;

	for (size_t i = 0; i < words_row_count; i++) {
		const struct words_row *row = &words_rows[i];

		if (row->name == NULL || *words_slot(reading->words, row, 0) !=
					     *words_slot((struct words *)english, row, 0))
			continue;
		fault(reading, "%s: not translated", row->name);
		for (unsigned form = 0; row->many != NULL && form < WORDS_PLURALS; form++)
			*words_slot(reading->words, row, form) = row->many;
	}
}

enum base_result
words_catalog_parse(
    const struct words_catalog *catalog, struct words *words_r, struct base_buffer *faults_r)
{
	struct words words = words_en;
	struct reading reading = { .catalog = catalog, .words = &words, .faults = faults_r };

	if (!head_read(&reading)) {
		fault(&reading, "not a catalog that msgfmt made");
		return BASE_REFUSE;
	}
	if (!header_read(&reading))
		return BASE_REFUSE;
	for (uint32_t i = 1; i < reading.count; i++)
		entry_read(&reading, i);
	rest_make(&reading);
	*words_r = words;
	return BASE_OK;
}
