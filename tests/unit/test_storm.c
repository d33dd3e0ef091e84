/*
 * hold/storm: a thousand people answer everybody within a minute. What that costs those who
 * have nothing to do with it: one letter to the list's owner, and no delay for other letters.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"
#include "milter/hold/storm.h"
#include "milter/store/hold.h"
#include "milter/store/store.h"
#include "tests/unit/folder.h"
#include "tests/unit/result.h"

#define PEOPLE 1000
#define REPLIES 4
#define OWNER "owner@example.com"

static char directory[64];
static struct base_arena *arena;
static struct hold *hold;
static const char *why;

static const struct hold_storm_limits limits = {
	.replies = REPLIES, .window = 600, .span = 3600, .on_end = MAIL_END_RETURN
};

static void
setup(void)
{
	struct hold_options options = {
		.driver = "sqlite", .directory = directory, .node = "mx1", .create = true
	};

	strcpy(directory, "/tmp/oops-storm-XXXXXX");
	folder_make(directory);
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	arena = base_arena_new(16u << 20);
	why = "";
	OK(hold_open(&options, &hold, &why));
}

static void
teardown(void)
{
	hold_close(&hold);
	base_arena_free(&arena);
	folder_remove(directory);
}

/* A text that stands for a keyed hash. */
static void
mac_make(const char *text, int number, unsigned char mac_r[BASE_MAC_SIZE])
{
	memset(mac_r, 0, BASE_MAC_SIZE);
	snprintf((char *)mac_r, BASE_MAC_SIZE, "%s %d", text, number);
}

/* What person `number` answers to the whole list; its topic by one key. */
static struct hold_storm_reply
answer_make(int number, const char *topic)
{
	struct hold_storm_reply answer = { .list = "everyone@example.com",
		.topic_count = 1,
		.people = 2100,
		.owner = OWNER,
		.subject = "Re: Cake",
		.language = "en" };

	mac_make(topic, 0, answer.topics[0]);
	mac_make("message", number, answer.message);
	mac_make("act", number, answer.submission);
	mac_make("sender", number, answer.sender);
	return answer;
}

/* --- one letter to the owner, and nobody waits --------------------------------------- */

/* Writes a held mail whose letter is due; `storm` "" for one that is held for its own sake. */
static void
row_put(int number, const char *storm)
{
	char id[BASE_ID_SIZE], sender[64];
	struct store_hold row = { .id = id,
		.node = "mx1",
		.state = HOLD_HELD,
		.action = *storm == '\0' ? HOLD_CONFIRM : HOLD_STORM,
		.submission = { id, BASE_ID_LENGTH },
		.sender = sender,
		.storm = storm,
		.created = base_now_ms(),
		.deadline = base_now_ms() + 3600000,
		.letter_due = base_now_ms() };

	base_id_new(id);
	snprintf(sender, sizeof(sender), "person%d@example.com", number);
	OK(store_hold_insert(hold->store, &row, &why));
}

/* Everybody answers; the block's id. All but the first few are held. */
static void
everybody_answers(char block_r[BASE_ID_SIZE])
{
	struct hold_storm_block block;

	for (int number = 0; number < PEOPLE; number++) {
		struct hold_storm_reply answer = answer_make(number, "list");
		enum base_result expected = number < REPLIES ? BASE_NONE : BASE_OK;

		must_be(expected, hold_storm_ask(hold, &limits, &answer, &block, &why), &why,
		    "hold_storm_ask");
	}
	ck_assert_uint_eq(block.answers, REPLIES);
	memcpy(block_r, block.id, BASE_ID_SIZE);
	OK(store_begin(hold->store, &why));
	for (int number = REPLIES; number < PEOPLE; number++)
		row_put(number, block_r);
	OK(store_commit(hold->store, &why));
}

/* Takes the next letter as the mailer does; what it is about. */
static enum hold_action
letter_take(void)
{
	struct hold_view view;
	enum hold_action action;

	base_arena_reset(arena);
	OK(hold_letter_next(hold, arena, &view, &why));
	action = view.action;
	if (action == HOLD_BLOCK)
		ck_assert_str_eq(view.sender, OWNER);
	OK(hold_letter_done(hold, view.id, &why));
	return action;
}

START_TEST(a_thousand_answers_are_one_letter_to_the_owner)
{
	size_t letters[HOLD_BLOCK + 1] = { 0 };
	char block[BASE_ID_SIZE];
	struct hold_view view;

	everybody_answers(block);
	row_put(1, ""); /* somebody's own slip, found last */
	ck_assert_int_eq(letter_take(), HOLD_CONFIRM);
	ck_assert_int_eq(letter_take(), HOLD_BLOCK);
	for (int number = REPLIES; number < PEOPLE; number++) {
		if (number % 100 == 0) { /* and others in the middle of it */
			row_put(number, "");
			ck_assert_int_eq(letter_take(), HOLD_CONFIRM);
		}
		letters[letter_take()]++;
	}
	NONE(hold_letter_next(hold, arena, &view, &why));
	ck_assert_uint_eq(letters[HOLD_STORM], PEOPLE - REPLIES);
	ck_assert_uint_eq(letters[HOLD_BLOCK], 0);
}
END_TEST

/* --- topics by several keys ----------------------------------------------------------- */

/* Person `number` answers; the topic by the current key and by an earlier one, NULL: none. */
static enum base_result
ask(int number, const char *current, const char *earlier, struct hold_storm_block *block_r)
{
	struct hold_storm_reply answer = answer_make(number, current);

	if (earlier != NULL)
		mac_make(earlier, 0, answer.topics[answer.topic_count++]);
	return hold_storm_ask(hold, &limits, &answer, block_r, &why);
}

START_TEST(a_topic_keeps_the_name_it_has)
{
	struct hold_storm_block first, block;

	NONE(ask(1, "old", NULL, &block));
	NONE(ask(2, "old", NULL, &block));
	NONE(ask(3, "new", "old", &block)); /* counted with those before */
	NONE(ask(4, "new", "old", &block)); /* the last one that may */
	OK(ask(5, "new", "old", &first));
	OK(ask(6, "newer", "old", &block));
	ck_assert_str_eq(first.id, block.id);
	NONE(ask(7, "new", NULL, &block)); /* the earlier key's time is over */
	NONE(ask(8, "other", "new", &block));
}
END_TEST

/* --- who is counted ------------------------------------------------------------------- */

/* Answer `number`, by a person; their name is kept for the letter to the owner. */
static enum base_result
ask_by(int number, int person, struct hold_storm_block *block_r)
{
	struct hold_storm_reply answer = answer_make(number, "thread");
	char address[64];

	snprintf(address, sizeof(address), "person%d@example.com", person);
	mac_make("sender", person, answer.sender);
	answer.person = address;
	return hold_storm_ask(hold, &limits, &answer, block_r, &why);
}

/* The owner's view of the only block. */
static void
view_take(void *context, const struct hold_storm_view *view)
{
	snprintf(context, 400, "%s", view->answered_by);
}

START_TEST(one_person_is_no_storm)
{
	struct hold_storm_block block;
	char people[400] = "nobody";
	int number = 0;

	while (number < 50)
		NONE(ask_by(number++, 1, &block));
	for (int person = 2; person <= REPLIES; person++)
		NONE(ask_by(number++, person, &block));
	OK(ask_by(number++, 1, &block));
	ck_assert_uint_eq(block.repliers, REPLIES);
	OK(hold_storm_each(hold, false, view_take, people, &why));
	ck_assert_str_eq(people, "person1@example.com\nperson2@example.com\n"
				 "person3@example.com\nperson4@example.com");
	/* the names go with the storm */
	OK(hold_storm_lift(hold, block.id, "admin", NULL, &why));
	OK(hold_storm_each(hold, true, view_take, people, &why));
	ck_assert_str_eq(people, "");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("storm");
	TCase *tests = tcase_create("storm");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 300);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_thousand_answers_are_one_letter_to_the_owner);
	tcase_add_test(tests, one_person_is_no_storm);
	tcase_add_test(tests, a_topic_keeps_the_name_it_has);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
