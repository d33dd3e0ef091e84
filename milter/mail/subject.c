/* subject - what a subject says of its mail; see mail.h */
#include "milter/mail/mail.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

#define MAX_PREFIX 64 /* bytes before the colon that are read */

/*
 * What mail programs put before the subject of an answer, in the languages they speak, in folded
 * case. They are not standardised (RFC 5322 3.6.5 knows "Re: " alone): what Outlook, Thunderbird,
 * Notes, GroupWise, webmail and telephones were seen to write.
 */
static const char *const answers[] = {
	"re", "ré", "réf", "réponse",             /* most languages; French */
	"aw", "antw", "antwort",                  /* German, Dutch, Afrikaans */
	"sv", "svar",                             /* Danish, Norwegian, Swedish, Icelandic */
	"vs", "vast", "vastus", "vastaus",        /* Finnish, Estonian */
	"res", "resp", "rv", "rsp",               /* Portuguese, Spanish */
	"rif", "r", "risp",                       /* Italian */
	"răsp", "răspuns",                        /* Romanian */
	"odp", "odpověď", "odpoveď", "odpowiedź", /* Polish, Czech, Slovak */
	"odg", "odgovor", "одг", "одговор",       /* Croatian, Slovene, Serbian, Macedonian */
	"vá", "vál", "válasz",                    /* Hungarian */
	"ynt", "yan", "yanıt", "cvp", "cavab",    /* Turkish, Azerbaijani */
	"bls", "balas", "tl", "trả lời",          /* Indonesian, Malay, Vietnamese */
	"atb", "atbilde", "ats", "atsakymas",     /* Welsh, Latvian, Lithuanian */
	"απ", "απάντηση", "σχετ",                 /* Greek */
	"отв", "ответ", "на", "ha",               /* Russian; Outlook's "НА:", also in Latin */
	"відп", "відповідь", "адк", "адказ",      /* Ukrainian, Belarusian */
	"отг", "отговор",                         /* Bulgarian */
	"жауап", "պատ", "პასუხი", "përgj",        /* Kazakh, Armenian, Georgian, Albanian */
	"er", "erantzuna", "freagra",             /* Basque, Irish */
	"השב", "תשובה", "رد", "پاسخ", "جواب",     /* Hebrew, Arabic, Persian, Urdu */
	"उत्तर", "ตอบ", "ตอบกลับ",                  /* Hindi, Thai */
	"回复", "回覆", "答复", "答覆", "回信",   /* Chinese */
	"返信", "返", "회신", "답장", "답변",     /* Japanese, Korean */
};

/* What gateways put before the subject of mail from outside. */
static const char *const gateways[] = { "ext", "extern", "externe", "external", "externo",
	"esterno", "spam" };

/* Signs in pairs that gateways and lists put their marks into. */
struct bracket {
	const char *open, *close;
};

static const struct bracket brackets[] = { { "[", "]" }, { "(", ")" }, { "{", "}" }, { "<", ">" },
	{ "［", "］" }, { "（", "）" }, { "【", "】" }, { "*", "*" } };

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

/* Behind one mark in brackets or between stars, "*** EXTERN ***"; NULL: there is none. */
static const char *
bracket_skip(const char *at)
{
	for (size_t i = 0; i < sizeof(brackets) / sizeof(*brackets); i++) {
		const struct bracket *bracket = &brackets[i];
		const char *end = at + strlen(bracket->open);

		if (strncmp(at, bracket->open, strlen(bracket->open)) != 0)
			continue;
		end = strstr(end + strspn(end, "*"), bracket->close);
		if (end == NULL)
			return NULL;
		end += strlen(bracket->close);
		end += strspn(end, "*");
		return end + strspn(end, " \t");
	}
	return NULL;
}

/* Cuts white space off the end of a text, also the kind that does not break lines (French). */
static size_t
space_cut(const char *at, size_t length)
{
	for (;;) {
		if (length > 0 && strchr(" \t.", at[length - 1]) != NULL)
			length--;
		else if (length > 1 && memcmp(at + length - 2, "\u00a0", 2) == 0)
			length -= 2;
		else if (length > 2 && memcmp(at + length - 3, "\u202f", 3) == 0)
			length -= 3;
		else
			return length;
	}
}

/* Cuts "[2]", " (2)", "^2", "*2" or "2" off: the how manieth answer it is. */
static size_t
count_cut(const char *at, size_t length)
{
	size_t cut = space_cut(at, length);

	if (cut > 0 && strchr("])", at[cut - 1]) != NULL)
		cut--;
	while (cut > 0 && at[cut - 1] >= '0' && at[cut - 1] <= '9')
		cut--;
	if (cut > 0 && strchr("[(^*", at[cut - 1]) != NULL)
		cut--;
	return space_cut(at, cut);
}

/* Is a text one of these, whatever its case and form? */
static bool
is_one_of(const char *const *words, size_t count, const char *text, size_t length)
{
	uint8_t scratch[4 * MAX_PREFIX], *folded;
	size_t size = sizeof(scratch);
	bool is_found = false;

	if (length == 0)
		return false;
	folded = u8_casefold((const uint8_t *)text, length, NULL, UNINORM_NFKC, scratch, &size);
	for (size_t i = 0; folded != NULL && i < count && !is_found; i++)
		is_found = strlen(words[i]) == size && memcmp(words[i], folded, size) == 0;
	if (folded != scratch)
		free(folded);
	return is_found;
}

/* Where the first colon is, a wide one too, and what is behind it; NULL: there is none near. */
static const char *
colon_find(const char *at, const char **behind_r)
{
	static const char wide[] = "：";

	for (size_t i = 0; at[i] != '\0' && i < MAX_PREFIX; i++) {
		size_t length = at[i] == ':' ? 1 : sizeof(wide) - 1;

		if (at[i] != ':' && strncmp(at + i, wide, length) != 0)
			continue;
		*behind_r = at + i + length;
		return at + i;
	}
	return NULL;
}

/* Behind the mark of a gateway, "(EXTERN)" or "EXT:"; NULL: there is none. */
static const char *
gateway_skip(const char *at)
{
	const char *behind, *colon = bracket_skip(at);

	if (colon != NULL)
		return colon;
	colon = colon_find(at, &behind);
	if (colon == NULL || !is_one_of(gateways, sizeof(gateways) / sizeof(*gateways), at,
				 space_cut(at, (size_t)(colon - at))))
		return NULL;
	return behind + strspn(behind, " \t");
}

/* Behind the colon of an answer's mark; NULL: it is none. */
static const char *
answer_skip(const char *at)
{
	const char *next, *colon;

	at += strspn(at, " \t");
	while ((next = gateway_skip(at)) != NULL)
		at = next;
	colon = colon_find(at, &next);
	if (colon == NULL || !is_one_of(answers, sizeof(answers) / sizeof(*answers), at,
				 count_cut(at, (size_t)(colon - at))))
		return NULL;
	return next;
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
