/* folder - who may put another file in the place of one; see user.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/base/user.h"

/* May nobody else change what is in this one folder? */
static enum base_result
folder_check(const char *folder, unsigned uid, const char **why_r)
{
	struct stat status;

	if (stat(folder, &status) != 0) {
		*why_r = base_why("%s: %s", folder, strerror(errno));
		return BASE_BROKEN;
	}
	if (status.st_uid != 0 && status.st_uid != uid) {
		*why_r = base_why("%s belongs to user %u, who could put another file in "
				  "the place of ours: give it to user %u or to root",
		    folder, (unsigned)status.st_uid, uid);
		return BASE_REFUSE;
	}
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX)) {
		*why_r = base_why("%s can be written by %s, who could put another file "
				  "in the place of ours: chmod %s %s",
		    folder, status.st_mode & S_IWOTH ? "anybody" : "its group",
		    status.st_mode & S_IWOTH ? "go-w" : "g-w", folder);
		return BASE_REFUSE;
	}
	return BASE_OK;
}

/* A folder and all above it, the nearest first; the path is cut on the way. */
static enum base_result
folders_check(char *path, unsigned uid, const char **why_r)
{
	enum base_result result = folder_check(path, uid, why_r);
	char *slash;

	while (result == BASE_OK && (slash = strrchr(path, '/')) != NULL && path[1] != '\0') {
		slash[slash == path] = '\0';
		result = folder_check(path, uid, why_r);
	}
	return result;
}

enum base_result
base_folder_guard(const char *path, unsigned uid, const char **why_r)
{
	char *named = base_path_absolute(path), *real = NULL, *slash;
	enum base_result result = BASE_BROKEN;

	*why_r = base_why("no memory to look at the folder of %s", path);
	if (named != NULL) {
		slash = strrchr(named, '/');
		slash[slash == named] = '\0';
		real = realpath(named, NULL);
		if (real == NULL)
			*why_r = base_why("%s: %s", named, strerror(errno));
	}
	/* as it is named and as it is: a link may be replaced as well */
	if (real != NULL)
		result = folders_check(real, uid, why_r);
	if (result == BASE_OK)
		result = folders_check(named, uid, why_r);
	free(real);
	free(named);
	return result;
}
