/*
 * NAME
 *	base/buffer - growing text with a maximum from birth
 *
 * THREADS
 *	A buffer belongs to one thread at a time.
 */
#ifndef OOPS_BASE_BUFFER_H
#define OOPS_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct base_buffer {
	char *data;      /* NUL-terminated once anything was appended, else NULL */
	size_t length;   /* bytes, without the NUL */
	size_t capacity; /* bytes allocated */
	size_t max;      /* never longer than this */
	bool failed;     /* something did not fit: contents end before it; sticky */
};

void base_buffer_init(struct base_buffer *buffer, size_t max);
void base_buffer_free(struct base_buffer *buffer);
void base_buffer_clear(struct base_buffer *buffer);
/* Appends whole or not at all; false (and `failed`) when it does not fit. */
bool base_buffer_append(struct base_buffer *buffer, const void *data, size_t length);
bool base_buffer_puts(struct base_buffer *buffer, const char *text);
bool base_buffer_printf(struct base_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The text so far, "" when empty; never NULL. */
const char *base_buffer_text(const struct base_buffer *buffer);

#endif
