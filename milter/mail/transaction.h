/*
 * NAME
 *	mail_transaction - one send as a plain value: envelope, the header fields that matter
 *
 * OWNERSHIP
 *	Every pointer lives in the arena that the transaction was built in. Strings are
 *	never NULL: what is absent is "".
 *
 * BOUNDS
 *	What a stranger can lengthen has a maximum (MAIL_MAX_*). Reaching it sets a
 *	`_capped` flag and drops the rest; counts go on counting.
 */
#ifndef OOPS_MAIL_TRANSACTION_H
#define OOPS_MAIL_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAIL_MAX_RECIPIENTS 5000                /* distinct addresses kept */
#define MAIL_MAX_FIELDS 500                     /* header fields looked at */
#define MAIL_MAX_HEADER_BYTES 262144            /* of all header fields looked at */
#define MAIL_MAX_REFERENCES 50                  /* message ids kept of References */
#define MAIL_MAX_NAMES 32                       /* display names kept of To and Cc */
#define MAIL_MAX_BODY_START 16384               /* bytes kept of the body */
#define MAIL_MAX_TEXT (4 * MAIL_MAX_BODY_START) /* bytes of the text in them, as UTF-8 */
#define MAIL_MAX_TYPE 1000                      /* bytes of what a field says of a body */

/* A set of normalised addresses ("local@domain", see mail.h), in order of appearance. */
struct mail_addresses {
	const char **items;
	size_t count;    /* stored in items */
	size_t seen;     /* offered, repeats and those over the maximum included */
	size_t capacity; /* for mail_addresses_add() only; 0 in a set made by hand */
	bool capped;
};

/* Domains that are one organisation's, in no order. */
struct mail_domains {
	const char **items; /* normalised; those below them belong to it too */
	size_t count;
};

/* The display name of a mailbox in To or Cc. */
struct mail_name {
	const char *address; /* normalised */
	const char *name;    /* UTF-8 */
};

struct mail_transaction {
	int64_t time;                     /* when it came, seconds since 1970 */
	const char *queue_id;             /* the MTA's, "" while unknown */
	const char *envelope_sender;      /* normalised; "" for the null reverse-path */
	const char *envelope_written;     /* the same as the client wrote it, "" if it is no path */
	struct mail_addresses recipients; /* of the envelope, before alias expansion */

	const char *from;         /* the address of From, the first one in < > if any, normalised */
	const char *from_written; /* the same as its author wrote it */
	const char *from_name;    /* its display name, UTF-8 */
	const char *sender;       /* Sender, normalised */
	const char *resent_from;  /* Resent-From of the newest resending, normalised */
	const char *resent_written;             /* the same as it was written */
	struct mail_addresses to;               /* of To, normalised */
	struct mail_addresses cc;               /* of Cc */
	struct mail_name names[MAIL_MAX_NAMES]; /* of To and Cc, of the first that have one */
	size_t name_count;
	const char *subject;     /* decoded to UTF-8, one line, at most 200 bytes */
	const char *date;        /* Date as its author's program wrote it, at most 100 bytes */
	const char *message_id;  /* without <>, "" when absent */
	const char *in_reply_to; /* the parent: first id of In-Reply-To, else last of References */
	const char *references[MAIL_MAX_REFERENCES];
	size_t reference_count;

	/*
	 * Auto-Submitted other than "no" (RFC 3834 5), Precedence bulk/junk/list/auto_reply, and
	 * what programs write in their place: transaction.c has the list.
	 */
	bool is_auto;
	bool is_list;   /* List-Id, List-Post or List-Unsubscribe (RFC 2919, RFC 2369) */
	bool is_report; /* multipart/report (RFC 6522) */
	bool is_resent; /* Resent-*: From, To and Cc tell of an earlier send (RFC 5322 3.6.6) */

	const struct mail_domains *inside; /* the site's, as audience has them; NULL: not known */

	size_t field_count;  /* header fields offered */
	size_t header_bytes; /* bytes of the fields looked at */
	bool header_capped;

	const char *body_start; /* the first bytes of the body as sent; "" if not read */
	size_t body_start_length;
	const char *content_type;     /* Content-Type, as it stands */
	const char *content_encoding; /* Content-Transfer-Encoding, as it stands */
	const char *text; /* what a person reads first of that start (mail_transaction_text()) */
	size_t text_length;
};

#endif
