/*
 * NAME
 *	base/clock - what time it is
 *
 * THREADS
 *	Any.
 */
#ifndef OOPS_BASE_CLOCK_H
#define OOPS_BASE_CLOCK_H

#include <stdint.h>

int64_t base_now(void);     /* seconds since 1970 */
int64_t base_now_ms(void);  /* milliseconds since 1970 */
int64_t base_tick_ms(void); /* milliseconds of a clock that nobody sets: for time limits */
int64_t base_boot_ms(void); /* the same since the start of the machine, its sleep included */
/* Sleeps, returning early only for a signal. */
void base_sleep_ms(int64_t milliseconds);

#endif
