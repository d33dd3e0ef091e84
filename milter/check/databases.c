/* check/databases - are the databases there, and whole? see internal.h */
#include "milter/base/result.h"
#include "milter/check/internal.h"
#include "milter/store/store.h"

/* What to do about a database that cannot be used. */
static const char *
change_for(enum base_result result, bool is_damaged, enum store_kind kind)
{
	if (result == BASE_REFUSE)
		return "install a newer oops-milter";
	if (!is_damaged)
		return "run oopsctl init, or mend its owner";
	if (kind == STORE_HOLDS)
		return "stop oops-milter and oops-web, move the file and those beside it "
		       "(-wal, -shm) away, start them again, then run oopsctl adopt";
	return "stop oops-milter, move the file and those beside it (-wal, -shm) away, start it "
	       "again: the history begins anew; or put a copy in its place";
}

/* One database: there, whole, of our schema. */
static void
check_database(struct check *check, enum store_kind kind, const char *name)
{
	bool is_damaged = false;
	struct store_options options = { .driver = check->settings->store.driver,
		.directory = check->settings->state_directory,
		.is_damaged_r = &is_damaged };
	struct store *store = NULL;
	const char *why = "";
	int version = 0;
	enum base_result result = store_open(&options, kind, &store, &why);

	if (result == BASE_OK)
		result = store_check(store, &version, &why);
	store_close(&store);
	if (result == BASE_OK)
		check_ok(
		    check, "store: %s/%s is whole, schema %d", options.directory, name, version);
	else if (result == BASE_RETRY)
		check_warn(check, "run oopsctl check again", "store: %s", why);
	else
		check_fault(check, change_for(result, is_damaged, kind), "store: %s", why);
}

void
check_databases(struct check *check)
{
	check_database(check, STORE_HOLDS, STORE_HOLDS_PATH);
	check_database(check, STORE_MEMORY, STORE_MEMORY_PATH);
}
