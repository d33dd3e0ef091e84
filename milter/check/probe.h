/*
 * NAME
 *	check/probe - asks programs that should be running for a sign of life
 *
 * DIAGNOSTICS
 *	BROKEN: no answer, or not the right one, within PROBE_SECONDS a step.
 */
#ifndef OOPS_CHECK_PROBE_H
#define OOPS_CHECK_PROBE_H

#include "milter/base/result.h"
#include "milter/check/endpoint.h"
#include "milter/settings/settings.h"

#define PROBE_SECONDS 5

/* A milter? Negotiates, then says goodbye. `name` is the socket for people. */
enum base_result probe_milter(
    const struct endpoint *endpoint, const char *name, const char **why_r);
/* The process that listens at a unix socket. NONE: the system does not tell. */
enum base_result probe_owner(const char *path, int *pid_r, const char **why_r);
/*
 * The value of a parameter of main.cf, $names in it resolved; or of the fields (parameters) of
 * master.cf that a pattern "-F:PATTERN" ("-P:PATTERN") fits, one a line.
 */
enum base_result probe_postconf(const struct settings *settings, const char *name, char *value_r,
    size_t size, const char **why_r);
/* What a table of Postfix's ("TYPE:NAME") says to a key. NONE: nothing. */
enum base_result probe_postmap(const struct settings *settings, const char *table, const char *key,
    char *value_r, size_t size, const char **why_r);
/*
 * Can a user connect to a unix socket, with `root` (NULL: none) as the root directory? REFUSE:
 * no, why_r says what the system said. NONE: only root can try.
 */
enum base_result probe_reach(
    const char *user, const char *root, const char *path, const char **why_r);

#endif
