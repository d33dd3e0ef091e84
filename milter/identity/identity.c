/* identity - who is really sending; see identity.h */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/identity/internal.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "milter/mail/mail.h"

/* An IPv4 peer of an IPv6 socket (RFC 4291 2.5.5.2) as the IPv4 peer that it is. */
static void
address_unmap(struct identity_peer *peer, const struct sockaddr_in6 *mapped)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&peer->address;

	address->sin_family = AF_INET;
	address->sin_port = mapped->sin6_port;
	memcpy(&address->sin_addr, mapped->sin6_addr.s6_addr + 12, sizeof(address->sin_addr));
}

/* Copies the address of a family that a network can be of. */
void
identity_peer_address(struct identity_peer *peer, const struct sockaddr *address)
{
	struct sockaddr_in6 six;

	memset(&peer->address, 0, sizeof(peer->address));
	peer->address.ss_family = AF_UNSPEC;
	if (address == NULL)
		return;
	if (address->sa_family == AF_INET) {
		memcpy(&peer->address, address, sizeof(struct sockaddr_in));
	} else if (address->sa_family == AF_INET6) {
		memcpy(&six, address, sizeof(six));
		if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
			address_unmap(peer, &six);
		else
			memcpy(&peer->address, &six, sizeof(six));
	}
}

/* The strongest proof that the MTA's own word gives. */
static enum identity_proof
find_proof(const struct settings *settings, const struct identity_peer *peer)
{
	if (peer->login != NULL && peer->login[0] != '\0')
		return IDENTITY_LOGIN;
	if (peer->is_local_submission)
		return IDENTITY_LOCAL;
	if (settings_networks_have(settings->identity.trusted_networks,
		settings->identity.trusted_network_count, &peer->address))
		return IDENTITY_NETWORK;
	return IDENTITY_NONE;
}

/*
 * Does the envelope sender's domain, one of our own, say that this client sends for it? Only
 * our own domains are asked about: no stranger gets to write what libspf2 reads.
 */
static bool
has_spf_pass(const struct settings *settings, struct identity_spf *spf,
    const struct identity_peer *peer, const struct mail_transaction *transaction)
{
	const struct identity_spf_question question = { .client = &peer->address,
		.helo = peer->helo == NULL ? "" : peer->helo,
		.sender = transaction->envelope_sender };

	return spf != NULL && settings_is_local(settings, transaction->envelope_sender) &&
	       identity_spf_ask(spf, &question) == IDENTITY_SPF_PASS;
}

/* SPF proves one domain, and no person: the author counts only in that one. */
static void
find_by_spf(const struct identity_send *send, struct identity *identity_r)
{
	const char *envelope = send->transaction->envelope_sender;

	identity_r->proof = IDENTITY_SPF;
	identity_r->actor = envelope;
	if (settings_is_local(send->settings, send->author) &&
	    strcmp(mail_domain_of(send->author), mail_domain_of(envelope)) == 0)
		identity_r->actor = send->author;
}

/* What is asked about a send: whoever resent it is its author (RFC 5322 3.6.6). */
static struct identity_send
send_of(const struct settings *settings, const struct identity_sources *sources,
    struct base_arena *arena, const struct identity_peer *peer,
    const struct mail_transaction *transaction)
{
	bool is_resent = transaction->resent_from[0] != '\0';

	return (struct identity_send){ .settings = settings,
		.logins = sources == NULL ? NULL : sources->logins,
		.arena = arena,
		.login = peer->login == NULL ? "" : peer->login,
		.transaction = transaction,
		.author = is_resent ? transaction->resent_from : transaction->from,
		.author_written =
		    is_resent ? transaction->resent_written : transaction->from_written };
}

/* Is the account that is proved to send one of those that no person writes with? */
static bool
is_machine(const struct settings *settings, const char *login, const char *person)
{
	if (settings_addresses_have(
		settings->identity.machines, settings->identity.machine_count, person))
		return true;
	for (size_t i = 0; i < settings->identity.machine_count; i++)
		if (login[0] != '\0' && strcasecmp(settings->identity.machines[i], login) == 0)
			return true;
	return false;
}

void
identity_find(const struct settings *settings, const struct identity_sources *sources,
    struct base_arena *arena, const struct identity_peer *peer,
    const struct mail_transaction *transaction, struct identity *identity_r)
{
	struct identity identity = { .proof = find_proof(settings, peer),
		.actor = "",
		.person = "",
		.mailbox = "",
		.sent_as = "" };
	struct identity_send send = send_of(settings, sources, arena, peer, transaction);

	if (transaction->envelope_sender[0] == '\0')
		; /* a bounce, a receipt: nobody */
	else if (identity.proof == IDENTITY_LOGIN)
		identity_by_login(&send, &identity);
	else if (identity.proof != IDENTITY_NONE)
		identity_by_network(&send, &identity);
	else if (sources != NULL && has_spf_pass(settings, sources->spf, peer, transaction))
		find_by_spf(&send, &identity);
	identity.is_local = identity.actor[0] != '\0';
	identity.is_machine =
	    identity.is_local && is_machine(settings, send.login, identity.person);
	if (identity.is_local && strcmp(identity.person, send.author) != 0)
		identity.sent_as = send.author_written;
	*identity_r = identity;
}

/* --- what is asked besides the settings -------------------------------------------- */

enum base_result
identity_sources_open(const struct settings *settings, identity_failure_fn *failure,
    struct identity_sources *sources_r, const char **why_r)
{
	enum base_result result = identity_logins_load(settings, &sources_r->logins, why_r);

	return result == BASE_OK ? identity_spf_new(settings, failure, &sources_r->spf, why_r)
				 : result;
}

void
identity_sources_close(struct identity_sources *sources)
{
	identity_logins_free(&sources->logins);
	identity_spf_free(&sources->spf);
}
