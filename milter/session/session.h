/*
 * NAME
 *	session - libmilter callbacks: gather, ask, answer
 *
 * WHAT IT DOES
 *	Gathers a transaction without answering the MTA at each step, asks identity, audience,
 *	memory and judge at the end of the header, and answers: ACCEPT at once for what passes
 *	(no body is read), a tag, or a hold. It is the only table from results to SMFIS codes.
 *
 * WHAT IT NEVER DOES
 *	It keeps no state between transactions and changes no held mail.
 *
 * BOUNDS
 *	One arena per connection of at most SESSION_MAX_BYTES.
 *
 * DIAGNOSTICS
 *	Anything that fails here is answered by the policy's on_error and audited (event=error).
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

/* Everything a session asks. Borrowed until session_run() returns. */
struct session_site {
	const struct settings *settings;
	const struct base_key *key;
	const struct judge_scorecard *scorecard;
	struct audience_directory *audience;
	struct memory *memory;
	struct hold *hold;
};

/*
 * Serves the milter socket until SIGTERM or SIGINT (libmilter's own handling). BROKEN: the
 * socket cannot be made.
 */
enum base_result session_run(const struct session_site *site, const char **why_r);

#endif
