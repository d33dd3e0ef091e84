/* time - when something is or was, as text; see words.h */
#include <time.h>

#include "milter/base/arena.h"
#include "milter/words/internal.h"

/* A day of the week by its number, from Sunday. */
static const char *
weekday_name(const struct words *words, int day)
{
	const char *const names[] = { words->weekday_sunday, words->weekday_monday,
		words->weekday_tuesday, words->weekday_wednesday, words->weekday_thursday,
		words->weekday_friday, words->weekday_saturday };

	return names[day];
}

/* A month by its number, from 0. */
static const char *
month_name(const struct words *words, int month)
{
	const char *const names[] = { words->month_january, words->month_february,
		words->month_march, words->month_april, words->month_may, words->month_june,
		words->month_july, words->month_august, words->month_september,
		words->month_october, words->month_november, words->month_december };

	return names[month];
}

/* The time of day in one of the language's ways. */
static const char *
clock_make(struct base_arena *arena, const char *sentence, const struct tm *tm)
{
	char zone[16];

	if (!strftime(zone, sizeof(zone), "%Z", tm))
		zone[0] = '\0';
	return words_make(arena, sentence,
	    { "hour", base_arena_printf(arena, "%02d", tm->tm_hour), false },
	    { "minute", base_arena_printf(arena, "%02d", tm->tm_min), false },
	    { "second", base_arena_printf(arena, "%02d", tm->tm_sec), false },
	    { "zone", base_arena_strdup(arena, zone), false });
}

/* Two instants as local times; false if there is no such time. */
static bool
local_times(int64_t time, int64_t now, struct tm *tm_r, bool *is_today_r)
{
	time_t then = (time_t)time, present = (time_t)now;
	struct tm today;

	if (!localtime_r(&then, tm_r) || !localtime_r(&present, &today))
		return false;
	*is_today_r = tm_r->tm_year == today.tm_year && tm_r->tm_yday == today.tm_yday;
	return true;
}

/* A time with its day. */
static const char *
other_day_make(
    struct base_arena *arena, const struct words *words, const struct tm *tm, const char *clock)
{
	return words_make(arena, words->time_other_day,
	    { "weekday", weekday_name(words, tm->tm_wday), false },
	    { "day", base_arena_printf(arena, "%d", tm->tm_mday), false },
	    { "month", month_name(words, tm->tm_mon), false }, { "clock", clock, false });
}

const char *
words_time(struct base_arena *arena, const struct words *words, int64_t time, int64_t now)
{
	int64_t distance = time > now ? time - now : now - time;
	const char *clock;
	struct tm tm;
	bool is_today;

	if (!local_times(time, now, &tm, &is_today))
		return NULL;
	clock = clock_make(arena, distance < 3600 ? words->clock_exact : words->clock, &tm);
	if (!is_today)
		return other_day_make(arena, words, &tm, clock);
	return words_make(arena, words->time_today, { "clock", clock, false });
}

/* How long: one unit, rounded to the nearest so that it never reads as more than it is by
 * half. */
static const char *
span_make(struct base_arena *arena, const struct words *words, int64_t seconds)
{
	if (seconds < 100)
		return words_count(arena, words, &words->seconds, (unsigned long)seconds);
	if (seconds < 100 * 60)
		return words_count(
		    arena, words, &words->minutes, (unsigned long)((seconds + 30) / 60));
	if (seconds < 48 * 3600)
		return words_count(
		    arena, words, &words->hours, (unsigned long)((seconds + 1800) / 3600));
	return words_count(arena, words, &words->days, (unsigned long)((seconds + 43200) / 86400));
}

const char *
words_time_within(struct base_arena *arena, const struct words *words, int64_t time, int64_t now)
{
	const char *when = words_time(arena, words, time, now);

	if (time <= now)
		return when;
	return words_make(arena, words->time_within,
	    { "span", span_make(arena, words, time - now), false }, { "when", when, false });
}

const char *
words_clock(struct base_arena *arena, const struct words *words, int64_t time, int64_t now)
{
	const char *clock;
	struct tm tm;
	bool is_today;

	if (!local_times(time, now, &tm, &is_today))
		return NULL;
	clock = clock_make(arena, words->clock_bare, &tm);
	if (!is_today)
		return other_day_make(arena, words, &tm, clock);
	return words_make(arena, words->time_today, { "clock", clock, false });
}
