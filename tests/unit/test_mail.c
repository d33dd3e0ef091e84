/* mail: what strangers write becomes bounded, comparable values; tables first, then real
 * mail. */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/file.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct base_arena *arena;
static const char *why;

static void
setup(void)
{
	arena = base_arena_new(16 << 20);
	ck_assert_ptr_nonnull(arena);
	why = NULL;
}

static void
teardown(void)
{
	base_arena_free(&arena);
}

/* A text made of `count` copies of a piece. */
static char *
repeat(const char *piece, size_t count)
{
	size_t length = strlen(piece), i;
	char *text = base_arena_alloc(arena, length * count + 1);

	ck_assert_ptr_nonnull(text);
	for (i = 0; i < count; i++)
		memcpy(text + i * length, piece, length);
	return text;
}

/* --- envelopes -------------------------------------------------------------------- */

/* normal NULL: refused */
static const struct {
	const char *path, *normal;
} paths[] = {
	{ "<>", "" },
	{ "", "" },
	{ "<a@b.example>", "a@b.example" },
	{ "a@b.example", "a@b.example" },
	{ " <A.B@B.Example> ", "a.b@b.example" },
	{ "<@relay.example,@other.example:a@b.example>", "a@b.example" },
	{ "<\"a b\"@b.example>", "\"a b\"@b.example" },
	{ "<\"ab\"@b.example>", "ab@b.example" },
	{ "<\"a\\b\"@b.example>", "ab@b.example" },
	{ "<\"a\\\"b\"@b.example>", "\"a\\\"b\"@b.example" },
	{ "<\"a@c\"@b.example>", "\"a@c\"@b.example" },
	{ "<a@[192.0.2.1]>", "a@[192.0.2.1]" },
	{ "<a@[IPv6:2001:DB8::1]>", "a@[ipv6:2001:db8::1]" },
	{ "<a@b.example.>", "a@b.example" },
	{ "<a@b.example..>", NULL },
	/* internationalised local parts: no case, accents in one form */
	{ "<jos\xC3\xA9@b.example>", "jos\xC3\xA9@b.example" },
	{ "<jose\xCC\x81@b.example>", "jos\xC3\xA9@b.example" },
	{ "<JOS\xC3\x89@b.example>", "jos\xC3\xA9@b.example" },
	{ "<JOSE\xCC\x81@b.example>", "jos\xC3\xA9@b.example" },
	{ "<\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3@b.example>",
	    "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x83@b.example" },
	{ "<\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82@b.example>",
	    "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x83@b.example" },
	{ "<jose@b.example>", "jose@b.example" },
	{ "JOS\xC3\x89", "jos\xC3\xA9" },
	/* a Greek question mark is a semicolon, which must be quoted */
	{ "<a\xCD\xBE"
	  "b@b.example>",
	    "\"a;b\"@b.example" },
	{ "<\"a;B\"@b.example>", "\"a;b\"@b.example" },
	/* internationalised domains, in either spelling */
	{ "<j\xC3\xB8rn@\xC3\xA6.example>", "j\xC3\xB8rn@xn--6ca.example" },
	{ "<a@B\xC3\x9C"
	  "CHER.example>",
	    "a@xn--bcher-kva.example" },
	{ "<a@bu\xCC\x88"
	  "cher.example>",
	    "a@xn--bcher-kva.example" },
	{ "<a@XN--bcher-kva.example>", "a@xn--bcher-kva.example" },
	{ "<a@b\xE3\x80\x82"
	  "example>",
	    "a@b.example" },
	/* a wide '@' or space is no part of a domain, and must not become one */
	{ "<a@b\xEF\xBC\xA0"
	  "c.example>",
	    "a@b\xEF\xBC\xA0"
	    "c.example" },
	{ "<a@b\xE3\x80\x80"
	  "c.example>",
	    "a@b\xE3\x80\x80"
	    "c.example" },
	{ "<root>", "root" },
	{ "MAILER-DAEMON", "mailer-daemon" },
	{ "<a@b.example", NULL },
	{ "<a b@b.example>", NULL },
	{ "<a@b_c.example>", NULL },
	{ "<a@b..example>", NULL },
	{ "<@b.example>", NULL },
	{ "<@b.example:>", "" },
	{ "<a@>", NULL },
	{ "<a\x01@b.example>", NULL },
	{ "<a@b.example\xFF>", NULL },
	{ "<\xC3@b.example>", NULL },
	{ "<a@[300.0.0.1]>", NULL },
	{ "<a>b", NULL },
};

static bool
keep_one(void *context, const char *name, const char *normal)
{
	(void)name;
	*(const char **)context = normal;
	return true;
}

START_TEST(a_path_becomes_an_address)
{
	const char *address = "untouched";

	ck_assert_int_eq(mail_path_parse(arena, paths[_i].path, &address, &why),
	    paths[_i].normal == NULL ? BASE_REFUSE : BASE_OK);
	ck_assert_str_eq(address, paths[_i].normal == NULL ? "untouched" : paths[_i].normal);
	if (paths[_i].normal == NULL)
		ck_assert_ptr_nonnull(why);
}
END_TEST

/* What has more bytes than a local part may have once it is folded keeps all but ASCII's case. */
START_TEST(what_grows_too_long_is_not_folded)
{
	char text[600], wanted[600];
	const char *address;

	/* a musical note of 4 bytes that NFC writes as 8 */
	snprintf(text, sizeof(text), "A%s@b.example", repeat("\xF0\x9D\x85\x9E", 15));
	snprintf(wanted, sizeof(wanted), "a%s@b.example",
	    repeat("\xF0\x9D\x85\x97\xF0\x9D\x85\xA5", 15));
	ck_assert_int_eq(mail_path_parse(arena, text, &address, &why), BASE_OK);
	ck_assert_str_eq(address, wanted);
	snprintf(text, sizeof(text), "From: A%s@b.example", repeat("\xF0\x9D\x85\x9E", 40));
	snprintf(wanted, sizeof(wanted), "a%s@b.example", repeat("\xF0\x9D\x85\x9E", 40));
	ck_assert_int_eq(mail_each_mailbox(arena, text + 6, keep_one, &address), BASE_OK);
	ck_assert_str_eq(address, wanted);
}
END_TEST

START_TEST(limits_of_lengths_are_exact)
{
	struct mail_address address;
	char text[400];
	int local, labels;

	for (local = 63; local <= 65; local++) {
		snprintf(text, sizeof(text), "%s@b.example", repeat("x", (size_t)local));
		ck_assert_int_eq(mail_address_parse(arena, text, strlen(text), &address, &why),
		    local <= MAIL_MAX_LOCAL ? BASE_OK : BASE_REFUSE);
	}
	for (labels = 62; labels <= 64; labels++) {
		snprintf(text, sizeof(text), "a@%s.example", repeat("x", (size_t)labels));
		ck_assert_int_eq(mail_address_parse(arena, text, strlen(text), &address, &why),
		    labels <= 63 ? BASE_OK : BASE_REFUSE);
	}
	/* 254 bytes, then one more */
	snprintf(text, sizeof(text), "%s@%sb", "abcd", repeat("xxxxxxx.", 31));
	ck_assert_uint_eq(strlen(text), 254);
	ck_assert_int_eq(mail_address_parse(arena, text, 254, &address, &why), BASE_OK);
	ck_assert_str_eq(address.local, "abcd");
	strcat(text, "c");
	ck_assert_int_eq(mail_address_parse(arena, text, 255, &address, &why), BASE_REFUSE);
	ck_assert_int_eq(mail_address_parse(arena, "a@b\0c", 5, &address, &why), BASE_REFUSE);
}
END_TEST

START_TEST(domains_are_compared_whole_label_by_label)
{
	ck_assert_str_eq(mail_domain_of("a@b.example"), "b.example");
	ck_assert_str_eq(mail_domain_of("\"a@c\"@b.example"), "b.example");
	ck_assert_str_eq(mail_domain_of("root"), "");
	ck_assert(mail_domain_is_within("b.example", "b.example"));
	ck_assert(mail_domain_is_within("a.b.example", "b.example"));
	ck_assert(mail_domain_is_within("A.B.Example", "b.example"));
	ck_assert(!mail_domain_is_within("ab.example", "b.example"));
	ck_assert(!mail_domain_is_within("example", "b.example"));
	ck_assert(!mail_domain_is_within("b.example", ""));
}
END_TEST

START_TEST(a_set_keeps_order_and_counts_on_when_it_is_full)
{
	struct mail_addresses set = { 0 };
	const char *hand[] = { "a@b.example" };
	struct mail_addresses by_hand = { .items = hand, .count = 1, .seen = 1 };
	char text[64];
	size_t i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < MAIL_MAX_RECIPIENTS + 10; i++) {
			snprintf(text, sizeof(text), "u%zu@b.example", i);
			ck_assert_int_eq(mail_addresses_add(arena, &set, text), BASE_OK);
		}
	}
	ck_assert_uint_eq(set.count, MAIL_MAX_RECIPIENTS);
	ck_assert_uint_eq(set.seen, 2 * (MAIL_MAX_RECIPIENTS + 10));
	ck_assert(set.capped);
	for (i = 0; i < MAIL_MAX_RECIPIENTS; i++) {
		snprintf(text, sizeof(text), "u%zu@b.example", i);
		ck_assert_str_eq(set.items[i], text);
		ck_assert(mail_addresses_has(&set, text));
	}
	ck_assert(!mail_addresses_has(&set, "u5000@b.example"));
	ck_assert(mail_addresses_has(&by_hand, "a@b.example"));
	ck_assert(!mail_addresses_has(&by_hand, "c@b.example"));
	ck_assert_int_eq(mail_addresses_add(arena, &by_hand, "c@b.example"), BASE_OK);
	ck_assert(mail_addresses_has(&by_hand, "a@b.example"));
	ck_assert_uint_eq(by_hand.count, 2);
}
END_TEST

/* --- address lists ---------------------------------------------------------------- */

/* Puts what was found into one text: name|address, one after another. */
static bool
collect(void *context, const char *name, const char *normal)
{
	struct base_buffer *found = context;

	ck_assert(base_is_utf8(name, strlen(name)));
	ck_assert(base_is_utf8(normal, strlen(normal)));
	base_buffer_printf(found, "%s%s|%s", found->length == 0 ? "" : "; ", name, normal);
	return true;
}

static const struct {
	const char *value, *found;
} lists[] = {
	{ "a@b.example", "|a@b.example" },
	{ " A@B.example\r\n", "|a@b.example" },
	{ "Ann <a@b.example>", "Ann|a@b.example" },
	{ "\"Ann, B.\" <a@b.example>, c@d.example", "Ann, B.|a@b.example; |c@d.example" },
	{ "John Q. Public <j@b.example>", "John Q. Public|j@b.example" },
	{ "a@b.example (Ann)", "Ann|a@b.example" },
	{ "(one) a@b.example", "one|a@b.example" },
	{ "Ann (of (nested \\) ones)) <a@b.example>", "Ann|a@b.example" },
	{ "a@b.example,\r\n\tc@d.example", "|a@b.example; |c@d.example" },
	{ "Team: a@b.example, C <c@d.example>;, e@f.example",
	    "|a@b.example; C|c@d.example; |e@f.example" },
	{ "undisclosed-recipients:;", "" },
	{ "", "" },
	{ ",,;,", "" },
	{ "<@x.example,@y.example:a@b.example>", "|a@b.example" },
	{ "Doe, Jane <j@b.example>", "Jane|j@b.example" },
	{ "j@b.example <j@b.example>", "j@b.example|j@b.example" },
	{ "'j@b.example'", "|j@b.example" },
	{ "\"'j@b.example'\" <j@b.example>", "'j@b.example'|j@b.example" },
	{ "a@b.example; c@d.example", "|a@b.example; |c@d.example" },
	{ "<a@b.example> <c@d.example>", "|a@b.example; |c@d.example" },
	{ "Ann <a@b.example", "Ann|a@b.example" },
	{ "\"Ann <a@b.example>", "Ann|a@b.example" },
	{ "mailto:a@b.example", "|a@b.example" },
	{ "Jane Doe jane@b.example, c@d.example", "|c@d.example" },
	{ "no address, c@d.example", "|c@d.example" },
	{ "a . b @ c . example", "|a.b@c.example" },
	{ "\"a b\"@c.example", "|\"a b\"@c.example" },
	{ "\"a\".b@c.example", "|a.b@c.example" },
	{ "a..b.@c.example", "|a..b.@c.example" },
	{ "a@b_c.example", "|a@b_c.example" },
	{ "a@b.example.", "|a@b.example" },
	{ "a@[192.0.2.1]", "|a@[192.0.2.1]" },
	{ "[List] <a@b.example>", "[List]|a@b.example" },
	{ "a@b@c.example, d@e.example", "|d@e.example" },
	{ "=?utf-8?Q?J=C3=B8rn_K=2E?= <j@b.example>", "J\xC3\xB8rn K.|j@b.example" },
	{ "\"=?iso-8859-1?B?SvhybiA=?= =?iso-8859-1?Q?=D8?=\" <j@b.example>",
	    "J\xC3\xB8rn \xC3\x98|j@b.example" },
	{ "J\xF8rn <j@b.example>", "J\xEF\xBF\xBDrn|j@b.example" },
	{ "Evil\r\nBcc: x@y.example <a@b.example>", "x@y.example|a@b.example" },
	{ "a\xFF@b.example, c@d.example", "|c@d.example" },
	{ "(open a@b.example", "" },
};

START_TEST(a_list_gives_its_mailboxes)
{
	struct base_buffer found;

	base_buffer_init(&found, 4096);
	ck_assert_int_eq(mail_each_mailbox(arena, lists[_i].value, collect, &found), BASE_OK);
	ck_assert_str_eq(base_buffer_text(&found), lists[_i].found);
	base_buffer_free(&found);
}
END_TEST

/* Stops at the first. */
static bool
stop(void *context, const char *name, const char *normal)
{
	(void)name;
	(void)normal;
	++*(int *)context;
	return false;
}

START_TEST(a_reader_can_stop)
{
	int calls = 0;

	ck_assert_int_eq(
	    mail_each_mailbox(arena, "a@b.example, c@d.example", stop, &calls), BASE_OK);
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(an_arena_that_is_full_is_reported)
{
	struct base_arena *small = base_arena_new(64);
	struct base_buffer found;
	const char *text;

	base_buffer_init(&found, 4096);
	ck_assert_int_eq(mail_each_mailbox(small, lists[2].value, collect, &found), BASE_OK);
	ck_assert_int_eq(mail_each_mailbox(small, "a@b.example", collect, &found), BASE_BROKEN);
	ck_assert_int_eq(mail_text_decode(small, repeat("x", 90), 90, &text), BASE_BROKEN);
	base_buffer_free(&found);
	base_arena_free(&small);
}
END_TEST

/* --- text and ids ----------------------------------------------------------------- */

static const struct {
	const char *value, *text;
} texts[] = {
	{ "Hello", "Hello" },
	{ " Hello\r\n  world ", "Hello world" },
	{ "=?utf-8?q?caf=C3=A9?=", "caf\xC3\xA9" },
	{ "=?UTF-8?B?Y2Fmw6k=?= au lait", "caf\xC3\xA9 au lait" },
	{ "=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "caf\xC3\xA9" }, /* cut within a character */
	{ "=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c" },
	{ "=?iso-8859-1*en?q?caf=E9?=", "caf\xC3\xA9" },
	{ "=?windows-1251?B?z/Do4uXy?=", "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82" },
	{ "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xE6\x97\xA5\xE6\x9C\xAC" },
	{ "=?x-unknown?q?caf=E9?=", "caf\xEF\xBF\xBD" },
	{ "=?ISO-2022-CN-EXT?q?abc?=", "abc" },
	{ "=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x" },
	{ "=?utf-8?q?a=00b?=", "a b" },
	{ "=?utf-8?q?=FF?=", "\xEF\xBF\xBD" },
	{ "=?utf-8?q?a=4?=", "a=4" },
	{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
	{ "=?utf-8?q?a", "=?utf-8?q?a" },
	{ "=??q?a?=", "=??q?a?=" },
	{ "caf\xC3\xA9", "caf\xC3\xA9" },
	{ "\xE2\x80\xAEgnp.exe", " gnp.exe" },
	{ "", "" },
};

START_TEST(text_becomes_one_line_of_utf8)
{
	const char *text = NULL;

	ck_assert_int_eq(mail_text_decode(arena, texts[_i].value, 200, &text), BASE_OK);
	ck_assert_str_eq(text, texts[_i].text);
}
END_TEST

START_TEST(text_ends_at_its_limit)
{
	const char *text = NULL;

	ck_assert_int_eq(
	    mail_text_decode(arena, repeat("=?utf-8?q?=C3=A9?= ", 50000), 7, &text), BASE_OK);
	ck_assert_str_eq(text, "\xC3\xA9\xC3\xA9\xC3\xA9");
	ck_assert_int_eq(mail_text_decode(arena, repeat("ab", 4), 7, &text), BASE_OK);
	ck_assert_str_eq(text, "abababa");
}
END_TEST

static const struct {
	const char *value, *ids;
} ids[] = {
	{ "<a@b>", "a@b" },
	{ " <a@b>\r\n <c@d>", "a@b c@d" },
	{ "<a@b><c@d>", "a@b c@d" },
	{ "<a@b> (from <x@y>) <c@d>", "a@b c@d" },
	{ "Your message of (Mon <a@b>", "a@b" },
	{ "<a b@c> <d@e>", "d@e" },
	{ "<> <d@e>", "d@e" },
	{ "<a<d@e>", "d@e" },
	{ "<a@b", "" },
	{ "a@b", "a@b" },
	{ " a@b\r\n", "a@b" },
	{ "a@b wrote", "" },
	{ "none", "" },
	{ "<\xFF@b>", "" },
	{ "<a\x01@b>", "" },
	{ "a@b\x1B", "" },
	{ "\xFF@b", "" },
	{ "", "" },
};

START_TEST(ids_are_found)
{
	struct base_buffer found;
	const char *list[8];
	size_t count = mail_message_ids(arena, ids[_i].value, list, COUNT(list)), i;

	base_buffer_init(&found, 4096);
	for (i = 0; i < count; i++)
		base_buffer_printf(&found, "%s%s", i == 0 ? "" : " ", list[i]);
	ck_assert_str_eq(base_buffer_text(&found), ids[_i].ids);
	base_buffer_free(&found);
}
END_TEST

START_TEST(of_many_ids_the_first_and_the_last_stay)
{
	const char *list[3];

	ck_assert_uint_eq(mail_message_ids(arena, "<1@a> <2@a> <3@a> <4@a> <5@a>", list, 3), 3);
	ck_assert_str_eq(list[0], "1@a");
	ck_assert_str_eq(list[1], "4@a");
	ck_assert_str_eq(list[2], "5@a");
	ck_assert_uint_eq(mail_message_ids(arena, "<1@a> <2@a>", list, 1), 1);
	ck_assert_str_eq(list[0], "1@a");
	ck_assert_uint_eq(mail_message_ids(arena, "<1@a>", list, 0), 0);
	ck_assert_uint_eq(mail_message_ids(arena, "1@a", list, 0), 0);
}
END_TEST

/* --- transactions ----------------------------------------------------------------- */

/* What is compared is not what is written to. */
START_TEST(addresses_are_kept_as_they_were_written)
{
	struct mail_transaction *t = mail_transaction_new(arena, 7);

	ck_assert_str_eq(t->envelope_written, "");
	ck_assert_str_eq(t->from_written, "");
	mail_transaction_sender(arena, t,
	    "<@relay.example:JOSE\xCC\x81+News@B\xC3\xBC"
	    "cher.example>");
	mail_transaction_field(arena, t, "From",
	    " \"J, E\" (x) <\"J. \xC3\x89\".a (y) @B\xC3\xBC"
	    "cher.example>, other@b.example");
	ck_assert_str_eq(t->envelope_sender, "jos\xC3\xA9+news@xn--bcher-kva.example");
	ck_assert_str_eq(t->envelope_written, "JOSE\xCC\x81+News@b\xC3\xBC"
					      "cher.example");
	ck_assert_str_eq(t->from, "\"j. \xC3\xA9.a\"@xn--bcher-kva.example");
	ck_assert_str_eq(t->from_written, "\"J. \xC3\x89.a\"@b\xC3\xBC"
					  "cher.example");
	mail_transaction_sender(arena, t, "<>");
	ck_assert_str_eq(t->envelope_written, "");
	mail_transaction_sender(arena, t, "<Odd One@x_y>");
	ck_assert_str_eq(t->envelope_sender, "odd one@x_y");
	ck_assert_str_eq(t->envelope_written, "");
}
END_TEST

/* What a From field names: the address in brackets wins over what stands before it. */
static const struct {
	const char *value;
	const char *from;
	const char *name;
} authors[] = {
	{ "Muster, Anna <anna@b.example>", "anna@b.example", "Anna" },
	/* so an MTA rewrites it: Postfix's append_at_myorigin */
	{ "Muster@mx.example, Anna <anna@b.example>", "anna@b.example", "Anna" },
	{ "anna@b.example, <boss@b.example>, <x@b.example>", "boss@b.example", "" },
	{ "anna@b.example, x@b.example", "anna@b.example", "" },
	{ "<anna@b.example>, x@b.example", "anna@b.example", "" },
	{ "\"Muster, Anna\" <anna@b.example>", "anna@b.example", "Muster, Anna" },
	{ "anna@b.example (Muster, Anna)", "anna@b.example", "Muster, Anna" },
	{ "a@b.example, <broken", "a@b.example", "" },
	{ "<>, anna@b.example", "anna@b.example", "" },
	/* nobody reads hundreds of them */
	{ "a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, a@b, <x@y>",
	    "a@b", "" },
};

START_TEST(the_author_stands_in_brackets)
{
	struct mail_transaction *t = mail_transaction_new(arena, 7);

	mail_transaction_field(arena, t, "From", authors[_i].value);
	ck_assert_str_eq(t->from, authors[_i].from);
	ck_assert_str_eq(t->from_written, authors[_i].from);
	ck_assert_str_eq(t->from_name, authors[_i].name);
}
END_TEST

/* The newest resending stands first. */
START_TEST(who_resent_it)
{
	struct mail_transaction *t = mail_transaction_new(arena, 7);

	ck_assert_str_eq(t->resent_from, "");
	mail_transaction_field(arena, t, "Resent-From", "Anna <Anna+x@b.example>");
	mail_transaction_field(arena, t, "Resent-From", "dora@b.example");
	mail_transaction_field(arena, t, "From", "eve@b.example");
	ck_assert(t->is_resent);
	ck_assert_int_eq(mail_transaction_strip_extensions(arena, t, "+"), BASE_OK);
	ck_assert_str_eq(t->resent_from, "anna@b.example");
	ck_assert_str_eq(t->resent_written, "Anna@b.example");
	ck_assert_str_eq(t->from, "eve@b.example");
}
END_TEST

/* Addresses that are a mailbox of their domain, and those that are something else. */
static const struct {
	const char *normal;
	bool is_mailbox;
} mailboxes[] = {
	{ "anna@b.example", true },
	{ "anna.b+news=x@b.example", true },
	{ "jos\xC3\xA9@b.example", true },
	{ "\"a b\"@b.example", true },
	{ "u-7/anna@b.example", true },
	{ "victim%outside.example@b.example", false },
	{ "outside.example!victim@b.example", false },
	{ "\"victim@outside.example\"@b.example", false },
	{ "\"a%b\"@b.example", false },
	{ "|cmd@b.example", false },
	{ "\"|cmd arg\"@b.example", false },
	{ "/var/mail/x@b.example", false },
	{ "\":include:/etc/passwd\"@b.example", false },
	{ "\"\\\\anna\"@b.example", false },
	{ "-oqx@b.example", false },
	{ "\"a\tb\"@b.example", false },
	{ "\"anna@b.example", false },
	{ "anna", false },
	{ "@b.example", false },
	{ "", false },
};

START_TEST(some_addresses_are_no_mailboxes)
{
	ck_assert(mail_address_is_mailbox(mailboxes[_i].normal) == mailboxes[_i].is_mailbox);
}
END_TEST

START_TEST(a_transaction_is_built_field_by_field)
{
	struct mail_transaction *t = mail_transaction_new(arena, 7);

	ck_assert_str_eq(t->subject, "");
	ck_assert_str_eq(t->body_start, "");
	mail_transaction_sender(arena, t, "<A@B.example>");
	mail_transaction_recipient(arena, t, "<c@d.example>");
	mail_transaction_recipient(arena, t, "<C@d.example>");
	mail_transaction_recipient(arena, t, "<Odd One@x_y>");
	mail_transaction_field(arena, t, "FROM", " Ann <a@b.example>");
	mail_transaction_field(arena, t, "From", " Other <x@b.example>");
	mail_transaction_field(arena, t, "Sender", "s@b.example");
	mail_transaction_field(arena, t, "To", "c@d.example, e@f.example");
	mail_transaction_field(arena, t, "To", "g@h.example");
	mail_transaction_field(arena, t, "Cc", "c@d.example");
	mail_transaction_field(arena, t, "Subject", " one\n two");
	mail_transaction_field(arena, t, "References", "<1@a> <2@a>");
	ck_assert_str_eq(t->in_reply_to, "2@a");
	mail_transaction_field(arena, t, "In-Reply-To", "<1@a>");
	mail_transaction_field(arena, t, "In-Reply-To", "<9@a>");
	mail_transaction_field(arena, t, "Message-Id", "<3@a>");
	ck_assert_int_eq(t->time, 7);
	ck_assert_str_eq(t->envelope_sender, "a@b.example");
	ck_assert_uint_eq(t->recipients.count, 2);
	ck_assert_uint_eq(t->recipients.seen, 3);
	ck_assert_str_eq(t->recipients.items[1], "odd one@x_y");
	ck_assert_str_eq(t->from, "a@b.example");
	ck_assert_str_eq(t->from_name, "Ann");
	ck_assert_str_eq(t->sender, "s@b.example");
	ck_assert_uint_eq(t->to.count, 3);
	ck_assert_uint_eq(t->cc.count, 1);
	ck_assert_str_eq(t->subject, "one two");
	ck_assert_str_eq(t->in_reply_to, "1@a");
	ck_assert_str_eq(t->message_id, "3@a");
	ck_assert_uint_eq(t->reference_count, 2);
	ck_assert_uint_eq(t->field_count, 11);
	ck_assert(!t->is_auto && !t->is_list && !t->is_report && !t->header_capped);
}
END_TEST

static const struct {
	const char *name, *value;
	bool is_auto, is_list, is_report;
} kinds[] = {
	{ "Auto-Submitted", " auto-replied", true, false, false },
	{ "Auto-Submitted", " (really) no (human)", false, false, false },
	{ "Auto-Submitted", "NO", false, false, false },
	{ "Auto-Submitted", "notification", true, false, false },
	{ "Precedence", " bulk", true, false, false },
	{ "precedence", "LIST", true, false, false },
	{ "Precedence", "first-class", false, false, false },
	{ "Precedence", "auto_reply", true, false, false },
	{ "X-Precedence", "auto_reply", true, false, false },
	{ "Preference", "auto_reply", true, false, false },
	{ "X-Autoreply", "yes", true, false, false },
	{ "X-Autoreply", "no", false, false, false },
	{ "X-Autorespond", "Re: Cake", true, false, false },
	{ "X-AutoReply-From", "anna@b.example", true, false, false },
	{ "X-Mail-Autoreply", "dtc", true, false, false },
	{ "X-Autogenerated", "Reply", true, false, false },
	{ "X-FC-MachineGenerated", "true", true, false, false },
	{ "X-FC-MachineGenerated", "false", false, false, false },
	{ "X-Auto-Response-Suppress", "All", true, false, false },
	{ "X-Auto-Response-Suppress", "DR, OOF, AutoReply", false, false, false },
	{ "X-POST-MessageClass", "9; Autoresponder", true, false, false },
	{ "X-POST-MessageClass", "9; Note", false, false, false },
	{ "Delivered-To", "Autoresponder", true, false, false },
	{ "Delivered-To", "anna@b.example", false, false, false },
	{ "List-Id", "<x.example>", false, true, false },
	{ "List-Unsubscribe", "<mailto:x>", false, true, false },
	{ "List-Ids", "<x.example>", false, false, false },
	{ "List", "x", false, false, false },
	{ "Content-Type", " Multipart/Report; report-type=x", false, false, true },
	{ "Content-Type", "multipart/mixed", false, false, false },
	{ "Content-Type", "(open multipart/report", false, false, false },
};

START_TEST(what_no_person_sent_is_known)
{
	struct mail_transaction *t = mail_transaction_new(arena, 0);

	mail_transaction_field(arena, t, kinds[_i].name, kinds[_i].value);
	ck_assert(t->is_auto == kinds[_i].is_auto);
	ck_assert(t->is_list == kinds[_i].is_list);
	ck_assert(t->is_report == kinds[_i].is_report);
}
END_TEST

/* The display names of To and Cc, of the first mailboxes that have one. */
START_TEST(display_names_are_kept)
{
	struct mail_transaction *t = mail_transaction_new(arena, 0);
	char text[64];

	mail_transaction_field(arena, t, "To",
	    "\"Smith, Ann\" <ann+x@b.example>, plain@b.example,\r\n "
	    "=?utf-8?q?J=C3=BCrgen?= Meier <j@b.example>");
	mail_transaction_field(arena, t, "Cc", "c@b.example (Carl Cole), <d@b.example>");
	ck_assert_uint_eq(t->to.count, 3);
	ck_assert_uint_eq(t->cc.count, 2);
	ck_assert_uint_eq(t->name_count, 3);
	ck_assert_str_eq(t->names[0].name, "Smith, Ann");
	ck_assert_str_eq(t->names[0].address, "ann+x@b.example");
	ck_assert_str_eq(t->names[1].name, "J\xC3\xBCrgen Meier");
	ck_assert_str_eq(t->names[1].address, "j@b.example");
	ck_assert_str_eq(t->names[2].name, "Carl Cole");
	ck_assert_str_eq(t->names[2].address, "c@b.example");
	ck_assert_int_eq(mail_transaction_strip_extensions(arena, t, "+"), BASE_OK);
	ck_assert_str_eq(t->names[0].address, "ann@b.example");
	for (int i = 0; i < 2 * MAIL_MAX_NAMES; i++) {
		snprintf(text, sizeof(text), "Name %d <n%d@b.example>, b@b.example", i, i);
		mail_transaction_field(arena, t, "To", text);
	}
	ck_assert_uint_eq(t->name_count, MAIL_MAX_NAMES);
	ck_assert_str_eq(t->names[MAIL_MAX_NAMES - 1].name, "Name 28");
	ck_assert_uint_eq(t->to.count, 3 + 2 * MAIL_MAX_NAMES + 1);
}
END_TEST

/* --- the text of a body ---------------------------------------------------------------- */

#define GREETING "Hi Björn,\n\nis there some left?\n"
#define MIME(type, encoding)                                                                       \
	"From: a@b.example\nMIME-Version: 1.0\nContent-Type: " type                                \
	"\nContent-Transfer-Encoding: " encoding "\n\n"
#define PART(type, encoding, text)                                                                 \
	"Content-Type: " type "\nContent-Transfer-Encoding: " encoding "\n\n" text "\n"
#define BASE64 "SGkgQmrDtnJuLAoKaXMgdGhlcmUgc29t\r\nZSBsZWZ0Pwo=\r\n"
#define QUOTED "Hi Bj=C3=B6rn,\n\nis there =\nsome l=\r\neft?\n"
#define HTML                                                                                       \
	"<html><head><title>x</title><style>p { a: <b> }</style></head><!-- <p>no -->"             \
	"<body><p>Hi <b>Bj&ouml;rn</b>,</p>\n<p>is&nbsp;there\n  some <i>left</i>?</p></body>"

/* Whatever a mail program makes of it, it is the same text. */
static const struct {
	const char *message, *text;
} bodies[] = {
	{ "From: a@b.example\n\n" GREETING, GREETING },
	{ MIME("text/plain; charset=utf-8", "8bit") GREETING, GREETING },
	{ MIME("text/plain; charset=utf-8", "base64") BASE64, GREETING },
	{ MIME("text/plain; charset=utf-8", "(so) Base64") BASE64, GREETING },
	{ MIME("text/plain; charset=utf-8", "quoted-printable") QUOTED, GREETING },
	{ MIME("text/plain; charset=ISO-8859-1", "8bit") "Hi Bj\xf6rn,\n\nis there some left?\n",
	    GREETING },
	{ MIME("text/plain; charset=\"iso-8859-1\"",
	      "quoted-printable") "Hi Bj=F6rn,\n\nis there some left?\n",
	    GREETING },
	{ MIME("text/plain; charset*=us-ascii''windows-1252",
	      "8bit") "Hi Bj\xf6rn,\n\nis there some left?\n",
	    GREETING },
	{ MIME("text/plain", "8bit") "Hi Bj\xf6rn,\n\nis there some left?\n", GREETING },
	{ MIME("text/plain; charset=utf-16", "base64") "/v8ASABpACAAQgBqAPYAcgBuACw=\n",
	    "Hi Björn," },
	{ MIME("text/plain; charset=utf-16", "base64") "AEgAaQAgAEIAagD2AHIAbgAs\n", "Hi Björn," },
	{ MIME("text/plain; charset=utf-16le", "base64") "SABpACAAQgBqAPYAcgBuACwA\n",
	    "Hi Björn," },
	{ MIME("text/plain; charset=utf-8", "base64") "77u/SGkgQmrDtnJuLA==\n", "Hi Björn," },
	{ MIME("text/plain; charset=utf-32",
	      "base64") "//4AAEgAAABpAAAAIAAAAEIAAABqAAAA9gAAAHIAAABuAAAALAAAAA==\n",
	    "Hi Björn," },
	{ MIME("text/plain; charset=utf-32be",
	      "base64") "AAAASAAAAGkAAAAgAAAAQgAAAGoAAAD2AAAAcgAAAG4AAAAs\n",
	    "Hi Björn," },
	{ MIME("multipart/alternative; boundary=\"b b\"", "7bit") "preamble\n--b b\n" PART(
	      "text/plain; charset=utf-8", "base64", BASE64) "--b b\n" PART("text/html", "8bit",
	      "<p>no</p>") "--b b--\n",
	    GREETING },
	{ MIME("multipart/mixed;\n\tboundary=out",
	      "7bit") "--out\nContent-Type: multipart/related; boundary=mid\n\n"
		      "--mid\nContent-Type: multipart/alternative; boundary=in\n\n"
		      "--in\n" PART("text/plain; charset=utf-8", "quoted-printable",
			  QUOTED) "--in--\n--mid--\n--out\n" PART("text/plain", "8bit",
			  "attached") "--out--\n",
	    GREETING "\n" },
	/* HTML alone, and where the plain text says nothing */
	{ MIME("text/html; charset=utf-8", "8bit") HTML, "Hi Björn,\nis there some left?\n" },
	{ MIME("multipart/alternative; boundary=b", "7bit") "--b\n\n \n--b\n" PART(
	      "text/html", "8bit", HTML) "--b--\n",
	    "Hi Björn,\nis there some left?\n" },
	/* a part without a header, one whose type is none, and no boundary in the header */
	{ MIME("multipart/mixed; boundary=b", "7bit") "--b\n\nnote: Hi\n--b--\n", "note: Hi\n" },
	{ MIME("multipart/mixed", "7bit") "--b\n\nHi\n--b--\n", "Hi\n" },
	{ MIME("multipart/mixed; boundary=b", "7bit") "--b\r\nContent-Description:\r\n base64"
						      "\r\n\r\nHi\r\n--b--\r\n",
	    "Hi\r\n" },
	/* a code point beyond the last one, which iconv(3) lets pass */
	{ MIME("text/plain; charset=utf-8", "8bit") "a\xF5\xBC\x90\x91z\n", "a????z\n" },
	/* nothing that is read: an attachment, a picture, somebody else's mail */
	{ MIME("multipart/mixed; boundary=b",
	      "7bit") "--b\nContent-Disposition: attachment\n\nno\n"
		      "--b\nContent-Type: image/png\n\nno\n"
		      "--b\nContent-Type: message/rfc822\n\nFrom: x\n\nno\n--b--\n",
	    "" },
	{ MIME("application/pdf", "base64") BASE64, "" },
	/* malformed, cut off */
	{ MIME("text/plain", "base64") "SGkgQm9i", "Hi Bob" },
	{ MIME("text/plain", "base64") "SGkg*Qm9iLA", "Hi Bob," },
	{ MIME("text/plain", "quoted-printable") "=48i =4g=\n= =4", "Hi =4g= =4" },
	{ MIME("text/plain; charset=utf-8", "8bit") "Hi Bj\xc3", "Hi Bj\xef\xbf\xbd" },
	{ MIME("text/plain; charset=x-none", "8bit") "Hi Bj\xc3", "Hi Bj\xef\xbf\xbd" },
	{ MIME("multipart/mixed; boundary=b", "7bit") "--b\nContent-Type: multipart/mixed; "
						      "boundary=c\n\n--c\n\nHi",
	    "Hi" },
	{ MIME("multipart/mixed; boundary=\"b", "7bit") "--b\n\nHi\n", "Hi\n" },
	{ "From: a@b.example\nContent-Type: text/html\n\n<p>Hi <b", "Hi" },
	{ "From: a@b.example\nContent-Type: text/html\n\n<style>Hi", "" },
	{ "From: a@b.example\nContent-Type: text/html\n\na &lt; b &amp;&#66;&#x6f;b &x; 1 < 2 &",
	    "a < b &Bob &x; 1 < 2 &" },
	{ "From: a@b.example\nContent-Type: text/html\n\nYes.<blockquote><div>Who?<br>When?"
	  "</div></blockquote>No.<hr>From: c",
	    "Yes.\n> Who?\n> When?\nNo.\n________\nFrom: c" },
};

START_TEST(the_text_of_a_body_is_read)
{
	struct mail_transaction *t = mail_transaction_new(arena, 0);

	ck_assert_int_eq(mail_transaction_message(
			     arena, t, bodies[_i].message, strlen(bodies[_i].message), &why),
	    BASE_OK);
	ck_assert_str_eq(t->text, bodies[_i].text);
	ck_assert_uint_eq(t->text_length, strlen(bodies[_i].text));
}
END_TEST

/* Parts in parts without an end, and more of them than are looked at. */
START_TEST(a_body_of_parts_is_bounded)
{
	struct mail_transaction *t = mail_transaction_new(arena, 0);
	char *many = repeat("--b\nContent-Type: multipart/mixed; boundary=b\n\n", 400);

	mail_transaction_field(arena, t, "Content-Type", "multipart/mixed; boundary=b");
	mail_transaction_body(arena, t, many, strlen(many));
	ck_assert_int_eq(mail_transaction_text(arena, t), BASE_OK);
	ck_assert_str_eq(t->text, "");
}
END_TEST

START_TEST(a_stranger_cannot_make_a_transaction_grow)
{
	struct base_arena *own = base_arena_new(4 << 20);
	struct mail_transaction *t = mail_transaction_new(own, 0);
	char text[64], *big = repeat("x", MAIL_MAX_HEADER_BYTES);
	size_t i;

	for (i = 0; i < 200000; i++) {
		snprintf(text, sizeof(text), "<u%zu@b.example>", i);
		ck_assert_int_eq(mail_transaction_recipient(own, t, text), BASE_OK);
	}
	ck_assert_uint_eq(t->recipients.count, MAIL_MAX_RECIPIENTS);
	ck_assert_uint_eq(t->recipients.seen, 200000);
	ck_assert_int_eq(mail_transaction_field(own, t, "Subject", big), BASE_OK);
	ck_assert_str_eq(t->subject, "");
	ck_assert(t->header_capped);
	for (i = 0; i < 10000; i++)
		ck_assert_int_eq(
		    mail_transaction_field(own, t, "To", "a@b.example, a@b.example"), BASE_OK);
	ck_assert_uint_eq(t->field_count, 10001);
	ck_assert_uint_eq(t->to.seen, 2 * (MAIL_MAX_FIELDS - 1));
	ck_assert_uint_le(t->header_bytes, MAIL_MAX_HEADER_BYTES);
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(mail_transaction_body(own, t, big, 1000), BASE_OK);
	ck_assert(mail_transaction_has_body(t));
	ck_assert_uint_eq(t->body_start_length, MAIL_MAX_BODY_START);
	ck_assert_uint_eq(strlen(t->body_start), MAIL_MAX_BODY_START);
	base_arena_free(&own);
}
END_TEST

/* from NULL: refused */
static const struct {
	const char *message, *from, *subject, *body;
} messages[] = {
	{ "From: a@b.example\nSubject: s\n\nbody\n", "a@b.example", "s", "body\n" },
	{ "From: a@b.example\r\nSubject: s\r\n\tt\r\n\r\nbody", "a@b.example", "s t", "body" },
	{ "From x@y Mon Jan 1\nFrom: a@b.example\n\nbody", "a@b.example", "", "body" },
	{ "\n\n>From x@y Mon\nSubject: s\n>From x\nFrom : a@b.example\n\nb", "a@b.example", "s",
	    "b" },
	{ "\xef\xbb\xbf"
	  "From: a@b.example\nSubject: s\n\nb",
	    "a@b.example", "s", "b" },
	{ "        \n \t\r\nFrom: a@b.example\nSubject: s\n\nb", "a@b.example", "s", "b" },
	{ "\xef\xbb\xbf\n\nFrom: a@b.example\n\nb", "a@b.example", "", "b" },
	{ "\xef\xbb", NULL, NULL, NULL },
	{ "From: a@b.example\nno field here\n\nbody", "a@b.example", "", "no field here\n\nbody" },
	{ "From: a@b.example", "a@b.example", "", "" },
	{ "Subject: s\n", "", "s", "" },
	{ "Subject: s\n\nFrom: a@b.example\n", "", "s", "From: a@b.example\n" },
	{ "\r\n", NULL, NULL, NULL },
	{ "", NULL, NULL, NULL },
	{ "no header\n", NULL, NULL, NULL },
	{ ": x\n\n", NULL, NULL, NULL },
	{ " folded first\nSubject: s\n", NULL, NULL, NULL },
};

START_TEST(messages_are_read_as_they_lie_on_disk)
{
	struct mail_transaction *t = mail_transaction_new(arena, 0);
	const char *message = messages[_i].message;

	ck_assert_int_eq(mail_transaction_message(arena, t, message, strlen(message), &why),
	    messages[_i].from == NULL ? BASE_REFUSE : BASE_OK);
	if (messages[_i].from == NULL) {
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_str_eq(t->from, messages[_i].from);
	ck_assert_str_eq(t->subject, messages[_i].subject);
	ck_assert_str_eq(t->body_start, messages[_i].body);
}
END_TEST

START_TEST(zero_bytes_in_a_message_hide_nothing)
{
	static const char message[] = "Subject: a\0b\nFrom: a@b.example\n\nx\0y";
	struct mail_transaction *t = mail_transaction_new(arena, 0);

	ck_assert_int_eq(
	    mail_transaction_message(arena, t, message, sizeof(message) - 1, &why), BASE_OK);
	ck_assert_str_eq(t->subject, "a b");
	ck_assert_str_eq(t->from, "a@b.example");
	ck_assert_uint_eq(t->body_start_length, 3);
}
END_TEST

/* Values made to cost more than their length: each would take minutes if it were squared.
 */
static const char *const costly[] = { "(", "((", "\"", "<", "<<a", "=?a?q?", "=?", "=?a?q?x ", "[",
	"a@[", "a@b,", "\\", "(\\", "\"\\", ":", ";", "=?utf-8?b?", "<a@b> ", "(<a", "a ",
	"=?iso-2022-jp?q?x?= =?koi8-r?q?x?= " };

START_TEST(no_value_costs_more_than_its_length)
{
	char *value = repeat(costly[_i], 250000 / strlen(costly[_i]));
	static const char *const names[] = { "From", "To", "Subject", "References", "In-Reply-To",
		"Auto-Submitted" };
	int64_t start = base_now_ms();
	size_t i;

	for (i = 0; i < COUNT(names); i++) {
		struct mail_transaction *t = mail_transaction_new(arena, 0);

		mail_transaction_field(arena, t, names[i], value);
	}
	/* Linear: a few milliseconds each, more with sanitizers on a busy machine. */
	ck_assert_int_lt(base_now_ms() - start, 10000);
}
END_TEST

/* --- cases of others -------------------------------------------------------------- */

/* Where the data for tests is: OOPS_SHARED_DATA, else beside the source tree. */
static bool
data_path(const char *name, char *path, size_t size)
{
	const char *folder = getenv("OOPS_SHARED_DATA"), *source = getenv("srcdir");
	struct stat status;

	if (folder != NULL)
		snprintf(path, size, "%s/%s", folder, name);
	else
		snprintf(path, size, "%s/../shared/data/%s", source == NULL ? "." : source, name);
	if (stat(path, &status) == 0)
		return true;
	fprintf(stderr, "SKIPPED: %s is not there\n", path);
	return false;
}

/*
 * isemail's cases that ask something else than our two parsers answer. Which parser: e for
 * the envelope's, h for the header's.
 */
static const struct {
	int id;
	char parser;
	const char *reason;
} skipped[] = {
	{ 71, 'e', "a :: that stands for one group: RFC 5321 forbids what inet_pton(3) takes" },
	{ 39, 'h', "more than 254 bytes: isemail only warns, we refuse" },
	{ 40, 'h', "as 39" },
	{ 41, 'h', "as 39" },
	{ 115, 'h', "obsolete quoting within a literal: no mail needs it" },
	{ 116, 'h', "as 115" },
	{ 117, 'h', "as 115" },
	{ 124, 'h', "control characters in a quoted local part (obsolete): no mail needs them" },
	{ 125, 'h', "as 124" },
	{ 134, 'h', "as 124" },
	{ 138, 'h', "as 124" },
	{ 139, 'h', "as 124" },
};

/* Is this case skipped for this parser? */
static bool
is_skipped(int id, char parser)
{
	size_t i;

	for (i = 0; i < COUNT(skipped); i++) {
		if (skipped[i].id == id && skipped[i].parser == parser)
			return true;
	}
	return false;
}

/* The text between <name> and </name> at or after `at` and before `end`; "" if empty. */
static size_t
xml_element(const char *at, const char *end, const char *name, const char **text_r)
{
	char open[32], close[32];
	const char *stop;

	snprintf(open, sizeof(open), "<%s>", name);
	snprintf(close, sizeof(close), "</%s>", name);
	*text_r = "";
	at = strstr(at, open);
	if (at == NULL || at >= end)
		return 0;
	*text_r = at + strlen(open);
	stop = strstr(*text_r, close);
	ck_assert_ptr_nonnull(stop);
	return (size_t)(stop - *text_r);
}

/*
 * Decodes entities. The cases write a control character as U+2400 plus its number, which is
 * how it comes out here.
 */
static size_t
xml_decode(const char *text, size_t length, char *out)
{
	static const struct {
		const char *name;
		char c;
	} names[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' },
		{ "&apos;", '\'' } };
	size_t at = 0, made = 0, i;
	unsigned code;
	int used;

	while (at < length) {
		if (sscanf(text + at, "&#x%x;%n", &code, &used) == 1) {
			at += (size_t)used;
			if (code >= 0x2400 && code < 0x2421)
				out[made++] = (char)(code - 0x2400);
			else if (code < 0x80)
				out[made++] = (char)code;
			else {
				ck_assert_uint_lt(code, 0x800);
				out[made++] = (char)(0xC0 | code >> 6);
				out[made++] = (char)(0x80 | (code & 0x3F));
			}
			continue;
		}
		for (i = 0; i < COUNT(names); i++) {
			if (strncmp(text + at, names[i].name, strlen(names[i].name)) == 0)
				break;
		}
		if (i < COUNT(names)) {
			out[made++] = names[i].c;
			at += strlen(names[i].name);
		} else {
			out[made++] = text[at++];
		}
	}
	out[made] = '\0';
	return made;
}

/* Which categories each parser accepts. */
static bool
is_accepted(const char *category, char parser)
{
	if (strcmp(category, "VALID_CATEGORY") == 0 || strcmp(category, "DNSWARN") == 0 ||
	    strcmp(category, "RFC5321") == 0)
		return true;
	/* Comments, folding, obsolete and odd forms are for headers. */
	return parser == 'h' && strcmp(category, "ERR") != 0;
}

/* Counts mailboxes. */
static bool
count_one(void *context, const char *name, const char *normal)
{
	(void)name;
	ck_assert_ptr_nonnull(strchr(normal, '@'));
	++*(size_t *)context;
	return true;
}

/* One case against both parsers. A skipped one must differ, or it need not be skipped. */
static void
check_case(int id, const char *address, size_t length, const char *category)
{
	struct mail_address parsed;
	size_t count = 0;
	bool is_ok;

	is_ok = mail_address_parse(arena, address, length, &parsed, &why) == BASE_OK;
	ck_assert_msg((is_ok == is_accepted(category, 'e')) != is_skipped(id, 'e'),
	    "isemail %d, envelope: %s (%s)", id, address, category);
	if (strlen(address) != length)
		return; /* a header value has no NUL */
	ck_assert_int_eq(mail_each_mailbox(arena, address, count_one, &count), BASE_OK);
	ck_assert_uint_le(count, 2);
	/* The header parser forgives more than isemail, so its errors bind it not. */
	if (is_accepted(category, 'h'))
		ck_assert_msg((count == 1) != is_skipped(id, 'h'),
		    "isemail %d, header: %s (%s): %zu", id, address, category, count);
}

START_TEST(isemail_cases)
{
	char path[512], address[1024], category[64];
	const char *at, *end, *text;
	size_t length, size, count = 0;
	char *data;
	int id;

	if (!data_path("addresses/isemail-tests.xml", path, sizeof(path)))
		return;
	ck_assert_int_eq(base_file_read(arena, path, 1 << 20, &data, &size, &why), BASE_OK);
	for (at = data; (at = strstr(at, "<test id=\"")) != NULL; at = end) {
		end = strstr(at, "</test>");
		ck_assert_ptr_nonnull(end);
		id = atoi(at + strlen("<test id=\""));
		length = xml_element(at, end, "category", &text);
		ck_assert_uint_lt(length, sizeof(category));
		ck_assert_int_eq(strncmp(text, "ISEMAIL_", 8), 0);
		snprintf(category, sizeof(category), "%.*s", (int)length - 8, text + 8);
		length = xml_element(at, end, "address", &text);
		ck_assert_uint_lt(length, sizeof(address));
		length = xml_decode(text, length, address);
		check_case(id, address, length, category);
		count++;
	}
	ck_assert_uint_eq(count, 164);
}
END_TEST

/* What must hold for any transaction. */
static void
check_transaction(const struct mail_transaction *t)
{
	const char *const all[] = { t->from, t->from_name, t->sender, t->subject, t->message_id,
		t->in_reply_to };
	size_t i;

	for (i = 0; i < COUNT(all); i++) {
		ck_assert_ptr_nonnull(all[i]);
		ck_assert(base_is_utf8(all[i], strlen(all[i])));
		ck_assert_ptr_null(strpbrk(all[i], "\r\n\t"));
	}
	ck_assert_uint_le(strlen(t->subject), 200);
	for (i = 0; i < t->to.count; i++)
		ck_assert_ptr_nonnull(strchr(t->to.items[i], '@'));
	for (i = 0; i < t->reference_count; i++)
		ck_assert(base_is_utf8(t->references[i], strlen(t->references[i])));
	ck_assert_uint_le(t->header_bytes, MAIL_MAX_HEADER_BYTES);
	ck_assert_uint_le(t->body_start_length, MAIL_MAX_BODY_START);
}

struct tally {
	size_t mails, with_from, with_to, with_subject, with_id;
};

/* Reads every file below a folder, two levels deep, and cut short at a few places too. */
static void
read_folder(const char *folder, struct tally *tally, int depth)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;
	char path[1024], *data;
	size_t length;

	ck_assert_ptr_nonnull(directory);
	while ((entry = readdir(directory)) != NULL) {
		struct mail_transaction *t;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_type == DT_DIR) {
			if (depth > 0)
				read_folder(path, tally, depth - 1);
			continue;
		}
		base_arena_reset(arena);
		ck_assert_int_eq(
		    base_file_read(arena, path, 4 << 20, &data, &length, &why), BASE_OK);
		t = mail_transaction_new(arena, 0);
		ck_assert_msg(mail_transaction_message(arena, t, data, length, &why) == BASE_OK,
		    "%s: %s", path, why);
		check_transaction(t);
		tally->mails++;
		tally->with_from += *t->from != '\0';
		tally->with_to += t->to.count + t->cc.count > 0;
		tally->with_subject += *t->subject != '\0';
		tally->with_id += *t->message_id != '\0';
		t = mail_transaction_new(arena, 0);
		if (mail_transaction_message(arena, t, data, length / 7, &why) == BASE_OK)
			check_transaction(t);
	}
	closedir(directory);
}

/* Runs a command of the system and waits for it. */
static int
run(const char *const arguments[])
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		execvp(arguments[0], (char *const *)arguments);
		_exit(127);
	}
	ck_assert_int_ne(child, -1);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

START_TEST(real_mail_is_read)
{
	char path[512], folder[] = "/tmp/oops-mail-XXXXXX";
	struct tally tally = { 0 };

	if (!data_path("mail/spamassassin-sample.tar.xz", path, sizeof(path)))
		return;
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(run((const char *[]){ "tar", "xf", path, "-C", folder, NULL }), 0);
	read_folder(folder, &tally, 2);
	ck_assert_int_eq(run((const char *[]){ "rm", "-r", folder, NULL }), 0);
	ck_assert_uint_eq(tally.mails, 620);
	ck_assert_uint_gt(tally.with_from * 100, tally.mails * 95);
	ck_assert_uint_gt(tally.with_to * 100, tally.mails * 90);
	ck_assert_uint_gt(tally.with_subject * 100, tally.mails * 95);
	ck_assert_uint_gt(tally.with_id * 100, tally.mails * 95);
}
END_TEST

static const struct {
	const char *normal, *delimiters, *folded;
} folds[] = {
	{ "anna+news@example.com", "+", "anna@example.com" },
	{ "anna+news@example.com", "", "anna+news@example.com" },
	{ "anna+news+more@example.com", "+", "anna@example.com" },
	{ "anna-news+more@example.com", "+-", "anna@example.com" },
	{ "+news@example.com", "+", "+news@example.com" },
	{ "anna+@example.com", "+", "anna@example.com" },
	{ "anna@ex+ample.com", "+", "anna@ex+ample.com" },
	{ "anna", "+", "anna" },
	{ "anna+news", "+", "anna+news" },
	{ "", "+", "" },
	{ "owner-all@example.com", "-", "owner-all@example.com" },
	{ "all-request@example.com", "-", "all-request@example.com" },
	{ "mailer-daemon@example.com", "-", "mailer-daemon@example.com" },
	{ "anna-news@example.com", "-", "anna@example.com" },
	{ "anna\xc3\xa9+x@example.com", "+", "anna\xc3\xa9@example.com" },
};

START_TEST(extensions_are_folded)
{
	ck_assert_str_eq(
	    mail_address_strip_extension(arena, folds[_i].normal, folds[_i].delimiters),
	    folds[_i].folded);
}
END_TEST

/* --- addresses in a text ------------------------------------------------------------ */

static const struct {
	const char *text, *addresses;
} quotes[] = {
	{ "On Monday, Clara <Clara@Example.com> wrote:\n> Cake!", "clara@example.com " },
	{ "From: Clara [mailto:clara@example.com]\nTo: all@example.com; b@c.example",
	    "clara@example.com all@example.com b@c.example " },
	{ "&lt;<a href=\"mailto:o'hara+x@example.com\">", "o'hara+x@example.com " },
	{ "Write to clara@example.com.", "clara@example.com " },
	{ "clara@example.com- or @home or a@ b, a@@b, @", "clara@example.com " },
	{ "no address", "" },
	{ "", "" },
};

/* A mail_mailbox_fn that writes them one after the other. */
static bool
address_write(void *context, const char *name, const char *normal)
{
	ck_assert_str_eq(name, "");
	strcat(context, normal);
	strcat(context, " ");
	return strcmp(normal, "stop@example.com") != 0;
}

START_TEST(addresses_in_a_text)
{
	char found[500] = "";

	mail_text_each_address(
	    arena, quotes[_i].text, strlen(quotes[_i].text), 10, address_write, found);
	ck_assert_str_eq(found, quotes[_i].addresses);
}
END_TEST

START_TEST(addresses_in_a_text_have_bounds)
{
	static const char text[] = "a@b.example stop@example.com c@d.example";
	char found[500] = "", *many = malloc(100000);

	mail_text_each_address(arena, text, strlen(text), 10, address_write, found);
	ck_assert_str_eq(found, "a@b.example stop@example.com ");
	found[0] = '\0';
	mail_text_each_address(arena, text, strlen(text), 1, address_write, found);
	ck_assert_str_eq(found, "a@b.example ");
	found[0] = '\0';
	memset(many, '@', 100000);
	mail_text_each_address(arena, many, 100000, 32, address_write, found);
	memset(many, 'x', 100000);
	many[50000] = '@';
	mail_text_each_address(arena, many, 100000, 32, address_write, found);
	ck_assert_str_eq(found, "");
	free(many);
}
END_TEST

/* --- subjects ----------------------------------------------------------------------- */

static const struct {
	const char *subject;
	bool is_answer;
} subjects[] = {
	{ "Re: Cake", true },
	{ "RE: Cake", true },
	{ "re:Cake", true },
	{ "AW: Kuchen", true },
	{ "Antw: Taart", true },
	{ "SV: Kaka", true },
	{ "VS: Kakku", true },
	{ "RES: Bolo", true },
	{ "RIF: Torta", true },
	{ "R: Torta", true },
	{ "Odp: Ciasto", true },
	{ "Re[2]: Cake", true },
	{ "Re(3): Cake", true },
	{ "Re^2: Cake", true },
	{ "RE : Gateau", true },
	{ "[staff] Re: Cake", true },
	{ "[a] [b] AW: Cake", true },
	{ "回复：蛋糕", true },
	{ "  Re: Cake", true },
	/* upper case that is no ASCII, and letters in two pieces or of full width */
	{ "ΑΠ: Κέικ", true },
	{ "ΣΧΕΤ: Κέικ", true },
	{ "Σχετ: Κέικ", true },
	{ "VÁ: Torta", true },
	{ "VA\xcc\x81: Torta", true },
	{ "ＲＥ：ケーキ", true },
	{ "RÉ: Gâteau", true },
	{ "RE\xc2\xa0: Gâteau", true },
	{ "RE\xe2\x80\xaf: Gâteau", true },
	/* one of each language */
	{ "השב: עוגה", true },
	{ "رد: كعكة", true },
	{ "پاسخ: کیک", true },
	{ "Ответ: торт", true },
	{ "НА: торт", true },
	{ "HA: торт", true },
	{ "Відп: торт", true },
	{ "Отг: торта", true },
	{ "Одг: торта", true },
	{ "TL: bánh", true },
	{ "Trả lời: bánh", true },
	{ "Odg: torta", true },
	{ "Odp.: dort", true },
	{ "Ats: tortas", true },
	{ "Atb: kūka", true },
	{ "Răspuns: tort", true },
	{ "Vastus: kook", true },
	{ "Válasz: torta", true },
	{ "YNT: pasta", true },
	{ "Balas: kek", true },
	{ "ตอบกลับ: เค้ก", true },
	{ "उत्तर: केक", true },
	{ "답장: 케이크", true },
	{ "回复 (2): 蛋糕", true },
	{ "Re *3: Cake", true },
	/* behind the marks of gateways */
	{ "*** EXTERN *** Re: Cake", true },
	{ "(EXTERN) RE: Cake", true },
	{ "[EXT] (spam) {x} <y> Re: Cake", true },
	{ "【外部】回复：蛋糕", true },
	{ "EXTERNAL: Re: Cake", true },
	{ "(EXTERN) Cake", false },
	{ "*** EXTERN ***", false },
	{ "*** Re: Cake", false },
	{ "External: Cake", false },
	{ "Результат: торт", false },
	{ "(Re: Cake", false },
	{ "\xff\xfe: Cake", false },
	{ ": Cake", false },
	{ "2: Cake", false },
	{ "", false },
	{ "Re", false },
	{ "[", false },
	{ "[staff] Cake", false },
	{ "Reminder: Cake", false },
	{ "Resolved: Cake", false },
	{ "Fwd: Re: Cake", false },
	{ "WG: Cake", false },
	{ "Cake re: kitchen", false },
	{ "Re[2] Cake", false },
	{ "Svalbard: Cake", false },
};

START_TEST(subjects_report_answers)
{
	ck_assert_msg(mail_subject_is_answer(subjects[_i].subject) == subjects[_i].is_answer, "%s",
	    subjects[_i].subject);
}
END_TEST

static const struct {
	const char *subject, *base;
} bases[] = {
	{ "Cake", "Cake" },
	{ "(EXTERN) Re: ΑΠ: [staff] Cake", "Cake" },
	{ "AW: *** EXTERN *** Re[2]: Cake", "Cake" },
	{ "Re: (Monday) Cake", "(Monday) Cake" },
};

START_TEST(subjects_report_what_is_answered)
{
	ck_assert_str_eq(mail_subject_base(bases[_i].subject), bases[_i].base);
}
END_TEST

START_TEST(a_transaction_is_folded_whole)
{
	struct mail_transaction *t = mail_transaction_new(arena, 1);

	mail_transaction_sender(arena, t, "<\"Anna +\"@example.com>");
	ck_assert_int_eq(mail_transaction_strip_extensions(arena, t, "+"), BASE_OK);
	ck_assert_str_eq(t->envelope_written, "\"Anna +\"@example.com");
	mail_transaction_sender(arena, t, "<Anna+out@example.com>");
	mail_transaction_recipient(arena, t, "<ben+a@example.com>");
	mail_transaction_recipient(arena, t, "<ben+b@example.com>");
	mail_transaction_recipient(arena, t, "<cleo@example.com>");
	mail_transaction_field(arena, t, "From", "Anna <ANNA+x@example.com>");
	mail_transaction_field(arena, t, "To", "ben+a@example.com, ben+b@example.com");
	mail_transaction_field(arena, t, "Cc", "Cleo <cleo+z@example.com>");
	ck_assert_int_eq(mail_transaction_strip_extensions(arena, t, "+"), BASE_OK);
	ck_assert_str_eq(t->envelope_sender, "anna@example.com");
	ck_assert_str_eq(t->from, "anna@example.com");
	ck_assert_str_eq(t->envelope_written, "Anna@example.com");
	ck_assert_str_eq(t->from_written, "ANNA@example.com");
	ck_assert_uint_eq(t->recipients.count, 2);
	ck_assert_uint_eq(t->recipients.seen, 3);
	ck_assert(mail_addresses_has(&t->recipients, "ben@example.com"));
	ck_assert_uint_eq(t->to.count, 1);
	ck_assert_str_eq(t->cc.items[0], "cleo@example.com");
	/* more may come: the set is whole */
	ck_assert_int_eq(mail_addresses_add(arena, &t->recipients, "dan@example.com"), BASE_OK);
	ck_assert_uint_eq(t->recipients.count, 3);
}
END_TEST

/* The tests of parsers. */
static TCase *
case_parsers(void)
{
	TCase *tcase = tcase_create("parsers");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_path_becomes_an_address, 0, COUNT(paths));
	tcase_add_test(tcase, what_grows_too_long_is_not_folded);
	tcase_add_test(tcase, limits_of_lengths_are_exact);
	tcase_add_loop_test(tcase, extensions_are_folded, 0, (int)(sizeof(folds) / sizeof(*folds)));
	tcase_add_loop_test(tcase, subjects_report_answers, 0, COUNT(subjects));
	tcase_add_loop_test(tcase, subjects_report_what_is_answered, 0, COUNT(bases));
	tcase_add_loop_test(tcase, addresses_in_a_text, 0, COUNT(quotes));
	tcase_add_test(tcase, addresses_in_a_text_have_bounds);
	tcase_add_test(tcase, a_transaction_is_folded_whole);
	tcase_add_test(tcase, domains_are_compared_whole_label_by_label);
	tcase_add_test(tcase, a_set_keeps_order_and_counts_on_when_it_is_full);
	tcase_add_loop_test(tcase, a_list_gives_its_mailboxes, 0, COUNT(lists));
	tcase_add_test(tcase, a_reader_can_stop);
	tcase_add_test(tcase, an_arena_that_is_full_is_reported);
	tcase_add_loop_test(tcase, text_becomes_one_line_of_utf8, 0, COUNT(texts));
	tcase_add_test(tcase, text_ends_at_its_limit);
	tcase_add_loop_test(tcase, ids_are_found, 0, COUNT(ids));
	tcase_add_test(tcase, of_many_ids_the_first_and_the_last_stay);
	return tcase;
}

/* The tests of whole transactions, and of what others collected. */
static TCase *
case_transactions(void)
{
	TCase *tcase = tcase_create("transactions");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, addresses_are_kept_as_they_were_written);
	tcase_add_loop_test(
	    tcase, the_author_stands_in_brackets, 0, sizeof(authors) / sizeof(*authors));
	tcase_add_test(tcase, who_resent_it);
	tcase_add_loop_test(
	    tcase, some_addresses_are_no_mailboxes, 0, sizeof(mailboxes) / sizeof(*mailboxes));
	tcase_add_test(tcase, a_transaction_is_built_field_by_field);
	tcase_add_loop_test(tcase, what_no_person_sent_is_known, 0, COUNT(kinds));
	tcase_add_loop_test(tcase, the_text_of_a_body_is_read, 0, COUNT(bodies));
	tcase_add_test(tcase, a_body_of_parts_is_bounded);
	tcase_add_test(tcase, display_names_are_kept);
	tcase_add_test(tcase, a_stranger_cannot_make_a_transaction_grow);
	tcase_add_loop_test(tcase, messages_are_read_as_they_lie_on_disk, 0, COUNT(messages));
	tcase_add_test(tcase, zero_bytes_in_a_message_hide_nothing);
	tcase_add_loop_test(tcase, no_value_costs_more_than_its_length, 0, COUNT(costly));
	tcase_add_test(tcase, isemail_cases);
	tcase_add_test(tcase, real_mail_is_read);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("mail");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, case_parsers());
	suite_add_tcase(suite, case_transactions());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
