/* background - leaving the terminal without leaving the admin in the dark */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/base/background.h"
#include "milter/base/result.h"

/* The parent's part: waits for the child's word, or for its end. */
static void
parent_wait(pid_t child, int end)
{
	ssize_t length;
	int status = 0;
	char byte;

	do
		length = read(end, &byte, 1);
	while (length < 0 && errno == EINTR);
	if (length == 1)
		_exit(EX_OK);
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
}

enum base_result
base_background_enter(int *ready_r, const char **why_r)
{
	pid_t child = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == 0)
		child = fork();
	if (child < 0) {
		*why_r = base_why("cannot go to the background: %s", strerror(errno));
		return BASE_BROKEN;
	}
	if (child > 0) {
		close(ends[1]);
		parent_wait(child, ends[0]);
	}
	close(ends[0]);
	setsid();
	*ready_r = ends[1];
	return BASE_OK;
}

enum base_result
base_background_ready(int ready, const char **why_r)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool is_done = null >= 0 && chdir("/") == 0 && dup2(null, STDIN_FILENO) >= 0 &&
		       dup2(null, STDOUT_FILENO) >= 0 && dup2(null, STDERR_FILENO) >= 0 &&
		       write(ready, "+", 1) == 1;

	if (!is_done)
		*why_r = base_why("cannot leave the terminal: %s", strerror(errno));
	if (null >= 0)
		close(null);
	close(ready);
	return is_done ? BASE_OK : BASE_BROKEN;
}
