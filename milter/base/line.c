/* line - foreign text on one line of valid UTF-8; see quote.h and internal.h */
#include <string.h>

#include "milter/base/buffer.h"
#include "milter/base/internal.h"
#include "milter/base/quote.h"

bool
base_buffer_withdraw(struct base_buffer *buffer, size_t length)
{
	buffer->length = length;
	if (buffer->data != NULL)
		buffer->data[length] = '\0';
	return false;
}

size_t
base_utf8_next(const char *text, size_t left, uint32_t *code_r)
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

bool
base_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x2028 || code == 0x2029 ||
	       (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

bool
base_is_utf8(const char *text, size_t length)
{
	uint32_t code;
	size_t step, at;

	for (at = 0; at < length; at += step) {
		step = base_utf8_next(text + at, length - at, &code);
		if (step == 0)
			return false;
	}
	return true;
}

bool
base_quote_line(struct base_buffer *buffer, const char *text, size_t max_bytes)
{
	size_t before = buffer->length, left, step, size;
	const char *piece;
	uint32_t code;

	for (left = strlen(text); left > 0 && !buffer->failed; left -= step, text += step) {
		step = base_utf8_next(text, left, &code);
		piece = step == 0 ? BASE_REPLACEMENT : base_is_control(code) ? " " : text;
		size = step == 0 ? strlen(BASE_REPLACEMENT) : base_is_control(code) ? 1 : step;
		if (step == 0)
			step = 1;
		if (size > max_bytes - (buffer->length - before))
			break;
		base_buffer_append(buffer, piece, size);
	}
	return buffer->failed ? base_buffer_withdraw(buffer, before) : true;
}
