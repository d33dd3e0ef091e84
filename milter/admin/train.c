/*
 * NAME
 *	oopsctl train - fit the points of a scorecard to histories
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] train [--frame FILE] --output FILE HISTORY...
 *
 * DIAGNOSTICS
 *	EX_USAGE, EX_NOINPUT, EX_CANTCREAT; EX_DATAERR: a malformed line, or no slips;
 *	EX_CONFIG: the frame is wrong; EX_SOFTWARE: no memory, or writing failed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/replay/replay.h"

#define TRAIN_MAX_TEXT (1u << 20)

/* What every scorecard says of itself. */
static const char card_head[] =
    "# The scorecard: how many points each range of each signal adds to a send.\n"
    "#\n"
    "# The points are added up; the score is 1 / (1 + e^-(sum / scale)). `oopsctl "
    "explain`\n"
    "# shows the arithmetic for one message.\n"
    "#\n"
    "#   base POINTS          where every send starts\n"
    "#   scale POINTS         how many points make the odds e times as high (1 if not "
    "said)\n"
    "#   signal NAME TREND    then one line per range: LOW..HIGH POINTS, LOW included and\n"
    "#                        HIGH not. The ranges reach from -inf to inf without a gap;\n"
    "#                        `unknown` is for sends where it cannot be measured. The "
    "trend\n"
    "#                        (rising, falling, free) only matters to oopsctl train.\n"
    "#   pair NAME NAME       points for two signals together: `columns` lists the ranges "
    "of\n"
    "#                        the second one, then one line per range of the first.\n"
    "#\n"
    "# A file that is wrong in any place is refused, and the scorecard in use stays in "
    "force.\n";

struct training {
	const struct settings *settings;
	struct judge_scorecard *frame;
	struct judge_trainer *trainer;
	struct base_buffer notes; /* what it was trained on, for the head of the file */
};

/* Tells why, and with which code to end. */
static int
failed(enum base_result result, const char *why)
{
	fprintf(stderr, "oopsctl: %s\n", why);
	return result == BASE_REFUSE ? EX_DATAERR : EX_SOFTWARE;
}

/* The name of a file without its folders. */
static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Adds one history. */
static int
history_add(struct training *training, const char *path)
{
	FILE *input = fopen(path, "r");
	size_t real = 0, slips = 0;
	const char *why = "";
	enum base_result result;

	if (!input) {
		fprintf(stderr, "oopsctl: %s: %s\n", path, strerror(errno));
		return EX_NOINPUT;
	}
	result = replay_train(input, path, training->settings, training->frame, training->trainer,
	    &real, &slips, &why);
	fclose(input);
	if (result != BASE_OK)
		return failed(result, why);
	base_buffer_printf(
	    &training->notes, "#   %s: %zu real sends, %zu slips\n", base_name(path), real, slips);
	return EX_OK;
}

/* Ends what was written; false: not all of it was, errno tells why. */
static bool
output_end(FILE *output)
{
	bool is_whole = fflush(output) == 0 && !ferror(output);

	return (output == stdout || fclose(output) == 0) && is_whole;
}

/* Writes the fitted scorecard. */
static int
card_write(struct training *training, const char *path)
{
	struct judge_scorecard *card = NULL;
	struct base_buffer text;
	const char *why = "";
	FILE *output = NULL;
	int status = EX_OK;
	enum base_result result = judge_trainer_fit(training->trainer, &card, &why);

	base_buffer_init(&text, TRAIN_MAX_TEXT);
	if (result == BASE_OK)
		result = judge_scorecard_print(card, &text, &why);
	judge_scorecard_free(&card);
	if (result != BASE_OK)
		status = failed(result, why);
	else if (!(output = strcmp(path, "-") == 0 ? stdout : fopen(path, "w")))
		status = EX_CANTCREAT;
	else
		fprintf(output,
		    "%s#\n# These points were fitted by oopsctl train to the second halves "
		    "of\n%s\n%s",
		    card_head, base_buffer_text(&training->notes), base_buffer_text(&text));
	if (output && !output_end(output))
		status = EX_CANTCREAT;
	if (status == EX_CANTCREAT)
		fprintf(stderr, "oopsctl: %s: %s\n", path, strerror(errno));
	base_buffer_free(&text);
	return status;
}

/* The scorecard whose signals, ranges and pairs are kept. */
static int
frame_load(struct training *training, const char *path)
{
	struct settings with_frame = *training->settings;
	const char *why = "";

	if (path)
		with_frame.judge.scorecard = path;
	if (config_scorecard_load(&with_frame, &training->frame, &why) == BASE_OK &&
	    judge_trainer_new(training->frame, &training->trainer, &why) == BASE_OK)
		return EX_OK;
	fprintf(stderr, "oopsctl: %s\n", why);
	return EX_CONFIG;
}

/* oopsctl train */
int
admin_train(const struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{ "frame", required_argument, NULL, 'f' },
		{ "output", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	struct training training = { .settings = settings };
	const char *frame = NULL, *output = NULL;
	bool is_right = true;
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'f')
			frame = optarg;
		else if (option == 'o')
			output = optarg;
		else
			is_right = false;
	}
	if (!is_right || optind >= argc || !output) {
		fputs("usage: oopsctl [-c FILE] train [--frame FILE] --output FILE "
		      "HISTORY...\n",
		    stderr);
		return EX_USAGE;
	}
	base_buffer_init(&training.notes, TRAIN_MAX_TEXT);
	status = frame_load(&training, frame);
	for (; optind < argc && status == EX_OK; optind++)
		status = history_add(&training, argv[optind]);
	if (status == EX_OK)
		status = card_write(&training, output);
	base_buffer_free(&training.notes);
	judge_trainer_free(&training.trainer);
	judge_scorecard_free(&training.frame);
	return status;
}
