/* subject - what a subject says of its mail; see mail.h */
#include "milter/mail/mail.h"

#include <string.h>
#include <strings.h>

/* What mail programs put before the subject of an answer, in the languages they speak. */
static const char *const answers[] = {
	"re",
	"aw",
	"antw",
	"antwort",
	"sv",
	"vs",
	"res",
	"rif",
	"r",
	"odp",
	"vá",
	"ynt",
	"bls",
	"atb",
	"απ",
	"σχετ",
	"回复",
	"回覆",
	"答复",
	"答覆",
	"返信",
	"회신",
};

/* Behind "[list]" or "[list] [list]", as lists mark their mail. */
static const char *
marks_skip(const char *at)
{
	const char *end;

	at += strspn(at, " \t");
	while (*at == '[' && (end = strchr(at, ']')) != NULL) {
		at = end + 1;
		at += strspn(at, " \t");
	}
	return at;
}

/* Behind "[2]", "(2)", "^2" or "2": the how manieth answer it is. */
static const char *
count_skip(const char *at)
{
	char open = *at, close = open == '[' ? ']' : open == '(' ? ')' : '\0';

	if (open == '[' || open == '(' || open == '^')
		at++;
	at += strspn(at, "0123456789");
	return close != '\0' && *at == close ? at + 1 : at;
}

/* Is it a colon, a wide one too? */
static bool
is_colon(const char *at)
{
	at += strspn(at, " \t");
	return *at == ':' || strncmp(at, "：", strlen("：")) == 0;
}

/* Behind the colon of an answer's mark; NULL: it is none. */
static const char *
answer_skip(const char *at)
{
	at = marks_skip(at);

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		size_t length = strlen(answers[i]);

		if (strncasecmp(at, answers[i], length) == 0 &&
		    is_colon(count_skip(at + length))) {
			at = count_skip(at + length);
			at += strspn(at, " \t");
			return at + (*at == ':' ? 1 : strlen("："));
		}
	}
	return NULL;
}

bool
mail_subject_is_answer(const char *subject)
{
	return answer_skip(subject) != NULL;
}

const char *
mail_subject_base(const char *subject)
{
	const char *next;

	while ((next = answer_skip(subject)) != NULL)
		subject = next;
	return marks_skip(subject);
}
