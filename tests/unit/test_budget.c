/* What is left of a decision: budgets, monitor, proofs, submissions, storms. */
#include <check.h>
#include <stdlib.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"
#include "milter/policy/policy.h"

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

/* What is left of what a score asks for. */
static struct policy_decision
decide(const struct policy_facts *more, enum settings_action wanted,
    const struct settings_budget *budget, const struct policy_counts *counts)
{
	static const struct mail_transaction transaction = { 0 };
	static const struct history_recall recall = { 0 };
	static const struct judge_score score = { .score = 1 };
	static struct settings_policy rule;
	struct settings settings = {
		.monitor = more->settings->monitor, .policies = &rule, .policy_count = 1
	};
	struct policy_facts facts = *more;

	rule = (struct settings_policy){
		.action = wanted, .tag_threshold = wanted == PASS ? 2 : 0, .budget = *budget
	};
	facts.settings = &settings;
	facts.transaction = &transaction;
	facts.recall = &recall;
	return policy_decide(&facts, &score, counts);
}

START_TEST(limited_as_the_table_says)
{
	const struct settings settings = { .monitor = cases[_i].monitor };
	const struct settings_budget budget = { cases[_i].sender_day, cases[_i].site_thousand,
		cases[_i].site_day };
	const struct policy_facts facts = { .settings = &settings, .is_proved_person = true };
	const struct policy_counts counts = { cases[_i].sender_holds, cases[_i].site_holds,
		cases[_i].site_sends };
	struct policy_decision decision = decide(&facts, cases[_i].wanted, &budget, &counts);

	ck_assert_int_eq(decision.action, cases[_i].action);
	ck_assert_int_eq(decision.wanted, cases[_i].wanted);
	ck_assert_pstr_eq(decision.limited_by, cases[_i].by);
	/* who did not ask for the counts is not limited by them */
	decision = decide(&facts, cases[_i].wanted, &budget, NULL);
	ck_assert_int_eq(
	    decision.action, cases[_i].monitor && cases[_i].wanted > TAG ? TAG : cases[_i].wanted);
}
END_TEST

/* What else changes it: who sends, the other entries of its submission, a storm. */
static const struct {
	enum settings_action wanted, held;
	bool is_person, has_passed, monitor, is_spent;
	size_t storm;
	enum settings_action action, asked;
	bool is_storm;
	const char *by, *gate;
} others[] = {
	/* nobody is proved who could be asked */
	{ CONFIRM, PASS, false, false, false, false, 0, TAG, CONFIRM, false, "spf", "proof:spf" },
	{ TAG, PASS, false, false, false, false, 0, TAG, TAG, false, NULL, "rule:tag" },
	{ PASS, PASS, false, false, false, false, 0, PASS, PASS, false, NULL, "rule:pass" },
	/* one more mail of a series whose first has passed: never more than its own score */
	{ PASS, PASS, true, true, false, false, 0, PASS, PASS, false, NULL, "rule:pass" },
	{ TAG, PASS, true, true, false, false, 0, TAG, TAG, false, NULL, "rule:tag" },
	{ UNDO, PASS, true, true, false, false, 0, TAG, UNDO, false, "series", "series" },
	{ CONFIRM, PASS, true, true, false, false, 0, TAG, CONFIRM, false, "series", "series" },
	/* another entry is held: this one too, and it is the same interruption */
	{ PASS, UNDO, true, false, false, false, 0, UNDO, UNDO, false, NULL, "submission" },
	{ PASS, CONFIRM, true, true, true, true, 0, CONFIRM, CONFIRM, false, NULL, "submission" },
	{ CONFIRM, UNDO, true, false, true, true, 0, CONFIRM, CONFIRM, false, NULL,
	    "new_site:0.000000" },
	{ PASS, CONFIRM, false, false, false, false, 0, TAG, CONFIRM, false, "spf", "proof:spf" },
	/* a storm: what is asked about for its own sake stays that */
	{ PASS, PASS, true, false, false, false, 9, PASS, PASS, true, NULL, "storm:9" },
	{ UNDO, PASS, true, false, false, false, 9, UNDO, UNDO, true, NULL, "storm:9" },
	{ CONFIRM, PASS, true, false, false, false, 9, CONFIRM, CONFIRM, false, NULL,
	    "new_site:0.000000" },
	{ CONFIRM, PASS, true, false, false, true, 9, UNDO, CONFIRM, true, "sender", "storm:9" },
	/* where nothing is held, a storm is only said */
	{ TAG, PASS, true, false, false, false, 9, TAG, TAG, false, NULL, "rule:tag" },
	{ UNDO, PASS, true, false, true, false, 9, TAG, UNDO, false, "monitor", "monitor" },
	/* what the counts say, with their gates */
	{ CONFIRM, PASS, true, false, false, true, 0, UNDO, CONFIRM, false, "sender",
	    "budget_sender:3" },
};

START_TEST(decided_as_the_table_says)
{
	const struct settings settings = { .monitor = others[_i].monitor };
	const struct settings_budget budget = { 3, 10, 5 };
	const struct policy_counts counts = { others[_i].is_spent ? 3 : 0, 0, 0 };
	const struct history_recall recall = { 0 };
	struct policy_facts facts = { .settings = &settings,
		.proof = IDENTITY_SPF,
		.is_proved_person = others[_i].is_person,
		.held = others[_i].held,
		.has_passed = others[_i].has_passed,
		.storm_replies = others[_i].storm };
	struct policy_decision decision = decide(&facts, others[_i].wanted, &budget, &counts);
	struct base_buffer gate;

	ck_assert_int_eq(decision.action, others[_i].action);
	ck_assert_int_eq(decision.wanted, others[_i].asked);
	ck_assert(decision.is_storm == others[_i].is_storm);
	ck_assert_pstr_eq(decision.limited_by, others[_i].by);
	facts.recall = &recall;
	base_buffer_init(&gate, 64);
	policy_gate_write(&facts, &counts, &decision, &gate);
	ck_assert_str_eq(base_buffer_text(&gate), others[_i].gate);
	base_buffer_free(&gate);
}
END_TEST

/* What a hold was placed as, or what the one is that it joined. */
START_TEST(joins_the_terms_of_a_hold)
{
	struct policy_decision decision = {
		.action = CONFIRM, .wanted = CONFIRM, .gate = POLICY_GATE_PERCENTILE
	};
	struct policy_decision same = decision;

	policy_join(&same, CONFIRM, "");
	ck_assert_int_eq(same.gate, POLICY_GATE_PERCENTILE);
	ck_assert_ptr_null(same.limited_by);
	policy_join(&same, UNDO, "site");
	ck_assert_int_eq(same.action, UNDO);
	ck_assert_int_eq(same.gate, POLICY_GATE_BUDGET_SITE);
	ck_assert_pstr_eq(same.limited_by, "site");
	policy_join(&decision, UNDO, "");
	ck_assert_int_eq(decision.gate, POLICY_GATE_SUBMISSION);
	ck_assert_int_eq(decision.wanted, CONFIRM);
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
	{ 3, 10, 10, 100000, 3 }, /* what is beyond the person's own budget is limited anyway */
	{ 0, 10, 10, 100000, 200 }, { 0, 10, 10, 0, 2 },
	{ 3, 10, 4, 0, 1 },                       /* everybody counts for something */
	{ 0, 1, 1, 0, 1 }, { 3, 0, 10, 1000, 1 }, /* no limit for the site: it counts for nothing */
};

START_TEST(one_person_has_a_share_of_the_site)
{
	struct settings_budget budget = { shares[_i].sender_day, shares[_i].site_thousand,
		shares[_i].site_day };

	ck_assert_uint_eq(policy_budget_share(&budget, shares[_i].site_sends), shares[_i].share);
}
END_TEST

/* --- how many sends a site has in a day ------------------------------------------------ */

#define DAY 86400
#define START (20000 * (int64_t)DAY)

static void
send_some(struct history_global *site, int64_t time, int count)
{
	struct history_observation observation = { .time = time, .is_send = true, .score = -1 };
	struct history_parent answer = { 0 };

	while (count-- > 0)
		history_global_observe(site, &observation, &answer, 3000);
}

START_TEST(a_day_slides)
{
	struct history_global site = { 0 };

	ck_assert_double_eq(history_global_day(&site, START), 0);
	send_some(&site, START + DAY / 2, 100);
	ck_assert_double_eq(history_global_day(&site, START + DAY / 2), 100);
	ck_assert_double_eq(history_global_day(&site, START + DAY), 100);
	/* at noon of the next day half of the day before still counts */
	ck_assert_double_eq(history_global_day(&site, START + DAY * 3 / 2), 50);
	send_some(&site, START + DAY * 3 / 2, 10);
	ck_assert_double_eq(history_global_day(&site, START + DAY * 3 / 2), 60);
	ck_assert_double_eq(history_global_day(&site, START + 2 * DAY), 10);
	/* a day without any is forgotten */
	send_some(&site, START + 3 * DAY + DAY / 2, 7);
	ck_assert_double_eq(history_global_day(&site, START + 3 * DAY + DAY / 2), 7);
	ck_assert_double_eq(history_global_day(&site, START + 9 * DAY), 0);
	/* what is learned of older days is none of this day's; of the day before, it is that's */
	send_some(&site, START, 1000);
	ck_assert_double_eq(history_global_day(&site, START + 3 * DAY + DAY / 2), 7);
	send_some(&site, START + 2 * DAY, 10);
	ck_assert_double_eq(history_global_day(&site, START + 3 * DAY + DAY / 2), 12);
}
END_TEST

START_TEST(a_day_survives_the_record)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct history_global site = { 0 }, *again = NULL;
	const void *data = NULL;
	size_t length = 0;

	send_some(&site, START, 3);
	send_some(&site, START + DAY, 4);
	ck_assert_int_eq(history_global_encode(arena, &site, &data, &length), BASE_OK);
	ck_assert_int_eq(history_global_decode(arena, data, length, &again), BASE_OK);
	ck_assert_double_eq(history_global_day(again, START + DAY), 7);
	base_arena_free(&arena);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("budget");
	TCase *tests = tcase_create("budget");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tests, limited_as_the_table_says, 0, (int)(sizeof(cases) / sizeof(*cases)));
	tcase_add_loop_test(
	    tests, decided_as_the_table_says, 0, (int)(sizeof(others) / sizeof(*others)));
	tcase_add_test(tests, joins_the_terms_of_a_hold);
	tcase_add_loop_test(
	    tests, one_person_has_a_share_of_the_site, 0, (int)(sizeof(shares) / sizeof(*shares)));
	tcase_add_test(tests, a_day_slides);
	tcase_add_test(tests, a_day_survives_the_record);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
