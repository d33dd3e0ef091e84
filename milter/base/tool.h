/*
 * NAME
 *	base/tool - other programs, run with a time limit
 */
#ifndef OOPS_BASE_TOOL_H
#define OOPS_BASE_TOOL_H

#include "milter/base/result.h"

#define BASE_TOOL_MS 20000 /* nothing runs longer */

/* A piece of a program's output, in order. */
typedef void base_output_fn(void *context, const char *data, size_t length);

struct base_tool {
	const char *path;        /* absolute */
	const char *const *argv; /* NULL-terminated */
	const char *input;       /* standard input; NULL: nothing */
	base_output_fn *output;  /* standard output; NULL: thrown away */
	void *context;
	bool with_errors; /* standard error goes to `output` too, else it is thrown away */
	int64_t deadline; /* of base_tick_ms(): it is killed then, or after BASE_TOOL_MS */
};

/*
 * Runs a program without a shell, in a process group of its own, with PATH and LC_ALL=C as its
 * whole environment and nothing open but the standard streams. OK: it ended by itself, with
 * *exit_r. RETRY: killed, with all of its group. BROKEN: cannot be run.
 */
enum base_result base_tool_run(const struct base_tool *tool, int *exit_r, const char **why_r);

#endif
