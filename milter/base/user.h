/*
 * NAME
 *	base/user - users and rights: who a program runs as, and what others may do to its files
 */
#ifndef OOPS_BASE_USER_H
#define OOPS_BASE_USER_H

#include "milter/base/result.h"

/* Whom a program runs as, and the settings that say so, for the sentences about them. */
struct base_role {
	const char *user_setting, *user;   /* name or number */
	const char *group_setting, *group; /* name or number; "": the user's own */
};

/* The number of a user, given by name or number. NONE: nobody has that name. */
enum base_result base_user_number(const char *user, unsigned *uid_r);
/*
 * Gives up root for good: the process goes on as the user, in the group and in the others that
 * the account is in, never gets more rights by what it runs, and makes files for its groups at
 * most. Call before any thread exists. NONE: it was not root, nothing is done. REFUSE: no such
 * user or group, or it is root's. BROKEN: rights of root may be left; the program must end.
 */
enum base_result base_user_become(const struct base_role *role, const char **why_r);
/*
 * The last part of that, by numbers that are not root's, after the other groups were left: it looks
 * nothing up. BROKEN: as above.
 */
enum base_result base_user_drop(unsigned uid, unsigned gid, const char **why_r);
/*
 * Root goes on with the rights of the owner and the group of a file, so that what a library makes
 * beside it is theirs from the first moment on; until base_owner_leave(). Nothing changes for who
 * is not root, for a file of root, or where its owner could not get to it. For the whole process:
 * not where other threads need root.
 */
struct base_owner {
	unsigned uid, gid;
};
void base_owner_become(const char *path, struct base_owner *before_r);
void base_owner_leave(const struct base_owner *before);

/*
 * May nobody but root and `uid` put another file in the place of this one? Whoever may write to
 * its folder, or to one above it up to /, may, unless that folder is sticky. REFUSE: somebody
 * may; BROKEN: not known.
 */
enum base_result base_folder_guard(const char *path, unsigned uid, const char **why_r);

/*
 * Lets the process have as many files open as it may: the soft limit becomes the hard one. REFUSE:
 * that is less than it needs; why_r has both numbers and how to raise it.
 */
enum base_result base_files_allow(unsigned long needed, const char **why_r);

#endif
