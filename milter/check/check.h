/*
 * NAME
 *	check - is a site set up so that slips really are caught?
 *
 * WHAT IT DOES
 *	Looks at everything the programs need, asks each of them and the MTA for a sign of life, and
 *	prints a line for each finding, with the line to change. What it cannot ask is a finding.
 *
 * WHAT IT NEVER DOES
 *	It changes nothing, and holds or releases nothing.
 *
 * DIAGNOSTICS
 *	Codes of <sysexits.h>; with --monitor 0 ok, 1 warning, 2 critical, 3 unknown, as monitoring
 *	systems know them, and always one line on standard output and none on standard error.
 */
#ifndef OOPS_CHECK_H
#define OOPS_CHECK_H

#include "milter/settings/settings.h"

/* The command `oopsctl check`; argv[0] is its name. */
int check_site(const struct settings *settings, int argc, char **argv);
/* The same where there are no settings: says what is wrong with the file at `path`. */
int check_no_settings(const char *path, int argc, char **argv);

#endif
