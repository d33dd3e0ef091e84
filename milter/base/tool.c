/* tool - runs a program: no shell, clean environment, limited in time with all it starts */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"

/* A file in memory that holds the input: a program that does not read it blocks nobody. */
static int
input_open(const char *input)
{
	size_t length = input == NULL ? 0 : strlen(input);
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd >= 0 && length > 0 &&
	    (write(fd, input, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Starts it with `input` and `output` as its standard streams and nothing else open. */
static int
spawn(const struct base_tool *tool, int input, int output, pid_t *pid_r)
{
	static char *const environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)"LC_ALL=C", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int error;

	error = posix_spawn_file_actions_init(&actions);
	if (error != 0)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (error != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return error;
	}
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setflags(
	    &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attributes, 0);
	error = posix_spawn_file_actions_adddup2(&actions, input, 0);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (error == 0)
		error = tool->with_errors ? posix_spawn_file_actions_adddup2(&actions, output, 2)
					  : posix_spawn_file_actions_addopen(
						&actions, 2, "/dev/null", O_WRONLY, 0);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (error == 0)
		error = posix_spawn(pid_r, tool->path, &actions, &attributes,
		    (char *const *)tool->argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Reads its output to the end; false when the time is up. */
static bool
drain(const struct base_tool *tool, int fd, int64_t deadline)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char data[16384];

	for (;;) {
		int64_t left = deadline - base_tick_ms();
		int n = left > 0 ? poll(&ready, 1, (int)left) : 0;
		ssize_t got;

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		if (n < 0)
			continue;
		got = read(fd, data, sizeof(data));
		if (got == 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0 && tool->output != NULL)
			tool->output(tool->context, data, (size_t)got);
	}
}

/* Waits for its end; false when the time is up. */
static bool
reap(pid_t pid, int64_t deadline, int *status_r)
{
	pid_t ended;

	while ((ended = waitpid(pid, status_r, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
		if (base_tick_ms() >= deadline)
			return false;
		base_sleep_ms(1);
	}
	return ended == pid;
}

/* Ends it, and what it started as far as that is still of its process group. */
static void
end_all(pid_t pid)
{
	int status;

	kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

enum base_result
base_tool_run(const struct base_tool *tool, int *exit_r, const char **why_r)
{
	int64_t deadline = base_tick_ms() + BASE_TOOL_MS;
	int input = input_open(tool->input), error, status = 0;
	int output[2] = { -1, -1 };
	bool is_done = false;
	pid_t pid = 0;

	if (tool->deadline < deadline)
		deadline = tool->deadline;
	error = input < 0 || pipe2(output, O_CLOEXEC) != 0 ? errno
							   : spawn(tool, input, output[1], &pid);
	if (input >= 0)
		close(input);
	if (output[1] >= 0)
		close(output[1]);
	if (error == 0) {
		is_done = drain(tool, output[0], deadline) && reap(pid, deadline, &status);
		if (!is_done)
			end_all(pid);
	}
	if (output[0] >= 0)
		close(output[0]);
	if (error != 0) {
		*why_r = base_why("cannot run %s: %s", tool->path, strerror(error));
		return BASE_BROKEN;
	}
	if (!is_done || !WIFEXITED(status)) {
		*why_r = base_why("%s did not end in time, or was killed", tool->path);
		return BASE_RETRY;
	}
	*exit_r = WEXITSTATUS(status);
	return BASE_OK;
}
