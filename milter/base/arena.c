/* arena - memory of one transaction or connection, freed as a whole; see arena.h */
#include "milter/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES 8192 /* of an ordinary block, header included */
#define ARENA_KEEP_BYTES 65536 /* reset keeps no block larger than this */

/* One piece from malloc(); what is handed out follows the header. */
struct arena_block {
	struct arena_block *next;
	size_t size; /* bytes after the header */
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

struct base_arena {
	struct arena_block *head; /* the block that small requests are cut from */
	size_t max_bytes;
	size_t held_bytes; /* headers included */
};

/* Gives every block after `keep` (or all of them) back to the system. */
static void
arena_release(struct base_arena *arena, struct arena_block *keep)
{
	struct arena_block *block = arena->head, *next;

	for (; block != NULL; block = next) {
		next = block->next;
		if (block == keep)
			continue;
		arena->held_bytes -= sizeof(*block) + block->size;
		free(block);
	}
	arena->head = keep;
	if (keep != NULL)
		keep->next = NULL;
}

struct base_arena *
base_arena_new(size_t max_bytes)
{
	struct base_arena *arena = calloc(1, sizeof(*arena));

	if (arena != NULL)
		arena->max_bytes = max_bytes;
	return arena;
}

void
base_arena_free(struct base_arena **arena)
{
	if (arena == NULL || *arena == NULL)
		return;
	arena_release(*arena, NULL);
	free(*arena);
	*arena = NULL;
}

void
base_arena_reset(struct base_arena *arena)
{
	struct arena_block *keep = arena->head;

	if (keep != NULL && keep->size > ARENA_KEEP_BYTES)
		keep = NULL;
	arena_release(arena, keep);
	if (keep != NULL)
		keep->used = 0;
}

size_t
base_arena_held(const struct base_arena *arena)
{
	return arena->held_bytes;
}

/* Makes a block with room for `size` bytes; NULL when the maximum or the memory is reached.
 */
static struct arena_block *
arena_grow(struct base_arena *arena, size_t size)
{
	struct arena_block *block;
	size_t left = arena->max_bytes - arena->held_bytes;
	size_t total = ARENA_BLOCK_BYTES;

	if (left < sizeof(*block) || left - sizeof(*block) < size)
		return NULL;
	if (total < sizeof(*block) + size)
		total = sizeof(*block) + size;
	if (total > left)
		total = left;
	block = malloc(total);
	if (block == NULL)
		return NULL;
	block->size = total - sizeof(*block);
	block->used = 0;
	arena->held_bytes += total;
	/* An oversized block goes behind the head, which may still have room. */
	if (arena->head != NULL && arena->head->size - arena->head->used > block->size - size) {
		block->next = arena->head->next;
		arena->head->next = block;
	} else {
		block->next = arena->head;
		arena->head = block;
	}
	return block;
}

void *
base_arena_alloc(struct base_arena *arena, size_t size)
{
	const size_t mask = alignof(max_align_t) - 1;
	struct arena_block *block = arena->head;
	void *piece;

	if (size > SIZE_MAX - mask)
		return NULL;
	size = size == 0 ? mask + 1 : (size + mask) & ~mask;
	if (block == NULL || block->size - block->used < size) {
		block = arena_grow(arena, size);
		if (block == NULL)
			return NULL;
	}
	piece = block->data + block->used;
	block->used += size;
	return memset(piece, 0, size);
}

void *
base_arena_array(struct base_arena *arena, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	return base_arena_alloc(arena, count * size);
}

char *
base_arena_strdup(struct base_arena *arena, const char *text)
{
	return base_arena_strndup(arena, text, strlen(text));
}

char *
base_arena_strndup(struct base_arena *arena, const char *text, size_t length)
{
	size_t size = strnlen(text, length);
	char *copy = size == SIZE_MAX ? NULL : base_arena_alloc(arena, size + 1);

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

char *
base_arena_printf(struct base_arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return NULL;
	text = base_arena_alloc(arena, (size_t)length + 1);
	if (text == NULL)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}
