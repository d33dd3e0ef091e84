/* internal - what the files of the mail room share */
#ifndef OOPS_MAIL_INTERNAL_H
#define OOPS_MAIL_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"

/* An address taken apart on the stack, so that repeats cost no arena. */
struct mail_split {
	char local[MAIL_MAX_DOMAIN + 1]; /* unquoted */
	char domain[MAIL_MAX_DOMAIN + 1];
};

/* Room for every normalised address: the local part can double when it is quoted again. */
#define MAIL_NORMAL_SIZE (3 * MAIL_MAX_DOMAIN + 8)

enum mail_grammar {
	MAIL_ENVELOPE, /* RFC 5321 4.1.2 */
	MAIL_HEADER,   /* RFC 5322 3.4.1, obsolete forms and what real mail adds to them */
};

/* Takes "local@domain" apart; no comments or white space. REFUSE: not in the grammar. */
enum base_result mail_split_address(const char *text, size_t length, enum mail_grammar grammar,
    struct mail_split *split_r, const char **why_r);
/* "local@domain" as it stands, the local part quoted where it must be, the domain in lower case. */
void mail_address_write(const char *local, const char *domain, char text_r[MAIL_NORMAL_SIZE]);
/* "local@domain" in the form in which addresses are compared. */
void mail_normal_write(const char *local, const char *domain, char normal_r[MAIL_NORMAL_SIZE]);
/* An envelope path taken apart: "" and "" of the null path, no domain of a local user. */
enum base_result mail_path_split(const char *path, struct mail_split *split_r, const char **why_r);
/* mail_path_parse() on the stack. */
enum base_result mail_path_normal(
    const char *path, char normal_r[MAIL_NORMAL_SIZE], const char **why_r);

static inline char
mail_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* White space of a header value, line ends of folding included. */
static inline bool
mail_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

#define MAIL_ALL_NAMES SIZE_MAX

/*
 * mail_each_mailbox(); the names of no more than so many mailboxes are read, or of all. Where
 * it is not, or where there is none, the name is "" and the address lives for the call only,
 * so that a long list costs no arena.
 */
enum base_result mail_list_each(struct base_arena *arena, const char *value, size_t names,
    mail_mailbox_fn *each, void *context);

/*
 * The mailbox that a field of one author names: the first in < and >, else the first. So an
 * unquoted "Muster, Anna <anna@b>" is Anna, also when the MTA made an address of "Muster".
 */
struct mail_mailbox {
	const char *name;    /* display name, UTF-8 */
	const char *normal;  /* "" when there is none */
	const char *written; /* the address as its author wrote it, without comments */
};
enum base_result mail_first_mailbox(
    struct base_arena *arena, const char *value, struct mail_mailbox *first_r);

/* --- bytes and characters (encoding.c, charset.c) --------------------------------------- */

/* Two hexadecimal digits as a byte. False: there are none. */
bool mail_hex_read(const char *at, const char *end, char *byte_r);
/* Base64, RFC 2045 6.8: what is not of its alphabet is passed over. */
void mail_base64_append(struct base_buffer *out, const char *text, size_t length);
/* Quoted-printable, RFC 2045 6.7: what is malformed stays as it is. */
void mail_quoted_append(struct base_buffer *out, const char *text, size_t length);
/*
 * Bytes of a charset as UTF-8, as they are when that is what they are said to be. A charset that
 * is not known is read as ASCII; what is no character becomes U+FFFD, a NUL a space.
 */
void mail_charset_append(
    struct base_buffer *out, const char *label, const char *bytes, size_t length);

/* --- the body (body_text.c, body_html.c) ------------------------------------------------- */

/* What a person sees of HTML (UTF-8), with '> ' before quoted lines. */
void mail_html_append(struct base_buffer *out, const char *html, size_t length);

/* A field's value behind the comments and white space at its start. */
const char *mail_value_begin(const char *value);
/* The end of the comment that begins at `at`, NULL if it is not closed. */
const char *mail_comment_end(const char *at);

#endif
