/*
 * file - whole files, read by a thread that may be left behind; see file.h
 *
 * A file on a dead mount answers neither open() nor stat() nor read(), and nothing ends such a
 * call; a FIFO waits for somebody who writes. Nobody here waits for either.
 */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/guard.h"
#include "milter/base/result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_WHY 300

/* Reads an open file to its end into the buffer. */
static enum base_result
file_gather(int fd, const char *path, struct base_buffer *buffer, const char **why_r)
{
	char piece[16384];
	ssize_t got;

	for (;;) {
		got = read(fd, piece, sizeof(piece));
		if (got == 0)
			return BASE_OK;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			*why_r = base_why("cannot read %s: %s", path, strerror(errno));
			return BASE_BROKEN;
		}
		if ((size_t)got > buffer->max - buffer->length) {
			*why_r = base_why("%s is larger than %zu bytes", path, buffer->max);
			return BASE_REFUSE;
		}
		if (!base_buffer_append(buffer, piece, (size_t)got)) {
			*why_r = base_why("no memory to read %s", path);
			return BASE_BROKEN;
		}
	}
}

/* One file to be read, or only to be looked at. */
struct work {
	char *path;
	struct base_buffer buffer;
	struct stat stat;
	bool is_there;
	enum base_result result;
	char why[FILE_MAX_WHY];
};

static void
work_free(void *context)
{
	struct work *work = context;

	base_buffer_free(&work->buffer);
	free(work->path);
	free(work);
}

static struct work *
work_new(const char *path, size_t max_bytes)
{
	struct work *work = calloc(1, sizeof(*work));

	if (work == NULL || (work->path = strdup(path)) == NULL) {
		free(work);
		return NULL;
	}
	base_buffer_init(&work->buffer, max_bytes);
	return work;
}

/* Keeps why it failed: the text of base_why() is the thread's. */
static void
work_fail(struct work *work, enum base_result result, const char *why)
{
	work->result = result;
	strncpy(work->why, why, sizeof(work->why) - 1);
}

/* Reads it, if it is a file that can be read to an end. */
static void
work_read(void *context)
{
	struct work *work = context;
	enum base_result result;
	const char *why = "";
	int fd = open(work->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		work_fail(
		    work, BASE_BROKEN, base_why("cannot open %s: %s", work->path, strerror(errno)));
		return;
	}
	if (fstat(fd, &work->stat) != 0 || !S_ISREG(work->stat.st_mode)) {
		work_fail(work, BASE_BROKEN,
		    base_why(S_ISDIR(work->stat.st_mode) ? "%s is a folder, not a regular file"
							 : "%s is not a regular file",
			work->path));
	} else {
		result = file_gather(fd, work->path, &work->buffer, &why);
		work_fail(work, result, why);
	}
	close(fd);
}

static void
work_look(void *context)
{
	struct work *work = context;

	work->is_there = stat(work->path, &work->stat) == 0;
}

/* Runs the job; unless it is OK, the work is gone. */
static enum base_result
work_run(struct work *work, void (*job)(void *work), const char *path, const char **why_r)
{
	enum base_result result =
	    base_guard(path, (int64_t)BASE_FILE_SECONDS * 1000, job, work_free, work);

	if (result != BASE_OK)
		*why_r = base_why("%s does not answer within %d seconds", path, BASE_FILE_SECONDS);
	return result;
}

/* Puts what was read into the arena. */
static enum base_result
work_take(const struct work *work, struct base_arena *arena, char **data_r, size_t *length_r,
    const char **why_r)
{
	char *data;

	if (work->result != BASE_OK) {
		*why_r = base_why("%s", work->why);
		return work->result;
	}
	data = base_arena_alloc(arena, work->buffer.length + 1);
	if (data == NULL) {
		*why_r = base_why("no memory to read %s", work->path);
		return BASE_BROKEN;
	}
	memcpy(data, base_buffer_text(&work->buffer), work->buffer.length);
	*data_r = data;
	*length_r = work->buffer.length;
	return BASE_OK;
}

enum base_result
base_file_read(struct base_arena *arena, const char *path, size_t max_bytes, char **data_r,
    size_t *length_r, const char **why_r)
{
	struct work *work = work_new(path, max_bytes);
	enum base_result result;

	if (work == NULL) {
		*why_r = base_why("no memory to read %s", path);
		return BASE_BROKEN;
	}
	result = work_run(work, work_read, path, why_r);
	if (result != BASE_OK)
		return result;
	result = work_take(work, arena, data_r, length_r, why_r);
	work_free(work);
	return result;
}

enum base_result
base_file_look(const char *path, struct stat *stat_r, const char **why_r)
{
	struct work *work = work_new(path, 0);
	enum base_result result;

	if (work == NULL) {
		*why_r = base_why("no memory to look at %s", path);
		return BASE_BROKEN;
	}
	result = work_run(work, work_look, path, why_r);
	if (result != BASE_OK)
		return result;
	if (work->is_there)
		*stat_r = work->stat;
	else
		result = BASE_NONE;
	work_free(work);
	return result;
}

enum base_result
base_input_read(struct base_arena *arena, int fd, const char *name, size_t max_bytes, char **data_r,
    size_t *length_r, const char **why_r)
{
	struct work work = { .path = (char *)(uintptr_t)name };
	enum base_result result;

	base_buffer_init(&work.buffer, max_bytes);
	work.result = result = file_gather(fd, name, &work.buffer, why_r);
	if (result == BASE_OK)
		result = work_take(&work, arena, data_r, length_r, why_r);
	base_buffer_free(&work.buffer);
	return result;
}
