/*
 * NAME
 *	memory/domain - which outside domains a sender writes to
 *
 * A profile keeps the keyed hashes of the outside domains written to, the latest last. A domain
 * is hashed with its '@', so that no address can have the same hash.
 */
#include <string.h>

#include "milter/base/key.h"
#include "milter/mail/mail.h"
#include "milter/memory/internal.h"

/* An address from its last '@' on; "" when it has no domain. */
static const char *
domain_name(const char *address)
{
	const char *domain = mail_domain_of(address);

	return *domain ? domain - 1 : "";
}

/* Adds a hash once; false: there is no more room. */
static bool
hash_add(uint64_t *hashes, uint8_t *count, size_t room, uint64_t hash)
{
	for (size_t i = 0; i < *count; i++)
		if (hashes[i] == hash)
			return true;
	if (*count == room)
		return false;
	hashes[(*count)++] = hash;
	return true;
}

/* The outside domains of a mail's envelope, the first ones when there are many. */
void
memory_lesson_domains(const struct base_key *key, const char *sender,
    const struct mail_transaction *transaction, struct memory_lesson *lesson)
{
	const struct mail_addresses *recipients = &transaction->recipients;
	const char *last = "";

	lesson->knows_domains = true;
	for (size_t i = 0; i < recipients->count; i++) {
		const char *domain = mail_domain_of(recipients->items[i]);

		if (strcmp(domain, last) == 0 ||
		    mail_is_inside(transaction, sender, recipients->items[i]))
			continue;
		last = domain;
		if (!hash_add(lesson->domains, &lesson->domain_count, MEMORY_LESSON_DOMAINS,
			memory_hash(key, domain_name(recipients->items[i]))))
			return;
	}
}

/* Was this outside domain written to before? */
static bool
is_known(const struct memory_profile *profile, uint64_t hash)
{
	for (size_t i = profile->domain_count; i-- > 0;)
		if (profile->domains[i] == hash)
			return true;
	return false;
}

/* For each recipient of the sample, whose domain it has. */
void
memory_domains_find(const struct base_key *key, const char *actor,
    const struct mail_transaction *transaction, struct memory_recall *recall)
{
	const struct memory_profile *profile = recall->records->profile;
	const char *last = "";
	enum memory_domain whose = MEMORY_DOMAIN_OWN;

	recall->knows_domains = profile && profile->domain_sends > 0;
	for (size_t i = 0; recall->knows_domains && i < recall->sample; i++) {
		struct memory_recipient *recipient = &recall->recipients[i];
		const char *address = transaction->recipients.items[recipient->index];
		const char *domain = mail_domain_of(address);

		if (mail_is_inside(transaction, actor, address))
			continue;
		if (strcmp(domain, last) != 0)
			whose = is_known(profile, memory_hash(key, domain_name(address)))
				    ? MEMORY_DOMAIN_KNOWN
				    : MEMORY_DOMAIN_NEW;
		last = domain;
		recipient->domain = whose;
	}
}
