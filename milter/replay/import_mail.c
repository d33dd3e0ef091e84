/*
 * NAME
 *	replay/import_mail - a message on disk as a send: its Date, From, To, Cc, Bcc
 */
#include <string.h>
#include <strings.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/replay/import.h"

/* What a message's header says that a transaction does not take from it. */
struct message {
	struct base_arena *arena;
	struct mail_transaction *transaction;
	bool has_date;
};

static bool
recipient_add(void *context, const char *name, const char *normal)
{
	struct message *message = context;

	(void)name;
	return mail_transaction_recipient(message->arena, message->transaction, normal) == BASE_OK;
}

/* Date, and everybody who is named as a recipient. */
static enum base_result
field_take(void *context, const char *name, const char *value)
{
	struct message *message = context;

	if (!message->has_date && strcasecmp(name, "Date") == 0)
		message->has_date = replay_date_parse(value, &message->transaction->time);
	if (strcasecmp(name, "To") == 0 || strcasecmp(name, "Cc") == 0 ||
	    strcasecmp(name, "Bcc") == 0)
		return mail_each_mailbox(message->arena, value, recipient_add, message);
	return BASE_OK;
}

/* A message on disk. */
enum base_result
replay_message_read(struct base_arena *arena, const char *data, size_t length,
    struct mail_transaction **transaction_r, const char **why_r)
{
	struct message message = { arena, mail_transaction_new(arena, 0), false };
	size_t body;
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory for a message";
	if (message.transaction)
		result = mail_transaction_message(arena, message.transaction, data, length, why_r);
	if (result == BASE_OK)
		result = mail_message_each_field(data, length, field_take, &message, &body, why_r);
	if (result != BASE_OK)
		return result;
	if (!message.has_date) {
		*why_r = "a message without a date";
		return BASE_REFUSE;
	}
	message.transaction->envelope_sender = message.transaction->from;
	*transaction_r = message.transaction;
	return BASE_OK;
}
