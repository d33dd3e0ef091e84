/*
 * NAME
 *	judge/train - points of a scorecard from examples
 *
 * Logistic regression on ranges: each signal and each pair is a table of cells, every example
 * falls into one cell of each, and the points of its cells add up. The tables are fitted one
 * after the other, round by round, each cell by one Newton step drawn towards 0 (a cell with
 * few examples stays near it). Tables with a trend are made to rise or fall by pooling
 * neighbours that do not. At the end the points are multiplied, rounded to whole numbers, and
 * each signal's most usual range among sends to many is moved to 0, so that points are read as
 * "more suspicious than usual". Signals that no example knows (a history in lines has no
 * header and no body) keep the points that they were given by hand.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/judge/internal.h"

#define TRAIN_ROUNDS 60
/*
 * What pulls a cell towards 0, as a share of all examples' weight, and at least so many examples.
 * Strongest for pairs: what a few histories say of a rare cell is not what the next organisation
 * does.
 */
#define TRAIN_SIGNAL_RIDGE (1.0 / 12000)
#define TRAIN_SIGNAL_RIDGE_LEAST 5.0
#define TRAIN_PAIR_RIDGE (1.0 / 2000)
#define TRAIN_PAIR_RIDGE_LEAST 10.0
#define TRAIN_STEP 1.0 /* largest step of a cell in one round */
#define TRAIN_SCALE 20.0
/*
 * The base is moved so that the default threshold lies where a stop begins to be right: at the
 * history that is quietest there, this share of real sends scores higher.
 */
#define TRAIN_THRESHOLD 0.9
#define TRAIN_FALSE_SHARE 0.001
#define TRAIN_MAX_EXAMPLES (4u << 20)
#define TRAIN_FEATURES (JUDGE_MAX_SIGNALS + JUDGE_MAX_PAIRS)
#define TRAIN_CELLS ((JUDGE_MAX_RANGES + 1) * (JUDGE_MAX_RANGES + 1))

/* What an example is. */
enum train_kind {
	TRAIN_REAL,
	TRAIN_TO_ALL, /* a slip that takes a parent's audience */
	TRAIN_LIST,   /* a slip to a list */
	TRAIN_PERSON, /* another slip */
	TRAIN_KINDS,
};

#define TRAIN_LIST_MIN 15
#define TRAIN_REAL_LEAST 3000.0 /* slips of a smaller history weigh as in one of so many */
#define TRAIN_PERSON_MAX 7
#define TRAIN_USUAL_MIN 5 /* people, of sends that tell a signal's most usual range */

/*
 * As in life, real sends far outweigh slips: what counts is the order of the few that look most
 * like a slip. A real send weighs 1, and all slips of a kind in a history together this share of
 * its real sends.
 */
static const double train_shares[TRAIN_KINDS] = {
	[TRAIN_TO_ALL] = 0.08,
	[TRAIN_LIST] = 0.014,
	[TRAIN_PERSON] = 0.0001,
};

struct example {
	uint16_t *cells; /* by feature */
	float weight;
	float sum; /* of its cells' points, base included */
	uint16_t history;
	uint8_t kind;
	bool is_usual; /* counts for the most usual range */
};

struct judge_trainer {
	const struct judge_scorecard *frame;
	size_t signals[JUDGE_MAX_SIGNALS]; /* the features that are signals */
	size_t signal_count;
	size_t feature_count; /* signals, then pairs */
	struct example *examples;
	size_t count, capacity;
	size_t begin; /* of the present history */
	uint16_t histories;
	double base;
	double weight; /* of all examples */
	double *points[TRAIN_FEATURES];
};

static bool
is_slip_kind(uint8_t kind)
{
	return kind >= TRAIN_TO_ALL;
}

enum base_result
judge_trainer_new(
    const struct judge_scorecard *frame, struct judge_trainer **trainer_r, const char **why_r)
{
	struct judge_trainer *trainer = calloc(1, sizeof(*trainer));

	*why_r = "no memory to train";
	if (!trainer)
		return BASE_BROKEN;
	trainer->frame = frame;
	for (size_t i = 0; i < judge_signal_count; i++)
		if (frame->blocks[i].is_there)
			trainer->signals[trainer->signal_count++] = i;
	trainer->feature_count = trainer->signal_count + frame->pair_count;
	for (size_t i = 0; i < trainer->feature_count; i++) {
		trainer->points[i] = calloc(TRAIN_CELLS, sizeof(double));
		if (!trainer->points[i]) {
			judge_trainer_free(&trainer);
			return BASE_BROKEN;
		}
	}
	*trainer_r = trainer;
	return BASE_OK;
}

void
judge_trainer_free(struct judge_trainer **trainer)
{
	if (!*trainer)
		return;
	for (size_t i = 0; i < (*trainer)->count; i++)
		free((*trainer)->examples[i].cells);
	for (size_t i = 0; i < TRAIN_FEATURES; i++)
		free((*trainer)->points[i]);
	free((*trainer)->examples);
	free(*trainer);
	*trainer = NULL;
}

/* --- examples ---------------------------------------------------------------------- */

/* The cell of each feature. */
static void
cells_fill(
    const struct judge_trainer *trainer, const struct judge_measure *measures, uint16_t *cells)
{
	for (size_t i = 0; i < trainer->signal_count; i++)
		cells[i] = (uint16_t)measures[trainer->signals[i]].bin;
	for (size_t i = 0; i < trainer->frame->pair_count; i++)
		cells[trainer->signal_count + i] =
		    (uint16_t)judge_pair_cell(&trainer->frame->pairs[i], measures);
}

/* What a slip is: as its message id says (contrib/slips writes it), else by its people. */
static enum train_kind
slip_kind(const struct judge_view *view)
{
	const char *id = view->facts->transaction->message_id;

	if (strncmp(id, "slip-all", 8) == 0)
		return TRAIN_TO_ALL;
	if (strncmp(id, "slip-list", 9) == 0)
		return TRAIN_LIST;
	if (strncmp(id, "slip-person", 11) == 0)
		return TRAIN_PERSON;
	if (view->count >= TRAIN_LIST_MIN && !history_parent_is_replied_to_all(&view->usual.answer))
		return TRAIN_LIST;
	return view->count <= TRAIN_PERSON_MAX ? TRAIN_PERSON : TRAIN_TO_ALL;
}

/* What an example is. */
static enum train_kind
kind_of(const struct judge_view *view, bool is_slip)
{
	if (is_slip)
		return slip_kind(view);
	return TRAIN_REAL;
}

/* Room for one more; false: no memory, or too many. */
static bool
examples_grow(struct judge_trainer *trainer)
{
	size_t capacity = trainer->capacity ? trainer->capacity * 2 : 1024;
	struct example *examples;

	if (trainer->count < trainer->capacity)
		return true;
	if (capacity > TRAIN_MAX_EXAMPLES)
		return false;
	examples = realloc(trainer->examples, capacity * sizeof(*examples));
	if (!examples)
		return false;
	trainer->examples = examples;
	trainer->capacity = capacity;
	return true;
}

/* One example of the present history. */
enum base_result
judge_trainer_add(struct judge_trainer *trainer, const struct judge_facts *facts, bool is_slip,
    struct base_arena *arena, const char **why_r)
{
	struct judge_arithmetic score = { 0 };
	struct example *example;
	enum base_result result =
	    judge_arithmetic_make(facts, trainer->frame, arena, &score, why_r);

	if (result != BASE_OK)
		return result;
	*why_r = "no memory for so many examples";
	if (!examples_grow(trainer))
		return BASE_BROKEN;
	example = &trainer->examples[trainer->count];
	*example = (struct example){ .kind = (uint8_t)kind_of(&score.view, is_slip) };
	example->is_usual = !is_slip && score.view.count >= TRAIN_USUAL_MIN;
	example->cells = calloc(trainer->feature_count + 1, sizeof(*example->cells));
	if (!example->cells)
		return BASE_BROKEN;
	cells_fill(trainer, score.measures, example->cells);
	trainer->count++;
	return BASE_OK;
}

/* Gives the history's examples their weights. */
void
judge_trainer_end_history(struct judge_trainer *trainer, size_t *real_r, size_t *slips_r)
{
	size_t counts[TRAIN_KINDS] = { 0 };
	double real;

	for (size_t i = trainer->begin; i < trainer->count; i++)
		counts[trainer->examples[i].kind]++;
	real = (double)counts[TRAIN_REAL];
	if (real < TRAIN_REAL_LEAST)
		real = TRAIN_REAL_LEAST;
	for (size_t i = trainer->begin; i < trainer->count; i++) {
		struct example *example = &trainer->examples[i];
		double weight = 1;

		if (is_slip_kind(example->kind))
			weight = train_shares[example->kind] * real / (double)counts[example->kind];
		example->weight = (float)(weight < 1 ? weight : 1);
		trainer->weight += (double)example->weight;
		example->history = trainer->histories;
	}
	trainer->begin = trainer->count;
	trainer->histories++;
	*real_r = counts[TRAIN_REAL];
	*slips_r = counts[TRAIN_TO_ALL] + counts[TRAIN_LIST] + counts[TRAIN_PERSON];
}

/* --- fitting ----------------------------------------------------------------------- */

/* Slope and curvature of the loss, by cell of one feature. */
struct slopes {
	double gradient[TRAIN_CELLS];
	double hessian[TRAIN_CELLS];
};

/* The loss's slope and curvature at one example. */
static void
example_gradient(const struct example *example, double *gradient_r, double *hessian_r)
{
	double probability = 1 / (1 + exp(-(double)example->sum));
	double weight = (double)example->weight;

	*gradient_r = weight * (probability - is_slip_kind(example->kind));
	*hessian_r = weight * probability * (1 - probability);
}

/* One Newton step of the base. */
static void
base_fit(struct judge_trainer *trainer)
{
	double gradient_sum = 0, hessian_sum = 0, step;

	for (size_t i = 0; i < trainer->count; i++) {
		double gradient, hessian;

		example_gradient(&trainer->examples[i], &gradient, &hessian);
		gradient_sum += gradient;
		hessian_sum += hessian;
	}
	step = -gradient_sum / (hessian_sum + 1);
	trainer->base += step;
	for (size_t i = 0; i < trainer->count; i++)
		trainer->examples[i].sum += (float)step;
}

/* Makes values rise by pooling neighbours that do not, each counted by its weight. */
static void
isotonic_fit(double *values, const double *weights, size_t count)
{
	struct {
		double value, weight;
		size_t length;
	} pools[JUDGE_MAX_RANGES];
	size_t used = 0, at = 0;

	for (size_t i = 0; i < count; i++) {
		pools[used].value = values[i];
		pools[used].weight = weights[i];
		pools[used++].length = 1;
		while (used > 1 && pools[used - 2].value > pools[used - 1].value) {
			double weight = pools[used - 2].weight + pools[used - 1].weight;

			pools[used - 2].value =
			    (pools[used - 2].value * pools[used - 2].weight +
				pools[used - 1].value * pools[used - 1].weight) /
			    weight;
			pools[used - 2].weight = weight;
			pools[used - 2].length += pools[used - 1].length;
			used--;
		}
	}
	for (size_t i = 0; i < used; i++)
		for (size_t j = 0; j < pools[i].length; j++)
			values[at++] = pools[i].value;
}

/* Brings a signal's new points into its trend; "unknown" has none. */
static void
monotonicity_apply(const struct judge_block *block, double *points, const double *weights)
{
	size_t count = block->axis.range_count;
	double sign = block->monotonicity == JUDGE_FALLING ? -1 : 1;

	if (block->monotonicity == JUDGE_FREE)
		return;
	for (size_t i = 1; i <= count; i++)
		points[i] *= sign;
	isotonic_fit(points + 1, weights + 1, count);
	for (size_t i = 1; i <= count; i++)
		points[i] *= sign;
}

/* How many examples pull a cell of a feature towards 0. */
static double
feature_ridge(const struct judge_trainer *trainer, size_t feature)
{
	bool is_pair = feature >= trainer->signal_count;
	double share = is_pair ? TRAIN_PAIR_RIDGE : TRAIN_SIGNAL_RIDGE;
	double least = is_pair ? TRAIN_PAIR_RIDGE_LEAST : TRAIN_SIGNAL_RIDGE_LEAST;

	return fmax(trainer->weight * share, least);
}

/* One Newton step of every cell of a feature. */
static void
feature_fit(struct judge_trainer *trainer, size_t feature, struct slopes *slopes)
{
	bool is_pair = feature >= trainer->signal_count;
	double ridge = feature_ridge(trainer, feature);
	size_t cells = is_pair ? TRAIN_CELLS : JUDGE_MAX_RANGES + 1;
	double *points = trainer->points[feature], old[TRAIN_CELLS];

	memset(slopes, 0, sizeof(*slopes));
	for (size_t i = 0; i < trainer->count; i++) {
		size_t cell = trainer->examples[i].cells[feature];
		double gradient, hessian;

		example_gradient(&trainer->examples[i], &gradient, &hessian);
		slopes->gradient[cell] += gradient;
		slopes->hessian[cell] += hessian;
	}
	memcpy(old, points, cells * sizeof(*old));
	for (size_t cell = 0; cell < cells; cell++) {
		double step = -(slopes->gradient[cell] + ridge * points[cell]) /
			      (slopes->hessian[cell] + ridge);

		points[cell] += step > TRAIN_STEP    ? TRAIN_STEP
				: step < -TRAIN_STEP ? -TRAIN_STEP
						     : step;
		slopes->hessian[cell] += ridge;
	}
	if (!is_pair)
		monotonicity_apply(
		    &trainer->frame->blocks[trainer->signals[feature]], points, slopes->hessian);
	for (size_t i = 0; i < trainer->count; i++) {
		size_t cell = trainer->examples[i].cells[feature];

		trainer->examples[i].sum += (float)(points[cell] - old[cell]);
	}
}

/* The most usual range of a signal among real sends to many. */
static size_t
usual_cell(const struct judge_trainer *trainer, size_t feature)
{
	double weights[JUDGE_MAX_RANGES + 1] = { 0 };
	size_t usual = 0;

	for (size_t i = 0; i < trainer->count; i++)
		if (trainer->examples[i].is_usual)
			weights[trainer->examples[i].cells[feature]] +=
			    (double)trainer->examples[i].weight;
	for (size_t cell = 1; cell <= JUDGE_MAX_RANGES; cell++)
		if (weights[cell] > weights[usual])
			usual = cell;
	return usual;
}

/* Points as whole numbers; -0 is 0. */
static double
points_round(double points)
{
	return round(points * TRAIN_SCALE) + 0.0;
}

/* Was a signal known in any example? If not, its points stay as they were set by hand. */
static bool
is_known(const struct judge_trainer *trainer, size_t feature)
{
	for (size_t i = 0; i < trainer->count; i++)
		if (trainer->examples[i].cells[feature] != 0)
			return true;
	return false;
}

/* One signal's fitted points; what the base gains by them. */
static double
signal_make(const struct judge_trainer *trainer, size_t feature, struct judge_block *block)
{
	double usual;

	if (!is_known(trainer, feature)) {
		for (size_t bin = 0; bin <= block->axis.range_count; bin++)
			block->points[bin] *= TRAIN_SCALE / trainer->frame->scale;
		return trainer->points[feature][0];
	}
	usual = trainer->points[feature][usual_cell(trainer, feature)];
	for (size_t bin = 0; bin <= block->axis.range_count; bin++)
		block->points[bin] = points_round(trainer->points[feature][bin] - usual);
	return usual;
}

/* Orders sums, highest first. */
static int
sum_compare(const void *a, const void *b)
{
	const float left = *(const float *)a, right = *(const float *)b;

	return left > right ? -1 : left < right;
}

/* The sum that a share of one history's real sends exceed; false: it has too few. */
static bool
history_bar(const struct judge_trainer *trainer, uint16_t history, float *sums, double *bar_r)
{
	size_t count = 0, above;

	for (size_t i = 0; i < trainer->count; i++) {
		const struct example *example = &trainer->examples[i];

		if (example->history == history && example->kind == TRAIN_REAL)
			sums[count++] = example->sum;
	}
	above = (size_t)(TRAIN_FALSE_SHARE * (double)count);
	if (above == 0)
		return false;
	qsort(sums, count, sizeof(*sums), sum_compare);
	*bar_r = (double)sums[above];
	return true;
}

/* What moves the base so that the default threshold is at the lowest bar of all histories. */
static double
base_shift(const struct judge_trainer *trainer)
{
	float *sums = malloc((trainer->count + 1) * sizeof(*sums));
	double lowest = INFINITY, bar;

	for (uint16_t history = 0; sums && history < trainer->histories; history++)
		if (history_bar(trainer, history, sums, &bar) && bar < lowest)
			lowest = bar;
	free(sums);
	return isfinite(lowest) ? log(TRAIN_THRESHOLD / (1 - TRAIN_THRESHOLD)) - lowest : 0;
}

/* The frame with the fitted points. */
static enum base_result
card_make(struct judge_trainer *trainer, struct judge_scorecard **scorecard_r)
{
	struct judge_scorecard *card = calloc(1, sizeof(*card));
	double base = trainer->base;

	if (!card)
		return BASE_BROKEN;
	*card = *trainer->frame;
	card->scale = TRAIN_SCALE;
	card->pair_count = 0;
	for (size_t i = 0; i < trainer->signal_count; i++)
		base += signal_make(trainer, i, &card->blocks[trainer->signals[i]]);
	for (size_t i = 0; i < trainer->frame->pair_count; i++) {
		struct judge_pair *pair = &card->pairs[i];

		pair->points = calloc(TRAIN_CELLS, sizeof(*pair->points));
		if (!pair->points) {
			judge_scorecard_free(&card);
			return BASE_BROKEN;
		}
		card->pair_count++;
		for (size_t cell = 0; cell < TRAIN_CELLS; cell++)
			pair->points[cell] =
			    points_round(trainer->points[trainer->signal_count + i][cell]);
	}
	card->base = points_round(base + base_shift(trainer));
	*scorecard_r = card;
	return BASE_OK;
}

/* Fits all points. */
enum base_result
judge_trainer_fit(
    struct judge_trainer *trainer, struct judge_scorecard **scorecard_r, const char **why_r)
{
	struct slopes *slopes;
	size_t slips = 0;

	for (size_t i = 0; i < trainer->count; i++)
		slips += is_slip_kind(trainer->examples[i].kind);
	if (slips == 0 || slips == trainer->count) {
		*why_r = base_why("%zu slips among %zu examples: both slips and real sends "
				  "are needed",
		    slips, trainer->count);
		return BASE_REFUSE;
	}
	slopes = malloc(sizeof(*slopes));
	*why_r = "no memory to train";
	if (!slopes)
		return BASE_BROKEN;
	for (int round = 0; round < TRAIN_ROUNDS; round++) {
		base_fit(trainer);
		for (size_t i = 0; i < trainer->feature_count; i++)
			feature_fit(trainer, i, slopes);
	}
	free(slopes);
	return card_make(trainer, scorecard_r);
}
