/*
 * NAME
 *	history - a small mail history for tests: sends by short lines, judged and learned
 */
#ifndef OOPS_TEST_HISTORY_H
#define OOPS_TEST_HISTORY_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/judge/judge.h"
#include "milter/mail/mail.h"
#include "milter/history/history.h"
#include "milter/policy/policy.h"

struct past {
	struct base_key *key;
	struct history *history;
	struct judge_scorecard *card;
	struct base_arena *arena;
	struct settings_policy policy;
	int64_t now;
	unsigned serial;
	size_t people; /* behind the recipients of the next sends, which are lists; 0: no lists */
};

/* What is thought of a send, and what the history's rule does about it. */
struct past_verdict {
	struct judge_score judged;
	enum settings_action action;
	bool wants_body;
};

/* A list of addresses from text with commas. */
static inline struct mail_addresses
past_addresses(struct base_arena *arena, const char *text)
{
	struct mail_addresses list = { 0 };
	char *copy = base_arena_strdup(arena, text), *save = NULL;

	list.items = base_arena_array(arena, strlen(text) + 1, sizeof(*list.items));
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		list.items[list.count++] = word;
	list.seen = list.count;
	return list;
}

/* "p0@x,p1@x,..." with `count` people from number `first` on. */
static inline const char *
past_people(struct base_arena *arena, unsigned first, unsigned count)
{
	char *text = base_arena_alloc(arena, (size_t)count * 24 + 1), *at = text;

	for (unsigned i = 0; i < count; i++)
		at += sprintf(at, "%sp%u@example.com", i ? "," : "", first + i);
	return text;
}

static inline struct mail_transaction *
past_mail(struct past *past, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	struct mail_transaction *mail = mail_transaction_new(past->arena, past->now);

	ck_assert_ptr_nonnull(mail);
	mail->envelope_sender = mail->from = sender;
	mail->recipients = past_addresses(past->arena, recipients);
	mail->message_id = id;
	mail->in_reply_to = parent;
	return mail;
}

static inline void
past_begin(struct past *past)
{
	static const unsigned char bytes[32] = { 7 };
	struct history_options options = { .observe_at_once = true };
	const char *why = "";

	*past = (struct past){
		.now = 1700000000,
		.policy = { .name = "test",
		    .action = SETTINGS_CONFIRM,
		    .threshold = 0.9,
		    .tag_threshold = 2,
		    .learning = { .sends = 5, .sends_new_site = 10, .new_site_odds = 5 } },
	};
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	ck_assert_int_eq(base_key_from_bytes(bytes, &past->key), BASE_OK);
	ck_assert_int_eq(history_open(&options, &past->history, &why), BASE_OK);
	ck_assert_msg(judge_scorecard_default(&past->card, &why) == BASE_OK, "%s", why);
	past->arena = base_arena_new(64u << 20);
}

static inline void
past_end(struct past *past)
{
	history_close(&past->history);
	judge_scorecard_free(&past->card);
	base_key_free(&past->key);
	base_arena_free(&past->arena);
}

/* Facts of one send; all in the arena. */
static inline struct judge_facts
past_facts(struct past *past, const struct mail_transaction *mail)
{
	struct history_recall *recall = base_arena_alloc(past->arena, sizeof(*recall));
	struct identity *identity = base_arena_alloc(past->arena, sizeof(*identity));
	struct audience *audience = base_arena_alloc(past->arena, sizeof(*audience));
	const char *why = "";

	identity->actor = mail->envelope_sender;
	identity->person = mail->envelope_sender;
	identity->is_local = true;
	identity->proof = IDENTITY_LOGIN;
	audience->people = past->people ? past->people : mail->recipients.count;
	audience->lists = past->people ? 1 : 0;
	ck_assert_msg(history_recall(past->history, past->key, past->arena, mail->envelope_sender,
			  mail, recall, &why) == BASE_OK,
	    "%s", why);
	return (struct judge_facts){
		.transaction = mail,
		.identity = identity,
		.audience = audience,
		.recall = recall,
	};
}

static inline void
past_learn(struct past *past, const char *actor, const struct mail_transaction *mail)
{
	const void *observation;
	size_t length;
	const char *why = "";

	ck_assert_msg(history_observation(past->key, past->arena, actor, mail, past->people, 0.01,
			  &observation, &length, &why) == BASE_OK,
	    "%s", why);
	ck_assert_msg(
	    history_observe(past->history, observation, length, &why) == BASE_OK, "%s", why);
}

/* A send that was held and that its sender confirmed, an hour after the one before. */
static inline void
past_confirm(struct past *past, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	const struct mail_transaction *mail;
	const void *observation;
	size_t length;
	const char *why = "";

	past->now += 3600;
	mail = past_mail(past, sender, recipients, id, parent);
	ck_assert_msg(history_observation_held(past->key, past->arena, sender, mail, past->people,
			  0.99, &observation, &length, &why) == BASE_OK,
	    "%s", why);
	ck_assert_msg(
	    history_observe(past->history, observation, length, &why) == BASE_OK, "%s", why);
}

/* A send that is learned, an hour after the one before. */
static inline void
past_send(struct past *past, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	past->now += 3600;
	past_learn(past, sender, past_mail(past, sender, recipients, id, parent));
}

/* Facts scored, and decided by the history's rule alone. */
static inline struct past_verdict
past_decide(struct past *past, const struct judge_facts *facts)
{
	const struct settings settings = { .policies = &past->policy, .policy_count = 1 };
	const struct policy_facts asked = { .settings = &settings,
		.transaction = facts->transaction,
		.actor = facts->identity->actor,
		.login = "",
		.audience = facts->audience,
		.recall = facts->recall,
		.proof = facts->identity->proof,
		.is_proved_person = true };
	struct past_verdict verdict;
	struct policy_decision decision;
	const char *why = "";

	ck_assert_msg(judge_score(facts, past->card, past->arena, &verdict.judged, &why) == BASE_OK,
	    "%s", why);
	decision = policy_decide(&asked, &verdict.judged, NULL);
	verdict.action = decision.action;
	verdict.wants_body = decision.wants_body;
	return verdict;
}

/* A send that is judged and not learned. */
static inline struct past_verdict
past_judge(struct past *past, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	struct judge_facts facts =
	    past_facts(past, past_mail(past, sender, recipients, id, parent));

	return past_decide(past, &facts);
}

/* Sender p0 gets to be known: mails to few, and answers to the author alone. */
static inline void
past_teach(struct past *past, unsigned sends)
{
	for (unsigned i = 0; i < sends; i++) {
		char id[32], parent[32];

		snprintf(id, sizeof(id), "mine-%u@x", i);
		snprintf(parent, sizeof(parent), "theirs-%u@x", i);
		if (i % 5 == 0) {
			/* A colleague writes to a group; p0 answers that colleague alone.
			 */
			past_send(past, "p1@example.com",
			    "p0@example.com,p2@example.com,p3@example.com,p4@example.com,"
			    "p5@example.com,p6@example.com,p7@example.com",
			    parent, "");
			past_send(past, "p0@example.com", "p1@example.com", id, parent);
		} else {
			past_send(past, "p0@example.com",
			    past_people(past->arena, 1 + i % 3, 1 + i % 3), id, "");
		}
	}
}

#endif
