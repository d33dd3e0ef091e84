/* person - whose a login is, and as whom it may send; see identity.h */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/identity/internal.h"

#include <string.h>
#include <strings.h>

#include "milter/mail/mail.h"

/* An address of ours without an extension after one of the delimiters, or "". */
static const char *
address_of_ours(const struct identity_send *send, const char *address, const char *delimiters)
{
	if (address != NULL)
		address = mail_address_strip_extension(send->arena, address, delimiters);
	return address != NULL && settings_is_local(send->settings, address) ? address : "";
}

/* The address of a login: "anna-maria" is an account of her own, and nobody's extension. */
static const char *
login_address(const struct identity_send *send, const char *address)
{
	return address_of_ours(
	    send, address, mail_account_delimiters(send->settings->identity.recipient_delimiter));
}

/*
 * What the mail writes, cut by an account's delimiters alone: the whole of a name that other
 * addresses may share the habits of. `folded` if it is no address of ours.
 */
static const char *
whole_address(const struct identity_send *send, const char *written, const char *folded)
{
	const char *normal, *why;

	if (mail_path_parse(send->arena, written, &normal, &why) != BASE_OK ||
	    login_address(send, normal)[0] == '\0')
		return folded;
	return login_address(send, normal);
}

/* The envelope sender as it stands for a login. */
static const char *
envelope_address(const struct identity_send *send)
{
	return whole_address(
	    send, send->transaction->envelope_written, send->transaction->envelope_sender);
}

/*
 * The domain that a login without one is in; NULL: that is not known. Of several domains the mail
 * itself cannot tell: whoever writes it chooses what stands in From.
 */
static const char *
login_domain(const struct settings *settings)
{
	if (settings->identity.login_domain != NULL)
		return settings->identity.login_domain;
	return settings->identity.local_domain_count == 1 ? settings->identity.local_domains[0]
							  : NULL;
}

/* Whose a login is that the file does not name. */
static const char *
login_guess(const struct identity_send *send)
{
	const char *envelope = send->transaction->envelope_sender;
	const char *login = "", *domain, *why;
	bool is_address;

	if (mail_path_parse(send->arena, send->login, &login, &why) != BASE_OK)
		login = "";
	is_address = strchr(login, '@') != NULL;
	if (is_address && login_address(send, login)[0] != '\0')
		return login_address(send, login);
	if (send->settings->identity.envelope_is_checked &&
	    settings_is_local(send->settings, envelope))
		return envelope_address(send);
	domain = login_domain(send->settings);
	if (is_address || login[0] == '\0' || domain == NULL)
		return "";
	return login_address(send, base_arena_printf(send->arena, "%s@%s", login, domain));
}

/*
 * An address as the mail writes it, if the mail names it, else as it is. What only shares its
 * habits is somebody else: "anna-maria" gets no letter of "anna".
 */
static const char *
written_as(const struct identity_send *send, const char *address)
{
	const char *written[] = { send->author_written, send->transaction->envelope_written };

	for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++)
		if (strcmp(whole_address(send, written[i], ""), address) == 0)
			return written[i];
	return address;
}

/* Is the login one of these? */
static bool
has_login(const struct settings_delegate *delegate, const char *login)
{
	for (size_t i = 0; i < delegate->login_count; i++)
		if (strcasecmp(delegate->logins[i], login) == 0)
			return true;
	return false;
}

/* The first entry of the settings that lets them send as an address, or NULL. */
static const struct settings_delegate *
delegate_find(const struct identity_send *send, const char *person, const char *address)
{
	const struct settings *settings = send->settings;

	for (size_t i = 0; i < settings->identity.delegate_count; i++) {
		const struct settings_delegate *delegate = &settings->identity.delegates[i];

		if (settings_addresses_have(
			delegate->addresses, delegate->address_count, address) &&
		    (has_login(delegate, send->login) ||
			settings_addresses_have(delegate->persons, delegate->person_count, person)))
			return delegate;
	}
	return NULL;
}

/* Is it the person's, or one more address of the login's own? */
static bool
is_own(const struct identity_send *send, const struct identity_login *login, const char *person,
    const char *address)
{
	if (strcmp(address, person) == 0 ||
	    strcmp(address,
		address_of_ours(send, person, send->settings->identity.recipient_delimiter)) == 0)
		return true;
	for (size_t i = 0; login != NULL && i < login->address_count; i++)
		if (strcmp(login->addresses[i], address) == 0)
			return true;
	return false;
}

/* The local address that the mail itself names. */
static const char *
named_of(const struct identity_send *send)
{
	if (settings_is_local(send->settings, send->author))
		return send->author;
	if (settings_is_local(send->settings, send->transaction->envelope_sender))
		return send->transaction->envelope_sender;
	return "";
}

/* Where the letters go about what is sent as `named`. */
static const char *
mailbox_of(const struct identity_send *send, const struct identity *identity,
    const struct settings_delegate *delegate, const char *own)
{
	if (delegate != NULL && delegate->letters_to == SETTINGS_LETTERS_MAILBOX &&
	    strcmp(identity->actor, identity->person) != 0)
		return written_as(send, identity->actor);
	return own;
}

void
identity_by_login(const struct identity_send *send, struct identity *identity_r)
{
	const struct identity_login *login = identity_logins_find(send->logins, send->login);
	const char *named = named_of(send), *person, *own;
	const struct settings_delegate *delegate;

	person = login == NULL ? login_guess(send) : login_address(send, login->person);
	own = login == NULL ? written_as(send, person) : login->written;
	delegate = delegate_find(send, person, named);
	if (person[0] == '\0' && delegate != NULL) {
		person = named;
		own = written_as(send, named);
	}
	identity_r->person = person;
	identity_r->actor = named;
	if (person[0] == '\0')
		return;
	if (delegate == NULL && !is_own(send, login, person, named))
		identity_r->actor = person;
	identity_r->mailbox = mailbox_of(send, identity_r, delegate, own);
}

void
identity_by_network(const struct identity_send *send, struct identity *identity_r)
{
	const struct mail_transaction *transaction = send->transaction;
	const char *person = named_of(send), *whole;

	identity_r->actor = person;
	if (transaction->resent_from[0] == '\0' &&
	    settings_is_local(send->settings, transaction->envelope_sender))
		person = transaction->envelope_sender;
	identity_r->person = person;
	if (person[0] == '\0')
		return;
	whole = person == transaction->envelope_sender
		    ? envelope_address(send)
		    : whole_address(send, send->author_written, person);
	identity_r->mailbox = mailbox_of(send, identity_r,
	    delegate_find(send, whole, identity_r->actor), written_as(send, whole));
}
