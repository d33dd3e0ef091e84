/*
 * sqlite - the SQLite driver: its transactions, its care of the file, its table
 */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

/* Takes the write lock at once: a transaction that reads first could not get it later. */
static enum base_result
sqlite_begin(void *opened, const char **why_r)
{
	struct store_sqlite *database = opened;
	enum base_result result;

	database->is_short = false;
	if (store_sqlite_is_lost(database)) {
		/* rows written now would be durable in a file that nobody finds again */
		*why_r = base_why(
		    "%s or its log was moved or removed while it is in use", database->path);
		return BASE_BROKEN;
	}
	result = store_sqlite_execute(database, "BEGIN IMMEDIATE", why_r);
	database->in_transaction = result == BASE_OK;
	return result;
}

/* Did the disk fail? */
static bool
sqlite_is_short(void *opened)
{
	return ((const struct store_sqlite *)opened)->is_short;
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
	enum base_result result = store_sqlite_execute(database, "COMMIT", why_r);

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
	sqlite3_busy_timeout(database->handle, database->busy_ms);
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
	int64_t end = base_tick_ms() + STORE_SQLITE_BUSY_MS;
	enum base_result result = store_sqlite_execute(database, "VACUUM", why_r);

	if (result != BASE_OK)
		return result;
	/* the log holds the old pages until nobody reads from it any more */
	while ((result = sqlite_tidy(opened, why_r)) == BASE_RETRY && base_tick_ms() < end)
		base_sleep_ms(20);
	return result;
}

/* Reads the whole file. */
static enum base_result
sqlite_check(void *opened, int *version_r, const char **why_r)
{
	struct store_sqlite *database = opened;
	enum base_result result =
	    store_sqlite_expect(database, "PRAGMA quick_check(1)", "ok", why_r);

	if (result == BASE_OK)
		return store_sqlite_ask_int(database, "PRAGMA user_version", version_r, why_r);
	if (sqlite3_errcode(database->handle) == SQLITE_OK && database->is_damaged != NULL)
		*database->is_damaged = true; /* it was read, and told what is not whole */
	return result;
}

const struct store_driver store_sqlite_driver = {
	.name = "sqlite",
	.open = store_sqlite_open,
	.close = store_sqlite_close,
	.is_damaged = store_sqlite_is_damaged,
	.set_aside = store_sqlite_set_aside,
	.is_lost = store_sqlite_is_lost,
	.is_short = sqlite_is_short,
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
	.hold_postpone = store_sqlite_hold_postpone,
	.hold_look = store_sqlite_hold_look,
	.hold_due = store_sqlite_hold_due,
	.due_ids = store_sqlite_due_ids,
	.hold_letters = store_sqlite_hold_letters,
	.hold_next_due = store_sqlite_hold_next_due,
	.hold_list = store_sqlite_hold_list,
	.hold_count = store_sqlite_hold_count,
	.hold_count_unlimited = store_sqlite_hold_count_unlimited,
	.hold_shift = store_sqlite_hold_shift,
	.budget_add = store_sqlite_budget_add,
	.budget_count = store_sqlite_budget_count,
	.hold_purge = store_sqlite_hold_purge,
	.hold_naming = store_sqlite_hold_naming,
	.hold_remove = store_sqlite_hold_remove,
	.part_insert = store_sqlite_part_insert,
	.part_update = store_sqlite_part_update,
	.part_rename = store_sqlite_part_rename,
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
	.answer_people = store_sqlite_answer_people,
	.answer_forget = store_sqlite_answer_forget,
	.answer_count = store_sqlite_answer_count,
	.record_get = store_sqlite_record_get,
	.record_put = store_sqlite_record_put,
	.record_delete = store_sqlite_record_delete,
	.record_each = store_sqlite_record_each,
	.record_expire = store_sqlite_record_expire,
};
