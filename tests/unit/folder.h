/*
 * NAME
 *	folder - a folder of a test's own, below /tmp
 */
#ifndef OOPS_TEST_FOLDER_H
#define OOPS_TEST_FOLDER_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes a folder; the last six bytes of the path are chosen here, whatever they were. */
static inline void
folder_make(char *path)
{
	memcpy(path + strlen(path) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(path));
}

/* Removes it with all that is in it. */
static inline void
folder_remove(const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s", path);
	ck_assert_int_eq(system(command), 0);
}

/* Does any file in it hold these bytes? */
static inline bool
folder_holds(const char *path, const char *bytes)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -rqaF '%s' %s", bytes, path);
	return system(command) == 0;
}

#endif
