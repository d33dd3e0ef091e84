/* The queue room: grammar, tag header, postcat's output, and client and server together. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"
#include "milter/queue/internal.h"

#define HOLD_A "abcdefghijklmnop"
#define HOLD_B "234567abcdefghij"
#define MAC "abcdefghijklmnopqrstuvwxyz234567"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- grammar ------------------------------------------------------------------------ */

static const struct {
	const char *line;
	enum base_result result;
	enum queue_kind kind;
	enum queue_verb verb;
	size_t count;
} requests[] = {
	{ "STATUS 1", BASE_OK, QUEUE_KIND_VERB, QUEUE_STATUS, 1 },
	{ "RELEASE 500", BASE_OK, QUEUE_KIND_VERB, QUEUE_RELEASE, 500 },
	{ "RETURN 2", BASE_OK, QUEUE_KIND_VERB, QUEUE_RETURN, 2 },
	{ "DELETE 3", BASE_OK, QUEUE_KIND_VERB, QUEUE_DELETE, 3 },
	{ "STOP 4", BASE_OK, QUEUE_KIND_VERB, QUEUE_STOP, 4 },
	{ "READ 1", BASE_OK, QUEUE_KIND_READ, 0, 1 },
	{ "SCAN 0", BASE_OK, QUEUE_KIND_SCAN, 0, 0 },
	{ "", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS ", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS 0", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS 501", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS 01", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS -1", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS +1", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS  1", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS 1 ", BASE_REFUSE, 0, 0, 0 },
	{ "STATUS 18446744073709551617", BASE_REFUSE, 0, 0, 0 },
	{ "status 1", BASE_REFUSE, 0, 0, 0 },
	{ "RELEASEX 1", BASE_REFUSE, 0, 0, 0 },
	{ "READ 2", BASE_REFUSE, 0, 0, 0 },
	{ "READ 0", BASE_REFUSE, 0, 0, 0 },
	{ "SCAN 1", BASE_REFUSE, 0, 0, 0 },
	{ " SCAN 0", BASE_REFUSE, 0, 0, 0 },
};

START_TEST(test_request)
{
	struct queue_request request = { .count = 77 };
	const char *why = NULL;

	ck_assert_int_eq(
	    queue_request_parse(requests[_i].line, &request, &why), requests[_i].result);
	if (requests[_i].result == BASE_OK) {
		ck_assert_int_eq(request.kind, requests[_i].kind);
		if (request.kind == QUEUE_KIND_VERB)
			ck_assert_int_eq(request.verb, requests[_i].verb);
		ck_assert_uint_eq(request.count, requests[_i].count);
	} else {
		ck_assert_uint_eq(request.count, 77);
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

#define LONG_64 "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"

static const struct {
	const char *line;
	bool is_good;
} item_lines[] = {
	{ "5E3D71A2B " HOLD_A, true },
	{ "4jY06N5hs9z1bY2K " HOLD_B, true },
	{ LONG_64 " " HOLD_A, true },
	{ LONG_64 "e " HOLD_A, false },
	{ "ALL " HOLD_A, false },
	{ "- " HOLD_A, false },
	{ "-d5E3D7 " HOLD_A, false },
	{ "../../x " HOLD_A, false },
	{ "5E3D7;ls " HOLD_A, false },
	{ "5E3D71A2B", false },
	{ "5E3D71A2B ", false },
	{ "5E3D71A2B  " HOLD_A, false },
	{ "5E3D71A2B " HOLD_A " ", false },
	{ "5E3D71A2B " HOLD_A "q", false },
	{ "5E3D71A2B ABCDEFGHIJKLMNOP", false },
	{ "5E3D71A2B abcdefghijklmno1", false },
	{ "5E3D71A2\xc3\xa4 " HOLD_A, false },
	{ "", false },
};

START_TEST(test_item)
{
	const char *queue_id = NULL, *hold_id = NULL, *why = NULL;
	char line[QUEUE_MAX_LINE];

	snprintf(line, sizeof(line), "%s", item_lines[_i].line);
	ck_assert_int_eq(queue_item_parse(line, &queue_id, &hold_id, &why),
	    item_lines[_i].is_good ? BASE_OK : BASE_REFUSE);
	if (item_lines[_i].is_good) {
		ck_assert_uint_eq(strlen(queue_id), strcspn(item_lines[_i].line, " "));
		ck_assert_str_eq(hold_id, strchr(item_lines[_i].line, ' ') + 1);
	} else {
		ck_assert_ptr_null(queue_id);
		ck_assert_ptr_null(hold_id);
	}
}
END_TEST

START_TEST(test_names)
{
	for (int verb = QUEUE_STATUS; verb <= QUEUE_STOP; verb++)
		ck_assert_str_ne(queue_verb_str((enum queue_verb)verb), "?");
	for (int i = QUEUE_HELD; i <= QUEUE_FAILED; i++) {
		enum queue_status status = QUEUE_FAILED;

		ck_assert(queue_status_parse(queue_status_str((enum queue_status)i), &status));
		ck_assert_int_eq((int)status, i);
	}
	enum queue_status status = QUEUE_GONE;
	ck_assert(!queue_status_parse("held", &status));
	ck_assert_int_eq(status, QUEUE_GONE);
}
END_TEST

/* --- the tag header ----------------------------------------------------------------- */

#define END "; mac=" MAC

static const struct {
	const char *value;
	const char *id; /* NULL: not one of a held mail of ours */
} tags[] = {
	{ "id=" HOLD_A "; action=confirm" END, HOLD_A },
	{ " id=" HOLD_B "; action=undo" END, HOLD_B },
	{ "\tid=" HOLD_B "; action=undo" END " ", HOLD_B },
	{ "id=" HOLD_A, NULL },
	/* a mail that was only tagged is not held by us, whoever holds it */
	{ "id=" HOLD_A "; action=tag", NULL },
	{ "id=" HOLD_A "; action=confirm; mac=", NULL },
	{ "id=" HOLD_A "; action=confirm" END "a", NULL },
	{ "id=" HOLD_A "; action=confirm" END "; x", NULL },
	{ "id=" HOLD_A "; action=confirm; mac=abcdefghijklmnopqrstuvwxyz23456", NULL },
	{ "id=" HOLD_A "; action=confirm; mac=abcdefghijklmnopqrstuvwxyz234561", NULL },
	{ "id=" HOLD_A "; action=" END, NULL },
	{ "id=" HOLD_A "; action=Undo" END, NULL },
	{ "id=" HOLD_A "x; action=undo" END, NULL },
	{ "id=abc; action=undo" END, NULL },
	{ "id=ABCDEFGHIJKLMNOP; action=undo" END, NULL },
	{ "ID=" HOLD_A "; action=undo" END, NULL },
	{ "action=undo; id=" HOLD_A END, NULL },
	{ "score=1 id=" HOLD_A "; action=undo" END, NULL },
	{ "", NULL },
};

START_TEST(test_tag_parse)
{
	struct queue_tag tag = { "untouched", "untouched" };

	if (tags[_i].id != NULL) {
		ck_assert_int_eq(queue_tag_parse(tags[_i].value, &tag), BASE_OK);
		ck_assert_str_eq(tag.hold_id, tags[_i].id);
		ck_assert_str_eq(tag.mac, MAC);
	} else {
		ck_assert_int_eq(queue_tag_parse(tags[_i].value, &tag), BASE_REFUSE);
		ck_assert_str_eq(tag.hold_id, "untouched");
		ck_assert_str_eq(tag.mac, "untouched");
	}
}
END_TEST

START_TEST(test_tag_format)
{
	struct base_arena *arena = base_arena_new(4096);
	const char *value = NULL;
	struct queue_tag tag;

	ck_assert_int_eq(queue_tag_format(arena, HOLD_A, "confirm", MAC, &value), BASE_OK);
	ck_assert_str_eq(value, "id=" HOLD_A "; action=confirm; mac=" MAC);
	ck_assert_int_eq(queue_tag_parse(value, &tag), BASE_OK);
	ck_assert_str_eq(tag.hold_id, HOLD_A);
	ck_assert_int_eq(queue_tag_format(arena, HOLD_A, "tag", NULL, &value), BASE_OK);
	ck_assert_str_eq(value, "id=" HOLD_A "; action=tag");
	ck_assert_int_eq(queue_tag_format(arena, "short", "confirm", MAC, &value), BASE_REFUSE);
	ck_assert_int_eq(queue_tag_format(arena, HOLD_A, "", MAC, &value), BASE_REFUSE);
	ck_assert_int_eq(queue_tag_format(arena, HOLD_A, "a\r\nX: y", MAC, &value), BASE_REFUSE);
	ck_assert_int_eq(queue_tag_format(arena, HOLD_A, "confirm", "x\r\n", &value), BASE_REFUSE);
	base_arena_free(&arena);
}
END_TEST

START_TEST(test_mac)
{
	static const unsigned char first[32] = { 1 }, second[32] = { 2 };
	struct base_key *key = NULL, *other = NULL;
	char mac[QUEUE_MAC_SIZE], changed[QUEUE_MAC_SIZE];

	ck_assert_int_eq(base_key_from_bytes(first, &key), BASE_OK);
	ck_assert_int_eq(base_key_from_bytes(second, &other), BASE_OK);
	ck_assert(queue_mac_make(key, HOLD_A, "anna@example.com", mac));
	ck_assert(queue_is_mac(mac));
	ck_assert(queue_mac_proves_id(key, HOLD_A, mac));
	ck_assert(queue_mac_proves_mailbox(key, HOLD_A, "anna@example.com", mac));
	ck_assert(queue_mac_proves_mailbox(key, HOLD_A, "Anna@Example.COM", mac));
	/* of another hold, for another person, by another key */
	ck_assert(!queue_mac_proves_id(key, HOLD_B, mac));
	ck_assert(!queue_mac_proves_mailbox(key, HOLD_A, "boss@example.com", mac));
	ck_assert(!queue_mac_proves_mailbox(key, HOLD_B, "anna@example.com", mac));
	ck_assert(!queue_mac_proves_id(other, HOLD_A, mac));
	ck_assert(!queue_mac_proves_mailbox(other, HOLD_A, "anna@example.com", mac));
	ck_assert(!queue_mac_proves_id(key, HOLD_A, ""));
	for (size_t i = 0; i < QUEUE_MAC_LENGTH; i++) {
		strcpy(changed, mac);
		changed[i] = mac[i] == 'a' ? 'b' : 'a';
		ck_assert(queue_mac_proves_id(key, HOLD_A, changed) == (i >= QUEUE_MAC_LENGTH / 2));
		ck_assert(!queue_mac_proves_mailbox(key, HOLD_A, "anna@example.com", changed));
	}
	base_key_free(&key);
	base_key_free(&other);
}
END_TEST

START_TEST(test_mac_outlives_a_rotation)
{
	char folder[] = "/tmp/oops-queue-key.XXXXXX", path[64], mac[QUEUE_MAC_SIZE];
	struct base_key *key = NULL;
	const char *why = "";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/secret.key", folder);
	ck_assert_int_eq(base_key_create(path, &why), BASE_OK);
	ck_assert_int_eq(base_key_load(path, &key, &why), BASE_OK);
	ck_assert(queue_mac_make(key, HOLD_A, "anna@example.com", mac));
	base_key_free(&key);
	ck_assert_int_eq(base_key_rotate(path, 3600, base_now(), &why), BASE_OK);
	ck_assert_int_eq(base_key_load(path, &key, &why), BASE_OK);
	ck_assert(queue_mac_proves_mailbox(key, HOLD_A, "anna@example.com", mac));
	ck_assert(!queue_mac_proves_mailbox(key, HOLD_A, "boss@example.com", mac));
	base_key_free(&key);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

/* --- what postcat says -------------------------------------------------------------- */

#define ENVELOPE(queue, id) "*** ENVELOPE RECORDS " queue "/" id " ***\n"
#define CONTENTS(queue, id) "*** MESSAGE CONTENTS " queue "/" id " ***\n"
#define TAG(id) "Oops-Milter: id=" id "; action=confirm; mac=" MAC "\n"
#define OTHER "Subject: hello\n"

static const struct {
	const char *output;
	bool is_seen; /* the header was reached */
	bool is_held;
	bool is_missing;
	const char *hold_id;
} postcats[] = {
	{ ENVELOPE("hold", "5E3D7A") "sender: a\n" CONTENTS("hold", "5E3D7A") OTHER TAG(HOLD_A),
	    true, true, false, HOLD_A },
	{ ENVELOPE("hold/5/E", "5E3D7A") CONTENTS("hold/5/E", "5E3D7A") TAG(HOLD_A), true, true,
	    false, HOLD_A },
	{ ENVELOPE("active", "5E3D7A") CONTENTS("active", "5E3D7A") TAG(HOLD_A), true, false, false,
	    HOLD_A },
	{ ENVELOPE("deferred/5", "5E3D7A") CONTENTS("deferred/5", "5E3D7A") TAG(HOLD_A), true,
	    false, false, HOLD_A },
	/* a warning of the tool comes first */
	{ "postcat: warning: /etc/x: unused parameter: y=z\n" ENVELOPE("hold", "5E3D7A")
		CONTENTS("hold", "5E3D7A") TAG(HOLD_A),
	    true, true, false, HOLD_A },
	/* another file than the one asked for */
	{ ENVELOPE("hold", "5E3D7B") CONTENTS("hold", "5E3D7B") TAG(HOLD_A), false, false, false,
	    "" },
	{ ENVELOPE("hold", "5E3D7") CONTENTS("hold", "5E3D7") TAG(HOLD_A), false, false, false,
	    "" },
	/* the first one counts, whoever wrote the second */
	{ ENVELOPE("hold", "5E3D7A") CONTENTS("hold", "5E3D7A") TAG(HOLD_B) OTHER TAG(HOLD_A), true,
	    true, false, HOLD_B },
	{ ENVELOPE("hold", "5E3D7A") CONTENTS("hold", "5E3D7A") "oops-milter: x\n" TAG(HOLD_A),
	    true, true, false, "" },
	/* not in the header: envelope, folded line, body, after the end */
	{ ENVELOPE("hold", "5E3D7A") TAG(HOLD_A) CONTENTS("hold", "5E3D7A") OTHER, true, true,
	    false, "" },
	{ ENVELOPE("hold", "5E3D7A") CONTENTS("hold", "5E3D7A") "X: y\n " TAG(HOLD_A), true, true,
	    false, "" },
	{ ENVELOPE("hold", "5E3D7A") CONTENTS("hold", "5E3D7A") OTHER "\n" TAG(HOLD_A), true, true,
	    false, "" },
	{ ENVELOPE("hold", "5E3D7A") CONTENTS("hold", "5E3D7A") OTHER
	    "*** HEADER EXTRACTED hold/5E3D7A ***\n" TAG(HOLD_A),
	    true, true, false, "" },
	{ ENVELOPE("hold", "5E3D7A") CONTENTS("hold", "5E3D7A") "X-Oops-Milter: id=" HOLD_A
								"; action=undo\n",
	    true, true, false, "" },
	/* an envelope that says what is the header's to say: nothing is known of it */
	{ ENVELOPE("hold", "5E3D7A") "original_recipient: rfc822;a\n" CONTENTS("hold", "5E3D7A")
		TAG(HOLD_B) "\nrecipient: b\n" CONTENTS("hold", "5E3D7A") OTHER,
	    true, true, false, HOLD_B },
	/* no such file */
	{ "postcat: fatal: open queue file 5E3D7A: No such file or directory\n", false, false, true,
	    "" },
	{ "postcat: fatal: open /etc/x/main.cf: No such file or directory\n", false, false, false,
	    "" },
	{ "postcat: fatal: open queue file 5E3D7A: Permission denied\n", false, false, false, "" },
	{ "", false, false, false, "" },
};

START_TEST(test_postcat)
{
	struct queue_lookup look = { .queue_id = "5E3D7A" }, *looks = &look;
	struct queue_postcat postcat = { .lookups = &looks, .count = 1 };
	struct queue_lines lines = { .each = queue_postcat_line, .context = &postcat };
	const char *output = postcats[_i].output;

	/* Byte by byte: where the pieces end must not matter. */
	for (size_t i = 0; output[i] != '\0'; i++)
		queue_lines_output(&lines, output + i, 1);
	ck_assert_int_eq(
	    postcat.section == QUEUE_POSTCAT_HEADER || postcat.section == QUEUE_POSTCAT_END,
	    postcats[_i].is_seen);
	ck_assert_int_eq(postcat.is_held, postcats[_i].is_held);
	ck_assert_int_eq(postcat.is_missing, postcats[_i].is_missing);
	ck_assert_str_eq(look.tag.hold_id, postcats[_i].hold_id);
	/* what two lines claim to begin is looked at by itself */
	if (strstr(output, "original_recipient") != NULL)
		ck_assert_int_eq(look.status, QUEUE_FAILED);
}
END_TEST

#define PART(id, header) ENVELOPE("hold", id) "sender: a\n" CONTENTS("hold", id) header

static const struct {
	const char *output; /* of a run for AAAAA1, AAAAA2 and AAAAA3 */
	bool is_whole;
	const char *found[3];
} batches[] = {
	{ PART("AAAAA1", TAG(HOLD_A)) PART("AAAAA2", OTHER) PART("AAAAA3", TAG(HOLD_B)), true,
	    { HOLD_A, "", HOLD_B } },
	/* what one says in its body or in a folded line is nobody's header */
	{ PART("AAAAA1", OTHER "\n" TAG(HOLD_A)) PART("AAAAA2", "X: y\n " TAG(HOLD_A))
		PART("AAAAA3", TAG(HOLD_B)),
	    true, { "", "", HOLD_B } },
	/* one says that another one began: there is one beginning too many */
	{ PART("AAAAA1", OTHER PART("AAAAA2", TAG(HOLD_B))) PART("AAAAA2", OTHER)
		PART("AAAAA3", OTHER),
	    false, { "", "", "" } },
	{ PART("AAAAA1", OTHER) PART("AAAAA2", PART("AAAAA3", TAG(HOLD_B))) PART("AAAAA3", OTHER),
	    false, { "", "", "" } },
	{ PART("AAAAA1", OTHER) PART("AAAAA2", OTHER) PART("AAAAA3", PART("AAAAA1", TAG(HOLD_A))),
	    false, { "", "", "" } },
	/* one left before its turn came, or all are told in another order */
	{ PART("AAAAA1", TAG(HOLD_A)) "postcat: fatal: open queue file AAAAA2: No such file "
				      "or directory\n",
	    false, { "", "", "" } },
	{ PART("AAAAA1", TAG(HOLD_A)) PART("AAAAA3", TAG(HOLD_B)) PART("AAAAA2", OTHER), false,
	    { "", "", "" } },
};

START_TEST(test_postcat_batch)
{
	struct queue_lookup looks[] = { { .queue_id = "AAAAA1" }, { .queue_id = "AAAAA2" },
		{ .queue_id = "AAAAA3" } };
	struct queue_lookup *three[] = { &looks[0], &looks[1], &looks[2] };
	struct queue_postcat postcat = { .lookups = three, .count = 3 };
	struct queue_lines lines = { .each = queue_postcat_line, .context = &postcat };

	queue_lines_output(&lines, batches[_i].output, strlen(batches[_i].output));
	ck_assert_int_eq(postcat.begun == 3 && !postcat.is_odd, batches[_i].is_whole);
	for (size_t i = 0; batches[_i].is_whole && i < 3; i++)
		ck_assert_str_eq(looks[i].tag.hold_id, batches[_i].found[i]);
}
END_TEST

static const struct {
	const char *output; /* of `postcat -h -q ID` */
	bool is_ours, is_missing;
} headers[] = {
	{ OTHER TAG(HOLD_A), true, false },
	{ OTHER TAG(HOLD_A) TAG(HOLD_B), true, false },
	{ "Oops-Milter: x\n" TAG(HOLD_A), false, false },
	{ OTHER, false, false },
	{ "", false, false },
	{ OTHER "\n" TAG(HOLD_A), false, false },
	{ "X: y\n " TAG(HOLD_A), false, false },
	/* nothing in a header is the end of it, or another one's */
	{ "*** : x\n" ENVELOPE("hold", "A1") CONTENTS("hold", "A1") TAG(HOLD_A), true, false },
	{ "postcat: fatal: open queue file 5E3D7A: No such file or directory\n", false, true },
};

START_TEST(test_header)
{
	struct queue_header header = { .has_tag = false };
	struct queue_lines lines = { .each = queue_header_line, .context = &header };

	queue_lines_output(&lines, headers[_i].output, strlen(headers[_i].output));
	ck_assert_int_eq(header.is_ours, headers[_i].is_ours);
	ck_assert_int_eq(header.is_missing, headers[_i].is_missing);
	if (header.is_ours)
		ck_assert_str_eq(header.tag.hold_id, HOLD_A);
}
END_TEST

static void
count_bytes(void *context, const char *line)
{
	*(size_t *)context += strlen(line) + 1;
}

START_TEST(test_lines_long)
{
	size_t bytes = 0;
	struct queue_lines lines = { .each = count_bytes, .context = &bytes };
	char piece[100];

	memset(piece, 'x', sizeof(piece));
	piece[50] = '\0';
	for (int i = 0; i < 1000; i++)
		queue_lines_output(&lines, piece, sizeof(piece));
	queue_lines_output(&lines, "\nab\n", 4);
	ck_assert_uint_eq(bytes, sizeof(lines.line) + 3);
}
END_TEST

/* --- lines over a socket -------------------------------------------------------------- */

/* What one reads who is sent these bytes and then the end. */
static enum base_result
line_of(const char *bytes, size_t length, char line_r[QUEUE_MAX_LINE])
{
	const char *why = NULL;
	struct queue_wire wire;
	enum base_result result;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(write(pair[0], bytes, length), (ssize_t)length);
	shutdown(pair[0], SHUT_WR);
	queue_wire_init(&wire, pair[1], base_tick_ms() + 2000);
	result = queue_wire_line(&wire, line_r, &why);
	close(pair[0]);
	close(pair[1]);
	return result;
}

START_TEST(test_wire_line)
{
	char line[QUEUE_MAX_LINE], bytes[QUEUE_MAX_LINE + 1];

	ck_assert_int_eq(line_of("SCAN 0\nrest", 11, line), BASE_OK);
	ck_assert_str_eq(line, "SCAN 0");
	ck_assert_int_eq(line_of("SCAN 0", 6, line), BASE_NONE);
	ck_assert_int_eq(line_of("", 0, line), BASE_NONE);
	ck_assert_int_eq(line_of("SC\0N 0\n", 7, line), BASE_REFUSE);
	memset(bytes, 'x', sizeof(bytes));
	bytes[QUEUE_MAX_LINE - 1] = '\n';
	ck_assert_int_eq(line_of(bytes, QUEUE_MAX_LINE, line), BASE_OK);
	bytes[QUEUE_MAX_LINE - 1] = 'x';
	bytes[QUEUE_MAX_LINE] = '\n';
	ck_assert_int_eq(line_of(bytes, QUEUE_MAX_LINE + 1, line), BASE_REFUSE);
}
END_TEST

START_TEST(test_wire_silence)
{
	const char *why = NULL;
	struct queue_wire wire;
	char line[QUEUE_MAX_LINE];
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(write(pair[0], "SCA", 3), 3);
	queue_wire_init(&wire, pair[1], base_tick_ms() + 100);
	ck_assert_int_eq(queue_wire_line(&wire, line, &why), BASE_RETRY);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* --- tools ------------------------------------------------------------------------------
 */

static void
collect(void *context, const char *data, size_t length)
{
	base_buffer_append(context, data, length);
}

/* Does the process end, or is it only not buried yet? */
static bool
is_gone(const char *pid)
{
	char path[64], stat[200] = "";
	int64_t end = base_tick_ms() + 10000;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", atoi(pid));
	ck_assert_int_gt(atoi(pid), 1);
	while (base_tick_ms() < end && (file = fopen(path, "r")) != NULL) {
		char *got = fgets(stat, sizeof(stat), file);

		fclose(file);
		if (got == NULL || strstr(stat, ") Z ") != NULL)
			return true;
		base_sleep_ms(5);
	}
	return base_tick_ms() < end;
}

START_TEST(test_tool)
{
	static const char script[] = "cat; echo oh >&2; echo [$OOPS_TEST_SECRET$LC_ALL]; "
				     "[ -e /proc/self/fd/50 ] || echo closed";
	const char *talks[] = { "sh", "-c", script, NULL };
	const char *fails[] = { "sh", "-c", "exit 7", NULL };
	const char *hangs[] = { "sh", "-c", "exec sleep 60", NULL };
	const char *leaves[] = { "sh", "-c", "sleep 60 & echo $!; wait", NULL };
	const char *silent[] = { "sh", "-c", "exec sleep 60 >&- 2>&-", NULL };
	struct base_tool tool = { .path = "/bin/sh", .argv = talks, .input = "given\n" };
	int64_t began = base_tick_ms();
	struct base_buffer text;
	const char *why = NULL;
	int status = 99;

	ck_assert_int_eq(setenv("OOPS_TEST_SECRET", "x", 1), 0);
	ck_assert_int_eq(dup2(0, 50), 50);
	base_buffer_init(&text, 1000);
	tool.output = collect;
	tool.context = &text;
	tool.deadline = began + 20000;
	ck_assert_int_eq(base_tool_run(&tool, &status, &why), BASE_OK);
	ck_assert_int_eq(status, 0);
	ck_assert_str_eq(base_buffer_text(&text), "given\n[C]\nclosed\n");
	base_buffer_clear(&text);
	tool.with_errors = true;
	ck_assert_int_eq(base_tool_run(&tool, &status, &why), BASE_OK);
	ck_assert_str_eq(base_buffer_text(&text), "given\noh\n[C]\nclosed\n");
	base_buffer_free(&text);
	close(50);
	tool.output = NULL;
	tool.argv = fails;
	ck_assert_int_eq(base_tool_run(&tool, &status, &why), BASE_OK);
	ck_assert_int_eq(status, 7);
	tool.argv = hangs;
	tool.deadline = base_tick_ms() + 100;
	ck_assert_int_eq(base_tool_run(&tool, &status, &why), BASE_RETRY);
	ck_assert_int_lt(base_tick_ms() - began, 15000);
	tool.argv = leaves;
	tool.output = collect;
	base_buffer_init(&text, 1000);
	tool.deadline = base_tick_ms() + 300;
	ck_assert_int_eq(base_tool_run(&tool, &status, &why), BASE_RETRY);
	ck_assert_msg(is_gone(base_buffer_text(&text)), "what it started goes with it");
	base_buffer_free(&text);
	tool.argv = silent;
	tool.deadline = base_tick_ms() + 100;
	ck_assert_int_eq(base_tool_run(&tool, &status, &why), BASE_RETRY);
	tool.path = "/nonexistent/tool";
	tool.deadline = base_tick_ms() + 20000;
	ck_assert_int_eq(base_tool_run(&tool, &status, &why), BASE_BROKEN);
	ck_assert_int_eq(status, 7);
}
END_TEST

/* --- client and server, with a shell script for postcat ----------------------------------
 */

/*
 * A folder that stands for Postfix's queue, and its commands: files are what postcat prints
 * of them; postsuper moves what its standard input names.
 */
static const char *const scripts[][2] = {
	{ "postconf", "echo $PWD" },
	/* without -e no envelope: its lines, and that which begins the header, go */
	{ "postcat", "echo >>runs; cut=1,3d\n"
		     "while [ $1 != -q ]; do [ $1 = -e ] && cut=; shift; done; shift\n"
		     "for id; do [ -z \"$cut\" ] || [ ! -f envelope/$id ] ||\n"
		     "cut=$(cat envelope/$id)\n"
		     "sed \"$cut\" hold/$id 2>/dev/null ||\n"
		     "sed \"$cut\" active/$id 2>/dev/null || {\n"
		     "echo postcat: fatal: open queue file $id: No such file or directory "
		     ">&2; exit 1; }; done" },
	{ "postsuper", "[ $4 = - ] && [ $5 = hold ] || exit 64\n"
		       "while read id; do case $3 in\n"
		       "-H|-f) sed s/hold/active/ hold/$id >active/$id; rm hold/$id\n"
		       "echo postsuper: $id: released from hold >&2;;\n"
		       "-d) rm hold/$id; echo postsuper: $id: removed >&2;;\n"
		       "*) exit 64;; esac; done" },
	{ "postqueue", "case $3 in -i) echo $4 >>prodded;; -f) echo all >>flushed;;\n"
		       "-j) cd hold && for id in *; do\n"
		       "echo \"{\\\"queue_name\\\": \\\"hold\\\", \\\"queue_id\\\": "
		       "\\\"$id\\\", \\\"x\\\"}\"\n"
		       "done; esac" },
};

struct config {
	char folder[64];
	char socket_path[128];
	struct queue_server_options options;
	volatile int stop;
	atomic_bool is_ready;
	pthread_t thread;
	enum base_result result;
	struct queue_client *client;
};

static void
put(const struct config *config, const char *name, mode_t mode, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", config->folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

/* A queue file as postcat shows it. */
static void
put_mail(const struct config *config, const char *queue, const char *id, const char *header)
{
	char name[128], text[1024];

	snprintf(name, sizeof(name), "%s/%s", queue, id);
	snprintf(text, sizeof(text),
	    "*** ENVELOPE RECORDS %s/%s ***\nsender: x\n"
	    "*** MESSAGE CONTENTS %s/%s ***\n%sSubject: s\n",
	    queue, id, queue, id, header);
	put(config, name, 0600, text);
}

/* The queue is known: what is forked from now on takes along no end of a tool's pipe. */
static enum base_result
note_ready(const struct queue_mta *mta, const char **why_r)
{
	(void)why_r;
	if (mta->options->context != NULL)
		atomic_store((atomic_bool *)mta->options->context, true);
	return BASE_OK;
}

/* All of the server in this process: socket, requests, commands. */
static enum base_result
serve_here(const struct queue_server_options *options, volatile int *stop, const char **why_r)
{
	int listener;
	enum base_result result = queue_listen(options, &listener, why_r);

	if (result != BASE_OK)
		return result;
	result = queue_server_run(options, listener, stop, note_ready, why_r);
	close(listener);
	unlink(options->socket_path);
	return result;
}

static void *
serve(void *context)
{
	struct config *config = context;
	const char *why = "";

	config->result = serve_here(&config->options, &config->stop, &why);
	return NULL;
}

static void
site_start(struct config *config)
{
	static const char *const queues[] = { "hold", "active", "deferred", "incoming",
		"maildrop" };
	char path[256], text[2048];

	memset(config, 0, sizeof(*config));
	strcpy(config->folder, "/tmp/oops-queue.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(config->folder));
	for (size_t i = 0; i < COUNT_OF(queues); i++) {
		snprintf(path, sizeof(path), "%s/%s", config->folder, queues[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	for (size_t i = 0; i < COUNT_OF(scripts); i++) {
		snprintf(text, sizeof(text), "#!/bin/sh\ncd %s || exit 1\n%s\n", config->folder,
		    scripts[i][1]);
		put(config, scripts[i][0], 0700, text);
	}
	snprintf(config->socket_path, sizeof(config->socket_path), "%s/queue.sock", config->folder);
	config->options = (struct queue_server_options){ .socket_path = config->socket_path,
		.mta_kind = "postfix",
		.config_directory = "/nonexistent",
		.command_directory = config->folder,
		.allowed_uid = getuid(),
		.context = &config->is_ready };
	ck_assert_int_eq(pthread_create(&config->thread, NULL, serve, config), 0);
	config->client = queue_client_new(config->socket_path, 50000);
	for (int i = 0; !atomic_load(&config->is_ready); i++) {
		ck_assert_int_lt(i, 6000);
		usleep(10000);
	}
}

static void
site_stop(struct config *config)
{
	char command[256];

	queue_client_free(&config->client);
	config->stop = 1;
	ck_assert_int_eq(pthread_join(config->thread, NULL), 0);
	ck_assert_int_eq(config->result, BASE_OK);
	ck_assert_int_ne(access(config->socket_path, F_OK), 0);
	snprintf(command, sizeof(command), "rm -r %s", config->folder);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(test_server_verbs)
{
	struct queue_item items[] = { { .queue_id = "AAAAA1", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA2", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA3", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA4", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA5", .hold_id = HOLD_B } };
	static const enum queue_status before[] = { QUEUE_HELD, QUEUE_MOVING, QUEUE_GONE,
		QUEUE_FOREIGN, QUEUE_FOREIGN };
	static const enum queue_status after[] = { QUEUE_MOVING, QUEUE_MOVING, QUEUE_GONE,
		QUEUE_FOREIGN, QUEUE_FOREIGN };
	struct queue_item deleted = { .queue_id = "AAAAA6", .hold_id = HOLD_A };
	const char *why = "";
	struct config config;
	char path[256];
	struct stat status;

	site_start(&config);
	put_mail(&config, "hold", "AAAAA1", TAG(HOLD_A));
	put_mail(&config, "active", "AAAAA2", TAG(HOLD_A));
	put_mail(&config, "hold", "AAAAA4", "");
	put_mail(&config, "hold", "AAAAA5", TAG(HOLD_A));
	put_mail(&config, "hold", "AAAAA6", TAG(HOLD_A));
	ck_assert_int_eq(queue_ask(config.client, QUEUE_STATUS, items, 5, &why), BASE_OK);
	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(items[i].status, before[i]);
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, items, 5, &why), BASE_OK);
		for (size_t i = 0; i < 5; i++)
			ck_assert_int_eq(items[i].status, after[i]);
	}
	ck_assert_int_eq(queue_ask(config.client, QUEUE_DELETE, &deleted, 1, &why), BASE_OK);
	ck_assert_int_eq(deleted.status, QUEUE_GONE);
	snprintf(path, sizeof(path), "%s/hold/AAAAA4", config.folder);
	ck_assert_int_eq(stat(path, &status), 0);
	snprintf(path, sizeof(path), "%s/hold/AAAAA5", config.folder);
	ck_assert_int_eq(stat(path, &status), 0);
	/* two of ours, twice, and nobody else's */
	snprintf(path, sizeof(path), "%s/prodded", config.folder);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_size, 4 * 7);
	site_stop(&config);
}
END_TEST

/* Everything of the folder that the tests of spool.c look into. */
static const struct {
	const char *path;
	bool is_found; /* under the name AAAAA1 */
} spools[] = {
	{ "hold/AAAAA1", true },
	{ "deferred/A/AAAAA1", true },
	{ "deferred/A/B/AAAAA1", true },
	{ "active/AAAAA1", true },
	{ "incoming/AAAAA1", true },
	{ "maildrop/AAAAA1", true },
	{ "hold/AAAAA2", false },
	{ "hold/AAAAA", false },
	{ "deferred/AA/AAAAA1", false },
	{ "corrupt/AAAAA1", false },
	{ "AAAAA1", false },
	{ "hold/A/B/C/D/AAAAA1", false },
};

START_TEST(test_spool)
{
	char folder[] = "/tmp/oops-spool.XXXXXX", command[512];
	struct queue_location spot = { false, false };
	bool is_held = strncmp(spools[_i].path, "hold/", 5) == 0;
	const char *why = "";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	/* an empty folder, as before its file system is mounted, tells nothing */
	ck_assert_int_eq(queue_spool_find(folder, "AAAAA1", &spot), BASE_RETRY);
	snprintf(command, sizeof(command),
	    "mkdir -p hold deferred incoming active maildrop $(dirname %s) && touch %s",
	    spools[_i].path, spools[_i].path);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(
	    queue_spool_find(folder, "AAAAA1", &spot), spools[_i].is_found ? BASE_OK : BASE_NONE);
	ck_assert(spot.is_held == (is_held && spools[_i].is_found) && !spot.is_stopped);
	ck_assert_int_eq(queue_spool_mark(folder, "AAAAA1", true, &why),
	    is_held && spools[_i].is_found ? BASE_OK : BASE_NONE);
	if (is_held && spools[_i].is_found) {
		ck_assert_int_eq(queue_spool_find(folder, "AAAAA1", &spot), BASE_OK);
		ck_assert(spot.is_held && spot.is_stopped);
		ck_assert_int_eq(queue_spool_mark(folder, "AAAAA1", false, &why), BASE_OK);
		ck_assert_int_eq(queue_spool_find(folder, "AAAAA1", &spot), BASE_OK);
		ck_assert(spot.is_held && !spot.is_stopped);
	}
	/* nobody can tell: that is not "there is none" */
	ck_assert_int_eq(queue_spool_find("/nonexistent", "AAAAA1", &spot), BASE_RETRY);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(test_server_read_and_scan)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct queue_item *items = NULL;
	const char *why = "";
	struct config config;
	size_t length = 0, count = 99;
	char *data = NULL;

	site_start(&config);
	put_mail(&config, "hold", "AAAAA1", TAG(HOLD_A));
	put_mail(&config, "hold", "AAAAA2", "");
	put_mail(&config, "hold", "AAAAA3", TAG(HOLD_B));
	ck_assert_int_eq(
	    queue_read(config.client, arena, "AAAAA1", HOLD_A, 10000, &data, &length, &why),
	    BASE_OK);
	ck_assert_uint_eq(length, strlen(data));
	ck_assert_ptr_nonnull(strstr(data, "Subject: s\n"));
	ck_assert_int_eq(
	    queue_read(config.client, arena, "AAAAA1", HOLD_A, 5, &data, &length, &why),
	    BASE_REFUSE);
	ck_assert_int_eq(
	    queue_read(config.client, arena, "AAAAA1", HOLD_B, 10000, &data, &length, &why),
	    BASE_NONE);
	ck_assert_int_eq(
	    queue_read(config.client, arena, "AAAAA9", HOLD_B, 10000, &data, &length, &why),
	    BASE_NONE);
	ck_assert_int_eq(queue_scan(config.client, arena, &items, &count, &why), BASE_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(items[0].queue_id, "AAAAA1");
	ck_assert_str_eq(items[1].hold_id, HOLD_B);
	ck_assert_str_eq(items[1].mac, MAC);
	site_stop(&config);
	base_arena_free(&arena);
}
END_TEST

/* How often postcat ran. */
static off_t
runs_of(const struct config *config)
{
	char path[256];
	struct stat status;

	snprintf(path, sizeof(path), "%s/runs", config->folder);
	return stat(path, &status) == 0 ? status.st_size : 0;
}

/* Many files on hold, all but one of them somebody else's. */
static void
put_many(const struct config *config, int count)
{
	char id[16];

	for (int i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "AAAA%03d", i);
		put_mail(config, "hold", id, i == 7 ? TAG(HOLD_A) : "");
	}
}

START_TEST(test_server_scan_many)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct queue_item *items = NULL;
	const char *why = "";
	struct config config;
	size_t count = 99;
	char path[256];

	site_start(&config);
	put_many(&config, 250);
	ck_assert_msg(queue_scan(config.client, arena, &items, &count, &why) == BASE_OK, "%s", why);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(items[0].queue_id, "AAAA007");
	ck_assert_int_eq(runs_of(&config), 3);
	/* a stranger says what is another file's to say: nobody of that run is believed */
	snprintf(path, sizeof(path), "%s/envelope", config.folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put(&config, "envelope/AAAA001", 0600, "1,6d");
	put(&config, "hold/AAAA001", 0600,
	    ENVELOPE("hold", "AAAA001") PART("AAAA002", TAG(HOLD_B)) CONTENTS("hold", "AAAA001")
		OTHER);
	ck_assert_msg(queue_scan(config.client, arena, &items, &count, &why) == BASE_OK, "%s", why);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(items[0].hold_id, HOLD_A);
	/* 13 for the hundred that it is in: each half again, down to the two of them */
	ck_assert_int_le(runs_of(&config), 3 + 3 + 20);
	site_stop(&config);
	base_arena_free(&arena);
}
END_TEST

/* The mode of a queue file, 0 if it is not there. */
static mode_t
mode_of(const struct config *config, const char *name)
{
	char path[256];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", config->folder, name);
	return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

START_TEST(test_server_stop)
{
	struct queue_item items[] = { { .queue_id = "AAAAA1", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA2", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA3", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA4", .hold_id = HOLD_A } };
	static const enum queue_status after[] = { QUEUE_HELD, QUEUE_MOVING, QUEUE_GONE,
		QUEUE_FOREIGN };
	const char *why = "";
	struct config config;

	site_start(&config);
	put_mail(&config, "hold", "AAAAA1", TAG(HOLD_A));
	put_mail(&config, "active", "AAAAA2", TAG(HOLD_A));
	put_mail(&config, "hold", "AAAAA4", TAG(HOLD_B));
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(queue_ask(config.client, QUEUE_STOP, items, 4, &why), BASE_OK);
		for (size_t i = 0; i < 4; i++)
			ck_assert_int_eq(items[i].status, after[i]);
		ck_assert_uint_eq(mode_of(&config, "hold/AAAAA1"), 01600);
		ck_assert_uint_eq(mode_of(&config, "active/AAAAA2"), 0600);
		ck_assert_uint_eq(mode_of(&config, "hold/AAAAA4"), 0600);
	}
	ck_assert_int_eq(mode_of(&config, "flushed") | mode_of(&config, "prodded"), 0);
	/* what is restored is not stopped any more, before it moves */
	put(&config, "postsuper", 0700, "#!/bin/sh\nexit 1\n");
	ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, items, 1, &why), BASE_OK);
	ck_assert_int_eq(items[0].status, QUEUE_FAILED);
	ck_assert_uint_eq(mode_of(&config, "hold/AAAAA1"), 0600);
	site_stop(&config);
}
END_TEST

#define BATCH 60

/* Many files of one hold. */
static size_t
put_batch(const struct config *config, char ids_r[BATCH][16], struct queue_item items_r[BATCH])
{
	for (int i = 0; i < BATCH; i++) {
		snprintf(ids_r[i], 16, "BBBB%03d", i);
		put_mail(config, "hold", ids_r[i], TAG(HOLD_A));
		items_r[i] = (struct queue_item){ .queue_id = ids_r[i], .hold_id = HOLD_A };
	}
	return BATCH;
}

START_TEST(test_server_release_many)
{
	struct queue_item items[BATCH];
	char ids[BATCH][16];
	const char *why = "";
	struct config config;
	char path[256];
	struct stat status;
	size_t count;

	site_start(&config);
	count = put_batch(&config, ids, items);
	ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, items, count, &why), BASE_OK);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(items[i].status, QUEUE_MOVING);
	/* once for all of them, and again when they are asked for again */
	snprintf(path, sizeof(path), "%s/flushed", config.folder);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_size, 4);
	ck_assert_int_eq(mode_of(&config, "prodded"), 0);
	ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, items, 9, &why), BASE_OK);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_size, 8);
	/* the queue manager was not told: they are not where they should be */
	put(&config, "postqueue", 0700, "#!/bin/sh\nexit 75\n");
	ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, items, 9, &why), BASE_OK);
	for (size_t i = 0; i < 9; i++)
		ck_assert_int_eq(items[i].status, QUEUE_FAILED);
	site_stop(&config);
}
END_TEST

START_TEST(test_server_forged_envelope)
{
	struct queue_item items[] = { { .queue_id = "AAAAA1", .hold_id = HOLD_A },
		{ .queue_id = "AAAAA2", .hold_id = HOLD_A } };
	struct base_arena *arena = base_arena_new(1 << 20);
	struct queue_item *found = NULL;
	const char *why = "";
	struct config config;
	size_t count = 99;
	char path[256];

	site_start(&config);
	snprintf(path, sizeof(path), "%s/envelope", config.folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	put(&config, "envelope/AAAAA1", 0600, "1,5d");
	put(&config, "hold/AAAAA1", 0600,
	    ENVELOPE("hold", "AAAAA1") "original_recipient: rfc822;a\n" CONTENTS("hold", "x")
		TAG(HOLD_A) CONTENTS("hold", "AAAAA1") OTHER);
	put_mail(&config, "hold", "AAAAA2", TAG(HOLD_A));
	ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, items, 2, &why), BASE_OK);
	ck_assert_int_eq(items[0].status, QUEUE_FOREIGN);
	ck_assert_int_eq(items[1].status, QUEUE_MOVING);
	ck_assert_int_eq(queue_ask(config.client, QUEUE_DELETE, items, 1, &why), BASE_OK);
	ck_assert_int_eq(items[0].status, QUEUE_FOREIGN);
	ck_assert_uint_eq(mode_of(&config, "hold/AAAAA1"), 0600);
	ck_assert_int_eq(queue_scan(config.client, arena, &found, &count, &why), BASE_OK);
	ck_assert_uint_eq(count, 0);
	site_stop(&config);
	base_arena_free(&arena);
}
END_TEST

START_TEST(test_server_tool_fails)
{
	struct queue_item item = { .queue_id = "AAAAA1", .hold_id = HOLD_A };
	const char *why = "";
	struct config config;

	site_start(&config);
	put_mail(&config, "hold", "AAAAA1", TAG(HOLD_A));
	put(&config, "postsuper", 0700, "#!/bin/sh\nexit 1\n");
	ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, &item, 1, &why), BASE_OK);
	ck_assert_int_eq(item.status, QUEUE_FAILED);
	/* nothing was said of the file */
	put(&config, "postsuper", 0700, "#!/bin/sh\nexit 0\n");
	ck_assert_int_eq(queue_ask(config.client, QUEUE_RELEASE, &item, 1, &why), BASE_OK);
	ck_assert_int_eq(item.status, QUEUE_FAILED);
	put(&config, "postcat", 0700, "#!/bin/sh\nexit 1\n");
	ck_assert_int_eq(queue_ask(config.client, QUEUE_STATUS, &item, 1, &why), BASE_OK);
	ck_assert_int_eq(item.status, QUEUE_FAILED);
	site_stop(&config);
}
END_TEST

/* The whole answer to these bytes, read to the end of the connection. */
static void
raw(const char *socket_path, const char *bytes, char answer_r[4096])
{
	struct sockaddr_un address;
	const char *why;
	size_t length = 0;
	ssize_t n;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	answer_r[0] = '\0';
	if (queue_address(socket_path, &address, &why) != BASE_OK ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return;
	/* Who is refused may not get all of it sent; the answer is there all the same. */
	if (send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) >= 0)
		shutdown(fd, SHUT_WR);
	while ((n = read(fd, answer_r + length, 4095 - length)) > 0)
		length += (size_t)n;
	answer_r[length] = '\0';
	close(fd);
}

START_TEST(test_server_garbage)
{
	static const char *const bytes[] = { "\n", "HELLO\n", "STATUS 1\nALL " HOLD_A "\n",
		"STATUS 501\n", "RELEASE 2\nAAAAA1 " HOLD_A "\n", "DELETE 1\n- hold\n",
		"READ 1\n../x " HOLD_A "\n", "GET / HTTP/1.1\r\n\r\n" };
	struct queue_item item = { .queue_id = "AAAAA1", .hold_id = HOLD_A };
	char answer[4096], big[5000];
	const char *why = "";
	struct config config;

	site_start(&config);
	put_mail(&config, "hold", "AAAAA1", TAG(HOLD_A));
	for (size_t i = 0; i < COUNT_OF(bytes); i++) {
		raw(config.socket_path, bytes[i], answer);
		ck_assert_msg(strncmp(answer, "ERROR ", 6) == 0, "%s: %s", bytes[i], answer);
		ck_assert_ptr_eq(strchr(answer, '\n'), answer + strlen(answer) - 1);
	}
	memset(big, 'A', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	raw(config.socket_path, big, answer);
	/* It still serves, and an incomplete request did nothing. */
	ck_assert_int_eq(queue_ask(config.client, QUEUE_STATUS, &item, 1, &why), BASE_OK);
	ck_assert_int_eq(item.status, QUEUE_HELD);
	site_stop(&config);
}
END_TEST

/* As somebody else: is the answer a refusal? */
static bool
is_refused_as(unsigned uid, const char *socket_path, const char *request)
{
	char answer[4096];
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		if (setresuid(uid, uid, uid) != 0)
			_exit(2);
		raw(socket_path, request, answer);
		_exit(strncmp(answer, "ERROR ", 6) == 0 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 2);
	return WEXITSTATUS(status) == 0;
}

START_TEST(test_server_uid)
{
	static const char request[] = "STATUS 1\nAAAAA1 " HOLD_A "\n";
	struct config config;
	struct stat status;

	if (getuid() != 0)
		return; /* only root can be somebody else */
	site_start(&config);
	ck_assert_int_eq(stat(config.socket_path, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);
	/* The file's mode keeps others out; the uid is checked all the same. */
	ck_assert_int_eq(chmod(config.socket_path, 0666), 0);
	ck_assert_int_eq(chmod(config.folder, 0711), 0);
	ck_assert(is_refused_as(65533, config.socket_path, request));
	ck_assert(!is_refused_as(0, config.socket_path, request));
	site_stop(&config);
}
END_TEST

/* A server with these options must give up at once. */
static void
expect_broken(const struct queue_server_options *options)
{
	const char *why = "";
	volatile int stop = 1;

	ck_assert_int_eq(serve_here(options, &stop, &why), BASE_BROKEN);
	ck_assert_str_ne(why, "");
}

START_TEST(test_server_socket)
{
	struct queue_server_options options;
	struct queue_item item = { .queue_id = "AAAAA1", .hold_id = HOLD_A };
	const char *why = "";
	struct config config, other;
	char path[256], stale[256];
	volatile int stop = 1;
	struct sockaddr_un address;
	int fd;

	site_start(&config);
	/* taken: the one who listens keeps it */
	expect_broken(&config.options);
	ck_assert_int_eq(queue_ask(config.client, QUEUE_STATUS, &item, 1, &why), BASE_OK);
	/* a file that is no socket stays */
	options = config.options;
	put(&config, "plain", 0600, "precious");
	snprintf(path, sizeof(path), "%s/plain", config.folder);
	options.socket_path = path;
	expect_broken(&options);
	ck_assert_int_eq(access(path, F_OK), 0);
	/* a stale socket is replaced */
	snprintf(stale, sizeof(stale), "%s/stale", config.folder);
	ck_assert_int_eq(queue_address(stale, &address, &why), BASE_OK);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	options.socket_path = stale;
	ck_assert_int_eq(serve_here(&options, &stop, &why), BASE_OK);
	/* a directory where everybody may write, without the sticky bit */
	site_start(&other);
	ck_assert_int_eq(chmod(other.folder, 0777), 0);
	snprintf(path, sizeof(path), "%s/new.sock", other.folder);
	options.socket_path = path;
	expect_broken(&options);
	site_stop(&other);
	ck_assert_ptr_null(queue_driver_for("exim"));
	site_stop(&config);
}
END_TEST

START_TEST(test_client_alone)
{
	struct queue_client *client = queue_client_new("/nonexistent/queue.sock", 1000);
	struct queue_item item = { .queue_id = "AAAAA1", .hold_id = HOLD_A, .status = QUEUE_GONE };
	struct queue_item bad = { .queue_id = "-rf", .hold_id = HOLD_A };
	const char *why = NULL;

	ck_assert_int_eq(queue_ask(client, QUEUE_STATUS, &item, 1, &why), BASE_RETRY);
	ck_assert_ptr_nonnull(why);
	ck_assert_int_eq(item.status, QUEUE_GONE);
	ck_assert_int_eq(queue_ask(client, QUEUE_STATUS, &bad, 1, &why), BASE_REFUSE);
	ck_assert_int_eq(queue_ask(client, QUEUE_STATUS, &item, 0, &why), BASE_REFUSE);
	ck_assert_int_eq(
	    queue_ask(client, QUEUE_STATUS, &item, QUEUE_MAX_ITEMS + 1, &why), BASE_REFUSE);
	queue_client_free(&client);
	ck_assert_ptr_null(client);
}
END_TEST

static Suite *
queue_suite(void)
{
	Suite *suite = suite_create("queue");
	TCase *pure = tcase_create("pure"), *processes = tcase_create("processes");

	tcase_add_loop_test(pure, test_request, 0, COUNT_OF(requests));
	tcase_add_loop_test(pure, test_item, 0, COUNT_OF(item_lines));
	tcase_add_test(pure, test_names);
	tcase_add_loop_test(pure, test_tag_parse, 0, COUNT_OF(tags));
	tcase_add_test(pure, test_tag_format);
	tcase_add_test(pure, test_mac);
	tcase_add_loop_test(pure, test_header, 0, COUNT_OF(headers));
	tcase_add_loop_test(pure, test_postcat, 0, COUNT_OF(postcats));
	tcase_add_loop_test(pure, test_postcat_batch, 0, COUNT_OF(batches));
	tcase_add_test(pure, test_lines_long);
	tcase_add_test(pure, test_wire_line);
	tcase_add_test(pure, test_wire_silence);
	suite_add_tcase(suite, pure);
	tcase_set_timeout(processes, 300);
	tcase_add_loop_test(processes, test_spool, 0, COUNT_OF(spools));
	tcase_add_test(processes, test_tool);
	tcase_add_test(processes, test_server_verbs);
	tcase_add_test(processes, test_server_read_and_scan);
	tcase_add_test(processes, test_server_scan_many);
	tcase_add_test(processes, test_mac_outlives_a_rotation);
	tcase_add_test(processes, test_server_stop);
	tcase_add_test(processes, test_server_release_many);
	tcase_add_test(processes, test_server_forged_envelope);
	tcase_add_test(processes, test_server_tool_fails);
	tcase_add_test(processes, test_server_garbage);
	tcase_add_test(processes, test_server_uid);
	tcase_add_test(processes, test_server_socket);
	tcase_add_test(processes, test_client_alone);
	suite_add_tcase(suite, processes);
	return suite;
}

int
main(void)
{
	SRunner *runner = srunner_create(queue_suite());
	const char *why;
	int failed;

	if (base_crypto_start(&why) != BASE_OK)
		return EXIT_FAILURE;
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
