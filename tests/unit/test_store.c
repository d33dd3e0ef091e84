/* store: every operation, lost updates, bad disks, versions, several processes, wiping */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/hold.h"
#include "milter/store/queue_entry.h"
#include "milter/store/record.h"
#include "milter/store/store.h"
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
	strcpy(directory, "/tmp/oops-store-XXXXXX");
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

static void
path_of(const char *name, char path_r[128])
{
	snprintf(path_r, 128, "%s/%s", directory, name);
}

static enum base_result
open_kind(enum store_kind kind, bool create, struct store **store_r)
{
	struct store_options options = {
		.driver = "sqlite", .directory = directory, .create = create
	};

	return store_open(&options, kind, store_r, &why);
}

static struct store *
must_open(enum store_kind kind)
{
	struct store *store = NULL;
	enum base_result result = open_kind(kind, true, &store);

	ck_assert_msg(result == BASE_OK, "%s: %s", base_result_str(result), why);
	return store;
}

static struct store_hold
sample(const char *id)
{
	return (struct store_hold){
		.id = id,
		.node = "mx1",
		.state = 1,
		.action = 2,
		.submission = { "a\0ct", 4 },
		.sender = "jo@example.com",
		.subject = "Quarterly; DROP TABLE hold; --'\"",
		.recipients = "a@example.com\nb@example.com",
		.recipient_count = 40,
		.people = 2100,
		.people_kind = 1,
		.score = 0.9375,
		.reasons = "far-above:3.2\tMany more people than usual",
		.policy = "rule 1",
		.language = "en",
		.template = "/etc/en.letter",
		.mailbox = "Jo@example.com",
		.limited_by = "sender",
		.left_count = 50,
		.left_to = "z@example.com",
		.created = 1000,
		.due = 1150,
		.deadline = 121000,
		.window = 120,
		.grace = 3600,
		.on_end = 1,
		.then = 2,
		.settled = 0,
		.moved = 1000,
		.by = "mta",
		.tries = 3,
		.letter_due = 2000,
		.letter_tries = 1,
		.letter_sent = 77,
		.return_due = 3000,
		.return_tries = 4,
		.return_how = 2,
		.from_address = "boss@example.com",
		.timer = 1151,
		.seen = 0,
		.how = 2,
		.left_at = 1170,
		.announce = 600,
		.undone_by = "link",
		.bounces_home = 1,
	};
}

static void
same_hold(const struct store_hold *a, const struct store_hold *b)
{
	ck_assert_str_eq(a->id, b->id);
	ck_assert_str_eq(a->node, b->node);
	ck_assert_int_eq(a->state, b->state);
	ck_assert_int_eq(a->action, b->action);
	ck_assert_uint_eq(a->submission.length, b->submission.length);
	ck_assert_mem_eq(a->submission.data, b->submission.data, a->submission.length);
	ck_assert_str_eq(a->sender, b->sender);
	ck_assert_str_eq(a->subject, b->subject);
	ck_assert_str_eq(a->recipients, b->recipients);
	ck_assert_int_eq(a->recipient_count, b->recipient_count);
	ck_assert_int_eq(a->people, b->people);
	ck_assert_int_eq(a->people_kind, b->people_kind);
	ck_assert_double_eq(a->score, b->score);
	ck_assert_str_eq(a->reasons, b->reasons);
	ck_assert_str_eq(a->policy, b->policy);
	ck_assert_str_eq(a->language, b->language);
	ck_assert_str_eq(a->template, b->template);
	ck_assert_str_eq(a->mailbox, b->mailbox);
	ck_assert_str_eq(a->limited_by, b->limited_by);
	ck_assert_int_eq(a->left_count, b->left_count);
	ck_assert_str_eq(a->left_to, b->left_to);
	ck_assert_int_eq(a->created, b->created);
	ck_assert_int_eq(a->due, b->due);
	ck_assert_int_eq(a->deadline, b->deadline);
	ck_assert_int_eq(a->timer, b->timer);
	ck_assert_int_eq(a->seen, b->seen);
	ck_assert_int_eq(a->how, b->how);
	ck_assert_int_eq(a->left_at, b->left_at);
	ck_assert_int_eq(a->announce, b->announce);
	ck_assert_int_eq(a->window, b->window);
	ck_assert_int_eq(a->grace, b->grace);
	ck_assert_int_eq(a->on_end, b->on_end);
	ck_assert_int_eq(a->then, b->then);
	ck_assert_int_eq(a->settled, b->settled);
	ck_assert_int_eq(a->moved, b->moved);
	ck_assert_str_eq(a->by, b->by);
	ck_assert_int_eq(a->tries, b->tries);
	ck_assert_int_eq(a->letter_due, b->letter_due);
	ck_assert_int_eq(a->letter_tries, b->letter_tries);
	ck_assert_int_eq(a->letter_sent, b->letter_sent);
	ck_assert_int_eq(a->return_due, b->return_due);
	ck_assert_int_eq(a->return_tries, b->return_tries);
	ck_assert_int_eq(a->return_how, b->return_how);
	ck_assert_str_eq(a->from_address, b->from_address);
	ck_assert_str_eq(a->undone_by, b->undone_by);
	ck_assert_int_eq(a->bounces_home, b->bounces_home);
}

static int
row_count(struct store *store)
{
	struct store_hold *holds;
	size_t count = 0;

	OK(store_hold_list(store, arena, true, NULL, &holds, 1000, &count, &why));
	return (int)count;
}

/* --- holds ------------------------------------------------------------------------------
 */

START_TEST(hold_comes_back_as_it_went)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample("aaaaaaaaaaaaaaaa");
	struct store_hold *got = NULL;

	OK(store_hold_insert(store, &hold, &why));
	OK(store_hold_get(store, arena, hold.id, &got, &why));
	same_hold(&hold, got);
	NONE(store_hold_get(store, arena, "bbbbbbbbbbbbbbbb", &got, &why));
	REFUSE(store_hold_insert(store, &hold, &why));
	store_close(&store);
	ck_assert_ptr_null(store);

	store = must_open(STORE_HOLDS); /* from the file */
	OK(store_hold_get(store, arena, hold.id, &got, &why));
	same_hold(&hold, got);
	store_close(&store);
}
END_TEST

START_TEST(update_writes_all_or_is_lost)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample("aaaaaaaaaaaaaaaa");
	struct store_hold other = sample("bbbbbbbbbbbbbbbb");
	struct store_hold changed = { .id = hold.id,
		.node = "mx2",
		.state = 2,
		.action = 1,
		.submission = { "xy", 2 },
		.sender = "s",
		.subject = "",
		.recipients = "",
		.recipient_count = 1,
		.people = 2,
		.score = 0.5,
		.reasons = "r",
		.policy = "p",
		.language = "de",
		.template = "/etc/de.letter",
		.mailbox = "S",
		.from_address = "t",
		.limited_by = "T",
		.left_count = 17,
		.left_to = "U",
		.undone_by = "admin",
		.created = 3,
		.due = 4,
		.deadline = 5,
		.window = 6,
		.grace = 7,
		.on_end = 0,
		.then = 1,
		.settled = 9,
		.moved = 10,
		.by = "link",
		.tries = 11,
		.letter_due = 12,
		.letter_tries = 13,
		.letter_sent = 14 };
	struct store_hold *got = NULL;

	OK(store_hold_insert(store, &hold, &why));
	OK(store_hold_insert(store, &other, &why));
	NONE(store_hold_update(store, &changed, 7, &why));
	OK(store_hold_get(store, arena, hold.id, &got, &why));
	same_hold(&hold, got);
	OK(store_hold_update(store, &changed, 1, &why));
	NONE(store_hold_update(store, &changed, 1, &why)); /* the second comes too late */
	OK(store_hold_get(store, arena, hold.id, &got, &why));
	same_hold(&changed, got);
	OK(store_hold_get(store, arena, other.id, &got, &why));
	same_hold(&other, got);
	store_close(&store);
}
END_TEST

START_TEST(due_rows_most_urgent_first)
{
	static const struct {
		const char *id, *node;
		int64_t due, letter_due;
	} rows[] = {
		{ "a", "mx1", 300, 0 },
		{ "b", "mx1", 100, 900 },
		{ "c", "mx1", 0, 200 },
		{ "d", "mx2", 50, 40 },
		{ "e", "mx1", 200, 500 },
		{ "f", "mx1", 400, 0 },
	};
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold *holds;
	const char **ids;
	size_t count;
	int64_t due = 0;

	NONE(store_hold_next_due(store, "mx1", &due, &why));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct store_hold hold = sample(rows[i].id);

		hold.node = rows[i].node;
		hold.due = rows[i].due;
		hold.timer = 0;
		hold.letter_due = rows[i].letter_due;
		hold.return_due = rows[i].letter_due * 2;
		OK(store_hold_insert(store, &hold, &why));
	}
	OK(store_hold_due(store, arena, STORE_DUE_UNSEEN, "mx1", 300, &holds, 10, &count, &why));
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(holds[0].id, "b");
	ck_assert_str_eq(holds[1].id, "e");
	ck_assert_str_eq(holds[2].id, "a");
	OK(store_hold_due(store, arena, STORE_DUE_UNSEEN, "mx1", 300, &holds, 2, &count, &why));
	ck_assert_uint_eq(count, 2);
	OK(store_hold_due(store, arena, STORE_DUE_UNSEEN, "mx1", 99, &holds, 2, &count, &why));
	ck_assert_uint_eq(count, 0);
	for (int i = 0; i < 2; i++) {
		OK(store_due_ids(store, arena, i ? STORE_DUE_RETURN : STORE_DUE_LETTER, "mx1",
		    i ? 1000 : 500, &ids, 10, &count, &why));
		ck_assert_uint_eq(count, 2);
		ck_assert_str_eq(ids[0], "c");
		ck_assert_str_eq(ids[1], "e");
	}
	OK(store_hold_next_due(store, "mx1", &due, &why));
	ck_assert_int_eq(due, 100);
	OK(store_hold_next_due(store, "mx2", &due, &why));
	ck_assert_int_eq(due, 50);
	NONE(store_hold_next_due(store, "mx3", &due, &why));
	store_close(&store);
}
END_TEST

/* A look that a page asks for comes at once, and not again so soon, whatever clocks do. */
START_TEST(a_look_can_be_asked_for)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample("a"), *row = NULL;
	const struct {
		int64_t due, now;
		bool is_asked;
	} cases[] = { { 90000, 10000, true }, { 90000, 14999, false }, { 90000, 15000, true },
		{ 90000, 9000, true }, { 8000, 60000, false }, { 0, 60000, false } };

	OK(store_hold_insert(store, &hold, &why));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		hold.due = cases[i].due;
		OK(store_hold_update(store, &hold, hold.state, &why));
		ck_assert_int_eq(store_hold_look(store, "a", cases[i].now, 5000, &why),
		    cases[i].is_asked ? BASE_OK : BASE_NONE);
		OK(store_hold_get(store, arena, "a", &row, &why));
		ck_assert_int_eq(row->due, cases[i].is_asked ? cases[i].now : cases[i].due);
	}
	store_close(&store);
}
END_TEST

/* Three ways to be due, each with its own rows; the next time is the earliest of all. */
START_TEST(due_in_three_ways)
{
	static const struct {
		const char *id;
		int64_t timer, due, seen;
	} rows[] = {
		{ "a", 500, 100, 0 },
		{ "b", 90, 0, 7 },
		{ "c", 300, 200, 7 },
		{ "d", 0, 150, 7 },
		{ "e", 0, 120, 0 },
	};
	static const char *const expected[] = { "bc", "ae", "dc" };
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold *holds;
	const char **ids;
	int64_t next = 0;
	size_t count;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct store_hold hold = sample(rows[i].id);

		hold.timer = rows[i].timer;
		hold.due = rows[i].due;
		hold.seen = rows[i].seen;
		OK(store_hold_insert(store, &hold, &why));
	}
	for (int which = STORE_DUE_TIMER; which <= STORE_DUE_SEEN; which++) {
		OK(store_hold_due(store, arena, which, "mx1", 300, &holds, 10, &count, &why));
		ck_assert_uint_eq(count, 2);
		for (size_t i = 0; i < count; i++)
			ck_assert_int_eq(holds[i].id[0], expected[which][i]);
		OK(store_due_ids(store, arena, which, "mx1", 300, &ids, 10, &count, &why));
		ck_assert_uint_eq(count, 2);
		for (size_t i = 0; i < count; i++)
			ck_assert_int_eq(ids[i][0], expected[which][i]);
	}
	OK(store_hold_next_due(store, "mx1", &next, &why));
	ck_assert_int_eq(next, 90);
	/* set aside: only the times that are set */
	OK(store_hold_postpone(store, "b", 1000, &why));
	OK(store_hold_get(store, arena, "b", &holds, &why));
	ck_assert_int_eq(holds->timer, 1000);
	ck_assert_int_eq(holds->due, 0);
	OK(store_hold_next_due(store, "mx1", &next, &why));
	ck_assert_int_eq(next, 100);
	NONE(store_hold_postpone(store, "z", 1000, &why));
	store_close(&store);
}
END_TEST

START_TEST(act_finds_the_newest)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample("a");
	struct store_hold *got = NULL;

	OK(store_hold_insert(store, &hold, &why));
	hold.id = "b";
	hold.created = 2000;
	OK(store_hold_insert(store, &hold, &why));
	hold.id = "c";
	hold.submission = (struct store_blob){ "a\0cu", 4 };
	hold.created = 3000;
	OK(store_hold_insert(store, &hold, &why));
	OK(store_hold_by_submission(store, arena, "mx1", "a\0ct", 4, 0, &got, &why));
	ck_assert_str_eq(got->id, "b");
	OK(store_hold_by_submission(store, arena, "mx1", "a\0ct", 4, 2000, &got, &why));
	NONE(store_hold_by_submission(store, arena, "mx1", "a\0ct", 4, 2001, &got, &why));
	NONE(store_hold_by_submission(store, arena, "mx2", "a\0ct", 4, 0, &got, &why));
	NONE(store_hold_by_submission(store, arena, "mx1", "a", 1, 0, &got, &why));
	store_close(&store);
}
END_TEST

START_TEST(list_pages_through_equal_times)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold *holds;
	const struct store_hold *before = NULL;
	char seen[64] = "";
	size_t count;

	for (char c = 'a'; c <= 'g'; c++) {
		char id[2] = { c, '\0' };
		struct store_hold hold = sample(id);

		hold.created = c < 'f' ? 500 : 600;
		hold.settled = c == 'c' ? 700 : 0;
		OK(store_hold_insert(store, &hold, &why));
	}
	do {
		OK(store_hold_list(store, arena, true, before, &holds, 2, &count, &why));
		for (size_t i = 0; i < count; i++)
			strcat(seen, holds[i].id);
		before = count > 0 ? &holds[count - 1] : NULL;
	} while (count > 0);
	ck_assert_str_eq(seen, "gfedcba");
	OK(store_hold_list(store, arena, false, NULL, &holds, 10, &count, &why));
	ck_assert_uint_eq(count, 6);
	store_close(&store);
}
END_TEST

/* Holds of storms count for nobody, limited ones for their sender alone. */
START_TEST(holds_are_counted_by_sender)
{
	static const struct {
		const char *id, *sender, *limited_by, *storm;
		int64_t created;
	} rows[] = {
		{ "a", "script@example.com", "", "", 100 },
		{ "b", "script@example.com", "", "", 200 },
		{ "c", "script@example.com", "", "", 300 },
		{ "d", "script@example.com", "sender", "", 400 },
		{ "e", "anna@example.com", "", "", 50 }, /* too old */
		{ "f", "anna@example.com", "site", "", 500 },
		{ "g", "anna@example.com", "", "", 500 },
		{ "h", "anna@example.com", "", "x", 500 },
	};
	static const struct {
		const char *sender;
		int64_t all, unlimited;
	} counts[] = { { "script@example.com", 4, 3 }, { "anna@example.com", 2, 1 },
		{ "ben@example.com", 0, 0 } };
	struct store *store = must_open(STORE_HOLDS);
	int64_t count;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct store_hold hold = sample(rows[i].id);

		hold.sender = rows[i].sender;
		hold.limited_by = rows[i].limited_by;
		hold.storm = rows[i].storm;
		hold.created = rows[i].created;
		OK(store_hold_insert(store, &hold, &why));
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		OK(store_hold_count(store, counts[i].sender, 100, &count, &why));
		ck_assert_int_eq(count, counts[i].all);
		OK(store_hold_count_unlimited(store, counts[i].sender, 100, &count, &why));
		ck_assert_int_eq(count, counts[i].unlimited);
	}
	store_close(&store);
}
END_TEST

#define MINUTE INT64_C(60000)

/* Those of the site are kept by the minute; what is older than anybody asks for goes. */
START_TEST(holds_of_the_site_are_kept)
{
	struct store *store = must_open(STORE_HOLDS);
	int64_t count;

	OK(store_budget_count(store, 0, &count, &why));
	ck_assert_int_eq(count, 0);
	for (int64_t minute = 10; minute < 20; minute++)
		for (int i = 0; i < 3; i++)
			OK(store_budget_add(store, minute * MINUTE + i, 10 * MINUTE, &why));
	OK(store_budget_count(store, 0, &count, &why));
	ck_assert_int_eq(count, 30);
	OK(store_budget_count(store, 18 * MINUTE, &count, &why));
	ck_assert_int_eq(count, 6);
	OK(store_budget_add(store, 21 * MINUTE, 19 * MINUTE, &why));
	OK(store_budget_count(store, 0, &count, &why));
	ck_assert_int_eq(count, 4);
	store_close(&store);
}
END_TEST

/* What was written before the clock was set moves with it; what came after, or is over, stays. */
START_TEST(times_move_with_the_clock)
{
	static const struct {
		const char *id, *node;
		int64_t moved, settled;
		bool moves;
	} rows[] = {
		{ "old", "mx1", 7000, 0, true },
		{ "before", "mx1", 3399, 0, true },
		{ "new", "mx1", 3450, 0, false },
		{ "over", "mx1", 7000, 7000, false },
		{ "other", "mx2", 7000, 0, false },
	};
	const struct store_shift shift = { "mx1", -3600, 3400, 3500 };
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold *got;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct store_hold hold = sample(rows[i].id);
		struct store_entry entry = { .hold_id = rows[i].id,
			.queue_id = rows[i].id,
			.state = 1,
			.created = rows[i].moved };

		hold.node = rows[i].node;
		hold.created = hold.moved = rows[i].moved;
		hold.settled = rows[i].settled;
		hold.deadline = hold.timer = 9000;
		hold.letter_due = 0;
		hold.letter_sent = 8000;
		OK(store_hold_insert(store, &hold, &why));
		OK(store_entry_insert(store, &entry, "", 0, &why));
	}
	OK(store_begin(store, &why));
	OK(store_hold_shift(store, &shift, &why));
	OK(store_commit(store, &why));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t by = rows[i].moves ? -3600 : 0;
		struct store_entry *entries;
		size_t count;

		OK(store_hold_get(store, arena, rows[i].id, &got, &why));
		ck_assert_int_eq(got->deadline, 9000 + by);
		ck_assert_int_eq(got->timer, 9000 + by);
		ck_assert_int_eq(got->moved, rows[i].moved + by);
		ck_assert_int_eq(got->letter_due, 0);
		ck_assert_int_eq(got->letter_sent, 8000 + by);
		OK(store_entry_list(store, arena, rows[i].id, &entries, &count, &why));
		ck_assert_int_eq(entries[0].created, rows[i].moved + by);
	}
	store_close(&store);
}
END_TEST

/* A link lives on with its hold where the clock is set forward, and is never cut short. */
START_TEST(links_move_forward_with_the_clock)
{
	static const unsigned char open[BASE_HASH_SIZE] = { 1 }, over[BASE_HASH_SIZE] = { 2 };
	const struct store_shift shifts[] = { { "mx1", 3600, 9000, INT64_MAX },
		{ "mx1", -3600, 9000, 9001 } };
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample("open"), *got = NULL;

	hold.node = "mx1";
	OK(store_hold_insert(store, &hold, &why));
	hold.id = "over";
	hold.settled = 7000;
	OK(store_hold_insert(store, &hold, &why));
	OK(store_token_insert(store, open, "open", 5000, &why));
	OK(store_token_insert(store, over, "over", 5000, &why));
	for (size_t i = 0; i < sizeof(shifts) / sizeof(*shifts); i++) {
		OK(store_begin(store, &why));
		OK(store_hold_shift(store, &shifts[i], &why));
		OK(store_commit(store, &why));
		OK(store_hold_by_token(store, arena, open, 8599, &got, &why));
		NONE(store_hold_by_token(store, arena, open, 8600, &got, &why));
		NONE(store_hold_by_token(store, arena, over, 5000, &got, &why));
	}
	store_close(&store);
}
END_TEST

/* The first to open it makes its tables, and is told so. */
START_TEST(who_begins_a_database_is_reported)
{
	bool is_new = false;
	const struct store_options options = {
		.driver = "sqlite", .directory = directory, .create = true, .is_new_r = &is_new
	};
	struct store *store = NULL;
	char path[128];

	OK(store_open(&options, STORE_HOLDS, &store, &why));
	store_close(&store);
	ck_assert(is_new);
	is_new = false;
	OK(store_open(&options, STORE_HOLDS, &store, &why));
	store_close(&store);
	ck_assert(!is_new);
	path_of(STORE_HOLDS_PATH, path);
	ck_assert_int_eq(truncate(path, 0), 0);
	OK(store_open(&options, STORE_HOLDS, &store, &why));
	store_close(&store);
	ck_assert(is_new);
}
END_TEST

/* It is locked as long as its user lives, and that is no reason to wait. */
START_TEST(a_file_that_was_emptied_in_use_is_damaged)
{
	bool is_damaged = false;
	const struct store_options options = {
		.driver = "sqlite", .directory = directory, .is_damaged_r = &is_damaged
	};
	struct store *store = must_open(STORE_HOLDS), *other = NULL;
	char path[128];

	path_of(STORE_HOLDS_PATH, path);
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(store_open(&options, STORE_HOLDS, &other, &why), BASE_BROKEN);
	ck_assert(is_damaged);
	ck_assert_msg(strstr(why, "was emptied while") != NULL, "%s", why);
	store_close(&store);
}
END_TEST

START_TEST(tokens_open_until_they_expire)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample("a");
	struct store_hold *got = NULL;
	unsigned char hash[BASE_HASH_SIZE] = { 0, 1, 2 };
	unsigned char other[BASE_HASH_SIZE] = { 0, 1, 3 };

	OK(store_hold_insert(store, &hold, &why));
	OK(store_token_insert(store, hash, "a", 5000, &why));
	REFUSE(store_token_insert(store, hash, "a", 9000, &why));
	OK(store_hold_by_token(store, arena, hash, 4999, &got, &why));
	ck_assert_str_eq(got->id, "a");
	NONE(store_hold_by_token(store, arena, hash, 5000, &got, &why));
	NONE(store_hold_by_token(store, arena, other, 0, &got, &why));
	store_close(&store);
}
END_TEST

START_TEST(parts_in_order_with_observations)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_entry entry = { "a", "4QX", 1, 10, 0, 0, 2 };
	struct store_entry *entries;
	struct store_blob observation;
	size_t count;
	char id[16];

	OK(store_entry_insert(store, &entry, "le\0n", 4, &why));
	REFUSE(store_entry_insert(store, &entry, "", 0, &why));
	for (int i = 0; i < 9; i++) {
		struct store_entry more = { "a", id, 1, 20 + i, 0, 0, 100 + i };

		snprintf(id, sizeof(id), "%d", 9 - i);
		OK(store_entry_insert(store, &more, NULL, 0, &why));
	}
	entry.state = 3;
	entry.created = 11;
	entry.mail = 0; /* who writes it again does not know its number */
	OK(store_entry_update(store, &entry, &why));
	OK(store_entry_list(store, arena, "a", &entries, &count, &why));
	ck_assert_uint_eq(count, 10);
	ck_assert_str_eq(entries[0].queue_id, "4QX");
	ck_assert_str_eq(entries[0].hold_id, "a");
	ck_assert_int_eq(entries[0].state, 3);
	ck_assert_int_eq(entries[0].created, 11);
	ck_assert_int_eq(entries[0].mail, 2);
	ck_assert_str_eq(entries[9].queue_id, "1");
	OK(store_entry_observation(store, arena, &entries[0], &observation, &why));
	ck_assert_uint_eq(observation.length, 4);
	ck_assert_mem_eq(observation.data, "le\0n", 4);
	OK(store_entry_wipe(store, "a", &why));
	OK(store_entry_observation(store, arena, &entries[0], &observation, &why));
	ck_assert_uint_eq(observation.length, 0);
	entry.queue_id = "none";
	NONE(store_entry_update(store, &entry, &why));
	/* the MTA renamed the file; a name that another part has is not taken */
	entry.hold_id = "a";
	entry.queue_id = "4QX";
	entry.asked = 99;
	OK(store_entry_update(store, &entry, &why));
	NONE(store_entry_rename(store, &entry, entries[1].queue_id, &why));
	OK(store_entry_rename(store, &entry, "4QY", &why));
	NONE(store_entry_rename(store, &entry, "4QZ", &why));
	OK(store_entry_list(store, arena, "a", &entries, &count, &why));
	ck_assert_str_eq(entries[0].queue_id, "4QY");
	ck_assert_int_eq(entries[0].asked, 99);
	NONE(store_entry_observation(store, arena, &entry, &observation, &why));
	OK(store_entry_list(store, arena, "b", &entries, &count, &why));
	ck_assert_uint_eq(count, 0);
	store_close(&store);
}
END_TEST

START_TEST(purge_takes_parts_and_tokens_along)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_entry entry = { "old", "1", 3, 10, 0, 0, 0 };
	struct store_entry *entries;
	struct store_hold *got;
	unsigned char hash[BASE_HASH_SIZE] = { 1 };
	struct store_hold hold = sample("old");
	size_t count;

	hold.settled = 100;
	OK(store_hold_insert(store, &hold, &why));
	OK(store_entry_insert(store, &entry, "x", 1, &why));
	OK(store_token_insert(store, hash, "old", INT64_MAX, &why));
	hold.id = "new";
	hold.settled = 200;
	OK(store_hold_insert(store, &hold, &why));
	hold.id = "open";
	hold.settled = 0;
	OK(store_hold_insert(store, &hold, &why));
	OK(store_hold_purge(store, 200, &why));
	NONE(store_hold_purge(store, 200, &why));
	ck_assert_int_eq(row_count(store), 2);
	OK(store_entry_list(store, arena, "old", &entries, &count, &why));
	ck_assert_uint_eq(count, 0);
	NONE(store_hold_by_token(store, arena, hash, 0, &got, &why));
	/* the token row itself is gone too: its hash is free again */
	OK(store_token_insert(store, hash, "new", INT64_MAX, &why));
	store_close(&store);
}
END_TEST

START_TEST(transaction_all_or_nothing)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold a = sample("a");
	struct store_hold b = sample("b");

	OK(store_begin(store, &why));
	OK(store_hold_insert(store, &a, &why));
	OK(store_hold_insert(store, &b, &why));
	store_rollback(store);
	ck_assert_int_eq(row_count(store), 0);
	OK(store_begin(store, &why));
	OK(store_hold_insert(store, &a, &why));
	REFUSE(store_hold_insert(store, &a, &why)); /* one bad row, the others live */
	OK(store_hold_insert(store, &b, &why));
	OK(store_commit(store, &why));
	ck_assert_int_eq(row_count(store), 2);
	store_close(&store);
}
END_TEST

/* --- threads and processes --------------------------------------------------------------
 */

static struct store *shared;

/* Each thread reads and writes back a counter in `people`, inside a transaction. */
static void *
count_up(void *context)
{
	struct base_arena *own = base_arena_new(4u << 20);
	const char *reason = "";

	(void)context;
	for (int i = 0; i < 20; i++) {
		struct store_hold *hold = NULL;

		if (store_begin(shared, &reason) != BASE_OK)
			abort();
		if (store_hold_get(shared, own, "a", &hold, &reason) != BASE_OK)
			abort();
		hold->people++;
		if (store_hold_update(shared, hold, 1, &reason) != BASE_OK)
			abort();
		if (store_commit(shared, &reason) != BASE_OK)
			abort();
	}
	base_arena_free(&own);
	return NULL;
}

START_TEST(threads_and_processes_take_author_changes)
{
	struct store_hold hold = sample("a");
	struct store_hold *got = NULL;
	pthread_t threads[4];
	pid_t children[3];
	int status;

	hold.people = 0;
	shared = must_open(STORE_HOLDS);
	OK(store_hold_insert(shared, &hold, &why));
	store_close(&shared);
	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			if (open_kind(STORE_HOLDS, false, &shared) != BASE_OK)
				_exit(1);
			count_up(NULL);
			store_close(&shared);
			_exit(0);
		}
	}
	shared = must_open(STORE_HOLDS);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, count_up, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 3; i++) {
		waitpid(children[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
	OK(store_hold_get(shared, arena, "a", &got, &why));
	ck_assert_int_eq(got->people, 20 * (4 + 3));
	store_close(&shared);
}
END_TEST

START_TEST(many_open_a_new_store_at_once)
{
	pid_t children[8];
	int status;

	for (int i = 0; i < 8; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			struct store *store = NULL;
			enum base_result result = open_kind(STORE_HOLDS, true, &store);

			if (result != BASE_OK)
				fprintf(stderr, "%s\n", why);
			store_close(&store);
			_exit(result == BASE_OK ? 0 : 1);
		}
	}
	for (int i = 0; i < 8; i++) {
		waitpid(children[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
}
END_TEST

/* A writer that never lets go: the others are told to come back, and nothing is broken. */
START_TEST(busy_means_retry)
{
	struct store *first = must_open(STORE_HOLDS);
	struct store *second = must_open(STORE_HOLDS);
	struct store_hold hold = sample("a");

	OK(store_begin(first, &why));
	must_be(BASE_RETRY, store_begin(second, &why), &why, "begin");
	ck_assert_int_eq(row_count(second), 0); /* readers do not wait */
	store_rollback(first);
	OK(store_hold_insert(second, &hold, &why));
	store_close(&first);
	store_close(&second);
}
END_TEST

/* Killed at any moment of writing, a committed row is there and a half one is not. */
START_TEST(killed_writers_leave_whole_transactions)
{
	struct store *store;
	int version;

	store = must_open(STORE_HOLDS);
	store_close(&store);
	for (int round = 0; round < 10; round++) {
		int reported[2], status, committed = 0;
		pid_t child;
		char byte;

		ck_assert_int_eq(pipe(reported), 0);
		child = fork();
		if (child == 0) {
			store = must_open(STORE_HOLDS);
			for (int i = 0;; i++) {
				char a[32], b[32];
				struct store_hold hold = sample(a);

				snprintf(a, sizeof(a), "%d-%d-a", round, i);
				snprintf(b, sizeof(b), "%d-%d-b", round, i);
				OK(store_begin(store, &why));
				OK(store_hold_insert(store, &hold, &why));
				hold.id = b;
				OK(store_hold_insert(store, &hold, &why));
				OK(store_commit(store, &why));
				if (write(reported[1], "x", 1) != 1)
					_exit(1);
			}
		}
		close(reported[1]);
		ck_assert_int_eq(read(reported[0], &byte, 1), 1);
		base_sleep_ms(5 + 7 * round);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		for (committed = 1; read(reported[0], &byte, 1) == 1;)
			committed++;
		close(reported[0]);
		store = must_open(STORE_HOLDS);
		OK(store_check(store, &version, &why));
		for (int i = 0; i <= committed; i++) {
			struct store_hold *got;
			enum base_result a, b;
			char id[32];

			snprintf(id, sizeof(id), "%d-%d-a", round, i);
			a = store_hold_get(store, arena, id, &got, &why);
			snprintf(id, sizeof(id), "%d-%d-b", round, i);
			b = store_hold_get(store, arena, id, &got, &why);
			ck_assert_int_eq(a, b);
			if (i < committed)
				ck_assert_int_eq(a, BASE_OK);
		}
		store_close(&store);
		base_arena_reset(arena);
	}
}
END_TEST

/* --- files ------------------------------------------------------------------------------
 */

static unsigned
mode_of(const char *name)
{
	struct stat status;
	char path[128];

	path_of(name, path);
	ck_assert_msg(stat(path, &status) == 0, "%s", path);
	return status.st_mode & 07777;
}

START_TEST(modes_do_not_depend_on_the_umask)
{
	static const mode_t masks[] = { 0, 022, 077 };
	mode_t before = umask(masks[_i]);
	struct store *holds = must_open(STORE_HOLDS);
	struct store *history = must_open(STORE_MEMORY);
	struct store_hold hold = sample("a");

	OK(store_hold_insert(holds, &hold, &why));
	OK(store_record_put(history, STORE_GLOBAL, 1, "x", 1, 0, &why));
	umask(before);
	ck_assert_uint_eq(mode_of("holds"), 02770);
	ck_assert_uint_eq(mode_of("holds/holds.db"), 0660);
	ck_assert_uint_eq(mode_of("holds/holds.db-wal"), 0660);
	ck_assert_uint_eq(mode_of("holds/holds.db-shm"), 0660);
	ck_assert_uint_eq(mode_of("memory.db"), 0600);
	ck_assert_uint_eq(mode_of("memory.db-wal"), 0600);
	store_close(&holds);
	store_close(&history);
}
END_TEST

/* Another user of the group reads and writes holds, and cannot open the history. */
START_TEST(group_may_use_holds_only)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store *history = must_open(STORE_MEMORY);
	struct store_hold hold = sample("a");
	struct store_hold *got = NULL;
	char path[128];
	int status;
	pid_t child;

	if (geteuid() != 0) {
		store_close(&store);
		store_close(&history);
		fprintf(stderr, "skipped: changing the user needs root\n");
		return;
	}
	ck_assert_int_eq(chmod(directory, 0755), 0);
	path_of("holds", path);
	ck_assert_int_eq(chown(path, 40001, 40100), 0);
	ck_assert_int_eq(chmod(path, 02770), 0);
	path_of("holds/holds.db", path);
	ck_assert_int_eq(chown(path, 40001, 40100), 0);
	store_close(&store);
	store_close(&history);
	/* the first user to come makes the log files; the other must be able to go on */
	for (unsigned user = 40001; user <= 40002; user++) {
		child = fork();
		if (child == 0) {
			if (setgid(40100) != 0 || setuid(user) != 0)
				_exit(1);
			OK(open_kind(STORE_HOLDS, false, &store));
			hold.id = user == 40001 ? "a" : "b";
			OK(store_hold_insert(store, &hold, &why));
			ck_assert_int_ne(open_kind(STORE_MEMORY, false, &history), BASE_OK);
			_exit(0); /* as if killed: the log files stay */
		}
		waitpid(child, &status, 0);
		ck_assert_int_eq(status, 0);
	}
	store = must_open(STORE_HOLDS);
	OK(store_hold_get(store, arena, "a", &got, &why));
	OK(store_hold_get(store, arena, "b", &got, &why));
	store_close(&store);
}
END_TEST

START_TEST(missing_without_create)
{
	struct store *store = NULL;
	char path[128];

	must_be(BASE_BROKEN, open_kind(STORE_HOLDS, false, &store), &why, "missing");
	ck_assert_ptr_null(store);
	path_of("holds", path);
	ck_assert_int_ne(access(path, F_OK), 0);
	path_of("memory.db", path);
	fclose(fopen(path, "w"));
	must_be(BASE_BROKEN, open_kind(STORE_MEMORY, false, &store), &why, "empty");
	ck_assert_ptr_nonnull(strstr(why, "no tables"));
}
END_TEST

START_TEST(unknown_driver)
{
	struct store_options options = {
		.driver = "oracle", .directory = directory, .create = true
	};
	struct store *store = NULL;

	REFUSE(store_open(&options, STORE_HOLDS, &store, &why));
	ck_assert_ptr_nonnull(strstr(why, "oracle"));
}
END_TEST

START_TEST(garbage_is_not_a_database)
{
	struct store *store = NULL;
	char path[128];
	FILE *file;

	path_of("memory.db", path);
	file = fopen(path, "w");
	for (int i = 0; i < 2000; i++)
		fputs("not a database ", file);
	fclose(file);
	must_be(BASE_BROKEN, open_kind(STORE_MEMORY, true, &store), &why, "garbage");
	ck_assert_ptr_nonnull(strstr(why, path));
}
END_TEST

START_TEST(newer_schema_is_refused)
{
	struct store *store = must_open(STORE_HOLDS);
	char path[128];
	sqlite3 *raw;
	int version = 0;

	OK(store_check(store, &version, &why));
	ck_assert_int_ge(version, 8);
	store_close(&store);
	path_of(STORE_HOLDS_PATH, path);
	ck_assert_int_eq(sqlite3_open(path, &raw), SQLITE_OK);
	sqlite3_exec(raw, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(raw);
	REFUSE(open_kind(STORE_HOLDS, true, &store));
	ck_assert_ptr_nonnull(strstr(why, "99"));
}
END_TEST

START_TEST(unwritable_places)
{
	struct store *store = NULL;
	struct store_options options = {
		.driver = "sqlite", .directory = "/proc/no/such", .create = true
	};
	char path[128];
	int status;
	pid_t child;

	must_be(BASE_BROKEN, store_open(&options, STORE_HOLDS, &store, &why), &why, "/proc");
	if (geteuid() != 0) {
		fprintf(stderr, "skipped in part: changing the user needs root\n");
		return;
	}
	store = must_open(STORE_HOLDS);
	store_close(&store);
	ck_assert_int_eq(chmod(directory, 0755), 0);
	path_of("holds", path);
	ck_assert_int_eq(chmod(path, 0755), 0);
	path_of(STORE_HOLDS_PATH, path);
	ck_assert_int_eq(chmod(path, 0644), 0);
	child = fork();
	if (child == 0) {
		if (setuid(40001) != 0)
			_exit(1);
		must_be(BASE_BROKEN, open_kind(STORE_HOLDS, true, &store), &why, "read only");
		ck_assert_ptr_nonnull(strstr(why, path));
		_exit(0);
	}
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* The disk fills up in the middle; what was committed stays, and space makes it work again.
 */
START_TEST(full_disk_is_broken_then_well)
{
	struct store *store;
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct rlimit limit;
		enum base_result result = BASE_OK;
		char id[16];
		struct store_hold hold = sample(id);
		struct store_hold *got;
		int done = 0;

		signal(SIGXFSZ, SIG_IGN);
		store = must_open(STORE_HOLDS);
		ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
		limit.rlim_cur = 512 * 1024;
		ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
		while (result == BASE_OK && done < 10000) {
			OK(store_begin(store, &why));
			snprintf(id, sizeof(id), "%d", done);
			result = store_hold_insert(store, &hold, &why);
			if (result == BASE_OK)
				result = store_commit(store, &why);
			else
				store_rollback(store);
			done += result == BASE_OK;
		}
		ck_assert_int_eq(result, BASE_BROKEN);
		ck_assert_int_gt(done, 2);
		NONE(store_hold_get(store, arena, id, &got, &why));
		limit.rlim_cur = limit.rlim_max;
		ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
		OK(store_hold_insert(store, &hold, &why));
		for (int i = 0; i <= done; i++) {
			snprintf(id, sizeof(id), "%d", i);
			OK(store_hold_get(store, arena, id, &got, &why));
		}
		_exit(0);
	}
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	store = must_open(STORE_HOLDS);
	OK(store_check(store, &status, &why));
	store_close(&store);
}
END_TEST

START_TEST(removed_under_us_is_broken)
{
	struct store *store = must_open(STORE_HOLDS);
	char path[128];

	path_of(STORE_HOLDS_PATH, path);
	ck_assert_int_eq(unlink(path), 0);
	must_be(BASE_BROKEN, store_begin(store, &why), &why, "begin");
	ck_assert_ptr_nonnull(strstr(why, "was moved or removed"));
	store_close(&store);
}
END_TEST

START_TEST(wiped_means_gone_from_the_files)
{
	struct store *store = must_open(STORE_HOLDS);
	struct store_hold hold = sample("a");
	struct store_entry entry = { "a", "1", 1, 10, 0, 0, 0 };
	char recipients[20000];

	memset(recipients, 'r', sizeof(recipients));
	strcpy(recipients + sizeof(recipients) - 20, "SECRET-RECIPIENT");
	hold.subject = "SECRET-SUBJECT";
	hold.recipients = recipients;
	OK(store_hold_insert(store, &hold, &why));
	OK(store_entry_insert(store, &entry, "SECRET-LESSON", 13, &why));
	OK(store_tidy(store, &why));
	ck_assert(folder_holds(directory, "SECRET-SUBJECT"));
	ck_assert(folder_holds(directory, "SECRET-LESSON"));
	hold.subject = "";
	hold.recipients = "";
	OK(store_begin(store, &why));
	OK(store_hold_update(store, &hold, 1, &why));
	OK(store_entry_wipe(store, "a", &why));
	OK(store_commit(store, &why));
	OK(store_tidy(store, &why));
	ck_assert(!folder_holds(directory, "SECRET-SUBJECT"));
	ck_assert(!folder_holds(directory, "SECRET-RECIPIENT"));
	ck_assert(!folder_holds(directory, "SECRET-LESSON"));
	store_close(&store);
}
END_TEST

/* --- memory -----------------------------------------------------------------------------
 */

struct gathered {
	uint64_t sum;
	size_t bytes;
	int count;
	int stop_after;
};

static bool
gather(void *context, uint64_t key, const void *data, size_t length)
{
	struct gathered *gathered = context;

	(void)data;
	gathered->sum += key;
	gathered->bytes += length;
	return ++gathered->count != gathered->stop_after;
}

START_TEST(records_by_kind_and_key)
{
	static const uint64_t keys[] = { 0, 1, UINT64_MAX, (uint64_t)1 << 63, 0x0123456789abcdef };
	struct store *store = must_open(STORE_MEMORY);
	struct gathered gathered = { 0 };
	struct store_blob blob;
	char big[9000];

	memset(big, 'b', sizeof(big));
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		NONE(store_record_get(store, arena, _i, keys[i], &blob, &why));
		NONE(store_record_delete(store, _i, keys[i], &why));
		OK(store_record_put(store, _i, keys[i], "x", 1, 0, &why));
		OK(store_record_put(store, _i, keys[i], big, sizeof(big), 0, &why));
		OK(store_record_get(store, arena, _i, keys[i], &blob, &why));
		ck_assert_uint_eq(blob.length, sizeof(big));
		ck_assert_mem_eq(blob.data, big, sizeof(big));
	}
	OK(store_record_put(store, _i, 1, "", 0, 0, &why));
	OK(store_record_get(store, arena, _i, 1, &blob, &why));
	ck_assert_uint_eq(blob.length, 0);
	for (int other = STORE_PROFILE; other <= STORE_GLOBAL; other++)
		if (other != _i)
			NONE(store_record_get(store, arena, other, 1, &blob, &why));
	OK(store_record_each(store, _i, gather, &gathered, &why));
	ck_assert_int_eq(gathered.count, 5);
	ck_assert_uint_eq(gathered.bytes, 4 * sizeof(big));
	ck_assert(gathered.sum == keys[1] + keys[2] + keys[3] + keys[4]);
	gathered = (struct gathered){ .stop_after = 2 };
	OK(store_record_each(store, _i, gather, &gathered, &why));
	ck_assert_int_eq(gathered.count, 2);
	OK(store_record_delete(store, _i, 1, &why));
	NONE(store_record_get(store, arena, _i, 1, &blob, &why));
	store_close(&store);
}
END_TEST

START_TEST(records_expire)
{
	struct store *store = must_open(STORE_MEMORY);
	struct gathered gathered = { 0 };
	struct store_blob blob;

	OK(store_begin(store, &why));
	for (uint64_t key = 0; key < 1700; key++)
		OK(store_record_put(store, STORE_THREAD, key, "t", 1, 100, &why));
	OK(store_commit(store, &why));
	OK(store_record_put(store, STORE_THREAD, 5000, "t", 1, 101, &why));
	OK(store_record_put(store, STORE_THREAD, 5001, "t", 1, 0, &why));
	OK(store_record_put(store, STORE_PROFILE, 1, "t", 1, 100, &why));
	OK(store_record_put(store, STORE_PROFILE, 2, "t", 1, 100, &why));
	OK(store_record_put(store, STORE_PROFILE, 2, "t", 1, 300, &why)); /* seen again */
	OK(store_record_expire(store, 101, &why));
	OK(store_record_each(store, STORE_THREAD, gather, &gathered, &why));
	ck_assert_int_eq(gathered.count, 2);
	NONE(store_record_get(store, arena, STORE_PROFILE, 1, &blob, &why));
	OK(store_record_get(store, arena, STORE_PROFILE, 2, &blob, &why));
	store_close(&store);
}
END_TEST

/* A reader with a store of its own does not wait for a batch that is being written. */
START_TEST(readers_do_not_wait_for_a_batch)
{
	struct store *writer = must_open(STORE_MEMORY);
	struct store *reader = must_open(STORE_MEMORY);
	struct store_blob blob;

	OK(store_record_put(writer, STORE_PROFILE, 1, "old", 3, 0, &why));
	OK(store_begin(writer, &why));
	OK(store_record_put(writer, STORE_PROFILE, 1, "new!", 4, 0, &why));
	OK(store_record_get(reader, arena, STORE_PROFILE, 1, &blob, &why));
	ck_assert_uint_eq(blob.length, 3);
	OK(store_commit(writer, &why));
	OK(store_record_get(reader, arena, STORE_PROFILE, 1, &blob, &why));
	ck_assert_uint_eq(blob.length, 4);
	store_close(&writer);
	store_close(&reader);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store");
	TCase *test = tcase_create("store");
	SRunner *runner;
	int failed;

	tcase_set_timeout(test, 300);
	tcase_add_checked_fixture(test, setup, teardown);
	tcase_add_test(test, hold_comes_back_as_it_went);
	tcase_add_test(test, update_writes_all_or_is_lost);
	tcase_add_test(test, a_look_can_be_asked_for);
	tcase_add_test(test, due_rows_most_urgent_first);
	tcase_add_test(test, due_in_three_ways);
	tcase_add_test(test, act_finds_the_newest);
	tcase_add_test(test, list_pages_through_equal_times);
	tcase_add_test(test, holds_are_counted_by_sender);
	tcase_add_test(test, holds_of_the_site_are_kept);
	tcase_add_test(test, times_move_with_the_clock);
	tcase_add_test(test, links_move_forward_with_the_clock);
	tcase_add_test(test, who_begins_a_database_is_reported);
	tcase_add_test(test, a_file_that_was_emptied_in_use_is_damaged);
	tcase_add_test(test, tokens_open_until_they_expire);
	tcase_add_test(test, parts_in_order_with_observations);
	tcase_add_test(test, purge_takes_parts_and_tokens_along);
	tcase_add_test(test, transaction_all_or_nothing);
	tcase_add_test(test, threads_and_processes_take_author_changes);
	tcase_add_test(test, many_open_a_new_store_at_once);
	tcase_add_test(test, busy_means_retry);
	tcase_add_test(test, killed_writers_leave_whole_transactions);
	tcase_add_loop_test(test, modes_do_not_depend_on_the_umask, 0, 3);
	tcase_add_test(test, group_may_use_holds_only);
	tcase_add_test(test, missing_without_create);
	tcase_add_test(test, unknown_driver);
	tcase_add_test(test, garbage_is_not_a_database);
	tcase_add_test(test, newer_schema_is_refused);
	tcase_add_test(test, unwritable_places);
	tcase_add_test(test, full_disk_is_broken_then_well);
	tcase_add_test(test, removed_under_us_is_broken);
	tcase_add_test(test, wiped_means_gone_from_the_files);
	tcase_add_loop_test(test, records_by_kind_and_key, STORE_PROFILE, STORE_GLOBAL + 1);
	tcase_add_test(test, records_expire);
	tcase_add_test(test, readers_do_not_wait_for_a_batch);
	suite_add_tcase(suite, test);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
