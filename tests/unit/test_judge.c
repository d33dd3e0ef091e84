/* The judge: every signal by a table, the scorecard by hand, whole scenarios. */
#include <math.h>

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/judge/internal.h"
#include "milter/history/record.h"
#include "milter/words/words.h"
#include "tests/unit/past.h"

/* A reason's sentence in English, the way it is kept and read again. */
static const char *
text_of(struct past *past, const struct judge_reason *reason)
{
	struct words_reason kept = { .signal = "" };
	struct base_buffer line;

	base_buffer_init(&line, 300);
	ck_assert(words_reason_print(&line, &reason->reported));
	ck_assert(words_reason_read(past->arena, base_buffer_text(&line), &kept));
	base_buffer_free(&line);
	kept.signal = reason->signal;
	kept.who = reason->reported.who;
	kept.other = reason->reported.other;
	return words_reason_text(past->arena, &words_en, &kept);
}

#define ME "p0@example.com"

/* --- scorecard --------------------------------------------------------------------- */

static const struct {
	const char *text;
	const char *why; /* NULL: accepted */
} cards[] = {
	{ "base -3\n", NULL },
	{ "# words\n\nbase 0 # more\nsignal audience_size\n unknown 0\n -inf..2 0\n 2..inf "
	  "1\n",
	    NULL },
	{ "base 0\nsignal audience_size\n-inf..inf 1\nunknown 0\n", NULL },
	{ "base 0\npair audience_size exact_before\ncolumns unknown -inf..inf\n"
	  "unknown 0 0\n-inf..5 0 1\n5..inf 0 2\n",
	    NULL },
	{ "", "card:0: missing base" },
	{ "base\n", "card:1: base takes one number of points" },
	{ "base nan\n", "card:1: points \"nan\" are not a number" },
	{ "base 3x\n", "card:1: points \"3x\" are not a number" },
	{ "base 1e9\n", "card:1: points 1e9 are beyond 1000" },
	{ "base 0\nscale 20\nsignal audience_size rising\nunknown 0\n-inf..inf 0\n", NULL },
	{ "scale 0\n", "card:1: scale takes one number above 0" },
	{ "scale x\n", "card:1: scale takes one number above 0" },
	{ "signal audience_size up\n", "card:1: \"up\" is neither rising, falling nor free" },
	{ "base 0\nbase 0\n", "card:2: a second base" },
	{ "base 0\n2..3 1\n", "card:2: \"2..3\" stands outside a signal or pair" },
	{ "base 0\nsignal nobody\n", "card:2: unknown signal \"nobody\"" },
	{ "base 0\nsignal audience_size\nunknown 0\n-inf..2 0\n3..inf 0\n",
	    "card:5: missing range 2..3 of audience_size before 3..inf" },
	{ "base 0\nsignal audience_size\nunknown 0\n0..inf 0\n",
	    "card:4: missing range -inf..0 of audience_size before 0..inf" },
	{ "base 0\nsignal audience_size\nunknown 0\n-inf..2 0\n1..inf 0\n",
	    "card:5: range 1..inf overlaps the one before it" },
	{ "base 0\nsignal audience_size\nunknown 0\n-inf..inf 0\n-inf..inf 0\n",
	    "card:5: range -inf..inf overlaps the one before it" },
	{ "base 0\nsignal audience_size\nunknown 0\n-inf..2 0\n",
	    "card:4: missing range 2..inf of audience_size" },
	{ "base 0\nsignal audience_size\n-inf..inf 0\nsignal exact_before\n",
	    "card:4: missing range unknown of audience_size" },
	{ "base 0\nsignal audience_size\nunknown 0\nunknown 0\n",
	    "card:4: a second range unknown of audience_size" },
	{ "base 0\nsignal audience_size\n5..2 0\n", "card:3: range 5..2 is empty" },
	{ "base 0\nsignal audience_size\n5-2 0\n",
	    "card:3: \"5-2\" is no range such as 2..5 or unknown" },
	{ "base 0\nsignal audience_size\nunknown x\n", "card:3: points \"x\" are not a number" },
	{ "base 0\nsignal audience_size\nunknown 0\n-inf..inf 0\nsignal audience_size\n",
	    "card:5: a second block of signal audience_size" },
	{ "base 0\npair audience_size\n", "card:2: pair takes two names" },
	{ "base 0\npair audience_size exact_before\nunknown 0\n",
	    "card:3: the columns of a pair come before its rows" },
	{ "base 0\npair audience_size exact_before\n",
	    "card:2: missing columns of pair audience_size" },
	{ "base 0\npair audience_size exact_before\ncolumns unknown -inf..5\n",
	    "card:3: missing range 5..inf of exact_before" },
	{ "base 0\npair audience_size exact_before\ncolumns unknown -inf..inf\nunknown 0\n",
	    "card:4: 1 points for 2 columns" },
	/* what ends a block ends it whole */
	{ "base 0\nsignal audience_size\nunknown 0\nscale 20\n",
	    "card:4: missing range -inf..inf of audience_size" },
	{ "base 0\nsignal audience_size\nunknown 0\n-inf..2 0\nscale 20\n",
	    "card:5: missing range 2..inf of audience_size" },
	{ "base 0\nsignal audience_size\n-inf..inf 0\nscale 20\n",
	    "card:4: missing range unknown of audience_size" },
	{ "base 0\npair audience_size exact_before\nscale 20\n",
	    "card:3: missing columns of pair audience_size" },
	{ "base 0\npair audience_size exact_before\ncolumns unknown -inf..inf\nscale 20\n",
	    "card:4: missing range unknown of audience_size" },
	{ "signal audience_size\nunknown 0\nbase 0\n",
	    "card:3: missing range -inf..inf of audience_size" },
	/* nothing is said twice */
	{ "base 0\nscale 20\nscale 20\n", "card:3: a second scale" },
	{ "base 0\nscale 20\nbase 0\n", "card:3: a second base" },
	{ "base 0\npair audience_size exact_before\ncolumns unknown -inf..inf\n"
	  "unknown 0 0\n-inf..inf 0 0\npair audience_size exact_before\n",
	    "card:6: a second pair audience_size exact_before" },
	{ "base 0\npair audience_size exact_before\ncolumns unknown -inf..inf\n"
	  "unknown 0 0\n-inf..inf 0 0\npair exact_before audience_size\n"
	  "columns unknown -inf..inf\nunknown 0 0\n-inf..inf 0 0\n",
	    NULL },
};

START_TEST(scorecard_is_checked)
{
	struct judge_scorecard *card = NULL;
	const char *why = "";
	enum base_result result =
	    judge_scorecard_parse(cards[_i].text, strlen(cards[_i].text), "card", &card, &why);

	if (cards[_i].why) {
		ck_assert_int_eq(result, BASE_REFUSE);
		ck_assert_str_eq(why, cards[_i].why);
		ck_assert_ptr_null(card);
	} else {
		ck_assert_msg(result == BASE_OK, "%s", why);
	}
	judge_scorecard_free(&card);
}
END_TEST

/* What is printed reads back as the same card, whatever digits its numbers have. */
START_TEST(scorecard_reads_back)
{
	static const char text[] =
	    "base -1234567e-5\nscale 0.1\n"
	    "signal audience_size rising\nunknown 0.1234567890123\n"
	    "-inf..1234567.25 -999.9999999\n1234567.25..1e300 1e-300\n1e300..inf 0.3\n"
	    "pair audience_size exact_before\ncolumns unknown -inf..0.1000001 "
	    "0.1000001..inf\n"
	    "unknown 0 0.333333333 1\n-inf..inf 123.4567891 2 -0.1\n";
	struct judge_scorecard *cards_read[2] = { NULL };
	struct base_buffer printed;
	const char *why = "";

	base_buffer_init(&printed, 100000);
	ck_assert_int_eq(
	    judge_scorecard_parse(text, strlen(text), "card", &cards_read[0], &why), BASE_OK);
	ck_assert_int_eq(judge_scorecard_print(cards_read[0], &printed, &why), BASE_OK);
	ck_assert_msg(judge_scorecard_parse(base_buffer_text(&printed), printed.length, "printed",
			  &cards_read[1], &why) == BASE_OK,
	    "%s", why);
	ck_assert_double_eq(cards_read[0]->base, cards_read[1]->base);
	ck_assert_double_eq(cards_read[0]->scale, cards_read[1]->scale);
	ck_assert_mem_eq(
	    cards_read[0]->blocks, cards_read[1]->blocks, sizeof(cards_read[0]->blocks));
	ck_assert_mem_eq(&cards_read[0]->pairs[0].column_axis, &cards_read[1]->pairs[0].column_axis,
	    sizeof(struct judge_axis));
	ck_assert_mem_eq(cards_read[0]->pairs[0].points, cards_read[1]->pairs[0].points,
	    2 * (JUDGE_MAX_RANGES + 1) * sizeof(double));
	for (size_t i = 0; i < 2; i++)
		judge_scorecard_free(&cards_read[i]);
	base_buffer_free(&printed);
}
END_TEST

/* Edges belong to the range above them; what is unknown has its own points. */
START_TEST(ranges_are_half_open)
{
	struct judge_axis axis = { .edges = { 2, 5 }, .range_count = 3 };
	static const struct {
		bool is_known;
		double value;
		size_t bin;
		const char *name;
	} rows[] = {
		{ false, 3, 0, "unknown" },
		{ true, NAN, 0, "unknown" },
		{ true, -INFINITY, 1, "-inf..2" },
		{ true, 1.999, 1, "-inf..2" },
		{ true, 2, 2, "2..5" },
		{ true, 4.999, 2, "2..5" },
		{ true, 5, 3, "5..inf" },
		{ true, INFINITY, 3, "5..inf" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct base_buffer name;

		base_buffer_init(&name, 100);
		ck_assert_uint_eq(
		    judge_axis_bin(&axis, rows[i].is_known, rows[i].value), rows[i].bin);
		judge_axis_name(&axis, rows[i].bin, &name);
		ck_assert_str_eq(base_buffer_text(&name), rows[i].name);
		base_buffer_free(&name);
	}
}
END_TEST

/* Worked by hand: -1 + 2 (5 people) + 0.5 (never sent) - 0.25 (both) = 1.25; 1/(1+e^-1.25).
 */
START_TEST(arithmetic_is_by_hand)
{
	static const char text[] = "base -1\n"
				   "signal audience_size\nunknown 9\n-inf..5 0\n5..inf 2\n"
				   "signal exact_before\nunknown 9\n-inf..1 0.5\n1..inf 0\n"
				   "signal reply_kind\nunknown 9\n-inf..inf 0\n"
				   "pair audience_size exact_before\n"
				   "columns -inf..1 1..inf unknown\n"
				   "unknown 9 9 9\n-inf..5 9 9 9\n5..inf -0.25 9 9\n";
	struct past past;
	struct past_verdict verdict;
	struct judge_facts facts;
	struct base_buffer explained;
	const char *why = "";

	past_begin(&past);
	judge_scorecard_free(&past.card);
	ck_assert_msg(
	    judge_scorecard_parse(text, strlen(text), "card", &past.card, &why) == BASE_OK, "%s",
	    why);
	verdict = past_judge(&past, ME, past_people(past.arena, 1, 5), "a@x", "");
	ck_assert_double_eq_tol(verdict.judged.points, 1.25, 1e-9);
	ck_assert_double_eq_tol(verdict.judged.score, 0.777299861, 1e-9);
	ck_assert_uint_eq(verdict.judged.reason_count, 2);
	ck_assert_str_eq(verdict.judged.reasons[0].signal, "audience_size");
	ck_assert_double_eq_tol(verdict.judged.reasons[0].points, 1.75, 1e-9);
	ck_assert_str_eq(text_of(&past, &verdict.judged.reasons[0]), "This goes to 5 people.");
	ck_assert_str_eq(verdict.judged.reasons[1].signal, "exact_before");

	base_buffer_init(&explained, 10000);
	facts = past_facts(&past, past_mail(&past, ME, past_people(past.arena, 1, 5), "a@x", ""));
	ck_assert_int_eq(judge_explain(&facts, past.card, &explained, &why), BASE_OK);
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&explained), "+2.000  audience_size 5..inf"));
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&explained),
	    "-0.250  audience_size 5..inf with exact_before -inf..1"));
	ck_assert_ptr_nonnull(strstr(base_buffer_text(&explained), "+1.250  sum"));
	base_buffer_free(&explained);
	past_end(&past);
}
END_TEST

/* Signals with the same points come by name, however they lie in memory. */
START_TEST(ties_are_reported_by_name)
{
	static const char text[] = "base 0\n"
				   "signal exact_before\nunknown 9\n-inf..inf 2\n"
				   "signal reply_kind\nunknown 9\n-inf..inf 2\n"
				   "signal cohesion\nunknown 9\n-inf..inf 2\n"
				   "signal familiarity\nunknown 9\n-inf..inf 2\n"
				   "signal audience_size\nunknown 9\n-inf..inf 2\n";
	static const char *const order[] = { "audience_size", "cohesion", "exact_before",
		"familiarity", "reply_kind" };
	struct past past;
	struct past_verdict verdict;
	const char *why = "";

	past_begin(&past);
	judge_scorecard_free(&past.card);
	ck_assert_msg(
	    judge_scorecard_parse(text, strlen(text), "card", &past.card, &why) == BASE_OK, "%s",
	    why);
	verdict = past_judge(&past, ME, past_people(past.arena, 1, 5), "a@x", "");
	ck_assert_uint_eq(verdict.judged.reason_count, 5);
	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(verdict.judged.reasons[i].signal, order[i]);
	past_end(&past);
}
END_TEST

/* Before the body is read, what it could add counts in pairs too: 3 and 5 at the most. */
static const struct {
	const char *card;
	double points; /* with all that the body can add */
} bodies[] = {
	{ "base 1\nscale 1\nsignal greeting_to_one\nunknown 2\n-inf..1 0\n1..inf 5\n", 6 },
	{ "base 1\nscale 1\npair greeting_to_one audience_size\ncolumns unknown -inf..20 "
	  "20..inf\n"
	  "unknown 9 2 9\n-inf..1 9 0 9\n1..inf 9 5 9\n",
	    6 },
	{ "base 1\nscale 1\npair audience_size brief_reply\ncolumns unknown -inf..4 "
	  "4..inf\n"
	  "unknown 9 9 9\n-inf..20 0 3 -1\n20..inf 9 9 9\n",
	    4 },
	{ "base 1\nscale 1\npair greeting_to_one brief_reply\ncolumns unknown -inf..inf\n"
	  "unknown -1 2\n-inf..1 3 4\n1..inf 0 7\n",
	    8 },
	{ "base 1\nscale 1\npair audience_size exact_before\ncolumns unknown -inf..inf\n"
	  "unknown 9 9\n-inf..20 9 0\n20..inf 9 9\n",
	    1 },
};

START_TEST(body_can_add_in_pairs)
{
	const char *text = bodies[_i].card, *why = "";
	struct past past;
	struct past_verdict verdict;

	past_begin(&past);
	judge_scorecard_free(&past.card);
	ck_assert_msg(
	    judge_scorecard_parse(text, strlen(text), "card", &past.card, &why) == BASE_OK, "%s",
	    why);
	verdict = past_judge(&past, ME, past_people(past.arena, 1, 12), "a@x", "");
	ck_assert_double_eq_tol(log(verdict.judged.body_score / (1 - verdict.judged.body_score)),
	    bodies[_i].points, 1e-9);
	past_end(&past);
}
END_TEST

/* --- scenarios --------------------------------------------------------------------- */

/* Known sender, known thread: all 40 answered is a stop; once it was sent the same is not, as
 * an answer to the same mail; after one confirmed send it never is. */
START_TEST(slip_is_stopped_once)
{
	struct past past;
	struct past_verdict verdict;
	const char *others, *everybody;

	past_begin(&past);
	past_teach(&past, 25);
	everybody = past_people(past.arena, 0, 40);
	past_send(&past, "p41@example.com", everybody, "all@x", "");
	others =
	    base_arena_printf(past.arena, "p41@example.com,%s", past_people(past.arena, 1, 39));

	verdict = past_judge(&past, ME, "p41@example.com", "r1@x", "all@x");
	ck_assert_int_eq(verdict.action, SETTINGS_PASS);
	verdict = past_judge(&past, ME, others, "r2@x", "all@x");
	ck_assert_msg(verdict.action == SETTINGS_CONFIRM, "score %f", verdict.judged.score);
	ck_assert_uint_gt(verdict.judged.reason_count, 1);
	past_send(&past, ME, others, "r2@x", "all@x");
	verdict = past_judge(&past, ME, others, "r3@x", "all@x");
	ck_assert_msg(verdict.action == SETTINGS_TAG, "score %f", verdict.judged.score);
	ck_assert(verdict.judged.conversation_continues);
	/* An answer to a later mail is stopped again, for as long as nobody confirmed. */
	past_send(&past, "p41@example.com", everybody, "all2@x", "");
	verdict = past_judge(&past, ME, others, "r3@x", "all2@x");
	ck_assert_msg(verdict.action == SETTINGS_CONFIRM, "score %f", verdict.judged.score);
	past.policy.threshold = 0.01;
	verdict = past_judge(&past, ME, others, "r4@x", "");
	ck_assert_int_eq(verdict.action, SETTINGS_CONFIRM);
	past_confirm(&past, ME, others, "r4@x", "");
	verdict = past_judge(&past, ME, others, "r5@x", "");
	ck_assert_int_le(verdict.action, SETTINGS_TAG);
	past_end(&past);
}
END_TEST

/* Who is hardly known is only tagged. */
START_TEST(new_sender_is_not_held)
{
	struct past past;
	struct past_verdict verdict;

	past_begin(&past);
	past_teach(&past, 9);
	past_send(&past, "p41@example.com", past_people(past.arena, 0, 40), "all@x", "");
	verdict = past_judge(&past, ME,
	    base_arena_printf(past.arena, "p41@example.com,%s", past_people(past.arena, 1, 39)),
	    "r@x", "all@x");
	ck_assert_int_le(verdict.action, SETTINGS_TAG);
	past_end(&past);
}
END_TEST

/* The same facts always give the same score. */
START_TEST(judging_is_pure)
{
	struct past past;
	struct past_verdict first;

	past_begin(&past);
	past_teach(&past, 25);
	first = past_judge(&past, ME, past_people(past.arena, 1, 30), "r@x", "");
	for (int i = 0; i < 20; i++) {
		struct past_verdict again =
		    past_judge(&past, ME, past_people(past.arena, 1, 30), "r@x", "");

		ck_assert(again.judged.score == first.judged.score && again.action == first.action);
		ck_assert_uint_eq(again.judged.reason_count, first.judged.reason_count);
	}
	past_end(&past);
}
END_TEST

/* Before the site's percentile is known a stop must be clearly above the threshold. */
START_TEST(new_site_stops_only_what_is_clear)
{
	struct past past;
	struct judge_facts facts;
	struct past_verdict verdict;

	past_begin(&past);
	past_teach(&past, 25);
	facts =
	    past_facts(&past, past_mail(&past, ME, past_people(past.arena, 100, 60), "r@x", ""));
	for (int times = 4; times <= 6; times++) {
		double odds;

		verdict = past_decide(&past, &facts);
		odds = verdict.judged.score / (1 - verdict.judged.score) / times;
		past.policy.threshold = odds / (1 + odds);
		past.policy.tag_threshold = 2;
		verdict = past_decide(&past, &facts);
		ck_assert_int_eq(verdict.action, times < 5 ? SETTINGS_PASS : SETTINGS_CONFIRM);
		if (times == 4)
			times = 5; /* not at the very edge, where rounding decides */
	}
	past_end(&past);
}
END_TEST

/* A stop must be above the site's own percentile too. */
START_TEST(site_score_raises_the_bar)
{
	struct past past;
	struct judge_facts facts;
	struct past_verdict verdict;
	struct history_recall *recall;

	past_begin(&past);
	past_teach(&past, 25);
	facts =
	    past_facts(&past, past_mail(&past, ME, past_people(past.arena, 100, 60), "r@x", ""));
	recall = (struct history_recall *)facts.recall;
	verdict = past_decide(&past, &facts);
	past.policy.threshold = 0.5;
	past.policy.tag_threshold = 2;
	recall->site_score = verdict.judged.score - 0.0001;
	verdict = past_decide(&past, &facts);
	ck_assert_int_eq(verdict.action, SETTINGS_CONFIRM);
	recall->site_score = verdict.judged.score;
	verdict = past_decide(&past, &facts);
	ck_assert_int_eq(verdict.action, SETTINGS_PASS);
	past_end(&past);
}
END_TEST

/* --- signals ----------------------------------------------------------------------- */

/* What p0 did before each row of the table below. */
static void
signal_history(struct past *past)
{
	past_teach(past, 25);
	/* p0 writes to a team of six, twice; p20 writes to a large group with p0 in it. */
	past_send(past, ME, past_people(past->arena, 10, 6), "t1@x", "");
	past_send(past, ME, past_people(past->arena, 10, 6), "t2@x", "");
	past_send(past, "p20@example.com", past_people(past->arena, 0, 20), "g1@x", "");
	past_send(past, "p19@example.com",
	    "p20@example.com,p0@example.com,p1@example.com,p2@example.com,p3@example.com,"
	    "p4@example.com,p5@example.com,p6@example.com,p7@example.com,p8@example.com,"
	    "p9@example.com,p10@example.com,p11@example.com,p12@example.com,p13@example."
	    "com,"
	    "p14@example.com,p15@example.com,p16@example.com,p17@example.com,p18@example."
	    "com",
	    "g2@x", "g1@x");
	past->now += 1800;
}

#define UNKNOWN NAN
#define TEAM                                                                                       \
	"p10@example.com,p11@example.com,p12@example.com,p13@example.com,p14@example.com,"         \
	"p15@example.com"
#define GROUP                                                                                      \
	"p1@example.com,p2@example.com,p3@example.com,p4@example.com,p5@example.com,"              \
	"p6@example.com,p7@example.com,p8@example.com,p9@example.com," TEAM                        \
	",p16@example.com,p17@example.com,p18@example.com,p19@example.com,p20@example.com"
/* GROUP and two people whose addresses are names. */
#define NAMED GROUP ",anna.miller@example.com,bob2@example.com"
/* GROUP without its last author, and without more. */
#define LIST                                                                                       \
	"p1@example.com,p2@example.com,p3@example.com,p4@example.com,p5@example.com,"              \
	"p6@example.com,p7@example.com,p8@example.com,p9@example.com," TEAM                        \
	",p16@example.com,p17@example.com,p18@example.com,p20@example.com"
#define REST                                                                                       \
	"p5@example.com,p6@example.com,p7@example.com,p8@example.com,p9@example.com," TEAM         \
	",p16@example.com,p17@example.com,p18@example.com,p20@example.com"
/* p1's group: p0 answered p1 alone, five times. */
#define SEVEN                                                                                      \
	"p1@example.com,p2@example.com,p3@example.com,p4@example.com,p5@example.com,"              \
	"p6@example.com,p7@example.com"
#define MANY                                                                                       \
	GROUP ",q1@example.com,q2@example.com,q3@example.com,q4@example.com,"                      \
	      "q5@example.com,q6@example.com,q7@example.com"
#define STRANGERS "s1@else.org,s2@else.org,s3@else.org,s4@else.org"

static const struct {
	const char *signal;
	const char *recipients;
	const char *parent;
	double low, high;   /* the value lies between; UNKNOWN: it is unknown */
	const char *person; /* NULL: anybody */
} signals[] = {
	{ "audience_size", TEAM, "", 6, 6, "" },
	{ "audience_size", "p0@example.com,p1@example.com,p1@example.com", "", 1, 1, "" },
	{ "size_for_sender", "p1@example.com", "", 0, 0.1, "" },
	{ "size_for_sender", GROUP, "", 5, 17, "" },
	{ "size_vs_max", GROUP, "", 20. / 6 - 1e-6, 20. / 6 + 1e-6, "" },
	{ "size_class_first", TEAM, "", 0, 0, "" },
	{ "size_class_first", "p1@example.com", "", 0, 0, "" },
	{ "size_class_first", GROUP, "", 2, 2, "" },
	{ "never_written_share", "p1@example.com,p2@example.com", "", UNKNOWN, 0, "" },
	{ "never_written_share", TEAM, "", 0, 0, NULL },
	{ "never_written_share", STRANGERS, "", 1, 1, NULL },
	{ "never_written_count", STRANGERS ",p1@example.com", "", 4, 4, NULL },
	{ "stranger_share", STRANGERS ",p20@example.com", "", 0.8, 0.8, NULL },
	{ "familiarity", TEAM, "", 0.9, 1, NULL }, { "familiarity", STRANGERS, "", 0, 0, NULL },
	{ "covered_by_one", TEAM ",p1@example.com,p2@example.com", "", 0.75, 0.75, NULL },
	{ "closest_sent", TEAM, "", 1, 1, NULL },
	{ "closest_sent", TEAM ",s1@else.org,s2@else.org", "", 0.75, 0.75, NULL },
	{ "exact_before", TEAM, "", 1.9, 2, NULL },
	{ "exact_before", TEAM ",s1@else.org", "", 0, 0, NULL },
	{ "cohesion", STRANGERS ",p1@example.com", "", 0, 0, "" },
	{ "cohesion", TEAM, "", 1, 1, "" }, { "group_authors", GROUP, "", 2, 2, "" },
	{ "received_as", STRANGERS, "", UNKNOWN, 0, "" }, { "received_as", TEAM, "", 0, 0, "" },
	{ "received_as", REST ",s1@else.org,s2@else.org", "", 1, 1, "" },
	{ "received_as", LIST, "", 2, 2, "" }, { "received_as", REST, "g1@x", 3, 3, "" },
	{ "received_as", GROUP, "g1@x", 4, 4, "" }, { "received_as", GROUP, "", 4, 4, "" },
	{ "group_author_changes", GROUP, "g1@x", 1, 1, "" },
	{ "group_author_changes", SEVEN, "", 0, 0, "" },
	{ "group_author_changes", TEAM, "", UNKNOWN, 0, "" },
	{ "group_replied_to_all", SEVEN, "", 0, 0, "" },
	{ "group_replied_to_all", TEAM, "", UNKNOWN, 0, "" },
	{ "group_replied_to_author_only", SEVEN, "", 5, 25, "" },
	{ "group_replied_to_author_only", GROUP, "", 0, 0, "" },
	{ "reply_kind", STRANGERS, "", 0, 0, "" },
	{ "reply_kind", "p20@example.com", "g1@x", 2, 2, "p20@example.com" },
	{ "reply_kind", GROUP, "g1@x", 3, 3, "p20@example.com" },
	{ "reply_kind", "p20@example.com", "", 2, 2, "p20@example.com" },
	{ "reply_kind", GROUP, "", 3, 3, "p19@example.com" },
	{ "reply_kind", "s1@else.org", "g1@x", 5, 5, "" },
	{ "habit_reply_all", GROUP, "g1@x", 0, 0.1, "p20@example.com" },
	{ "habit_reply_all", "p20@example.com", "g1@x", UNKNOWN, 0, "" },
	{ "habit_lift", GROUP, "g1@x", -4, 0, "p20@example.com" },
	{ "replied_all_before", GROUP, "g1@x", 0, 0, "p20@example.com" },
	{ "one_to_one_author", GROUP, "g1@x", 0, 0, "p20@example.com" },
	{ "author_alone_share", GROUP, "g1@x", UNKNOWN, 0, "" },
	{ "others_replied_all", GROUP, "g1@x", 1, 1, "p20@example.com" },
	{ "minutes_since_parent", GROUP, "g2@x", 30, 30, "" },
	{ "site_reply_all", GROUP, "g1@x", 0.05, 0.2, "" },
	{ "stranger_among_known", "p1@example.com,p2@example.com,s1@else.org", "", 0, 10,
	    "s1@else.org" },
	{ "stranger_among_known", "p1@example.com", "", UNKNOWN, 0, "" },
	{ "outside_domain_first", STRANGERS, "", UNKNOWN, 0, "" }, /* no To or Cc */
};

/* One signal's value on facts. */
static struct judge_measure
signal_measure(struct past *past, const char *name, const struct judge_facts *facts)
{
	struct judge_arithmetic score = { 0 };
	const char *why = "";

	ck_assert_int_eq(
	    judge_arithmetic_make(facts, past->card, past->arena, &score, &why), BASE_OK);
	for (size_t i = 0; i < judge_signal_count; i++)
		if (strcmp(judge_signals[i].name, name) == 0)
			return score.measures[i];
	ck_abort_msg("no signal %s", name);
	return (struct judge_measure){ 0 };
}

START_TEST(signal_values)
{
	struct past past;
	struct judge_facts facts;
	struct judge_measure measure;

	past_begin(&past);
	signal_history(&past);
	facts = past_facts(
	    &past, past_mail(&past, ME, signals[_i].recipients, "now@x", signals[_i].parent));
	measure = signal_measure(&past, signals[_i].signal, &facts);
	if (isnan(signals[_i].low)) {
		ck_assert_msg(!measure.is_known, "%s is %f", signals[_i].signal, measure.value);
	} else {
		ck_assert_msg(measure.is_known, "%s is unknown", signals[_i].signal);
		ck_assert_msg(measure.value >= signals[_i].low && measure.value <= signals[_i].high,
		    "%s is %f", signals[_i].signal, measure.value);
		if (signals[_i].person)
			ck_assert_str_eq(measure.person, signals[_i].person);
	}
	past_end(&past);
}
END_TEST

/* How those who get a mail are called in sentences, and how many they are. */
START_TEST(audiences_are_called_by_what_is_known)
{
	struct base_arena *arena = base_arena_new(1 << 16);
	static const struct {
		enum audience_kind kind;
		size_t count, lists, people;
		const char *these, *number;
	} rows[] = {
		{ AUDIENCE_EXACT, 1, 0, 1, "this person", "1" },
		{ AUDIENCE_EXACT, 1, 1, 40, "this list", "40" },
		{ AUDIENCE_AT_LEAST, 3, 1, 412, "these 3 addresses", "at least 412" },
		{ AUDIENCE_EXACT, 3, 0, 3, "these 3 people", "3" },
		{ AUDIENCE_UNKNOWN, 1, 0, 1, "this list", "an unknown number" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct audience audience = { .kind = rows[i].kind, .lists = rows[i].lists };
		struct judge_facts facts = { .audience = &audience };
		struct judge_view view = {
			.facts = &facts, .count = rows[i].count, .people = rows[i].people
		};
		struct words_reason reason = judge_view_reason(&view, "closest_sent");

		reason.which = "same";
		ck_assert_str_eq(words_reason_text(arena, &words_en, &reason),
		    base_arena_printf(arena, "You have written to %s before.", rows[i].these));
		reason = judge_view_reason(&view, "size_for_sender");
		reason.which = "usual";
		reason.n = 2;
		ck_assert_str_eq(words_reason_text(arena, &words_en, &reason),
		    base_arena_printf(
			arena, "You usually write to 2 people; this goes to %s.", rows[i].number));
	}
	base_arena_free(&arena);
}
END_TEST

/* A list is as many as its people, for the sender's habits and for what is said. */
START_TEST(lists_count_their_people)
{
	struct past past;
	struct judge_facts facts;
	struct past_verdict verdict;
	struct audience audience = { .people = 40, .lists = 1 };

	past_begin(&past);
	past.policy.learning.new_site_odds = 2; /* the default */
	past_teach(&past, 25);
	past.people = 40;
	past_send(&past, "p9@example.com", "all@example.com", "a1@x", "");
	past_send(
	    &past, "p9@example.com", "p7@example.com,p8@example.com,all@example.com", "a3@x", "");
	facts = past_facts(
	    &past, past_mail(&past, ME, "p9@example.com,all@example.com", "a2@x", "a1@x"));
	ck_assert_double_eq(signal_measure(&past, "audience_size", &facts).value, 40);
	ck_assert_double_gt(signal_measure(&past, "size_for_sender", &facts).value, 5);
	ck_assert_double_gt(signal_measure(&past, "size_vs_max", &facts).value, 5);
	ck_assert_double_gt(signal_measure(&past, "never_written_count", &facts).value, 15);
	/* who answers the list answers everybody */
	ck_assert_double_eq(signal_measure(&past, "reply_kind", &facts).value, 3);
	verdict = past_judge(&past, ME, "p9@example.com,all@example.com", "a2@x", "a1@x");
	ck_assert_msg(verdict.action == SETTINGS_CONFIRM, "score %f", verdict.judged.score);
	/* at a site that is no longer new */
	past.policy.learning.new_site_odds = 1;
	verdict = past_judge(&past, ME, "all@example.com", "", "");
	ck_assert_msg(verdict.action == SETTINGS_CONFIRM, "score %f", verdict.judged.score);
	/* who leaves the list out does not answer everybody */
	facts = past_facts(&past,
	    past_mail(&past, ME, "p7@example.com,p8@example.com,p9@example.com", "a4@x", "a3@x"));
	audience = (struct audience){ .people = 3 };
	facts.audience = &audience;
	ck_assert_double_eq(signal_measure(&past, "reply_kind", &facts).value, 2);

	/* who writes to the list every week may */
	for (unsigned week = 0; week < 10; week++) {
		past.now += 7 * 86400;
		past_send(&past, ME, "all@example.com", "", "");
	}
	facts = past_facts(&past, past_mail(&past, ME, "all@example.com", "", ""));
	ck_assert_double_lt(signal_measure(&past, "size_for_sender", &facts).value, 2.5);
	ck_assert_double_eq(signal_measure(&past, "size_vs_max", &facts).value, 1);
	ck_assert_uint_eq(facts.recall->sender.largest, 40);

	verdict = past_judge(&past, ME, "all@example.com", "", "");
	ck_assert_msg(verdict.action == SETTINGS_PASS, "score %f", verdict.judged.score);

	/* members of lists who are recipients too are one person each */
	facts = past_facts(&past, past_mail(&past, ME, TEAM ",all@example.com", "", ""));
	audience = (struct audience){ .people = 3, .lists = 1 };
	facts.audience = &audience;
	ck_assert_double_eq(signal_measure(&past, "audience_size", &facts).value, 3);
	for (int kind = AUDIENCE_EXACT; kind <= AUDIENCE_UNKNOWN; kind++) {
		static const char *const said[] = { "This goes to 3 people.",
			"This goes to at least 3 people.",
			"This goes to an unknown number of people." };
		struct judge_view view;
		struct words_reason reason;

		audience.kind = (enum audience_kind)kind;
		view = judge_view_make(&facts);
		reason = judge_view_reason(&view, "audience_size");
		ck_assert_str_eq(words_reason_text(past.arena, &words_en, &reason), said[kind]);
	}
	past_end(&past);
}
END_TEST

#define QUOTED_10 ">\n>\n>\n>\n>\n>\n>\n>\n>\n>\n"
#define QUOTED_50 QUOTED_10 QUOTED_10 QUOTED_10 QUOTED_10 QUOTED_10

/* Signals that need a header or the body: what the send looks like, and the value. */
static const struct {
	const char *signal;
	const char *recipients; /* all in To */
	const char *parent;
	const char *body; /* NULL: not read */
	double value;
	const char *person;
} texts[] = {
	{ "reached_by_bcc", "p20@example.com," STRANGERS, "bcc@x", NULL, 1, "p20@example.com" },
	{ "reached_by_bcc", "p20@example.com," STRANGERS, "open@x", NULL, 0, "p20@example.com" },
	{ "reached_by_bcc", "p20@example.com", "bcc@x", NULL, UNKNOWN, "" },
	{ "reached_as", "p20@example.com," STRANGERS, "open@x", NULL, 0, "p20@example.com" },
	{ "reached_as", "p20@example.com," STRANGERS, "copy@x", NULL, 1, "p20@example.com" },
	{ "reached_as", "p20@example.com," STRANGERS, "list@x", NULL, 2, "p20@example.com" },
	{ "reached_as", "p20@example.com," STRANGERS, "bcc@x", NULL, UNKNOWN, "" },
	{ "reached_as", "p20@example.com", "copy@x", NULL, UNKNOWN, "" },
	{ "outside_domains", "p1@example.com,a@one.org,b@one.org,c@two.org", "", NULL, 2, "" },
	{ "outsider_joins", "p1@example.com,a@one.org", "in@x", NULL, 1, "a@one.org" },
	{ "outsider_joins", "p1@example.com", "in@x", NULL, 0, "" },
	{ "outsider_joins", "p1@example.com,a@one.org", "open@x", NULL, UNKNOWN, "" },
	{ "outside_domain_first", "p1@example.com,a@new.org", "", NULL, 2, "a@new.org" },
	{ "outside_domain_first", "a@new.org", "", NULL, 1, "a@new.org" },
	{ "outside_domain_first", "p1@example.com,john.smith@else.org,a@new.org", "", NULL, 1,
	    "a@new.org" },
	{ "outside_domain_first", "p1@example.com,x@else.org", "", NULL, 0, "" },
	{ "outside_domain_first", "p1@example.com,x@mail.example.com", "", NULL, 0, "" },
	{ "outside_domain_first", "p1@example.com,x@notexample.com", "", NULL, 2,
	    "x@notexample.com" },
	{ "look_alike_domain", "p1@example.com,a@exmaple.com", "", NULL, 1, "a@exmaple.com" },
	{ "look_alike_domain", "p1@example.com,a@example.org", "", NULL, 0, "" },
	{ "look_alike_domain", "p1@example.com,p2@example.com", "", NULL, 0, "" },
	{ "look_alike_contact", "jon.smith@else.org", "", NULL, 1, "jon.smith@else.org" },
	{ "look_alike_contact", "jhon.smith@else.org", "", NULL, 1, "jhon.smith@else.org" },
	{ "look_alike_contact", "john.smyth@else.org", "", NULL, 1, "john.smyth@else.org" },
	{ "look_alike_contact", "johnn.smith@else.org", "", NULL, 1, "johnn.smith@else.org" },
	{ "look_alike_contact", "jhon.simth@else.org", "", NULL, 1, "jhon.simth@else.org" },
	{ "look_alike_contact", "p1@example.com,john.ssmiith@else.org", "", NULL, 1,
	    "john.ssmiith@else.org" },
	{ "look_alike_contact", "john.smith@esle.org", "", NULL, 1, "john.smith@esle.org" },
	{ "look_alike_contact", "jphn.smoth@else.org", "", NULL, 1, "jphn.smoth@else.org" },
	{ "look_alike_contact", "jahn.smyth@else.org", "", NULL, 1, "jahn.smyth@else.org" },
	{ "look_alike_contact", "john-smyth@else.org", "", NULL, 1, "john-smyth@else.org" },
	{ "look_alike_contact", "jonh.smyth@else.org", "", NULL, 1, "jonh.smyth@else.org" },
	/* two edits, one of them a letter that is missing or is not near, or three edits */
	{ "look_alike_contact", "jon.smyth@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "lohn.smxth@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "jphn.smoht@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "teem-1@else.org", "", NULL, 1, "teem-1@else.org" },
	{ "look_alike_contact", "teen-1@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "john.smith@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "jon.smith@else.org,john.smith@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "jan.smythe@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "team-2@else.org", "", NULL, 0, "" },
	{ "look_alike_contact", "p31@example.com", "", NULL, 0, "" },
	{ "look_alike_contact", MANY, "", NULL, UNKNOWN, "" },
	{ "greeting_to_one", GROUP, "", NULL, UNKNOWN, "" },
	{ "greeting_to_one", NAMED, "", "Hi Anna,\r\n\r\nyes.\r\n", 1, "" },
	{ "greeting_to_one", NAMED, "", "Dear Mr. Miller,\n", 1, "" },
	{ "greeting_to_one", GROUP, "", "Hi all,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Dear colleagues and friends,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "The meeting moves.\n", 0, "" },
	{ "greeting_to_one", "p1@example.com", "", "Hi Anna,\n", UNKNOWN, "" },
	{ "greeting_to_one", GROUP, "", "", UNKNOWN, "" },
	{ "greeting_to_one", GROUP, "", "Dear Sirs,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Dear Customer,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Dear Subscribers,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Dear parents,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Dear Staff,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Hi gang,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Hi Sales,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Hi Anna,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Hello World,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Hello again,\n", 0, "" },
	{ "greeting_to_one", GROUP, "", "Dear Mr. Miller,\n", 0, "" },
	{ "greeting_to_one", NAMED, "", "Hi Anna, Bob,\n", 0, "" },
	{ "greeting_to_one", NAMED, "", "Hi Anna and Bob,\n", 0, "" },
	{ "greeting_to_one", NAMED, "", "Hi Anna Bob,\n", 0, "" },
	{ "greeting_to_one", NAMED, "", "Hi Anna/Bob,\n", 0, "" },
	{ "greeting_to_one", NAMED, "", "Liebe Anna, lieber Bob,\n", 0, "" },
	{ "greeting_to_one", NAMED, "", "Dear Anna, dear all,\n", 0, "" },
	{ "greeting_to_one", NAMED, "", "Hi anna, yes please.\n", 1, "" },
	{ "greeting_to_one", NAMED, "", "Hi Anna. Yes.\n", 1, "" },
	{ "greeting_to_one", NAMED, "", "Dear Anna Miller,\n", 1, "" },
	{ "greeting_to_one", NAMED, "", "Hi Mil,\n", 0, "" },
	{ "greeting_to_one", GROUP ",staff@example.com", "", "Dear Staff,\n", 0, "" },
	{ "greeting_to_one", GROUP ",al@example.com", "", "Hi Al,\n", 0, "" },
	{ "brief_reply", GROUP, "g1@x", "Thanks, Jo!\n\n> Cake\n", UNKNOWN, "" },
	{ "brief_reply", MANY, "many@x", "Thanks, Jo!\n\n> Cake\n", 2, "" },
	{ "brief_reply", MANY, "many@x", "a b\nc d e\n-- \nJo\n", 5, "" },
	{ "brief_reply", MANY, "many@x", "> Cake\n> for all\n\na b c\n", 3, "" },
	{ "brief_reply", MANY, "many@x", "Dear all,\nmy proposal:\na b\n", 6, "" },
	{ "brief_reply", MANY, "many@x", "On 5 May Jo wrote:\n\n> Cake\na b\n", 2, "" },
	{ "brief_reply", MANY, "many@x", "a b\n> Cake\nc\n> Tea\nd\n", 4, "" },
	{ "brief_reply", MANY, "many@x",
	    "a b\r\nOn 5 May 2025 at 10:00, Jo Miller <p1@example.com>\r\nwrote:\r\n\r\n> "
	    "Cake\r\nc\r\n",
	    3, "" },
	{ "brief_reply", MANY, "many@x", "Thanks, Jo!\nAm 5. Mai schrieb Jo:\n> Cake\nc\n", 3, "" },
	{ "brief_reply", MANY, "many@x", "On Monday I come\nJo wrote:\n> Cake\n", 4, "" },
	{ "brief_reply", MANY, "many@x",
	    "a:\nb\n________________________________\nFrom: Jo\n\nCake\n", 2, "" },
	{ "brief_reply", MANY, "many@x", "a\n_______\nb\n", 3, "" },
	{ "brief_reply", MANY, "many@x", "a:\nb\n-----Original Message-----\nFrom: Jo\n\nCake\n", 2,
	    "" },
	{ "brief_reply", MANY, "many@x", "a:", 1, "" },
	{ "brief_reply", MANY, "many@x", QUOTED_50 "a b\n", 2, "" },
	{ "regular_mailing", TEAM, "", NULL, UNKNOWN, "" },
};

/* What came before the sends above. */
static void
text_history(struct past *past)
{
	struct mail_transaction *mail;

	signal_history(past);
	mail = past_mail(past, "p20@example.com", ME "," STRANGERS, "bcc@x", "");
	mail->to = past_addresses(past->arena, STRANGERS);
	past_learn(past, "p20@example.com", mail);
	mail = past_mail(past, "p20@example.com", ME "," STRANGERS, "open@x", "");
	mail->to = past_addresses(past->arena, ME "," STRANGERS);
	past_learn(past, "p20@example.com", mail);
	mail = past_mail(past, "p20@example.com", ME "," STRANGERS, "copy@x", "");
	mail->to = past_addresses(past->arena, STRANGERS);
	mail->cc = past_addresses(past->arena, ME);
	past_learn(past, "p20@example.com", mail);
	mail = past_mail(past, "p20@example.com", STRANGERS, "list@x", "");
	mail->to = past_addresses(past->arena, STRANGERS);
	past_learn(past, "p20@example.com", mail);
	past_send(past, "p1@example.com", ME ",p2@example.com", "in@x", "");
	past_send(past, "p20@example.com", ME "," MANY, "many@x", "");
	past_send(past, ME, "john.smith@else.org", "john@x", "");
	past_send(past, ME, "team-1@else.org", "team@x", "");
}

START_TEST(text_values)
{
	struct past past;
	struct judge_facts facts;
	struct judge_measure measure;
	struct mail_transaction *mail;

	past_begin(&past);
	text_history(&past);
	mail = past_mail(&past, ME, texts[_i].recipients, "now@x", texts[_i].parent);
	mail->to = past_addresses(past.arena, texts[_i].recipients);
	facts = past_facts(&past, mail);
	if (texts[_i].body) {
		mail->text = texts[_i].body;
		mail->text_length = strlen(texts[_i].body);
		facts.has_body = true;
	}
	measure = signal_measure(&past, texts[_i].signal, &facts);
	ck_assert_int_eq(measure.is_known, !isnan(texts[_i].value));
	if (measure.is_known) {
		ck_assert_double_eq(measure.value, texts[_i].value);
		ck_assert_str_eq(measure.person, texts[_i].person);
	}
	past_end(&past);
}
END_TEST

/* Another domain of the same organisation is no other organisation, and not misspelt. */
START_TEST(a_colleagues_domain_is_inside)
{
	static const char *items[] = { "example.com", "exampel.com" };
	static const struct mail_domains inside = { items, 2 };
	struct past past;
	struct judge_facts facts;
	struct mail_transaction *mail;

	past_begin(&past);
	text_history(&past);
	mail = past_mail(&past, ME, "p1@example.com,a@it.exampel.com", "now@x", "in@x");
	mail->to = mail->recipients;
	facts = past_facts(&past, mail);
	ck_assert_double_eq(signal_measure(&past, "outside_domains", &facts).value, 1);
	ck_assert_double_eq(signal_measure(&past, "outsider_joins", &facts).value, 1);
	mail->inside = &inside;
	facts = past_facts(&past, mail);
	ck_assert_double_eq(signal_measure(&past, "outside_domains", &facts).value, 0);
	ck_assert_double_eq(signal_measure(&past, "outsider_joins", &facts).value, 0);
	ck_assert_double_eq(signal_measure(&past, "outside_domain_first", &facts).value, 0);
	mail = past_mail(&past, ME, "p1@example.com,a@exampel.com", "then@x", "");
	mail->to = mail->recipients;
	facts = past_facts(&past, mail);
	ck_assert_double_eq(signal_measure(&past, "look_alike_domain", &facts).value, 1);
	mail->inside = &inside;
	ck_assert_double_eq(signal_measure(&past, "look_alike_domain", &facts).value, 0);
	past_end(&past);
}
END_TEST

/* Display names are names too, but only of those who get it. */
START_TEST(greeted_by_display_name)
{
	struct past past;
	struct judge_facts facts;
	struct mail_transaction *mail;

	past_begin(&past);
	text_history(&past);
	mail = past_mail(&past, ME, GROUP, "now@x", "");
	mail->text = "Hi Jo,\n";
	mail->text_length = strlen(mail->text);
	mail->names[0] = (struct mail_name){ "p2@example.com", "Miller, Jo" };
	mail->name_count = 1;
	facts = past_facts(&past, mail);
	facts.has_body = true;
	ck_assert_double_eq(signal_measure(&past, "greeting_to_one", &facts).value, 1);
	mail->names[0].address = ME;
	ck_assert_double_eq(signal_measure(&past, "greeting_to_one", &facts).value, 0);
	past_end(&past);
}
END_TEST

/* Below a quotation that is longer than what is read there may be any number of words. */
START_TEST(answer_below_is_not_there)
{
	static char body[MAIL_MAX_BODY_START];
	struct past past;
	struct judge_facts facts;
	struct mail_transaction *mail;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = i % 2 ? '\n' : '>';
	past_begin(&past);
	text_history(&past);
	mail = past_mail(&past, ME, MANY, "now@x", "many@x");
	mail->to = past_addresses(past.arena, MANY);
	mail->text = body;
	mail->text_length = mail->body_start_length = sizeof(body);
	facts = past_facts(&past, mail);
	facts.has_body = true;
	ck_assert(!signal_measure(&past, "brief_reply", &facts).is_known);
	mail->text_length = mail->body_start_length -= 2;
	ck_assert_double_eq(signal_measure(&past, "brief_reply", &facts).value, 0);
	memcpy(body, "Yes\n", 4);
	mail->text_length = mail->body_start_length = sizeof(body);
	ck_assert_double_eq(signal_measure(&past, "brief_reply", &facts).value, 1);
	past_end(&past);
}
END_TEST

/* Somebody else of the same name is told apart by the address. */
START_TEST(look_lookalike_name)
{
	static const struct {
		const char *name, *address;
		double value;
		const char *text;
	} rows[] = {
		{ "Smith, Ann", "ann.smith@gmail.example", 1,
		    "You usually write to another address of \"Smith, Ann\"; this one is "
		    "ann.smith@gmail.example." },
		{ "Ann Smith", "ann@else.org", 0,
		    "No new address has the name of somebody you write to." },
		{ "Ben Smith", "ben@gmail.example", 0,
		    "No new address has the name of somebody you write to." },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct past past;
		struct judge_facts facts;
		struct judge_view view;
		struct judge_measure measure;
		struct mail_transaction *mail;
		struct words_reason reason;

		past_begin(&past);
		mail = past_mail(&past, ME, "ann@else.org", "", "");
		mail->names[mail->name_count++] =
		    (struct mail_name){ .address = "ann@else.org", .name = "Ann Smith" };
		past_learn(&past, ME, mail);
		mail = past_mail(&past, ME,
		    base_arena_printf(past.arena, "p1@example.com,%s", rows[i].address), "", "");
		facts = past_facts(&past, mail);
		ck_assert(!signal_measure(&past, "look_alike_name", &facts).is_known);
		mail->to = mail->recipients;
		mail->names[mail->name_count++] =
		    (struct mail_name){ .address = rows[i].address, .name = rows[i].name };
		facts = past_facts(&past, mail);
		measure = signal_measure(&past, "look_alike_name", &facts);
		ck_assert(measure.is_known);
		ck_assert_double_eq(measure.value, rows[i].value);
		ck_assert_double_eq(measure.points, rows[i].value * 25);
		ck_assert_str_eq(measure.person, rows[i].value > 0 ? rows[i].address : "");
		view = judge_view_make(&facts);
		reason = judge_view_reason(&view, "look_alike_name");
		judge_fill_look_alike_name(&view, measure.value, &reason);
		ck_assert_str_eq(words_reason_text(past.arena, &words_en, &reason), rows[i].text);
		past_end(&past);
	}
}
END_TEST

/* Who is hardly known has written to no domain before, and that means nothing. */
START_TEST(a_first_domain_needs_a_habit)
{
	struct past past;
	struct judge_facts facts;
	struct mail_transaction *mail;

	past_begin(&past);
	for (int i = 0; i < 20; i++) {
		mail = past_mail(&past, ME, "p1@example.com,a@new.org", "now@x", "");
		mail->to = mail->recipients;
		facts = past_facts(&past, mail);
		ck_assert(!signal_measure(&past, "outside_domain_first", &facts).is_known);
		past_send(&past, ME, "p1@example.com", "", "");
	}
	facts = past_facts(&past, mail);
	ck_assert_double_eq(signal_measure(&past, "outside_domain_first", &facts).value, 2);
	past_end(&past);
}
END_TEST

/* What p0 sends as a shared address that has its own contacts; p0 knows p1 to p3. */
static const struct {
	const char *recipients;
	double value; /* UNKNOWN: nobody else is at work */
	const char *person;
} accounts[] = {
	{ "p1@example.com", 1, "p1@example.com" },
	{ "p1@example.com,p2@example.com", 1, NULL },
	{ "s1@else.org", 0, "" },
	{ "s1@else.org,p1@example.com", 0.5, "p1@example.com" },
	{ "both@else.org", 0, "" },
	{ "nobody@else.org", 0, "" },
	{ "p1@example.com", UNKNOWN, "" },
};

#define SHARED "info@example.com"

START_TEST(wrong_account)
{
	struct past past;
	struct judge_facts facts, personal;
	struct judge_measure measure;

	past_begin(&past);
	past_teach(&past, 20);
	past_send(&past, ME, "both@else.org", "b1@x", "");
	past_send(&past, SHARED, "both@else.org", "b2@x", "");
	past_send(&past, SHARED, "s1@else.org,s2@else.org", "b3@x", "");
	facts = past_facts(&past, past_mail(&past, SHARED, accounts[_i].recipients, "now@x", ""));
	personal = past_facts(&past, past_mail(&past, ME, accounts[_i].recipients, "now@x", ""));
	if (!isnan(accounts[_i].value))
		facts.login_recall = personal.recall;
	measure = signal_measure(&past, "wrong_account", &facts);
	ck_assert_int_eq(measure.is_known, !isnan(accounts[_i].value));
	if (measure.is_known)
		ck_assert_double_eq(measure.value, accounts[_i].value);
	if (accounts[_i].person != NULL)
		ck_assert_str_eq(measure.person, accounts[_i].person);
	ck_assert(measure.value >= 1 ? measure.points >= 50 : measure.points <= 30);
	past_end(&past);
}
END_TEST

/* Six Fridays, and six sends at any time. */
/* How often the sender answered all of a group, or its author alone, is counted. */
START_TEST(group_habit_is_remembered)
{
	struct past past;
	struct judge_facts facts;

	past_begin(&past);
	past_teach(&past, 25);
	past_send(&past, ME, SEVEN, "all-1@x", "theirs-20@x");
	past_send(&past, ME, SEVEN, "all-2@x", "theirs-20@x");
	facts = past_facts(&past, past_mail(&past, ME, SEVEN, "now@x", ""));
	ck_assert_double_eq(signal_measure(&past, "group_replied_to_all", &facts).value, 2);
	ck_assert_double_ge(signal_measure(&past, "group_replied_to_author_only", &facts).value, 5);
	past_end(&past);
}
END_TEST

/* p0 gets mail with so many other audiences that no earlier one is kept. */
static void
heard_push_out(struct past *past)
{
	for (unsigned i = 0; i < 2 * HISTORY_MAX_RECEIVED; i++)
		past_send(past, "q1@example.com",
		    base_arena_printf(
			past->arena, "p0@example.com,%s", past_people(past->arena, 100 + i, 20)),
		    "", "");
}

/* A list is known again long after many other audiences took its place. */
START_TEST(list_leaves_a_mark)
{
	struct past past;
	struct judge_facts facts;

	past_begin(&past);
	past_send(&past, "boss@example.com", "p0@example.com," LIST, "list@x", "");
	heard_push_out(&past);
	facts = past_facts(&past, past_mail(&past, ME, LIST, "now@x", ""));
	ck_assert_double_eq(signal_measure(&past, "received_as", &facts).value, 2);
	facts = past_facts(&past, past_mail(&past, ME, LIST ",boss@example.com", "now@x", ""));
	ck_assert_double_eq(signal_measure(&past, "received_as", &facts).value, 2);
	past_end(&past);
}
END_TEST

/* A list that several write to is known again without each of them. */
START_TEST(list_leaves_a_mark_by_author)
{
	struct past past;
	struct judge_facts facts;

	past_begin(&past);
	past_send(
	    &past, "boss@example.com", "p0@example.com,chair@example.com," LIST, "list@x", "");
	past_send(
	    &past, "chair@example.com", "p0@example.com,boss@example.com," LIST, "again@x", "");
	past.now += 60 * 86400;
	heard_push_out(&past);
	facts = past_facts(&past, past_mail(&past, ME, LIST ",chair@example.com", "now@x", ""));
	ck_assert_double_eq(signal_measure(&past, "received_as", &facts).value, 2);
	facts = past_facts(&past, past_mail(&past, ME, LIST ",boss@example.com", "now@x", ""));
	ck_assert_double_eq(signal_measure(&past, "received_as", &facts).value, 2);
	past_end(&past);
}
END_TEST

/*
 * Where no id tells, the last mail of a writer is answered, if it is not old. A mail to people
 * who got an earlier one together is a new one.
 */
static const struct {
	const char *since; /* to whom the same writer wrote since, or NULL */
	unsigned days;     /* since the mail to all */
	double received_as;
} earlier[] = {
	{ NULL, 0, 4 },
	{ NULL, 6, 4 },
	{ NULL, 8, 2 },
	{ ME, 0, 2 },
	{ ME "," TEAM, 0, 2 },
	{ "q1@example.com", 0, 4 },
};

START_TEST(no_older_mail_is_answered)
{
	struct past past;
	struct judge_facts facts;

	past_begin(&past);
	past_send(&past, "boss@example.com", ME "," SEVEN, "", "");
	if (earlier[_i].since != NULL)
		past_send(&past, "boss@example.com", earlier[_i].since, "", "");
	past.now += (int64_t)earlier[_i].days * 86400;
	facts = past_facts(&past, past_mail(&past, ME, "boss@example.com," SEVEN, "now@x", ""));
	ck_assert_double_eq(
	    signal_measure(&past, "received_as", &facts).value, earlier[_i].received_as);
	past_end(&past);
}
END_TEST

/* What is only guessed to be an answer, because the mail's audience is forgotten, is not to all. */
START_TEST(a_guess_is_no_answer_to_all)
{
	struct past past;
	struct judge_facts facts;
	struct judge_measure measure;

	past_begin(&past);
	past_send(&past, "boss@example.com", ME "," SEVEN, "list@x", "");
	heard_push_out(&past);
	facts = past_facts(
	    &past, past_mail(&past, ME, "boss@example.com," TEAM "," STRANGERS, "now@x", ""));
	measure = signal_measure(&past, "reply_kind", &facts);
	ck_assert_double_eq(measure.value, 2);
	ck_assert_str_eq(measure.person, "");
	past_end(&past);
}
END_TEST

/* Among few people, a reason that is about nobody names who is least expected. */
START_TEST(first_reason_names_the_stranger)
{
	struct past past;
	struct past_verdict verdict;

	past_begin(&past);
	past_teach(&past, 25);
	verdict = past_judge(
	    &past, ME, "p1@example.com,p2@example.com,s1@else.org,p3@example.com", "r@x", "");
	ck_assert_uint_gt(verdict.judged.reason_count, 0);
	ck_assert_str_eq(verdict.judged.reasons[0].person, "s1@else.org");
	past_end(&past);
}
END_TEST

/* A tag, too, must be above the site's own percentile, a lower one. */
START_TEST(site_score_raises_the_tag)
{
	struct past past;
	struct judge_facts facts;
	struct past_verdict verdict;
	struct history_recall *recall;

	past_begin(&past);
	past_teach(&past, 25);
	facts = past_facts(&past, past_mail(&past, ME, past_people(past.arena, 100, 6), "r@x", ""));
	recall = (struct history_recall *)facts.recall;
	past.policy.threshold = 1;
	past.policy.tag_threshold = 0;
	verdict = past_decide(&past, &facts);
	ck_assert_int_eq(verdict.action, SETTINGS_TAG);
	recall->site_tag_score = verdict.judged.score - 1e-9;
	verdict = past_decide(&past, &facts);
	ck_assert_int_eq(verdict.action, SETTINGS_TAG);
	recall->site_tag_score = verdict.judged.score;
	verdict = past_decide(&past, &facts);
	ck_assert_int_eq(verdict.action, SETTINGS_PASS);
	past_end(&past);
}
END_TEST

START_TEST(newsletter_is_regular)
{
	static const int days[2][6] = { { 7, 7, 7, 7, 7, 7 }, { 1, 20, 3, 40, 2, 9 } };
	double values[2];

	for (int row = 0; row < 2; row++) {
		struct past past;
		struct judge_facts facts;
		struct judge_measure measure;

		past_begin(&past);
		for (int i = 0; i < 6; i++) {
			past.now += days[row][i] * 86400 - 3600;
			past_send(&past, ME, GROUP, "", "");
		}
		facts = past_facts(&past, past_mail(&past, ME, GROUP, "", ""));
		measure = signal_measure(&past, "regular_mailing", &facts);
		ck_assert(measure.is_known);
		values[row] = measure.value;
		past_end(&past);
	}
	ck_assert_double_lt(values[0], 0.01);
	ck_assert_double_gt(values[1], 0.5);
}
END_TEST

/* Why a send that scores enough for anything is not stopped now. */
static enum policy_gate
regular_gate(struct past *past, const char *recipients, const char *parent)
{
	struct judge_facts facts =
	    past_facts(past, past_mail(past, ME, recipients, "now@x", parent));
	const struct settings_policy rule = { .action = SETTINGS_CONFIRM };
	const struct policy_facts asked = { .recall = facts.recall };
	struct judge_score score;
	struct policy_gates gates;
	const char *why = "";

	ck_assert_int_eq(judge_score(&facts, past->card, past->arena, &score, &why), BASE_OK);
	score.score = 1;
	ck_assert_int_eq(policy_gates_pass(&asked, &rule, &score, &gates),
	    gates.hold == POLICY_GATE_NONE ? SETTINGS_CONFIRM : SETTINGS_TAG);
	return gates.hold;
}

/*
 * Every Friday to twenty readers, one of whom changes: the next Friday's is usual. Other mail
 * to as many goes on any day.
 */
START_TEST(friday_newsletter_passes)
{
	struct past past;
	const char *readers, *twice;
	int64_t begin;

	past_begin(&past);
	begin = past.now;
	for (unsigned week = 0; week < 4; week++) {
		past.now = begin + week * 7 * 86400;
		ck_assert_int_eq(regular_gate(&past, past_people(past.arena, 100 + week, 20), ""),
		    week < 3 ? POLICY_GATE_NONE : POLICY_GATE_REGULAR);
		past_send(&past, ME, past_people(past.arena, 100 + week, 20), "", "");
		for (unsigned other = 0; other < week; other++) {
			past.now += (1 + week) * 30000;
			past_send(&past, ME,
			    past_people(past.arena, 500 + 30 * week + 90 * other, 20), "", "");
		}
	}
	past.now = begin + 3 * 7 * 86400;
	readers = past_people(past.arena, 104, 20);
	twice = past_people(past.arena, 104, 40);
	past.now += 4 * 86400; /* a Tuesday */
	ck_assert_int_eq(regular_gate(&past, readers, ""), POLICY_GATE_NONE);
	ck_assert_int_eq(regular_gate(&past, twice, ""), POLICY_GATE_NONE);
	ck_assert_int_eq(
	    regular_gate(&past, past_people(past.arena, 103, 20), ""), POLICY_GATE_NONE);
	past.now += 3 * 86400;
	ck_assert_int_eq(regular_gate(&past, readers, ""), POLICY_GATE_REGULAR);
	ck_assert_int_eq(regular_gate(&past, twice, ""), POLICY_GATE_NONE);
	/* nor is it the newsletter when it answers one of the readers and all others */
	past_send(&past, "p104@example.com",
	    base_arena_printf(past.arena, "%s," ME, past_people(past.arena, 105, 19)), "theirs@x",
	    "");
	ck_assert_int_eq(regular_gate(&past, readers, "theirs@x"), POLICY_GATE_NONE);
	past_end(&past);
}
END_TEST

/* Every Friday to other people, but always about twenty. */
START_TEST(regular_size_class_passes)
{
	struct past past;
	const char *people;

	past_begin(&past);
	for (unsigned week = 0; week < 4; week++) {
		past.now += 7 * 86400 - 3600;
		past_send(&past, ME, past_people(past.arena, 100 + 50 * week, 16 + week), "", "");
	}
	past_send(&past, "boss@example.com",
	    base_arena_printf(past.arena, "%s,p0@example.com", past_people(past.arena, 800, 18)),
	    "theirs@x", "");
	people = past_people(past.arena, 500, 18);
	past.now += 3 * 86400;
	ck_assert_int_eq(regular_gate(&past, people, ""), POLICY_GATE_NONE);
	past.now += 4 * 86400;
	ck_assert_int_eq(regular_gate(&past, people, ""), POLICY_GATE_REGULAR);
	/* of another size; to a group that only others write to; an answer to everybody */
	ck_assert_int_eq(
	    regular_gate(&past, past_people(past.arena, 500, 40), ""), POLICY_GATE_NONE);
	ck_assert_int_eq(
	    regular_gate(&past, past_people(past.arena, 800, 18), ""), POLICY_GATE_NONE);
	people =
	    base_arena_printf(past.arena, "%s,boss@example.com", past_people(past.arena, 800, 18));
	ck_assert_int_eq(regular_gate(&past, people, "theirs@x"), POLICY_GATE_NONE);
	people =
	    base_arena_printf(past.arena, "%s,boss@example.com", past_people(past.arena, 500, 17));
	ck_assert_int_eq(regular_gate(&past, people, ""), POLICY_GATE_NONE);
	ck_assert_int_eq(regular_gate(&past, people, "theirs@x"), POLICY_GATE_NONE);
	past_end(&past);
}
END_TEST

/* A body that could change the action is asked for, and does change it. */
START_TEST(body_is_wanted_when_it_matters)
{
	struct past past;
	struct judge_facts facts;
	struct past_verdict verdict;
	struct mail_transaction *mail;
	double odds;

	past_begin(&past);
	text_history(&past);
	mail = past_mail(&past, ME, MANY ",anna@example.com", "now@x", "");
	facts = past_facts(&past, mail);
	verdict = past_decide(&past, &facts);
	/* The threshold a little above: 5 is what a new site asks for. */
	odds = verdict.judged.score / (1 - verdict.judged.score) / 5 * 1.3;
	past.policy.threshold = odds / (1 + odds);
	verdict = past_decide(&past, &facts);
	ck_assert_int_eq(verdict.action, SETTINGS_PASS);
	ck_assert(verdict.wants_body);
	mail->text = "Hi Anna,\n\nas we said.\n";
	mail->text_length = strlen(mail->text);
	facts.has_body = true;
	verdict = past_decide(&past, &facts);
	ck_assert_int_eq(verdict.action, SETTINGS_CONFIRM);
	ck_assert(!verdict.wants_body);
	facts = past_facts(&past, past_mail(&past, ME, "p1@example.com", "now@x", ""));
	verdict = past_decide(&past, &facts);
	ck_assert(!verdict.wants_body);
	past_end(&past);
}
END_TEST

/* --- sentences --------------------------------------------------------------------- */

/* What p0 has done besides: known people, some of them hardly, and two groups. */
static void
sentence_history(struct past *past)
{
	text_history(past);
	past_send(past, ME, "w1@else.org", "", "");
	past_send(past, ME, "w2@else.org", "", "");
	past_send(past, ME, "w3@else.org", "", "");
	past_send(past, "p19@example.com", ME "," STRANGERS "," TEAM, "", "");
	past_send(past, "p30@example.com", "p31@example.com", "", "");
	for (int i = 0; i < 3; i++) {
		past_send(past, "p7@example.com", ME "," STRANGERS ",p8@example.com,p9@example.com",
		    "seven@x", "");
		past_send(past, "p9@example.com", ME ",p7@example.com," STRANGERS ",p8@example.com",
		    "", "seven@x");
	}
	past->now += 1800;
}

#define ALICE "alice@example.com"
#define P30 "p30@example.com"

/* What is said of facts must be true of them, whatever the points are. */
static const struct {
	const char *signal;
	const char *sender;
	const char *recipients; /* all in To */
	const char *parent;
	const char *text;
	const char *evidence; /* its end; NULL: as it may be */
} said[] = {
	{ "audience_size", ME, "p1@example.com", "", "This goes to 1 person.",
	    ": 1 people in -inf..inf, +1.00" },
	{ "size_for_sender", ME, "p1@example.com,p2@example.com", "",
	    "This goes to 2 people; most of your mails go to fewer.", NULL },
	{ "size_for_sender", ME, GROUP, "", "You usually write to 1-4 people; this goes to 20.",
	    NULL },
	{ "size_for_sender", ALICE, "p1@example.com", "",
	    "You are new here: how many people you usually write to is not known yet; this "
	    "goes to 1.",
	    NULL },
	{ "size_for_sender", ALICE, GROUP, "",
	    "You are new here, and few mails here go to as many as 20 people.", NULL },
	{ "size_vs_max", P30, "p31@example.com", "",
	    "This goes to 1 person; none of your mails so far went to more.",
	    ": 1 times in -inf..inf, +1.00" },
	{ "size_vs_max", ME, GROUP, "",
	    "The most people you have ever written to at once is 6; this goes to 20.", NULL },
	{ "size_vs_max", ME, "p1@example.com,p2@example.com,p3@example.com", "",
	    "The largest of your mails so far went to 6 people; this goes to 3.",
	    ": 0.5 times in -inf..inf, +1.00" },
	{ "size_class_first", ME, GROUP, "",
	    "You have never written to as many as 20 people before.",
	    ": 2 kind in -inf..inf, +1.00" },
	{ "size_class_first", ME, TEAM, "", "You have written to about as many as 6 people before.",
	    NULL },
	{ "never_written_share", ME, TEAM, "", "You have written before to all of these 6 people.",
	    ": 0 share in -inf..inf, +1.00" },
	{ "never_written_share", ME, STRANGERS, "",
	    "You have never written to any of these 4 people.", NULL },
	{ "never_written_share", ME, STRANGERS ",p1@example.com", "",
	    "You have never written to 4 of these 5 people.", ": 0.8 share in -inf..inf, +1.00" },
	{ "stranger_share", ME, TEAM ",p20@example.com", "",
	    "You have written to or heard from all of these 7 people.", NULL },
	{ "stranger_share", ALICE, STRANGERS, "",
	    "You have neither written to nor heard from any of these 4 people.", NULL },
	{ "familiarity", ME, "w1@else.org,w2@else.org,w3@else.org", "",
	    "You have written lately, if not often, to all of these 3 people.",
	    ": 0.4985 0..1 in -inf..inf, +1.00" },
	{ "familiarity", ME, STRANGERS ",p1@example.com", "",
	    "You seldom or never write to 4 of these 5 people.", NULL },
	{ "covered_by_one", ME, STRANGERS, "",
	    "No group you wrote to before holds any of these 4 people.",
	    ": 0 share in -inf..inf, +1.00" },
	{ "covered_by_one", ME, TEAM ",s1@else.org,s2@else.org", "",
	    "No group you wrote to before holds more than 6 of these 8 people.", NULL },
	{ "covered_by_one", ME, TEAM, "",
	    "A group you wrote to before holds all of these 6 people.", NULL },
	{ "closest_sent", ME, STRANGERS, "",
	    "You have not written to a group with anybody of these 4 people.", NULL },
	{ "closest_sent", ME, STRANGERS ",p10@example.com", "",
	    "You have not written to a group like these 5 people.", NULL },
	{ "closest_sent", ME, TEAM ",s1@else.org", "",
	    "You have written to a group like these 7 people, but not to quite the same.", NULL },
	{ "closest_sent", ME, TEAM, "", "You have written to these 6 people before.", NULL },
	{ "exact_before", ME, TEAM, "", "You wrote to exactly these 6 people 2 times.", NULL },
	{ "cohesion", ME, STRANGERS, "",
	    "You have not written to any two of these 4 people together.", NULL },
	{ "cohesion", ME, TEAM, "",
	    "You have written to each of these 6 people together with another of them.", NULL },
	{ "received_as", ME, GROUP, "g1@x", "This goes to everybody who got the mail you answer.",
	    NULL },
	{ "received_as", ME, REST ",s1@else.org,s2@else.org", "",
	    "This goes to most of those who got the mail you answer.", NULL },
	{ "received_as", ME, TEAM, "", "You do not get mail with a group like these 6 people.",
	    NULL },
	{ "received_as", ME, LIST, "",
	    "You get mail with these 19 people; you do not write to that group.", NULL },
	{ "group_authors", ME, TEAM, "", "Nobody is known to write to a group like this one of 6.",
	    NULL },
	{ "group_authors", ME, GROUP, "", "Only 2 people are known to write to this group of 20.",
	    NULL },
	{ "group_author_changes", ME, GROUP, "g1@x",
	    "In this group of 20 people several write to everybody in turn.", NULL },
	{ "group_replied_to_author_only", ME, SEVEN, "",
	    "You answered mails to these 7 people 12 times before, each time the author "
	    "alone.",
	    NULL },
	{ "group_replied_to_author_only", ME, GROUP, "",
	    "You have not yet answered the author alone of a mail to these 20 people.", NULL },
	{ "reply_kind", ME, "s1@else.org", "g1@x",
	    "This answers a mail and does not go to its author, but to 1 person.", NULL },
	{ "reply_kind", ME, "john.smith@else.org", "john@x", "This goes to 1 person.", NULL },
	{ "habit_reply_all", ME, GROUP, "g1@x",
	    "You almost never answer everybody of a large mail.", NULL },
	{ "habit_reply_all", P30, STRANGERS "," ME ",p7@example.com,p8@example.com,p9@example.com",
	    "seven@x", "You are not known to have answered everybody of a large mail lately.",
	    NULL },
	{ "habit_reply_all", "p9@example.com", "p7@example.com," STRANGERS ",p8@example.com," ME,
	    "seven@x", "You almost always answer everybody of a large mail.", NULL },
	{ "habit_lift", ME, GROUP, "g1@x", "You answer everybody less often than others here do.",
	    NULL },
	{ "habit_lift", ALICE, GROUP "," ME, "g1@x",
	    "You answer everybody about as often as others here.", NULL },
	{ "replied_all_before", ME, GROUP, "g1@x",
	    "You have not answered a large mail to everybody.", NULL },
	{ "one_to_one_author", ME, SEVEN, "theirs-0@x",
	    "You often write to p1@example.com alone; this goes to everybody.", NULL },
	{ "one_to_one_author", ME, GROUP, "g1@x",
	    "You hardly ever write to p20@example.com alone; this goes to everybody.", NULL },
	{ "others_replied_all", ME, GROUP, "g1@x", "1 answer to everybody came before this one.",
	    NULL },
	{ "others_replied_all", ME, SEVEN, "theirs-0@x",
	    "Nobody has yet answered this mail to everybody.", NULL },
	{ "minutes_since_parent", ME, "p7@example.com," STRANGERS ",p8@example.com,p9@example.com",
	    "seven@x", "The mail you answer is 90 minutes old.", NULL },
	{ "site_reply_all", ME, GROUP, "g1@x",
	    "This answers everybody who got the mail, 20 people; people here now "
	    "and then do that.",
	    NULL },
	{ "outside_domains", ME, "a@one.org,p1@example.com", "",
	    "It leaves your organisation for 1 other domain.", ": 1 domains in -inf..inf, +1.00" },
	{ "outside_domains", ME, "p1@example.com", "", "It stays within your organisation.", NULL },
	{ "stranger_among_known", ME, "p1@example.com,p2@example.com,s1@else.org", "",
	    "You have never written to s1@else.org, while you know the others well.", NULL },
	{ "outside_domain_first", ME, "p1@example.com,a@new.org", "",
	    "You have never written to anybody at new.org; all others are of your own "
	    "domain.",
	    ": 2 kind in -inf..inf, +1.00" },
	{ "outside_domain_first", ME, "a@new.org", "",
	    "You have never written to anybody at new.org.", NULL },
	{ "outside_domain_first", ME, "a@else.org", "",
	    "It goes to no outside domain that is new to you.", NULL },
	{ "stranger_among_known", ME, "p20@example.com,p1@example.com", "",
	    "You have only heard from p20@example.com, while you know the others well.", NULL },
	{ "stranger_among_known", ME, "p1@example.com,p2@example.com", "",
	    "You know the others better than p2@example.com.", NULL },
	{ "look_alike_domain", ME, "p1@example.com", "",
	    "No address looks almost like one that you know.", NULL },
};

START_TEST(what_is_said_is_true)
{
	struct past past;
	struct mail_transaction *mail;
	struct judge_facts facts;
	struct past_verdict verdict;
	const char *text, *why = "";

	past_begin(&past);
	sentence_history(&past);
	judge_scorecard_free(&past.card);
	text = base_arena_printf(
	    past.arena, "base 0\nscale 1\nsignal %s\nunknown 0\n-inf..inf 1\n", said[_i].signal);
	ck_assert_msg(
	    judge_scorecard_parse(text, strlen(text), "card", &past.card, &why) == BASE_OK, "%s",
	    why);
	mail = past_mail(&past, said[_i].sender, said[_i].recipients, "now@x", said[_i].parent);
	mail->to = past_addresses(past.arena, said[_i].recipients);
	facts = past_facts(&past, mail);
	verdict = past_decide(&past, &facts);
	ck_assert_msg(verdict.judged.reason_count == 1, "%s is unknown", said[_i].signal);
	ck_assert_str_eq(text_of(&past, &verdict.judged.reasons[0]), said[_i].text);
	if (said[_i].evidence) {
		const char *end = verdict.judged.reasons[0].evidence;

		ck_assert_uint_gt(strlen(end), strlen(said[_i].evidence));
		end += strlen(end) - strlen(said[_i].evidence);
		ck_assert_str_eq(end, said[_i].evidence);
	}
	past_end(&past);
}
END_TEST

/* Every signal has its block in the shipped scorecard; a block of no signal is refused. */
START_TEST(signal_is_in_the_shipped_scorecard)
{
	struct judge_scorecard *card;
	const char *why = "";

	ck_assert_msg(judge_scorecard_default(&card, &why) == BASE_OK, "%s", why);
	ck_assert_msg(card->blocks[_i].is_there, "%s has no block", judge_signals[_i].name);
	judge_scorecard_free(&card);
}
END_TEST

/* A history of sends that nobody chose. */
static const char *
random_people(struct past *past, unsigned most, unsigned world)
{
	unsigned count = 1 + (unsigned)random() % most;
	struct base_buffer text;
	const char *copy;

	base_buffer_init(&text, 4096);
	for (unsigned i = 0; i < count; i++)
		base_buffer_printf(&text, "%sp%u@%s", i ? "," : "", (unsigned)random() % world,
		    random() % 4 ? "example.com" : "else.org");
	copy = base_arena_strdup(past->arena, base_buffer_text(&text));
	base_buffer_free(&text);
	return copy;
}

static void
random_history(struct past *past)
{
	for (int i = 0; i < 600; i++) {
		unsigned parent = (unsigned)random() % 600;
		struct mail_transaction *mail;

		past->now += 1 + random() % 40000;
		mail = past_mail(past,
		    base_arena_printf(past->arena, "p%u@example.com", (unsigned)random() % 8),
		    random_people(past, random() % 4 ? 4 : 40, 60),
		    base_arena_printf(past->arena, "%d@x", i),
		    random() % 2 ? base_arena_printf(past->arena, "%u@x", parent) : "");
		if (random() % 2)
			mail->to = mail->recipients;
		past_learn(past, mail->envelope_sender, mail);
	}
}

/* The same addresses in another order. */
static struct mail_addresses
shuffled(struct base_arena *arena, const struct mail_addresses *list)
{
	struct mail_addresses copy = *list;

	copy.items = base_arena_array(arena, list->count + 1, sizeof(*copy.items));
	for (size_t i = 0; i < list->count; i++) {
		size_t place = (size_t)random() % (i + 1);

		copy.items[i] = copy.items[place];
		copy.items[place] = list->items[i];
	}
	return copy;
}

static void
scores_equal(struct past *past, const struct judge_score *a, const struct judge_score *b)
{
	ck_assert(a->score == b->score && a->points == b->points);
	ck_assert_uint_eq(a->reason_count, b->reason_count);
	for (size_t i = 0; i < a->reason_count; i++) {
		ck_assert_str_eq(a->reasons[i].signal, b->reasons[i].signal);
		ck_assert_str_eq(text_of(past, &a->reasons[i]), text_of(past, &b->reasons[i]));
		ck_assert_str_eq(a->reasons[i].person, b->reasons[i].person);
	}
}

static struct judge_score
mail_judged(struct past *past, const struct mail_transaction *mail)
{
	struct judge_facts facts = past_facts(past, mail);
	struct judge_score score;
	const char *why = "";

	facts.has_body = mail->text_length > 0;
	ck_assert_int_eq(judge_score(&facts, past->card, past->arena, &score, &why), BASE_OK);
	return score;
}

/* Whatever the facts are: judged twice, and in another order, they give the same. */
START_TEST(order_does_not_matter)
{
	struct past past;

	srandom(20);
	past_begin(&past);
	random_history(&past);
	for (int i = 0; i < 1000; i++) {
		struct mail_transaction *mail = past_mail(&past,
		    base_arena_printf(past.arena, "p%u@example.com", (unsigned)random() % 10),
		    random_people(&past, random() % 2 ? 5 : 60, 80), "now@x",
		    base_arena_printf(past.arena, "%u@x", (unsigned)random() % 700));
		struct judge_score first, again, other;

		if (random() % 2)
			mail->to = mail->recipients;
		if (random() % 2) {
			mail->text = "Hi Anna,\n\nthanks.\n";
			mail->text_length = strlen(mail->text);
		}
		first = mail_judged(&past, mail);
		again = mail_judged(&past, mail);
		scores_equal(&past, &first, &again);
		mail->recipients = shuffled(past.arena, &mail->recipients);
		mail->to = shuffled(past.arena, &mail->to);
		other = mail_judged(&past, mail);
		scores_equal(&past, &first, &other);
	}
	past_end(&past);
}
END_TEST

/* Every signal says one sentence, and is in the table above. */
START_TEST(signal_sentences)
{
	struct past past;
	struct judge_facts facts;
	struct judge_view view;
	bool is_tested = strcmp(judge_signals[_i].name, "wrong_account") == 0 ||
			 strcmp(judge_signals[_i].name, "look_alike_name") == 0;

	past_begin(&past);
	signal_history(&past);
	facts = past_facts(&past, past_mail(&past, ME, GROUP, "now@x", "g1@x"));
	view = judge_view_make(&facts);
	for (int value = 0; value < 15; value++) {
		struct words_reason reason = judge_view_reason(&view, judge_signals[_i].name);
		const char *text;

		judge_signals[_i].fill(&view, value, &reason);
		text = words_reason_text(past.arena, &words_en, &reason);
		ck_assert_msg(strcmp(text, judge_signals[_i].name) != 0, "%s_%s has no sentence",
		    reason.signal, reason.which);
		ck_assert_uint_gt(strlen(text), 20);
		ck_assert_int_eq(text[strlen(text) - 1], '.');
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		is_tested |= strcmp(signals[i].signal, judge_signals[_i].name) == 0;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		is_tested |= strcmp(texts[i].signal, judge_signals[_i].name) == 0;
	ck_assert_msg(is_tested, "%s has no row", judge_signals[_i].name);
	past_end(&past);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("judge");
	TCase *card = tcase_create("scorecard"), *scenario = tcase_create("scenario");
	TCase *signal = tcase_create("signal");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(card, scorecard_is_checked, 0, (int)(sizeof(cards) / sizeof(*cards)));
	tcase_add_test(card, scorecard_reads_back);
	tcase_add_test(card, ranges_are_half_open);
	tcase_add_test(card, arithmetic_is_by_hand);
	tcase_add_test(card, ties_are_reported_by_name);
	tcase_add_loop_test(
	    card, body_can_add_in_pairs, 0, (int)(sizeof(bodies) / sizeof(*bodies)));
	tcase_add_test(scenario, slip_is_stopped_once);
	tcase_add_test(scenario, new_sender_is_not_held);
	tcase_add_test(scenario, judging_is_pure);
	tcase_add_test(scenario, new_site_stops_only_what_is_clear);
	tcase_add_test(scenario, site_score_raises_the_bar);
	tcase_add_loop_test(signal, signal_values, 0, (int)(sizeof(signals) / sizeof(*signals)));
	tcase_add_loop_test(signal, signal_sentences, 0, (int)judge_signal_count);
	tcase_add_loop_test(signal, signal_is_in_the_shipped_scorecard, 0, (int)judge_signal_count);
	tcase_add_test(scenario, order_does_not_matter);
	tcase_add_loop_test(signal, text_values, 0, (int)(sizeof(texts) / sizeof(*texts)));
	tcase_add_loop_test(signal, what_is_said_is_true, 0, (int)(sizeof(said) / sizeof(*said)));
	tcase_add_test(signal, answer_below_is_not_there);
	tcase_add_test(signal, a_colleagues_domain_is_inside);
	tcase_add_test(signal, greeted_by_display_name);
	tcase_add_test(signal, look_lookalike_name);
	tcase_add_test(signal, a_first_domain_needs_a_habit);
	tcase_add_loop_test(signal, wrong_account, 0, (int)(sizeof(accounts) / sizeof(*accounts)));
	tcase_add_test(signal, newsletter_is_regular);
	tcase_add_test(scenario, friday_newsletter_passes);
	tcase_add_test(scenario, regular_size_class_passes);
	tcase_add_test(signal, lists_count_their_people);
	tcase_add_test(signal, audiences_are_called_by_what_is_known);
	tcase_add_test(signal, group_habit_is_remembered);
	tcase_add_test(signal, list_leaves_a_mark);
	tcase_add_test(signal, list_leaves_a_mark_by_author);
	tcase_add_loop_test(
	    signal, no_older_mail_is_answered, 0, (int)(sizeof(earlier) / sizeof(*earlier)));
	tcase_add_test(signal, a_guess_is_no_answer_to_all);
	tcase_add_test(scenario, first_reason_names_the_stranger);
	tcase_add_test(scenario, site_score_raises_the_tag);
	tcase_add_test(scenario, body_is_wanted_when_it_matters);
	suite_add_tcase(suite, card);
	suite_add_tcase(suite, scenario);
	suite_add_tcase(suite, signal);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
