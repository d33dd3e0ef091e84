/*
 * NAME
 *	fuzz_scorecard - any bytes as a scorecard
 *
 * Whatever comes in, it is refused with a reason and a line; or every value has its points,
 * sends of all kinds can be judged by it, and what is printed of it is the same card.
 *
 * FUZZ-SOURCES: milter/base milter/mail milter/settings milter/judge
 */
#include <math.h>
#include <stdlib.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/identity/value.c"
#include "milter/judge/internal.h"
/* What the judge asks of the history; the rest of that module needs a store. */
#include "milter/history/parent.c"
#include "milter/history/compare.c"
#include "milter/history/recipients.c"
#include "milter/history/rhythm.c"
#include "tests/fuzz/fuzz.h"

#define NOW INT64_C(1795482000)
#define PEOPLE 30

/* The card that is compiled into the programs is not asked for. */
const char judge_scorecard_text[] = "base 0\n";
const size_t judge_scorecard_text_length = sizeof(judge_scorecard_text) - 1;

/* --- every range has its points ---------------------------------------------------- */

/* Each value, the edges among them, falls into a range; they rise. */
static void
check_axis(const struct judge_axis *axis)
{
	must(axis->range_count >= 1 && axis->range_count <= JUDGE_MAX_RANGES,
	    "there are ranges, and not too many");
	must(judge_axis_bin(axis, false, 0) == 0, "unknown is the first");
	must(judge_axis_bin(axis, true, -INFINITY) == 1, "the lowest range is open");
	must(
	    judge_axis_bin(axis, true, INFINITY) == axis->range_count, "the highest range is open");
	for (size_t i = 0; i + 1 < axis->range_count; i++) {
		must(isfinite(axis->edges[i]), "an edge is a number");
		must(i == 0 || axis->edges[i - 1] < axis->edges[i], "edges rise");
		must(judge_axis_bin(axis, true, axis->edges[i]) == i + 2,
		    "an edge belongs to the range above it");
	}
}

static void
check_axes(const struct judge_scorecard *card)
{
	for (size_t i = 0; i < judge_signal_count; i++)
		if (card->blocks[i].is_there)
			check_axis(&card->blocks[i].axis);
	for (size_t i = 0; i < card->pair_count; i++) {
		check_axis(&card->pairs[i].row_axis);
		check_axis(&card->pairs[i].column_axis);
	}
}

/* --- judging ----------------------------------------------------------------------- */

/* Person N, "pN@example.com", has the hash 10 * (N + 1). */
uint64_t
history_hash(const struct base_key *key, const char *text)
{
	(void)key;
	return 10 * (strtoull(text + 1, NULL, 10) + 1);
}

static void
people_make(char names[PEOPLE][20], const char *items[PEOPLE])
{
	for (unsigned i = 0; i < PEOPLE; i++) {
		snprintf(names[i], 20, "p%u@example.com", i);
		items[i] = names[i];
	}
}

/* A send to `count` people is judged: the score is one. */
static void
check_send(const struct judge_scorecard *card, size_t count, struct history_records records)
{
	char names[PEOPLE][20];
	const char *items[PEOPLE];
	struct history_recall recall = { .actor = 5, .records = &records, .sender = { .fade = 1 } };
	struct base_arena *arena = base_arena_new(8 << 20);
	struct mail_transaction mail = { .time = NOW,
		.queue_id = "",
		.envelope_sender = "me@example.com",
		.recipients = { .items = items, .count = count, .seen = count },
		.from = "me@example.com",
		.from_name = "",
		.sender = "",
		.subject = "",
		.message_id = "",
		.in_reply_to = records.thread ? "parent@x" : "",
		.body_start = "" };
	struct identity identity = {
		.proof = IDENTITY_LOGIN, .actor = mail.from, .person = "", .is_local = true
	};
	struct audience audience = { .kind = AUDIENCE_EXACT, .people = count };
	struct judge_facts facts = { .transaction = &mail,
		.identity = &identity,
		.audience = &audience,
		.recall = &recall };
	struct judge_score verdict;
	const char *why = "";

	must(arena != NULL, "there is memory");
	people_make(names, items);
	if (records.profile != NULL) {
		recall.sender.is_known = true;
		recall.sender.sends = records.profile->sends;
		recall.sender.largest = records.profile->largest;
	}
	must(history_recipients_find(arena, NULL, &mail, &recall, &records, &why) == BASE_OK,
	    "its recipients are found");
	must(judge_score(&facts, card, arena, &verdict, &why) == BASE_OK, "it is judged");
	must(verdict.score >= 0 && verdict.score <= 1, "the score is one");
	for (size_t i = 0; i < verdict.reason_count; i++)
		must(verdict.reasons[i].points > 0, "a reason adds points");
	base_arena_free(&arena);
}

/* Sends of which nothing is known, and an answer to many by somebody who is. */
static void
check_sends(const struct judge_scorecard *card)
{
	static struct history_contact contacts[] = {
		{ .hash = 10, .audiences = 1, .sent = 3, .last_sent = NOW - 90 },
		{ .hash = 20, .audiences = 1, .received = 2, .last_received = NOW - 60 },
	};
	static struct history_sent_audience sent[] = { { .sum = 30,
	    .size = 2,
	    .first = NOW - 9000,
	    .last = NOW - 90,
	    .count = 3,
	    .weight = 3 } };
	static const struct history_profile profile = { .epoch = NOW - 9000,
		.first = NOW - 9000,
		.last = NOW - 90,
		.sends = 9,
		.received = 9,
		.largest = 2,
		.sizes = { 6, 3 },
		.total = 9,
		.contacts = contacts,
		.contact_count = 2,
		.sent = sent,
		.sent_count = 1 };
	static const struct history_thread thread = { .originator = 20,
		.sum = 65,
		.size = 6,
		.time = NOW - 60,
		.members = { 5, 10, 20, 30 },
		.member_count = 4,
		.repliers = { 20 },
		.replier_count = 1,
		.has_header = true };

	check_send(card, 1, (struct history_records){ 0 });
	check_send(card, PEOPLE, (struct history_records){ 0 });
	check_send(
	    card, PEOPLE, (struct history_records){ .profile = &profile, .thread = &thread });
	check_send(card, 2, (struct history_records){ .profile = &profile });
}

/* --- printing ---------------------------------------------------------------------- */

/* The same ranges with the same points. */
static bool
is_same(const struct judge_scorecard *a, const struct judge_scorecard *b)
{
	bool is = a->base == b->base && a->scale == b->scale && a->pair_count == b->pair_count &&
		  memcmp(a->blocks, b->blocks, sizeof(a->blocks)) == 0;

	for (size_t i = 0; is && i < a->pair_count; i++) {
		const struct judge_pair *one = &a->pairs[i], *other = &b->pairs[i];
		size_t cells = (one->row_axis.range_count + 1) * (JUDGE_MAX_RANGES + 1);

		is =
		    one->rows == other->rows && one->columns == other->columns &&
		    memcmp(&one->row_axis, &other->row_axis, sizeof(one->row_axis)) == 0 &&
		    memcmp(&one->column_axis, &other->column_axis, sizeof(one->column_axis)) == 0 &&
		    memcmp(one->points, other->points, cells * sizeof(*one->points)) == 0;
	}
	return is;
}

/* What is printed reads back as the same. */
static void
check_print(const struct judge_scorecard *card)
{
	struct judge_scorecard *again = NULL;
	struct base_buffer text;
	const char *why = "";

	base_buffer_init(&text, 1 << 20);
	must(judge_scorecard_print(card, &text, &why) == BASE_OK, "it can be printed");
	must(judge_scorecard_parse(base_buffer_text(&text), text.length, "printed", &again, &why) ==
		 BASE_OK,
	    "what is printed is accepted");
	must(is_same(card, again), "what is printed is the same card");
	judge_scorecard_free(&again);
	base_buffer_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct judge_scorecard *card = NULL;
	const char *why = "";
	enum base_result result =
	    judge_scorecard_parse((const char *)data, size, "card", &card, &why);

	fuzz_expect(result == BASE_OK);
	must(result == BASE_OK || strncmp(why, "card:", 5) == 0, "a refusal tells its line");
	if (result != BASE_OK)
		return 0;
	check_axes(card);
	check_sends(card);
	check_print(card);
	judge_scorecard_free(&card);
	return 0;
}
