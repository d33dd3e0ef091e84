/*
 * NAME
 *	fuzz_address - any bytes as an envelope path and as an address-list
 *
 * Built and run by tests/fuzz/run, with libFuzzer. A seed called y_ is a path, one called n_ is
 * none. What is normalised stays the same when it is normalised again, in whatever spelling it
 * comes back: quoted, in brackets, with the root's dot, in capitals.
 *
 * FUZZ-SOURCES: milter/mail milter/base
 */
#include "milter/base/arena.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "tests/fuzz/fuzz.h"

/* The same with what it is about. */
static void
must_of(bool is_true, const char *what, const char *about)
{
	if (!is_true)
		fprintf(stderr, "about \"%s\"\n", about);
	must(is_true, what);
}

/* Another spelling of a normal address is the same address, unless it is too long to be one. */
static void
check_spelling(struct base_arena *arena, const char *format, const char *normal)
{
	char *spelling = base_arena_printf(arena, format, normal);
	const char *again, *why;

	must_of(spelling != NULL, "a spelling fits", normal);
	if (strlen(spelling) <= MAIL_MAX_ADDRESS &&
	    mail_path_parse(arena, spelling, &again, &why) == BASE_OK)
		must_of(strcmp(again, normal) == 0, "a spelling is the same address", spelling);
}

static void
check_normal(struct base_arena *arena, const char *normal)
{
	const char *p;
	char *capitals = base_arena_strdup(arena, normal);
	size_t i;

	must_of(capitals != NULL, "an address fits", normal);
	must_of(base_is_utf8(normal, strlen(normal)), "it is UTF-8", normal);
	must_of(strlen(normal) <= 3 * MAIL_MAX_DOMAIN + 8, "it is bounded", normal);
	for (p = normal; *p != '\0'; p++)
		must_of((unsigned char)*p >= ' ' && *p != 0x7F && !(*p >= 'A' && *p <= 'Z'),
		    "it is visible and in lower case", normal);
	if (normal[0] == '\0')
		return;
	check_spelling(arena, "%s", normal);
	check_spelling(arena, "<%s>", normal);
	check_spelling(arena, "<@relay.example:%s>", normal);
	if (mail_domain_of(normal)[0] != '\0')
		check_spelling(arena, "%s.", normal);
	for (i = 0; capitals[i] != '\0'; i++)
		if (capitals[i] >= 'a' && capitals[i] <= 'z')
			capitals[i] = (char)(capitals[i] - 'a' + 'A');
	if (mail_path_parse(arena, capitals, &p, (const char *[]){ NULL }) == BASE_OK)
		must_of(strcmp(p, normal) == 0, "capitals are the same address", capitals);
}

static bool
check_mailbox(void *context, const char *name, const char *normal)
{
	must_of(base_is_utf8(name, strlen(name)), "a name is UTF-8", name);
	check_normal(context, normal);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *normal = "", *why = NULL;
	struct base_arena *arena = base_arena_new(4 << 20);
	char *text = strndup((const char *)data, size);
	enum base_result result;

	if (arena == NULL || text == NULL)
		abort();
	result = mail_path_parse(arena, text, &normal, &why);
	must_of(result == BASE_OK || why != NULL, "a refusal has a reason", text);
	fuzz_expect(result == BASE_OK);
	if (result == BASE_OK)
		check_normal(arena, normal);
	must_of(mail_each_mailbox(arena, text, check_mailbox, arena) != BASE_REFUSE,
	    "a list is never refused", text);
	free(text);
	base_arena_free(&arena);
	return 0;
}
