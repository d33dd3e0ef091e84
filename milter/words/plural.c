/*
 * plural - which form of a noun goes with a number
 *
 * The rule is the C expression of a catalog's Plural-Forms (GNU gettext manual, "Additional
 * functions for plural forms"), worked out anew each time: they are short.
 */
#include "milter/words/internal.h"

#include <stdlib.h>
#include <string.h>

#define PLURAL_MAX_DEPTH 40 /* of brackets, "!" and "?" within each other */
#define PLURAL_MAX_DIGITS 9 /* of a number */

/* What is left of the rule, and what was wrong with it so far. */
struct rule {
	const char *next;
	unsigned long n;
	unsigned depth;
	bool is_wrong;
};

/* From the loosest to the tightest; of one level the longer ones first. */
static const struct infix {
	const char *text;
	unsigned level;
} infixes[] = {
	{ "||", 1 },
	{ "&&", 2 },
	{ "==", 3 },
	{ "!=", 3 },
	{ "<=", 4 },
	{ ">=", 4 },
	{ "<", 4 },
	{ ">", 4 },
	{ "+", 5 },
	{ "-", 5 },
	{ "*", 6 },
	{ "/", 6 },
	{ "%", 6 },
};

static unsigned long choice_read(struct rule *rule);

/* Blanks mean nothing. */
static void
blanks_skip(struct rule *rule)
{
	rule->next += strspn(rule->next, " \t");
}

/* Is it this that comes next? Then it is behind us. */
static bool
is_taken(struct rule *rule, const char *text)
{
	size_t length = strlen(text);

	blanks_skip(rule);
	if (strncmp(rule->next, text, length) != 0)
		return false;
	rule->next += length;
	return true;
}

/* A number, n, or an expression in brackets, with as many "!" before it as there are. */
static unsigned long
operand_read(struct rule *rule)
{
	unsigned long value = 0;
	size_t digits;

	if (++rule->depth > PLURAL_MAX_DEPTH)
		rule->is_wrong = true;
	if (rule->is_wrong)
		return 0;
	if (is_taken(rule, "!")) {
		value = !operand_read(rule);
	} else if (is_taken(rule, "(")) {
		value = choice_read(rule);
		rule->is_wrong = rule->is_wrong || !is_taken(rule, ")");
	} else if (is_taken(rule, "n")) {
		value = rule->n;
	} else {
		digits = strspn(rule->next, "0123456789");
		rule->is_wrong = digits == 0 || digits > PLURAL_MAX_DIGITS;
		value = rule->is_wrong ? 0 : strtoul(rule->next, NULL, 10);
		rule->next += digits;
	}
	rule->depth--;
	return value;
}

/* The operator that comes next, if it is of this level or a tighter one; else NULL. */
static const struct infix *
infix_take(struct rule *rule, unsigned level)
{
	const char *start = rule->next;

	for (size_t i = 0; i < sizeof(infixes) / sizeof(*infixes); i++) {
		if (!is_taken(rule, infixes[i].text))
			continue;
		if (infixes[i].level >= level)
			return &infixes[i];
		break;
	}
	rule->next = start;
	return NULL;
}

/* Two values by an operator; what C leaves open is wrong. */
static unsigned long
apply(struct rule *rule, const char *infix, unsigned long a, unsigned long b)
{
	switch (infix[0]) {
	case '|':
		return a || b;
	case '&':
		return a && b;
	case '=':
		return a == b;
	case '!':
		return a != b;
	case '<':
		return infix[1] == '=' ? a <= b : a < b;
	case '>':
		return infix[1] == '=' ? a >= b : a > b;
	case '+':
		return a + b;
	case '-':
		return a - b;
	case '*':
		return a * b;
	}
	if (b == 0) {
		rule->is_wrong = true;
		return 0;
	}
	return infix[0] == '/' ? a / b : a % b;
}

/* Operands with operators of this level and tighter ones between them. */
static unsigned long
terms_read(struct rule *rule, unsigned level)
{
	unsigned long value = operand_read(rule), other;
	const struct infix *infix;

	while (!rule->is_wrong && (infix = infix_take(rule, level)) != NULL) {
		other = terms_read(rule, infix->level + 1);
		value = apply(rule, infix->text, value, other);
	}
	return value;
}

/* The whole, or what is in brackets: terms, or one of two by a third. */
static unsigned long
choice_read(struct rule *rule)
{
	unsigned long value = terms_read(rule, 1), first, second;

	if (rule->is_wrong || !is_taken(rule, "?"))
		return value;
	if (++rule->depth > PLURAL_MAX_DEPTH)
		rule->is_wrong = true;
	first = choice_read(rule);
	rule->is_wrong = rule->is_wrong || !is_taken(rule, ":");
	second = choice_read(rule);
	rule->depth--;
	return value ? first : second;
}

bool
words_plural_find(const char *text, unsigned long n, unsigned long *form_r)
{
	struct rule rule = { .next = text, .n = n };
	unsigned long form;

	if (strlen(text) >= WORDS_MAX_RULE)
		return false;
	form = choice_read(&rule);
	blanks_skip(&rule);
	if (rule.is_wrong || *rule.next != '\0')
		return false;
	*form_r = form;
	return true;
}
