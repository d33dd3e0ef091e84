/*
 * NAME
 *	oopsctl adopt - takes held mail back into care that no row watches over
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] adopt [--dry-run]
 *
 * WHAT IT DOES
 *	Asks oops-queued for every queue file on hold that carries our tag. One that no hold
 *	knows (the database was lost, or is an old copy) or that was given up as lost becomes a
 *	hold again: its author is asked once more, by a new letter, whether it shall be sent.
 *	Whatever was decided about it is forgotten with the row, a stop included, so nothing
 *	leaves by itself: it is a confirm, with confirm.expires, and then it goes back to its
 *	author, whatever confirm.on_expiry says.
 *
 *	Nothing is asked because of a tag that anybody can write: the site's key must prove that
 *	we wrote it, and that the address of the From field, which must be of a local domain, is
 *	whom we would have asked then. One line a file: "adopted: QUEUEID ID SENDER" or "left
 *	alone: QUEUEID ID: WHY".
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_UNAVAILABLE: oops-queued does not answer; EX_IOERR: the store failed;
 *	EX_DATAERR: some files were left alone.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "milter/identity/identity.h"
#include "milter/mail/mail.h"
#include "milter/admin/admin.h"

#define QUEUE_TIMEOUT_MS 60000
#define SCAN_BYTES (16u << 20)
#define MESSAGE_BYTES (32u << 20)
#define MAX_VISIBLE 20 /* recipients kept to show */

/* What is open while it runs, and what was done. */
struct adopter {
	const struct settings *settings;
	struct hold *hold;
	struct queue_client *queue;
	struct base_key *key;
	struct base_arena *arena; /* reset for every file */
	bool is_dry;
	unsigned adopted, left;
};

/* Says that a file stays as it is. */
static void
leave(struct adopter *adopter, const struct queue_item *item, const char *why)
{
	adopter->left++;
	printf("left alone: %s %s: %s\n", item->queue_id, item->hold_id, why);
}

/* The message of a queue file, as much of it as a judgement reads. */
static enum base_result
message_read(struct adopter *adopter, const struct queue_item *item,
    struct mail_transaction **transaction_r, const char **why_r)
{
	struct mail_transaction *transaction =
	    mail_transaction_new(adopter->arena, base_now());
	enum base_result result = BASE_BROKEN;
	size_t length;
	char *data;

	*why_r = "no memory for the message";
	if (transaction != NULL)
		result = queue_read(adopter->queue, adopter->arena, item->queue_id,
		    item->hold_id, MESSAGE_BYTES, &data, &length, why_r);
	if (result == BASE_OK)
		result = mail_transaction_message(
		    adopter->arena, transaction, data, length, why_r);
	if (result == BASE_OK)
		result = mail_transaction_fold(adopter->arena, transaction,
		    adopter->settings->identity.recipient_delimiter);
	if (result == BASE_OK)
		*transaction_r = transaction;
	return result;
}

/* Those of To and Cc that are shown, but the sender; how many there are in all. */
static size_t
recipients_make(
    const struct mail_transaction *transaction, const char **visible_r, size_t *count_r)
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

/* Makes a hold of what the message says. */
static enum base_result
adopt_message(struct adopter *adopter, const struct queue_item *item,
    const struct mail_transaction *transaction, const char **why_r)
{
	static const struct hold_reason reason = { "adopted", "0.0",
		"It was found waiting after a fault of this service, so you are asked "
		"again." };
	const struct settings *settings = adopter->settings;
	const char *visible[MAX_VISIBLE];
	struct hold_request request = {
		.action = HOLD_CONFIRM,
		.queue_id = item->queue_id,
		.act = item->hold_id,
		.act_length = strlen(item->hold_id),
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
		.on_end = HOLD_END_RETURN,
		.then = settings->undo.then == SETTINGS_END_DELETE ? HOLD_END_DELETE
								   : HOLD_END_RETURN,
	};

	if (!queue_mac_proves_mailbox(
		adopter->key, item->hold_id, transaction->from_written, item->mac)) {
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
	return adopter->is_dry ? BASE_OK
			       : hold_adopt(adopter->hold, item->hold_id, &request, why_r);
}

/* Is it still on hold? What was scanned may have left since. */
static bool
is_held(struct adopter *adopter, const struct queue_item *item)
{
	struct queue_item again = *item;
	const char *why;

	return queue_ask(adopter->queue, QUEUE_STATUS, &again, 1, &why) == BASE_OK &&
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
		adopter->adopted++;
		printf("%s: %s %s ", adopter->is_dry ? "would adopt" : "adopted",
		    item->queue_id, item->hold_id);
		admin_print_text(transaction->from, MAIL_MAX_ADDRESS);
		putchar('\n');
	}
	return result;
}

/* One file of the scan. BROKEN: the store failed. */
static enum base_result
look_at(struct adopter *adopter, const struct queue_item *item, const char **why_r)
{
	enum hold_care care;
	enum base_result result =
	    hold_care(adopter->hold, item->hold_id, item->queue_id, &care, why_r);

	if (result != BASE_OK)
		return BASE_BROKEN;
	if (care == HOLD_CARE_OPEN || !is_held(adopter, item))
		return BASE_OK;
	if (care == HOLD_CARE_OVER)
		leave(adopter, item, "its hold is over: somebody put it on hold again");
	else if (care == HOLD_CARE_ELSEWHERE)
		leave(adopter, item, "its hold belongs to another node");
	else if (!queue_mac_proves_id(adopter->key, item->hold_id, item->mac))
		leave(adopter, item,
		    "its tag is not ours: no key of this site made it, somebody else held "
		    "this mail");
	else if (adopt_file(adopter, item, why_r) != BASE_OK)
		leave(adopter, item, *why_r);
	return BASE_OK;
}

/* Every file that oops-queued knows; the exit code. */
static int
adopt_all(struct adopter *adopter, struct base_arena *arena)
{
	struct queue_item *items = NULL;
	const char *why = "";
	size_t count = 0, i;
	enum base_result result = queue_scan(adopter->queue, arena, &items, &count, &why);

	if (result != BASE_OK && result != BASE_NONE) {
		fprintf(stderr, "oopsctl: oops-queued: %s\n", why);
		return EX_UNAVAILABLE;
	}
	for (i = 0; i < count; i++)
		if (look_at(adopter, &items[i], &why) != BASE_OK) {
			fprintf(stderr, "oopsctl: %s\n", why);
			return EX_IOERR;
		}
	if (adopter->adopted == 0 && adopter->left == 0)
		fputs("every held mail is in care\n", stderr);
	return adopter->left == 0 ? EX_OK : EX_DATAERR;
}

/* Opens what it needs, and goes through the queue. */
static int
adopt_run(struct adopter *adopter)
{
	struct base_arena *scan = base_arena_new(SCAN_BYTES);
	const char *why = "no memory";
	int status = EX_IOERR;

	adopter->arena = base_arena_new(MESSAGE_BYTES + (4u << 20));
	adopter->queue =
	    queue_client_new(adopter->settings->mta.queue_socket, QUEUE_TIMEOUT_MS);
	if (scan != NULL && adopter->arena != NULL && adopter->queue != NULL &&
	    base_key_load(adopter->settings->key_file, &adopter->key, &why) == BASE_OK &&
	    admin_hold_open(adopter->settings, &adopter->hold, &why) == BASE_OK)
		status = adopt_all(adopter, scan);
	else
		fprintf(stderr, "oopsctl: %s\n", why);
	hold_close(&adopter->hold);
	base_key_free(&adopter->key);
	queue_client_free(&adopter->queue);
	base_arena_free(&adopter->arena);
	base_arena_free(&scan);
	return status;
}

/* oopsctl adopt */
int
admin_adopt(const struct settings *settings, int argc, char **argv)
{
	struct adopter adopter = { .settings = settings };

	adopter.is_dry = argc == 2 && strcmp(argv[1], "--dry-run") == 0;
	if (argc > 2 || (argc == 2 && !adopter.is_dry)) {
		fputs("usage: oopsctl [-c FILE] adopt [--dry-run]\n", stderr);
		return EX_USAGE;
	}
	return adopt_run(&adopter);
}
