/*
 * NAME
 *	history/lookalike - is a stranger's address almost that of somebody who is written to?
 *
 * A profile holds hashes, so addresses cannot be compared. Those that a slip of the finger
 * makes of the stranger's are hashed instead, and looked up. Digits are left alone: numbered
 * addresses are neighbours by intent. Names are compared as they are, by their hashes.
 *
 * Of the local part, and of a domain that is new to the sender, from 5 bytes on, are found: any
 * one edit (a byte too many, missing or wrong, two neighbours swapped). From 8 bytes on also any
 * two of these: bytes too many, swaps, letters typed for one near by on the keyboard or in sound.
 * A missing byte, or a letter that is not near, is found only alone: with another edit it would
 * be ten to a hundred times as many. LOOKALIKE_MAX_TRIES is for all recipients of a mail together,
 * one edit first; so with several long new addresses two edits may be missed.
 */
#include <ctype.h>
#include <string.h>

#include "milter/base/key.h"
#include "milter/mail/mail.h"
#include "milter/history/internal.h"

#define LOOKALIKE_MAX_ADDRESS 320
#define LOOKALIKE_MAX_PART 64     /* bytes of a local part or domain that is varied */
#define LOOKALIKE_MIN_PART 5      /* shorter ones are alike by chance */
#define LOOKALIKE_TWICE 8         /* bytes from which two edits are tried */
#define LOOKALIKE_MAX_TRIES 12288 /* hashes per send: less than a millisecond */
#define LOOKALIKE_MARKS 8192      /* bits */

static const char lookalike_letters[] = "abcdefghijklmnopqrstuvwxyz.-_";

/* Of each letter, those that are near on the keyboard, or in sound. */
static const char *const lookalike_near[26] = { "qwszeo", "vghnpd", "xdfvks", "serfcxt", "wsdrai",
	"drtgvc", "ftyhbv", "gyujnb", "uokyel", "huikmg", "jiolmcq", "kopi", "njk", "bhjm",
	"iklpua", "olb", "wak", "edft", "awedxzc", "rfgyd", "yhjio", "cfgbwf", "qasev", "zsdc",
	"tughi", "asx" };

struct lookalike {
	const struct base_key *key;
	const struct history_recall *recall;
	size_t tries;     /* left */
	const char *tail; /* what follows the part that is varied */
	size_t head;      /* bytes before it */
	uint64_t found;   /* 0: not yet */
	char address[LOOKALIKE_MAX_ADDRESS];
	uint64_t marks[LOOKALIKE_MARKS / 64]; /* of contacts, so that few are looked up */
};

/* Is it written to, and not a recipient of this very mail? */
static bool
is_usual(const struct history_recall *recall, uint64_t hash)
{
	const struct history_contact *contact =
	    history_contact_find(recall->records->profile, hash);

	return contact && contact->last_sent && hash != recall->actor &&
	       history_recipient_find(recall, hash) == NULL;
}

/* Marks the contacts. */
static void
marks_make(struct lookalike *lookalike)
{
	const struct history_profile *profile = lookalike->recall->records->profile;

	for (size_t i = 0; i < profile->contact_count; i++) {
		size_t bit = profile->contacts[i].hash % LOOKALIKE_MARKS;

		lookalike->marks[bit / 64] |= UINT64_C(1) << bit % 64;
	}
}

/* Looks one variant up; false: it was one, or there are no tries left. */
static bool
variant_try(struct lookalike *lookalike, const char *part, size_t length)
{
	uint64_t hash;
	size_t bit;

	if (lookalike->tries == 0 || lookalike->found)
		return false;
	lookalike->tries--;
	memcpy(lookalike->address + lookalike->head, part, length);
	strcpy(lookalike->address + lookalike->head + length, lookalike->tail);
	hash = history_hash(lookalike->key, lookalike->address);
	bit = hash % LOOKALIKE_MARKS;
	if ((lookalike->marks[bit / 64] >> bit % 64 & 1) && is_usual(lookalike->recall, hash))
		lookalike->found = hash;
	return !lookalike->found;
}

/* One byte left out, or two neighbours swapped; `depth` times. */
static void
variants_shift(struct lookalike *lookalike, const char *part, size_t length, int depth)
{
	char scratch[LOOKALIKE_MAX_PART + 2];

	for (size_t i = 0; i < length && !lookalike->found && lookalike->tries; i++) {
		if (isdigit((unsigned char)part[i]))
			continue;
		memcpy(scratch, part, i);
		memcpy(scratch + i, part + i + 1, length - i - 1);
		if (variant_try(lookalike, scratch, length - 1) && depth > 1)
			variants_shift(lookalike, scratch, length - 1, depth - 1);
		if (i + 1 == length || part[i] == part[i + 1] ||
		    isdigit((unsigned char)part[i + 1]))
			continue;
		memcpy(scratch, part, length);
		scratch[i] = part[i + 1];
		scratch[i + 1] = part[i];
		if (variant_try(lookalike, scratch, length) && depth > 1)
			variants_shift(lookalike, scratch, length, depth - 1);
	}
}

/* One byte replaced, or one put in. */
static void
variants_replace(struct lookalike *lookalike, const char *part, size_t length)
{
	char scratch[LOOKALIKE_MAX_PART + 2];

	for (size_t i = 0; i <= length && !lookalike->found && lookalike->tries; i++)
		for (const char *letter = lookalike_letters; *letter; letter++) {
			memcpy(scratch, part, i);
			scratch[i] = *letter;
			memcpy(scratch + i + 1, part + i, length - i);
			variant_try(lookalike, scratch, length + 1);
			if (i == length || part[i] == *letter || isdigit((unsigned char)part[i]))
				continue;
			memcpy(scratch + i + 1, part + i + 1, length - i - 1);
			variant_try(lookalike, scratch, length);
		}
}

/* The letters that one may be typed instead of. */
static const char *
near_of(char letter)
{
	if (letter >= 'a' && letter <= 'z')
		return lookalike_near[letter - 'a'];
	return letter == '.' || letter == '-' || letter == '_' ? ".-_" : "";
}

/* One more byte, from a place on, replaced by a letter that is near. */
static void
variants_near_from(struct lookalike *lookalike, char *part, size_t length, size_t from)
{
	for (size_t i = from; i < length && !lookalike->found && lookalike->tries; i++) {
		char letter = part[i];

		for (const char *near = near_of(letter); *near; near++) {
			part[i] = *near;
			if (*near != letter)
				variant_try(lookalike, part, length);
		}
		part[i] = letter;
	}
}

/* One byte replaced by a letter that is near, and another edit. */
static void
variants_near(struct lookalike *lookalike, const char *part, size_t length)
{
	char scratch[LOOKALIKE_MAX_PART + 2];

	memcpy(scratch, part, length);
	for (size_t i = 0; i < length && !lookalike->found && lookalike->tries; i++) {
		for (const char *near = near_of(part[i]); *near; near++) {
			scratch[i] = *near;
			if (*near == part[i])
				continue;
			variants_near_from(lookalike, scratch, length, i + 1);
			variants_shift(lookalike, scratch, length, 1);
		}
		scratch[i] = part[i];
	}
}

/* Which part of an address is varied, and how. */
enum lookalike_round {
	LOOKALIKE_LOCAL,
	LOOKALIKE_DOMAIN,
	LOOKALIKE_LOCAL_TWICE,
	LOOKALIKE_DOMAIN_TWICE
};

/* The contact that an address is alike in its local part, or in its domain; 0: none. */
static uint64_t
address_lookalike(struct lookalike *lookalike, const char *address, enum lookalike_round round)
{
	bool by_domain = round == LOOKALIKE_DOMAIN || round == LOOKALIKE_DOMAIN_TWICE;
	const char *domain = mail_domain_of(address);
	const char *part = by_domain ? domain : address;
	size_t length = by_domain ? strlen(domain) : (size_t)(domain - address);

	if (strlen(address) + 2 >= LOOKALIKE_MAX_ADDRESS || !*domain)
		return 0;
	if (!by_domain)
		length--;
	if (length < LOOKALIKE_MIN_PART || length > LOOKALIKE_MAX_PART)
		return 0;
	lookalike->found = 0;
	lookalike->head = (size_t)(part - address);
	lookalike->tail = part + length;
	memcpy(lookalike->address, address, lookalike->head);
	if (round == LOOKALIKE_LOCAL || round == LOOKALIKE_DOMAIN) {
		variants_shift(lookalike, part, length, length < LOOKALIKE_TWICE ? 1 : 2);
		variants_replace(lookalike, part, length);
	} else if (length >= LOOKALIKE_TWICE) {
		variants_near(lookalike, part, length);
	}
	return lookalike->found;
}

/* Is there anything to search for? */
static bool
is_searched(const struct mail_transaction *transaction, const struct history_recall *recall)
{
	return recall->records->profile && transaction->to.count + transaction->cc.count > 0 &&
	       transaction->recipients.count <= HISTORY_MAX_LOOKALIKE;
}

/* The hash of a recipient's display name, 0 for none. */
static uint32_t
recipient_name(const struct base_key *key, const struct mail_transaction *transaction, size_t i)
{
	for (size_t j = 0; j < transaction->name_count; j++)
		if (strcmp(transaction->names[j].address, transaction->recipients.items[i]) == 0)
			return history_name_hash(key, transaction->names[j].name);
	return 0;
}

/* The contact written to that is known by this name, 0 for none. */
static uint64_t
name_lookalike(const struct history_recall *recall, uint32_t name)
{
	const struct history_profile *profile = recall->records->profile;

	for (size_t i = 0; name && i < profile->contact_count; i++)
		if (profile->contacts[i].name == name &&
		    is_usual(recall, profile->contacts[i].hash))
			return profile->contacts[i].hash;
	return 0;
}

/* A domain that the sender has, or wrote to before, is no slip of the finger. */
static bool
is_due(const struct history_recall *recall, const struct history_recipient *recipient, int round)
{
	return round == LOOKALIKE_LOCAL || round == LOOKALIKE_LOCAL_TWICE ||
	       !recall->knows_domains || recipient->domain == HISTORY_DOMAIN_NEW;
}

/*
 * For each recipient never written to the contact that it is alike; local parts first, one edit
 * first. What is found before the tries are used up depends on no order: they come by hash.
 */
static void
addresses_lookalike(const struct base_key *key, const struct mail_transaction *transaction,
    struct history_recall *recall)
{
	struct lookalike lookalike = { .key = key, .recall = recall, .tries = LOOKALIKE_MAX_TRIES };

	marks_make(&lookalike);
	for (int round = LOOKALIKE_LOCAL; round <= LOOKALIKE_DOMAIN_TWICE; round++)
		for (size_t i = 0; i < recall->sample; i++) {
			struct history_recipient *recipient = &recall->recipients[i];

			if (!recipient->is_written_to && !recipient->lookalike &&
			    is_due(recall, recipient, round))
				recipient->lookalike = address_lookalike(&lookalike,
				    transaction->recipients.items[recipient->index],
				    (enum lookalike_round)round);
		}
}

/* Is anybody among them never written to? */
static bool
has_stranger(const struct history_recall *recall)
{
	for (size_t i = 0; i < recall->sample; i++)
		if (!recall->recipients[i].is_written_to)
			return true;
	return false;
}

/* By address and by name. */
void
history_lookalikes_find(const struct base_key *key, const struct mail_transaction *transaction,
    struct history_recall *recall)
{
	recall->knows_lookalikes = is_searched(transaction, recall);
	if (!recall->knows_lookalikes || !has_stranger(recall))
		return;
	addresses_lookalike(key, transaction, recall);
	for (size_t i = 0; i < recall->sample; i++) {
		struct history_recipient *recipient = &recall->recipients[i];

		if (!recipient->is_written_to)
			recipient->lookalike_name = name_lookalike(
			    recall, recipient_name(key, transaction, recipient->index));
	}
}
