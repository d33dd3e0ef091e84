/*
 * NAME
 *	history/recipients - who each recipient of a send is to its sender
 */
#include <stdlib.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"

/* Orders by hash, then as the transaction has them. */
static int
recipient_compare(const void *a, const void *b)
{
	const struct history_recipient *left = a, *right = b;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->index < right->index ? -1 : left->index > right->index;
}

/* Takes out the sender, and who is named again. */
static size_t
recipients_distinct(struct history_recipient *recipients, size_t count, uint64_t actor)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (recipients[i].hash != actor &&
		    (kept == 0 || recipients[i].hash != recipients[kept - 1].hash))
			recipients[kept++] = recipients[i];
	return kept;
}

/* What is known of one of them. */
static void
contact_fill(
    const struct history_profile *profile, double fade, struct history_recipient *recipient)
{
	const struct history_contact *contact = history_contact_find(profile, recipient->hash);

	if (!contact)
		return;
	recipient->is_contact = true;
	recipient->is_written_to = contact->last_sent != 0;
	recipient->is_received_from = contact->last_received != 0;
	recipient->sent = (double)contact->sent * fade;
	recipient->alone = (double)contact->alone * fade;
	recipient->received = (double)contact->received * fade;
}

/* The bits of those audiences written to that two of the sample are in. */
static uint64_t
audiences_shared(const struct history_recall *recall)
{
	uint64_t any = 0, two = 0;

	for (size_t i = 0; i < recall->sample; i++) {
		const struct history_contact *contact =
		    history_contact_find(recall->records->profile, recall->recipients[i].hash);

		if (contact) {
			two |= any & contact->audiences;
			any |= contact->audiences;
		}
	}
	return two;
}

/* Who they are to each other. */
static void
groups_fill(struct history_recall *recall)
{
	const struct history_profile *profile = recall->records->profile;
	const struct history_thread *thread = recall->records->thread;
	uint64_t two = audiences_shared(recall);

	for (size_t i = 0; i < recall->sample; i++) {
		struct history_recipient *recipient = &recall->recipients[i];
		const struct history_contact *contact =
		    history_contact_find(profile, recipient->hash);

		if (contact)
			recipient->shared =
			    (unsigned)__builtin_popcountll(contact->audiences & two);
		recipient->in_parent = thread && history_hash_has(thread->members,
						     thread->member_count, recipient->hash);
	}
}

/* The keyed hash of every recipient, once each. */
static bool
recipients_hash(struct base_arena *arena, const struct base_key *key,
    const struct mail_addresses *addresses, struct history_recall *recall,
    struct history_records *records)
{
	struct history_recipient *recipients =
	    base_arena_array(arena, addresses->count + 1, sizeof(*recipients));
	uint64_t *hashes = base_arena_array(arena, addresses->count + 1, sizeof(*hashes));

	if (!recipients || !hashes)
		return false;
	for (size_t i = 0; i < addresses->count; i++)
		recipients[i] =
		    (struct history_recipient){ .hash = history_hash(key, addresses->items[i]),
			    .index = i };
	qsort(recipients, addresses->count, sizeof(*recipients), recipient_compare);
	recall->recipients = recipients;
	recall->count = recipients_distinct(recipients, addresses->count, recall->actor);
	recall->sample = recall->count < HISTORY_SAMPLE ? recall->count : HISTORY_SAMPLE;
	for (size_t i = 0; i < recall->count; i++) {
		hashes[i] = recipients[i].hash;
		records->sum += hashes[i];
	}
	records->hashes = hashes;
	return true;
}

enum base_result
history_recipients_find(struct base_arena *arena, const struct base_key *key,
    const struct mail_transaction *transaction, struct history_recall *recall,
    struct history_records *records, const char **why_r)
{
	if (!recipients_hash(arena, key, &transaction->recipients, recall, records)) {
		*why_r =
		    base_why("no memory to recall %zu recipients", transaction->recipients.count);
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < recall->sample; i++)
		contact_fill(records->profile, recall->sender.fade, &recall->recipients[i]);
	groups_fill(recall);
	return BASE_OK;
}

const struct history_recipient *
history_recipient_find(const struct history_recall *recall, uint64_t hash)
{
	size_t place = history_hash_index(recall->records->hashes, recall->count, hash);

	return place < recall->count && recall->recipients[place].hash == hash
		   ? &recall->recipients[place]
		   : NULL;
}

double
history_weight_sent(const struct history_recall *recall, uint64_t hash, int64_t now)
{
	const struct history_profile *profile = recall->records->profile;
	const struct history_contact *contact = history_contact_find(profile, hash);

	return contact ? (double)contact->sent * history_fade(profile->epoch, now) : 0;
}

void
history_contact_author(
    const struct history_recall *recall, uint64_t hash, struct history_recipient *author_r)
{
	*author_r = (struct history_recipient){ .hash = hash };
	contact_fill(recall->records->profile, recall->sender.fade, author_r);
}
