/* words - encoded words and folding resolved to text; see mail.h */
#include "milter/mail/internal.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_CHARSET 40 /* bytes of a charset's name, language included */

/*
 * The charsets that mail is found in, by the names iconv(3) has for them. Only these: every
 * other name would load a converter of the sender's choice. NULL: needs no conversion.
 */
static const struct {
	const char *label;
	const char *iconv_name;
} charsets[] = {
	{ "utf-8", NULL },
	{ "utf8", NULL },
	{ "us-ascii", NULL },
	{ "ascii", NULL },
	{ "iso-8859-1", "WINDOWS-1252" }, /* what it is in practice */
	{ "iso-8859-2", "ISO-8859-2" },
	{ "iso-8859-3", "ISO-8859-3" },
	{ "iso-8859-4", "ISO-8859-4" },
	{ "iso-8859-5", "ISO-8859-5" },
	{ "iso-8859-6", "ISO-8859-6" },
	{ "iso-8859-7", "ISO-8859-7" },
	{ "iso-8859-8", "ISO-8859-8" },
	{ "iso-8859-9", "ISO-8859-9" },
	{ "iso-8859-10", "ISO-8859-10" },
	{ "iso-8859-13", "ISO-8859-13" },
	{ "iso-8859-14", "ISO-8859-14" },
	{ "iso-8859-15", "ISO-8859-15" },
	{ "windows-1250", "WINDOWS-1250" },
	{ "windows-1251", "WINDOWS-1251" },
	{ "windows-1252", "WINDOWS-1252" },
	{ "windows-1253", "WINDOWS-1253" },
	{ "windows-1254", "WINDOWS-1254" },
	{ "windows-1255", "WINDOWS-1255" },
	{ "windows-1256", "WINDOWS-1256" },
	{ "windows-1257", "WINDOWS-1257" },
	{ "windows-1258", "WINDOWS-1258" },
	{ "koi8-r", "KOI8-R" },
	{ "koi8-u", "KOI8-U" },
	{ "iso-2022-jp", "ISO-2022-JP" },
	{ "shift_jis", "SHIFT_JIS" },
	{ "euc-jp", "EUC-JP" },
	{ "euc-kr", "EUC-KR" },
	{ "ks_c_5601-1987", "CP949" },
	{ "gb2312", "GB18030" },
	{ "gbk", "GB18030" },
	{ "gb18030", "GB18030" },
	{ "big5", "BIG5" },
};

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

/* The value of a hexadecimal digit, -1 for anything else. */
static int
hex_digit(char c)
{
	c = mail_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The Q encoding, RFC 2047 4.2. */
static void
decode_q(struct base_buffer *raw, const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		char c = text[i] == '_' ? ' ' : text[i];

		if (c == '=' && i + 2 < length && hex_digit(text[i + 1]) >= 0 &&
		    hex_digit(text[i + 2]) >= 0) {
			c = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
			i += 2;
		}
		base_buffer_append(raw, &c, 1);
	}
}

/* The B encoding; bytes that are not of its alphabet are passed over (RFC 2045 6.8). */
static void
decode_b(struct base_buffer *raw, const char *text, size_t length)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned held = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		const char *place = memchr(alphabet, text[i], sizeof(alphabet) - 1);
		char c;

		if (place == NULL)
			continue;
		bits = bits << 6 | (uint32_t)(place - alphabet);
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		c = (char)(bits >> held & 0xFF);
		base_buffer_append(raw, &c, 1);
	}
}

/* Which entry of the table a charset is, -1 for none. */
static int
charset_find(const char *label)
{
	size_t i;

	for (i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		if (strcasecmp(charsets[i].label, label) == 0)
			return (int)i;
	}
	return -1;
}

/* Appends bytes as UTF-8; what is no character of the charset becomes U+FFFD. */
static void
convert(struct base_buffer *out, iconv_t converter, char *in, size_t in_left)
{
	char piece[256], *at;
	size_t left, done;

	for (;;) {
		at = piece;
		left = sizeof(piece);
		/* Without input left: the bytes that bring the converter to its first
		 * state. */
		done = iconv(converter, in_left > 0 ? &in : NULL,
		    in_left > 0 ? &in_left : NULL, &at, &left);
		base_buffer_append(out, piece, sizeof(piece) - left);
		if (done != (size_t)-1 && in_left == 0)
			return;
		if (done != (size_t)-1 || errno == E2BIG)
			continue;
		base_buffer_puts(out, "\xEF\xBF\xBD");
		if (errno != EILSEQ)
			return;
		in++;
		in_left--;
	}
}

/* Appends plain bytes; those that are no ASCII become U+FFFD. */
static void
convert_unknown(struct base_buffer *out, const char *in, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if ((in[i] & 0x80) != 0)
			base_buffer_puts(out, "\xEF\xBF\xBD");
		else
			base_buffer_append(out, in + i, 1);
	}
}

/* Converts the bytes that wait and appends them to the text. */
static void
words_flush(struct words *words)
{
	int entry = charset_find(words->charset);
	size_t i, length = words->raw.length;
	iconv_t converter;

	if (length == 0)
		return;
	for (i = 0; i < length; i++) {
		if (words->raw.data[i] == '\0')
			words->raw.data[i] = ' '; /* it would end the text early */
	}
	if (entry >= 0 && charsets[entry].iconv_name == NULL) {
		base_buffer_append(&words->out, words->raw.data, length);
	} else if (entry >= 0 && (converter = iconv_open("UTF-8",
				      charsets[entry].iconv_name)) != (iconv_t)-1) {
		convert(&words->out, converter, words->raw.data, length);
		iconv_close(converter);
	} else {
		convert_unknown(&words->out, words->raw.data, length);
	}
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
		decode_b(&words->raw, encoded->text, encoded->text_length);
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
mail_text_decode(
    struct base_arena *arena, const char *value, size_t max_bytes, const char **text_r)
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
