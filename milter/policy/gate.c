/* gate - a score against one rule: what it must pass before anything is done; see policy.h */
#include "milter/policy/internal.h"

unsigned long
policy_sends_needed(const struct history_recall *recall, const struct settings_policy *rule)
{
	return recall->site_score > 0 ? rule->learning.sends : rule->learning.sends_new_site;
}

double
policy_new_site_threshold(const struct settings_policy *rule, double threshold)
{
	double odds = rule->learning.new_site_odds * threshold / (1 - threshold);

	return threshold >= 1 ? threshold : odds / (1 + odds);
}

enum policy_gate
policy_gate_last(const struct history_recall *recall)
{
	return recall->site_score > 0 ? POLICY_GATE_PERCENTILE : POLICY_GATE_NEW_SITE;
}

/* Is too little known of this sender to hold mail? */
static bool
is_learning(const struct history_recall *recall, const struct settings_policy *rule)
{
	unsigned long needed = policy_sends_needed(recall, rule);

	return needed > 0 && recall->sender.sends < needed;
}

/* Is too little known of the whole site? */
static bool
is_learning_site(const struct history_recall *recall, const struct settings_policy *rule)
{
	unsigned long needed = rule->learning.site_sends;

	return needed > 0 && recall->site.sends < needed;
}

/* What a score is not above: the rule's threshold, or the site's own percentile. */
static enum policy_gate
height_gate(const struct settings_policy *rule, double score, double threshold, double percentile)
{
	if (score < threshold)
		return POLICY_GATE_THRESHOLD;
	if (percentile > 0)
		return score > percentile ? POLICY_GATE_NONE : POLICY_GATE_PERCENTILE;
	if (score >= 1 ||
	    score / (1 - score) >= rule->learning.new_site_odds * threshold / (1 - threshold))
		return POLICY_GATE_NONE;
	return POLICY_GATE_NEW_SITE;
}

/*
 * What keeps a send from being held whatever its score is. Confirming teaches; and who has
 * just written to these very people is in a conversation with them.
 */
static enum policy_gate
exemption_gate(const struct history_recall *recall, const struct settings_policy *rule,
    const struct judge_score *score)
{
	if (rule->action <= SETTINGS_TAG)
		return POLICY_GATE_RULE;
	if (is_learning_site(recall, rule))
		return POLICY_GATE_LEARNING_SITE;
	if (is_learning(recall, rule))
		return POLICY_GATE_LEARNING;
	if (score->is_regular)
		return POLICY_GATE_REGULAR;
	if (score->is_confirmed)
		return POLICY_GATE_CONFIRMED;
	return score->conversation_continues ? POLICY_GATE_CONVERSATION : POLICY_GATE_NONE;
}

enum settings_action
policy_gates_pass(const struct policy_facts *facts, const struct settings_policy *rule,
    const struct judge_score *score, struct policy_gates *gates_r)
{
	const struct history_recall *recall = facts->recall;
	enum settings_action action;

	gates_r->tag = height_gate(rule, score->score, rule->tag_threshold, recall->site_tag_score);
	action = gates_r->tag == POLICY_GATE_NONE ? SETTINGS_TAG : SETTINGS_PASS;
	gates_r->hold = height_gate(rule, score->score, rule->threshold, recall->site_score);
	if (gates_r->hold != POLICY_GATE_NONE)
		return action;
	gates_r->hold = exemption_gate(recall, rule, score);
	if (gates_r->hold == POLICY_GATE_RULE)
		return rule->action > action ? rule->action : action;
	return gates_r->hold == POLICY_GATE_NONE ? rule->action : SETTINGS_TAG;
}
