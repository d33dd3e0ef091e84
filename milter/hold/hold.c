/* hold - opening, and the rows as people may see them; see hold.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/quote.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 50
#define PAGE_BYTES (PAGE_ROWS * HOLD_MAX_ROW)

enum base_result
hold_open(const struct hold_options *options, struct hold **hold_r, const char **why_r)
{
	struct store_options where = { .driver = options->driver,
		.directory = options->directory,
		.create = options->create,
		.is_new_r = options->is_new_r };
	struct hold *hold = calloc(1, sizeof(*hold));
	pthread_condattr_t attributes;
	enum base_result result;

	if (hold == NULL || (hold->node = strdup(options->node)) == NULL) {
		free(hold);
		*why_r = base_why("no memory for holds");
		return BASE_BROKEN;
	}
	pthread_mutex_init(&hold->creation_lock, NULL);
	pthread_cond_init(&hold->creation_done, NULL);
	pthread_mutex_init(&hold->wake_lock, NULL);
	pthread_mutex_init(&hold->renew_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&hold->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	result = store_open(&where, STORE_HOLDS, &hold->store, why_r);
	if (result != BASE_OK) {
		hold_close(&hold);
		return result;
	}
	*hold_r = hold;
	return BASE_OK;
}

void
hold_close(struct hold **hold)
{
	if (*hold == NULL)
		return;
	store_close(&(*hold)->store);
	pthread_mutex_destroy(&(*hold)->creation_lock);
	pthread_cond_destroy(&(*hold)->creation_done);
	pthread_mutex_destroy(&(*hold)->wake_lock);
	pthread_mutex_destroy(&(*hold)->renew_lock);
	pthread_cond_destroy(&(*hold)->wake);
	free((*hold)->node);
	free(*hold);
	*hold = NULL;
}

void
hold_wake(struct hold *hold)
{
	pthread_mutex_lock(&hold->wake_lock);
	hold->is_woken = true;
	pthread_cond_signal(&hold->wake);
	pthread_mutex_unlock(&hold->wake_lock);
}

int64_t
hold_backoff(int64_t first, int64_t max, int tries)
{
	int64_t span = first;

	for (int i = 0; i < tries && span < max; i++)
		span *= 2;
	return span < max ? span : max;
}

/* --- reasons --------------------------------------------------------------------- */

bool
hold_reasons_write(
    struct base_buffer *text_r, const struct hold_reason *reasons, size_t count, bool is_over)
{
	for (size_t i = 0; i < count && i < HOLD_MAX_REASONS; i++) {
		base_quote_line(text_r, reasons[i].name, HOLD_MAX_NAME);
		base_buffer_puts(text_r, ":");
		base_quote_line(text_r, reasons[i].points, HOLD_MAX_NAME);
		if (!is_over) {
			base_buffer_puts(text_r, "\t");
			base_quote_line(text_r, reasons[i].values, HOLD_MAX_REASON);
			base_buffer_puts(text_r, "\t");
			base_quote_line(text_r, reasons[i].who, HOLD_MAX_REASON);
			base_buffer_puts(text_r, "\t");
			base_quote_line(text_r, reasons[i].other, HOLD_MAX_REASON);
		}
		base_buffer_puts(text_r, "\n");
	}
	return !text_r->failed;
}

/* A text, or "" for NULL. */
static const char *
text_or_none(const char *text)
{
	return text != NULL ? text : "";
}

/* Cuts the text at the first `end`; the rest, or NULL if there is no such character, or no text. */
static char *
cut(char *text, char end)
{
	char *place = text != NULL ? strchr(text, end) : NULL;

	if (place == NULL)
		return NULL;
	*place = '\0';
	return place + 1;
}

enum base_result
hold_reasons_read(
    struct base_arena *arena, const char *text, struct hold_reason **reasons_r, size_t *count_r)
{
	struct hold_reason *reasons = base_arena_array(arena, HOLD_MAX_REASONS, sizeof(*reasons));
	char *line = base_arena_strdup(arena, text);
	size_t count = 0;

	if (reasons == NULL || line == NULL)
		return BASE_BROKEN;
	while (count < HOLD_MAX_REASONS) {
		char *rest = cut(line, '\n');
		char *points, *values, *who, *other;

		if (rest == NULL)
			break;
		values = cut(line, '\t');
		who = cut(values, '\t');
		other = cut(who, '\t');
		points = cut(line, ':');
		reasons[count++] = (struct hold_reason){ line, text_or_none(points),
			text_or_none(values), text_or_none(who), text_or_none(other) };
		line = rest;
	}
	*reasons_r = reasons;
	*count_r = count;
	return BASE_OK;
}

const char *
hold_reasons_brief(struct base_arena *arena, const char *text)
{
	struct hold_reason *reasons;
	struct base_buffer brief;
	const char *copy = NULL;
	size_t count;

	if (hold_reasons_read(arena, text, &reasons, &count) != BASE_OK)
		return NULL;
	base_buffer_init(&brief, HOLD_MAX_REASONS * 2 * (HOLD_MAX_NAME + 2));
	for (size_t i = 0; i < count; i++)
		base_buffer_printf(
		    &brief, "%s%s:%s", i > 0 ? "," : "", reasons[i].name, reasons[i].points);
	if (brief.length > 0)
		copy = base_arena_strdup(arena, base_buffer_text(&brief));
	base_buffer_free(&brief);
	return copy;
}

/* --- views ----------------------------------------------------------------------- */

/* What happens when the present state ends by itself. */
static enum mail_end
view_end(const struct store_hold *row)
{
	if (row->state == HOLD_UNDONE)
		return row->then;
	return row->action == HOLD_UNDO ? MAIL_END_SEND : row->on_end;
}

/* From when on its sender may restore it, rounded up to a second; 0: never. */
static int64_t
view_restorable(const struct store_hold *row)
{
	if ((row->state != HOLD_UNDONE && !hold_is_kept(row)) || row->action == HOLD_STORM)
		return 0;
	return (row->moved + HOLD_RESTORE_AFTER_MS + 999) / 1000;
}

void
hold_mark_make(char mark_r[HOLD_MARK_SIZE], int state, int64_t moved)
{
	snprintf(mark_r, HOLD_MARK_SIZE, "%d-%" PRId64, state, moved);
}

/* How many different mails there are among some queue entries. */
static size_t
mails_count(const struct store_entry *entries, size_t count)
{
	size_t mails = 0;

	for (size_t i = 0; i < count; i++) {
		size_t other = 0;

		while (other < i && entries[other].mail != entries[i].mail)
			other++;
		mails += other == i;
	}
	return mails;
}

/* The queue entries' queue ids. */
static enum base_result
view_entries(
    struct hold *hold, struct base_arena *arena, struct hold_view *view, const char **why_r)
{
	struct store_entry *entries = NULL;
	size_t count = 0;
	enum base_result result =
	    store_entry_list(hold->store, arena, view->id, &entries, &count, why_r);

	if (result != BASE_OK)
		return result;
	view->queue_ids = base_arena_array(arena, count + 1, sizeof(*view->queue_ids));
	if (view->queue_ids == NULL) {
		*why_r = base_why("no memory to show a hold");
		return BASE_BROKEN;
	}
	for (size_t i = 0; i < count; i++)
		view->queue_ids[i] = entries[i].queue_id;
	view->mail_count = mails_count(entries, count);
	view->entry_count = count;
	return BASE_OK;
}

/* The kind that a row's number stands for; one that is unheard of promises least. */
static enum hold_people
people_kind(int kind)
{
	return kind == HOLD_PEOPLE_EXACT || kind == HOLD_PEOPLE_AT_LEAST ? (enum hold_people)kind
									 : HOLD_PEOPLE_UNKNOWN;
}

enum base_result
hold_view_make(struct hold *hold, struct base_arena *arena, const struct store_hold *row,
    struct hold_view *view_r, const char **why_r)
{
	struct hold_view view = {
		.id = row->id,
		.node = row->node,
		.state = row->state,
		.action = row->action,
		.sender = row->sender,
		.mailbox = *row->mailbox != '\0' ? row->mailbox : row->sender,
		.from = row->from_address,
		.subject = row->subject,
		.recipients = row->recipients,
		.recipient_count = (size_t)row->recipient_count,
		.people = (unsigned long)row->people,
		.people_kind = people_kind(row->people_kind),
		.score = row->score,
		.policy = row->policy,
		.language = row->language,
		.template = row->template,
		.created = row->created / 1000,
		.deadline = row->deadline / 1000,
		.at_deadline = view_end(row),
		.settled = row->settled / 1000,
		.undone_by = row->undone_by,
		.return_how = row->return_how,
		.return_tries = (unsigned)row->return_tries,
		.by = row->by,
		.moved = row->moved / 1000,
		.restorable = view_restorable(row),
		.is_stop_final =
		    row->action == HOLD_STORM || row->grace * 1000 <= HOLD_RESTORE_AFTER_MS,
		.letter_sent = row->letter_sent / 1000,
		.is_announced = !hold_is_unannounced(row),
		.seen = row->seen / 1000,
		.is_seen = row->state != HOLD_UNDONE || row->seen >= row->moved,
		.how = row->how,
		.left = row->left_at / 1000,
		.storm = row->storm,
		.author = row->author,
		.answered = (unsigned long)row->answered,
		.left_count = (size_t)row->left_count,
		.left_to = row->left_to,
	};
	struct hold_reason *reasons = NULL;
	enum base_result result = view_entries(hold, arena, &view, why_r);

	if (result != BASE_OK)
		return result;
	hold_mark_make(view.mark, row->state, row->moved);
	result = hold_reasons_read(arena, row->reasons, &reasons, &view.reason_count);
	if (result != BASE_OK) {
		*why_r = base_why("no memory to show a hold");
		return result;
	}
	view.reasons = reasons;
	*view_r = view;
	return BASE_OK;
}

enum base_result
hold_find(struct hold *hold, struct base_arena *arena, const char *id, struct hold_view *view_r,
    const char **why_r)
{
	struct store_hold *row = NULL;
	enum base_result result;

	hold_refresh(hold);
	result = store_hold_get(hold->store, arena, id, &row, why_r);
	return result == BASE_OK ? hold_view_make(hold, arena, row, view_r, why_r) : result;
}

enum base_result
hold_look_ask(struct hold *hold, const char *id, const char **why_r)
{
	return store_hold_look(hold->store, id, base_now_ms(), HOLD_LOOK_SECONDS * 1000, why_r);
}

enum base_result
hold_find_token(struct hold *hold, struct base_arena *arena, const char *token,
    struct hold_view *view_r, const char **why_r)
{
	unsigned char hash[BASE_HASH_SIZE];
	struct store_hold *row = NULL;
	struct store_storm *storm = NULL;
	enum base_result result;

	if (base_token_hash(token, hash) != BASE_OK)
		return BASE_NONE; /* what is no token opens nothing, like a wrong one */
	hold_refresh(hold);
	result = store_hold_by_token(hold->store, arena, hash, base_now_ms(), &row, why_r);
	if (result == BASE_NONE) {
		result =
		    store_storm_by_token(hold->store, arena, hash, base_now_ms(), &storm, why_r);
		if (result == BASE_OK)
			hold_storm_view_make(storm, view_r);
		return result;
	}
	return result == BASE_OK ? hold_view_make(hold, arena, row, view_r, why_r) : result;
}

/* One page of hold_each(): *before moves on to its last row; NONE when it was the last
 * page. */
static enum base_result
each_page(struct hold *hold, struct base_arena *arena, bool all, struct store_hold *before,
    bool (*each)(void *context, const struct hold_view *view), void *context, const char **why_r)
{
	struct store_hold *rows = NULL;
	struct hold_view view;
	size_t count = 0;
	enum base_result result = store_hold_list(hold->store, arena, all,
	    before->id != NULL ? before : NULL, &rows, PAGE_ROWS, &count, why_r);

	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		result = hold_view_make(hold, arena, &rows[i], &view, why_r);
		if (result == BASE_OK && !each(context, &view))
			return BASE_NONE;
	}
	if (result != BASE_OK)
		return result;
	if (count < PAGE_ROWS)
		return BASE_NONE;
	*before = rows[count - 1];
	return BASE_OK;
}

enum base_result
hold_each(struct hold *hold, bool all, bool (*each)(void *context, const struct hold_view *view),
    void *context, const char **why_r)
{
	struct store_hold before = { .id = NULL };
	struct base_arena *arena = base_arena_new(PAGE_BYTES);
	char id[BASE_ID_SIZE];
	enum base_result result;

	if (arena == NULL) {
		*why_r = base_why("no memory to list holds");
		return BASE_BROKEN;
	}
	do {
		result = each_page(hold, arena, all, &before, each, context, why_r);
		if (result == BASE_OK) { /* the id outlives the page */
			strncpy(id, before.id, sizeof(id) - 1);
			id[sizeof(id) - 1] = '\0';
			before.id = id;
			base_arena_reset(arena);
		}
	} while (result == BASE_OK);
	base_arena_free(&arena);
	return result == BASE_NONE ? BASE_OK : result;
}

enum base_result
hold_stopped(struct hold *hold, struct base_arena *arena, const void *submission,
    size_t submission_length, char id_r[BASE_ID_SIZE], const char **why_r)
{
	int64_t since = base_now_ms() - HOLD_SUBMISSION_SECONDS * 1000;
	struct store_hold *row = NULL;
	enum base_result result = store_hold_by_submission(
	    hold->store, arena, hold->node, submission, submission_length, since, &row, why_r);

	if (result != BASE_OK)
		return result;
	if (row->state != HOLD_UNDONE && row->state != HOLD_RETURNING &&
	    row->state != HOLD_RETURNED && row->state != HOLD_DELETED) {
		*why_r = base_why("%s was not stopped", row->id);
		return BASE_NONE;
	}
	snprintf(id_r, BASE_ID_SIZE, "%s", row->id);
	return BASE_OK;
}

enum base_result
hold_count(struct hold *hold, const char *sender, struct hold_counts *counts_r, const char **why_r)
{
	int64_t since = base_now_ms() - (int64_t)HOLD_BUDGET_SECONDS * 1000;
	int64_t of_sender = 0, of_site = 0;
	enum base_result result = store_hold_count(hold->store, sender, since, &of_sender, why_r);

	if (result == BASE_OK)
		result = store_budget_count(hold->store, since, &of_site, why_r);
	if (result != BASE_OK)
		return result;
	counts_r->of_sender = (size_t)of_sender;
	counts_r->of_site = (size_t)of_site;
	return BASE_OK;
}
