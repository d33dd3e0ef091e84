/* Is there a file of this name in Postfix's queues, hashed into subdirectories or not? */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/result.h"
#include "milter/queue/internal.h"

/* of directories below one queue: hash_queue_depth is 1 unless changed */
#define MAX_DEPTH 3

/* A file that is looked for. */
struct search {
	const char *queue_id;
	struct stat status; /* output */
	int directory;      /* output: the one it is in, open; -1: not wanted, or not found */
	bool is_wanted;     /* the directory */
};

/* Is it this error's way to say that there is nothing? Anything else may hide a file. */
static enum base_result
result_of(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP ? BASE_NONE : BASE_RETRY;
}

static enum base_result directory_search(
    int parent, const char *name, int depth, struct search *search);

/* Looks in those below one directory that hashing makes. */
static enum base_result
below_search(int fd, int depth, struct search *search)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *directory = copy < 0 ? NULL : fdopendir(copy);
	enum base_result result = BASE_NONE;
	struct dirent *entry;

	if (directory == NULL) {
		if (copy >= 0)
			close(copy);
		return BASE_RETRY;
	}
	while (result == BASE_NONE && (errno = 0, entry = readdir(directory)) != NULL) {
		/* They have names of one character; queue ids are longer. */
		if (strlen(entry->d_name) == 1 && entry->d_name[0] != '.')
			result = directory_search(fd, entry->d_name, depth + 1, search);
	}
	if (entry == NULL && errno != 0) /* the rest cannot be read */
		result = BASE_RETRY;
	closedir(directory);
	return result;
}

/*
 * Looks in one directory, and in those below it; never through a link. Every Postfix has each of
 * the queues: where one is missing, its file system is not mounted, and may hide any file.
 */
static enum base_result
directory_search(int parent, const char *name, int depth, struct search *search)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	enum base_result result = BASE_OK;

	if (fd < 0)
		return depth == 0 ? BASE_RETRY : result_of(errno);
	if (fstatat(fd, search->queue_id, &search->status, AT_SYMLINK_NOFOLLOW) != 0)
		result = result_of(errno);
	if (result == BASE_NONE && depth < MAX_DEPTH)
		result = below_search(fd, depth, search);
	else if (result == BASE_OK && search->is_wanted)
		search->directory = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return result;
}

enum base_result
queue_spool_find(
    const char *queue_directory, const char *queue_id, struct queue_location *location_r)
{
	/* Twice round the way a released file goes: it may move while we look. */
	static const char *const queues[] = { "hold", "deferred", "incoming", "active", "deferred",
		"incoming", "active", "maildrop" };
	int spool = open(queue_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct search search = { .queue_id = queue_id, .directory = -1 };
	enum base_result result = BASE_NONE;
	size_t i;

	if (spool < 0)
		return BASE_RETRY;
	for (i = 0; result == BASE_NONE && i < sizeof(queues) / sizeof(queues[0]); i++)
		result = directory_search(spool, queues[i], 0, &search);
	close(spool);
	if (result == BASE_OK)
		*location_r = (struct queue_location){ .is_held = i == 1,
			.is_stopped = queue_mark_is_set(search.status.st_mode) };
	return result;
}

enum base_result
queue_spool_mark(
    const char *queue_directory, const char *queue_id, bool is_stopped, const char **why_r)
{
	int spool = open(queue_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct search search = { .queue_id = queue_id, .directory = -1, .is_wanted = true };
	enum base_result result =
	    spool < 0 ? BASE_RETRY : directory_search(spool, "hold", 0, &search);
	int file = -1;

	*why_r = "not in the hold queue";
	if (spool >= 0)
		close(spool);
	if (result == BASE_OK)
		file = openat(
		    search.directory, queue_id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (result == BASE_OK && (file < 0 || !queue_mark_set(file, is_stopped))) {
		*why_r = base_why("%s cannot be marked: %s", queue_id, strerror(errno));
		result = BASE_RETRY;
	}
	if (file >= 0)
		close(file);
	if (search.directory >= 0)
		close(search.directory);
	return result;
}
