/*
 * NAME
 *	oopsctl learn - learns mail of the past
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] learn [--format auto|tsv|log|mbox|maildir|message] FILE...
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_NOINPUT: no such file, or nothing to read in any; EX_DATAERR: not a format
 *	known here, or a malformed line of a history; EX_TEMPFAIL: the store is busy; EX_CONFIG:
 *	key, scorecard or lists; EX_IOERR: the store or reading failed; 128 + N: signal N ended it.
 *	What was learned by then stays learned, and is told: run it again, and it goes on.
 */
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/admin/admin.h"
#include "milter/audience/audience.h"
#include "milter/audit/audit.h"
#include "milter/base/interrupt.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/replay/import.h"
#include "milter/config/config.h"

#define BAR_WIDTH 40

/* What is open, and what the command line says. */
struct learning {
	const struct settings *settings;
	struct base_key *key;
	struct judge_scorecard *scorecard;
	struct audience_directory *audience;
	struct history *history;
	struct replay_import *import;
	enum replay_format format;
	const char *file; /* the present one */
};

/* A bar on the terminal. */
static void
bar_draw(void *context, int64_t done, int64_t total)
{
	const struct learning *learning = context;
	int full = total > 0 ? (int)(done * BAR_WIDTH / total) : 0;

	if (full > BAR_WIDTH)
		full = BAR_WIDTH;
	fprintf(stderr, "\r[%.*s%*s] %3d%% %.30s", full, "########################################",
	    BAR_WIDTH - full, "", full * 100 / BAR_WIDTH, learning->file);
}

/* Opens what learning needs; an exit code, and why is printed. */
static int
learning_open(struct learning *learning)
{
	const struct settings *settings = learning->settings;
	struct history_options history = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.observe_at_once = true };
	struct replay_import_options options = { .settings = settings,
		.progress = isatty(STDERR_FILENO) ? bar_draw : NULL,
		.context = learning };
	const char *why = "no memory";
	int status = EX_CONFIG;

	if (base_key_load(settings->key_file, &learning->key, &why) == BASE_OK &&
	    config_scorecard_load(settings, &learning->scorecard, &why) == BASE_OK &&
	    audience_directory_new(settings, &learning->audience, &why) == BASE_OK) {
		status = EX_IOERR;
		if (history_open(&history, &learning->history, &why) == BASE_OK) {
			options.key = learning->key;
			options.scorecard = learning->scorecard;
			options.audience = learning->audience;
			options.history = learning->history;
			learning->import = replay_import_new(&options);
		}
	}
	if (learning->import)
		return EX_OK;
	fprintf(stderr, "oopsctl: %s\n", why);
	return status;
}

/* Closes it. */
static void
learning_close(struct learning *learning)
{
	replay_import_free(&learning->import);
	history_close(&learning->history);
	audience_directory_free(&learning->audience);
	judge_scorecard_free(&learning->scorecard);
	base_key_free(&learning->key);
}

/* The code to end with. */
static int
status_of(enum base_result result)
{
	switch (result) {
	case BASE_OK:
		return EX_OK;
	case BASE_NONE:
		return EX_NOINPUT;
	case BASE_REFUSE:
		return EX_DATAERR;
	case BASE_RETRY:
		return EX_TEMPFAIL;
	case BASE_BROKEN:
		break;
	}
	return EX_IOERR;
}

/* For the admin and for the auditor. */
static void
count_report(const struct learning *learning, const struct replay_count *count, int status)
{
	char numbers[4][24];
	const size_t values[] = { count->learned, count->known, count->skipped + count->own,
		count->malformed };

	for (size_t i = 0; i < 4; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%zu", values[i]);
	audit_event(AUDIT_LEARN, NULL, { "from", learning->file },
	    { "format", replay_format_str(learning->format) }, { "learned", numbers[0] },
	    { "known", numbers[1] }, { "skipped", numbers[2] }, { "malformed", numbers[3] },
	    { "answer", status == EX_OK ? "done" : "stopped" });
	printf("learned: %zu %s; known before: %zu; of no use (too old, no recipient): %zu; "
	       "own letters: %zu; malformed: %zu\n",
	    count->learned, count->learned == 1 ? "mail" : "mails", count->known, count->skipped,
	    count->own, count->malformed);
}

/* Lists that could not be read or asked were counted as they were before, or as one. */
static void
failure_report(const struct learning *learning)
{
	const char *why = "";

	if (audience_failure(learning->audience, &why) != BASE_NONE)
		fprintf(stderr, "oopsctl: lists: %s\n", why);
}

/* Learns all files, in their order. */
static int
files_learn(struct learning *learning, int count, char **files)
{
	struct replay_count counted = { 0 };
	const char *why = "", *end_why = "";
	enum base_result result = BASE_OK, ended;

	for (int i = 0; i < count && result == BASE_OK; i++) {
		learning->file = files[i];
		result = replay_import_file(learning->import, files[i], learning->format, &why);
	}
	ended = replay_import_end(learning->import, &counted, &end_why);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (result == BASE_OK && ended != BASE_OK) {
		result = ended;
		why = end_why;
	}
	if (base_interrupted() != 0)
		why = "told to end; run it again, and it goes on";
	if (result != BASE_OK)
		fprintf(stderr, "oopsctl: %s\n", why);
	failure_report(learning);
	count_report(learning, &counted, status_of(result));
	return base_interrupted() != 0 ? BASE_INTERRUPTED + base_interrupted() : status_of(result);
}

/* oopsctl learn */
int
admin_learn(const struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	struct learning learning = { .settings = settings, .format = REPLAY_AUTO };
	bool is_right = true;
	int option, status;

	optind = 1;
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
		is_right = is_right && option == 'f' &&
			   replay_format_find(optarg, &learning.format) == BASE_OK;
	if (!is_right || optind >= argc) {
		fputs("usage: oopsctl [-c FILE] learn "
		      "[--format auto|tsv|log|mbox|maildir|message] FILE...\n",
		    stderr);
		return EX_USAGE;
	}
	base_interrupt_catch();
	status = learning_open(&learning);
	if (status == EX_OK)
		status = files_learn(&learning, argc - optind, argv + optind);
	learning_close(&learning);
	return status;
}
