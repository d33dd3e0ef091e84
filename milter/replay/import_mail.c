/*
 * NAME
 *	replay/import_mail - a message on disk as a send: its Date, From, To, Cc, Bcc
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "milter/mail/mail.h"
#include "milter/replay/import.h"

/* Minutes east of UTC: "+0100", "GMT", "EST" (RFC 5322 4.3); unknown names are UTC. */
static int
zone_minutes(const char *text)
{
	static const struct {
		const char *name;
		int hours;
	} names[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };
	int sign = *text == '-' ? -1 : 1, number;

	if ((*text == '+' || *text == '-') && strspn(text + 1, "0123456789") >= 4) {
		char digits[5] = "";

		memcpy(digits, text + 1, 4);
		number = atoi(digits);
		return sign * (number / 100 * 60 + number % 100);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncasecmp(text, names[i].name, 3) == 0)
			return names[i].hours * 60;
	return 0;
}

/* "Tue, 24 Nov 2026 01:02:03 +0100 (CET)" */
bool
replay_date_parse(const char *text, int64_t *time_r)
{
	struct tm parts = { 0 };
	const char *comma = strchr(text, ','), *rest, *at;
	time_t time;

	at = comma ? comma + 1 : text;
	at += strspn(at, " \t\r\n");
	rest = strptime(at, "%d %b %Y %H:%M", &parts);
	if (!rest)
		return false;
	if (parts.tm_year < 0 && parts.tm_year >= -1900) /* RFC 5322 4.3: two digits */
		parts.tm_year += 1900 + (parts.tm_year + 1900 < 50 ? 100 : 0);
	if (*rest == ':') {
		rest = strptime(rest, ":%S", &parts);
		if (!rest)
			return false;
	}
	time = timegm(&parts) - 60 * zone_minutes(rest + strspn(rest, " \t\r\n"));
	if (time <= 0 || time > UINT32_MAX)
		return false;
	*time_r = time;
	return true;
}

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
	return mail_transaction_recipient(message->arena, message->transaction, normal) ==
	       BASE_OK;
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
		result = mail_transaction_message(
		    arena, message.transaction, data, length, why_r);
	if (result == BASE_OK)
		result = mail_message_each_field(
		    data, length, field_take, &message, &body, why_r);
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
