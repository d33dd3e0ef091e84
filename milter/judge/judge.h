/*
 * NAME
 *	judge - pure: facts in; score and reasons out
 *
 * WHAT IT DOES
 *	Measures signals on the facts, looks up each one's range in the scorecard, adds the
 *	points. What is done about the score is policy's.
 *
 * WHAT IT NEVER DOES
 *	No I/O, no clock, no log, no hidden state: the same facts always give the same score. No
 *	sentence for the sender: words has those.
 *
 * OWNERSHIP
 *	Facts are borrowed. Reasons live in the arena given; the addresses and names in them are
 *	those of the facts. A scorecard lives until judge_scorecard_free().
 *
 * DIAGNOSTICS
 *	judge_scorecard_parse(): REFUSE with "file:line: text". judge_score(): BROKEN, arena full.
 */
#ifndef OOPS_JUDGE_H
#define OOPS_JUDGE_H

#include "milter/audience/value.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/identity/value.h"
#include "milter/mail/transaction.h"
#include "milter/history/value.h"
#include "milter/settings/settings.h"
#include "milter/words/reason.h"

struct judge_scorecard;

/* The scorecard's text (format: see conf/scorecard.conf); `name` is for messages. */
enum base_result judge_scorecard_parse(const char *text, size_t length, const char *name,
    struct judge_scorecard **scorecard_r, const char **why_r);
/* The one compiled in. */
enum base_result judge_scorecard_default(struct judge_scorecard **scorecard_r, const char **why_r);
void judge_scorecard_free(struct judge_scorecard **scorecard);

/* The text that judge_scorecard_parse() reads back as the same value. */
enum base_result judge_scorecard_print(
    const struct judge_scorecard *scorecard, struct base_buffer *text_r, const char **why_r);

struct judge_facts {
	const struct mail_transaction *transaction;
	const struct identity *identity;
	const struct audience *audience;
	const struct history_recall *recall;
	/* Of identity_own_account(); NULL: there is none, or nothing is known of it. */
	const struct history_recall *login_recall;
	bool has_body; /* the start of the body is in the transaction */
};

struct judge_reason {
	const char *signal; /* name in the scorecard */
	double points;
	const char *person;           /* the recipient it names, "" for none */
	struct words_reason reported; /* what its sentence for the sender is made of */
	const char *evidence;         /* for the auditor: the signal's value and its range */
};

struct judge_score {
	double score;  /* 0..1, rises with suspicion, comparable across senders */
	double points; /* their sum, what score was made of */
	const struct judge_reason *reasons; /* strongest first; only those that add points */
	size_t reason_count;

	/* What deciding needs besides. */
	bool is_confirmed; /* its sender was asked about this very audience before, and sent */
	bool is_regular;   /* a regular mailing that is due */
	/* since the replied-to mail came, its sender wrote to this very audience */
	bool conversation_continues;
	bool body_may_add; /* the start of the body is not read yet, and could be worth it */
	double body_score; /* the score if the body added the most that it can */
};

/* They depend on no rule. */
enum base_result judge_score(const struct judge_facts *facts,
    const struct judge_scorecard *scorecard, struct base_arena *arena, struct judge_score *score_r,
    const char **why_r);
/* How memory finds the site's own percentile, as the settings say. */
struct history_calibration judge_calibration(const struct settings *settings);
/* Is there a signal of this name? */
bool judge_has_signal(const char *name);

/* Every signal with its value, range and points, then the sum: the arithmetic as text. */
enum base_result judge_explain(const struct judge_facts *facts,
    const struct judge_scorecard *scorecard, struct base_buffer *text_r, const char **why_r);

/* --- training ----------------------------------------------------------------------- */

/*
 * Fits the points of a scorecard to examples: real sends and slips. The signals, their ranges
 * and trends, and the pairs are those of the scorecard it starts from; its points do not
 * matter. Deterministic. Every history weighs about the same, whatever its size.
 */
struct judge_trainer;

enum base_result judge_trainer_new(
    const struct judge_scorecard *frame, struct judge_trainer **trainer_r, const char **why_r);
void judge_trainer_free(struct judge_trainer **trainer);
/* One example of the present history. */
enum base_result judge_trainer_add(struct judge_trainer *trainer, const struct judge_facts *facts,
    bool is_slip, struct base_arena *arena, const char **why_r);
/* The present history is over; what it held so far is told. */
void judge_trainer_end_history(struct judge_trainer *trainer, size_t *real_r, size_t *slips_r);
/* REFUSE: not a single slip, or not a single real send. */
enum base_result judge_trainer_fit(
    struct judge_trainer *trainer, struct judge_scorecard **scorecard_r, const char **why_r);

#endif
