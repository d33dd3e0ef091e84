/*
 * table_budget - how many holds the whole site had, kept by the minute: to count the rows would
 * take the longer the more there are, while everybody who wants a hold waits
 */
#include "milter/base/result.h"
#include "milter/store/hold.h"
#include "milter/store/table.h"

#define MINUTE_MS 60000

static const struct store_column columns[] = {
	{ "minute", STORE_INT64, STORE_BESIDE, 7 },
	{ "holds", STORE_INT64, STORE_BESIDE, 7 },
};

const struct store_table store_table_budget = { "budget", "PRIMARY KEY (minute)", STORE_PLAIN,
	columns, sizeof(columns) / sizeof(*columns), 0 };

static const struct store_query add = { NULL,
	"INSERT INTO budget (minute, holds) VALUES ($1, 1)"
	" ON CONFLICT (minute) DO UPDATE SET holds = budget.holds + 1" };
static const struct store_query forget = { NULL, "DELETE FROM budget WHERE minute < $1" };
static const struct store_query count = { &store_table_number,
	"SELECT coalesce(sum(holds), 0) FROM budget WHERE minute >= $1" };

enum base_result
store_budget_add(struct store *store, int64_t time, int64_t since, const char **why_r)
{
	enum base_result result =
	    store_run(store, &forget, STORE_VALUES(STORE_IS_INT64(since / MINUTE_MS)), why_r);

	if (result != BASE_OK && result != BASE_NONE)
		return result;
	return store_run(store, &add, STORE_VALUES(STORE_IS_INT64(time / MINUTE_MS)), why_r);
}

enum base_result
store_budget_count(struct store *store, int64_t since, int64_t *count_r, const char **why_r)
{
	return store_read_into(
	    store, &count, STORE_VALUES(STORE_IS_INT64(since / MINUTE_MS)), NULL, count_r, why_r);
}
