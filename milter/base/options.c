/* options - what every daemon is started with; see options.h */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "milter/base/options.h"
#include "milter/base/result.h"

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

bool
base_version_report(const char *program)
{
	return printf("%s %s\n", program, OOPS_VERSION) > 0 && fflush(stdout) == 0;
}

/* How it is called. */
static void
usage(FILE *out, const char *program)
{
	fprintf(out,
	    "usage: %s -c FILE [-f] [-t]\n"
	    "       %s --help | --version\n"
	    "  -c FILE    the settings\n"
	    "  -f         stay in the foreground\n"
	    "  -t         check the settings, tell every fault, and end\n",
	    program, program);
}

enum base_result
base_options_read(const char *program, int argc, char **argv, struct base_options *options_r)
{
	struct base_options options = { .file = NULL };
	int option;

	while ((option = getopt_long(argc, argv, "c:ft", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.file = optarg;
			break;
		case 'f':
			options.is_foreground = true;
			break;
		case 't':
			options.is_test = true;
			break;
		case 'h':
			usage(stdout, program);
			return fflush(stdout) == 0 ? BASE_NONE : BASE_BROKEN;
		case 'v':
			return base_version_report(program) ? BASE_NONE : BASE_BROKEN;
		default:
			usage(stderr, program);
			return BASE_REFUSE;
		}
	}
	if (optind != argc || options.file == NULL) {
		usage(stderr, program);
		return BASE_REFUSE;
	}
	*options_r = options;
	return BASE_OK;
}

int
base_options_code(enum base_result result)
{
	return result == BASE_NONE ? 0 : result == BASE_REFUSE ? 64 : 74;
}
