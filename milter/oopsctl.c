/*
 * NAME
 *	oopsctl - what an admin does by hand
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] COMMAND [ARGUMENT...]
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <getopt.h>
#include <unistd.h>

#include "milter/admin/admin.h"
#include "milter/audit/audit.h"
#include "milter/base/log.h"
#include "milter/base/options.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/check/check.h"

#define DEFAULT_PATH OOPS_SYSCONFDIR "/oops-milter/oops-milter.conf"

typedef int command_fn(const struct settings *settings, int argc, char **argv);

static const struct {
	const char *name;
	const char *arguments;
	const char *help;
	command_fn *run;
	bool needs_site; /* without -c: the site's own file, not the defaults */
} commands[] = {
	{ "init", "", "make the key, the state directory and the databases", admin_init, true },
	{ "check", "[--monitor]", "is everything in place, and does everybody answer?", check_site,
	    true },
	{ "adopt", "[--dry-run]", "take held mail into care that no hold watches over", admin_adopt,
	    true },
	{ "free-all", "[--dry-run] [--force] [--without-key]",
	    "free held mail by the queue files alone, except what its author stopped",
	    admin_free_all, true },
	{ "reload", "", "have the running programs take new settings", admin_reload, true },
	{ "rotate-key", "", "make a new key, and keep the old one for a while", admin_rotate_key,
	    true },
	{ "list", "[--all]", "held mail, newest first", admin_list, true },
	{ "show", "ID", "everything about one held mail", admin_show, true },
	{ "send", "ID", "send it now", admin_send, true },
	{ "undo", "ID", "do not send it", admin_undo, true },
	{ "restore", "ID", "send it after all", admin_restore, true },
	{ "storm", "list [--all] | lift ID", "storms of answers to everybody", admin_storm, true },
	{ "explain", "MESSAGE-FILE [--sender ADDRESS] [--to ADDRESS]... [--login NAME]",
	    "what the judge says about a message", admin_explain, true },
	{ "learn", "[--format FORMAT] FILE...",
	    "learn mail of the past: logs, mailboxes, histories", admin_learn, true },
	{ "forget", "ADDRESS", "take one address out of everything that is kept", admin_forget,
	    true },
	{ "policy",
	    "MESSAGE-FILE [--sender ADDRESS] [--to ADDRESS]... [--login NAME] [--client IP] "
	    "[--time UNIX-TIME]",
	    "which rule decides about a message", admin_policy, true },
	{ "backtest", "--input FILE --output FILE [--scorecard FILE] [--person]",
	    "judge and learn a history", admin_backtest, false },
	{ "train", "[--frame FILE] --output FILE HISTORY...",
	    "fit the points of a scorecard to histories", admin_train, false },
	{ "words", "", "every sentence that people read, with its name", admin_words, false },
};

/* All commands. */
static void
usage_print(FILE *out)
{
	fputs("usage: oopsctl [-c FILE] COMMAND [ARGUMENT...]\n"
	      "       oopsctl help [COMMAND] | --help | --version\n",
	    out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(out, "  %-10s %s%s(%s)\n", commands[i].name, commands[i].arguments,
		    commands[i].arguments[0] == '\0' ? "" : " ", commands[i].help);
	fputs("default for -c: " DEFAULT_PATH "\n", out);
}

/* oopsctl help [COMMAND] */
static int
help(int argc, char **argv)
{
	if (argc == 1) {
		usage_print(stdout);
		return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, argv[1]) != 0)
			continue;
		printf("usage: oopsctl [-c FILE] %s%s%s\n%s; see oopsctl(8)\n", commands[i].name,
		    commands[i].arguments[0] == '\0' ? "" : " ", commands[i].arguments,
		    commands[i].help);
		return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
	}
	usage_print(stderr);
	return EX_USAGE;
}

static int
usage(void)
{
	usage_print(stderr);
	return EX_USAGE;
}

/* The settings at a path, or the defaults; what is wrong is told here, but for `check`. */
static struct settings *
settings_for(const char *path, command_fn *run)
{
	struct settings *settings = NULL;
	struct settings_errors errors;

	if (path == NULL)
		return settings_defaults();
	if (run != check_site)
		return settings_load_or_report(path);
	(void)settings_load(path, &settings, &errors);
	settings_errors_free(&errors);
	return settings;
}

/* Runs one command by name. */
static int
command_run(const char *path, int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct settings *settings;
		int status;

		if (strcmp(commands[i].name, argv[0]) != 0)
			continue;
		if (path == NULL && commands[i].needs_site)
			path = DEFAULT_PATH;
		settings = settings_for(path, commands[i].run);
		if (settings == NULL && commands[i].run == check_site)
			return check_no_settings(path, argc, argv);
		if (settings == NULL) {
			if (commands[i].run == admin_reload)
				admin_reload_refused(path);
			return EX_CONFIG;
		}
		status = commands[i].run(settings, argc, argv);
		settings_free(&settings);
		if (fflush(stdout) != 0 && status == EX_OK)
			status = EX_IOERR;
		return status;
	}
	return usage();
}

int
main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL, *why = "";
	int option;

	while ((option = getopt_long(argc, argv, "+c:", long_options, NULL)) != -1) {
		if (option == 'v')
			return base_version_report("oopsctl") ? EX_OK : EX_IOERR;
		if (option == 'h') {
			usage_print(stdout);
			return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
		}
		if (option != 'c')
			return usage();
		path = optarg;
	}
	if (optind == argc)
		return usage();
	if (strcmp(argv[optind], "help") == 0)
		return help(argc - optind, argv + optind);
	if (base_crypto_start(&why) != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return EX_SOFTWARE;
	}
	base_log_open("oopsctl", false); /* what it moves is audited in the system's log */
	audit_operator_note();
	return command_run(path, argc - optind, argv + optind);
}
