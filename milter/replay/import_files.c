/*
 * NAME
 *	replay/import_files - the files that mail of the past is in
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/interrupt.h"
#include "milter/base/result.h"
#include "milter/replay/internal.h"
#include "milter/replay/replay.h"

#define IMPORT_MESSAGE (512u << 10) /* bytes of a message that are read: its header */

/* A history in lines: a malformed one ends it. */
static enum base_result
tsv_read(struct replay_import *import, FILE *input, const char *name, const char **why_r)
{
	struct replay_reader *reader = replay_reader_new(input, name);
	struct replay_line line;
	enum base_result result = reader ? BASE_OK : BASE_BROKEN;

	*why_r = "no memory";
	while (result == BASE_OK) {
		base_arena_reset(import->arena);
		result = replay_reader_next(reader, import->arena, &line, why_r);
		import->done = ftello(input);
		if (result == BASE_OK && line.is_probe)
			import->count.skipped++;
		else if (result == BASE_OK)
			result = replay_import_mail(import, import->arena, line.transaction, why_r);
	}
	replay_reader_free(&reader);
	return result == BASE_NONE ? BASE_OK : result;
}

/*
 * One line, without its newline and bounded: of a longer one the rest is passed over.
 * NONE: the file has ended. RETRY: the job shall end.
 */
static enum base_result
line_read(FILE *input, char *line_r, size_t capacity, size_t *length_r)
{
	size_t length = 0;
	int byte;

	while ((byte = getc_unlocked(input)) != EOF && byte != '\n')
		if (length + 1 < capacity)
			line_r[length++] = (char)byte;
	if (base_interrupted() != 0)
		return BASE_RETRY;
	if (byte == EOF && length == 0)
		return BASE_NONE;
	if (length && line_r[length - 1] == '\r')
		length--;
	line_r[length] = '\0';
	*length_r = length;
	return BASE_OK;
}

/* A log: a malformed line is counted. */
static enum base_result
log_read(struct replay_import *import, FILE *input, const char **why_r)
{
	char *line = malloc(REPLAY_LOG_MAX_LINE);
	size_t length;
	enum base_result result = line ? BASE_OK : BASE_BROKEN;
	struct stat status;

	*why_r = "no memory";
	replay_log_until(import->log, fstat(fileno(input), &status) == 0 && S_ISREG(status.st_mode)
					  ? status.st_mtime
					  : import->now);
	while (result == BASE_OK) {
		result = line_read(input, line, REPLAY_LOG_MAX_LINE, &length);
		if (result != BASE_OK)
			break;
		import->done += (int64_t)length + 1;
		result = replay_log_line(import->log, line, length, why_r);
		if (result == BASE_REFUSE) {
			import->count.malformed++;
			result = BASE_OK;
		}
	}
	free(line);
	return result == BASE_NONE ? BASE_OK : result;
}

/* One whole message: what is malformed is counted. */
static enum base_result
message_take(struct replay_import *import, const char *data, size_t length, const char **why_r)
{
	struct mail_transaction *transaction;
	enum base_result result;

	base_arena_reset(import->arena);
	result = replay_message_read(import->arena, data, length, &transaction, why_r);
	if (result == BASE_OK)
		return replay_import_mail(import, import->arena, transaction, why_r);
	if (result == BASE_REFUSE)
		import->count.malformed++;
	return result == BASE_REFUSE ? BASE_OK : result;
}

/* Does the text begin with one of the names, which have three letters each? */
static bool
is_name(const char *text, const char *names)
{
	for (; *names; names += 3)
		if (strncmp(text, names, 3) == 0)
			return true;
	return false;
}

/* Does a time begin here as asctime() writes it, "Fri Nov 20 10:00:00 2026"? */
static bool
is_time(const char *text)
{
	unsigned day, hour, minute;

	return is_name(text, "MonTueWedThuFriSatSun") && text[3] == ' ' &&
	       is_name(text + 4, "JanFebMarAprMayJunJulAugSepOctNovDec") && text[7] == ' ' &&
	       sscanf(text + 8, "%2u %2u:%2u", &day, &hour, &minute) == 3;
}

/* "2026-11-02 10:00:00", "2026-11-02T10:00", or "Mon, 02 Nov 2026 10:00:00 +0000" */
static bool
is_other_time(const char *text)
{
	unsigned year, month, day, hour, minute;
	int64_t time;
	char between;

	if (sscanf(text, "%4u-%2u-%2u%c%2u:%2u", &year, &month, &day, &between, &hour, &minute) ==
	    6)
		return between == ' ' || between == 'T';
	return is_name(text, "MonTueWedThuFriSatSun") && text[3] == ',' &&
	       replay_date_parse(text, &time);
}

/*
 * The line before a message: "From ", who, and when. Not every program quotes a line of a
 * text that begins with "From ", and what follows one would be learned as a mail. Who may
 * have spaces: "ann at example.com" in a list's archive.
 */
static bool
is_separator(const char *line)
{
	if (strncmp(line, "From ", 5) != 0)
		return false;
	for (const char *at = line + 4; at; at = strchr(at + 1, ' '))
		if (is_time(at + 1) || is_other_time(at + 1))
			return true;
	return false;
}

/* The separator of Thunderbird: the bare word. It counts in a file that begins with it. */
static bool
is_bare_separator(const char *line)
{
	return strncmp(line, "From", 4) == 0 && line[4 + strspn(line + 4, " \r")] == '\0';
}

/* Does a field of a header begin here? RFC 5322 2.2 */
static bool
begins_field(const char *line)
{
	const char *at = line;

	while (*at > ' ' && *at < 127 && *at != ':')
		at++;
	return at > line && *at == ':';
}

/* An mbox, a line at a time: whether a mail begins with one tells the next one, too. */
struct mbox {
	struct replay_import *import;
	struct base_buffer message; /* so far */
	bool is_bare;               /* its separators are bare words */
	bool was_empty;             /* the line before was */
	bool is_begun;              /* a line was read */
};

/*
 * A separator stands after an empty line; where a program writes none, what follows it at least
 * begins a header.
 */
static bool
begins_message(const struct mbox *mbox, const char *line, const char *next)
{
	if (!is_separator(line) && !(mbox->is_bare && is_bare_separator(line)))
		return false;
	return mbox->was_empty || begins_field(next);
}

/* Takes what was gathered; a separator with nothing behind it is a message that cannot be read. */
static enum base_result
mbox_take(struct mbox *mbox, const char **why_r)
{
	enum base_result result = BASE_OK;

	if (mbox->message.length > 0)
		result =
		    message_take(mbox->import, mbox->message.data, mbox->message.length, why_r);
	else if (mbox->is_begun)
		mbox->import->count.malformed++;
	base_buffer_clear(&mbox->message);
	return result;
}

/* One line, and the one behind it. */
static enum base_result
mbox_line(struct mbox *mbox, const char *line, size_t length, const char *next, const char **why_r)
{
	if (begins_message(mbox, line, next)) {
		enum base_result result = mbox_take(mbox, why_r);

		mbox->was_empty = false;
		mbox->is_begun = true;
		return result;
	}
	mbox->is_begun = true;
	mbox->import->done += (int64_t)length + 1;
	mbox->was_empty = length == 0;
	if (!mbox->message.failed && base_buffer_append(&mbox->message, line, length))
		base_buffer_puts(&mbox->message, "\n");
	return BASE_OK;
}

/* All lines, in two rooms for one each. */
static enum base_result
mbox_lines(struct mbox *mbox, FILE *input, char *line, char *next, const char **why_r)
{
	size_t length = 0, next_length = 0;
	enum base_result result = line_read(input, line, REPLAY_LOG_MAX_LINE, &length);

	mbox->is_bare = result == BASE_OK && is_bare_separator(line);
	while (result == BASE_OK) {
		enum base_result after = line_read(input, next, REPLAY_LOG_MAX_LINE, &next_length);
		char *read = line;

		result = mbox_line(mbox, line, length, after == BASE_OK ? next : "", why_r);
		if (result == BASE_OK)
			result = after;
		line = next;
		length = next_length;
		next = read;
	}
	return result == BASE_NONE ? mbox_take(mbox, why_r) : result;
}

/* Messages that each begin behind a separator. */
static enum base_result
mbox_read(struct replay_import *import, FILE *input, const char **why_r)
{
	struct mbox mbox = { .import = import, .was_empty = true };
	char *lines = malloc(2 * REPLAY_LOG_MAX_LINE);
	enum base_result result;

	*why_r = "no memory";
	if (lines == NULL)
		return BASE_BROKEN;
	base_buffer_init(&mbox.message, IMPORT_MESSAGE);
	result = mbox_lines(&mbox, input, lines, lines + REPLAY_LOG_MAX_LINE, why_r);
	base_buffer_free(&mbox.message);
	free(lines);
	return result;
}

/* Does it begin as an mbox does, and go on with another message? */
static bool
is_mbox(const char *data, size_t length)
{
	char line[400];
	const char *end = memchr(data, '\n', length);
	size_t first = end != NULL ? (size_t)(end - data) : 0;

	if (first == 0 || first >= sizeof(line))
		return false;
	memcpy(line, data, first);
	line[first] = '\0';
	return (is_separator(line) || is_bare_separator(line)) &&
	       memmem(end, length - first, "\nFrom ", 6) != NULL;
}

/*
 * A file that is one message; one that stands `alone`, by this name, must not be a whole mailbox.
 */
static enum base_result
message_read(struct replay_import *import, FILE *input, const char *alone, const char **why_r)
{
	char *data = malloc(IMPORT_MESSAGE);
	size_t length;
	enum base_result result;

	if (!data) {
		*why_r = "no memory for a message";
		return BASE_BROKEN;
	}
	length = fread(data, 1, IMPORT_MESSAGE, input);
	if (base_interrupted() != 0) { /* it may be half of one */
		free(data);
		return BASE_RETRY;
	}
	if (alone != NULL && is_mbox(data, length)) {
		*why_r = base_why("%s: it is a mailbox (mbox) of several messages", alone);
		result = BASE_REFUSE;
	} else
		result = message_take(import, data, length, why_r);
	free(data);
	return result;
}

/*
 * Opens a regular file, also through a link; NONE: it is something else. To open a FIFO
 * would wait for its writer, for ever if there is none.
 */
static enum base_result
regular_open(const char *path, FILE **input_r)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	bool is_regular = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	FILE *input = is_regular ? fdopen(fd, "r") : NULL;

	if (input) {
		*input_r = input;
		return BASE_OK;
	}
	if (fd < 0)
		return BASE_REFUSE;
	close(fd);
	return is_regular ? BASE_REFUSE : BASE_NONE;
}

/* One file of a Maildir. */
static enum base_result
maildir_message(struct replay_import *import, const char *path, const char **why_r)
{
	FILE *input;
	enum base_result result = regular_open(path, &input);

	if (result == BASE_NONE) {
		import->count.skipped++;
		return BASE_OK;
	}
	if (result != BASE_OK) { /* it was moved: its new name comes, or the next run */
		import->count.malformed++;
		return BASE_OK;
	}
	result = message_read(import, input, NULL, why_r);
	fclose(input);
	return result;
}

/* Hidden files are none of ours. */
static int
is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The mails of one folder of a Maildir. */
struct maildir_folder {
	char *path;
	struct dirent **entries;
	int count;
};

static void
folder_free(struct maildir_folder *folder)
{
	for (int i = 0; i < folder->count; i++)
		free(folder->entries[i]);
	free(folder->entries);
	free(folder->path);
}

/* Lists new/ or cur/; names begin with the time of delivery, so that is the order. */
static enum base_result
folder_list(const char *path, const char *name, struct maildir_folder *folder_r, const char **why_r)
{
	struct maildir_folder folder = { 0 };

	if (asprintf(&folder.path, "%s/%s", path, name) < 0) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	folder.count = scandir(folder.path, &folder.entries, is_shown, versionsort);
	if (folder.count < 0) {
		*why_r = base_why("%s: %s%s", folder.path, strerror(errno),
		    errno == ENOENT ? ": a Maildir has the folders cur and new" : "");
		free(folder.path);
		return BASE_REFUSE;
	}
	*folder_r = folder;
	return BASE_OK;
}

/*
 * Was it never sent? The flags after ":2," tell, up to what a server adds after a comma.
 * What is in the bin (T) was sent all the same.
 */
static bool
is_draft(const char *name)
{
	const char *flags = strstr(name, ":2,");

	return flags && memchr(flags + 3, 'D', strcspn(flags + 3, ",")) != NULL;
}

/* Learns what was listed. */
static enum base_result
folder_read(struct replay_import *import, const struct maildir_folder *folder, const char **why_r)
{
	enum base_result result = BASE_OK;

	for (int i = 0; i < folder->count && result == BASE_OK; i++) {
		const char *name = folder->entries[i]->d_name;
		char *file = NULL;

		import->done++;
		if (base_interrupted() != 0)
			return BASE_RETRY;
		if (is_draft(name)) {
			import->count.skipped++;
			continue;
		}
		if (asprintf(&file, "%s/%s", folder->path, name) < 0) {
			*why_r = base_why("no memory");
			return BASE_BROKEN;
		}
		result = maildir_message(import, file, why_r);
		free(file);
	}
	return result;
}

/* A Maildir: what was read by somebody, then what is new. One bar for both. */
static enum base_result
maildir_read(struct replay_import *import, const char *path, const char **why_r)
{
	struct maildir_folder folders[2] = { 0 };
	enum base_result result = folder_list(path, "cur", &folders[0], why_r);

	if (result == BASE_OK)
		result = folder_list(path, "new", &folders[1], why_r);
	import->done = 0;
	import->total = folders[0].count + folders[1].count;
	for (size_t i = 0; i < 2 && result == BASE_OK; i++)
		result = folder_read(import, &folders[i], why_r);
	for (size_t i = 0; i < 2; i++)
		folder_free(&folders[i]);
	return result;
}

/* --- a file ------------------------------------------------------------------------ */

/* What of a file was understood, or passed over for what it says. */
static size_t
understood(const struct replay_count *count)
{
	return count->learned + count->known + count->skipped + count->own;
}

/* The present file is read; `counted` is what was before it. */
static void
file_end(struct replay_import *import, enum base_result result, const struct replay_count *counted)
{
	if (import->done > 0 || understood(&import->count) > understood(counted) ||
	    import->count.malformed > counted->malformed)
		import->has_read = true;
	if (result == BASE_OK)
		import->done = import->total;
	replay_import_progress(import);
}

/* Was what was read a log at all? Else nothing was learned of it, and nobody would know. */
static enum base_result
log_check(const struct replay_import *import, const char *name, bool is_guessed,
    struct replay_log_seen before, const char **why_r)
{
	struct replay_log_seen seen = replay_log_seen(import->log);

	if (import->done == 0) /* a day without a line */
		return BASE_OK;
	if (is_guessed ? seen.servers > before.servers : seen.stamps > before.stamps)
		return BASE_OK;
	*why_r = is_guessed ? base_why("%s is no history, mailbox or message, and has no line of a "
				       "mail server's log",
				  name)
			    : base_why("%s is no log: no line has a time stamp", name);
	return BASE_REFUSE;
}

/* It was read as what it is not: not one line or message of it could be understood. */
static enum base_result
kind_check(const struct replay_import *import, const char *name, enum replay_format format,
    struct replay_log_seen before, const struct replay_count *counted, const char **why_r)
{
	size_t malformed = import->count.malformed - counted->malformed;
	size_t servers = replay_log_seen(import->log).servers - before.servers;

	if (malformed == 0 || understood(&import->count) > understood(counted) ||
	    (format == REPLAY_LOG && servers > malformed))
		return BASE_OK;
	*why_r = base_why("%s: nothing in it could be read as %s: is it of another kind? see "
			  "--format",
	    name, replay_format_str(format));
	return BASE_REFUSE;
}

/* A file that is open. */
static enum base_result
file_read(struct replay_import *import, FILE *input, const char *name, enum replay_format format,
    const char **why_r)
{
	bool is_guessed = format == REPLAY_AUTO;
	struct replay_log_seen before = replay_log_seen(import->log);
	const struct replay_count counted = import->count;
	enum base_result result = replay_format_look(input, name, &format, why_r);
	struct stat status;

	if (result == BASE_OK && format == REPLAY_MAILDIR) {
		*why_r = base_why("%s is no folder", name);
		result = BASE_REFUSE;
	}
	if (result != BASE_OK)
		return result;
	import->done = 0;
	import->total = fstat(fileno(input), &status) == 0 ? status.st_size : 0;
	if (format == REPLAY_TSV)
		result = tsv_read(import, input, name, why_r);
	else if (format == REPLAY_MBOX)
		result = mbox_read(import, input, why_r);
	else if (format == REPLAY_MESSAGE)
		result = message_read(import, input, name, why_r);
	else
		result = log_read(import, input, why_r);
	if (result == BASE_OK && format == REPLAY_LOG)
		result = log_check(import, name, is_guessed, before, why_r);
	if (result == BASE_OK)
		result = kind_check(import, name, format, before, &counted, why_r);
	if (base_interrupted() != 0) {
		*why_r = "told to end";
		return BASE_RETRY;
	}
	if (result == BASE_OK && ferror(input)) {
		*why_r = base_why("%s: %s", name, strerror(errno));
		result = BASE_BROKEN;
	}
	return result;
}

/* A folder, which can only be a Maildir. */
static enum base_result
folder_import(
    struct replay_import *import, const char *path, enum replay_format format, const char **why_r)
{
	const struct replay_count counted = import->count;
	enum base_result result;

	if (format != REPLAY_AUTO && format != REPLAY_MAILDIR) {
		*why_r = base_why(
		    "%s is a folder: the format %s is for files", path, replay_format_str(format));
		return BASE_REFUSE;
	}
	result = maildir_read(import, path, why_r);
	if (result == BASE_OK)
		result = kind_check(
		    import, path, REPLAY_MAILDIR, replay_log_seen(import->log), &counted, why_r);
	file_end(import, result, &counted);
	return result;
}

enum base_result
replay_import_file(
    struct replay_import *import, const char *path, enum replay_format format, const char **why_r)
{
	bool is_standard = strcmp(path, "-") == 0;
	const struct replay_count counted = import->count;
	struct stat status;
	FILE *input;
	enum base_result result;

	if (!is_standard && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return folder_import(import, path, format, why_r);
	input = is_standard ? stdin : fopen(path, "r");
	if (!input) {
		*why_r = base_why("%s: %s", path, strerror(errno));
		return BASE_NONE;
	}
	result = file_read(import, input, is_standard ? "(standard input)" : path, format, why_r);
	file_end(import, result, &counted);
	if (!is_standard)
		fclose(input);
	return result;
}
