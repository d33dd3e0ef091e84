/* fit - may a text stand for a sentence? See internal.h */
#include <string.h>

#include "milter/base/quote.h"
#include "milter/words/internal.h"

#define FIT_MAX_PLACES 8 /* in one sentence */

/* What a language tag is made of. */
#define LANGUAGE_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

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
		if (*text != '{' || text[length - 1] != '}' || count == FIT_MAX_PLACES)
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

/* Has the text just the places of the shipped one? */
static bool
has_places(const char *text, const char *shipped, bool may_lack_number, struct base_buffer *why)
{
	static const struct brace number = { "{n}", 3 };
	struct brace own[FIT_MAX_PLACES], others[FIT_MAX_PLACES];
	size_t own_count = 0, other_count = 0, found;

	if (!braces_find(text, own, &own_count) || !braces_find(shipped, others, &other_count)) {
		base_buffer_puts(why, "a { without its }, or too many of them");
		return false;
	}
	for (size_t i = 0; i < own_count; i++) {
		if (braces_count(others, other_count, &own[i]) > 0)
			continue;
		base_buffer_printf(
		    why, "%.*s is not in \"%s\"", (int)own[i].length, own[i].start, shipped);
		return false;
	}
	for (size_t i = 0; i < other_count; i++) {
		found = braces_count(own, own_count, &others[i]);
		if (found == 1 ||
		    (found == 0 && may_lack_number && braces_count(&number, 1, &others[i]) == 1))
			continue;
		base_buffer_printf(
		    why, "%.*s must stand in it, once", (int)others[i].length, others[i].start);
		return false;
	}
	return true;
}

/* Is it UTF-8 without control characters but the tab? */
static bool
is_text(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return false;
	return base_is_utf8(text, strlen(text));
}

/* Is this a language tag, as far as its letters tell (RFC 5646 2.1)? */
static bool
is_language(const char *text)
{
	return text[0] != '-' && text[strspn(text, LANGUAGE_BYTES)] == '\0';
}

bool
words_is_fit(const struct words_row *row, const char *text, const char *shipped,
    bool may_lack_number, struct base_buffer *why)
{
	if (text[0] == '\0')
		base_buffer_puts(why, "no text");
	else if (strlen(text) > row->max)
		base_buffer_printf(why, "longer than %zu bytes", row->max);
	else if (!is_text(text))
		base_buffer_puts(why, "not UTF-8 text, or a control character");
	else if (row->offset == offsetof(struct words, language) && !is_language(text))
		base_buffer_puts(why, "not a tag such as \"de\" or \"pt-BR\"");
	else
		return has_places(text, shipped, may_lack_number, why);
	return false;
}
