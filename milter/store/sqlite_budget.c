/*
 * sqlite_budget - how many holds the whole site had, kept by the minute: to count the rows would
 * take the longer the more there are, while everybody who wants a hold waits
 */
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#define MINUTE_MS 60000

enum slot { BUDGET_ADD, BUDGET_FORGET, BUDGET_COUNT, SLOT_COUNT };

_Static_assert(
    STORE_SQLITE_BUDGET_SLOT + SLOT_COUNT <= STORE_SQLITE_SHIFT_SLOT, "more statements than slots");

static const char *const statements[] = {
	[BUDGET_ADD] = ("INSERT INTO budget (minute, holds) VALUES (?, 1)"
			" ON CONFLICT (minute) DO UPDATE SET holds = budget.holds + 1"),
	[BUDGET_FORGET] = "DELETE FROM budget WHERE minute < ?",
	[BUDGET_COUNT] = "SELECT coalesce(sum(holds), 0) FROM budget WHERE minute >= ?",
};

/* A statement of this file about the minute that has this time. */
static struct store_sqlite_call
call_new(void *database, enum slot slot, int64_t time)
{
	struct store_sqlite_call call =
	    store_sqlite_call(database, STORE_SQLITE_BUDGET_SLOT + (int)slot, statements[slot]);

	store_sqlite_int(&call, time / MINUTE_MS);
	return call;
}

enum base_result
store_sqlite_budget_add(void *database, int64_t time, int64_t since, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, BUDGET_FORGET, since);
	enum base_result result = store_sqlite_run(&call, why_r);

	if (result != BASE_OK && result != BASE_NONE)
		return result;
	call = call_new(database, BUDGET_ADD, time);
	return store_sqlite_run(&call, why_r);
}

enum base_result
store_sqlite_budget_count(void *database, int64_t since, int64_t *count_r, const char **why_r)
{
	struct store_sqlite_call call = call_new(database, BUDGET_COUNT, since);

	return store_sqlite_one_int(&call, count_r, why_r);
}
