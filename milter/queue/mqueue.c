/* Where Sendmail keeps its queue files: from its configuration, directory by directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/narrow/narrow.h"
#include "milter/queue/internal.h"

#define MAX_CONFIG (4u << 20) /* bytes of a sendmail.cf */
#define MAX_DIRECTORIES 1000  /* that one pattern may stand for */

/* --- sendmail.cf ------------------------------------------------------------------- */

/* Adds one pattern; a relative one is below the queue directory. */
static bool
pattern_add(struct queue_mqueue *mqueue, const char *path, size_t length)
{
	char *pattern = mqueue->patterns[mqueue->count];
	const char *base = mqueue->patterns[0];
	size_t base_length = strlen(base);
	int n;

	if (mqueue->count == QUEUE_MAX_PATTERNS || length == 0)
		return false;
	if (base_length > 0 && base[base_length - 1] == '*')
		base_length = (size_t)(strrchr(base, '/') - base);
	if (path[0] == '/')
		n = snprintf(pattern, QUEUE_MAX_PATH, "%.*s", (int)length, path);
	else
		n = snprintf(pattern, QUEUE_MAX_PATH, "%.*s/%.*s", (int)base_length, base,
		    (int)length, path);
	mqueue->count++;
	return n > 0 && n < QUEUE_MAX_PATH;
}

/* "O QueueDirectory=PATH", or "OQPATH" as it was spelled once. */
static const char *
directory_option(const char *line)
{
	static const char name[] = "QueueDirectory";

	if (line[0] != 'O')
		return NULL;
	if (line[1] == 'Q')
		return line + 2;
	line += 1 + strspn(line + 1, " \t");
	if (strncasecmp(line, name, sizeof(name) - 1) != 0)
		return NULL;
	line += sizeof(name) - 1;
	line += strspn(line, " \t");
	return line[0] == '=' ? line + 1 + strspn(line + 1, " \t") : NULL;
}

/* The path in "Qname, P=PATH, F=f", a queue group; NULL: it has none of its own. */
static const char *
group_path(const char *line)
{
	const char *field = line;

	while ((field = strchr(field, ',')) != NULL) {
		const char *equals = strchr(field, '=');

		field += 1 + strspn(field + 1, " \t");
		if (field[0] == 'P' && equals != NULL)
			return equals + 1 + strspn(equals + 1, " \t");
	}
	return NULL;
}

/* The last QueueDirectory counts, as it does for Sendmail. */
static bool
config_directory(struct queue_mqueue *mqueue, char *text)
{
	bool is_good = true;
	char *line;

	while (is_good && (line = strsep(&text, "\n")) != NULL) {
		const char *path = directory_option(line);

		if (path == NULL)
			continue;
		mqueue->count = 0;
		is_good = path[0] == '/' && pattern_add(mqueue, path, strcspn(path, " \t\r"));
	}
	return is_good && mqueue->count == 1;
}

/* Every queue group adds its path. */
static bool
config_groups(struct queue_mqueue *mqueue, char *text)
{
	bool is_good = true;
	char *line;

	while (is_good && (line = strsep(&text, "\n")) != NULL) {
		const char *path = line[0] == 'Q' ? group_path(line) : NULL;

		if (path != NULL)
			is_good = pattern_add(mqueue, path, strcspn(path, ", \t\r"));
	}
	return is_good;
}

/* Both looks at the text, each at a copy: they cut it into lines. */
static bool
config_read(struct queue_mqueue *mqueue, char *text)
{
	char *again = strdup(text);
	bool is_good =
	    again != NULL && config_directory(mqueue, text) && config_groups(mqueue, again);

	free(again);
	return is_good;
}

enum base_result
queue_mqueue_read(const char *config_file, struct queue_mqueue *mqueue_r, const char **why_r)
{
	int fd = open(config_file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	enum base_result result = BASE_BROKEN;
	struct base_buffer text;

	memset(mqueue_r, 0, sizeof(*mqueue_r));
	base_buffer_init(&text, MAX_CONFIG);
	if (fd < 0 || !queue_file_read(fd, &text))
		*why_r = base_why("cannot read %s: %s", config_file,
		    text.failed ? "it is too large" : strerror(errno));
	else if (text.length == 0 || !config_read(mqueue_r, text.data))
		*why_r = base_why("%s: its QueueDirectory or the path of a queue group is "
				  "not understood",
		    config_file);
	else
		result = BASE_OK;
	if (fd >= 0)
		close(fd);
	base_buffer_free(&text);
	return result;
}

/* --- directories ------------------------------------------------------------------- */

/* The folder before the last slash of a pattern, with it; what follows is returned. */
static const char *
pattern_parent(const char *pattern, char path_r[QUEUE_MAX_PATH])
{
	const char *name = strrchr(pattern, '/') + 1;

	snprintf(path_r, QUEUE_MAX_PATH, "%.*s", (int)(name - pattern), pattern);
	return name;
}

/* Does it end with a star? */
static bool
is_prefix(const char *name)
{
	return name[0] != '\0' && name[strlen(name) - 1] == '*';
}

enum base_result
queue_mqueue_narrow(const struct queue_mqueue *mqueue, const char **why_r)
{
	char parents[QUEUE_MAX_PATTERNS][QUEUE_MAX_PATH];
	const char *folders[QUEUE_MAX_PATTERNS];

	for (size_t i = 0; i < mqueue->count; i++)
		folders[i] = is_prefix(pattern_parent(mqueue->patterns[i], parents[i]))
				 ? parents[i]
				 : mqueue->patterns[i];
	return narrow_files(folders, mqueue->count, false, why_r);
}

/* Opens a directory below another one, as a place alone; never through a link. */
static int
directory_open(int parent, const char *name)
{
	return openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Files of one letter lie in a directory of their own, if there is one. */
static int
part_open(int directory, const char *name)
{
	int fd = directory_open(directory, name);

	return fd >= 0 || errno != ENOENT ? fd : fcntl(directory, F_DUPFD_CLOEXEC, 3);
}

void
queue_directory_close(struct queue_directory *directory)
{
	if (directory->qf >= 0)
		close(directory->qf);
	if (directory->df >= 0)
		close(directory->df);
	if (directory->xf >= 0)
		close(directory->xf);
	directory->qf = directory->df = directory->xf = -1;
}

/* Visits one queue directory. */
static enum base_result
visit(int parent, const char *name, const char *path, queue_visit_fn *each, void *context,
    const char **why_r)
{
	struct queue_directory directory = { -1, -1, -1, name, path };
	int fd = directory_open(parent, name);
	enum base_result result;

	if (fd < 0 && errno == ENOENT)
		return BASE_NONE;
	if (fd >= 0) {
		directory.qf = part_open(fd, "qf");
		directory.df = part_open(fd, "df");
		directory.xf = part_open(fd, "xf");
	}
	if (directory.qf < 0 || directory.df < 0 || directory.xf < 0) {
		*why_r =
		    base_why("%s/%s: %s (links are not followed)", path, name, strerror(errno));
		result = BASE_BROKEN;
	} else {
		result = each(context, &directory, why_r);
	}
	queue_directory_close(&directory);
	if (fd >= 0)
		close(fd);
	return result;
}

/* Visits every directory whose name begins like a pattern that ends with a star. */
static enum base_result
visit_all(int parent, const char *prefix, size_t length, const char *path, queue_visit_fn *each,
    void *context, const char **why_r)
{
	enum base_result result = BASE_NONE;
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t count = 0;

	if (names == NULL) {
		*why_r = base_why("%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return BASE_BROKEN;
	}
	while (result == BASE_NONE && (entry = readdir(names)) != NULL) {
		struct stat status;

		if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, length) != 0)
			continue;
		if (fstatat(parent, entry->d_name, &status, 0) != 0 || !S_ISDIR(status.st_mode))
			continue;
		if (++count > MAX_DIRECTORIES) {
			*why_r = base_why("%s: too many directories", path);
			result = BASE_BROKEN;
		} else {
			result = visit(parent, entry->d_name, path, each, context, why_r);
		}
	}
	closedir(names);
	return result;
}

/* Visits what one pattern stands for. */
static enum base_result
visit_pattern(const char *pattern, queue_visit_fn *each, void *context, const char **why_r)
{
	char path[QUEUE_MAX_PATH];
	const char *name = pattern_parent(pattern, path);
	int parent = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum base_result result;

	if (parent < 0) {
		*why_r = base_why("%s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	if (is_prefix(name))
		result = visit_all(parent, name, strlen(name) - 1, path, each, context, why_r);
	else
		result = visit(parent, name[0] == '\0' ? "." : name, path, each, context, why_r);
	close(parent);
	return result;
}

enum base_result
queue_mqueue_each(
    const struct queue_mqueue *mqueue, queue_visit_fn *each, void *context, const char **why_r)
{
	enum base_result result = BASE_NONE;

	for (size_t i = 0; result == BASE_NONE && i < mqueue->count; i++)
		result = visit_pattern(mqueue->patterns[i], each, context, why_r);
	return result;
}
