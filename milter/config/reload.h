/*
 * NAME
 *	config/reload - what the programs share that take new settings while they run
 *
 * THREADS
 *	The program's main thread.
 */
#ifndef OOPS_SITE_RELOAD_H
#define OOPS_SITE_RELOAD_H

#include "milter/base/run.h"

/* The programs' files, see base_run_open(): below state_directory. */
#define CONFIG_RUN_MILTER ""
#define CONFIG_RUN_WEB "/holds"
/* Beside the milter's: "refused" while memory.db cannot be used, with since when and why. */
#define CONFIG_RUN_LEARNING "oops-milter.learning"

/*
 * Opens the program's file, which names the file of its settings, absolute; without it
 * `oopsctl reload` does not find us, and the log says so.
 */
struct base_run *config_run_open(
    const char *state_directory, const char *below, const char *program, const char *settings);
/* Does a program run by this file? Also true where it is not known. */
bool config_run_is_by(const struct base_run_view *view, const char *settings);
/*
 * Tells the audit, the log and the program's file (NULL: none) what became of new settings.
 * `faults` is a line each.
 */
void config_reload_report(
    struct base_run *run, const char *program, const char *file, bool is_taken, const char *faults);

#endif
