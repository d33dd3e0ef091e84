/* user - users by name or number, and giving up root for one of them; see user.h */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/result.h"
#include "milter/base/user.h"

/* Is it a number that a user or a group can have? */
static bool
user_is_number(const char *text, unsigned *number_r)
{
	char *end;
	unsigned long number;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (*end != '\0' || errno != 0 || number >= (uid_t)-1)
		return false;
	*number_r = (unsigned)number;
	return true;
}

enum base_result
base_user_number(const char *user, unsigned *uid_r)
{
	struct passwd *entry;

	if (user_is_number(user, uid_r))
		return BASE_OK;
	entry = getpwnam(user);
	if (entry == NULL)
		return BASE_NONE;
	*uid_r = entry->pw_uid;
	return BASE_OK;
}

/* The group that the settings name; false: there is none. */
static bool
group_number(const char *group, gid_t *gid_r)
{
	struct group *entry;

	if (user_is_number(group, gid_r))
		return true;
	entry = getgrnam(group);
	if (entry != NULL)
		*gid_r = entry->gr_gid;
	return entry != NULL;
}

/* Whom we become. */
struct target {
	uid_t uid;
	gid_t gid;
	const char *name; /* of the account; NULL: a number without one, which is in no groups */
};

/* Finds the account and the group. */
static enum base_result
target_find(const struct base_role *role, struct target *target_r, const char **why_r)
{
	unsigned number = 0;
	bool is_number = user_is_number(role->user, &number);
	struct passwd *entry = is_number ? getpwuid(number) : getpwnam(role->user);

	if (entry == NULL && !is_number) {
		*why_r =
		    base_why("%s = \"%s\": there is no such user", role->user_setting, role->user);
		return BASE_REFUSE;
	}
	*target_r = (struct target){ .uid = entry != NULL ? entry->pw_uid : number,
		.gid = entry != NULL ? entry->pw_gid : 0,
		.name = entry != NULL ? entry->pw_name : NULL };
	if (role->group[0] == '\0' && entry == NULL) {
		*why_r = base_why("%s = \"%s\": no account has this number: name its group "
				  "by %s",
		    role->user_setting, role->user, role->group_setting);
		return BASE_REFUSE;
	}
	if (role->group[0] != '\0' && !group_number(role->group, &target_r->gid)) {
		*why_r = base_why(
		    "%s = \"%s\": there is no such group", role->group_setting, role->group);
		return BASE_REFUSE;
	}
	if (target_r->uid != 0 && target_r->gid != 0)
		return BASE_OK;
	*why_r = base_why("%s = \"%s\": not root nor root's group: use a user of its own",
	    role->user_setting, role->user);
	return BASE_REFUSE;
}

enum base_result
base_user_become(const struct base_role *role, const char **why_r)
{
	struct target target;
	enum base_result result;

	if (geteuid() != 0)
		return BASE_NONE;
	result = target_find(role, &target, why_r);
	if (result != BASE_OK)
		return result;
	if ((target.name != NULL ? initgroups(target.name, target.gid) : setgroups(0, NULL)) != 0) {
		*why_r = base_why("cannot leave root's groups: %s", strerror(errno));
		return BASE_BROKEN;
	}
	return base_user_drop(target.uid, target.gid, why_r);
}

/* Goes on as this user and group; the file must be within reach then. */
static bool
owner_try(const char *path, const struct stat *status)
{
	return setegid(status->st_gid) == 0 && seteuid(status->st_uid) == 0 &&
	       euidaccess(path, R_OK | W_OK) == 0;
}

void
base_owner_become(const char *path, struct base_owner *before_r)
{
	struct stat status;

	*before_r = (struct base_owner){ .uid = geteuid(), .gid = getegid() };
	if (before_r->uid != 0 || stat(path, &status) != 0 || status.st_uid == 0)
		return;
	if (!owner_try(path, &status))
		base_owner_leave(before_r);
}

void
base_owner_leave(const struct base_owner *before)
{
	if (before->uid == geteuid() && before->gid == getegid())
		return;
	/* root has lent it: that it cannot be taken back is no state to go on in */
	if (seteuid(before->uid) != 0 || setegid(before->gid) != 0)
		abort();
}
