/*
 * NAME
 *	narrow - a process gives up, for good, what it will never need of the kernel
 *
 * WHAT IT DOES
 *	After narrow_enter() the process runs no other program, makes no socket but unix ones, looks
 *	into no other process, mounts nothing, loads nothing into the kernel, has no capability but
 *	those that it keeps, and never gets more rights. What asks for one of these is told EPERM,
 *	for a socket EAFNOSUPPORT.
 *
 * PLATFORMS
 *	linux: capabilities, and a seccomp filter that is written here, because a library for it
 *	would be one more in a program of root. none: nothing of the kind. configure chooses.
 *
 * DIAGNOSTICS
 *	NONE: the system has it not, or only a part, which *why_r tells; the process goes on with
 *	that. BROKEN: rights are left that should be gone; it must end.
 */
#ifndef OOPS_NARROW_H
#define OOPS_NARROW_H

#include "milter/base/result.h"

/*
 * `keeps_files`: a process of root stays able to read, write and give away the files of every user.
 * Else no capability is left. It works for the calling thread: call it before there is another.
 */
enum base_result narrow_enter(bool keeps_files, const char **why_r);

#endif
