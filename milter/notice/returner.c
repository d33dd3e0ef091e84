/*
 * returner - the thread that brings mail back to its author by letters; see notice.h
 *
 * For each hold in RETURNING: are its files still on hold? What is in them, without reading one
 * message twice for each of its recipients? Then a letter for each different message, and only
 * when the MTA has it is that written down, upon which the scheduler deletes the files. One mail at
 * a time is in memory, QUEUE_MAX_READ bytes at most.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/log.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/notice/internal.h"
#include "milter/notice/notice.h"
#include "milter/notice/smtp.h"
#include "milter/queue/queue.h"

#define RETURNER_PAUSE_MS 200    /* between looks when nothing is due */
#define RETURNER_FAILURE_MS 1000 /* the same while the store fails */
#define RETURNER_QUEUE_MS 60000  /* oops-queued's own time for a request */
#define RETURNER_TOTAL_MS 60000  /* of one letter, and ... */
#define RETURNER_BYTES_A_MS 100  /* ... so much more of it a millisecond */
#define RETURNER_MAX_ARENA (1u << 20)
#define RETURNER_MAX_LETTER 65536 /* bytes besides the mail */
#define RETURNER_TRIES 8          /* that the MTA answered; then its own bounce is looked at */
#define RETURNER_PATIENCE 86400   /* seconds without an answer until that is looked at, too */
#define RETURNER_DIGEST 32

struct notice_returner {
	struct hold *hold;
	struct config_current *sites;
	const struct config *config; /* of the mail in hand */
	struct queue_client *queue;  /* the same */
	struct base_arena *arena;    /* reset for every hold */
	struct base_arena *mail;     /* of every mail and the letter around it: its own */
	pthread_t thread;
	atomic_bool is_stopping;
	bool is_troubled; /* the store failed; said once */
};

/* One hold in hand. */
struct job {
	struct hold_returning hold;
	uint64_t *digests;  /* of what is in each file; 0: its message is back */
	const char **taken; /* room for the files that one letter brings back */
	size_t longest;     /* bytes of a message; 0: none was read */
	bool is_counted;    /* its failure is one of the letter's, not of oops-queued */
	bool is_answered;   /* the MTA said something about it */
	bool is_too_large;  /* namely that, for good */
	bool is_unwritten;  /* the store does not know what came of it */
	char answer[200];
};

/* --- reading ---------------------------------------------------------------------------- */

/* Are all files on hold? NONE: the scheduler has to look. */
static enum base_result
job_look(struct notice_returner *returner, const struct job *job, const char **why_r)
{
	size_t count = job->hold.count;
	struct queue_item *items = base_arena_array(returner->arena, count, sizeof(*items));
	enum base_result result;

	if (items == NULL) {
		*why_r = base_why("no memory for the files of a hold");
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < count; i++)
		items[i] = (struct queue_item){ .queue_id = job->hold.queue_ids[i],
			.hold_id = job->hold.view.id };
	result = queue_ask(returner->queue, QUEUE_STATUS, items, count, why_r);
	for (size_t i = 0; result == BASE_OK && i < count; i++)
		if (items[i].status != QUEUE_HELD) {
			*why_r = base_why(
			    "%s: %s", items[i].queue_id, queue_status_str(items[i].status));
			result = BASE_NONE;
		}
	return result;
}

/* The message of a file, without our tag; the one before is gone. */
static enum base_result
mail_read(struct notice_returner *returner, struct job *job, size_t index, char **mail_r,
    size_t *length_r, const char **why_r)
{
	size_t length = 0;
	enum base_result result;

	base_arena_free(&returner->mail);
	returner->mail = base_arena_new(QUEUE_MAX_READ + RETURNER_MAX_LETTER);
	if (returner->mail == NULL) {
		*why_r = base_why("no memory for a mail");
		return BASE_BROKEN;
	}
	result = queue_read(returner->queue, returner->mail, job->hold.queue_ids[index],
	    job->hold.view.id, QUEUE_MAX_READ, mail_r, &length, why_r);
	if (result != BASE_OK)
		return result;
	job->longest = length > job->longest ? length : job->longest;
	*length_r = notice_returned_strip(*mail_r, length);
	return BASE_OK;
}

/*
 * What its author wrote: two queue files with the same body are the same mail for different
 * people, whatever the MTA or a client wrote into their headers. Not so in a series: its mails may
 * differ in nothing but the subject, so each has its number in what is compared.
 */
static uint64_t
mail_digest(const struct notice_returner *returner, const char *mail, size_t length, int64_t number)
{
	const char *body = mail;
	size_t left = length;
	uint64_t digest;

	while (left > 1 && !(body[0] == '\n' && body[1] == '\n')) {
		body++;
		left--;
	}
	digest = base_key_hash64(returner->config->key, BASE_KEY_SUBMISSION, body, left);
	digest ^=
	    base_key_hash64(returner->config->key, BASE_KEY_SUBMISSION, &number, sizeof(number));
	return digest == 0 ? 1 : digest;
}

/* Finds out which files have the same message. One alone need not be read for it. */
static enum base_result
job_compare(struct notice_returner *returner, struct job *job, const char **why_r)
{
	enum base_result result = BASE_OK;

	job->digests =
	    base_arena_array(returner->arena, job->hold.count + 1, sizeof(*job->digests));
	job->taken = base_arena_array(returner->arena, job->hold.count + 1, sizeof(*job->taken));
	if (job->digests == NULL || job->taken == NULL) {
		*why_r = base_why("no memory for the files of a hold");
		return BASE_BROKEN;
	}
	if (job->hold.count == 1)
		job->digests[0] = 1;
	for (size_t i = 0; job->hold.count > 1 && i < job->hold.count; i++) {
		size_t length;
		char *mail;

		result = mail_read(returner, job, i, &mail, &length, why_r);
		if (result != BASE_OK)
			break;
		job->digests[i] = mail_digest(returner, mail, length, job->hold.mails[i]);
	}
	return result;
}

/* --- a letter --------------------------------------------------------------------------- */

/* Text before and behind the mail. */
struct envelope {
	struct base_buffer head, tail;
	enum notice_attached attached;
};

/* Writes what is around the mail. */
static enum base_result
letter_write(struct notice_returner *returner, const struct job *job, struct envelope *envelope,
    const char **why_r)
{
	const struct settings *settings = returner->config->settings;
	const struct hold_view *view = &job->hold.view;
	struct notice_letter_options options = { .from = settings->notice.from,
		.now = base_now(),
		.templates = returner->config->templates };
	enum base_result result = notice_letter_stamp(returner->mail, returner->config, view,
	    options.now, &envelope->head, &options.message_id, why_r);
	char boundary[BASE_TOKEN_SIZE];

	if (result != BASE_OK)
		return result;
	base_token_new(boundary); /* 128 random bits, made after the mail was written */
	return notice_returned_compose(&envelope->head, &envelope->tail, view, !job->hold.has_left,
	    envelope->attached, boundary, &options, why_r);
}

/* The whole content after DATA. */
static void
letter_say(
    struct notice_smtp *smtp, const struct envelope *envelope, const char *mail, size_t length)
{
	notice_smtp_text(smtp, envelope->head.data, envelope->head.length);
	if (envelope->attached == NOTICE_ATTACHED_FILE)
		notice_smtp_base64(smtp, mail, length);
	else
		notice_smtp_lines(smtp, mail, length);
	notice_smtp_text(smtp, envelope->tail.data, envelope->tail.length);
}

/* Says it to a server that listens. */
static enum base_result
letter_deliver(struct notice_returner *returner, struct job *job, struct notice_smtp *smtp,
    const char *mail, size_t length, const char **why_r)
{
	struct envelope envelope = { .attached = notice_returned_form(
					 mail, length, notice_smtp_has_8bit(smtp)) };
	enum base_result result;

	base_buffer_init(&envelope.head, RETURNER_MAX_LETTER);
	base_buffer_init(&envelope.tail, RETURNER_MAX_LETTER);
	result = letter_write(returner, job, &envelope, why_r);
	if (result == BASE_OK)
		/*
		 * our copy is the last one: if the mailbox refuses it later, somebody must see it
		 */
		result = notice_smtp_envelope(smtp, returner->config->settings->notice.from,
		    job->hold.view.mailbox, length + envelope.head.length + envelope.tail.length,
		    envelope.attached == NOTICE_ATTACHED_8BIT, why_r);
	if (result == BASE_OK)
		result = notice_smtp_data(smtp, why_r);
	if (result == BASE_OK) {
		letter_say(smtp, &envelope, mail, length);
		result = notice_smtp_end(smtp, job->answer, why_r);
	}
	base_buffer_free(&envelope.tail);
	base_buffer_free(&envelope.head);
	return result;
}

/* One audit line for one try. */
static void
letter_audit(const struct job *job, const char *answer)
{
	const struct hold_view *view = &job->hold.view;
	char number[16];

	snprintf(number, sizeof(number), "%u", view->return_tries + 1);
	audit_event(AUDIT_NOTICE, view->id, { "to", view->mailbox }, { "answer", answer },
	    { "tries", number });
}

/* Reads the mail of a file and sends it. */
static enum base_result
letter_send(struct notice_returner *returner, struct job *job, size_t index, const char **why_r)
{
	struct notice_smtp *smtp = NULL;
	enum base_result result;
	size_t length = 0;
	char *mail;

	job->is_counted = job->is_answered = job->is_too_large = false;
	result = mail_read(returner, job, index, &mail, &length, why_r);
	if (result != BASE_OK)
		return result;
	job->is_counted = true;
	result = notice_smtp_open(returner->config->settings,
	    RETURNER_TOTAL_MS + (int64_t)length / RETURNER_BYTES_A_MS, &returner->is_stopping,
	    &smtp, why_r);
	if (result == BASE_OK)
		result = letter_deliver(returner, job, smtp, mail, length, why_r);
	job->is_answered = result == BASE_NONE || result == BASE_REFUSE;
	job->is_too_large = result == BASE_REFUSE && smtp != NULL && notice_smtp_is_too_large(smtp);
	notice_smtp_close(&smtp);
	return result;
}

/* --- writing it down ---------------------------------------------------------------------- */

/* The store works, or not: said when it changes. */
static void
report_store(struct notice_returner *returner, bool works, const char *why)
{
	if (!works && !returner->is_troubled)
		base_log(BASE_LOG_WARNING, "mail cannot be brought back for now: %s", why);
	returner->is_troubled = !works;
}

/* The MTA has the letter. Until that is written, it is not sent again. */
static void
job_taken(struct notice_returner *returner, struct job *job, size_t index)
{
	uint64_t digest = job->digests[index];
	enum base_result result = BASE_RETRY;
	const char *why = "";
	size_t count = 0;

	for (size_t i = 0; i < job->hold.count; i++)
		if (job->digests[i] == digest) {
			job->taken[count++] = job->hold.queue_ids[i];
			job->digests[i] = 0;
		}
	while (!atomic_load(&returner->is_stopping)) {
		result =
		    hold_return_taken(returner->hold, job->hold.view.id, job->taken, count, &why);
		if (result == BASE_REFUSE)
			hold_return_aside(returner->hold, job->hold.view.id, true, why);
		if (result != BASE_RETRY && result != BASE_BROKEN)
			return;
		report_store(returner, false, why);
		base_sleep_ms(RETURNER_PAUSE_MS);
	}
}

/* What came of writing down a failure. */
static void
job_written(
    struct notice_returner *returner, struct job *job, enum base_result result, const char *why)
{
	job->is_unwritten = result == BASE_RETRY || result == BASE_BROKEN;
	report_store(returner, !job->is_unwritten, why);
	if (result == BASE_REFUSE)
		hold_return_aside(returner->hold, job->hold.view.id, false, why);
}

/* Neither way is open: an admin must know, once; of what is too large, its author as well. */
static void
job_stuck(struct notice_returner *returner, struct job *job, const char *why)
{
	const char *id = job->hold.view.id, *failure = "";
	bool is_news = false;
	enum base_result result = hold_return_failed(returner->hold, id,
	    job->is_too_large ? HOLD_RETURN_KEPT : HOLD_RETURN_STUCK, job->is_answered, &is_news,
	    &failure);

	job_written(returner, job, result, failure);
	if (result != BASE_OK || !is_news)
		return;
	base_log(BASE_LOG_ERROR,
	    "%s cannot be brought back to its author: %s; it stays on hold, and %s", id, why,
	    job->is_too_large ? "its author is told" : "is tried again");
	audit_event(AUDIT_ERROR, id, { "where", "return" }, { "what", "it stays on hold" },
	    { "answer", why });
}

/*
 * No letter gets through: by the MTA's own bounce, if all of it would be in there, and if it goes
 * to the mailbox of the person. The envelope sender is whatever the client wrote.
 */
static void
job_give_up(struct notice_returner *returner, struct job *job, const char *why)
{
	const char *id = job->hold.view.id, *failure = "";

	if (!job->hold.can_bounce || job->longest == 0 ||
	    !notice_bounce_fits(returner->config->settings, job->longest)) {
		job_stuck(returner, job, why);
		return;
	}
	base_log(BASE_LOG_WARNING,
	    "%s goes back to its author by a bounce, because no letter gets through: %s", id, why);
	job_written(returner, job, hold_return_bounce(returner->hold, id, &failure), failure);
}

/* Once more later, or another way. */
static void
job_fail(
    struct notice_returner *returner, struct job *job, enum base_result result, const char *why)
{
	const struct hold_view *view = &job->hold.view;
	unsigned tries = view->return_tries + 1;
	bool is_late = base_now() - view->moved > RETURNER_PATIENCE;
	const char *failure = "";
	bool is_news;

	if (job->is_counted) {
		letter_audit(job, why);
		if (tries == 1)
			base_log(BASE_LOG_WARNING,
			    "the letter that returns %s cannot be delivered: %s", job->hold.view.id,
			    why);
	}
	if (result == BASE_REFUSE || (job->is_answered && tries >= RETURNER_TRIES) ||
	    (job->is_counted && is_late))
		job_give_up(returner, job, why);
	else
		job_written(returner, job,
		    hold_return_failed(returner->hold, view->id, HOLD_RETURN_DUE, job->is_answered,
			&is_news, &failure),
		    failure);
}

/* Brings one hold back, as far as it goes. */
static void
job_run(struct notice_returner *returner, struct job *job)
{
	const char *why = "";
	enum base_result result = BASE_OK;

	if (job->hold.count > 0)
		result = job_look(returner, job, &why);
	if (result == BASE_OK)
		result = job_compare(returner, job, &why);
	for (size_t i = 0; result == BASE_OK && i < job->hold.count; i++) {
		if (job->digests[i] == 0)
			continue;
		result = letter_send(returner, job, i, &why);
		if (result != BASE_OK)
			break;
		letter_audit(job, job->answer);
		job_taken(returner, job, i);
	}
	if (job->hold.count == 0) /* all of it left: the scheduler has to see that */
		result = BASE_NONE;
	if (result != BASE_OK && !atomic_load(&returner->is_stopping))
		job_fail(returner, job, result, why);
}

/* --- the thread ---------------------------------------------------------------------------- */

/* Looks once; how long to wait before the next look. */
static int64_t
returner_step(struct notice_returner *returner)
{
	struct job job = { .longest = 0 };
	const char *why = "";
	enum base_result result;

	base_arena_reset(returner->arena);
	result = hold_return_next(returner->hold, returner->arena, &job.hold, &why);
	if (result != BASE_OK) {
		report_store(returner, result == BASE_NONE, why);
		return result == BASE_NONE ? RETURNER_PAUSE_MS : RETURNER_FAILURE_MS;
	}
	returner->config = config_acquire(returner->sites);
	returner->queue =
	    queue_client_new(returner->config->settings->mta.queue_socket, RETURNER_QUEUE_MS);
	if (returner->queue != NULL)
		job_run(returner, &job);
	base_arena_free(&returner->mail);
	queue_client_free(&returner->queue);
	config_release(&returner->config);
	return job.is_unwritten ? RETURNER_FAILURE_MS : 0;
}

/* The thread. */
static void *
returner_run(void *context)
{
	struct notice_returner *returner = context;

	while (!atomic_load(&returner->is_stopping)) {
		int64_t pause = returner_step(returner);

		for (; pause > 0 && !atomic_load(&returner->is_stopping);
		     pause -= RETURNER_PAUSE_MS)
			base_sleep_ms(RETURNER_PAUSE_MS);
	}
	return NULL;
}

enum base_result
notice_returner_start(struct hold *hold, struct config_current *sites,
    struct notice_returner **returner_r, const char **why_r)
{
	struct notice_returner *returner = calloc(1, sizeof(*returner));

	if (returner != NULL) {
		returner->hold = hold;
		returner->sites = sites;
		returner->arena = base_arena_new(RETURNER_MAX_ARENA);
	}
	if (returner == NULL || returner->arena == NULL ||
	    pthread_create(&returner->thread, NULL, returner_run, returner)) {
		*why_r = base_why("the thread that brings mail back cannot be started");
		if (returner != NULL)
			base_arena_free(&returner->arena);
		free(returner);
		return BASE_BROKEN;
	}
	*returner_r = returner;
	return BASE_OK;
}

void
notice_returner_stop(struct notice_returner **returner)
{
	if (*returner == NULL)
		return;
	atomic_store(&(*returner)->is_stopping, true);
	pthread_join((*returner)->thread, NULL);
	base_arena_free(&(*returner)->arena);
	free(*returner);
	*returner = NULL;
}
