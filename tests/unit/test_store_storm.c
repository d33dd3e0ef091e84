/* store: storms, answers, and databases that an older version of the program wrote */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/hold.h"
#include "milter/store/queue_entry.h"
#include "milter/store/record.h"
#include "milter/store/store.h"
#include "milter/store/storm.h"
#include "tests/unit/folder.h"
#include "tests/unit/result.h"

static char directory[64];
static struct base_arena *arena;
static const char *why;

/* --- helpers ----------------------------------------------------------------------------
 */

static void
setup(void)
{
	strcpy(directory, "/tmp/oops-storm-XXXXXX");
	folder_make(directory);
	arena = base_arena_new(8u << 20);
	ck_assert_ptr_nonnull(arena);
	why = "";
}

static void
teardown(void)
{
	base_arena_free(&arena);
	folder_remove(directory);
}

static struct store *
must_open(enum store_kind kind)
{
	struct store_options options = {
		.driver = "sqlite", .directory = directory, .create = true
	};
	struct store *store = NULL;

	OK(store_open(&options, kind, &store, &why));
	return store;
}

static struct store_storm
sample(const char *id)
{
	return (struct store_storm){
		.id = id,
		.node = "mx1",
		.topic = { "to\0pic", 6 },
		.list = "everyone@example.com",
		.owner = "owner@example.com",
		.subject = "Cake '\"; --",
		.language = "en",
		.state = 1,
		.people = 412,
		.answers = 4,
		.repliers = 3,
		.started = 1000,
		.until = 5000,
		.span = 4,
		.on_end = 2,
		.ended = 0,
		.by = "",
		.letter_due = 1000,
		.letter_tries = 6,
		.letter_sent = 7,
	};
}

static void
same_storm(const struct store_storm *a, const struct store_storm *b)
{
	ck_assert_str_eq(a->id, b->id);
	ck_assert_str_eq(a->node, b->node);
	ck_assert_uint_eq(a->topic.length, b->topic.length);
	ck_assert_mem_eq(a->topic.data, b->topic.data, a->topic.length);
	ck_assert_str_eq(a->list, b->list);
	ck_assert_str_eq(a->owner, b->owner);
	ck_assert_str_eq(a->subject, b->subject);
	ck_assert_str_eq(a->language, b->language);
	ck_assert_int_eq(a->state, b->state);
	ck_assert_int_eq(a->people, b->people);
	ck_assert_int_eq(a->answers, b->answers);
	ck_assert_int_eq(a->repliers, b->repliers);
	ck_assert_int_eq(a->started, b->started);
	ck_assert_int_eq(a->until, b->until);
	ck_assert_int_eq(a->span, b->span);
	ck_assert_int_eq(a->on_end, b->on_end);
	ck_assert_int_eq(a->ended, b->ended);
	ck_assert_str_eq(a->by, b->by);
	ck_assert_int_eq(a->letter_due, b->letter_due);
	ck_assert_int_eq(a->letter_tries, b->letter_tries);
	ck_assert_int_eq(a->letter_sent, b->letter_sent);
}

static struct store_hold
sample_hold(const char *id, const char *storm)
{
	return (struct store_hold){ .id = id,
		.node = "mx1",
		.state = 1,
		.submission = { "act", 3 },
		.sender = "jo@example.com",
		.created = 1000,
		.due = 9000,
		.deadline = 9000,
		.on_end = 1,
		.storm = storm,
		.author = "clara@example.com",
		.answered = 4 };
}

static struct store_blob
blob(const char *text)
{
	return (struct store_blob){ text, strlen(text) };
}

/* --- storms -----------------------------------------------------------------------------
 */

START_TEST(storm_comes_back_as_it_went)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_storm storm = sample("aaaaaaaaaaaaaaaa");
	struct store_storm *got = NULL;

	OK(store_storm_insert(store, &storm, &why));
	REFUSE(store_storm_insert(store, &storm, &why));
	store_close(&store);
	store = must_open(STORE_HOLDS); /* from the file */
	OK(store_storm_get(store, arena, storm.id, &got, &why));
	same_storm(&storm, got);
	NONE(store_storm_get(store, arena, "bbbbbbbbbbbbbbbb", &got, &why));
	store_close(&store);
}
END_TEST

START_TEST(storm_update_writes_all_or_is_lost)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_storm storm = sample("a"), other = sample("b");
	struct store_storm changed = { .id = "a",
		.node = "mx2",
		.topic = { "x", 1 },
		.list = "",
		.owner = "",
		.subject = "",
		.language = "de",
		.state = 2,
		.people = 31,
		.answers = 32,
		.repliers = 33,
		.started = 34,
		.until = 35,
		.span = 36,
		.on_end = 1,
		.ended = 38,
		.by = "link",
		.letter_due = 0,
		.letter_tries = 40,
		.letter_sent = 41 };
	struct store_storm *got = NULL;

	OK(store_storm_insert(store, &storm, &why));
	OK(store_storm_insert(store, &other, &why));
	NONE(store_storm_update(store, &changed, 3, &why));
	OK(store_storm_get(store, arena, "a", &got, &why));
	same_storm(&storm, got);
	OK(store_storm_update(store, &changed, 1, &why));
	NONE(store_storm_update(store, &changed, 1, &why)); /* the second comes too late */
	OK(store_storm_get(store, arena, "a", &got, &why));
	same_storm(&changed, got);
	OK(store_storm_get(store, arena, "b", &got, &why));
	same_storm(&other, got);
	store_close(&store);
}
END_TEST

/* Four storms of three topics and two nodes. */
static void
fill(struct store *store)
{
	static const struct {
		const char *id, *node, *topic;
		int64_t started, until, ended, letter_due;
	} rows[] = {
		{ "over", "mx1", "t", 100, 0, 400, 0 },
		{ "lifted", "mx1", "t", 500, 2000, 900, 0 },
		{ "on", "mx1", "u", 1000, 3000, 0, 700 },
		{ "far", "mx2", "v", 1100, 4000, 0, 600 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct store_storm storm = sample(rows[i].id);

		storm.node = rows[i].node;
		storm.topic = blob(rows[i].topic);
		storm.started = rows[i].started;
		storm.until = rows[i].until;
		storm.ended = rows[i].ended;
		storm.letter_due = rows[i].letter_due;
		OK(store_storm_insert(store, &storm, &why));
	}
}

/* The storms of a set, by their names. */
static void
set_is(struct store *store, enum store_storm_set set, size_t capacity, const char *expected)
{
	struct store_storm *storms = NULL;
	char seen[64] = "";
	size_t count = 99;

	OK(store_storm_some(store, arena, set, &storms, capacity, &count, &why));
	for (size_t i = 0; i < count; i++) {
		strcat(seen, storms[i].id);
		strcat(seen, " ");
	}
	ck_assert_str_eq(seen, expected);
}

static void
due_are(
    struct store *store, enum store_due which, const char *node, int64_t now, const char *expected)
{
	const char **ids = NULL;
	char seen[64] = "";
	size_t count = 99;

	OK(store_due_ids(store, arena, which, node, now, &ids, 10, &count, &why));
	for (size_t i = 0; i < count; i++) {
		strcat(seen, ids[i]);
		strcat(seen, " ");
	}
	ck_assert_str_eq(seen, expected);
}

START_TEST(storm_sets)
{
	struct store *store = must_open(STORE_HOLDS);

	set_is(store, STORE_STORMS_ALL, 10, "");
	fill(store);
	set_is(store, STORE_STORMS_ALL, 10, "far on lifted over ");
	set_is(store, STORE_STORMS_ALL, 2, "far on ");
	set_is(store, STORE_STORMS_OPEN, 10, "far on lifted ");
	due_are(store, STORE_DUE_STORM, "mx1", 1999, "");
	due_are(store, STORE_DUE_STORM, "mx1", 2000, "lifted ");
	due_are(store, STORE_DUE_STORM, "mx1", 9000, "lifted on far ");
	due_are(store, STORE_DUE_STORM_LETTER, "mx1", 699, "");
	due_are(store, STORE_DUE_STORM_LETTER, "mx1", 700, "on ");
	due_are(store, STORE_DUE_STORM_LETTER, "mx2", 700, "far ");
	store_close(&store);
}
END_TEST

START_TEST(storm_of_a_topic)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_blob topic = blob("t"), prefix = blob("");
	struct store_storm *got = NULL, newer = sample("newer");

	fill(store);
	OK(store_storm_by_topic(store, arena, &topic, 1999, &got, &why));
	ck_assert_str_eq(got->id, "lifted");
	NONE(store_storm_by_topic(store, arena, &topic, 2000, &got, &why));
	NONE(store_storm_by_topic(store, arena, &prefix, 0, &got, &why));
	newer.topic = topic;
	newer.until = 1900;
	OK(store_storm_insert(store, &newer, &why));
	OK(store_storm_by_topic(store, arena, &topic, 1000, &got, &why));
	ck_assert_str_eq(got->id, "newer");
	store_close(&store);
}
END_TEST

START_TEST(storm_by_token)
{
	struct store *store = must_open(STORE_HOLDS);
	unsigned char hash[BASE_HASH_SIZE] = { 0, 1 }, other[BASE_HASH_SIZE] = { 0, 2 };
	struct store_hold hold = sample_hold("hold", "on"), *held = NULL;
	struct store_storm *got = NULL;

	fill(store);
	OK(store_hold_insert(store, &hold, &why));
	OK(store_token_insert(store, hash, "on", 5000, &why));
	OK(store_token_insert(store, other, "hold", 5000, &why));
	OK(store_storm_by_token(store, arena, hash, 4999, &got, &why));
	ck_assert_str_eq(got->id, "on");
	NONE(store_storm_by_token(store, arena, hash, 5000, &got, &why));
	/* a link opens what it was made for and nothing else */
	NONE(store_storm_by_token(store, arena, other, 0, &got, &why));
	NONE(store_hold_by_token(store, arena, hash, 0, &held, &why));
	OK(store_hold_by_token(store, arena, other, 0, &held, &why));
	ck_assert_str_eq(held->storm, "on");
	ck_assert_str_eq(held->author, "clara@example.com");
	ck_assert_int_eq(held->answered, 4);
	store_close(&store);
}
END_TEST

/* What a block holds goes when it is lifted; nothing else is touched. */
START_TEST(storm_releases_its_own)
{
	static const struct {
		const char *id, *storm;
		int state;
		int64_t settled;
		bool goes;
	} rows[] = {
		{ "placing", "on", 1, 0, true },
		{ "held", "on", 2, 0, true },
		{ "undone", "on", 3, 0, false },
		{ "settled", "on", 2, 77, false },
		{ "other", "far", 2, 0, false },
		{ "plain", "", 2, 0, false },
	};
	static const int states[2] = { 1, 2 };
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold *got = NULL;
	size_t count = 99;
	int64_t all = 0;

	fill(store);
	NONE(store_storm_release(store, "on", states, 5000, 2, &why));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct store_hold hold = sample_hold(rows[i].id, rows[i].storm);

		hold.state = rows[i].state;
		hold.settled = rows[i].settled;
		OK(store_hold_insert(store, &hold, &why));
	}
	NONE(store_storm_release(store, "", states, 5000, 2, &why));
	OK(store_storm_release(store, "on", states, 5000, 2, &why));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t due = rows[i].goes ? 5000 : 9000;

		OK(store_hold_get(store, arena, rows[i].id, &got, &why));
		ck_assert_int_eq(got->timer, rows[i].goes ? 5000 : 0);
		ck_assert_int_eq(got->deadline, due);
		ck_assert_int_eq(got->on_end, rows[i].goes ? 2 : 1);
		ck_assert_int_eq(got->state, rows[i].state);
	}
	OK(store_storm_held(store, "on", &count, &why));
	ck_assert_uint_eq(count, 4);
	OK(store_storm_held(store, "", &count, &why));
	ck_assert_uint_eq(count, 0);
	OK(store_hold_count(store, "jo@example.com", 0, &all, &why)); /* of storms: left out */
	ck_assert_int_eq(all, 1);
	store_close(&store);
}
END_TEST

START_TEST(storm_reported_once)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample_hold("a", "on");

	OK(store_hold_insert(store, &hold, &why));
	NONE(store_storm_told(store, "on", hold.sender, &why)); /* held, and not told */
	hold.letter_due = 5;
	OK(store_hold_update(store, &hold, 1, &why));
	OK(store_storm_told(store, "on", hold.sender, &why));
	hold.letter_due = 0;
	hold.letter_sent = 6;
	OK(store_hold_update(store, &hold, 1, &why));
	OK(store_storm_told(store, "on", hold.sender, &why));
	NONE(store_storm_told(store, "on", "al@example.com", &why));
	NONE(store_storm_told(store, "far", hold.sender, &why));
	NONE(store_storm_told(store, "", hold.sender, &why));
	store_close(&store);
}
END_TEST

/* --- answers ----------------------------------------------------------------------------
 */

static enum base_result
answer(struct store *store, const char *topic, const char *message, const char *submission,
    const char *sender, int64_t time)
{
	struct store_reply row = { blob(topic), blob(message), blob(submission), blob(sender), time,
		"", 0 };

	return store_answer_insert(store, &row, &why);
}

START_TEST(answers_count_acts_and_people)
{
	static const struct {
		const char *topic;
		int64_t since;
		size_t answers, repliers;
	} rows[] = {
		{ "t", 0, 3, 2 },
		{ "t", 11, 2, 2 },
		{ "t", 13, 1, 1 },
		{ "t", 14, 0, 0 },
		{ "u", 0, 1, 1 },
		{ "v", 0, 0, 0 },
	};
	struct store *store = must_open(STORE_HOLDS);
	struct store_blob t = blob("t"), u = blob("u"), a2 = blob("a2");
	size_t answers, repliers;

	OK(answer(store, "t", "m1", "a1", "jo", 10));
	OK(answer(store, "t", "m2", "a2", "jo", 11));
	OK(answer(store, "t", "m2b", "a2", "jo", 12)); /* another part of it */
	OK(answer(store, "t", "m3", "a3", "al", 13));
	OK(answer(store, "u", "m2", "a1", "jo", 13)); /* one mail to two lists */
	REFUSE(answer(store, "t", "m1", "a9", "jo", 14));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct store_blob topic = blob(rows[i].topic);

		answers = repliers = 99;
		OK(store_answer_count(store, &topic, rows[i].since, &answers, &repliers, &why));
		ck_assert_uint_eq(answers, rows[i].answers);
		ck_assert_uint_eq(repliers, rows[i].repliers);
	}
	OK(store_answer_has(store, &t, &a2, &why));
	NONE(store_answer_has(store, &u, &a2, &why));
	store_close(&store);
}
END_TEST

/* A refused row takes nothing else of its transaction along. */
START_TEST(repeated_answer_in_a_transaction)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_blob topic = blob("t");
	size_t answers = 0, repliers = 0;

	OK(store_begin(store, &why));
	OK(answer(store, "t", "m1", "a1", "jo", 10));
	REFUSE(answer(store, "t", "m1", "a1", "jo", 11));
	OK(answer(store, "t", "m2", "a2", "al", 12));
	OK(store_commit(store, &why));
	OK(store_answer_count(store, &topic, 0, &answers, &repliers, &why));
	ck_assert_uint_eq(answers, 2);
	store_close(&store);
}
END_TEST

START_TEST(answer_leads_to_its_topic)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_blob message = blob("m1"), unknown = blob("m9"), got;

	OK(answer(store, "t", "m1", "a1", "jo", 10));
	OK(answer(store, "u", "m1", "a1", "jo", 11));
	OK(store_answer_topic(store, arena, &message, &got, &why));
	ck_assert_uint_eq(got.length, 1);
	ck_assert_mem_eq(got.data, "u", 1);
	NONE(store_answer_topic(store, arena, &unknown, &got, &why));
	store_close(&store);
}
END_TEST

START_TEST(purge_takes_what_is_over)
{
	struct store *store = must_open(STORE_HOLDS);
	unsigned char hash[BASE_HASH_SIZE] = { 1 }, other[BASE_HASH_SIZE] = { 2 };
	struct store_blob topic = blob("t");
	struct store_storm *got = NULL;
	size_t answers = 0, repliers = 0;

	fill(store);
	OK(store_token_insert(store, hash, "over", 50000, &why));
	OK(store_token_insert(store, other, "lifted", 50000, &why));
	OK(answer(store, "t", "m1", "a1", "jo", 10));
	OK(answer(store, "t", "m2", "a2", "jo", 11));
	OK(store_storm_purge(store, 400, 11, &why)); /* it ended just then: it stays */
	OK(store_storm_get(store, arena, "over", &got, &why));
	OK(store_answer_count(store, &topic, 0, &answers, &repliers, &why));
	ck_assert_uint_eq(answers, 1);
	OK(store_storm_purge(store, 99999, 0, &why));
	NONE(store_storm_get(store, arena, "over", &got, &why));
	set_is(store, STORE_STORMS_ALL, 10, "far on lifted ");
	OK(store_token_insert(store, hash, "on", 50000, &why)); /* its place is free */
	OK(store_storm_by_token(store, arena, other, 0, &got, &why));
	OK(store_storm_purge(store, 99999, 0, &why)); /* nothing more to do is no failure */
	store_close(&store);
}
END_TEST

/* --- older databases --------------------------------------------------------------------
 */

/* Version 1 of holds.db as it was written then: never to be changed. */
static const char *const holds_1 =
    "CREATE TABLE hold ("
    "  id TEXT PRIMARY KEY NOT NULL, node TEXT NOT NULL, state INTEGER NOT NULL,"
    "  action INTEGER NOT NULL, act BLOB NOT NULL, sender TEXT NOT NULL,"
    "  subject TEXT NOT NULL, recipients TEXT NOT NULL, recipient_count INTEGER NOT NULL,"
    "  people INTEGER NOT NULL, people_kind INTEGER NOT NULL, score REAL NOT NULL,"
    "  reasons TEXT NOT NULL, policy TEXT NOT NULL, language TEXT NOT NULL,"
    "  created INTEGER NOT NULL, due INTEGER NOT NULL, deadline INTEGER NOT NULL,"
    "  window INTEGER NOT NULL, grace INTEGER NOT NULL, on_end INTEGER NOT NULL,"
    "  then_end INTEGER NOT NULL, settled INTEGER NOT NULL, moved INTEGER NOT NULL,"
    "  by TEXT NOT NULL, tries INTEGER NOT NULL, letter_due INTEGER NOT NULL,"
    "  letter_tries INTEGER NOT NULL, letter_sent INTEGER NOT NULL) STRICT;"
    "CREATE INDEX hold_due ON hold (node, due) WHERE due <> 0;"
    "CREATE INDEX hold_letter_due ON hold (node, letter_due) WHERE letter_due <> 0;"
    "CREATE INDEX hold_act ON hold (act, created);"
    "CREATE INDEX hold_created ON hold (created, id);"
    "CREATE INDEX hold_open ON hold (created, id) WHERE settled = 0;"
    "CREATE INDEX hold_settled ON hold (settled) WHERE settled <> 0;"
    "CREATE TABLE part ("
    "  hold_id TEXT NOT NULL, queue_id TEXT NOT NULL, state INTEGER NOT NULL,"
    "  created INTEGER NOT NULL, lesson BLOB NOT NULL,"
    "  UNIQUE (hold_id, queue_id)) STRICT;"
    "CREATE TABLE token ("
    "  hash BLOB PRIMARY KEY NOT NULL, hold_id TEXT NOT NULL, expires INTEGER NOT NULL)"
    "  STRICT, WITHOUT ROWID;"
    "CREATE INDEX token_hold ON token (hold_id);";

#define OLD_HOLDS 300 /* more than a page of rows */

static const char *const holds_1_rows =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
    " INSERT INTO hold SELECT printf('hold%012d', i), 'mx1', 2, 1, CAST('a' || i AS BLOB), "
    "'jo@x',"
    " 'Cake ' || i, 'a@x' || char(10) || 'b@x', 40, 2100, 1, 0.5, 'r:1', 'rule 1', 'de',"
    " 1000 + i, 2000 + i, 3000 + i, 120, 3600, 1, 2, 0, 1000, 'mta', 3, 4000 + i, 5, 6"
    " FROM n;"
    "INSERT INTO part VALUES ('hold000000000007', '4QX', 2, 10, x'006c65');"
    "INSERT INTO token VALUES (zeroblob(32), 'hold000000000007', 5000);";

static const char *const history_1 =
    "CREATE TABLE profile (key INTEGER PRIMARY KEY NOT NULL, expires INTEGER NOT NULL,"
    " record BLOB NOT NULL) STRICT;"
    "CREATE INDEX profile_expires ON profile (expires) WHERE expires <> 0;"
    "CREATE TABLE thread (key INTEGER PRIMARY KEY NOT NULL, expires INTEGER NOT NULL,"
    " record BLOB NOT NULL) STRICT;"
    "CREATE INDEX thread_expires ON thread (expires) WHERE expires <> 0;"
    "CREATE TABLE site (key INTEGER PRIMARY KEY NOT NULL, expires INTEGER NOT NULL,"
    " record BLOB NOT NULL) STRICT;"
    "CREATE INDEX site_expires ON site (expires) WHERE expires <> 0;";

static const char *const history_1_rows =
    "INSERT INTO profile VALUES (-1, 0, x'0102'), (7, 100, zeroblob(9000));"
    "INSERT INTO thread VALUES (7, 200, x'03');"
    "INSERT INTO site VALUES (0, 0, x'04');";

/* Writes a database of version 1 as the program of that time left it. */
static void
write_old(const char *name, const char *schema, const char *rows)
{
	char path[128];
	sqlite3 *raw;

	snprintf(path, sizeof(path), "%s/holds", directory);
	ck_assert(mkdir(path, 02770) == 0);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	ck_assert_int_eq(sqlite3_open(path, &raw), SQLITE_OK);
	ck_assert_int_eq(
	    sqlite3_exec(raw, "PRAGMA journal_mode = WAL", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(raw, schema, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(raw, rows, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_exec(raw, "PRAGMA user_version = 1", NULL, NULL, NULL);
	sqlite3_close(raw);
}

/* One row of those that were there; what came later is empty. */
static void
old_hold_is(const struct store_hold *hold, int i)
{
	char text[32];

	snprintf(text, sizeof(text), "hold%012d", i);
	ck_assert_str_eq(hold->id, text);
	snprintf(text, sizeof(text), "Cake %d", i);
	ck_assert_str_eq(hold->subject, text);
	ck_assert_str_eq(hold->recipients, "a@x\nb@x");
	ck_assert_int_eq(hold->created, 1000 + i);
	ck_assert_int_eq(hold->due, 2000 + i);
	ck_assert_int_eq(hold->deadline, 3000 + i);
	ck_assert_int_eq(hold->timer, 3000 + i);
	ck_assert_int_eq(hold->seen, 0);
	ck_assert_int_eq(hold->letter_due, 4000 + i);
	ck_assert_int_eq(hold->then, 2);
	ck_assert_int_eq(hold->letter_sent, 6);
	ck_assert_str_eq(hold->storm, "");
	ck_assert_str_eq(hold->author, "");
	ck_assert_int_eq(hold->answered, 0);
	ck_assert_str_eq(hold->mailbox, "");
}

static void
old_holds_are_there(struct store *store)
{
	struct store_hold *holds = NULL, *one = NULL;
	unsigned char hash[BASE_HASH_SIZE] = { 0 };
	struct store_entry *entries = NULL;
	struct store_blob observation;
	size_t count = 0;
	int version = 0;

	OK(store_check(store, &version, &why));
	ck_assert_int_ge(version, 8);
	OK(store_hold_list(store, arena, true, NULL, &holds, OLD_HOLDS + 1, &count, &why));
	ck_assert_uint_eq(count, OLD_HOLDS);
	for (int i = 0; i < OLD_HOLDS; i++)
		old_hold_is(&holds[i], OLD_HOLDS - i);
	OK(store_hold_by_token(store, arena, hash, 4999, &one, &why));
	ck_assert_str_eq(one->id, "hold000000000007");
	OK(store_entry_list(store, arena, one->id, &entries, &count, &why));
	ck_assert_uint_eq(count, 1);
	OK(store_entry_observation(store, arena, entries, &observation, &why));
	ck_assert_uint_eq(observation.length, 3);
	ck_assert_mem_eq(observation.data, "\0le", 3);
}

START_TEST(holds_of_version_1)
{
	struct store *store;
	struct store_storm storm = sample("storm");
	struct store_hold *got = NULL;

	write_old(STORE_HOLDS_PATH, holds_1, holds_1_rows);
	store = must_open(STORE_HOLDS);
	old_holds_are_there(store);
	OK(store_storm_insert(store, &storm, &why)); /* what is new works */
	OK(answer(store, "t", "m1", "a1", "jo", 10));
	OK(store_hold_get(store, arena, "hold000000000007", &got, &why));
	got->storm = "storm";
	OK(store_hold_update(store, got, got->state, &why));
	store_close(&store);
	store = must_open(STORE_HOLDS); /* and is not done a second time */
	OK(store_hold_get(store, arena, "hold000000000007", &got, &why));
	ck_assert_str_eq(got->storm, "storm");
	store_close(&store);
}
END_TEST

START_TEST(history_of_version_1)
{
	static const struct {
		enum store_record kind;
		uint64_t key;
		size_t length;
	} rows[] = {
		{ STORE_PROFILE, UINT64_MAX, 2 },
		{ STORE_PROFILE, 7, 9000 },
		{ STORE_THREAD, 7, 1 },
		{ STORE_GLOBAL, 0, 1 },
	};
	struct store *store;
	struct store_blob got;
	int version = 0;

	write_old(STORE_MEMORY_PATH, history_1, history_1_rows);
	store = must_open(STORE_MEMORY);
	OK(store_check(store, &version, &why));
	ck_assert_int_eq(version, 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		OK(store_record_get(store, arena, rows[i].kind, rows[i].key, &got, &why));
		ck_assert_uint_eq(got.length, rows[i].length);
	}
	for (enum store_record kind = STORE_NOTE; kind <= STORE_FORGOTTEN; kind++) {
		NONE(store_record_get(store, arena, kind, 7, &got, &why));
		OK(store_record_put(store, kind, 7, "", 0, 100, &why));
	}
	OK(store_record_expire(store, 101, &why)); /* by the old rows' own time */
	NONE(store_record_get(store, arena, STORE_PROFILE, 7, &got, &why));
	OK(store_record_get(store, arena, STORE_THREAD, 7, &got, &why));
	store_close(&store);
}
END_TEST

/* All programs of a new version start at once on what the old one left. */
START_TEST(several_lead_an_old_database_at_once)
{
	pid_t children[6];
	struct store *store;

	write_old(STORE_HOLDS_PATH, holds_1, holds_1_rows);
	for (int i = 0; i < 6; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		store = must_open(STORE_HOLDS);
		old_holds_are_there(store);
		_exit(0);
	}
	for (int i = 0; i < 6; i++) {
		int status = -1;

		waitpid(children[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
	store = must_open(STORE_HOLDS);
	old_holds_are_there(store);
	store_close(&store);
}
END_TEST

/* One that has the old database open writes before, and reads and writes after. */
START_TEST(an_old_program_has_it_open)
{
	struct store *store;
	char path[128];
	sqlite3 *old;
	struct store_hold *got = NULL;

	write_old(STORE_HOLDS_PATH, holds_1, holds_1_rows);
	snprintf(path, sizeof(path), "%s/" STORE_HOLDS_PATH, directory);
	ck_assert_int_eq(sqlite3_open(path, &old), SQLITE_OK);
	ck_assert_int_eq(
	    sqlite3_exec(old, "UPDATE hold SET tries = 4", NULL, NULL, NULL), SQLITE_OK);
	store = must_open(STORE_HOLDS);
	old_holds_are_there(store);
	ck_assert_int_eq(
	    sqlite3_exec(old,
		"UPDATE hold SET tries = 5 WHERE id = 'hold000000000007' AND state = 2", NULL, NULL,
		NULL),
	    SQLITE_OK);
	OK(store_hold_get(store, arena, "hold000000000007", &got, &why));
	ck_assert_int_eq(got->tries, 5);
	sqlite3_close(old);
	store_close(&store);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store_storm");
	TCase *test = tcase_create("store_storm");
	SRunner *runner;
	int failed;

	tcase_set_timeout(test, 300);
	tcase_add_checked_fixture(test, setup, teardown);
	tcase_add_test(test, storm_comes_back_as_it_went);
	tcase_add_test(test, storm_update_writes_all_or_is_lost);
	tcase_add_test(test, storm_sets);
	tcase_add_test(test, storm_of_a_topic);
	tcase_add_test(test, storm_by_token);
	tcase_add_test(test, storm_releases_its_own);
	tcase_add_test(test, storm_reported_once);
	tcase_add_test(test, answers_count_acts_and_people);
	tcase_add_test(test, repeated_answer_in_a_transaction);
	tcase_add_test(test, answer_leads_to_its_topic);
	tcase_add_test(test, purge_takes_what_is_over);
	tcase_add_test(test, holds_of_version_1);
	tcase_add_test(test, history_of_version_1);
	tcase_add_test(test, several_lead_an_old_database_at_once);
	tcase_add_test(test, an_old_program_has_it_open);
	suite_add_tcase(suite, test);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
