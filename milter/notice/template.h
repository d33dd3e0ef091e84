/*
 * NAME
 *	notice/template - a site's own sentences for letters and pages
 *
 * WHAT IT DOES
 *	Reads the files that notice.template and the rules' template name. Each overrides some
 *	sentences of notice/words.h by their names there:
 *
 *		# a comment
 *		letter_foot: The mail team wrote this letter.
 *		    Ask us at 1234.
 *
 *	A line that begins with a blank continues the one before; the two are joined with one
 *	space. A form of a plural is its name, a dot and its number from 1: "people.2". What
 *	stands in {braces} must be just what the shipped sentence has, each once.
 *
 *	A hold keeps the name of its template. Its letter and page use what that name means
 *	now; if there is no such template any more, the shipped sentences.
 *
 * WHAT IT NEVER DOES
 *	It never looks at a file again once it is read. Text of a template is data: it is quoted
 *	for where it goes as shipped sentences are, and no printf reads it.
 *
 * OWNERSHIP
 *	Words live as long as the templates they come from.
 *
 * THREADS
 *	Any; templates never change.
 *
 * DIAGNOSTICS
 *	REFUSE: a template is wrong; BROKEN: it cannot be read. Every fault is a line of
 *	faults_r that begins with the file and, where there is one, the line.
 */
#ifndef OOPS_NOTICE_TEMPLATE_H
#define OOPS_NOTICE_TEMPLATE_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/settings/settings.h"

#define NOTICE_MAX_TEMPLATE 65536 /* bytes of a file */
#define NOTICE_MAX_TEMPLATES 32   /* different ones, a language each, in the settings */
#define NOTICE_MAX_SENTENCE 500   /* bytes */
#define NOTICE_MAX_PIECE 120      /* bytes of a sentence that becomes part of others */

struct notice_words;
struct notice_templates;

/* All that the settings name; every file is tried, every fault told. */
enum base_result notice_templates_load(const struct settings *settings,
    struct notice_templates **templates_r, struct base_buffer *faults_r);
void notice_templates_free(struct notice_templates **templates);

/*
 * The sentences for a hold with this template and language. Never NULL: the shipped ones when
 * there is no such template, when it is "", or when `templates` is NULL. A `name` of NULL is
 * the site's notice.template.
 */
const struct notice_words *notice_templates_words(
    const struct notice_templates *templates, const char *name, const char *language);

/*
 * One template's text, over the shipped sentences `base`. `path` is for the faults. Sentences
 * live in the arena; words_r is untouched unless OK.
 */
enum base_result notice_template_parse(struct base_arena *arena, const char *path, const char *text,
    size_t length, const struct notice_words *base, struct notice_words *words_r,
    struct base_buffer *faults_r);

#endif
