/*
 * NAME
 *	replay/backtest - what the daemon would have done with a history
 */
#include <errno.h>
#include <string.h>

#include "milter/replay/replay.h"

/* name:points, strongest first. */
static void
reasons_print(FILE *output, const struct judge_verdict *verdict)
{
	if (verdict->reason_count == 0)
		fputs("-", output);
	for (size_t i = 0; i < verdict->reason_count; i++)
		fprintf(output, "%s%s:%.3f", i ? "," : "", verdict->reasons[i].signal,
		    verdict->reasons[i].points);
}

/* The recipient that the first reason names. */
static const char *
first_person(const struct judge_verdict *verdict)
{
	if (verdict->reason_count == 0 || verdict->reasons[0].person[0] == '\0')
		return "-";
	return verdict->reasons[0].person;
}

/* One line of output. */
static enum base_result
line_print(void *context, const struct replay_line *line, const struct judge_facts *facts,
    const struct judge_verdict *verdict, const char **why_r)
{
	const struct replay_options *options = context;

	(void)facts;
	fprintf(options->output, "%zu\t%.9f\t%s\t", line->number, verdict->score,
	    settings_action_str(verdict->action));
	reasons_print(options->output, verdict);
	if (options->with_person)
		fprintf(options->output, "\t%s", first_person(verdict));
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
	enum base_result result = replay_run(options->input, options->name, settings,
	    scorecard, line_print, &context, why_r);

	if (fflush(options->output) != 0 && result == BASE_OK) {
		*why_r = base_why("cannot write: %s", strerror(errno));
		result = BASE_BROKEN;
	}
	return result;
}
