/*
 * NAME
 *	session/internal - what the files of this module share
 *
 * OWNERSHIP
 *	A connection belongs to the libmilter thread that runs its callback. Everything in
 *	struct session_mail lives in the connection's arena and ends with the transaction.
 */
#ifndef OOPS_SESSION_INTERNAL_H
#define OOPS_SESSION_INTERNAL_H

#include <libmilter/mfapi.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/evaluate/evaluate.h"
#include "milter/hold/storm.h"
#include "milter/identity/identity.h"
#include "milter/session/submission.h"
#include "milter/session/session.h"

/* Envelope text that is read; what is over it is only counted (mail.h keeps 5,000 of them). */
#define SESSION_MAX_RECIPIENT_BYTES (512u << 10)
/* A longer name is no name: RFC 5321 4.5.3.1.2 */
#define SESSION_MAX_HELO 255
/*
 * Fields of each name that only we may set that are removed from one mail: each is a request to
 * the MTA. An honest mail has none; one with more is refused, for the first that is left would
 * decide whose the mail is.
 */
#define SESSION_MAX_TAGS 1000

enum session_respond { SESSION_CONTINUE, SESSION_ACCEPT, SESSION_TEMPFAIL, SESSION_REJECT };

/* What is left to do at the end of the message. */
enum session_plan {
	SESSION_PLAN_CLEAN, /* nothing but to remove the headers that only we may set */
	SESSION_PLAN_JUDGE, /* do what was decided, or judge again with the body's start */
};

struct session_mail {
	struct mail_transaction *transaction; /* NULL between transactions */
	const char *failed;                   /* why it could not be gathered whole, or NULL */
	size_t recipient_bytes;
	int tags;           /* fields named QUEUE_TAG_NAME seen */
	int injects;        /* fields named NOTICE_INJECT_NAME seen */
	const char *inject; /* value of the first one */

	enum session_plan plan;
	struct identity identity;
	struct session_submission_names names;
	struct session_submission_entry entry;
	struct session_submission_left left; /* of a mail that is held: who has it already */
	bool has_left; /* its recipients are counted among those who have it */
	/*
	 * The transaction with the recipients of the whole submission; NULL: not a person's send.
	 */
	const struct mail_transaction *judged;
	struct audience audience;
	bool has_audience;
	struct evaluation evaluation; /* its decision's rule is NULL before session_score() */
	struct policy_counts counts;  /* of the budgets */
	bool has_counts;
	struct hold_storm_block block; /* that it waits for, where the decision is_storm */
};

struct session_connection {
	const struct session_services *services;
	const struct config *config; /* of the transaction; NULL between transactions */
	struct base_arena *arena;    /* reset with every transaction */
	struct identity_peer peer;
	char helo[SESSION_MAX_HELO + 1]; /* as the client said it, "" until then */
	unsigned long steps;             /* SMFIP_* agreed with the MTA */
	unsigned long actions;           /* SMFIF_* agreed with the MTA */
	struct session_mail mail;
};

/* negotiate.c */
sfsistat session_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps,
    unsigned long unused2, unsigned long unused3, unsigned long *actions_r, unsigned long *steps_r,
    unsigned long *unused2_r, unsigned long *unused3_r);
/* CONTINUE, or silence for a step that we promised not to answer. */
sfsistat session_silence(const struct session_connection *connection, unsigned long step);

/* gather.c: the callbacks, except the negotiation. */
sfsistat session_on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address);
sfsistat session_on_helo(SMFICTX *context, char *name);
sfsistat session_on_sender(SMFICTX *context, char **arguments);
sfsistat session_on_recipient(SMFICTX *context, char **arguments);
sfsistat session_on_field(SMFICTX *context, char *name, char *value);
sfsistat session_on_header_end(SMFICTX *context);
sfsistat session_on_body(SMFICTX *context, unsigned char *data, size_t length);
sfsistat session_on_message_end(SMFICTX *context);
sfsistat session_on_abort(SMFICTX *context);
sfsistat session_on_close(SMFICTX *context);
/* The connection of a context, made if it is not there; NULL: no memory. */
struct session_connection *session_connection_of(SMFICTX *context);

/* answer.c */
enum session_respond session_answer_header(struct session_connection *connection);
enum session_respond session_answer_message(
    struct session_connection *connection, SMFICTX *context);
/* What was decided is done, at the end of the message. */
enum session_respond session_respond_decision(
    struct session_connection *connection, SMFICTX *context);
/* Is there a field in it that only we may set? */
bool session_has_marks(const struct session_mail *mail);
/* The policy's on_error, audited. */
enum session_respond session_respond_error(
    struct session_connection *connection, const char *where, const char *why);

/* queue_entry.c: one mail as a queue entry of a submission. */
/* End of the header: whom it is judged for. */
void session_entry_enter(struct session_connection *connection);
/* End of the message: the same, now that the body is known. True: there are others now. */
bool session_entry_commit(struct session_connection *connection);
/* Waits, but not for long, for the fate of the first mail of its series. */
void session_entry_await(struct session_connection *connection);
/*
 * It passes, as far as it is concerned. False: another queue entry is held meanwhile, and this one
 * with it, as the decision says now.
 */
bool session_entry_pass(struct session_connection *connection);
/* It leaves whatever becomes of the others: nothing can hold it. */
void session_entry_leave(struct session_connection *connection);
/* It is to be held; finds who has it already. */
enum base_result session_entry_hold(struct session_connection *connection);
/* It is: what it teaches will be learned with its hold, see session_learn_send(). */
void session_entry_held(struct session_connection *connection);
/* It could not be held after session_entry_hold(): the others need not be for its sake. */
void session_entry_unhold(struct session_connection *connection);
/* Whose habits this send teaches: the actor's, or nobody's ("") when no person is proved. */
const char *session_learner(const struct session_connection *connection);
/* Gives memory what is known of a judged send, or of a mail that is not judged. */
void session_learn_send(struct session_connection *connection);
void session_learn_passing(struct session_connection *connection);

/* decide.c: what is decided about a send. */
/* How many people it goes to, and what is usual. As history_recall(). */
enum base_result session_recall(struct session_connection *connection, const char **why_r);
/* Scores it and decides about it, no budget being asked yet. As judge_score(). */
enum base_result session_score(
    struct session_connection *connection, bool has_body, const char **why_r);
/*
 * Tells early what the budgets will leave of the decision; the last word is session_limit_set()'s.
 * A store that cannot count limits nothing: whether it can take the hold will be seen.
 */
void session_budget_ask(struct session_connection *connection);
/* Decides again, because more is known: another entry is held, a storm began or is over. */
void session_decide(struct session_connection *connection);
/* The rule that decided; before that, the one that fits as far as is known. */
const struct settings_policy *session_rule(const struct session_connection *connection);
/* Puts the exact form of the budgets into a request: counts and row are one transaction. */
void session_limit_set(const struct session_mail *mail, struct hold_params *request);
/* Writes down what became of the request. */
void session_limit_take(struct session_mail *mail, const struct hold_terms *terms);

/* storm.c: too many answers to everybody. */
/*
 * Counts this mail if it is such an answer, and has it wait if it must: what is to be confirmed
 * stays that, and a rule that only tags has it tagged.
 */
enum base_result session_storm_ask(struct session_connection *connection, const char **why_r);
/* What is special in the request for such a hold. */
void session_storm_request(
    const struct session_connection *connection, struct hold_params *request);

/*
 * author.c: the address of who began the thread that is answered, if they get the mail, or its
 * header or the start of its body name them; else "".
 */
const char *session_author_find(const struct session_connection *connection);

/* hold.c: what is done to a mail that does not simply pass. */
enum session_respond session_tag(struct session_connection *connection, SMFICTX *context);
enum session_respond session_hold(struct session_connection *connection, SMFICTX *context);
/* "name:points,name:points": no recipient's name is in it. */
const char *session_reasons_text(struct base_arena *arena, const struct judge_score *score);
/* Adds a header field with the space that the MTA expects. */
bool session_field_add(const struct session_connection *connection, SMFICTX *context,
    const char *name, const char *value);

/* audit.c: what the auditor reads. */
/* What is done to a mail, as logs and the tag say it. */
const char *session_action_text(const struct session_mail *mail);
/* What becomes of a mail for another reason than its score, as the audit line says it. */
struct session_outcome {
	const char *action; /* "pass" or "tempfail" */
	const char *gate;
};
/* The line for a send that did not simply pass, once it is known what becomes of it. */
void session_judge_audit(const struct session_connection *connection, const char *hold_id,
    const struct session_outcome *outcome);

/* session.c */
const struct session_services *session_services(void);
struct session_submissions *session_submissions(void);
/* Between the two the services are not taken away. False: the program is ending. */
bool session_enter(void);
void session_leave(void);

#endif
