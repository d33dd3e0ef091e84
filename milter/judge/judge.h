/*
 * NAME
 *	judge - pure: facts in; verdict, score and reasons out
 *
 * WHAT IT DOES
 *	Measures signals on the facts, looks up each one's range in the scorecard, adds the
 *	points. What is done about the score is decided by a rule's thresholds.
 *
 * WHAT IT NEVER DOES
 *	No I/O, no clock, no log, no hidden state: the same facts always give the same
 *verdict.
 *
 * OWNERSHIP
 *	Facts are borrowed for the call. Reasons live in the arena given. A scorecard lives
 *	until judge_scorecard_free().
 *
 * DIAGNOSTICS
 *	judge_scorecard_parse(): REFUSE with "file:line: text". judge_send(): BROKEN, arena
 *full.
 */
#ifndef OOPS_JUDGE_H
#define OOPS_JUDGE_H

#include "milter/audience/value.h"
#include "milter/base/base.h"
#include "milter/identity/value.h"
#include "milter/mail/transaction.h"
#include "milter/memory/value.h"
#include "milter/settings/settings.h"

struct judge_scorecard;

/* The scorecard's text (format: see conf/scorecard.conf); `name` is for messages. */
enum base_result judge_scorecard_parse(const char *text, size_t length, const char *name,
    struct judge_scorecard **scorecard_r, const char **why_r);
/* The one compiled in. */
enum base_result judge_scorecard_default(
    struct judge_scorecard **scorecard_r, const char **why_r);
void judge_scorecard_free(struct judge_scorecard **scorecard);

/* The text that judge_scorecard_parse() reads back as the same value. */
enum base_result judge_scorecard_print(const struct judge_scorecard *scorecard,
    struct base_buffer *text_r, const char **why_r);

struct judge_facts {
	const struct mail_transaction *transaction;
	const struct identity *identity;
	const struct audience *audience;
	const struct memory_recall *recall;
	/* Of identity_own_account(); NULL: there is none, or nothing is known of it. */
	const struct memory_profile *personal;
	bool has_body; /* the start of the body is in the transaction */
};

struct judge_reason {
	const char *signal; /* name in the scorecard */
	double points;
	const char *person;   /* the recipient it names, "" for none */
	const char *text;     /* one sentence for the sender */
	const char *evidence; /* for the auditor: the signal's value and its range */
};

struct judge_verdict {
	enum settings_action action;
	double score;  /* 0..1, rises with suspicion, comparable across senders */
	double points; /* their sum, what score was made of */
	const struct judge_reason
	    *reasons; /* strongest first; only those that add points */
	size_t reason_count;
	bool wants_body; /* the start of the body could change the action */

	/* What deciding needs besides. */
	bool
	    is_confirmed; /* its sender was asked about this very audience before, and sent */
	bool is_regular; /* a regular mailing that is due */
	bool goes_on;    /* since the answered mail came, it wrote to this very audience */
	bool
	    body_may_tell; /* the start of the body is not read yet, and could be worth it */
	double body_score; /* the score if the body added the most that it can */
};

/* Points, score and reasons: they depend on no rule. No action yet (PASS). */
enum base_result judge_score(const struct judge_facts *facts,
    const struct judge_scorecard *scorecard, struct base_arena *arena,
    struct judge_verdict *verdict_r, const char **why_r);
/* What a score must pass before anything is done about it, in this order. */
enum judge_bar {
	JUDGE_BAR_NONE,          /* passed all of them */
	JUDGE_BAR_THRESHOLD,     /* the rule's own */
	JUDGE_BAR_SITE,          /* the percentile of the site's recent scores */
	JUDGE_BAR_NEW_SITE,      /* while that is not known: clearly above the threshold */
	JUDGE_BAR_RULE,          /* the rule stops nothing, or does not even tag */
	JUDGE_BAR_LEARNING_SITE, /* too little is known of the whole site */
	JUDGE_BAR_LEARNING,      /* too little is known of this sender */
	JUDGE_BAR_REGULAR,       /* it is a regular mailing, and due */
	JUDGE_BAR_CONFIRMED,     /* this very audience was confirmed before */
	JUDGE_BAR_GOES_ON,       /* it was written to since the answered mail came */
};

/* Which bar a send did not pass, so that its verdict can be worked out again. */
struct judge_bars {
	enum judge_bar stop;
	enum judge_bar tag;
};

/* What a rule does about a score, the verdict's own or another one. */
enum settings_action judge_decide(const struct judge_facts *facts,
    const struct settings_policy *rule, const struct judge_verdict *verdict, double score,
    struct judge_bars *bars_r);
/* The same where nobody asks why. */
enum settings_action judge_action(const struct judge_facts *facts,
    const struct settings_policy *rule, const struct judge_verdict *verdict, double score);
/* Could the start of the body make a rule hold a send that `now` is less for? */
bool judge_wants_body(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, enum settings_action now);
/* How memory finds the site's own percentile, as the settings say. */
struct memory_calibration judge_calibration(const struct settings *settings);
/* Is there a signal of this name? */
bool judge_has_signal(const char *name);

/* Scores, and decides by this one rule. */
enum base_result judge_send(const struct judge_facts *facts,
    const struct judge_scorecard *scorecard, const struct settings_policy *policy,
    struct base_arena *arena, struct judge_verdict *verdict_r, const char **why_r);

/* Every signal with its value, range and points, then the sum: the arithmetic as text. */
enum base_result judge_explain(const struct judge_facts *facts,
    const struct judge_scorecard *scorecard, const struct settings_policy *policy,
    struct base_buffer *text_r, const char **why_r);

/*
 * The gate that decided what this rule does, and its value, for the audit: "learning:12/20",
 * "threshold:0.9". One that was passed, if it was passed last and the send is held for it.
 */
void judge_gate_write(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, struct base_buffer *gate_r);
/* The verdict of one rule and the bars that decided, as a few lines. */
void judge_explain_bars(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, struct base_buffer *text_r);

/* --- training ----------------------------------------------------------------------- */

/*
 * Fits the points of a scorecard to examples: real sends and slips. The signals, their ranges
 * and trends, and the pairs are those of the scorecard it starts from; its points do not
 * matter. Deterministic. Every history weighs about the same, whatever its size.
 */
struct judge_trainer;

enum base_result judge_trainer_new(const struct judge_scorecard *frame,
    struct judge_trainer **trainer_r, const char **why_r);
void judge_trainer_free(struct judge_trainer **trainer);
/* One example of the present history. */
enum base_result judge_trainer_add(struct judge_trainer *trainer,
    const struct judge_facts *facts, bool is_slip, struct base_arena *arena,
    const char **why_r);
/* The present history is over; what it held so far is told. */
void judge_trainer_end_history(
    struct judge_trainer *trainer, size_t *real_r, size_t *slips_r);
/* REFUSE: not a single slip, or not a single real send. */
enum base_result judge_trainer_fit(struct judge_trainer *trainer,
    struct judge_scorecard **scorecard_r, const char **why_r);

#endif
