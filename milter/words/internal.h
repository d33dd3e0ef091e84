/*
 * NAME
 *	words/internal - what the files of this module share
 */
#ifndef OOPS_WORDS_INTERNAL_H
#define OOPS_WORDS_INTERNAL_H

#include "milter/words/words.h"

/* A filled-in sentence as text in the arena. */
const char *words_make_from(
    struct base_arena *arena, const char *sentence, const struct words_value *values, size_t count);

#define words_make(arena, sentence, ...)                                                           \
	words_make_from(arena, sentence, (const struct words_value[]){ __VA_ARGS__ },              \
	    sizeof((const struct words_value[]){ __VA_ARGS__ }) / sizeof(struct words_value))

/* The form that goes with a number. */
const char *words_choose(
    const struct words *words, const struct words_plural *plural, unsigned long n);

/*
 * A stranger's address, name or domain for a sentence, not too long of it: what is neither an
 * address nor a domain does not become a link when a program shows it.
 */
const char *words_address_shown(struct base_arena *arena, const char *text);

/* --- rows.c: the list of sentences as a table ------------------------------------------ */

struct words_row {
	const char *name; /* NULL: a note for translators about the next row */
	const char *text; /* English, or the note */
	const char *many; /* of a plural, else NULL */
	size_t offset;    /* in struct words */
	size_t max;       /* bytes */
};

extern const struct words_row words_rows[];
extern const size_t words_row_count;

/* The row of this name, or NULL. */
const struct words_row *words_row_find(const char *name, size_t length);
/* Where a row stands among the sentences of a language; `form` of a plural, from 0. */
const char **words_slot(struct words *words, const struct words_row *row, unsigned form);

/* --- fit.c ------------------------------------------------------------------------------ */

/*
 * May this text stand in the place of `shipped`? It has just its {places}, but {n} where
 * `may_lack_number`. False: `why` says what is wrong with it.
 */
bool words_is_fit(const struct words_row *row, const char *text, const char *shipped,
    bool may_lack_number, struct base_buffer *why);

/* --- plural.c ---------------------------------------------------------------------------- */

/* Which form the rule has for a number. False: it is no rule, or C does not know its value. */
bool words_plural_find(const char *rule, unsigned long n, unsigned long *form_r);

#endif
