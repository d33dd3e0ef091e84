/*
 * NAME
 *	history/global - what is usual for the site as a whole, and its own recent scores
 *
 * A fixed threshold that is right for one organisation is wrong for the next. The site
 * keeps a histogram of the scores of its own recent sends, by the logarithm of the odds,
 * with the same half-life as everything else, and tells where its high percentile is.
 */
#include "milter/history/internal.h"

#define SITE_SCORE_LOW (-8.0) /* the middle of the first bin */
#define SITE_SCORE_STEP 0.05
#define SITE_TAIL 2 /* times the share that is asked for: the tail that tells its place */
#define SITE_GAIN_MAX 1e12f

/* The bin of a score. */
static size_t
score_bin(double score)
{
	double odds = score <= 0 ? -INFINITY : score >= 1 ? INFINITY : log(score / (1 - score));
	double bin = floor((odds - SITE_SCORE_LOW) / SITE_SCORE_STEP + 0.5);

	if (!(bin > 0))
		return 0;
	return bin >= HISTORY_SCORE_BINS ? HISTORY_SCORE_BINS - 1 : (size_t)bin;
}

/* The score at a place of the histogram; a bin begins at its own number. */
static double
score_at(double place)
{
	double odds = SITE_SCORE_LOW + (place - 0.5) * SITE_SCORE_STEP;

	return 1 / (1 + exp(-odds));
}

/* Moves the epoch before the weights become large. */
static void
site_renew(struct history_global *site, int64_t now)
{
	float factor;

	if ((double)(now - site->epoch) / HISTORY_HALF_LIFE < 16)
		return;
	factor = (float)history_fade(site->epoch, now);
	for (size_t i = 0; i < HISTORY_SIZE_CLASSES; i++)
		site->sizes[i] *= factor;
	for (size_t i = 0; i < HISTORY_PARENT_CLASSES; i++) {
		site->reply_all_possible[i] *= factor;
		site->reply_all_done[i] *= factor;
	}
	site->total *= factor;
	site->epoch = now;
}

/* Counts one score; each weighs a little more than the one before it. */
static void
score_learn(struct history_global *site, double score, double half_life)
{
	if (site->score_gain > SITE_GAIN_MAX) {
		for (size_t i = 0; i < HISTORY_SCORE_BINS; i++)
			site->scores[i] /= site->score_gain;
		site->score_total /= site->score_gain;
		site->score_gain = 1;
	}
	if (site->score_gain <= 0)
		site->score_gain = 1;
	site->scores[score_bin(score)] += site->score_gain;
	site->score_total += site->score_gain;
	site->score_gain *= (float)exp2(1 / half_life);
}

/* Counts one send of its day; older mail, which was imported, is none of these days'. */
static void
day_learn(struct history_global *site, int64_t now)
{
	uint32_t day = (uint32_t)(now / 86400), ago;

	if (day > site->day) {
		site->day_sends[1] = day == site->day + 1 ? site->day_sends[0] : 0;
		site->day_sends[0] = 0;
		site->day = day;
	}
	ago = site->day - day;
	if (ago < 2 && site->day_sends[ago] < UINT32_MAX)
		site->day_sends[ago]++;
}

double
history_global_day(const struct history_global *site, int64_t now)
{
	int64_t day = now / 86400;
	double left = 1 - (double)(now % 86400) / 86400;

	if (day <= site->day)
		return (double)site->day_sends[0] + left * (double)site->day_sends[1];
	return day == (int64_t)site->day + 1 ? left * (double)site->day_sends[0] : 0;
}

/* Counts one send. */
void
history_global_observe(struct history_global *site, const struct history_observation *observation,
    const struct history_parent *answer, double half_life)
{
	float weight;

	if (!site->sends)
		site->epoch = observation->time;
	site_renew(site, observation->time);
	weight = (float)(1 / history_fade(site->epoch, observation->time));
	if (site->sends < UINT32_MAX)
		site->sends++;
	site->sizes[history_size_class(observation->people_count)] += weight;
	site->total += weight;
	if (observation->score >= 0)
		score_learn(site, observation->score, half_life);
	day_learn(site, observation->time);
	if (answer->is_choice) {
		unsigned size_class = history_parent_class(answer->others);

		site->reply_all_possible[size_class] += weight;
		if (answer->taken >= HISTORY_WHOLE)
			site->reply_all_done[size_class] += weight;
	}
}

/* The highest scores: as many bins as hold at most `most` of the weight. */
struct site_tail {
	double sum;    /* their weight */
	double excess; /* above the lowest one that is not empty, in bins, by weight */
	size_t lowest; /* the lowest one that is not empty */
	size_t below;  /* the highest one that is not in it, plus one */
};

static struct site_tail
site_tail_find(const struct history_global *site, double most)
{
	struct site_tail tail = { .below = HISTORY_SCORE_BINS };

	while (tail.below > 0 && tail.sum + (double)site->scores[tail.below - 1] <= most) {
		double weight = (double)site->scores[--tail.below];

		if (weight <= 0)
			continue;
		if (tail.sum > 0)
			tail.excess += tail.sum * (double)(tail.lowest - tail.below);
		tail.lowest = tail.below;
		tail.excess += weight / 2;
		tail.sum += weight;
	}
	return tail;
}

/*
 * The score that a share of recent sends stay below. One send in a thousand means a handful
 * of sends, and a bar that a handful sets jumps about. So it is set by a wider tail, whose
 * excess over its own beginning falls off about exponentially: 1 / e of it is more than
 * its mean excess above.
 */
double
history_global_score(
    const struct history_global *site, const struct history_calibration *calibration)
{
	double share = (1 - calibration->quantile) * (double)site->score_total;
	double above = share * calibration->margin;
	struct site_tail tail;

	if (site->sends < calibration->needed || site->score_total <= 0)
		return 0;
	tail = site_tail_find(site, share * SITE_TAIL);
	if (tail.sum <= above)
		return tail.below == 0 ? 0 : score_at((double)tail.below);
	return score_at((double)tail.lowest + tail.excess / tail.sum * log(tail.sum / above));
}
