/* check/probe - asks programs that should be running for a sign of life; see its header */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"
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
static const unsigned char negotiation[] = { 0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0, 0,
	0 };
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
connect_inet(const struct endpoint *endpoint, const char *name, const char **why_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = endpoint->family },
			*list, *one;
	int fd = -1, error = getaddrinfo(endpoint->host, endpoint->port, &hints, &list);

	if (error != 0) {
		*why_r = base_why("cannot find %s: %s", name, gai_strerror(error));
		return -1;
	}
	for (one = list; one != NULL && fd < 0; one = one->ai_next) {
		fd = socket_new(one->ai_family, why_r);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) != 0) {
			*why_r = base_why("cannot connect to %s: %s", name, strerror(errno));
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

enum base_result
probe_milter(const struct endpoint *endpoint, const char *name, const char **why_r)
{
	unsigned char answer[5];
	bool is_milter;
	int fd = endpoint->path != NULL ? connect_unix(endpoint->path, why_r)
					: connect_inet(endpoint, name, why_r);

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
		*why_r = base_why("what listens at %s does not answer as a milter", name);
	return is_milter ? BASE_OK : BASE_BROKEN;
}

enum base_result
probe_owner(const char *path, int *pid_r, const char **why_r)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd = connect_unix(path, why_r);
	bool is_known;

	if (fd < 0)
		return BASE_BROKEN;
	is_known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0;
	close(fd);
	if (!is_known)
		return BASE_NONE;
	*pid_r = peer.pid;
	return BASE_OK;
}

/* --- the tools of Postfix --------------------------------------------------------- */

/* What a tool prints, as far as there is room. */
struct output {
	char *text;
	size_t length, size;
};

static void
output_take(void *context, const char *data, size_t length)
{
	struct output *output = context;
	size_t left = output->size - 1 - output->length;

	if (length > left)
		length = left;
	memcpy(output->text + output->length, data, length);
	output->length += length;
	output->text[output->length] = '\0';
}

/*
 * Runs a command of Postfix's to its end; its output, trailing white space cut off. What it says on
 * standard error is about Postfix, and goes nowhere unless it is asked for.
 */
static enum base_result
postfix_run(const struct settings *settings, const char *const argv[], bool with_errors,
    char *value_r, size_t size, int *exit_r, const char **why_r)
{
	struct output output = { .text = value_r, .size = size };
	char path[4096];
	const struct base_tool tool = { .path = path,
		.argv = argv,
		.output = output_take,
		.context = &output,
		.with_errors = with_errors,
		.deadline = base_tick_ms() + BASE_TOOL_MS };
	enum base_result result;

	value_r[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", settings->mta.command_directory, argv[0]);
	result = base_tool_run(&tool, exit_r, why_r);
	while (output.length > 0 && strchr(" \t\r\n", value_r[output.length - 1]) != NULL)
		value_r[--output.length] = '\0';
	return result;
}

/* Why a command failed, in its own words: the last line of them, which is what ended it. */
static const char *
postfix_words(const struct settings *settings, const char *const argv[])
{
	char text[2048];
	const char *why = "", *line = "";
	int again = 0;

	if (postfix_run(settings, argv, true, text, sizeof(text), &again, &why) == BASE_OK &&
	    again != 0)
		line = strrchr(text, '\n') != NULL ? strrchr(text, '\n') + 1 : text;
	return base_why("%.200s", line);
}

/* The same with what was run. */
static const char *
postconf_why(const struct settings *settings, const char *const argv[], int status)
{
	const char *words = postfix_words(settings, argv);

	return base_why("%s/postconf -c %s ended with %d%s%s", settings->mta.command_directory,
	    settings->mta.config_directory, status, *words != '\0' ? ": " : "", words);
}

enum base_result
probe_postconf(const struct settings *settings, const char *name, char *value_r, size_t size,
    const char **why_r)
{
	bool is_master = name[0] == '-' && name[1] != '\0' && name[2] == ':';
	const char *option = !is_master ? "-hx" : name[1] == 'P' ? "-Px" : "-F";
	const char *const argv[] = { "postconf", "-c", settings->mta.config_directory, option,
		is_master ? name + 3 : name, NULL };
	enum base_result result;
	int status = 0;

	result = postfix_run(settings, argv, false, value_r, size, &status, why_r);
	if (result == BASE_OK && status == 0)
		return BASE_OK;
	if (result == BASE_OK)
		*why_r = postconf_why(settings, argv, status);
	return BASE_BROKEN;
}

enum base_result
probe_postmap(const struct settings *settings, const char *table, const char *key, char *value_r,
    size_t size, const char **why_r)
{
	const char *const argv[] = { "postmap", "-c", settings->mta.config_directory, "-q", key,
		table, NULL };
	enum base_result result;
	int status = 0;

	result = postfix_run(settings, argv, false, value_r, size, &status, why_r);
	if (result != BASE_OK)
		return BASE_BROKEN;
	if (status == 0 && value_r[0] != '\0')
		return BASE_OK;
	/* it ends alike where the key is not there, without a word, and where it cannot look */
	*why_r = status != 0 ? postfix_words(settings, argv) : "";
	return **why_r != '\0' ? BASE_BROKEN : BASE_NONE;
}

/* --- another user ------------------------------------------------------------------ */

/* In a process of its own: becomes that user in that root, connects, and ends with errno. */
static void
reach_child(const struct passwd *user, const char *root, const char *path)
{
	const char *why;

	if ((root != NULL && (chroot(root) != 0 || chdir("/") != 0)) || setgid(user->pw_gid) != 0 ||
	    setuid(user->pw_uid) != 0 || connect_unix(path, &why) < 0)
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
