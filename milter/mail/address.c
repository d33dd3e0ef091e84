/* address - addresses of envelopes and headers, taken apart and normalised; see mail.h */
#include "milter/base/arena.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/internal.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include <uninorm.h>

#define MAX_LABEL 63 /* bytes, RFC 1035 2.3.4 */

/* A letter, a digit or a byte of a UTF-8 character (RFC 6531). */
static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c & 0x80) != 0;
}

/* atext of RFC 5322 3.2.3 */
static bool
is_atext(char c)
{
	return is_letter(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Copies the quoted string at text[0] to out; the bytes it took, 0 if it is malformed. */
static size_t
split_quoted(const char *text, size_t length, char *out, size_t *out_length)
{
	size_t at;

	for (at = 1; at < length && text[at] != '"'; at++) {
		if (text[at] == '\\') {
			at++;
			if (at == length || (text[at] & 0x80) != 0)
				return 0;
		}
		if ((unsigned char)text[at] < ' ' || text[at] == 0x7F)
			return 0;
		out[(*out_length)++] = text[at];
	}
	return at < length ? at + 1 : 0;
}

/*
 * The local part at the start of text, at most MAIL_MAX_DOMAIN bytes long; the bytes it
 * took, 0 if there is none. The header grammar also takes words quoted one by one
 * (obs-local-part) and dots anywhere, which some large providers have handed out.
 */
static size_t
split_local(
    const char *text, size_t length, enum mail_grammar grammar, char *local, const char **why_r)
{
	size_t at = 0, out = 0, start, took;
	bool was_quoted = false;

	for (;;) {
		start = at;
		if (at < length && text[at] == '"' && (at == 0 || grammar == MAIL_HEADER)) {
			took = split_quoted(text + at, length - at, local, &out);
			if (took == 0) {
				*why_r = "the quoted local part is malformed";
				return 0;
			}
			was_quoted = true;
			at += took;
		}
		while (at < length && !(was_quoted && start < at && text[at - 1] == '"') &&
		       is_atext(text[at]))
			local[out++] = text[at++];
		if (at == start && grammar == MAIL_ENVELOPE) {
			*why_r = "the local part is empty, or has a dot at its end or twice";
			return 0;
		}
		if (at == length || text[at] != '.' || (was_quoted && grammar == MAIL_ENVELOPE))
			break;
		local[out++] = text[at++];
	}
	local[out] = '\0';
	if (at == 0)
		*why_r = "the local part is empty";
	return at;
}

/* An address literal in brackets, RFC 5321 4.1.3. */
static bool
is_literal(const char *text, size_t length)
{
	unsigned char address[sizeof(struct in6_addr)];
	char inner[INET6_ADDRSTRLEN + 1];
	bool is_ipv6;

	if (length < 2 || text[length - 1] != ']')
		return false;
	is_ipv6 = length > 7 && strncasecmp(text, "[IPv6:", 6) == 0;
	text += is_ipv6 ? 6 : 1;
	length -= is_ipv6 ? 7 : 2;
	if (length >= sizeof(inner))
		return false;
	memcpy(inner, text, length);
	inner[length] = '\0';
	return inet_pton(is_ipv6 ? AF_INET6 : AF_INET, inner, address) == 1;
}

/* Any domain-literal of RFC 5322 without its obsolete quoting. */
static bool
is_header_literal(const char *text, size_t length)
{
	size_t i;

	for (i = 1; i + 1 < length; i++) {
		if (text[i] < ' ' || text[i] > '~' || strchr("[]\\", text[i]) != NULL)
			return false;
	}
	return length >= 2 && text[length - 1] == ']';
}

/* Labels of letters, digits and inner hyphens, RFC 5321 4.1.2. */
static bool
is_domain(const char *text, size_t length)
{
	size_t at, start = 0;

	for (at = 0; at <= length; at++) {
		if (at < length && text[at] != '.') {
			if (!is_letter(text[at]) && text[at] != '-')
				return false;
			continue;
		}
		if (at == start || at - start > MAX_LABEL || text[start] == '-' ||
		    text[at - 1] == '-')
			return false;
		start = at + 1;
	}
	return true;
}

/* A dot-atom, RFC 5322 3.2.3. */
static bool
is_dot_atom(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (text[i] == '.' ? i == 0 || i + 1 == length || text[i - 1] == '.'
				   : !is_atext(text[i]))
			return false;
	}
	return length > 0;
}

/* Is this a domain or a literal in the grammar? */
static bool
is_domain_of(const char *text, size_t length, enum mail_grammar grammar)
{
	if (length > 0 && text[0] == '[')
		return is_literal(text, length) ||
		       (grammar == MAIL_HEADER && is_header_literal(text, length));
	if (grammar == MAIL_HEADER)
		return is_dot_atom(text, length);
	return is_domain(text, length);
}

enum base_result
mail_split_address(const char *text, size_t length, enum mail_grammar grammar,
    struct mail_split *split_r, const char **why_r)
{
	struct mail_split split;
	size_t at, i;

	if (length > MAIL_MAX_ADDRESS) {
		*why_r = base_why("the address has more than %d bytes", MAIL_MAX_ADDRESS);
		return BASE_REFUSE;
	}
	if (!base_is_utf8(text, length) || memchr(text, '\0', length) != NULL) {
		*why_r = "the address is not UTF-8 text";
		return BASE_REFUSE;
	}
	at = split_local(text, length, grammar, split.local, why_r);
	if (at == 0)
		return BASE_REFUSE;
	if (grammar == MAIL_ENVELOPE && at > MAIL_MAX_LOCAL) {
		*why_r = base_why("the local part has more than %d bytes", MAIL_MAX_LOCAL);
		return BASE_REFUSE;
	}
	if (at == length || text[at] != '@') {
		*why_r = base_why("an @ is expected at byte %zu", at + 1);
		return BASE_REFUSE;
	}
	text += at + 1;
	length -= at + 1;
	if (grammar == MAIL_HEADER && length > 1 && text[length - 1] == '.')
		length--; /* the root's dot */
	if (!is_domain_of(text, length, grammar)) {
		*why_r = "what follows the @ is no domain and no address literal";
		return BASE_REFUSE;
	}
	for (i = 0; i < length; i++)
		split.domain[i] = mail_lower(text[i]);
	split.domain[length] = '\0';
	*split_r = split;
	return BASE_OK;
}

/* Can this local part stand without quotes? Dots are taken anywhere, as the header grammar
 * does. */
static bool
is_plain_local(const char *local)
{
	const char *p;

	for (p = local; *p != '\0'; p++) {
		if (!is_atext(*p) && *p != '.')
			return false;
	}
	return p != local;
}

/* Has the text no byte beyond ASCII? */
static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (*text & 0x80) == 0)
		text++;
	return *text == '\0';
}

/*
 * An internationalised domain as the DNS knows it (RFC 5890: A-labels), so that both spellings
 * are one. What has no such form stays as it is; so does what would become something else than
 * a domain, for compatibility characters can stand for '@' or a space.
 */
static const char *
domain_to_ascii(const char *domain, char ascii[MAIL_MAX_DOMAIN + 1])
{
	char *found = NULL;
	size_t length;

	if (is_ascii(domain) ||
	    idn2_to_ascii_8z(domain, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return domain;
	length = strlen(found);
	if (length <= MAIL_MAX_DOMAIN && is_domain(found, length))
		domain = memcpy(ascii, found, length + 1);
	idn2_free(found);
	return domain;
}

/*
 * A local part as it is compared: without case, as Postfix folds it for its own tables, and
 * with its accents in one form (NFC, RFC 6532 3.1). What would not fit any more stays as it
 * is, but for the case of its ASCII letters.
 */
static void
local_fold(const char *local, char folded_r[MAIL_MAX_DOMAIN + 1])
{
	uint8_t scratch[MAIL_MAX_DOMAIN], *folded;
	size_t length = sizeof(scratch), i;
	bool is_ascii = true;

	for (i = 0; local[i] != '\0'; i++) {
		folded_r[i] = mail_lower(local[i]);
		is_ascii = is_ascii && (local[i] & 0x80) == 0;
	}
	folded_r[i] = '\0';
	if (is_ascii)
		return;
	folded = u8_casefold((const uint8_t *)local, i, NULL, UNINORM_NFC, scratch, &length);
	if (folded != NULL && length <= MAIL_MAX_DOMAIN) {
		memcpy(folded_r, folded, length);
		folded_r[length] = '\0';
	}
	if (folded != scratch)
		free(folded);
}

void
mail_address_write(const char *local, const char *domain, char text_r[MAIL_NORMAL_SIZE])
{
	bool is_plain = is_plain_local(local);
	char *out = text_r;

	if (!is_plain)
		*out++ = '"';
	for (; *local != '\0'; local++) {
		if (*local == '"' || *local == '\\')
			*out++ = '\\';
		*out++ = *local;
	}
	if (!is_plain)
		*out++ = '"';
	if (*domain != '\0')
		*out++ = '@';
	for (; *domain != '\0'; domain++)
		*out++ = mail_lower(*domain);
	*out = '\0';
}

void
mail_normal_write(const char *local, const char *domain, char normal_r[MAIL_NORMAL_SIZE])
{
	char folded[MAIL_MAX_DOMAIN + 1], ascii[MAIL_MAX_DOMAIN + 1];

	local_fold(local, folded);
	mail_address_write(folded, domain_to_ascii(domain, ascii), normal_r);
}

/* Cuts white space, the angle brackets and a source route off a path. */
static enum base_result
path_trim(const char **text, size_t *length, const char **why_r)
{
	const char *colon;

	while (*length > 0 && mail_is_space(**text)) {
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && mail_is_space((*text)[*length - 1]))
		(*length)--;
	if (*length > 0 && **text == '<') {
		if ((*text)[*length - 1] != '>') {
			*why_r = "the path does not end with >";
			return BASE_REFUSE;
		}
		(*text)++;
		*length -= 2;
	}
	if (*length > 0 && **text == '@') {
		colon = memchr(*text, ':', *length);
		if (colon == NULL) {
			*why_r = "the source route does not end with a colon";
			return BASE_REFUSE;
		}
		*length -= (size_t)(colon + 1 - *text);
		*text = colon + 1;
	}
	return BASE_OK;
}

/* A path without a domain: the name of a local user. */
static enum base_result
split_user(const char *path, size_t length, struct mail_split *split_r, const char **why_r)
{
	struct mail_split split = { .domain = "" };

	if (length > MAIL_MAX_LOCAL || !base_is_utf8(path, length)) {
		*why_r = "the local part is too long or not UTF-8 text";
		return BASE_REFUSE;
	}
	if (split_local(path, length, MAIL_ENVELOPE, split.local, why_r) != length) {
		*why_r = "neither an address nor a local part";
		return BASE_REFUSE;
	}
	*split_r = split;
	return BASE_OK;
}

enum base_result
mail_path_split(const char *path, struct mail_split *split_r, const char **why_r)
{
	size_t length = strlen(path);
	enum base_result result = path_trim(&path, &length, why_r);

	if (result != BASE_OK)
		return result;
	if (length == 0) {
		split_r->local[0] = split_r->domain[0] = '\0';
		return BASE_OK;
	}
	if (memchr(path, '@', length) == NULL)
		return split_user(path, length, split_r, why_r);
	if (path[length - 1] == '.')
		length--; /* the root's dot: MTAs take it */
	return mail_split_address(path, length, MAIL_ENVELOPE, split_r, why_r);
}

enum base_result
mail_path_normal(const char *path, char normal_r[MAIL_NORMAL_SIZE], const char **why_r)
{
	struct mail_split split;
	enum base_result result = mail_path_split(path, &split, why_r);

	if (result != BASE_OK)
		return result;
	normal_r[0] = '\0';
	if (split.local[0] != '\0' || split.domain[0] != '\0')
		mail_normal_write(split.local, split.domain, normal_r);
	return BASE_OK;
}

enum base_result
mail_address_parse(struct base_arena *arena, const char *text, size_t length,
    struct mail_address *address_r, const char **why_r)
{
	struct mail_address address;
	struct mail_split split;
	enum base_result result;

	result = mail_split_address(text, length, MAIL_ENVELOPE, &split, why_r);
	if (result != BASE_OK)
		return result;
	address.local = base_arena_strdup(arena, split.local);
	address.domain = base_arena_strdup(arena, split.domain);
	if (address.local == NULL || address.domain == NULL) {
		*why_r = "no memory for an address";
		return BASE_BROKEN;
	}
	*address_r = address;
	return BASE_OK;
}

/* A result in the arena, or BROKEN. */
static enum base_result
address_keep(
    struct base_arena *arena, const char *normal, const char **normal_r, const char **why_r)
{
	char *copy = base_arena_strdup(arena, normal);

	if (copy == NULL) {
		*why_r = "no memory for an address";
		return BASE_BROKEN;
	}
	*normal_r = copy;
	return BASE_OK;
}

enum base_result
mail_path_parse(
    struct base_arena *arena, const char *path, const char **address_r, const char **why_r)
{
	char normal[MAIL_NORMAL_SIZE];
	enum base_result result = mail_path_normal(path, normal, why_r);

	return result == BASE_OK ? address_keep(arena, normal, address_r, why_r) : result;
}

enum base_result
mail_address_normal(struct base_arena *arena, const struct mail_address *address,
    const char **normal_r, const char **why_r)
{
	char normal[MAIL_NORMAL_SIZE];

	if (strlen(address->local) > MAIL_MAX_DOMAIN || strlen(address->domain) > MAIL_MAX_DOMAIN) {
		*why_r = "the address is too long";
		return BASE_REFUSE;
	}
	mail_normal_write(address->local, address->domain, normal);
	return address_keep(arena, normal, normal_r, why_r);
}

enum base_result
mail_domain_normal(
    struct base_arena *arena, const char *domain, const char **normal_r, const char **why_r)
{
	char ascii[MAIL_MAX_DOMAIN + 1], normal[MAIL_MAX_DOMAIN + 1];
	const char *found = domain_to_ascii(domain, ascii);
	size_t i;

	if (!is_ascii(found) || strlen(found) > MAIL_MAX_DOMAIN) {
		*why_r = "the domain has no form that the DNS knows";
		return BASE_REFUSE;
	}
	for (i = 0; found[i] != '\0'; i++)
		normal[i] = mail_lower(found[i]);
	normal[i] = '\0';
	return address_keep(arena, normal, normal_r, why_r);
}

const char *
mail_domain_of(const char *normal)
{
	const char *at = strrchr(normal, '@');

	return at == NULL ? normal + strlen(normal) : at + 1;
}

bool
mail_address_is_mailbox(const char *normal)
{
	const char *at = strrchr(normal, '@');
	bool is_quoted = normal[0] == '"';
	const char *p = normal + is_quoted;

	if (is_quoted && (at == NULL || at - normal < 2 || at[-1] != '"'))
		return false;
	if (at == NULL || at == normal || strchr("|/:\\-", *p) != NULL)
		return false;
	for (; p < at; p++)
		if (strchr("%!@", *p) != NULL || (unsigned char)*p < ' ' || *p == 0x7F)
			return false;
	return true;
}

/* Is a domain one of these, or below one? */
static bool
domains_have(const struct mail_domains *domains, const char *domain)
{
	for (size_t i = 0; domains != NULL && i < domains->count; i++)
		if (mail_domain_is_within(domain, domains->items[i]))
			return true;
	return false;
}

bool
mail_is_inside(const struct mail_transaction *transaction, const char *sender, const char *address)
{
	const char *own = mail_domain_of(sender), *domain = mail_domain_of(address);

	if (*domain == '\0')
		return true;
	if (!mail_address_is_mailbox(address))
		return false;
	return mail_domain_is_within(domain, own) || mail_domain_is_within(own, domain) ||
	       (domains_have(transaction->inside, own) &&
		   domains_have(transaction->inside, domain));
}

bool
mail_domain_is_within(const char *domain, const char *parent)
{
	size_t length = strlen(domain), parent_length = strlen(parent);

	if (parent_length == 0 || length < parent_length)
		return false;
	if (strcasecmp(domain + length - parent_length, parent) != 0)
		return false;
	return length == parent_length || domain[length - parent_length - 1] == '.';
}
