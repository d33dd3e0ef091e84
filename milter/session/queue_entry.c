/*
 * queue_entry - one mail as a queue entry of a submission: whom it is judged for, what it teaches
 */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/session/internal.h"

#include <stdio.h>
#include <string.h>

#include "milter/mail/mail.h"

#define MAX_NAME_BYTES (1u << 20) /* of all that a submission is named by */
#define MAX_VISIBLE 100           /* of those who have a queue entry already; fewer may fit */

/* --- names ------------------------------------------------------------------------ */

/* The keyed hash of some texts, none of which can be taken for a piece of another. */
static bool
name_make(const struct base_key *key, const char *const *texts, size_t count,
    unsigned char name_r[BASE_MAC_SIZE])
{
	struct base_buffer whole;
	bool is_whole;

	base_buffer_init(&whole, MAX_NAME_BYTES);
	for (size_t i = 0; i < count; i++)
		base_buffer_append(&whole, texts[i], strlen(texts[i]) + 1);
	is_whole = !whole.failed;
	base_key_mac(key, BASE_KEY_SUBMISSION, base_buffer_text(&whole), whole.length, name_r);
	base_buffer_free(&whole);
	return is_whole;
}

const char *
session_learner(const struct session_connection *connection)
{
	const struct identity *identity = &connection->mail.identity;

	return identity->person[0] != '\0' ? identity->actor : "";
}

/* Does it go to one person, whom alone it names? Then it tells nobody of anybody else. */
static bool
is_individual(const struct mail_transaction *transaction)
{
	const struct mail_addresses *recipients = &transaction->recipients;
	const struct mail_addresses *to = &transaction->to, *cc = &transaction->cc;

	return !transaction->is_resent && recipients->seen == 1 && recipients->count == 1 &&
	       to->count + cc->count == 1 &&
	       strcmp(to->count == 1 ? to->items[0] : cc->items[0], recipients->items[0]) == 0;
}

/* The keyed hash of To and Cc, which of a mail that is sent on are another one's. */
static void
header_name(const struct base_key *key, const struct mail_transaction *transaction,
    unsigned char name_r[BASE_MAC_SIZE])
{
	const struct mail_addresses *sets[] = { &transaction->to, &transaction->cc };
	struct base_buffer whole;

	base_buffer_init(&whole, MAX_NAME_BYTES);
	for (size_t set = 0; set < sizeof(sets) / sizeof(*sets); set++) {
		for (size_t i = 0; i < sets[set]->count; i++)
			base_buffer_append(
			    &whole, sets[set]->items[i], strlen(sets[set]->items[i]) + 1);
		base_buffer_append(&whole, "", 1);
	}
	base_buffer_puts(&whole, transaction->is_resent ? "resent" : "");
	base_key_mac(key, BASE_KEY_SUBMISSION, base_buffer_text(&whole), whole.length, name_r);
	base_buffer_free(&whole);
}

/* The keyed hash of a set of people, in whatever order they come; the sender is none of them. */
static void
audience_name(const struct base_key *key, const struct mail_addresses *set, const char *sender,
    unsigned char name_r[BASE_MAC_SIZE])
{
	unsigned char one[BASE_MAC_SIZE];

	memset(name_r, 0, BASE_MAC_SIZE);
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->items[i], sender) == 0)
			continue;
		base_key_mac(key, BASE_KEY_SUBMISSION, set->items[i], strlen(set->items[i]), one);
		for (size_t byte = 0; byte < BASE_MAC_SIZE; byte++)
			name_r[byte] ^= one[byte];
	}
}

/*
 * Who hands it in: several persons may send as one address, and each has submissions of their own.
 */
struct author {
	const char *person, *actor;
};

/* The name of a mail in a thread: the person's own mails are found by it alone. */
static bool
thread_name(const struct base_key *key, const struct author *author, const char *message_id,
    unsigned char name_r[BASE_MAC_SIZE])
{
	const char *texts[] = { author->person, author->actor, "thread", message_id };

	return message_id[0] != '\0' &&
	       name_make(key, texts, sizeof(texts) / sizeof(*texts), name_r);
}

/* What it is in its thread, and what it answers: the nearest, the first, the last named. */
static void
thread_names_make(const struct base_key *key, const struct author *author,
    const struct mail_transaction *transaction, struct session_submission_names *names_r)
{
	size_t count = transaction->reference_count;
	const char *parents[SESSION_SUBMISSION_PARENTS] = { transaction->in_reply_to,
		count > 0 ? transaction->references[0] : "",
		count > 0 ? transaction->references[count - 1] : "" };

	names_r->has_thread = thread_name(key, author, transaction->message_id, names_r->thread);
	names_r->parent_count = 0;
	for (size_t i = 0; i < SESSION_SUBMISSION_PARENTS; i++)
		if (thread_name(key, author, parents[i], names_r->parents[names_r->parent_count]))
			names_r->parent_count++;
}

/* The same as text: what a client splits keeps its To and Cc, whatever else bears its name. */
static const char *
header_text(const struct base_key *key, const struct mail_transaction *transaction,
    char text_r[2 * BASE_MAC_SIZE + 1])
{
	unsigned char name[BASE_MAC_SIZE];

	header_name(key, transaction, name);
	for (size_t i = 0; i < BASE_MAC_SIZE; i++)
		snprintf(text_r + 2 * i, 3, "%02x", name[i]);
	return text_r;
}

/* What this mail is called. Without a Message-ID it has the name of its queue file. */
static void
names_make(const struct session_connection *connection, struct session_submission_names *names_r)
{
	const struct base_key *key = session_submissions_key(session_submissions());
	const struct mail_transaction *transaction = connection->mail.transaction;
	const struct author author = { connection->mail.identity.person,
		session_learner(connection) };
	bool has_id = transaction->message_id[0] != '\0';
	char header[2 * BASE_MAC_SIZE + 1];
	const char *id[] = { author.person, author.actor, has_id ? "message" : "queue",
		has_id ? transaction->message_id : transaction->queue_id, transaction->subject,
		transaction->date, header_text(connection->config->key, transaction, header) };
	const char *like[] = { author.person, author.actor, "like", transaction->subject,
		transaction->date };
	const char *sender[] = { author.person, author.actor, "sender" };
	const char *submission[] = { id[0], id[1], id[2], id[3], id[4], id[5], id[6], "" };

	names_r->is_individual = is_individual(transaction);
	if (names_r->is_individual)
		submission[7] = transaction->recipients.items[0];
	header_name(key, transaction, names_r->header);
	thread_names_make(key, &author, transaction, names_r);
	name_make(connection->config->key, submission,
	    sizeof(submission) / sizeof(*submission) - (names_r->is_individual ? 0 : 1),
	    names_r->submission);
	name_make(key, id, sizeof(id) / sizeof(*id), names_r->id);
	name_make(key, sender, sizeof(sender) / sizeof(*sender), names_r->author);
	names_r->has_like = name_make(key, like, sizeof(like) / sizeof(*like), names_r->like) &&
			    transaction->date[0] != '\0';
}

/* --- whom it is for ------------------------------------------------------------------ */

/*
 * Do To and Cc tell who gets this send? Not when they tell of an earlier one (Resent-*), and
 * not when they name nobody whom this transaction goes to: a copy to an archive, or to people
 * who are nowhere named.
 */
static bool
is_header_of_send(const struct mail_transaction *transaction)
{
	const struct mail_addresses *recipients = &transaction->recipients;

	if (transaction->is_resent)
		return false;
	for (size_t i = 0; i < recipients->count; i++)
		if (mail_addresses_has(&transaction->to, recipients->items[i]) ||
		    mail_addresses_has(&transaction->cc, recipients->items[i]))
			return true;
	return false;
}

/* Adds people to an audience; only new ones count as seen. */
static bool
audience_add(struct base_arena *arena, struct mail_addresses *audience,
    const struct mail_addresses *more, const char *but)
{
	for (size_t i = 0; i < more->count; i++) {
		const char *address = more->items[i];

		if (strchr(address, '@') == NULL || strcmp(address, but) == 0 ||
		    mail_addresses_has(audience, address))
			continue;
		if (mail_addresses_add(arena, audience, address) != BASE_OK)
			return false;
	}
	return true;
}

/* The audience of the whole submission as far as it is known; false: no memory. */
static bool
audience_make(const struct session_connection *connection, struct mail_addresses *audience)
{
	const struct mail_transaction *transaction = connection->mail.transaction;
	const char *actor = connection->mail.identity.actor;
	struct base_arena *arena = connection->arena;

	if (!audience_add(arena, audience, &connection->mail.entry.others, ""))
		return false;
	if (!is_header_of_send(transaction))
		return true;
	return audience_add(arena, audience, &transaction->to, actor) &&
	       audience_add(arena, audience, &transaction->cc, actor);
}

/* The transaction as it is judged: with everybody whom the submission goes to. */
static void
judged_make(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	struct mail_addresses audience = mail->transaction->recipients;
	struct mail_transaction *judged;

	/* an index of a set may not be shared once one of them grows */
	audience.capacity = 0;
	audience.items =
	    base_arena_array(connection->arena, audience.count + 1, sizeof(*audience.items));
	mail->judged = mail->transaction;
	if (audience.items == NULL)
		return;
	memcpy(audience.items, mail->transaction->recipients.items,
	    audience.count * sizeof(*audience.items));
	if (!audience_make(connection, &audience) ||
	    audience.count == mail->transaction->recipients.count)
		return;
	judged = base_arena_alloc(connection->arena, sizeof(*judged));
	if (judged == NULL)
		return;
	*judged = *mail->transaction;
	judged->recipients = audience;
	mail->judged = judged;
}

/*
 * Who stops a mail and sends it again under its old name, as some programs do, wants something
 * new: it is judged by itself, and answered by itself. The new submission is named after the hold
 * that was stopped, so that every host finds the same.
 */
static void
entry_renew(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	char id[BASE_ID_SIZE];
	const char *texts[] = { "again", id }, *why;

	if (mail->entry.held == SETTINGS_PASS || !mail->entry.is_repeat ||
	    hold_stopped(connection->services->hold, connection->arena, mail->entry.submission,
		sizeof(mail->entry.submission), id, &why) != BASE_OK)
		return;
	name_make(connection->config->key, texts, 2, mail->names.submission);
	(void)session_submissions_renew(session_submissions(), &mail->names,
	    &mail->transaction->recipients, base_now(), &mail->entry);
}

void
session_entry_enter(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;

	names_make(connection, &mail->names);
	memset(&mail->entry, 0, sizeof(mail->entry));
	memcpy(mail->entry.submission, mail->names.submission, sizeof(mail->entry.submission));
	judged_make(connection);
	audience_name(session_submissions_key(session_submissions()), &mail->judged->recipients,
	    mail->identity.actor, mail->names.audience);
	/* without memory for it, it is a submission of its own */
	(void)session_submissions_enter(session_submissions(), connection->arena, &mail->names,
	    &mail->transaction->recipients, base_now(), &mail->entry);
	entry_renew(connection);
	if (mail->entry.others.count > 0)
		judged_make(connection);
}

bool
session_entry_commit(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	size_t before = mail->judged->recipients.count;
	unsigned char body[BASE_MAC_SIZE];

	base_key_mac(session_submissions_key(session_submissions()), BASE_KEY_SUBMISSION,
	    mail->transaction->body_start, mail->transaction->body_start_length, body);
	(void)session_submissions_commit(session_submissions(), connection->arena, &mail->names,
	    &mail->transaction->recipients, body, base_now(), &mail->entry);
	judged_make(connection);
	return mail->judged->recipients.count != before;
}

void
session_entry_await(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;

	if (mail->entry.mail > 0 && mail->entry.is_open)
		session_submissions_await(session_submissions(), &mail->names, &mail->entry);
}

/* Those of this queue entry whom everybody can see, one a line, as many as fit. */
static const char *
visible_text(const struct session_connection *connection)
{
	const struct mail_transaction *transaction = connection->mail.transaction;
	const char *visible[MAX_VISIBLE];
	size_t count = mail_transaction_visible(
	    transaction, &transaction->recipients, "", visible, MAX_VISIBLE);
	struct base_buffer lines;
	const char *text;

	base_buffer_init(&lines, SESSION_SUBMISSION_LEFT_BYTES);
	for (size_t i = 0; i < count; i++)
		if (strlen(visible[i]) + 2 <= lines.max - lines.length)
			base_buffer_printf(&lines, "%s\n", visible[i]);
	text = base_arena_strdup(connection->arena, base_buffer_text(&lines));
	base_buffer_free(&lines);
	return text == NULL ? "" : text;
}

bool
session_entry_pass(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	enum settings_action held;

	/* nobody is proved who could be asked: it would have been tagged at most */
	if (session_submissions_pass(session_submissions(), &mail->names,
		mail->transaction->recipients.count, visible_text(connection), &held) ||
	    mail->identity.person[0] == '\0') {
		mail->has_left = true;
		return true;
	}
	mail->entry.held = held;
	session_decide(connection);
	return false;
}

void
session_entry_leave(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;

	if (mail->has_left)
		return;
	mail->has_left = true;
	session_submissions_leave(session_submissions(), &mail->names,
	    mail->transaction->recipients.count, visible_text(connection));
}

enum base_result
session_entry_hold(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	const struct policy_decision *decision = &mail->evaluation.decision;

	return session_submissions_hold(session_submissions(), connection->arena, &mail->names,
	    decision->is_storm && decision->action < SETTINGS_UNDO ? SETTINGS_UNDO
								   : decision->action,
	    &mail->left);
}

void
session_entry_held(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;

	(void)session_submissions_observe(
	    session_submissions(), &mail->names, mail->judged->recipients.count);
}

void
session_entry_unhold(struct session_connection *connection)
{
	session_submissions_unhold(session_submissions(), &connection->mail.names);
}

/* --- what it teaches --------------------------------------------------------------- */

/* Gives memory what is known of this mail; failing is never a reason to stop mail. */
static void
learn(struct session_connection *connection, const char *actor,
    const struct mail_transaction *transaction, double score, bool is_instead)
{
	struct history *history = connection->services->history;
	const char *why = "";
	const void *observation;
	size_t length;

	if (history_observation(connection->config->key, connection->arena, actor, transaction,
		audience_people(&connection->mail.audience, 0), score, &observation, &length,
		&why) != BASE_OK)
		return;
	if (is_instead)
		(void)history_observe_instead(history, observation, length, &why);
	else
		(void)history_observe(history, observation, length, &why);
}

void
session_learn_passing(struct session_connection *connection)
{
	learn(connection, "", connection->mail.transaction, -1, false);
}

/*
 * The queue entries of a submission teach one audience: what a later one brings anew takes the
 * place of what the earlier ones taught. An entry with a Message-ID of its own is a thread of its
 * own.
 */
void
session_learn_send(struct session_connection *connection)
{
	struct session_mail *mail = &connection->mail;
	size_t count = mail->judged->recipients.count;
	struct session_submission_observation before =
	    session_submissions_observe(session_submissions(), &mail->names, count);

	if (count > before.recipients)
		learn(connection, session_learner(connection), mail->judged,
		    mail->evaluation.score.score, before.is_message);
	else if (!before.is_message)
		learn(connection, "", mail->judged, -1, false);
}
