/* What an auditor relies on: order and names of keys, and lines that nobody can forge. */
#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "milter/hold/hold.h"
#include "milter/identity/value.h"
#include "milter/replay/import.h"
#include "milter/settings/settings.h"

static struct base_buffer line;
static struct base_arena *arena;

static void
setup(void)
{
	base_buffer_init(&line, 6144);
	arena = base_arena_new(1 << 18);
}

static void
teardown(void)
{
	base_buffer_free(&line);
	base_arena_free(&arena);
}

static const struct {
	enum audit_event event;
	const char *id;
	struct audit_pair pairs[4];
	size_t count;
	const char *line;
} lines[] = {
	{ AUDIT_NOTICE, "abc", { { "tries", "1" }, { "to", "a@example.com" } }, 2,
	    "event=notice id=abc to=a@example.com answer=- tries=1 limited_by=- deadline=-" },
	{ AUDIT_VIEW, NULL, { { "method", "GET" } }, 1,
	    "event=view id=- method=GET state=- client=-" },
	{ AUDIT_REQUEST, "abc", { { "by", "x\nevent=sent id=abc" }, { "request", "send" } }, 2,
	    "event=request id=abc request=send by=\"x\\x0Aevent=sent id=abc\" "
	    "was=- now=- refused=- "
	    "client=- uid=- user=- sudo_user=-" },
	{ AUDIT_REQUEST, "abc\" by=admin", { { "request", "" } }, 1,
	    "event=request id=\"abc\\\" by=admin\" request=\"\" by=- was=- now=- "
	    "refused=- client=- "
	    "uid=- user=- sudo_user=-" },
	{ AUDIT_SENT, "abc", { { "queue_ids", "A1,B2" }, { "was", "sending" }, { "now", "sent" } },
	    3, "event=sent id=abc by=- was=sending now=sent queue_ids=A1,B2" },
	{ AUDIT_ERROR, "abc", { { "where", "queue" }, { "what", "caf\xC3\xA9" } }, 2,
	    "event=error id=abc where=queue what=\"caf\xC3\xA9\" answer=- queue_id=-" },
};

START_TEST(keys_come_in_the_order_of_the_event)
{
	ck_assert_int_eq(
	    audit_format(&line, lines[_i].event, lines[_i].id, lines[_i].pairs, lines[_i].count),
	    BASE_OK);
	ck_assert_str_eq(base_buffer_text(&line), lines[_i].line);
}
END_TEST

START_TEST(every_event_has_a_name_and_keys)
{
	ck_assert_str_ne(audit_event_str(_i), "unknown");
	ck_assert_int_eq(audit_format(&line, _i, "abc", NULL, 0), BASE_OK);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&line), "=-"));
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&line), audit_event_str(_i)));
}
END_TEST

START_TEST(a_key_that_is_not_in_the_table_is_refused)
{
	const struct audit_pair pair = { "token", "x" };

	ck_assert_int_eq(audit_format(&line, AUDIT_VIEW, "abc", &pair, 1), BASE_REFUSE);
	ck_assert_int_eq(audit_format(&line, AUDIT_ERROR + 1, "abc", NULL, 0), BASE_REFUSE);
}
END_TEST

START_TEST(long_values_end_early_and_the_line_stays_whole)
{
	char value[20000];
	struct audit_pair pairs[] = { { "sender", value }, { "reasons", value }, { "login", value },
		{ "policy", value }, { "client", "192.0.2.1" } };

	memset(value, '\n', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	ck_assert_int_eq(audit_format(&line, AUDIT_JUDGE, "abc", pairs, 5), BASE_OK);
	ck_assert_uint_le(line.length, 6144);
	ck_assert_ptr_null(strchr(base_buffer_text(&line), '\n'));
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&line), "...\""));
	ck_assert_str_eq(base_buffer_text(&line) + line.length - strlen(" client=192.0.2.1 gate=-"),
	    " client=192.0.2.1 gate=-");
}
END_TEST

START_TEST(a_cut_value_ends_with_a_whole_character)
{
	char value[2048];
	struct audit_pair pair = { "what", value };
	size_t i;

	value[0] = 'x';
	for (i = 1; i + 2 < sizeof(value); i += 2)
		memcpy(value + i, "\xC3\xA9", 2);
	value[i] = '\0';
	ck_assert_int_eq(audit_format(&line, AUDIT_ERROR, "abc", &pair, 1), BASE_OK);
	ck_assert(base_is_utf8(base_buffer_text(&line), line.length));
	ck_assert_ptr_null(strstr(base_buffer_text(&line), "\\x"));
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&line), "\xC3\xA9...\""));
}
END_TEST

/* An admin's act names who ran the program; what sudo says is no more than that. */
START_TEST(an_act_by_hand_names_its_user)
{
	const struct audit_pair pair = { "by", "admin" };

	setenv("SUDO_USER", "anna uid=0\nevent=sent", 1);
	audit_operator_note();
	ck_assert_int_eq(audit_format(&line, AUDIT_REQUEST, "abc", &pair, 1), BASE_OK);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&line),
	    base_arena_printf(arena, " uid=%lu user=", (unsigned long)getuid())));
	ck_assert_ptr_nonnull(
	    strstr(base_buffer_text(&line), " sudo_user=\"anna uid=0\\x0Aevent=sent\""));
	ck_assert_int_eq(audit_format(&line, AUDIT_VIEW, "abc", NULL, 0), BASE_OK);
	ck_assert_ptr_null(strstr(base_buffer_text(&line), "sudo_user"));
}
END_TEST

/* The manual page has every event with its keys in their order. */
START_TEST(the_manual_page_has_every_key)
{
	struct base_buffer entry;
	const char *why = "", *word;
	size_t length;
	char *manual;

	ck_assert_msg(base_file_read(arena, SOURCE_DIR "/contrib/man/oops-audit.5", 65536, &manual,
			  &length, &why) == BASE_OK,
	    "%s", why);
	base_buffer_init(&entry, 4096);
	ck_assert_int_eq(audit_format(&line, _i, NULL, NULL, 0), BASE_OK);
	base_buffer_printf(&entry, "\n.It Ic %s\n.D1", audit_event_str(_i));
	word = strstr(base_buffer_text(&line), " id=");
	while ((word = strchr(word + 1, ' ')) != NULL)
		base_buffer_printf(&entry, "%.*s", (int)strcspn(word, "="), word);
	base_buffer_puts(&entry, "\n");
	ck_assert_msg(strstr(manual, base_buffer_text(&entry)) != NULL, "not there:%s",
	    base_buffer_text(&entry));
	base_buffer_free(&entry);
}
END_TEST

/* Every word that the code has for a value. */
static const char *
value_word(unsigned kind, unsigned number)
{
	switch (kind) {
	case 0:
		return hold_state_str(number);
	case 1:
		return hold_action_str(number);
	case 2:
		return hold_request_str(number);
	case 3:
		return hold_how_str(number);
	case 4:
		return hold_return_str(number);
	case 5:
		return identity_proof_str(number);
	case 6:
		return number <= SETTINGS_CONFIRM ? settings_action_str(number) : "unknown";
	default:
		return number <= REPLAY_MESSAGE ? replay_format_str(number) : "unknown";
	}
}

#define VALUE_KINDS 8
#define VALUE_NUMBERS 16 /* more than any kind has */

/* The manual page tells them all. */
START_TEST(the_manual_page_has_every_value)
{
	const char *why = "", *values;
	unsigned seen = 0;
	size_t length;
	char *manual, entry[64];

	ck_assert_msg(base_file_read(arena, SOURCE_DIR "/contrib/man/oops-audit.5", 65536, &manual,
			  &length, &why) == BASE_OK,
	    "%s", why);
	values = strstr(manual, "\n.Sh VALUES\n");
	ck_assert_ptr_nonnull(values);
	for (unsigned number = 0; number < VALUE_NUMBERS; number++) {
		const char *word = value_word(_i, number);

		if (strcmp(word, "-") == 0 || strcmp(word, "unknown") == 0)
			continue;
		seen++;
		snprintf(entry, sizeof(entry), "\n.Ql %s", word);
		ck_assert_msg(strstr(values, entry) != NULL, "not there: %s", word);
	}
	ck_assert_uint_gt(seen, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("audit");
	TCase *tcase = tcase_create("line");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(
	    tcase, keys_come_in_the_order_of_the_event, 0, sizeof(lines) / sizeof(lines[0]));
	tcase_add_loop_test(tcase, every_event_has_a_name_and_keys, 0, AUDIT_ERROR + 1);
	tcase_add_test(tcase, a_key_that_is_not_in_the_table_is_refused);
	tcase_add_test(tcase, long_values_end_early_and_the_line_stays_whole);
	tcase_add_test(tcase, a_cut_value_ends_with_a_whole_character);
	tcase_add_loop_test(tcase, the_manual_page_has_every_key, 0, AUDIT_ERROR + 1);
	tcase_add_loop_test(tcase, the_manual_page_has_every_value, 0, VALUE_KINDS);
	tcase_add_test(tcase, an_act_by_hand_names_its_user);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
