/* due - whose time has come, of the tables of holds and of storms */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/hold.h"
#include "milter/store/table.h"

/* The texts read whole rows, or ids alone: an id can be read when its row cannot. */
#define SELECT(what, table, time)                                                                  \
	"SELECT " what " FROM " table " WHERE " time " <> 0 AND " time " <= "
#define OF_NODE(what, table, time, only, order)                                                    \
	SELECT(what, table, time) "$2 AND node = $1" only " ORDER BY " order " LIMIT $3"
#define UNSEEN " AND (seen <> 0) = FALSE"
#define SEEN " AND (seen <> 0) = TRUE"

static const struct store_query whole[] = {
	[STORE_DUE_TIMER] = { &store_table_hold,
	    OF_NODE("{columns}", "hold", "timer", "", "timer") },
	[STORE_DUE_UNSEEN] = { &store_table_hold,
	    OF_NODE("{columns}", "hold", "due", UNSEEN, "due") },
	[STORE_DUE_SEEN] = { &store_table_hold, OF_NODE("{columns}", "hold", "due", SEEN, "due") },
};

static const struct store_query ids[] = {
	[STORE_DUE_TIMER] = { &store_table_text, OF_NODE("id", "hold", "timer", "", "timer") },
	[STORE_DUE_UNSEEN] = { &store_table_text, OF_NODE("id", "hold", "due", UNSEEN, "due") },
	[STORE_DUE_SEEN] = { &store_table_text, OF_NODE("id", "hold", "due", SEEN, "due") },
	[STORE_DUE_LETTER] = { &store_table_text,
	    OF_NODE("id", "hold", "letter_due", "", "storm <> '', letter_due") },
	[STORE_DUE_RETURN] = { &store_table_text,
	    OF_NODE("id", "hold", "return_due", "", "return_due") },
	[STORE_DUE_STORM] = { &store_table_text,
	    SELECT("id", "storm", "until") "$1 ORDER BY until LIMIT $2" },
	[STORE_DUE_STORM_LETTER] = { &store_table_text,
	    OF_NODE("id", "storm", "letter_due", "", "letter_due") },
};

#define EARLIEST(time, only)                                                                       \
	"SELECT min(" time ") AS due FROM hold WHERE node = $1 AND " time " <> 0" only

static const struct store_query next = { &store_table_number,
	"SELECT coalesce(min(due), 0) FROM (" EARLIEST("timer", "") " UNION ALL " EARLIEST(
	    "due", UNSEEN) " UNION ALL " EARLIEST("due", SEEN) ") AS earliest" };

enum base_result
store_hold_due(struct store *store, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, struct store_hold **holds_r, size_t capacity, size_t *count_r,
    const char **why_r)
{
	if (which > STORE_DUE_SEEN) {
		*why_r = base_why("whole rows are not read by this time");
		return BASE_BROKEN;
	}
	return store_read(store, &whole[which],
	    STORE_VALUES(
		STORE_IS_TEXT(node), STORE_IS_INT64(now), STORE_IS_INT64((int64_t)capacity)),
	    arena, capacity, holds_r, count_r, why_r);
}

enum base_result
store_due_ids(struct store *store, struct base_arena *arena, enum store_due which, const char *node,
    int64_t now, const char ***ids_r, size_t capacity, size_t *count_r, const char **why_r)
{
	/* storms of all nodes */
	const struct store_value of_all[] = { STORE_IS_INT64(now),
		STORE_IS_INT64((int64_t)capacity), { .type = STORE_TYPES } };
	const struct store_value of_node[] = { STORE_IS_TEXT(node), of_all[0], of_all[1],
		of_all[2] };

	return store_read(store, &ids[which], which == STORE_DUE_STORM ? of_all : of_node, arena,
	    capacity, ids_r, count_r, why_r);
}

enum base_result
store_hold_next_due(struct store *store, const char *node, int64_t *due_r, const char **why_r)
{
	int64_t due;
	enum base_result result =
	    store_read_into(store, &next, STORE_VALUES(STORE_IS_TEXT(node)), NULL, &due, why_r);

	if (result == BASE_OK && due == 0)
		return BASE_NONE;
	if (result == BASE_OK)
		*due_r = due;
	return result;
}
