/*
 * NAME
 *	oopsctl reload - have the running programs take new settings
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] reload
 *
 * WHAT IT DOES
 *	Proves the settings and all that they name; then asks oops-milter and oops-web, where
 *	they run on this host, to take them, and waits for what they say. oops-milter goes
 *	first: what it refuses is not asked of oops-web.
 *
 * DIAGNOSTICS
 *	EX_OK: every program that runs here took them; EX_CONFIG: they are wrong, or need a
 *	restart: the old stay in force; EX_UNAVAILABLE: no program runs here, or one runs by
 *	another file or does not answer; EX_NOPERM: it may not be asked by this user.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/base/run.h"
#include "milter/config/reload.h"

#define WAIT_MS 30000 /* for an answer: large lists take a while */
#define LOOK_MS 20

static const struct {
	const char *name, *below;
} programs[] = {
	{ "oops-milter", CONFIG_RUN_MILTER },
	{ "oops-web", CONFIG_RUN_WEB },
};

/* Looks at a program's file; while it is being written, again. */
static enum base_result
look(const char *directory, const char *name, struct base_run_view *view_r, const char **why_r)
{
	enum base_result result = BASE_RETRY;

	for (int i = 0; i < 50 && result == BASE_RETRY; i++) {
		if (i > 0)
			base_sleep_ms(LOOK_MS);
		result = base_run_look(directory, name, view_r, why_r);
	}
	return result;
}

/* Waits until the program has answered. */
static enum base_result
wait_for_answer(
    const char *directory, const char *name, struct base_run_view *view, const char **why_r)
{
	int64_t end = base_tick_ms() + WAIT_MS;
	struct base_run_view now = *view;
	enum base_result result;

	do {
		base_sleep_ms(LOOK_MS);
		result = look(directory, name, &now, why_r);
	} while (result == BASE_OK && now.number == view->number && base_tick_ms() < end);
	if (result == BASE_NONE)
		*why_r = base_why("it has ended");
	else if (result == BASE_OK && now.number == view->number)
		*why_r = base_why("no answer for %d seconds; see its log", WAIT_MS / 1000);
	if (result != BASE_OK || now.number == view->number)
		return BASE_BROKEN;
	*view = now;
	return BASE_OK;
}

/* Prints what a program answered; an exit code. */
static int
answer_print(const char *name, const struct base_run_view *view)
{
	const char *line = view->text, *end;
	char one[1000];

	if (strcmp(view->answer, "ok") == 0) {
		printf("%s: new settings are in force\n", name);
		return EX_OK;
	}
	printf("%s: refused, the old settings stay in force\n", name);
	fflush(stdout);
	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		struct base_buffer text;

		snprintf(one, sizeof(one), "%.*s", (int)(end - line), line);
		base_buffer_init(&text, sizeof(one) * 4);
		base_quote_line(&text, one, sizeof(one));
		fprintf(stderr, "%s\n", base_buffer_text(&text));
		base_buffer_free(&text);
	}
	return EX_CONFIG;
}

/* Asks one program, if it runs here by these settings; an exit code. */
static int
ask(const char *path, const char *directory, const char *name, bool *is_there_r)
{
	struct base_run_view view;
	const char *why = "";
	enum base_result result = look(directory, name, &view, &why);

	if (result == BASE_NONE) {
		printf("%s: does not run here\n", name);
		return EX_OK;
	}
	*is_there_r = true;
	if (result == BASE_OK && !config_run_is_by(&view, path)) {
		fprintf(stderr, "%s: runs by %s, not by %s: it was not asked\n", name,
		    view.settings, path);
		return EX_UNAVAILABLE;
	}
	if (result == BASE_OK && kill(view.pid, SIGUSR1) != 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return errno == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
	}
	if (result == BASE_OK)
		result = wait_for_answer(directory, name, &view, &why);
	if (result == BASE_OK)
		return answer_print(name, &view);
	fprintf(stderr, "%s: %s\n", name, why);
	return EX_UNAVAILABLE;
}

/* Asks all programs, one after the other, until one does not take the settings. */
static int
ask_all(const struct settings *settings)
{
	int status = EX_OK;
	bool is_any = false;
	char directory[4096];

	for (size_t i = 0; status == EX_OK && i < sizeof(programs) / sizeof(*programs); i++) {
		snprintf(directory, sizeof(directory), "%s%s", settings->state_directory,
		    programs[i].below);
		status = ask(settings->path, directory, programs[i].name, &is_any);
	}
	return status == EX_OK && !is_any ? EX_UNAVAILABLE : status;
}

void
admin_reload_refused(const char *path)
{
	const struct config *config = NULL;
	struct base_buffer faults;

	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	(void)config_load(path, &config, &faults);
	config_release(&config);
	config_reload_report(NULL, "oopsctl", path, false, base_buffer_text(&faults));
	base_buffer_free(&faults);
	fputs("oopsctl: the old settings stay in force\n", stderr);
}

int
admin_reload(const struct settings *settings, int argc, char **argv)
{
	const struct config *config = NULL;
	struct base_buffer faults;
	int status = EX_CONFIG;

	(void)argv;
	if (argc != 1) {
		fputs("usage: oopsctl [-c FILE] reload\n", stderr);
		return EX_USAGE;
	}
	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	if (config_load(settings->path, &config, &faults) == BASE_OK) {
		status = ask_all(settings);
	} else {
		fputs(base_buffer_text(&faults), stderr);
		admin_reload_refused(settings->path);
	}
	base_buffer_free(&faults);
	config_release(&config);
	return status;
}
