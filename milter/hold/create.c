/*
 * create - writing the row before the MTA is asked to hold; see hold.h
 *
 * Syncing the disk costs far more than writing a row. So callers queue up: the first one to
 * find no leader becomes it, takes all that wait, writes them in one transaction with one
 * sync, and tells each how it went. While it syncs, the next ones gather.
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"
#include "milter/hold/storm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is asked for, and the row that it makes if it begins a hold. */
struct asked {
	const struct hold_params *request;
	const struct store_hold *fresh;
};

/* One caller of hold_create(), on its own stack. */
struct hold_create {
	struct hold_create *next;
	/* with the other queue entries of the submission, and without them */
	struct asked whole, alone;
	const struct hold_params *request; /* the one of them that counts */
	const struct store_hold *fresh;    /* its row */
	struct base_arena *arena;          /* of the caller; the leader uses it, too */
	struct store_blob submission;      /* under which its hold is found */
	bool is_alone;                     /* the queue entries before are out of reach */
	bool is_done;
	enum base_result result;
	char why[256];
	bool is_limited_out; /* its limit left nothing of it: there is no row */

	/* what was written, for the audit line */
	struct store_hold row;
	const char *was;
	size_t entry;
	const char *released; /* the hold of its submission, if that is why there is none of it */
};

/* --- writing, inside the leader's transaction ------------------------------------ */

enum base_result
hold_entry_write(struct hold *hold, const struct hold_params *request, const char *id, int64_t now,
    const char **why_r)
{
	struct store_entry entry = { .hold_id = id,
		.queue_id = request->queue_id,
		.state = HOLD_ENTRY_PENDING,
		.mail = request->mail,
		.created = now };
	enum base_result result = store_entry_insert(
	    hold->store, &entry, request->observation, request->observation_length, why_r);

	/* the MTA was asked twice, or it used a queue id again */
	if (result == BASE_REFUSE)
		result = store_entry_update(hold->store, &entry, why_r);
	return result;
}

/*
 * Is the block still on that this is to be held for? Then the hold ends with it. NONE: it was
 * lifted, or is over.
 */
static enum base_result
block_check(struct hold *hold, struct hold_create *creation, int64_t now, const char **why_r)
{
	struct store_storm *storm = NULL;
	enum base_result result;

	if (creation->row.action != HOLD_STORM)
		return BASE_OK;
	result = store_storm_get(hold->store, creation->arena, creation->row.storm, &storm, why_r);
	if (result != BASE_OK)
		return result;
	if (storm->state != HOLD_STORM_ON || storm->until <= now) {
		*why_r = base_why("the storm %s is over", storm->id);
		return BASE_NONE;
	}
	creation->row.deadline = storm->until;
	return BASE_OK;
}

/* What the sender's and the site's holds so far leave of a request that begins one. */
static enum base_result
limit_apply(struct hold *hold, struct hold_create *creation, const char **why_r)
{
	const struct hold_params *request = creation->request;
	struct hold_counts counts = { 0 };
	struct hold_terms terms;
	enum base_result result;

	if (request->limit == NULL)
		return BASE_OK;
	result = hold_count(hold, request->sender, &counts, why_r);
	if (result != BASE_OK)
		return result;
	terms = request->limit(request->limit_context, &counts);
	creation->is_limited_out = terms.action == 0;
	creation->row.action = terms.action;
	creation->row.window = terms.window;
	creation->row.limited_by = terms.limited_by;
	return BASE_OK;
}

/* It counts for the whole site, unless it was limited or its sender has a share of as many. */
static enum base_result
budget_take(struct hold *hold, const struct hold_create *creation, int64_t now, const char **why_r)
{
	const struct store_hold *row = &creation->row;
	int64_t since = now - (int64_t)HOLD_BUDGET_SECONDS * 1000, count = 0;
	size_t share = creation->request->share;
	enum base_result result;

	if (*row->storm != '\0' || *row->limited_by != '\0')
		return BASE_OK;
	result = store_hold_count_unlimited(hold->store, row->sender, since, &count, why_r);
	if (result != BASE_OK || (share > 0 && (size_t)count >= share))
		return result;
	return store_budget_add(hold->store, now, since, why_r);
}

/* A hold of its own. */
static enum base_result
creation_new(struct hold *hold, struct hold_create *creation, int64_t now, const char **why_r)
{
	enum base_result result;

	creation->row = *creation->fresh;
	creation->row.submission = creation->submission;
	result = limit_apply(hold, creation, why_r);
	if (result != BASE_OK || creation->is_limited_out)
		return result;
	creation->row.created = creation->row.moved = now;
	creation->row.deadline = now + creation->row.window * 1000;
	creation->row.due = now + HOLD_LOOK_FIRST_MS;
	creation->was = "-";
	creation->entry = 1;
	result = block_check(hold, creation, now, why_r);
	if (result == BASE_OK)
		result = budget_take(hold, creation, now, why_r);
	if (result == BASE_OK)
		result = store_hold_insert(hold->store, &creation->row, why_r);
	if (result == BASE_OK)
		result = hold_entry_write(hold, creation->request, creation->row.id, now, why_r);
	return result;
}

/*
 * What a hold teaches when it is sent: one audience, that of the queue entry which knows most of
 * it. The queue entries are judged as one, so each one's observation holds those of the queue
 * entries before.
 */
static enum base_result
observation_choose(struct hold *hold, const struct store_hold *row,
    const struct hold_params *request, bool *is_kept_r, const char **why_r)
{
	enum base_result result = BASE_OK;

	*is_kept_r = (int64_t)request->recipient_count > row->recipient_count;
	if (*is_kept_r)
		result = store_entry_wipe(hold->store, row->id, why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* The larger of two counts. */
static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What is known of how many it goes to, once one more entry of the same send is there. */
static void
audience_widen(struct hold_create *creation, const struct hold_params *request)
{
	struct store_hold *row = &creation->row;

	row->recipient_count = larger(row->recipient_count, (int64_t)request->recipient_count);
	row->people = larger(row->people, (int64_t)request->people);
	/* Something known and something unknown make at least what is known. */
	if (row->people_kind != (int)request->people_kind)
		row->people_kind = HOLD_PEOPLE_AT_LEAST;
}

/*
 * The same where each queue entry tells of itself alone. Where there are lists among the
 * recipients, somebody may be in two of them: the larger number is what is certain.
 */
static void
audience_add(struct hold_create *creation, const struct hold_params *request)
{
	struct store_hold *row = &creation->row;
	bool has_lists =
	    row->people != row->recipient_count || request->people != request->recipient_count ||
	    row->people_kind != HOLD_PEOPLE_EXACT || request->people_kind != HOLD_PEOPLE_EXACT;

	row->recipient_count += (int64_t)request->recipient_count;
	row->people = has_lists ? larger(row->people, (int64_t)request->people)
				: row->people + (int64_t)request->people;
	if (has_lists)
		row->people_kind = HOLD_PEOPLE_AT_LEAST;
}

/* Another entry of a hold that is still open. */
static enum base_result
creation_join(struct hold *hold, struct hold_create *creation, const struct store_hold *row,
    size_t entry_count, int64_t now, const char **why_r)
{
	const struct hold_params *request = creation->request;
	struct hold_params entry = *request;
	bool has_observation = false;
	enum base_result result = observation_choose(hold, row, request, &has_observation, why_r);

	if (!has_observation)
		entry.observation_length = 0;
	if (result == BASE_OK)
		result = hold_entry_write(hold, &entry, row->id, now, why_r);
	if (result != BASE_OK)
		return result;
	creation->row = *row;
	(creation->is_alone ? audience_add : audience_widen)(creation, request);
	if ((int64_t)request->left_count > row->left_count) {
		creation->row.left_count = (int64_t)request->left_count;
		creation->row.left_to = creation->fresh->left_to;
	}
	creation->row.bounces_home = row->bounces_home && request->bounces_home;
	creation->row.tries = 0;
	creation->row.seen = 0; /* this queue entry was not seen yet */
	if (row->due == 0 || row->due > now + HOLD_LOOK_FIRST_MS)
		creation->row.due = now + HOLD_LOOK_FIRST_MS;
	creation->was = hold_state_str(row->state);
	creation->entry = entry_count + 1;
	return store_hold_update(hold->store, &creation->row, row->state, why_r);
}

/* May a new queue entry still join this hold? */
static bool
is_joinable(const struct store_hold *row, int64_t now)
{
	if (row->state == HOLD_UNDONE || row->state == HOLD_HELD)
		return row->deadline > now;
	return row->state == HOLD_PENDING;
}

/* Was this submission released, by its author's request or because nobody stopped it? */
static bool
is_released(const struct store_hold *row)
{
	return row->state == HOLD_SENDING || row->state == HOLD_SENT;
}

/* Is one of a hold's files of this mail? */
static bool
has_mail(const struct store_entry *entries, size_t count, int64_t mail)
{
	for (size_t i = 0; i < count; i++)
		if (entries[i].mail == mail)
			return true;
	return false;
}

/*
 * Must one more mail of the submission begin a hold of its own? Whoever stopped what was there, or
 * was told when it leaves, decided about nothing that came afterwards: a window that a new mail
 * joins has at least half of its time left.
 */
static bool
is_past_more_mail(const struct store_hold *row, int64_t now)
{
	if (row->state == HOLD_PENDING)
		return false;
	return row->state != HOLD_HELD || (row->action == HOLD_UNDO && !hold_is_unannounced(row) &&
					      row->deadline - now < row->window * 1000 / 2);
}

/* What the submission is called from here on: nobody finds it who does not come by this hold. */
static enum base_result
submission_after(struct base_arena *arena, const struct store_hold *row, const char *name,
    struct store_blob *submission_r, const char **why_r)
{
	size_t more = name == NULL ? 0 : strlen(name), length = row->submission.length + more;
	char *submission = name == NULL ? NULL : base_arena_alloc(arena, length);

	if (submission == NULL) {
		*why_r = base_why("no memory for a hold");
		return BASE_BROKEN;
	}
	memcpy(submission, row->submission.data, row->submission.length);
	memcpy(submission + row->submission.length, name, more);
	*submission_r = (struct store_blob){ submission, length };
	return BASE_OK;
}

/* From here on the request is about this queue entry alone. */
static void
alone_take(struct hold_create *creation)
{
	creation->is_alone = true;
	creation->request = creation->alone.request;
	creation->fresh = creation->alone.fresh;
}

/* And here, where it is looked for, about the submission as far as it is known. */
static void
whole_take(struct hold_create *creation)
{
	creation->is_alone = false;
	creation->request = creation->whole.request;
	creation->fresh = creation->whole.fresh;
	creation->submission = creation->fresh->submission;
}

/*
 * Where the hold of this request is looked for behind this row: "" here; NULL: no memory. A release
 * is a request about those whom its author was told of: a queue entry that brings more people is
 * not of it. The holds that tell of queue entries of one mail alone have one name: the last of them
 * is found at once.
 */
static const char *
name_behind(struct hold_create *creation, const struct store_hold *row,
    const struct store_entry *entries, size_t count, int64_t now)
{
	const struct hold_params *request = creation->request;

	if (creation->is_alone)
		return "";
	if (is_released(row) ? (int64_t)request->recipient_count <= row->recipient_count
			     : is_joinable(row, now) && has_mail(entries, count, request->mail))
		return "";
	if (!has_mail(entries, count, request->mail))
		return is_released(row) || is_past_more_mail(row, now) ? row->id : "";
	alone_take(creation);
	return base_arena_printf(creation->arena, " alone %" PRId64, request->mail);
}

/* The hold of the request's act as it concerns its mail; NONE: there is none. */
static enum base_result
row_find(struct hold *hold, struct hold_create *creation, int64_t now, struct store_hold **row_r,
    size_t *entry_count_r, const char **why_r)
{
	struct store_entry *entries;
	enum base_result result;
	const char *name;

	do {
		result = store_hold_by_submission(hold->store, creation->arena, hold->node,
		    creation->submission.data, creation->submission.length,
		    now - HOLD_SUBMISSION_SECONDS * 1000, row_r, why_r);
		if (result == BASE_OK)
			result = store_entry_list(hold->store, creation->arena, (*row_r)->id,
			    &entries, entry_count_r, why_r);
		if (result != BASE_OK)
			return result;
		name = name_behind(creation, *row_r, entries, *entry_count_r, now);
		if (name != NULL && *name == '\0')
			return BASE_OK;
		result =
		    submission_after(creation->arena, *row_r, name, &creation->submission, why_r);
	} while (result == BASE_OK);
	return result;
}

/* One request: a new hold, a queue entry of one, or neither. */
static enum base_result
creation_write(struct hold *hold, struct hold_create *creation, int64_t now, const char **why_r)
{
	struct store_hold *row = NULL;
	size_t count = 0;
	enum base_result result;

	whole_take(creation); /* it may be the second time */
	result = row_find(hold, creation, now, &row, &count, why_r);
	if (result == BASE_NONE)
		return creation_new(hold, creation, now, why_r);
	if (result != BASE_OK)
		return result;
	if (is_released(row) && !creation->is_alone) {
		creation->released = row->id;
		*why_r = base_why("%s was released already", row->id);
		return BASE_NONE;
	}
	if (!is_joinable(row, now) || count >= HOLD_MAX_ENTRIES)
		return creation_new(hold, creation, now, why_r);
	return creation_join(hold, creation, row, count, now, why_r);
}

/* --- the group ------------------------------------------------------------------- */

/* Keeps why in the caller's own memory: the leader's reasons belong to its thread. */
static void
creation_end(struct hold_create *creation, enum base_result result, const char *why)
{
	creation->result = result;
	if (result != BASE_OK)
		snprintf(creation->why, sizeof(creation->why), "%s", why);
}

/* Writes the requests from `first` up to `end` in one transaction. */
static enum base_result
some_write(struct hold *hold, struct hold_create *first, const struct hold_create *end, int64_t now)
{
	const char *why = "";
	enum base_result result = hold_begin(hold, &why);
	enum base_result written = BASE_OK;

	if (result == BASE_OK) {
		for (struct hold_create *creation = first; creation != end;
		     creation = creation->next) {
			written = creation_write(hold, creation, now, &why);
			creation_end(creation, written, why);
			if (written == BASE_BROKEN || written == BASE_RETRY)
				break;
		}
		if (written == BASE_BROKEN || written == BASE_RETRY) {
			store_rollback(hold->store);
			result = written;
		} else
			result = store_commit(hold->store, &why);
	}
	for (struct hold_create *creation = first; result != BASE_OK && creation != end;
	     creation = creation->next)
		creation_end(creation, result, why);
	return result;
}

/*
 * Writes a list of requests together. If that is broken, each one by itself: what one of them
 * has wrong must not cost the others their holds. Who holds the database longer than a request
 * may take holds it for all.
 */
static void
group_write(struct hold *hold, struct hold_create *first, int64_t now)
{
	if (first->next == NULL || some_write(hold, first, NULL, now) != BASE_BROKEN) {
		if (first->next == NULL)
			some_write(hold, first, NULL, now);
		return;
	}
	for (struct hold_create *creation = first; creation != NULL; creation = creation->next)
		if (some_write(hold, creation, creation->next, now) == BASE_RETRY) {
			for (creation = creation->next; creation != NULL; creation = creation->next)
				creation_end(creation, BASE_RETRY, "the store is busy");
			return;
		}
}

/* Takes up to HOLD_MAX_GROUP of those that wait. */
static struct hold_create *
group_take(struct hold *hold)
{
	struct hold_create *first = hold->creation_first;
	struct hold_create *last = first;

	for (int count = 1; last->next != NULL && count < HOLD_MAX_GROUP; count++)
		last = last->next;
	hold->creation_first = last->next;
	last->next = NULL;
	return first;
}

/* Leads once; called and left with the lock held. */
static void
group_lead(struct hold *hold)
{
	struct hold_create *first = group_take(hold);
	struct hold_create *next;

	hold->has_leader = true;
	pthread_mutex_unlock(&hold->creation_lock);
	group_write(hold, first, base_now_ms());
	pthread_mutex_lock(&hold->creation_lock);
	hold->has_leader = false;
	for (struct hold_create *creation = first; creation != NULL; creation = next) {
		next = creation->next; /* once it is done it may be gone */
		creation->is_done = true;
	}
	pthread_cond_broadcast(&hold->creation_done);
}

/* Queues up, and waits or leads until this request is done. */
static void
group_join(struct hold *hold, struct hold_create *creation)
{
	pthread_mutex_lock(&hold->creation_lock);
	if (hold->creation_first == NULL)
		hold->creation_first = creation;
	else
		hold->creation_last->next = creation;
	hold->creation_last = creation;
	while (!creation->is_done) {
		if (hold->has_leader)
			pthread_cond_wait(&hold->creation_done, &hold->creation_lock);
		else
			group_lead(hold);
	}
	pthread_mutex_unlock(&hold->creation_lock);
}

/* What limited a hold, as a text that outlives its row. */
static const char *
limit_name(const char *limited_by)
{
	static const char *const names[] = { "sender", "site" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(limited_by, names[i]) == 0)
			return names[i];
	return "";
}

/* The request and its row as they are if this queue entry is alone; the memory is the caller's. */
static enum base_result
alone_make(struct hold *hold, struct hold_create *creation, const char *id,
    struct hold_params *request_r, struct store_hold *fresh_r, const char **why_r)
{
	const struct hold_alone *alone = creation->whole.request->alone;
	enum base_result result;

	creation->alone = creation->whole;
	if (alone == NULL)
		return BASE_OK;
	*request_r = *creation->whole.request;
	request_r->recipients = alone->recipients;
	request_r->recipients_visible = alone->recipients_visible;
	request_r->recipient_count = alone->recipient_count;
	request_r->people = alone->people;
	request_r->people_kind = alone->people_kind;
	request_r->observation = alone->observation;
	request_r->observation_length = alone->observation_length;
	result = hold_request_check(request_r, why_r);
	if (result == BASE_OK)
		result = hold_row_make(hold, creation->arena, request_r, id, fresh_r, why_r);
	if (result != BASE_OK)
		return result;
	creation->alone = (struct asked){ request_r, fresh_r };
	return BASE_OK;
}

/* Queues the request with memory of its own. */
static enum base_result
creation_run(struct hold *hold, struct base_arena *arena, const struct hold_params *request,
    struct hold_placed *placed_r, const char **why_r)
{
	struct hold_create creation = { .arena = arena };
	char id[BASE_ID_SIZE];
	struct hold_params request_alone;
	struct store_hold fresh, fresh_alone;
	enum base_result result;

	base_id_new(id);
	result = hold_row_make(hold, arena, request, id, &fresh, why_r);
	creation.whole = (struct asked){ request, &fresh };
	if (result == BASE_OK)
		result = alone_make(hold, &creation, id, &request_alone, &fresh_alone, why_r);
	if (result != BASE_OK)
		return result;
	group_join(hold, &creation);
	if (creation.result == BASE_NONE && creation.released != NULL)
		snprintf(placed_r->id, sizeof(placed_r->id), "%s", creation.released);
	if (creation.result != BASE_OK) {
		*why_r = base_why("%s", creation.why);
		return creation.result;
	}
	*placed_r = (struct hold_placed){ .terms = { .action = creation.row.action,
					      .window = creation.row.window,
					      .limited_by = limit_name(creation.row.limited_by) } };
	if (creation.is_limited_out)
		return BASE_OK;
	memcpy(placed_r->id, creation.row.id, BASE_ID_SIZE);
	hold_audit_hold(
	    &creation.row, creation.was, request->queue_id, request->message_id, creation.entry);
	return BASE_OK;
}

enum base_result
hold_create_limited(struct hold *hold, const struct hold_params *request,
    struct hold_placed *placed_r, const char **why_r)
{
	enum base_result result = hold_request_check(request, why_r);
	struct base_arena *arena;

	if (result != BASE_OK)
		return result;
	arena = base_arena_new(HOLD_MAX_ROW);
	if (arena == NULL) {
		*why_r = base_why("no memory for a hold");
		return BASE_BROKEN;
	}
	result = creation_run(hold, arena, request, placed_r, why_r);
	base_arena_free(&arena);
	return result;
}

enum base_result
hold_create(struct hold *hold, const struct hold_params *request, char id_r[BASE_ID_SIZE],
    const char **why_r)
{
	struct hold_placed placed;
	enum base_result result = hold_create_limited(hold, request, &placed, why_r);

	if (result == BASE_OK)
		memcpy(id_r, placed.id, BASE_ID_SIZE);
	return result;
}
