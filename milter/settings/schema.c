/*
 * Every key of the settings file, in three tables.
 */
#include "milter/settings/internal.h"

#define AT(member) .offset = offsetof(struct settings, member)
#define DAYS(n) ((n) * (int64_t)SETTINGS_DAY)

static const struct settings_choice kinds[] = {
	{ "postfix", 0, NULL },
	{ "sendmail", 0, NULL },
	{ NULL, 0, NULL },
};
static const struct settings_choice drivers[] = {
	{ "sqlite", 0, NULL },
	{ "postgresql", 0, "this version does not have PostgreSQL yet: use \"sqlite\"" },
	{ NULL, 0, NULL },
};
static const struct settings_choice tls_choices[] = {
	{ "auto", SETTINGS_TLS_AUTO, NULL },
	{ "required", SETTINGS_TLS_REQUIRED, NULL },
	{ "if-offered", SETTINGS_TLS_IF_OFFERED, NULL },
	{ "off", SETTINGS_TLS_OFF, NULL },
	{ NULL, 0, NULL },
};
static const struct settings_choice actions[] = {
	{ "pass", SETTINGS_PASS, NULL },
	{ "tag", SETTINGS_TAG, NULL },
	{ "undo", SETTINGS_UNDO, NULL },
	{ "confirm", SETTINGS_CONFIRM, NULL },
	{ NULL, 0, NULL },
};
static const struct settings_choice on_errors[] = {
	{ "accept", SETTINGS_ERROR_ACCEPT, NULL },
	{ "tempfail", SETTINGS_ERROR_TEMPFAIL, NULL },
	{ NULL, 0, NULL },
};
static const struct settings_choice after_grace[] = {
	{ "return", MAIL_END_RETURN, NULL },
	{ "delete", MAIL_END_DELETE, NULL },
	{ NULL, 0, NULL },
};
static const struct settings_choice on_expiry[] = {
	{ "return", MAIL_END_RETURN, NULL },
	{ "send", MAIL_END_SEND, NULL },
	{ NULL, 0, NULL },
};

static const struct settings_choice reaches[] = {
	{ "any", SETTINGS_REACH_ANY, NULL },
	{ "inside", SETTINGS_REACH_INSIDE, NULL },
	{ "outside", SETTINGS_REACH_OUTSIDE, NULL },
	{ NULL, 0, NULL },
};
static const struct settings_choice weekdays[] = {
	{ "sun", 0, NULL },
	{ "mon", 1, NULL },
	{ "tue", 2, NULL },
	{ "wed", 3, NULL },
	{ "thu", 4, NULL },
	{ "fri", 5, NULL },
	{ "sat", 6, NULL },
	{ NULL, 0, NULL },
};

const struct settings_key settings_keys[] = {
	{ "node", &settings_type_node, AT(node), "main" },
	{ "state_directory", &settings_type_path, AT(state_directory), "/var/lib/oops-milter" },
	{ "key_file", &settings_type_path, AT(key_file), "/etc/oops-milter/secret.key" },
	{ "key_keeps", &settings_type_duration, AT(key_keeps), "90d", .min = 0, .max = DAYS(365) },
	{ "user", &settings_type_user, AT(user), "oops-milter" },
	{ "group", &settings_type_group, AT(group), "" },
	{ "milter.socket", &settings_type_milter_socket, AT(milter.socket),
	    "unix:/run/oops-milter/milter.sock" },
	{ "milter.socket_mode", &settings_type_mode, AT(milter.socket_mode), "0660" },
	{ "mta.kind", &settings_type_word, AT(mta.kind), "postfix", .choices = kinds },
	{ "mta.config_directory", &settings_type_path, AT(mta.config_directory), "/etc/postfix" },
	{ "mta.command_directory", &settings_type_path, AT(mta.command_directory), "/usr/sbin" },
	{ "mta.sendmail_program", &settings_type_path, AT(mta.sendmail_program),
	    "/usr/sbin/sendmail" },
	{ "mta.sendmail_config", &settings_type_path, AT(mta.sendmail_config),
	    "/etc/mail/sendmail.cf" },
	{ "mta.queue_socket", &settings_type_path_socket, AT(mta.queue_socket),
	    "/run/oops-milter/queue.sock" },
	{ "mta.queue_user", &settings_type_user, AT(mta.queue_user), "oops-milter" },
	{ "store.driver", &settings_type_word, AT(store.driver), "sqlite", .choices = drivers },
	{ "store.dsn", &settings_type_text_optional, AT(store.dsn), "" },
	{ "web.listen", &settings_type_listen, AT(web.listen_host), "127.0.0.1:8025" },
	{ "web.trusted_proxies", &settings_type_networks, AT(web.trusted_proxies),
	    "127.0.0.0/8 ::1/128",
	    .count_offset = offsetof(struct settings, web.trusted_proxy_count) },
	{ "web.base_url", &settings_type_base_url, AT(web.base_url),
	    .required = "\"https://oops.example.com\"" },
	{ "web.user", &settings_type_user, AT(web.user), "oops-web" },
	{ "web.group", &settings_type_group, AT(web.group), "" },
	{ "identity.local_domains", &settings_type_domains, AT(identity.local_domains),
	    .count_offset = offsetof(struct settings, identity.local_domain_count),
	    .required = "( \"example.com\" )" },
	{ "identity.recipient_delimiter", &settings_type_delimiters,
	    AT(identity.recipient_delimiter), "" },
	{ "identity.trusted_networks", &settings_type_networks, AT(identity.trusted_networks),
	    "127.0.0.0/8 ::1/128",
	    .count_offset = offsetof(struct settings, identity.trusted_network_count) },
	{ "identity.logins", &settings_type_path_optional, AT(identity.logins), "" },
	{ "identity.login_domain", &settings_type_domain_optional, AT(identity.login_domain), "" },
	{ "identity.envelope_is_checked", &settings_type_truth, AT(identity.envelope_is_checked),
	    "false" },
	{ "identity.delegates", &settings_type_entries, AT(identity.delegates) },
	{ "identity.machines", &settings_type_accounts, AT(identity.machines),
	    .count_offset = offsetof(struct settings, identity.machine_count) },
	{ "identity.spf", &settings_type_truth, AT(identity.spf), "false" },
	{ "identity.spf_timeout", &settings_type_duration, AT(identity.spf_timeout), "5s", .min = 1,
	    .max = 60 },
	{ "identity.spf_cache", &settings_type_duration, AT(identity.spf_cache), "5m", .min = 0,
	    .max = DAYS(1) },
	{ "lists", &settings_type_entries, AT(lists) },
	{ "judge.scorecard", &settings_type_path_optional, AT(judge.scorecard), "" },
	{ "judge.learning_sends", &settings_type_count, AT(judge.learning.sends), "2", .min = 0,
	    .max = 100000 },
	{ "judge.learning_sends_new_site", &settings_type_count, AT(judge.learning.sends_new_site),
	    "10", .min = 0, .max = 100000 },
	{ "judge.learning_site_sends", &settings_type_count, AT(judge.learning.site_sends), "100",
	    .min = 0, .max = 10000000 },
	{ "judge.new_site_odds", &settings_type_fraction, AT(judge.learning.new_site_odds), "2",
	    .min = 100, .max = 100000 },
	{ "judge.quantile", &settings_type_fraction, AT(judge.quantile), "0.999", .min = 50,
	    .max = 100 },
	{ "judge.tag_quantile", &settings_type_fraction, AT(judge.tag_quantile), "0.99", .min = 50,
	    .max = 100 },
	{ "judge.margin", &settings_type_fraction, AT(judge.margin), "0.72", .min = 1, .max = 100 },
	{ "judge.half_life", &settings_type_count, AT(judge.half_life), "4000", .min = 100,
	    .max = 10000000 },
	{ "judge.min_scores", &settings_type_count, AT(judge.min_scores), "1000", .min = 1,
	    .max = 10000000 },
	{ "budget.sender_day", &settings_type_count, AT(budget.sender_day), "3", .min = 0,
	    .max = 100000 },
	{ "budget.site_thousand", &settings_type_count, AT(budget.site_thousand), "10", .min = 0,
	    .max = 1000 },
	{ "budget.site_day", &settings_type_count, AT(budget.site_day), "10", .min = 0,
	    .max = 1000000 },
	{ "monitor", &settings_type_truth, AT(monitor), "false" },
	{ "tag.show_reasons", &settings_type_truth, AT(tag.show_reasons), "false" },
	{ "undo.window", &settings_type_duration, AT(undo.window), "2m", .min = 1, .max = DAYS(7) },
	{ "undo.announce_within", &settings_type_duration, AT(undo.announce_within), "10m",
	    .min = 0, .max = DAYS(7) },
	{ "undo.grace", &settings_type_duration, AT(undo.grace), "1h", .min = 0, .max = DAYS(30) },
	{ "undo.after_grace", &settings_type_choice, AT(undo.then), "return",
	    .choices = after_grace },
	{ "confirm.expires", &settings_type_duration, AT(confirm.expires), "3d", .min = 1,
	    .max = DAYS(30) },
	{ "confirm.on_expiry", &settings_type_choice, AT(confirm.on_expiry), "return",
	    .choices = on_expiry },
	{ "storm.enabled", &settings_type_truth, AT(storm.enabled), "true" },
	{ "storm.replies", &settings_type_count, AT(storm.replies), "10", .min = 1, .max = 1000 },
	{ "storm.window", &settings_type_duration, AT(storm.window), "1h", .min = 1,
	    .max = DAYS(1) },
	{ "storm.people", &settings_type_people, AT(storm.people), "30", .min = 2,
	    .max = 10000000 },
	{ "storm.hold", &settings_type_duration, AT(storm.hold), "1h", .min = 1, .max = DAYS(7) },
	{ "storm.on_end", &settings_type_choice, AT(storm.on_end), "return", .choices = on_expiry },
	{ "storm.owner", &settings_type_address_optional, AT(storm.owner), "" },
	{ "notice.smtp", &settings_type_smtp, AT(notice.smtp), "smtp://127.0.0.1:25" },
	{ "notice.tls", &settings_type_choice, AT(notice.tls), "auto", .choices = tls_choices },
	{ "notice.ca_file", &settings_type_path_optional, AT(notice.ca_file), "" },
	{ "notice.person_day", &settings_type_count, AT(notice.person_day), "20", .min = 0,
	    .max = 100000 },
	{ "notice.from", &settings_type_address, AT(notice.from),
	    .required = "\"oops@example.com\"" },
	{ "notice.language", &settings_type_language, AT(notice.language), "en" },
	{ "notice.template", &settings_type_path_optional, AT(notice.template), "" },
	{ "notice.link_expires", &settings_type_duration, AT(notice.link_expires), "30d", .min = 60,
	    .max = DAYS(365) },
	{ "policy", &settings_type_entries, AT(policies) },
	{ .name = NULL },
};

#define LIST(member) .offset = offsetof(struct settings_list, member)

const struct settings_key settings_list_keys[] = {
	{ "address", &settings_type_address_folded, LIST(address) },
	{ "members", &settings_type_people, LIST(members), .min = 1, .max = 10000000 },
	{ "aliases", &settings_type_path, LIST(aliases) },
	{ "file", &settings_type_path, LIST(file) },
	{ "folder", &settings_type_path, LIST(folder) },
	{ "virtual", &settings_type_path, LIST(virtual) },
	{ "command", &settings_type_texts, LIST(command),
	    .count_offset = offsetof(struct settings_list, command_count) },
	{ "table", &settings_type_table, LIST(table) },
	{ "timeout", &settings_type_duration, LIST(timeout), "5s", .min = 1, .max = 20 },
	{ "cache", &settings_type_duration, LIST(cache), "10m", .min = 1, .max = DAYS(7) },
	{ "domain", &settings_type_domains, LIST(domains),
	    .count_offset = offsetof(struct settings_list, domain_count) },
	{ "owner", &settings_type_address, LIST(owner) },
	{ .name = NULL },
};

#define DELEGATE(member, count)                                                                    \
	.offset = offsetof(struct settings_delegate, member),                                      \
	.count_offset = offsetof(struct settings_delegate, count)

static const struct settings_choice letter_receivers[] = {
	{ "person", SETTINGS_LETTERS_PERSON, NULL },
	{ "mailbox", SETTINGS_LETTERS_MAILBOX, NULL },
	{ NULL, 0, NULL },
};

const struct settings_key settings_delegate_keys[] = {
	{ "address", &settings_type_senders, DELEGATE(addresses, address_count) },
	{ "persons", &settings_type_persons, DELEGATE(persons, person_count) },
	{ "logins", &settings_type_logins, DELEGATE(logins, login_count) },
	{ "letters_to", &settings_type_choice, offsetof(struct settings_delegate, letters_to),
	    "person", .choices = letter_receivers },
	{ .name = NULL },
};

#define RULE(member) .offset = offsetof(struct settings_policy, member)

#define SEVERAL(member, count)                                                                     \
	RULE(match.member), .count_offset = offsetof(struct settings_policy, match.count)

/* What also stands outside of the rules defaults to that: see policy.c. */
const struct settings_key settings_rule_keys[] = {
	{ "name", &settings_type_name, RULE(name) },
	{ "match.sender", &settings_type_senders, SEVERAL(senders, sender_count) },
	{ "match.login", &settings_type_logins, SEVERAL(logins, login_count) },
	{ "match.network", &settings_type_networks, SEVERAL(networks, network_count) },
	{ "match.recipient", &settings_type_senders, SEVERAL(recipients, recipient_count) },
	{ "match.reach", &settings_type_choice, RULE(match.reach), .choices = reaches },
	{ "match.people_min", &settings_type_people, RULE(match.people_min), .min = 1,
	    .max = 10000000 },
	{ "match.people_max", &settings_type_people, RULE(match.people_max), .min = 1,
	    .max = 10000000 },
	{ "match.hours", &settings_type_hours, SEVERAL(hours, hours_count) },
	{ "match.weekday", &settings_type_choices, SEVERAL(weekdays, weekday_count),
	    .choices = weekdays },
	{ "match.reason", &settings_type_reasons, SEVERAL(reasons, reason_count) },
	{ "action", &settings_type_choice, RULE(action), "confirm", .choices = actions },
	{ "threshold", &settings_type_fraction, RULE(threshold), "0.9", .min = 0, .max = 100 },
	{ "tag_threshold", &settings_type_fraction, RULE(tag_threshold), "0.5", .min = 0,
	    .max = 200 },
	{ "on_error", &settings_type_choice, RULE(on_error), "accept", .choices = on_errors },
	{ "window", &settings_type_duration, RULE(window), .min = 1, .max = DAYS(7) },
	{ "expires", &settings_type_duration, RULE(expires), .min = 1, .max = DAYS(30) },
	{ "on_expiry", &settings_type_choice, RULE(on_expiry), .choices = on_expiry },
	{ "learning_sends", &settings_type_count, RULE(learning.sends), .min = 0, .max = 100000 },
	{ "language", &settings_type_language, RULE(language) },
	{ "template", &settings_type_path_optional, RULE(template) },
	{ "budget.sender_day", &settings_type_count, RULE(budget.sender_day), .min = 0,
	    .max = 100000 },
	{ "budget.site_thousand", &settings_type_count, RULE(budget.site_thousand), .min = 0,
	    .max = 1000 },
	{ .name = NULL },
};
