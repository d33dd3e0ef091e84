/* letters - when one is due, and the tokens that go with it; see hold.h */
#include "milter/hold/internal.h"

enum base_result
hold_letter_next(struct hold *hold, struct base_arena *arena, struct hold_view *view_r,
    const char **why_r)
{
	struct store_hold *rows = NULL;
	size_t count = 0;
	enum base_result result = store_hold_letter_due(
	    hold->store, arena, hold->node, base_now_ms(), &rows, 1, &count, why_r);

	if (result != BASE_OK)
		return result;
	if (count == 0)
		return BASE_NONE;
	return hold_view_make(hold, arena, &rows[0], view_r, why_r);
}

enum base_result
hold_token_add(struct hold *hold, const char *id, const char *token, int64_t expires,
    const char **why_r)
{
	unsigned char hash[BASE_HASH_SIZE];

	if (base_token_hash(token, hash) != BASE_OK) {
		*why_r = base_why("not a token");
		return BASE_REFUSE;
	}
	return store_token_insert(hold->store, hash, id, expires * 1000, why_r);
}

/* The letter is with the sender's server, or the hold needs none any more. */
static void
row_letter_done(struct store_hold *row, int64_t now)
{
	row->letter_sent = now;
	row->letter_due = 0;
}

/* Later, if the hold still waits for somebody; a move has cleared letter_due otherwise. */
static void
row_letter_failed(struct store_hold *row, int64_t now)
{
	if (row->letter_due == 0)
		return;
	row->letter_due =
	    now + hold_backoff(HOLD_LETTER_FIRST_MS, HOLD_LETTER_MAX_MS, row->letter_tries);
	row->letter_tries++;
}

/* Changes the letter's fields of a row in a transaction; the state stays. */
static enum base_result
letter_change(struct hold *hold, struct base_arena *arena, const char *id,
    void (*change)(struct store_hold *row, int64_t now), int64_t *due_r, const char **why_r)
{
	struct store_hold *row = NULL;
	enum base_result result = store_begin(hold->store, why_r);

	if (result != BASE_OK)
		return result;
	result = store_hold_get(hold->store, arena, id, &row, why_r);
	if (result == BASE_OK) {
		change(row, base_now_ms());
		result = store_hold_update(hold->store, row, row->state, why_r);
	}
	if (result != BASE_OK) {
		store_rollback(hold->store);
		return result;
	}
	result = store_commit(hold->store, why_r);
	if (result == BASE_OK)
		*due_r = row->letter_due;
	return result;
}

/* The same with memory of its own. */
static enum base_result
letter_run(struct hold *hold, const char *id,
    void (*change)(struct store_hold *row, int64_t now), int64_t *due_r, const char **why_r)
{
	struct base_arena *arena = base_arena_new(HOLD_MAX_ROW);
	enum base_result result;

	if (arena == NULL) {
		*why_r = base_why("no memory for a letter");
		return BASE_BROKEN;
	}
	result = letter_change(hold, arena, id, change, due_r, why_r);
	base_arena_free(&arena);
	return result;
}

enum base_result
hold_letter_done(struct hold *hold, const char *id, const char **why_r)
{
	int64_t due;

	return letter_run(hold, id, row_letter_done, &due, why_r);
}

enum base_result
hold_letter_failed(struct hold *hold, const char *id, int64_t *again_r, const char **why_r)
{
	int64_t due;
	enum base_result result = letter_run(hold, id, row_letter_failed, &due, why_r);

	if (result == BASE_OK)
		*again_r = due / 1000;
	return result;
}
