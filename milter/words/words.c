/* words - the languages, and how a sentence is filled in; see words.h */
#include "milter/words/words.h"

#include <string.h>
#include <strings.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/words/internal.h"

#define WORDS_MAX_TEXT 2048 /* bytes of one made text */

static const struct words *const words_languages[] = {
	&words_en,
};

const struct words *
words_for(const char *language)
{
	size_t i, length;

	for (i = 0; language && i < sizeof(words_languages) / sizeof(*words_languages); i++) {
		length = strlen(words_languages[i]->language);
		if (!strncasecmp(language, words_languages[i]->language, length) &&
		    !strchr("abcdefghijklmnopqrstuvwxyz", language[length] | 0x20))
			return words_languages[i];
	}
	return words_languages[0];
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
words_count(struct base_arena *arena, const struct words *words, const struct words_plural *plural,
    unsigned long n)
{
	unsigned form = words->plural(n);
	const char *number = base_arena_printf(arena, "%lu", n);

	if (form >= words->plurals)
		form = 0;
	return words_make(arena, plural->form[form], { "n", number, false });
}
