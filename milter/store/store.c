/* store - finds the engine and holds the lock around each operation; see store.h */
#include "milter/base/result.h"
#include "milter/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "milter/store/internal.h"

static const struct store_engine *const engines[] = {
	&store_sqlite,
};

enum base_result
store_enter(struct store *store, const char **why_r)
{
	pthread_mutex_lock(&store->lock);
	if (store->database != NULL)
		return BASE_OK;
	*why_r = base_why("the database in %s is not open", store->options.directory);
	return store_leave(store, BASE_BROKEN);
}

enum base_result
store_leave(struct store *store, enum base_result result)
{
	pthread_mutex_unlock(&store->lock);
	return result;
}

/* The engine of a name, or NULL. */
static const struct store_engine *
engine_find(const char *name, const char **why_r)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++)
		if (name != NULL && strcmp(engines[i]->name, name) == 0)
			return engines[i];
	*why_r = base_why("there is no store driver \"%s\"", name != NULL ? name : "");
	return NULL;
}

/* A store without a database yet. */
static struct store *
store_new(
    const struct store_engine *engine, const struct store_options *options, enum store_kind kind)
{
	struct store *store = calloc(1, sizeof(*store));
	pthread_mutexattr_t attributes;

	if (store == NULL)
		return NULL;
	store->engine = engine;
	store->kind = kind;
	store->options = *options;
	store->options.driver = engine->name;
	store->options.directory = strdup(options->directory);
	if (store->options.directory == NULL) {
		free(store);
		return NULL;
	}
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&store->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return store;
}

/* Gives the database up, and with it what was prepared; the lock is held, or nobody has it. */
static void
database_close(struct store *store)
{
	if (store->database != NULL)
		store->engine->close(store->database);
	store->database = NULL;
	store->in_transaction = false;
	memset(store->prepared, 0, sizeof(store->prepared));
}

/* Opens the database and brings its tables to our version. */
static enum base_result
database_open(struct store *store, const char **why_r)
{
	enum base_result result =
	    store->engine->open(&store->options, store->kind, &store->database, why_r);

	if (result != BASE_OK)
		return result;
	result =
	    store_schema_lead(store->engine, store->database, &store->options, store->kind, why_r);
	if (result != BASE_OK)
		database_close(store);
	return result;
}

enum base_result
store_open(const struct store_options *options, enum store_kind kind, struct store **store_r,
    const char **why_r)
{
	const struct store_engine *engine = engine_find(options->driver, why_r);
	struct store *store;
	enum base_result result;

	if (engine == NULL)
		return BASE_REFUSE;
	store = store_new(engine, options, kind);
	if (store == NULL) {
		*why_r = base_why("no memory for a store");
		return BASE_BROKEN;
	}
	result = database_open(store, why_r);
	if (result == BASE_OK)
		*store_r = store;
	else
		store_close(&store);
	return result;
}

bool
store_is_damaged(const struct store_options *options, enum store_kind kind, const char **why_r)
{
	const char *unknown;
	const struct store_engine *engine = engine_find(options->driver, &unknown);

	return engine != NULL && engine->is_damaged(options, kind, why_r);
}

enum base_result
store_set_aside(const struct store_options *options, enum store_kind kind, const char **name_r,
    const char **why_r)
{
	const struct store_engine *engine = engine_find(options->driver, why_r);

	return engine != NULL ? engine->set_aside(options, kind, name_r, why_r) : BASE_REFUSE;
}

void
store_close(struct store **store)
{
	if (*store == NULL)
		return;
	database_close(*store);
	pthread_mutex_destroy(&(*store)->lock);
	free((char *)(*store)->options.directory);
	free(*store);
	*store = NULL;
}

/* What the engine says of its database; true if there is none. */
static bool
ask(struct store *store, bool (*is)(const struct store_database *database))
{
	const char *why;
	bool answer;

	if (store_enter(store, &why) != BASE_OK)
		return true;
	answer = is(store->database);
	store_leave(store, BASE_OK);
	return answer;
}

bool
store_is_lost(struct store *store)
{
	return ask(store, store->engine->is_lost);
}

bool
store_is_short(struct store *store)
{
	return ask(store, store->engine->is_short);
}

enum base_result
store_reopen(struct store *const *stores, size_t count, const char **why_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < count; i++)
		pthread_mutex_lock(&stores[i]->lock);
	/* a connection that closes takes along what a newer one has made beside the file */
	for (size_t i = 0; i < count; i++)
		database_close(stores[i]);
	for (size_t i = 0; result == BASE_OK && i < count; i++)
		result = database_open(stores[i], why_r);
	for (size_t i = 0; i < count; i++)
		store_leave(stores[i], BASE_OK);
	return result;
}

enum base_result
store_begin(struct store *store, const char **why_r)
{
	enum base_result result = store_enter(store, why_r);

	if (result != BASE_OK)
		return result;
	result = store->engine->begin(store->database, why_r);
	store->in_transaction = result == BASE_OK;
	return result == BASE_OK ? result : store_leave(store, result);
}

enum base_result
store_commit(struct store *store, const char **why_r)
{
	store->in_transaction = false;
	return store_leave(store, store->engine->commit(store->database, why_r));
}

void
store_rollback(struct store *store)
{
	store->in_transaction = false;
	store->engine->rollback(store->database);
	store_leave(store, BASE_OK);
}

/* One of the tasks that are about the files. */
static enum base_result
maintain(struct store *store, enum store_task task, const char **why_r)
{
	enum base_result result = store_enter(store, why_r);

	if (result != BASE_OK)
		return result;
	return store_leave(store, store->engine->maintain(store->database, task, why_r));
}

enum base_result
store_tidy(struct store *store, const char **why_r)
{
	return maintain(store, STORE_TIDY, why_r);
}

enum base_result
store_compact(struct store *store, const char **why_r)
{
	return maintain(store, STORE_COMPACT, why_r);
}

enum base_result
store_check(struct store *store, int *version_r, const char **why_r)
{
	enum base_result result = store_enter(store, why_r);

	if (result != BASE_OK)
		return result;
	result = store->engine->maintain(store->database, STORE_CHECK, why_r);
	if (result == BASE_OK)
		result = store->engine->version(store->database, 0, version_r, why_r);
	return store_leave(store, result);
}
