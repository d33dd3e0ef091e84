/*
 * NAME
 *	replay/import - mail of the past, in whatever form a site has it, into its memory
 *
 * WHAT IT DOES
 *	Reads Postfix and Sendmail mail logs, mbox files, Maildirs and histories in lines, and
 *	learns what was really sent: as the daemon would have, judged first so that the
 *	site's own percentile of scores is known, in short transactions beside it. What was
 *	learned before, by an import or by the daemon, is passed over: so an import that was
 *	killed is simply run again.
 *
 *	Lists count as they do for the daemon: by the people who are behind them today. Those
 *	of the day when a mail was sent are not known.
 *
 * FORMATS
 *	log: lines of RFC 3164 (the year is the latest that is not after the file's last
 *	change) or with ISO 8601 stamps. A mail is learned when Postfix has removed it, or
 *	Sendmail has tried all `nrcpts` of it; its recipients are those with status=sent or
 *	stat=Sent. Files are given in their order: a mail may begin in one and end in the
 *	next. mbox, Maildir, a single message: the envelope is not known; recipients are To,
 *	Cc and Bcc. Which format it is tells the beginning of a file: a "From " line, a header
 *	field, a first line with five tabs; what else there is must have a mail server's line.
 *
 * DIAGNOSTICS
 *	REFUSE: not a format known here, a folder that is no Maildir or is said to be something
 *	else, compressed, a malformed line of a history, or a file or
 *	Maildir of which nothing at all could be read as what it is said to be. A file
 *	that is said to be a log must have one line with a stamp, unless it is empty. RETRY:
 *	the store was busy for a minute, or the job was told to end (base_interrupted()). BROKEN:
 *	memory, store, or reading failed. In logs and mailboxes what is malformed is counted and
 *	passed over.
 */
#ifndef OOPS_REPLAY_IMPORT_H
#define OOPS_REPLAY_IMPORT_H

#include <stdio.h>

#include "milter/audience/audience.h"
#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/evaluate/evaluate.h"
#include "milter/mail/transaction.h"
#include "milter/history/history.h"
#include "milter/settings/settings.h"

enum replay_format {
	REPLAY_AUTO,
	REPLAY_TSV,
	REPLAY_LOG,
	REPLAY_MBOX,
	REPLAY_MAILDIR,
	REPLAY_MESSAGE,
};

const char *replay_format_str(enum replay_format format);
/* REFUSE: no such name. */
enum base_result replay_format_find(const char *name, enum replay_format *format_r);

struct replay_count {
	size_t learned;
	size_t known;     /* before */
	size_t skipped;   /* too old, in the future, nobody to learn of, a probe, a draft */
	size_t malformed; /* lines or messages */
	size_t own;       /* our own letters: no person's mail */
};

struct replay_import_options {
	const struct settings *settings;
	const struct base_key *key;
	const struct judge_scorecard *scorecard;
	struct audience_directory *audience; /* NULL: no lists are known */
	struct history *history;             /* that learns at once */
	/*
	 * After each batch and each input: bytes, or the mails of a Maildir. `done` only
	 * grows within one input; `total` is 0 when it is not known. May be NULL.
	 */
	void (*progress)(void *context, int64_t done, int64_t total);
	void *context;
};

struct replay_import;

struct replay_import *replay_import_new(const struct replay_import_options *options);
void replay_import_free(struct replay_import **import);
/* One input; "-" is standard input. */
enum base_result replay_import_file(
    struct replay_import *import, const char *path, enum replay_format format, const char **why_r);
/* Writes what is still to be written, and counts. NONE: there was nothing to read in any input. */
enum base_result replay_import_end(
    struct replay_import *import, struct replay_count *count_r, const char **why_r);

/* --- between the files of this module, and for tests --------------------------------- */

/* One mail that was sent; it lives for the call. */
typedef enum base_result replay_mail_fn(void *context, struct base_arena *arena,
    struct mail_transaction *transaction, const char **why_r);

struct replay_log;

#define REPLAY_LOG_MAX_OPEN 20000         /* mails that have begun and not ended */
#define REPLAY_LOG_MAX_BYTES (256u << 10) /* of one mail's recipients */
#define REPLAY_LOG_MAX_LINE 65536

struct replay_log *replay_log_new(struct base_arena *arena, replay_mail_fn *each, void *context);
void replay_log_free(struct replay_log **log);
/* When the lines end: their stamps have no year. Seconds since 1970. */
void replay_log_until(struct replay_log *log, int64_t until);
/* What was seen so far. */
struct replay_log_seen {
	size_t stamps;  /* lines of a log, whoever wrote them */
	size_t servers; /* of a mail server's, readable or not */
};
struct replay_log_seen replay_log_seen(const struct replay_log *log);
/* One line without its newline. REFUSE: a mail server's line that cannot be read. */
enum base_result replay_log_line(
    struct replay_log *log, const char *line, size_t length, const char **why_r);

/* A message on disk, with its Date as the time. REFUSE: no header or no date. */
enum base_result replay_message_read(struct base_arena *arena, const char *data, size_t length,
    struct mail_transaction **transaction_r, const char **why_r);
/* RFC 5322 3.3; false: not a date. */
bool replay_date_parse(const char *text, int64_t *time_r);

#endif
