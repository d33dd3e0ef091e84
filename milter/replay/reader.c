/*
 * NAME
 *	replay/reader - one send a line
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/interrupt.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/replay/replay.h"

#define READER_FIELDS 6
#define READER_MAX_LINE (4u << 20) /* bytes */
#define READER_FIRST_CAPACITY 256  /* bytes, doubled as need be */
#define READER_MAX_ADDRESS 320     /* bytes */
#define READER_MAX_TIME UINT32_MAX

struct replay_reader {
	FILE *input;
	const char *name;
	size_t number;
	char *line;
	size_t capacity;
	const char **why_r;
};

#define MALFORMED(reader, ...)                                                                     \
	(*(reader)->why_r = reader_why(reader, base_why(__VA_ARGS__)), BASE_REFUSE)

static const char *
reader_why(const struct replay_reader *reader, const char *text)
{
	return base_why("%s:%zu: %s", reader->name, reader->number, text);
}

struct replay_reader *
replay_reader_new(FILE *input, const char *name)
{
	struct replay_reader *reader = calloc(1, sizeof(*reader));

	if (reader) {
		reader->input = input;
		reader->name = name;
	}
	return reader;
}

void
replay_reader_free(struct replay_reader **reader)
{
	if (!*reader)
		return;
	free((*reader)->line);
	free(*reader);
	*reader = NULL;
}

/* Cuts a line at its tabs; how many fields there are. */
static size_t
fields_cut(char *line, char *fields[READER_FIELDS])
{
	size_t count = 0;

	for (char *at = line; at; count++) {
		char *tab = strchr(at, '\t');

		if (count < READER_FIELDS)
			fields[count] = at;
		if (tab)
			*tab++ = '\0';
		at = tab;
	}
	return count;
}

/* Seconds since 1970, digits only. */
static bool
time_parse(const char *text, int64_t *time_r)
{
	size_t digits = strspn(text, "0123456789");
	int64_t value;

	if (digits == 0 || digits > 12 || text[digits])
		return false;
	value = strtoll(text, NULL, 10);
	if (value > READER_MAX_TIME)
		return false;
	*time_r = value;
	return true;
}

/* An address: visible bytes, not too many; "-" is none. ASCII letters become lower case. */
static bool
word_normal(char *word)
{
	size_t length = strlen(word);

	if (length == 0 || length > READER_MAX_ADDRESS || strcmp(word, "-") == 0)
		return false;
	for (char *at = word; *at; at++) {
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return false;
		if (*at >= 'A' && *at <= 'Z')
			*at += 'a' - 'A';
	}
	return true;
}

/* Recipients with commas between. */
static enum base_result
recipients_parse(
    struct replay_reader *reader, struct base_arena *arena, char *text, struct mail_addresses *set)
{
	size_t count = 1;

	for (const char *at = text; *at; at++)
		count += *at == ',';
	set->capacity = count < MAIL_MAX_RECIPIENTS ? count : MAIL_MAX_RECIPIENTS;
	set->items = base_arena_array(arena, set->capacity, sizeof(*set->items));
	if (!set->items) {
		*reader->why_r = base_why("no memory for %zu recipients", count);
		return BASE_BROKEN;
	}
	for (char *word = text, *comma; word; word = comma) {
		comma = strchr(word, ',');
		if (comma)
			*comma++ = '\0';
		if (!word_normal(word))
			return MALFORMED(reader, "recipient \"%.80s\" is no address", word);
		set->seen++;
		if (set->count < set->capacity)
			set->items[set->count++] = word;
		else
			set->capped = true;
	}
	return BASE_OK;
}

/* An id as the daemon keeps it: the angle brackets that it stands in do not belong to it. */
static char *
id_bare(char *text)
{
	size_t length = strlen(text);

	if (length < 2 || text[0] != '<' || text[length - 1] != '>')
		return text;
	text[length - 1] = '\0';
	return text + 1;
}

/* A message id, or "-" for none. */
static enum base_result
id_parse(struct replay_reader *reader, char *text, const char *field, const char **id_r)
{
	if (strcmp(text, "-") == 0) {
		*id_r = "";
		return BASE_OK;
	}
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ')
			return MALFORMED(reader, "%s holds a control character", field);
	text = id_bare(text);
	if (*text == '\0')
		return MALFORMED(reader, "%s is empty (\"-\" for none)", field);
	*id_r = text;
	return BASE_OK;
}

/* A transaction of a line: one address is who sent it and who it is from. */
static struct mail_transaction *
transaction_new(struct base_arena *arena, int64_t time, const char *sender)
{
	struct mail_transaction *transaction = mail_transaction_new(arena, time);

	if (transaction)
		transaction->envelope_sender = transaction->from = sender;
	return transaction;
}

/* The fields of one line. */
static enum base_result
fields_parse(
    struct replay_reader *reader, struct base_arena *arena, char **fields, struct replay_line *line)
{
	enum base_result result;
	int64_t time = 0;

	if (!time_parse(fields[0], &time))
		return MALFORMED(reader, "time \"%.40s\" is not seconds since 1970", fields[0]);
	if (!word_normal(fields[1]))
		return MALFORMED(reader, "sender \"%.80s\" is no address", fields[1]);
	line->is_probe = strcmp(fields[5], "probe") == 0;
	if (!line->is_probe && strcmp(fields[5], "send") != 0)
		return MALFORMED(reader, "mode \"%.40s\" is neither send nor probe", fields[5]);
	line->transaction = transaction_new(arena, time, fields[1]);
	if (!line->transaction) {
		*reader->why_r = base_why("no memory for a line");
		return BASE_BROKEN;
	}
	result = recipients_parse(reader, arena, fields[2], &line->transaction->recipients);
	if (result == BASE_OK)
		result = id_parse(reader, fields[3], "message id", &line->transaction->message_id);
	if (result == BASE_OK)
		result =
		    id_parse(reader, fields[4], "in-reply-to", &line->transaction->in_reply_to);
	return result;
}

/* Is there room for one more byte of the line and its NUL? */
static bool
line_grow(struct replay_reader *reader, size_t length)
{
	size_t capacity = reader->capacity > 0 ? 2 * reader->capacity : READER_FIRST_CAPACITY;
	char *line;

	if (length + 1 < reader->capacity)
		return true;
	line = realloc(reader->line, capacity);
	if (line == NULL)
		return false;
	reader->line = line;
	reader->capacity = capacity;
	return true;
}

/* As getline(); but of a line that is too long only so much as tells that it is. */
static ssize_t
line_get(struct replay_reader *reader)
{
	size_t length = 0;
	int byte;

	while ((byte = getc_unlocked(reader->input)) != EOF) {
		if (!line_grow(reader, length))
			return -1;
		reader->line[length++] = (char)byte;
		if (byte == '\n' || length > READER_MAX_LINE + 1)
			break;
	}
	if (length == 0 || ferror(reader->input))
		return -1;
	reader->line[length] = '\0';
	return (ssize_t)length;
}

/* Reads one line of text, without its newline, into the reader's own memory. */
static enum base_result
text_next(struct replay_reader *reader, size_t *length_r)
{
	ssize_t length;

	errno = 0;
	length = line_get(reader);
	if (base_interrupted() != 0) {
		*reader->why_r =
		    base_why("%s: told to end after line %zu", reader->name, reader->number);
		return BASE_RETRY;
	}
	if (length < 0 && feof(reader->input))
		return BASE_NONE;
	reader->number++;
	if (length < 0) {
		*reader->why_r = base_why("%s: cannot read: %s", reader->name, strerror(errno));
		return BASE_BROKEN;
	}
	if (length > 0 && reader->line[length - 1] == '\n')
		reader->line[--length] = '\0';
	if ((size_t)length > READER_MAX_LINE)
		return MALFORMED(reader, "longer than %u bytes", READER_MAX_LINE);
	if (memchr(reader->line, '\0', (size_t)length))
		return MALFORMED(reader, "a NUL byte");
	if (length > 0 && reader->line[length - 1] == '\r')
		return MALFORMED(reader, "a carriage return at its end");
	*length_r = (size_t)length;
	return BASE_OK;
}

/* The next line as a transaction. */
enum base_result
replay_reader_next(struct replay_reader *reader, struct base_arena *arena,
    struct replay_line *line_r, const char **why_r)
{
	char *fields[READER_FIELDS], *copy;
	struct replay_line line = { 0 };
	size_t length = 0, count;
	enum base_result result;

	reader->why_r = why_r;
	result = text_next(reader, &length);
	if (result != BASE_OK)
		return result;
	copy = base_arena_strndup(arena, reader->line, length);
	if (!copy) {
		*why_r = base_why("no memory for a line of %zu bytes", length);
		return BASE_BROKEN;
	}
	count = fields_cut(copy, fields);
	if (count != READER_FIELDS)
		return MALFORMED(
		    reader, "%zu fields instead of %d with tabs between", count, READER_FIELDS);
	line.number = reader->number;
	result = fields_parse(reader, arena, fields, &line);
	if (result == BASE_OK)
		*line_r = line;
	return result;
}
