/*
 * One message in Sendmail's queue: found, read, and changed under Sendmail's own locks.
 *
 * A message is a control file qfID (hfID while it is on hold) and a data file dfID. Whoever
 * works on it holds a lock on the control file, writes a new one as tfID and renames that;
 * what is renamed to qfID belongs to the next run of the queue.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

#define UNFINISHED 600 /* seconds after which a control file without an end is no mail */

#define NAME_SIZE (QUEUE_MAX_ID + 3)

/* "hf" and the like before the queue id. */
static void
name_of(char letter, const char *queue_id, char name_r[NAME_SIZE])
{
	snprintf(name_r, NAME_SIZE, "%cf%s", letter, queue_id);
}

/* --- finding ----------------------------------------------------------------------- */

/* Opens a plain file, never through a link; -1 with errno otherwise. */
static int
file_open(int directory, char letter, const char *queue_id, int flags)
{
	char name[NAME_SIZE];
	struct stat status;
	int fd;

	name_of(letter, queue_id, name);
	fd = openat(directory, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
		close(fd);
		errno = ELOOP;
		return -1;
	}
	return fd;
}

/* Keeps descriptors that outlive the walk. */
static bool
directory_dup(const struct queue_directory *from, struct queue_directory *to_r)
{
	to_r->qf = fcntl(from->qf, F_DUPFD_CLOEXEC, 3);
	to_r->df = fcntl(from->df, F_DUPFD_CLOEXEC, 3);
	to_r->xf = fcntl(from->xf, F_DUPFD_CLOEXEC, 3);
	to_r->name = to_r->parent = "";
	return to_r->qf >= 0 && to_r->df >= 0 && to_r->xf >= 0;
}

/*
 * A queue_visit_fn: is the message here? First hf, then qf: that is the way of a release, so a
 * file cannot be missed on it. Where both are, a release broke off between the two.
 */
static enum base_result
find_in(void *context, const struct queue_directory *directory, const char **why_r)
{
	struct queue_message *message = context;
	int held = file_open(directory->qf, 'h', message->queue_id, O_RDWR);
	int held_errno = errno;
	int queued = file_open(directory->qf, 'q', message->queue_id, O_RDWR);

	if (queued >= 0 && held >= 0) {
		close(held);
		held = -1;
	}
	message->is_held = queued < 0;
	message->control = queued >= 0 ? queued : held;
	if (message->control < 0) {
		if (held_errno == ENOENT && errno == ENOENT)
			return BASE_NONE;
		if (held_errno == ENOENT)
			held_errno = errno;
		*why_r = base_why("hf%s: %s", message->queue_id, strerror(held_errno));
		return held_errno == ELOOP ? BASE_REFUSE : BASE_BROKEN;
	}
	if (!directory_dup(directory, &message->directory)) {
		*why_r = base_why("%s: %s", message->queue_id, strerror(errno));
		return BASE_BROKEN;
	}
	return BASE_OK;
}

bool
queue_file_read(int fd, struct base_buffer *text)
{
	char data[16384];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0 && !text->failed)
		base_buffer_append(text, data, (size_t)n);
	return n >= 0 && !text->failed;
}

/* The whole control file, from its beginning. */
static enum base_result
control_read(struct queue_message *message, const char **why_r)
{
	base_buffer_clear(&message->text);
	if (lseek(message->control, 0, SEEK_SET) != 0 ||
	    !queue_file_read(message->control, &message->text)) {
		*why_r = base_why(
		    "the control file of %s cannot be read, or is too large", message->queue_id);
		return message->text.failed ? BASE_REFUSE : BASE_BROKEN;
	}
	return queue_qf_parse(
	    base_buffer_text(&message->text), message->text.length, &message->qf, why_r);
}

void
queue_message_close(struct queue_message *message)
{
	queue_directory_close(&message->directory);
	if (message->control >= 0)
		close(message->control);
	message->control = -1;
	base_buffer_free(&message->text);
}

/* A queue_visit_fn: is this the directory where the data file is? */
static enum base_result
find_data(void *context, const struct queue_directory *directory, const char **why_r)
{
	struct queue_message *message = context;
	const char *slash = strrchr(message->qf.directory, '/');
	const char *name = slash == NULL ? message->qf.directory : slash + 1;
	int fd;

	if (strcmp(name, directory->name) != 0)
		return BASE_NONE;
	fd = fcntl(directory->df, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		*why_r = strerror(errno);
		return BASE_BROKEN;
	}
	close(message->directory.df);
	message->directory.df = fd;
	return BASE_OK;
}

/* The data file may lie in another queue directory: then the control file says so. */
static enum base_result
data_locate(const struct queue_mta *mta, struct queue_message *message, const char **why_r)
{
	enum base_result result;

	if (message->qf.directory[0] == '\0')
		return BASE_OK;
	result = queue_mqueue_each(&mta->mqueue, find_data, message, why_r);
	if (result == BASE_NONE)
		*why_r =
		    base_why("%s: no queue directory %s", message->queue_id, message->qf.directory);
	return result == BASE_NONE ? BASE_BROKEN : result;
}

enum base_result
queue_message_open(const struct queue_mta *mta, const char *queue_id,
    struct queue_message *message_r, const char **why_r)
{
	struct queue_message message = {
		.queue_id = queue_id, .control = -1, .directory = { -1, -1, -1, "", "" }
	};
	enum base_result result = BASE_NONE;
	struct stat status;

	/* Twice: a queue file that is put on hold goes the other way. */
	for (int i = 0; i < 2 && result == BASE_NONE; i++)
		result = queue_mqueue_each(&mta->mqueue, find_in, &message, why_r);
	if (result == BASE_NONE)
		*why_r = base_why("%s: no such message", queue_id);
	base_buffer_init(&message.text, QUEUE_MAX_QF);
	if (result == BASE_OK)
		result = control_read(&message, why_r);
	if (result == BASE_OK)
		result = data_locate(mta, &message, why_r);
	if (result == BASE_OK && fstat(message.control, &status) == 0)
		message.is_stopped = queue_mark_is_set(status.st_mode);
	if (result == BASE_RETRY && fstat(message.control, &status) == 0 &&
	    status.st_mtime < base_now() - UNFINISHED)
		result = BASE_NONE;
	if (result != BASE_OK)
		queue_message_close(&message);
	*message_r = message;
	return result;
}

/* Looks for names that differ from the one of `queue_id` in its running number alone. */
struct pieces {
	const char *queue_id;
	struct base_buffer *ids;
};

#define NUMBER_AT 6 /* in a queue id: before it is the time, behind it the process */
#define NUMBER_LENGTH 2

bool
queue_message_is_piece(const char *queue_id, const char *other)
{
	size_t length = strlen(queue_id), after = NUMBER_AT + NUMBER_LENGTH;

	return length >= after && strlen(other) == length &&
	       strncmp(other, queue_id, NUMBER_AT) == 0 &&
	       strcmp(other + after, queue_id + after) == 0 && strcmp(other, queue_id) != 0;
}

/* A queue_visit_fn: the pieces of a message in one directory. */
static enum base_result
pieces_in(void *context, const struct queue_directory *directory, const char **why_r)
{
	int fd = openat(directory->qf, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	const struct pieces *pieces = context;
	struct dirent *entry;

	if (names == NULL) {
		*why_r = base_why("%s: %s", directory->name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return BASE_BROKEN;
	}
	while ((entry = readdir(names)) != NULL) {
		const char *id = entry->d_name + 2;

		if ((strncmp(entry->d_name, "hf", 2) == 0 ||
			strncmp(entry->d_name, "qf", 2) == 0) &&
		    queue_message_is_piece(pieces->queue_id, id) && queue_is_queue_id(id))
			base_buffer_printf(pieces->ids, "%s\n", id);
	}
	closedir(names);
	return BASE_NONE;
}

enum base_result
queue_message_pieces(const struct queue_mta *mta, const char *queue_id, struct base_buffer *ids_r,
    const char **why_r)
{
	struct pieces pieces = { queue_id, ids_r };
	enum base_result result;

	if (strlen(queue_id) < NUMBER_AT + NUMBER_LENGTH)
		return BASE_OK;
	result = queue_mqueue_each(&mta->mqueue, pieces_in, &pieces, why_r);
	if (result == BASE_NONE && ids_r->failed) {
		*why_r = base_why("%s: too many pieces", queue_id);
		return BASE_BROKEN;
	}
	return result == BASE_NONE ? BASE_OK : result;
}

/* --- changing ---------------------------------------------------------------------- */

/*
 * Locks as Sendmail does: with flock(), or with fcntl() where it was built so. Both do not
 * disturb each other. Nobody is waited for: who has the lock is at work.
 */
static bool
lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fcntl(fd, F_SETLK, &whole) == 0;
}

/* Locks a held message that was found, if its name still means the same file. */
enum base_result
queue_message_lock(struct queue_message *message, const char **why_r)
{
	char name[NAME_SIZE];
	struct stat open, named;

	name_of('h', message->queue_id, name);
	if (!lock(message->control) || fstat(message->control, &open) != 0 ||
	    fstatat(message->directory.qf, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
	    open.st_dev != named.st_dev || open.st_ino != named.st_ino) {
		*why_r = base_why("%s is being worked on", name);
		return BASE_RETRY;
	}
	return control_read(message, why_r);
}

/* Writes everything there is to a file, and waits until it is on the disk. */
static bool
write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		length -= (size_t)n;
	}
	return fsync(fd) == 0;
}

/*
 * The new control file, locked, under its temporary name, without the mark that its author
 * stopped it. One that is there already is from
 * somebody who was killed: he would need the lock that we have.
 */
static int
control_create(
    const struct queue_message *message, const char *name, const char *data, size_t length)
{
	int directory = message->directory.qf, fd;
	struct stat old;

	if (fstat(message->control, &old) != 0 ||
	    (unlinkat(directory, name, 0) != 0 && errno != ENOENT))
		return -1;
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && (!lock(fd) || fchown(fd, old.st_uid, old.st_gid) != 0 ||
			   fchmod(fd, old.st_mode & 0777) != 0 || !write_all(fd, data, length))) {
		int error = errno;

		unlinkat(directory, name, 0);
		close(fd);
		errno = error;
		fd = -1;
	}
	return fd;
}

/* Waits until the names in a directory are on the disk. */
static bool
names_sync(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return is_synced;
}

/*
 * Takes a message off hold. Its new control file first takes the place of the held one, and
 * then its name: at no moment there are two of them, or none.
 */
enum base_result
queue_message_free(struct queue_message *message, bool is_returned, const char **why_r)
{
	char temporary[NAME_SIZE], held[NAME_SIZE], queued[NAME_SIZE];
	int directory = message->directory.qf, fd = -1;
	enum base_result result = BASE_OK;
	struct base_buffer text;

	name_of('t', message->queue_id, temporary);
	name_of('h', message->queue_id, held);
	name_of('q', message->queue_id, queued);
	base_buffer_init(&text, QUEUE_MAX_QF + 64);
	queue_qf_rewrite(
	    base_buffer_text(&message->text), message->text.length, is_returned, base_now(), &text);
	if (!text.failed)
		fd = control_create(message, temporary, text.data, text.length);
	if (fd < 0 || renameat(directory, temporary, directory, held) != 0 ||
	    renameat2(directory, held, directory, queued, RENAME_NOREPLACE) != 0 ||
	    !names_sync(directory)) {
		*why_r = base_why("%s: %s", held, strerror(errno));
		result = BASE_RETRY;
	}
	if (fd >= 0)
		close(fd);
	base_buffer_free(&text);
	return result;
}

/* Removes a message; its control file last, so that what was not finished is seen again. */
enum base_result
queue_message_delete(struct queue_message *message, const char **why_r)
{
	char transcript[NAME_SIZE], data[NAME_SIZE], held[NAME_SIZE];

	name_of('x', message->queue_id, transcript);
	name_of('d', message->queue_id, data);
	name_of('h', message->queue_id, held);
	if ((unlinkat(message->directory.xf, transcript, 0) != 0 && errno != ENOENT) ||
	    (unlinkat(message->directory.df, data, 0) != 0 && errno != ENOENT) ||
	    unlinkat(message->directory.qf, held, 0) != 0 || !names_sync(message->directory.qf)) {
		*why_r = base_why("%s: %s", held, strerror(errno));
		return BASE_RETRY;
	}
	return BASE_OK;
}

/* --- the body ------------------------------------------------------------------------ */

/* The body, as Sendmail keeps it. */
enum base_result
queue_message_body(
    const struct queue_message *message, struct base_buffer *message_r, const char **why_r)
{
	int fd = file_open(message->directory.df, 'd', message->queue_id, O_RDONLY);
	bool is_read;

	if (fd < 0) {
		*why_r = base_why("df%s: %s", message->queue_id, strerror(errno));
		return BASE_RETRY;
	}
	/* one that is too large is told by who asked */
	is_read = queue_file_read(fd, message_r) || message_r->failed;
	close(fd);
	if (!is_read) {
		*why_r = base_why("df%s cannot be read", message->queue_id);
		return BASE_RETRY;
	}
	return BASE_OK;
}
