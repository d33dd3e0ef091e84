/*
 * settings: what a good file gives, and what is said of a wrong one.
 */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "milter/base/result.h"
#include "milter/settings/settings.h"

static char path[64];

/* A private file for each test. */
static void
setup(void)
{
	int fd;

	strcpy(path, "/tmp/oops-settings-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
teardown(void)
{
	unlink(path);
}

/* Writes these bytes as the whole file. */
static void
write_bytes(const char *data, size_t length)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

/* Writes `text` from line 2 on; line 1 has the required groups that the text lacks. */
static void
write_file(const char *text)
{
	static const struct {
		const char *group;
		const char *text;
	} needed[] = {
		{ "web:", "web: { base_url = \"https://oops.example.com\"; };" },
		{ "identity:", "identity: { local_domains = ( \"example.com\" ); };" },
		{ "notice:", "notice: { from = \"oops@example.com\"; };" },
	};
	char whole[8192] = "";

	for (size_t i = 0; i < 3; i++)
		if (strstr(text, needed[i].group) == NULL)
			strcat(whole, needed[i].text);
	strcat(whole, "\n");
	strcat(whole, text);
	write_bytes(whole, strlen(whole));
}

/* Loads what must be right. */
static struct settings *
load(void)
{
	struct settings *settings = NULL;
	struct settings_errors errors;
	enum base_result result = settings_load(path, &settings, &errors);

	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s:%d: %s\n", errors.items[i].file, errors.items[i].line,
		    errors.items[i].text);
	ck_assert_uint_eq(errors.count, 0);
	ck_assert_int_eq(result, BASE_OK);
	settings_errors_free(&errors);
	return settings;
}

#define DURATION "not a duration: use seconds (120) or a number with s, m, h or d (\"2m\")"
#define LISTEN                                                                                     \
	"not an address and port: use \"127.0.0.1:8025\", \"[::1]:8025\" or "                      \
	"\"0.0.0.0:8025\""
#define BASE_URL                                                                                   \
	"not the address of the pages: use \"https://HOST\" or \"http://HOST\", a port "           \
	"and a path "                                                                              \
	"if need be, and nothing behind them"
#define WEB(line) "web: { base_url = \"https://o.example.com\"; " line " };"
#define IDENTITY(line) "identity: { local_domains = ( \"example.com\" ); " line " };"
#define ENTRY                                                                                      \
	" one of address with members, address with file, aliases, virtual, folder, table, "       \
	"or command with address or domain is needed; owner goes with address, domain with "       \
	"folder or table, timeout and cache with table or command"

static const struct {
	const char *text; /* from line 2 on */
	int line;
	const char *error;
} wrong[] = {
	/* grammar */
	{ "undo: { window = \"2m\" ; \n\n", 4,
	    "syntax error here or just before: is a quote, a bracket or a semicolon "
	    "missing?" },
	{ "node = \"a\";\nnode = \"b\";", 3, "duplicate setting name" },
	{ "@include \"/nonexistent/oops.conf\"", 2, "cannot open include file" },
	{ "undo: { };\n@include \"/tmp\"\n", 3, "@include \"/tmp\": not a file: name each file" },
	/* names */
	{ "\nundo: {\n windwo = 120;\n};", 4,
	    "undo.windwo: no such key: did you mean undo.window?" },
	{ "window = 120;", 2, "window: no such key: did you mean undo.window?" },
	{ "confrim: { expires = 1; };", 2, "confrim: no such key: did you mean confirm?" },
	{ "nodes = \"a\";", 2, "nodes: no such key: did you mean node?" },
	{ "frobnicate = 1;", 2,
	    "frobnicate: no such key: oops-milter.conf(5) lists those there are" },
	{ "undo = 120;", 2, "undo = 120: not a group: use { ... }" },
	{ "node: { };", 2,
	    "node = { ... }: not a name: use up to 63 letters, digits, dots, hyphens and "
	    "underscores (\"mx1\")" },
	/* what only the site knows */
	{ "web:\n{ };", 2,
	    "web.base_url: missing, and only the site knows it: for example base_url = "
	    "\"https://oops.example.com\"" },
	{ "identity: { };", 2,
	    "identity.local_domains: missing, and only the site knows it: for example "
	    "local_domains = ( \"example.com\" )" },
	{ "notice: { };", 2,
	    "notice.from: missing, and only the site knows it: for example from = "
	    "\"oops@example.com\"" },
	{ "identity: { local_domains = ( ); };", 2,
	    "identity.local_domains: has 0 entries: from 1 to 10000 are possible" },
	/* durations */
	{ "undo: { window = \"2 days\"; };", 2, "undo.window = \"2 days\": " DURATION },
	{ "undo: { window = 1.5; };", 2, "undo.window = 1.5: " DURATION },
	{ "undo: { window = true; };", 2, "undo.window = true: " DURATION },
	{ "undo: { window = -1; };", 2, "undo.window = -1: " DURATION },
	{ "undo: { window = \"\"; };", 2, "undo.window = \"\": " DURATION },
	{ "undo: { window = ( 1 ); };", 2, "undo.window = ( ... ): " DURATION },
	{ "undo: { window = 0; };", 2, "undo.window = 0: out of range: from 1s to 7d is possible" },
	{ "confirm: { expires = \"31d\"; };", 2,
	    "confirm.expires = \"31d\": out of range: from 1s to 30d is possible" },
	{ "notice: { from = \"o@example.com\";\nlink_expires = 59; };", 3,
	    "notice.link_expires = 59: out of range: from 1m to 365d is possible" },
	/* rules */
	{ "policy: ( { match: { hours = \"9:00-17:00\"; }; } );", 2,
	    "policy[1].match.hours = \"9:00-17:00\": not hours: use \"HH:MM-HH:MM\", such "
	    "as \"22:00-06:00\"" },
	{ "policy: ( { match: { hours = \"09:00-09:00\"; }; } );", 2,
	    "policy[1].match.hours = \"09:00-09:00\": not hours: use \"HH:MM-HH:MM\", such "
	    "as \"22:00-06:00\"" },
	{ "policy: ( { match: { hours = \"09:00-24:01\"; }; } );", 2,
	    "policy[1].match.hours = \"09:00-24:01\": not hours: use \"HH:MM-HH:MM\", such "
	    "as \"22:00-06:00\"" },
	{ "policy: ( { match: { network = \"10.0.0.1/8\"; }; } );", 2,
	    "policy[1].match.network = \"10.0.0.1/8\": has bits set beyond its prefix: did "
	    "you mean \"10.0.0.0/8\"?" },
	{ "policy: ( { match: { login = \"a b\"; }; } );", 2,
	    "policy[1].match.login = \"a b\": not a login: use one as your mail server "
	    "knows it, in quotes" },
	{ "policy: ( { match: { reach = \"abroad\"; }; } );", 2,
	    "policy[1].match.reach = \"abroad\": not possible here: use \"any\" or "
	    "\"inside\" or \"outside\"" },
	{ "policy: ( { match: { reason = \"Large audience\"; }; } );", 2,
	    "policy[1].match.reason = \"Large audience\": not a reason: use the name of a "
	    "signal (\"never_written_share\")" },
	{ "policy: ( { match: { people_min = 0; }; } );", 2,
	    "policy[1].match.people_min = 0: out of range: from 1 to 10000000 people are "
	    "possible" },
	{ "policy: ( { match: { people_min = 5; people_max = 4; }; } );", 2,
	    "policy[1].match: people_max is less than people_min: nothing would fit" },
	{ "policy: ( { match: { recipients = \"a@b.example\"; }; } );", 2,
	    "policy[1].match.recipients: no such key: did you mean "
	    "policy[1].match.recipient?" },
	{ "judge: { quantile = 1.5; };", 2,
	    "judge.quantile = 1.5: out of range: from 0.5 to 1 is possible" },
	{ "judge: { learning_sends = \"5\"; };", 2,
	    "judge.learning_sends = \"5\": not a number: use a whole number without quotes "
	    "(10)" },
	/* words */
	{ "confirm: { on_expiry = \"delete\"; };", 2,
	    "confirm.on_expiry = \"delete\": not possible here: use \"return\" or "
	    "\"send\"" },
	{ "undo: { after_grace = \"send\"; };", 2,
	    "undo.after_grace = \"send\": not possible here: use \"return\" or "
	    "\"delete\"" },
	{ "undo: { after_grace = true; };", 2,
	    "undo.after_grace = true: not a word: use one in quotes" },
	{ "store: { driver = \"postgresql\"; };", 2,
	    "store.driver = \"postgresql\": this version does not have PostgreSQL yet: use "
	    "\"sqlite\"" },
	{ "store: { driver = \"mysql\"; };", 2,
	    "store.driver = \"mysql\": not possible here: use \"sqlite\"" },
	{ "mta: { kind = \"exim\"; };", 2,
	    "mta.kind = \"exim\": not possible here: use \"postfix\" or \"sendmail\"" },
	{ "mta: { sendmail_program = \"sendmail\"; };", 2,
	    "mta.sendmail_program = \"sendmail\": not a path: use an absolute one in "
	    "quotes "
	    "(\"/var/lib/...\")" },
	/* paths, sockets, users */
	{ "state_directory = \"lib\";", 2,
	    "state_directory = \"lib\": not a path: use an absolute one in quotes "
	    "(\"/var/lib/...\")" },
	{ "judge: { scorecard = 5; };", 2,
	    "judge.scorecard = 5: not a path: use an absolute one in quotes "
	    "(\"/etc/...\"), or "
	    "\"\" for none" },
	{ "mta: { queue_socket = \"/"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaa\"; };",
	    2,
	    "mta.queue_socket = \"/"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaa"
	    "aaaaaaaaaaa\": too long: a socket's path has at most 107 bytes, this one has "
	    "113" },
	{ "milter: { socket = \"/run/x\"; };", 2,
	    "milter.socket = \"/run/x\": not a socket: use \"unix:/path\", "
	    "\"inet:PORT@HOST\" or "
	    "\"inet6:PORT@HOST\"" },
	{ "milter: { socket = \"inet:70000@localhost\"; };", 2,
	    "milter.socket = \"inet:70000@localhost\": not a socket: the form is "
	    "\"inet:PORT@HOST\" with a port from 1 to 65535 (\"inet:8892@127.0.0.1\")" },
	{ "milter: { socket_mode = 660; };", 2,
	    "milter.socket_mode = 660: not a file mode: use three octal digits in quotes "
	    "(\"0660\")" },
	{ "milter: { socket_mode = \"0880\"; };", 2,
	    "milter.socket_mode = \"0880\": not a file mode: use three octal digits in "
	    "quotes "
	    "(\"0660\")" },
	{ "mta: { queue_user = \"\"; };", 2,
	    "mta.queue_user = \"\": not a user: use a user's name or number in quotes "
	    "(\"oops-milter\")" },
	{ "user = \"-1\";", 2,
	    "user = \"-1\": not a user: use a user's name or number in quotes "
	    "(\"oops-milter\")" },
	{ "web: { group = \"a b\"; base_url = \"https://oops.example.com\"; };", 2,
	    "web.group = \"a b\": not a group: use a group's name or number in quotes "
	    "(\"oops-milter\"), or \"\" for the user's own" },
	/* pages */
	{ WEB("listen = \"localhost:8025\";"), 2, "web.listen = \"localhost:8025\": " LISTEN },
	{ WEB("listen = \"127.0.0.1\";"), 2, "web.listen = \"127.0.0.1\": " LISTEN },
	{ WEB("listen = 8025;"), 2, "web.listen = 8025: " LISTEN },
	{ WEB("listen = \"127.0.0.1:0\";"), 2,
	    "web.listen = \"127.0.0.1:0\": not an address and port: the port is a number "
	    "from 1 "
	    "to 65535" },
	{ WEB("listen = \"::1:8025\";"), 2,
	    "web.listen = \"::1:8025\": not an address and port: an IPv6 address needs "
	    "brackets "
	    "(\"[::1]:8025\")" },
	{ "web: { base_url = \"oops.example.com\"; };", 2,
	    "web.base_url = \"oops.example.com\": " BASE_URL },
	{ "web: { base_url = \"https://\"; };", 2, "web.base_url = \"https://\": " BASE_URL },
	{ "web: { base_url = \"https://a/?x\"; };", 2,
	    "web.base_url = \"https://a/?x\": " BASE_URL },
	{ "web: { base_url = \"javascript:alert(1)\"; };", 2,
	    "web.base_url = \"javascript:alert(1)\": " BASE_URL },
	/* identity */
	{ "identity: { local_domains = ( \"a.example\",\n\"@b.example\" ); };", 3,
	    "identity.local_domains = \"@b.example\": not a list of domains: use ( "
	    "\"example.com\", \"example.org\" )" },
	{ "identity: { local_domains = ( \"a.example\",\n\"b\xE2\x98\x83.example\" ); };", 3,
	    "identity.local_domains = \"b\xE2\x98\x83.example\": the domain has no form "
	    "that the DNS knows" },
	{ "policy: ( { match: {\nsender = \"a@b\xE2\x98\x83.example\"; }; } );", 3,
	    "policy[1].match.sender = \"a@b\xE2\x98\x83.example\": the domain has no form "
	    "that the DNS knows" },
	{ IDENTITY("trusted_networks = ( \"10.1.2.3/8\" );"), 2,
	    "identity.trusted_networks = \"10.1.2.3/8\": has bits set beyond its prefix: "
	    "did you "
	    "mean \"10.0.0.0/8\"?" },
	{ IDENTITY("trusted_networks = ( \"10.0.0.0/33\" );"), 2,
	    "identity.trusted_networks = \"10.0.0.0/33\": not a network: the prefix is a "
	    "number "
	    "from 0 to 32" },
	{ IDENTITY("trusted_networks = ( \"mx.example.com\" );"), 2,
	    "identity.trusted_networks = \"mx.example.com\": not a network: use an address "
	    "and a "
	    "prefix, \"10.0.0.0/8\" or \"2001:db8::/32\"" },
	{ IDENTITY("spf = \"yes\";"), 2,
	    "identity.spf = \"yes\": not true or false: use one of the two, without "
	    "quotes" },
	/* notice */
	{ "notice: { from = \"Oops <oops@example.com>\"; };", 2,
	    "notice.from = \"Oops <oops@example.com>\": not an address: use one without a "
	    "name "
	    "(\"oops@example.com\")" },
	{ "notice: { from = \"o@example.com\"; smtp = \"127.0.0.1:25\"; };", 2,
	    "notice.smtp = \"127.0.0.1:25\": not an SMTP server: use \"smtp://HOST:PORT\" "
	    "or "
	    "\"smtps://HOST:PORT\"" },
	{ "notice: { from = \"o@example.com\"; language = \"English\"; };", 2,
	    "notice.language = \"English\": not a language: use a code such as \"en\"" },
	{ "notice: { from = \"o@example.com\"; template = \"letter\"; };", 2,
	    "notice.template = \"letter\": not a path: use an absolute one in quotes "
	    "(\"/etc/...\"), or \"\" for none" },
	/* lists */
	{ "lists: { };", 2, "lists = { ... }: not a list of groups: use ( { ... }, { ... } )" },
	{ "lists: ( \"a@example.com\" );", 2, "lists[1]: not a group: each entry is { ... }" },
	{ "lists: ( { address = \"a@example.com\"; } );", 2, "lists[1]:" ENTRY },
	{ "lists: ( { aliases = \"/etc/aliases\"; },\n{ aliases = \"/x\"; members = 4; } "
	  ");",
	    3, "lists[2]:" ENTRY },
	{ "lists: ( { owner = \"a@example.com\"; aliases = \"/x\"; } );", 2, "lists[1]:" ENTRY },
	{ "lists: ( { domain = \"a.example\"; virtual = \"/x\"; } );", 2, "lists[1]:" ENTRY },
	{ "lists: ( { file = \"/x\"; } );", 2, "lists[1]:" ENTRY },
	{ "lists: ( { command = ( \"/x\" ); } );", 2, "lists[1]:" ENTRY },
	{ "lists: ( { file = \"/x\"; address = \"a@example.com\"; cache = \"1h\"; } );", 2,
	    "lists[1]:" ENTRY },
	{ "lists: ( { command = ( \"x\", \"y\" ); domain = \"a.example\"; } );", 2,
	    "lists[1]: command begins with the absolute path of a program, up to 50 words "
	    "in all: ( \"/usr/local/bin/list-size\", \"--people\" )" },
	{ "lists: ( { table = \"/etc/postfix/virtual\"; } );", 2,
	    "lists[1].table = \"/etc/postfix/virtual\": not a table of Postfix: use its "
	    "type "
	    "and path (\"hash:/etc/postfix/virtual\")" },
	{ "lists: ( { table = \"hash:/x\"; timeout = 30; } );", 2,
	    "lists[1].timeout = 30: out of range: from 1s to 20s is possible" },
	{ "lists: ( { address = \"a@example.com\"; members = 4; },\n"
	  "{ address = \"A@Example.COM\"; members = 5; } );",
	    3, "lists[2]: a@example.com is in lists[1] already" },
	{ "lists: ( { address = \"a@b\xC3\xBC.example\"; members = 4; },\n"
	  "{ address = \"a@xn--b-eha.example\"; members = 5; } );",
	    3, "lists[2]: a@xn--b-eha.example is in lists[1] already" },
	{ "lists: ( { address = \"a+b@example.com\"; members = 4; },\n"
	  "{ address = \"a+c@example.com\"; members = 5; } );\n" IDENTITY(
	      "recipient_delimiter = \"+\";"),
	    3,
	    "lists[2]: a@example.com is in lists[1] already, what is behind "
	    "identity.recipient_delimiter left out" },
	{ IDENTITY("recipient_delimiter = \"-\";") "policy: (\n"
						   "{ match: { sender = "
						   "\"a-b@example.com\"; }; },\n"
						   "{ match: { sender = \"a@example.com\"; "
						   "}; } );",
	    4,
	    "policy[2]: never reached: \"rule 1\" on line 3 fits its senders first; put "
	    "this one before it" },
	{ "lists: ( { address = \"a@example.com\"; members = 0; } );", 2,
	    "lists[1].members = 0: out of range: from 1 to 10000000 people are possible" },
	{ "lists: ( { address = \"a@example.com\"; members = \"many\"; } );", 2,
	    "lists[1].members = \"many\": not a number of people: use a whole number "
	    "without "
	    "quotes (2100)" },
	{ "lists: ( { adress = \"a@example.com\"; address = \"b@example.com\"; members = "
	  "4; } );",
	    2, "lists[1].adress: no such key: did you mean lists[1].address?" },
	/* policy */
	{ "policy: ( { threshold = 1.5; } );", 2,
	    "policy[1].threshold = 1.5: out of range: from 0 to 1 is possible" },
	{ "policy: ( { threshold = \"0.9\"; } );", 2,
	    "policy[1].threshold = \"0.9\": not a number: use one such as 0.9, without "
	    "quotes" },
	{ "policy: ( { action = \"hold\"; } );", 2,
	    "policy[1].action = \"hold\": not possible here: use \"pass\" or \"tag\" or "
	    "\"undo\" "
	    "or \"confirm\"" },
	{ "policy: ( { match: { sender = \"example.com\"; }; } );", 2,
	    "policy[1].match.sender = \"example.com\": not an address: use "
	    "\"user@example.com\" or "
	    "\"@example.com\"; leave it out for everybody" },
	{ "policy: ( { match = \"@example.com\"; } );", 2,
	    "policy[1].match = \"@example.com\": not a group: use { ... }" },
	{ "policy: ( { sender = \"@example.com\"; } );", 2,
	    "policy[1].sender: no such key: did you mean policy[1].match.sender?" },
	{ "policy: ( { },\n{ action = \"tag\"; } );", 3,
	    "policy[2]: never reached: \"rule 1\" on line 2 fits its senders first; put "
	    "this one "
	    "before it" },
	{ "policy: ( { name = \"staff\"; match: { sender = \"@example.com\"; }; },\n"
	  "{ match: { sender = \"Boss@example.com\"; }; } );",
	    3,
	    "policy[2]: never reached: \"staff\" on line 2 fits its senders first; put "
	    "this one "
	    "before it" },
};

/* Each wrong file has one error, on its line, in these words. */
START_TEST(test_wrong)
{
	struct settings *settings = NULL;
	struct settings_errors errors;

	write_file(wrong[_i].text);
	ck_assert_int_eq(settings_load(path, &settings, &errors), BASE_REFUSE);
	ck_assert_ptr_null(settings);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.items[0].text, wrong[_i].error);
	ck_assert_int_eq(errors.items[0].line, wrong[_i].line);
	ck_assert_str_eq(errors.items[0].file, path);
	settings_errors_free(&errors);
}
END_TEST

/* All errors at once, in the order of the lines. */
START_TEST(test_all_errors)
{
	static const char text[] = "policy: ( { threshold = 7; } );\n"
				   "undo: { window = \"soon\"; };\n"
				   "web: { listen = 1; };\n"
				   "nonsense: { a = 1; };\n";
	static const int lines[] = { 1, 2, 3, 3, 4, 0, 0 };
	struct settings *settings = NULL;
	struct settings_errors errors;

	write_bytes(text, strlen(text));
	ck_assert_int_eq(settings_load(path, &settings, &errors), BASE_REFUSE);
	ck_assert_uint_eq(errors.count, 7);
	for (size_t i = 0; i < 7; i++)
		ck_assert_int_eq(errors.items[i].line, lines[i]);
	settings_errors_free(&errors);
}
END_TEST

/* Errors have a maximum as well. */
START_TEST(test_many_errors)
{
	static char text[60000];
	struct settings *settings = NULL;
	struct settings_errors errors;

	for (int i = 0; i < 1000; i++)
		sprintf(text + strlen(text), "unknown-key-%d = 1;\n", i);
	write_bytes(text, strlen(text));
	ck_assert_int_eq(settings_load(path, &settings, &errors), BASE_REFUSE);
	ck_assert_uint_eq(errors.count, 200);
	ck_assert_str_eq(errors.items[199].text, "and more errors, which are not shown");
	settings_errors_free(&errors);
}
END_TEST

/* What is no file at all. */
START_TEST(test_unreadable)
{
	static const char *const paths[] = { "/nonexistent/oops.conf", "/tmp" };
	struct settings *settings = NULL;
	struct settings_errors errors;

	ck_assert_int_ne(settings_load(paths[_i], &settings, &errors), BASE_OK);
	ck_assert_ptr_null(settings);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.items[0].file, paths[_i]);
	ck_assert_int_eq(errors.items[0].line, 0);
	settings_errors_free(&errors);
}
END_TEST

/* Bytes that are no text. */
START_TEST(test_nul)
{
	struct settings *settings = NULL;
	struct settings_errors errors;

	write_bytes("\nnode = \"a\0\";", 14);
	ck_assert_int_eq(settings_load(path, &settings, &errors), BASE_REFUSE);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_int_eq(errors.items[0].line, 2);
	ck_assert_str_eq(errors.items[0].text, "a NUL byte: this is not a text file");
	settings_errors_free(&errors);
}
END_TEST

/* An error in an included file names that file. */
START_TEST(test_include)
{
	char included[80], text[200];
	struct settings *settings = NULL;
	struct settings_errors errors;
	FILE *file;

	snprintf(included, sizeof(included), "%s.inc", path);
	file = fopen(included, "w");
	ck_assert_ptr_nonnull(file);
	fputs("\n\nnode = 5;\n", file);
	ck_assert_int_eq(fclose(file), 0);
	snprintf(text, sizeof(text), "@include \"%s\"\n", included);
	write_file(text);
	ck_assert_int_eq(settings_load(path, &settings, &errors), BASE_REFUSE);
	unlink(included);
	ck_assert_uint_eq(errors.count, 1);
	ck_assert_str_eq(errors.items[0].file, included);
	ck_assert_int_eq(errors.items[0].line, 3);
	settings_errors_free(&errors);
}
END_TEST

/* A file with every usual key, as an admin would write it. */
START_TEST(test_whole)
{
	struct settings *s;

	write_file(
	    "node = \"mx1\";\n"
	    "state_directory = \"/var/lib/oops-milter\";\n"
	    "key_file = \"/etc/oops-milter/secret.key\"; # made by: oopsctl init\n"
	    "milter: { socket = \"unix:/run/oops-milter/milter.sock\"; };\n"
	    "mta: { kind = \"postfix\"; config_directory = \"/etc/postfix\";\n"
	    "  queue_socket = \"/run/oops-milter/queue.sock\"; };\n"
	    "store: { driver = \"sqlite\"; };\n"
	    "web: { listen = \"127.0.0.1:8025\"; base_url = \"https://oops.example.com\"; "
	    "};\n"
	    "identity: { local_domains = ( \"Example.com\" );\n"
	    "  trusted_networks = ( \"127.0.0.0/8\", \"::1/128\" ); spf = false; };\n"
	    "lists: ( { address = \"All-\xC3\x89quipe@example.com\"; members = 2100; },\n"
	    "  { aliases = \"/etc/aliases\"; }, { folder = \"/lists\"; domain = "
	    "\"A.example\"; },\n"
	    "  { virtual = \"/virtual\"; },\n"
	    "  { address = \"c@example.com\"; file = \"/c\"; owner = \"Olga@example.com\"; "
	    "} );\n"
	    "judge: { scorecard = \"/etc/oops-milter/scorecard.conf\"; };\n"
	    "undo: { window = 120; };\n"
	    "confirm: { expires = \"3d\"; on_expiry = \"return\"; };\n"
	    "notice: { smtp = \"smtp://127.0.0.1:25\"; from = \"oops@example.com\"; };\n"
	    "policy: ( { match: { sender = ( \"@Example.com\", \"JOSE\xCC\x81@example.com\", "
	    "\"A@b_c.example\" );\n"
	    "  recipient = \"JOS\xC3\x89@B\xC3\x9C"
	    "CHER.example\"; };\n"
	    "  action = \"confirm\"; threshold = 0.9; } );\n");
	s = load();
	ck_assert_str_eq(s->path, path);
	ck_assert_str_eq(s->node, "mx1");
	ck_assert_str_eq(s->web.listen_host, "127.0.0.1");
	ck_assert_uint_eq(s->web.listen_port, 8025);
	ck_assert_uint_eq(s->identity.local_domain_count, 1);
	ck_assert_str_eq(s->identity.local_domains[0], "example.com");
	ck_assert_uint_eq(s->identity.trusted_network_count, 2);
	ck_assert_int_eq(s->identity.trusted_networks[1].family, AF_INET6);
	ck_assert_uint_eq(s->identity.trusted_networks[1].prefix, 128);
	ck_assert(!s->identity.spf);
	ck_assert_uint_eq(s->list_count, 5);
	ck_assert_str_eq(s->lists[0].address, "all-\xC3\xA9quipe@example.com");
	ck_assert_uint_eq(s->lists[0].members, 2100);
	ck_assert_ptr_null(s->lists[0].aliases);
	ck_assert_ptr_null(s->lists[1].address);
	ck_assert_str_eq(s->lists[1].aliases, "/etc/aliases");
	ck_assert_str_eq(s->lists[2].folder, "/lists");
	ck_assert_uint_eq(s->lists[2].domain_count, 1);
	ck_assert_str_eq(s->lists[2].domains[0], "a.example");
	ck_assert_str_eq(s->lists[3].virtual, "/virtual");
	ck_assert_str_eq(s->lists[4].file, "/c");
	ck_assert_str_eq(s->lists[4].owner, "olga@example.com");
	ck_assert_str_eq(s->judge.scorecard, "/etc/oops-milter/scorecard.conf");
	ck_assert_uint_eq(s->policy_count, 2);
	ck_assert_str_eq(s->policies[0].name, "rule 1");
	ck_assert_uint_eq(s->policies[0].match.sender_count, 3);
	ck_assert_str_eq(s->policies[0].match.senders[0], "@example.com");
	ck_assert_str_eq(s->policies[0].match.senders[1], "jos\xC3\xA9@example.com");
	ck_assert_str_eq(s->policies[0].match.senders[2], "a@b_c.example");
	ck_assert_str_eq(s->policies[0].match.recipients[0], "jos\xC3\xA9@xn--bcher-kva.example");
	ck_assert_int_eq(s->policies[0].line, 20);
	ck_assert_str_eq(s->policies[1].name, "built-in");
	settings_free(&s);
	ck_assert_ptr_null(s);
}
END_TEST

/* What a file gets that says only what the site knows. */
static void
check_defaults(const struct settings *s)
{
	ck_assert_str_eq(s->node, "main");
	ck_assert_str_eq(s->state_directory, "/var/lib/oops-milter");
	ck_assert_str_eq(s->key_file, "/etc/oops-milter/secret.key");
	ck_assert_str_eq(s->user, "oops-milter");
	ck_assert_str_eq(s->group, "");
	ck_assert_str_eq(s->web.user, "oops-web");
	ck_assert_str_eq(s->web.group, "");
	ck_assert_str_eq(s->milter.socket, "unix:/run/oops-milter/milter.sock");
	ck_assert_uint_eq(s->milter.socket_mode, 0660);
	ck_assert_str_eq(s->mta.kind, "postfix");
	ck_assert_str_eq(s->mta.config_directory, "/etc/postfix");
	ck_assert_str_eq(s->mta.command_directory, "/usr/sbin");
	ck_assert_str_eq(s->mta.sendmail_program, "/usr/sbin/sendmail");
	ck_assert_str_eq(s->mta.sendmail_config, "/etc/mail/sendmail.cf");
	ck_assert_str_eq(s->mta.queue_socket, "/run/oops-milter/queue.sock");
	ck_assert_str_eq(s->mta.queue_user, "oops-milter");
	ck_assert_str_eq(s->store.driver, "sqlite");
	ck_assert_ptr_null(s->store.dsn);
	ck_assert_str_eq(s->web.listen_host, "127.0.0.1");
	ck_assert_uint_eq(s->web.listen_port, 8025);
	ck_assert_str_eq(s->web.base_url, "https://oops.example.com");
	ck_assert_str_eq(s->identity.local_domains[0], "example.com");
	ck_assert_uint_eq(s->identity.local_domain_count, 1);
	ck_assert_uint_eq(s->identity.trusted_network_count, 2);
	ck_assert_int_eq(s->identity.trusted_networks[0].family, AF_INET);
	ck_assert_uint_eq(s->identity.trusted_networks[0].address[0], 127);
	ck_assert_uint_eq(s->identity.trusted_networks[0].prefix, 8);
	ck_assert_ptr_null(s->identity.logins);
	ck_assert_ptr_null(s->identity.login_domain);
	ck_assert(!s->identity.envelope_is_checked);
	ck_assert_uint_eq(s->identity.delegate_count, 0);
	ck_assert(!s->identity.spf);
	ck_assert_int_eq(s->identity.spf_timeout, 5);
	ck_assert_int_eq(s->identity.spf_cache, 300);
	ck_assert_uint_eq(s->list_count, 0);
	ck_assert_ptr_null(s->judge.scorecard);
	ck_assert_int_eq(s->undo.window, 120);
	ck_assert_int_eq(s->undo.grace, 3600);
	ck_assert_int_eq(s->undo.then, MAIL_END_RETURN);
	ck_assert_int_eq(s->confirm.expires, 3 * 86400);
	ck_assert_int_eq(s->confirm.on_expiry, MAIL_END_RETURN);
	ck_assert_str_eq(s->notice.smtp, "smtp://127.0.0.1:25");
	ck_assert_str_eq(s->notice.from, "oops@example.com");
	ck_assert_str_eq(s->notice.language, "en");
	ck_assert_int_eq(s->notice.link_expires, 30 * 86400);
	ck_assert_uint_eq(s->policy_count, 1);
	ck_assert_str_eq(s->policies[0].name, "built-in");
	ck_assert_uint_eq(s->policies[0].match.sender_count, 0);
	ck_assert_int_eq(s->policies[0].action, SETTINGS_CONFIRM);
	ck_assert_double_eq(s->policies[0].threshold, 0.9);
	ck_assert_double_eq(s->policies[0].tag_threshold, 0.5);
	ck_assert_int_eq(s->policies[0].on_error, SETTINGS_ERROR_ACCEPT);
	ck_assert_int_eq(s->policies[0].window, 120);
	ck_assert_int_eq(s->policies[0].expires, 3 * 86400);
	ck_assert_int_eq(s->policies[0].on_expiry, MAIL_END_RETURN);
	ck_assert_int_eq(s->policies[0].line, 0);
}

START_TEST(test_defaults)
{
	struct settings *s;

	write_file("");
	s = load();
	check_defaults(s);
	settings_free(&s);
	s = settings_defaults();
	ck_assert_ptr_nonnull(s);
	ck_assert_str_eq(s->path, "(defaults)");
	check_defaults(s);
	settings_free(&s);
}
END_TEST

/* Values that are written in more than one way, and rules that inherit. */
START_TEST(test_values)
{
	struct settings *s;

	write_file("web: { listen = \"[::1]:80\"; base_url = \"http://[::1]:80/oops//\"; };\n"
		   "milter: { socket = \"inet6:8892@::1\"; socket_mode = \"600\"; };\n"
		   "undo: { window = \"5m\"; grace = 0; after_grace = \"delete\"; };\n"
		   "confirm: { expires = 5L; on_expiry = \"send\"; };\n"
		   "identity: { local_domains = \"a.example\";\n"
		   " trusted_networks = [ \"::ffff:10.0.0.0/104\", \"192.0.2.1\" ]; };\n"
		   "judge: { scorecard = \"\"; }; lists = ();\n"
		   "policy: (\n"
		   " { name = \"board\"; match: { sender = \"Boss@a.example\"; }; threshold = 1;\n"
		   "   action = \"undo\"; window = 7; on_error = \"tempfail\"; tag_threshold = 2; "
		   "},\n"
		   " { match: { sender = \"@b.example\"; }; action = \"pass\";"
		   "   budget: { sender_day = 1; }; language = \"de\"; template = \"/t\"; "
		   "   learning_sends = 7; } "
		   ");\n");
	s = load();
	ck_assert_str_eq(s->web.listen_host, "::1");
	ck_assert_uint_eq(s->web.listen_port, 80);
	ck_assert_str_eq(s->web.base_url, "http://[::1]:80/oops");
	ck_assert_uint_eq(s->milter.socket_mode, 0600);
	ck_assert_int_eq(s->undo.grace, 0);
	ck_assert_int_eq(s->undo.then, MAIL_END_DELETE);
	ck_assert_str_eq(s->identity.local_domains[0], "a.example");
	ck_assert_int_eq(s->identity.trusted_networks[0].family, AF_INET);
	ck_assert_uint_eq(s->identity.trusted_networks[0].prefix, 8);
	ck_assert_uint_eq(s->identity.trusted_networks[0].address[0], 10);
	ck_assert_uint_eq(s->identity.trusted_networks[1].prefix, 32);
	ck_assert_ptr_null(s->judge.scorecard);
	ck_assert_str_eq(s->policies[0].name, "board");
	ck_assert_int_eq(s->policies[0].action, SETTINGS_UNDO);
	ck_assert_double_eq(s->policies[0].threshold, 1);
	ck_assert_int_eq(s->policies[0].window, 7);
	ck_assert_int_eq(s->policies[0].on_error, SETTINGS_ERROR_TEMPFAIL);
	ck_assert_int_eq(s->policies[0].expires, 5);
	ck_assert_int_eq(s->policies[1].window, 300);
	ck_assert_int_eq(s->policies[1].on_expiry, MAIL_END_SEND);
	ck_assert_double_gt(s->policies[1].tag_threshold, 1);
	ck_assert_int_eq(s->policies[2].window, 300);
	ck_assert_uint_eq(s->policies[1].budget.sender_day, 1);
	ck_assert_uint_eq(s->policies[1].budget.site_thousand, 10);
	ck_assert_uint_eq(s->policies[2].budget.sender_day, 3);
	ck_assert_str_eq(s->policies[1].language, "de");
	ck_assert_str_eq(s->policies[2].language, "en");
	ck_assert_str_eq(s->policies[1].template, "/t");
	ck_assert_ptr_null(s->policies[2].template);
	ck_assert_uint_eq(s->policies[1].learning.sends, 7);
	ck_assert_uint_eq(s->policies[2].learning.sends, 2);
	settings_free(&s);
}
END_TEST

#define UMLAUT "b\303\274cher.example"
#define ASCII "xn--bcher-kva.example"

/* Domains as people read them are those that mail names. */
START_TEST(test_international)
{
	struct settings *s;

	write_file("identity: { local_domains = ( \"B\303\234CHER.example\", \"A_b.example\" ); "
		   "};\n"
		   "notice: { from = \"Oops@" UMLAUT "\"; };\n"
		   "storm: { owner = \"Office@" UMLAUT "\"; };\n"
		   "lists: ( { address = \"All@" UMLAUT "\"; owner = \"o@" UMLAUT "\"; },\n"
		   " { folder = \"/x\"; domain = \"" UMLAUT "\"; } );\n"
		   "policy: ( { match: { sender = ( \"@" UMLAUT "\", \"M\xC3\xBC@" UMLAUT "\" );\n"
		   " recipient = \"Ann@XN--bcher-kva.EXAMPLE\"; }; } );\n");
	s = load();
	ck_assert_str_eq(s->identity.local_domains[0], ASCII);
	ck_assert_str_eq(s->identity.local_domains[1], "a_b.example");
	ck_assert_str_eq(s->notice.from, "oops@" ASCII);
	ck_assert_str_eq(s->storm.owner, "office@" ASCII);
	ck_assert_str_eq(s->lists[0].address, "all@" ASCII);
	ck_assert_str_eq(s->lists[0].owner, "o@" ASCII);
	ck_assert_str_eq(s->lists[1].domains[0], ASCII);
	ck_assert_str_eq(s->policies[0].match.senders[0], "@" ASCII);
	ck_assert_str_eq(s->policies[0].match.senders[1], "m\xC3\xBC@" ASCII);
	ck_assert_str_eq(s->policies[0].match.recipients[0], "ann@" ASCII);
	settings_free(&s);
}
END_TEST

/* What mail is compared with has no extension, wherever the delimiter stands in the file. */
/* An account may have a hyphen in its name where a hyphen begins an extension. */
START_TEST(test_accounts)
{
	struct settings *s;

	write_file(IDENTITY("recipient_delimiter = \"+-\"; delegates = ( "
			    "{ address = \"info-x@example.com\";"
			    " persons = ( \"Anna-Maria+x@example.com\", \"@example.com\" ); } );"));
	s = load();
	ck_assert_str_eq(s->identity.delegates[0].addresses[0], "info@example.com");
	ck_assert_str_eq(s->identity.delegates[0].persons[0], "anna-maria@example.com");
	ck_assert_str_eq(s->identity.delegates[0].persons[1], "@example.com");
	settings_free(&s);
}
END_TEST

START_TEST(test_extensions)
{
	struct settings *s;

	write_file("storm: { owner = \"Office+Storm@example.com\"; };\n"
		   "lists: ( { address = \"Team+All@example.com\"; members = 9;"
		   " owner = \"office+lists@example.com\"; } );\n"
		   "policy: ( { match: { sender = ( \"news+weekly@example.com\","
		   " \"@example.com\" );"
		   " recipient = \"list+x+y@example.com\"; }; } );\n"
		   "notice: { from = \"oops+letters@example.com\"; };\n" IDENTITY(
		       "recipient_delimiter = \"+\";"));
	s = load();
	ck_assert_str_eq(s->policies[0].match.senders[0], "news@example.com");
	ck_assert_str_eq(s->policies[0].match.senders[1], "@example.com");
	ck_assert_str_eq(s->policies[0].match.recipients[0], "list@example.com");
	ck_assert_str_eq(s->lists[0].address, "team@example.com");
	/* whom we write to, and as whom, stays whole */
	ck_assert_str_eq(s->lists[0].owner, "office+lists@example.com");
	ck_assert_str_eq(s->storm.owner, "office+storm@example.com");
	ck_assert_str_eq(s->notice.from, "oops+letters@example.com");
	settings_free(&s);
}
END_TEST

static const struct {
	const char *text;
	int64_t seconds; /* -1: refused */
} durations[] = {
	{ "0", 0 },
	{ "90", 90 },
	{ "120s", 120 },
	{ "5m", 300 },
	{ "2h", 7200 },
	{ "3d", 259200 },
	{ "3653d", INT64_C(3653) * 86400 },
	{ "3654d", -1 },
	{ "99999999999999999999", -1 },
	{ "", -1 },
	{ "d", -1 },
	{ "-1", -1 },
	{ "+1", -1 },
	{ " 1", -1 },
	{ "1 d", -1 },
	{ "1dd", -1 },
	{ "1w", -1 },
	{ "1.5h", -1 },
};

START_TEST(test_duration)
{
	int64_t seconds = -1;
	enum base_result result = settings_duration_parse(durations[_i].text, &seconds);

	ck_assert_int_eq(result, durations[_i].seconds == -1 ? BASE_REFUSE : BASE_OK);
	ck_assert_int_eq(seconds, durations[_i].seconds);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	Suite *suite = suite_create("settings");
	TCase *tests = tcase_create("settings");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_wrong, 0, COUNT(wrong));
	tcase_add_test(tests, test_all_errors);
	tcase_add_test(tests, test_many_errors);
	tcase_add_loop_test(tests, test_unreadable, 0, 2);
	tcase_add_test(tests, test_nul);
	tcase_add_test(tests, test_include);
	tcase_add_test(tests, test_whole);
	tcase_add_test(tests, test_defaults);
	tcase_add_test(tests, test_values);
	tcase_add_test(tests, test_international);
	tcase_add_test(tests, test_extensions);
	tcase_add_test(tests, test_accounts);
	tcase_add_loop_test(tests, test_duration, 0, COUNT(durations));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
