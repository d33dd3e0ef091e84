/* check/postconf - Postfix's own configuration; see postconf.h */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/check/postconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/check/probe.h"

#define SEPARATORS ", \t\r\n"

/* One value of Postfix's, or the lines of a pattern. */
static bool
ask(const struct postfix *postfix, const char *name, char *value_r, size_t size)
{
	const char *why = "";

	value_r[0] = '\0';
	if (probe_postconf(postfix->check->settings, name, value_r, size, &why) == BASE_OK)
		return true;
	check_fault(postfix->check,
	    "main.cf, or mta: { config_directory, command_directory } in the settings",
	    "postfix: %s", why);
	return false;
}

bool
postfix_ask(const struct postfix *postfix, const char *name, char value_r[POSTFIX_TEXT])
{
	return ask(postfix, name, value_r, POSTFIX_TEXT);
}

/* --- lists of milters ------------------------------------------------------------- */

/* Fills in where we listen, and how a chrooted service may spell it. */
static bool
find_socket(struct postfix *postfix)
{
	struct check *check = postfix->check;
	size_t length = strlen(postfix->queue_directory);
	const char *path;

	if (!endpoint_read(check->arena, check->settings->milter.socket, &postfix->ours))
		return false;
	path = postfix->ours.path;
	if (path != NULL && strncmp(path, postfix->queue_directory, length) == 0 &&
	    path[length] == '/')
		postfix->inside = path + length + 1;
	return true;
}

const char *
postfix_socket(const struct postfix *postfix)
{
	const char *text = endpoint_text(postfix->check->arena, &postfix->ours);

	/* every process of Postfix starts there, and a chrooted one finds no other path */
	if (postfix->inside != NULL)
		return base_arena_printf(postfix->check->arena, "unix:%s", postfix->inside);
	return base_arena_printf(postfix->check->arena, "%s:%s",
	    postfix->ours.path != NULL ? "unix" : "inet", text != NULL ? text : "");
}

/* Our socket as it is spelled in an entry, a path without its kind; NULL: it is not ours. */
static const char *
ours_in(const struct postfix *postfix, const char *entry)
{
	struct endpoint other;

	if (!endpoint_read_postfix(postfix->check->arena, entry, &other))
		return NULL;
	if (postfix->inside != NULL && other.path != NULL &&
	    strcmp(other.path + (*other.path == '/'), postfix->inside) == 0)
		return other.path;
	if (!endpoint_reaches(&postfix->ours, &other))
		return NULL;
	return other.path != NULL ? other.path : entry;
}

/* How long a text in braces is, with them; Postfix lets attributes have braces of their own. */
static size_t
braces_length(const char *text)
{
	unsigned depth = 0;
	size_t at = 0;

	for (; text[at] != '\0'; at++) {
		depth += text[at] == '{';
		depth -= text[at] == '}';
		if (depth == 0)
			return at + 1;
	}
	return at;
}

/* The next milter of a list, as a copy with its braces and attributes; NULL at the end. */
static char *
next_entry(const struct postfix *postfix, const char **list)
{
	const char *at = *list + strspn(*list, SEPARATORS);
	size_t length = *at == '{' ? braces_length(at) : strcspn(at, SEPARATORS);

	*list = at + length;
	return length == 0 ? NULL : base_arena_strndup(postfix->check->arena, at, length);
}

/* The value of default_action among the attributes, which it cuts; NULL: there is none. */
static const char *
action_in(char *attributes)
{
	static const char name[] = "default_action";
	char *at = strstr(attributes, name);

	if (at == NULL)
		return NULL;
	at += sizeof(name) - 1;
	at += strspn(at, " \t");
	if (*at != '=')
		return NULL;
	at += 1 + strspn(at + 1, " \t");
	at[strcspn(at, SEPARATORS "{}")] = '\0';
	return at;
}

struct postfix_entry
postfix_find(const struct postfix *postfix, const char *list)
{
	struct postfix_entry found = { .place = POSTFIX_ABSENT };
	char *entry;

	while ((entry = next_entry(postfix, &list)) != NULL) {
		char *name = entry + strspn(entry, "{" SEPARATORS), *rest;
		const char *socket;

		rest = name + strcspn(name, SEPARATORS "}");
		if (*rest != '\0')
			*rest++ = '\0';
		socket = ours_in(postfix, name);
		if (socket != NULL)
			found = (struct postfix_entry){ found.place == POSTFIX_EARLY ? POSTFIX_EARLY
										     : POSTFIX_LAST,
				socket, action_in(rest) };
		else if (found.place == POSTFIX_LAST)
			found.place = POSTFIX_EARLY;
	}
	return found;
}

/* --- master.cf -------------------------------------------------------------------- */

bool
postfix_each(struct postfix *postfix, const char *what, postfix_field_fn *each)
{
	char *lines = base_arena_alloc(postfix->check->arena, POSTFIX_LINES), *line;
	char pattern[100];

	snprintf(pattern, sizeof(pattern), "%.3s*/*/%s", what, what + 3);
	if (lines == NULL || !ask(postfix, pattern, lines, POSTFIX_LINES))
		return false;
	while ((line = strsep(&lines, "\n")) != NULL) { /* "NAME/TYPE/FIELD = VALUE" */
		char *value = strstr(line, " ="), *slash;

		if (value == NULL)
			continue;
		*value = '\0';
		value += 2;
		slash = strrchr(line, '/');
		if (slash == NULL)
			continue;
		*slash = '\0';
		value[strcspn(value, "\r")] = '\0';
		each(postfix, line, value + strspn(value, " "));
	}
	return true;
}

/* A service that asks milters, by its name; NULL: it does not. */
static struct postfix_service *
find_service(const struct postfix *postfix, const char *name)
{
	for (size_t i = 0; i < postfix->service_count; i++)
		if (strcmp(postfix->services[i].name, name) == 0)
			return &postfix->services[i];
	return NULL;
}

/* Is this the program of a command? It may have its path, and arguments. */
static bool
is_program(const char *command, const char *program)
{
	size_t length = strcspn(command, " \t");
	size_t tail = strlen(program);

	return length >= tail && strncmp(command + length - tail, program, tail) == 0 &&
	       (length == tail || command[length - tail - 1] == '/');
}

/* One more service, if its program asks milters. */
static void
take_command(struct postfix *postfix, const char *service, const char *command)
{
	bool is_cleanup = is_program(command, "cleanup");

	if (postfix->service_count < POSTFIX_MAX_SERVICES &&
	    (is_cleanup || is_program(command, "smtpd")))
		postfix->services[postfix->service_count++] =
		    (struct postfix_service){ .name = service, .is_cleanup = is_cleanup };
}

/* Does it run in the queue directory as its root? */
static void
take_chroot(struct postfix *postfix, const char *service, const char *chroot)
{
	struct postfix_service *taken = find_service(postfix, service);

	if (taken != NULL)
		taken->is_chrooted =
		    chroot[0] == '-' ? postfix->is_chroot_default : chroot[0] == 'y';
}

/* Milters of an smtpd's own. */
static void
take_smtpd(struct postfix *postfix, const char *service, const char *list)
{
	struct postfix_service *taken = find_service(postfix, service);

	if (taken != NULL && !taken->is_cleanup)
		taken->own_milters = list;
}

/* Milters of a cleanup's own. */
static void
take_cleanup(struct postfix *postfix, const char *service, const char *list)
{
	struct postfix_service *taken = find_service(postfix, service);

	if (taken != NULL && taken->is_cleanup)
		taken->own_milters = list;
}

/* What a service does with mail while a milter is down. */
static void
take_action(struct postfix *postfix, const char *service, const char *action)
{
	struct postfix_service *taken = find_service(postfix, service);

	if (taken != NULL)
		taken->own_action = action;
}

/* The services that ask milters, and what they ask. */
static bool
read_services(struct postfix *postfix)
{
	postfix->services = base_arena_array(
	    postfix->check->arena, POSTFIX_MAX_SERVICES, sizeof(*postfix->services));
	if (postfix->services == NULL || !postfix_each(postfix, "-F:command", take_command) ||
	    !postfix_each(postfix, "-F:chroot", take_chroot) ||
	    !postfix_each(postfix, "-P:smtpd_milters", take_smtpd) ||
	    !postfix_each(postfix, "-P:non_smtpd_milters", take_cleanup) ||
	    !postfix_each(postfix, "-P:milter_default_action", take_action))
		return false;
	for (size_t i = 0; i < postfix->service_count; i++) {
		struct postfix_service *service = &postfix->services[i];

		service->entry =
		    postfix_find(postfix, service->own_milters != NULL ? service->own_milters
					  : service->is_cleanup        ? postfix->non_smtpd_milters
								       : postfix->smtpd_milters);
	}
	return true;
}

bool
postfix_read(struct postfix *postfix)
{
	char level[POSTFIX_TEXT];

	if (!postfix_ask(postfix, "queue_directory", postfix->queue_directory) ||
	    !postfix_ask(postfix, "mail_owner", postfix->mail_owner) ||
	    !postfix_ask(postfix, "smtpd_milters", postfix->smtpd_milters) ||
	    !postfix_ask(postfix, "non_smtpd_milters", postfix->non_smtpd_milters) ||
	    !postfix_ask(postfix, "milter_default_action", postfix->action) ||
	    !postfix_ask(postfix, "compatibility_level", level))
		return false;
	postfix->is_chroot_default = strtol(level, NULL, 10) < 1; /* as Postfix 2 did */
	return find_socket(postfix) && read_services(postfix);
}
