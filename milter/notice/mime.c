/*
 * mime - the forms that a letter's fields and parts must have on the wire
 */
#include <string.h>
#include <time.h>

#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/notice/internal.h"

#define MIME_LINE 76       /* characters of a quoted-printable line, RFC 2045 6.7 */
#define MIME_FIELD_LINE 76 /* where fields are folded, RFC 5322 2.1.1 */
#define MIME_MAX_FIELD 900 /* bytes of a field's text */

/* The characters of a field that is not ASCII go into words of at most 75, RFC 2047 2. */
#define MIME_WORD_START "=?UTF-8?Q?"
#define MIME_WORD_END "?="
/* of encoded text, so that "Subject: " fits on the first line */
#define MIME_WORD_CAPACITY 54

/* How many bytes the character that starts here has; text is valid UTF-8. */
static size_t
mime_char_length(const char *text)
{
	unsigned char first = (unsigned char)*text;

	return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* May this stand for itself in an encoded word, anywhere in a field? */
static bool
mime_is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!*+-/", c));
}

/* One character in Q encoding. */
static size_t
mime_encode_char(const char *text, size_t length, char encoded_r[13])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i, at = 0;

	for (i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (mime_is_word_char(text[i]) || text[i] == ' ') {
			encoded_r[at++] = text[i] == ' ' ? '_' : text[i];
			continue;
		}
		encoded_r[at++] = '=';
		encoded_r[at++] = hex[byte >> 4];
		encoded_r[at++] = hex[byte & 15];
	}
	return at;
}

/* Text as encoded words, one a line. */
static bool
mime_put_words(struct base_buffer *out, const char *text)
{
	char encoded[13];
	size_t used = 0, length, size;

	base_buffer_puts(out, MIME_WORD_START);
	for (; *text; text += length) {
		length = mime_char_length(text);
		size = mime_encode_char(text, length, encoded);
		if (used + size > MIME_WORD_CAPACITY) {
			base_buffer_puts(out, MIME_WORD_END "\r\n " MIME_WORD_START);
			used = 0;
		}
		base_buffer_append(out, encoded, size);
		used += size;
	}
	return base_buffer_puts(out, MIME_WORD_END);
}

/* ASCII text, folded where it has single spaces. */
static bool
mime_put_folded(struct base_buffer *out, size_t column, const char *text)
{
	size_t length;

	for (; *text; text += length) {
		length = 1 + strcspn(text + 1, " ");
		if (column + length > MIME_FIELD_LINE && *text == ' ' && length > 1) {
			base_buffer_puts(out, "\r\n");
			column = 0;
		}
		base_buffer_append(out, text, length);
		column += length;
	}
	return !out->failed;
}

/* Can it stand in a field as it is, without being taken for encoded words? */
static bool
mime_is_plain(const char *text)
{
	const char *p;

	for (p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return !strstr(text, "=?");
}

/* A quoted string (RFC 5322 3.2.4); it can be folded at its spaces. */
static void
mime_put_quoted_string(struct base_buffer *out, size_t column, const char *text)
{
	struct base_buffer quoted;

	base_buffer_init(&quoted, 2 * MIME_MAX_FIELD + 2);
	base_buffer_puts(&quoted, "\"");
	for (; *text; text++)
		base_buffer_printf(&quoted, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	base_buffer_puts(&quoted, "\"");
	mime_put_folded(out, column, base_buffer_text(&quoted));
	base_buffer_free(&quoted);
}

/* A name before an address. */
bool
notice_mime_phrase(struct base_buffer *out, size_t column, const char *text)
{
	struct base_buffer line;

	base_buffer_init(&line, MIME_MAX_FIELD);
	if (!base_quote_line(&line, text, MIME_MAX_FIELD))
		out->failed = true;
	if (mime_is_plain(base_buffer_text(&line)))
		mime_put_quoted_string(out, column, base_buffer_text(&line));
	else
		mime_put_words(out, base_buffer_text(&line));
	base_buffer_free(&line);
	return !out->failed;
}

/* One unstructured field. */
bool
notice_mime_field(struct base_buffer *out, const char *name, const char *text)
{
	struct base_buffer line;

	base_buffer_init(&line, MIME_MAX_FIELD);
	if (!base_quote_line(&line, text, MIME_MAX_FIELD))
		out->failed = true;
	base_buffer_printf(out, "%s: ", name);
	if (mime_is_plain(base_buffer_text(&line)))
		mime_put_folded(out, strlen(name) + 2, base_buffer_text(&line));
	else
		mime_put_words(out, base_buffer_text(&line));
	base_buffer_free(&line);
	return base_buffer_puts(out, "\r\n");
}

/* One byte of quoted-printable, after a soft line break if the line is full. */
static void
mime_put_byte(struct base_buffer *out, size_t *column, unsigned char byte, bool is_last)
{
	bool is_literal = (byte > ' ' && byte <= '~' && byte != '=') ||
			  ((byte == ' ' || byte == '\t') && !is_last);
	size_t size = is_literal ? 1 : 3;

	if (*column + size > MIME_LINE - 1) {
		base_buffer_puts(out, "=\r\n");
		*column = 0;
	}
	if (is_literal)
		base_buffer_append(out, &byte, 1);
	else
		base_buffer_printf(out, "=%02X", byte);
	*column += size;
}

/* A whole part. */
bool
notice_mime_quoted(struct base_buffer *out, const char *text)
{
	size_t column = 0;

	for (; *text; text++) {
		if (*text == '\n') {
			base_buffer_puts(out, "\r\n");
			column = 0;
		} else {
			mime_put_byte(
			    out, &column, (unsigned char)*text, text[1] == '\n' || text[1] == '\0');
		}
	}
	return !column || base_buffer_puts(out, "\r\n");
}

/* The date of a letter: names as RFC 5322 has them, whatever the language. */
bool
notice_mime_date(struct base_buffer *out, int64_t time)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)time;
	long offset;
	struct tm tm;

	if (!localtime_r(&seconds, &tm)) {
		out->failed = true;
		return false;
	}
	offset = tm.tm_gmtoff / 60;
	return base_buffer_printf(out, "%s, %02d %s %d %02d:%02d:%02d %c%02ld%02ld",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, offset < 0 ? '-' : '+', (offset < 0 ? -offset : offset) / 60,
	    (offset < 0 ? -offset : offset) % 60);
}

/* Is it dot-atom text (RFC 5322 3.2.3), or UTF-8 beyond ASCII? */
static bool
mime_is_dot_atom(const char *text, size_t length)
{
	size_t i;

	if (!length || text[0] == '.' || text[length - 1] == '.')
		return false;
	for (i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || strchr("!#$%&'*+-/=?^_`{|}~", c) ||
		    (c == '.' && text[i - 1] != '.'))
			continue;
		return false;
	}
	return true;
}

/* Is it a quoted string already (RFC 5322 3.2.4), which ends where the text ends? */
static bool
mime_is_quoted(const char *text, size_t length)
{
	size_t i;

	if (length < 3 || text[0] != '"' || text[length - 1] != '"')
		return false;
	for (i = 1; i + 1 < length; i++) {
		if (text[i] == '"')
			return false;
		if (text[i] == '\\')
			i++;
	}
	return i + 1 == length;
}

/* An address on the wire. */
bool
notice_mime_address(struct base_buffer *out, const char *normal)
{
	const char *at = strrchr(normal, '@'), *p;
	size_t local = at ? (size_t)(at - normal) : strlen(normal);

	for (p = normal; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	if (!local || !base_is_utf8(normal, strlen(normal)) || (at && strpbrk(at, " <>\",;\\")))
		return false;
	if (mime_is_dot_atom(normal, local) || mime_is_quoted(normal, local))
		return base_buffer_puts(out, normal);
	base_buffer_puts(out, "\"");
	for (p = normal; p < normal + local; p++)
		base_buffer_printf(out, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
	base_buffer_puts(out, "\"");
	return base_buffer_puts(out, at ? at : "");
}
