/*
 * sqlite_shift - moves the times of what is not over, after the clock of the machine was set
 */
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

enum slot { SHIFT_PARTS, SHIFT_TOKENS, SHIFT_HOLDS, SHIFT_STORMS, SLOT_COUNT };

_Static_assert(
    STORE_SQLITE_SHIFT_SLOT + SLOT_COUNT <= STORE_SQLITE_DUE_SLOT, "more statements than slots");

/* 0 is no time, it stays. */
#define MOVED(column) #column " = CASE WHEN " #column " = 0 THEN 0 ELSE " #column " + ?2 END"
#define WAS_BEFORE(column) " AND NOT (" #column " BETWEEN ?3 AND ?4)"

/* clang-format off */
static const char *const statements[] = {
	[SHIFT_PARTS] = "UPDATE part SET " MOVED(created) " WHERE hold_id IN"
			" (SELECT id FROM hold WHERE node = ?1 AND settled = 0)"
			WAS_BEFORE(created),
	/* a link lives as long as was said, or longer: when its letter was written is not known */
	[SHIFT_TOKENS] = "UPDATE token SET expires = expires + ?2 WHERE ?2 > 0 AND hold_id IN"
			 " (SELECT id FROM hold WHERE node = ?1 AND settled = 0"
			 WAS_BEFORE(moved)
			 " UNION ALL SELECT id FROM storm WHERE node = ?1 AND until <> 0"
			 WAS_BEFORE(started) ")",
	[SHIFT_HOLDS] = "UPDATE hold SET " MOVED(created) ", " MOVED(moved) ", " MOVED(seen)
			", " MOVED(deadline) ", " MOVED(timer) ", " MOVED(due)
			", " MOVED(letter_due) ", " MOVED(letter_sent) ", " MOVED(return_due)
			" WHERE node = ?1 AND settled = 0" WAS_BEFORE(moved),
	[SHIFT_STORMS] = "UPDATE storm SET " MOVED(started) ", " MOVED(until) ", "
			 MOVED(letter_due) " WHERE node = ?1 AND until <> 0"
			 WAS_BEFORE(started),
};
/* clang-format on */

enum base_result
store_sqlite_hold_shift(void *database, const struct store_shift *shift, const char **why_r)
{
	enum base_result result = BASE_NONE;

	for (int i = 0; i < SLOT_COUNT; i++) {
		struct store_sqlite_call call =
		    store_sqlite_call(database, STORE_SQLITE_SHIFT_SLOT + i, statements[i]);
		enum base_result one;

		store_sqlite_text(&call, shift->node);
		store_sqlite_int(&call, shift->by);
		store_sqlite_int(&call, shift->from);
		store_sqlite_int(&call, shift->to);
		one = store_sqlite_run(&call, why_r);
		if (one != BASE_OK && one != BASE_NONE)
			return one;
		if (one == BASE_OK)
			result = BASE_OK;
	}
	return result;
}
