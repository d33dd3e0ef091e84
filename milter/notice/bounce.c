/*
 * bounce - would the MTA's own bounce bring a mail back whole? see internal.h
 */
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"
#include "milter/notice/internal.h"

#define BOUNCE_MARGIN 10000          /* bytes that an envelope of many recipients may need */
#define BOUNCE_MAX_CONFIG (4u << 20) /* bytes of a sendmail.cf */

/* A base_output_fn that fills a buffer. */
static void
keep(void *buffer, const char *data, size_t length)
{
	base_buffer_append(buffer, data, length);
}

/* Postfix returns the header alone beyond bounce_size_limit. */
static bool
postfix_fits(const struct settings *settings, size_t length)
{
	const char *argv[] = { "postconf", "-c", settings->mta.config_directory, "-h",
		"bounce_size_limit", NULL };
	struct base_buffer path, limit;
	struct base_tool tool = { .argv = argv,
		.output = keep,
		.context = &limit,
		.deadline = base_tick_ms() + BASE_TOOL_MS };
	const char *why = "";
	int status = -1;
	bool fits = false;

	base_buffer_init(&path, 4096);
	base_buffer_init(&limit, 100);
	if (base_buffer_printf(&path, "%s/postconf", settings->mta.command_directory)) {
		tool.path = base_buffer_text(&path);
		fits = base_tool_run(&tool, &status, &why) == BASE_OK && status == 0 &&
		       length + BOUNCE_MARGIN <= strtoull(base_buffer_text(&limit), NULL, 10);
	}
	base_buffer_free(&limit);
	base_buffer_free(&path);
	return fits;
}

/* Sendmail returns all of it, unless PrivacyOptions say "nobodyreturn". */
static bool
sendmail_fits(const struct settings *settings)
{
	struct base_arena *arena = base_arena_new(2 * BOUNCE_MAX_CONFIG);
	const char *why = "", *line;
	size_t length, end;
	bool fits = false;
	char *text;

	if (arena != NULL && base_file_read(arena, settings->mta.sendmail_config, BOUNCE_MAX_CONFIG,
				 &text, &length, &why) == BASE_OK) {
		fits = true;
		for (line = text; *line != '\0'; line += end + (line[end] == '\n')) {
			end = strcspn(line, "\n");
			if (strncmp(line, "O PrivacyOptions=", 17) == 0 &&
			    memmem(line, end, "nobodyreturn", 12) != NULL)
				fits = false;
		}
	}
	base_arena_free(&arena);
	return fits;
}

bool
notice_bounce_fits(const struct settings *settings, size_t length)
{
	if (strcmp(settings->mta.kind, "postfix") == 0)
		return postfix_fits(settings, length);
	return sendmail_fits(settings);
}
