/*
 * The test suite of RFC 7208, through our own way of asking, with libspf2's zone layer for the
 * DNS. The suite itself is not part of this project: it is read from
 * $OOPS_SHARED_DATA/spf/rfc7208-tests.yml, or from ../shared/data beside the source. Without
 * it nothing is tested, and the program says so and exits with 77.
 *
 * Where libspf2 differs from the RFC, spf_differences.txt has the test's name, what comes out
 * and why. A difference that is not there fails, and so does one that is there and is none.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/identity/internal.h"
#include "tests/unit/zone.h"

#define MAX_ZONES 40
#define MAX_RECORDS 400
#define MAX_CASES 400
#define MAX_DIFFERENCES 100
#define MAX_FIELDS 10
#define LINE_SIZE 8192

struct suite_zone {
	struct zone_record records[MAX_RECORDS];
	size_t count;
};

static struct suite_zone zones[MAX_ZONES];
static size_t zone_count;

static struct {
	struct suite_zone *zone;
	const char *name;
	const char *client;
	const char *helo;
	const char *sender;
	const char *results[MAX_FIELDS];
	size_t result_count;
} cases[MAX_CASES];
static size_t case_count;

static struct {
	char name[64];
	char result[16];
} differences[MAX_DIFFERENCES];
static size_t difference_count;
static struct base_arena *texts; /* of everything above */

/* --- reading ------------------------------------------------------------------------ */

/* %XX becomes its byte. */
static const char *
field_read(const char *field)
{
	char *text = base_arena_strdup(texts, field), *out = text;
	unsigned byte;

	if (text == NULL)
		abort();
	for (; *field != '\0'; field++) {
		if (*field == '%' && sscanf(field + 1, "%2x", &byte) == 1) {
			*out++ = (char)byte;
			field += 2;
		} else {
			*out++ = *field;
		}
	}
	*out = '\0';
	return text;
}

static void
line_read(const char **fields, size_t count)
{
	struct suite_zone *zone = zone_count == 0 ? NULL : &zones[zone_count - 1];
	size_t i;

	if (strcmp(fields[0], "zone") == 0 && zone_count < MAX_ZONES) {
		zone_count++;
	} else if (strcmp(fields[0], "record") == 0 && count == 4 && zone->count < MAX_RECORDS) {
		zone->records[zone->count++] =
		    (struct zone_record){ fields[1], fields[2], fields[3] };
	} else if (strcmp(fields[0], "test") == 0 && count >= 6 && case_count < MAX_CASES) {
		cases[case_count].zone = zone;
		cases[case_count].name = fields[1];
		cases[case_count].client = fields[2];
		cases[case_count].helo = fields[3];
		cases[case_count].sender = fields[4];
		for (i = 5; i < count; i++)
			cases[case_count].results[i - 5] = fields[i];
		cases[case_count++].result_count = count - 5;
	} else {
		fprintf(stderr, "spf_cases.py wrote a line that is not understood\n");
		exit(EXIT_FAILURE);
	}
}

static void
suite_read(const char *path)
{
	const char *fields[MAX_FIELDS];
	char line[LINE_SIZE], command[8192], *rest, *field;
	FILE *file;

	snprintf(command, sizeof(command), "python3 -B '%s/tests/unit/spf_cases.py' '%s'",
	    SOURCE_DIR, path);
	file = popen(command, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		size_t count = 0;

		line[strcspn(line, "\n")] = '\0';
		for (rest = line; (field = strsep(&rest, "\t")) != NULL;)
			if (count < MAX_FIELDS)
				fields[count++] = field_read(field);
		line_read(fields, count);
	}
	if (file == NULL || pclose(file) != 0 || case_count == 0) {
		fprintf(stderr, "spf_cases.py could not read %s\n", path);
		exit(EXIT_FAILURE);
	}
}

/* "NAME RESULT REASON", empty lines and # comments. */
static void
differences_read(void)
{
	char line[LINE_SIZE];
	FILE *file = fopen(SOURCE_DIR "/tests/unit/spf_differences.txt", "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (difference_count == MAX_DIFFERENCES ||
		    sscanf(line, "%63s %15s", differences[difference_count].name,
			differences[difference_count].result) != 2) {
			fprintf(stderr, "spf_differences.txt: %s", line);
			exit(EXIT_FAILURE);
		}
		difference_count++;
	}
	if (file != NULL)
		fclose(file);
}

/* --- testing ------------------------------------------------------------------------ */

/* What our wrapper makes of a case. */
static const char *
ask(int number)
{
	struct zone zone = { cases[number].zone->records, cases[number].zone->count };
	const struct identity_spf_options options = {
		.limit_ms = 20000, .dns = zone_layer, .context = &zone
	};
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct identity_peer peer;
	struct identity_spf_question question = { &peer.address, cases[number].helo,
		cases[number].sender };
	struct identity_spf *spf;
	const char *result, *why = "";

	if (inet_pton(AF_INET, cases[number].client, &four.sin_addr) == 1)
		identity_peer_address(&peer, (struct sockaddr *)&four);
	else if (inet_pton(AF_INET6, cases[number].client, &six.sin6_addr) == 1)
		identity_peer_address(&peer, (struct sockaddr *)&six);
	else
		ck_abort_msg("no address: %s", cases[number].client);
	ck_assert_int_eq(identity_spf_start(&options, &spf, &why), BASE_OK);
	result = identity_spf_result_str(identity_spf_ask(spf, &question));
	identity_spf_free(&spf);
	return result;
}

/* What is expected instead of the RFC's results, or NULL. */
static const char *
difference_of(const char *name)
{
	for (size_t i = 0; i < difference_count; i++)
		if (strcmp(differences[i].name, name) == 0)
			return differences[i].result;
	return NULL;
}

START_TEST(test_case)
{
	const char *different = difference_of(cases[_i].name), *result = ask(_i);
	bool is_right = false;

	for (size_t i = 0; i < cases[_i].result_count; i++)
		is_right |= strcmp(cases[_i].results[i], result) == 0;
	if (different == NULL)
		ck_assert_msg(
		    is_right, "%s: %s instead of %s", cases[_i].name, result, cases[_i].results[0]);
	else
		ck_assert_msg(!is_right && strcmp(different, result) == 0,
		    "%s: %s, but spf_differences.txt says %s", cases[_i].name, result, different);
}
END_TEST

/* Every difference is one of a test that there is. */
START_TEST(test_differences)
{
	for (size_t i = 0; i < difference_count; i++) {
		bool is_there = false;

		for (size_t k = 0; k < case_count; k++)
			is_there |= strcmp(cases[k].name, differences[i].name) == 0;
		ck_assert_msg(is_there, "no test %s", differences[i].name);
	}
}
END_TEST

int
main(void)
{
	const char *data = getenv("OOPS_SHARED_DATA");
	char path[4096];
	struct stat status;
	SRunner *runner;
	TCase *tests;
	Suite *suite;
	int failed;

	snprintf(path, sizeof(path), "%s/spf/rfc7208-tests.yml",
	    data != NULL ? data : SOURCE_DIR "/../shared/data");
	if (stat(path, &status) != 0) {
		printf("skipped: the RFC 7208 suite is not at %s (OOPS_SHARED_DATA)\n", path);
		return 77;
	}
	texts = base_arena_new(1u << 20);
	suite_read(path);
	differences_read();
	suite = suite_create("the RFC 7208 suite");
	tests = tcase_create("spf");
	tcase_add_loop_test(tests, test_case, 0, (int)case_count);
	tcase_add_test(tests, test_differences);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	base_arena_free(&texts);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
