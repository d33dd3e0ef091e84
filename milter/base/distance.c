/* distance - how alike two short words are; see distance.h */
#include "milter/base/distance.h"

#include <string.h>

/* The least of what each kind of last edit costs; rows are those of a's beginnings. */
static unsigned
cheapest(const unsigned *row, const unsigned *above, const unsigned *before_above, size_t j,
    const char *a, const char *b)
{
	unsigned best = above[j - 1] + (a[0] != b[j - 1]);

	if (above[j] + 1 < best)
		best = above[j] + 1;
	if (row[j - 1] + 1 < best)
		best = row[j - 1] + 1;
	if (before_above != NULL && j > 1 && a[0] == b[j - 2] && a[-1] == b[j - 1] &&
	    before_above[j - 2] + 1 < best)
		best = before_above[j - 2] + 1;
	return best;
}

unsigned
base_edit_distance(const char *a, const char *b, unsigned most)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned rows[3][BASE_DISTANCE_LONGEST + 1];

	if (la > BASE_DISTANCE_LONGEST || lb > BASE_DISTANCE_LONGEST || la > lb + most ||
	    lb > la + most)
		return most + 1;
	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		const unsigned *before = i > 1 ? rows[(i - 2) % 3] : NULL;
		unsigned *row = rows[i % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++)
			row[j] = cheapest(row, rows[(i - 1) % 3], before, j, a + i - 1, b);
	}
	return rows[la % 3][lb];
}
