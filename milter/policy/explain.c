/* explain - which gate decided, for the auditor and the admin; see policy.h */
#include "milter/base/buffer.h"
#include "milter/policy/internal.h"

/* --- one gate and its value --------------------------------------------------------- */

/* A gate that belongs to the score. */
static void
score_gate_write(const struct policy_facts *facts, const struct policy_decision *decision,
    struct base_buffer *gate_r)
{
	const struct history_recall *recall = facts->recall;
	const struct settings_policy *rule = decision->rule;

	switch (decision->gate) {
	case POLICY_GATE_PERCENTILE:
		base_buffer_printf(gate_r, "percentile:%.6f", recall->site_score);
		break;
	case POLICY_GATE_NEW_SITE:
		base_buffer_printf(
		    gate_r, "new_site:%.6f", policy_new_site_threshold(rule, rule->threshold));
		break;
	case POLICY_GATE_RULE:
		base_buffer_printf(gate_r, "rule:%s", settings_action_str(rule->action));
		break;
	case POLICY_GATE_LEARNING_SITE:
		base_buffer_printf(
		    gate_r, "learning_site:%u/%lu", recall->site.sends, rule->learning.site_sends);
		break;
	case POLICY_GATE_LEARNING:
		base_buffer_printf(gate_r, "learning:%u/%lu", recall->sender.sends,
		    policy_sends_needed(recall, rule));
		break;
	default:
		base_buffer_printf(gate_r, "threshold:%.6g", rule->threshold);
		break;
	}
}

void
policy_gate_write(const struct policy_facts *facts, const struct policy_counts *counts,
    const struct policy_decision *decision, struct base_buffer *gate_r)
{
	const struct settings_budget *budget = &decision->rule->budget;

	switch (decision->gate) {
	case POLICY_GATE_REGULAR:
		base_buffer_puts(gate_r, "regular");
		break;
	case POLICY_GATE_CONFIRMED:
		base_buffer_puts(gate_r, "confirmed");
		break;
	case POLICY_GATE_CONVERSATION:
		base_buffer_puts(gate_r, "conversation_continues");
		break;
	case POLICY_GATE_SUBMISSION:
		base_buffer_puts(gate_r, "submission");
		break;
	case POLICY_GATE_STORM:
		base_buffer_printf(gate_r, "storm:%zu", facts->storm_replies);
		break;
	case POLICY_GATE_PROOF:
		base_buffer_printf(gate_r, "proof:%s", decision->limited_by);
		break;
	case POLICY_GATE_SERIES:
	case POLICY_GATE_MONITOR:
		base_buffer_puts(gate_r, decision->limited_by);
		break;
	case POLICY_GATE_BUDGET_SENDER:
		base_buffer_printf(gate_r, "budget_sender:%lu", budget->sender_day);
		break;
	case POLICY_GATE_BUDGET_SITE:
		base_buffer_printf(gate_r, "budget_site:%.0f",
		    policy_budget_site(budget, counts == NULL ? 0 : counts->site_sends));
		break;
	default:
		score_gate_write(facts, decision, gate_r);
		break;
	}
}

/* --- all that a score was compared with ------------------------------------------------ */

/* The numbers that a score was compared with. */
struct comparison {
	enum policy_gate gate; /* that it did not pass */
	double score;
	double threshold;
	double percentile; /* 0: not known */
};

/* A gate as words; what the score is compared with, and what came of it. */
static void
comparison_write(
    const struct comparison *about, const struct settings_policy *rule, struct base_buffer *text)
{
	double new_site = policy_new_site_threshold(rule, about->threshold);

	if (about->threshold > 1)
		base_buffer_puts(text, "never");
	else if (about->gate == POLICY_GATE_THRESHOLD)
		base_buffer_printf(
		    text, "no: %.6f is below the threshold %.6g", about->score, about->threshold);
	else if (about->gate == POLICY_GATE_PERCENTILE)
		base_buffer_printf(text, "no: %.6f is not above the site's own percentile %.6f",
		    about->score, about->percentile);
	else if (about->gate == POLICY_GATE_NEW_SITE)
		base_buffer_printf(text,
		    "no: %.6f is below %.6f, %g times the odds of the threshold %.6g, "
		    "as the site is new",
		    about->score, new_site, rule->learning.new_site_odds, about->threshold);
	else if (about->percentile > 0)
		base_buffer_printf(text,
		    "%.6f is above the threshold %.6g and the site's own percentile %.6f",
		    about->score, about->threshold, about->percentile);
	else
		base_buffer_printf(text,
		    "%.6f is above %.6f, %g times the odds of the threshold %.6g, as "
		    "the site is new",
		    about->score, new_site, rule->learning.new_site_odds, about->threshold);
}

/* Why a score that is high enough does not hold the send all the same. */
static void
exemption_write(const struct history_recall *recall, const struct settings_policy *rule,
    enum policy_gate gate, struct base_buffer *text)
{
	if (gate == POLICY_GATE_RULE)
		base_buffer_puts(text, ", but the rule holds nothing");
	else if (gate == POLICY_GATE_LEARNING_SITE)
		base_buffer_printf(text, ", but only %u of %lu sends of the site are known",
		    recall->site.sends, rule->learning.site_sends);
	else if (gate == POLICY_GATE_LEARNING)
		base_buffer_printf(text, ", but only %u of %lu sends of this sender are known",
		    recall->sender.sends, policy_sends_needed(recall, rule));
	else if (gate == POLICY_GATE_REGULAR)
		base_buffer_puts(text, ", but it is a regular mailing, and due");
	else if (gate == POLICY_GATE_CONFIRMED)
		base_buffer_puts(text, ", but this very audience was confirmed before");
	else if (gate == POLICY_GATE_CONVERSATION)
		base_buffer_puts(
		    text, ", but this very audience was written to since the answered mail came");
}

void
policy_explain(const struct policy_facts *facts, const struct settings_policy *rule,
    const struct judge_score *score, struct base_buffer *text_r)
{
	struct policy_gates gates;
	enum settings_action action = policy_gates_pass(facts, rule, score, &gates);
	struct comparison hold = { gates.hold, score->score, rule->threshold,
		facts->recall->site_score };
	struct comparison tag = { gates.tag, score->score, rule->tag_threshold,
		facts->recall->site_tag_score };

	base_buffer_printf(text_r, "%s (%s: %s from %.4g, tag from %.4g)\n",
	    settings_action_str(action), rule->name, settings_action_str(rule->action),
	    rule->threshold, rule->tag_threshold);
	base_buffer_puts(text_r, "  hold: ");
	comparison_write(&hold, rule, text_r);
	exemption_write(facts->recall, rule, gates.hold, text_r);
	base_buffer_puts(text_r, "\n  tag: ");
	comparison_write(&tag, rule, text_r);
	base_buffer_puts(text_r, "\n");
}
