/* reason - a reason's values as its sentence, and as a line; see reason.h */
#include "milter/words/reason.h"

#include <stdio.h>
#include <string.h>

#include "milter/words/internal.h"

#define REASON_MAX_WHICH 32 /* bytes, with the NUL */

static const char *const known_names[] = {
	[WORDS_EXACTLY] = "exactly",
	[WORDS_AT_LEAST] = "at_least",
	[WORDS_UNKNOWN] = "unknown",
};

/* --- the sentence ------------------------------------------------------------------------ */

/* "40", "at least 412" or "an unknown number". */
static const char *
number_make(struct base_arena *arena, const struct words *words, const struct words_reason *reason)
{
	const char *digits = base_arena_printf(arena, "%lu", reason->people);

	if (reason->known == WORDS_UNKNOWN)
		return words->number_unknown;
	if (reason->known == WORDS_EXACTLY)
		return digits;
	return words_make(arena, words->number_at_least, { "n", digits, false });
}

/* The row of its sentence; NULL: there is none. */
static const struct words_row *
row_find(struct base_arena *arena, const struct words_reason *reason)
{
	const char *name = base_arena_printf(arena, "why_%s%s%s", reason->signal,
	    reason->which[0] == '\0' ? "" : "_", reason->which);

	return name == NULL ? NULL : words_row_find(name, strlen(name));
}

const char *
words_reason_text(
    struct base_arena *arena, const struct words *words, const struct words_reason *reason)
{
	const struct words_row *row = row_find(arena, reason);
	const struct words_plural *forms;
	const char *sentence;

	if (row == NULL)
		return reason->signal;
	forms = (const struct words_plural *)words_slot((struct words *)words, row, 0);
	sentence = row->many == NULL ? forms->form[0] : words_choose(words, forms, reason->n);
	return words_make(arena, sentence,
	    { "n", base_arena_printf(arena, "%lu", reason->n), false },
	    { "more", base_arena_printf(arena, "%lu", reason->more), false },
	    { "people", words_people(arena, words, reason->people, reason->known), false },
	    { "number", number_make(arena, words, reason), false },
	    { "addresses", base_arena_printf(arena, "%lu", reason->addresses), false },
	    { "these",
		words_count(arena, words,
		    reason->has_lists ? &words->these_addresses : &words->these_people,
		    reason->addresses),
		false },
	    { "who",
		reason->who[0] == '\0' ? words->its_author
				       : words_address_shown(arena, reason->who),
		false },
	    { "other", words_address_shown(arena, reason->other), false });
}

/* --- the line ------------------------------------------------------------------------------ */

bool
words_reason_print(struct base_buffer *out, const struct words_reason *reason)
{
	return base_buffer_printf(out,
	    "case=%s n=%lu more=%lu people=%lu known=%s addresses=%lu lists=%s",
	    reason->which[0] == '\0' ? "-" : reason->which, reason->n, reason->more, reason->people,
	    known_names[reason->known], reason->addresses, reason->has_lists ? "yes" : "no");
}

/* What is known of the people, by its name. */
static bool
known_find(const char *name, enum words_known *known_r)
{
	for (size_t i = 0; i < sizeof(known_names) / sizeof(*known_names); i++) {
		if (strcmp(name, known_names[i]) != 0)
			continue;
		*known_r = (enum words_known)i;
		return true;
	}
	return false;
}

bool
words_reason_read(struct base_arena *arena, const char *line, struct words_reason *reason_r)
{
	struct words_reason reason = { .signal = "", .who = "", .other = "" };
	char which[REASON_MAX_WHICH], known[16], lists[4];
	int end = 0;

	if (sscanf(line,
		"case=%31[-a-z_] n=%18lu more=%18lu people=%18lu known=%15[a-z_] addresses=%18lu "
		"lists=%3[a-z]%n",
		which, &reason.n, &reason.more, &reason.people, known, &reason.addresses, lists,
		&end) < 7 ||
	    line[end] != '\0' || !known_find(known, &reason.known))
		return false;
	reason.has_lists = strcmp(lists, "yes") == 0;
	reason.which = base_arena_strdup(arena, strcmp(which, "-") == 0 ? "" : which);
	if (reason.which == NULL)
		return false;
	*reason_r = reason;
	return true;
}
