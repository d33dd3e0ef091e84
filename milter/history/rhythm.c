/*
 * NAME
 *	history/rhythm - sends at a steady interval, such as a newsletter on Fridays
 */
#include "milter/history/record.h"

/* seconds in which several sends are one occasion */
#define RHYTHM_BURST (6 * INT64_C(3600))
#define RHYTHM_GAP_MIN (20 * 3600.0) /* seconds: more often than daily is no rhythm */
#define RHYTHM_SENDS 3               /* occasions that make one */
#define RHYTHM_STEADY 0.15           /* share of the interval that it may vary by */
#define RHYTHM_SKIPPED 3             /* intervals in a row that may pass without one */
#define RHYTHM_SHARE 0.3             /* of a new interval in the smoothed one */

/* How many intervals have passed, at least one and at most as many as may be left out. */
static double
periods(const struct history_rhythm *rhythm, double since)
{
	double count = rhythm->gap > 0 ? round(since / (double)rhythm->gap) : 1;

	return count < 1 ? 1 : count > RHYTHM_SKIPPED ? 1 : count;
}

/* An occasion passed: its interval goes into the smoothed one. */
static void
gap_learn(struct history_rhythm *rhythm, double since)
{
	double count = periods(rhythm, since), gap = (double)rhythm->gap;
	double error = fabs(since - count * gap), deviation = (double)rhythm->deviation;

	if (rhythm->count == 1) {
		rhythm->gap = (float)since;
		return;
	}
	rhythm->deviation =
	    (float)(rhythm->count == 2 ? error : deviation + RHYTHM_SHARE * (error - deviation));
	rhythm->gap = (float)(gap + RHYTHM_SHARE * (since / count - gap));
}

void
history_rhythm_observe(struct history_rhythm *rhythm, int64_t now)
{
	if (rhythm->count && now < rhythm->last + RHYTHM_BURST)
		return;
	if (rhythm->count)
		gap_learn(rhythm, (double)(now - rhythm->last));
	rhythm->last = (uint32_t)now;
	if (rhythm->count < UINT32_MAX)
		rhythm->count++;
}

bool
history_rhythm_is_steady(const struct history_rhythm *rhythm)
{
	return rhythm->count >= RHYTHM_SENDS && (double)rhythm->gap >= RHYTHM_GAP_MIN &&
	       (double)rhythm->deviation <= RHYTHM_STEADY * (double)rhythm->gap;
}

bool
history_rhythm_is_due(const struct history_rhythm *rhythm, int64_t now)
{
	double since = (double)(now - (int64_t)rhythm->last), gap = (double)rhythm->gap;
	double error = fabs(since - periods(rhythm, since) * gap);

	if (!history_rhythm_is_steady(rhythm) || since < RHYTHM_BURST)
		return false;
	return error <= fmax(RHYTHM_STEADY * gap, RHYTHM_BURST);
}
