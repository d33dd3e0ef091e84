/* config - generations, who uses them, and the one in force; see config.h */
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/config/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct config_current {
	pthread_mutex_t lock;
	const struct config *config;
};

/* One user more. */
static const struct config *
site_use(const struct config *config)
{
	atomic_fetch_add(&((struct site_whole *)config)->users, 1);
	return config;
}

void
config_release(const struct config **config)
{
	struct site_whole *whole = (struct site_whole *)*config;

	*config = NULL;
	if (whole == NULL || atomic_fetch_sub(&whole->users, 1) > 1)
		return;
	words_templates_free(&whole->config.templates);
	identity_sources_close(&whole->config.identity);
	audience_directory_free(&whole->config.audience);
	judge_scorecard_free(&whole->scorecard);
	base_key_free(&whole->key);
	settings_free(&whole->settings);
	free(whole);
}

/* --- the one in force ------------------------------------------------------------- */

struct config_current *
config_current_new(const struct config **first)
{
	struct config_current *current = calloc(1, sizeof(*current));

	if (current == NULL)
		return NULL;
	pthread_mutex_init(&current->lock, NULL);
	current->config = *first;
	*first = NULL;
	return current;
}

void
config_current_free(struct config_current **current)
{
	if (*current == NULL)
		return;
	config_release(&(*current)->config);
	pthread_mutex_destroy(&(*current)->lock);
	free(*current);
	*current = NULL;
}

const struct config *
config_acquire(struct config_current *current)
{
	const struct config *config;

	pthread_mutex_lock(&current->lock);
	config = site_use(current->config);
	pthread_mutex_unlock(&current->lock);
	return config;
}

/* Are they the same text? Both may be missing. */
static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
config_may_follow(
    const struct settings *was, const struct settings *now, struct base_buffer *faults_r)
{
	const struct {
		const char *name;
		bool is_kept;
	} fixed[] = {
		{ "state_directory", is_same(was->state_directory, now->state_directory) },
		{ "node", is_same(was->node, now->node) },
		{ "store.driver", is_same(was->store.driver, now->store.driver) },
		{ "store.dsn", is_same(was->store.dsn, now->store.dsn) },
		{ "user", is_same(was->user, now->user) },
		{ "group", is_same(was->group, now->group) },
		{ "web.user", is_same(was->web.user, now->web.user) },
		{ "web.group", is_same(was->web.group, now->web.group) },
		{ "milter.socket", is_same(was->milter.socket, now->milter.socket) },
		{ "milter.socket_mode", was->milter.socket_mode == now->milter.socket_mode },
		{ "web.listen", was->web.listen_port == now->web.listen_port &&
				    is_same(was->web.listen_host, now->web.listen_host) },
		{ "mta.kind", is_same(was->mta.kind, now->mta.kind) },
		{ "mta.config_directory",
		    is_same(was->mta.config_directory, now->mta.config_directory) },
		{ "mta.command_directory",
		    is_same(was->mta.command_directory, now->mta.command_directory) },
		{ "mta.sendmail_program",
		    is_same(was->mta.sendmail_program, now->mta.sendmail_program) },
		{ "mta.sendmail_config",
		    is_same(was->mta.sendmail_config, now->mta.sendmail_config) },
		{ "mta.queue_socket", is_same(was->mta.queue_socket, now->mta.queue_socket) },
		{ "mta.queue_user", is_same(was->mta.queue_user, now->mta.queue_user) },
	};
	bool is_kept = true;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		if (fixed[i].is_kept)
			continue;
		base_buffer_printf(
		    faults_r, "%s: a new %s needs a restart\n", now->path, fixed[i].name);
		is_kept = false;
	}
	return is_kept;
}

enum base_result
config_replace(
    struct config_current *current, const struct config **next, struct base_buffer *faults_r)
{
	const struct config *was = config_acquire(current);
	bool may = config_may_follow(was->settings, (*next)->settings, faults_r);

	config_release(&was);
	if (!may)
		return BASE_REFUSE;
	pthread_mutex_lock(&current->lock);
	was = current->config;
	current->config = *next;
	pthread_mutex_unlock(&current->lock);
	*next = NULL;
	config_release(&was);
	return BASE_OK;
}
