/* table_storm - the table of storms, and the statements about them and their holds */
#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/storm.h"

#include <stddef.h>

#include "milter/store/table.h"

#define AT(member) offsetof(struct store_storm, member)

static const struct store_column columns[] = {
	{ "id", STORE_TEXT, AT(id), 2 },
	{ "node", STORE_TEXT, AT(node), 2 },
	{ "topic", STORE_BLOB, AT(topic), 2 },
	{ "list", STORE_TEXT, AT(list), 2 },
	{ "owner", STORE_TEXT, AT(owner), 2 },
	{ "subject", STORE_TEXT, AT(subject), 2 },
	{ "language", STORE_TEXT, AT(language), 2 },
	{ "state", STORE_INT, AT(state), 2 },
	{ "people", STORE_INT64, AT(people), 2 },
	{ "answers", STORE_INT64, AT(answers), 2 },
	{ "answerers", STORE_INT64, AT(repliers), 2 },
	{ "started", STORE_INT64, AT(started), 2 },
	{ "until", STORE_INT64, AT(until), 2 },
	{ "span", STORE_INT64, AT(span), 2 },
	{ "on_end", STORE_INT, AT(on_end), 2 },
	{ "ended", STORE_INT64, AT(ended), 2 },
	{ "by", STORE_TEXT, AT(by), 2 },
	{ "letter_due", STORE_INT64, AT(letter_due), 2 },
	{ "letter_tries", STORE_INT, AT(letter_tries), 2 },
	{ "letter_sent", STORE_INT64, AT(letter_sent), 2 },
	{ "answered_by", STORE_TEXT, AT(answered_by), 5 },
};

const struct store_table store_table_storm = { "storm", "PRIMARY KEY (id)", STORE_PLAIN, columns,
	sizeof(columns) / sizeof(*columns), sizeof(struct store_storm) };

enum query { INSERT, UPDATE, GET, BY_TOKEN, BY_TOPIC, OPEN, ALL, RELEASE, HELD, TOLD, QUERIES };

#define SELECT "SELECT {columns} FROM storm "
#define NEWEST "ORDER BY started DESC, id LIMIT $1"

static const struct store_query queries[QUERIES] = {
	[INSERT] = { &store_table_storm, "INSERT INTO storm ({columns}) VALUES ({values})" },
	[UPDATE] = { &store_table_storm,
	    "UPDATE storm SET {set} WHERE id = $1 AND state = {next}" },
	[GET] = { &store_table_storm, SELECT "WHERE id = $1" },
	[BY_TOKEN] = { &store_table_storm,
	    SELECT "WHERE id = (SELECT hold_id FROM token WHERE hash = $1 AND expires > $2)" },
	[BY_TOPIC] = { &store_table_storm,
	    SELECT "WHERE topic = $1 AND until > $2 ORDER BY started DESC LIMIT 1" },
	[OPEN] = { &store_table_storm, SELECT "WHERE until <> 0 " NEWEST },
	[ALL] = { &store_table_storm, SELECT NEWEST },
	[RELEASE] = { NULL, "UPDATE hold SET deadline = $4, timer = $4, on_end = $5"
			    " WHERE storm = $1 AND storm <> '' AND settled = 0"
			    " AND state IN ($2, $3)" },
	[HELD] = { &store_table_number,
	    "SELECT count(*) FROM hold WHERE storm = $1 AND storm <> ''" },
	[TOLD] = { &store_table_number,
	    "SELECT 1 FROM hold WHERE storm = $1 AND storm <> '' AND sender = $2"
	    " AND (letter_sent <> 0 OR letter_due <> 0) LIMIT 1" },
};

static const struct store_query forget[] = {
	{ NULL, "UPDATE storm SET list = '' WHERE lower(list) = lower($1)" },
	{ NULL, "DELETE FROM token WHERE hold_id IN"
		" (SELECT id FROM storm WHERE lower(owner) = lower($1))" },
	{ NULL, "UPDATE storm SET owner = '', letter_due = 0 WHERE lower(owner) = lower($1)" },
	{ NULL, "UPDATE answer SET person = '', forget = 0"
		" WHERE forget <> 0 AND lower(person) = lower($1)" },
	{ NULL, "UPDATE storm SET answered_by = '' WHERE"
		" instr('\n' || lower(answered_by) || '\n', '\n' || lower($1) || '\n') > 0" },
};

static const struct store_query purge[] = {
	{ NULL, "DELETE FROM token WHERE hold_id IN"
		" (SELECT id FROM storm WHERE until = 0 AND ended < $1)" },
	{ NULL, "DELETE FROM storm WHERE until = 0 AND ended < $1" },
};
static const struct store_query purge_answers = { NULL, "DELETE FROM answer WHERE time < $1" };

enum base_result
store_storm_insert(struct store *store, const struct store_storm *storm, const char **why_r)
{
	return store_run_row(store, &queries[INSERT], storm, STORE_NO_VALUES, why_r);
}

enum base_result
store_storm_update(
    struct store *store, const struct store_storm *storm, int expected, const char **why_r)
{
	return store_run_row(
	    store, &queries[UPDATE], storm, STORE_VALUES(STORE_IS_INT64(expected)), why_r);
}

enum base_result
store_storm_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_storm **storm_r, const char **why_r)
{
	return store_read_one(
	    store, &queries[GET], STORE_VALUES(STORE_IS_TEXT(id)), arena, storm_r, why_r);
}

enum base_result
store_storm_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_storm **storm_r,
    const char **why_r)
{
	return store_read_one(store, &queries[BY_TOKEN],
	    STORE_VALUES(STORE_IS_BLOB(hash, BASE_HASH_SIZE), STORE_IS_INT64(now)), arena, storm_r,
	    why_r);
}

enum base_result
store_storm_by_topic(struct store *store, struct base_arena *arena, const struct store_blob *topic,
    int64_t now, struct store_storm **storm_r, const char **why_r)
{
	return store_read_one(store, &queries[BY_TOPIC],
	    STORE_VALUES(STORE_IS_BLOB(topic->data, topic->length), STORE_IS_INT64(now)), arena,
	    storm_r, why_r);
}

enum base_result
store_storm_some(struct store *store, struct base_arena *arena, enum store_storm_set set,
    struct store_storm **storms_r, size_t capacity, size_t *count_r, const char **why_r)
{
	return store_read(store, &queries[set == STORE_STORMS_OPEN ? OPEN : ALL],
	    STORE_VALUES(STORE_IS_INT64((int64_t)capacity)), arena, capacity, storms_r, count_r,
	    why_r);
}

enum base_result
store_storm_release(struct store *store, const char *id, const int states[2], int64_t now,
    int on_end, const char **why_r)
{
	return store_run(store, &queries[RELEASE],
	    STORE_VALUES(STORE_IS_TEXT(id), STORE_IS_INT64(states[0]), STORE_IS_INT64(states[1]),
		STORE_IS_INT64(now), STORE_IS_INT64(on_end)),
	    why_r);
}

enum base_result
store_storm_held(struct store *store, const char *id, size_t *count_r, const char **why_r)
{
	int64_t count;
	enum base_result result = store_read_into(
	    store, &queries[HELD], STORE_VALUES(STORE_IS_TEXT(id)), NULL, &count, why_r);

	if (result == BASE_OK)
		*count_r = (size_t)count;
	return result;
}

enum base_result
store_storm_told(struct store *store, const char *id, const char *sender, const char **why_r)
{
	int64_t one;

	return store_read_into(store, &queries[TOLD],
	    STORE_VALUES(STORE_IS_TEXT(id), STORE_IS_TEXT(sender)), NULL, &one, why_r);
}

enum base_result
store_storm_forget(struct store *store, const char *address, const char **why_r)
{
	enum base_result result = store_run_all(store, forget, sizeof(forget) / sizeof(*forget),
	    STORE_VALUES(STORE_IS_TEXT(address)), why_r);

	return result == BASE_NONE ? BASE_OK : result;
}

enum base_result
store_storm_purge(struct store *store, int64_t time, int64_t answers_time, const char **why_r)
{
	enum base_result result = store_run_all(store, purge, sizeof(purge) / sizeof(*purge),
	    STORE_VALUES(STORE_IS_INT64(time)), why_r);

	if (result == BASE_OK || result == BASE_NONE)
		result = store_run(
		    store, &purge_answers, STORE_VALUES(STORE_IS_INT64(answers_time)), why_r);
	return result == BASE_NONE ? BASE_OK : result;
}
