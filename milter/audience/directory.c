/* directory - the table in use, and its replacement when a file changes */
#include "milter/audience/internal.h"
#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/guard.h"
#include "milter/base/result.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WHY_SIZE 300

/*
 * Whoever counts holds `lock` for reading, and never waits for a file. A thread of the directory
 * looks at the files: it builds a new table beside the one in use and takes `lock` for writing
 * only to swap them. It begins with the first count: until then nobody needs it.
 */
struct audience_directory {
	const struct settings *settings;
	struct mail_domains inside;
	pthread_rwlock_t lock;
	struct audience_table *table;
	struct audience_table *refused; /* the last that could not be used; its files count */
	struct audience_asker *asker;   /* NULL: no program is to be asked */
	atomic_bool is_full;            /* no memory for answers: begin anew */

	pthread_mutex_t state; /* of what follows; held for moments only */
	pthread_cond_t wake;
	pthread_t thread;
	bool is_running;
	atomic_bool is_stopping;
	bool is_silent; /* a file does not answer */
	enum base_result failure;
	char why[WHY_SIZE];
	bool is_reported;
};

/* Builds a table; on failure *table_r is what there is of it, for its list of files. */
static enum base_result
build(const struct settings *settings, struct audience_table **table_r, const char **why_r)
{
	*why_r = "out of memory";
	*table_r = audience_table_new(settings);
	return *table_r == NULL ? BASE_BROKEN : audience_table_read(*table_r, why_r);
}

/* What is waited for, by a clock that nobody sets. */
static void
wake_init(pthread_cond_t *wake)
{
	pthread_condattr_t steady;

	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(wake, &steady);
	pthread_condattr_destroy(&steady);
}

enum base_result
audience_directory_new(
    const struct settings *settings, struct audience_directory **directory_r, const char **why_r)
{
	struct audience_directory *directory = calloc(1, sizeof(*directory));
	enum base_result result = BASE_BROKEN;

	*why_r = "out of memory";
	if (directory == NULL)
		return BASE_BROKEN;
	directory->settings = settings;
	result = build(settings, &directory->table, why_r);
	if (result == BASE_OK && (!audience_inside_make(settings, &directory->inside) ||
				     !audience_asker_new(settings, &directory->asker))) {
		*why_r = "out of memory";
		result = BASE_BROKEN;
	}
	if (result != BASE_OK) {
		audience_table_free(&directory->table);
		free(directory->inside.items);
		free(directory);
		return result == BASE_RETRY ? BASE_BROKEN : result;
	}
	pthread_rwlock_init(&directory->lock, NULL);
	pthread_mutex_init(&directory->state, NULL);
	wake_init(&directory->wake);
	*directory_r = directory;
	return BASE_OK;
}

/* Ends the thread; it gives up what it waits for. */
static void
stop(struct audience_directory *directory)
{
	pthread_mutex_lock(&directory->state);
	atomic_store(&directory->is_stopping, true);
	pthread_cond_signal(&directory->wake);
	pthread_mutex_unlock(&directory->state);
	if (directory->is_running)
		pthread_join(directory->thread, NULL);
}

void
audience_directory_free(struct audience_directory **directory)
{
	if (*directory == NULL)
		return;
	stop(*directory);
	audience_table_free(&(*directory)->table);
	audience_table_free(&(*directory)->refused);
	audience_asker_free(&(*directory)->asker);
	free((*directory)->inside.items);
	pthread_rwlock_destroy(&(*directory)->lock);
	pthread_mutex_destroy(&(*directory)->state);
	pthread_cond_destroy(&(*directory)->wake);
	free(*directory);
	*directory = NULL;
}

/* There is something to tell, once. */
static void
note(struct audience_directory *directory, enum base_result result, const char *why)
{
	pthread_mutex_lock(&directory->state);
	directory->failure = result;
	directory->is_reported = false;
	strncpy(directory->why, why, sizeof(directory->why) - 1);
	directory->why[sizeof(directory->why) - 1] = '\0';
	pthread_mutex_unlock(&directory->state);
}

/* Keeps what could not be used, so that it is tried again only when a file changes again.
 */
static void
refuse(struct audience_directory *directory, struct audience_table *table, enum base_result result,
    const char *why)
{
	if (table != NULL)
		for (size_t i = 0; i < directory->table->file_count; i++)
			audience_table_watch(table, directory->table->files[i].path);
	audience_table_free(&directory->refused);
	directory->refused = table;
	note(directory, result == BASE_RETRY ? BASE_BROKEN : result, why);
}

/* Puts a new table in the place of the one in use. */
static void
accept_table(struct audience_directory *directory, struct audience_table *table)
{
	struct audience_table *old;

	pthread_rwlock_wrlock(&directory->lock);
	old = directory->table;
	directory->table = table;
	pthread_rwlock_unlock(&directory->lock);
	audience_table_free(&old);
	audience_table_free(&directory->refused);
	note(directory, BASE_OK, "");
}

/* Looks at the files. OK: the table is to be built anew. */
static enum base_result
look(struct audience_directory *directory)
{
	const struct audience_table *table =
	    directory->refused != NULL ? directory->refused : directory->table;
	const char *why = "";
	enum base_result result = audience_table_look(table, &why);
	bool is_silent = result == BASE_RETRY;

	if (is_silent && !directory->is_silent && !atomic_load(&directory->is_stopping))
		note(directory, BASE_BROKEN, why);
	directory->is_silent = is_silent;
	return result;
}

/* Reads the files again if one has changed; others go on with what there is meanwhile. */
static void
refresh(struct audience_directory *directory)
{
	bool is_full = atomic_exchange(&directory->is_full, false);
	struct audience_table *table;
	enum base_result result;
	const char *why = "";

	if (!is_full && look(directory) != BASE_OK)
		return;
	result = build(directory->settings, &table, &why);
	if (result == BASE_OK)
		accept_table(directory, table);
	else
		refuse(directory, table, result, why);
}

/* Waits for a while. False: the end has come. */
static bool
rest(struct audience_directory *directory)
{
	int64_t until = base_tick_ms() + AUDIENCE_CHECK_MS;
	const struct timespec when = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
	int code = 0;

	pthread_mutex_lock(&directory->state);
	while (code == 0 && !atomic_load(&directory->is_stopping))
		code = pthread_cond_timedwait(&directory->wake, &directory->state, &when);
	pthread_mutex_unlock(&directory->state);
	return !atomic_load(&directory->is_stopping);
}

/* The thread. */
static void *
run(void *context)
{
	struct audience_directory *directory = context;

	base_guard_give_up(&directory->is_stopping);
	while (rest(directory))
		refresh(directory);
	return NULL;
}

/* Begins to look at the files, if nobody does. No signal is for that thread. */
static void
start(struct audience_directory *directory)
{
	sigset_t all, before;

	pthread_mutex_lock(&directory->state);
	if (!directory->is_running) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		directory->is_running =
		    pthread_create(&directory->thread, NULL, run, directory) == 0;
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_mutex_unlock(&directory->state);
}

/* Puts what programs said into the table in use. */
static void
store(void *context, const struct audience_result *answers, size_t count)
{
	struct audience_directory *directory = context;

	pthread_rwlock_wrlock(&directory->lock);
	for (size_t i = 0; i < count; i++)
		if (!audience_table_answer(directory->table, &answers[i]))
			directory->is_full = true;
	pthread_rwlock_unlock(&directory->lock);
}

/* Counts with what is known at present; notes what could be asked. */
static void
count(struct audience_directory *directory, const struct mail_transaction *transaction,
    const char *sender, struct audience_asks *asks, struct audience *audience_r)
{
	pthread_rwlock_rdlock(&directory->lock);
	audience_table_count(directory->table, transaction, sender, asks, audience_r);
	pthread_rwlock_unlock(&directory->lock);
}

/* Counts and asks by turns: what one program says may be a matter for the next. */
static void
count_asking(struct audience_directory *directory, const struct mail_transaction *transaction,
    const char *sender, struct audience *audience_r)
{
	struct audience_asks asks = { .settings = directory->settings,
		.arena = base_arena_new(AUDIENCE_MAX_MEMORY),
		.began_ms = base_tick_ms(),
		.store = store,
		.context = directory };

	for (unsigned turn = 0; asks.arena != NULL && turn <= AUDIENCE_MAX_DEPTH; turn++) {
		asks.names = NULL;
		asks.count = 0;
		base_arena_reset(asks.arena);
		count(directory, transaction, sender, &asks, audience_r);
		if (asks.count == 0 || !audience_ask(directory->asker, &asks))
			break;
	}
	if (asks.arena == NULL)
		count(directory, transaction, sender, NULL, audience_r);
	if ((asks.arena == NULL || asks.count > 0 || asks.is_short) &&
	    audience_r->kind == AUDIENCE_EXACT)
		audience_r->kind = AUDIENCE_AT_LEAST;
	base_arena_free(&asks.arena);
}

void
audience_count(struct audience_directory *directory, const struct mail_transaction *transaction,
    const char *sender, struct audience *audience_r)
{
	start(directory);
	if (directory->asker != NULL)
		count_asking(directory, transaction, sender, audience_r);
	else
		count(directory, transaction, sender, NULL, audience_r);
}

enum base_result
audience_failure(struct audience_directory *directory, const char **why_r)
{
	enum base_result result = BASE_NONE;

	pthread_mutex_lock(&directory->state);
	if (directory->failure != BASE_OK && !directory->is_reported) {
		result = directory->failure;
		*why_r = base_why("%s", directory->why);
		directory->is_reported = true;
	}
	pthread_mutex_unlock(&directory->state);
	if (result == BASE_NONE && directory->asker != NULL &&
	    audience_asker_changes(directory->asker, why_r))
		result = BASE_BROKEN;
	return result;
}

const struct mail_domains *
audience_inside(const struct audience_directory *directory)
{
	return &directory->inside;
}

const char *
audience_owner(const struct audience_directory *directory, const char *address)
{
	const struct settings *settings = directory->settings;

	for (size_t i = 0; i < settings->list_count; i++) {
		const struct settings_list *list = &settings->lists[i];

		if (list->owner != NULL && strcmp(list->address, address) == 0)
			return list->owner;
	}
	return NULL;
}
