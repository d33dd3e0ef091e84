/*
 * postman - the thread that takes letters which are due to an SMTP server
 */
#include <inttypes.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/log.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/notice/internal.h"
#include "milter/notice/notice.h"
#include "milter/notice/smtp.h"

#define POSTMAN_PAUSE_MS 200         /* between looks when nothing is due, and storm letters */
#define POSTMAN_TROUBLE_MS 1000      /* the same while the store fails */
#define POSTMAN_TOTAL_MS 15000       /* a slow server costs the other letters no more */
#define POSTMAN_MAX_ARENA (1u << 20) /* bytes for one hold's view */
#define POSTMAN_MAX_LETTER 262144    /* bytes */
#define POSTMAN_DAY 86400            /* seconds */
#define POSTMAN_REMEMBERED 64        /* letters that failed, to warn once of each */

/* A letter that is not over yet: not delivered, or delivered and not written down. */
struct postman_record {
	char id[BASE_ID_SIZE];
	unsigned tries;
	bool is_delivered;
	bool is_limited; /* its reader got too many; audited */
};

struct notice_postman {
	/* mail that comes back must not wait, nor be waited for */
	struct notice_returner *returner;
	struct hold *hold;
	struct site_current *sites;
	const struct site *site;  /* of the letter in hand, else NULL */
	struct base_arena *arena; /* reset for every letter */
	pthread_t thread;
	atomic_bool is_stopping;
	bool is_troubled; /* the store failed; said once */
	bool is_last;     /* the letter in hand is its reader's last one today */
	struct notice_rests rests;
	struct notice_readers readers;
	struct postman_record records[POSTMAN_REMEMBERED];
	unsigned next_record; /* overwritten next */
};

/* --- one letter over SMTP ------------------------------------------------------------- */

/* Hands the letter over. OK only when the server said that it has it. */
static enum base_result
postman_deliver(struct notice_postman *postman, const char *recipient,
    const struct base_buffer *letter, char answer_r[200], const char **why_r)
{
	struct notice_smtp *smtp = NULL;
	enum base_result result = notice_smtp_open(
	    postman->site->settings, POSTMAN_TOTAL_MS, &postman->is_stopping, &smtp, why_r);

	if (result != BASE_OK)
		return result;
	result = notice_smtp_envelope(smtp, "", recipient, letter->length, false, why_r);
	if (result == BASE_OK)
		result = notice_smtp_data(smtp, why_r);
	if (result == BASE_OK) {
		notice_smtp_text(smtp, letter->data, letter->length);
		result = notice_smtp_end(smtp, answer_r, why_r);
	}
	notice_smtp_close(&smtp);
	return result;
}

/* --- what is not over yet --------------------------------------------------------------
 */

/* The letter's record; a new one takes the place of the oldest. */
static struct postman_record *
postman_record_of(struct notice_postman *postman, const char *id)
{
	struct postman_record *record;
	size_t i;

	for (i = 0; i < POSTMAN_REMEMBERED; i++)
		if (!strcmp(postman->records[i].id, id))
			return &postman->records[i];
	record = &postman->records[postman->next_record];
	postman->next_record = (postman->next_record + 1) % POSTMAN_REMEMBERED;
	memset(record, 0, sizeof(*record));
	memcpy(record->id, id, strnlen(id, BASE_ID_LENGTH));
	return record;
}

/* --- one hold ------------------------------------------------------------------------- */

/* The letter with its MAC header in front. */
static enum base_result
postman_write(struct notice_postman *postman, const struct hold_view *view, const char *token,
    struct base_buffer *letter_r, const char **why_r)
{
	const struct settings *settings = postman->site->settings;
	struct notice_letter_options options = { .from = settings->notice.from,
		.base_url = settings->web.base_url,
		.token = token,
		.now = base_now(),
		.is_last = postman->is_last,
		.templates = postman->site->templates };
	enum base_result result = notice_letter_stamp(
	    postman->arena, postman->site, view, options.now, letter_r, &options.message_id, why_r);

	if (result != BASE_OK)
		return result;
	return notice_letter_compose(letter_r, view, &options, why_r);
}

/* How long the link works: through the hold and a while after it. */
static int64_t
postman_link_end(const struct notice_postman *postman, const struct hold_view *view)
{
	int64_t end = view->deadline > base_now() ? view->deadline : base_now();

	return end + postman->site->settings->undo.grace +
	       postman->site->settings->notice.link_expires;
}

/* Makes the token and the letter, and delivers it. */
static enum base_result
postman_carry(struct notice_postman *postman, const struct hold_view *view, char answer_r[200],
    const char **why_r)
{
	struct base_buffer letter;
	enum base_result result;
	char token[BASE_TOKEN_SIZE];

	base_token_new(token);
	result =
	    hold_token_add(postman->hold, view->id, token, postman_link_end(postman, view), why_r);
	if (result != BASE_OK)
		return result;
	base_buffer_init(&letter, POSTMAN_MAX_LETTER);
	result = postman_write(postman, view, token, &letter, why_r);
	if (result == BASE_OK)
		result = postman_deliver(postman, view->mailbox, &letter, answer_r, why_r);
	base_buffer_free(&letter);
	return result;
}

/* One audit line for one try, with the time that the letter names. */
static void
postman_audit(const struct hold_view *view, const char *answer, unsigned tries)
{
	char number[16], deadline[24];

	snprintf(number, sizeof(number), "%u", tries);
	snprintf(deadline, sizeof(deadline), "%" PRId64, view->deadline);
	audit_event(AUDIT_NOTICE, view->id, { "to", view->mailbox }, { "answer", answer },
	    { "tries", number }, { "deadline", view->deadline > 0 ? deadline : NULL });
}

/* The letter is tried again later, behind those that are due. */
static int64_t
postman_put_off(struct notice_postman *postman, const char *id)
{
	const char *why;
	int64_t again = 0;
	enum base_result result = hold_letter_failed(postman->hold, id, &again, &why);

	if (result == BASE_REFUSE)
		hold_letter_aside(postman->hold, id, why);
	return result == BASE_RETRY || result == BASE_BROKEN ? POSTMAN_TROUBLE_MS : 0;
}

/* Writes down that it went wrong: audited each time, logged the first time. */
static int64_t
postman_fail(struct notice_postman *postman, struct postman_record *record,
    const struct hold_view *view, const char *why)
{
	if (++record->tries == 1)
		base_log(BASE_LOG_WARNING,
		    "the letter about hold %s cannot be delivered: %s; "
		    "it is tried again while the mail is held",
		    view->id, why);
	postman_audit(view, why, record->tries);
	return postman_put_off(postman, view->id);
}

/* Tells hold that the letter is over. Until that is written, it is not delivered again. */
static int64_t
postman_finish(struct notice_postman *postman, struct postman_record *record)
{
	const char *why;

	switch (hold_letter_done(postman->hold, record->id, &why)) {
	case BASE_RETRY:
	case BASE_BROKEN:
		if (!postman->is_troubled)
			base_log(
			    BASE_LOG_WARNING, "cannot write down that a letter is over: %s", why);
		postman->is_troubled = true;
		return POSTMAN_TROUBLE_MS;
	case BASE_REFUSE:
		hold_letter_aside(postman->hold, record->id, why);
		return POSTMAN_PAUSE_MS;
	default:
		memset(record, 0, sizeof(*record));
		return 0;
	}
}

/*
 * How many letters its sender, and whoever reads them, may still get today; a storm has letters
 * of its own.
 */
static enum base_result
postman_left(struct notice_postman *postman, const struct hold_view *view, size_t *left_r,
    const char **why_r)
{
	size_t limit = postman->site->settings->notice.person_day, count = 0, read;
	enum base_result result = BASE_OK;

	*left_r = SIZE_MAX;
	if (limit == 0 || view->action == HOLD_STORM || view->action == HOLD_BRAKE)
		return BASE_OK;
	result =
	    hold_letter_count(postman->hold, view->sender, base_now() - POSTMAN_DAY, &count, why_r);
	read =
	    notice_readers_count(&postman->readers, postman->site, postman->arena, view->mailbox);
	if (count < read)
		count = read;
	if (result == BASE_OK)
		*left_r = count < limit ? limit - count : 0;
	return result;
}

/* Too many for one reader: told once, and later again. */
static int64_t
postman_limit(
    struct notice_postman *postman, struct postman_record *record, const struct hold_view *view)
{
	const char *why = "";
	enum base_result result = hold_letter_wait(postman->hold, view->id, &why);

	if (!record->is_limited)
		audit_event(AUDIT_NOTICE, view->id, { "to", view->mailbox },
		    { "answer", "not sent" }, { "tries", "0" }, { "limited_by", "person_day" });
	record->is_limited = true;
	if (result == BASE_REFUSE)
		hold_letter_aside(postman->hold, view->id, why);
	return result == BASE_RETRY || result == BASE_BROKEN ? POSTMAN_TROUBLE_MS : 0;
}

/* One due letter; how long to wait after it. A mail that is decided already needs none. */
static int64_t
postman_handle(struct notice_postman *postman, const struct hold_view *view)
{
	struct postman_record *record = postman_record_of(postman, view->id);
	char answer[200] = "";
	const char *why = "";
	size_t left = 0;
	int64_t start = base_tick_ms();
	enum base_result result;

	if (notice_letter_news(view) == NOTICE_NEWS_NONE || record->is_delivered)
		return postman_finish(postman, record);
	if (notice_rests_have(&postman->rests, view->mailbox))
		return postman_put_off(postman, view->id);
	if (postman_left(postman, view, &left, &why) == BASE_OK && left == 0)
		return postman_limit(postman, record, view);
	postman->is_last = left == 1;
	result = postman_carry(postman, view, answer, &why);
	notice_rests_note(&postman->rests, view->mailbox, base_tick_ms() - start);
	if (result == BASE_OK) {
		record->is_delivered = true;
		if (view->action != HOLD_STORM && view->action != HOLD_BRAKE)
			notice_readers_note(
			    &postman->readers, postman->site, postman->arena, view->mailbox);
		postman_audit(view, answer, record->tries + 1);
		return postman_finish(postman, record);
	}
	if (atomic_load(&postman->is_stopping))
		return 0;
	return postman_fail(postman, record, view, why);
}

/* Looks once; how long to wait before the next look. */
static int64_t
postman_step(struct notice_postman *postman)
{
	enum base_result result;
	struct hold_view view;
	const char *why;
	int64_t pause;

	base_arena_reset(postman->arena);
	result = hold_letter_next(postman->hold, postman->arena, &view, &why);
	if (result == BASE_OK) {
		postman->site = site_take(postman->sites);
		pause = postman_handle(postman, &view);
		site_drop(&postman->site);
		/* a storm makes many letters: not all of them in one minute */
		if (view.action == HOLD_STORM && pause < POSTMAN_PAUSE_MS)
			pause = POSTMAN_PAUSE_MS;
		return pause;
	}
	if (result == BASE_NONE) {
		postman->is_troubled = false;
		return POSTMAN_PAUSE_MS;
	}
	if (!postman->is_troubled)
		base_log(BASE_LOG_WARNING, "cannot look for letters that are due: %s", why);
	postman->is_troubled = true;
	return POSTMAN_TROUBLE_MS;
}

/* The thread. */
static void *
postman_run(void *context)
{
	struct notice_postman *postman = context;
	int64_t pause;

	while (!atomic_load(&postman->is_stopping)) {
		pause = postman_step(postman);
		for (; pause > 0 && !atomic_load(&postman->is_stopping); pause -= POSTMAN_PAUSE_MS)
			base_sleep_ms(POSTMAN_PAUSE_MS);
	}
	return NULL;
}

/* Starts the thread. */
enum base_result
notice_postman_start(struct hold *hold, struct site_current *sites,
    struct notice_postman **postman_r, const char **why_r)
{
	struct notice_postman *postman;

	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		*why_r = base_why("libcurl cannot start");
		return BASE_BROKEN;
	}
	postman = calloc(1, sizeof(*postman));
	if (!postman || !(postman->arena = base_arena_new(POSTMAN_MAX_ARENA))) {
		free(postman);
		*why_r = base_why("no memory for the postman");
		return BASE_BROKEN;
	}
	postman->hold = hold;
	postman->sites = sites;
	if (notice_returner_start(hold, sites, &postman->returner, why_r) != BASE_OK ||
	    pthread_create(&postman->thread, NULL, postman_run, postman)) {
		notice_returner_stop(&postman->returner);
		base_arena_free(&postman->arena);
		free(postman);
		*why_r = base_why("the postman's threads cannot be started");
		return BASE_BROKEN;
	}
	*postman_r = postman;
	return BASE_OK;
}

/* Ends the thread, a transfer included. */
void
notice_postman_stop(struct notice_postman **postman)
{
	if (!*postman)
		return;
	atomic_store(&(*postman)->is_stopping, true);
	notice_returner_stop(&(*postman)->returner);
	pthread_join((*postman)->thread, NULL);
	base_arena_free(&(*postman)->arena);
	free(*postman);
	*postman = NULL;
	curl_global_cleanup();
}
