/*
 * NAME
 *	web/internal - what the files of this module share
 *
 * WHAT IT DOES
 *	Splits the room in four: server.c speaks HTTP by libmicrohttpd, clients.c knows who is
 *	connected, routes.c turns a plain request into a plain answer, pages.c writes the HTML of
 *	an answer.
 */
#ifndef OOPS_WEB_INTERNAL_H
#define OOPS_WEB_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/settings/settings.h"
#include "milter/web/web.h"
#include "milter/words/template.h"
#include "milter/words/words.h"

#define WEB_MAX_PAGE 65536       /* bytes of HTML */
#define WEB_MAX_CONNECTION 16384 /* bytes that libmicrohttpd may use for one connection */

/* --- a request and its answer -------------------------------------------------------- */

enum web_method { WEB_GET, WEB_HEAD, WEB_POST, WEB_OTHER };

/* Plain values; header fields that were not sent are NULL. */
struct web_request {
	enum web_method method;
	const char *path; /* decoded, without the query */
	const char *content_type;
	const char *fetch_site; /* Sec-Fetch-Site */
	const char *origin;
	const char *host;
	const char *client; /* address, for the audit */
	const char *body;   /* of a POST, NUL-terminated */
	size_t body_length;
	bool is_too_large; /* the body is longer than WEB_MAX_FORM; it was dropped */
	bool is_late;      /* the query says that an undo came too late: see WEB_LATE */
};

struct web_response {
	unsigned status;
	int refresh;          /* seconds after which the browser looks again; 0: never */
	int retry_after;      /* seconds, 0: none */
	const char *allow;    /* for 405 */
	const char *location; /* for 303, relative to the page */
	const char *failure;  /* why the store could not be used, for the log; else NULL */
	struct base_buffer html;
};

/*
 * Behind the token in the address of the page that a press of Undo leads to which came too late.
 * It changes what the page says, and only of a mail whose sending has begun.
 */
#define WEB_LATE_KEY "late"
#define WEB_LATE "?" WEB_LATE_KEY "=undo"

/* What routes need of the site. */
struct web_context {
	struct hold *hold;
	const struct words_templates *templates; /* NULL: none */
	const struct words *words;
	const char *base_url;
	const char *prefix; /* path of base_url, "" when there is none */
};

/* Always gives an answer; the caller frees answer_r->html. Text it points to lives in the arena. */
void web_route(const struct web_context *context, const struct web_request *request,
    struct base_arena *arena, int64_t now, struct web_response *answer_r);

/* --- pages ------------------------------------------------------------------------------ */

/* The style of every page; the policy allows just this one, by its hash. */
extern const char web_style[];

/*
 * What a hold is like now, with the buttons that make sense. `is_late`: the reader was too late to
 * stop it. Sets html and refresh.
 */
void web_page_hold(struct web_response *answer, struct base_arena *arena, const struct words *words,
    const struct hold_view *view, bool is_late, int64_t now);
/* Has the sending of it begun, so that nobody can stop it any more? */
bool web_is_past_stopping(const struct hold_view *view);
/* Is what it knows of the queue too old for a page, while the mail can still leave? */
bool web_is_stale(const struct hold_view *view, int64_t now);
/* A page of a title and one or two (else NULL) paragraphs. */
void web_page_plain(struct web_response *answer, const struct words *words, const char *title,
    const char *text, const char *more);

/* --- clients ---------------------------------------------------------------------------- */

struct sockaddr;
struct web_clients; /* all open connections; for one thread */
struct web_client;  /* one of them */

/* Is the address in one of these networks, by whatever socket it came? */
bool web_networks_have(
    const struct settings_network *networks, size_t count, const struct sockaddr *address);
/* NULL: no memory. */
struct web_clients *web_clients_new(void);
/* Frees what is left of the connections, too; their sockets are the caller's. */
void web_clients_free(struct web_clients **clients);
/* May one more connection of this address come? Always, if it is that of our proxy. */
bool web_clients_admit(
    const struct web_clients *clients, const struct sockaddr *address, bool is_proxy);
/*
 * A connection was accepted. At WEB_MAX_CONNECTIONS another one is shut down, rather one that has
 * not asked for anything yet. NULL: no memory.
 */
struct web_client *web_client_new(
    struct web_clients *clients, int fd, const struct sockaddr *address, bool is_proxy);
void web_client_free(struct web_client **client);
/*
 * Its header has come; `forwarded` is the last field X-Forwarded-For of it, NULL: none. Only if
 * the peer is our proxy, the last address there is who asks: it wrote that one. It may have a
 * port: 192.0.2.1:80, [2001:db8::1], [2001:db8::1]:80 (RFC 7239 6). All whose last element is
 * something else count as one. False: that one asks too often at the same time.
 */
bool web_client_ask(struct web_client *client, const char *forwarded);
/* The address of who asks; "-": not known. */
const char *web_client_name(const struct web_client *client);
/* Shuts down what has been open for longer than `limit_ms`. */
void web_clients_cut_off(struct web_clients *clients, int64_t limit_ms);

/* --- server --------------------------------------------------------------------------- */

/* web_start() with other time limits than WEB_SECONDS and WEB_IDLE_SECONDS, for tests. */
enum base_result web_start_limited(const struct settings *settings,
    const struct words_templates *templates, struct hold *hold, int seconds, int idle_seconds,
    struct web **web_r, const char **why_r);

#endif
