/*
 * NAME
 *	kill_at - kills the program it is preloaded into before or after its Nth step
 *
 * WHAT IT DOES
 *	A step is what others can see or what outlives the process: a durable commit (fsync,
 *	fdatasync), a connection opened, a message on a unix socket. Steps are counted while the
 *	file $KILL_AT_ARM exists; step number $KILL_AT is preceded (or, with $KILL_AT_SIDE=after,
 *	followed) by SIGKILL to the whole process. What was killed is told in $KILL_AT_LOG.
 *
 *	Preloaded so that the program under test is the very one that is installed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int steps;

/* Ends the process as a power cut would, leaving a line that says where. */
static void
die(const char *call, const char *side, int step)
{
	const char *path = getenv("KILL_AT_LOG");
	int log = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;

	if (log >= 0)
		dprintf(log, "killed %s step %d, %s\n", side, step, call);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* Counts a step; says whether to die after it. */
static bool
step_before(const char *call, int *step_r)
{
	const char *arm = getenv("KILL_AT_ARM"), *at = getenv("KILL_AT");
	const char *side = getenv("KILL_AT_SIDE");

	if (arm == NULL || at == NULL || access(arm, F_OK) != 0)
		return false;
	*step_r = atomic_fetch_add(&steps, 1) + 1;
	if (*step_r != atoi(at))
		return false;
	if (side != NULL && strcmp(side, "after") == 0)
		return true;
	die(call, "before", *step_r);
	return false;
}

/* Is this the kind of socket that our programs and the MTA talk over? */
static bool
is_unix_socket(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	       address.ss_family == AF_UNIX;
}

/* The C library's own function behind ours. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define STEP(counts, name, ...)                                                                    \
	do {                                                                                       \
		int step = 0;                                                                      \
		bool dies = (counts) && step_before(#name, &step);                                 \
		__typeof__(name(__VA_ARGS__)) result = NEXT(name)(__VA_ARGS__);                    \
		if (dies)                                                                          \
			die(#name, "after", step);                                                 \
		return result;                                                                     \
	} while (0)

int
fsync(int fd)
{
	STEP(true, fsync, fd);
}

int
fdatasync(int fd)
{
	STEP(true, fdatasync, fd);
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	/* syslog's datagram socket is nobody's business */
	STEP(address->sa_family == AF_INET || is_unix_socket(fd), connect, fd, address, length);
}

ssize_t
write(int fd, const void *data, size_t length)
{
	STEP(is_unix_socket(fd), write, fd, data, length);
}

ssize_t
send(int fd, const void *data, size_t length, int flags)
{
	STEP(is_unix_socket(fd), send, fd, data, length, flags);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	STEP(is_unix_socket(fd), writev, fd, parts, count);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	STEP(is_unix_socket(fd), sendmsg, fd, message, flags);
}
