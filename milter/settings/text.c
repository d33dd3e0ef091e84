/*
 * Texts of the settings file: what is a domain, an address, a network, and how far two
 * words are apart.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/base/quote.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/settings/internal.h"

/* A copy that lives as long as the settings. */
char *
settings_keep(struct settings_reader *reader, const char *text, size_t length)
{
	char *copy = base_arena_strndup(reader->arena, text, length);

	if (copy == NULL)
		reader->is_short = true;
	return copy;
}

/* A domain, as mail's are compared. */
const char *
settings_keep_domain(struct settings_reader *reader, const char *domain, const char **normal_r)
{
	const char *why = "";
	enum base_result result = mail_domain_normal(reader->arena, domain, normal_r, &why);

	if (result == BASE_REFUSE)
		return why;
	reader->is_short = reader->is_short || result != BASE_OK;
	return NULL;
}

/* An address, or "@domain", as mail's are compared. */
const char *
settings_keep_address(struct settings_reader *reader, const char *address, const char **normal_r)
{
	const char *at = strrchr(address, '@'), *normal = NULL, *problem, *why = "";
	struct mail_address parts = {
		.local = settings_keep(reader, address, (size_t)(at - address)),
	};

	problem = settings_keep_domain(reader, at + 1, &parts.domain);
	if (problem != NULL || reader->is_short)
		return problem;
	if (at == address)
		normal = base_arena_printf(reader->arena, "@%s", parts.domain);
	else if (mail_address_normal(reader->arena, &parts, &normal, &why) == BASE_REFUSE)
		return why;
	if (normal == NULL)
		reader->is_short = true;
	else
		*normal_r = normal;
	return NULL;
}

/* An address as mail's are compared, cut at one of the delimiters. */
static const char *
keep_cut(
    struct settings_reader *reader, const char *address, const char *delimiters, const char **cut_r)
{
	const char *normal = NULL;
	const char *problem = settings_keep_address(reader, address, &normal);

	if (problem != NULL || reader->is_short)
		return problem;
	*cut_r = mail_address_strip_extension(reader->arena, normal, delimiters);
	reader->is_short = *cut_r == NULL;
	return NULL;
}

const char *
settings_keep_casefolded(struct settings_reader *reader, const char *address, const char **folded_r)
{
	return keep_cut(reader, address, reader->settings->identity.recipient_delimiter, folded_r);
}

const char *
settings_keep_account(struct settings_reader *reader, const char *address, const char **account_r)
{
	return keep_cut(reader, address,
	    mail_account_delimiters(reader->settings->identity.recipient_delimiter), account_r);
}

/* Keeps a text as it stands. */
const char *
settings_keep_as_is(struct settings_reader *reader, const char *text, void *target)
{
	*(const char **)target = settings_keep(reader, text, strlen(text));
	return NULL;
}

/* Are there control characters or spaces in it? */
bool
settings_has_blanks(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return true;
	return false;
}

/* Letters, digits and hyphens between dots; bytes beyond ASCII as RFC 6531 allows them. */
bool
settings_is_domain(const char *text, size_t length)
{
	size_t label = 0;

	if (length == 0 || length > 255 || !base_is_utf8(text, length))
		return false;
	for (size_t i = 0; i <= length; i++) {
		unsigned char c = i < length ? (unsigned char)text[i] : '.';

		if (c == '.') {
			if (label == 0 || label > 63 || text[i - 1] == '-')
				return false;
			label = 0;
		} else if (isalnum(c) || c >= 0x80 || c == '_' || (c == '-' && label > 0)) {
			label++;
		} else {
			return false;
		}
	}
	return true;
}

/* local@domain with a dot-atom before the '@': what a site gives to its own lists and
 * robots. */
bool
settings_is_address(const char *text)
{
	const char *at = strrchr(text, '@');
	size_t length = at == NULL ? 0 : (size_t)(at - text);

	if (length == 0 || length > 64 || text[0] == '.' || at[-1] == '.' ||
	    !base_is_utf8(text, length))
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '.' && text[i + 1] == '.')
			return false;
		if (!isalnum(c) && c < 0x80 && strchr(".!#$%&'*+-/=?^_`{|}~", c) == NULL)
			return false;
	}
	return settings_is_domain(at + 1, strlen(at + 1));
}

/* Decimal digits, no sign, no spaces. */
bool
settings_is_number(const char *text, size_t length, unsigned long max, unsigned long *r)
{
	unsigned long value = 0;

	if (length == 0 || length > 18)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned long)(text[i] - '0');
	}
	if (value > max)
		return false;
	*r = value;
	return true;
}

/* A numeric address: no name is ever looked up. */
bool
settings_is_ip(const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1;
}

/* IPv4 in IPv6's clothes (RFC 4291 2.5.5.2) is taken as IPv4, as peers are. */
static void
network_unmap(struct settings_network *network)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (network->family != AF_INET6 || network->prefix < 96 ||
	    memcmp(network->address, mapped, sizeof(mapped)) != 0)
		return;
	network->family = AF_INET;
	network->prefix -= 96;
	memmove(network->address, network->address + 12, 4);
	memset(network->address + 4, 0, 12);
}

/* Clears the bits beyond the prefix; were there any? */
static bool
network_trim(struct settings_network *network)
{
	unsigned bits = network->family == AF_INET ? 32 : 128;
	bool had_some = false;

	for (unsigned i = network->prefix; i < bits; i++) {
		unsigned char bit = (unsigned char)(0x80u >> (i % 8));

		had_some = had_some || (network->address[i / 8] & bit) != 0;
		network->address[i / 8] &= (unsigned char)~bit;
	}
	return had_some;
}

/* An address with or without a prefix. */
const char *
settings_network_parse(const char *text, struct settings_network *network_r)
{
	static const char wrong[] = "not a network: use an address and a prefix, \"10.0.0.0/8\" or "
				    "\"2001:db8::/32\"";
	struct settings_network network = { .family = AF_INET };
	const char *slash = strchr(text, '/');
	size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
	char address[INET6_ADDRSTRLEN];
	unsigned long prefix;

	if (length >= sizeof(address))
		return wrong;
	memcpy(address, text, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, network.address) != 1) {
		network.family = AF_INET6;
		if (inet_pton(AF_INET6, address, network.address) != 1)
			return wrong;
	}
	prefix = network.family == AF_INET ? 32 : 128;
	if (slash != NULL && !settings_is_number(slash + 1, strlen(slash + 1), prefix, &prefix))
		return base_why("not a network: the prefix is a number from 0 to %lu", prefix);
	network.prefix = (unsigned)prefix;
	network_unmap(&network);
	if (network_trim(&network)) {
		inet_ntop(network.family, network.address, address, sizeof(address));
		return base_why("has bits set beyond its prefix: did you mean \"%s/%u\"?", address,
		    network.prefix);
	}
	*network_r = network;
	return NULL;
}
