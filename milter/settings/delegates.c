/*
 * What `identity` says of persons: the entries of delegates, who may send as whom.
 */
#include <stdio.h>
#include <string.h>

#include "milter/base/arena.h"
#include "milter/mail/mail.h"
#include "milter/settings/internal.h"

/* Says what is missing or can never be in one entry. */
static void
delegate_check(struct settings_reader *reader, const config_setting_t *entry, int number,
    const struct settings_delegate *delegate)
{
	if (delegate->address_count == 0 || delegate->person_count + delegate->login_count == 0)
		settings_error_at(reader, entry,
		    "identity.delegates[%d]: address is needed, and persons or logins that "
		    "may send as it",
		    number);
	for (size_t i = 0; i < delegate->address_count; i++) {
		const char *address = delegate->addresses[i];

		if (address == NULL || address[0] == '@' ||
		    settings_is_local(reader->settings, address))
			continue;
		settings_error_at(reader, entry,
		    "identity.delegates[%d].address: %s is no mailbox in "
		    "identity.local_domains",
		    number, address);
	}
}

/* identity.delegates: ( ... ) */
static void
read_delegates(struct settings_reader *reader, config_setting_t *delegates)
{
	struct settings *settings = reader->settings;
	int count = settings_entry_count(reader, delegates, "identity.delegates");

	settings->identity.delegates =
	    base_arena_array(reader->arena, (size_t)count + 1, sizeof(struct settings_delegate));
	if (settings->identity.delegates == NULL) {
		reader->is_short = true;
		return;
	}
	for (int i = 0; i < count; i++) {
		config_setting_t *entry = config_setting_get_elem(delegates, (unsigned)i);
		struct settings_delegate *delegate =
		    &settings->identity.delegates[settings->identity.delegate_count];
		char label[48];

		if (!settings_entry_is_group(reader, entry, "identity.delegates", i + 1))
			continue;
		snprintf(label, sizeof(label), "identity.delegates[%d].", i + 1);
		settings_read_defaults(reader, settings_delegate_keys, delegate, false);
		settings_read_group(reader, settings_delegate_keys, entry, label, delegate);
		delegate_check(reader, entry, i + 1, delegate);
		settings->identity.delegate_count++;
	}
}

/* A login in a domain that is none of ours would be nobody's. */
static void
check_login_domain(struct settings_reader *reader, const config_setting_t *setting)
{
	const struct settings *settings = reader->settings;
	const char *domain = settings->identity.login_domain;
	size_t i = 0;

	if (domain == NULL || setting == NULL)
		return;
	while (i < settings->identity.local_domain_count &&
	       strcmp(settings->identity.local_domains[i], domain) != 0)
		i++;
	if (i == settings->identity.local_domain_count)
		settings_error_at(reader, setting,
		    "identity.login_domain = \"%s\": not in identity.local_domains", domain);
}

void
settings_read_identity(struct settings_reader *reader, const config_t *config)
{
	read_delegates(reader, config == NULL ? NULL : config_lookup(config, "identity.delegates"));
	if (config != NULL)
		check_login_domain(reader, config_lookup(config, "identity.login_domain"));
}
