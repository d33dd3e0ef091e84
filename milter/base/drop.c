/* drop - giving up root's rights for good; see user.h */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/result.h"
#include "milter/base/user.h"

#define USER_UMASK 007 /* what we make is for our groups at most */

/* Is there no way back, for us and for what we run? */
static bool
is_root_gone(uid_t uid, gid_t gid)
{
	uid_t real, effective, saved;
	gid_t real_group, effective_group, saved_group;

	return getresuid(&real, &effective, &saved) == 0 && real == uid && effective == uid &&
	       saved == uid && getresgid(&real_group, &effective_group, &saved_group) == 0 &&
	       real_group == gid && effective_group == gid && saved_group == gid &&
	       setuid(0) != 0 && setgid(0) != 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

enum base_result
base_user_drop(unsigned uid, unsigned gid, const char **why_r)
{
	if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		*why_r = base_why("cannot become user %u: %s", uid, strerror(errno));
		return BASE_BROKEN;
	}
	if (!is_root_gone(uid, gid)) {
		*why_r = base_why("the rights of root stay after becoming user %u", uid);
		return BASE_BROKEN;
	}
	umask(USER_UMASK);
	return BASE_OK;
}
