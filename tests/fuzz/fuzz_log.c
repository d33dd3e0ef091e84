/*
 * NAME
 *	fuzz_log - any bytes as a mail log, a date, a message on disk
 *
 * Built and run by tests/fuzz/run, with libFuzzer. Whatever comes in, the mails that come out
 * have a sender and recipients, and their number is bounded by the lines.
 * Of the seeds, y_ tells of a mail, n_ of none.
 *
 * FUZZ-SOURCES: milter/mail milter/base
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/replay/import_date.c"
#include "milter/replay/import_log.c"
#include "milter/replay/import_mail.c"
#include "tests/fuzz/fuzz.h"

static enum base_result
mail_check(void *context, struct base_arena *arena, struct mail_transaction *transaction,
    const char **why_r)
{
	(void)arena;
	(void)why_r;
	must(transaction->recipients.count > 0, "a mail has recipients");
	must(transaction->time >= 0, "a mail has a time");
	++*(size_t *)context;
	return BASE_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct base_arena *arena = base_arena_new(8 << 20);
	char *text = strndup((const char *)data, size), *save = NULL;
	size_t mails = 0, lines = 0;
	struct replay_log *log = replay_log_new(arena, mail_check, &mails);
	struct mail_transaction *transaction;
	const char *why = NULL;
	int64_t time = -1;

	must(arena != NULL && text != NULL && log != NULL, "there is memory");
	replay_log_until(log, 1795482000);
	if (replay_date_parse(text, &time))
		must(time > 0 && time <= UINT32_MAX, "a date is in bounds");
	if (replay_message_read(arena, (const char *)data, size, &transaction, &why) == BASE_OK)
		must(transaction->time > 0, "a message has a date");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		lines++;
		(void)replay_log_line(log, line, strlen(line), &why);
	}
	must(mails <= lines, "a line ends one mail at most");
	fuzz_expect(mails > 0);
	replay_log_free(&log);
	free(text);
	base_arena_free(&arena);
	return 0;
}
