/* What a queue file itself says: that its author stopped it. */
#include <sys/stat.h>

#include "milter/queue/internal.h"

bool
queue_mark_is_set(mode_t mode)
{
	return (mode & S_ISVTX) != 0;
}

bool
queue_mark_set(int fd, bool is_stopped)
{
	struct stat status;
	mode_t mode;

	if (fstat(fd, &status) != 0)
		return false;
	mode = (status.st_mode & 07777 & ~(mode_t)S_ISVTX) | (is_stopped ? S_ISVTX : 0);
	return mode == (status.st_mode & 07777) || fchmod(fd, mode) == 0;
}
