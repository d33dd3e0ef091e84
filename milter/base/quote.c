/* quote - text for the places that ours ends up in: logfmt, HTML, letters; see quote.h */
#include <string.h>
#include <strings.h>

#include "milter/base/buffer.h"
#include "milter/base/internal.h"
#include "milter/base/quote.h"

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
	size_t step = base_utf8_next(at, left, &code), i;

	if (step > 0 && !base_is_control(code)) {
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
	return buffer->failed ? base_buffer_withdraw(buffer, before) : true;
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
		return base_is_control(code) ? BASE_REPLACEMENT : NULL;
	}
}

bool
base_quote_html(struct base_buffer *buffer, const char *text)
{
	size_t before = buffer->length, left, step;
	const char *entity;
	uint32_t code;

	for (left = strlen(text); left > 0 && !buffer->failed; left -= step, text += step) {
		step = base_utf8_next(text, left, &code);
		entity = step == 0 ? BASE_REPLACEMENT : html_entity(code);
		if (step == 0)
			step = 1;
		if (entity != NULL)
			base_buffer_puts(buffer, entity);
		else
			base_buffer_append(buffer, text, step);
	}
	return buffer->failed ? base_buffer_withdraw(buffer, before) : true;
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
