/*
 * NAME
 *	admin - the commands that an admin does by hand, one function each
 *
 * Every command gets the site's settings (or the defaults, where it needs no site) and its
 * own words, argv[0] being the command's name; it prints what an admin wants to read and
 * returns a code of <sysexits.h>.
 */
#ifndef OOPS_ADMIN_H
#define OOPS_ADMIN_H

#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/settings/settings.h"
#include "milter/config/config.h"

/* Make the key, the state directory and the databases; idempotent. */
int admin_init(const struct settings *settings, int argc, char **argv);
/* Take queue files into care that carry our tag and that no hold watches over. */
int admin_adopt(const struct settings *settings, int argc, char **argv);
/* Free held mail by the queue files alone, except what its author stopped. */
int admin_free_all(const struct settings *settings, int argc, char **argv);
/* Have the running programs take new settings; proves them first. */
int admin_reload(const struct settings *settings, int argc, char **argv);
/* Put a fresh key in place of the current one, which stays valid for a while. */
int admin_rotate_key(const struct settings *settings, int argc, char **argv);
/* Writes down that nobody was asked to take the settings of this file: they are wrong. */
void admin_reload_refused(const char *path);
/* Look at held mail, and decide about it. */
int admin_list(const struct settings *settings, int argc, char **argv);
int admin_show(const struct settings *settings, int argc, char **argv);
int admin_send(const struct settings *settings, int argc, char **argv);
int admin_undo(const struct settings *settings, int argc, char **argv);
int admin_restore(const struct settings *settings, int argc, char **argv);
/* Storms of answers to everybody, and the end of them. */
int admin_storm(const struct settings *settings, int argc, char **argv);
/* Judge one message by what the site knows; changes nothing. */
int admin_explain(const struct settings *settings, int argc, char **argv);
/* Learn mail of the past: logs, mailboxes, histories. */
int admin_learn(const struct settings *settings, int argc, char **argv);
/* Take one address out of everything that is kept. */
int admin_forget(const struct settings *settings, int argc, char **argv);
/* Which rule decides about one message, and why none before it does. */
int admin_policy(const struct settings *settings, int argc, char **argv);
/* Judge and learn a history in lines; touches no site data. */
int admin_backtest(const struct settings *settings, int argc, char **argv);

/* Fit the points of a scorecard to histories; touches no site data. */
int admin_train(const struct settings *settings, int argc, char **argv);
/* Every sentence that people read, for translators and for a site's own sentences. */
int admin_words(const struct settings *settings, int argc, char **argv);

/* The site's held mail; what is not there is not made. */
enum base_result admin_hold_open(
    const struct settings *settings, struct hold **hold_r, const char **why_r);
/* A time as people on this host read it, in ISO 8601; "-" for none. */
#define ADMIN_TIME_SIZE 32
const char *admin_time_text(int64_t seconds, char text_r[ADMIN_TIME_SIZE]);
/* The exit code for a store that did not answer; why is printed. */
int admin_store_failed(enum base_result result, const char *why);
/* Prints what a stranger may have written: one line, no control characters. */
void admin_print_text(const char *text, size_t max_bytes);

#endif
