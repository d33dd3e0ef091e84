/* Is there a file of this name in Postfix's queues, hashed into subdirectories or not? */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/queue/internal.h"

#define MAX_DEPTH                                                                          \
	3 /* of directories below one queue: hash_queue_depth is 1 unless changed */

/* Opens a directory below another one; never through a link. */
static int
directory_open(int parent, const char *name)
{
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Looks in one directory, which it closes, and in those below it that hashing makes. */
static bool
directory_has(int fd, const char *queue_id, int depth)
{
	bool is_found;
	struct dirent *entry;
	struct stat status;
	DIR *directory;

	if (fd < 0)
		return false;
	is_found = fstatat(fd, queue_id, &status, AT_SYMLINK_NOFOLLOW) == 0;
	directory = is_found || depth == MAX_DEPTH ? NULL : fdopendir(fd);
	if (directory == NULL) {
		close(fd);
		return is_found;
	}
	while (!is_found && (entry = readdir(directory)) != NULL) {
		/* They have names of one character; queue ids are longer. */
		if (strlen(entry->d_name) == 1 && entry->d_name[0] != '.')
			is_found = directory_has(
			    directory_open(fd, entry->d_name), queue_id, depth + 1);
	}
	closedir(directory);
	return is_found;
}

bool
queue_spool_has(const char *queue_directory, const char *queue_id)
{
	/* Twice round the way a released file goes: it may move while we look. */
	static const char *const queues[] = { "hold", "deferred", "incoming", "active",
		"deferred", "incoming", "active", "maildrop" };
	int spool = directory_open(AT_FDCWD, queue_directory);
	bool is_found = false;

	/* What cannot be looked into may hold anything: postcat will say. */
	if (spool < 0)
		return true;
	for (size_t i = 0; !is_found && i < sizeof(queues) / sizeof(queues[0]); i++)
		is_found = directory_has(directory_open(spool, queues[i]), queue_id, 0);
	close(spool);
	return is_found;
}
