/*
 * NAME
 *	replay/backtest - what the daemon would have done with a history
 */
#include <errno.h>
#include <string.h>

#include "milter/base/result.h"
#include "milter/replay/replay.h"

/* name:points, strongest first. */
static void
reasons_print(FILE *output, const struct judge_score *score)
{
	if (score->reason_count == 0)
		fputs("-", output);
	for (size_t i = 0; i < score->reason_count; i++)
		fprintf(output, "%s%s:%.3f", i ? "," : "", score->reasons[i].signal,
		    score->reasons[i].points);
}

/* The recipient that the first reason names. */
static const char *
first_person(const struct judge_score *score)
{
	if (score->reason_count == 0 || score->reasons[0].person[0] == '\0')
		return "-";
	return score->reasons[0].person;
}

/* One line of output. */
static enum base_result
line_print(void *context, const struct replay_line *line, const struct evaluation *evaluation,
    const char **why_r)
{
	const struct replay_options *options = context;
	const struct judge_score *score = &evaluation->score;

	fprintf(options->output, "%zu\t%.9f\t%s\t", line->number, score->score,
	    settings_action_str(evaluation->decision.action));
	reasons_print(options->output, score);
	if (options->with_person)
		fprintf(options->output, "\t%s", first_person(score));
	if (putc('\n', options->output) == EOF) {
		*why_r = base_why("cannot write: %s", strerror(errno));
		return BASE_BROKEN;
	}
	return BASE_OK;
}

/* Judges and learns a history, one line out for each line in. */
enum base_result
replay_backtest(const struct replay_options *options, const struct settings *settings,
    const struct judge_scorecard *scorecard, const char **why_r)
{
	struct replay_options context = *options;
	enum base_result result = replay_run(
	    options->input, options->name, settings, scorecard, line_print, &context, why_r);

	if (fflush(options->output) != 0 && result == BASE_OK) {
		*why_r = base_why("cannot write: %s", strerror(errno));
		result = BASE_BROKEN;
	}
	return result;
}
