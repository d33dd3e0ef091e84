/*
 * NAME
 *	history/update - what the files that change a profile share
 */
#ifndef OOPS_HISTORY_UPDATE_H
#define OOPS_HISTORY_UPDATE_H

#include "milter/base/arena.h"
#include "milter/history/internal.h"

/* What one event at `now` adds to weights of `epoch`. */
float history_weight_now(int64_t epoch, int64_t now);
/* Moves a profile's epoch when it is time. */
void history_profile_renew(struct history_profile *profile, int64_t now);
/* Mail is not always learned in its order: a time only ever moves on. */
void history_later(uint32_t *time, int64_t now);
/*
 * Room for one more element: the list itself, a larger copy, or NULL when the arena is full.
 * `capacity` is how many there is room for; it grows up to `max`.
 */
void *history_list_grown(
    struct base_arena *arena, void *list, size_t count, size_t *capacity, size_t max, size_t size);
/*
 * The contact, made if need be; in a full profile the one of least worth goes, and its small
 * audiences with it, so slots may move. NULL: arena full.
 */
struct history_contact *history_contact_get(
    struct base_arena *arena, struct history_profile *profile, uint64_t hash, int64_t now);
/* The name that was seen last is the one under which a contact is known; 0: none was seen. */
void history_name_observe(struct history_contact *contact, uint32_t name);

#endif
