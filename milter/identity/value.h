/*
 * NAME
 *	identity - who is really sending, as a plain value
 *
 * OWNERSHIP
 *	Strings live in the arena of the transaction.
 */
#ifndef OOPS_IDENTITY_VALUE_H
#define OOPS_IDENTITY_VALUE_H

#include <stdbool.h>

enum identity_proof {
	IDENTITY_NONE,	  /* anybody could have claimed it */
	IDENTITY_LOGIN,	  /* SMTP AUTH (RFC 4954) */
	IDENTITY_NETWORK, /* from a trusted network */
	IDENTITY_LOCAL,	  /* the sendmail command on the MTA's own host */
	IDENTITY_SPF,	  /* SPF pass (RFC 7208) for the envelope sender's domain */
};

const char *identity_proof_str(enum identity_proof proof);

struct identity {
	enum identity_proof proof;
	/*
	 * The person whose habits count and to whom we may write: normalised address in a
	 * local domain, "" when there is none. Taken from the From field when that is local,
	 * else from the envelope sender.
	 */
	const char *actor;
	const char *mailbox; /* the actor's address as it was written: where letters go */
	/*
	 * Who is really at work, when that is another of the site's people than the actor: the
	 * login as an address in a local domain, else the envelope sender. "" otherwise. Only its
	 * habits are looked at, for what is sent from the wrong account; it gets no letter.
	 */
	const char *person;
	bool is_local; /* actor is in a local domain and proof is not NONE */
};

#endif
