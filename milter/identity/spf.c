/*
 * spf - who asks what the DNS says of a sender: time limit, workers, memory; see internal.h
 *
 * A session asks and waits; a worker thread checks. So a session waits as long as it is
 * willing to, whatever the DNS and the library below do. Sessions with the same question share
 * one check, and what was found is remembered for a while.
 */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/identity/internal.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "milter/mail/mail.h"

/* The memory: sets of a few places; the one that ends first makes room. */
#define SETS 1024
#define PLACES 4

/* Address, domain or sender, helo name. */
#define KEY_SIZE (64 + 2 * (MAIL_MAX_DOMAIN + 1))

/* What was found for a key. */
struct known {
	char *key;   /* NULL: a free place */
	int64_t end; /* base_tick_ms() */
	struct identity_spf_finding finding;
};

/* One check: queued, at work or settled. The last one who looks at it frees it. */
struct job {
	struct job *next;
	char *key;
	struct sockaddr_storage client;
	char *helo;
	char *sender;
	int64_t deadline;
	unsigned users;
	bool is_begun;
	bool is_settled;
	struct identity_spf_finding finding;
};

struct identity_spf {
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t settled;
	struct identity_spf_options options;
	struct job *jobs; /* not settled yet, oldest first */
	unsigned job_count;
	unsigned workers;
	unsigned long checks;
	struct identity_helper helpers[IDENTITY_SPF_WORKERS];
	unsigned deaths;     /* of helpers, since the last answer */
	int64_t pause_end;   /* base_tick_ms(): no helper is started before */
	unsigned references; /* the owner's and the workers' */
	struct known known[SETS][PLACES];
};

/* --- the memory --------------------------------------------------------------------- */

/* FNV-1a, 64 bits: forced collisions cost a check each, nothing else. */
static struct known *
known_set(struct identity_spf *spf, const char *key)
{
	uint64_t hash = 0xCBF29CE484222325u;

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char)*key) * 0x100000001B3u;
	return spf->known[(hash ^ hash >> 32) % SETS];
}

/* What is known and still holds, or NULL. */
static const struct known *
known_find(struct identity_spf *spf, const char *key)
{
	struct known *set = known_set(spf, key);
	int64_t now = base_tick_ms();
	int i;

	for (i = 0; i < PLACES; i++)
		if (set[i].key != NULL && set[i].end > now && strcmp(set[i].key, key) == 0)
			return &set[i];
	return NULL;
}

/* Remembers; without memory it is asked again. */
static void
known_put(struct identity_spf *spf, const char *key, const struct identity_spf_finding *finding)
{
	struct known *set = known_set(spf, key), *place = set;
	int64_t keep = spf->options.keep_ms;
	char *copy;
	int i;

	if (finding->result == IDENTITY_SPF_TEMPERROR && keep > IDENTITY_SPF_FAILED_MS)
		keep = IDENTITY_SPF_FAILED_MS;
	copy = keep > 0 ? strdup(key) : NULL;
	if (copy == NULL)
		return;
	for (i = 0; i < PLACES; i++) {
		if (set[i].key == NULL || strcmp(set[i].key, key) == 0) {
			place = &set[i];
			break;
		}
		if (set[i].end < place->end)
			place = &set[i];
	}
	free(place->key);
	*place = (struct known){ copy, base_tick_ms() + keep, *finding };
}

/* --- keys --------------------------------------------------------------------------- */

/*
 * The key of a question. Most records speak of the domain and the client's address only; one
 * that speaks of the sender as well is remembered as such, and each sender by itself.
 */
static void
key_write(const struct identity_spf_question *question, bool is_particular, char key_r[KEY_SIZE])
{
	const unsigned char *bytes;
	size_t length, i, at;
	const char *domain = strrchr(question->sender, '@');

	if (question->client->ss_family == AF_INET) {
		bytes = (const void *)&((const struct sockaddr_in *)question->client)->sin_addr;
		length = 4;
	} else {
		bytes = (const void *)&((const struct sockaddr_in6 *)question->client)->sin6_addr;
		length = 16;
	}
	for (i = 0, at = 0; i < length; i++)
		at += (size_t)snprintf(key_r + at, KEY_SIZE - at, "%02x", bytes[i]);
	if (is_particular || domain == NULL)
		(void)snprintf(
		    key_r + at, KEY_SIZE - at, " %s %s", question->sender, question->helo);
	else
		(void)snprintf(key_r + at, KEY_SIZE - at, "%s", domain);
}

/* --- jobs --------------------------------------------------------------------------- */

static void
job_free(struct job *job)
{
	free(job->key);
	free(job->helo);
	free(job->sender);
	free(job);
}

/* A user is done with it. */
static void
job_release(struct job *job)
{
	if (--job->users == 0)
		job_free(job);
}

static struct job *
job_new(const struct identity_spf_question *question, const char *key, int64_t deadline)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->key = strdup(key);
	job->helo = strdup(question->helo);
	job->sender = strdup(question->sender);
	job->client = *question->client;
	job->deadline = deadline;
	job->users = 1; /* whoever settles it */
	job->finding.result = IDENTITY_SPF_TEMPERROR;
	if (job->key != NULL && job->helo != NULL && job->sender != NULL)
		return job;
	job_free(job);
	return NULL;
}

/* Takes it off the list, tells who waits, and lets go of it. */
static void
job_settle(struct identity_spf *spf, struct job *job)
{
	struct job **link = &spf->jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	spf->job_count--;
	job->is_settled = true;
	pthread_cond_broadcast(&spf->settled);
	job_release(job);
}

/* The oldest job that nobody works at. Those that nobody waits for any more end here. */
static struct job *
job_next(struct identity_spf *spf)
{
	struct job *job = spf->jobs, *next;

	for (; job != NULL; job = next) {
		next = job->next;
		if (job->is_begun)
			continue;
		if (base_tick_ms() < job->deadline)
			break;
		job_settle(spf, job);
	}
	return job;
}

/* The job of this key that is not settled, or NULL. */
static struct job *
job_find(struct identity_spf *spf, const char *key)
{
	struct job *job = spf->jobs;

	while (job != NULL && strcmp(job->key, key) != 0)
		job = job->next;
	return job;
}

/* --- workers ------------------------------------------------------------------------ */

static void
spf_destroy(struct identity_spf *spf)
{
	int set, place;

	for (set = 0; set < SETS; set++)
		for (place = 0; place < PLACES; place++)
			free(spf->known[set][place].key);
	for (set = 0; set < IDENTITY_SPF_WORKERS; set++)
		identity_helper_end(&spf->helpers[set]);
	pthread_cond_destroy(&spf->settled);
	pthread_mutex_destroy(&spf->lock);
	free(spf);
}

/* Lets go of the whole; the last one destroys it. Called with the lock. */
static void
spf_release(struct identity_spf *spf)
{
	bool is_last = --spf->references == 0;

	pthread_mutex_unlock(&spf->lock);
	if (is_last)
		spf_destroy(spf);
}

struct work {
	struct identity_spf *spf;
	struct job *job;
};

/* The library ended the thread in the middle of a check: it has no result. */
static void
work_died(void *given)
{
	struct work *work = given;

	pthread_mutex_lock(&work->spf->lock);
	job_settle(work->spf, work->job);
	work->spf->workers--;
	spf_release(work->spf);
}

/* Remembers what was found; a particular finding also for its domain, as "ask for each". */
static void
finding_keep(
    struct identity_spf *spf, const struct identity_spf_question *question, const struct job *job)
{
	char key[KEY_SIZE];

	known_put(spf, job->key, &job->finding);
	if (!job->finding.is_particular)
		return;
	key_write(question, true, key);
	known_put(spf, key, &job->finding);
}

/* --- helpers ------------------------------------------------------------------------ */

/* One that has nothing to do, best one that runs; NULL: none is to be started now. */
static struct identity_helper *
helper_take(struct identity_spf *spf)
{
	struct identity_helper *found = NULL;
	int i;

	for (i = 0; i < IDENTITY_SPF_WORKERS; i++) {
		struct identity_helper *helper = &spf->helpers[i];

		if (!helper->is_busy && (found == NULL || helper->pid > 0))
			found = helper;
	}
	if (found == NULL || (found->pid == 0 && base_tick_ms() < spf->pause_end))
		return NULL;
	found->is_busy = true;
	return found;
}

/* What follows from how it went: helpers that die one after the other are given time. */
static void
helper_give(struct identity_spf *spf, struct identity_helper *helper, enum base_result result)
{
	int64_t pause = 1000;

	helper->is_busy = false;
	if (result == BASE_OK)
		spf->deaths = 0;
	if (result != BASE_BROKEN || ++spf->deaths < IDENTITY_SPF_MAX_DEATHS)
		return;
	for (unsigned i = IDENTITY_SPF_MAX_DEATHS;
	     i < spf->deaths && pause < IDENTITY_SPF_MAX_PAUSE_MS; i++)
		pause *= 2;
	spf->pause_end = base_tick_ms() + pause;
}

/* A check in a process of its own. Called, and returns, with the lock. */
static struct identity_spf_finding
check_apart(
    struct identity_spf *spf, const struct identity_spf_question *question, int64_t deadline)
{
	struct identity_spf_finding finding = { .result = IDENTITY_SPF_TEMPERROR };
	struct identity_helper *helper = helper_take(spf);
	enum base_result result;

	if (helper == NULL)
		return finding;
	pthread_mutex_unlock(&spf->lock);
	result = identity_helper_ask(helper, question, deadline, &finding);
	if (result == BASE_BROKEN && spf->options.failure != NULL)
		spf->options.failure(helper->what);
	pthread_mutex_lock(&spf->lock);
	helper_give(spf, helper, result);
	return finding;
}

/* --- work ----------------------------------------------------------------------------- */

/* A check in this thread. Called, and returns, with the lock. */
static struct identity_spf_finding
check_here(struct identity_spf *spf, const struct identity_spf_question *question, struct job *job)
{
	struct work work = { spf, job };
	struct identity_spf_finding finding = { 0 };

	pthread_mutex_unlock(&spf->lock);
	pthread_cleanup_push(work_died, &work);
	finding =
	    identity_spf_check(question, spf->options.dns, spf->options.context, job->deadline);
	pthread_cleanup_pop(0);
	pthread_mutex_lock(&spf->lock);
	return finding;
}

/* Works at one job, without the lock meanwhile. */
static void
job_work(struct identity_spf *spf, struct job *job)
{
	const struct identity_spf_question question = { &job->client, job->helo, job->sender };

	job->is_begun = true;
	spf->checks++;
	job->finding = spf->options.dns != NULL ? check_here(spf, &question, job)
						: check_apart(spf, &question, job->deadline);
	finding_keep(spf, &question, job);
	job_settle(spf, job);
}

/* Works until nothing is left to do. */
static void *
worker(void *given)
{
	struct identity_spf *spf = given;
	struct job *job;

	pthread_mutex_lock(&spf->lock);
	while ((job = job_next(spf)) != NULL)
		job_work(spf, job);
	spf->workers--;
	spf_release(spf);
	return NULL;
}

/* One more worker, unless there are enough. False: there is none at all. */
static bool
worker_start(struct identity_spf *spf)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	if (spf->workers >= IDENTITY_SPF_WORKERS)
		return true;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, worker, spf);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return spf->workers > 0;
	(void)pthread_detach(thread);
	spf->workers++;
	spf->references++;
	return true;
}

/* Queues a check; NULL: there are too many, or no memory. */
static struct job *
job_start(struct identity_spf *spf, const struct identity_spf_question *question, const char *key,
    int64_t deadline)
{
	struct job **link = &spf->jobs, *job;

	if (spf->job_count >= IDENTITY_SPF_MAX_JOBS)
		return NULL;
	job = job_new(question, key, deadline);
	if (job == NULL || !worker_start(spf)) {
		if (job != NULL)
			job_free(job);
		return NULL;
	}
	while (*link != NULL)
		link = &(*link)->next;
	*link = job;
	spf->job_count++;
	return job;
}

/* --- askers ------------------------------------------------------------------------- */

/* Waits for a check of this key, which others may have begun. */
static struct identity_spf_finding
wait_for(struct identity_spf *spf, const struct identity_spf_question *question, const char *key,
    int64_t deadline, bool *is_own_r)
{
	const struct timespec until = { deadline / 1000, deadline % 1000 * 1000000 };
	struct identity_spf_finding finding = { .result = IDENTITY_SPF_TEMPERROR };
	struct job *job = job_find(spf, key);

	*is_own_r = job == NULL;
	if (job == NULL)
		job = job_start(spf, question, key, deadline);
	if (job == NULL)
		return finding;
	job->users++;
	while (!job->is_settled && base_tick_ms() < deadline)
		(void)pthread_cond_timedwait(&spf->settled, &spf->lock, &until);
	if (job->is_settled)
		finding = job->finding;
	job_release(job);
	return finding;
}

/* What is known of the key, or what a check says. */
static struct identity_spf_finding
look_up(struct identity_spf *spf, const struct identity_spf_question *question, const char *key,
    int64_t deadline, bool *is_own_r)
{
	const struct known *known = known_find(spf, key);

	*is_own_r = false;
	return known != NULL ? known->finding : wait_for(spf, question, key, deadline, is_own_r);
}

enum identity_spf_result
identity_spf_ask(struct identity_spf *spf, const struct identity_spf_question *question)
{
	int64_t deadline = base_tick_ms() + spf->options.limit_ms;
	int family = question->client->ss_family;
	struct identity_spf_finding finding;
	char key[KEY_SIZE];
	bool is_own;

	if ((family != AF_INET && family != AF_INET6) ||
	    strlen(question->sender) > MAIL_MAX_DOMAIN || strlen(question->helo) > MAIL_MAX_DOMAIN)
		return IDENTITY_SPF_NONE;
	pthread_mutex_lock(&spf->lock);
	key_write(question, false, key);
	finding = look_up(spf, question, key, deadline, &is_own);
	if (finding.is_particular && !is_own) {
		key_write(question, true, key);
		finding = look_up(spf, question, key, deadline, &is_own);
	}
	pthread_mutex_unlock(&spf->lock);
	return finding.result;
}

unsigned long
identity_spf_checks(struct identity_spf *spf)
{
	unsigned long checks;

	pthread_mutex_lock(&spf->lock);
	checks = spf->checks;
	pthread_mutex_unlock(&spf->lock);
	return checks;
}

/* --- open and free ------------------------------------------------------------------ */

enum base_result
identity_spf_start(
    const struct identity_spf_options *options, struct identity_spf **spf_r, const char **why_r)
{
	struct identity_spf *spf = calloc(1, sizeof(*spf));
	pthread_condattr_t monotonic;

	if (spf == NULL) {
		*why_r = "no memory for SPF";
		return BASE_BROKEN;
	}
	spf->options = *options;
	spf->references = 1;
	pthread_mutex_init(&spf->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&spf->settled, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*spf_r = spf;
	return BASE_OK;
}

enum base_result
identity_spf_new(const struct settings *settings, identity_failure_fn *failure,
    struct identity_spf **spf_r, const char **why_r)
{
	const struct identity_spf_options options = {
		.limit_ms = settings->identity.spf_timeout * 1000,
		.keep_ms = settings->identity.spf_cache * 1000,
		.failure = failure,
	};

	if (settings->identity.spf)
		return identity_spf_start(&options, spf_r, why_r);
	*spf_r = NULL;
	return BASE_OK;
}

void
identity_spf_free(struct identity_spf **spf)
{
	if (*spf == NULL)
		return;
	pthread_mutex_lock(&(*spf)->lock);
	spf_release(*spf);
	*spf = NULL;
}
