/*
 * NAME
 *	memory/value - what is usual for a sender, as answers to a judge's questions
 *
 * WHAT IT IS
 *	A recall knows every recipient of one send by its keyed hash, and what the sender and the
 *	site are used to. memory_compare() holds the send against the audiences that the sender
 *	wrote to and received mail with, and against the mail that it answers. How all of it is
 *	kept is memory's own affair (record.h).
 *
 * OWNERSHIP
 *	A recall and what it points to live in the arena it was made with, or in the memory until
 *	the next lesson when that was opened with learn_at_once. A comparison is a plain value.
 *
 * WEIGHTS
 *	Every weight counts events as of the send's time, each one halved for every 90 days that
 *	passed.
 */
#ifndef OOPS_MEMORY_VALUE_H
#define OOPS_MEMORY_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_SAMPLE 128   /* recipients that stand for an audience: the lowest hashes */
#define MEMORY_MAX_VOICES 4 /* counted of those who wrote to an audience received from */
#define MEMORY_MAX_ALIKE 12 /* recipients up to which look-alikes are searched */
/* others in a parent from which answering all is a choice */
#define MEMORY_LARGE_PARENT 5
/* share of the parent's audience that makes a reply one to all */
#define MEMORY_WHOLE 0.6

/* How many people a send went to, in classes; see memory_size_class(). */
#define MEMORY_SIZE_CLASSES 12

/* 1; 2; 3-4; 5-7; 8-10; 11-14; 15-24; 25-49; 50-99; 100-249; 250-999; more. */
static inline unsigned
memory_size_class(size_t people)
{
	static const size_t last[MEMORY_SIZE_CLASSES - 1] = { 1, 2, 4, 7, 10, 14, 24, 49, 99, 249,
		999 };
	unsigned size_class = 0;

	while (size_class < MEMORY_SIZE_CLASSES - 1 && people > last[size_class])
		size_class++;
	return size_class;
}

/* How the site's own high percentile of scores is found. */
struct memory_calibration {
	double quantile;      /* share of recent sends that stay below it */
	double tag_quantile;  /* the same for tags; above `quantile` it is not used */
	double margin;        /* of the share above that is used */
	double half_life;     /* sends after which a score counts half */
	unsigned long needed; /* sends before it means anything */
};

#define MEMORY_CALIBRATION                                                                         \
	(struct memory_calibration)                                                                \
	{                                                                                          \
		.quantile = 0.999, .tag_quantile = 0.99, .margin = 0.72, .half_life = 4000,        \
		.needed = 1000                                                                     \
	}

/* Whose domain a recipient has. */
enum memory_domain {
	MEMORY_DOMAIN_OWN,   /* of the sender's organisation (mail_is_inside()), or none */
	MEMORY_DOMAIN_KNOWN, /* an outside one that the sender wrote to before */
	MEMORY_DOMAIN_NEW,   /* an outside one that the sender is not known to have written to */
};

/* One distinct recipient of a send, and who that is to its sender. */
struct memory_recipient {
	uint64_t hash;
	size_t index; /* in the transaction's recipients */

	/* Those beyond the recall's sample are not looked up: all of this is 0. */
	bool is_contact;    /* something is known of them */
	bool is_written_to; /* ever */
	bool is_heard_from; /* ever */
	double sent;        /* weight of mails to them */
	double alone;       /* of those with no other recipient */
	double received;    /* weight of mails from them */
	unsigned shared; /* audiences written to that it is in together with others of the sample */
	bool in_parent;  /* a member of the mail that is answered, as far as they were kept */
	enum memory_domain domain; /* where the recall knows domains */
	/* of one never written to: a contact written to with almost the same address, 0 for none */
	uint64_t lookalike;
	uint64_t lookalike_name; /* the same of one with the same display name */
};

/* What one sender, or everybody here together, is used to. */
struct memory_habits {
	bool is_known;          /* false: never seen, and all else is 0 */
	unsigned sends;         /* ever learned */
	unsigned largest;       /* audience ever, in people; of one sender alone */
	unsigned outside_sends; /* sends whose domains were learned; of one sender alone */
	/* weights of sends by size class, and of all, to be multiplied with `fade` */
	float sizes[MEMORY_SIZE_CLASSES];
	float total;
	double fade;
	/* weights of replies that could have gone to all of a large mail, and of those that did */
	double could, did;
};

struct memory_records;

/* What was found for one send. */
struct memory_recall {
	uint64_t actor; /* keyed hash of the sender, 0 for none */
	struct memory_habits sender, site;
	struct memory_recipient *recipients; /* distinct, the sender left out, by hash */
	size_t count;
	size_t sample;          /* the first ones, which stand for all */
	bool knows_domains;     /* of the sample */
	bool knows_lookalikes;  /* false: no header, or too many recipients to search */
	bool has_parent;        /* the message that is answered is known */
	uint64_t parent_author; /* keyed hash of who wrote it, 0: unknown */
	double site_score;      /* the site's own high percentile of scores; 0: not enough seen */
	double site_tag_score;  /* a lower one, for tags; 0: not enough seen */
	double site_day;        /* sends of the site within the last 24 hours, about */
	const struct memory_records *records; /* memory's own */
};

/* The recipient of this hash, or NULL. */
const struct memory_recipient *memory_recipient_find(
    const struct memory_recall *recall, uint64_t hash);
/* Weight of the mails that the recall's sender, maybe of another address, wrote to this hash. */
double memory_weight_sent(const struct memory_recall *recall, uint64_t hash, int64_t now);

/* --- which message a send answers --------------------------------------------------- */

/*
 * With a thread row it is certain. Without (the mail program sent no In-Reply-To, or the
 * parent did not pass here) it is inferred: first from an audience received from whose last
 * writer is a recipient, and wrote nothing to the sender since, and most of whose members are
 * recipients too; else from the latest mail that the sender received from one of the
 * recipients. Nothing older than MEMORY_ANSWER_DAYS is taken to be answered. Pure: memory
 * learns habits by it, judge judges.
 */
#define MEMORY_ANSWER_DAYS 7

enum memory_answer_kind {
	MEMORY_ANSWER_NONE,
	MEMORY_ANSWER_GIVEN,    /* by the thread row */
	MEMORY_ANSWER_INFERRED, /* from what was received lately */
};

struct memory_answer {
	enum memory_answer_kind kind;
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
memory_answer_is_to_all(const struct memory_answer *answer)
{
	return answer->kind && !answer->is_small && answer->others >= MEMORY_LARGE_PARENT &&
	       answer->taken >= MEMORY_WHOLE;
}

/* --- the send, compared ------------------------------------------------------------- */

/* Exactly this audience, as the sender wrote to it before. */
struct memory_written {
	bool is_known;
	bool is_confirmed;   /* the sender was asked about it, and sent */
	bool is_steady;      /* at a steady interval */
	unsigned count;      /* times */
	int64_t first, last; /* seconds since 1970 */
	double weight;
	double gap, deviation; /* of the interval, smoothed, seconds */
};

/* The audience received from that is most like this one. */
struct memory_received {
	bool is_known;     /* false also of one that left only a mark */
	unsigned count;    /* mails to it */
	unsigned voices;   /* people who wrote them, MEMORY_MAX_VOICES at most */
	unsigned turns;    /* mails by somebody else than the mail before */
	unsigned answered; /* the sender's answers to all of it */
	unsigned declined; /* the sender's answers to its author alone */
};

/* How the sender got the mail that is answered. */
enum memory_reach {
	MEMORY_REACH_UNKNOWN,
	MEMORY_REACH_TO,
	MEMORY_REACH_CC,
	MEMORY_REACH_LIST, /* named nowhere in it */
};

struct memory_comparison {
	struct memory_written same;
	struct memory_received heard;
	struct memory_answer answer;
	double best_cover;    /* largest share covered by one audience written to */
	double best_overlap;  /* largest likeness (Jaccard) with one */
	double heard_overlap; /* 1: the same as one received from, with or without its author */
	bool is_due;          /* a mailing at a steady interval to almost this audience is due */
	bool is_size_due;     /* the same of a mailing to about as many people, whoever they are */
	/* the recipients, with or without the sender, are the parent's audience to a man */
	bool is_parent_audience;
	bool is_parent_inside; /* the parent's members are of one organisation, the sender too */
	bool knows_hidden;     /* it is known who got the parent as Bcc ... */
	bool is_hidden;        /* ... and the sender did */
	enum memory_reach reach;
	/* the author of what is answered, as a contact; all 0: none */
	struct memory_recipient author;
};

/* `people` stand behind the recipients; `now`: the send's time. Pure. */
void memory_compare(const struct memory_recall *recall, size_t people, int64_t now,
    struct memory_comparison *comparison_r);

#endif
