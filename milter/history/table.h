/*
 * NAME
 *	history/table - what table.c and table_observe.c share; private to them
 *
 * OWNERSHIP
 *	Records live in the table's arena until it is written or reset.
 */
#ifndef OOPS_HISTORY_TABLE_H
#define OOPS_HISTORY_TABLE_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"

#define TABLE_SITE_KEY 0

/*
 * Why every observation fits, whatever its people have heard: a transaction ends between two
 * observations once its records take TABLE_FULL of the arena, and within one, before the next
 * recipient, once they take TABLE_CUT. From there on one step is left: a recipient's profile, or a
 * sender's with the site's record and two threads'. A list that grows leaves what it outgrew
 * behind, at most as much again; bytes that turn out to be no record leave as much once more; small
 * pieces can leave half of a block unused.
 */
#define TABLE_FULL(max_bytes) ((max_bytes) / 4)
#define TABLE_CUT(max_bytes) ((max_bytes) / 2)
#define TABLE_LIST(count, type) (((count) + 1) * sizeof(type))
#define TABLE_PROFILE_BYTES                                                                        \
	(sizeof(struct history_profile) +                                                          \
	    TABLE_LIST(HISTORY_MAX_CONTACTS, struct history_contact) +                             \
	    TABLE_LIST(HISTORY_MAX_SENT, struct history_sent_audience) +                           \
	    TABLE_LIST(HISTORY_MAX_RECEIVED, struct history_received_audience) +                   \
	    TABLE_LIST(HISTORY_MAX_LISTS, struct history_list) +                                   \
	    TABLE_LIST(HISTORY_MAX_DOMAINS, uint64_t))
#define TABLE_STEP_BYTES                                                                           \
	(2 * 3 *                                                                                   \
	    (TABLE_PROFILE_BYTES + sizeof(struct history_global) +                                 \
		2 * sizeof(struct history_thread)))
_Static_assert(TABLE_CUT(HISTORY_TABLE_BYTES) + TABLE_STEP_BYTES <= HISTORY_TABLE_BYTES,
    "one step of a lesson does not fit");

/* One observation, decoded: its people, and their hashes once more. */
#define TABLE_SCRATCH (256u << 10)
_Static_assert(
    2 * HISTORY_OBSERVATION_PEOPLE * (sizeof(struct history_person) + sizeof(uint64_t)) <=
	TABLE_SCRATCH,
    "a lesson does not fit");

struct table_slot {
	uint64_t key;
	enum store_record kind;
	bool is_used;
	bool is_changed;
	void *record; /* NULL: known not to be there */
	int64_t time; /* of the last observation */
};

struct history_table {
	struct store *store;
	bool is_begun; /* the store's write lock is ours */
	bool was_cut;  /* the observation before was written in several transactions */
	size_t max_bytes;
	struct history_forgotten *forgotten; /* what must not be written back; mostly none */
	size_t forgotten_count;
	struct base_arena *arena;   /* records */
	struct base_arena *scratch; /* of one observation */
	struct base_arena *row;     /* of one record as bytes */
	struct table_slot *slots;
	size_t slot_count; /* a power of two */
	size_t used;
	double half_life; /* of the site's scores, in sends */
};

/* A record to change, made of `size` zero bytes when it is new; BROKEN: no more room. */
enum base_result history_table_change(struct history_table *table, enum store_record kind,
    uint64_t key, size_t size, int64_t time, void **record_r, const char **why_r);

#endif
