/* shift - moves the times of what is not over, after the clock of the machine was set */
#include "milter/base/result.h"
#include "milter/store/hold.h"
#include "milter/store/table.h"

/* 0 is no time, it stays. */
#define MOVED(column) #column " = CASE WHEN " #column " = 0 THEN 0 ELSE " #column " + $2 END"
#define WAS_BEFORE(column) " AND NOT (" #column " BETWEEN $3 AND $4)"

/* clang-format off */
static const struct store_query queries[] = {
	{ NULL, "UPDATE part SET " MOVED(created) " WHERE hold_id IN"
		" (SELECT id FROM hold WHERE node = $1 AND settled = 0)"
		WAS_BEFORE(created) },
	/* a link lives as long as was said, or longer: when its letter was written is not known */
	{ NULL, "UPDATE token SET expires = expires + $2 WHERE $2 > 0 AND hold_id IN"
		" (SELECT id FROM hold WHERE node = $1 AND settled = 0"
		WAS_BEFORE(moved)
		" UNION ALL SELECT id FROM storm WHERE node = $1 AND until <> 0"
		WAS_BEFORE(started) ")" },
	{ NULL, "UPDATE hold SET " MOVED(created) ", " MOVED(moved) ", " MOVED(seen)
		", " MOVED(deadline) ", " MOVED(timer) ", " MOVED(due)
		", " MOVED(letter_due) ", " MOVED(letter_sent) ", " MOVED(return_due)
		" WHERE node = $1 AND settled = 0" WAS_BEFORE(moved) },
	{ NULL, "UPDATE storm SET " MOVED(started) ", " MOVED(until) ", " MOVED(letter_due)
		" WHERE node = $1 AND until <> 0" WAS_BEFORE(started) },
};
/* clang-format on */

enum base_result
store_hold_shift(struct store *store, const struct store_shift *shift, const char **why_r)
{
	return store_run_all(store, queries, sizeof(queries) / sizeof(*queries),
	    STORE_VALUES(STORE_IS_TEXT(shift->node), STORE_IS_INT64(shift->by),
		STORE_IS_INT64(shift->from), STORE_IS_INT64(shift->to)),
	    why_r);
}
