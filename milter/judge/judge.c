/*
 * NAME
 *	judge - facts in; verdict, score and reasons out
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "milter/judge/internal.h"

#define JUDGE_BODY_MIN 10      /* people, from which the start of the body can tell more */
#define JUDGE_MAX_SENTENCE 600 /* bytes */
#define JUDGE_NAMED_MAX 12     /* recipients among whom one stands out */

/* --- scoring ----------------------------------------------------------------------- */

/* Measures one signal and looks up its range. */
static void
measure_make(const struct judge_view *view, const struct judge_block *block, size_t i,
    struct judge_measure *measure)
{
	measure->person = "";
	measure->is_known =
	    judge_signals[i].measure(view, &measure->value, &measure->person);
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

	return judge_axis_bin(&pair->row_axis, row->is_known, row->value) *
		   (JUDGE_MAX_RANGES + 1) +
	       judge_axis_bin(&pair->column_axis, column->is_known, column->value);
}

/* Views, measures, sums. */
enum base_result
judge_score_make(const struct judge_facts *facts, const struct judge_scorecard *scorecard,
    struct base_arena *arena, struct judge_score *score_r, const char **why_r)
{
	enum base_result result = judge_view_make(facts, arena, &score_r->view, why_r);
	struct judge_measure *measures;

	if (result != BASE_OK)
		return result;
	measures = base_arena_array(arena, judge_signal_count, sizeof(*measures));
	if (!measures) {
		*why_r = base_why("no memory to judge");
		return BASE_BROKEN;
	}
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
evidence_make(const struct judge_score *score, const struct judge_block *block, size_t i,
    struct base_arena *arena)
{
	const struct judge_measure *measure = &score->measures[i];
	struct base_buffer text;
	const char *evidence;

	base_buffer_init(&text, JUDGE_MAX_SENTENCE);
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

/* The sentence for the sender. */
static const char *
sentence_make(const struct judge_score *score, size_t i, struct base_arena *arena)
{
	struct base_buffer text;
	const char *sentence;

	base_buffer_init(&text, JUDGE_MAX_SENTENCE);
	judge_signals[i].say(&score->view, score->measures[i].value, &text);
	sentence = base_arena_strdup(arena, base_buffer_text(&text));
	base_buffer_free(&text);
	return sentence;
}

/* Who a reason is about: whom it names, else, among few, the recipient least expected. */
static const char *
person_of(const struct judge_score *score, size_t i)
{
	const struct judge_view *view = &score->view;

	if (*score->measures[i].person)
		return score->measures[i].person;
	if (view->count < 2 || view->count > JUDGE_NAMED_MAX || view->is_answer_exact)
		return "";
	return judge_view_person(view, view->suspect);
}

/* The signals that add points, strongest first. */
static enum base_result
reasons_make(const struct judge_score *score, const struct judge_scorecard *scorecard,
    struct base_arena *arena, struct judge_verdict *verdict)
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
		reason->text = sentence_make(score, i, arena);
		reason->evidence = evidence_make(score, &scorecard->blocks[i], i, arena);
		if (!reason->text || !reason->evidence)
			return BASE_BROKEN;
		count++;
	}
	qsort(reasons, count, sizeof(*reasons), reason_compare);
	verdict->reasons = reasons;
	verdict->reason_count = count;
	return BASE_OK;
}

/* --- verdict ----------------------------------------------------------------------- */

unsigned long
judge_sends_needed(const struct memory_recall *recall, const struct settings_policy *rule)
{
	return recall->site_score > 0 ? rule->learning.sends
				      : rule->learning.sends_new_site;
}

/* Is too little known of this sender to hold mail? */
static bool
is_learning(const struct memory_recall *recall, const struct settings_policy *rule)
{
	unsigned long needed = judge_sends_needed(recall, rule);

	return needed > 0 && (!recall->profile || recall->profile->sends < needed);
}

double
judge_new_site_bar(const struct settings_policy *rule, double bar)
{
	double odds = rule->learning.new_site_odds * bar / (1 - bar);

	return bar >= 1 ? bar : odds / (1 + odds);
}

/* The bar that a score is not above: the rule's, or the site's own. */
static enum judge_bar
bar_find(const struct settings_policy *rule, double score, double bar, double site_score)
{
	if (score < bar)
		return JUDGE_BAR_THRESHOLD;
	if (site_score > 0)
		return score > site_score ? JUDGE_BAR_NONE : JUDGE_BAR_SITE;
	if (score >= 1 ||
	    score / (1 - score) >= rule->learning.new_site_odds * bar / (1 - bar))
		return JUDGE_BAR_NONE;
	return JUDGE_BAR_NEW_SITE;
}

/* Is too little known of the whole site? */
static bool
is_learning_site(const struct memory_recall *recall, const struct settings_policy *rule)
{
	unsigned long needed = rule->learning.site_sends;

	return needed > 0 && (!recall->site || recall->site->sends < needed);
}

/*
 * What keeps a send from being stopped whatever its score is. Confirming teaches; and who has
 * just written to these very people is in a conversation with them.
 */
static enum judge_bar
stop_bar(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict)
{
	if (rule->action <= SETTINGS_TAG)
		return JUDGE_BAR_RULE;
	if (is_learning_site(facts->recall, rule))
		return JUDGE_BAR_LEARNING_SITE;
	if (is_learning(facts->recall, rule))
		return JUDGE_BAR_LEARNING;
	if (verdict->is_regular)
		return JUDGE_BAR_REGULAR;
	if (verdict->is_confirmed)
		return JUDGE_BAR_CONFIRMED;
	return verdict->goes_on ? JUDGE_BAR_GOES_ON : JUDGE_BAR_NONE;
}

/* What a rule does, and why not more. */
enum settings_action
judge_decide(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, double score, struct judge_bars *bars_r)
{
	const struct memory_recall *recall = facts->recall;
	enum settings_action action;

	bars_r->tag = bar_find(rule, score, rule->tag_threshold, recall->site_tag_score);
	action = bars_r->tag == JUDGE_BAR_NONE ? SETTINGS_TAG : SETTINGS_PASS;
	bars_r->stop = bar_find(rule, score, rule->threshold, recall->site_score);
	if (bars_r->stop != JUDGE_BAR_NONE)
		return action;
	bars_r->stop = stop_bar(facts, rule, verdict);
	if (bars_r->stop == JUDGE_BAR_RULE)
		return rule->action > action ? rule->action : action;
	return bars_r->stop == JUDGE_BAR_NONE ? rule->action : SETTINGS_TAG;
}

enum settings_action
judge_action(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, double score)
{
	struct judge_bars bars;

	return judge_decide(facts, rule, verdict, score, &bars);
}

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
body_points(const struct judge_score *score, const struct judge_scorecard *scorecard)
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

bool
judge_wants_body(const struct judge_facts *facts, const struct settings_policy *rule,
    const struct judge_verdict *verdict, enum settings_action now)
{
	enum settings_action most;

	if (!verdict->body_may_tell)
		return false;
	most = judge_action(facts, rule, verdict, verdict->body_score);
	return most > SETTINGS_TAG && most > now;
}

struct memory_calibration
judge_calibration(const struct settings *settings)
{
	return (struct memory_calibration){ .quantile = settings->judge.quantile,
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

/* Scores one send. */
enum base_result
judge_score(const struct judge_facts *facts, const struct judge_scorecard *scorecard,
    struct base_arena *arena, struct judge_verdict *verdict_r, const char **why_r)
{
	struct judge_verdict verdict = { .action = SETTINGS_PASS };
	struct judge_score score = { 0 };
	enum base_result result = judge_score_make(facts, scorecard, arena, &score, why_r);

	if (result != BASE_OK)
		return result;
	verdict.points = score.points;
	verdict.score = score.score;
	verdict.is_regular = score.view.is_regular;
	verdict.is_confirmed = score.view.same && score.view.same->is_confirmed;
	verdict.goes_on = score.view.same && score.view.answer.kind &&
			  score.view.same->last >= score.view.answer.time;
	verdict.body_may_tell = !facts->has_body && score.view.people >= JUDGE_BODY_MIN;
	score.points += body_points(&score, scorecard);
	verdict.body_score = 1 / (1 + exp(-score.points / scorecard->scale));
	result = reasons_make(&score, scorecard, arena, &verdict);
	if (result != BASE_OK) {
		*why_r = base_why("no memory for the reasons");
		return result;
	}
	*verdict_r = verdict;
	return BASE_OK;
}

/* Scores one send and decides by one rule. */
enum base_result
judge_send(const struct judge_facts *facts, const struct judge_scorecard *scorecard,
    const struct settings_policy *rule, struct base_arena *arena,
    struct judge_verdict *verdict_r, const char **why_r)
{
	struct judge_verdict verdict;
	enum base_result result = judge_score(facts, scorecard, arena, &verdict, why_r);

	if (result != BASE_OK)
		return result;
	verdict.action = judge_action(facts, rule, &verdict, verdict.score);
	verdict.wants_body = judge_wants_body(facts, rule, &verdict, verdict.action);
	*verdict_r = verdict;
	return BASE_OK;
}
