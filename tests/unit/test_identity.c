/*
 * identity: what proves that one of the site's own people sends, and who that is.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "milter/identity/identity.h"

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
	    .trusted_networks = networks,
	    .trusted_network_count = 3 },
};

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
	{ "", "203.0.113.1", false, "ann@example.com", "ann@example.com", IDENTITY_NONE,
	    "" },
	{ "", "", false, "ann@example.com", "ann@example.com", IDENTITY_NONE, "" },
	{ "", "/", false, "ann@example.com", "ann@example.com", IDENTITY_NONE, "" },
	{ "", "", true, "ann@example.com", "ann@example.com", IDENTITY_LOCAL,
	    "ann@example.com" },
	{ "ann", "127.0.0.1", true, "ann@example.com", "ann@example.com", IDENTITY_LOGIN,
	    "ann@example.com" },
	/* networks, their edges, mapped addresses */
	{ "", "127.255.255.255", false, "a@example.com", "", IDENTITY_NETWORK,
	    "a@example.com" },
	{ "", "128.0.0.0", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "192.0.2.64", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "192.0.2.95", false, "a@example.com", "", IDENTITY_NETWORK, "a@example.com" },
	{ "", "192.0.2.96", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "192.0.2.63", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "::ffff:192.0.2.70", false, "a@example.com", "", IDENTITY_NETWORK,
	    "a@example.com" },
	{ "", "::ffff:192.0.2.1", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "2001:db8:0:ffff::1", false, "a@example.com", "", IDENTITY_NETWORK,
	    "a@example.com" },
	{ "", "2001:db8:1::1", false, "a@example.com", "", IDENTITY_NETWORK,
	    "a@example.com" },
	{ "", "2001:db8:2::1", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "::1", false, "a@example.com", "", IDENTITY_NONE, "" },
	{ "", "7f00::1", false, "a@example.com", "", IDENTITY_NONE, "" },
	/* the actor */
	{ "ann", "", false, "bounce@example.net", "ann@example.org", IDENTITY_LOGIN,
	    "ann@example.org" },
	{ "ann", "", false, "ann@example.com", "info@example.org", IDENTITY_LOGIN,
	    "info@example.org" },
	{ "ann", "", false, "ann@example.com", "ann@gmail.example", IDENTITY_LOGIN,
	    "ann@example.com" },
	{ "ann", "", false, "ann@example.net", "ann@gmail.example", IDENTITY_LOGIN, "" },
	{ "ann", "", false, "ann@sub.example.com", "ann@notexample.com", IDENTITY_LOGIN,
	    "" },
	{ "ann", "", false, "ann", "", IDENTITY_LOGIN, "" },
	{ "ann", "", false, "", "ann@example.com", IDENTITY_LOGIN, "" },
};

START_TEST(test_find)
{
	struct identity_peer peer = { .login = cases[_i].login,
		.is_local_submission = cases[_i].is_local_submission };
	struct mail_transaction transaction = { .envelope_sender = cases[_i].envelope,
		.from = cases[_i].from,
		.envelope_written = "written in the envelope",
		.from_written = "written in From" };
	struct base_arena *arena = base_arena_new(1 << 16);
	struct identity identity;

	peer_set(&peer, cases[_i].address);
	identity_find(&site, NULL, arena, &peer, &transaction, &identity);
	ck_assert_str_eq(
	    identity_proof_str(identity.proof), identity_proof_str(cases[_i].proof));
	ck_assert_str_eq(identity.actor, cases[_i].actor);
	ck_assert(identity.is_local == (cases[_i].actor[0] != '\0'));
	ck_assert_str_eq(identity_own_account(&identity),
	    identity.is_local && strcmp(identity.actor, identity.person) != 0
		? identity.person
		: "");
	if (!identity.is_local)
		ck_assert_str_eq(identity.person, "");
	if (!identity.is_local)
		ck_assert_str_eq(identity.mailbox, "");
	else if (strcmp(identity.person, cases[_i].from) == 0)
		ck_assert_str_eq(identity.mailbox, "written in From");
	else if (strcmp(identity.person, cases[_i].envelope) == 0)
		ck_assert_str_eq(identity.mailbox, "written in the envelope");
	else
		ck_assert_str_eq(identity.mailbox, identity.person);
	base_arena_free(&arena);
}
END_TEST

/* Who is proved, and as whom that is sent when From names somebody else. */
static const struct {
	const char *login;
	const char *envelope;
	const char *from;
	const char *person;
	const char *sent_as;
} persons[] = {
	{ "ann", "ann@example.com", "ann@example.com", "ann@example.com", "" },
	{ "ann@example.com", "ann@example.com", "ann@example.com", "ann@example.com", "" },
	{ "Ann@EXAMPLE.com", "x@example.net", "ann@example.com", "ann@example.com", "" },
	{ "ann", "info@example.com", "info@example.com", "ann@example.com", "From" },
	{ "ANN", "info@example.org", "info@example.org", "ann@example.org", "From" },
	{ "ann@example.com", "info@example.org", "info@example.org", "ann@example.com", "From" },
	/* the login counts, whatever the envelope says */
	{ "ann", "ben@example.com", "info@example.com", "ann@example.com", "From" },
	/* no address of ours */
	{ "ann@example.net", "info@example.com", "info@example.com", "info@example.com", "" },
	{ "EXAMPLE\\ann", "info@example.com", "info@example.com", "info@example.com", "" },
	{ "a b", "info@example.com", "info@example.com", "info@example.com", "" },
	{ "@", "info@example.com", "info@example.com", "info@example.com", "" },
	/* no login: the envelope sender */
	{ "", "ann@example.com", "info@example.com", "ann@example.com", "From" },
	{ "", "info@example.com", "info@example.com", "info@example.com", "" },
	{ "", "bounce@example.net", "info@example.com", "info@example.com", "" },
	{ "", "ann@example.com", "ann@stranger.example", "ann@example.com", "From" },
	/* nobody of ours sends */
	{ "ann", "x@example.net", "y@example.net", "", "" },
};

START_TEST(test_person)
{
	struct identity_peer peer = { .login = persons[_i].login };
	struct mail_transaction transaction = { .envelope_sender = persons[_i].envelope,
		.from = persons[_i].from,
		.envelope_written = "envelope",
		.from_written = "From" };
	struct base_arena *arena = base_arena_new(1 << 16);
	struct identity identity;

	peer_set(&peer, "127.0.0.1");
	identity_find(&site, NULL, arena, &peer, &transaction, &identity);
	ck_assert_str_eq(identity.person, persons[_i].person);
	ck_assert_str_eq(identity.sent_as, persons[_i].sent_as);
	base_arena_free(&arena);
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
		.from = "" };
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

	tcase_add_loop_test(tests, test_find, 0, COUNT(cases));
	tcase_add_loop_test(tests, test_person, 0, COUNT(persons));
	tcase_add_test(tests, test_everybody);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
