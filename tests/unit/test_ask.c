/*
 * audience: lists that programs are asked about. The programs are shell scripts.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/audience/audience.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static char folder[64], program[80], postmap[80], runs[80], table_file[80], table[90];
static const char *domains[] = { "example.com" };
static const char *list_domains[] = { "lists.example.com" };
static const char *command[] = { program, "--people" };
static struct settings_list lists[3];
static struct settings site = {
	.identity = { .local_domains = domains, .local_domain_count = 1 },
	.lists = lists,
	.mta = { .config_directory = "/etc/none", .command_directory = folder },
};

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

/* A script that notes each run in the file `runs`. */
static void
write_script(const char *path, const char *body)
{
	char text[2000];

	snprintf(text, sizeof(text), "#!/bin/sh\necho \"$@\" >>%s\n%s\n", runs, body);
	write_file(path, text, 0755);
}

static void
setup(void)
{
	strcpy(folder, "/tmp/oops-ask-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(program, sizeof(program), "%s/program", folder);
	snprintf(postmap, sizeof(postmap), "%s/postmap", folder);
	snprintf(runs, sizeof(runs), "%s/runs", folder);
	snprintf(table_file, sizeof(table_file), "%s/virtual.db", folder);
	snprintf(table, sizeof(table), "hash:%s/virtual", folder);
	lists[0] = (struct settings_list){ .command = command,
		.command_count = 2,
		.domains = list_domains,
		.domain_count = 1,
		.timeout = 5,
		.cache = 600 };
	site.list_count = 1;
}

static void
teardown(void)
{
	unlink(program);
	unlink(postmap);
	unlink(runs);
	unlink(table_file);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* One table, and nothing else. */
static void
use_table(void)
{
	lists[0] = (struct settings_list){ .table = table, .timeout = 5, .cache = 600 };
}

static struct audience_directory *
open_directory(void)
{
	struct audience_directory *directory = NULL;
	const char *why = "";

	ck_assert_msg(audience_directory_new(&site, &directory, &why) == BASE_OK, "%s", why);
	return directory;
}

/* "people kind lists" for recipients between spaces. */
static const char *
count(struct audience_directory *directory, const char *recipients)
{
	static _Thread_local char answer[64];
	char text[500];
	const char *items[20];
	struct mail_transaction transaction = { .recipients = { .items = items } };
	struct audience audience;
	char *save;

	snprintf(text, sizeof(text), "%s", recipients);
	for (char *word = strtok_r(text, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		items[transaction.recipients.count++] = word;
	transaction.recipients.seen = transaction.recipients.count;
	audience_count(directory, &transaction, "", &audience);
	snprintf(answer, sizeof(answer), "%lu %s %lu", audience.people,
	    audience.kind == AUDIENCE_EXACT     ? "exact"
	    : audience.kind == AUDIENCE_UNKNOWN ? "unknown"
						: "at-least",
	    audience.lists);
	return answer;
}

#define PATIENCE_MS 30000

/* Waits until the files' thread has seen what they say now. */
static void
becomes(struct audience_directory *directory, const char *recipients, const char *wanted)
{
	int64_t until = base_tick_ms() + PATIENCE_MS;

	while (strcmp(count(directory, recipients), wanted) != 0 && base_tick_ms() < until)
		base_sleep_ms(20);
	ck_assert_str_eq(count(directory, recipients), wanted);
}

/* How often programs ran. */
static int
count_runs(void)
{
	FILE *file = fopen(runs, "r");
	int c, lines = 0;

	while (file != NULL && (c = fgetc(file)) != EOF)
		lines += c == '\n';
	if (file != NULL)
		fclose(file);
	return lines;
}

static const struct {
	const char *script;
	const char *answer;
	const char *why;
} sizes[] = {
	{ "echo 412", "412 exact 1", NULL },
	{ "printf ' 7 '", "7 exact 1", NULL },
	{ "echo 1", "1 exact 0", NULL },
	{ "echo 0", "1 exact 0", NULL },
	/* the address is the last argument, and no shell sees it */
	{ "case $*:$# in --people\\ *@lists.example.com:2) echo 5 ;; esac", "5 exact 1", NULL },
	{ "echo 412; exit 3", "1 unknown 1", "ended with status 3" },
	{ "echo many", "1 unknown 1", "did not print a number" },
	{ "echo 4 5", "1 unknown 1", "did not print a number" },
	{ "echo -4", "1 unknown 1", "did not print a number" },
	{ "echo 10000001", "1 unknown 1", "did not print a number" },
	{ "true", "1 unknown 1", "did not print a number" },
	{ "yes 1 | head -c 100000", "1 unknown 1", "did not print a number" },
};

START_TEST(test_command)
{
	struct audience_directory *directory;
	const char *why = NULL;

	write_script(program, sizes[_i].script);
	directory = open_directory();
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(count(directory, "all@lists.example.com"), sizes[_i].answer);
	ck_assert_int_eq(count_runs(), 1);
	ck_assert_int_eq(
	    audience_failure(directory, &why), sizes[_i].why == NULL ? BASE_NONE : BASE_BROKEN);
	if (sizes[_i].why != NULL)
		ck_assert_msg(strstr(why, sizes[_i].why) != NULL, "%s", why);
	/* told once for all addresses */
	(void)count(directory, "other@lists.example.com");
	ck_assert_int_eq(audience_failure(directory, &why), BASE_NONE);
	/* others are nobody's business */
	ck_assert_str_eq(count(directory, "jane@example.com bob@elsewhere.example"), "2 exact 0");
	(void)count(directory, "-x@lists.example.com");
	ck_assert_int_eq(count_runs(), 2);
	audience_directory_free(&directory);
}
END_TEST

/* What hangs holds nobody up for longer than its limit, however many addresses there are. */
START_TEST(test_limit)
{
	struct audience_directory *directory;
	const char *why = NULL;
	int64_t began;

	lists[0].timeout = 1;
	write_script(program, "sleep 60");
	directory = open_directory();
	began = base_tick_ms();
	ck_assert_str_eq(
	    count(directory, "a@lists.example.com b@lists.example.com"), "2 at-least 1");
	ck_assert_int_lt(base_tick_ms() - began, 20000);
	ck_assert_int_eq(count_runs(), 1);
	ck_assert_int_eq(audience_failure(directory, &why), BASE_BROKEN);
	ck_assert_msg(strstr(why, "in time") != NULL, "%s", why);
	audience_directory_free(&directory);
}
END_TEST

/* An answer lives as long as it should; a failure does not take it away. */
START_TEST(test_cache)
{
	struct audience_directory *directory;
	const char *why = NULL;

	lists[0].cache = 1;
	write_script(program, "echo 412");
	directory = open_directory();
	ck_assert_str_eq(count(directory, "all@lists.example.com"), "412 exact 1");
	write_script(program, "exit 1");
	base_sleep_ms(1050);
	ck_assert_str_eq(count(directory, "all@lists.example.com"), "412 exact 1");
	ck_assert_int_eq(audience_failure(directory, &why), BASE_BROKEN);
	write_script(program, "echo 9");
	base_sleep_ms(1050);
	ck_assert_str_eq(count(directory, "all@lists.example.com"), "9 exact 1");
	ck_assert_int_eq(count_runs(), 3);
	audience_directory_free(&directory);
}
END_TEST

static void *
count_all(void *directory)
{
	return strcmp(count(directory, "all@lists.example.com"), "412 exact 1") == 0 ? directory
										     : NULL;
}

/* Several threads, one run. */
START_TEST(test_one_run)
{
	struct audience_directory *directory;
	pthread_t threads[6];
	void *answer;

	write_script(program, "sleep 0.3; echo 412");
	directory = open_directory();
	for (int i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_all, directory), 0);
	for (int i = 0; i < COUNT(threads); i++) {
		ck_assert_int_eq(pthread_join(threads[i], &answer), 0);
		ck_assert_ptr_eq(answer, directory);
	}
	ck_assert_int_eq(count_runs(), 1);
	audience_directory_free(&directory);
}
END_TEST

/* postmap, as far as it is needed: keys on standard input, a file of "key<tab>value". */
#define POSTMAP                                                                                    \
	"[ \"$1 $3 $4\" = \"-c -q -\" ] || exit 9\n"                                               \
	"echo 'postmap: warning: older than its source'\n"                                         \
	"while read -r key; do grep \"^$key\t\" ${5#hash:}.db && found=1; done\n"                  \
	"[ -n \"$found\" ]"

static const char rows[] = "all@example.com\tann@example.com, bob, carl@elsewhere.example\n"
			   "everybody\tall@example.com, dora@example.com\n"
			   "ann@example.com\tann@example.com\n"
			   "@old.example\t@example.com\n";

static const struct {
	const char *recipients;
	const char *answer;
	int runs;
} tables[] = {
	{ "all@example.com", "3 exact 1", 2 },
	{ "everybody@example.com", "4 exact 1", 3 },
	{ "all@example.com bob@example.com ann@example.com", "3 exact 1", 1 },
	{ "dora@example.com", "1 exact 0", 1 },
	{ "all@old.example", "3 exact 1", 3 },
	{ "all@elsewhere.example", "1 exact 0", 0 },
};

START_TEST(test_table)
{
	static const char *both[] = { "example.com", "old.example" };
	struct audience_directory *directory;
	const char *why = NULL;

	use_table();
	lists[0].domains = both;
	lists[0].domain_count = 2;
	write_script(postmap, POSTMAP);
	write_file(table_file, rows, 0644);
	directory = open_directory();
	for (int i = 0; i < 2; i++)
		ck_assert_str_eq(count(directory, tables[_i].recipients), tables[_i].answer);
	ck_assert_int_eq(count_runs(), tables[_i].runs);
	ck_assert_int_eq(audience_failure(directory, &why), BASE_NONE);
	audience_directory_free(&directory);
}
END_TEST

/* What a table said is forgotten when its file changes. */
START_TEST(test_table_changes)
{
	struct audience_directory *directory;
	const char *why = NULL;

	use_table();
	write_script(postmap, POSTMAP);
	write_file(table_file, rows, 0644);
	directory = open_directory();
	ck_assert_str_eq(count(directory, "all@example.com"), "3 exact 1");
	write_file(table_file, "all@example.com\tann@example.com, bob@example.com\n", 0644);
	becomes(directory, "all@example.com", "2 exact 1");
	write_script(postmap, "echo 'postmap: fatal: open database' >&2; exit 1");
	write_file(table_file, "", 0644);
	becomes(directory, "all@example.com", "1 unknown 1");
	ck_assert_int_eq(audience_failure(directory, &why), BASE_BROKEN);
	ck_assert_msg(strstr(why, "open database") != NULL, "%s", why);
	audience_directory_free(&directory);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ask");
	TCase *tests = tcase_create("ask");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_command, 0, COUNT(sizes));
	tcase_add_test(tests, test_limit);
	tcase_add_test(tests, test_cache);
	tcase_add_test(tests, test_one_run);
	tcase_add_loop_test(tests, test_table, 0, COUNT(tables));
	tcase_add_test(tests, test_table_changes);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
