/*
 * pages - the HTML: what is true now, what happens next, and the buttons that make sense
 *
 * A button carries the request, not a hidden field: a program that submits the form without
 * pressing a button asks for nothing. The choice that can be taken back comes first. A form
 * carries the mark of the state that it was made for. The page that follows a press has no
 * button of the opposite meaning under the same pointer: it could be pressed unseen.
 */
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/web/internal.h"
#include "milter/words/held.h"

#define PAGE_SUBJECT 100    /* bytes shown of a subject */
#define PAGE_REASONS 5      /* the strongest */
#define PAGE_MAX_REASON 700 /* bytes of one sentence */

#define PAGE_SOON 600  /* seconds: a page whose state ends sooner looks again by itself */
#define PAGE_STALE 120 /* seconds after which nobody can have looked: the queue does not answer */
#define PAGE_SLOW 60   /* seconds after which a move takes longer than people expect */

/* The texts of one page, made once. */
struct page {
	struct base_buffer *out;
	const struct words *words;
	const struct hold_view *view;
	const char *subject, *people, *recipients;
	const char *got, *had, *series, *answered_by; /* see words/held.h */
	const char *answered;                         /* "14 people have" */
	const char *since;                            /* when it was held */
	const char *until; /* when the state ends by itself, with how long that is */
	const char *moved; /* when it came into this state */
	const char *seen;  /* when the queue showed all of it on hold */
	const char *left;  /* when it was noticed that files left without us */
	bool is_late;      /* its reader was too late to stop it */
	int64_t now;
	const char *reasons[PAGE_REASONS]; /* as sentences, the strongest first */
};

/* --- pieces -----------------------------------------------------------------------------
 */

/* Everything up to the title. `kind` is the colour: wait, go, done or "". */
static void
page_open(struct base_buffer *out, const struct words *words, const char *title, const char *kind)
{
	base_buffer_puts(out, "<!DOCTYPE html>\n<html lang=\"");
	words_put(out, WORDS_HTML, words->language);
	base_buffer_puts(out, "\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
			      "content=\"width=device-width,initial-scale=1\">\n<title>");
	words_say(out, WORDS_HTML, words->page_title, { "title", title, false });
	base_buffer_printf(out,
	    "</title>\n<style>%s</style>\n</head>\n<body>\n<main class=\"%s\">\n<h1>", web_style,
	    kind);
	words_put(out, WORDS_HTML, title);
	base_buffer_puts(out, "</h1>\n");
}

/* The end of every page. */
static void
page_close(struct base_buffer *out, const struct words *words, bool has_buttons)
{
	base_buffer_puts(out, "</main>\n");
	if (has_buttons) {
		base_buffer_puts(out, "<footer><p>");
		words_put(out, WORDS_HTML, words->page_foot);
		base_buffer_puts(out, "</p></footer>\n");
	}
	base_buffer_puts(out, "</body>\n</html>\n");
}

/* A paragraph; every sentence may use the same places. `when` is what {when} means in it.
 */
static void
page_say(const struct page *page, const char *kind, const char *sentence, const char *when)
{
	base_buffer_puts(page->out, kind ? "<p class=\"note\">" : "<p>");
	words_say(page->out, WORDS_HTML, sentence, { "subject", page->subject, true },
	    { "people", page->people, true }, { "answered", page->answered, true },
	    { "got", page->got, false }, { "when", when, true });
	base_buffer_puts(page->out, "</p>\n");
}

/* One line of the table of facts, when there is something to show. */
static void
page_fact(const struct page *page, const char *label, const char *value)
{
	if (!*value)
		return;
	base_buffer_puts(page->out, "<div><dt>");
	words_put(page->out, WORDS_HTML, label);
	base_buffer_puts(page->out, "</dt><dd>");
	base_quote_html(page->out, value);
	base_buffer_puts(page->out, "</dd></div>\n");
}

/* Which mail this is about. Once it is over, nothing of it is kept. */
static void
page_facts(const struct page *page)
{
	if (hold_state_is_final(page->view->state))
		return;
	base_buffer_puts(page->out, "<dl>\n");
	page_fact(page, page->words->fact_subject, page->subject);
	page_fact(page, page->words->fact_to, page->recipients);
	page_fact(page, page->words->fact_left, page->had);
	page_fact(page, page->words->fact_series, page->series);
	page_fact(page, page->words->fact_answered, page->answered_by);
	page_fact(page, page->words->fact_since, page->since);
	base_buffer_puts(page->out, "</dl>\n");
}

/* Why, strongest first. */
static void
page_reasons(const struct page *page)
{
	struct base_buffer line;
	size_t i;

	if (!page->view->reason_count)
		return;
	base_buffer_puts(page->out, "<h2>");
	words_put(page->out, WORDS_HTML, page->words->why_title);
	base_buffer_puts(page->out, "</h2>\n<ul>\n");
	for (i = 0; i < page->view->reason_count && i < PAGE_REASONS; i++) {
		base_buffer_init(&line, PAGE_MAX_REASON);
		base_quote_line(&line, page->reasons[i], PAGE_MAX_REASON);
		base_buffer_puts(page->out, "<li>");
		base_quote_html(page->out, base_buffer_text(&line));
		base_buffer_puts(page->out, "</li>\n");
		base_buffer_free(&line);
	}
	base_buffer_puts(page->out, "</ul>\n");
}

/* One button of the form. */
static void
page_button(const struct page *page, enum hold_request choice, const char *kind, const char *label)
{
	base_buffer_printf(
	    page->out, "<button name=\"do\" value=\"%s\"%s>", hold_request_str(choice), kind);
	words_say(page->out, WORDS_HTML, label, { "people", page->people, false });
	base_buffer_puts(page->out, "</button>\n");
}

/* Everything up to the first field that people see. */
static void
page_form_open(const struct page *page)
{
	base_buffer_printf(page->out,
	    "<form method=\"post\">\n<input type=\"hidden\" name=\"at\" value=\"%s\">\n",
	    page->view->mark);
}

/* A form of one button. */
static void
page_form(const struct page *page, enum hold_request choice, const char *kind, const char *label)
{
	page_form_open(page);
	page_button(page, choice, kind, label);
	base_buffer_puts(page->out, "</form>\n");
}

/* To take it back, or to send it all the same. */
static void
page_choice(const struct page *page, const char *undo, const char *send)
{
	page_form_open(page);
	page_button(page, HOLD_REQUEST_UNDO, " class=\"main\"", undo);
	page_button(page, HOLD_REQUEST_SEND, "", send);
	base_buffer_puts(page->out, "</form>\n");
	page_say(page, "note",
	    page->view->is_stop_final ? page->words->choose_note_final : page->words->choose_note,
	    "");
}

/* What becomes of it if nobody decides. */
static void
page_end(const struct page *page)
{
	if (page->view->deadline)
		page_say(page, NULL,
		    page->view->at_deadline == MAIL_END_SEND ? page->words->confirm_send
							     : page->words->confirm_return,
		    page->until);
}

/* --- the states
 * --------------------------------------------------------------------------- */

/* Who has it, as far as the queue showed it. */
static void
page_who_has_it(const struct page *page)
{
	switch (page->view->how) {
	case HOLD_HOW_STAYED:
	case HOLD_HOW_UNKNOWN:
		if (page->view->seen) /* nothing is said that was not seen */
			page_say(page, NULL, page->words->nobody_has_it, page->seen);
		break;
	case HOLD_HOW_GONE:
		page_say(page, NULL, page->words->part_gone, page->left);
		break;
	case HOLD_HOW_RELEASED:
		page_say(page, NULL, page->words->part_released, page->left);
		break;
	}
}

/* Waits for the sender's word. */
static void
page_confirm(const struct page *page)
{
	const struct words *words = page->words;

	page_say(page, NULL, words->confirm_text, "");
	page_who_has_it(page);
	page_facts(page);
	page_reasons(page);
	page_end(page);
	page_choice(page, words->button_undo_confirm, words->button_send_confirm);
}

/* Leaves by itself in a moment. */
static void
page_undo(const struct page *page)
{
	const struct words *words = page->words;

	page_say(page, NULL, words->undo_text, "");
	if (!page->view->is_announced)
		page_say(page, NULL, words->undo_unannounced, "");
	else
		page_say(page, NULL,
		    page->view->deadline > page->now ? words->undo_next : words->undo_now,
		    page->until);
	if (page->view->how != HOLD_HOW_STAYED)
		page_who_has_it(page);
	page_choice(page, words->button_undo, words->button_send_now);
	page_facts(page);
	page_reasons(page);
}

/* A byte that may stand in a link as it is (RFC 3986 2.3). */
static bool
is_unreserved(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || strchr("-._~", byte) != NULL;
}

/* Text as a part of a link. */
static void
page_put_escaped(const struct page *page, const char *text)
{
	for (; *text != '\0'; text++)
		base_buffer_printf(page->out, is_unreserved((unsigned char)*text) ? "%c" : "%%%02X",
		    (unsigned char)*text);
}

/* A link by which the reader writes to the author in a mail program (RFC 6068). */
static void
page_author(const struct page *page)
{
	if (*page->view->author == '\0')
		return;
	base_buffer_puts(page->out, "<p><a href=\"mailto:");
	page_put_escaped(page, page->view->author);
	base_buffer_puts(page->out, "?subject=");
	page_put_escaped(page, page->view->subject);
	base_buffer_puts(page->out, "\">");
	words_say(page->out, WORDS_HTML, page->words->storm_link,
	    { "author", page->view->author, false });
	base_buffer_puts(page->out, "</a></p>\n");
}

/* Waits for the end of a storm. */
static void
page_storm(const struct page *page)
{
	const struct words *words = page->words;

	page_say(page, NULL, words->storm_text, "");
	page_who_has_it(page);
	page_say(page, NULL, words->storm_note, "");
	page_author(page);
	page_end(page);
	page_form(page, HOLD_REQUEST_UNDO, " class=\"main\"", words->button_undo_storm);
	page_facts(page);
}

/* The block that is on, for the owner. */
static void
page_block(const struct page *page)
{
	const struct words *words = page->words;

	page_say(page, NULL, words->block_text, "");
	page_facts(page);
	page_say(page, NULL,
	    page->view->at_deadline == MAIL_END_SEND ? words->block_send : words->block_return,
	    page->until);
	page_form(page, HOLD_REQUEST_LIFT, "", words->button_lift);
	page_say(page, "note", words->block_note, "");
}

/* Held, one way or the other. */
static void
page_held(const struct page *page)
{
	static void (*const bodies[])(const struct page *page) = {
		[HOLD_UNDO] = page_undo,
		[HOLD_CONFIRM] = page_confirm,
		[HOLD_STORM] = page_storm,
		[HOLD_BLOCK] = page_block,
	};

	bodies[page->view->action](page);
}

/* Who did it, in one of the sentences given. */
static const char *
page_by(const struct page *page, const char *you, const char *admin, const char *timer,
    const char *other)
{
	const char *by = page->view->by ? page->view->by : "";

	if (!strcmp(by, "link"))
		return you;
	if (!strcmp(by, "admin"))
		return admin;
	return strcmp(by, "timer") ? other : timer;
}

static void
page_pending(const struct page *page)
{
	page_say(page, NULL, page->words->placing_text, "");
}

static void
page_sending(const struct page *page)
{
	bool is_slow = page->now - page->view->moved > PAGE_SLOW;

	page_say(page, NULL, is_slow ? page->words->sending_slow : page->words->sending_text, "");
	page_facts(page);
}

static void
page_sent(const struct page *page)
{
	const struct words *words = page->words;

	if (page->view->action == HOLD_BLOCK) {
		page_say(page, NULL,
		    strcmp(page->view->by, "timer") == 0 ? words->block_over : words->block_lifted,
		    page->moved);
		return;
	}
	page_say(page, NULL,
	    strcmp(page->view->by, HOLD_BY_OWNER) == 0
		? words->sent_owner
		: page_by(page, words->sent_you, words->sent_admin, words->sent_timer,
		      words->sent_other),
	    page->moved);
	if (page->view->how > HOLD_HOW_STAYED)
		page_who_has_it(page);
	else
		page_say(page, NULL, words->sent_note, "");
}

/* The way back, behind two steps that no double click and no program takes unaware. */
static void
page_restore(const struct page *page)
{
	const struct words *words = page->words;

	base_buffer_puts(page->out, "<details>\n<summary>");
	words_put(page->out, WORDS_HTML, words->restore_open);
	base_buffer_puts(page->out, "</summary>\n");
	if (page->view->deadline)
		page_say(page, "note", words->undone_note, "");
	page_form_open(page);
	base_buffer_puts(page->out,
	    "<label><input type=\"checkbox\" name=\"sure\" value=\"yes\" required> <span>");
	words_say(page->out, WORDS_HTML, words->restore_sure, { "people", page->people, false });
	base_buffer_puts(page->out, "</span></label>\n");
	page_button(page, HOLD_REQUEST_RESTORE, "", words->button_restore);
	base_buffer_puts(page->out, "</form>\n</details>\n");
}

/* Is there time left in which it can be restored? */
static bool
page_has_restore(const struct page *page)
{
	const struct hold_view *view = page->view;

	return view->restorable && (!view->deadline || view->restorable < view->deadline);
}

static void
page_undone(const struct page *page)
{
	const struct words *words = page->words;

	if (!page->view->is_seen) {
		page_say(page, NULL, words->stopping_text, "");
		page_facts(page);
		return;
	}
	page_say(page, NULL,
	    page_by(page, words->undone_you, words->undone_admin, words->undone_other,
		words->undone_other),
	    page->moved);
	page_who_has_it(page);
	page_facts(page);
	if (page->view->deadline)
		page_say(page, NULL,
		    page->view->at_deadline == MAIL_END_DELETE ? words->undone_delete
							       : words->undone_return,
		    page->until);
	if (!page_has_restore(page))
		return;
	if (page->now < page->view->restorable)
		page_say(page, "note", words->undone_wait, "");
	else
		page_restore(page);
}

/* Is it too large to come back, and waits for a decision? */
static bool
page_is_kept(const struct page *page)
{
	return page->view->state == HOLD_RETURNING && page->view->return_how == HOLD_RETURN_KEPT;
}

static void
page_returning(const struct page *page)
{
	if (page_is_kept(page)) {
		page_say(page, NULL, page->words->kept_text, "");
		page_who_has_it(page);
		page_say(page, NULL, page->words->kept_next, "");
		page_facts(page);
		if (page_has_restore(page) && page->now >= page->view->restorable)
			page_restore(page);
		return;
	}
	page_say(page, NULL,
	    page->view->return_how == HOLD_RETURN_STUCK ? page->words->returning_stuck
							: page->words->returning_text,
	    "");
	page_facts(page);
}

static void
page_returned(const struct page *page)
{
	const struct words *words = page->words;

	page_say(page, NULL, words->returned_text, page->moved);
	page_who_has_it(page);
	page_say(page, NULL,
	    page->view->return_how == HOLD_RETURN_BOUNCE ? words->returned_bounce
							 : words->returned_note,
	    "");
}

static void
page_deleted(const struct page *page)
{
	page_say(page, NULL, page->words->deleted_text, page->moved);
	page_who_has_it(page);
}

static void
page_lost(const struct page *page)
{
	if (page->view->how == HOLD_HOW_RELEASED)
		page_say(page, NULL, page->words->lost_released, page->left);
	else
		page_say(page, NULL, page->words->lost_text, page->moved);
}

/* One row per state: its title, its colour, what it says. */
struct page_state {
	enum hold_state state;
	size_t title; /* where in struct words */
	const char *kind;
	bool has_buttons;
	int refresh; /* seconds; 0: only when the state ends soon */
	void (*body)(const struct page *page);
};

#define TITLE(member) offsetof(struct words, member)

static const struct page_state page_states[] = {
	{ HOLD_PENDING, TITLE(placing_title), "go", false, 2, page_pending },
	{ HOLD_HELD, TITLE(confirm_title), "wait", true, 0, page_held },
	{ HOLD_SENDING, TITLE(sending_title), "go", false, 2, page_sending },
	{ HOLD_SENT, TITLE(sent_title), "done", false, 0, page_sent },
	{ HOLD_UNDONE, TITLE(undone_title), "", true, 0, page_undone },
	{ HOLD_RETURNING, TITLE(returning_title), "go", false, 2, page_returning },
	{ HOLD_RETURNED, TITLE(returned_title), "", false, 0, page_returned },
	{ HOLD_DELETED, TITLE(deleted_title), "", false, 0, page_deleted },
	{ HOLD_LOST, TITLE(lost_title), "wait", false, 0, page_lost },
};

/* The row of a state. */
static const struct page_state *
page_state_of(enum hold_state state)
{
	size_t i, last = sizeof(page_states) / sizeof(*page_states) - 1;

	for (i = 0; i < last && page_states[i].state != state; i++)
		;
	return &page_states[i];
}

/* The title that goes with it. */
static const char *
page_title(const struct page *page, const struct page_state *state)
{
	bool is_held = state->state == HOLD_HELD;

	if (page->is_late)
		return page->words->late_title;
	if (page->view->action == HOLD_BLOCK)
		return is_held ? page->words->block_title : page->words->block_over_title;
	if (is_held && page->view->action == HOLD_STORM)
		return page->words->storm_title;
	if (!page->view->is_seen)
		return page->words->stopping_title;
	if (page_is_kept(page))
		return page->words->kept_title;
	if (state->state == HOLD_LOST && page->view->how == HOLD_HOW_RELEASED)
		return page->words->lost_released_title;
	if (is_held && page->view->action == HOLD_UNDO)
		return page->words->undo_title;
	return *(const char *const *)((const char *)page->words + state->title);
}

bool
web_is_stale(const struct hold_view *view, int64_t now)
{
	return (view->state == HOLD_HELD || view->state == HOLD_UNDONE) &&
	       view->action != HOLD_BLOCK && now - view->seen > HOLD_LOOK_SECONDS;
}

/* When the browser should look again: while something moves, or when it is about to. */
static int
page_refresh(const struct page *page, const struct page_state *state)
{
	int64_t left = page->view->deadline - page->now;

	if (!page->view->is_seen)
		return page->now - page->view->moved > PAGE_SLOW ? 15 : 2;
	if (page_has_restore(page) && page->now < page->view->restorable)
		return (int)(page->view->restorable - page->now);
	if (page_is_kept(page))
		return 0;
	if (web_is_stale(page->view, page->now))
		return page->now - page->view->seen > PAGE_STALE ? 15 : 2;
	if (state->refresh)
		return page->now - page->view->moved > PAGE_SLOW ? 15 : state->refresh;
	if (hold_state_is_final(state->state) || !page->view->deadline || left > PAGE_SOON)
		return 0;
	return left > 0 ? (int)left + 1 : 2;
}

/* The sentences of the reasons that are shown. */
static bool
page_prepare_reasons(struct page *page, struct base_arena *arena)
{
	bool is_whole = true;

	for (size_t i = 0; i < page->view->reason_count && i < PAGE_REASONS; i++) {
		page->reasons[i] = hold_reason_text(arena, page->words, &page->view->reasons[i]);
		is_whole = is_whole && page->reasons[i] != NULL;
	}
	return is_whole;
}

/* Makes the texts that pages share; false when the arena is full. */
static bool
page_prepare(struct page *page, struct base_arena *arena)
{
	const struct words *words = page->words;
	const struct hold_view *view = page->view;
	const struct words_held held = hold_words(view);

	page->subject = words_held_subject(arena, words, &held, PAGE_SUBJECT);
	page->people = words_held_people(arena, words, &held);
	page->recipients = words_held_recipients(arena, words, &held);
	page->answered = words_count(arena, words, &words->answered, view->answered);
	page->got = words_held_got(arena, words, &held, page->now);
	page->had = words_held_had(arena, words, &held);
	page->series = words_held_series(arena, words, &held);
	page->answered_by = words_held_answered(arena, words, &held);
	page->since = words_time(arena, words, view->created, page->now);
	page->until = words_time_within(arena, words, view->deadline, page->now);
	page->seen = words_time(arena, words, view->seen, page->now);
	page->left = words_time(arena, words, view->left, page->now);
	page->moved = words_time(arena, words, view->moved, page->now);
	return page->answered && page->subject && page->people && page->recipients && page->since &&
	       page->until && page->moved && page->left && page->seen && page->got && page->had &&
	       page->series && page->answered_by && page_prepare_reasons(page, arena);
}

bool
web_is_past_stopping(const struct hold_view *view)
{
	return view->action != HOLD_BLOCK &&
	       (view->state == HOLD_SENDING || view->state == HOLD_SENT);
}

/* The page of a hold. */
void
web_page_hold(struct web_response *answer, struct base_arena *arena, const struct words *words,
    const struct hold_view *view, bool is_late, int64_t now)
{
	const struct page_state *state = page_state_of(view->state);
	struct page page = { .out = &answer->html,
		.words = words,
		.view = view,
		.is_late = is_late && web_is_past_stopping(view),
		.now = now };

	if (!page_prepare(&page, arena)) {
		answer->html.failed = true;
		return;
	}
	page_open(page.out, words, page_title(&page, state), state->kind);
	if (page.is_late)
		page_say(&page, NULL, words->late_text, "");
	state->body(&page);
	page_close(page.out, words, state->has_buttons);
	answer->refresh = page_refresh(&page, state);
}

/* A page that is not about a hold. */
void
web_page_plain(struct web_response *answer, const struct words *words, const char *title,
    const char *text, const char *more)
{
	page_open(&answer->html, words, title, "");
	base_buffer_puts(&answer->html, "<p>");
	words_put(&answer->html, WORDS_HTML, text);
	if (more) {
		base_buffer_puts(&answer->html, "</p>\n<p>");
		words_put(&answer->html, WORDS_HTML, more);
	}
	base_buffer_puts(&answer->html, "</p>\n");
	page_close(&answer->html, words, false);
}
