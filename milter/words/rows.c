/* rows - the list of sentences as a table, and as English; see internal.h */
#include "milter/words/internal.h"

#include <string.h>

#define AT(member) .name = #member, .offset = offsetof(struct words, member)

const struct words_row words_rows[] = {
#define SENTENCE(name, english) { AT(name), .text = english, .max = WORDS_MAX_SENTENCE },
#define PIECE(name, english) { AT(name), .text = english, .max = WORDS_MAX_PIECE },
#define PLURAL(name, one, more) { AT(name), .text = one, .many = more, .max = WORDS_MAX_PIECE },
#define COUNTED(name, one, more) { AT(name), .text = one, .many = more, .max = WORDS_MAX_SENTENCE },
#define NOTE(note) { .text = note },
#include "milter/words/sentences.h"
};

const size_t words_row_count = sizeof(words_rows) / sizeof(*words_rows);

const struct words words_en = {
	.rule = "n != 1",
	.plurals = 2,
#define SENTENCE(name, text) .name = text,
#define PIECE(name, text) .name = text,
#define PLURAL(name, one, many) .name = { { one, many } },
#define COUNTED(name, one, many) .name = { { one, many } },
#include "milter/words/sentences.h"
};

const struct words_row *
words_row_find(const char *name, size_t length)
{
	for (size_t i = 0; i < words_row_count; i++)
		if (words_rows[i].name != NULL && strlen(words_rows[i].name) == length &&
		    memcmp(words_rows[i].name, name, length) == 0)
			return &words_rows[i];
	return NULL;
}

const char **
words_slot(struct words *words, const struct words_row *row, unsigned form)
{
	return (const char **)((char *)words + row->offset) + form;
}
