/*
 * NAME
 *	history - what is usual: sender profiles and threads; recall and learn
 *
 * WHAT IT DOES
 *	Recalls one profile row and one thread row per send. Learns off the answer path:
 *	observations are queued and a thread writes them in batches. An observation that cannot be
 *	learned though memory.db can be written is dropped. While memory.db cannot be written,
 *	observations wait in a queue of bounded size; one that was removed or replaced is opened
 *	anew.
 *
 * WHAT IT NEVER DOES
 *	It stores no address, subject or body: only keyed hashes. It never judges.
 *
 * THREADS
 *	Any number of threads may recall and learn; one thread inside writes.
 *
 * DIAGNOSTICS
 *	recall: OK even if nothing is known; BROKEN when the store failed (the caller
 *	applies its policy's on_error). learn: RETRY, the queue was full and the observation is
 *	dropped; `trouble` tells of it.
 */
#ifndef OOPS_HISTORY_H
#define OOPS_HISTORY_H

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/mail/transaction.h"
#include "milter/history/value.h"

struct history;

/* Learning is in trouble, or no longer. */
struct history_outage {
	bool is_away;     /* memory.db cannot be written, or not be read; observations wait */
	int64_t since;    /* seconds since 1970: since when, also of what is over; else 0 */
	uint64_t dropped; /* observations given up since the call before */
	size_t waiting;   /* observations */
	const char *why;
};

struct history_options {
	const char *driver;
	const char *directory; /* state_directory */
	bool create;
	bool observe_at_once; /* no thread: history_observe() writes before it returns (tools,
			       backtest) */
	/*
	 * Called by the thread that writes when memory.db cannot be written, when it can be
	 * again, and when observations were dropped; at most once a minute, but for the end. May be
	 * NULL.
	 */
	void (*outage)(void *context, const struct history_outage *outage);
	void *context;
};

enum base_result history_open(
    const struct history_options *options, struct history **history_r, const char **why_r);
/* Writes what is queued, or drops it if that fails, then ends. */
void history_close(struct history **history);

/* From now on recalls and observations go by this; HISTORY_CALIBRATION until then. */
void history_calibrate(struct history *history, const struct history_calibration *calibration);

/*
 * The profile of `actor` (normalised address) and the thread that the transaction answers.
 */
enum base_result history_recall(struct history *history, const struct base_key *key,
    struct base_arena *arena, const char *actor, const struct mail_transaction *transaction,
    struct history_recall *recall_r, const char **why_r);

/* The hash of an address as a recall tells them now: by the oldest valid key. */
uint64_t history_recall_hash(const struct base_key *key, const char *address);

/*
 * What would be learned if this send really leaves, as bytes that hold no address: to be
 * given to history_observe() now, or later by the scheduler. `actor` "" for mail that is not a
 * local person's: only its thread, and who is received from, are remembered. `score` of the
 * judgement feeds the site's own percentile; negative: not judged. `people` stand behind the
 * recipients; 0: one behind each address.
 */
enum base_result history_observation(const struct base_key *key, struct base_arena *arena,
    const char *actor, const struct mail_transaction *transaction, size_t people, double score,
    const void **observation_r, size_t *length_r, const char **why_r);
/*
 * The same for a send that waits for its sender's word: once it is learned, its sender has
 * confirmed this very audience.
 */
enum base_result history_observation_held(const struct base_key *key, struct base_arena *arena,
    const char *actor, const struct mail_transaction *transaction, size_t people, double score,
    const void **observation_r, size_t *length_r, const char **why_r);
enum base_result history_observe(
    struct history *history, const void *observation, size_t length, const char **why_r);
/*
 * The same for an observation that says more of a message than one given a moment ago: it takes
 * that one's place if it still waits to be written.
 */
enum base_result history_observe_instead(
    struct history *history, const void *observation, size_t length, const char **why_r);
/*
 * Waits until everything queued before is written or dropped. RETRY: nothing at all was written
 * for ten seconds.
 */
enum base_result history_flush(struct history *history, const char **why_r);
/*
 * The same for whoever must not be kept: RETRY after `milliseconds`, and at once while memory.db
 * is known not to be written, or nothing was written since this was tried before.
 */
enum base_result history_flush_within(
    struct history *history, int64_t milliseconds, const char **why_r);

/* --- importing (tools that learn at once, beside a live daemon) ---------------------- */

/*
 * A batch of mails that are recalled and imported is one transaction: it begins with the
 * first history_import_begin() and holds the store's write lock until history_import_end(),
 * so it should take a fraction of a second. RETRY: somebody else writes for too long.
 */
enum base_result history_import_begin(struct history *history, const char **why_r);
enum base_result history_import_end(struct history *history, const char **why_r);
/* Is it time to end the batch? */
bool history_import_is_full(const struct history *history);
/*
 * Was this mail learned before, by an import or by the daemon? OK: yes. NONE: no. Inside a
 * batch. An import leaves a note: a keyed hash of sender, message id (or else the time) and
 * all recipients together, from which no address can be found, nor found by an address. Of
 * what the daemon learned the message's thread tells. The oldest valid key's history is asked.
 */
enum base_result history_import_known(struct history *history, const struct base_key *key,
    const void *observation, size_t length, const char **why_r);
/* Learns and leaves the note, in the same transaction. */
enum base_result history_import(struct history *history, const struct base_key *key,
    const void *observation, size_t length, const char **why_r);

/* Mail older than this is not worth importing: its rows would expire at once. Seconds. */
#define HISTORY_IMPORT_OLDEST (400 * INT64_C(86400))

/* --- forgetting ---------------------------------------------------------------------- */

struct history_forgotten_count {
	size_t removed; /* records: the person's own */
	size_t changed; /* records of others */
};

/*
 * Takes an address (normalised) out of the history, in short transactions beside a live
 * daemon, and writes the file anew, so that neither the address nor its hash is in it.
 * Observations of older mail that still wait in a daemon's queue are not written back: for an
 * hour a mark stays that tells the daemon, from which the hash cannot be found. All keys of
 * the key file count; records under a key that is no longer in it cannot be found. RETRY: the
 * store is busy; may be called again at any time.
 */
enum base_result history_forget(const struct history_options *options, const struct base_key *key,
    const char *address, struct history_forgotten_count *count_r, const char **why_r);

/* What the audit may say of an address: its hash, by the site's key for another use. */
uint64_t history_address_hash(const struct base_key *key, const char *address);

#define HISTORY_MARK_SIZE 8

/*
 * The bytes that every observation has in it which names the address, under each key of the file;
 * how many keys. Those whose time has ended count too: old observations may still be there.
 */
size_t history_observation_marks(const struct base_key *key, const char *address,
    unsigned char marks_r[BASE_KEY_MAX][HISTORY_MARK_SIZE]);

#endif
