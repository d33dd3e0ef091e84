/*
 * NAME
 *	oopsctl backtest - judge and learn a history, one line out for each line in
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] backtest --input FILE --output FILE [--scorecard FILE] [--person]
 *
 * DIAGNOSTICS
 *	EX_USAGE, EX_NOINPUT, EX_CANTCREAT; EX_DATAERR: a malformed line, told with its number;
 *	EX_CONFIG: the scorecard is wrong; EX_SOFTWARE: no memory, or reading or writing failed;
 *	128 + N: signal N ended it, and the lines so far are written, whole.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/base/interrupt.h"
#include "milter/base/result.h"
#include "milter/replay/replay.h"

struct arguments {
	const char *input;
	const char *output;
	const char *scorecard;
	bool with_person;
};

/* The command line; false: wrong. */
static bool
arguments_parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{ "input", required_argument, NULL, 'i' },
		{ "output", required_argument, NULL, 'o' },
		{ "scorecard", required_argument, NULL, 's' },
		{ "person", no_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'i')
			arguments->input = optarg;
		else if (option == 'o')
			arguments->output = optarg;
		else if (option == 's')
			arguments->scorecard = optarg;
		else if (option == 'p')
			arguments->with_person = true;
		else
			return false;
	}
	return optind == argc && arguments->input && arguments->output;
}

/* Runs with files open. */
static int
backtest_run(const struct settings *settings, const struct replay_options *options)
{
	struct judge_scorecard *scorecard = NULL;
	const char *why = "";
	enum base_result result = config_scorecard_load(settings, &scorecard, &why);

	if (result != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return EX_CONFIG;
	}
	result = replay_backtest(options, settings, scorecard, &why);
	judge_scorecard_free(&scorecard);
	if (result == BASE_OK)
		return EX_OK;
	fprintf(stderr, "oopsctl: %s\n", why);
	if (base_interrupted() != 0)
		return BASE_INTERRUPTED + base_interrupted();
	return result == BASE_REFUSE ? EX_DATAERR : EX_SOFTWARE;
}

/* Opens a file, or a standard stream for "-". */
static FILE *
file_open(const char *path, const char *mode, FILE *standard)
{
	FILE *file = strcmp(path, "-") == 0 ? standard : fopen(path, mode);

	if (!file)
		fprintf(stderr, "oopsctl: %s: %s\n", path, strerror(errno));
	return file;
}

/* oopsctl backtest */
int
admin_backtest(const struct settings *settings, int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct replay_options options = { 0 };
	struct settings with_scorecard = *settings;
	int status;

	if (!arguments_parse(argc, argv, &arguments)) {
		fputs("usage: oopsctl [-c FILE] backtest --input FILE --output FILE "
		      "[--person]\n",
		    stderr);
		return EX_USAGE;
	}
	options.name = strcmp(arguments.input, "-") == 0 ? "(standard input)" : arguments.input;
	options.with_person = arguments.with_person;
	options.input = file_open(arguments.input, "r", stdin);
	if (!options.input)
		return EX_NOINPUT;
	options.output = file_open(arguments.output, "w", stdout);
	if (!options.output) {
		if (options.input != stdin)
			fclose(options.input);
		return EX_CANTCREAT;
	}
	base_interrupt_catch();
	if (arguments.scorecard)
		with_scorecard.judge.scorecard = arguments.scorecard;
	status = backtest_run(&with_scorecard, &options);
	if (options.input != stdin)
		fclose(options.input);
	if (options.output != stdout && fclose(options.output) != 0 && status == EX_OK) {
		fprintf(stderr, "oopsctl: %s: %s\n", arguments.output, strerror(errno));
		status = EX_SOFTWARE;
	}
	return status;
}
