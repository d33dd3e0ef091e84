/* site - generations, who uses them, and the one in force; see site.h */
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/site/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct site_current {
	pthread_mutex_t lock;
	const struct site *site;
};

/* One user more. */
static const struct site *
site_use(const struct site *site)
{
	atomic_fetch_add(&((struct site_whole *)site)->users, 1);
	return site;
}

void
site_drop(const struct site **site)
{
	struct site_whole *whole = (struct site_whole *)*site;

	*site = NULL;
	if (whole == NULL || atomic_fetch_sub(&whole->users, 1) > 1)
		return;
	words_templates_free(&whole->site.templates);
	identity_sources_close(&whole->site.identity);
	audience_directory_free(&whole->site.audience);
	judge_scorecard_free(&whole->scorecard);
	base_key_free(&whole->key);
	settings_free(&whole->settings);
	free(whole);
}

/* --- the one in force ------------------------------------------------------------- */

struct site_current *
site_current_new(const struct site **first)
{
	struct site_current *current = calloc(1, sizeof(*current));

	if (current == NULL)
		return NULL;
	pthread_mutex_init(&current->lock, NULL);
	current->site = *first;
	*first = NULL;
	return current;
}

void
site_current_free(struct site_current **current)
{
	if (*current == NULL)
		return;
	site_drop(&(*current)->site);
	pthread_mutex_destroy(&(*current)->lock);
	free(*current);
	*current = NULL;
}

const struct site *
site_take(struct site_current *current)
{
	const struct site *site;

	pthread_mutex_lock(&current->lock);
	site = site_use(current->site);
	pthread_mutex_unlock(&current->lock);
	return site;
}

/* Are they the same text? Both may be missing. */
static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
site_may_follow(
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
site_replace(struct site_current *current, const struct site **next, struct base_buffer *faults_r)
{
	const struct site *was = site_take(current);
	bool may = site_may_follow(was->settings, (*next)->settings, faults_r);

	site_drop(&was);
	if (!may)
		return BASE_REFUSE;
	pthread_mutex_lock(&current->lock);
	was = current->site;
	current->site = *next;
	pthread_mutex_unlock(&current->lock);
	*next = NULL;
	site_drop(&was);
	return BASE_OK;
}
