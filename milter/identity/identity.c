/* identity - who is really sending; see identity.h */
#include "milter/identity/internal.h"

#include <netinet/in.h>
#include <string.h>

#include "milter/mail/mail.h"

/* The word of a proof, for the audit. */
const char *
identity_proof_str(enum identity_proof proof)
{
	switch (proof) {
	case IDENTITY_NONE:
		return "none";
	case IDENTITY_LOGIN:
		return "login";
	case IDENTITY_NETWORK:
		return "network";
	case IDENTITY_LOCAL:
		return "local";
	case IDENTITY_SPF:
		return "spf";
	}
	return "unknown";
}

/* An IPv4 peer of an IPv6 socket (RFC 4291 2.5.5.2) as the IPv4 peer that it is. */
static void
address_unmap(struct identity_peer *peer, const struct sockaddr_in6 *mapped)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&peer->address;

	address->sin_family = AF_INET;
	address->sin_port = mapped->sin6_port;
	memcpy(
	    &address->sin_addr, mapped->sin6_addr.s6_addr + 12, sizeof(address->sin_addr));
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

/* Is the address in one of the site's own domains, as they are written there? */
static bool
is_local(const struct settings *settings, const char *address)
{
	const char *domain = mail_domain_of(address);

	for (size_t i = 0; i < settings->identity.local_domain_count; i++)
		if (strcmp(domain, settings->identity.local_domains[i]) == 0)
			return true;
	return false;
}

/* From, or else the envelope sender, whichever is local. */
static const char *
find_actor(const struct settings *settings, const struct mail_transaction *transaction)
{
	if (transaction->envelope_sender[0] == '\0')
		return "";
	if (is_local(settings, transaction->from))
		return transaction->from;
	if (is_local(settings, transaction->envelope_sender))
		return transaction->envelope_sender;
	return "";
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

	return spf != NULL && is_local(settings, transaction->envelope_sender) &&
	       identity_spf_ask(spf, &question) == IDENTITY_SPF_PASS;
}

/* SPF proves one domain: From counts only if it is in that one. */
static const char *
find_spf_actor(const struct mail_transaction *transaction)
{
	const char *envelope = transaction->envelope_sender;

	if (strcmp(mail_domain_of(transaction->from), mail_domain_of(envelope)) == 0)
		return transaction->from;
	return envelope;
}

/* The login as an address of ours; one without a domain is taken to be in the actor's. */
static const char *
login_address(const struct settings *settings, struct base_arena *arena, const char *login,
    const char *actor)
{
	const char *address = "", *why = "";

	if (mail_path_parse(arena, login, &address, &why) != BASE_OK || address[0] == '\0')
		return "";
	if (strchr(address, '@') == NULL)
		address = base_arena_printf(arena, "%s@%s", address, mail_domain_of(actor));
	if (address != NULL)
		address = mail_address_fold(
		    arena, address, settings->identity.recipient_delimiter);
	return address != NULL && is_local(settings, address) ? address : "";
}

/* Who is proved: the login, without one the envelope sender, else who the mail is from. */
static const char *
find_person(const struct settings *settings, struct base_arena *arena,
    const struct identity_peer *peer, const struct mail_transaction *transaction,
    const char *actor)
{
	const char *person = "";

	if (peer->login != NULL && peer->login[0] != '\0')
		person = login_address(settings, arena, peer->login, actor);
	else if (is_local(settings, transaction->envelope_sender))
		person = transaction->envelope_sender;
	return person[0] != '\0' ? person : actor;
}

/* The person's address as the mail writes it, or as it is. */
static const char *
find_mailbox(const struct mail_transaction *transaction, const char *person)
{
	if (strcmp(person, transaction->from) == 0)
		return transaction->from_written;
	if (strcmp(person, transaction->envelope_sender) == 0)
		return transaction->envelope_written;
	return person;
}

const char *
identity_own_account(const struct identity *identity)
{
	return strcmp(identity->person, identity->actor) == 0 ? "" : identity->person;
}

void
identity_find(const struct settings *settings, struct identity_spf *spf,
    struct base_arena *arena, const struct identity_peer *peer,
    const struct mail_transaction *transaction, struct identity *identity_r)
{
	struct identity identity = { .proof = find_proof(settings, peer),
		.actor = "",
		.person = "",
		.mailbox = "",
		.sent_as = "" };

	if (identity.proof != IDENTITY_NONE) {
		identity.actor = find_actor(settings, transaction);
		if (identity.actor[0] != '\0')
			identity.person = find_person(
			    settings, arena, peer, transaction, identity.actor);
	} else if (has_spf_pass(settings, spf, peer, transaction)) {
		identity.proof = IDENTITY_SPF;
		identity.actor = find_spf_actor(transaction);
	}
	identity.is_local = identity.actor[0] != '\0';
	if (identity.person[0] != '\0')
		identity.mailbox = find_mailbox(transaction, identity.person);
	if (identity.is_local && strcmp(identity.person, transaction->from) != 0)
		identity.sent_as = transaction->from_written;
	*identity_r = identity;
}
