/* table_answer - the table of the answers to everybody that were let through */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/store/storm.h"

#include <stddef.h>

#include "milter/store/table.h"

#define AT(member) offsetof(struct store_reply, member)

static const struct store_column columns[] = {
	{ "topic", STORE_BLOB, AT(topic), 2 },
	{ "message", STORE_BLOB, AT(message), 2 },
	{ "act", STORE_BLOB, AT(submission), 2 },
	{ "sender", STORE_BLOB, AT(sender), 2 },
	{ "time", STORE_INT64, AT(time), 2 },
	{ "person", STORE_TEXT, AT(person), 5 },
	{ "forget", STORE_INT64, AT(forget), 5 },
};

const struct store_table store_table_answer = { "answer", "PRIMARY KEY (topic, message)",
	STORE_BY_KEY, columns, sizeof(columns) / sizeof(*columns), sizeof(struct store_reply) };

struct counts {
	int64_t answers;
	int64_t repliers;
};
static const struct store_column count_columns[] = {
	{ NULL, STORE_INT64, offsetof(struct counts, answers), 0 },
	{ NULL, STORE_INT64, offsetof(struct counts, repliers), 0 },
};
static const struct store_table table_counts = {
	.columns = count_columns, .count = 2, .size = sizeof(struct counts)
};

enum query { INSERT, HAS, TOPIC, COUNT, PEOPLE, FORGET, QUERIES };

static const struct store_query queries[QUERIES] = {
	[INSERT] = { &store_table_answer, "INSERT INTO answer ({columns}) VALUES ({values})" },
	[HAS] = { &store_table_number,
	    "SELECT 1 FROM answer WHERE topic = $1 AND act = $2 LIMIT 1" },
	[TOPIC] = { &store_table_bytes,
	    "SELECT topic FROM answer WHERE message = $1 ORDER BY time DESC LIMIT 1" },
	[COUNT] = { &table_counts, "SELECT count(DISTINCT act), count(DISTINCT sender) FROM answer"
				   " WHERE topic = $1 AND time >= $2" },
	[PEOPLE] = { &store_table_text,
	    "SELECT person FROM answer WHERE topic = $1 AND time >= $2 AND person <> ''"
	    " GROUP BY person ORDER BY min(time), person LIMIT $3" },
	[FORGET] = { NULL,
	    "UPDATE answer SET person = '', forget = 0 WHERE forget <> 0 AND forget <= $1" },
};

enum base_result
store_answer_insert(struct store *store, const struct store_reply *answer, const char **why_r)
{
	return store_run_row(store, &queries[INSERT], answer, STORE_NO_VALUES, why_r);
}

enum base_result
store_answer_has(struct store *store, const struct store_blob *topic,
    const struct store_blob *submission, const char **why_r)
{
	int64_t one;

	return store_read_into(store, &queries[HAS],
	    STORE_VALUES(STORE_IS_BLOB(topic->data, topic->length),
		STORE_IS_BLOB(submission->data, submission->length)),
	    NULL, &one, why_r);
}

enum base_result
store_answer_topic(struct store *store, struct base_arena *arena, const struct store_blob *message,
    struct store_blob *topic_r, const char **why_r)
{
	return store_read_into(store, &queries[TOPIC],
	    STORE_VALUES(STORE_IS_BLOB(message->data, message->length)), arena, topic_r, why_r);
}

enum base_result
store_answer_count(struct store *store, const struct store_blob *topic, int64_t since,
    size_t *answers_r, size_t *repliers_r, const char **why_r)
{
	struct counts counts;
	enum base_result result = store_read_into(store, &queries[COUNT],
	    STORE_VALUES(STORE_IS_BLOB(topic->data, topic->length), STORE_IS_INT64(since)), NULL,
	    &counts, why_r);

	if (result == BASE_OK) {
		*answers_r = (size_t)counts.answers;
		*repliers_r = (size_t)counts.repliers;
	}
	return result;
}

/* Texts one behind the other, one a line; NULL: no memory. */
static const char *
lines_join(struct base_arena *arena, const char *const *lines, size_t count)
{
	const char *text = "";

	for (size_t i = 0; i < count && text != NULL; i++)
		text = i == 0 ? lines[0] : base_arena_printf(arena, "%s\n%s", text, lines[i]);
	return text;
}

enum base_result
store_answer_people(struct store *store, struct base_arena *arena, const struct store_blob *topic,
    int64_t since, size_t capacity, const char **people_r, const char **why_r)
{
	const char **people = NULL;
	size_t count = 0;
	enum base_result result = store_read(store, &queries[PEOPLE],
	    STORE_VALUES(STORE_IS_BLOB(topic->data, topic->length), STORE_IS_INT64(since),
		STORE_IS_INT64((int64_t)capacity)),
	    arena, capacity, &people, &count, why_r);
	const char *text;

	if (result != BASE_OK)
		return result;
	text = lines_join(arena, people, count);
	if (text == NULL) {
		*why_r = base_why("no memory for those who answered");
		return BASE_BROKEN;
	}
	*people_r = text;
	return BASE_OK;
}

enum base_result
store_answer_forget(struct store *store, int64_t now, const char **why_r)
{
	return store_run(store, &queries[FORGET], STORE_VALUES(STORE_IS_INT64(now)), why_r);
}
