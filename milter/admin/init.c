/*
 * NAME
 *	oopsctl init - make what the programs need before their first start
 *
 * SYNOPSIS
 *	oopsctl [-c FILE] init
 *
 * WHAT IT DOES
 *	Makes the key file, the state directory and both databases, and says so. What is there
 *	already is looked at and left alone, so it can be run again at any time. Whose the files
 *	should be is the site's matter: it only says it.
 *
 * DIAGNOSTICS
 *	EX_USAGE; EX_CONFIG: the key file there is none, or others can read it; EX_IOERR.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/admin/admin.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

/* The folder of a file, made if only its last part is missing. */
static bool
folder_make(const char *path)
{
	char *copy = strdup(path);
	const char *folder = copy != NULL ? dirname(copy) : NULL;
	bool is_there = folder != NULL && access(folder, F_OK) == 0;

	if (folder != NULL && !is_there && mkdir(folder, 0755) == 0) {
		printf("made: %s\n", folder);
		is_there = true;
	}
	if (!is_there)
		fprintf(stderr, "oopsctl: cannot make %s: %s\n", folder != NULL ? folder : path,
		    strerror(errno));
	free(copy);
	return is_there;
}

/* The key file: a new one, or the one there if it is a good one. */
static int
key_make(const struct settings *settings)
{
	struct base_key *key = NULL;
	const char *why = "";
	enum base_result result;

	if (!folder_make(settings->key_file))
		return EX_IOERR;
	result = base_key_create(settings->key_file, &why);
	if (result == BASE_OK) {
		printf(
		    "made: %s (the site's key: keep a copy in a safe place)\n", settings->key_file);
		return EX_OK;
	}
	if (result == BASE_REFUSE)
		result = base_key_load(settings->key_file, &key, &why);
	base_key_free(&key);
	if (result == BASE_OK) {
		printf("there: %s\n", settings->key_file);
		return EX_OK;
	}
	fprintf(stderr, "oopsctl: %s\n", why);
	return result == BASE_REFUSE ? EX_CONFIG : EX_IOERR;
}

/* One database with its schema. */
static int
store_make(const struct settings *settings, enum store_kind kind, const char *name)
{
	struct store_options options = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.create = true };
	struct store *store = NULL;
	const char *why = "";
	char path[4096];
	bool was_there;
	int version = 0;
	enum base_result result;

	snprintf(path, sizeof(path), "%s/%s", settings->state_directory, name);
	was_there = access(path, F_OK) == 0;
	result = store_open(&options, kind, &store, &why);
	if (result == BASE_OK)
		result = store_check(store, &version, &why);
	store_close(&store);
	if (result != BASE_OK) {
		fprintf(stderr, "oopsctl: %s\n", why);
		return EX_IOERR;
	}
	printf("%s: %s (schema %d)\n", was_there ? "there" : "made", path, version);
	return EX_OK;
}

/* Who must own what, as commands to copy. */
static void
advise(const struct settings *settings)
{
	const char *user = settings->user, *state = settings->state_directory;
	/* a user's own group bears the same name nearly everywhere */
	const char *group = *settings->web.group != '\0' ? settings->web.group : settings->web.user;

	printf("\n"
	       "The key and the history are for oops-milter alone, held mail for oops-web as\n"
	       "well. Each runs as a user of its own, and both users are in the group of\n"
	       "%s/holds, so that each can use what the other makes there. Once\n"
	       "there are these users, run as root:\n",
	    state);
	if (strcmp(settings->group, group) != 0)
		printf("  usermod -a -G %s %s\n", group, user);
	printf("  chown %s %s %s/%s*\n"
	       "  chown %s:%s %s/holds %s/%s*\n"
	       "  chmod 2770 %s/holds\n"
	       "  chown %s:%s %s && chmod 0750 %s\n"
	       "Then: oopsctl check\n",
	    user, settings->key_file, state, STORE_MEMORY_PATH, user, group, state, state,
	    STORE_HOLDS_PATH, state, user, group, state, state);
}

/* oopsctl init */
int
admin_init(const struct settings *settings, int argc, char **argv)
{
	int status;

	(void)argv;
	if (argc != 1) {
		fputs("usage: oopsctl [-c FILE] init\n", stderr);
		return EX_USAGE;
	}
	status = key_make(settings);
	if (status == EX_OK && !folder_make(settings->state_directory))
		status = EX_IOERR;
	if (status == EX_OK)
		status = store_make(settings, STORE_HOLDS, STORE_HOLDS_PATH);
	if (status == EX_OK)
		status = store_make(settings, STORE_MEMORY, STORE_MEMORY_PATH);
	if (status == EX_OK)
		advise(settings);
	return status;
}
