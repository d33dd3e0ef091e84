/*
 * server - HTTP by libmicrohttpd, in one thread, within limits
 *
 * One thread is enough: a page is a read of one row, a request is one write. The whole time of
 * a connection is limited here, since the library limits idle time only, and a client that
 * sends a byte now and then is never idle.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/web/internal.h"

#define SERVER_WAIT_MS 250          /* how late the time limit and a stop may be noticed */
#define SERVER_MAX_ARENA (1u << 18) /* bytes for one request */
#define SERVER_MAX_POLICY 300       /* bytes of the Content-Security-Policy */
#define SERVER_LOG_SECONDS 60       /* trouble with the store is logged no more often */
#define SERVER_BACKLOG 64
#define SERVER_SPARE 64 /* connections that are shut down and not closed yet */

/* One request while it arrives. */
struct server_request {
	char body[WEB_MAX_FORM + 1];
	size_t length;
	bool is_too_large;
};

struct web {
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock; /* of site and proxies, which web_change() changes */
	struct web_context page_context;
	struct base_arena *arena; /* of the request being answered */
	struct web_clients *clients;
	const struct settings_network *proxies; /* of the settings in force */
	size_t proxy_count;
	char policy[SERVER_MAX_POLICY];
	bool is_https;
	unsigned port;
	int64_t limit_ms;
	unsigned idle_seconds;
	int64_t logged; /* when trouble was logged last, by base_tick_ms(); 0: never */
	pthread_t thread;
	atomic_bool is_stopping;
};

/* --- connections
 * -------------------------------------------------------------------------- */

/* Does our own proxy speak there? */
static bool
server_is_proxy(struct web *web, const struct sockaddr *address)
{
	bool is_proxy;

	pthread_mutex_lock(&web->lock);
	is_proxy = address && web_networks_have(web->proxies, web->proxy_count, address);
	pthread_mutex_unlock(&web->lock);
	return is_proxy;
}

/* Called by the library before it takes a connection. */
static enum MHD_Result
server_admit(void *context, const struct sockaddr *address, socklen_t length)
{
	struct web *web = context;

	(void)length;
	return web_clients_admit(web->clients, address, server_is_proxy(web, address)) ? MHD_YES
										       : MHD_NO;
}

/*
 * The socket of a connection, or -1. What the library tells is good until it is asked again (of
 * one connection, libmicrohttpd 1.0 answers every question at the same place), so it is copied.
 */
static int
server_socket(struct MHD_Connection *handle)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* The address at the other end, which is the library's; NULL: not known. */
static const struct sockaddr *
server_peer(struct MHD_Connection *handle)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info ? info->client_addr : NULL;
}

/* A new connection. Without memory for what we know of it, it is closed at once. */
static struct web_client *
server_connected(struct web *web, struct MHD_Connection *handle)
{
	const struct sockaddr *address = server_peer(handle);
	struct web_client *client = NULL;
	int fd = server_socket(handle);

	if (fd >= 0)
		client = web_client_new(web->clients, fd, address, server_is_proxy(web, address));
	if (fd >= 0 && !client)
		shutdown(fd, SHUT_RDWR);
	return client;
}

/* Called by the library before a connection's first byte and before its socket is closed.
 */
static void
server_connection_changed(void *context, struct MHD_Connection *handle, void **own,
    enum MHD_ConnectionNotificationCode code)
{
	struct web_client *client = *own;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*own = server_connected(context, handle);
	} else if (client) {
		web_client_free(&client);
		*own = NULL;
	}
}

/* What we know of a connection; NULL: nothing. */
static struct web_client *
server_client(struct MHD_Connection *handle)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* --- requests
 * ------------------------------------------------------------------------------- */

/* Which of the methods we know. */
static enum web_method
server_method(const char *method)
{
	if (!strcmp(method, MHD_HTTP_METHOD_GET))
		return WEB_GET;
	if (!strcmp(method, MHD_HTTP_METHOD_HEAD))
		return WEB_HEAD;
	return strcmp(method, MHD_HTTP_METHOD_POST) ? WEB_OTHER : WEB_POST;
}

/* Keeps the last field of a name that may come several times. */
static enum MHD_Result
server_keep_forwarded(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	const char **last = context;

	(void)kind;
	if (!strcasecmp(name, "X-Forwarded-For"))
		*last = value ? value : "";
	return MHD_YES;
}

/* The header has come: may this client ask now? */
static bool
server_ask(struct MHD_Connection *handle)
{
	struct web_client *client = server_client(handle);
	const char *forwarded = NULL;

	MHD_get_connection_values(handle, MHD_HEADER_KIND, server_keep_forwarded, &forwarded);
	return client && web_client_ask(client, forwarded);
}

/* What every answer carries: nothing is stored, framed, executed or told to others. */
static bool
server_put_fields(const struct web *web, struct MHD_Response *response)
{
	static const char *const fields[][2] = {
		{ "Cache-Control", "no-store" },
		{ "Connection", "close" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Permissions-Policy",
		    "camera=(), geolocation=(), microphone=(), payment=(), usb=()" },
		{ "Referrer-Policy", "no-referrer" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "X-Robots-Tag", "noindex, nofollow" },
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (MHD_add_response_header(response, fields[i][0], fields[i][1]) != MHD_YES)
			return false;
	return MHD_add_response_header(response, "Content-Security-Policy", web->policy) ==
		   MHD_YES &&
	       (!web->is_https || MHD_add_response_header(response, "Strict-Transport-Security",
				      "max-age=31536000") == MHD_YES);
}

/* A field whose value is a number of seconds, unless that is 0. */
static bool
server_put_seconds(struct MHD_Response *response, const char *name, int seconds)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", seconds);
	return !seconds || MHD_add_response_header(response, name, text) == MHD_YES;
}

/* A field, unless there is no value. */
static bool
server_put_text(struct MHD_Response *response, const char *name, const char *value)
{
	return !value || MHD_add_response_header(response, name, value) == MHD_YES;
}

/* Hands the answer to the library. */
static enum MHD_Result
server_send(const struct web *web, struct MHD_Connection *handle, struct web_response *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(answer->html.length,
	    (void *)(uintptr_t)base_buffer_text(&answer->html), MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (server_put_fields(web, response) &&
	    server_put_text(response, "Content-Type",
		answer->html.length ? "text/html; charset=utf-8" : NULL) &&
	    server_put_text(response, "Allow", answer->allow) &&
	    server_put_text(response, "Location", answer->location) &&
	    server_put_seconds(response, "Refresh", answer->refresh) &&
	    server_put_seconds(response, "Retry-After", answer->retry_after))
		result = MHD_queue_response(handle, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

/* Tells the admin about trouble with the store, but not for every click. */
static void
server_log_failure(struct web *web, const char *failure)
{
	if (!failure ||
	    (web->logged != 0 && base_tick_ms() - web->logged < SERVER_LOG_SECONDS * 1000))
		return;
	base_log(BASE_LOG_ERROR, "the held mail cannot be read or changed: %s", failure);
	web->logged = base_tick_ms();
}

/* A request that has arrived whole. */
static enum MHD_Result
server_answer(struct web *web, struct MHD_Connection *handle, const char *url, const char *method,
    const struct server_request *received)
{
	struct web_request request = {
		.method = server_method(method),
		.path = url,
		.body = received->body,
		.body_length = received->length,
		.is_too_large = received->is_too_large,
	};
	const struct web_client *client = server_client(handle);
	struct web_response answer;
	enum MHD_Result result;

	base_arena_reset(web->arena);
	request.content_type = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Content-Type");
	request.fetch_site = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Sec-Fetch-Site");
	request.origin = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Origin");
	request.host = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Host");
	request.client = client ? web_client_name(client) : "-";
	request.is_late =
	    MHD_lookup_connection_value(handle, MHD_GET_ARGUMENT_KIND, WEB_LATE_KEY) != NULL;
	pthread_mutex_lock(&web->lock);
	web_route(&web->page_context, &request, web->arena, base_now(), &answer);
	server_log_failure(web, answer.failure);
	result = server_send(web, handle, &answer);
	pthread_mutex_unlock(&web->lock);
	base_buffer_free(&answer.html);
	return result;
}

/* Too many requests of one client at the same time. */
static enum MHD_Result
server_refuse(struct web *web, struct MHD_Connection *handle)
{
	struct web_response answer = { .status = MHD_HTTP_TOO_MANY_REQUESTS,
		.retry_after = WEB_IDLE_SECONDS };
	enum MHD_Result result;

	base_buffer_init(&answer.html, WEB_MAX_PAGE);
	pthread_mutex_lock(&web->lock);
	result = server_send(web, handle, &answer);
	pthread_mutex_unlock(&web->lock);
	base_buffer_free(&answer.html);
	return result;
}

/* Keeps a piece of the body, as long as it may still be a form of ours. */
static void
server_receive(struct server_request *request, const char *data, size_t length)
{
	if (request->is_too_large || length > WEB_MAX_FORM - request->length) {
		request->is_too_large = true;
		request->length = 0;
		request->body[0] = '\0';
		return;
	}
	memcpy(request->body + request->length, data, length);
	request->length += length;
	request->body[request->length] = '\0';
}

/* Called by the library: once for the header, for every piece of the body, and at its end.
 */
static enum MHD_Result
server_handle(void *context, struct MHD_Connection *handle, const char *url, const char *method,
    const char *version, const char *data, size_t *length, void **own)
{
	struct server_request *request = *own;

	(void)version;
	if (!request) {
		*own = calloc(1, sizeof(*request));
		if (!*own)
			return MHD_NO;
		return server_ask(handle) ? MHD_YES : server_refuse(context, handle);
	}
	if (*length) {
		server_receive(request, data, *length);
		*length = 0;
		return MHD_YES;
	}
	return server_answer(context, handle, url, method, request);
}

/* Called by the library when a request is over, however it ended. */
static void
server_request_over(
    void *context, struct MHD_Connection *handle, void **own, enum MHD_RequestTerminationCode code)
{
	(void)context, (void)handle, (void)code;
	free(*own);
	*own = NULL;
}

/* --- start and stop
 * --------------------------------------------------------------------------- */

/* The thread. */
static void *
server_run(void *context)
{
	struct web *web = context;

	while (!atomic_load(&web->is_stopping)) {
		if (MHD_run_wait(web->daemon, SERVER_WAIT_MS) != MHD_YES) {
			base_log(BASE_LOG_ERROR, "the web server cannot wait for requests");
			base_sleep_ms(SERVER_WAIT_MS);
		}
		web_clients_cut_off(web->clients, web->limit_ms);
	}
	return NULL;
}

/* A listening socket on one address, or -1 with errno set. */
static int
server_bind(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, problem;

	if (fd < 0)
		return -1;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	    !bind(fd, address->ai_addr, address->ai_addrlen) && !listen(fd, SERVER_BACKLOG))
		return fd;
	problem = errno;
	close(fd);
	errno = problem;
	return -1;
}

/* Listens where the settings say. */
static enum base_result
server_listen(const struct settings *settings, int *fd_r, const char **why_r)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *addresses;
	char port[16];
	int code, fd;

	snprintf(port, sizeof(port), "%u", settings->web.listen_port);
	code = getaddrinfo(settings->web.listen_host, port, &hints, &addresses);
	if (code) {
		*why_r =
		    base_why("web.listen: %s: %s", settings->web.listen_host, gai_strerror(code));
		return BASE_BROKEN;
	}
	fd = server_bind(addresses);
	freeaddrinfo(addresses);
	if (fd < 0) {
		*why_r = base_why(
		    "web.listen: %s port %s: %s", settings->web.listen_host, port, strerror(errno));
		return BASE_BROKEN;
	}
	*fd_r = fd;
	return BASE_OK;
}

/* Hands the library's own complaints to the log. */
static void
server_log(void *context, const char *format, va_list arguments)
{
	char text[300];

	(void)context;
	/* The library's own constant formats. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(text, sizeof(text), format, arguments);
#pragma GCC diagnostic pop
	text[strcspn(text, "\r\n")] = '\0';
	base_log(BASE_LOG_DEBUG, "libmicrohttpd: %s", text);
}

/* The library with our limits. It owns the socket from here on. */
static enum base_result
server_open(struct web *web, int fd, const char **why_r)
{
	const union MHD_DaemonInfo *info;

	web->daemon =
	    MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, server_admit, web, server_handle,
		web, MHD_OPTION_EXTERNAL_LOGGER, server_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)WEB_MAX_CONNECTIONS + SERVER_SPARE, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)WEB_MAX_CONNECTION, MHD_OPTION_CONNECTION_TIMEOUT, web->idle_seconds,
		MHD_OPTION_NOTIFY_CONNECTION, server_connection_changed, web,
		MHD_OPTION_NOTIFY_COMPLETED, server_request_over, NULL, MHD_OPTION_END);
	if (!web->daemon) {
		close(fd);
		*why_r = base_why("libmicrohttpd cannot start");
		return BASE_BROKEN;
	}
	info = MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_BIND_PORT);
	web->port = info ? info->port : 0;
	return BASE_OK;
}

/* What follows from the settings alone. */
static void
server_settle(struct web *web, const struct settings *settings,
    const struct words_templates *templates, struct hold *hold)
{
	const char *base_url = settings->web.base_url, *host = strstr(base_url, "://");
	const char *prefix = host ? strchr(host + 3, '/') : NULL;

	web->page_context = (struct web_context){ .hold = hold,
		.templates = templates,
		.words = words_templates_find(templates, NULL, settings->notice.language),
		.base_url = base_url,
		.prefix = prefix ? prefix : "" };
	web->proxies = settings->web.trusted_proxies;
	web->proxy_count = settings->web.trusted_proxy_count;
	web->is_https = !strncmp(base_url, "https://", 8);
}

/* Everything that is needed before the first request. */
static void
server_prepare(struct web *web, const struct settings *settings,
    const struct words_templates *templates, struct hold *hold, int seconds, int idle_seconds)
{
	char hash[BASE_SHA256_TEXT_SIZE];

	pthread_mutex_init(&web->lock, NULL);
	server_settle(web, settings, templates, hold);
	web->limit_ms = (int64_t)seconds * 1000;
	web->idle_seconds = (unsigned)idle_seconds;
	base_sha256_text(web_style, hash);
	snprintf(web->policy, sizeof(web->policy),
	    "default-src 'none'; style-src 'sha256-%s'; form-action 'self'; "
	    "frame-ancestors 'none'; base-uri 'none'",
	    hash);
}

/* Gives back everything. */
static void
server_free(struct web *web)
{
	if (web->daemon)
		MHD_stop_daemon(web->daemon);
	web_clients_free(&web->clients);
	base_arena_free(&web->arena);
	pthread_mutex_destroy(&web->lock);
	free(web);
}

/* Starts serving, with limits on the whole time of a connection and on its silence. */
enum base_result
web_start_limited(const struct settings *settings, const struct words_templates *templates,
    struct hold *hold, int seconds, int idle_seconds, struct web **web_r, const char **why_r)
{
	struct web *web = calloc(1, sizeof(*web));
	enum base_result result = BASE_BROKEN;
	int fd;

	if (!web || !(web->arena = base_arena_new(SERVER_MAX_ARENA)) ||
	    !(web->clients = web_clients_new())) {
		if (web)
			base_arena_free(&web->arena);
		free(web);
		*why_r = base_why("no memory for the web server");
		return BASE_BROKEN;
	}
	server_prepare(web, settings, templates, hold, seconds, idle_seconds);
	result = server_listen(settings, &fd, why_r);
	if (result == BASE_OK)
		result = server_open(web, fd, why_r);
	if (result == BASE_OK && pthread_create(&web->thread, NULL, server_run, web)) {
		*why_r = base_why("the web server's thread cannot be started");
		result = BASE_BROKEN;
	}
	if (result != BASE_OK) {
		server_free(web);
		return result;
	}
	*web_r = web;
	return BASE_OK;
}

/* Starts serving. */
enum base_result
web_start(const struct settings *settings, const struct words_templates *templates,
    struct hold *hold, struct web **web_r, const char **why_r)
{
	return web_start_limited(
	    settings, templates, hold, WEB_SECONDS, WEB_IDLE_SECONDS, web_r, why_r);
}

void
web_change(
    struct web *web, const struct settings *settings, const struct words_templates *templates)
{
	pthread_mutex_lock(&web->lock);
	server_settle(web, settings, templates, web->page_context.hold);
	pthread_mutex_unlock(&web->lock);
}

/* The port that is listened on. */
unsigned
web_port(const struct web *web)
{
	return web->port;
}

/* Ends the thread and every connection. */
void
web_stop(struct web **web)
{
	if (!*web)
		return;
	atomic_store(&(*web)->is_stopping, true);
	pthread_join((*web)->thread, NULL);
	server_free(*web);
	*web = NULL;
}
