/* author - whom an answer to everybody answers; see internal.h */
#include "milter/session/internal.h"

#include "milter/mail/mail.h"

#define QUOTED_LOOKS 32 /* at signs in the text that are looked at */

/* Looks for the address of who began a thread, of whom only a hash is known. */
struct search {
	const struct session_connection *connection;
	const char *found; /* "" so far */
};

/* Did whoever has this address write what is answered? */
static bool
is_author(const struct session_connection *connection, const char *address)
{
	return history_recall_hash(connection->config->key, address) ==
	       connection->mail.evaluation.recall.parent_author;
}

/* A mail_mailbox_fn: is it this one? False once it is found. */
static bool
is_another(void *context, const char *name, const char *normal)
{
	struct search *search = context;
	const struct session_connection *connection = search->connection;
	const char *address = mail_address_strip_extension(
	    connection->arena, normal, connection->config->settings->identity.recipient_delimiter);

	(void)name;
	if (address == NULL || !is_author(connection, address))
		return true;
	search->found = address;
	return false;
}

/* One whom the mail goes to. */
static const char *
among_recipients(const struct session_connection *connection)
{
	const struct mail_addresses *recipients = &connection->mail.judged->recipients;

	for (size_t i = 0; i < recipients->count; i++)
		if (is_author(connection, recipients->items[i]))
			return recipients->items[i];
	return "";
}

/* One whom the header names, or the line above a quoted text: "Clara <clara@b> wrote:". */
static const char *
among_named(const struct session_connection *connection)
{
	const struct mail_transaction *transaction = connection->mail.transaction;
	const struct mail_addresses *sets[] = { &transaction->to, &transaction->cc };
	struct search search = { connection, "" };

	for (size_t set = 0; set < sizeof(sets) / sizeof(*sets); set++)
		for (size_t i = 0; i < sets[set]->count; i++)
			if (!is_another(&search, "", sets[set]->items[i]))
				return search.found;
	mail_text_each_address(connection->arena, transaction->text, transaction->text_length,
	    QUOTED_LOOKS, is_another, &search);
	return search.found;
}

const char *
session_author_find(const struct session_connection *connection)
{
	const char *author;

	if (connection->mail.evaluation.recall.parent_author == 0)
		return "";
	author = among_recipients(connection);
	return author[0] != '\0' ? author : among_named(connection);
}
