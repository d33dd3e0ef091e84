/* Is Sendmail's queue the one that was there before? An empty folder in its place tells nothing. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

/* seconds that clocks, of a file server say, and time zones differ at most */
#define CLOCKS 86400
#define ID_TIME 6 /* characters of a queue id that tell when it was given */

/* --- when a queue id was given ------------------------------------------------------ */

/* One of Sendmail's 60 digits; -1: it is none. */
static int
digit_of(char c)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

int64_t
queue_id_time(const char *queue_id, int64_t now)
{
	int digits[ID_TIME];
	struct tm today, given = { .tm_isdst = 0 };
	time_t clock = (time_t)now;

	for (size_t i = 0; i < ID_TIME; i++) {
		digits[i] = digit_of(queue_id[i]);
		if (digits[i] < 0)
			return 0;
	}
	if (digits[1] > 11 || digits[2] < 1 || digits[2] > 31 || digits[3] > 23 ||
	    gmtime_r(&clock, &today) == NULL)
		return 0;
	/* the year is one of the last sixty */
	given.tm_year = today.tm_year - (today.tm_year - digits[0] + 60) % 60;
	given.tm_mon = digits[1];
	given.tm_mday = digits[2];
	given.tm_hour = digits[3];
	given.tm_min = digits[4];
	given.tm_sec = digits[5];
	return (int64_t)timegm(&given);
}

/* --- the directories ---------------------------------------------------------------- */

/* What a walk is for, and what it found. */
struct walk {
	struct queue_known *known;
	int64_t now;
	int64_t given;     /* when the file was made that is looked for; 0: not known */
	size_t seen;       /* known ones that are there */
	bool is_other;     /* a directory has taken the place of a known one */
	bool may_have_had; /* one of them was changed since the file was made */
	dev_t device;      /* of the directory that is to be known from now on */
	ino_t inode;
};

/* A number for a path. */
static uint64_t
path_hash(const struct queue_directory *directory)
{
	const char *const texts[] = { directory->parent, directory->name };
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (const char *at = texts[i]; *at != '\0'; at++)
			hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
	return hash;
}

/* The entry of a path, or a new one; NULL: there is no room for it. */
static struct queue_known_directory *
entry_of(struct queue_known *known, uint64_t path, bool *is_new_r)
{
	*is_new_r = false;
	for (size_t i = 0; i < known->count; i++)
		if (known->items[i].path == path)
			return &known->items[i];
	if (known->count == QUEUE_MAX_KNOWN)
		return NULL;
	*is_new_r = true;
	return &known->items[known->count++];
}

/* May it be read? */
static bool
is_readable(const struct queue_directory *directory)
{
	int fd = openat(directory->qf, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno != EACCES;
	close(fd);
	return true;
}

/* A queue_visit_fn: is it the directory that is known by its path? */
static enum base_result
know(void *context, const struct queue_directory *directory, const char **why_r)
{
	struct walk *walk = context;
	struct queue_known_directory *entry;
	uint64_t path = path_hash(directory);
	struct stat status;
	bool is_new;

	if (fstat(directory->qf, &status) != 0) {
		*why_r = base_why("%s%s cannot be looked at", directory->parent, directory->name);
		return BASE_BROKEN;
	}
	entry = entry_of(walk->known, path, &is_new);
	if (entry == NULL) {
		walk->may_have_had = true;
		return BASE_NONE;
	}
	if (is_new || (status.st_dev == walk->device && status.st_ino == walk->inode))
		*entry = (struct queue_known_directory){ path, status.st_dev, status.st_ino,
			(int64_t)status.st_mtime, walk->now, walk->known->walk - 1 };
	walk->seen += entry->walk != walk->known->walk;
	entry->walk = walk->known->walk;
	walk->is_other = walk->is_other || entry->device != status.st_dev ||
			 entry->inode != status.st_ino || !is_readable(directory);
	walk->may_have_had = walk->may_have_had || walk->given == 0 ||
			     walk->given >= entry->known_since ||
			     walk->given <= entry->changed + CLOCKS;
	return BASE_NONE;
}

/* Goes through all of them. */
static enum base_result
walk_all(const struct queue_mqueue *mqueue, struct walk *walk, const char **why_r)
{
	walk->known->walk++;
	return queue_mqueue_each(mqueue, know, walk, why_r);
}

enum base_result
queue_known_learn(struct queue_known *known, const struct queue_mqueue *mqueue, const char **why_r)
{
	struct walk walk = { .known = known, .now = base_now() };

	known->count = 0;
	return walk_all(mqueue, &walk, why_r) == BASE_NONE ? BASE_OK : BASE_BROKEN;
}

void
queue_known_trust(
    struct queue_known *known, const struct queue_mqueue *mqueue, dev_t device, ino_t inode)
{
	struct walk walk = { .known = known, .now = base_now(), .device = device, .inode = inode };
	const char *why;

	for (size_t i = 0; i < known->count; i++)
		if (known->items[i].device == device && known->items[i].inode == inode)
			return;
	(void)walk_all(mqueue, &walk, &why);
}

bool
queue_known_is_there(
    struct queue_known *known, const struct queue_mqueue *mqueue, const char *queue_id)
{
	struct walk walk = { .known = known, .now = base_now() };
	const char *why;

	walk.given = queue_id_time(queue_id, walk.now);
	return walk_all(mqueue, &walk, &why) == BASE_NONE && walk.seen > 0 &&
	       walk.seen == known->count && !walk.is_other && walk.may_have_had;
}
