/*
 * mailer - the thread that takes letters which are due to an SMTP server
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

#define MAILER_PAUSE_MS 200         /* between looks when nothing is due, and storm letters */
#define MAILER_OUTAGE_MS 1000       /* the same while the store fails */
#define MAILER_TOTAL_MS 15000       /* a slow server costs the other letters no more */
#define MAILER_MAX_ARENA (1u << 20) /* bytes for one hold's view */
#define MAILER_MAX_LETTER 262144    /* bytes */
#define MAILER_DAY 86400            /* seconds */
#define MAILER_REMEMBERED 64        /* letters that failed, to warn once of each */

/* A letter that is not over yet: not delivered, or delivered and not written down. */
struct mailer_record {
	char id[BASE_ID_SIZE];
	unsigned tries;
	bool is_delivered;
	bool is_limited; /* its reader got too many; audited */
};

struct notice_mailer {
	/* mail that comes back must not wait, nor be waited for */
	struct notice_returner *returner;
	struct hold *hold;
	struct config_current *sites;
	const struct config *config; /* of the letter in hand, else NULL */
	struct base_arena *arena;    /* reset for every letter */
	pthread_t thread;
	atomic_bool is_stopping;
	bool is_troubled; /* the store failed; said once */
	bool is_last;     /* the letter in hand is its reader's last one today */
	struct notice_rests rests;
	struct notice_readers readers;
	struct mailer_record records[MAILER_REMEMBERED];
	unsigned next_record; /* overwritten next */
};

/* --- one letter over SMTP ------------------------------------------------------------- */

/* Hands the letter over. OK only when the server said that it has it. */
static enum base_result
mailer_deliver(struct notice_mailer *mailer, const char *recipient,
    const struct base_buffer *letter, char answer_r[200], const char **why_r)
{
	struct notice_smtp *smtp = NULL;
	enum base_result result = notice_smtp_open(
	    mailer->config->settings, MAILER_TOTAL_MS, &mailer->is_stopping, &smtp, why_r);

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
static struct mailer_record *
mailer_record_of(struct notice_mailer *mailer, const char *id)
{
	struct mailer_record *record;
	size_t i;

	for (i = 0; i < MAILER_REMEMBERED; i++)
		if (!strcmp(mailer->records[i].id, id))
			return &mailer->records[i];
	record = &mailer->records[mailer->next_record];
	mailer->next_record = (mailer->next_record + 1) % MAILER_REMEMBERED;
	memset(record, 0, sizeof(*record));
	memcpy(record->id, id, strnlen(id, BASE_ID_LENGTH));
	return record;
}

/* --- one hold ------------------------------------------------------------------------- */

/* The letter with its MAC header in front. */
static enum base_result
mailer_write(struct notice_mailer *mailer, const struct hold_view *view, const char *token,
    struct base_buffer *letter_r, const char **why_r)
{
	const struct settings *settings = mailer->config->settings;
	struct notice_letter_options options = { .from = settings->notice.from,
		.base_url = settings->web.base_url,
		.token = token,
		.now = base_now(),
		.is_last = mailer->is_last,
		.templates = mailer->config->templates };
	enum base_result result = notice_letter_stamp(
	    mailer->arena, mailer->config, view, options.now, letter_r, &options.message_id, why_r);

	if (result != BASE_OK)
		return result;
	return notice_letter_compose(letter_r, view, &options, why_r);
}

/* How long the link works: through the hold and a while after it. */
static int64_t
mailer_link_end(const struct notice_mailer *mailer, const struct hold_view *view)
{
	int64_t end = view->deadline > base_now() ? view->deadline : base_now();

	return end + mailer->config->settings->undo.grace +
	       mailer->config->settings->notice.link_expires;
}

/* Makes the token and the letter, and delivers it. */
static enum base_result
mailer_send(struct notice_mailer *mailer, const struct hold_view *view, char answer_r[200],
    const char **why_r)
{
	struct base_buffer letter;
	enum base_result result;
	char token[BASE_TOKEN_SIZE];

	base_token_new(token);
	result =
	    hold_token_add(mailer->hold, view->id, token, mailer_link_end(mailer, view), why_r);
	if (result != BASE_OK)
		return result;
	base_buffer_init(&letter, MAILER_MAX_LETTER);
	result = mailer_write(mailer, view, token, &letter, why_r);
	if (result == BASE_OK)
		result = mailer_deliver(mailer, view->mailbox, &letter, answer_r, why_r);
	base_buffer_free(&letter);
	return result;
}

/* One audit line for one try, with the time that the letter names. */
static void
mailer_audit(const struct hold_view *view, const char *answer, unsigned tries)
{
	char number[16], deadline[24];

	snprintf(number, sizeof(number), "%u", tries);
	snprintf(deadline, sizeof(deadline), "%" PRId64, view->deadline);
	audit_event(AUDIT_NOTICE, view->id, { "to", view->mailbox }, { "answer", answer },
	    { "tries", number }, { "deadline", view->deadline > 0 ? deadline : NULL });
}

/* The letter is tried again later, behind those that are due. */
static int64_t
mailer_put_off(struct notice_mailer *mailer, const char *id)
{
	const char *why;
	int64_t again = 0;
	enum base_result result = hold_letter_failed(mailer->hold, id, &again, &why);

	if (result == BASE_REFUSE)
		hold_letter_aside(mailer->hold, id, why);
	return result == BASE_RETRY || result == BASE_BROKEN ? MAILER_OUTAGE_MS : 0;
}

/* Writes down that it went wrong: audited each time, logged the first time. */
static int64_t
mailer_fail(struct notice_mailer *mailer, struct mailer_record *record,
    const struct hold_view *view, const char *why)
{
	if (++record->tries == 1)
		base_log(BASE_LOG_WARNING,
		    "the letter about hold %s cannot be delivered: %s; "
		    "it is tried again while the mail is held",
		    view->id, why);
	mailer_audit(view, why, record->tries);
	return mailer_put_off(mailer, view->id);
}

/* Tells hold that the letter is over. Until that is written, it is not delivered again. */
static int64_t
mailer_finish(struct notice_mailer *mailer, struct mailer_record *record)
{
	const char *why;

	switch (hold_letter_done(mailer->hold, record->id, &why)) {
	case BASE_RETRY:
	case BASE_BROKEN:
		if (!mailer->is_troubled)
			base_log(
			    BASE_LOG_WARNING, "cannot write down that a letter is over: %s", why);
		mailer->is_troubled = true;
		return MAILER_OUTAGE_MS;
	case BASE_REFUSE:
		hold_letter_aside(mailer->hold, record->id, why);
		return MAILER_PAUSE_MS;
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
mailer_left(
    struct notice_mailer *mailer, const struct hold_view *view, size_t *left_r, const char **why_r)
{
	size_t limit = mailer->config->settings->notice.person_day, count = 0, read;
	enum base_result result = BASE_OK;

	*left_r = SIZE_MAX;
	if (limit == 0 || view->action == HOLD_STORM || view->action == HOLD_BLOCK)
		return BASE_OK;
	result =
	    hold_letter_count(mailer->hold, view->sender, base_now() - MAILER_DAY, &count, why_r);
	read = notice_readers_count(&mailer->readers, mailer->config, mailer->arena, view->mailbox);
	if (count < read)
		count = read;
	if (result == BASE_OK)
		*left_r = count < limit ? limit - count : 0;
	return result;
}

/* Too many for one reader: told once, and later again. */
static int64_t
mailer_limit(
    struct notice_mailer *mailer, struct mailer_record *record, const struct hold_view *view)
{
	const char *why = "";
	enum base_result result = hold_letter_wait(mailer->hold, view->id, &why);

	if (!record->is_limited)
		audit_event(AUDIT_NOTICE, view->id, { "to", view->mailbox },
		    { "answer", "not sent" }, { "tries", "0" }, { "limited_by", "person_day" });
	record->is_limited = true;
	if (result == BASE_REFUSE)
		hold_letter_aside(mailer->hold, view->id, why);
	return result == BASE_RETRY || result == BASE_BROKEN ? MAILER_OUTAGE_MS : 0;
}

/* One due letter; how long to wait after it. A mail that is decided already needs none. */
static int64_t
mailer_handle(struct notice_mailer *mailer, const struct hold_view *view)
{
	struct mailer_record *record = mailer_record_of(mailer, view->id);
	char answer[200] = "";
	const char *why = "";
	size_t left = 0;
	int64_t start = base_tick_ms();
	enum base_result result;

	if (notice_letter_news(view) == NOTICE_NEWS_NONE || record->is_delivered)
		return mailer_finish(mailer, record);
	if (notice_rests_have(&mailer->rests, view->mailbox))
		return mailer_put_off(mailer, view->id);
	if (mailer_left(mailer, view, &left, &why) == BASE_OK && left == 0)
		return mailer_limit(mailer, record, view);
	mailer->is_last = left == 1;
	result = mailer_send(mailer, view, answer, &why);
	notice_rests_note(&mailer->rests, view->mailbox, base_tick_ms() - start);
	if (result == BASE_OK) {
		record->is_delivered = true;
		if (view->action != HOLD_STORM && view->action != HOLD_BLOCK)
			notice_readers_note(
			    &mailer->readers, mailer->config, mailer->arena, view->mailbox);
		mailer_audit(view, answer, record->tries + 1);
		return mailer_finish(mailer, record);
	}
	if (atomic_load(&mailer->is_stopping))
		return 0;
	return mailer_fail(mailer, record, view, why);
}

/* Looks once; how long to wait before the next look. */
static int64_t
mailer_step(struct notice_mailer *mailer)
{
	enum base_result result;
	struct hold_view view;
	const char *why;
	int64_t pause;

	base_arena_reset(mailer->arena);
	result = hold_letter_next(mailer->hold, mailer->arena, &view, &why);
	if (result == BASE_OK) {
		mailer->config = config_acquire(mailer->sites);
		pause = mailer_handle(mailer, &view);
		config_release(&mailer->config);
		/* a storm makes many letters: not all of them in one minute */
		if (view.action == HOLD_STORM && pause < MAILER_PAUSE_MS)
			pause = MAILER_PAUSE_MS;
		return pause;
	}
	if (result == BASE_NONE) {
		mailer->is_troubled = false;
		return MAILER_PAUSE_MS;
	}
	if (!mailer->is_troubled)
		base_log(BASE_LOG_WARNING, "cannot look for letters that are due: %s", why);
	mailer->is_troubled = true;
	return MAILER_OUTAGE_MS;
}

/* The thread. */
static void *
mailer_run(void *context)
{
	struct notice_mailer *mailer = context;
	int64_t pause;

	while (!atomic_load(&mailer->is_stopping)) {
		pause = mailer_step(mailer);
		for (; pause > 0 && !atomic_load(&mailer->is_stopping); pause -= MAILER_PAUSE_MS)
			base_sleep_ms(MAILER_PAUSE_MS);
	}
	return NULL;
}

/* Starts the thread. */
enum base_result
notice_mailer_start(struct hold *hold, struct config_current *sites,
    struct notice_mailer **mailer_r, const char **why_r)
{
	struct notice_mailer *mailer;

	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		*why_r = base_why("libcurl cannot start");
		return BASE_BROKEN;
	}
	mailer = calloc(1, sizeof(*mailer));
	if (!mailer || !(mailer->arena = base_arena_new(MAILER_MAX_ARENA))) {
		free(mailer);
		*why_r = base_why("no memory for the postman");
		return BASE_BROKEN;
	}
	mailer->hold = hold;
	mailer->sites = sites;
	if (notice_returner_start(hold, sites, &mailer->returner, why_r) != BASE_OK ||
	    pthread_create(&mailer->thread, NULL, mailer_run, mailer)) {
		notice_returner_stop(&mailer->returner);
		base_arena_free(&mailer->arena);
		free(mailer);
		*why_r = base_why("the postman's threads cannot be started");
		return BASE_BROKEN;
	}
	*mailer_r = mailer;
	return BASE_OK;
}

/* Ends the thread, a transfer included. */
void
notice_mailer_stop(struct notice_mailer **mailer)
{
	if (!*mailer)
		return;
	atomic_store(&(*mailer)->is_stopping, true);
	notice_returner_stop(&(*mailer)->returner);
	pthread_join((*mailer)->thread, NULL);
	base_arena_free(&(*mailer)->arena);
	free(*mailer);
	*mailer = NULL;
	curl_global_cleanup();
}
