/*
 * NAME
 *	memory/trouble - what the writer does while memory.db cannot be written, and who hears of it
 *
 * A batch may fail for one of its lessons or for the store. What tells them apart is whether
 * anything else can be written: then the lesson is at fault, and is dropped. Otherwise everybody
 * waits, for a removed or replaced file is opened anew, a full disk may be emptied, a lock ends.
 */
#include <stdio.h>
#include <time.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/memory/handle.h"

#define TROUBLE_EVERY_MS 60000  /* between two reports */
#define TROUBLE_LOCKED_MS 10000 /* a lock of somebody else's is no trouble before */
#define TROUBLE_REST_MS 1000    /* before the first new try, then longer ... */
#define TROUBLE_REST_MAX_MS 5000
#define TROUBLE_TEXT 200
#define TROUBLE_NOTE 0           /* the key of the note that is written to try */
#define TROUBLE_NOTE_BYTES 65536 /* as much as a lesson to a few people */

enum base_result
memory_store_try(struct store *store, const char **why_r)
{
	static const char bytes[TROUBLE_NOTE_BYTES];
	enum base_result result = store_begin(store, why_r);

	if (result != BASE_OK)
		return result;
	result = store_record_put(
	    store, STORE_NOTE, TROUBLE_NOTE, bytes, sizeof(bytes), base_now(), why_r);
	if (result == BASE_OK)
		result = store_record_delete(store, STORE_NOTE, TROUBLE_NOTE, why_r);
	if (result == BASE_OK)
		return store_commit(store, why_r);
	store_rollback(store);
	return result;
}

/* Does a connection of its own write where ours fail? The file was made whole in its place. */
static bool
others_can_write(struct memory *memory)
{
	struct store *store = NULL;
	const char *why;
	bool can = store_open(&memory->options, STORE_MEMORY, &store, &why) == BASE_OK &&
		   memory_store_try(store, &why) == BASE_OK;

	store_close(&store);
	return can;
}

/* Opens the file anew if it is another one, or ours alone cannot be used. */
static void
stores_renew(struct memory *memory)
{
	struct store *const stores[] = { memory->writes, memory->reads };
	const char *why;

	if (!store_is_lost(memory->writes) &&
	    (memory_store_try(memory->writes, &why) == BASE_OK || !others_can_write(memory)))
		return;
	/* what keeps it from being opened is what the next try to write says */
	(void)store_reopen(stores, memory->reads ? 2 : 1, &why);
}

/* Waits for the time given, or until it is time to end; false: it is. */
static bool
rest(struct memory *memory, int64_t milliseconds)
{
	struct timespec until = memory_time_after(milliseconds);
	bool is_closing;

	pthread_mutex_lock(&memory->lock);
	while (!memory->is_closing &&
	       pthread_cond_timedwait(&memory->wake, &memory->lock, &until) == 0)
		;
	is_closing = memory->is_closing;
	pthread_mutex_unlock(&memory->lock);
	return !is_closing;
}

/* Notes that it is away, and why. */
static void
away_note(struct memory *memory, enum base_result result, const char *why)
{
	pthread_mutex_lock(&memory->lock);
	if (!memory->is_away) {
		memory->away_since = base_now_ms();
		memory->away_began = base_tick_ms();
	}
	memory->is_away = true;
	memory->is_broken = result != BASE_RETRY;
	snprintf(memory->failure, sizeof(memory->failure), "%s", why);
	pthread_cond_broadcast(&memory->done); /* nobody waits for a store that is away */
	pthread_mutex_unlock(&memory->lock);
}

/* Was a recall's failure noted, and is it time to look? Copies what it said. */
static bool
unread_take(struct memory *memory, char why_r[TROUBLE_TEXT])
{
	int64_t now = base_tick_ms();
	bool is;

	pthread_mutex_lock(&memory->lock);
	is = memory->is_unread && now - memory->mended >= TROUBLE_REST_MS;
	memory->is_unread = false;
	snprintf(why_r, TROUBLE_TEXT, "%s", memory->unread);
	pthread_mutex_unlock(&memory->lock);
	if (is)
		memory->mended = now;
	return is;
}

void
memory_reads_mend(struct memory *memory)
{
	struct store *const stores[] = { memory->writes, memory->reads };
	char text[TROUBLE_TEXT];
	const char *why;

	if (!unread_take(memory, text))
		return;
	away_note(memory, BASE_BROKEN, text);
	memory_trouble_tell(memory);
	if (store_is_lost(memory->writes) || others_can_write(memory))
		(void)store_reopen(stores, 2, &why);
}

bool
memory_store_is_away(struct memory *memory, enum base_result result, const char *why)
{
	int64_t pause = TROUBLE_REST_MS * (int64_t)++memory->tries;

	away_note(memory, result, why);
	memory_trouble_tell(memory);
	if (result == BASE_RETRY) /* the busy time has passed already */
		return rest(memory, 0);
	if (!rest(memory, pause < TROUBLE_REST_MAX_MS ? pause : TROUBLE_REST_MAX_MS))
		return false;
	stores_renew(memory);
	return true;
}

void
memory_store_is_back(struct memory *memory)
{
	memory->tries = 0;
	pthread_mutex_lock(&memory->lock);
	memory->is_away = false;
	pthread_mutex_unlock(&memory->lock);
	memory_trouble_tell(memory);
}

void
memory_lessons_drop(struct memory *memory, size_t count, const char *why)
{
	pthread_mutex_lock(&memory->lock);
	memory->dropped += count;
	if (why)
		snprintf(memory->failure, sizeof(memory->failure), "%s", why);
	pthread_mutex_unlock(&memory->lock);
}

/* Is there something to tell now? With the lock held. */
static bool
is_due(const struct memory *memory, int64_t now)
{
	bool is_long = memory->is_away && !memory->is_away_told &&
		       (memory->is_broken || now - memory->away_began >= TROUBLE_LOCKED_MS);
	bool is_over = !memory->is_away && memory->is_away_told;
	bool is_last = memory->is_closing && memory->dropped;

	if (is_over || is_last)
		return true;
	return (is_long || memory->dropped) &&
	       (!memory->told || now - memory->told >= TROUBLE_EVERY_MS);
}

void
memory_trouble_tell(struct memory *memory)
{
	struct memory_trouble trouble = { 0 };
	int64_t now = base_tick_ms();
	char why[sizeof(memory->failure)];

	pthread_mutex_lock(&memory->lock);
	if (!is_due(memory, now)) {
		pthread_mutex_unlock(&memory->lock);
		return;
	}
	trouble.is_away = memory->is_away;
	if (memory->is_away || memory->is_away_told)
		trouble.since = memory->away_since / 1000;
	trouble.dropped = memory->dropped;
	trouble.waiting = (size_t)(memory->learned - memory->written);
	snprintf(why, sizeof(why), "%s",
	    *memory->failure ? memory->failure : "more mail came than could be written");
	trouble.why = why;
	memory->told = now;
	memory->dropped = 0;
	memory->is_away_told = memory->is_away;
	if (!memory->is_away)
		*memory->failure = '\0';
	pthread_mutex_unlock(&memory->lock);
	if (memory->trouble)
		memory->trouble(memory->context, &trouble);
}
