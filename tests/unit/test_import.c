/* Importing: what each format says was sent, learned once, whatever happens meanwhile. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/replay/import.h"
#include "milter/store/record.h"
#include "milter/store/store.h"
#include "milter/history/record.h"
#include "tests/unit/folder.h"

#define UNTIL 1795482000 /* 24 November 2026 01:00 UTC */

/* --- logs -------------------------------------------------------------------------- */

#define Q "Nov 23 10:00:0"
#define BEGUN                                                                                      \
	Q "1 mx postfix/cleanup[9]: 4AB12C: message-id=<m1@x>\n" Q                                 \
	  "1 mx postfix/qmgr[8]: 4AB12C: from=<Anna@Example.com>, size=9, nrcpt=2 (queue "         \
	  "active)\n"
#define TO(who, status)                                                                            \
	Q "2 mx postfix/smtp[7]: 4AB12C: to=<" who                                                 \
	  ">, relay=r[1.2.3.4]:25, delay=1, dsn=2.0.0, status=" status "\n"
#define REMOVED Q "3 mx postfix/qmgr[8]: 4AB12C: removed\n"
#define S "Nov 23 10:00:01 mx sm-mta[77]: 5ANABC012345: "

static const struct {
	const char *lines;
	const char *mails; /* "time sender recipients id\n" each */
	size_t malformed;
} logs[] = {
	{ BEGUN TO("bob@x.org", "sent (250 ok)") TO("c@x.org", "sent (250)") REMOVED,
	    "anna@example.com bob@x.org,c@x.org m1@x\n", 0 },
	/* not sent, not yet sent, not removed */
	{ BEGUN TO("bob@x.org", "bounced (no)") REMOVED, "", 0 },
	{ BEGUN TO("bob@x.org", "deferred (later)") TO("c@x.org", "sent (ok)"), "", 0 },
	{ BEGUN TO("b@x.org", "deferred (later)") TO("b@x.org", "sent (ok)") REMOVED,
	    "anna@example.com b@x.org m1@x\n", 0 },
	/* a list or alias as it was written to */
	{ BEGUN Q "2 mx postfix/local[7]: 4AB12C: to=<c@x>, orig_to=<all@x.org>, relay=local, "
		  "status=sent (ok)\n" REMOVED,
	    "anna@example.com all@x.org m1@x\n", 0 },
	/* bounces have no sender; what began before the log did is not known */
	{ Q "1 mx postfix/qmgr[8]: 4AB12C: from=<>, size=9, nrcpt=1\n" TO("b@x", "sent") REMOVED,
	    "", 0 },
	{ TO("b@x", "sent") REMOVED, "", 0 },
	/* a queue id that is used again is another mail */
	{ BEGUN TO("b@x.org", "sent") BEGUN TO("c@x.org", "sent") REMOVED,
	    "anna@example.com c@x.org m1@x\n", 0 },
	/* ISO stamps, several instances, long queue ids */
	{ "2026-11-23T10:00:00.5+01:00 mx postfix-out/qmgr[8]: 4XbCdE1gHz: from=<a@x>, "
	  "size=9, "
	  "nrcpt=1\n2026-11-23T10:00:01.5+01:00 mx postfix-out/lmtp[8]: 4XbCdE1gHz: "
	  "to=<b@x>, "
	  "status=sent (ok)\n2026-11-23T10:00:02.5+01:00 mx postfix-out/qmgr[8]: "
	  "4XbCdE1gHz: "
	  "removed\n",
	    "a@x b@x -\n", 0 },
	/* as the journal writes them */
	{ "2026-11-23T10:00:00+0100 mx postfix/qmgr[8]: 4XbCdE1gHz: from=<a@x>, size=9, "
	  "nrcpt=1\n2026-11-23T10:00:01.5+0100 mx postfix/lmtp[8]: 4XbCdE1gHz: to=<b@x>, "
	  "status=sent (ok)\n2026-11-23T10:00:02+0100 mx postfix/qmgr[8]: 4XbCdE1gHz: "
	  "removed\n",
	    "a@x b@x -\n", 0 },
	/* Sendmail: done when nrcpts were tried */
	{ S "from=<anna@x>, size=9, class=0, nrcpts=3, msgid=<m2@x>, proto=ESMTP\n" S
	    "to=<b@x>,<c@x>, delay=00:00:01, mailer=esmtp, stat=Sent (ok)\n" S
	    "to=<d@x>, delay=00:00:01, stat=User unknown\n",
	    "anna@x b@x,c@x m2@x\n", 0 },
	{ S "from=<anna@x>, size=9, nrcpts=2, msgid=<m2@x>\n" S "to=<b@x>, stat=Sent (ok)\n" S
	    "to=<c@x>, stat=Deferred: no route\n",
	    "", 0 },
	{ S "from=<anna@x>, nrcpts=1, msgid=<m2@x>\n" S "to=<c@x>, stat=Deferred: no route\n" S
	    "to=<c@x>, ctladdr=<anna@x> (8/0), stat=Sent\n",
	    "anna@x c@x m2@x\n", 0 },
	/* other lines, and broken ones */
	{ "Nov 23 10:00:01 mx sshd[7]: to=<b@x>, status=sent\n\nnonsense\n", "", 0 },
	{ "Nov 23 10:00:01 mx postfix/smtpd[7]: connect from x[1.2.3.4]\n", "", 0 },
	{ "Xxx 99 10:00:01 mx postfix/qmgr[8]: 4AB12C: removed\n", "", 1 },
	{ Q "1 mx postfix/qmgr[8]: 4AB12C: from=<a@x\n", "", 1 },
	{ BEGUN Q "2 mx postfix/smtp[7]: 4AB12C: to=<b@x\n" REMOVED, "", 1 },
	{ BEGUN Q "2 mx postfix/smtp[7]: 4AB12C: to=<>, status=sent\n" REMOVED, "", 1 },
	{ Q "2 mx postfix/smtp[7]: 4AB12C: , , dsn=2.0.0, status=sent (ok)\n", "", 0 },
};

static enum base_result
mail_print(
    void *context, struct base_arena *arena, struct mail_transaction *mail, const char **why_r)
{
	struct base_buffer *text = context;

	(void)arena;
	(void)why_r;
	base_buffer_printf(text, "%s ", mail->envelope_sender);
	for (size_t i = 0; i < mail->recipients.count; i++)
		base_buffer_printf(text, "%s%s", i ? "," : "", mail->recipients.items[i]);
	base_buffer_printf(text, " %s\n", *mail->message_id ? mail->message_id : "-");
	return BASE_OK;
}

/* All lines of a text; how many were malformed. */
static size_t
lines_take(struct replay_log *log, const char *text)
{
	size_t malformed = 0;
	const char *why = "";

	for (const char *end; *text; text = end + 1) {
		char *line;

		end = strchr(text, '\n');
		line = strndup(text, (size_t)(end - text));
		malformed += replay_log_line(log, line, strlen(line), &why) == BASE_REFUSE;
		free(line);
	}
	return malformed;
}

/* A log and what was sent by it. */
struct taken {
	struct base_arena *arena;
	struct base_buffer text;
	struct replay_log *log;
};

static void
taken_begin(struct taken *taken)
{
	taken->arena = base_arena_new(1u << 20);
	base_buffer_init(&taken->text, 65536);
	taken->log = replay_log_new(taken->arena, mail_print, &taken->text);
	replay_log_until(taken->log, UNTIL);
}

static void
taken_end(struct taken *taken)
{
	replay_log_free(&taken->log);
	base_buffer_free(&taken->text);
	base_arena_free(&taken->arena);
}

START_TEST(log_tells_what_was_sent)
{
	struct taken taken;

	taken_begin(&taken);
	ck_assert_uint_eq(lines_take(taken.log, logs[_i].lines), logs[_i].malformed);
	ck_assert_str_eq(base_buffer_text(&taken.text), logs[_i].mails);
	taken_end(&taken);
}
END_TEST

/* Mails whose end is not in the log do not keep out those that are sent. */
START_TEST(log_goes_on_after_many_open)
{
	struct taken taken;

	taken_begin(&taken);
	for (unsigned i = 0; i < REPLAY_LOG_MAX_OPEN + 10; i++) {
		char line[120];

		snprintf(line, sizeof(line),
		    "Nov 23 09:00:00 mx postfix/cleanup[9]: %07X: message-id=<r%u@x>\n", i + 1, i);
		ck_assert_uint_eq(lines_take(taken.log, line), 0);
	}
	ck_assert_uint_eq(lines_take(taken.log, BEGUN TO("bob@x.org", "sent (250 ok)") REMOVED), 0);
	ck_assert_str_eq(base_buffer_text(&taken.text), "anna@example.com bob@x.org m1@x\n");
	taken_end(&taken);
}
END_TEST

/* Rejected mails do not push out one that waits. */
START_TEST(log_waits_through_many_rejected)
{
	static const char *const rejects[] = {
		"milter-reject: END-OF-MESSAGE from x[1.2.3.4]: 5.7.1 no; from=<a@x> "
		"to=<b@x>",
		"reject: header Subject: x from x[1.2.3.4]; from=<a@x> to=<b@x>: 5.7.1 no",
	};
	struct taken taken;

	taken_begin(&taken);
	lines_take(taken.log, BEGUN);
	for (unsigned i = 0; i < REPLAY_LOG_MAX_OPEN + 10; i++) {
		char lines[300];

		snprintf(lines, sizeof(lines),
		    Q "1 mx postfix/cleanup[9]: %07X: message-id=<r%u@x>\n" Q
		      "1 mx postfix/cleanup[9]: %07X: %s\n",
		    i + 1, i, i + 1, rejects[_i]);
		ck_assert_uint_eq(lines_take(taken.log, lines), 0);
	}
	ck_assert_uint_eq(lines_take(taken.log, TO("bob@x.org", "sent (250 ok)") REMOVED), 0);
	ck_assert_str_eq(base_buffer_text(&taken.text), "anna@example.com bob@x.org m1@x\n");
	taken_end(&taken);
}
END_TEST

/* How many there were, without the addresses, which live for the call. */
static enum base_result
set_keep(void *context, struct base_arena *arena, struct mail_transaction *mail, const char **why_r)
{
	(void)arena;
	(void)why_r;
	*(struct mail_addresses *)context = mail->recipients;
	return BASE_OK;
}

/* A mail to more than are kept is learned all the same, and known to have more. */
START_TEST(log_keeps_some_of_very_many)
{
	/* Short addresses reach the most that a set keeps; long ones the most bytes of a log. */
	static const struct {
		int width; /* of the local part */
		size_t least, most;
	} cases[] = { { 12, MAIL_MAX_RECIPIENTS, MAIL_MAX_RECIPIENTS }, { 60, 3000, 4000 } };
	struct base_arena *arena = base_arena_new(8u << 20);
	struct mail_addresses set = { 0 };
	struct replay_log *log = replay_log_new(arena, set_keep, &set);

	replay_log_until(log, UNTIL);
	lines_take(log, BEGUN);
	for (unsigned i = 0; i < 12000; i++) {
		char line[200];

		snprintf(line, sizeof(line),
		    Q "2 mx postfix/smtp[7]: 4AB12C: to=<%0*u@customer.example>, "
		      "status=sent (ok)\n",
		    cases[_i].width, i);
		ck_assert_uint_eq(lines_take(log, line), 0);
	}
	lines_take(log, REMOVED);
	ck_assert_uint_ge(set.count, cases[_i].least);
	ck_assert_uint_le(set.count, cases[_i].most);
	ck_assert_uint_eq(set.seen, 12000);
	ck_assert(set.capped);
	replay_log_free(&log);
	base_arena_free(&arena);
}
END_TEST

static enum base_result
time_keep(
    void *context, struct base_arena *arena, struct mail_transaction *mail, const char **why_r)
{
	(void)arena;
	(void)why_r;
	*(int64_t *)context = mail->time;
	return BASE_OK;
}

/* Takes a mail whose lines have this stamp; its time. */
static int64_t
stamp_time(struct base_arena *arena, int64_t until, const char *stamp)
{
	static const char *const rests[] = { "from=<a@x>, nrcpt=1", "to=<b@x>, status=sent",
		"removed" };
	int64_t time = 0;
	struct replay_log *log = replay_log_new(arena, time_keep, &time);
	char line[200];

	replay_log_until(log, until);
	for (size_t part = 0; part < sizeof(rests) / sizeof(*rests); part++) {
		snprintf(
		    line, sizeof(line), "%s mx postfix/qmgr[1]: ABCDEF: %s\n", stamp, rests[part]);
		ck_assert_msg(lines_take(log, line) == 0, "%s", stamp);
	}
	replay_log_free(&log);
	return time;
}

/* Zones and fractions of a second, as rsyslog and the journal write them. */
START_TEST(log_stamps)
{
	static const char *const stamps[] = {
		"Nov 24 00:00:00",
		"Nov 24 00:00:00.123456", /* journalctl -o short-precise */
		"2026-11-24T00:00:00Z",
		"2026-11-24T00:00:00.123456Z",
		"2026-11-24T00:00:00+0000",
		"2026-11-24T00:00:00.123456+0000",
		"2026-11-24T01:30:00+0130",
		"2026-11-24T01:30:00.5+01:30",
		"2026-11-23T20:30:00-0330",
		"2026-11-23T20:30:00.123456-03:30",
	};
	struct base_arena *arena = base_arena_new(1u << 20);

	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++) {
		int64_t time = stamp_time(arena, UNTIL, stamps[i]);

		ck_assert_msg(time == 1795478400, "%s: %ld", stamps[i], (long)time);
	}
	base_arena_free(&arena);
}
END_TEST

/* The year of a stamp that has none. */
START_TEST(log_years)
{
	static const struct {
		int64_t until;
		const char *month;
		int64_t time;
	} cases[] = {
		{ 1795482000, "Nov 24", 1795478400 },
		{ 1795482000, "Nov 25", 1795564800 }, /* a clock that is a little ahead */
		{ 1795482000, "Dec 24", 1795478400 - 335 * INT64_C(86400) },
		{ 1767250000, "Dec 31", 1767139200 }, /* written on 1 January */
		{ 1767250000, "Jan  1", 1767225600 },
		{ 1795482000, "Feb 29", 1709164800 }, /* of 2024 */
	};
	struct base_arena *arena = base_arena_new(1u << 20);

	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char stamp[40];
		int64_t time;

		snprintf(stamp, sizeof(stamp), "%s 00:00:00", cases[i].month);
		time = stamp_time(arena, cases[i].until, stamp);
		ck_assert_msg(time == cases[i].time, "%zu: %ld", i, (long)time);
	}
	base_arena_free(&arena);
}
END_TEST

START_TEST(dates)
{
	static const struct {
		const char *text;
		int64_t time; /* 0: refused */
	} cases[] = {
		{ "Tue, 24 Nov 2026 01:00:00 +0000", 1795482000 },
		{ "24 Nov 2026 02:00:00 +0100 (CET)", 1795482000 },
		{ " Mon,  23 Nov 2026 20:00 EST", 1795482000 },
		{ "Tue, 24 Nov 26 01:00:00 GMT", 1795482000 },
		{ "Tue, 24 Nov 2026 01:00:00", 1795482000 },
		{ "Tue 24 Nov 2026 01:00:00 +0000", 1795482000 },
		{ "Wed 29 May 2026 06:09:22 PM EDT", 1780092562 },
		{ "Thursday, April 09, 2026 9:00 AM", 1775725200 },
		{ "Tue Nov 24 01:00:00 2026", 1795482000 },
		{ "Tue Nov 24 02:00:00 CET 2026", 1795482000 },
		{ "Tuesday, 24-Nov-26 01:00:00 GMT", 1795482000 },
		{ "24-Nov-2026 01:00:00 +0000", 1795482000 },
		{ "2026-11-24T01:00:00Z", 1795482000 },
		{ "2026-11-24 02:00:00+01:00", 1795482000 },
		{ "2026/11/24 01:00:00.123", 1795482000 },
		{ "November 24, 2026 12:00:00 AM", 1795478400 },
		{ "24 Nov 2026 12:30 PM", 1795523400 },
		{ "24 Nov 126 01:00:00 Z", 1795482000 },
		{ "24 Sept 2026 01:00:00 (x) +0100", 1790211600 },
		{ "03/04/2026 01:00:00", 0 }, /* March or April? */
		{ "24 Nov 2026 24:00", 0 },
		{ "24 Nov 2026 01:60", 0 },
		{ "2026-13-24 01:00:00", 0 },
		{ "24 Nov 2026 01:", 0 },
		{ "1:00:00:00:00 +05: 24 Nov", 0 },
		{ "yesterday", 0 },
		{ "", 0 },
		{ "Tue, 24 Nov 2026", 0 },
		{ "1 Jan 1900 00:00:00 +0000", 0 },
		{ "1 Jan 9999 00:00:00 +0000", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t time = 0;
		bool is_date = replay_date_parse(cases[i].text, &time);

		ck_assert_msg(is_date == (cases[i].time != 0) && time == cases[i].time, "%s: %ld",
		    cases[i].text, (long)time);
	}
}
END_TEST

/* --- the whole way ----------------------------------------------------------------- */

static char directory[] = "/tmp/oops-test-import-XXXXXX";
static const char *delimiter = ""; /* of the sites' addresses */

/* A memory, what goes with it, and an import into it. */
struct config {
	struct settings *settings;
	struct base_key *key;
	struct judge_scorecard *scorecard;
	struct audience_directory *audience;
	struct history *history;
	struct replay_import *import;
	int signal;          /* written to at each batch, -1: nowhere */
	int64_t done, total; /* as told last */
	size_t reported;
};

static void
batch_signal(void *context, int64_t done, int64_t total)
{
	struct config *config = context;

	ck_assert_int_le(done, total);
	if (config->reported++) {
		ck_assert_int_ge(done, config->done);
		ck_assert_int_eq(total, config->total);
	}
	config->done = done;
	config->total = total;
	if (config->signal >= 0)
		ck_assert_int_eq(write(config->signal, "+", 1), 1);
}

/* The site's people, and a list of theirs. */
static void
settings_lists(struct settings *settings)
{
	static struct settings_list lists[] = { { .address = "staff@example.com", .members = 40 } };
	static const char *domains[] = { "example.com" };

	settings->lists = lists;
	settings->list_count = 1;
	settings->identity.local_domains = domains;
	settings->identity.local_domain_count = 1;
}

static void
site_open(struct config *config, const char *name, int signal)
{
	static const unsigned char bytes[32] = { 5 };
	char *path;
	struct history_options options = {
		.driver = "sqlite", .create = true, .observe_at_once = true
	};
	struct replay_import_options import = { .progress = batch_signal, .context = config };
	const char *why = "";

	ck_assert_int_gt(asprintf(&path, "%s/%s", directory, name), 0);
	options.directory = path;
	*config = (struct config){ .signal = signal };
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	import.settings = config->settings = settings_defaults();
	settings_lists(config->settings);
	config->settings->identity.recipient_delimiter = delimiter;
	ck_assert_int_eq(base_key_from_bytes(bytes, &config->key), BASE_OK);
	ck_assert_int_eq(judge_scorecard_default(&config->scorecard, &why), BASE_OK);
	ck_assert_msg(history_open(&options, &config->history, &why) == BASE_OK, "%s", why);
	import.key = config->key;
	import.scorecard = config->scorecard;
	ck_assert_int_eq(
	    audience_directory_new(config->settings, &config->audience, &why), BASE_OK);
	import.audience = config->audience;
	import.history = config->history;
	config->import = replay_import_new(&import);
	ck_assert_ptr_nonnull(config->import);
	free(path);
}

static void
site_close(struct config *config)
{
	replay_import_free(&config->import);
	history_close(&config->history);
	audience_directory_free(&config->audience);
	judge_scorecard_free(&config->scorecard);
	base_key_free(&config->key);
	settings_free(&config->settings);
}

/* Imports one file into a site of this name; what was counted. */
static struct replay_count
import(const char *name, const char *file, enum replay_format format, enum base_result expected,
    const char *expected_why)
{
	struct replay_count count = { 0 };
	struct config config;
	char path[200];
	const char *why = "";

	site_open(&config, name, -1);
	snprintf(path, sizeof(path), "%s/%s", directory, file);
	ck_assert_msg(replay_import_file(config.import, path, format, &why) == expected, "%s", why);
	if (expected_why)
		ck_assert_ptr_nonnull(strstr(why, expected_why));
	if (replay_import_end(config.import, &count, &why) != BASE_OK)
		ck_assert_uint_eq(/* it says that there was nothing to read */
		    count.learned + count.known + count.skipped + count.malformed, 0);
	if (expected == BASE_OK)
		ck_assert_int_eq(config.done, config.total);
	site_close(&config);
	return count;
}

/* Adds up the records, whatever their order. */
static bool
record_add(void *context, uint64_t key, const void *data, size_t length)
{
	uint64_t hash = key;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
	*(uint64_t *)context += hash | 1;
	return true;
}

/* A number that stands for all that a site knows. */
static uint64_t
known(const char *name)
{
	char path[200];
	struct store_options options = { .driver = "sqlite", .directory = path };
	struct store *store;
	const char *why = "";
	uint64_t sum = 0;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	ck_assert_int_eq(store_open(&options, STORE_MEMORY, &store, &why), BASE_OK);
	for (int kind = STORE_PROFILE; kind <= STORE_NOTE; kind++)
		ck_assert_int_eq(
		    store_record_each(store, (enum store_record)kind, record_add, &sum, &why),
		    BASE_OK);
	store_close(&store);
	return sum;
}

static FILE *
file_make(const char *name)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	return file;
}

/* A history of so many sends, up to now. */
static void
history_make(const char *name, int count)
{
	FILE *file = file_make(name);

	for (int i = 0; i < count; i++)
		fprintf(file,
		    "%ld\tp%d@example.com\tp%d@example.com,p%d@example.com\tid%d\t-"
		    "\tsend\n",
		    (long)base_now() - 60 * (count - i), i % 40, (i * 7 + 1) % 40,
		    (i * 13 + 2) % 40, i);
	fclose(file);
}

START_TEST(import_twice_changes_nothing)
{
	struct replay_count count;
	uint64_t before;

	folder_make(directory);
	history_make("history", 300);
	count = import("once", "history", REPLAY_AUTO, BASE_OK, NULL);
	ck_assert_uint_eq(count.learned, 300);
	before = known("once");
	count = import("once", "history", REPLAY_TSV, BASE_OK, NULL);
	ck_assert_uint_eq(count.learned, 0);
	ck_assert_uint_eq(count.known, 300);
	ck_assert(known("once") == before);
	folder_remove(directory);
}
END_TEST

/* Killed at several points, and run again: what is known is the same. */
START_TEST(import_goes_on_after_it_was_killed)
{
	char path[200];
	uint64_t whole;

	folder_make(directory);
	history_make("history", 4000);
	(void)import("whole", "history", REPLAY_TSV, BASE_OK, NULL);
	whole = known("whole");
	snprintf(path, sizeof(path), "%s/history", directory);
	for (int batches = 1; batches <= 3; batches++) {
		char name[20], byte;
		int ends[2];
		pid_t child;

		snprintf(name, sizeof(name), "killed%d", batches);
		ck_assert_int_eq(pipe(ends), 0);
		child = fork();
		if (child == 0) {
			struct config config;
			const char *why;

			site_open(&config, name, ends[1]);
			(void)replay_import_file(config.import, path, REPLAY_TSV, &why);
			_exit(0);
		}
		close(ends[1]);
		for (int i = 0; i < batches; i++)
			if (read(ends[0], &byte, 1) != 1)
				break;
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ends[0]);
		/* a fast machine may be killed before its first batch is written */
		(void)import(name, "history", REPLAY_TSV, BASE_OK, NULL);
		ck_assert(known(name) == whole);
	}
	folder_remove(directory);
}
END_TEST

#define AT " Mon Nov 23 10:00:00 2026\n" /* ends a line between two mails of an mbox */

/* Mailboxes, what is of no use, and files that are refused. */
START_TEST(files_of_all_kinds)
{
	struct replay_count count;
	FILE *file;
	char date[60];
	time_t now = (time_t)base_now();
	char command[200];

	folder_make(directory);
	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S +0000", gmtime(&now));
	file = file_make("mbox");
	fprintf(file,
	    "From anna" AT "From: anna@example.com\nTo: b@example.com, c@x.org\nBcc: "
	    "d@x.org\nDate: %s\nMessage-ID: <1@x>\n\nhello\n\nFrom anna" AT "From: "
	    "anna@example.com\nTo: b@x.org\nDate: %s\nIn-Reply-To: <1@x>\n\n>From "
	    "me\n\nFrom x" AT "no header\n\nFrom y" AT
	    "From: anna@example.com\nTo: b@x.org\n\nno date\n\nFrom z" AT
	    "From: anna@example.com\nTo: b@x.org\nDate: 1 Jan 2001 00:00:00 +0000\n\nold\n",
	    date, date);
	fclose(file);
	count = import("mbox.d", "mbox", REPLAY_AUTO, BASE_OK, NULL);
	ck_assert_uint_eq(count.learned, 2);
	ck_assert_uint_eq(count.malformed, 2);
	ck_assert_uint_eq(count.skipped, 1);
	snprintf(command, sizeof(command), "mkdir -p %s/md/cur %s/md/new", directory, directory);
	ck_assert_int_eq(system(command), 0);
	file = file_make("md/cur/1.x:2,S");
	fprintf(file, "From: anna@example.com\nTo: b@x.org\nDate: %s\n\nhello\n", date);
	fclose(file);
	count = import("md.d", "md", REPLAY_AUTO, BASE_OK, NULL);
	ck_assert_uint_eq(count.learned, 1);
	ck_assert_uint_eq(import("md.d", "md", REPLAY_AUTO, BASE_OK, NULL).known, 1);
	file = file_make("bad");
	fprintf(file, "%ld\ta@x\tb@x\t-\t-\tsend\nrubbish\n", (long)now);
	fclose(file);
	count = import("bad.d", "bad", REPLAY_TSV, BASE_REFUSE, "bad:2: ");
	ck_assert_uint_eq(count.learned, 1);
	(void)import("none.d", "nothing", REPLAY_AUTO, BASE_NONE, "No such file");
	folder_remove(directory);
}
END_TEST

/* Lines after an empty one of an mbox: does another mail begin there? */
static const struct {
	const char *line;
	bool is_separator;
} separators[] = {
	{ "From ann@example.com Fri Nov 20 10:00:00 2026", true },
	{ "From ann@example.com  Sun Feb  1 10:00:00 2026", true },
	{ "From - Mon Jan 12 09:00:00 2026", true },
	{ "From MAILER-DAEMON Sat Dec  5 10:00:00 2026\r", true },
	{ "From 1234@xxx Wed May 20 10:00:00 +0000 2026", true },
	{ "From ann at example.com  Thu Jul  2 10:00:00 2026", true },
	{ "From \"ann b\"@example.com Tue Jun 16 10:00 2026", true },
	{ "From ann@example.com 2026-11-20 10:00:00", true },
	{ "From ann@example.com 2026-11-20T10:00:00Z", true },
	{ "From ann@example.com Fri, 20 Nov 2026 10:00:00 +0000", true },
	{ "From 2026-11-20 on:", false },
	{ "From ann@example.com Fri, soon", false },
	{ "From now on:", false },
	{ "From ", false },
	{ "From Mon", false },
	{ "From ann@example.com Fri", false },
	{ "From ann@example.com Fri Nov", false },
	{ "From Rome Fri Nov 20 we fly home", false },
	{ "From ann@example.com Fry Nov 20 10:00:00 2026", false },
	{ "From ann@example.com Fri Nor 20 10:00:00 2026", false },
	{ "From ann@example.com Friday Nov 20 10:00:00 2026", false },
	{ ">From ann@example.com Fri Nov 20 10:00:00 2026", false },
};

/* A text that quotes another mail's header is no mail of its author. */
START_TEST(mbox_text_begins_no_mail)
{
	char date[60];
	time_t now = (time_t)base_now();
	struct replay_count count;
	FILE *file;

	folder_make(directory);
	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S +0000", gmtime(&now));
	file = file_make("mbox");
	fprintf(file,
	    "From anna" AT "From: anna@example.com\nTo: b@x.org\nDate: %s\n\n%s\n"
	    "To: c@x.org\nDate: %s\nFrom: eve@example.com\n\nhello\n",
	    date, separators[_i].line, date);
	fclose(file);
	count = import("mbox.d", "mbox", REPLAY_MBOX, BASE_OK, NULL);
	ck_assert_uint_eq(count.learned, separators[_i].is_separator ? 2 : 1);
	ck_assert_uint_eq(count.malformed, 0);
	folder_remove(directory);
}
END_TEST

/* What is learned of three mails of an mbox that begin with this line and end with these. */
static struct replay_count
mbox_import(const char *separator, const char *end)
{
	char date[60];
	time_t now = (time_t)base_now();
	struct replay_count count;
	FILE *file;

	folder_make(directory);
	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S +0000", gmtime(&now));
	file = file_make("mbox");
	for (int i = 0; i < 3; i++)
		fprintf(file,
		    "%s\nX-Mozilla-Status: 0001\nMessage-ID: <tb%d@example.com>\nDate: %s\n"
		    "From: anna@example.com\nTo: b%d@x.org\n\nHello.\n%s\n",
		    separator, i, date, i, end);
	fclose(file);
	count = import("mbox.d", "mbox", REPLAY_MBOX, BASE_OK, NULL);
	folder_remove(directory);
	return count;
}

/* Thunderbird writes the bare word; where it does, it begins a mail. */
START_TEST(mbox_of_bare_separators_is_read)
{
	static const char *const separators_bare[] = { "From ", "From", "From \r" };
	struct replay_count count = mbox_import(separators_bare[_i], "");

	ck_assert_uint_eq(count.learned, 3);
	ck_assert_uint_eq(count.malformed, 0);
}
END_TEST

/* Where no empty line stands before a separator, a header behind it tells. */
START_TEST(mbox_without_empty_lines_is_read)
{
	static const char *const firsts[] = { "From - Fri Nov 20 10:00:00 2026",
		"From ann@example.com Fri, 20 Nov 2026 10:00:00 +0000",
		"From ann@example.com 2026-11-20 10:00:00", "From " };
	char end[200];
	struct replay_count count;

	snprintf(end, sizeof(end), "%s\nthat is when it began.\n-- \nAnna", firsts[_i]);
	count = mbox_import(firsts[_i], end);
	ck_assert_uint_eq(count.learned, 3);
	ck_assert_uint_eq(count.malformed, 0);
}
END_TEST

/* Files of a Maildir by their flags: what is a draft was not sent. */
static const struct {
	const char *name;
	bool is_sent;
} flags[] = {
	{ "md/cur/1.x:2,S", true },
	{ "md/cur/1.D", true },
	{ "md/cur/1.x:2,", true },
	{ "md/cur/1.x:2,ST", true },
	{ "md/cur/1.x:2,S,D", true },
	{ "md/cur/1.x:2,D", false },
	{ "md/cur/1.x:2,DST", false },
	{ "md/cur/1.x,S=99:2,DS", false },
	{ "md/new/1.x:2,D", false },
};

/* A Maildir with one mail, of this name. */
static void
maildir_make(const char *name)
{
	char date[60], command[200];
	time_t now = (time_t)base_now();
	FILE *file;

	snprintf(command, sizeof(command), "mkdir -p %s/md/cur %s/md/new", directory, directory);
	ck_assert_int_eq(system(command), 0);
	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S +0000", gmtime(&now));
	file = file_make(name);
	fprintf(file, "From: anna@example.com\nTo: b@x.org\nDate: %s\n\nhello\n", date);
	fclose(file);
}

START_TEST(maildir_drafts_were_not_sent)
{
	struct replay_count count;

	folder_make(directory);
	maildir_make(flags[_i].name);
	count = import("md.d", "md", REPLAY_AUTO, BASE_OK, NULL);
	ck_assert_uint_eq(count.learned, flags[_i].is_sent);
	ck_assert_uint_eq(count.skipped, !flags[_i].is_sent);
	folder_remove(directory);
}
END_TEST

/* What is no file is passed over, and nothing waits for who would write into a FIFO. */
START_TEST(maildir_takes_only_files)
{
	struct replay_count count;
	char path[200];

	folder_make(directory);
	maildir_make("md/cur/2.x:2,S");
	snprintf(path, sizeof(path), "%s/md/cur/1.fifo:2,S", directory);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/md/cur/3.folder:2,S", directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/md/new/4.link", directory);
	ck_assert_int_eq(symlink("../cur/2.x:2,S", path), 0);
	alarm(20); /* not the whole time that a test of files may take */
	count = import("md.d", "md", REPLAY_AUTO, BASE_OK, NULL);
	alarm(0);
	ck_assert_uint_eq(count.learned + count.known, 2);
	ck_assert_uint_eq(count.skipped, 2);
	ck_assert_uint_eq(count.malformed, 0);
	folder_remove(directory);
}
END_TEST

#define UNKNOWN "is no history, mailbox or message, and has no line of a mail server's log"
#define OTHER "is it of another kind?"
#define STAMP "2026-11-23T10:00:00+01:00 mx "

/* What a file is taken for, and that one which is nothing is not learned without a word. */
static const struct {
	enum replay_format format;
	const char *text;
	size_t length;   /* 0: up to its NUL */
	const char *why; /* NULL: it is read */
	size_t malformed;
} kinds[] = {
	{ REPLAY_AUTO, "\x1f\x8b\x08 and so on", 0, "is compressed: zcat it", 0 },
	{ REPLAY_AUTO, "\xfd\x37zXZ\0\0", 7, "is compressed: xzcat it", 0 },
	{ REPLAY_LOG, "\xfd\x37zXZ\0\0", 7, "is compressed: xzcat it", 0 },
	{ REPLAY_AUTO, "BZh91AY", 0, "is compressed: bzcat it", 0 },
	{ REPLAY_AUTO, "\x28\xb5\x2f\xfd\x04", 0, "is compressed: zstdcat it", 0 },
	{ REPLAY_AUTO, "some words\nand more\n", 0, UNKNOWN, 0 },
	{ REPLAY_AUTO, "\1\2\0\3\n\4", 6, UNKNOWN, 1 },
	{ REPLAY_AUTO, STAMP "sshd[1]: hello\n", 0, UNKNOWN, 0 },
	{ REPLAY_AUTO, "a\tb\tc\n", 0, UNKNOWN, 0 },
	{ REPLAY_AUTO, STAMP "postfix/qmgr[1]: ABCDEF: removed\n", 0, NULL, 0 },
	{ REPLAY_AUTO, "Xxx 99 mx postfix/qmgr[1]: ABCDEF: removed\n", 0, OTHER, 1 },
	{ REPLAY_AUTO, "", 0, NULL, 0 },
	{ REPLAY_LOG, "", 0, NULL, 0 },
	{ REPLAY_LOG, STAMP "sshd[1]: hello\n", 0, NULL, 0 },
	{ REPLAY_LOG, "10.00 mx postfix/smtpd[1]: connect from x\n", 0,
	    "is no log: no line has a time stamp", 1 },
	{ REPLAY_LOG, "some words\n", 0, "is no log: no line has a time stamp", 0 },
	{ REPLAY_LOG, "\1\2\0\3\n\4", 6, "is no log: no line has a time stamp", 1 },
	{ REPLAY_AUTO, "Subject: no date\nFrom: anna@example.com\n\nhello\n", 0, OTHER, 1 },
	{ REPLAY_MBOX, "rubbish", 0, OTHER, 1 },
	{ REPLAY_MBOX, "", 0, NULL, 0 },
	/* lines of an old Macintosh: all of it is one separator */
	{ REPLAY_AUTO, "From anna@example.com Fri Nov 20 10:00:00 2026\rFrom: anna@example.com\r\r",
	    0, OTHER, 1 },
	{ REPLAY_AUTO, "From anna@example.com Fri Nov 20 10:00:00 2026\n", 0, OTHER, 1 },
	{ REPLAY_MESSAGE, "rubbish", 0, OTHER, 1 },
	{ REPLAY_MAILDIR, "rubbish", 0, "is no folder", 0 },
};

START_TEST(files_are_what_they_look_like)
{
	size_t length = kinds[_i].length ? kinds[_i].length : strlen(kinds[_i].text);
	struct replay_count count;
	FILE *file;

	folder_make(directory);
	file = file_make("file");
	ck_assert_uint_eq(fwrite(kinds[_i].text, 1, length, file), length);
	fclose(file);
	count = import("kind.d", "file", kinds[_i].format, kinds[_i].why ? BASE_REFUSE : BASE_OK,
	    kinds[_i].why);
	ck_assert_uint_eq(count.learned, 0);
	ck_assert_uint_eq(count.malformed, kinds[_i].malformed);
	folder_remove(directory);
}
END_TEST

/* A message alone, and a history whose first line is long, are known by their beginning. */
START_TEST(messages_and_long_lines_are_known)
{
	char date[60];
	time_t now = (time_t)base_now();
	FILE *file;

	folder_make(directory);
	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S +0000", gmtime(&now));
	file = file_make("one.eml");
	fprintf(file,
	    "Return-Path: <anna@example.com>\nDate: %s\nFrom: anna@example.com\n"
	    "To: b@example.com\nMessage-ID: <1@x>\n\nFrom here on\n",
	    date);
	fclose(file);
	ck_assert_uint_eq(import("one.d", "one.eml", REPLAY_AUTO, BASE_OK, NULL).learned, 1);
	ck_assert_uint_eq(import("one.d", "one.eml", REPLAY_MESSAGE, BASE_OK, NULL).known, 1);
	file = file_make("long");
	fprintf(file, "%ld\tp0@example.com\tp1@example.com", (long)now);
	for (int i = 2; i < 1000; i++)
		fprintf(file, ",p%d@example.com", i);
	fputs("\t-\t-\tsend\n", file);
	fclose(file);
	ck_assert_uint_eq(import("one.d", "long", REPLAY_AUTO, BASE_OK, NULL).learned, 1);
	folder_remove(directory);
}
END_TEST

/* Many mails in both folders of a Maildir: one count for both, which only grows. */
START_TEST(maildir_has_one_progress)
{
	char date[60], name[40];
	time_t now = (time_t)base_now();
	char command[200];

	folder_make(directory);
	snprintf(command, sizeof(command), "mkdir -p %s/md/cur %s/md/new", directory, directory);
	ck_assert_int_eq(system(command), 0);
	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S +0000", gmtime(&now));
	for (int i = 0; i < 4000; i++) {
		FILE *file;

		snprintf(name, sizeof(name), "md/%s/%d.x", i % 2 ? "cur" : "new", i);
		file = file_make(name);
		fprintf(file,
		    "From: p%d@example.com\nTo: p%d@example.com\nDate: %s\n"
		    "Message-ID: <%d@x>\n\nhello\n",
		    i % 40, i % 39, date, i);
		fclose(file);
	}
	ck_assert_uint_eq(import("md.d", "md", REPLAY_AUTO, BASE_OK, NULL).learned, 4000);
	folder_remove(directory);
}
END_TEST

/* Learns a message as the daemon does. */
static void
daemon_learn(const char *name, const char *message)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct mail_transaction *mail = mail_transaction_new(arena, base_now());
	struct config config;
	const void *observation;
	size_t length;
	const char *why = "";

	site_open(&config, name, -1);
	ck_assert_int_eq(mail_transaction_sender(arena, mail, "<p1@example.com>"), BASE_OK);
	ck_assert_int_eq(mail_transaction_recipient(arena, mail, "<p2@example.com>"), BASE_OK);
	ck_assert_int_eq(
	    mail_transaction_message(arena, mail, message, strlen(message), &why), BASE_OK);
	ck_assert_int_eq(history_observation(config.key, arena, "p1@example.com", mail, 0, 0.1,
			     &observation, &length, &why),
	    BASE_OK);
	ck_assert_int_eq(history_observe(config.history, observation, length, &why), BASE_OK);
	site_close(&config);
	base_arena_free(&arena);
}

/* An id of a history is the one that the daemon saw, in brackets or without. */
START_TEST(ids_are_those_of_the_daemon)
{
	static const char *const ids[] = { "<m1@x>", "m1@x" };
	struct replay_count count;
	FILE *file;

	folder_make(directory);
	daemon_learn("ids.d", "From: p1@example.com\nTo: p2@example.com\n"
			      "Message-ID: <m1@x>\n\nhello\n");
	for (size_t i = 0; i < 2; i++) {
		file = file_make("ids");
		fprintf(file, "%ld\tp1@example.com\tp2@example.com\t%s\t-\tsend\n",
		    (long)base_now(), ids[i]);
		fclose(file);
		count = import("ids.d", "ids", REPLAY_TSV, BASE_OK, NULL);
		ck_assert_uint_eq(count.known, 1);
		ck_assert_uint_eq(count.learned, 0);
	}
	folder_remove(directory);
}
END_TEST

/* The same mail in every format, written with an extension of the sender's address. */
static void
extended_write(enum replay_format format, const char *name)
{
	time_t now = (time_t)base_now();
	char date[60], stamp[60], path[200];
	FILE *file;

	strftime(date, sizeof(date), "%d %b %Y %H:%M:%S +0000", gmtime(&now));
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S+00:00", gmtime(&now));
	if (format == REPLAY_MAILDIR) {
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/%s/new", directory, name);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/%s/cur", directory, name);
		ck_assert_int_eq(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/cur/1.x:2,S", name);
		name = path;
	}
	file = file_make(name);
	if (format == REPLAY_TSV)
		fprintf(
		    file, "%ld\tp1+news@example.com\tp2+a@example.com\tm1@x\t-\tsend\n", (long)now);
	else if (format == REPLAY_LOG)
		fprintf(file,
		    "%s mx postfix/cleanup[9]: 4AB12C: message-id=<m1@x>\n"
		    "%s mx postfix/qmgr[8]: 4AB12C: from=<p1+news@example.com>, size=9, "
		    "nrcpt=1\n%s mx postfix/smtp[7]: 4AB12C: to=<p2+a@example.com>, "
		    "status=sent (ok)\n%s mx postfix/qmgr[8]: 4AB12C: removed\n",
		    stamp, stamp, stamp, stamp);
	else
		fprintf(file,
		    "%sFrom: Anna <p1+news@example.com>\nTo: Bob <p2+a@example.com>\n"
		    "Date: %s\nMessage-ID: <m1@x>\n\nhello\n",
		    format == REPLAY_MBOX ? "From anna" AT : "", date);
	fclose(file);
}

/* Where the site has a delimiter, every format says the same of the same mail. */
START_TEST(extensions_are_nobody_else)
{
	struct replay_count count;
	FILE *file;

	folder_make(directory);
	delimiter = "+";
	file = file_make("plain");
	fprintf(file, "%ld\tp1@example.com\tp2@example.com\tm1@x\t-\tsend\n", (long)base_now());
	fclose(file);
	for (int format = REPLAY_AUTO + 1; format <= REPLAY_MESSAGE; format++) {
		char name[40], state[50];

		snprintf(name, sizeof(name), "as-%d", format);
		snprintf(state, sizeof(state), "%s.d", name);
		extended_write((enum replay_format)format, name);
		count = import(state, name, (enum replay_format)format, BASE_OK, NULL);
		ck_assert_msg(count.learned == 1 && count.malformed == 0, "%s: learned %zu",
		    replay_format_str((enum replay_format)format), count.learned);
		ck_assert_uint_eq(import(state, "plain", REPLAY_TSV, BASE_OK, NULL).known, 1);
	}
	delimiter = "";
	folder_remove(directory);
}
END_TEST

/* A list counts as the people behind it: mail to it is an audience written to before. */
START_TEST(lists_count_as_their_people)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct config config;
	struct history_recall recall;
	struct mail_transaction *mail = mail_transaction_new(arena, base_now());
	const char *why = "";
	FILE *file;

	folder_make(directory);
	file = file_make("weekly");
	for (int week = 8; week > 0; week--)
		fprintf(file, "%ld\tp1@example.com\tstaff@example.com\t-\t-\tsend\n",
		    (long)base_now() - week * 7 * 86400L);
	fclose(file);
	ck_assert_uint_eq(import("weekly.d", "weekly", REPLAY_TSV, BASE_OK, NULL).learned, 8);
	site_open(&config, "weekly.d", -1);
	ck_assert_int_eq(history_recall(config.history, config.key, arena, "p1@example.com", mail,
			     &recall, &why),
	    BASE_OK);
	ck_assert_uint_eq(recall.records->profile->largest, 40);
	ck_assert_uint_eq(recall.records->profile->sent_count, 1);
	ck_assert_uint_eq(recall.records->profile->sent[0].count, 8);
	site_close(&config);
	folder_remove(directory);
	base_arena_free(&arena);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("import");
	TCase *pure = tcase_create("pure"), *files = tcase_create("files");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(files, 300);
	tcase_add_loop_test(pure, log_tells_what_was_sent, 0, sizeof(logs) / sizeof(*logs));
	tcase_add_test(pure, log_goes_on_after_many_open);
	tcase_add_loop_test(pure, log_waits_through_many_rejected, 0, 2);
	tcase_add_loop_test(pure, log_keeps_some_of_very_many, 0, 2);
	tcase_add_test(pure, log_stamps);
	tcase_add_test(pure, log_years);
	tcase_add_test(pure, dates);
	tcase_add_test(files, import_twice_changes_nothing);
	tcase_add_test(files, import_goes_on_after_it_was_killed);
	tcase_add_test(files, files_of_all_kinds);
	tcase_add_loop_test(files, mbox_of_bare_separators_is_read, 0, 3);
	tcase_add_loop_test(files, mbox_without_empty_lines_is_read, 0, 4);
	tcase_add_loop_test(
	    files, mbox_text_begins_no_mail, 0, sizeof(separators) / sizeof(*separators));
	tcase_add_loop_test(files, maildir_drafts_were_not_sent, 0, sizeof(flags) / sizeof(*flags));
	tcase_add_test(files, maildir_takes_only_files);
	tcase_add_loop_test(
	    files, files_are_what_they_look_like, 0, sizeof(kinds) / sizeof(*kinds));
	tcase_add_test(files, maildir_has_one_progress);
	tcase_add_test(files, messages_and_long_lines_are_known);
	tcase_add_test(files, ids_are_those_of_the_daemon);
	tcase_add_test(files, extensions_are_nobody_else);
	tcase_add_test(files, lists_count_as_their_people);
	suite_add_tcase(suite, pure);
	suite_add_tcase(suite, files);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
