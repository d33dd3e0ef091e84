/*
 * sqlite_open - opening and closing a database of the SQLite driver: files, modes, schema
 *
 * Both databases use the write-ahead log, so that readers and the one writer do not wait
 * for each other. holds.db syncs it at every commit (a hold must survive a power cut once
 * the MTA has its answer); memory.db does not. SQLite gives the -wal and -shm files the
 * mode and group of the main file.
 */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLDS_DIRECTORY_MODE 02770 /* new files get the group that both daemons share */
#define HOLDS_MODE 0660
#define HISTORY_MODE 0600

/* How the two kinds differ. */
static const struct {
	const char *name;
	mode_t mode;
	const char *synchronous;
	int busy_ms;
} kinds[] = {
	[STORE_HOLDS] = { STORE_HOLDS_PATH, HOLDS_MODE, "PRAGMA synchronous = FULL",
	    STORE_SQLITE_BUSY_MS },
	[STORE_MEMORY] = { STORE_MEMORY_PATH, HISTORY_MODE, "PRAGMA synchronous = NORMAL",
	    STORE_SQLITE_MEMORY_BUSY_MS },
};

/* A failure of the operating system. */
static enum base_result
fail_errno(const char *verb, const char *path, const char **why_r)
{
	*why_r = base_why("cannot %s %s: %s", verb, path, strerror(errno));
	return BASE_BROKEN;
}

/* Makes a directory unless it is there; the mode holds whatever the umask. */
static enum base_result
directory_make(const char *path, mode_t mode, const char **why_r)
{
	if (mkdir(path, 0700) != 0)
		return errno == EEXIST ? BASE_OK : fail_errno("make", path, why_r);
	return chmod(path, mode) == 0 ? BASE_OK : fail_errno("set the mode of", path, why_r);
}

/* Syncs a directory, so that a file just made in it survives a power cut. */
static enum base_result
directory_sync(const char *path, const char **why_r)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum base_result result = BASE_OK;

	if (fd < 0)
		return fail_errno("open", path, why_r);
	if (fsync(fd) != 0)
		result = fail_errno("sync", path, why_r);
	close(fd);
	return result;
}

/* Makes an empty database file with its mode; SQLite would obey the umask. */
static enum base_result
file_make(const char *path, mode_t mode, const char **why_r)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum base_result result = BASE_OK;

	if (fd < 0)
		return errno == EEXIST ? BASE_OK : fail_errno("make", path, why_r);
	if (fchmod(fd, mode) != 0)
		result = fail_errno("set the mode of", path, why_r);
	close(fd);
	return result;
}

/* Makes what is missing: directories and an empty file. */
static enum base_result
files_make(
    const struct store_options *options, enum store_kind kind, const char *path, const char **why_r)
{
	char *copy = strdup(path);
	const char *directory;
	enum base_result result = BASE_BROKEN;

	if (copy == NULL) {
		*why_r = base_why("no memory to open %s", path);
		return BASE_BROKEN;
	}
	directory = dirname(copy);
	result = directory_make(options->directory, 0755, why_r);
	if (result == BASE_OK && kind == STORE_HOLDS)
		result = directory_make(directory, HOLDS_DIRECTORY_MODE, why_r);
	if (result == BASE_OK)
		result = file_make(path, kinds[kind].mode, why_r);
	if (result == BASE_OK)
		result = directory_sync(directory, why_r);
	free(copy);
	return result;
}

/*
 * Was the file cut to nothing under those who have it open? They keep it locked, and cannot use it.
 */
static bool
is_emptied(const struct store_database *database)
{
	struct stat now;

	return stat(database->path, &now) == 0 && now.st_size == 0;
}

/* The write-ahead log, once per file; a second opener at the same moment meets BUSY at
 * once. */
static enum base_result
log_start(struct store_database *database, const char **why_r)
{
	enum base_result result;
	int64_t end = base_tick_ms() + STORE_SQLITE_BUSY_MS;

	do {
		result = store_sqlite_expect(database, "PRAGMA journal_mode = WAL", "wal", why_r);
		if (result != BASE_RETRY)
			return result;
		base_sleep_ms(20);
	} while (base_tick_ms() <= end);
	if (!is_emptied(database))
		return result;
	if (database->is_damaged != NULL)
		*database->is_damaged = true;
	*why_r = base_why("%s was emptied while a program has it open", database->path);
	return BASE_BROKEN;
}

/* Settings of the connection. */
static enum base_result
connection_set(struct store_database *database, enum store_kind kind, const char **why_r)
{
	enum base_result result;

	sqlite3_extended_result_codes(database->handle, 1);
	database->busy_ms = kinds[kind].busy_ms;
	sqlite3_busy_timeout(database->handle, database->busy_ms);
	sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* a quoted name of a column that is not there is no text */
	sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	if (sqlite3_db_readonly(database->handle, "main") != 0) {
		*why_r = base_why("%s cannot be written to", database->path);
		return BASE_BROKEN;
	}
	result = log_start(database, why_r);
	if (result == BASE_OK)
		result = store_sqlite_execute(database, kinds[kind].synchronous, why_r);
	if (result == BASE_OK)
		result = store_sqlite_execute(database,
		    "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;"
		    "PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY",
		    why_r);
	return result;
}

enum file { FILE_MAIN, FILE_LOG, FILE_INDEX };

/* What is at the path of one of the three files now; false: nothing. */
static bool
file_look(const struct store_database *database, enum file which, struct stat *status_r)
{
	static const char *const endings[STORE_SQLITE_FILES] = { "", "-wal", "-shm" };
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", database->path, endings[which]);
	return stat(path, status_r) == 0;
}

/* Is it the one that we work on? Where we may not look it is not known to be another. */
static bool
file_is_ours(const struct store_database *database, enum file which)
{
	const struct store_sqlite_file *ours = &database->files[which];
	struct stat now;

	if (ours->inode == 0)
		return false;
	if (!file_look(database, which, &now))
		return errno != ENOENT;
	return now.st_ino == ours->inode && now.st_dev == ours->device;
}

/* Notes which files it works on. */
static void
files_note(struct store_database *database)
{
	struct stat now;

	for (enum file which = FILE_MAIN; which < STORE_SQLITE_FILES; which++)
		if (file_look(database, which, &now))
			database->files[which] =
			    (struct store_sqlite_file){ now.st_dev, now.st_ino };
}

bool
store_sqlite_is_lost(const struct store_database *database)
{
	for (enum file which = FILE_MAIN; which < STORE_SQLITE_FILES; which++)
		if (!file_is_ours(database, which))
			return true;
	return false;
}

/*
 * May what is in our log still be written to the file? Not if that is another one, nor if others
 * have begun a log of their own, which goes by the file as it is.
 */
static bool
log_is_wanted(const struct store_database *database)
{
	struct stat now;

	if (!file_is_ours(database, FILE_MAIN))
		return false;
	return file_is_ours(database, FILE_LOG) || !file_look(database, FILE_LOG, &now) ||
	       now.st_size == 0;
}

/*
 * What is deleted shall not linger in the log, and what is in a log that was removed shall not be
 * gone with it; nor shall another file's log be deleted.
 */
static void
log_end(struct store_database *database)
{
	if (store_sqlite_is_lost(database))
		sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (!log_is_wanted(database))
		return;
	sqlite3_busy_timeout(database->handle, 0);
	/* if others are reading, the last one to close does it */
	sqlite3_wal_checkpoint_v2(database->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

void
store_sqlite_close(struct store_database *database)
{
	struct store_statement *statement;

	while ((statement = database->statements) != NULL) {
		database->statements = statement->next;
		sqlite3_finalize(statement->handle);
		free(statement);
	}
	if (database->handle != NULL) {
		log_end(database);
		sqlite3_close_v2(database->handle);
	}
	free(database->path);
	free(database);
}

/* The struct of a database that is not open yet. */
static struct store_database *
database_new(const struct store_options *options, enum store_kind kind)
{
	struct store_database *database = calloc(1, sizeof(*database));
	size_t length;

	if (database == NULL)
		return NULL;
	database->is_damaged = options->is_damaged_r;
	length = strlen(options->directory) + strlen(kinds[kind].name) + 2;
	database->path = malloc(length);
	if (database->path == NULL) {
		free(database);
		return NULL;
	}
	sqlite3_snprintf(
	    (int)length, database->path, "%s/%s", options->directory, kinds[kind].name);
	return database;
}

/*
 * Opens the file. SQLite makes the log and its index now; root makes them as the owner of the
 * database would, or a daemon could meet files of root beside it.
 */
static enum base_result
database_begin(struct store_database *database, enum store_kind kind, const char **why_r)
{
	struct base_owner before;
	enum base_result result = BASE_OK;
	int code, version;

	base_owner_become(database->path, &before);
	code = sqlite3_open_v2(
	    database->path, &database->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (code != SQLITE_OK)
		result = store_sqlite_fail(database, code, why_r);
	if (result == BASE_OK)
		result = connection_set(database, kind, why_r);
	if (result == BASE_OK) /* the first to read makes them */
		result = store_sqlite_version(database, 0, &version, why_r);
	base_owner_leave(&before);
	return result;
}

enum base_result
store_sqlite_open(const struct store_options *options, enum store_kind kind,
    struct store_database **database_r, const char **why_r)
{
	struct store_database *database = database_new(options, kind);
	enum base_result result = BASE_OK;

	if (database == NULL) {
		*why_r = base_why("no memory to open %s", kinds[kind].name);
		return BASE_BROKEN;
	}
	if (options->create)
		result = files_make(options, kind, database->path, why_r);
	if (result == BASE_OK)
		result = database_begin(database, kind, why_r);
	if (result != BASE_OK) {
		store_sqlite_close(database);
		return result;
	}
	files_note(database);
	*database_r = database;
	return BASE_OK;
}
