/*
 * NAME
 *	oopsctl rotate-key - a fresh key in place of the current one
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] rotate-key
 *
 * WHAT IT DOES
 *	Changes the key file alone. The programs go on with the key that they have until they
 *	are told: on several hosts the file has to reach all of them first.
 *
 * AUDIT
 *	event=config with the key file and what=key, or why it is refused.
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_CONFIG: the key file is none, or keeps as many earlier keys as it can;
 *	EX_IOERR: it cannot be replaced.
 */
#include <stdio.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/audit/audit.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"

/* oopsctl rotate-key */
int
admin_rotate_key(const struct settings *settings, int argc, char **argv)
{
	int64_t now = base_now(), keeps = settings->key_keeps;
	char until[ADMIN_TIME_SIZE];
	const char *why = "";
	enum base_result result;

	(void)argv;
	if (argc != 1) {
		fputs("usage: oopsctl [-c FILE] rotate-key\n", stderr);
		return EX_USAGE;
	}
	result = base_key_rotate(settings->key_file, keeps, now, &why);
	audit_event(AUDIT_CONFIG, NULL, { "program", "oopsctl" }, { "file", settings->key_file },
	    { "answer", result == BASE_OK ? "ok" : "refused" },
	    { "what", result == BASE_OK ? "key" : why });
	if (result != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return result == BASE_REFUSE ? EX_CONFIG : EX_IOERR;
	}
	printf("%s has a new key\n", settings->key_file);
	if (keeps > 0)
		printf("the key before it is kept until %s\n", admin_time_text(now + keeps, until));
	else
		puts("no earlier key is kept: the history starts from nothing");
	puts("now run: oopsctl reload");
	return EX_OK;
}
