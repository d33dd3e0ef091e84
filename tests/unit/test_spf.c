/*
 * identity: who asks what the DNS says, how long it takes at most, what is remembered. The
 * records themselves are test_spf_suite's.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/identity/internal.h"
#include "tests/unit/zone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE_MS 20000 /* longer than anything here takes */

static const struct zone_record records[] = {
	{ "example.com", "TXT", "v=spf1 ip4:192.0.2.0/24 include:cloud.example.net -all" },
	{ "cloud.example.net", "TXT", "v=spf1 ip6:2001:db8::/32 ip4:198.51.100.7 ~all" },
	{ "example.org", "TXT", "v=spf1 exists:%{l}.users.example.org -all" },
	{ "ann.users.example.org", "A", "127.0.0.2" },
	{ "slow.example.com", "TIMEOUT", "" },
	{ "helo.example.com", "TXT", "v=spf1 exists:%{h}.clients.example.org -all" },
	{ "mx.test.clients.example.org", "A", "127.0.0.2" },
};
static struct zone zone = { records, COUNT(records) };

static struct identity_spf *spf;

static void
start(identity_dns_fn *dns, int64_t limit_ms, int64_t keep_ms)
{
	const struct identity_spf_options options = {
		.limit_ms = limit_ms, .keep_ms = keep_ms, .dns = dns, .context = &zone
	};
	const char *why = "";

	ck_assert_int_eq(identity_spf_start(&options, &spf, &why), BASE_OK);
}

static void
stop(void)
{
	identity_spf_free(&spf);
	ck_assert_ptr_null(spf);
}

static void
peer_set(struct identity_peer *peer, const char *text)
{
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		identity_peer_address(peer, (struct sockaddr *)&four);
	else if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
		identity_peer_address(peer, (struct sockaddr *)&six);
	else
		identity_peer_address(peer, NULL);
}

static const char *
ask_as(const char *client, const char *sender, const char *helo)
{
	struct identity_peer peer;
	struct identity_spf_question question = { &peer.address, helo, sender };

	peer_set(&peer, client);
	return identity_spf_result_str(identity_spf_ask(spf, &question));
}

static const char *
ask(const char *client, const char *sender)
{
	return ask_as(client, sender, "mx.test");
}

/* --- who is asked about --------------------------------------------------------------- */

static const char *domains[] = { "example.com", "example.org", "slow.example.com" };
static const struct settings site = { .identity = { .recipient_delimiter = "",
					  .local_domains = domains,
					  .local_domain_count = COUNT(domains) } };

static const struct {
	const char *client;
	const char *login;
	const char *envelope;
	const char *from;
	enum identity_proof proof;
	const char *actor;
	unsigned long checks;
} senders[] = {
	{ "192.0.2.9", "", "ann@example.com", "ann@example.com", IDENTITY_SPF, "ann@example.com",
	    1 },
	{ "198.51.100.7", "", "bounce@example.com", "ann@example.com", IDENTITY_SPF,
	    "ann@example.com", 1 },
	{ "2001:db8::7", "", "bounce@example.com", "", IDENTITY_SPF, "bounce@example.com", 1 },
	/* the pass is for the envelope's domain, and for no other one of ours */
	{ "192.0.2.9", "", "ann@example.com", "eve@example.org", IDENTITY_SPF, "ann@example.com",
	    1 },
	{ "192.0.2.9", "", "ann@example.com", "ann@stranger.example", IDENTITY_SPF,
	    "ann@example.com", 1 },
	/* anything else than a pass */
	{ "203.0.113.1", "", "ann@example.com", "ann@example.com", IDENTITY_NONE, "", 1 },
	{ "192.0.2.9", "", "ann@slow.example.com", "", IDENTITY_NONE, "", 1 },
	{ "192.0.2.9", "", "ben@example.org", "", IDENTITY_NONE, "", 1 },
	{ "", "", "ann@example.com", "ann@example.com", IDENTITY_NONE, "", 0 },
	/* libspf2 would let this one pass whatever the record says */
	{ "127.0.0.1", "", "ann@example.com", "ann@example.com", IDENTITY_NONE, "", 1 },
	{ "::1", "", "ann@example.com", "ann@example.com", IDENTITY_NONE, "", 1 },
	/* not asked: a stranger's domain, a bounce, another proof */
	{ "198.51.100.7", "", "x@cloud.example.net", "ann@example.com", IDENTITY_NONE, "", 0 },
	{ "192.0.2.9", "", "", "ann@example.com", IDENTITY_NONE, "", 0 },
	{ "192.0.2.9", "ann@example.com", "ann@example.com", "ann@example.com", IDENTITY_LOGIN,
	    "ann@example.com", 0 },
};

START_TEST(test_find)
{
	struct identity_peer peer = { .login = senders[_i].login, .helo = "mx.test" };
	struct mail_transaction transaction = { .envelope_sender = senders[_i].envelope,
		.from = senders[_i].from,
		.from_written = senders[_i].from,
		.envelope_written = senders[_i].envelope,
		.resent_from = "" };
	struct identity_sources sources = { 0 };
	struct base_arena *arena = base_arena_new(1 << 16);
	struct identity identity;

	start(zone_layer, PATIENCE_MS, 60000);
	peer_set(&peer, senders[_i].client);
	sources.spf = spf;
	identity_find(&site, &sources, arena, &peer, &transaction, &identity);
	ck_assert_str_eq(identity_proof_str(identity.proof), identity_proof_str(senders[_i].proof));
	ck_assert_str_eq(identity.actor, senders[_i].actor);
	ck_assert(identity.is_local == (senders[_i].actor[0] != '\0'));
	/* a pass proves nobody in particular: nobody is written to */
	ck_assert_str_eq(
	    identity.person, senders[_i].proof == IDENTITY_LOGIN ? senders[_i].actor : "");
	ck_assert_str_eq(identity.mailbox, identity.person);
	ck_assert_uint_eq(identity_spf_checks(spf), senders[_i].checks);
	base_arena_free(&arena);
	stop();
}
END_TEST

/* --- what is remembered --------------------------------------------------------------- */

START_TEST(test_remembers)
{
	start(zone_layer, PATIENCE_MS, 60000);
	ck_assert_str_eq(ask("192.0.2.9", "ann@example.com"), "pass");
	ck_assert_str_eq(ask("192.0.2.9", "ben@example.com"), "pass");
	ck_assert_str_eq(ask_as("192.0.2.9", "ben@example.com", "other"), "pass");
	ck_assert_uint_eq(identity_spf_checks(spf), 1);
	ck_assert_str_eq(ask("192.0.3.9", "ann@example.com"), "fail");
	ck_assert_str_eq(ask("192.0.3.9", "ann@example.com"), "fail");
	ck_assert_uint_eq(identity_spf_checks(spf), 2);
	ck_assert_str_eq(ask("192.0.2.9", "ann@slow.example.com"), "temperror");
	ck_assert_str_eq(ask("192.0.2.9", "ann@slow.example.com"), "temperror");
	ck_assert_uint_eq(identity_spf_checks(spf), 3);
	stop();
}
END_TEST

START_TEST(test_remembers_nothing)
{
	start(zone_layer, PATIENCE_MS, 0);
	ck_assert_str_eq(ask("192.0.2.9", "ann@example.com"), "pass");
	ck_assert_str_eq(ask("192.0.2.9", "ann@example.com"), "pass");
	ck_assert_uint_eq(identity_spf_checks(spf), 2);
	stop();
}
END_TEST

/* What a record says of one sender, or of one helo name, is true of no other. */
START_TEST(test_particular)
{
	int round;

	start(zone_layer, PATIENCE_MS, 60000);
	for (round = 0; round < 3; round++) {
		ck_assert_str_eq(ask("192.0.2.9", "ann@example.org"), "pass");
		ck_assert_str_eq(ask("192.0.2.9", "ben@example.org"), "fail");
		ck_assert_str_eq(ask_as("192.0.2.9", "x@helo.example.com", "mx.test"), "pass");
		ck_assert_str_eq(ask_as("192.0.2.9", "x@helo.example.com", "mx2.test"), "fail");
		ck_assert_uint_eq(identity_spf_checks(spf), 4);
	}
	stop();
}
END_TEST

/* More clients than are remembered: older ones are asked about again, nothing else. */
START_TEST(test_bounded)
{
	char client[32];
	int i;

	start(zone_layer, PATIENCE_MS, 60000);
	for (i = 0; i < 6000; i++) {
		snprintf(client, sizeof(client), "192.0.%d.%d", i / 250, i % 250 + 1);
		ck_assert_str_eq(ask(client, "ann@example.com"), i / 250 == 2 ? "pass" : "fail");
	}
	ck_assert_uint_eq(identity_spf_checks(spf), 6000);
	stop();
}
END_TEST

/* --- a DNS that does not answer ------------------------------------------------------- */

/*
 * Checks wait here, each at its very begin: a lookup may be too late to reach the DNS. Threads
 * that were here are counted until they end.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_once_t once;
	pthread_key_t thread_ends;
	bool is_open;
	int waiting;
	int threads;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.once = PTHREAD_ONCE_INIT };

static void
gate_thread_ends(void *given)
{
	(void)given;
	pthread_mutex_lock(&gate.lock);
	gate.threads--;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static void
gate_prepare(void)
{
	ck_assert_int_eq(pthread_key_create(&gate.thread_ends, gate_thread_ends), 0);
}

static void
gate_pass(void)
{
	pthread_once(&gate.once, gate_prepare);
	pthread_mutex_lock(&gate.lock);
	if (pthread_getspecific(gate.thread_ends) == NULL) {
		pthread_setspecific(gate.thread_ends, &gate);
		gate.threads++;
	}
	gate.waiting++;
	pthread_cond_broadcast(&gate.changed);
	while (!gate.is_open)
		pthread_cond_wait(&gate.changed, &gate.lock);
	gate.waiting--;
	pthread_mutex_unlock(&gate.lock);
}

static SPF_dns_rr_t *
gate_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type, int should_cache)
{
	(void)should_cache;
	return SPF_dns_rr_new_init(layer, domain, type, 0, TRY_AGAIN);
}

static void
gate_free(SPF_dns_server_t *layer)
{
	free(layer);
}

static SPF_dns_server_t *
gate_layer(void *context)
{
	SPF_dns_server_t *layer = calloc(1, sizeof(*layer));

	(void)context;
	gate_pass();
	layer->destroy = gate_free;
	layer->lookup = gate_lookup;
	layer->name = "gate";
	return layer;
}

/* Waits until so many checks do. */
static void
gate_await(int waiting)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.waiting != waiting)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

/* Lets all pass, and waits for the end of their threads: then they found nothing more to do. */
static void
gate_open(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.is_open = true;
	pthread_cond_broadcast(&gate.changed);
	while (gate.threads != 0)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

static int
gate_waiting(void)
{
	int waiting;

	pthread_mutex_lock(&gate.lock);
	waiting = gate.waiting;
	pthread_mutex_unlock(&gate.lock);
	return waiting;
}

/* Client number i, who gets no answer. */
static void
ask_in_vain(int i)
{
	char client[32];

	snprintf(client, sizeof(client), "10.%d.%d.%d", i / 62500, i / 250 % 250, i % 250 + 1);
	ck_assert_str_eq(ask(client, "ann@example.com"), "temperror");
}

/* The asker goes on although the lookup does not come back; then the owner may even end. */
START_TEST(test_time_limit)
{
	start(gate_layer, 50, 60000);
	while (gate_waiting() < 1) /* on a busy machine nobody may be in time to begin */
		ask_in_vain(0);
	ask_in_vain(0);
	ck_assert_uint_eq(identity_spf_checks(spf), 1);
	stop();
	gate_open();
}
END_TEST

static void *
ask_in_thread(void *given)
{
	(void)given;
	return (void *)ask("192.0.2.9", "ann@example.com");
}

/* Those who ask the same at the same time share one check. */
START_TEST(test_shares)
{
	pthread_t threads[20];
	void *result;
	size_t i;

	start(gate_layer, PATIENCE_MS, 60000);
	for (i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_in_thread, NULL), 0);
	gate_await(1);
	gate_open();
	for (i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &result);
		ck_assert_str_eq(result, "temperror");
	}
	ck_assert_uint_eq(identity_spf_checks(spf), 1);
	stop();
}
END_TEST

/* However many ask, so many threads wait for the DNS, and what nobody waits for is not begun. */
START_TEST(test_busy)
{
	int next, end;

	start(gate_layer, 1, 60000);
	for (next = 0; gate_waiting() < IDENTITY_SPF_WORKERS; next++)
		ask_in_vain(next);
	for (end = next + IDENTITY_SPF_MAX_JOBS + 40; next < end; next++)
		ask_in_vain(next);
	ck_assert_uint_eq(identity_spf_checks(spf), IDENTITY_SPF_WORKERS);
	gate_open();
	ck_assert_uint_eq(identity_spf_checks(spf), IDENTITY_SPF_WORKERS);
	stop();
}
END_TEST

static atomic_bool is_out_of_memory;

/* What libspf2 takes for the end of the world. */
static SPF_dns_rr_t *
no_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type, int should_cache)
{
	(void)should_cache;
	return is_out_of_memory ? NULL : SPF_dns_rr_new_init(layer, domain, type, 0, NO_DATA);
}

static SPF_dns_server_t *
no_layer(void *context)
{
	static SPF_dns_server_t layer = { .lookup = no_lookup, .name = "none" };

	(void)context;
	return &layer;
}

/* libspf2 would end the program: a thread ends, and the next check is made by another one. */
START_TEST(test_library_gives_up)
{
	start(no_layer, PATIENCE_MS, 60000);
	is_out_of_memory = true;
	ck_assert_str_eq(ask("192.0.2.9", "ann@example.com"), "temperror");
	ck_assert_str_eq(ask("192.0.2.9", "ann@example.com"), "temperror");
	is_out_of_memory = false;
	ck_assert_str_eq(ask("192.0.2.9", "ann@example.com"), "none");
	ck_assert_uint_eq(identity_spf_checks(spf), 3);
	_exit(EXIT_SUCCESS); /* before the leak checker: what a dead check held is lost */
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spf");
	TCase *tests = tcase_create("spf");
	TCase *lossy = tcase_create("gives up");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, test_find, 0, COUNT(senders));
	tcase_add_test(tests, test_remembers);
	tcase_add_test(tests, test_remembers_nothing);
	tcase_add_test(tests, test_particular);
	tcase_add_test(tests, test_bounded);
	tcase_add_test(tests, test_time_limit);
	tcase_add_test(tests, test_shares);
	tcase_add_test(tests, test_busy);
	tcase_add_exit_test(lossy, test_library_gives_up, EXIT_SUCCESS);
	suite_add_tcase(suite, tests);
	suite_add_tcase(suite, lossy);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
