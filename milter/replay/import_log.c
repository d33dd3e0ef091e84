/*
 * NAME
 *	replay/import_log - what was sent, by the lines of a Postfix or Sendmail log
 */
#include <ctype.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/replay/import.h"

#define LOG_MAX_ID 64 /* bytes of host and queue id together */
#define LOG_MAX_VALUE 1000
#define LOG_GRACE 86400 /* seconds a stamp may be after the end of the file */

/* A mail that has begun. */
struct log_mail {
	char id[LOG_MAX_ID];
	int64_t time;
	char *sender;
	char *message_id;
	struct base_buffer recipients; /* one a line */
	size_t left_out;               /* recipients that no longer fit */
	size_t expected;               /* of Sendmail; 0: not known */
	size_t tried;
	bool has_sender;
	TAILQ_ENTRY(log_mail) next; /* that began later */
};

TAILQ_HEAD(log_mails, log_mail);

struct replay_log {
	struct base_arena *arena; /* of one mail */
	replay_mail_fn *each;
	void *context;
	int64_t until;
	struct replay_log_seen seen;
	void *mails; /* a tree of struct log_mail */
	struct log_mails by_age;
	size_t count;
};

/* One line, taken apart. */
struct log_line {
	int64_t time;
	bool is_postfix;
	char id[LOG_MAX_ID];
	const char *rest; /* after "ID: " */
};

static int
mail_compare(const void *a, const void *b)
{
	return strcmp(((const struct log_mail *)a)->id, ((const struct log_mail *)b)->id);
}

static void
mail_free(void *data)
{
	struct log_mail *mail = data;

	free(mail->sender);
	free(mail->message_id);
	base_buffer_free(&mail->recipients);
	free(mail);
}

struct replay_log *
replay_log_new(struct base_arena *arena, replay_mail_fn *each, void *context)
{
	struct replay_log *log = calloc(1, sizeof(*log));

	if (log) {
		log->arena = arena;
		log->each = each;
		log->context = context;
		log->until = base_now();
		TAILQ_INIT(&log->by_age);
	}
	return log;
}

void
replay_log_free(struct replay_log **log)
{
	if (!*log)
		return;
	tdestroy((*log)->mails, mail_free);
	free(*log);
	*log = NULL;
}

void
replay_log_until(struct replay_log *log, int64_t until)
{
	log->until = until;
}

struct replay_log_seen
replay_log_seen(const struct replay_log *log)
{
	return log->seen;
}

/* --- one line ---------------------------------------------------------------------- */

/* What follows a second: passes over a fraction of it. */
static const char *
fraction_skip(const char *rest)
{
	return *rest == '.' ? rest + 1 + strspn(rest + 1, "0123456789") : rest;
}

/* "Nov 24 01:02:03.123456 ": the latest year in which it is not after the end of the file. */
static const char *
stamp_old(const char *line, int64_t until, int64_t *time_r)
{
	time_t end = (time_t)until;
	struct tm parts = { 0 }, now;
	const char *rest = strptime(line, "%b %d %H:%M:%S", &parts);

	rest = rest ? fraction_skip(rest) : "";
	if (*rest != ' ' || !localtime_r(&end, &now))
		return NULL;
	for (int back = 0; back < 5; back++) { /* 29 February is not every year */
		struct tm copy = parts;
		time_t time;

		copy.tm_year = now.tm_year - back;
		copy.tm_isdst = -1;
		time = mktime(&copy);
		if (time > 0 && copy.tm_mday == parts.tm_mday && time <= end + LOG_GRACE) {
			*time_r = time;
			return rest + 1;
		}
	}
	return NULL;
}

/* "2026-11-24T01:02:03.123456+01:00 "; the journal writes the zone without a colon. */
static const char *
stamp_iso(const char *line, int64_t *time_r)
{
	struct tm parts = { 0 };
	const char *rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &parts);
	int hours = 0, minutes = 0, sign = 0, length = 0;
	time_t time;

	if (!rest)
		return NULL;
	rest = fraction_skip(rest);
	if (*rest == 'Z') {
		rest++;
	} else if (*rest == '+' || *rest == '-') {
		sign = *rest == '+' ? 1 : -1;
		if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 &&
		    sscanf(rest + 1, "%2d%2d%n", &hours, &minutes, &length) != 2)
			return NULL;
		rest += 1 + length;
	}
	time = timegm(&parts) - sign * (hours * 3600 + minutes * 60);
	if (*rest != ' ' || time < 0 || time > UINT32_MAX)
		return NULL;
	*time_r = time;
	return rest + 1;
}

/* Is it one of the mail server's programs? */
static bool
program_find(const char *name, size_t length, bool *is_postfix_r)
{
	static const char *const sendmails[] = { "sendmail", "sm-mta", "sm-msp-queue" };

	*is_postfix_r = true;
	if (length > 7 && strncmp(name, "postfix", 7) == 0 && memchr(name, '/', length))
		return true;
	*is_postfix_r = false;
	for (size_t i = 0; i < sizeof(sendmails) / sizeof(*sendmails); i++)
		if (strlen(sendmails[i]) == length && !strncmp(name, sendmails[i], length))
			return true;
	return false;
}

/*
 * "STAMP HOST PROGRAM[PID]: ID: REST". NONE: not a line about one mail. REFUSE: a mail
 * server's line whose stamp cannot be read.
 */
static enum base_result
line_cut(struct replay_log *log, const char *text, struct log_line *line_r)
{
	const char *at = isdigit((unsigned char)*text) ? stamp_iso(text, &line_r->time)
						       : stamp_old(text, log->until, &line_r->time);
	const char *host = at, *program, *id;
	size_t host_length, id_length;

	if (!at && !strstr(text, " postfix/") && !strstr(text, " sm-mta["))
		return BASE_NONE;
	if (!at) {
		log->seen.servers++;
		return BASE_REFUSE;
	}
	log->seen.stamps++;
	host_length = strcspn(host, " ");
	program = host[host_length] ? host + host_length + 1 : "";
	if (!program_find(program, strcspn(program, "[: "), &line_r->is_postfix))
		return BASE_NONE;
	log->seen.servers++;
	id = strstr(program, ": ");
	if (!id)
		return BASE_REFUSE;
	id += 2;
	id_length = strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	if (id_length < 5 || strncmp(id + id_length, ": ", 2) != 0)
		return BASE_NONE;
	if (host_length + id_length + 2 > LOG_MAX_ID)
		return BASE_REFUSE;
	snprintf(line_r->id, LOG_MAX_ID, "%.*s %.*s", (int)host_length, host, (int)id_length, id);
	line_r->rest = id + id_length + 2;
	return BASE_OK;
}

/* The text after "name=", at the beginning or after ", "; NULL: not there. */
static const char *
value_find(const char *rest, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = rest; at;) {
		if (strncmp(at, name, length) == 0 && at[length] == '=')
			return at + length + 1;
		at = strstr(at, ", ");
		if (at)
			at += 2;
	}
	return NULL;
}

/* "<text>"; NULL: malformed or too long. To be freed. */
static char *
bracketed(const char *value)
{
	const char *end = *value == '<' ? strchr(value, '>') : NULL;

	if (!end || end - value > LOG_MAX_VALUE)
		return NULL;
	return strndup(value + 1, (size_t)(end - value - 1));
}

/* --- mails ------------------------------------------------------------------------- */

/* Forgets a mail. */
static void
mail_drop(struct replay_log *log, struct log_mail *mail)
{
	tdelete(mail, &log->mails, mail_compare);
	TAILQ_REMOVE(&log->by_age, mail, next);
	log->count--;
	mail_free(mail);
}

/*
 * The mail of a line; begun if `make` says so. NULL: there is none. Not every mail ends in the
 * log, so the oldest one makes room.
 */
static struct log_mail *
mail_get(struct replay_log *log, const struct log_line *line, bool make)
{
	struct log_mail sought, *mail;
	void *found;

	memcpy(sought.id, line->id, sizeof(sought.id));
	found = tfind(&sought, &log->mails, mail_compare);
	if (found)
		return *(struct log_mail **)found;
	if (!make)
		return NULL;
	if (log->count >= REPLAY_LOG_MAX_OPEN)
		mail_drop(log, TAILQ_FIRST(&log->by_age));
	mail = calloc(1, sizeof(*mail));
	if (!mail)
		return NULL;
	memcpy(mail->id, line->id, sizeof(mail->id));
	mail->time = line->time;
	base_buffer_init(&mail->recipients, REPLAY_LOG_MAX_BYTES);
	if (!tsearch(mail, &log->mails, mail_compare)) {
		mail_free(mail);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&log->by_age, mail, next);
	log->count++;
	return mail;
}

/* The mail as a transaction. */
static enum base_result
mail_build(
    struct base_arena *arena, const struct log_mail *mail, struct mail_transaction **transaction_r)
{
	struct mail_transaction *transaction = mail_transaction_new(arena, mail->time);
	char *lines = base_arena_strdup(arena, base_buffer_text(&mail->recipients));
	char *save = NULL;
	enum base_result result = BASE_BROKEN;

	if (transaction && lines)
		result = mail_transaction_sender(arena, transaction, mail->sender);
	for (char *line = lines ? strtok_r(lines, "\n", &save) : NULL; line && result == BASE_OK;
	     line = strtok_r(NULL, "\n", &save))
		result = mail_transaction_recipient(arena, transaction, line);
	if (result == BASE_OK && mail->left_out) {
		transaction->recipients.seen += mail->left_out;
		transaction->recipients.capped = true;
	}
	if (result == BASE_OK && mail->message_id)
		mail_message_ids(arena, mail->message_id, &transaction->message_id, 1);
	if (result == BASE_OK)
		*transaction_r = transaction;
	return result;
}

/* A mail has ended: what of it was sent is handed on. */
static enum base_result
mail_end(struct replay_log *log, struct log_mail *mail, const char **why_r)
{
	struct mail_transaction *transaction;
	enum base_result result = BASE_OK;

	if (mail->has_sender && mail->recipients.length && !mail->recipients.failed) {
		base_arena_reset(log->arena);
		result = mail_build(log->arena, mail, &transaction);
		if (result == BASE_OK) {
			transaction->from = transaction->envelope_sender;
			result = log->each(log->context, log->arena, transaction, why_r);
		} else {
			*why_r = base_why("no memory for a mail of the log");
		}
	}
	mail_drop(log, mail);
	return result;
}

/* Who sent it, and how many get it. */
static enum base_result
line_from(struct replay_log *log, const struct log_line *line, const char *value)
{
	struct log_mail *mail = mail_get(log, line, true);
	const char *count = value_find(line->rest, "nrcpts");
	const char *id = value_find(line->rest, "msgid");
	char *sender = bracketed(value);

	if (!sender && !line->is_postfix) /* a local user's, without brackets */
		sender = strndup(value, strcspn(value, ", "));
	if (!mail || !sender) {
		free(sender);
		return BASE_REFUSE;
	}
	free(mail->sender);
	mail->sender = sender;
	mail->has_sender = *sender != '\0';
	if (count)
		mail->expected = strtoul(count, NULL, 10);
	if (id && !mail->message_id)
		mail->message_id = strndup(id, strcspn(id, ", "));
	return BASE_OK;
}

/* Keeps one who got it. Of very many some stand for all, and the rest count, as in the daemon. */
static void
recipient_keep(struct log_mail *mail, const char *address, size_t length)
{
	if (mail->recipients.length + length + 1 < REPLAY_LOG_MAX_BYTES)
		base_buffer_printf(&mail->recipients, "%.*s\n", (int)length, address);
	else
		mail->left_out++;
}

/* "<a>,<b>" or "<a>" or "a": keeps them if they got it; how many there are. */
static size_t
recipients_add(struct log_mail *mail, const char *value, bool is_sent)
{
	size_t count = 0;

	for (const char *end; *value; value = end + 1) {
		bool is_bracketed = *value == '<';

		value += is_bracketed;
		end = value + strcspn(value, is_bracketed ? ">" : ", ");
		if (end == value || end - value > LOG_MAX_VALUE || (is_bracketed && !*end))
			return 0;
		count++;
		if (is_sent)
			recipient_keep(mail, value, (size_t)(end - value));
		end += is_bracketed;
		if (*end != ',' || end[1] == ' ')
			break;
	}
	return count;
}

/* Who got it, or did not. */
static enum base_result
line_to(struct replay_log *log, const struct log_line *line, const char *value, const char **why_r)
{
	struct log_mail *mail = mail_get(log, line, false);
	const char *before = value_find(line->rest, "orig_to");
	const char *status = value_find(line->rest, line->is_postfix ? "status" : "stat");
	size_t count;

	if (!status)
		return BASE_REFUSE;
	if (!mail) /* it began before the log did */
		return BASE_OK;
	if (strncmp(status, "Deferred", 8) == 0 || strncmp(status, "deferred", 8) == 0 ||
	    strncmp(status, "queued", 6) == 0)
		return BASE_OK;
	count = recipients_add(mail, before ? before : value, strncasecmp(status, "sent", 4) == 0);
	if (count == 0)
		return BASE_REFUSE;
	mail->tried += count;
	if (line->is_postfix || !mail->expected || mail->tried < mail->expected)
		return BASE_OK;
	return mail_end(log, mail, why_r);
}

/* Its id, as cleanup found or made it. */
static enum base_result
line_message_id(struct replay_log *log, const struct log_line *line, const char *value)
{
	struct log_mail *mail = mail_get(log, line, true);

	if (!mail)
		return BASE_REFUSE;
	if (mail->message_id) { /* the queue id is used again */
		mail_drop(log, mail);
		mail = mail_get(log, line, true);
		if (!mail)
			return BASE_REFUSE;
	}
	mail->message_id = strndup(value, strnlen(value, LOG_MAX_VALUE));
	return BASE_OK;
}

/*
 * Has Postfix rejected it? A recipient's own rejection is one too, but comes before the message
 * id: a mail that is open then is an older one of the same queue id.
 */
static bool
is_reject(const struct log_line *line)
{
	return line->is_postfix && (strncmp(line->rest, "milter-reject: ", 15) == 0 ||
				       strncmp(line->rest, "reject: ", 8) == 0);
}

/* One line of a log. */
enum base_result
replay_log_line(struct replay_log *log, const char *text, size_t length, const char **why_r)
{
	struct log_line line = { 0 };
	const char *value;
	struct log_mail *mail;
	enum base_result result;

	*why_r = "not a mail server's line";
	if (length > REPLAY_LOG_MAX_LINE || memchr(text, '\0', length))
		return BASE_REFUSE;
	result = line_cut(log, text, &line);
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	if (line.is_postfix && strncmp(line.rest, "message-id=", 11) == 0)
		return line_message_id(log, &line, line.rest + 11);
	if (is_reject(&line)) {
		mail = mail_get(log, &line, false);
		if (mail)
			mail_drop(log, mail);
		return BASE_OK;
	}
	value = value_find(line.rest, "from");
	if (value == line.rest + 5)
		return line_from(log, &line, value);
	value = value_find(line.rest, "to");
	if (value == line.rest + 3)
		return line_to(log, &line, value, why_r);
	if (line.is_postfix && strcmp(line.rest, "removed") == 0) {
		mail = mail_get(log, &line, false);
		return mail ? mail_end(log, mail, why_r) : BASE_OK;
	}
	return BASE_OK;
}
