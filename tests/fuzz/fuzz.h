/*
 * NAME
 *	fuzz - what the targets share: a claim that must be true, and what a seed is called
 *
 * Built and run by tests/fuzz/run, with libFuzzer.
 */
#ifndef OOPS_TEST_FUZZ_H
#define OOPS_TEST_FUZZ_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program with a report when something is not true. */
static inline void
must(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "%s: not true: %s\n", program_invocation_short_name, what);
	abort();
}

/* Is this run one of a seed, whose name says what is expected? */
static inline bool
fuzz_is_seed(void)
{
	return getenv("FUZZ_EXPECT") != NULL;
}

/* A seed called y_ must be taken, one called n_ must not; other bytes are free. */
static inline void
fuzz_expect(bool is_taken)
{
	const char *expected = getenv("FUZZ_EXPECT");

	if (expected != NULL)
		must(is_taken == (expected[0] == 'y'), "the seed is what it is called");
}

#endif
