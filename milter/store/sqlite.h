/* sqlite - what the files of the SQLite driver share; private to store */
#ifndef OOPS_STORE_SQLITE_H
#define OOPS_STORE_SQLITE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/driver.h"

#define STORE_SQLITE_SLOTS 80       /* prepared statements a database keeps */
#define STORE_SQLITE_PART_SLOT 28   /* the first one of sqlite_parts.c */
#define STORE_SQLITE_STORM_SLOT 36  /* the first one of sqlite_storm.c */
#define STORE_SQLITE_BUDGET_SLOT 64 /* the first one of sqlite_budget.c */
#define STORE_SQLITE_SHIFT_SLOT 68  /* the first one of sqlite_shift.c */
#define STORE_SQLITE_DUE_SLOT 72    /* the first one of sqlite_due.c */
#define STORE_SQLITE_BUSY_MS 5000   /* how long another process may keep us waiting */
/* the same for the history, which nobody waits for in a hurry */
#define STORE_SQLITE_MEMORY_BUSY_MS 2000
#define STORE_SQLITE_PURGE "500" /* rows one purge or expiry removes at most */

/* Which file it is, whatever its name is by now; inode 0: not known. */
struct store_sqlite_file {
	dev_t device;
	ino_t inode;
};

#define STORE_SQLITE_FILES 3 /* the database, its log, and the index of the log */

struct store_sqlite {
	sqlite3 *handle;
	char *path;
	struct store_sqlite_file files[STORE_SQLITE_FILES]; /* that it works on */
	int busy_ms;
	bool is_short;       /* see store_is_short() */
	bool *is_damaged;    /* see struct store_options; or NULL */
	bool *is_new;        /* the same */
	bool in_transaction; /* ours; SQLite may have ended it after a disk error */
	sqlite3_stmt *statements[STORE_SQLITE_SLOTS];
};

/* The schema of each kind: statement `n` leads from version n to n + 1. */
extern const char *const store_sqlite_holds_schema[];
extern const char *const store_sqlite_memory_schema[];
#define STORE_SQLITE_HOLDS_VERSION 8
#define STORE_SQLITE_MEMORY_VERSION 2

/* --- sqlite_call.c --------------------------------------------------------------- */

/* Values bound one after the other; the first failure is what the step says. */
struct store_sqlite_call {
	struct store_sqlite *database;
	sqlite3_stmt *statement; /* NULL when it could not be prepared */
	int index;
	int code;
};

/* Turns SQLite's result into ours and says why. */
enum base_result store_sqlite_fail(struct store_sqlite *database, int code, const char **why_r);
/* The statement of a slot, prepared at its first use, ready for values. */
struct store_sqlite_call store_sqlite_call(
    struct store_sqlite *database, int slot, const char *sql);
void store_sqlite_text(struct store_sqlite_call *call, const char *text); /* NULL: "" */
void store_sqlite_int(struct store_sqlite_call *call, int64_t value);
void store_sqlite_real(struct store_sqlite_call *call, double value);
void store_sqlite_blob(struct store_sqlite_call *call, const void *data, size_t length);
/* OK: a row is there; NONE: no more rows, the statement has ended. */
enum base_result store_sqlite_step(struct store_sqlite_call *call, const char **why_r);
/* Ends the statement, as every path must: an open one keeps others from writing. */
void store_sqlite_end(struct store_sqlite_call *call);
/* For statements without rows: steps and ends; OK, or NONE when no row was changed. */
enum base_result store_sqlite_run(struct store_sqlite_call *call, const char **why_r);
/* A column copied to the arena; NULL when it is full. */
const char *store_sqlite_column_text(
    struct store_sqlite_call *call, struct base_arena *arena, int column);
bool store_sqlite_column_blob(struct store_sqlite_call *call, struct base_arena *arena, int column,
    struct store_blob *blob_r);
/* Statements that are not kept: one whose rows do not matter ... */
enum base_result store_sqlite_execute(
    struct store_sqlite *database, const char *sql, const char **why_r);
/* ... one whose first row begins with a number ... */
enum base_result store_sqlite_ask_int(
    struct store_sqlite *database, const char *sql, int *value_r, const char **why_r);
/* ... and one whose first row must begin with a text; BROKEN: it does not. */
enum base_result store_sqlite_expect(
    struct store_sqlite *database, const char *sql, const char *expected, const char **why_r);

/* --- sqlite_rows.c: rows of holds.db --------------------------------------------- */

/* A kind of row: the size of its struct, and how it is read; false: the arena is full. */
struct store_sqlite_row {
	size_t size; /* bytes */
	bool (*read)(struct store_sqlite_call *call, struct base_arena *arena, void *row_r);
};

/* A column, and where its text belongs. */
struct store_sqlite_text_column {
	int column;
	const char **text_r;
};

/* BROKEN: rows did not fit in the arena. */
enum base_result store_sqlite_rows_full(const char **why_r);
/* Many columns copied to the arena; false: it is full. */
bool store_sqlite_column_texts(struct store_sqlite_call *call, struct base_arena *arena,
    const struct store_sqlite_text_column *columns, size_t count);
/* Each of these ends the statement. One row, or NONE. */
enum base_result store_sqlite_one(struct store_sqlite_call *call,
    const struct store_sqlite_row *kind, struct base_arena *arena, void **row_r,
    const char **why_r);
/* Up to `room` rows, one behind the other; none is OK with a count of 0. */
enum base_result store_sqlite_many(struct store_sqlite_call *call,
    const struct store_sqlite_row *kind, struct base_arena *arena, size_t room, void **rows_r,
    size_t *count_r, const char **why_r);
/* The first column of the one row, or NONE. */
enum base_result store_sqlite_one_int(
    struct store_sqlite_call *call, int64_t *value_r, const char **why_r);
enum base_result store_sqlite_one_blob(struct store_sqlite_call *call, struct base_arena *arena,
    struct store_blob *blob_r, const char **why_r);

/* --- sqlite_open.c --------------------------------------------------------------- */

/* Opens the file and makes sure of everything that later calls rely on. */
enum base_result store_sqlite_open(const struct store_options *options, enum store_kind kind,
    void **database_r, const char **why_r);
/* Ends the statements and the connection. */
void store_sqlite_close(void *database);
/* --- sqlite_aside.c: see store.h --- */
bool store_sqlite_is_damaged(
    const struct store_options *options, enum store_kind kind, const char **why_r);
enum base_result store_sqlite_set_aside(const struct store_options *options, enum store_kind kind,
    const char **name_r, const char **why_r);
/* Is another file at the path of one of its files, or none? */
bool store_sqlite_is_lost(void *database);

/* --- the operations of store_driver that are not in sqlite.c ---------------------- */

enum base_result store_sqlite_hold_insert(
    void *database, const struct store_hold *hold, const char **why_r);
enum base_result store_sqlite_hold_get(void *database, struct base_arena *arena, const char *id,
    struct store_hold **hold_r, const char **why_r);
enum base_result store_sqlite_hold_by_token(void *database, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_hold **hold_r,
    const char **why_r);
enum base_result store_sqlite_hold_by_act(void *database, struct base_arena *arena,
    const char *node, const void *act, size_t length, int64_t since, struct store_hold **hold_r,
    const char **why_r);
enum base_result store_sqlite_hold_update(
    void *database, const struct store_hold *hold, int expected, const char **why_r);
enum base_result store_sqlite_hold_postpone(
    void *database, const char *id, int64_t time, const char **why_r);
enum base_result store_sqlite_hold_look(
    void *database, const char *id, int64_t now, int64_t rest, const char **why_r);
enum base_result store_sqlite_hold_due(void *database, struct base_arena *arena,
    enum store_due which, const char *node, int64_t now, struct store_hold **holds_r, size_t room,
    size_t *count_r, const char **why_r);
enum base_result store_sqlite_due_ids(void *database, struct base_arena *arena,
    enum store_due which, const char *node, int64_t now, const char ***ids_r, size_t room,
    size_t *count_r, const char **why_r);
enum base_result store_sqlite_hold_letters(
    void *database, const char *sender, int64_t since, int64_t *count_r, const char **why_r);
enum base_result store_sqlite_hold_next_due(
    void *database, const char *node, int64_t *due_r, const char **why_r);
enum base_result store_sqlite_hold_list(void *database, struct base_arena *arena, bool all_states,
    const struct store_hold *before, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r);
enum base_result store_sqlite_hold_count(
    void *database, const char *sender, int64_t since, int64_t *count_r, const char **why_r);
enum base_result store_sqlite_hold_count_unlimited(
    void *database, const char *sender, int64_t since, int64_t *count_r, const char **why_r);
enum base_result store_sqlite_budget_add(
    void *database, int64_t time, int64_t since, const char **why_r);
enum base_result store_sqlite_budget_count(
    void *database, int64_t since, int64_t *count_r, const char **why_r);
enum base_result store_sqlite_hold_shift(
    void *database, const struct store_shift *shift, const char **why_r);
enum base_result store_sqlite_hold_purge(void *database, int64_t time, const char **why_r);
enum base_result store_sqlite_hold_naming(void *database, struct base_arena *arena,
    const char *address, const void *mark, size_t length, struct store_hold **holds_r, size_t room,
    size_t *count_r, const char **why_r);
enum base_result store_sqlite_hold_remove(void *database, const char *id, const char **why_r);
enum base_result store_sqlite_part_insert(void *database, const struct store_part *part,
    const void *lesson, size_t lesson_length, const char **why_r);
enum base_result store_sqlite_part_update(
    void *database, const struct store_part *part, const char **why_r);
enum base_result store_sqlite_part_rename(
    void *database, const struct store_part *part, const char *queue_id, const char **why_r);
enum base_result store_sqlite_part_list(void *database, struct base_arena *arena,
    const char *hold_id, struct store_part **parts_r, size_t *count_r, const char **why_r);
enum base_result store_sqlite_part_lesson(void *database, struct base_arena *arena,
    const struct store_part *part, struct store_blob *lesson_r, const char **why_r);
enum base_result store_sqlite_part_wipe(void *database, const char *hold_id, const char **why_r);
enum base_result store_sqlite_token_insert(void *database, const unsigned char hash[BASE_HASH_SIZE],
    const char *hold_id, int64_t expires, const char **why_r);

enum base_result store_sqlite_storm_insert(
    void *database, const struct store_storm *storm, const char **why_r);
enum base_result store_sqlite_storm_update(
    void *database, const struct store_storm *storm, int expected, const char **why_r);
enum base_result store_sqlite_storm_get(void *database, struct base_arena *arena, const char *id,
    struct store_storm **storm_r, const char **why_r);
enum base_result store_sqlite_storm_by_token(void *database, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_storm **storm_r,
    const char **why_r);
enum base_result store_sqlite_storm_by_topic(void *database, struct base_arena *arena,
    const struct store_blob *topic, int64_t now, struct store_storm **storm_r, const char **why_r);
enum base_result store_sqlite_storm_some(void *database, struct base_arena *arena,
    enum store_storm_set set, const char *node, int64_t now, struct store_storm **storms_r,
    size_t room, size_t *count_r, const char **why_r);
enum base_result store_sqlite_storm_release(void *database, const char *id, const int states[2],
    int64_t now, int on_end, const char **why_r);
enum base_result store_sqlite_storm_held(
    void *database, const char *id, size_t *count_r, const char **why_r);
enum base_result store_sqlite_storm_told(
    void *database, const char *id, const char *sender, const char **why_r);
enum base_result store_sqlite_storm_forget(void *database, const char *address, const char **why_r);
enum base_result store_sqlite_storm_purge(
    void *database, int64_t time, int64_t answers_time, const char **why_r);
enum base_result store_sqlite_answer_insert(
    void *database, const struct store_answer *answer, const char **why_r);
enum base_result store_sqlite_answer_has(void *database, const struct store_blob *topic,
    const struct store_blob *act, const char **why_r);
enum base_result store_sqlite_answer_topic(void *database, struct base_arena *arena,
    const struct store_blob *message, struct store_blob *topic_r, const char **why_r);
enum base_result store_sqlite_answer_people(void *database, struct base_arena *arena,
    const struct store_blob *topic, int64_t since, size_t room, const char **people_r,
    const char **why_r);
enum base_result store_sqlite_answer_forget(void *database, int64_t now, const char **why_r);
enum base_result store_sqlite_answer_count(void *database, const struct store_blob *topic,
    int64_t since, size_t *answers_r, size_t *answerers_r, const char **why_r);

enum base_result store_sqlite_record_get(void *database, struct base_arena *arena,
    enum store_record kind, uint64_t key, struct store_blob *blob_r, const char **why_r);
enum base_result store_sqlite_record_put(void *database, enum store_record kind, uint64_t key,
    const void *data, size_t length, int64_t expires, const char **why_r);
enum base_result store_sqlite_record_delete(
    void *database, enum store_record kind, uint64_t key, const char **why_r);
enum base_result store_sqlite_record_each(void *database, enum store_record kind,
    bool (*each)(void *context, uint64_t key, const void *data, size_t length), void *context,
    const char **why_r);
enum base_result store_sqlite_record_expire(void *database, int64_t now, const char **why_r);

#endif
