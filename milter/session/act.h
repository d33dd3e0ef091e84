/*
 * NAME
 *	session/act - the human acts of the last minutes: which transactions are one send
 *
 * WHAT IT DOES
 *	Remembers, for SESSION_ACT_SECONDS, who got the parts of an act so far and whether one
 *	of them was held, so that all parts are judged as one audience and share one decision.
 *	Two mails are parts of one act when they have the same name (sender, Message-ID, subject,
 *	Date, To and Cc; two persons who send as one address are two senders); or when a client gave
 *	each part a Message-ID of its own: the same sender, subject, Date and start of the body, and
 *	nobody who got two of them. A first part that passed at the end of its header has no body
 *	that is known: it takes the one of the next part, so at most two mails that are alike but
 *	for their text are taken for one act. A mail to one person whom alone it names is a mail of
 *	its own, however many like it there are: the parts of one mail that a client has split name
 *	the same people.
 *
 *	A part of an act that comes again, to somebody who got one or with another To or Cc, may
 *	also be a new submission under the old name: it is one when the act's hold was stopped
 *	meanwhile, which only the caller can know (session_acts_renew()).
 *
 *	A mail that answers one of the same sender's mails of the last minutes, to just the same
 *	people, is one more mail of that act: a series of patches, or "I forgot the attachment". It
 *	shares the fate of the first one. Once a part was held, none passes any more, and what had
 *	passed until then is known. What comes after its author stopped the hold is held by itself,
 *	see hold_place_limited().
 *
 * WHAT IT NEVER DOES
 *	It keeps nothing on disk. Names are keyed hashes; addresses are kept as long as the act.
 *	The key is the table's own, so that a new key of the site parts no act that is going on.
 *
 * BOUNDS
 *	SESSION_ACT_MAX acts and SESSION_ACT_BYTES of addresses, of which one sender has a share
 *	(SESSION_ACT_SHARE); the oldest go first.
 *
 * THREADS
 *	Any: parts may come over several connections at the same time. Results are copies.
 *
 * DIAGNOSTICS
 *	OK; BROKEN: no memory. The mail is then judged by itself, but for what another part of it
 *	that is known already decides.
 */
#ifndef OOPS_SESSION_ACT_H
#define OOPS_SESSION_ACT_H

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

#define SESSION_ACT_SECONDS 300 /* as long as a part may still join a hold */
#define SESSION_ACT_MAX 8192
#define SESSION_ACT_BYTES (8u << 20) /* of all acts' addresses */
#define SESSION_ACT_NAMES 65536      /* of all acts */
#define SESSION_ACT_SHARE 8          /* one sender's is this part of it */
#define SESSION_ACT_PARENTS 3
#define SESSION_ACT_LEFT_BYTES 2048 /* of the addresses of who has it already */

/* What a mail is called; all hashes by session_acts_key(), but one. */
struct session_act_names {
	unsigned char act[BASE_MAC_SIZE];    /* by the site's key: what it is if it is the first */
	unsigned char author[BASE_MAC_SIZE]; /* sender */
	unsigned char id[BASE_MAC_SIZE];     /* sender, Message-ID, subject, Date, To, Cc */
	unsigned char like[BASE_MAC_SIZE];   /* sender, subject, Date */
	bool has_like;                       /* there is a Date, without which nothing is alike */
	unsigned char header[BASE_MAC_SIZE]; /* To and Cc */
	bool is_individual;                  /* it goes to one person, whom alone it names */
	unsigned char thread[BASE_MAC_SIZE]; /* sender, Message-ID */
	bool has_thread;
	unsigned char parents[SESSION_ACT_PARENTS][BASE_MAC_SIZE]; /* as thread: what it answers */
	size_t parent_count;
	unsigned char audience[BASE_MAC_SIZE]; /* whom it goes to, as far as this part tells */
};

/* What is known of a mail's act. */
struct session_act_part {
	unsigned char act[BASE_MAC_SIZE]; /* of its first part's names: the same for all */
	struct mail_addresses others;     /* who got the parts before; in the arena given */
	bool wants_body;           /* only the body can tell whether it is a part of an act */
	enum settings_action held; /* what a part is held for; PASS: none is */
	int64_t mail;              /* which mail of the act it is; 0: the first one */
	bool has_passed;           /* a part of the first one has left */
	bool is_open;              /* nothing is known of the first one's fate yet */
	bool is_repeat; /* no client splits like this: somebody got it, or To or Cc differ */
};

/* Who has a part of an act that is held now. */
struct session_act_left {
	size_t count;   /* recipients */
	const char *to; /* some of them, whom everybody can see; one a line */
};

struct session_acts;

struct session_acts *session_acts_new(void);
void session_acts_free(struct session_acts **acts);
const struct base_key *session_acts_key(const struct session_acts *acts);

/* End of the header: joins the act of this name or begins one. `now` in seconds. */
enum base_result session_acts_enter(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, const struct mail_addresses *recipients, int64_t now,
    struct session_act_part *part_r);
/* The act of this name is over: this mail begins another one, names->act. */
enum base_result session_acts_renew(struct session_acts *acts,
    const struct session_act_names *names, const struct mail_addresses *recipients, int64_t now,
    struct session_act_part *part_r);
/*
 * End of the message: as session_acts_enter(), now that the start of the body is known, by its
 * hash.
 */
enum base_result session_acts_settle(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, const struct mail_addresses *recipients,
    const unsigned char body[BASE_MAC_SIZE], int64_t now, struct session_act_part *part_r);
/*
 * A part is to be held: later ones share its fate, and what is still being looked at cannot
 * pass any more. Tells who has a part already; in the arena given.
 */
enum base_result session_acts_hold(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, enum settings_action action,
    struct session_act_left *left_r);
/* It could not be held after all: unless another part is, the others are judged by themselves. */
void session_acts_unhold(struct session_acts *acts, const struct session_act_names *names);
/*
 * May this part pass? Then it has: `count` recipients get it, of whom everybody can see those
 * of `visible`, one a line. False: another one was held; *held_r is what for.
 */
bool session_acts_pass(struct session_acts *acts, const struct session_act_names *names,
    size_t count, const char *visible, enum settings_action *held_r);
/* It leaves whatever was held, for a reason of its own. */
void session_acts_leave(struct session_acts *acts, const struct session_act_names *names,
    size_t count, const char *visible);
/* Waits, but not for long, until the first mail's fate is known. */
void session_acts_await(struct session_acts *acts, const struct session_act_names *names,
    struct session_act_part *part);

/* What was learned of an act before. */
struct session_act_lesson {
	bool is_message;   /* of a part with this very name */
	size_t recipients; /* of the largest audience that was learned; 0: none was */
};

/* An audience of so many is learned now, or when its hold is released; tells what was before. */
struct session_act_lesson session_acts_teach(
    struct session_acts *acts, const struct session_act_names *names, size_t recipients);

#endif
