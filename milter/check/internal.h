/*
 * NAME
 *	check/internal - what the parts of `oopsctl check` share: the report
 *
 * WHAT IT DOES
 *	Each part looks at one side of the site and reports every finding as one line: "ok: WHAT",
 *	"warning: WHAT; change: HOW" (it works, and could be better), or "fault: WHAT; change: HOW"
 *	(slips pass unnoticed, or held mail is stuck). HOW names the file and the line to write.
 */
#ifndef OOPS_CHECK_INTERNAL_H
#define OOPS_CHECK_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/check/endpoint.h"
#include "milter/check/process.h"
#include "milter/queue/queue.h"
#include "milter/settings/settings.h"

#define CHECK_QUEUE_MS 30000 /* of oops-queued's silence, which serves others as well */

/* One of the three programs, as it runs here. */
struct check_program {
	bool is_found; /* it runs, and this is its process */
	int pid;
	struct process process;
};

struct check {
	const struct settings *settings;
	struct base_arena *arena; /* for what the parts read */
	struct base_buffer text;  /* the lines */
	char worst[256];          /* the first fault, or the first warning */
	unsigned faults, warnings;
	/* the queue files on hold for us, once oops-queued told them; they are asked for once */
	struct queue_item *files;
	size_t file_count;
	bool has_files;
	bool milter_answers; /* at its socket: if not, others need not tell it again */
	bool web_answers;
	struct check_program milter, web, queued;
};

void check_ok(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_warn(struct check *check, const char *change, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_fault(struct check *check, const char *change, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Would the programs start by the settings and all that they name, and will anything be held? */
void check_settings(struct check *check);
/* Are the databases whole? */
void check_databases(struct check *check);
/* Does each program answer? What follows needs their answers. */
void check_answers(struct check *check);
/* The programs that run: which, as whom, and by which settings? */
void check_programs(struct check *check);
/* May each program's user do with its files what the program does? Is there room? */
void check_rights(struct check *check);
/* Are our letters taken, and do the links lead to our pages? */
void check_letters(struct check *check);
void check_web(struct check *check);
/* Does Postfix pass its mail through us, last of all, over a socket that it can reach? */
void check_postfix(struct check *check);
/* Does Sendmail, by its sendmail.cf? */
void check_sendmail(struct check *check);
/*
 * Does the MTA keep a mail well beyond the longest time on hold? Its age counts from when it came
 * in. `name`: what says how long, `value`: what it says; the line to write is a longer time between
 * `before` and `after`. A quarter of the time must be left for delivery.
 */
void check_lifetime(struct check *check, const char *name, const char *value, const char *before,
    const char *after);
/* Seconds of a time as MTAs write it, "5d", "1d12h", in days where no unit is named; 0: none. */
int64_t check_mta_seconds(const char *text);
/* Databases that were set aside, as oops-milter does with damaged ones. */
void check_aside(struct check *check);
/* Held mail that nobody watches over, that is overdue, or from a clock that is ahead. */
void check_held(struct check *check);

#endif
