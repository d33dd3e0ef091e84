/* addresses - a set of normalised addresses in order of appearance; see mail.h */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/mail/internal.h"

#include <string.h>

/*
 * Behind the `capacity` pointers of a set that was built here lies an index of 2 * room slots:
 * places in items plus one, 0 for a free slot, found by hash and linear probing. `capacity` is
 * a power of two. A set made by hand has room 0 and is searched from its start.
 */
#define ADDRESSES_FIRST_CAPACITY 16

/* FNV-1a, 64 bits. Forced collisions cost at most MAIL_MAX_RECIPIENTS comparisons each. */
static uint64_t
address_hash(const char *text)
{
	uint64_t hash = 0xCBF29CE484222325u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001B3u;
	return hash ^ hash >> 32;
}

/* The slot that holds this address, or the free one where it belongs. */
static uint32_t *
index_slot(const struct mail_addresses *set, const char *normal)
{
	uint32_t *index = (uint32_t *)(void *)(set->items + set->capacity);
	size_t mask = 2 * set->capacity - 1, at = address_hash(normal) & mask;

	while (index[at] != 0 && strcmp(set->items[index[at] - 1], normal) != 0)
		at = (at + 1) & mask;
	return index + at;
}

/* Doubles the room of a set; its former place stays in the arena. */
static bool
addresses_grow(struct base_arena *arena, struct mail_addresses *set)
{
	struct mail_addresses larger = *set;
	size_t i;

	larger.capacity = set->capacity == 0 ? ADDRESSES_FIRST_CAPACITY : 2 * set->capacity;
	while (larger.capacity <= set->count)
		larger.capacity *= 2;
	larger.items =
	    base_arena_array(arena, larger.capacity, sizeof(*larger.items) + 2 * sizeof(uint32_t));
	if (larger.items == NULL)
		return false;
	for (i = 0; i < set->count; i++) {
		larger.items[i] = set->items[i];
		*index_slot(&larger, set->items[i]) = (uint32_t)(i + 1);
	}
	*set = larger;
	return true;
}

enum base_result
mail_addresses_add(struct base_arena *arena, struct mail_addresses *set, const char *normal)
{
	const char *copy;

	if (mail_addresses_has(set, normal)) {
		set->seen++;
		return BASE_OK;
	}
	if (set->count >= MAIL_MAX_RECIPIENTS) {
		set->seen++;
		set->capped = true;
		return BASE_OK;
	}
	if (set->count >= set->capacity && !addresses_grow(arena, set))
		return BASE_BROKEN;
	copy = base_arena_strdup(arena, normal);
	if (copy == NULL)
		return BASE_BROKEN;
	*index_slot(set, copy) = (uint32_t)(set->count + 1);
	set->items[set->count++] = copy;
	set->seen++;
	return BASE_OK;
}

bool
mail_addresses_has(const struct mail_addresses *set, const char *normal)
{
	size_t i;

	if (set->capacity > 0)
		return *index_slot(set, normal) != 0;
	for (i = 0; i < set->count; i++) {
		if (strcmp(set->items[i], normal) == 0)
			return true;
	}
	return false;
}
