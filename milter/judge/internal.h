/*
 * NAME
 *	judge/internal - the view, the table of signals and the scorecard, inside the module
 *
 * WHAT IT DOES
 *	view.c joins the facts once. Each signal is two functions on the view and one row of
 *	signals.h. A scorecard gives points to ranges of each signal, and of some pairs.
 */
#ifndef OOPS_JUDGE_INTERNAL_H
#define OOPS_JUDGE_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/judge/judge.h"

/* The facts of one send, joined: who the recipients are to the sender. */
struct judge_view {
	const struct judge_facts *facts;
	const struct history_recall *recall; /* the facts' */
	int64_t now;
	size_t count;  /* distinct recipients, the sender left out */
	size_t sample; /* the first of them, which stand for all */
	size_t people; /* behind them; never less than count */
	struct history_comparison usual;

	size_t never_written;  /* of the sample, never written to */
	size_t unknown;        /* nor heard from */
	size_t rarely_written; /* written to less than once lately */
	double familiarity;    /* 0: all new, 1: all well known */
	bool is_regular;       /* one of the sender's regular mailings, and due about now */
	bool is_reply_exact;   /* exactly everybody else in the mail that is answered */
	size_t suspect;        /* least familiar recipient; `sample` when there is none */
	double suspect_worth;
	double others_worth; /* mean of the other recipients */
};

struct judge_view judge_view_make(const struct judge_facts *facts);

/* --- signals ----------------------------------------------------------------------- */

struct judge_signal {
	const char *name; /* in the scorecard */
	const char *unit; /* of its value */
	const char *note; /* for the auditor: what the value is */
	bool reads_body;
	/* False: unknown. `person_r` is "" unless it names somebody. */
	bool (*measure)(const struct judge_view *view, double *value_r, const char **person_r);
	/* Which sentence it is for the sender; what all signals share is filled in. */
	void (*fill)(const struct judge_view *view, double value, struct words_reason *reason);
};

extern const struct judge_signal judge_signals[];
extern const size_t judge_signal_count;
#define JUDGE_MAX_SIGNALS 64

/* What the reasons of all signals share: who gets the mail. */
struct words_reason judge_view_reason(const struct judge_view *view, const char *signal);
/* The address of the recall's recipient `i`, "" when there is none. */
const char *judge_view_person(const struct judge_view *view, size_t i);
/* A recipient's address by hash, "" when it is not a recipient. */
const char *judge_view_person_of(const struct judge_view *view, uint64_t hash);

/* Of every signal, see signals.h. */
#define SIGNAL(name, unit, note)                                                                   \
	bool judge_measure_##name(                                                                 \
	    const struct judge_view *view, double *value_r, const char **person_r);                \
	void judge_fill_##name(                                                                    \
	    const struct judge_view *view, double value, struct words_reason *reason);
#define BODY_SIGNAL(name, unit, note) SIGNAL(name, unit, note)
#include "milter/judge/signals.h"

/* --- scorecard --------------------------------------------------------------------- */

#define JUDGE_MAX_RANGES 32 /* of one signal, "unknown" not counted */
#define JUDGE_MAX_PAIRS 32

/* Ranges of one signal: [edges[i-1], edges[i]), open at both ends; bin 0 is "unknown". */
struct judge_axis {
	double edges[JUDGE_MAX_RANGES - 1];
	size_t range_count;
};

/* How points follow a signal's ranges when a scorecard is trained. */
enum judge_monotonicity { JUDGE_FREE, JUDGE_RISING, JUDGE_FALLING };

struct judge_block {
	bool is_there;
	enum judge_monotonicity monotonicity;
	struct judge_axis axis;
	double points[JUDGE_MAX_RANGES + 1]; /* by bin */
};

struct judge_pair {
	size_t rows, columns; /* signals */
	struct judge_axis row_axis, column_axis;
	double *points; /* (row ranges + 1) * (column ranges + 1) */
};

struct judge_scorecard {
	double base;
	double scale; /* points that make the odds e times as high */
	struct judge_block blocks[JUDGE_MAX_SIGNALS]; /* by signal */
	struct judge_pair pairs[JUDGE_MAX_PAIRS];
	size_t pair_count;
};

/* The bin of a value: 0 unknown, else 1 + range. */
size_t judge_axis_bin(const struct judge_axis *axis, bool is_known, double value);
/* A finite number, in the fewest digits (6 or more) that read back as the same. */
void judge_number_print(double number, struct base_buffer *text_r);
/* "unknown", "-inf..2", "2..5", "5..inf"; it reads back as the same range. */
void judge_axis_name(const struct judge_axis *axis, size_t bin, struct base_buffer *text_r);

/* The text of conf/scorecard.conf, made at build time. */
extern const char judge_scorecard_text[];
extern const size_t judge_scorecard_text_length;

/* --- one send, scored -------------------------------------------------------------- */

struct judge_measure {
	bool is_known;
	double value;
	size_t bin;
	double points;      /* of the signal's own range */
	double pair_points; /* of pairs whose first signal it is */
	const char *person;
};

struct judge_arithmetic {
	struct judge_view view;
	struct judge_measure *measures; /* by signal */
	double points;
	double score;
};

enum base_result judge_arithmetic_make(const struct judge_facts *facts,
    const struct judge_scorecard *scorecard, struct base_arena *arena,
    struct judge_arithmetic *score_r, const char **why_r);
size_t judge_pair_cell(const struct judge_pair *pair, const struct judge_measure *measures);

#endif
