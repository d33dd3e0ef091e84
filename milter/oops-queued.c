/*
 * NAME
 *	oops-queued - the only privileged program: carries out wishes on held queue files
 *
 * SYNOPSIS
 *	oops-queued -c FILE [-f]
 *
 * DIAGNOSTICS
 *	Exits with 0 after SIGTERM, 64 for wrong arguments, 67 when mta.queue_user is nobody, 69
 *	when the socket or the MTA is not usable, 78 for wrong settings.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/base/base.h"
#include "milter/queue/queue.h"
#include "milter/settings/settings.h"

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
}

static int
usage(void)
{
	fputs("usage: oops-queued -c FILE [-f]\n", stderr);
	return EX_USAGE;
}

/* A user's name or number as a number. */
static bool
uid_of(const char *user, unsigned *uid_r)
{
	char *end;
	unsigned long number = strtoul(user, &end, 10);
	struct passwd *entry;

	if (user[0] >= '0' && user[0] <= '9' && *end == '\0' && number < (uid_t)-1) {
		*uid_r = (unsigned)number;
		return true;
	}
	entry = getpwnam(user);
	if (entry != NULL)
		*uid_r = entry->pw_uid;
	return entry != NULL;
}

/* Serves as the settings say. */
static int
serve(const struct settings *settings)
{
	struct queue_server_options options = {
		.socket_path = settings->mta.queue_socket,
		.mta_kind = settings->mta.kind,
		.config_directory = settings->mta.config_directory,
		.command_directory = settings->mta.command_directory,
	};
	const char *why = "";

	if (!uid_of(settings->mta.queue_user, &options.allowed_uid)) {
		base_log(BASE_LOG_ERROR, "mta.queue_user: no user \"%s\"",
		    settings->mta.queue_user);
		return EX_NOUSER;
	}
	if (queue_serve(&options, &stop, &why) != BASE_OK) {
		base_log(BASE_LOG_ERROR, "%s", why);
		return EX_UNAVAILABLE;
	}
	base_log(BASE_LOG_INFO, "ended");
	return EX_OK;
}

int
main(int argc, char **argv)
{
	const char *file = NULL;
	bool is_foreground = false;
	struct settings *settings = NULL;
	int option, status;

	while ((option = getopt(argc, argv, "c:f")) != -1) {
		if (option == 'c')
			file = optarg;
		else if (option == 'f')
			is_foreground = true;
		else
			return usage();
	}
	if (file == NULL || optind != argc)
		return usage();
	settings = settings_load_or_complain(file);
	if (settings == NULL)
		return EX_CONFIG;
	catch_signals();
	base_log_open("oops-queued", is_foreground);
	if (!is_foreground && daemon(0, 0) != 0) {
		fprintf(
		    stderr, "oops-queued: cannot become a daemon: %s\n", strerror(errno));
		return EX_OSERR;
	}
	status = serve(settings);
	settings_free(&settings);
	return status;
}
