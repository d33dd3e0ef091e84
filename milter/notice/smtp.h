/*
 * NAME
 *	notice/smtp - one message to an SMTP server, step by step; private to notice
 *
 * WHAT IT DOES
 *	libcurl connects, begins TLS and logs in, as the URL and the options say; from there on
 *	the dialogue is ours, because libcurl's own cannot say BODY=8BITMIME (RFC 6152), cannot tell
 *	a server's "not now" from its "never", and would hold a whole message in memory.
 *
 * THREADS
 *	A dialogue belongs to one thread.
 *
 * DIAGNOSTICS
 *	OK; NONE: the server says not now (4yz, RFC 5321 4.2.1); REFUSE: it says no (5yz); RETRY:
 *	it cannot be reached or went away, or we are to stop. BROKEN: no memory.
 */
#ifndef OOPS_NOTICE_SMTP_H
#define OOPS_NOTICE_SMTP_H

#include <stdatomic.h>

#include "milter/base/result.h"
#include "milter/settings/settings.h"

struct notice_smtp;

#define NOTICE_SMTP_MAX_REPLY 2000 /* bytes of one reply, all its lines */

enum notice_tls { NOTICE_TLS_OFF, NOTICE_TLS_TRY, NOTICE_TLS_MUST };

/* What goes for a URL: letters about people's mail cross no network in the clear by default. */
enum notice_tls notice_smtp_tls(const char *url, enum settings_tls wanted);

/*
 * Connects to the server of notice.smtp, greets it, and asks what it can. The whole dialogue
 * ends within `total_ms`. `is_stopping` (NULL: never) ends it at once.
 */
enum base_result notice_smtp_open(const struct settings *settings, int64_t total_ms,
    const atomic_bool *is_stopping, struct notice_smtp **smtp_r, const char **why_r);
/* Says goodbye if the server still listens. */
void notice_smtp_close(struct notice_smtp **smtp);

/* Was what it last said that the message is too large for it, for good (RFC 1870 6, RFC 3463)? */
bool notice_smtp_is_too_large(const struct notice_smtp *smtp);
/* Does the server take content with bytes beyond ASCII? */
bool notice_smtp_has_8bit(const struct notice_smtp *smtp);
/*
 * MAIL, with the null reverse-path if `sender` is "", and RCPT. `size`: bytes of the message as far
 * as it is known, 0: unknown; `is_8bit`: say that it has bytes beyond ASCII.
 */
enum base_result notice_smtp_envelope(struct notice_smtp *smtp, const char *sender,
    const char *recipient, size_t size, bool is_8bit, const char **why_r);
enum base_result notice_smtp_data(struct notice_smtp *smtp, const char **why_r);

/* Content after DATA; false: the connection is gone (notice_smtp_end() says why). */
/* Lines that end with CRLF. */
bool notice_smtp_text(struct notice_smtp *smtp, const char *data, size_t length);
/* Lines that end with LF become such that end with CRLF; nothing else is changed. */
bool notice_smtp_lines(struct notice_smtp *smtp, const char *data, size_t length);
/* Any bytes, as lines of base64 (RFC 2045 6.8). */
bool notice_smtp_base64(struct notice_smtp *smtp, const char *data, size_t length);

/* The end of the content. OK only when the server said that it has it; *answer_r is how. */
enum base_result notice_smtp_end(struct notice_smtp *smtp, char answer_r[200], const char **why_r);

#endif
