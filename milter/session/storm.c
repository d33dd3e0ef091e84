/*
 * storm - is this one of too many answers to everybody? See internal.h.
 *
 * Only asked of an answer to as many people as the settings say, so it costs other mail
 * nothing.
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/session/internal.h"

#include <string.h>

#include "milter/audience/audience.h"
#include "milter/mail/mail.h"

#define LIST_LOOKS 64 /* recipients that are looked at, whether they are a list */

/* --- which topic -------------------------------------------------------------------- */

/* A hash of two texts by one of the site's keys. */
static void
mac_make(const struct session_connection *connection, const struct base_key *key, const char *kind,
    const char *text, unsigned char mac_r[BASE_MAC_SIZE])
{
	const char *whole = base_arena_printf(connection->arena, "storm\n%s\n%s", kind, text);

	memset(mac_r, 0, BASE_MAC_SIZE);
	if (whole != NULL)
		base_key_mac(key, BASE_KEY_SUBMISSION, whole, strlen(whole), mac_r);
}

/* How many people are behind one recipient; 0 unless it is a list. */
static unsigned long
list_people(const struct session_connection *connection, const char *address)
{
	struct mail_transaction one = *connection->mail.judged;
	struct audience audience = { .people = 0 };
	const char *items[] = { address };

	one.recipients = (struct mail_addresses){ .items = items, .count = 1, .seen = 1 };
	audience_count(connection->config->audience, &one, "", &audience);
	return audience.lists > 0 ? audience.people : 0;
}

/* The largest list that is written to, if it is large enough by itself; "" if none is. */
static const char *
list_find(const struct session_connection *connection)
{
	const struct mail_addresses *recipients = &connection->mail.judged->recipients;
	unsigned long most = connection->config->settings->storm.people - 1;
	const char *list = "";

	if (connection->mail.audience.lists == 0)
		return list;
	for (size_t i = 0; i < recipients->count && i < LIST_LOOKS; i++) {
		unsigned long people = list_people(connection, recipients->items[i]);

		if (people > most) {
			most = people;
			list = recipients->items[i];
		}
	}
	return list;
}

/* What the answer is about, by one more key. */
static void
topic_add(const struct session_connection *connection, const struct base_key *key, const char *kind,
    const char *text, struct hold_storm_reply *answer)
{
	mac_make(connection, key, kind, text, answer->topics[answer->topic_count++]);
}

/* Adds a message id to those by which the thread is known. */
static void
thread_add(const struct session_connection *connection, const struct base_key *key, const char *id,
    struct hold_storm_reply *answer)
{
	if (id[0] != '\0' && answer->id_count < HOLD_STORM_IDS)
		mac_make(connection, key, "thread", id, answer->ids[answer->id_count++]);
}

/* The thread by one key; its first mail is the one that all answers name. */
static void
thread_find(const struct session_connection *connection, const struct base_key *key,
    struct hold_storm_reply *answer)
{
	const struct mail_transaction *transaction = connection->mail.transaction;
	size_t count = transaction->reference_count;
	const char *first = count > 0 ? transaction->references[0] : transaction->in_reply_to;

	if (first[0] == '\0')
		return;
	topic_add(connection, key, "thread", first, answer);
	thread_add(connection, key, first, answer);
	if (first != transaction->in_reply_to)
		thread_add(connection, key, transaction->in_reply_to, answer);
	if (count > 1)
		thread_add(connection, key, transaction->references[count - 1], answer);
}

/*
 * Some programs do not say what they answer: then the thread is known by its subject, in its
 * list, and the name by which it is known is looked for among those that do say it.
 */
static void
subject_find(const struct session_connection *connection, const struct base_key *key,
    bool has_parent, struct hold_storm_reply *answer)
{
	const char *base = mail_subject_base(connection->mail.transaction->subject);
	const char *text = base_arena_printf(connection->arena, "%s\n%s", answer->list, base);

	if (answer->list[0] == '\0' || base[0] == '\0' || text == NULL)
		return;
	if (!answer->has_alias) {
		mac_make(connection, key, "subject", text, answer->alias);
		answer->has_alias = true;
	}
	if (has_parent)
		return;
	topic_add(connection, key, "subject", text, answer);
	if (answer->id_count < HOLD_STORM_IDS)
		mac_make(connection, key, "subject", text, answer->ids[answer->id_count++]);
}

/* The thread, by each key that may have named it: a block outlives a new key. */
static void
topic_find(const struct session_connection *connection, struct hold_storm_reply *answer)
{
	bool has_parent = connection->mail.transaction->in_reply_to[0] != '\0' ||
			  connection->mail.transaction->reference_count > 0;
	const struct base_key *keys[BASE_KEY_MAX];
	size_t count = base_key_valid(connection->config->key, base_now(), keys);

	while (count-- > 0) {
		thread_find(connection, keys[count], answer);
		subject_find(connection, keys[count], has_parent, answer);
	}
}

/* --- who ------------------------------------------------------------------------------ */

/* Is it an answer, by its thread or at least by its subject? */
static bool
is_answer(const struct mail_transaction *transaction)
{
	return transaction->in_reply_to[0] != '\0' || mail_subject_is_answer(transaction->subject);
}

/* Did this sender begin what is answered? They may well have to say something to all. */
static bool
is_originator(const struct history_recall *recall)
{
	return recall->actor != 0 && recall->parent_author == recall->actor;
}

/* Who is told when a block begins; "" for nobody. */
static const char *
owner_find(const struct session_connection *connection, const char *list)
{
	const char *owner = NULL;

	if (list[0] != '\0')
		owner = audience_owner(connection->config->audience, list);
	if (owner == NULL)
		owner = connection->config->settings->storm.owner;
	return owner == NULL ? "" : owner;
}

/* Does it come from the owner? Who is written to is named whole, a sender without extension. */
static bool
is_from(const struct session_connection *connection, const char *owner)
{
	const struct identity *identity = &connection->mail.identity;
	const char *folded = mail_address_strip_extension(
	    connection->arena, owner, connection->config->settings->identity.recipient_delimiter);

	return folded != NULL &&
	       (strcmp(folded, identity->actor) == 0 || strcmp(folded, identity->person) == 0);
}

/* Can the block have anything to do with this mail? */
static bool
is_concerned(const struct session_connection *connection)
{
	const struct session_mail *mail = &connection->mail;
	const struct settings *settings = connection->config->settings;

	return settings->storm.enabled && mail->identity.person[0] != '\0' &&
	       mail->evaluation.decision.rule->action != SETTINGS_PASS &&
	       mail->audience.people >= settings->storm.people && is_answer(mail->transaction) &&
	       !is_originator(&mail->evaluation.recall);
}

/* --- asking --------------------------------------------------------------------------- */

/*
 * Is its message id known as that of somebody else's mail? Whoever lends it must not take the
 * answers to that mail into the thread that this one answers.
 */
static bool
is_id_lent(const struct session_connection *connection)
{
	const struct session_mail *mail = &connection->mail;
	const struct mail_transaction own = { .in_reply_to = mail->transaction->message_id };
	struct history_recall recall;
	const char *why;

	return own.in_reply_to[0] != '\0' &&
	       history_recall(connection->services->history, connection->config->key,
		   connection->arena, mail->identity.actor, &own, &recall, &why) == BASE_OK &&
	       recall.has_parent && recall.parent_author != recall.actor;
}

/* By what name later answers find it: its message id, if that is its own. */
static const char *
message_name(const struct session_connection *connection)
{
	const struct mail_transaction *transaction = connection->mail.transaction;

	return transaction->message_id[0] == '\0' || is_id_lent(connection)
		   ? transaction->queue_id
		   : transaction->message_id;
}

/* What is counted of this mail; false: it has no topic, or comes from its owner. */
static bool
answer_make(const struct session_connection *connection, struct hold_storm_reply *answer_r)
{
	const struct session_mail *mail = &connection->mail;
	const struct base_key *key = connection->config->key;
	struct hold_storm_reply answer = { .list = list_find(connection),
		.people = mail->audience.people,
		.subject = mail->transaction->subject,
		.language = connection->config->settings->notice.language };

	topic_find(connection, &answer);
	answer.owner = owner_find(connection, answer.list);
	if (answer.topic_count == 0 || is_from(connection, answer.owner))
		return false;
	if (policy_only_tags(&mail->evaluation.asked, mail->evaluation.decision.rule))
		answer.owner = ""; /* nothing is held: there is nothing to lift */
	mac_make(connection, key, "thread", message_name(connection), answer.message);
	mac_make(connection, key, "sender", mail->identity.person, answer.sender);
	answer.person = mail->identity.person;
	memcpy(answer.submission, mail->entry.submission, sizeof(answer.submission));
	*answer_r = answer;
	return true;
}

/*
 * Puts the storm in front of the judge's reasons, so that everybody sees it named. What the judge
 * says of the answers before this one is left out: the history learns of them later than the block.
 */
static bool
reason_add(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	struct judge_score *score = &mail->evaluation.score;
	size_t count = 1;
	struct judge_reason *reasons =
	    base_arena_array(connection->arena, score->reason_count + 1, sizeof(*reasons));

	if (reasons == NULL)
		return false;
	reasons[0] = (struct judge_reason){ .signal = "storm",
		.points = (double)mail->block.repliers,
		.person = "",
		.reported = { .signal = "storm",
		    .which = "",
		    .n = mail->block.repliers,
		    .who = "",
		    .other = "" },
		.evidence = "answers to everybody within storm.window" };
	for (size_t i = 0; i < score->reason_count; i++)
		if (strcmp(score->reasons[i].signal, "others_replied_all") != 0)
			reasons[count++] = score->reasons[i];
	score->reasons = reasons;
	score->reason_count = count;
	return true;
}

enum base_result
session_storm_ask(struct session_connection *connection, const char **why_r)
{
	const struct settings *settings = connection->config->settings;
	struct session_mail *mail = &connection->mail;
	const struct hold_storm_limits limits = { .replies = settings->storm.replies,
		.window = settings->storm.window,
		.span = settings->storm.hold,
		.on_end = settings->storm.on_end };
	struct hold_storm_reply answer;
	enum base_result result;

	if (mail->evaluation.decision.action >= SETTINGS_CONFIRM || !is_concerned(connection) ||
	    !answer_make(connection, &answer))
		return BASE_OK;
	result = hold_storm_ask(connection->services->hold, &limits, &answer, &mail->block, why_r);
	if (result == BASE_NONE)
		return BASE_OK;
	if (result != BASE_OK)
		return result;
	if (!reason_add(connection)) {
		*why_r = "no memory to hold an answer";
		return BASE_BROKEN;
	}
	mail->evaluation.asked.storm_replies = mail->block.repliers;
	session_decide(connection);
	return BASE_OK;
}

void
session_storm_request(const struct session_connection *connection, struct hold_params *request)
{
	const struct session_mail *mail = &connection->mail;
	int64_t left = mail->block.until - base_now();

	request->action = HOLD_STORM;
	request->storm = mail->block.id;
	request->author = session_author_find(connection);
	request->answered = mail->block.repliers;
	request->window = left > 0 ? left : 0;
	request->on_end = mail->block.on_end;
	/* undone, it comes back at once: its author wants to write to one person instead */
	request->grace = 0;
	request->then = MAIL_END_RETURN;
}
