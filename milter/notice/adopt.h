/*
 * NAME
 *	notice/adopt - takes held mail back into care that no row watches over
 *
 * WHAT IT DOES
 *	Asks oops-queued for every queue file on hold that carries our tag. One that no hold
 *	knows (the database was lost, or is an old copy) or that was given up as lost becomes a
 *	hold again: its author is asked once more, by a new letter, whether it shall be sent.
 *	Whatever was decided about it is forgotten with the row, a stop included, so nothing
 *	leaves by itself: it is a confirm, with confirm.expires, and then it goes back to its
 *	author, whatever confirm.on_expiry says.
 *
 * WHAT IT NEVER DOES
 *	Nothing is asked because of a tag that anybody can write: the site's key must prove that
 *	we wrote it, and that the address of the From field, which must be of a local domain, is
 *	whom we would have asked then.
 *
 * THREADS
 *	Any; the queue client is used by the caller's alone.
 *
 * DIAGNOSTICS
 *	OK: every file was looked at; RETRY: oops-queued does not answer; BROKEN: the store
 *	failed, or no memory. What was done by then stays done, and is told.
 */
#ifndef OOPS_NOTICE_ADOPT_H
#define OOPS_NOTICE_ADOPT_H

#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/queue/queue.h"
#include "milter/settings/settings.h"

struct notice_adoption {
	const struct settings *settings;
	struct hold *hold;
	struct queue_client *queue;
	const struct base_key *key;
	bool is_dry; /* only tells what it would do */
	/*
	 * "adopted: QUEUEID ID SENDER: WHAT FOLLOWS" or "left alone: QUEUEID ID: WHY", for each
	 * file
	 */
	void (*report)(void *context, const char *line);
	void *context;
};

struct notice_adopted {
	unsigned adopted, left; /* files taken into care, files that stay as they are */
};

enum base_result notice_adopt(
    const struct notice_adoption *by, struct notice_adopted *done_r, const char **why_r);

#endif
