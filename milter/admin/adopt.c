/*
 * NAME
 *	oopsctl adopt - takes held mail back into care that no row watches over
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] adopt [--dry-run]
 *
 * WHAT IT DOES
 *	See notice/adopt.h; it prints one line a file.
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_UNAVAILABLE: oops-queued does not answer; EX_IOERR: the store failed;
 *	EX_DATAERR: some files were left alone.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/notice/adopt.h"

#define QUEUE_TIMEOUT_MS 60000

/* One line for the admin. */
static void
line_print(void *context, const char *line)
{
	(void)context;
	puts(line);
}

/* Goes through the queue; the exit code. */
static int
adopt_all(const struct notice_adoption *by)
{
	struct notice_adopted done = { 0 };
	const char *why = "";
	enum base_result result = notice_adopt(by, &done, &why);

	if (result != BASE_OK) {
		fprintf(
		    stderr, "oopsctl: %s%s\n", result == BASE_RETRY ? "oops-queued: " : "", why);
		return result == BASE_RETRY ? EX_UNAVAILABLE : EX_IOERR;
	}
	if (done.adopted == 0 && done.left == 0)
		fputs("every held mail is in care\n", stderr);
	return done.left == 0 ? EX_OK : EX_DATAERR;
}

/* Opens what it needs, and goes through the queue. */
static int
adopt_run(struct notice_adoption *by)
{
	struct base_key *key = NULL;
	const char *why = "no memory";
	int status = EX_IOERR;

	by->queue = queue_client_new(by->settings->mta.queue_socket, QUEUE_TIMEOUT_MS);
	if (by->queue != NULL && base_key_load(by->settings->key_file, &key, &why) == BASE_OK &&
	    admin_hold_open(by->settings, &by->hold, &why) == BASE_OK) {
		by->key = key;
		status = adopt_all(by);
	} else {
		fprintf(stderr, "oopsctl: %s\n", why);
	}
	hold_close(&by->hold);
	base_key_free(&key);
	queue_client_free(&by->queue);
	return status;
}

/* oopsctl adopt */
int
admin_adopt(const struct settings *settings, int argc, char **argv)
{
	struct notice_adoption by = { .settings = settings, .report = line_print };

	by.is_dry = argc == 2 && strcmp(argv[1], "--dry-run") == 0;
	if (argc > 2 || (argc == 2 && !by.is_dry)) {
		fputs("usage: oopsctl [-c FILE] adopt [--dry-run]\n", stderr);
		return EX_USAGE;
	}
	return adopt_run(&by);
}
