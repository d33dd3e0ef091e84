/* held - the texts about a held mail; see held.h */
#include "milter/words/held.h"

#include <string.h>
#include <strings.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/words/internal.h"

#define HELD_MAX_TEXT 2048      /* bytes of one made text */
#define HELD_SHOWN_PEOPLE 10    /* who answered everyone */
#define HELD_SHOWN_RECIPIENTS 3 /* by name; the rest are counted */
#define HELD_MAX_ADDRESS 80     /* bytes shown of one address */

const char *
words_people(struct base_arena *arena, const struct words *words, unsigned long people,
    enum words_known known)
{
	if (known == WORDS_UNKNOWN)
		return words->people_unknown;
	return words_count(arena, words,
	    known == WORDS_AT_LEAST ? &words->people_at_least : &words->people, people);
}

const char *
words_held_people(
    struct base_arena *arena, const struct words *words, const struct words_held *held)
{
	return words_people(arena, words, held->people, held->known);
}

/* Text cut to whole characters, "..." when something is missing. */
static const char *
text_shorten(struct base_arena *arena, const char *text, size_t max_bytes)
{
	struct base_buffer buffer;
	const char *shorter = NULL;
	bool is_cut = strlen(text) > max_bytes;

	base_buffer_init(&buffer, max_bytes * 3 + 8);
	if (base_quote_line(&buffer, text, is_cut ? max_bytes - 3 : max_bytes) &&
	    (!is_cut || base_buffer_puts(&buffer, "...")))
		shorter = base_arena_strdup(arena, base_buffer_text(&buffer));
	base_buffer_free(&buffer);
	return shorter;
}

/* A stranger's text: the same, without a link in it. */
static const char *
text_unlink(struct base_arena *arena, const char *text, size_t max_bytes)
{
	struct base_buffer buffer;
	const char *unlinked = NULL;

	base_buffer_init(&buffer, 3 * strlen(text) + 8);
	if (base_quote_unlinked(&buffer, text, 3 * strlen(text) + 1))
		unlinked = text_shorten(arena, base_buffer_text(&buffer), max_bytes);
	base_buffer_free(&buffer);
	return unlinked;
}

const char *
words_held_subject(struct base_arena *arena, const struct words *words,
    const struct words_held *held, size_t max_bytes)
{
	const char *subject = held->subject ? held->subject : "";

	if (!subject[strspn(subject, " \t\r\n")])
		return words->no_subject;
	return text_unlink(arena, subject, max_bytes);
}

const char *
words_address_shown(struct base_arena *arena, const char *text)
{
	bool is_plain = strpbrk(text, "/ ") == NULL && strncasecmp(text, "www.", 4) != 0;

	return is_plain ? text_shorten(arena, text, HELD_MAX_ADDRESS)
			: text_unlink(arena, text, HELD_MAX_ADDRESS);
}

/* One visible recipient after the others. */
static bool
list_add(struct base_arena *arena, struct base_buffer *list, const char *address)
{
	const char *shown = words_address_shown(arena, address);

	return shown && (!list->length || base_buffer_puts(list, ", ")) &&
	       base_buffer_puts(list, shown);
}

/* The first of some addresses, the others of `total` as a number. */
static const char *
list_make(struct base_arena *arena, const struct words *words, const char *lines, size_t most,
    size_t total)
{
	struct base_buffer list;
	const char *line = lines ? lines : "", *more, *text = NULL;
	size_t shown = 0, length;
	bool is_whole = true;

	base_buffer_init(&list, HELD_MAX_TEXT);
	for (; *line && shown < most; line += length + (line[length] == '\n')) {
		length = strcspn(line, "\n");
		if (!length)
			continue;
		more = base_arena_strndup(arena, line, length);
		is_whole = is_whole && more && list_add(arena, &list, more);
		shown++;
	}
	if (shown && total > shown) {
		more = words_count(arena, words, &words->and_more, total - shown);
		is_whole = is_whole && more && base_buffer_printf(&list, " %s", more);
	}
	if (is_whole)
		text = base_arena_strdup(arena, base_buffer_text(&list));
	base_buffer_free(&list);
	return text;
}

const char *
words_held_recipients(
    struct base_arena *arena, const struct words *words, const struct words_held *held)
{
	return list_make(
	    arena, words, held->recipients, HELD_SHOWN_RECIPIENTS, held->recipient_count);
}

const char *
words_held_got(
    struct base_arena *arena, const struct words *words, const struct words_held *held, int64_t now)
{
	const char *sentence = words->got_some;

	switch (held->left) {
	case WORDS_LEFT_NOTHING:
		if (held->had_count == 0)
			return words->got_nobody;
		break;
	case WORDS_LEFT_UNSEEN:
		return words->got_unknown;
	case WORDS_LEFT_GONE:
		sentence = words->part_gone;
		break;
	case WORDS_LEFT_RELEASED:
		sentence = words->part_released;
		break;
	}
	return words_make(arena, sentence,
	    { "left", words_count(arena, words, &words->left, held->had_count), false },
	    { "people", words_held_people(arena, words, held), false },
	    { "when", words_time(arena, words, held->left_at, now), false });
}

const char *
words_held_had(struct base_arena *arena, const struct words *words, const struct words_held *held)
{
	if (held->had_count == 0)
		return "";
	if (held->had == NULL || *held->had == '\0')
		return words_count(arena, words, &words->left, held->had_count);
	return list_make(arena, words, held->had, HELD_SHOWN_RECIPIENTS, held->had_count);
}

const char *
words_held_series(
    struct base_arena *arena, const struct words *words, const struct words_held *held)
{
	if (held->mail_count < 2)
		return "";
	return words_count(arena, words, &words->series, held->mail_count - 1);
}

const char *
words_held_answered(
    struct base_arena *arena, const struct words *words, const struct words_held *held)
{
	if (held->answered_by == NULL)
		return "";
	return list_make(arena, words, held->answered_by, HELD_SHOWN_PEOPLE, held->answered);
}
