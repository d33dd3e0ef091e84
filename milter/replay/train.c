/*
 * NAME
 *	replay/train - examples for a trainer out of a history
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/replay/replay.h"

#define TRAIN_ARENA (16u << 20) /* of one example */

struct training {
	struct judge_trainer *trainer;
	struct base_arena *arena;
	size_t sends; /* so far */
	size_t half;
};

/* Is it a send, by its last field? */
static bool
is_send(const char *line)
{
	const char *mode = strrchr(line, '\t');

	return mode && strcspn(mode + 1, "\n") == 4 && strncmp(mode + 1, "send", 4) == 0;
}

/* How many of a history's lines are sends. */
static size_t
sends_count(FILE *input)
{
	char *line = NULL;
	size_t capacity = 0, count = 0;

	while (getline(&line, &capacity, input) > 0)
		count += is_send(line);
	free(line);
	return count;
}

/* Adds one line as an example. */
static enum base_result
line_add(void *context, const struct replay_line *line, const struct evaluation *evaluation,
    const char **why_r)
{
	struct training *training = context;

	if (training->sends < training->half) {
		training->sends += !line->is_probe;
		return BASE_OK;
	}
	base_arena_reset(training->arena);
	return judge_trainer_add(
	    training->trainer, &evaluation->facts, line->is_probe, training->arena, why_r);
}

/* One more history. */
enum base_result
replay_train(FILE *input, const char *name, const struct settings *settings,
    const struct judge_scorecard *frame, struct judge_trainer *trainer, size_t *real_r,
    size_t *slips_r, const char **why_r)
{
	struct training training = { .trainer = trainer };
	enum base_result result;

	training.half = sends_count(input) / 2;
	if (fseek(input, 0, SEEK_SET) != 0) {
		*why_r = base_why("%s: cannot be read twice: %s", name, strerror(errno));
		return BASE_REFUSE;
	}
	training.arena = base_arena_new(TRAIN_ARENA);
	*why_r = "no memory to train";
	if (!training.arena)
		return BASE_BROKEN;
	result = replay_run(input, name, settings, frame, line_add, &training, why_r);
	base_arena_free(&training.arena);
	if (result == BASE_OK)
		judge_trainer_end_history(trainer, real_r, slips_r);
	return result;
}
