/*
 * NAME
 *	words/template - a site's own sentences for letters and pages
 *
 * WHAT IT DOES
 *	Reads the files that notice.template and the rules' template name. Each overrides some
 *	sentences of words/sentences.h by their names there:
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
#ifndef OOPS_WORDS_TEMPLATE_H
#define OOPS_WORDS_TEMPLATE_H

#include <stddef.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"

#define WORDS_MAX_TEMPLATE 65536 /* bytes of a file */
#define WORDS_MAX_TEMPLATES 32   /* different ones, a language each, in the settings */
#define WORDS_MAX_PATH 1024      /* bytes of the path of one, its NUL included */

struct words;
struct words_templates;

/* A template that the settings name, and over which language. */
struct words_named {
	const char *path; /* NULL: none */
	const char *language;
};

/* All that the settings name, the site's own first; every file is tried, every fault told. */
enum base_result words_templates_load(const struct words_named *named, size_t count,
    struct words_templates **templates_r, struct base_buffer *faults_r);
void words_templates_free(struct words_templates **templates);

/*
 * The sentences for a hold with this template and language. Never NULL: the shipped ones when
 * there is no such template, when it is "", or when `templates` is NULL. A `path` of NULL is
 * the site's own.
 */
const struct words *words_templates_find(
    const struct words_templates *templates, const char *path, const char *language);

/*
 * One template's text, over the shipped sentences `base`. `path` is for the faults. Sentences
 * live in the arena; words_r is untouched unless OK.
 */
enum base_result words_template_parse(struct base_arena *arena, const char *path, const char *text,
    size_t length, const struct words *base, struct words *words_r, struct base_buffer *faults_r);

#endif
