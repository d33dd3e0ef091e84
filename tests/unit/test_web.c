/*
 * The pages over real sockets, with a real database of held mail in a folder of the test's
 * own. Nothing here knows how the pages are made: only what goes over the wire.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/notice/notice.h"
#include "milter/store/hold.h"
#include "milter/store/store.h"
#include "milter/web/internal.h"

#define NOBODY "AAAAAAAAAAAAAAAAAAAAAA" /* well formed, and opens nothing */
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

static struct settings site;
static struct base_arena *arena;
static struct store *store; /* a second way into the same database */
static struct hold *hold;
static struct web *web;
static char folder[64], id[BASE_ID_SIZE], token[BASE_TOKEN_SIZE];

/* --- what was audited, in the place of the audit module ------------------------------------- */

static atomic_int views, moves;
static char last_client[100], last_method[10], last_refused[20];

void
audit_write(
    enum audit_event event, const char *hold_id, const struct audit_pair *pairs, size_t count)
{
	(void)hold_id;
	if (event == AUDIT_SEND || event == AUDIT_UNDO || event == AUDIT_RESTORE)
		atomic_fetch_add(&moves, 1);
	for (size_t i = 0; event == AUDIT_REQUEST && i < count; i++)
		if (strcmp(pairs[i].key, "refused") == 0)
			snprintf(last_refused, sizeof(last_refused), "%s",
			    pairs[i].value ? pairs[i].value : "-");
		else if (strcmp(pairs[i].key, "client") == 0)
			snprintf(last_client, sizeof(last_client), "%s", pairs[i].value);
	if (event != AUDIT_VIEW)
		return;
	ck_assert_uint_eq(count, 3);
	snprintf(last_method, sizeof(last_method), "%s", pairs[0].value);
	snprintf(last_client, sizeof(last_client), "%s", pairs[2].value);
	atomic_fetch_add(&views, 1);
}

/* --- a site ---------------------------------------------------------------------------------- */

/* The row, to be changed and written back by change(). */
static struct store_hold *
row(void)
{
	struct store_hold *found;
	const char *why = "";

	ck_assert_msg(store_hold_get(store, arena, id, &found, &why) == BASE_OK, "%s", why);
	return found;
}

#define AGO_MS 10000 /* longer than a restore must wait */

/* What the scheduler would do: the mail came into a state a while ago. */
static void
become(enum hold_state state, const char *by)
{
	struct store_hold *found = row();
	int before = found->state;
	const char *why = "";

	found->state = state;
	found->by = by;
	found->moved = base_now_ms() - AGO_MS;
	found->seen = base_now_ms();
	ck_assert_msg(store_hold_update(store, found, before, &why) == BASE_OK, "%s", why);
}

static enum hold_state
state(void)
{
	return row()->state;
}

static void
place(enum hold_action action)
{
	static const struct hold_reason reasons[] = {
		{ "outside_domain_first", "3.1",
		    "case=one n=0 more=0 people=40 known=exactly addresses=40 lists=no",
		    "<40>.example", "" },
	};
	static const char *recipients[] = { "bob@example.com", "carl@example.com" };
	const struct hold_params request = { .action = action,
		.queue_id = "4fHnb65Wz9zJq2",
		.submission = &action,
		.submission_length = sizeof(action),
		.sender = "anna@example.com",
		.subject = "Lunch & <b>more</b>",
		.recipients = recipients,
		.recipients_visible = 2,
		.recipient_count = 40,
		.people = 40,
		.reasons = reasons,
		.reason_count = 1,
		.policy = "rule 1",
		.language = "en",
		.window = action == HOLD_UNDO ? 120 : 86400,
		.grace = 1800,
		.on_end = action == HOLD_UNDO ? MAIL_END_SEND : MAIL_END_RETURN,
		.then = MAIL_END_RETURN,
		.observation = "x",
		.observation_length = 1 };
	const char *why = "";

	ck_assert_msg(hold_create(hold, &request, id, &why) == BASE_OK, "%s", why);
	base_token_new(token);
	ck_assert_msg(
	    hold_token_add(hold, id, token, base_now() + 3600, &why) == BASE_OK, "%s", why);
}

static void
start(const char *base_url, int seconds)
{
	const char *why = "";

	site.web.base_url = base_url;
	ck_assert_msg(web_start_limited(&site, NULL, hold, seconds, seconds, &web, &why) == BASE_OK,
	    "%s", why);
}

static void
setup(void)
{
	struct hold_options options = {
		.driver = "sqlite", .directory = folder, .node = "mx1", .create = true
	};
	struct store_options store_options = { .driver = "sqlite", .directory = folder };
	const char *why = "";

	setenv("TZ", "UTC", 1);
	site.web.listen_host = "127.0.0.1";
	site.notice.language = "en";
	snprintf(folder, sizeof(folder), "/tmp/oops-web-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	arena = base_arena_new(1 << 24);
	ck_assert_msg(hold_open(&options, &hold, &why) == BASE_OK, "%s", why);
	ck_assert_msg(store_open(&store_options, STORE_HOLDS, &store, &why) == BASE_OK, "%s", why);
	place(HOLD_CONFIRM);
	become(HOLD_HELD, "mta");
	start("http://127.0.0.1:8025", WEB_SECONDS);
}

static void
teardown(void)
{
	char command[100];

	web_stop(&web);
	store_close(&store);
	hold_close(&hold);
	base_arena_free(&arena);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

/*
 * --- a client -----------------------------------------------------------------------------------
 */

static int
dial_from(const char *source)
{
	struct sockaddr_in own = { .sin_family = AF_INET };
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)web_port(web)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 30 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(inet_pton(AF_INET, source, &own.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int
dial(void)
{
	return dial_from("127.0.0.1");
}

/* Everything until the server closes, malloc'd. */
static char *
hang_up(int fd)
{
	char *text = calloc(1, 70000);
	size_t length = 0;
	ssize_t got;

	while ((got = recv(fd, text + length, 69999 - length, 0)) > 0)
		length += (size_t)got;
	close(fd);
	return text;
}

/* One request, with threads in mind: nothing but malloc. */
static char *
request(const char *method, const char *path, const char *fields, const char *body)
{
	int fd = dial();

	dprintf(fd, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", method, path, fields);
	if (*body)
		dprintf(fd, "Content-Length: %zu\r\n", strlen(body));
	dprintf(fd, "\r\n%s", body);
	return hang_up(fd);
}

/* The answer in the arena. */
static const char *
ask(const char *method, const char *path, const char *fields, const char *body)
{
	char *text = request(method, path, fields, body);
	const char *copy = base_arena_strdup(arena, text);

	free(text);
	return copy;
}

static const char *
path_of(const char *of)
{
	return base_arena_printf(arena, "/h/%s", of);
}

static const char *
look(void)
{
	return ask("GET", path_of(token), "", "");
}

/* The page that an answer sends the browser to. */
static const char *
follow(const char *answer)
{
	char where[100] = "";
	const char *location = strstr(answer, "\r\nLocation: ");

	ck_assert_ptr_nonnull(location);
	ck_assert_int_eq(sscanf(location, "\r\nLocation: %99[^\r]", where), 1);
	ck_assert_int_eq(strncmp(where, token, strlen(token)), 0);
	return ask("GET", path_of(where), "", "");
}

/* The fields of a form that the page has now. */
static const char *
form(const char *fields)
{
	struct hold_view view;
	const char *why = "";

	ck_assert_int_eq(hold_find_token(hold, arena, token, &view, &why), BASE_OK);
	return base_arena_printf(arena, "at=%s&%s", view.mark, fields);
}

static const char *
post(const char *body)
{
	return ask("POST", path_of(token), FORM, body);
}

static const char *
press(const char *fields)
{
	return post(form(fields));
}

static int
status(const char *answer)
{
	int code = 0;

	ck_assert_msg(sscanf(answer, "HTTP/1.1 %d", &code) == 1, "no answer: \"%s\"", answer);
	return code;
}

static void
has(const char *text, const char *piece)
{
	ck_assert_msg(strstr(text, piece) != NULL, "\"%s\" is not in:\n%s", piece, text);
}

static void
has_not(const char *text, const char *piece)
{
	ck_assert_msg(strstr(text, piece) == NULL, "\"%s\" is in:\n%s", piece, text);
}

/* The answer without what makes values stand out. */
static const char *
plain(const char *answer)
{
	static const char *const marks[] = { "<strong>", "</strong>" };
	char *copy = base_arena_strdup(arena, answer), *found;
	size_t i;

	for (i = 0; i < 2; i++)
		while ((found = strstr(copy, marks[i])))
			memmove(
			    found, found + strlen(marks[i]), strlen(found + strlen(marks[i])) + 1);
	return copy;
}

/* The answer without its Date, which is all that may differ between two of the same. */
static const char *
dateless(const char *answer)
{
	char *copy = base_arena_strdup(arena, answer);
	char *date = strstr(copy, "\r\nDate: "), *end;

	ck_assert_ptr_nonnull(date);
	end = strstr(date + 2, "\r\n");
	memmove(date, end, strlen(end) + 1);
	return copy;
}

/*
 * --- looking
 * --------------------------------------------------------------------------------------
 */

START_TEST(test_looking_changes_nothing)
{
	const char *answer;
	int i;

	for (i = 0; i < 20; i++) {
		answer = look();
		ck_assert_int_eq(status(answer), 200);
		has(answer, "Your mail has not been sent yet");
		has(answer, "Lunch &amp; &lt;b&gt;more&lt;/b&gt;");
		has(answer, "anybody at &lt;40&gt;.example.");
		has(answer, "bob@example.com, carl@example.com and 38 more");
		ck_assert_str_eq(last_method, "GET");
		answer = ask("HEAD", path_of(token), "User-Agent: scanner\r\n", "");
		ck_assert_int_eq(status(answer), 200);
		has_not(answer, "<html");
		ck_assert_str_eq(last_method, "HEAD");
		ck_assert_int_eq(status(ask("GET", base_arena_printf(arena, "/h/%s?do=send", token),
				     FORM, "do=send")),
		    200);
	}
	ck_assert_int_eq(state(), HOLD_HELD);
	ck_assert_int_eq(atomic_load(&views), 60);
	ck_assert_int_eq(atomic_load(&moves), 0);
}
END_TEST

static const struct {
	enum hold_state state;
	const char *by, *title, *sentence;
	const char *buttons; /* values, in order */
} state_cases[] = {
	{ HOLD_PENDING, "", "Just a moment", "put on hold", "" },
	{ HOLD_HELD, "mta", "has not been sent yet", "it comes back to you unsent", "undo send " },
	{ HOLD_SENDING, "link", "is to be sent", "asked to send it", "" },
	{ HOLD_SENT, "owner", "was sent", "let the answers through, so it left at ", "" },
	{ HOLD_SENT, "link", "was sent", "You sent it at ", "" },
	{ HOLD_SENT, "admin", "was sent", "An administrator of your mail server sent it at ", "" },
	{ HOLD_SENT, "timer", "was sent", "it left by itself at ", "" },
	{ HOLD_UNDONE, "link", "was stopped", "You stopped it at ", "restore " },
	{ HOLD_RETURNING, "timer", "is coming back to you", "", "" },
	{ HOLD_RETURNED, "timer", "came back to you", "returned to you at ", "" },
	{ HOLD_DELETED, "timer", "was deleted", "then deleted at ", "" },
	{ HOLD_LOST, "mta", "no longer here", "noticed at ", "" },
};

START_TEST(test_states)
{
	const char *answer, *button;
	char buttons[100] = "";

	become(state_cases[_i].state, state_cases[_i].by);
	answer = plain(look());
	ck_assert_int_eq(status(answer), 200);
	has(answer, base_arena_printf(arena, "%s</h1>", state_cases[_i].title));
	has(answer, state_cases[_i].sentence);
	for (button = answer; (button = strstr(button, "name=\"do\" value=\"")); button++)
		sscanf(button, "name=\"do\" value=\"%20[a-z]", buttons + strlen(buttons)),
		    strcat(buttons, " ");
	ck_assert_str_eq(buttons, state_cases[_i].buttons);
}
END_TEST

START_TEST(test_undo_window)
{
	const char *answer;

	place(HOLD_UNDO);
	become(HOLD_HELD, "mta");
	answer = look();
	has(answer, "Your mail has not left yet</h1>");
	has(answer, "\r\nRefresh: 1");
	has(answer, ">Undo: do not send it</button>");
	has(answer, ">Send it now to 40 people</button>");
}
END_TEST

/* From now on whoever connects from this machine is our proxy. */
static void
trust_loopback(void)
{
	static struct settings_network loopback = {
		.family = AF_INET, .address = { 127 }, .prefix = 8
	};

	site.web.trusted_proxies = &loopback;
	site.web.trusted_proxy_count = 1;
	web_change(web, &site, NULL);
}

static const struct {
	const char *fields, *client;
} client_cases[] = {
	{ "", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1\r\n", "10.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1, 2001:db8::7 \r\n", "2001:db8::7" },
	{ "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2,10.0.0.3\r\n", "10.0.0.3" },
	{ "X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Forwarded-For:10.0.0.3\r\n", "10.0.0.3" },
	{ "X-Forwarded-For: ::ffff:10.0.0.1\r\n", "10.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.2, 10.0.0.1:4711\r\n", "10.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1:_p-1.x\r\n", "10.0.0.1" },
	{ "X-Forwarded-For: [2001:db8::7]\r\n", "2001:db8::7" },
	{ "X-Forwarded-For: [::1]:4711\r\n", "::1" },
	{ "X-Forwarded-For: [::ffff:10.0.0.1]:80\r\n", "10.0.0.1" },
	{ "X-Forwarded-For: 2001:db8::7:80\r\n", "2001:db8::7:80" },
	{ "X-Forwarded-For: [10.0.0.1]:80\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: [::1\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: [::1]80\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1:\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1:123456\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1:http\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: unknown\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1, <evil>\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1,\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1 10.0.0.2\r\n", "127.0.0.1" },
	{ "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For:\r\n", "127.0.0.1" },
};

START_TEST(test_client)
{
	ask("GET", path_of(token), client_cases[_i].fields, "");
	ck_assert_str_eq(last_client, "127.0.0.1"); /* nobody's proxy is trusted */
	trust_loopback();
	ask("GET", path_of(token), client_cases[_i].fields, "");
	ck_assert_str_eq(last_client, client_cases[_i].client);
	/* a press, whether it moves anything or not */
	for (int i = 0; i < 2; i++) {
		last_client[0] = '\0';
		ask("POST", path_of(token),
		    base_arena_printf(arena, FORM "%s", client_cases[_i].fields),
		    i == 0 ? form("do=undo") : "at=1-1&do=undo");
		ck_assert_str_eq(last_client, client_cases[_i].client);
	}
}
END_TEST

/*
 * --- asking
 * ------------------------------------------------------------------------------------------
 */

static const struct {
	enum hold_state from;
	const char *body;
	enum hold_state to;
	const char *title;
} request_cases[] = {
	{ HOLD_HELD, "do=send", HOLD_SENDING, "is to be sent" },
	{ HOLD_HELD, "do=undo", HOLD_UNDONE, "is to be stopped" },
	{ HOLD_UNDONE, "sure=yes&do=restore", HOLD_SENDING, "is to be sent" },
	{ HOLD_HELD, "sure=yes&do=restore", HOLD_HELD, "has not been sent yet" },
	{ HOLD_UNDONE, "do=undo", HOLD_UNDONE, "was stopped" },
	{ HOLD_SENDING, "do=undo", HOLD_SENDING, "Too late to stop it" },
	{ HOLD_SENT, "do=undo", HOLD_SENT, "Too late to stop it" },
	{ HOLD_SENT, "do=send", HOLD_SENT, "was sent" },
	{ HOLD_RETURNED, "sure=yes&do=restore", HOLD_RETURNED, "came back" },
	{ HOLD_LOST, "do=send", HOLD_LOST, "no longer here" },
};

START_TEST(test_requests)
{
	const char *answer;
	int i;

	if (request_cases[_i].from != HOLD_HELD)
		become(request_cases[_i].from, "link");
	for (i = 0; i < 2; i++) {
		answer = press(request_cases[_i].body);
		ck_assert_int_eq(status(answer), 303);
		ck_assert_int_eq(state(), request_cases[_i].to);
		has(follow(answer), request_cases[_i].title);
	}
	ck_assert_int_eq(atomic_load(&views), 2);
	ck_assert_int_le(atomic_load(&moves), 1);
}
END_TEST

static const struct {
	const char *fields, *body;
	int status;
} form_cases[] = {
	{ FORM, "", 400 },
	{ FORM, "do=", 400 },
	{ FORM, "sure=yes&do=send", 400 },
	{ FORM, "sure=no&do=restore", 400 },
	{ FORM, "do=restore&sure=yes", 400 },
	{ FORM, "do", 400 },
	{ FORM, "do=delete", 400 },
	{ FORM, "do=SEND", 400 },
	{ FORM, "do=send&x=1", 400 },
	{ FORM, "x=1&do=send", 400 },
	{ FORM, "do=send&do=undo", 400 },
	{ FORM, "what=send", 400 },
	{ FORM, " do=send", 400 },
	{ FORM, "do=send\r\n", 400 },
	{ "", "do=send", 415 },
	{ "Content-Type: text/plain\r\n", "do=send", 415 },
	{ "Content-Type: application/x-www-form-urlencodedx\r\n", "do=send", 415 },
	{ "Content-Type: application/json\r\n", "{\"do\":\"send\"}", 415 },
	{ "Content-Type: multipart/form-data; boundary=x\r\n",
	    "--x\r\nContent-Disposition: form-data; name=\"do\"\r\n\r\nsend\r\n--x--\r\n", 415 },
	{ FORM "Sec-Fetch-Site: cross-site\r\n", "do=send", 403 },
	{ FORM "Sec-Fetch-Site: same-site\r\n", "do=send", 403 },
	{ FORM "Origin: https://evil.example\r\n", "do=send", 403 },
	{ FORM "Origin: http://127.0.0.1:8025.evil.example\r\n", "do=send", 403 },
	{ FORM "Origin: null\r\nSec-Fetch-Site: cross-site\r\n", "do=send", 403 },
	{ FORM "Origin: null\r\nSec-Fetch-Site: same-origin\r\n", "do=send", 303 },
	{ FORM "Origin: http://127.0.0.1:8025\r\n", "do=send", 303 },
	{ FORM "Origin: http://127.0.0.1\r\n", "do=send", 303 },
	{ "content-type: Application/X-WWW-Form-Urlencoded; charset=utf-8\r\n", "do=send", 303 },
};

START_TEST(test_forms)
{
	const char *answer =
	    ask("POST", path_of(token), form_cases[_i].fields, form(form_cases[_i].body));

	ck_assert_int_eq(status(answer), form_cases[_i].status);
	ck_assert_int_eq(state(), form_cases[_i].status == 303 ? HOLD_SENDING : HOLD_HELD);
}
END_TEST

/* What is no form of a page of ours, because it does not say which state it was made for. */
START_TEST(test_marks)
{
	static const char *const bodies[] = { "do=send", "at=&do=send", "at=x&do=send",
		"at=1-2-3-4-5-6-7-8-9-10-11-12-13-14&do=send", "at=2-1%20&do=send",
		"do=send&at=2-1" };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		ck_assert_int_eq(status(post(bodies[i])), 400);
	ck_assert_int_eq(state(), HOLD_HELD);
	ck_assert_int_eq(atomic_load(&moves), 0);
}
END_TEST

/* A page that was left open shows what is not so any more: its buttons move nothing. */
START_TEST(test_stale)
{
	const char *send = form("do=send"), *undo = form("do=undo"), *restore;

	become(HOLD_HELD, "mta"); /* the same state, entered at another time */
	ck_assert_int_eq(status(post(send)), 303);
	ck_assert_str_eq(last_refused, "stale");
	ck_assert_int_eq(state(), HOLD_HELD);
	ck_assert_int_eq(status(press("do=undo")), 303);
	ck_assert_str_eq(last_refused, "-");
	become(HOLD_UNDONE, "link");
	restore = form("sure=yes&do=restore");
	ck_assert_int_eq(status(post(undo)), 303);
	ck_assert_str_eq(last_refused, "stale");
	become(HOLD_HELD, "mta");
	ck_assert_int_eq(status(post(restore)), 303);
	ck_assert_str_eq(last_refused, "stale");
	ck_assert_int_eq(state(), HOLD_HELD);
	ck_assert_int_eq(atomic_load(&moves), 1);
}
END_TEST

/* Undo at the deadline: what happened is said, as long as the page looks again. */
START_TEST(test_too_late)
{
	const char *undo, *answer, *page;

	place(HOLD_UNDO);
	become(HOLD_HELD, "mta");
	undo = form("do=undo");
	become(HOLD_SENDING, "timer");
	answer = post(undo);
	page = follow(answer);
	has(page, "Too late to stop it</h1>");
	has(page, "sending had begun already");
	has(page, "\r\nRefresh: ");
	has_not(page, "is noted");
	become(HOLD_SENT, "timer");
	page = plain(follow(answer));
	has(page, "Too late to stop it</h1>");
	has(page, "it left by itself at ");
	/* who never pressed anything is not told so; nor is a mail late that was not sent */
	has_not(look(), "Too late");
	become(HOLD_LOST, "mta");
	has_not(follow(answer), "Too late");
}
END_TEST

/* Whoever pressed Undo has nothing to press for a while, and then not by chance. */
START_TEST(test_restore)
{
	struct store_hold *found;
	const char *answer, *why = "";
	int wait = 0;

	ck_assert_int_eq(status(press("do=undo")), 303);
	answer = look();
	has(answer, "Your mail is to be stopped</h1>"); /* nobody looked at the queue yet */
	has_not(answer, "Nobody has got it");
	has_not(answer, "<button");
	found = row();
	found->seen = found->moved;
	ck_assert_int_eq(store_hold_update(store, found, HOLD_UNDONE, &why), BASE_OK);
	answer = look();
	has(answer, "Your mail was stopped</h1>");
	has(answer, "Nobody has got it");
	has(answer, "You can change your mind about it in a moment.");
	has_not(answer, "<button");
	ck_assert_int_eq(sscanf(strstr(answer, "\r\nRefresh: "), "\r\nRefresh: %d", &wait), 1);
	ck_assert_int_ge(wait, 1);
	ck_assert_int_le(wait, HOLD_RESTORE_AFTER_MS / 1000 + 1);
	ck_assert_int_eq(status(press("sure=yes&do=restore")), 303);
	ck_assert_str_eq(last_refused, "early");
	ck_assert_int_eq(state(), HOLD_UNDONE);
	become(HOLD_UNDONE, "link");
	answer = look();
	has_not(answer, "in a moment");
	has(answer, "<details>");
	has(answer, "name=\"sure\" value=\"yes\" required>");
	answer = press("do=restore");
	ck_assert_int_eq(status(answer), 400);
	has(answer, "Please tick the box first</h1>");
	ck_assert_int_eq(state(), HOLD_UNDONE);
	ck_assert_int_eq(status(press("sure=yes&do=restore")), 303);
	ck_assert_int_eq(state(), HOLD_SENDING);
}
END_TEST

/* When the queue last showed it and when it is looked at next: milliseconds from now. */
static void
look_times(int64_t seen, int64_t due)
{
	struct store_hold *found = row();
	const char *why = "";

	found->seen = base_now_ms() + seen;
	found->due = base_now_ms() + due;
	ck_assert_int_eq(store_hold_update(store, found, found->state, &why), BASE_OK);
}

/* What the page says of the queue is of a time that it names, and it has it looked at anew. */
START_TEST(test_look_is_fresh)
{
	const char *answer;

	look_times(-1000, 50000);
	answer = look();
	has(answer, "Nobody has got it. That was seen in the mail server&#39;s queue");
	has_not(answer, "\r\nRefresh: ");
	ck_assert_int_gt(row()->due, base_now_ms() + 30000);
	look_times(-50000, 50000);
	has(look(), "\r\nRefresh: 2\r\n");
	ck_assert_int_le(row()->due, base_now_ms());
	look_times(-50000, 50000); /* it was asked for a moment ago */
	look();
	ck_assert_int_gt(row()->due, base_now_ms() + 30000);
	ck_assert_int_eq(state(), HOLD_HELD);
	ck_assert_int_eq(atomic_load(&moves), 0);
	look_times(-base_now_ms(), 50000);
	has_not(look(), "Nobody has got it"); /* it was never seen */
}
END_TEST

/* What left without us is told as that, and nobody is said not to have it. */
START_TEST(test_left_without_us)
{
	struct store_hold *found = row();
	const char *answer, *why = "";

	found->how = HOLD_HOW_RELEASED;
	found->left_at = base_now_ms() - AGO_MS;
	ck_assert_int_eq(store_hold_update(store, found, found->state, &why), BASE_OK);
	has(look(), "released a part of it");
	has_not(look(), "Nobody has got it");
	become(HOLD_UNDONE, "link");
	has(look(), "released a part of it");
	has_not(look(), "Nobody has got it");
	become(HOLD_LOST, "mta");
	answer = plain(look());
	has(answer, "Your mail was released by the mail server</h1>");
	has(answer, "40 people may have it");
	found = row();
	found->how = HOLD_HOW_GONE;
	ck_assert_int_eq(store_hold_update(store, found, found->state, &why), BASE_OK);
	answer = plain(look());
	has(answer, "Your mail is no longer here</h1>");
	has(answer, "40 people may have it");
}
END_TEST

/* Who waits for the end of a storm cannot send it by the link, and is offered no such thing. */
START_TEST(test_undone_storm)
{
	struct store_hold *found = row();
	const char *why = "";

	found->action = HOLD_STORM;
	ck_assert_int_eq(store_hold_update(store, found, found->state, &why), BASE_OK);
	become(HOLD_UNDONE, "link");
	has_not(look(), "<button");
	ck_assert_int_eq(status(press("sure=yes&do=restore")), 303);
	ck_assert_str_eq(last_refused, "storm");
	ck_assert_int_eq(state(), HOLD_UNDONE);
}
END_TEST

START_TEST(test_large_form)
{
	char body[3 * WEB_MAX_FORM];
	const char *answer;
	int fd;

	memset(body, ' ', sizeof(body));
	memcpy(body, form("do=send"), strlen(form("do=send")));
	body[WEB_MAX_FORM] = '\0';
	ck_assert_int_eq(status(post(body)), 400);
	body[WEB_MAX_FORM] = ' ';
	body[WEB_MAX_FORM + 1] = '\0';
	ck_assert_int_eq(status(post(body)), 413);
	/* the same in chunks, whose sum nobody announces */
	fd = dial();
	dprintf(fd, "POST /h/%s HTTP/1.1\r\nHost: x\r\n" FORM "Transfer-Encoding: chunked\r\n\r\n",
	    token);
	for (int i = 0; i < 300; i++)
		dprintf(fd, "7\r\ndo=send\r\n");
	dprintf(fd, "0\r\n\r\n");
	answer = hang_up(fd);
	ck_assert_int_eq(status(answer), 413);
	free((void *)(uintptr_t)answer);
	ck_assert_int_eq(state(), HOLD_HELD);
}
END_TEST

/* A body that holds a NUL is not what it looks like up to there. */
START_TEST(test_nul)
{
	const char *body = form("do=send");
	int fd = dial();
	char *answer;

	dprintf(fd, "POST /h/%s HTTP/1.1\r\nHost: x\r\n" FORM "Content-Length: %zu\r\n\r\n", token,
	    strlen(body) + 1);
	ck_assert_int_eq(send(fd, body, strlen(body) + 1, 0), (int)strlen(body) + 1);
	answer = hang_up(fd);
	ck_assert_int_eq(status(answer), 400);
	free(answer);
	ck_assert_int_eq(state(), HOLD_HELD);
}
END_TEST

/*
 * --- nothing is learned
 * -----------------------------------------------------------------------------
 */

START_TEST(test_unknown_tokens)
{
	static const char *const methods[][3] = { { "GET", "", "" },
		{ "POST", FORM, "at=2-1&do=send" }, { "HEAD", "", "" } };
	char expired[BASE_TOKEN_SIZE];
	const char *paths[8], *first, *why = "";
	size_t m, i;

	base_token_new(expired);
	ck_assert_int_eq(hold_token_add(hold, id, expired, base_now() - 1, &why), BASE_OK);
	paths[0] = path_of(NOBODY);
	paths[1] = path_of(expired);
	paths[2] = path_of("");
	paths[3] = path_of("short");
	paths[4] = path_of(base_arena_printf(arena, "%s/", token));
	paths[5] = path_of(base_arena_printf(arena, "%sA", token));
	paths[6] = path_of("%3Cscript%3E");
	paths[7] = path_of("../../etc/passwd");
	for (m = 0; m < 3; m++) {
		first = dateless(ask(methods[m][0], paths[0], methods[m][1], methods[m][2]));
		ck_assert_int_eq(status(first), 404);
		for (i = 1; i < 8; i++)
			ck_assert_str_eq(first,
			    dateless(ask(methods[m][0], paths[i], methods[m][1], methods[m][2])));
	}
	ck_assert_int_eq(state(), HOLD_HELD);
	ck_assert_int_eq(atomic_load(&views), 0);
}
END_TEST

static const struct {
	const char *method, *path;
	int status;
	const char *allow; /* NULL: none */
} method_cases[] = {
	{ "PUT", "/h/" NOBODY, 405, "GET, HEAD, POST" },
	{ "DELETE", "/h/" NOBODY, 405, "GET, HEAD, POST" },
	{ "OPTIONS", "/h/" NOBODY, 405, "GET, HEAD, POST" },
	{ "get", "/h/" NOBODY, 405, "GET, HEAD, POST" },
	{ "POST", "/", 405, "GET, HEAD" },
	{ "GET", "/", 200, NULL },
	{ "HEAD", "/", 200, NULL },
	{ "GET", "/h", 404, NULL },
	{ "GET", "/favicon.ico", 404, NULL },
	{ "PUT", "/x", 404, NULL },
	{ "GET", "//h/" NOBODY, 404, NULL },
};

START_TEST(test_methods)
{
	const char *answer = ask(method_cases[_i].method, method_cases[_i].path, "", "");

	ck_assert_int_eq(status(answer), method_cases[_i].status);
	if (method_cases[_i].allow)
		has(answer, base_arena_printf(arena, "\r\nAllow: %s\r\n", method_cases[_i].allow));
	else
		has_not(answer, "\r\nAllow:");
}
END_TEST

/*
 * --- what every answer carries
 * -----------------------------------------------------------------------
 */

START_TEST(test_fields)
{
	static const char *const fields[] = { "Cache-Control: no-store", "Connection: close",
		"Referrer-Policy: no-referrer", "X-Content-Type-Options: nosniff",
		"X-Frame-Options: DENY", "X-Robots-Tag: noindex, nofollow",
		"Cross-Origin-Opener-Policy: same-origin",
		"Cross-Origin-Resource-Policy: same-origin", "Permissions-Policy: ",
		"Content-Security-Policy: default-src 'none'; style-src 'sha256-" };
	const char *answers[] = { look(), ask("GET", "/", "", ""), ask("GET", "/x", "", ""),
		press("do=x"), press("do=undo"), ask("PUT", "/", "", "") };
	size_t a, f;

	for (a = 0; a < sizeof(answers) / sizeof(*answers); a++) {
		for (f = 0; f < sizeof(fields) / sizeof(*fields); f++)
			has(answers[a], base_arena_printf(arena, "\r\n%s", fields[f]));
		has_not(answers[a], "Strict-Transport-Security");
		has_not(answers[a], "<script");
		has_not(answers[a], "style=");
		has_not(answers[a], "://");
	}
}
END_TEST

/* The one style that the policy allows is the one that is there. */
START_TEST(test_style)
{
	char hash[BASE_SHA256_TEXT_SIZE], *style;
	const char *answer = look(), *start_of = strstr(answer, "<style>") + 7;

	style =
	    base_arena_strndup(arena, start_of, (size_t)(strstr(start_of, "</style>") - start_of));
	base_sha256_text(style, hash);
	has(answer, base_arena_printf(arena, "style-src 'sha256-%s'; form-action 'self'", hash));
}
END_TEST

START_TEST(test_https)
{
	web_stop(&web);
	start("https://mail.example.com/oops", WEB_SECONDS);
	has(look(), "\r\nStrict-Transport-Security: max-age=");
	ck_assert_int_eq(status(ask("GET", "/oops", "", "")), 200);
	ck_assert_int_eq(status(ask("GET", "/oops/", "", "")), 200);
	ck_assert_int_eq(status(ask("GET", "/oopsx", "", "")), 404);
	ck_assert_int_eq(
	    status(ask("GET", base_arena_printf(arena, "/oops/h/%s", token), "", "")), 200);
	ck_assert_int_eq(status(ask("POST", path_of(token),
			     FORM "Origin: https://mail.example.com/oops\r\n", form("do=undo"))),
	    403);
	ck_assert_int_eq(status(ask("POST", base_arena_printf(arena, "/oops/h/%s", token),
			     FORM "Origin: https://mail.example.com\r\n", form("do=undo"))),
	    303);
	ck_assert_int_eq(state(), HOLD_UNDONE);
}
END_TEST

/*
 * --- limits
 * -------------------------------------------------------------------------------------------
 */

/* A client that sends a byte now and then is never idle, and is cut off all the same. */
START_TEST(test_slow_client)
{
	int64_t began;
	int fd, i;

	web_stop(&web);
	start("http://127.0.0.1:8025", 1);
	fd = dial();
	began = base_now_ms();
	dprintf(fd, "GET /h/%s HTTP/1.1\r\nX: ", token);
	for (i = 0; i < 100 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; i++) {
		base_sleep_ms(50);
		if (i == 5)
			ck_assert_int_eq(status(look()), 200);
	}
	ck_assert_int_gt(base_now_ms() - began, 900);
	ck_assert_int_lt(base_now_ms() - began, 3000);
	free(hang_up(fd));
	ck_assert_int_eq(status(look()), 200);
}
END_TEST

/* Those who only hold connections open lose them, and the next one is served. */
START_TEST(test_many_connections)
{
	int fds[WEB_MAX_PER_CLIENT];
	size_t i;

	web_stop(&web);
	start("http://127.0.0.1:8025", 1);
	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		fds[i] = dial();
	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		ck_assert_int_eq(recv(fds[i], &(char){ 0 }, 1, 0), 0);
	ck_assert_int_eq(status(look()), 200);
	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close(fds[i]);
}
END_TEST

#define IDLE 300

/* Has the server left it open? */
static bool
is_open(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/*
 * One address that holds as many connections as it can keeps nobody out, be it a stranger's or
 * our proxy's. None of them is over its time when the page is asked for.
 */
START_TEST(test_idle_connections)
{
	int fds[IDLE], i, open = 0;

	web_stop(&web);
	start("http://127.0.0.1:8025", 600);
	if (_i)
		trust_loopback();
	for (i = 0; i < IDLE; i++)
		fds[i] = dial_from("127.0.0.9");
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(status(look()), 200);
	for (i = 0; i < IDLE; i++) {
		open += is_open(fds[i]);
		close(fds[i]);
	}
	ck_assert_int_le(open, _i ? WEB_MAX_CONNECTIONS : WEB_MAX_PER_CLIENT);
	ck_assert_int_ge(open, _i ? WEB_MAX_CONNECTIONS / 2 : WEB_MAX_PER_CLIENT);
}
END_TEST

/* A form whose end does not come, by our proxy: its header was read when this returns. */
static int
begin_form(const char *forwarded)
{
	char answer[64] = "";
	int fd = dial();

	dprintf(fd,
	    "POST /h/%s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n" FORM
	    "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
	    token, forwarded);
	ck_assert_int_gt(recv(fd, answer, sizeof(answer) - 1, 0), 0);
	ck_assert_int_eq(status(answer), 100);
	return fd;
}

/*
 * Behind a proxy a client has the limit of its own address, whatever it writes before; those
 * without an address have one together.
 */
START_TEST(test_limit_behind_proxy)
{
	static const char *const who[] = { "192.0.2.1", "unknown" };
	static const struct {
		const char *forwarded;
		int status;
	} cases[][7] = { {
			     { "192.0.2.1", 429 },
			     { "192.0.2.1:80", 429 },
			     { "unknown", 200 },
			     { "192.0.2.2, 192.0.2.1", 429 },
			     { "192.0.2.1, 192.0.2.2", 200 },
			     { "192.0.2.1\r\nX-Forwarded-For: 192.0.2.2", 200 },
			     { "192.0.2.2\r\nX-Forwarded-For: 192.0.2.1", 429 },
			 },
		{
		    { "hidden", 429 },
		    { "192.0.2.1, _x", 429 },
		    { "[::1", 429 },
		    { "192.0.2.1:port", 429 },
		    { "192.0.2.1", 200 },
		    { "[2001:db8::1]:80", 200 },
		    { "", 429 },
		} };
	int fds[WEB_MAX_PER_CLIENT], i;
	const char *fields;

	web_stop(&web);
	start("http://127.0.0.1:8025", 600);
	trust_loopback();
	for (i = 0; i < WEB_MAX_PER_CLIENT; i++)
		fds[i] = begin_form(base_arena_printf(arena, "192.0.2.99, %s", who[_i]));
	for (i = 0; i < 7; i++) {
		fields =
		    base_arena_printf(arena, "X-Forwarded-For: %s\r\n", cases[_i][i].forwarded);
		ck_assert_int_eq(
		    status(ask("GET", path_of(token), fields, "")), cases[_i][i].status);
	}
	for (i = 0; i < WEB_MAX_PER_CLIENT; i++)
		close(fds[i]);
}
END_TEST

/* What is no proper request is refused. */
START_TEST(test_strict)
{
	char *answer;
	int fd = dial();

	dprintf(fd, "GET /h/%s HTTP/1.1\r\n\r\n", token); /* no Host */
	answer = hang_up(fd);
	ck_assert_int_eq(status(answer), 400);
	free(answer);
}
END_TEST

START_TEST(test_long_header)
{
	char *field = malloc(100000);
	int fd = dial();
	char *answer;

	memset(field, 'x', 99999);
	field[99999] = '\0';
	dprintf(fd, "GET /h/%s HTTP/1.1\r\nX: ", token);
	send(fd, field, 99999, MSG_NOSIGNAL);
	answer = hang_up(fd);
	ck_assert_msg(!*answer || status(answer) >= 400, "%s", answer);
	free(answer);
	free(field);
	ck_assert_int_eq(status(look()), 200);
}
END_TEST

static void *
press_once(void *context)
{
	const char *const *call = context;

	return request("POST", call[0], FORM, call[1]);
}

START_TEST(test_parallel)
{
	pthread_t threads[50];
	const char *call[2] = { path_of(token), form("do=send") };
	void *answer;
	int i;

	for (i = 0; i < 50; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, press_once, call), 0);
	for (i = 0; i < 50; i++) {
		pthread_join(threads[i], &answer);
		ck_assert_int_eq(status(answer), 303);
		free(answer);
	}
	ck_assert_int_eq(state(), HOLD_SENDING);
	ck_assert_int_eq(atomic_load(&moves), 1);
}
END_TEST

/* Somebody else holds the database: the page says that nothing is lost. */
START_TEST(test_busy)
{
	const char *answer, *why = "", *send = form("do=send");

	ck_assert_int_eq(store_begin(store, &why), BASE_OK);
	answer = post(send);
	store_rollback(store);
	ck_assert_int_eq(status(answer), 503);
	has(answer, "\r\nRetry-After: 30\r\n");
	has(answer, "Your mail is safe");
	ck_assert_int_eq(state(), HOLD_HELD);
	ck_assert_int_eq(status(press("do=send")), 303);
}
END_TEST

START_TEST(test_address_in_use)
{
	struct web *other = NULL;
	const char *why = NULL;

	site.web.listen_port = web_port(web);
	ck_assert_int_eq(web_start(&site, NULL, hold, &other, &why), BASE_BROKEN);
	has(why, "web.listen");
	ck_assert_ptr_null(other);
	site.web.listen_port = 0;
}
END_TEST

#define add_cases(tcase, test, table)                                                              \
	tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof(*(table))))

int
main(void)
{
	Suite *suite = suite_create("web");
	TCase *tcase = tcase_create("web");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, test_looking_changes_nothing);
	add_cases(tcase, test_states, state_cases);
	tcase_add_test(tcase, test_undo_window);
	add_cases(tcase, test_client, client_cases);
	add_cases(tcase, test_requests, request_cases);
	add_cases(tcase, test_forms, form_cases);
	tcase_add_test(tcase, test_marks);
	tcase_add_test(tcase, test_stale);
	tcase_add_test(tcase, test_too_late);
	tcase_add_test(tcase, test_restore);
	tcase_add_test(tcase, test_look_is_fresh);
	tcase_add_test(tcase, test_left_without_us);
	tcase_add_test(tcase, test_undone_storm);
	tcase_add_test(tcase, test_large_form);
	tcase_add_test(tcase, test_nul);
	tcase_add_test(tcase, test_unknown_tokens);
	add_cases(tcase, test_methods, method_cases);
	tcase_add_test(tcase, test_fields);
	tcase_add_test(tcase, test_style);
	tcase_add_test(tcase, test_https);
	tcase_add_test(tcase, test_slow_client);
	tcase_add_test(tcase, test_many_connections);
	tcase_add_loop_test(tcase, test_idle_connections, 0, 2);
	tcase_add_loop_test(tcase, test_limit_behind_proxy, 0, 2);
	tcase_add_test(tcase, test_strict);
	tcase_add_test(tcase, test_long_header);
	tcase_add_test(tcase, test_parallel);
	tcase_add_test(tcase, test_busy);
	tcase_add_test(tcase, test_address_in_use);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
