/*
 * sqlite_due - whose time has come, by id alone: an id can be read when its row cannot
 */
#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#define DUE(table, time, of_node)                                                                  \
	"SELECT id FROM " table " WHERE " of_node time " <> 0 AND " time " <= ?2"
#define OF_NODE "node = ?1 AND "
#define LIMIT " LIMIT ?3"

static const char *const statements[] = {
	[STORE_DUE_TIMER] = DUE("hold", "timer", OF_NODE) " ORDER BY timer" LIMIT,
	[STORE_DUE_UNSEEN] = DUE("hold", "due", OF_NODE) " AND (seen <> 0) = 0 ORDER BY due" LIMIT,
	[STORE_DUE_SEEN] = DUE("hold", "due", OF_NODE) " AND (seen <> 0) = 1 ORDER BY due" LIMIT,
	[STORE_DUE_LETTER] =
	    DUE("hold", "letter_due", OF_NODE) " ORDER BY storm <> '', letter_due" LIMIT,
	[STORE_DUE_RETURN] = DUE("hold", "return_due", OF_NODE) " ORDER BY return_due" LIMIT,
	[STORE_DUE_STORM] = DUE("storm", "until", "") " ORDER BY until" LIMIT,
	[STORE_DUE_STORM_LETTER] = DUE("storm", "letter_due", OF_NODE) " ORDER BY letter_due" LIMIT,
};

_Static_assert(
    STORE_SQLITE_DUE_SLOT + sizeof(statements) / sizeof(*statements) <= STORE_SQLITE_SLOTS,
    "more statements than slots");

/* A row of one text. */
static bool
id_read(struct store_sqlite_call *call, struct base_arena *arena, void *row_r)
{
	const char **id_r = row_r;

	*id_r = store_sqlite_column_text(call, arena, 0);
	return *id_r != NULL;
}

static const struct store_sqlite_row id_row = { sizeof(const char *), id_read };

enum base_result
store_sqlite_due_ids(void *database, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, const char ***ids_r, size_t room, size_t *count_r,
    const char **why_r)
{
	struct store_sqlite_call call =
	    store_sqlite_call(database, STORE_SQLITE_DUE_SLOT + (int)which, statements[which]);
	void *rows = NULL;
	enum base_result result;

	store_sqlite_text(&call, node);
	store_sqlite_int(&call, now);
	store_sqlite_int(&call, (int64_t)room);
	result = store_sqlite_many(&call, &id_row, arena, room, &rows, count_r, why_r);
	if (result == BASE_OK)
		*ids_r = rows;
	return result;
}
