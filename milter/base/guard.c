/* guard - runs what may never come back in a thread of its own, and waits for a while */
#include "milter/base/clock.h"
#include "milter/base/guard.h"
#include "milter/base/result.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GUARD_MAX_LEFT 64 /* threads left behind at the same time */
#define GUARD_LOOK_MS 50  /* how late giving up may be noticed */

/* One job; its thread and its caller see it until one of them is the last. */
struct guard {
	struct guard *next; /* of those left behind */
	pthread_mutex_t lock;
	pthread_cond_t end;
	bool is_done, is_left;
	char *name;
	void (*job)(void *work);
	void (*drop)(void *work);
	void *work;
};

/* Those whose caller did not wait to the end. */
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER;
static struct guard *left;
static size_t left_count;

static _Thread_local const atomic_bool *give_up;

void
base_guard_give_up(const atomic_bool *flag)
{
	give_up = flag;
}

static void
guard_free(struct guard *guard)
{
	pthread_mutex_destroy(&guard->lock);
	pthread_cond_destroy(&guard->end);
	free(guard->name);
	free(guard);
}

/* Is a thread with this name left behind, or are there too many of them? */
static bool
is_left_behind(const char *name)
{
	const struct guard *one;
	bool found;

	pthread_mutex_lock(&left_lock);
	for (one = left; one != NULL && strcmp(one->name, name) != 0; one = one->next)
		;
	found = one != NULL || left_count >= GUARD_MAX_LEFT;
	pthread_mutex_unlock(&left_lock);
	return found;
}

/* Notes a thread that is left behind. */
static void
left_add(struct guard *guard)
{
	pthread_mutex_lock(&left_lock);
	guard->next = left;
	left = guard;
	left_count++;
	pthread_mutex_unlock(&left_lock);
}

/* It came back after all. */
static void
left_remove(const struct guard *guard)
{
	struct guard **place = &left;

	pthread_mutex_lock(&left_lock);
	while (*place != guard)
		place = &(*place)->next;
	*place = guard->next;
	left_count--;
	pthread_mutex_unlock(&left_lock);
}

/* The thread. */
static void *
guard_run(void *context)
{
	struct guard *guard = context;
	bool is_left;

	guard->job(guard->work);
	pthread_mutex_lock(&guard->lock);
	guard->is_done = true;
	is_left = guard->is_left;
	pthread_cond_signal(&guard->end);
	pthread_mutex_unlock(&guard->lock);
	if (!is_left)
		return NULL; /* the caller frees it */
	left_remove(guard);
	guard->drop(guard->work);
	guard_free(guard);
	return NULL;
}

/* A job with nobody at it yet; NULL: no memory. */
static struct guard *
guard_new(const char *name, void (*job)(void *), void (*drop)(void *), void *work)
{
	struct guard *guard = calloc(1, sizeof(*guard));
	pthread_condattr_t steady;

	if (guard == NULL || (guard->name = strdup(name)) == NULL) {
		free(guard);
		return NULL;
	}
	pthread_mutex_init(&guard->lock, NULL);
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&guard->end, &steady);
	pthread_condattr_destroy(&steady);
	guard->job = job;
	guard->drop = drop;
	guard->work = work;
	return guard;
}

/* Starts the thread, which no signal interrupts, and which nobody joins. */
static bool
guard_start(struct guard *guard)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	bool is_started;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	is_started = pthread_create(&thread, &attributes, guard_run, guard) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return is_started;
}

/* Waits for the end until `until_ms`. With the lock held; is it done? */
static bool
guard_wait(struct guard *guard, int64_t until_ms)
{
	int64_t now;

	while (!guard->is_done && (now = base_tick_ms()) < until_ms &&
	       (give_up == NULL || !atomic_load(give_up))) {
		int64_t next = now + GUARD_LOOK_MS < until_ms ? now + GUARD_LOOK_MS : until_ms;
		struct timespec when = { .tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000 };

		pthread_cond_timedwait(&guard->end, &guard->lock, &when);
	}
	return guard->is_done;
}

enum base_result
base_guard(const char *name, int64_t limit_ms, void (*job)(void *work), void (*drop)(void *work),
    void *work)
{
	struct guard *guard = is_left_behind(name) ? NULL : guard_new(name, job, drop, work);
	bool is_done;

	if (guard == NULL || !guard_start(guard)) {
		if (guard != NULL)
			guard_free(guard);
		drop(work);
		return BASE_RETRY;
	}
	pthread_mutex_lock(&guard->lock);
	is_done = guard_wait(guard, base_tick_ms() + limit_ms);
	if (!is_done) {
		guard->is_left = true;
		left_add(guard);
	}
	pthread_mutex_unlock(&guard->lock);
	if (!is_done)
		return BASE_RETRY;
	guard_free(guard);
	return BASE_OK;
}
