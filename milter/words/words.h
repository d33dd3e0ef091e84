/*
 * NAME
 *	words - every sentence that people read, by language
 *
 * WHAT IT DOES
 *	Keeps the sentences of letters and pages (words/sentences.h) apart from the code, and fills
 *	them in. A sentence is plain text with places like {people}; what is put there is quoted
 *	for where the sentence goes, so that neither a translator nor a stranger can write markup.
 *	Nobody else has a sentence for people but those who look after the mail server. English is
 *	the source; the other languages are catalogs (words/catalog.h).
 *
 * WHAT IT NEVER DOES
 *	It knows no hold and no settings; no printf reads a sentence.
 *
 * OWNERSHIP
 *	The sentences of a language are constant. Texts that are made live in the arena given;
 *	NULL: arena full.
 *
 * THREADS
 *	Any.
 */
#ifndef OOPS_WORDS_H
#define OOPS_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"

#define WORDS_PLURALS 6        /* forms that a language may need; English has two */
#define WORDS_MAX_RULE 512     /* bytes of what says which one, with the NUL */
#define WORDS_MAX_SENTENCE 500 /* bytes */
#define WORDS_MAX_PIECE 120    /* bytes of a sentence that becomes part of others */

/* One thought in the forms that numbers ask for; {n} is the number. */
struct words_plural {
	const char *form[WORDS_PLURALS];
};

/* The sentences of one language, each by its name in words/sentences.h. */
struct words {
	char rule[WORDS_MAX_RULE]; /* of plurals, see words/catalog.h */
	unsigned plurals;          /* how many forms there are */
#define SENTENCE(name, text) const char *name;
#define PIECE(name, text) const char *name;
#define PLURAL(name, one, many) struct words_plural name;
#define COUNTED(name, one, many) struct words_plural name;
#include "milter/words/sentences.h"
};

extern const struct words words_en;
/* For a language tag: "de-AT" finds "de". Never NULL: English when the language is unknown. */
const struct words *words_for(const char *language);

/* --- filling in ---------------------------------------------------------------------- */

enum words_form {
	WORDS_PLAIN, /* as it is */
	WORDS_HTML,  /* quoted for HTML; strong values between <strong> and </strong> */
};

struct words_value {
	const char *name; /* without the braces */
	const char *text; /* NULL makes the whole sentence fail */
	bool strong;
};

/* False (and the buffer's `failed`): it does not fit, or a place has no value. */
bool words_fill(struct base_buffer *out, enum words_form form, const char *sentence,
    const struct words_value *values, size_t count);

/* words_say(out, WORDS_HTML, words->sent_you, { "when", when, false }); */
#define words_say(out, form, sentence, ...)                                                        \
	words_fill(out, form, sentence, (const struct words_value[]){ __VA_ARGS__ },               \
	    sizeof((const struct words_value[]){ __VA_ARGS__ }) / sizeof(struct words_value))
/* A sentence without places. */
bool words_put(struct base_buffer *out, enum words_form form, const char *sentence);

/* --- made texts ---------------------------------------------------------------------- */

/* "40 people". */
const char *words_count(struct base_arena *arena, const struct words *words,
    const struct words_plural *plural, unsigned long n);

/* "at 10:42:10 CET" on the same day, else "on Thu 26 Nov, 10:40 CET". Local time. */
const char *words_time(
    struct base_arena *arena, const struct words *words, int64_t time, int64_t now);
/* "in 2 minutes, at 10:42:10 CET"; a past time as words_time(). */
const char *words_time_within(
    struct base_arena *arena, const struct words *words, int64_t time, int64_t now);
/* "at 10:42", or the whole time on another day: for a subject line. */
const char *words_clock(
    struct base_arena *arena, const struct words *words, int64_t time, int64_t now);

#endif
