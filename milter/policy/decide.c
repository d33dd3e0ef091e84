/* decide - from a score to what is done about it; see policy.h */
#include "milter/policy/internal.h"

/*
 * Could the start of the body make a rule hold a send that `now` is less for? Asked of the
 * score that it would have if the body added the most that it can.
 */
static bool
could_hold(const struct policy_facts *facts, const struct settings_policy *rule,
    const struct judge_score *score, enum settings_action now)
{
	struct judge_score most = *score;
	struct policy_gates gates;
	enum settings_action action;

	most.score = score->body_score;
	action = policy_gates_pass(facts, rule, &most, &gates);
	return action > SETTINGS_TAG && action > now;
}

/*
 * Is the body's start worth reading? Also for a rule before the chosen one that only lacks its
 * reason.
 */
static bool
wants_body(const struct policy_facts *facts, const struct judge_score *score,
    const struct policy_decision *decision)
{
	const struct settings_policy *rule = facts->settings->policies;
	char scratch[256];

	if (!score->body_may_add)
		return false;
	if (could_hold(facts, decision->rule, score, decision->action))
		return true;
	for (; rule < decision->rule; rule++)
		if (rule->match.reason_count > 0 &&
		    policy_mismatch_but_reasons(facts, &rule->match, scratch, sizeof(scratch)) ==
			NULL &&
		    could_hold(facts, rule, score, decision->action))
			return true;
	return false;
}

/* What the chosen rule makes of the score. */
static void
score_apply(const struct policy_facts *facts, const struct judge_score *score,
    struct policy_decision *decision)
{
	struct policy_gates gates;

	decision->action = policy_gates_pass(facts, decision->rule, score, &gates);
	decision->gate =
	    gates.hold == POLICY_GATE_NONE ? policy_gate_last(facts->recall) : gates.hold;
	decision->wants_body = wants_body(facts, score, decision);
}

/* All entries of a submission share one fate, whatever one of them would be by itself. */
static void
submission_apply(const struct policy_facts *facts, struct policy_decision *decision)
{
	if (facts->held > decision->action) {
		decision->action = facts->held;
		decision->gate = POLICY_GATE_SUBMISSION;
	}
	decision->wanted = decision->action;
}

/* It is only tagged. */
static void
limit(struct policy_decision *decision, enum policy_gate gate, const char *by)
{
	decision->action = SETTINGS_TAG;
	decision->gate = gate;
	decision->limited_by = by;
}

/*
 * Nobody can be asked, or somebody has it already, or the site only looks. What is held with
 * another entry is the same interruption: neither monitor nor a budget is asked about it.
 */
static void
limits_apply(const struct policy_facts *facts, const struct policy_counts *counts,
    struct policy_decision *decision)
{
	if (decision->action <= SETTINGS_TAG)
		return;
	if (!facts->is_proved_person)
		limit(decision, POLICY_GATE_PROOF, identity_proof_str(facts->proof));
	else if (facts->has_passed && facts->held == SETTINGS_PASS)
		limit(decision, POLICY_GATE_SERIES, "series");
	else if (facts->held > SETTINGS_TAG)
		return;
	else if (facts->settings->monitor)
		limit(decision, POLICY_GATE_MONITOR, "monitor");
	else if (counts != NULL)
		policy_budget_apply(counts, decision);
}

bool
policy_only_tags(const struct policy_facts *facts, const struct settings_policy *rule)
{
	return facts->settings->monitor || rule->action == SETTINGS_TAG;
}

/* It waits for the storm's end, unless it is asked about for its own sake. */
static void
storm_apply(const struct policy_facts *facts, struct policy_decision *decision)
{
	if (facts->storm_replies == 0 || decision->action >= SETTINGS_CONFIRM)
		return;
	decision->is_storm = !policy_only_tags(facts, decision->rule);
	if (!decision->is_storm)
		decision->action = SETTINGS_TAG;
	else
		decision->gate = POLICY_GATE_STORM;
}

struct policy_decision
policy_decide(const struct policy_facts *facts, const struct judge_score *score,
    const struct policy_counts *counts)
{
	struct policy_decision decision = { .rule = policy_choose(facts, score) };

	score_apply(facts, score, &decision);
	submission_apply(facts, &decision);
	limits_apply(facts, counts, &decision);
	storm_apply(facts, &decision);
	return decision;
}
