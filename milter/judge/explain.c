/*
 * NAME
 *	judge/explain - the arithmetic of one score as text
 */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/judge/internal.h"

#define EXPLAIN_ARENA (8u << 20)

/* One signal's line. */
static void
explain_signal(const struct judge_arithmetic *score, const struct judge_block *block, size_t i,
    struct base_buffer *text)
{
	const struct judge_measure *measure = &score->measures[i];

	if (!block->is_there)
		return;
	base_buffer_printf(text, "%+8.3f  %s ", measure->points, judge_signals[i].name);
	judge_axis_name(&block->axis, measure->bin, text);
	if (measure->is_known)
		base_buffer_printf(text, "  (%s: %.6g %s)", judge_signals[i].note, measure->value,
		    judge_signals[i].unit);
	base_buffer_puts(text, "\n");
}

/* One pair's line. */
static void
explain_pair(
    const struct judge_arithmetic *score, const struct judge_pair *pair, struct base_buffer *text)
{
	const struct judge_measure *row = &score->measures[pair->rows];
	const struct judge_measure *column = &score->measures[pair->columns];

	base_buffer_printf(text, "%+8.3f  %s ",
	    pair->points[judge_pair_cell(pair, score->measures)], judge_signals[pair->rows].name);
	judge_axis_name(
	    &pair->row_axis, judge_axis_bin(&pair->row_axis, row->is_known, row->value), text);
	base_buffer_printf(text, " with %s ", judge_signals[pair->columns].name);
	judge_axis_name(&pair->column_axis,
	    judge_axis_bin(&pair->column_axis, column->is_known, column->value), text);
	base_buffer_puts(text, "\n");
}

/* Base, signals, pairs, sum. */
static void
explain_score(const struct judge_arithmetic *score, const struct judge_scorecard *scorecard,
    struct base_buffer *text)
{
	base_buffer_printf(text, "%+8.3f  base\n", scorecard->base);
	for (size_t i = 0; i < judge_signal_count; i++)
		explain_signal(score, &scorecard->blocks[i], i, text);
	for (size_t i = 0; i < scorecard->pair_count; i++)
		explain_pair(score, &scorecard->pairs[i], text);
	base_buffer_printf(text, "%+8.3f  sum; score = 1 / (1 + e^-(sum/%g)) = %.4f\n",
	    score->points, scorecard->scale, score->score);
}

enum base_result
judge_explain(const struct judge_facts *facts, const struct judge_scorecard *scorecard,
    struct base_buffer *text_r, const char **why_r)
{
	struct base_arena *arena = base_arena_new(EXPLAIN_ARENA);
	struct judge_arithmetic sum = { 0 };
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to explain";
	if (arena)
		result = judge_arithmetic_make(facts, scorecard, arena, &sum, why_r);
	if (result == BASE_OK) {
		explain_score(&sum, scorecard, text_r);
		if (text_r->failed) {
			*why_r = base_why("the explanation does not fit");
			result = BASE_BROKEN;
		}
	}
	base_arena_free(&arena);
	return result;
}
