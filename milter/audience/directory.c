/* directory - the table in use, and its replacement when a file changes */
#include "milter/audience/internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WHY_SIZE 300

/*
 * Whoever counts holds `lock` for reading. One thread at a time holds `refresh`: it builds
 * a new table beside the one in use and takes `lock` for writing only to swap them.
 */
struct audience_directory {
	const struct settings *settings;
	pthread_rwlock_t lock;
	struct audience_table *table;
	pthread_mutex_t refresh;
	struct audience_table
	    *refused;                 /* the last that could not be used; its files count */
	struct audience_asker *asker; /* NULL: no program is to be asked */
	atomic_bool is_full;          /* no memory for answers: begin anew */
	int64_t checked_ms;
	enum base_result trouble;
	char why[WHY_SIZE];
	bool is_told;
};

/* Builds a table; on failure *table_r is what there is of it, for its list of files. */
static enum base_result
build(const struct settings *settings, struct audience_table **table_r, const char **why_r)
{
	*why_r = "out of memory";
	*table_r = audience_table_new(settings);
	return *table_r == NULL ? BASE_BROKEN : audience_table_read(*table_r, why_r);
}

enum base_result
audience_directory_new(const struct settings *settings,
    struct audience_directory **directory_r, const char **why_r)
{
	struct audience_directory *directory = calloc(1, sizeof(*directory));
	enum base_result result = BASE_BROKEN;

	*why_r = "out of memory";
	if (directory == NULL)
		return BASE_BROKEN;
	directory->settings = settings;
	result = build(settings, &directory->table, why_r);
	if (result == BASE_OK && !audience_asker_new(settings, &directory->asker)) {
		*why_r = "out of memory";
		result = BASE_BROKEN;
	}
	if (result != BASE_OK) {
		audience_table_free(&directory->table);
		free(directory);
		return result;
	}
	directory->checked_ms = base_now_ms();
	pthread_rwlock_init(&directory->lock, NULL);
	pthread_mutex_init(&directory->refresh, NULL);
	*directory_r = directory;
	return BASE_OK;
}

void
audience_directory_free(struct audience_directory **directory)
{
	if (*directory == NULL)
		return;
	audience_table_free(&(*directory)->table);
	audience_table_free(&(*directory)->refused);
	audience_asker_free(&(*directory)->asker);
	pthread_rwlock_destroy(&(*directory)->lock);
	pthread_mutex_destroy(&(*directory)->refresh);
	free(*directory);
	*directory = NULL;
}

/* Keeps what could not be used, so that it is tried again only when a file changes again.
 */
static void
refuse(struct audience_directory *directory, struct audience_table *table,
    enum base_result result, const char *why)
{
	if (table != NULL)
		for (size_t i = 0; i < directory->table->file_count; i++)
			audience_table_watch(table, directory->table->files[i].path);
	audience_table_free(&directory->refused);
	directory->refused = table;
	directory->trouble = result;
	directory->is_told = false;
	strncpy(directory->why, why, sizeof(directory->why) - 1);
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
	directory->trouble = BASE_OK;
}

/* Reads the files again if one has changed; others go on with what there is meanwhile. */
static void
refresh(struct audience_directory *directory)
{
	int64_t now = base_now_ms();
	struct audience_table *table;
	enum base_result result;
	const char *why;

	if (pthread_mutex_trylock(&directory->refresh) != 0)
		return;
	if (now < directory->checked_ms ||
	    now - directory->checked_ms >= AUDIENCE_CHECK_MS) {
		directory->checked_ms = now;
		table = directory->refused != NULL ? directory->refused : directory->table;
		if (atomic_exchange(&directory->is_full, false) ||
		    audience_table_is_stale(table)) {
			result = build(directory->settings, &table, &why);
			if (result == BASE_OK)
				accept_table(directory, table);
			else
				refuse(directory, table, result, why);
		}
	}
	pthread_mutex_unlock(&directory->refresh);
}

/* Puts what programs said into the table in use. */
static void
store(void *context, const struct audience_answer *answers, size_t count)
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
    struct audience_asks *asks, struct audience *audience_r)
{
	pthread_rwlock_rdlock(&directory->lock);
	audience_table_count(directory->table, transaction, asks, audience_r);
	pthread_rwlock_unlock(&directory->lock);
}

/* Counts and asks by turns: what one program says may be a matter for the next. */
static void
count_asking(struct audience_directory *directory,
    const struct mail_transaction *transaction, struct audience *audience_r)
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
		count(directory, transaction, &asks, audience_r);
		if (asks.count == 0 || !audience_ask(directory->asker, &asks))
			break;
	}
	if (asks.arena == NULL)
		count(directory, transaction, NULL, audience_r);
	if ((asks.arena == NULL || asks.count > 0 || asks.is_short) &&
	    audience_r->kind == AUDIENCE_EXACT)
		audience_r->kind = AUDIENCE_AT_LEAST;
	base_arena_free(&asks.arena);
}

void
audience_count(struct audience_directory *directory,
    const struct mail_transaction *transaction, struct audience *audience_r)
{
	refresh(directory);
	if (directory->asker != NULL)
		count_asking(directory, transaction, audience_r);
	else
		count(directory, transaction, NULL, audience_r);
}

enum base_result
audience_trouble(struct audience_directory *directory, const char **why_r)
{
	enum base_result result = BASE_NONE;

	pthread_mutex_lock(&directory->refresh);
	if (directory->trouble != BASE_OK && !directory->is_told) {
		result = directory->trouble;
		*why_r = base_why("%s", directory->why);
		directory->is_told = true;
	}
	pthread_mutex_unlock(&directory->refresh);
	if (result == BASE_NONE && directory->asker != NULL &&
	    audience_asker_news(directory->asker, why_r))
		result = BASE_BROKEN;
	return result;
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
