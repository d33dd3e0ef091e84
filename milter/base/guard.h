/*
 * NAME
 *	base/guard - a job that may never end, and is then left behind
 */
#ifndef OOPS_BASE_GUARD_H
#define OOPS_BASE_GUARD_H

#include <stdatomic.h>

#include "milter/base/result.h"

/*
 * Runs job(work) in a thread of its own and waits for its end, but not for longer than
 * `limit_ms`: for what nothing can interrupt, such as a file on a dead mount. OK: it ended, and
 * the work is the caller's. RETRY: it did not, or one of the same name still runs, or there is
 * no memory: the thread, if any, is left behind, and the work is given to drop().
 */
enum base_result base_guard(const char *name, int64_t limit_ms, void (*job)(void *work),
    void (*drop)(void *work), void *work);
/* From now on the calling thread waits no longer once *flag is true. NULL: it does. */
void base_guard_give_up(const atomic_bool *flag);

#endif
