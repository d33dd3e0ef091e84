/*
 * NAME
 *	audience - how many people stand behind these addresses
 *
 * WHAT IT DOES
 *	Replaces the addresses that the settings know as lists (fixed sizes, aliases(5) and
 *	virtual(5) files, files with one member a line, Postfix's tables by way of postmap,
 *	commands that print a size) by the number of people behind them,
 *	each person counted once where members are known.
 *	A fixed size wins over a file that has the same address. Whoever else is written to may
 *	be on that list: beside other recipients the largest size makes the answer AT_LEAST.
 *	A line "..." among the members of a file says that there are more than are named.
 *	A name in a file stands for that name in every local domain. A command behind a name
 *	counts as one and makes the answer AT_LEAST: it may be a list of its own. UNKNOWN:
 *	the recipients are nothing but lists of which nothing is known.
 *
 * OWNERSHIP
 *	The directory keeps its own copy of what it read, and borrows the settings until
 *	audience_directory_free(). Files are read again when they change, by a thread that looks
 *	at them once a second; while one of them is malformed, is no regular file or does not
 *	answer, what was read before stays in use.
 *
 *	What programs say is kept for as long as the settings tell, and dropped when a file
 *	changes. One that fails is asked again later; what it said before stays in use.
 *
 * BOUNDS
 *	100,000 members of all lists, 20 lists within lists, 1,000 files of 16 MiB. What goes
 *	beyond makes the lists concerned AT_LEAST. A program runs as long as the settings
 *	allow, counted from the beginning of audience_count(); 20 commands, 10,000 addresses
 *	for a table.
 *
 * THREADS
 *	audience_count() may be called from any thread. It never waits for a file. It waits for
 *	programs; one of them is asked about the same thing by one thread at a time, and the others
 *	wait with it.
 *
 * DIAGNOSTICS
 *	audience_directory_new(): REFUSE, a list file is malformed (file and line in why_r);
 *	BROKEN, it cannot be read. audience_count() cannot fail: what cannot be resolved
 *	makes the answer AT_LEAST.
 */
#ifndef OOPS_AUDIENCE_H
#define OOPS_AUDIENCE_H

#include "milter/audience/value.h"
#include "milter/base/result.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

struct audience_directory;

enum base_result audience_directory_new(
    const struct settings *settings, struct audience_directory **directory_r, const char **why_r);
void audience_directory_free(struct audience_directory **directory);
/*
 * How many people a send goes to, each once. The sender (normalised, "" for nobody) is none of
 * them, neither by a copy to themselves nor as a member of a list; a send that reaches nobody
 * else goes to one.
 */
void audience_count(struct audience_directory *directory,
    const struct mail_transaction *transaction, const char *sender, struct audience *audience_r);
/* How many addresses it goes to, by the same rule; repeats and those over a maximum count. */
size_t audience_recipients(const struct mail_transaction *transaction, const char *sender);
/*
 * Who is inside: the domains of the organisations that the local domains belong to, by the public
 * suffix list (publicsuffix.org): with "cs.example.edu" all of example.edu. For
 * transaction->inside; it lives as long as the directory. Looked up once, not for each mail.
 */
const struct mail_domains *audience_inside(const struct audience_directory *directory);
/*
 * Who looks after the list of this (normalised) address, as the settings say; NULL: nobody.
 * Lives as long as the settings.
 */
const char *audience_owner(const struct audience_directory *directory, const char *address);
/*
 * Why the files could not be read again, told once after each attempt, or why a program does
 * not answer, told once until it does, for the caller's log:
 * REFUSE or BROKEN; NONE if there is nothing new to tell.
 */
enum base_result audience_failure(struct audience_directory *directory, const char **why_r);

#endif
