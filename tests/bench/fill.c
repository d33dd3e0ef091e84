/*
 * NAME
 *	fill - a history to judge against
 *
 * SYNOPSIS
 *	fill DIRECTORY KEY-FILE SENDERS MAILS
 *
 * WHAT IT DOES
 *	Makes DIRECTORY's history hold SENDERS people who each have sent MAILS ordinary
 *	mails, to the same few people that load writes to.
 */
#include <stdio.h>
#include <stdlib.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/history/history.h"

#define ARENA_BYTES (1u << 20)

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "fill: %s: %s\n", what, why);
	exit(1);
}

/* One mail that this sender has sent. */
static struct mail_transaction *
mail_make(struct base_arena *arena, long sender, long senders, long number, char *actor)
{
	struct mail_transaction *transaction =
	    mail_transaction_new(arena, base_now() - 86400 * (number + 1));
	char text[128];
	int i;

	if (transaction == NULL)
		fail("mail", "no memory");
	sprintf(actor, "user%ld@example.com", sender);
	(void)mail_transaction_sender(arena, transaction, actor);
	(void)mail_transaction_field(arena, transaction, "From", actor);
	for (i = 1; i <= 3; i++) {
		snprintf(text, sizeof(text), "user%ld@example.com", (sender + i) % senders);
		(void)mail_transaction_recipient(arena, transaction, text);
		(void)mail_transaction_field(arena, transaction, i == 1 ? "To" : "Cc", text);
	}
	snprintf(text, sizeof(text), "<%ld.%ld@example.com>", sender, number);
	(void)mail_transaction_field(arena, transaction, "Message-ID", text);
	return transaction;
}

static void
learn(struct history *history, const struct base_key *key, struct base_arena *arena, long sender,
    long senders, long number)
{
	const char *why = "";
	const void *observation;
	size_t length;
	char actor[64];
	struct mail_transaction *transaction = mail_make(arena, sender, senders, number, actor);

	if (history_observation(
		key, arena, actor, transaction, 0, 0.1, &observation, &length, &why) != BASE_OK)
		fail("lesson", why);
	while (history_observe(history, observation, length, &why) == BASE_RETRY)
		if (history_flush(history, &why) != BASE_OK)
			fail("flush", why);
	base_arena_reset(arena);
}

int
main(int argc, char **argv)
{
	struct base_arena *arena = base_arena_new(ARENA_BYTES);
	struct history_options options = { .driver = "sqlite", .create = true };
	struct history *history;
	struct base_key *key;
	const char *why = "";
	long senders, mails, sender, number;

	if (argc != 5 || arena == NULL) {
		fprintf(stderr, "usage: fill DIRECTORY KEY-FILE SENDERS MAILS\n");
		return 64;
	}
	options.directory = argv[1];
	senders = atol(argv[3]);
	mails = atol(argv[4]);
	if (base_crypto_start(&why) != BASE_OK || base_key_load(argv[2], &key, &why) != BASE_OK)
		fail("key", why);
	if (history_open(&options, &history, &why) != BASE_OK)
		fail("memory", why);
	for (number = mails; number > 0; number--)
		for (sender = 0; sender < senders; sender++)
			learn(history, key, arena, sender, senders, number);
	if (history_flush(history, &why) != BASE_OK)
		fail("flush", why);
	history_close(&history);
	base_key_free(&key);
	base_arena_free(&arena);
	return 0;
}
