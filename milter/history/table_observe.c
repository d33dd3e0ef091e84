/*
 * table_observe - what one observation changes: the sender's habits and the site's, the threads,
 * and what each recipient has heard
 */
#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/history/table.h"

/* A profile to change. */
static enum base_result
profile_change(struct history_table *table, uint64_t key, int64_t time,
    struct history_profile **profile_r, const char **why_r)
{
	enum base_result result = history_table_change(table, STORE_PROFILE, key,
	    sizeof(struct history_profile), time, (void **)profile_r, why_r);

	if (result == BASE_OK && (*profile_r)->epoch == 0)
		(*profile_r)->epoch = time;
	return result;
}

/* What an observation is about, once the records it needs are found. */
struct table_observation {
	bool is_first; /* of the keys: the site, which has none, learns once */
	struct history_observation observation;
	uint64_t *recipients;
	size_t recipient_count;
	struct history_thread *parent; /* NULL: unknown */
	struct history_parent answer;
};

/* The sender's habits and the site's. */
static enum base_result
learn_sender(struct history_table *table, struct table_observation *about, const char **why_r)
{
	const struct history_observation *observation = &about->observation;
	struct history_profile *profile;
	struct history_global *site;
	enum base_result result;

	result = profile_change(table, observation->sender, observation->time, &profile, why_r);
	if (result == BASE_OK)
		result = history_table_change(table, STORE_GLOBAL, TABLE_SITE_KEY, sizeof(*site),
		    observation->time, (void **)&site, why_r);
	if (result != BASE_OK)
		return result;
	about->answer =
	    history_parent_find(profile, about->parent, observation->sender, about->recipients,
		about->recipient_count, observation->people_count, observation->time);
	if (about->is_first)
		history_global_observe(site, observation, &about->answer, table->half_life);
	result = history_profile_sent(table->arena, profile, observation, about->recipients,
	    about->recipient_count, &about->answer);
	if (result != BASE_OK)
		*why_r = base_why("no more room for records");
	return result;
}

/*
 * Writes what an observation has changed so far, once that is much, and goes on with an empty
 * table: all records that were found before are gone.
 */
static enum base_result
observation_cut(struct history_table *table, struct table_observation *about, const char **why_r)
{
	enum base_result result;

	if (!table->store || base_arena_held(table->arena) < TABLE_CUT(table->max_bytes))
		return BASE_OK;
	about->parent = NULL;
	result = history_table_write(table, why_r);
	if (result == BASE_OK) {
		table->was_cut = true;
		result = history_table_begin(table, why_r);
	}
	return result;
}

/* Those who got it: last, because an observation may be cut here. */
static enum base_result
learn_recipients(struct history_table *table, struct table_observation *about, const char **why_r)
{
	const struct history_observation *observation = &about->observation;
	enum base_result result = BASE_OK;

	for (size_t i = 0;
	     i < about->recipient_count && i < HISTORY_OBSERVATION_OBSERVED && result == BASE_OK;
	     i++) {
		struct history_profile *profile;

		result = observation_cut(table, about, why_r);
		if (result == BASE_OK)
			result = profile_change(
			    table, about->recipients[i], observation->time, &profile, why_r);
		if (result != BASE_OK)
			return result;
		result = history_profile_received(
		    table->arena, profile, about->recipients[i], observation);
		if (result != BASE_OK)
			*why_r = base_why("no more room for records");
	}
	return result;
}

/* The message's own thread row, and the parent's count of answers to all. */
static enum base_result
learn_thread(struct history_table *table, struct table_observation *about, const char **why_r)
{
	const struct history_observation *observation = &about->observation;
	struct history_thread *thread;
	enum base_result result = BASE_OK;

	if (about->parent && history_parent_is_replied_to_all(&about->answer)) {
		result = history_table_change(table, STORE_THREAD, observation->parent,
		    sizeof(*thread), observation->time, (void **)&thread, why_r);
		if (result == BASE_OK && thread->answered_all < UINT8_MAX)
			thread->answered_all++;
	}
	if (result != BASE_OK || !observation->message ||
	    observation->message == observation->parent)
		return result;
	result = history_table_change(table, STORE_THREAD, observation->message, sizeof(*thread),
	    observation->time, (void **)&thread, why_r);
	if (result == BASE_OK)
		history_thread_observe(thread, observation, about->parent, &about->answer);
	return result;
}

/* The parent's thread, if any, and the recipients. */
static enum base_result
observation_prepare(
    struct history_table *table, struct table_observation *about, const char **why_r)
{
	enum base_result result = BASE_NONE;

	if (history_observation_recipients(table->scratch, &about->observation, &about->recipients,
		&about->recipient_count) != BASE_OK) {
		*why_r = base_why("no memory for a lesson");
		return BASE_BROKEN;
	}
	if (about->observation.parent)
		result =
		    history_table_thread(table, about->observation.parent, &about->parent, why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* All that one observation changes under its key. */
static enum base_result
observation_learn(
    struct history_table *table, const void *data, size_t length, bool is_first, const char **why_r)
{
	struct table_observation about = { 0 };
	enum base_result result;

	base_arena_reset(table->scratch);
	result = history_observation_decode(table->scratch, data, length, &about.observation);
	if (result != BASE_OK) {
		*why_r = base_why("%zu bytes are not a lesson", length);
		return result;
	}
	history_observation_forget(&about.observation, table->forgotten, table->forgotten_count);
	about.is_first = is_first;
	if (!about.observation.sender)
		return BASE_OK;
	result = observation_cut(table, &about, why_r);
	if (result == BASE_OK)
		result = observation_prepare(table, &about, why_r);
	if (result == BASE_OK && about.observation.is_send)
		result = learn_sender(table, &about, why_r);
	else if (result == BASE_OK)
		about.answer = history_parent_find(NULL, about.parent, about.observation.sender,
		    about.recipients, about.recipient_count, about.observation.people_count,
		    about.observation.time);
	if (result == BASE_OK)
		result = learn_thread(table, &about, why_r);
	if (result == BASE_OK)
		result = learn_recipients(table, &about, why_r);
	return result;
}

/* All that the observations of one mail change: one for each key. */
enum base_result
history_table_observe(
    struct history_table *table, const void *data, size_t length, const char **why_r)
{
	struct store_blob parts[BASE_KEY_MAX];
	size_t count = history_observations_split(data, length, parts);
	enum base_result result = BASE_OK;

	table->was_cut = false;
	if (count == 0) {
		*why_r = base_why("%zu bytes are not a lesson", length);
		return BASE_REFUSE;
	}
	for (size_t i = 0; i < count && result == BASE_OK; i++)
		result = observation_learn(table, parts[i].data, parts[i].length, i == 0, why_r);
	return result;
}
