/*
 * NAME
 *	mail - pure parsing: addresses, header fields, message ids
 *
 * WHAT IT DOES
 *	Turns what strangers wrote into bounded plain values. Every parser accepts any bytes,
 *	takes time linear in them and says OK only for what the grammar (or the obsolete
 *	grammar that real mail uses) allows; the header parsers skip what they cannot read
 *	and go on with the rest.
 *
 * WHAT IT NEVER DOES
 *	No I/O, no clock, no log. No DNS.
 *
 * OWNERSHIP
 *	Results live in the arena given.
 *
 * DIAGNOSTICS
 *	REFUSE: not in the grammar, why_r names the place. BROKEN: arena full.
 *
 * SOURCES
 *	RFC 5321 (envelope), RFC 5322 (header), RFC 2045/2046/2231 (body), RFC 2047 (encoded
 *	words), RFC 6531/6532 (UTF-8).
 */
#ifndef OOPS_MAIL_H
#define OOPS_MAIL_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/mail/transaction.h"

/* --- addresses -------------------------------------------------------------------- */

struct mail_address {
	const char *local;  /* unquoted */
	const char *domain; /* lower case; an address literal keeps its brackets */
};

#define MAIL_MAX_LOCAL 64    /* bytes, RFC 5321 4.5.3.1.1 */
#define MAIL_MAX_DOMAIN 255  /* bytes, RFC 5321 4.5.3.1.2 */
#define MAIL_MAX_ADDRESS 254 /* bytes, RFC 5321 4.5.3.1.3 less the brackets */

/* Mailbox of RFC 5321 4.1.2 (UTF-8 as in RFC 6531), quoted local parts and literals too. */
enum base_result mail_address_parse(struct base_arena *arena, const char *text, size_t length,
    struct mail_address *address_r, const char **why_r);

/*
 * An envelope path as a milter gets it: "<a@b>", "a@b", "<>", source routes dropped. The
 * normalised address, "" for the null reverse-path. A local part without a domain (local
 * submission) is given as it is, lower case, without '@'.
 */
enum base_result mail_path_parse(
    struct base_arena *arena, const char *path, const char **address_r, const char **why_r);

/*
 * "local@domain", the form in which addresses are compared everywhere: domain and local part
 * without case (RFC 5321 allows case to matter in local parts; no site in the field uses
 * that, and people type either), Unicode's case folding included, accents in one form (NFC,
 * RFC 6532 3.1), an internationalised domain as A-labels (RFC 5890: "xn--..."), a local part
 * quoted only where it must be. Mail is sent to what was written, never to this form.
 */
enum base_result mail_address_normal(struct base_arena *arena, const struct mail_address *address,
    const char **normal_r, const char **why_r);

/*
 * A domain alone, as it stands in normalised addresses. REFUSE: it is internationalised but has
 * no A-labels, so that no mail could name it.
 */
enum base_result mail_domain_normal(
    struct base_arena *arena, const char *domain, const char **normal_r, const char **why_r);
/* The part after the last '@', "" when there is none. Points into `normal`. */
const char *mail_domain_of(const char *normal);
/*
 * Can this normalised address be a mailbox of its domain? Not one whose local part is a route to
 * another host (victim%outside@us, outside!victim@us, "victim@outside"@us: Postfix and Sendmail
 * send those on), a pipe, a file, an :include: or an option, nor one with control characters.
 */
bool mail_address_is_mailbox(const char *normal);
/* Is `domain` the same as `parent` or below it? */
bool mail_domain_is_within(const char *domain, const char *parent);
/*
 * Is an address of the same organisation as a send's sender: in the sender's domain, one above or
 * below it, or are both in domains of transaction->inside? A local name without a domain is. What
 * is a route to another host (mail_address_is_mailbox()) is not.
 */
bool mail_is_inside(
    const struct mail_transaction *transaction, const char *sender, const char *address);

/*
 * The address without an extension of its local part: "anna@b" for "anna+news@b" when '+' is one
 * of the delimiters; "" leaves every address whole. NULL: arena full. A quoted local part stays
 * whole, and with '-' names that MTAs never cut: owner-*, *-request, mailer-daemon, double-bounce.
 */
const char *mail_address_strip_extension(
    struct base_arena *arena, const char *normal, const char *delimiters);

/*
 * Those of them at which the address of an account may be cut: only '+'. The others stand in names
 * of accounts too, of which MTAs look for the whole one first: a letter to "anna" instead of
 * "anna-maria" would go to somebody else. Written forms in a transaction are cut at these alone.
 */
const char *mail_account_delimiters(const char *delimiters);

/* Adds a normalised address once. BROKEN: arena full. A capped set is not a failure. */
enum base_result mail_addresses_add(
    struct base_arena *arena, struct mail_addresses *set, const char *normal);
bool mail_addresses_has(const struct mail_addresses *set, const char *normal);

/* --- header fields ---------------------------------------------------------------- */

/* Called for each mailbox of an address-list; name is the display name, UTF-8. False stops. */
typedef bool mail_mailbox_fn(void *context, const char *name, const char *normal);

/* address-list of RFC 5322 3.4 with groups, comments, routes, encoded words. */
enum base_result mail_each_mailbox(
    struct base_arena *arena, const char *value, mail_mailbox_fn *each, void *context);

/*
 * The same for what looks like an address in a text that is no header, with names of "": where
 * a mail quotes another one it says whose that is. At most `most` at signs are looked at.
 */
void mail_text_each_address(struct base_arena *arena, const char *text, size_t length, size_t most,
    mail_mailbox_fn *each, void *context);

/* Encoded words of RFC 2047 and folding resolved to one line of valid UTF-8. */
enum base_result mail_text_decode(
    struct base_arena *arena, const char *value, size_t max_bytes, const char **text_r);

/*
 * Does a decoded subject begin as answers do: "Re:", "AW:", "[list] Re[2]:" and the like? It may
 * be anybody's own words; where there is a thread, believe that.
 */
bool mail_subject_is_answer(const char *subject);
/* What follows that, however often it stands there: the subject of what is answered. */
const char *mail_subject_base(const char *subject);

/*
 * The message ids in a value (RFC 5322 3.6.4), without <>, at most `capacity`; how many. When there
 * are more, the first and the last ones: a thread's beginning and its newest mails.
 */
size_t mail_message_ids(
    struct base_arena *arena, const char *value, const char **ids_r, size_t capacity);

/* --- building a transaction ------------------------------------------------------- */

/* An empty transaction in the arena; NULL when the arena is full. */
struct mail_transaction *mail_transaction_new(struct base_arena *arena, int64_t time);
/* One MAIL FROM or RCPT TO argument. An unreadable one is kept in lower case as it stands. */
enum base_result mail_transaction_sender(
    struct base_arena *arena, struct mail_transaction *transaction, const char *path);
enum base_result mail_transaction_recipient(
    struct base_arena *arena, struct mail_transaction *transaction, const char *path);
/* One header field in the order of the message; value as libmilter gives it, folding included. */
enum base_result mail_transaction_field(struct base_arena *arena,
    struct mail_transaction *transaction, const char *name, const char *value);
/* A piece of the body; what is over MAIL_MAX_BODY_START is ignored. */
enum base_result mail_transaction_body(struct base_arena *arena,
    struct mail_transaction *transaction, const void *data, size_t length);
/*
 * Finds the text that a person reads first in the start of the body that is there: that of the
 * first text/plain part that says anything, else of the first HTML part; its encoding (RFC 2045)
 * undone, in UTF-8, quotations of HTML with "> " before each line. "" when there is none. What
 * is malformed or cut off is read as far as it goes. BROKEN: arena full.
 */
enum base_result mail_transaction_text(
    struct base_arena *arena, struct mail_transaction *transaction);
/*
 * Those of To and Cc, who see each other, but for one: at most `max` of them, and of `among` alone
 * unless that is NULL. Nobody who is only in the envelope (Bcc) is named.
 */
size_t mail_transaction_visible(const struct mail_transaction *transaction,
    const struct mail_addresses *among, const char *but, const char **visible_r, size_t max);
/* Did a machine or a list write it, in whoever's name? Then it is no person's own send. */
bool mail_transaction_is_automatic(const struct mail_transaction *transaction);
/* Is the whole start of the body there, so that no more bytes are of use? */
bool mail_transaction_has_body(const struct mail_transaction *transaction);

/*
 * Takes the extensions out of every address, once all fields and recipients are there: whoever
 * makes a transaction for history to know or to judge does it, or hashes would not agree.
 */
enum base_result mail_transaction_strip_extensions(
    struct base_arena *arena, struct mail_transaction *transaction, const char *delimiters);

/*
 * Called for each header field, which lives for the call; anything but OK stops and is handed on.
 */
typedef enum base_result mail_field_fn(void *context, const char *name, const char *value);

/*
 * The header fields of a whole message (LF or CRLF) as on disk; a mailbox file's "From " lines
 * are passed over, and a body without its empty line begins at the first line that is no field.
 * *body_r: where the body begins. REFUSE: no header at all.
 */
enum base_result mail_message_each_field(const char *data, size_t length, mail_field_fn *each,
    void *context, size_t *body_r, const char **why_r);

/*
 * A whole message (header, empty line, body; LF or CRLF) as on disk. Adds its fields and body
 * to the transaction, and finds its text. REFUSE: no header at all.
 */
enum base_result mail_transaction_message(struct base_arena *arena,
    struct mail_transaction *transaction, const char *data, size_t length, const char **why_r);

#endif
