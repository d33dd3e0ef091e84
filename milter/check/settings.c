/* check/settings - the settings, and who runs by them; see internal.h */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/base/run.h"
#include "milter/check/internal.h"
#include "milter/config/reload.h"
#include "milter/config/config.h"

/* --- what is in them -------------------------------------------------------------- */

/* All is right: what there is, by name. */
static void
report_right(struct check *check)
{
	const struct settings *settings = check->settings;

	check_ok(check, "settings: %s", settings->path);
	check_ok(check, "key: %s", settings->key_file);
	check_ok(check, "scorecard: %s",
	    settings->judge.scorecard != NULL ? settings->judge.scorecard : "the one compiled in");
	check_ok(check, "lists: %zu in the settings", settings->list_count);
}

/* What to do about one fault. */
static const char *
change_for(const struct settings *settings, const char *line)
{
	if (strstr(line, settings->key_file) == NULL)
		return "what is said there; then run oopsctl check again";
	return access(settings->key_file, F_OK) == 0 ? "its owner and mode" : "run oopsctl init";
}

/* Every fault that keeps the programs from taking them, a line each. */
static void
report_wrong(struct check *check, const char *faults)
{
	const char *end;

	for (; (end = strchr(faults, '\n')) != NULL; faults = end + 1) {
		const char *line = base_arena_strndup(check->arena, faults, (size_t)(end - faults));

		if (line != NULL)
			check_fault(check, change_for(check->settings, line), "settings: %s", line);
	}
}

/* --- who runs by them ------------------------------------------------------------- */

/* Was a file changed after this? NULL is none. */
static bool
is_changed_after(const char *path, const struct timespec *when)
{
	struct stat status;

	if (path == NULL || stat(path, &status) != 0)
		return false;
	if (status.st_mtim.tv_sec != when->tv_sec)
		return status.st_mtim.tv_sec > when->tv_sec;
	return status.st_mtim.tv_nsec > when->tv_nsec;
}

/* The first of the files that are read with the settings alone which was changed; NULL: none. */
static const char *
find_changed(const struct settings *settings, bool is_milter, const struct timespec *when)
{
	const char *const files[] = { settings->path, settings->notice.template,
		is_milter ? settings->key_file : NULL,
		is_milter ? settings->judge.scorecard : NULL };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (is_changed_after(files[i], when))
			return files[i];
	for (size_t i = 0; i < settings->policy_count; i++)
		if (is_changed_after(settings->policies[i].template, when))
			return settings->policies[i].template;
	return NULL;
}

/* Has a program, if it runs here by this file, taken it since it was changed? */
static void
check_age(struct check *check, const char *name, const char *below, bool is_milter)
{
	const char *directory =
	    base_arena_printf(check->arena, "%s%s", check->settings->state_directory, below);
	struct base_run_view view;
	const char *changed, *why = "";

	if (directory == NULL || base_run_look(directory, name, &view, &why) != BASE_OK ||
	    !config_run_is_by(&view, check->settings->path))
		return;
	changed = find_changed(check->settings, is_milter, &view.when);
	if (strcmp(view.answer, "refused") == 0)
		check_warn(check, "run oopsctl reload, which tells why",
		    "%s: refused the last new settings, the old are in force", name);
	else if (changed != NULL)
		check_warn(check, "run oopsctl reload",
		    "%s: runs by settings from before %s was changed", name, changed);
}

/* Is anything held at all? */
static void
check_holding(struct check *check)
{
	const struct settings *settings = check->settings;
	bool is_held = false;

	for (size_t i = 0; i < settings->policy_count; i++)
		is_held = is_held || settings->policies[i].action >= SETTINGS_UNDO;
	if (settings->monitor)
		check_warn(check, "monitor = false; in the settings, once you have seen enough",
		    "monitor = true: nothing is held, odd mail is only tagged");
	else if (!is_held)
		check_warn(check, "policy: ( { action = \"confirm\"; } ) in the settings",
		    "policy: no rule holds mail, odd mail is tagged at most");
}

/* A login without a domain proves nobody where there are several and the settings name none. */
static void
check_logins(struct check *check)
{
	const struct settings *settings = check->settings;

	if (settings->identity.local_domain_count > 1 && settings->identity.logins == NULL &&
	    settings->identity.login_domain == NULL)
		check_warn(check, "identity: { login_domain = \"DOMAIN\"; } in the settings",
		    "identity: a login without a domain is nobody's, with %zu local domains: its "
		    "mail is tagged at most, and nobody gets a letter",
		    settings->identity.local_domain_count);
}

void
check_settings(struct check *check)
{
	const struct config *config = NULL;
	struct base_buffer faults;

	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	if (config_load(check->settings->path, &config, &faults) == BASE_OK)
		report_right(check);
	else
		report_wrong(check, base_buffer_text(&faults));
	base_buffer_free(&faults);
	config_release(&config);
	check_logins(check);
	check_holding(check);
	check_age(check, "oops-milter", CONFIG_RUN_MILTER, true);
	check_age(check, "oops-web", CONFIG_RUN_WEB, false);
}
