/* oops-queued's side: one request at a time, from one uid, about files with our tag only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/queue/internal.h"

#define REQUEST_MS 60000     /* for a whole request, the MTA's tools included; a SCAN: for a part */
#define REQUEST_READ_MS 5000 /* for the request to arrive */
#define MAX_SCAN 20000       /* files on hold that a SCAN looks at */
#define STOP_CHECK_MS 500    /* how late a signal may be seen that came between two calls */

struct server {
	const struct queue_server_options *options;
	const struct queue_driver *driver;
	struct queue_mta mta;
	struct queue_wire wire; /* of the present request */
	bool is_away;           /* that the queue is not the right one was told */
};

/* One request: its lines, cut up. */
struct request {
	struct queue_request head;
	struct queue_item items[QUEUE_MAX_ITEMS];
	struct queue_lookup lookups[QUEUE_MAX_ITEMS];
	char lines[QUEUE_MAX_ITEMS][QUEUE_MAX_LINE];
};

const struct queue_driver *
queue_driver_for(const char *mta_kind)
{
	static const struct queue_driver *const drivers[] = { &queue_postfix, &queue_sendmail };

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (strcmp(mta_kind, drivers[i]->kind) == 0)
			return drivers[i];
	}
	return NULL;
}

/* --- the socket --------------------------------------------------------------------- */

/* Removes a socket that nobody listens on any more; anything else there is left alone. */
static enum base_result
stale_remove(const char *socket_path, const struct sockaddr_un *address, const char **why_r)
{
	struct stat status;
	int fd, error;

	if (lstat(socket_path, &status) != 0)
		return BASE_OK;
	if (!S_ISSOCK(status.st_mode)) {
		*why_r = base_why("%s: is there and is no socket", socket_path);
		return BASE_BROKEN;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	error = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0
		    ? 0
		    : errno;
	if (fd >= 0)
		close(fd);
	if (error != ECONNREFUSED || unlink(socket_path) != 0) {
		*why_r = base_why("%s: in use: %s", socket_path,
		    error == 0 ? "somebody listens there" : strerror(error));
		return BASE_BROKEN;
	}
	return BASE_OK;
}

/*
 * Gives the socket to the allowed user. The directory may be that user's, so the name alone
 * cannot be trusted: what is given away is the very file that was opened and looked at.
 */
static bool
socket_give(const char *socket_path, unsigned allowed_uid)
{
	int fd = open(socket_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	bool is_done;

	is_done = fd >= 0 && fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) &&
		  status.st_nlink == 1 && status.st_uid == geteuid() &&
		  fchownat(fd, "", allowed_uid, (gid_t)-1, AT_EMPTY_PATH) == 0;
	if (fd >= 0)
		close(fd);
	return is_done;
}

enum base_result
queue_listen(const struct queue_server_options *options, int *fd_r, const char **why_r)
{
	const char *path = options->socket_path;
	struct sockaddr_un address;
	enum base_result result;
	mode_t mask;
	int fd, error = 0;

	result = queue_address(path, &address, why_r);
	if (result == BASE_OK)
		result = base_folder_guard(path, options->allowed_uid, why_r);
	if (result == BASE_OK)
		result = stale_remove(path, &address, why_r);
	if (result != BASE_OK)
		return BASE_BROKEN;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		error = errno;
	umask(mask);
	if (error == 0 && options->allowed_uid != geteuid() &&
	    !socket_give(path, options->allowed_uid))
		error = errno != 0 ? errno : EPERM;
	if (error == 0 && listen(fd, 16) != 0)
		error = errno;
	if (error != 0) {
		*why_r = base_why("%s: %s", path, strerror(error));
		if (fd >= 0)
			close(fd);
		return BASE_BROKEN;
	}
	*fd_r = fd;
	return BASE_OK;
}

/* --- requests ------------------------------------------------------------------------ */

/* ERROR SP text LF; the peer's part of the text was left out of it by who made it. */
static void
send_error(struct server *server, const char *text)
{
	const char *ignored;
	char line[QUEUE_MAX_LINE];
	int n = snprintf(line, sizeof(line), "ERROR %.180s\n", text);

	queue_wire_send(&server->wire, line, (size_t)n, &ignored);
}

/* Reads a whole request before anything of it is done. */
static enum base_result
request_read(struct server *server, struct request *request, const char **why_r)
{
	char head[QUEUE_MAX_LINE];
	enum base_result result = queue_wire_line(&server->wire, head, why_r);

	if (result == BASE_OK)
		result = queue_request_parse(head, &request->head, why_r);
	for (size_t i = 0; result == BASE_OK && i < request->head.count; i++) {
		result = queue_wire_line(&server->wire, request->lines[i], why_r);
		if (result == BASE_OK)
			result = queue_item_parse(request->lines[i], &request->items[i].queue_id,
			    &request->items[i].hold_id, why_r);
	}
	return result;
}

/* Where a queue is not the one that was there, that is told once. */
static void
report_away(struct server *server)
{
	if (server->mta.is_away && !server->is_away)
		base_log(BASE_LOG_WARNING,
		    "a queue directory is not the one that was there: what is not found is "
		    "not "
		    "taken for gone; is its file system mounted? If it is right, restart "
		    "oops-queued");
	server->is_away = server->mta.is_away;
}

/* Where the files are; FOREIGN unless its own tag carries the hold id asked for. */
static void
lookup_items(struct server *server, struct request *request)
{
	struct queue_item *items = request->items;
	struct queue_lookup *lookups = request->lookups;
	size_t count = request->head.count;

	for (size_t i = 0; i < count; i++)
		lookups[i] = (struct queue_lookup){ .queue_id = items[i].queue_id,
			.hold_id = items[i].hold_id };
	server->driver->lookup(&server->mta, lookups, count, server->wire.deadline);
	report_away(server);
	for (size_t i = 0; i < count; i++) {
		items[i].status = lookups[i].status;
		if ((lookups[i].status == QUEUE_HELD || lookups[i].status == QUEUE_MOVING) &&
		    strcmp(lookups[i].tag.hold_id, items[i].hold_id) != 0)
			items[i].status = QUEUE_FOREIGN;
	}
}

/*
 * Marks held files as stopped, or (`is_stopped` false) takes the mark away where it is. One that
 * left meanwhile is told as such by the next question.
 */
static enum base_result
mark_items(struct server *server, struct request *request, bool is_stopped, const char **why_r)
{
	enum base_result worst = BASE_OK;

	for (size_t i = 0; i < request->head.count; i++) {
		struct queue_item *item = &request->items[i];
		const char *why = "";

		if (item->status != QUEUE_HELD ||
		    (!is_stopped && !request->lookups[i].is_stopped) ||
		    server->driver->mark(&server->mta, item, is_stopped, &why) == BASE_OK)
			continue;
		item->status = QUEUE_FAILED;
		*why_r = why;
		worst = BASE_RETRY;
	}
	return worst;
}

/* Does the verb to all that are ours, in one go. */
static enum base_result
act_on_items(struct server *server, struct request *request, const char **why_r)
{
	enum queue_verb verb = request->head.verb;
	enum base_result marked = BASE_OK, acted = BASE_OK;

	if (verb == QUEUE_STOP)
		return mark_items(server, request, true, why_r);
	if (verb == QUEUE_RELEASE)
		marked = mark_items(server, request, false, why_r);
	acted = server->driver->act(
	    &server->mta, verb, request->items, request->head.count, server->wire.deadline, why_r);
	return acted == BASE_OK ? marked : acted;
}

/* STATUS, RELEASE, RETURN, DELETE, STOP: look, then act on all of ours. */
static void
serve_verb(struct server *server, struct request *request)
{
	struct queue_item *items = request->items;
	size_t count = request->head.count, ours = 0;
	enum queue_verb verb = request->head.verb;
	enum base_result acted = BASE_OK;
	struct base_buffer answer;
	const char *why = "";

	lookup_items(server, request);
	for (size_t i = 0; i < count; i++) {
		ours += items[i].status == QUEUE_HELD || items[i].status == QUEUE_MOVING;
		if (items[i].status == QUEUE_FOREIGN)
			base_log(BASE_LOG_WARNING, "%s %s: not our file, left alone",
			    queue_verb_str(verb), items[i].queue_id);
	}
	if (verb != QUEUE_STATUS && ours > 0) {
		acted = act_on_items(server, request, &why);
		base_log(acted == BASE_OK ? BASE_LOG_INFO : BASE_LOG_WARNING, "%s of %zu files: %s",
		    queue_verb_str(verb), ours, acted == BASE_OK ? "done" : why);
	}
	base_buffer_init(&answer, (QUEUE_MAX_ITEMS + 1) * QUEUE_MAX_LINE);
	for (size_t i = 0; i < count; i++)
		base_buffer_printf(
		    &answer, "%s %s\n", items[i].queue_id, queue_status_str(items[i].status));
	base_buffer_puts(&answer, "END\n");
	if (answer.failed)
		send_error(server, "out of memory");
	else if (queue_wire_send(&server->wire, answer.data, answer.length, &why) != BASE_OK)
		base_log(BASE_LOG_WARNING, "answer not taken: %s", why);
	base_buffer_free(&answer);
}

/* READ: the message of one file of ours. */
static void
serve_read(struct server *server, struct request *request)
{
	const struct queue_item *item = &request->items[0];
	enum queue_status status;
	struct base_buffer message;
	char line[QUEUE_MAX_LINE];
	const char *why;
	int n;

	lookup_items(server, request);
	status = item->status;
	base_buffer_init(&message, QUEUE_MAX_READ);
	if ((status == QUEUE_HELD || status == QUEUE_MOVING) &&
	    server->driver->read(
		&server->mta, item->queue_id, server->wire.deadline, &message, &why) != BASE_OK) {
		base_log(BASE_LOG_WARNING, "READ %s: %s", item->queue_id, why);
		status = QUEUE_FAILED;
	}
	if (status == QUEUE_HELD || status == QUEUE_MOVING)
		n = snprintf(line, sizeof(line), "%s %s %zu\n", item->queue_id,
		    queue_status_str(status), message.length);
	else
		n = snprintf(
		    line, sizeof(line), "%s %s\n", item->queue_id, queue_status_str(status));
	if (queue_wire_send(&server->wire, line, (size_t)n, &why) == BASE_OK &&
	    (status == QUEUE_FAILED || message.length == 0 ||
		queue_wire_send(&server->wire, message.data, message.length, &why) == BASE_OK))
		queue_wire_send(&server->wire, "END\n", 4, &why);
	base_buffer_free(&message);
}

/* Some files of a SCAN; the answer goes out line by line, so that it needs no memory. */
static enum base_result
scan_batch(struct server *server, struct queue_lookup *lookups, size_t count, const char **why_r)
{
	enum base_result result = BASE_OK;
	char line[QUEUE_MAX_LINE];
	int n;

	server->wire.deadline = base_tick_ms() + REQUEST_MS; /* thousands take a while */
	server->driver->lookup(&server->mta, lookups, count, server->wire.deadline);
	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		if (lookups[i].status == QUEUE_FAILED) {
			*why_r = "the MTA's tools do not answer";
			result = BASE_RETRY;
		} else if (lookups[i].status == QUEUE_HELD) {
			n = snprintf(line, sizeof(line), "%s %s %s\n", lookups[i].queue_id,
			    lookups[i].tag.hold_id, lookups[i].tag.mac);
			result = queue_wire_send(&server->wire, line, (size_t)n, why_r);
		}
	}
	return result;
}

/* Every file whose id is in the text, one a line. */
static enum base_result
scan_all(struct server *server, struct queue_lookup *lookups, char *ids, const char **why_r)
{
	enum base_result result = BASE_OK;
	size_t count = 0;
	char *id;

	while (result == BASE_OK && ids != NULL && (id = strsep(&ids, "\n")) != NULL) {
		if (*id != '\0')
			lookups[count++] = (struct queue_lookup){ .queue_id = id };
		if (count == QUEUE_MAX_ITEMS || ids == NULL) {
			result = scan_batch(server, lookups, count, why_r);
			count = 0;
		}
	}
	return result;
}

/* SCAN: every file on hold that carries our tag. */
static void
serve_scan(struct server *server, struct request *request)
{
	enum base_result result;
	struct base_buffer ids;
	const char *why = "";

	base_buffer_init(&ids, MAX_SCAN * (QUEUE_MAX_ID + 1));
	result = server->driver->list_held(&server->mta, server->wire.deadline, &ids, &why);
	if (result == BASE_OK)
		result = scan_all(server, request->lookups, ids.data, &why);
	base_buffer_free(&ids);
	if (result == BASE_OK) {
		queue_wire_send(&server->wire, "END\n", 4, &why);
	} else {
		base_log(BASE_LOG_WARNING, "SCAN: %s", why);
		send_error(server, why);
	}
}

/* One request, from its first line to the end of the answer. */
static void
serve_request(struct server *server)
{
	struct request *request = calloc(1, sizeof(*request));
	const char *why = "out of memory";
	enum base_result result = BASE_BROKEN;

	if (request != NULL)
		result = request_read(server, request, &why);
	if (result != BASE_OK) {
		/* One who only looks whether we are there says nothing. */
		if (result != BASE_NONE)
			base_log(BASE_LOG_WARNING, "request refused: %s", why);
		send_error(server, why);
		free(request);
		return;
	}
	server->wire.deadline = base_tick_ms() + REQUEST_MS;
	switch (request->head.kind) {
	case QUEUE_KIND_VERB:
		serve_verb(server, request);
		break;
	case QUEUE_KIND_READ:
		serve_read(server, request);
		break;
	case QUEUE_KIND_SCAN:
		serve_scan(server, request);
		break;
	}
	free(request);
}

/* Who is at the other end is asked of the kernel, before a byte is read. */
static void
serve_peer(struct server *server, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	queue_wire_init(&server->wire, fd, base_tick_ms() + REQUEST_READ_MS);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
	    (peer.uid != 0 && peer.uid != server->options->allowed_uid)) {
		base_log(BASE_LOG_WARNING, "uid %u refused", (unsigned)peer.uid);
		send_error(server, "this user may not ask");
		return;
	}
	serve_request(server);
}

/* Accepts until told to stop. */
static void
serve_loop(struct server *server, int listener, volatile int *stop)
{
	struct pollfd ready = { .fd = listener, .events = POLLIN };

	while (!*stop) {
		int fd;

		if (poll(&ready, 1, STOP_CHECK_MS) <= 0)
			continue;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			serve_peer(server, fd);
			close(fd);
		} else if (errno != EINTR && errno != EAGAIN && errno != ECONNABORTED) {
			base_log(BASE_LOG_ERROR, "cannot accept: %s", strerror(errno));
			base_sleep_ms(STOP_CHECK_MS);
		}
	}
}

enum base_result
queue_server_run(const struct queue_server_options *options, int listener, volatile int *stop,
    enum base_result (*ready)(const struct queue_mta *mta, const char **why_r), const char **why_r)
{
	struct server *server = calloc(1, sizeof(*server));
	enum base_result result = BASE_BROKEN;

	*why_r = "out of memory";
	if (server != NULL) {
		server->options = server->mta.options = options;
		server->driver = queue_driver_for(options->mta_kind);
		result = server->driver->open(&server->mta, why_r);
	}
	if (result == BASE_OK && ready != NULL)
		result = ready(&server->mta, why_r);
	if (result == BASE_OK) {
		base_log(BASE_LOG_INFO, "serving uid %u at %s", options->allowed_uid,
		    options->socket_path);
		serve_loop(server, listener, stop);
	}
	free(server);
	return result == BASE_OK ? BASE_OK : BASE_BROKEN;
}
