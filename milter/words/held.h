/*
 * NAME
 *	words/held - what letters and pages tell of a held mail, as plain values, and its texts
 *
 * OWNERSHIP
 *	As in words.h. The texts of a held mail are strangers': what is made of them here is one
 *	line each, bounded, and no link.
 */
#ifndef OOPS_WORDS_HELD_H
#define OOPS_WORDS_HELD_H

#include <stddef.h>
#include <stdint.h>

#include "milter/base/arena.h"

struct words;

/* What is known of a number of people. */
enum words_known {
	WORDS_EXACTLY,
	WORDS_AT_LEAST,
	WORDS_UNKNOWN, /* the number says nothing */
};

/* How a part of it left that nobody asked for. */
enum words_left {
	WORDS_LEFT_NOTHING,
	WORDS_LEFT_GONE,     /* it was not there any more */
	WORDS_LEFT_RELEASED, /* people may have it */
	WORDS_LEFT_UNSEEN,   /* nobody watched over it */
};

struct words_held {
	const char *subject;    /* NULL or blank: none */
	const char *recipients; /* visible ones, one a line; or NULL */
	size_t recipient_count;
	unsigned long people; /* who get it */
	enum words_known known;
	enum words_left left;
	int64_t left_at;         /* when that was noticed */
	size_t had_count;        /* recipients who had it before it was held */
	const char *had;         /* some of them, one a line; or NULL */
	size_t mail_count;       /* 1, or a series */
	unsigned long answered;  /* people who answered everybody */
	const char *answered_by; /* some of them, one a line; or NULL */
};

/* "40 people" or "at least 40 people", as far as it is known. */
const char *words_people(struct base_arena *arena, const struct words *words, unsigned long people,
    enum words_known known);
const char *words_held_people(
    struct base_arena *arena, const struct words *words, const struct words_held *held);
/* The subject for people: one line, at most so many bytes, or "(no subject)". */
const char *words_held_subject(struct base_arena *arena, const struct words *words,
    const struct words_held *held, size_t max_bytes);
/* "anna@example.com, bob@example.com and 38 more"; "" when none is visible. */
const char *words_held_recipients(
    struct base_arena *arena, const struct words *words, const struct words_held *held);
/* Who has got a mail that is held or was stopped, as far as the queue showed it. */
const char *words_held_got(struct base_arena *arena, const struct words *words,
    const struct words_held *held, int64_t now);
/* Who had it before, by name as far as they may be named; "" for nobody. */
const char *words_held_had(
    struct base_arena *arena, const struct words *words, const struct words_held *held);
/* "and 12 more mails of the same series, to the same people"; "" for one mail. */
const char *words_held_series(
    struct base_arena *arena, const struct words *words, const struct words_held *held);
/* Those who answered everyone, on the page of a storm; "" when none is known. */
const char *words_held_answered(
    struct base_arena *arena, const struct words *words, const struct words_held *held);

#endif
