/*
 * NAME
 *	judge/signals_body - signals read from the start of the body
 *
 * They are unknown until it is there.
 */
#include <string.h>
#include <strings.h>

#include "milter/judge/internal.h"
#include "milter/mail/mail.h"

#define BODY_MAX_LINE 80     /* bytes of a line that can be a greeting */
#define BODY_MAX_LINES 40    /* lines looked at */
#define BODY_MIN_PART 3      /* letters of an address that can be a name */
#define BODY_GREETING_MIN 10 /* recipients from which a greeting to one is odd */
#define BODY_BRIEF_MIN 25    /* recipients from which a word of thanks is odd */

/* One line of the body's start; false: there is none. */
static bool
line_next(const char **at, const char *end, const char **line_r, size_t *length_r)
{
	const char *newline;

	if (*at >= end)
		return false;
	newline = memchr(*at, '\n', (size_t)(end - *at));
	*line_r = *at;
	*length_r = newline ? (size_t)(newline - *at) : (size_t)(end - *at);
	*at = newline ? newline + 1 : end;
	while (*length_r && strchr(" \t\r", (*line_r)[*length_r - 1]))
		--*length_r;
	return true;
}

/* Does a line begin with a word, whatever its case? */
static bool
has_start(const char *line, size_t length, const char *start)
{
	return length >= strlen(start) && strncasecmp(line, start, strlen(start)) == 0;
}

/* The first line of a text that is not empty; NULL: there is none. */
static const char *
text_begin(const char *at, const char *end)
{
	const char *line;
	size_t length;

	while (line_next(&at, end, &line, &length))
		if (length > 0)
			return line;
	return NULL;
}

/* Is this word for everybody? */
static bool
is_for_all(const char *word, size_t length)
{
	static const char *const words[] = { "all", "everyone", "everybody", "team", "folks",
		"colleagues", "friends", "list", "guys", "both", "there", "alle", "zusammen",
		"kollegen", "kolleginnen", "leute", "tous", "toutes", "collègues", "todos", "todas",
		"tutti", "wszyscy", "wszystkich", "ladies", "members", "students", "staff",
		"parents", "sales", "support", "office", "gang", "sirs", "customer", "customers",
		"subscriber", "subscribers", "family", "board", "committee", "group", "crew",
		"users", "partners", "volunteers", "info" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == length && strncasecmp(words[i], word, length) == 0)
			return true;
	return false;
}

/* Length of the word that greets at the start of a line, 0 for none. */
static size_t
greeting_length(const char *line, size_t length)
{
	static const char *const words[] = { "Hi ", "Hello ", "Hey ", "Dear ", "Hallo ", "Liebe ",
		"Lieber ", "Moin ", "Salut ", "Bonjour ", "Cher ", "Chère ", "Hola ", "Ciao ",
		"Caro ", "Cara ", "Cześć ", "Drogi ", "Droga " };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (has_start(line, length, words[i]))
			return strlen(words[i]);
	return 0;
}

/* A word of a greeting. */
struct text_word {
	const char *at;
	size_t length;
};

/* Is a word one of the parts of a text, with `apart` between them? */
static bool
has_part(const char *text, size_t length, const char *apart, const struct text_word *word)
{
	size_t part;

	for (size_t at = 0; at < length; at += part + 1) {
		part = strcspn(text + at, apart);
		if (part > length - at)
			part = length - at;
		if (part == word->length && strncasecmp(text + at, word->at, part) == 0)
			return true;
	}
	return false;
}

/* Is this word of a name in a recipient's address, or in the name that stands beside it? */
static bool
is_called(const struct judge_view *view, const char *address, const struct text_word *word)
{
	const struct mail_transaction *transaction = view->facts->transaction;

	if (word->length >= BODY_MIN_PART &&
	    has_part(address, strcspn(address, "@"), "._-0123456789", word))
		return true;
	for (size_t i = 0; i < transaction->name_count; i++) {
		const struct mail_name *name = &transaction->names[i];

		if (strcmp(name->address, address) == 0 &&
		    has_part(name->name, strlen(name->name), " ,.-\"()", word))
			return true;
	}
	return false;
}

/* Is there one recipient who is called by all of these words? */
static bool
is_somebody(const struct judge_view *view, const struct text_word *words, size_t count)
{
	bool is_found = false;

	for (size_t i = 0; i < view->count && !is_found; i++) {
		const char *address = judge_view_person(view, i);

		is_found = true;
		for (size_t j = 0; j < count && is_found; j++)
			is_found = is_called(view, address, &words[j]);
	}
	return is_found;
}

/* The word at the start of a text, after spaces; its length is 0 at the end of a phrase. */
static struct text_word
word_first(const char *text, size_t length)
{
	struct text_word word = { text, 0 };

	while (length && *word.at == ' ') {
		word.at++;
		length--;
	}
	while (word.length < length && !strchr(" ,;!.:-/", word.at[word.length]))
		word.length++;
	return word;
}

/* Does what follows a name greet somebody else: "Bob," or "dear Bob," or "all,"? */
static bool
greets_more(const struct judge_view *view, const char *text, size_t length)
{
	struct text_word word;
	size_t skip = 0;

	while (skip < length && strchr(" ,;/", text[skip]))
		skip++;
	skip += greeting_length(text + skip, length - skip);
	word = word_first(text + skip, length - skip);
	return word.length > 0 && (is_for_all(word.at, word.length) || is_somebody(view, &word, 1));
}

/*
 * The words that are greeted, at most `capacity`, and where they end; more than `capacity`: room +
 * 1.
 */
static size_t
greeted_words(const struct judge_view *view, const char *line, size_t length,
    struct text_word *words_r, size_t capacity, const char **end_r)
{
	const char *end = line + length;
	size_t count = 0;

	for (*end_r = line; *end_r < end;) {
		struct text_word word = word_first(*end_r, (size_t)(end - *end_r));

		if (word.length == 0)
			break;
		if (count == capacity)
			return capacity + 1;
		words_r[count++] = word;
		*end_r = word.at + word.length;
		/* a title has a full stop: "Mr. Miller" */
		if (*end_r < end && **end_r == '.' && !is_somebody(view, &word, 1))
			++*end_r;
	}
	return count;
}

/*
 * "Hi Anna," or "Dear Mr Miller": one or two words, none of them for everybody. Any noun can be
 * greeted ("Dear neighbours"), so that one must be a recipient's name; both, if they are names,
 * the same recipient's.
 */
static bool
greets_one(const struct judge_view *view, const char *line, size_t length)
{
	size_t at = greeting_length(line, length), count, names = 0;
	struct text_word words[2];
	const char *end;

	if (at == 0 || length > BODY_MAX_LINE)
		return false;
	count = greeted_words(view, line + at, length - at, words, 2, &end);
	if (count > 2)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (is_for_all(words[i].at, words[i].length))
			return false;
		names += is_somebody(view, &words[i], 1);
	}
	if (names == 0 || (names == 2 && !is_somebody(view, words, 2)))
		return false;
	return !greets_more(view, end, length - (size_t)(end - line));
}

/* Does the next line that is not empty belong to a quotation? */
static bool
quotes_next(const char *at, const char *end)
{
	const char *line;
	size_t length;

	while (line_next(&at, end, &line, &length))
		if (length > 0)
			return line[0] == '>';
	return false;
}

/* "Anna wrote:", right before what she wrote; `at` is behind the line. */
static bool
is_attribution(const char *line, size_t length, const char *at, const char *end)
{
	return length > 0 && line[length - 1] == ':' && quotes_next(at, end);
}

/*
 * The first of two lines of an attribution: "On 5 May 2025 Anna" and "wrote:". What comes before
 * a whole attribution is the sender's own, so that this one must begin like one and have a date.
 */
static bool
is_attribution_begin(const char *line, size_t length, const char *at, const char *end)
{
	static const char *const words[] = { "On ", "Am ", "Le ", "El ", "Il ", "Em ", "Op ",
		"Den ", "Dnia ", "W dniu " };
	const char *next;
	size_t next_length;
	bool is_begin = false, has_digit = false;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !is_begin; i++)
		is_begin = has_start(line, length, words[i]);
	for (size_t i = 0; i < length && !has_digit; i++)
		has_digit = line[i] >= '0' && line[i] <= '9';
	return is_begin && has_digit && line_next(&at, end, &next, &next_length) &&
	       is_attribution(next, next_length, at, end);
}

/* Is this where the sender's text ends: a signature, a next part, or all of the old mail? */
static bool
is_text_end(const char *line, size_t length)
{
	/* "-- ", a boundary or "-----Original Message-----"; Outlook's line */
	return has_start(line, length, "--") || has_start(line, length, "________");
}

/* Words in a line. */
static size_t
line_words(const char *line, size_t length)
{
	size_t words = 0;

	for (size_t i = 0; i < length; i++)
		words += line[i] != ' ' && (i == 0 || line[i - 1] == ' ');
	return words;
}

/*
 * Words that the sender wrote, above, between and below quotations. Quoted lines are not among
 * the lines looked at, or a long quotation would hide an answer below it.
 */
static size_t
own_words(const char *at, const char *end)
{
	const char *line;
	size_t length, words = 0;

	for (int i = 0; i < BODY_MAX_LINES && line_next(&at, end, &line, &length);) {
		if (length > 0 && line[0] == '>')
			continue;
		i++;
		if (is_text_end(line, length))
			break;
		if (!is_attribution(line, length, at, end) &&
		    !is_attribution_begin(line, length, at, end))
			words += line_words(line, length);
	}
	return words;
}

/* The start of the text; false: not there, or not to be read. */
static bool
text_find(const struct judge_view *view, const char **text_r, const char **end_r)
{
	const struct mail_transaction *transaction = view->facts->transaction;

	if (!view->facts->has_body || transaction->text_length == 0)
		return false;
	*end_r = transaction->text + transaction->text_length;
	*text_r = text_begin(transaction->text, *end_r);
	return *text_r != NULL;
}

bool
judge_measure_greeting_to_one(const struct judge_view *view, double *value_r, const char **person_r)
{
	const char *text, *end, *line;
	size_t length;

	(void)person_r;
	if (view->people < BODY_GREETING_MIN || !text_find(view, &text, &end))
		return false;
	*value_r = line_next(&text, end, &line, &length) && greets_one(view, line, length);
	return true;
}

void
judge_fill_greeting_to_one(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->which = value > 0 ? "yes" : "no";
}

bool
judge_measure_brief_reply(const struct judge_view *view, double *value_r, const char **person_r)
{
	const char *text, *end;

	(void)person_r;
	if (view->people < BODY_BRIEF_MIN ||
	    !history_parent_is_replied_to_all(&view->usual.answer) || !text_find(view, &text, &end))
		return false;
	*value_r = (double)own_words(text, end);
	/* the answer may stand below a quotation of which only the start is there */
	return *value_r > 0 || !mail_transaction_has_body(view->facts->transaction);
}

void
judge_fill_brief_reply(const struct judge_view *view, double value, struct words_reason *reason)
{
	(void)view;
	reason->n = (unsigned long)value;
}
