/*
 * letter - composes the letter about a held send: header, plain text, HTML
 */
#include <stddef.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/notice/internal.h"
#include "milter/notice/notice.h"
#include "milter/words/held.h"
#include "milter/words/words.h"

#define LETTER_MAX_ARENA 65536  /* bytes for the made texts of one letter */
#define LETTER_MAX_PART 32768   /* bytes of one part before encoding */
#define LETTER_REASONS 5        /* the strongest; more would not be read */
#define LETTER_MAX_REASON 700   /* bytes of one sentence */
#define LETTER_SUBJECT 60       /* bytes of the held subject in ours */
#define LETTER_SUBJECT_BODY 100 /* and in the body */
#define LETTER_COLUMNS 72       /* of the plain text */

_Static_assert(WORDS_MAX_PATH <= HOLD_MAX_TEMPLATE, "a hold keeps the path of its template");

/* Quoted-printable never makes "=_", so this line cannot be inside a part. */
#define LETTER_BOUNDARY "=_oops-milter-letter"

/* Which sentences a letter has; offsets in struct words, 0 for none. */
struct letter_kind {
	size_t title, subject, text, more, link;
	size_t at_return, at_send; /* what happens by itself */
};

#define WORD(member) offsetof(struct words, member)

static const struct letter_kind letter_kinds[] = {
	[HOLD_UNDO] = { WORD(undo_title), WORD(letter_subject_undo), WORD(letter_undo), 0,
	    WORD(letter_link_undo), WORD(letter_undo_send), WORD(letter_undo_send) },
	[HOLD_CONFIRM] = { WORD(confirm_title), WORD(letter_subject_confirm), WORD(letter_confirm),
	    0, WORD(letter_link_confirm), WORD(letter_confirm_return), WORD(letter_confirm_send) },
	[HOLD_STORM] = { WORD(storm_title), WORD(letter_subject_storm), WORD(letter_storm),
	    WORD(letter_storm_author), WORD(letter_link_storm), WORD(letter_storm_return),
	    WORD(letter_storm_send) },
	[HOLD_BLOCK] = { WORD(block_title), WORD(letter_subject_block), WORD(letter_block),
	    WORD(letter_block_more), WORD(letter_link_block), WORD(letter_block_return),
	    WORD(letter_block_send) },
};

/* About what is not decided any more: of these, only KEPT offers anything. */
static const struct letter_kind news_kinds[] = {
	[NOTICE_NEWS_KEPT] = { WORD(kept_title), WORD(letter_subject_kept), WORD(kept_text),
	    WORD(kept_next), WORD(letter_link_kept), 0, 0 },
	[NOTICE_NEWS_LEFT] = { WORD(left_title), WORD(letter_subject_left), WORD(left_text),
	    WORD(left_released), WORD(letter_link_left), 0, 0 },
	[NOTICE_NEWS_PART] = { WORD(left_title), WORD(letter_subject_left), WORD(left_text),
	    WORD(part_released), WORD(letter_link_left), 0, 0 },
	[NOTICE_NEWS_MISSING] = { WORD(left_title), WORD(letter_subject_left), WORD(left_text),
	    WORD(left_gone), WORD(letter_link_left), 0, 0 },
};

enum notice_news
notice_letter_news(const struct hold_view *view)
{
	bool was_stopped =
	    view->state == HOLD_UNDONE || view->state == HOLD_RETURNING || view->state == HOLD_LOST;

	if (view->state == HOLD_HELD)
		return NOTICE_NEWS_HELD;
	if (was_stopped && view->how == HOLD_HOW_GONE)
		return NOTICE_NEWS_MISSING;
	if (was_stopped && view->how == HOLD_HOW_RELEASED)
		return view->state == HOLD_LOST ? NOTICE_NEWS_LEFT : NOTICE_NEWS_PART;
	if (view->state == HOLD_RETURNING && view->return_how == HOLD_RETURN_KEPT)
		return NOTICE_NEWS_KEPT;
	return NOTICE_NEWS_NONE;
}

/* The sentences for what it has to tell. */
static const struct letter_kind *
letter_kind_of(const struct hold_view *view)
{
	enum notice_news news = notice_letter_news(view);

	return news > NOTICE_NEWS_HELD ? &news_kinds[news] : &letter_kinds[view->action];
}

/* Everything that is said, made once for both parts. */
struct letter {
	const struct words *words;
	const struct hold_view *view;
	const struct letter_kind *kind;
	const char *answered; /* "14 people have" */
	const char *subject, *subject_short, *people, *recipients;
	const char *got, *left, *series, *answered_by; /* see words/held.h */
	const char *clock;                             /* of the deadline */
	const char *when; /* of the deadline, with how long that is; NULL: there is none */
	const char *link;
	const char *from;                    /* whose address the mail bears; "" the reader's own */
	bool is_last;                        /* of those that one person gets in a day */
	const char *reasons[LETTER_REASONS]; /* as sentences */
	size_t reason_count;
};

/* The sentences of the reasons that are shown; a hold that is over keeps no more than names. */
static bool
letter_reasons(struct letter *letter, struct base_arena *arena)
{
	const struct hold_view *view = letter->view;
	bool is_whole = true;

	for (size_t i = 0; i < view->reason_count && i < LETTER_REASONS; i++) {
		const char *text;

		if (view->reasons[i].values[0] == '\0')
			continue;
		text = hold_reason_text(arena, letter->words, &view->reasons[i]);
		is_whole = is_whole && text != NULL;
		letter->reasons[letter->reason_count++] = text;
	}
	return is_whole;
}

/* All made texts, or none. */
static bool
letter_prepare(struct letter *letter_r, struct base_arena *arena, const struct hold_view *view,
    const struct notice_letter_options *options)
{
	const struct words *words =
	    words_templates_find(options->templates, view->template, view->language);
	const struct words_held held = hold_words(view);
	struct letter letter = { .words = words, .view = view };

	letter.kind = letter_kind_of(view);
	letter.from = base_arena_strdup(arena, view->from);
	letter.is_last = options->is_last;
	letter.answered = words_count(arena, words, &words->answered, view->answered);
	letter.subject = words_held_subject(arena, words, &held, LETTER_SUBJECT_BODY);
	letter.subject_short = words_held_subject(arena, words, &held, LETTER_SUBJECT);
	letter.people = words_held_people(arena, words, &held);
	letter.recipients = words_held_recipients(arena, words, &held);
	letter.got = words_held_got(arena, words, &held, options->now);
	letter.left = words_held_had(arena, words, &held);
	letter.series = words_held_series(arena, words, &held);
	letter.answered_by = words_held_answered(arena, words, &held);
	letter.clock = words_clock(arena, words, view->deadline, options->now);
	letter.when = words_time_within(arena, words, view->deadline, options->now);
	letter.link = base_arena_printf(arena, "%s/h/%s", options->base_url, options->token);
	if (!letter.from || !letter.answered || !letter.subject || !letter.subject_short ||
	    !letter.people || !letter.recipients || !letter.got || !letter.left || !letter.series ||
	    !letter.answered_by || !letter.clock || !letter.when || !letter.link ||
	    !letter_reasons(&letter, arena))
		return false;
	if (letter.kind->at_send == 0)
		letter.when = words_time(arena, words, view->left, options->now);
	else if (!view->deadline)
		letter.when = NULL;
	*letter_r = letter;
	return true;
}

/* A sentence by its place. */
static const char *
letter_word(const struct letter *letter, size_t place)
{
	return place ? *(const char *const *)((const char *)letter->words + place) : NULL;
}

/* What happens if nobody does anything; NULL if nothing happens by itself. */
static const char *
letter_next_sentence(const struct letter *letter)
{
	if (!letter->when)
		return NULL;
	return letter_word(letter, letter->view->at_deadline == MAIL_END_SEND
				       ? letter->kind->at_send
				       : letter->kind->at_return);
}

/* What else is to be said; NULL for nothing. */
static const char *
letter_more_sentence(const struct letter *letter)
{
	if (letter->view->state == HOLD_HELD && letter->view->action == HOLD_STORM &&
	    *letter->view->author == '\0')
		return letter->words->letter_storm_somebody;
	if (letter->view->action == HOLD_UNDO && letter->view->how != HOLD_HOW_STAYED)
		return letter->got;
	return letter_word(letter, letter->kind->more);
}

/* A sentence with whatever places it has filled in. */
static bool
letter_say(struct base_buffer *out, enum words_form form, const struct letter *letter,
    const char *sentence, const char *subject)
{
	return words_say(out, form, sentence, { "subject", subject, true },
	    { "people", letter->people, true }, { "answered", letter->answered, true },
	    { "author", letter->view->author, true }, { "from", letter->from, true },
	    { "clock", letter->clock, true }, { "got", letter->got, false },
	    { "when", letter->when ? letter->when : "", true });
}

/* Is it sent in somebody else's name? Then this is to be said. */
static const char *
letter_as_sentence(const struct letter *letter)
{
	return *letter->from == '\0' ? NULL : letter->words->letter_as;
}

/* One reason's sentence as one bounded line. */
static bool
letter_reason(struct base_buffer *out, enum words_form form, const char *reason)
{
	struct base_buffer line;
	bool is_whole;

	base_buffer_init(&line, LETTER_MAX_REASON);
	is_whole = base_quote_line(&line, reason, LETTER_MAX_REASON) &&
		   words_put(out, form, base_buffer_text(&line));
	base_buffer_free(&line);
	return is_whole;
}

/* --- plain text ---------------------------------------------------------------------- */

/* One line of text wrapped at spaces; what follows a "- " hangs below it. */
static void
letter_wrap_line(struct base_buffer *out, const char *line, size_t length)
{
	size_t indent = length > 2 && line[0] == '-' && line[1] == ' ' ? 2 : 0, column = 0, word;

	while (length) {
		word = strcspn(line, " \n");
		if (word > length)
			word = length;
		if (column && column + 1 + word > LETTER_COLUMNS) {
			base_buffer_printf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column) {
			base_buffer_puts(out, " ");
			column++;
		}
		base_buffer_append(out, line, word);
		column += word;
		if (word < length)
			word++;
		line += word;
		length -= word;
	}
	base_buffer_puts(out, "\n");
}

bool
notice_letter_wrap(struct base_buffer *out, const char *text)
{
	size_t length;

	for (; *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		letter_wrap_line(out, text, length);
	}
	return !out->failed;
}

/* A label and its value, when there is one. */
static void
letter_text_fact(struct base_buffer *out, const char *label, const char *value)
{
	if (*value)
		base_buffer_printf(out, "%s: %s\n", label, value);
}

/* The plain part, a paragraph a line. */
static bool
letter_text(struct base_buffer *out, const struct letter *letter)
{
	const struct words *words = letter->words;
	const char *const sentences[] = { letter_word(letter, letter->kind->text),
		letter_as_sentence(letter), letter_more_sentence(letter),
		letter_next_sentence(letter), letter->is_last ? words->letter_last : NULL };
	size_t i;

	for (i = 0; i < sizeof(sentences) / sizeof(*sentences); i++) {
		if (!sentences[i])
			continue;
		letter_say(out, WORDS_PLAIN, letter, sentences[i], letter->subject);
		base_buffer_puts(out, "\n\n");
	}
	base_buffer_printf(
	    out, "%s\n\n%s\n\n", letter_word(letter, letter->kind->link), letter->link);
	if (letter->reason_count) {
		base_buffer_printf(out, "%s:\n", words->why_title);
		for (i = 0; i < letter->reason_count; i++) {
			base_buffer_puts(out, "- ");
			letter_reason(out, WORDS_PLAIN, letter->reasons[i]);
			base_buffer_puts(out, "\n");
		}
		base_buffer_puts(out, "\n");
	}
	letter_text_fact(out, words->fact_subject, letter->subject);
	letter_text_fact(out, words->fact_to, letter->recipients);
	letter_text_fact(out, words->fact_left, letter->left);
	letter_text_fact(out, words->fact_series, letter->series);
	letter_text_fact(out, words->fact_answered, letter->answered_by);
	base_buffer_printf(out, "\n%s\n\n%s\n", words->letter_link_note, words->letter_foot);
	return !out->failed;
}

/* --- HTML ---------------------------------------------------------------------------- */

#define HTML_PARAGRAPH "<p style=\"margin:0 0 16px\">"
#define HTML_QUIET "<p style=\"margin:0 0 12px;font-size:14px;color:#5b6770\">"

/* Letters are shown by programs that know little CSS: styles are in the elements. */
static void
letter_html_start(struct base_buffer *out, const struct letter *letter)
{
	base_buffer_puts(out, "<!DOCTYPE html>\n<html lang=\"");
	words_put(out, WORDS_HTML, letter->words->language);
	base_buffer_puts(out,
	    "\">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	    "<meta name=\"color-scheme\" content=\"light\">\n<title>");
	words_put(out, WORDS_HTML, letter_word(letter, letter->kind->title));
	base_buffer_puts(out,
	    "</title>\n</head>\n"
	    "<body style=\"margin:0;padding:24px 12px;background:#eef2f4;color:#1d2930;"
	    "font:16px/1.5 system-ui,-apple-system,'Segoe "
	    "UI',Roboto,Helvetica,Arial,sans-serif\">\n"
	    "<div style=\"max-width:560px;margin:0 auto;padding:28px "
	    "24px;background:#ffffff;"
	    "border:1px solid #d9e1e5;border-radius:12px\">\n"
	    "<h1 style=\"margin:0 0 16px;font-size:22px;line-height:1.3\">");
	words_put(out, WORDS_HTML, letter_word(letter, letter->kind->title));
	base_buffer_puts(out, "</h1>\n");
}

/* The one link, as a button and as text that can be copied. */
static void
letter_html_link(struct base_buffer *out, const struct letter *letter)
{
	base_buffer_puts(out, HTML_PARAGRAPH);
	words_put(out, WORDS_HTML, letter_word(letter, letter->kind->link));
	base_buffer_puts(out, "</p>\n<p style=\"margin:0 0 12px\"><a href=\"");
	base_quote_html(out, letter->link);
	base_buffer_puts(out, "\" style=\"display:inline-block;padding:12px "
			      "22px;background:#0b5c6b;color:#ffffff;"
			      "border-radius:8px;font-weight:600;text-decoration:none\">");
	words_put(out, WORDS_HTML, letter->words->letter_button);
	base_buffer_puts(out, "</a></p>\n<p style=\"margin:0 0 24px;font-size:13px;color:#5b6770;"
			      "word-break:break-all\">");
	base_quote_html(out, letter->link);
	base_buffer_puts(out, "</p>\n");
}

/* Why, as a list. */
static void
letter_html_reasons(struct base_buffer *out, const struct letter *letter)
{
	size_t i;

	if (!letter->reason_count)
		return;
	base_buffer_puts(out, "<h2 style=\"margin:0 0 8px;font-size:16px\">");
	words_put(out, WORDS_HTML, letter->words->why_title);
	base_buffer_puts(out, "</h2>\n<ul style=\"margin:0 0 20px;padding:0 0 0 20px\">\n");
	for (i = 0; i < letter->reason_count; i++) {
		base_buffer_puts(out, "<li style=\"margin:0 0 6px\">");
		letter_reason(out, WORDS_HTML, letter->reasons[i]);
		base_buffer_puts(out, "</li>\n");
	}
	base_buffer_puts(out, "</ul>\n");
}

/* A label and its value, when there is one. */
static void
letter_html_fact(struct base_buffer *out, const char *label, const char *value)
{
	if (!*value)
		return;
	base_buffer_puts(out, "<p style=\"margin:0 0 4px;word-wrap:break-word\"><span "
			      "style=\"color:#5b6770\">");
	base_quote_html(out, label);
	base_buffer_puts(out, ":</span> ");
	base_quote_html(out, value);
	base_buffer_puts(out, "</p>\n");
}

/* The HTML part. */
static bool
letter_html(struct base_buffer *out, const struct letter *letter)
{
	const struct words *words = letter->words;
	const char *const sentences[] = { letter_word(letter, letter->kind->text),
		letter_as_sentence(letter), letter_more_sentence(letter),
		letter_next_sentence(letter), letter->is_last ? words->letter_last : NULL };
	size_t i;

	letter_html_start(out, letter);
	for (i = 0; i < sizeof(sentences) / sizeof(*sentences); i++) {
		if (!sentences[i])
			continue;
		base_buffer_puts(out, HTML_PARAGRAPH);
		letter_say(out, WORDS_HTML, letter, sentences[i], letter->subject);
		base_buffer_puts(out, "</p>\n");
	}
	letter_html_link(out, letter);
	letter_html_reasons(out, letter);
	letter_html_fact(out, words->fact_subject, letter->subject);
	letter_html_fact(out, words->fact_to, letter->recipients);
	letter_html_fact(out, words->fact_left, letter->left);
	letter_html_fact(out, words->fact_series, letter->series);
	letter_html_fact(out, words->fact_answered, letter->answered_by);
	base_buffer_puts(out, "<hr style=\"margin:20px 0;border:0;border-top:1px solid "
			      "#d9e1e5\">\n" HTML_QUIET);
	words_put(out, WORDS_HTML, words->letter_link_note);
	base_buffer_puts(out, "</p>\n" HTML_QUIET);
	words_put(out, WORDS_HTML, words->letter_foot);
	base_buffer_puts(out, "</p>\n</div>\n</body>\n</html>\n");
	return !out->failed;
}

/* --- the whole ----------------------------------------------------------------------- */

bool
notice_letter_fields(struct base_buffer *out, const struct words *words,
    const struct hold_view *view, const char *subject, const struct notice_letter_options *options)
{
	base_buffer_puts(out, "From: ");
	notice_mime_phrase(out, strlen("From: "), words->letter_from);
	base_buffer_puts(out, " <");
	if (!notice_mime_address(out, options->from))
		return false;
	base_buffer_puts(out, ">\r\nTo: <");
	if (!notice_mime_address(out, view->mailbox))
		return false;
	base_buffer_puts(out, ">\r\n");
	notice_mime_field(out, "Subject", subject);
	base_buffer_puts(out, "Date: ");
	notice_mime_date(out, options->now);
	return base_buffer_printf(out,
	    "\r\nMessage-ID: <%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: "
	    "1.0\r\n",
	    options->message_id);
}

/* The header up to its empty line. */
static bool
letter_header(struct base_buffer *out, const struct letter *letter,
    const struct notice_letter_options *options)
{
	struct base_buffer subject;
	bool is_whole;

	base_buffer_init(&subject, 1024);
	is_whole = letter_say(&subject, WORDS_PLAIN, letter,
		       letter->kind == &letter_kinds[HOLD_UNDO] && !letter->when
			   ? letter->words->letter_subject_confirm
			   : letter_word(letter, letter->kind->subject),
		       letter->subject_short) &&
		   notice_letter_fields(
		       out, letter->words, letter->view, base_buffer_text(&subject), options);
	base_buffer_free(&subject);
	return is_whole && base_buffer_puts(out, "Content-Type: multipart/alternative; "
						 "boundary=\"" LETTER_BOUNDARY "\"\r\n\r\n");
}

/* One part of the body. */
static bool
letter_part(struct base_buffer *out, const char *type, const char *text)
{
	base_buffer_printf(out,
	    "--" LETTER_BOUNDARY "\r\nContent-Type: %s; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
	    type);
	notice_mime_quoted(out, text);
	return base_buffer_puts(out, "\r\n");
}

/* Both parts. */
static bool
letter_body(struct base_buffer *out, const struct letter *letter)
{
	struct base_buffer text, wrapped, html;
	bool is_whole;

	base_buffer_init(&text, LETTER_MAX_PART);
	base_buffer_init(&wrapped, LETTER_MAX_PART);
	base_buffer_init(&html, LETTER_MAX_PART);
	is_whole = letter_text(&text, letter) &&
		   notice_letter_wrap(&wrapped, base_buffer_text(&text)) &&
		   letter_html(&html, letter) &&
		   letter_part(out, "text/plain", base_buffer_text(&wrapped)) &&
		   letter_part(out, "text/html", base_buffer_text(&html)) &&
		   base_buffer_puts(out, "--" LETTER_BOUNDARY "--\r\n");
	base_buffer_free(&html);
	base_buffer_free(&wrapped);
	base_buffer_free(&text);
	return is_whole;
}

/* Can this stand in a field or a link as it is? */
static bool
letter_is_visible_ascii(const char *text)
{
	const char *p;

	for (p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '<' || *p == '>')
			return false;
	return p > text;
}

enum base_result
notice_letter_check(
    const struct hold_view *view, const struct notice_letter_options *options, const char **why_r)
{
	struct base_buffer address;
	bool is_sender, is_from;

	base_buffer_init(&address, 1024);
	is_sender = notice_mime_address(&address, view->mailbox);
	is_from = notice_mime_address(&address, options->from);
	base_buffer_free(&address);
	if (!is_sender)
		*why_r = base_why("the sender of hold %s cannot be written to", view->id);
	else if (!is_from)
		*why_r = base_why("notice.from is not an address");
	else if (!letter_is_visible_ascii(options->message_id) ||
		 (options->token && (!letter_is_visible_ascii(options->base_url) ||
					!letter_is_visible_ascii(options->token))))
		*why_r = base_why("the letter's message id or link is not plain ASCII");
	else
		return BASE_OK;
	return BASE_REFUSE;
}

/* The letter. */
enum base_result
notice_letter_compose(struct base_buffer *letter_r, const struct hold_view *view,
    const struct notice_letter_options *options, const char **why_r)
{
	enum base_result result = notice_letter_check(view, options, why_r);
	struct base_arena *arena;
	struct letter letter;

	if (result != BASE_OK)
		return result;
	arena = base_arena_new(LETTER_MAX_ARENA);
	if (!arena || !letter_prepare(&letter, arena, view, options) ||
	    !letter_header(letter_r, &letter, options) || !letter_body(letter_r, &letter)) {
		*why_r = base_why("no room for the letter about hold %s", view->id);
		result = BASE_BROKEN;
	}
	base_arena_free(&arena);
	return result;
}
