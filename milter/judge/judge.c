/*
 * NAME
 *	judge - facts in; score and reasons out
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/judge/internal.h"

#define JUDGE_BODY_MIN 10      /* people, from which the start of the body can tell more */
#define JUDGE_MAX_EVIDENCE 600 /* bytes */
#define JUDGE_NAMED_MAX 12     /* recipients among whom one stands out */

/* --- scoring ----------------------------------------------------------------------- */

/* Measures one signal and looks up its range. */
static void
measure_make(const struct judge_view *view, const struct judge_block *block, size_t i,
    struct judge_measure *measure)
{
	measure->person = "";
	measure->is_known = judge_signals[i].measure(view, &measure->value, &measure->person);
	if (!measure->is_known)
		measure->person = "";
	if (!block->is_there)
		return;
	measure->bin = judge_axis_bin(&block->axis, measure->is_known, measure->value);
	measure->points = block->points[measure->bin];
}

/* The cell of a pair. */
size_t
judge_pair_cell(const struct judge_pair *pair, const struct judge_measure *measures)
{
	const struct judge_measure *row = &measures[pair->rows];
	const struct judge_measure *column = &measures[pair->columns];

	return judge_axis_bin(&pair->row_axis, row->is_known, row->value) * (JUDGE_MAX_RANGES + 1) +
	       judge_axis_bin(&pair->column_axis, column->is_known, column->value);
}

/* Views, measures, sums. */
enum base_result
judge_arithmetic_make(const struct judge_facts *facts, const struct judge_scorecard *scorecard,
    struct base_arena *arena, struct judge_arithmetic *score_r, const char **why_r)
{
	struct judge_measure *measures =
	    base_arena_array(arena, judge_signal_count, sizeof(*measures));

	if (!measures) {
		*why_r = base_why("no memory to judge");
		return BASE_BROKEN;
	}
	score_r->view = judge_view_make(facts);
	score_r->points = scorecard->base;
	for (size_t i = 0; i < judge_signal_count; i++) {
		measure_make(&score_r->view, &scorecard->blocks[i], i, &measures[i]);
		score_r->points += measures[i].points;
	}
	for (size_t i = 0; i < scorecard->pair_count; i++) {
		const struct judge_pair *pair = &scorecard->pairs[i];
		double points = pair->points[judge_pair_cell(pair, measures)];

		measures[pair->rows].pair_points += points;
		score_r->points += points;
	}
	score_r->measures = measures;
	score_r->score = 1 / (1 + exp(-score_r->points / scorecard->scale));
	return BASE_OK;
}

/* --- reasons ----------------------------------------------------------------------- */

/* Strongest first; ties by name, so that the order is always the same. */
static int
reason_compare(const void *a, const void *b)
{
	const struct judge_reason *left = a, *right = b;

	if (left->points != right->points)
		return left->points > right->points ? -1 : 1;
	return strcmp(left->signal, right->signal);
}

/* The signal's value and range, for the auditor. */
static const char *
evidence_make(const struct judge_arithmetic *score, const struct judge_block *block, size_t i,
    struct base_arena *arena)
{
	const struct judge_measure *measure = &score->measures[i];
	struct base_buffer text;
	const char *evidence;

	base_buffer_init(&text, JUDGE_MAX_EVIDENCE);
	base_buffer_printf(&text, "%s: ", judge_signals[i].note);
	if (measure->is_known)
		base_buffer_printf(&text, "%.4g %s", measure->value, judge_signals[i].unit);
	else
		base_buffer_puts(&text, "unknown");
	base_buffer_puts(&text, " in ");
	if (block->is_there)
		judge_axis_name(&block->axis, measure->bin, &text);
	base_buffer_printf(&text, ", %+.2f", measure->points);
	if (measure->pair_points != 0)
		base_buffer_printf(&text, " and %+.2f in pairs", measure->pair_points);
	evidence = base_arena_strdup(arena, base_buffer_text(&text));
	base_buffer_free(&text);
	return evidence;
}

/* Who a reason is about: whom it names, else, among few, the recipient least expected. */
static const char *
person_of(const struct judge_arithmetic *score, size_t i)
{
	const struct judge_view *view = &score->view;

	if (*score->measures[i].person)
		return score->measures[i].person;
	if (view->count < 2 || view->count > JUDGE_NAMED_MAX || view->is_reply_exact)
		return "";
	return judge_view_person(view, view->suspect);
}

/* The signals that add points, strongest first. */
static enum base_result
reasons_make(const struct judge_arithmetic *score, const struct judge_scorecard *scorecard,
    struct base_arena *arena, struct judge_score *score_r)
{
	struct judge_reason *reasons =
	    base_arena_array(arena, judge_signal_count, sizeof(*reasons));
	size_t count = 0;

	if (!reasons)
		return BASE_BROKEN;
	for (size_t i = 0; i < judge_signal_count; i++) {
		double points = score->measures[i].points + score->measures[i].pair_points;
		struct judge_reason *reason = &reasons[count];

		if (points / scorecard->scale < 0.005 || !score->measures[i].is_known)
			continue;
		reason->signal = judge_signals[i].name;
		reason->points = points;
		reason->person = person_of(score, i);
		reason->reported = judge_view_reason(&score->view, reason->signal);
		judge_signals[i].fill(&score->view, score->measures[i].value, &reason->reported);
		reason->evidence = evidence_make(score, &scorecard->blocks[i], i, arena);
		if (!reason->evidence)
			return BASE_BROKEN;
		count++;
	}
	qsort(reasons, count, sizeof(*reasons), reason_compare);
	score_r->reasons = reasons;
	score_r->reason_count = count;
	return BASE_OK;
}

/* --- the whole score --------------------------------------------------------------- */

/* The most that one signal's own ranges could still add. */
static double
block_body_points(const struct judge_block *block)
{
	double most = 0;

	for (size_t bin = 1; block->is_there && bin <= block->axis.range_count; bin++)
		if (block->points[bin] - block->points[0] > most)
			most = block->points[bin] - block->points[0];
	return most;
}

/* The most that a pair could still add, one of whose signals reads the body. */
static double
pair_body_points(const struct judge_pair *pair, const struct judge_measure *measures)
{
	size_t now = judge_pair_cell(pair, measures), width = JUDGE_MAX_RANGES + 1;
	bool rows_move = judge_signals[pair->rows].reads_body;
	bool columns_move = judge_signals[pair->columns].reads_body;
	double most = pair->points[now];

	for (size_t row = 0; row <= pair->row_axis.range_count; row++)
		for (size_t column = 0; column <= pair->column_axis.range_count; column++)
			if ((rows_move || row == now / width) &&
			    (columns_move || column == now % width) &&
			    pair->points[row * width + column] > most)
				most = pair->points[row * width + column];
	return most - pair->points[now];
}

/* The most that signals which read the body could still add. */
static double
body_points(const struct judge_arithmetic *score, const struct judge_scorecard *scorecard)
{
	double sum = 0;

	if (score->view.facts->has_body)
		return 0;
	for (size_t i = 0; i < judge_signal_count; i++)
		if (judge_signals[i].reads_body)
			sum += block_body_points(&scorecard->blocks[i]);
	for (size_t i = 0; i < scorecard->pair_count; i++)
		if (judge_signals[scorecard->pairs[i].rows].reads_body ||
		    judge_signals[scorecard->pairs[i].columns].reads_body)
			sum += pair_body_points(&scorecard->pairs[i], score->measures);
	return sum;
}

struct history_calibration
judge_calibration(const struct settings *settings)
{
	return (struct history_calibration){ .quantile = settings->judge.quantile,
		.tag_quantile = settings->judge.tag_quantile,
		.margin = settings->judge.margin,
		.half_life = (double)settings->judge.half_life,
		.needed = settings->judge.min_scores };
}

bool
judge_has_signal(const char *name)
{
	for (size_t i = 0; i < judge_signal_count; i++)
		if (strcmp(judge_signals[i].name, name) == 0)
			return true;
	return false;
}

enum base_result
judge_score(const struct judge_facts *facts, const struct judge_scorecard *scorecard,
    struct base_arena *arena, struct judge_score *score_r, const char **why_r)
{
	struct judge_arithmetic sum = { 0 };
	enum base_result result = judge_arithmetic_make(facts, scorecard, arena, &sum, why_r);
	const struct history_sent_to *same = &sum.view.usual.same;
	struct judge_score score = { 0 };

	if (result != BASE_OK)
		return result;
	score.points = sum.points;
	score.score = sum.score;
	score.is_regular = sum.view.is_regular;
	score.is_confirmed = same->is_confirmed;
	score.conversation_continues = same->is_known && sum.view.usual.answer.kind &&
				       same->last >= sum.view.usual.answer.time;
	score.body_may_add = !facts->has_body && sum.view.people >= JUDGE_BODY_MIN;
	sum.points += body_points(&sum, scorecard);
	score.body_score = 1 / (1 + exp(-sum.points / scorecard->scale));
	result = reasons_make(&sum, scorecard, arena, &score);
	if (result != BASE_OK) {
		*why_r = base_why("no memory for the reasons");
		return result;
	}
	*score_r = score;
	return BASE_OK;
}
