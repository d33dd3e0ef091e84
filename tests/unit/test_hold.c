/*
 * hold: the table of moves, what each answer of the queue means, and whole lives of holds
 * carried out by the real scheduler against a queue that speaks oops-queued's protocol over a
 * real socket. The queue is a process of its own with its files as rows on a shared page,
 * so that it outlives schedulers that are killed.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/hold/internal.h"
#include "milter/store/hold.h"
#include "milter/store/queue_entry.h"
#include "milter/store/store.h"
#include "milter/store/storm.h"
#include "tests/unit/folder.h"
#include "tests/unit/result.h"

static char directory[64];
static struct base_arena *arena;
static const char *why;

/* --- a queue to talk to ---------------------------------------------------------- */

enum place { NOWHERE, ON_HOLD, DEFERRED, FOREIGN };

struct file {
	char queue_id[24];
	char hold_id[24];
	enum place place;
	int released; /* how often it really left the hold queue */
	int returned;
	int deleted;
};

/* Shared with the process that serves. */
static struct {
	struct file files[600];
	atomic_int file_count;
	atomic_int fail; /* verbs that submission answer FAILED */
	atomic_int mute; /* connections are closed without an answer */
	atomic_int slow; /* milliseconds before each answer */
	atomic_int requests;
	atomic_int releases;           /* requests of that verb */
	atomic_int looks_before;       /* files that were looked at before the first of them */
	atomic_int observations;       /* of the schedulers */
	atomic_int observation_length; /* of the last one */
} * queue;

static char socket_path[100];
static pid_t server;

static struct file *
file_find(const char *queue_id)
{
	for (int i = 0; i < queue->file_count; i++)
		if (strcmp(queue->files[i].queue_id, queue_id) == 0)
			return &queue->files[i];
	return NULL;
}

static struct file *
file_add(const char *queue_id, const char *hold_id, enum place place)
{
	struct file *file = &queue->files[queue->file_count];

	memset(file, 0, sizeof(*file));
	snprintf(file->queue_id, sizeof(file->queue_id), "%s", queue_id);
	snprintf(file->hold_id, sizeof(file->hold_id), "%s", hold_id);
	file->place = place;
	queue->file_count++;
	return file;
}

static const char *
file_answer(const char *verb, const char *queue_id, const char *hold_id)
{
	struct file *file = file_find(queue_id);

	if (file == NULL || file->place == NOWHERE)
		return "GONE";
	if (file->place == FOREIGN || strcmp(file->hold_id, hold_id) != 0)
		return "FOREIGN";
	if (strcmp(verb, "STATUS") == 0 || strcmp(verb, "STOP") == 0)
		return file->place == ON_HOLD ? "HELD" : "MOVING";
	if (queue->fail)
		return "FAILED";
	if (file->place == ON_HOLD) {
		file->released += strcmp(verb, "RELEASE") == 0;
		file->returned += strcmp(verb, "RETURN") == 0;
		file->deleted += strcmp(verb, "DELETE") == 0;
		file->place = strcmp(verb, "RELEASE") == 0 ? DEFERRED : NOWHERE;
	}
	return file->place == NOWHERE ? "GONE" : "MOVING";
}

static void
serve_scan(FILE *stream)
{
	for (int i = 0; i < queue->file_count; i++)
		if (queue->files[i].place == ON_HOLD)
			fprintf(stream, "%s %s %s\n", queue->files[i].queue_id,
			    queue->files[i].hold_id, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void
serve_one(FILE *stream)
{
	char line[256], verb[16], queue_id[100], hold_id[100];
	static char answer[100000];
	size_t length = 0;
	int count;

	if (fgets(line, sizeof(line), stream) == NULL || sscanf(line, "%15s %d", verb, &count) != 2)
		return;
	if (strcmp(verb, "SCAN") == 0)
		serve_scan(stream);
	queue->releases += strcmp(verb, "RELEASE") == 0;
	if (queue->releases == 0)
		queue->looks_before += count;
	for (int i = 0; i < count; i++) {
		if (fgets(line, sizeof(line), stream) == NULL ||
		    sscanf(line, "%99s %99s", queue_id, hold_id) != 2)
			return;
		length += (size_t)snprintf(answer + length, sizeof(answer) - length, "%s %s\n",
		    queue_id, file_answer(verb, queue_id, hold_id));
	}
	base_sleep_ms(queue->slow);
	if (fwrite(answer, 1, length, stream) == length)
		fputs("END\n", stream);
	fflush(stream);
}

static void
serve(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		FILE *stream;

		if (fd < 0)
			continue;
		queue->requests++;
		stream = fdopen(fd, "r+");
		if (stream != NULL && !queue->mute)
			serve_one(stream);
		if (stream != NULL)
			fclose(stream);
	}
}

static void
server_start(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	unlink(socket_path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 100), 0);
	server = fork();
	if (server == 0)
		serve(listener);
	close(listener);
}

static void
server_stop(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(socket_path);
	server = 0;
}

/* --- helpers --------------------------------------------------------------------- */

static void
setup(void)
{
	strcpy(directory, "/tmp/oops-hold-XXXXXX");
	folder_make(directory);
	snprintf(socket_path, sizeof(socket_path), "%s/queue.sock", directory);
	queue =
	    mmap(NULL, sizeof(*queue), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(queue, MAP_FAILED);
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	arena = base_arena_new(64u << 20);
	server_start();
	why = "";
}

static void
teardown(void)
{
	if (server != 0)
		server_stop();
	base_arena_free(&arena);
	folder_remove(directory);
}

static struct hold *
must_open(void)
{
	struct hold_options options = {
		.driver = "sqlite", .directory = directory, .node = "mx1", .create = true
	};
	struct hold *hold = NULL;

	OK(hold_open(&options, &hold, &why));
	return hold;
}

static void
on_sent(void *context, const void *observation, size_t length)
{
	(void)context;
	queue->observation_length = (int)length;
	if (length >= 6 && memcmp(observation, "LeSsOn", 6) == 0)
		queue->observations++;
	else
		queue->observations += 1000;
}

/* A scheduler with its client. */
struct watch {
	struct queue_client *client;
	struct hold_scheduler *scheduler;
};

/* The clock on the scheduler's wall, which a test can set. */
static atomic_llong set_by;

static int64_t
wall_now(void)
{
	return base_now_ms() + atomic_load(&set_by);
}

static struct watch
watch_start(struct hold *hold)
{
	struct watch watch = { queue_client_new(socket_path, 2000), NULL };
	struct hold_scheduler_options options = {
		.queue = watch.client, .sent = on_sent, .keep_seconds = 3600, .now_ms = wall_now
	};

	OK(hold_scheduler_start(hold, &options, &watch.scheduler, &why));
	return watch;
}

static void
watch_stop(struct watch *watch)
{
	hold_scheduler_stop(&watch->scheduler);
	queue_client_free(&watch->client);
}

static const char *visible[] = { "a@example.com", "SECRET-RECIPIENT@example.com" };
static const struct hold_reason reasons[] = { { "far-above", "3.20",
						  "SECRET-VALUES about\nmany people",
						  "SECRET-WHO\tx", "SECRET-OTHER" },
	{ "new", "1", "x", "", "" } };

static struct hold_params
sample(const char *queue_id, const char *submission)
{
	return (struct hold_params){
		.action = HOLD_CONFIRM,
		.queue_id = queue_id,
		.submission = submission,
		.submission_length = strlen(submission),
		.sender = "jo@example.com",
		.mailbox = "SECRET-JO@example.com",
		.subject = "SECRET-SUBJECT\r\nX: y",
		.recipients = visible,
		.recipients_visible = 2,
		.recipient_count = 40,
		.people = 2100,
		.people_kind = HOLD_PEOPLE_AT_LEAST,
		.score = 0.97,
		.reasons = reasons,
		.reason_count = 2,
		.policy = "rule 1",
		.language = "en",
		.window = 3600,
		.grace = 3600,
		.on_end = MAIL_END_RETURN,
		.then = MAIL_END_RETURN,
		.observation = "LeSsOn",
		.observation_length = 6,
	};
}

static struct hold_view
look(struct hold *hold, const char *id)
{
	struct hold_view view;

	OK(hold_find(hold, arena, id, &view, &why));
	return view;
}

/* Limits are a quiet machine's; a busy one may be so many times slower. */
#define PATIENCE 10
/* What happens within this time was not left to the looks, which come minutes apart. */
#define IN_TIME_MS 30000

/* Waits until a hold is in a state. */
static struct hold_view
wait_for(struct hold *hold, const char *id, enum hold_state state, int64_t milliseconds)
{
	int64_t end = base_now_ms() + PATIENCE * milliseconds;
	struct hold_view view = look(hold, id);

	while (view.state != state && base_now_ms() < end) {
		base_sleep_ms(5);
		view = look(hold, id);
	}
	ck_assert_msg(
	    view.state == state, "%s, not %s", hold_state_str(view.state), hold_state_str(state));
	return view;
}

/* A hold that the queue shows and the scheduler has seen. */
static void
place_held(struct hold *hold, const struct hold_params *request, char id_r[BASE_ID_SIZE])
{
	OK(hold_create(hold, request, id_r, &why));
	file_add(request->queue_id, id_r, ON_HOLD);
	wait_for(hold, id_r, HOLD_HELD, 3000);
}

/* Changes what is written down, behind everybody's back. */
static void
database_change(const char *sql)
{
	const char *path = base_arena_printf(arena, "%s/%s", directory, STORE_HOLDS_PATH);
	sqlite3 *raw = NULL;

	ck_assert_int_eq(sqlite3_open(path, &raw), SQLITE_OK);
	sqlite3_busy_timeout(raw, 5000);
	ck_assert_int_eq(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
}

/* --- the table and the steps ----------------------------------------------------- */

START_TEST(moves_are_exactly_these)
{
	static const char *const allowed[] = {
		"PENDING HELD",
		"PENDING LOST",
		"HELD SENDING",
		"HELD UNDONE",
		"HELD RETURNING",
		"HELD LOST",
		"UNDONE SENDING",
		"UNDONE RETURNING",
		"UNDONE DELETED",
		"UNDONE LOST",
		"SENDING SENT",
		"SENDING LOST",
		"RETURNING SENDING",
		"RETURNING RETURNED",
		"RETURNING LOST",
		"LOST PENDING",
	};
	int count = 0;

	for (int from = 0; from <= HOLD_LOST + 1; from++) {
		for (int to = 0; to <= HOLD_LOST + 1; to++) {
			char move[64];
			bool is_listed = false;

			snprintf(
			    move, sizeof(move), "%s %s", hold_state_str(from), hold_state_str(to));
			for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
				is_listed = is_listed || strcmp(allowed[i], move) == 0;
			ck_assert_msg(hold_move_is_allowed(from, to) == is_listed, "%s", move);
			count += is_listed;
			if (hold_state_is_final(from) && from != HOLD_LOST)
				ck_assert(!is_listed);
		}
	}
	ck_assert_int_eq(count, 16);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(hold_state_str(HOLD_PENDING), "PENDING");
	ck_assert_str_eq(hold_state_str(99), "unknown");
	ck_assert_str_eq(hold_action_str(HOLD_UNDO), "undo");
	ck_assert_str_eq(hold_action_str(HOLD_CONFIRM), "confirm");
	ck_assert_str_eq(hold_request_str(HOLD_REQUEST_SEND), "send");
	ck_assert_str_eq(hold_request_str(HOLD_REQUEST_UNDO), "undo");
	ck_assert_str_eq(hold_request_str(HOLD_REQUEST_RESTORE), "restore");
	ck_assert_str_eq(hold_entry_state_str(HOLD_ENTRY_DONE), "DONE");
}
END_TEST

/* What an answer means: verb, part, status, age in ms, and what the queue entry is then. */
static const struct {
	enum queue_verb verb;
	enum hold_entry_state entry;
	enum queue_status status;
	int64_t age;
	enum hold_entry_state after;
} answers[] = {
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_HELD, 0, HOLD_ENTRY_HELD },
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_GONE, 59999, HOLD_ENTRY_PENDING },
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_GONE, 60000, HOLD_ENTRY_LOST },
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_MOVING, 4999, HOLD_ENTRY_PENDING },
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_MOVING, 5000, HOLD_ENTRY_LOST },
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_FOREIGN, 4999, HOLD_ENTRY_PENDING },
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_FOREIGN, 5000, HOLD_ENTRY_LOST },
	{ QUEUE_STATUS, HOLD_ENTRY_PENDING, QUEUE_FAILED, 99999, HOLD_ENTRY_PENDING },
	{ QUEUE_STATUS, HOLD_ENTRY_HELD, QUEUE_HELD, 0, HOLD_ENTRY_HELD },
	{ QUEUE_STATUS, HOLD_ENTRY_HELD, QUEUE_GONE, 0, HOLD_ENTRY_LOST },
	{ QUEUE_STATUS, HOLD_ENTRY_HELD, QUEUE_MOVING, 0, HOLD_ENTRY_LOST },
	{ QUEUE_STATUS, HOLD_ENTRY_HELD, QUEUE_FOREIGN, 0, HOLD_ENTRY_LOST },
	{ QUEUE_STATUS, HOLD_ENTRY_HELD, QUEUE_FAILED, 99999, HOLD_ENTRY_HELD },
	{ QUEUE_RELEASE, HOLD_ENTRY_HELD, QUEUE_MOVING, 0, HOLD_ENTRY_DONE },
	{ QUEUE_RELEASE, HOLD_ENTRY_HELD, QUEUE_GONE, 0, HOLD_ENTRY_DONE },
	{ QUEUE_RELEASE, HOLD_ENTRY_HELD, QUEUE_HELD, 0, HOLD_ENTRY_HELD },
	{ QUEUE_RELEASE, HOLD_ENTRY_HELD, QUEUE_FAILED, 0, HOLD_ENTRY_HELD },
	{ QUEUE_RELEASE, HOLD_ENTRY_HELD, QUEUE_FOREIGN, 0, HOLD_ENTRY_LOST },
	{ QUEUE_RELEASE, HOLD_ENTRY_PENDING, QUEUE_GONE, 59999, HOLD_ENTRY_PENDING },
	{ QUEUE_RELEASE, HOLD_ENTRY_PENDING, QUEUE_GONE, 60000, HOLD_ENTRY_LOST },
	{ QUEUE_RELEASE, HOLD_ENTRY_PENDING, QUEUE_MOVING, 4999, HOLD_ENTRY_PENDING },
	{ QUEUE_RELEASE, HOLD_ENTRY_PENDING, QUEUE_MOVING, 5000, HOLD_ENTRY_LOST },
	{ QUEUE_RETURN, HOLD_ENTRY_HELD, QUEUE_MOVING, 0, HOLD_ENTRY_DONE },
	{ QUEUE_RETURN, HOLD_ENTRY_HELD, QUEUE_GONE, 0, HOLD_ENTRY_DONE },
	{ QUEUE_RETURN, HOLD_ENTRY_PENDING, QUEUE_MOVING, 5000, HOLD_ENTRY_LOST },
	{ QUEUE_DELETE, HOLD_ENTRY_HELD, QUEUE_GONE, 0, HOLD_ENTRY_DONE },
	{ QUEUE_DELETE, HOLD_ENTRY_HELD, QUEUE_MOVING, 0, HOLD_ENTRY_LOST },
	{ QUEUE_DELETE, HOLD_ENTRY_PENDING, QUEUE_MOVING, 5000, HOLD_ENTRY_LOST },
	{ QUEUE_RELEASE, HOLD_ENTRY_DONE, QUEUE_FOREIGN, 0, HOLD_ENTRY_DONE },
	{ QUEUE_STATUS, HOLD_ENTRY_LOST, QUEUE_HELD, 0, HOLD_ENTRY_LOST },
};

START_TEST(answers_are_believed_when_they_can_be)
{
	struct store_entry entry = { "h", "q", answers[_i].entry, 1000000, 0, 0, 0 };

	ck_assert_int_eq(
	    hold_job_entry(answers[_i].verb, &entry, answers[_i].status, 1000000 + answers[_i].age),
	    answers[_i].after);
}
END_TEST

/* Which plan a row has before and after its deadline. */
static const struct {
	enum hold_state state;
	enum hold_action action;
	enum mail_end on_end, then;
	bool is_over;
	bool is_move;
	int what; /* state or verb */
} plans[] = {
	{ HOLD_PENDING, HOLD_UNDO, 0, 0, false, false, QUEUE_STATUS },
	{ HOLD_PENDING, HOLD_UNDO, 0, 0, true, false, QUEUE_STATUS },
	{ HOLD_HELD, HOLD_UNDO, MAIL_END_RETURN, 0, false, false, QUEUE_STATUS },
	{ HOLD_HELD, HOLD_UNDO, MAIL_END_RETURN, 0, true, true, HOLD_SENDING },
	{ HOLD_HELD, HOLD_CONFIRM, MAIL_END_SEND, 0, true, true, HOLD_SENDING },
	{ HOLD_HELD, HOLD_CONFIRM, MAIL_END_RETURN, 0, true, true, HOLD_RETURNING },
	{ HOLD_UNDONE, HOLD_UNDO, 0, MAIL_END_RETURN, false, false, QUEUE_STOP },
	{ HOLD_UNDONE, HOLD_UNDO, MAIL_END_SEND, MAIL_END_RETURN, false, false, QUEUE_STATUS },
	{ HOLD_UNDONE, HOLD_UNDO, 0, MAIL_END_RETURN, true, true, HOLD_RETURNING },
	{ HOLD_UNDONE, HOLD_UNDO, 0, MAIL_END_DELETE, true, false, QUEUE_DELETE },
	{ HOLD_SENDING, HOLD_UNDO, 0, 0, false, false, QUEUE_RELEASE },
	{ HOLD_RETURNING, HOLD_UNDO, 0, 0, false, false, QUEUE_STATUS },
};

START_TEST(plans_follow_from_state_and_time)
{
	struct store_hold row = { .state = plans[_i].state,
		.action = plans[_i].action,
		.on_end = plans[_i].on_end,
		.then = plans[_i].then,
		.deadline = 5000,
		.moved = 100,
		.seen = plans[_i].on_end == MAIL_END_SEND ? 200 : 0 };
	struct hold_plan plan = hold_step_plan(&row, plans[_i].is_over ? 5000 : 4999);

	ck_assert_int_eq(plan.kind == HOLD_PLAN_MOVE, plans[_i].is_move);
	ck_assert_int_eq(
	    plan.kind == HOLD_PLAN_MOVE ? (int)plan.to : (int)plan.verb, plans[_i].what);
}
END_TEST

/* Where a hold goes with its queue entries so; P H D L are their states. */
static const struct {
	enum hold_state state;
	enum queue_verb verb;
	const char *entries;
	int64_t age;
	int to; /* 0: stays */
} ends[] = {
	{ HOLD_PENDING, QUEUE_STATUS, "P", 0, 0 },
	{ HOLD_PENDING, QUEUE_STATUS, "H", 0, HOLD_HELD },
	{ HOLD_PENDING, QUEUE_STATUS, "HP", 1999, 0 },
	{ HOLD_PENDING, QUEUE_STATUS, "HP", 2000, HOLD_HELD },
	{ HOLD_PENDING, QUEUE_STATUS, "HL", 0, HOLD_HELD },
	{ HOLD_PENDING, QUEUE_STATUS, "PL", 9999, 0 },
	{ HOLD_PENDING, QUEUE_STATUS, "LL", 0, HOLD_LOST },
	{ HOLD_PENDING, QUEUE_STATUS, "", 0, HOLD_LOST },
	{ HOLD_HELD, QUEUE_STATUS, "HL", 0, 0 },
	{ HOLD_HELD, QUEUE_STATUS, "PL", 0, 0 },
	{ HOLD_HELD, QUEUE_STATUS, "LL", 0, HOLD_LOST },
	{ HOLD_UNDONE, QUEUE_STATUS, "H", 0, 0 },
	{ HOLD_UNDONE, QUEUE_STATUS, "L", 0, HOLD_LOST },
	{ HOLD_UNDONE, QUEUE_DELETE, "DL", 0, HOLD_DELETED },
	{ HOLD_UNDONE, QUEUE_DELETE, "DH", 0, 0 },
	{ HOLD_UNDONE, QUEUE_DELETE, "L", 0, HOLD_LOST },
	{ HOLD_SENDING, QUEUE_RELEASE, "DDH", 0, 0 },
	{ HOLD_SENDING, QUEUE_RELEASE, "DDP", 0, 0 },
	{ HOLD_SENDING, QUEUE_RELEASE, "DDL", 0, HOLD_SENT },
	{ HOLD_SENDING, QUEUE_RELEASE, "LL", 0, HOLD_LOST },
	{ HOLD_RETURNING, QUEUE_RETURN, "DD", 0, HOLD_RETURNED },
	{ HOLD_RETURNING, QUEUE_RETURN, "L", 0, HOLD_LOST },
	{ HOLD_RETURNING, QUEUE_STATUS, "HL", 0, 0 },
	{ HOLD_RETURNING, QUEUE_DELETE, "DL", 0, HOLD_RETURNED },
	{ HOLD_RETURNING, QUEUE_DELETE, "DH", 0, 0 },
};

START_TEST(ends_follow_from_the_parts)
{
	struct store_hold row = { .state = ends[_i].state, .created = 100 };
	struct store_entry entries[8];
	size_t count = strlen(ends[_i].entries);
	enum hold_state to = 0;
	bool is_end;

	for (size_t i = 0; i < count; i++)
		entries[i] =
		    (struct store_entry){ .state = ends[_i].entries[i] == 'P'   ? HOLD_ENTRY_PENDING
						   : ends[_i].entries[i] == 'H' ? HOLD_ENTRY_HELD
						   : ends[_i].entries[i] == 'D' ? HOLD_ENTRY_DONE
										: HOLD_ENTRY_LOST };
	is_end = hold_step_end(&row, ends[_i].verb, entries, count, 100 + ends[_i].age, &to);
	ck_assert_int_eq(is_end, ends[_i].to != 0);
	ck_assert_int_eq(to, ends[_i].to);
	if (is_end)
		ck_assert(hold_move_is_allowed(row.state, to));
}
END_TEST

START_TEST(backoff_grows_to_its_ceiling)
{
	static const int64_t expected[] = { 150, 300, 600, 1200, 2400, 4800, 5000, 5000 };

	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(hold_backoff(150, 5000, i), expected[i]);
	ck_assert_int_eq(hold_backoff(250, 30000, 1000000), 30000);
}
END_TEST

START_TEST(times_come_again)
{
	struct store_entry entry = { "h", "q", HOLD_ENTRY_HELD, 0, 0, 0, 0 };
	struct store_hold row = { .state = HOLD_HELD, .deadline = 5000 };

	hold_step_again(&row, QUEUE_STATUS, &entry, 1, true, true, 1000);
	ck_assert_int_eq(row.timer, 5000);
	ck_assert_int_eq(row.due, 1000 + HOLD_LOOK_RARE_MS);
	/* stopped, but not seen yet: soon again, until it is */
	row.state = HOLD_UNDONE;
	row.moved = 900;
	row.deadline = INT64_MAX;
	hold_step_again(&row, QUEUE_STATUS, &entry, 1, true, true, 1000);
	ck_assert_int_le(row.timer, 1000 + 2 * HOLD_LOOK_FIRST_MS);
	row.seen = 901;
	hold_step_again(&row, QUEUE_STATUS, &entry, 1, true, true, 1000);
	ck_assert_int_eq(row.timer, INT64_MAX);
	ck_assert_int_eq(row.due, 1000 + HOLD_LOOK_RARE_MS);
	row.state = HOLD_SENDING;
	row.deadline = row.tries = 0;
	hold_step_again(&row, QUEUE_RELEASE, &entry, 1, true, false, 1000);
	ck_assert_int_eq(row.timer, 1250);
	hold_step_again(&row, QUEUE_RELEASE, &entry, 1, true, false, 1000);
	ck_assert_int_eq(row.timer, 1500);
	ck_assert_int_eq(row.due, 0);
}
END_TEST

/* --- placing --------------------------------------------------------------------- */

START_TEST(placed_is_durable_and_whole)
{
	struct hold *hold = must_open();
	struct hold_params request = sample("4QABC", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;

	OK(hold_create(hold, &request, id, &why));
	hold_close(&hold);
	hold = must_open();
	view = look(hold, id);
	ck_assert_int_eq(view.state, HOLD_PENDING);
	ck_assert_int_eq(view.action, HOLD_CONFIRM);
	ck_assert_str_eq(view.node, "mx1");
	ck_assert_str_eq(view.sender, "jo@example.com");
	ck_assert_str_eq(view.mailbox, "SECRET-JO@example.com");
	ck_assert_str_eq(view.subject, "SECRET-SUBJECT  X: y");
	ck_assert_str_eq(view.recipients, "a@example.com\nSECRET-RECIPIENT@example.com");
	ck_assert_uint_eq(view.recipient_count, 40);
	ck_assert_uint_eq(view.people, 2100);
	ck_assert_int_eq(view.people_kind, HOLD_PEOPLE_AT_LEAST);
	ck_assert_uint_eq(view.reason_count, 2);
	ck_assert_str_eq(view.reasons[0].name, "far-above");
	ck_assert_str_eq(view.reasons[0].points, "3.20");
	ck_assert_str_eq(view.reasons[0].values, "SECRET-VALUES about many people");
	ck_assert_str_eq(view.reasons[0].who, "SECRET-WHO x");
	ck_assert_str_eq(view.reasons[0].other, "SECRET-OTHER");
	ck_assert_str_eq(view.reasons[1].name, "new");
	ck_assert_int_eq(view.deadline, view.created + 3600);
	ck_assert_int_eq(view.at_deadline, MAIL_END_RETURN);
	ck_assert_uint_eq(view.entry_count, 1);
	ck_assert_str_eq(view.queue_ids[0], "4QABC");
	ck_assert_int_eq(view.settled, 0);
	NONE(hold_find(hold, arena, "aaaaaaaaaaaaaaaa", &view, &why));
	hold_close(&hold);
}
END_TEST

/* Who is not known as written, or by what is no address any more, is written to as sender. */
START_TEST(a_letter_has_somewhere_to_go)
{
	static const char *const submissions[] = { "a", "b", "c", "d" };
	char id[BASE_ID_SIZE], longest[400];
	const char *const mailboxes[] = { NULL, "", "jo@example.com", longest };
	struct hold *hold = must_open();

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < sizeof(mailboxes) / sizeof(*mailboxes); i++) {
		struct hold_params request = sample("4QABC", submissions[i]);

		request.mailbox = mailboxes[i];
		OK(hold_create(hold, &request, id, &why));
		ck_assert_str_eq(look(hold, id).mailbox, "jo@example.com");
	}
	hold_close(&hold);
}
END_TEST

START_TEST(impossible_requests_are_refused)
{
	struct hold *hold = must_open();
	struct hold_params good = sample("4QABC", "act");
	struct hold_params bad;
	char id[BASE_ID_SIZE] = "untouched";
	char longest[QUEUE_MAX_ID + 2];

	memset(longest, 'A', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int i = 0; i < 10; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.queue_id = "";
			break;
		case 1:
			bad.queue_id = "4Q ALL";
			break;
		case 2:
			bad.queue_id = "../x";
			break;
		case 3:
			bad.queue_id = longest;
			break;
		case 4:
			bad.action = 0;
			break;
		case 5:
			bad.on_end = MAIL_END_DELETE;
			break;
		case 6:
			bad.then = MAIL_END_SEND;
			break;
		case 7:
			bad.window = -1;
			break;
		case 8:
			bad.grace = INT64_MAX / 2;
			break;
		case 9:
			bad.submission_length = 0;
			break;
		}
		REFUSE(hold_create(hold, &bad, id, &why));
	}
	ck_assert_str_eq(id, "untouched");
	hold_close(&hold);
}
END_TEST

START_TEST(long_text_is_cut_not_refused)
{
	struct hold *hold = must_open();
	struct hold_params request = sample("4QABC", "act");
	static char subject[100000];
	static const char *many[5000];
	static struct hold_reason lots[100];
	char id[BASE_ID_SIZE];
	struct hold_view view;

	memset(subject, 's', sizeof(subject) - 1);
	for (int i = 0; i < 5000; i++)
		many[i] = "somebody-with-a-name@example.com";
	for (int i = 0; i < 100; i++)
		lots[i] = (struct hold_reason){ "r", "1", subject, subject, "" };
	request.subject = subject;
	request.recipients = many;
	request.recipients_visible = 5000;
	request.reasons = lots;
	request.reason_count = 100;
	OK(hold_create(hold, &request, id, &why));
	view = look(hold, id);
	ck_assert_uint_eq(strlen(view.subject), HOLD_MAX_SUBJECT);
	ck_assert_uint_le(strlen(view.recipients), HOLD_MAX_RECIPIENTS);
	ck_assert_uint_gt(strlen(view.recipients), HOLD_MAX_RECIPIENTS - 100);
	ck_assert_str_eq(strrchr(view.recipients, '\n') + 1, many[0]); /* whole ones only */
	ck_assert_uint_eq(view.reason_count, HOLD_MAX_REASONS);
	hold_close(&hold);
}
END_TEST

static struct hold *shared;

struct placing {
	int number;
	enum base_result result;
	char id[BASE_ID_SIZE];
};

static void *
place_one(void *context)
{
	struct placing *placing = context;
	char queue_id[32] = "", submission[32] = "";
	struct hold_params request = sample(queue_id, submission);
	const char *reason = "";

	snprintf(queue_id, sizeof(queue_id), "QUEUE%d", placing->number);
	snprintf(submission, sizeof(submission), "act-%d", placing->number);
	request.submission_length = strlen(submission);
	if (placing->number % 10 == 9)
		request.queue_id = "not one"; /* must not harm the others */
	placing->result = hold_create(shared, &request, placing->id, &reason);
	return NULL;
}

static bool
count_view(void *context, const struct hold_view *view)
{
	int *count = context;

	(void)view;
	(*count)++;
	return true;
}

START_TEST(fifty_place_at_once)
{
	static struct placing placings[50];
	pthread_t threads[50];
	int count = 0;

	shared = must_open();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 50; i++) {
			placings[i].number = round * 50 + i;
			ck_assert_int_eq(
			    pthread_create(&threads[i], NULL, place_one, &placings[i]), 0);
		}
		for (int i = 0; i < 50; i++) {
			pthread_join(threads[i], NULL);
			ck_assert_int_eq(placings[i].result,
			    placings[i].number % 10 == 9 ? BASE_REFUSE : BASE_OK);
			if (placings[i].result == BASE_OK) {
				char queue_id[32];
				struct hold_view view = look(shared, placings[i].id);

				snprintf(queue_id, sizeof(queue_id), "QUEUE%d", placings[i].number);
				ck_assert_str_eq(view.queue_ids[0], queue_id);
			}
		}
		base_arena_reset(arena);
	}
	OK(hold_each(shared, true, count_view, &count, &why));
	ck_assert_int_eq(count, 135); /* more than a page of hold_each() */
	hold_close(&shared);
}
END_TEST

/* Whose hold it is, and what the limit leaves of it: four of one sender, then a shorter one. */
static struct hold_terms
limit_to_four(const void *context, const struct hold_counts *counts)
{
	const struct hold_params *request = context;

	if (counts->of_sender >= 6)
		return (struct hold_terms){ .limited_by = "sender" };
	if (counts->of_sender >= 4)
		return (struct hold_terms){ HOLD_UNDO, 60, "sender" };
	return (struct hold_terms){ request->action, request->window, "" };
}

struct limiting {
	int number;
	enum base_result result;
	struct hold_placed placed;
};

static void *
place_limited(void *context)
{
	static const char *const senders[] = { "jo@example.com", "script@example.com" };
	struct limiting *limiting = context;
	char queue_id[32], submission[32];
	struct hold_params request;
	const char *why_not = "";

	snprintf(queue_id, sizeof(queue_id), "QUEUE%d", limiting->number);
	snprintf(submission, sizeof(submission), "act %d", limiting->number);
	request = sample(queue_id, submission);
	request.sender = senders[limiting->number % 2];
	request.limit = limit_to_four;
	request.limit_context = &request;
	request.share = 3;
	limiting->result = hold_create_limited(shared, &request, &limiting->placed, &why_not);
	return NULL;
}

/* Side by side, exactly as many begin as the limit says. */
START_TEST(a_limit_is_exact)
{
	static struct limiting limitings[50];
	static const int expected[] = { [0] = 38, [HOLD_UNDO] = 4, [HOLD_CONFIRM] = 8 };
	pthread_t threads[50];
	int got[HOLD_CONFIRM + 1] = { 0 };
	struct hold_counts counts;
	struct hold_view view;
	int rows = 0;

	shared = must_open();
	for (int i = 0; i < 50; i++) {
		limitings[i].number = i;
		pthread_create(&threads[i], NULL, place_limited, &limitings[i]);
	}
	for (int i = 0; i < 50; i++) {
		const struct hold_terms *terms = &limitings[i].placed.terms;

		pthread_join(threads[i], NULL);
		ck_assert_int_eq(limitings[i].result, BASE_OK);
		got[terms->action]++;
		if (terms->action == 0)
			continue;
		view = look(shared, limitings[i].placed.id);
		ck_assert_int_eq(view.action, terms->action);
		ck_assert_str_eq(terms->limited_by, terms->action == HOLD_UNDO ? "sender" : "");
	}
	for (int i = 0; i <= HOLD_CONFIRM; i++)
		ck_assert_int_eq(got[i], expected[i]);
	OK(hold_each(shared, true, count_view, &rows, &why));
	ck_assert_int_eq(rows, 12);
	OK(hold_count(shared, "jo@example.com", &counts, &why));
	ck_assert_uint_eq(counts.of_sender, 6);
	ck_assert_uint_eq(counts.of_site, 6); /* four each were not limited, three count */
	hold_close(&shared);
}
END_TEST

/* Whoever joins a hold is not asked, and learns what the hold is. */
START_TEST(a_part_is_not_limited)
{
	struct hold *hold = must_open();
	struct hold_params request = sample("QUEUE1", "act");
	struct hold_placed first, second;

	request.limit = limit_to_four;
	request.limit_context = &request;
	request.action = HOLD_UNDO;
	OK(hold_create_limited(hold, &request, &first, &why));
	for (int i = 0; i < 8; i++) {
		char queue_id[16];

		snprintf(queue_id, sizeof(queue_id), "MORE%d", i);
		request.queue_id = queue_id;
		request.action = HOLD_CONFIRM;
		OK(hold_create_limited(hold, &request, &second, &why));
		ck_assert_str_eq(second.id, first.id);
		ck_assert_int_eq(second.terms.action, HOLD_UNDO);
	}
	hold_close(&hold);
}
END_TEST

/* All placings of a group fail when the store does, and work again afterwards. */
START_TEST(a_group_fails_together)
{
	static struct placing placings[20];
	struct hold_options as_it_is = { .driver = "sqlite", .node = "mx1" };
	pthread_t threads[20];
	char path[128], moved[160];

	shared = must_open();
	hold_close(&shared);
	as_it_is.directory = directory;
	OK(hold_open(&as_it_is, &shared, &why)); /* which makes no file that is not there */
	snprintf(path, sizeof(path), "%s/%s", directory, STORE_HOLDS_PATH);
	snprintf(moved, sizeof(moved), "%s.away", path);
	ck_assert_int_eq(rename(path, moved), 0);
	for (int i = 0; i < 20; i++) {
		placings[i].number = i;
		pthread_create(&threads[i], NULL, place_one, &placings[i]);
	}
	for (int i = 0; i < 20; i++) {
		pthread_join(threads[i], NULL);
		if (i % 10 != 9)
			ck_assert_int_eq(placings[i].result, BASE_BROKEN);
	}
	ck_assert_int_eq(rename(moved, path), 0);
	place_one(&placings[0]);
	ck_assert_int_eq(placings[0].result, BASE_OK);
	hold_close(&shared);
}
END_TEST

/* The files below it: which are removed, and does a new one take the place of the database? */
static const struct {
	const char *endings[3];
	bool is_replaced; /* the database by an empty one: what it had is gone with it */
} removals[] = {
	{ { "-wal" }, false },
	{ { "-wal", "-shm" }, false },
	{ { "-shm" }, false },
	{ { "", "-wal", "-shm" }, true },
};

/* A hold is never promised in a log, or a file, that nobody will find again. */
START_TEST(removed_files_are_noticed)
{
	struct hold *hold = must_open(), *other;
	struct hold_params first = sample("QUEUE1", "act"), second = sample("QUEUE2", "next");
	char a[BASE_ID_SIZE], b[BASE_ID_SIZE], path[128];
	struct hold_view view;

	OK(hold_create(hold, &first, a, &why));
	for (size_t i = 0; i < 3 && removals[_i].endings[i] != NULL; i++) {
		snprintf(path, sizeof(path), "%s/" STORE_HOLDS_PATH "%s", directory,
		    removals[_i].endings[i]);
		ck_assert_int_eq(unlink(path), 0);
	}
	OK(hold_create(hold, &second, b, &why));
	other = must_open(); /* as any other program sees it */
	OK(hold_find(other, arena, b, &view, &why));
	must_be(removals[_i].is_replaced ? BASE_NONE : BASE_OK,
	    hold_find(other, arena, a, &view, &why), &why, "the older one");
	hold_close(&other);
	/* and a reader notices, too, within a second */
	other = must_open();
	snprintf(path, sizeof(path), "%s/" STORE_HOLDS_PATH "-wal", directory);
	ck_assert_int_eq(unlink(path), 0);
	base_sleep_ms(1100);
	OK(hold_find(hold, arena, b, &view, &why));
	OK(hold_find(other, arena, b, &view, &why));
	hold_close(&other);
	hold_close(&hold);
}
END_TEST

#define HOUR 3600

/* Waits until the end of a hold's window was moved to this time, give or take a second. */
static void
deadline_moves_to(struct hold *hold, const char *id, int64_t deadline)
{
	int64_t end = base_tick_ms() + 60000;
	struct hold_view view = look(hold, id);

	while (llabs(view.deadline - deadline) > 1 && base_tick_ms() < end) {
		base_sleep_ms(5);
		view = look(hold, id);
	}
	ck_assert_int_le(llabs(view.deadline - deadline), 1);
	ck_assert_int_eq(view.state, HOLD_HELD);
}

/* The clock of the machine is set: what waits goes on waiting as long as its author was told. */
START_TEST(a_window_lasts_though_the_clock_is_set)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE], soon[BASE_ID_SIZE];
	int64_t deadline;

	request.action = HOLD_UNDO;
	request.window = HOUR;
	place_held(hold, &request, id);
	deadline = look(hold, id).deadline;
	atomic_store(&set_by, 2 * HOUR * 1000); /* its time would be over at once */
	deadline_moves_to(hold, id, deadline + 2 * HOUR);
	atomic_store(&set_by, 0);
	deadline_moves_to(hold, id, deadline);
	request = sample("QUEUE2", "other act");
	request.action = HOLD_UNDO;
	request.window = 2;
	OK(hold_create(hold, &request, soon, &why));
	file_add("QUEUE2", soon, ON_HOLD);
	atomic_store(&set_by, -HOUR * 1000); /* it would last an hour longer */
	wait_for(hold, soon, HOLD_SENT, 20000);
	deadline_moves_to(hold, id, deadline - HOUR);
	atomic_store(&set_by, 0);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(one_act_is_one_hold)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params first = sample("QUEUE1", "act");
	struct hold_params second = sample("QUEUE2", "act");
	struct hold_params other = sample("QUEUE3", "other act");
	char a[BASE_ID_SIZE], b[BASE_ID_SIZE], c[BASE_ID_SIZE];
	struct hold_view view;

	second.recipient_count = 60; /* those of the first queue entry are among them */
	second.observation = "LeSsOn of both";
	second.observation_length = strlen(second.observation);
	OK(hold_create(hold, &first, a, &why));
	OK(hold_create(hold, &second, b, &why)); /* while PENDING */
	OK(hold_create(hold, &other, c, &why));
	ck_assert_str_eq(a, b);
	ck_assert_str_ne(a, c);
	file_add("QUEUE1", a, ON_HOLD);
	file_add("QUEUE2", a, ON_HOLD);
	view = wait_for(hold, a, HOLD_HELD, 3000);
	ck_assert_uint_eq(view.entry_count, 2);
	ck_assert_uint_eq(view.recipient_count, 60); /* the most that a queue entry knew */
	OK(hold_create(hold, &first, b, &why));      /* offered again */
	ck_assert_str_eq(a, b);
	second.queue_id = "QUEUE4"; /* while HELD: it must be seen and then be released as well */
	OK(hold_create(hold, &second, b, &why));
	ck_assert_str_eq(a, b);
	file_add("QUEUE4", a, ON_HOLD);
	OK(hold_request(hold, a, HOLD_REQUEST_SEND, "link", NULL, &why));
	view = wait_for(hold, a, HOLD_SENT, 5000);
	ck_assert_uint_eq(view.entry_count, 3);
	ck_assert_int_eq(file_find("QUEUE1")->released, 1);
	ck_assert_int_eq(file_find("QUEUE2")->released, 1);
	ck_assert_int_eq(file_find("QUEUE4")->released, 1);
	ck_assert_int_eq(queue->observations, 1); /* one audience, however many queue entries */
	ck_assert_int_eq(queue->observation_length, strlen("LeSsOn of both"));
	second.queue_id = "QUEUE5"; /* its author said send: nothing more to ask */
	NONE(hold_create(hold, &second, b, &why));
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Does the letter about this hold become due? Those about others are sent meanwhile. */
static bool
letter_comes(struct hold *hold, const char *id)
{
	int64_t end = base_now_ms() + 20000;
	bool is_it = false;

	while (!is_it && base_now_ms() < end) {
		struct hold_view view;

		base_arena_reset(arena);
		if (hold_letter_next(hold, arena, &view, &why) == BASE_OK) {
			is_it = strcmp(view.id, id) == 0;
			OK(hold_letter_done(hold, view.id, &why));
		}
		base_sleep_ms(5);
	}
	return is_it;
}

/* Who stops a mail has stopped that mail, and nothing that they write afterwards. */
START_TEST(what_comes_after_a_stop_is_asked_about)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params first = sample("QUEUE1", "act");
	struct hold_params late = sample("QUEUE2", "act");
	struct hold_params next = sample("QUEUE3", "act");
	char stopped[BASE_ID_SIZE], id[BASE_ID_SIZE], own[BASE_ID_SIZE];

	place_held(hold, &first, stopped);
	OK(hold_request(hold, stopped, HOLD_REQUEST_UNDO, "link", NULL, &why));
	next.mail = 1;
	place_held(hold, &next, own);
	ck_assert_str_ne(own, stopped);
	OK(hold_create(hold, &late, id, &why)); /* of the mail that was stopped */
	ck_assert_str_eq(id, stopped);
	next.queue_id = "QUEUE4"; /* of the one after it */
	OK(hold_create(hold, &next, id, &why));
	ck_assert_str_eq(id, own);
	next.queue_id = "QUEUE5"; /* one more of them */
	next.mail = 2;
	OK(hold_create(hold, &next, id, &why));
	ck_assert_str_eq(id, own);
	ck_assert(letter_comes(hold, own));
	OK(hold_request(hold, own, HOLD_REQUEST_UNDO, "link", NULL, &why));
	OK(hold_create(hold, &next, id, &why)); /* of what was stopped second */
	ck_assert_str_eq(id, own);
	next.queue_id = "QUEUE6";
	next.mail = 3;
	OK(hold_create(hold, &next, id, &why));
	ck_assert_str_ne(id, own);
	ck_assert_str_ne(id, stopped);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* How many addresses and people a hold tells of. */
static void
audience_is(struct hold *hold, const char *id, size_t recipients, unsigned long people,
    enum hold_people kind)
{
	struct hold_view view = look(hold, id);

	ck_assert_uint_eq(view.recipient_count, recipients);
	ck_assert_uint_eq(view.people, people);
	ck_assert_int_eq(view.people_kind, kind);
}

/* What came back is with nobody: a hold of what comes afterwards tells of that alone. */
START_TEST(what_came_back_is_not_counted)
{
	static const char *here[] = { "late@example.com" };
	struct hold_alone alone = { here, 1, 1, 1, HOLD_PEOPLE_EXACT, "LeSsOn", 6 };
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char back[BASE_ID_SIZE], late[BASE_ID_SIZE], id[BASE_ID_SIZE];

	request.grace = 0;
	request.observation = "LeSsOn of all";
	request.observation_length = strlen(request.observation);
	request.alone = &alone;
	place_held(hold, &request, back);
	request.queue_id = "QUEUE2";
	OK(hold_create(hold, &request, id, &why)); /* the queue entries are one mail still */
	ck_assert_str_eq(id, back);
	audience_is(hold, back, 40, 2100, HOLD_PEOPLE_AT_LEAST);
	file_add("QUEUE2", back, ON_HOLD);
	OK(hold_request(hold, back, HOLD_REQUEST_UNDO, "link", NULL, &why));
	wait_for(hold, back, HOLD_RETURNING, 4000);
	request.queue_id = "QUEUE3";
	OK(hold_create(hold, &request, late, &why));
	ck_assert_str_ne(late, back);
	audience_is(hold, late, 1, 1, HOLD_PEOPLE_EXACT);
	ck_assert_str_eq(look(hold, late).recipients, here[0]);
	request.queue_id = "QUEUE4";
	alone.recipient_count = alone.people = 2;
	OK(hold_create(hold, &request, id, &why));
	ck_assert_str_eq(id, late);
	audience_is(hold, late, 3, 3, HOLD_PEOPLE_EXACT);
	request.queue_id = "QUEUE5"; /* a list: who is on it may be one of the others */
	alone.recipient_count = 1;
	alone.people = 50;
	OK(hold_create(hold, &request, id, &why));
	ck_assert_str_eq(id, late);
	audience_is(hold, late, 4, 50, HOLD_PEOPLE_AT_LEAST);
	for (char name[] = "QUEUE3"; name[5] <= '5'; name[5]++)
		file_add(name, late, ON_HOLD);
	wait_for(hold, late, HOLD_HELD, 4000);
	OK(hold_request(hold, late, HOLD_REQUEST_SEND, "link", NULL, &why));
	wait_for(hold, late, HOLD_SENT, 5000);
	ck_assert_int_eq(queue->observations, 1);
	ck_assert_int_eq(queue->observation_length, 6); /* nothing of what came back */
	request.queue_id = "QUEUE6";                    /* nobody was told of its people */
	OK(hold_create(hold, &request, id, &why));
	ck_assert_str_ne(id, late);
	audience_is(hold, id, 1, 50, HOLD_PEOPLE_EXACT);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Each of many queue entries comes when the one before came back. */
START_TEST(what_comes_back_for_long_costs_nothing)
{
	struct hold_alone alone = { visible, 2, 1, 1, HOLD_PEOPLE_EXACT, "LeSsOn", 6 };
	struct hold *hold = must_open();
	struct hold_params request;
	char queue_id[32], id[BASE_ID_SIZE], before[BASE_ID_SIZE] = "";

	for (int i = 0; i < 400; i++) {
		snprintf(queue_id, sizeof(queue_id), "QUEUE%d", i);
		request = sample(queue_id, "act");
		request.alone = &alone;
		request.window = 0;
		OK(hold_create(hold, &request, id, &why));
		ck_assert_str_ne(id, before);
		memcpy(before, id, sizeof(before));
		database_change(
		    base_arena_printf(arena, "UPDATE hold SET state = %d", (int)HOLD_RETURNED));
		base_arena_reset(arena);
	}
	hold_close(&hold);
}
END_TEST

/* One more mail of a submission has a window that is worth its name. */
START_TEST(a_window_that_ends_takes_no_more_mail)
{
	static const struct {
		int action, letter_due;
		int64_t left; /* seconds of 3600 */
		bool joins;
	} cases[] = {
		{ HOLD_UNDO, 0, 2000, true },
		{ HOLD_UNDO, 0, 1000, false },
		{ HOLD_UNDO, 1, 1000, true }, /* its letter is still to come */
		{ HOLD_CONFIRM, 0, 1000, true },
	};
	struct hold *hold = must_open();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *submission = base_arena_printf(arena, "act %zu", i);
		struct hold_params request =
		    sample(base_arena_printf(arena, "QUEUE%zu", i), submission);
		char first[BASE_ID_SIZE], id[BASE_ID_SIZE];

		request.announce = 900;
		OK(hold_create(hold, &request, first, &why));
		database_change(base_arena_printf(arena,
		    "UPDATE hold SET state = %d, action = %d, letter_due = %d, deadline = %lld"
		    " WHERE id = '%s'",
		    HOLD_HELD, cases[i].action, cases[i].letter_due,
		    (long long)(base_now_ms() + cases[i].left * 1000), first));
		request.queue_id = base_arena_printf(arena, "QUEUE%zuA", i);
		OK(hold_create(hold, &request, id, &why)); /* a queue entry of the same mail */
		ck_assert_str_eq(id, first);
		request.queue_id = base_arena_printf(arena, "QUEUE%zuB", i);
		request.mail = 1;
		OK(hold_create(hold, &request, id, &why));
		ck_assert_msg((strcmp(id, first) == 0) == cases[i].joins, "case %zu", i);
	}
	hold_close(&hold);
}
END_TEST

START_TEST(after_a_window_the_act_goes_on)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char a[BASE_ID_SIZE], b[BASE_ID_SIZE];
	struct hold_placed placed;

	request.action = HOLD_UNDO;
	request.window = 1;
	place_held(hold, &request, a);
	wait_for(hold, a, HOLD_SENT, 3000);
	request.queue_id = "QUEUE2"; /* nobody stopped it: so with its later queue entries */
	NONE(hold_create_limited(hold, &request, &placed, &why));
	ck_assert_str_eq(placed.id, a);
	request.recipient_count++; /* one whom nobody was told of */
	OK(hold_create(hold, &request, b, &why));
	ck_assert_str_ne(a, b);
	request.queue_id = "QUEUE3";
	OK(hold_create_limited(hold, &request, &placed, &why));
	ck_assert_str_eq(placed.id, b);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* --- lives ----------------------------------------------------------------------- */

START_TEST(sent_by_request_and_wiped)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;
	int64_t end;

	place_held(hold, &request, id);
	REFUSE(hold_request(hold, id, HOLD_REQUEST_RESTORE, "link", NULL, &why));
	NONE(hold_request(hold, "aaaaaaaaaaaaaaaa", HOLD_REQUEST_SEND, "link", NULL, &why));
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	view = wait_for(hold, id, HOLD_SENT, 2000);
	REFUSE(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	REFUSE(hold_request(hold, id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	ck_assert_int_eq(file_find("QUEUE1")->released, 1);
	ck_assert_int_eq(queue->observations, 1);
	ck_assert_str_eq(view.by, "link");
	ck_assert_str_eq(view.subject, "");
	ck_assert_str_eq(view.recipients, "");
	ck_assert_uint_eq(view.reason_count, 2);
	ck_assert_str_eq(view.reasons[0].name, "far-above");
	ck_assert_str_eq(view.reasons[0].values, "");
	ck_assert_str_eq(view.reasons[0].who, "");
	ck_assert_int_ne(view.settled, 0);
	ck_assert_int_eq(view.deadline, 0);
	/* nothing of it stays in the files either, while all are open */
	for (end = base_now_ms() + 8000; folder_holds(directory, "SECRET") && base_now_ms() < end;)
		base_sleep_ms(200);
	ck_assert(!folder_holds(directory, "SECRET"));
	ck_assert(!folder_holds(directory, "LeSsOn"));
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(undo_window_ends_in_time)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	int64_t placed = base_now_ms(), late;

	request.action = HOLD_UNDO;
	request.window = 2;
	place_held(hold, &request, id);
	while (file_find("QUEUE1")->released == 0 && base_now_ms() < placed + IN_TIME_MS)
		base_sleep_ms(1);
	late = base_now_ms() - placed - 2000;
	ck_assert_msg(late >= 0 && late < IN_TIME_MS, "%d ms late", (int)late);
	ck_assert_str_eq(wait_for(hold, id, HOLD_SENT, 10000).by, "timer");
	ck_assert_int_eq(queue->observations, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* A window of which nobody was told does not run; it begins when its letter was taken. */
START_TEST(a_window_waits_for_its_letter)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;
	int64_t again, taken;

	request.action = HOLD_UNDO;
	request.window = 2;
	request.announce = 60;
	place_held(hold, &request, id);
	ck_assert(!look(hold, id).is_announced);
	while (hold_letter_next(hold, arena, &view, &why) != BASE_OK)
		base_sleep_ms(10);
	/* what the letter may say: the whole window, and no more */
	ck_assert_int_ge(view.deadline, base_now() + 1);
	ck_assert_int_le(view.deadline, base_now() + 2);
	OK(hold_letter_failed(hold, id, &again, &why));
	base_sleep_ms(2500);
	ck_assert_int_eq(look(hold, id).state, HOLD_HELD);
	ck_assert_int_eq(file_find("QUEUE1")->released, 0);
	taken = base_now_ms();
	OK(hold_letter_done(hold, id, &why));
	view = look(hold, id);
	ck_assert(view.is_announced);
	ck_assert_int_le(view.deadline, base_now() + 2);
	while (file_find("QUEUE1")->released == 0 && base_now_ms() < taken + 9000)
		base_sleep_ms(1);
	ck_assert_int_ge(base_now_ms() - taken, 2000);
	wait_for(hold, id, HOLD_SENT, 1000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Nor does it wait for ever. */
START_TEST(an_unannounced_window_ends)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	int64_t placed = base_now_ms();

	request.action = HOLD_UNDO;
	request.window = 1;
	request.announce = 2;
	place_held(hold, &request, id);
	ck_assert_int_ge(look(hold, id).deadline, placed / 1000 + 3);
	wait_for(hold, id, HOLD_SENT, 5000);
	ck_assert_int_ge(base_now_ms(), placed + 3000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(undone_then_restored)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;

	request.action = HOLD_UNDO;
	request.window = 2;
	place_held(hold, &request, id);
	OK(hold_request(hold, id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	base_sleep_ms(2200); /* the window ends, and nothing happens */
	view = look(hold, id);
	ck_assert_int_eq(view.state, HOLD_UNDONE);
	ck_assert_int_eq(view.at_deadline, MAIL_END_RETURN);
	ck_assert_int_ge(view.deadline, view.moved + 3599);
	ck_assert_int_eq(file_find("QUEUE1")->place, ON_HOLD);
	REFUSE(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	/* a double click */
	REFUSE(hold_request(hold, id, HOLD_REQUEST_RESTORE, "link", NULL, &why));
	ck_assert_int_ge(view.restorable, view.moved + HOLD_RESTORE_AFTER_MS / 1000);
	OK(hold_request(hold, id, HOLD_REQUEST_RESTORE, "admin", NULL, &why));
	ck_assert_str_eq(wait_for(hold, id, HOLD_SENT, 2000).by, "admin");
	ck_assert_int_eq(file_find("QUEUE1")->released, 1);
	ck_assert_int_eq(queue->observations, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Does what the one does who writes letters, for all that comes back: the MTA takes them. */
static int
bring_back(struct hold *hold)
{
	struct hold_returning returning;
	int count = 0;

	while (hold_return_next(hold, arena, &returning, &why) == BASE_OK) {
		OK(hold_return_taken(
		    hold, returning.view.id, returning.queue_ids, returning.count, &why));
		count++;
	}
	return count;
}

/* After the grace it goes back to its author or is deleted; an expired one, too. */
static const struct {
	enum mail_end on_end, then;
	bool is_undone;
	enum hold_state end;
	int released, returned, deleted, observations;
} lasts[] = {
	{ MAIL_END_RETURN, MAIL_END_RETURN, true, HOLD_RETURNED, 0, 0, 1, 0 },
	{ MAIL_END_RETURN, MAIL_END_DELETE, true, HOLD_DELETED, 0, 0, 1, 0 },
	{ MAIL_END_RETURN, MAIL_END_RETURN, false, HOLD_RETURNED, 0, 0, 1, 0 },
	{ MAIL_END_SEND, MAIL_END_RETURN, false, HOLD_SENT, 1, 0, 0, 1 },
};

START_TEST(time_ends_it)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct file *file;

	request.window = lasts[_i].is_undone ? 60 : 1;
	request.grace = 1;
	request.on_end = lasts[_i].on_end;
	request.then = lasts[_i].then;
	place_held(hold, &request, id);
	if (lasts[_i].is_undone)
		OK(hold_request(hold, id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	file = file_find("QUEUE1");
	if (lasts[_i].end == HOLD_RETURNED) {
		wait_for(hold, id, HOLD_RETURNING, 4000);
		base_sleep_ms(300); /* before its author has it, nothing happens to it */
		ck_assert_int_eq(file->place, ON_HOLD);
		ck_assert_int_eq(bring_back(hold), 1);
	}
	wait_for(hold, id, lasts[_i].end, 4000);
	ck_assert_int_eq(file->released, lasts[_i].released);
	ck_assert_int_eq(file->returned, lasts[_i].returned);
	ck_assert_int_eq(file->deleted, lasts[_i].deleted);
	ck_assert_int_eq(queue->observations, lasts[_i].observations);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* A hold that is to come back, and is. */
static void
place_returning(struct hold *hold, char id[BASE_ID_SIZE])
{
	struct hold_params request = sample("QUEUE1", "act");

	request.window = 1;
	request.on_end = MAIL_END_RETURN;
	place_held(hold, &request, id);
	wait_for(hold, id, HOLD_RETURNING, 4000);
}

/* Its author has it while the scheduler still looks: what it sees then must not be in the way. */
START_TEST(returned_while_it_is_looked_at)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];

	request.window = 1;
	request.on_end = MAIL_END_RETURN;
	place_held(hold, &request, id);
	queue->slow = 1000;
	wait_for(hold, id, HOLD_RETURNING, 4000);
	ck_assert_int_eq(bring_back(hold), 1);
	queue->slow = 0;
	wait_for(hold, id, HOLD_RETURNED, 8000);
	ck_assert_int_eq(file_find("QUEUE1")->deleted, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Half of its files brought back: the others still are, and none goes before. */
START_TEST(returned_when_every_file_is_back)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params second = sample("QUEUE2", "act");
	struct hold_returning returning;
	char id[BASE_ID_SIZE], same[BASE_ID_SIZE];

	second.window = 1;
	second.on_end = MAIL_END_RETURN;
	OK(hold_create(hold, &second, same, &why));
	file_add("QUEUE2", same, ON_HOLD);
	place_returning(hold, id);
	ck_assert_str_eq(id, same);
	OK(hold_return_next(hold, arena, &returning, &why));
	ck_assert_uint_eq(returning.count, 2);
	ck_assert(!returning.has_left);
	ck_assert_str_eq(returning.view.undone_by, "");
	OK(hold_return_taken(hold, id, returning.queue_ids, 1, &why));
	base_sleep_ms(300);
	ck_assert_int_eq(file_find("QUEUE1")->place, ON_HOLD);
	ck_assert_int_eq(file_find("QUEUE2")->place, ON_HOLD);
	OK(hold_return_next(hold, arena, &returning, &why));
	ck_assert_uint_eq(returning.count, 1);
	OK(hold_return_taken(hold, id, returning.queue_ids, 1, &why));
	NONE(hold_return_next(hold, arena, &returning, &why));
	wait_for(hold, id, HOLD_RETURNED, 3000);
	ck_assert_int_eq(look(hold, id).return_how, HOLD_RETURN_LETTER);
	ck_assert_int_eq(file_find("QUEUE1")->deleted, 1);
	ck_assert_int_eq(file_find("QUEUE2")->deleted, 1);
	NONE(hold_return_taken(hold, id, returning.queue_ids, 1, &why));
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* No letter gets through: news once, and the mail stays; then the MTA's own bounce. */
START_TEST(returned_by_a_bounce_when_reported_so)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_returning returning;
	char id[BASE_ID_SIZE];
	bool is_news;

	place_returning(hold, id);
	OK(hold_return_failed(hold, id, HOLD_RETURN_DUE, true, &is_news, &why));
	NONE(hold_return_next(hold, arena, &returning, &why)); /* later again */
	OK(hold_return_failed(hold, id, HOLD_RETURN_STUCK, true, &is_news, &why));
	ck_assert(is_news);
	OK(hold_return_failed(hold, id, HOLD_RETURN_STUCK, true, &is_news, &why));
	ck_assert(!is_news);
	ck_assert_uint_eq(look(hold, id).return_tries, 3);
	OK(hold_return_failed(hold, id, HOLD_RETURN_STUCK, false, &is_news, &why));
	ck_assert_uint_eq(look(hold, id).return_tries, 3); /* nobody answered */
	ck_assert_int_eq(look(hold, id).return_how, HOLD_RETURN_STUCK);
	base_sleep_ms(300);
	ck_assert_int_eq(file_find("QUEUE1")->place, ON_HOLD);
	OK(hold_return_bounce(hold, id, &why));
	wait_for(hold, id, HOLD_RETURNED, 3000);
	ck_assert_int_eq(look(hold, id).return_how, HOLD_RETURN_BOUNCE);
	ck_assert_int_eq(file_find("QUEUE1")->returned, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* A hold of two files, of which the first came back by a letter already. */
static void
place_half_returned(struct hold *hold, char id[BASE_ID_SIZE])
{
	struct hold_params second = sample("QUEUE2", "act");
	const char *first = "QUEUE1";

	second.window = 1;
	second.on_end = MAIL_END_RETURN;
	OK(hold_create(hold, &second, id, &why));
	file_add("QUEUE2", id, ON_HOLD);
	place_returning(hold, id);
	OK(hold_return_taken(hold, id, &first, 1, &why));
}

/* What came back by a letter does not come back by a bounce, too. */
START_TEST(a_bounce_leaves_out_what_is_back)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	char id[BASE_ID_SIZE];

	place_half_returned(hold, id);
	OK(hold_return_bounce(hold, id, &why));
	wait_for(hold, id, HOLD_RETURNED, 10000);
	ck_assert_int_eq(file_find("QUEUE1")->returned, 0);
	ck_assert_int_eq(file_find("QUEUE1")->deleted, 1);
	ck_assert_int_eq(file_find("QUEUE2")->returned, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* The file that no letter gets through for is taken away by somebody: the rest is back. */
START_TEST(returned_when_the_rest_has_left)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_returning returning;
	char id[BASE_ID_SIZE];
	bool is_news;

	place_half_returned(hold, id);
	file_find("QUEUE2")->place = NOWHERE;
	OK(hold_return_failed(hold, id, HOLD_RETURN_DUE, true, &is_news, &why));
	for (int64_t end = base_now_ms() + 20000;
	     look(hold, id).how == HOLD_HOW_STAYED && base_now_ms() < end;)
		base_sleep_ms(50);
	ck_assert_int_eq(look(hold, id).state, HOLD_RETURNING);
	OK(hold_return_failed(hold, id, HOLD_RETURN_DUE, true, &is_news, &why));
	NONE(hold_return_next(hold, arena, &returning, &why));
	wait_for(hold, id, HOLD_RETURNED, 10000);
	ck_assert_int_eq(file_find("QUEUE1")->deleted, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Wanted because of what happened after the answers that are on their way were given. */
START_TEST(a_look_wanted_during_a_look)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	int64_t end = base_now_ms() + IN_TIME_MS;
	char id[BASE_ID_SIZE];
	int requests;
	bool is_news;

	place_half_returned(hold, id);
	requests = queue->requests;
	queue->slow = 1000;
	OK(hold_return_failed(hold, id, HOLD_RETURN_DUE, true, &is_news, &why));
	while (queue->requests == requests)
		base_sleep_ms(1);
	base_sleep_ms(300);
	file_find("QUEUE2")->place = NOWHERE;
	OK(hold_return_failed(hold, id, HOLD_RETURN_DUE, true, &is_news, &why));
	while (look(hold, id).how == HOLD_HOW_STAYED && base_now_ms() < end)
		base_sleep_ms(50);
	ck_assert_int_eq(look(hold, id).how, HOLD_HOW_GONE);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Too large to come back: it is kept, its author is told once, and somebody decides. */
START_TEST(kept_until_somebody_decides)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_returning returning;
	struct hold_view view;
	char id[BASE_ID_SIZE];
	bool is_news = false;

	place_returning(hold, id);
	REFUSE(hold_request(
	    hold, id, HOLD_REQUEST_SEND, "admin", NULL, &why)); /* it is on its way back */
	OK(hold_return_failed(hold, id, HOLD_RETURN_KEPT, true, &is_news, &why));
	ck_assert(is_news);
	ck_assert_int_eq(look(hold, id).return_how, HOLD_RETURN_KEPT);
	NONE(hold_return_next(hold, arena, &returning, &why));
	OK(hold_letter_next(hold, arena, &view, &why));
	ck_assert_str_eq(view.id, id);
	ck_assert_str_eq(view.subject, "SECRET-SUBJECT  X: y");
	OK(hold_letter_done(hold, id, &why));
	NONE(hold_letter_next(hold, arena, &view, &why));
	REFUSE(hold_request(hold, id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	/* who made room for it */
	OK(hold_request(hold, id, HOLD_REQUEST_UNDO, "admin", NULL, &why));
	OK(hold_return_next(hold, arena, &returning, &why));
	OK(hold_return_failed(hold, id, HOLD_RETURN_KEPT, true, &is_news, &why));
	ck_assert_int_eq(file_find("QUEUE1")->place, ON_HOLD);
	base_sleep_ms(HOLD_RESTORE_AFTER_MS); /* a link's restore comes no sooner */
	OK(hold_request(hold, id, _i ? HOLD_REQUEST_RESTORE : HOLD_REQUEST_SEND,
	    _i ? "link" : "admin", NULL, &why));
	wait_for(hold, id, HOLD_SENT, 3000);
	ck_assert_int_eq(file_find("QUEUE1")->released, 1);
	ck_assert_int_eq(file_find("QUEUE1")->deleted, 0);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Stopped, and released by hand all the same: who stopped it hears of it, and then is forgotten. */
START_TEST(who_stopped_it_hears_that_it_left)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	struct hold_view view;
	char id[BASE_ID_SIZE];

	place_held(hold, &request, id);
	/* before the scheduler, woken by the request, looks */
	file_find("QUEUE1")->place = DEFERRED;
	OK(hold_request(hold, id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	wait_for(hold, id, HOLD_LOST, 4000);
	ck_assert_str_eq(look(hold, id).recipients, "");
	OK(hold_letter_next(hold, arena, &view, &why));
	ck_assert_str_eq(view.id, id);
	ck_assert_int_eq(view.how, HOLD_HOW_RELEASED);
	ck_assert_int_ne(view.left, 0);
	ck_assert_str_eq(view.subject, "SECRET-SUBJECT  X: y");
	OK(hold_letter_done(hold, id, &why));
	NONE(hold_letter_next(hold, arena, &view, &why));
	ck_assert_str_eq(look(hold, id).subject, "");
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* What a file is like whose disk lost a page: of one row, what does not fit on its first page. */
static void
row_damage(const char *id)
{
	static char page[4096];
	char path[200], sql[200];
	sqlite3 *raw;
	bool is_found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/" STORE_HOLDS_PATH, directory);
	snprintf(sql, sizeof(sql),
	    "UPDATE hold SET recipients = printf('%%.*c', 40000, 'x') WHERE id = '%s'", id);
	ck_assert_int_eq(sqlite3_open(path, &raw), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw); /* the last one: what is in the log goes into the file */
	file = fopen(path, "r+");
	ck_assert_ptr_nonnull(file);
	while (!is_found && fread(page, sizeof(page), 1, file) == 1)
		is_found = memcmp(page + 4, "xxxxxxxx", 8) == 0 && page[4095] == 'x';
	ck_assert(is_found);
	ck_assert_int_eq(fseek(file, -(long)sizeof(page), SEEK_CUR), 0);
	ck_assert_uint_eq(fwrite("\xff\xff\xff\xff", 4, 1, file), 1);
	fclose(file);
}

/* One row that cannot be read is told once, and what is behind it goes its way. */
START_TEST(an_unreadable_row_waits_alone)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params bad = sample("QUEUE1", "act1"), good = sample("QUEUE2", "act2");
	char bad_id[BASE_ID_SIZE], good_id[BASE_ID_SIZE];
	struct store_hold *row = NULL;
	struct hold_view view;

	place_held(hold, &bad, bad_id);
	place_held(hold, &good, good_id);
	watch_stop(&watch);
	for (int i = 0; i < 2; i++) {
		OK(store_hold_get(hold->store, arena, i ? good_id : bad_id, &row, &why));
		row->timer = row->deadline = row->due = row->letter_due = 1 + i;
		OK(store_hold_update(hold->store, row, row->state, &why));
	}
	hold_close(&hold);
	row_damage(bad_id);
	hold = must_open();
	ck_assert_int_eq(store_hold_get(hold->store, arena, bad_id, &row, &why), BASE_BROKEN);
	OK(hold_letter_next(hold, arena, &view, &why));
	ck_assert_str_eq(view.id, good_id);
	hold_letter_aside(hold, good_id, "nothing can be written of it");
	NONE(hold_letter_next(hold, arena, &view, &why));
	watch = watch_start(hold);
	wait_for(hold, good_id, good.action == HOLD_UNDO ? HOLD_SENT : HOLD_RETURNING, 5000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(no_restore_while_it_is_deleted)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];

	request.grace = 1;
	request.then = MAIL_END_DELETE;
	place_held(hold, &request, id);
	queue->fail = 1; /* the deletion takes a while */
	OK(hold_request(hold, id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	base_sleep_ms(1200);
	ck_assert_int_eq(look(hold, id).state, HOLD_UNDONE);
	REFUSE(hold_request(hold, id, HOLD_REQUEST_RESTORE, "link", NULL, &why));
	queue->fail = 0;
	wait_for(hold, id, HOLD_DELETED, 3000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* A file that left before we asked for anything left without us, whatever was wished. */
static const struct {
	enum place place;
	enum hold_request request;
	enum hold_how how;
} leavings[] = {
	{ NOWHERE, HOLD_REQUEST_SEND, HOLD_HOW_GONE },
	{ NOWHERE, HOLD_REQUEST_UNDO, HOLD_HOW_GONE },
	{ DEFERRED, HOLD_REQUEST_SEND, HOLD_HOW_RELEASED },
	{ DEFERRED, HOLD_REQUEST_UNDO, HOLD_HOW_RELEASED },
	{ FOREIGN, HOLD_REQUEST_UNDO, HOLD_HOW_GONE },
};

START_TEST(what_left_without_us_is_reported_as_that)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;

	place_held(hold, &request, id);
	file_find("QUEUE1")->place = leavings[_i].place;
	OK(hold_request(hold, id, leavings[_i].request, "link", NULL, &why));
	view = wait_for(hold, id, HOLD_LOST, 3000);
	ck_assert_int_eq(view.how, leavings[_i].how);
	ck_assert_int_ge(view.left, view.created);
	ck_assert_int_eq(file_find("QUEUE1")->released, 0);
	ck_assert_int_eq(queue->observations, 0);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Killed between asking and writing what came of it: gone means that it went because of us. */
START_TEST(asked_before_a_kill_counts)
{
	struct hold *hold = must_open();
	struct hold_params request = sample("QUEUE1", "act");
	struct watch watch = watch_start(hold);
	struct store_entry *entries;
	char id[BASE_ID_SIZE];
	size_t count;

	place_held(hold, &request, id);
	queue->fail = 1;
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	do
		OK(store_entry_list(hold->store, arena, id, &entries, &count, &why));
	while (entries[0].asked == 0);
	watch_stop(&watch);
	file_find("QUEUE1")->place = NOWHERE;
	watch = watch_start(hold);
	ck_assert_int_eq(wait_for(hold, id, HOLD_SENT, 5000).how, HOLD_HOW_STAYED);
	ck_assert_int_eq(queue->observations, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* "Stopped" is said when the queue showed the file since then. */
START_TEST(stopped_is_seen)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	int64_t end;

	place_held(hold, &request, id);
	queue->mute = 1;
	OK(hold_request(hold, id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	base_sleep_ms(500);
	ck_assert(!look(hold, id).is_seen);
	queue->mute = 0;
	for (end = base_now_ms() + 10000; !look(hold, id).is_seen && base_now_ms() < end;)
		base_sleep_ms(10);
	ck_assert(look(hold, id).is_seen);
	ck_assert_int_eq(look(hold, id).state, HOLD_UNDONE);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* The MTA gave the file another name: it is found by its tag, whatever is wished. */
START_TEST(a_renamed_file_is_found)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;

	file_add("OTHER", "bbbbbbbbbbbbbbbb", ON_HOLD);
	place_held(hold, &request, id);
	strcpy(file_find("QUEUE1")->queue_id, "RENAMED1");
	OK(hold_request(
	    hold, id, _i == 0 ? HOLD_REQUEST_SEND : HOLD_REQUEST_UNDO, "link", NULL, &why));
	if (_i == 0)
		view = wait_for(hold, id, HOLD_SENT, 5000);
	else
		for (int64_t end = base_now_ms() + 10000;
		     !(view = look(hold, id)).is_seen && base_now_ms() < end;)
			base_sleep_ms(10);
	ck_assert(view.is_seen);
	ck_assert_int_eq(view.how, HOLD_HOW_STAYED);
	ck_assert_str_eq(view.queue_ids[0], "RENAMED1");
	ck_assert_int_eq(file_find("RENAMED1")->released, _i == 0);
	ck_assert_int_eq(file_find("OTHER")->released, 0);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Held holds with files; the queue id of each is the name and its number. */
static void
many_held(struct hold *hold, const char *name, int count, enum hold_state state)
{
	OK(store_begin(hold->store, &why));
	for (int i = 0; i < count; i++) {
		struct store_hold row = { .node = "mx1",
			.state = state,
			.action = HOLD_CONFIRM,
			.submission = { "act", 3 },
			.sender = "jo@example.com",
			.created = base_now_ms() - 1000,
			.moved = base_now_ms() - 1000 };
		char id[BASE_ID_SIZE], queue_id[24];
		struct store_entry entry = { .hold_id = id,
			.queue_id = queue_id,
			.state = HOLD_ENTRY_HELD,
			.created = row.created };

		base_id_new(id);
		snprintf(queue_id, sizeof(queue_id), "%s%d", name, i);
		row.id = id;
		row.seen = row.moved;
		row.deadline = state == HOLD_HELD ? base_now_ms() + 3600000 : 0;
		row.timer = state == HOLD_HELD ? row.deadline : row.moved + 500;
		row.due = state == HOLD_HELD ? row.moved : 0;
		OK(store_hold_insert(hold->store, &row, &why));
		OK(store_entry_insert(hold->store, &entry, "", 0, &why));
		file_add(queue_id, id, ON_HOLD);
	}
	OK(store_commit(hold->store, &why));
}

/* Hundreds of looks that are overdue for longer do not keep one that must be released. */
START_TEST(timers_come_before_looks)
{
	struct hold *hold = must_open();
	struct watch watch;

	many_held(hold, "HELD", 400, HOLD_HELD);
	many_held(hold, "SENDING", 1, HOLD_SENDING);
	watch = watch_start(hold);
	wait_for(hold, file_find("SENDING0")->hold_id, HOLD_SENT, 5000);
	ck_assert_int_eq(queue->looks_before, 1); /* at itself */
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(many_are_released_in_one_request)
{
	struct hold *hold = must_open();
	struct watch watch;

	many_held(hold, "SENDING", 500, HOLD_SENDING);
	watch = watch_start(hold);
	for (int i = 0; i < 500; i++) {
		wait_for(hold, queue->files[i].hold_id, HOLD_SENT, 20000);
		ck_assert_int_eq(queue->files[i].released, 1);
		base_arena_reset(arena);
	}
	ck_assert_int_eq(queue->releases, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Something that the database refuses whenever this hold is written. */
static void
poison(const char *id)
{
	database_change(base_arena_printf(arena,
	    "CREATE TRIGGER poison BEFORE UPDATE OF state ON hold WHEN NEW.id = '%s' "
	    "BEGIN SELECT RAISE(ABORT, 'poisoned'); END",
	    id));
}

/* One hold that cannot be written waits alone; before it, the whole round did. */
START_TEST(one_bad_row_blocks_nobody)
{
	struct hold *hold = must_open();
	struct store_hold *row = NULL;
	struct watch watch;
	const char *bad;

	many_held(hold, "SENDING", 20, HOLD_SENDING);
	bad = queue->files[7].hold_id;
	poison(bad);
	watch = watch_start(hold);
	for (int i = 0; i < 20; i++)
		if (i != 7)
			wait_for(hold, queue->files[i].hold_id, HOLD_SENT, 5000);
	ck_assert_int_eq(look(hold, bad).state, HOLD_SENDING);
	OK(store_hold_get(hold->store, arena, bad, &row, &why));
	ck_assert_int_ge(row->timer, base_now_ms() + 60000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(a_file_that_is_not_ours_is_lost)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];

	place_held(hold, &request, id);
	file_find("QUEUE1")->place = FOREIGN; /* the queue id is used again */
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	wait_for(hold, id, HOLD_LOST, 3000);
	ck_assert_int_eq(file_find("QUEUE1")->released, 0);
	ck_assert_int_eq(queue->observations, 0);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* While the file is being written it may be anywhere; that is no loss. */
START_TEST(a_slow_file_is_awaited)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct file *file;

	OK(hold_create(hold, &request, id, &why));
	base_sleep_ms(400);
	file = file_add("QUEUE1", id, FOREIGN);
	base_sleep_ms(600);
	file->place = DEFERRED;
	base_sleep_ms(600);
	ck_assert_int_eq(look(hold, id).state, HOLD_PENDING);
	REFUSE(hold_request(hold, id, HOLD_REQUEST_SEND, "admin", NULL, &why));
	file->place = ON_HOLD;
	wait_for(hold, id, HOLD_HELD, 4000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(not_on_hold_means_lost)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];

	OK(hold_create(hold, &request, id, &why));
	file_add("QUEUE1", id, DEFERRED);
	wait_for(hold, id, HOLD_LOST, 12000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(queue_down_then_up)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE], away[128];

	snprintf(away, sizeof(away), "%s.away", socket_path);
	place_held(hold, &request, id);
	ck_assert_int_eq(rename(socket_path, away), 0);
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	base_sleep_ms(1000);
	ck_assert_int_eq(look(hold, id).state, HOLD_SENDING);
	ck_assert_int_eq(rename(away, socket_path), 0);
	queue->mute = 1;
	base_sleep_ms(1500);
	ck_assert_int_eq(look(hold, id).state, HOLD_SENDING);
	queue->mute = 0;
	queue->fail = 1;
	base_sleep_ms(500);
	queue->fail = 0;
	wait_for(hold, id, HOLD_SENT, 9000);
	ck_assert_int_eq(file_find("QUEUE1")->released, 1);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

struct wishing {
	const char *id;
	enum base_result result;
};

static void *
request_one(void *context)
{
	struct wishing *wishing = context;
	const char *reason = "";

	wishing->result =
	    hold_request(shared, wishing->id, HOLD_REQUEST_SEND, "link", NULL, &reason);
	return NULL;
}

START_TEST(fifty_requests_one_wins)
{
	static struct wishing wishings[50];
	struct hold_params request = sample("QUEUE1", "act");
	struct watch watch;
	pthread_t threads[50];
	char id[BASE_ID_SIZE];
	int won = 0;

	shared = must_open();
	watch = watch_start(shared);
	place_held(shared, &request, id);
	for (int i = 0; i < 50; i++) {
		wishings[i].id = id;
		pthread_create(&threads[i], NULL, request_one, &wishings[i]);
	}
	for (int i = 0; i < 50; i++) {
		pthread_join(threads[i], NULL);
		won += wishings[i].result == BASE_OK;
		if (wishings[i].result != BASE_OK)
			ck_assert_int_eq(wishings[i].result, BASE_REFUSE);
	}
	ck_assert_int_eq(won, 1);
	wait_for(shared, id, HOLD_SENT, 2000);
	ck_assert_int_eq(file_find("QUEUE1")->released, 1);
	watch_stop(&watch);
	hold_close(&shared);
}
END_TEST

/* A request that another process writes is carried out soon, on the node whose row it is. */
START_TEST(request_of_another_process)
{
	struct hold_params request = sample("QUEUE1", "act");
	struct hold *hold = must_open();
	struct watch watch;
	char id[BASE_ID_SIZE];
	int64_t asked;
	int status, report[2];
	pid_t child;

	hold_close(&hold);
	ck_assert_int_eq(pipe(report), 0);
	child = fork(); /* before there are threads */
	if (child == 0) {
		struct hold_options options = {
			.driver = "sqlite", .directory = directory, .node = "web1", .create = false
		};

		if (read(report[0], id, sizeof(id)) != sizeof(id))
			_exit(1);
		OK(hold_open(&options, &hold, &why));
		OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
		_exit(0);
	}
	hold = must_open();
	watch = watch_start(hold);
	place_held(hold, &request, id);
	ck_assert_int_eq(write(report[1], id, sizeof(id)), sizeof(id));
	waitpid(child, &status, 0);
	ck_assert_int_eq(status, 0);
	asked = base_now_ms();
	wait_for(hold, id, HOLD_SENT, 10000);
	ck_assert_int_lt(base_now_ms() - asked, IN_TIME_MS);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(only_the_own_node_acts)
{
	struct hold *hold = must_open();
	struct hold_options options = {
		.driver = "sqlite", .directory = directory, .node = "mx2", .create = false
	};
	struct hold *other = NULL;
	struct hold_params request = sample("QUEUE1", "act");
	struct watch watch;
	char id[BASE_ID_SIZE];

	OK(hold_open(&options, &other, &why));
	watch = watch_start(other);
	OK(hold_create(hold, &request, id, &why));
	file_add("QUEUE1", id, ON_HOLD);
	base_sleep_ms(800);
	ck_assert_int_eq(look(hold, id).state, HOLD_PENDING);
	ck_assert_int_eq(queue->requests, 0);
	watch_stop(&watch);
	hold_close(&other);
	hold_close(&hold);
}
END_TEST

START_TEST(idle_scheduler_rests)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct timespec before, after;
	int64_t spent;
	int requests;

	place_held(hold, &request, id);
	base_sleep_ms(500);
	requests = queue->requests;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	base_sleep_ms(2000); /* its letter is due all this time, and nobody writes it */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	spent = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	/* one that does not rest takes all the 2000 that it can get */
	ck_assert_msg(spent < 500, "%d ms of CPU in 2 s", (int)spent);
	ck_assert_int_eq(queue->requests, requests);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* --- letters --------------------------------------------------------------------- */

START_TEST(letters_and_tokens)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE], token[BASE_TOKEN_SIZE];
	struct hold_view view;
	int64_t again = 0, held;

	place_held(hold, &request, id);
	held = base_now_ms();
	NONE(hold_letter_next(hold, arena, &view, &why)); /* other queue entries may still come */
	while (hold_letter_next(hold, arena, &view, &why) == BASE_NONE &&
	       base_now_ms() < held + IN_TIME_MS)
		base_sleep_ms(10);
	OK(hold_letter_next(hold, arena, &view, &why));
	ck_assert_str_eq(view.id, id);

	OK(hold_letter_failed(hold, id, &again, &why));
	ck_assert_int_ge(again, base_now() + 3);
	NONE(hold_letter_next(hold, arena, &view, &why));
	base_token_new(token);
	NONE(hold_find_token(hold, arena, token, &view, &why));
	NONE(hold_find_token(hold, arena, "nonsense", &view, &why));
	OK(hold_token_add(hold, id, token, base_now() + 2, &why));
	REFUSE(hold_token_add(hold, id, "nonsense", base_now() + 2, &why));
	OK(hold_find_token(hold, arena, token, &view, &why));
	ck_assert_str_eq(view.id, id);
	OK(hold_letter_done(hold, id, &why));
	ck_assert_int_ne(look(hold, id).letter_sent, 0);
	NONE(hold_letter_done(hold, "aaaaaaaaaaaaaaaa", &why));
	base_sleep_ms(2100);
	NONE(hold_find_token(hold, arena, token, &view, &why));
	ck_assert(!folder_holds(directory, token));
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* A hold that is over needs no letter; one that could not be sent is not tried again. */
START_TEST(no_letter_after_the_end)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;
	int64_t again = 1;

	place_held(hold, &request, id);
	OK(hold_request(hold, id, HOLD_REQUEST_UNDO, "admin", NULL, &why));
	base_sleep_ms(1300);
	NONE(hold_letter_next(hold, arena, &view, &why));
	OK(hold_letter_failed(hold, id, &again, &why));
	ck_assert_int_eq(again, 0);
	ck_assert_int_eq(look(hold, id).state, HOLD_UNDONE);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* --- killed anywhere ------------------------------------------------------------- */

/* A scheduler in a process of its own, until it is killed. */
static pid_t
child_scheduler(void)
{
	pid_t child = fork();

	if (child == 0) {
		struct hold *hold = must_open();

		watch_start(hold);
		for (;;)
			pause();
	}
	return child;
}

static enum hold_ownership
ownership_of(struct hold *hold, const char *id, const char *queue_id)
{
	enum hold_ownership care;

	OK(hold_ownership(hold, id, queue_id, &care, &why));
	return care;
}

START_TEST(adopted_without_a_row)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	static const char id[] = "aaaaaaaaaaaaaaaa";
	struct hold_view view;

	file_add("QUEUE1", id, ON_HOLD);
	file_add("QUEUE2", id, ON_HOLD);
	ck_assert_int_eq(ownership_of(hold, id, "QUEUE1"), HOLD_OWNERSHIP_NONE);
	OK(hold_adopt(hold, id, &request, &why));
	view = wait_for(hold, id, HOLD_HELD, 3000);
	ck_assert_int_eq(ownership_of(hold, id, "QUEUE1"), HOLD_OWNERSHIP_OPEN);
	REFUSE(hold_adopt(hold, id, &request, &why));
	ck_assert_str_eq(view.sender, "jo@example.com");
	ck_assert_int_eq(view.how, HOLD_HOW_UNKNOWN);
	ck_assert_int_ge(view.deadline, base_now() + 3590);
	/* the other queue entry of the same hold joins it */
	request.queue_id = "QUEUE2";
	ck_assert_int_eq(ownership_of(hold, id, "QUEUE2"), HOLD_OWNERSHIP_NONE);
	OK(hold_adopt(hold, id, &request, &why));
	ck_assert_uint_eq(look(hold, id).entry_count, 2);
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	wait_for(hold, id, HOLD_SENT, 5000);
	ck_assert_int_eq(file_find("QUEUE1")->released, 1);
	ck_assert_int_eq(file_find("QUEUE2")->released, 1);
	/* sent is sent: whoever put the file on hold again has a reason of their own */
	file_find("QUEUE1")->place = ON_HOLD;
	ck_assert_int_eq(ownership_of(hold, id, "QUEUE1"), HOLD_OWNERSHIP_OVER);
	request.queue_id = "QUEUE1";
	REFUSE(hold_adopt(hold, id, &request, &why));
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(adopted_after_it_was_lost)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	struct hold_view view;
	int64_t created;

	place_held(hold, &request, id);
	created = look(hold, id).created;
	file_find("QUEUE1")->place = FOREIGN;
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	wait_for(hold, id, HOLD_LOST, 5000);
	file_find("QUEUE1")->place = ON_HOLD;
	ck_assert_int_eq(ownership_of(hold, id, "QUEUE1"), HOLD_OWNERSHIP_LOST);
	OK(hold_adopt(hold, id, &request, &why));
	view = wait_for(hold, id, HOLD_HELD, 3000);
	ck_assert_int_eq(view.created, created);
	ck_assert_int_eq(view.how, HOLD_HOW_GONE); /* as it was known before */
	ck_assert_int_eq(view.settled, 0);
	ck_assert_int_ge(view.deadline, base_now() + 3590);
	ck_assert_str_ne(view.subject, "");
	ck_assert_int_eq(file_find("QUEUE1")->released, 0);
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	wait_for(hold, id, HOLD_SENT, 3000);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* What was in no letter does not join a hold whose files are deleted because its author has it. */
START_TEST(nothing_is_adopted_into_what_is_back)
{
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE2", "act");
	char id[BASE_ID_SIZE];
	bool is_news;

	place_half_returned(hold, id);
	file_find("QUEUE2")->place = NOWHERE;
	OK(hold_return_failed(hold, id, HOLD_RETURN_DUE, true, &is_news, &why));
	for (int64_t end = base_now_ms() + 20000;
	     look(hold, id).how == HOLD_HOW_STAYED && base_now_ms() < end;)
		base_sleep_ms(50);
	queue->fail = 1000; /* the deletion takes a while */
	OK(hold_return_failed(hold, id, HOLD_RETURN_DUE, true, &is_news, &why));
	ck_assert_int_eq(look(hold, id).return_how, HOLD_RETURN_LETTER);
	file_find("QUEUE2")->place = ON_HOLD;
	ck_assert_int_eq(ownership_of(hold, id, "QUEUE2"), HOLD_OWNERSHIP_NONE);
	REFUSE(hold_adopt(hold, id, &request, &why));
	queue->fail = 0;
	wait_for(hold, id, HOLD_RETURNED, 30000);
	ck_assert_int_eq(file_find("QUEUE2")->place, ON_HOLD);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

START_TEST(another_node_adopts_nothing_of_ours)
{
	struct hold_options options = {
		.driver = "sqlite", .directory = directory, .node = "mx2", .create = true
	};
	struct hold *hold = must_open(), *other = NULL;
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];

	place_held(hold, &request, id);
	OK(hold_open(&options, &other, &why));
	ck_assert_int_eq(ownership_of(other, id, "QUEUE1"), HOLD_OWNERSHIP_ELSEWHERE);
	REFUSE(hold_adopt(other, id, &request, &why));
	watch_stop(&watch);
	hold_close(&other);
	hold_close(&hold);
}
END_TEST

/* A hold of keepers_killed_at_random, and how it must end. */
struct killed_row {
	char id[BASE_ID_SIZE];
	enum hold_state end;
};

/*
 * What others do for it: its author undoes what shall be deleted; the letters' thread, see there.
 */
static void
help_to_end(struct hold *hold, const struct killed_row *row)
{
	if (row->end == HOLD_DELETED && look(hold, row->id).state == HOLD_HELD)
		OK(hold_request(hold, row->id, HOLD_REQUEST_UNDO, "link", NULL, &why));
	bring_back(hold);
}

START_TEST(keepers_killed_at_random)
{
	static struct killed_row rows[24];
	static const enum hold_state wanted[] = { HOLD_SENT, HOLD_RETURNED, HOLD_DELETED };
	struct hold *hold = must_open();
	struct watch watch;
	int64_t end;
	unsigned seed = 7;
	int sent = 0;

	for (int i = 0; i < 24; i++) {
		char queue_id[32] = "", submission[32] = "";
		struct hold_params request;

		snprintf(queue_id, sizeof(queue_id), "QUEUE%d", i);
		snprintf(submission, sizeof(submission), "act-%d", i);
		request = sample(queue_id, submission);
		rows[i].end = wanted[i % 3];
		request.window = 1 + i % 5; /* expire one after the other */
		request.grace = 1;
		request.on_end = rows[i].end == HOLD_SENT ? MAIL_END_SEND : MAIL_END_RETURN;
		request.then = rows[i].end == HOLD_DELETED ? MAIL_END_DELETE : MAIL_END_RETURN;
		if (rows[i].end == HOLD_DELETED)
			request.window = 60;
		OK(hold_create(hold, &request, rows[i].id, &why));
		file_add(queue_id, rows[i].id, ON_HOLD);
		sent += rows[i].end == HOLD_SENT;
	}
	/* no store handle of ours may be open in the children */
	hold_close(&hold);
	for (end = base_now_ms() + 7000; base_now_ms() < end;) {
		pid_t child = child_scheduler();

		base_sleep_ms(10 + rand_r(&seed) % 250);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		hold = must_open();
		for (int i = 0; i < 24; i++)
			help_to_end(hold, &rows[i]);
		hold_close(&hold);
		base_arena_reset(arena);
	}
	hold = must_open();
	watch = watch_start(hold);
	for (int i = 0; i < 24; i++) {
		char queue_id[32];
		struct file *file;

		snprintf(queue_id, sizeof(queue_id), "QUEUE%d", i);
		file = file_find(queue_id);
		for (int tries = 0; tries < 2000; tries++) {
			if (look(hold, rows[i].id).state == rows[i].end)
				break;
			help_to_end(hold, &rows[i]);
			base_sleep_ms(50);
		}
		wait_for(hold, rows[i].id, rows[i].end, 1);
		ck_assert_int_eq(file->released, rows[i].end == HOLD_SENT);
		ck_assert_int_eq(file->returned, 0);
		ck_assert_int_eq(file->deleted, rows[i].end != HOLD_SENT);
	}
	ck_assert_int_ge(queue->observations, sent); /* twice is tolerable, never is not */
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* Killed while placing: what was answered with OK is there. */
START_TEST(placings_survive_a_kill)
{
	for (int round = 0; round < 6; round++) {
		char ids[2000][BASE_ID_SIZE];
		int reported[2], count = 0;
		struct hold *hold;
		pid_t child;

		ck_assert_int_eq(pipe(reported), 0);
		child = fork();
		if (child == 0) {
			hold = must_open();
			for (int i = 0;; i++) {
				char queue_id[32] = "", submission[32] = "", id[BASE_ID_SIZE];
				struct hold_params request;

				snprintf(queue_id, sizeof(queue_id), "R%dQUEUE%d", round, i);
				snprintf(submission, sizeof(submission), "%d-%d", round, i);
				request = sample(queue_id, submission);
				OK(hold_create(hold, &request, id, &why));
				if (write(reported[1], id, sizeof(id)) != sizeof(id))
					_exit(1);
			}
		}
		close(reported[1]);
		base_sleep_ms(60 + 23 * round);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (count < 2000 && read(reported[0], ids[count], BASE_ID_SIZE) == BASE_ID_SIZE)
			count++;
		close(reported[0]);
		hold = must_open();
		for (int i = 0; i < count; i++)
			ck_assert_uint_eq(look(hold, ids[i]).entry_count, 1);
		hold_close(&hold);
		base_arena_reset(arena);
	}
}
END_TEST

/* Two schedulers on one node by mistake: nothing is done twice. */
START_TEST(two_keepers_do_no_harm)
{
	struct hold *hold = must_open();
	struct watch watch;
	pid_t child;

	hold_close(&hold);
	child = child_scheduler();
	hold = must_open();
	watch = watch_start(hold);
	for (int i = 0; i < 12; i++) {
		char queue_id[32] = "", submission[32] = "", id[BASE_ID_SIZE];
		struct hold_params request;

		snprintf(queue_id, sizeof(queue_id), "QUEUE%d", i);
		snprintf(submission, sizeof(submission), "act-%d", i);
		request = sample(queue_id, submission);
		request.action = HOLD_UNDO;
		request.window = 1;
		OK(hold_create(hold, &request, id, &why));
		file_add(queue_id, id, ON_HOLD);
	}
	base_sleep_ms(2500);
	for (int i = 0; i < 12; i++) {
		wait_for(hold, queue->files[i].hold_id, HOLD_SENT, 3000);
		ck_assert_int_eq(queue->files[i].released, 1);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	watch_stop(&watch);
	hold_close(&hold);
}
END_TEST

/* --- forgetting ------------------------------------------------------------------ */

static enum base_result
forget(struct hold *hold, const char *address, const char *mark, size_t *removed_r)
{
	return hold_forget(hold, address, mark, strlen(mark), 1, removed_r, &why);
}

/* Refused while mail that names it is held, and then nothing is changed. */
START_TEST(held_mail_is_not_forgotten)
{
	static const struct {
		const char *address, *mark;
	} named[] = {
		{ "jo@example.com", "nothing" }, { "a@example.com", "nothing" },
		{ "nobody@example.com", "SsO" }, /* by its observation */
	};
	struct hold *hold = must_open();
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	size_t removed = 99;

	OK(hold_create(hold, &request, id, &why));
	for (size_t i = 0; i < sizeof(named) / sizeof(*named); i++) {
		REFUSE(forget(hold, named[i].address, named[i].mark, &removed));
		ck_assert_ptr_nonnull(strstr(why, id));
		ck_assert_ptr_nonnull(strstr(why, named[i].address));
	}
	ck_assert_uint_eq(removed, 99);
	ck_assert(folder_holds(directory, "LeSsOn"));
	ck_assert_str_eq(look(hold, id).sender, "jo@example.com");
	OK(forget(hold, "nobody@example.com", "nothing", &removed));
	ck_assert_uint_eq(removed, 0);
	/* a part of an address is another address */
	OK(forget(hold, "o@example.com", "nothing", &removed));
	ck_assert_uint_eq(removed, 0);
	hold_close(&hold);
}
END_TEST

/* An observation that has the second mark only refuses what the first would have changed. */
START_TEST(every_mark_is_looked_for_before_anything_changes)
{
	struct store_hold others = { .id = "bbbbbbbbbbbbbbbb",
		.node = "mx1",
		.state = HOLD_SENT,
		.submission = { "act2", 4 },
		.sender = "nobody@example.com",
		.created = base_now_ms(),
		.settled = base_now_ms() };
	struct hold *hold = must_open();
	struct hold_params request = sample("QUEUE1", "act");
	char id[BASE_ID_SIZE];
	size_t removed = 99;

	OK(store_hold_insert(hold->store, &others, &why));
	OK(hold_create(hold, &request, id, &why));
	REFUSE(hold_forget(hold, "nobody@example.com", "xyzSsO", 3, 2, &removed, &why));
	ck_assert_ptr_nonnull(strstr(why, id));
	ck_assert_str_eq(look(hold, others.id).sender, "nobody@example.com");
	ck_assert_uint_eq(removed, 99);
	OK(hold_forget(hold, "nobody@example.com", "xyzzyx", 3, 2, &removed, &why));
	ck_assert_uint_eq(removed, 1);
	hold_close(&hold);
}
END_TEST

/* Six that are held: five are named, and it is said that there are more. */
START_TEST(a_refusal_names_some)
{
	struct hold *hold = must_open();
	char id[BASE_ID_SIZE], submission[32];
	size_t removed = 0, ids = 0;

	for (int i = 0; i <= HOLD_FORGET_NAMED; i++) {
		struct hold_params request;

		snprintf(submission, sizeof(submission), "QUEUE%d", i);
		request = sample(submission, submission);
		OK(hold_create(hold, &request, id, &why));
	}
	REFUSE(forget(hold, "jo@example.com", "nothing", &removed));
	for (const char *at = strrchr(why, ':'); at != NULL && *at != '\0'; at++)
		ids += *at == ' ';
	ck_assert_uint_eq(ids, HOLD_FORGET_NAMED + 1);
	ck_assert_ptr_nonnull(strstr(why, " ..."));
	hold_close(&hold);
}
END_TEST

/* Its own mail goes as a whole; of mail of others only what names it. */
START_TEST(mail_that_is_over_is_forgotten)
{
	/* as a kill between the end and the wiping leaves it */
	struct store_hold others = { .id = "bbbbbbbbbbbbbbbb",
		.node = "mx1",
		.state = HOLD_SENT,
		.submission = { "act2", 4 },
		.sender = "al@example.com",
		.recipients = "clara@example.com\nJo@example.com",
		.author = "jo@example.com",
		.created = base_now_ms(),
		.settled = base_now_ms() };
	struct store_storm storm = { .id = "cccccccccccccccc",
		.node = "mx2", /* whose letters another host writes */
		.topic = { "topic", 5 },
		.list = "jo@example.com",
		.owner = "Jo@example.com",
		.subject = "",
		.language = "en",
		.by = "",
		.until = INT64_MAX,
		.letter_due = 1 };
	struct hold *hold = must_open();
	struct watch watch = watch_start(hold);
	struct hold_params request = sample("QUEUE1", "act1");
	char id[BASE_ID_SIZE], token[BASE_TOKEN_SIZE];
	struct hold_view view;
	size_t removed = 0;

	OK(store_hold_insert(hold->store, &others, &why));
	OK(store_storm_insert(hold->store, &storm, &why));
	place_held(hold, &request, id);
	base_token_new(token);
	OK(hold_token_add(hold, id, token, base_now() + 3600, &why));
	REFUSE(forget(hold, "jo@example.com", "nothing", &removed));
	ck_assert(folder_holds(directory, "clara@example.com")); /* all or nothing */
	OK(hold_request(hold, id, HOLD_REQUEST_SEND, "link", NULL, &why));
	wait_for(hold, id, HOLD_SENT, 3000);
	watch_stop(&watch);
	OK(forget(hold, "jo@example.com", "nothing", &removed));
	ck_assert_uint_eq(removed, 2);
	NONE(hold_find(hold, arena, id, &view, &why));
	NONE(hold_find_token(hold, arena, token, &view, &why));
	ck_assert_str_eq(look(hold, others.id).sender, "al@example.com");
	ck_assert_str_eq(look(hold, others.id).author, "");
	ck_assert(!folder_holds(directory, "jo@example.com"));
	ck_assert(!folder_holds(directory, "Jo@example.com"));
	OK(forget(hold, "jo@example.com", "nothing", &removed)); /* once more */
	ck_assert_uint_eq(removed, 0);
	hold_close(&hold);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hold");
	TCase *pure = tcase_create("pure");
	TCase *life = tcase_create("life");
	SRunner *runner;
	int failed;

	tcase_add_test(pure, moves_are_exactly_these);
	tcase_add_test(pure, names);
	tcase_add_loop_test(
	    pure, answers_are_believed_when_they_can_be, 0, sizeof(answers) / sizeof(*answers));
	tcase_add_loop_test(
	    pure, plans_follow_from_state_and_time, 0, sizeof(plans) / sizeof(*plans));
	tcase_add_loop_test(pure, ends_follow_from_the_parts, 0, sizeof(ends) / sizeof(*ends));
	tcase_add_test(pure, backoff_grows_to_its_ceiling);
	tcase_add_test(pure, times_come_again);
	suite_add_tcase(suite, pure);

	tcase_set_timeout(life, 300);
	tcase_add_checked_fixture(life, setup, teardown);
	tcase_add_test(life, placed_is_durable_and_whole);
	tcase_add_test(life, a_letter_has_somewhere_to_go);
	tcase_add_test(life, impossible_requests_are_refused);
	tcase_add_test(life, long_text_is_cut_not_refused);
	tcase_add_test(life, fifty_place_at_once);
	tcase_add_test(life, a_limit_is_exact);
	tcase_add_test(life, a_part_is_not_limited);
	tcase_add_test(life, a_group_fails_together);
	tcase_add_test(life, one_act_is_one_hold);
	tcase_add_test(life, what_comes_after_a_stop_is_asked_about);
	tcase_add_test(life, what_came_back_is_not_counted);
	tcase_add_test(life, what_comes_back_for_long_costs_nothing);
	tcase_add_test(life, a_window_that_ends_takes_no_more_mail);
	tcase_add_loop_test(
	    life, removed_files_are_noticed, 0, sizeof(removals) / sizeof(*removals));
	tcase_add_test(life, a_window_lasts_though_the_clock_is_set);
	tcase_add_test(life, after_a_window_the_act_goes_on);
	tcase_add_test(life, sent_by_request_and_wiped);
	tcase_add_test(life, undo_window_ends_in_time);
	tcase_add_test(life, a_window_waits_for_its_letter);
	tcase_add_test(life, an_unannounced_window_ends);
	tcase_add_test(life, undone_then_restored);
	tcase_add_loop_test(life, time_ends_it, 0, sizeof(lasts) / sizeof(*lasts));
	tcase_add_test(life, returned_while_it_is_looked_at);
	tcase_add_test(life, returned_when_every_file_is_back);
	tcase_add_test(life, returned_by_a_bounce_when_reported_so);
	tcase_add_loop_test(life, kept_until_somebody_decides, 0, 2);
	tcase_add_test(life, who_stopped_it_hears_that_it_left);
	tcase_add_test(life, an_unreadable_row_waits_alone);
	tcase_add_test(life, a_bounce_leaves_out_what_is_back);
	tcase_add_test(life, returned_when_the_rest_has_left);
	tcase_add_test(life, a_look_wanted_during_a_look);
	tcase_add_test(life, no_restore_while_it_is_deleted);
	tcase_add_loop_test(life, what_left_without_us_is_reported_as_that, 0,
	    sizeof(leavings) / sizeof(*leavings));
	tcase_add_test(life, asked_before_a_kill_counts);
	tcase_add_test(life, stopped_is_seen);
	tcase_add_loop_test(life, a_renamed_file_is_found, 0, 2);
	tcase_add_test(life, timers_come_before_looks);
	tcase_add_test(life, many_are_released_in_one_request);
	tcase_add_test(life, one_bad_row_blocks_nobody);
	tcase_add_test(life, a_file_that_is_not_ours_is_lost);
	tcase_add_test(life, a_slow_file_is_awaited);
	tcase_add_test(life, not_on_hold_means_lost);
	tcase_add_test(life, queue_down_then_up);
	tcase_add_test(life, fifty_requests_one_wins);
	tcase_add_test(life, request_of_another_process);
	tcase_add_test(life, only_the_own_node_acts);
	tcase_add_test(life, idle_scheduler_rests);
	tcase_add_test(life, letters_and_tokens);
	tcase_add_test(life, no_letter_after_the_end);
	tcase_add_test(life, adopted_without_a_row);
	tcase_add_test(life, adopted_after_it_was_lost);
	tcase_add_test(life, nothing_is_adopted_into_what_is_back);
	tcase_add_test(life, another_node_adopts_nothing_of_ours);
	tcase_add_test(life, keepers_killed_at_random);
	tcase_add_test(life, placings_survive_a_kill);
	tcase_add_test(life, two_keepers_do_no_harm);
	tcase_add_test(life, held_mail_is_not_forgotten);
	tcase_add_test(life, every_mark_is_looked_for_before_anything_changes);
	tcase_add_test(life, a_refusal_names_some);
	tcase_add_test(life, mail_that_is_over_is_forgotten);
	suite_add_tcase(suite, life);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
