/* answer - what to do with one mail: at the end of its header and of itself; see internal.h */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/session/internal.h"

#include <stdio.h>

#include "milter/audit/audit.h"
#include "milter/mail/mail.h"
#include "milter/notice/notice.h"
#include "milter/queue/queue.h"

/* Is it a mail that we injected ourselves? Those go to one recipient each. */
static bool
is_ours(const struct session_connection *connection)
{
	const struct session_mail *mail = &connection->mail;
	const struct mail_transaction *transaction = mail->transaction;

	return mail->inject != NULL && transaction->recipients.seen == 1 &&
	       transaction->recipients.count == 1 && transaction->message_id[0] != '\0' &&
	       notice_inject_is_ours(connection->config->key, mail->inject, transaction->message_id,
		   transaction->recipients.items[0], base_now());
}

/* Finds out who sends, where it matters; is it one of our own people, proved? */
static bool
is_our_persons_send(struct session_connection *connection)
{
	const struct config *config = connection->config;
	struct session_mail *mail = &connection->mail;

	if (mail->transaction->envelope_sender[0] == '\0' ||
	    mail_transaction_is_automatic(mail->transaction))
		return false;
	identity_find(config->settings, &config->identity, connection->arena, &connection->peer,
	    mail->transaction, &mail->identity);
	return mail->identity.is_local && !mail->identity.is_machine;
}

bool
session_has_marks(const struct session_mail *mail)
{
	return mail->tags > 0 || mail->injects > 0;
}

enum session_respond
session_respond_error(struct session_connection *connection, const char *where, const char *why)
{
	const struct session_mail *mail = &connection->mail;
	bool is_accepted = session_rule(connection)->on_error == SETTINGS_ERROR_ACCEPT;

	if (is_accepted && mail->judged != NULL)
		session_entry_leave(connection);
	audit_event(AUDIT_ERROR, NULL, { "where", where }, { "what", why },
	    { "answer", is_accepted ? "accept" : "tempfail" },
	    { "queue_id", mail->transaction->queue_id });
	return is_accepted ? SESSION_ACCEPT : SESSION_TEMPFAIL;
}

/* Accepts at once, unless something must be taken out of the header at the end. */
static enum session_respond
let_pass(struct session_connection *connection)
{
	connection->mail.plan = SESSION_PLAN_CLEAN;
	return session_has_marks(&connection->mail) ? SESSION_CONTINUE : SESSION_ACCEPT;
}

/* Does it pass as it is, without a look at its body? */
static bool
is_done(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	const struct policy_decision *decision = &mail->evaluation.decision;

	return decision->action == SETTINGS_PASS && !decision->wants_body &&
	       !mail->entry.wants_body && !decision->is_storm &&
	       !(mail->entry.mail > 0 && mail->entry.is_open) && session_entry_pass(connection);
}

/* A proved person's send: compares it with what is usual. */
static enum session_respond
judge_header(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	const struct policy_decision *decision = &mail->evaluation.decision;
	const char *why = "";

	if (mail->failed != NULL)
		return session_respond_error(connection, "gather", mail->failed);
	session_entry_enter(connection);
	if (session_recall(connection, &why) != BASE_OK)
		return session_respond_error(connection, "memory", why);
	if (session_score(connection, false, &why) != BASE_OK)
		return session_respond_error(connection, "judge", why);
	if (decision->action == SETTINGS_PASS && !decision->wants_body && !mail->entry.wants_body &&
	    session_storm_ask(connection, &why) != BASE_OK)
		return session_respond_error(connection, "storm", why);
	if (!is_done(connection)) {
		mail->plan = SESSION_PLAN_JUDGE;
		return SESSION_CONTINUE;
	}
	session_learn_send(connection);
	return let_pass(connection);
}

enum session_respond
session_answer_header(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;

	if (mail_transaction_strip_extensions(connection->arena, mail->transaction,
		connection->config->settings->identity.recipient_delimiter) != BASE_OK)
		return session_respond_error(connection, "gather", "no memory");
	if (is_ours(connection))
		return let_pass(connection);
	if (is_our_persons_send(connection))
		return judge_header(connection);
	if (mail->failed == NULL)
		session_learn_passing(connection);
	return let_pass(connection);
}

/* Takes every field of a name out of the header, the last one first: then indexes stay true. */
static bool
fields_remove(SMFICTX *context, const char *name, int count)
{
	char copy[64];
	int i;

	snprintf(copy, sizeof(copy), "%s", name);
	for (i = count; i > 0; i--)
		if (smfi_chgheader(context, copy, i, NULL) != MI_SUCCESS)
			return false;
	return true;
}

enum session_respond
session_respond_decision(struct session_connection *connection, SMFICTX *context)
{
	const struct policy_decision *decision = &connection->mail.evaluation.decision;

	if (decision->is_storm)
		return session_hold(connection, context);
	switch (decision->action) {
	case SETTINGS_PASS:
		if (!session_entry_pass(connection))
			break;
		session_learn_send(connection);
		return SESSION_ACCEPT;
	case SETTINGS_TAG:
		if (!session_entry_pass(connection))
			break;
		return session_tag(connection, context);
	case SETTINGS_UNDO:
	case SETTINGS_CONFIRM:
		break;
	}
	return session_hold(connection, context);
}

/* The decision with the start of the body, and what follows from it. */
static enum session_respond
judge_message(struct session_connection *connection, SMFICTX *context)
{
	struct session_mail *mail = &connection->mail;
	const char *why = "";

	if (mail->failed != NULL)
		return session_respond_error(connection, "gather", mail->failed);
	if (mail_transaction_text(connection->arena, mail->transaction) != BASE_OK)
		return session_respond_error(connection, "gather", "no memory for the body's text");
	session_entry_await(connection);
	if (session_entry_commit(connection) && session_recall(connection, &why) != BASE_OK)
		return session_respond_error(connection, "memory", why);
	if (session_score(connection, true, &why) != BASE_OK)
		return session_respond_error(connection, "judge", why);
	session_budget_ask(connection);
	if (session_storm_ask(connection, &why) != BASE_OK)
		return session_respond_error(connection, "storm", why);
	return session_respond_decision(connection, context);
}

/* More of them than are removed: nobody but who forges writes such a mail. */
static enum session_respond
forged_reject(const struct session_connection *connection, SMFICTX *context)
{
	char code[] = "550", extended[] = "5.6.0";
	char text[] = "Too many header fields that only oops-milter may write";

	audit_event(AUDIT_ERROR, NULL, { "where", "clean" },
	    { "what", "too many forged header fields" }, { "answer", "reject" },
	    { "queue_id", connection->mail.transaction->queue_id });
	(void)smfi_setreply(context, code, extended, text);
	return SESSION_REJECT;
}

enum session_respond
session_answer_message(struct session_connection *connection, SMFICTX *context)
{
	struct session_mail *mail = &connection->mail;

	if (mail->tags > SESSION_MAX_TAGS || mail->injects > SESSION_MAX_TAGS)
		return forged_reject(connection, context);
	if (!fields_remove(context, QUEUE_TAG_NAME, mail->tags) ||
	    !fields_remove(context, NOTICE_INJECT_NAME, mail->injects))
		return session_respond_error(
		    connection, "clean", "the MTA did not take the removal of a header field");
	if (mail->plan == SESSION_PLAN_CLEAN)
		return SESSION_ACCEPT;
	return judge_message(connection, context);
}
