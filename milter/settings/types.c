/*
 * The types of the settings: each reads one value's text, and says what would be right.
 * Those of networks are in nettypes.c.
 */
#include <stdlib.h>
#include <string.h>

#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/settings/internal.h"

static const char wrong_path[] = "not a path: use an absolute one in quotes (\"/var/lib/...\")";

/* Letters, digits, '.', '-' and '_': safe in a file name, a log line and a database row. */
static const char *
parse_node(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	size_t length =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	if (length == 0 || length > 63 || text[length] != '\0')
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(node, parse_node,
    "not a name: use up to 63 letters, digits, dots, hyphens and underscores (\"mx1\")");

/* An absolute path. */
static const char *
parse_path(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (text[0] != '/' || strlen(text) > 4000)
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(path, parse_path, wrong_path);

/* Any text: a program and what it is given. */
static const char *
parse_texts(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	(void)key;
	return settings_keep_as_is(reader, text, target);
}
const struct settings_type settings_type_texts = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_texts,
	.wrong = "not a program: use ( \"/usr/local/bin/list-size\", \"--people\" )",
	.item_size = sizeof(const char *),
};

/* A table of Postfix. */
static const char *
parse_table(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	size_t type = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

	if (type == 0 || text[type] != ':' || text[type + 1] == '\0' || strlen(text) > 4000)
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(table, parse_table,
    "not a table of Postfix: use its type and path (\"hash:/etc/postfix/virtual\")");

/* An absolute path, or "" for none. */
static const char *
parse_path_optional(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (text[0] == '\0') {
		*(const char **)target = NULL;
		return NULL;
	}
	return parse_path(reader, key, text, target);
}
SETTINGS_TEXT_TYPE(path_optional, parse_path_optional,
    "not a path: use an absolute one in quotes (\"/etc/...\"), or \"\" for none");

/* A path that a socket can have. */
static const char *
parse_path_socket(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (strlen(text) > SETTINGS_MAX_SOCKET)
		return base_why("too long: a socket's path has at most %d bytes, this one has %zu",
		    SETTINGS_MAX_SOCKET, strlen(text));
	return parse_path(reader, key, text, target);
}
SETTINGS_TEXT_TYPE(path_socket, parse_path_socket, wrong_path);

/* Permission bits in octal. */
static const char *
parse_mode(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	char *end;
	unsigned long mode;

	(void)reader;
	if (strspn(text, "01234567") != strlen(text) || strlen(text) < 3 || strlen(text) > 4)
		return key->type->wrong;
	mode = strtoul(text, &end, 8);
	if (mode > 0777)
		return key->type->wrong;
	*(unsigned *)target = (unsigned)mode;
	return NULL;
}
SETTINGS_TEXT_TYPE(
    mode, parse_mode, "not a file mode: use three octal digits in quotes (\"0660\")");

/* The row of choices that fits; otherwise why none does. */
static const struct settings_choice *
choose(const struct settings_key *key, const char *text, const char **problem_r)
{
	struct base_buffer words;
	const struct settings_choice *choice = key->choices;

	for (; choice->word != NULL; choice++) {
		if (strcmp(choice->word, text) == 0) {
			*problem_r = choice->refusal;
			return choice;
		}
	}
	base_buffer_init(&words, 200);
	for (choice = key->choices; choice->word != NULL; choice++)
		if (choice->refusal == NULL)
			base_buffer_printf(
			    &words, "%s\"%s\"", words.length > 0 ? " or " : "", choice->word);
	*problem_r = base_why("not possible here: use %s", base_buffer_text(&words));
	base_buffer_free(&words);
	return NULL;
}

/* One of the words of key->choices, kept as text. */
static const char *
parse_word(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	const char *problem;

	(void)choose(key, text, &problem);
	return problem != NULL ? problem : settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(word, parse_word, "not a word: use one in quotes");

/* One of the words of key->choices, kept as its value. */
static const char *
parse_choice(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	const char *problem;
	const struct settings_choice *choice = choose(key, text, &problem);

	(void)reader;
	if (problem == NULL)
		*(unsigned *)target = (unsigned)choice->value;
	return problem;
}
SETTINGS_TEXT_TYPE(choice, parse_choice, "not a word: use one in quotes");

/* A user's name or number; whether there is one is known only on the MTA's host. */
static const char *
parse_user(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (text[0] == '\0' || text[0] == '-' || strlen(text) > 32 || settings_has_blanks(text) ||
	    strchr(text, ':') != NULL)
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(
    user, parse_user, "not a user: use a user's name or number in quotes (\"oops-milter\")");

/* A group's name or number, or "" for the user's own. */
static const char *
parse_group(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	return text[0] == '\0' ? settings_keep_as_is(reader, text, target)
			       : parse_user(reader, key, text, target);
}
SETTINGS_TEXT_TYPE(group, parse_group,
    "not a group: use a group's name or number in quotes (\"oops-milter\"), or \"\" "
    "for the user's own");

/* Any text; "" is none. */
static const char *
parse_text_optional(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	(void)key;
	if (text[0] != '\0')
		return settings_keep_as_is(reader, text, target);
	*(const char **)target = NULL;
	return NULL;
}
SETTINGS_TEXT_TYPE(
    text_optional, parse_text_optional, "not a text: use one in quotes, or \"\" for none");

/* true or false. */
static const char *
parse_truth(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	(void)reader;
	(void)key;
	*(bool *)target = strcmp(text, "true") == 0;
	return NULL;
}
const struct settings_type settings_type_truth = {
	.shapes = SETTINGS_TRUTH,
	.parse = parse_truth,
	.wrong = "not true or false: use one of the two, without quotes",
};

/* Seconds in the largest unit that gives them whole: "2m". */
static const char *
duration_str(int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = { { SETTINGS_DAY, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	size_t i = 0;

	while (seconds % units[i].seconds != 0)
		i++;
	return base_why("%lld%s", (long long)(seconds / units[i].seconds), units[i].unit);
}

/* Seconds, or a number with a unit. */
enum base_result
settings_duration_parse(const char *text, int64_t *seconds_r)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long number;
	int64_t unit = 1;

	if (text[digits] != '\0') {
		static const char letters[] = "smhd";
		static const int64_t units[] = { 1, 60, 3600, SETTINGS_DAY };
		const char *letter = strchr(letters, text[digits]);

		if (letter == NULL || text[digits + 1] != '\0')
			return BASE_REFUSE;
		unit = units[letter - letters];
	}
	if (!settings_is_number(
		text, digits, (unsigned long)(SETTINGS_MAX_SECONDS / unit), &number))
		return BASE_REFUSE;
	*seconds_r = (int64_t)number * unit;
	return BASE_OK;
}

/* A duration within the key's limits. */
static const char *
parse_duration(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	int64_t seconds;

	(void)reader;
	if (settings_duration_parse(text, &seconds) != BASE_OK)
		return key->type->wrong;
	if (seconds < key->min || seconds > key->max)
		return base_why("out of range: from %s to %s is possible", duration_str(key->min),
		    duration_str(key->max));
	*(int64_t *)target = seconds;
	return NULL;
}
const struct settings_type settings_type_duration = {
	.shapes = SETTINGS_TEXT | SETTINGS_WHOLE,
	.parse = parse_duration,
	.wrong = "not a duration: use seconds (120) or a number with s, m, h or d (\"2m\")",
};

/* An address, kept as mail's are compared. */
static const char *
parse_address(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (!settings_is_address(text))
		return key->type->wrong;
	return settings_keep_address(reader, text, target);
}
SETTINGS_TEXT_TYPE(
    address, parse_address, "not an address: use one without a name (\"oops@example.com\")");

/* An address that mail goes to: its extension is left out, as it is there. */
static const char *
parse_address_folded(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (!settings_is_address(text))
		return key->type->wrong;
	return settings_keep_casefolded(reader, text, target);
}
SETTINGS_TEXT_TYPE(address_folded, parse_address_folded,
    "not an address: use one without a name (\"all@example.com\")");

/* An address, or "" for nobody. */
static const char *
parse_address_optional(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (text[0] != '\0')
		return parse_address(reader, key, text, target);
	*(const char **)target = NULL;
	return NULL;
}
SETTINGS_TEXT_TYPE(address_optional, parse_address_optional,
    "not an address: use one without a name (\"oops@example.com\"), or \"\"");

/* Two or three letters and perhaps a region. */
static const char *
parse_language(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyz");
	const char *rest = text + letters;

	if (letters < 2 || letters > 3 ||
	    (*rest != '\0' && (*rest != '-' || strlen(rest) > 9 || settings_has_blanks(rest))))
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(language, parse_language, "not a language: use a code such as \"en\"");

/* A number between the key's limits, which are in hundredths. */
static const char *
parse_fraction(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	char *end;
	double value = strtod(text, &end);

	(void)reader;
	if (end == text || *end != '\0')
		return key->type->wrong;
	if (!(value * 100 >= (double)key->min && value * 100 <= (double)key->max))
		return base_why("out of range: from %g to %g is possible", (double)key->min / 100,
		    (double)key->max / 100);
	*(double *)target = value;
	return NULL;
}
const struct settings_type settings_type_fraction = {
	.shapes = SETTINGS_WHOLE | SETTINGS_REAL,
	.parse = parse_fraction,
	.wrong = "not a number: use one such as 0.9, without quotes",
};

/* How many people. */
static const char *
parse_people(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	unsigned long people;

	(void)reader;
	if (!settings_is_number(text, strlen(text), (unsigned long)key->max, &people) ||
	    people < (unsigned long)key->min)
		return base_why("out of range: from %lld to %lld people are possible",
		    (long long)key->min, (long long)key->max);
	*(unsigned long *)target = people;
	return NULL;
}
const struct settings_type settings_type_people = {
	.shapes = SETTINGS_WHOLE,
	.parse = parse_people,
	.wrong = "not a number of people: use a whole number without quotes (2100)",
};

/* How many. */
static const char *
parse_count(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	unsigned long count;

	(void)reader;
	if (!settings_is_number(text, strlen(text), (unsigned long)key->max, &count) ||
	    count < (unsigned long)key->min)
		return base_why("out of range: from %lld to %lld is possible", (long long)key->min,
		    (long long)key->max);
	*(unsigned long *)target = count;
	return NULL;
}
const struct settings_type settings_type_count = {
	.shapes = SETTINGS_WHOLE,
	.parse = parse_count,
	.wrong = "not a number: use a whole number without quotes (10)",
};

/* Between a local part and its extension. */
static const char *
parse_delimiters(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (strlen(text) > 4 || strspn(text, "+-=_#!%&*~^|/") != strlen(text))
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(delimiters, parse_delimiters,
    "not delimiters: use up to 4 characters of +-=_#!%&*~^|/ in quotes (\"+\"), or \"\"");

/* What the audit line calls a rule. */
static const char *
parse_name(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (text[0] == '\0' || strlen(text) > 63 || !base_is_utf8(text, strlen(text)))
		return key->type->wrong;
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(name, parse_name, "not a name: use up to 63 bytes on one line, in quotes");

/* "user@domain" or "@domain"? */
static bool
is_sender(const char *text)
{
	return settings_is_address(text) ||
	       (text[0] == '@' && settings_is_domain(text + 1, strlen(text + 1)));
}

/* Kept without an extension, as mail's are. */
static const char *
parse_sender(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	return is_sender(text) ? settings_keep_casefolded(reader, text, target) : key->type->wrong;
}
const struct settings_type settings_type_senders = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_sender,
	.wrong = "not an address: use \"user@example.com\" or \"@example.com\"; leave it "
		 "out for everybody",
	.item_size = sizeof(const char *),
};

/* Who has logged in: an account of that name, and no other one with the same habits. */
static const char *
parse_person(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	return is_sender(text) ? settings_keep_account(reader, text, target) : key->type->wrong;
}
const struct settings_type settings_type_persons = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_person,
	.wrong = "not an address: use \"user@example.com\" or \"@example.com\"",
	.item_size = sizeof(const char *),
};

/* A login as the MTA tells it. */
static const char *
parse_login(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (text[0] == '\0' || strlen(text) > 255 || settings_has_blanks(text))
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
const struct settings_type settings_type_logins = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_login,
	.wrong = "not a login: use one as your mail server knows it, in quotes",
	.item_size = sizeof(const char *),
};

/* A person's address, or a login. */
static const char *
parse_account(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	return (strchr(text, '@') != NULL ? parse_person : parse_login)(reader, key, text, target);
}
const struct settings_type settings_type_accounts = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_account,
	.wrong = "not an account: use \"nagios@example.com\", \"@monitoring.example.com\" or a "
		 "login without an @",
	.item_size = sizeof(const char *),
};

/* The name of a signal; whether there is one is known to the judge. */
static const char *
parse_reason(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (text[0] == '\0' || strlen(text) > 63 ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
const struct settings_type settings_type_reasons = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_reason,
	.wrong = "not a reason: use the name of a signal (\"never_written_share\")",
	.item_size = sizeof(const char *),
};

/* "HH:MM" as minutes since midnight; 24:00 is the end of the day. */
static bool
clock_parse(const char *text, unsigned *minutes_r)
{
	unsigned long hour, minute;

	if (!settings_is_number(text, 2, 24, &hour) || text[2] != ':' ||
	    !settings_is_number(text + 3, 2, 59, &minute) || hour * 60 + minute > 1440)
		return false;
	*minutes_r = (unsigned)(hour * 60 + minute);
	return true;
}

/* "22:00-06:00" */
static const char *
parse_hours(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	struct settings_hours hours;

	(void)reader;
	if (strlen(text) != 11 || text[5] != '-' || !clock_parse(text, &hours.from) ||
	    !clock_parse(text + 6, &hours.to) || hours.from == hours.to || hours.from == 1440)
		return key->type->wrong;
	*(struct settings_hours *)target = hours;
	return NULL;
}
const struct settings_type settings_type_hours = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_hours,
	.wrong = "not hours: use \"HH:MM-HH:MM\", such as \"22:00-06:00\"",
	.item_size = sizeof(struct settings_hours),
};

const struct settings_type settings_type_choices = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_choice,
	.wrong = "not a word: use one in quotes",
	.item_size = sizeof(unsigned),
};

const struct settings_type settings_type_entries = {
	.shapes = SETTINGS_ENTRIES,
	.wrong = "not a list of groups: use ( { ... }, { ... } )",
};
