/* store: the tables of holds.db, new ones and those of every version before, come out the same */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "milter/base/result.h"
#include "milter/store/store.h"
#include "tests/unit/folder.h"
#include "tests/unit/result.h"

#define VERSIONS 8
#define MAX_LINES 200

static char directory[64];
static const char *why;

/* What made each version, as the programs of the time ran it: never to be changed. */
static const char *const steps[VERSIONS] = {
	"CREATE TABLE hold ("
	"  id TEXT PRIMARY KEY NOT NULL, node TEXT NOT NULL, state INTEGER NOT NULL,"
	"  action INTEGER NOT NULL, act BLOB NOT NULL, sender TEXT NOT NULL,"
	"  subject TEXT NOT NULL, recipients TEXT NOT NULL, recipient_count INTEGER NOT "
	"NULL,"
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
	"CREATE INDEX token_hold ON token (hold_id);",
	/* 2: the storm block */
	"ALTER TABLE hold ADD COLUMN storm TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN author TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX hold_storm ON hold (storm, sender) WHERE storm <> '';"
	"CREATE TABLE storm ("
	"  id TEXT PRIMARY KEY NOT NULL, node TEXT NOT NULL, topic BLOB NOT NULL,"
	"  list TEXT NOT NULL, owner TEXT NOT NULL, subject TEXT NOT NULL,"
	"  language TEXT NOT NULL, state INTEGER NOT NULL, people INTEGER NOT NULL,"
	"  answers INTEGER NOT NULL, answerers INTEGER NOT NULL, started INTEGER NOT NULL,"
	"  until INTEGER NOT NULL, span INTEGER NOT NULL, on_end INTEGER NOT NULL,"
	"  ended INTEGER NOT NULL, by TEXT NOT NULL, letter_due INTEGER NOT NULL,"
	"  letter_tries INTEGER NOT NULL, letter_sent INTEGER NOT NULL) STRICT;"
	"CREATE INDEX storm_topic ON storm (topic, until);"
	"CREATE INDEX storm_open ON storm (until) WHERE until <> 0;"
	"CREATE INDEX storm_letter_due ON storm (node, letter_due) WHERE letter_due <> 0;"
	"CREATE TABLE answer ("
	"  topic BLOB NOT NULL, message BLOB NOT NULL, act BLOB NOT NULL,"
	"  sender BLOB NOT NULL, time INTEGER NOT NULL,"
	"  PRIMARY KEY (topic, message)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX answer_message ON answer (message);"
	"CREATE INDEX answer_time ON answer (time);",
	/* 3: letters in a site's own words */
	"ALTER TABLE hold ADD COLUMN template TEXT NOT NULL DEFAULT '';",
	/* 4: addresses as they were written */
	"ALTER TABLE hold ADD COLUMN mailbox TEXT NOT NULL DEFAULT '';",
	/* 5: mail that comes back to its author by a letter; who stands in its From */
	"ALTER TABLE hold ADD COLUMN return_due INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN return_tries INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN return_how INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN from_address TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN undone_by TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE part ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX hold_return_due ON hold (node, return_due) WHERE return_due <> 0;"
	"CREATE INDEX hold_letter_sent ON hold (sender, letter_sent)"
	" WHERE letter_sent <> 0;"
	/* what was on its way back (HOLD_RETURNING) goes on by a letter */
	"UPDATE hold SET return_due = 1 WHERE state = 6;"
	/* what must be done apart from what is only looked at, and what the queue showed */
	"ALTER TABLE hold ADD COLUMN timer INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN how INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN left_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN announce INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE part ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;"
	"DROP INDEX hold_due;"
	"CREATE INDEX hold_timer ON hold (node, timer) WHERE timer <> 0;"
	"CREATE INDEX hold_due ON hold (node, seen <> 0, due) WHERE due <> 0;"
	"UPDATE hold SET timer = CASE WHEN deadline <> 0 THEN deadline ELSE due END"
	"  WHERE settled = 0;"
	/* who was being released or returned has been asked already */
	"UPDATE part SET asked = 1 WHERE hold_id IN"
	"  (SELECT id FROM hold WHERE settled = 0 AND deadline = 0);"
	/* what was limited, who has it already, several mails in one hold, who answered */
	"ALTER TABLE hold ADD COLUMN limited_by TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE hold ADD COLUMN left_count INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN left_to TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE part ADD COLUMN mail INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE storm ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE answer ADD COLUMN person TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE answer ADD COLUMN forget INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX answer_forget ON answer (forget) WHERE forget <> 0;"
	"CREATE INDEX hold_of_sender ON hold (sender, created) WHERE storm = '';"
	"CREATE INDEX hold_unlimited ON hold (created, sender)"
	" WHERE storm = '' AND limited_by = '';",
	/* 6: to whom the MTA's own bounce goes; of what is held already it is not known */
	"ALTER TABLE hold ADD COLUMN bounces_home INTEGER NOT NULL DEFAULT 0;",
	/* 7: the holds of the whole site are kept by the minute, not counted */
	"DROP INDEX hold_unlimited;"
	"CREATE INDEX hold_unlimited ON hold (sender, created)"
	" WHERE storm = '' AND limited_by = '';"
	"CREATE TABLE budget ("
	"  minute INTEGER PRIMARY KEY NOT NULL, holds INTEGER NOT NULL) STRICT;"
	"INSERT INTO budget (minute, holds) SELECT created / 60000, count(*) FROM hold"
	"  WHERE storm = '' AND limited_by = '' GROUP BY created / 60000;",
	/* 8: looks that a page asks for, and several letters about one hold */
	"ALTER TABLE hold ADD COLUMN look_asked INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE hold ADD COLUMN letters INTEGER NOT NULL DEFAULT 0;"
	"UPDATE hold SET letters = 1 WHERE letter_sent <> 0;",
};

/* What was written when a version was in use. */
static const char *const rows[VERSIONS] = {
	"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)"
	" INSERT INTO hold SELECT 'hold' || i, 'mx1', i % 8, 1, CAST('a' || i AS BLOB), 'jo@x',"
	" 'Cake ' || i, 'a@x', 40, 2100, 1, 0.5, 'r:1', 'rule 1', 'de', 60000 * i, 2000 + i,"
	" 3000 * (i % 2), 120, 3600, 1, 2, 5 * (i % 3), 1000, 'mta', 3, 4000 + i, 5, 6 * (i % 4)"
	" FROM n;"
	"INSERT INTO part SELECT id, '4Q' || id, 2, 10, x'006c65' FROM hold;"
	"INSERT INTO token SELECT act, id, 5000 FROM hold;",
	"INSERT INTO storm VALUES ('s', 'mx1', x'01', 'l', 'o', 'Cake', 'en', 1, 9, 4, 3, 10, 20,"
	" 30, 1, 0, '', 40, 0, 0);"
	"INSERT INTO answer VALUES (x'01', x'02', x'03', x'04', 5);",
};

/* Every column, every index and every column of those, one a line. */
static const char columns[] =
    "SELECT l.name, l.wr, l.strict, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk"
    " FROM pragma_table_list AS l, pragma_table_info(l.name) AS c"
    " WHERE l.type = 'table' AND l.name NOT LIKE 'sqlite%' ORDER BY l.name, c.cid";
static const char indexes[] =
    "SELECT l.name, i.name, i.\"unique\", i.origin, i.partial, c.seqno, c.cid, c.name"
    " FROM pragma_table_list AS l, pragma_index_list(l.name) AS i, pragma_index_info(i.name) AS c"
    " WHERE l.type = 'table' AND l.name NOT LIKE 'sqlite%' ORDER BY l.name, i.name, c.seqno";
/* For each table the statement that reads what is in it. */
static const char contents[] =
    "SELECT 'SELECT \"' || group_concat(c.name, '\", \"') || '\" FROM ' || l.name"
    " FROM pragma_table_list AS l, pragma_table_info(l.name) AS c"
    " WHERE l.type = 'table' AND l.name NOT LIKE 'sqlite%' GROUP BY l.name";

/* The rows of an answer. */
struct lines {
	char *line[MAX_LINES];
	int count;
};

static void
setup(void)
{
	strcpy(directory, "/tmp/oops-schema-XXXXXX");
	folder_make(directory);
	why = "";
}

static void
teardown(void)
{
	folder_remove(directory);
}

static sqlite3 *
raw_open(const char *path)
{
	sqlite3 *raw = NULL;

	ck_assert_int_eq(sqlite3_open(path, &raw), SQLITE_OK);
	return raw;
}

static void
raw_run(sqlite3 *raw, const char *sql)
{
	char *error = NULL;

	ck_assert_msg(sqlite3_exec(raw, sql, NULL, NULL, &error) == SQLITE_OK, "%s", error);
}

/* What the programs up to a version would have left; nothing was written after `last`. */
static sqlite3 *
old_make(const char *path, int version, int last)
{
	sqlite3 *raw = raw_open(path);
	char pragma[64];

	for (int i = 0; i < version; i++) {
		raw_run(raw, steps[i]);
		if (i < last && rows[i] != NULL)
			raw_run(raw, rows[i]);
	}
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", version);
	raw_run(raw, pragma);
	return raw;
}

/* Adds a row as a line. */
static int
line_add(void *context, int count, char **values, char **names)
{
	struct lines *lines = context;
	char line[2000];
	size_t length = 0;

	(void)names;
	ck_assert_int_lt(lines->count, MAX_LINES);
	for (int i = 0; i < count; i++)
		length += (size_t)snprintf(line + length, sizeof(line) - length,
		    i > 0 ? "|%s" : "%s", values[i] != NULL ? values[i] : "-");
	ck_assert_uint_lt(length, sizeof(line));
	lines->line[lines->count++] = strdup(line);
	return 0;
}

static struct lines
lines_of(sqlite3 *raw, const char *sql)
{
	struct lines lines = { .count = 0 };
	char *error = NULL;

	ck_assert_msg(
	    sqlite3_exec(raw, sql, line_add, &lines, &error) == SQLITE_OK, "%s: %s", sql, error);
	return lines;
}

static void
lines_free(struct lines *lines)
{
	for (int i = 0; i < lines->count; i++)
		free(lines->line[i]);
}

/* What a statement reads from one database, another has as well; and nothing else, if `is_all`. */
static void
reads_same(sqlite3 *one, sqlite3 *other, const char *sql, bool is_all)
{
	struct lines some = lines_of(one, sql), all = lines_of(other, sql);

	for (int i = 0; i < some.count; i++) {
		bool is_there = false;

		for (int j = 0; j < all.count && !is_there; j++)
			is_there = strcmp(some.line[i], all.line[j]) == 0;
		ck_assert_msg(is_there, "missing: %s", some.line[i]);
	}
	if (is_all)
		ck_assert_int_eq(some.count, all.count);
	lines_free(&some);
	lines_free(&all);
}

/* The database of the product, new or from what is there. */
static sqlite3 *
product_open(const char *folder)
{
	const struct store_options options = {
		.driver = "sqlite", .directory = folder, .create = true
	};
	struct store *store = NULL;
	char path[200];
	int version;

	OK(store_open(&options, STORE_HOLDS, &store, &why));
	OK(store_check(store, &version, &why));
	ck_assert_int_ge(version, VERSIONS);
	store_close(&store);
	snprintf(path, sizeof(path), "%s/" STORE_HOLDS_PATH, folder);
	return raw_open(path);
}

START_TEST(every_version_becomes_the_same)
{
	char fresh_folder[100], path[200];
	sqlite3 *reference = old_make(":memory:", VERSIONS, _i), *fresh, *led;
	struct lines statements = lines_of(reference, contents);

	snprintf(path, sizeof(path), "%s/holds", directory);
	ck_assert_int_eq(mkdir(path, 02770), 0);
	snprintf(path, sizeof(path), "%s/" STORE_HOLDS_PATH, directory);
	sqlite3_close(old_make(path, _i, _i));
	led = product_open(directory);
	snprintf(fresh_folder, sizeof(fresh_folder), "%s/fresh", directory);
	fresh = product_open(fresh_folder);

	/* a new file has what an old one had, perhaps more; an old one becomes as a new one */
	reads_same(reference, fresh, columns, false);
	reads_same(reference, fresh, indexes, true);
	reads_same(fresh, led, columns, true);
	reads_same(fresh, led, indexes, true);
	/* and the rows are as the programs of the time would have left them */
	ck_assert_int_eq(statements.count, 6);
	for (int i = 0; i < statements.count; i++)
		reads_same(reference, led, statements.line[i], true);
	lines_free(&statements);
	sqlite3_close(reference);
	sqlite3_close(fresh);
	sqlite3_close(led);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store_schema");
	TCase *test = tcase_create("store_schema");
	SRunner *runner;
	int failed;

	tcase_set_timeout(test, 300);
	tcase_add_checked_fixture(test, setup, teardown);
	tcase_add_loop_test(test, every_version_becomes_the_same, 1, VERSIONS + 1);
	suite_add_tcase(suite, test);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
