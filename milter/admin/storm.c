/*
 * NAME
 *	oopsctl storm - look at storms of answers to everybody, and lift the block
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] storm list [--all]
 *	oopsctl [-c FILE] storm lift ID
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_NOINPUT: no such storm; EX_TEMPFAIL: the store is busy; EX_IOERR: it
 *	failed. A block that is not on any more is no failure.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/base/result.h"
#include "milter/hold/storm.h"

#define TEXT_BYTES 60 /* of a list, an owner or a subject on a line */

/* One storm on one line. */
static void
list_line(void *context, const struct hold_storm_view *view)
{
	char until[ADMIN_TIME_SIZE];
	size_t *count = context;

	if ((*count)++ == 0)
		printf("%-16s  %-6s  %-24s  %7s  %6s  %4s  %s\n", "ID", "STATE", "UNTIL", "ANSWERS",
		    "PEOPLE", "HELD", "LIST OR SUBJECT (OWNER)");
	printf("%-16s  %-6s  %-24s  %7zu  %6lu  %4zu  ", view->id,
	    hold_storm_state_str(view->state), admin_time_text(view->until, until), view->answers,
	    view->people, view->held);
	admin_print_text(*view->list != '\0' ? view->list : view->subject, TEXT_BYTES);
	if (*view->owner != '\0') {
		fputs(" (", stdout);
		admin_print_text(view->owner, TEXT_BYTES);
		putchar(')');
	}
	putchar('\n');
}

/* oopsctl storm list */
static int
list(struct hold *hold, bool all)
{
	const char *why = "";
	size_t count = 0;
	enum base_result result = hold_storm_each(hold, all, list_line, &count, &why);

	if (result != BASE_OK)
		return admin_store_failed(result, why);
	if (count == 0)
		fputs("there is no storm\n", stderr);
	return EX_OK;
}

/* oopsctl storm lift */
static int
lift(struct hold *hold, const char *id)
{
	const char *why = "";

	switch (hold_storm_lift(hold, id, "admin", NULL, &why)) {
	case BASE_OK:
		printf("%s: lifted; what it held is sent\n", id);
		return EX_OK;
	case BASE_REFUSE:
		printf("%s: was lifted or over already\n", id);
		return EX_OK;
	case BASE_NONE:
		fprintf(stderr,
		    "oopsctl: there is no storm \"%s\"; oopsctl storm list --all shows "
		    "them\n",
		    id);
		return EX_NOINPUT;
	case BASE_RETRY:
		return admin_store_failed(BASE_RETRY, why);
	case BASE_BROKEN:
		break;
	}
	return admin_store_failed(BASE_BROKEN, why);
}

/* oopsctl storm */
int
admin_storm(const struct settings *settings, int argc, char **argv)
{
	bool is_list = argc >= 2 && strcmp(argv[1], "list") == 0;
	bool all = is_list && argc == 3 && strcmp(argv[2], "--all") == 0;
	bool is_lift = argc == 3 && strcmp(argv[1], "lift") == 0;
	struct hold *hold = NULL;
	const char *why = "";
	enum base_result result;
	int status;

	if (!is_lift && !(is_list && (argc == 2 || all))) {
		fputs("usage: oopsctl [-c FILE] storm list [--all]\n"
		      "       oopsctl [-c FILE] storm lift ID\n",
		    stderr);
		return EX_USAGE;
	}
	result = admin_hold_open(settings, &hold, &why);
	if (result != BASE_OK)
		return admin_store_failed(result, why);
	status = is_lift ? lift(hold, argv[2]) : list(hold, all);
	hold_close(&hold);
	return status;
}
