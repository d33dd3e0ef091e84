/*
 * NAME
 *	base/result - what to do next, and why: how every function of every module fails
 *
 *	Base is what every module stands on, a small header for each subject. It knows nothing of
 *	mail and keeps no global state but the log's destination, and which threads hang on a file
 *	that does not answer. What has a _free() takes a pointer to the pointer and clears it.
 *
 * DIAGNOSTICS
 *	Functions that can fail return enum base_result and tell why in `why_r`, a
 *	sentence without a full stop, made by base_why(): it stays valid in the calling
 *	thread until that thread has failed a few more times, so print it or copy it.
 *	Outputs are untouched unless the result is BASE_OK.
 */
#ifndef OOPS_BASE_RESULT_H
#define OOPS_BASE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to do next, the same in every module. */
enum base_result {
	BASE_OK,     /* done */
	BASE_NONE,   /* done, and there is nothing: no such row, no more input */
	BASE_RETRY,  /* not now: the same call may succeed later */
	BASE_REFUSE, /* never with these arguments: the caller's input is wrong */
	BASE_BROKEN, /* the machine under us failed: disk, memory, another program */
};

const char *base_result_str(enum base_result result);

/* A reason for `why_r`: formatted into a small ring that belongs to this thread. */
const char *base_why(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
