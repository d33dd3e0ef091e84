/* check/held - is held mail looked after? see internal.h */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/admin/admin.h"
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/check/internal.h"
#include "milter/hold/hold.h"
#include "milter/mail/mail.h"
#include "milter/queue/queue.h"

#define LATE_SECONDS 300  /* after its time: the scheduler repeats every 30 s at most */
#define AHEAD_SECONDS 5   /* a clock that differs by less does no harm */
#define FRESH_SECONDS 60  /* a younger hold may not have been in the queue when it was read */
#define FIRST_PERSON 1000 /* the lowest user number of people (login.defs(5), UID_MIN) */
#define NAMED 5           /* of those that are wrong, named in the line */

/* Some things of one kind: how many, and the names of the first. */
struct tally {
	size_t count;
	char names[NAMED * (QUEUE_MAX_ID + 2)];
};

static void
tally_add(struct tally *tally, const char *name)
{
	size_t length = strlen(tally->names);

	if (tally->count++ < NAMED)
		snprintf(tally->names + length, sizeof(tally->names) - length, "%s%s",
		    length > 0 ? ", " : "", name);
}

/* --- rows ------------------------------------------------------------------------- */

struct rows {
	const char *node;
	int64_t now;
	struct tally late, ahead, stuck, kept;
	size_t machines;                    /* open holds of accounts that look like machines' */
	char machine[MAIL_MAX_ADDRESS + 1]; /* the first of these */
};

/* Is the account one that programs have on this host: with a number below those of people? */
static bool
is_system_account(const char *name)
{
	const struct passwd *account = getpwnam(name);

	return account != NULL && account->pw_uid < FIRST_PERSON;
}

/* Has the address the name of a program, or of an account that only programs use? */
static bool
looks_like_machine(const char *address)
{
	static const char *const names[] = { "nagios", "icinga", "zabbix", "monitor", "monitoring",
		"prometheus", "alert", "alerts", "cron", "logwatch", "backup", "noreply",
		"no-reply", "donotreply", "do-not-reply", "jenkins", "gitlab", "otrs", "otobo",
		"zammad", "rt", "jira", "redmine", "scanner", "printer" };
	char name[MAIL_MAX_LOCAL + 1];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(address, "@"), address);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return is_system_account(name);
}

/* What is wrong with one hold. */
static bool
look_at_row(void *context, const struct hold_view *view)
{
	struct rows *rows = context;
	bool is_kept = view->state == HOLD_RETURNING && view->return_how == HOLD_RETURN_KEPT;
	bool is_waiting = view->state == HOLD_PENDING || view->state == HOLD_SENDING ||
			  view->state == HOLD_RETURNING;
	int64_t due = is_kept ? 0 : is_waiting ? view->moved : view->deadline;

	if (due != 0 && due + LATE_SECONDS < rows->now && strcmp(view->node, rows->node) == 0)
		tally_add(&rows->late, view->id);
	if (view->state == HOLD_RETURNING && view->return_how == HOLD_RETURN_STUCK)
		tally_add(&rows->stuck, view->id);
	if (view->state == HOLD_HELD && looks_like_machine(view->sender) && rows->machines++ == 0)
		snprintf(rows->machine, sizeof(rows->machine), "%s", view->sender);
	if (is_kept)
		tally_add(&rows->kept, view->id);
	if (view->moved > rows->now + AHEAD_SECONDS)
		tally_add(&rows->ahead, view->node);
	return true;
}

/* Holds that should be over, and times that have not come yet. */
static void
check_rows(struct check *check, struct hold *hold)
{
	struct rows rows = { .node = check->settings->node, .now = base_now() };
	const char *why = "";

	if (hold_each(hold, false, look_at_row, &rows, &why) != BASE_OK) {
		check_fault(check, "the store", "held mail: %s", why);
		return;
	}
	if (rows.late.count > 0)
		check_fault(check,
		    "look at the log of oops-milter and oops-queued; oopsctl show ID",
		    "held mail: %zu should have left long ago: %s", rows.late.count,
		    rows.late.names);
	else
		check_ok(check, "held mail: none is older than it should be");
	if (rows.stuck.count > 0)
		check_fault(check,
		    "why: event=error where=return in the audit; the mail is safe on hold, and the "
		    "letter is tried again",
		    "held mail: %zu cannot be brought back to their authors: %s", rows.stuck.count,
		    rows.stuck.names);
	if (rows.machines > 0)
		check_warn(check,
		    "if no person writes with that account, name it in identity.machines",
		    "held mail: %zu from what looks like a machine's account (%s): nobody may read "
		    "the letter",
		    rows.machines, rows.machine);
	if (rows.kept.count > 0)
		check_warn(check,
		    "oopsctl send ID sends it after all; with a larger message_size_limit "
		    "(Sendmail: MaxMessageSize), oopsctl undo ID has it come back",
		    "held mail: %zu too large to come back to the author, who was told: %s",
		    rows.kept.count, rows.kept.names);
	if (rows.ahead.count > 0)
		check_fault(check,
		    "the clock of this host or of that node: run a time service (NTP)",
		    "clock: %zu %s moved in the future, by node %s", rows.ahead.count,
		    rows.ahead.count == 1 ? "hold was" : "holds were", rows.ahead.names);
	else
		check_ok(check, "clock: no hold was moved in the future");
}

/* --- queue files ------------------------------------------------------------------ */

/* A file that no open hold watches over. */
struct suspect {
	struct queue_item item;
	struct tally *tally; /* where it counts if it is still on hold */
};

/* Counts those that are still on hold: what was scanned may have left since. */
static enum base_result
count_held(
    struct queue_client *queue, const struct suspect *suspects, size_t count, const char **why_r)
{
	struct queue_item items[QUEUE_MAX_ITEMS];
	enum base_result result;
	size_t i;

	if (count == 0)
		return BASE_OK;
	for (i = 0; i < count; i++)
		items[i] = suspects[i].item;
	result = queue_ask(queue, QUEUE_STATUS, items, count, why_r);
	for (i = 0; result == BASE_OK && i < count; i++)
		if (items[i].status == QUEUE_HELD)
			tally_add(suspects[i].tally, items[i].queue_id);
	return result;
}

/* Queue files that no open hold watches over. */
struct strays {
	struct tally lost;   /* ours */
	struct tally over;   /* ours, put on hold again by somebody else */
	struct tally forged; /* of a tag that we did not write */
};

/* Which of them one is. */
static struct tally *
stray_kind(struct strays *strays, const struct base_key *key, const struct queue_item *item,
    enum hold_ownership care)
{
	if (!queue_mac_proves_id(key, item->hold_id, item->mac))
		return &strays->forged;
	return care == HOLD_OWNERSHIP_NONE || care == HOLD_OWNERSHIP_LOST ? &strays->lost
									  : &strays->over;
}

/* Counts those that were on hold a moment ago. */
static void
count_scanned(const struct suspect *suspects, size_t count)
{
	for (size_t i = 0; i < count; i++)
		tally_add(suspects[i].tally, suspects[i].item.queue_id);
}

/*
 * Counts them all. The first ones are looked at again; where there are thousands, to look at each
 * would keep oops-queued from its work for long.
 */
static enum base_result
count_files(const struct check *check, struct hold *hold, struct queue_client *queue,
    const struct base_key *key, struct strays *strays, const char **why_r)
{
	struct suspect suspects[QUEUE_MAX_ITEMS];
	enum base_result result = BASE_OK;
	bool is_first = true;
	size_t count = 0;

	for (size_t i = 0; result == BASE_OK && i < check->file_count; i++) {
		const struct queue_item *item = &check->files[i];
		enum hold_ownership care = HOLD_OWNERSHIP_OPEN;

		result = hold_ownership(hold, item->hold_id, item->queue_id, &care, why_r);
		if (result != BASE_OK || care == HOLD_OWNERSHIP_OPEN)
			continue;
		suspects[count].item = *item;
		suspects[count++].tally = stray_kind(strays, key, item, care);
		if (count < QUEUE_MAX_ITEMS)
			continue;
		if (is_first)
			result = count_held(queue, suspects, count, why_r);
		else
			count_scanned(suspects, count);
		is_first = false;
		count = 0;
	}
	if (result == BASE_OK && is_first)
		return count_held(queue, suspects, count, why_r);
	count_scanned(suspects, count);
	return result;
}

/* Files on hold that are not ours, or not by us. */
static void
report_others(struct check *check, const struct strays *strays)
{
	if (strays->over.count > 0)
		check_warn(check, "release them with the tools of the mail server, or leave them",
		    "held mail: %zu %s our tag, but put on hold by somebody else: %s",
		    strays->over.count,
		    strays->over.count == 1 ? "queue file carries" : "queue files carry",
		    strays->over.names);
	if (strays->forged.count > 0)
		check_warn(check, "look who sent them, and who put them on hold: we did not",
		    "held mail: %zu %s a forged tag, which no key of this site made: %s",
		    strays->forged.count,
		    strays->forged.count == 1 ? "queue file carries" : "queue files carry",
		    strays->forged.names);
}

/* Files with our tag on hold that nobody will ever release. */
static void
check_queue_files(struct check *check, struct hold *hold)
{
	struct queue_client *queue =
	    queue_client_new(check->settings->mta.queue_socket, CHECK_QUEUE_MS);
	struct strays strays = { .lost.count = 0 };
	struct base_key *key = NULL;
	const char *why = "no memory";
	enum base_result result = BASE_BROKEN;

	/* a key that cannot be read was told with the settings */
	if (base_key_load(check->settings->key_file, &key, &why) != BASE_OK) {
		queue_client_free(&queue);
		return;
	}
	if (queue != NULL)
		result = count_files(check, hold, queue, key, &strays, &why);
	queue_client_free(&queue);
	base_key_free(&key);
	if (result != BASE_OK)
		check_fault(check, "run oopsctl check again",
		    "held mail: cannot tell whether each queue file is in care: %s", why);
	else if (strays.lost.count > 0)
		check_fault(check, "run oopsctl adopt",
		    "held mail: %zu %s on hold that no hold watches over: %s", strays.lost.count,
		    strays.lost.count == 1 ? "queue file is" : "queue files are",
		    strays.lost.names);
	else
		check_ok(check, "held mail: every queue file of ours is in care");
	report_others(check, &strays);
}

/* --- holds without a file ----------------------------------------------------------- */

/* The hold ids of all files on hold, in order. */
struct census {
	const char *node;
	int64_t now;
	const char **ids;
	size_t count;
	struct tally missing;
};

/* Two ids, for qsort() and bsearch(). */
static int
compare_ids(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Is there a file for a hold that should have one? */
static bool
look_for_file(void *context, const struct hold_view *view)
{
	struct census *census = context;

	if ((view->state == HOLD_HELD || view->state == HOLD_UNDONE) &&
	    view->moved + FRESH_SECONDS < census->now && strcmp(view->node, census->node) == 0 &&
	    (census->count == 0 || bsearch(&view->id, census->ids, census->count,
				       sizeof(*census->ids), compare_ids) == NULL))
		tally_add(&census->missing, view->id);
	return true;
}

/* Holds whose files are not on hold: they left, and nobody noticed yet. */
static void
check_missing(struct check *check, struct hold *hold)
{
	struct census census = { .node = check->settings->node,
		.now = base_now(),
		.ids = base_arena_array(check->arena, check->file_count + 1, sizeof(*census.ids)) };
	const char *why = "no memory";
	enum base_result result = BASE_BROKEN;

	for (size_t i = 0; census.ids != NULL && i < check->file_count; i++)
		census.ids[census.count++] = check->files[i].hold_id;
	if (census.count > 0)
		qsort(census.ids, census.count, sizeof(*census.ids), compare_ids);
	if (census.ids != NULL)
		result = hold_each(hold, false, look_for_file, &census, &why);
	if (result != BASE_OK)
		check_fault(check, "run oopsctl check again", "held mail: %s", why);
	else if (census.missing.count > 0)
		check_fault(check,
		    "they were released or removed by hand; is oops-milter running? It looks "
		    "every minute, and writes event=lost",
		    "held mail: %zu %s no file on hold in the queue: %s", census.missing.count,
		    census.missing.count == 1 ? "hold has" : "holds have", census.missing.names);
	else
		check_ok(check, "held mail: every hold has its file");
}

void
check_held(struct check *check)
{
	struct hold *hold = NULL;
	const char *why = "";

	if (admin_hold_open(check->settings, &hold, &why) != BASE_OK)
		return; /* told with the store */
	check_rows(check, hold);
	if (check->has_files) /* told with oops-queued */
		check_queue_files(check, hold);
	if (check->has_files)
		check_missing(check, hold);
	hold_close(&hold);
}
