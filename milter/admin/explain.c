/*
 * NAME
 *	oopsctl explain - what the site's memory and scorecard say about one message
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] explain MESSAGE-FILE [--sender ADDRESS] [--to ADDRESS]...
 *		[--login NAME]
 *	oopsctl [-c FILE] policy MESSAGE-FILE [--sender ADDRESS] [--to ADDRESS]...
 *		[--login NAME] [--client IP] [--time UNIX-TIME]
 *
 * WHAT IT DOES
 *	Judges the message as the milter would, had its author (From, or --sender) proved who
 *	they are, and prints the arithmetic (explain), or which rule decides, and why each one
 *	before it does not fit (policy). Recipients are those of --to, else those of To, Cc
 *	and Bcc (--recipient is an older name of --to). --login is who was logged in, if that is
 *	somebody else; --time is what the clock on the wall shows to the rules, instead of now. "-"
 *	reads standard input. It changes nothing and learns nothing.
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_NOINPUT: no such file; EX_DATAERR: no message, or no author or recipient in
 *	it; EX_CONFIG: scorecard, lists or key are wrong; EX_IOERR: the history cannot be read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/admin/admin.h"
#include "milter/audience/audience.h"
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/file.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/evaluate/evaluate.h"
#include "milter/hold/hold.h"
#include "milter/identity/identity.h"
#include "milter/mail/mail.h"
#include "milter/words/words.h"

#define MESSAGE_MAX_BYTES (8u << 20)
#define ARENA_BYTES (32u << 20)
#define TEXT_BYTES (256u << 10)
#define REASONS_BYTES (64u << 10) /* to make one sentence */

struct arguments {
	const char *file;
	const char *sender;
	const char *login;
	struct sockaddr_storage client; /* AF_UNSPEC: unknown */
	int64_t time;                   /* of the clock on the wall; 0: now */
	const char **to;                /* as many as there are words on the command line */
	size_t to_count;
};

/* What the site knows, for one judgement. */
struct explainer {
	struct base_key *key;
	struct judge_scorecard *scorecard;
	struct audience_directory *audience;
	struct identity_logins *logins;
	struct history *history;
	struct hold *hold; /* NULL: the budgets cannot be asked */
};

/* An IP address; false: it is none. */
static bool
client_parse(const char *text, struct sockaddr_storage *client_r)
{
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct identity_peer peer;

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		identity_peer_address(&peer, (const struct sockaddr *)&four);
	else if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
		identity_peer_address(&peer, (const struct sockaddr *)&six);
	else
		return false;
	*client_r = peer.address;
	return true;
}

/* Seconds since 1970, in this or the next century; false: they are none. */
static bool
time_parse(const char *text, int64_t *time_r)
{
	size_t length = strlen(text);
	int64_t time;

	if (length == 0 || length > 10 || strspn(text, "0123456789") != length)
		return false;
	time = strtoll(text, NULL, 10);
	if (time == 0 || time > UINT32_MAX)
		return false;
	*time_r = time;
	return true;
}

/* One option with its value; false: wrong. */
static bool
option_take(struct arguments *arguments, int option, const char *value)
{
	switch (option) {
	case 's':
		arguments->sender = value;
		return true;
	case 't':
		arguments->to[arguments->to_count++] = value;
		return true;
	case 'l':
		arguments->login = *value != '\0' ? value : NULL;
		return true;
	case 'c':
		return client_parse(value, &arguments->client);
	case 'w':
		return time_parse(value, &arguments->time);
	default:
		return false;
	}
}

/* The command line; false: wrong. Options may stand before and behind the file. */
static bool
arguments_parse(struct base_arena *arena, int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{ "sender", required_argument, NULL, 's' },
		{ "to", required_argument, NULL, 't' },
		{ "recipient", required_argument, NULL, 't' },
		{ "login", required_argument, NULL, 'l' },
		{ "client", required_argument, NULL, 'c' },
		{ "time", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	arguments->to = base_arena_array(arena, (size_t)argc, sizeof(*arguments->to));
	if (arguments->to == NULL)
		return false;
	optind = 0; /* starts anew: main() has used getopt for its own options */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!option_take(arguments, option, optarg))
			return false;
	if (optind + 1 != argc)
		return false;
	arguments->file = argv[optind];
	return true;
}

/* --- the message ------------------------------------------------------------------ */

/* Where recipients go. */
struct target {
	struct base_arena *arena;
	struct mail_transaction *transaction;
};

/* One mailbox of Bcc. */
static bool
add_mailbox(void *context, const char *name, const char *normal)
{
	struct target *target = context;

	(void)name;
	return mail_addresses_add(target->arena, &target->transaction->recipients, normal) ==
	       BASE_OK;
}

/* Bcc, which a transaction does not keep. */
static enum base_result
add_bcc(void *context, const char *name, const char *value)
{
	struct target *target = context;

	if (strcasecmp(name, "Bcc") != 0)
		return BASE_OK;
	return mail_each_mailbox(target->arena, value, add_mailbox, target);
}

/* All of a set. */
static enum base_result
add_set(struct target *target, const struct mail_addresses *set)
{
	enum base_result result = BASE_OK;
	size_t i;

	for (i = 0; i < set->count && result == BASE_OK; i++)
		result = mail_addresses_add(
		    target->arena, &target->transaction->recipients, set->items[i]);
	return result;
}

/* The envelope, which a file does not have: from the command line, else from the header. */
static enum base_result
envelope_make(struct target *target, const struct arguments *arguments, const char *data,
    size_t length, const char **why_r)
{
	struct mail_transaction *transaction = target->transaction;
	enum base_result result = BASE_OK;
	size_t i, body;

	*why_r = "no memory for the recipients";
	for (i = 0; i < arguments->to_count && result == BASE_OK; i++)
		result = mail_transaction_recipient(target->arena, transaction, arguments->to[i]);
	if (arguments->to_count == 0) {
		result = add_set(target, &transaction->to);
		if (result == BASE_OK)
			result = add_set(target, &transaction->cc);
		if (result == BASE_OK)
			result =
			    mail_message_each_field(data, length, add_bcc, target, &body, why_r);
	}
	if (result == BASE_OK)
		result = mail_transaction_sender(target->arena, transaction,
		    arguments->sender != NULL ? arguments->sender : transaction->from);
	if (arguments->sender != NULL)
		transaction->from = transaction->envelope_sender; /* who counts as the author */
	if (result == BASE_OK && transaction->envelope_sender[0] == '\0') {
		*why_r = "the message has no From field with an address; use --sender";
		result = BASE_REFUSE;
	} else if (result == BASE_OK && transaction->recipients.count == 0) {
		*why_r = "the message has no recipient in To, Cc or Bcc; use --to";
		result = BASE_REFUSE;
	}
	return result;
}

/* The message of the command line as a transaction; else an exit code, and why is printed. */
static int
message_read(struct base_arena *arena, const struct arguments *arguments,
    struct mail_transaction **transaction_r)
{
	bool is_standard = strcmp(arguments->file, "-") == 0;
	struct target target = { arena, mail_transaction_new(arena, base_now()) };
	const char *why = "no memory";
	char *data;
	size_t length;
	enum base_result result;

	result = is_standard ? base_input_read(arena, STDIN_FILENO, "standard input",
				   MESSAGE_MAX_BYTES, &data, &length, &why)
			     : base_file_read(
				   arena, arguments->file, MESSAGE_MAX_BYTES, &data, &length, &why);
	if (result != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return result == BASE_REFUSE ? EX_DATAERR : EX_NOINPUT;
	}
	result = BASE_BROKEN;
	if (target.transaction != NULL)
		result = mail_transaction_message(arena, target.transaction, data, length, &why);
	if (result == BASE_OK)
		result = envelope_make(&target, arguments, data, length, &why);
	if (result != BASE_OK) {
		fprintf(stderr, "oopsctl: %s: %s\n", arguments->file, why);
		return result == BASE_REFUSE ? EX_DATAERR : EX_SOFTWARE;
	}
	*transaction_r = target.transaction;
	return EX_OK;
}

/* --- the judgement ---------------------------------------------------------------- */

/* Opens everything that is asked; an exit code, and why is printed. */
static int
site_open(const struct settings *settings, struct explainer *site)
{
	struct history_options options = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.observe_at_once = true };
	const char *why = "";
	int status = EX_CONFIG;

	if (base_key_load(settings->key_file, &site->key, &why) == BASE_OK &&
	    config_scorecard_load(settings, &site->scorecard, &why) == BASE_OK &&
	    audience_directory_new(settings, &site->audience, &why) == BASE_OK &&
	    identity_logins_load(settings, &site->logins, &why) == BASE_OK) {
		status = EX_OK;
		if (history_open(&options, &site->history, &why) != BASE_OK)
			status = EX_IOERR;
	}
	if (status != EX_OK)
		fprintf(stderr, "oopsctl: %s\n", why);
	else if (admin_hold_open(settings, &site->hold, &why) != BASE_OK)
		fprintf(stderr, "oopsctl: the budgets are left aside: %s\n", why);
	return status;
}

/* Closes what is open. */
static void
site_close(struct explainer *site)
{
	if (site->history != NULL)
		history_close(&site->history);
	if (site->hold != NULL)
		hold_close(&site->hold);
	audience_directory_free(&site->audience);
	judge_scorecard_free(&site->scorecard);
	identity_logins_free(&site->logins);
	base_key_free(&site->key);
}

/* Who it is from and how many it goes to. */
static void
print_audience(const struct identity *identity, const struct mail_transaction *transaction,
    const struct audience *audience)
{
	size_t addresses = audience_recipients(transaction, identity->actor);

	printf("sender: %s\nrecipients: %zu %s, ", identity->actor, addresses,
	    addresses == 1 ? "address" : "addresses");
	if (audience->kind == AUDIENCE_UNKNOWN)
		puts("an unknown number of people");
	else
		printf("%s%lu %s\n", audience->kind == AUDIENCE_AT_LEAST ? "at least " : "",
		    audience->people, audience->people == 1 ? "person" : "people");
}

/*
 * Why the milter would not judge this message at all, where that can be seen here; false: it would.
 */
static bool
print_notes(const struct settings *settings, const struct mail_transaction *transaction,
    const struct identity *identity)
{
	if (!identity->is_local && settings_is_local(settings, transaction->from))
		puts("note: nothing proves who sends (a login, identity.trusted_networks): the "
		     "milter lets such mail pass");
	else if (!identity->is_local)
		puts("note: the sender is not in identity.local_domains: the milter lets "
		     "such mail "
		     "pass");
	if (identity->is_machine)
		printf("note: %s is a machine's account (identity.machines): the milter lets "
		       "such mail pass\n",
		    identity->person);
	if (identity->is_local && identity->person[0] == '\0')
		puts("note: it is proved of nobody in particular who sends (identity.logins, "
		     "identity.login_domain): tagged at most, and nobody gets a letter");
	if (transaction->is_auto || transaction->is_report)
		puts("note: sent by a machine (Auto-Submitted, X-Autoreply, Precedence, report): "
		     "the milter lets such mail pass");
	if (transaction->is_list)
		puts("note: traffic of a mailing list: the milter lets such mail pass");
	if (transaction->header_capped || transaction->recipients.capped)
		puts("note: longer than the milter reads: the rest was not looked at");
	return !identity->is_local || identity->is_machine ||
	       mail_transaction_is_automatic(transaction);
}

/* Which rule decides, and why each one before it does not; or which one would. */
static void
print_rules(const struct evaluation *evaluation, bool passes)
{
	const struct settings_policy *rules = evaluation->asked.settings->policies;
	char scratch[256];

	for (const struct settings_policy *rule = rules; rule <= evaluation->decision.rule;
	     rule++) {
		const char *mismatch = policy_mismatch(
		    &evaluation->asked, &evaluation->score, rule, scratch, sizeof(scratch));

		printf("rule %zu \"", (size_t)(rule - rules) + 1);
		admin_print_text(rule->name, 63);
		printf("\" (");
		if (rule->line > 0)
			printf("line %d", rule->line);
		else
			printf("built in");
		printf("): ");
		admin_print_text(mismatch != NULL ? mismatch
				 : passes         ? "fits, and would decide"
						  : "fits, and decides",
		    300);
		puts("");
	}
	if (!passes)
		printf("score %.4f: ", evaluation->score.score);
}

/* The gates that the score was compared with, and what is done after all. */
static void
print_decision(const struct evaluation *evaluation, const struct policy_counts *counts)
{
	const struct policy_decision *decision = &evaluation->decision;
	struct base_buffer text;

	base_buffer_init(&text, TEXT_BYTES);
	policy_explain(&evaluation->asked, decision->rule, &evaluation->score, &text);
	base_buffer_printf(&text,
	    "decision: action=%s wanted=%s%s%s gate=", settings_action_str(decision->action),
	    settings_action_str(decision->wanted),
	    decision->limited_by == NULL ? "" : " limited_by=",
	    decision->limited_by == NULL ? "" : decision->limited_by);
	policy_gate_write(&evaluation->asked, counts, decision, &text);
	puts(base_buffer_text(&text));
	base_buffer_free(&text);
}

/* Every reason as its sender would read it. */
static void
print_reasons(const struct judge_score *score)
{
	struct base_arena *arena = base_arena_new(REASONS_BYTES);

	for (size_t i = 0; i < score->reason_count && arena != NULL; i++) {
		const struct judge_reason *reason = &score->reasons[i];
		const char *text = words_reason_text(arena, &words_en, &reason->reported);

		printf("  %+.2f %s\n", reason->points, text != NULL ? text : reason->signal);
		base_arena_reset(arena);
	}
	base_arena_free(&arena);
}

/* What is spent of the budgets today; false: it is not known. */
static bool
counts_read(const struct explainer *site, const struct evaluation *evaluation,
    struct policy_counts *counts_r)
{
	struct hold_counts counts;
	const char *why;

	if (site->hold == NULL ||
	    hold_count(site->hold, evaluation->facts.identity->person, &counts, &why) != BASE_OK)
		return false;
	*counts_r =
	    (struct policy_counts){ counts.of_sender, counts.of_site, evaluation->recall.site_day };
	return true;
}

/* Recalls, scores, decides. */
static enum base_result
evaluate(const struct evaluate_sources *sources, const struct explainer *site,
    struct base_arena *arena, struct evaluation *evaluation, struct policy_counts *counts_r,
    const char **why_r)
{
	enum base_result result = evaluate_recall(sources, arena, evaluation, why_r);

	if (result == BASE_OK)
		result = evaluate_score(sources, arena, evaluation, why_r);
	if (result == BASE_OK)
		evaluate_decide(
		    sources, evaluation, counts_read(site, evaluation, counts_r) ? counts_r : NULL);
	return result;
}

/* All that is said of an evaluated send. */
static enum base_result
print_evaluation(const struct explainer *site, const struct evaluation *evaluation,
    const struct policy_counts *counts, bool with_rules, bool passes, const char **why_r)
{
	struct base_buffer text;
	enum base_result result = BASE_OK;

	if (with_rules)
		print_rules(evaluation, passes);
	if (passes) {
		puts("pass: the milter does not judge it (see the note)");
		return BASE_OK;
	}
	base_buffer_init(&text, TEXT_BYTES);
	if (!with_rules)
		result = judge_explain(&evaluation->facts, site->scorecard, &text, why_r);
	if (result == BASE_OK) {
		fputs(base_buffer_text(&text), stdout);
		print_decision(evaluation, counts);
		if (!with_rules)
			print_reasons(&evaluation->score);
	}
	base_buffer_free(&text);
	return result;
}

/* Recalls, judges and prints. */
static int
explain(const struct settings *settings, const struct explainer *site, struct base_arena *arena,
    const struct arguments *arguments, struct mail_transaction *transaction, bool with_rules)
{
	/* without --login as from a trusted network, but for rules, which ask how it comes in */
	struct identity_peer peer = { .login = arguments->login,
		.address = arguments->client,
		.is_local_submission = arguments->login == NULL && !with_rules };
	const struct identity_sources logins = { .logins = site->logins };
	const struct evaluate_sources sources = { settings, site->key, site->scorecard,
		site->history };
	struct history_calibration calibration = judge_calibration(settings);
	struct identity identity;
	struct audience audience;
	struct policy_counts counts = { 0 };
	struct evaluation evaluation = { .facts = { .transaction = transaction,
					     .identity = &identity,
					     .audience = &audience,
					     .has_body = true },
		.asked = { .login = arguments->login == NULL ? "" : arguments->login,
		    .client = &arguments->client,
		    .moment = policy_moment_of(
			arguments->time != 0 ? arguments->time : transaction->time) } };
	const char *why = "";
	enum base_result result;
	bool passes;

	history_calibrate(site->history, &calibration);
	transaction->inside = audience_inside(site->audience);
	identity_find(settings, &logins, arena, &peer, transaction, &identity);
	if (!identity.is_local)
		identity.actor = identity.person = transaction->envelope_sender;
	audience_count(site->audience, transaction, identity.actor, &audience);
	result = evaluate(&sources, site, arena, &evaluation, &counts, &why);
	if (result != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return EX_IOERR;
	}
	print_audience(&identity, transaction, &audience);
	passes = print_notes(settings, transaction, &identity);
	result = print_evaluation(site, &evaluation, &counts, with_rules, passes, &why);
	if (result != BASE_OK)
		fprintf(stderr, "oopsctl: %s\n", why);
	return result == BASE_OK ? EX_OK : EX_SOFTWARE;
}

/* Both commands. */
static int
run(const struct settings *settings, int argc, char **argv, const char *usage, bool with_rules)
{
	struct base_arena *arena = base_arena_new(ARENA_BYTES);
	struct arguments arguments = { 0 };
	struct mail_transaction *transaction = NULL;
	struct explainer site = { 0 };
	int status = EX_USAGE;

	if (arena == NULL)
		return EX_OSERR;
	if (!arguments_parse(arena, argc, argv, &arguments)) {
		fputs(usage, stderr);
	} else {
		status = message_read(arena, &arguments, &transaction);
		if (status == EX_OK && mail_transaction_strip_extensions(arena, transaction,
					   settings->identity.recipient_delimiter) != BASE_OK)
			status = EX_SOFTWARE;
		if (status == EX_OK)
			status = site_open(settings, &site);
		if (status == EX_OK)
			status =
			    explain(settings, &site, arena, &arguments, transaction, with_rules);
		site_close(&site);
	}
	base_arena_free(&arena);
	return status;
}

/* oopsctl explain */
int
admin_explain(const struct settings *settings, int argc, char **argv)
{
	return run(settings, argc, argv,
	    "usage: oopsctl [-c FILE] explain MESSAGE-FILE [--sender ADDRESS] "
	    "[--to ADDRESS]... [--login NAME]\n",
	    false);
}

/* oopsctl policy */
int
admin_policy(const struct settings *settings, int argc, char **argv)
{
	return run(settings, argc, argv,
	    "usage: oopsctl [-c FILE] policy MESSAGE-FILE [--sender ADDRESS] "
	    "[--to ADDRESS]... [--login NAME] [--client IP] [--time UNIX-TIME]\n",
	    true);
}
