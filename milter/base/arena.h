/*
 * NAME
 *	base/arena - memory of one transaction or connection, bounded, freed as a whole
 *
 * OWNERSHIP
 *	What an arena hands out lives until base_arena_reset() or base_arena_free(). It belongs
 *	to one thread at a time.
 */
#ifndef OOPS_BASE_ARENA_H
#define OOPS_BASE_ARENA_H

#include <stddef.h>

struct base_arena;

/* A new arena that never holds more than max_bytes; NULL when memory is short. */
struct base_arena *base_arena_new(size_t max_bytes);
void base_arena_free(struct base_arena **arena);
/* Forgets everything handed out and keeps one block for the next use. */
void base_arena_reset(struct base_arena *arena);
/* Bytes that it has taken from the system, of its maximum. */
size_t base_arena_held(const struct base_arena *arena);
/* Zeroed, aligned for any type. NULL when the maximum or the memory is reached. */
void *base_arena_alloc(struct base_arena *arena, size_t size);
/* The same for `count` elements of `size` bytes; NULL on overflow as well. */
void *base_arena_array(struct base_arena *arena, size_t count, size_t size);
char *base_arena_strdup(struct base_arena *arena, const char *text);
char *base_arena_strndup(struct base_arena *arena, const char *text, size_t length);
char *base_arena_printf(struct base_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
