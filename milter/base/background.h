/*
 * NAME
 *	base/background - a program that goes to the background
 */
#ifndef OOPS_BASE_BACKGROUND_H
#define OOPS_BASE_BACKGROUND_H

#include "milter/base/result.h"

/*
 * Forks; returns in the child only. The parent stays on the terminal until the child says that it
 * is ready (then it exits with 0) or ends (then with the child's status), so that whoever
 * started the program sees why it does not start. Call before any thread exists.
 */
enum base_result base_background_enter(int *ready_r, const char **why_r);
/* Everything is open: lets go of the terminal and tells the parent. */
enum base_result base_background_ready(int ready, const char **why_r);

#endif
