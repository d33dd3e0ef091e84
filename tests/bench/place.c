/*
 * NAME
 *	place - what a new hold costs when the site has few holds of the day, and when it has many
 *
 * SYNOPSIS
 *	place DIRECTORY HOLDS
 *
 * WHAT IT DOES
 *	Places HOLDS holds of as many people in an empty database, each with the question how many
 *	there are, as the daemon asks it. Prints how many microseconds one of the first and
 *	one of the last took, by the median of SAMPLE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/hold.h"

#define SAMPLE 200

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
fail(const char *why)
{
	fprintf(stderr, "place: %s\n", why);
	exit(1);
}

/* All are held. */
static struct hold_terms
limit(const void *context, const struct hold_counts *counts)
{
	(void)context;
	(void)counts;
	return (struct hold_terms){ HOLD_CONFIRM, 3600, "" };
}

/* One hold of one person; how long it took. */
static int64_t
place(struct hold *hold, long number)
{
	char sender[64], queue_id[32];
	struct hold_params request = { .action = HOLD_CONFIRM,
		.queue_id = queue_id,
		.submission = sender,
		.sender = sender,
		.subject = "A mail to many",
		.recipient_count = 40,
		.people = 40,
		.policy = "rule 1",
		.language = "en",
		.window = 3600,
		.grace = 3600,
		.limit = limit,
		.share = 3 };
	struct hold_counts counts = { 0 };
	struct hold_placed placed;
	const char *why = "";
	int64_t began;

	snprintf(sender, sizeof(sender), "user%ld@example.com", number);
	snprintf(queue_id, sizeof(queue_id), "QUEUE%ld", number);
	request.submission_length = strlen(sender);
	began = now_us();
	if (hold_count(hold, sender, &counts, &why) != BASE_OK ||
	    hold_create_limited(hold, &request, &placed, &why) != BASE_OK)
		fail(why);
	return now_us() - began;
}

static int
compare(const void *a, const void *b)
{
	int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;

	return first < second ? -1 : first > second;
}

/* The median of the next few. */
static long long
median(struct hold *hold, long first)
{
	int64_t took[SAMPLE];

	for (long i = 0; i < SAMPLE; i++)
		took[i] = place(hold, first + i);
	qsort(took, SAMPLE, sizeof(*took), compare);
	return (long long)took[SAMPLE / 2];
}

int
main(int argc, char **argv)
{
	struct hold_options options = { .driver = "sqlite", .node = "mx1", .create = true };
	struct hold *hold = NULL;
	const char *why = "";
	long holds = argc == 3 ? atol(argv[2]) : 0, number = SAMPLE;
	long long few, many;

	if (holds <= 2 * SAMPLE) {
		fprintf(stderr, "usage: place DIRECTORY HOLDS\n");
		return 64;
	}
	options.directory = argv[1];
	if (base_crypto_start(&why) != BASE_OK || hold_open(&options, &hold, &why) != BASE_OK)
		fail(why);
	few = median(hold, 0);
	for (; number < holds - SAMPLE; number++)
		(void)place(hold, number);
	many = median(hold, number);
	printf("%lld %lld\n", few, many);
	hold_close(&hold);
	return 0;
}
