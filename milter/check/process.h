/*
 * NAME
 *	check/process - what the system tells of a running process, and what its user may do
 *
 * OWNERSHIP
 *	Nothing is kept.
 *
 * DIAGNOSTICS
 *	See each function.
 */
#ifndef OOPS_CHECK_PROCESS_H
#define OOPS_CHECK_PROCESS_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/base/user.h"

#define PROCESS_MAX_GROUPS 64

/* Whose rights are looked at: those of a user of the settings, or of a running process. */
struct process_user {
	struct base_role role;
	bool is_running; /* then these are its numbers */
	unsigned uid, gid;
	unsigned groups[PROCESS_MAX_GROUPS];
	size_t group_count;
};

struct process {
	struct process_user user;
	char program[4096];  /* path of its program; "": not for us to know */
	bool is_replaced;    /* that file was removed, or another put in its place */
	char settings[4096]; /* the file behind its -c, absolute; "": not known */
};

/* BROKEN: there is no such process, or it hides. */
enum base_result process_read(int pid, struct process *process_r, const char **why_r);

/* What somebody needs of a file, and what is in the way. */
enum process_need {
	PROCESS_READS,    /* a file; of a folder, its names and what is in it */
	PROCESS_WRITES,   /* the same, and changes it */
	PROCESS_ENTERS,   /* a folder, for what is in it */
	PROCESS_CONNECTS, /* a socket */
	PROCESS_CAPACITY, /* a folder that files of PROCESS_ROOM_BYTES can grow in */
	PROCESS_MAKES,    /* a folder; tells whose a new file in it is, and makes none */
	PROCESS_SHARES,   /* a file for its owner and its group alone, whose they are given */
};

#define PROCESS_CAPACITY_BYTES (4 << 20)

struct process_file {
	const char *path;
	enum process_need need;
	unsigned uid, gid;   /* output of PROCESS_MAKES, input of PROCESS_SHARES */
	int error;           /* output: an errno, 0 for nothing */
	const char *barrier; /* output: `path`, or the folder above it that is in the way */
};

/*
 * Tries each as that user, in a process of its own that gives up root for it; leaves nothing
 * behind. NONE: only root can try it. REFUSE: there is no such user. BROKEN: it did not end in
 * BASE_FILE_SECONDS, as on a dead mount.
 */
enum base_result process_try(const struct process_user *user, struct base_arena *arena,
    struct process_file *files, size_t count, const char **why_r);

#endif
