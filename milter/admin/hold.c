/*
 * NAME
 *	oopsctl list, show, send, undo, restore - look at held mail, and decide about it
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] list [--all]
 *	oopsctl [-c FILE] show|send|undo|restore ID
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_NOINPUT: no such hold; EX_DATAERR: its state does not allow the request;
 *	EX_TEMPFAIL: not yet, or the store is busy; EX_IOERR: the store failed. A request that came
 *	true before is no failure: it says when, and by whom.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "milter/admin/admin.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/words/words.h"

#define VIEW_BYTES (4u << 20)
#define STATE_BYTES 16
#define REASON_BYTES (64u << 10) /* to make its sentence */
#define PEOPLE_BYTES 32
#define TEXT_BYTES 80 /* of a sender or subject on a line */

/* A time as people on this host read it, in ISO 8601; "-" for none. */
const char *
admin_time_text(int64_t seconds, char text_r[ADMIN_TIME_SIZE])
{
	time_t time = (time_t)seconds;
	struct tm entries;

	if (seconds == 0 || localtime_r(&time, &entries) == NULL ||
	    strftime(text_r, ADMIN_TIME_SIZE, "%Y-%m-%dT%H:%M:%S%z", &entries) == 0)
		strcpy(text_r, "-");
	return text_r;
}

/* A state in the lower case of plain words, as people read it. */
static const char *
state_text(enum hold_state state, char text_r[STATE_BYTES])
{
	const char *name = hold_state_str(state);
	size_t i;

	for (i = 0; name[i] != '\0' && i + 1 < STATE_BYTES; i++)
		text_r[i] = (char)tolower((unsigned char)name[i]);
	text_r[i] = '\0';
	return text_r;
}

void
admin_print_text(const char *text, size_t max_bytes)
{
	struct base_buffer line;

	base_buffer_init(&line, max_bytes);
	base_quote_line(&line, text, max_bytes);
	fputs(base_buffer_text(&line), stdout);
	base_buffer_free(&line);
}

/* A stranger's text: no terminal shall make a link of it. */
static void
print_subject(const char *subject, size_t max_bytes)
{
	struct base_buffer line;

	base_buffer_init(&line, max_bytes);
	base_quote_unlinked(&line, subject, max_bytes);
	fputs(base_buffer_text(&line), stdout);
	base_buffer_free(&line);
}

/* The exit code for a store that did not answer; why is printed. */
int
admin_store_failed(enum base_result result, const char *why)
{
	fprintf(stderr, "oopsctl: %s\n", why);
	return result == BASE_RETRY ? EX_TEMPFAIL : EX_IOERR;
}

enum base_result
admin_hold_open(const struct settings *settings, struct hold **hold_r, const char **why_r)
{
	struct hold_options options = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.node = settings->node };

	return hold_open(&options, hold_r, why_r);
}

/* --- list ------------------------------------------------------------------------- */

/* How many people it goes to: "40", "40+" for at least so many, "?" where nobody knows. */
static const char *
people_text(const struct hold_view *view, char text_r[PEOPLE_BYTES])
{
	if (view->people_kind == HOLD_PEOPLE_UNKNOWN)
		snprintf(text_r, PEOPLE_BYTES, "?");
	else
		snprintf(text_r, PEOPLE_BYTES, "%lu%s", view->people,
		    view->people_kind == HOLD_PEOPLE_AT_LEAST ? "+" : "");
	return text_r;
}

/* One hold on one line. */
static bool
list_line(void *context, const struct hold_view *view)
{
	char created[ADMIN_TIME_SIZE], deadline[ADMIN_TIME_SIZE], state[STATE_BYTES];
	char people[PEOPLE_BYTES];
	size_t *count = context;

	if ((*count)++ == 0)
		printf("%-16s  %-9s  %-7s  %-24s  %-24s  %10s  %6s  %s\n", "ID", "STATE", "ACTION",
		    "SINCE", "UNTIL", "RECIPIENTS", "PEOPLE", "SENDER: SUBJECT");
	printf("%-16s  %-9s  %-7s  %-24s  %-24s  %10zu  %6s  ", view->id,
	    state_text(view->state, state), hold_action_str(view->action),
	    admin_time_text(view->created, created), admin_time_text(view->deadline, deadline),
	    view->recipient_count, people_text(view, people));
	admin_print_text(view->sender, TEXT_BYTES);
	if (*view->subject != '\0') {
		fputs(": ", stdout);
		print_subject(view->subject, TEXT_BYTES);
	}
	if (view->how > HOLD_HOW_STAYED)
		printf(" (left without us: %s)", hold_how_str(view->how));
	if (view->state == HOLD_RETURNING && view->return_how == HOLD_RETURN_KEPT)
		fputs(" (too large to come back: send or undo it)", stdout);
	putchar('\n');
	return true;
}

/* oopsctl list */
int
admin_list(const struct settings *settings, int argc, char **argv)
{
	bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
	struct hold *hold = NULL;
	const char *why = "";
	size_t count = 0;
	enum base_result result;

	if (argc > 2 || (argc == 2 && !all)) {
		fputs("usage: oopsctl [-c FILE] list [--all]\n", stderr);
		return EX_USAGE;
	}
	result = admin_hold_open(settings, &hold, &why);
	if (result == BASE_OK)
		result = hold_each(hold, all, list_line, &count, &why);
	hold_close(&hold);
	if (result != BASE_OK && result != BASE_NONE)
		return admin_store_failed(result, why);
	if (count == 0)
		fputs("nothing is held\n", stderr);
	return EX_OK;
}

/* --- one hold --------------------------------------------------------------------- */

/* What to do with one hold that was found. */
typedef int one_fn(const struct settings *settings, struct hold *hold, const struct hold_view *view,
    enum hold_request request);

/* Finds the hold of the command line and hands it on. */
static int
with_one(const struct settings *settings, int argc, char **argv, one_fn *submission,
    enum hold_request request)
{
	struct base_arena *arena = base_arena_new(VIEW_BYTES);
	struct hold *hold = NULL;
	struct hold_view view;
	const char *why = "no memory";
	enum base_result result = BASE_NONE;
	int status;

	if (argc != 2) {
		fprintf(stderr, "usage: oopsctl [-c FILE] %s ID\n", argv[0]);
		base_arena_free(&arena);
		return EX_USAGE;
	}
	if (arena == NULL)
		return EX_OSERR;
	if (base_is_id(argv[1]))
		result = admin_hold_open(settings, &hold, &why);
	if (hold != NULL)
		result = hold_find(hold, arena, argv[1], &view, &why);
	if (result == BASE_OK) {
		status = submission(settings, hold, &view, request);
	} else if (result == BASE_NONE) {
		fprintf(stderr, "oopsctl: there is no hold \"%s\"; oopsctl list --all shows them\n",
		    argv[1]);
		status = EX_NOINPUT;
	} else {
		status = admin_store_failed(result, why);
	}
	hold_close(&hold);
	base_arena_free(&arena);
	return status;
}

/* What happens when the time of a hold is over. */
static const char *
end_text(enum mail_end end)
{
	switch (end) {
	case MAIL_END_SEND:
		return "it is sent";
	case MAIL_END_RETURN:
		return "it is returned to its author";
	case MAIL_END_DELETE:
		return "it is deleted";
	}
	return "unknown";
}

/* The times of a hold, those that there are. */
static void
show_times(const struct hold_view *view)
{
	char text[ADMIN_TIME_SIZE];

	printf("since:       %s\n", admin_time_text(view->created, text));
	if (view->deadline != 0)
		printf("until:       %s: then %s\n", admin_time_text(view->deadline, text),
		    end_text(view->at_deadline));
	if (view->settled != 0)
		printf("over since:  %s\n", admin_time_text(view->settled, text));
	if (view->moved != 0)
		printf("last moved:  %s by %s\n", admin_time_text(view->moved, text), view->by);
	if (view->how > HOLD_HOW_STAYED)
		printf("left:        without us: %s, noticed %s\n", hold_how_str(view->how),
		    admin_time_text(view->left, text));
	printf("letter sent: %s\n",
	    view->letter_sent != 0 ? admin_time_text(view->letter_sent, text) : "not yet");
	if (view->state == HOLD_RETURNING || view->state == HOLD_RETURNED)
		printf("comes back:  %s (%u %s failed)\n", hold_return_str(view->return_how),
		    view->return_tries, view->return_tries == 1 ? "try" : "tries");
}

/* Where those stand that the row does not name: it keeps some of To and Cc. */
static void
show_rest(const struct settings *settings, const struct hold_view *view, size_t shown)
{
	if (shown >= view->recipient_count || view->settled != 0 || view->entry_count == 0)
		return;
	printf(
	    "%-13sand %zu more: ", shown == 0 ? "recipients:" : "", view->recipient_count - shown);
	if (strcmp(settings->mta.kind, "postfix") == 0)
		printf("postcat -c %s -e -q %s names them all\n", settings->mta.config_directory,
		    view->queue_ids[0]);
	else
		puts("the queue file names them all");
}

/* The visible recipients, one a line in the view. */
static void
show_recipients(const struct settings *settings, const struct hold_view *view)
{
	const char *label = "visible to:", *recipients = view->recipients;
	size_t length, shown = 0;
	char one[512];

	for (; *recipients != '\0'; recipients += length + (recipients[length] == '\n')) {
		length = strcspn(recipients, "\n");
		snprintf(one, sizeof(one), "%.*s", (int)(length < 500 ? length : 500), recipients);
		printf("%-13s", label);
		admin_print_text(one, sizeof(one));
		putchar('\n');
		label = "";
		shown++;
	}
	show_rest(settings, view, shown);
}

/* What the row had, and has no more: it names people. A subject may be kept for one more letter. */
static void
show_wiped(const struct hold_view *view)
{
	char text[ADMIN_TIME_SIZE];

	if (view->settled != 0)
		printf("wiped:       %srecipients and values of reasons, when it was over: "
		       "%s\n",
		    *view->subject == '\0' ? "subject, " : "",
		    admin_time_text(view->settled, text));
}

/* One reason; its sentence too, if its values are still there. */
static void
show_reason(const struct hold_reason *reason)
{
	struct base_arena *arena = base_arena_new(REASON_BYTES);
	const char *text = arena == NULL ? NULL : hold_reason_text(arena, &words_en, reason);

	printf("reason:      %6s  %s", reason->points, reason->name);
	if (text != NULL && text != reason->name) {
		fputs(": ", stdout);
		admin_print_text(text, 512);
	}
	putchar('\n');
	base_arena_free(&arena);
}

/* Everything about one hold. */
static int
show_one(const struct settings *settings, struct hold *hold, const struct hold_view *view,
    enum hold_request request)
{
	char state[STATE_BYTES];
	size_t i;

	(void)hold;
	(void)request;
	printf("id:          %s\n", view->id);
	printf("state:       %s\n", state_text(view->state, state));
	printf("action:      %s (policy \"%s\")\n", hold_action_str(view->action), view->policy);
	show_times(view);
	fputs("sender:      ", stdout);
	admin_print_text(view->sender, 512);
	if (*view->from != '\0') {
		fputs("\nfrom:        ", stdout);
		admin_print_text(view->from, 512);
	}
	if (*view->subject != '\0' || view->settled == 0) {
		fputs("\nsubject:     ", stdout);
		print_subject(view->subject, 512);
	}
	printf("\nrecipients:  %zu %s, ", view->recipient_count,
	    view->recipient_count == 1 ? "address" : "addresses");
	if (view->people_kind == HOLD_PEOPLE_UNKNOWN)
		puts("an unknown number of people");
	else
		printf("%s%lu %s\n", view->people_kind == HOLD_PEOPLE_AT_LEAST ? "at least " : "",
		    view->people, view->people == 1 ? "person" : "people");
	show_recipients(settings, view);
	show_wiped(view);
	printf("score:       %.4f\n", view->score);
	for (i = 0; i < view->reason_count; i++)
		show_reason(&view->reasons[i]);
	printf("node:        %s\n", view->node);
	for (i = 0; i < view->entry_count; i++)
		printf("queue file:  %s\n", view->queue_ids[i]);
	return EX_OK;
}

/* oopsctl show */
int
admin_show(const struct settings *settings, int argc, char **argv)
{
	return with_one(settings, argc, argv, show_one, HOLD_REQUEST_SEND);
}

/* --- requests ----------------------------------------------------------------------- */

/* Has the request come true before? */
static bool
is_already(enum hold_state state, enum hold_request request)
{
	if (request == HOLD_REQUEST_UNDO)
		return state == HOLD_UNDONE || state == HOLD_RETURNING || state == HOLD_RETURNED ||
		       state == HOLD_DELETED;
	return state == HOLD_SENDING || state == HOLD_SENT;
}

/* Says why a hold could not be moved; no failure if there is nothing left to do. */
static int
request_refused(const struct hold_view *view, enum hold_request request)
{
	char text[ADMIN_TIME_SIZE], state[STATE_BYTES];
	int64_t when = view->moved != 0 ? view->moved : view->created;

	admin_time_text(when, text);
	state_text(view->state, state);
	if (is_already(view->state, request)) {
		printf("%s: already %s at %s by %s\n", view->id, state, text, view->by);
		return EX_OK;
	}
	fprintf(stderr, "oopsctl: %s is %s since %s: ", view->id, state, text);
	if (view->state == HOLD_PENDING) {
		fputs("the MTA has not put it on hold yet, try again in a moment\n", stderr);
		return EX_TEMPFAIL;
	}
	if (view->state == HOLD_UNDONE && request == HOLD_REQUEST_SEND)
		fputs("oopsctl restore sends it after all\n", stderr);
	else if (view->state == HOLD_HELD && request == HOLD_REQUEST_RESTORE)
		fputs("it was not undone; oopsctl send sends it\n", stderr);
	else
		fprintf(stderr, "too late to %s\n", hold_request_str(request));
	return EX_DATAERR;
}

/* Asks for one move and says what came of it. */
static int
request_one(const struct settings *settings, struct hold *hold, const struct hold_view *view,
    enum hold_request request)
{
	struct base_arena *arena;
	char was[STATE_BYTES], is[STATE_BYTES];
	struct hold_view now = *view;
	const char *why = "";
	enum base_result result = hold_request(hold, view->id, request, "admin", NULL, &why);
	int status;

	(void)settings;
	if (result == BASE_RETRY || result == BASE_BROKEN)
		return admin_store_failed(result, why);
	arena = base_arena_new(VIEW_BYTES);
	if (arena == NULL)
		return EX_OSERR;
	/* What is true now; somebody else may have been quicker. */
	if (hold_find(hold, arena, view->id, &now, &why) != BASE_OK)
		now = *view;
	if (result == BASE_OK) {
		printf("%s: %s (was %s)\n", now.id, state_text(now.state, is),
		    state_text(view->state, was));
		status = EX_OK;
	} else {
		status = request_refused(&now, request);
	}
	base_arena_free(&arena);
	return status;
}

/* oopsctl send */
int
admin_send(const struct settings *settings, int argc, char **argv)
{
	return with_one(settings, argc, argv, request_one, HOLD_REQUEST_SEND);
}

/* oopsctl undo */
int
admin_undo(const struct settings *settings, int argc, char **argv)
{
	return with_one(settings, argc, argv, request_one, HOLD_REQUEST_UNDO);
}

/* oopsctl restore */
int
admin_restore(const struct settings *settings, int argc, char **argv)
{
	return with_one(settings, argc, argv, request_one, HOLD_REQUEST_RESTORE);
}
