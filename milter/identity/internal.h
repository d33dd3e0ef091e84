/*
 * NAME
 *	identity/internal - what the files of this module, and its tests, share
 *
 * OWNERSHIP
 *	The strings of a question are borrowed for the call.
 */
#ifndef OOPS_IDENTITY_INTERNAL_H
#define OOPS_IDENTITY_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/identity/identity.h"

/* --- persons ------------------------------------------------------------------------ */

#define IDENTITY_MAX_LOGINS_FILE 8388608 /* bytes: 3,000 people need 200,000 */
#define IDENTITY_MAX_ADDRESSES 20        /* of one login */

/* One entry of the file of logins. */
struct identity_login {
	const char *login;
	const char *person;     /* the first address, cut by mail_account_delimiters() alone */
	const char **addresses; /* all of them, normalised, without extension */
	size_t address_count;   /* 1 at least */
	const char *written;    /* the first one as the file has it */
	int line;
};

/* NULL: the file does not name it, or there is none. */
const struct identity_login *identity_logins_find(
    const struct identity_logins *logins, const char *login);

/* What is asked about one send. */
struct identity_send {
	const struct settings *settings;
	const struct identity_logins *logins; /* NULL: none */
	struct base_arena *arena;
	const char *login; /* "" for none */
	const struct mail_transaction *transaction;
	const char *author;         /* Resent-From, else From; normalised, "" for none */
	const char *author_written; /* the same as it was written */
};

/* Set the actor, the person and the mailbox, "" where there is none; see identity.h. */
void identity_by_login(const struct identity_send *send, struct identity *identity_r);
void identity_by_network(const struct identity_send *send, struct identity *identity_r);

/* --- SPF ---------------------------------------------------------------------------- */

/* A layer of libspf2 that answers lookups: its only type that leaves spf_check.c. */
struct SPF_dns_server_struct;

/*
 * Makes the layer that answers the lookups of one check, which frees it. Any thread may call
 * it. NULL: no memory.
 */
typedef struct SPF_dns_server_struct *identity_dns_fn(void *context);

/* The system's own resolver. */
struct SPF_dns_server_struct *identity_dns_system(void *context);

/* RFC 7208 2.6 */
enum identity_spf_result {
	IDENTITY_SPF_NONE, /* the domain says nothing, or is no domain */
	IDENTITY_SPF_NEUTRAL,
	IDENTITY_SPF_PASS,
	IDENTITY_SPF_FAIL,
	IDENTITY_SPF_SOFTFAIL,
	IDENTITY_SPF_TEMPERROR, /* the DNS did not answer, or not in time */
	IDENTITY_SPF_PERMERROR, /* the record is wrong or asks for too much */
};

const char *identity_spf_result_str(enum identity_spf_result result);

struct identity_spf_question {
	const struct sockaddr_storage *client; /* AF_INET or AF_INET6 */
	const char *helo;                      /* "" when unknown */
	const char *sender;                    /* the envelope's; "": postmaster of the helo name */
};

struct identity_spf_finding {
	enum identity_spf_result result;
	bool is_particular; /* another sender of the same domain may get another result */
};

#define IDENTITY_SPF_MAX_LOOKUPS 120 /* of one check, see RFC 7208 4.6.4 */
#define IDENTITY_SPF_MAX_TERMS 10    /* that look something up, RFC 7208 4.6.4 */
#define IDENTITY_SPF_MAX_VOID 2      /* of them without an answer, RFC 7208 4.6.4 */
#define IDENTITY_SPF_MAX_TEXT 2048   /* bytes of a TXT record that libspf2 gets */
#define IDENTITY_SPF_MAX_MACROS 64   /* % signs in it: more overrun a buffer of libspf2 1.2.10 */

/* One check by libspf2, in this thread. After `deadline` (base_tick_ms()) it looks up no more. */
struct identity_spf_finding identity_spf_check(const struct identity_spf_question *question,
    identity_dns_fn *dns, void *context, int64_t deadline);

/* A process of its own in which checks are made, one at a time. All zero: not started. */
struct identity_helper {
	pid_t pid; /* 0: it does not run */
	int fd;
	bool is_busy;
	char what[128]; /* why the latest BROKEN */
};

/*
 * Has it check, and starts it first if it does not run. RETRY: no answer in time; it was ended.
 * BROKEN: it died, or cannot be started; `what` says so.
 */
enum base_result identity_helper_ask(struct identity_helper *helper,
    const struct identity_spf_question *question, int64_t deadline,
    struct identity_spf_finding *finding_r);
void identity_helper_end(struct identity_helper *helper);

#define IDENTITY_SPF_WORKERS 8       /* threads, and processes, that check */
#define IDENTITY_SPF_MAX_JOBS 256    /* checks that wait for one of them */
#define IDENTITY_SPF_FAILED_MS 30000 /* a failure is remembered no longer */
/* When so many processes died without an answer in between, none is started for a second ... */
#define IDENTITY_SPF_MAX_DEATHS 3
#define IDENTITY_SPF_MAX_PAUSE_MS 64000 /* ... and for twice as long each time, up to this */

struct identity_spf_options {
	int64_t limit_ms;             /* how long an asker waits */
	int64_t keep_ms;              /* how long a result is remembered; 0: not */
	identity_failure_fn *failure; /* NULL: nobody is told */
	identity_dns_fn *dns; /* NULL: by the system's resolver, in processes of their own */
	void *context;        /* for dns, as long as the process lives */
};

enum base_result identity_spf_start(
    const struct identity_spf_options *options, struct identity_spf **spf_r, const char **why_r);
/* The result, after limit_ms at the latest: TEMPERROR when there is none by then. Any thread. */
enum identity_spf_result identity_spf_ask(
    struct identity_spf *spf, const struct identity_spf_question *question);
/* How many checks were begun so far. */
unsigned long identity_spf_checks(struct identity_spf *spf);

#endif
