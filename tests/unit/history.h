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
#include "milter/memory/memory.h"
#include "milter/policy/policy.h"

struct history {
	struct base_key *key;
	struct memory *memory;
	struct judge_scorecard *card;
	struct base_arena *arena;
	struct settings_policy policy;
	int64_t now;
	unsigned serial;
	size_t people; /* behind the recipients of the next sends, which are lists; 0: no lists */
};

/* What is thought of a send, and what the history's rule does about it. */
struct history_verdict {
	struct judge_score judged;
	enum settings_action action;
	bool wants_body;
};

/* A list of addresses from text with commas. */
static inline struct mail_addresses
history_addresses(struct base_arena *arena, const char *text)
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
history_people(struct base_arena *arena, unsigned first, unsigned count)
{
	char *text = base_arena_alloc(arena, (size_t)count * 24 + 1), *at = text;

	for (unsigned i = 0; i < count; i++)
		at += sprintf(at, "%sp%u@example.com", i ? "," : "", first + i);
	return text;
}

static inline struct mail_transaction *
history_mail(struct history *history, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	struct mail_transaction *mail = mail_transaction_new(history->arena, history->now);

	ck_assert_ptr_nonnull(mail);
	mail->envelope_sender = mail->from = sender;
	mail->recipients = history_addresses(history->arena, recipients);
	mail->message_id = id;
	mail->in_reply_to = parent;
	return mail;
}

static inline void
history_begin(struct history *history)
{
	static const unsigned char bytes[32] = { 7 };
	struct memory_options options = { .learn_at_once = true };
	const char *why = "";

	*history = (struct history){
		.now = 1700000000,
		.policy = { .name = "test",
		    .action = SETTINGS_CONFIRM,
		    .threshold = 0.9,
		    .tag_threshold = 2,
		    .learning = { .sends = 5, .sends_new_site = 10, .new_site_odds = 5 } },
	};
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	ck_assert_int_eq(base_key_from_bytes(bytes, &history->key), BASE_OK);
	ck_assert_int_eq(memory_open(&options, &history->memory, &why), BASE_OK);
	ck_assert_msg(judge_scorecard_default(&history->card, &why) == BASE_OK, "%s", why);
	history->arena = base_arena_new(64u << 20);
}

static inline void
history_end(struct history *history)
{
	memory_close(&history->memory);
	judge_scorecard_free(&history->card);
	base_key_free(&history->key);
	base_arena_free(&history->arena);
}

/* Facts of one send; all in the arena. */
static inline struct judge_facts
history_facts(struct history *history, const struct mail_transaction *mail)
{
	struct memory_recall *recall = base_arena_alloc(history->arena, sizeof(*recall));
	struct identity *identity = base_arena_alloc(history->arena, sizeof(*identity));
	struct audience *audience = base_arena_alloc(history->arena, sizeof(*audience));
	const char *why = "";

	identity->actor = mail->envelope_sender;
	identity->person = mail->envelope_sender;
	identity->is_local = true;
	identity->proof = IDENTITY_LOGIN;
	audience->people = history->people ? history->people : mail->recipients.count;
	audience->lists = history->people ? 1 : 0;
	ck_assert_msg(memory_recall(history->memory, history->key, history->arena,
			  mail->envelope_sender, mail, recall, &why) == BASE_OK,
	    "%s", why);
	return (struct judge_facts){
		.transaction = mail,
		.identity = identity,
		.audience = audience,
		.recall = recall,
	};
}

static inline void
history_learn(struct history *history, const char *actor, const struct mail_transaction *mail)
{
	const void *lesson;
	size_t length;
	const char *why = "";

	ck_assert_msg(memory_lesson(history->key, history->arena, actor, mail, history->people,
			  0.01, &lesson, &length, &why) == BASE_OK,
	    "%s", why);
	ck_assert_msg(memory_learn(history->memory, lesson, length, &why) == BASE_OK, "%s", why);
}

/* A send that was held and that its sender confirmed, an hour after the one before. */
static inline void
history_confirm(struct history *history, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	const struct mail_transaction *mail;
	const void *lesson;
	size_t length;
	const char *why = "";

	history->now += 3600;
	mail = history_mail(history, sender, recipients, id, parent);
	ck_assert_msg(memory_lesson_held(history->key, history->arena, sender, mail,
			  history->people, 0.99, &lesson, &length, &why) == BASE_OK,
	    "%s", why);
	ck_assert_msg(memory_learn(history->memory, lesson, length, &why) == BASE_OK, "%s", why);
}

/* A send that is learned, an hour after the one before. */
static inline void
history_send(struct history *history, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	history->now += 3600;
	history_learn(history, sender, history_mail(history, sender, recipients, id, parent));
}

/* Facts scored, and decided by the history's rule alone. */
static inline struct history_verdict
history_decide(struct history *history, const struct judge_facts *facts)
{
	const struct settings settings = { .policies = &history->policy, .policy_count = 1 };
	const struct policy_facts asked = { .settings = &settings,
		.transaction = facts->transaction,
		.actor = facts->identity->actor,
		.login = "",
		.audience = facts->audience,
		.recall = facts->recall,
		.proof = facts->identity->proof,
		.is_proved_person = true };
	struct history_verdict verdict;
	struct policy_decision decision;
	const char *why = "";

	ck_assert_msg(
	    judge_score(facts, history->card, history->arena, &verdict.judged, &why) == BASE_OK,
	    "%s", why);
	decision = policy_decide(&asked, &verdict.judged, NULL);
	verdict.action = decision.action;
	verdict.wants_body = decision.wants_body;
	return verdict;
}

/* A send that is judged and not learned. */
static inline struct history_verdict
history_judge(struct history *history, const char *sender, const char *recipients, const char *id,
    const char *parent)
{
	struct judge_facts facts =
	    history_facts(history, history_mail(history, sender, recipients, id, parent));

	return history_decide(history, &facts);
}

/* Sender p0 gets to be known: mails to few, and answers to the author alone. */
static inline void
history_teach(struct history *history, unsigned sends)
{
	for (unsigned i = 0; i < sends; i++) {
		char id[32], parent[32];

		snprintf(id, sizeof(id), "mine-%u@x", i);
		snprintf(parent, sizeof(parent), "theirs-%u@x", i);
		if (i % 5 == 0) {
			/* A colleague writes to a group; p0 answers that colleague alone.
			 */
			history_send(history, "p1@example.com",
			    "p0@example.com,p2@example.com,p3@example.com,p4@example.com,"
			    "p5@example.com,p6@example.com,p7@example.com",
			    parent, "");
			history_send(history, "p0@example.com", "p1@example.com", id, parent);
		} else {
			history_send(history, "p0@example.com",
			    history_people(history->arena, 1 + i % 3, 1 + i % 3), id, "");
		}
	}
}

#endif
