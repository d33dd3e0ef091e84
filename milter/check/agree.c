/* check/agree - what Postfix and our settings must say alike; see postconf.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/check/postconf.h"
#include "milter/check/probe.h"
#include "milter/queue/queue.h"

#define SEPARATORS ", \t\r\n"

/* The next word of a list of Postfix's; braces keep one together. NULL: no more. */
static char *
next_word(struct check *check, const char **list)
{
	const char *at = *list + strspn(*list, SEPARATORS);
	size_t length = 0;
	unsigned depth = 0;

	for (; at[length] != '\0' && (depth > 0 || strchr(SEPARATORS, at[length]) == NULL);
	     length++) {
		depth += at[length] == '{';
		depth -= depth > 0 && at[length] == '}';
	}
	*list = at + length;
	return length == 0 ? NULL : base_arena_strndup(check->arena, at, length);
}

/* --- recipient_delimiter ----------------------------------------------------------- */

/* Is an address with an extension the same person to both? */
static void
check_delimiter(const struct postfix *postfix)
{
	const char *ours = postfix->check->settings->identity.recipient_delimiter;
	char theirs[POSTFIX_TEXT];
	const char *change;

	if (!postfix_ask(postfix, "recipient_delimiter", theirs))
		return;
	if (strspn(theirs, ours) == strlen(theirs) && strspn(ours, theirs) == strlen(ours)) {
		check_ok(postfix->check, "postfix: recipient_delimiter is ours too: \"%s\"", ours);
		return;
	}
	change = base_arena_printf(postfix->check->arena,
	    "identity: { recipient_delimiter = \"%s\"; } in the settings", theirs);
	check_warn(postfix->check, change != NULL ? change : "identity.recipient_delimiter",
	    "postfix: recipient_delimiter = %s, and ours is \"%s\": all+x@ is one person here "
	    "and a list there, or the other way round",
	    theirs, ours);
}

/* --- aliases ------------------------------------------------------------------------- */

/* A table's type and name without those that only stand in front: "proxy:". */
static const char *
real_table(const char *table)
{
	return strncmp(table, "proxy:", 6) == 0 ? table + 6 : table;
}

/* Is it one of these types, whose source is a text file of the same name? */
static bool
has_source(const char *table)
{
	static const char *const types[] = {
		"hash:", "btree:", "lmdb:", "cdb:", "dbm:", "sdbm:", "texthash:"
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strncmp(table, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

/* Do our lists have what this table has? */
static bool
is_in_lists(const struct settings *settings, const char *table)
{
	const char *path = strchr(table, ':') != NULL ? strchr(table, ':') + 1 : table;

	for (size_t i = 0; i < settings->list_count; i++) {
		const struct settings_list *list = &settings->lists[i];

		if ((list->aliases != NULL && strcmp(list->aliases, path) == 0) ||
		    (list->virtual != NULL && strcmp(list->virtual, path) == 0) ||
		    (list->table != NULL && strcmp(real_table(list->table), table) == 0))
			return true;
		/* a command or folder may well ask the same directory */
		if (!has_source(table) && (list->command_count > 0 || list->folder != NULL))
			return true;
	}
	return false;
}

/* The entry of `lists` that a table needs. */
static const char *
list_entry(struct check *check, const char *table, const char *kind)
{
	if (has_source(table))
		return base_arena_printf(check->arena,
		    "lists: ( { %s = \"%s\"; } ) in the settings", kind, strchr(table, ':') + 1);
	return base_arena_printf(
	    check->arena, "lists: ( { table = \"%s\"; } ) in the settings", table);
}

/* Why nobody could look into a table; NULL: somebody could. */
static const char *
unread_why(const char *table)
{
	const char *path = strchr(table, ':') + 1;

	if (strncmp(table, "nis:", 4) == 0)
		return "NIS is not asked here";
	if (strncmp(table, "static:", 7) == 0)
		return "it says the same to everything";
	return has_source(table) && access(path, F_OK) != 0
		   ? base_why("%s: %s", path, strerror(errno))
		   : NULL;
}

/* Each table of a parameter: do we count the people behind its names? */
static void
check_tables(const struct postfix *postfix, const char *parameter, const char *kind)
{
	struct check *check = postfix->check;
	char value[POSTFIX_TEXT];
	const char *list = value;
	size_t count = 0;
	char *word;

	if (!postfix_ask(postfix, parameter, value))
		return;
	while ((word = next_word(check, &list)) != NULL) {
		const char *table = real_table(word);
		const char *change, *why;

		if (strchr(table, ':') == NULL)
			continue;
		why = unread_why(table);
		if (why != NULL) {
			check_ok(
			    check, "postfix: %s = %s: not looked into: %s", parameter, table, why);
			continue;
		}
		if (is_in_lists(check->settings, table)) {
			count++;
			continue;
		}
		change = list_entry(check, table, kind);
		check_warn(check, change != NULL ? change : "lists in the settings",
		    "postfix: %s = %s, which is not in lists: a list in it counts as one person",
		    parameter, table);
	}
	if (count > 0)
		check_ok(check, "postfix: %zu %s of %s in lists", count,
		    count == 1 ? "table" : "tables", parameter);
}

/* --- domains ------------------------------------------------------------------------- */

/* Is a domain in identity.local_domains? */
static bool
is_local(const struct settings *settings, const char *domain)
{
	for (size_t i = 0; i < settings->identity.local_domain_count; i++)
		if (strcasecmp(settings->identity.local_domains[i], domain) == 0)
			return true;
	return false;
}

/* Domains whose mailboxes are here, and whose people we would not judge. Names of tables are passed
 * over, and so are those of the host itself. */
static void
check_domains(const struct postfix *postfix, const char *parameter)
{
	struct check *check = postfix->check;
	char value[POSTFIX_TEXT], host[POSTFIX_TEXT];
	const char *list = value, *change;
	char *word;

	if (!postfix_ask(postfix, parameter, value) || !postfix_ask(postfix, "myhostname", host))
		return;
	while ((word = next_word(check, &list)) != NULL) {
		if (strpbrk(word, ":/{}") != NULL || strchr(word, '.') == NULL ||
		    strncasecmp(word, "localhost", 9) == 0 || strcasecmp(word, host) == 0 ||
		    is_local(check->settings, word))
			continue;
		change = base_arena_printf(check->arena,
		    "identity: { local_domains = ( ..., \"%s\" ); } in the settings", word);
		check_warn(check, change != NULL ? change : "identity.local_domains",
		    "postfix: %s has %s, which is not in identity.local_domains: what is sent "
		    "from there is not judged",
		    parameter, word);
	}
}

/* --- what becomes of our tag ----------------------------------------------------------- */

/* Does an action of header_checks(5) leave a header as it is? */
static bool
leaves_header(const char *action)
{
	static const char *const good[] = { "DUNNO", "OK", "WARN", "INFO", "PASS", "PREPEND",
		"FILTER", "REDIRECT", "BCC" };
	size_t length = strcspn(action, " \t");

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (strlen(good[i]) == length && strncasecmp(action, good[i], length) == 0)
			return true;
	return false;
}

/* Do these checks, of main.cf or of a cleanup's own, let our tag pass? */
static void
check_header_checks(struct postfix *postfix, const char *service, const char *tables)
{
	static const char tag[] = QUEUE_TAG_NAME
	    ": id=aaaaaaaaaaaaaaaa; action=confirm; mac=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct check *check = postfix->check;
	char *word;

	while ((word = next_word(check, &tables)) != NULL) {
		char action[POSTFIX_TEXT];
		const char *why = "";
		enum base_result result =
		    probe_postmap(check->settings, word, tag, action, sizeof(action), &why);

		if (result == BASE_BROKEN)
			check_warn(check, "that table, or take it out there",
			    "postfix: %s%smilter_header_checks = %s could not be looked "
			    "into: %s",
			    service, *service != '\0' ? "/" : "", word, why);
		if (result != BASE_OK || leaves_header(action))
			continue;
		check_fault(check,
		    "take " QUEUE_TAG_NAME " out of what these checks match, with a line "
		    "/^" QUEUE_TAG_NAME ":/ DUNNO at their beginning",
		    "postfix: %s%smilter_header_checks = %s says \"%s\" to our tag: what is "
		    "held without it is found by nobody",
		    service, *service != '\0' ? "/" : "", word, action);
	}
}

static void
check_tag(struct postfix *postfix)
{
	char value[POSTFIX_TEXT];

	if (postfix_ask(postfix, "milter_header_checks", value))
		check_header_checks(postfix, "", value);
	(void)postfix_each(postfix, "-P:milter_header_checks", check_header_checks);
}

/* --- milters for some ------------------------------------------------------------------ */

/* Clients that have milters of their own. */
static void
report_maps(struct postfix *postfix, const char *service, const char *maps)
{
	if (*maps != '\0')
		check_warn(postfix->check,
		    "its entries for clients that people send from: our socket, as the last one",
		    "postfix: %s%ssmtpd_milter_maps = %s: mail of the clients in it is judged "
		    "only where its entry names us",
		    service, *service != '\0' ? "/" : "", maps);
}

static void
check_maps(struct postfix *postfix)
{
	char value[POSTFIX_TEXT];

	if (postfix_ask(postfix, "smtpd_milter_maps", value))
		report_maps(postfix, "", value);
	(void)postfix_each(postfix, "-P:smtpd_milter_maps", report_maps);
}

/* --- single values --------------------------------------------------------------------- */

/* A version of the milter protocol that has all that we ask for. */
static void
check_protocol(struct postfix *postfix, const char *service, const char *value)
{
	if (strtol(value, NULL, 10) >= 6)
		return;
	check_fault(postfix->check,
	    *service != '\0' ? "in master.cf: take out its -o milter_protocol"
			     : "in main.cf: milter_protocol = 6",
	    "postfix: %s%smilter_protocol = %s: oops-milter needs 6", service,
	    *service != '\0' ? "/" : "", value);
}

/* Can mail of every size that Postfix takes be brought back to its author? */
static void
check_size(const struct postfix *postfix)
{
	char value[POSTFIX_TEXT];
	unsigned long long limit;

	if (!postfix_ask(postfix, "message_size_limit", value))
		return;
	limit = strtoull(value, NULL, 10);
	if (limit == 0 || limit > QUEUE_MAX_READ)
		check_warn(postfix->check, "in main.cf: message_size_limit = 104857600, or less",
		    "postfix: message_size_limit = %s: a larger mail than %u MiB that is held "
		    "cannot be brought back to its author",
		    value, QUEUE_MAX_READ >> 20);
}

/* Does a queue manager keep mail beyond the longest hold? 0: it tries once, on hold or not. */
static void
check_kept(struct postfix *postfix, const char *service, const char *value)
{
	if (*service == '\0')
		check_lifetime(postfix->check, "postfix: maximal_queue_lifetime", value,
		    "in main.cf: maximal_queue_lifetime = ", "");
	else if (strncmp(service, "qmgr/", 5) == 0)
		check_lifetime(postfix->check, "postfix: qmgr/maximal_queue_lifetime", value,
		    "in master.cf, service qmgr: -o maximal_queue_lifetime=", "");
}

void
check_agree(struct postfix *postfix)
{
	char value[POSTFIX_TEXT];

	check_delimiter(postfix);
	check_tables(postfix, "virtual_alias_maps", "virtual");
	if (postfix_ask(postfix, "mydestination", value) && *value != '\0')
		check_tables(
		    postfix, "alias_maps", "aliases"); /* else nothing is delivered by them */
	check_domains(postfix, "virtual_alias_domains");
	check_domains(postfix, "virtual_mailbox_domains");
	check_domains(postfix, "mydestination");
	check_tag(postfix);
	check_maps(postfix);
	if (postfix_ask(postfix, "milter_protocol", value))
		check_protocol(postfix, "", value);
	(void)postfix_each(postfix, "-P:milter_protocol", check_protocol);
	check_size(postfix);
	if (postfix_ask(postfix, "maximal_queue_lifetime", value))
		check_kept(postfix, "", value);
	(void)postfix_each(postfix, "-P:maximal_queue_lifetime", check_kept);
}
