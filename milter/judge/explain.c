/*
 * NAME
 *	judge/explain - the arithmetic of one score as text
 */
#include "milter/judge/internal.h"

#define EXPLAIN_ARENA (8u << 20)

/* One signal's line. */
static void
explain_signal(const struct judge_score *score, const struct judge_block *block, size_t i,
    struct base_buffer *text)
{
	const struct judge_measure *measure = &score->measures[i];

	if (!block->is_there)
		return;
	base_buffer_printf(text, "%+8.3f  %s ", measure->points, judge_signals[i].name);
	judge_axis_name(&block->axis, measure->bin, text);
	if (measure->is_known)
		base_buffer_printf(text, "  (%s: %.6g %s)", judge_signals[i].note,
		    measure->value, judge_signals[i].unit);
	base_buffer_puts(text, "\n");
}

/* One pair's line. */
static void
explain_pair(const struct judge_score *score, const struct judge_pair *pair,
    struct base_buffer *text)
{
	const struct judge_measure *row = &score->measures[pair->rows];
	const struct judge_measure *column = &score->measures[pair->columns];

	base_buffer_printf(text, "%+8.3f  %s ",
	    pair->points[judge_pair_cell(pair, score->measures)],
	    judge_signals[pair->rows].name);
	judge_axis_name(&pair->row_axis,
	    judge_axis_bin(&pair->row_axis, row->is_known, row->value), text);
	base_buffer_printf(text, " with %s ", judge_signals[pair->columns].name);
	judge_axis_name(&pair->column_axis,
	    judge_axis_bin(&pair->column_axis, column->is_known, column->value), text);
	base_buffer_puts(text, "\n");
}

/* Base, signals, pairs, sum. */
static void
explain_score(const struct judge_score *score, const struct judge_scorecard *scorecard,
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

/* The numbers that a score was compared with. */
struct explain_bar {
	enum judge_bar bar; /* that it did not pass */
	double score;
	double threshold;
	double site_score; /* 0: not known */
};

/* A bar as words; what the score is compared with, and what came of it. */
static void
explain_bar(const struct explain_bar *about, const struct settings_policy *rule,
    struct base_buffer *text)
{
	if (about->threshold > 1)
		base_buffer_puts(text, "never");
	else if (about->bar == JUDGE_BAR_THRESHOLD)
		base_buffer_printf(text, "no: %.6f is below the threshold %.6g",
		    about->score, about->threshold);
	else if (about->bar == JUDGE_BAR_SITE)
		base_buffer_printf(text,
		    "no: %.6f is not above the site's own percentile %.6f", about->score,
		    about->site_score);
	else if (about->bar == JUDGE_BAR_NEW_SITE)
		base_buffer_printf(text,
		    "no: %.6f is below %.6f, %g times the odds of the threshold %.6g, as "
		    "the "
		    "site is new",
		    about->score, judge_new_site_bar(rule, about->threshold),
		    rule->learning.new_site_odds, about->threshold);
	else if (about->site_score > 0)
		base_buffer_printf(text,
		    "%.6f is above the threshold %.6g and the site's own percentile %.6f",
		    about->score, about->threshold, about->site_score);
	else
		base_buffer_printf(text,
		    "%.6f is above %.6f, %g times the odds of the threshold %.6g, as the "
		    "site "
		    "is new",
		    about->score, judge_new_site_bar(rule, about->threshold),
		    rule->learning.new_site_odds, about->threshold);
}

/* Why a score that is high enough does not stop the send all the same. */
static void
explain_mercy(const struct judge_facts *facts, const struct settings_policy *rule,
    enum judge_bar bar, struct base_buffer *text)
{
	const struct memory_profile *profile = facts->recall->profile;

	if (bar == JUDGE_BAR_RULE)
		base_buffer_puts(text, ", but the rule holds nothing");
	else if (bar == JUDGE_BAR_LEARNING_SITE)
		base_buffer_printf(text, ", but only %u of %lu sends of the site are known",
		    facts->recall->site ? facts->recall->site->sends : 0,
		    rule->learning.site_sends);
	else if (bar == JUDGE_BAR_LEARNING)
		base_buffer_printf(text,
		    ", but only %u of %lu sends of this sender are known",
		    profile ? profile->sends : 0, judge_sends_needed(facts->recall, rule));
	else if (bar == JUDGE_BAR_REGULAR)
		base_buffer_puts(text, ", but it is a regular mailing, and due");
	else if (bar == JUDGE_BAR_CONFIRMED)
		base_buffer_puts(text, ", but this very audience was confirmed before");
	else if (bar == JUDGE_BAR_GOES_ON)
		base_buffer_puts(text,
		    ", but this very audience was written to since the answered mail came");
}

/* Which of the three bars a score that is high enough for a rule was compared with last. */
static enum judge_bar
gate_passed(const struct memory_recall *recall)
{
	return recall->site_score > 0 ? JUDGE_BAR_SITE : JUDGE_BAR_NEW_SITE;
}

void
judge_gate_write(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, struct base_buffer *gate_r)
{
	const struct memory_recall *recall = facts->recall;
	struct judge_bars bars;

	(void)judge_decide(facts, rule, verdict, verdict->score, &bars);
	switch (bars.stop == JUDGE_BAR_NONE ? gate_passed(recall) : bars.stop) {
	case JUDGE_BAR_NONE:
	case JUDGE_BAR_THRESHOLD:
		base_buffer_printf(gate_r, "threshold:%.6g", rule->threshold);
		break;
	case JUDGE_BAR_SITE:
		base_buffer_printf(gate_r, "percentile:%.6f", recall->site_score);
		break;
	case JUDGE_BAR_NEW_SITE:
		base_buffer_printf(
		    gate_r, "new_site:%.6f", judge_new_site_bar(rule, rule->threshold));
		break;
	case JUDGE_BAR_RULE:
		base_buffer_printf(gate_r, "rule:%s", settings_action_str(rule->action));
		break;
	case JUDGE_BAR_LEARNING_SITE:
		base_buffer_printf(gate_r, "learning_site:%u/%lu",
		    recall->site ? recall->site->sends : 0, rule->learning.site_sends);
		break;
	case JUDGE_BAR_LEARNING:
		base_buffer_printf(gate_r, "learning:%u/%lu",
		    recall->profile ? recall->profile->sends : 0,
		    judge_sends_needed(recall, rule));
		break;
	case JUDGE_BAR_REGULAR:
		base_buffer_puts(gate_r, "regular");
		break;
	case JUDGE_BAR_CONFIRMED:
		base_buffer_puts(gate_r, "confirmed");
		break;
	case JUDGE_BAR_GOES_ON:
		base_buffer_puts(gate_r, "conversation_continues");
		break;
	}
}

/* What the policy made of it, and which bar decided. */
void
judge_explain_bars(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, struct base_buffer *text_r)
{
	struct judge_bars bars;
	struct explain_bar stop = { .score = verdict->score,
		.threshold = rule->threshold,
		.site_score = facts->recall->site_score };
	struct explain_bar tag = { .score = verdict->score,
		.threshold = rule->tag_threshold,
		.site_score = facts->recall->site_tag_score };

	base_buffer_printf(text_r, "%s (%s: %s from %.4g, tag from %.4g)\n",
	    settings_action_str(judge_decide(facts, rule, verdict, verdict->score, &bars)),
	    rule->name, settings_action_str(rule->action), rule->threshold,
	    rule->tag_threshold);
	stop.bar = bars.stop;
	tag.bar = bars.tag;
	base_buffer_puts(text_r, "  hold: ");
	explain_bar(&stop, rule, text_r);
	explain_mercy(facts, rule, bars.stop, text_r);
	base_buffer_puts(text_r, "\n  tag: ");
	explain_bar(&tag, rule, text_r);
	base_buffer_puts(text_r, "\n");
}

/* The verdict and what is said of it. */
static void
explain_verdict(const struct judge_facts *facts, const struct settings_policy *policy,
    const struct judge_verdict *verdict, struct base_buffer *text)
{
	judge_explain_bars(facts, policy, verdict, text);
	for (size_t i = 0; i < verdict->reason_count; i++)
		base_buffer_printf(text, "  %+.2f %s\n", verdict->reasons[i].points,
		    verdict->reasons[i].text);
}

/* Every signal with its value, range and points, then the sum. */
enum base_result
judge_explain(const struct judge_facts *facts, const struct judge_scorecard *scorecard,
    const struct settings_policy *policy, struct base_buffer *text_r, const char **why_r)
{
	struct base_arena *arena = base_arena_new(EXPLAIN_ARENA);
	struct judge_score score = { 0 };
	struct judge_verdict verdict;
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to explain";
	if (arena)
		result = judge_score_make(facts, scorecard, arena, &score, why_r);
	if (result == BASE_OK)
		result = judge_send(facts, scorecard, policy, arena, &verdict, why_r);
	if (result == BASE_OK) {
		explain_score(&score, scorecard, text_r);
		explain_verdict(facts, policy, &verdict, text_r);
		if (text_r->failed) {
			*why_r = base_why("the explanation does not fit");
			result = BASE_BROKEN;
		}
	}
	base_arena_free(&arena);
	return result;
}
