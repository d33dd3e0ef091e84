/*
 * routes - a plain request in, a plain answer out: the one table from results to HTTP codes
 */
#include <string.h>
#include <strings.h>

#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/web/internal.h"

#define ROUTES_RETRY_AFTER 30 /* seconds, when the store cannot be used */

/* Every answer that is not the page of a hold. */
enum routes_end {
	ROUTES_ABOUT,   /* what this server is */
	ROUTES_UNKNOWN, /* no such page, or a token that opens nothing */
	ROUTES_METHOD,
	ROUTES_FOREIGN, /* another site's form */
	ROUTES_LARGE,
	ROUTES_TYPE,   /* not a form */
	ROUTES_BAD,    /* not our form */
	ROUTES_UNSURE, /* the box that goes with the button is not ticked */
	ROUTES_BUSY,   /* the store is locked or broken */
};

/* Which code, which words. */
static const struct {
	unsigned status;
	size_t title, text, more; /* where in struct words; more 0: none */
} routes_ends[] = {
#define WORD(member) offsetof(struct words, member)
	[ROUTES_ABOUT] = { 200, WORD(about_title), WORD(about_text), WORD(about_more) },
	[ROUTES_UNKNOWN] = { 404, WORD(unknown_title), WORD(unknown_text), WORD(unknown_more) },
	[ROUTES_METHOD] = { 405, WORD(method_title), WORD(method_text), 0 },
	[ROUTES_FOREIGN] = { 403, WORD(foreign_title), WORD(foreign_text), 0 },
	[ROUTES_LARGE] = { 413, WORD(bad_title), WORD(bad_text), 0 },
	[ROUTES_TYPE] = { 415, WORD(bad_title), WORD(bad_text), 0 },
	[ROUTES_BAD] = { 400, WORD(bad_title), WORD(bad_text), 0 },
	[ROUTES_UNSURE] = { 400, WORD(unsure_title), WORD(unsure_text), 0 },
	[ROUTES_BUSY] = { 503, WORD(busy_title), WORD(busy_text), 0 },
#undef WORD
};

/* A sentence by its place. */
static const char *
routes_word(const struct words *words, size_t place)
{
	return place ? *(const char *const *)((const char *)words + place) : NULL;
}

/* Answers with one of the fixed pages. */
static void
routes_end(const struct web_context *context, enum routes_end end, struct web_response *answer)
{
	answer->status = routes_ends[end].status;
	if (end == ROUTES_BUSY)
		answer->retry_after = ROUTES_RETRY_AFTER;
	base_buffer_clear(&answer->html);
	web_page_plain(answer, context->words, routes_word(context->words, routes_ends[end].title),
	    routes_word(context->words, routes_ends[end].text),
	    routes_word(context->words, routes_ends[end].more));
}

/* What a failed look or request is answered with. */
static enum routes_end
routes_end_of(enum base_result result)
{
	return result == BASE_NONE || result == BASE_REFUSE ? ROUTES_UNKNOWN : ROUTES_BUSY;
}

/* The path below the prefix of base_url; a proxy may have taken it off already. */
static const char *
routes_path(const struct web_context *context, const char *path)
{
	size_t length = strlen(context->prefix);

	if (length && !strncmp(path, context->prefix, length) &&
	    (path[length] == '/' || path[length] == '\0'))
		return path[length] ? path + length : "/";
	return path;
}

/* --- was the form sent by our own page? ------------------------------------------------
 */

/* Is this origin that of base_url, or of the host the browser asked? */
static bool
routes_is_own_origin(const struct web_context *context, const struct web_request *request)
{
	size_t length = strlen(context->base_url) - strlen(context->prefix);
	const char *host = strstr(request->origin, "://");

	if (strlen(request->origin) == length &&
	    !strncasecmp(request->origin, context->base_url, length))
		return true;
	return host && request->host && !strcasecmp(host + 3, request->host);
}

/*
 * Browsers tell where a form comes from. Ours arrives as same-origin, with the origin
 * "null" because our pages send no referrer. Programs that tell nothing know the token, as
 * we do.
 */
static bool
routes_is_foreign(const struct web_context *context, const struct web_request *request)
{
	const char *fetch_site = request->fetch_site, *origin = request->origin;

	if (fetch_site && strcmp(fetch_site, "same-origin") && strcmp(fetch_site, "none"))
		return true;
	return origin && strcmp(origin, "null") && !routes_is_own_origin(context, request);
}

/* Only what a form without files is sent as. */
static bool
routes_is_form(const char *content_type)
{
	static const char type[] = "application/x-www-form-urlencoded";
	size_t length = sizeof(type) - 1;

	return content_type && !strncasecmp(content_type, type, length) &&
	       strchr("; \t", content_type[length]);
}

/* What a form says. */
struct routes_form {
	char mark[HOLD_MARK_SIZE]; /* of the state that it was made for */
	bool is_sure;              /* the box is ticked */
	enum hold_request choice;
};

/* A request by its name. */
static bool
routes_request(const char *name, enum hold_request *request_r)
{
	static const enum hold_request requests[] = { HOLD_REQUEST_SEND, HOLD_REQUEST_UNDO,
		HOLD_REQUEST_RESTORE, HOLD_REQUEST_LIFT };
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		if (strcmp(name, hold_request_str(requests[i])))
			continue;
		*request_r = requests[i];
		return true;
	}
	return false;
}

/* Skips a piece that may stand here. */
static bool
routes_skip(const char **text, const char *piece)
{
	size_t length = strlen(piece);

	if (strncmp(*text, piece, length))
		return false;
	*text += length;
	return true;
}

/*
 * The declared fields in the order of the page, each once: at=MARK, sure=yes where there is a
 * box, do=WISH. Their values need no escapes, so whatever has one was not sent by our page.
 */
static bool
routes_form(const struct web_request *request, struct routes_form *form_r)
{
	const char *text = request->body;
	size_t length;

	*form_r = (struct routes_form){ .is_sure = false };
	if (strlen(text) != request->body_length || !routes_skip(&text, "at="))
		return false;
	length = strspn(text, "0123456789-");
	if (!length || length >= sizeof(form_r->mark))
		return false;
	memcpy(form_r->mark, text, length);
	text += length;
	form_r->is_sure = routes_skip(&text, "&sure=yes");
	return routes_skip(&text, "&do=") && routes_request(text, &form_r->choice) &&
	       (!form_r->is_sure || form_r->choice == HOLD_REQUEST_RESTORE);
}

/* --- looking and asking ------------------------------------------------------------------
 */

/* Notes that somebody looked. */
static void
routes_audit(const struct web_request *request, const struct hold_view *view)
{
	audit_event(AUDIT_VIEW, view->id,
	    { "method", request->method == WEB_HEAD ? "HEAD" : "GET" },
	    { "state", hold_state_str(view->state) }, { "client", request->client });
}

/* What a page says of the queue is to be fresh; that the queue is looked at decides nothing. */
static void
routes_look(const struct web_context *context, const struct web_request *request,
    const struct hold_view *view, int64_t now)
{
	const char *ignored;

	if (request->method == WEB_GET && web_is_stale(view, now))
		(void)hold_look_ask(context->hold, view->id, &ignored);
}

/* GET and HEAD: shows, and changes nothing. */
static void
routes_show(const struct web_context *context, const struct web_request *request, const char *token,
    struct base_arena *arena, int64_t now, struct web_response *answer)
{
	struct hold_view view;
	enum base_result result;
	const char *why = "";

	result = hold_find_token(context->hold, arena, token, &view, &why);
	if (result != BASE_OK) {
		if (routes_end_of(result) == ROUTES_BUSY)
			answer->failure = why;
		routes_end(context, routes_end_of(result), answer);
		return;
	}
	answer->status = 200;
	web_page_hold(answer, arena,
	    words_templates_find(context->templates, view.template, view.language), &view,
	    request->is_late, now);
	routes_look(context, request, &view, now);
	routes_audit(request, &view);
}

/* Notes a press on a page that shows what is not so any more. */
static void
routes_audit_stale(
    const struct web_request *request, const struct hold_view *view, enum hold_request choice)
{
	const char *state = hold_state_str(view->state);

	audit_event(AUDIT_REQUEST, view->id, { "request", hold_request_str(choice) },
	    { "by", "link" }, { "was", state }, { "now", state }, { "refused", "stale" },
	    { "client", request->client });
}

/*
 * Asks for the request, unless its page shows what is not so any more. OK: it moved the hold;
 * REFUSE: it did not.
 */
static enum base_result
routes_ask(const struct web_context *context, const struct web_request *request,
    const struct routes_form *form, const struct hold_view *view, const char **why_r)
{
	if (strcmp(form->mark, view->mark)) {
		routes_audit_stale(request, view, form->choice);
		return BASE_REFUSE;
	}
	return hold_request(context->hold, view->id, form->choice, "link", request->client, why_r);
}

/* Where a browser goes after a press that moved nothing: did an undo come too late? */
static const char *
routes_refused(const struct web_context *context, const struct routes_form *form, const char *token,
    struct base_arena *arena)
{
	struct hold_view now;
	const char *late = NULL, *why = "";

	if (form->choice == HOLD_REQUEST_UNDO &&
	    hold_find_token(context->hold, arena, token, &now, &why) == BASE_OK &&
	    web_is_past_stopping(&now))
		late = base_arena_printf(arena, "%s" WEB_LATE, token);
	return late != NULL ? late : token;
}

/*
 * POST: records the request and sends the browser back to look. A request that the state does not
 * allow any more is no error: the page tells what happened instead.
 */
static void
routes_act(const struct web_context *context, const struct web_request *request,
    const struct routes_form *form, const char *token, struct base_arena *arena,
    struct web_response *answer)
{
	struct hold_view view;
	enum base_result result;
	const char *why = "";

	result = hold_find_token(context->hold, arena, token, &view, &why);
	if (result == BASE_OK)
		result = routes_ask(context, request, form, &view, &why);
	answer->location = token;
	if (result == BASE_REFUSE)
		answer->location = routes_refused(context, form, token, arena);
	else if (result != BASE_OK) {
		if (routes_end_of(result) == ROUTES_BUSY)
			answer->failure = why;
		answer->location = NULL;
		routes_end(context, routes_end_of(result), answer);
		return;
	}
	answer->status = 303;
}

/* POST: only our own form, whole and well formed, is acted on. */
static void
routes_post(const struct web_context *context, const struct web_request *request, const char *token,
    struct base_arena *arena, struct web_response *answer)
{
	struct routes_form form;

	if (routes_is_foreign(context, request))
		routes_end(context, ROUTES_FOREIGN, answer);
	else if (request->is_too_large)
		routes_end(context, ROUTES_LARGE, answer);
	else if (!routes_is_form(request->content_type))
		routes_end(context, ROUTES_TYPE, answer);
	else if (!routes_form(request, &form))
		routes_end(context, ROUTES_BAD, answer);
	else if (form.choice == HOLD_REQUEST_RESTORE && !form.is_sure)
		routes_end(context, ROUTES_UNSURE, answer);
	else
		routes_act(context, request, &form, token, arena, answer);
}

/* Says which methods would do. */
static void
routes_refuse_method(
    const struct web_context *context, const char *allow, struct web_response *answer)
{
	answer->allow = allow;
	routes_end(context, ROUTES_METHOD, answer);
}

/* The pages there are: / and /h/TOKEN. */
void
web_route(const struct web_context *context, const struct web_request *request,
    struct base_arena *arena, int64_t now, struct web_response *answer_r)
{
	const char *path = routes_path(context, request->path);
	bool is_look = request->method == WEB_GET || request->method == WEB_HEAD;

	*answer_r = (struct web_response){ .status = 500 };
	base_buffer_init(&answer_r->html, WEB_MAX_PAGE);
	if (!strcmp(path, "/") && is_look)
		routes_end(context, ROUTES_ABOUT, answer_r);
	else if (!strcmp(path, "/"))
		routes_refuse_method(context, "GET, HEAD", answer_r);
	else if (strncmp(path, "/h/", 3))
		routes_end(context, ROUTES_UNKNOWN, answer_r);
	else if (is_look)
		routes_show(context, request, path + 3, arena, now, answer_r);
	else if (request->method == WEB_POST)
		routes_post(context, request, path + 3, arena, answer_r);
	else
		routes_refuse_method(context, "GET, HEAD, POST", answer_r);
	if (answer_r->html.failed)
		routes_end(context, ROUTES_BUSY, answer_r);
}
