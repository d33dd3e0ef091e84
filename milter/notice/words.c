/*
 * words - fills in the sentences of one language: places, numbers, times
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/notice/notice.h"
#include "milter/notice/words.h"

#define WORDS_MAX_TEXT 2048      /* bytes of one made text */
#define WORDS_SHOWN_PEOPLE 10    /* who answered everyone */
#define WORDS_SHOWN_RECIPIENTS 3 /* by name; the rest are counted */
#define WORDS_MAX_ADDRESS 80     /* bytes shown of one address */

static const struct notice_words *const words_languages[] = {
	&notice_words_en,
};

/* The table for a language tag: "de-AT" finds "de". */
const struct notice_words *
notice_words_for(const char *language)
{
	size_t i, length;

	for (i = 0; language && i < sizeof(words_languages) / sizeof(*words_languages); i++) {
		length = strlen(words_languages[i]->language);
		if (!strncasecmp(language, words_languages[i]->language, length) &&
		    !strchr("abcdefghijklmnopqrstuvwxyz", language[length] | 0x20))
			return words_languages[i];
	}
	return words_languages[0];
}

/* Appends a piece of a sentence, quoted for where it goes. */
static bool
words_piece(struct base_buffer *out, enum notice_form form, const char *text, size_t length)
{
	char piece[512];
	size_t part;

	if (form == NOTICE_PLAIN)
		return base_buffer_append(out, text, length);
	for (; length; text += part, length -= part) {
		part = length < sizeof(piece) - 1 ? length : sizeof(piece) - 1;
		while (part > 1 && part < length && ((unsigned char)text[part] & 0xc0) == 0x80)
			part--;
		memcpy(piece, text, part);
		piece[part] = '\0';
		if (!base_quote_html(out, piece))
			return false;
	}
	return true;
}

/* The value for the place that starts here, or NULL. */
static const struct notice_value *
words_value(const char *name, size_t length, const struct notice_value *values, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strlen(values[i].name) == length && !memcmp(values[i].name, name, length))
			return values[i].text ? &values[i] : NULL;
	return NULL;
}

/* Appends one value. */
static bool
words_put_value(struct base_buffer *out, enum notice_form form, const struct notice_value *value)
{
	bool is_strong = value->strong && form == NOTICE_HTML;

	return (!is_strong || base_buffer_puts(out, "<strong>")) &&
	       words_piece(out, form, value->text, strlen(value->text)) &&
	       (!is_strong || base_buffer_puts(out, "</strong>"));
}

/* Fills in every place of a sentence. */
bool
notice_words_fill(struct base_buffer *out, enum notice_form form, const char *sentence,
    const struct notice_value *values, size_t count)
{
	const struct notice_value *value;
	const char *open, *close;

	for (; (open = strchr(sentence, '{')); sentence = close + 1) {
		close = strchr(open, '}');
		value = close ? words_value(open + 1, close - open - 1, values, count) : NULL;
		if (!value) {
			out->failed = true;
			return false;
		}
		if (!words_piece(out, form, sentence, open - sentence) ||
		    !words_put_value(out, form, value))
			return false;
	}
	return words_piece(out, form, sentence, strlen(sentence));
}

/* A sentence as it stands. */
bool
notice_words_put(struct base_buffer *out, enum notice_form form, const char *sentence)
{
	return words_piece(out, form, sentence, strlen(sentence));
}

/* A filled-in sentence as text in the arena. */
static const char *
words_make_from(
    struct base_arena *arena, const char *sentence, const struct notice_value *values, size_t count)
{
	struct base_buffer buffer;
	const char *text = NULL;

	base_buffer_init(&buffer, WORDS_MAX_TEXT);
	if (notice_words_fill(&buffer, NOTICE_PLAIN, sentence, values, count))
		text = base_arena_strdup(arena, base_buffer_text(&buffer));
	base_buffer_free(&buffer);
	return text;
}

#define words_make(arena, sentence, ...)                                                           \
	words_make_from(arena, sentence, (const struct notice_value[]){ __VA_ARGS__ },             \
	    sizeof((const struct notice_value[]){ __VA_ARGS__ }) / sizeof(struct notice_value))

/* A number with its noun. */
const char *
notice_words_count(struct base_arena *arena, const struct notice_words *words,
    const struct notice_plural *plural, unsigned long n)
{
	unsigned form = words->plural(n);
	const char *number = base_arena_printf(arena, "%lu", n);

	if (form >= words->plurals)
		form = 0;
	return words_make(arena, plural->form[form], { "n", number, false });
}

/* How many it would reach. */
const char *
notice_words_people(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view)
{
	unsigned long people = view->people ? view->people : view->recipient_count;

	if (view->people_kind == HOLD_PEOPLE_UNKNOWN)
		return words->people_unknown;
	return notice_words_count(arena, words,
	    view->people_kind == HOLD_PEOPLE_AT_LEAST ? &words->people_at_least : &words->people,
	    people);
}

/* Text cut to whole characters, "..." when something is missing. */
static const char *
words_shorten(struct base_arena *arena, const char *text, size_t max_bytes)
{
	struct base_buffer buffer;
	const char *shorter = NULL;
	bool is_cut = strlen(text) > max_bytes;

	base_buffer_init(&buffer, max_bytes * 3 + 8);
	if (base_quote_line(&buffer, text, is_cut ? max_bytes - 3 : max_bytes) &&
	    (!is_cut || base_buffer_puts(&buffer, "...")))
		shorter = base_arena_strdup(arena, base_buffer_text(&buffer));
	base_buffer_free(&buffer);
	return shorter;
}

/* A stranger's text: the same, without a link in it. */
static const char *
words_unlink(struct base_arena *arena, const char *text, size_t max_bytes)
{
	struct base_buffer buffer;
	const char *unlinked = NULL;

	base_buffer_init(&buffer, 3 * strlen(text) + 8);
	if (base_quote_unlinked(&buffer, text, 3 * strlen(text) + 1))
		unlinked = words_shorten(arena, base_buffer_text(&buffer), max_bytes);
	base_buffer_free(&buffer);
	return unlinked;
}

/* The subject for people. */
const char *
notice_words_subject(struct base_arena *arena, const struct notice_words *words,
    const struct hold_view *view, size_t max_bytes)
{
	const char *subject = view->subject ? view->subject : "";

	if (!subject[strspn(subject, " \t\r\n")])
		return words->no_subject;
	return words_unlink(arena, subject, max_bytes);
}

/* One visible recipient after the others. */
static bool
words_add_recipient(struct base_arena *arena, struct base_buffer *list, const char *address)
{
	const char *shown = strchr(address, '/') != NULL
				? words_unlink(arena, address, WORDS_MAX_ADDRESS)
				: words_shorten(arena, address, WORDS_MAX_ADDRESS);

	return shown && (!list->length || base_buffer_puts(list, ", ")) &&
	       base_buffer_puts(list, shown);
}

/* The first of some addresses, the others of `total` as a number. */
static const char *
words_list(struct base_arena *arena, const struct notice_words *words, const char *lines,
    size_t most, size_t total)
{
	struct base_buffer list;
	const char *line = lines ? lines : "", *more, *text = NULL;
	size_t shown = 0, length;
	bool is_whole = true;

	base_buffer_init(&list, WORDS_MAX_TEXT);
	for (; *line && shown < most; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		if (!length)
			continue;
		more = base_arena_strndup(arena, line, length);
		is_whole = is_whole && more && words_add_recipient(arena, &list, more);
		shown++;
	}
	if (shown && total > shown) {
		more = notice_words_count(arena, words, &words->and_more, total - shown);
		is_whole = is_whole && more && base_buffer_printf(&list, " %s", more);
	}
	if (is_whole)
		text = base_arena_strdup(arena, base_buffer_text(&list));
	base_buffer_free(&list);
	return text;
}

/* The first visible recipients by name, the others as a number. */
const char *
notice_words_recipients(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view)
{
	return words_list(
	    arena, words, view->recipients, WORDS_SHOWN_RECIPIENTS, view->recipient_count);
}

const char *
notice_words_got(struct base_arena *arena, const struct notice_words *words,
    const struct hold_view *view, int64_t now)
{
	const char *sentence = words->got_some;

	switch (view->how) {
	case HOLD_HOW_STAYED:
		if (view->left_count == 0)
			return words->got_nobody;
		break;
	case HOLD_HOW_UNKNOWN:
		return words->got_unknown;
	case HOLD_HOW_GONE:
		sentence = words->part_gone;
		break;
	case HOLD_HOW_RELEASED:
		sentence = words->part_released;
		break;
	}
	return words_make(arena, sentence,
	    { "left", notice_words_count(arena, words, &words->left, view->left_count), false },
	    { "people", notice_words_people(arena, words, view), false },
	    { "when", notice_words_time(arena, words, view->left, now), false });
}

const char *
notice_words_left(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view)
{
	if (view->left_count == 0)
		return "";
	if (view->left_to == NULL || *view->left_to == '\0')
		return notice_words_count(arena, words, &words->left, view->left_count);
	return words_list(arena, words, view->left_to, WORDS_SHOWN_RECIPIENTS, view->left_count);
}

const char *
notice_words_series(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view)
{
	if (view->mail_count < 2)
		return "";
	return notice_words_count(arena, words, &words->series, view->mail_count - 1);
}

const char *
notice_words_answered(
    struct base_arena *arena, const struct notice_words *words, const struct hold_view *view)
{
	if (view->answered_by == NULL)
		return "";
	return words_list(arena, words, view->answered_by, WORDS_SHOWN_PEOPLE, view->answered);
}

/* The time of day in one of the language's ways. */
static const char *
words_clock(struct base_arena *arena, const char *sentence, const struct tm *tm)
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
words_local(int64_t time, int64_t now, struct tm *tm_r, bool *is_today_r)
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
words_other_day(struct base_arena *arena, const struct notice_words *words, const struct tm *tm,
    const char *clock)
{
	return words_make(arena, words->time_other_day,
	    { "weekday", words->weekdays[tm->tm_wday], false },
	    { "day", base_arena_printf(arena, "%d", tm->tm_mday), false },
	    { "month", words->months[tm->tm_mon], false }, { "clock", clock, false });
}

/* When something is or was; to the second when it is near. */
const char *
notice_words_time(
    struct base_arena *arena, const struct notice_words *words, int64_t time, int64_t now)
{
	int64_t distance = time > now ? time - now : now - time;
	const char *clock;
	struct tm tm;
	bool is_today;

	if (!words_local(time, now, &tm, &is_today))
		return NULL;
	clock = words_clock(arena, distance < 3600 ? words->clock_exact : words->clock, &tm);
	if (!is_today)
		return words_other_day(arena, words, &tm, clock);
	return words_make(arena, words->time_today, { "clock", clock, false });
}

/* How long: one unit, rounded to the nearest so that it never reads as more than it is by
 * half. */
static const char *
words_span(struct base_arena *arena, const struct notice_words *words, int64_t seconds)
{
	if (seconds < 100)
		return notice_words_count(arena, words, &words->seconds, (unsigned long)seconds);
	if (seconds < 100 * 60)
		return notice_words_count(
		    arena, words, &words->minutes, (unsigned long)((seconds + 30) / 60));
	if (seconds < 48 * 3600)
		return notice_words_count(
		    arena, words, &words->hours, (unsigned long)((seconds + 1800) / 3600));
	return notice_words_count(
	    arena, words, &words->days, (unsigned long)((seconds + 43200) / 86400));
}

/* When something will be, and how long that is from now. */
const char *
notice_words_time_within(
    struct base_arena *arena, const struct notice_words *words, int64_t time, int64_t now)
{
	const char *when = notice_words_time(arena, words, time, now);

	if (time <= now)
		return when;
	return words_make(arena, words->time_within,
	    { "span", words_span(arena, words, time - now), false }, { "when", when, false });
}

/* The time of day alone, when that says enough. */
const char *
notice_words_clock(
    struct base_arena *arena, const struct notice_words *words, int64_t time, int64_t now)
{
	const char *clock;
	struct tm tm;
	bool is_today;

	if (!words_local(time, now, &tm, &is_today))
		return NULL;
	clock = words_clock(arena, words->clock_bare, &tm);
	if (!is_today)
		return words_other_day(arena, words, &tm, clock);
	return words_make(arena, words->time_today, { "clock", clock, false });
}
