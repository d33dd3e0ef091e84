/* audit - the one line per event that an auditor reads; see audit.h */
#include "milter/audit/audit.h"
#include "milter/base/buffer.h"
#include "milter/base/log.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUDIT_MAX_KEYS 20
#define AUDIT_MAX_LINE 6144   /* bytes: stays below what syslog daemons take as one line */
#define AUDIT_MAX_VALUE 1024  /* bytes of one value, before quoting */
#define AUDIT_SHORT_VALUE 128 /* of one value, when the line would not fit otherwise */

/* The keys that say who runs the program by hand; see audit_operator_note(). */
#define OPERATOR "uid", "user", "sudo_user"

/* What a line of each event says, in this order: the contract with those who read logs. */
static const struct {
	const char *name;
	const char *keys[AUDIT_MAX_KEYS];
} audit_table[] = {
	[AUDIT_JUDGE] = { "judge",
	    { "sender", "action", "wanted", "limited_by", "score", "recipients", "people", "policy",
		"reasons", "queue_id", "proof", "login", "person", "envelope", "from", "client",
		"gate" } },
	[AUDIT_HOLD] = { "hold",
	    { "sender", "action", "score", "recipients", "people", "policy", "reasons", "queue_id",
		"message_id", "node", "deadline", "part", "was", "now", OPERATOR } },
	[AUDIT_HELD] = { "held", { "sender", "action", "recipients", "people", "queue_ids", "node",
				     "deadline", "was", "now" } },
	[AUDIT_NOTICE] = { "notice", { "to", "answer", "tries", "limited_by", "deadline" } },
	[AUDIT_VIEW] = { "view", { "method", "state", "client" } },
	[AUDIT_REQUEST] = { "request",
	    { "request", "by", "was", "now", "refused", "client", OPERATOR } },
	[AUDIT_SEND] = { "send", { "by", "was", "now" } },
	[AUDIT_SENT] = { "sent", { "by", "was", "now", "queue_ids" } },
	[AUDIT_UNDO] = { "undo", { "by", "was", "now", "deadline" } },
	[AUDIT_RESTORE] = { "restore", { "by", "was", "now" } },
	[AUDIT_RETURN] = { "return", { "by", "was", "now", "queue_ids", "how" } },
	[AUDIT_DELETE] = { "delete", { "by", "was", "now", "queue_ids" } },
	[AUDIT_EXPIRE] = { "expire", { "was", "now", "deadline", "announced" } },
	[AUDIT_LOST] = { "lost", { "was", "now", "how", "queue_ids" } },
	[AUDIT_RENAME] = { "rename", { "was", "now" } },
	[AUDIT_STORM] = { "storm", { "what", "list", "owner", "people", "answers", "answerers",
				       "until", "held", "by", "client", OPERATOR } },
	[AUDIT_LEARN] = { "learn",
	    { "from", "format", "learned", "known", "skipped", "malformed", "answer", OPERATOR } },
	[AUDIT_FORGET] = { "forget", { "address_hash", "records", "holds", OPERATOR } },
	[AUDIT_FREE] = { "free", { "answer", "queue_id", OPERATOR } },
	[AUDIT_CONFIG] = { "config", { "program", "file", "answer", "what", OPERATOR } },
	[AUDIT_ERROR] = { "error", { "where", "what", "answer", "queue_id" } },
};

#define AUDIT_EVENTS (sizeof(audit_table) / sizeof(audit_table[0]))

const char *
audit_event_str(enum audit_event event)
{
	return (size_t)event < AUDIT_EVENTS ? audit_table[event].name : "unknown";
}

/* Who runs this program; nobody by hand while uid is empty. */
static struct {
	char uid[16], user[64], sudo_user[64];
} audit_operator;

void
audit_operator_note(void)
{
	const struct passwd *account = getpwuid(getuid());
	const char *sudo_user = getenv("SUDO_USER");

	snprintf(audit_operator.uid, sizeof(audit_operator.uid), "%lu", (unsigned long)getuid());
	snprintf(audit_operator.user, sizeof(audit_operator.user), "%s",
	    account != NULL ? account->pw_name : "-");
	snprintf(audit_operator.sudo_user, sizeof(audit_operator.sudo_user), "%s",
	    sudo_user != NULL ? sudo_user : "-");
}

/* The value of a key that says who runs the program; NULL: it is another key. */
static const char *
audit_operator_value(const char *key)
{
	if (*audit_operator.uid == '\0')
		return NULL;
	if (strcmp(key, "uid") == 0)
		return audit_operator.uid;
	if (strcmp(key, "user") == 0)
		return audit_operator.user;
	return strcmp(key, "sudo_user") == 0 ? audit_operator.sudo_user : NULL;
}

/* Where `key` stands in the event's order, AUDIT_MAX_KEYS if nowhere. */
static size_t
audit_place(enum audit_event event, const char *key)
{
	size_t i;

	for (i = 0; i < AUDIT_MAX_KEYS && audit_table[event].keys[i] != NULL; i++) {
		if (strcmp(audit_table[event].keys[i], key) == 0)
			return i;
	}
	return AUDIT_MAX_KEYS;
}

/* key=value, with what is over max_value bytes replaced by "..."; absent: "-". */
static bool
audit_put(struct base_buffer *line, const char *key, const char *value, size_t max_value)
{
	char text[AUDIT_MAX_VALUE + sizeof("...")];
	size_t length;

	if (value == NULL)
		value = "-";
	length = strnlen(value, max_value + 1);
	if (length > max_value) {
		/* Whole UTF-8 characters only: go back to where one begins. */
		for (length = max_value; length > 0 && (value[length] & 0xC0) == 0x80;)
			length--;
		memcpy(text, value, length);
		memcpy(text + length, "...", sizeof("..."));
		value = text;
	}
	return base_quote_logfmt(line, key, value);
}

/* Appends the line; false, and the buffer as before but `failed`, when it does not fit. */
static bool
audit_line(struct base_buffer *line_r, enum audit_event event, const char *hold_id,
    const char *const values[AUDIT_MAX_KEYS], size_t max_value)
{
	size_t i;

	if (!audit_put(line_r, "event", audit_table[event].name, max_value) ||
	    !audit_put(line_r, "id", hold_id, max_value))
		return false;
	for (i = 0; i < AUDIT_MAX_KEYS && audit_table[event].keys[i] != NULL; i++) {
		if (!audit_put(line_r, audit_table[event].keys[i], values[i], max_value))
			return false;
	}
	return true;
}

enum base_result
audit_format(struct base_buffer *line_r, enum audit_event event, const char *hold_id,
    const struct audit_pair *pairs, size_t count)
{
	const char *values[AUDIT_MAX_KEYS] = { NULL };
	size_t i, place;

	if ((size_t)event >= AUDIT_EVENTS)
		return BASE_REFUSE;
	for (i = 0; i < count; i++) {
		place = audit_place(event, pairs[i].key);
		if (place == AUDIT_MAX_KEYS)
			return BASE_REFUSE;
		values[place] = pairs[i].value;
	}
	for (i = 0; i < AUDIT_MAX_KEYS && audit_table[event].keys[i] != NULL; i++)
		if (values[i] == NULL)
			values[i] = audit_operator_value(audit_table[event].keys[i]);
	base_buffer_clear(line_r);
	if (audit_line(line_r, event, hold_id, values, AUDIT_MAX_VALUE))
		return BASE_OK;
	/* Escaped, a value can be four times as long: rather less of each than half a line.
	 */
	base_buffer_clear(line_r);
	if (audit_line(line_r, event, hold_id, values, AUDIT_SHORT_VALUE))
		return BASE_OK;
	return BASE_BROKEN;
}

void
audit_write(
    enum audit_event event, const char *hold_id, const struct audit_pair *pairs, size_t count)
{
	struct base_buffer line;
	enum base_result result;

	base_buffer_init(&line, AUDIT_MAX_LINE);
	result = audit_format(&line, event, hold_id, pairs, count);
	if (result == BASE_OK)
		base_log_event(base_buffer_text(&line));
	else
		base_log(BASE_LOG_ERROR, "an audit line of event %s was lost: %s",
		    audit_event_str(event),
		    result == BASE_REFUSE ? "it has a key that is not in its table" : "no memory");
	base_buffer_free(&line);
}
