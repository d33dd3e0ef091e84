/*
 * aside - ids of what cannot be read or written just now, so that the others go on; see internal.h
 */
#include <limits.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

/* Its entry, or NULL. */
static const struct hold_aside_entry *
entry_find(const struct hold_aside *aside, const char *id)
{
	for (size_t i = 0; i < HOLD_ASIDE; i++)
		if (strcmp(aside->entries[i].id, id) == 0)
			return &aside->entries[i];
	return NULL;
}

bool
hold_aside_is_known(const struct hold_aside *aside, const char *id)
{
	return entry_find(aside, id) != NULL;
}

bool
hold_aside_has(const struct hold_aside *aside, const char *id)
{
	const struct hold_aside_entry *entry = entry_find(aside, id);

	return entry != NULL && base_tick_ms() < entry->until;
}

void
hold_aside_add(struct hold_aside *aside, const char *id, const char *what, const char *why)
{
	struct hold_aside_entry *entry = (struct hold_aside_entry *)entry_find(aside, id);

	if (entry == NULL) {
		entry = &aside->entries[aside->next];
		aside->next = (aside->next + 1) % HOLD_ASIDE;
		memset(entry, 0, sizeof(*entry));
		memcpy(entry->id, id, strnlen(id, BASE_ID_LENGTH));
		base_log(BASE_LOG_ERROR,
		    "%s: %s; the others go on, and it is tried again within %d minutes "
		    "(number %lu of such): %s",
		    id, what, HOLD_ASIDE_MS / 60000, ++aside->count, why);
		audit_event(AUDIT_ERROR, id, { "where", "hold" }, { "what", "set aside" },
		    { "answer", why });
	}
	if (entry->until == INT64_MAX)
		return;
	entry->until =
	    base_tick_ms() + hold_backoff(HOLD_ASIDE_FIRST_MS, HOLD_ASIDE_MS, entry->tries);
	entry->tries += entry->tries < INT_MAX;
}

void
hold_aside_keep(struct hold_aside *aside, const char *id, const char *what, const char *why)
{
	hold_aside_add(aside, id, what, why);
	((struct hold_aside_entry *)entry_find(aside, id))->until = INT64_MAX;
}

bool
hold_is_of_row(struct hold *hold, enum base_result result)
{
	return result != BASE_OK && result != BASE_NONE && result != BASE_RETRY &&
	       !store_is_short(hold->store);
}

enum base_result
hold_aside_next(struct hold *hold, struct hold_aside *aside, struct base_arena *arena,
    enum store_due which, const char ***ids_r, size_t *count_r, const char **why_r)
{
	const char **ids = NULL;
	size_t count = 0, kept = 0;
	enum base_result result = store_due_ids(hold->store, arena, which, hold->node,
	    base_now_ms(), &ids, HOLD_ASIDE + 1, &count, why_r);

	if (result != BASE_OK)
		return result;
	for (size_t i = 0; i < count; i++)
		if (!hold_aside_has(aside, ids[i]))
			ids[kept++] = ids[i];
	*ids_r = ids;
	*count_r = kept;
	return BASE_OK;
}

enum base_result
hold_aside_read(struct hold *hold, struct hold_aside *aside, struct base_arena *arena,
    enum store_due which, struct store_hold **row_r, const char **why_r)
{
	const char **ids = NULL;
	size_t count = 0;
	enum base_result result = hold_aside_next(hold, aside, arena, which, &ids, &count, why_r);

	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		result = store_hold_get(hold->store, arena, ids[i], row_r, why_r);
		if (result != BASE_NONE && !hold_is_of_row(hold, result))
			return result;
		if (result != BASE_NONE) /* somebody removed it */
			hold_aside_add(aside, ids[i], "its row cannot be read", *why_r);
		result = BASE_OK;
	}
	return result == BASE_OK ? BASE_NONE : result;
}
