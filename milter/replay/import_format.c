/*
 * NAME
 *	replay/import_format - what a file of mail is, by its beginning
 */
#include <ctype.h>
#include <string.h>

#include "milter/base/result.h"
#include "milter/replay/internal.h"

#define IMPORT_LOOK 256        /* bytes that tell the format */
#define IMPORT_LINE (4u << 20) /* of the first line, whose tabs are counted */

static const char *const format_names[] = {
	[REPLAY_AUTO] = "auto",
	[REPLAY_TSV] = "tsv",
	[REPLAY_LOG] = "log",
	[REPLAY_MBOX] = "mbox",
	[REPLAY_MAILDIR] = "maildir",
	[REPLAY_MESSAGE] = "message",
};

#define FORMATS (sizeof(format_names) / sizeof(*format_names))

const char *
replay_format_str(enum replay_format format)
{
	return format_names[format];
}

enum base_result
replay_format_find(const char *name, enum replay_format *format_r)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (strcmp(name, format_names[i]) == 0) {
			*format_r = (enum replay_format)i;
			return BASE_OK;
		}
	return BASE_REFUSE;
}

/* How many tabs the first line has. */
static size_t
tabs_of(FILE *input)
{
	size_t count = 0, length = 0;
	int byte;

	while (length++ < IMPORT_LINE && (byte = getc_unlocked(input)) != EOF && byte != '\n')
		count += byte == '\t';
	rewind(input);
	return count;
}

/* Does a text begin with a field of a message's header? No stamp of a log has a letter there. */
static bool
is_field(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '-')
		length++;
	return isalpha((unsigned char)*text) && text[length] == ':';
}

/* Which format a file is of, by its first bytes and its first line. */
static enum replay_format
format_guess(FILE *input, const char *text)
{
	if (strncmp(text, "From ", 5) == 0)
		return REPLAY_MBOX;
	if (is_field(text))
		return REPLAY_MESSAGE;
	return tabs_of(input) == 5 ? REPLAY_TSV : REPLAY_LOG;
}

/* What unpacks a file that begins like this; NULL: it is not packed. */
static const char *
unpacker_of(const char *text, size_t length)
{
	static const struct {
		const char *magic;
		size_t length;
		const char *program;
	} packers[] = {
		{ "\x1f\x8b", 2, "zcat" },
		{ "\xfd\x37zXZ", 5, "xzcat" },
		{ "BZh", 3, "bzcat" },
		{ "\x28\xb5\x2f\xfd", 4, "zstdcat" },
	};

	for (size_t i = 0; i < sizeof(packers) / sizeof(*packers); i++)
		if (length >= packers[i].length &&
		    memcmp(text, packers[i].magic, packers[i].length) == 0)
			return packers[i].program;
	return NULL;
}

/* Looks at the beginning; the file can be rewound, a pipe cannot. */
enum base_result
replay_format_look(FILE *input, const char *name, enum replay_format *format, const char **why_r)
{
	char text[IMPORT_LOOK + 1] = "";
	const char *unpacker;
	size_t length;

	if (fseeko(input, 0, SEEK_CUR) != 0) {
		if (*format != REPLAY_AUTO)
			return BASE_OK;
		*why_r = base_why("%s: tell its format with --format", name);
		return BASE_REFUSE;
	}
	length = fread(text, 1, IMPORT_LOOK, input);
	rewind(input);
	unpacker = unpacker_of(text, length);
	if (unpacker) {
		*why_r = base_why(
		    "%s is compressed: %s it and give \"-\" with --format", name, unpacker);
		return BASE_REFUSE;
	}
	if (*format == REPLAY_AUTO)
		*format = format_guess(input, text);
	return BASE_OK;
}
