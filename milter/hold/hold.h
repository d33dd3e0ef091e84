/*
 * NAME
 *	hold - the life of a held send: the only writer of its state; the scheduler
 *
 * WHAT IT DOES
 *	Writes the row before the MTA is asked to hold (PENDING), and from then on moves it by
 *	one function along one table of allowed moves:
 *
 *	PENDING -> HELD -> SENDING -> SENT
 *	           HELD -> UNDONE -> SENDING
 *	           HELD -> RETURNING (expiry)    UNDONE -> RETURNING -> RETURNED
 *	                                         UNDONE -> DELETED
 *	RETURNING -> SENDING (it is too large to come back, and is sent after all)
 *	PENDING, HELD, UNDONE, SENDING, RETURNING -> LOST (the file went away without us)
 *	LOST -> PENDING (an admin found the file, and adopts it)
 *
 *	RETURNING: a letter of ours with the whole mail is taken by the MTA, that is written down,
 *	and only then the files on hold are deleted (see "bringing back").
 *
 *	Every move is one conditional update and one audit line that names both states. The
 *	scheduler, a thread, carries out what is due: it asks oops-queued, and repeats with
 *	backoff until the queue file says that it is done. It can be killed anywhere. It looks
 *	before it submissions: a file that left before we asked for anything left without us. When
 *	the clock of the machine is set while it runs, all times of what is not over move along.
 *
 * WHAT IT NEVER DOES
 *	It never touches a queue file itself, reads no body, writes no letter.
 *
 * OWNERSHIP
 *	Views live in the arena given.
 *
 * THREADS
 *	struct hold may be used by any thread. hold_create() commits the rows of concurrent
 *	callers together. If the files of the database are removed or replaced, it is opened
 *	anew within a second, and before anything is written; the log and the audit are told.
 *
 * AUDIT
 *	hold_create() writes event=hold for each queue file that the MTA is about to be asked to
 *	hold, the move to HELD event=held once the queue has shown them; hold_request() writes
 *	event=request for every request (refused= says why nothing moved: state, early, storm,
 *	over), and send, undo or restore as well if it moved the hold; a timer writes expire, and
 *	send as well if the mail goes out by it. The ends are sent, return, delete and lost. `by` of
 *	an end is who asked for it; how= of lost is how files left without us, with their queue ids.
 *
 * DIAGNOSTICS
 *	OK done; NONE no such hold; REFUSE the move is not allowed from the present state (look
 *	at the view: usually it is already done), or the request could never be carried out;
 *	RETRY the store is busy; BROKEN the store failed.
 */
#ifndef OOPS_HOLD_H
#define OOPS_HOLD_H

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/mail/end.h"
#include "milter/queue/queue.h"
#include "milter/words/held.h"

enum hold_state {
	HOLD_PENDING = 1, /* the row is there, the MTA has not shown the file yet */
	HOLD_HELD,
	HOLD_SENDING,
	HOLD_SENT,
	HOLD_UNDONE,
	HOLD_RETURNING,
	HOLD_RETURNED,
	HOLD_DELETED,
	HOLD_LOST,
};

enum hold_entry_state {
	HOLD_ENTRY_PENDING = 1, /* not seen in the queue yet */
	HOLD_ENTRY_HELD,        /* seen there, on hold */
	HOLD_ENTRY_DONE,        /* left the way the hold wanted */
	HOLD_ENTRY_LOST,
};

enum hold_action {
	HOLD_UNDO = 1,
	HOLD_CONFIRM,
	HOLD_STORM, /* too many have answered everybody: it waits for the end of that */
	HOLD_BLOCK, /* in views only: the block itself, as its owner sees it; see storm.h */
};
/* How a mail in RETURNING comes back to its author; the numbers are the store's. */
enum hold_return {
	HOLD_RETURN_DUE = 0,    /* by a letter of ours, which the MTA has not taken yet */
	HOLD_RETURN_LETTER = 1, /* the MTA took it: the files on hold can go */
	HOLD_RETURN_BOUNCE = 2, /* by the MTA's own bounce */
	HOLD_RETURN_STUCK = 3,  /* by neither so far: it stays on hold, and an admin was told */
	HOLD_RETURN_KEPT = 4,   /* by neither, for its size: it stays on hold until its author or an
				 * admin decides */
};

/* How a queue file left that we did not ask for, the worse the larger. */
enum hold_how {
	HOLD_HOW_UNKNOWN = -1, /* nobody watched over it before it was adopted */
	HOLD_HOW_STAYED = 0,
	HOLD_HOW_GONE = 1,     /* no file of its name was there any more */
	HOLD_HOW_RELEASED = 2, /* it was in the queue, but not on hold: people may have it */
};

const char *hold_how_str(enum hold_how how);
const char *hold_state_str(enum hold_state state);
const char *hold_action_str(enum hold_action action);
const char *hold_return_str(enum hold_return how);
bool hold_state_is_final(enum hold_state state);
/* The table of allowed moves. */
bool hold_move_is_allowed(enum hold_state from, enum hold_state to);

struct hold;

struct hold_options {
	const char *driver;
	const char *directory; /* state_directory */
	const char *node;
	bool create;
	bool *is_new_r; /* see struct store_options: no hold of before is known; or NULL */
};

enum base_result hold_open(
    const struct hold_options *options, struct hold **hold_r, const char **why_r);
void hold_close(struct hold **hold);

/* --- placing (oops-milter) --------------------------------------------------------- */

/* What is known of how many people a send goes to; the numbers are the store's. */
enum hold_people {
	HOLD_PEOPLE_EXACT = 0,
	HOLD_PEOPLE_AT_LEAST = 1,
	HOLD_PEOPLE_UNKNOWN = 2, /* the number says nothing */
};

struct hold_reason {
	const char *name;   /* of the signal */
	const char *points; /* as the scorecard shows them */
	/* what its sentence is made of, see words/reason.h; "" once it is over: it names people */
	const char *values, *who, *other;
};

/* The holds of the last HOLD_BUDGET_SECONDS, those of storms left out. */
struct hold_counts {
	size_t of_sender; /* all of one sender */
	/* of everybody, those that were limited left out, and those of a sender who had a share
	 * of as many then */
	size_t of_site;
};

#define HOLD_BUDGET_SECONDS 86400

/* What a hold is after all. */
struct hold_terms {
	enum hold_action action; /* 0: it is not held */
	int64_t window;          /* seconds until it is sent (undo) or expires (confirm) */
	const char *limited_by;  /* "sender", "site"; "" for nothing; lives on */
};

/*
 * What the counts leave of a request. It is called while the store belongs to the caller
 * alone, in another thread: it must not block, nor change anything.
 */
typedef struct hold_terms hold_limit_fn(const void *context, const struct hold_counts *counts);

/* What one transaction alone is, of a submission of several. */
struct hold_alone {
	const char **recipients; /* those that every recipient can see */
	size_t recipients_visible;
	size_t recipient_count;
	unsigned long people;
	enum hold_people people_kind;
	const void *observation;
	size_t observation_length;
};

struct hold_params {
	enum hold_action action;
	const char *queue_id;
	const char *message_id; /* for the audit alone; NULL: not known */
	const void *submission; /* what makes transactions one submission */
	size_t submission_length;
	const char *sender;  /* normalised: whose budget it is */
	const char *mailbox; /* the same as it was written: where the letter goes; NULL or "":
				unknown, to sender */
	/* its envelope sender is that mailbox: the MTA's own bounce goes there */
	bool bounces_home;
	const char *from; /* the mail's From where it is somebody else's than the sender's;
				NULL or "": it is not */
	const char *subject;
	const char **recipients; /* those that every recipient can see (To, Cc); bounded here */
	size_t recipients_visible;
	/* of the submission as far as it is known: later queue entries know more */
	size_t recipient_count;
	unsigned long people;
	enum hold_people people_kind;
	double score;
	const struct hold_reason *reasons;
	size_t reason_count;
	const char *policy;
	const char *language;
	const char *template; /* its name; NULL: none */
	int64_t window;       /* seconds until it is sent (undo) or expires (confirm) */
	int64_t announce;     /* seconds that a window which ends by sending waits at most for the
			   * MTA to take the letter about it; 0: it begins at once */
	int64_t grace;        /* seconds an undone mail can be restored */
	enum mail_end on_end; /* of a confirm: RETURN or SEND */
	enum mail_end then;   /* of the grace: RETURN or DELETE */
	const void *observation;
	size_t observation_length;
	const char *storm;      /* of HOLD_STORM: the block that is on */
	const char *author;     /* whom it answers, NULL or "": not known */
	unsigned long answered; /* people who had answered everybody before */
	/* which mail of the submission it is, from 0: a series is several */
	int64_t mail;
	size_t left_count;   /* recipients who have got it already */
	const char *left_to; /* some of them, whom everybody can see, one a line; or NULL */
	/* asked before a hold begins, not when it is joined; NULL: none */
	hold_limit_fn *limit;
	const void *limit_context;
	size_t share; /* of one sender, as the counts for `limit` have it */
	/*
	 * what takes the place of the above when the queue entries before are out of reach; NULL:
	 * they are the same
	 */
	const struct hold_alone *alone;
};

#define HOLD_MAX_TEMPLATE 1024 /* bytes of a template's name */

/* A later transaction of the same submission within this time joins the hold as a queue entry. */
#define HOLD_SUBMISSION_SECONDS 300

/* What became of a request. */
struct hold_placed {
	char id[BASE_ID_SIZE];
	struct hold_terms terms; /* those of the hold, which may be older than the request */
};

/*
 * Durable when it returns OK with an action: a new hold, or a new queue entry of one that is
 * PENDING, HELD or UNDONE. OK without an action: the limit leaves nothing, and nothing was written.
 * As many holds as the limit allows begin, however many callers there are. NONE: this submission
 * was released already, by the hold whose id is written, or the block that it was to be held for is
 * off: let it pass. One more mail of a submission whose hold was stopped, or leaves soon by its
 * window, begins a hold of its own; so does a queue entry with more recipients than a released one
 * had, and one whose hold is over unsent, or about to be. Nothing that is decided there is about
 * the queue entries before, which came back or have left: the new hold tells of this queue entry,
 * and of those that follow, `alone`.
 */
enum base_result hold_create_limited(struct hold *hold, const struct hold_params *request,
    struct hold_placed *placed_r, const char **why_r);
/* The same for a request without a limit. */
enum base_result hold_create(struct hold *hold, const struct hold_params *request,
    char id_r[BASE_ID_SIZE], const char **why_r);

/* --- adopting (oopsctl) -------------------------------------------------------------- */

/* In whose care is a queue file on hold that carries our tag? */
enum hold_ownership {
	HOLD_OWNERSHIP_OPEN, /* in ours */
	HOLD_OWNERSHIP_NONE, /* in nobody's: no row, or the row does not know the file */
	HOLD_OWNERSHIP_LOST, /* it was given up as lost */
	/* the hold came to its end: somebody put the file on hold again */
	HOLD_OWNERSHIP_OVER,
	HOLD_OWNERSHIP_ELSEWHERE, /* another node's */
};

enum base_result hold_ownership(struct hold *hold, const char *id, const char *queue_id,
    enum hold_ownership *ownership_r, const char **why_r);
/*
 * Takes the request's queue file into the care of the hold that its tag names: NONE begins the
 * hold anew, or adds the file to it if it is open; LOST puts it back to PENDING, with what the
 * request says. REFUSE: any other care.
 */
enum base_result hold_adopt(
    struct hold *hold, const char *id, const struct hold_params *request, const char **why_r);

/* --- looking ------------------------------------------------------------------------ */

/* Of what a storm made wait: the owner of the list let it through, by their own link. */
#define HOLD_BY_OWNER "owner"

#define HOLD_MARK_SIZE 32 /* bytes, with the NUL */

struct hold_view {
	const char *id;
	/* Names this state of this hold, and no other: letters, digits and '-' alone. */
	char mark[HOLD_MARK_SIZE];
	const char *node;
	enum hold_state state;
	enum hold_action action;
	const char *sender;     /* normalised */
	const char *mailbox;    /* the same as it was written: where letters go */
	const char *from;       /* the mail's From where it is somebody else's, else "" */
	const char *subject;    /* "" once it is over */
	const char *recipients; /* visible ones, one a line; "" once it is over */
	size_t recipient_count;
	unsigned long people;
	enum hold_people people_kind;
	double score;
	const struct hold_reason *reasons;
	size_t reason_count;
	const char *policy;
	const char *language;
	const char *template;      /* its name, "" none; NULL: whatever the site has */
	int64_t created;           /* seconds since 1970, as all times here */
	int64_t deadline;          /* when the state ends by itself; 0: it does not */
	enum mail_end at_deadline; /* what happens then */
	int64_t settled;           /* when it was over; 0: it is not */
	const char *undone_by;     /* who stopped it: "link", "admin"; "" nobody */
	enum hold_return return_how;
	unsigned return_tries; /* letters that did not get through */
	const char *by;     /* who moved it last: "link", "admin", "timer", "mta", HOLD_BY_OWNER */
	int64_t moved;      /* when */
	int64_t restorable; /* from when on its sender may restore it; 0: never */
	bool is_stop_final; /* once it is stopped, its sender has no time to restore it */
	int64_t letter_sent;
	bool is_announced; /* its letter was taken by the MTA, or none is due */
	int64_t seen;      /* when the queue last showed all its files on hold; 0: not yet */
	bool is_seen;      /* UNDONE: since then the queue showed all its files on hold */
	enum hold_how how; /* of files that left without us; the hold may go on with others */
	int64_t left;      /* when that was noticed */
	const char **queue_ids;
	size_t entry_count;
	size_t mail_count;       /* different mails among its files: 1, or a series */
	size_t left_count;       /* recipients who had it before it was held */
	const char *left_to;     /* some of them, one a line; "" once it is over */
	const char *answered_by; /* of a block: some of those who answered, one a line; or NULL */
	const char *storm;       /* the block it is held for, "" for none */
	const char *author;      /* whom it answers, "" not known */
	unsigned long answered;  /* people who had answered everybody before */
};

/* What letters and pages tell of it; borrowed from the view. */
struct words_held hold_words(const struct hold_view *view);
/* A reason as its sentence, or as the name of its signal when its values are gone. */
const char *hold_reason_text(
    struct base_arena *arena, const struct words *words, const struct hold_reason *reason);

enum base_result hold_find(struct hold *hold, struct base_arena *arena, const char *id,
    struct hold_view *view_r, const char **why_r);
enum base_result hold_find_token(struct hold *hold, struct base_arena *arena, const char *token,
    struct hold_view *view_r, const char **why_r);
/* How old what a page says of the queue may be, and how often a look can be asked for. */
#define HOLD_LOOK_SECONDS 5
/*
 * Asks the node whose hold it is to look at the queue files soon. It changes nothing of what is
 * decided. NONE: that is about to happen anyway, or was asked for less than HOLD_LOOK_SECONDS ago.
 */
enum base_result hold_look_ask(struct hold *hold, const char *id, const char **why_r);
/* Newest first; only those that are not over, or all. each() returning false stops. */
enum base_result hold_each(struct hold *hold, bool all,
    bool (*each)(void *context, const struct hold_view *view), void *context, const char **why_r);

/*
 * Was the hold of this submission, one of the last minutes, stopped, so that it is not going to be
 * sent as things are? OK: yes, this one. NONE: no.
 */
enum base_result hold_stopped(struct hold *hold, struct base_arena *arena, const void *submission,
    size_t submission_length, char id_r[BASE_ID_SIZE], const char **why_r);

enum base_result hold_count(
    struct hold *hold, const char *sender, struct hold_counts *counts_r, const char **why_r);

/* --- forgetting ---------------------------------------------------------------------- */

#define HOLD_FORGET_NAMED 5 /* ids that a refusal names */

/*
 * Takes an address (normalised) out of what is kept of mail that is over, and writes the
 * file anew: rows of which it is the sender go with their queue entries and links; of others, what
 * still names it. `marks`: one behind the other, at least one, each `length` bytes of which
 * observations have one in them which name the address. REFUSE, and nothing is changed: mail by it
 * or to it is still held. RETRY: the store is busy.
 */
enum base_result hold_forget(struct hold *hold, const char *address, const void *marks,
    size_t length, size_t mark_count, size_t *removed_r, const char **why_r);

/* --- requests -------------------------------------------------------------------------- */

enum hold_request {
	HOLD_REQUEST_SEND, /* HELD -> SENDING */
	HOLD_REQUEST_UNDO, /* HELD -> UNDONE */
	/* UNDONE -> SENDING; RETURNING -> SENDING what is too large to return */
	HOLD_REQUEST_RESTORE,
	HOLD_REQUEST_LIFT, /* of a block: let everything through */
};

const char *hold_request_str(enum hold_request request);

/*
 * After an undo only an admin can restore for so long: nobody changes their mind that fast, a
 * double click does.
 */
#define HOLD_RESTORE_AFTER_MS 5000

/*
 * Moves the state by one conditional update and audits it; the scheduler does the rest. What is
 * held for a storm can only be undone by its author; to send it is for an admin, or for
 * whoever lifts the block. Of what is kept because it is too large to come back (HOLD_RETURN_KEPT),
 * send means restore, and undo by an admin has its return tried anew. A restore too soon after the
 * undo is refused (see above). `by`: "link" or "admin"; `client`: the address that pressed a
 * button, for the audit; NULL: there is none.
 */
enum base_result hold_request(struct hold *hold, const char *id, enum hold_request request,
    const char *by, const char *client, const char **why_r);

/* --- letters ------------------------------------------------------------------------- */

/*
 * A hold whose letter is due now; NONE if there is none. The deadline in the view is the one
 * that the letter may state: it does not end before, whenever the letter is taken.
 */
enum base_result hold_letter_next(
    struct hold *hold, struct base_arena *arena, struct hold_view *view_r, const char **why_r);
/* Lets a token open the hold until `expires` (seconds since 1970). */
enum base_result hold_token_add(
    struct hold *hold, const char *id, const char *token, int64_t expires, const char **why_r);
/* The MTA has it: a window that waited for that begins now. */
enum base_result hold_letter_done(struct hold *hold, const char *id, const char **why_r);
/* Tries again later with backoff, until the hold is over; *again_r is when (0: never). */
enum base_result hold_letter_failed(
    struct hold *hold, const char *id, int64_t *again_r, const char **why_r);

/*
 * Its reader gets too many: the letter waits for an hour. What it is about goes its way meanwhile.
 */
enum base_result hold_letter_wait(struct hold *hold, const char *id, const char **why_r);
/*
 * REFUSE from hold_letter_*(): this row cannot be written, though the store works. Then the others
 * go on, and this one waits for some minutes.
 */
void hold_letter_aside(struct hold *hold, const char *id, const char *why);
/* How many letters about held mail a person got at or after `since`; those of storms count. */
enum base_result hold_letter_count(
    struct hold *hold, const char *sender, int64_t since, size_t *count_r, const char **why_r);

/* --- bringing back -------------------------------------------------------------------- */

/* A hold in RETURNING, as the one who writes the letter needs it. */
struct hold_returning {
	struct hold_view view;
	const char **queue_ids; /* files whose message the author has not got back yet */
	int64_t *mails;         /* of each, which of the hold's mails it is a file of */
	size_t count;
	bool has_left;   /* a queue entry of it was not stopped: somebody may have it */
	bool can_bounce; /* the MTA's own bounce goes where the letter would go */
};

/* One whose letter is due now; NONE if there is none. */
enum base_result hold_return_next(struct hold *hold, struct base_arena *arena,
    struct hold_returning *returning_r, const char **why_r);
/*
 * The MTA took a letter with the message of these files: durable. When that is true of all
 * files, the scheduler deletes them. NONE: it is not in RETURNING any more.
 */
enum base_result hold_return_taken(struct hold *hold, const char *id, const char *const *queue_ids,
    size_t count, const char **why_r);
/* The scheduler asks the MTA for its own bounce instead; only of what can bounce. */
enum base_result hold_return_bounce(struct hold *hold, const char *id, const char **why_r);
/*
 * The letter did not get through, and the scheduler looks at the files now. DUE: again later.
 * STUCK: the same, but there is no other way. KEPT: not again by itself, and its author is told.
 * `is_answered`: the MTA said so, and it counts as a try. *is_news_r: `how` was not so before.
 */
enum base_result hold_return_failed(struct hold *hold, const char *id, enum hold_return how,
    bool is_answered, bool *is_news_r, const char **why_r);
/*
 * Of these, REFUSE means that this row cannot be written, though the store works. Then the others
 * go on, and this one waits for some minutes; `is_back`: for the next start of the program, so
 * that its author does not get it again and again.
 */
void hold_return_aside(struct hold *hold, const char *id, bool is_back, const char *why);

/* --- the scheduler ------------------------------------------------------------------------ */

struct hold_scheduler;

struct hold_scheduler_options {
	struct queue_client *queue; /* used by the scheduler's thread alone */
	/*
	 * Called in the scheduler's thread after a send really left, with the observation given to
	 * hold_create() that knew most of the submission. It must not wait for anything.
	 */
	void (*sent)(void *context, const void *observation, size_t length);
	/*
	 * Called after some of these, before the observations are forgotten here: killed in
	 * between, they are given again. It may wait a moment until they are safe, and no longer:
	 * nobody's window ends meanwhile. May be NULL.
	 */
	void (*all_sent)(void *context);
	void *context;
	int64_t keep_seconds; /* how long the summary of a settled hold stays */
	/* the clock on the wall, milliseconds since 1970; NULL: base_now_ms() */
	int64_t (*now_ms)(void);
};

enum base_result hold_scheduler_start(struct hold *hold,
    const struct hold_scheduler_options *options, struct hold_scheduler **scheduler_r,
    const char **why_r);
/* Ends the thread after the step it is in. */
void hold_scheduler_stop(struct hold_scheduler **scheduler);

#endif
