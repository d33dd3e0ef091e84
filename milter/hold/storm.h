/*
 * NAME
 *	hold/storm - the block on answers to everybody, when too many come in a short time
 *
 * WHAT IT DOES
 *	Counts the people who answered everybody in one topic, which is a thread. When there
 *	were as many within the window as the limits allow, a block is on for a while: who
 *	answers everybody in it then is held (HOLD_STORM). One person who answers often is one. It
 *	ends by itself, and what it held is sent or returned; or somebody lifts it, and what it held
 *	is sent at once, and the topic is left alone for as long as a block lasts. It is written
 *	down with the held mail, so a restart changes nothing and all nodes share it.
 *
 *	ON -> LIFTED -> OVER    by the owner's link, or by an admin
 *	ON -> OVER              by its time
 *
 *	To the owner of the list a block is shown as a hold is to its sender: a hold_view with
 *	the action HOLD_BLOCK, of the states HELD (it is on) and SENT (it was lifted, or is
 *	over). Letters and tokens of hold.h work for both.
 *
 *	Who answered is kept by name for as long as the window, and a few of them while the
 *	block is on, so that its owner can be told.
 *
 * WHAT IT NEVER DOES
 *	It reads nothing for mail that is no answer to everybody: the caller asks only then. A
 *	part or a repetition of an answer that was let through is let through.
 *
 * AUDIT
 *	event=storm with what=started, lifted or ended.
 *
 * DIAGNOSTICS
 *	As hold.h. hold_storm_lift(): REFUSE, it is not on any more.
 */
#ifndef OOPS_HOLD_STORM_H
#define OOPS_HOLD_STORM_H

#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"

enum hold_storm_state { HOLD_STORM_ON = 1, HOLD_STORM_LIFTED, HOLD_STORM_OVER };

const char *hold_storm_state_str(enum hold_storm_state state);

#define HOLD_STORM_IDS (4 * BASE_KEY_MAX) /* message ids by which a thread is known */
/* Answers are forgotten after this; no window is longer. */
#define HOLD_STORM_MAX_WINDOW 86400

struct hold_storm_limits {
	size_t replies;       /* people whose answers pass within the window */
	int64_t window;       /* seconds */
	int64_t span;         /* seconds a block lasts */
	enum mail_end on_end; /* of what it holds: RETURN or SEND */
};

/*
 * One answer to everybody. What is named by hashes is a keyed MAC; what may have been named
 * before by an earlier key of the site comes by each of them, by the current one first.
 */
struct hold_storm_reply {
	const char *list; /* the largest one it goes to, "" for none */
	unsigned char topics[BASE_KEY_MAX][BASE_MAC_SIZE]; /* the first mail of the thread */
	size_t topic_count;
	unsigned char ids[HOLD_STORM_IDS][BASE_MAC_SIZE]; /* of a thread: what it answers */
	size_t id_count;
	unsigned char message[BASE_MAC_SIZE]; /* the answer itself, made as ids are */
	/* the same for its queue entries, by whichever key */
	unsigned char submission[BASE_MAC_SIZE];
	unsigned char sender[BASE_MAC_SIZE]; /* the proved person, not who stands in From */
	const char *person;                  /* the same as an address, to be named to the owner */
	/* by which a thread is known to those who do not say what they answer */
	unsigned char alias[BASE_MAC_SIZE];
	bool has_alias;
	unsigned long people;
	const char *owner; /* who is told when a block begins, "" nobody */
	const char *subject;
	const char *language;
};

/* The block that is on. */
struct hold_storm_block {
	char id[BASE_ID_SIZE];
	int64_t until;   /* seconds since 1970 */
	size_t answers;  /* that passed within the window before it began */
	size_t repliers; /* people who wrote them */
	enum mail_end on_end;
};

/* OK: a block is on, hold it. NONE: it may pass, and is counted. */
enum base_result hold_storm_ask(struct hold *hold, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, struct hold_storm_block *block_r, const char **why_r);

/*
 * Ends a block and sends what it holds. `by`: "link" or "admin"; `client`: the address of the
 * link's reader, for the audit, or NULL.
 */
enum base_result hold_storm_lift(
    struct hold *hold, const char *id, const char *by, const char *client, const char **why_r);

/* One storm, for an admin's list. Times in seconds since 1970. */
struct hold_storm_view {
	const char *id;
	enum hold_storm_state state;
	const char *list;        /* "" for a thread */
	const char *owner;       /* "" for nobody */
	const char *subject;     /* "" once it is over */
	const char *answered_by; /* some of those who answered, one a line; "" once it is over */
	unsigned long people;
	size_t answers, repliers;
	size_t held; /* mails it has held so far */
	enum mail_end on_end;
	int64_t started, until, ended;
	const char *by; /* who ended it */
	int64_t letter_sent;
};

/* Newest first, at most 200; only those that are not over, or all. */
enum base_result hold_storm_each(struct hold *hold, bool all,
    void (*each)(void *context, const struct hold_storm_view *view), void *context,
    const char **why_r);

#endif
