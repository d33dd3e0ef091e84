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
#include <unistd.h>

#include "milter/oopsctl.h"

static const struct {
	const char *name;
	int (*run)(const struct settings *settings, int argc, char **argv);
	bool needs_site; /* without -c there is nothing to do */
} commands[] = {
	{ "backtest", oopsctl_backtest, false },
};

/* The names of all commands. */
static int
usage(void)
{
	fputs("usage: oopsctl [-c FILE] COMMAND [ARGUMENT...]\ncommands:", stderr);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(stderr, " %s", commands[i].name);
	fputs("\n", stderr);
	return EX_USAGE;
}

/* The settings of a file, or the defaults; NULL when they are wrong, and why is printed. */
static struct settings *
settings_get(const char *path)
{
	return path != NULL ? settings_load_or_complain(path) : settings_defaults();
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
		if (commands[i].needs_site && !path)
			return usage();
		settings = settings_get(path);
		if (!settings)
			return EX_CONFIG;
		status = commands[i].run(settings, argc, argv);
		settings_free(&settings);
		return status;
	}
	return usage();
}

int
main(int argc, char **argv)
{
	const char *path = NULL, *why = "";
	int option;

	while ((option = getopt(argc, argv, "+c:")) != -1) {
		if (option != 'c')
			return usage();
		path = optarg;
	}
	if (optind == argc)
		return usage();
	if (base_crypto_start(&why) != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return EX_SOFTWARE;
	}
	return command_run(path, argc - optind, argv + optind);
}
