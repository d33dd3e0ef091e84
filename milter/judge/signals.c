/*
 * NAME
 *	judge/signals - the table of all signals
 */
#include "milter/judge/internal.h"

const struct judge_signal judge_signals[] = {
#define SIGNAL(name, unit, note)                                                                   \
	{ #name, unit, note, false, judge_measure_##name, judge_fill_##name },
#define BODY_SIGNAL(name, unit, note)                                                              \
	{ #name, unit, note, true, judge_measure_##name, judge_fill_##name },
#include "milter/judge/signals.h"
};

const size_t judge_signal_count = sizeof(judge_signals) / sizeof(*judge_signals);

_Static_assert(sizeof(judge_signals) / sizeof(*judge_signals) <= JUDGE_MAX_SIGNALS,
    "the scorecard has room for every signal");
