/*
 * NAME
 *	memory - recall now, learn behind the answer
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "milter/memory/internal.h"

#define MEMORY_QUEUE_MAX 16384                /* lessons waiting */
#define MEMORY_QUEUE_BYTES (16u << 20)        /* of all of them */
#define MEMORY_BATCH 512                      /* lessons that need not wait for company */
#define MEMORY_TAKE 4096                      /* lessons taken from the queue at once */
#define MEMORY_BATCH_MS 300                   /* a lesson waits no longer for company */
#define MEMORY_TROUBLE_MS 60000               /* between two reports of it */
#define MEMORY_RETRY_MS 1000                  /* after a write that failed */
#define MEMORY_TABLE_BYTES (32u << 20)        /* decoded records of one transaction */
#define MEMORY_TOOL_BYTES (UINT64_C(2) << 30) /* of a memory that has no store */
#define MEMORY_EXPIRE_EVERY 3600              /* seconds */

struct queued {
	void *data;
	size_t length;
};

struct memory {
	struct store *reads;
	struct store *writes;
	bool learns_at_once;
	struct memory_table *table; /* of the writer, or of the only caller */

	pthread_t writer;
	bool has_writer;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t wake;  /* the writer: something to do */
	pthread_cond_t done;  /* flushers: something was done */
	struct queued queue[MEMORY_QUEUE_MAX];
	size_t first, count, bytes;
	uint64_t learned;  /* lessons ever queued */
	uint64_t written;  /* lessons ever written, or given up */
	unsigned flushers; /* who waits for `written` */
	bool is_closing;
	bool has_failed; /* not yet told */
	char failure[200];
	struct memory_calibration calibration;
	struct memory_site site; /* as last written or read */
	bool has_site;
	int64_t expired; /* when rows were last expired */

	uint64_t dropped; /* lessons, not yet told */
	int64_t told;     /* when trouble was told, milliseconds; 0 never */
	bool is_failing;  /* the last batch could not be written, not yet told */
	void (*trouble)(void *context, uint64_t dropped, const char *why);
	void *context;
	int64_t batch_began; /* of an import, milliseconds */
};

/* --- the writer's thread ----------------------------------------------------------- */

/* Remembers why a batch could not be written. */
static void
failure_note(struct memory *memory, const char *why)
{
	pthread_mutex_lock(&memory->lock);
	memory->has_failed = true;
	memory->is_failing = true;
	snprintf(memory->failure, sizeof(memory->failure), "%s", why);
	pthread_mutex_unlock(&memory->lock);
}

/* Keeps a copy of the site's record for recalls. */
static enum base_result
site_refresh(struct memory *memory, const char **why_r)
{
	struct memory_site *site;
	enum base_result result = memory_table_site(memory->table, &site, why_r);

	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	pthread_mutex_lock(&memory->lock);
	memory->site = *site;
	memory->has_site = true;
	pthread_mutex_unlock(&memory->lock);
	return BASE_OK;
}

/* The table goes by the calibration in force. */
static void
table_calibrate(struct memory *memory)
{
	double half_life;

	pthread_mutex_lock(&memory->lock);
	half_life = memory->calibration.half_life;
	pthread_mutex_unlock(&memory->lock);
	memory_table_half_life(memory->table, half_life);
}

/* Learns lessons until the table is full, and writes them; how many. */
static enum base_result
part_write(struct memory *memory, const struct queued *lessons, size_t count,
    size_t *done_r, const char **why_r)
{
	enum base_result result = memory_table_begin(memory->table, why_r);
	size_t done = 0;

	table_calibrate(memory);
	while (result == BASE_OK && done < count && !memory_table_is_full(memory->table)) {
		result = memory_table_learn(
		    memory->table, lessons[done].data, lessons[done].length, why_r);
		if (result == BASE_REFUSE)
			result = BASE_OK;
		done++;
	}
	if (result == BASE_OK)
		result = site_refresh(memory, why_r);
	if (result == BASE_OK)
		result = memory_table_write(memory->table, why_r);
	else
		memory_table_abandon(memory->table);
	if (result == BASE_OK)
		*done_r = done;
	return result;
}

/* Tells of what was dropped or could not be written, now and then. */
static void
trouble_tell(struct memory *memory)
{
	char why[sizeof(memory->failure)];
	int64_t now = base_now_ms();
	uint64_t dropped;

	pthread_mutex_lock(&memory->lock);
	if ((!memory->dropped && !memory->is_failing) ||
	    (memory->told && now - memory->told < MEMORY_TROUBLE_MS)) {
		pthread_mutex_unlock(&memory->lock);
		return;
	}
	memory->told = now;
	dropped = memory->dropped;
	memory->dropped = 0;
	snprintf(why, sizeof(why), "%s",
	    memory->is_failing ? memory->failure : "more mail came than could be written");
	memory->is_failing = false;
	pthread_mutex_unlock(&memory->lock);
	if (memory->trouble)
		memory->trouble(memory->context, dropped, why);
}

/* Is it over? */
static bool
is_closing(struct memory *memory)
{
	bool is;

	pthread_mutex_lock(&memory->lock);
	is = memory->is_closing;
	pthread_mutex_unlock(&memory->lock);
	return is;
}

/* Lessons that are given up because the program ends. */
static void
memory_drop(struct memory *memory, size_t count, const char *why)
{
	pthread_mutex_lock(&memory->lock);
	memory->dropped += count;
	memory->is_failing = true;
	memory->told = 0;
	snprintf(memory->failure, sizeof(memory->failure), "%s", why);
	pthread_mutex_unlock(&memory->lock);
}

/* Should the writer go on trying? Sleeps first, so that a broken store is not hammered. */
static bool
may_retry(struct memory *memory)
{
	if (is_closing(memory))
		return false;
	base_sleep_ms(MEMORY_RETRY_MS);
	return true;
}

/* Writes a batch in as many transactions as it takes. A lesson that never fits is given up.
 */
static void
batch_write(struct memory *memory, const struct queued *lessons, size_t count)
{
	size_t done = 0, step = count;

	while (done < count) {
		size_t part = count - done < step ? count - done : step, written = 0;
		const char *why = "";
		enum base_result result =
		    part_write(memory, lessons + done, part, &written, &why);

		done += written;
		if (result == BASE_OK)
			continue;
		if (result != BASE_RETRY)
			failure_note(memory, why);
		trouble_tell(memory);
		if (result == BASE_RETRY) { /* the busy time has passed: no need to sleep */
			if (!is_closing(memory))
				continue;
			memory_drop(memory, count - done, why);
			return;
		}
		if (step > 1)
			step = step / 2;
		else if (!may_retry(memory)) {
			memory_drop(memory, count - done, why);
			return;
		}
	}
}

/* Once in a while rows that nobody needs any more go. */
static void
rows_expire(struct memory *memory)
{
	int64_t now = base_now();
	const char *why = "";

	if (now - memory->expired < MEMORY_EXPIRE_EVERY)
		return;
	memory->expired = now;
	if (store_record_expire(memory->writes, now, &why) == BASE_BROKEN)
		failure_note(memory, why);
}

/* Waits, with the lock held, until there is a batch to write; false: closing and empty. */
static bool
batch_wait(struct memory *memory)
{
	struct timespec until;

	while (memory->count == 0 && !memory->is_closing)
		pthread_cond_wait(&memory->wake, &memory->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += MEMORY_BATCH_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	while (memory->count > 0 && memory->count < MEMORY_BATCH && !memory->is_closing &&
	       !memory->flushers)
		if (pthread_cond_timedwait(&memory->wake, &memory->lock, &until) ==
		    ETIMEDOUT)
			break;
	return memory->count > 0;
}

/* Takes up to a batch from the queue, with the lock held. */
static size_t
batch_take(struct memory *memory, struct queued *lessons)
{
	size_t count = memory->count < MEMORY_TAKE ? memory->count : MEMORY_TAKE;

	for (size_t i = 0; i < count; i++) {
		lessons[i] = memory->queue[memory->first];
		memory->bytes -= lessons[i].length;
		memory->first = (memory->first + 1) % MEMORY_QUEUE_MAX;
	}
	memory->count -= count;
	return count;
}

/* The thread that writes. */
static void *
writer_run(void *context)
{
	struct memory *memory = context;
	struct queued lessons[MEMORY_TAKE];

	pthread_mutex_lock(&memory->lock);
	while (batch_wait(memory)) {
		size_t count = batch_take(memory, lessons);

		pthread_mutex_unlock(&memory->lock);
		batch_write(memory, lessons, count);
		rows_expire(memory);
		trouble_tell(memory);
		for (size_t i = 0; i < count; i++)
			free(lessons[i].data);
		pthread_mutex_lock(&memory->lock);
		memory->written += count;
		pthread_cond_broadcast(&memory->done);
	}
	pthread_mutex_unlock(&memory->lock);
	return NULL;
}

/* --- opening and closing ----------------------------------------------------------- */

/* The store's two handles: recalls do not wait for a transaction of the writer. */
static enum base_result
stores_open(struct memory *memory, const struct memory_options *options, const char **why_r)
{
	struct store_options store = {
		.driver = options->driver,
		.directory = options->directory,
		.create = options->create,
	};
	enum base_result result;

	if (!options->driver)
		return BASE_OK;
	result = store_open(&store, STORE_MEMORY, &memory->writes, why_r);
	if (result == BASE_OK && !options->learn_at_once)
		result = store_open(&store, STORE_MEMORY, &memory->reads, why_r);
	return result;
}

/* Locks and conditions; timed waits follow the clock that nobody sets. */
static void
locks_init(struct memory *memory)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&memory->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&memory->wake, &attributes);
	pthread_cond_init(&memory->done, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* The table, what is known of the site, and the writer unless it learns at once. */
static enum base_result
memory_begin(struct memory *memory, const char **why_r)
{
	enum base_result result;

	memory->table = memory_table_new(memory->writes,
	    memory->writes ? MEMORY_TABLE_BYTES : (size_t)MEMORY_TOOL_BYTES);
	if (!memory->table) {
		*why_r = base_why("no memory for the table of records");
		return BASE_BROKEN;
	}
	if (memory->learns_at_once)
		return BASE_OK;
	result = site_refresh(memory, why_r);
	if (result != BASE_OK)
		return result;
	if (pthread_create(&memory->writer, NULL, writer_run, memory) != 0) {
		*why_r = base_why("cannot start the thread that learns");
		return BASE_BROKEN;
	}
	memory->has_writer = true;
	return BASE_OK;
}

/* Opens the history. */
enum base_result
memory_open(
    const struct memory_options *options, struct memory **memory_r, const char **why_r)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	enum base_result result;

	if (!memory) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	memory->calibration = MEMORY_CALIBRATION;
	memory->learns_at_once = options->learn_at_once || !options->driver;
	memory->expired = base_now();
	memory->trouble = options->trouble;
	memory->context = options->context;
	locks_init(memory);
	result = stores_open(memory, options, why_r);
	if (result == BASE_OK)
		result = memory_begin(memory, why_r);
	if (result != BASE_OK) {
		memory_close(&memory);
		return result;
	}
	*memory_r = memory;
	return BASE_OK;
}

/* Writes what is queued, then ends. */
void
memory_close(struct memory **memory)
{
	struct memory *old = *memory;
	const char *why = "";

	if (!old)
		return;
	if (old->has_writer) {
		pthread_mutex_lock(&old->lock);
		old->is_closing = true;
		pthread_cond_broadcast(&old->wake);
		pthread_mutex_unlock(&old->lock);
		pthread_join(old->writer, NULL);
	} else if (old->table) {
		(void)memory_table_write(old->table, &why); /* nobody is left to tell */
	}
	memory_table_free(&old->table);
	store_close(&old->reads);
	store_close(&old->writes);
	pthread_cond_destroy(&old->wake);
	pthread_cond_destroy(&old->done);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*memory = NULL;
}

void
memory_calibrate(struct memory *memory, const struct memory_calibration *calibration)
{
	pthread_mutex_lock(&memory->lock);
	memory->calibration = *calibration;
	pthread_mutex_unlock(&memory->lock);
}

/* --- recall ------------------------------------------------------------------------ */

/* Reads one row; NULL when there is none or it is not a record. */
static enum base_result
row_read(struct memory *memory, struct base_arena *arena, enum store_record kind,
    uint64_t key, struct store_blob *blob_r, const char **why_r)
{
	enum base_result result =
	    store_record_get(memory->reads, arena, kind, key, blob_r, why_r);

	if (result == BASE_NONE)
		*blob_r = (struct store_blob){ 0 };
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
recall_table(struct memory *memory, uint64_t parent, struct memory_recall *recall,
    const char **why_r)
{
	struct memory_profile *profile = NULL;
	struct memory_thread *thread = NULL;
	struct memory_site *site = NULL;
	enum base_result result = BASE_NONE;

	if (recall->actor)
		result =
		    memory_table_profile(memory->table, recall->actor, &profile, why_r);
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
site_scores(
    struct memory *memory, const struct memory_site *site, struct memory_recall *recall)
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
recipients_hash(const struct base_key *key, struct base_arena *arena,
    const struct mail_addresses *recipients)
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
    const char *actor, const struct mail_transaction *transaction,
    struct memory_recall *recall_r, const char **why_r)
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
	result = memory->learns_at_once
		     ? recall_table(memory, parent, &recall, why_r)
		     : recall_rows(memory, arena, parent, &recall, why_r);
	if (result != BASE_OK)
		return result;
	if (recall.site)
		site_scores(memory, recall.site, &recall);
	result = memory_alike_find(arena, key, transaction, &recall, why_r);
	if (result == BASE_OK)
		*recall_r = recall;
	return result;
}

/* --- learning ---------------------------------------------------------------------- */

/* What would be learned if this send really leaves. */
enum base_result
memory_lesson(const struct base_key *key, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score,
    const void **lesson_r, size_t *length_r, const char **why_r)
{
	const struct base_key *valid[BASE_KEY_MAX];
	struct store_blob parts[BASE_KEY_MAX] = { 0 };
	size_t count = base_key_valid(key, base_now(), valid);
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < count && result == BASE_OK; i++) {
		struct memory_lesson lesson;

		result = memory_lesson_make(
		    arena, valid[i], actor, transaction, people, score, &lesson, why_r);
		if (result == BASE_OK)
			result = memory_lesson_encode(
			    arena, &lesson, &parts[i].data, &parts[i].length);
	}
	if (result == BASE_OK)
		result = memory_lessons_join(arena, parts, count, lesson_r, length_r);
	if (result == BASE_BROKEN)
		*why_r = base_why("no memory for a lesson");
	return result;
}

/* Learns in the calling thread; what is known stays in the table until there is much of it.
 */
static enum base_result
learn_at_once(struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	enum base_result result = BASE_OK;

	if (memory_table_is_full(memory->table))
		result = memory_table_write(memory->table, why_r);
	if (result == BASE_OK)
		result = memory_table_begin(memory->table, why_r);
	if (result == BASE_OK)
		table_calibrate(memory);
	if (result == BASE_OK)
		result = memory_table_learn(memory->table, lesson, length, why_r);
	return result;
}

/* Puts a copy into the queue, with the lock held. */
static enum base_result
queue_add(struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	struct queued *place =
	    &memory->queue[(memory->first + memory->count) % MEMORY_QUEUE_MAX];

	if (memory->count == MEMORY_QUEUE_MAX ||
	    memory->bytes + length > MEMORY_QUEUE_BYTES) {
		*why_r = base_why("%zu lessons are waiting to be written", memory->count);
		memory->dropped++;
		return BASE_RETRY;
	}
	place->data = malloc(length);
	if (!place->data) {
		*why_r = base_why("no memory for a lesson");
		memory->dropped++;
		return BASE_RETRY;
	}
	memory->bytes += length;
	memcpy(place->data, lesson, length);
	place->length = length;
	memory->count++;
	memory->learned++;
	if (memory->count == 1 || memory->count >= MEMORY_BATCH)
		pthread_cond_signal(&memory->wake);
	return BASE_OK;
}

/*
 * Puts a copy in the place of a lesson that waits, with the lock held; false: none does. Only
 * the newest are looked at: what is older waits no longer, or a lot of others came since.
 */
static bool
queue_replace(struct memory *memory, const void *lesson, size_t length)
{
	size_t looked = memory->count < MEMORY_BATCH ? memory->count : MEMORY_BATCH;

	for (size_t i = 1; i <= looked; i++) {
		struct queued *place =
		    &memory->queue[(memory->first + memory->count - i) % MEMORY_QUEUE_MAX];
		void *copy;

		if (!memory_lesson_is_of_same(place->data, place->length, lesson, length))
			continue;
		copy = malloc(length);
		if (!copy)
			return false;
		memcpy(copy, lesson, length);
		free(place->data);
		memory->bytes += length - place->length;
		*place = (struct queued){ .data = copy, .length = length };
		return true;
	}
	return false;
}

/* Tells once that an earlier batch failed, with the lock held. */
static enum base_result
failure_tell(struct memory *memory, const char **why_r)
{
	if (!memory->has_failed)
		return BASE_OK;
	memory->has_failed = false;
	*why_r = base_why("cannot write what was learned: %s", memory->failure);
	return BASE_BROKEN;
}

/* Learns a lesson. */
enum base_result
memory_learn(struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	enum base_result result;

	if (length == 0) {
		*why_r = base_why("an empty lesson");
		return BASE_REFUSE;
	}
	if (memory->learns_at_once)
		return learn_at_once(memory, lesson, length, why_r);
	pthread_mutex_lock(&memory->lock);
	result = queue_add(memory, lesson, length, why_r);
	if (result == BASE_OK)
		result = failure_tell(memory, why_r);
	pthread_mutex_unlock(&memory->lock);
	return result;
}

/* Learns more of what was taught a moment ago. */
enum base_result
memory_learn_instead(
    struct memory *memory, const void *lesson, size_t length, const char **why_r)
{
	bool is_done;

	if (memory->learns_at_once)
		return memory_learn(memory, lesson, length, why_r);
	pthread_mutex_lock(&memory->lock);
	is_done = queue_replace(memory, lesson, length);
	pthread_mutex_unlock(&memory->lock);
	return is_done ? BASE_OK : memory_learn(memory, lesson, length, why_r);
}

/* Waits until everything queued before is written. */
enum base_result
memory_flush(struct memory *memory, const char **why_r)
{
	enum base_result result = BASE_OK;
	uint64_t goal;

	if (memory->learns_at_once)
		return memory_table_write(memory->table, why_r);
	pthread_mutex_lock(&memory->lock);
	goal = memory->learned;
	memory->flushers++;
	pthread_cond_signal(&memory->wake);
	while (memory->written < goal && !memory->has_failed)
		pthread_cond_wait(&memory->done, &memory->lock);
	memory->flushers--;
	result = failure_tell(memory, why_r);
	pthread_mutex_unlock(&memory->lock);
	return result;
}

/* --- importing --------------------------------------------------------------------- */

#define IMPORT_BATCH_MS 100

/* The batch begins, unless it has. */
enum base_result
memory_import_begin(struct memory *memory, const char **why_r)
{
	if (!memory->batch_began)
		memory->batch_began = base_now_ms();
	return memory_table_begin(memory->table, why_r);
}

/* Writes what the batch has learned. */
enum base_result
memory_import_end(struct memory *memory, const char **why_r)
{
	memory->batch_began = 0;
	return memory_table_write(memory->table, why_r);
}

/* Is it large, or has it kept others waiting for long enough? */
bool
memory_import_is_full(const struct memory *memory)
{
	return memory_table_is_full(memory->table) ||
	       (memory->batch_began &&
		   base_now_ms() - memory->batch_began >= IMPORT_BATCH_MS);
}

/* What a mail's note is called. */
static uint64_t
note_key(const struct base_key *key, const struct memory_lesson *lesson)
{
	uint64_t parts[] = { lesson->message, lesson->sender, lesson->recipient_sum,
		lesson->recipient_count, lesson->message ? 0 : (uint64_t)lesson->time };

	return base_key_hash64(key, BASE_KEY_NOTE, parts, sizeof(parts));
}

/* What the note of a message is called that came by an import, in whatever parts. */
static uint64_t
note_message_key(const struct base_key *key, uint64_t message)
{
	return base_key_hash64(key, BASE_KEY_NOTE, &message, sizeof(message));
}

/* Is this note there? */
static enum base_result
note_find(
    struct memory *memory, struct base_arena *arena, uint64_t note, const char **why_r)
{
	struct store_blob blob;

	return store_record_get(memory->writes, arena, STORE_NOTE, note, &blob, why_r);
}

/* Did a daemon learn it when it passed? Then its thread is there, and no import's note. */
static enum base_result
daemon_knows(struct memory *memory, const struct base_key *key, struct base_arena *arena,
    const struct memory_lesson *lesson, const char **why_r)
{
	struct memory_thread *thread;
	enum base_result result;

	if (!lesson->message)
		return BASE_NONE;
	result = memory_table_thread(memory->table, lesson->message, &thread, why_r);
	if (result != BASE_OK || thread->originator != lesson->sender)
		return result == BASE_OK ? BASE_NONE : result;
	result = note_find(memory, arena, note_message_key(key, lesson->message), why_r);
	if (result == BASE_OK)
		return BASE_NONE;
	return result == BASE_NONE ? BASE_OK : result;
}

#define IMPORT_SCRATCH (BASE_KEY_MAX * (256u << 10))

/* The lesson under one key, and that key. */
struct import_part {
	const struct base_key *key;
	struct store_blob data;
	struct memory_lesson lesson;
};

/*
 * A mail's lessons under their keys, the oldest first; 0: they are none. A key's time may have
 * ended since they were made: the valid ones are the last.
 */
static size_t
import_parts(const struct base_key *key, struct base_arena *arena, const void *data,
    size_t length, struct import_part parts_r[BASE_KEY_MAX], const char **why_r)
{
	const struct base_key *valid[BASE_KEY_MAX];
	struct store_blob blobs[BASE_KEY_MAX];
	size_t key_count = base_key_valid(key, base_now(), valid);
	size_t blob_count = memory_lessons_split(data, length, blobs);
	size_t count = key_count < blob_count ? key_count : blob_count;

	*why_r = base_why("%zu bytes are not a lesson", length);
	for (size_t i = 0; i < count; i++) {
		struct import_part *part = &parts_r[i];

		part->key = valid[key_count - count + i];
		part->data = blobs[blob_count - count + i];
		if (memory_lesson_decode(arena, part->data.data, part->data.length,
			&part->lesson) != BASE_OK)
			return 0;
	}
	return count;
}

/* Was this mail learned before? The oldest key's history is whole. */
enum base_result
memory_import_known(struct memory *memory, const struct base_key *key, const void *data,
    size_t length, const char **why_r)
{
	struct base_arena *arena = base_arena_new(IMPORT_SCRATCH);
	struct import_part parts[BASE_KEY_MAX];
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to import";
	if (arena)
		result = import_parts(key, arena, data, length, parts, why_r) ? BASE_OK
									      : BASE_REFUSE;
	if (result == BASE_OK)
		result = note_find(
		    memory, arena, note_key(parts[0].key, &parts[0].lesson), why_r);
	if (result == BASE_NONE)
		result = daemon_knows(memory, parts[0].key, arena, &parts[0].lesson, why_r);
	base_arena_free(&arena);
	return result;
}

/* Leaves a note for as long as an import would take the mail. */
static enum base_result
note_put(struct memory *memory, uint64_t note, int64_t time, const char **why_r)
{
	return store_record_put(memory->writes, STORE_NOTE, note, "", 0,
	    time + MEMORY_IMPORT_OLDEST + 86400, why_r);
}

/* The notes of one mail under one key. */
static enum base_result
notes_put(struct memory *memory, const struct import_part *part, const char **why_r)
{
	const struct memory_lesson *lesson = &part->lesson;
	enum base_result result =
	    note_put(memory, note_key(part->key, lesson), lesson->time, why_r);

	if (result == BASE_OK && lesson->message)
		result = note_put(memory, note_message_key(part->key, lesson->message),
		    lesson->time, why_r);
	return result;
}

/* Learns and leaves the notes. */
enum base_result
memory_import(struct memory *memory, const struct base_key *key, const void *data,
    size_t length, const char **why_r)
{
	struct base_arena *arena = base_arena_new(IMPORT_SCRATCH);
	struct import_part parts[BASE_KEY_MAX];
	size_t count = 0;
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to import";
	if (arena) {
		count = import_parts(key, arena, data, length, parts, why_r);
		result = count ? BASE_OK : BASE_REFUSE;
	}
	for (size_t i = 0; i < count && result == BASE_OK; i++)
		result = notes_put(memory, &parts[i], why_r);
	base_arena_free(&arena);
	if (result == BASE_OK)
		result = memory_table_learn(memory->table, data, length, why_r);
	return result;
}
