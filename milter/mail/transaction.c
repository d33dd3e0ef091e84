/* transaction - builds one send as a plain value, field by field; see mail.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/internal.h"

#include <string.h>
#include <strings.h>

#define MAX_SUBJECT 200 /* bytes */
#define MAX_DATE 100    /* bytes */

struct mail_transaction *
mail_transaction_new(struct base_arena *arena, int64_t time)
{
	struct mail_transaction *transaction = base_arena_alloc(arena, sizeof(*transaction));

	if (transaction == NULL)
		return NULL;
	transaction->time = time;
	transaction->queue_id = transaction->envelope_sender = "";
	transaction->from = transaction->from_name = transaction->sender = "";
	transaction->envelope_written = transaction->from_written = "";
	transaction->resent_from = transaction->resent_written = "";
	transaction->subject = transaction->message_id = transaction->in_reply_to = "";
	transaction->date = transaction->body_start = transaction->text = "";
	transaction->content_type = transaction->content_encoding = "";
	return transaction;
}

/* A path normalised, or one that cannot be read as it stands, in lower case and bounded. */
static void
path_or_text(const char *path, char normal_r[MAIL_NORMAL_SIZE])
{
	struct base_buffer line;
	const char *why;
	size_t length, i;

	if (mail_path_normal(path, normal_r, &why) == BASE_OK)
		return;
	base_buffer_init(&line, MAIL_MAX_ADDRESS);
	path += strspn(path, " \t\r\n<");
	base_quote_line(&line, path, MAIL_MAX_ADDRESS);
	length = line.length;
	memcpy(normal_r, base_buffer_text(&line), length + 1);
	while (length > 0 && strchr(" \t\r\n>", normal_r[length - 1]) != NULL)
		normal_r[--length] = '\0';
	for (i = 0; i < length; i++)
		normal_r[i] = mail_lower(normal_r[i]);
	base_buffer_free(&line);
}

enum base_result
mail_transaction_sender(
    struct base_arena *arena, struct mail_transaction *transaction, const char *path)
{
	char normal[MAIL_NORMAL_SIZE], written[MAIL_NORMAL_SIZE] = "";
	const char *copy, *written_copy, *why;
	struct mail_split split;

	path_or_text(path, normal);
	if (normal[0] != '\0' && mail_path_split(path, &split, &why) == BASE_OK)
		mail_address_write(split.local, split.domain, written);
	copy = base_arena_strdup(arena, normal);
	written_copy = base_arena_strdup(arena, written);
	if (copy == NULL || written_copy == NULL)
		return BASE_BROKEN;
	transaction->envelope_sender = copy;
	transaction->envelope_written = written_copy;
	return BASE_OK;
}

enum base_result
mail_transaction_recipient(
    struct base_arena *arena, struct mail_transaction *transaction, const char *path)
{
	char normal[MAIL_NORMAL_SIZE];

	path_or_text(path, normal);
	return mail_addresses_add(arena, &transaction->recipients, normal);
}

/* --- fields ----------------------------------------------------------------------- */

/* Where the addresses of one field go. */
struct field_target {
	struct base_arena *arena;
	struct mail_addresses *set;
	struct mail_transaction *transaction;
	enum base_result result;
};

/* Takes every mailbox of a field. */
static bool
take_all(void *context, const char *name, const char *normal)
{
	struct field_target *target = context;
	struct mail_transaction *transaction = target->transaction;

	if (*name != '\0')
		transaction->names[transaction->name_count++] =
		    (struct mail_name){ .address = normal, .name = name };
	target->result = mail_addresses_add(target->arena, target->set, normal);
	return target->result == BASE_OK;
}

typedef enum base_result field_fn(
    struct base_arena *arena, struct mail_transaction *transaction, const char *value);

/* The address of a field of one author; of several fields the first that has one counts. */
static enum base_result
take_author(struct base_arena *arena, const char *value, const char **normal,
    const char **written_r, const char **name_r)
{
	struct mail_mailbox first;
	enum base_result result;

	if (**normal != '\0')
		return BASE_OK;
	result = mail_first_mailbox(arena, value, &first);
	if (result != BASE_OK)
		return result;
	*normal = first.normal;
	*written_r = first.written;
	*name_r = first.name;
	return BASE_OK;
}

/* From */
static enum base_result
field_from(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	return take_author(
	    arena, value, &transaction->from, &transaction->from_written, &transaction->from_name);
}

/* Sender */
static enum base_result
field_sender(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	const char *written, *name;

	return take_author(arena, value, &transaction->sender, &written, &name);
}

/* To or Cc, however many of them there are. */
static enum base_result
field_addresses(struct base_arena *arena, struct mail_transaction *transaction,
    struct mail_addresses *set, const char *value)
{
	struct field_target target = {
		.arena = arena, .set = set, .transaction = transaction, .result = BASE_OK
	};
	enum base_result result = mail_list_each(
	    arena, value, MAIL_MAX_NAMES - transaction->name_count, take_all, &target);

	return result == BASE_OK ? target.result : result;
}

/* To */
static enum base_result
field_to(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	return field_addresses(arena, transaction, &transaction->to, value);
}

/* Cc */
static enum base_result
field_cc(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	return field_addresses(arena, transaction, &transaction->cc, value);
}

/* Subject */
static enum base_result
field_subject(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	if (*transaction->subject != '\0')
		return BASE_OK;
	return mail_text_decode(arena, value, MAX_SUBJECT, &transaction->subject);
}

/* Date, which nobody here reads as a time: it only tells one send from another. */
static enum base_result
field_date(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	if (*transaction->date != '\0')
		return BASE_OK;
	return mail_text_decode(arena, value, MAX_DATE, &transaction->date);
}

/* Message-ID */
static enum base_result
field_message_id(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	if (*transaction->message_id == '\0')
		mail_message_ids(arena, value, &transaction->message_id, 1);
	return BASE_OK;
}

/* Is the parent still the one that References told? */
static bool
parent_is_guess(const struct mail_transaction *transaction)
{
	size_t count = transaction->reference_count;

	return *transaction->in_reply_to == '\0' ||
	       (count > 0 && transaction->in_reply_to == transaction->references[count - 1]);
}

/* In-Reply-To, which knows the parent better than References. */
static enum base_result
field_in_reply_to(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	if (parent_is_guess(transaction))
		mail_message_ids(arena, value, &transaction->in_reply_to, 1);
	return BASE_OK;
}

/* References */
static enum base_result
field_references(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	size_t count;

	if (transaction->reference_count > 0)
		return BASE_OK;
	count = mail_message_ids(arena, value, transaction->references, MAIL_MAX_REFERENCES);
	transaction->reference_count = count;
	if (count > 0 && *transaction->in_reply_to == '\0')
		transaction->in_reply_to = transaction->references[count - 1];
	return BASE_OK;
}

const char *
mail_value_begin(const char *value)
{
	for (;;) {
		value += strspn(value, " \t\r\n");
		if (*value != '(')
			return value;
		value = mail_comment_end(value);
		if (value == NULL)
			return "";
	}
}

/* Does a value begin with this word, comments and white space left out? */
static bool
begins_with(const char *value, const char *word)
{
	size_t length = strlen(word);

	value = mail_value_begin(value);
	return strncasecmp(value, word, length) == 0 &&
	       (value[length] == '\0' || strchr(" \t\r\n;(/", value[length]) != NULL);
}

/*
 * Auto-Submitted (RFC 3834 5), and what programs write in its place: X-Autoreply (Gmail's
 * vacation responder), X-Autorespond (cPanel, BoxTrapper), X-AutoReply-From and X-Mail-Autoreply
 * (Domain Technologie Control), X-Autogenerated (CommuniGate Pro), X-FC-MachineGenerated
 * (FirstClass).
 */
static enum base_result
field_auto(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	(void)arena;
	if (!begins_with(value, "no") && !begins_with(value, "false"))
		transaction->is_auto = true;
	return BASE_OK;
}

/*
 * X-Auto-Response-Suppress ([MS-OXCMAIL] 2.1.3.2.20), which Exchange writes into its automatic
 * replies with "All". A list of single kinds is also in what people send.
 */
static enum base_result
field_suppress(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	(void)arena;
	if (begins_with(value, "all"))
		transaction->is_auto = true;
	return BASE_OK;
}

/* X-POST-MessageClass: "9; Autoresponder" (Mailtraq); Delivered-To: "Autoresponder" (qmail) */
static enum base_result
field_responder(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	(void)arena;
	value = mail_value_begin(value);
	if (strncasecmp(value, "9;", 2) == 0)
		value += 2;
	if (begins_with(value, "autoresponder"))
		transaction->is_auto = true;
	return BASE_OK;
}

/* Precedence (RFC 2076 3.9), X-Precedence and Preference: "auto_reply" is cPanel's. */
static enum base_result
field_precedence(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	(void)arena;
	if (begins_with(value, "bulk") || begins_with(value, "junk") ||
	    begins_with(value, "list") || begins_with(value, "auto_reply"))
		transaction->is_auto = true;
	return BASE_OK;
}

/* List-Id, List-Post, List-Unsubscribe */
static enum base_result
field_list(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	(void)arena;
	(void)value;
	transaction->is_list = true;
	return BASE_OK;
}

/* Resent-From: the newest block stands first (RFC 5322 3.6.6). */
static enum base_result
field_resent_from(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	const char *name;

	transaction->is_resent = true;
	return take_author(
	    arena, value, &transaction->resent_from, &transaction->resent_written, &name);
}

/* Resent-To, Resent-Date */
static enum base_result
field_resent(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	(void)arena;
	(void)value;
	transaction->is_resent = true;
	return BASE_OK;
}

/* A value that is read later, if at all; of several fields the first counts. */
static enum base_result
take_value(struct base_arena *arena, const char *value, const char **value_r)
{
	const char *copy;

	if (**value_r != '\0')
		return BASE_OK;
	copy = base_arena_strndup(arena, value, MAIL_MAX_TYPE);
	if (copy == NULL)
		return BASE_BROKEN;
	*value_r = copy;
	return BASE_OK;
}

/* Content-Type */
static enum base_result
field_type(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	if (begins_with(value, "multipart/report"))
		transaction->is_report = true;
	return take_value(arena, value, &transaction->content_type);
}

/* Content-Transfer-Encoding */
static enum base_result
field_encoding(struct base_arena *arena, struct mail_transaction *transaction, const char *value)
{
	return take_value(arena, value, &transaction->content_encoding);
}

static const struct {
	const char *name;
	field_fn *take;
} fields[] = {
	{ "From", field_from },
	{ "Sender", field_sender },
	{ "To", field_to },
	{ "Cc", field_cc },
	{ "Subject", field_subject },
	{ "Date", field_date },
	{ "Message-ID", field_message_id },
	{ "In-Reply-To", field_in_reply_to },
	{ "References", field_references },
	{ "Auto-Submitted", field_auto },
	{ "X-Autoreply", field_auto },
	{ "X-Autorespond", field_auto },
	{ "X-AutoReply-From", field_auto },
	{ "X-Mail-Autoreply", field_auto },
	{ "X-Autogenerated", field_auto },
	{ "X-FC-MachineGenerated", field_auto },
	{ "X-Auto-Response-Suppress", field_suppress },
	{ "X-POST-MessageClass", field_responder },
	{ "Delivered-To", field_responder },
	{ "Precedence", field_precedence },
	{ "X-Precedence", field_precedence },
	{ "Preference", field_precedence },
	{ "List-Id", field_list },
	{ "List-Post", field_list },
	{ "List-Unsubscribe", field_list },
	{ "Content-Type", field_type },
	{ "Content-Transfer-Encoding", field_encoding },
	{ "Resent-From", field_resent_from },
	{ "Resent-To", field_resent },
	{ "Resent-Date", field_resent },
};

/* Counts a field; is it still within the bounds of what is looked at? */
static bool
field_fits(struct mail_transaction *transaction, size_t name_length, size_t value_length)
{
	size_t left = MAIL_MAX_HEADER_BYTES - transaction->header_bytes;

	transaction->field_count++;
	if (transaction->field_count > MAIL_MAX_FIELDS || name_length > left ||
	    value_length > left - name_length) {
		transaction->header_capped = true;
		return false;
	}
	transaction->header_bytes += name_length + value_length;
	return true;
}

/* Which entry of the table a field is; their number if it is none. */
static size_t
field_find(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strncasecmp(fields[i].name, name, length) == 0 &&
		    fields[i].name[length] == '\0')
			break;
	}
	return i;
}

enum base_result
mail_transaction_field(struct base_arena *arena, struct mail_transaction *transaction,
    const char *name, const char *value)
{
	size_t length = strlen(name), i;

	if (!field_fits(transaction, length, strlen(value)))
		return BASE_OK;
	i = field_find(name, length);
	if (i == sizeof(fields) / sizeof(fields[0]))
		return BASE_OK;
	return fields[i].take(arena, transaction, value);
}

/* --- body and whole messages ------------------------------------------------------ */

enum base_result
mail_transaction_body(
    struct base_arena *arena, struct mail_transaction *transaction, const void *data, size_t length)
{
	size_t left = MAIL_MAX_BODY_START - transaction->body_start_length;
	char *start = (char *)transaction->body_start;

	if (length > left)
		length = left;
	if (length == 0)
		return BASE_OK;
	if (transaction->body_start_length == 0) {
		start = base_arena_alloc(arena, MAIL_MAX_BODY_START + 1);
		if (start == NULL)
			return BASE_BROKEN;
		transaction->body_start = start;
	}
	memcpy(start + transaction->body_start_length, data, length);
	transaction->body_start_length += length;
	return BASE_OK;
}

size_t
mail_transaction_visible(const struct mail_transaction *transaction,
    const struct mail_addresses *among, const char *but, const char **visible_r, size_t max)
{
	const struct mail_addresses *sets[] = { &transaction->to, &transaction->cc };
	size_t count = 0;

	for (size_t set = 0; set < sizeof(sets) / sizeof(sets[0]); set++)
		for (size_t i = 0; i < sets[set]->count && count < max; i++)
			if (strcmp(sets[set]->items[i], but) != 0 &&
			    (among == NULL || mail_addresses_has(among, sets[set]->items[i])))
				visible_r[count++] = sets[set]->items[i];
	return count;
}

bool
mail_transaction_is_automatic(const struct mail_transaction *transaction)
{
	return transaction->is_auto || transaction->is_list || transaction->is_report;
}

bool
mail_transaction_has_body(const struct mail_transaction *transaction)
{
	return transaction->body_start_length >= MAIL_MAX_BODY_START;
}

/* The end of the line at `at`, line end included. */
static const char *
line_end(const char *at, const char *end)
{
	const char *feed = memchr(at, '\n', (size_t)(end - at));

	return feed == NULL ? end : feed + 1;
}

/* How long the field name at `at` is, its colon not counted; 0 if this line is no field. */
static size_t
name_length(const char *at, const char *end)
{
	size_t length = 0, colon;

	while (at + length < end && at[length] > ' ' && at[length] <= '~' && at[length] != ':')
		length++;
	colon = length;
	while (at + colon < end && (at[colon] == ' ' || at[colon] == '\t'))
		colon++; /* obsolete, RFC 5322 4.5 */
	return at + colon < end && at[colon] == ':' ? length : 0;
}

/* Is this the line that a mailbox file puts before a message? */
static bool
is_mailbox_line(const char *at, const char *end)
{
	if (at < end && *at == '>')
		at++;
	return end - at >= 5 && memcmp(at, "From ", 5) == 0;
}

/* Is the line empty but for its line end? */
static bool
is_empty_line(const char *at, const char *end)
{
	return end - at == 0 || *at == '\n' || (end - at == 2 && memcmp(at, "\r\n", 2) == 0);
}

/* Hands out the field whose name and first line begin at `at`; `end` is behind its last
 * line. */
static enum base_result
message_field(struct base_buffer *copy, const char *at, const char *end, size_t length,
    mail_field_fn *each, void *context)
{
	const char *value = (const char *)memchr(at + length, ':', (size_t)(end - at) - length) + 1;
	size_t i, value_length;

	while (end > value && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	value_length = (size_t)(end - value);
	if (value_length > MAIL_MAX_HEADER_BYTES)
		value_length = MAIL_MAX_HEADER_BYTES;
	base_buffer_clear(copy);
	if (!base_buffer_append(copy, at, length) || !base_buffer_append(copy, "", 1) ||
	    !base_buffer_append(copy, value, value_length))
		return BASE_BROKEN;
	for (i = length + 1; i < copy->length; i++) {
		if (copy->data[i] == '\0')
			copy->data[i] = ' ';
	}
	return each(context, copy->data, copy->data + length + 1);
}

/* Is there nothing to see on a line? */
static bool
is_blank_line(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
		at++;
	return at == end;
}

/*
 * Where the fields begin: a mailbox file puts empty lines and its own line before them, a mail
 * program's "show original" a line of spaces, an editor a mark of the byte order.
 */
static const char *
message_start(const char *at, const char *end)
{
	static const char mark[] = "\xef\xbb\xbf";

	if ((size_t)(end - at) >= sizeof(mark) - 1 && memcmp(at, mark, sizeof(mark) - 1) == 0)
		at += sizeof(mark) - 1;
	while (at < end && (is_blank_line(at, line_end(at, end)) || is_mailbox_line(at, end)))
		at = line_end(at, end);
	return at;
}

/* The end of the field at `at`, its folded lines included. */
static const char *
field_end(const char *at, const char *end)
{
	const char *next = line_end(at, end);

	while (next < end && (*next == ' ' || *next == '\t'))
		next = line_end(next, end);
	return next;
}

enum base_result
mail_message_each_field(const char *data, size_t length, mail_field_fn *each, void *context,
    size_t *body_r, const char **why_r)
{
	const char *end = data + length, *at = message_start(data, end), *next;
	enum base_result result = BASE_OK;
	struct base_buffer copy;
	size_t count = 0, name;

	base_buffer_init(&copy, 2 * MAIL_MAX_HEADER_BYTES);
	for (; at < end && result == BASE_OK; at = next) {
		next = line_end(at, end);
		name = name_length(at, next);
		if (is_empty_line(at, next)) {
			at = next;
			break;
		}
		if (name == 0 && is_mailbox_line(at, next))
			continue;
		if (name == 0 || name > MAIL_MAX_HEADER_BYTES / 2)
			break; /* the empty line is missing: the body begins here */
		next = field_end(at, end);
		result = message_field(&copy, at, next, name, each, context);
		count++;
	}
	base_buffer_free(&copy);
	if (result != BASE_OK) {
		*why_r = "no memory for the header";
		return result;
	}
	if (count == 0) {
		*why_r = "the message does not begin with a header field (a name and a colon)";
		return BASE_REFUSE;
	}
	*body_r = (size_t)(at - data);
	return BASE_OK;
}

/* Where the fields of a message go. */
struct message_target {
	struct base_arena *arena;
	struct mail_transaction *transaction;
};

/* One field of a message for the transaction. */
static enum base_result
take_field(void *context, const char *name, const char *value)
{
	struct message_target *target = context;

	return mail_transaction_field(target->arena, target->transaction, name, value);
}

enum base_result
mail_transaction_message(struct base_arena *arena, struct mail_transaction *transaction,
    const char *data, size_t length, const char **why_r)
{
	struct message_target target = { arena, transaction };
	enum base_result result;
	size_t body;

	result = mail_message_each_field(data, length, take_field, &target, &body, why_r);
	if (result != BASE_OK)
		return result;
	result = mail_transaction_body(arena, transaction, data + body, length - body);
	if (result == BASE_OK)
		result = mail_transaction_text(arena, transaction);
	if (result != BASE_OK)
		*why_r = "no memory for the body";
	return result;
}
