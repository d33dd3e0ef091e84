/*
 * NAME
 *	oopsctl check - is everything in place, so that slips really are caught?
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] check [--monitor]
 *
 * WHAT IT DOES
 *	Looks at everything the programs need and asks each of them for a sign of life. One line
 *	a finding, see internal.h. Changes nothing. --monitor prints one line, with the sum of it
 *	and the first finding of the worst kind, and ends with the codes that monitoring systems
 *	know: 0 ok, 1 warning, 2 critical, 3 unknown.
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_UNAVAILABLE: there are faults.
 */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/check/check.h"
#include "milter/check/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/config/config.h"

#define ARENA_BYTES (16u << 20)
#define REPORT_BYTES (1u << 20)
#define MONITOR "--monitor"
#define MONITOR_UNKNOWN 3

/* --- the report ------------------------------------------------------------------- */

/* One line; `change` NULL: nothing is to be changed. */
__attribute__((format(printf, 4, 0))) static void
report(struct check *check, const char *kind, const char *change, const char *format,
    va_list arguments)
{
	char what[2048];

	vsnprintf(what, sizeof(what), format, arguments);
	base_buffer_printf(&check->text, "%s: ", kind);
	base_quote_line(&check->text, what, sizeof(what));
	if (change != NULL) {
		base_buffer_puts(&check->text, "; change: ");
		base_quote_line(&check->text, change, sizeof(what));
	}
	base_buffer_puts(&check->text, "\n");
	if (strcmp(kind, "fault") == 0
		? check->faults == 1
		: change != NULL && check->faults == 0 && check->warnings == 1)
		snprintf(check->worst, sizeof(check->worst), "%.250s", what);
}

void
check_ok(struct check *check, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(check, "ok", NULL, format, arguments);
	va_end(arguments);
}

void
check_warn(struct check *check, const char *change, const char *format, ...)
{
	va_list arguments;

	check->warnings++;
	va_start(arguments, format);
	report(check, "warning", change, format, arguments);
	va_end(arguments);
}

void
check_fault(struct check *check, const char *change, const char *format, ...)
{
	va_list arguments;

	check->faults++;
	va_start(arguments, format);
	report(check, "fault", change, format, arguments);
	va_end(arguments);
}

/* --- all of it -------------------------------------------------------------------- */

/* Every part, in the order in which an admin would mend them. */
static void
check_all(struct check *check)
{
	check_settings(check);
	check_databases(check);
	check_aside(check);
	check_answers(check);
	check_letters(check);
	check_web(check);
	check_programs(check);
	check_rights(check);
	if (strcmp(check->settings->mta.kind, "postfix") == 0)
		check_postfix(check);
	else
		check_sendmail(check);
	check_held(check);
}

/* The one line of a monitoring plugin, and its code. */
static int
print_line(int code, const char *what)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	struct base_buffer line;

	base_buffer_init(&line, 4096);
	base_buffer_printf(&line, "OOPS-MILTER %s: ", words[code]);
	base_quote_line(&line, what, 1000);
	puts(base_buffer_text(&line));
	base_buffer_free(&line);
	return code;
}

/* The sum of it; of the findings the first of the worst kind. */
static int
print_monitor(const struct check *check)
{
	int code = check->faults > 0 ? 2 : check->warnings > 0 ? 1 : 0;
	char what[400];

	snprintf(what, sizeof(what), "%u %s, %u %s%s%s", check->faults,
	    check->faults == 1 ? "fault" : "faults", check->warnings,
	    check->warnings == 1 ? "warning" : "warnings", code > 0 ? ": " : "", check->worst);
	return print_line(code, what);
}

/* For people: each finding is a line. */
static int
print_all(const struct check *check)
{
	fputs(base_buffer_text(&check->text), stdout);
	return check->faults == 0 ? EX_OK : EX_UNAVAILABLE;
}

/* Is it asked for by a monitoring system? */
static bool
is_monitor(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], MONITOR) == 0)
			return true;
	return false;
}

/* Wrong arguments. */
static int
usage(bool is_line)
{
	static const char text[] = "usage: oopsctl [-c FILE] check [" MONITOR "]";

	if (is_line)
		return print_line(MONITOR_UNKNOWN, text);
	fprintf(stderr, "%s\n", text);
	return EX_USAGE;
}

int
check_site(const struct settings *settings, int argc, char **argv)
{
	bool is_line = is_monitor(argc, argv);
	struct check check = { .settings = settings };
	int status;

	if (argc > 2 || (argc == 2 && !is_line))
		return usage(is_line);
	check.arena = base_arena_new(ARENA_BYTES);
	if (check.arena == NULL)
		return is_line ? print_line(MONITOR_UNKNOWN, "no memory to look") : EX_OSERR;
	base_buffer_init(&check.text, REPORT_BYTES);
	check_all(&check);
	status = is_line ? print_monitor(&check) : print_all(&check);
	base_buffer_free(&check.text);
	base_arena_free(&check.arena);
	return status;
}

int
check_no_settings(const char *path, int argc, char **argv)
{
	struct settings *settings = NULL;
	struct base_buffer faults;
	int status = EX_CONFIG;

	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	(void)config_settings_load(path, &settings, &faults);
	settings_free(&settings);
	if (!is_monitor(argc, argv))
		fputs(base_buffer_text(&faults), stderr);
	else if (access(path, R_OK) != 0 && access(path, F_OK) == 0)
		status = print_line(
		    MONITOR_UNKNOWN, base_why("settings: %s: this user cannot read it", path));
	else
		status = print_line(
		    2, base_why("settings: %.*s", (int)strcspn(base_buffer_text(&faults), "\n"),
			   base_buffer_text(&faults)));
	base_buffer_free(&faults);
	return status;
}
