/*
 * NAME
 *	base - what every room stands on: results, memory, text, log, clock, random, keys
 *
 * WHAT IT DOES
 *	Gives the other rooms bounded memory (arena, buffer), quoting for the places
 *	our text ends up in (logfmt, HTML, mail), an operational log, the clock, programs run
 *	with a time limit, random identifiers and the site's secret key.
 *
 * WHAT IT NEVER DOES
 *	It knows nothing of mail and keeps no global state but the log's destination, and which
 *	threads hang on a file that does not answer.
 *
 * OWNERSHIP
 *	What an arena hands out lives until base_arena_reset() or base_arena_free().
 *	Everything else has a _free() that takes a pointer to the pointer and clears it.
 *
 * THREADS
 *	An arena or a buffer belongs to one thread at a time. Log, clock, random
 *	and keys may be used from any thread.
 *
 * DIAGNOSTICS
 *	Functions that can fail return enum base_result and tell why in `why_r`, a
 *	sentence without a full stop, made by base_why(): it stays valid in the calling
 *	thread until that thread has failed a few more times, so print it or copy it.
 *	Outputs are untouched unless the result is BASE_OK.
 */
#ifndef OOPS_BASE_H
#define OOPS_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

/* What to do next, the same in every room. */
enum base_result {
	BASE_OK,	/* done */
	BASE_NONE,	/* done, and there is nothing: no such row, no more input */
	BASE_RETRY,	/* not now: the same call may succeed later */
	BASE_REFUSE,	/* never with these arguments: the caller's input is wrong */
	BASE_BROKEN,	/* the machine under us failed: disk, memory, another program */
};

const char *base_result_str(enum base_result result);

/* A reason for `why_r`: formatted into a small ring that belongs to this thread. */
const char *base_why(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- arena: memory of one transaction or connection, freed as a whole ------------- */

struct base_arena;

/* A new arena that never holds more than max_bytes; NULL when memory is short. */
struct base_arena *base_arena_new(size_t max_bytes);
void base_arena_free(struct base_arena **arena);
/* Forgets everything handed out and keeps one block for the next use. */
void base_arena_reset(struct base_arena *arena);
/* Bytes that it has taken from the system, of its maximum. */
size_t base_arena_held(const struct base_arena *arena);
/* Zeroed, aligned for any type. NULL when the maximum or the memory is reached. */
void *base_arena_alloc(struct base_arena *arena, size_t size);
/* The same for `count` elements of `size` bytes; NULL on overflow as well. */
void *base_arena_array(struct base_arena *arena, size_t count, size_t size);
char *base_arena_strdup(struct base_arena *arena, const char *text);
char *base_arena_strndup(struct base_arena *arena, const char *text, size_t length);
char *base_arena_printf(struct base_arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* --- buffer: growing text with a maximum from birth ------------------------------- */

struct base_buffer {
	char *data;	 /* NUL-terminated once anything was appended, else NULL */
	size_t length;	 /* bytes, without the NUL */
	size_t capacity; /* bytes allocated */
	size_t max;	 /* never longer than this */
	bool failed;	 /* something did not fit: contents end before it; sticky */
};

void base_buffer_init(struct base_buffer *buffer, size_t max);
void base_buffer_free(struct base_buffer *buffer);
void base_buffer_clear(struct base_buffer *buffer);
/* Appends whole or not at all; false (and `failed`) when it does not fit. */
bool base_buffer_append(struct base_buffer *buffer, const void *data, size_t length);
bool base_buffer_puts(struct base_buffer *buffer, const char *text);
bool base_buffer_printf(struct base_buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The text so far, "" when empty; never NULL. */
const char *base_buffer_text(const struct base_buffer *buffer);

/* --- quoting ---------------------------------------------------------------------- */

/*
 * key=value for a logfmt line, with a space before it unless the buffer is empty. The
 * value is quoted when it is empty or holds anything but visible ASCII without '"',
 * '=' and '\\'; inside quotes control characters and invalid UTF-8 become \xNN, so that
 * no foreign text can end the value or the line.
 */
bool base_quote_logfmt(struct base_buffer *buffer, const char *key, const char *value);
/* Text safe between tags and inside a quoted attribute; invalid UTF-8 becomes U+FFFD. */
bool base_quote_html(struct base_buffer *buffer, const char *text);
/* Valid UTF-8 on one line: control characters become spaces; ends at max_bytes, whole characters. */
bool base_quote_line(struct base_buffer *buffer, const char *text, size_t max_bytes);
/*
 * The same, and nothing in it becomes a link when a program shows it: "http://a.example" reads
 * http[:]//a[.]example.
 */
bool base_quote_unlinked(struct base_buffer *buffer, const char *text, size_t max_bytes);
/* Are these bytes valid UTF-8 (RFC 3629)? */
bool base_is_utf8(const char *text, size_t length);

/* --- operational log (not the audit) ---------------------------------------------- */

enum base_log_level { BASE_LOG_ERROR, BASE_LOG_WARNING, BASE_LOG_INFO, BASE_LOG_DEBUG };

/*
 * To syslog (facility mail) under `program`, and, in the foreground, to standard error as
 * "program: level: text" as well. Call once, before any thread starts. Before that, and in
 * programs that never call it, lines go to standard error.
 */
void base_log_open(const char *program, bool foreground);
void base_log(enum base_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* One line of the audit room's making, to the same places, as "program: line" in the foreground. */
void base_log_event(const char *line);

/* --- going to the background --------------------------------------------------------- */

/*
 * Forks; returns in the child only. The parent stays on the terminal until the child says that it
 * is ready (then it exits with 0) or ends (then with the child's status), so that whoever
 * started the program sees why it does not start. Call before any thread exists.
 */
enum base_result base_background_enter(int *ready_r, const char **why_r);
/* Everything is open: lets go of the terminal and tells the parent. */
enum base_result base_background_ready(int ready, const char **why_r);

/* --- users and rights ---------------------------------------------------------------- */

/* Whom a program runs as, and the settings that say so, for the sentences about them. */
struct base_role {
	const char *user_setting, *user;   /* name or number */
	const char *group_setting, *group; /* name or number; "": the user's own */
};

/* The number of a user, given by name or number. NONE: nobody has that name. */
enum base_result base_user_number(const char *user, unsigned *uid_r);
/*
 * Gives up root for good: the process goes on as the user, in the group and in the others that
 * the account is in, never gets more rights by what it runs, and makes files for its groups at
 * most. Call before any thread exists. NONE: it was not root, nothing is done. REFUSE: no such
 * user or group, or it is root's. BROKEN: rights of root may be left; the program must end.
 */
enum base_result base_user_become(const struct base_role *role, const char **why_r);
/*
 * The last part of that, by numbers that are not root's, after the other groups were left: it looks
 * nothing up. BROKEN: as above.
 */
enum base_result base_user_drop(unsigned uid, unsigned gid, const char **why_r);
/*
 * Root goes on with the rights of the owner and the group of a file, so that what a library makes
 * beside it is theirs from the first moment on; until base_owner_leave(). Nothing changes for who
 * is not root, for a file of root, or where its owner could not get to it. For the whole process:
 * not where other threads need root.
 */
struct base_owner {
	unsigned uid, gid;
};
void base_owner_become(const char *path, struct base_owner *before_r);
void base_owner_leave(const struct base_owner *before);

/*
 * May nobody but root and `uid` put another file in the place of this one? Whoever may write to
 * its folder, or to one above it up to /, may, unless that folder is sticky. REFUSE: somebody
 * may; BROKEN: not known.
 */
enum base_result base_folder_guard(const char *path, unsigned uid, const char **why_r);

/*
 * Lets the process have as many files open as it may: the soft limit becomes the hard one. REFUSE:
 * that is less than it needs; why_r has both numbers and how to raise it.
 */
enum base_result base_files_allow(unsigned long needed, const char **why_r);

/* --- a running program's file -------------------------------------------------------- */

/*
 * DIRECTORY/PROGRAM.run says, as long as the program runs, what its process id is (by a lock that
 * ends with it, so it is never another's) and what became of its last reload, or of whatever else
 * it answers for in this file.
 */
struct base_run;

#define BASE_RUN_MAX 16384     /* bytes of the file */
#define BASE_RUN_MAX_PATH 4200 /* of the line that names the settings */

struct base_run_view {
	int pid;
	unsigned long number; /* of reloads so far */
	char answer[11];      /* "started", "ok" or "refused" */
	struct timespec when; /* it said so, by the clock of files */
	char settings[BASE_RUN_MAX_PATH]; /* path of the file that it runs by, "" not known */
	char text[BASE_RUN_MAX]; /* why, a line each */
};

/*
 * `settings` is the path of the file that the program runs by, or NULL. BROKEN: it cannot be made,
 * or another process has it. Open it after going to the background.
 */
enum base_result base_run_open(const char *directory, const char *program,
	const char *settings, struct base_run **run_r, const char **why_r);
void base_run_close(struct base_run **run);
/* One more reload. */
enum base_result base_run_answer(
	struct base_run *run, bool is_taken, const char *text, const char **why_r);
/* For others. NONE: it does not run here; RETRY: it is writing just now. */
enum base_result base_run_look(const char *directory, const char *program,
	struct base_run_view *view_r, const char **why_r);

/* --- other programs ------------------------------------------------------------------ */

#define BASE_TOOL_MS 20000 /* nothing runs longer */

/* A piece of a program's output, in order. */
typedef void base_output_fn(void *context, const char *data, size_t length);

struct base_tool {
	const char *path;	 /* absolute */
	const char *const *argv; /* NULL-terminated */
	const char *input;	 /* standard input; NULL: nothing */
	base_output_fn *output;	 /* standard output; NULL: thrown away */
	void *context;
	bool with_errors; /* standard error goes to `output` too, else it is thrown away */
	int64_t deadline; /* of base_tick_ms(): it is killed then, or after BASE_TOOL_MS */
};

/*
 * Runs a program without a shell, in a process group of its own, with PATH and LC_ALL=C as its
 * whole environment and nothing open but the standard streams. OK: it ended by itself, with
 * *exit_r. RETRY: killed, with all of its group. BROKEN: cannot be run.
 */
enum base_result base_tool_run(const struct base_tool *tool, int *exit_r, const char **why_r);

/* --- clock ------------------------------------------------------------------------ */

int64_t base_now(void);	   /* seconds since 1970 */
int64_t base_now_ms(void); /* milliseconds since 1970 */
int64_t base_tick_ms(void); /* milliseconds of a clock that nobody sets: for time limits */
int64_t base_boot_ms(void); /* the same since the start of the machine, its sleep included */
/* Sleeps, returning early only for a signal. */
void base_sleep_ms(int64_t milliseconds);

/* --- long jobs by hand --------------------------------------------------------------- */

#define BASE_INTERRUPTED 128 /* what a shell adds to the signal that ended a command */

/*
 * From now on SIGINT, SIGTERM and SIGHUP only note that the job shall end, and interrupt a read
 * that waits; what is ignored stays so. The second signal of a kind kills.
 */
void base_interrupt_catch(void);
/* The signal that came; 0: none did. */
int base_interrupted(void);

/* --- files ------------------------------------------------------------------------ */

/*
 * Runs job(work) in a thread of its own and waits for its end, but not for longer than
 * `limit_ms`: for what nothing can interrupt, such as a file on a dead mount. OK: it ended, and
 * the work is the caller's. RETRY: it did not, or one of the same name still runs, or there is
 * no memory: the thread, if any, is left behind, and the work is given to drop().
 */
enum base_result base_guard(const char *name, int64_t limit_ms, void (*job)(void *work),
	void (*drop)(void *work), void *work);
/* From now on the calling thread waits no longer once *flag is true. NULL: it does. */
void base_guard_give_up(const atomic_bool *flag);

#define BASE_FILE_SECONDS 5 /* that anybody waits for a file */

/*
 * The whole file, NUL-terminated, in the arena. REFUSE when larger than max_bytes; BROKEN
 * when it is not there, no regular file, cannot be read or does not fit; RETRY when it does not
 * answer within BASE_FILE_SECONDS.
 */
enum base_result base_file_read(struct base_arena *arena, const char *path, size_t max_bytes,
	char **data_r, size_t *length_r, const char **why_r);
/* What stat(2) says of it. NONE when it is not there; RETRY as above; BROKEN: no memory. */
enum base_result base_file_look(const char *path, struct stat *stat_r, const char **why_r);
/* As base_file_read(), of what somebody types or a pipe brings: waits for its end. */
enum base_result base_input_read(struct base_arena *arena, int fd, const char *name,
	size_t max_bytes, char **data_r, size_t *length_r, const char **why_r);

/* --- options.c: what every daemon is started with ---------------------------------------- */

struct base_options {
	const char *file;   /* -c: the settings */
	bool is_foreground; /* -f */
	bool is_test;	    /* -t: check the settings and end */
};

/*
 * NONE: --help or --version was answered. REFUSE: wrong arguments, told on standard error.
 * BROKEN: standard output cannot be written.
 */
enum base_result base_options_read(
    const char *program, int argc, char **argv, struct base_options *options_r);
/* The exit code of a program that ends because of such a result (sysexits.h). */
int base_options_code(enum base_result result);
/* "PROGRAM VERSION" on standard output; false: it cannot be written. */
bool base_version_tell(const char *program);

/* A path that means the same in every working directory; the caller frees it. NULL: no memory. */
char *base_path_absolute(const char *path);

/* --- random identifiers ----------------------------------------------------------- */

#define BASE_ID_LENGTH 16		 /* base32 characters a-z2-7: 80 random bits */
#define BASE_ID_SIZE (BASE_ID_LENGTH + 1)
#define BASE_TOKEN_LENGTH 22		 /* base64url characters: 128 random bits */
#define BASE_TOKEN_SIZE (BASE_TOKEN_LENGTH + 1)
#define BASE_HASH_SIZE 32

void base_random(void *bytes, size_t length);
void base_id_new(char id_r[BASE_ID_SIZE]);
bool base_is_id(const char *text);
void base_token_new(char token_r[BASE_TOKEN_SIZE]);
/* BLAKE2b-256 of the token's text: what a store keeps instead of it. REFUSE unless well formed. */
enum base_result base_token_hash(const char *token, unsigned char hash_r[BASE_HASH_SIZE]);

#define BASE_SHA256_TEXT_SIZE 45

/* SHA-256 of the text in base64, as a Content-Security-Policy names a style it allows. */
void base_sha256_text(const char *text, char text_r[BASE_SHA256_TEXT_SIZE]);

/* --- the site's key --------------------------------------------------------------- */

struct base_key;

#define BASE_MAC_SIZE 32

/* One file, several purposes: what is made for one purpose is worth nothing for another. */
enum base_key_use {
	BASE_KEY_MEMORY = 1, /* hashes of addresses and message ids in the history */
	BASE_KEY_INJECT = 2, /* the header that proves a mail is our own letter */
	BASE_KEY_ACT = 3,    /* which transactions are one human act */
	BASE_KEY_NOTE = 4,   /* which mails were imported */
	BASE_KEY_FORGET = 5, /* what must not be written back, with a key of its own each */
	BASE_KEY_TAG = 6,    /* the tag header of a held mail: its hold id */
	BASE_KEY_TAG_MAILBOX = 7, /* the same: whom we ask about it */
};

/* Must be called once by every program before anything random or keyed. */
enum base_result base_crypto_start(const char **why_r);
/* Writes a fresh 256-bit key as hex, mode 0600. REFUSE if the file exists. */
enum base_result base_key_create(const char *path, const char **why_r);
/*
 * The file: the current key, 64 hexadecimal digits on a line; then earlier ones, the latest
 * first, each with the times (seconds since 1970) between which it was only kept, none until
 * later than the one above it:
 * "KEY replaced 1795485600 until 1803261600". REFUSE when others than owner and group may read
 * it, or a line is none of these; why_r names the line.
 */
enum base_result base_key_load(const char *path, struct base_key **key_r, const char **why_r);
/* A key from 32 given bytes, for tools that keep no site data. */
enum base_result base_key_from_bytes(const unsigned char bytes[32], struct base_key **key_r);
void base_key_free(struct base_key **key);

/*
 * Puts a fresh key in place of the current one, which stays valid until now + keeps (seconds);
 * so do earlier ones at most. Those whose time has ended go. The new file takes the old one's
 * place at once and whole, with its owner, group and mode. REFUSE, and nothing is changed: the
 * file is no key file, BASE_KEY_MAX - 1 earlier keys are still valid, or somebody else is at it.
 */
enum base_result base_key_rotate(
	const char *path, int64_t keeps, int64_t now, const char **why_r);

#define BASE_KEY_MAX 4 /* generations in a file: the current one and earlier ones */
#define BASE_KEY_EVER 0 /* a time at which all of a file were valid */

/*
 * The generations of a loaded key that are valid at `now`, the oldest first, the current one
 * last; how many. They belong to `key`.
 */
size_t base_key_valid(const struct base_key *key, int64_t now,
	const struct base_key *valid_r[BASE_KEY_MAX]);
/* When another key took this one's place, seconds since 1970; 0: it is the current one. */
int64_t base_key_replaced(const struct base_key *key);
/* BLAKE2b-256 keyed for `use`. */
void base_key_mac(const struct base_key *key, enum base_key_use use, const void *data,
	size_t length, unsigned char mac_r[BASE_MAC_SIZE]);
/* SipHash-2-4 keyed for `use`: 64 bits, for the compact sets of the history. */
uint64_t base_key_hash64(
	const struct base_key *key, enum base_key_use use, const void *data, size_t length);
/* Comparison whose time does not depend on where the difference is. */
bool base_equal(const void *a, const void *b, size_t length);

#endif
