/* base: limits that hold, text that cannot be forged, keys that nobody else can read. */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/file.h"
#include "milter/base/key.h"
#include "milter/base/log.h"
#include "milter/base/quote.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/base/run.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char folder[64];
static char path[128];
static struct base_buffer buffer;

static void
setup(void)
{
	const char *why;

	strcpy(folder, "/tmp/oops-base-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	base_buffer_init(&buffer, 4096);
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
}

static void
teardown(void)
{
	unlink(path);
	rmdir(folder);
	base_buffer_free(&buffer);
}

/* Writes the file of this test. */
static void
write_file(const char *text, size_t length, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

/* --- arena ------------------------------------------------------------------------ */

START_TEST(arena_never_exceeds_its_maximum)
{
	static const size_t sizes[] = { 1, 16, 100, 5000, 9000 };
	struct base_arena *arena = base_arena_new(50000);
	size_t total = 0;

	ck_assert_ptr_nonnull(arena);
	while (base_arena_alloc(arena, sizes[_i]) != NULL) {
		total += sizes[_i];
		ck_assert_uint_le(total, 50000);
	}
	ck_assert_ptr_null(base_arena_alloc(arena, 50001));
	ck_assert_ptr_null(base_arena_alloc(arena, SIZE_MAX));
	ck_assert_ptr_null(base_arena_array(arena, SIZE_MAX / 2, 3));
	/* Empty again, it gives as much as before. */
	base_arena_reset(arena);
	while (total >= sizes[_i]) {
		ck_assert_ptr_nonnull(base_arena_alloc(arena, sizes[_i]));
		total -= sizes[_i];
	}
	base_arena_free(&arena);
	ck_assert_ptr_null(arena);
	base_arena_free(&arena);
}
END_TEST

START_TEST(arena_pieces_are_zeroed_aligned_and_apart)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	unsigned char *pieces[200];
	size_t round, i, k;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < COUNT(pieces); i++) {
			pieces[i] = base_arena_alloc(arena, i * 7);
			ck_assert_ptr_nonnull(pieces[i]);
			ck_assert_uint_eq((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
			for (k = 0; k < i * 7 && pieces[i][k] == 0;)
				k++;
			ck_assert_uint_eq(k, i * 7);
			memset(pieces[i], (int)i, i * 7);
		}
		for (i = 0; i < COUNT(pieces); i++) {
			for (k = 0; k < i * 7 && pieces[i][k] == i;)
				k++;
			ck_assert_uint_eq(k, i * 7);
		}
		base_arena_reset(arena);
	}
	base_arena_free(&arena);
}
END_TEST

START_TEST(arena_copies_text)
{
	struct base_arena *arena = base_arena_new(20000);

	ck_assert_str_eq(base_arena_strdup(arena, "hello"), "hello");
	ck_assert_str_eq(base_arena_strndup(arena, "hello", 3), "hel");
	ck_assert_str_eq(base_arena_strndup(arena, "hello", 99), "hello");
	ck_assert_str_eq(base_arena_printf(arena, "%d-%s", 7, "x"), "7-x");
	ck_assert_ptr_null(base_arena_printf(arena, "%20000d", 1));
	base_arena_free(&arena);
}
END_TEST

/* --- buffer and reasons ----------------------------------------------------------- */

START_TEST(buffer_takes_whole_pieces_up_to_its_maximum)
{
	struct base_buffer small;

	base_buffer_init(&small, 10);
	ck_assert_str_eq(base_buffer_text(&small), "");
	ck_assert(base_buffer_puts(&small, "12345"));
	ck_assert(base_buffer_printf(&small, "%d", 67890));
	ck_assert_str_eq(base_buffer_text(&small), "1234567890");
	ck_assert_uint_le(small.capacity, 11);
	ck_assert(!base_buffer_puts(&small, "x"));
	ck_assert(small.failed);
	ck_assert_str_eq(base_buffer_text(&small), "1234567890");
	base_buffer_clear(&small);
	ck_assert(!base_buffer_printf(&small, "%s", "12345678901"));
	ck_assert(!base_buffer_puts(&small, "1"));
	ck_assert_str_eq(base_buffer_text(&small), "");
	base_buffer_clear(&small);
	ck_assert(base_buffer_puts(&small, "1"));
	base_buffer_free(&small);
	ck_assert_str_eq(base_buffer_text(&small), "");
}
END_TEST

START_TEST(reasons_can_quote_older_reasons)
{
	const char *why = base_why("disk %s", "full");
	const char *outer = base_why("cannot write: %s", why);
	int i;

	for (i = 0; i < 6; i++)
		base_why("other %d", i);
	ck_assert_str_eq(outer, "cannot write: disk full");
	/* One that was made from the very place it will be written to. */
	for (i = 0; i < 20; i++)
		why = base_why("%.40s+", i == 0 ? "a" : why);
	ck_assert_str_eq(why, "a++++++++++++++++++++");
	ck_assert_str_eq(base_result_str(BASE_REFUSE), "refuse");
}
END_TEST

/* --- quoting ---------------------------------------------------------------------- */

static const struct {
	const char *value, *logfmt, *html, *line;
} quotes[] = {
	{ "plain", "k=plain", "plain", "plain" },
	{ "", "k=\"\"", "", "" },
	{ "a b", "k=\"a b\"", "a b", "a b" },
	{ "a=b", "k=\"a=b\"", "a=b", "a=b" },
	{ "a\"b", "k=\"a\\\"b\"", "a&quot;b", "a\"b" },
	{ "a\\", "k=\"a\\\\\"", "a\\", "a\\" },
	{ "a\nevent=sent", "k=\"a\\x0Aevent=sent\"", "a\nevent=sent", "a event=sent" },
	{ "a\r\nb", "k=\"a\\x0D\\x0Ab\"", "a\r\nb", "a  b" },
	{ "\x1B[2J", "k=\"\\x1B[2J\"", "\xEF\xBF\xBD[2J", " [2J" },
	{ "\x7F", "k=\"\\x7F\"", "\xEF\xBF\xBD", " " },
	{ "caf\xC3\xA9", "k=\"caf\xC3\xA9\"", "caf\xC3\xA9", "caf\xC3\xA9" },
	{ "\xF0\x9F\x98\x80", "k=\"\xF0\x9F\x98\x80\"", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80" },
	{ "\xC3", "k=\"\\xC3\"", "\xEF\xBF\xBD", "\xEF\xBF\xBD" },
	{ "\xC3\"", "k=\"\\xC3\\\"\"", "\xEF\xBF\xBD&quot;", "\xEF\xBF\xBD\"" },
	{ "\xC0\xAF", "k=\"\\xC0\\xAF\"", "\xEF\xBF\xBD\xEF\xBF\xBD", "\xEF\xBF\xBD\xEF\xBF\xBD" },
	{ "\xE2\x80\xA8x", "k=\"\\xE2\\x80\\xA8x\"", "\xEF\xBF\xBDx", " x" }, /* line separator */
	{ "\xE2\x80\xAEx", "k=\"\\xE2\\x80\\xAEx\"", "\xEF\xBF\xBDx", " x" }, /* right to left */
	{ "\xC2\x9Bx", "k=\"\\xC2\\x9Bx\"", "\xEF\xBF\xBDx", " x" },
	{ "<b a='x'>&", "k=\"<b a='x'>&\"", "&lt;b a=&#39;x&#39;&gt;&amp;", "<b a='x'>&" },
};

START_TEST(quoting_leaves_nothing_to_forge)
{
	ck_assert(base_quote_logfmt(&buffer, "k", quotes[_i].value));
	if (strchr(quotes[_i].logfmt, '"') == NULL)
		ck_assert_str_eq(quotes[_i].logfmt + 2, quotes[_i].value);
	ck_assert_str_eq(base_buffer_text(&buffer), quotes[_i].logfmt);
	base_buffer_clear(&buffer);
	ck_assert(base_quote_html(&buffer, quotes[_i].value));
	ck_assert_str_eq(base_buffer_text(&buffer), quotes[_i].html);
	base_buffer_clear(&buffer);
	ck_assert(base_quote_line(&buffer, quotes[_i].value, 4096));
	ck_assert_str_eq(base_buffer_text(&buffer), quotes[_i].line);
}
END_TEST

/* Reads a logfmt value back as a log reader would; where it ends. */
static const char *
read_back(const char *at, char *out)
{
	if (*at != '"') {
		while (*at != ' ' && *at != '\0')
			*out++ = *at++;
		*out = '\0';
		return at;
	}
	for (at++; *at != '"'; at++) {
		unsigned code;

		if (*at == '\0')
			ck_abort_msg("the value never ends");
		if (at[0] == '\\' && at[1] == 'x') {
			if (sscanf(at + 2, "%2x", &code) != 1)
				ck_abort_msg("no number after \\x");
			*out++ = (char)code;
			at += 3;
		} else {
			if (*at == '\\')
				at++;
			*out++ = *at;
		}
	}
	*out = '\0';
	return at + 1;
}

START_TEST(any_bytes_come_back_from_a_logfmt_line)
{
	char value[64], back[256];
	const char *at;
	size_t length, i;
	int round;

	srandom(1);
	for (round = 0; round < 1000; round++) {
		length = (size_t)random() % (sizeof(value) - 1);
		for (i = 0; i < length; i++)
			value[i] = (char)(random() % 255 + 1);
		value[length] = '\0';
		base_buffer_clear(&buffer);
		ck_assert(base_quote_logfmt(&buffer, "a", value));
		ck_assert(base_quote_logfmt(&buffer, "b", value));
		ck_assert(base_is_utf8(buffer.data, buffer.length));
		for (i = 0; i < buffer.length && (unsigned char)buffer.data[i] >= ' ';)
			i++;
		ck_assert_uint_eq(i, buffer.length);
		at = read_back(buffer.data + 2, back);
		ck_assert_str_eq(back, value);
		ck_assert_int_eq(strncmp(at, " b=", 3), 0);
		at = read_back(at + 3, back);
		ck_assert_str_eq(back, value);
		ck_assert_int_eq(*at, '\0');
	}
}
END_TEST

START_TEST(quoting_that_does_not_fit_leaves_the_buffer_as_it_was)
{
	struct base_buffer small;

	base_buffer_init(&small, 8);
	ck_assert(base_quote_logfmt(&small, "a", "1"));
	ck_assert(!base_quote_logfmt(&small, "b", "two words"));
	ck_assert_str_eq(base_buffer_text(&small), "a=1");
	ck_assert(small.failed);
	base_buffer_clear(&small);
	ck_assert(!base_quote_html(&small, "12345<>"));
	ck_assert_str_eq(base_buffer_text(&small), "");
	base_buffer_free(&small);
}
END_TEST

/* No program makes a link of it, and a person can still read it. */
static const struct {
	const char *text, *shown;
} unlinked_texts[] = {
	{ "Lunch at 12.30? e.g. pizza. Or not...", "Lunch at 12.30? e.g. pizza. Or not..." },
	{ "see http://evil.example/x.html", "see http[:]//evil[.]example/x[.]html" },
	{ "www.evil.example", "www[.]evil[.]example" },
	{ "www.1.2", "www[.]1.2" },
	{ "mail anna@example.com", "mail anna@example[.]com" },
	{ "ftp://1.2.3.4", "ftp[:]//1.2.3.4" },
	{ "b\xc3\xbc.example", "b\xc3\xbc[.]example" },
	{ "two\nlines.here", "two lines[.]here" },
};

START_TEST(quote_unlinked)
{
	struct base_buffer line;

	base_buffer_init(&line, 1000);
	ck_assert(base_quote_unlinked(&line, unlinked_texts[_i].text, 200));
	ck_assert_str_eq(base_buffer_text(&line), unlinked_texts[_i].shown);
	base_buffer_clear(&line);
	ck_assert(base_quote_unlinked(&line, unlinked_texts[_i].text, 9));
	ck_assert_uint_le(line.length, 9);
	base_buffer_free(&line);
}
END_TEST

START_TEST(a_line_ends_at_whole_characters)
{
	static const struct {
		size_t max;
		const char *line;
	} cases[] = { { 0, "" }, { 1, "a" }, { 2, "a" }, { 3, "a\xC3\xA9" }, { 5, "a\xC3\xA9" },
		{ 6, "a\xC3\xA9\xEF\xBF\xBD" } };

	ck_assert(base_quote_line(&buffer, "a\xC3\xA9\xFFz", cases[_i].max));
	ck_assert_str_eq(base_buffer_text(&buffer), cases[_i].line);
}
END_TEST

static const struct {
	const char *text;
	bool is_valid;
} utf8[] = { { "", true }, { "abc", true }, { "\xC2\x80", true }, { "\xDF\xBF", true },
	{ "\xE0\xA0\x80", true }, { "\xED\x9F\xBF", true }, { "\xEE\x80\x80", true },
	{ "\xF4\x8F\xBF\xBF", true }, { "\x80", false }, { "\xC1\xBF", false },
	{ "\xE0\x9F\xBF", false }, { "\xED\xA0\x80", false }, { "\xF0\x8F\xBF\xBF", false },
	{ "\xF4\x90\x80\x80", false }, { "\xF5\x80\x80\x80", false }, { "\xE2\x82", false },
	{ "a\xE2\x82z", false } };

START_TEST(utf8_is_what_rfc_3629_says)
{
	ck_assert(base_is_utf8(utf8[_i].text, strlen(utf8[_i].text)) == utf8[_i].is_valid);
}
END_TEST

/* --- log -------------------------------------------------------------------------- */

START_TEST(log_lines_stay_one_line_each)
{
	char text[512];
	ssize_t got;
	int pipes[2], saved = dup(STDERR_FILENO);

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_ge(dup2(pipes[1], STDERR_FILENO), 0);
	base_log_open("oops-test", true);
	base_log(BASE_LOG_WARNING, "bad %s", "a\noops-test: event=sent");
	base_log_event("event=view id=abc");
	base_log_open("oops-test", false);
	base_log(BASE_LOG_DEBUG, "not here");
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	close(saved);
	close(pipes[1]);
	got = read(pipes[0], text, sizeof(text) - 1);
	close(pipes[0]);
	ck_assert_int_gt(got, 0);
	text[got] = '\0';
	ck_assert_str_eq(text, "oops-test: warning: bad a oops-test: event=sent\n"
			       "oops-test: event=view id=abc\n");
}
END_TEST

/* --- clock and files -------------------------------------------------------------- */

START_TEST(the_clock_goes_on)
{
	int64_t before = base_now_ms();

	base_sleep_ms(20);
	ck_assert_int_ge(base_now_ms(), before + 20);
	ck_assert_int_ge(base_now(), before / 1000);
	ck_assert_int_gt(base_now(), 1700000000);
	base_sleep_ms(0);
}
END_TEST

START_TEST(files_are_read_whole_or_not_at_all)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	char big[50000], *data = NULL;
	const char *why;
	size_t length = 7;

	memset(big, 'x', sizeof(big));
	write_file(big, sizeof(big), 0600);
	ck_assert_int_eq(
	    base_file_read(arena, path, sizeof(big) - 1, &data, &length, &why), BASE_REFUSE);
	ck_assert_ptr_null(data);
	ck_assert_uint_eq(length, 7);
	ck_assert_int_eq(base_file_read(arena, path, sizeof(big), &data, &length, &why), BASE_OK);
	ck_assert_uint_eq(length, sizeof(big));
	ck_assert_mem_eq(data, big, sizeof(big));
	ck_assert_int_eq(data[length], '\0');
	unlink(path);
	ck_assert_int_eq(base_file_read(arena, path, 10, &data, &length, &why), BASE_BROKEN);
	ck_assert_ptr_nonnull(strstr(why, path));
	write_file("", 0, 0600);
	ck_assert_int_eq(base_file_read(arena, path, 0, &data, &length, &why), BASE_OK);
	ck_assert_uint_eq(length, 0);
	ck_assert_int_eq(base_file_read(arena, folder, 10, &data, &length, &why), BASE_BROKEN);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(base_file_read(arena, path, 10, &data, &length, &why), BASE_BROKEN);
	ck_assert_ptr_nonnull(strstr(why, "is not a regular file"));
	base_arena_free(&arena);
}
END_TEST

/* --- identifiers ------------------------------------------------------------------ */

START_TEST(ids_and_tokens_have_their_shape_and_differ)
{
	static char ids[100][BASE_ID_SIZE], tokens[100][BASE_TOKEN_SIZE];
	unsigned char hash[BASE_HASH_SIZE];
	size_t i, k;

	for (i = 0; i < COUNT(ids); i++) {
		base_id_new(ids[i]);
		base_token_new(tokens[i]);
		ck_assert(base_is_id(ids[i]));
		ck_assert_uint_eq(strlen(tokens[i]), BASE_TOKEN_LENGTH);
		ck_assert_int_eq(base_token_hash(tokens[i], hash), BASE_OK);
		for (k = 0; k < i; k++) {
			ck_assert_str_ne(ids[i], ids[k]);
			ck_assert_str_ne(tokens[i], tokens[k]);
		}
	}
}
END_TEST

START_TEST(what_is_no_id_is_refused)
{
	static const char *const texts[] = { "", "abcdefghabcdefg", "abcdefghabcdefghi",
		"abcdefghabcdefg1", "Abcdefghabcdefgh", "abcdefgh/../abcd", "abcdefgh\nabcdefg" };

	ck_assert(base_is_id("abcdefghabcdef27"));
	ck_assert(!base_is_id(texts[_i]));
}
END_TEST

START_TEST(what_is_no_token_is_refused)
{
	static const char *const tokens[] = { "", "AAAAAAAAAAAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA/",
		"AAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAA AAAAAAAAAAA" };
	unsigned char hash[BASE_HASH_SIZE] = { 1 };

	ck_assert_int_eq(base_token_hash(tokens[_i], hash), BASE_REFUSE);
	ck_assert_uint_eq(hash[0], 1);
}
END_TEST

START_TEST(a_token_hash_is_blake2b_of_its_text)
{
	static const unsigned char expected[] = { 0x4f, 0x05, 0x1f, 0x03, 0x01, 0xcd, 0x55, 0xef };
	unsigned char hash[BASE_HASH_SIZE];

	ck_assert_int_eq(base_token_hash("AAAAAAAAAAAAAAAAAAAAAA", hash), BASE_OK);
	ck_assert_mem_eq(hash, expected, sizeof(expected));
}
END_TEST

/* --- keys ------------------------------------------------------------------------- */

START_TEST(a_key_file_is_made_once_and_private)
{
	struct stat status;
	struct base_key *key = NULL;
	const char *why;
	mode_t old = umask(0);

	ck_assert_int_eq(base_key_create(path, &why), BASE_OK);
	umask(old);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);
	ck_assert_int_eq(status.st_size, 65);
	ck_assert_int_eq(base_key_create(path, &why), BASE_REFUSE);
	ck_assert_int_eq(base_key_load(path, &key, &why), BASE_OK);
	base_key_free(&key);
	ck_assert_ptr_null(key);
	snprintf(path, sizeof(path), "%s/none/file", folder);
	ck_assert_int_eq(base_key_create(path, &why), BASE_BROKEN);
	snprintf(path, sizeof(path), "%s/file", folder);
}
END_TEST

#define HEX32 "000102030405060708090a0b0c0d0e0f"

static const struct {
	const char *text;
	mode_t mode;
	enum base_result result;
} key_files[] = {
	{ HEX32 HEX32 "\n", 0600, BASE_OK },
	{ HEX32 HEX32, 0400, BASE_OK },
	{ HEX32 HEX32 "\n", 0640, BASE_OK },
	{ HEX32 HEX32 "\n", 0660, BASE_REFUSE },
	{ HEX32 HEX32 "\n", 0644, BASE_REFUSE },
	{ HEX32 HEX32 "\n", 0602, BASE_REFUSE },
	{ HEX32 HEX32 "\n\n", 0600, BASE_REFUSE },
	{ HEX32 HEX32 "00", 0600, BASE_REFUSE },
	{ HEX32 "\n", 0600, BASE_REFUSE },
	{ HEX32 HEX32 "x", 0600, BASE_REFUSE },
	{ HEX32 "000102030405060708090a0b0c0d0e0g\n", 0600, BASE_REFUSE },
	{ "", 0600, BASE_REFUSE },
	{ HEX32 HEX32 "\n" HEX32 HEX32 " replaced 5 until 9\n", 0600, BASE_OK },
	{ HEX32 HEX32 "\n" HEX32 HEX32 "\n", 0600, BASE_REFUSE },
	{ HEX32 HEX32 "\n" HEX32 HEX32 " replaced 5\n", 0600, BASE_REFUSE },
	{ HEX32 HEX32 "\n" HEX32 HEX32 " replaced 9 until 5\n", 0600, BASE_REFUSE },
	{ HEX32 HEX32 "\n" HEX32 HEX32 " replaced 5 until 9 x\n", 0600, BASE_REFUSE },
	{ HEX32 HEX32 " replaced 5 until 9\n", 0600, BASE_REFUSE },
	{ HEX32 HEX32 "\n" HEX32 HEX32 " replaced 5 until 9\n" HEX32 HEX32 " replaced 3 until 10\n",
	    0600, BASE_REFUSE },
};

START_TEST(a_key_file_that_others_can_use_or_is_none_is_refused)
{
	struct base_key *key = NULL;
	const char *why = NULL;

	write_file(key_files[_i].text, strlen(key_files[_i].text), key_files[_i].mode);
	ck_assert_int_eq(base_key_load(path, &key, &why), key_files[_i].result);
	ck_assert((key != NULL) == (key_files[_i].result == BASE_OK));
	if (key == NULL)
		ck_assert_ptr_nonnull(strstr(why, path));
	base_key_free(&key);
}
END_TEST

START_TEST(a_key_that_is_not_there_is_reported)
{
	struct base_key *key = NULL;
	const char *why = NULL;

	ck_assert_int_eq(base_key_load(path, &key, &why), BASE_BROKEN);
	ck_assert_ptr_nonnull(strstr(why, path));
	ck_assert_int_eq(base_key_load(folder, &key, &why), BASE_REFUSE);
	ck_assert_ptr_null(key);
}
END_TEST

#define KEY_A HEX32 HEX32
#define KEY_B HEX32 "100102030405060708090a0b0c0d0e0f"

/* A rotation at second 1000: which earlier keys are in the file then, NULL: it is refused. */
static const struct {
	const char *before;
	int64_t keeps;
	const char *earlier;
} rotations[] = {
	{ KEY_A, 90, KEY_A " replaced 1000 until 1090\n" },
	{ KEY_A "\n", 0, "" },
	{ KEY_A "\n" KEY_B " replaced 5 until 1050\n", 90,
	    KEY_A " replaced 1000 until 1090\n" KEY_B " replaced 5 until 1050\n" },
	{ KEY_A "\n" KEY_B " replaced 5 until 2000\n", 90,
	    KEY_A " replaced 1000 until 1090\n" KEY_B " replaced 5 until 1090\n" },
	{ KEY_A "\n" KEY_B " replaced 5 until 1000\n", 90, KEY_A " replaced 1000 until 1090\n" },
	{ KEY_A "\n" KEY_B " replaced 5 until 2000\n", 0, "" },
	{ KEY_A "\n" KEY_B " replaced 7 until 1003\n" KEY_B " replaced 6 until 1002\n" KEY_B
		" replaced 5 until 1001\n",
	    90, NULL },
	{ KEY_A "\n" KEY_B " replaced 7 until 1003\n" KEY_B " replaced 6 until 1002\n" KEY_B
		" replaced 5 until 1000\n",
	    90,
	    KEY_A " replaced 1000 until 1090\n" KEY_B " replaced 7 until 1003\n" KEY_B
		  " replaced 6 until 1002\n" },
	{ "no key\n", 90, NULL },
};

/* What a key file has in it. */
static size_t
key_file_read(const char *name, char text_r[1024])
{
	FILE *file = fopen(name, "r");
	size_t length;

	ck_assert_ptr_nonnull(file);
	length = fread(text_r, 1, 1023, file);
	fclose(file);
	text_r[length] = '\0';
	return length;
}

/* Through a symbolic link, so that it is the file and not the link that is replaced. */
START_TEST(a_rotation_keeps_what_is_valid)
{
	char text[1024], link[sizeof(path) + 8], rest[sizeof(path) + 8];
	struct base_key *key = NULL;
	struct stat before, after, other;
	const char *why = "";
	enum base_result result;

	write_file(rotations[_i].before, strlen(rotations[_i].before), 0640);
	ck_assert_int_eq(stat(path, &before), 0);
	snprintf(link, sizeof(link), "%s.link", path);
	snprintf(rest, sizeof(rest), "%s.new", path); /* of one that was killed */
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_int_eq(close(open(rest, O_WRONLY | O_CREAT, 0600)), 0);
	result = base_key_rotate(link, rotations[_i].keeps, 1000, &why);
	ck_assert_int_eq(lstat(link, &other), 0);
	ck_assert(S_ISLNK(other.st_mode));
	unlink(link);
	key_file_read(path, text);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_eq(after.st_mode, before.st_mode);
	if (rotations[_i].earlier == NULL) {
		ck_assert_int_eq(result, BASE_REFUSE);
		ck_assert_str_eq(text, rotations[_i].before);
		ck_assert_uint_eq(after.st_ino, before.st_ino);
		unlink(rest);
		return;
	}
	ck_assert_msg(result == BASE_OK, "%s", why);
	ck_assert_int_ne(stat(rest, &other), 0);
	ck_assert_str_eq(text + 65, rotations[_i].earlier);
	ck_assert_int_ne(strncmp(text, KEY_A, 64), 0);
	ck_assert_int_eq(base_key_load(path, &key, &why), BASE_OK);
	base_key_free(&key);
}
END_TEST

/* Whoever has the file open reads the old one to its end; nobody finds half a file. */
START_TEST(a_rotation_replaces_the_file_whole)
{
	char text[1024], name[sizeof(path) + 8];
	const char *why = "";
	struct stat old;
	int fd, lock;

	write_file(KEY_A "\n", 65, 0600);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	/* Somebody else is at it, then something is in the way: nothing is changed. */
	lock = open(folder, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(flock(lock, LOCK_EX), 0);
	ck_assert_int_eq(base_key_rotate(path, 90, 1000, &why), BASE_REFUSE);
	close(lock);
	snprintf(name, sizeof(name), "%s.new", path);
	ck_assert_int_eq(mkdir(name, 0700), 0);
	ck_assert_int_eq(base_key_rotate(path, 90, 1000, &why), BASE_BROKEN);
	ck_assert_int_eq(rmdir(name), 0);
	ck_assert_uint_eq(key_file_read(path, text), 65);
	ck_assert_str_eq(text, KEY_A "\n");
	ck_assert_int_eq(base_key_rotate(path, 90, 1000, &why), BASE_OK);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 65);
	ck_assert_int_eq(strncmp(text, KEY_A "\n", 65), 0);
	ck_assert_int_eq(fstat(fd, &old), 0);
	ck_assert_uint_eq(old.st_nlink, 0);
	close(fd);
}
END_TEST

START_TEST(uses_and_keys_share_nothing)
{
	static const enum base_key_use uses[] = { BASE_KEY_MEMORY, BASE_KEY_INJECT,
		BASE_KEY_SUBMISSION };
	unsigned char bytes[32] = { 1 }, macs[6][BASE_MAC_SIZE], again[BASE_MAC_SIZE];
	struct base_key *keys[2];
	uint64_t hashes[6];
	size_t i, k;

	ck_assert_int_eq(base_key_from_bytes(bytes, &keys[0]), BASE_OK);
	bytes[31] = 1;
	ck_assert_int_eq(base_key_from_bytes(bytes, &keys[1]), BASE_OK);
	for (i = 0; i < 6; i++) {
		base_key_mac(keys[i / 3], uses[i % 3], "a@b", 3, macs[i]);
		hashes[i] = base_key_hash64(keys[i / 3], uses[i % 3], "a@b", 3);
		base_key_mac(keys[i / 3], uses[i % 3], "a@b", 3, again);
		ck_assert(base_equal(macs[i], again, BASE_MAC_SIZE));
		base_key_mac(keys[i / 3], uses[i % 3], "a@c", 3, again);
		ck_assert(!base_equal(macs[i], again, BASE_MAC_SIZE));
		for (k = 0; k < i; k++) {
			ck_assert(!base_equal(macs[i], macs[k], BASE_MAC_SIZE));
			ck_assert_uint_ne(hashes[i], hashes[k]);
		}
	}
	base_key_free(&keys[0]);
	base_key_free(&keys[1]);
}
END_TEST

/* The run file of a child, seen from here: alive, answering, gone. */
START_TEST(a_running_program_is_found_and_heard)
{
	struct base_run_view view;
	struct base_run *run = NULL;
	const char *why = "";
	int go[2], said[2];
	char byte, directory[] = "/tmp/test-run.XXXXXX", name[100];
	pid_t child;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(base_run_look(directory, "prog", &view, &why), BASE_NONE);
	ck_assert(pipe(go) == 0 && pipe(said) == 0);
	child = fork();
	if (child == 0) {
		if (base_run_open(directory, "prog", "/etc/prog.conf", &run, &why) != BASE_OK)
			_exit(1);
		(void)!write(said[1], "o", 1);
		(void)!read(go[0], &byte, 1);
		(void)base_run_answer(run, false, "a:1: one\nb:2: two\n", &why);
		(void)!write(said[1], "a", 1);
		(void)!read(go[0], &byte, 1);
		_exit(0);
	}
	ck_assert_int_eq(read(said[0], &byte, 1), 1);
	ck_assert_int_eq(base_run_look(directory, "prog", &view, &why), BASE_OK);
	ck_assert_int_eq(view.pid, child);
	ck_assert_uint_eq(view.number, 0);
	ck_assert_str_eq(view.answer, "started");
	ck_assert_str_eq(view.settings, "/etc/prog.conf");
	ck_assert_int_eq(base_run_open(directory, "prog", NULL, &run, &why), BASE_BROKEN);
	ck_assert(write(go[1], "g", 1) == 1 && read(said[0], &byte, 1) == 1);
	ck_assert_int_eq(base_run_look(directory, "prog", &view, &why), BASE_OK);
	ck_assert_uint_eq(view.number, 1);
	ck_assert_str_eq(view.answer, "refused");
	ck_assert_str_eq(view.text, "a:1: one\nb:2: two\n");
	ck_assert_str_eq(view.settings, "/etc/prog.conf");
	ck_assert_int_eq(write(go[1], "g", 1), 1);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(base_run_look(directory, "prog", &view, &why), BASE_NONE);
	snprintf(name, sizeof(name), "%s/prog.run", directory);
	ck_assert(unlink(name) == 0 && rmdir(directory) == 0);
}
END_TEST

/* The tests of text and memory. */
static TCase *
case_text(void)
{
	TCase *tcase = tcase_create("memory and text");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, arena_never_exceeds_its_maximum, 0, 5);
	tcase_add_test(tcase, arena_pieces_are_zeroed_aligned_and_apart);
	tcase_add_test(tcase, arena_copies_text);
	tcase_add_test(tcase, buffer_takes_whole_pieces_up_to_its_maximum);
	tcase_add_test(tcase, reasons_can_quote_older_reasons);
	tcase_add_loop_test(tcase, quoting_leaves_nothing_to_forge, 0, COUNT(quotes));
	tcase_add_test(tcase, any_bytes_come_back_from_a_logfmt_line);
	tcase_add_test(tcase, quoting_that_does_not_fit_leaves_the_buffer_as_it_was);
	tcase_add_loop_test(tcase, a_line_ends_at_whole_characters, 0, 6);
	tcase_add_loop_test(
	    tcase, quote_unlinked, 0, sizeof(unlinked_texts) / sizeof(*unlinked_texts));
	tcase_add_loop_test(tcase, utf8_is_what_rfc_3629_says, 0, COUNT(utf8));
	return tcase;
}

/* The tests of what touches the machine. */
static TCase *
case_system(void)
{
	TCase *tcase = tcase_create("machine and keys");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, log_lines_stay_one_line_each);
	tcase_add_test(tcase, the_clock_goes_on);
	tcase_add_test(tcase, files_are_read_whole_or_not_at_all);
	tcase_add_test(tcase, ids_and_tokens_have_their_shape_and_differ);
	tcase_add_loop_test(tcase, what_is_no_id_is_refused, 0, 7);
	tcase_add_loop_test(tcase, what_is_no_token_is_refused, 0, 7);
	tcase_add_test(tcase, a_token_hash_is_blake2b_of_its_text);
	tcase_add_test(tcase, a_key_file_is_made_once_and_private);
	tcase_add_loop_test(
	    tcase, a_rotation_keeps_what_is_valid, 0, sizeof(rotations) / sizeof(*rotations));
	tcase_add_test(tcase, a_rotation_replaces_the_file_whole);
	tcase_add_loop_test(
	    tcase, a_key_file_that_others_can_use_or_is_none_is_refused, 0, COUNT(key_files));
	tcase_add_test(tcase, a_key_that_is_not_there_is_reported);
	tcase_add_test(tcase, uses_and_keys_share_nothing);
	tcase_add_test(tcase, a_running_program_is_found_and_heard);
	return tcase;
}

int
main(void)
{
	Suite *suite = suite_create("base");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, case_text());
	suite_add_tcase(suite, case_system());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
