/*
 * sqlite - opening, schema versions, transactions and statements of the SQLite driver
 *
 * Both databases use the write-ahead log, so that readers and the one writer do not wait
 * for each other. holds.db syncs it at every commit (a hold must survive a power cut once
 * the MTA has its answer); memory.db does not. SQLite gives the -wal and -shm files the
 * mode and group of the main file.
 */
#include "milter/store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLDS_DIRECTORY_MODE 02770 /* new files get the group that both daemons share */
#define HOLDS_MODE 0660
#define MEMORY_MODE 0600

/* How the two kinds differ. */
static const struct {
	const char *name;
	mode_t mode;
	const char *synchronous;
	const char *const *schema;
	int version;
} kinds[] = {
	[STORE_HOLDS] = { STORE_HOLDS_PATH, HOLDS_MODE, "PRAGMA synchronous = FULL",
	    store_sqlite_holds_schema, STORE_SQLITE_HOLDS_VERSION },
	[STORE_MEMORY] = { STORE_MEMORY_PATH, MEMORY_MODE, "PRAGMA synchronous = NORMAL",
	    store_sqlite_memory_schema, STORE_SQLITE_MEMORY_VERSION },
};

enum base_result
store_sqlite_fail(struct store_sqlite *database, int code, const char **why_r)
{
	bool is_last =
	    database->handle != NULL && sqlite3_extended_errcode(database->handle) == code;

	*why_r = base_why("%s: %s", database->path,
	    is_last ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code));
	switch (code & 0xff) {
	case SQLITE_BUSY:
		return BASE_RETRY;
	case SQLITE_CONSTRAINT:
		return BASE_REFUSE;
	default:
		return BASE_BROKEN;
	}
}

/* --- statements ------------------------------------------------------------------ */

struct store_sqlite_call
store_sqlite_call(struct store_sqlite *database, int slot, const char *sql)
{
	struct store_sqlite_call call = { .database = database };
	sqlite3_stmt **statement = &database->statements[slot];

	/* after a disk error SQLite may have rolled back: nothing may be written outside */
	if (database->in_transaction && sqlite3_get_autocommit(database->handle)) {
		call.code = SQLITE_ABORT;
		return call;
	}
	if (*statement == NULL)
		call.code = sqlite3_prepare_v3(
		    database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (call.code == SQLITE_OK)
		call.statement = *statement;
	return call;
}

/* Keeps the first failure of a bind. */
static void
call_note(struct store_sqlite_call *call, int code)
{
	if (call->code == SQLITE_OK)
		call->code = code;
}

void
store_sqlite_text(struct store_sqlite_call *call, const char *text)
{
	if (call->statement != NULL)
		call_note(
		    call, sqlite3_bind_text64(call->statement, ++call->index,
			      text != NULL ? text : "", text != NULL ? strlen(text) : 0,
			      SQLITE_STATIC, SQLITE_UTF8));
}

void
store_sqlite_int(struct store_sqlite_call *call, int64_t value)
{
	if (call->statement != NULL)
		call_note(call, sqlite3_bind_int64(call->statement, ++call->index, value));
}

void
store_sqlite_real(struct store_sqlite_call *call, double value)
{
	if (call->statement != NULL)
		call_note(call, sqlite3_bind_double(call->statement, ++call->index, value));
}

void
store_sqlite_blob(struct store_sqlite_call *call, const void *data, size_t length)
{
	if (call->statement != NULL)
		call_note(call, sqlite3_bind_blob64(call->statement, ++call->index,
				    length > 0 ? data : "", length, SQLITE_STATIC));
}

enum base_result
store_sqlite_step(struct store_sqlite_call *call, const char **why_r)
{
	enum base_result result;
	int code = call->code;

	if (code == SQLITE_OK)
		code = sqlite3_step(call->statement);
	if (code == SQLITE_ROW)
		return BASE_OK;
	if (code == SQLITE_DONE) {
		store_sqlite_end(call);
		return BASE_NONE;
	}
	result = store_sqlite_fail(call->database, code, why_r);
	store_sqlite_end(call);
	return result;
}

void
store_sqlite_end(struct store_sqlite_call *call)
{
	if (call->statement == NULL)
		return;
	sqlite3_reset(call->statement);
	sqlite3_clear_bindings(call->statement);
}

enum base_result
store_sqlite_run(struct store_sqlite_call *call, const char **why_r)
{
	enum base_result result = store_sqlite_step(call, why_r);

	if (result == BASE_OK) { /* a statement of this kind has no rows */
		store_sqlite_end(call);
		*why_r = base_why("%s: an unexpected row", call->database->path);
		return BASE_BROKEN;
	}
	if (result == BASE_NONE && sqlite3_changes(call->database->handle) > 0)
		return BASE_OK;
	return result;
}

const char *
store_sqlite_column_text(
    struct store_sqlite_call *call, struct base_arena *arena, int column)
{
	const char *text = (const char *)sqlite3_column_text(call->statement, column);

	return base_arena_strdup(arena, text != NULL ? text : "");
}

bool
store_sqlite_column_blob(struct store_sqlite_call *call, struct base_arena *arena,
    int column, struct store_blob *blob_r)
{
	const void *data = sqlite3_column_blob(call->statement, column);
	size_t length = (size_t)sqlite3_column_bytes(call->statement, column);
	char *copy = base_arena_alloc(arena, length + 1);

	if (copy == NULL || (data == NULL && length > 0))
		return false;
	if (length > 0)
		memcpy(copy, data, length);
	*blob_r = (struct store_blob){ copy, length };
	return true;
}

/* Runs one statement whose rows do not matter. */
static enum base_result
execute(struct store_sqlite *database, const char *sql, const char **why_r)
{
	int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? BASE_OK : store_sqlite_fail(database, code, why_r);
}

/* The first column of a statement's first row as a number. */
static enum base_result
ask_int(struct store_sqlite *database, const char *sql, int *value_r, const char **why_r)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
	int value = 0;

	if (code == SQLITE_OK) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW)
			value = sqlite3_column_int(statement, 0);
	}
	if (code != SQLITE_ROW) {
		enum base_result result = store_sqlite_fail(database, code, why_r);

		sqlite3_finalize(statement);
		return result;
	}
	sqlite3_finalize(statement);
	*value_r = value;
	return BASE_OK;
}

/* The first column of a statement's first row, compared with what it should be. */
static enum base_result
ask_text(struct store_sqlite *database, const char *sql, const char *expected,
    const char **why_r)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
	enum base_result result = BASE_OK;
	const char *text = NULL;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(statement, 0);
	if (code != SQLITE_ROW)
		result = store_sqlite_fail(database, code, why_r);
	else if (text == NULL || strcasecmp(text, expected) != 0) {
		*why_r = base_why("%s: \"%s\" answers \"%s\", not \"%s\"", database->path,
		    sql, text != NULL ? text : "", expected);
		result = BASE_BROKEN;
	}
	sqlite3_finalize(statement);
	return result;
}

/* --- opening --------------------------------------------------------------------- */

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
	return chmod(path, mode) == 0 ? BASE_OK
				      : fail_errno("set the mode of", path, why_r);
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
files_make(const struct store_options *options, enum store_kind kind, const char *path,
    const char **why_r)
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

/* The write-ahead log, once per file; a second opener at the same moment meets BUSY at
 * once. */
static enum base_result
log_start(struct store_sqlite *database, const char **why_r)
{
	enum base_result result;
	int64_t end = base_now_ms() + STORE_SQLITE_BUSY_MS;

	for (;;) {
		result = ask_text(database, "PRAGMA journal_mode = WAL", "wal", why_r);
		if (result != BASE_RETRY || base_now_ms() > end)
			return result;
		base_sleep_ms(20);
	}
}

/* Settings of the connection. */
static enum base_result
connection_set(struct store_sqlite *database, enum store_kind kind, const char **why_r)
{
	enum base_result result;

	sqlite3_extended_result_codes(database->handle, 1);
	sqlite3_busy_timeout(database->handle, STORE_SQLITE_BUSY_MS);
	sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (sqlite3_db_readonly(database->handle, "main") != 0) {
		*why_r = base_why("%s cannot be written to", database->path);
		return BASE_BROKEN;
	}
	result = log_start(database, why_r);
	if (result == BASE_OK)
		result = execute(database, kinds[kind].synchronous, why_r);
	if (result == BASE_OK)
		result = execute(database,
		    "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;"
		    "PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY",
		    why_r);
	return result;
}

/* Leads the schema from whatever version it has to ours, inside a transaction. */
static enum base_result
schema_lead(
    struct store_sqlite *database, enum store_kind kind, bool create, const char **why_r)
{
	char pragma[64];
	enum base_result result;
	int version;

	result = ask_int(database, "PRAGMA user_version", &version, why_r);
	if (result != BASE_OK)
		return result;
	if (version > kinds[kind].version) {
		*why_r = base_why("%s has schema version %d, this program knows up to %d",
		    database->path, version, kinds[kind].version);
		return BASE_REFUSE;
	}
	if (version == 0 && !create) {
		*why_r = base_why("%s has no tables yet", database->path);
		return BASE_BROKEN;
	}
	for (; result == BASE_OK && version < kinds[kind].version; version++)
		result = execute(database, kinds[kind].schema[version], why_r);
	if (result != BASE_OK)
		return result;
	sqlite3_snprintf(sizeof(pragma), pragma, "PRAGMA user_version = %d", version);
	return execute(database, pragma, why_r);
}

/* Brings the schema to our version; whoever comes first does it, the others wait. */
static enum base_result
schema_bring(
    struct store_sqlite *database, enum store_kind kind, bool create, const char **why_r)
{
	enum base_result result;
	int version;

	result = ask_int(database, "PRAGMA user_version", &version, why_r);
	if (result != BASE_OK || version == kinds[kind].version)
		return result;
	result = execute(database, "BEGIN IMMEDIATE", why_r);
	if (result != BASE_OK)
		return result;
	result = schema_lead(database, kind, create, why_r);
	if (result == BASE_OK)
		result = execute(database, "COMMIT", why_r);
	if (result != BASE_OK)
		sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

/* Ends the connection: what is deleted shall not linger in the log. */
static void
sqlite_close(void *opened)
{
	struct store_sqlite *database = opened;

	for (int i = 0; i < STORE_SQLITE_SLOTS; i++)
		sqlite3_finalize(database->statements[i]);
	if (database->handle != NULL) {
		sqlite3_busy_timeout(database->handle, 0);
		/* if others are reading, the last one to close does it */
		sqlite3_wal_checkpoint_v2(
		    database->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		sqlite3_close_v2(database->handle);
	}
	free(database->path);
	free(database);
}

/* The struct of a database that is not open yet. */
static struct store_sqlite *
database_new(const struct store_options *options, enum store_kind kind)
{
	struct store_sqlite *database = calloc(1, sizeof(*database));
	size_t length;

	if (database == NULL)
		return NULL;
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

/* Opens the file and makes sure of everything that later calls rely on. */
static enum base_result
sqlite_open(const struct store_options *options, enum store_kind kind, void **database_r,
    const char **why_r)
{
	struct store_sqlite *database = database_new(options, kind);
	enum base_result result = BASE_OK;
	int code;

	if (database == NULL) {
		*why_r = base_why("no memory to open %s", kinds[kind].name);
		return BASE_BROKEN;
	}
	if (options->create)
		result = files_make(options, kind, database->path, why_r);
	if (result == BASE_OK) {
		code = sqlite3_open_v2(database->path, &database->handle,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
		if (code != SQLITE_OK)
			result = store_sqlite_fail(database, code, why_r);
	}
	if (result == BASE_OK)
		result = connection_set(database, kind, why_r);
	if (result == BASE_OK)
		result = schema_bring(database, kind, options->create, why_r);
	if (result != BASE_OK) {
		sqlite_close(database);
		return result;
	}
	*database_r = database;
	return BASE_OK;
}

/* --- transactions ---------------------------------------------------------------- */

/* Takes the write lock at once: a transaction that reads first could not get it later. */
static enum base_result
sqlite_begin(void *opened, const char **why_r)
{
	struct store_sqlite *database = opened;
	enum base_result result;
	int moved = 0;

	sqlite3_file_control(database->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved) {
		/* rows written now would be durable in a file that nobody finds again */
		*why_r =
		    base_why("%s was moved or removed while it is in use", database->path);
		return BASE_BROKEN;
	}
	result = execute(database, "BEGIN IMMEDIATE", why_r);
	database->in_transaction = result == BASE_OK;
	return result;
}

/* Ends the transaction without it. */
static void
sqlite_rollback(void *opened)
{
	struct store_sqlite *database = opened;

	database->in_transaction = false;
	/* fails only if SQLite has rolled back already */
	if (!sqlite3_get_autocommit(database->handle))
		sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* Ends the transaction durably, or as if it had not been. */
static enum base_result
sqlite_commit(void *opened, const char **why_r)
{
	struct store_sqlite *database = opened;
	enum base_result result = execute(database, "COMMIT", why_r);

	if (result != BASE_OK)
		sqlite_rollback(database);
	database->in_transaction = false;
	return result;
}

/* Empties the write-ahead log if nobody is reading from it. */
static enum base_result
sqlite_tidy(void *opened, const char **why_r)
{
	struct store_sqlite *database = opened;
	enum base_result result = BASE_OK;
	int code;

	sqlite3_busy_timeout(database->handle, 0);
	code = sqlite3_wal_checkpoint_v2(
	    database->handle, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (code != SQLITE_OK)
		result = store_sqlite_fail(database, code, why_r);
	sqlite3_busy_timeout(database->handle, STORE_SQLITE_BUSY_MS);
	return result;
}

/*
 * Writes every page anew: a page that was split or filled again may hold bytes of a row
 * that moved, which secure_delete does not reach. The copy is built in memory.
 */
static enum base_result
sqlite_compact(void *opened, const char **why_r)
{
	struct store_sqlite *database = opened;
	int64_t end = base_now_ms() + STORE_SQLITE_BUSY_MS;
	enum base_result result = execute(database, "VACUUM", why_r);

	if (result != BASE_OK)
		return result;
	/* the log holds the old pages until nobody reads from it any more */
	while ((result = sqlite_tidy(opened, why_r)) == BASE_RETRY && base_now_ms() < end)
		base_sleep_ms(20);
	return result;
}

/* Reads the whole file. */
static enum base_result
sqlite_check(void *opened, int *version_r, const char **why_r)
{
	struct store_sqlite *database = opened;
	enum base_result result = ask_text(database, "PRAGMA quick_check(1)", "ok", why_r);

	if (result == BASE_OK)
		result = ask_int(database, "PRAGMA user_version", version_r, why_r);
	return result;
}

const struct store_driver store_sqlite_driver = {
	.name = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.tidy = sqlite_tidy,
	.compact = sqlite_compact,
	.check = sqlite_check,
	.hold_insert = store_sqlite_hold_insert,
	.hold_get = store_sqlite_hold_get,
	.hold_by_token = store_sqlite_hold_by_token,
	.hold_by_act = store_sqlite_hold_by_act,
	.hold_update = store_sqlite_hold_update,
	.hold_due = store_sqlite_hold_due,
	.hold_letter_due = store_sqlite_hold_letter_due,
	.hold_next_due = store_sqlite_hold_next_due,
	.hold_list = store_sqlite_hold_list,
	.hold_count = store_sqlite_hold_count,
	.hold_purge = store_sqlite_hold_purge,
	.hold_naming = store_sqlite_hold_naming,
	.hold_remove = store_sqlite_hold_remove,
	.part_insert = store_sqlite_part_insert,
	.part_update = store_sqlite_part_update,
	.part_list = store_sqlite_part_list,
	.part_lesson = store_sqlite_part_lesson,
	.part_wipe = store_sqlite_part_wipe,
	.token_insert = store_sqlite_token_insert,
	.storm_insert = store_sqlite_storm_insert,
	.storm_update = store_sqlite_storm_update,
	.storm_get = store_sqlite_storm_get,
	.storm_by_token = store_sqlite_storm_by_token,
	.storm_by_topic = store_sqlite_storm_by_topic,
	.storm_some = store_sqlite_storm_some,
	.storm_release = store_sqlite_storm_release,
	.storm_held = store_sqlite_storm_held,
	.storm_told = store_sqlite_storm_told,
	.storm_forget = store_sqlite_storm_forget,
	.storm_purge = store_sqlite_storm_purge,
	.answer_insert = store_sqlite_answer_insert,
	.answer_has = store_sqlite_answer_has,
	.answer_topic = store_sqlite_answer_topic,
	.answer_count = store_sqlite_answer_count,
	.record_get = store_sqlite_record_get,
	.record_put = store_sqlite_record_put,
	.record_delete = store_sqlite_record_delete,
	.record_each = store_sqlite_record_each,
	.record_expire = store_sqlite_record_expire,
};
