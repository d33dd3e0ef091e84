/*
 * NAME
 *	notice/internal - what the files of this room share
 *
 * SOURCES
 *	RFC 5322 (fields, dates), RFC 2045 6.7 (quoted-printable), RFC 2047 (encoded words).
 */
#ifndef OOPS_NOTICE_INTERNAL_H
#define OOPS_NOTICE_INTERNAL_H

#include "milter/base/base.h"

/*
 * "Name: text" CRLF, folded; encoded words when the text is not plain ASCII. The text
 * becomes one line whatever is in it.
 */
bool notice_mime_field(struct base_buffer *out, const char *name, const char *text);
/* UTF-8 text with LF line ends as quoted-printable with CRLF; ends with a line end. */
bool notice_mime_quoted(struct base_buffer *out, const char *text);
/* "Mon, 23 Nov 2026 09:00:00 +0100", local time. */
bool notice_mime_date(struct base_buffer *out, int64_t time);
/*
 * An address as it is written in a field or an envelope, without <>: its local part quoted if
 * need be and not done yet. False: a control character, a bracket or nothing; `out` is
 * untouched.
 */
bool notice_mime_address(struct base_buffer *out, const char *normal);

#endif
