/*
 * body_text - the text that a person reads first, out of the start of a body; see mail.h
 *
 * MIME as RFC 2045 and 2046 have it, and what real mail makes of it: what cannot be read is
 * passed over, and what is cut off ends there.
 */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/internal.h"

#include <string.h>
#include <strings.h>

#define MAX_DEPTH 8     /* of parts within parts */
#define MAX_PARTS 100   /* looked at in one body */
#define MAX_BOUNDARY 70 /* bytes, RFC 2046 5.1.1 */
#define MAX_CHARSET 40  /* bytes */

/* --- a field's value ------------------------------------------------------------------- */

/* The end of a parameter's value: at the next ';' that is in no quoted string. */
static const char *
value_end(const char *at)
{
	bool is_quoted = false;

	for (; *at != '\0' && (is_quoted || *at != ';'); at++) {
		if (*at == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && *at == '\\' && at[1] != '\0')
			at++;
	}
	return at;
}

/* Copies a token or a quoted string. */
static void
value_copy(const char *at, const char *end, char *text_r, size_t size)
{
	bool is_quoted = at < end && *at == '"';
	size_t length = 0;

	for (at += is_quoted; at < end && length + 1 < size; at++) {
		if (is_quoted ? *at == '"' : mail_is_space(*at) || *at == '(')
			break;
		if (is_quoted && *at == '\\' && at + 1 < end)
			at++;
		text_r[length++] = *at;
	}
	text_r[length] = '\0';
}

/* Cuts what RFC 2231 4 puts before a value: charset'language'. */
static void
extended_cut(char *text)
{
	char *first = strchr(text, '\''), *second = first ? strchr(first + 1, '\'') : NULL;

	if (second != NULL)
		memmove(text, second + 1, strlen(second + 1) + 1);
}

/* Is this the parameter's name, in one piece or the first of several (RFC 2231 3)? */
static bool
is_parameter(const char *at, const char *name, bool *is_extended_r, const char **value_r)
{
	size_t length = strlen(name), mark;

	if (strncasecmp(at, name, length) != 0)
		return false;
	at += length;
	mark = strspn(at, "*0");
	*is_extended_r = mark > 0 && at[mark - 1] == '*';
	at += mark;
	at += strspn(at, " \t\r\n");
	*value_r = at + 1;
	return *at == '=';
}

/* A parameter of a field (RFC 2045 5.1), cut to `size`; "" when there is none. */
static void
parameter_read(const char *value, const char *name, char *text_r, size_t size)
{
	const char *at = value_end(value), *found;
	bool is_extended;

	text_r[0] = '\0';
	for (; *at == ';'; at = value_end(at)) {
		at += 1 + strspn(at + 1, " \t\r\n");
		if (!is_parameter(at, name, &is_extended, &found))
			continue;
		found += strspn(found, " \t\r\n");
		value_copy(found, value_end(found), text_r, size);
		if (is_extended)
			extended_cut(text_r);
		return;
	}
}

/* --- one part --------------------------------------------------------------------------- */

struct part {
	struct base_arena *arena;
	const char *type, *encoding, *disposition; /* values of its fields, "" for none */
	const char *data, *end;
};

/* Finds the text while parts are looked at. */
struct finder {
	unsigned parts;
	struct base_buffer *out; /* UTF-8, what was found last */
	struct part html;        /* the first of that kind; data NULL: there was none */
};

/* Takes the fields that tell what a part is. */
static enum base_result
part_field(void *context, const char *name, const char *value)
{
	struct part *part = context;
	const char **field = NULL;

	if (strcasecmp(name, "Content-Type") == 0)
		field = &part->type;
	else if (strcasecmp(name, "Content-Transfer-Encoding") == 0)
		field = &part->encoding;
	else if (strcasecmp(name, "Content-Disposition") == 0)
		field = &part->disposition;
	if (field == NULL || **field != '\0')
		return BASE_OK;
	value = base_arena_strndup(part->arena, value, MAIL_MAX_TYPE);
	if (value != NULL)
		*field = value;
	return BASE_OK;
}

/* A part's header, which may be empty. */
static struct part
part_parse(struct base_arena *arena, const char *data, const char *end)
{
	struct part part = { arena, "", "", "", data, end };
	const char *why;
	size_t body;

	if (data < end && *data == '\n')
		part.data = data + 1;
	else if (end - data >= 2 && memcmp(data, "\r\n", 2) == 0)
		part.data = data + 2;
	else if (mail_message_each_field(
		     data, (size_t)(end - data), part_field, &part, &body, &why) == BASE_OK)
		part.data = data + body;
	return part;
}

/* Does a value begin with this, comments and white space left out? */
static bool
has_word(const char *value, const char *word)
{
	return strncasecmp(mail_value_begin(value), word, strlen(word)) == 0;
}

/* Is there anything to see in a text? */
static bool
is_blank(const struct base_buffer *text)
{
	for (size_t i = 0; i < text->length; i++)
		if (strchr(" \t\r\n", text->data[i]) == NULL)
			return false;
	return true;
}

/* Bytes as UTF-8. Those that are no ASCII, and are said to be, are what old programs wrote. */
static void
characters_append(
    const struct part *part, const char *bytes, size_t length, struct base_buffer *out)
{
	char charset[MAX_CHARSET + 1];
	struct base_buffer text;

	parameter_read(part->type, "charset", charset, sizeof(charset));
	base_buffer_init(&text, MAIL_MAX_TEXT);
	mail_charset_append(&text, charset[0] == '\0' ? "us-ascii" : charset, bytes, length);
	if (base_is_utf8(base_buffer_text(&text), text.length))
		base_buffer_append(out, base_buffer_text(&text), text.length);
	else if (has_word(charset, "utf")) /* cut within a character, or malformed */
		mail_charset_append(out, "x-utf-8", text.data, text.length);
	else
		mail_charset_append(out, "iso-8859-1", text.data, text.length);
	base_buffer_free(&text);
}

/* The text of a part as it was before it was encoded, in UTF-8. */
static void
part_decode(const struct part *part, struct base_buffer *out)
{
	size_t length = (size_t)(part->end - part->data);
	struct base_buffer bytes;

	base_buffer_init(&bytes, MAIL_MAX_TEXT);
	if (has_word(part->encoding, "base64"))
		mail_base64_append(&bytes, part->data, length);
	else if (has_word(part->encoding, "quoted-printable"))
		mail_quoted_append(&bytes, part->data, length);
	else
		base_buffer_append(&bytes, part->data, length);
	characters_append(part, base_buffer_text(&bytes), bytes.length, out);
	base_buffer_free(&bytes);
}

/* --- parts within parts ------------------------------------------------------------------ */

/* Where a line with this boundary begins; NULL: there is none. The end of that line. */
static const char *
boundary_find(const char *at, const char *end, const char *boundary, const char **line_end_r)
{
	size_t length = strlen(boundary);

	while (at < end) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		const char *next = feed == NULL ? end : feed + 1;

		if ((size_t)(next - at) >= length + 2 && memcmp(at, "--", 2) == 0 &&
		    memcmp(at + 2, boundary, length) == 0) {
			*line_end_r = next;
			return at;
		}
		at = next;
	}
	return NULL;
}

/* A boundary that no field tells: what the first line with two hyphens says. */
static void
boundary_guess(const char *at, const char *end, char boundary_r[MAX_BOUNDARY + 1])
{
	const char *line_end;
	size_t length;

	at = boundary_find(at, end, "", &line_end);
	if (at == NULL)
		return;
	length = (size_t)(line_end - at) - 2;
	while (length > 0 && mail_is_space(at[2 + length - 1]))
		length--;
	if (length > MAX_BOUNDARY)
		length = MAX_BOUNDARY;
	memcpy(boundary_r, at + 2, length);
	boundary_r[length] = '\0';
}

static bool part_find(struct finder *finder, const struct part *part, unsigned depth);

/* The first of the parts in one that has text to read. */
static bool
parts_find(struct finder *finder, const struct part *whole, unsigned depth)
{
	char boundary[MAX_BOUNDARY + 1];
	const char *begin = NULL, *next, *line_end = NULL;

	parameter_read(whole->type, "boundary", boundary, sizeof(boundary));
	if (boundary[0] == '\0')
		boundary_guess(whole->data, whole->end, boundary);
	next = boundary[0] == '\0' ? NULL
				   : boundary_find(whole->data, whole->end, boundary, &line_end);
	while (next != NULL && finder->parts++ < MAX_PARTS) {
		struct part part;

		begin = line_end;
		next = boundary_find(begin, whole->end, boundary, &line_end);
		part = part_parse(whole->arena, begin, next == NULL ? whole->end : next);
		if (part_find(finder, &part, depth + 1))
			return true;
	}
	return false;
}

/* Is there text to read in a part? Then it is in finder->out. */
static bool
part_find(struct finder *finder, const struct part *part, unsigned depth)
{
	if (has_word(part->type, "multipart/"))
		return depth < MAX_DEPTH && parts_find(finder, part, depth);
	if (has_word(part->disposition, "attachment"))
		return false;
	if (has_word(part->type, "text/html")) {
		if (finder->html.data == NULL)
			finder->html = *part;
		return false;
	}
	if (part->type[0] != '\0' && !has_word(part->type, "text"))
		return false;
	base_buffer_clear(finder->out);
	part_decode(part, finder->out);
	return !is_blank(finder->out);
}

/* What a person sees of an HTML part. */
static void
html_find(const struct finder *finder)
{
	struct base_buffer html;

	base_buffer_init(&html, MAIL_MAX_TEXT);
	part_decode(&finder->html, &html);
	base_buffer_clear(finder->out);
	mail_html_append(finder->out, base_buffer_text(&html), html.length);
	base_buffer_free(&html);
}

enum base_result
mail_transaction_text(struct base_arena *arena, struct mail_transaction *transaction)
{
	struct base_buffer out;
	struct finder finder = { .out = &out };
	const struct part whole = { .arena = arena,
		.type = transaction->content_type,
		.encoding = transaction->content_encoding,
		.disposition = "",
		.data = transaction->body_start,
		.end = transaction->body_start + transaction->body_start_length };
	const char *text;

	base_buffer_init(&out, MAIL_MAX_TEXT);
	if (!part_find(&finder, &whole, 0) && finder.html.data != NULL)
		html_find(&finder);
	text = base_arena_strndup(arena, base_buffer_text(&out), out.length);
	if (text != NULL) {
		transaction->text = text;
		transaction->text_length = out.length;
	}
	base_buffer_free(&out);
	return text == NULL ? BASE_BROKEN : BASE_OK;
}
