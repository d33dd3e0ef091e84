/*
 * sqlite_storm - the statements about storms and answers to everybody, in holds.db; the
 * tables are in sqlite_schema.c
 */
#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#define STORM_COLUMNS                                                                              \
	"id, node, topic, list, owner, subject, language, state, people, answers,"                 \
	" answerers, started, until, span, on_end, ended, by, letter_due, letter_tries,"           \
	" letter_sent, answered_by"
#define STORM_EXPECTED "?22" /* the parameter after them */

enum slot {
	STORM_INSERT,
	STORM_UPDATE,
	STORM_GET,
	STORM_BY_TOKEN,
	STORM_BY_TOPIC,
	STORM_OPEN,
	STORM_ALL,
	STORM_RELEASE,
	STORM_HELD,
	STORM_TOLD,
	STORM_FORGET_LIST,
	STORM_FORGET_TOKENS,
	STORM_FORGET_OWNER,
	STORM_PURGE_TOKENS,
	STORM_PURGE,
	ANSWER_INSERT,
	ANSWER_HAS,
	ANSWER_TOPIC,
	ANSWER_COUNT,
	ANSWER_PEOPLE,
	ANSWER_FORGET,
	ANSWER_FORGET_PERSON,
	STORM_FORGET_PERSON,
	ANSWER_PURGE,
	SLOT_COUNT,
};

_Static_assert(
    STORE_SQLITE_STORM_SLOT + SLOT_COUNT <= STORE_SQLITE_BUDGET_SLOT, "more statements than slots");

#define SELECT_STORM "SELECT " STORM_COLUMNS " FROM storm "

static const char *const statements[] = {
	[STORM_INSERT] = "INSERT INTO storm (" STORM_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?,"
			 " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[STORM_UPDATE] = "UPDATE storm SET (" STORM_COLUMNS ") = (?, ?, ?, ?, ?, ?,"
			 " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
			 " WHERE id = ?1 AND state = " STORM_EXPECTED,
	[STORM_GET] = SELECT_STORM "WHERE id = ?",
	[STORM_BY_TOKEN] =
	    SELECT_STORM "WHERE id ="
			 " (SELECT hold_id FROM token WHERE hash = ? AND expires > ?)",
	[STORM_BY_TOPIC] = SELECT_STORM "WHERE topic = ? AND until > ?"
					" ORDER BY started DESC LIMIT 1",
	/* the same parameters for every set: node, now, room */
	[STORM_OPEN] = SELECT_STORM "WHERE until <> 0 AND ?1 IS NOT NULL AND ?2 IS NOT NULL"
				    " ORDER BY started DESC, id LIMIT ?3",
	[STORM_ALL] = SELECT_STORM "WHERE ?1 IS NOT NULL AND ?2 IS NOT NULL"
				   " ORDER BY started DESC, id LIMIT ?3",
	[STORM_RELEASE] = "UPDATE hold SET deadline = ?4, timer = ?4, on_end = ?5"
			  " WHERE storm = ?1 AND storm <> '' AND settled = 0"
			  " AND state IN (?2, ?3)",
	[STORM_HELD] = "SELECT count(*) FROM hold WHERE storm = ? AND storm <> ''",
	[STORM_TOLD] = "SELECT 1 FROM hold WHERE storm = ? AND storm <> '' AND sender = ?"
		       " AND (letter_sent <> 0 OR letter_due <> 0) LIMIT 1",
	[STORM_FORGET_LIST] = "UPDATE storm SET list = '' WHERE lower(list) = lower(?)",
	[STORM_FORGET_TOKENS] = "DELETE FROM token WHERE hold_id IN"
				" (SELECT id FROM storm WHERE lower(owner) = lower(?))",
	[STORM_FORGET_OWNER] = "UPDATE storm SET owner = '', letter_due = 0"
			       " WHERE lower(owner) = lower(?)",
	[STORM_PURGE_TOKENS] = "DELETE FROM token WHERE hold_id IN"
			       " (SELECT id FROM storm WHERE until = 0 AND ended < ?)",
	[STORM_PURGE] = "DELETE FROM storm WHERE until = 0 AND ended < ?",
	[ANSWER_INSERT] = "INSERT INTO answer (topic, message, act, sender, time, person,"
			  " forget) VALUES (?, ?, ?, ?, ?, ?, ?)",
	[ANSWER_HAS] = "SELECT 1 FROM answer WHERE topic = ? AND act = ? LIMIT 1",
	[ANSWER_TOPIC] = "SELECT topic FROM answer WHERE message = ?"
			 " ORDER BY time DESC LIMIT 1",
	[ANSWER_COUNT] = "SELECT count(DISTINCT act), count(DISTINCT sender) FROM answer"
			 " WHERE topic = ? AND time >= ?",
	[ANSWER_PEOPLE] = "SELECT coalesce(group_concat(person, char(10)), '') FROM"
			  " (SELECT person FROM answer WHERE topic = ? AND time >= ?"
			  " AND person <> '' GROUP BY person"
			  " ORDER BY min(time), person LIMIT ?)",
	[ANSWER_FORGET] = "UPDATE answer SET person = '', forget = 0"
			  " WHERE forget <> 0 AND forget <= ?",
	[ANSWER_FORGET_PERSON] = "UPDATE answer SET person = '', forget = 0"
				 " WHERE forget <> 0 AND lower(person) = lower(?)",
	[STORM_FORGET_PERSON] =
	    "UPDATE storm SET answered_by = '' WHERE instr(char(10) ||"
	    " lower(answered_by) || char(10), char(10) || lower(?) || char(10))",
	[ANSWER_PURGE] = "DELETE FROM answer WHERE time < ?",
};

/* A statement of this file. */
static struct store_sqlite_call
call_new(void *database, enum slot slot)
{
	return store_sqlite_call(database, STORE_SQLITE_STORM_SLOT + (int)slot, statements[slot]);
}

static void
bind_blob(struct store_sqlite_call *call, const struct store_blob *blob)
{
	store_sqlite_blob(call, blob->data, blob->length);
}

/* Ends a question whose only answer is whether there is a row. */
static enum base_result
call_asked(struct store_sqlite_call *call, const char **why_r)
{
	enum base_result result = store_sqlite_step(call, why_r);

	if (result == BASE_OK)
		store_sqlite_end(call);
	return result;
}

/* --- a storm to and from a row --------------------------------------------------- */

/* All fields, in the order of STORM_COLUMNS. */
static void
storm_bind(struct store_sqlite_call *call, const struct store_storm *storm)
{
	store_sqlite_text(call, storm->id);
	store_sqlite_text(call, storm->node);
	bind_blob(call, &storm->topic);
	store_sqlite_text(call, storm->list);
	store_sqlite_text(call, storm->owner);
	store_sqlite_text(call, storm->subject);
	store_sqlite_text(call, storm->language);
	store_sqlite_int(call, storm->state);
	store_sqlite_int(call, storm->people);
	store_sqlite_int(call, storm->answers);
	store_sqlite_int(call, storm->answerers);
	store_sqlite_int(call, storm->started);
	store_sqlite_int(call, storm->until);
	store_sqlite_int(call, storm->span);
	store_sqlite_int(call, storm->on_end);
	store_sqlite_int(call, storm->ended);
	store_sqlite_text(call, storm->by);
	store_sqlite_int(call, storm->letter_due);
	store_sqlite_int(call, storm->letter_tries);
	store_sqlite_int(call, storm->letter_sent);
	store_sqlite_text(call, storm->answered_by);
}

/* The row that the statement stands on; false: the arena is full. */
static bool
storm_read(struct store_sqlite_call *call, struct base_arena *arena, void *row_r)
{
	struct store_storm *storm_r = row_r;
	sqlite3_stmt *row = call->statement;
	bool is_whole = store_sqlite_column_blob(call, arena, 2, &storm_r->topic);
	const struct store_sqlite_text_column texts[] = {
		{ 0, &storm_r->id },
		{ 1, &storm_r->node },
		{ 3, &storm_r->list },
		{ 4, &storm_r->owner },
		{ 5, &storm_r->subject },
		{ 6, &storm_r->language },
		{ 16, &storm_r->by },
		{ 20, &storm_r->answered_by },
	};

	if (!store_sqlite_column_texts(call, arena, texts, sizeof(texts) / sizeof(*texts)))
		is_whole = false;
	storm_r->state = sqlite3_column_int(row, 7);
	storm_r->people = sqlite3_column_int64(row, 8);
	storm_r->answers = sqlite3_column_int64(row, 9);
	storm_r->answerers = sqlite3_column_int64(row, 10);
	storm_r->started = sqlite3_column_int64(row, 11);
	storm_r->until = sqlite3_column_int64(row, 12);
	storm_r->span = sqlite3_column_int64(row, 13);
	storm_r->on_end = sqlite3_column_int(row, 14);
	storm_r->ended = sqlite3_column_int64(row, 15);
	storm_r->letter_due = sqlite3_column_int64(row, 17);
	storm_r->letter_tries = sqlite3_column_int(row, 18);
	storm_r->letter_sent = sqlite3_column_int64(row, 19);
	return is_whole;
}

static const struct store_sqlite_row storm_row = { sizeof(struct store_storm), storm_read };

/* One row, or NONE. */
static enum base_result
storm_one(struct store_sqlite_call *call, struct base_arena *arena, struct store_storm **storm_r,
    const char **why_r)
{
	void *row = NULL;
	enum base_result result = store_sqlite_one(call, &storm_row, arena, &row, why_r);

	if (result == BASE_OK)
		*storm_r = row;
	return result;
}

/* Up to `room` rows; none is OK with a count of 0. */
static enum base_result
storm_many(struct store_sqlite_call *call, struct base_arena *arena, struct store_storm **storms_r,
    size_t room, size_t *count_r, const char **why_r)
{
	void *rows = NULL;
	enum base_result result =
	    store_sqlite_many(call, &storm_row, arena, room, &rows, count_r, why_r);

	if (result == BASE_OK)
		*storms_r = rows;
	return result;
}

/* --- storms ---------------------------------------------------------------------- */

enum base_result
store_sqlite_storm_insert(void *database, const struct store_storm *storm, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_INSERT);

	storm_bind(&call, storm);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_storm_update(
    void *database, const struct store_storm *storm, int expected, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_UPDATE);

	storm_bind(&call, storm);
	store_sqlite_int(&call, expected);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_storm_get(void *database, struct base_arena *arena, const char *id,
    struct store_storm **storm_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_GET);

	store_sqlite_text(&call, id);
	return storm_one(&call, arena, storm_r, why_r);
}

enum base_result
store_sqlite_storm_by_token(void *database, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_storm **storm_r,
    const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_BY_TOKEN);

	store_sqlite_blob(&call, hash, BASE_HASH_SIZE);
	store_sqlite_int(&call, now);
	return storm_one(&call, arena, storm_r, why_r);
}

enum base_result
store_sqlite_storm_by_topic(void *database, struct base_arena *arena,
    const struct store_blob *topic, int64_t now, struct store_storm **storm_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_BY_TOPIC);

	bind_blob(&call, topic);
	store_sqlite_int(&call, now);
	return storm_one(&call, arena, storm_r, why_r);
}

enum base_result
store_sqlite_storm_some(void *database, struct base_arena *arena, enum store_storm_set set,
    const char *node, int64_t now, struct store_storm **storms_r, size_t room, size_t *count_r,
    const char **why_r)
{
	static const enum slot slots[] = {
		[STORE_STORMS_OPEN] = STORM_OPEN,
		[STORE_STORMS_ALL] = STORM_ALL,
	};
	struct store_sqlite_call call = call_new(database, slots[set]);

	store_sqlite_text(&call, node);
	store_sqlite_int(&call, now);
	store_sqlite_int(&call, (int64_t)room);
	return storm_many(&call, arena, storms_r, room, count_r, why_r);
}

enum base_result
store_sqlite_storm_release(void *database, const char *id, const int states[2], int64_t now,
    int on_end, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_RELEASE);

	store_sqlite_text(&call, id);
	store_sqlite_int(&call, states[0]);
	store_sqlite_int(&call, states[1]);
	store_sqlite_int(&call, now);
	store_sqlite_int(&call, on_end);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_storm_held(void *database, const char *id, size_t *count_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_HELD);
	int64_t count;
	enum base_result result;

	store_sqlite_text(&call, id);
	result = store_sqlite_one_int(&call, &count, why_r);
	if (result == BASE_OK)
		*count_r = (size_t)count;
	return result;
}

enum base_result
store_sqlite_storm_told(void *database, const char *id, const char *sender, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, STORM_TOLD);

	store_sqlite_text(&call, id);
	store_sqlite_text(&call, sender);
	return call_asked(&call, why_r);
}

enum base_result
store_sqlite_storm_forget(void *database, const char *address, const char **why_r)
{
	static const enum slot slots[] = { STORM_FORGET_LIST, STORM_FORGET_TOKENS,
		STORM_FORGET_OWNER, ANSWER_FORGET_PERSON, STORM_FORGET_PERSON };

	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		struct store_sqlite_call call = call_new(database, slots[i]);
		enum base_result result;

		store_sqlite_text(&call, address);
		result = store_sqlite_run(&call, why_r);
		if (result != BASE_OK && result != BASE_NONE)
			return result;
	}
	return BASE_OK;
}

enum base_result
store_sqlite_storm_purge(void *database, int64_t time, int64_t answers_time, const char **why_r)
{
	static const enum slot slots[] = { STORM_PURGE_TOKENS, STORM_PURGE, ANSWER_PURGE };
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		struct store_sqlite_call call = call_new(database, slots[i]);

		store_sqlite_int(&call, slots[i] == ANSWER_PURGE ? answers_time : time);
		result = store_sqlite_run(&call, why_r);
		if (result != BASE_OK && result != BASE_NONE)
			return result;
	}
	return BASE_OK;
}

/* --- answers --------------------------------------------------------------------- */

enum base_result
store_sqlite_answer_insert(void *database, const struct store_answer *answer, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, ANSWER_INSERT);

	bind_blob(&call, &answer->topic);
	bind_blob(&call, &answer->message);
	bind_blob(&call, &answer->act);
	bind_blob(&call, &answer->sender);
	store_sqlite_int(&call, answer->time);
	store_sqlite_text(&call, answer->person);
	store_sqlite_int(&call, answer->forget);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_answer_has(void *database, const struct store_blob *topic,
    const struct store_blob *act, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, ANSWER_HAS);

	bind_blob(&call, topic);
	bind_blob(&call, act);
	return call_asked(&call, why_r);
}

enum base_result
store_sqlite_answer_topic(void *database, struct base_arena *arena,
    const struct store_blob *message, struct store_blob *topic_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, ANSWER_TOPIC);

	bind_blob(&call, message);
	return store_sqlite_one_blob(&call, arena, topic_r, why_r);
}

enum base_result
store_sqlite_answer_count(void *database, const struct store_blob *topic, int64_t since,
    size_t *answers_r, size_t *answerers_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, ANSWER_COUNT);
	enum base_result result;

	bind_blob(&call, topic);
	store_sqlite_int(&call, since);
	result = store_sqlite_step(&call, why_r);
	if (result != BASE_OK)
		return result;
	*answers_r = (size_t)sqlite3_column_int64(call.statement, 0);
	*answerers_r = (size_t)sqlite3_column_int64(call.statement, 1);
	store_sqlite_end(&call);
	return BASE_OK;
}

enum base_result
store_sqlite_answer_people(void *database, struct base_arena *arena, const struct store_blob *topic,
    int64_t since, size_t room, const char **people_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, ANSWER_PEOPLE);
	enum base_result result;

	bind_blob(&call, topic);
	store_sqlite_int(&call, since);
	store_sqlite_int(&call, (int64_t)room);
	result = store_sqlite_step(&call, why_r);
	if (result != BASE_OK)
		return result;
	*people_r = store_sqlite_column_text(&call, arena, 0);
	store_sqlite_end(&call);
	return *people_r != NULL ? BASE_OK : store_sqlite_rows_full(why_r);
}

enum base_result
store_sqlite_answer_forget(void *database, int64_t now, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, ANSWER_FORGET);

	store_sqlite_int(&call, now);
	return store_sqlite_run(&call, why_r);
}
