/*
 * identity: what proves that one of the site's own people sends, and who that is.
 */
#include <arpa/inet.h>
#include <check.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/identity/identity.h"
#include "milter/mail/mail.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static const char *domains[] = { "example.com", "example.org" };
static struct settings_network networks[] = {
	{ .family = AF_INET, .address = { 127 }, .prefix = 8 },
	{ .family = AF_INET, .address = { 192, 0, 2, 64 }, .prefix = 27 },
	{ .family = AF_INET6, .address = { 0x20, 0x01, 0x0d, 0xb8, 0, 1 }, .prefix = 47 },
};
static const struct settings site = {
	.identity = { .recipient_delimiter = "",
	    .local_domains = domains,
	    .local_domain_count = 2,
	    .login_domain = "example.com",
	    .trusted_networks = networks,
	    .trusted_network_count = 3 },
};

static const char *machines[] = { "nagios@example.com", "@cron.example.com", "svc-backup" };
static const char *machine_domains[] = { "example.com", "cron.example.com" };
static const struct settings machine_site = {
	.identity = { .recipient_delimiter = "",
	    .local_domains = machine_domains,
	    .local_domain_count = 2,
	    .login_domain = "example.com",
	    .machines = machines,
	    .machine_count = 3 },
};

static const struct {
	const char *login; /* "" by the sendmail command */
	const char *envelope, *from;
	bool is_machine;
} accounts[] = {
	{ "", "nagios@example.com", "nagios@example.com", true },
	{ "nagios", "nagios@example.com", "nagios@example.com", true },
	{ "", "root@cron.example.com", "root@cron.example.com", true },
	{ "SVC-Backup", "ann@example.com", "ann@example.com", true },
	{ "", "ann@example.com", "ann@example.com", false },
	/* what a mail says in From, or a login says in its envelope, is no proof */
	{ "ann", "nagios@example.com", "nagios@example.com", false },
	{ "", "ann@example.com", "nagios@example.com", false },
	{ "svc", "ann@example.com", "ann@example.com", false },
	/* nobody of ours */
	{ "", "nagios@example.net", "nagios@example.net", false },
};

START_TEST(machines_are_known_by_their_proof)
{
	struct base_arena *arena = base_arena_new(1 << 20);
	struct mail_transaction *mail = mail_transaction_new(arena, 1);
	struct identity_peer peer = { .login = accounts[_i].login,
		.is_local_submission = accounts[_i].login[0] == '\0' };
	struct identity identity;

	mail_transaction_sender(arena, mail, accounts[_i].envelope);
	mail_transaction_field(arena, mail, "From", accounts[_i].from);
	identity_find(&machine_site, NULL, arena, &peer, mail, &identity);
	ck_assert_int_eq(identity.is_machine, accounts[_i].is_machine);
	base_arena_free(&arena);
}
END_TEST

/* An address as libmilter gives it: "" for none, "/..." for a unix socket. */
static void
peer_set(struct identity_peer *peer, const char *text)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(25) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(25) };
	struct sockaddr_un local = { .sun_family = AF_UNIX };

	if (text[0] == '\0')
		identity_peer_address(peer, NULL);
	else if (text[0] == '/')
		identity_peer_address(peer, (struct sockaddr *)&local);
	else if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		identity_peer_address(peer, (struct sockaddr *)&four);
	else if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
		identity_peer_address(peer, (struct sockaddr *)&six);
	else
		ck_abort_msg("no address: %s", text);
}

static const struct {
	const char *login;
	const char *address;
	bool is_local_submission;
	const char *envelope;
	const char *from;
	enum identity_proof proof;
	const char *actor;
} cases[] = {
	/* proofs */
	{ "ann", "203.0.113.1", false, "ann@example.com", "ann@example.com", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "ann", "", false, "ann@example.com", "ann@example.com", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "", "203.0.113.1", false, "ann@example.com", "ann@example.com", IDENTITY_NONE, "" },
	{ "", "", false, "ann@example.com", "ann@example.com", IDENTITY_NONE, "" },
	{ "", "/", false, "ann@example.com", "ann@example.com", IDENTITY_NONE, "" },
	{ "", "", true, "ann@example.com", "ann@example.com", IDENTITY_LOCAL, "ann@example.com" },
	{ "ann", "127.0.0.1", true, "ann@example.com", "ann@example.com", IDENTITY_LOGIN,
	    "ann@example.com" },
	/* networks, their edges, mapped addresses */
	{ "", "127.255.255.255", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "128.0.0.0", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "192.0.2.64", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "192.0.2.95", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "192.0.2.96", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "192.0.2.63", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "::ffff:192.0.2.70", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "::ffff:192.0.2.1", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "2001:db8:0:ffff::1", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "2001:db8:1::1", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "2001:db8:2::1", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "::1", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "7f00::1", false, "a@example.com", "", IDENTITY_NONE, "" },
	/* the actor */
	{ "ann", "", false, "bounce@example.net", "ann@example.org", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "ann", "", false, "ann@example.com", "info@example.org", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "ann", "", false, "ann@example.com", "ann@gmail.example", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "ann", "", false, "ann@example.net", "ann@gmail.example", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "ann", "", false, "ann@sub.example.com", "ann@notexample.com", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "ann", "", false, "ann", "", IDENTITY_LOGIN, "ann@example.com" },
	{ "", "127.0.0.1", false, "ann@example.com", "info@example.org", IDENTITY_NETWORK,
	    "info@example.org" },
	{ "", "127.0.0.1", false, "ann@example.net", "ann@gmail.example", IDENTITY_NETWORK, "" },
	{ "ann", "", false, "", "ann@example.com", IDENTITY_LOGIN, "" },
};

/* An address in capital letters from a place on. */
static const char *
capitals(struct base_arena *arena, const char *address, size_t from)
{
	char *text = base_arena_strdup(arena, address);

	for (size_t i = from; i < strlen(text); i++)
		text[i] = (char)toupper(text[i]);
	return text;
}

START_TEST(test_find)
{
	struct identity_peer peer = { .login = cases[_i].login,
		.is_local_submission = cases[_i].is_local_submission };
	struct mail_transaction transaction = {
		.envelope_sender = cases[_i].envelope, .from = cases[_i].from, .resent_from = ""
	};
	struct base_arena *arena = base_arena_new(1 << 16);
	struct identity identity;

	transaction.envelope_written = capitals(arena, cases[_i].envelope, 0);
	transaction.from_written = capitals(arena, cases[_i].from, 1);
	peer_set(&peer, cases[_i].address);
	identity_find(&site, NULL, arena, &peer, &transaction, &identity);
	ck_assert_str_eq(identity_proof_str(identity.proof), identity_proof_str(cases[_i].proof));
	ck_assert_str_eq(identity.actor, cases[_i].actor);
	ck_assert(identity.is_local == (cases[_i].actor[0] != '\0'));
	ck_assert_str_eq(identity_own_account(&identity),
	    identity.is_local && strcmp(identity.actor, identity.person) != 0 ? identity.person
									      : "");
	if (!identity.is_local)
		ck_assert_str_eq(identity.person, "");
	if (!identity.is_local)
		ck_assert_str_eq(identity.mailbox, "");
	else if (strcmp(identity.person, cases[_i].from) == 0)
		ck_assert_str_eq(identity.mailbox, transaction.from_written);
	else if (strcmp(identity.person, cases[_i].envelope) == 0)
		ck_assert_str_eq(identity.mailbox, transaction.envelope_written);
	else
		ck_assert_str_eq(identity.mailbox, identity.person);
	base_arena_free(&arena);
}
END_TEST

/* Who may send as whom, in the tests below. */
static const char *shared[] = { "info@example.com", "office@example.org" };
static const char *team[] = { "ann@example.com", "@example.org" };
static const char *box[] = { "box@example.com" };
static const char *opaque[] = { "U-77/ann" };
static struct settings_delegate delegates[] = {
	{ .addresses = shared, .address_count = 2, .persons = team, .person_count = 2 },
	{ .addresses = box,
	    .address_count = 1,
	    .persons = team,
	    .person_count = 2,
	    .logins = opaque,
	    .login_count = 1,
	    .letters_to = SETTINGS_LETTERS_MAILBOX },
};
static const char logins_text[] = "# who is who\n"
				  "\n"
				  "DOM\\anna\tAnna.Muster@example.com\n"
				  "dora  dora@example.com, d@example.com\n"
				  "	dora.neu@example.org\n"
				  "partner x@outside.example\n"
				  "trick  victim%outside.example@example.com\n";

/* What a send names; whose it is taken for. */
static const struct person_case {
	const char *login;
	const char *envelope;
	const char *resent;
	const char *from;
	const char *actor;
	const char *person;
	const char *mailbox; /* "envelope", "From", "Resent": as that one is written */
	const char *sent_as; /* likewise */
} persons[] = {
	/* one's own */
	{ "ann", "ann@example.com", "", "ann@example.com", "ann@example.com", "ann@example.com",
	    "From", "" },
	{ "ann@example.com", "ann@example.com", "", "ann@example.com", "ann@example.com",
	    "ann@example.com", "From", "" },
	{ "Ann@EXAMPLE.com", "x@example.net", "", "ann@example.com", "ann@example.com",
	    "ann@example.com", "From", "" },
	{ "ANN", "x@example.net", "", "ann@example.com", "ann@example.com", "ann@example.com",
	    "From", "" },
	/* her name in another domain of ours is another person's */
	{ "ann", "x@example.net", "", "ann@example.org", "ann@example.com", "ann@example.com",
	    "ann@example.com", "From" },
	{ "ann", "ann@example.org", "", "ann@strange.example", "ann@example.com", "ann@example.com",
	    "ann@example.com", "From" },
	/* somebody else's, who may be nobody: never believed, never written to */
	{ "ann", "ann@example.com", "", "boss@example.com", "ann@example.com", "ann@example.com",
	    "envelope", "From" },
	{ "ann", "noreply@example.com", "", "noreply@example.com", "ann@example.com",
	    "ann@example.com", "ann@example.com", "From" },
	{ "ann", "boss@example.com", "", "boss@example.com", "ann@example.com", "ann@example.com",
	    "ann@example.com", "From" },
	/* strangers' in both places: a send of the login's all the same */
	{ "ann", "x@strange.example", "", "y@strange.example", "ann@example.com", "ann@example.com",
	    "ann@example.com", "From" },
	{ "ann", "x@strange.example", "", "", "ann@example.com", "ann@example.com",
	    "ann@example.com", "" },
	{ "ann", "", "", "ann@example.com", "", "", "", "" },
	/* a bounce by hand: who resends is the author */
	{ "ann", "ann@example.com", "ann@example.com", "dora@example.com", "ann@example.com",
	    "ann@example.com", "Resent", "" },
	{ "ann", "ann@example.com", "boss@example.com", "ann@example.com", "ann@example.com",
	    "ann@example.com", "envelope", "Resent" },
	{ "", "dora@example.com", "ann@example.com", "dora@example.com", "ann@example.com",
	    "ann@example.com", "Resent", "" },
	/* a shared mailbox */
	{ "ann", "info@example.com", "", "info@example.com", "info@example.com", "ann@example.com",
	    "ann@example.com", "From" },
	{ "kim@example.org", "kim@example.org", "", "info@example.com", "info@example.com",
	    "kim@example.org", "envelope", "From" },
	{ "ben", "info@example.com", "", "info@example.com", "ben@example.com", "ben@example.com",
	    "ben@example.com", "From" },
	{ "ann", "box@example.com", "", "box@example.com", "box@example.com", "ann@example.com",
	    "From", "From" },
	{ "u-77/ANN", "x@example.net", "", "box@example.com", "box@example.com",
	    "u-77/ann@example.com", "From", "From" },
	/* by the file */
	{ "dom\\Anna", "anna.muster@example.com", "", "anna.muster@example.com",
	    "anna.muster@example.com", "anna.muster@example.com", "Anna.Muster@example.com", "" },
	{ "dora", "d@example.com", "", "d@example.com", "d@example.com", "dora@example.com",
	    "dora@example.com", "From" },
	{ "dora", "d@example.com", "", "dora.neu@example.org", "dora.neu@example.org",
	    "dora@example.com", "dora@example.com", "From" },
	{ "dora", "d@example.com", "", "ann@example.com", "dora@example.com", "dora@example.com",
	    "dora@example.com", "From" },
	/* nobody of ours, or nobody at all: somebody of the site sends */
	{ "partner", "ann@example.com", "", "ann@example.com", "ann@example.com", "", "", "From" },
	{ "trick", "ann@example.com", "", "ann@example.com", "ann@example.com", "", "", "From" },
	{ "ann@example.net", "info@example.com", "", "info@example.com", "info@example.com", "", "",
	    "From" },
	{ "EXAMPLE\\ann", "info@example.com", "", "info@example.com", "info@example.com", "", "",
	    "From" },
	{ "a b", "ann@example.com", "", "ann@example.com", "ann@example.com", "", "", "From" },
	{ "@", "x@example.net", "", "y@example.net", "", "", "", "" },
	/* routes, programs and files are nobody's */
	{ "victim%outside.example", "v@x.example", "", "v@x.example", "", "", "", "" },
	{ "outside.example!victim", "v@x.example", "", "v@x.example", "", "", "", "" },
	{ "\"victim@outside.example\"@example.com", "v@x.example", "", "v@x.example", "", "", "",
	    "" },
	{ "victim%outside.example@example.com", "v@x.example", "", "v@x.example", "", "", "", "" },
	{ "|cmd", "v@x.example", "", "v@x.example", "", "", "", "" },
	{ "/etc/passwd", "v@x.example", "", "v@x.example", "", "", "", "" },
	{ "ann", "ann@example.com", "", "victim%outside.example@example.com", "ann@example.com",
	    "ann@example.com", "envelope", "From" },
	{ "", "victim%outside.example@example.com", "", "outside.example!v@example.com", "", "", "",
	    "" },
	{ "", "ann@example.com", "", "\"victim@outside.example\"@example.com", "ann@example.com",
	    "ann@example.com", "envelope", "From" },
	/* no login: the envelope sender */
	{ "", "ann@example.com", "", "info@example.com", "info@example.com", "ann@example.com",
	    "envelope", "From" },
	{ "", "ann@example.com", "", "box@example.com", "box@example.com", "ann@example.com",
	    "From", "From" },
	{ "", "info@example.com", "", "info@example.com", "info@example.com", "info@example.com",
	    "From", "" },
	{ "", "bounce@example.net", "", "info@example.com", "info@example.com", "info@example.com",
	    "From", "" },
	{ "", "ann@example.com", "", "ann@stranger.example", "ann@example.com", "ann@example.com",
	    "envelope", "From" },
	{ "", "x@example.net", "x@example.net", "ann@example.com", "", "", "", "" },
};

/* The settings of the persons above, with the file of logins in place. */
static struct settings
persons_site(char path[32])
{
	struct settings settings = site;
	int fd;

	strcpy(path, "/tmp/loginsXXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, logins_text, strlen(logins_text)), strlen(logins_text));
	close(fd);
	settings.identity.logins = path;
	settings.identity.delegates = delegates;
	settings.identity.delegate_count = COUNT(delegates);
	return settings;
}

/* How one of the send's addresses is written: each field has its own way. */
static const char *
written(struct base_arena *arena, const struct person_case *send, const char *field)
{
	if (strcmp(field, "envelope") == 0)
		return capitals(arena, send->envelope, 0);
	if (strcmp(field, "From") == 0)
		return capitals(arena, send->from, 1);
	if (strcmp(field, "Resent") == 0)
		return capitals(arena, send->resent, 2);
	return field;
}

/* What is found of one send. */
static struct identity
person_find(const struct settings *settings, const struct identity_sources *sources,
    struct base_arena *arena, const struct person_case *send)
{
	struct identity_peer peer = { .login = send->login };
	struct mail_transaction transaction = { .envelope_sender = send->envelope,
		.from = send->from,
		.envelope_written = written(arena, send, "envelope"),
		.from_written = written(arena, send, "From"),
		.resent_from = send->resent,
		.resent_written = written(arena, send, "Resent") };
	struct identity identity;

	peer_set(&peer, "127.0.0.1");
	identity_find(settings, sources, arena, &peer, &transaction, &identity);
	return identity;
}

START_TEST(test_person)
{
	char path[32];
	struct settings settings = persons_site(path);
	struct base_arena *arena = base_arena_new(1 << 16);
	struct identity_sources sources = { 0 };
	struct identity identity;
	const char *why = "";

	ck_assert_msg(identity_sources_open(&settings, NULL, &sources, &why) == BASE_OK, "%s", why);
	unlink(path);
	identity = person_find(&settings, &sources, arena, &persons[_i]);
	ck_assert_str_eq(identity.actor, persons[_i].actor);
	ck_assert_str_eq(identity.person, persons[_i].person);
	ck_assert_str_eq(identity.mailbox, written(arena, &persons[_i], persons[_i].mailbox));
	ck_assert_str_eq(identity.sent_as, written(arena, &persons[_i], persons[_i].sent_as));
	ck_assert(identity.is_local == (identity.actor[0] != '\0'));
	base_arena_free(&arena);
	identity_sources_close(&sources);
}
END_TEST

/* With '-' as a delimiter anna-maria is no part of anna, whatever her mail names. */
START_TEST(test_login_is_whole)
{
	static const struct {
		const char *login, *envelope, *from, *person, *mailbox;
		bool is_checked;
	} logins[] = {
		{ "anna-maria", "x@strange.example", "anna-maria@example.com",
		    "anna-maria@example.com", "anna-maria@example.com", false },
		{ "anna-maria", "x@strange.example", "anna-maria@example.org",
		    "anna-maria@example.com", "anna-maria@example.com", false },
		{ "anna-maria@example.com", "anna@example.com", "anna@example.com",
		    "anna-maria@example.com", "anna-maria@example.com", false },
		{ "anna", "anna-maria@example.com", "Anna-Maria@example.com", "anna@example.com",
		    "anna@example.com", false },
		{ "anna", "x@strange.example", "Anna@example.com", "anna@example.com",
		    "Anna@example.com", false },
		{ "anna+news", "x@strange.example", "x@strange.example", "anna@example.com",
		    "anna@example.com", false },
		{ "77", "anna-maria@example.com", "anna@example.com", "anna-maria@example.com",
		    "anna-maria@example.com", true },
		{ "", "anna-maria@example.com", "anna@example.com", "anna@example.com",
		    "anna-maria@example.com", false },
		{ "", "x@strange.example", "Anna-maria@example.com", "anna@example.com",
		    "Anna-maria@example.com", false },
		{ "", "anna+b@example.com", "Anna@example.com", "anna@example.com",
		    "Anna@example.com", false },
		{ "", "anna@example.com", "anna-maria@example.com", "anna@example.com",
		    "anna@example.com", false },
		/* who may send as anna chooses nobody else to be written to */
		{ "bob", "x@strange.example", "anna-maria@example.com", "bob@example.com",
		    "anna@example.com", false },
		{ "kim@else.example", "x@strange.example", "anna-maria@example.com",
		    "anna@example.com", "anna@example.com", false },
		{ "am", "x@strange.example", "anna@example.com", "anna-maria@example.com",
		    "anna-maria@example.com", false },
	};
	static const char *anna[] = { "anna@example.com" },
			  *others[] = { "bob", "kim@else.example" };
	struct settings_delegate for_anna = { .addresses = anna,
		.address_count = 1,
		.logins = others,
		.login_count = 2,
		.letters_to = SETTINGS_LETTERS_MAILBOX };
	char path[] = "/tmp/loginsXXXXXX";
	const char line[] = "am anna-maria@example.com\n", *why = "";
	struct identity_sources sources = { 0 };
	struct settings settings = site;
	int fd = mkstemp(path);

	ck_assert_int_eq(write(fd, line, strlen(line)), strlen(line));
	close(fd);
	settings.identity.logins = path;
	settings.identity.recipient_delimiter = "+-";
	settings.identity.delegates = &for_anna;
	settings.identity.delegate_count = 1;
	ck_assert(identity_sources_open(&settings, NULL, &sources, &why) == BASE_OK);
	unlink(path);
	for (size_t i = 0; i < COUNT(logins); i++) {
		struct base_arena *arena = base_arena_new(1 << 16);
		struct mail_transaction *transaction = mail_transaction_new(arena, 0);
		struct identity_peer peer = { .login = logins[i].login };
		struct identity identity;

		settings.identity.envelope_is_checked = logins[i].is_checked;
		peer_set(&peer, "127.0.0.1");
		mail_transaction_sender(arena, transaction, logins[i].envelope);
		mail_transaction_field(arena, transaction, "From", logins[i].from);
		mail_transaction_strip_extensions(arena, transaction, "+-");
		identity_find(&settings, &sources, arena, &peer, transaction, &identity);
		ck_assert_str_eq(identity.person, logins[i].person);
		ck_assert_str_eq(identity.mailbox, logins[i].mailbox);
		base_arena_free(&arena);
	}
	identity_sources_close(&sources);
}
END_TEST

/* Settings that say more of a login. */
START_TEST(test_login_settings)
{
	const struct person_case opaque_login = { .login = "u4711",
		.envelope = "ann@example.org",
		.resent = "",
		.from = "ann@example.org" };
	struct settings settings = site;
	struct base_arena *arena = base_arena_new(1 << 16);
	struct identity identity = person_find(&settings, NULL, arena, &opaque_login);

	ck_assert_str_eq(identity.person, "u4711@example.com");
	ck_assert_str_eq(identity.actor, "u4711@example.com");
	settings.identity.login_domain = "example.org";
	identity = person_find(&settings, NULL, arena, &opaque_login);
	ck_assert_str_eq(identity.person, "u4711@example.org");
	settings.identity.envelope_is_checked = true;
	identity = person_find(&settings, NULL, arena, &opaque_login);
	ck_assert_str_eq(identity.person, "ann@example.org");
	ck_assert_str_eq(identity.actor, "ann@example.org");
	/* of several domains nobody named one: it proves nobody, and nobody is written to */
	settings.identity.envelope_is_checked = false;
	settings.identity.login_domain = NULL;
	identity = person_find(&settings, NULL, arena, &opaque_login);
	ck_assert_str_eq(identity.person, "");
	ck_assert_str_eq(identity.mailbox, "");
	ck_assert_str_eq(identity.actor, "ann@example.org");
	settings.identity.local_domain_count = 1;
	identity = person_find(&settings, NULL, arena, &opaque_login);
	ck_assert_str_eq(identity.person, "u4711@example.com");
	base_arena_free(&arena);
}
END_TEST

/* Files of logins that are wrong. */
static const struct {
	const char *text;
	const char *why; /* a part of it */
} bad_logins[] = {
	{ "anna\n", ":1: the form is: LOGIN ADDRESS" },
	{ " anna@example.com\n", ":1: the form is: LOGIN ADDRESS" },
	{ "# x\nanna anna\n", ":2: no address: anna" },
	{ "anna <anna@example.com>\n", ":1: no address" },
	{ "anna a@example.com\nben b@example.com\nAnna c@example.com\n",
	    ":3: the login Anna is on line 1 already" },
	{ "anna a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,"
	  "a@a,a@a",
	    ":1: more than 20 addresses" },
};

START_TEST(test_bad_logins)
{
	char path[] = "/tmp/loginsXXXXXX";
	struct settings settings = site;
	struct identity_logins *logins = NULL;
	int fd = mkstemp(path);
	const char *why = "", *text = bad_logins[_i].text;

	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	settings.identity.logins = path;
	ck_assert_int_eq(identity_logins_load(&settings, &logins, &why), BASE_REFUSE);
	ck_assert_msg(strstr(why, bad_logins[_i].why) != NULL, "%s", why);
	ck_assert_ptr_null(logins);
	unlink(path);
}
END_TEST

/* A file that was not written to its end: what is behind the NUL bytes may have been anybody. */
START_TEST(test_logins_with_nul_bytes)
{
	static const char text[] = "anna anna@example.com\n\0ben ben@example.com\n";
	char path[] = "/tmp/loginsXXXXXX";
	struct settings settings = site;
	struct identity_logins *logins = NULL;
	int fd = mkstemp(path);
	const char *why = "";

	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	settings.identity.logins = path;
	ck_assert_int_eq(identity_logins_load(&settings, &logins, &why), BASE_REFUSE);
	ck_assert_msg(strstr(why, "NUL byte") != NULL, "%s", why);
	ck_assert_ptr_null(logins);
	unlink(path);
}
END_TEST

/* A pipe that nobody writes to, or nothing at all, is told at once. */
START_TEST(test_no_regular_file)
{
	char folder[] = "/tmp/loginsXXXXXX", path[64];
	struct settings settings = site;
	struct identity_logins *logins = NULL;
	const char *why = "";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pipe", folder);
	settings.identity.logins = path;
	ck_assert_int_eq(identity_logins_load(&settings, &logins, &why), BASE_BROKEN);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(identity_logins_load(&settings, &logins, &why), BASE_BROKEN);
	ck_assert_ptr_nonnull(strstr(why, "not a regular file"));
	unlink(path);
	rmdir(folder);
}
END_TEST

/* A network of prefix 0 takes everybody of its own family only. */
START_TEST(test_everybody)
{
	struct settings_network everybody = { .family = AF_INET };
	struct settings open = { .identity = { .recipient_delimiter = "",
				     .local_domains = domains,
				     .local_domain_count = 2,
				     .trusted_networks = &everybody,
				     .trusted_network_count = 1 } };
	struct identity_peer peer = { .login = NULL };
	struct mail_transaction transaction = { .envelope_sender = "a@example.com",
		.envelope_written = "",
		.from = "",
		.from_written = "",
		.resent_from = "" };
	struct base_arena *arena = base_arena_new(1 << 16);
	struct identity identity;

	peer_set(&peer, "203.0.113.1");
	identity_find(&open, NULL, arena, &peer, &transaction, &identity);
	ck_assert_int_eq(identity.proof, IDENTITY_NETWORK);
	peer_set(&peer, "2001:db8::1");
	identity_find(&open, NULL, arena, &peer, &transaction, &identity);
	ck_assert_int_eq(identity.proof, IDENTITY_NONE);
	base_arena_free(&arena);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("identity");
	TCase *tests = tcase_create("identity");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, machines_are_known_by_their_proof, 0, COUNT(accounts));
	tcase_add_loop_test(tests, test_find, 0, COUNT(cases));
	tcase_add_loop_test(tests, test_person, 0, COUNT(persons));
	tcase_add_test(tests, test_login_is_whole);
	tcase_add_test(tests, test_login_settings);
	tcase_add_loop_test(tests, test_bad_logins, 0, COUNT(bad_logins));
	tcase_add_test(tests, test_logins_with_nul_bytes);
	tcase_add_test(tests, test_no_regular_file);
	tcase_add_test(tests, test_everybody);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
