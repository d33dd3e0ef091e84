/*
 * NAME
 *	base/run - a running program's file
 */
#ifndef OOPS_BASE_RUN_H
#define OOPS_BASE_RUN_H

#include <time.h>

#include "milter/base/result.h"

/*
 * DIRECTORY/PROGRAM.run says, as long as the program runs, what its process id is (by a lock that
 * ends with it, so it is never another's) and what became of its last reload, or of whatever else
 * it answers for in this file.
 */
struct base_run;

#define BASE_RUN_MAX 16384     /* bytes of the file */
#define BASE_RUN_MAX_PATH 4200 /* of the line that names the settings */

struct base_run_view {
	int pid;
	unsigned long number;             /* of reloads so far */
	char answer[11];                  /* "started", "ok" or "refused" */
	struct timespec when;             /* it said so, by the clock of files */
	char settings[BASE_RUN_MAX_PATH]; /* path of the file that it runs by, "" not known */
	char text[BASE_RUN_MAX];          /* why, a line each */
};

/*
 * `settings` is the path of the file that the program runs by, or NULL. BROKEN: it cannot be made,
 * or another process has it. Open it after going to the background.
 */
enum base_result base_run_open(const char *directory, const char *program, const char *settings,
    struct base_run **run_r, const char **why_r);
void base_run_close(struct base_run **run);
/* One more reload. */
enum base_result base_run_answer(
    struct base_run *run, bool is_taken, const char *text, const char **why_r);
/* For others. NONE: it does not run here; RETRY: it is writing just now. */
enum base_result base_run_look(
    const char *directory, const char *program, struct base_run_view *view_r, const char **why_r);

#endif
