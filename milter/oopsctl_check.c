/*
 * NAME
 *	oopsctl check - is everything in place, so that slips really are caught?
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] check
 *
 * WHAT IT DOES
 *	Looks at everything the programs need and asks each of them for a sign of life. One line
 *	a finding: "ok: WHAT" or "fault: WHAT; change: HOW". Changes nothing.
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_UNAVAILABLE: there are faults.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/audience/audience.h"
#include "milter/oopsctl.h"
#include "milter/oopsctl_probe.h"
#include "milter/queue/queue.h"
#include "milter/store/store.h"

#define QUEUE_TIMEOUT_MS 10000
#define ARENA_BYTES (4u << 20)
#define TEXT_BYTES 4096

/* What was found so far. */
struct report {
	const struct settings *settings;
	struct base_arena *arena;
	unsigned faults;
};

/* One good finding. */
static void __attribute__((format(printf, 1, 2))) report_ok(const char *format, ...)
{
	va_list args;

	fputs("ok: ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* One fault and what mends it. */
static void __attribute__((format(printf, 3, 4)))
report_fault(struct report *report, const char *change, const char *format, ...)
{
	va_list args;

	report->faults++;
	fputs("fault: ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("; change: %s\n", change);
}

/* --- files ------------------------------------------------------------------------ */

/* The key, the scorecard, the lists. */
static void
check_files(struct report *report)
{
	const struct settings *settings = report->settings;
	struct judge_scorecard *scorecard = NULL;
	struct audience_directory *audience = NULL;
	struct base_key *key = NULL;
	const char *why = "";

	if (base_key_load(settings->key_file, &key, &why) == BASE_OK)
		report_ok("key: %s", settings->key_file);
	else
		report_fault(report,
		    access(settings->key_file, F_OK) == 0 ? "its owner and mode"
							  : "oopsctl init",
		    "key: %s", why);
	base_key_free(&key);
	if (oopsctl_scorecard_load(settings, &scorecard, &why) == BASE_OK)
		report_ok("scorecard: %s", settings->judge.scorecard != NULL
					       ? settings->judge.scorecard
					       : "the one compiled in");
	else
		report_fault(
		    report, "the scorecard, or judge.scorecard", "scorecard: %s", why);
	judge_scorecard_free(&scorecard);
	if (audience_directory_new(settings, &audience, &why) == BASE_OK)
		report_ok("lists: %zu in the settings", settings->list_count);
	else
		report_fault(report, "the file, or lists", "lists: %s", why);
	audience_directory_free(&audience);
}

/* One database: there, whole, of our schema. */
static void
check_store(struct report *report, enum store_kind kind, const char *name)
{
	struct store_options options = { .driver = report->settings->store.driver,
		.directory = report->settings->state_directory };
	struct store *store = NULL;
	const char *why = "";
	int version = 0;
	enum base_result result = store_open(&options, kind, &store, &why);

	if (result == BASE_OK)
		result = store_check(store, &version, &why);
	store_close(&store);
	if (result == BASE_OK)
		report_ok(
		    "store: %s/%s is whole, schema %d", options.directory, name, version);
	else
		report_fault(report,
		    result == BASE_REFUSE ? "a newer oops-milter"
					  : "oopsctl init, or its owner",
		    "store: %s", why);
}

/* --- the programs ----------------------------------------------------------------- */

/* Does oops-queued answer, and us? */
static void
check_queued(struct report *report)
{
	const char *path = report->settings->mta.queue_socket, *why = "no memory";
	struct queue_client *client = queue_client_new(path, QUEUE_TIMEOUT_MS);
	struct queue_item *items = NULL;
	size_t count = 0;
	enum base_result result = BASE_BROKEN;

	if (client != NULL)
		result = queue_scan(client, report->arena, &items, &count, &why);
	queue_client_free(&client);
	if (result == BASE_OK || result == BASE_NONE)
		report_ok("oops-queued: answers at %s, %zu queue files are on hold for us",
		    path, count);
	else
		report_fault(report,
		    result == BASE_REFUSE ? "run oopsctl as root, or mta.queue_user"
					  : "start oops-queued",
		    "oops-queued: %s", why);
}

/* Do the pages and the milter answer where the settings say? */
static void
check_listeners(struct report *report)
{
	const struct settings *settings = report->settings;
	const char *why = "";

	if (oopsctl_probe_web(settings->web.listen_host, settings->web.listen_port, &why) ==
	    BASE_OK)
		report_ok("oops-web: answers at %s:%u", settings->web.listen_host,
		    settings->web.listen_port);
	else
		report_fault(report, "start oops-web, or web.listen", "oops-web: %s", why);
	if (oopsctl_probe_milter(settings->milter.socket, &why) == BASE_OK)
		report_ok("oops-milter: answers at %s", settings->milter.socket);
	else
		report_fault(
		    report, "start oops-milter, or milter.socket", "oops-milter: %s", why);
}

/* --- Postfix ---------------------------------------------------------------------- */

/* What the check needs to know of Postfix. */
struct postfix {
	char queue_directory[TEXT_BYTES];
	char default_action[TEXT_BYTES];
	const char *path;      /* of our unix socket, NULL for inet */
	const char *inside;    /* the same below the queue directory, or NULL */
	char inet[TEXT_BYTES]; /* inet:HOST:PORT as Postfix spells it */
};

/* Fills in how Postfix may spell our socket. */
static void
postfix_socket(struct postfix *postfix, const char *socket)
{
	size_t length = strlen(postfix->queue_directory);
	const char *at;
	int port;

	if (strncmp(socket, "inet", 4) == 0) {
		socket += strcspn(socket, ":");
		socket += *socket == ':';
		at = strchr(socket, '@');
		port = (int)strcspn(socket, "@");
		snprintf(postfix->inet, sizeof(postfix->inet), "inet:%s:%.*s",
		    at != NULL ? at + 1 : "", port, socket);
		return;
	}
	postfix->path = strchr(socket, ':') != NULL ? strchr(socket, ':') + 1 : socket;
	if (strncmp(postfix->path, postfix->queue_directory, length) == 0 &&
	    postfix->path[length] == '/')
		postfix->inside = postfix->path + length + 1;
}

/* Is this entry of smtpd_milters our socket? */
static bool
postfix_is_ours(const struct postfix *postfix, const char *entry, size_t length)
{
	char text[TEXT_BYTES];
	const char *path = text;

	snprintf(text, sizeof(text), "%.*s", (int)length, entry);
	if (postfix->path == NULL)
		return strcmp(text, postfix->inet) == 0;
	if (strncmp(text, "unix:", 5) == 0)
		path += 5;
	else if (strncmp(text, "local:", 6) == 0)
		path += 6;
	if (strcmp(path, postfix->path) == 0)
		return true;
	path += *path == '/';
	return postfix->inside != NULL && strcmp(path, postfix->inside) == 0;
}

/*
 * The next milter of a list, without the braces and attributes that Postfix 3.0 lets it have;
 * NULL at the end.
 */
static const char *
postfix_next(const char **list, size_t *length_r)
{
	const char *separators = ", \t\r\n", *at = *list + strspn(*list, separators),
		   *close;

	if (*at == '\0')
		return NULL;
	if (*at != '{') {
		*length_r = strcspn(at, separators);
		*list = at + *length_r;
		return at;
	}
	close = strchr(at, '}');
	*list = close != NULL ? close + 1 : at + strlen(at);
	at += 1 + strspn(at + 1, separators);
	*length_r = strcspn(at, ", \t\r\n}");
	return at;
}

/* Are we in this list, and the last one? */
static void
check_milters(struct report *report, const struct postfix *postfix, const char *name)
{
	char value[TEXT_BYTES], change[2 * TEXT_BYTES];
	const char *list = value, *entry, *why = "", *socket;
	bool is_there = false, is_last = false;
	size_t length;

	if (oopsctl_probe_postconf(report->settings, name, value, sizeof(value), &why) !=
	    BASE_OK) {
		report_fault(report, "mta.command_directory, mta.config_directory",
		    "postfix: %s", why);
		return;
	}
	while ((entry = postfix_next(&list, &length)) != NULL) {
		is_last = postfix_is_ours(postfix, entry, length);
		is_there = is_there || is_last;
	}
	socket = postfix->path != NULL ? postfix->path : postfix->inet;
	snprintf(change, sizeof(change), "put %s%s at the end of %s in main.cf",
	    postfix->path != NULL ? "unix:" : "", socket, name);
	if (!is_there)
		report_fault(report, change,
		    "postfix: %s does not name %s: its mail is not judged", name, socket);
	else if (!is_last)
		report_fault(report, change,
		    "postfix: in %s a milter comes after us: it never sees the mail that "
		    "we hold",
		    name);
	else
		report_ok("postfix: we are the last one in %s", name);
}

/* Can a chrooted smtpd find our unix socket? */
static void
check_chroot(struct report *report, const struct postfix *postfix)
{
	char value[TEXT_BYTES];
	const char *why = "";

	if (postfix->path == NULL)
		return;
	if (oopsctl_probe_postconf(report->settings, "-F:*/inet/chroot", value,
		sizeof(value), &why) != BASE_OK) {
		report_fault(report, "mta.command_directory, mta.config_directory",
		    "postfix: %s", why);
		return;
	}
	if (strchr(value, 'y') == NULL)
		report_ok(
		    "postfix: no smtpd is chrooted, so it can reach %s", postfix->path);
	else if (postfix->inside != NULL)
		report_ok(
		    "postfix: smtpd is chrooted, and %s is below its root", postfix->path);
	else
		report_fault(report,
		    "milter.socket to a path below the queue directory, or chroot to n in "
		    "master.cf",
		    "postfix: smtpd is chrooted to %s and cannot find %s: mail flows "
		    "unjudged",
		    postfix->queue_directory, postfix->path);
}

/* What happens to mail while oops-milter is down? */
static void
check_default_action(struct report *report, const struct postfix *postfix)
{
	const char *action = postfix->default_action;

	if (strcmp(action, "accept") == 0)
		report_ok("postfix: milter_default_action = accept: "
			  "mail flows, unjudged, while oops-milter is down");
	else if (strcmp(action, "tempfail") == 0)
		report_ok("postfix: milter_default_action = tempfail: "
			  "mail waits at the sender while oops-milter is down");
	else
		report_fault(report,
		    "milter_default_action to accept (or tempfail) in main.cf",
		    "postfix: milter_default_action = %s: mail is lost to its recipients "
		    "while "
		    "oops-milter is down",
		    action);
}

/* Everything about Postfix. */
static void
check_postfix(struct report *report)
{
	struct postfix postfix = { .path = NULL };
	const char *why = "";

	if (oopsctl_probe_postconf(report->settings, "queue_directory",
		postfix.queue_directory, sizeof(postfix.queue_directory),
		&why) != BASE_OK ||
	    oopsctl_probe_postconf(report->settings, "milter_default_action",
		postfix.default_action, sizeof(postfix.default_action), &why) != BASE_OK) {
		report_fault(report, "mta.command_directory, mta.config_directory",
		    "postfix: %s", why);
		return;
	}
	postfix_socket(&postfix, report->settings->milter.socket);
	check_milters(report, &postfix, "smtpd_milters");
	check_milters(report, &postfix, "non_smtpd_milters");
	check_chroot(report, &postfix);
	check_default_action(report, &postfix);
}

/* oopsctl check */
int
oopsctl_check(const struct settings *settings, int argc, char **argv)
{
	struct report report = { .settings = settings,
		.arena = base_arena_new(ARENA_BYTES) };

	(void)argv;
	if (argc != 1 || report.arena == NULL) {
		fputs("usage: oopsctl [-c FILE] check\n", stderr);
		base_arena_free(&report.arena);
		return EX_USAGE;
	}
	report_ok("settings: %s", settings->path);
	check_files(&report);
	check_store(&report, STORE_HOLDS, STORE_HOLDS_PATH);
	check_store(&report, STORE_MEMORY, STORE_MEMORY_PATH);
	check_queued(&report);
	check_listeners(&report);
	if (strcmp(settings->mta.kind, "postfix") == 0)
		check_postfix(&report);
	base_arena_free(&report.arena);
	return report.faults == 0 ? EX_OK : EX_UNAVAILABLE;
}
