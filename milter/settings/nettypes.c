/*
 * The types of the settings that name sockets, servers, pages and networks.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "milter/base/result.h"
#include "milter/settings/internal.h"

/* "unix:/path", "inet:port@host", "inet6:port@host", as smfi_setconn() takes it. */
static const char *
parse_milter_socket(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	const char *rest = strchr(text, ':');
	const char *at = strchr(text, '@');
	unsigned long port;

	if (strncmp(text, "unix:/", 6) == 0 || strncmp(text, "local:/", 7) == 0) {
		if (strlen(rest + 1) > SETTINGS_MAX_SOCKET)
			return base_why(
			    "too long: a socket's path has at most %d bytes", SETTINGS_MAX_SOCKET);
		return settings_keep_as_is(reader, text, target);
	}
	if (strncmp(text, "inet:", 5) != 0 && strncmp(text, "inet6:", 6) != 0)
		return key->type->wrong;
	if (at == NULL || at[1] == '\0' || settings_has_blanks(at + 1) ||
	    !settings_is_number(rest + 1, (size_t)(at - rest - 1), 65535, &port) || port == 0)
		return "not a socket: the form is \"inet:PORT@HOST\" with a port from 1 to "
		       "65535 "
		       "(\"inet:8892@127.0.0.1\")";
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(milter_socket, parse_milter_socket,
    "not a socket: use \"unix:/path\", \"inet:PORT@HOST\" or \"inet6:PORT@HOST\"");

/* HOST:PORT with a numeric host; two targets, as libmicrohttpd wants them apart. */
static const char *
parse_listen(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	struct settings *settings = reader->settings;
	const char *colon = strrchr(text, ':');
	size_t length = colon == NULL ? 0 : (size_t)(colon - text);
	const char *host = text;
	unsigned long port;

	if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
		host++;
		length -= 2;
	} else if (memchr(text, ':', length) != NULL) {
		return "not an address and port: an IPv6 address needs brackets "
		       "(\"[::1]:8025\")";
	}
	if (length == 0 || !settings_is_ip(host, length))
		return key->type->wrong;
	if (!settings_is_number(colon + 1, strlen(colon + 1), 65535, &port) || port == 0)
		return "not an address and port: the port is a number from 1 to 65535";
	*(const char **)target = settings_keep(reader, host, length);
	settings->web.listen_port = (unsigned)port;
	return NULL;
}
SETTINGS_TEXT_TYPE(listen, parse_listen,
    "not an address and port: use \"127.0.0.1:8025\", \"[::1]:8025\" or \"0.0.0.0:8025\"");

/* http or https, and no more than a path behind the host. */
static const char *
parse_base_url(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
			: strncmp(text, "http://", 7) == 0 ? 7
							   : 0;
	size_t length = strlen(text);

	while (length > scheme && text[length - 1] == '/')
		length--;
	if (scheme == 0 || length == scheme || text[scheme] == '/' || text[scheme] == ':' ||
	    length > 200 || settings_has_blanks(text) || strpbrk(text, "?#\"<>@\\") != NULL)
		return key->type->wrong;
	*(const char **)target = settings_keep(reader, text, length);
	return NULL;
}
SETTINGS_TEXT_TYPE(base_url, parse_base_url,
    "not the address of the pages: use \"https://HOST\" or \"http://HOST\", a port and a "
    "path "
    "if need be, and nothing behind them");

/* A mail domain, kept as mail names it. */
static const char *
parse_domain(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	if (!settings_is_domain(text, strlen(text)))
		return key->type->wrong;
	return settings_keep_domain(reader, text, target);
}
const struct settings_type settings_type_domains = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_domain,
	.wrong = "not a list of domains: use ( \"example.com\", \"example.org\" )",
	.item_size = sizeof(const char *),
};

/* A domain, or "" for none: NULL. */
static const char *
parse_domain_optional(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	*(const char **)target = NULL;
	return text[0] == '\0' ? NULL : parse_domain(reader, key, text, target);
}
SETTINGS_TEXT_TYPE(
    domain_optional, parse_domain_optional, "not a domain: use \"example.com\", or \"\" for none");

/* A network, or one address. */
static const char *
parse_network(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	(void)reader;
	(void)key;
	return settings_network_parse(text, target);
}
const struct settings_type settings_type_networks = {
	.shapes = SETTINGS_TEXT | SETTINGS_SEVERAL,
	.parse = parse_network,
	.wrong = "not a list of networks: use ( \"127.0.0.0/8\", \"::1/128\" )",
	.item_size = sizeof(struct settings_network),
};

/* An SMTP server, as libcurl takes it. */
static const char *
parse_smtp(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target)
{
	size_t scheme = strncmp(text, "smtps://", 8) == 0  ? 8
			: strncmp(text, "smtp://", 7) == 0 ? 7
							   : 0;

	if (scheme == 0 || text[scheme] == '\0' || strchr("/:", text[scheme]) != NULL ||
	    strlen(text) > 200 || settings_has_blanks(text))
		return key->type->wrong;
	return settings_keep_as_is(reader, text, target);
}
SETTINGS_TEXT_TYPE(
    smtp, parse_smtp, "not an SMTP server: use \"smtp://HOST:PORT\" or \"smtps://HOST:PORT\"");

/* Do the first `prefix` bits agree? */
static bool
bits_agree(const unsigned char *a, const unsigned char *b, unsigned prefix)
{
	unsigned bytes = prefix / 8, rest = prefix % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) & (0xff00u >> rest) & 0xff) == 0;
}

/* Is the address in one of the networks? */
bool
settings_networks_have(
    const struct settings_network *networks, size_t count, const struct sockaddr_storage *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	unsigned char bytes[16] = { 0 };

	if (address->ss_family == AF_INET)
		memcpy(bytes, &four->sin_addr, 4);
	else if (address->ss_family == AF_INET6)
		memcpy(bytes, &six->sin6_addr, 16);
	else
		return false;
	for (size_t i = 0; i < count; i++)
		if (networks[i].family == address->ss_family &&
		    bits_agree(networks[i].address, bytes, networks[i].prefix))
			return true;
	return false;
}
