/*
 * readers - how many letters each mailbox got of late, whoever's mail they were about; see
 * internal.h
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/notice/internal.h"

#include <string.h>

#include "milter/mail/mail.h"

/* A mailbox without its extension and in one spelling, as a hash; 0: no memory. */
static uint64_t
reader_of(const struct config *config, struct base_arena *arena, const char *mailbox)
{
	const char *delimiters =
	    mail_account_delimiters(config->settings->identity.recipient_delimiter);
	const char *normal, *account, *why;

	if (mail_path_parse(arena, mailbox, &normal, &why) != BASE_OK)
		normal = mailbox;
	account = mail_address_strip_extension(arena, normal, delimiters);
	return account == NULL
		   ? 0
		   : base_key_hash64(config->key, BASE_KEY_INJECT, account, strlen(account));
}

size_t
notice_readers_count(const struct notice_readers *readers, const struct config *config,
    struct base_arena *arena, const char *mailbox)
{
	uint64_t reader = reader_of(config, arena, mailbox);
	int64_t since = base_tick_ms() - NOTICE_READERS_MS;
	size_t count = 0;

	for (size_t i = 0; i < NOTICE_READERS; i++)
		count += readers->letters[i].reader == reader && reader != 0 &&
			 readers->letters[i].at > since;
	return count;
}

void
notice_readers_note(struct notice_readers *readers, const struct config *config,
    struct base_arena *arena, const char *mailbox)
{
	readers->letters[readers->next].reader = reader_of(config, arena, mailbox);
	readers->letters[readers->next].at = base_tick_ms();
	readers->next = (readers->next + 1) % NOTICE_READERS;
}
