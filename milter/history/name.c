/*
 * NAME
 *	history/name - under which display name a contact is known
 *
 * A name is hashed in a form in which "Smith, Ann", "ANN SMITH" and "Ann Smith (Sales)" are the
 * same: its words in lower case and sorted. One word alone is no name of a person.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/key.h"
#include "milter/history/internal.h"

#define NAME_MAX_WORDS 6
#define NAME_MAX_WORD 40 /* bytes */
#define NAME_MIN_WORDS 2 /* of two letters or more */

struct name {
	char words[NAME_MAX_WORDS][NAME_MAX_WORD + 1];
	size_t count;
	size_t length; /* of the word that is being read */
	bool is_odd;   /* longer than a name of a person, or none */
};

/* Lower case of the letters that names in Latin, Greek and Cyrillic are written with. */
static uint32_t
letter_fold(uint32_t letter)
{
	if (letter < 0x80)
		return (uint32_t)tolower((int)letter);
	if ((letter >= 0xC0 && letter <= 0xDE && letter != 0xD7) ||
	    (letter >= 0x391 && letter <= 0x3A9) || (letter >= 0x410 && letter <= 0x42F))
		return letter + 0x20;
	if (letter >= 0x400 && letter <= 0x40F)
		return letter + 0x50;
	if ((letter >= 0x139 && letter <= 0x148) || (letter >= 0x179 && letter <= 0x17E))
		return letter + (letter & 1);
	if (letter >= 0x100 && letter <= 0x177)
		return letter | 1;
	return letter;
}

/* The letter at a place in UTF-8 and its bytes; what is none counts as itself. */
static uint32_t
letter_next(const char **at)
{
	const unsigned char *byte = (const unsigned char *)*at;
	size_t more = byte[0] >= 0xF0 ? 3 : byte[0] >= 0xE0 ? 2 : byte[0] >= 0xC0 ? 1 : 0;
	uint32_t letter = more ? byte[0] & (0x3Fu >> more) : byte[0];

	++*at;
	for (; more && (**at & 0xC0) == 0x80; more--)
		letter = letter << 6 | (uint32_t)(*(*at)++ & 0x3F);
	return letter;
}

/* Adds a letter to the word that is being read. */
static void
word_add(struct name *name, uint32_t letter)
{
	char *word = name->words[name->count];
	size_t bytes = letter < 0x80 ? 1 : letter < 0x800 ? 2 : letter < 0x10000 ? 3 : 4;

	if (name->count == NAME_MAX_WORDS || name->length + bytes > NAME_MAX_WORD) {
		name->is_odd = true;
		return;
	}
	if (bytes == 1) {
		word[name->length++] = (char)letter;
		return;
	}
	word[name->length++] = (char)((0xF00u >> bytes & 0xFF) | letter >> (6 * (bytes - 1)));
	for (size_t i = bytes - 1; i-- > 0;)
		word[name->length++] = (char)(0x80 | (letter >> (6 * i) & 0x3F));
}

/* The word is over. */
static void
word_end(struct name *name)
{
	if (name->length == 0)
		return;
	name->words[name->count++][name->length] = '\0';
	name->length = 0;
}

/* Is it between words? Apostrophes are inside. */
static bool
is_between(uint32_t letter)
{
	return letter < 0x80 ? !isalnum((int)letter)
			     : letter <= 0xBF || (letter >= 0x2000 && letter <= 0x206F);
}

/* Reads the words, up to where an organisation may follow. */
static void
name_read(struct name *name, const char *text)
{
	while (*text && !strchr("([<|/", *text) && !name->is_odd) {
		uint32_t letter = letter_next(&text);

		if (letter == '@')
			name->is_odd = true; /* an address is no name */
		if (letter == '\'' || letter == 0x2019)
			continue;
		if (is_between(letter))
			word_end(name);
		else
			word_add(name, letter_fold(letter));
	}
	word_end(name);
}

static int
word_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* A name's hash; 0: it is no name of a person. */
uint32_t
history_name_hash(const struct base_key *key, const char *text)
{
	struct name name = { 0 };
	char whole[2 + NAME_MAX_WORDS * (NAME_MAX_WORD + 1)] = "\"", *end = whole + 1;
	size_t long_words = 0;
	uint32_t hash;

	name_read(&name, text);
	qsort(name.words, name.count, sizeof(name.words[0]), word_compare);
	for (size_t i = 0; i < name.count; i++) {
		long_words += strlen(name.words[i]) > 1;
		/* "Ann Smith via List" is the list's address, whoever wrote */
		name.is_odd |= strcmp(name.words[i], "via") == 0;
		end = stpcpy(stpcpy(end, name.words[i]), " ");
	}
	if (name.is_odd || long_words < NAME_MIN_WORDS)
		return 0;
	hash = (uint32_t)(history_hash(key, whole) >> 32);
	return hash ? hash : 1;
}
