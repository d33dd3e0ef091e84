/*
 * NAME
 *	history/value - what is usual for a sender, as answers to a judge's questions
 *
 * WHAT IT IS
 *	A recall knows every recipient of one send by its keyed hash, and what the sender and the
 *	site are used to. history_compare() holds the send against the audiences that the sender
 *	wrote to and received mail with, and against the mail that it answers. How all of it is
 *	kept is memory's own affair (record.h).
 *
 * OWNERSHIP
 *	A recall and what it points to live in the arena it was made with, or in the memory until
 *	the next observation when that was opened with observe_at_once. A comparison is a plain
 *	value.
 *
 * WEIGHTS
 *	Every weight counts events as of the send's time, each one halved for every 90 days that
 *	passed.
 */
#ifndef OOPS_HISTORY_VALUE_H
#define OOPS_HISTORY_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_SAMPLE 128       /* recipients that stand for an audience: the lowest hashes */
#define HISTORY_MAX_AUTHORS 4    /* counted of those who wrote to an audience received from */
#define HISTORY_MAX_LOOKALIKE 12 /* recipients up to which look-alikes are searched */
/* others in a parent from which answering all is a choice */
#define HISTORY_LARGE_PARENT 5
/* share of the parent's audience that makes a reply one to all */
#define HISTORY_WHOLE 0.6

/* How many people a send went to, in classes; see history_size_class(). */
#define HISTORY_SIZE_CLASSES 12

/* 1; 2; 3-4; 5-7; 8-10; 11-14; 15-24; 25-49; 50-99; 100-249; 250-999; more. */
static inline unsigned
history_size_class(size_t people)
{
	static const size_t last[HISTORY_SIZE_CLASSES - 1] = { 1, 2, 4, 7, 10, 14, 24, 49, 99, 249,
		999 };
	unsigned size_class = 0;

	while (size_class < HISTORY_SIZE_CLASSES - 1 && people > last[size_class])
		size_class++;
	return size_class;
}

/* How the site's own high percentile of scores is found. */
struct history_calibration {
	double quantile;      /* share of recent sends that stay below it */
	double tag_quantile;  /* the same for tags; above `quantile` it is not used */
	double margin;        /* of the share above that is used */
	double half_life;     /* sends after which a score counts half */
	unsigned long needed; /* sends before it means anything */
};

#define HISTORY_CALIBRATION                                                                        \
	(struct history_calibration)                                                               \
	{                                                                                          \
		.quantile = 0.999, .tag_quantile = 0.99, .margin = 0.72, .half_life = 4000,        \
		.needed = 1000                                                                     \
	}

/* Whose domain a recipient has. */
enum history_domain {
	HISTORY_DOMAIN_OWN,   /* of the sender's organisation (mail_is_inside()), or none */
	HISTORY_DOMAIN_KNOWN, /* an outside one that the sender wrote to before */
	HISTORY_DOMAIN_NEW,   /* an outside one that the sender is not known to have written to */
};

/* One distinct recipient of a send, and who that is to its sender. */
struct history_recipient {
	uint64_t hash;
	size_t index; /* in the transaction's recipients */

	/* Those beyond the recall's sample are not looked up: all of this is 0. */
	bool is_contact;       /* something is known of them */
	bool is_written_to;    /* ever */
	bool is_received_from; /* ever */
	double sent;           /* weight of mails to them */
	double alone;          /* of those with no other recipient */
	double received;       /* weight of mails from them */
	unsigned shared; /* audiences written to that it is in together with others of the sample */
	bool in_parent;  /* a member of the mail that is answered, as far as they were kept */
	enum history_domain domain; /* where the recall knows domains */
	/* of one never written to: a contact written to with almost the same address, 0 for none */
	uint64_t lookalike;
	uint64_t lookalike_name; /* the same of one with the same display name */
};

/* What one sender, or everybody here together, is used to. */
struct history_habits {
	bool is_known;          /* false: never seen, and all else is 0 */
	unsigned sends;         /* ever learned */
	unsigned largest;       /* audience ever, in people; of one sender alone */
	unsigned outside_sends; /* sends whose domains were learned; of one sender alone */
	/* weights of sends by size class, and of all, to be multiplied with `fade` */
	float sizes[HISTORY_SIZE_CLASSES];
	float total;
	double fade;
	/* weights of replies that could have gone to all of a large mail, and of those that did */
	double reply_all_possible, reply_all_done;
};

struct history_records;

/* What was found for one send. */
struct history_recall {
	uint64_t actor; /* keyed hash of the sender, 0 for none */
	struct history_habits sender, site;
	struct history_recipient *recipients; /* distinct, the sender left out, by hash */
	size_t count;
	size_t sample;          /* the first ones, which stand for all */
	bool knows_domains;     /* of the sample */
	bool knows_lookalikes;  /* false: no header, or too many recipients to search */
	bool has_parent;        /* the message that is answered is known */
	uint64_t parent_author; /* keyed hash of who wrote it, 0: unknown */
	double site_score;      /* the site's own high percentile of scores; 0: not enough seen */
	double site_tag_score;  /* a lower one, for tags; 0: not enough seen */
	double site_day;        /* sends of the site within the last 24 hours, about */
	const struct history_records *records; /* memory's own */
};

/* The recipient of this hash, or NULL. */
const struct history_recipient *history_recipient_find(
    const struct history_recall *recall, uint64_t hash);
/* Weight of the mails that the recall's sender, maybe of another address, wrote to this hash. */
double history_weight_sent(const struct history_recall *recall, uint64_t hash, int64_t now);

/* --- which message a send answers --------------------------------------------------- */

/*
 * With a thread row it is certain. Without (the mail program sent no In-Reply-To, or the
 * parent did not pass here) it is inferred: first from an audience received from whose last
 * writer is a recipient, and wrote nothing to the sender since, and most of whose members are
 * recipients too; else from the latest mail that the sender received from one of the
 * recipients. Nothing older than HISTORY_PARENT_DAYS is taken to be answered. Pure: memory
 * learns habits by it, judge judges.
 */
#define HISTORY_PARENT_DAYS 7

enum history_parent_kind {
	HISTORY_PARENT_NONE,
	HISTORY_PARENT_GIVEN,    /* by the thread row */
	HISTORY_PARENT_INFERRED, /* from what was received lately */
};

struct history_parent {
	enum history_parent_kind kind;
	uint64_t originator;
	uint32_t others;       /* people in the parent besides the sender */
	double taken;          /* share of them among the recipients, 0..1 */
	uint32_t time;         /* of the parent */
	uint64_t sum;          /* of the parent's members */
	bool is_small;         /* inferred from a mail to few: `taken` is a guess */
	bool is_own;           /* the sender answers an own message */
	bool was_member;       /* the sender was in the parent's audience */
	bool wrote_earlier;    /* the sender wrote earlier in this thread */
	bool is_choice;        /* a large audience could be answered, and its originator is written
			   to */
	unsigned answered_all; /* how many answered all before */
};

/* Does it take (almost) all of a large audience? */
static inline bool
history_parent_is_replied_to_all(const struct history_parent *answer)
{
	return answer->kind && !answer->is_small && answer->others >= HISTORY_LARGE_PARENT &&
	       answer->taken >= HISTORY_WHOLE;
}

/* --- the send, compared ------------------------------------------------------------- */

/* Exactly this audience, as the sender wrote to it before. */
struct history_sent_to {
	bool is_known;
	bool is_confirmed;   /* the sender was asked about it, and sent */
	bool is_steady;      /* at a steady interval */
	unsigned count;      /* times */
	int64_t first, last; /* seconds since 1970 */
	double weight;
	double gap, deviation; /* of the interval, smoothed, seconds */
};

/* The audience received from that is most like this one. */
struct history_received_from {
	bool is_known;                   /* false also of one that left only a mark */
	unsigned count;                  /* mails to it */
	unsigned authors;                /* people who wrote them, HISTORY_MAX_AUTHORS at most */
	unsigned author_changes;         /* mails by somebody else than the mail before */
	unsigned answered;               /* the sender's answers to all of it */
	unsigned replied_to_author_only; /* the sender's answers to its author alone */
};

/* How the sender got the mail that is answered. */
enum history_reach {
	HISTORY_REACH_UNKNOWN,
	HISTORY_REACH_TO,
	HISTORY_REACH_CC,
	HISTORY_REACH_LIST, /* named nowhere in it */
};

struct history_comparison {
	struct history_sent_to same;
	struct history_received_from received_from;
	struct history_parent answer;
	double best_cover;       /* largest share covered by one audience written to */
	double best_overlap;     /* largest likeness (Jaccard) with one */
	double received_overlap; /* 1: the same as one received from, with or without its author */
	bool is_due;             /* a mailing at a steady interval to almost this audience is due */
	bool is_size_due; /* the same of a mailing to about as many people, whoever they are */
	/* the recipients, with or without the sender, are the parent's audience to a man */
	bool is_parent_audience;
	bool is_parent_inside; /* the parent's members are of one organisation, the sender too */
	bool knows_hidden;     /* it is known who got the parent as Bcc ... */
	bool is_hidden;        /* ... and the sender did */
	enum history_reach reach;
	/* the author of what is answered, as a contact; all 0: none */
	struct history_recipient author;
};

/* `people` stand behind the recipients; `now`: the send's time. Pure. */
void history_compare(const struct history_recall *recall, size_t people, int64_t now,
    struct history_comparison *comparison_r);

#endif
