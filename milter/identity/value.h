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
	IDENTITY_NONE,    /* anybody could have claimed it */
	IDENTITY_LOGIN,   /* SMTP AUTH (RFC 4954) */
	IDENTITY_NETWORK, /* from a trusted network */
	IDENTITY_LOCAL,   /* the sendmail command on the MTA's own host */
	IDENTITY_SPF,     /* SPF pass (RFC 7208) for the envelope sender's domain */
};

const char *identity_proof_str(enum identity_proof proof);

struct identity {
	enum identity_proof proof;
	bool is_local;   /* one of the site's own people sends, proved: the mail is judged */
	bool is_machine; /* but not of these: an account of identity.machines, nobody's habits */
	/*
	 * The address whose habits count: normalised, in a local domain, "" when not is_local.
	 * Often, but not always, the person's own: see identity.h.
	 */
	const char *actor;
	/*
	 * The proved person, normalised: whose budget is spent, who is counted. Never "" when
	 * is_local, but for a proof of nobody in particular: SPF, a login of nobody.
	 */
	const char *person;
	const char *mailbox; /* where the letters go, as it was written; "" with no person */
	/* The address in Resent-From, else From, as it was written, when it is not the person's. */
	const char *sent_as;
};

/* The person's own address when that is not the actor's: its habits are looked at too. Or "". */
const char *identity_own_account(const struct identity *identity);

#endif
