/*
 * NAME
 *	fuzz_catalog - any bytes as a compiled translation
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
#include "milter/words/words.h"
#include "tests/fuzz/fuzz.h"

const struct words_catalog words_catalogs[] = { { NULL, NULL, 0 } };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct words_catalog catalog = { "xx", data, size };
	struct words words;
	struct base_buffer faults;
	enum base_result result;

	if (arena == NULL)
		abort();
	base_buffer_init(&faults, 1 << 20);
	result = words_catalog_parse(&catalog, &words, &faults);
	must(result == BASE_OK || faults.length > 0, "a refusal has a reason");
	fuzz_expect(result == BASE_OK);
	for (unsigned long n = 0; result == BASE_OK && n < 3; n++)
		must(words_count(arena, &words, &words.people, n) != NULL, "people fit");
	if (result == BASE_OK)
		must(base_is_utf8(words.letter_foot, strlen(words.letter_foot)), "UTF-8");
	base_buffer_free(&faults);
	base_arena_free(&arena);
	return 0;
}
