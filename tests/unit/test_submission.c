/* The table of recent submissions: which mails are queue entries of one send. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/session/submission.h"

#define NOW 1000000

/* A name that stands for a keyed hash. */
static void
name_make(const char *text, unsigned char mac_r[BASE_MAC_SIZE])
{
	memset(mac_r, 0, BASE_MAC_SIZE);
	memcpy(mac_r, text, strlen(text));
}

/* "a b c" as a set. */
static struct mail_addresses
set_make(struct base_arena *arena, const char *text)
{
	struct mail_addresses set = { .items = base_arena_array(arena, 100, sizeof(char *)) };
	char *copy = base_arena_strdup(arena, text);

	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
		set.items[set.count++] = word;
	set.seen = set.count;
	return set;
}

static struct session_submission_names
names_make(const char *id, const char *like)
{
	struct session_submission_names names = { .has_like = like != NULL };

	name_make(id, names.id);
	name_make(id, names.submission);
	names.submission[BASE_MAC_SIZE - 1] = 'A'; /* by another key */
	name_make(like != NULL ? like : "", names.like);
	return names;
}

/* A part is held. */
static void
held_set(struct session_submissions *submissions, const struct session_submission_names *names,
    enum settings_action action)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct session_submission_left left;

	ck_assert_int_eq(
	    session_submissions_hold(submissions, arena, names, action, &left), BASE_OK);
	base_arena_free(&arena);
}

/* A set as "a b c". */
static const char *
set_text(struct base_arena *arena, const struct mail_addresses *set)
{
	const char *text = "";

	for (size_t i = 0; i < set->count; i++)
		text = base_arena_printf(arena, "%s%s%s", text, i > 0 ? " " : "", set->items[i]);
	return text;
}

/* What happens one after the other, all of it in one table of submissions. */
static const struct step {
	const char *id, *like, *to;
	const char *body; /* NULL: only the end of the header */
	int64_t after;    /* seconds since the first */
	const char *others;
	bool wants_body;
	const char *submission; /* the name it shares, "" its own */
} one_name[] = {
	{ "m1", "x", "a b", NULL, 0, "", false, "" },
	{ "m1", "x", "c", NULL, 1, "a b", false, "" },
	{ "m1", "x", "d a", NULL, 2, "a b c", false, "" },
	{ "m1", "x", "d a", "hi", 2, "a b c d", false, "" },
	{ "m2", "y", "a b", NULL, 3, "", false, "" },
	{ "m1", "x", "e", NULL, 300, "a b c d", false, "" },
	{ "m1", "x", "e", NULL, 301, "", false, "" }, /* sent anew later: another submission */
	{ NULL },
}, alike[] = {
	{ "m1", "x", "a b", NULL, 0, "", false, "" },
	{ "m1", "x", "a b", "hi", 0, "a b", false, "" },
	{ "m2", "x", "c", NULL, 1, "", true, "" },
	{ "m2", "x", "c", "hi", 1, "a b", false, "m1" },
	{ "m2", "x", "c", NULL, 2, "a b c", false, "m1" }, /* tried again */
	{ "m3", "x", "d", NULL, 3, "", true, "" },
	{ "m3", "x", "d", "ho", 3, "", false, "" }, /* another body: another submission */
	{ "m4", "x", "a", NULL, 4, "", true, "" },  /* alike m3 */
	{ "m4", "x", "a", "hi", 4, "", false, "" }, /* nobody is written to twice */
	{ "m5", NULL, "e", NULL, 5, "", false, "" },
	{ "m6", "y", "e", NULL, 5, "", false, "" },
	{ NULL },
}, header_only[] = {
	/* the first passed unread: it takes the body of the second, and only of that one */
	{ "m1", "x", "a b", NULL, 0, "", false, "" },
	{ "m2", "x", "c", NULL, 0, "", true, "" },
	{ "m2", "x", "c", "hi", 0, "a b", false, "m1" },
	{ "m3", "x", "d", "hi", 0, "a b c", false, "m1" },
	{ "m4", "x", "e", "ho", 0, "", false, "" },
	{ "m5", "x", "f", "ho", 0, "e", false, "m4" },
	{ NULL },
}, unread[] = {
	/* two passed unread: the one with the same body comes first, whatever its age */
	{ "m1", "x", "a", NULL, 0, "", false, "" },
	{ "m2", "x", "a b", NULL, 0, "", false, "" }, /* a got it already */
	{ "m2", "x", "a b", "hi", 0, "a b", false, "" },
	{ "m3", "x", "c", "hi", 0, "a b", false, "m2" },
	{ "m4", "x", "d", "ho", 0, "a", false, "m1" },
	{ "m5", "x", "e", "ha", 0, "", false, "" },
	{ NULL },
}, side_by_side[] = {
	/* over two connections: whoever ends second joins the first */
	{ "m1", "x", "a b", NULL, 0, "", false, "" },
	{ "m2", "x", "c", NULL, 0, "", true, "" },
	{ "m2", "x", "c", "hi", 0, "a b", false, "m1" },
	{ "m1", "x", "a b", "hi", 0, "a b c", false, "" },
	{ NULL },
};

static const struct step *const stories[] = { one_name, alike, header_only, unread, side_by_side };

START_TEST(entries_find_each_other)
{
	struct session_submissions *submissions = session_submissions_new();

	for (const struct step *step = stories[_i]; step->id != NULL; step++) {
		struct base_arena *arena = base_arena_new(1 << 20);
		struct session_submission_names names = names_make(step->id, step->like);
		struct mail_addresses to = set_make(arena, step->to);
		struct session_submission_entry entry;
		unsigned char body[BASE_MAC_SIZE], submission[BASE_MAC_SIZE];
		enum base_result result;

		name_make(step->body != NULL ? step->body : "", body);
		name_make(*step->submission != '\0' ? step->submission : step->id, submission);
		submission[BASE_MAC_SIZE - 1] = 'A';
		result = step->body != NULL ? session_submissions_commit(submissions, arena, &names,
						  &to, body, NOW + step->after, &entry)
					    : session_submissions_enter(submissions, arena, &names,
						  &to, NOW + step->after, &entry);
		ck_assert_int_eq(result, BASE_OK);
		ck_assert_msg(strcmp(set_text(arena, &entry.others), step->others) == 0,
		    "step %d: others are %s, not %s", (int)(step - stories[_i]),
		    set_text(arena, &entry.others), step->others);
		ck_assert_msg(entry.wants_body == step->wants_body, "step %d: wants body",
		    (int)(step - stories[_i]));
		ck_assert_msg(memcmp(entry.submission, submission, sizeof(submission)) == 0,
		    "step %d: act", (int)(step - stories[_i]));
		base_arena_free(&arena);
	}
	session_submissions_free(&submissions);
}
END_TEST

START_TEST(entries_share_a_fate)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct session_submission_names first = names_make("m1", "x"),
					second = names_make("m2", "x");
	struct mail_addresses a = set_make(arena, "a"), b = set_make(arena, "b");
	struct session_submission_entry entry;
	struct session_submission_observation observation;
	unsigned char body[BASE_MAC_SIZE];

	name_make("hi", body);
	session_submissions_enter(submissions, arena, &first, &a, NOW, &entry);
	ck_assert_int_eq(entry.held, SETTINGS_PASS);
	session_submissions_commit(submissions, arena, &first, &a, body, NOW, &entry);
	held_set(submissions, &first, SETTINGS_CONFIRM);
	held_set(submissions, &first, SETTINGS_UNDO); /* the stricter one stays */
	session_submissions_enter(submissions, arena, &first, &b, NOW, &entry);
	ck_assert_int_eq(entry.held, SETTINGS_CONFIRM);
	session_submissions_commit(submissions, arena, &second, &b, body, NOW, &entry);
	ck_assert_int_eq(entry.held, SETTINGS_PASS); /* b is in the first submission already */

	observation = session_submissions_observe(submissions, &first, 40);
	ck_assert(!observation.is_message && observation.recipients == 0);
	observation = session_submissions_observe(submissions, &first, 30);
	ck_assert(observation.is_message && observation.recipients == 40);
	observation = session_submissions_observe(submissions, &second, 1);
	ck_assert(!observation.is_message && observation.recipients == 0);
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

START_TEST(bounded)
{
	struct session_submissions *submissions = session_submissions_new();
	struct session_submission_entry entry;
	char id[32], long_address[300];

	memset(long_address, 'x', sizeof(long_address) - 1);
	long_address[sizeof(long_address) - 1] = '\0';
	for (int i = 0; i < 3 * SESSION_SUBMISSION_MAX; i++) {
		struct base_arena *arena = base_arena_new(1 << 16);
		struct mail_addresses to = set_make(arena, long_address);
		struct session_submission_names names;

		snprintf(id, sizeof(id), "%d-m", i);
		names = names_make(id, "x");
		names.has_like = false;
		ck_assert_int_eq(
		    session_submissions_enter(submissions, arena, &names, &to, NOW, &entry),
		    BASE_OK);
		ck_assert_uint_eq(entry.others.count, 0);
		if (i % 1000 == 0) { /* the latest one is still there */
			session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
			ck_assert_uint_eq(entry.others.count, 1);
		}
		base_arena_free(&arena);
	}
	session_submissions_free(&submissions);
}
END_TEST

/* Who sends much pushes nobody else's out. */
START_TEST(a_share_for_each)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct mail_addresses to = set_make(arena, "a b");
	struct session_submission_names others = names_make("others", NULL), names;
	struct session_submission_entry entry;
	char id[32], long_address[2000];

	name_make("other", others.author);
	session_submissions_enter(submissions, arena, &others, &to, NOW, &entry);
	memset(long_address, 'x', sizeof(long_address) - 1);
	long_address[sizeof(long_address) - 1] = '\0';
	to = set_make(arena, long_address);
	for (int i = 0; i < 3 * SESSION_SUBMISSION_MAX; i++) {
		snprintf(id, sizeof(id), "%d-m", i);
		names = names_make(id, NULL);
		name_make("much", names.author);
		session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
	}
	session_submissions_enter(submissions, arena, &others, &to, NOW, &entry);
	ck_assert_str_eq(set_text(arena, &entry.others), "a b");
	/* his latest one is there */
	session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
	ck_assert_uint_eq(entry.others.count, 1);
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* What no client does that splits one mail; and the submission that such a mail may begin. */
START_TEST(a_repeat_can_begin_anew)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct mail_addresses ab = set_make(arena, "a b"), c = set_make(arena, "c");
	struct mail_addresses a = set_make(arena, "a"), d = set_make(arena, "d");
	struct session_submission_names names = names_make("m1", "x"), other;
	struct session_submission_entry entry;

	session_submissions_enter(submissions, arena, &names, &ab, NOW, &entry);
	held_set(submissions, &names, SETTINGS_CONFIRM);
	session_submissions_enter(submissions, arena, &names, &c, NOW, &entry);
	ck_assert(!entry.is_repeat && entry.held == SETTINGS_CONFIRM);
	other = names;
	name_make("other", other.header);
	session_submissions_enter(submissions, arena, &other, &d, NOW, &entry);
	ck_assert(entry.is_repeat);
	session_submissions_enter(submissions, arena, &names, &a, NOW, &entry);
	ck_assert(entry.is_repeat && entry.held == SETTINGS_CONFIRM);
	name_make("again", names.submission);
	ck_assert_int_eq(session_submissions_renew(submissions, &names, &a, NOW, &entry), BASE_OK);
	ck_assert(entry.held == SETTINGS_PASS && entry.others.count == 0);
	session_submissions_enter(submissions, arena, &names, &c, NOW, &entry);
	ck_assert_str_eq(set_text(arena, &entry.others), "a");
	ck_assert_mem_eq(entry.submission, names.submission, BASE_MAC_SIZE);
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* Who sends many mails that are alike, to the same one, costs no more than a few looks each. */
START_TEST(looks_are_bounded)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct mail_addresses a = set_make(arena, "a"), b = set_make(arena, "b");
	struct session_submission_names names = names_make("first", "x");
	struct session_submission_entry entry;
	unsigned char body[BASE_MAC_SIZE];
	char id[32];

	name_make("first", body);
	session_submissions_commit(submissions, arena, &names, &b, body, NOW, &entry);
	for (int i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		names = names_make(id, "x");
		session_submissions_enter(submissions, arena, &names, &a, NOW, &entry);
		ck_assert_int_eq(entry.wants_body, i < 64);
		name_make(id, body);
		session_submissions_commit(submissions, arena, &names, &a, body, NOW, &entry);
	}
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* One of many queue entries that come at the same time. */
static void *
entry_come(void *context)
{
	static atomic_int number;
	struct session_submissions *submissions = context;

	for (int i = 0; i < 200; i++) {
		struct base_arena *arena = base_arena_new(1 << 20);
		char id[16], address[32];
		struct session_submission_names names;
		struct mail_addresses to;
		struct session_submission_entry entry;
		unsigned char body[BASE_MAC_SIZE];

		snprintf(id, sizeof(id), "m%d", i);
		snprintf(address, sizeof(address), "p%d", number++);
		names = names_make(id, id);
		to = set_make(arena, address);
		name_make("hi", body);
		session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
		session_submissions_commit(submissions, arena, &names, &to, body, NOW, &entry);
		held_set(submissions, &names, SETTINGS_UNDO);
		base_arena_free(&arena);
	}
	return NULL;
}

START_TEST(side_by_side_threads)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct session_submission_names names = names_make("m7", "m7");
	struct mail_addresses to = set_make(arena, "last");
	struct session_submission_entry entry;
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, entry_come, submissions), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
	ck_assert_uint_eq(entry.others.count, 8);
	ck_assert_int_eq(entry.held, SETTINGS_UNDO);
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* --- several mails of one series ------------------------------------------------------ */

/* A mail of a thread to an audience. */
static struct session_submission_names
series_make(const char *id, const char *parent, const char *audience)
{
	struct session_submission_names names = names_make(id, NULL);

	name_make(id, names.thread);
	names.has_thread = true;
	if (parent != NULL) {
		name_make(parent, names.parents[0]);
		names.parent_count = 1;
	}
	name_make(audience, names.audience);
	return names;
}

static const struct {
	const char *id, *parent, *audience;
	const char *submission; /* whose it is, "" its own */
	int64_t mail;
} series[] = {
	{ "cover", NULL, "all", "", 0 },
	{ "p1", "cover", "all", "cover", 1 },
	{ "p2", "cover", "all", "cover", 2 },
	{ "p1", "cover", "all", "cover", 1 }, /* another queue entry of it */
	{ "c3", "p2", "all", "cover", 3 },    /* each answers the one before */
	{ "c4", "c3", "all", "cover", 4 },
	{ "more", "cover", "all and boss", "", 0 }, /* judged by itself */
	{ "x1", "foreign", "all", "", 0 },          /* what somebody else wrote */
	{ "x2", NULL, "all", "", 0 },
};

START_TEST(a_series_is_one_submission)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct mail_addresses to = set_make(arena, "a b c");
	unsigned char expected[BASE_MAC_SIZE];

	for (size_t i = 0; i < sizeof(series) / sizeof(*series); i++) {
		struct session_submission_names names =
		    series_make(series[i].id, series[i].parent, series[i].audience);
		struct session_submission_entry entry;

		session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
		name_make(
		    *series[i].submission != '\0' ? series[i].submission : series[i].id, expected);
		expected[BASE_MAC_SIZE - 1] = 'A';
		ck_assert_msg(
		    memcmp(entry.submission, expected, BASE_MAC_SIZE) == 0, "%s", series[i].id);
		ck_assert_int_eq(entry.mail, series[i].mail);
	}
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* What one thread waits with. */
struct waiting {
	struct session_submissions *submissions;
	struct session_submission_names names;
	atomic_bool has_begun;
	struct session_submission_entry entry;
};

static void *
wait_for_first(void *context)
{
	struct waiting *waiting = context;

	atomic_store(&waiting->has_begun, true);
	session_submissions_await(waiting->submissions, &waiting->names, &waiting->entry);
	return NULL;
}

/* A mail waits for the first of its series, which never ends and is forgotten meanwhile. */
START_TEST(the_awaited_submission_may_end)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct session_submission_names first = series_make("m1", NULL, "all"),
					other = names_make("o", NULL);
	struct mail_addresses to = set_make(arena, "a b c");
	struct waiting waiting = { .submissions = submissions,
		.names = series_make("m2", "m1", "all") };
	struct session_submission_entry entry;
	pthread_t thread;

	session_submissions_enter(submissions, arena, &first, &to, NOW, &entry);
	session_submissions_enter(submissions, arena, &waiting.names, &to, NOW, &waiting.entry);
	ck_assert(waiting.entry.is_open);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_first, &waiting), 0);
	while (!atomic_load(&waiting.has_begun))
		sched_yield();
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
	session_submissions_enter(submissions, arena, &other, &to, NOW + 1000, &entry);
	pthread_join(thread, NULL);
	ck_assert_int_eq(waiting.entry.held, SETTINGS_PASS);
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* What has passed is known when another queue entry is held, and none passes from then on. */
START_TEST(all_or_none_from_the_first_hold_on)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct session_submission_names names = series_make("m1", NULL, "all"),
					next = series_make("m2", "m1", "all");
	struct mail_addresses to = set_make(arena, "a b c");
	enum settings_action held = SETTINGS_PASS;
	struct session_submission_left left;
	struct session_submission_entry entry;

	session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
	ck_assert(session_submissions_pass(submissions, &names, 3, "a\nb\n", &held));
	session_submissions_enter(submissions, arena, &next, &to, NOW, &entry);
	ck_assert(!entry.is_open && entry.has_passed && entry.mail == 1);
	ck_assert(session_submissions_pass(submissions, &next, 3, "a\nb\n", &held));
	ck_assert(session_submissions_pass(submissions, &names, 2, "", &held));
	ck_assert_int_eq(
	    session_submissions_hold(submissions, arena, &names, SETTINGS_UNDO, &left), BASE_OK);
	ck_assert_uint_eq(left.count, 5); /* of the first mail, not of the series */
	ck_assert_str_eq(left.to, "a\nb\n");
	ck_assert(!session_submissions_pass(submissions, &names, 1, "c\n", &held));
	ck_assert_int_eq(held, SETTINGS_UNDO);
	ck_assert(!session_submissions_pass(submissions, &next, 1, "c\n", &held));
	session_submissions_leave(submissions, &names, 1, "c\n"); /* the store is broken, say */
	ck_assert_int_eq(
	    session_submissions_hold(submissions, arena, &names, SETTINGS_UNDO, &left), BASE_OK);
	ck_assert_uint_eq(left.count, 6);
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* A hold that came to nothing binds nobody, as long as no other queue entry is held. */
START_TEST(what_cannot_be_held_holds_nobody)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct session_submission_names names = series_make("m1", NULL, "all"),
					next = series_make("m2", "m1", "all");
	struct mail_addresses to = set_make(arena, "a b c");
	enum settings_action held = SETTINGS_PASS;
	struct session_submission_entry entry;

	session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
	/* of a submission that nobody knows any more */
	session_submissions_unhold(submissions, &names);
	held_set(submissions, &names, SETTINGS_CONFIRM);
	held_set(submissions, &names, SETTINGS_CONFIRM);
	session_submissions_unhold(submissions, &names);
	session_submissions_enter(submissions, arena, &next, &to, NOW, &entry);
	ck_assert_int_eq(entry.held, SETTINGS_CONFIRM);
	ck_assert(!session_submissions_pass(submissions, &next, 3, "", &held));
	session_submissions_unhold(submissions, &names);
	ck_assert(session_submissions_pass(submissions, &next, 3, "", &held));
	session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
	ck_assert_int_eq(entry.held, SETTINGS_PASS);
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

/* Forty mails that differ in whom they name alone are forty mails. */
START_TEST(a_mail_to_one_person_is_its_own)
{
	struct session_submissions *submissions = session_submissions_new();
	struct base_arena *arena = base_arena_new(1 << 20);
	struct session_submission_entry entry;
	unsigned char body[BASE_MAC_SIZE];

	name_make("hi", body);
	for (int i = 0; i < 40; i++) {
		char address[16], id[16];
		struct session_submission_names names;
		struct mail_addresses to;

		snprintf(address, sizeof(address), "p%d", i);
		snprintf(id, sizeof(id), "m%d", i < 20 ? 0 : i);
		names = names_make(id, "x");
		names.is_individual = true;
		name_make(address, names.header);
		to = set_make(arena, address);
		session_submissions_enter(submissions, arena, &names, &to, NOW, &entry);
		ck_assert_uint_eq(entry.others.count, 0);
		session_submissions_commit(submissions, arena, &names, &to, body, NOW, &entry);
		for (size_t other = 0; other < entry.others.count; other++)
			ck_assert_str_eq(entry.others.items[other], address);
	}
	base_arena_free(&arena);
	session_submissions_free(&submissions);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("act");
	TCase *tests = tcase_create("acts");
	SRunner *runner = srunner_create(suite);
	const char *why;
	int failed;

	if (base_crypto_start(&why) != BASE_OK)
		return EXIT_FAILURE;

	tcase_set_timeout(tests, 300); /* a busy machine */
	tcase_add_loop_test(tests, entries_find_each_other, 0, sizeof(stories) / sizeof(*stories));
	tcase_add_test(tests, entries_share_a_fate);
	tcase_add_test(tests, a_series_is_one_submission);
	tcase_add_test(tests, the_awaited_submission_may_end);
	tcase_add_test(tests, all_or_none_from_the_first_hold_on);
	tcase_add_test(tests, what_cannot_be_held_holds_nobody);
	tcase_add_test(tests, a_mail_to_one_person_is_its_own);
	tcase_add_test(tests, bounded);
	tcase_add_test(tests, a_share_for_each);
	tcase_add_test(tests, a_repeat_can_begin_anew);
	tcase_add_test(tests, looks_are_bounded);
	tcase_add_test(tests, side_by_side_threads);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
