/*
 * NAME
 *	base/rotate - a fresh key in the place of the current one; see key.h
 *
 * WHAT IT DOES
 *	Works with the lines of the file as text, after base_key_load() has found all of them
 *	good. The folder is locked meanwhile: two that rotate at once would lose a key.
 *
 * WHAT IT NEVER DOES
 *	Writes to the file that is there: whoever reads it finds the old or the new one.
 */
#include "milter/base/internal.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROTATE_HEX_BYTES (2 * crypto_kdf_KEYBYTES)
#define ROTATE_FILE_BYTES 1024 /* of a key file, at most */
#define ROTATE_EXTENSION ".new"

/* A file that gets another one in its place. */
struct rotation {
	char path[PATH_MAX];                            /* no symbolic link any more */
	char name[NAME_MAX + sizeof(ROTATE_EXTENSION)]; /* of the new file, in the folder */
	const char *old;                                /* the file's name in the folder */
	int folder;                                     /* open and locked, or -1 */
	struct stat status;                             /* of the old file */
	char text[ROTATE_FILE_BYTES];
	size_t length;
};

/* Finds the file itself, and locks its folder. */
static enum base_result
rotation_begin(struct rotation *rotation, const char *path, const char **why_r)
{
	char *slash;

	if (realpath(path, rotation->path) == NULL) {
		*why_r = base_why("cannot find %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	slash = strrchr(rotation->path, '/');
	rotation->old = slash + 1;
	snprintf(rotation->name, sizeof(rotation->name), "%s" ROTATE_EXTENSION, rotation->old);
	*slash = '\0';
	rotation->folder = open(
	    *rotation->path != '\0' ? rotation->path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (rotation->folder < 0) {
		*why_r = base_why("cannot open the folder of %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	if (flock(rotation->folder, LOCK_EX | LOCK_NB) != 0) {
		*why_r = base_why("the folder of %s is in use: %s", path, strerror(errno));
		return BASE_REFUSE;
	}
	return BASE_OK;
}

/* The text of the old file, which is good. */
static enum base_result
old_read(struct rotation *rotation, char text_r[ROTATE_FILE_BYTES], const char **why_r)
{
	struct base_key *key = NULL;
	enum base_result result = base_key_load(rotation->path, &key, why_r);
	ssize_t got = -1;
	int fd;

	base_key_free(&key);
	if (result != BASE_OK)
		return result;
	fd = openat(rotation->folder, rotation->old, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &rotation->status) == 0)
		got = read(fd, text_r, ROTATE_FILE_BYTES - 1);
	if (got < 0)
		*why_r = base_why("cannot read %s: %s", rotation->path, strerror(errno));
	if (fd >= 0)
		close(fd);
	text_r[got < 0 ? 0 : got] = '\0';
	return got < 0 ? BASE_BROKEN : BASE_OK;
}

/* One line more. */
static void
line_add(struct rotation *rotation, const char *digits, int64_t replaced, int64_t until)
{
	char *end = rotation->text + rotation->length;
	size_t capacity = sizeof(rotation->text) - rotation->length;

	if (replaced == 0)
		snprintf(end, capacity, "%.*s\n", (int)ROTATE_HEX_BYTES, digits);
	else
		snprintf(end, capacity, "%.*s replaced %" PRId64 " until %" PRId64 "\n",
		    (int)ROTATE_HEX_BYTES, digits, replaced, until);
	rotation->length += strlen(end);
}

/* The file has no room for another key before then. */
static enum base_result
full_refuse(const struct rotation *rotation, int64_t until, const char **why_r)
{
	time_t time = (time_t)until;
	struct tm parts;
	char text[32] = "";

	if (gmtime_r(&time, &parts) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
	*why_r = base_why("%s keeps %d earlier keys already, the oldest until %s: rotate "
			  "again after that, or with a shorter key_keeps",
	    rotation->path, BASE_KEY_MAX - 1, text);
	return BASE_REFUSE;
}

/* The new file's text: a fresh key, and those that stay valid. */
static enum base_result
text_make(
    struct rotation *rotation, const char *old, int64_t keeps, int64_t now, const char **why_r)
{
	unsigned char bytes[crypto_kdf_KEYBYTES];
	char digits[ROTATE_HEX_BYTES + 1];
	int kept = 0;

	base_random(bytes, sizeof(bytes));
	sodium_bin2hex(digits, sizeof(digits), bytes, sizeof(bytes));
	line_add(rotation, digits, 0, 0);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(digits, sizeof(digits));
	for (const char *line = old; *line != '\0';) {
		int64_t replaced = now, until = now + keeps, time = 0;

		if (line != old &&
		    sscanf(line + ROTATE_HEX_BYTES, " replaced %15" SCNd64 " until %15" SCNd64,
			&replaced, &time) == 2 &&
		    time < until)
			until = time;
		if (until > now && ++kept == BASE_KEY_MAX)
			return full_refuse(rotation, until, why_r);
		if (until > now)
			line_add(rotation, line, replaced, until);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return BASE_OK;
}

/* The new file, whole and on the disk, under its own name. */
static enum base_result
new_write(struct rotation *rotation, const char **why_r)
{
	int fd, error;
	bool is_good;

	/* One that was left behind when a rotation was killed: the lock is ours. */
	(void)unlinkat(rotation->folder, rotation->name, 0);
	fd = openat(rotation->folder, rotation->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	is_good = fd >= 0 && fchown(fd, rotation->status.st_uid, rotation->status.st_gid) == 0 &&
		  fchmod(fd, rotation->status.st_mode & 07777) == 0 &&
		  base_write_whole(fd, rotation->text, rotation->length);
	error = errno;
	if (fd >= 0 && close(fd) != 0 && is_good) {
		error = errno;
		is_good = false;
	}
	if (is_good)
		return BASE_OK;
	if (fd >= 0)
		(void)unlinkat(rotation->folder, rotation->name, 0);
	*why_r =
	    base_why("cannot write %s" ROTATE_EXTENSION ": %s", rotation->path, strerror(error));
	return BASE_BROKEN;
}

/* Puts it into the old one's place. */
static enum base_result
new_place(struct rotation *rotation, const char **why_r)
{
	if (renameat(rotation->folder, rotation->name, rotation->folder, rotation->old) != 0) {
		*why_r = base_why("cannot replace %s: %s", rotation->path, strerror(errno));
		(void)unlinkat(rotation->folder, rotation->name, 0);
		return BASE_BROKEN;
	}
	if (fsync(rotation->folder) != 0) {
		*why_r = base_why("%s has a new key, but may lose it when the power fails "
				  "now: %s",
		    rotation->path, strerror(errno));
		return BASE_BROKEN;
	}
	return BASE_OK;
}

enum base_result
base_key_rotate(const char *path, int64_t keeps, int64_t now, const char **why_r)
{
	struct rotation rotation = { .folder = -1 };
	char old[ROTATE_FILE_BYTES];
	enum base_result result = rotation_begin(&rotation, path, why_r);

	if (result == BASE_OK)
		result = old_read(&rotation, old, why_r);
	if (result == BASE_OK)
		result = text_make(&rotation, old, keeps, now, why_r);
	if (result == BASE_OK)
		result = new_write(&rotation, why_r);
	if (result == BASE_OK)
		result = new_place(&rotation, why_r);
	if (rotation.folder >= 0)
		close(rotation.folder);
	sodium_memzero(old, sizeof(old));
	sodium_memzero(rotation.text, sizeof(rotation.text));
	return result;
}
