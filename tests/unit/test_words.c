/* The sentences, and how they are filled in and overridden. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/words/catalog.h"
#include "milter/words/held.h"
#include "milter/words/internal.h"
#include "milter/words/reason.h"
#include "milter/words/template.h"
#include "milter/words/words.h"

#define NOW 1795430410 /* 2026-11-23 10:40:10 in UTC */

static struct base_arena *arena;

static void
setup(void)
{
	setenv("TZ", "CET-1", 1);
	tzset();
	arena = base_arena_new(1 << 20);
	ck_assert_ptr_nonnull(arena);
}

static void
teardown(void)
{
	base_arena_free(&arena);
}

/* --- words ------------------------------------------------------------------------------ */

START_TEST(test_words_languages)
{
	static const char *const tags[] = { "en", "EN", "en-GB", "xx", "", "enx" };
	size_t i;

	for (i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		ck_assert_str_eq(words_for(tags[i])->language, "en");
	ck_assert_str_eq(words_for(NULL)->language, "en");
}
END_TEST

/* Every row is there in English, with a name of its own, within its bounds. */
START_TEST(test_words_rows)
{
	const struct words_row *row;

	for (size_t i = 0; i < words_row_count; i++) {
		row = &words_rows[i];
		if (row->name == NULL) {
			ck_assert(i + 1 < words_row_count && words_rows[i + 1].name != NULL);
			continue;
		}
		ck_assert_ptr_eq(words_row_find(row->name, strlen(row->name)), row);
		ck_assert_str_eq(*words_slot((struct words *)&words_en, row, 0), row->text);
		ck_assert_uint_le(strlen(row->text), row->max);
		ck_assert_msg(row->text[0] != '\0', "%s", row->name);
		if (row->many != NULL)
			ck_assert_str_eq(*words_slot((struct words *)&words_en, row, 1), row->many);
	}
}
END_TEST

static const struct {
	const char *sentence, *value;
	enum words_form form;
	const char *result;
} fill_cases[] = {
	{ "a {x} b", "1", WORDS_PLAIN, "a 1 b" },
	{ "{x}{x}", "<", WORDS_HTML, "&lt;&lt;" },
	{ "\"{y}\"", "<", WORDS_HTML, "&quot;<strong>&lt;</strong>&quot;" },
	{ "{y}", "{x}", WORDS_PLAIN, "{x}" },
	{ "{z}", "1", WORDS_PLAIN, NULL },
	{ "{x", "1", WORDS_PLAIN, NULL },
	{ "{x}", NULL, WORDS_PLAIN, NULL },
};

START_TEST(test_words_fill)
{
	struct base_buffer out;
	bool is_whole;

	base_buffer_init(&out, 1000);
	is_whole = words_say(&out, fill_cases[_i].form, fill_cases[_i].sentence,
	    { "x", fill_cases[_i].value, false }, { "y", fill_cases[_i].value, true });
	ck_assert_int_eq(is_whole, fill_cases[_i].result != NULL);
	ck_assert_int_eq(out.failed, fill_cases[_i].result == NULL);
	if (fill_cases[_i].result)
		ck_assert_str_eq(base_buffer_text(&out), fill_cases[_i].result);
	base_buffer_free(&out);
}
END_TEST

static const struct {
	int64_t distance;
	const char *text;
} time_cases[] = {
	{ 1, "in 1 second, at 11:40:11 CET" },
	{ 90, "in 90 seconds, at 11:41:40 CET" },
	{ 120, "in 2 minutes, at 11:42:10 CET" },
	{ 7200, "in 2 hours, at 13:40 CET" },
	{ 86400, "in 24 hours, on Tue 24 Nov, 11:40 CET" },
	{ 3 * 86400, "in 3 days, on Thu 26 Nov, 11:40 CET" },
	{ 0, "at 11:40:10 CET" },
	{ -600, "at 11:30:10 CET" },
	{ -86400, "on Sun 22 Nov, 11:40 CET" },
};

START_TEST(test_words_time)
{
	ck_assert_str_eq(
	    words_time_within(arena, words_for("en"), NOW + time_cases[_i].distance, NOW),
	    time_cases[_i].text);
}
END_TEST

START_TEST(test_words_who)
{
	const struct words *words = words_for("en");
	struct words_held held = { .recipient_count = 1, .people = 1 };

	ck_assert_str_eq(words_held_people(arena, words, &held), "1 person");
	held.known = WORDS_UNKNOWN;
	ck_assert_str_eq(words_held_people(arena, words, &held), "an unknown number of people");
	held.known = WORDS_AT_LEAST;
	held.people = 2100;
	ck_assert_str_eq(words_held_people(arena, words, &held), "at least 2100 people");
	ck_assert_str_eq(words_held_recipients(arena, words, &held), "");
	held.recipients = "a@x\n";
	ck_assert_str_eq(words_held_recipients(arena, words, &held), "a@x");
	held.recipients = "a@x\nb@x\nc@x\nd@x\ne@x";
	held.recipient_count = 40;
	ck_assert_str_eq(words_held_recipients(arena, words, &held), "a@x, b@x, c@x and 37 more");
	ck_assert_str_eq(words_held_subject(arena, words, &held, 20), "(no subject)");
	held.subject = "0123456789\r\nBcc: evil@example.com";
	ck_assert_str_eq(words_held_subject(arena, words, &held, 20), "0123456789  Bcc: ...");
}
END_TEST

/* --- which form goes with a number -------------------------------------------------------- */

#define RUSSIAN "n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2"
#define ARABIC "n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5"
#define OPEN_20 "(((((((((((((((((((("

static const struct {
	const char *rule;
	unsigned long n;
	long form; /* -1: refused */
} plural_cases[] = {
	{ "0", 7, 0 },
	{ "n != 1", 1, 0 },
	{ "n!=1", 0, 1 },
	{ "(n > 1)", 1, 0 },
	{ RUSSIAN, 21, 0 },
	{ RUSSIAN, 11, 2 },
	{ RUSSIAN, 22, 1 },
	{ RUSSIAN, 112, 2 },
	{ ARABIC, 0, 0 },
	{ ARABIC, 2, 2 },
	{ ARABIC, 103, 3 },
	{ ARABIC, 111, 4 },
	{ ARABIC, 200, 5 },
	{ "!(n==1)", 2, 1 },
	{ "!!n", 5, 1 },
	{ "1+2*3-4/2", 0, 5 },
	{ "8-2-1", 0, 5 },
	{ "1 || 0 && 0", 0, 1 },
	{ "1 < 2 == 1", 0, 1 },
	{ "n ? n==1 ? 3 : 4 : 5", 9, 4 },
	{ "1/n", 0, -1 },
	{ "1%n", 0, -1 },
	{ "n%0", 4, -1 },
	{ "", 1, -1 },
	{ "n 1", 1, -1 },
	{ "n=1", 1, -1 },
	{ "n&1", 1, -1 },
	{ "(n", 1, -1 },
	{ "n)", 1, -1 },
	{ "n ? 1", 1, -1 },
	{ "m", 1, -1 },
	{ "-1", 1, -1 },
	{ "1234567890", 1, -1 },
	{ OPEN_20 OPEN_20 OPEN_20 "n", 1, -1 },
};

START_TEST(test_plural)
{
	unsigned long form = 99;
	bool is_found = words_plural_find(plural_cases[_i].rule, plural_cases[_i].n, &form);

	ck_assert_int_eq(is_found, plural_cases[_i].form >= 0);
	ck_assert_uint_eq(form, is_found ? (unsigned long)plural_cases[_i].form : 99);
}
END_TEST

/* --- catalogs ----------------------------------------------------------------------------- */

#define HEADER(charset, plurals)                                                                   \
	"msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=" charset                          \
	"\\nPlural-Forms: " plurals "\\n\"\n"
#define ENGLISH HEADER("UTF-8", "nplurals=2; plural=(n != 1);")
#define PEOPLE "msgctxt \"people\"\nmsgid \"1 person\"\nmsgid_plural \"{n} people\"\n"

/* What msgfmt makes of a catalog's text. */
static struct words_catalog
compile(const char *text, const char *options)
{
	char po[] = "/tmp/test_words.XXXXXX", command[512];
	unsigned char *bytes = base_arena_alloc(arena, 1 << 17);
	int fd = mkstemp(po);
	size_t size;
	FILE *made;

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	snprintf(command, sizeof(command), MSGFMT " %s --output-file=- %s", options, po);
	made = popen(command, "r");
	ck_assert_ptr_nonnull(made);
	size = fread(bytes, 1, 1 << 17, made);
	ck_assert_int_eq(pclose(made), 0);
	unlink(po);
	return (struct words_catalog){ "xx", bytes, size };
}

/* What a stranger wrote makes no link, and takes no room of what a reason warns of. */
START_TEST(test_reason_texts)
{
	static const struct {
		const char *who, *other, *text;
	} rows[] = {
		{ "ann@b.example", "Ann Lee",
		    "You usually write to another address of \"Ann Lee\"; this one is "
		    "ann@b.example." },
		{ "\"http://x.example/\"@b.example", "See http://x.example now",
		    "You usually write to another address of \"See http[:]//x[.]example "
		    "now\"; this one is \"http[:]//x[.]example/\"@b[.]example." },
		{ "ann@b.example", "www.x.example",
		    "You usually write to another address of \"www[.]x[.]example\"; this one is "
		    "ann@b.example." },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct words_reason reason = { .signal = "look_alike_name",
			.which = "yes",
			.who = rows[i].who,
			.other = rows[i].other };

		ck_assert_str_eq(words_reason_text(arena, &words_en, &reason), rows[i].text);
	}
}
END_TEST

/* Reads it, and gives the faults but those of sentences that it does not have. */
static enum base_result
parse(const struct words_catalog *catalog, struct words *words_r, const char **faults_r)
{
	struct base_buffer faults, rest;
	enum base_result result;
	const char *line, *end;

	base_buffer_init(&faults, 65536);
	base_buffer_init(&rest, 65536);
	result = words_catalog_parse(catalog, words_r, &faults);
	for (line = base_buffer_text(&faults); *line != '\0'; line = end) {
		end = strchr(line, '\n') + 1;
		if (memmem(line, (size_t)(end - line), ": not translated\n", 17) == NULL)
			base_buffer_append(&rest, line, (size_t)(end - line));
	}
	*faults_r = base_arena_strdup(arena, base_buffer_text(&rest));
	base_buffer_free(&rest);
	base_buffer_free(&faults);
	return result;
}

static const struct {
	const char *text, *fault;
	enum base_result result;
} catalog_cases[] = {
	{ ENGLISH "msgctxt \"fact_to\"\nmsgid \"To\"\nmsgstr \"An\"\n", "", BASE_OK },
	{ ENGLISH PEOPLE "msgstr[0] \"wer\"\nmsgstr[1] \"{n} Leute\"\n", "", BASE_OK },
	{ ENGLISH PEOPLE "msgstr[0] \"{n} wer\"\nmsgstr[1] \"{n} Leute\"\n", "", BASE_OK },
	{ ENGLISH PEOPLE "msgstr[0] \"wer\"\nmsgstr[1] \"Leute\"\n",
	    "xx: people: {n} must stand in it, once\n", BASE_OK },
	{ HEADER("UTF-8", "nplurals=3; plural=" RUSSIAN ";") PEOPLE
	    "msgstr[0] \"a\"\nmsgstr[1] \"{n} b\"\nmsgstr[2] \"{n} c\"\n",
	    "xx: people: {n} must stand in it, once\n", BASE_OK },
	{ ENGLISH "msgctxt \"page_title\"\nmsgid \"{title} - oops-milter\"\nmsgstr \"x {titel}\"\n",
	    "xx: page_title: {titel} is not in \"{title} - oops-milter\"\n", BASE_OK },
	{ ENGLISH "msgctxt \"page_title\"\nmsgid \"{title}\"\nmsgstr \"{title}\"\n",
	    "xx: page_title: for another English text\n", BASE_OK },
	{ ENGLISH "msgctxt \"page_titel\"\nmsgid \"{title}\"\nmsgstr \"{title}\"\n",
	    "xx: entry 1: no sentence has this name\n", BASE_OK },
	{ ENGLISH "msgid \"To\"\nmsgstr \"An\"\n", "xx: entry 1: no sentence has this name\n",
	    BASE_OK },
	{ ENGLISH "msgctxt \"fact_to\"\nmsgid \"To\"\nmsgstr \"A\\nn\"\n",
	    "xx: fact_to: not UTF-8 text, or a control character\n", BASE_OK },
	{ ENGLISH "msgctxt \"language\"\nmsgid \"en\"\nmsgstr \"d e\"\n",
	    "xx: language: not a tag such as \"de\" or \"pt-BR\"\n", BASE_OK },
	{ HEADER("ISO-8859-1", "nplurals=2; plural=n != 1;"), "xx: not charset=UTF-8\n",
	    BASE_REFUSE },
	{ HEADER("UTF-8", "nplurals=7; plural=0;"),
	    "xx: Plural-Forms is not for 1 to 6 forms, or is wrong\n", BASE_REFUSE },
	{ HEADER("UTF-8", "nplurals=2; plural=n;"),
	    "xx: Plural-Forms is not for 1 to 6 forms, or is wrong\n", BASE_REFUSE },
	{ HEADER("UTF-8", "nplurals=2; plural=1/n;"),
	    "xx: Plural-Forms is not for 1 to 6 forms, or is wrong\n", BASE_REFUSE },
	{ HEADER("UTF-8", "plural=0;"), "xx: Plural-Forms is not for 1 to 6 forms, or is wrong\n",
	    BASE_REFUSE },
	{ "msgid \"a\"\nmsgstr \"b\"\n", "xx: no header\n", BASE_REFUSE },
};

START_TEST(test_catalog_cases)
{
	static const char *const orders[] = { "--endianness=little", "--endianness=big" };
	struct words words;
	const char *faults;

	for (size_t i = 0; i < 2; i++) {
		struct words_catalog catalog = compile(catalog_cases[_i].text, orders[i]);

		ck_assert_int_eq(parse(&catalog, &words, &faults), catalog_cases[_i].result);
		ck_assert_str_eq(faults, catalog_cases[_i].fault);
	}
}
END_TEST

START_TEST(test_catalog_forms)
{
	struct words_catalog catalog =
	    compile(HEADER("UTF-8", "nplurals=3; plural=" RUSSIAN ";") PEOPLE
		"msgstr[0] \"{n} a\"\nmsgstr[1] \"{n} b\"\nmsgstr[2] \"{n} c\"\n",
		"");
	struct words words;
	const char *faults;

	ck_assert_int_eq(parse(&catalog, &words, &faults), BASE_OK);
	ck_assert_str_eq(words_count(arena, &words, &words.people, 21), "21 a");
	ck_assert_str_eq(words_count(arena, &words, &words.people, 3), "3 b");
	ck_assert_str_eq(words_count(arena, &words, &words.people, 5), "5 c");
	/* what it does not have is English, in one of the forms there are */
	ck_assert_str_eq(words.fact_to, "To");
	ck_assert_str_eq(words_count(arena, &words, &words.left, 5), "5 recipients");
}
END_TEST

/* Whatever is cut off or changed in a catalog, nothing outside of it is read. */
START_TEST(test_catalog_broken)
{
	struct words_catalog whole =
	    compile(ENGLISH PEOPLE "msgstr[0] \"wer\"\nmsgstr[1] \"{n} Leute\"\n", "");
	struct words words;
	const char *faults;

	for (size_t i = 0; i < 2 * whole.size; i++) {
		size_t size = i < whole.size ? i : whole.size;
		unsigned char *bytes = malloc(size + 1);
		struct words_catalog broken = { "xx", bytes, size };

		memcpy(bytes, whole.bytes, size);
		if (i >= whole.size)
			bytes[i - whole.size] ^= 0x81;
		bytes = realloc(bytes, size > 0 ? size : 1);
		broken.bytes = bytes;
		if (parse(&broken, &words, &faults) == BASE_OK)
			ck_assert_ptr_nonnull(words_count(arena, &words, &words.people, 2));
		free(bytes);
	}
}
END_TEST

/* Those that are compiled in are whole. */
START_TEST(test_catalogs_shipped)
{
	struct base_buffer faults;
	struct words words;

	base_buffer_init(&faults, 65536);
	for (size_t i = 0; words_catalogs[i].name != NULL; i++) {
		ck_assert_int_eq(words_catalog_parse(&words_catalogs[i], &words, &faults), BASE_OK);
		ck_assert_str_eq(words.language, words_catalogs[i].name);
		ck_assert_str_eq(
		    words_for(words_catalogs[i].name)->language, words_catalogs[i].name);
	}
	ck_assert_str_eq(base_buffer_text(&faults), "");
	base_buffer_free(&faults);
}
END_TEST

/* What translators begin with is a catalog that msgfmt takes; it has every sentence. */
START_TEST(test_catalog_template)
{
	struct words_catalog catalog;
	struct base_buffer text;
	struct words words;
	const char *faults;

	base_buffer_init(&text, 1 << 18);
	ck_assert(words_catalog_template_print(&text));
	catalog = compile(base_buffer_text(&text), "--use-fuzzy");
	ck_assert_int_eq(
	    parse(&catalog, &words, &faults), BASE_REFUSE); /* its plural rule is open */
	for (size_t i = 0; i < words_row_count; i++)
		if (words_rows[i].name != NULL)
			ck_assert_ptr_nonnull(strstr(base_buffer_text(&text),
			    base_arena_printf(arena, "msgctxt \"%s\"\n", words_rows[i].name)));
	base_buffer_free(&text);
}
END_TEST

/* --- a site's own sentences ------------------------------------------------------------- */

#define TEXT_50 "01234567890123456789012345678901234567890123456789"
#define TEXT_500 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50 TEXT_50

static const struct {
	const char *text, *fault;
} template_cases[] = {
	{ "letter_foot: a\nletter_fot: b\n", "/t:2: \"letter_fot\": no sentence has this name\n" },
	{ "language: en_GB\n", "/t:1: language: not a tag such as \"de\" or \"pt-BR\"\n" },
	{ "language: \"><p\n", "/t:1: language: not a tag such as \"de\" or \"pt-BR\"\n" },
	{ "people: {n}\n", "/t:1: \"people\": no sentence has this name\n" },
	{ "people.3: {n}\n", "/t:1: \"people.3\": no sentence has this name\n" },
	{ "people.0: {n}\n", "/t:1: \"people.0\": no sentence has this name\n" },
	{ "letter_foot.1: a\n", "/t:1: \"letter_foot.1\": no sentence has this name\n" },
	{ "\n# c\nletter_foot\n", "/t:3: a name and a colon are expected\n" },
	{ ": a\n", "/t:1: a name and a colon are expected\n" },
	{ "# c\n  a\n", "/t:2: it continues nothing\n" },
	{ "letter_foot:  \n\n", "/t:1: letter_foot: no text\n" },
	{ "letter_foot: a\nletter_foot: b\n", "/t:2: letter_foot: it stands twice\n" },
	{ "people.2: some\n", "/t:1: people.2: {n} must stand in it, once\n" },
	{ "people.2: {n} {n}\n", "/t:1: people.2: {n} must stand in it, once\n" },
	{ "people.2:\n {n} of {m}\n", "/t:1: people.2: {m} is not in \"{n} people\"\n" },
	{ "letter_foot: a {b\n", "/t:1: letter_foot: a { without its }, or too many of them\n" },
	{ "letter_foot: a }\n", "/t:1: letter_foot: a { without its }, or too many of them\n" },
	{ "letter_foot: a\n \xff\n", "/t:2: not UTF-8 text, or a control character\n" },
	{ "letter_foot: a\r\n", "/t:1: not UTF-8 text, or a control character\n" },
	{ "letter_foot: " TEXT_500 "\n  1\n", "/t:1: letter_foot: longer than 500 bytes\n" },
	{ "no_subject: " TEXT_50 TEXT_50 TEXT_50 "\n",
	    "/t:1: no_subject: longer than 120 bytes\n" },
};

START_TEST(test_template_fault)
{
	const char *text = template_cases[_i].text;
	struct words words = { .language = "untouched" };
	struct base_buffer faults;

	base_buffer_init(&faults, 4096);
	ck_assert_int_eq(
	    words_template_parse(arena, "/t", text, strlen(text), &words_en, &words, &faults),
	    BASE_REFUSE);
	ck_assert_str_eq(base_buffer_text(&faults), template_cases[_i].fault);
	ck_assert_str_eq(words.language, "untouched");
	base_buffer_free(&faults);
}
END_TEST

START_TEST(test_template_parse)
{
	static const char text[] = "# c\nletter_foot:\ta: 100%s\n    b \n\n\t\xc3\xa4\n"
				   "time_within: {when} ({span})\npeople.2: {n} souls\n"
				   "language: en-GB\nweekday_tuesday: Tues";
	struct words words;
	struct base_buffer faults;

	base_buffer_init(&faults, 4096);
	ck_assert_int_eq(
	    words_template_parse(arena, "/t", text, strlen(text), &words_en, &words, &faults),
	    BASE_OK);
	ck_assert_str_eq(words.letter_foot, "a: 100%s b \xc3\xa4");
	ck_assert_str_eq(words.time_within, "{when} ({span})");
	ck_assert_str_eq(words_count(arena, &words, &words.people, 7), "7 souls");
	ck_assert_str_eq(words_count(arena, &words, &words.people, 1), "1 person");
	ck_assert_str_eq(words.letter_button, words_en.letter_button);
	ck_assert_str_eq(words.language, "en-GB");
	ck_assert_str_eq(words_time(arena, &words, NOW + 86400, NOW), "on Tues 24 Nov, 11:40 CET");
	ck_assert_uint_eq(faults.length, 0);
	base_buffer_free(&faults);
}
END_TEST

#define add_cases(tcase, test, table)                                                              \
	tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof(*(table))))

int
main(void)
{
	Suite *suite = suite_create("words");
	TCase *tcase = tcase_create("words");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_words_languages);
	tcase_add_test(tcase, test_words_rows);
	add_cases(tcase, test_words_fill, fill_cases);
	add_cases(tcase, test_words_time, time_cases);
	tcase_add_test(tcase, test_words_who);
	tcase_add_test(tcase, test_reason_texts);
	add_cases(tcase, test_plural, plural_cases);
	add_cases(tcase, test_catalog_cases, catalog_cases);
	tcase_add_test(tcase, test_catalog_forms);
	tcase_add_test(tcase, test_catalog_broken);
	tcase_add_test(tcase, test_catalogs_shipped);
	tcase_add_test(tcase, test_catalog_template);
	add_cases(tcase, test_template_fault, template_cases);
	tcase_add_test(tcase, test_template_parse);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
