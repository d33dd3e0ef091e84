/*
 * NAME
 *	check/postconf - Postfix's own configuration, as far as milters are concerned
 *
 * WHAT IT DOES
 *	Asks postconf(1), and takes lists of milters and the services of master.cf apart: which
 *	of them ask milters, which ones, where in the list we stand, and by which root.
 *
 * OWNERSHIP
 *	Everything lives in the arena of the check.
 *
 * DIAGNOSTICS
 *	What cannot be asked is reported as a fault, and taken as empty.
 */
#ifndef OOPS_CHECK_POSTCONF_H
#define OOPS_CHECK_POSTCONF_H

#include "milter/check/endpoint.h"
#include "milter/check/internal.h"

#define POSTFIX_TEXT 4096    /* bytes of one value */
#define POSTFIX_LINES 262144 /* bytes of what master.cf has of one field */
#define POSTFIX_MAX_SERVICES 200

/* Where we stand in a list of milters. */
enum postfix_place { POSTFIX_ABSENT, POSTFIX_EARLY, POSTFIX_LAST };

/* What a list of milters says of us. */
struct postfix_entry {
	enum postfix_place place;
	const char *socket; /* as it is spelled there, a path without "unix:"; NULL: absent */
	const char *action; /* its default_action, NULL: none of its own */
};

/* A service of master.cf that asks milters. */
struct postfix_service {
	const char *name; /* "submission/inet" */
	bool is_cleanup;  /* for mail that smtpd did not take; all others are an smtpd */
	bool is_chrooted;
	const char *own_milters; /* by its -o; NULL: those of main.cf */
	const char *own_action;  /* milter_default_action, the same way */
	struct postfix_entry entry;
};

struct postfix {
	struct check *check;
	char queue_directory[POSTFIX_TEXT];
	char mail_owner[POSTFIX_TEXT];
	char smtpd_milters[POSTFIX_TEXT];
	char non_smtpd_milters[POSTFIX_TEXT];
	char action[POSTFIX_TEXT]; /* milter_default_action */
	bool is_chroot_default;    /* what "-" in master.cf's column means */
	struct endpoint ours;      /* where we listen */
	const char *inside;        /* a unix socket's path below the queue directory, or NULL */
	struct postfix_service *services;
	size_t service_count;
};

/* Fills in everything. False: postconf does not answer. */
bool postfix_read(struct postfix *postfix);
/* A value of main.cf. False: it cannot be had. */
bool postfix_ask(const struct postfix *postfix, const char *name, char value_r[POSTFIX_TEXT]);
/*
 * Calls for each service that sets a parameter in master.cf ("-P:PARAMETER"), or for each and
 * its field ("-F:FIELD"). Names and values live as long as the check.
 */
typedef void postfix_field_fn(struct postfix *postfix, const char *service, const char *value);
bool postfix_each(struct postfix *postfix, const char *what, postfix_field_fn *each);
/* What a list of milters says of us. */
struct postfix_entry postfix_find(const struct postfix *postfix, const char *list);
/* Our socket as Postfix spells it. */
const char *postfix_socket(const struct postfix *postfix);

/*
 * reach.c: can every service that asks us connect, and what does it do with mail
 * while we are down?
 */
void check_reach(const struct postfix *postfix);

/* agree.c: what its settings and ours must say alike. */
void check_agree(struct postfix *postfix);

#endif
