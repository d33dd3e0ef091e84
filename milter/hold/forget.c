/* forget - takes an address out of the rows of mail that is over; see hold.h */
#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

#include <string.h>

#define FORGET_CAPACITY 64 /* rows looked at at once */
#define FORGET_BYTES (4u << 20)

/* What is being forgotten, and where. */
struct forgetting {
	struct hold *hold;
	struct base_arena *arena;
	const char *address;
	const void *mark; /* the one looked for now */
	size_t length;
	size_t removed;
};

/* Mail that is still held is named, so that an admin can end it first. */
static enum base_result
open_refuse(const struct store_hold *rows, size_t count, const char *address, const char **why_r)
{
	char ids[HOLD_FORGET_NAMED * (BASE_ID_SIZE + 1) + sizeof("...")] = "";
	size_t open = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].settled != 0)
			continue;
		if (open < HOLD_FORGET_NAMED) {
			strcat(ids, " ");
			strncat(ids, rows[i].id, BASE_ID_LENGTH);
		}
		open++;
	}
	if (open == 0)
		return BASE_OK;
	*why_r = base_why("mail that names %s is still held:%s%s", address, ids,
	    open > HOLD_FORGET_NAMED ? " ..." : "");
	return BASE_REFUSE;
}

/* One row of a mail that is over. */
static enum base_result
row_forget(struct forgetting *forgetting, struct store_hold *row, const char **why_r)
{
	struct store *store = forgetting->hold->store;
	enum base_result result;

	forgetting->removed++;
	if (strcmp(row->sender, forgetting->address) == 0)
		return store_hold_remove(store, row->id, why_r);
	/* wiped when it was over, unless we were killed just then */
	row->subject = row->recipients = row->reasons = row->author = "";
	row->from_address = "";
	result = store_entry_wipe(store, row->id, why_r);
	if (result == BASE_OK || result == BASE_NONE)
		result = store_hold_update(store, row, row->state, why_r);
	return result;
}

/* Some rows, inside a transaction. NONE: no row names it any more. */
static enum base_result
rows_forget(struct forgetting *forgetting, const char **why_r)
{
	struct store_hold *rows = NULL;
	size_t count = 0;
	enum base_result result;

	base_arena_reset(forgetting->arena);
	result = store_hold_naming(forgetting->hold->store, forgetting->arena, forgetting->address,
	    forgetting->mark, forgetting->length, &rows, FORGET_CAPACITY, &count, why_r);
	if (result != BASE_OK)
		return result;
	result = open_refuse(rows, count, forgetting->address, why_r);
	for (size_t i = 0; i < count && result == BASE_OK; i++)
		result = row_forget(forgetting, &rows[i], why_r);
	return result == BASE_OK && count == 0 ? BASE_NONE : result;
}

/* All rows, whatever mark they have, as one transaction: a refusal undoes all of it. */
static enum base_result
holds_forget(struct forgetting *forgetting, const unsigned char *marks, size_t mark_count,
    const char **why_r)
{
	enum base_result result = hold_begin(forgetting->hold, why_r);

	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < mark_count && result == BASE_OK; i++) {
		forgetting->mark = marks + i * forgetting->length;
		while (result == BASE_OK)
			result = rows_forget(forgetting, why_r);
		if (result == BASE_NONE)
			result = BASE_OK;
	}
	if (result == BASE_OK)
		result = store_storm_forget(forgetting->hold->store, forgetting->address, why_r);
	if (result == BASE_OK)
		return store_commit(forgetting->hold->store, why_r);
	store_rollback(forgetting->hold->store);
	return result;
}

enum base_result
hold_forget(struct hold *hold, const char *address, const void *marks, size_t length,
    size_t mark_count, size_t *removed_r, const char **why_r)
{
	struct forgetting forgetting = { .hold = hold,
		.arena = base_arena_new(FORGET_BYTES),
		.address = address,
		.length = length };
	enum base_result result;

	if (forgetting.arena == NULL) {
		*why_r = base_why("no memory to forget");
		return BASE_BROKEN;
	}
	result = holds_forget(&forgetting, marks, mark_count, why_r);
	if (result == BASE_OK)
		result = store_compact(hold->store, why_r);
	base_arena_free(&forgetting.arena);
	if (result == BASE_OK)
		*removed_r = forgetting.removed;
	return result;
}
