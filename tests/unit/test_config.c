/*
 * A generation is proved whole, put in force by an exchange, and freed with its last user:
 * built with a sanitizer, a generation that is freed too early or never fails here.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/config/internal.h"

static char folder[64];
static struct base_buffer faults;

/* A file in the test's folder. */
static const char *
path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void
put(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

/* Settings with a threshold, and whatever else a test wants to say. */
static const char *
settings(const char *threshold, const char *more)
{
	static char text[2000];

	snprintf(text, sizeof(text),
	    "node = \"lab\";\n"
	    "state_directory = \"%s\";\n"
	    "key_file = \"%s/secret.key\";\n"
	    "web: { base_url = \"http://127.0.0.1:8025\"; };\n"
	    "identity: { local_domains = ( \"example.com\" ); };\n"
	    "notice: { from = \"oops@example.com\"; };\n"
	    "policy: ( { action = \"confirm\"; threshold = %s; } );\n%s",
	    folder, folder, threshold, more);
	return text;
}

static void
setup(void)
{
	const char *why;

	strcpy(folder, "/tmp/test-site.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	ck_assert_int_eq(base_key_create(path_of("secret.key"), &why), BASE_OK);
	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
}

static void
teardown(void)
{
	static const char *names[] = { "secret.key", "conf", "card", "aliases" };

	base_buffer_free(&faults);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		(void)unlink(path_of(names[i]));
	(void)rmdir(folder);
}

/* A generation of these settings, or why there is none. */
static const struct config *
load(const char *text)
{
	const struct config *config = NULL;

	put("conf", text);
	base_buffer_clear(&faults);
	ck_assert_msg(config_load(path_of("conf"), &config, &faults) == BASE_OK, "%s",
	    base_buffer_text(&faults));
	ck_assert_str_eq(base_buffer_text(&faults), "");
	return config;
}

static unsigned
users_of(const struct config *config)
{
	return atomic_load(&((const struct site_whole *)config)->users);
}

START_TEST(the_new_one_is_in_force_and_the_old_lives_as_long_as_it_is_used)
{
	const struct config *config = load(settings("0.5", "")), *open, *after;
	struct config_current *current = config_current_new(&config);

	ck_assert_ptr_null(config);
	open = config_acquire(current);
	ck_assert_uint_eq(users_of(open), 2);
	config = load(settings("0.7", ""));
	ck_assert_int_eq(config_replace(current, &config, &faults), BASE_OK);
	ck_assert_ptr_null(config);
	after = config_acquire(current);
	ck_assert_double_eq(after->settings->policies[0].threshold, 0.7);
	/* still there, whole, and only ours: the sanitizer would tell */
	ck_assert_double_eq(open->settings->policies[0].threshold, 0.5);
	ck_assert_ptr_nonnull(open->key);
	ck_assert_uint_eq(users_of(open), 1);
	config_release(&open);
	ck_assert_ptr_null(open);
	config_current_free(&current);
	ck_assert_uint_eq(users_of(after), 1);
	config_release(&after);
}
END_TEST

/* What is wrong, in which file, and how it is told. */
static const struct {
	const char *name, *threshold, *more, *card, *fault;
} wrongs[] = {
	{ "value", "2.5", "", "", "/conf:7: " },
	{ "grammar", "0.5; };", "", "", "/conf:7: " },
	{ "unknown key", "0.5", "colour = 1;\n", "", "/conf:8: " },
	{ "scorecard", "0.5", "judge: { scorecard = \"FOLDER/card\"; };\n",
	    "version 1\nnonsense here\n", "/card:" },
	{ "no scorecard", "0.5", "judge: { scorecard = \"FOLDER/none\"; };\n", "",
	    "/none: No such file" },
	{ "list", "0.5", "lists: ( { aliases = \"FOLDER/aliases\"; } );\n", "", "/aliases:2: " },
};

START_TEST(a_wrong_one_is_never_in_force)
{
	const struct config *config = NULL;
	char more[300];
	const char *mark = strstr(wrongs[_i].more, "FOLDER");

	snprintf(more, sizeof(more), "%.*s%s%s",
	    (int)(mark == NULL ? strlen(wrongs[_i].more) : (size_t)(mark - wrongs[_i].more)),
	    wrongs[_i].more, mark == NULL ? "" : folder,
	    mark == NULL ? "" : mark + strlen("FOLDER"));
	put("card", wrongs[_i].card);
	put("aliases", "good: anna\nnot an alias\n");
	put("conf", settings(wrongs[_i].threshold, more));
	ck_assert_int_ne(config_load(path_of("conf"), &config, &faults), BASE_OK);
	ck_assert_ptr_null(config);
	ck_assert_msg(strstr(base_buffer_text(&faults), wrongs[_i].fault) != NULL, "%s: %s",
	    wrongs[_i].name, base_buffer_text(&faults));
}
END_TEST

/* A rule that asks for a reason that no signal gives would never decide. */
START_TEST(a_rule_names_only_reasons_that_there_are)
{
	static const char text[] =
	    "web: { base_url = \"https://o.example.com\"; };\n"
	    "identity: { local_domains = ( \"example.com\" ); };\n"
	    "notice: { from = \"o@example.com\"; };\nkey_file = \"%s\";\n"
	    "policy: (\n { match: { reason = ( \"familiarity\", \"%s\" ); }; } );\n";
	const struct config *config = NULL;
	char conf[600];

	snprintf(conf, sizeof(conf), text, path_of("secret.key"), "famliarity");
	put("conf", conf);
	ck_assert_int_eq(config_load(path_of("conf"), &config, &faults), BASE_REFUSE);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&faults),
	    "conf:6: policy[1].match.reason = \"famliarity\": no such signal"));
	snprintf(conf, sizeof(conf), text, path_of("secret.key"), "greeting_to_one");
	put("conf", conf);
	ck_assert_int_eq(config_load(path_of("conf"), &config, &faults), BASE_OK);
	config_release(&config);
}
END_TEST

/* Every file is tried, so that an admin sees all that is wrong. */
START_TEST(all_faults_are_reported)
{
	const struct config *config = NULL;
	char more[300];

	ck_assert_int_eq(chmod(path_of("secret.key"), 0644), 0);
	snprintf(more, sizeof(more), "judge: { scorecard = \"%s/none\"; };\n", folder);
	put("conf", settings("0.5", more));
	ck_assert_int_eq(config_load(path_of("conf"), &config, &faults), BASE_REFUSE);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&faults), "secret.key has mode 0644"));
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&faults), "/none: No such file"));
}
END_TEST

/* Two rules with the same template are no two faults. */
START_TEST(a_fault_is_reported_once)
{
	const struct config *config = NULL;
	const char *reported;

	put("conf", settings("0.5; match: { reach = \"inside\"; }; template = \"/nonexistent\"; },"
			     " { template = \"/nonexistent\"",
			""));
	ck_assert_int_ne(config_load(path_of("conf"), &config, &faults), BASE_OK);
	reported = strstr(base_buffer_text(&faults), "/nonexistent");
	ck_assert_ptr_nonnull(reported);
	ck_assert_ptr_null(strstr(reported + 1, "/nonexistent"));
}
END_TEST

static const struct {
	const char *more, *name;
} fixed[] = {
	{ "milter: { socket = \"unix:/run/other.sock\"; };\n", "milter.socket" },
	{ "milter: { socket_mode = \"0600\"; };\n", "milter.socket_mode" },
	{ "mta: { config_directory = \"/etc/other\"; };\n", "mta.config_directory" },
	{ "mta: { sendmail_program = \"/usr/lib/sendmail\"; };\n", "mta.sendmail_program" },
	{ "mta: { sendmail_config = \"/etc/other.cf\"; };\n", "mta.sendmail_config" },
	{ "mta: { queue_socket = \"/run/other.sock\"; };\n", "mta.queue_socket" },
};

START_TEST(what_needs_a_restart_is_refused_whole)
{
	const struct config *config = load(settings("0.5", "")), *next;
	struct config_current *current = config_current_new(&config);
	char want[100];

	next = load(settings("0.7", fixed[_i].more));
	ck_assert_int_eq(config_replace(current, &next, &faults), BASE_REFUSE);
	snprintf(want, sizeof(want), "/conf: a new %s needs a restart\n", fixed[_i].name);
	ck_assert_msg(
	    strstr(base_buffer_text(&faults), want) != NULL, "%s", base_buffer_text(&faults));
	config_release(&next);
	config = config_acquire(current);
	ck_assert_double_eq(config->settings->policies[0].threshold, 0.5);
	config_release(&config);
	config_current_free(&current);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("site");
	Suite *suite = suite_create("site");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, the_new_one_is_in_force_and_the_old_lives_as_long_as_it_is_used);
	tcase_add_loop_test(
	    tests, a_wrong_one_is_never_in_force, 0, sizeof(wrongs) / sizeof(*wrongs));
	tcase_add_test(tests, a_rule_names_only_reasons_that_there_are);
	tcase_add_test(tests, all_faults_are_reported);
	tcase_add_test(tests, a_fault_is_reported_once);
	tcase_add_loop_test(
	    tests, what_needs_a_restart_is_refused_whole, 0, sizeof(fixed) / sizeof(*fixed));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
