/* check/sendmail - does Sendmail pass its mail through us? see internal.h */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/check/endpoint.h"
#include "milter/check/internal.h"
#include "milter/check/probe.h"

#define CF_MAX_BYTES (4u << 20)
#define NAME_BYTES 256
#define MC                                                                                         \
	"in sendmail.mc: INPUT_MAIL_FILTER(`oops-milter', `S=%s')dnl, the last of its "            \
	"kind"

/* What the check needs to know of Sendmail. */
struct sendmail {
	struct check *check;
	char *text; /* sendmail.cf, each line ended by a NUL */
	size_t length;
	char name[NAME_BYTES]; /* of the filter whose socket is ours; "" for none */
	const char *flags;     /* of that filter: its F=, or "" */
	struct endpoint ours;  /* where we listen */
};

/* The line after this one; NULL to begin with, NULL at the end. */
static char *
next_line(const struct sendmail *sendmail, char *line)
{
	char *end = sendmail->text + sendmail->length;

	line = line == NULL ? sendmail->text : line + strlen(line) + 1;
	return line < end ? line : NULL;
}

/* The value of the last line that sets an option; NULL: there is none. */
static const char *
option_of(const struct sendmail *sendmail, const char *name)
{
	const char *value = NULL;
	size_t length = strlen(name);

	for (char *line = next_line(sendmail, NULL); line != NULL; line = next_line(sendmail, line))
		if (strncmp(line, "O ", 2) == 0 && strncasecmp(line + 2, name, length) == 0 &&
		    line[2 + length] == '=')
			value = line + 3 + length;
	return value;
}

/* Reads sendmail.cf, and ends its lines. */
static bool
sendmail_read(struct sendmail *sendmail)
{
	struct check *check = sendmail->check;
	const char *why = "";

	if (base_file_read(check->arena, check->settings->mta.sendmail_config, CF_MAX_BYTES,
		&sendmail->text, &sendmail->length, &why) != BASE_OK) {
		check_fault(check, "mta: { sendmail_config = \"PATH\"; } in the settings",
		    "sendmail: %s", why);
		return false;
	}
	for (size_t i = 0; i < sendmail->length; i++)
		if (sendmail->text[i] == '\n')
			sendmail->text[i] = '\0';
	return true;
}

/* --- the filter ------------------------------------------------------------------- */

/* Is this line "Xname, S=socket, ..." the filter with our socket? Then it is taken apart. */
static bool
filter_take(struct sendmail *sendmail, char *line)
{
	const char *flags = "";
	struct endpoint other;
	bool is_ours = false;
	char *save = NULL;
	char *name = strtok_r(line + 1, ", \t", &save), *field;

	while ((field = strtok_r(NULL, ", \t", &save)) != NULL) {
		if (strncmp(field, "S=", 2) == 0)
			is_ours = endpoint_read(sendmail->check->arena, field + 2, &other) &&
				  endpoint_reaches(&sendmail->ours, &other);
		else if (strncmp(field, "F=", 2) == 0)
			flags = field + 2;
	}
	if (name == NULL || !is_ours)
		return false;
	snprintf(sendmail->name, sizeof(sendmail->name), "%s", name);
	sendmail->flags = flags;
	return true;
}

/* Looks for our filter among the X lines. */
static bool
filter_find(struct sendmail *sendmail)
{
	char *line = NULL, *next = next_line(sendmail, NULL);

	while ((line = next) != NULL) {
		next = next_line(sendmail, line); /* before it is taken apart */
		if (line[0] == 'X' && filter_take(sendmail, line))
			return true;
	}
	return false;
}

/* Where our filter stands in a list of filters. */
enum place { PLACE_ABSENT, PLACE_EARLY, PLACE_LAST };

static enum place
place_in(const struct sendmail *sendmail, const char *list)
{
	bool is_there = false, is_last = false;
	size_t length = strlen(sendmail->name), one;

	for (list += strspn(list, ",; \t"); *list != '\0'; list += strspn(list, ",; \t")) {
		one = strcspn(list, ",; \t");
		is_last = one == length && strncmp(list, sendmail->name, one) == 0;
		is_there = is_there || is_last;
		list += one;
	}
	return is_last ? PLACE_LAST : is_there ? PLACE_EARLY : PLACE_ABSENT;
}

/* Says where we stand; `whose`: which mail goes through this list. */
static void
check_list(const struct sendmail *sendmail, const char *list, const char *whose)
{
	struct check *check = sendmail->check;
	const char *change = base_arena_printf(check->arena, MC, check->settings->milter.socket);

	if (change == NULL)
		change = "sendmail.mc";
	switch (place_in(sendmail, list)) {
	case PLACE_ABSENT:
		check_fault(check, change,
		    "sendmail: InputMailFilters of %s does not name %s: its mail is not "
		    "judged",
		    whose, sendmail->name);
		break;
	case PLACE_EARLY:
		check_warn(check, change,
		    "sendmail: a filter comes after us in %s: what it signs or adds comes "
		    "after our tag",
		    whose);
		break;
	case PLACE_LAST:
		check_ok(check, "sendmail: we are the last filter of %s", whose);
		break;
	}
}

/* Daemons that have filters of their own: "O DaemonPortOptions=..., InputMailFilters=a;b". */
static void
check_daemons(const struct sendmail *sendmail)
{
	static const char option[] = "O DaemonPortOptions=", filters[] = "InputMailFilters=";
	char list[NAME_BYTES];

	for (char *line = next_line(sendmail, NULL); line != NULL;
	     line = next_line(sendmail, line)) {
		const char *own = strstr(line, filters);

		if (strncmp(line, option, sizeof(option) - 1) != 0 || own == NULL)
			continue;
		own += sizeof(filters) - 1;
		snprintf(list, sizeof(list), "%.*s", (int)strcspn(own, ","), own);
		check_list(sendmail, list, line + sizeof(option) - 1);
	}
}

/* What happens to mail while oops-milter is down? */
static void
check_flags(const struct sendmail *sendmail)
{
	if (strchr(sendmail->flags, 'R') != NULL)
		check_fault(sendmail->check,
		    "in sendmail.mc: take F=R out of our INPUT_MAIL_FILTER (or F=T)",
		    "sendmail: F=%s: mail is lost to its recipients while oops-milter is "
		    "down",
		    sendmail->flags);
	else if (strpbrk(sendmail->flags, "T4") != NULL)
		check_ok(sendmail->check,
		    "sendmail: F=%s: mail waits at the sender while oops-milter is down",
		    sendmail->flags);
	else
		check_ok(sendmail->check,
		    "sendmail: no F=: mail flows, unjudged, while oops-milter is down");
}

/* Does Sendmail tell us who logged in? */
static void
check_macros(const struct sendmail *sendmail)
{
	const char *macros = option_of(sendmail, "Milter.macros.envfrom");

	if (macros == NULL || strstr(macros, "{auth_authen}") == NULL)
		check_fault(sendmail->check,
		    "in sendmail.mc: define(`confMILTER_MACROS_ENVFROM', "
		    "confMILTER_MACROS_ENVFROM``, {auth_authen}'')dnl",
		    "sendmail: Milter.macros.envfrom has no {auth_authen}: a login proves "
		    "nothing");
	else
		check_ok(sendmail->check, "sendmail: it tells us who logged in");
}

/* --- the age of mail --------------------------------------------------------------- */

/* How long mail of a class is kept; mail says itself which class it is of. */
struct kept {
	const char *option, *macro, *value;
};

/* The class that is kept least decides. 0 and "now": it is tried once, on hold or not. */
static void
check_kept(const struct sendmail *sendmail)
{
	struct kept all = { "Timeout.queuereturn", "", NULL };
	struct kept classes[] = { { "Timeout.queuereturn.normal", "_NORMAL", NULL },
		{ "Timeout.queuereturn.urgent", "_URGENT", NULL },
		{ "Timeout.queuereturn.non-urgent", "_NONURGENT", NULL } };
	struct kept *least = NULL;
	const char *name, *change;

	all.value = option_of(sendmail, all.option);
	if (all.value == NULL)
		all.value = "5d";
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		struct kept *one = &classes[i];

		one->value = option_of(sendmail, one->option);
		if (one->value == NULL)
			*one = all;
		if (check_mta_seconds(one->value) != 0 &&
		    (least == NULL ||
			check_mta_seconds(one->value) < check_mta_seconds(least->value)))
			least = one;
	}
	if (least == NULL)
		return;
	name = base_arena_printf(sendmail->check->arena, "sendmail: %s", least->option);
	change = base_arena_printf(sendmail->check->arena,
	    "in sendmail.mc: define(`confTO_QUEUERETURN%s', `", least->macro);
	if (name != NULL && change != NULL)
		check_lifetime(sendmail->check, name, least->value, change, "')dnl");
}

/* --- aliases ---------------------------------------------------------------------- */

/* Does an entry of `lists` read this file? */
static bool
is_in_lists(const struct settings *settings, const char *path)
{
	for (size_t i = 0; i < settings->list_count; i++) {
		const struct settings_list *list = &settings->lists[i];
		const char *table = list->table != NULL ? strchr(list->table, ':') : NULL;

		if ((list->aliases != NULL && strcmp(list->aliases, path) == 0) ||
		    (list->virtual != NULL && strcmp(list->virtual, path) == 0) ||
		    (table != NULL && strcmp(table + 1, path) == 0))
			return true;
	}
	return false;
}

/* A file with aliases: do we count the people behind them? */
static void
check_table(const struct sendmail *sendmail, const char *path, const char *what, const char *kind)
{
	struct check *check = sendmail->check;
	const char *change;

	if (*path != '/' || access(path, F_OK) != 0)
		return;
	if (is_in_lists(check->settings, path)) {
		check_ok(check, "sendmail: %s %s is in lists", what, path);
		return;
	}
	change = base_arena_printf(
	    check->arena, "lists: ( { %s = \"%s\"; } ) in the settings", kind, path);
	check_warn(check, change != NULL ? change : "lists in the settings",
	    "sendmail: %s %s is not in lists: a list in it counts as one person", what, path);
}

/* "O AliasFile=path, hash:path" and "Kvirtuser hash -o path". */
static void
check_tables(const struct sendmail *sendmail)
{
	static const char virtual[] = "Kvirtuser ";
	const char *list = option_of(sendmail, "AliasFile");
	char path[NAME_BYTES];

	for (; list != NULL && *list != '\0'; list += strspn(list, ", \t")) {
		size_t length = strcspn(list, ", \t");
		const char *colon = memchr(list, ':', length), *start;

		start = colon != NULL ? colon + 1 : list;
		snprintf(path, sizeof(path), "%.*s", (int)(length - (size_t)(start - list)), start);
		check_table(sendmail, path, "AliasFile", "aliases");
		list += length;
	}
	for (char *line = next_line(sendmail, NULL); line != NULL;
	     line = next_line(sendmail, line)) {
		const char *last = strrchr(line, ' ');

		if (strncmp(line, virtual, sizeof(virtual) - 1) == 0 && last != NULL)
			check_table(sendmail, last + 1, "virtusertable", "virtual");
	}
}

/* --- the socket ------------------------------------------------------------------- */

/* The first directory above a path that everybody may write to: Sendmail refuses what is below. */
static bool
find_open_directory(const char *path, char open_r[NAME_BYTES])
{
	struct stat status;

	for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		if (at - path >= NAME_BYTES)
			return false;
		snprintf(open_r, NAME_BYTES, "%.*s", (int)(at - path), path);
		if (stat(open_r, &status) == 0 && (status.st_mode & S_IWOTH) != 0)
			return true;
	}
	return false;
}

/* Can Sendmail connect to our unix socket? */
static void
check_socket(const struct sendmail *sendmail)
{
	struct check *check = sendmail->check;
	const char *path = sendmail->ours.path, *why = "";
	const char *user = option_of(sendmail, "RunAsUser");
	char name[NAME_BYTES], open[NAME_BYTES];

	if (path == NULL || !check->milter_answers)
		return;
	snprintf(name, sizeof(name), "%.*s", user == NULL ? 4 : (int)strcspn(user, ":. \t"),
	    user == NULL ? "root" : user);
	if (find_open_directory(path, open))
		check_fault(check, "milter: { socket = \"unix:PATH\"; } in the settings",
		    "sendmail: it refuses %s: everybody may write to %s", path, open);
	else if (probe_reach(name, NULL, path, &why) == BASE_REFUSE)
		check_fault(check,
		    "the mode of its folders, milter: { socket_mode = 0660; } in the "
		    "settings "
		    "and the group of the socket",
		    "sendmail: as user %s it cannot connect to %s: %s", name, path, why);
	else
		check_ok(check, "sendmail: as user %s it can reach %s", name, path);
}

void
check_sendmail(struct check *check)
{
	struct sendmail sendmail = { .check = check };
	const char *list, *change;

	if (!sendmail_read(&sendmail) ||
	    !endpoint_read(check->arena, check->settings->milter.socket, &sendmail.ours))
		return;
	list = option_of(&sendmail, "InputMailFilters");
	check_macros(&sendmail);
	check_socket(&sendmail);
	check_tables(&sendmail);
	check_kept(&sendmail);
	if (!filter_find(&sendmail)) {
		change = base_arena_printf(check->arena, MC, check->settings->milter.socket);
		check_fault(check, change != NULL ? change : "sendmail.mc",
		    "sendmail: %s has no filter with our socket: no mail is judged",
		    check->settings->mta.sendmail_config);
		return;
	}
	check_list(&sendmail, list != NULL ? list : "", "all daemons");
	check_daemons(&sendmail);
	check_flags(&sendmail);
}
