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
 *	A transaction takes the site's generation in force when it begins (MAIL FROM) and works
 *	by it to its end, whatever is put in force meanwhile.
 *
 *	A client may send one mail in several transactions. Those of the last minutes are kept
 *	in mind (submission.h), so that all of them are judged as one audience: who got any of them
 *	so far, and whom To and Cc name, unless the mail was sent on (Resent-*) or they name nobody
 *	whom this queue entry goes to. An entry that comes after one was held joins that hold,
 *	whatever its own score. What passed before the queue entries together looked odd cannot be
 *	called back, and queue entries over another node or another process are judged there.
 *
 * WHAT IT NEVER DOES
 *	It writes nothing to disk itself and changes no held mail.
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

#include "milter/base/result.h"
#include "milter/hold/hold.h"
#include "milter/history/history.h"
#include "milter/config/config.h"

#define SESSION_MAX_BYTES (4u << 20)

/*
 * What is open for as long as the program runs, whatever the settings become. Borrowed from
 * session_open() until session_run() returns. What a change of the settings may change
 * belongs into struct site.
 */
struct session_services {
	struct config_current *sites;
	struct history *history;
	struct hold *hold;
};

/*
 * Blocks the signals that session_run() will take, so that threads started from now on
 * leave them to it. Call it before the first thread starts.
 */
void session_signals_block(void);

/* Makes the milter socket: from now on the MTA can connect. Once per process. */
enum base_result session_open(const struct session_services *services, const char **why_r);

/*
 * Serves until SIGTERM or SIGINT. When it returns, no callback uses the services any more.
 * SIGUSR1 calls reload() in this thread, while mail goes on; SIGHUP changes nothing.
 */
enum base_result session_run(void (*reload)(void *context), void *context, const char **why_r);

#endif
