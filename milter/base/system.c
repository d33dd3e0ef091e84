/* system - the clock and whole files; see base.h */
#include "milter/base/base.h"

#include <errno.h>
#include <fcntl.h>
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

enum base_result
base_file_read(struct base_arena *arena, const char *path, size_t max_bytes, char **data_r,
    size_t *length_r, const char **why_r)
{
	struct base_buffer buffer;
	enum base_result result;
	char *data;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		*why_r = base_why("cannot open %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	base_buffer_init(&buffer, max_bytes);
	result = file_gather(fd, path, &buffer, why_r);
	close(fd);
	if (result == BASE_OK) {
		data = base_arena_alloc(arena, buffer.length + 1);
		if (data == NULL) {
			*why_r = base_why("no memory to read %s", path);
			result = BASE_BROKEN;
		} else {
			memcpy(data, base_buffer_text(&buffer), buffer.length);
			*data_r = data;
			*length_r = buffer.length;
		}
	}
	base_buffer_free(&buffer);
	return result;
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
