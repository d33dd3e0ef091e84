/* words - encoded words and folding resolved to text; see mail.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_CHARSET 40 /* bytes of a charset's name, language included */

/* One encoded word, =?charset?B?text?=, as it stands in the value. */
struct encoded {
	const char *charset;
	size_t charset_length; /* without the language of RFC 2231 5 */
	bool is_base64;
	const char *text;
	size_t text_length;
};

/* The text so far, and the bytes of encoded words that wait for more of the same charset.
 */
struct words {
	struct base_buffer out;
	struct base_buffer raw;
	char charset[MAX_CHARSET + 1];
};

/* The encoded word at `at` and its end, NULL if there is none. */
static const char *
encoded_parse(const char *at, struct encoded *encoded_r)
{
	struct encoded encoded;
	size_t length;

	if (at[0] != '=' || at[1] != '?')
		return NULL;
	encoded.charset = at + 2;
	length = strnlen(encoded.charset, MAX_CHARSET + 1);
	at = memchr(encoded.charset, '?', length);
	if (at == NULL || at == encoded.charset)
		return NULL;
	encoded.charset_length = (size_t)(at - encoded.charset);
	if (memchr(encoded.charset, '*', encoded.charset_length) != NULL)
		encoded.charset_length = strcspn(encoded.charset, "*");
	if (at[1] == '\0' || strchr("bBqQ", at[1]) == NULL || at[2] != '?')
		return NULL;
	encoded.is_base64 = mail_lower(at[1]) == 'b';
	/* Stops at the next ?, so that words left open cost no more than one look at each
	 * byte. */
	encoded.text = at + 3;
	encoded.text_length = strcspn(encoded.text, "?\r\n");
	at = encoded.text + encoded.text_length;
	if (at[0] != '?' || at[1] != '=')
		return NULL;
	*encoded_r = encoded;
	return at + 2;
}

/* The Q encoding, RFC 2047 4.2. */
static void
decode_q(struct base_buffer *raw, const char *text, size_t length)
{
	const char *end = text + length;

	for (; text < end; text++) {
		char c = *text == '_' ? ' ' : *text;

		if (c == '=' && mail_hex_read(text + 1, end, &c))
			text += 2;
		base_buffer_append(raw, &c, 1);
	}
}

/* Converts the bytes that wait and appends them to the text. */
static void
words_flush(struct words *words)
{
	if (words->raw.length > 0)
		mail_charset_append(
		    &words->out, words->charset, words->raw.data, words->raw.length);
	base_buffer_clear(&words->raw);
}

/* Adds an encoded word. Characters may be cut between words of one charset, so bytes wait.
 */
static void
words_add(struct words *words, const struct encoded *encoded)
{
	if (strncasecmp(words->charset, encoded->charset, encoded->charset_length) != 0 ||
	    words->charset[encoded->charset_length] != '\0') {
		words_flush(words);
		memcpy(words->charset, encoded->charset, encoded->charset_length);
		words->charset[encoded->charset_length] = '\0';
	}
	if (encoded->is_base64)
		mail_base64_append(&words->raw, encoded->text, encoded->text_length);
	else
		decode_q(&words->raw, encoded->text, encoded->text_length);
}

/* Resolves a value of `length` bytes into words->out, white space still as it was. */
static void
words_resolve(struct words *words, const char *value)
{
	struct encoded encoded;
	const char *end, *next;
	bool was_encoded = false;

	while (*value != '\0') {
		end = encoded_parse(value, &encoded);
		if (end != NULL) {
			words_add(words, &encoded);
			was_encoded = true;
			value = end;
			continue;
		}
		next = value + strspn(value, " \t\r\n");
		/* White space between two encoded words is not part of the text. */
		if (was_encoded && next > value && encoded_parse(next, &encoded) != NULL) {
			value = next;
			continue;
		}
		words_flush(words);
		was_encoded = false;
		if (next > value) {
			base_buffer_puts(&words->out, " ");
			value = next;
		} else {
			base_buffer_append(&words->out, value++, 1);
		}
	}
	words_flush(words);
}

/* Is there nothing to resolve: visible ASCII and single inner spaces only? */
static bool
is_simple(const char *value)
{
	const char *p;

	for (p = value; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~' || (*p == '=' && p[1] == '?') ||
		    (*p == ' ' && (p == value || p[1] == ' ' || p[1] == '\0')))
			return false;
	}
	return true;
}

enum base_result
mail_text_decode(struct base_arena *arena, const char *value, size_t max_bytes, const char **text_r)
{
	/* More of the value than this cannot show in max_bytes, save by a trick. */
	size_t length = strnlen(value, 16 * max_bytes + 256);
	struct words words = { .charset = "us-ascii" };
	struct base_buffer line;
	char *copy, *text = NULL;

	if (length <= max_bytes && is_simple(value)) {
		*text_r = base_arena_strdup(arena, value);
		return *text_r == NULL ? BASE_BROKEN : BASE_OK;
	}
	base_buffer_init(&words.out, 4 * length + 64);
	base_buffer_init(&words.raw, length + 64);
	base_buffer_init(&line, max_bytes);
	copy = strndup(value + strspn(value, " \t\r\n"), length);
	if (copy != NULL) {
		words_resolve(&words, copy);
		while (words.out.length > 0 && words.out.data[words.out.length - 1] == ' ')
			words.out.data[--words.out.length] = '\0';
		if (base_quote_line(&line, base_buffer_text(&words.out), max_bytes) &&
		    !words.out.failed && !words.raw.failed)
			text = base_arena_strdup(arena, base_buffer_text(&line));
	}
	free(copy);
	base_buffer_free(&words.out);
	base_buffer_free(&words.raw);
	base_buffer_free(&line);
	if (text == NULL)
		return BASE_BROKEN;
	*text_r = text;
	return BASE_OK;
}
