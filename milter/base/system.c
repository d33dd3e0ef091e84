/* system - clocks, open files and paths; see clock.h */
#include "milter/base/clock.h"
#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/base/user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int64_t
base_tick_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
base_boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
base_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
base_now(void)
{
	return base_now_ms() / 1000;
}

void
base_sleep_ms(int64_t milliseconds)
{
	struct timespec span;

	if (milliseconds <= 0)
		return;
	span.tv_sec = milliseconds / 1000;
	span.tv_nsec = (long)(milliseconds % 1000) * 1000000;
	nanosleep(&span, NULL);
}

enum base_result
base_files_allow(unsigned long needed, const char **why_r)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		*why_r = base_why("cannot read the limit of open files: %s", strerror(errno));
		return BASE_BROKEN;
	}
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* what counts is what came of it */
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= needed)
		return BASE_OK;
	*why_r = base_why("it may have %lu files open at a time and needs %lu: raise the limit, "
			  "by LimitNOFILE=%lu in its systemd unit or by ulimit -n %lu before it "
			  "is started",
	    (unsigned long)limit.rlim_cur, needed, needed, needed);
	return BASE_REFUSE;
}

char *
base_path_absolute(const char *path)
{
	char *folder, *whole = NULL;

	if (path[0] == '/')
		return strdup(path);
	folder = getcwd(NULL, 0);
	if (folder != NULL && asprintf(&whole, "%s/%s", folder, path) < 0)
		whole = NULL;
	free(folder);
	return whole;
}
