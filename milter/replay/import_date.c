/*
 * NAME
 *	replay/import_date - when a mail was written, in whatever form its program told it
 *
 * RFC 5322 3.3 and its obsolete forms (4.3), and what clients and archives write besides: names
 * of days and months in full, month before day, AM and PM, ISO 8601, the year behind the time.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "milter/replay/import.h"

#define MAX_WORDS 12 /* of a date that are read */
#define MAX_WORD 32  /* bytes */

/* What the words of a date have told so far; -1: not yet. */
struct date {
	int year, month, day, hour, minute, second;
	int zone; /* minutes east of UTC */
	bool is_am, is_pm, has_zone;
};

/* Is a word a name, or the beginning of it from three letters on ("Sept")? */
static bool
is_short_for(const char *word, const char *name)
{
	size_t length = strlen(word);

	return length >= 3 && length <= strlen(name) && strncasecmp(word, name, length) == 0;
}

/* Which of these names a word is; -1: none. */
static int
name_find(const char *word, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_short_for(word, names[i]))
			return (int)i;
	return -1;
}

static int
month_find(const char *word)
{
	static const char *const months[] = { "January", "February", "March", "April", "May",
		"June", "July", "August", "September", "October", "November", "December" };

	return name_find(word, months, 12);
}

/* "+0100", "-05:30"; false: it is no offset. */
static bool
offset_read(const char *word, int *minutes_r)
{
	const char *digits = word + 1;
	char text[5];

	if (*word != '+' && *word != '-')
		return false;
	if (strspn(digits, "0123456789") == 2 && digits[2] == ':' && strlen(digits) >= 5) {
		memcpy(text, digits, 2);
		memcpy(text + 2, digits + 3, 2);
	} else if (strspn(digits, "0123456789") >= 4) {
		memcpy(text, digits, 4);
	} else {
		return false;
	}
	text[4] = '\0';
	if (strspn(text, "0123456789") != 4)
		return false;
	*minutes_r = (*word == '-' ? -1 : 1) * (atoi(text) / 100 * 60 + atoi(text) % 100);
	return true;
}

/*
 * The name of a zone (RFC 5322 4.3), and those of Europe's that programs write. Others, military
 * letters too, say nothing: UTC.
 */
static void
zone_read(const char *word, struct date *date)
{
	static const struct {
		const char *name;
		int minutes;
	} zones[] = { { "EST", -300 }, { "EDT", -240 }, { "CST", -360 }, { "CDT", -300 },
		{ "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 }, { "CET", 60 },
		{ "CEST", 120 }, { "MET", 60 }, { "MEST", 120 }, { "BST", 60 }, { "EET", 120 },
		{ "EEST", 180 }, { "WEST", 60 }, { "MSK", 180 }, { "JST", 540 } };

	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones) && !date->has_zone; i++)
		if (strcasecmp(word, zones[i].name) == 0) {
			date->zone = zones[i].minutes;
			date->has_zone = true;
		}
}

/* "10:00", "10:00:59", and what may stand right behind it: "PM", "Z", an offset. */
static bool
time_read(const char *word, struct date *date)
{
	char *end;
	long parts[3] = { 0, 0, 0 };
	size_t count = 0;

	if (strchr(word, ':') == NULL || *word < '0' || *word > '9')
		return false;
	do {
		parts[count++] = strtol(word, &end, 10);
		word = end + 1;
	} while (*end == ':' && *word >= '0' && *word <= '9' && count < 3);
	if (count < 2 || parts[0] > 23 || parts[1] > 59 || parts[2] > 60)
		return false;
	date->hour = (int)parts[0];
	date->minute = (int)parts[1];
	date->second = (int)parts[2];
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	date->is_am = date->is_am || strcasecmp(end, "AM") == 0;
	date->is_pm = date->is_pm || strcasecmp(end, "PM") == 0;
	date->has_zone = date->has_zone || offset_read(end, &date->zone);
	return true;
}

/* A year of two digits, or of three, as RFC 5322 4.3 has it. */
static int
year_of(long number, size_t digits)
{
	if (digits == 2)
		return (int)(number < 50 ? 2000 + number : 1900 + number);
	return (int)(digits == 3 ? 1900 + number : number);
}

/* The day if there is none yet, else the year. */
static void
number_read(const char *word, struct date *date)
{
	size_t digits = strspn(word, "0123456789");
	long number = strtol(word, NULL, 10);

	if (digits <= 2 && date->day < 0)
		date->day = (int)number;
	else if (digits >= 2 && digits <= 4 && date->year < 0)
		date->year = year_of(number, digits);
}

/* "2026-11-02", "2026/11/02", "2026-11-02T10:00:00Z"; "02-Nov-2026" (IMAP, RFC 3501) */
static bool
whole_read(const char *word, struct date *date)
{
	const char *first = word + strspn(word, "0123456789"), *second, *month = first + 1;
	char name[4] = "";

	if (first == word || (*first != '-' && *first != '/'))
		return false;
	second = strpbrk(month, "-/");
	if (second == NULL)
		return false;
	memcpy(name, month, (size_t)(second - month) < 3 ? (size_t)(second - month) : 3);
	if (month_find(name) >= 0) {
		number_read(word, date);
		date->month = month_find(name);
		number_read(second + 1, date);
		return true;
	}
	if (first - word != 4)
		return false; /* 03/04/2026 may be March or April */
	date->year = atoi(word);
	date->month = atoi(month) - 1;
	date->day = atoi(second + 1);
	second += 1 + strspn(second + 1, "0123456789");
	if (*second == 'T' || *second == 't')
		(void)time_read(second + 1, date);
	return true;
}

/* Takes what one word tells. */
static void
word_read(const char *word, struct date *date)
{
	int month = month_find(word);

	if (month >= 0 && date->month < 0)
		date->month = month;
	else if (strcasecmp(word, "AM") == 0)
		date->is_am = true;
	else if (strcasecmp(word, "PM") == 0)
		date->is_pm = true;
	else if (time_read(word, date) || whole_read(word, date))
		return;
	else if (offset_read(word, &date->zone))
		date->has_zone = true;
	else if (*word >= '0' && *word <= '9')
		number_read(word, date);
	else
		zone_read(word, date);
}

/* The words of a date, without comments. */
static void
words_read(const char *text, struct date *date)
{
	static const char between[] = " \t\r\n,";
	char word[MAX_WORD + 1];

	for (size_t i = 0; i < MAX_WORDS; i++) {
		size_t length;

		text += strspn(text, between);
		length = strcspn(text, between);
		if (length == 0 || *text == '(')
			return;
		if (length <= MAX_WORD) {
			memcpy(word, text, length);
			word[length] = '\0';
			word_read(word, date);
		}
		text += length;
	}
}

/* The hour of a clock with twelve of them. */
static int
hour_of(const struct date *date)
{
	if (date->is_pm && date->hour < 12)
		return date->hour + 12;
	return date->is_am && date->hour == 12 ? 0 : date->hour;
}

bool
replay_date_parse(const char *text, int64_t *time_r)
{
	struct date date = { .year = -1, .month = -1, .day = -1, .hour = -1 };
	struct tm parts = { 0 };
	time_t time;

	words_read(text, &date);
	if (date.year < 0 || date.month < 0 || date.month > 11 || date.day < 1 || date.day > 31 ||
	    date.hour < 0)
		return false;
	parts.tm_year = date.year - 1900;
	parts.tm_mon = date.month;
	parts.tm_mday = date.day;
	parts.tm_hour = hour_of(&date);
	parts.tm_min = date.minute;
	parts.tm_sec = date.second;
	time = timegm(&parts) - 60 * date.zone;
	if (time <= 0 || time > UINT32_MAX)
		return false;
	*time_r = time;
	return true;
}
