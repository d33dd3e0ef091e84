/* Histories in lines: what is accepted, what is refused and where, what comes out. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/replay/replay.h"

static const char *delimiter = ""; /* of the site's addresses */

/* The settings that everything here runs by. */
static struct settings *
settings_make(void)
{
	struct settings *settings = settings_defaults();

	ck_assert_ptr_nonnull(settings);
	settings->identity.recipient_delimiter = delimiter;
	return settings;
}

/* Runs a backtest over text; the output is to be freed. */
static enum base_result
backtest(const char *text, size_t length, bool with_person, char **output_r, const char **why_r)
{
	struct settings *settings = settings_make();
	struct judge_scorecard *card = NULL;
	size_t size = 0;
	struct replay_options options = {
		.input = fmemopen((char *)text, length, "r"),
		.name = "in",
		.output = open_memstream(output_r, &size),
		.with_person = with_person,
	};
	enum base_result result;

	ck_assert_int_eq(judge_scorecard_default(&card, why_r), BASE_OK);
	result = replay_backtest(&options, settings, card, why_r);
	fclose(options.input);
	fclose(options.output);
	judge_scorecard_free(&card);
	settings_free(&settings);
	return result;
}

#define GOOD "1700000000\ta@x\tb@x,c@x\tid1\t-\tsend\n"

static const struct {
	const char *text;
	const char *why; /* NULL: accepted */
} lines[] = {
	{ GOOD, NULL },
	{ GOOD "1700000000\tb@x\ta@x\t-\tid1\tprobe", NULL },
	{ "0\ta\tb\t-\t-\tsend\n", NULL },
	{ GOOD "\n", "in:2: 1 fields instead of 6 with tabs between" },
	{ "1\ta\tb\t-\t-\n", "in:1: 5 fields instead of 6 with tabs between" },
	{ "1\ta\tb\t-\t-\tsend\tmore\n", "in:1: 7 fields instead of 6 with tabs between" },
	{ "-1\ta\tb\t-\t-\tsend\n", "in:1: time \"-1\" is not seconds since 1970" },
	{ "1.5\ta\tb\t-\t-\tsend\n", "in:1: time \"1.5\" is not seconds since 1970" },
	{ "\ta\tb\t-\t-\tsend\n", "in:1: time \"\" is not seconds since 1970" },
	{ "99999999999\ta\tb\t-\t-\tsend\n",
	    "in:1: time \"99999999999\" is not seconds since 1970" },
	{ "1\t\tb\t-\t-\tsend\n", "in:1: sender \"\" is no address" },
	{ "1\ta b\tb\t-\t-\tsend\n", "in:1: sender \"a b\" is no address" },
	{ "1\ta\t\t-\t-\tsend\n", "in:1: recipient \"\" is no address" },
	{ "1\ta\tb,,c\t-\t-\tsend\n", "in:1: recipient \"\" is no address" },
	{ "1\ta\tb,\t-\t-\tsend\n", "in:1: recipient \"\" is no address" },
	{ "1\t-\tb\t-\t-\tsend\n", "in:1: sender \"-\" is no address" },
	{ "1\ta\t-\t-\t-\tsend\n", "in:1: recipient \"-\" is no address" },
	{ "1\ta\tb,-\t-\t-\tsend\n", "in:1: recipient \"-\" is no address" },
	{ "2\ta\tb\t-\t-\tsend\n2\ta\tb\t-\t-\tsend\n", NULL },
	{ "2\ta\tb\t-\t-\tsend\n1\ta\tb\t-\t-\tsend\n",
	    "in:2: time 1 is before that of the send before" },
	{ "2\ta\tb\t-\t-\tsend\n1\ta\tb\t-\t-\tprobe\n2\ta\tb\t-\t-\tsend\n", NULL },
	{ "1\ta\tb\t<id@x>\t<id@x>\tsend\n", NULL },
	{ "1\ta\tb\t<>\t-\tsend\n", "in:1: message id is empty (\"-\" for none)" },
	{ "1\ta\tb\t\t-\tsend\n", "in:1: message id is empty (\"-\" for none)" },
	{ "1\ta\tb\t-\t\tsend\n", "in:1: in-reply-to is empty (\"-\" for none)" },
	{ "1\ta\tb\t-\t-\tSend\n", "in:1: mode \"Send\" is neither send nor probe" },
	{ "1\ta\tb\t-\t-\tsend\r\n", "in:1: a carriage return at its end" },
	{ GOOD GOOD "x", "in:3: 1 fields instead of 6 with tabs between" },
};

START_TEST(line_is_checked)
{
	char *output = NULL;
	const char *why = "";
	enum base_result result =
	    backtest(lines[_i].text, strlen(lines[_i].text), false, &output, &why);

	if (lines[_i].why) {
		ck_assert_int_eq(result, BASE_REFUSE);
		ck_assert_str_eq(why, lines[_i].why);
	} else {
		ck_assert_msg(result == BASE_OK, "%s", why);
	}
	free(output);
}
END_TEST

START_TEST(nul_byte_is_refused)
{
	static const char text[] = "1\ta\tb\0c\t-\t-\tsend\n";
	char *output = NULL;
	const char *why = "";

	ck_assert_int_eq(backtest(text, sizeof(text) - 1, false, &output, &why), BASE_REFUSE);
	ck_assert_str_eq(why, "in:1: a NUL byte");
	free(output);
}
END_TEST

#define ORDINARY 100 /* sends: as many as a site needs before anything is held */

/* Ordinary sends, a large mail, the slip as a probe twice, the slip sent, a probe. */
/* A file without an end. */
static ssize_t
endless_read(void *cookie, char *buffer, size_t size)
{
	(void)cookie;
	memset(buffer, 'x', size);
	return (ssize_t)size;
}

/* No more of a line is kept than what tells that it is too long. */
START_TEST(line_without_an_end_is_refused)
{
	FILE *input = fopencookie(NULL, "r", (cookie_io_functions_t){ .read = endless_read });
	struct replay_reader *reader = replay_reader_new(input, "endless");
	struct base_arena *arena = base_arena_new(1u << 20);
	struct replay_line line;
	const char *why = "";

	ck_assert_int_eq(replay_reader_next(reader, arena, &line, &why), BASE_REFUSE);
	ck_assert_str_eq(why, "endless:1: longer than 4194304 bytes");
	base_arena_free(&arena);
	replay_reader_free(&reader);
	fclose(input);
}
END_TEST

START_TEST(probe_is_not_learned)
{
	char *text = NULL, *output = NULL, *at;
	const char *why = "";
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	int number = 0;

	for (int i = 0; i < ORDINARY; i++)
		fprintf(file, "%d\tme@x\tp%d@x\t-\t-\tsend\n", 1700000000 + i * 1200, i % 3);
	fprintf(file, "1700200000\tboss@x\tme@x");
	for (int i = 0; i < 40; i++)
		fprintf(file, ",p%d@x", i);
	fprintf(file, "\tall\t-\tsend\n");
	for (int round = 0; round < 4; round++) {
		fprintf(file, "1700200600\tme@x\tboss@x");
		for (int i = 0; i < 40; i++)
			fprintf(file, ",p%d@x", i);
		fprintf(file, "\t-\tall\t%s\n", round == 2 ? "send" : "probe");
	}
	fclose(file);
	ck_assert_int_eq(backtest(text, size, false, &output, &why), BASE_OK);
	at = output;
	for (char *line; (line = strsep(&at, "\n")) && *line;) {
		double score;
		char verdict[20], reasons[2000];

		ck_assert_int_eq(strtol(line, NULL, 10), ++number);
		ck_assert_int_eq(
		    sscanf(strchr(line, '\t'), "%lf\t%19s\t%1999s", &score, verdict, reasons), 3);
		if (number >= ORDINARY + 2 && number <= ORDINARY + 4) {
			ck_assert_str_eq(verdict, "confirm");
			ck_assert_ptr_nonnull(strchr(reasons, ':'));
		} else if (number <= ORDINARY) {
			ck_assert_str_eq(verdict, "pass");
		} else {
			/* The boss is new; the audience was written to since that mail came. */
			ck_assert_str_ne(verdict, "confirm");
		}
	}
	ck_assert_int_eq(number, ORDINARY + 5);
	free(text);
	free(output);
}
END_TEST

/* The recipient that the first reason names, in a column of its own. */
START_TEST(person_is_a_column)
{
	static const char text[] = GOOD GOOD "1700000001\ta@x\tb@x,c@x,new@y\t-\t-\tprobe\n";
	char *output = NULL, *last;
	const char *why = "";
	int tabs = 0;

	ck_assert_int_eq(backtest(text, strlen(text), true, &output, &why), BASE_OK);
	for (char *at = output; *at && *at != '\n'; at++)
		tabs += *at == '\t';
	ck_assert_int_eq(tabs, 4);
	last = strrchr(output, '\t');
	ck_assert_ptr_nonnull(last);
	free(output);
}
END_TEST

/* Every send of a pair is once with an extension and once without. */
static char *
extended_history(const char *extension)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	for (int i = 0; i < 200; i++)
		fprintf(file, "%d\tme%s@x\tp%d%s@x,p%d@x\tm%d\t-\tsend\n", 1700000000 + i * 1200,
		    i % 2 ? extension : "", i % 3, i % 3 ? "" : extension, (i + 1) % 3, i);
	fprintf(file, "1700300000\tme%s@x\tp0%s@x,p1@x\t-\tm7\tprobe\n", extension, extension);
	fclose(file);
	return text;
}

/* With the site's delimiter an extension is nobody else, as in the daemon. */
START_TEST(extensions_are_nobody_else)
{
	char *plain_text = extended_history(""), *text = extended_history("+news");
	char *plain = NULL, *folded = NULL, *whole = NULL;
	const char *why = "";

	ck_assert_int_eq(backtest(plain_text, strlen(plain_text), false, &plain, &why), BASE_OK);
	ck_assert_int_eq(backtest(text, strlen(text), false, &whole, &why), BASE_OK);
	ck_assert_str_ne(whole, plain);
	delimiter = "+";
	ck_assert_int_eq(backtest(text, strlen(text), false, &folded, &why), BASE_OK);
	ck_assert_str_eq(folded, plain);
	delimiter = "";
	free(plain_text);
	free(text);
	free(plain);
	free(folded);
	free(whole);
}
END_TEST

/* --- training ---------------------------------------------------------------------- */

/* Forty people, ordinary mail; from the middle on also slips to all. */
static char *
training_history(bool with_slips)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	for (int i = 0; i < 400; i++) {
		fprintf(file, "%d\tp%d\tp%d,p%d\t-\t-\tsend\n", 1700000000 + i * 600, i % 40,
		    (i + 1) % 40, (i + 2) % 40);
		if (i < 250 || !with_slips)
			continue;
		fprintf(file, "%d\tp%d\tq0", 1700000000 + i * 600, i % 40);
		for (int j = 1; j < 20; j++)
			fprintf(file, ",q%d", j);
		fprintf(file, "\tslip-list-%d\t-\tprobe\n", i);
	}
	fclose(file);
	return text;
}

/* Trains on a history; the scorecard's text is to be freed. */
static enum base_result
train(const char *text, char **card_r, size_t *real_r, size_t *slips_r, const char **why_r)
{
	static const char frame_text[] =
	    "base 0\nsignal audience_size rising\nunknown 0\n-inf..5 0\n5..inf 0\n"
	    "signal reached_by_bcc rising\nunknown 0\n-inf..0.5 0\n0.5..inf 25\n"
	    "pair audience_size exact_before\ncolumns unknown -inf..inf\n"
	    "unknown 0 0\n-inf..5 0 0\n5..inf 0 0\n";
	struct settings *settings = settings_make();
	struct judge_scorecard *frame = NULL, *card = NULL;
	struct judge_trainer *trainer = NULL;
	FILE *input = fmemopen((char *)text, strlen(text), "r");
	struct base_buffer printed;
	enum base_result result;

	ck_assert_int_eq(
	    judge_scorecard_parse(frame_text, strlen(frame_text), "frame", &frame, why_r), BASE_OK);
	ck_assert_int_eq(judge_trainer_new(frame, &trainer, why_r), BASE_OK);
	result = replay_train(input, "in", settings, frame, trainer, real_r, slips_r, why_r);
	ck_assert_int_eq(result, BASE_OK);
	result = judge_trainer_fit(trainer, &card, why_r);
	base_buffer_init(&printed, 10000);
	if (result == BASE_OK)
		ck_assert_int_eq(judge_scorecard_print(card, &printed, why_r), BASE_OK);
	*card_r = strdup(base_buffer_text(&printed));
	base_buffer_free(&printed);
	judge_scorecard_free(&card);
	judge_scorecard_free(&frame);
	judge_trainer_free(&trainer);
	settings_free(&settings);
	fclose(input);
	return result;
}

/* What tells slips gets points, what nothing is known of keeps its own, twice the same. */
START_TEST(training_fits_points)
{
	char *past = training_history(true), *first = NULL, *second = NULL, *at;
	const char *why = "";
	size_t real = 0, slips = 0;
	struct judge_scorecard *card = NULL;
	double points = 0;

	ck_assert_int_eq(train(past, &first, &real, &slips, &why), BASE_OK);
	ck_assert_uint_eq(real, 200);
	ck_assert_uint_eq(slips, 150);
	ck_assert_int_eq(train(past, &second, &real, &slips, &why), BASE_OK);
	ck_assert_str_eq(first, second);
	at = strstr(first, "5..inf ");
	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(sscanf(at, "5..inf %lf", &points), 1);
	ck_assert_double_gt(points, 20);
	ck_assert_ptr_nonnull(strstr(first, "0.5..inf 500\n")); /* 25 at scale 1, 20 times */
	ck_assert_msg(
	    judge_scorecard_parse(first, strlen(first), "card", &card, &why) == BASE_OK, "%s", why);
	judge_scorecard_free(&card);
	free(past);
	free(first);
	free(second);
}
END_TEST

/* Where the site has a delimiter, too. */
START_TEST(training_takes_extensions_out)
{
	char *past = training_history(true), *plain = NULL, *folded = NULL;
	const char *why = "";
	size_t real = 0, slips = 0;

	ck_assert_int_eq(train(past, &plain, &real, &slips, &why), BASE_OK);
	delimiter = "+";
	ck_assert_int_eq(train(past, &folded, &real, &slips, &why), BASE_OK);
	ck_assert_str_eq(folded, plain);
	delimiter = "";
	free(past);
	free(plain);
	free(folded);
}
END_TEST

START_TEST(training_needs_slips)
{
	char *past = training_history(false), *card = NULL;
	const char *why = "";
	size_t real = 0, slips = 0;

	ck_assert_int_eq(train(past, &card, &real, &slips, &why), BASE_REFUSE);
	ck_assert_str_eq(why, "0 slips among 200 examples: both slips and real sends are needed");
	free(past);
	free(card);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("replay");
	TCase *tcase = tcase_create("backtest");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, line_is_checked, 0, (int)(sizeof(lines) / sizeof(*lines)));
	tcase_add_test(tcase, nul_byte_is_refused);
	tcase_add_test(tcase, line_without_an_end_is_refused);
	tcase_add_test(tcase, probe_is_not_learned);
	tcase_add_test(tcase, person_is_a_column);
	tcase_add_test(tcase, extensions_are_nobody_else);
	tcase_add_test(tcase, training_fits_points);
	tcase_add_test(tcase, training_takes_extensions_out);
	tcase_add_test(tcase, training_needs_slips);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
