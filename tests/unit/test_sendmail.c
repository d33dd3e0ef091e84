/* Sendmail's driver: its control files, its configuration, and a queue in a private folder. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define HOLD_A "abcdefghijklmnop"
#define HOLD_B "234567abcdefghij"
#define END "; mac=abcdefghijklmnopqrstuvwxyz234567"
#define TAG_A "H??Oops-Milter: id=" HOLD_A "; action=confirm" END "\n"
#define TAG_B "H??Oops-Milter: id=" HOLD_B "; action=undo" END "\n"

/* As Sendmail 8.17 writes it; the quarantine comes before the flags. */
#define START "V8\nT1795480777\nK1795480777\nN0\nP60253\n"
#define QUARANTINE "qoops-milter: confirm, id=" HOLD_A "\n"
#define ENVELOPE                                                                                   \
	"Fbs\n$_mx.example.com [127.0.0.1]\n$rESMTP\n${daemon_flags}\n"                            \
	"S<anna@example.com>\nrRFC822; ben@example.org\nRPFD:<ben@example.org>\n"
#define HEADER                                                                                     \
	"H?P?Return-Path: <\201g>\n"                                                               \
	"H??Received: from client.example.com\n\tby mx.example.com;\n\tTue, 24 Nov\n"              \
	"H??Subject: Hello\n"
#define GOOD START QUARANTINE ENVELOPE HEADER TAG_A ".\n"

/* --- control files ------------------------------------------------------------------- */

static const struct {
	const char *text;
	enum base_result result;
	const char *hold_id; /* NULL: no tag */
	const char *directory;
} files[] = {
	{ GOOD, BASE_OK, HOLD_A, "" },
	{ START ENVELOPE HEADER ".\n", BASE_OK, NULL, "" },
	{ START "dq7\n" ENVELOPE TAG_B ".\n", BASE_OK, HOLD_B, "q7" },
	/* the first tag counts, also when it is not one of ours */
	{ START ENVELOPE TAG_B TAG_A ".\n", BASE_OK, HOLD_B, "" },
	{ START ENVELOPE "H??Oops-Milter: id=x\n" TAG_A ".\n", BASE_OK, "", "" },
	{ START ENVELOPE "H??oops-milter:\n id=" HOLD_A "; action=x" END "\n" TAG_B ".\n", BASE_OK,
	    "", "" },
	/* other spellings of the conditions */
	{ START ENVELOPE "HOops-Milter: id=" HOLD_A "; action=x" END "\n.\n", BASE_OK, HOLD_A, "" },
	{ START ENVELOPE "H?${x}?Oops-Milter: id=" HOLD_A "; action=x" END "\n.\n", BASE_OK, HOLD_A,
	    "" },
	/* not a header of its own */
	{ START ENVELOPE "H??X: y\n\tOops-Milter: id=" HOLD_A "; action=x" END "\n.\n", BASE_OK,
	    NULL, "" },
	{ START ENVELOPE "H??X-Oops-Milter: id=" HOLD_A "; action=x" END "\n.\n", BASE_OK, NULL,
	    "" },
	{ START ENVELOPE "qOops-Milter: id=" HOLD_A "; action=x" END "\n.\n", BASE_OK, NULL, "" },
	/* still being written */
	{ "", BASE_RETRY, NULL, NULL },
	{ "V", BASE_RETRY, NULL, NULL },
	{ START ENVELOPE HEADER TAG_A, BASE_RETRY, NULL, NULL },
	{ START ENVELOPE HEADER TAG_A ".", BASE_RETRY, NULL, NULL },
	/* no such file */
	{ "V9\n" ENVELOPE ".\n", BASE_REFUSE, NULL, NULL },
	{ "V0\n" ENVELOPE ".\n", BASE_REFUSE, NULL, NULL },
	{ "V8x\n" ENVELOPE ".\n", BASE_REFUSE, NULL, NULL },
	{ "T1795480777\nV8\n" ENVELOPE ".\n", BASE_REFUSE, NULL, NULL },
	{ "V8\nTsoon\n" ENVELOPE ".\n", BASE_REFUSE, NULL, NULL },
	{ "V8\n" ENVELOPE ".\n", BASE_REFUSE, NULL, NULL },
	{ START HEADER TAG_A ".\n", BASE_REFUSE, NULL, NULL },
	{ GOOD "more\n", BASE_REFUSE, NULL, NULL },
	{ GOOD "more", BASE_REFUSE, NULL, NULL },
	{ START ENVELOPE "\n" TAG_A ".\n", BASE_REFUSE, NULL, NULL },
	{ START ENVELOPE ".x\n", BASE_REFUSE, NULL, NULL },
	{ "From anna@example.com\n\nHello\n", BASE_REFUSE, NULL, NULL },
};

START_TEST(test_parse)
{
	struct queue_qf qf = { .version = 77 };
	const char *why = NULL;

	ck_assert_int_eq(
	    queue_qf_parse(files[_i].text, strlen(files[_i].text), &qf, &why), files[_i].result);
	if (files[_i].result != BASE_OK) {
		ck_assert_int_eq(qf.version, 77);
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_int_eq(qf.version, 8);
	ck_assert_int_eq(qf.created, 1795480777);
	ck_assert_int_eq(qf.has_tag, files[_i].hold_id != NULL);
	ck_assert_str_eq(qf.tag.hold_id, files[_i].hold_id == NULL ? "" : files[_i].hold_id);
	ck_assert_str_eq(qf.directory, files[_i].directory);
}
END_TEST

START_TEST(test_parse_bytes)
{
	static const char with_nul[] = START ENVELOPE "H??X: a\0b\n.\n";
	struct queue_qf qf;
	const char *why;

	ck_assert_int_eq(queue_qf_parse(with_nul, sizeof(with_nul) - 1, &qf, &why), BASE_REFUSE);
	/* however it is cut off, it is never taken for a whole one */
	for (size_t length = 0; length < sizeof(GOOD) - 1; length++)
		ck_assert_int_ne(queue_qf_parse(GOOD, length, &qf, &why), BASE_OK);
}
END_TEST

START_TEST(test_header)
{
	struct base_buffer header;

	base_buffer_init(&header, 10000);
	queue_qf_header(GOOD, sizeof(GOOD) - 1, &header);
	ck_assert_str_eq(base_buffer_text(&header),
	    "Received: from client.example.com\n\tby mx.example.com;\n\tTue, 24 Nov\n"
	    "Subject: Hello\nOops-Milter: id=" HOLD_A "; action=confirm" END "\n\n");
	base_buffer_free(&header);
}
END_TEST

static const struct {
	const char *text;
	bool is_returned;
	int64_t now;
	const char *rewritten;
} rewrites[] = {
	{ GOOD, false, 1795480777, START ENVELOPE HEADER TAG_A ".\n" },
	{ GOOD, true, 1795480900,
	    START "Fbs\n$_mx.example.com [127.0.0.1]\n$rESMTP\n${daemon_flags}\n"
		  "!\002 1\nS<anna@example.com>\nrRFC822; ben@example.org\n"
		  "RPFD:<ben@example.org>\n" HEADER TAG_A ".\n" },
	/* not older than the second that it gets */
	{ "V8\nT100\nSx\n.\n", true, 101, "V8\nT99\n!\002 1\nSx\n.\n" },
	{ "V8\nT100\nSx\n.\n", true, 102, "V8\nT100\n!\002 1\nSx\n.\n" },
	{ "V8\nT100\nSx\n.\n", false, 100, "V8\nT100\nSx\n.\n" },
	/* what the client asked for gives way to the return, and only to that */
	{ "V8\nT1\n!\001 600\nqx\n\ty\nSx\n.\n", true, 10, "V8\nT1\n!\002 1\nSx\n.\n" },
	{ "V8\nT1\n!\001 600\nqx\n\ty\nSx\n.\n", false, 10, "V8\nT1\n!\001 600\nSx\n.\n" },
};

START_TEST(test_rewrite)
{
	struct base_buffer file;

	base_buffer_init(&file, 10000);
	queue_qf_rewrite(rewrites[_i].text, strlen(rewrites[_i].text), rewrites[_i].is_returned,
	    rewrites[_i].now, &file);
	ck_assert_str_eq(base_buffer_text(&file), rewrites[_i].rewritten);
	base_buffer_free(&file);
}
END_TEST

/* --- a queue ---------------------------------------------------------------------------- */

static char folder[64];
static struct queue_server_options options;
static struct queue_mta mta;

/* A path below the folder of this test. */
static const char *
at(const char *name)
{
	static char paths[4][200];
	static size_t next;

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof(paths[next]), "%s/%s", folder, name);
	return paths[next];
}

/* Writes a file; the text may name the folder once, as %s. */
static void
put(const char *name, const char *text)
{
	FILE *file = fopen(at(name), "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

static bool
is_there(const char *name)
{
	struct stat status;

	return lstat(at(name), &status) == 0;
}

/* What a file holds. */
static void
get(const char *name, char text_r[10000])
{
	FILE *file = fopen(at(name), "r");
	size_t length;

	ck_assert_ptr_nonnull(file);
	length = fread(text_r, 1, 9999, file);
	text_r[length] = '\0';
	fclose(file);
}

/* Opens the driver with this configuration; %s in it is the folder. */
static enum base_result
open_with(const char *config, const char **why_r)
{
	char text[1000];
	const char *rest = config, *mark;
	size_t length = 0;

	while ((mark = strstr(rest, "%s")) != NULL) {
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%.*s%s",
		    (int)(mark - rest), rest, folder);
		rest = mark + 2;
	}
	snprintf(text + length, sizeof(text) - length, "%s", rest);
	put("sendmail.cf", text);
	return queue_sendmail.open(&mta, why_r);
}

static void
setup(void)
{
	static char config[100], program[100];
	const char *why;

	strcpy(folder, "/tmp/oops-sendmail-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(config, sizeof(config), "%s/sendmail.cf", folder);
	snprintf(program, sizeof(program), "%s/program", folder);
	/* it only says what it was asked for */
	put("program", "#!/bin/sh\necho \"$@\" >>$(dirname $0)/asked\n");
	ck_assert_int_eq(chmod(program, 0755), 0);
	options.sendmail_config = config;
	options.sendmail_program = program;
	mta.options = &options;
	ck_assert_int_eq(mkdir(at("q"), 0700), 0);
	ck_assert_int_eq(open_with("V10/Berkeley\nO QueueDirectory=%s/q\n", &why), BASE_OK);
}

static void
teardown(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* A whole message on hold, in one directory. */
static void
put_held(const char *directory, const char *queue_id, const char *control)
{
	char name[100];

	snprintf(name, sizeof(name), "%s/hf%s", directory, queue_id);
	put(name, control);
	snprintf(name, sizeof(name), "%s/df%s", directory, queue_id);
	put(name, "Hello.\n");
}

#define ID_1 "6AO0dbNb026360"
#define ID_2 "6AO0dbNb026361"

static int64_t
soon(void)
{
	return base_tick_ms() + 20000;
}

static enum queue_status
look(const char *queue_id)
{
	struct queue_lookup look = { .queue_id = queue_id, .hold_id = HOLD_A };

	queue_sendmail.lookup(&mta, &look, 1, soon());
	if (look.status == QUEUE_HELD || look.status == QUEUE_MOVING)
		ck_assert_str_eq(look.tag.hold_id, HOLD_A);
	return look.status;
}

/* One verb on one held message. */
static enum queue_status
act(enum queue_verb verb, const char *queue_id, const char *hold_id)
{
	struct queue_item item = { .queue_id = queue_id, .hold_id = hold_id, .status = QUEUE_HELD };
	const char *why = "";

	queue_sendmail.act(&mta, verb, &item, 1, soon(), &why);
	return item.status;
}

START_TEST(test_look)
{
	ck_assert_int_eq(look(ID_1), QUEUE_GONE);
	put_held("q", ID_1, GOOD);
	ck_assert_int_eq(look(ID_1), QUEUE_HELD);
	put("q/qf" ID_1, GOOD);
	ck_assert_int_eq(look(ID_1), QUEUE_MOVING);
	put("q/hf" ID_2, START ENVELOPE HEADER ".\n");
	ck_assert_int_eq(look(ID_2), QUEUE_FOREIGN);
	put("q/hf" ID_2, START ENVELOPE HEADER);
	ck_assert_int_eq(look(ID_2), QUEUE_FAILED);
	put("q/hf" ID_2, "nonsense\n.\n");
	ck_assert_int_eq(look(ID_2), QUEUE_FOREIGN);
}
END_TEST

START_TEST(test_mark)
{
	struct queue_item item = { .queue_id = ID_1, .hold_id = HOLD_A };
	struct queue_lookup look = { .queue_id = ID_1, .hold_id = HOLD_A };
	const char *why = "";
	struct stat status;

	put_held("q", ID_1, GOOD);
	put_held("q", ID_2, GOOD); /* of the same message: ids differ in the number alone */
	put("q/hf6AO0dbNc026360", START QUARANTINE ENVELOPE HEADER TAG_B ".\n");
	ck_assert_int_eq(queue_sendmail.mark(&mta, &item, true, &why), BASE_OK);
	queue_sendmail.lookup(&mta, &look, 1, soon());
	ck_assert(look.status == QUEUE_HELD && look.is_stopped);
	ck_assert_int_eq(stat(at("q/hf" ID_1), &status), 0);
	ck_assert_int_eq(status.st_mode & S_ISVTX, S_ISVTX);
	ck_assert_int_eq(stat(at("q/hf6AO0dbNc026360"), &status), 0);
	ck_assert_int_eq(status.st_mode & S_ISVTX, 0);
	ck_assert_int_eq(queue_sendmail.mark(&mta, &item, false, &why), BASE_OK);
	queue_sendmail.lookup(&mta, &look, 1, soon());
	ck_assert(look.status == QUEUE_HELD && !look.is_stopped);
	/* what is released carries no mark, whoever forgot to take it away */
	ck_assert_int_eq(queue_sendmail.mark(&mta, &item, true, &why), BASE_OK);
	ck_assert_int_eq(act(QUEUE_RELEASE, ID_1, HOLD_A), QUEUE_MOVING);
	ck_assert_int_eq(stat(at("q/qf" ID_1), &status), 0);
	ck_assert_int_eq(status.st_mode & S_ISVTX, 0);
}
END_TEST

START_TEST(test_look_follows_no_link)
{
	put("elsewhere", GOOD);
	ck_assert_int_eq(symlink(at("elsewhere"), at("q/hf" ID_1)), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_FOREIGN);
	ck_assert_int_eq(act(QUEUE_DELETE, ID_1, HOLD_A), QUEUE_FAILED);
	ck_assert(is_there("q/hf" ID_1) && is_there("elsewhere"));
	ck_assert_int_eq(mkfifo(at("q/hf" ID_2), 0600), 0);
	ck_assert_int_eq(look(ID_2), QUEUE_FOREIGN);
}
END_TEST

START_TEST(test_look_forgets_what_was_never_finished)
{
	struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	put("q/hf" ID_1, START);
	ck_assert_int_eq(utimensat(AT_FDCWD, at("q/hf" ID_1), times, 0), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_GONE);
}
END_TEST

START_TEST(test_release)
{
	char text[10000], asked[10000];
	struct stat status;

	put_held("q", ID_1, GOOD);
	ck_assert_int_eq(chmod(at("q/hf" ID_1), 0640), 0);
	ck_assert_int_eq(act(QUEUE_RELEASE, ID_1, HOLD_A), QUEUE_MOVING);
	ck_assert(!is_there("q/hf" ID_1) && !is_there("q/tf" ID_1));
	get("q/qf" ID_1, text);
	ck_assert_str_eq(text, START ENVELOPE HEADER TAG_A ".\n");
	ck_assert_int_eq(stat(at("q/qf" ID_1), &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0640);
	get("asked", asked);
	snprintf(text, sizeof(text), "-C %s -qI" ID_1 "\n", options.sendmail_config);
	ck_assert_str_eq(asked, text);
}
END_TEST

START_TEST(test_return)
{
	char text[10000];

	put_held("q", ID_1, GOOD);
	ck_assert_int_eq(act(QUEUE_RETURN, ID_1, HOLD_A), QUEUE_MOVING);
	get("q/qf" ID_1, text);
	ck_assert_ptr_nonnull(strstr(text, "\n!\002 1\nS<anna@example.com>\n"));
	ck_assert_ptr_null(strstr(text, "\nq"));
}
END_TEST

START_TEST(test_delete)
{
	put_held("q", ID_1, GOOD);
	put("q/xf" ID_1, "");
	put_held("q", ID_2, GOOD);
	ck_assert_int_eq(act(QUEUE_DELETE, ID_1, HOLD_A), QUEUE_GONE);
	ck_assert(!is_there("q/hf" ID_1) && !is_there("q/df" ID_1) && !is_there("q/xf" ID_1));
	ck_assert(is_there("q/hf" ID_2) && is_there("q/df" ID_2));
	ck_assert(!is_there("asked"));
}
END_TEST

START_TEST(test_verbs_leave_others_alone)
{
	char text[10000];

	put_held("q", ID_1, GOOD);
	for (int verb = QUEUE_RELEASE; verb <= QUEUE_DELETE; verb++) {
		ck_assert_int_eq(act((enum queue_verb)verb, ID_1, HOLD_B), QUEUE_FAILED);
		get("q/hf" ID_1, text);
		ck_assert_str_eq(text, GOOD);
		ck_assert(is_there("q/df" ID_1) && !is_there("q/qf" ID_1));
	}
	/* off hold already: nothing is done to it but a run */
	ck_assert_int_eq(rename(at("q/hf" ID_1), at("q/qf" ID_1)), 0);
	ck_assert_int_eq(act(QUEUE_DELETE, ID_1, HOLD_A), QUEUE_MOVING);
	ck_assert(is_there("q/qf" ID_1));
}
END_TEST

/* Another process: a lock of one's own is no hindrance. */
START_TEST(test_verbs_respect_locks)
{
	int fd;

	put_held("q", ID_1, GOOD);
	fd = open(at("q/hf" ID_1), O_RDWR);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_HELD);
	ck_assert_int_eq(act(QUEUE_RELEASE, ID_1, HOLD_A), QUEUE_FAILED);
	ck_assert_int_eq(act(QUEUE_DELETE, ID_1, HOLD_A), QUEUE_FAILED);
	ck_assert(is_there("q/hf" ID_1) && is_there("q/df" ID_1));
	close(fd);
	ck_assert_int_eq(act(QUEUE_RELEASE, ID_1, HOLD_A), QUEUE_MOVING);
}
END_TEST

/* Killed while it wrote: the temporary file is taken over; one on the way out is not hurt. */
START_TEST(test_release_after_a_kill)
{
	put_held("q", ID_1, GOOD);
	put("q/tf" ID_1, "half a");
	ck_assert_int_eq(act(QUEUE_RELEASE, ID_1, HOLD_A), QUEUE_MOVING);
	ck_assert(!is_there("q/tf" ID_1) && is_there("q/qf" ID_1));
}
END_TEST

START_TEST(test_many)
{
	struct queue_item items[40];
	char ids[40][QUEUE_MAX_ID], asked[10000];
	const char *why = "";
	size_t lines = 0;

	for (size_t i = 0; i < 40; i++) {
		snprintf(ids[i], sizeof(ids[i]), "6AO0dbNb0%05zu", i);
		put_held("q", ids[i], GOOD);
		items[i] = (struct queue_item){
			.queue_id = ids[i], .hold_id = HOLD_A, .status = QUEUE_HELD
		};
	}
	items[7].status = QUEUE_FOREIGN;
	ck_assert_int_eq(queue_sendmail.act(&mta, QUEUE_RELEASE, items, 40, soon(), &why), BASE_OK);
	for (size_t i = 0; i < 40; i++)
		ck_assert_int_eq(items[i].status, i == 7 ? QUEUE_FOREIGN : QUEUE_MOVING);
	ck_assert(is_there("q/hf6AO0dbNb000007"));
	get("asked", asked);
	for (const char *c = asked; *c != '\0'; c++)
		lines += *c == '\n';
	ck_assert_uint_eq(lines, 8);
}
END_TEST

/* Sendmail splits a message between queue groups: its pieces go the same way. */
START_TEST(test_pieces)
{
	static const char *const ids[] = { "6AO21Hjr020654", "6AO21Hjs020654", "6AO21Hjt020654" };

	for (int verb = QUEUE_RELEASE; verb <= QUEUE_DELETE; verb++) {
		for (size_t i = 0; i < COUNT_OF(ids); i++)
			put_held("q", ids[i], GOOD);
		/* of the same client, but another mail */
		put_held("q", "6AO21Hju020654", START ENVELOPE TAG_B ".\n");
		ck_assert_int_eq(act((enum queue_verb)verb, ids[0], HOLD_A),
		    verb == QUEUE_DELETE ? QUEUE_GONE : QUEUE_MOVING);
		for (size_t i = 0; i < COUNT_OF(ids); i++)
			ck_assert_int_eq(
			    look(ids[i]), verb == QUEUE_DELETE ? QUEUE_GONE : QUEUE_MOVING);
		ck_assert(is_there("q/hf6AO21Hju020654"));
		for (size_t i = 0; verb != QUEUE_DELETE && i < COUNT_OF(ids); i++) {
			char name[50];

			snprintf(name, sizeof(name), "q/qf%s", ids[i]);
			ck_assert_int_eq(unlink(at(name)), 0);
		}
	}
	/* what was asked for has left, and a piece of it has not */
	put_held("q", ids[1], GOOD);
	ck_assert_int_eq(look(ids[0]), QUEUE_HELD);
	ck_assert_int_eq(act(QUEUE_RELEASE, ids[0], HOLD_A), QUEUE_MOVING);
	ck_assert_int_eq(look(ids[0]), QUEUE_MOVING);
}
END_TEST

START_TEST(test_read)
{
	struct base_buffer message;
	const char *why;

	put_held("q", ID_1, GOOD);
	base_buffer_init(&message, 10000);
	ck_assert_int_eq(queue_sendmail.read(&mta, ID_1, soon(), &message, &why), BASE_OK);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&message),
	    "\nOops-Milter: id=" HOLD_A "; action=confirm" END "\n\nHello.\n"));
	base_buffer_clear(&message);
	ck_assert_int_ne(queue_sendmail.read(&mta, ID_2, soon(), &message, &why), BASE_OK);
	base_buffer_free(&message);
	base_buffer_init(&message, 100);
	ck_assert_int_eq(queue_sendmail.read(&mta, ID_1, soon(), &message, &why), BASE_REFUSE);
	base_buffer_free(&message);
}
END_TEST

/* --- several directories ------------------------------------------------------------------- */

/* Two queues that a star stands for, one of them with subdirectories, and a group. */
static void
make_queues(void)
{
	static const char *const directories[] = { "m", "m/q1", "m/q2", "m/q2/qf", "m/q2/df",
		"m/q2/xf", "m/other", "g" };
	const char *why;

	for (size_t i = 0; i < COUNT_OF(directories); i++)
		ck_assert_int_eq(mkdir(at(directories[i]), 0700), 0);
	put("m/q-is-a-file", "");
	ck_assert_int_eq(open_with("O QueueDirectory=%s/m/q*\nO Timeout.ident=0\n"
				   "Qslow, P=%s/g, R=5\nQfast, F=f, P=other\n",
			     &why),
	    BASE_OK);
}

START_TEST(test_directories)
{
	char text[10000];

	make_queues();
	put_held("m/q1", ID_1, GOOD);
	put("m/q2/qf/hf" ID_2, GOOD);
	put("m/q2/df/df" ID_2, "Hello.\n");
	put("m/q2/xf/xf" ID_2, "");
	put_held("g", "6AO0dbNb026362", GOOD);
	put_held("m/other", "6AO0dbNb026363", GOOD);
	put_held("q", "6AO0dbNb026364", GOOD);
	ck_assert_int_eq(look(ID_1), QUEUE_HELD);
	ck_assert_int_eq(look(ID_2), QUEUE_HELD);
	ck_assert_int_eq(look("6AO0dbNb026362"), QUEUE_HELD);
	ck_assert_int_eq(look("6AO0dbNb026363"), QUEUE_HELD);
	ck_assert_int_eq(look("6AO0dbNb026364"), QUEUE_GONE);
	ck_assert_int_eq(act(QUEUE_DELETE, ID_2, HOLD_A), QUEUE_GONE);
	ck_assert(!is_there("m/q2/qf/hf" ID_2) && !is_there("m/q2/df/df" ID_2) &&
		  !is_there("m/q2/xf/xf" ID_2));
	ck_assert_int_eq(act(QUEUE_RELEASE, "6AO0dbNb026362", HOLD_A), QUEUE_MOVING);
	get("g/qf6AO0dbNb026362", text);
}
END_TEST

/* The data file may lie in the directory of another group. */
START_TEST(test_data_elsewhere)
{
	struct base_buffer message;
	const char *why;

	make_queues();
	put("m/q1/hf" ID_1, START "dg\n" ENVELOPE TAG_A ".\n");
	put("g/df" ID_1, "Over there.\n");
	base_buffer_init(&message, 10000);
	ck_assert_int_eq(queue_sendmail.read(&mta, ID_1, soon(), &message, &why), BASE_OK);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&message), "\n\nOver there.\n"));
	base_buffer_free(&message);
	ck_assert_int_eq(act(QUEUE_DELETE, ID_1, HOLD_A), QUEUE_GONE);
	ck_assert(!is_there("g/df" ID_1));
	put("m/q1/hf" ID_2, START "d../../etc\n" ENVELOPE TAG_A ".\n");
	ck_assert_int_eq(look(ID_2), QUEUE_FAILED);
	ck_assert_int_eq(act(QUEUE_DELETE, ID_2, HOLD_A), QUEUE_FAILED);
}
END_TEST

/* Makes a folder look as if nothing happened in it since then. */
static void
last_changed(const char *name, int64_t when)
{
	struct timespec times[] = { { .tv_sec = when }, { .tv_sec = when } };

	ck_assert_int_eq(utimensat(AT_FDCWD, at(name), times, 0), 0);
}

/* Another folder where the queue was: nothing is known of what was in it. */
START_TEST(test_another_directory)
{
	char queue[100];
	const char *why;

	snprintf(queue, sizeof(queue), "%s", at("q"));
	put_held("q", ID_1, GOOD);
	ck_assert_int_eq(look(ID_1), QUEUE_HELD);
	ck_assert_int_eq(look(ID_2), QUEUE_GONE);
	ck_assert_int_eq(rename(queue, at("away")), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	ck_assert(mta.is_away);
	ck_assert_int_eq(mkdir(queue, 0700), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	put("q/qf6AO0dbNb026399", START ENVELOPE HEADER ".\n"); /* mail goes on there */
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	/* the right one again */
	ck_assert_int_eq(rename(queue, at("wrong")), 0);
	ck_assert_int_eq(rename(at("away"), queue), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_HELD);
	ck_assert_int_eq(look(ID_2), QUEUE_GONE);
	ck_assert(!mta.is_away);
	/* moved to a place of its own, with all that is in it: what is found shows that */
	ck_assert_int_eq(mkdir(at("new"), 0700), 0);
	ck_assert_int_eq(rename(at("q/hf" ID_1), at("new/hf" ID_1)), 0);
	ck_assert_int_eq(rename(queue, at("old")), 0);
	ck_assert_int_eq(rename(at("new"), queue), 0);
	ck_assert_int_eq(look(ID_2), QUEUE_FAILED);
	ck_assert_int_eq(look(ID_1), QUEUE_HELD);
	ck_assert_int_eq(look(ID_2), QUEUE_GONE);
	/* or the admin says so */
	ck_assert_int_eq(rename(queue, at("older")), 0);
	ck_assert_int_eq(mkdir(queue, 0700), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	ck_assert_int_eq(queue_sendmail.open(&mta, &why), BASE_OK);
	ck_assert_int_eq(look(ID_1), QUEUE_GONE);
}
END_TEST

/* At the start the queue is not mounted: nobody touched the folder since before the mail came. */
START_TEST(test_not_mounted_at_the_start)
{
	int64_t given = queue_id_time(ID_1, base_now());
	const char *why;

	ck_assert_int_eq(given, 1795480777);
	last_changed("q", given - 2 * 86400);
	ck_assert_int_eq(queue_sendmail.open(&mta, &why), BASE_OK);
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	put("q/qf6AO0dbNb026399", START ENVELOPE HEADER ".\n"); /* what comes in changes nothing */
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	ck_assert_int_eq(look("nothing"), QUEUE_GONE); /* no id of Sendmail's */
	last_changed("q", given + 10);
	ck_assert_int_eq(queue_sendmail.open(&mta, &why), BASE_OK);
	ck_assert_int_eq(look(ID_1), QUEUE_GONE);
}
END_TEST

/* All that a star stands for, or one of them, is not there. */
START_TEST(test_some_directories_are_away)
{
	char one[100], queues[100];
	const char *why;

	make_queues();
	put_held("m/q1", ID_1, GOOD);
	ck_assert_int_eq(look(ID_2), QUEUE_GONE);
	snprintf(one, sizeof(one), "%s", at("m/q1"));
	ck_assert_int_eq(rename(one, at("m/away")), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	ck_assert_int_eq(rename(at("m/away"), one), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_HELD);
	snprintf(queues, sizeof(queues), "%s", at("m"));
	ck_assert_int_eq(rename(queues, at("away")), 0);
	ck_assert_int_eq(mkdir(queues, 0700), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	ck_assert_int_eq(mkdir(one, 0700), 0);
	ck_assert_int_eq(look(ID_1), QUEUE_FAILED);
	/* another group may have the same ones */
	ck_assert_int_eq(rmdir(one), 0);
	ck_assert_int_eq(rmdir(queues), 0);
	ck_assert_int_eq(rename(at("away"), queues), 0);
	ck_assert_int_eq(open_with("O QueueDirectory=%s/m/q*\nQother, P=%s/m/q*\n", &why), BASE_OK);
	ck_assert_int_eq(look(ID_2), QUEUE_GONE);
	ck_assert_int_eq(rename(one, at("m/away")), 0);
	ck_assert_int_eq(look(ID_2), QUEUE_FAILED);
	ck_assert_int_eq(rename(at("m/away"), one), 0);
	/* one more is none of those that were there */
	ck_assert_int_eq(mkdir(at("m/q9"), 0700), 0);
	ck_assert_int_eq(look(ID_2), QUEUE_GONE);
}
END_TEST

static const struct {
	const char *queue_id;
	int64_t given;
} given_ids[] = {
	{ ID_1, 1795480777 }, { "7000000b026360", 0 }, /* no day of a month */
	{ "6AO0dy0b026360", 0 },                       /* no digit */
	{ "6A", 0 }, { "4bjQ3Q5Xs4z1bYbh", 0 },        /* Postfix's */
	{ "7010000b026360", -94694400 },               /* not of next year */
};

START_TEST(test_id_time)
{
	ck_assert_int_eq(
	    queue_id_time(given_ids[_i].queue_id, 1795480777 + 100), given_ids[_i].given);
}
END_TEST

START_TEST(test_held)
{
	struct base_buffer ids;
	const char *why;

	make_queues();
	put_held("m/q1", ID_1, GOOD);
	put("m/q2/qf/hf" ID_2, GOOD);
	put("m/q2/qf/qf6AO0dbNb026365", GOOD);
	put("m/q2/qf/hf-x", GOOD);
	base_buffer_init(&ids, 10000);
	ck_assert_int_eq(queue_sendmail.list_held(&mta, soon(), &ids, &why), BASE_OK);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&ids), ID_1 "\n"));
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&ids), ID_2 "\n"));
	ck_assert_uint_eq(ids.length, 2 * sizeof(ID_1));
	base_buffer_free(&ids);
}
END_TEST

START_TEST(test_linked_directory)
{
	const char *why = "";

	ck_assert_int_eq(symlink(at("q"), at("link")), 0);
	ck_assert_int_eq(open_with("O QueueDirectory=%s/link\n", &why), BASE_BROKEN);
	ck_assert_ptr_nonnull(strstr(why, "links are not followed"));
}
END_TEST

static const struct {
	const char *config;
	enum base_result result;
} configs[] = {
	{ "OQ%s/q\n", BASE_OK },
	{ "O queuedirectory = %s/q\n", BASE_OK },
	{ "O QueueDirectory=/nowhere\nO QueueDirectory=%s/q\n", BASE_OK },
	{ "#O QueueDirectory=/nowhere/q\nO QueueDirectory=%s/q\n", BASE_OK },
	{ "O QueueDirectory=%s/q\nQmqueue, F=f\nQuote\n", BASE_OK },
	{ "", BASE_BROKEN },
	{ "O QueueDirectory=q\n", BASE_BROKEN },
	{ "O QueueDirectory=\n", BASE_BROKEN },
	{ "O QueueDirectory=%s/nowhere\n", BASE_BROKEN },
	{ "O QueueDirectory=%s/nowhere/q*\n", BASE_BROKEN },
	{ "O QueueDirectory=%s/sendmail.cf\n", BASE_BROKEN },
};

START_TEST(test_config)
{
	const char *why = NULL;

	ck_assert_int_eq(open_with(configs[_i].config, &why), configs[_i].result);
	if (configs[_i].result != BASE_OK)
		ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(test_open)
{
	const char *why = NULL;

	options.sendmail_program = "/nowhere/sendmail";
	ck_assert_int_eq(queue_sendmail.open(&mta, &why), BASE_BROKEN);
	ck_assert_ptr_nonnull(strstr(why, "/nowhere/sendmail"));
	options.sendmail_program = at("program");
	options.sendmail_config = "/nowhere/sendmail.cf";
	ck_assert_int_eq(queue_sendmail.open(&mta, &why), BASE_BROKEN);
	ck_assert_ptr_nonnull(strstr(why, "/nowhere/sendmail.cf"));
	ck_assert_ptr_eq(queue_driver_for("sendmail"), &queue_sendmail);
	ck_assert_ptr_null(queue_driver_for("exim"));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sendmail");
	TCase *text = tcase_create("control files"), *queue = tcase_create("queue");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(text, test_parse, 0, COUNT_OF(files));
	tcase_add_test(text, test_parse_bytes);
	tcase_add_test(text, test_header);
	tcase_add_loop_test(text, test_rewrite, 0, COUNT_OF(rewrites));
	tcase_add_loop_test(text, test_id_time, 0, COUNT_OF(given_ids));
	suite_add_tcase(suite, text);
	tcase_add_checked_fixture(queue, setup, teardown);
	tcase_add_test(queue, test_look);
	tcase_add_test(queue, test_look_follows_no_link);
	tcase_add_test(queue, test_mark);
	tcase_add_test(queue, test_look_forgets_what_was_never_finished);
	tcase_add_test(queue, test_release);
	tcase_add_test(queue, test_return);
	tcase_add_test(queue, test_delete);
	tcase_add_test(queue, test_verbs_leave_others_alone);
	tcase_add_test(queue, test_verbs_respect_locks);
	tcase_add_test(queue, test_release_after_a_kill);
	tcase_add_test(queue, test_many);
	tcase_add_test(queue, test_pieces);
	tcase_add_test(queue, test_read);
	tcase_add_test(queue, test_directories);
	tcase_add_test(queue, test_data_elsewhere);
	tcase_add_test(queue, test_another_directory);
	tcase_add_test(queue, test_not_mounted_at_the_start);
	tcase_add_test(queue, test_some_directories_are_away);
	tcase_add_test(queue, test_held);
	tcase_add_test(queue, test_linked_directory);
	tcase_add_loop_test(queue, test_config, 0, COUNT_OF(configs));
	tcase_add_test(queue, test_open);
	suite_add_tcase(suite, queue);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
