/* quoted - addresses in a text that is no header; see mail.h */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"

#include <string.h>

#define LOCAL_BYTES                                                                                \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/"                 \
	"=?^_{|}~-"
#define DOMAIN_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-"

/* Is it one of these bytes? A NUL is none of them. */
static bool
is_of(const char *bytes, char byte)
{
	return byte != '\0' && strchr(bytes, byte) != NULL;
}

/* What is around an at sign, normalised; NULL: no address. */
static const char *
address_at(struct base_arena *arena, const char *text, size_t length, size_t at)
{
	size_t start = at, end = at + 1;
	struct mail_address address;
	const char *normal, *why;

	while (start > 0 && at - start < MAIL_MAX_LOCAL && is_of(LOCAL_BYTES, text[start - 1]))
		start--;
	while (end < length && end - at < MAIL_MAX_DOMAIN && is_of(DOMAIN_BYTES, text[end]))
		end++;
	while (end > at + 1 && is_of(".-", text[end - 1])) /* of the sentence */
		end--;
	if (mail_address_parse(arena, text + start, end - start, &address, &why) != BASE_OK ||
	    mail_address_normal(arena, &address, &normal, &why) != BASE_OK)
		return NULL;
	return normal;
}

void
mail_text_each_address(struct base_arena *arena, const char *text, size_t length, size_t most,
    mail_mailbox_fn *each, void *context)
{
	for (size_t at = 0; at < length && most > 0; at++) {
		const char *normal;

		if (text[at] != '@')
			continue;
		most--;
		normal = address_at(arena, text, length, at);
		if (normal != NULL && !each(context, "", normal))
			return;
	}
}
