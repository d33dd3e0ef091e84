/*
 * NAME
 *	history/record - what is kept of a sender, of a thread and of the site, decoded
 *
 * WHAT IT IS
 *	The inside of value.h: bits, slots and sketches that only this module reads and writes.
 *
 * OWNERSHIP
 *	Decoded records live in the arena of the recall, or in the memory until the next
 *	observation when it was opened with observe_at_once.
 *
 * WEIGHTS
 *	Every weight counts events, each one halved for every HISTORY_HALF_LIFE that passed.
 *	They are kept as of the record's `epoch`; history_fade() brings them to a given time.
 *
 * BOUNDS
 *	Every record is bounded, however much was learned: HISTORY_MAX_RECORD bytes encoded.
 *
 * PRIVACY
 *	No address and no message id, only keyed 64-bit hashes of them. Of outside domains
 *	written to there are hashes too; who forgets an address does not forget its domain. Of a
 *	contact's display name there is a keyed hash of 32 bits, which goes with the contact.
 */
#ifndef OOPS_HISTORY_RECORD_H
#define OOPS_HISTORY_RECORD_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "milter/history/value.h"

#define HISTORY_HALF_LIFE (90.0 * 86400) /* seconds */
#define HISTORY_MAX_RECORD 40960         /* bytes of an encoded record */

#define HISTORY_MAX_CONTACTS 512 /* people a profile knows */
#define HISTORY_MAX_SENT 64      /* audiences written to; one bit each in a contact */
#define HISTORY_MAX_RECEIVED 32  /* audiences received from */
#define HISTORY_MAX_LISTS 1024   /* marks of large ones */
#define HISTORY_MAX_DOMAINS 64   /* outside domains written to */
#define HISTORY_SKETCH 16        /* members kept of an audience received from */
#define HISTORY_MAX_MEMBERS 64   /* members kept of a thread: the lowest hashes */
#define HISTORY_MAX_HIDDEN 32    /* who got a thread's message as Bcc */
#define HISTORY_MAX_REPLIERS 8   /* who wrote earlier in a thread */
#define HISTORY_NO_SLOT 255
#define HISTORY_RECEIVED_MIN 5 /* people from which an audience received from is kept */
#define HISTORY_LIST_MIN 12    /* people from which it leaves a mark */

/* How many others the parent had, in classes: 5-9, 10-24, 25 or more. */
#define HISTORY_PARENT_CLASSES 3

/* One person that the profile's owner wrote to or received from. */
struct history_contact {
	uint64_t hash;
	uint64_t audiences; /* bit i: belongs to sent[i] */
	float sent;         /* weight of mails to this person */
	float alone;        /* of those with no other recipient */
	float received;     /* weight of mails from this person */
	uint32_t last_sent; /* seconds since 1970, 0 never */
	uint32_t last_received;
	uint32_t name; /* keyed hash of the display name last seen, 0 for none */
	/* heard[] of the last mail received, HISTORY_NO_SLOT if small */
	uint8_t received_from;
	uint8_t received_size; /* recipients of the last mail received, at most 255 */
};

/* When the sends of one kind come. Several within hours are one occasion. */
struct history_rhythm {
	uint32_t count;  /* occasions */
	uint32_t last;   /* seconds since 1970 */
	float gap;       /* seconds between two, smoothed */
	float deviation; /* of the gap, smoothed */
};

/* Likeness of two audiences from which they are taken for one that has changed a little. */
#define HISTORY_ALMOST 0.9

/* An audience of two or more that the owner wrote to; a list may be the only recipient. */
struct history_sent_audience {
	uint64_t sum;  /* of the recipients' hashes, owner left out */
	uint32_t size; /* recipients, 0: free slot */
	uint32_t first;
	uint32_t last; /* seconds since 1970 */
	uint32_t count;
	float weight;
	struct history_rhythm rhythm; /* of this audience and those before it, almost the same */
	bool is_confirmed;            /* the owner was asked about it, and sent */
};

/* An audience that the owner received mail with. */
struct history_received_audience {
	uint64_t sum; /* of all members' hashes: originator, recipients, the owner too */
	uint64_t authors[HISTORY_MAX_AUTHORS];
	uint64_t last_author;
	uint32_t size; /* people besides the owner, 0: free slot */
	uint32_t last;
	uint32_t count;
	uint32_t sketch[HISTORY_SKETCH]; /* high halves of the lowest hashes, owner left out */
	uint8_t sketch_count;
	uint8_t author_count;
	uint16_t author_changes;        /* mails by somebody else than the mail before */
	uint8_t answered;               /* the owner's answers to all of it, at most 255 */
	uint8_t replied_to_author_only; /* the owner's answers to its author alone, at most 255 */
};

/*
 * A mark of a large audience that the owner received mail with, by one of its authors. It stays
 * when the audience's record is gone; when there are HISTORY_MAX_LISTS of them, the oldest goes.
 */
struct history_list {
	uint32_t with;    /* high half of the sum of all members' hashes */
	uint32_t without; /* the same, the author left out */
};

struct history_profile {
	int64_t epoch;  /* of the weights */
	uint32_t first; /* first send, 0 never */
	uint32_t last;  /* last send */
	uint32_t sends; /* ever learned */
	uint32_t received;
	uint32_t largest; /* largest audience ever */
	float sizes[HISTORY_SIZE_CLASSES];
	float total;                                      /* of sizes */
	float reply_all_possible[HISTORY_PARENT_CLASSES]; /* replies that could have gone to all */
	float reply_all_done[HISTORY_PARENT_CLASSES];     /* those that did */

	struct history_contact *contacts; /* sorted by hash */
	size_t contact_count;
	size_t contact_capacity; /* allocated; for memory only */
	struct history_sent_audience *sent;
	size_t sent_count;
	size_t sent_capacity;
	struct history_received_audience *received_from;
	size_t received_count;
	size_t received_capacity;
	struct history_list *lists;
	size_t list_count;
	size_t list_capacity;
	size_t list_next;  /* when full: which one goes next */
	uint64_t *domains; /* outside domains written to, the latest last */
	size_t domain_count;
	size_t domain_capacity;
	uint32_t domain_sends;                               /* sends whose domains were learned */
	struct history_rhythm rhythms[HISTORY_SIZE_CLASSES]; /* of sends to about as many */
};

/* One message that others may answer. */
struct history_thread {
	uint64_t originator;
	uint64_t sum;                          /* of all members' hashes, originator too */
	uint32_t size;                         /* members */
	uint32_t time;                         /* when it passed, seconds since 1970 */
	uint64_t members[HISTORY_MAX_MEMBERS]; /* sorted */
	uint64_t hidden[HISTORY_MAX_HIDDEN];   /* recipients named in no header field, sorted */
	uint64_t copied[HISTORY_MAX_HIDDEN];   /* members in Cc and not in To, sorted */
	uint64_t repliers[HISTORY_MAX_REPLIERS];
	uint8_t member_count;
	uint8_t hidden_count;
	uint8_t copied_count;
	uint8_t replier_count;
	uint8_t answered_all; /* answers to all in this thread so far, at most 255 */
	bool has_header;      /* To or Cc was there, so who is hidden is known */
	bool knows_copied;    /* false: a record of before that was kept */
	bool is_one_domain;   /* all members are of the originator's organisation */
};

#define HISTORY_SCORE_BINS 480 /* of 0.05, by the logarithm of the odds, from -8 */

/* The site as a whole: what a new sender is compared with, and its own recent scores. */
struct history_global {
	int64_t epoch;
	uint32_t sends;
	float sizes[HISTORY_SIZE_CLASSES];
	float total;
	float reply_all_possible[HISTORY_PARENT_CLASSES];
	float reply_all_done[HISTORY_PARENT_CLASSES];
	float scores[HISTORY_SCORE_BINS]; /* recent sends, by the logarithm of the odds */
	float score_total;
	float score_gain;      /* what the next score adds; grows, so that older ones fade */
	uint32_t day;          /* since 1970, UTC, of the latest send */
	uint32_t day_sends[2]; /* judged on that day, and on the one before */
};

/* Sends of the 24 hours before `now`, the day before counted in proportion. */
double history_global_day(const struct history_global *site, int64_t now);

/* What a recall found; NULL: never seen. */
struct history_records {
	const struct history_profile *profile;
	const struct history_thread *thread; /* of the parent message */
	const struct history_global *site;
	const uint64_t
	    *hashes;  /* of the recall's recipients: sorted, distinct, the sender left out */
	uint64_t sum; /* of them */
};

/* What a weight of `epoch` is multiplied with to be one of `now`. */
static inline double
history_fade(int64_t epoch, int64_t now)
{
	return exp2((double)(epoch - now) / HISTORY_HALF_LIFE);
}

/* A send passed. */
void history_rhythm_observe(struct history_rhythm *rhythm, int64_t now);
/* Do the sends come at a steady interval? */
bool history_rhythm_is_steady(const struct history_rhythm *rhythm);
/* Is the next one of them due about now? */
bool history_rhythm_is_due(const struct history_rhythm *rhythm, int64_t now);

/*
 * Likeness (Jaccard) of `count` recipients with an audience written to, when `covered` of a
 * sample of them are in it.
 */
static inline double
history_sent_likeness(
    const struct history_sent_audience *sent, size_t covered, size_t sample, size_t count)
{
	double cover = (double)covered / (double)sample, all = (double)count;
	double common = cover * all;

	return common > sent->size ? sent->size / all : common / (all + sent->size - common);
}

static inline unsigned
history_parent_class(size_t others)
{
	return others < 10 ? 0 : others < 25 ? 1 : 2;
}

/* Where `hash` is, or would be, among sorted hashes. */
static inline size_t
history_hash_index(const uint64_t *sorted, size_t count, uint64_t hash)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sorted[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline bool
history_hash_has(const uint64_t *sorted, size_t count, uint64_t hash)
{
	size_t place = history_hash_index(sorted, count, hash);

	return place < count && sorted[place] == hash;
}

/* Is a member whose high half is `half` among sorted hashes? */
static inline bool
history_sketch_has(const uint64_t *sorted, size_t count, uint32_t half)
{
	size_t place = history_hash_index(sorted, count, (uint64_t)half << 32);

	return place < count && (uint32_t)(sorted[place] >> 32) == half;
}

/* Where a contact is, or would be, in a profile. */
static inline size_t
history_contact_index(const struct history_profile *profile, uint64_t hash)
{
	size_t low = 0, high = profile->contact_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (profile->contacts[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline const struct history_contact *
history_contact_find(const struct history_profile *profile, uint64_t hash)
{
	size_t place = profile ? history_contact_index(profile, hash) : 0;

	if (!profile || place == profile->contact_count || profile->contacts[place].hash != hash)
		return NULL;
	return &profile->contacts[place];
}

/*
 * `recipients` sorted, distinct, the sender left out; `people` stand behind them. Profile and
 * thread may be NULL.
 */
struct history_parent history_parent_find(const struct history_profile *profile,
    const struct history_thread *thread, uint64_t sender, const uint64_t *recipients, size_t count,
    size_t people, int64_t now);

#endif
