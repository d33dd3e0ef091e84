/* oops-web: the pages behind the links; a click only records a wish. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/base.h"
#include "milter/hold/hold.h"
#include "milter/settings/settings.h"
#include "milter/web/web.h"

#define PATIENCE                                                                           \
	30 /* seconds: oops-milter, which makes the database, may start after us  \
		     */

static int
usage(void)
{
	fputs("usage: oops-web -c FILE [-f]\n", stderr);
	return EX_USAGE;
}

/* The signals that end us are waited for, never delivered: no thread is interrupted. */
static void
block_signals(sigset_t *ends_r)
{
	sigemptyset(ends_r);
	sigaddset(ends_r, SIGTERM);
	sigaddset(ends_r, SIGINT);
	pthread_sigmask(SIG_BLOCK, ends_r, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
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
open_hold(
    const struct settings *settings, const sigset_t *ends, int ready, struct hold **hold_r)
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
			base_log(BASE_LOG_WARNING, "%s; trying again for %d seconds", why,
			    PATIENCE);
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

/* Serves until a signal ends it. */
static int
serve(const struct settings *settings, const sigset_t *ends, int ready)
{
	struct hold *hold = NULL;
	struct web *web = NULL;
	const char *why = "";
	int number, status = EX_UNAVAILABLE;

	switch (open_hold(settings, ends, ready, &hold)) {
	case BASE_OK:
		break;
	case BASE_NONE:
		return EX_OK;
	default:
		return EX_UNAVAILABLE;
	}
	if (web_start(settings, hold, &web, &why) != BASE_OK) {
		complain(ready, why);
	} else if (is_announced(settings, web, ready)) {
		sigwait(ends, &number);
		base_log(BASE_LOG_INFO, "ended");
		status = EX_OK;
	}
	web_stop(&web);
	hold_close(&hold);
	return status;
}

/* With the settings read: what every program does, then serve. */
static int
run(const struct settings *settings, bool is_foreground)
{
	const char *why = "";
	int ready = -1;
	sigset_t ends;

	base_log_open("oops-web", is_foreground);
	if (!is_foreground && base_background_enter(&ready, &why) != BASE_OK) {
		fprintf(stderr, "oops-web: %s\n", why);
		return EX_OSERR;
	}
	block_signals(&ends);
	if (base_crypto_start(&why) != BASE_OK) {
		complain(ready, why);
		return EX_OSERR;
	}
	return serve(settings, &ends, ready);
}

int
main(int argc, char **argv)
{
	const char *file = NULL;
	bool is_foreground = false;
	struct settings *settings;
	int option, status;

	while ((option = getopt(argc, argv, "c:f")) != -1) {
		if (option == 'c')
			file = optarg;
		else if (option == 'f')
			is_foreground = true;
		else
			return usage();
	}
	if (!file || optind != argc)
		return usage();
	settings = settings_load_or_complain(file);
	if (!settings)
		return EX_CONFIG;
	status = run(settings, is_foreground);
	settings_free(&settings);
	return status;
}
