/*
 * NAME
 *	memory - what is usual for a sender and a thread, as plain values
 *
 * OWNERSHIP
 *	Decoded records live in the arena of the recall.
 *
 * PRIVACY
 *	No address and no message id, only keyed 64-bit hashes of them.
 */
#ifndef OOPS_MEMORY_VALUE_H
#define OOPS_MEMORY_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_profile; /* defined here by this room's owner; plain data that judge reads */
struct memory_thread;

/* What was found for one send; NULL: never seen. */
struct memory_recall {
	const struct memory_profile *profile;
	const struct memory_thread *thread; /* of the parent message */
	const uint64_t *recipients; /* keyed hash of each recipient, in the transaction's order */
	size_t recipient_count;
	double site_score; /* the site's own high percentile of scores; 0: not enough seen */
};

#endif
