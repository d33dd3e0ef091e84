/*
 * NAME
 *	judge/scorecard - the file of points
 *
 * Line by line: `signal` and `pair` open a block; indented or not, the lines that follow are
 * its ranges. A block is checked as a whole when another one opens, or at `base` and `scale`:
 * its ranges must touch each other and reach from -inf to inf, and `unknown` must be there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/judge/internal.h"

#define CARD_MAX_LINE 4096
#define CARD_MAX_WORDS (JUDGE_MAX_RANGES + 2)
#define CARD_MAX_POINTS 1000.0

enum card_block { CARD_NONE, CARD_SIGNAL, CARD_PAIR };

/* One list of ranges while it is read. */
struct card_ranges {
	double last; /* where the last range ended */
	size_t count;
	bool has_unknown;
};

struct card_reader {
	const char *name;
	size_t line;
	struct judge_scorecard *card;
	enum card_block block;
	struct judge_block *signal;
	struct judge_pair *pair;
	const char *about; /* the block's signal */
	struct card_ranges ranges;
	bool has_base;
	bool has_scale;
	bool has_columns;
	size_t column_bins[CARD_MAX_WORDS]; /* the bin of each column as written */
	size_t column_count;
	const char **why_r;
};

/* REFUSE with file and line. */
#define REFUSED(reader, ...)                                                                       \
	(*(reader)->why_r = card_why(reader, base_why(__VA_ARGS__)), BASE_REFUSE)

static const char *
card_why(const struct card_reader *reader, const char *text)
{
	return base_why("%s:%zu: %s", reader->name, reader->line, text);
}

/* Which signal has this name; judge_signal_count when none. */
static size_t
signal_find(const char *name)
{
	size_t i = 0;

	while (i < judge_signal_count && strcmp(judge_signals[i].name, name) != 0)
		i++;
	return i;
}

/* A finite number, whole word. */
static bool
number_parse(const char *word, double *value_r)
{
	char *end;
	double value = strtod(word, &end);

	if (end == word || *end || !isfinite(value))
		return false;
	*value_r = value;
	return true;
}

/* Points: a number of a size that still leaves the sum readable. */
static enum base_result
points_parse(const struct card_reader *reader, const char *word, double *points_r)
{
	if (!number_parse(word, points_r))
		return REFUSED(reader, "points \"%s\" are not a number", word);
	if (fabs(*points_r) > CARD_MAX_POINTS)
		return REFUSED(reader, "points %s are beyond %.0f", word, CARD_MAX_POINTS);
	return BASE_OK;
}

/* "LOW..HIGH", both numbers, -inf or inf. */
static bool
range_parse(char *word, double *low_r, double *high_r)
{
	char *dots = strstr(word, "..");
	const char *high;

	if (!dots)
		return false;
	*dots = '\0';
	high = dots + 2;
	if (strcmp(word, "-inf") == 0)
		*low_r = -INFINITY;
	else if (!number_parse(word, low_r))
		return false;
	if (strcmp(high, "inf") == 0)
		*high_r = INFINITY;
	else if (!number_parse(high, high_r))
		return false;
	*dots = '.';
	return true;
}

/* A number for a message. */
static const char *
edge_str(double edge)
{
	return isinf(edge) ? edge < 0 ? "-inf" : "inf" : base_why("%g", edge);
}

/* Takes one range into an axis; `bin_r` is where its points go. */
static enum base_result
range_take(struct card_reader *reader, struct card_ranges *ranges, struct judge_axis *axis,
    char *word, size_t *bin_r)
{
	double low, high;

	if (strcmp(word, "unknown") == 0) {
		if (ranges->has_unknown)
			return REFUSED(reader, "a second range unknown of %s", reader->about);
		ranges->has_unknown = true;
		*bin_r = 0;
		return BASE_OK;
	}
	if (!range_parse(word, &low, &high))
		return REFUSED(reader, "\"%s\" is no range such as 2..5 or unknown", word);
	if (!(low < high))
		return REFUSED(reader, "range %s is empty", word);
	if (low > ranges->last)
		return REFUSED(reader, "missing range %s..%s of %s before %s",
		    edge_str(ranges->last), edge_str(low), reader->about, word);
	if (low < ranges->last || (ranges->count && isinf(low)))
		return REFUSED(reader, "range %s overlaps the one before it", word);
	if (ranges->count == JUDGE_MAX_RANGES)
		return REFUSED(reader, "more than %d ranges", JUDGE_MAX_RANGES);
	if (ranges->count)
		axis->edges[ranges->count - 1] = low;
	ranges->last = high;
	axis->range_count = ++ranges->count;
	*bin_r = ranges->count;
	return BASE_OK;
}

/* Is a list of ranges complete? */
static enum base_result
ranges_end(const struct card_reader *reader, const struct card_ranges *ranges)
{
	if (!ranges->has_unknown)
		return REFUSED(reader, "missing range unknown of %s", reader->about);
	if (!isinf(ranges->last) || ranges->count == 0)
		return REFUSED(
		    reader, "missing range %s..inf of %s", edge_str(ranges->last), reader->about);
	return BASE_OK;
}

static void
ranges_begin(struct card_ranges *ranges)
{
	*ranges = (struct card_ranges){ .last = -INFINITY };
}

/* The block that was open is complete. */
static enum base_result
block_end(struct card_reader *reader)
{
	if (reader->block == CARD_NONE)
		return BASE_OK;
	if (reader->block == CARD_PAIR && !reader->has_columns)
		return REFUSED(reader, "missing columns of pair %s", reader->about);
	return ranges_end(reader, &reader->ranges);
}

/* How points follow the ranges; only for training. */
static bool
monotonicity_parse(const char *word, enum judge_monotonicity *monotonicity_r)
{
	static const char *const names[] = {
		[JUDGE_FREE] = "free", [JUDGE_RISING] = "rising", [JUDGE_FALLING] = "falling"
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(word, names[i]) == 0) {
			*monotonicity_r = (enum judge_monotonicity)i;
			return true;
		}
	return false;
}

/* "signal NAME" and, for training, its trend */
static enum base_result
signal_begin(struct card_reader *reader, char **words, size_t count)
{
	size_t i;

	if (count != 2 && count != 3)
		return REFUSED(reader, "signal takes one name");
	i = signal_find(words[1]);
	if (i == judge_signal_count)
		return REFUSED(reader, "unknown signal \"%s\"", words[1]);
	reader->signal = &reader->card->blocks[i];
	if (reader->signal->is_there)
		return REFUSED(reader, "a second block of signal %s", words[1]);
	if (count == 3 && !monotonicity_parse(words[2], &reader->signal->monotonicity))
		return REFUSED(reader, "\"%s\" is neither rising, falling nor free", words[2]);
	reader->signal->is_there = true;
	reader->block = CARD_SIGNAL;
	reader->about = judge_signals[i].name;
	ranges_begin(&reader->ranges);
	return BASE_OK;
}

/* Is there a pair of these two signals, in this order? */
static bool
has_pair(const struct judge_scorecard *card, size_t rows, size_t columns)
{
	for (size_t i = 0; i < card->pair_count; i++)
		if (card->pairs[i].rows == rows && card->pairs[i].columns == columns)
			return true;
	return false;
}

/* "pair NAME NAME" */
static enum base_result
pair_begin(struct card_reader *reader, char **words, size_t count)
{
	struct judge_scorecard *card = reader->card;
	struct judge_pair *pair = &card->pairs[card->pair_count];

	if (count != 3)
		return REFUSED(reader, "pair takes two names");
	if (card->pair_count == JUDGE_MAX_PAIRS)
		return REFUSED(reader, "more than %d pairs", JUDGE_MAX_PAIRS);
	pair->rows = signal_find(words[1]);
	pair->columns = signal_find(words[2]);
	if (pair->rows == judge_signal_count || pair->columns == judge_signal_count)
		return REFUSED(reader, "unknown signal \"%s\"",
		    pair->rows == judge_signal_count ? words[1] : words[2]);
	if (has_pair(card, pair->rows, pair->columns))
		return REFUSED(reader, "a second pair %s %s", words[1], words[2]);
	pair->points =
	    calloc((JUDGE_MAX_RANGES + 1) * (size_t)(JUDGE_MAX_RANGES + 1), sizeof(*pair->points));
	if (!pair->points) {
		*reader->why_r = base_why("no memory for a scorecard");
		return BASE_BROKEN;
	}
	card->pair_count++;
	reader->pair = pair;
	reader->block = CARD_PAIR;
	reader->about = judge_signals[pair->rows].name;
	reader->has_columns = false;
	ranges_begin(&reader->ranges);
	return BASE_OK;
}

/* "columns RANGE..." */
static enum base_result
columns_take(struct card_reader *reader, char **words, size_t count)
{
	struct card_ranges ranges;
	enum base_result result = BASE_OK;
	const char *rows = reader->about;

	if (reader->has_columns)
		return REFUSED(reader, "second columns of a pair");
	ranges_begin(&ranges);
	reader->about = judge_signals[reader->pair->columns].name;
	for (size_t i = 1; i < count && result == BASE_OK; i++)
		result = range_take(reader, &ranges, &reader->pair->column_axis, words[i],
		    &reader->column_bins[i - 1]);
	if (result == BASE_OK)
		result = ranges_end(reader, &ranges);
	reader->about = rows;
	reader->column_count = count - 1;
	reader->has_columns = true;
	return result;
}

/* "RANGE POINTS..." of a pair */
static enum base_result
row_take(struct card_reader *reader, char **words, size_t count)
{
	struct judge_pair *pair = reader->pair;
	enum base_result result;
	size_t row = 0;

	if (strcmp(words[0], "columns") == 0)
		return columns_take(reader, words, count);
	if (!reader->has_columns)
		return REFUSED(reader, "the columns of a pair come before its rows");
	if (count != reader->column_count + 1)
		return REFUSED(
		    reader, "%zu points for %zu columns", count - 1, reader->column_count);
	result = range_take(reader, &reader->ranges, &pair->row_axis, words[0], &row);
	for (size_t i = 1; i < count && result == BASE_OK; i++)
		result = points_parse(reader, words[i],
		    &pair->points[row * (JUDGE_MAX_RANGES + 1) + reader->column_bins[i - 1]]);
	return result;
}

/* "RANGE POINTS" of a signal */
static enum base_result
signal_range_take(struct card_reader *reader, char **words, size_t count)
{
	enum base_result result;
	size_t bin = 0;
	double points = 0;

	if (count != 2)
		return REFUSED(reader, "a range takes one number of points");
	result = range_take(reader, &reader->ranges, &reader->signal->axis, words[0], &bin);
	if (result == BASE_OK)
		result = points_parse(reader, words[1], &points);
	if (result == BASE_OK)
		reader->signal->points[bin] = points;
	return result;
}

/* "base POINTS" */
static enum base_result
base_take(struct card_reader *reader, char **words, size_t count)
{
	if (count != 2)
		return REFUSED(reader, "base takes one number of points");
	if (reader->has_base)
		return REFUSED(reader, "a second base");
	reader->has_base = true;
	reader->block = CARD_NONE;
	return points_parse(reader, words[1], &reader->card->base);
}

/* "scale POINTS" */
static enum base_result
scale_take(struct card_reader *reader, char **words, size_t count)
{
	if (count != 2 || !number_parse(words[1], &reader->card->scale) ||
	    !(reader->card->scale > 0))
		return REFUSED(reader, "scale takes one number above 0");
	if (reader->has_scale)
		return REFUSED(reader, "a second scale");
	reader->has_scale = true;
	reader->block = CARD_NONE;
	return BASE_OK;
}

/* One line as words. */
static enum base_result
line_take(struct card_reader *reader, char **words, size_t count)
{
	bool opens = strcmp(words[0], "signal") == 0 || strcmp(words[0], "pair") == 0 ||
		     strcmp(words[0], "base") == 0 || strcmp(words[0], "scale") == 0;
	enum base_result result = opens ? block_end(reader) : BASE_OK;

	if (result != BASE_OK)
		return result;
	if (strcmp(words[0], "base") == 0)
		return base_take(reader, words, count);
	if (strcmp(words[0], "scale") == 0)
		return scale_take(reader, words, count);
	if (strcmp(words[0], "signal") == 0)
		return signal_begin(reader, words, count);
	if (strcmp(words[0], "pair") == 0)
		return pair_begin(reader, words, count);
	if (reader->block == CARD_SIGNAL)
		return signal_range_take(reader, words, count);
	if (reader->block == CARD_PAIR)
		return row_take(reader, words, count);
	return REFUSED(reader, "\"%s\" stands outside a signal or pair", words[0]);
}

/* Cuts a line (a copy) into words, its comment left out. */
static enum base_result
line_parse(struct card_reader *reader, const char *text, size_t length)
{
	char line[CARD_MAX_LINE], *words[CARD_MAX_WORDS], *save = NULL;
	size_t count = 0;

	if (length >= sizeof(line))
		return REFUSED(reader, "longer than %d bytes", CARD_MAX_LINE - 1);
	memcpy(line, text, length);
	line[length] = '\0';
	if (strlen(line) != length)
		return REFUSED(reader, "a NUL byte");
	line[strcspn(line, "#")] = '\0';
	for (char *word = strtok_r(line, " \t\r", &save); word;
	     word = strtok_r(NULL, " \t\r", &save)) {
		if (count == CARD_MAX_WORDS)
			return REFUSED(reader, "more than %d words", CARD_MAX_WORDS);
		words[count++] = word;
	}
	return count ? line_take(reader, words, count) : BASE_OK;
}

/* All lines. */
static enum base_result
card_parse(struct card_reader *reader, const char *text, size_t length)
{
	const char *end = text + length;
	enum base_result result = BASE_OK;

	while (text < end && result == BASE_OK) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t line = newline ? (size_t)(newline - text) : (size_t)(end - text);

		reader->line++;
		result = line_parse(reader, text, line);
		text += line + 1;
	}
	if (result == BASE_OK)
		result = block_end(reader);
	if (result == BASE_OK && !reader->has_base)
		result = REFUSED(reader, "missing base");
	return result;
}

/* The scorecard's text as a value. */
enum base_result
judge_scorecard_parse(const char *text, size_t length, const char *name,
    struct judge_scorecard **scorecard_r, const char **why_r)
{
	struct judge_scorecard *card = calloc(1, sizeof(*card));
	struct card_reader reader = { .name = name, .card = card, .why_r = why_r };
	enum base_result result;

	if (!card) {
		*why_r = base_why("no memory for a scorecard");
		return BASE_BROKEN;
	}
	result = card_parse(&reader, text, length);
	if (result == BASE_OK && card->scale == 0)
		card->scale = 1;
	if (result == BASE_OK)
		*scorecard_r = card;
	else
		judge_scorecard_free(&card);
	return result;
}

/* The one compiled in. */
enum base_result
judge_scorecard_default(struct judge_scorecard **scorecard_r, const char **why_r)
{
	return judge_scorecard_parse(judge_scorecard_text, judge_scorecard_text_length,
	    "(built-in scorecard)", scorecard_r, why_r);
}

void
judge_scorecard_free(struct judge_scorecard **scorecard)
{
	if (!*scorecard)
		return;
	for (size_t i = 0; i < (*scorecard)->pair_count; i++)
		free((*scorecard)->pairs[i].points);
	free(*scorecard);
	*scorecard = NULL;
}

/* The bin of a value. */
size_t
judge_axis_bin(const struct judge_axis *axis, bool is_known, double value)
{
	size_t low = 0, high = axis->range_count - 1;

	if (!is_known || isnan(value))
		return 0;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (axis->edges[middle] <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

/* The fewest digits that read back as the same number. */
void
judge_number_print(double number, struct base_buffer *text_r)
{
	char text[32];
	int digits = 5;

	do
		snprintf(text, sizeof(text), "%.*g", ++digits, number);
	while (digits < 17 && strtod(text, NULL) != number);
	base_buffer_puts(text_r, text);
}

/* A bin as the file writes it. */
void
judge_axis_name(const struct judge_axis *axis, size_t bin, struct base_buffer *text_r)
{
	if (bin == 0) {
		base_buffer_puts(text_r, "unknown");
		return;
	}
	if (bin == 1)
		base_buffer_puts(text_r, "-inf..");
	else {
		judge_number_print(axis->edges[bin - 2], text_r);
		base_buffer_puts(text_r, "..");
	}
	if (bin == axis->range_count)
		base_buffer_puts(text_r, "inf");
	else
		judge_number_print(axis->edges[bin - 1], text_r);
}
