/* Learning that goes on: mail to very many, lessons that cannot be learned, a store that cannot be
 * written, and nobody who waits for it. */
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/memory/internal.h"
#include "tests/unit/folder.h"
#include "tests/unit/history.h"

#define ME "p0@example.com"
#define WIDE 250   /* recipients */
#define HEARD 1100 /* mails that each of them got: from as many people, more than a record keeps */

static char directory[] = "/tmp/oops-test-learning-XXXXXX";

/* What was told, added up. */
static struct {
	_Atomic unsigned away, back, other;
	_Atomic uint64_t dropped;
	char why[200];
} told;

static void
trouble_note(void *context, const struct memory_trouble *trouble)
{
	(void)context;
	ck_assert_uint_gt(strlen(trouble->why), 0);
	told.dropped += trouble->dropped;
	if (trouble->is_away)
		told.away++;
	else if (trouble->since)
		told.back++;
	else
		told.other++;
	snprintf(told.why, sizeof(told.why), "%s", trouble->why);
}

/* The history goes on in a memory over a store. */
static void
memory_reopen(struct history *history)
{
	struct memory_options options = {
		.driver = "sqlite", .directory = directory, .create = true, .trouble = trouble_note
	};
	const char *why = "";

	memory_close(&history->memory);
	ck_assert_msg(memory_open(&options, &history->memory, &why) == BASE_OK, "%s", why);
}

static void
setup(void)
{
	memset(&told, 0, sizeof(told));
	folder_make(directory);
}

static void
teardown(void)
{
	folder_remove(directory);
}

/* The store behind it, as somebody else has it. */
static struct store *
store_begun(void)
{
	struct store_options options = { .driver = "sqlite", .directory = directory };
	struct store *store;
	const char *why = "";

	ck_assert_msg(store_open(&options, STORE_MEMORY, &store, &why) == BASE_OK, "%s", why);
	ck_assert_msg(store_begin(store, &why) == BASE_OK, "%s", why);
	return store;
}

static void
store_end(struct store **store)
{
	const char *why = "";

	ck_assert_msg(store_commit(*store, &why) == BASE_OK, "%s", why);
	store_close(store);
}

/* A record as full as one can be. */
static void
record_full(struct base_arena *arena, const void **data_r, size_t *length_r)
{
	struct memory_profile *profile = memory_profile_new(arena, 1699000000);
	struct memory_person people[40];

	for (uint64_t i = 0; i < HEARD; i++) {
		struct memory_lesson lesson = { .time = 1699000000 + (int64_t)i,
			.is_send = true,
			.sender = (i + 1) * UINT64_C(0x9e3779b97f4a7c15),
			.people = people,
			.person_count = 40,
			.recipient_count = 40,
			.people_count = 40,
			.member_count = 41,
			.member_sum = (i + 7) * UINT64_C(0xd1342543de82ef95) };
		struct memory_answer answer = { 0 };
		uint64_t hashes[40];

		for (uint64_t j = 0; j < 40; j++) {
			hashes[j] = (i * 40 + j + 1) << 40;
			people[j] = (struct memory_person){ .hash = hashes[j],
				.name = (uint32_t)j + 1,
				.places = MEMORY_IN_ENVELOPE };
		}
		lesson.recipient_sum = i;
		ck_assert_int_eq(memory_profile_heard(arena, profile, 1, &lesson), BASE_OK);
		if (i % 10 == 0)
			ck_assert_int_eq(
			    memory_profile_sent(arena, profile, &lesson, hashes, 40, &answer),
			    BASE_OK);
	}
	ck_assert_uint_eq(profile->contact_count, MEMORY_MAX_CONTACTS);
	ck_assert_int_eq(memory_profile_encode(arena, profile, data_r, length_r), BASE_OK);
	ck_assert_uint_gt(*length_r, 30000);
}

/* Everybody from this number on has a full record. */
static void
people_fill(struct history *history, unsigned first, unsigned count)
{
	struct store *store = store_begun();
	const void *data;
	const char *why = "";
	size_t length;
	char address[40];

	record_full(history->arena, &data, &length);
	for (unsigned i = 0; i < count; i++) {
		snprintf(address, sizeof(address), "p%u@example.com", first + i);
		ck_assert_int_eq(store_record_put(store, STORE_PROFILE,
				     memory_hash(history->key, address), data, length, 0, &why),
		    BASE_OK);
	}
	store_end(&store);
}

/* What is known of somebody. */
static const struct memory_profile *
profile_of(struct history *history, const char *who)
{
	const struct memory_profile *profile =
	    history_facts(history, history_mail(history, who, "x@example.com", "", ""))
		.recall->records->profile;

	ck_assert_ptr_nonnull(profile);
	return profile;
}

static void
flush(struct history *history)
{
	const char *why = "";

	ck_assert_msg(memory_flush(history->memory, &why) == BASE_OK, "%s", why);
}

/*
 * A mail to many whose records are full is learned, and so is what comes behind it: who confirmed
 * such an audience is not asked again.
 */
START_TEST(a_wide_audience_is_learned)
{
	struct history history;
	const char *wide;
	struct history_verdict verdict;

	history_begin(&history);
	memory_reopen(&history);
	people_fill(&history, 100, WIDE);
	history_teach(&history, 25);
	wide = history_people(history.arena, 100, WIDE);
	flush(&history);
	verdict = history_judge(&history, ME, wide, "w0@x", "");
	ck_assert_int_eq(verdict.action, SETTINGS_CONFIRM);
	history_confirm(&history, ME, wide, "w1@x", "");
	history_send(&history, ME, "p1@example.com", "after@x", "");
	flush(&history);
	ck_assert_uint_eq(profile_of(&history, ME)->sends, 27);
	ck_assert_uint_eq(profile_of(&history, ME)->largest, WIDE);
	ck_assert_uint_eq(profile_of(&history, "p100@example.com")->received, HEARD + 1);
	ck_assert_uint_eq(profile_of(&history, "p349@example.com")->received, HEARD + 1);
	verdict = history_judge(&history, ME, wide, "w2@x", "");
	ck_assert_int_eq(verdict.action, SETTINGS_PASS);
	ck_assert_uint_eq(told.away + told.other + told.dropped, 0);
	history_end(&history);
}
END_TEST

/* However little a table may hold, a lesson to many is cut, and nobody is left out of it. */
START_TEST(a_lesson_is_cut_where_it_must)
{
	struct store_options options = { .driver = "sqlite", .directory = directory };
	struct history history;
	struct memory_table *table;
	struct memory_profile *profile;
	struct store *store;
	const void *lesson;
	const char *wide, *why = "";
	char address[40];
	size_t length;

	history_begin(&history);
	memory_reopen(&history);
	people_fill(&history, 100, WIDE);
	ck_assert_int_eq(store_open(&options, STORE_MEMORY, &store, &why), BASE_OK);
	table = memory_table_new(store, MEMORY_TABLE_BYTES / 32);
	wide = history_people(history.arena, 100, WIDE);
	ck_assert_int_eq(
	    memory_lesson(history.key, history.arena, ME,
		history_mail(&history, ME, wide, "w@x", ""), 0, 0.1, &lesson, &length, &why),
	    BASE_OK);
	ck_assert_int_eq(memory_table_begin(table, &why), BASE_OK);
	ck_assert_msg(memory_table_learn(table, lesson, length, &why) == BASE_OK, "%s", why);
	ck_assert(memory_table_was_cut(table));
	ck_assert_int_eq(memory_table_write(table, &why), BASE_OK);
	ck_assert_int_eq(memory_table_begin(table, &why), BASE_OK);
	for (unsigned i = 0; i < WIDE; i += 50) {
		snprintf(address, sizeof(address), "p%u@example.com", 100 + i);
		ck_assert_int_eq(
		    memory_table_profile(table, memory_hash(history.key, address), &profile, &why),
		    BASE_OK);
		ck_assert_uint_eq(profile->received, HEARD + 1);
	}
	ck_assert_int_eq(
	    memory_table_profile(table, memory_hash(history.key, ME), &profile, &why), BASE_OK);
	ck_assert_uint_eq(profile->sends, 1);
	memory_table_free(&table);
	store_close(&store);
	history_end(&history);
}
END_TEST

/* Bytes that are no lesson, and a sender whose record nobody can read: dropped, counted and told,
 * and nothing waits behind them. */
START_TEST(what_fails_alone_is_dropped)
{
	static char garbage[2u << 20];
	struct history history;
	struct store *store;
	const char *why = "";

	history_begin(&history);
	memory_reopen(&history);
	store = store_begun();
	ck_assert_int_eq(
	    store_record_put(store, STORE_PROFILE, memory_hash(history.key, "bad@example.com"),
		garbage, sizeof(garbage), 0, &why),
	    BASE_OK);
	store_end(&store);
	for (int i = 0; i < 3; i++) {
		history_send(&history, ME, "p1@example.com", "", "");
		history_send(&history, "bad@example.com", "p1@example.com", "", "");
		ck_assert_int_eq(memory_learn(history.memory, "\1junk", 5, &why), BASE_OK);
		history_send(&history, ME, "p1@example.com", "", "");
	}
	flush(&history);
	ck_assert_uint_eq(profile_of(&history, ME)->sends, 6);
	memory_close(&history.memory);
	ck_assert_uint_eq(told.dropped, 6);
	ck_assert_uint_eq(told.away + told.back, 0);
	memory_reopen(&history);
	history_end(&history);
}
END_TEST

/* A lock keeps nobody who must not wait, and what waited is learned when it is gone. */
START_TEST(a_lock_keeps_no_one)
{
	struct history history;
	struct store *store;
	const char *why = "";

	history_begin(&history);
	memory_reopen(&history);
	store = store_begun();
	for (int i = 0; i < 100; i++) {
		history_send(&history, ME, "p1@example.com", "", "");
		ck_assert_int_eq(memory_flush_within(history.memory, 100, &why), BASE_RETRY);
	}
	store_end(&store);
	flush(&history);
	ck_assert_int_eq(memory_flush_within(history.memory, 100, &why), BASE_OK);
	ck_assert_uint_eq(profile_of(&history, ME)->sends, 100);
	ck_assert_uint_eq(told.dropped, 0);
	history_end(&history);
}
END_TEST

/* A program that ends does not wait for a lock: it says what it has not learned. */
START_TEST(the_end_does_not_wait)
{
	struct history history;
	struct store *store;

	history_begin(&history);
	memory_reopen(&history);
	store = store_begun();
	for (int i = 0; i < 1000; i++)
		history_send(&history, ME, "p1@example.com", "", "");
	memory_close(&history.memory);
	ck_assert_uint_eq(told.dropped, 1000);
	store_end(&store);
	memory_reopen(&history);
	history_end(&history);
}
END_TEST

/* The files of the database. */
static void
files_remove(void)
{
	static const char *const names[] = { "memory.db", "memory.db-wal", "memory.db-shm" };
	char path[200];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		(void)unlink(path);
	}
}

/* A database that was removed under us is made anew; told when it was found, and when it was over.
 */
START_TEST(a_removed_database_is_made_anew)
{
	struct history history;

	history_begin(&history);
	memory_reopen(&history);
	history_teach(&history, 5);
	flush(&history);
	for (unsigned round = 1; round <= 2; round++) {
		files_remove();
		history_send(&history, ME, "p1@example.com", "", "");
		flush(&history);
		ck_assert_uint_eq(profile_of(&history, ME)->sends, 1);
		/* who looks at the same file sees the same */
		memory_reopen(&history);
		ck_assert_uint_eq(profile_of(&history, ME)->sends, 1);
		ck_assert_uint_eq(told.away, round);
		ck_assert_uint_eq(told.back, round);
	}
	ck_assert_uint_eq(told.dropped, 0);
	history_end(&history);
}
END_TEST

/* Only its own file: the log beside it stays, and means nothing any more. */
START_TEST(a_database_removed_without_its_log_is_made_anew)
{
	struct history history;
	char path[200];

	history_begin(&history);
	memory_reopen(&history);
	history_teach(&history, 5);
	flush(&history);
	snprintf(path, sizeof(path), "%s/memory.db", directory);
	ck_assert_int_eq(unlink(path), 0);
	history_send(&history, ME, "p1@example.com", "", "");
	flush(&history);
	ck_assert_uint_eq(profile_of(&history, ME)->sends, 1);
	memory_reopen(&history);
	ck_assert_uint_eq(profile_of(&history, ME)->sends, 1);
	history_end(&history);
}
END_TEST

/* A directory where nothing can be made: what waits is bounded, and learned afterwards. */
START_TEST(an_unusable_database_is_waited_for)
{
	struct history history;
	char path[200];
	const char *why = "";

	history_begin(&history);
	memory_reopen(&history);
	files_remove();
	snprintf(path, sizeof(path), "%s/memory.db", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0); /* of no use as a database */
	for (int i = 0; i < 20; i++) {
		history_send(&history, ME, "p1@example.com", "", "");
		ck_assert_int_eq(memory_flush_within(history.memory, 1000, &why), BASE_RETRY);
	}
	while (!told.away)
		base_sleep_ms(10);
	ck_assert_int_eq(rmdir(path), 0);
	flush(&history);
	ck_assert_uint_eq(profile_of(&history, ME)->sends, 20);
	ck_assert_uint_eq(told.away, 1);
	ck_assert_uint_eq(told.back, 1);
	ck_assert_uint_eq(told.dropped, 0);
	history_end(&history);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("learning");
	TCase *tcase = tcase_create("learning");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_wide_audience_is_learned);
	tcase_add_test(tcase, a_lesson_is_cut_where_it_must);
	tcase_add_test(tcase, what_fails_alone_is_dropped);
	tcase_add_test(tcase, a_lock_keeps_no_one);
	tcase_add_test(tcase, the_end_does_not_wait);
	tcase_add_test(tcase, a_removed_database_is_made_anew);
	tcase_add_test(tcase, a_database_removed_without_its_log_is_made_anew);
	tcase_add_test(tcase, an_unusable_database_is_waited_for);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
