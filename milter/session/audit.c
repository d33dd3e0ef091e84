/* audit - the auditor's line about a send that did not simply pass; see internal.h */
#include "milter/audit/audit.h"
#include "milter/base/buffer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "milter/session/internal.h"

#define GATE_BYTES 64

const char *
session_action_text(const struct session_mail *mail)
{
	const struct policy_decision *decision = &mail->evaluation.decision;

	return decision->is_storm ? "storm" : settings_action_str(decision->action);
}

/* The client's address as text, NULL when it is unknown. */
static const char *
client_text(const struct identity_peer *peer, char text[INET6_ADDRSTRLEN])
{
	const struct sockaddr_storage *address = &peer->address;

	if (address->ss_family == AF_INET)
		return inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text,
		    INET6_ADDRSTRLEN);
	if (address->ss_family == AF_INET6)
		return inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text,
		    INET6_ADDRSTRLEN);
	return NULL;
}

void
session_judge_audit(const struct session_connection *connection, const char *hold_id,
    const struct session_outcome *outcome)
{
	const struct session_mail *mail = &connection->mail;
	const struct policy_decision *decision = &mail->evaluation.decision;
	const char *login = connection->peer.login;
	const char *account = identity_own_account(&mail->identity);
	char score[32], recipients[32], people[32], client[INET6_ADDRSTRLEN];
	struct base_buffer gate;

	base_buffer_init(&gate, GATE_BYTES);
	if (outcome != NULL)
		base_buffer_puts(&gate, outcome->gate);
	else
		policy_gate_write(&mail->evaluation.asked, &mail->counts, decision, &gate);
	snprintf(score, sizeof(score), "%.2f", mail->evaluation.score.score);
	snprintf(recipients, sizeof(recipients), "%zu",
	    audience_recipients(mail->judged, mail->identity.actor));
	snprintf(people, sizeof(people), "%lu%s", mail->audience.people,
	    mail->audience.kind == AUDIENCE_EXACT ? "" : "+");
	audit_event(AUDIT_JUDGE, hold_id, { "sender", mail->identity.actor },
	    { "action", outcome != NULL ? outcome->action : session_action_text(mail) },
	    { "wanted", settings_action_str(decision->wanted) },
	    { "limited_by", decision->limited_by }, { "score", score },
	    { "recipients", recipients }, { "people", people }, { "policy", decision->rule->name },
	    { "reasons", session_reasons_text(connection->arena, &mail->evaluation.score) },
	    { "queue_id", mail->transaction->queue_id },
	    { "proof", identity_proof_str(mail->identity.proof) },
	    { "login", login[0] == '\0' ? NULL : login },
	    { "person", account[0] == '\0' ? NULL : account },
	    { "envelope", mail->transaction->envelope_sender }, { "from", mail->transaction->from },
	    { "client", client_text(&connection->peer, client) },
	    { "gate", base_buffer_text(&gate) });
	base_buffer_free(&gate);
}
