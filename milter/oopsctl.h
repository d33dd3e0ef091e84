/*
 * NAME
 *	oopsctl - the commands that an admin does by hand, one function each
 *
 * Every command gets the site's settings (or the defaults, where it needs no site) and its
 * own words, argv[0] being the command's name; it prints what an admin wants to read and
 * returns a code of <sysexits.h>.
 */
#ifndef OOPS_OOPSCTL_H
#define OOPS_OOPSCTL_H

#include "milter/hold/hold.h"
#include "milter/settings/settings.h"
#include "milter/site/site.h"

/* Make the key, the state directory and the databases; idempotent. */
int oopsctl_init(const struct settings *settings, int argc, char **argv);
/* Is everything in place, and does everybody answer? */
int oopsctl_check(const struct settings *settings, int argc, char **argv);
/* Take queue files into care that carry our tag and that no hold watches over. */
int oopsctl_adopt(const struct settings *settings, int argc, char **argv);
/* Have the running programs take new settings; proves them first. */
int oopsctl_reload(const struct settings *settings, int argc, char **argv);
/* Put a fresh key in place of the current one, which stays valid for a while. */
int oopsctl_rotate_key(const struct settings *settings, int argc, char **argv);
/* Writes down that nobody was asked to take the settings of this file: they are wrong. */
void oopsctl_reload_refused(const char *path);
/* Look at held mail, and decide about it. */
int oopsctl_list(const struct settings *settings, int argc, char **argv);
int oopsctl_show(const struct settings *settings, int argc, char **argv);
int oopsctl_send(const struct settings *settings, int argc, char **argv);
int oopsctl_undo(const struct settings *settings, int argc, char **argv);
int oopsctl_restore(const struct settings *settings, int argc, char **argv);
/* Storms of answers to everybody, and the end of them. */
int oopsctl_storm(const struct settings *settings, int argc, char **argv);
/* Judge one message by what the site knows; changes nothing. */
int oopsctl_explain(const struct settings *settings, int argc, char **argv);
/* Learn mail of the past: logs, mailboxes, histories. */
int oopsctl_learn(const struct settings *settings, int argc, char **argv);
/* Take one address out of everything that is kept. */
int oopsctl_forget(const struct settings *settings, int argc, char **argv);
/* Which rule decides about one message, and why none before it does. */
int oopsctl_policy(const struct settings *settings, int argc, char **argv);
/* Judge and learn a history in lines; touches no site data. */
int oopsctl_backtest(const struct settings *settings, int argc, char **argv);

/* Fit the points of a scorecard to histories; touches no site data. */
int oopsctl_train(const struct settings *settings, int argc, char **argv);

/* The site's held mail; what is not there is not made. */
enum base_result oopsctl_hold_open(
    const struct settings *settings, struct hold **hold_r, const char **why_r);
/* A time as people on this host read it, in ISO 8601; "-" for none. */
#define OOPSCTL_TIME_SIZE 32
const char *oopsctl_time_text(int64_t seconds, char text_r[OOPSCTL_TIME_SIZE]);
/* The exit code for a store that did not answer; why is printed. */
int oopsctl_store_failed(enum base_result result, const char *why);
/* Prints what a stranger may have written: one line, no control characters. */
void oopsctl_print_text(const char *text, size_t max_bytes);

#endif
