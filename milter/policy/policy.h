/*
 * NAME
 *	policy - which rule decides about a send, and what it then does
 *
 * WHAT IT DOES
 *	Tries the rules of the settings in order: the first whose match fits decides. Tells for
 *	each rule why it does not fit, and decides by the chosen one.
 *
 * WHAT IT NEVER DOES
 *	No I/O, no log; it changes no score. Only policy_moment_of() asks for the time zone.
 *
 * OWNERSHIP
 *	Facts are borrowed for the call. Rules are those of the settings.
 *
 * THREADS
 *	Any.
 *
 * DIAGNOSTICS
 *	Nothing here can fail: the built-in rule, the last one, fits every send.
 */
#ifndef OOPS_POLICY_H
#define OOPS_POLICY_H

#include <sys/socket.h>

#include "milter/audience/value.h"
#include "milter/identity/value.h"
#include "milter/judge/judge.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

/* A time as the site's own clock on the wall shows it. */
struct policy_moment {
	unsigned weekday; /* 0 Sunday .. 6 */
	unsigned minute;  /* since midnight, 0 .. 1439 */
};

/* By the time zone of the process. */
struct policy_moment policy_moment_of(int64_t time);

struct policy_facts {
	const struct settings *settings;
	const struct mail_transaction *transaction;
	const char *actor;		       /* normalised, "" for nobody */
	const char *login;		       /* "" for none */
	const struct sockaddr_storage *client; /* NULL: unknown */
	const struct audience *audience;       /* NULL: unknown */
	struct policy_moment moment;
};

/*
 * The rule that decides. Without a verdict (NULL, judging failed) a rule that asks for
 * reasons does not fit; nor does one that asks for an unknown audience or client: people_min
 * asks how many are known at least, people_max only fits where all are known.
 */
const struct settings_policy *policy_choose(
    const struct policy_facts *facts, const struct judge_verdict *verdict);
/* Why a rule does not fit, as a few words in room_r; NULL: it fits. */
const char *policy_misfit(const struct policy_facts *facts,
    const struct judge_verdict *verdict, const struct settings_policy *rule, char *room_r,
    size_t size);

/*
 * Chooses the rule and sets the verdict's action and wants_body. A rule that only lacks
 * its reason could still be chosen once the body's start is read: wants_body knows.
 */
const struct settings_policy *policy_decide(const struct policy_facts *facts,
    const struct judge_facts *judged, struct judge_verdict *verdict);

#endif
