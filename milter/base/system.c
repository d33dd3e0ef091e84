/* system - the clock and paths; see base.h */
#include "milter/base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
