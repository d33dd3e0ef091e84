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
	const char *misfit; /* how the sentence begins */
	const char *sender, *login, *client, *recipient;
	unsigned long people;
	unsigned weekday, minute;
	const char *reason;
	enum audience_kind kind;
} sends[] = {
	{ "", true, NULL, .people = 1 },
	{ "sender = \"ann@example.com\"", true, NULL, .sender = "ann@example.com" },
	{ "sender = \"Ann@example.com\"", true, NULL, .sender = "ann@example.com" },
	{ "sender = \"ann@example.com\"", false, "sender: bob",
	    .sender = "bob@example.com" },
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
	{ "network = ( \"2001:db8::/32\", \"10.0.0.0/8\" )", true, NULL,
	    .client = "10.2.0.1" },
	{ "recipient = \"all@example.com\"", true, NULL, .recipient = "all@example.com" },
	{ "recipient = \"all@example.com\"", false,
	    "recipient: ", .recipient = "al@example.com" },
	{ "recipient = \"@out.example\"", true, NULL, .recipient = "x@out.example" },
	{ "reach = \"inside\"", true, NULL, .recipient = "x@in.example" },
	{ "reach = \"inside\"", true, NULL, .recipient = "x@sub.in.example" },
	{ "reach = \"inside\"", false, "reach: it goes outside",
	    .recipient = "x@notin.example" },
	{ "reach = \"outside\"", true, NULL, .recipient = "x@out.example" },
	{ "reach = \"outside\"", false, "reach: it stays inside",
	    .recipient = "x@in.example" },
	{ "people_min = 40", true, NULL, .people = 40 },
	{ "people_min = 40", false, "people_min: 39", .people = 39 },
	{ "people_max = 40", true, NULL, .people = 40 },
	{ "people_max = 40", false, "people_max: 41", .people = 41 },
	{ "people_min = 40", true, NULL, .people = 40, .kind = AUDIENCE_AT_LEAST },
	{ "people_min = 40", false, "people_min: the known 39", .people = 39,
	    .kind = AUDIENCE_AT_LEAST },
	{ "people_max = 40", false, "people_max: at least 40", .people = 40,
	    .kind = AUDIENCE_AT_LEAST },
	{ "people_max = 40", false, "people_max: 41", .people = 41,
	    .kind = AUDIENCE_AT_LEAST },
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
	{ "reason = \"greeting_to_one\"", false, "reason: there is no verdict",
	    .people = 1 },
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
	struct mail_transaction transaction = { .recipients = {
						    &recipient, 1, 1, 0, false },
		.inside = &inside };
	struct audience audience = { send->kind, send->people == 0 ? 1 : send->people, 0 };
	struct judge_reason reason = { .signal = send->reason };
	struct judge_verdict verdict = { .reasons = &reason, .reason_count = 1 };
	struct sockaddr_storage client = { 0 };
	struct policy_facts facts = { .transaction = &transaction,
		.actor = send->sender == NULL ? "x@example.com" : send->sender,
		.login = send->login == NULL ? "" : send->login,
		.client = &client,
		.audience = &audience,
		.moment = { send->weekday, send->minute } };
	const struct judge_verdict *known = send->reason == NULL ? NULL : &verdict;
	const char *misfit;
	char rules[512], room[256];

	snprintf(rules, sizeof(rules),
	    "{ name = \"it\"; match: { %s%s }; action = \"pass\"; }", send->match,
	    send->match[0] == '\0' ? "" : ";");
	rules_load(rules);
	facts.settings = settings;
	if (send->client != NULL) {
		client.ss_family = AF_INET;
		inet_pton(
		    AF_INET, send->client, &((struct sockaddr_in *)&client)->sin_addr);
	}
	misfit = policy_misfit(&facts, known, &settings->policies[0], room, sizeof(room));
	if (send->fits)
		ck_assert_msg(misfit == NULL, "%s", misfit);
	else
		ck_assert_msg(misfit != NULL &&
				  strncmp(misfit, send->misfit, strlen(send->misfit)) == 0,
		    "%s: %s", send->match, misfit == NULL ? "fits" : misfit);
	ck_assert_str_eq(
	    policy_choose(&facts, known)->name, send->fits ? "it" : "built-in");
}
END_TEST

/* Of several that fit the first decides. */
START_TEST(test_first)
{
	const char *recipient = "p@example.com";
	struct mail_transaction transaction = { .recipients = {
						    &recipient, 1, 1, 0, false } };
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
	struct mail_transaction transaction = { .recipients = {
						    &recipient, 1, 1, 0, false } };
	struct memory_profile profile = { .sends = 100 };
	struct memory_site site = { .sends = 1000 };
	struct memory_recall recall = {
		.profile = &profile, .site = &site, .site_score = 0.3
	};
	struct judge_facts judged = { .recall = &recall };
	struct judge_verdict verdict = {
		.score = 0.4, .body_score = 0.7, .body_may_tell = true
	};
	struct policy_facts facts = {
		.transaction = &transaction, .actor = "ann@example.com", .login = ""
	};

	rules_load("{ name = \"greeting\"; match: { reason = \"greeting_to_one\"; };"
		   " threshold = 0.6; }, { name = \"rest\"; threshold = 0.9; }");
	facts.settings = settings;
	ck_assert_str_eq(policy_decide(&facts, &judged, &verdict)->name, "rest");
	ck_assert_int_eq(verdict.action, SETTINGS_PASS);
	ck_assert(verdict.wants_body);
	verdict.body_score = 0.5;
	policy_decide(&facts, &judged, &verdict);
	ck_assert(!verdict.wants_body);
	verdict.body_score = 0.7;
	verdict.body_may_tell = false;
	policy_decide(&facts, &judged, &verdict);
	ck_assert(!verdict.wants_body);
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
	tcase_add_loop_test(tcase, test_moment, 0, COUNT(moments));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
