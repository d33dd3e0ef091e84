/* answer - what to do with one mail: at the end of its header and of itself; see internal.h */
#include "milter/session/internal.h"

#include <stdio.h>

#include "milter/audit/audit.h"
#include "milter/mail/mail.h"
#include "milter/notice/notice.h"
#include "milter/policy/policy.h"
#include "milter/queue/queue.h"

/* Is it a mail that we injected ourselves? Those go to one recipient each. */
static bool
is_ours(const struct session_connection *connection)
{
	const struct session_mail *mail = &connection->mail;
	const struct mail_transaction *transaction = mail->transaction;

	return mail->inject != NULL && transaction->recipients.seen == 1 &&
	       transaction->recipients.count == 1 && transaction->message_id[0] != '\0' &&
	       notice_inject_is_ours(connection->site->key, mail->inject,
		   transaction->message_id, transaction->recipients.items[0], base_now());
}

/* Can it be a person's own send, and not what a machine or a list does in their name? */
static bool
is_by_person(const struct mail_transaction *transaction)
{
	return transaction->envelope_sender[0] != '\0' && !transaction->is_auto &&
	       !transaction->is_list && !transaction->is_report;
}

/* Finds out who sends, where it matters; is it one of our own people, proved? */
static bool
is_our_persons_send(struct session_connection *connection)
{
	const struct site *site = connection->site;
	struct session_mail *mail = &connection->mail;

	if (!is_by_person(mail->transaction))
		return false;
	identity_find(site->settings, &site->identity, connection->arena, &connection->peer,
	    mail->transaction, &mail->identity);
	return mail->identity.is_local && !mail->identity.is_machine;
}

bool
session_has_marks(const struct session_mail *mail)
{
	return mail->tags > 0 || mail->injects > 0;
}

/* What the rules may ask about a mail. */
static struct policy_facts
policy_facts_of(const struct session_connection *connection)
{
	const struct session_mail *mail = &connection->mail;
	const char *actor = mail->identity.actor;

	if (actor == NULL || actor[0] == '\0')
		actor = mail->transaction->envelope_sender;
	return (struct policy_facts){ .settings = connection->site->settings,
		.transaction = mail->judged != NULL ? mail->judged : mail->transaction,
		.actor = actor,
		.login = connection->peer.login,
		.client = &connection->peer.address,
		.audience = mail->has_audience ? &mail->audience : NULL,
		.moment = policy_moment_of(mail->transaction->time) };
}

enum session_answer
session_answer_error(
    struct session_connection *connection, const char *where, const char *why)
{
	const struct session_mail *mail = &connection->mail;
	const struct settings_policy *policy = mail->policy;
	bool is_accepted;

	if (policy == NULL) {
		struct policy_facts facts = policy_facts_of(connection);

		policy = policy_choose(&facts, NULL);
	}
	is_accepted = policy->on_error == SETTINGS_ERROR_ACCEPT;
	if (is_accepted && mail->judged != NULL)
		session_part_leave(connection);
	audit_event(AUDIT_ERROR, NULL, { "where", where }, { "what", why },
	    { "answer", is_accepted ? "accept" : "tempfail" },
	    { "queue_id", mail->transaction->queue_id });
	return is_accepted ? SESSION_ACCEPT : SESSION_TEMPFAIL;
}

/* How many people it goes to; why a list cannot be read is told where the admin looks. */
static void
count_people(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	struct audience_directory *directory = connection->site->audience;
	const char *why = "";

	audience_count(
	    directory, mail->judged, mail->identity.actor, &mail->audience);
	if (audience_trouble(directory, &why) != BASE_NONE)
		base_log(
		    BASE_LOG_WARNING, "lists: %s; what was known before stays in use", why);
}

/* Looks up what is known of the audience and its sender. */
static enum session_answer
facts_find(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	const char *account = identity_own_account(&mail->identity);
	const char *why = "";

	count_people(connection);
	mail->has_audience = true;
	if (memory_recall(connection->rooms->memory, connection->site->key,
		connection->arena, mail->identity.actor, mail->judged, &mail->recall,
		&why) != BASE_OK)
		return session_answer_error(connection, "memory", why);
	mail->personal = (struct memory_recall){ 0 };
	if (account[0] != '\0' &&
	    memory_recall(connection->rooms->memory, connection->site->key,
		connection->arena, account, mail->judged, &mail->personal, &why) != BASE_OK)
		return session_answer_error(connection, "memory", why);
	return SESSION_CONTINUE;
}

/*
 * Asks the judge. The verdict is in the mail when it returns OK; a part of an act that was
 * held is held with it, whatever its own verdict.
 */
static enum base_result
judge_ask(struct session_connection *connection, bool has_body, const char **why_r)
{
	const struct site *site = connection->site;
	struct session_mail *mail = &connection->mail;
	struct judge_facts facts = { .transaction = mail->judged,
		.identity = &mail->identity,
		.audience = &mail->audience,
		.recall = &mail->recall,
		.personal = mail->personal.profile,
		.has_body = has_body };
	struct policy_facts asked;
	enum base_result result =
	    judge_score(&facts, site->scorecard, connection->arena, &mail->verdict, why_r);

	if (result != BASE_OK)
		return result;
	asked = policy_facts_of(connection);
	mail->policy = policy_decide(&asked, &facts, &mail->verdict);
	if (mail->verdict.action < mail->part.held)
		mail->verdict.action = mail->part.held;
	return BASE_OK;
}

/* Accepts at once, unless something must be taken out of the header at the end. */
static enum session_answer
let_pass(struct session_connection *connection)
{
	connection->mail.plan = SESSION_PLAN_CLEAN;
	return session_has_marks(&connection->mail) ? SESSION_CONTINUE : SESSION_ACCEPT;
}

/* A proved person's send: compares it with what is usual. */
static enum session_answer
judge_header(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	enum session_answer answer;
	const char *why = "";

	if (mail->failed != NULL)
		return session_answer_error(connection, "gather", mail->failed);
	session_part_enter(connection);
	answer = facts_find(connection);
	if (answer != SESSION_CONTINUE)
		return answer;
	if (judge_ask(connection, false, &why) != BASE_OK)
		return session_answer_error(connection, "judge", why);
	if (mail->verdict.action == SETTINGS_PASS && !mail->verdict.wants_body &&
	    !mail->part.wants_body && session_storm_ask(connection, &why) != BASE_OK)
		return session_answer_error(connection, "storm", why);
	if (mail->verdict.action != SETTINGS_PASS || mail->verdict.wants_body ||
	    mail->part.wants_body || mail->is_stormy ||
	    (mail->part.mail > 0 && mail->part.is_open) || !session_part_pass(connection)) {
		mail->plan = SESSION_PLAN_JUDGE;
		return SESSION_CONTINUE;
	}
	session_learn_send(connection);
	return let_pass(connection);
}

enum session_answer
session_answer_header(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;

	if (mail_transaction_fold(connection->arena, mail->transaction,
		connection->site->settings->identity.recipient_delimiter) != BASE_OK)
		return session_answer_error(connection, "gather", "no memory");
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

enum session_answer
session_answer_verdict(struct session_connection *connection, SMFICTX *context)
{
	if (connection->mail.is_stormy)
		return session_hold(connection, context);
	switch (connection->mail.verdict.action) {
	case SETTINGS_PASS:
		if (!session_part_pass(connection))
			break;
		session_learn_send(connection);
		return SESSION_ACCEPT;
	case SETTINGS_TAG:
		if (!session_part_pass(connection))
			break;
		return session_tag(connection, context);
	case SETTINGS_UNDO:
	case SETTINGS_CONFIRM:
		break;
	}
	return session_hold(connection, context);
}

/* The verdict with the start of the body, and what follows from it. */
static enum session_answer
judge_message(struct session_connection *connection, SMFICTX *context)
{
	struct session_mail *mail = &connection->mail;
	enum session_answer answer = SESSION_CONTINUE;
	const char *why = "";

	if (mail->failed != NULL)
		return session_answer_error(connection, "gather", mail->failed);
	if (mail_transaction_text(connection->arena, mail->transaction) != BASE_OK)
		return session_answer_error(
		    connection, "gather", "no memory for the body's text");
	session_part_await(connection);
	if (session_part_settle(connection))
		answer = facts_find(connection);
	if (answer != SESSION_CONTINUE)
		return answer;
	if (judge_ask(connection, true, &why) != BASE_OK)
		return session_answer_error(connection, "judge", why);
	session_soften(connection);
	if (session_storm_ask(connection, &why) != BASE_OK)
		return session_answer_error(connection, "storm", why);
	return session_answer_verdict(connection, context);
}

/* More of them than are removed: nobody but who forges writes such a mail. */
static enum session_answer
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

enum session_answer
session_answer_message(struct session_connection *connection, SMFICTX *context)
{
	struct session_mail *mail = &connection->mail;

	if (mail->tags > SESSION_MAX_TAGS || mail->injects > SESSION_MAX_TAGS)
		return forged_reject(connection, context);
	if (!fields_remove(context, QUEUE_TAG_NAME, mail->tags) ||
	    !fields_remove(context, NOTICE_INJECT_NAME, mail->injects))
		return session_answer_error(connection, "clean",
		    "the MTA did not take the removal of a header field");
	if (mail->plan == SESSION_PLAN_CLEAN)
		return SESSION_ACCEPT;
	return judge_message(connection, context);
}
