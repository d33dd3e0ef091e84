/* person - whose a login is, and as whom it may send; see identity.h */
#include "milter/identity/internal.h"

#include <string.h>
#include <strings.h>

#include "milter/mail/mail.h"

/* Is the local part of an address of ours this name? */
static bool
is_named(const struct settings *settings, const char *address, const char *name)
{
	size_t length = strlen(name);

	return settings_is_local(settings, address) &&
	       strncmp(address, name, length) == 0 && address[length] == '@';
}

/* The domain that a login without one is in. */
static const char *
login_domain(const struct identity_send *send, const char *name)
{
	const struct settings *settings = send->settings;

	if (settings->identity.login_domain != NULL)
		return settings->identity.login_domain;
	if (is_named(settings, send->author, name))
		return mail_domain_of(send->author);
	if (is_named(settings, send->transaction->envelope_sender, name))
		return mail_domain_of(send->transaction->envelope_sender);
	return settings->identity.local_domain_count == 0
		   ? ""
		   : settings->identity.local_domains[0];
}

/* An address of ours without an extension after one of the delimiters, or "". */
static const char *
address_of_ours(
    const struct identity_send *send, const char *address, const char *delimiters)
{
	if (address != NULL)
		address = mail_address_fold(send->arena, address, delimiters);
	return address != NULL && settings_is_local(send->settings, address) ? address : "";
}

/* The address of a login: "anna-maria" is an account of her own, and nobody's extension. */
static const char *
login_address(const struct identity_send *send, const char *address)
{
	return address_of_ours(send, address,
	    mail_account_delimiters(send->settings->identity.recipient_delimiter));
}

/* The envelope sender as it stands for a login. */
static const char *
envelope_address(const struct identity_send *send)
{
	const struct mail_transaction *transaction = send->transaction;
	const char *normal, *why;

	if (mail_path_parse(send->arena, transaction->envelope_written, &normal, &why) !=
		BASE_OK ||
	    login_address(send, normal)[0] == '\0')
		return transaction->envelope_sender;
	return login_address(send, normal);
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
	if (is_address || login[0] == '\0')
		return "";
	domain = login_domain(send, login);
	return login_address(send, base_arena_printf(send->arena, "%s@%s", login, domain));
}

/* As it is written in the mail, if the mail names it; else as it is. */
static const char *
written_as(const struct identity_send *send, const char *address)
{
	const char *written = "";

	if (strcmp(address, send->author) == 0)
		written = send->author_written;
	else if (strcmp(address, send->transaction->envelope_sender) == 0)
		written = send->transaction->envelope_written;
	return written[0] != '\0' ? written : address;
}

/* The same of a login's address: what the mail writes may be another one with an extension. */
static const char *
written_whole(const struct identity_send *send, const char *address)
{
	const char *written = written_as(send, address), *normal, *why;

	if (mail_path_parse(send->arena, written, &normal, &why) == BASE_OK &&
	    settings_is_local(send->settings, normal) &&
	    strcmp(login_address(send, normal), address) != 0)
		return address;
	return written;
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
			settings_addresses_have(
			    delegate->persons, delegate->person_count, person)))
			return delegate;
	}
	return NULL;
}

/* Is it the person's, or one more address of the login's own? */
static bool
is_own(const struct identity_send *send, const struct identity_login *login,
    const char *person, const char *address)
{
	if (strcmp(address, person) == 0 ||
	    strcmp(address, address_of_ours(send, person,
				send->settings->identity.recipient_delimiter)) == 0)
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
	const struct identity_login *login =
	    identity_logins_find(send->logins, send->login);
	const char *named = named_of(send), *person, *own;
	const struct settings_delegate *delegate;

	person = login == NULL ? login_guess(send) : login_address(send, login->person);
	own = login == NULL ? written_whole(send, person) : login->written;
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
	const char *person = named_of(send), *own = NULL;

	identity_r->actor = person;
	if (transaction->resent_from[0] == '\0' &&
	    settings_is_local(send->settings, transaction->envelope_sender)) {
		person = transaction->envelope_sender;
		if (strcmp(envelope_address(send), person) != 0)
			own = envelope_address(send); /* cut off from it is an account's name */
	}
	identity_r->person = person;
	if (person[0] != '\0')
		identity_r->mailbox = mailbox_of(send, identity_r,
		    delegate_find(send, person, identity_r->actor),
		    own != NULL ? own : written_as(send, person));
}
