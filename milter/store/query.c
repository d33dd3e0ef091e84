/* query - one statement under the lock: values in, rows out; see table.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/store/table.h"

#include <stdlib.h>
#include <string.h>

#include "milter/store/internal.h"

#define MAX_TEXT 16384   /* bytes of a statement */
#define FIRST_CAPACITY 8 /* rows; eight times as many each time that they do not fit */

static const struct store_column number_columns[] = { { NULL, STORE_INT64, 0, 0 } };
const struct store_table store_table_number = {
	.columns = number_columns, .count = 1, .size = sizeof(int64_t)
};

static const struct store_column text_columns[] = { { NULL, STORE_TEXT, 0, 0 } };
const struct store_table store_table_text = {
	.columns = text_columns, .count = 1, .size = sizeof(const char *)
};

static const struct store_column bytes_columns[] = { { NULL, STORE_BLOB, 0, 0 } };
const struct store_table store_table_bytes = {
	.columns = bytes_columns, .count = 1, .size = sizeof(struct store_blob)
};

/* A statement under way. */
struct call {
	struct store *store;
	const struct store_table *table;
	struct store_statement *statement;
};

/* --- the text of a statement ------------------------------------------------------------ */

/* The columns of a table that are in its struct: one after the other, each in its way. */
static void
columns_put(struct base_buffer *buffer, const struct store_table *table, const char *word)
{
	int number = 0;

	for (size_t i = 0; i < table->count; i++) {
		if (table->columns[i].offset == STORE_BESIDE)
			continue;
		if (number++ > 0)
			base_buffer_puts(buffer, ", ");
		if (*word != 'v') /* a name of ours may be a word of theirs */
			base_buffer_printf(buffer, "\"%s\"", table->columns[i].name);
		if (*word == 's')
			base_buffer_puts(buffer, " = ");
		if (*word != 'c')
			base_buffer_printf(buffer, "$%d", number);
	}
}

/* What stands for a word in braces. */
static void
word_put(struct base_buffer *buffer, const struct store_table *table, const char *word)
{
	int next = 1;

	if (*word != 'n') {
		columns_put(buffer, table, word);
		return;
	}
	for (size_t i = 0; i < table->count; i++)
		next += table->columns[i].offset != STORE_BESIDE;
	base_buffer_printf(buffer, "$%d", next);
}

char *
store_query_text(const struct store_query *query)
{
	struct base_buffer buffer;
	const char *text = query->text;
	size_t length;

	base_buffer_init(&buffer, MAX_TEXT);
	while (text[length = strcspn(text, "{")] != '\0') {
		base_buffer_append(&buffer, text, length);
		word_put(&buffer, query->table, text + length + 1);
		text += length;
		text += strcspn(text, "}") + 1;
	}
	base_buffer_puts(&buffer, text);
	if (!buffer.failed)
		return buffer.data;
	base_buffer_free(&buffer);
	return NULL;
}

/* --- a statement ------------------------------------------------------------------------ */

/* Prepares a statement for the slot that waits for it. */
static enum base_result
statement_prepare(struct store *store, const struct store_query *query, struct store_prepared *slot,
    const char **why_r)
{
	char *text = store_query_text(query);
	enum base_result result;

	if (text == NULL) {
		*why_r = base_why("no memory for a statement");
		return BASE_BROKEN;
	}
	result = store->engine->prepare(store->database, text, &slot->statement, why_r);
	if (result == BASE_OK)
		slot->query = query;
	free(text);
	return result;
}

/* The slot of a statement, or the free one where it belongs. */
static struct store_prepared *
slot_find(struct store *store, const struct store_query *query)
{
	size_t i = (uintptr_t)query / sizeof(*query);

	while (store->prepared[i % STORE_STATEMENTS].query != NULL &&
	       store->prepared[i % STORE_STATEMENTS].query != query)
		i++;
	return &store->prepared[i % STORE_STATEMENTS];
}

/* Gives a row's fields to a statement; how many. */
static int
row_bind(const struct call *call, const char *row)
{
	int number = 0;

	for (size_t i = 0; row != NULL && i < call->table->count; i++) {
		const struct store_column *column = &call->table->columns[i];

		if (column->offset != STORE_BESIDE)
			call->store->engine->bind(
			    call->statement, ++number, column->type, row + column->offset);
	}
	return number;
}

/* Takes the lock and gives a statement its values. */
static enum base_result
call_begin(struct call *call, struct store *store, const struct store_query *query, const void *row,
    const struct store_value *values, const char **why_r)
{
	enum base_result result = store_enter(store, why_r);
	struct store_prepared *slot;
	int number;

	if (result != BASE_OK)
		return result;
	slot = slot_find(store, query);
	if (slot->query == NULL)
		result = statement_prepare(store, query, slot, why_r);
	if (result != BASE_OK)
		return store_leave(store, result);
	*call = (struct call){ store, query->table, slot->statement };
	number = row_bind(call, row);
	for (; values->type != STORE_TYPES; values++)
		store->engine->bind(call->statement, ++number, values->type, &values->is);
	return BASE_OK;
}

/* Ends it and gives the lock back. */
static enum base_result
call_end(const struct call *call, enum base_result result)
{
	call->store->engine->finish(call->statement);
	return store_leave(call->store, result);
}

/* --- statements without rows -------------------------------------------------------------- */

enum base_result
store_run_row(struct store *store, const struct store_query *query, const void *row,
    const struct store_value *values, const char **why_r)
{
	struct call call;
	enum base_result result = call_begin(&call, store, query, row, values, why_r);

	if (result != BASE_OK)
		return result;
	result = store->engine->step(call.statement, why_r);
	if (result == BASE_OK) {
		*why_r = base_why("an unexpected row of: %s", query->text);
		return call_end(&call, BASE_BROKEN);
	}
	if (store->engine->finish(call.statement) > 0 && result == BASE_NONE)
		result = BASE_OK;
	return store_leave(store, result);
}

enum base_result
store_run(struct store *store, const struct store_query *query, const struct store_value *values,
    const char **why_r)
{
	return store_run_row(store, query, NULL, values, why_r);
}

/* Inside a transaction: each of them. */
static enum base_result
each_run(struct store *store, const struct store_query *queries, size_t count,
    const struct store_value *values, const char **why_r)
{
	enum base_result result = BASE_NONE;

	for (size_t i = 0; i < count; i++) {
		enum base_result one = store_run(store, &queries[i], values, why_r);

		if (one != BASE_OK && one != BASE_NONE)
			return one;
		if (one == BASE_OK)
			result = BASE_OK;
	}
	return result;
}

enum base_result
store_run_all(struct store *store, const struct store_query *queries, size_t count,
    const struct store_value *values, const char **why_r)
{
	enum base_result result = store_enter(store, why_r);
	enum base_result ended;

	if (result != BASE_OK)
		return result;
	if (store->in_transaction)
		return store_leave(store, each_run(store, queries, count, values, why_r));
	result = store_begin(store, why_r);
	if (result != BASE_OK)
		return store_leave(store, result);
	result = each_run(store, queries, count, values, why_r);
	if (result == BASE_OK) {
		ended = store_commit(store, why_r);
		return store_leave(store, ended);
	}
	store_rollback(store); /* NONE as well: nothing to keep */
	return store_leave(store, result);
}

/* --- rows --------------------------------------------------------------------------------- */

/* The row that the statement stands on, into its struct; false: no memory. */
static bool
row_read(const struct call *call, struct base_arena *arena, char *row_r)
{
	int number = 0;

	for (size_t i = 0; i < call->table->count; i++) {
		const struct store_column *column = &call->table->columns[i];

		if (column->offset != STORE_BESIDE &&
		    !call->store->engine->column(
			call->statement, number++, column->type, arena, row_r + column->offset))
			return false;
	}
	return true;
}

/* There is no memory for rows. */
static enum base_result
rows_full(const char **why_r)
{
	*why_r = base_why("no memory for rows of a database");
	return BASE_BROKEN;
}

/* Room for more rows, behind the `count` that are there; NULL when the arena is full. */
static char *
rows_grow(struct base_arena *arena, char *rows, size_t count, size_t capacity, size_t size)
{
	char *more = base_arena_array(arena, capacity, size);

	if (more != NULL && count > 0)
		memcpy(more, rows, count * size);
	return more;
}

/* The rows of a statement, up to so many. */
static enum base_result
rows_read(const struct call *call, struct base_arena *arena, size_t max, char **rows_r,
    size_t *count_r, const char **why_r)
{
	enum base_result result = BASE_OK;
	size_t size = call->table->size;
	size_t capacity = 0;

	while (*count_r < max &&
	       (result = call->store->engine->step(call->statement, why_r)) == BASE_OK) {
		if (*count_r == capacity) {
			capacity = capacity == 0 ? FIRST_CAPACITY : capacity * 8;
			capacity = capacity < max ? capacity : max;
			*rows_r = rows_grow(arena, *rows_r, *count_r, capacity, size);
		}
		if (*rows_r == NULL || !row_read(call, arena, *rows_r + *count_r * size))
			return rows_full(why_r);
		++*count_r;
	}
	return result == BASE_NONE ? BASE_OK : result;
}

enum base_result
store_read(struct store *store, const struct store_query *query, const struct store_value *values,
    struct base_arena *arena, size_t capacity, void *rows_r, size_t *count_r, const char **why_r)
{
	struct call call;
	char *rows = NULL;
	size_t count = 0;
	enum base_result result = call_begin(&call, store, query, NULL, values, why_r);

	if (result != BASE_OK)
		return result;
	result = call_end(&call, rows_read(&call, arena, capacity, &rows, &count, why_r));
	if (result == BASE_OK) {
		memcpy(rows_r, &rows, sizeof(rows));
		*count_r = count;
	}
	return result;
}

enum base_result
store_read_one(struct store *store, const struct store_query *query,
    const struct store_value *values, struct base_arena *arena, void *row_r, const char **why_r)
{
	void *row = NULL;
	size_t count = 0;
	enum base_result result = store_read(store, query, values, arena, 1, &row, &count, why_r);

	if (result == BASE_OK && count == 0)
		return BASE_NONE;
	if (result == BASE_OK)
		memcpy(row_r, &row, sizeof(row));
	return result;
}

enum base_result
store_read_into(struct store *store, const struct store_query *query,
    const struct store_value *values, struct base_arena *arena, void *row_r, const char **why_r)
{
	struct call call;
	enum base_result result = call_begin(&call, store, query, NULL, values, why_r);

	if (result != BASE_OK)
		return result;
	result = store->engine->step(call.statement, why_r);
	if (result == BASE_OK && !row_read(&call, arena, row_r))
		result = rows_full(why_r);
	return call_end(&call, result);
}

enum base_result
store_read_each(struct store *store, const struct store_query *query, void *row,
    bool (*each)(void *context, const void *row), void *context, const char **why_r)
{
	struct call call;
	enum base_result result = call_begin(&call, store, query, NULL, STORE_NO_VALUES, why_r);

	if (result != BASE_OK)
		return result;
	while ((result = store->engine->step(call.statement, why_r)) == BASE_OK) {
		if (!row_read(&call, NULL, row)) {
			result = rows_full(why_r);
			break;
		}
		if (!each(context, row))
			break;
	}
	return call_end(&call, result == BASE_NONE ? BASE_OK : result);
}
