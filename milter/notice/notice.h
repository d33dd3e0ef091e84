/*
 * NAME
 *	notice - letters and links
 *
 * WHAT IT DOES
 *	Writes the letter about a held send (multipart/alternative, text and HTML) and gives it
 *	to an SMTP server; makes the link's token.
 *
 * WHAT IT NEVER DOES
 *	It writes to nobody but the hold's sender. It stores no token, only its hash.
 *
 * THREADS
 *	The mailer is one thread.
 *
 * DIAGNOSTICS
 *	A letter that cannot be delivered is audited, logged once per letter and tried again with
 *	backoff while the hold is open; the hold's own timers do not depend on it.
 *
 * SOURCES
 *	RFC 3834 (Auto-Submitted, null reverse-path), RFC 5322, RFC 2045-2047.
 */
#ifndef OOPS_NOTICE_H
#define OOPS_NOTICE_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/config/config.h"
#include "milter/words/template.h"

/* --- letters ------------------------------------------------------------------------- */

struct notice_letter_options {
	const char *from;                        /* address */
	const char *base_url;                    /* of oops-web */
	const char *token;                       /* NULL: a letter without a link */
	int64_t now;                             /* seconds since 1970 */
	const struct words_templates *templates; /* the site's own sentences; NULL: none */
	const char *message_id;                  /* without <> */
	bool is_last;                            /* of those that one person gets in a day */
};

/* The whole letter with CRLF line ends, without the MAC header. */
enum base_result notice_letter_compose(struct base_buffer *letter_r, const struct hold_view *view,
    const struct notice_letter_options *options, const char **why_r);

/* --- what we inject ourselves --------------------------------------------------------- */

#define NOTICE_INJECT_NAME "Oops-Milter-Inject"
#define NOTICE_INJECT_SECONDS 86400 /* how old such a header may be */

/* Proof that a message with this id to this recipient is ours: "v1 TIME MAC". */
enum base_result notice_inject_make(struct base_arena *arena, const struct base_key *key,
    const char *message_id, const char *recipient, int64_t now, const char **value_r);
bool notice_inject_is_ours(const struct base_key *key, const char *value, const char *message_id,
    const char *recipient, int64_t now);

/* --- is what letters rely on there? (oopsctl check) ----------------------------------- */

/*
 * Does the server of notice.smtp take a letter of ours, with the null reverse-path, for this
 * address? The dialogue ends before any message (RFC 5321 3.3). REFUSE: it says no. NONE: not
 * now (4yz, RFC 5321 4.2.1). RETRY: it cannot be asked.
 */
enum base_result notice_probe_mailbox(
    const struct settings *settings, const char *address, const char **why_r);
/*
 * Gets a page as a reader of a letter would. REFUSE: another status than 200. RETRY: nobody
 * answers.
 */
enum base_result notice_probe_page(const char *url, struct base_buffer *page_r, const char **why_r);

/* --- the mailer ------------------------------------------------------------------------ */

struct notice_mailer;

/* Each letter is written and sent by the settings in force when its turn comes. */
enum base_result notice_mailer_start(struct hold *hold, struct config_current *sites,
    struct notice_mailer **mailer_r, const char **why_r);
void notice_mailer_stop(struct notice_mailer **mailer);

#endif
