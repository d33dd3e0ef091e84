/*
 * extension - extensions of local parts ("anna+news@"), where a site says that they mean nobody
 * else
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/mail/internal.h"

#include <string.h>
#include <strings.h>

/*
 * Names that an MTA never cuts when the delimiter is a hyphen (postconf(5), recipient_delimiter).
 */
static bool
is_whole(const char *normal, size_t length)
{
	static const char request[] = "-request";
	size_t tail = sizeof(request) - 1;

	return strncasecmp(normal, "owner-", 6) == 0 ||
	       strncasecmp(normal, "mailer-daemon@", 14) == 0 ||
	       strncasecmp(normal, "double-bounce@", 14) == 0 ||
	       (length > tail && strncasecmp(normal + length - tail, request, tail) == 0);
}

const char *
mail_address_strip_extension(struct base_arena *arena, const char *normal, const char *delimiters)
{
	const char *domain = mail_domain_of(normal);
	size_t local, cut;

	if (*delimiters == '\0' || *domain == '\0' || *normal == '"')
		return normal;
	local = (size_t)(domain - normal) - 1;
	cut = strcspn(normal, delimiters);
	if (cut == 0 || cut >= local)
		return normal;
	if (normal[cut] == '-' && is_whole(normal, local))
		return normal;
	return base_arena_printf(arena, "%.*s@%s", (int)cut, normal, domain);
}

/* A set anew: two that were different may be the same now. */
static enum base_result
set_strip(struct base_arena *arena, struct mail_addresses *set, const char *delimiters)
{
	struct mail_addresses stripped = { 0 };
	enum base_result result = BASE_OK;
	size_t i;

	for (i = 0; i < set->count && result == BASE_OK; i++) {
		const char *normal = mail_address_strip_extension(arena, set->items[i], delimiters);

		result =
		    normal == NULL ? BASE_BROKEN : mail_addresses_add(arena, &stripped, normal);
	}
	if (result != BASE_OK)
		return result;
	stripped.seen = set->seen;
	stripped.capped = set->capped;
	*set = stripped;
	return BASE_OK;
}

/* The addresses that display names stand with. */
static enum base_result
names_strip(struct base_arena *arena, struct mail_transaction *transaction, const char *delimiters)
{
	size_t i;

	for (i = 0; i < transaction->name_count; i++) {
		struct mail_name *name = &transaction->names[i];

		name->address = mail_address_strip_extension(arena, name->address, delimiters);
		if (name->address == NULL)
			return BASE_BROKEN;
	}
	return BASE_OK;
}

const char *
mail_account_delimiters(const char *delimiters)
{
	return strchr(delimiters, '+') != NULL ? "+" : "";
}

/* One address of a transaction; one made by hand may have none. */
static bool
text_strip(struct base_arena *arena, const char **text, const char *delimiters)
{
	const char *stripped =
	    *text == NULL ? NULL : mail_address_strip_extension(arena, *text, delimiters);

	if (stripped != NULL)
		*text = stripped;
	return stripped != NULL || *text == NULL;
}

enum base_result
mail_transaction_strip_extensions(
    struct base_arena *arena, struct mail_transaction *transaction, const char *delimiters)
{
	const char **const texts[] = { &transaction->envelope_sender, &transaction->from,
		&transaction->sender, &transaction->resent_from };
	const char **const written[] = { &transaction->envelope_written, &transaction->from_written,
		&transaction->resent_written };
	enum base_result result;
	size_t i;

	if (*delimiters == '\0')
		return BASE_OK;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!text_strip(arena, texts[i], delimiters))
			return BASE_BROKEN;
	for (i = 0; i < sizeof(written) / sizeof(*written); i++)
		if (!text_strip(arena, written[i], mail_account_delimiters(delimiters)))
			return BASE_BROKEN;
	result = set_strip(arena, &transaction->recipients, delimiters);
	if (result == BASE_OK)
		result = set_strip(arena, &transaction->to, delimiters);
	if (result == BASE_OK)
		result = set_strip(arena, &transaction->cc, delimiters);
	if (result == BASE_OK)
		result = names_strip(arena, transaction, delimiters);
	return result;
}
