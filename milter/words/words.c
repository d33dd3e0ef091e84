/* words - the languages, and how a sentence is filled in; see words.h */
#include "milter/words/words.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/words/catalog.h"
#include "milter/words/internal.h"

#define WORDS_MAX_TEXT 2048    /* bytes of one made text */
#define WORDS_MAX_LANGUAGES 64 /* besides English */
#define WORDS_MAX_FAULTS 65536 /* bytes */

/* The languages besides English; made once, and constant from then on. */
static struct words languages[WORDS_MAX_LANGUAGES];
static size_t language_count;
static pthread_once_t languages_are_made = PTHREAD_ONCE_INIT;

/* Reads the catalogs that are compiled in; a test proves that none has a fault. */
static void
languages_make(void)
{
	struct base_buffer faults;

	base_buffer_init(&faults, WORDS_MAX_FAULTS);
	for (size_t i = 0; words_catalogs[i].name != NULL; i++)
		if (language_count < WORDS_MAX_LANGUAGES &&
		    words_catalog_parse(&words_catalogs[i], &languages[language_count], &faults) ==
			BASE_OK)
			language_count++;
	base_buffer_free(&faults);
}

/* How many bytes of the tag name this language: "de" is in "de-AT", "d" is in neither. */
static size_t
match_length(const struct words *words, const char *tag)
{
	size_t length = strlen(words->language);

	return strncasecmp(tag, words->language, length) == 0 && strchr("-_", tag[length]) != NULL
		   ? length
		   : 0;
}

const struct words *
words_for(const char *language)
{
	const struct words *best = &words_en;
	size_t most = 0, length;

	pthread_once(&languages_are_made, languages_make);
	for (size_t i = 0; language != NULL && i < language_count; i++) {
		length = match_length(&languages[i], language);
		if (length > most) {
			most = length;
			best = &languages[i];
		}
	}
	return best;
}

/* Appends a piece of a sentence, quoted for where it goes. */
static bool
words_piece(struct base_buffer *out, enum words_form form, const char *text, size_t length)
{
	char piece[512];
	size_t part;

	if (form == WORDS_PLAIN)
		return base_buffer_append(out, text, length);
	for (; length; text += part, length -= part) {
		part = length < sizeof(piece) - 1 ? length : sizeof(piece) - 1;
		while (part > 1 && part < length && ((unsigned char)text[part] & 0xc0) == 0x80)
			part--;
		memcpy(piece, text, part);
		piece[part] = '\0';
		if (!base_quote_html(out, piece))
			return false;
	}
	return true;
}

/* The value for the place that starts here, or NULL. */
static const struct words_value *
words_value(const char *name, size_t length, const struct words_value *values, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strlen(values[i].name) == length && !memcmp(values[i].name, name, length))
			return values[i].text ? &values[i] : NULL;
	return NULL;
}

/* Appends one value. */
static bool
words_put_value(struct base_buffer *out, enum words_form form, const struct words_value *value)
{
	bool is_strong = value->strong && form == WORDS_HTML;

	return (!is_strong || base_buffer_puts(out, "<strong>")) &&
	       words_piece(out, form, value->text, strlen(value->text)) &&
	       (!is_strong || base_buffer_puts(out, "</strong>"));
}

bool
words_fill(struct base_buffer *out, enum words_form form, const char *sentence,
    const struct words_value *values, size_t count)
{
	const struct words_value *value;
	const char *open, *close;

	for (; (open = strchr(sentence, '{')); sentence = close + 1) {
		close = strchr(open, '}');
		value = close ? words_value(open + 1, close - open - 1, values, count) : NULL;
		if (!value) {
			out->failed = true;
			return false;
		}
		if (!words_piece(out, form, sentence, open - sentence) ||
		    !words_put_value(out, form, value))
			return false;
	}
	return words_piece(out, form, sentence, strlen(sentence));
}

bool
words_put(struct base_buffer *out, enum words_form form, const char *sentence)
{
	return words_piece(out, form, sentence, strlen(sentence));
}

const char *
words_make_from(
    struct base_arena *arena, const char *sentence, const struct words_value *values, size_t count)
{
	struct base_buffer buffer;
	const char *text = NULL;

	base_buffer_init(&buffer, WORDS_MAX_TEXT);
	if (words_fill(&buffer, WORDS_PLAIN, sentence, values, count))
		text = base_arena_strdup(arena, base_buffer_text(&buffer));
	base_buffer_free(&buffer);
	return text;
}

const char *
words_choose(const struct words *words, const struct words_plural *plural, unsigned long n)
{
	unsigned long form;

	if (!words_plural_find(words->rule, n, &form) || form >= words->plurals)
		form = 0;
	return plural->form[form];
}

const char *
words_count(struct base_arena *arena, const struct words *words, const struct words_plural *plural,
    unsigned long n)
{
	return words_make(arena, words_choose(words, plural, n),
	    { "n", base_arena_printf(arena, "%lu", n), false });
}
