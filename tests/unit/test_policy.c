/*
 * policy: which rule fits, at which hour, for whom.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/policy/policy.h"

static char path[64];
static struct settings *settings;

/* Settings with these rules, each a match and an action; the file is gone at once. */
static void
rules_load(const char *rules)
{
	struct settings_errors errors;
	FILE *file;
	int fd;

	strcpy(path, "/tmp/oops-policy-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	file = fdopen(fd, "w");
	fprintf(file,
	    "web: { base_url = \"https://oops.example.com\"; };\n"
	    "identity: { local_domains = ( \"example.com\", \"in.example\" ); };\n"
	    "notice: { from = \"oops@example.com\"; };\npolicy: ( %s );\n",
	    rules);
	fclose(file);
	settings_load(path, &settings, &errors);
	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%d: %s\n", errors.items[i].line, errors.items[i].text);
	ck_assert_ptr_nonnull(settings);
	settings_errors_free(&errors);
	unlink(path);
}

static void
teardown(void)
{
	settings_free(&settings);
}

/* --- matching ----------------------------------------------------------------------- */

static const struct send {
	const char *match;
	bool fits;
	const char *mismatch; /* how the sentence begins */
	const char *sender, *login, *client, *recipient;
	unsigned long people;
	unsigned weekday, minute;
	const char *reason;
	enum audience_kind kind;
} sends[] = {
	{ "", true, NULL, .people = 1 },
	{ "sender = \"ann@example.com\"", true, NULL, .sender = "ann@example.com" },
	{ "sender = \"Ann@example.com\"", true, NULL, .sender = "ann@example.com" },
	{ "sender = \"ann@example.com\"", false, "sender: bob", .sender = "bob@example.com" },
	{ "sender = \"@example.com\"", true, NULL, .sender = "bob@example.com" },
	{ "sender = \"@example.com\"", false, "sender: ", .sender = "bob@sub.example.com" },
	{ "sender = ( \"a@b.example\", \"@example.com\" )", true, NULL,
	    .sender = "bob@example.com" },
	{ "sender = \"@example.com\"", false, "sender: ", .sender = "" },
	{ "login = \"ann\"", true, NULL, .login = "ann" },
	{ "login = \"ann\"", false, "login: anna", .login = "anna" },
	{ "login = \"ann\"", false, "login: no login", .login = "" },
	{ "network = \"10.1.0.0/16\"", true, NULL, .client = "10.1.255.1" },
	{ "network = \"10.1.0.0/16\"", false, "network: ", .client = "10.2.0.1" },
	{ "network = \"10.1.0.0/16\"", false, "network: ", .client = NULL },
	{ "network = ( \"2001:db8::/32\", \"10.0.0.0/8\" )", true, NULL, .client = "10.2.0.1" },
	{ "recipient = \"all@example.com\"", true, NULL, .recipient = "all@example.com" },
	{ "recipient = \"all@example.com\"", false, "recipient: ", .recipient = "al@example.com" },
	{ "recipient = \"@out.example\"", true, NULL, .recipient = "x@out.example" },
	{ "reach = \"inside\"", true, NULL, .recipient = "x@in.example" },
	{ "reach = \"inside\"", true, NULL, .recipient = "x@sub.in.example" },
	{ "reach = \"inside\"", false, "reach: it goes outside", .recipient = "x@notin.example" },
	{ "reach = \"outside\"", true, NULL, .recipient = "x@out.example" },
	{ "reach = \"outside\"", false, "reach: it stays inside", .recipient = "x@in.example" },
	{ "people_min = 40", true, NULL, .people = 40 },
	{ "people_min = 40", false, "people_min: 39", .people = 39 },
	{ "people_max = 40", true, NULL, .people = 40 },
	{ "people_max = 40", false, "people_max: 41", .people = 41 },
	{ "people_min = 40", true, NULL, .people = 40, .kind = AUDIENCE_AT_LEAST },
	{ "people_min = 40", false, "people_min: the known 39", .people = 39,
	    .kind = AUDIENCE_AT_LEAST },
	{ "people_max = 40", false, "people_max: at least 40", .people = 40,
	    .kind = AUDIENCE_AT_LEAST },
	{ "people_max = 40", false, "people_max: 41", .people = 41, .kind = AUDIENCE_AT_LEAST },
	{ "people_min = 2", false, "people: it is not known", .people = 40,
	    .kind = AUDIENCE_UNKNOWN },
	{ "people_max = 40", false, "people: it is not known", .people = 1,
	    .kind = AUDIENCE_UNKNOWN },
	{ "sender = \"@example.com\"", true, NULL, .sender = "bob@example.com",
	    .kind = AUDIENCE_UNKNOWN },
	{ "hours = \"09:00-17:00\"", true, NULL, .minute = 9 * 60 },
	{ "hours = \"09:00-17:00\"", false, "hours: it is 08:59", .minute = 8 * 60 + 59 },
	{ "hours = \"09:00-17:00\"", false, "hours: it is 17:00", .minute = 17 * 60 },
	{ "hours = \"22:00-06:00\"", true, NULL, .minute = 23 * 60 + 59 },
	{ "hours = \"22:00-06:00\"", true, NULL, .minute = 0 },
	{ "hours = \"22:00-06:00\"", true, NULL, .minute = 5 * 60 + 59 },
	{ "hours = \"22:00-06:00\"", false, "hours: it is 06:00", .minute = 6 * 60 },
	{ "hours = \"00:00-24:00\"", true, NULL, .minute = 23 * 60 + 59 },
	{ "hours = ( \"08:00-09:00\", \"12:00-13:00\" )", true, NULL, .minute = 12 * 60 },
	{ "weekday = ( \"sat\", \"sun\" )", true, NULL, .weekday = 6 },
	{ "weekday = ( \"sat\", \"sun\" )", true, NULL, .weekday = 0 },
	{ "weekday = ( \"sat\", \"sun\" )", false, "weekday: it is Friday", .weekday = 5 },
	{ "weekday = \"sat\"; hours = \"22:00-06:00\"", false, "weekday: ", .weekday = 0,
	    .minute = 60 },
	{ "reason = \"greeting_to_one\"", true, NULL, .reason = "greeting_to_one" },
	{ "reason = \"greeting_to_one\"", false, "reason: none", .reason = "familiarity" },
	{ "reason = \"greeting_to_one\"", false, "reason: there is no score", .people = 1 },
	/* every criterion must fit */
	{ "sender = \"@example.com\"; people_min = 2", false, "people_min: 1",
	    .sender = "a@example.com", .people = 1 },
};

static const char *site_domains[] = { "example.com", "in.example" };
static const struct mail_domains inside = { site_domains, 2 };

START_TEST(test_match)
{
	const struct send *send = &sends[_i];
	const char *recipient = send->recipient == NULL ? "p@example.com" : send->recipient;
	struct mail_transaction transaction = { .recipients = { &recipient, 1, 1, 0, false },
		.inside = &inside };
	struct audience audience = { send->kind, send->people == 0 ? 1 : send->people, 0 };
	struct judge_reason reason = { .signal = send->reason };
	struct judge_score score = { .reasons = &reason, .reason_count = 1 };
	struct sockaddr_storage client = { 0 };
	struct policy_facts facts = { .transaction = &transaction,
		.actor = send->sender == NULL ? "x@example.com" : send->sender,
		.login = send->login == NULL ? "" : send->login,
		.client = &client,
		.audience = &audience,
		.moment = { send->weekday, send->minute } };
	const struct judge_score *known = send->reason == NULL ? NULL : &score;
	const char *mismatch;
	char rules[512], scratch[256];

	snprintf(rules, sizeof(rules), "{ name = \"it\"; match: { %s%s }; action = \"pass\"; }",
	    send->match, send->match[0] == '\0' ? "" : ";");
	rules_load(rules);
	facts.settings = settings;
	if (send->client != NULL) {
		client.ss_family = AF_INET;
		inet_pton(AF_INET, send->client, &((struct sockaddr_in *)&client)->sin_addr);
	}
	mismatch = policy_mismatch(&facts, known, &settings->policies[0], scratch, sizeof(scratch));
	if (send->fits)
		ck_assert_msg(mismatch == NULL, "%s", mismatch);
	else
		ck_assert_msg(mismatch != NULL &&
				  strncmp(mismatch, send->mismatch, strlen(send->mismatch)) == 0,
		    "%s: %s", send->match, mismatch == NULL ? "fits" : mismatch);
	ck_assert_str_eq(policy_choose(&facts, known)->name, send->fits ? "it" : "built-in");
}
END_TEST

/* Of several that fit the first decides. */
START_TEST(test_first)
{
	const char *recipient = "p@example.com";
	struct mail_transaction transaction = { .recipients = { &recipient, 1, 1, 0, false } };
	struct policy_facts facts = {
		.transaction = &transaction, .actor = "ann@example.com", .login = ""
	};

	rules_load("{ name = \"one\"; match: { people_min = 2; }; },"
		   "{ name = \"two\"; match: { sender = \"ann@example.com\"; }; },"
		   "{ name = \"three\"; match: { sender = \"@example.com\"; }; },"
		   "{ name = \"four\"; }");
	facts.settings = settings;
	/* how many people is not known */
	ck_assert_str_eq(policy_choose(&facts, NULL)->name, "two");
	facts.actor = "bob@example.com";
	ck_assert_str_eq(policy_choose(&facts, NULL)->name, "three");
	facts.actor = "bob@other.example";
	ck_assert_str_eq(policy_choose(&facts, NULL)->name, "four");
}
END_TEST

/* A rule that only lacks its reason makes the body worth reading, if it could hold. */
START_TEST(test_wants_body)
{
	const char *recipient = "p@example.com";
	struct mail_transaction transaction = { .recipients = { &recipient, 1, 1, 0, false } };
	struct history_recall recall = { .sender = { .is_known = true, .sends = 100 },
		.site = { .is_known = true, .sends = 1000 },
		.site_score = 0.3 };
	struct judge_score score = { .score = 0.4, .body_score = 0.7, .body_may_add = true };
	struct policy_facts facts = { .transaction = &transaction,
		.actor = "ann@example.com",
		.login = "",
		.recall = &recall };
	struct policy_decision decision;

	rules_load("{ name = \"greeting\"; match: { reason = \"greeting_to_one\"; };"
		   " threshold = 0.6; }, { name = \"rest\"; threshold = 0.9; }");
	facts.settings = settings;
	decision = policy_decide(&facts, &score, NULL);
	ck_assert_str_eq(decision.rule->name, "rest");
	ck_assert_int_eq(decision.action, SETTINGS_PASS);
	ck_assert(decision.wants_body);
	score.body_score = 0.5;
	ck_assert(!policy_decide(&facts, &score, NULL).wants_body);
	score.body_score = 0.7;
	score.body_may_add = false;
	ck_assert(!policy_decide(&facts, &score, NULL).wants_body);
}
END_TEST

/* --- gates ------------------------------------------------------------------------- */

/* Threshold 0.9, tag from 0.5, 3 sends (10 on a new site), 5 times the odds. */
static const struct {
	enum settings_action rule, action;
	double score, site, site_tag;
	unsigned sends;
	unsigned site_sends; /* 200 are needed */
	bool is_confirmed, conversation_continues;
	enum policy_gate hold, tag;
	const char *said; /* what explain says of them */
} gates[] = {
	{ SETTINGS_CONFIRM, SETTINGS_PASS, 0.4, 0.7, 0.6, 50, 200, false, false,
	    POLICY_GATE_THRESHOLD, POLICY_GATE_THRESHOLD,
	    "pass (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: no: 0.400000 is below the threshold 0.9\n"
	    "  tag: no: 0.400000 is below the threshold 0.5\n" },
	{ SETTINGS_CONFIRM, SETTINGS_PASS, 0.55, 0.7, 0.6, 50, 200, false, false,
	    POLICY_GATE_THRESHOLD, POLICY_GATE_PERCENTILE,
	    "pass (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: no: 0.550000 is below the threshold 0.9\n"
	    "  tag: no: 0.550000 is not above the site's own percentile 0.600000\n" },
	{ SETTINGS_CONFIRM, SETTINGS_PASS, 0.7, 0, 0, 50, 200, false, false, POLICY_GATE_THRESHOLD,
	    POLICY_GATE_NEW_SITE,
	    "pass (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: no: 0.700000 is below the threshold 0.9\n"
	    "  tag: no: 0.700000 is below 0.833333, 5 times the odds of the threshold 0.5, "
	    "as the "
	    "site is new\n" },
	{ SETTINGS_CONFIRM, SETTINGS_TAG, 0.95, 0.97, 0.6, 50, 200, false, false,
	    POLICY_GATE_PERCENTILE, POLICY_GATE_NONE,
	    "tag (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: no: 0.950000 is not above the site's own percentile 0.970000\n"
	    "  tag: 0.950000 is above the threshold 0.5 and the site's own percentile "
	    "0.600000\n" },
	{ SETTINGS_CONFIRM, SETTINGS_TAG, 0.95, 0, 0, 50, 200, false, false, POLICY_GATE_NEW_SITE,
	    POLICY_GATE_NONE,
	    "tag (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: no: 0.950000 is below 0.978261, 5 times the odds of the threshold "
	    "0.9, as the "
	    "site is new\n"
	    "  tag: 0.950000 is above 0.833333, 5 times the odds of the threshold 0.5, as "
	    "the site "
	    "is new\n" },
	{ SETTINGS_CONFIRM, SETTINGS_TAG, 0.98, 0.97, 0.6, 2, 200, false, false,
	    POLICY_GATE_LEARNING, POLICY_GATE_NONE,
	    "tag (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: 0.980000 is above the threshold 0.9 and the site's own percentile "
	    "0.970000, "
	    "but only 2 of 3 sends of this sender are known\n"
	    "  tag: 0.980000 is above the threshold 0.5 and the site's own percentile "
	    "0.600000\n" },
	{ SETTINGS_CONFIRM, SETTINGS_TAG, 0.98, 0, 0, 50, 199, false, false,
	    POLICY_GATE_LEARNING_SITE, POLICY_GATE_NONE,
	    "tag (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: 0.980000 is above 0.978261, 5 times the odds of the threshold 0.9, as "
	    "the site "
	    "is new, but only 199 of 200 sends of the site are known\n"
	    "  tag: 0.980000 is above 0.833333, 5 times the odds of the threshold 0.5, as "
	    "the site "
	    "is new\n" },
	{ SETTINGS_CONFIRM, SETTINGS_TAG, 0.99, 0, 0, 50, 0, false, false,
	    POLICY_GATE_LEARNING_SITE, POLICY_GATE_NONE,
	    "tag (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: 0.990000 is above 0.978261, 5 times the odds of the threshold 0.9, as "
	    "the site "
	    "is new, but only 0 of 200 sends of the site are known\n"
	    "  tag: 0.990000 is above 0.833333, 5 times the odds of the threshold 0.5, as "
	    "the site "
	    "is new\n" },
	{ SETTINGS_UNDO, SETTINGS_TAG, 0.98, 0.97, 0.6, 3, 200, true, false, POLICY_GATE_CONFIRMED,
	    POLICY_GATE_NONE,
	    "tag (test: undo from 0.9, tag from 0.5)\n"
	    "  hold: 0.980000 is above the threshold 0.9 and the site's own percentile "
	    "0.970000, "
	    "but this very audience was confirmed before\n"
	    "  tag: 0.980000 is above the threshold 0.5 and the site's own percentile "
	    "0.600000\n" },
	{ SETTINGS_UNDO, SETTINGS_TAG, 0.98, 0.97, 0.6, 3, 200, false, true,
	    POLICY_GATE_CONVERSATION, POLICY_GATE_NONE,
	    "tag (test: undo from 0.9, tag from 0.5)\n"
	    "  hold: 0.980000 is above the threshold 0.9 and the site's own percentile "
	    "0.970000, "
	    "but this very audience was written to since the answered mail came\n"
	    "  tag: 0.980000 is above the threshold 0.5 and the site's own percentile "
	    "0.600000\n" },
	{ SETTINGS_TAG, SETTINGS_TAG, 0.98, 0.97, 0.6, 50, 200, false, false, POLICY_GATE_RULE,
	    POLICY_GATE_NONE,
	    "tag (test: tag from 0.9, tag from 0.5)\n"
	    "  hold: 0.980000 is above the threshold 0.9 and the site's own percentile "
	    "0.970000, "
	    "but the rule holds nothing\n"
	    "  tag: 0.980000 is above the threshold 0.5 and the site's own percentile "
	    "0.600000\n" },
	{ SETTINGS_CONFIRM, SETTINGS_CONFIRM, 0.98, 0, 0, 10, 200, false, false, POLICY_GATE_NONE,
	    POLICY_GATE_NONE,
	    "confirm (test: confirm from 0.9, tag from 0.5)\n"
	    "  hold: 0.980000 is above 0.978261, 5 times the odds of the threshold 0.9, as "
	    "the site "
	    "is new\n"
	    "  tag: 0.980000 is above 0.833333, 5 times the odds of the threshold 0.5, as "
	    "the site "
	    "is new\n" },
};

/* A verdict can be worked out again from what is said of it. */
START_TEST(gates_are_reported)
{
	struct history_recall recall = { .sender = { .is_known = true, .sends = gates[_i].sends },
		.site = { .is_known = gates[_i].site_sends > 0, .sends = gates[_i].site_sends },
		.site_score = gates[_i].site,
		.site_tag_score = gates[_i].site_tag };
	const struct policy_facts facts = { .recall = &recall };
	struct settings_policy rule = { .name = "test",
		.action = gates[_i].rule,
		.threshold = 0.9,
		.tag_threshold = 0.5,
		.learning = {
		    .sends = 3, .sends_new_site = 10, .site_sends = 200, .new_site_odds = 5 } };
	struct judge_score score = { .score = gates[_i].score,
		.is_confirmed = gates[_i].is_confirmed,
		.conversation_continues = gates[_i].conversation_continues };
	struct policy_gates reported;
	struct base_buffer text;

	ck_assert_int_eq(policy_gates_pass(&facts, &rule, &score, &reported), gates[_i].action);
	ck_assert_int_eq(reported.hold, gates[_i].hold);
	ck_assert_int_eq(reported.tag, gates[_i].tag);
	base_buffer_init(&text, 1000);
	policy_explain(&facts, &rule, &score, &text);
	ck_assert_str_eq(base_buffer_text(&text), gates[_i].said);
	base_buffer_free(&text);
}
END_TEST

/* --- the time of day ------------------------------------------------------------------ */

static const struct {
	const char *zone;
	int64_t time;
	unsigned weekday, minute;
} moments[] = {
	{ "UTC", 0, 4, 0 },
	{ "UTC", 86399, 4, 1439 },
	{ "UTC", 86400, 5, 0 },
	{ "XYZ-2", 79200, 5, 0 },
	{ "XYZ5", 0, 3, 19 * 60 },
	/* 2026-10-25 12:00 CET, after the clocks went back: the day had begun at CEST */
	{ "CET-1CEST,M3.5.0,M10.5.0/3", 1792926000, 0, 12 * 60 },
};

START_TEST(test_moment)
{
	struct policy_moment moment;

	setenv("TZ", moments[_i].zone, 1);
	tzset();
	moment = policy_moment_of(moments[_i].time);
	ck_assert_uint_eq(moment.weekday, moments[_i].weekday);
	ck_assert_uint_eq(moment.minute, moments[_i].minute);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tcase = tcase_create("policy");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, NULL, teardown);
	tcase_add_loop_test(tcase, test_match, 0, COUNT(sends));
	tcase_add_test(tcase, test_first);
	tcase_add_test(tcase, test_wants_body);
	tcase_add_loop_test(tcase, gates_are_reported, 0, COUNT(gates));
	tcase_add_loop_test(tcase, test_moment, 0, COUNT(moments));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
