/*
 * NAME
 *	config - the settings and all that they name, as one generation that never changes
 *
 * WHAT IT DOES
 *	Builds a generation from the settings file: the settings, the key, the scorecard, the
 *	lists, the templates of letters, whose a login is, what SPF remembers. It is built and
 *	proved whole before anybody sees it, and then put in the place of the one in force by one
 *	exchange of a pointer. Whoever works by a generation takes it, and drops it at the end of
 *	that work: a transaction that is open while the settings change finishes by those it began
 *	with. A generation goes away with the last one who uses it.
 *
 * WHAT IT NEVER DOES
 *	It never changes a generation, never puts a part of one in force, never logs; but that a
 *	process which checks SPF died stands in the audit.
 *
 * OWNERSHIP
 *	Everything in struct site belongs to it and is borrowed until config_release().
 *
 * THREADS
 *	Any. The lock of struct config_current is held for the exchange of a pointer only, never
 *	while somebody works by a generation.
 *
 * DIAGNOSTICS
 *	config_load(): REFUSE, the settings or what they name is wrong; BROKEN, it cannot be
 *	read. Every fault is one line of faults_r, ending in a line feed; it begins with the
 *	file and, where there is one, the line ("/etc/oops-milter/oops-milter.conf:12: ...").
 *	config_replace(): REFUSE, a change that needs a restart; faults_r tells which.
 */
#ifndef OOPS_CONFIG_H
#define OOPS_CONFIG_H

#include "milter/audience/audience.h"
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/identity/identity.h"
#include "milter/judge/judge.h"
#include "milter/settings/settings.h"
#include "milter/words/template.h"

#define CONFIG_MAX_FAULTS 65536         /* bytes of all faults together */
#define CONFIG_MAX_SCORECARD (1u << 20) /* bytes of its file */

/* One generation. */
struct config {
	const struct settings *settings;
	const struct base_key *key;
	const struct judge_scorecard *scorecard;
	struct audience_directory *audience; /* looks after its files by itself */
	struct words_templates *templates;   /* the site's own sentences */
	struct identity_sources identity;
};

/* Builds one from the file; it has one user, the caller. */
enum base_result config_load(
    const char *path, const struct config **config_r, struct base_buffer *faults_r);
/* One user less; the last one frees it. */
void config_release(const struct config **config);

/* The settings alone, for a program that may not read what they name; settings_free() ends them. */
enum base_result config_settings_load(
    const char *path, struct settings **settings_r, struct base_buffer *faults_r);
/*
 * May `now` follow `was` while the programs run? All of them ask the same, so that they take new
 * settings together or not at all. False: faults_r names what needs a restart:
 * state_directory, node, store, users and groups, milter.socket, milter.socket_mode, web.listen,
 * mta.
 */
bool config_may_follow(
    const struct settings *was, const struct settings *now, struct base_buffer *faults_r);

/* The templates that the settings name; words_templates_free() ends them. */
enum base_result config_templates_load(const struct settings *settings,
    struct words_templates **templates_r, struct base_buffer *faults_r);
/* The scorecard that the settings name, or the one compiled in. */
enum base_result config_scorecard_load(
    const struct settings *settings, struct judge_scorecard **scorecard_r, const char **why_r);

/* --- the one in force ----------------------------------------------------------------- */

struct config_current;

/* Takes over the caller's use of `first`. NULL: no memory, and `first` is untouched. */
struct config_current *config_current_new(const struct config **first);
/* Drops the one in force; nobody may take it any more. */
void config_current_free(struct config_current **current);
/* The generation in force; it stays as it is until the caller drops it. */
const struct config *config_acquire(struct config_current *current);
/*
 * Puts `next` in force and takes over the caller's use of it, if it may follow. Otherwise
 * nothing changes, and `next` stays the caller's.
 */
enum base_result config_replace(
    struct config_current *current, const struct config **next, struct base_buffer *faults_r);

#endif
