/* encoding - base64 and quoted-printable as bytes; see internal.h */
#include "milter/base/buffer.h"
#include "milter/mail/internal.h"

#include <string.h>

/* The value of a hexadecimal digit, -1 for anything else. */
static int
hex_digit(char c)
{
	c = mail_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
mail_hex_read(const char *at, const char *end, char *byte_r)
{
	if (end - at < 2 || hex_digit(at[0]) < 0 || hex_digit(at[1]) < 0)
		return false;
	*byte_r = (char)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
	return true;
}

void
mail_base64_append(struct base_buffer *out, const char *text, size_t length)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < length; i++) {
		const char *place = memchr(alphabet, text[i], sizeof(alphabet) - 1);
		char c;

		if (text[i] == '=')
			held = 0; /* an end: what follows was encoded by itself */
		if (place == NULL)
			continue;
		bits = bits << 6 | (uint32_t)(place - alphabet);
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		c = (char)(bits >> held & 0xFF);
		base_buffer_append(out, &c, 1);
	}
}

/* The end of a soft line break whose '=' was before `at`; NULL: it is none. */
static const char *
soft_break_end(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
		at++;
	return at < end && *at == '\n' ? at + 1 : NULL;
}

void
mail_quoted_append(struct base_buffer *out, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		const char *equals = memchr(text, '=', (size_t)(end - text)), *next;
		char byte = '=';

		if (equals == NULL)
			equals = end;
		base_buffer_append(out, text, (size_t)(equals - text));
		if (equals == end)
			return;
		next = soft_break_end(equals + 1, end);
		text = equals + 1;
		if (next != NULL) {
			text = next;
			continue;
		}
		if (mail_hex_read(text, end, &byte))
			text += 2;
		base_buffer_append(out, &byte, 1);
	}
}
