/* gather - the callbacks: one transaction from many steps; see internal.h */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/session/internal.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "milter/mail/mail.h"
#include "milter/notice/notice.h"
#include "milter/queue/queue.h"

/* The one table from our answers to libmilter's. */
static const sfsistat answers[] = {
	[SESSION_CONTINUE] = SMFIS_CONTINUE,
	[SESSION_ACCEPT] = SMFIS_ACCEPT,
	[SESSION_TEMPFAIL] = SMFIS_TEMPFAIL,
	[SESSION_REJECT] = SMFIS_REJECT,
};

/* The value of a macro, "" when the MTA did not send it. */
static const char *
symbol(SMFICTX *context, const char *name)
{
	char copy[32];
	const char *value;

	strncpy(copy, name, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	value = smfi_getsymval(context, copy);
	return value == NULL ? "" : value;
}

/* A connection whose negotiation we have not seen (the MTA may reuse a socket for the next). */
static struct session_connection *
connection_new(void)
{
	struct session_connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL)
		return NULL;
	connection->services = session_services();
	connection->arena = base_arena_new(SESSION_MAX_BYTES);
	if (connection->arena == NULL) {
		free(connection);
		return NULL;
	}
	connection->peer.login = "";
	connection->peer.helo = connection->helo;
	connection->actions = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE;
	connection->steps = SMFIP_HDR_LEADSPC;
	return connection;
}

struct session_connection *
session_connection_of(SMFICTX *context)
{
	struct session_connection *connection = smfi_getpriv(context);

	if (connection != NULL)
		return connection;
	connection = connection_new();
	if (connection != NULL && smfi_setpriv(context, connection) != MI_SUCCESS) {
		base_arena_free(&connection->arena);
		free(connection);
		connection = NULL;
	}
	return connection;
}

/* Forgets the transaction; the connection and what we know of its peer stay. */
static void
mail_end(struct session_connection *connection)
{
	memset(&connection->mail, 0, sizeof(connection->mail));
	config_release(&connection->config);
	connection->peer.login = "";
	base_arena_reset(connection->arena);
}

/* Remembers the first thing that could not be gathered. */
static void
mail_failed(struct session_connection *connection, const char *why)
{
	if (connection->mail.failed == NULL)
		connection->mail.failed = why;
}

/*
 * Mail from the sendmail command comes without SMTP. Postfix's cleanup(8) then speaks of
 * the client "localhost", 127.0.0.1 or ::1, with port 0, which no TCP connection has (tried
 * with 3.7.11). Sendmail gives no address at all; Postfix does that too, but for clients
 * that it cannot name, which proves nothing: so no address counts only with another MTA.
 */
static bool
is_local_submission(const char *version, const char *host, const struct sockaddr *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

	if (strcmp(host, "localhost") != 0)
		return false;
	if (address == NULL)
		return version[0] != '\0' && strncasecmp(version, "Postfix", 7) != 0;
	if (address->sa_family == AF_INET)
		return four->sin_port == 0 && four->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	if (address->sa_family == AF_INET6)
		return six->sin6_port == 0 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
	return false;
}

sfsistat
session_on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
	struct session_connection *connection = session_connection_of(context);
	const struct sockaddr *peer = (const struct sockaddr *)address;

	if (connection == NULL)
		return session_silence(NULL, SMFIP_NR_CONN);
	identity_peer_address(&connection->peer, peer);
	connection->peer.is_local_submission =
	    is_local_submission(symbol(context, "v"), host == NULL ? "" : host, peer);
	return session_silence(connection, SMFIP_NR_CONN);
}

/* A new transaction, by the settings that are in force now. */
static void
mail_begin(struct session_connection *connection)
{
	mail_end(connection);
	if (!session_enter())
		return;
	connection->config = config_acquire(connection->services->sites);
	session_leave();
	connection->mail.transaction = mail_transaction_new(connection->arena, base_now());
	if (connection->mail.transaction != NULL && connection->config != NULL)
		connection->mail.transaction->inside =
		    audience_inside(connection->config->audience);
}

sfsistat
session_on_helo(SMFICTX *context, char *name)
{
	struct session_connection *connection = session_connection_of(context);

	if (connection != NULL && strlen(name) < sizeof(connection->helo))
		strcpy(connection->helo, name);
	return session_silence(connection, SMFIP_NR_HELO);
}

/*
 * The login. Sendmail tells it as xtext (RFC 3461 4: "+5C" for a backslash), Postfix as it is.
 */
static const char *
login_of(const struct session_connection *connection, SMFICTX *context)
{
	const char *reported = symbol(context, "{auth_authen}");
	char *login = base_arena_strdup(connection->arena, reported), *to = login;
	bool is_xtext = connection->config != NULL &&
			strcmp(connection->config->settings->mta.kind, "sendmail") == 0;
	unsigned byte;

	if (login == NULL)
		return "";
	for (; *reported != '\0'; reported++) {
		if (is_xtext && *reported == '+' && isxdigit((unsigned char)reported[1]) &&
		    isxdigit((unsigned char)reported[2]) &&
		    sscanf(reported + 1, "%2x", &byte) == 1 && byte != 0) {
			*to++ = (char)byte;
			reported += 2;
		} else {
			*to++ = *reported;
		}
	}
	*to = '\0';
	return login;
}

sfsistat
session_on_sender(SMFICTX *context, char **arguments)
{
	struct session_connection *connection = session_connection_of(context);
	struct session_mail *mail;

	if (connection == NULL)
		return session_silence(NULL, SMFIP_NR_MAIL);
	mail_begin(connection);
	mail = &connection->mail;
	connection->peer.login = login_of(connection, context);
	if (mail->transaction != NULL &&
	    mail_transaction_sender(connection->arena, mail->transaction, arguments[0]) != BASE_OK)
		mail_failed(connection, "no memory for the sender");
	return session_silence(connection, SMFIP_NR_MAIL);
}

/* Adds a recipient, or only counts it once the envelope is as long as we read it. */
static void
recipient_add(struct session_connection *connection, const char *path)
{
	struct session_mail *mail = &connection->mail;
	struct mail_addresses *set = &mail->transaction->recipients;

	mail->recipient_bytes += strlen(path);
	if (mail->recipient_bytes > SESSION_MAX_RECIPIENT_BYTES)
		set->capped = true;
	if (set->capped)
		set->seen++;
	else if (mail_transaction_recipient(connection->arena, mail->transaction, path) != BASE_OK)
		mail_failed(connection, "no memory for the recipients");
}

sfsistat
session_on_recipient(SMFICTX *context, char **arguments)
{
	struct session_connection *connection = smfi_getpriv(context);

	if (connection != NULL && connection->mail.transaction != NULL)
		recipient_add(connection, arguments[0]);
	return session_silence(connection, SMFIP_NR_RCPT);
}

/* Counts the fields that only we may set, and keeps the proof that a mail is our own. */
static void
field_watch(struct session_connection *connection, const char *name, const char *value)
{
	struct session_mail *mail = &connection->mail;

	if (strcasecmp(name, QUEUE_TAG_NAME) == 0)
		mail->tags++;
	if (strcasecmp(name, NOTICE_INJECT_NAME) != 0)
		return;
	if (mail->injects++ == 0)
		mail->inject =
		    base_arena_strndup(connection->arena, value + strspn(value, " \t"), 200);
}

sfsistat
session_on_field(SMFICTX *context, char *name, char *value)
{
	struct session_connection *connection = smfi_getpriv(context);

	if (connection == NULL || connection->mail.transaction == NULL)
		return session_silence(connection, SMFIP_NR_HDR);
	field_watch(connection, name, value);
	if (mail_transaction_field(connection->arena, connection->mail.transaction, name, value) !=
	    BASE_OK)
		mail_failed(connection, "no memory for the header");
	return session_silence(connection, SMFIP_NR_HDR);
}

/* The queue id, as soon as the MTA tells it. */
static void
queue_id_take(struct session_connection *connection, SMFICTX *context)
{
	const char *id = symbol(context, "i");
	char *copy;

	if (id[0] == '\0' || connection->mail.transaction->queue_id[0] != '\0')
		return;
	copy = base_arena_strndup(connection->arena, id, QUEUE_MAX_ID);
	if (copy != NULL)
		connection->mail.transaction->queue_id = copy;
}

/* Asks `answer` while the services are ours; a mail that could not even be begun flows on. */
static sfsistat
ask(SMFICTX *context, bool is_message_end)
{
	struct session_connection *connection = smfi_getpriv(context);
	enum session_respond answer = SESSION_ACCEPT;

	if (!session_enter())
		return answers[SESSION_TEMPFAIL];
	if (connection == NULL || connection->mail.transaction == NULL) {
		base_log(BASE_LOG_ERROR, "no memory for a transaction: it passes unjudged");
		session_leave();
		return answers[SESSION_ACCEPT];
	}
	queue_id_take(connection, context);
	answer = is_message_end ? session_answer_message(connection, context)
				: session_answer_header(connection);
	/* whatever went wrong: it does not pass with a field that only we may set */
	if (answer == SESSION_ACCEPT && !is_message_end && session_has_marks(&connection->mail)) {
		connection->mail.plan = SESSION_PLAN_CLEAN;
		answer = SESSION_CONTINUE;
	}
	session_leave();
	if (is_message_end || answer != SESSION_CONTINUE)
		mail_end(connection);
	return answers[answer];
}

sfsistat
session_on_header_end(SMFICTX *context)
{
	return ask(context, false);
}

sfsistat
session_on_body(SMFICTX *context, unsigned char *data, size_t length)
{
	struct session_connection *connection = smfi_getpriv(context);
	struct session_mail *mail = connection == NULL ? NULL : &connection->mail;

	if (mail != NULL && mail->transaction != NULL && mail->plan == SESSION_PLAN_JUDGE &&
	    !mail_transaction_has_body(mail->transaction) &&
	    mail_transaction_body(connection->arena, mail->transaction, data, length) != BASE_OK)
		mail_failed(connection, "no memory for the body's start");
	return session_silence(connection, SMFIP_NR_BODY);
}

sfsistat
session_on_message_end(SMFICTX *context)
{
	return ask(context, true);
}

sfsistat
session_on_abort(SMFICTX *context)
{
	struct session_connection *connection = smfi_getpriv(context);

	if (connection != NULL)
		mail_end(connection);
	return SMFIS_CONTINUE;
}

sfsistat
session_on_close(SMFICTX *context)
{
	struct session_connection *connection = smfi_getpriv(context);

	if (connection == NULL)
		return SMFIS_CONTINUE;
	(void)smfi_setpriv(context, NULL);
	config_release(&connection->config);
	base_arena_free(&connection->arena);
	free(connection);
	return SMFIS_CONTINUE;
}
