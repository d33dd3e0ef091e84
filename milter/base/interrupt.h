/*
 * NAME
 *	base/interrupt - long jobs by hand, which somebody may end
 */
#ifndef OOPS_BASE_INTERRUPT_H
#define OOPS_BASE_INTERRUPT_H

#define BASE_INTERRUPTED 128 /* what a shell adds to the signal that ended a command */

/*
 * From now on SIGINT, SIGTERM and SIGHUP only note that the job shall end, and interrupt a read
 * that waits; what is ignored stays so. The second signal of a kind kills.
 */
void base_interrupt_catch(void);
/* The signal that came; 0: none did. */
int base_interrupted(void);

#endif
