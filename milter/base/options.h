/*
 * NAME
 *	base/options - what every daemon is started with
 */
#ifndef OOPS_BASE_OPTIONS_H
#define OOPS_BASE_OPTIONS_H

#include "milter/base/result.h"

struct base_options {
	const char *file;   /* -c: the settings */
	bool is_foreground; /* -f */
	bool is_test;       /* -t: check the settings and end */
};

/*
 * NONE: --help or --version was answered. REFUSE: wrong arguments, told on standard error.
 * BROKEN: standard output cannot be written.
 */
enum base_result base_options_read(
    const char *program, int argc, char **argv, struct base_options *options_r);
/* The exit code of a program that ends because of such a result (sysexits.h). */
int base_options_code(enum base_result result);
/* "PROGRAM VERSION" on standard output; false: it cannot be written. */
bool base_version_report(const char *program);

#endif
