/*
 * NAME
 *	session/submission - the submissions of the last minutes: which transactions are one send
 *
 * WHAT IT DOES
 *	Remembers, for SESSION_SUBMISSION_SECONDS, who got the queue entries of a submission so far
 *	and whether one of them was held, so that all queue entries are judged as one audience and
 *	share one decision. Two mails are queue entries of one submission when they have the same
 *	name (sender, Message-ID, subject, Date, To and Cc; two persons who send as one address are
 *	two senders); or when a client gave each queue entry a Message-ID of its own: the same
 *	sender, subject, Date and start of the body, and nobody who got two of them. A first queue
 *	entry that passed at the end of its header has no body that is known: it takes the one of
 *	the next queue entry, so at most two mails that are alike but for their text are taken for
 *	one submission. A mail to one person whom alone it names is a mail of its own, however many
 *	like it there are: the queue entries of one mail that a client has split name the same
 *	people.
 *
 *	An entry of a submission that comes again, to somebody who got one or with another To or Cc,
 *	may also be a new submission under the old name: it is one when the submission's hold was
 *	stopped meanwhile, which only the caller can know (session_submissions_renew()).
 *
 *	A mail that answers one of the same sender's mails of the last minutes, to just the same
 *	people, is one more mail of that submission: a series of patches, or "I forgot the
 *	attachment". It shares the fate of the first one. Once a queue entry was held, none passes
 *	any more, and what had passed until then is known. What comes after its author stopped the
 *	hold is held by itself, see hold_create_limited().
 *
 * WHAT IT NEVER DOES
 *	It keeps nothing on disk. Names are keyed hashes; addresses are kept as long as the
 *	submission. The key is the table's own, so that a new key of the site splits no submission
 *	that is going on.
 *
 * BOUNDS
 *	SESSION_SUBMISSION_MAX submissions and SESSION_SUBMISSION_BYTES of addresses, of which one
 *	sender has a share (SESSION_SUBMISSION_SHARE); the oldest go first.
 *
 * THREADS
 *	Any: queue entries may come over several connections at the same time. Results are copies.
 *
 * DIAGNOSTICS
 *	OK; BROKEN: no memory. The mail is then judged by itself, but for what another queue entry
 *	of it that is known already decides.
 */
#ifndef OOPS_SESSION_SUBMISSION_H
#define OOPS_SESSION_SUBMISSION_H

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

#define SESSION_SUBMISSION_SECONDS 300 /* as long as a queue entry may still join a hold */
#define SESSION_SUBMISSION_MAX 8192
#define SESSION_SUBMISSION_BYTES (8u << 20) /* of all submissions' addresses */
#define SESSION_SUBMISSION_NAMES 65536      /* of all submissions */
#define SESSION_SUBMISSION_SHARE 8          /* one sender has this share of it at most */
#define SESSION_SUBMISSION_PARENTS 3
#define SESSION_SUBMISSION_LEFT_BYTES 2048 /* of the addresses of who has it already */

/* What a mail is called; all hashes by session_submissions_key(), but one. */
struct session_submission_names {
	/* by the site's key: what it is if it is the first */
	unsigned char submission[BASE_MAC_SIZE];
	unsigned char author[BASE_MAC_SIZE]; /* sender */
	unsigned char id[BASE_MAC_SIZE];     /* sender, Message-ID, subject, Date, To, Cc */
	unsigned char like[BASE_MAC_SIZE];   /* sender, subject, Date */
	bool has_like;                       /* there is a Date, without which nothing is alike */
	unsigned char header[BASE_MAC_SIZE]; /* To and Cc */
	bool is_individual;                  /* it goes to one person, whom alone it names */
	unsigned char thread[BASE_MAC_SIZE]; /* sender, Message-ID */
	bool has_thread;
	/* as thread: what it answers */
	unsigned char parents[SESSION_SUBMISSION_PARENTS][BASE_MAC_SIZE];
	size_t parent_count;
	/* whom it goes to, as far as this queue entry tells */
	unsigned char audience[BASE_MAC_SIZE];
};

/* What is known of a mail's submission. */
struct session_submission_entry {
	/* of its first queue entry's names: the same for all */
	unsigned char submission[BASE_MAC_SIZE];
	struct mail_addresses others; /* who got the queue entries before; in the arena given */
	/* only the body can tell whether it is a queue entry of a submission */
	bool wants_body;
	enum settings_action held; /* what a queue entry is held for; PASS: none is */
	int64_t mail;              /* which mail of the submission it is; 0: the first one */
	bool has_passed;           /* a queue entry of the first one has left */
	bool is_open;              /* nothing is known of the first one's fate yet */
	bool is_repeat; /* no client splits like this: somebody got it, or To or Cc differ */
};

/* Who has a queue entry of a submission that is held now. */
struct session_submission_left {
	size_t count;   /* recipients */
	const char *to; /* some of them, whom everybody can see; one a line */
};

struct session_submissions;

struct session_submissions *session_submissions_new(void);
void session_submissions_free(struct session_submissions **submissions);
const struct base_key *session_submissions_key(const struct session_submissions *submissions);

/* End of the header: joins the submission of this name or begins one. `now` in seconds. */
enum base_result session_submissions_enter(struct session_submissions *submissions,
    struct base_arena *arena, const struct session_submission_names *names,
    const struct mail_addresses *recipients, int64_t now, struct session_submission_entry *entry_r);
/* The submission of this name is over: this mail begins another one, names->submission. */
enum base_result session_submissions_renew(struct session_submissions *submissions,
    const struct session_submission_names *names, const struct mail_addresses *recipients,
    int64_t now, struct session_submission_entry *entry_r);
/*
 * End of the message: as session_submissions_enter(), now that the start of the body is known, by
 * its hash.
 */
enum base_result session_submissions_commit(struct session_submissions *submissions,
    struct base_arena *arena, const struct session_submission_names *names,
    const struct mail_addresses *recipients, const unsigned char body[BASE_MAC_SIZE], int64_t now,
    struct session_submission_entry *entry_r);
/*
 * A queue entry is to be held: later ones share its fate, and what is still being looked at cannot
 * pass any more. Tells who has got it already; in the arena given.
 */
enum base_result session_submissions_hold(struct session_submissions *submissions,
    struct base_arena *arena, const struct session_submission_names *names,
    enum settings_action action, struct session_submission_left *left_r);
/*
 * It could not be held after all: unless another queue entry is, the others are judged by
 * themselves.
 */
void session_submissions_unhold(
    struct session_submissions *submissions, const struct session_submission_names *names);
/*
 * May this queue entry pass? Then it has: `count` recipients get it, of whom everybody can see
 * those of `visible`, one a line. False: another one was held; *held_r is what for.
 */
bool session_submissions_pass(struct session_submissions *submissions,
    const struct session_submission_names *names, size_t count, const char *visible,
    enum settings_action *held_r);
/* It leaves whatever was held, for a reason of its own. */
void session_submissions_leave(struct session_submissions *submissions,
    const struct session_submission_names *names, size_t count, const char *visible);
/* Waits, but not for long, until the first mail's fate is known. */
void session_submissions_await(struct session_submissions *submissions,
    const struct session_submission_names *names, struct session_submission_entry *entry);

/* What was learned of a submission before. */
struct session_submission_observation {
	bool is_message;   /* of a queue entry with this very name */
	size_t recipients; /* of the largest audience that was learned; 0: none was */
};

/* An audience of so many is learned now, or when its hold is released; tells what was before. */
struct session_submission_observation session_submissions_observe(
    struct session_submissions *submissions, const struct session_submission_names *names,
    size_t recipients);

#endif
