/* pot - every sentence as the text from which translators begin; see catalog.h */
#include "milter/words/catalog.h"
#include "milter/words/internal.h"

/* A string as a catalog writes it. */
static void
put_string(struct base_buffer *out, const char *keyword, const char *text)
{
	base_buffer_printf(out, "%s \"", keyword);
	for (; *text != '\0'; text++)
		base_buffer_printf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	base_buffer_puts(out, "\"\n");
}

/* One row. */
static void
put_row(struct base_buffer *out, const struct words_row *row)
{
	if (row->name == NULL) {
		base_buffer_printf(out, "#. %s\n", row->text);
		return;
	}
	put_string(out, "msgctxt", row->name);
	put_string(out, "msgid", row->text);
	if (row->many != NULL) {
		put_string(out, "msgid_plural", row->many);
		base_buffer_puts(out, "msgstr[0] \"\"\nmsgstr[1] \"\"\n\n");
	} else {
		base_buffer_puts(out, "msgstr \"\"\n\n");
	}
}

bool
words_catalog_template_print(struct base_buffer *out)
{
	base_buffer_puts(out,
	    "# The sentences of oops-milter. The msgctxt is the name of the sentence; what stands\n"
	    "# in {braces} is filled in, and must stand in the translation just as it is.\n"
	    "#, fuzzy\n"
	    "msgid \"\"\n"
	    "msgstr \"\"\n"
	    "\"Project-Id-Version: oops-milter\\n\"\n"
	    "\"MIME-Version: 1.0\\n\"\n"
	    "\"Content-Type: text/plain; charset=UTF-8\\n\"\n"
	    "\"Content-Transfer-Encoding: 8bit\\n\"\n"
	    "\"Plural-Forms: nplurals=INTEGER; plural=EXPRESSION;\\n\"\n\n");
	for (size_t i = 0; i < words_row_count; i++)
		put_row(out, &words_rows[i]);
	return !out->failed;
}
