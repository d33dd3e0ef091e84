/* budget - how often a person, and a site, is interrupted in a day; see policy.h */
#include "milter/policy/internal.h"

#include <string.h>

/* One person's holds are at most one in so many of those that the site has a day. */
#define SITE_SHARES 5

double
policy_budget_site(const struct settings_budget *budget, double site_sends)
{
	double most = (double)budget->site_thousand * site_sends / 1000;

	if (budget->site_thousand == 0)
		return 0;
	return most < (double)budget->site_day ? (double)budget->site_day : most;
}

size_t
policy_budget_share(const struct settings_budget *budget, double site_sends)
{
	double share = policy_budget_site(budget, site_sends) / SITE_SHARES;

	if (budget->sender_day > 0 && share > (double)budget->sender_day)
		share = (double)budget->sender_day;
	return share < 1 ? 1 : (size_t)share;
}

/* Is one of the budgets spent? Which one. */
static enum policy_gate
budget_gate(const struct settings_budget *budget, const struct policy_counts *counts)
{
	if (budget->sender_day > 0 && counts->of_sender >= budget->sender_day)
		return POLICY_GATE_BUDGET_SENDER;
	if (budget->site_thousand > 0 &&
	    (double)counts->of_site >= policy_budget_site(budget, counts->site_sends))
		return POLICY_GATE_BUDGET_SITE;
	return POLICY_GATE_NONE;
}

void
policy_budget_apply(const struct policy_counts *counts, struct policy_decision *decision)
{
	enum policy_gate gate;

	if (decision->action <= SETTINGS_TAG)
		return;
	gate = budget_gate(&decision->rule->budget, counts);
	if (gate == POLICY_GATE_NONE)
		return;
	decision->action = decision->action == SETTINGS_CONFIRM ? SETTINGS_UNDO : SETTINGS_TAG;
	decision->gate = gate;
	decision->limited_by = gate == POLICY_GATE_BUDGET_SENDER ? "sender" : "site";
}

void
policy_join(struct policy_decision *decision, enum settings_action action, const char *limited_by)
{
	if (action != decision->action)
		decision->gate = POLICY_GATE_SUBMISSION;
	decision->action = action;
	decision->limited_by = *limited_by == '\0' ? NULL : limited_by;
	if (strcmp(limited_by, "sender") == 0)
		decision->gate = POLICY_GATE_BUDGET_SENDER;
	else if (strcmp(limited_by, "site") == 0)
		decision->gate = POLICY_GATE_BUDGET_SITE;
}
