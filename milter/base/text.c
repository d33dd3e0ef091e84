/* text - results and reasons, growing text with a maximum, quoting; see base.h */
#include "milter/base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WHY_RING 8    /* reasons a thread can hold at the same time */
#define WHY_BYTES 512 /* of one reason */

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

const char *
base_result_str(enum base_result result)
{
	switch (result) {
	case BASE_OK:
		return "ok";
	case BASE_NONE:
		return "none";
	case BASE_RETRY:
		return "retry";
	case BASE_REFUSE:
		return "refuse";
	case BASE_BROKEN:
		return "broken";
	}
	return "unknown";
}

const char *
base_why(const char *format, ...)
{
	static _Thread_local char ring[WHY_RING][WHY_BYTES];
	static _Thread_local unsigned turn;
	char text[WHY_BYTES]; /* an argument may itself be an older reason of the ring */
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	turn = (turn + 1) % WHY_RING;
	memcpy(ring[turn], text, sizeof(text));
	return ring[turn];
}

void
base_buffer_init(struct base_buffer *buffer, size_t max)
{
	*buffer = (struct base_buffer){ .max = max };
}

void
base_buffer_free(struct base_buffer *buffer)
{
	free(buffer->data);
	base_buffer_init(buffer, buffer->max);
}

void
base_buffer_clear(struct base_buffer *buffer)
{
	buffer->length = 0;
	buffer->failed = false;
	if (buffer->data != NULL)
		buffer->data[0] = '\0';
}

/* Makes room for `length` more bytes and the NUL, by doubling up to the maximum. */
static bool
buffer_reserve(struct base_buffer *buffer, size_t length)
{
	size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
	size_t need;
	char *data;

	if (buffer->failed || length > buffer->max - buffer->length ||
	    length >= SIZE_MAX / 4)
		return false;
	need = buffer->length + length + 1;
	if (need <= buffer->capacity)
		return true;
	while (capacity < need)
		capacity *= 2;
	if (capacity - 1 > buffer->max)
		capacity = buffer->max + 1;
	data = realloc(buffer->data, capacity);
	if (data == NULL)
		return false;
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

bool
base_buffer_append(struct base_buffer *buffer, const void *data, size_t length)
{
	if (!buffer_reserve(buffer, length)) {
		buffer->failed = true;
		return false;
	}
	if (length > 0)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
	return true;
}

bool
base_buffer_puts(struct base_buffer *buffer, const char *text)
{
	return base_buffer_append(buffer, text, strlen(text));
}

bool
base_buffer_printf(struct base_buffer *buffer, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0 || !buffer_reserve(buffer, (size_t)length)) {
		buffer->failed = true;
		return false;
	}
	va_start(args, format);
	vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, args);
	va_end(args);
	buffer->length += (size_t)length;
	return true;
}

const char *
base_buffer_text(const struct base_buffer *buffer)
{
	return buffer->data == NULL ? "" : buffer->data;
}

/* Takes back what was appended since `length`, when a whole did not fit. */
static bool
buffer_withdraw(struct base_buffer *buffer, size_t length)
{
	buffer->length = length;
	if (buffer->data != NULL)
		buffer->data[length] = '\0';
	return false;
}

/* The length of the UTF-8 character at text, 0 if there is none; its code in *code_r. */
static size_t
utf8_next(const char *text, size_t left, uint32_t *code_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length, i;
	uint32_t code;

	if (left == 0)
		return 0;
	if (bytes[0] < 0x80) {
		*code_r = bytes[0];
		return 1;
	}
	length = bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
	if (bytes[0] < 0xC2 || bytes[0] > 0xF4 || length > left)
		return 0;
	code = bytes[0] & (0xFFu >> (length + 1));
	for (i = 1; i < length; i++) {
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
		code = code << 6 | (bytes[i] & 0x3F);
	}
	if (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
		return 0;
	*code_r = code;
	return length;
}

/* Would this character move the cursor, end the line or turn the text around? */
static bool
is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x2028 ||
	       code == 0x2029 || (code >= 0x202A && code <= 0x202E) ||
	       (code >= 0x2066 && code <= 0x2069);
}

bool
base_is_utf8(const char *text, size_t length)
{
	uint32_t code;
	size_t step, at;

	for (at = 0; at < length; at += step) {
		step = utf8_next(text + at, length - at, &code);
		if (step == 0)
			return false;
	}
	return true;
}

/* Can the value stand in a logfmt line as it is? */
static bool
is_plain_value(const char *value)
{
	const char *p;

	for (p = value; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~' || *p == '"' || *p == '=' || *p == '\\')
			return false;
	}
	return p != value;
}

/* One character of a quoted logfmt value, escaped if need be; how many bytes it took. */
static size_t
quote_logfmt_char(struct base_buffer *buffer, const char *at, size_t left)
{
	uint32_t code;
	size_t step = utf8_next(at, left, &code), i;

	if (step > 0 && !is_control(code)) {
		if (code == '"' || code == '\\')
			base_buffer_puts(buffer, "\\");
		base_buffer_append(buffer, at, step);
		return step;
	}
	if (step == 0)
		step = 1;
	for (i = 0; i < step; i++)
		base_buffer_printf(buffer, "\\x%02X", (unsigned char)at[i]);
	return step;
}

bool
base_quote_logfmt(struct base_buffer *buffer, const char *key, const char *value)
{
	size_t before = buffer->length, left;

	base_buffer_printf(buffer, "%s%s=", before == 0 ? "" : " ", key);
	if (is_plain_value(value)) {
		base_buffer_puts(buffer, value);
	} else {
		base_buffer_puts(buffer, "\"");
		for (left = strlen(value); left > 0 && !buffer->failed;) {
			size_t step = quote_logfmt_char(buffer, value, left);

			value += step;
			left -= step;
		}
		base_buffer_puts(buffer, "\"");
	}
	return buffer->failed ? buffer_withdraw(buffer, before) : true;
}

/* The HTML entity of a character that must not stand for itself, else NULL. */
static const char *
html_entity(uint32_t code)
{
	switch (code) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\t':
	case '\n':
	case '\r':
		return NULL;
	default:
		return is_control(code) ? REPLACEMENT : NULL;
	}
}

bool
base_quote_html(struct base_buffer *buffer, const char *text)
{
	size_t before = buffer->length, left, step;
	const char *entity;
	uint32_t code;

	for (left = strlen(text); left > 0 && !buffer->failed; left -= step, text += step) {
		step = utf8_next(text, left, &code);
		entity = step == 0 ? REPLACEMENT : html_entity(code);
		if (step == 0)
			step = 1;
		if (entity != NULL)
			base_buffer_puts(buffer, entity);
		else
			base_buffer_append(buffer, text, step);
	}
	return buffer->failed ? buffer_withdraw(buffer, before) : true;
}

bool
base_quote_line(struct base_buffer *buffer, const char *text, size_t max_bytes)
{
	size_t before = buffer->length, left, step, size;
	const char *piece;
	uint32_t code;

	for (left = strlen(text); left > 0 && !buffer->failed; left -= step, text += step) {
		step = utf8_next(text, left, &code);
		piece = step == 0 ? REPLACEMENT : is_control(code) ? " " : text;
		size = step == 0 ? strlen(REPLACEMENT) : is_control(code) ? 1 : step;
		if (step == 0)
			step = 1;
		if (size > max_bytes - (buffer->length - before))
			break;
		base_buffer_append(buffer, piece, size);
	}
	return buffer->failed ? buffer_withdraw(buffer, before) : true;
}

/* May this be in the name of a host? */
static bool
is_host_char(char c)
{
	return (unsigned char)c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-';
}

/* Does a label begin here that is no number, as the last one of a host's name must? */
static bool
is_label(const char *text)
{
	return is_host_char(text[0]) && is_host_char(text[1]) &&
	       !(text[0] >= '0' && text[0] <= '9');
}

/* What stands for the character here, so that no program sees a link; NULL: itself. */
static const char *
unlinked(const char *text, const char *start)
{
	if (strncmp(text, "://", 3) == 0)
		return "[:]";
	if (*text == '.' && text > start && is_host_char(text[-1]) &&
	    (is_label(text + 1) || (text - start >= 3 && strncasecmp(text - 3, "www", 3) == 0)))
		return "[.]";
	return NULL;
}

bool
base_quote_unlinked(struct base_buffer *buffer, const char *text, size_t max_bytes)
{
	struct base_buffer plain, line;
	const char *start, *piece;
	bool is_whole;

	base_buffer_init(&plain, max_bytes + 1);
	base_buffer_init(&line, 3 * max_bytes + 1);
	is_whole = base_quote_line(&plain, text, max_bytes);
	start = base_buffer_text(&plain);
	for (const char *p = start; is_whole && *p != '\0'; p++) {
		piece = unlinked(p, start);
		is_whole = piece == NULL ? base_buffer_append(&line, p, 1)
					 : base_buffer_puts(&line, piece);
	}
	is_whole = is_whole && base_quote_line(buffer, base_buffer_text(&line), max_bytes);
	base_buffer_free(&line);
	base_buffer_free(&plain);
	return is_whole;
}
