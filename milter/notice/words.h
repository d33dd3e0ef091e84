/*
 * NAME
 *	notice/words - every sentence that people read, one table per language
 *
 * WHAT IT DOES
 *	Keeps the sentences of letters and pages apart from the code, and fills them in. A
 *	sentence is plain text with places like {people}; what is put there is quoted for
 *	where the sentence goes, so that neither a translator nor a stranger can write markup.
 *
 * A NEW LANGUAGE
 *	is one more file like words_en.c and one more line in words.c. Sentences that a
 *	table leaves out (NULL) are a failing unit test.
 *
 * OWNERSHIP
 *	Tables are constant. Texts that are made live in the arena given; NULL: arena full.
 *
 * THREADS
 *	Any.
 */
#ifndef OOPS_NOTICE_WORDS_H
#define OOPS_NOTICE_WORDS_H

#include <time.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/hold/hold.h"

#define NOTICE_PLURALS 4 /* forms that a language may need; English has two */

/* One thought in the forms that numbers ask for; {n} is the number. */
struct notice_plural {
	const char *form[NOTICE_PLURALS];
};

struct notice_words {
	const char *language;                /* BCP 47, as in <html lang> */
	unsigned (*plural)(unsigned long n); /* which form */
	unsigned plurals;                    /* how many forms there are */

	/* times: {hour} {minute} {second} {zone} {weekday} {day} {month} {clock} {span} */
	const char *weekdays[7]; /* from Sunday */
	const char *months[12];
	const char *clock, *clock_exact, *clock_bare;
	const char *time_today, *time_other_day, *time_within;
	struct notice_plural seconds, minutes, hours, days;

	/* who gets it */
	struct notice_plural people, people_at_least;
	const char *people_unknown;
	struct notice_plural and_more;
	struct notice_plural left, series; /* who had it before; the other mails of a series */
	const char *got_nobody, *got_some, *got_unknown; /* for {got}; {left} */
	const char *no_subject;

	/* facts shown in a table */
	const char *fact_subject, *fact_to, *fact_left, *fact_series;
	const char *fact_answered, *fact_since;
	const char *why_title, *next_title;

	/* the letter: {subject} {people} {when} {clock} */
	const char *letter_from;
	const char *letter_subject_confirm, *letter_subject_undo;
	const char *letter_confirm, *letter_undo;
	const char *letter_confirm_return, *letter_confirm_send, *letter_undo_send;
	const char *letter_link_confirm, *letter_link_undo, *letter_button;
	const char *letter_link_note, *letter_foot;
	const char *letter_as;   /* {from}: whose address it bears */
	const char *letter_last; /* no more letters of this kind today */
	/* for a storm of answers, to who waits and to the owner: {answered} {author} as well */
	struct notice_plural answered; /* "14 people have" */
	const char *letter_subject_storm, *letter_storm, *letter_storm_author;
	const char *letter_storm_somebody, *letter_storm_return, *letter_storm_send;
	const char *letter_link_storm;
	const char *letter_subject_brake, *letter_brake, *letter_brake_more;
	const char *letter_brake_return, *letter_brake_send, *letter_link_brake;

	/* the letter about what is too large to come back, and its page: {subject} {people} */
	const char *letter_subject_kept, *letter_link_kept;
	const char *kept_title, *kept_text, *kept_next;
	/* the letter about what left although it was stopped: {subject} {people} {when} */
	const char *letter_subject_left, *letter_link_left;
	const char *left_title, *left_text, *left_released, *left_gone;

	/* the letter with a mail that comes back: {subject} {people} */
	const char *letter_subject_back;
	const char *back_expired, *back_storm, *back_undone, *back_undone_admin;
	const char *back_nobody, *back_left; /* who has it */
	const char *back_attached, *back_again;

	/* the pages: {subject} {people} {when} */
	const char *page_title; /* of the window: {title} */
	const char *page_foot;
	const char *about_title, *about_text, *about_more;
	const char *placing_title, *placing_text;
	const char *confirm_title, *confirm_text, *confirm_return, *confirm_send;
	const char *undo_title, *undo_text, *undo_next, *undo_now, *undo_unannounced;
	const char *storm_title, *storm_text, *storm_note, *button_undo_storm, *storm_link;
	const char *brake_title, *brake_text, *brake_return, *brake_send, *brake_note;
	const char *brake_over_title, *brake_lifted, *brake_over, *button_lift;
	const char *choose_note, *choose_note_final; /* may a stop be taken back? */
	const char *button_undo_confirm, *button_send_confirm;
	const char *button_undo, *button_send_now, *button_restore;
	const char *nobody_has_it, *part_released, *part_gone; /* {got} {people} {when} */
	const char *sending_title, *sending_text, *sending_slow;
	const char *sent_title, *sent_you, *sent_admin, *sent_timer, *sent_other;
	const char *sent_owner; /* an answer that the owner of a list let through */
	const char *sent_note;
	const char *stopping_title, *stopping_text;
	const char *undone_title, *undone_you, *undone_admin, *undone_other;
	const char *undone_return, *undone_delete, *undone_note, *undone_wait;
	const char *restore_open, *restore_sure;
	const char *unsure_title, *unsure_text;
	const char *returning_title, *returning_text, *returning_stuck;
	const char *returned_title, *returned_text, *returned_note, *returned_bounce;
	const char *deleted_title, *deleted_text;
	const char *lost_title, *lost_text, *lost_released_title, *lost_released;
	/* before what became of it, when it was to be stopped after its sending had begun */
	const char *late_title, *late_text;

	/* pages that are about a request */
	const char *unknown_title, *unknown_text, *unknown_more;
	const char *busy_title, *busy_text;
	const char *bad_title, *bad_text;
	const char *foreign_title, *foreign_text;
	const char *method_title, *method_text;
};

extern const struct notice_words notice_words_en;

/* --- filling in ---------------------------------------------------------------------- */

enum notice_form {
	NOTICE_PLAIN, /* as it is */
	NOTICE_HTML,  /* quoted for HTML; strong values between <strong> and </strong> */
};

struct notice_value {
	const char *name; /* without the braces */
	const char *text; /* NULL makes the whole sentence fail */
	bool strong;
};

/* False (and the buffer's `failed`): it does not fit, or a place has no value. */
bool notice_words_fill(struct base_buffer *out, enum notice_form form, const char *sentence,
    const struct notice_value *values, size_t count);

/* notice_say(out, NOTICE_HTML, words->sent_you, { "when", when, false }); */
#define notice_say(out, form, sentence, ...)                                                       \
	notice_words_fill(out, form, sentence, (const struct notice_value[]){ __VA_ARGS__ },       \
	    sizeof((const struct notice_value[]){ __VA_ARGS__ }) / sizeof(struct notice_value))
/* A sentence without places. */
bool notice_words_put(struct base_buffer *out, enum notice_form form, const char *sentence);

/* --- made texts ---------------------------------------------------------------------- */

/* "40 people". */
const char *notice_words_count(struct base_arena *arena, const struct notice_words *words,
    const struct notice_plural *plural, unsigned long n);
/* "40 people" or "at least 40 people", as a view knows it. */
const char *notice_words_people(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view);
/* The subject for people: one line, at most so many bytes, or "(no subject)". */
const char *notice_words_subject(struct base_arena *arena, const struct notice_words *words,
    const struct hold_view *view, size_t max_bytes);
/* Who has got a mail that is held or was stopped, as far as the queue showed it. */
const char *notice_words_got(struct base_arena *arena, const struct notice_words *words,
    const struct hold_view *view, int64_t now);
/* Those, by name as far as they may be named; "" for nobody. */
const char *notice_words_left(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view);
/* "and 12 more mails of the same series, to the same people"; "" for one mail. */
const char *notice_words_series(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view);
/* Those who answered everyone, on the page of a storm; "" when none is known. */
const char *notice_words_answered(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view);
/* "anna@example.com, bob@example.com and 38 more"; "" when none is visible. */
const char *notice_words_recipients(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view);

/* "at 10:42:10 CET" on the same day, else "on Thu 26 Nov, 10:40 CET". Local time. */
const char *notice_words_time(
    struct base_arena *arena, const struct notice_words *words, int64_t time, int64_t now);
/* "in 2 minutes, at 10:42:10 CET"; a past time as notice_words_time(). */
const char *notice_words_time_within(
    struct base_arena *arena, const struct notice_words *words, int64_t time, int64_t now);
/* "at 10:42", or the whole time on another day: for a subject line. */
const char *notice_words_clock(
    struct base_arena *arena, const struct notice_words *words, int64_t time, int64_t now);

#endif
