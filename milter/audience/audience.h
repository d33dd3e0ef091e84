/*
 * NAME
 *	audience - how many people stand behind these addresses
 *
 * WHAT IT DOES
 *	Replaces the addresses that the settings know as lists (fixed sizes, aliases(5) files)
 *	by the number of people behind them, each person counted once where members are known.
 *
 * OWNERSHIP
 *	The directory keeps its own copy of what it read; files are read again when they change.
 *
 * THREADS
 *	audience_count() may be called from any thread.
 *
 * DIAGNOSTICS
 *	audience_directory_new(): REFUSE, a list file is malformed (file and line in why_r);
 *	BROKEN, it cannot be read. audience_count() cannot fail: what cannot be resolved
 *	makes the answer AT_LEAST.
 */
#ifndef OOPS_AUDIENCE_H
#define OOPS_AUDIENCE_H

#include "milter/audience/value.h"
#include "milter/base/base.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

struct audience_directory;

enum base_result audience_directory_new(const struct settings *settings,
	struct audience_directory **directory_r, const char **why_r);
void audience_directory_free(struct audience_directory **directory);
void audience_count(struct audience_directory *directory,
	const struct mail_transaction *transaction, struct audience *audience_r);

#endif
