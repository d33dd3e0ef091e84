/* The asking side: one connection, one request, one answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

struct queue_client {
	char *socket_path;
	int timeout_ms;
};

struct queue_client *
queue_client_new(const char *socket_path, int timeout_ms)
{
	struct queue_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->timeout_ms = timeout_ms;
	client->socket_path = strdup(socket_path);
	if (client->socket_path == NULL)
		queue_client_free(&client);
	return client;
}

void
queue_client_free(struct queue_client **client)
{
	if (*client == NULL)
		return;
	free((*client)->socket_path);
	free(*client);
	*client = NULL;
}

/* The reverse of queue_status_str(). */
bool
queue_status_parse(const char *text, enum queue_status *status_r)
{
	for (size_t i = 0; i <= QUEUE_FAILED; i++) {
		if (strcmp(text, queue_status_str((enum queue_status)i)) == 0) {
			*status_r = (enum queue_status)i;
			return true;
		}
	}
	return false;
}

/* QUEUEID SP HOLDID SP MAC. */
enum base_result
queue_found_parse(char *line, struct queue_item *item_r, const char **why_r)
{
	struct queue_item item = { .status = QUEUE_HELD };
	char *space = strrchr(line, ' ');

	if (space == NULL || !queue_is_mac(space + 1)) {
		*why_r = "not a queue id, a hold id and a MAC";
		return BASE_REFUSE;
	}
	*space = '\0';
	item.mac = space + 1;
	if (queue_item_parse(line, &item.queue_id, &item.hold_id, why_r) != BASE_OK)
		return BASE_REFUSE;
	*item_r = item;
	return BASE_OK;
}

/* Exactly `length` bytes. */
static enum base_result
wire_bytes(struct queue_wire *wire, char *data, size_t length, const char **why_r)
{
	while (length > 0) {
		enum base_result result;
		size_t piece;

		if (wire->start == wire->end && (result = queue_wire_fill(wire, why_r)) != BASE_OK)
			return result;
		piece = wire->end - wire->start;
		if (piece > length)
			piece = length;
		memcpy(data, wire->data + wire->start, piece);
		wire->start += piece;
		data += piece;
		length -= piece;
	}
	return BASE_OK;
}

/* Reads a line of the answer: what breaks off may be asked again, ERROR is a refusal. */
static enum base_result
response_line(struct queue_wire *wire, char line_r[QUEUE_MAX_LINE], const char **why_r)
{
	enum base_result result = queue_wire_line(wire, line_r, why_r);

	if (result == BASE_OK && strncmp(line_r, "ERROR ", 6) == 0) {
		*why_r = base_why("oops-queued refused: %s", line_r + 6);
		return BASE_REFUSE;
	}
	if (result == BASE_NONE || result == BASE_REFUSE) {
		*why_r = base_why("oops-queued's answer broke off: %s", *why_r);
		return BASE_RETRY;
	}
	return result;
}

/* Connects and sends the whole request. */
static enum base_result
request_send(struct queue_client *client, const struct base_buffer *request,
    struct queue_wire *wire, const char **why_r)
{
	char line[QUEUE_MAX_LINE];
	struct sockaddr_un address;
	enum base_result result;
	const char *why;
	int fd;

	result = queue_address(client->socket_path, &address, why_r);
	if (result != BASE_OK)
		return result;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		*why_r = base_why(
		    "cannot reach oops-queued at %s: %s", client->socket_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return BASE_RETRY;
	}
	queue_wire_init(wire, fd, base_tick_ms() + client->timeout_ms);
	result = queue_wire_send(wire, request->data, request->length, why_r);
	/* Who is refused at once may have its reason before everything is sent. */
	if (result != BASE_OK && response_line(wire, line, &why) == BASE_REFUSE) {
		result = BASE_REFUSE;
		*why_r = why;
	}
	if (result != BASE_OK)
		close(fd);
	return result;
}

/* A line that does not follow the protocol. */
static enum base_result
malformed(const char *line, const char **why_r)
{
	*why_r = base_why("oops-queued's answer makes no sense: %.60s", line);
	return BASE_RETRY;
}

/* The last line must be END. */
static enum base_result
response_end(struct queue_wire *wire, const char **why_r)
{
	char line[QUEUE_MAX_LINE];
	enum base_result result = response_line(wire, line, why_r);

	if (result == BASE_OK && strcmp(line, "END") != 0)
		return malformed(line, why_r);
	return result;
}

/* QUEUEID SP STATUS, of the file that was asked for; what follows the status in *rest_r. */
static enum base_result
response_status(struct queue_wire *wire, const char *queue_id, enum queue_status *status_r,
    char rest_r[QUEUE_MAX_LINE], const char **why_r)
{
	char line[QUEUE_MAX_LINE];
	enum base_result result = response_line(wire, line, why_r);
	size_t length = strlen(queue_id);
	char *word, *end;

	if (result != BASE_OK)
		return result;
	if (strncmp(line, queue_id, length) != 0 || line[length] != ' ')
		return malformed(line, why_r);
	word = line + length + 1;
	end = word + strcspn(word, " ");
	memcpy(rest_r, end, strlen(end) + 1);
	*end = '\0';
	return queue_status_parse(word, status_r) ? BASE_OK : malformed(line, why_r);
}

/* All statuses of an answer. They are kept apart until the whole answer is there. */
static enum base_result
response_statuses(
    struct queue_wire *wire, struct queue_item *items, size_t count, const char **why_r)
{
	enum queue_status statuses[QUEUE_MAX_ITEMS];
	char rest[QUEUE_MAX_LINE];
	enum base_result result;

	for (size_t i = 0; i < count; i++) {
		result = response_status(wire, items[i].queue_id, &statuses[i], rest, why_r);
		if (result == BASE_OK && rest[0] != '\0')
			result = malformed(rest, why_r);
		if (result != BASE_OK)
			return result;
	}
	result = response_end(wire, why_r);
	for (size_t i = 0; result == BASE_OK && i < count; i++)
		items[i].status = statuses[i];
	return result;
}

/* Adds one item line; what oops-queued would refuse is refused here. */
static enum base_result
request_item(
    struct base_buffer *request, const char *queue_id, const char *hold_id, const char **why_r)
{
	if (!queue_is_queue_id(queue_id) || !base_is_id(hold_id)) {
		*why_r = base_why("not a queue id and a hold id: %.64s %.64s", queue_id, hold_id);
		return BASE_REFUSE;
	}
	base_buffer_printf(request, "%s %s\n", queue_id, hold_id);
	return BASE_OK;
}

enum base_result
queue_ask(struct queue_client *client, enum queue_verb verb, struct queue_item *items, size_t count,
    const char **why_r)
{
	enum base_result result = BASE_OK;
	struct base_buffer request;
	struct queue_wire wire;

	if (count == 0 || count > QUEUE_MAX_ITEMS) {
		*why_r = base_why("%zu files in one request", count);
		return BASE_REFUSE;
	}
	base_buffer_init(&request, (QUEUE_MAX_ITEMS + 1) * QUEUE_MAX_LINE);
	base_buffer_printf(&request, "%s %zu\n", queue_verb_str(verb), count);
	for (size_t i = 0; i < count && result == BASE_OK; i++)
		result = request_item(&request, items[i].queue_id, items[i].hold_id, why_r);
	if (result == BASE_OK && request.failed) {
		*why_r = "out of memory";
		result = BASE_BROKEN;
	}
	if (result == BASE_OK &&
	    (result = request_send(client, &request, &wire, why_r)) == BASE_OK) {
		result = response_statuses(&wire, items, count, why_r);
		close(wire.fd);
	}
	base_buffer_free(&request);
	return result;
}

/* SP LENGTH LF, then the bytes, then END. */
static enum base_result
response_message(struct queue_wire *wire, struct base_arena *arena, const char *rest,
    size_t max_bytes, char **data_r, size_t *length_r, const char **why_r)
{
	enum base_result result;
	size_t length;
	char *data, *end;

	length = strtoul(rest[0] == ' ' ? rest + 1 : rest, &end, 10);
	if (rest[0] != ' ' || end == rest + 1 || *end != '\0')
		return malformed(rest, why_r);
	if (length > max_bytes) {
		*why_r = base_why("the message has %zu bytes, more than %zu", length, max_bytes);
		return BASE_REFUSE;
	}
	data = base_arena_alloc(arena, length + 1);
	if (data == NULL) {
		*why_r = base_why("no memory for a message of %zu bytes", length);
		return BASE_BROKEN;
	}
	result = wire_bytes(wire, data, length, why_r);
	if (result == BASE_NONE)
		result = BASE_RETRY;
	if (result == BASE_OK)
		result = response_end(wire, why_r);
	if (result == BASE_OK) {
		*data_r = data;
		*length_r = length;
	}
	return result;
}

enum base_result
queue_read(struct queue_client *client, struct base_arena *arena, const char *queue_id,
    const char *hold_id, size_t max_bytes, char **data_r, size_t *length_r, const char **why_r)
{
	enum queue_status status = QUEUE_FAILED;
	enum base_result result;
	struct base_buffer request;
	struct queue_wire wire;
	char rest[QUEUE_MAX_LINE];

	base_buffer_init(&request, 2 * QUEUE_MAX_LINE);
	base_buffer_puts(&request, "READ 1\n");
	result = request_item(&request, queue_id, hold_id, why_r);
	if (result == BASE_OK)
		result = request_send(client, &request, &wire, why_r);
	base_buffer_free(&request);
	if (result != BASE_OK)
		return result;
	result = response_status(&wire, queue_id, &status, rest, why_r);
	if (result == BASE_OK && (status == QUEUE_HELD || status == QUEUE_MOVING)) {
		result = response_message(&wire, arena, rest, max_bytes, data_r, length_r, why_r);
	} else if (result == BASE_OK) {
		*why_r = base_why("%s: %s", queue_id, queue_status_str(status));
		result = status == QUEUE_FAILED ? BASE_RETRY : BASE_NONE;
	}
	close(wire.fd);
	return result;
}

/* Collects the lines of a SCAN up to END. */
static enum base_result
response_files(struct queue_client *client, struct queue_wire *wire, struct base_arena *arena,
    struct queue_item **items_r, size_t *count_r, const char **why_r)
{
	struct queue_item *items = NULL;
	size_t count = 0, capacity = 0;

	for (;;) {
		char line[QUEUE_MAX_LINE], *copy;
		enum base_result result = response_line(wire, line, why_r);

		if (result != BASE_OK)
			return result;
		/* many files take a while: only silence is too long */
		wire->deadline = base_tick_ms() + client->timeout_ms;
		if (strcmp(line, "END") == 0)
			break;
		if (count == capacity) {
			struct queue_item *more;

			capacity = capacity == 0 ? 64 : capacity * 2;
			more = base_arena_array(arena, capacity, sizeof(*more));
			if (more != NULL && count > 0)
				memcpy(more, items, count * sizeof(*items));
			items = more;
		}
		copy = base_arena_strdup(arena, line);
		if (items == NULL || copy == NULL) {
			*why_r = "no memory for the list of held files";
			return BASE_BROKEN;
		}
		if (queue_found_parse(copy, &items[count], why_r) != BASE_OK)
			return malformed(line, why_r);
		count++;
	}
	*items_r = items;
	*count_r = count;
	return BASE_OK;
}

enum base_result
queue_scan(struct queue_client *client, struct base_arena *arena, struct queue_item **items_r,
    size_t *count_r, const char **why_r)
{
	enum base_result result;
	struct base_buffer request;
	struct queue_wire wire;

	base_buffer_init(&request, QUEUE_MAX_LINE);
	base_buffer_puts(&request, "SCAN 0\n");
	result = request_send(client, &request, &wire, why_r);
	base_buffer_free(&request);
	if (result != BASE_OK)
		return result;
	result = response_files(client, &wire, arena, items_r, count_r, why_r);
	close(wire.fd);
	return result;
}
