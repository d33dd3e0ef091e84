/*
 * NAME
 *	replay - a history through the daemon's own code
 */
#include "milter/audience/audience.h"
#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/history/history.h"
#include "milter/replay/replay.h"

#define REPLAY_ARENA (64u << 20) /* of one line */

/* What a run keeps. */
struct replay {
	struct base_key *key;
	struct history *history;
	struct base_arena *arena;
	struct replay_reader *reader;
	const struct settings *settings;
	const struct judge_scorecard *scorecard;
	const char *name;
	int64_t time; /* of the line before */
	replay_fn *each;
	void *context;
};

/*
 * Is it not before the send before? What is usual is what was sent until then. A probe is
 * judged where it stands: it moves no clock.
 */
static enum base_result
line_order(struct replay *replay, const struct replay_line *line, const char **why_r)
{
	int64_t time = line->transaction->time;

	if (line->is_probe)
		return BASE_OK;
	if (time < replay->time) {
		*why_r = base_why("%s:%zu: time %lld is before that of the send before",
		    replay->name, line->number, (long long)time);
		return BASE_REFUSE;
	}
	replay->time = time;
	return BASE_OK;
}

/* Recalls, scores and decides one line; budgets do not count here. */
static enum base_result
line_evaluate(struct replay *replay, struct evaluation *evaluation, const char **why_r)
{
	const struct evaluate_sources sources = { replay->settings, replay->key, replay->scorecard,
		replay->history };
	enum base_result result = evaluate_recall(&sources, replay->arena, evaluation, why_r);

	if (result == BASE_OK)
		result = evaluate_score(&sources, replay->arena, evaluation, why_r);
	if (result != BASE_OK)
		return result;
	evaluation->asked.login = "";
	if (replay->settings->policy_count > 1) /* else no rule asks for the time */
		evaluation->asked.moment = policy_moment_of(evaluation->facts.transaction->time);
	evaluate_decide(&sources, evaluation, NULL);
	return BASE_OK;
}

/* Learns one line. */
static enum base_result
line_learn(struct replay *replay, const struct replay_line *line, double score, const char **why_r)
{
	const void *observation;
	size_t length;
	enum base_result result =
	    history_observation(replay->key, replay->arena, line->transaction->envelope_sender,
		line->transaction, 0, score, &observation, &length, why_r);

	if (result == BASE_OK)
		result = history_observe(replay->history, observation, length, why_r);
	return result;
}

/* One line: judged, told, learned. */
static enum base_result
line_run(struct replay *replay, const struct replay_line *line, const char **why_r)
{
	const char *sender = line->transaction->envelope_sender;
	struct identity identity = {
		.proof = IDENTITY_LOGIN,
		.actor = sender,
		.person = sender,
		.is_local = true,
	};
	struct audience audience = {
		.kind = AUDIENCE_EXACT,
		.people = audience_recipients(line->transaction, sender),
	};
	struct evaluation *evaluation = base_arena_alloc(replay->arena, sizeof(*evaluation));
	enum base_result result;

	if (!evaluation) {
		*why_r = base_why("no memory for a line");
		return BASE_BROKEN;
	}
	*evaluation = (struct evaluation){ .facts = { .transaction = line->transaction,
					       .identity = &identity,
					       .audience = &audience } };
	result = line_evaluate(replay, evaluation, why_r);
	if (result == BASE_OK)
		result = replay->each(replay->context, line, evaluation, why_r);
	if (result == BASE_OK && !line->is_probe)
		result = line_learn(replay, line, evaluation->score.score, why_r);
	return result;
}

/* Takes the extensions out of a line's addresses, where the site does. */
static enum base_result
line_fold(struct replay *replay, const struct replay_line *line, const char **why_r)
{
	enum base_result result = mail_transaction_strip_extensions(
	    replay->arena, line->transaction, replay->settings->identity.recipient_delimiter);

	if (result != BASE_OK)
		*why_r = base_why("no memory for a line");
	return result;
}

/* An empty memory with a key that is nobody's. */
static enum base_result
replay_begin(struct replay *replay, FILE *input, const char *name, const char **why_r)
{
	static const unsigned char bytes[32] = { 'r', 'e', 'p', 'l', 'a', 'y' };
	struct history_options options = { .observe_at_once = true };
	enum base_result result = base_crypto_start(why_r);
	struct history_calibration calibration;

	if (result == BASE_OK)
		result = base_key_from_bytes(bytes, &replay->key);
	if (result == BASE_OK)
		result = history_open(&options, &replay->history, why_r);
	if (result != BASE_OK)
		return result;
	calibration = judge_calibration(replay->settings);
	history_calibrate(replay->history, &calibration);
	replay->arena = base_arena_new(REPLAY_ARENA);
	replay->reader = replay_reader_new(input, name);
	if (!replay->arena || !replay->reader) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	return BASE_OK;
}

/* Replays a whole history. */
enum base_result
replay_run(FILE *input, const char *name, const struct settings *settings,
    const struct judge_scorecard *scorecard, replay_fn *each, void *context, const char **why_r)
{
	struct replay replay = {
		.name = name,
		.settings = settings,
		.scorecard = scorecard,
		.each = each,
		.context = context,
	};
	struct replay_line line;
	enum base_result result = replay_begin(&replay, input, name, why_r);

	while (result == BASE_OK) {
		base_arena_reset(replay.arena);
		result = replay_reader_next(replay.reader, replay.arena, &line, why_r);
		if (result == BASE_OK)
			result = line_order(&replay, &line, why_r);
		if (result == BASE_OK)
			result = line_fold(&replay, &line, why_r);
		if (result == BASE_OK)
			result = line_run(&replay, &line, why_r);
	}
	replay_reader_free(&replay.reader);
	history_close(&replay.history);
	base_key_free(&replay.key);
	base_arena_free(&replay.arena);
	return result == BASE_NONE ? BASE_OK : result;
}
