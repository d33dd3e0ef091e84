/*
 * NAME
 *	fuzz_mailbox - any bytes as an mbox file, and as a file of a Maildir
 *
 * Built and run by tests/fuzz/run, with libFuzzer. Nothing is learned: what the memory and the
 * judge would be asked is answered here. Whatever comes in is read to its end; every message is
 * counted once, and what would be learned has a date, a sender and recipients.
 * Of the seeds, y_ has a mail to learn, n_ has none.
 *
 * FUZZ-SOURCES: milter/mail milter/base
 */
#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/replay/import.c"
#include "milter/replay/import_files.c"
#include "milter/replay/import_format.c"
#include "milter/replay/import_date.c"
#include "milter/replay/import_log.c"
#include "milter/replay/import_mail.c"
#include "milter/replay/reader.c"
#include "tests/fuzz/fuzz.h"

#define NOW INT64_C(1795482000) /* so that the seeds never are too old */

static struct settings settings;

/* --- the rooms that would learn ---------------------------------------------------- */

void
history_calibrate(struct history *history, const struct history_calibration *calibration)
{
	(void)history;
	(void)calibration;
}

enum base_result
history_import_begin(struct history *history, const char **why_r)
{
	(void)history;
	(void)why_r;
	return BASE_OK;
}

enum base_result
history_import_end(struct history *history, const char **why_r)
{
	(void)history;
	(void)why_r;
	return BASE_OK;
}

bool
history_import_is_full(const struct history *history)
{
	(void)history;
	return false;
}

enum base_result
history_import_known(struct history *history, const struct base_key *key, const void *observation,
    size_t length, const char **why_r)
{
	(void)history;
	(void)key;
	(void)observation;
	(void)length;
	(void)why_r;
	return BASE_NONE;
}

enum base_result
history_import(struct history *history, const struct base_key *key, const void *observation,
    size_t length, const char **why_r)
{
	return history_import_known(history, key, observation, length, why_r) == BASE_NONE
		   ? BASE_OK
		   : BASE_BROKEN;
}

/* What reaches the memory is whole. */
enum base_result
history_observation(const struct base_key *key, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score,
    const void **observation_r, size_t *length_r, const char **why_r)
{
	(void)key;
	(void)arena;
	(void)people;
	(void)score;
	(void)why_r;
	must(transaction->recipients.count > 0, "a mail has recipients");
	must(*transaction->from != '\0', "a mail has a sender");
	must(transaction->time > 0 && transaction->time <= NOW + REPLAY_IMPORT_FUTURE,
	    "a mail has a date that can be");
	must(*actor == '\0' || strcmp(mail_domain_of(actor), "example.com") == 0,
	    "an actor is local");
	*observation_r = "";
	*length_r = 0;
	return BASE_OK;
}

enum base_result
evaluate_recall(const struct evaluate_sources *sources, struct base_arena *arena,
    struct evaluation *evaluation, const char **why_r)
{
	(void)sources;
	(void)arena;
	(void)evaluation;
	(void)why_r;
	return BASE_OK;
}

struct history_calibration
judge_calibration(const struct settings *for_settings)
{
	(void)for_settings;
	return (struct history_calibration){ 0 };
}

enum base_result
evaluate_score(const struct evaluate_sources *sources, struct base_arena *arena,
    struct evaluation *evaluation, const char **why_r)
{
	(void)sources;
	(void)arena;
	(void)why_r;
	evaluation->score = (struct judge_score){ .score = 0.5, .body_may_add = true };
	return BASE_OK;
}

/* Lists are known to nobody. */
void
audience_count(struct audience_directory *directory, const struct mail_transaction *transaction,
    const char *sender, struct audience *audience_r)
{
	(void)directory;
	(void)sender;
	(void)transaction;
	(void)audience_r;
}

size_t
audience_recipients(const struct mail_transaction *transaction, const char *sender)
{
	(void)sender;
	return transaction->recipients.count;
}

const struct mail_domains *
audience_inside(const struct audience_directory *directory)
{
	(void)directory;
	return NULL;
}

/* --- the target -------------------------------------------------------------------- */

/* How many messages an mbox can have at most: one a "From" line, and one before the first. */
static size_t
messages_most(const uint8_t *data, size_t size)
{
	size_t count = 1;

	for (const uint8_t *at = data;
	     (at = memmem(at, size - (size_t)(at - data), "From", 4)) != NULL; at += 4)
		count++;
	return count;
}

static size_t
total_of(const struct replay_count *count)
{
	return count->learned + count->known + count->skipped + count->malformed;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *domains[] = { "example.com" };

	(void)argc;
	(void)argv;
	settings.identity.local_domains = domains;
	settings.identity.local_domain_count = 1;
	settings.identity.recipient_delimiter = "+";
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replay_import_options options = { .settings = &settings };
	struct replay_import *import = replay_import_new(&options);
	FILE *input = size > 0 ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	struct replay_count count = { 0 }, after = { 0 };
	enum base_result result;
	const char *why = "";

	must(import != NULL && (input != NULL || size == 0), "there is memory");
	import->now = NOW;
	if (input != NULL) {
		must(mbox_read(import, input, &why) == BASE_OK, "any mbox is read");
		must(getc(input) == EOF, "it is read to its end");
		fclose(input);
	}
	result = replay_import_end(import, &count, &why);
	must(result == BASE_OK || result == BASE_NONE, "it is counted");
	must(total_of(&count) <= messages_most(data, size), "a message is counted once");
	must(message_take(import, (const char *)data, size, &why) == BASE_OK,
	    "any file of a Maildir is read");
	result = replay_import_end(import, &after, &why);
	must(result == BASE_OK || result == BASE_NONE, "it is counted, too");
	must(total_of(&after) == total_of(&count) + 1, "a file is one message");
	fuzz_expect(after.learned > 0);
	replay_import_free(&import);
	return 0;
}
