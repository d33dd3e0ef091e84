/* header - address lists and message ids of header fields; see mail.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/internal.h"

#include <string.h>

#define MAX_NAME 200 /* bytes of a display name */
#define MAX_FIRST 16 /* mailboxes of a field among which the one in brackets is looked for */
#define MAX_ID 998   /* bytes of a message id: no line may be longer, RFC 5322 2.1.1 */

const char *
mail_comment_end(const char *at)
{
	size_t depth = 0;

	for (; *at != '\0'; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '(')
			depth++;
		else if (*at == ')' && --depth == 0)
			return at + 1;
	}
	return NULL;
}

/* What was read of the list so far, and of the mailbox that is being read. */
struct list {
	struct base_arena *arena;
	mail_mailbox_fn *each;
	char *written; /* of the mailbox in hand, if the caller wants to know: MAIL_NORMAL_SIZE */
	void *context;
	size_t names; /* that are still read */
	enum base_result result;
	bool is_stopped;
	bool is_quoting_over; /* a quote was left open: those that follow are plain bytes */

	struct base_buffer name;    /* the phrase, as written but unquoted */
	struct base_buffer comment; /* the last comment */
	struct base_buffer address; /* addr-spec without white space and comments */
	bool is_in_angle;
	bool has_angle; /* the > was seen */
	bool is_angled; /* the mailbox handed out last stood in < and > */
	bool is_spaced; /* white space or a comment since the last word */
	bool is_broken; /* two words side by side: no addr-spec */
};

/* Forgets the mailbox that was being read. */
static void
list_next(struct list *list)
{
	base_buffer_clear(&list->name);
	base_buffer_clear(&list->comment);
	base_buffer_clear(&list->address);
	list->is_in_angle = list->has_angle = list->is_spaced = list->is_broken = false;
}

/* Hands out what was read if it is a mailbox, and gets ready for the next one. */
static void
list_emit(struct list *list)
{
	const struct base_buffer *name = &list->comment;
	const char *why, *address = base_buffer_text(&list->address);
	char normal_text[MAIL_NORMAL_SIZE];
	const char *text = "", *normal = normal_text;
	size_t length = list->address.length;
	struct mail_split split;

	if (length > 2 && address[0] == '\'' && address[length - 1] == '\'') {
		address++; /* some clients put an address between apostrophes */
		length -= 2;
	}
	if (list->is_broken || length == 0 ||
	    mail_split_address(address, length, MAIL_HEADER, &split, &why) != BASE_OK) {
		list_next(list);
		return;
	}
	list->is_angled = list->has_angle || list->is_in_angle;
	if (list->is_angled && list->name.length > 0)
		name = &list->name;
	mail_normal_write(split.local, split.domain, normal_text);
	if (list->written != NULL)
		mail_address_write(split.local, split.domain, list->written);
	list->result = BASE_OK;
	if (list->names == MAIL_ALL_NAMES || (list->names > 0 && name->length > 0)) {
		list->names -= list->names != MAIL_ALL_NAMES;
		normal = base_arena_strdup(list->arena, normal_text);
		list->result =
		    mail_text_decode(list->arena, base_buffer_text(name), MAX_NAME, &text);
		if (normal == NULL)
			list->result = BASE_BROKEN;
	}
	if (list->result != BASE_OK || !list->each(list->context, text, normal))
		list->is_stopped = true;
	list_next(list);
}

/* A word or a quoted string: `written` of the address, `plain` of the name. */
static void
list_word(struct list *list, const char *written, size_t written_length, const char *plain,
    size_t plain_length)
{
	const struct base_buffer *address = &list->address;
	bool is_joined;

	if (list->has_angle)
		return;
	if (!list->is_in_angle) {
		if (list->is_spaced && list->name.length > 0)
			base_buffer_puts(&list->name, " ");
		base_buffer_append(&list->name, plain, plain_length);
	}
	is_joined = address->length == 0 || !list->is_spaced ||
		    strchr(".@", address->data[address->length - 1]) != NULL || *written == '.' ||
		    *written == '@';
	if (!is_joined)
		list->is_broken = true;
	base_buffer_append(&list->address, written, written_length);
	list->is_spaced = false;
}

/* A quoted string; where it ends. One that is never closed is no quoted string. */
static const char *
list_quoted(struct list *list, const char *at)
{
	const char *end = at + 1;
	struct base_buffer plain, written;

	while (*end != '\0' && *end != '"')
		end += *end == '\\' && end[1] != '\0' ? 2 : 1;
	if (*end == '\0') {
		list->is_quoting_over = true;
		return at + 1;
	}
	base_buffer_init(&plain, (size_t)(end - at));
	base_buffer_init(&written, (size_t)(end - at) + 1);
	base_buffer_puts(&written, "\"");
	for (at++; at < end; at++) {
		if (*at == '\r' || *at == '\n')
			continue;
		if (*at == '\\') {
			base_buffer_append(&written, at, 1);
			at++;
		}
		base_buffer_append(&written, at, 1);
		base_buffer_append(&plain, at, 1);
	}
	base_buffer_puts(&written, "\"");
	list_word(list, base_buffer_text(&written), written.length, base_buffer_text(&plain),
	    plain.length);
	base_buffer_free(&plain);
	base_buffer_free(&written);
	return end + 1;
}

/* A comment: the name of a mailbox that has no other; where it ends. */
static const char *
list_comment(struct list *list, const char *at)
{
	const char *end = mail_comment_end(at);

	if (end == NULL)
		return at + strlen(at);
	base_buffer_clear(&list->comment);
	for (at++; at < end - 1; at++) {
		if (*at == '\\')
			at++;
		base_buffer_append(&list->comment, at, 1);
	}
	list->is_spaced = true;
	return end;
}

/* An address literal, if it follows an @; where it ends. */
static const char *
list_literal(struct list *list, const char *at)
{
	const struct base_buffer *address = &list->address;
	const char *end = NULL;
	size_t length = 1;

	if (address->length > 0 && address->data[address->length - 1] == '@')
		end = memchr(at, ']', strnlen(at, MAIL_MAX_DOMAIN));
	if (end != NULL)
		length = (size_t)(end + 1 - at);
	list_word(list, at, length, at, length);
	return at + length;
}

/* < begins an addr-spec, > ends it, : ends a route or the name of a group. */
static void
list_angle(struct list *list, char c)
{
	if (c == '<') {
		if (list->is_in_angle || list->has_angle)
			list_emit(list);
		base_buffer_clear(&list->address);
		list->is_broken = list->is_spaced = false;
		list->is_in_angle = true;
	} else if (c == '>') {
		list->has_angle = list->has_angle || list->is_in_angle;
		list->is_in_angle = false;
	} else if (list->is_in_angle) {
		base_buffer_clear(&list->address);
		list->is_broken = list->is_spaced = false;
	} else if (!list->has_angle) {
		list_next(list);
	}
}

/* One token of the list at `at`; where it ends. */
static const char *
list_token(struct list *list, const char *at)
{
	size_t length;

	switch (*at) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		list->is_spaced = true;
		return at + 1;
	case '(':
		return list_comment(list, at);
	case '"':
		return list->is_quoting_over ? at + 1 : list_quoted(list, at);
	case '[':
		return list_literal(list, at);
	case '<':
	case '>':
	case ':':
		list_angle(list, *at);
		return at + 1;
	case ',':
		/* Between the hosts of a route the comma separates no mailboxes. */
		if (list->is_in_angle && *base_buffer_text(&list->address) == '@')
			return at + 1;
		/* fall through */
	case ';':
		list_emit(list);
		return at + 1;
	case '.':
	case '@':
		list_word(list, at, 1, at, 1);
		return at + 1;
	default:
		length = strcspn(at, " \t\r\n(\"[<>:,;.@");
		list_word(list, at, length, at, length);
		return at + length;
	}
}

enum base_result
mail_each_mailbox(struct base_arena *arena, const char *value, mail_mailbox_fn *each, void *context)
{
	return mail_list_each(arena, value, MAIL_ALL_NAMES, each, context);
}

/* Reads the whole value, or as much of it as the caller wants. */
static enum base_result
list_read(struct list *list, const char *value)
{
	size_t max = 2 * strlen(value) + 8;

	base_buffer_init(&list->name, max);
	base_buffer_init(&list->comment, max);
	base_buffer_init(&list->address, max);
	while (*value != '\0' && !list->is_stopped)
		value = list_token(list, value);
	if (!list->is_stopped)
		list_emit(list);
	if (list->result == BASE_OK &&
	    (list->name.failed || list->comment.failed || list->address.failed))
		list->result = BASE_BROKEN;
	base_buffer_free(&list->name);
	base_buffer_free(&list->comment);
	base_buffer_free(&list->address);
	return list->result;
}

enum base_result
mail_list_each(
    struct base_arena *arena, const char *value, size_t names, mail_mailbox_fn *each, void *context)
{
	struct list list = { .arena = arena, .each = each, .context = context, .names = names };

	return list_read(&list, value);
}

/* The mailbox that a field names, of several. */
struct first {
	const struct list *list;
	struct mail_mailbox found;
	char written[MAIL_NORMAL_SIZE]; /* of the one found */
	unsigned seen;
};

/* Takes the first one in brackets, else the first of all. */
static bool
take_first(void *context, const char *name, const char *normal)
{
	struct first *first = context;
	bool is_angled = first->list->is_angled;

	if (first->seen++ == 0 || is_angled) {
		first->found.name = name;
		first->found.normal = normal;
		strcpy(first->written, first->list->written);
	}
	return !is_angled && first->seen < MAX_FIRST;
}

enum base_result
mail_first_mailbox(struct base_arena *arena, const char *value, struct mail_mailbox *first_r)
{
	char written[MAIL_NORMAL_SIZE] = "";
	struct list list = {
		.arena = arena, .each = take_first, .names = MAIL_ALL_NAMES, .written = written
	};
	struct first first = { .list = &list, .found = { .name = "", .normal = "" } };
	enum base_result result;

	list.context = &first;
	result = list_read(&list, value);
	if (result != BASE_OK)
		return result;
	first.found.written = base_arena_strdup(arena, first.written);
	if (first.found.written == NULL)
		return BASE_BROKEN;
	*first_r = first.found;
	return BASE_OK;
}

/* How long the id after a < is, up to its >; 0 if there is none. */
static size_t
id_length(const char *at)
{
	size_t length = 0;

	while (length <= MAX_ID && (unsigned char)at[length] > ' ' && at[length] != '<' &&
	       at[length] != '>' && at[length] != 0x7F)
		length++;
	return at[length] == '>' && length <= MAX_ID ? length : 0;
}

/* Keeps an id; when there is no more room, the second oldest makes way for it. */
static size_t
ids_keep(const char **ids, size_t count, size_t capacity, const char *id)
{
	if (count < capacity) {
		ids[count] = id;
		return count + 1;
	}
	if (capacity > 1) {
		memmove(ids + 1, ids + 2, (capacity - 2) * sizeof(*ids));
		ids[capacity - 1] = id;
	}
	return count;
}

/* The only word of a value without brackets, as some programs write message ids. */
static size_t
bare_id(struct base_arena *arena, const char *value, const char **ids_r, size_t capacity)
{
	size_t length = 0;
	const char *id;

	value += strspn(value, " \t\r\n");
	while ((unsigned char)value[length] > ' ' && value[length] != 0x7F)
		length++;
	if (capacity == 0 || length == 0 || length > MAX_ID ||
	    value[length + strspn(value + length, " \t\r\n")] != '\0' ||
	    memchr(value, '@', length) == NULL || memchr(value, '<', length) != NULL ||
	    memchr(value, '>', length) != NULL || !base_is_utf8(value, length))
		return 0;
	id = base_arena_strndup(arena, value, length);
	if (id == NULL)
		return 0;
	ids_r[0] = id;
	return 1;
}

size_t
mail_message_ids(struct base_arena *arena, const char *value, const char **ids_r, size_t capacity)
{
	bool has_comments = true;
	const char *at = value, *end;
	size_t count = 0, length;
	char *id;

	while (*at != '\0') {
		if (*at == '(' && has_comments) {
			end = mail_comment_end(at);
			has_comments = end != NULL;
			at = end != NULL ? end : at + 1;
			continue;
		}
		length = *at == '<' ? id_length(at + 1) : 0;
		if (length == 0 || !base_is_utf8(at + 1, length)) {
			at++;
			continue;
		}
		id = base_arena_strndup(arena, at + 1, length);
		if (id == NULL)
			return count;
		count = ids_keep(ids_r, count, capacity, id);
		at += length + 2;
	}
	return count > 0 ? count : bare_id(arena, value, ids_r, capacity);
}
