/* spf_check - one check by libspf2, with our limits around it; see internal.h */
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/identity/internal.h"

#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <spf2/spf.h>
#include <spf2/spf_dns_resolv.h>

#include "milter/mail/mail.h"

#define MAX_DOMAIN 253 /* characters, RFC 7208 4.3 and RFC 1035 2.3.4 */
#define MAX_LABEL 63

/*
 * Our layer lies above the one that answers. It ends a check that takes too long or asks too
 * much, counts what RFC 7208 4.6.4 wants counted and libspf2 does not, and hands on nothing
 * that libspf2 was not written for.
 */
struct guard {
	SPF_dns_server_t layer;
	SPF_dns_server_t *below;
	int64_t deadline;
	unsigned lookups;
	unsigned terms;   /* of those that look something up */
	unsigned granted; /* lookups that belong to the last one */
	unsigned voids;   /* answers without a record */
	bool is_refused;  /* permerror, whatever libspf2 makes of it */
	bool is_particular;
};

const char *
identity_spf_result_str(enum identity_spf_result result)
{
	static const char *const words[] = { "none", "neutral", "pass", "fail", "softfail",
		"temperror", "permerror" };

	return (size_t)result < sizeof(words) / sizeof(words[0]) ? words[result] : "unknown";
}

/* What libspf2 has to say goes to our log, and not to standard error. */
static void
library_says(const char *file, int line, const char *text)
{
	(void)file;
	(void)line;
	base_log(BASE_LOG_DEBUG, "libspf2: %s", text);
}

/*
 * libspf2 aborts the program when it has no memory or doubts itself. One check is less than
 * the whole milter: only the thread ends, and its cleanup handler answers for it.
 */
static void __attribute__((noreturn)) library_gives_up(const char *file, int line, const char *text)
{
	base_log(BASE_LOG_ERROR, "libspf2 gave up on a check: %s (%s:%d)", text, file, line);
	pthread_exit(NULL);
}

/* The handlers are libspf2's global state: set before its first call, and never again. */
static void
library_prepare(void)
{
	SPF_error_handler = library_gives_up;
	SPF_warning_handler = library_says;
	SPF_info_handler = library_says;
	SPF_debug_handler = library_says;
}

/* Are its labels of a length that the DNS knows, and all there? A dot at the end is allowed. */
static bool
has_good_labels(const char *domain)
{
	size_t length = strlen(domain), label = 0, i;

	if (length == 0 || length > MAX_DOMAIN)
		return false;
	for (i = 0; i < length; i++) {
		if (domain[i] != '.')
			label++;
		else if (label == 0 || label > MAX_LABEL)
			return false;
		else
			label = 0;
	}
	return label <= MAX_LABEL;
}

/* Is it a name of several labels, in the host's character set or SPF's own underscores? */
static bool
is_checkable(const char *domain)
{
	const char *p;

	for (p = domain; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL)
			return false;
	}
	return has_good_labels(domain) && strchr(domain, '.') != NULL;
}

/* An answer without records. */
static SPF_dns_rr_t *
answer_none(struct guard *guard, const char *domain, ns_type type, int status)
{
	return SPF_dns_rr_new_init(&guard->layer, domain, type, 0, status);
}

/* Does a record's text name the sender or the helo name (RFC 7208 7.2)? */
static bool
is_about_sender(const char *text)
{
	for (text = strstr(text, "%{"); text != NULL; text = strstr(text + 2, "%{")) {
		if (text[2] != '\0' && strchr("slohSLOH", text[2]) != NULL)
			return true;
	}
	return false;
}

/* Is it short enough for libspf2, which counts on no more in its buffers than we let through? */
static bool
is_short(const char *text)
{
	size_t length = strlen(text), macros = 0, i;

	for (i = 0; i < length && i <= IDENTITY_SPF_MAX_TEXT; i++)
		macros += text[i] == '%';
	return length <= IDENTITY_SPF_MAX_TEXT && macros <= IDENTITY_SPF_MAX_MACROS;
}

/* Looks at a record's text before libspf2 does: RFC 7208 3.1 wants visible ASCII and spaces. */
static void
text_look(struct guard *guard, char *text)
{
	const char *p = text;
	bool is_taken = is_short(text);

	if (strncasecmp(text, SPF_VER_STR, strlen(SPF_VER_STR)) != 0) {
		if (!is_taken)
			text[0] = '\0'; /* no business of ours, and none of libspf2's */
		return;
	}
	while (*p >= ' ' && *p <= '~')
		p++;
	if (*p != '\0' || !is_taken)
		guard->is_refused = true;
	if (is_about_sender(text))
		guard->is_particular = true;
}

/*
 * Counts the terms that look something up, over all included records (libspf2 counts them in
 * each one by itself). The names that MX and PTR records give are looked up too, and are no
 * terms.
 */
static void
term_count(struct guard *guard, ns_type type)
{
	if ((type == ns_t_a || type == ns_t_aaaa) && guard->granted > 0) {
		guard->granted--;
		return;
	}
	guard->granted = 0;
	/* The first of all finds the record itself. */
	if (guard->lookups > 0 && ++guard->terms > IDENTITY_SPF_MAX_TERMS)
		guard->is_refused = true;
}

/* What follows from an answer. */
static void
answer_look(struct guard *guard, ns_type type, SPF_dns_rr_t *answer)
{
	int i;

	if (type == ns_t_txt) {
		for (i = 0; i < answer->num_rr; i++)
			text_look(guard, answer->rr[i]->txt);
		return;
	}
	/* RFC 7208 4.6.4: names beyond the tenth are not looked at; libspf2 would give up. */
	if (type == ns_t_ptr && answer->num_rr > SPF_MAX_DNS_PTR)
		answer->num_rr = SPF_MAX_DNS_PTR;
	if (type == ns_t_ptr || type == ns_t_mx)
		guard->granted = (unsigned)answer->num_rr;
	if (answer->num_rr == 0 && ++guard->voids > IDENTITY_SPF_MAX_VOID)
		guard->is_refused = true;
}

/* One lookup of libspf2's. Its type SPF is given up since RFC 7208 3.1: nobody is asked. */
static SPF_dns_rr_t *
guard_lookup(SPF_dns_server_t *layer, const char *domain, ns_type type, int should_cache)
{
	struct guard *guard = layer->hook;
	SPF_dns_rr_t *answer;

	if (type == ns_t_spf)
		return answer_none(guard, domain, type, NO_DATA);
	term_count(guard, type);
	if (guard->is_refused || guard->lookups++ >= IDENTITY_SPF_MAX_LOOKUPS ||
	    base_tick_ms() >= guard->deadline)
		return answer_none(guard, domain, type, TRY_AGAIN);
	if (!has_good_labels(domain))
		answer = answer_none(guard, domain, type, HOST_NOT_FOUND);
	else
		answer = SPF_dns_lookup(guard->below, domain, type, should_cache);
	if (answer->herrno != TRY_AGAIN && answer->herrno != NO_RECOVERY)
		answer_look(guard, type, answer);
	/* Only this status stops libspf2; any other failure it takes for "no such record". */
	if (guard->is_refused || answer->herrno == NO_RECOVERY) {
		SPF_dns_rr_free(answer);
		return answer_none(guard, domain, type, TRY_AGAIN);
	}
	return answer;
}

/* A refused stranger's explanation interests nobody here: it is not looked up. */
static SPF_errcode_t
guard_explanation(SPF_server_t *server, const char *domain, char **text, size_t *length)
{
	(void)server;
	(void)domain;
	(void)text;
	(void)length;
	return SPF_E_SUCCESS;
}

/* Ours from libspf2's, which leaves it open when a record cannot be read. */
static enum identity_spf_result
result_of(SPF_response_t *response, SPF_errcode_t error)
{
	switch (SPF_response_result(response)) {
	case SPF_RESULT_NEUTRAL:
		return IDENTITY_SPF_NEUTRAL;
	case SPF_RESULT_PASS:
		return IDENTITY_SPF_PASS;
	case SPF_RESULT_FAIL:
		return IDENTITY_SPF_FAIL;
	case SPF_RESULT_SOFTFAIL:
		return IDENTITY_SPF_SOFTFAIL;
	case SPF_RESULT_NONE:
		return IDENTITY_SPF_NONE;
	case SPF_RESULT_TEMPERROR:
		return IDENTITY_SPF_TEMPERROR;
	case SPF_RESULT_PERMERROR:
		return IDENTITY_SPF_PERMERROR;
	case SPF_RESULT_INVALID:
		break;
	}
	return error == SPF_E_DNS_ERROR || error == SPF_E_NO_MEMORY ? IDENTITY_SPF_TEMPERROR
								    : IDENTITY_SPF_PERMERROR;
}

/* Asks libspf2. */
static enum identity_spf_result
query(SPF_server_t *server, const struct identity_spf_question *question)
{
	SPF_request_t *request = SPF_request_new(server);
	SPF_response_t *response = NULL;
	enum identity_spf_result result = IDENTITY_SPF_TEMPERROR;
	SPF_errcode_t error;

	if (request == NULL)
		return result;
	if (question->client->ss_family == AF_INET)
		(void)SPF_request_set_ipv4(
		    request, ((const struct sockaddr_in *)question->client)->sin_addr);
	else
		(void)SPF_request_set_ipv6(
		    request, ((const struct sockaddr_in6 *)question->client)->sin6_addr);
	if (SPF_request_set_helo_dom(request, question->helo) == SPF_E_SUCCESS &&
	    SPF_request_set_env_from(request, question->sender) == SPF_E_SUCCESS) {
		error = SPF_request_query_mailfrom(request, &response);
		if (response != NULL)
			result = result_of(response, error);
	}
	if (response != NULL)
		SPF_response_free(response);
	SPF_request_free(request);
	return result;
}

/* The check below our guard. */
static struct identity_spf_finding
guarded_query(
    const struct identity_spf_question *question, SPF_dns_server_t *below, int64_t deadline)
{
	struct identity_spf_finding finding = { .result = IDENTITY_SPF_TEMPERROR };
	struct guard guard = { .below = below, .deadline = deadline };
	SPF_server_t *server;

	guard.layer.lookup = guard_lookup;
	guard.layer.get_exp = guard_explanation;
	guard.layer.name = "guard";
	guard.layer.hook = &guard;
	server = SPF_server_new_dns(&guard.layer, 0);
	if (server == NULL)
		return finding;
	finding.result = query(server, question);
	if (guard.is_refused)
		finding.result = IDENTITY_SPF_PERMERROR;
	finding.is_particular = guard.is_particular;
	SPF_server_free(server);
	return finding;
}

/* libspf2 lets every loopback client pass, whatever the record says: those are not asked about.
 */
static bool
is_loopback(const struct sockaddr_storage *client)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)client;

	if (client->ss_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)client)->sin6_addr);
}

/* Is this a question that libspf2 can be asked? Its length is bounded too. */
static bool
is_question(const struct identity_spf_question *question)
{
	const char *sender = question->sender[0] != '\0' ? question->sender : question->helo;
	const char *at = strrchr(sender, '@');
	int family = question->client->ss_family;

	return (family == AF_INET || family == AF_INET6) && !is_loopback(question->client) &&
	       strlen(sender) <= MAIL_MAX_ADDRESS + 1 &&
	       strlen(question->helo) <= MAIL_MAX_DOMAIN &&
	       is_checkable(at == NULL ? sender : at + 1);
}

struct identity_spf_finding
identity_spf_check(const struct identity_spf_question *question, identity_dns_fn *dns,
    void *context, int64_t deadline)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct identity_spf_finding finding = { .result = IDENTITY_SPF_NONE };
	SPF_dns_server_t *below;

	if (!is_question(question))
		return finding;
	(void)pthread_once(&once, library_prepare);
	finding.result = IDENTITY_SPF_TEMPERROR;
	below = dns(context);
	if (below == NULL)
		return finding;
	finding = guarded_query(question, below, deadline);
	SPF_dns_free(below);
	return finding;
}

struct SPF_dns_server_struct *
identity_dns_system(void *context)
{
	(void)context;
	return SPF_dns_resolv_new(NULL, NULL, 0);
}
