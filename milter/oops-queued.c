/*
 * NAME
 *	oops-queued - the only privileged program: carries out wishes on held queue files
 *
 * SYNOPSIS
 *	oops-queued -c FILE [-f] [-t]
 *	oops-queued --help | --version
 *
 * DIAGNOSTICS
 *	Exits with 0 after SIGTERM, 64 for wrong arguments, 67 when mta.queue_user is nobody, 69
 *	when the socket or the MTA is not usable, 71 when it may have too few files open, 77 when it is not root, 78 for wrong settings.
 */
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/base/base.h"
#include "milter/queue/queue.h"
#include "milter/settings/settings.h"

#define FILES_NEEDED 32 /* one connection at a time, queue files, the MTA's tools */

/* Set by the signal handler, which can be told nothing else. */
static volatile int stop;

static void
on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* SIGTERM and SIGINT end the program after the request it is in; no call is restarted. */
static void
catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN); /* what it reads needs a restart; see site_may_follow() */
}

/* What goes wrong on the way to the background must be seen on the terminal, too. */
static void
complain(const char *why, bool is_foreground)
{
	base_log(BASE_LOG_ERROR, "%s", why);
	if (!is_foreground)
		fprintf(stderr, "oops-queued: %s\n", why);
}

/* The socket is there: whoever started the program may go on. */
static void
on_listening(void *context)
{
	int *ready = context;
	const char *why;

	if (*ready >= 0 && base_background_ready(*ready, &why) != BASE_OK)
		base_log(BASE_LOG_WARNING, "%s", why);
	*ready = -1;
}

/* Whom alone we answer; what is wrong with that is told as `where`. */
static bool
user_find(const struct settings *settings, const char *where, unsigned *uid_r,
    const char **why_r)
{
	if (base_user_number(settings->mta.queue_user, uid_r) == BASE_OK)
		return true;
	*why_r = base_why(
	    "%smta.queue_user: no user \"%s\"", where, settings->mta.queue_user);
	return false;
}

/* Serves as the settings say; `ready` is of base_background_enter(), or -1. */
static int
serve(const struct settings *settings, int ready)
{
	struct queue_server_options options = {
		.socket_path = settings->mta.queue_socket,
		.mta_kind = settings->mta.kind,
		.config_directory = settings->mta.config_directory,
		.command_directory = settings->mta.command_directory,
		.sendmail_program = settings->mta.sendmail_program,
		.sendmail_config = settings->mta.sendmail_config,
		.listening = on_listening,
		.context = &ready,
	};
	const char *why = "";
	bool is_foreground = ready < 0;

	if (!user_find(settings, "", &options.allowed_uid, &why)) {
		complain(why, is_foreground);
		return EX_NOUSER;
	}
	if (geteuid() != 0) {
		complain("must be started as root: nobody else may touch the MTA's queue",
		    is_foreground);
		return EX_NOPERM;
	}
	if (queue_serve(&options, &stop, &why) != BASE_OK) {
		complain(why, is_foreground);
		return EX_UNAVAILABLE;
	}
	base_log(BASE_LOG_INFO, "ended");
	return EX_OK;
}

/* -t: the settings were read already; is there whom they name? */
static int
test(const struct settings *settings, const char *file)
{
	const char *why = "";
	unsigned uid;

	if (user_find(settings, base_why("%s: ", file), &uid, &why))
		return EX_OK;
	fprintf(stderr, "%s\n", why);
	return EX_CONFIG;
}

int
main(int argc, char **argv)
{
	struct base_options options;
	enum base_result read = base_options_read("oops-queued", argc, argv, &options);
	struct settings *settings;
	int status, ready = -1;
	const char *why = "";

	if (read != BASE_OK)
		return base_options_code(read);
	settings = settings_load_or_complain(options.file);
	if (settings == NULL)
		return EX_CONFIG;
	if (options.is_test) {
		status = test(settings, options.file);
		settings_free(&settings);
		return status;
	}
	base_log_open("oops-queued", options.is_foreground);
	if (!options.is_foreground && base_background_enter(&ready, &why) != BASE_OK) {
		complain(why, false);
		return EX_OSERR;
	}
	catch_signals();
	if (base_files_allow(FILES_NEEDED, &why) == BASE_OK) {
		status = serve(settings, ready);
	} else {
		complain(why, options.is_foreground);
		status = EX_OSERR;
	}
	settings_free(&settings);
	return status;
}
