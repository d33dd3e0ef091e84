/* sqlite - what the files of the SQLite engine share; private to them */
#ifndef OOPS_STORE_SQLITE_H
#define OOPS_STORE_SQLITE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "milter/base/result.h"
#include "milter/store/engine.h"

#define STORE_SQLITE_BUSY_MS 5000 /* how long another process may keep us waiting */
/* the same for the history, which nobody waits for in a hurry */
#define STORE_SQLITE_MEMORY_BUSY_MS 2000

/* Which file it is, whatever its name is by now; inode 0: not known. */
struct store_sqlite_file {
	dev_t device;
	ino_t inode;
};

#define STORE_SQLITE_FILES 3 /* the database, its log, and the index of the log */

struct store_database {
	sqlite3 *handle;
	char *path;
	struct store_sqlite_file files[STORE_SQLITE_FILES]; /* that it works on */
	int busy_ms;
	bool is_short;       /* see store_is_short() */
	bool *is_damaged;    /* see struct store_options; or NULL */
	bool in_transaction; /* ours; SQLite may have ended it after a disk error */
	struct store_statement *statements;
};

struct store_statement {
	struct store_database *database;
	struct store_statement *next; /* of the same database */
	sqlite3_stmt *handle;
	int code; /* of the first bind that failed */
};

/* --- sqlite.c ---------------------------------------------------------------------------- */

/* Turns SQLite's result into ours and says why. */
enum base_result store_sqlite_fail(struct store_database *database, int code, const char **why_r);
enum base_result store_sqlite_execute(
    struct store_database *database, const char *text, const char **why_r);
/* The first row must begin with a text; BROKEN: it does not. */
enum base_result store_sqlite_expect(
    struct store_database *database, const char *text, const char *expected, const char **why_r);
enum base_result store_sqlite_version(
    struct store_database *database, int new_version, int *version_r, const char **why_r);

/* --- functions of the engine that are in sqlite_open.c and sqlite_aside.c, see engine.h ---- */

enum base_result store_sqlite_open(const struct store_options *options, enum store_kind kind,
    struct store_database **database_r, const char **why_r);
void store_sqlite_close(struct store_database *database);
bool store_sqlite_is_lost(const struct store_database *database);
bool store_sqlite_is_damaged(
    const struct store_options *options, enum store_kind kind, const char **why_r);
enum base_result store_sqlite_set_aside(const struct store_options *options, enum store_kind kind,
    const char **name_r, const char **why_r);

#endif
