/* Lines over a socket with a deadline, and the grammar of requests and answers. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

static const char *const verbs[] = { "STATUS", "RELEASE", "RETURN", "DELETE", "STOP" };
static const char *const statuses[] = { "HELD", "MOVING", "GONE", "FOREIGN", "FAILED" };

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A verb as requests spell it. */
const char *
queue_verb_str(enum queue_verb verb)
{
	return (size_t)verb < COUNT_OF(verbs) ? verbs[verb] : "?";
}

/* A status as answers spell it. */
const char *
queue_status_str(enum queue_status status)
{
	return (size_t)status < COUNT_OF(statuses) ? statuses[status] : "?";
}

/* Letters and digits only: it becomes an argument of root's commands. */
bool
queue_is_queue_id(const char *text)
{
	size_t length = strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz");

	return text[length] == '\0' && length >= QUEUE_MIN_ID && length <= QUEUE_MAX_ID;
}

/* A decimal number without sign or leading zero, at most `max`. */
static bool
count_parse(const char *text, size_t max, size_t *count_r)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 6 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
		return false;
	*count_r = strtoul(text, NULL, 10);
	return *count_r <= max;
}

/* What a verb asks for, from its name. */
static bool
verb_parse(const char *word, size_t length, struct queue_request *request_r)
{
	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		if (strlen(verbs[i]) == length && memcmp(word, verbs[i], length) == 0) {
			request_r->kind = QUEUE_KIND_VERB;
			request_r->verb = (enum queue_verb)i;
			return true;
		}
	}
	if (length == 4 && memcmp(word, "READ", 4) == 0)
		request_r->kind = QUEUE_KIND_READ;
	else if (length == 4 && memcmp(word, "SCAN", 4) == 0)
		request_r->kind = QUEUE_KIND_SCAN;
	else
		return false;
	return true;
}

/* VERB SP COUNT. */
enum base_result
queue_request_parse(const char *line, struct queue_request *request_r, const char **why_r)
{
	struct queue_request request = { .kind = QUEUE_KIND_VERB };
	size_t word = strcspn(line, " ");
	bool fits;

	if (!verb_parse(line, word, &request) || line[word] != ' ') {
		*why_r = "unknown verb";
		return BASE_REFUSE;
	}
	fits = count_parse(line + word + 1, QUEUE_MAX_ITEMS, &request.count);
	if (request.kind == QUEUE_KIND_VERB)
		fits = fits && request.count > 0;
	else
		fits = fits && request.count == (request.kind == QUEUE_KIND_READ ? 1 : 0);
	if (!fits) {
		*why_r = "wrong count";
		return BASE_REFUSE;
	}
	*request_r = request;
	return BASE_OK;
}

/* QUEUEID SP HOLDID. */
enum base_result
queue_item_parse(char *line, const char **queue_id_r, const char **hold_id_r, const char **why_r)
{
	char *space = strchr(line, ' ');

	if (space != NULL)
		*space = '\0';
	if (space == NULL || !queue_is_queue_id(line) || !base_is_id(space + 1)) {
		*why_r = "not a queue id and a hold id";
		return BASE_REFUSE;
	}
	*queue_id_r = line;
	*hold_id_r = space + 1;
	return BASE_OK;
}

void
queue_wire_init(struct queue_wire *wire, int fd, int64_t deadline)
{
	wire->fd = fd;
	wire->deadline = deadline;
	wire->start = wire->end = 0;
}

/* Waits until the peer is ready to be read from or written to. */
static enum base_result
wait_for(struct queue_wire *wire, short events, const char **why_r)
{
	struct pollfd ready = { .fd = wire->fd, .events = events };

	for (;;) {
		int64_t left = wire->deadline - base_tick_ms();
		int n = left > 0 ? poll(&ready, 1, (int)left) : 0;

		if (n > 0)
			return BASE_OK;
		if (n == 0) {
			*why_r = "no answer in time";
			return BASE_RETRY;
		}
		if (errno != EINTR) {
			*why_r = base_why("cannot wait for the socket: %s", strerror(errno));
			return BASE_RETRY;
		}
	}
}

/* Reads what there is into an empty buffer. */
enum base_result
queue_wire_fill(struct queue_wire *wire, const char **why_r)
{
	for (;;) {
		enum base_result result = wait_for(wire, POLLIN, why_r);
		ssize_t n;

		if (result != BASE_OK)
			return result;
		n = recv(wire->fd, wire->data, sizeof(wire->data), MSG_DONTWAIT);
		if (n > 0) {
			wire->start = 0;
			wire->end = (size_t)n;
			return BASE_OK;
		}
		if (n == 0) {
			*why_r = "the connection was closed";
			return BASE_NONE;
		}
		if (errno != EINTR && errno != EAGAIN) {
			*why_r = base_why("cannot read from the socket: %s", strerror(errno));
			return BASE_RETRY;
		}
	}
}

/* The next line, without its LF. */
enum base_result
queue_wire_line(struct queue_wire *wire, char line_r[QUEUE_MAX_LINE], const char **why_r)
{
	size_t length = 0;

	for (;;) {
		enum base_result result;
		char c;

		if (wire->start == wire->end && (result = queue_wire_fill(wire, why_r)) != BASE_OK)
			return result;
		c = wire->data[wire->start++];
		if (c == '\n') {
			line_r[length] = '\0';
			return BASE_OK;
		}
		if (c == '\0' || length + 1 >= QUEUE_MAX_LINE) {
			*why_r = "line too long, or not text";
			return BASE_REFUSE;
		}
		line_r[length++] = c;
	}
}

/* All of it. */
enum base_result
queue_wire_send(struct queue_wire *wire, const void *data, size_t length, const char **why_r)
{
	const char *rest = data;

	while (length > 0) {
		enum base_result result = wait_for(wire, POLLOUT, why_r);
		ssize_t n;

		if (result != BASE_OK)
			return result;
		n = send(wire->fd, rest, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			rest += n;
			length -= (size_t)n;
		} else if (errno != EINTR && errno != EAGAIN) {
			*why_r = base_why("cannot write to the socket: %s", strerror(errno));
			return BASE_RETRY;
		}
	}
	return BASE_OK;
}

/* The path as a socket address. */
enum base_result
queue_address(const char *socket_path, struct sockaddr_un *address_r, const char **why_r)
{
	size_t length = strlen(socket_path);

	if (socket_path[0] != '/' || length >= sizeof(address_r->sun_path)) {
		*why_r = base_why("%s: not an absolute path of at most %zu bytes", socket_path,
		    sizeof(address_r->sun_path) - 1);
		return BASE_REFUSE;
	}
	memset(address_r, 0, sizeof(*address_r));
	address_r->sun_family = AF_UNIX;
	memcpy(address_r->sun_path, socket_path, length + 1);
	return BASE_OK;
}
