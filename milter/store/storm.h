/*
 * NAME
 *	store/storm - rows of storms and of answers to everybody, in holds.db; see store.h for what
 *	all calls have in common
 */
#ifndef OOPS_STORE_STORM_H
#define OOPS_STORE_STORM_H

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

/* A block on answers to everybody in one topic. Times in milliseconds since 1970; 0: never. */
struct store_storm {
	const char *id;
	const char *node;        /* whose mailer writes the letter */
	struct store_blob topic; /* keyed hash of a list's address or a thread's message id */
	const char *list;        /* its address, "" for a thread */
	const char *owner;       /* who gets the letter, "" for nobody */
	const char *subject;     /* of the answer that was too many; emptied when it is over */
	const char *language;
	int state;        /* enum hold_storm_state */
	int64_t people;   /* whom the answers reach */
	int64_t answers;  /* when it began */
	int64_t repliers; /* people who had written them */
	int64_t started;
	int64_t until;      /* when the present state ends by itself */
	int64_t span;       /* seconds */
	int on_end;         /* enum mail_end */
	int64_t ended;      /* when it was lifted or over */
	const char *by;     /* who ended it */
	int64_t letter_due; /* 0: no letter waits */
	int letter_tries;
	int64_t letter_sent;
	/* some of those who had answered, one a line; emptied when it is over */
	const char *answered_by;
};

/* One answer to everybody that was let through. */
struct store_reply {
	struct store_blob topic;
	struct store_blob message; /* keyed hash of its Message-ID */
	struct store_blob submission;
	struct store_blob sender;
	int64_t time;
	const char *person; /* the address of who answered; forgotten ... */
	int64_t forget;     /* ... at this time, 0: it is not known (any more) */
};

enum store_storm_set {
	STORE_STORMS_OPEN, /* not over, newest first */
	STORE_STORMS_ALL,  /* newest first */
};

enum base_result store_storm_insert(
    struct store *store, const struct store_storm *storm, const char **why_r);
/* Writes every field, but only if its state in the database still is `expected`; else NONE. */
enum base_result store_storm_update(
    struct store *store, const struct store_storm *storm, int expected, const char **why_r);
enum base_result store_storm_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_storm **storm_r, const char **why_r);
/* The storm a token opens, if the token has not expired at `now`. */
enum base_result store_storm_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_storm **storm_r,
    const char **why_r);
/* The newest storm of a topic that is not over and goes on beyond `now`. */
enum base_result store_storm_by_topic(struct store *store, struct base_arena *arena,
    const struct store_blob *topic, int64_t now, struct store_storm **storm_r, const char **why_r);
/* Up to `capacity` storms of a set. */
enum base_result store_storm_some(struct store *store, struct base_arena *arena,
    enum store_storm_set set, struct store_storm **storms_r, size_t capacity, size_t *count_r,
    const char **why_r);
/* The holds of a storm that are in one of two states: their time is over now, and ends so. */
enum base_result store_storm_release(struct store *store, const char *id, const int states[2],
    int64_t now, int on_end, const char **why_r);
/* How many holds a storm has had. */
enum base_result store_storm_held(
    struct store *store, const char *id, size_t *count_r, const char **why_r);
/* Has a sender a hold of this storm with a letter that was sent or waits? NONE: no. */
enum base_result store_storm_told(
    struct store *store, const char *id, const char *sender, const char **why_r);
/* Removes storms that ended before `time` with their tokens, and answers before `answers_time`. */
enum base_result store_storm_purge(
    struct store *store, int64_t time, int64_t answers_time, const char **why_r);
/* Takes an address out of all storms, as their list and as their owner, who gets no letter then. */
enum base_result store_storm_forget(struct store *store, const char *address, const char **why_r);
/* REFUSE: this message of this topic is there already. */
enum base_result store_answer_insert(
    struct store *store, const struct store_reply *answer, const char **why_r);
/* Is an answer of this submission there? NONE: no. */
enum base_result store_answer_has(struct store *store, const struct store_blob *topic,
    const struct store_blob *submission, const char **why_r);
/* The topic of a message that was an answer itself. */
enum base_result store_answer_topic(struct store *store, struct base_arena *arena,
    const struct store_blob *message, struct store_blob *topic_r, const char **why_r);
/* Some people who answered since a time, by their addresses, one a line; the first ones first. */
enum base_result store_answer_people(struct store *store, struct base_arena *arena,
    const struct store_blob *topic, int64_t since, size_t capacity, const char **people_r,
    const char **why_r);
/* Forgets the addresses whose time is over at `now`; NONE: there was none. */
enum base_result store_answer_forget(struct store *store, int64_t now, const char **why_r);
/* How many submissions, and of how many senders, since a time. */
enum base_result store_answer_count(struct store *store, const struct store_blob *topic,
    int64_t since, size_t *answers_r, size_t *repliers_r, const char **why_r);

#endif
