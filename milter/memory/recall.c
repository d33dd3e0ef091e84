/*
 * NAME
 *	memory/recall - what is known of a sender, the message answered, and the site
 */
#include <stdio.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/memory/handle.h"

/* The writer looks why. */
static void
unread_note(struct memory *memory, const char *why)
{
	pthread_mutex_lock(&memory->lock);
	memory->is_unread = true;
	snprintf(memory->unread, sizeof(memory->unread), "%s", why);
	pthread_cond_signal(&memory->wake);
	pthread_mutex_unlock(&memory->lock);
}

/* Reads one row; NULL when there is none or it is not a record. */
static enum base_result
row_read(struct memory *memory, struct base_arena *arena, enum store_record kind, uint64_t key,
    struct store_blob *blob_r, const char **why_r)
{
	enum base_result result = store_record_get(memory->reads, arena, kind, key, blob_r, why_r);

	if (result == BASE_NONE)
		*blob_r = (struct store_blob){ 0 };
	if (result == BASE_BROKEN)
		unread_note(memory, *why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* Profile, thread and site from the store. */
static enum base_result
recall_rows(struct memory *memory, struct base_arena *arena, uint64_t parent,
    struct memory_recall *recall, const char **why_r)
{
	struct memory_profile *profile = NULL;
	struct memory_thread *thread = NULL;
	struct memory_site *site = base_arena_alloc(arena, sizeof(*site));
	struct store_blob row = { 0 };
	enum base_result result = site ? BASE_OK : BASE_BROKEN;

	if (result == BASE_OK && recall->actor)
		result = row_read(memory, arena, STORE_PROFILE, recall->actor, &row, why_r);
	if (result == BASE_OK && row.length)
		result = memory_profile_decode(arena, row.data, row.length, &profile);
	row.length = 0;
	if ((result == BASE_OK || result == BASE_NONE) && parent)
		result = row_read(memory, arena, STORE_THREAD, parent, &row, why_r);
	if (result == BASE_OK && row.length)
		result = memory_thread_decode(arena, row.data, row.length, &thread);
	if (result != BASE_OK && result != BASE_NONE)
		return result;
	recall->profile = profile;
	recall->thread = thread;
	pthread_mutex_lock(&memory->lock);
	if (memory->has_site) {
		*site = memory->site;
		recall->site = site;
	}
	pthread_mutex_unlock(&memory->lock);
	return BASE_OK;
}

/* Profile, thread and site from the table of a memory that learns at once. */
static enum base_result
recall_table(
    struct memory *memory, uint64_t parent, struct memory_recall *recall, const char **why_r)
{
	struct memory_profile *profile = NULL;
	struct memory_thread *thread = NULL;
	struct memory_site *site = NULL;
	enum base_result result = BASE_NONE;

	if (recall->actor)
		result = memory_table_profile(memory->table, recall->actor, &profile, why_r);
	if ((result == BASE_OK || result == BASE_NONE) && parent)
		result = memory_table_thread(memory->table, parent, &thread, why_r);
	if (result == BASE_OK || result == BASE_NONE)
		result = memory_table_site(memory->table, &site, why_r);
	if (result != BASE_OK && result != BASE_NONE)
		return result;
	recall->profile = profile;
	recall->thread = thread;
	recall->site = site;
	return BASE_OK;
}

/* The site's own percentiles, by the calibration in force; tags have a lower one. */
static void
site_scores(struct memory *memory, const struct memory_site *site, struct memory_recall *recall)
{
	struct memory_calibration calibration;

	pthread_mutex_lock(&memory->lock);
	calibration = memory->calibration;
	pthread_mutex_unlock(&memory->lock);
	recall->site_score = memory_site_score(site, &calibration);
	if (calibration.quantile > calibration.tag_quantile)
		calibration.quantile = calibration.tag_quantile;
	recall->site_tag_score = memory_site_score(site, &calibration);
}

/* The keyed hash of every recipient. */
static const uint64_t *
recipients_hash(
    const struct base_key *key, struct base_arena *arena, const struct mail_addresses *recipients)
{
	uint64_t *hashes = base_arena_array(arena, recipients->count + 1, sizeof(*hashes));

	for (size_t i = 0; hashes && i < recipients->count; i++)
		hashes[i] = memory_hash(key, recipients->items[i]);
	return hashes;
}

/* The oldest key's history is whole; that of a later one begins with it. */
static const struct base_key *
recall_key(const struct base_key *key)
{
	const struct base_key *valid[BASE_KEY_MAX];

	(void)base_key_valid(key, base_now(), valid);
	return valid[0];
}

uint64_t
memory_recall_hash(const struct base_key *key, const char *address)
{
	return memory_hash(recall_key(key), address);
}

/* What is known about a sender, the message answered, and the site. */
enum base_result
memory_recall(struct memory *memory, const struct base_key *key, struct base_arena *arena,
    const char *actor, const struct mail_transaction *transaction, struct memory_recall *recall_r,
    const char **why_r)
{
	struct memory_recall recall = { 0 };
	enum base_result result;
	uint64_t parent;

	key = recall_key(key);
	parent = *transaction->in_reply_to ? memory_hash(key, transaction->in_reply_to) : 0;
	recall.actor = *actor ? memory_hash(key, actor) : 0;
	recall.recipients = recipients_hash(key, arena, &transaction->recipients);
	recall.recipient_count = transaction->recipients.count;
	*why_r = "no memory to recall";
	if (!recall.recipients)
		return BASE_BROKEN;
	result = memory->learns_at_once ? recall_table(memory, parent, &recall, why_r)
					: recall_rows(memory, arena, parent, &recall, why_r);
	if (result != BASE_OK)
		return result;
	if (recall.site)
		site_scores(memory, recall.site, &recall);
	result = memory_domains_find(arena, key, actor, transaction, &recall, why_r);
	if (result == BASE_OK)
		result = memory_alike_find(arena, key, transaction, &recall, why_r);
	if (result == BASE_OK)
		*recall_r = recall;
	return result;
}
