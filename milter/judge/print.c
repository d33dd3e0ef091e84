/*
 * NAME
 *	judge/print - a scorecard as the text of its file
 */
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/judge/internal.h"

/* A number after a word. */
static void
points_print(double points, struct base_buffer *text)
{
	base_buffer_puts(text, " ");
	judge_number_print(points, text);
}

/* One range, before its points. */
static void
range_print(const struct judge_axis *axis, size_t bin, struct base_buffer *text)
{
	base_buffer_puts(text, "\t");
	judge_axis_name(axis, bin, text);
}

/* One signal's block. */
static void
signal_print(const struct judge_block *block, size_t i, struct base_buffer *text)
{
	static const char *const trends[] = {
		[JUDGE_FREE] = "free", [JUDGE_RISING] = "rising", [JUDGE_FALLING] = "falling"
	};

	base_buffer_printf(text, "\n# %s (%s)\nsignal %s %s\n", judge_signals[i].note,
	    judge_signals[i].unit, judge_signals[i].name, trends[block->monotonicity]);
	for (size_t bin = 0; bin <= block->axis.range_count; bin++) {
		range_print(&block->axis, bin, text);
		points_print(block->points[bin], text);
		base_buffer_puts(text, "\n");
	}
}

/* One pair's block. */
static void
pair_print(const struct judge_pair *pair, struct base_buffer *text)
{
	base_buffer_printf(text, "\npair %s %s\n\tcolumns", judge_signals[pair->rows].name,
	    judge_signals[pair->columns].name);
	for (size_t column = 0; column <= pair->column_axis.range_count; column++) {
		base_buffer_puts(text, " ");
		judge_axis_name(&pair->column_axis, column, text);
	}
	base_buffer_puts(text, "\n");
	for (size_t row = 0; row <= pair->row_axis.range_count; row++) {
		range_print(&pair->row_axis, row, text);
		for (size_t column = 0; column <= pair->column_axis.range_count; column++)
			points_print(pair->points[row * (JUDGE_MAX_RANGES + 1) + column], text);
		base_buffer_puts(text, "\n");
	}
}

/* The whole card. */
enum base_result
judge_scorecard_print(
    const struct judge_scorecard *scorecard, struct base_buffer *text_r, const char **why_r)
{
	base_buffer_puts(text_r, "base");
	points_print(scorecard->base, text_r);
	base_buffer_puts(text_r, "\nscale");
	points_print(scorecard->scale, text_r);
	base_buffer_puts(text_r, "\n");
	for (size_t i = 0; i < judge_signal_count; i++)
		if (scorecard->blocks[i].is_there)
			signal_print(&scorecard->blocks[i], i, text_r);
	for (size_t i = 0; i < scorecard->pair_count; i++)
		pair_print(&scorecard->pairs[i], text_r);
	if (!text_r->failed)
		return BASE_OK;
	*why_r = base_why("the scorecard does not fit into %zu bytes", text_r->max);
	return BASE_BROKEN;
}
