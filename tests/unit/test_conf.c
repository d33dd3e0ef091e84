/*
 * The sample configuration and its manual page: they load, they are complete, and what they
 * say of each key is what the schema says.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/settings/internal.h"

#define SAMPLE SOURCE_DIR "/conf/oops-milter.conf"
#define MANUAL SOURCE_DIR "/contrib/man/oops-milter.conf.5"
#define ONLY_YOU "none: only you know it"

static struct base_arena *arena;
static char *sample, *manual;

/* One key of any table, by the name that documents it. */
struct documented {
	const struct settings_key *key;
	const char *prefix;
};

static struct documented all[200];
static int all_count;

/* Collects the keys of every table. */
static void
collect(void)
{
	static const struct {
		const struct settings_key *table;
		const char *prefix;
	} tables[] = { { settings_keys, "" }, { settings_list_keys, "lists." },
		{ settings_delegate_keys, "identity.delegates." },
		{ settings_rule_keys, "policy." } };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct settings_key *key = tables[i].table; key->name != NULL; key++)
			all[all_count++] = (struct documented){ key, tables[i].prefix };
}

static void
setup(void)
{
	const char *why = "";
	size_t length;

	arena = base_arena_new(1u << 20);
	ck_assert_msg(
	    base_file_read(arena, SAMPLE, 100000, &sample, &length, &why) == BASE_OK, "%s", why);
	ck_assert_msg(
	    base_file_read(arena, MANUAL, 100000, &manual, &length, &why) == BASE_OK, "%s", why);
}

static void
teardown(void)
{
	base_arena_free(&arena);
}

/* Loads a file that must be right. */
static struct settings *
load(const char *path)
{
	struct settings *settings = NULL;
	struct settings_errors errors;

	if (settings_load(path, &settings, &errors) != BASE_OK)
		ck_abort_msg(
		    "%s:%d: %s", errors.items[0].file, errors.items[0].line, errors.items[0].text);
	settings_errors_free(&errors);
	return settings;
}

START_TEST(test_sample_loads)
{
	struct settings *settings = load(SAMPLE);

	ck_assert_uint_eq(settings->policy_count, 2);
	ck_assert_str_eq(settings->policies[0].name, "staff");
	settings_free(&settings);
}
END_TEST

/* What the sample sets is what a file gets that leaves it out. */
START_TEST(test_sample_is_default)
{
	struct settings *a = load(SAMPLE), *b = settings_defaults();

	ck_assert_ptr_nonnull(b);
	for (const struct settings_key *key = settings_keys; key->name != NULL; key++) {
		const char *const *left = (const void *)((const char *)a + key->offset);
		const char *const *right = (const void *)((const char *)b + key->offset);

		if (key->type->shapes == SETTINGS_TEXT && key->choices == NULL &&
		    key->type != &settings_type_mode && *left != NULL)
			ck_assert_msg(
			    *right != NULL && strcmp(*left, *right) == 0, "%s", key->name);
		else if (key->type == &settings_type_duration)
			ck_assert_msg(
			    *(const int64_t *)left == *(const int64_t *)right, "%s", key->name);
	}
	ck_assert_uint_eq(a->milter.socket_mode, b->milter.socket_mode);
	ck_assert(a->identity.spf == b->identity.spf);
	ck_assert_int_eq(a->identity.spf_timeout, b->identity.spf_timeout);
	ck_assert_int_eq(a->identity.spf_cache, b->identity.spf_cache);
	ck_assert_double_eq(a->policies[0].threshold, b->policies[0].threshold);
	ck_assert_double_eq(a->policies[0].tag_threshold, b->policies[0].tag_threshold);
	ck_assert_int_eq(a->policies[0].window, b->policies[0].window);
	ck_assert_int_eq(a->policies[0].expires, b->policies[0].expires);
	settings_free(&a);
	settings_free(&b);
}
END_TEST

/* The comment about a key, from its title on: one line each, without "# ". */
static size_t
find_comment(const char *name, const char *lines_r[20])
{
	char *title = base_arena_printf(arena, "# %s - ", name);
	char *line = strstr(sample, title);
	size_t count = 0;

	ck_assert_msg(line != NULL, "%s: not in the sample", name);
	ck_assert_msg(strstr(line + 1, title) == NULL, "%s: twice in the sample", name);
	while (strncmp(line, "# ", 2) == 0 && count < 20) {
		size_t length = strcspn(line, "\n");

		lines_r[count++] = base_arena_strndup(arena, line + 2, length - 2);
		line += length;
		line += *line == '\n';
		line += strspn(line, "\t");
	}
	return count;
}

/* What the sample should say is the default; NULL: in words. */
static const char *
expected_default(const struct settings_key *key)
{
	struct base_buffer text;
	const char *copy;

	if (key->required != NULL)
		return ONLY_YOU;
	if (key->fallback == NULL)
		return NULL;
	base_buffer_init(&text, 200);
	if (key->type->shapes & SETTINGS_SEVERAL) {
		char *words = base_arena_strdup(arena, key->fallback), *rest = NULL;

		base_buffer_puts(&text, "(");
		for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
			base_buffer_printf(&text, "%s \"%s\"", text.length > 1 ? "," : "", w);
		base_buffer_puts(&text, " )");
	} else if (key->type->shapes & SETTINGS_TEXT) {
		base_buffer_printf(&text, "\"%s\"", key->fallback);
	} else {
		base_buffer_puts(&text, key->fallback);
	}
	copy = base_arena_strdup(arena, base_buffer_text(&text));
	base_buffer_free(&text);
	return copy;
}

/* Loads a file that has this example, and what only a site knows besides. */
static void
check_example(const struct documented *documented, const char *example)
{
	static const char *const needed[] = {
		"web",
		"base_url = \"https://a.example\";",
		"identity",
		"local_domains = ( \"a.example\", \"example.com\", \"staff.example.com\" );",
		"notice",
		"from = \"a@a.example\";",
	};
	static const char in_identity[] = "identity.delegates.";
	bool is_delegate = strcmp(documented->prefix, in_identity) == 0;
	bool is_entry = documented->prefix[0] != '\0' && !is_delegate;
	char group[32], path[] = "/tmp/oops-conf-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	struct settings *settings;

	ck_assert_ptr_nonnull(file);
	if (is_delegate)
		example = base_arena_printf(arena, "delegates = ( { %s } );", example);
	snprintf(group, sizeof(group), "%s", is_delegate ? "identity" : documented->key->name);
	group[strcspn(group, ".")] = '\0';
	for (size_t i = 0; i < 6; i += 2) {
		bool is_same = !is_entry && strcmp(group, needed[i]) == 0;
		bool has_it = documented->key->required != NULL;

		fprintf(file, "%s: { %s %s };\n", needed[i], is_same ? example : "",
		    is_same && has_it ? "" : needed[i + 1]);
		if (is_same)
			group[0] = '\0';
	}
	if (is_entry)
		fprintf(file, "%.*s: ( { %s } );\n", (int)strlen(documented->prefix) - 1,
		    documented->prefix, example);
	else if (!is_delegate && strchr(documented->key->name, '.') == NULL)
		fprintf(file, "%s\n", example);
	else if (group[0] != '\0')
		fprintf(file, "%s: { %s };\n", group, example);
	ck_assert_int_eq(fclose(file), 0);
	settings = load(path);
	settings_free(&settings);
	unlink(path);
}

/* Title, why, example and default of each key, in that order, and true. */
START_TEST(test_key)
{
	const struct settings_key *key = all[_i].key;
	const char *name = base_arena_printf(arena, "%s%s", all[_i].prefix, key->name);
	const char *expected = expected_default(key);
	const char *lines[20];
	size_t count = find_comment(name, lines);

	ck_assert_msg(count >= 4, "%s: title, why, example or default is missing", name);
	ck_assert_msg(strncmp(lines[count - 2], "Example: ", 9) == 0, "%s: no example", name);
	ck_assert_msg(strncmp(lines[count - 1], "Default: ", 9) == 0, "%s: no default", name);
	if (expected != NULL)
		ck_assert_str_eq(lines[count - 1] + 9, expected);
	else
		ck_assert_uint_gt(strlen(lines[count - 1] + 9), 0);
	check_example(&all[_i], lines[count - 2] + 9);
	ck_assert_msg(strstr(manual, base_arena_printf(arena, ".It Ic %s\n", name)) != NULL,
	    "%s: not in the manual page", name);
}
END_TEST

/* No key is described that does not exist. */
START_TEST(test_no_other_keys)
{
	int described = 0;

	for (const char *item = manual; (item = strstr(item, ".It Ic ")) != NULL; item++)
		described++;
	ck_assert_int_eq(described, all_count);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tests = tcase_create("conf");
	SRunner *runner;
	int failed;

	collect();
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_sample_loads);
	tcase_add_test(tests, test_sample_is_default);
	tcase_add_loop_test(tests, test_key, 0, all_count);
	tcase_add_test(tests, test_no_other_keys);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
