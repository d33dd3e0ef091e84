/* store - finds the driver and holds the lock around each of its operations; see store.h */
#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "milter/store/driver.h"

struct store {
	const struct store_driver *driver;
	struct store_options options; /* the directory is a copy */
	enum store_kind kind;
	void *database;       /* NULL: it could not be opened anew */
	pthread_mutex_t lock; /* recursive: whoever began a transaction calls on */
};

static const struct store_driver *const drivers[] = {
	&store_sqlite_driver,
};

/* One operation under the lock; the caller's `why_r` is its last argument. */
#define CALL(store, operation, ...)                                                                \
	(enter(store),                                                                             \
	    leave(store, (store)->database != NULL                                                 \
			     ? (store)->driver->operation((store)->database, __VA_ARGS__)          \
			     : fail_closed(store, why_r)))

/* Takes the lock. */
static void
enter(struct store *store)
{
	pthread_mutex_lock(&store->lock);
}

/* Gives the lock back and hands the result on. */
static enum base_result
leave(struct store *store, enum base_result result)
{
	pthread_mutex_unlock(&store->lock);
	return result;
}

/* It is not open since it was to be opened anew. */
static enum base_result
fail_closed(const struct store *store, const char **why_r)
{
	*why_r = base_why("the database in %s is not open", store->options.directory);
	return BASE_BROKEN;
}

/* The driver of a name, or NULL. */
static const struct store_driver *
driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
		if (name != NULL && strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	return NULL;
}

/* A store without a database yet. */
static struct store *
store_new(
    const struct store_driver *driver, const struct store_options *options, enum store_kind kind)
{
	struct store *store = calloc(1, sizeof(*store));
	pthread_mutexattr_t attributes;

	if (store == NULL)
		return NULL;
	store->driver = driver;
	store->kind = kind;
	store->options = *options;
	store->options.driver = driver->name;
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

enum base_result
store_open(const struct store_options *options, enum store_kind kind, struct store **store_r,
    const char **why_r)
{
	const struct store_driver *driver = driver_find(options->driver);
	struct store *store;
	enum base_result result;

	if (driver == NULL) {
		*why_r = base_why("there is no store driver \"%s\"",
		    options->driver != NULL ? options->driver : "");
		return BASE_REFUSE;
	}
	store = store_new(driver, options, kind);
	if (store == NULL) {
		*why_r = base_why("no memory for a store");
		return BASE_BROKEN;
	}
	result = driver->open(options, kind, &store->database, why_r);
	if (result != BASE_OK) {
		store_close(&store);
		return result;
	}
	*store_r = store;
	return BASE_OK;
}

bool
store_is_damaged(const struct store_options *options, enum store_kind kind, const char **why_r)
{
	const struct store_driver *driver = driver_find(options->driver);

	return driver != NULL && driver->is_damaged(options, kind, why_r);
}

enum base_result
store_set_aside(const struct store_options *options, enum store_kind kind, const char **name_r,
    const char **why_r)
{
	const struct store_driver *driver = driver_find(options->driver);

	if (driver == NULL) {
		*why_r = base_why("there is no such store driver");
		return BASE_REFUSE;
	}
	return driver->set_aside(options, kind, name_r, why_r);
}

void
store_close(struct store **store)
{
	if (*store == NULL)
		return;
	if ((*store)->database != NULL)
		(*store)->driver->close((*store)->database);
	pthread_mutex_destroy(&(*store)->lock);
	free((char *)(*store)->options.directory);
	free(*store);
	*store = NULL;
}

bool
store_is_lost(struct store *store)
{
	bool is_lost;

	enter(store);
	is_lost = store->database == NULL || store->driver->is_lost(store->database);
	leave(store, BASE_OK);
	return is_lost;
}

bool
store_is_short(struct store *store)
{
	bool is_short;

	enter(store);
	is_short = store->database == NULL || store->driver->is_short(store->database);
	leave(store, BASE_OK);
	return is_short;
}

/* Gives the file up; the lock is held. */
static void
database_close(struct store *store)
{
	if (store->database != NULL)
		store->driver->close(store->database);
	store->database = NULL;
}

enum base_result
store_reopen(struct store *const *stores, size_t count, const char **why_r)
{
	enum base_result result = BASE_OK;

	for (size_t i = 0; i < count; i++)
		enter(stores[i]);
	/* a connection that closes takes along what a newer one has made beside the file */
	for (size_t i = 0; i < count; i++)
		database_close(stores[i]);
	for (size_t i = 0; result == BASE_OK && i < count; i++)
		result = stores[i]->driver->open(
		    &stores[i]->options, stores[i]->kind, &stores[i]->database, why_r);
	for (size_t i = 0; i < count; i++)
		leave(stores[i], BASE_OK);
	return result;
}

enum base_result
store_begin(struct store *store, const char **why_r)
{
	enum base_result result;

	enter(store);
	result = store->database != NULL ? store->driver->begin(store->database, why_r)
					 : fail_closed(store, why_r);
	return result == BASE_OK ? result : leave(store, result);
}

enum base_result
store_commit(struct store *store, const char **why_r)
{
	return leave(store, store->driver->commit(store->database, why_r));
}

void
store_rollback(struct store *store)
{
	store->driver->rollback(store->database);
	leave(store, BASE_OK);
}

enum base_result
store_tidy(struct store *store, const char **why_r)
{
	return CALL(store, tidy, why_r);
}

enum base_result
store_compact(struct store *store, const char **why_r)
{
	return CALL(store, compact, why_r);
}

enum base_result
store_check(struct store *store, int *version_r, const char **why_r)
{
	return CALL(store, check, version_r, why_r);
}

enum base_result
store_hold_insert(struct store *store, const struct store_hold *hold, const char **why_r)
{
	return CALL(store, hold_insert, hold, why_r);
}

enum base_result
store_hold_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_hold **hold_r, const char **why_r)
{
	return CALL(store, hold_get, arena, id, hold_r, why_r);
}

enum base_result
store_hold_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_hold **hold_r,
    const char **why_r)
{
	return CALL(store, hold_by_token, arena, hash, now, hold_r, why_r);
}

enum base_result
store_hold_by_act(struct store *store, struct base_arena *arena, const char *node, const void *act,
    size_t length, int64_t since, struct store_hold **hold_r, const char **why_r)
{
	return CALL(store, hold_by_act, arena, node, act, length, since, hold_r, why_r);
}

enum base_result
store_hold_update(
    struct store *store, const struct store_hold *hold, int expected, const char **why_r)
{
	return CALL(store, hold_update, hold, expected, why_r);
}

enum base_result
store_hold_postpone(struct store *store, const char *id, int64_t time, const char **why_r)
{
	return CALL(store, hold_postpone, id, time, why_r);
}

enum base_result
store_hold_look(struct store *store, const char *id, int64_t now, int64_t rest, const char **why_r)
{
	return CALL(store, hold_look, id, now, rest, why_r);
}

enum base_result
store_hold_due(struct store *store, struct base_arena *arena, enum store_due which,
    const char *node, int64_t now, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r)
{
	return CALL(store, hold_due, arena, which, node, now, holds_r, room, count_r, why_r);
}

enum base_result
store_due_ids(struct store *store, struct base_arena *arena, enum store_due which, const char *node,
    int64_t now, const char ***ids_r, size_t room, size_t *count_r, const char **why_r)
{
	return CALL(store, due_ids, arena, which, node, now, ids_r, room, count_r, why_r);
}

enum base_result
store_hold_letters(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return CALL(store, hold_letters, sender, since, count_r, why_r);
}

enum base_result
store_hold_next_due(struct store *store, const char *node, int64_t *due_r, const char **why_r)
{
	return CALL(store, hold_next_due, node, due_r, why_r);
}

enum base_result
store_hold_list(struct store *store, struct base_arena *arena, bool all_states,
    const struct store_hold *before, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r)
{
	return CALL(store, hold_list, arena, all_states, before, holds_r, room, count_r, why_r);
}

enum base_result
store_hold_count(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return CALL(store, hold_count, sender, since, count_r, why_r);
}

enum base_result
store_hold_count_unlimited(
    struct store *store, const char *sender, int64_t since, int64_t *count_r, const char **why_r)
{
	return CALL(store, hold_count_unlimited, sender, since, count_r, why_r);
}

enum base_result
store_budget_add(struct store *store, int64_t time, int64_t since, const char **why_r)
{
	return CALL(store, budget_add, time, since, why_r);
}

enum base_result
store_budget_count(struct store *store, int64_t since, int64_t *count_r, const char **why_r)
{
	return CALL(store, budget_count, since, count_r, why_r);
}

enum base_result
store_hold_shift(struct store *store, const struct store_shift *shift, const char **why_r)
{
	return CALL(store, hold_shift, shift, why_r);
}

enum base_result
store_hold_purge(struct store *store, int64_t time, const char **why_r)
{
	return CALL(store, hold_purge, time, why_r);
}

enum base_result
store_hold_naming(struct store *store, struct base_arena *arena, const char *address,
    const void *mark, size_t length, struct store_hold **holds_r, size_t room, size_t *count_r,
    const char **why_r)
{
	return CALL(
	    store, hold_naming, arena, address, mark, length, holds_r, room, count_r, why_r);
}

enum base_result
store_hold_remove(struct store *store, const char *id, const char **why_r)
{
	return CALL(store, hold_remove, id, why_r);
}

enum base_result
store_part_insert(struct store *store, const struct store_part *part, const void *lesson,
    size_t lesson_length, const char **why_r)
{
	return CALL(store, part_insert, part, lesson, lesson_length, why_r);
}

enum base_result
store_part_update(struct store *store, const struct store_part *part, const char **why_r)
{
	return CALL(store, part_update, part, why_r);
}

enum base_result
store_part_rename(
    struct store *store, const struct store_part *part, const char *queue_id, const char **why_r)
{
	return CALL(store, part_rename, part, queue_id, why_r);
}

enum base_result
store_part_list(struct store *store, struct base_arena *arena, const char *hold_id,
    struct store_part **parts_r, size_t *count_r, const char **why_r)
{
	return CALL(store, part_list, arena, hold_id, parts_r, count_r, why_r);
}

enum base_result
store_part_lesson(struct store *store, struct base_arena *arena, const struct store_part *part,
    struct store_blob *lesson_r, const char **why_r)
{
	return CALL(store, part_lesson, arena, part, lesson_r, why_r);
}

enum base_result
store_part_wipe(struct store *store, const char *hold_id, const char **why_r)
{
	return CALL(store, part_wipe, hold_id, why_r);
}

enum base_result
store_token_insert(struct store *store, const unsigned char hash[BASE_HASH_SIZE],
    const char *hold_id, int64_t expires, const char **why_r)
{
	return CALL(store, token_insert, hash, hold_id, expires, why_r);
}

enum base_result
store_storm_insert(struct store *store, const struct store_storm *storm, const char **why_r)
{
	return CALL(store, storm_insert, storm, why_r);
}

enum base_result
store_storm_update(
    struct store *store, const struct store_storm *storm, int expected, const char **why_r)
{
	return CALL(store, storm_update, storm, expected, why_r);
}

enum base_result
store_storm_get(struct store *store, struct base_arena *arena, const char *id,
    struct store_storm **storm_r, const char **why_r)
{
	return CALL(store, storm_get, arena, id, storm_r, why_r);
}

enum base_result
store_storm_by_token(struct store *store, struct base_arena *arena,
    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_storm **storm_r,
    const char **why_r)
{
	return CALL(store, storm_by_token, arena, hash, now, storm_r, why_r);
}

enum base_result
store_storm_by_topic(struct store *store, struct base_arena *arena, const struct store_blob *topic,
    int64_t now, struct store_storm **storm_r, const char **why_r)
{
	return CALL(store, storm_by_topic, arena, topic, now, storm_r, why_r);
}

enum base_result
store_storm_some(struct store *store, struct base_arena *arena, enum store_storm_set set,
    const char *node, int64_t now, struct store_storm **storms_r, size_t room, size_t *count_r,
    const char **why_r)
{
	return CALL(store, storm_some, arena, set, node, now, storms_r, room, count_r, why_r);
}

enum base_result
store_storm_release(struct store *store, const char *id, const int states[2], int64_t now,
    int on_end, const char **why_r)
{
	return CALL(store, storm_release, id, states, now, on_end, why_r);
}

enum base_result
store_storm_held(struct store *store, const char *id, size_t *count_r, const char **why_r)
{
	return CALL(store, storm_held, id, count_r, why_r);
}

enum base_result
store_storm_told(struct store *store, const char *id, const char *sender, const char **why_r)
{
	return CALL(store, storm_told, id, sender, why_r);
}

enum base_result
store_storm_forget(struct store *store, const char *address, const char **why_r)
{
	return CALL(store, storm_forget, address, why_r);
}

enum base_result
store_storm_purge(struct store *store, int64_t time, int64_t answers_time, const char **why_r)
{
	return CALL(store, storm_purge, time, answers_time, why_r);
}

enum base_result
store_answer_insert(struct store *store, const struct store_answer *answer, const char **why_r)
{
	return CALL(store, answer_insert, answer, why_r);
}

enum base_result
store_answer_has(struct store *store, const struct store_blob *topic, const struct store_blob *act,
    const char **why_r)
{
	return CALL(store, answer_has, topic, act, why_r);
}

enum base_result
store_answer_topic(struct store *store, struct base_arena *arena, const struct store_blob *message,
    struct store_blob *topic_r, const char **why_r)
{
	return CALL(store, answer_topic, arena, message, topic_r, why_r);
}

enum base_result
store_answer_people(struct store *store, struct base_arena *arena, const struct store_blob *topic,
    int64_t since, size_t room, const char **people_r, const char **why_r)
{
	return CALL(store, answer_people, arena, topic, since, room, people_r, why_r);
}

enum base_result
store_answer_forget(struct store *store, int64_t now, const char **why_r)
{
	return CALL(store, answer_forget, now, why_r);
}

enum base_result
store_answer_count(struct store *store, const struct store_blob *topic, int64_t since,
    size_t *answers_r, size_t *answerers_r, const char **why_r)
{
	return CALL(store, answer_count, topic, since, answers_r, answerers_r, why_r);
}

enum base_result
store_record_get(struct store *store, struct base_arena *arena, enum store_record kind,
    uint64_t key, struct store_blob *blob_r, const char **why_r)
{
	return CALL(store, record_get, arena, kind, key, blob_r, why_r);
}

enum base_result
store_record_put(struct store *store, enum store_record kind, uint64_t key, const void *data,
    size_t length, int64_t expires, const char **why_r)
{
	return CALL(store, record_put, kind, key, data, length, expires, why_r);
}

enum base_result
store_record_delete(struct store *store, enum store_record kind, uint64_t key, const char **why_r)
{
	return CALL(store, record_delete, kind, key, why_r);
}

enum base_result
store_record_each(struct store *store, enum store_record kind,
    bool (*each)(void *context, uint64_t key, const void *data, size_t length), void *context,
    const char **why_r)
{
	return CALL(store, record_each, kind, each, context, why_r);
}

enum base_result
store_record_expire(struct store *store, int64_t now, const char **why_r)
{
	enum base_result result;

	/* each piece takes the lock anew, so that readers get their turn */
	do
		result = CALL(store, record_expire, now, why_r);
	while (result == BASE_OK);
	return result == BASE_NONE ? BASE_OK : result;
}
