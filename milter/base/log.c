/* log - the operational log: syslog, and standard error in the foreground; see log.h */
#include "milter/base/buffer.h"
#include "milter/base/log.h"
#include "milter/base/quote.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_LINE_BYTES 8192

/*
 * The destination. One per process, like syslog's own: set once by base_log_open() before
 * any thread starts, only read afterwards.
 */
static struct {
	const char *program;
	bool to_syslog;
	bool to_stderr;
} log_to = { .to_stderr = true };

static const struct {
	const char *name;
	int priority;
} log_levels[] = {
	[BASE_LOG_ERROR] = { "error", LOG_ERR },
	[BASE_LOG_WARNING] = { "warning", LOG_WARNING },
	[BASE_LOG_INFO] = { "info", LOG_INFO },
	[BASE_LOG_DEBUG] = { "debug", LOG_DEBUG },
};

void
base_log_open(const char *program, bool foreground)
{
	log_to.program = program;
	log_to.to_syslog = true;
	log_to.to_stderr = foreground;
	openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

/* "program: [level: ]text" to standard error by one write, so that lines never mix. */
static void
log_stderr(const char *level, const char *text)
{
	char line[LOG_LINE_BYTES];
	const char *program = log_to.program;
	int length;
	ssize_t put;

	if (program == NULL)
		program = program_invocation_short_name;
	length = snprintf(
	    line, sizeof(line) - 1, "%s: %s%s%s", program, level, *level == '\0' ? "" : ": ", text);
	if (length < 0)
		return;
	if ((size_t)length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	do
		put = write(STDERR_FILENO, line, (size_t)length);
	while (put < 0 && errno == EINTR);
}

void
base_log(enum base_log_level level, const char *format, ...)
{
	char text[LOG_LINE_BYTES];
	struct base_buffer line;
	va_list args;
	int saved = errno;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	base_buffer_init(&line, sizeof(text));
	base_quote_line(&line, text, sizeof(text));
	if (log_to.to_syslog)
		syslog(log_levels[level].priority, "%s: %s", log_levels[level].name,
		    base_buffer_text(&line));
	if (log_to.to_stderr)
		log_stderr(log_levels[level].name, base_buffer_text(&line));
	base_buffer_free(&line);
	errno = saved;
}

void
base_log_event(const char *line)
{
	int saved = errno;

	if (log_to.to_syslog)
		syslog(LOG_NOTICE, "%s", line);
	if (log_to.to_stderr)
		log_stderr("", line);
	errno = saved;
}
