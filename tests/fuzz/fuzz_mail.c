/*
 * NAME
 *	fuzz_mail - any bytes as a message, an address, a path, a header value
 *
 * Built and run by tests/fuzz/run, with libFuzzer. Whatever comes in, what comes out must be
 * bounded, valid UTF-8 on one line, and the same when it is normalised again.
 * Of the seeds, y_ is a message, n_ is none.
 *
 * FUZZ-SOURCES: milter/mail milter/base
 */
#include "milter/base/arena.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "tests/fuzz/fuzz.h"

/* One line of valid UTF-8? */
static void
check_line(const char *text)
{
	must(text != NULL, "text is there");
	must(base_is_utf8(text, strlen(text)), "text is UTF-8");
	must(strpbrk(text, "\r\n\t\033") == NULL, "text is one line");
}

/* A normalised address stays as it is, unless only the header grammar takes it. */
static bool
check_mailbox(void *context, const char *name, const char *normal)
{
	struct base_arena *arena = context;
	const char *again, *why;

	check_line(name);
	check_line(normal);
	must(strlen(name) <= 200, "names are bounded");
	must(mail_domain_of(normal)[0] != '\0', "an address has a domain");
	if (mail_path_parse(arena, normal, &again, &why) == BASE_OK)
		must(strcmp(again, normal) == 0, "normal addresses are stable");
	return true;
}

/* The bytes as one header value, path and address. */
static void
check_value(struct base_arena *arena, const char *value, size_t length)
{
	struct mail_address address;
	const char *text, *why, *ids[3];
	size_t count, i;

	if (mail_address_parse(arena, value, length, &address, &why) == BASE_OK) {
		must(mail_address_normal(arena, &address, &text, &why) == BASE_OK,
		    "an address has a normal form");
		check_mailbox(arena, "", text);
	}
	if (mail_path_parse(arena, value, &text, &why) == BASE_OK)
		check_line(text);
	must(mail_each_mailbox(arena, value, check_mailbox, arena) != BASE_REFUSE,
	    "a list is never refused");
	if (mail_text_decode(arena, value, 100, &text) == BASE_OK) {
		check_line(text);
		must(strlen(text) <= 100, "decoded text is bounded");
	}
	mail_text_each_address(arena, value, length, 10, check_mailbox, arena);
	(void)mail_subject_is_answer(value);
	count = mail_message_ids(arena, value, ids, 3);
	must(count <= 3, "ids are bounded");
	for (i = 0; i < count; i++)
		check_line(ids[i]);
}

/* The bytes as a whole message. */
static void
check_message(struct base_arena *arena, const char *data, size_t size)
{
	struct mail_transaction *t = mail_transaction_new(arena, 0);
	const char *why = NULL;
	enum base_result result;
	size_t i;

	must(t != NULL, "a transaction fits");
	result = mail_transaction_message(arena, t, data, size, &why);
	must(result == BASE_OK || why != NULL, "a failure has a reason");
	fuzz_expect(result == BASE_OK);
	check_line(t->from);
	check_line(t->from_name);
	check_line(t->sender);
	check_line(t->subject);
	check_line(t->message_id);
	check_line(t->in_reply_to);
	must(strlen(t->subject) <= 200, "the subject is bounded");
	must(t->to.count <= MAIL_MAX_RECIPIENTS, "To is bounded");
	for (i = 0; i < t->to.count; i++)
		must(mail_addresses_has(&t->to, t->to.items[i]), "a set finds its members");
	must(t->reference_count <= MAIL_MAX_REFERENCES, "References are bounded");
	must(t->header_bytes <= MAIL_MAX_HEADER_BYTES, "the header is bounded");
	must(t->body_start_length <= MAIL_MAX_BODY_START, "the body is bounded");
	must(t->text_length <= MAIL_MAX_TEXT, "its text is bounded");
	must(strlen(t->text) == t->text_length, "its text has no end within");
	must(base_is_utf8(t->text, t->text_length), "its text is UTF-8");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct base_arena *arena = base_arena_new(4 << 20);
	char *value = strndup((const char *)data, size);

	must(arena != NULL && value != NULL, "there is memory");
	check_message(arena, (const char *)data, size);
	if (!fuzz_is_seed())
		check_value(arena, value, strlen(value));
	free(value);
	base_arena_free(&arena);
	return 0;
}
