/* check/process - what the system tells of a running process; see process.h */
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/file.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/check/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a running process ------------------------------------------------------------ */

/* A file of /proc/PID, up to size - 1 bytes; how many, 0 when it cannot be read. */
static size_t
proc_read(int pid, const char *name, char *data_r, size_t size)
{
	char path[64];
	ssize_t length = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, data_r, size - 1);
		close(fd);
	}
	data_r[length > 0 ? length : 0] = '\0';
	return length > 0 ? (size_t)length : 0;
}

/* A link of /proc/PID; "" when it is not for us to read. */
static void
proc_link(int pid, const char *name, char *target_r, size_t size)
{
	char path[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	length = readlink(path, target_r, size - 1);
	target_r[length > 0 ? length : 0] = '\0';
}

/* The numbers in a line of /proc/PID/status ("Uid:\t0\t0\t0\t0"); how many. */
static size_t
status_numbers(const char *status, const char *name, unsigned *numbers_r, size_t max)
{
	const char *at = strstr(status, name);
	size_t count = 0;
	char *end;

	if (at == NULL)
		return 0;
	for (at += strlen(name); count < max; at = end) {
		at += strspn(at, " \t");
		if (*at < '0' || *at > '9')
			break;
		numbers_r[count++] = (unsigned)strtoul(at, &end, 10);
	}
	return count;
}

/* Whose rights it has: the effective ones. */
static bool
read_user(int pid, struct process_user *user_r)
{
	struct process_user user = { .is_running = true };
	char status[8192];
	unsigned ids[4];

	if (proc_read(pid, "status", status, sizeof(status)) == 0 ||
	    status_numbers(status, "\nUid:", ids, 4) != 4)
		return false;
	user.uid = ids[1];
	if (status_numbers(status, "\nGid:", ids, 4) != 4)
		return false;
	user.gid = ids[1];
	user.group_count = status_numbers(status, "\nGroups:", user.groups, PROCESS_MAX_GROUPS);
	*user_r = user;
	return true;
}

/* The argument behind -c, absolute; "" when there is none, or its folder is not known. */
static void
read_settings(int pid, char *settings_r, size_t size)
{
	char arguments[8192], folder[2048];
	size_t length = proc_read(pid, "cmdline", arguments, sizeof(arguments));
	const char *file = NULL;

	settings_r[0] = '\0';
	for (size_t at = 0; at < length; at += strlen(arguments + at) + 1)
		if (strcmp(arguments + at, "-c") == 0 && at + 3 < length)
			file = arguments + at + 3;
		else if (strncmp(arguments + at, "-c", 2) == 0 && arguments[at + 2] != '\0')
			file = arguments + at + 2;
	if (file == NULL)
		return;
	proc_link(pid, "cwd", folder, sizeof(folder));
	if (file[0] == '/')
		snprintf(settings_r, size, "%s", file);
	else if (strcmp(folder, "/") != 0 && folder[0] != '\0') /* it left where it began */
		snprintf(settings_r, size, "%s/%s", folder, file);
}

enum base_result
process_read(int pid, struct process *process_r, const char **why_r)
{
	static const char gone[] = " (deleted)";
	size_t length;

	memset(process_r, 0, sizeof(*process_r));
	if (!read_user(pid, &process_r->user)) {
		*why_r = base_why("nothing is known of process %d", pid);
		return BASE_BROKEN;
	}
	read_settings(pid, process_r->settings, sizeof(process_r->settings));
	proc_link(pid, "exe", process_r->program, sizeof(process_r->program));
	length = strlen(process_r->program);
	if (length > sizeof(gone) &&
	    strcmp(process_r->program + length - sizeof(gone) + 1, gone) == 0) {
		process_r->program[length - sizeof(gone) + 1] = '\0';
		process_r->is_replaced = true;
	}
	return BASE_OK;
}

/* --- what a user may do ------------------------------------------------------------- */

/* What the child says of one file. */
struct verdict {
	int error;
	size_t barrier;    /* bytes of the path that are in the way */
	unsigned uid, gid; /* whose a new file is */
};

/* Becomes the user for good, in the child. */
static bool
become(const struct process_user *user, const char **why_r)
{
	gid_t groups[PROCESS_MAX_GROUPS];

	if (geteuid() != 0)
		return true; /* it is us */
	if (!user->is_running)
		return base_user_become(&user->role, why_r) == BASE_OK;
	for (size_t i = 0; i < user->group_count; i++)
		groups[i] = user->groups[i];
	*why_r = "cannot become that user";
	return setgroups(user->group_count, groups) == 0 &&
	       setresgid(user->gid, user->gid, user->gid) == 0 &&
	       setresuid(user->uid, user->uid, user->uid) == 0;
}

/* Can a file grow in a folder? One without a name is tried, which is gone at once. */
static int
try_capacity(const char *path)
{
	int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), error = 0;

	if (fd < 0)
		return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ? 0 : errno;
	error = posix_fallocate(fd, 0, PROCESS_CAPACITY_BYTES);
	close(fd);
	return error == EOPNOTSUPP || error == EINVAL ? 0 : error;
}

/* Whose would a new file in a folder be? */
static int
try_make(const char *path, struct verdict *verdict)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return errno;
	verdict->uid = geteuid();
	verdict->gid = status.st_mode & S_ISGID ? status.st_gid : getegid();
	return 0;
}

/* Are we its owner, or in its group? */
static int
try_share(const struct process_file *file)
{
	gid_t groups[PROCESS_MAX_GROUPS];
	int count = getgroups(PROCESS_MAX_GROUPS, groups);

	if (geteuid() == file->uid || getegid() == file->gid)
		return 0;
	if (count < 0)
		return errno;
	for (int i = 0; i < count; i++)
		if (groups[i] == file->gid)
			return 0;
	return EACCES;
}

/* One file, by the ids that we have now: real and effective ones are the same. */
static int
try_file(const struct process_file *file, struct verdict *verdict)
{
	struct stat status;
	int wanted = file->need == PROCESS_READS    ? R_OK
		     : file->need == PROCESS_WRITES ? R_OK | W_OK
		     : file->need == PROCESS_ENTERS ? X_OK
						    : W_OK;

	if (file->need == PROCESS_CAPACITY)
		return try_capacity(file->path);
	if (file->need == PROCESS_MAKES)
		return try_make(file->path, verdict);
	if (file->need == PROCESS_SHARES)
		return try_share(file);
	if (stat(file->path, &status) == 0 && S_ISDIR(status.st_mode))
		wanted |= X_OK;
	return access(file->path, wanted) == 0 ? 0 : errno;
}

/* The first folder above a path that cannot be entered, by its length; all of it: none. */
static size_t
find_barrier(const char *path)
{
	char folder[4096];

	for (const char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
		if (snprintf(folder, sizeof(folder), "%.*s", (int)(at - path), path) >=
		    (int)sizeof(folder))
			break;
		if (access(folder, X_OK) != 0)
			return (size_t)(at - path);
	}
	return strlen(path);
}

/* In the child: tries all, and says how it went; a text first, "" when it became the user. */
static void
child_run(const struct process_user *user, int end, const struct process_file *files, size_t count)
{
	const char *why = "";
	char said[256] = "";

	if (!become(user, &why))
		snprintf(said, sizeof(said), "%s", why[0] != '\0' ? why : "not possible");
	if (write(end, said, sizeof(said)) != sizeof(said) || said[0] != '\0')
		_exit(1);
	for (size_t i = 0; i < count; i++) {
		struct verdict verdict = { .barrier = strlen(files[i].path) };

		verdict.error = try_file(&files[i], &verdict);
		if (verdict.error != 0)
			verdict.barrier = find_barrier(files[i].path);
		if (write(end, &verdict, sizeof(verdict)) != sizeof(verdict))
			_exit(1);
	}
	_exit(0);
}

/* Reads exactly so much of what the child says, before the time is up. */
static bool
hear(int fd, void *data, size_t length, int64_t deadline)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char *at = data;

	while (length > 0) {
		int64_t left = deadline - base_tick_ms();
		ssize_t got;

		if (left <= 0 || poll(&ready, 1, (int)left) <= 0)
			return false;
		got = read(fd, at, length);
		if (got <= 0)
			return false;
		at += got;
		length -= (size_t)got;
	}
	return true;
}

/* What the child found, file by file. */
static enum base_result
take_verdicts(
    struct base_arena *arena, int fd, struct process_file *files, size_t count, const char **why_r)
{
	int64_t deadline = base_tick_ms() + (int64_t)BASE_FILE_SECONDS * 1000;
	char said[256];

	*why_r = base_why("the files do not answer within %d seconds", BASE_FILE_SECONDS);
	if (!hear(fd, said, sizeof(said), deadline))
		return BASE_BROKEN;
	if (said[0] != '\0') {
		*why_r = base_why("%.255s", said);
		return BASE_REFUSE;
	}
	for (size_t i = 0; i < count; i++) {
		struct verdict verdict;

		if (!hear(fd, &verdict, sizeof(verdict), deadline))
			return BASE_BROKEN;
		files[i].error = verdict.error;
		if (files[i].need == PROCESS_MAKES) {
			files[i].uid = verdict.uid;
			files[i].gid = verdict.gid;
		}
		files[i].barrier = base_arena_strndup(arena, files[i].path, verdict.barrier);
		if (files[i].barrier == NULL)
			files[i].barrier = files[i].path;
	}
	return BASE_OK;
}

/* May we try it as that user? Root may; anybody may as himself. */
static bool
can_become(const struct process_user *user)
{
	unsigned uid = user->uid;

	if (geteuid() == 0)
		return true;
	if (!user->is_running && base_user_number(user->role.user, &uid) != BASE_OK)
		return false;
	return uid == geteuid();
}

enum base_result
process_try(const struct process_user *user, struct base_arena *arena, struct process_file *files,
    size_t count, const char **why_r)
{
	enum base_result result;
	int ends[2];
	pid_t child;

	if (!can_become(user)) {
		*why_r = "only root can try it as another user";
		return BASE_NONE;
	}
	if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
		*why_r = base_why("no process to try it in: %s", strerror(errno));
		return BASE_BROKEN;
	}
	if (child == 0)
		child_run(user, ends[1], files, count);
	close(ends[1]);
	result = take_verdicts(arena, ends[0], files, count, why_r);
	close(ends[0]);
	kill(child, SIGKILL);
	/* one that hangs on a dead mount cannot be waited for: init will */
	while (waitpid(child, NULL, result == BASE_BROKEN ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	return result;
}
