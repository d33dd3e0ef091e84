/*
 * sqlite_aside - a database that is damaged: is it, and out of the way with it
 */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/store/sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 4096

static const char *const names[] = {
	[STORE_HOLDS] = STORE_HOLDS_PATH,
	[STORE_MEMORY] = STORE_MEMORY_PATH,
};

/* Reads all of it. */
static bool
is_damaged(sqlite3 *handle, const char **why_r)
{
	sqlite3_stmt *statement = NULL;
	const char *text = NULL;
	int code = sqlite3_prepare_v2(handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
	bool is;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(statement, 0);
	is = (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ||
	     (text != NULL && strcasecmp(text, "ok") != 0);
	if (is)
		*why_r = base_why("%s", text != NULL ? text : sqlite3_errmsg(handle));
	sqlite3_finalize(statement);
	return is;
}

bool
store_sqlite_is_damaged(
    const struct store_options *options, enum store_kind kind, const char **why_r)
{
	sqlite3 *handle = NULL;
	char path[PATH_SIZE];
	bool is = false;

	snprintf(path, sizeof(path), "%s/%s", options->directory, names[kind]);
	if (sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
		sqlite3_busy_timeout(handle, STORE_SQLITE_BUSY_MS);
		is = is_damaged(handle, why_r);
	}
	sqlite3_close(handle);
	return is;
}

enum base_result
store_sqlite_set_aside(const struct store_options *options, enum store_kind kind,
    const char **name_r, const char **why_r)
{
	/* what belongs to the file goes first: without it, that is no log of another's */
	static const char *const endings[] = { "-wal", "-shm", "" };
	char path[PATH_SIZE], aside[PATH_SIZE], date[32];
	time_t now = (time_t)base_now();
	struct tm parts;

	gmtime_r(&now, &parts);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &parts);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		snprintf(
		    path, sizeof(path), "%s/%s%s", options->directory, names[kind], endings[i]);
		snprintf(aside, sizeof(aside), "%s/%s." STORE_ASIDE "-%s%s", options->directory,
		    names[kind], date, endings[i]);
		if (rename(path, aside) == 0 || (errno == ENOENT && *endings[i] != '\0'))
			continue;
		*why_r = base_why("cannot rename %s: %s", path, strerror(errno));
		return BASE_BROKEN;
	}
	*name_r = base_why("%s", aside);
	return BASE_OK;
}
