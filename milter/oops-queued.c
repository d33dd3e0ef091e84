/*
 * NAME
 *	oops-queued - the only privileged program: carries out requests on held queue files
 *
 * SYNOPSIS
 *	oops-queued -c FILE [-f] [-t]
 *	oops-queued --help | --version
 *
 * DIAGNOSTICS
 *	Exits with 0 after SIGTERM, 64 for wrong arguments, 67 when mta.queue_user is nobody, 69
 *	when the socket or the MTA is not usable, 71 when it may have too few files open, 77 when it
 *	is not root, 78 for wrong settings.
 */
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/base/background.h"
#include "milter/base/log.h"
#include "milter/base/options.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/queue/queue.h"

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
	signal(SIGUSR1, SIG_IGN); /* what it reads needs a restart; see config_may_follow() */
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
user_is_there(const struct queue_settings *settings, const char *where, const char **why_r)
{
	if (!settings->has_user)
		*why_r = base_why(
		    "%smta.queue_user: no user \"%s\"", where, settings->values[QUEUE_VALUE_USER]);
	return settings->has_user;
}

/* Serves as the settings say; `ready` is of base_background_enter(), or -1. */
static int
serve(const struct queue_settings *settings, int ready)
{
	struct queue_server_options options = {
		.socket_path = settings->values[QUEUE_VALUE_SOCKET],
		.mta_kind = settings->values[QUEUE_VALUE_KIND],
		.config_directory = settings->values[QUEUE_VALUE_CONFIG_DIRECTORY],
		.command_directory = settings->values[QUEUE_VALUE_COMMAND_DIRECTORY],
		.sendmail_program = settings->values[QUEUE_VALUE_SENDMAIL_PROGRAM],
		.sendmail_config = settings->values[QUEUE_VALUE_SENDMAIL_CONFIG],
		.allowed_uid = settings->uid,
		.listening = on_listening,
		.context = &ready,
		.is_foreground = ready < 0,
	};
	const char *why = "";
	bool is_foreground = ready < 0;

	if (!user_is_there(settings, "", &why)) {
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
test(const struct queue_settings *settings, const char *file)
{
	const char *why = "";

	if (user_is_there(settings, base_why("%s: ", file), &why))
		return EX_OK;
	fprintf(stderr, "%s\n", why);
	return EX_CONFIG;
}

/* Goes where it belongs, and serves. */
static int
run(const struct queue_settings *settings, bool is_foreground)
{
	const char *why = "";
	int ready = -1;

	base_log_open("oops-queued", is_foreground);
	if (!is_foreground && base_background_enter(&ready, &why) != BASE_OK) {
		complain(why, false);
		return EX_OSERR;
	}
	catch_signals();
	if (base_files_allow(FILES_NEEDED, &why) != BASE_OK) {
		complain(why, is_foreground);
		return EX_OSERR;
	}
	return serve(settings, ready);
}

int
main(int argc, char **argv)
{
	struct base_options options;
	enum base_result read = base_options_read("oops-queued", argc, argv, &options);
	struct queue_settings settings;
	const char *why = "";

	if (read != BASE_OK)
		return base_options_code(read);
	read = queue_settings_get(options.file, &settings, &why);
	if (read == BASE_REFUSE)
		return EX_CONFIG;
	if (read != BASE_OK) {
		fprintf(stderr, "oops-queued: %s\n", why);
		return EX_OSERR;
	}
	return options.is_test ? test(&settings, options.file)
			       : run(&settings, options.is_foreground);
}
