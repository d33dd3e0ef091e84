/*
 * NAME
 *	base/internal - what the files of this module share
 */
#ifndef OOPS_BASE_INTERNAL_H
#define OOPS_BASE_INTERNAL_H

#include <stdint.h>

#include "milter/base/buffer.h"

/* Writes all bytes and brings them to the disk; false: errno tells. */
bool base_write_whole(int fd, const char *data, size_t length);

/* --- line.c, for quote.c ---------------------------------------------------------------- */

#define BASE_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* The length of the UTF-8 character at text, 0 if there is none; its code in *code_r. */
size_t base_utf8_next(const char *text, size_t left, uint32_t *code_r);
/* Would this character move the cursor, end the line or turn the text around? */
bool base_is_control(uint32_t code);
/* Takes back what was appended since `length`, when a whole did not fit: false. */
bool base_buffer_withdraw(struct base_buffer *buffer, size_t length);

#endif
