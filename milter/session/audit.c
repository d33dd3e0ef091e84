/* audit - the auditor's line about a send that did not simply pass; see internal.h */
#include "milter/audit/audit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "milter/session/internal.h"

#define GATE_BYTES 64

const char *
session_action_text(const struct session_mail *mail)
{
	return mail->is_stormy ? "storm" : settings_action_str(mail->verdict.action);
}

/* The client's address as text, NULL when it is unknown. */
static const char *
client_text(const struct identity_peer *peer, char text[INET6_ADDRSTRLEN])
{
	const struct sockaddr_storage *address = &peer->address;

	if (address->ss_family == AF_INET)
		return inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr,
		    text, INET6_ADDRSTRLEN);
	if (address->ss_family == AF_INET6)
		return inet_ntop(AF_INET6,
		    &((const struct sockaddr_in6 *)address)->sin6_addr, text,
		    INET6_ADDRSTRLEN);
	return NULL;
}

/* What made it less than its score asks for: the limit, and how much it leaves. */
static void
limit_write(const struct session_mail *mail, struct base_buffer *gate)
{
	const struct settings_budget *budget = &mail->policy->budget;

	if (strcmp(mail->softened_by, "sender") == 0)
		base_buffer_printf(gate, "budget_sender:%lu", budget->sender_day);
	else if (strcmp(mail->softened_by, "site") == 0)
		base_buffer_printf(gate, "budget_site:%.0f",
		    session_soften_site(budget, mail->site_sends));
	else if (strcmp(mail->softened_by, "monitor") == 0 ||
		 strcmp(mail->softened_by, "series") == 0)
		base_buffer_puts(gate, mail->softened_by);
	else
		base_buffer_printf(gate, "proof:%s", mail->softened_by);
}

/* Which gate decided about the mail, with its value, as "name:value". */
static void
gate_write(const struct session_mail *mail, struct base_buffer *gate)
{
	struct judge_facts facts = { .recall = &mail->recall };

	if (mail->is_stormy)
		base_buffer_printf(gate, "storm:%zu", mail->brake.answerers);
	else if (mail->softened_by != NULL)
		limit_write(mail, gate);
	else if (judge_action(&facts, mail->policy, &mail->verdict, mail->verdict.score) <
		 mail->verdict.action)
		base_buffer_puts(gate, "submission"); /* another part of it was held */
	else
		judge_gate_write(&facts, mail->policy, &mail->verdict, gate);
}

void
session_judge_audit(const struct session_connection *connection, const char *hold_id,
    const struct session_outcome *outcome)
{
	const struct session_mail *mail = &connection->mail;
	const char *login = connection->peer.login;
	const char *account = identity_own_account(&mail->identity);
	char score[32], recipients[32], people[32], client[INET6_ADDRSTRLEN];
	struct base_buffer gate;

	base_buffer_init(&gate, GATE_BYTES);
	if (outcome != NULL)
		base_buffer_puts(&gate, outcome->gate);
	else
		gate_write(mail, &gate);
	snprintf(score, sizeof(score), "%.2f", mail->verdict.score);
	snprintf(recipients, sizeof(recipients), "%zu",
	    audience_recipients(mail->judged, mail->identity.actor));
	snprintf(people, sizeof(people), "%lu%s", mail->audience.people,
	    mail->audience.kind == AUDIENCE_EXACT ? "" : "+");
	audit_event(AUDIT_JUDGE, hold_id, { "sender", mail->identity.actor },
	    { "action", outcome != NULL ? outcome->action : session_action_text(mail) },
	    { "wanted", settings_action_str(mail->wanted) },
	    { "softened_by", mail->softened_by }, { "score", score },
	    { "recipients", recipients }, { "people", people },
	    { "policy", mail->policy->name },
	    { "reasons", session_reasons_text(connection->arena, &mail->verdict) },
	    { "queue_id", mail->transaction->queue_id },
	    { "proof", identity_proof_str(mail->identity.proof) },
	    { "login", login[0] == '\0' ? NULL : login },
	    { "person", account[0] == '\0' ? NULL : account },
	    { "envelope", mail->transaction->envelope_sender },
	    { "from", mail->transaction->from },
	    { "client", client_text(&connection->peer, client) },
	    { "gate", base_buffer_text(&gate) });
	base_buffer_free(&gate);
}
