/*
 * clients - who is connected: how many connections one address may hold, for how long, and whom
 * the proxy in front of us speaks for
 *
 * One address cannot take all connections. Behind a proxy they all come from its address, so
 * there the address that the proxy saw is counted, once its header has come; and a connection
 * that never sends one gives way to the next.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "milter/web/internal.h"

#define CLIENTS_MAX_NODE 128 /* bytes of an address with its port */

/* An address as it is counted: of IPv6 the network of 64 bits, which is one subscriber's. */
struct web_key {
	unsigned char bytes[16];
};

/* One open connection. */
struct web_client {
	struct web_client *next, **link;
	struct web_clients *clients;
	int fd;
	int64_t started; /* milliseconds of the steady clock */
	bool is_proxy;   /* the peer's own address is not counted */
	bool has_asked;  /* its header has come */
	bool is_over;    /* shut down, and not closed yet */
	bool has_key;
	struct web_key key;    /* of whoever asks */
	char name[NI_MAXHOST]; /* the same for people, "-": not known */
};

struct web_clients {
	struct web_client *first; /* newest first */
	size_t count;             /* of those that are not over */
};

/* A clock that nobody sets. */
static int64_t
clients_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- addresses --------------------------------------------------------------------------- */

/* The address without a port; IPv4 that comes by an IPv6 socket as what it is. */
static bool
address_copy(const struct sockaddr *address, struct sockaddr_storage *copy_r)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	struct sockaddr_in *four = (struct sockaddr_in *)copy_r;

	memset(copy_r, 0, sizeof(*copy_r));
	if (address && address->sa_family == AF_INET) {
		memcpy(copy_r, address, sizeof(struct sockaddr_in));
	} else if (address && address->sa_family == AF_INET6) {
		memcpy(copy_r, six, sizeof(*six));
		if (!IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
			return true;
		memset(copy_r, 0, sizeof(*copy_r));
		four->sin_family = AF_INET;
		memcpy(&four->sin_addr, six->sin6_addr.s6_addr + 12, 4);
	} else {
		return false;
	}
	return true;
}

bool
web_networks_have(
    const struct settings_network *networks, size_t count, const struct sockaddr *address)
{
	struct sockaddr_storage copy;

	return address_copy(address, &copy) && settings_networks_have(networks, count, &copy);
}

/* What is counted of it. */
static struct web_key
address_key(const struct sockaddr_storage *address)
{
	struct web_key key = { .bytes = { 0 } };

	if (address->ss_family == AF_INET) {
		memset(key.bytes + 10, 0xff, 2);
		memcpy(key.bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
	} else {
		memcpy(key.bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 8);
	}
	return key;
}

/* An address in text. */
static bool
address_parse(const char *text, struct sockaddr_storage *address_r)
{
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		return address_copy((struct sockaddr *)&four, address_r);
	return inet_pton(AF_INET6, text, &six.sin6_addr) == 1 &&
	       address_copy((struct sockaddr *)&six, address_r);
}

/* Says who asks on this connection. */
static void
client_set(struct web_client *client, const struct sockaddr_storage *address)
{
	socklen_t length = address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
							 : sizeof(struct sockaddr_in6);

	client->key = address_key(address);
	client->has_key = true;
	if (getnameinfo((const struct sockaddr *)address, length, client->name,
		sizeof(client->name), NULL, 0, NI_NUMERICHOST))
		strcpy(client->name, "-");
}

/* --- counting ---------------------------------------------------------------------------- */

/* Connections of this address; behind the proxy those that have asked. */
static size_t
clients_of(const struct web_clients *clients, const struct web_key *key, bool is_proxy)
{
	const struct web_client *client;
	size_t count = 0;

	for (client = clients->first; client; client = client->next)
		count += client->has_key && client->is_proxy == is_proxy &&
			 (!is_proxy || client->has_asked) &&
			 !memcmp(&client->key, key, sizeof(*key));
	return count;
}

/* Ends a connection; the library notices the end and cleans up. */
static void
client_end(struct web_client *client)
{
	if (client->is_over)
		return;
	client->is_over = true;
	client->clients->count--;
	shutdown(client->fd, SHUT_RDWR);
}

/* Ends the oldest connection that has not asked yet; if all have, the oldest of all. */
static void
clients_make_capacity(struct web_clients *clients)
{
	struct web_client *client, *oldest = NULL, *silent = NULL;

	for (client = clients->first; client; client = client->next) {
		if (client->is_over)
			continue;
		oldest = client;
		if (!client->has_asked)
			silent = client;
	}
	if (silent)
		oldest = silent;
	if (oldest)
		client_end(oldest);
}

struct web_clients *
web_clients_new(void)
{
	return calloc(1, sizeof(struct web_clients));
}

void
web_clients_free(struct web_clients **clients)
{
	while (*clients && (*clients)->first)
		web_client_free(&(*clients)->first);
	free(*clients);
	*clients = NULL;
}

bool
web_clients_admit(const struct web_clients *clients, const struct sockaddr *address, bool is_proxy)
{
	struct sockaddr_storage copy;
	struct web_key key;

	if (is_proxy || !address_copy(address, &copy))
		return true;
	key = address_key(&copy);
	return clients_of(clients, &key, false) < WEB_MAX_PER_CLIENT;
}

struct web_client *
web_client_new(struct web_clients *clients, int fd, const struct sockaddr *address, bool is_proxy)
{
	struct web_client *client = calloc(1, sizeof(*client));
	struct sockaddr_storage copy;

	if (!client)
		return NULL;
	if (clients->count >= WEB_MAX_CONNECTIONS)
		clients_make_capacity(clients);
	client->clients = clients;
	client->fd = fd;
	client->is_proxy = is_proxy;
	client->started = clients_clock();
	strcpy(client->name, "-");
	if (address_copy(address, &copy))
		client_set(client, &copy);
	client->next = clients->first;
	client->link = &clients->first;
	if (client->next)
		client->next->link = &client->next;
	clients->first = client;
	clients->count++;
	return client;
}

void
web_client_free(struct web_client **client)
{
	struct web_client *gone = *client;

	*client = NULL;
	*gone->link = gone->next;
	if (gone->next)
		gone->next->link = gone->link;
	gone->clients->count -= !gone->is_over;
	free(gone);
}

/* A colon and a port, as a number or as a name that a proxy made up (RFC 7239 6.3); or nothing. */
static bool
is_port(const char *text)
{
	size_t length;

	if (*text == '\0')
		return true;
	if (*text++ != ':')
		return false;
	if (*text == '_') {
		length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-");
		return length > 1 && text[length] == '\0';
	}
	length = strspn(text, "0123456789");
	return length >= 1 && length <= 5 && text[length] == '\0';
}

/*
 * An address as proxies write it: plain, or with the port that RFC 7239 6 allows behind it. With
 * a port an IPv6 address stands in brackets; without brackets every colon is of the address.
 */
static bool
node_parse(char *text, struct sockaddr_storage *address_r)
{
	char *end = *text == '[' ? strchr(text, ']') : strchr(text, ':');

	if (*text == '[') {
		if (!end || !is_port(end + 1))
			return false;
		*end = '\0';
		return strchr(text + 1, ':') && address_parse(text + 1, address_r);
	}
	if (end && !strchr(end + 1, ':')) {
		if (!is_port(end))
			return false;
		*end = '\0';
	}
	return address_parse(text, address_r);
}

/* The last element: what a proxy adds at the end of what it was given. */
static bool
forwarded_parse(const char *value, struct sockaddr_storage *address_r)
{
	char text[CLIENTS_MAX_NODE];
	const char *last = strrchr(value, ',');
	size_t length;

	last = last ? last + 1 : value;
	last += strspn(last, " \t");
	length = strcspn(last, " \t");
	if (length >= sizeof(text) || last[length + strspn(last + length, " \t")])
		return false;
	memcpy(text, last, length);
	text[length] = '\0';
	return node_parse(text, address_r);
}

bool
web_client_ask(struct web_client *client, const char *forwarded)
{
	struct sockaddr_storage address;

	client->has_asked = true;
	if (!client->is_proxy || !forwarded)
		return true;
	/* what names no address counts, all together, for the proxy's own */
	if (forwarded_parse(forwarded, &address))
		client_set(client, &address);
	return clients_of(client->clients, &client->key, true) <= WEB_MAX_PER_CLIENT;
}

const char *
web_client_name(const struct web_client *client)
{
	return client->name;
}

void
web_clients_cut_off(struct web_clients *clients, int64_t limit_ms)
{
	struct web_client *client;
	int64_t now = clients_clock();

	for (client = clients->first; client; client = client->next)
		if (now - client->started > limit_ms)
			client_end(client);
}
