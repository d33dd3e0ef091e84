/*
 * NAME
 *	replay/import - learns mail of the past, and reads the files it is in
 */
#include "milter/replay/import.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "milter/mail/mail.h"
#include "milter/replay/replay.h"

#define IMPORT_ARENA (64u << 20)    /* of one mail */
#define IMPORT_MESSAGE (512u << 10) /* bytes of a message that are read: its header */
#define IMPORT_LOOK 256             /* bytes that tell the format */
#define IMPORT_LINE (4u << 20)      /* of the first line, whose tabs are counted */
#define IMPORT_TRIES 12     /* for the store's lock, each as long as its busy time */
#define IMPORT_PAUSE_MS 20  /* between batches: the daemon's turn */
#define IMPORT_FUTURE 86400 /* seconds */

struct replay_import {
	struct replay_import_options options;
	struct base_arena *arena;
	struct replay_log *log;
	struct replay_count count;
	int64_t now;
	bool is_begun;
	int64_t done, total; /* bytes of the present file, or mails of the Maildir */
};

static const char *const format_names[] = {
	[REPLAY_AUTO] = "auto",
	[REPLAY_TSV] = "tsv",
	[REPLAY_LOG] = "log",
	[REPLAY_MBOX] = "mbox",
	[REPLAY_MAILDIR] = "maildir",
	[REPLAY_MESSAGE] = "message",
};

#define FORMATS (sizeof(format_names) / sizeof(*format_names))

const char *
replay_format_str(enum replay_format format)
{
	return format_names[format];
}

enum base_result
replay_format_find(const char *name, enum replay_format *format_r)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (strcmp(name, format_names[i]) == 0) {
			*format_r = (enum replay_format)i;
			return BASE_OK;
		}
	return BASE_REFUSE;
}

/* --- one mail ---------------------------------------------------------------------- */

/* Whose habits it shows: the local person that it is from; "" for nobody's. */
static const char *
actor_find(const struct settings *settings, const struct mail_transaction *transaction)
{
	const char *names[] = { transaction->from, transaction->envelope_sender };

	if (transaction->is_auto || transaction->is_list || transaction->is_report)
		return "";
	for (size_t i = 0; i < 2; i++)
		for (size_t d = 0; d < settings->identity.local_domain_count; d++)
			if (strcmp(mail_domain_of(names[i]),
				settings->identity.local_domains[d]) == 0)
				return names[i];
	return "";
}

/* How far the present file is read; a last line without its end was counted with it. */
static void
progress_tell(const struct replay_import *import)
{
	bool is_over = import->total && import->done > import->total;

	if (import->options.progress)
		import->options.progress(import->options.context,
		    is_over ? import->total : import->done, import->total);
}

/* The present file is read. */
static void
progress_end(struct replay_import *import, enum base_result result)
{
	if (result == BASE_OK)
		import->done = import->total;
	progress_tell(import);
}

/* Begins a batch, however long somebody else writes. */
static enum base_result
batch_begin(struct replay_import *import, const char **why_r)
{
	enum base_result result = BASE_RETRY;

	for (int i = 0; i < IMPORT_TRIES && result == BASE_RETRY; i++)
		result = memory_import_begin(import->options.memory, why_r);
	import->is_begun = result == BASE_OK;
	return result;
}

/* Ends a batch. */
static enum base_result
batch_end(struct replay_import *import, const char **why_r)
{
	if (!import->is_begun)
		return BASE_OK;
	import->is_begun = false;
	return memory_import_end(import->options.memory, why_r);
}

/* What the judge would have said, for the site's own percentile. */
static enum base_result
mail_judge(struct replay_import *import, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, const struct audience *audience,
    double *score_r, const char **why_r)
{
	const struct replay_import_options *options = &import->options;
	struct identity identity = {
		.proof = IDENTITY_LOGIN, .actor = actor, .is_local = true
	};
	struct memory_recall recall;
	struct judge_facts facts = { .transaction = transaction,
		.identity = &identity,
		.audience = audience,
		.recall = &recall };
	struct judge_verdict verdict;
	enum base_result result = memory_recall(
	    options->memory, options->key, arena, actor, transaction, &recall, why_r);

	if (result == BASE_OK)
		result = judge_score(&facts, options->scorecard, arena, &verdict, why_r);
	if (result == BASE_OK)
		*score_r = verdict.score;
	return result;
}

/* Learns a mail that was not known, inside a batch. */
static enum base_result
mail_learn(struct replay_import *import, struct base_arena *arena, const char *actor,
    const struct mail_transaction *transaction, const struct audience *audience,
    const char **why_r)
{
	const struct replay_import_options *options = &import->options;
	size_t people = audience_people(audience, 0), length;
	const void *lesson;
	double score = -1;
	enum base_result result = memory_lesson(options->key, arena, actor, transaction,
	    people, score, &lesson, &length, why_r);

	if (result == BASE_OK)
		result = memory_import_known(
		    options->memory, options->key, lesson, length, why_r);
	if (result == BASE_OK)
		import->count.known++;
	if (result != BASE_NONE)
		return result;
	result = BASE_OK;
	if (*actor)
		result =
		    mail_judge(import, arena, actor, transaction, audience, &score, why_r);
	if (result == BASE_OK)
		result = memory_lesson(options->key, arena, actor, transaction, people,
		    score, &lesson, &length, why_r);
	if (result == BASE_OK)
		result =
		    memory_import(options->memory, options->key, lesson, length, why_r);
	if (result == BASE_OK)
		import->count.learned++;
	return result;
}

/* Is there nothing to learn from it? */
static bool
is_of_no_use(const struct replay_import *import, const struct mail_transaction *transaction)
{
	return transaction->recipients.count == 0 ||
	       (!*transaction->envelope_sender && !*transaction->from) ||
	       transaction->time < import->now - MEMORY_IMPORT_OLDEST ||
	       transaction->time > import->now + IMPORT_FUTURE;
}

/* How many people a local person's mail goes to. Of other mail the daemon does not ask either. */
static struct audience
mail_count(const struct replay_import *import, const char *actor,
    const struct mail_transaction *transaction)
{
	struct audience audience = { .kind = AUDIENCE_EXACT,
		.people = transaction->recipients.count };

	if (*actor && import->options.audience)
		audience_count(import->options.audience, transaction, &audience);
	return audience;
}

/* One mail, in the order in which they come. */
static enum base_result
mail_take(void *context, struct base_arena *arena, struct mail_transaction *transaction,
    const char **why_r)
{
	struct replay_import *import = context;
	struct audience audience;
	const char *actor;
	enum base_result result;

	if (mail_transaction_fold(arena, transaction,
		import->options.settings->identity.recipient_delimiter) != BASE_OK) {
		*why_r = "no memory for a mail";
		return BASE_BROKEN;
	}
	if (is_of_no_use(import, transaction)) {
		import->count.skipped++;
		return BASE_OK;
	}
	actor = actor_find(import->options.settings, transaction);
	audience = mail_count(import, actor, transaction);
	result = batch_begin(import, why_r);
	if (result == BASE_OK)
		result = mail_learn(import, arena, actor, transaction, &audience, why_r);
	if (result != BASE_OK || !memory_import_is_full(import->options.memory))
		return result;
	result = batch_end(import, why_r);
	progress_tell(import);
	base_sleep_ms(IMPORT_PAUSE_MS);
	return result;
}

struct replay_import *
replay_import_new(const struct replay_import_options *options)
{
	struct replay_import *import = calloc(1, sizeof(*import));
	struct memory_calibration calibration = judge_calibration(options->settings);

	if (!import)
		return NULL;
	memory_calibrate(options->memory, &calibration);
	import->options = *options;
	import->now = base_now();
	import->arena = base_arena_new(IMPORT_ARENA);
	if (import->arena)
		import->log = replay_log_new(import->arena, mail_take, import);
	if (!import->log)
		replay_import_free(&import);
	return import;
}

void
replay_import_free(struct replay_import **import)
{
	const char *why;

	if (!*import)
		return;
	(void)batch_end(*import, &why);
	replay_log_free(&(*import)->log);
	base_arena_free(&(*import)->arena);
	free(*import);
	*import = NULL;
}

enum base_result
replay_import_end(
    struct replay_import *import, struct replay_count *count_r, const char **why_r)
{
	enum base_result result = batch_end(import, why_r);

	*count_r = import->count;
	return result;
}

/* --- formats ----------------------------------------------------------------------- */

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
			result = mail_take(import, import->arena, line.transaction, why_r);
	}
	replay_reader_free(&reader);
	return result == BASE_NONE ? BASE_OK : result;
}

/*
 * One line, without its newline and bounded: of a longer one the rest is passed over.
 * NONE: the file has ended.
 */
static enum base_result
line_read(FILE *input, char *line_r, size_t room, size_t *length_r)
{
	size_t length = 0;
	int byte;

	while ((byte = getc_unlocked(input)) != EOF && byte != '\n')
		if (length + 1 < room)
			line_r[length++] = (char)byte;
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
	replay_log_until(import->log,
	    fstat(fileno(input), &status) == 0 && S_ISREG(status.st_mode) ? status.st_mtime
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
message_take(
    struct replay_import *import, const char *data, size_t length, const char **why_r)
{
	struct mail_transaction *transaction;
	enum base_result result;

	base_arena_reset(import->arena);
	result = replay_message_read(import->arena, data, length, &transaction, why_r);
	if (result == BASE_OK)
		return mail_take(import, import->arena, transaction, why_r);
	if (result == BASE_REFUSE)
		import->count.malformed++;
	return result == BASE_REFUSE ? BASE_OK : result;
}

/* Messages that begin with a "From " line after an empty one. */
static enum base_result
mbox_read(struct replay_import *import, FILE *input, const char **why_r)
{
	struct base_buffer message;
	char *line = malloc(REPLAY_LOG_MAX_LINE);
	size_t length = 0;
	bool was_empty = true;
	enum base_result result = line ? BASE_OK : BASE_BROKEN;

	*why_r = "no memory";
	base_buffer_init(&message, IMPORT_MESSAGE);
	while (result == BASE_OK) {
		bool is_over;

		result = line_read(input, line, REPLAY_LOG_MAX_LINE, &length);
		is_over =
		    result == BASE_NONE || (was_empty && strncmp(line, "From ", 5) == 0);
		if (is_over && message.length) {
			enum base_result taken =
			    message_take(import, message.data, message.length, why_r);

			if (taken != BASE_OK)
				result = taken;
			base_buffer_clear(&message);
		}
		if (result != BASE_OK || is_over) {
			was_empty = false;
			continue;
		}
		import->done += (int64_t)length + 1;
		was_empty = length == 0;
		if (!message.failed && base_buffer_append(&message, line, length))
			base_buffer_puts(&message, "\n");
	}
	base_buffer_free(&message);
	free(line);
	return result == BASE_NONE ? BASE_OK : result;
}

/* A file that is one message. */
static enum base_result
message_read(struct replay_import *import, FILE *input, const char **why_r)
{
	char *data = malloc(IMPORT_MESSAGE);
	size_t length;
	enum base_result result;

	if (!data) {
		*why_r = "no memory for a message";
		return BASE_BROKEN;
	}
	length = fread(data, 1, IMPORT_MESSAGE, input);
	result = message_take(import, data, length, why_r);
	free(data);
	return result;
}

/* One file of a Maildir. */
static enum base_result
maildir_message(struct replay_import *import, const char *path, const char **why_r)
{
	FILE *input = fopen(path, "r");
	enum base_result result;

	if (!input) { /* it was moved meanwhile: its new name comes, or the next run */
		import->count.malformed++;
		return BASE_OK;
	}
	result = message_read(import, input, why_r);
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
folder_list(
    const char *path, const char *name, struct maildir_folder *folder_r, const char **why_r)
{
	struct maildir_folder folder = { 0 };

	if (asprintf(&folder.path, "%s/%s", path, name) < 0) {
		*why_r = base_why("no memory");
		return BASE_BROKEN;
	}
	folder.count = scandir(folder.path, &folder.entries, is_shown, versionsort);
	if (folder.count < 0) {
		*why_r = base_why("%s: %s", folder.path, strerror(errno));
		free(folder.path);
		return BASE_REFUSE;
	}
	*folder_r = folder;
	return BASE_OK;
}

/* Learns what was listed. */
static enum base_result
folder_read(
    struct replay_import *import, const struct maildir_folder *folder, const char **why_r)
{
	enum base_result result = BASE_OK;

	for (int i = 0; i < folder->count && result == BASE_OK; i++) {
		char *file = NULL;

		if (asprintf(&file, "%s/%s", folder->path, folder->entries[i]->d_name) <
		    0) {
			*why_r = base_why("no memory");
			return BASE_BROKEN;
		}
		result = maildir_message(import, file, why_r);
		import->done++;
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

/* --- which format ------------------------------------------------------------------ */

/* How many tabs the first line has. */
static size_t
tabs_of(FILE *input)
{
	size_t count = 0, length = 0;
	int byte;

	while (
	    length++ < IMPORT_LINE && (byte = getc_unlocked(input)) != EOF && byte != '\n')
		count += byte == '\t';
	rewind(input);
	return count;
}

/* Does a text begin with a field of a message's header? No stamp of a log has a letter there. */
static bool
is_field(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '-')
		length++;
	return isalpha((unsigned char)*text) && text[length] == ':';
}

/* Which format a file is of, by its first bytes and its first line. */
static enum replay_format
format_guess(FILE *input, const char *text)
{
	if (strncmp(text, "From ", 5) == 0)
		return REPLAY_MBOX;
	if (is_field(text))
		return REPLAY_MESSAGE;
	return tabs_of(input) == 5 ? REPLAY_TSV : REPLAY_LOG;
}

/* What unpacks a file that begins like this; NULL: it is not packed. */
static const char *
unpacker_of(const char *text, size_t length)
{
	static const struct {
		const char *magic;
		size_t length;
		const char *program;
	} packers[] = {
		{ "\x1f\x8b", 2, "zcat" },
		{ "\xfd\x37zXZ", 5, "xzcat" },
		{ "BZh", 3, "bzcat" },
		{ "\x28\xb5\x2f\xfd", 4, "zstdcat" },
	};

	for (size_t i = 0; i < sizeof(packers) / sizeof(*packers); i++)
		if (length >= packers[i].length &&
		    memcmp(text, packers[i].magic, packers[i].length) == 0)
			return packers[i].program;
	return NULL;
}

/* Looks at the beginning; the file can be rewound, a pipe cannot. */
static enum base_result
file_look(FILE *input, const char *name, enum replay_format *format, const char **why_r)
{
	char text[IMPORT_LOOK + 1] = "";
	const char *unpacker;
	size_t length;

	if (fseeko(input, 0, SEEK_CUR) != 0) {
		if (*format != REPLAY_AUTO)
			return BASE_OK;
		*why_r = base_why("%s: tell its format with --format", name);
		return BASE_REFUSE;
	}
	length = fread(text, 1, IMPORT_LOOK, input);
	rewind(input);
	unpacker = unpacker_of(text, length);
	if (unpacker) {
		*why_r = base_why(
		    "%s is compressed: %s it and give \"-\" with --format", name, unpacker);
		return BASE_REFUSE;
	}
	if (*format == REPLAY_AUTO)
		*format = format_guess(input, text);
	return BASE_OK;
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
	*why_r =
	    is_guessed
		? base_why("%s is no history, mailbox or message, and has no line of a "
			   "mail server's log",
		      name)
		: base_why("%s is no log: no line has a time stamp", name);
	return BASE_REFUSE;
}

/* A file that is open. */
static enum base_result
file_read(struct replay_import *import, FILE *input, const char *name,
    enum replay_format format, const char **why_r)
{
	bool is_guessed = format == REPLAY_AUTO;
	struct replay_log_seen before = replay_log_seen(import->log);
	enum base_result result = file_look(input, name, &format, why_r);
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
		result = message_read(import, input, why_r);
	else
		result = log_read(import, input, why_r);
	if (result == BASE_OK && format == REPLAY_LOG)
		result = log_check(import, name, is_guessed, before, why_r);
	if (result == BASE_OK && ferror(input)) {
		*why_r = base_why("%s: %s", name, strerror(errno));
		result = BASE_BROKEN;
	}
	return result;
}

enum base_result
replay_import_file(struct replay_import *import, const char *path,
    enum replay_format format, const char **why_r)
{
	bool is_standard = strcmp(path, "-") == 0;
	struct stat status;
	FILE *input;
	enum base_result result;

	if (!is_standard && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
		result = maildir_read(import, path, why_r);
		progress_end(import, result);
		return result;
	}
	input = is_standard ? stdin : fopen(path, "r");
	if (!input) {
		*why_r = base_why("%s: %s", path, strerror(errno));
		return BASE_NONE;
	}
	result = file_read(
	    import, input, is_standard ? "(standard input)" : path, format, why_r);
	progress_end(import, result);
	if (!is_standard)
		fclose(input);
	return result;
}
