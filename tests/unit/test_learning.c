/*
 * Learning that goes on: mail to very many, observations that cannot be learned, a store that
 * cannot be written, and nobody who waits for it.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"
#include "tests/unit/folder.h"
#include "tests/unit/past.h"

#define ME "p0@example.com"
#define WIDE 250   /* recipients */
#define HEARD 1100 /* mails that each of them got: from as many people, more than a record keeps */

static char directory[] = "/tmp/oops-test-learning-XXXXXX";

/* What was told, added up. */
static struct {
	_Atomic unsigned away, back, other;
	_Atomic uint64_t dropped;
	char why[200];
} reported;

static void
failure_note(void *context, const struct history_outage *outage)
{
	(void)context;
	ck_assert_uint_gt(strlen(outage->why), 0);
	reported.dropped += outage->dropped;
	if (outage->is_away)
		reported.away++;
	else if (outage->since)
		reported.back++;
	else
		reported.other++;
	snprintf(reported.why, sizeof(reported.why), "%s", outage->why);
}

/* The history goes on in a memory over a store. */
static void
history_reopen(struct past *past)
{
	struct history_options options = {
		.driver = "sqlite", .directory = directory, .create = true, .outage = failure_note
	};
	const char *why = "";

	history_close(&past->history);
	ck_assert_msg(history_open(&options, &past->history, &why) == BASE_OK, "%s", why);
}

static void
setup(void)
{
	memset(&reported, 0, sizeof(reported));
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
	struct history_profile *profile = history_profile_new(arena, 1699000000);
	struct history_person people[40];

	for (uint64_t i = 0; i < HEARD; i++) {
		struct history_observation observation = { .time = 1699000000 + (int64_t)i,
			.is_send = true,
			.sender = (i + 1) * UINT64_C(0x9e3779b97f4a7c15),
			.people = people,
			.person_count = 40,
			.recipient_count = 40,
			.people_count = 40,
			.member_count = 41,
			.member_sum = (i + 7) * UINT64_C(0xd1342543de82ef95) };
		struct history_parent answer = { 0 };
		uint64_t hashes[40];

		for (uint64_t j = 0; j < 40; j++) {
			hashes[j] = (i * 40 + j + 1) << 40;
			people[j] = (struct history_person){ .hash = hashes[j],
				.name = (uint32_t)j + 1,
				.places = HISTORY_IN_ENVELOPE };
		}
		observation.recipient_sum = i;
		ck_assert_int_eq(
		    history_profile_received(arena, profile, 1, &observation), BASE_OK);
		if (i % 10 == 0)
			ck_assert_int_eq(
			    history_profile_sent(arena, profile, &observation, hashes, 40, &answer),
			    BASE_OK);
	}
	ck_assert_uint_eq(profile->contact_count, HISTORY_MAX_CONTACTS);
	ck_assert_int_eq(history_profile_encode(arena, profile, data_r, length_r), BASE_OK);
	ck_assert_uint_gt(*length_r, 30000);
}

/* Everybody from this number on has a full record. */
static void
people_fill(struct past *past, unsigned first, unsigned count)
{
	struct store *store = store_begun();
	const void *data;
	const char *why = "";
	size_t length;
	char address[40];

	record_full(past->arena, &data, &length);
	for (unsigned i = 0; i < count; i++) {
		snprintf(address, sizeof(address), "p%u@example.com", first + i);
		ck_assert_int_eq(store_record_put(store, STORE_PROFILE,
				     history_hash(past->key, address), data, length, 0, &why),
		    BASE_OK);
	}
	store_end(&store);
}

/* What is known of somebody. */
static const struct history_profile *
profile_of(struct past *past, const char *who)
{
	const struct history_profile *profile =
	    past_facts(past, past_mail(past, who, "x@example.com", "", ""))
		.recall->records->profile;

	ck_assert_ptr_nonnull(profile);
	return profile;
}

static void
flush(struct past *past)
{
	const char *why = "";

	ck_assert_msg(history_flush(past->history, &why) == BASE_OK, "%s", why);
}

/*
 * A mail to many whose records are full is learned, and so is what comes behind it: who confirmed
 * such an audience is not asked again.
 */
START_TEST(a_wide_audience_is_learned)
{
	struct past past;
	const char *wide;
	struct past_verdict verdict;

	past_begin(&past);
	history_reopen(&past);
	people_fill(&past, 100, WIDE);
	past_teach(&past, 25);
	wide = past_people(past.arena, 100, WIDE);
	flush(&past);
	verdict = past_judge(&past, ME, wide, "w0@x", "");
	ck_assert_int_eq(verdict.action, SETTINGS_CONFIRM);
	past_confirm(&past, ME, wide, "w1@x", "");
	past_send(&past, ME, "p1@example.com", "after@x", "");
	flush(&past);
	ck_assert_uint_eq(profile_of(&past, ME)->sends, 27);
	ck_assert_uint_eq(profile_of(&past, ME)->largest, WIDE);
	ck_assert_uint_eq(profile_of(&past, "p100@example.com")->received, HEARD + 1);
	ck_assert_uint_eq(profile_of(&past, "p349@example.com")->received, HEARD + 1);
	verdict = past_judge(&past, ME, wide, "w2@x", "");
	ck_assert_int_eq(verdict.action, SETTINGS_PASS);
	ck_assert_uint_eq(reported.away + reported.other + reported.dropped, 0);
	past_end(&past);
}
END_TEST

/* However little a table may hold, an observation to many is cut, and nobody is left out of it. */
START_TEST(a_observation_is_cut_where_it_must)
{
	struct store_options options = { .driver = "sqlite", .directory = directory };
	struct past past;
	struct history_table *table;
	struct history_profile *profile;
	struct store *store;
	const void *observation;
	const char *wide, *why = "";
	char address[40];
	size_t length;

	past_begin(&past);
	history_reopen(&past);
	people_fill(&past, 100, WIDE);
	ck_assert_int_eq(store_open(&options, STORE_MEMORY, &store, &why), BASE_OK);
	table = history_table_new(store, HISTORY_TABLE_BYTES / 32);
	wide = past_people(past.arena, 100, WIDE);
	ck_assert_int_eq(
	    history_observation(past.key, past.arena, ME, past_mail(&past, ME, wide, "w@x", ""), 0,
		0.1, &observation, &length, &why),
	    BASE_OK);
	ck_assert_int_eq(history_table_begin(table, &why), BASE_OK);
	ck_assert_msg(
	    history_table_observe(table, observation, length, &why) == BASE_OK, "%s", why);
	ck_assert(history_table_was_cut(table));
	ck_assert_int_eq(history_table_write(table, &why), BASE_OK);
	ck_assert_int_eq(history_table_begin(table, &why), BASE_OK);
	for (unsigned i = 0; i < WIDE; i += 50) {
		snprintf(address, sizeof(address), "p%u@example.com", 100 + i);
		ck_assert_int_eq(
		    history_table_profile(table, history_hash(past.key, address), &profile, &why),
		    BASE_OK);
		ck_assert_uint_eq(profile->received, HEARD + 1);
	}
	ck_assert_int_eq(
	    history_table_profile(table, history_hash(past.key, ME), &profile, &why), BASE_OK);
	ck_assert_uint_eq(profile->sends, 1);
	history_table_free(&table);
	store_close(&store);
	past_end(&past);
}
END_TEST

/*
 * Bytes that are no observation, and a sender whose record nobody can read: dropped, counted and
 * told, and nothing waits behind them.
 */
START_TEST(what_fails_alone_is_dropped)
{
	static char garbage[2u << 20];
	struct past past;
	struct store *store;
	const char *why = "";

	past_begin(&past);
	history_reopen(&past);
	store = store_begun();
	ck_assert_int_eq(
	    store_record_put(store, STORE_PROFILE, history_hash(past.key, "bad@example.com"),
		garbage, sizeof(garbage), 0, &why),
	    BASE_OK);
	store_end(&store);
	for (int i = 0; i < 3; i++) {
		past_send(&past, ME, "p1@example.com", "", "");
		past_send(&past, "bad@example.com", "p1@example.com", "", "");
		ck_assert_int_eq(history_observe(past.history, "\1junk", 5, &why), BASE_OK);
		past_send(&past, ME, "p1@example.com", "", "");
	}
	flush(&past);
	ck_assert_uint_eq(profile_of(&past, ME)->sends, 6);
	history_close(&past.history);
	ck_assert_uint_eq(reported.dropped, 6);
	ck_assert_uint_eq(reported.away + reported.back, 0);
	history_reopen(&past);
	past_end(&past);
}
END_TEST

/* A lock keeps nobody who must not wait, and what waited is learned when it is gone. */
START_TEST(a_lock_keeps_no_one)
{
	struct past past;
	struct store *store;
	const char *why = "";

	past_begin(&past);
	history_reopen(&past);
	store = store_begun();
	for (int i = 0; i < 100; i++) {
		past_send(&past, ME, "p1@example.com", "", "");
		ck_assert_int_eq(history_flush_within(past.history, 100, &why), BASE_RETRY);
	}
	store_end(&store);
	flush(&past);
	ck_assert_int_eq(history_flush_within(past.history, 100, &why), BASE_OK);
	ck_assert_uint_eq(profile_of(&past, ME)->sends, 100);
	ck_assert_uint_eq(reported.dropped, 0);
	past_end(&past);
}
END_TEST

/* A program that ends does not wait for a lock: it says what it has not learned. */
START_TEST(the_end_does_not_wait)
{
	struct past past;
	struct store *store;

	past_begin(&past);
	history_reopen(&past);
	store = store_begun();
	for (int i = 0; i < 1000; i++)
		past_send(&past, ME, "p1@example.com", "", "");
	history_close(&past.history);
	ck_assert_uint_eq(reported.dropped, 1000);
	store_end(&store);
	history_reopen(&past);
	past_end(&past);
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
	struct past past;

	past_begin(&past);
	history_reopen(&past);
	past_teach(&past, 5);
	flush(&past);
	for (unsigned round = 1; round <= 2; round++) {
		files_remove();
		past_send(&past, ME, "p1@example.com", "", "");
		flush(&past);
		ck_assert_uint_eq(profile_of(&past, ME)->sends, 1);
		/* who looks at the same file sees the same */
		history_reopen(&past);
		ck_assert_uint_eq(profile_of(&past, ME)->sends, 1);
		ck_assert_uint_eq(reported.away, round);
		ck_assert_uint_eq(reported.back, round);
	}
	ck_assert_uint_eq(reported.dropped, 0);
	past_end(&past);
}
END_TEST

/* Only its own file: the log beside it stays, and means nothing any more. */
START_TEST(a_database_removed_without_its_log_is_made_anew)
{
	struct past past;
	char path[200];

	past_begin(&past);
	history_reopen(&past);
	past_teach(&past, 5);
	flush(&past);
	snprintf(path, sizeof(path), "%s/memory.db", directory);
	ck_assert_int_eq(unlink(path), 0);
	past_send(&past, ME, "p1@example.com", "", "");
	flush(&past);
	ck_assert_uint_eq(profile_of(&past, ME)->sends, 1);
	history_reopen(&past);
	ck_assert_uint_eq(profile_of(&past, ME)->sends, 1);
	past_end(&past);
}
END_TEST

/* A directory where nothing can be made: what waits is bounded, and learned afterwards. */
START_TEST(an_unusable_database_is_waited_for)
{
	struct past past;
	char path[200];
	const char *why = "";

	past_begin(&past);
	history_reopen(&past);
	files_remove();
	snprintf(path, sizeof(path), "%s/memory.db", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0); /* of no use as a database */
	for (int i = 0; i < 20; i++) {
		past_send(&past, ME, "p1@example.com", "", "");
		ck_assert_int_eq(history_flush_within(past.history, 1000, &why), BASE_RETRY);
	}
	while (!reported.away)
		base_sleep_ms(10);
	ck_assert_int_eq(rmdir(path), 0);
	flush(&past);
	ck_assert_uint_eq(profile_of(&past, ME)->sends, 20);
	ck_assert_uint_eq(reported.away, 1);
	ck_assert_uint_eq(reported.back, 1);
	ck_assert_uint_eq(reported.dropped, 0);
	past_end(&past);
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
	tcase_add_test(tcase, a_observation_is_cut_where_it_must);
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
