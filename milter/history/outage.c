/*
 * NAME
 *	history/outage - what the writer does while memory.db cannot be written, and who hears of
 *	it
 *
 * A batch may fail for one of its observations or for the store. What tells them apart is whether
 * anything else can be written: then the observation is at fault, and is dropped. Otherwise
 * everybody waits, for a removed or replaced file is opened anew, a full disk may be emptied, a
 * lock ends.
 */
#include <stdio.h>
#include <time.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/history/handle.h"

#define OUTAGE_EVERY_MS 60000  /* between two reports */
#define OUTAGE_LOCKED_MS 10000 /* a lock of somebody else's is no trouble before */
#define OUTAGE_REST_MS 1000    /* before the first new try, then longer ... */
#define OUTAGE_REST_MAX_MS 5000
#define OUTAGE_TEXT 200
#define OUTAGE_NOTE 0           /* the key of the note that is written to try */
#define OUTAGE_NOTE_BYTES 65536 /* as much as an observation to a few people */

enum base_result
history_store_try(struct store *store, const char **why_r)
{
	static const char bytes[OUTAGE_NOTE_BYTES];
	enum base_result result = store_begin(store, why_r);

	if (result != BASE_OK)
		return result;
	result = store_record_put(
	    store, STORE_NOTE, OUTAGE_NOTE, bytes, sizeof(bytes), base_now(), why_r);
	if (result == BASE_OK)
		result = store_record_delete(store, STORE_NOTE, OUTAGE_NOTE, why_r);
	if (result == BASE_OK)
		return store_commit(store, why_r);
	store_rollback(store);
	return result;
}

/* Does a connection of its own write where ours fail? The file was made whole in its place. */
static bool
others_can_write(struct history *history)
{
	struct store *store = NULL;
	const char *why;
	bool can = store_open(&history->options, STORE_MEMORY, &store, &why) == BASE_OK &&
		   history_store_try(store, &why) == BASE_OK;

	store_close(&store);
	return can;
}

/* Opens the file anew if it is another one, or ours alone cannot be used. */
static void
stores_renew(struct history *history)
{
	struct store *const stores[] = { history->writes, history->reads };
	const char *why;

	if (!store_is_lost(history->writes) &&
	    (history_store_try(history->writes, &why) == BASE_OK || !others_can_write(history)))
		return;
	/* what keeps it from being opened is what the next try to write says */
	(void)store_reopen(stores, history->reads ? 2 : 1, &why);
}

/* Waits for the time given, or until it is time to end; false: it is. */
static bool
rest(struct history *history, int64_t milliseconds)
{
	struct timespec until = history_time_after(milliseconds);
	bool is_closing;

	pthread_mutex_lock(&history->lock);
	while (!history->is_closing &&
	       pthread_cond_timedwait(&history->wake, &history->lock, &until) == 0)
		;
	is_closing = history->is_closing;
	pthread_mutex_unlock(&history->lock);
	return !is_closing;
}

/* Notes that it is away, and why. */
static void
away_note(struct history *history, enum base_result result, const char *why)
{
	pthread_mutex_lock(&history->lock);
	if (!history->is_away) {
		history->away_since = base_now_ms();
		history->away_began = base_tick_ms();
	}
	history->is_away = true;
	history->is_broken = result != BASE_RETRY;
	snprintf(history->failure, sizeof(history->failure), "%s", why);
	pthread_cond_broadcast(&history->done); /* nobody waits for a store that is away */
	pthread_mutex_unlock(&history->lock);
}

/* Was a recall's failure noted, and is it time to look? Copies what it said. */
static bool
unread_take(struct history *history, char why_r[OUTAGE_TEXT])
{
	int64_t now = base_tick_ms();
	bool is;

	pthread_mutex_lock(&history->lock);
	is = history->is_unread && now - history->mended >= OUTAGE_REST_MS;
	history->is_unread = false;
	snprintf(why_r, OUTAGE_TEXT, "%s", history->unread);
	pthread_mutex_unlock(&history->lock);
	if (is)
		history->mended = now;
	return is;
}

void
history_reads_mend(struct history *history)
{
	struct store *const stores[] = { history->writes, history->reads };
	char text[OUTAGE_TEXT];
	const char *why;

	if (!unread_take(history, text))
		return;
	away_note(history, BASE_BROKEN, text);
	history_outage_report(history);
	if (store_is_lost(history->writes) || others_can_write(history))
		(void)store_reopen(stores, 2, &why);
}

bool
history_store_is_away(struct history *history, enum base_result result, const char *why)
{
	int64_t pause = OUTAGE_REST_MS * (int64_t)++history->tries;

	away_note(history, result, why);
	history_outage_report(history);
	if (result == BASE_RETRY) /* the busy time has passed already */
		return rest(history, 0);
	if (!rest(history, pause < OUTAGE_REST_MAX_MS ? pause : OUTAGE_REST_MAX_MS))
		return false;
	stores_renew(history);
	return true;
}

void
history_store_is_back(struct history *history)
{
	history->tries = 0;
	pthread_mutex_lock(&history->lock);
	history->is_away = false;
	pthread_mutex_unlock(&history->lock);
	history_outage_report(history);
}

void
history_observations_drop(struct history *history, size_t count, const char *why)
{
	pthread_mutex_lock(&history->lock);
	history->dropped += count;
	if (why)
		snprintf(history->failure, sizeof(history->failure), "%s", why);
	pthread_mutex_unlock(&history->lock);
}

/* Is there something to tell now? With the lock held. */
static bool
is_due(const struct history *history, int64_t now)
{
	bool is_long = history->is_away && !history->is_away_reported &&
		       (history->is_broken || now - history->away_began >= OUTAGE_LOCKED_MS);
	bool is_over = !history->is_away && history->is_away_reported;
	bool is_last = history->is_closing && history->dropped;

	if (is_over || is_last)
		return true;
	return (is_long || history->dropped) &&
	       (!history->reported || now - history->reported >= OUTAGE_EVERY_MS);
}

void
history_outage_report(struct history *history)
{
	struct history_outage outage = { 0 };
	int64_t now = base_tick_ms();
	char why[sizeof(history->failure)];

	pthread_mutex_lock(&history->lock);
	if (!is_due(history, now)) {
		pthread_mutex_unlock(&history->lock);
		return;
	}
	outage.is_away = history->is_away;
	if (history->is_away || history->is_away_reported)
		outage.since = history->away_since / 1000;
	outage.dropped = history->dropped;
	outage.waiting = (size_t)(history->learned - history->written);
	snprintf(why, sizeof(why), "%s",
	    *history->failure ? history->failure : "more mail came than could be written");
	outage.why = why;
	history->reported = now;
	history->dropped = 0;
	history->is_away_reported = history->is_away;
	if (!history->is_away)
		*history->failure = '\0';
	pthread_mutex_unlock(&history->lock);
	if (history->outage)
		history->outage(history->context, &outage);
}
