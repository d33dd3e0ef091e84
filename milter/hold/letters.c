/* letters - when one is due, and the tokens that go with it; see hold.h */
#include "milter/hold/internal.h"

/* The brake whose owner must be told next, as a view; NONE: there is none. */
static enum base_result
letter_of_brake(struct hold *hold, struct base_arena *arena, struct hold_view *view_r,
    const char **why_r)
{
	struct store_storm *storm = NULL;
	size_t count = 0;
	enum base_result result = store_storm_some(hold->store, arena, STORE_STORMS_LETTER,
	    hold->node, base_now_ms(), &storm, 1, &count, why_r);

	if (result == BASE_OK && count == 0)
		return BASE_NONE;
	if (result == BASE_OK)
		hold_storm_view_make(storm, view_r);
	return result;
}

/* One that cannot even be read must not be in the way of the others: they come first now. */
static void
letter_put_back(struct hold *hold, const char *id)
{
	const char *ignored;
	int64_t again;

	(void)hold_letter_failed(hold, id, &again, &ignored);
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
hold_letter_next(struct hold *hold, struct base_arena *arena, struct hold_view *view_r,
    const char **why_r)
{
	struct store_hold *rows = NULL;
	size_t count = 0;
	enum base_result result = store_hold_letter_due(
	    hold->store, arena, hold->node, base_now_ms(), &rows, 1, &count, why_r);

	if (result == BASE_OK && (count == 0 || *rows[0].storm != '\0')) {
		result = letter_of_brake(hold, arena, view_r, why_r);
		if (result != BASE_NONE || count == 0)
			return result;
		result = BASE_OK;
	}
	if (result == BASE_OK)
		result = hold_view_make(hold, arena, &rows[0], view_r, why_r);
	if (result != BASE_OK && result != BASE_RETRY && count > 0)
		letter_put_back(hold, rows[0].id);
	if (result == BASE_OK && hold_is_unannounced(&rows[0]))
		view_r->deadline = window_end(&rows[0], base_now_ms()) / 1000;
	return result;
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

/* What a row of either kind knows of its letter. */
struct letter_state {
	int64_t due, sent;
	int tries;
};

/* The letter is with the reader's server, or nobody needs it any more. */
static void
letter_done(struct letter_state *letter, int64_t now)
{
	letter->sent = now;
	letter->due = 0;
}

/* Later, if somebody still waits for it; a move has cleared the time otherwise. */
static void
letter_failed(struct letter_state *letter, int64_t now)
{
	if (letter->due == 0)
		return;
	letter->due =
	    now + hold_backoff(HOLD_LETTER_FIRST_MS, HOLD_LETTER_MAX_MS, letter->tries);
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

/* Changes what the row of a brake knows. */
static enum base_result
letter_of_storm_write(struct hold *hold, struct base_arena *arena, const char *id,
    letter_fn *change, int64_t *due_r, const char **why_r)
{
	struct store_storm *storm = NULL;
	enum base_result result = store_storm_get(hold->store, arena, id, &storm, why_r);
	struct letter_state letter;

	if (result != BASE_OK)
		return result;
	letter = (struct letter_state){ storm->letter_due, storm->letter_sent,
		storm->letter_tries };
	change(&letter, base_now_ms());
	storm->letter_due = *due_r = letter.due;
	storm->letter_sent = letter.sent;
	storm->letter_tries = letter.tries;
	return store_storm_update(hold->store, storm, storm->state, why_r);
}

/* Changes what the row of a hold, or of a brake, knows of its letter. */
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
	letter =
	    (struct letter_state){ row->letter_due, row->letter_sent, row->letter_tries };
	change(&letter, base_now_ms());
	if (hold_is_unannounced(row) && letter.due == 0)
		row->timer = row->deadline = base_now_ms() + row->window * 1000;
	row->letter_due = *due_r = letter.due;
	row->letter_sent = letter.sent;
	row->letter_tries = letter.tries;
	return store_hold_update(hold->store, row, row->state, why_r);
}

/* Changes the letter's fields of a row in a transaction; the state stays. */
static enum base_result
letter_change(struct hold *hold, struct base_arena *arena, const char *id,
    letter_fn *change, int64_t *due_r, const char **why_r)
{
	int64_t due = 0;
	enum base_result result = hold_begin(hold, why_r);

	if (result != BASE_OK)
		return result;
	result = letter_write(hold, arena, id, change, &due, why_r);
	if (result != BASE_OK) {
		store_rollback(hold->store);
		return result;
	}
	result = store_commit(hold->store, why_r);
	if (result == BASE_OK)
		*due_r = due;
	return result;
}

/* The same with memory of its own. */
static enum base_result
letter_run(struct hold *hold, const char *id, letter_fn *change, int64_t *due_r,
    const char **why_r)
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
hold_letter_count(struct hold *hold, const char *sender, int64_t since, size_t *count_r,
    const char **why_r)
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
