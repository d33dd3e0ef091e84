/*
 * returned - the letter that brings a mail back to its author, with the whole mail attached
 *
 * A message/rfc822 must not be encoded (RFC 2046 5.2.1), and mail servers break lines that are
 * longer than RFC 5322 2.1.1 allows, or that end oddly. A mail with such lines comes back as a
 * file in base64 instead: what matters is that every byte of it is there.
 */
#include <string.h>
#include <strings.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/notice/internal.h"
#include "milter/notice/notice.h"
#include "milter/queue/queue.h"
#include "milter/words/held.h"
#include "milter/words/words.h"

#define RETURNED_MAX_ARENA 65536 /* bytes for the made texts */
#define RETURNED_MAX_TEXT 8192   /* bytes of the text */
#define RETURNED_MAX_LINE 990    /* bytes: 998, less what servers may take off */
#define RETURNED_SUBJECT 60      /* bytes of the mail's subject in ours */
#define RETURNED_SUBJECT_BODY 100
#define RETURNED_FILE "returned-mail.eml"

/* --- the mail --------------------------------------------------------------------------- */

/* Is this line the beginning of our tag? */
static bool
is_tag(const char *line, size_t length)
{
	static const char name[] = QUEUE_TAG_NAME;
	size_t at = sizeof(name) - 1;

	if (length <= at || strncasecmp(line, name, at) != 0)
		return false;
	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return at < length && line[at] == ':';
}

/* With its line end. */
static size_t
line_length(const char *line, size_t left)
{
	const char *end = memchr(line, '\n', left);

	return end == NULL ? left : (size_t)(end - line) + 1;
}

size_t
notice_returned_strip(char *mail, size_t length)
{
	size_t from = 0, to = 0, line;
	bool is_dropped = false;

	for (; from < length && mail[from] != '\n'; from += line) {
		line = line_length(mail + from, length - from);
		if (mail[from] != ' ' && mail[from] != '\t')
			is_dropped = is_tag(mail + from, line);
		if (is_dropped)
			continue;
		memmove(mail + to, mail + from, line);
		to += line;
	}
	memmove(mail + to, mail + from, length - from);
	return to + (length - from);
}

enum notice_attached
notice_returned_form(const char *mail, size_t length, bool has_8bit)
{
	bool is_8bit = false;
	size_t line = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)mail[i];

		line = c == '\n' ? 0 : line + 1;
		if (line > RETURNED_MAX_LINE || c == '\r' || c == '\0')
			return NOTICE_ATTACHED_FILE;
		is_8bit = is_8bit || c >= 0x80;
	}
	if (is_8bit)
		return has_8bit ? NOTICE_ATTACHED_8BIT : NOTICE_ATTACHED_FILE;
	return NOTICE_ATTACHED_7BIT;
}

/* --- the letter ------------------------------------------------------------------------- */

/* Why it was not sent. */
static const char *
returned_why(const struct words *words, const struct hold_view *view)
{
	if (strcmp(view->undone_by, "admin") == 0)
		return words->back_undone_admin;
	if (*view->undone_by != '\0')
		return words->back_undone;
	return view->action == HOLD_STORM ? words->back_storm : words->back_expired;
}

/* The text for people, a paragraph a line. */
static bool
returned_text(struct base_buffer *out, struct base_arena *arena, const struct words *words,
    const struct hold_view *view, bool is_whole, int64_t now)
{
	const struct words_held held = hold_words(view);
	const char *subject = words_held_subject(arena, words, &held, RETURNED_SUBJECT_BODY);
	const char *people = words_held_people(arena, words, &held);
	const char *recipients = words_held_recipients(arena, words, &held);
	const char *got = view->how != HOLD_HOW_STAYED || view->left_count > 0
			      ? words_held_got(arena, words, &held, now)
			  : is_whole ? words->back_nobody
				     : words->back_left;

	if (subject == NULL || people == NULL || recipients == NULL || got == NULL)
		return false;
	words_say(out, WORDS_PLAIN, returned_why(words, view), { "subject", subject, true },
	    { "people", people, true });
	base_buffer_printf(
	    out, "\n\n%s\n\n%s %s\n\n", got, words->back_attached, words->back_again);
	base_buffer_printf(out, "%s: %s\n", words->fact_subject, subject);
	if (*recipients != '\0')
		base_buffer_printf(out, "%s: %s\n", words->fact_to, recipients);
	return base_buffer_printf(out, "\n%s\n", words->letter_foot);
}

/* The header of the whole. */
static bool
returned_fields(struct base_buffer *out, struct base_arena *arena, const struct words *words,
    const struct hold_view *view, enum notice_attached attached, const char *boundary,
    const struct notice_letter_options *options)
{
	const struct words_held held = hold_words(view);
	struct base_buffer line;
	bool is_whole;

	base_buffer_init(&line, 1024);
	is_whole =
	    words_say(&line, WORDS_PLAIN, words->letter_subject_back,
		{ "subject", words_held_subject(arena, words, &held, RETURNED_SUBJECT), false },
		{ "people", words_held_people(arena, words, &held), false }) &&
	    notice_letter_fields(out, words, view, base_buffer_text(&line), options);
	base_buffer_free(&line);
	return is_whole &&
	       base_buffer_printf(out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n%s\r\n",
		   boundary,
		   attached == NOTICE_ATTACHED_8BIT ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

/* The header of the part that is the mail. */
static bool
returned_part(struct base_buffer *out, enum notice_attached attached, const char *boundary)
{
	static const char *const kinds[] = {
		[NOTICE_ATTACHED_7BIT] = "Content-Type: message/rfc822\r\n"
					 "Content-Transfer-Encoding: 7bit\r\n",
		[NOTICE_ATTACHED_8BIT] = "Content-Type: message/rfc822\r\n"
					 "Content-Transfer-Encoding: 8bit\r\n",
		[NOTICE_ATTACHED_FILE] =
		    "Content-Type: application/octet-stream; name=\"" RETURNED_FILE "\"\r\n"
		    "Content-Transfer-Encoding: base64\r\n",
	};

	return base_buffer_printf(out,
	    "\r\n--%s\r\n%sContent-Disposition: attachment; filename=\"" RETURNED_FILE "\"\r\n\r\n",
	    boundary, kinds[attached]);
}

/* All that stands before the mail. */
static bool
returned_head(struct base_buffer *out, struct base_arena *arena, const struct hold_view *view,
    bool is_whole, enum notice_attached attached, const char *boundary,
    const struct notice_letter_options *options)
{
	const struct words *words =
	    words_templates_find(options->templates, view->template, view->language);
	struct base_buffer text, wrapped;
	bool is_made;

	base_buffer_init(&text, RETURNED_MAX_TEXT);
	base_buffer_init(&wrapped, 2 * RETURNED_MAX_TEXT);
	is_made = returned_fields(out, arena, words, view, attached, boundary, options) &&
		  returned_text(&text, arena, words, view, is_whole, options->now) &&
		  notice_letter_wrap(&wrapped, base_buffer_text(&text)) &&
		  base_buffer_printf(out,
		      "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		      boundary) &&
		  notice_mime_quoted(out, base_buffer_text(&wrapped)) &&
		  returned_part(out, attached, boundary);
	base_buffer_free(&wrapped);
	base_buffer_free(&text);
	return is_made;
}

enum base_result
notice_returned_compose(struct base_buffer *head_r, struct base_buffer *tail_r,
    const struct hold_view *view, bool is_whole, enum notice_attached attached,
    const char *boundary, const struct notice_letter_options *options, const char **why_r)
{
	enum base_result result = notice_letter_check(view, options, why_r);
	struct base_arena *arena;

	if (result != BASE_OK)
		return result;
	arena = base_arena_new(RETURNED_MAX_ARENA);
	if (arena == NULL ||
	    !returned_head(head_r, arena, view, is_whole, attached, boundary, options) ||
	    !base_buffer_printf(tail_r, "\r\n--%s--\r\n", boundary)) {
		*why_r = base_why("no memory for the letter that returns %s", view->id);
		result = BASE_BROKEN;
	}
	base_arena_free(&arena);
	return result;
}
