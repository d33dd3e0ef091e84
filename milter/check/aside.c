/* check/aside - databases that were damaged and set aside; see internal.h */
#include <glob.h>

#include "milter/base/arena.h"
#include "milter/check/internal.h"
#include "milter/store/store.h"

/* Those of one name. */
static void
check_name(struct check *check, const char *name)
{
	const char *pattern = base_arena_printf(
	    check->arena, "%s/%s." STORE_ASIDE "-*Z", check->settings->state_directory, name);
	glob_t found;

	if (pattern == NULL || glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_warn(check,
		    "what is in it may be of use (sqlite3 FILE .recover); remove it then",
		    "store: %s was damaged and set aside", found.gl_pathv[i]);
	globfree(&found);
}

void
check_aside(struct check *check)
{
	check_name(check, STORE_HOLDS_PATH);
	check_name(check, STORE_MEMORY_PATH);
}
