/* text - results and reasons, growing text with a maximum, the form of an id; see buffer.h */
#include "milter/base/buffer.h"
#include "milter/base/random.h"
#include "milter/base/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_RING 8    /* reasons a thread can hold at the same time */
#define WHY_BYTES 512 /* of one reason */

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

	if (buffer->failed || length > buffer->max - buffer->length || length >= SIZE_MAX / 4)
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

bool
base_is_id(const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		if (i == BASE_ID_LENGTH ||
		    !((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '2' && text[i] <= '7')))
			return false;
	}
	return i == BASE_ID_LENGTH;
}
