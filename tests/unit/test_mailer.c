/*
 * The mailer against a small SMTP server of the test's own. The life of holds is played by
 * this file: it answers in the place of the hold room, so that every failure can be staged.
 */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/notice/notice.h"
#include "milter/notice/smtp.h"

#define ID "abcdefghijklmnop"

/* --- the hold room, as the test wants it
 * --------------------------------------------------- */

static struct {
	atomic_int due;  /* letters that wait */
	bool is_endless; /* when one is over, the next one waits */
	enum hold_state state;
	enum hold_action action;
	const char *sender, *mailbox, *from;
	enum base_result token, done;
	char tokens[8][BASE_TOKEN_SIZE];
	int64_t expires;
	size_t taken; /* letters that the reader got today */
	atomic_int wait_count, aside_count;
	atomic_int token_count, done_count, failed_count, audit_count;
	char answer[300], tries[16], to[100];
} play;

enum base_result
hold_letter_next(
    struct hold *hold, struct base_arena *arena, struct hold_view *view_r, const char **why_r)
{
	(void)hold, (void)why_r;
	if (!atomic_load(&play.due))
		return BASE_NONE;
	*view_r = (struct hold_view){ .id = base_arena_strdup(arena, ID),
		.state = play.state,
		.action = play.action,
		.author = "",
		.sender = play.sender,
		.mailbox = play.mailbox,
		.from = play.from,
		.subject = "Lunch\n.\nQUIT",
		.recipients = "",
		.recipient_count = 40,
		.language = "en",
		.deadline = base_now() + 3600,
		.at_deadline = MAIL_END_RETURN };
	return BASE_OK;
}

enum base_result
hold_token_add(
    struct hold *hold, const char *id, const char *token, int64_t expires, const char **why_r)
{
	int n = atomic_load(&play.token_count);

	(void)hold;
	ck_assert_str_eq(id, ID);
	*why_r = "the disk is full";
	if (play.token == BASE_OK && n < 8)
		memcpy(play.tokens[n], token, BASE_TOKEN_SIZE);
	play.expires = expires;
	atomic_fetch_add(&play.token_count, 1);
	return play.token;
}

enum base_result
hold_letter_done(struct hold *hold, const char *id, const char **why_r)
{
	(void)hold;
	ck_assert_str_eq(id, ID);
	*why_r = "the disk is full";
	if (play.done == BASE_OK && !play.is_endless)
		atomic_store(&play.due, 0);
	atomic_fetch_add(&play.done_count, 1);
	return play.done;
}

enum base_result
hold_letter_wait(struct hold *hold, const char *id, const char **why_r)
{
	(void)hold, (void)id, (void)why_r;
	atomic_store(&play.due, 0);
	atomic_fetch_add(&play.wait_count, 1);
	return BASE_OK;
}

enum base_result
hold_letter_count(
    struct hold *hold, const char *sender, int64_t since, size_t *count_r, const char **why_r)
{
	(void)hold, (void)why_r;
	ck_assert_str_eq(sender, play.sender);
	ck_assert_int_le(since, base_now() - 86400);
	*count_r = play.taken;
	return BASE_OK;
}

/* Nothing comes back here. */
enum base_result
hold_return_next(struct hold *hold, struct base_arena *arena, struct hold_returning *returning_r,
    const char **why_r)
{
	(void)hold, (void)arena, (void)returning_r, (void)why_r;
	return BASE_NONE;
}

enum base_result
hold_return_taken(struct hold *hold, const char *id, const char *const *queue_ids, size_t count,
    const char **why_r)
{
	(void)hold, (void)id, (void)queue_ids, (void)count, (void)why_r;
	return BASE_NONE;
}

enum base_result
hold_return_bounce(struct hold *hold, const char *id, const char **why_r)
{
	(void)hold, (void)id, (void)why_r;
	return BASE_NONE;
}

enum base_result
hold_return_failed(struct hold *hold, const char *id, enum hold_return how, bool is_answered,
    bool *is_news_r, const char **why_r)
{
	(void)hold, (void)id, (void)how, (void)is_answered, (void)is_news_r, (void)why_r;
	return BASE_NONE;
}

void
hold_return_aside(struct hold *hold, const char *id, bool is_back, const char *why)
{
	(void)hold, (void)id, (void)is_back, (void)why;
}

void
hold_letter_aside(struct hold *hold, const char *id, const char *why)
{
	(void)hold;
	ck_assert_str_eq(id, ID);
	ck_assert_str_eq(why, "the disk is full");
	atomic_fetch_add(&play.aside_count, 1);
}

enum base_result
hold_letter_failed(struct hold *hold, const char *id, int64_t *again_r, const char **why_r)
{
	(void)hold, (void)id, (void)why_r;
	if (atomic_fetch_add(&play.failed_count, 1) == 1)
		atomic_store(&play.due, 0);
	*again_r = base_now();
	return BASE_OK;
}

void
audit_write(
    enum audit_event event, const char *hold_id, const struct audit_pair *pairs, size_t count)
{
	ck_assert_int_eq(event, AUDIT_NOTICE);
	ck_assert_str_eq(hold_id, ID);
	ck_assert_uint_eq(count, 4);
	/* a letter that was tried names a time, one that was not has no time to name */
	ck_assert_str_eq(
	    pairs[3].key, strcmp(pairs[1].value, "not sent") == 0 ? "limited_by" : "deadline");
	ck_assert_str_eq(pairs[0].key, "to");
	snprintf(play.to, sizeof(play.to), "%s", pairs[0].value);
	ck_assert_str_eq(pairs[1].key, "answer");
	snprintf(play.answer, sizeof(play.answer), "%s", pairs[1].value);
	ck_assert_str_eq(pairs[2].key, "tries");
	snprintf(play.tries, sizeof(play.tries), "%s", pairs[2].value);
	atomic_fetch_add(&play.audit_count, 1);
}

/* --- the server
 * ------------------------------------------------------------------------------ */

static struct {
	int listener, port;
	pthread_t thread;
	const char *rcpt_answer; /* NULL: says nothing at all */
	atomic_int letters;
	char envelope[400]; /* of the last letter: EHLO, MAIL and RCPT */
	char data[65536];   /* of the last letter */
} server;

static void
serve_one(FILE *in, int out)
{
	char line[2000];
	bool is_data = false;

	dprintf(out, "220 test ESMTP\r\n");
	while (fgets(line, sizeof(line), in)) {
		if (is_data && strcmp(line, ".\r\n")) {
			ck_assert_uint_lt(strlen(server.data) + strlen(line), sizeof(server.data));
			strcat(server.data, line);
		} else if (is_data) {
			is_data = false;
			atomic_fetch_add(&server.letters, 1);
			dprintf(out, "250 2.0.0 queued as 4ABC\r\n");
		} else if (!strncasecmp(line, "EHLO", 4)) {
			dprintf(out, "250-test\r\n250 SIZE\r\n");
			strcpy(server.envelope, line);
		} else if (!strncasecmp(line, "MAIL", 4) || !strncasecmp(line, "RCPT", 4)) {
			strcat(server.envelope, line);
			if (*line == 'R' && !server.rcpt_answer)
				continue;
			dprintf(out, "%s\r\n", *line == 'R' ? server.rcpt_answer : "250 ok");
		} else if (!strncasecmp(line, "DATA", 4)) {
			server.data[0] = '\0';
			is_data = true;
			dprintf(out, "354 go on\r\n");
		} else {
			dprintf(out, "250 ok\r\n");
		}
	}
}

static void *
serve(void *context)
{
	int fd;
	FILE *in;

	(void)context;
	while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
		in = fdopen(fd, "r");
		serve_one(in, fd);
		fclose(in);
	}
	return NULL;
}

static const char *own_domains[] = { "example.com" };
static struct settings config;
static char url[64];
static struct base_key *key;

/* The generation in force, as the site room would hand it out; those who took it are counted. */
static struct config generation;
static atomic_int users;

const struct config *
config_acquire(struct config_current *current)
{
	(void)current;
	generation.settings = &config;
	generation.key = key;
	atomic_fetch_add(&users, 1);
	return &generation;
}

void
config_release(const struct config **taken)
{
	if (*taken != NULL)
		atomic_fetch_sub(&users, 1);
	*taken = NULL;
}

static void
setup(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	const char *why;

	memset(&play, 0, sizeof(play));
	memset(&server, 0, sizeof(server));
	play.state = HOLD_HELD;
	play.action = HOLD_CONFIRM;
	play.from = "";
	play.sender = "anna@example.com";
	play.mailbox = "Anna@example.com";
	server.rcpt_answer = "250 ok";
	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(server.listener, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(listen(server.listener, 5), 0);
	ck_assert_int_eq(getsockname(server.listener, (struct sockaddr *)&address, &length), 0);
	ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%d", ntohs(address.sin_port));
	config.identity.local_domains = own_domains;
	config.identity.local_domain_count = 1;
	config.identity.recipient_delimiter = "";
	config.notice.smtp = url;
	config.notice.from = "oops@example.com";
	config.notice.link_expires = 1000;
	config.undo.grace = 100;
	config.web.base_url = "https://oops.example.com";
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	ck_assert_int_eq(base_key_from_bytes((const unsigned char[32]){ 7 }, &key), BASE_OK);
}

static void
teardown(void)
{
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	base_key_free(&key);
}

/* Lets a mailer work on one due letter for so long at most, or until `count` reaches
 * `end`. */
static void
work(int64_t milliseconds, atomic_int *count, int end)
{
	struct notice_mailer *mailer;
	int64_t start = base_now_ms(), stop;
	const char *why;

	atomic_store(&play.due, 1);
	ck_assert_int_eq(notice_mailer_start(NULL, NULL, &mailer, &why), BASE_OK);
	while (base_now_ms() < start + milliseconds && atomic_load(count) < end)
		base_sleep_ms(5);
	stop = base_now_ms();
	notice_mailer_stop(&mailer);
	ck_assert_ptr_null(mailer);
	ck_assert_int_lt(base_now_ms() - stop, 1500);
	ck_assert_int_eq(atomic_load(&users), 0);
}

/* The value of a field of the last letter, in a static buffer. */
static const char *
field(const char *name)
{
	static char value[500];
	const char *start = strcasestr(server.data, name);

	ck_assert_ptr_nonnull(start);
	start += strlen(name) + 2;
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(start, "\r\n"), start);
	return value;
}

START_TEST(test_delivered)
{
	work(5000, &play.done_count, 1);
	ck_assert_int_eq(atomic_load(&server.letters), 1);
	ck_assert_int_eq(atomic_load(&play.done_count), 1);
	ck_assert_int_eq(atomic_load(&play.failed_count), 0);
	ck_assert_str_eq(play.answer, "250 2.0.0 queued as 4ABC");
	ck_assert_str_eq(play.tries, "1");
	ck_assert_str_eq(play.to, "Anna@example.com"); /* as she wrote it */
	ck_assert_msg(!strncmp(server.envelope, "EHLO example.com\r\nMAIL FROM:<>", 30), "%s",
	    server.envelope);
	ck_assert_ptr_nonnull(strstr(server.envelope, "RCPT TO:<Anna@example.com>\r\n"));
	ck_assert_ptr_nonnull(strstr(server.data, play.tokens[0]));
	ck_assert_int_gt(play.expires, base_now() + 3600 + 1090);
	ck_assert_int_le(play.expires, base_now() + 3600 + 1100);
}
END_TEST

/* The header that we put in front is the one that session will believe. */
START_TEST(test_proof)
{
	char id[200], proof[200];

	work(5000, &play.done_count, 1);
	snprintf(id, sizeof(id), "%s", field("Message-ID") + 1);
	id[strcspn(id, ">")] = '\0';
	snprintf(proof, sizeof(proof), "%s", field(NOTICE_INJECT_NAME));
	ck_assert(notice_inject_is_ours(key, proof, id, "anna@example.com", base_now()));
	ck_assert(!notice_inject_is_ours(key, proof, id, "bob@example.com", base_now()));
}
END_TEST

START_TEST(test_refused)
{
	server.rcpt_answer = "550 5.1.1 no such user";
	work(5000, &play.failed_count, 2);
	ck_assert_int_eq(atomic_load(&server.letters), 0);
	ck_assert_int_eq(atomic_load(&play.done_count), 0);
	ck_assert_int_eq(atomic_load(&play.failed_count), 2);
	ck_assert_int_eq(atomic_load(&play.audit_count), 2);
	ck_assert_ptr_nonnull(strstr(play.answer, "550 5.1.1 no such user"));
	ck_assert_str_eq(play.tries, "2");
}
END_TEST

/* A server that says nothing does not keep us from stopping (work() checks how long it
 * takes). */
START_TEST(test_silent)
{
	server.rcpt_answer = NULL;
	work(500, &play.failed_count, 1);
	ck_assert_int_eq(atomic_load(&play.done_count), 0);
}
END_TEST

/* Whose server keeps us waiting is asked once; the further letters let others go first. */
START_TEST(test_slow)
{
	server.rcpt_answer = NULL;
	work(60000, &play.failed_count, 2);
	ck_assert_int_eq(atomic_load(&play.token_count), 1);
	ck_assert_int_eq(atomic_load(&play.audit_count), 1);
}
END_TEST

START_TEST(test_decided)
{
	play.state = HOLD_UNDONE;
	work(2000, &play.done_count, 1);
	ck_assert_int_eq(atomic_load(&server.letters), 0);
	ck_assert_int_eq(atomic_load(&play.token_count), 0);
	ck_assert_int_eq(atomic_load(&play.done_count), 1);
}
END_TEST

/* One reader gets so many a day: the last one says so, and the next one waits. */
START_TEST(test_limited)
{
	config.notice.person_day = 5;
	play.taken = 3;
	work(5000, &play.done_count, 1);
	ck_assert_ptr_null(strstr(server.data, "last one for now"));
	play.taken = 4;
	atomic_store(&play.done_count, 0);
	work(5000, &play.done_count, 1);
	ck_assert_ptr_nonnull(strstr(server.data, "last one for now"));
	play.taken = 5;
	work(5000, &play.wait_count, 1);
	ck_assert_int_eq(atomic_load(&play.wait_count), 1);
	ck_assert_int_eq(atomic_load(&server.letters), 2);
	ck_assert_int_eq(atomic_load(&play.failed_count), 0);
	play.action = HOLD_STORM; /* has letters of its own */
	atomic_store(&play.done_count, 0);
	work(5000, &play.done_count, 1);
	ck_assert_int_eq(atomic_load(&server.letters), 3);
	config.notice.person_day = 0;
}
END_TEST

/* Somebody else's address in From is named. */
START_TEST(test_sent_as)
{
	play.from = "boss@example.com";
	work(5000, &play.done_count, 1);
	ck_assert_ptr_nonnull(strstr(server.data, "boss@example.com as its author"));
}
END_TEST

/* Letters wait rather than cross a network in the clear. */
START_TEST(test_tls_required)
{
	config.notice.tls = SETTINGS_TLS_REQUIRED;
	work(3000, &play.failed_count, 1);
	ck_assert_int_eq(atomic_load(&server.letters), 0);
	ck_assert_ptr_nonnull(strstr(play.answer, "SSL"));
	config.notice.tls = SETTINGS_TLS_IF_OFFERED;
	work(5000, &play.done_count, 1);
	ck_assert_int_eq(atomic_load(&server.letters), 1);
	config.notice.tls = SETTINGS_TLS_AUTO;
}
END_TEST

static const struct {
	const char *url;
	enum settings_tls wanted;
	enum notice_tls tls;
} ways[] = {
	{ "smtp://127.0.0.1:25", SETTINGS_TLS_AUTO, NOTICE_TLS_OFF },
	{ "smtp://127.1.2.3", SETTINGS_TLS_AUTO, NOTICE_TLS_OFF },
	{ "smtp://[::1]:25", SETTINGS_TLS_AUTO, NOTICE_TLS_OFF },
	{ "smtp://LocalHost:25/x", SETTINGS_TLS_AUTO, NOTICE_TLS_OFF },
	{ "smtp://jo:secret@localhost", SETTINGS_TLS_AUTO, NOTICE_TLS_OFF },
	{ "smtp://localhost@mail.example.com", SETTINGS_TLS_AUTO, NOTICE_TLS_MUST },
	{ "smtp://localhost.example.com", SETTINGS_TLS_AUTO, NOTICE_TLS_MUST },
	{ "smtp://127.0.0.1.example.com", SETTINGS_TLS_AUTO, NOTICE_TLS_MUST },
	{ "smtp://[::2]", SETTINGS_TLS_AUTO, NOTICE_TLS_MUST },
	{ "smtp://mail.example.com:25", SETTINGS_TLS_AUTO, NOTICE_TLS_MUST },
	{ "smtp://192.0.2.1", SETTINGS_TLS_AUTO, NOTICE_TLS_MUST },
	{ "smtp://192.0.2.1", SETTINGS_TLS_OFF, NOTICE_TLS_OFF },
	{ "smtp://192.0.2.1", SETTINGS_TLS_IF_OFFERED, NOTICE_TLS_TRY },
	{ "smtp://127.0.0.1", SETTINGS_TLS_REQUIRED, NOTICE_TLS_MUST },
};

START_TEST(test_tls_by_host)
{
	ck_assert_int_eq(notice_smtp_tls(ways[_i].url, ways[_i].wanted), ways[_i].tls);
}
END_TEST

START_TEST(test_no_token)
{
	play.token = BASE_BROKEN;
	work(2000, &play.failed_count, 1);
	ck_assert_int_eq(atomic_load(&server.letters), 0);
	ck_assert_int_eq(atomic_load(&play.done_count), 0);
}
END_TEST

/* Delivered, but that cannot be written: it is not delivered again and again. */
START_TEST(test_not_written_down)
{
	play.done = _i ? BASE_BROKEN : BASE_REFUSE;
	work(3500, &play.done_count, 3);
	ck_assert_int_ge(atomic_load(&play.done_count), 2);
	/* of the row alone: the others go on */
	ck_assert_int_eq(atomic_load(&play.aside_count) > 0, _i == 0);
	ck_assert_int_eq(atomic_load(&server.letters), 1);
	ck_assert_int_eq(atomic_load(&play.audit_count), 1);
}
END_TEST

START_TEST(test_odd_sender)
{
	play.mailbox = "\"a b\"@example.com";
	work(5000, &play.done_count, 1);
	ck_assert_ptr_nonnull(strstr(server.envelope, "RCPT TO:<\"a b\"@example.com>\r\n"));
}
END_TEST

/* Whatever stands in the row: no letter leaves the site, nor goes where an MTA would send it on. */
static const char *const strangers[] = { "x@outside.example", "x@sub.example.com",
	"victim%outside.example@example.com", "outside.example!victim@example.com",
	"\"victim@outside.example\"@example.com", "|cmd@example.com", "anna", "" };

START_TEST(test_strangers)
{
	play.mailbox = strangers[_i];
	work(5000, &play.failed_count, 1);
	ck_assert_int_ge(atomic_load(&play.failed_count), 1);
	ck_assert_int_eq(atomic_load(&server.letters), 0);
	ck_assert_int_eq(atomic_load(&play.done_count), 0);
}
END_TEST

/* Many letters of a storm go out at a pace; those about people's own mail do not wait so. */
START_TEST(test_pace)
{
	int64_t start = base_now_ms();
	int storm;

	play.is_endless = true;
	play.action = HOLD_STORM;
	work(1500, &play.done_count, 1000);
	storm = atomic_load(&server.letters);
	ck_assert_int_ge(storm, 1);
	ck_assert_int_le(storm, 2 + (base_now_ms() - start) / 200);
	play.action = HOLD_CONFIRM;
	atomic_store(&play.done_count, 0);
	work(10000, &play.done_count, 4 * storm);
	ck_assert_int_ge(atomic_load(&play.done_count), 4 * storm);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("postman");
	TCase *tcase = tcase_create("postman");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, test_delivered);
	tcase_add_test(tcase, test_proof);
	tcase_add_test(tcase, test_refused);
	tcase_add_test(tcase, test_silent);
	tcase_add_test(tcase, test_slow);
	tcase_add_test(tcase, test_decided);
	tcase_add_test(tcase, test_limited);
	tcase_add_test(tcase, test_sent_as);
	tcase_add_test(tcase, test_tls_required);
	tcase_add_loop_test(tcase, test_tls_by_host, 0, sizeof(ways) / sizeof(*ways));
	tcase_add_test(tcase, test_no_token);
	tcase_add_loop_test(tcase, test_not_written_down, 0, 2);
	tcase_add_test(tcase, test_odd_sender);
	tcase_add_loop_test(tcase, test_strangers, 0, sizeof(strangers) / sizeof(*strangers));
	tcase_add_test(tcase, test_pace);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
