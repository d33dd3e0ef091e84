/* config/reload - telling what became of new settings; see reload.h */
#include "milter/base/file.h"
#include "milter/base/log.h"
#include "milter/base/result.h"
#include "milter/base/run.h"
#include "milter/config/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/audit/audit.h"

struct base_run *
config_run_open(
    const char *state_directory, const char *below, const char *program, const char *settings)
{
	struct base_run *run = NULL;
	char directory[4096];
	const char *why = "";

	snprintf(directory, sizeof(directory), "%s%s", state_directory, below);
	if (base_run_open(directory, program, settings, &run, &why) != BASE_OK)
		base_log(BASE_LOG_WARNING, "oopsctl reload will not find this program: %s", why);
	return run;
}

bool
config_run_is_by(const struct base_run_view *view, const char *settings)
{
	struct stat theirs, ours;
	char *absolute;
	bool is_same;

	if (view->settings[0] == '\0')
		return true;
	if (stat(view->settings, &theirs) == 0 && stat(settings, &ours) == 0)
		return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	absolute = base_path_absolute(settings);
	is_same = absolute != NULL && strcmp(absolute, view->settings) == 0;
	free(absolute);
	return is_same;
}

void
config_reload_report(
    struct base_run *run, const char *program, const char *file, bool is_taken, const char *faults)
{
	char first[500];
	const char *end, *why = "";

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(faults, "\n"), faults);
	audit_event(AUDIT_CONFIG, NULL, { "program", program }, { "file", file },
	    { "answer", is_taken ? "ok" : "refused" }, { "what", is_taken ? NULL : first });
	if (is_taken)
		base_log(BASE_LOG_INFO, "new settings are in force");
	else
		base_log(BASE_LOG_ERROR, "new settings are refused, the old stay in force");
	if (run != NULL && base_run_answer(run, is_taken, faults, &why) != BASE_OK)
		base_log(BASE_LOG_WARNING, "%s", why);
	for (; (end = strchr(faults, '\n')) != NULL; faults = end + 1)
		base_log(BASE_LOG_ERROR, "%.*s", (int)(end - faults), faults);
}
