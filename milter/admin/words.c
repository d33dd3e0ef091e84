/*
 * NAME
 *	oopsctl words - every sentence that people read, with its name
 *
 * SYNOPSIS
 *	oopsctl words
 *
 * WHAT IT DOES
 *	Prints the sentences in English as the template of a catalog (gettext's .pot): for
 *	translators, and for whoever writes a site's own sentences (notice.template).
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_OSERR: no memory.
 */
#include <stdio.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/base/buffer.h"
#include "milter/words/catalog.h"

#define WORDS_MAX_TEXT (1u << 20)

/* oopsctl words */
int
admin_words(const struct settings *settings, int argc, char **argv)
{
	struct base_buffer text;
	int status = EX_OK;

	(void)settings;
	if (argc != 1) {
		fprintf(stderr, "usage: oopsctl [-c FILE] %s\n", argv[0]);
		return EX_USAGE;
	}
	base_buffer_init(&text, WORDS_MAX_TEXT);
	if (words_catalog_template_print(&text)) {
		fputs(base_buffer_text(&text), stdout);
	} else {
		fputs("oopsctl: no memory for the sentences\n", stderr);
		status = EX_OSERR;
	}
	base_buffer_free(&text);
	return status;
}
