/* adopt - held mail that no row watches over, back into care; see adopt.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/notice/adopt.h"

#include <stdio.h>
#include <string.h>

#include "milter/mail/mail.h"
#include "milter/mail/transaction.h"
#include "milter/words/reason.h"

#define SCAN_BYTES (16u << 20)
#define MESSAGE_BYTES (32u << 20)
#define MAX_VISIBLE 20 /* recipients kept to show */
#define LINE_BYTES 1024
#define VALUES_BYTES 300

/* What it goes by, and what was done. */
struct adopter {
	const struct notice_adoption *by;
	struct base_arena *arena; /* reset for every file */
	struct notice_adopted done;
};

/* One line to whoever asked. */
static void
report(const struct adopter *adopter, const char *verb, const struct queue_item *item,
    const char *more)
{
	struct base_buffer line;

	base_buffer_init(&line, LINE_BYTES);
	base_buffer_printf(&line, "%s: %s %s", verb, item->queue_id, item->hold_id);
	base_quote_line(&line, more, LINE_BYTES - line.length);
	adopter->by->report(adopter->by->context, base_buffer_text(&line));
	base_buffer_free(&line);
}

/* Says that a file stays as it is. */
static void
leave(struct adopter *adopter, const struct queue_item *item, const char *why)
{
	adopter->done.left++;
	report(adopter, "left alone", item, base_why(": %s", why));
}

/* The message of a queue file, as much of it as a judgement reads. */
static enum base_result
message_read(struct adopter *adopter, const struct queue_item *item,
    struct mail_transaction **transaction_r, const char **why_r)
{
	struct mail_transaction *transaction = mail_transaction_new(adopter->arena, base_now());
	enum base_result result = BASE_BROKEN;
	size_t length;
	char *data;

	*why_r = "no memory for the message";
	if (transaction != NULL)
		result = queue_read(adopter->by->queue, adopter->arena, item->queue_id,
		    item->hold_id, MESSAGE_BYTES, &data, &length, why_r);
	if (result == BASE_OK)
		result = mail_transaction_message(adopter->arena, transaction, data, length, why_r);
	if (result == BASE_OK)
		result = mail_transaction_strip_extensions(adopter->arena, transaction,
		    adopter->by->settings->identity.recipient_delimiter);
	if (result == BASE_OK)
		*transaction_r = transaction;
	return result;
}

/* Those of To and Cc that are shown, but the sender; how many there are in all. */
static size_t
recipients_make(const struct mail_transaction *transaction, const char **visible_r, size_t *count_r)
{
	const struct mail_addresses *sets[] = { &transaction->to, &transaction->cc };
	size_t set, i, visible = 0;

	*count_r = 0;
	for (set = 0; set < sizeof(sets) / sizeof(*sets); set++)
		for (i = 0; i < sets[set]->count; i++) {
			if (strcmp(sets[set]->items[i], transaction->from) == 0)
				continue;
			++*count_r;
			if (visible < MAX_VISIBLE)
				visible_r[visible++] = sets[set]->items[i];
		}
	return visible;
}

/* The values of the reason that adopted mail has: it has none but its name. */
static const char *
values_make(char values_r[VALUES_BYTES])
{
	static const struct words_reason adopted = { .which = "" };
	struct base_buffer line;

	base_buffer_init(&line, VALUES_BYTES - 1);
	words_reason_print(&line, &adopted);
	snprintf(values_r, VALUES_BYTES, "%s", base_buffer_text(&line));
	base_buffer_free(&line);
	return values_r;
}

/* Makes a hold of what the message says. */
static enum base_result
adopt_message(struct adopter *adopter, const struct queue_item *item,
    const struct mail_transaction *transaction, const char **why_r)
{
	char values[VALUES_BYTES];
	const struct hold_reason reason = { "adopted", "0.0", values_make(values), "", "" };
	const struct settings *settings = adopter->by->settings;
	const char *visible[MAX_VISIBLE];
	struct hold_params request = {
		.action = HOLD_CONFIRM,
		.queue_id = item->queue_id,
		.submission = item->hold_id,
		.submission_length = strlen(item->hold_id),
		.sender = transaction->from,
		.mailbox = transaction->from_written,
		.subject = transaction->subject,
		.recipients = visible,
		.people_kind = HOLD_PEOPLE_AT_LEAST, /* Bcc is not in the file's header */
		.reasons = &reason,
		.reason_count = 1,
		.policy = "adopted",
		.language = settings->notice.language,
		.template = settings->notice.template,
		.window = settings->confirm.expires,
		.announce = settings->undo.announce_within,
		.grace = settings->undo.grace,
		.on_end = MAIL_END_RETURN,
		.then = settings->undo.then,
	};

	if (!queue_mac_proves_mailbox(
		adopter->by->key, item->hold_id, transaction->from_written, item->mac)) {
		*why_r = base_why("its tag does not prove that %.100s sent it: nobody can be "
				  "asked; release it by hand",
		    transaction->from);
		return BASE_REFUSE;
	}
	if (!settings_is_local(settings, transaction->from)) {
		*why_r = base_why("its author %.100s is not of identity.local_domains: "
				  "nobody can be asked; release it by hand",
		    transaction->from);
		return BASE_REFUSE;
	}
	request.recipients_visible =
	    recipients_make(transaction, visible, &request.recipient_count);
	request.people = request.recipient_count;
	return adopter->by->is_dry ? BASE_OK
				   : hold_adopt(adopter->by->hold, item->hold_id, &request, why_r);
}

/* Is it still on hold? What was scanned may have left since. */
static bool
is_held(struct adopter *adopter, const struct queue_item *item)
{
	struct queue_item again = *item;
	const char *why;

	return queue_ask(adopter->by->queue, QUEUE_STATUS, &again, 1, &why) == BASE_OK &&
	       again.status == QUEUE_HELD;
}

/* One file that is in nobody's care. */
static enum base_result
adopt_file(struct adopter *adopter, const struct queue_item *item, const char **why_r)
{
	struct mail_transaction *transaction;
	enum base_result result;

	base_arena_reset(adopter->arena);
	result = message_read(adopter, item, &transaction, why_r);
	if (result == BASE_OK)
		result = adopt_message(adopter, item, transaction, why_r);
	if (result == BASE_OK) {
		adopter->done.adopted++;
		report(adopter, adopter->by->is_dry ? "would adopt" : "adopted", item,
		    base_why(" %s: asked again; without a choice it goes back, and is not sent",
			transaction->from));
	}
	return result;
}

/* One file of the scan. BROKEN: the store failed. */
static enum base_result
look_at(struct adopter *adopter, const struct queue_item *item, const char **why_r)
{
	enum hold_ownership care;
	enum base_result result =
	    hold_ownership(adopter->by->hold, item->hold_id, item->queue_id, &care, why_r);

	if (result != BASE_OK)
		return BASE_BROKEN;
	if (care == HOLD_OWNERSHIP_OPEN || !is_held(adopter, item))
		return BASE_OK;
	if (care == HOLD_OWNERSHIP_OVER)
		leave(adopter, item, "its hold is over: somebody put it on hold again");
	else if (care == HOLD_OWNERSHIP_ELSEWHERE)
		leave(adopter, item, "its hold belongs to another node");
	else if (!queue_mac_proves_id(adopter->by->key, item->hold_id, item->mac))
		leave(adopter, item,
		    "its tag is not ours: no key of this site made it, somebody else held "
		    "this mail");
	else if (adopt_file(adopter, item, why_r) != BASE_OK)
		leave(adopter, item, *why_r);
	return BASE_OK;
}

/* Every file that oops-queued knows. */
static enum base_result
adopt_all(struct adopter *adopter, struct base_arena *scan, const char **why_r)
{
	struct queue_item *items = NULL;
	size_t count = 0;
	enum base_result result = queue_scan(adopter->by->queue, scan, &items, &count, why_r);

	if (result != BASE_OK && result != BASE_NONE)
		return BASE_RETRY;
	result = BASE_OK;
	for (size_t i = 0; result == BASE_OK && i < count; i++)
		result = look_at(adopter, &items[i], why_r);
	return result;
}

enum base_result
notice_adopt(const struct notice_adoption *by, struct notice_adopted *done_r, const char **why_r)
{
	struct base_arena *scan = base_arena_new(SCAN_BYTES);
	struct adopter adopter = { .by = by, .arena = base_arena_new(MESSAGE_BYTES + (4u << 20)) };
	enum base_result result = BASE_BROKEN;

	*why_r = "no memory to adopt held mail";
	if (scan != NULL && adopter.arena != NULL)
		result = adopt_all(&adopter, scan, why_r);
	*done_r = adopter.done;
	base_arena_free(&adopter.arena);
	base_arena_free(&scan);
	return result;
}
