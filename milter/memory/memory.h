/*
 * NAME
 *	memory - what is usual: sender profiles and threads; recall and learn
 *
 * WHAT IT DOES
 *	Recalls one profile row and one thread row per send. Learns off the answer path:
 *lessons are queued and a thread writes them in batches.
 *
 * WHAT IT NEVER DOES
 *	It stores no address, subject or body: only keyed hashes. It never judges.
 *
 * THREADS
 *	Any number of threads may recall and learn; one thread inside writes.
 *
 * DIAGNOSTICS
 *	recall: OK even if nothing is known; BROKEN when the store failed (the caller
 *applies its policy's on_error). learn: RETRY, the queue was full and the lesson is
 *dropped.
 */
#ifndef OOPS_MEMORY_H
#define OOPS_MEMORY_H

#include "milter/base/base.h"
#include "milter/mail/transaction.h"
#include "milter/memory/value.h"

struct memory;

struct memory_options {
	const char *driver;
	const char *directory; /* state_directory */
	bool create;
	bool learn_at_once; /* no thread: memory_learn() writes before it returns (tools,
			       backtest) */
};

enum base_result memory_open(const struct memory_options *options, struct memory **memory_r,
    const char **why_r);
/* Writes what is queued, then ends. */
void memory_close(struct memory **memory);

/*
 * The profile of `actor` (normalised address) and the thread that the transaction answers.
 */
enum base_result memory_recall(struct memory *memory, const struct base_key *key,
    struct base_arena *arena, const char *actor, const struct mail_transaction *transaction,
    struct memory_recall *recall_r, const char **why_r);

/*
 * What would be learned if this send really leaves, as bytes that hold no address: to be
 * given to memory_learn() now, or later by the keeper. `actor` "" for mail that is not a
 * local person's: only its thread, and who is heard from, are remembered. `score` of the
 * judgement feeds the site's own percentile; negative: not judged.
 */
enum base_result memory_lesson(const struct base_key *key, struct base_arena *arena,
    const char *actor, const struct mail_transaction *transaction, double score,
    const void **lesson_r, size_t *length_r, const char **why_r);
enum base_result memory_learn(
    struct memory *memory, const void *lesson, size_t length, const char **why_r);
/*
 * The same for a lesson that says more of a message than one given a moment ago: it takes that
 * one's place if it still waits to be written.
 */
enum base_result memory_learn_instead(
    struct memory *memory, const void *lesson, size_t length, const char **why_r);
/* Waits until everything queued before is written. */
enum base_result memory_flush(struct memory *memory, const char **why_r);

#endif
