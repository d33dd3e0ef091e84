/*
 * NAME
 *	store/part - rows of the queue files of holds, and the tokens of letters, in holds.db; see
 *	store.h for what all calls have in common
 */
#ifndef OOPS_STORE_PART_H
#define OOPS_STORE_PART_H

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

/* One queue file of a hold. What memory learns if it is sent lies beside it, see below. */
struct store_part {
	const char *hold_id;
	const char *queue_id;
	int state; /* enum hold_part_state */
	int64_t created;
	int64_t returned; /* when the MTA took a letter with its message to its author; 0: not */
	int64_t asked;    /* when we began to ask the queue to act on it; 0: not yet */
	int64_t mail;     /* which mail of the hold it is a file of; 0 is the first */
};

enum base_result store_part_insert(struct store *store, const struct store_part *part,
    const void *lesson, size_t lesson_length, const char **why_r);
/* All but the lesson of a part; NONE: no such part. */
enum base_result store_part_update(
    struct store *store, const struct store_part *part, const char **why_r);
/* Another queue id for a part: the MTA renamed its file. NONE: no such part, or the hold has a
 * part of that name. */
enum base_result store_part_rename(
    struct store *store, const struct store_part *part, const char *queue_id, const char **why_r);
/* The lesson of a part, empty once it is wiped. */
enum base_result store_part_lesson(struct store *store, struct base_arena *arena,
    const struct store_part *part, struct store_blob *lesson_r, const char **why_r);
/* Forgets the lessons of all parts of a hold. */
enum base_result store_part_wipe(struct store *store, const char *hold_id, const char **why_r);
enum base_result store_part_list(struct store *store, struct base_arena *arena, const char *hold_id,
    struct store_part **parts_r, size_t *count_r, const char **why_r);

enum base_result store_token_insert(struct store *store, const unsigned char hash[BASE_HASH_SIZE],
    const char *hold_id, int64_t expires, const char **why_r);

#endif
