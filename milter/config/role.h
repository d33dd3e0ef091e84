/*
 * NAME
 *	config/role - as whom a program goes on when root started it
 *
 * WHAT IT DOES
 *	Reads the settings for the user alone, and becomes it before anything else is opened: what
 *	that user cannot read is then found at the start, not at the first reload.
 *
 * THREADS
 *	The program's main thread, before there is another.
 */
#ifndef OOPS_SITE_ROLE_H
#define OOPS_SITE_ROLE_H

#include "milter/base/user.h"
#include "milter/settings/settings.h"

/* The roles that the settings name; they borrow from them. */
struct base_role config_role_milter(const struct settings *settings);
struct base_role config_role_web(const struct settings *settings);

/*
 * Becomes what `role` finds in the settings at `path`. True: go on; also where root did not start
 * us. False: end with *code_r; why is on standard error, the faults of the settings
 * with file and line (78), or that there are rights which cannot be given up (77).
 */
bool config_role_enter(const char *program, const char *path,
    struct base_role (*role)(const struct settings *settings), int *code_r);

#endif
