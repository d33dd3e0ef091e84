/*
 * NAME
 *	queue - speak to oops-queued; and oops-queued's own side
 *
 * WHAT IT DOES
 *	The client asks the privileged helper about queue files that carry our tag header
 *	`Oops-Milter: id=HOLDID; action=ACTION; mac=MAC`: where they are, release, return to the
 *	author, delete, read, mark as stopped, and which ones there are. The server does it with
 *	the MTA's own tools.
 *
 * WHAT IT NEVER DOES
 *	The server touches no file whose own tag header does not carry the hold id asked for:
 *	MTAs use queue ids again. It touches no network, no database, no libmilter.
 *
 * PROTOCOL
 *	Unix stream socket, one request a connection, text lines of at most 200 bytes:
 *	    VERB COUNT LF, then COUNT lines QUEUEID SP HOLDID LF
 *	with VERB one of STATUS RELEASE RETURN DELETE STOP (COUNT 1..QUEUE_MAX_ITEMS), READ (1)
 *	and SCAN (0). Answer: one line QUEUEID SP STATUS LF per item, in the order asked; for
 *	READ, if it is there, the line QUEUEID SP STATUS SP LENGTH LF and LENGTH bytes; for SCAN a
 *	line QUEUEID SP HOLDID SP MAC LF per file found; then a line END LF. What cannot be
 *	understood or a peer with the wrong uid: a line ERROR SP text LF.
 *
 *	STOP marks a held file as stopped by its author, in the file itself, and changes nothing
 *	else: whoever has only the queue (oopsctl free-all) leaves it on hold. RELEASE takes the
 *	mark away again.
 *
 * WHAT IS LEFT OF ROOT
 *	oops-queued is several processes (processes.c), each with what narrow.h leaves it. As root,
 *	with all rights over users and files, about 1,900 lines run: half of them here
 *	(oops-queued.c, processes.c, tools.c, settings.c, making the socket in server.c), half of
 *	base: the running of a program, the log, options, and the look at who may change a folder.
 *	They are root because postsuper and a queue run of Sendmail must be, and the socket is given
 *	away. At the start they ask postconf for one line; after that they read fixed commands with
 *	queue ids from the worker, and run no program that another than root could change. The
 *	settings are read by oops-milter without any right, which hands over eight plain lines. No
 *	library but libc is linked.
 *
 *	What they give up is what no program that handles mail needs: mounts, modules, the clock,
 *	devices, the network's setup. More cannot be taken from them, because what they run inherits
 *	it: Sendmail speaks to the network, becomes each local user, and runs his programs, which
 *	may be set-uid; Postfix's commands complain of a machine where they may make no socket.
 *
 *	The rest, which reads requests and files that strangers wrote, is the worker. It runs no
 *	program and makes no socket of a network. With Postfix it is the owner of the queue, without
 *	any capability, and may open files only to read them. With Sendmail, whose queue is root's,
 *	it is root with the capabilities over files alone (DAC_OVERRIDE, FOWNER, CHOWN), and opens
 *	nothing outside the queue directories. Those of Postfix's commands that its owner may run
 *	(postcat, a flush) are run by a process of that owner.
 *
 * WHOSE FILE IT IS
 *	The server compares text and holds no key. Who asks by a hold id that a row of the store
 *	gave him needs no more: it is 80 random bits, and whoever could copy them out of a header
 *	could copy a MAC as well. Who has the id from a file (SCAN) proves it by its MAC before
 *	he believes it: queue_mac_proves_id(), and queue_mac_proves_mailbox() before he asks
 *	anybody about the mail.
 *
 * THREADS
 *	A client belongs to one thread at a time.
 *
 * DIAGNOSTICS
 *	RETRY: oops-queued cannot be reached, or did not answer in time; nothing is known of
 *	what it did (all its verbs may be repeated). REFUSE: it refused the request as a whole.
 */
#ifndef OOPS_QUEUE_H
#define OOPS_QUEUE_H

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"

#define QUEUE_MAX_ITEMS 500
#define QUEUE_MAX_ID 64             /* bytes of an MTA's queue id */
#define QUEUE_MAX_READ (100u << 20) /* bytes of a message that READ gives away */

/* What is true of one queue file, after the verb was carried out. */
enum queue_status {
	QUEUE_HELD,    /* on hold, with our tag */
	QUEUE_MOVING,  /* in the queue with our tag, not on hold: being delivered or deferred */
	QUEUE_GONE,    /* no file of this queue id */
	QUEUE_FOREIGN, /* a file of this queue id without our tag and id: left alone */
	QUEUE_FAILED,  /* the MTA's tool failed: ask again later */
};

const char *queue_status_str(enum queue_status status);
/* Can this be the queue id of a file: nothing else may be asked about. */
bool queue_is_queue_id(const char *text);

struct queue_item {
	const char *queue_id;
	const char *hold_id;
	enum queue_status status; /* output */
	const char *mac;          /* output of a scan: what the tag says to prove the hold id */
};

enum queue_verb { QUEUE_STATUS, QUEUE_RELEASE, QUEUE_RETURN, QUEUE_DELETE, QUEUE_STOP };

const char *queue_verb_str(enum queue_verb verb);

/* --- client ----------------------------------------------------------------------- */

struct queue_client;

/* No connection is made before the first request. */
struct queue_client *queue_client_new(const char *socket_path, int timeout_ms);
void queue_client_free(struct queue_client **client);

/*
 * Carries out one verb for up to QUEUE_MAX_ITEMS files and fills in each status. After a
 * RELEASE, RETURN or DELETE that worked the status is MOVING or GONE, after a STOP HELD.
 */
enum base_result queue_ask(struct queue_client *client, enum queue_verb verb,
    struct queue_item *items, size_t count, const char **why_r);
/* The message as the MTA has it, header and body. NONE: gone or foreign. */
enum base_result queue_read(struct queue_client *client, struct base_arena *arena,
    const char *queue_id, const char *hold_id, size_t max_bytes, char **data_r, size_t *length_r,
    const char **why_r);
/*
 * Every queue file on hold that carries a tag like ours: look at its `mac` before believing it.
 * The client's time is that of silence: as long as files come, more are waited for.
 */
enum base_result queue_scan(struct queue_client *client, struct base_arena *arena,
    struct queue_item **items_r, size_t *count_r, const char **why_r);

/* --- server ----------------------------------------------------------------------- */

/* Sockets to those who run the MTA's commands: as root, and as the owner of the queue. */
struct queue_runners {
	int root, owner;
};

struct queue_server_options {
	const char *socket_path;
	const char *mta_kind;             /* "postfix" or "sendmail" */
	const char *config_directory;     /* Postfix's */
	const char *command_directory;    /* of postsuper, postqueue, postcat */
	const char *sendmail_program;     /* Sendmail's own, not a wrapper of another MTA */
	const char *sendmail_config;      /* its sendmail.cf */
	unsigned allowed_uid;             /* besides 0 */
	void (*listening)(void *context); /* called once the socket is there; NULL: nothing */
	void *context;
	bool is_foreground;                  /* the standard streams are somebody's */
	const struct queue_runners *runners; /* NULL: the process runs commands itself */
};

/*
 * Serves, as root, until *stop is set by a signal handler (the caller installs it without
 * SA_RESTART); one request at a time, each bounded in time. BROKEN: the socket cannot be made, or
 * the MTA is not usable; or a process of it died.
 */
enum base_result queue_serve(
    const struct queue_server_options *options, volatile int *stop, const char **why_r);

/* --- the settings of the server, read by a process without root ------------------------ */

/* What `oops-milter OPTION NAME` writes of the settings on its standard input, a line each. */
#define QUEUE_SETTINGS_OPTION "--queue-settings"
#define QUEUE_MAX_PATH 512 /* bytes of a value, with its NUL */

enum queue_value {
	QUEUE_VALUE_KIND,
	QUEUE_VALUE_CONFIG_DIRECTORY,
	QUEUE_VALUE_COMMAND_DIRECTORY,
	QUEUE_VALUE_SENDMAIL_PROGRAM,
	QUEUE_VALUE_SENDMAIL_CONFIG,
	QUEUE_VALUE_SOCKET,
	QUEUE_VALUE_USER, /* as the settings name him */
	QUEUE_VALUE_UID,  /* his number, or "-": there is no such user */
	QUEUE_VALUES
};

struct queue_settings {
	char values[QUEUE_VALUES][QUEUE_MAX_PATH];
	bool has_user;
	unsigned uid; /* if he is there */
};

/*
 * Has the file read by a process that gave up root, and looks at what it hands over as at a
 * stranger's text. REFUSE: the file is wrong, which is told on standard error with file and line.
 * BROKEN: no answer; *why_r tells.
 */
enum base_result queue_settings_get(
    const char *path, struct queue_settings *settings_r, const char **why_r);

/* --- without a server: the emergency exit (as root) ----------------------------------- */

/* What became of a file on hold, or would become. */
enum queue_fate {
	QUEUE_FATE_FREED,
	QUEUE_FATE_STOPPED, /* its author stopped it: it stays on hold */
	QUEUE_FATE_FORGED,  /* its tag is none of ours */
	QUEUE_FATE_OTHERS,  /* it has no tag like ours: not ours to free */
	QUEUE_FATE_FAILED,  /* the MTA's tool failed: run it again */
};
#define QUEUE_FATES 5

struct queue_free_count {
	size_t of[QUEUE_FATES];
};

struct queue_free_options {
	const struct queue_server_options *mta; /* socket and uid are not looked at */
	const struct base_key *key;             /* NULL: every tag like ours is believed */
	bool is_dry;                            /* nothing is freed: FREED means that it would be */
	/* one file, of every kind but OTHERS; NULL: nothing is reported */
	void (*report)(void *context, enum queue_fate fate, const struct queue_item *item);
	void *context;
};

/*
 * Takes everything off hold that we held and that its author did not stop, by what the queue
 * files say: no row, no oops-queued, no oops-milter is needed. RETRY: some failed, or the MTA
 * does not answer; it may be run again.
 */
enum base_result queue_free_all(
    const struct queue_free_options *options, struct queue_free_count *count_r, const char **why_r);

/* --- the tag header, spelled in one place ------------------------------------------ */

#define QUEUE_TAG_NAME "Oops-Milter"
#define QUEUE_MAC_LENGTH 32 /* base32 characters: 80 bits for the hold id, 80 for the mailbox */
#define QUEUE_MAC_SIZE (QUEUE_MAC_LENGTH + 1)

/* What the tag header of a held mail says. */
struct queue_tag {
	char hold_id[BASE_ID_SIZE];
	char mac[QUEUE_MAC_SIZE];
};

/*
 * The tag of a mail that is held: "id=HOLDID; action=ACTION; mac=MAC". `mailbox` is whom we ask
 * about it. With mac NULL, "id=HOLDID; action=ACTION": of a mail that is not held, and that is
 * never ours in the queue.
 */
enum base_result queue_tag_format(struct base_arena *arena, const char *hold_id, const char *action,
    const char *mac, const char **value_r);
/* REFUSE if the value of a tag header is none of a held mail. */
enum base_result queue_tag_parse(const char *value, struct queue_tag *tag_r);
bool queue_is_mac(const char *text);

/* --- what proves a tag (not in the server) ------------------------------------------- */

/* False: no memory. */
bool queue_mac_make(const struct base_key *key, const char *hold_id, const char *mailbox,
    char mac_r[QUEUE_MAC_SIZE]);
/* Did we write this hold id into a tag, with any key that the file still has? */
bool queue_mac_proves_id(const struct base_key *key, const char *hold_id, const char *mac);
/* And was it this mailbox, in whatever case, that we would have asked about the mail? */
bool queue_mac_proves_mailbox(
    const struct base_key *key, const char *hold_id, const char *mailbox, const char *mac);

#endif
