/*
 * NAME
 *	store/record - records of the history, in memory.db; see store.h for what all calls have in
 *	common
 */
#ifndef OOPS_STORE_RECORD_H
#define OOPS_STORE_RECORD_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

/* Records by 64-bit keyed hash; the blob is memory's own format. */
enum store_record {
	STORE_PROFILE,
	STORE_THREAD,
	STORE_GLOBAL,
	STORE_NOTE,      /* what was imported; no bytes, the key says it all */
	STORE_FORGOTTEN, /* what must not be written back, for a short while */
};

enum base_result store_record_get(struct store *store, struct base_arena *arena,
    enum store_record kind, uint64_t key, struct store_blob *blob_r, const char **why_r);
/*
 * `expires`: seconds since 1970, 0 for never. A record that is there already keeps its own
 * when that is later: old mail that is learned late shortens nothing.
 */
enum base_result store_record_put(struct store *store, enum store_record kind, uint64_t key,
    const void *data, size_t length, int64_t expires, const char **why_r);
enum base_result store_record_delete(
    struct store *store, enum store_record kind, uint64_t key, const char **why_r);
/* Calls `each` for every record of a kind until it returns false. The blob lives for the
 * call only; `each` must not call the store. */
enum base_result store_record_each(struct store *store, enum store_record kind,
    bool (*each)(void *context, uint64_t key, const void *data, size_t length), void *context,
    const char **why_r);
/* Removes the records of every kind that expired before `now`, a few at a time. */
enum base_result store_record_expire(struct store *store, int64_t now, const char **why_r);

#endif
