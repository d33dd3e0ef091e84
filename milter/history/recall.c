/*
 * NAME
 *	history/recall - what is known of a sender, the message answered, and the site
 */
#include <stdio.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/history/handle.h"

/* The writer looks why. */
static void
unread_note(struct history *history, const char *why)
{
	pthread_mutex_lock(&history->lock);
	history->is_unread = true;
	snprintf(history->unread, sizeof(history->unread), "%s", why);
	pthread_cond_signal(&history->wake);
	pthread_mutex_unlock(&history->lock);
}

/* Reads one row; NULL when there is none or it is not a record. */
static enum base_result
row_read(struct history *history, struct base_arena *arena, enum store_record kind, uint64_t key,
    struct store_blob *blob_r, const char **why_r)
{
	enum base_result result = store_record_get(history->reads, arena, kind, key, blob_r, why_r);

	if (result == BASE_NONE)
		*blob_r = (struct store_blob){ 0 };
	if (result == BASE_BROKEN)
		unread_note(history, *why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* Profile, thread and site from the store. */
static enum base_result
records_read(struct history *history, struct base_arena *arena, uint64_t actor, uint64_t parent,
    struct history_records *records, const char **why_r)
{
	struct history_profile *profile = NULL;
	struct history_thread *thread = NULL;
	struct history_global *site = base_arena_alloc(arena, sizeof(*site));
	struct store_blob row = { 0 };
	enum base_result result = site ? BASE_OK : BASE_BROKEN;

	if (result == BASE_OK && actor)
		result = row_read(history, arena, STORE_PROFILE, actor, &row, why_r);
	if (result == BASE_OK && row.length)
		result = history_profile_decode(arena, row.data, row.length, &profile);
	row.length = 0;
	if ((result == BASE_OK || result == BASE_NONE) && parent)
		result = row_read(history, arena, STORE_THREAD, parent, &row, why_r);
	if (result == BASE_OK && row.length)
		result = history_thread_decode(arena, row.data, row.length, &thread);
	if (result != BASE_OK && result != BASE_NONE)
		return result;
	records->profile = profile;
	records->thread = thread;
	pthread_mutex_lock(&history->lock);
	if (history->has_site) {
		*site = history->site;
		records->site = site;
	}
	pthread_mutex_unlock(&history->lock);
	return BASE_OK;
}

/* Profile, thread and site from the table of a memory that learns at once. */
static enum base_result
records_table(struct history *history, uint64_t actor, uint64_t parent,
    struct history_records *records, const char **why_r)
{
	struct history_profile *profile = NULL;
	struct history_thread *thread = NULL;
	struct history_global *site = NULL;
	enum base_result result = BASE_NONE;

	if (actor)
		result = history_table_profile(history->table, actor, &profile, why_r);
	if ((result == BASE_OK || result == BASE_NONE) && parent)
		result = history_table_thread(history->table, parent, &thread, why_r);
	if (result == BASE_OK || result == BASE_NONE)
		result = history_table_global(history->table, &site, why_r);
	if (result != BASE_OK && result != BASE_NONE)
		return result;
	records->profile = profile;
	records->thread = thread;
	records->site = site;
	return BASE_OK;
}

/* The habits of one sender, as of the send's time. */
static struct history_habits
habits_of_sender(const struct history_profile *profile, int64_t now)
{
	struct history_habits habits = { .fade = 1 };

	if (!profile)
		return habits;
	habits = (struct history_habits){ .is_known = true,
		.sends = profile->sends,
		.largest = profile->largest,
		.outside_sends = profile->domain_sends,
		.total = profile->total,
		.fade = history_fade(profile->epoch, now) };
	memcpy(habits.sizes, profile->sizes, sizeof(habits.sizes));
	for (size_t i = 0; i < HISTORY_PARENT_CLASSES; i++) {
		habits.reply_all_possible += (double)profile->reply_all_possible[i] * habits.fade;
		habits.reply_all_done += (double)profile->reply_all_done[i] * habits.fade;
	}
	return habits;
}

/* Those of everybody here. */
static struct history_habits
habits_of_site(const struct history_global *site, int64_t now)
{
	struct history_habits habits = { .fade = 1 };

	if (!site)
		return habits;
	habits = (struct history_habits){ .is_known = true,
		.sends = site->sends,
		.total = site->total,
		.fade = history_fade(site->epoch, now) };
	memcpy(habits.sizes, site->sizes, sizeof(habits.sizes));
	for (size_t i = 0; i < HISTORY_PARENT_CLASSES; i++) {
		habits.reply_all_possible += (double)site->reply_all_possible[i] * habits.fade;
		habits.reply_all_done += (double)site->reply_all_done[i] * habits.fade;
	}
	return habits;
}

/* The site's own percentiles, by the calibration in force; tags have a lower one. */
static void
site_scores(
    struct history *history, const struct history_global *site, struct history_recall *recall)
{
	struct history_calibration calibration;

	pthread_mutex_lock(&history->lock);
	calibration = history->calibration;
	pthread_mutex_unlock(&history->lock);
	recall->site_score = history_global_score(site, &calibration);
	if (calibration.quantile > calibration.tag_quantile)
		calibration.quantile = calibration.tag_quantile;
	recall->site_tag_score = history_global_score(site, &calibration);
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
history_recall_hash(const struct base_key *key, const char *address)
{
	return history_hash(recall_key(key), address);
}

/* What the records tell of one send. */
static enum base_result
recall_make(struct history *history, const struct base_key *key, struct base_arena *arena,
    const char *actor, const struct mail_transaction *transaction, struct history_records *records,
    struct history_recall *recall, const char **why_r)
{
	enum base_result result;

	recall->records = records;
	recall->sender = habits_of_sender(records->profile, transaction->time);
	recall->site = habits_of_site(records->site, transaction->time);
	if (records->thread) {
		recall->has_parent = true;
		recall->parent_author = records->thread->originator;
	}
	if (records->site) {
		site_scores(history, records->site, recall);
		recall->site_day = history_global_day(records->site, base_now());
	}
	result = history_recipients_find(arena, key, transaction, recall, records, why_r);
	if (result == BASE_OK) {
		history_domains_find(key, actor, transaction, recall);
		history_lookalikes_find(key, transaction, recall);
	}
	return result;
}

/* What is known about a sender, the message answered, and the site. */
enum base_result
history_recall(struct history *history, const struct base_key *key, struct base_arena *arena,
    const char *actor, const struct mail_transaction *transaction, struct history_recall *recall_r,
    const char **why_r)
{
	struct history_records *records = base_arena_alloc(arena, sizeof(*records));
	struct history_recall recall = { 0 };
	enum base_result result;
	uint64_t parent;

	key = recall_key(key);
	parent = *transaction->in_reply_to ? history_hash(key, transaction->in_reply_to) : 0;
	recall.actor = *actor ? history_hash(key, actor) : 0;
	*why_r = "no memory to recall";
	if (!records)
		return BASE_BROKEN;
	result = history->observes_at_once
		     ? records_table(history, recall.actor, parent, records, why_r)
		     : records_read(history, arena, recall.actor, parent, records, why_r);
	if (result == BASE_OK)
		result =
		    recall_make(history, key, arena, actor, transaction, records, &recall, why_r);
	if (result == BASE_OK)
		*recall_r = recall;
	return result;
}
