/*
 * NAME
 *	history/wire - numbers as little-endian bytes, with bounds
 *
 * DIAGNOSTICS
 *	Reading past the end, or writing past the room, sets `failed`, which stays; reading
 *	gives 0 from then on.
 */
#ifndef OOPS_HISTORY_WIRE_H
#define OOPS_HISTORY_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "milter/base/arena.h"

struct history_wire {
	unsigned char *data;       /* written to */
	const unsigned char *from; /* read from */
	size_t length;             /* bytes written, or read so far */
	size_t capacity;
	bool failed;
};

/* For writing; `data` is NULL when the arena is full. */
static inline struct history_wire
history_wire_new(struct base_arena *arena, size_t capacity)
{
	return (
	    struct history_wire){ .data = base_arena_alloc(arena, capacity), .capacity = capacity };
}

/* For reading. */
static inline struct history_wire
history_wire_over(const void *data, size_t length)
{
	return (struct history_wire){ .from = data, .capacity = length };
}

static inline bool
history_wire_is_done(const struct history_wire *wire)
{
	return !wire->failed && wire->length == wire->capacity;
}

/* Writes the low `bytes` bytes of a number. */
static inline void
history_put(struct history_wire *wire, uint64_t value, size_t bytes)
{
	if (wire->failed || wire->capacity - wire->length < bytes) {
		wire->failed = true;
		return;
	}
	for (size_t i = 0; i < bytes; i++)
		wire->data[wire->length++] = (unsigned char)(value >> (8 * i));
}

static inline uint64_t
history_take(struct history_wire *wire, size_t bytes)
{
	uint64_t value = 0;

	if (wire->failed || wire->capacity - wire->length < bytes) {
		wire->failed = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)wire->from[wire->length++] << (8 * i);
	return value;
}

/* Several hashes, at most 255. */
static inline void
history_put_hashes(struct history_wire *wire, const uint64_t *hashes, size_t count)
{
	history_put(wire, count, 1);
	for (size_t i = 0; i < count; i++)
		history_put(wire, hashes[i], 8);
}

/* Several hashes; more than `capacity` fails. */
static inline uint8_t
history_take_hashes(struct history_wire *wire, uint64_t *hashes_r, size_t capacity)
{
	size_t count = history_take(wire, 1);

	if (count > capacity) {
		wire->failed = true;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		hashes_r[i] = history_take(wire, 8);
	return (uint8_t)count;
}

static inline void
history_put_float(struct history_wire *wire, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	history_put(wire, bits, 4);
}

/* A weight: what is not a number from 0 up fails. */
static inline float
history_take_float(struct history_wire *wire)
{
	uint32_t bits = (uint32_t)history_take(wire, 4);
	float value;

	memcpy(&value, &bits, sizeof(value));
	if (!(value >= 0 && value < 1e30f)) {
		wire->failed = true;
		return 0;
	}
	return value;
}

static inline void
history_put_double(struct history_wire *wire, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	history_put(wire, bits, 8);
}

static inline double
history_take_double(struct history_wire *wire)
{
	uint64_t bits = history_take(wire, 8);
	double value;

	memcpy(&value, &bits, sizeof(value));
	if (!(value > -1e30 && value < 1e30)) {
		wire->failed = true;
		return 0;
	}
	return value;
}

#endif
