/* Freeing what is on hold without oops-queued, from the queue files alone. */
#include <string.h>

#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/queue/internal.h"

#define FREE_BYTES (64u << 20) /* of queue ids: a million of them */
#define BATCH_MS 60000         /* for the MTA's tools, with one batch of files */

/* What is open, and one batch of files. */
struct freeing {
	const struct queue_free_options *options;
	const struct queue_driver *driver;
	struct queue_mta mta;
	size_t count;
	struct queue_lookup lookups[QUEUE_MAX_ITEMS];
	struct queue_item items[QUEUE_MAX_ITEMS];
	struct queue_free_count *done;
};

/* Says what became of a file, and counts it. */
static void
report(struct freeing *freeing, enum queue_fate fate, const struct queue_item *item)
{
	freeing->done->of[fate]++;
	if (fate != QUEUE_FATE_OTHERS && freeing->options->report != NULL)
		freeing->options->report(freeing->options->context, fate, item);
}

/* What shall become of a file that was looked at. */
static enum queue_fate
fate_of(const struct freeing *freeing, const struct queue_lookup *lookup)
{
	const struct base_key *key = freeing->options->key;

	if (lookup->status == QUEUE_FAILED)
		return QUEUE_FATE_FAILED;
	if (lookup->status != QUEUE_HELD)
		return QUEUE_FATE_OTHERS;
	if (key != NULL && !queue_mac_proves_id(key, lookup->tag.hold_id, lookup->tag.mac))
		return QUEUE_FATE_FORGED;
	return lookup->is_stopped ? QUEUE_FATE_STOPPED : QUEUE_FATE_FREED;
}

/* Looks at a batch, and frees those that nobody stopped. */
static void
batch_free(struct freeing *freeing, const char **why_r)
{
	int64_t deadline = base_tick_ms() + BATCH_MS;
	size_t count = 0;

	freeing->driver->lookup(&freeing->mta, freeing->lookups, freeing->count, deadline);
	for (size_t i = 0; i < freeing->count; i++) {
		struct queue_lookup *lookup = &freeing->lookups[i];
		struct queue_item item = { .queue_id = lookup->queue_id,
			.hold_id = lookup->tag.hold_id,
			.status = lookup->status };
		enum queue_fate fate = fate_of(freeing, lookup);

		if (fate == QUEUE_FATE_FREED && !freeing->options->is_dry)
			freeing->items[count++] = item;
		else
			report(freeing, fate, &item);
	}
	freeing->count = 0;
	if (count == 0)
		return;
	(void)freeing->driver->act(
	    &freeing->mta, QUEUE_RELEASE, freeing->items, count, deadline, why_r);
	for (size_t i = 0; i < count; i++)
		report(freeing,
		    freeing->items[i].status == QUEUE_MOVING ||
			    freeing->items[i].status == QUEUE_GONE
			? QUEUE_FATE_FREED
			: QUEUE_FATE_FAILED,
		    &freeing->items[i]);
}

/* Every file whose id is in the text, one a line. */
static void
ids_free(struct freeing *freeing, char *ids, const char **why_r)
{
	char *id;

	while (ids != NULL && (id = strsep(&ids, "\n")) != NULL) {
		if (*id != '\0')
			freeing->lookups[freeing->count++] =
			    (struct queue_lookup){ .queue_id = id };
		if (freeing->count == QUEUE_MAX_ITEMS)
			batch_free(freeing, why_r);
	}
	if (freeing->count > 0)
		batch_free(freeing, why_r);
}

enum base_result
queue_free_all(
    const struct queue_free_options *options, struct queue_free_count *count_r, const char **why_r)
{
	static struct freeing freeing; /* too large for a stack; one at a time */
	struct base_buffer ids;
	enum base_result result;

	memset(&freeing, 0, sizeof(freeing));
	memset(count_r, 0, sizeof(*count_r));
	freeing.options = options;
	freeing.done = count_r;
	freeing.mta.options = options->mta;
	freeing.driver = queue_driver_for(options->mta->mta_kind);
	if (freeing.driver == NULL) {
		*why_r = base_why("no driver for mta.kind \"%s\"", options->mta->mta_kind);
		return BASE_REFUSE;
	}
	base_buffer_init(&ids, FREE_BYTES);
	result = freeing.driver->open(&freeing.mta, why_r);
	if (result == BASE_OK)
		result =
		    freeing.driver->list_held(&freeing.mta, base_tick_ms() + BATCH_MS, &ids, why_r);
	if (result == BASE_OK)
		ids_free(&freeing, ids.data, why_r);
	base_buffer_free(&ids);
	if (result == BASE_OK && count_r->of[QUEUE_FATE_FAILED] > 0)
		result = BASE_RETRY;
	return result;
}
