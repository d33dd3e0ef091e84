/*
 * NAME
 *	replay - histories in lines: judge and learn them, train a scorecard on them
 *
 * WHAT IT DOES
 *	Reads one send a line, time-ordered, tab-separated:
 *
 *	unix_time  sender  recipients,with,commas  message_id or -  in_reply_to or -  mode
 *
 *	where mode is `send` (judged, then learned) or `probe` (only judged). Angle brackets
 *	around an id do not belong to it. Runs the very
 *	code that the daemon runs, over an empty memory of its own that nothing else sees.
 *
 * WHAT IT NEVER DOES
 *	It touches no site data, resolves no lists, and guesses nothing: a line that is not
 *	exactly as above ends the run.
 *
 * DIAGNOSTICS
 *	REFUSE: a malformed line, "NAME:LINE: text"; in a run also a send whose time is
 *	before that of the send before it. BROKEN: no memory, or reading or writing
 *	failed.
 */
#ifndef OOPS_REPLAY_H
#define OOPS_REPLAY_H

#include <stdio.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/evaluate/evaluate.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

/* One line of a history. */
struct replay_line {
	size_t number;                        /* from 1 */
	struct mail_transaction *transaction; /* its envelope_sender is the proven actor */
	bool is_probe;
};

/* Reads a history line by line. */
struct replay_reader;

/* `name` is for messages; `input` is borrowed. NULL: no memory. */
struct replay_reader *replay_reader_new(FILE *input, const char *name);
void replay_reader_free(struct replay_reader **reader);
/* The next line, in the arena. NONE: the history is over; RETRY: the job was told to end. */
enum base_result replay_reader_next(struct replay_reader *reader, struct base_arena *arena,
    struct replay_line *line_r, const char **why_r);

/* What a run is told about each line, after it was judged and before it is learned. */
typedef enum base_result replay_fn(void *context, const struct replay_line *line,
    const struct evaluation *evaluation, const char **why_r);

/*
 * Replays a whole history by the policies and the scorecard. `each` may end the run by
 * returning anything but OK.
 */
enum base_result replay_run(FILE *input, const char *name, const struct settings *settings,
    const struct judge_scorecard *scorecard, replay_fn *each, void *context, const char **why_r);

struct replay_options {
	FILE *input;
	const char *name;
	FILE *output;
	bool with_person; /* a fifth column: the recipient that the first reason names */
};

/* One line of output per line: number, score, verdict, reasons as name:points. */
enum base_result replay_backtest(const struct replay_options *options,
    const struct settings *settings, const struct judge_scorecard *scorecard, const char **why_r);

/*
 * One more history for a trainer. Its first half is only learned; in its second half sends
 * are real examples, and probes are slips. `input` must be a file that can be read twice.
 */
enum base_result replay_train(FILE *input, const char *name, const struct settings *settings,
    const struct judge_scorecard *frame, struct judge_trainer *trainer, size_t *real_r,
    size_t *slips_r, const char **why_r);

#endif
