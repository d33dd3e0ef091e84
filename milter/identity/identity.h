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
 * WHAT A PROOF PROVES
 *	That somebody of the site sends, not which of them: sites let a login send as a shared
 *	mailbox, as a colleague or as a role, and so do we. The actor is the local address that
 *	the mail itself names; a letter to it stays within the site either way.
 *
 *	A login counts for more than the submission by command, and that for more than the
 *	network; the first that holds is the proof. A null reverse-path has no actor: bounces and
 *	receipts are sent by programs. SPF is not consulted yet: it proves nothing.
 *
 * DIAGNOSTICS
 *	identity_find() cannot fail: what cannot be proved is IDENTITY_NONE, without an actor.
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

/* The identity's strings are those of the transaction, or literals. */
void identity_find(const struct settings *settings, const struct identity_peer *peer,
	const struct mail_transaction *transaction, struct identity *identity_r);

#endif
