/*
 * NAME
 *	notice/internal - what the files of this module share
 *
 * SOURCES
 *	RFC 5322 (fields, dates), RFC 2045 6.7 (quoted-printable), RFC 2047 (encoded words).
 */
#ifndef OOPS_NOTICE_INTERNAL_H
#define OOPS_NOTICE_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/notice/notice.h"

/*
 * "Name: text" CRLF, folded; encoded words when the text is not plain ASCII. The text
 * becomes one line whatever is in it.
 */
bool notice_mime_field(struct base_buffer *out, const char *name, const char *text);
/*
 * The display name before an address (RFC 5322 3.2.5), from `column` of its line on: a quoted
 * string, or encoded words (RFC 2047 5, rule 3) when the text is not plain ASCII.
 */
bool notice_mime_phrase(struct base_buffer *out, size_t column, const char *text);
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

/* --- letters of ours ----------------------------------------------------------------- */

/* The domain that our letters come from: of notice.from. */
const char *notice_domain(const struct settings *settings);

/* What a letter about a hold has to tell now. */
enum notice_news {
	NOTICE_NEWS_NONE,    /* nothing any more: it is decided, or over */
	NOTICE_NEWS_HELD,    /* it waits for its author, or for the end of a window or storm */
	NOTICE_NEWS_KEPT,    /* it is too large to come back, and can be sent after all */
	NOTICE_NEWS_LEFT,    /* it was stopped, and all of it was released all the same ... */
	NOTICE_NEWS_PART,    /* ... or a part of it, */
	NOTICE_NEWS_MISSING, /* ... or files of it were missing in the queue */
};

enum notice_news notice_letter_news(const struct hold_view *view);
/*
 * What every letter begins with: a fresh message id (without <>, in the arena), and in `letter_r`
 * the field that proves a letter with it to the view's mailbox to be ours. REFUSE: that is no
 * mailbox in a local domain; a block's may be in any, for the settings name it.
 */
enum base_result notice_letter_stamp(struct base_arena *arena, const struct config *config,
    const struct hold_view *view, int64_t now, struct base_buffer *letter_r,
    const char **message_id_r, const char **why_r);
/* REFUSE: an address, an id or a link would become a part of the letter's structure. */
enum base_result notice_letter_check(
    const struct hold_view *view, const struct notice_letter_options *options, const char **why_r);
/* From, To, Subject, Date, Message-ID, Auto-Submitted, MIME-Version. */
bool notice_letter_fields(struct base_buffer *out, const struct words *words,
    const struct hold_view *view, const char *subject, const struct notice_letter_options *options);
/* Text wrapped for people who read plain text. */
bool notice_letter_wrap(struct base_buffer *out, const char *text);

/* --- rests.c: mailboxes that kept us waiting ------------------------------------------- */

#define NOTICE_RESTS 64
#define NOTICE_SLOW_MS 3000  /* of one try: from here on it costs the others something */
#define NOTICE_REST_MS 60000 /* of the mailbox, with all its letters */

/* The latest mailboxes that were slow to take a letter, or to refuse it. All 0: none. */
struct notice_rests {
	struct notice_rest {
		char mailbox[400];
		int64_t until; /* of base_tick_ms() */
	} items[NOTICE_RESTS];
	size_t next; /* overwritten next */
};
bool notice_rests_have(const struct notice_rests *rests, const char *mailbox);
/* One try took so many milliseconds, whatever came of it. */
void notice_rests_note(struct notice_rests *rests, const char *mailbox, int64_t took);

/* --- readers.c: how many letters a mailbox got ------------------------------------------ */

#define NOTICE_READERS 16384 /* letters that are remembered; the oldest go first */
#define NOTICE_READERS_MS 86400000

/* The letters of the last day: several persons may send as one mailbox that reads them all. */
struct notice_readers {
	struct notice_reader {
		uint64_t reader; /* keyed hash of its account; 0: none */
		int64_t at;      /* of base_tick_ms() */
	} letters[NOTICE_READERS];
	size_t next; /* overwritten next */
};
/* Since this process began, at most. The arena is for the address. */
size_t notice_readers_count(const struct notice_readers *readers, const struct config *config,
    struct base_arena *arena, const char *mailbox);
void notice_readers_note(struct notice_readers *readers, const struct config *config,
    struct base_arena *arena, const char *mailbox);

/* --- returned.c: the letter that brings a mail back ----------------------------------- */

/* How the mail is attached. */
enum notice_attached {
	NOTICE_ATTACHED_7BIT, /* message/rfc822, as it is */
	NOTICE_ATTACHED_8BIT, /* the same, with bytes beyond ASCII */
	NOTICE_ATTACHED_FILE, /* a file in base64: mail servers would break its lines */
};

/* Takes our own tag out of the header; the new length. */
size_t notice_returned_strip(char *mail, size_t length);
/* How a mail can travel so that every byte of it comes back; `has_8bit`: the server can that. */
enum notice_attached notice_returned_form(const char *mail, size_t length, bool has_8bit);
/*
 * What stands before the mail and what stands behind it, with CRLF line ends, without the MAC
 * header. `is_whole`: all of it was just seen on hold. `boundary`: is nowhere in the mail.
 */
enum base_result notice_returned_compose(struct base_buffer *head_r, struct base_buffer *tail_r,
    const struct hold_view *view, bool is_whole, enum notice_attached attached,
    const char *boundary, const struct notice_letter_options *options, const char **why_r);

/* --- bounce.c ----------------------------------------------------------------------- */

/* Would the MTA's own bounce of a message of so many bytes have all of it? */
bool notice_bounce_fits(const struct settings *settings, size_t length);

/* --- returner.c: the thread that brings mail back -------------------------------------- */

struct notice_returner;

enum base_result notice_returner_start(struct hold *hold, struct config_current *sites,
    struct notice_returner **returner_r, const char **why_r);
void notice_returner_stop(struct notice_returner **returner);

#endif
