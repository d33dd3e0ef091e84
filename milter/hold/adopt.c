/*
 * adopt - taking queue files back into care that carry our tag and that no row watches over;
 * see hold.h
 *
 * They come from a database that was lost or restored from an old copy, and from an MTA that
 * took longer to write a file than the scheduler waited for it.
 */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

#include <string.h>

/* What is known of one queue file and its hold. */
struct adoption {
	struct base_arena *arena;
	const char *queue_id;
	struct store_hold *row; /* NULL: there is none */
	size_t entry_count;
	enum hold_ownership care;
};

/*
 * The file's care by the state of its hold and of its queue entry (NULL: the hold has no such queue
 * entry).
 */
static enum hold_ownership
ownership_of(const struct hold *hold, const struct store_hold *row, const struct store_entry *entry)
{
	if (strcmp(row->node, hold->node) != 0)
		return HOLD_OWNERSHIP_ELSEWHERE;
	if (row->state == HOLD_LOST)
		return HOLD_OWNERSHIP_LOST;
	if (hold_state_is_final(row->state))
		return HOLD_OWNERSHIP_OVER;
	if (entry == NULL || entry->state == HOLD_ENTRY_LOST)
		return HOLD_OWNERSHIP_NONE;
	return entry->state == HOLD_ENTRY_DONE ? HOLD_OWNERSHIP_OVER : HOLD_OWNERSHIP_OPEN;
}

/* Fills in the adoption from the rows. */
static enum base_result
adoption_look(struct hold *hold, const char *id, struct adoption *adoption, const char **why_r)
{
	struct store_entry *entries = NULL, *entry = NULL;
	enum base_result result =
	    store_hold_get(hold->store, adoption->arena, id, &adoption->row, why_r);

	adoption->care = HOLD_OWNERSHIP_NONE;
	if (result != BASE_OK)
		return result == BASE_NONE ? BASE_OK : result;
	result = store_entry_list(
	    hold->store, adoption->arena, id, &entries, &adoption->entry_count, why_r);
	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < adoption->entry_count; i++)
		if (strcmp(entries[i].queue_id, adoption->queue_id) == 0)
			entry = &entries[i];
	adoption->care = ownership_of(hold, adoption->row, entry);
	return BASE_OK;
}

enum base_result
hold_ownership(struct hold *hold, const char *id, const char *queue_id,
    enum hold_ownership *ownership_r, const char **why_r)
{
	struct adoption adoption = { .arena = base_arena_new(HOLD_MAX_ROW), .queue_id = queue_id };
	enum base_result result;

	if (adoption.arena == NULL) {
		*why_r = base_why("no memory to look at a hold");
		return BASE_BROKEN;
	}
	result = adoption_look(hold, id, &adoption, why_r);
	if (result == BASE_OK)
		*ownership_r = adoption.care;
	base_arena_free(&adoption.arena);
	return result;
}

/* No row: it begins anew, under the id that the file already carries. */
static enum base_result
adopt_new(struct hold *hold, struct store_hold *fresh, int64_t now, const char **why_r)
{
	fresh->created = fresh->moved = now;
	fresh->how = HOLD_HOW_UNKNOWN;
	fresh->left_at = now;
	fresh->deadline = now + fresh->window * 1000;
	fresh->due = now + HOLD_LOOK_FIRST_MS;
	return store_hold_insert(hold->store, fresh, why_r);
}

/*
 * An open hold that does not know the file, or gave it up: the scheduler looks again. Not one whose
 * files are being taken out of the queue because its author has all of it: not this one.
 */
static enum base_result
adopt_join(struct hold *hold, const struct store_hold *row, struct store_hold *joined_r,
    int64_t now, const char **why_r)
{
	struct store_hold joined = *row;

	if (row->state == HOLD_RETURNING && row->return_how != HOLD_RETURN_DUE &&
	    row->return_how != HOLD_RETURN_STUCK) {
		*why_r = base_why("the hold %s is being brought back without it: return or "
				  "release it by hand",
		    row->id);
		return BASE_REFUSE;
	}
	joined.tries = 0;
	joined.seen = 0;
	joined.bounces_home = 0; /* the file's envelope is not known */
	joined.due = now + HOLD_LOOK_FIRST_MS;
	*joined_r = joined;
	return store_hold_update(hold->store, &joined, row->state, why_r);
}

/* A hold that was given up: it keeps its history, and asks again by what the file says. */
static enum base_result
adopt_lost(struct hold *hold, const struct adoption *adoption, struct store_hold *fresh,
    int64_t now, const char **why_r)
{
	fresh->state = HOLD_LOST;
	fresh->created = adoption->row->created;
	fresh->how = adoption->row->how;
	fresh->left_at = adoption->row->left_at;
	fresh->left_count = adoption->row->left_count;
	fresh->letter_sent = adoption->row->letter_sent;
	return hold_move(hold, adoption->arena, fresh, HOLD_PENDING, "admin", true, now, why_r);
}

/*
 * Writes the hold and its queue entry, inside the transaction that has looked. What was written is
 * in *fresh afterwards.
 */
static enum base_result
adopt_write(struct hold *hold, const struct adoption *adoption, const struct hold_params *request,
    struct store_hold *fresh, const char **why_r)
{
	int64_t now = base_now_ms();
	enum base_result result = BASE_REFUSE;

	if (adoption->care == HOLD_OWNERSHIP_LOST)
		result = adopt_lost(hold, adoption, fresh, now, why_r);
	else if (adoption->care != HOLD_OWNERSHIP_NONE)
		*why_r = base_why("the hold %s needs no adoption", fresh->id);
	else if (adoption->entry_count >= HOLD_MAX_ENTRIES)
		*why_r = base_why("the hold %s has too many queue entries", fresh->id);
	else if (adoption->row != NULL)
		result = adopt_join(hold, adoption->row, fresh, now, why_r);
	else
		result = adopt_new(hold, fresh, now, why_r);
	return result == BASE_OK ? hold_entry_write(hold, request, fresh->id, now, why_r) : result;
}

/* Looks, decides and writes as one. */
static enum base_result
adopt_run(struct hold *hold, const char *id, const struct hold_params *request,
    struct adoption *adoption, const char **why_r)
{
	struct store_hold fresh;
	enum base_result result = hold_row_make(hold, adoption->arena, request, id, &fresh, why_r);

	if (result == BASE_OK)
		result = hold_begin(hold, why_r);
	if (result != BASE_OK)
		return result;
	fresh.by = "admin";
	result = adoption_look(hold, id, adoption, why_r);
	if (result == BASE_OK)
		result = adopt_write(hold, adoption, request, &fresh, why_r);
	if (result != BASE_OK) {
		store_rollback(hold->store);
		return result;
	}
	result = store_commit(hold->store, why_r);
	if (result == BASE_OK)
		hold_audit_hold(&fresh,
		    adoption->row != NULL ? hold_state_str(adoption->row->state) : "-",
		    request->queue_id, request->message_id, adoption->entry_count + 1);
	return result;
}

enum base_result
hold_adopt(struct hold *hold, const char *id, const struct hold_params *request, const char **why_r)
{
	struct adoption adoption = { .queue_id = request->queue_id };
	enum base_result result = hold_request_check(request, why_r);

	if (result != BASE_OK)
		return result;
	adoption.arena = base_arena_new(2 * HOLD_MAX_ROW);
	if (adoption.arena == NULL) {
		*why_r = base_why("no memory to adopt a mail");
		return BASE_BROKEN;
	}
	result = adopt_run(hold, id, request, &adoption, why_r);
	base_arena_free(&adoption.arena);
	return result;
}
