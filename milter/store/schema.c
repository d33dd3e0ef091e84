/*
 * schema - the tables of both databases, version by version; see table.h
 *
 * A version brings the columns that name it, and then what its text says. What is asked for
 * several times a second goes through partial indexes that hold only the rows with something left
 * to do, so that settled holds cost nothing.
 */
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/store/table.h"

#define MAX_TEXT 16384 /* bytes of what makes one version */

/* What a version does besides adding columns. Never to be changed: files have it behind them. */
struct step {
	int version;
	const char *text;
};

#define EXPIRES(name) "CREATE INDEX " name "_expires ON " name " (expires) WHERE expires <> 0;"

static const struct step history_steps[] = {
	{ 1, EXPIRES("profile") EXPIRES("thread") EXPIRES("site") },
	{ 2, EXPIRES("note") EXPIRES("forgotten") },
};

static const struct step holds_steps[] = {
	{ 1, "CREATE INDEX hold_due ON hold (node, due) WHERE due <> 0;"
	     "CREATE INDEX hold_letter_due ON hold (node, letter_due) WHERE letter_due <> 0;"
	     "CREATE INDEX hold_act ON hold (act, created);"
	     "CREATE INDEX hold_created ON hold (created, id);"
	     "CREATE INDEX hold_open ON hold (created, id) WHERE settled = 0;"
	     "CREATE INDEX hold_settled ON hold (settled) WHERE settled <> 0;"
	     "CREATE INDEX token_hold ON token (hold_id);" },
	/* the storm block */
	{ 2, "CREATE INDEX hold_storm ON hold (storm, sender) WHERE storm <> '';"
	     "CREATE INDEX storm_topic ON storm (topic, until);"
	     "CREATE INDEX storm_open ON storm (until) WHERE until <> 0;"
	     "CREATE INDEX storm_letter_due ON storm (node, letter_due) WHERE letter_due <> 0;"
	     "CREATE INDEX answer_message ON answer (message);"
	     "CREATE INDEX answer_time ON answer (time);" },
	/* mail that comes back to its author by a letter: what was on its way back (HOLD_RETURNING)
	 * goes on so */
	{ 5, "CREATE INDEX hold_return_due ON hold (node, return_due) WHERE return_due <> 0;"
	     "CREATE INDEX hold_letter_sent ON hold (sender, letter_sent) WHERE letter_sent <> 0;"
	     "UPDATE hold SET return_due = 1 WHERE state = 6;" },
	/* what must be done apart from what is only looked at; who was being released or returned
	 * has been asked already */
	{ 5, "DROP INDEX hold_due;"
	     "CREATE INDEX hold_timer ON hold (node, timer) WHERE timer <> 0;"
	     "CREATE INDEX hold_due ON hold (node, (seen <> 0), due) WHERE due <> 0;"
	     "UPDATE hold SET timer = CASE WHEN deadline <> 0 THEN deadline ELSE due END"
	     " WHERE settled = 0;"
	     "UPDATE part SET asked = 1 WHERE hold_id IN"
	     " (SELECT id FROM hold WHERE settled = 0 AND deadline = 0);" },
	/* what was limited, and who answered */
	{ 5, "CREATE INDEX answer_forget ON answer (forget) WHERE forget <> 0;"
	     "CREATE INDEX hold_of_sender ON hold (sender, created) WHERE storm = '';"
	     "CREATE INDEX hold_unlimited ON hold (created, sender)"
	     " WHERE storm = '' AND limited_by = '';" },
	/* the holds of the whole site are kept by the minute, not counted */
	{ 7, "DROP INDEX hold_unlimited;"
	     "CREATE INDEX hold_unlimited ON hold (sender, created)"
	     " WHERE storm = '' AND limited_by = '';"
	     "INSERT INTO budget (minute, holds) SELECT created / 60000, count(*) FROM hold"
	     " WHERE storm = '' AND limited_by = '' GROUP BY created / 60000;" },
	/* several letters about one hold */
	{ 8, "UPDATE hold SET letters = 1 WHERE letter_sent <> 0;" },
};

static const struct store_table *const holds_tables[] = {
	&store_table_hold,
	&store_table_entry,
	&store_table_token,
	&store_table_storm,
	&store_table_answer,
	&store_table_budget,
};

static const struct store_table *const history_tables[] = {
	&store_table_records[0],
	&store_table_records[1],
	&store_table_records[2],
	&store_table_records[3],
	&store_table_records[4],
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct schema {
	const char *path; /* under the directory of the state */
	const struct store_table *const *tables;
	size_t table_count;
	const struct step *steps;
	size_t step_count;
} schemas[] = {
	[STORE_HOLDS] = { STORE_HOLDS_PATH, holds_tables, COUNT(holds_tables), holds_steps,
	    COUNT(holds_steps) },
	[STORE_MEMORY] = { STORE_MEMORY_PATH, history_tables, COUNT(history_tables), history_steps,
	    COUNT(history_steps) },
};

int
store_schema_version(enum store_kind kind)
{
	const struct schema *schema = &schemas[kind];
	int version = schema->steps[schema->step_count - 1].version;

	for (size_t i = 0; i < schema->table_count; i++) {
		const struct store_table *table = schema->tables[i];

		if (table->columns[table->count - 1].version > version)
			version = table->columns[table->count - 1].version;
	}
	return version;
}

/* CREATE TABLE with the columns of the table's own version. */
static void
table_create(struct base_buffer *buffer, const struct store_table *table,
    const struct store_dialect *dialect)
{
	base_buffer_printf(buffer, "CREATE TABLE %s (", table->name);
	for (size_t i = 0; i < table->count; i++)
		if (table->columns[i].version == table->columns[0].version)
			base_buffer_printf(buffer, "\"%s\" %s NOT NULL, ", table->columns[i].name,
			    dialect->types[table->columns[i].type]);
	base_buffer_printf(buffer, "%s%s)%s;", table->key, dialect->inside[table->layout],
	    dialect->behind[table->layout]);
}

/* The columns that a version brings to a table that is there. */
static void
columns_add(struct base_buffer *buffer, const struct store_table *table,
    const struct store_dialect *dialect, int version)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->columns[i].version == version)
			base_buffer_printf(buffer,
			    "ALTER TABLE %s ADD COLUMN \"%s\" %s NOT NULL DEFAULT %s;", table->name,
			    table->columns[i].name, dialect->types[table->columns[i].type],
			    table->columns[i].type >= STORE_TEXT ? "''" : "0");
}

/* Leads from one version to the next. */
static enum base_result
version_make(const struct store_engine *engine, struct store_database *database,
    const struct schema *schema, int version, const char **why_r)
{
	struct base_buffer buffer;
	enum base_result result = BASE_BROKEN;

	base_buffer_init(&buffer, MAX_TEXT);
	for (size_t i = 0; i < schema->table_count; i++)
		if (schema->tables[i]->columns[0].version == version)
			table_create(&buffer, schema->tables[i], engine->dialect);
		else
			columns_add(&buffer, schema->tables[i], engine->dialect, version);
	for (size_t i = 0; i < schema->step_count; i++)
		if (schema->steps[i].version == version)
			base_buffer_puts(&buffer, schema->steps[i].text);
	if (buffer.failed)
		*why_r = base_why("no memory for the tables of %s", schema->path);
	else
		result = engine->execute(database, base_buffer_text(&buffer), why_r);
	base_buffer_free(&buffer);
	return result;
}

/* Inside a transaction: from the version that is there by now to ours. */
static enum base_result
versions_make(const struct store_engine *engine, struct store_database *database,
    const struct store_options *options, enum store_kind kind, const char **why_r)
{
	const int ours = store_schema_version(kind);
	int version, before;
	enum base_result result = engine->version(database, 0, &before, why_r);

	if (result != BASE_OK)
		return result;
	if (before > ours) {
		*why_r = base_why("%s/%s has schema version %d, this program knows up to %d",
		    options->directory, schemas[kind].path, before, ours);
		return BASE_REFUSE;
	}
	if (before == 0 && !options->create) {
		*why_r =
		    base_why("%s/%s has no tables yet", options->directory, schemas[kind].path);
		return BASE_BROKEN;
	}
	for (version = before; result == BASE_OK && version < ours; version++)
		result = version_make(engine, database, &schemas[kind], version + 1, why_r);
	if (result == BASE_OK)
		result = engine->version(database, ours, &version, why_r);
	if (result == BASE_OK && before == 0 && options->is_new_r != NULL)
		*options->is_new_r = true;
	return result;
}

enum base_result
store_schema_lead(const struct store_engine *engine, struct store_database *database,
    const struct store_options *options, enum store_kind kind, const char **why_r)
{
	int version;
	enum base_result result = engine->version(database, 0, &version, why_r);

	if (result != BASE_OK || version == store_schema_version(kind))
		return result;
	result = engine->begin(database, why_r);
	if (result != BASE_OK)
		return result;
	result = versions_make(engine, database, options, kind, why_r);
	if (result == BASE_OK)
		return engine->commit(database, why_r);
	engine->rollback(database);
	return result;
}
