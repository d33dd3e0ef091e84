/*
 * Is every sentence on a page and in a letter one of words/sentences.h?
 *
 * A site's template gives each of them with all its letters as x. What is written in other letters,
 * markup and addresses left out, did not come from there.
 */
#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "milter/notice/internal.h"
#include "milter/web/internal.h"
#include "milter/words/internal.h"
#include "milter/words/reason.h"
#include "milter/words/template.h"

#define NOW 1795430410
#define VALUES "case=some n=4 more=1 people=40 known=exactly addresses=40 lists=no"

static struct base_arena *arena;
static struct words_templates *templates;
static char path[] = "/tmp/test_marked.XXXXXX";

/* A sentence with every letter outside of {places} as x. */
static void
put_marked(struct base_buffer *out, const char *text)
{
	bool is_place = false;

	for (; *text != '\0'; text++) {
		is_place = (is_place || *text == '{') && *text != '}';
		base_buffer_printf(
		    out, "%c", !is_place && isalpha((unsigned char)*text) ? 'x' : *text);
	}
	base_buffer_puts(out, "\n");
}

static void
setup(void)
{
	const struct words_named named = { path, "en" };
	struct base_buffer text, faults;
	int fd = mkstemp(path);

	setenv("TZ", "XXX0", 1);
	tzset();
	arena = base_arena_new(1 << 22);
	base_buffer_init(&text, WORDS_MAX_TEMPLATE);
	base_buffer_init(&faults, 65536);
	for (size_t i = 0; i < words_row_count; i++) {
		const struct words_row *row = &words_rows[i];

		if (row->name == NULL)
			continue;
		base_buffer_printf(&text, row->many == NULL ? "%s: " : "%s.1: ", row->name);
		put_marked(&text, row->text);
		if (row->many == NULL)
			continue;
		base_buffer_printf(&text, "%s.2: ", row->name);
		put_marked(&text, row->many);
	}
	ck_assert_int_eq(write(fd, base_buffer_text(&text), text.length), (ssize_t)text.length);
	close(fd);
	ck_assert_msg(words_templates_load(&named, 1, &templates, &faults) == BASE_OK, "%s",
	    base_buffer_text(&faults));
	base_buffer_free(&faults);
	base_buffer_free(&text);
}

static void
teardown(void)
{
	unlink(path);
	words_templates_free(&templates);
	base_arena_free(&arena);
}

/* No letter but x outside of markup, of style and of words with an @ or a / in them. */
static void
check_marked(const char *what, const char *text)
{
	const char *style = strstr(text, "</style>");

	for (text = style != NULL ? style : text; *text != '\0';) {
		size_t length;

		if (*text == '<' || *text == '&') {
			text += strcspn(text, *text == '<' ? ">" : ";") + 1;
			continue;
		}
		length = strcspn(text, "<& \r\n");
		if (memchr(text, '@', length) == NULL && memchr(text, '/', length) == NULL)
			for (size_t i = 0; i < length; i++)
				ck_assert_msg(!isalpha((unsigned char)text[i]) ||
						  tolower((unsigned char)text[i]) == 'x',
				    "%s: not a sentence of words: %.60s", what, text);
		text += length > 0 ? length : 1;
	}
}

/* A held mail of which there is something to say everywhere. */
static struct hold_view
new_view(enum hold_state state, enum hold_action action)
{
	static const struct hold_reason reasons[] = {
		{ "never_written_share", "1", VALUES, "", "" },
		{ "outside_domains", "1", VALUES, "", "" },
	};

	return (struct hold_view){ .id = "x",
		.mark = "1",
		.state = state,
		.action = action,
		.sender = "a@b.c",
		.mailbox = "a@b.c",
		.from = "d@b.c",
		.subject = "123",
		.recipients = "e@b.c\nf@b.c\ng@b.c\nh@b.c",
		.recipient_count = 40,
		.people = 40,
		.reasons = reasons,
		.reason_count = 2,
		.language = "en",
		.template = path,
		.undone_by = "",
		.by = "",
		.created = NOW - 100000,
		.moved = NOW - 10,
		.seen = NOW,
		.is_seen = true,
		.is_announced = true,
		.deadline = NOW + 90000,
		.restorable = NOW - 1,
		.at_deadline = MAIL_END_RETURN,
		.left = NOW - 60,
		.mail_count = 3,
		.answered_by = "i@b.c",
		.answered = 14,
		.author = "" };
}

static const char *const who[] = { "link", "admin", "timer", HOLD_BY_OWNER, "" };
static const enum hold_how hows[] = { HOLD_HOW_STAYED, HOLD_HOW_GONE, HOLD_HOW_RELEASED,
	HOLD_HOW_UNKNOWN };

/*
 * A variant of a view that chooses sentences; the number says which. A step that no count below has
 * as a factor meets all values of each, in many combinations.
 */
static bool
next_view(unsigned i, struct hold_view *view_r)
{
	enum hold_state state = (enum hold_state)(HOLD_PENDING + i % 9);
	enum hold_action action = (enum hold_action)(HOLD_UNDO + i / 9 % 4);

	*view_r = new_view(state, action);
	view_r->by = who[i / 36 % 5];
	view_r->undone_by = who[i / 36 % 2];
	view_r->how = hows[i / 180 % 4];
	view_r->left_count = i / 720 % 2 ? 12 : 0;
	view_r->people_kind = (enum hold_people)(i % 3);
	view_r->at_deadline =
	    (enum mail_end[]){ MAIL_END_SEND, MAIL_END_RETURN, MAIL_END_DELETE }[i / 1440 % 3];
	view_r->return_how = (enum hold_return)(i / 4320 % 5);
	view_r->is_announced = view_r->is_seen = i / 36 % 3 > 0;
	view_r->is_stop_final = i % 2;
	return i < 4320u * 5;
}

START_TEST(test_pages)
{
	const struct words *words = words_templates_find(templates, path, "en");
	struct hold_view view;

	for (unsigned i = 0; next_view(i, &view); i += 23) {
		struct web_response answer = { .status = 200 };

		base_arena_reset(arena);
		base_buffer_init(&answer.html, WEB_MAX_PAGE);
		web_page_hold(&answer, arena, words, &view, i % 7 == 0, NOW);
		ck_assert(!answer.html.failed);
		check_marked(hold_state_str(view.state), base_buffer_text(&answer.html));
		base_buffer_free(&answer.html);
	}
}
END_TEST

/* The body of a part of a letter, without what quoted-printable put in. */
static const char *
body_of(const char *letter, const char *type)
{
	const char *in = strstr(strstr(letter, type), "\r\n\r\n");
	char *out = base_arena_strdup(arena, in), *to = out;

	for (in = out; *in != '\0' && strncmp(in, "\r\n--", 4) != 0;) {
		if (strncmp(in, "=\r\n", 3) == 0)
			in += 3;
		else if (*in == '=')
			*to++ = (char)strtol((char[]){ in[1], in[2], '\0' }, NULL, 16), in += 3;
		else
			*to++ = *in++;
	}
	*to = '\0';
	return out;
}

START_TEST(test_letters)
{
	const struct notice_letter_options options = { .from = "o@b.c",
		.base_url = "https://b.c",
		.token = "AAAA",
		.now = NOW,
		.templates = templates,
		.message_id = "1@b.c",
		.is_last = true };
	struct base_buffer letter, tail;
	struct hold_view view;
	const char *why = "";

	for (unsigned i = 0; next_view(i, &view); i += 101) {
		base_arena_reset(arena);
		base_buffer_init(&letter, 1 << 18);
		ck_assert_int_eq(notice_letter_compose(&letter, &view, &options, &why), BASE_OK);
		check_marked("text", body_of(base_buffer_text(&letter), "text/plain"));
		check_marked("HTML", body_of(base_buffer_text(&letter), "text/html"));
		base_buffer_clear(&letter);
		base_buffer_init(&tail, 1000);
		ck_assert_int_eq(notice_returned_compose(&letter, &tail, &view, i % 2,
				     NOTICE_ATTACHED_7BIT, "1", &options, &why),
		    BASE_OK);
		check_marked("returned", body_of(base_buffer_text(&letter), "text/plain"));
		base_buffer_free(&tail);
		base_buffer_free(&letter);
	}
}
END_TEST

/* Each why_ row, by its values. */
START_TEST(test_reasons)
{
	const struct words *words = words_templates_find(templates, path, "en");
	size_t count = 0;

	for (size_t i = 0; i < words_row_count; i++) {
		struct words_reason reason = { .which = "",
			.who = "",
			.other = "",
			.n = i % 3,
			.known = (enum words_known)(i % 3) };

		if (words_rows[i].name == NULL || strncmp(words_rows[i].name, "why_", 4) != 0 ||
		    strcmp(words_rows[i].name, "why_title") == 0)
			continue;
		reason.signal = words_rows[i].name + 4;
		check_marked(reason.signal, words_reason_text(arena, words, &reason));
		count++;
	}
	ck_assert_uint_gt(count, 100);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("marked");
	TCase *tcase = tcase_create("marked");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_pages);
	tcase_add_test(tcase, test_letters);
	tcase_add_test(tcase, test_reasons);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
