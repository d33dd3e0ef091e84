/* body_html - what a person sees of HTML; see internal.h */
#include "milter/base/buffer.h"
#include "milter/mail/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uninorm.h>
#include <unistr.h>

#define MAX_ENTITY 10 /* bytes between '&' and ';' */

/* The text so far, and where in it the next character stands. */
struct page {
	struct base_buffer *out;
	const char *at, *end; /* of the HTML */
	unsigned quotes;      /* <blockquote> that are open */
	bool is_line_start, is_space_due;
};

/* Appends bytes that are seen, with the white space and the mark of a quotation before them. */
static void
page_add(struct page *page, const char *bytes, size_t length)
{
	if (page->is_line_start && page->quotes > 0)
		base_buffer_puts(page->out, "> ");
	else if (!page->is_line_start && page->is_space_due)
		base_buffer_puts(page->out, " ");
	page->is_line_start = page->is_space_due = false;
	base_buffer_append(page->out, bytes, length);
}

/* Ends a line, if there is anything on it. */
static void
page_break(struct page *page)
{
	if (!page->is_line_start)
		base_buffer_puts(page->out, "\n");
	page->is_line_start = true;
	page->is_space_due = false;
}

/* --- entities ------------------------------------------------------------------------ */

/* "eacute", "Uuml": a letter and the name of its accent. 0: it is none. */
static ucs4_t
accent_read(const char *name)
{
	static const struct {
		const char *name;
		ucs4_t mark;
	} accents[] = { { "acute", 0x301 }, { "grave", 0x300 }, { "circ", 0x302 }, { "uml", 0x308 },
		{ "tilde", 0x303 }, { "cedil", 0x327 }, { "ring", 0x30A }, { "caron", 0x30C } };

	for (size_t i = 0; name[0] != '\0' && i < sizeof(accents) / sizeof(*accents); i++)
		if (strcmp(name + 1, accents[i].name) == 0)
			return uc_composition((ucs4_t)(unsigned char)name[0], accents[i].mark);
	return 0;
}

/* The character of an entity's name: "amp", "#228", "#xE4"; 0: not known. */
static ucs4_t
entity_read(const char *name)
{
	static const struct {
		const char *name;
		ucs4_t character;
	} entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
		{ "apos", '\'' }, { "nbsp", ' ' }, { "szlig", 0xDF }, { "oslash", 0xF8 },
		{ "Oslash", 0xD8 }, { "aelig", 0xE6 }, { "AElig", 0xC6 }, { "rsquo", 0x2019 },
		{ "ndash", 0x2013 }, { "mdash", 0x2014 }, { "hellip", 0x2026 } };
	unsigned long number;

	if (name[0] == '#') {
		bool is_hex = name[1] == 'x' || name[1] == 'X';

		number = strtoul(name + (is_hex ? 2 : 1), NULL, is_hex ? 16 : 10);
		return number == 0xA0 ? ' ' : number <= 0x10FFFF ? (ucs4_t)number : 0;
	}
	for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++)
		if (strcmp(entities[i].name, name) == 0)
			return entities[i].character;
	return accent_read(name);
}

/* An entity, or the '&' itself. */
static void
entity_take(struct page *page)
{
	size_t left = (size_t)(page->end - page->at - 1);
	const char *end = memchr(page->at + 1, ';', left < MAX_ENTITY + 1 ? left : MAX_ENTITY + 1);
	char name[MAX_ENTITY + 1] = "";
	uint8_t bytes[6];
	ucs4_t character;
	int length;

	if (end != NULL)
		memcpy(name, page->at + 1, (size_t)(end - page->at - 1));
	character = entity_read(name);
	length = character < ' ' ? -1 : u8_uctomb(bytes, character, sizeof(bytes));
	if (length <= 0) {
		page_add(page, page->at++, 1);
		return;
	}
	page->at = end + 1;
	if (character == ' ')
		page->is_space_due = true;
	else
		page_add(page, (const char *)bytes, (size_t)length);
}

/* --- tags ----------------------------------------------------------------------------- */

/* Is the tag at `at`, behind its '<' and '/', of this name? */
static bool
is_tag(const char *at, const char *end, const char *name)
{
	size_t length = strlen(name);

	return (size_t)(end - at) > length && strncasecmp(at, name, length) == 0 &&
	       strchr(" \t\r\n/>", at[length]) != NULL && at[length] != '\0';
}

/* Is the tag one of these? */
static bool
is_tag_of(const char *at, const char *end, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_tag(at, end, names[i]))
			return true;
	return false;
}

/* Behind the end of an element that nobody sees; the end of all when it is not closed here. */
static const char *
hidden_end(const char *at, const char *end, const char *name)
{
	while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
		at++;
		if (at < end && *at == '/' && is_tag(at + 1, end, name))
			break;
	}
	at = at == NULL ? NULL : memchr(at, '>', (size_t)(end - at));
	return at == NULL ? end : at + 1;
}

/* If a tag begins what nobody sees: its end. NULL: it does not. */
static const char *
hidden_skip(const char *at, const char *end)
{
	static const char *const hidden[] = { "head", "style", "script", "title", "xml" };
	const char *close;

	if (end - at >= 3 && memcmp(at, "!--", 3) == 0) {
		close = memmem(at + 3, (size_t)(end - at) - 3, "-->", 3);
		return close == NULL ? end : close + 3;
	}
	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
		if (is_tag(at, end, hidden[i]))
			return hidden_end(at, end, hidden[i]);
	return NULL;
}

/* What a tag does to the lines of the text; `at` is behind its '<'. */
static void
tag_apply(struct page *page, const char *at, const char *end)
{
	static const char *const blocks[] = { "br", "p", "div", "tr", "li", "ul", "ol", "table",
		"h1", "h2", "h3", "h4", "h5", "h6", "pre", "body", "blockquote", "hr" };
	bool is_close = at < end && *at == '/';

	at += is_close;
	if (is_tag_of(at, end, blocks, sizeof(blocks) / sizeof(*blocks)))
		page_break(page);
	if (is_tag(at, end, "blockquote") && is_close)
		page->quotes -= page->quotes > 0;
	else if (is_tag(at, end, "blockquote"))
		page->quotes++;
	if (is_tag(at, end, "hr")) { /* as Outlook draws it in plain text, too */
		page_add(page, "________", 8);
		page_break(page);
	}
}

/* A tag, or a '<' that begins none. */
static void
tag_take(struct page *page)
{
	const char *at = page->at + 1, *close;

	if (at == page->end || strchr(" \t\r\n<=0123456789", *at) != NULL) {
		page_add(page, page->at++, 1);
		return;
	}
	close = hidden_skip(at, page->end);
	if (close == NULL) {
		close = memchr(at, '>', (size_t)(page->end - at));
		close = close == NULL ? page->end : close + 1;
		tag_apply(page, at, close);
	}
	page->at = close;
}

void
mail_html_append(struct base_buffer *out, const char *html, size_t length)
{
	struct page page = { .out = out, .at = html, .end = html + length, .is_line_start = true };

	while (page.at < page.end) {
		if (*page.at == '<') {
			tag_take(&page);
		} else if (*page.at == '&') {
			entity_take(&page);
		} else if (mail_is_space(*page.at)) {
			page.is_space_due = true;
			page.at++;
		} else {
			page_add(&page, page.at++, 1);
		}
	}
}
