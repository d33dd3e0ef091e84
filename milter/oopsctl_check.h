/*
 * NAME
 *	oopsctl_check - what the parts of `oopsctl check` share: the report
 *
 * WHAT IT DOES
 *	Each part looks at one side of the site and reports every finding as one line: "ok: WHAT",
 *	"warning: WHAT; change: HOW" (it works, and could be better), or "fault: WHAT; change: HOW"
 *	(slips pass unnoticed, or held mail is stuck). HOW names the file and the line to write.
 */
#ifndef OOPS_OOPSCTL_CHECK_H
#define OOPS_OOPSCTL_CHECK_H

#include "milter/base/base.h"
#include "milter/queue/queue.h"
#include "milter/settings/settings.h"

struct oopsctl_check {
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
};

void oopsctl_check_ok(struct oopsctl_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void oopsctl_check_warn(struct oopsctl_check *check, const char *change, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
void oopsctl_check_fault(struct oopsctl_check *check, const char *change,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Would the programs start by the settings and all that they name, and do they run by them? */
void oopsctl_check_settings(struct oopsctl_check *check);
/* Does Postfix pass its mail through us, last of all, over a socket that it can reach? */
void oopsctl_check_postfix(struct oopsctl_check *check);
/* Does Sendmail, by its sendmail.cf? */
void oopsctl_check_sendmail(struct oopsctl_check *check);
/* Held mail that nobody watches over, that is overdue, or from a clock that is ahead. */
void oopsctl_check_held(struct oopsctl_check *check);

#endif
