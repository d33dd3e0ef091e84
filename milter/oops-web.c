/*
 * oops-web: the pages behind the links; a click only records a request. SIGUSR1 reads the settings
 * again; if anything is wrong, the old stay in force. Started as root it becomes web.user first,
 * with -t, too, which checks the settings and ends.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "milter/base/background.h"
#include "milter/base/buffer.h"
#include "milter/base/file.h"
#include "milter/base/log.h"
#include "milter/base/options.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/base/run.h"
#include "milter/base/user.h"
#include "milter/hold/hold.h"
#include "milter/settings/settings.h"
#include "milter/config/reload.h"
#include "milter/config/role.h"
#include "milter/config/config.h"
#include "milter/web/web.h"

/* seconds: oops-milter, which makes the database, may start after us */
#define PATIENCE 30

#define PROGRAM "oops-web"

#define FILES_NEEDED (WEB_MAX_CONNECTIONS + 64) /* the database and what waits to be refused */

/* What runs, and by what. */
struct program {
	char *file; /* of the settings */
	struct settings *settings;
	struct words_templates *templates;
	struct hold *hold;
	struct web *web;
	struct base_run *run;
};

/* The signals are waited for, never delivered: no thread is interrupted. */
static void
block_signals(sigset_t *ends_r)
{
	sigset_t reload;

	sigemptyset(&reload);
	sigaddset(&reload, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &reload, NULL);
	sigemptyset(ends_r);
	sigaddset(ends_r, SIGTERM);
	sigaddset(ends_r, SIGINT);
	pthread_sigmask(SIG_BLOCK, ends_r, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Why we end: to the log and, while somebody waits at the terminal, there too. */
static void
complain(int ready, const char *why)
{
	base_log(BASE_LOG_ERROR, "%s", why);
	if (ready >= 0)
		fprintf(stderr, "oops-web: %s\n", why);
}

/* Opens the held mail, with patience. NONE: told to end meanwhile. */
static enum base_result
open_hold(const struct settings *settings, const sigset_t *ends, int ready, struct hold **hold_r)
{
	const struct hold_options options = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.node = settings->node };
	const struct timespec second = { .tv_sec = 1 };
	enum base_result result;
	const char *why = "";
	int tries;

	for (tries = 0; tries < PATIENCE; tries++) {
		result = hold_open(&options, hold_r, &why);
		if (result == BASE_OK)
			return result;
		if (!tries)
			base_log(
			    BASE_LOG_WARNING, "%s; trying again for %d seconds", why, PATIENCE);
		if (sigtimedwait(ends, NULL, &second) > 0)
			return BASE_NONE;
	}
	complain(ready, why);
	return result;
}

/* Says that we serve; in the background, to the terminal that waits as well. */
static bool
is_announced(const struct settings *settings, const struct web *web, int ready)
{
	const char *why = "";

	base_log(BASE_LOG_INFO, "pages at %s port %u, links start with %s",
	    settings->web.listen_host, web_port(web), settings->web.base_url);
	if (ready < 0 || base_background_ready(ready, &why) == BASE_OK)
		return true;
	complain(ready, why);
	return false;
}

/* Takes new settings if they are good, and tells what became of them. */
static void
reload(struct program *program)
{
	struct settings *next = NULL;
	struct words_templates *templates = NULL;
	struct base_buffer faults;
	bool is_taken;

	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	is_taken = config_settings_load(program->file, &next, &faults) == BASE_OK &&
		   config_may_follow(program->settings, next, &faults) &&
		   config_templates_load(next, &templates, &faults) == BASE_OK;
	if (is_taken) {
		web_change(program->web, next, templates);
		settings_free(&program->settings);
		program->settings = next;
		words_templates_free(&program->templates);
		program->templates = templates;
	} else {
		settings_free(&next);
	}
	config_reload_report(
	    program->run, PROGRAM, program->file, is_taken, base_buffer_text(&faults));
	base_buffer_free(&faults);
}

/* Waits for a signal that ends us; each SIGUSR1 before it reloads. */
static void
wait_for_end(struct program *program, const sigset_t *ends)
{
	sigset_t taken = *ends;
	int number = 0;

	sigaddset(&taken, SIGUSR1);
	while (sigwait(&taken, &number) != 0 || number == SIGUSR1)
		if (number == SIGUSR1)
			reload(program);
}

/* Serves until a signal ends it. */
static int
serve(struct program *program, const sigset_t *ends, int ready)
{
	const char *why = "";
	int status = EX_UNAVAILABLE;

	switch (open_hold(program->settings, ends, ready, &program->hold)) {
	case BASE_OK:
		break;
	case BASE_NONE:
		return EX_OK;
	default:
		return EX_UNAVAILABLE;
	}
	if (web_start(program->settings, program->templates, program->hold, &program->web, &why) !=
	    BASE_OK) {
		complain(ready, why);
	} else if (is_announced(program->settings, program->web, ready)) {
		program->run = config_run_open(
		    program->settings->state_directory, CONFIG_RUN_WEB, PROGRAM, program->file);
		wait_for_end(program, ends);
		base_log(BASE_LOG_INFO, "ended");
		status = EX_OK;
	}
	base_run_close(&program->run);
	web_stop(&program->web);
	hold_close(&program->hold);
	return status;
}

/* With the settings read: what every program does, then serve. */
static int
run(struct program *program, bool is_foreground)
{
	const char *why = "";
	int ready = -1;
	sigset_t ends;

	base_log_open(PROGRAM, is_foreground);
	if (!is_foreground && base_background_enter(&ready, &why) != BASE_OK) {
		fprintf(stderr, "oops-web: %s\n", why);
		return EX_OSERR;
	}
	block_signals(&ends);
	if (base_files_allow(FILES_NEEDED, &why) != BASE_OK) {
		complain(ready, why);
		return EX_OSERR;
	}
	if (base_crypto_start(&why) != BASE_OK) {
		complain(ready, why);
		return EX_OSERR;
	}
	return serve(program, &ends, ready);
}

/* Reads the site's own sentences; if they are wrong, says so at the terminal. */
static bool
are_templates_read(struct program *program)
{
	struct base_buffer faults;
	bool is_read;

	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	is_read = config_templates_load(program->settings, &program->templates, &faults) == BASE_OK;
	fputs(base_buffer_text(&faults), stderr);
	base_buffer_free(&faults);
	return is_read;
}

int
main(int argc, char **argv)
{
	struct program program = { 0 };
	struct base_options options;
	enum base_result read = base_options_read(PROGRAM, argc, argv, &options);
	int status = EX_CONFIG;

	if (read != BASE_OK)
		return base_options_code(read);
	program.file = base_path_absolute(options.file);
	if (program.file && config_role_enter(PROGRAM, program.file, config_role_web, &status))
		program.settings = settings_load_or_report(options.file);
	if (program.settings && are_templates_read(&program))
		status = options.is_test ? EX_OK : run(&program, options.is_foreground);
	words_templates_free(&program.templates);
	settings_free(&program.settings);
	free(program.file);
	return status;
}
