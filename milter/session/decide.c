/* decide - what is found out about a send, and what is decided about it; see internal.h */
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/session/internal.h"

#include "milter/mail/mail.h"

/* What the send is compared with: of the generation that its transaction took. */
static struct evaluate_sources
sources_of(const struct session_connection *connection)
{
	return (struct evaluate_sources){ .settings = connection->config->settings,
		.key = connection->config->key,
		.scorecard = connection->config->scorecard,
		.history = connection->services->history };
}

const struct settings_policy *
session_rule(const struct session_connection *connection)
{
	const struct session_mail *mail = &connection->mail;
	const char *actor = mail->identity.actor;
	struct policy_facts facts = { .settings = connection->config->settings,
		.transaction = mail->judged != NULL ? mail->judged : mail->transaction,
		.actor = actor,
		.login = connection->peer.login,
		.client = &connection->peer.address,
		.audience = mail->has_audience ? &mail->audience : NULL,
		.moment = policy_moment_of(mail->transaction->time) };

	if (mail->evaluation.decision.rule != NULL)
		return mail->evaluation.decision.rule;
	if (actor == NULL || actor[0] == '\0')
		facts.actor = mail->transaction->envelope_sender;
	return policy_choose(&facts, NULL);
}

/* How many people it goes to; why a list cannot be read is told where the admin looks. */
static void
count_people(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	struct audience_directory *directory = connection->config->audience;
	const char *why = "";

	audience_count(directory, mail->judged, mail->identity.actor, &mail->audience);
	if (audience_failure(directory, &why) != BASE_NONE)
		base_log(BASE_LOG_WARNING, "lists: %s; what was known before stays in use", why);
	mail->has_audience = true;
}

enum base_result
session_recall(struct session_connection *connection, const char **why_r)
{
	struct session_mail *mail = &connection->mail;
	struct evaluate_sources sources = sources_of(connection);

	count_people(connection);
	mail->evaluation.facts = (struct judge_facts){ .transaction = mail->judged,
		.identity = &mail->identity,
		.audience = &mail->audience };
	return evaluate_recall(&sources, connection->arena, &mail->evaluation, why_r);
}

void
session_decide(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	struct evaluate_sources sources = sources_of(connection);
	struct policy_facts *asked = &mail->evaluation.asked;

	asked->login = connection->peer.login;
	asked->client = &connection->peer.address;
	asked->moment = policy_moment_of(mail->transaction->time);
	asked->held = mail->entry.held;
	asked->has_passed = mail->entry.mail > 0 && mail->entry.has_passed;
	evaluate_decide(&sources, &mail->evaluation, mail->has_counts ? &mail->counts : NULL);
}

enum base_result
session_score(struct session_connection *connection, bool has_body, const char **why_r)
{
	struct session_mail *mail = &connection->mail;
	struct evaluate_sources sources = sources_of(connection);
	enum base_result result;

	mail->evaluation.facts.has_body = has_body;
	mail->evaluation.asked.storm_replies = 0;
	mail->has_counts = false;
	result = evaluate_score(&sources, connection->arena, &mail->evaluation, why_r);
	if (result == BASE_OK)
		session_decide(connection);
	return result;
}

void
session_budget_ask(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	struct hold_counts counts = { 0 };
	const char *why;

	if (mail->evaluation.decision.action <= SETTINGS_TAG)
		return;
	(void)hold_count(connection->services->hold, mail->identity.person, &counts, &why);
	mail->counts = (struct policy_counts){ .of_sender = counts.of_sender,
		.of_site = counts.of_site,
		.site_sends = mail->evaluation.recall.site_day };
	mail->has_counts = true;
	session_decide(connection);
}

/* The decision before a budget was asked. */
static struct policy_decision
decision_unlimited(const struct session_mail *mail)
{
	return policy_decide(&mail->evaluation.asked, &mail->evaluation.score, NULL);
}

/* A hold_limit_fn: what the budgets leave, with counts that nobody else changes meanwhile. */
static struct hold_terms
limit(const void *context, const struct hold_counts *counts)
{
	const struct session_mail *mail = context;
	struct policy_counts exact = mail->counts;
	struct policy_decision decision = decision_unlimited(mail);

	exact.of_sender = counts->of_sender;
	exact.of_site = counts->of_site;
	policy_budget_apply(&exact, &decision);
	return (struct hold_terms){ .action = decision.action == SETTINGS_CONFIRM ? HOLD_CONFIRM
					      : decision.action == SETTINGS_UNDO  ? HOLD_UNDO
										  : 0,
		.window = decision.action == SETTINGS_UNDO ? decision.rule->window
							   : decision.rule->expires,
		.limited_by = decision.limited_by == NULL ? "" : decision.limited_by };
}

void
session_limit_set(const struct session_mail *mail, struct hold_params *request)
{
	if (mail->evaluation.decision.is_storm)
		return;
	request->limit = limit;
	request->limit_context = mail;
	request->share =
	    policy_budget_share(&mail->evaluation.decision.rule->budget, mail->counts.site_sends);
}

void
session_limit_take(struct session_mail *mail, const struct hold_terms *terms)
{
	static const enum settings_action actions[] = {
		[0] = SETTINGS_TAG, [HOLD_UNDO] = SETTINGS_UNDO, [HOLD_CONFIRM] = SETTINGS_CONFIRM
	};

	if (mail->evaluation.decision.is_storm || terms->action > HOLD_CONFIRM)
		return;
	mail->evaluation.decision = decision_unlimited(mail);
	policy_join(&mail->evaluation.decision, actions[terms->action], terms->limited_by);
}
