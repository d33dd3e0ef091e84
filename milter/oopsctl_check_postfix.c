/* oopsctl_check_postfix - does Postfix pass its mail through us? see oopsctl_check.h */
#include <stdio.h>
#include <string.h>

#include "milter/oopsctl_check.h"
#include "milter/oopsctl_probe.h"

#define TEXT_BYTES 4096

/* What the check needs to know of Postfix. */
struct postfix {
	struct oopsctl_check *check;
	char queue_directory[TEXT_BYTES];
	char mail_owner[TEXT_BYTES];
	const char *path;      /* of our unix socket, NULL for inet */
	const char *inside;    /* the same below the queue directory, or NULL */
	char inet[TEXT_BYTES]; /* inet:HOST:PORT as Postfix spells it */
};

/* A value of Postfix's, "" and a fault if it cannot be had. */
static bool
postfix_ask(const struct postfix *postfix, const char *name, char value_r[TEXT_BYTES])
{
	const char *why = "";

	if (oopsctl_probe_postconf(
		postfix->check->settings, name, value_r, TEXT_BYTES, &why) == BASE_OK)
		return true;
	oopsctl_check_fault(postfix->check,
	    "mta: { config_directory, command_directory } in the settings", "postfix: %s",
	    why);
	return false;
}

/* --- milters ---------------------------------------------------------------------- */

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

/* Where we stand in a list of milters. */
enum place { PLACE_ABSENT, PLACE_EARLY, PLACE_LAST };

static enum place
postfix_place(const struct postfix *postfix, const char *list)
{
	bool is_there = false, is_last = false;
	const char *entry;
	size_t length;

	while ((entry = postfix_next(&list, &length)) != NULL) {
		is_last = postfix_is_ours(postfix, entry, length);
		is_there = is_there || is_last;
	}
	return is_last ? PLACE_LAST : is_there ? PLACE_EARLY : PLACE_ABSENT;
}

/* The line of main.cf or the -o of master.cf that would be right. */
static const char *
postfix_line(const struct postfix *postfix, const char *name, const char *list)
{
	return base_arena_printf(postfix->check->arena, "%s = %s%s%s%s", name, list,
	    *list != '\0' ? ", " : "", postfix->path != NULL ? "unix:" : "",
	    postfix->path != NULL ? postfix->path : postfix->inet);
}

/* Are we in this list of main.cf, and the last one? */
static void
check_milters(const struct postfix *postfix, const char *name)
{
	char list[TEXT_BYTES];
	const char *change;

	if (!postfix_ask(postfix, name, list))
		return;
	switch (postfix_place(postfix, list)) {
	case PLACE_ABSENT:
		change = base_arena_printf(postfix->check->arena, "in main.cf: %s",
		    postfix_line(postfix, name, list));
		oopsctl_check_fault(postfix->check, change != NULL ? change : name,
		    "postfix: %s does not name us: its mail is not judged", name);
		break;
	case PLACE_EARLY:
		change = base_arena_printf(postfix->check->arena,
		    "in main.cf: move %s to the end of %s",
		    postfix->path != NULL ? postfix->path : postfix->inet, name);
		oopsctl_check_fault(postfix->check, change != NULL ? change : name,
		    "postfix: in %s a milter comes after us: it never sees the mail that "
		    "we hold",
		    name);
		break;
	case PLACE_LAST:
		oopsctl_check_ok(
		    postfix->check, "postfix: we are the last one in %s", name);
		break;
	}
}

/* Do people send through this service, by its name in master.cf? */
static bool
is_for_people(const char *service)
{
	static const char *const names[] = { "smtp/", "submission/", "submissions/",
		"smtps/", "25/", "465/", "587/" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(service, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* One service of master.cf that has milters of its own: "NAME/inet/smtpd_milters = LIST". */
static void
check_service(const struct postfix *postfix, char *line)
{
	char *list = strstr(line, " =");
	enum place place;
	const char *change;

	if (list == NULL)
		list = line + strlen(line);
	else {
		*list = '\0';
		list += 2;
	}
	place = postfix_place(postfix, list);
	change = base_arena_printf(postfix->check->arena,
	    "in master.cf, service %.*s: -o { %s }, or take out its -o smtpd_milters",
	    (int)strcspn(line, "/"), line, postfix_line(postfix, "smtpd_milters", list));
	if (change == NULL)
		return;
	if (place == PLACE_EARLY)
		oopsctl_check_fault(postfix->check, change,
		    "postfix: in %s a milter comes after us: it never sees the mail that "
		    "we hold",
		    line);
	else if (place == PLACE_LAST)
		oopsctl_check_ok(
		    postfix->check, "postfix: we are the last one in %s", line);
	else if (is_for_people(line))
		oopsctl_check_fault(postfix->check, change,
		    "postfix: %s does not name us: what people send there is not judged",
		    line);
	else
		oopsctl_check_warn(postfix->check, change,
		    "postfix: %s does not name us: what is sent there is not judged", line);
}

/* Services of master.cf with milters of their own. */
static void
check_services(const struct postfix *postfix)
{
	char lines[TEXT_BYTES], *line, *rest = lines;

	if (!postfix_ask(postfix, "-P:*/inet/smtpd_milters", lines))
		return;
	while ((line = strsep(&rest, "\n")) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		if (*line != '\0')
			check_service(postfix, line);
	}
}

/* Options that take milters out of the way of a service, or of all. */
static void
check_no_milters(const struct postfix *postfix)
{
	char all[TEXT_BYTES], lines[TEXT_BYTES], *line, *rest = lines;

	if (postfix_ask(postfix, "receive_override_options", all) &&
	    strstr(all, "no_milters") != NULL)
		oopsctl_check_fault(postfix->check,
		    "in main.cf: take no_milters out of receive_override_options",
		    "postfix: receive_override_options = %s: no mail is judged", all);
	if (!postfix_ask(postfix, "-P:*/inet/receive_override_options", lines))
		return;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (strstr(line, "no_milters") != NULL && is_for_people(line))
			oopsctl_check_fault(postfix->check,
			    "in master.cf: take no_milters out of that service",
			    "postfix: %s: what people send there is not judged", line);
}

/* --- the socket ------------------------------------------------------------------- */

/* Can smtpd connect to our unix socket, as its user, and within its chroot? */
static void
check_reach(const struct postfix *postfix, const char *root, const char *path)
{
	struct oopsctl_check *check = postfix->check;
	const char *why = "";

	switch (oopsctl_probe_reach(postfix->mail_owner, root, path, &why)) {
	case BASE_OK:
		oopsctl_check_ok(check, "postfix: smtpd, as user %s%s, can reach %s",
		    postfix->mail_owner, root != NULL ? " in its chroot" : "",
		    postfix->path);
		break;
	case BASE_NONE:
		oopsctl_check_warn(check, "run oopsctl check as root",
		    "postfix: whether smtpd can reach %s is not known: %s", postfix->path,
		    why);
		break;
	default:
		oopsctl_check_fault(check,
		    "the mode of its folders, milter: { socket_mode = 0660; } in the "
		    "settings and the group of the socket",
		    "postfix: smtpd, as user %s%s, cannot connect to %s: %s: mail flows "
		    "unjudged",
		    postfix->mail_owner, root != NULL ? " in its chroot" : "",
		    postfix->path, why);
	}
}

/* Is there a chrooted smtpd, and is our unix socket below its root? */
static void
check_chroot(const struct postfix *postfix)
{
	char value[TEXT_BYTES];
	bool is_chrooted;

	if (postfix->path == NULL || !postfix_ask(postfix, "-F:*/inet/chroot", value))
		return;
	is_chrooted = strchr(value, 'y') != NULL;
	if (is_chrooted && postfix->inside == NULL)
		oopsctl_check_fault(postfix->check,
		    "milter: { socket = \"unix:QUEUE_DIRECTORY/...\"; } in the settings, "
		    "or chroot to n in master.cf",
		    "postfix: smtpd is chrooted to %s and cannot find %s: mail flows "
		    "unjudged",
		    postfix->queue_directory, postfix->path);
	else if (!postfix->check->milter_answers)
		return;
	else if (is_chrooted)
		check_reach(postfix, postfix->queue_directory, postfix->inside);
	else
		check_reach(postfix, NULL, postfix->path);
}

/* --- single values ---------------------------------------------------------------- */

/* What happens to mail while oops-milter is down? */
static void
check_default_action(const struct postfix *postfix)
{
	char action[TEXT_BYTES];

	if (!postfix_ask(postfix, "milter_default_action", action))
		return;
	if (strcmp(action, "accept") == 0)
		oopsctl_check_ok(postfix->check,
		    "postfix: milter_default_action = accept: "
		    "mail flows, unjudged, while oops-milter is down");
	else if (strcmp(action, "tempfail") == 0)
		oopsctl_check_ok(postfix->check,
		    "postfix: milter_default_action = tempfail: "
		    "mail waits at the sender while oops-milter is down");
	else
		oopsctl_check_fault(postfix->check,
		    "in main.cf: milter_default_action = accept (or tempfail)",
		    "postfix: milter_default_action = %s: mail is lost to its recipients "
		    "while oops-milter is down",
		    action);
}

/* Are queue ids used again for other mail? */
static void
check_long_ids(const struct postfix *postfix)
{
	char value[TEXT_BYTES];

	if (!postfix_ask(postfix, "enable_long_queue_ids", value))
		return;
	if (strcmp(value, "yes") == 0)
		oopsctl_check_ok(
		    postfix->check, "postfix: queue ids are long and never used again");
	else
		oopsctl_check_warn(postfix->check,
		    "in main.cf: enable_long_queue_ids = yes",
		    "postfix: queue ids are short and used again: a line of the log may "
		    "mean another mail");
}

void
oopsctl_check_postfix(struct oopsctl_check *check)
{
	struct postfix postfix = { .check = check };

	if (!postfix_ask(&postfix, "queue_directory", postfix.queue_directory) ||
	    !postfix_ask(&postfix, "mail_owner", postfix.mail_owner))
		return;
	postfix_socket(&postfix, check->settings->milter.socket);
	check_milters(&postfix, "smtpd_milters");
	check_milters(&postfix, "non_smtpd_milters");
	check_services(&postfix);
	check_no_milters(&postfix);
	check_chroot(&postfix);
	check_default_action(&postfix);
	check_long_ids(&postfix);
}
