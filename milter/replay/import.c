/*
 * NAME
 *	replay/import - learns mail of the past
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/replay/internal.h"

#define IMPORT_ARENA (64u << 20) /* of one mail */
#define IMPORT_TRIES 30          /* for the store's lock, each as long as its busy time */
#define IMPORT_PAUSE_MS 20       /* between batches: the daemon's turn */

/* Whose habits it shows: the local person that it is from; "" for nobody's. */
static const char *
actor_find(const struct settings *settings, const struct mail_transaction *transaction)
{
	const char *names[] = { transaction->from, transaction->envelope_sender };

	if (mail_transaction_is_automatic(transaction))
		return "";
	for (size_t i = 0; i < 2; i++)
		for (size_t d = 0; d < settings->identity.local_domain_count; d++)
			if (strcmp(mail_domain_of(names[i]), settings->identity.local_domains[d]) ==
			    0)
				return names[i];
	return "";
}

/* How far the present file is read; a last line without its end was counted with it. */
void
replay_import_progress(const struct replay_import *import)
{
	bool is_over = import->total && import->done > import->total;

	if (import->options.progress)
		import->options.progress(
		    import->options.context, is_over ? import->total : import->done, import->total);
}

/* Begins a batch, however long somebody else writes. */
static enum base_result
batch_begin(struct replay_import *import, const char **why_r)
{
	enum base_result result = BASE_RETRY;

	for (int i = 0; i < IMPORT_TRIES && result == BASE_RETRY; i++)
		result = history_import_begin(import->options.history, why_r);
	import->is_begun = result == BASE_OK;
	return result;
}

/* Ends a batch. */
static enum base_result
batch_end(struct replay_import *import, const char **why_r)
{
	if (!import->is_begun)
		return BASE_OK;
	import->is_begun = false;
	return history_import_end(import->options.history, why_r);
}

/* What the judge would have said, for the site's own percentile. */
static enum base_result
mail_judge(struct replay_import *import, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, const struct audience *audience, double *score_r,
    const char **why_r)
{
	const struct replay_import_options *options = &import->options;
	const struct evaluate_sources sources = { options->settings, options->key,
		options->scorecard, options->history };
	const struct identity identity = {
		.proof = IDENTITY_LOGIN, .actor = actor, .person = actor, .is_local = true
	};
	struct evaluation evaluation = {
		.facts = { .transaction = transaction, .identity = &identity, .audience = audience }
	};
	enum base_result result = evaluate_recall(&sources, arena, &evaluation, why_r);

	if (result == BASE_OK)
		result = evaluate_score(&sources, arena, &evaluation, why_r);
	if (result == BASE_OK && evaluation.score.body_may_add && transaction->text_length > 0) {
		/* the daemon asks for it where it could decide */
		evaluation.facts.has_body = true;
		result = evaluate_score(&sources, arena, &evaluation, why_r);
	}
	if (result == BASE_OK)
		*score_r = evaluation.score.score;
	return result;
}

/* Learns a mail that was not known, inside a batch. */
static enum base_result
mail_learn(struct replay_import *import, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, const struct audience *audience, const char **why_r)
{
	const struct replay_import_options *options = &import->options;
	size_t people = audience_people(audience, 0), length;
	const void *observation;
	double score = -1;
	enum base_result result = history_observation(
	    options->key, arena, actor, transaction, people, score, &observation, &length, why_r);

	if (result == BASE_OK)
		result = history_import_known(
		    options->history, options->key, observation, length, why_r);
	if (result == BASE_OK)
		import->count.known++;
	if (result != BASE_NONE)
		return result;
	result = BASE_OK;
	if (*actor)
		result = mail_judge(import, arena, actor, transaction, audience, &score, why_r);
	if (result == BASE_OK)
		result = history_observation(options->key, arena, actor, transaction, people, score,
		    &observation, &length, why_r);
	if (result == BASE_OK)
		result = history_import(options->history, options->key, observation, length, why_r);
	if (result == BASE_OK)
		import->count.learned++;
	return result;
}

/* Is it a letter of ours? They come from an address that no person writes with. */
static bool
is_own(const struct replay_import *import, const struct mail_transaction *transaction)
{
	const char *from = import->options.settings->notice.from;

	return from != NULL && (strcasecmp(transaction->from, from) == 0 ||
				   strcasecmp(transaction->envelope_sender, from) == 0);
}

/* Is there nothing to learn from it? */
static bool
is_of_no_use(const struct replay_import *import, const struct mail_transaction *transaction)
{
	return transaction->recipients.count == 0 ||
	       (!*transaction->envelope_sender && !*transaction->from) ||
	       transaction->time < import->now - HISTORY_IMPORT_OLDEST ||
	       transaction->time > import->now + REPLAY_IMPORT_FUTURE;
}

/* How many people a local person's mail goes to. Of other mail the daemon does not ask either. */
static struct audience
mail_count(const struct replay_import *import, const char *actor,
    const struct mail_transaction *transaction)
{
	struct audience audience = { .kind = AUDIENCE_EXACT,
		.people = audience_recipients(transaction, actor) };

	if (*actor && import->options.audience)
		audience_count(import->options.audience, transaction, actor, &audience);
	return audience;
}

/* One mail, in the order in which they come. */
enum base_result
replay_import_mail(void *context, struct base_arena *arena, struct mail_transaction *transaction,
    const char **why_r)
{
	struct replay_import *import = context;
	struct audience audience;
	const char *actor;
	enum base_result result;

	if (mail_transaction_strip_extensions(arena, transaction,
		import->options.settings->identity.recipient_delimiter) != BASE_OK) {
		*why_r = "no memory for a mail";
		return BASE_BROKEN;
	}
	if (is_own(import, transaction)) {
		import->count.own++;
		return BASE_OK;
	}
	if (is_of_no_use(import, transaction)) {
		import->count.skipped++;
		return BASE_OK;
	}
	if (import->options.audience)
		transaction->inside = audience_inside(import->options.audience);
	actor = actor_find(import->options.settings, transaction);
	audience = mail_count(import, actor, transaction);
	result = batch_begin(import, why_r);
	if (result == BASE_OK)
		result = mail_learn(import, arena, actor, transaction, &audience, why_r);
	if (result != BASE_OK || !history_import_is_full(import->options.history))
		return result;
	result = batch_end(import, why_r);
	replay_import_progress(import);
	base_sleep_ms(IMPORT_PAUSE_MS);
	return result;
}

struct replay_import *
replay_import_new(const struct replay_import_options *options)
{
	struct replay_import *import = calloc(1, sizeof(*import));
	struct history_calibration calibration = judge_calibration(options->settings);

	if (!import)
		return NULL;
	history_calibrate(options->history, &calibration);
	import->options = *options;
	import->now = base_now();
	import->arena = base_arena_new(IMPORT_ARENA);
	if (import->arena)
		import->log = replay_log_new(import->arena, replay_import_mail, import);
	if (!import->log)
		replay_import_free(&import);
	return import;
}

void
replay_import_free(struct replay_import **import)
{
	const char *why;

	if (!*import)
		return;
	(void)batch_end(*import, &why);
	replay_log_free(&(*import)->log);
	base_arena_free(&(*import)->arena);
	free(*import);
	*import = NULL;
}

enum base_result
replay_import_end(struct replay_import *import, struct replay_count *count_r, const char **why_r)
{
	enum base_result result = batch_end(import, why_r);

	*count_r = import->count;
	if (result != BASE_OK || import->has_read)
		return result;
	*why_r = "nothing was read: there is no line and no message in what was given";
	return BASE_NONE;
}
