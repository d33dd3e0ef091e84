/*
 * NAME
 *	identity - who is really sending: login, trusted network, local submission
 *
 * WHAT IT DOES
 *	Decides whether a send is proved to come from one of the site's own people, and from
 *	whom. Only such sends are judged, and only to such people do we ever write.
 *
 * WHAT IT NEVER DOES
 *	It does not believe header fields without a proof.
 *
 * DIAGNOSTICS
 *	identity_find() cannot fail: what cannot be proved is IDENTITY_NONE.
 *	identity_peer_parse(): REFUSE, the text is no address (the peer is then untrusted).
 */
#ifndef OOPS_IDENTITY_H
#define OOPS_IDENTITY_H

#include <sys/socket.h>

#include "milter/base/base.h"
#include "milter/identity/value.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

/* What the MTA told us of the connection. */
struct identity_peer {
	const char *login;		/* {auth_authen}, "" without SMTP AUTH */
	struct sockaddr_storage address; /* ss_family AF_UNSPEC when unknown */
	bool is_local_submission;	/* non-SMTP: the sendmail command */
};

/* Copies a socket address (IPv4-mapped IPv6 becomes IPv4); NULL gives AF_UNSPEC. */
void identity_peer_address(struct identity_peer *peer, const struct sockaddr *address);

void identity_find(const struct settings *settings, const struct identity_peer *peer,
	const struct mail_transaction *transaction, struct identity *identity_r);

#endif
