/*
 * NAME
 *	replay/internal - an import under way, for the files of it
 *
 * WHAT IT DOES
 *	import_files.c reads the files, import_format.c says what they are, import_log.c and
 *	import_mail.c read what is in them; import.c learns each mail that comes of it.
 */
#ifndef OOPS_REPLAY_INTERNAL_H
#define OOPS_REPLAY_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/replay/import.h"

#define REPLAY_IMPORT_FUTURE 86400 /* seconds that a mail's clock may be ahead */

struct replay_import {
	struct replay_import_options options;
	struct base_arena *arena;
	struct replay_log *log;
	struct replay_count count;
	int64_t now;
	bool is_begun;
	bool has_read;       /* anything at all, of use or not */
	int64_t done, total; /* bytes of the present file, or mails of the Maildir */
};

/* One mail, in the order in which they come; `context` is the import. */
replay_mail_fn replay_import_mail;
/* Tells how far the present file is read. */
void replay_import_progress(const struct replay_import *import);

/*
 * What a file is, if `format` is REPLAY_AUTO; it is rewound. REFUSE: compressed, or a pipe,
 * which cannot be looked at.
 */
enum base_result replay_format_look(
    FILE *input, const char *name, enum replay_format *format, const char **why_r);

#endif
