/*
 * The processes of oops-queued: what runs as root, and what does not.
 *
 * The first one stays root and runs the commands that need it. The worker, which answers and looks
 * into files that strangers wrote, may run nothing and reach nothing; it is the owner of Postfix's
 * queue, or, because Sendmail's queue is root's, root with no right left but that over files. A
 * third one runs those of Postfix's commands that its owner may run. Whichever ends, all end.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/narrow/narrow.h"
#include "milter/queue/internal.h"

#define NO_GROUP 65534 /* of a process that owns files, and needs no group for them */

/* What the processes have in common. */
struct processes {
	struct queue_server_options options;
	struct queue_runners runners;
	unsigned owner; /* of the queue */
	int listener;
	pid_t root; /* the first one */
	volatile int *stop;
};

/* What a new process does with its end of the socket; whether it did. */
typedef bool process_fn(struct processes *processes, int fd);

/* Nobody reads what it might say there: the log does. */
static bool
terminal_leave(const struct processes *processes)
{
	int null;
	bool is_left;

	if (processes->options.is_foreground)
		return true;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	is_left = null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
		  dup2(null, STDERR_FILENO) >= 0;
	if (null >= 0)
		close(null);
	return is_left;
}

/* Gives up what the owner of the queue has not; ends when the first process does. */
static bool
rights_leave(const struct processes *processes, const char **why_r)
{
	if (processes->owner != 0) {
		if (setgroups(0, NULL) != 0) {
			*why_r = base_why("cannot leave groups: %s", strerror(errno));
			return false;
		}
		if (base_user_drop(processes->owner, NO_GROUP, why_r) != BASE_OK)
			return false;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == processes->root)
		return true;
	*why_r = "the process that started this one is gone";
	return false;
}

/* Starts one; its end of the socket in *fd_r, ours of it. -1: it cannot be. */
static pid_t
process_start(struct processes *processes, process_fn *job, int *fd_r)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		/* what was to be done at the end of the first one is not ours to do */
		_exit(job(processes, ends[1]) ? 0 : 1);
	}
	close(ends[1]);
	*fd_r = ends[0];
	if (pid < 0)
		close(ends[0]);
	return pid;
}

/* A process_fn: runs what the owner of the queue may run. A signal is for the others to follow. */
static bool
owner_main(struct processes *processes, int fd)
{
	const struct queue_runner runner = { .options = &processes->options, .fd = fd };
	const char *why = "";

	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	close(processes->listener);
	if (terminal_leave(processes) && rights_leave(processes, &why))
		return queue_runner_serve(&runner, &why) == BASE_OK;
	base_log(BASE_LOG_ERROR, "%s", why);
	return false;
}

/* Takes a result of narrow.h; false: rights are left that must be gone. */
static bool
is_narrowed(enum base_result result, const char *why)
{
	if (result == BASE_NONE)
		base_log(BASE_LOG_WARNING, "goes on with more rights than it needs: %s", why);
	return result == BASE_OK || result == BASE_NONE;
}

/* The queue is known, and nobody was heard yet: the worker gives up all other files. */
static enum base_result
on_ready(const struct queue_mta *mta, const char **why_r)
{
	const struct queue_driver *driver = queue_driver_for(mta->options->mta_kind);

	if (!is_narrowed(driver->narrow(mta, why_r), *why_r))
		return BASE_BROKEN;
	queue_runner_report(mta->options->runners->root, true, "");
	return BASE_OK;
}

/* What a process of its own can do without is given up; false: what must be could not be. */
static bool
worker_narrow(const struct processes *processes, const char **why_r)
{
	tzset(); /* the log tells local time, by a file that cannot be read later */
	return rights_leave(processes, why_r) &&
	       is_narrowed(narrow_enter(processes->owner == 0, why_r), *why_r);
}

/* A process_fn: answers. */
static bool
worker_main(struct processes *processes, int fd)
{
	const char *why = "it cannot leave the terminal";
	bool is_done;

	processes->runners.root = fd;
	processes->options.runners = &processes->runners;
	is_done = terminal_leave(processes) && worker_narrow(processes, &why) &&
		  queue_server_run(&processes->options, processes->listener, processes->stop,
		      on_ready, &why) == BASE_OK;
	if (!is_done)
		queue_runner_report(fd, false, why);
	return is_done;
}

/* Whose the queue is: root asks, once. */
static enum base_result
owner_find(struct processes *processes, const char **why_r)
{
	static struct queue_mta mta; /* too large for a stack */
	const struct queue_driver *driver = queue_driver_for(processes->options.mta_kind);
	enum base_result result;

	if (driver == NULL) {
		*why_r = base_why("no driver for mta.kind \"%s\"", processes->options.mta_kind);
		return BASE_REFUSE;
	}
	if (driver->owner == NULL)
		return BASE_OK;
	mta.options = &processes->options;
	result = driver->open(&mta, why_r);
	return result == BASE_OK ? driver->owner(&mta, &processes->owner, why_r) : result;
}

/* Starts both, and runs what needs root until the worker ends. */
static enum base_result
processes_run(struct processes *processes, const char **why_r)
{
	struct queue_runner runner = {
		.options = &processes->options, .is_root = true, .stop = processes->stop
	};
	enum base_result result;
	int status = 0;

	if (processes->owner != 0 &&
	    process_start(processes, owner_main, &processes->runners.owner) < 0)
		runner.worker = -1;
	else
		runner.worker = process_start(processes, worker_main, &runner.fd);
	close(processes->listener);
	if (processes->runners.owner >= 0)
		close(processes->runners.owner);
	if (runner.worker < 0) {
		*why_r = base_why("cannot start a process: %s", strerror(errno));
		return BASE_BROKEN;
	}
	result = queue_runner_serve(&runner, why_r);
	close(runner.fd);
	while (waitpid(runner.worker, &status, 0) < 0 && errno == EINTR)
		;
	if (result == BASE_OK && status != 0) {
		*why_r = base_why("the process that answers died (status %d)", status);
		result = BASE_BROKEN;
	}
	return result;
}

enum base_result
queue_serve(const struct queue_server_options *options, volatile int *stop, const char **why_r)
{
	struct processes processes = {
		.options = *options, .runners = { -1, -1 }, .root = getpid(), .stop = stop
	};
	enum base_result result = BASE_BROKEN;

	if (is_narrowed(narrow_tools(why_r), *why_r))
		result = queue_tools_guard(options, why_r);
	if (result == BASE_OK)
		result = owner_find(&processes, why_r);
	if (result == BASE_OK)
		result = queue_listen(options, &processes.listener, why_r);
	if (result != BASE_OK)
		return BASE_BROKEN;
	result = processes_run(&processes, why_r);
	unlink(options->socket_path);
	return result;
}
