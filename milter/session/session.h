/*
 * NAME
 *	session - libmilter callbacks: gather, ask, answer
 *
 * WHAT IT DOES
 *	Gathers a transaction without answering the MTA at each step, asks identity,
 *	audience, memory and judge at the end of the header, and answers: ACCEPT at once
 *	for what passes (no body is read), a tag, or a hold. It is the only table from
 *	results to SMFIS codes.
 *
 * WHAT IT NEVER DOES
 *	It keeps no state between transactions and changes no held mail.
 *
 * BOUNDS
 *	One arena per connection of at most SESSION_MAX_BYTES.
 *
 * THREADS
 *	libmilter's own run the callbacks. session_run() must be called by the program's
 *	main thread: it takes the signals there.
 *
 * DIAGNOSTICS
 *	session_open(): BROKEN, the socket cannot be made, or somebody listens there
 *	already; REFUSE, the socket's name is none that libmilter takes. session_run():
 *	BROKEN, the machine has no thread or pipe left. Whatever fails in a transaction is
 *	answered by the policy's on_error and audited (event=error).
 */
#ifndef OOPS_SESSION_H
#define OOPS_SESSION_H

#include "milter/audience/audience.h"
#include "milter/base/base.h"
#include "milter/hold/hold.h"
#include "milter/judge/judge.h"
#include "milter/memory/memory.h"
#include "milter/settings/settings.h"

#define SESSION_MAX_BYTES (4u << 20)

/* Everything a session asks. Borrowed from session_open() until session_run() returns. */
struct session_site {
	const struct settings *settings;
	const struct base_key *key;
	const struct judge_scorecard *scorecard;
	struct audience_directory *audience;
	struct memory *memory;
	struct hold *hold;
};

/*
 * Blocks the signals that session_run() will take, so that threads started from now on
 * leave them to it. Call it before the first thread starts.
 */
void session_signals_block(void);

/* Makes the milter socket: from now on the MTA can connect. Once per process. */
enum base_result session_open(const struct session_site *site, const char **why_r);

/*
 * Serves until SIGTERM or SIGINT. When it returns, no callback uses the site any more.
 * SIGHUP and SIGUSR1 change nothing.
 */
enum base_result session_run(const char **why_r);

#endif
