/* table_hold - the table of holds, and the statements about one hold or some of them */
#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/hold.h"

#include <stddef.h>

#include "milter/store/table.h"

#define AT(member) offsetof(struct store_hold, member)

static const struct store_column columns[] = {
	{ "id", STORE_TEXT, AT(id), 1 },
	{ "node", STORE_TEXT, AT(node), 1 },
	{ "state", STORE_INT, AT(state), 1 },
	{ "action", STORE_INT, AT(action), 1 },
	{ "act", STORE_BLOB, AT(submission), 1 },
	{ "sender", STORE_TEXT, AT(sender), 1 },
	{ "subject", STORE_TEXT, AT(subject), 1 },
	{ "recipients", STORE_TEXT, AT(recipients), 1 },
	{ "recipient_count", STORE_INT64, AT(recipient_count), 1 },
	{ "people", STORE_INT64, AT(people), 1 },
	{ "people_kind", STORE_INT, AT(people_kind), 1 },
	{ "score", STORE_REAL, AT(score), 1 },
	{ "reasons", STORE_TEXT, AT(reasons), 1 },
	{ "policy", STORE_TEXT, AT(policy), 1 },
	{ "language", STORE_TEXT, AT(language), 1 },
	{ "created", STORE_INT64, AT(created), 1 },
	{ "due", STORE_INT64, AT(due), 1 },
	{ "deadline", STORE_INT64, AT(deadline), 1 },
	{ "window", STORE_INT64, AT(window), 1 },
	{ "grace", STORE_INT64, AT(grace), 1 },
	{ "on_end", STORE_INT, AT(on_end), 1 },
	{ "then_end", STORE_INT, AT(then), 1 },
	{ "settled", STORE_INT64, AT(settled), 1 },
	{ "moved", STORE_INT64, AT(moved), 1 },
	{ "by", STORE_TEXT, AT(by), 1 },
	{ "tries", STORE_INT, AT(tries), 1 },
	{ "letter_due", STORE_INT64, AT(letter_due), 1 },
	{ "letter_tries", STORE_INT, AT(letter_tries), 1 },
	{ "letter_sent", STORE_INT64, AT(letter_sent), 1 },
	{ "storm", STORE_TEXT, AT(storm), 2 },
	{ "author", STORE_TEXT, AT(author), 2 },
	{ "answered", STORE_INT64, AT(answered), 2 },
	{ "template", STORE_TEXT, AT(template), 3 },
	{ "mailbox", STORE_TEXT, AT(mailbox), 4 },
	{ "return_due", STORE_INT64, AT(return_due), 5 },
	{ "return_tries", STORE_INT, AT(return_tries), 5 },
	{ "return_how", STORE_INT, AT(return_how), 5 },
	{ "from_address", STORE_TEXT, AT(from_address), 5 },
	{ "undone_by", STORE_TEXT, AT(undone_by), 5 },
	{ "timer", STORE_INT64, AT(timer), 5 },
	{ "seen", STORE_INT64, AT(seen), 5 },
	{ "how", STORE_INT, AT(how), 5 },
	{ "left_at", STORE_INT64, AT(left_at), 5 },
	{ "announce", STORE_INT64, AT(announce), 5 },
	{ "limited_by", STORE_TEXT, AT(limited_by), 5 },
	{ "left_count", STORE_INT64, AT(left_count), 5 },
	{ "left_to", STORE_TEXT, AT(left_to), 5 },
	{ "bounces_home", STORE_INT, AT(bounces_home), 6 },
	{ "look_asked", STORE_INT64, STORE_BESIDE, 8 },
	{ "letters", STORE_INT64, AT(letters), 8 },
};

const struct store_table store_table_hold = { "hold", "PRIMARY KEY (id)", STORE_PLAIN, columns,
	sizeof(columns) / sizeof(*columns), sizeof(struct store_hold) };

enum query {
	INSERT,
	GET,
	BY_TOKEN,
	BY_SUBMISSION,
	UPDATE,
	POSTPONE,
	LOOK,
	LIST_ALL,
	LIST_OPEN,
	NAMING,
	LETTERS,
	COUNT,
	COUNT_UNLIMITED,
	QUERIES,
};

#define SELECT "SELECT {columns} FROM hold WHERE "
#define NEWEST " ORDER BY created DESC, id DESC LIMIT $3"

static const struct store_query queries[QUERIES] = {
	[INSERT] = { &store_table_hold, "INSERT INTO hold ({columns}) VALUES ({values})" },
	[GET] = { &store_table_hold, SELECT "id = $1" },
	[BY_TOKEN] = { &store_table_hold,
	    SELECT "id = (SELECT hold_id FROM token WHERE hash = $1 AND expires > $2)" },
	[BY_SUBMISSION] = { &store_table_hold,
	    SELECT "act = $2 AND created >= $3 AND node = $1 ORDER BY created DESC LIMIT 1" },
	[UPDATE] = { &store_table_hold, "UPDATE hold SET {set} WHERE id = $1 AND state = {next}" },
	[POSTPONE] = { NULL, "UPDATE hold SET timer = CASE WHEN timer <> 0 THEN $2 ELSE 0 END,"
			     " due = CASE WHEN due <> 0 THEN $2 ELSE 0 END WHERE id = $1" },
	/* a clock that was set back must not keep anybody from looking */
	[LOOK] = { NULL, "UPDATE hold SET due = $2, look_asked = $2 WHERE id = $1"
			 " AND due > $2 AND look_asked NOT BETWEEN $2 - $3 + 1 AND $2" },
	[LIST_ALL] = { &store_table_hold, SELECT "(created, id) < ($1, $2)" NEWEST },
	[LIST_OPEN] = { &store_table_hold,
	    SELECT "settled = 0 AND (created, id) < ($1, $2)" NEWEST },
	[NAMING] = { &store_table_hold,
	    SELECT "sender = $1 OR author = $1 OR from_address = $1"
		   " OR instr('\n' || lower(recipients) || '\n', '\n' || $1 || '\n') > 0"
		   " OR instr(lower(reasons), $1) > 0"
		   " OR id IN (SELECT hold_id FROM part WHERE instr(lesson, $2) > 0)"
		   " ORDER BY created, id LIMIT $3" },
	[LETTERS] = { &store_table_number, "SELECT coalesce(sum(letters), 0) FROM hold"
					   " WHERE sender = $1 AND letter_sent <> 0"
					   " AND letter_sent >= $2" },
	[COUNT] = { &store_table_number, "SELECT count(*) FROM hold"
					 " WHERE created >= $2 AND storm = '' AND sender = $1" },
	[COUNT_UNLIMITED] = { &store_table_number,
	    "SELECT count(*) FROM hold WHERE created >= $2 AND storm = '' AND limited_by = ''"
	    " AND sender = $1" },
};

#define OF_PURGED                                                                                  \
	"IN (SELECT id FROM hold WHERE settled <> 0 AND settled < $1"                              \
	" ORDER BY settled, id LIMIT " STORE_PURGE ")"
#define OF_REMOVED "IN (SELECT id FROM hold WHERE id = $1)"

static const struct store_query purge[] = {
	{ NULL, "DELETE FROM part WHERE hold_id " OF_PURGED },
	{ NULL, "DELETE FROM token WHERE hold_id " OF_PURGED },
	{ NULL, "DELETE FROM hold WHERE id " OF_PURGED },
};

static const struct store_query removal[] = {
	{ NULL, "DELETE FROM part WHERE hold_id " OF_REMOVED },
	{ NULL, "DELETE FROM token WHERE hold_id " OF_REMOVED },
	{ NULL, "DELETE FROM hold WHERE id = $1" },
};

enum base_result
store_hold_insert(struct store *store, const struct store_hold *hold, const char **why_r)
{
	return store_run_row(store, &queries[INSERT], hold, STORE_NO_VALUES, why_r);
}

enum base_result
store_hold_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_hold **hold_r, const char **why_r)
{
	return store_read_one(
	    store, &queries[GET], STORE_VALUES(STORE_IS_TEXT(id)), arena, hold_r, why_r);
}

enum base_result
store_hold_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_hold **hold_r,
    const char **why_r)
{
	return store_read_one(store, &queries[BY_TOKEN],
	    STORE_VALUES(STORE_IS_BLOB(hash, BASE_HASH_SIZE), STORE_IS_INT64(now)), arena, hold_r,
	    why_r);
}

enum base_result
store_hold_by_submission(struct store *store, struct base_arena *arena, const char *node,
    const void *submission, size_t length, int64_t since, struct store_hold **hold_r,
    const char **why_r)
{
	return store_read_one(store, &queries[BY_SUBMISSION],
	    STORE_VALUES(
		STORE_IS_TEXT(node), STORE_IS_BLOB(submission, length), STORE_IS_INT64(since)),
	    arena, hold_r, why_r);
}

enum base_result
store_hold_update(
    struct store *store, const struct store_hold *hold, int expected, const char **why_r)
{
	return store_run_row(
	    store, &queries[UPDATE], hold, STORE_VALUES(STORE_IS_INT64(expected)), why_r);
}

enum base_result
store_hold_postpone(struct store *store, const char *id, int64_t time, const char **why_r)
{
	return store_run(store, &queries[POSTPONE],
	    STORE_VALUES(STORE_IS_TEXT(id), STORE_IS_INT64(time)), why_r);
}

enum base_result
store_hold_look(struct store *store, const char *id, int64_t now, int64_t rest, const char **why_r)
{
	return store_run(store, &queries[LOOK],
	    STORE_VALUES(STORE_IS_TEXT(id), STORE_IS_INT64(now), STORE_IS_INT64(rest)), why_r);
}

enum base_result
store_hold_list(struct store *store, struct base_arena *arena, bool all_states,
    const struct store_hold *before, struct store_hold **holds_r, size_t capacity, size_t *count_r,
    const char **why_r)
{
	const int64_t created = before != NULL ? before->created : INT64_MAX;
	const char *id = before != NULL ? before->id : "";

	return store_read(store, &queries[all_states ? LIST_ALL : LIST_OPEN],
	    STORE_VALUES(
		STORE_IS_INT64(created), STORE_IS_TEXT(id), STORE_IS_INT64((int64_t)capacity)),
	    arena, capacity, holds_r, count_r, why_r);
}

enum base_result
store_hold_naming(struct store *store, struct base_arena *arena, const char *address,
    const void *mark, size_t length, struct store_hold **holds_r, size_t capacity, size_t *count_r,
    const char **why_r)
{
	return store_read(store, &queries[NAMING],
	    STORE_VALUES(STORE_IS_TEXT(address), STORE_IS_BLOB(mark, length),
		STORE_IS_INT64((int64_t)capacity)),
	    arena, capacity, holds_r, count_r, why_r);
}

/* A number about a sender's holds since a time. */
static enum base_result
sender_count(struct store *store, enum query query, const char *sender, int64_t since,
    int64_t *count_r, const char **why_r)
{
	return store_read_into(store, &queries[query],
	    STORE_VALUES(STORE_IS_TEXT(sender), STORE_IS_INT64(since)), NULL, count_r, why_r);
}

enum base_result
store_hold_letters(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return sender_count(store, LETTERS, sender, since, count_r, why_r);
}

enum base_result
store_hold_count(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return sender_count(store, COUNT, sender, since, count_r, why_r);
}

enum base_result
store_hold_count_unlimited(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return sender_count(store, COUNT_UNLIMITED, sender, since, count_r, why_r);
}

enum base_result
store_hold_purge(struct store *store, int64_t time, const char **why_r)
{
	return store_run_all(store, purge, sizeof(purge) / sizeof(*purge),
	    STORE_VALUES(STORE_IS_INT64(time)), why_r);
}

enum base_result
store_hold_remove(struct store *store, const char *id, const char **why_r)
{
	return store_run_all(store, removal, sizeof(removal) / sizeof(*removal),
	    STORE_VALUES(STORE_IS_TEXT(id)), why_r);
}
