/*
 * NAME
 *	audit - the one line per event that an auditor reads
 *
 * WHAT IT DOES
 *	Writes `event=NAME id=HOLDID key=value ...` to syslog (facility mail): the same keys
 *	in the same order for the same event, whatever their values; what does not apply is
 *	"-". Values are quoted as in base_quote_logfmt(), so no foreign text forges a line.
 *
 * WHAT IT NEVER DOES
 *	It is not the operational log, and it decides nothing. No bodies, no tokens.
 *
 * THREADS
 *	Any.
 */
#ifndef OOPS_AUDIT_H
#define OOPS_AUDIT_H

#include "milter/base/buffer.h"
#include "milter/base/result.h"

enum audit_event {
	AUDIT_JUDGE,  /* a send was judged and not simply passed: what became of it */
	AUDIT_HOLD,   /* the MTA is being asked to hold a queue file */
	AUDIT_HELD,   /* the queue showed it on hold */
	AUDIT_NOTICE, /* a letter was accepted for delivery, or failed */
	AUDIT_VIEW,   /* a page was shown */
	/* somebody asked for send, undo or restore; refused=: why nothing moved */
	AUDIT_REQUEST,
	AUDIT_SEND,    /* the MTA is being asked to release */
	AUDIT_SENT,    /* it was released */
	AUDIT_UNDO,    /* cancelled by the sender or an admin */
	AUDIT_RESTORE, /* an undone mail will be sent after all */
	AUDIT_RETURN,  /* returned to its author */
	AUDIT_DELETE,
	AUDIT_EXPIRE, /* a timer ended a hold */
	AUDIT_LOST,   /* the queue file went away without us */
	AUDIT_RENAME, /* the MTA gave a queue file another name */
	AUDIT_STORM,
	AUDIT_LEARN,
	AUDIT_FREE, /* oopsctl free-all, one queue file */
	AUDIT_FORGET,
	AUDIT_CONFIG,
	AUDIT_ERROR,
};

const char *audit_event_str(enum audit_event event);

/* One key and its value; NULL value: "-". */
struct audit_pair {
	const char *key;
	const char *value;
};

/*
 * The line, for tests and for those who write it themselves. Keys that the event's table
 * (audit.c) lists come in its order, missing ones as "-"; a key that is not in the table is
 * a bug of the caller: REFUSE.
 */
enum base_result audit_format(struct base_buffer *line_r, enum audit_event event,
    const char *hold_id, const struct audit_pair *pairs, size_t count);

/* Formats and writes it: to syslog, and to standard error for programs in the foreground. */
void audit_write(
    enum audit_event event, const char *hold_id, const struct audit_pair *pairs, size_t count);

/*
 * From now on lines of what an admin does say who runs this program by hand: uid= and user= of the
 * real user, and sudo_user=, which is only what sudo says. For oopsctl, before any thread starts.
 */
void audit_operator_note(void);

/*
 * audit_event(AUDIT_VIEW, id, { "method", "GET" }, { "answer", "200" });
 * Numbers are formatted by the caller.
 */
#define audit_event(event, hold_id, ...)                                                           \
	audit_write(event, hold_id, (const struct audit_pair[]){ __VA_ARGS__ },                    \
	    sizeof((const struct audit_pair[]){ __VA_ARGS__ }) / sizeof(struct audit_pair))

#endif
