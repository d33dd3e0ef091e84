/*
 * NAME
 *	words/reason - why a mail looks odd, as values that a sentence is chosen and filled by
 *
 * WHAT IT DOES
 *	A reason is a signal, which case of it, some numbers and at most two texts. Its sentence is
 *	why_SIGNAL_CASE (why_SIGNAL where there is one alone) of words/sentences.h, so it can be
 *	read in any language, whenever it was found. The values are kept as one line of text.
 *
 * OWNERSHIP
 *	Texts are borrowed; made ones live in the arena given.
 */
#ifndef OOPS_WORDS_REASON_H
#define OOPS_WORDS_REASON_H

#include <stdbool.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/words/held.h"

struct words;

struct words_reason {
	const char *signal;
	const char *which;       /* lower-case letters and '_'; "": there is one sentence alone */
	unsigned long n;         /* {n}, which also chooses the form of a plural */
	unsigned long more;      /* {more}: a second number */
	unsigned long people;    /* {people} and {number}: who get the mail */
	enum words_known known;  /* what is known of them */
	unsigned long addresses; /* {addresses}, and {these} */
	bool has_lists;          /* some of them are lists */
	const char *who;         /* {who}: an address, or a domain; "": the author */
	const char *other;       /* {other}: a name, or one more address */
};

/* The sentence, as plain text. One that is not known reads as the name of its signal. */
const char *words_reason_text(
    struct base_arena *arena, const struct words *words, const struct words_reason *reason);

/* All but the signal and the two texts, as one line without tabs. */
bool words_reason_print(struct base_buffer *out, const struct words_reason *reason);
/* What words_reason_print() wrote; false: it did not, and reason_r is untouched. */
bool words_reason_read(struct base_arena *arena, const char *line, struct words_reason *reason_r);

#endif
