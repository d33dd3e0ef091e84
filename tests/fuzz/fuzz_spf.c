/*
 * NAME
 *	fuzz_spf - any bytes as the SPF records of a DNS, through our limits into libspf2
 *
 * Built and run by tests/fuzz/run, with libFuzzer. The first line is the record of the sender's
 * domain, the second that of every other name. A seed called y_ passes, one called n_ does not.
 * Whatever libspf2 makes of it: it comes back, and what is too long for it is refused.
 *
 * FUZZ-SOURCES: milter/identity milter/settings milter/mail milter/base
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <spf2/spf.h>

#include "milter/base/clock.h"
#include "milter/identity/internal.h"
#include "tests/fuzz/fuzz.h"

#define DOMAIN "example.com"

static char records[2][8192];
static bool is_asked[2]; /* was this record handed on? */

/* Answers with the records, and with the client's own address. */
static SPF_dns_rr_t *
records_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type, int should_cache)
{
	int which = strcasecmp(domain, DOMAIN) == 0 ? 0 : 1;
	SPF_dns_rr_t *answer = SPF_dns_rr_new_init(
	    layer, domain, type, 60, type == ns_t_txt || type == ns_t_a ? NETDB_SUCCESS : NO_DATA);
	size_t size = type == ns_t_txt ? strlen(records[which]) + 1 : sizeof(struct in_addr);

	(void)should_cache;
	must(answer != NULL, "an answer fits");
	if (answer->herrno != NETDB_SUCCESS)
		return answer;
	must(SPF_dns_rr_buf_realloc(answer, 0, size) == SPF_E_SUCCESS, "a record fits");
	if (type == ns_t_txt)
		memcpy(answer->rr[0]->txt, records[which], size);
	else
		answer->rr[0]->a.s_addr = inet_addr("192.0.2.9");
	answer->num_rr = 1;
	is_asked[which] = is_asked[which] || type == ns_t_txt;
	return answer;
}

/* An identity_dns_fn. */
static SPF_dns_server_t *
records_layer(void *context)
{
	static SPF_dns_server_t layer = { .lookup = records_lookup, .name = "records" };

	(void)context;
	return &layer;
}

/* Is it one that libspf2 must never see? */
static bool
is_too_much(const char *record)
{
	size_t macros = 0;

	for (const char *p = record; *p != '\0'; p++)
		macros += *p == '%';
	return strncasecmp(record, "v=spf1", 6) == 0 &&
	       (strlen(record) > IDENTITY_SPF_MAX_TEXT || macros > IDENTITY_SPF_MAX_MACROS);
}

/* Takes the two lines apart; a record has no NUL. */
static void
records_take(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t first = end == NULL ? size : (size_t)(end - data);
	size_t second = end == NULL ? 0 : size - first - 1;

	if (first >= sizeof(records[0]))
		first = sizeof(records[0]) - 1;
	if (second >= sizeof(records[1]))
		second = sizeof(records[1]) - 1;
	memset(records, 0, sizeof(records));
	memset(is_asked, 0, sizeof(is_asked));
	memcpy(records[0], data, first);
	if (second > 0)
		memcpy(records[1], end + 1, second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_storage client = { .ss_family = AF_INET };
	const struct identity_spf_question question = {
		.client = &client, .helo = "mx.example.net", .sender = "anna@" DOMAIN
	};
	struct identity_spf_finding finding;

	inet_pton(AF_INET, "192.0.2.9", &((struct sockaddr_in *)&client)->sin_addr);
	if (size == 0)
		return 0;
	records_take(data, size);
	finding = identity_spf_check(&question, records_layer, NULL, base_tick_ms() + 5000);
	for (int i = 0; i < 2; i++)
		if (is_asked[i] && is_too_much(records[i]))
			must(finding.result == IDENTITY_SPF_PERMERROR,
			    "a record that is too long is an error");
	fuzz_expect(finding.result == IDENTITY_SPF_PASS);
	return 0;
}
