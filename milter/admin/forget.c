/*
 * NAME
 *	oopsctl forget - takes one address out of everything that is kept
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] forget ADDRESS
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_DATAERR: not an address; EX_TEMPFAIL: mail that names it is still held,
 *	or the store is busy; EX_CONFIG: the key; EX_IOERR: the store failed. Forgetting what
 *	nobody knows is no failure: it cannot be told apart.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "milter/admin/admin.h"
#include "milter/audit/audit.h"
#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/mail/mail.h"
#include "milter/history/history.h"

#define FORGET_ARENA 65536

/* Tells why not, and the code to end with. */
static int
failed(enum base_result result, const char *why)
{
	fprintf(stderr, "oopsctl: %s\n", why);
	return result == BASE_RETRY || result == BASE_REFUSE ? EX_TEMPFAIL : EX_IOERR;
}

/* Held mail first: when some of it is still held, nothing is forgotten at all. */
static enum base_result
forget_holds(const struct settings *settings, const struct base_key *key, const char *address,
    const char *account, size_t *removed_r, const char **why_r)
{
	struct hold_options options = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.node = settings->node };
	unsigned char marks[BASE_KEY_MAX][HISTORY_MARK_SIZE];
	struct hold *hold = NULL;
	enum base_result result = hold_open(&options, &hold, why_r);

	if (result == BASE_OK) {
		size_t count = history_observation_marks(key, address, marks);

		result =
		    hold_forget(hold, account, marks, sizeof(marks[0]), count, removed_r, why_r);
	}
	hold_close(&hold);
	return result;
}

/* Says so, for the auditor without the address. */
static void
forget_report(const struct base_key *key, const char *address, size_t holds,
    const struct history_forgotten_count *count)
{
	char hash[17], records[24], rows[24];

	snprintf(hash, sizeof(hash), "%016" PRIx64, history_address_hash(key, address));
	snprintf(records, sizeof(records), "%zu", count->removed + count->changed);
	snprintf(rows, sizeof(rows), "%zu", holds);
	audit_event(AUDIT_FORGET, NULL, { "address_hash", hash }, { "records", records },
	    { "holds", rows });
	printf("forgotten: %zu %s of its own, its place in %zu of others, %zu %s held before\n",
	    count->removed, count->removed == 1 ? "record" : "records", count->changed, holds,
	    holds == 1 ? "mail" : "mails");
}

/*
 * Forgets a normalised address: what is learned stands below the one that all who share its habits
 * have (`address`), what was held is of one account alone.
 */
static int
forget(const struct settings *settings, const char *address, const char *account)
{
	struct history_options options = { .driver = settings->store.driver,
		.directory = settings->state_directory };
	struct history_forgotten_count count = { 0 };
	struct base_key *key = NULL;
	const char *why = "";
	size_t holds = 0;
	enum base_result result;

	if (base_key_load(settings->key_file, &key, &why) != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return EX_CONFIG;
	}
	result = forget_holds(settings, key, address, account, &holds, &why);
	if (result == BASE_OK)
		result = history_forget(&options, key, address, &count, &why);
	if (result == BASE_OK)
		forget_report(key, address, holds, &count);
	base_key_free(&key);
	return result == BASE_OK ? EX_OK : failed(result, why);
}

/* oopsctl forget */
int
admin_forget(const struct settings *settings, int argc, char **argv)
{
	struct base_arena *arena;
	const char *address = "", *account = "", *why = "";
	int status;

	if (argc != 2) {
		fputs("usage: oopsctl [-c FILE] forget ADDRESS\n", stderr);
		return EX_USAGE;
	}
	arena = base_arena_new(FORGET_ARENA);
	if (arena == NULL)
		return EX_OSERR;
	if (mail_path_parse(arena, argv[1], &address, &why) == BASE_OK && *address) {
		const char *delimiters = settings->identity.recipient_delimiter;

		account = mail_address_strip_extension(
		    arena, address, mail_account_delimiters(delimiters));
		address = mail_address_strip_extension(arena, address, delimiters);
	}
	if (address != NULL && *address && account != NULL) {
		status = forget(settings, address, account);
	} else {
		fprintf(stderr, "oopsctl: this is no address: %s\n", argv[1]);
		status = EX_DATAERR;
	}
	base_arena_free(&arena);
	return status;
}
