/*
 * NAME
 *	narrow - a process gives up, for good, what it will never need of the kernel
 *
 * WHAT IT DOES
 *	After narrow_tools() neither the process nor any program that it runs traces a process with
 *	more rights, mounts anything, loads anything into the kernel, or sets the clock or the
 *	network of the machine, whoever's rights it gets. It runs the MTA's tools, and they deliver
 *	mail: all that a delivery may need is left.
 *
 *	After narrow_enter() the process itself runs no program, makes no socket but unix ones,
 *	changes mode and owner of open files alone, has no capability but those that it keeps, and
 *	never gets more rights.
 *
 *	After narrow_files() it opens no file outside the folders that it names, and sends no signal
 *	to, and reaches no abstract socket of, another process.
 *
 *	What asks for one of these is told EPERM, for a socket EAFNOSUPPORT, for a file EACCES.
 *
 * WHAT IT NEVER DOES
 *	Take away what is open already.
 *
 * PLATFORMS
 *	linux: capabilities, seccomp filters and Landlock rules, all written here, because a library
 *	for them would be one more in a program of root. none: nothing of the kind. configure
 *	chooses.
 *
 * THREADS
 *	All works for the calling thread: call it before there is another.
 *
 * DIAGNOSTICS
 *	NONE: the system has it not, or only a part, which *why_r tells; the process goes on with
 *	that. BROKEN: rights are left that should be gone; it must end.
 */
#ifndef OOPS_NARROW_H
#define OOPS_NARROW_H

#include <stdbool.h>
#include <stddef.h>

#include "milter/base/result.h"

enum base_result narrow_tools(const char **why_r);

/*
 * `keeps_files`: a process of root stays able to read, write and give away the files of every user.
 * Else no capability is left.
 */
enum base_result narrow_enter(bool keeps_files, const char **why_r);

/*
 * Files may be read, written, made and removed below the `count` folders alone, and, if
 * `reads_all`, read anywhere. A folder is known by its inode: one that is mounted or put in its
 * place later is another. One that is not there is passed over.
 */
enum base_result narrow_files(
    const char *const *folders, size_t count, bool reads_all, const char **why_r);

#endif
