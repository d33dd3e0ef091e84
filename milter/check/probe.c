/* check/probe - asks programs that should be running for a sign of life; see its header */
#include "milter/check/probe.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first packet of the milter protocol: what this side can do. Version 6, nothing asked. */
static const unsigned char negotiation[] = { 0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0,
	0, 0, 0 };
static const unsigned char goodbye[] = { 0, 0, 0, 1, 'Q' };

/* A socket whose every step ends in time; -1, and why. */
static int
socket_new(int family, const char **why_r)
{
	struct timeval limit = { .tv_sec = PROBE_SECONDS };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
		*why_r = base_why("no socket: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* Connects to a unix socket. */
static int
connect_unix(const char *path, const char **why_r)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		*why_r = base_why("the path %s is too long for a unix socket", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket_new(AF_UNIX, why_r);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		*why_r = base_why("cannot connect to %s: %s", path, strerror(errno));
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Connects to a host and port, whichever of its addresses answers. */
static int
connect_inet(const char *host, const char *port, int family, const char **why_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = family }, *list,
			*one;
	int fd = -1, error = getaddrinfo(host, port, &hints, &list);

	if (error != 0) {
		*why_r =
		    base_why("cannot find %s port %s: %s", host, port, gai_strerror(error));
		return -1;
	}
	for (one = list; one != NULL && fd < 0; one = one->ai_next) {
		fd = socket_new(one->ai_family, why_r);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) != 0) {
			*why_r = base_why("cannot connect to %s port %s: %s", host, port,
			    strerror(errno));
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* Reads exactly so many bytes. */
static bool
read_whole(int fd, unsigned char *data, size_t length)
{
	ssize_t got;

	while (length > 0) {
		got = recv(fd, data, length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		data += got;
		length -= (size_t)got;
	}
	return true;
}

/* Connects to "unix:PATH", "local:PATH", "inet:PORT@HOST", "inet6:PORT@HOST" or a path. */
static int
connect_named(const char *name, const char **why_r)
{
	const char *colon = strchr(name, ':'), *at;
	char port[32];
	int family = AF_INET;

	if (colon == NULL)
		return connect_unix(name, why_r);
	if (strncmp(name, "unix:", 5) == 0 || strncmp(name, "local:", 6) == 0)
		return connect_unix(colon + 1, why_r);
	if (strncmp(name, "inet6:", 6) == 0)
		family = AF_INET6;
	at = strchr(colon, '@');
	if (at == NULL)
		at = colon + strlen(colon);
	snprintf(port, sizeof(port), "%.*s", (int)(at - colon - 1), colon + 1);
	return connect_inet(*at == '@'          ? at + 1
			    : family == AF_INET ? "127.0.0.1"
						: "::1",
	    port, family, why_r);
}

enum base_result
probe_milter(const char *socket, const char **why_r)
{
	unsigned char answer[5];
	bool is_milter;
	int fd = connect_named(socket, why_r);

	if (fd < 0)
		return BASE_BROKEN;
	/* Length, then the same command: that is how a milter answers the negotiation. */
	is_milter = send(fd, negotiation, sizeof(negotiation), MSG_NOSIGNAL) ==
			(ssize_t)sizeof(negotiation) &&
		    read_whole(fd, answer, sizeof(answer)) && answer[4] == 'O';
	if (is_milter)
		(void)send(fd, goodbye, sizeof(goodbye), MSG_NOSIGNAL);
	close(fd);
	if (!is_milter)
		*why_r = base_why("what listens at %s does not answer as a milter", socket);
	return is_milter ? BASE_OK : BASE_BROKEN;
}

/* Runs a command, its output to the pipe; in the child. */
static void
run_child(const int pipes[2], const char *path, const char *const arguments[])
{
	if (dup2(pipes[1], STDOUT_FILENO) >= 0)
		execv(path, (char *const *)arguments);
	_exit(127);
}

/* Reads what a command says, up to size - 1 bytes; the rest is read and dropped. */
static size_t
read_output(int fd, char *value, size_t size)
{
	char rest[512];
	size_t length = 0;
	ssize_t got;

	for (;;) {
		bool is_full = length + 1 >= size;

		got = read(fd, is_full ? rest : value + length,
		    is_full ? sizeof(rest) : size - 1 - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (!is_full)
			length += (size_t)got;
	}
	value[length] = '\0';
	return length;
}

/* Runs a command to its end; its output, trailing white space cut off. */
static enum base_result
run_command(const char *path, const char *const arguments[], char *value, size_t size,
    const char **why_r)
{
	int pipes[2], status;
	size_t length;
	pid_t child;

	if (pipe(pipes) != 0 || (child = fork()) < 0) {
		*why_r = base_why("cannot run %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	if (child == 0)
		run_child(pipes, path, arguments);
	close(pipes[1]);
	length = read_output(pipes[0], value, size);
	close(pipes[0]);
	while (length > 0 && strchr(" \t\r\n", value[length - 1]) != NULL)
		value[--length] = '\0';
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0) {
		*why_r = base_why("%s failed; does it exist?", path);
		return BASE_BROKEN;
	}
	return BASE_OK;
}

enum base_result
probe_postconf(const struct settings *settings, const char *name, char *value_r,
    size_t size, const char **why_r)
{
	bool is_master = name[0] == '-' && name[1] != '\0' && name[2] == ':';
	const char *option = !is_master ? "-hx" : name[1] == 'P' ? "-Px" : "-F";
	const char *arguments[] = { "postconf", "-c", settings->mta.config_directory,
		option, is_master ? name + 3 : name, NULL };
	char path[4096];

	snprintf(path, sizeof(path), "%s/postconf", settings->mta.command_directory);
	return run_command(path, arguments, value_r, size, why_r);
}

/* In a process of its own: becomes that user in that root, connects, and ends with errno. */
static void
reach_child(const struct passwd *user, const char *root, const char *path)
{
	const char *why;

	if ((root != NULL && (chroot(root) != 0 || chdir("/") != 0)) ||
	    setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0 ||
	    connect_unix(path, &why) < 0)
		_exit(errno != 0 ? errno : EIO);
	_exit(0);
}

enum base_result
probe_reach(const char *user, const char *root, const char *path, const char **why_r)
{
	const struct passwd *entry = getpwnam(user);
	int status = 0;
	pid_t child;

	if (geteuid() != 0) {
		*why_r = base_why("only root can try it as user %s", user);
		return BASE_NONE;
	}
	/* the groups are read before the root changes, which has no /etc/group */
	if (entry == NULL || (child = fork()) < 0) {
		*why_r = base_why("there is no user %s", user);
		return BASE_BROKEN;
	}
	if (child == 0) {
		if (initgroups(user, entry->pw_gid) != 0)
			_exit(errno);
		reach_child(entry, root, path);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
		*why_r = base_why("the attempt as user %s did not end well", user);
		return BASE_BROKEN;
	}
	if (WEXITSTATUS(status) == 0)
		return BASE_OK;
	*why_r = base_why("%s", strerror(WEXITSTATUS(status)));
	return BASE_REFUSE;
}
