/*
 * NAME
 *	store/queue_entry - rows of the queue files of holds, and the tokens of letters, in
 *	holds.db; see store.h for what all calls have in common
 */
#ifndef OOPS_STORE_ENTRY_H
#define OOPS_STORE_ENTRY_H

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

/* One queue file of a hold. What memory learns if it is sent lies beside it, see below. */
struct store_entry {
	const char *hold_id;
	const char *queue_id;
	int state; /* enum hold_entry_state */
	int64_t created;
	int64_t returned; /* when the MTA took a letter with its message to its author; 0: not */
	int64_t asked;    /* when we began to ask the queue to act on it; 0: not yet */
	int64_t mail;     /* which mail of the hold it is a file of; 0 is the first */
};

enum base_result store_entry_insert(struct store *store, const struct store_entry *entry,
    const void *observation, size_t observation_length, const char **why_r);
/*
 * All but the observation of a queue entry and the number of its mail. NONE: no such queue
 * entry.
 */
enum base_result store_entry_update(
    struct store *store, const struct store_entry *entry, const char **why_r);
/*
 * Another queue id for a queue entry: the MTA renamed its file. NONE: no such queue entry, or the
 * hold has a part of that name.
 */
enum base_result store_entry_rename(
    struct store *store, const struct store_entry *entry, const char *queue_id, const char **why_r);
/* The observation of a queue entry, empty once it is wiped. */
enum base_result store_entry_observation(struct store *store, struct base_arena *arena,
    const struct store_entry *entry, struct store_blob *observation_r, const char **why_r);
/* Forgets the observations of all queue entries of a hold. */
enum base_result store_entry_wipe(struct store *store, const char *hold_id, const char **why_r);
enum base_result store_entry_list(struct store *store, struct base_arena *arena,
    const char *hold_id, struct store_entry **entries_r, size_t *count_r, const char **why_r);

enum base_result store_token_insert(struct store *store, const unsigned char hash[BASE_HASH_SIZE],
    const char *hold_id, int64_t expires, const char **why_r);

#endif
