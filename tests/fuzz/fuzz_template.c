/*
 * NAME
 *	fuzz_template - any bytes as a site's own sentences
 *
 * Whatever comes in, it is refused with a reason, or gives sentences whose places can be filled.
 *
 * FUZZ-SOURCES: milter/base milter/words
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/words/catalog.h"
#include "milter/words/template.h"
#include "milter/words/words.h"
#include "tests/fuzz/fuzz.h"

const struct words_catalog words_catalogs[] = { { NULL, NULL, 0 } };

/* The made texts that use most sentences fit. */
static void
check_words(struct base_arena *arena, const struct words *words)
{
	static const int64_t now = 1795430410;

	must(words_count(arena, words, &words->people, 2) != NULL, "people fit");
	must(words_time_within(arena, words, now + 50, now) != NULL, "near fits");
	must(words_time_within(arena, words, now + 90000, now) != NULL, "far fits");
	must(base_is_utf8(words->letter_foot, strlen(words->letter_foot)), "UTF-8");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct base_arena *arena = base_arena_new(4 << 20);
	struct words words;
	struct base_buffer faults;
	enum base_result result;

	if (arena == NULL)
		abort();
	base_buffer_init(&faults, 65536);
	result =
	    words_template_parse(arena, "t", (const char *)data, size, &words_en, &words, &faults);
	must(result == BASE_OK || faults.length > 0 || faults.failed, "a refusal has a reason");
	must(result != BASE_OK || faults.length == 0, "no fault of what is taken");
	fuzz_expect(result == BASE_OK);
	if (result == BASE_OK)
		check_words(arena, &words);
	base_buffer_free(&faults);
	base_arena_free(&arena);
	return 0;
}
