/*
 * NAME
 *	history/domain - which outside domains a sender writes to
 *
 * A profile keeps the keyed hashes of the outside domains written to, the latest last. A domain
 * is hashed with its '@', so that no address can have the same hash.
 */
#include <string.h>

#include "milter/base/key.h"
#include "milter/mail/mail.h"
#include "milter/history/internal.h"

/* An address from its last '@' on; "" when it has no domain. */
static const char *
domain_name(const char *address)
{
	const char *domain = mail_domain_of(address);

	return *domain ? domain - 1 : "";
}

/* Adds a hash once; false: there is no more room. */
static bool
hash_add(uint64_t *hashes, uint8_t *count, size_t capacity, uint64_t hash)
{
	for (size_t i = 0; i < *count; i++)
		if (hashes[i] == hash)
			return true;
	if (*count == capacity)
		return false;
	hashes[(*count)++] = hash;
	return true;
}

/* The outside domains of a mail's envelope, the first ones when there are many. */
void
history_observation_domains(const struct base_key *key, const char *sender,
    const struct mail_transaction *transaction, struct history_observation *observation)
{
	const struct mail_addresses *recipients = &transaction->recipients;
	const char *last = "";

	observation->knows_domains = true;
	for (size_t i = 0; i < recipients->count; i++) {
		const char *domain = mail_domain_of(recipients->items[i]);

		if (strcmp(domain, last) == 0 ||
		    mail_is_inside(transaction, sender, recipients->items[i]))
			continue;
		last = domain;
		if (!hash_add(observation->domains, &observation->domain_count,
			HISTORY_OBSERVATION_DOMAINS,
			history_hash(key, domain_name(recipients->items[i]))))
			return;
	}
}

/* Was this outside domain written to before? */
static bool
is_known(const struct history_profile *profile, uint64_t hash)
{
	for (size_t i = profile->domain_count; i-- > 0;)
		if (profile->domains[i] == hash)
			return true;
	return false;
}

/* For each recipient of the sample, whose domain it has. */
void
history_domains_find(const struct base_key *key, const char *actor,
    const struct mail_transaction *transaction, struct history_recall *recall)
{
	const struct history_profile *profile = recall->records->profile;
	const char *last = "";
	enum history_domain whose = HISTORY_DOMAIN_OWN;

	recall->knows_domains = profile && profile->domain_sends > 0;
	for (size_t i = 0; recall->knows_domains && i < recall->sample; i++) {
		struct history_recipient *recipient = &recall->recipients[i];
		const char *address = transaction->recipients.items[recipient->index];
		const char *domain = mail_domain_of(address);

		if (mail_is_inside(transaction, actor, address))
			continue;
		if (strcmp(domain, last) != 0)
			whose = is_known(profile, history_hash(key, domain_name(address)))
				    ? HISTORY_DOMAIN_KNOWN
				    : HISTORY_DOMAIN_NEW;
		last = domain;
		recipient->domain = whose;
	}
}
