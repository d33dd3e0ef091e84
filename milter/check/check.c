/*
 * NAME
 *	oopsctl check - is everything in place, so that slips really are caught?
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] check [--monitor]
 *
 * WHAT IT DOES
 *	Looks at everything the programs need and asks each of them for a sign of life. One line
 *	a finding, see internal.h. Changes nothing. --monitor puts a line with the sum of it
 *	first and ends with the codes that monitoring systems know: 0 ok, 1 warning, 2 critical.
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_UNAVAILABLE: there are faults.
 */
#include "milter/check/check.h"
#include "milter/check/internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "milter/notice/notice.h"
#include "milter/admin/admin.h"
#include "milter/check/probe.h"
#include "milter/queue/queue.h"
#include "milter/site/reload.h"
#include "milter/store/store.h"

#define QUEUE_TIMEOUT_MS 10000
#define ARENA_BYTES (16u << 20)
#define REPORT_BYTES (1u << 20)
#define PAGE_BYTES (256u << 10)

/* --- the report ------------------------------------------------------------------- */

/* One line; `change` NULL: nothing is to be changed. */
__attribute__((format(printf, 4, 0))) static void
report(struct check *check, const char *kind, const char *change, const char *format,
    va_list arguments)
{
	char what[2048];

	vsnprintf(what, sizeof(what), format, arguments);
	base_buffer_printf(&check->text, "%s: ", kind);
	base_quote_line(&check->text, what, sizeof(what));
	if (change != NULL) {
		base_buffer_puts(&check->text, "; change: ");
		base_quote_line(&check->text, change, sizeof(what));
	}
	base_buffer_puts(&check->text, "\n");
	if (strcmp(kind, "fault") == 0
		? check->faults == 1
		: change != NULL && check->faults == 0 && check->warnings == 1)
		snprintf(check->worst, sizeof(check->worst), "%.250s", what);
}

void
check_ok(struct check *check, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(check, "ok", NULL, format, arguments);
	va_end(arguments);
}

void
check_warn(struct check *check, const char *change, const char *format, ...)
{
	va_list arguments;

	check->warnings++;
	va_start(arguments, format);
	report(check, "warning", change, format, arguments);
	va_end(arguments);
}

void
check_fault(struct check *check, const char *change, const char *format, ...)
{
	va_list arguments;

	check->faults++;
	va_start(arguments, format);
	report(check, "fault", change, format, arguments);
	va_end(arguments);
}

/* --- the store -------------------------------------------------------------------- */

/* One database: there, whole, of our schema. */
static void
check_store(struct check *check, enum store_kind kind, const char *name)
{
	struct store_options options = { .driver = check->settings->store.driver,
		.directory = check->settings->state_directory };
	struct store *store = NULL;
	const char *why = "";
	int version = 0;
	enum base_result result = store_open(&options, kind, &store, &why);

	if (result == BASE_OK)
		result = store_check(store, &version, &why);
	store_close(&store);
	if (result == BASE_OK)
		check_ok(check, "store: %s/%s is whole, schema %d", options.directory, name,
		    version);
	else
		check_fault(check,
		    result == BASE_REFUSE ? "install a newer oops-milter"
					  : "run oopsctl init, or mend its owner",
		    "store: %s", why);
}

/* --- the programs ----------------------------------------------------------------- */

/* The number of the user that oops-queued serves; false: there is no such user. */
static bool
queue_user(const struct settings *settings, uid_t *uid_r)
{
	const char *name = settings->mta.queue_user;
	const struct passwd *user = getpwnam(name);
	char *end;

	if (user != NULL) {
		*uid_r = user->pw_uid;
		return true;
	}
	*uid_r = (uid_t)strtoul(name, &end, 10);
	return *name != '\0' && *end == '\0';
}

/* Is the user that oops-queued serves the one that oops-milter runs as? */
static void
check_queue_user(struct check *check)
{
	const struct settings *settings = check->settings;
	const char *path = base_arena_printf(
	    check->arena, "%s/%s", settings->state_directory, STORE_MEMORY_PATH);
	struct stat status;
	uid_t uid;

	if (!queue_user(settings, &uid))
		check_fault(check,
		    "mta: { queue_user = \"NAME\"; } in the settings, a user that exists",
		    "oops-queued: there is no user %s to serve", settings->mta.queue_user);
	else if (path == NULL || stat(path, &status) != 0)
		return; /* told with the store */
	else if (status.st_uid != uid)
		check_fault(check,
		    "mta: { queue_user = \"NAME\"; } in the settings, or the owner of the "
		    "state directory",
		    "oops-queued: it serves user %s alone, but %s belongs to user %u: "
		    "oops-milter cannot release what it holds",
		    settings->mta.queue_user, path, (unsigned)status.st_uid);
	else
		check_ok(check, "oops-queued: serves user %s", settings->mta.queue_user);
}

/* Does oops-queued answer, and us? */
static void
check_queued(struct check *check)
{
	const char *path = check->settings->mta.queue_socket, *why = "no memory";
	struct queue_client *client = queue_client_new(path, QUEUE_TIMEOUT_MS);
	enum base_result result = BASE_BROKEN;

	if (client != NULL)
		result = queue_scan(
		    client, check->arena, &check->files, &check->file_count, &why);
	queue_client_free(&client);
	check->has_files = result == BASE_OK;
	if (check->has_files)
		check_ok(check,
		    "oops-queued: answers at %s, %zu queue files are on hold for us", path,
		    check->file_count);
	else
		check_fault(check,
		    result == BASE_REFUSE ? "run oopsctl as root, or mta.queue_user"
					  : "start oops-queued",
		    "oops-queued: %s", why);
	check_queue_user(check);
}

/* Does the milter answer where the settings say? */
static void
check_milter(struct check *check)
{
	const char *socket = check->settings->milter.socket, *why = "";

	check->milter_answers = probe_milter(socket, &why) == BASE_OK;
	if (check->milter_answers)
		check_ok(check, "oops-milter: answers at %s", socket);
	else
		check_fault(
		    check, "start oops-milter, or milter.socket", "oops-milter: %s", why);
}

/* Can the milter write what it learns? It alone knows since when not. */
static void
check_learning(struct check *check)
{
	const char *directory = base_arena_printf(
	    check->arena, "%s%s", check->settings->state_directory, SITE_RUN_MILTER);
	struct base_run_view *view = base_arena_alloc(check->arena, sizeof(*view));
	const char *why = "";
	char since[40];
	struct tm parts;

	if (directory == NULL || view == NULL ||
	    base_run_look(directory, SITE_RUN_LEARNING, view, &why) != BASE_OK)
		return; /* it does not run, which is told with its socket */
	if (strcmp(view->answer, "refused") != 0) {
		check_ok(check, "learning: what passes is learned");
		return;
	}
	localtime_r(&view->when.tv_sec, &parts);
	strftime(since, sizeof(since), "%F %T %z", &parts);
	check_fault(check,
	    "room on its disk, its owner, or who has it locked; if it is damaged, a copy in its "
	    "place",
	    "learning: " STORE_MEMORY_PATH " cannot be used since %s: %.*s", since,
	    (int)strcspn(view->text, "\n"), view->text);
}

/* --- letters and pages ------------------------------------------------------------ */

/* Where oops-web itself answers, with the path of base_url: what a browser should get. */
static const char *
own_url(const struct check *check)
{
	const struct settings *settings = check->settings;
	const char *host = settings->web.listen_host;
	const char *scheme = strstr(settings->web.base_url, "://");
	const char *path = scheme != NULL ? strchr(scheme + 3, '/') : NULL;
	bool is_six = strchr(host, ':') != NULL;

	/* Where it listens on every address, this host's own is one of them. */
	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	return base_arena_printf(check->arena, "http://%s%s%s:%u%s/", is_six ? "[" : "",
	    host, is_six ? "]" : "", settings->web.listen_port, path != NULL ? path : "");
}

/* Does base_url lead to the page that oops-web itself shows? */
static void
check_base_url(struct check *check, const struct base_buffer *own)
{
	static const char change[] = "web: { base_url = \"URL\"; } in the settings, or the "
				     "proxy in front of oops-web";
	const char *base_url = check->settings->web.base_url, *why = "no memory";
	const char *url = base_arena_printf(check->arena, "%s/", base_url);
	enum base_result result = BASE_BROKEN;
	struct base_buffer page;

	base_buffer_init(&page, PAGE_BYTES);
	if (url != NULL)
		result = notice_probe_page(url, &page, &why);
	if (result != BASE_OK)
		check_fault(check, change, "base_url: the links lead nowhere: %s", why);
	else if (strcmp(base_buffer_text(&page), base_buffer_text(own)) != 0)
		check_fault(check, change,
		    "base_url: the links lead to %s, where something other than oops-web "
		    "answers",
		    base_url);
	else
		check_ok(check, "base_url: %s leads to oops-web", base_url);
	base_buffer_free(&page);
}

/* Do the pages answer, and do the links lead there? */
static void
check_web(struct check *check)
{
	const char *url = own_url(check), *why = "no memory";
	enum base_result result = BASE_BROKEN;
	struct base_buffer own;

	base_buffer_init(&own, PAGE_BYTES);
	if (url != NULL)
		result = notice_probe_page(url, &own, &why);
	if (result == BASE_OK) {
		check_ok(check, "oops-web: answers at %s:%u",
		    check->settings->web.listen_host, check->settings->web.listen_port);
		check_base_url(check, &own);
	} else {
		check_fault(check, "start oops-web, or web.listen", "oops-web: %s", why);
	}
	base_buffer_free(&own);
}

/* Does the server for our letters take them, and answers to them? */
static void
check_letters(struct check *check)
{
	const struct settings *settings = check->settings;
	const char *why = "";

	switch (notice_probe_mailbox(settings, settings->notice.from, &why)) {
	case BASE_OK:
		check_ok(check, "letters: %s takes mail for %s", settings->notice.smtp,
		    settings->notice.from);
		break;
	case BASE_REFUSE:
		check_fault(check,
		    "notice: { from = \"ADDRESS\"; } in the settings, a mailbox that "
		    "exists",
		    "letters: %s does not take mail for %s: %s", settings->notice.smtp,
		    settings->notice.from, why);
		break;
	case BASE_NONE:
		check_warn(check, "what the server says, or try again later",
		    "letters: %s does not take mail for %s now: %s", settings->notice.smtp,
		    settings->notice.from, why);
		break;
	default:
		check_fault(check,
		    "notice: { smtp = \"URL\"; } in the settings, or start that server",
		    "letters: %s", why);
	}
}

/* --- all of it -------------------------------------------------------------------- */

/* Every part, in the order in which an admin would mend them. */
static void
check_all(struct check *check)
{
	check_settings(check);
	check_store(check, STORE_HOLDS, STORE_HOLDS_PATH);
	check_store(check, STORE_MEMORY, STORE_MEMORY_PATH);
	check_queued(check);
	check_milter(check);
	check_learning(check);
	check_letters(check);
	check_web(check);
	if (strcmp(check->settings->mta.kind, "postfix") == 0)
		check_postfix(check);
	else
		check_sendmail(check);
	check_held(check);
}

/* The codes of monitoring plugins; the first line is what their lists show. */
static int
print_monitor(const struct check *check)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL" };
	int code = check->faults > 0 ? 2 : check->warnings > 0 ? 1 : 0;

	printf("OOPS-MILTER %s: %u faults, %u warnings%s", words[code], check->faults,
	    check->warnings, code > 0 ? ": " : "");
	admin_print_text(check->worst, sizeof(check->worst));
	printf("\n%s", base_buffer_text(&check->text));
	return code;
}

/* oopsctl check */
int
check_site(const struct settings *settings, int argc, char **argv)
{
	bool is_monitor = argc == 2 && strcmp(argv[1], "--monitor") == 0;
	struct check check = { .settings = settings };
	int status;

	if (argc > 2 || (argc == 2 && !is_monitor)) {
		fputs("usage: oopsctl [-c FILE] check [--monitor]\n", stderr);
		return EX_USAGE;
	}
	check.arena = base_arena_new(ARENA_BYTES);
	if (check.arena == NULL)
		return EX_OSERR;
	base_buffer_init(&check.text, REPORT_BYTES);
	check_all(&check);
	if (is_monitor) {
		status = print_monitor(&check);
	} else {
		fputs(base_buffer_text(&check.text), stdout);
		status = check.faults == 0 ? EX_OK : EX_UNAVAILABLE;
	}
	base_buffer_free(&check.text);
	base_arena_free(&check.arena);
	return status;
}
