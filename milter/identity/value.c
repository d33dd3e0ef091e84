/* value - what can be said of an identity by itself; see value.h */
#include <string.h>

#include "milter/identity/value.h"

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

const char *
identity_own_account(const struct identity *identity)
{
	return strcmp(identity->person, identity->actor) == 0 ? "" : identity->person;
}
