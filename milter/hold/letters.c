/* letters - when one is due, and the tokens that go with it; see hold.h */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

/* The block whose owner must be told next, as a view; NONE: there is none. */
static enum base_result
letter_of_block(
    struct hold *hold, struct base_arena *arena, struct hold_view *view_r, const char **why_r)
{
	const char **ids = NULL;
	size_t count = 0;
	enum base_result result = hold_aside_next(
	    hold, &hold->letters, arena, STORE_DUE_STORM_LETTER, &ids, &count, why_r);

	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		struct store_storm *storm = NULL;

		result = store_storm_get(hold->store, arena, ids[i], &storm, why_r);
		if (result == BASE_OK)
			hold_storm_view_make(storm, view_r);
		if (result != BASE_NONE && !hold_is_of_row(hold, result))
			return result;
		if (result != BASE_NONE)
			hold_aside_add(&hold->letters, ids[i], "its row cannot be read", *why_r);
		result = BASE_OK;
	}
	return result == BASE_OK ? BASE_NONE : result;
}

/*
 * When a window ends whose letter is written at `now`: it is whole from there on, but nobody is
 * told of a time after the last that it waits until.
 */
static int64_t
window_end(const struct store_hold *row, int64_t now)
{
	int64_t end = now + row->window * 1000;

	return end < row->deadline ? end : row->deadline;
}

/*
 * Those who are asked about their own mail come first, then the owner of a list in a storm,
 * and then the many whom the storm made wait: their letters must not be in the way of others.
 */
enum base_result
hold_letter_next(
    struct hold *hold, struct base_arena *arena, struct hold_view *view_r, const char **why_r)
{
	struct store_hold *row = NULL;
	enum base_result block,
	    result = hold_aside_read(hold, &hold->letters, arena, STORE_DUE_LETTER, &row, why_r);

	if (result == BASE_NONE || (result == BASE_OK && *row->storm != '\0')) {
		block = letter_of_block(hold, arena, view_r, why_r);
		if (block != BASE_NONE || result == BASE_NONE)
			return block;
	}
	if (result == BASE_OK)
		result = hold_view_make(hold, arena, row, view_r, why_r);
	if (row != NULL && hold_is_of_row(hold, result)) {
		hold_aside_add(&hold->letters, row->id, "no letter can be written", *why_r);
		return BASE_NONE; /* the next one will be found by the next call */
	}
	if (result == BASE_OK && hold_is_unannounced(row))
		view_r->deadline = window_end(row, base_now_ms()) / 1000;
	return result;
}

enum base_result
hold_token_add(
    struct hold *hold, const char *id, const char *token, int64_t expires, const char **why_r)
{
	unsigned char hash[BASE_HASH_SIZE];

	if (base_token_hash(token, hash) != BASE_OK) {
		*why_r = base_why("not a token");
		return BASE_REFUSE;
	}
	return store_token_insert(hold->store, hash, id, expires * 1000, why_r);
}

/* What a row of either kind knows of its letter. */
struct letter_state {
	int64_t due, sent, count;
	int tries;
};

/* The letter is with the reader's server, or nobody needs it any more. */
static void
letter_done(struct letter_state *letter, int64_t now)
{
	letter->sent = now;
	letter->due = 0;
	letter->count++;
}

/* Later, if somebody still waits for it; a move has cleared the time otherwise. */
static void
letter_failed(struct letter_state *letter, int64_t now)
{
	if (letter->due == 0)
		return;
	letter->due = now + hold_backoff(HOLD_LETTER_FIRST_MS, HOLD_LETTER_MAX_MS, letter->tries);
	letter->tries++;
}

/* Its reader got enough for now. */
static void
letter_wait(struct letter_state *letter, int64_t now)
{
	if (letter->due != 0)
		letter->due = now + HOLD_LETTER_WAIT_MS;
}

typedef void letter_fn(struct letter_state *letter, int64_t now);

/* Changes what the row of a block knows. */
static enum base_result
letter_of_storm_write(struct hold *hold, struct base_arena *arena, const char *id,
    letter_fn *change, int64_t *due_r, const char **why_r)
{
	struct store_storm *storm = NULL;
	enum base_result result = store_storm_get(hold->store, arena, id, &storm, why_r);
	struct letter_state letter;

	if (result != BASE_OK)
		return result;
	letter =
	    (struct letter_state){ storm->letter_due, storm->letter_sent, 0, storm->letter_tries };
	change(&letter, base_now_ms());
	storm->letter_due = *due_r = letter.due;
	storm->letter_sent = letter.sent;
	storm->letter_tries = letter.tries;
	return store_storm_update(hold->store, storm, storm->state, why_r);
}

/* Changes what the row of a hold, or of a block, knows of its letter. */
static enum base_result
letter_write(struct hold *hold, struct base_arena *arena, const char *id, letter_fn *change,
    int64_t *due_r, const char **why_r)
{
	struct store_hold *row = NULL;
	enum base_result result = store_hold_get(hold->store, arena, id, &row, why_r);
	struct letter_state letter;

	if (result == BASE_NONE)
		return letter_of_storm_write(hold, arena, id, change, due_r, why_r);
	if (result != BASE_OK)
		return result;
	letter = (struct letter_state){ row->letter_due, row->letter_sent, row->letters,
		row->letter_tries };
	change(&letter, base_now_ms());
	if (hold_state_is_final(row->state) && base_now_ms() > row->settled + HOLD_LETTER_KEEP_MS)
		letter.due = 0; /* what names its reader is not kept for ever */
	if (hold_is_unannounced(row) && letter.due == 0)
		row->timer = row->deadline = base_now_ms() + row->window * 1000;
	row->letter_due = *due_r = letter.due;
	row->letter_sent = letter.sent;
	row->letter_tries = letter.tries;
	row->letters = letter.count;
	if (hold_state_is_final(row->state) && letter.due == 0)
		hold_row_forget(row);
	return store_hold_update(hold->store, row, row->state, why_r);
}

/* Changes the letter's fields of a row in a transaction; the state stays. */
static enum base_result
letter_change(struct hold *hold, struct base_arena *arena, const char *id, letter_fn *change,
    int64_t *due_r, const char **why_r)
{
	int64_t due = 0;
	enum base_result result = hold_begin(hold, why_r);

	if (result != BASE_OK)
		return result;
	result = letter_write(hold, arena, id, change, &due, why_r);
	if (result == BASE_OK)
		result = store_commit(hold->store, why_r);
	else
		store_rollback(hold->store);
	if (result == BASE_OK)
		*due_r = due;
	return hold_is_of_row(hold, result) ? BASE_REFUSE : result;
}

/* The same with memory of its own. */
static enum base_result
letter_run(struct hold *hold, const char *id, letter_fn *change, int64_t *due_r, const char **why_r)
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

	return letter_run(hold, id, letter_done, &due, why_r);
}

enum base_result
hold_letter_wait(struct hold *hold, const char *id, const char **why_r)
{
	int64_t due;

	return letter_run(hold, id, letter_wait, &due, why_r);
}

enum base_result
hold_letter_count(
    struct hold *hold, const char *sender, int64_t since, size_t *count_r, const char **why_r)
{
	int64_t count = 0;
	enum base_result result =
	    store_hold_letters(hold->store, sender, since * 1000, &count, why_r);

	if (result == BASE_OK)
		*count_r = (size_t)count;
	return result;
}

enum base_result
hold_letter_failed(struct hold *hold, const char *id, int64_t *again_r, const char **why_r)
{
	int64_t due;
	enum base_result result = letter_run(hold, id, letter_failed, &due, why_r);

	if (result == BASE_OK)
		*again_r = due / 1000;
	return result;
}

void
hold_letter_aside(struct hold *hold, const char *id, const char *why)
{
	hold_aside_add(&hold->letters, id, "what became of its letter cannot be written", why);
}
