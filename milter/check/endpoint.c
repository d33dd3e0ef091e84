/* check/endpoint - a milter's socket, however its address is written; see endpoint.h */
#include "milter/base/arena.h"
#include "milter/check/endpoint.h"

#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- reading ---------------------------------------------------------------------- */

/* A unix socket's path behind its kind, or by itself; NULL: it is inet. */
static const char *
path_in(const char *text)
{
	if (strncasecmp(text, "unix:", 5) == 0)
		return text + 5;
	if (strncasecmp(text, "local:", 6) == 0)
		return text + 6;
	return strncasecmp(text, "inet:", 5) == 0 || strncasecmp(text, "inet6:", 6) == 0 ? NULL
											 : text;
}

/* A host without the brackets around an IPv6 address. */
static const char *
host_copy(struct base_arena *arena, const char *host, size_t length)
{
	if (length >= 2 && host[0] == '[' && host[length - 1] == ']')
		return base_arena_strndup(arena, host + 1, length - 2);
	return base_arena_strndup(arena, host, length);
}

bool
endpoint_read(struct base_arena *arena, const char *text, struct endpoint *endpoint_r)
{
	const char *port = strchr(text, ':');
	struct endpoint endpoint = { .path = path_in(text), .family = AF_UNSPEC };
	size_t length;

	if (endpoint.path == NULL && port != NULL) {
		bool is_six = port - text == 5;

		length = strcspn(++port, "@");
		endpoint.family = is_six ? AF_INET6 : AF_INET;
		endpoint.port = base_arena_strndup(arena, port, length);
		endpoint.host = port[length] != '@' ? (is_six ? "::1" : "127.0.0.1")
						    : host_copy(arena, port + length + 1,
							  strlen(port + length + 1));
		if (endpoint.port == NULL || endpoint.host == NULL)
			return false;
	}
	*endpoint_r = endpoint;
	return true;
}

bool
endpoint_read_postfix(struct base_arena *arena, const char *text, struct endpoint *endpoint_r)
{
	struct endpoint endpoint = { .path = path_in(text), .family = AF_UNSPEC };

	if (endpoint.path == NULL) {
		const char *host = strchr(text, ':') + 1, *colon = strrchr(host, ':');

		endpoint.port = colon != NULL ? colon + 1 : host;
		endpoint.host = colon != NULL && colon > host
				    ? host_copy(arena, host, (size_t)(colon - host))
				    : "localhost";
		if (endpoint.host == NULL)
			return false;
	}
	*endpoint_r = endpoint;
	return true;
}

/* --- comparing -------------------------------------------------------------------- */

/* All addresses of it; NULL: it has none. */
static struct addrinfo *
find(const struct endpoint *endpoint)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = endpoint->family };
	struct addrinfo *list = NULL;

	return getaddrinfo(endpoint->host, endpoint->port, &hints, &list) == 0 ? list : NULL;
}

/* Its port, as it is on the wire. */
static in_port_t
port_of(const struct sockaddr *address)
{
	return address->sa_family == AF_INET
		   ? ((const struct sockaddr_in *)(const void *)address)->sin_port
		   : ((const struct sockaddr_in6 *)(const void *)address)->sin6_port;
}

/* Does who listens there listen on every address of its family? */
static bool
is_wildcard(const struct sockaddr *address)
{
	return address->sa_family == AF_INET
		   ? ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr ==
			 htonl(INADDR_ANY)
		   : IN6_IS_ADDR_UNSPECIFIED(
			 &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* Is the address one of this host? Only those can be bound. */
static bool
is_local(const struct addrinfo *one)
{
	struct sockaddr_storage copy;
	int fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_bound;

	memset(&copy, 0, sizeof(copy));
	memcpy(&copy, one->ai_addr, one->ai_addrlen);
	if (one->ai_family == AF_INET)
		((struct sockaddr_in *)(void *)&copy)->sin_port = 0;
	else
		((struct sockaddr_in6 *)(void *)&copy)->sin6_port = 0;
	is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&copy, one->ai_addrlen) == 0;
	if (fd >= 0)
		close(fd);
	return is_bound;
}

/* Does who connects to the one get to who listens at the other? */
static bool
is_reached(const struct addrinfo *ours, const struct addrinfo *other)
{
	if (ours->ai_family != other->ai_family ||
	    port_of(ours->ai_addr) != port_of(other->ai_addr))
		return false;
	if (is_wildcard(ours->ai_addr))
		return is_local(other);
	if (ours->ai_family == AF_INET)
		return ((struct sockaddr_in *)(void *)ours->ai_addr)->sin_addr.s_addr ==
		       ((struct sockaddr_in *)(void *)other->ai_addr)->sin_addr.s_addr;
	return memcmp(&((struct sockaddr_in6 *)(void *)ours->ai_addr)->sin6_addr,
		   &((struct sockaddr_in6 *)(void *)other->ai_addr)->sin6_addr,
		   sizeof(struct in6_addr)) == 0;
}

/* Are they one file, if there is any? */
static bool
is_one_file(const char *a, const char *b)
{
	struct stat ours, other;

	return stat(a, &ours) == 0 && stat(b, &other) == 0 && ours.st_dev == other.st_dev &&
	       ours.st_ino == other.st_ino;
}

bool
endpoint_is_path(const char *ours, const char *other)
{
	const char *ours_name = strrchr(ours, '/'), *other_name = strrchr(other, '/');
	char ours_folder[PATH_MAX], other_folder[PATH_MAX];

	if (strcmp(ours, other) == 0)
		return true;
	if (*ours != '/' || *other != '/')
		return false;
	if (is_one_file(ours, other))
		return true;
	snprintf(ours_folder, sizeof(ours_folder), "%.*s", (int)(ours_name + 1 - ours), ours);
	snprintf(other_folder, sizeof(other_folder), "%.*s", (int)(other_name + 1 - other), other);
	return strcmp(ours_name, other_name) == 0 && is_one_file(ours_folder, other_folder);
}

bool
endpoint_reaches(const struct endpoint *ours, const struct endpoint *other)
{
	struct addrinfo *a, *b;
	bool is_any = false;

	if (ours->path != NULL || other->path != NULL)
		return ours->path != NULL && other->path != NULL &&
		       endpoint_is_path(ours->path, other->path);
	if (strcasecmp(ours->host, other->host) == 0 && strcmp(ours->port, other->port) == 0)
		return true;
	a = find(ours);
	b = find(other);
	for (const struct addrinfo *i = a; i != NULL; i = i->ai_next)
		for (const struct addrinfo *j = b; j != NULL; j = j->ai_next)
			is_any = is_any || is_reached(i, j);
	if (a != NULL)
		freeaddrinfo(a);
	if (b != NULL)
		freeaddrinfo(b);
	return is_any;
}

const char *
endpoint_text(struct base_arena *arena, const struct endpoint *endpoint)
{
	if (endpoint->path != NULL)
		return endpoint->path;
	return strchr(endpoint->host, ':') != NULL
		   ? base_arena_printf(arena, "[%s]:%s", endpoint->host, endpoint->port)
		   : base_arena_printf(arena, "%s:%s", endpoint->host, endpoint->port);
}
