/* storm - counts answers to everybody, and keeps the block; see storm.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/quote.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/hold/storm.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "milter/hold/internal.h"

#define STORM_ROWS 200         /* listed at most */
#define STORM_BYTES (1u << 20) /* for the rows of one question */
#define STORM_MAX_ADDRESS 320
#define HOLD_STORM_NAMED 10 /* people who answered, as the owner is told */
#define NUMBER_SIZE 32

const char *
hold_storm_state_str(enum hold_storm_state state)
{
	switch (state) {
	case HOLD_STORM_ON:
		return "on";
	case HOLD_STORM_LIFTED:
		return "lifted";
	case HOLD_STORM_OVER:
		return "over";
	}
	return "unknown";
}

/* --- telling --------------------------------------------------------------------- */

/* A number as text. */
static const char *
number(char text_r[NUMBER_SIZE], int64_t value)
{
	snprintf(text_r, NUMBER_SIZE, "%" PRId64, value);
	return text_r;
}

/* The audit line of one change; `held` < 0: not known yet; `client` NULL: nobody's. */
static void
storm_audit(const struct store_storm *storm, const char *what, int64_t held, const char *client)
{
	char people[NUMBER_SIZE], answers[NUMBER_SIZE], repliers[NUMBER_SIZE];
	char until[NUMBER_SIZE], count[NUMBER_SIZE];

	audit_event(AUDIT_STORM, storm->id, { "what", what },
	    { "list", *storm->list != '\0' ? storm->list : NULL },
	    { "owner", *storm->owner != '\0' ? storm->owner : NULL },
	    { "people", number(people, storm->people) },
	    { "answers", number(answers, storm->answers) },
	    { "answerers", number(repliers, storm->repliers) },
	    { "until", number(until, storm->until / 1000) },
	    { "held", held >= 0 ? number(count, held) : NULL },
	    { "by", *storm->by != '\0' ? storm->by : NULL }, { "client", client });
}

/* --- asking ---------------------------------------------------------------------- */

/* A MAC as the store takes it. */
static struct store_blob
blob_of(const unsigned char mac[BASE_MAC_SIZE])
{
	return (struct store_blob){ mac, BASE_MAC_SIZE };
}

/* Is there a block on this topic, a lifted one, or an answer that still counts? */
static enum base_result
topic_look(struct hold *hold, struct base_arena *arena, const struct hold_storm_limits *limits,
    const struct store_blob *topic, int64_t now, const char **why_r)
{
	struct store_storm *storm = NULL;
	size_t answers = 0, repliers = 0;
	enum base_result result =
	    store_storm_by_topic(hold->store, arena, topic, now, &storm, why_r);

	if (result == BASE_NONE)
		result = store_answer_count(
		    hold->store, topic, now - limits->window * 1000, &answers, &repliers, why_r);
	return result == BASE_OK && storm == NULL && answers == 0 ? BASE_NONE : result;
}

/*
 * What an answer is about: the thread that one of the mails it answers was counted in; or its
 * list, or the first of these mails, by the key that named it when something was counted.
 */
static enum base_result
topic_find(struct hold *hold, struct base_arena *arena, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, int64_t now, struct store_blob *topic_r,
    const char **why_r)
{
	enum base_result result = BASE_NONE;
	struct store_blob topic;

	for (size_t i = 0; i < answer->id_count; i++) {
		struct store_blob id = blob_of(answer->ids[i]);

		result = store_answer_topic(hold->store, arena, &id, topic_r, why_r);
		if (result != BASE_NONE)
			return result;
	}
	for (size_t i = answer->topic_count; i-- > 1;) {
		topic = blob_of(answer->topics[i]);
		result = topic_look(hold, arena, limits, &topic, now, why_r);
		if (result == BASE_OK)
			*topic_r = topic;
		if (result != BASE_NONE)
			return result;
	}
	*topic_r = blob_of(answer->topics[0]);
	return BASE_OK;
}

/* Copies what the caller must know of a block. */
static void
block_copy(const struct store_storm *storm, struct hold_storm_block *block_r)
{
	memset(block_r, 0, sizeof(*block_r));
	memcpy(block_r->id, storm->id, strnlen(storm->id, BASE_ID_LENGTH));
	block_r->until = storm->until / 1000;
	block_r->answers = (size_t)storm->answers;
	block_r->repliers = (size_t)storm->repliers;
	block_r->on_end = storm->on_end;
}

/* What the store says of a topic: nothing is written yet. */
struct standing {
	struct store_blob topic;
	struct store_storm *storm; /* NULL: neither a block nor a lifted one */
	bool is_counted;           /* the answer was let through before */
};

static enum base_result
standing_find(struct hold *hold, struct base_arena *arena, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, int64_t now, struct standing *standing,
    const char **why_r)
{
	struct store_blob submission = blob_of(answer->submission);
	enum base_result result =
	    topic_find(hold, arena, limits, answer, now, &standing->topic, why_r);

	if (result != BASE_OK)
		return result;
	result = store_answer_has(hold->store, &standing->topic, &submission, why_r);
	if (result != BASE_OK && result != BASE_NONE)
		return result;
	standing->is_counted = result == BASE_OK;
	result = store_storm_by_topic(
	    hold->store, arena, &standing->topic, now, &standing->storm, why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* Begins a block: from now on answers are held. */
static enum base_result
storm_begin(struct hold *hold, struct base_arena *arena, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, struct store_storm *storm, int64_t now,
    const char **why_r)
{
	char *id = base_arena_alloc(arena, BASE_ID_SIZE);
	char *subject;
	struct base_buffer line;

	base_buffer_init(&line, HOLD_MAX_SUBJECT);
	base_quote_line(&line, answer->subject, HOLD_MAX_SUBJECT - 1);
	subject = base_arena_strdup(arena, base_buffer_text(&line));
	base_buffer_free(&line);
	if (id == NULL || subject == NULL || strlen(answer->owner) > STORM_MAX_ADDRESS ||
	    strlen(answer->list) > STORM_MAX_ADDRESS) {
		*why_r = base_why("no room for a storm");
		return BASE_BROKEN;
	}
	base_id_new(id);
	storm->id = id;
	storm->node = hold->node;
	storm->list = answer->list;
	storm->owner = answer->owner;
	storm->subject = subject;
	storm->language = answer->language;
	storm->state = HOLD_STORM_ON;
	storm->people = (int64_t)answer->people;
	storm->started = now;
	storm->span = limits->span;
	storm->until = now + limits->span * 1000;
	storm->on_end = limits->on_end;
	storm->by = "";
	if (store_answer_people(hold->store, arena, &storm->topic, now - limits->window * 1000,
		HOLD_STORM_NAMED, &storm->answered_by, why_r) != BASE_OK)
		storm->answered_by = ""; /* the letter then tells how many they are */
	storm->letter_due = *answer->owner != '\0' ? now : 0;
	return store_storm_insert(hold->store, storm, why_r);
}

/* Counts an answer that passes; *has_begun_r: it was the last one that may. */
static enum base_result
answer_write(struct hold *hold, struct base_arena *arena, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, const struct standing *standing, int64_t now,
    struct store_storm *storm_r, bool *has_begun_r, const char **why_r)
{
	bool is_named = answer->person != NULL && answer->person[0] != '\0';
	struct store_storm storm = { .topic = standing->topic };
	struct store_reply row = { .topic = standing->topic,
		.message = blob_of(answer->message),
		.submission = blob_of(answer->submission),
		.sender = blob_of(answer->sender),
		.time = now,
		.person = is_named ? answer->person : "",
		.forget = is_named ? now + limits->window * 1000 : 0 };
	size_t answers = 0, repliers = 0;
	enum base_result result = store_answer_insert(hold->store, &row, why_r);

	if (result == BASE_REFUSE) /* a repetition */
		return BASE_OK;
	if (result == BASE_OK && answer->has_alias) {
		row.message = blob_of(answer->alias);
		row.person = "";
		row.forget = 0;
		result = store_answer_insert(hold->store, &row, why_r);
		if (result == BASE_REFUSE) /* it is known by this name already */
			result = BASE_OK;
	}
	if (result == BASE_OK)
		result = store_answer_forget(hold->store, now, why_r);
	if (result == BASE_OK || result == BASE_NONE)
		result = store_answer_count(hold->store, &standing->topic,
		    now - limits->window * 1000, &answers, &repliers, why_r);
	if (result != BASE_OK || repliers < limits->replies)
		return result;
	storm.answers = (int64_t)answers;
	storm.repliers = (int64_t)repliers;
	result = storm_begin(hold, arena, limits, answer, &storm, now, why_r);
	if (result == BASE_OK) {
		*storm_r = storm;
		*has_begun_r = true;
	}
	return result;
}

/* The same question with the database to itself, and the answer counted. */
static enum base_result
ask_write(struct hold *hold, struct base_arena *arena, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, struct hold_storm_block *block_r, const char **why_r)
{
	struct standing standing = { .storm = NULL };
	struct store_storm begun;
	int64_t now = base_now_ms();
	bool has_begun = false;
	enum base_result result = hold_begin(hold, why_r);

	if (result != BASE_OK)
		return result;
	result = standing_find(hold, arena, limits, answer, now, &standing, why_r);
	if (result == BASE_OK && standing.storm == NULL)
		result = answer_write(
		    hold, arena, limits, answer, &standing, now, &begun, &has_begun, why_r);
	if (result != BASE_OK) {
		store_rollback(hold->store);
		return result;
	}
	result = store_commit(hold->store, why_r);
	if (result != BASE_OK)
		return result;
	if (has_begun)
		storm_audit(&begun, "started", -1, NULL);
	if (standing.storm == NULL || standing.storm->state != HOLD_STORM_ON || standing.is_counted)
		return BASE_NONE;
	block_copy(standing.storm, block_r);
	return BASE_OK;
}

/*
 * Reads first: while a block is on, a thousand answers cost no write here. What is counted
 * already, or goes to a topic that is left alone, writes nothing either.
 */
static enum base_result
ask(struct hold *hold, struct base_arena *arena, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, struct hold_storm_block *block_r, const char **why_r)
{
	struct standing standing = { .storm = NULL };
	enum base_result result =
	    standing_find(hold, arena, limits, answer, base_now_ms(), &standing, why_r);

	if (result != BASE_OK)
		return result;
	if (standing.storm == NULL && !standing.is_counted)
		return ask_write(hold, arena, limits, answer, block_r, why_r);
	if (standing.is_counted || standing.storm->state != HOLD_STORM_ON)
		return BASE_NONE;
	block_copy(standing.storm, block_r);
	return BASE_OK;
}

enum base_result
hold_storm_ask(struct hold *hold, const struct hold_storm_limits *limits,
    const struct hold_storm_reply *answer, struct hold_storm_block *block_r, const char **why_r)
{
	struct base_arena *arena = base_arena_new(STORM_BYTES);
	enum base_result result;

	if (arena == NULL) {
		*why_r = base_why("no memory to count an answer");
		return BASE_BROKEN;
	}
	result = ask(hold, arena, limits, answer, block_r, why_r);
	base_arena_free(&arena);
	return result;
}

/* --- ending ---------------------------------------------------------------------- */

/* It is over: what names people goes. */
static void
storm_settle(struct store_storm *storm, const char *by, int64_t now)
{
	storm->state = HOLD_STORM_OVER;
	storm->until = 0;
	storm->subject = storm->answered_by = "";
	storm->letter_due = 0;
	if (storm->ended == 0) {
		storm->ended = now;
		storm->by = by;
	}
}

/* Inside a transaction: the block is lifted, and the time of what it holds is over. */
static enum base_result
lift_write(struct hold *hold, struct base_arena *arena, const char *id, const char *by,
    struct store_storm **storm_r, size_t *held_r, const char **why_r)
{
	static const int states[2] = { HOLD_PENDING, HOLD_HELD };
	int64_t now = base_now_ms();
	struct store_storm *storm = NULL;
	enum base_result result = store_storm_get(hold->store, arena, id, &storm, why_r);

	if (result != BASE_OK)
		return result;
	if (storm->state != HOLD_STORM_ON) {
		*why_r = base_why("%s is not on any more", id);
		return BASE_REFUSE;
	}
	storm->state = HOLD_STORM_LIFTED;
	storm->answered_by = "";
	storm->by = by;
	storm->ended = now;
	storm->until = now + storm->span * 1000;
	storm->letter_due = 0;
	result = store_storm_update(hold->store, storm, HOLD_STORM_ON, why_r);
	if (result == BASE_OK)
		result = store_storm_held(hold->store, id, held_r, why_r);
	if (result == BASE_OK)
		result = store_storm_release(hold->store, id, states, now, MAIL_END_SEND, why_r);
	*storm_r = storm;
	return result == BASE_NONE ? BASE_OK : result;
}

enum base_result
hold_storm_lift(
    struct hold *hold, const char *id, const char *by, const char *client, const char **why_r)
{
	struct base_arena *arena = base_arena_new(STORM_BYTES);
	struct store_storm *storm = NULL;
	size_t held = 0;
	enum base_result result = BASE_BROKEN;

	*why_r = base_why("no memory to lift a brake");
	if (arena != NULL)
		result = hold_begin(hold, why_r);
	if (result == BASE_OK) {
		result = lift_write(hold, arena, id, by, &storm, &held, why_r);
		if (result == BASE_OK)
			result = store_commit(hold->store, why_r);
		else
			store_rollback(hold->store);
	}
	if (result == BASE_OK) {
		storm_audit(storm, "lifted", (int64_t)held, client);
		hold_wake(hold);
	}
	base_arena_free(&arena);
	return result;
}

enum base_result
hold_storm_ender(struct hold *hold, struct base_arena *arena, const struct store_hold *row,
    const char **by_r, const char **why_r)
{
	struct store_storm *storm = NULL;
	enum base_result result = BASE_NONE;

	if (row->action == HOLD_STORM)
		result = store_storm_get(hold->store, arena, row->storm, &storm, why_r);
	if (result != BASE_OK && result != BASE_NONE)
		return result;
	*by_r = "timer";
	if (result == BASE_OK && strcmp(storm->by, "link") == 0)
		*by_r = HOLD_BY_OWNER;
	else if (result == BASE_OK && strcmp(storm->by, "admin") == 0)
		*by_r = "admin";
	return BASE_OK;
}

/* One storm whose time has come, unless another node was faster. */
static enum base_result
storm_end(struct hold *hold, struct store_storm *storm, int64_t now, const char **why_r)
{
	int was = storm->state;
	size_t held = 0;
	enum base_result result = store_storm_held(hold->store, storm->id, &held, why_r);

	if (result != BASE_OK)
		return result;
	storm_settle(storm, "timer", now);
	result = store_storm_update(hold->store, storm, was, why_r);
	if (result == BASE_OK && was == HOLD_STORM_ON)
		storm_audit(storm, "ended", (int64_t)held, NULL);
	return result == BASE_NONE ? BASE_OK : result;
}

enum base_result
hold_storms_end(
    struct hold *hold, struct hold_aside *aside, struct base_arena *arena, const char **why_r)
{
	int64_t now = base_now_ms();
	const char **ids = NULL;
	size_t count = 0;
	enum base_result result =
	    hold_aside_next(hold, aside, arena, STORE_DUE_STORM, &ids, &count, why_r);

	/* one that cannot be ended is no reason to let those behind it go on */
	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		struct store_storm *storm = NULL;

		result = store_storm_get(hold->store, arena, ids[i], &storm, why_r);
		if (result == BASE_OK)
			result = storm_end(hold, storm, now, why_r);
		if (hold_is_of_row(hold, result)) {
			hold_aside_add(aside, ids[i], "the storm cannot be ended", *why_r);
			result = BASE_OK;
		}
		result = result == BASE_NONE ? BASE_OK : result;
	}
	return result;
}

/* --- looking --------------------------------------------------------------------- */

void
hold_storm_view_make(const struct store_storm *storm, struct hold_view *view_r)
{
	*view_r = (struct hold_view){
		.id = storm->id,
		.node = storm->node,
		.state = storm->state == HOLD_STORM_ON ? HOLD_HELD : HOLD_SENT,
		.action = HOLD_BLOCK,
		.is_announced = true,
		.is_seen = true,
		.sender = storm->owner,
		.mailbox = storm->owner,
		.from = "",
		.undone_by = "",
		.subject = storm->subject,
		.recipients = storm->list,
		.recipient_count = *storm->list != '\0' ? 1 : 0,
		.people = (unsigned long)storm->people,
		.policy = "",
		.language = storm->language,
		.template = NULL, /* a storm is of no rule */
		.created = storm->started / 1000,
		.deadline = storm->state == HOLD_STORM_ON ? storm->until / 1000 : 0,
		.at_deadline = storm->on_end,
		.settled = storm->ended / 1000,
		.by = storm->by,
		.moved = (storm->ended != 0 ? storm->ended : storm->started) / 1000,
		.letter_sent = storm->letter_sent / 1000,
		.answered = (unsigned long)storm->repliers,
		.answered_by = storm->answered_by,
		.author = "",
		.storm = storm->id,
	};
	hold_mark_make(
	    view_r->mark, storm->state, storm->ended != 0 ? storm->ended : storm->started);
}

enum base_result
hold_storm_each(struct hold *hold, bool all,
    void (*each)(void *context, const struct hold_storm_view *view), void *context,
    const char **why_r)
{
	struct base_arena *arena = base_arena_new(STORM_BYTES);
	struct store_storm *storms = NULL;
	size_t count = 0;
	enum base_result result;

	if (arena == NULL) {
		*why_r = base_why("no memory to list storms");
		return BASE_BROKEN;
	}
	result = store_storm_some(hold->store, arena, all ? STORE_STORMS_ALL : STORE_STORMS_OPEN,
	    &storms, STORM_ROWS, &count, why_r);
	for (size_t i = 0; result == BASE_OK && i < count; i++) {
		const struct store_storm *storm = &storms[i];
		struct hold_storm_view view = { .id = storm->id,
			.state = storm->state,
			.list = storm->list,
			.owner = storm->owner,
			.subject = storm->subject,
			.answered_by = storm->answered_by,
			.people = (unsigned long)storm->people,
			.answers = (size_t)storm->answers,
			.repliers = (size_t)storm->repliers,
			.on_end = storm->on_end,
			.started = storm->started / 1000,
			.until = storm->until / 1000,
			.ended = storm->ended / 1000,
			.by = storm->by,
			.letter_sent = storm->letter_sent / 1000 };

		result = store_storm_held(hold->store, storm->id, &view.held, why_r);
		if (result == BASE_OK)
			each(context, &view);
	}
	base_arena_free(&arena);
	return result;
}
