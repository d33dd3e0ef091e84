/*
 * NAME
 *	base/distance - how alike two short words are
 */
#ifndef OOPS_BASE_DISTANCE_H
#define OOPS_BASE_DISTANCE_H

#define BASE_DISTANCE_LONGEST 64 /* bytes of a word that is compared */

/*
 * Edits between two words, as Damerau and Levenshtein count them: bytes put in, taken out,
 * replaced, and neighbours swapped. More than `most` when they differ by more, or one is too long.
 */
unsigned base_edit_distance(const char *a, const char *b, unsigned most);

#endif
