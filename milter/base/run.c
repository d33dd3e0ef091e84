/* run - the file of a running program: whose it is, and what became of its last reload */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/base/run.h"

#define RUN_HEADER "reload %lu %10s\n"
#define RUN_SETTINGS "settings "

struct base_run {
	int fd;
	unsigned long number;
	char settings[BASE_RUN_MAX_PATH + 1]; /* the line of it */
};

/* DIRECTORY/PROGRAM.run; false: too long. */
static bool
run_path(const char *directory, const char *program, char path_r[4096])
{
	return snprintf(path_r, 4096, "%s/%s.run", directory, program) < 4096;
}

/*
 * Writes the whole file anew: its first line comes again as the last, so that half is seen as
 * half. It is always as long: once made, it can be written on a full disk, too.
 */
static enum base_result
run_write(struct base_run *run, const char *answer, const char *text, const char **why_r)
{
	struct base_buffer out;
	char file[BASE_RUN_MAX];
	bool is_written;

	base_buffer_init(&out, BASE_RUN_MAX);
	base_buffer_printf(&out, RUN_HEADER, run->number, answer);
	base_buffer_puts(&out, run->settings);
	/* what does not fit with the last line is left out, whole */
	if (strlen(text) + 2 * out.length < BASE_RUN_MAX)
		base_buffer_puts(&out, text);
	base_buffer_printf(&out, RUN_HEADER, run->number, answer);
	memset(file, 0, sizeof(file));
	memcpy(file, base_buffer_text(&out), out.length);
	is_written = !out.failed && pwrite(run->fd, file, sizeof(file), 0) == (ssize_t)sizeof(file);
	base_buffer_free(&out);
	if (is_written)
		return BASE_OK;
	*why_r = base_why("cannot tell what became of the settings: %s", strerror(errno));
	return BASE_BROKEN;
}

enum base_result
base_run_open(const char *directory, const char *program, const char *settings,
    struct base_run **run_r, const char **why_r)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct base_run *run = calloc(1, sizeof(*run));
	enum base_result result = BASE_BROKEN;
	char path[4096];

	if (run == NULL || !run_path(directory, program, path)) {
		free(run);
		*why_r = base_why("no memory for the file of a running program");
		return BASE_BROKEN;
	}
	if (settings != NULL)
		snprintf(run->settings, sizeof(run->settings), RUN_SETTINGS "%s\n", settings);
	run->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (run->fd < 0 || fcntl(run->fd, F_SETLK, &lock) != 0)
		*why_r = base_why("%s: %s", path,
		    errno == EACCES && run->fd >= 0 ? "another program has it" : strerror(errno));
	else
		result = run_write(run, "started", "", why_r);
	if (result != BASE_OK) {
		base_run_close(&run);
		return result;
	}
	*run_r = run;
	return BASE_OK;
}

void
base_run_close(struct base_run **run)
{
	if (*run == NULL)
		return;
	if ((*run)->fd >= 0)
		close((*run)->fd);
	free(*run);
	*run = NULL;
}

enum base_result
base_run_answer(struct base_run *run, bool is_taken, const char *text, const char **why_r)
{
	run->number++;
	return run_write(run, is_taken ? "ok" : "refused", text, why_r);
}

/* Takes a file's text apart; false: it is being written just now. */
static bool
run_parse(char *text, struct base_run_view *view_r)
{
	char header[64], *end;
	size_t length;

	length = strcspn(text, "\n") + 1;
	if (length >= sizeof(header) || strlen(text) < 2 * length)
		return false;
	memcpy(header, text, length);
	header[length] = '\0';
	end = text + strlen(text) - length;
	if (strcmp(end, header) != 0 ||
	    sscanf(header, "reload %lu %10s", &view_r->number, view_r->answer) != 2)
		return false;
	*end = '\0';
	text += length;
	if (strncmp(text, RUN_SETTINGS, sizeof(RUN_SETTINGS) - 1) == 0) {
		text += sizeof(RUN_SETTINGS) - 1;
		length = strcspn(text, "\n");
		snprintf(view_r->settings, sizeof(view_r->settings), "%.*s", (int)length, text);
		text += length + (text[length] == '\n');
	}
	snprintf(view_r->text, sizeof(view_r->text), "%s", text);
	return true;
}

enum base_result
base_run_look(
    const char *directory, const char *program, struct base_run_view *view_r, const char **why_r)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct base_run_view view = { 0 };
	char path[4096], text[BASE_RUN_MAX + 1];
	struct stat status;
	ssize_t length = -1;
	int fd = -1;

	if (run_path(directory, program, path))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return BASE_NONE;
	if (fd < 0 || fcntl(fd, F_GETLK, &lock) != 0 || fstat(fd, &status) != 0 ||
	    (length = pread(fd, text, BASE_RUN_MAX, 0)) < 0)
		*why_r = base_why("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (length < 0)
		return BASE_BROKEN;
	if (lock.l_type == F_UNLCK || lock.l_pid <= 0)
		return BASE_NONE;
	text[length] = '\0';
	view.pid = lock.l_pid;
	view.when = status.st_mtim;
	if (!run_parse(text, &view)) {
		*why_r = base_why("%s: it is being written", path);
		return BASE_RETRY;
	}
	*view_r = view;
	return BASE_OK;
}
