/* Letters and the proof that a letter is ours. */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/notice/internal.h"
#include "milter/notice/notice.h"
#include "milter/config/config.h"
#include "milter/words/template.h"
#include "milter/words/words.h"

#define NOW 1795430410 /* 2026-11-23 10:40:10 in UTC */

static struct base_arena *arena;

static void
setup(void)
{
	const char *why;

	setenv("TZ", "CET-1", 1);
	tzset();
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	arena = base_arena_new(1 << 20);
	ck_assert_ptr_nonnull(arena);
}

static void
teardown(void)
{
	base_arena_free(&arena);
}

/* --- the proof -------------------------------------------------------------------------
 */

static struct base_key *
new_key(unsigned char byte)
{
	unsigned char bytes[32];
	struct base_key *key;

	memset(bytes, byte, sizeof(bytes));
	ck_assert_int_eq(base_key_from_bytes(bytes, &key), BASE_OK);
	return key;
}

/* One way in which a proof may be used; the made one is for m@x, to anna@example.com at
 * NOW. */
static const struct {
	const char *what, *message_id, *recipient;
	int64_t now;
	bool is_ours;
} proof_cases[] = {
	{ "as made", "m@x", "anna@example.com", NOW, true },
	{ "an hour later", "m@x", "anna@example.com", NOW + 3600, true },
	{ "at its last second", "m@x", "anna@example.com", NOW + NOTICE_INJECT_SECONDS, true },
	{ "too old", "m@x", "anna@example.com", NOW + NOTICE_INJECT_SECONDS + 1, false },
	{ "by a fast clock", "m@x", "anna@example.com", NOW - 300, true },
	{ "from the future", "m@x", "anna@example.com", NOW - 301, false },
	{ "another message", "n@x", "anna@example.com", NOW, false },
	{ "another recipient", "m@x", "bob@example.com", NOW, false },
	{ "text moved over", "m@xa", "nna@example.com", NOW, false },
	{ "nothing", "", "", NOW, false },
};

START_TEST(test_proof_cases)
{
	struct base_key *key = new_key(1);
	const char *value;

	ck_assert_int_eq(
	    notice_inject_make(arena, key, "m@x", "anna@example.com", NOW, &value), BASE_OK);
	ck_assert_msg(
	    notice_inject_is_ours(key, value, proof_cases[_i].message_id, proof_cases[_i].recipient,
		proof_cases[_i].now) == proof_cases[_i].is_ours,
	    "%s", proof_cases[_i].what);
	base_key_free(&key);
}
END_TEST

/* A key file of this text, loaded. */
static struct base_key *
key_of(const char *text)
{
	char path[] = "/tmp/test_notice.XXXXXX";
	struct base_key *key = NULL;
	const char *why = "";
	int fd = mkstemp(path);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ck_assert_msg(base_key_load(path, &key, &why) == BASE_OK, "%s", why);
	unlink(path);
	return key;
}

#define DIGITS32 "000102030405060708090a0b0c0d0e0f"

/* A letter that was on its way when the key was rotated is still ours; no newer one is. */
START_TEST(test_proof_by_an_earlier_key)
{
	struct base_key *old = key_of(DIGITS32 DIGITS32 "\n"), *key;
	const char *before, *after;
	const char *file = base_arena_printf(arena,
	    DIGITS32 "100102030405060708090a0b0c0d0e0f\n" DIGITS32 DIGITS32
		     " replaced %lld until %lld\n",
	    (long long)NOW, (long long)NOW + 1000);

	key = key_of(file);
	ck_assert_int_eq(notice_inject_make(arena, old, "m@x", "a@b", NOW - 10, &before), BASE_OK);
	ck_assert_int_eq(notice_inject_make(arena, old, "m@x", "a@b", NOW + 900, &after), BASE_OK);
	ck_assert(notice_inject_is_ours(key, before, "m@x", "a@b", NOW + 20));
	ck_assert(!notice_inject_is_ours(key, before, "m@x", "a@b", NOW + 1000));
	ck_assert(!notice_inject_is_ours(key, after, "m@x", "a@b", NOW + 901));
	base_key_free(&old);
	base_key_free(&key);
}
END_TEST

START_TEST(test_proof_tampered)
{
	struct base_key *key = new_key(1), *other = new_key(2);
	const char *value;
	char *copy;
	size_t i;

	ck_assert_int_eq(notice_inject_make(arena, key, "m@x", "a@b", NOW, &value), BASE_OK);
	ck_assert(!notice_inject_is_ours(other, value, "m@x", "a@b", NOW));
	for (i = 0; i < strlen(value); i++) {
		copy = base_arena_strdup(arena, value);
		copy[i] = copy[i] == '1' ? '2' : '1';
		ck_assert_msg(!notice_inject_is_ours(key, copy, "m@x", "a@b", NOW), "%s", copy);
		copy[i] = '\0';
		ck_assert_msg(!notice_inject_is_ours(key, copy, "m@x", "a@b", NOW), "%s", copy);
	}
	ck_assert(notice_inject_is_ours(
	    key, base_arena_printf(arena, " %s \r\n", value), "m@x", "a@b", NOW));
	ck_assert(!notice_inject_is_ours(
	    key, base_arena_printf(arena, "%s x", value), "m@x", "a@b", NOW));
	ck_assert_int_eq(notice_inject_make(arena, key, "m@x", "", NOW, &value), BASE_REFUSE);
	base_key_free(&other);
	base_key_free(&key);
}
END_TEST

/* --- the forms on the wire
 * ---------------------------------------------------------------- */

static const struct {
	const char *text, *field;
} field_cases[] = {
	{ "Hello", "S: Hello\r\n" },
	{ "a\r\nBcc: b@c", "S: a  Bcc: b@c\r\n" },
	{ "=?x", "S: =?UTF-8?Q?=3D=3Fx?=\r\n" },
	{ "K\xc3\xa4se (5)", "S: =?UTF-8?Q?K=C3=A4se_=285=29?=\r\n" },
	{ "\xff", "S: =?UTF-8?Q?=EF=BF=BD?=\r\n" },
};

START_TEST(test_mime_field)
{
	struct base_buffer out;

	base_buffer_init(&out, 4000);
	ck_assert(notice_mime_field(&out, "S", field_cases[_i].text));
	ck_assert_str_eq(base_buffer_text(&out), field_cases[_i].field);
	base_buffer_free(&out);
}
END_TEST

/* Names before an address: what stands in quotes, and what is encoded (RFC 2047 5, 3). */
static const struct {
	const char *text, *phrase;
} phrase_cases[] = {
	{ "oops-milter", "\"oops-milter\"" },
	{ "The \"Post\" \\ office, Smith & Sons",
	    "\"The \\\"Post\\\" \\\\ office, Smith & Sons\"" },
	{ "Evil\" <evil@example.net>, \"x", "\"Evil\\\" <evil@example.net>, \\\"x\"" },
	{ "Die \"Post\", M\xc3\xbcller & S\xc3\xb6hne",
	    "=?UTF-8?Q?Die_=22Post=22=2C_M=C3=BCller_=26_S=C3=B6hne?=" },
	{ "=?UTF-8?Q?x?=", "=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fx=3F=3D?=" },
	{ "a\r\nBcc: b@c", "\"a  Bcc: b@c\"" },
};

START_TEST(test_mime_phrase)
{
	struct base_buffer out;

	base_buffer_init(&out, 4000);
	ck_assert(notice_mime_phrase(&out, 6, phrase_cases[_i].text));
	ck_assert_str_eq(base_buffer_text(&out), phrase_cases[_i].phrase);
	base_buffer_free(&out);
}
END_TEST

START_TEST(test_mime_long)
{
	struct base_buffer out, text;
	const char *line;
	int i;

	base_buffer_init(&out, 20000);
	base_buffer_init(&text, 20000);
	for (i = 0; i < 60; i++)
		base_buffer_puts(&text, i % 2 ? "\xe2\x82\xac" : "word ");
	ck_assert(notice_mime_field(&out, "Subject", base_buffer_text(&text)));
	ck_assert(notice_mime_quoted(&out, base_buffer_text(&text)));
	for (line = base_buffer_text(&out); *line; line = strchr(line, '\n') + 1)
		ck_assert_uint_le(strcspn(line, "\r\n"), 76);
	base_buffer_free(&text);
	base_buffer_free(&out);
}
END_TEST

static const struct {
	const char *text, *quoted;
} quoted_cases[] = {
	{ "", "" },
	{ "a=b", "a=3Db\r\n" },
	{ "a \nb\t\n", "a=20\r\nb=09\r\n" },
	{ "\xc3\xa4\r\n.\n", "=C3=A4=0D\r\n.\r\n" },
};

START_TEST(test_mime_quoted)
{
	struct base_buffer out;

	base_buffer_init(&out, 4000);
	ck_assert(notice_mime_quoted(&out, quoted_cases[_i].text));
	ck_assert_str_eq(base_buffer_text(&out), quoted_cases[_i].quoted);
	base_buffer_free(&out);
}
END_TEST

static const struct {
	const char *normal, *written;
} address_cases[] = {
	{ "anna.b@example.com", "anna.b@example.com" },
	{ "root", "root" },
	{ "a b@example.com", "\"a b\"@example.com" },
	{ "a\"b@example.com", "\"a\\\"b\"@example.com" },
	{ "a@b@example.com", "\"a@b\"@example.com" },
	{ "Jos\xC3\xA9@example.com", "Jos\xC3\xA9@example.com" },
	/* quoted already, as addresses are normalised and written; or not really */
	{ "\"a b\"@example.com", "\"a b\"@example.com" },
	{ "\"a\\\"b\\\\\"@example.com", "\"a\\\"b\\\\\"@example.com" },
	{ "\"a\">,evil\"@example.com", "\"\\\"a\\\">,evil\\\"\"@example.com" },
	{ "\"a\\\"@example.com", "\"\\\"a\\\\\\\"\"@example.com" },
	{ ".a@example.com", "\".a\"@example.com" },
	{ "a>,evil@example.com", "\"a>,evil\"@example.com" },
	{ "a@example.com>\r\nBcc: x", NULL },
	{ "a@example.com, b", NULL },
	{ "a\nb@example.com", NULL },
	{ "\xff@example.com", NULL },
	{ "@example.com", NULL },
	{ "", NULL },
};

START_TEST(test_mime_address)
{
	struct base_buffer out;
	bool is_written;

	base_buffer_init(&out, 4000);
	is_written = notice_mime_address(&out, address_cases[_i].normal);
	ck_assert_int_eq(is_written, address_cases[_i].written != NULL);
	ck_assert_str_eq(base_buffer_text(&out), is_written ? address_cases[_i].written : "");
	base_buffer_free(&out);
}
END_TEST

/* --- the letter
 * --------------------------------------------------------------------------- */

#define VALUES(which, n)                                                                           \
	"case=" which " n=" n " more=1 people=40 known=exactly addresses=40 lists=no"

static const struct hold_reason reasons[] = {
	{ "size_for_sender", "3.1", VALUES("usual", "4"), "", "" },
	{ "look_alike_name", "2", VALUES("yes", "0"), "<b>bold</b>",
	    "& \"quoted\"\r\nBcc: evil@example.com" },
	{ "three", "1", "", "", "" }, /* its values are gone */
	{ "four", "1", "A sentence, as rows of an earlier release have it.", "", "" },
	{ "five", "1", VALUES("no_such", "1"), "", "" },
	{ "six", "1", "", "", "" },
};

static struct hold_view
new_view(enum hold_action action)
{
	return (struct hold_view){
		.from = "",
		.id = "abcdefghijklmnop",
		.state = HOLD_HELD,
		.action = action,
		.sender = "anna@example.com",
		.mailbox = "Anna@example.com",
		.subject = "Lunch",
		.recipients =
		    "bob@example.com\ncarl@example.com\ndora@example.com\nemil@example.com",
		.recipient_count = 40,
		.people = 40,
		.reasons = reasons,
		.reason_count = 6,
		.language = "en",
		.deadline = NOW + (action == HOLD_UNDO ? 120 : 3 * 86400),
		.at_deadline = action == HOLD_UNDO ? MAIL_END_SEND : MAIL_END_RETURN,
	};
}

static const struct notice_letter_options options = {
	.from = "oops@example.com",
	.base_url = "https://oops.example.com/x",
	.token = "AAAAAAAAAAAAAAAAAAAAAA",
	.now = NOW,
	.message_id = "id@example.com",
};

/* The letter in the arena, with a site's own sentences if there are any. */
static const char *
compose_from(const struct hold_view *view, const struct words_templates *templates)
{
	struct notice_letter_options with = options;
	struct base_buffer letter;
	const char *text, *why = "";

	with.templates = templates;
	base_buffer_init(&letter, 1 << 18);
	ck_assert_msg(notice_letter_compose(&letter, view, &with, &why) == BASE_OK, "%s", why);
	text = base_arena_strdup(arena, base_buffer_text(&letter));
	base_buffer_free(&letter);
	return text;
}

/* The letter as it is shipped. */
static const char *
compose(const struct hold_view *view)
{
	return compose_from(view, NULL);
}

/* The contents of the part with this type, decoded. */
static const char *
part_of(const char *letter, const char *type)
{
	const char *start = strstr(letter, base_arena_printf(arena, "\r\nContent-Type: %s", type));
	const char *end;
	char *out, *text, hex[3] = "";

	ck_assert_ptr_nonnull(start);
	start = strstr(start, "\r\n\r\n") + 4;
	end = strstr(start, "\r\n--=_");
	ck_assert_ptr_nonnull(end);
	out = text = base_arena_alloc(arena, (size_t)(end - start) + 1);
	while (start < end) {
		if (*start == '=' && start[1] == '\r') {
			start += 3;
		} else if (*start == '=') {
			ck_assert(
			    isxdigit((unsigned char)start[1]) && isxdigit((unsigned char)start[2]));
			memcpy(hex, start + 1, 2);
			*out++ = (char)strtol(hex, NULL, 16);
			start += 3;
		} else {
			*out++ = *start++;
		}
	}
	return text;
}

/* The text with white space in a row as one space, so that wrapping does not matter. */
static const char *
flat(const char *text)
{
	char *copy = base_arena_strdup(arena, text), *in = copy, *out = copy;

	for (; *in; in++)
		if (!isspace((unsigned char)*in))
			*out++ = *in;
		else if (out > copy && out[-1] != ' ')
			*out++ = ' ';
	*out = '\0';
	return copy;
}

static void
has(const char *text, const char *piece)
{
	ck_assert_msg(strstr(text, piece) != NULL, "\"%s\" is not in:\n%s", piece, text);
}

static void
has_not(const char *text, const char *piece)
{
	ck_assert_msg(strstr(text, piece) == NULL, "\"%s\" is in:\n%s", piece, text);
}

/* How often a field stands at the start of a header line. */
static int
field_count(const char *letter, const char *name)
{
	const char *line, *end = strstr(letter, "\r\n\r\n");
	int count = 0;

	for (line = letter; line < end; line = strstr(line, "\r\n") + 2)
		count += !strncasecmp(line, name, strlen(name)) && line[strlen(name)] == ':';
	return count;
}

START_TEST(test_letter_confirm)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	const char *letter = compose(&view), *text, *html;

	has(letter, "From: \"oops-milter\" <oops@example.com>\r\nTo: <Anna@example.com>\r\n");
	has(flat(letter),
	    "Subject: Not sent yet: your mail \"Lunch\" to 40 people is waiting for you");
	has(letter, "\r\nDate: Mon, 23 Nov 2026 11:40:10 +0100\r\nMessage-ID: "
		    "<id@example.com>\r\n");
	has(letter, "\r\nAuto-Submitted: auto-generated\r\n");
	text = flat(part_of(letter, "text/plain"));
	has(text, "Your mail \"Lunch\" to 40 people has not been sent yet.");
	has(text, "it comes back to you unsent in 3 days, on Thu 26 Nov, 11:40 CET.");
	has(text, "https://oops.example.com/x/h/AAAAAAAAAAAAAAAAAAAAAA");
	has(text, "bob@example.com, carl@example.com, dora@example.com and 37 more");
	has(text, "- You usually write to 4 people; this goes to 40.");
	has(text, "- four - five");
	has_not(text, "three");
	has_not(text, "six");
	has_not(text, "earlier release");
	html = flat(part_of(letter, "text/html"));
	has(html, "<strong>40 people</strong>");
	has(html, "href=\"https://oops.example.com/x/h/AAAAAAAAAAAAAAAAAAAAAA\"");
	has(html, "another address of &quot;&amp; &quot;quoted&quot; Bcc: "
		  "evil@example[.]com&quot;; this one is &lt;b&gt;bold&lt;/b&gt;.");
	has_not(html, "<b>");
	has_not(html, "<img");
}
END_TEST

START_TEST(test_letter_undo)
{
	struct hold_view view = new_view(HOLD_UNDO);
	const char *letter = compose(&view);

	has(flat(letter), "Subject: Leaves at 11:42 unless you undo: \"Lunch\" to 40 people");
	has(flat(part_of(letter, "text/plain")), "it leaves in 2 minutes, at 11:42:10 CET.");
}
END_TEST

/* Who has it is said as the queue showed it. */
static const struct {
	enum hold_how how;
	size_t left_count;
	const char *said;
} gots[] = {
	{ HOLD_HOW_STAYED, 0, "Nobody has got it" },
	{ HOLD_HOW_STAYED, 12, "already left for 12 recipients" },
	{ HOLD_HOW_RELEASED, 0, "released a part of it without being asked, as was noticed at" },
	{ HOLD_HOW_GONE, 0, "a part of it is missing" },
	{ HOLD_HOW_UNKNOWN, 0, "somebody may have got it" },
};

START_TEST(test_letter_who_has_it)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	const char *text;

	view.how = gots[_i].how;
	view.left_count = gots[_i].left_count;
	view.left = NOW - 60;
	text = flat(part_of(compose(&view), "text/plain"));
	has(text, gots[_i].said);
	if (_i > 0)
		has_not(text, "Nobody has got it");
	if (view.how == HOLD_HOW_STAYED)
		return;
	view.action = HOLD_UNDO;
	has(flat(part_of(compose(&view), "text/plain")), gots[_i].said);
}
END_TEST

/* What passed before it was held did not leave without us. */
START_TEST(test_returned_who_has_it)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	struct base_buffer head, tail;
	const char *why = "", *text;

	view.undone_by = "link";
	view.left_count = 12;
	base_buffer_init(&head, 65536);
	base_buffer_init(&tail, 65536);
	ck_assert_int_eq(notice_returned_compose(&head, &tail, &view, true, NOTICE_ATTACHED_7BIT,
			     "boundary", &options, &why),
	    BASE_OK);
	text = flat(base_buffer_text(&head));
	has(text, "already left for 12 recipients");
	has_not(text, "without us");
	base_buffer_free(&tail);
	base_buffer_free(&head);
}
END_TEST

/* No memory is no reason to call an address one that may not be written to. */
START_TEST(test_stamp_without_memory)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	const char *domains[] = { "example.com" }, *why = "", *id;
	struct settings settings = { .notice.from = "oops@example.com",
		.identity = { .local_domains = domains,
		    .local_domain_count = 1,
		    .recipient_delimiter = "" } };
	struct base_key *key = key_of(DIGITS32 DIGITS32 "\n");
	struct config config = { .settings = &settings, .key = key };
	struct base_arena *small = base_arena_new(64);
	struct base_buffer head;

	base_buffer_init(&head, 1000);
	ck_assert_int_eq(
	    notice_letter_stamp(arena, &config, &view, NOW, &head, &id, &why), BASE_OK);
	while (base_arena_alloc(small, 1) != NULL)
		;
	ck_assert_int_eq(
	    notice_letter_stamp(small, &config, &view, NOW, &head, &id, &why), BASE_BROKEN);
	view.mailbox = "victim@elsewhere.example";
	ck_assert_int_eq(
	    notice_letter_stamp(arena, &config, &view, NOW, &head, &id, &why), BASE_REFUSE);
	base_buffer_free(&head);
	base_arena_free(&small);
	base_key_free(&key);
}
END_TEST

START_TEST(test_letter_end_send)
{
	struct hold_view view = new_view(HOLD_CONFIRM);

	view.at_deadline = MAIL_END_SEND;
	has(flat(part_of(compose(&view), "text/plain")), "it is sent in 3 days");
	view.deadline = 0;
	has_not(flat(part_of(compose(&view), "text/plain")), "If you do nothing");
}
END_TEST

/* What strangers write cannot become structure. */
START_TEST(test_letter_injection)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	const char *letter, *html;

	view.subject = "x\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script>";
	view.recipients = "<img src=x>\r@example.com\n\"--=_oops-milter-letter\"@example.com";
	letter = compose(&view);
	ck_assert_int_eq(field_count(letter, "Bcc"), 0);
	ck_assert_int_eq(field_count(letter, "Subject"), 1);
	ck_assert_int_eq(field_count(letter, "Auto-Submitted"), 1);
	html = part_of(letter, "text/html");
	has_not(html, "<script");
	has_not(html, "<img");
	has(part_of(letter, "text/plain"), "oops.example.com/x/h/");
	view.subject = "\xff\xfe K\xc3\xa4se \xe2\x80\xae";
	letter = compose(&view);
	has(letter, "Subject: =?UTF-8?Q?Not_sent_yet");
	has(part_of(letter, "text/plain"), "K\xc3\xa4se");
	has_not(part_of(letter, "text/plain"), "\xff");
}
END_TEST

/* Only CRLF, no line too long, all of it ASCII. */
START_TEST(test_letter_wire)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	const char *letter, *p;
	size_t column = 0;

	view.subject = "Gr\xc3\xbc\xc3\x9f"
		       "e";
	letter = compose(&view);
	for (p = letter; *p; p++) {
		ck_assert_int_lt((unsigned char)*p, 0x80);
		ck_assert_int_eq(*p == '\n', p > letter && p[-1] == '\r');
		column = *p == '\n' ? 0 : column + 1;
		ck_assert_uint_le(column, 78 + 1);
	}
	ck_assert_uint_eq(column, 0);
}
END_TEST

START_TEST(test_letter_refused)
{
	static const char *const mailboxes[] = { "", "a@b\r\nBcc: c@d", "a@b>, <c" };
	struct hold_view view = new_view(HOLD_CONFIRM);
	struct base_buffer letter;
	const char *why = NULL;

	base_buffer_init(&letter, 1 << 18);
	view.mailbox = mailboxes[_i];
	ck_assert_int_eq(notice_letter_compose(&letter, &view, &options, &why), BASE_REFUSE);
	ck_assert_ptr_nonnull(why);
	ck_assert_uint_eq(letter.length, 0);
	base_buffer_free(&letter);
	view.mailbox = "a@b";
	base_buffer_init(&letter, 500);
	ck_assert_int_eq(notice_letter_compose(&letter, &view, &options, &why), BASE_BROKEN);
	base_buffer_free(&letter);
}
END_TEST

#define add_cases(tcase, test, table)                                                              \
	tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof(*(table))))

/* --- a site's own sentences ------------------------------------------------------------- */

/* Settings with a rule whose template has this text. */
static struct settings_policy template_rule = { .language = "en" };
static struct settings template_settings = {
	.notice = { .language = "en" }, .policies = &template_rule, .policy_count = 1
};

/* What comes of them; the file goes away again. */
static enum base_result
load_template(const char *text, struct words_templates **templates_r, const char **faults_r)
{
	static char path[64];
	struct base_buffer faults;
	enum base_result result;
	int fd;

	snprintf(path, sizeof(path), "/tmp/oops-template-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	template_rule.template = path;
	base_buffer_init(&faults, 4096);
	result = config_templates_load(&template_settings, templates_r, &faults);
	*faults_r = base_arena_strdup(arena, base_buffer_text(&faults));
	base_buffer_free(&faults);
	unlink(path);
	return result;
}

START_TEST(test_template_letter)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	struct words_templates *templates = NULL;
	const char *faults, *text;

	ck_assert_int_eq(
	    load_template("letter_foot: Ask <b>us</b> %n.\n", &templates, &faults), BASE_OK);
	view.template = template_rule.template;
	text = compose_from(&view, templates);
	ck_assert_ptr_nonnull(strstr(part_of(text, "text/plain"), "Ask <b>us</b> %n."));
	ck_assert_ptr_nonnull(strstr(part_of(text, "text/html"), "Ask &lt;b&gt;us&lt;/b&gt; %n."));
	/* gone: the shipped words; so without any, and for the site's own, which it has not */
	view.template = "/gone";
	ck_assert_str_eq(compose_from(&view, templates), compose(&view));
	view.template = NULL;
	ck_assert_str_eq(compose_from(&view, templates), compose(&view));
	words_templates_free(&templates);
	ck_assert_ptr_null(templates);
}
END_TEST

/* Every byte of the header is ASCII, whatever a site's own sentences have in them. */
START_TEST(test_template_header)
{
	struct hold_view view = new_view(HOLD_CONFIRM);
	struct words_templates *templates = NULL;
	const char *faults, *text, *p;

	ck_assert_int_eq(load_template("letter_from: Die \"Post\", M\xc3\xbcller & S\xc3\xb6hne\n"
				       "letter_subject_confirm: F\xc3\xbcr {people}: "
				       "\"{subject}\"\n",
			     &templates, &faults),
	    BASE_OK);
	view.template = template_rule.template;
	text = compose_from(&view, templates);
	has(text, "From: =?UTF-8?Q?Die_=22Post=22=2C_M=C3=BCller_=26_S=C3=B6hne?= "
		  "<oops@example.com>\r\n");
	has(text, "\r\nSubject: =?UTF-8?Q?F=C3=BCr_40_people=3A_");
	for (p = text; p < strstr(text, "\r\n\r\n"); p++)
		ck_assert((unsigned char)*p < 0x80);
	words_templates_free(&templates);
}
END_TEST

START_TEST(test_template_refused)
{
	struct words_templates *templates = NULL;
	struct base_buffer gone;
	const char *faults;

	ck_assert_int_eq(load_template("x: y\n", &templates, &faults), BASE_REFUSE);
	ck_assert_ptr_nonnull(strstr(faults, template_rule.template));
	ck_assert_ptr_nonnull(strstr(faults, ":1: \"x\": no sentence has this name\n"));
	base_buffer_init(&gone, 4096);
	ck_assert_int_ne(config_templates_load(&template_settings, &templates, &gone), BASE_OK);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&gone), template_rule.template));
	base_buffer_free(&gone);
	ck_assert_ptr_null(templates);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("notice");
	TCase *tcase = tcase_create("notice");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	add_cases(tcase, test_proof_cases, proof_cases);
	tcase_add_test(tcase, test_proof_tampered);
	tcase_add_test(tcase, test_proof_by_an_earlier_key);
	tcase_add_test(tcase, test_template_letter);
	tcase_add_test(tcase, test_template_header);
	tcase_add_test(tcase, test_template_refused);
	add_cases(tcase, test_mime_field, field_cases);
	add_cases(tcase, test_mime_phrase, phrase_cases);
	tcase_add_test(tcase, test_mime_long);
	add_cases(tcase, test_mime_quoted, quoted_cases);
	add_cases(tcase, test_mime_address, address_cases);
	tcase_add_test(tcase, test_letter_confirm);
	tcase_add_test(tcase, test_letter_undo);
	tcase_add_loop_test(tcase, test_letter_who_has_it, 0, sizeof(gots) / sizeof(*gots));
	tcase_add_test(tcase, test_returned_who_has_it);
	tcase_add_test(tcase, test_stamp_without_memory);
	tcase_add_test(tcase, test_letter_end_send);
	tcase_add_test(tcase, test_letter_injection);
	tcase_add_test(tcase, test_letter_wire);
	tcase_add_loop_test(tcase, test_letter_refused, 0, 3);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
