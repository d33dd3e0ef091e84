/*
 * NAME
 *	words/catalog - the sentences in another language, as msgfmt compiles them
 *
 * WHAT IT DOES
 *	Reads the bytes of a .mo file (GNU gettext manual, "The Format of GNU MO Files"; either
 *	order of bytes) over the English sentences. An entry's msgctxt is the name of the sentence,
 *	its msgid is the English text. What is missing, was made for another English text, or has
 *	other {places} than it, stays English. Plural forms follow the catalog's own rule.
 *
 *	The catalogs that are compiled in are those of LINGUAS in Makefile.am, one file
 *	milter/words/po/LANGUAGE.po each.
 *
 * WHAT IT NEVER DOES
 *	It reads no file, allocates nothing, and believes no number of a catalog. It never asks for
 *	the locale of the process.
 *
 * OWNERSHIP
 *	The sentences are parts of the bytes given.
 *
 * DIAGNOSTICS
 *	OK: each sentence that stays English is a line of faults_r. REFUSE: this is no catalog, is
 *	not UTF-8, or its plural rule is wrong; faults_r says so, and words_r is untouched.
 */
#ifndef OOPS_WORDS_CATALOG_H
#define OOPS_WORDS_CATALOG_H

#include <stddef.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"

struct words;

/* One that is compiled in. */
struct words_catalog {
	const char *name; /* NULL: the end of them */
	const unsigned char *bytes;
	size_t size;
};

extern const struct words_catalog words_catalogs[];

enum base_result words_catalog_parse(
    const struct words_catalog *catalog, struct words *words_r, struct base_buffer *faults_r);

/* --- for translators ------------------------------------------------------------------ */

/* The template of all catalogs: every sentence by name, with notes, as the text of a .pot file. */
bool words_catalog_template_print(struct base_buffer *out);

#endif
