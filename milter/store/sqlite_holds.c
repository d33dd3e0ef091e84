/*
 * sqlite_holds - the statements about holds, in holds.db; the tables are in sqlite_schema.c
 */
#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

/* The order of hold_bind() and hold_read(). */
#define HOLD_COLUMNS                                                                               \
	"id, node, state, action, act, sender, subject, recipients, recipient_count, "             \
	"people,"                                                                                  \
	" people_kind, score, reasons, policy, language, created, due, deadline, window,"          \
	" grace, on_end, then_end, settled, moved, by, tries, letter_due, letter_tries,"           \
	" letter_sent, storm, author, answered, template, mailbox,"                                \
	" return_due, return_tries, return_how, from_address,"                                     \
	" timer, seen, how, left_at, announce, limited_by, left_count, left_to, undone_by,"        \
	" bounces_home, letters"
#define HOLD_COLUMN_COUNT 49
#define HOLD_EXPECTED "?50" /* the parameter after them */

enum slot {
	HOLD_INSERT,
	HOLD_GET,
	HOLD_BY_TOKEN,
	HOLD_BY_ACT,
	HOLD_UPDATE,
	HOLD_POSTPONE,
	HOLD_LOOK,
	HOLD_DUE_TIMER,
	HOLD_DUE_UNSEEN,
	HOLD_DUE_SEEN,
	HOLD_LETTERS,
	HOLD_NEXT_DUE,
	HOLD_LIST_ALL,
	HOLD_LIST_OPEN,
	HOLD_COUNT_SENDER,
	HOLD_COUNT_UNLIMITED,
	PURGE_PARTS,
	PURGE_TOKENS,
	PURGE_HOLDS,
	HOLD_NAMING,
	REMOVE_PARTS,
	REMOVE_TOKENS,
	REMOVE_HOLD,
	SLOT_COUNT,
};

_Static_assert(SLOT_COUNT <= STORE_SQLITE_PART_SLOT, "more statements than slots");

#define PURGED                                                                                     \
	"(SELECT id FROM hold WHERE settled <> 0 AND settled < ?1"                                 \
	" ORDER BY settled, id LIMIT " STORE_SQLITE_PURGE ")"

static const char *const statements[] = {
	[HOLD_INSERT] =
	    "INSERT INTO hold (" HOLD_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?,"
	    " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
	    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[HOLD_GET] = "SELECT " HOLD_COLUMNS " FROM hold WHERE id = ?",
	[HOLD_BY_TOKEN] = "SELECT " HOLD_COLUMNS " FROM hold WHERE id ="
			  " (SELECT hold_id FROM token WHERE hash = ? AND expires > ?)",
	[HOLD_BY_ACT] = "SELECT " HOLD_COLUMNS " FROM hold WHERE act = ?2 AND created >= ?3"
			" AND node = ?1 ORDER BY created DESC LIMIT 1",
	[HOLD_UPDATE] =
	    "UPDATE hold SET (" HOLD_COLUMNS ") = (?, ?, ?, ?, ?, ?, ?, ?,"
	    " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
	    " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	    " WHERE id = ?1 AND state = " HOLD_EXPECTED,
	[HOLD_POSTPONE] = "UPDATE hold SET timer = iif(timer <> 0, ?2, 0),"
			  " due = iif(due <> 0, ?2, 0) WHERE id = ?1",
	/* a clock that was set back must not keep anybody from looking */
	[HOLD_LOOK] = "UPDATE hold SET due = ?2, look_asked = ?2 WHERE id = ?1"
		      " AND due > ?2 AND look_asked NOT BETWEEN ?2 - ?3 + 1 AND ?2",
	[HOLD_DUE_TIMER] = "SELECT " HOLD_COLUMNS " FROM hold WHERE node = ?"
			   " AND timer <> 0 AND timer <= ? ORDER BY timer LIMIT ?",
	[HOLD_DUE_UNSEEN] = "SELECT " HOLD_COLUMNS " FROM hold WHERE node = ? AND due <> 0"
			    " AND due <= ? AND (seen <> 0) = 0 ORDER BY due LIMIT ?",
	[HOLD_DUE_SEEN] = "SELECT " HOLD_COLUMNS " FROM hold WHERE node = ? AND due <> 0"
			  " AND due <= ? AND (seen <> 0) = 1 ORDER BY due LIMIT ?",
	[HOLD_LETTERS] = "SELECT coalesce(sum(letters), 0) FROM hold WHERE sender = ?"
			 " AND letter_sent <> 0 AND letter_sent >= ?",
	[HOLD_NEXT_DUE] =
	    "SELECT min(next) FROM ("
	    "SELECT min(timer) AS next FROM hold WHERE node = ?1 AND timer <> 0 UNION ALL "
	    "SELECT min(due) FROM hold WHERE node = ?1 AND due <> 0 AND (seen <> 0) = 0"
	    " UNION ALL "
	    "SELECT min(due) FROM hold WHERE node = ?1 AND due <> 0 AND (seen <> 0) = 1)",
	[HOLD_LIST_ALL] = "SELECT " HOLD_COLUMNS " FROM hold WHERE (created, id) < (?, ?)"
			  " ORDER BY created DESC, id DESC LIMIT ?",
	[HOLD_LIST_OPEN] = "SELECT " HOLD_COLUMNS " FROM hold WHERE settled = 0"
			   " AND (created, id) < (?, ?)"
			   " ORDER BY created DESC, id DESC LIMIT ?",
	[HOLD_COUNT_SENDER] =
	    "SELECT count(*) FROM hold WHERE created >= ? AND storm = '' AND sender = ?",
	[HOLD_COUNT_UNLIMITED] = "SELECT count(*) FROM hold WHERE created >= ? AND storm = ''"
				 " AND limited_by = '' AND sender = ?",
	[PURGE_PARTS] = "DELETE FROM part WHERE hold_id IN " PURGED,
	[PURGE_TOKENS] = "DELETE FROM token WHERE hold_id IN " PURGED,
	[PURGE_HOLDS] = "DELETE FROM hold WHERE id IN " PURGED,
	[HOLD_NAMING] = "SELECT " HOLD_COLUMNS " FROM hold WHERE sender = ?1"
			" OR author = ?1 OR from_address = ?1 OR instr(char(10) || "
			"lower(recipients) || char(10),"
			" char(10) || ?1 || char(10)) OR instr(lower(reasons), ?1)"
			" OR id IN (SELECT hold_id FROM part WHERE instr(lesson, ?2))"
			" ORDER BY created, id LIMIT ?3",
	[REMOVE_PARTS] = "DELETE FROM part WHERE hold_id = ?",
	[REMOVE_TOKENS] = "DELETE FROM token WHERE hold_id = ?",
	[REMOVE_HOLD] = "DELETE FROM hold WHERE id = ?",
};

/* A statement of this file. */
static struct store_sqlite_call
call_new(void *database, enum slot slot)
{
	return store_sqlite_call(database, slot, statements[slot]);
}

/* --- a hold to and from a row ---------------------------------------------------- */

/* All fields, in the order of HOLD_COLUMNS. */
static void
hold_bind(struct store_sqlite_call *call, const struct store_hold *hold)
{
	store_sqlite_text(call, hold->id);
	store_sqlite_text(call, hold->node);
	store_sqlite_int(call, hold->state);
	store_sqlite_int(call, hold->action);
	store_sqlite_blob(call, hold->act.data, hold->act.length);
	store_sqlite_text(call, hold->sender);
	store_sqlite_text(call, hold->subject);
	store_sqlite_text(call, hold->recipients);
	store_sqlite_int(call, hold->recipient_count);
	store_sqlite_int(call, hold->people);
	store_sqlite_int(call, hold->people_kind);
	store_sqlite_real(call, hold->score);
	store_sqlite_text(call, hold->reasons);
	store_sqlite_text(call, hold->policy);
	store_sqlite_text(call, hold->language);
	store_sqlite_int(call, hold->created);
	store_sqlite_int(call, hold->due);
	store_sqlite_int(call, hold->deadline);
	store_sqlite_int(call, hold->window);
	store_sqlite_int(call, hold->grace);
	store_sqlite_int(call, hold->on_end);
	store_sqlite_int(call, hold->then);
	store_sqlite_int(call, hold->settled);
	store_sqlite_int(call, hold->moved);
	store_sqlite_text(call, hold->by);
	store_sqlite_int(call, hold->tries);
	store_sqlite_int(call, hold->letter_due);
	store_sqlite_int(call, hold->letter_tries);
	store_sqlite_int(call, hold->letter_sent);
	store_sqlite_text(call, hold->storm);
	store_sqlite_text(call, hold->author);
	store_sqlite_int(call, hold->answered);
	store_sqlite_text(call, hold->template);
	store_sqlite_text(call, hold->mailbox);
	store_sqlite_int(call, hold->return_due);
	store_sqlite_int(call, hold->return_tries);
	store_sqlite_int(call, hold->return_how);
	store_sqlite_text(call, hold->from_address);
	store_sqlite_int(call, hold->timer);
	store_sqlite_int(call, hold->seen);
	store_sqlite_int(call, hold->how);
	store_sqlite_int(call, hold->left_at);
	store_sqlite_int(call, hold->announce);
	store_sqlite_text(call, hold->limited_by);
	store_sqlite_int(call, hold->left_count);
	store_sqlite_text(call, hold->left_to);
	store_sqlite_text(call, hold->undone_by);
	store_sqlite_int(call, hold->bounces_home);
	store_sqlite_int(call, hold->letters);
}

/* The row that the statement stands on; false: the arena is full. */
static bool
hold_read(struct store_sqlite_call *call, struct base_arena *arena, void *row_r)
{
	struct store_hold *hold_r = row_r;
	sqlite3_stmt *row = call->statement;
	bool is_whole = store_sqlite_column_blob(call, arena, 4, &hold_r->act);
	const struct store_sqlite_text_column texts[] = {
		{ 0, &hold_r->id },
		{ 1, &hold_r->node },
		{ 5, &hold_r->sender },
		{ 6, &hold_r->subject },
		{ 7, &hold_r->recipients },
		{ 12, &hold_r->reasons },
		{ 13, &hold_r->policy },
		{ 14, &hold_r->language },
		{ 24, &hold_r->by },
		{ 29, &hold_r->storm },
		{ 30, &hold_r->author },
		{ 32, &hold_r->template },
		{ 33, &hold_r->mailbox },
		{ 37, &hold_r->from_address },
		{ 43, &hold_r->limited_by },
		{ 45, &hold_r->left_to },
		{ 46, &hold_r->undone_by },
	};

	if (!store_sqlite_column_texts(call, arena, texts, sizeof(texts) / sizeof(*texts)))
		is_whole = false;
	hold_r->state = sqlite3_column_int(row, 2);
	hold_r->action = sqlite3_column_int(row, 3);
	hold_r->recipient_count = sqlite3_column_int64(row, 8);
	hold_r->people = sqlite3_column_int64(row, 9);
	hold_r->people_kind = sqlite3_column_int(row, 10);
	hold_r->score = sqlite3_column_double(row, 11);
	hold_r->created = sqlite3_column_int64(row, 15);
	hold_r->due = sqlite3_column_int64(row, 16);
	hold_r->deadline = sqlite3_column_int64(row, 17);
	hold_r->window = sqlite3_column_int64(row, 18);
	hold_r->grace = sqlite3_column_int64(row, 19);
	hold_r->on_end = sqlite3_column_int(row, 20);
	hold_r->then = sqlite3_column_int(row, 21);
	hold_r->settled = sqlite3_column_int64(row, 22);
	hold_r->moved = sqlite3_column_int64(row, 23);
	hold_r->tries = sqlite3_column_int(row, 25);
	hold_r->letter_due = sqlite3_column_int64(row, 26);
	hold_r->letter_tries = sqlite3_column_int(row, 27);
	hold_r->letter_sent = sqlite3_column_int64(row, 28);
	hold_r->answered = sqlite3_column_int64(row, 31);
	hold_r->return_due = sqlite3_column_int64(row, 34);
	hold_r->return_tries = sqlite3_column_int(row, 35);
	hold_r->return_how = sqlite3_column_int(row, 36);
	hold_r->timer = sqlite3_column_int64(row, 38);
	hold_r->seen = sqlite3_column_int64(row, 39);
	hold_r->how = sqlite3_column_int(row, 40);
	hold_r->left_at = sqlite3_column_int64(row, 41);
	hold_r->announce = sqlite3_column_int64(row, 42);
	hold_r->left_count = sqlite3_column_int64(row, 44);
	hold_r->bounces_home = sqlite3_column_int(row, 47);
	hold_r->letters = sqlite3_column_int64(row, 48);
	return is_whole;
}

static const struct store_sqlite_row hold_row = { sizeof(struct store_hold), hold_read };

/* One row, or NONE. */
static enum base_result
hold_one(struct store_sqlite_call *call, struct base_arena *arena, struct store_hold **hold_r,
    const char **why_r)
{
	void *row = NULL;
	enum base_result result = store_sqlite_one(call, &hold_row, arena, &row, why_r);

	if (result == BASE_OK)
		*hold_r = row;
	return result;
}

/* Up to `room` rows; none is OK with a count of 0. */
static enum base_result
hold_many(struct store_sqlite_call *call, struct base_arena *arena, struct store_hold **holds_r,
    size_t room, size_t *count_r, const char **why_r)
{
	void *rows = NULL;
	enum base_result result =
	    store_sqlite_many(call, &hold_row, arena, room, &rows, count_r, why_r);

	if (result == BASE_OK)
		*holds_r = rows;
	return result;
}

/* --- holds ----------------------------------------------------------------------- */

enum base_result
store_sqlite_hold_insert(void *database, const struct store_hold *hold, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_INSERT);

	hold_bind(&call, hold);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_hold_get(void *database, struct base_arena *arena, const char *id,
    struct store_hold **hold_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_GET);

	store_sqlite_text(&call, id);
	return hold_one(&call, arena, hold_r, why_r);
}

enum base_result
store_sqlite_hold_by_token(void *database, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_hold **hold_r,
    const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_BY_TOKEN);

	store_sqlite_blob(&call, hash, BASE_HASH_SIZE);
	store_sqlite_int(&call, now);
	return hold_one(&call, arena, hold_r, why_r);
}

enum base_result
store_sqlite_hold_by_act(void *database, struct base_arena *arena, const char *node,
    const void *act, size_t length, int64_t since, struct store_hold **hold_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_BY_ACT);

	store_sqlite_text(&call, node);
	store_sqlite_blob(&call, act, length);
	store_sqlite_int(&call, since);
	return hold_one(&call, arena, hold_r, why_r);
}

enum base_result
store_sqlite_hold_update(
    void *database, const struct store_hold *hold, int expected, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_UPDATE);

	hold_bind(&call, hold);
	store_sqlite_int(&call, expected);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_hold_postpone(void *database, const char *id, int64_t time, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_POSTPONE);

	store_sqlite_text(&call, id);
	store_sqlite_int(&call, time);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_hold_look(
    void *database, const char *id, int64_t now, int64_t rest, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_LOOK);

	store_sqlite_text(&call, id);
	store_sqlite_int(&call, now);
	store_sqlite_int(&call, rest);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_hold_due(void *database, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r)
{
	static const enum slot slots[] = {
		[STORE_DUE_TIMER] = HOLD_DUE_TIMER,
		[STORE_DUE_UNSEEN] = HOLD_DUE_UNSEEN,
		[STORE_DUE_SEEN] = HOLD_DUE_SEEN,
	};
	struct store_sqlite_call call;

	if (which > STORE_DUE_SEEN) {
		*why_r = base_why("whole rows are not read by this time");
		return BASE_BROKEN;
	}
	call = call_new(database, slots[which]);
	store_sqlite_text(&call, node);
	store_sqlite_int(&call, now);
	store_sqlite_int(&call, (int64_t)room);
	return hold_many(&call, arena, holds_r, room, count_r, why_r);
}

enum base_result
store_sqlite_hold_letters(
    void *database, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_LETTERS);

	store_sqlite_text(&call, sender);
	store_sqlite_int(&call, since);
	return store_sqlite_one_int(&call, count_r, why_r);
}

enum base_result
store_sqlite_hold_next_due(void *database, const char *node, int64_t *due_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_NEXT_DUE);
	enum base_result result;

	store_sqlite_text(&call, node);
	result = store_sqlite_step(&call, why_r);
	if (result != BASE_OK)
		return result;
	if (sqlite3_column_type(call.statement, 0) == SQLITE_NULL)
		result = BASE_NONE;
	else
		*due_r = sqlite3_column_int64(call.statement, 0);
	store_sqlite_end(&call);
	return result;
}

/* How many holds of a sender a statement counts. */
static enum base_result
holds_count(void *database, enum slot slot, const char *sender, int64_t since, int64_t *count_r,
    const char **why_r)
{
	struct store_sqlite_call call = call_new(database, slot);

	store_sqlite_int(&call, since);
	store_sqlite_text(&call, sender);
	return store_sqlite_one_int(&call, count_r, why_r);
}

enum base_result
store_sqlite_hold_count(
    void *database, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return holds_count(database, HOLD_COUNT_SENDER, sender, since, count_r, why_r);
}

enum base_result
store_sqlite_hold_count_unlimited(
    void *database, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return holds_count(database, HOLD_COUNT_UNLIMITED, sender, since, count_r, why_r);
}

enum base_result
store_sqlite_hold_list(void *database, struct base_arena *arena, bool all_states,
    const struct store_hold *before, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r)
{
	struct store_sqlite_call call =
	    call_new(database, all_states ? HOLD_LIST_ALL : HOLD_LIST_OPEN);

	store_sqlite_int(&call, before != NULL ? before->created : INT64_MAX);
	store_sqlite_text(&call, before != NULL ? before->id : "");
	store_sqlite_int(&call, (int64_t)room);
	return hold_many(&call, arena, holds_r, room, count_r, why_r);
}

/* Several statements that take one text or one number, as one transaction; the last one's
 * result counts. */
static enum base_result
removals_run(struct store_sqlite *database, const enum slot slots[3], const char *id, int64_t time,
    const char **why_r)
{
	bool is_nested = database->in_transaction;
	enum base_result result = BASE_OK;
	enum base_result ended;

	if (!is_nested)
		result = store_sqlite_driver.begin(database, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < 3; i++) {
		struct store_sqlite_call call = call_new(database, slots[i]);

		if (id != NULL)
			store_sqlite_text(&call, id);
		else
			store_sqlite_int(&call, time);
		result = store_sqlite_run(&call, why_r);
		if (result != BASE_OK && result != BASE_NONE)
			break;
	}
	if (is_nested)
		return result;
	if (result != BASE_OK) { /* NONE as well: nothing to keep */
		store_sqlite_driver.rollback(database);
		return result;
	}
	ended = store_sqlite_driver.commit(database, why_r);
	return ended == BASE_OK ? result : ended;
}

enum base_result
store_sqlite_hold_purge(void *database, int64_t time, const char **why_r)
{
	static const enum slot slots[] = { PURGE_PARTS, PURGE_TOKENS, PURGE_HOLDS };

	return removals_run(database, slots, NULL, time, why_r);
}

enum base_result
store_sqlite_hold_naming(void *database, struct base_arena *arena, const char *address,
    const void *mark, size_t length, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r)
{
	struct store_sqlite_call call = call_new(database, HOLD_NAMING);

	store_sqlite_text(&call, address);
	store_sqlite_blob(&call, mark, length);
	store_sqlite_int(&call, (int64_t)room);
	return hold_many(&call, arena, holds_r, room, count_r, why_r);
}

enum base_result
store_sqlite_hold_remove(void *database, const char *id, const char **why_r)
{
	static const enum slot slots[] = { REMOVE_PARTS, REMOVE_TOKENS, REMOVE_HOLD };

	return removals_run(database, slots, id, 0, why_r);
}
