/*
 * NAME
 *	policy - the one place that decides: what is done about a send, and which gate said so
 *
 * WHAT IT DOES
 *	Tries the rules of the settings in order: the first whose match fits decides. Compares
 *	the score with that rule's thresholds and with the site's own percentile, spares what is
 *	known to be all right, joins what is held already, and leaves no more of it than a proof,
 *	`monitor`, the budgets and a reply-all storm allow. The daemon, `oopsctl policy`, `explain`
 *	and `backtest` all ask here.
 *
 * WHAT IT NEVER DOES
 *	No I/O, no log; it changes no score. Only policy_moment_of() asks for the time zone.
 *
 * OWNERSHIP
 *	Facts are borrowed for the call. Rules are those of the settings; other texts are static.
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
#include "milter/base/buffer.h"
#include "milter/identity/value.h"
#include "milter/judge/judge.h"
#include "milter/mail/transaction.h"
#include "milter/history/value.h"
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
	const char *actor;                     /* normalised, "" for nobody */
	const char *login;                     /* "" for none */
	const struct sockaddr_storage *client; /* NULL: unknown */
	const struct audience *audience;       /* NULL: unknown */
	struct policy_moment moment;

	/* These need not be known to choose a rule. */
	const struct history_recall *recall; /* what is usual here, and how much is known of it */
	enum identity_proof proof;           /* of who sends */
	bool is_proved_person;               /* somebody is proved who could be asked */
	enum settings_action held; /* another entry of this submission is; PASS: none is */
	bool has_passed;           /* an earlier mail of the same series has gone to its people */
	size_t storm_replies; /* people who replied to all in the storm it belongs to; 0: in none */
};

/* What is spent of the interruption budgets, in the last 24 hours. */
struct policy_counts {
	size_t of_sender;  /* holds of the proved person */
	size_t of_site;    /* holds of everybody that count for all: see hold_counts */
	double site_sends; /* sends of the whole site */
};

/* What decided. Its name in the audit line stands in oops-audit(5). */
enum policy_gate {
	POLICY_GATE_NONE,
	/* The score against the rule. */
	POLICY_GATE_THRESHOLD,  /* the rule's own threshold */
	POLICY_GATE_PERCENTILE, /* the percentile of the site's recent scores */
	POLICY_GATE_NEW_SITE,   /* while that is not known: clearly above the threshold */
	POLICY_GATE_RULE,       /* the rule holds nothing, or does not even tag */
	/* What is spared whatever its score is. */
	POLICY_GATE_LEARNING_SITE, /* too little is known of the whole site */
	POLICY_GATE_LEARNING,      /* too little is known of this sender */
	POLICY_GATE_REGULAR,       /* it is a regular mailing, and due */
	POLICY_GATE_CONFIRMED,     /* this very audience was confirmed before */
	POLICY_GATE_CONVERSATION,  /* it was written to since the replied-to mail came */
	/* What belongs together. */
	POLICY_GATE_SUBMISSION, /* another entry of the submission is held */
	POLICY_GATE_STORM,      /* too many have replied to all already */
	/* What leaves less of it. */
	POLICY_GATE_PROOF,         /* nobody is proved who could be asked */
	POLICY_GATE_SERIES,        /* the series has begun to leave */
	POLICY_GATE_MONITOR,       /* `monitor` is set: the site only looks */
	POLICY_GATE_BUDGET_SENDER, /* the person was asked often enough today */
	POLICY_GATE_BUDGET_SITE,   /* the site was */
};

struct policy_decision {
	const struct settings_policy *rule;
	enum settings_action action; /* what is done; is_storm takes its place */
	enum settings_action wanted; /* what score and submission ask for */
	enum policy_gate gate;
	const char *limited_by; /* what left less than was wanted, as the audit says it; NULL */
	bool is_storm;          /* it is held until the storm is over */
	bool wants_body;        /* the start of the body could change the action */
};

/*
 * Without counts no budget is asked. Every fact that becomes known later (a storm, another
 * entry that was held meanwhile) is put into the facts, and this is asked again.
 */
struct policy_decision policy_decide(const struct policy_facts *facts,
    const struct judge_score *score, const struct policy_counts *counts);

/* What is left of a decision once the counts are known that nobody else changes meanwhile. */
void policy_budget_apply(const struct policy_counts *counts, struct policy_decision *decision);
/*
 * Takes over what a hold was placed as, or what the hold is that it joined: `decision` is one
 * that no budget has touched yet. `limited_by` is "" for nothing.
 */
void policy_join(
    struct policy_decision *decision, enum settings_action action, const char *limited_by);
/* How many holds the site has in a day; 0: no limit. Few sends leave a little all the same. */
double policy_budget_site(const struct settings_budget *budget, double site_sends);
/* How many holds of one person count for the site: nobody spends what is everybody's. */
size_t policy_budget_share(const struct settings_budget *budget, double site_sends);

/* Is nothing held of what a rule decides, whatever it is? Then a storm is only said. */
bool policy_only_tags(const struct policy_facts *facts, const struct settings_policy *rule);

/* --- why ---------------------------------------------------------------------------- */

/*
 * The rule that decides. Without a score (NULL, judging failed) a rule that asks for
 * reasons does not fit; nor does one that asks for an unknown audience or client: people_min
 * asks how many are known at least, people_max only fits where all are known.
 */
const struct settings_policy *policy_choose(
    const struct policy_facts *facts, const struct judge_score *score);
/* Why a rule does not fit, as a few words in room_r; NULL: it fits. */
const char *policy_mismatch(const struct policy_facts *facts, const struct judge_score *score,
    const struct settings_policy *rule, char *capacity_r, size_t size);

/* Which gate a score did not pass, to be held and to be tagged; NONE: it passed all. */
struct policy_gates {
	enum policy_gate hold;
	enum policy_gate tag;
};

/* What one rule does about a score by its gates alone. */
enum settings_action policy_gates_pass(const struct policy_facts *facts,
    const struct settings_policy *rule, const struct judge_score *score,
    struct policy_gates *gates_r);
/* The gate that decided, and its value, for the audit: "learning:12/20", "threshold:0.9". */
void policy_gate_write(const struct policy_facts *facts, const struct policy_counts *counts,
    const struct policy_decision *decision, struct base_buffer *gate_r);
/* The gates of one rule, and which of them a score passed, as a few lines. */
void policy_explain(const struct policy_facts *facts, const struct settings_policy *rule,
    const struct judge_score *score, struct base_buffer *text_r);

#endif
