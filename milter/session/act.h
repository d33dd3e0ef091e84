/*
 * NAME
 *	session/act - the human acts of the last minutes: which transactions are one send
 *
 * WHAT IT DOES
 *	Remembers, for SESSION_ACT_SECONDS, who got the parts of an act so far and whether one
 *	of them was held, so that all parts are judged as one audience and share one decision.
 *	Two mails are parts of one act when they have the same name (sender, Message-ID, subject
 *	and Date); or when a client gave each part a Message-ID of its own: the same sender,
 *	subject, Date and start of the body, and nobody who got two of them. A first part that
 *	passed at the end of its header has no body that is known: it takes the one of the next
 *	part, so at most two mails that are alike but for their text are taken for one act.
 *
 * WHAT IT NEVER DOES
 *	It keeps nothing on disk. Names are keyed hashes; addresses are kept as long as the act.
 *	The key is the table's own, so that a new key of the site parts no act that is going on.
 *
 * BOUNDS
 *	SESSION_ACT_MAX acts and SESSION_ACT_BYTES of addresses; the oldest go first.
 *
 * THREADS
 *	Any: parts may come over several connections at the same time. Results are copies.
 *
 * DIAGNOSTICS
 *	OK; BROKEN: no memory (the mail is then an act of its own).
 */
#ifndef OOPS_SESSION_ACT_H
#define OOPS_SESSION_ACT_H

#include "milter/base/base.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

#define SESSION_ACT_SECONDS 300 /* as long as a part may still join a hold */
#define SESSION_ACT_MAX 8192
#define SESSION_ACT_BYTES (8u << 20) /* of all acts' addresses */

/* What a mail is called; all hashes by session_acts_key(), but one. */
struct session_act_names {
	unsigned char
	    act[BASE_MAC_SIZE]; /* by the site's key: what it is if it is the first */
	unsigned char id[BASE_MAC_SIZE];   /* sender, Message-ID, subject, Date */
	unsigned char like[BASE_MAC_SIZE]; /* sender, subject, Date */
	bool has_like; /* there is a Date, without which nothing is alike */
};

/* What is known of a mail's act. */
struct session_act_part {
	unsigned char act[BASE_MAC_SIZE]; /* of its first part's names: the same for all */
	struct mail_addresses others;     /* who got the parts before; in the arena given */
	bool wants_body; /* only the body can tell whether it is a part of an act */
	enum settings_action held; /* what a part was held for; PASS: none was */
};

struct session_acts;

struct session_acts *session_acts_new(void);
void session_acts_free(struct session_acts **acts);
const struct base_key *session_acts_key(const struct session_acts *acts);

/* End of the header: joins the act of this name or begins one. `now` in seconds. */
enum base_result session_acts_enter(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, const struct mail_addresses *recipients,
    int64_t now, struct session_act_part *part_r);
/* End of the message: the same, now that the start of the body is known, by its hash. */
enum base_result session_acts_settle(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, const struct mail_addresses *recipients,
    const unsigned char body[BASE_MAC_SIZE], int64_t now, struct session_act_part *part_r);
/* A part was held: later ones share its fate. */
void session_acts_held(struct session_acts *acts, const struct session_act_names *names,
    enum settings_action action);

/* What was learned of an act before. */
struct session_act_lesson {
	bool is_message;   /* of a part with this very name */
	size_t recipients; /* of the largest audience that was learned; 0: none was */
};

/* An audience of so many is learned now, or when its hold is released; tells what was before. */
struct session_act_lesson session_acts_teach(
    struct session_acts *acts, const struct session_act_names *names, size_t recipients);

#endif
