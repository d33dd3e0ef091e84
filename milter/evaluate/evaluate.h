/*
 * NAME
 *	evaluate - one send from its facts to a decision
 *
 * WHAT IT DOES
 *	The way that every send is judged, written once for the daemon, explain, policy,
 *	backtest, train and learn: recall what is usual for its sender (and, where that is
 *	somebody else, for the person who is proved to send), score it, decide about it.
 *
 * WHAT IT NEVER DOES
 *	It learns nothing and changes nothing.
 *
 * OWNERSHIP
 *	What is found lives in the arena of the calls. An evaluation points into itself and is
 *	not copied.
 *
 * DIAGNOSTICS
 *	evaluate_recall(): as history_recall(). evaluate_score(): BROKEN, arena full.
 */
#ifndef OOPS_EVALUATE_H
#define OOPS_EVALUATE_H

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/judge/judge.h"
#include "milter/history/history.h"
#include "milter/policy/policy.h"

/* What a send is compared with. Borrowed. */
struct evaluate_sources {
	const struct settings *settings;
	const struct base_key *key;
	const struct judge_scorecard *scorecard;
	struct history *history;
};

struct evaluation {
	/* Set by the caller: transaction, identity, audience, has_body. */
	struct judge_facts facts;
	/* Set by the caller: login, client, moment, held, has_passed, storm_replies. */
	struct policy_facts asked;

	/* Found, one by one. */
	struct history_recall recall;
	struct history_recall login_recall; /* of identity_own_account() */
	struct judge_score score;
	struct policy_decision decision;
};

/* What is usual. */
enum base_result evaluate_recall(const struct evaluate_sources *sources, struct base_arena *arena,
    struct evaluation *evaluation, const char **why_r);
/* How unusual this is; it was recalled before, and may be scored again with its body. */
enum base_result evaluate_score(const struct evaluate_sources *sources, struct base_arena *arena,
    struct evaluation *evaluation, const char **why_r);
/* What is done about it; it was scored before. As policy_decide(). */
void evaluate_decide(const struct evaluate_sources *sources, struct evaluation *evaluation,
    const struct policy_counts *counts);

#endif
