/*
 * NAME
 *	base/log - the operational log, which is not the audit
 *
 * THREADS
 *	Any, once it is open.
 */
#ifndef OOPS_BASE_LOG_H
#define OOPS_BASE_LOG_H

#include <stdbool.h>

enum base_log_level { BASE_LOG_ERROR, BASE_LOG_WARNING, BASE_LOG_INFO, BASE_LOG_DEBUG };

/*
 * To syslog (facility mail) under `program`, and, in the foreground, to standard error as
 * "program: level: text" as well. Call once, before any thread starts. Before that, and in
 * programs that never call it, lines go to standard error.
 */
void base_log_open(const char *program, bool foreground);
void base_log(enum base_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line that audit made, to the same places, as "program: line" in the foreground. */
void base_log_event(const char *line);

#endif
