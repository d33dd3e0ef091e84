/*
 * NAME
 *	oopsctl free-all - the emergency exit: frees held mail by the queue files alone
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] free-all [--dry-run] [--force] [--without-key]
 *
 * WHAT IT DOES
 *	Takes off hold, with the mail server's own tools, every queue file that we held and that
 *	its author did not stop. It needs the settings (where the mail server is) and the key,
 *	which proves that a tag is ours; neither a database nor any of our programs. One line a
 *	file: "freed: QUEUEID ID", "kept: QUEUEID ID: its author stopped it", "left alone:
 *	QUEUEID ID: WHY", "failed: QUEUEID ID".
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_NOPERM: not root; EX_UNAVAILABLE: oops-milter runs, and would believe that
 *	these mails left by themselves; EX_NOINPUT: no key; EX_TEMPFAIL: some could not be freed.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/admin/admin.h"
#include "milter/audit/audit.h"
#include "milter/base/key.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/base/run.h"

struct free_words {
	bool is_dry, is_forced, is_without_key;
};

/* The command's own words. */
static bool
words_parse(int argc, char **argv, struct free_words *words_r)
{
	memset(words_r, 0, sizeof(*words_r));
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0)
			words_r->is_dry = true;
		else if (strcmp(argv[i], "--force") == 0)
			words_r->is_forced = true;
		else if (strcmp(argv[i], "--without-key") == 0)
			words_r->is_without_key = true;
		else
			return false;
	}
	return true;
}

/* One file of ours. */
static void
report(void *context, enum queue_fate fate, const struct queue_item *item)
{
	const struct free_words *words = context;
	static const struct {
		const char *before, *after;
	} lines[QUEUE_FATES] = {
		[QUEUE_FATE_FREED] = { "freed", "" },
		[QUEUE_FATE_STOPPED] = { "kept", ": its author stopped it" },
		[QUEUE_FATE_FORGED] = { "left alone", ": its tag is not ours: no key of "
						      "this site made it" },
		[QUEUE_FATE_OTHERS] = { "left alone", "" },
		[QUEUE_FATE_FAILED] = { "failed", "" },
	};

	if (!words->is_dry && fate != QUEUE_FATE_OTHERS)
		audit_event(AUDIT_FREE, item->hold_id[0] == '\0' ? NULL : item->hold_id,
		    { "answer", lines[fate].before }, { "queue_id", item->queue_id });
	printf("%s: %s %s%s\n",
	    fate == QUEUE_FATE_FREED && words->is_dry ? "would free" : lines[fate].before,
	    item->queue_id, item->hold_id[0] == '\0' ? "-" : item->hold_id, lines[fate].after);
}

/* Who else could act on the same files? */
static bool
is_running(const struct settings *settings)
{
	struct base_run_view view;
	const char *why;
	enum base_result result =
	    base_run_look(settings->state_directory, "oops-milter", &view, &why);

	return result == BASE_OK || result == BASE_RETRY;
}

/* Frees them, and sums up; the exit code. */
static int
free_all(
    const struct settings *settings, const struct base_key *key, const struct free_words *words)
{
	const struct queue_server_options mta = { .mta_kind = settings->mta.kind,
		.config_directory = settings->mta.config_directory,
		.command_directory = settings->mta.command_directory,
		.sendmail_program = settings->mta.sendmail_program,
		.sendmail_config = settings->mta.sendmail_config };
	const struct queue_free_options options = { .mta = &mta,
		.key = key,
		.is_dry = words->is_dry,
		.report = report,
		.context = (void *)words };
	struct queue_free_count count;
	const char *why = "";
	enum base_result result = queue_free_all(&options, &count, &why);
	char text[160];

	snprintf(text, sizeof(text),
	    "%zu %s, %zu kept, %zu forged, %zu of others left alone, %zu failed",
	    count.of[QUEUE_FATE_FREED], words->is_dry ? "would be freed" : "freed",
	    count.of[QUEUE_FATE_STOPPED], count.of[QUEUE_FATE_FORGED], count.of[QUEUE_FATE_OTHERS],
	    count.of[QUEUE_FATE_FAILED]);
	fprintf(stderr, "%s\n", text);
	if (!words->is_dry)
		base_log(BASE_LOG_INFO, "free-all by uid %u: %s", (unsigned)getuid(), text);
	if (result == BASE_OK)
		return EX_OK;
	fprintf(stderr, "oopsctl: %s\n", why[0] == '\0' ? "some files failed" : why);
	return result == BASE_RETRY ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

/* oopsctl free-all */
int
admin_free_all(const struct settings *settings, int argc, char **argv)
{
	struct base_key *key = NULL;
	struct free_words words;
	const char *why = "";
	int status;

	if (!words_parse(argc, argv, &words)) {
		fputs("usage: oopsctl [-c FILE] free-all [--dry-run] [--force] "
		      "[--without-key]\n",
		    stderr);
		return EX_USAGE;
	}
	if (geteuid() != 0) {
		fputs(
		    "oopsctl: free-all works on the mail server's queue: run it as root\n", stderr);
		return EX_NOPERM;
	}
	if (!words.is_dry && !words.is_forced && is_running(settings)) {
		fputs("oopsctl: oops-milter runs: stop it first, or it takes what is freed "
		      "for mail that was lost (--force frees it all the same)\n",
		    stderr);
		return EX_UNAVAILABLE;
	}
	if (!words.is_without_key && base_key_load(settings->key_file, &key, &why) != BASE_OK) {
		fprintf(stderr,
		    "oopsctl: %s\noopsctl: without the key nobody can tell our tags from "
		    "forged ones: --without-key believes each that looks like ours\n",
		    why);
		return EX_NOINPUT;
	}
	status = free_all(settings, key, &words);
	base_key_free(&key);
	return status;
}
