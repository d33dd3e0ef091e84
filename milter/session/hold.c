/* hold - what is done to a mail that does not simply pass: a tag, a hold; see internal.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/session/internal.h"

#include <stdio.h>
#include <string.h>

#include "milter/mail/mail.h"
#include "milter/queue/queue.h"

#define MAX_REASONS 12       /* of a score, strongest first */
#define MAX_VISIBLE 20       /* recipients kept to show */
#define MAX_TAG_BYTES 400    /* of a tag header's reasons */
#define MAX_VALUES_BYTES 300 /* of a reason */

static const enum hold_people people_kinds[] = {
	[AUDIENCE_EXACT] = HOLD_PEOPLE_EXACT,
	[AUDIENCE_AT_LEAST] = HOLD_PEOPLE_AT_LEAST,
	[AUDIENCE_UNKNOWN] = HOLD_PEOPLE_UNKNOWN,
};

const char *
session_reasons_text(struct base_arena *arena, const struct judge_score *score)
{
	struct base_buffer buffer;
	const char *text;
	size_t i;

	base_buffer_init(&buffer, MAX_TAG_BYTES);
	for (i = 0; i < score->reason_count && i < MAX_REASONS; i++)
		if (!base_buffer_printf(&buffer, "%s%s:%.1f", i == 0 ? "" : ",",
			score->reasons[i].signal, score->reasons[i].points))
			break;
	text = base_arena_strdup(arena, buffer.length == 0 ? "-" : base_buffer_text(&buffer));
	base_buffer_free(&buffer);
	return text == NULL ? "-" : text;
}

bool
session_field_add(const struct session_connection *connection, SMFICTX *context, const char *name,
    const char *value)
{
	const char *space = (connection->steps & SMFIP_HDR_LEADSPC) != 0 ? " " : "";
	char *text = base_arena_printf(connection->arena, "%s%s", space, value);
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", name);
	return text != NULL && smfi_addheader(context, copy, text) == MI_SUCCESS;
}

/* Does it go to nobody but people here, as far as the envelope says? */
static bool
is_inside_only(const struct session_connection *connection)
{
	const struct mail_addresses *recipients = &connection->mail.transaction->recipients;

	for (size_t i = 0; i < recipients->count; i++)
		if (!mail_is_inside(connection->mail.transaction, connection->mail.identity.actor,
			recipients->items[i]))
			return false;
	return !recipients->capped && recipients->count > 0;
}

/*
 * What a mail that is only tagged says: an id by which the audit line is found. Whoever gets it
 * can read it, so the score and the reasons stand there only by the admin's request, and for people
 * here.
 */
static const char *
tag_value(const struct session_connection *connection, const char *id)
{
	const struct judge_score *score = &connection->mail.evaluation.score;
	const char *value;

	if (queue_tag_format(connection->arena, id, session_action_text(&connection->mail), NULL,
		&value) != BASE_OK)
		return NULL;
	if (!connection->config->settings->tag.show_reasons || !is_inside_only(connection))
		return value;
	return base_arena_printf(connection->arena, "%s; score=%.2f; reasons=%s", value,
	    score->score, session_reasons_text(connection->arena, score));
}

/*
 * What was decided could not be done: the policy's on_error, and the line says what became of it.
 */
static enum session_respond
judged_error(
    struct session_connection *connection, const char *hold_id, const char *where, const char *why)
{
	enum session_respond answer = session_respond_error(connection, where, why);

	session_judge_audit(connection, hold_id,
	    &(struct session_outcome){ answer == SESSION_ACCEPT ? "pass" : "tempfail", "error" });
	return answer;
}

enum session_respond
session_tag(struct session_connection *connection, SMFICTX *context)
{
	char id[BASE_ID_SIZE];
	const char *value;

	base_id_new(id);
	value = tag_value(connection, id);
	session_learn_send(connection);
	if (value == NULL || !session_field_add(connection, context, QUEUE_TAG_NAME, value))
		return judged_error(connection, NULL, "tag", "the MTA did not take the tag header");
	session_judge_audit(connection, id, NULL);
	return SESSION_ACCEPT;
}

/* A reason's values as a line; "" without memory: it is then shown by its name. */
static const char *
values_make(struct base_arena *arena, const struct words_reason *reason)
{
	struct base_buffer line;
	const char *values = NULL;

	base_buffer_init(&line, MAX_VALUES_BYTES);
	if (words_reason_print(&line, reason))
		values = base_arena_strdup(arena, base_buffer_text(&line));
	base_buffer_free(&line);
	return values == NULL ? "" : values;
}

/* The score's reasons as a hold keeps them. */
static size_t
reasons_make(struct base_arena *arena, const struct judge_score *score,
    struct hold_reason reasons_r[MAX_REASONS])
{
	size_t count;

	for (count = 0; count < score->reason_count && count < MAX_REASONS; count++) {
		const struct judge_reason *reason = &score->reasons[count];
		const char *points = base_arena_printf(arena, "%.1f", reason->points);

		reasons_r[count] = (struct hold_reason){ .name = reason->signal,
			.points = points == NULL ? "" : points,
			.values = values_make(arena, &reason->reported),
			.who = reason->reported.who,
			.other = reason->reported.other };
	}
	return count;
}

/* What is learned when it is sent after all. A storm asks nobody about an audience. */
static enum base_result
observation_make(
    struct session_connection *connection, struct hold_params *request, const char **why_r)
{
	const struct session_mail *mail = &connection->mail;

	return (
	    mail->evaluation.decision.is_storm ? history_observation : history_observation_held)(
	    connection->config->key, connection->arena, mail->identity.actor, mail->judged,
	    audience_people(&mail->audience, 0), mail->evaluation.score.score,
	    &request->observation, &request->observation_length, why_r);
}

/* What this transaction is without the others of its submission; the array is the caller's. */
static enum base_result
alone_make(const struct session_connection *connection, const char *visible[MAX_VISIBLE],
    struct hold_alone *alone_r, const char **why_r)
{
	const struct session_mail *mail = &connection->mail;
	const char *actor = mail->identity.actor;
	struct audience audience;

	audience_count(connection->config->audience, mail->transaction, actor, &audience);
	*alone_r = (struct hold_alone){
		.recipients = visible,
		.recipients_visible = mail_transaction_visible(
		    mail->transaction, &mail->transaction->recipients, actor, visible, MAX_VISIBLE),
		.recipient_count = audience_recipients(mail->transaction, actor),
		.people = audience.people,
		.people_kind = people_kinds[audience.kind],
	};
	return (mail->evaluation.decision.is_storm
		    ? history_observation
		    : history_observation_held)(connection->config->key, connection->arena, actor,
	    mail->transaction, audience_people(&audience, 0), mail->evaluation.score.score,
	    &alone_r->observation, &alone_r->observation_length, why_r);
}

/* Would the MTA's own bounce come to the mailbox that letters go to? */
static bool
bounces_home(const struct session_connection *connection)
{
	const struct session_mail *mail = &connection->mail;
	const char *delimiters =
	    mail_account_delimiters(connection->config->settings->identity.recipient_delimiter);
	const char *texts[] = { mail->identity.mailbox, mail->transaction->envelope_written };
	const char *accounts[2], *normal, *why;

	for (size_t i = 0; i < 2; i++) {
		if (mail_path_parse(connection->arena, texts[i], &normal, &why) != BASE_OK)
			return false;
		accounts[i] = mail_address_strip_extension(connection->arena, normal, delimiters);
		if (accounts[i] == NULL || accounts[i][0] == '\0')
			return false;
	}
	return strcmp(accounts[0], accounts[1]) == 0;
}

/* What must be durable before the MTA is asked. The arrays are the caller's. */
static enum base_result
request_make(
    struct session_connection *connection, struct hold_params *request_r, const char **why_r)
{
	const struct settings *settings = connection->config->settings;
	const struct session_mail *mail = &connection->mail;
	const struct settings_policy *rule = mail->evaluation.decision.rule;
	bool is_undo = mail->evaluation.decision.action == SETTINGS_UNDO;

	request_r->action = is_undo ? HOLD_UNDO : HOLD_CONFIRM;
	request_r->queue_id = mail->transaction->queue_id;
	request_r->message_id = mail->transaction->message_id;
	request_r->sender = mail->identity.person;
	request_r->mailbox = mail->identity.mailbox;
	request_r->bounces_home = bounces_home(connection);
	request_r->from = mail->identity.sent_as;
	request_r->subject = mail->transaction->subject;
	request_r->recipient_count = audience_recipients(mail->judged, mail->identity.actor);
	request_r->people = mail->audience.people;
	request_r->people_kind = people_kinds[mail->audience.kind];
	request_r->score = mail->evaluation.score.score;
	request_r->policy = rule->name;
	request_r->language = rule->language;
	request_r->template = rule->template;
	request_r->window = is_undo ? rule->window : rule->expires;
	request_r->announce = settings->undo.announce_within;
	request_r->grace = settings->undo.grace;
	request_r->on_end = rule->on_expiry;
	request_r->then = settings->undo.then;
	session_limit_set(mail, request_r);
	if (mail->evaluation.decision.is_storm)
		session_storm_request(connection, request_r);
	return observation_make(connection, request_r, why_r);
}

/* Writes the hold down. OK: it is durable and may be asked of the MTA. */
static enum base_result
place(struct session_connection *connection, struct hold_placed *placed_r, const char **why_r)
{
	const struct session_mail *mail = &connection->mail;
	const char *visible[MAX_VISIBLE], *here[MAX_VISIBLE];
	struct hold_alone alone;
	struct hold_reason reasons[MAX_REASONS];
	struct hold_params request = { .submission = mail->entry.submission,
		.submission_length = sizeof(mail->entry.submission),
		.recipients = visible,
		.reasons = reasons };
	enum base_result result;

	if (mail->transaction->queue_id[0] == '\0') {
		*why_r = "the MTA told no queue id (macro i)";
		return BASE_BROKEN;
	}
	if ((connection->actions & SMFIF_QUARANTINE) == 0) {
		*why_r = "the MTA does not let a milter hold mail";
		return BASE_BROKEN;
	}
	if (!mail->evaluation.decision.is_storm && session_entry_hold(connection) != BASE_OK) {
		*why_r = "no memory for who has it already";
		return BASE_BROKEN;
	}
	request.mail = mail->entry.mail;
	request.left_count = mail->left.count;
	request.left_to = mail->left.to;
	request.recipients_visible = mail_transaction_visible(
	    mail->transaction, NULL, mail->identity.actor, visible, MAX_VISIBLE);
	request.reason_count = reasons_make(connection->arena, &mail->evaluation.score, reasons);
	result = request_make(connection, &request, why_r);
	if (result == BASE_OK && mail->judged != mail->transaction) {
		result = alone_make(connection, here, &alone, why_r);
		request.alone = &alone;
	}
	if (result == BASE_NONE)
		result = BASE_BROKEN;
	else if (result == BASE_OK)
		result = hold_create_limited(connection->services->hold, &request, placed_r, why_r);
	if (!mail->evaluation.decision.is_storm &&
	    (result != BASE_OK || placed_r->terms.action == 0))
		session_entry_unhold(connection);
	return result;
}

/*
 * Asks the MTA to hold. The tag goes first: a mail on hold that does not say whose it is
 * would never be found again, while a tag on a mail that leaves does no harm (its row
 * becomes LOST). It goes to the end of the header, where it moves no trace field and no
 * signature.
 */
static const char *
quarantine(struct session_connection *connection, SMFICTX *context, const char *id)
{
	const char *action = session_action_text(&connection->mail);
	char reason[80], mac[QUEUE_MAC_SIZE];
	const char *value;

	if (!queue_mac_make(connection->config->key, id, connection->mail.identity.mailbox, mac) ||
	    queue_tag_format(connection->arena, id, action, mac, &value) != BASE_OK)
		return "no memory for the tag header";
	if (!session_field_add(connection, context, QUEUE_TAG_NAME, value))
		return "the MTA did not take the tag header";
	snprintf(reason, sizeof(reason), "oops-milter: %s, id=%s", action, id);
	if (smfi_quarantine(context, reason) != MI_SUCCESS)
		return "the MTA did not take the hold";
	return NULL;
}

/* Its author has already asked to send this submission, `hold_id`: this is one more entry of it. */
static enum session_respond
let_follow(struct session_connection *connection, const char *hold_id)
{
	session_entry_leave(connection);
	session_learn_send(connection);
	session_judge_audit(connection, hold_id, &(struct session_outcome){ "pass", "released" });
	return SESSION_ACCEPT;
}

enum session_respond
session_hold(struct session_connection *connection, SMFICTX *context)
{
	struct hold_placed placed = { .id = "" };
	const char *why = "";

	switch (place(connection, &placed, &why)) {
	case BASE_OK:
		break;
	case BASE_NONE:
		if (connection->mail.evaluation.decision
			.is_storm) { /* the block is off meanwhile */
			connection->mail.evaluation.asked.storm_replies = 0;
			session_decide(connection);
			return session_respond_decision(connection, context);
		}
		return let_follow(connection, placed.id);
	case BASE_RETRY:
	case BASE_REFUSE:
	case BASE_BROKEN:
		return judged_error(connection, NULL, "hold", why);
	}
	session_limit_take(&connection->mail, &placed.terms);
	if (placed.terms.action == 0) {
		session_entry_leave(connection);
		return session_tag(connection, context);
	}
	if (connection->mail.evaluation.decision.is_storm &&
	    session_entry_hold(connection) != BASE_OK)
		return judged_error(connection, placed.id, "hold", "no memory");
	why = quarantine(connection, context, placed.id);
	if (why != NULL) {
		session_entry_unhold(connection);
		return judged_error(connection, placed.id, "hold", why);
	}
	session_entry_held(connection);
	session_judge_audit(connection, placed.id, NULL);
	return SESSION_ACCEPT;
}
