/*
 * NAME
 *	identity - who is really sending: login, trusted network, local submission, SPF
 *
 * WHAT IT DOES
 *	Decides whether a send is proved to come from one of the site's own people, and from
 *	whom. Only such sends are judged, and only to such people do we ever write.
 *
 * WHAT IT NEVER DOES
 *	It does not believe header fields without a proof.
 *
 * PERSON AND ACTOR
 *	Login, envelope sender and From may name three people. The person is who is proved: the
 *	login as an address (one without a domain gets the actor's); without a login the envelope
 *	sender if it is local; else the actor. Letters and links go to the person, and it is the
 *	person whose budget is spent and who is counted.
 *
 *	The actor is the local address that the mail itself names: From, else the envelope sender.
 *	Its habits are compared and learned, and its rules apply: a shared mailbox, a colleague or
 *	a role has habits of its own, whoever sends as it. When it is not the person's own address,
 *	the person's habits are looked at too: "sent as a shared mailbox to people whom you write
 *	to yourself". The audit line shows sender= (the actor), proof=, login=, person= (when it
 *	is not the actor), envelope= and from=.
 *
 *	A login counts for more than the submission by command, that for more than the network,
 *	and that for more than SPF; the first that holds is the proof. A null reverse-path has no
 *	actor: bounces and receipts are sent by programs.
 *
 * SPF (RFC 7208)
 *	Only asked for mail with no other proof whose envelope sender is in a local domain: a
 *	cloud service that sends for us. A pass proves that domain, and From only if it is in the
 *	same one. It proves no person: whoever may send through a service that the domain's
 *	record names can pass, and such a service has other customers. So there is an actor, and
 *	nobody to write to, to count or to teach. Anything else than a pass, within the time limit,
 *	proves nothing.
 *
 * THREADS
 *	identity_find() may be called by any; it may wait for the DNS, but never longer than
 *	identity.spf_timeout. SPF has worker threads of its own, started when needed.
 *
 * BOUNDS
 *	4,096 results are remembered, 8 threads check, 256 checks wait; more are not proved.
 *
 * DIAGNOSTICS
 *	identity_find() cannot fail: what cannot be proved is IDENTITY_NONE, without an actor.
 *	identity_spf_new(): BROKEN, no memory.
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
	const char *helo;		/* the name the client gave; NULL or "" when unknown */
};

struct identity_spf;

/* What SPF needs, as the settings say; NULL when they say that it is not asked. */
enum base_result identity_spf_new(
	const struct settings *settings, struct identity_spf **spf_r, const char **why_r);
/* Not while somebody asks. Checks that still wait for the DNS end by themselves. */
void identity_spf_free(struct identity_spf **spf);

/* Copies a socket address (IPv4-mapped IPv6 becomes IPv4); NULL gives AF_UNSPEC. */
void identity_peer_address(struct identity_peer *peer, const struct sockaddr *address);

/*
 * The identity's strings are those of the transaction, in the arena, or literals. spf NULL: not
 * asked. Without memory there is no person.
 */
void identity_find(const struct settings *settings, struct identity_spf *spf,
	struct base_arena *arena, const struct identity_peer *peer, const struct mail_transaction *transaction,
	struct identity *identity_r);

#endif
