/*
 * NAME
 *	queue/internal - what the files of this module share
 *
 * DIAGNOSTICS
 *	As in queue.h. Times here are milliseconds of the monotonic clock.
 */
#ifndef OOPS_QUEUE_INTERNAL_H
#define OOPS_QUEUE_INTERNAL_H

#include <sys/socket.h>
#include <sys/un.h>

#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/base/tool.h"
#include "milter/queue/queue.h"

/* --- wire.c: lines over a socket, and their grammar --------------------------------- */

#define QUEUE_MAX_LINE 200 /* bytes, with LF */
#define QUEUE_MIN_ID 5     /* bytes; no id can be postsuper's word ALL */

enum queue_kind { QUEUE_KIND_VERB, QUEUE_KIND_READ, QUEUE_KIND_SCAN };

struct queue_request {
	enum queue_kind kind;
	enum queue_verb verb; /* of QUEUE_KIND_VERB */
	size_t count;         /* of the item lines that follow */
};

/* Lines are given without their LF. REFUSE: not in the grammar. */
enum base_result queue_request_parse(
    const char *line, struct queue_request *request_r, const char **why_r);
/* Cuts the line in two; both names point into it. */
enum base_result queue_item_parse(
    char *line, const char **queue_id_r, const char **hold_id_r, const char **why_r);

/* One end of a connection, read through a small buffer until a deadline. */
struct queue_wire {
	int fd;
	int64_t deadline;
	size_t start, end;
	char data[4096];
};

void queue_wire_init(struct queue_wire *wire, int fd, int64_t deadline);
/* NONE: the peer closed. REFUSE: longer than QUEUE_MAX_LINE, or a NUL in it. */
enum base_result queue_wire_line(
    struct queue_wire *wire, char line_r[QUEUE_MAX_LINE], const char **why_r);
/* Reads what there is into an empty buffer. NONE: as above. */
enum base_result queue_wire_fill(struct queue_wire *wire, const char **why_r);
enum base_result queue_wire_send(
    struct queue_wire *wire, const void *data, size_t length, const char **why_r);
/* REFUSE: the path does not fit. */
enum base_result queue_address(
    const char *socket_path, struct sockaddr_un *address_r, const char **why_r);

/* --- postfix.c: what Postfix's commands print ---------------------------------------- */

/* Cuts output into lines; what is longer than `line` is cut off at its end. */
struct queue_lines {
	void (*each)(void *context, const char *line);
	void *context;
	size_t length;
	char line[1024];
};

/* A base_output_fn; its context is a struct queue_lines. */
void queue_lines_output(void *lines, const char *data, size_t length);

/* --- client.c: what only the asking side understands ------------------------------------ */

/* Cuts a line of a SCAN's answer in three. */
enum base_result queue_found_parse(char *line, struct queue_item *item_r, const char **why_r);
/* "HELD" and so on, as an answer spells them. */
bool queue_status_parse(const char *text, enum queue_status *status_r);

/* --- tag.c, and proof.c which writes what it reads ------------------------------------- */

#define QUEUE_TAG_ACTION "abcdefghijklmnopqrstuvwxyz-" /* letters of an action */

/* --- tools.c: the MTA's commands ------------------------------------------------------- */

enum queue_tool {
	QUEUE_TOOL_DIRECTORY, /* Postfix's queue_directory */
	QUEUE_TOOL_LOOKUP,
	QUEUE_TOOL_HEADER,
	QUEUE_TOOL_READ,
	QUEUE_TOOL_LIST,
	QUEUE_TOOL_FLUSH_ONE,
	QUEUE_TOOL_FLUSH,
	QUEUE_TOOL_RELEASE,
	QUEUE_TOOL_RETURN,
	QUEUE_TOOL_DELETE,
	QUEUE_TOOL_RUN, /* Sendmail's only one */
	QUEUE_TOOLS
};

struct queue_command {
	enum queue_tool tool;
	const char *const *ids; /* queue ids */
	size_t count;
	base_output_fn *output; /* NULL: thrown away */
	void *context;
	int64_t deadline;
};

/*
 * Runs it, here or where options->runners say. OK: it ended with 0. RETRY: with something else, or
 * not in time. BROKEN: it cannot be run.
 */
enum base_result queue_tool_run(const struct queue_server_options *options,
    const struct queue_command *command, const char **why_r);
/* REFUSE: another than root may change a command of this MTA, or its configuration. */
enum base_result queue_tools_guard(const struct queue_server_options *options, const char **why_r);

/* The other end of a socket by which commands are asked for. */
struct queue_runner {
	const struct queue_server_options *options;
	int fd;
	bool is_root;       /* runs what needs root, and nothing else */
	pid_t worker;       /* who asks, to be ended when *stop is set; 0: nobody is */
	volatile int *stop; /* NULL: nothing */
};

/* Until the other end is closed. BROKEN: the worker told that it failed, and why. */
enum base_result queue_runner_serve(const struct queue_runner *runner, const char **why_r);
/* The worker tells that it listens, or why it ends. */
void queue_runner_report(int fd, bool is_ready, const char *text);

/* --- server.c: the one who answers ------------------------------------------------------ */

struct queue_mta; /* below */

/* A listening socket that root and the allowed user can connect to. */
enum base_result queue_listen(
    const struct queue_server_options *options, int *fd_r, const char **why_r);
/*
 * Answers until *stop is set; `ready` (NULL: nobody) is called once the MTA's queue is known.
 * BROKEN: it cannot be, or `ready` fails.
 */
enum base_result queue_server_run(const struct queue_server_options *options, int listener,
    volatile int *stop, enum base_result (*ready)(const struct queue_mta *mta, const char **why_r),
    const char **why_r);

/* --- drivers: one for each MTA ------------------------------------------------------- */

#define QUEUE_MAX_PATTERNS 50

/* Sendmail's queue directories: absolute paths; a star at the end stands for any rest. */
struct queue_mqueue {
	size_t count;
	char patterns[QUEUE_MAX_PATTERNS][QUEUE_MAX_PATH];
};

#define QUEUE_MAX_KNOWN 1000

/* One of Sendmail's queue directories, as it was when it was first seen. */
struct queue_known_directory {
	uint64_t path; /* a hash of it */
	dev_t device;
	ino_t inode;
	int64_t changed, known_since; /* seconds since 1970 */
	unsigned walk;                /* that saw it last: patterns may meet */
};

/* Those of known.c. */
struct queue_known {
	unsigned walk; /* the present one */
	size_t count;
	struct queue_known_directory items[QUEUE_MAX_KNOWN];
};

/* What is asked about one queue file, and what was found. */
struct queue_lookup {
	const char *queue_id;
	/* what the MTA made of the same mail under other ids counts too if it is of this hold;
	 * NULL: it does not */
	const char *hold_id;
	enum queue_status status; /* output */
	/* output, of a file that is HELD or MOVING: */
	struct queue_tag tag;
	bool is_stopped; /* its author stopped it: see STOP in queue.h */
	dev_t device;    /* of Sendmail's directory that it is in */
	ino_t inode;
};

/* The MTA that is served, and what was asked of it once. */
struct queue_mta {
	const struct queue_server_options *options;
	char queue_directory[QUEUE_MAX_PATH]; /* Postfix's */
	struct queue_mqueue mqueue;           /* Sendmail's */
	struct queue_known known;             /* its directories */
	/* a look found no file, and that tells nothing: the queue is not the one that was there */
	bool is_away;
};

struct queue_driver {
	const char *kind;
	/* After open(): whose the queue is, if he alone can do all but what needs_root in tools.c
	 * says. NULL: nobody but root can. */
	enum base_result (*owner)(const struct queue_mta *mta, unsigned *uid_r, const char **why_r);
	/* Fills in what the MTA knows of itself. */
	enum base_result (*open)(struct queue_mta *mta, const char **why_r);
	/* After open(): gives up all files but those that it needs, as narrow_files() does. */
	enum base_result (*narrow)(const struct queue_mta *mta, const char **why_r);
	/* Fills in each of them; any number at once. */
	void (*lookup)(
	    struct queue_mta *mta, struct queue_lookup *lookups, size_t count, int64_t deadline);
	/*
	 * Acts on the items whose status is HELD, prods those that are MOVING, and sets the
	 * status of both. STOP is none of its verbs.
	 */
	enum base_result (*act)(struct queue_mta *mta, enum queue_verb verb,
	    struct queue_item *items, size_t count, int64_t deadline, const char **why_r);
	/* Marks one held file as stopped by its author, or takes the mark away. */
	enum base_result (*mark)(const struct queue_mta *mta, const struct queue_item *item,
	    bool is_stopped, const char **why_r);
	enum base_result (*read)(const struct queue_mta *mta, const char *queue_id,
	    int64_t deadline, struct base_buffer *message_r, const char **why_r);
	/* The queue ids of all files on hold, one a line. */
	enum base_result (*list_held)(const struct queue_mta *mta, int64_t deadline,
	    struct base_buffer *ids_r, const char **why_r);
};

extern const struct queue_driver queue_postfix, queue_sendmail;

/* NULL: no such kind. */
const struct queue_driver *queue_driver_for(const char *mta_kind);

/* --- mark.c: what a queue file itself says ---------------------------------------------- */

/*
 * The mark of a file that its author stopped is its mode's sticky bit. It means nothing for a
 * plain file, neither MTA looks at it, and it stays when the file is renamed, copied with its
 * mode, or kept in a backup.
 */
bool queue_mark_is_set(mode_t mode);
/* Sets or clears it; `fd` may be open for reading only. */
bool queue_mark_set(int fd, bool is_stopped);

/* --- spool.c: is there a file at all? ------------------------------------------------- */

/* Where a file of Postfix's is, as far as its directories tell. */
struct queue_location {
	bool is_held; /* in the hold queue */
	bool is_stopped;
};

/*
 * Is there a file of this name in one of Postfix's queues? postcat could tell, but waits a
 * second before it says no. RETRY: the queues cannot be looked into.
 */
enum base_result queue_spool_find(
    const char *queue_directory, const char *queue_id, struct queue_location *spot_r);
/* Marks a file in the hold queue. NONE: it is not there. */
enum base_result queue_spool_mark(
    const char *queue_directory, const char *queue_id, bool is_stopped, const char **why_r);

/* --- mqueue.c: Sendmail's queue directories ------------------------------------------- */

/* QueueDirectory and the queue groups of a sendmail.cf. BROKEN: no such file, or no sense. */
enum base_result queue_mqueue_read(
    const char *config_file, struct queue_mqueue *mqueue_r, const char **why_r);

/* One of them: where its control, data and transcript files are. */
struct queue_directory {
	int qf, df, xf;     /* open as places alone (O_PATH) */
	const char *name;   /* the last part of its path */
	const char *parent; /* the path before it */
};

void queue_directory_close(struct queue_directory *directory);

/* NONE: go on with the next. Anything else ends the walk and is its result. */
typedef enum base_result queue_visit_fn(
    void *context, const struct queue_directory *directory, const char **why_r);

/*
 * Gives up all files but those below the queue directories, or where a star stands for their names,
 * below the directory where they are.
 */
enum base_result queue_mqueue_narrow(const struct queue_mqueue *mqueue, const char **why_r);

/* NONE: each was visited. BROKEN: one cannot be looked into. */
enum base_result queue_mqueue_each(
    const struct queue_mqueue *mqueue, queue_visit_fn *each, void *context, const char **why_r);

/* --- known.c: are they the ones that were there? -------------------------------------- */

/*
 * A directory is known by its path, device and inode, and by when it was last changed before it was
 * known. Where its file system is not mounted, or an empty folder has taken its place, a file that
 * is not found is not gone. One that may not be read any more was put there after
 * queue_mqueue_narrow(): it is another.
 */
enum base_result queue_known_learn(
    struct queue_known *known, const struct queue_mqueue *mqueue, const char **why_r);
/* A file of ours was found in this directory: it is the right one, whatever was known. */
void queue_known_trust(
    struct queue_known *known, const struct queue_mqueue *mqueue, dev_t device, ino_t inode);
/*
 * Are all known directories there, and can one of them have had this file? None had it that was
 * last changed before the file was made, and then not until it was known.
 */
bool queue_known_is_there(
    struct queue_known *known, const struct queue_mqueue *mqueue, const char *queue_id);
/* When Sendmail gave a queue id, seconds since 1970; 0: it does not tell. */
int64_t queue_id_time(const char *queue_id, int64_t now);

/* --- qf.c: Sendmail's control file of one message ------------------------------------- */

#define QUEUE_QF_VERSION 8       /* the newest that is known here: Sendmail 8.13 to 8.18 */
#define QUEUE_MAX_QF (16u << 20) /* bytes: thousands of recipients */

struct queue_qf {
	int version;
	int64_t created; /* seconds since 1970 */
	bool has_sender;
	bool is_complete;
	bool has_tag;                   /* the first tag header was seen */
	struct queue_tag tag;           /* what it says, "" if it is not one of ours */
	char directory[QUEUE_MAX_PATH]; /* of the data file, "" if it is not elsewhere */
};

/* RETRY: its end is not there yet. REFUSE: not such a file, or of an unknown version. */
enum base_result queue_qf_parse(
    const char *data, size_t length, struct queue_qf *qf_r, const char **why_r);
/* The header of the message, and the empty line after it. The file must be a good one. */
void queue_qf_header(const char *data, size_t length, struct base_buffer *header_r);
/*
 * The same file without its quarantine; with the order to return the message to its author
 * if `is_returned`. The file must be a good one.
 */
void queue_qf_rewrite(
    const char *data, size_t length, bool is_returned, int64_t now, struct base_buffer *file_r);

/* --- message.c: one message in Sendmail's queue ---------------------------------------- */

/* Appends the rest of a file; false: it cannot be read, or (`failed`) is too large. */
bool queue_file_read(int fd, struct base_buffer *text);

/* Open, with what its control file says. Close it with queue_message_close(). */
struct queue_message {
	const char *queue_id;
	struct queue_directory directory; /* its own descriptors; df where its data file is */
	int control;                      /* hf or qf */
	bool is_held;
	bool is_stopped; /* by its author */
	struct queue_qf qf;
	struct base_buffer text; /* of the control file */
};

/*
 * NONE: there is no such message. RETRY: it is still being written. REFUSE: something else has
 * this name. There is something to close only after OK.
 */
enum base_result queue_message_open(const struct queue_mta *mta, const char *queue_id,
    struct queue_message *message_r, const char **why_r);
void queue_message_close(struct queue_message *message);
/*
 * Locks a message that is on hold until it is closed, and reads its control file again. RETRY:
 * somebody else works on it.
 */
enum base_result queue_message_lock(struct queue_message *message, const char **why_r);
/* Takes a locked message off hold, for its recipients or (`is_returned`) for its author. */
enum base_result queue_message_free(
    struct queue_message *message, bool is_returned, const char **why_r);
/* Removes a locked message. */
enum base_result queue_message_delete(struct queue_message *message, const char **why_r);
/* Does this id differ from the other in the number alone, by which those of a split mail differ? */
bool queue_message_is_piece(const char *queue_id, const char *other);
/*
 * The queue ids, one a line, that Sendmail may have given to other envelopes of the same
 * message: it splits one between queue groups, and where a group takes few recipients (r=).
 */
enum base_result queue_message_pieces(const struct queue_mta *mta, const char *queue_id,
    struct base_buffer *ids_r, const char **why_r);
/* Appends its body. */
enum base_result queue_message_body(
    const struct queue_message *message, struct base_buffer *body_r, const char **why_r);

/* --- postfix.c, for its tests -------------------------------------------------------- */

/*
 * Reads the output of `postcat -e -h -q ID...`, line by line, into the looks of these files.
 * What strangers wrote may imitate any line of it, in the envelope (an original recipient with
 * line ends in it) as in the header, but not take one away. So the parts of the files are told
 * apart only where each file has one line that begins it, in the order asked; and of a file that
 * has more than one line that begins its header nothing is known: its status stays FAILED.
 */
struct queue_postcat {
	struct queue_lookup **lookups;
	size_t count, begun; /* of the files; of those whose part has begun */
	enum {
		QUEUE_POSTCAT_NOTHING,
		QUEUE_POSTCAT_ENVELOPE,
		QUEUE_POSTCAT_HEADER,
		QUEUE_POSTCAT_END
	} section;         /* in the part of the last one that has begun */
	bool is_held;      /* it lies in the hold queue */
	bool has_tag;      /* its first tag header was seen */
	bool has_contents; /* the line that begins its header was seen */
	bool is_odd;       /* a file began out of order */
	bool is_missing;   /* postcat found no such file */
};

/* A callback of struct queue_lines; its context is a struct queue_postcat. */
void queue_postcat_line(void *postcat, const char *line);

/* Reads the output of `postcat -h -q ID`: the header of one file, and nothing else. */
struct queue_header {
	bool has_tag, has_ended, is_missing;
	bool is_ours; /* the first tag header is one of a held mail */
	struct queue_tag tag;
};

/* The same; its context is a struct queue_header. */
void queue_header_line(void *header, const char *line);

#endif
