/* The interruption budget and the monitor switch: what a verdict becomes. */
#include <check.h>
#include <stdlib.h>

#include "milter/memory/internal.h"
#include "milter/session/internal.h"

#define PASS SETTINGS_PASS
#define TAG SETTINGS_TAG
#define UNDO SETTINGS_UNDO
#define CONFIRM SETTINGS_CONFIRM

static const struct {
	enum settings_action wanted;
	bool monitor;
	unsigned long sender_day, site_thousand, site_day; /* the budget */
	size_t sender_holds, site_holds;
	double site_sends;
	enum settings_action action;
	const char *by;
} cases[] = {
	/* nothing is spent */
	{ CONFIRM, false, 3, 10, 5, 0, 0, 0, CONFIRM, NULL },
	{ CONFIRM, false, 3, 10, 5, 2, 4, 0, CONFIRM, NULL },
	{ UNDO, false, 3, 10, 5, 2, 4, 0, UNDO, NULL },
	/* the sender's */
	{ CONFIRM, false, 3, 10, 5, 3, 3, 0, UNDO, "sender" },
	{ UNDO, false, 3, 10, 5, 3, 3, 0, TAG, "sender" },
	{ CONFIRM, false, 3, 10, 5, 1000, 1000, 0, UNDO, "sender" },
	/* the site's: few sends leave a little of it, many leave more */
	{ CONFIRM, false, 3, 10, 5, 0, 5, 0, UNDO, "site" },
	{ CONFIRM, false, 3, 10, 5, 0, 5, 500, UNDO, "site" },
	{ CONFIRM, false, 3, 10, 5, 0, 5, 501, CONFIRM, NULL },
	{ CONFIRM, false, 3, 10, 5, 0, 99, 10000, CONFIRM, NULL },
	{ CONFIRM, false, 3, 10, 5, 0, 100, 10000, UNDO, "site" },
	{ UNDO, false, 3, 10, 5, 0, 100, 10000, TAG, "site" },
	/* no limit */
	{ CONFIRM, false, 0, 10, 5, 100, 4, 0, CONFIRM, NULL },
	{ CONFIRM, false, 0, 0, 5, 100, 1000, 0, CONFIRM, NULL },
	{ CONFIRM, false, 3, 0, 0, 3, 1000, 0, UNDO, "sender" },
	/* what interrupts nobody is left alone */
	{ TAG, false, 3, 10, 5, 100, 100, 0, TAG, NULL },
	{ PASS, false, 3, 10, 5, 100, 100, 0, PASS, NULL },
	/* a site that only looks */
	{ CONFIRM, true, 3, 10, 5, 0, 0, 0, TAG, "monitor" },
	{ UNDO, true, 3, 10, 5, 9, 99, 0, TAG, "monitor" },
	{ TAG, true, 3, 10, 5, 0, 0, 0, TAG, NULL },
	{ PASS, true, 3, 10, 5, 0, 0, 0, PASS, NULL },
};

START_TEST(softened_as_the_table_says)
{
	struct settings settings = { .monitor = cases[_i].monitor,
		.budget = {
		    cases[_i].sender_day, cases[_i].site_thousand, cases[_i].site_day } };
	struct hold_counts counts = { cases[_i].sender_holds, cases[_i].site_holds };
	const char *by = "untouched";

	ck_assert_int_eq(session_soften_by(&settings.budget, settings.monitor,
			     cases[_i].wanted, &counts, cases[_i].site_sends, &by),
	    cases[_i].action);
	ck_assert_pstr_eq(by, cases[_i].by);
}
END_TEST

/* One more mail of a series whose first has passed: never more than its own verdict. */
static const struct {
	enum settings_action wanted, action;
	const char *by;
} series[] = {
	{ PASS, PASS, NULL },
	{ TAG, TAG, NULL },
	{ UNDO, TAG, "series" },
	{ CONFIRM, TAG, "series" },
};

START_TEST(a_series_softens_and_no_more)
{
	struct settings_policy policy = { .name = "" };
	struct session_connection connection = { .mail = {
		.identity = { .person = "anna@example.com" },
		.policy = &policy,
		.part = { .mail = 1, .has_passed = true, .held = PASS },
		.verdict = { .action = series[_i].wanted },
	} };

	session_soften(&connection);
	ck_assert_int_eq(connection.mail.verdict.action, series[_i].action);
	ck_assert_pstr_eq(connection.mail.softened_by, series[_i].by);
}
END_TEST

/* How many holds of one person count for the site. */
static const struct {
	unsigned long sender_day, site_thousand, site_day;
	double site_sends;
	size_t share;
} shares[] = {
	{ 3, 10, 10, 0, 2 }, /* as it is shipped, on a site with few sends */
	{ 3, 10, 10, 1000, 2 }, { 3, 10, 10, 1500, 3 },
	{ 3, 10, 10, 100000,
	    3 }, /* what is beyond the person's own budget is limited anyway */
	{ 0, 10, 10, 100000, 200 }, { 0, 10, 10, 0, 2 },
	{ 3, 10, 4, 0, 1 }, /* everybody counts for something */
	{ 0, 1, 1, 0, 1 },
	{ 3, 0, 10, 1000, 1 }, /* no limit for the site: it counts for nothing */
};

START_TEST(one_person_has_a_share_of_the_site)
{
	struct settings_budget budget = { shares[_i].sender_day, shares[_i].site_thousand,
		shares[_i].site_day };

	ck_assert_uint_eq(
	    session_soften_share(&budget, shares[_i].site_sends), shares[_i].share);
}
END_TEST

/* --- how many sends a site has in a day ------------------------------------------------ */

#define DAY 86400
#define START (20000 * (int64_t)DAY)

static void
send_some(struct memory_site *site, int64_t time, int count)
{
	struct memory_lesson lesson = { .time = time, .is_send = true, .score = -1 };
	struct memory_answer answer = { 0 };

	while (count-- > 0)
		memory_site_learn(site, &lesson, &answer, 3000);
}

START_TEST(a_day_slides)
{
	struct memory_site site = { 0 };

	ck_assert_double_eq(memory_site_day(&site, START), 0);
	send_some(&site, START + DAY / 2, 100);
	ck_assert_double_eq(memory_site_day(&site, START + DAY / 2), 100);
	ck_assert_double_eq(memory_site_day(&site, START + DAY), 100);
	/* at noon of the next day half of the day before still counts */
	ck_assert_double_eq(memory_site_day(&site, START + DAY * 3 / 2), 50);
	send_some(&site, START + DAY * 3 / 2, 10);
	ck_assert_double_eq(memory_site_day(&site, START + DAY * 3 / 2), 60);
	ck_assert_double_eq(memory_site_day(&site, START + 2 * DAY), 10);
	/* a day without any is forgotten */
	send_some(&site, START + 3 * DAY + DAY / 2, 7);
	ck_assert_double_eq(memory_site_day(&site, START + 3 * DAY + DAY / 2), 7);
	ck_assert_double_eq(memory_site_day(&site, START + 9 * DAY), 0);
	/* what is learned of older days is none of this day's; of the day before, it is that's */
	send_some(&site, START, 1000);
	ck_assert_double_eq(memory_site_day(&site, START + 3 * DAY + DAY / 2), 7);
	send_some(&site, START + 2 * DAY, 10);
	ck_assert_double_eq(memory_site_day(&site, START + 3 * DAY + DAY / 2), 12);
}
END_TEST

START_TEST(a_day_survives_the_record)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct memory_site site = { 0 }, *again = NULL;
	const void *data = NULL;
	size_t length = 0;

	send_some(&site, START, 3);
	send_some(&site, START + DAY, 4);
	ck_assert_int_eq(memory_site_encode(arena, &site, &data, &length), BASE_OK);
	ck_assert_int_eq(memory_site_decode(arena, data, length, &again), BASE_OK);
	ck_assert_double_eq(memory_site_day(again, START + DAY), 7);
	base_arena_free(&arena);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("soften");
	TCase *tests = tcase_create("budget");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tests, softened_as_the_table_says, 0, (int)(sizeof(cases) / sizeof(*cases)));
	tcase_add_loop_test(tests, a_series_softens_and_no_more, 0,
	    (int)(sizeof(series) / sizeof(*series)));
	tcase_add_loop_test(tests, one_person_has_a_share_of_the_site, 0,
	    (int)(sizeof(shares) / sizeof(*shares)));
	tcase_add_test(tests, a_day_slides);
	tcase_add_test(tests, a_day_survives_the_record);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
