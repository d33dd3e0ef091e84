/*
 * NAME
 *	base/quote - text as the places it ends up in can take it: logfmt, HTML, one line
 */
#ifndef OOPS_BASE_QUOTE_H
#define OOPS_BASE_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "milter/base/buffer.h"

/*
 * key=value for a logfmt line, with a space before it unless the buffer is empty. The
 * value is quoted when it is empty or holds anything but visible ASCII without '"',
 * '=' and '\\'; inside quotes control characters and invalid UTF-8 become \xNN, so that
 * no foreign text can end the value or the line.
 */
bool base_quote_logfmt(struct base_buffer *buffer, const char *key, const char *value);
/* Text safe between tags and inside a quoted attribute; invalid UTF-8 becomes U+FFFD. */
bool base_quote_html(struct base_buffer *buffer, const char *text);
/*
 * Valid UTF-8 on one line: control characters become spaces; ends at max_bytes, whole characters.
 */
bool base_quote_line(struct base_buffer *buffer, const char *text, size_t max_bytes);
/*
 * The same, and nothing in it becomes a link when a program shows it: "http://a.example" reads
 * http[:]//a[.]example.
 */
bool base_quote_unlinked(struct base_buffer *buffer, const char *text, size_t max_bytes);
/* Are these bytes valid UTF-8 (RFC 3629)? */
bool base_is_utf8(const char *text, size_t length);

#endif
