/*
 * NAME
 *	table - a table described once, and the statements on it; private to store
 *
 * WHAT IT DOES
 *	From the columns of a table follow its CREATE TABLE, what leads an older database to it, and
 *	how a struct goes into a row and comes out of one. A statement is a text; where it needs the
 *	columns they are put in when it is prepared, once per connection.
 *
 * OWNERSHIP, THREADS, DIAGNOSTICS
 *	As in store.h. Every function takes the lock of the store for as long as it runs.
 */
#ifndef OOPS_STORE_TABLE_H
#define OOPS_STORE_TABLE_H

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/store/engine.h"
#include "milter/store/store.h"

#define STORE_ALL SIZE_MAX    /* for `capacity`: however many there are */
#define STORE_BESIDE SIZE_MAX /* for `offset`: in no struct, texts of their own use it */
#define STORE_PURGE "500"     /* rows one purge or expiry removes at most */

struct store_column {
	const char *name;
	enum store_type type;
	size_t offset; /* in the struct of a row */
	int version;   /* of the schema, that brought it; its value is "" or 0 in older rows */
};

/* The first column has the version of the table itself; later ones come behind earlier ones. */
struct store_table {
	const char *name;
	const char *key; /* PRIMARY KEY or UNIQUE; NULL: these are no rows of one table */
	enum store_layout layout;
	const struct store_column *columns;
	size_t count;
	size_t size; /* bytes of the struct of a row */
};

/*
 * A statement. In its text stand
 *	{columns}	the names of the columns that are in the struct
 *	{values}	as many parameters, from $1
 *	{set}		each of these columns = its parameter
 *	{next}		the parameter behind them
 * The struct lives as long as the program: its address is its name.
 */
struct store_query {
	const struct store_table *table; /* of these columns, and what its rows are read as */
	const char *text;
};

/* A value of a statement; STORE_VALUES() makes a list of them. */
struct store_value {
	enum store_type type; /* STORE_TYPES: the end */
	union {
		int64_t number;
		const char *text;
		struct store_blob blob;
	} is;
};
#define STORE_VALUES(...) ((const struct store_value[]){ __VA_ARGS__, { .type = STORE_TYPES } })
#define STORE_NO_VALUES ((const struct store_value[]){ { .type = STORE_TYPES } })
#define STORE_IS_INT64(value)                                                                      \
	{                                                                                          \
		STORE_INT64,                                                                       \
		{                                                                                  \
			.number = (value)                                                          \
		}                                                                                  \
	}
#define STORE_IS_TEXT(value)                                                                       \
	{                                                                                          \
		STORE_TEXT,                                                                        \
		{                                                                                  \
			.text = (value)                                                            \
		}                                                                                  \
	}
#define STORE_IS_BLOB(value, size)                                                                 \
	{                                                                                          \
		STORE_BLOB,                                                                        \
		{                                                                                  \
			.blob = {(value), (size) }                                                 \
		}                                                                                  \
	}

/* A statement without rows: OK, or NONE when no row was changed. */
enum base_result store_run(struct store *store, const struct store_query *query,
    const struct store_value *values, const char **why_r);
/* The same with a row of its table as the first values. */
enum base_result store_run_row(struct store *store, const struct store_query *query,
    const void *row, const struct store_value *values, const char **why_r);
/* Several with the same values, in one transaction; NONE: none of them changed a row. */
enum base_result store_run_all(struct store *store, const struct store_query *queries, size_t count,
    const struct store_value *values, const char **why_r);

/* Up to `capacity` rows, one behind the other, `*rows_r` pointing to the first; none is OK with a
 * count of 0. */
enum base_result store_read(struct store *store, const struct store_query *query,
    const struct store_value *values, struct base_arena *arena, size_t capacity, void *rows_r,
    size_t *count_r, const char **why_r);
/* `*row_r` points to the first row, or NONE. */
enum base_result store_read_one(struct store *store, const struct store_query *query,
    const struct store_value *values, struct base_arena *arena, void *row_r, const char **why_r);
/* The first row itself, or NONE; the arena may be NULL if there are only numbers in it. */
enum base_result store_read_into(struct store *store, const struct store_query *query,
    const struct store_value *values, struct base_arena *arena, void *row_r, const char **why_r);
/* Calls `each` for every row until it returns false. Bytes live for that call only. */
enum base_result store_read_each(struct store *store, const struct store_query *query, void *row,
    bool (*each)(void *context, const void *row), void *context, const char **why_r);

/* Rows of one number (int64_t), one text (const char *), one struct store_blob. */
extern const struct store_table store_table_number, store_table_text, store_table_bytes;

extern const struct store_table store_table_hold, store_table_entry, store_table_token,
    store_table_storm, store_table_answer, store_table_budget;
#define STORE_RECORDS 5
extern const struct store_table store_table_records[STORE_RECORDS];

/* The text of a statement with the columns in it; NULL: no memory. To be freed. */
char *store_query_text(const struct store_query *query);

/* --- schema.c -------------------------------------------------------------------------- */

/* The highest version that this program knows. */
int store_schema_version(enum store_kind kind);
/*
 * Leads the tables from whatever version they have to ours; whoever comes first does it, the
 * others wait. REFUSE: they are newer. BROKEN: there are none, and options->create is false.
 */
enum base_result store_schema_lead(const struct store_engine *engine,
    struct store_database *database, const struct store_options *options, enum store_kind kind,
    const char **why_r);

#endif
