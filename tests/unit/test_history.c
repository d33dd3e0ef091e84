/* Memory: records and their bounds, observations, keys, the store behind it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/history/internal.h"
#include "tests/unit/past.h"
#include "tests/unit/folder.h"

#define ME "p0@example.com"

static uint64_t seed;

/* A number from a fixed sequence. */
static uint64_t
next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int
hash_compare(const void *a, const void *b)
{
	uint64_t left = ((const struct history_person *)a)->hash;
	uint64_t right = ((const struct history_person *)b)->hash;

	return left < right ? -1 : left > right;
}

/* A send to `count` people: most of them out of 400, now and then one out of `world`. */
static struct history_observation
observation_random(struct history_person *people, size_t count, uint64_t world, int64_t now)
{
	struct history_observation observation = {
		.time = now,
		.score = 0.1,
		.is_send = true,
		.sender = 1,
		.people = people,
	};

	for (size_t i = 0; i < count; i++)
		people[i] = (struct history_person){
			.hash = (2 + next() % (next() % 16 ? 400 : world)) *
				UINT64_C(0x9e3779b97f4a7c15),
			.places = HISTORY_IN_ENVELOPE,
			.name = (uint32_t)next(),
		};
	qsort(people, count, sizeof(*people), hash_compare);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || people[i].hash != people[i - 1].hash)
			people[observation.person_count++] = people[i];
	observation.recipient_count = (uint32_t)observation.person_count;
	observation.people_count = observation.recipient_count;
	observation.member_count = observation.recipient_count + 1;
	for (size_t i = 0; i < observation.person_count; i++)
		observation.recipient_sum += people[i].hash;
	observation.member_sum = observation.recipient_sum + 1;
	return observation;
}

/* One profile learns a send and, in between, receives mail. */
static void
profile_learn(struct base_arena *arena, struct history_profile *profile,
    const struct history_observation *observation)
{
	uint64_t hashes[300];
	struct history_parent answer;
	struct history_observation received_from = *observation;

	for (size_t i = 0; i < observation->person_count; i++)
		hashes[i] = observation->people[i].hash;
	answer = history_parent_find(profile, NULL, 1, hashes, observation->person_count,
	    observation->person_count, observation->time);
	ck_assert_int_eq(history_profile_sent(arena, profile, observation, hashes,
			     observation->person_count, &answer),
	    BASE_OK);
	received_from.sender = observation->people[0].hash;
	ck_assert_int_eq(history_profile_received(arena, profile, 1, &received_from), BASE_OK);
}

/* The encoded record, for comparing. */
static size_t
profile_bytes(struct base_arena *arena, const struct history_profile *profile, const void **data)
{
	size_t length;

	ck_assert_int_eq(history_profile_encode(arena, profile, data, &length), BASE_OK);
	return length;
}

START_TEST(profile_round_trips_and_is_bounded)
{
	struct base_arena *arena = base_arena_new(64u << 20);
	struct base_arena *scratch = base_arena_new(1u << 20);
	struct history_profile *profile = history_profile_new(arena, 1000000000), *again;
	struct history_person people[300];
	const void *data, *same;
	size_t length, largest = 0;

	seed = 42;
	for (unsigned i = 0; i < 1000000; i++) {
		size_t count = i % 500 == 0 ? 300 : 1 + next() % 4;
		struct history_observation observation =
		    observation_random(people, count, 20000, 1000000000 + (int64_t)i * 600);

		observation.knows_domains = true;
		observation.domain_count = i % 3;
		observation.domains[0] = next() % 200;
		observation.domains[1] = next();
		profile_learn(arena, profile, &observation);
		if (i % 50000 != 0)
			continue;
		base_arena_reset(scratch);
		length = profile_bytes(scratch, profile, &data);
		largest = length > largest ? length : largest;
		ck_assert_int_eq(history_profile_decode(scratch, data, length, &again), BASE_OK);
		ck_assert_uint_eq(profile_bytes(scratch, again, &same), length);
		ck_assert_mem_eq(data, same, length);
	}
	ck_assert_uint_eq(profile->sends, 1000000);
	ck_assert_uint_eq(profile->contact_count, HISTORY_MAX_CONTACTS);
	ck_assert_uint_eq(profile->sent_count, HISTORY_MAX_SENT);
	ck_assert_uint_eq(profile->received_count, HISTORY_MAX_RECEIVED);
	ck_assert_uint_eq(profile->list_count, HISTORY_MAX_LISTS);
	ck_assert_uint_eq(profile->domain_count, HISTORY_MAX_DOMAINS);
	ck_assert_uint_gt(largest, 10000);
	ck_assert_uint_le(largest, HISTORY_MAX_RECORD);
	/* Nineteen years later the weights are still those of recent months. */
	ck_assert_double_lt(
	    profile->total * history_fade(profile->epoch, profile->last), 144. * 90 * 1.5);
	base_arena_free(&arena);
	base_arena_free(&scratch);
}
END_TEST

/* Whom somebody was asked about once stays so, as bytes and beside many later audiences. */
START_TEST(confirmed_audiences_stay_confirmed)
{
	struct base_arena *arena = base_arena_new(16u << 20);
	struct history_profile *profile = history_profile_new(arena, 1000000000), *again;
	struct history_person people[30], others[30];
	struct history_observation observation, taken;
	size_t length, confirmed = 0;
	const void *data;

	seed = 5;
	observation = observation_random(people, 20, 400, 1000000000);
	observation.is_confirmed = true;
	ck_assert_int_eq(history_observation_encode(arena, &observation, &data, &length), BASE_OK);
	ck_assert_int_eq(history_observation_decode(arena, data, length, &taken), BASE_OK);
	profile_learn(arena, profile, &taken);
	for (int i = 0; i < 100; i++) {
		taken = observation_random(others, 20, 400, 1000000000 + i * 86400);
		profile_learn(arena, profile, &taken);
	}
	ck_assert_int_eq(history_profile_encode(arena, profile, &data, &length), BASE_OK);
	ck_assert_int_eq(history_profile_decode(arena, data, length, &again), BASE_OK);
	ck_assert_uint_eq(again->sent_count, HISTORY_MAX_SENT);
	for (size_t i = 0; i < again->sent_count; i++)
		if (again->sent[i].is_confirmed) {
			ck_assert_uint_eq(again->sent[i].sum, observation.recipient_sum);
			confirmed++;
		}
	ck_assert_uint_eq(confirmed, 1);
	base_arena_free(&arena);
}
END_TEST

/* Any bytes: a whole record, or none. */
START_TEST(corrupt_records_are_unknown)
{
	struct base_arena *arena = base_arena_new(64u << 20);
	struct history_profile *profile = history_profile_new(arena, 1000000000), *again;
	struct history_thread thread = { .originator = 5, .size = 1, .time = 9 }, *thread_again;
	struct history_global site = { .epoch = 7 }, *site_again;
	struct history_person people[300];
	struct base_arena *scratch = base_arena_new(1u << 20);
	const void *data;
	size_t length;

	seed = 7;
	for (unsigned i = 0; i < 50; i++) {
		struct history_observation observation =
		    observation_random(people, 6, 100, 1000000000 + i * 60);

		profile_learn(arena, profile, &observation);
		history_thread_observe(&thread, &observation, NULL, &(struct history_parent){ 0 });
	}
	for (int kind = 0; kind < 3; kind++) {
		enum base_result result =
		    kind == 0   ? history_profile_encode(arena, profile, &data, &length)
		    : kind == 1 ? history_thread_encode(arena, &thread, &data, &length)
				: history_global_encode(arena, &site, &data, &length);

		ck_assert_int_eq(result, BASE_OK);
		for (size_t cut = 0; cut <= length + 400; cut++) {
			unsigned char *copy;
			size_t copied = cut < length ? cut : length;

			base_arena_reset(scratch);
			copy = base_arena_alloc(scratch, length + 1);
			memcpy(copy, data, length);
			for (size_t i = 0; cut > length && i < 3; i++)
				copy[next() % length] = (unsigned char)next();
			result = kind == 0 ? history_profile_decode(scratch, copy, copied, &again)
				 : kind == 1
				     ? history_thread_decode(scratch, copy, copied, &thread_again)
				     : history_global_decode(scratch, copy, copied, &site_again);
			if (cut < length)
				ck_assert_int_eq(result, BASE_NONE);
			else if (cut == length)
				ck_assert_int_eq(result, BASE_OK);
			else
				ck_assert(result == BASE_OK || result == BASE_NONE);
		}
		base_arena_reset(scratch);
		ck_assert_int_eq(history_profile_decode(scratch,
				     "\x7f"
				     "p",
				     2, &again),
		    BASE_NONE);
	}
	base_arena_free(&arena);
	base_arena_free(&scratch);
}
END_TEST

START_TEST(observation_round_trips_and_holds_no_address)
{
	struct past past;
	struct mail_transaction *mail;
	struct history_observation observation;
	const void *data, *same;
	size_t length, again;
	const char *why = "";

	past_begin(&past);
	mail = past_mail(&past, ME, past_people(past.arena, 0, 2000), "id@x", "up@x");
	mail->names[0] = (struct mail_name){ .address = "list@example.com", .name = "Example Ann" };
	mail->name_count = 1;
	mail->to = past_addresses(past.arena, "p1@example.com,list@example.com");
	ck_assert_int_eq(
	    history_observation(past.key, past.arena, ME, mail, 0, 0.25, &data, &length, &why),
	    BASE_OK);
	ck_assert_uint_le(length, 85 + 9 * HISTORY_OBSERVATION_PEOPLE);
	ck_assert_ptr_null(memmem(data, length, "example", 7));
	ck_assert_int_eq(
	    history_observation_decode(past.arena, data, length, &observation), BASE_OK);
	ck_assert_uint_eq(observation.recipient_count, 1999);
	ck_assert_uint_eq(observation.member_count, 2001);
	ck_assert_uint_eq(observation.people_count, 1999);
	ck_assert(observation.is_send && observation.has_header && observation.score == 0.25);
	ck_assert_int_eq(
	    history_observation_encode(past.arena, &observation, &same, &again), BASE_OK);
	ck_assert_uint_eq(again, length);
	ck_assert_mem_eq(same, data, length);
	for (size_t cut = 0; cut < length; cut += 7)
		ck_assert_int_eq(
		    history_observation_decode(past.arena, data, cut, &observation), BASE_REFUSE);
	ck_assert_int_eq(history_observe(past.history, data, 12, &why), BASE_REFUSE);
	past_end(&past);
}
END_TEST

#define PROFILE_HEAD 114 /* bytes up to where domains are counted */
/* of what version 2 has not, from there */
#define PROFILE_NEW (5 + HISTORY_SIZE_CLASSES * 16)
#define PROFILE_SENT 28 /* of an audience, up to what is new */

/* Bytes of a profile's contacts. */
static size_t
contacts_length(const struct history_profile *profile)
{
	size_t length = 0;

	for (size_t i = 0; i < profile->contact_count; i++)
		length += 9 + (profile->contacts[i].last_sent ? 20 : 0) +
			  (profile->contacts[i].last_received ? 10 : 0) +
			  (profile->contacts[i].name ? 4 : 0);
	return length;
}

/* What a program of before domains and rhythms were kept has written, of one audience. */
static size_t
profile_older(const struct history_profile *profile, const unsigned char *data, size_t length,
    unsigned char *old_r)
{
	unsigned char *at = old_r;
	size_t head = PROFILE_HEAD + PROFILE_NEW;
	size_t sent = head + contacts_length(profile) + PROFILE_SENT;

	at = mempcpy(at, data, PROFILE_HEAD);
	at = mempcpy(at, data + head, sent - head);
	at = mempcpy(at, data + sent + 9, length - sent - 9);
	old_r[0] = 2;
	return (size_t)(at - old_r);
}

START_TEST(older_profiles_are_understood)
{
	struct base_arena *arena = base_arena_new(1u << 20);
	struct history_profile *profile = history_profile_new(arena, 1000000000), *again;
	struct history_person people[4];
	struct history_observation observation = observation_random(people, 4, 100, 1000000000);
	unsigned char old[4000];
	const void *data;
	size_t length;

	seed = 3;
	observation = observation_random(people, 4, 100, 1000000000);
	for (int week = 0; week < 3; week++) {
		profile_learn(arena, profile, &observation);
		observation.time += 7 * 86400;
	}
	ck_assert_int_eq(history_profile_encode(arena, profile, &data, &length), BASE_OK);
	ck_assert_uint_le(length, sizeof(old));
	ck_assert_uint_eq(profile->sent_count, 1);
	length = profile_older(profile, data, length, old);
	ck_assert_int_eq(history_profile_decode(arena, old, length, &again), BASE_OK);
	ck_assert_uint_eq(again->sends, 3);
	ck_assert_uint_eq(again->sent[0].rhythm.count, 3);
	ck_assert_uint_eq(again->sent[0].rhythm.last, 1000000000 + 14 * 86400);
	ck_assert_double_eq(again->sent[0].rhythm.gap, 7 * 86400);
	ck_assert_uint_eq(again->rhythms[2].count, 0);
	ck_assert_uint_eq(again->contact_count, profile->contact_count);
	ck_assert_uint_eq(again->list_count, profile->list_count);
	ck_assert_uint_eq(again->domain_count, 0);
	ck_assert_uint_eq(again->domain_sends, 0);
	for (unsigned version = 0; version < 256; version++) {
		old[0] = (unsigned char)version;
		if (version != 2)
			ck_assert_int_eq(
			    history_profile_decode(arena, old, length, &again), BASE_NONE);
	}
	base_arena_free(&arena);
}
END_TEST

/* --- rhythms ----------------------------------------------------------------------- */

#define WHEN_MAX 10

/* Sends on these days; is there a rhythm, and is the next one due on another day? */
static const struct {
	double days[WHEN_MAX]; /* the last one 0 */
	bool is_steady;
	double day;
	bool is_due;
} rhythms[] = {
	{ { 5, 12, 19 }, true, 26, true },
	{ { 5, 12 }, false, 19, false },
	{ { 5, 12, 19 }, true, 25.1, true },
	{ { 5, 12, 19 }, true, 23, false }, /* a Tuesday */
	{ { 5, 12, 19 }, true, 29, false },
	{ { 5, 12, 19 }, true, 19.3, false },
	{ { 5, 12, 19 }, true, 33, true },  /* one was left out */
	{ { 5, 12, 19 }, true, 61, false }, /* over long ago */
	{ { 5, 12, 19.1, 25.9, 33 }, true, 40, true },
	{ { 5, 12, 19, 33, 40 }, true, 47, true },     /* a holiday between */
	{ { 5, 12, 12.1, 19, 19.2 }, true, 26, true }, /* with corrections */
	{ { 1, 2, 3, 4, 5, 8, 9, 10, 11 }, true, 12, true },
	{ { 1, 2, 3, 4, 5, 8, 9, 10, 11 }, true, 12.5, false },
	{ { 1, 31, 61, 92, 122 }, true, 153, true },
	{ { 1, 1.3, 1.6, 1.9, 2.2, 2.5 }, false, 2.8, false }, /* all day long */
	{ { 1, 4, 5, 11, 12, 20, 22, 23, 31 }, false, 35, false },
	{ { 5, 12, 14 }, false, 21, false },
};

START_TEST(rhythms_are_found)
{
	struct history_rhythm rhythm = { 0 };
	int64_t begin = 1700000000;

	for (size_t i = 0; i < WHEN_MAX && rhythms[_i].days[i] > 0; i++)
		history_rhythm_observe(&rhythm, begin + (int64_t)(rhythms[_i].days[i] * 86400));
	ck_assert_msg(history_rhythm_is_steady(&rhythm) == rhythms[_i].is_steady,
	    "gap %f deviation %f", (double)rhythm.gap / 86400, (double)rhythm.deviation / 86400);
	ck_assert(history_rhythm_is_due(&rhythm, begin + (int64_t)(rhythms[_i].day * 86400)) ==
		  rhythms[_i].is_due);
	/* older mail that is learned late changes nothing */
	history_rhythm_observe(&rhythm, begin);
	ck_assert(history_rhythm_is_steady(&rhythm) == rhythms[_i].is_steady);
}
END_TEST

/* --- names ------------------------------------------------------------------------- */

static const struct {
	const char *one, *other;
	bool is_same;
} spellings[] = {
	{ "Ann Smith", "ann  SMITH", true },
	{ "Ann Smith", "Smith, Ann", true },
	{ "Ann Smith", "\"Ann\" Smith (Sales)", true },
	{ "Ann Smith", "Ann Smith | Example Ltd", true },
	{ "Anne-Marie O'Neil", "anne marie o\xE2\x80\x99neil", true },
	{ "J\xC3\x9CRGEN \xC5\x81OZI\xC5\x83SKI", "j\xC3\xBCrgen \xC5\x82ozi\xC5\x84ski", true },
	{ "\xD0\x90\xD0\xBD\xD0\xBD\xD0\xB0 \xD0\x81\xD0\xB6",
	    "\xD0\xB0\xD0\xBD\xD0\xBD\xD0\xB0 \xD1\x91\xD0\xB6", true },
	{ "Ann Smith", "Ann Smyth", false },
	{ "Ann Smith", "Ann B Smith", false },
};

START_TEST(names_are_lookalike_in_any_form)
{
	static const char *const none[] = { "", "Ann", "a@b.example", "Ann ann@b.example", "A B",
		"Ann Smith via List", "one two three four five six seven", "\xC3", "\xE2\x80",
		"\xFF\xFE \x80\x80", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeee Smith" };
	struct past past;

	past_begin(&past);
	for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++) {
		uint32_t one = history_name_hash(past.key, spellings[i].one);

		ck_assert_uint_ne(one, 0);
		ck_assert_msg((one == history_name_hash(past.key, spellings[i].other)) ==
				  spellings[i].is_same,
		    "%s and %s", spellings[i].one, spellings[i].other);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		ck_assert_msg(history_name_hash(past.key, none[i]) == 0, "%s is a name", none[i]);
	past_end(&past);
}
END_TEST

/* A mail to one named person. */
static struct mail_transaction *
mail_named(struct past *past, const char *sender, const char *name, const char *address)
{
	struct mail_transaction *mail = past_mail(past, sender, address, "", "");

	mail->to = mail->recipients;
	mail->names[0] = (struct mail_name){ .address = address, .name = name };
	mail->name_count = 1;
	return mail;
}

/* The recipient that the transaction has at a place. */
static const struct history_recipient *
recipient_at(const struct judge_facts *facts, size_t index)
{
	for (size_t i = 0; i < facts->recall->count; i++)
		if (facts->recall->recipients[i].index == index)
			return &facts->recall->recipients[i];
	ck_abort_msg("there is no recipient %zu", index);
}

/* The contact that p0 knows by the name in this mail. */
static uint64_t
name_found(struct past *past, const char *name, const char *address)
{
	struct judge_facts facts = past_facts(past, mail_named(past, ME, name, address));

	ck_assert(facts.recall->knows_lookalikes);
	return recipient_at(&facts, 0)->lookalike_name;
}

/* Own mails tell names in To and Cc, received ones in From. */
START_TEST(names_are_learned)
{
	struct past past;
	struct judge_facts facts;
	struct mail_transaction *mail;
	struct history_profile *again;
	const void *data;
	size_t length;
	uint64_t ann, bob;

	past_begin(&past);
	ann = history_hash(past.key, "ann@else.org");
	bob = history_hash(past.key, "bob@else.org");
	past_learn(&past, ME, mail_named(&past, ME, "Ann Smith", "ann@else.org"));
	ck_assert_uint_eq(name_found(&past, "Smith, Ann", "ann@other.org"), ann);
	ck_assert_uint_eq(name_found(&past, "Ann Smith", "ann@else.org"), 0);
	ck_assert_uint_eq(name_found(&past, "Ann Jones", "ann@other.org"), 0);
	ck_assert_uint_eq(name_found(&past, "Ann", "ann@other.org"), 0);
	/* who was only heard from is no usual contact */
	mail = past_mail(&past, "bob@else.org", ME, "", "");
	mail->from_name = "Bob Brown";
	past_learn(&past, "", mail);
	ck_assert_uint_eq(name_found(&past, "Bob Brown", "bob@other.org"), 0);
	past_send(&past, ME, "bob@else.org", "", "");
	ck_assert_uint_eq(name_found(&past, "Bob Brown", "bob@other.org"), bob);
	/* the name of somebody else's From is not the sender's */
	mail = past_mail(&past, "bob@else.org", ME, "", "");
	mail->from = "eve@else.org";
	mail->from_name = "Eve Black";
	past_learn(&past, "bob@else.org", mail);
	ck_assert_uint_eq(name_found(&past, "Eve Black", "eve@other.org"), 0);
	/* both are recipients: no mistake */
	mail = mail_named(&past, ME, "Ann Smith", "ann@other.org");
	mail->recipients = past_addresses(past.arena, "ann@other.org,ann@else.org");
	facts = past_facts(&past, mail);
	ck_assert_uint_eq(recipient_at(&facts, 0)->lookalike_name, 0);

	ck_assert_int_eq(
	    history_profile_encode(past.arena, facts.recall->records->profile, &data, &length),
	    BASE_OK);
	ck_assert_int_eq(history_profile_decode(past.arena, data, length, &again), BASE_OK);
	ck_assert_uint_eq(
	    history_contact_find(again, ann)->name, history_name_hash(past.key, "Ann Smith"));
	ck_assert_uint_eq(
	    history_contact_find(again, bob)->name, history_name_hash(past.key, "Bob Brown"));
	past_end(&past);
}
END_TEST

/* Who writes to ever new domains keeps the latest ones. */
START_TEST(domains_are_remembered)
{
	struct past past;
	struct judge_facts facts;
	const struct history_profile *profile;
	struct history_profile *again;
	const void *data;
	size_t length;

	past_begin(&past);
	past_send(&past, ME, "p1@example.com,x@mail.example.com,local", "", "");
	for (unsigned i = 0; i < HISTORY_MAX_DOMAINS + 5; i++) {
		past_send(&past, ME,
		    base_arena_printf(past.arena, "a@o%u.org,b@o%u.org,p1@example.com", i, i), "",
		    "");
		past_send(&past, ME, "a@o0.org", "", "");
	}
	past_send(&past, "a@o3.org", ME ",b@o9.com", "", "");
	facts = past_facts(&past, past_mail(&past, ME,
				      "p2@example.com,a@o0.org,c@o1.org,d@o68.org,e@"
				      "o9.com,local,f@example.com.org",
				      "", ""));
	profile = facts.recall->records->profile;
	ck_assert_uint_eq(profile->domain_count, HISTORY_MAX_DOMAINS);
	ck_assert_uint_eq(profile->domain_sends, 1 + 2 * (HISTORY_MAX_DOMAINS + 5));
	ck_assert_uint_eq(recipient_at(&facts, 0)->domain, HISTORY_DOMAIN_OWN);
	ck_assert_uint_eq(recipient_at(&facts, 1)->domain, HISTORY_DOMAIN_KNOWN);
	ck_assert_uint_eq(recipient_at(&facts, 2)->domain, HISTORY_DOMAIN_NEW);
	ck_assert_uint_eq(recipient_at(&facts, 3)->domain, HISTORY_DOMAIN_KNOWN);
	ck_assert_uint_eq(recipient_at(&facts, 4)->domain, HISTORY_DOMAIN_NEW);
	ck_assert_uint_eq(recipient_at(&facts, 5)->domain, HISTORY_DOMAIN_OWN);
	ck_assert_uint_eq(recipient_at(&facts, 6)->domain, HISTORY_DOMAIN_NEW);
	ck_assert_int_eq(history_profile_encode(past.arena, profile, &data, &length), BASE_OK);
	ck_assert_int_eq(history_profile_decode(past.arena, data, length, &again), BASE_OK);
	ck_assert_uint_eq(again->domain_sends, profile->domain_sends);
	ck_assert_mem_eq(
	    again->domains, profile->domains, HISTORY_MAX_DOMAINS * sizeof(*profile->domains));
	/* a stranger's profile knows of none */
	facts = past_facts(&past, past_mail(&past, "new@example.com", "a@o0.org", "", ""));
	ck_assert(!facts.recall->knows_domains);
	past_end(&past);
}
END_TEST

/* Observations of versions that did not count people or domains are still worth something. */
START_TEST(older_observations_are_understood)
{
	struct base_arena *arena = base_arena_new(1u << 16);
	struct history_person people[3];
	struct history_observation observation = observation_random(people, 3, 100, 1000000000),
				   again;
	const void *data;
	unsigned char old[200];
	size_t length;

	ck_assert_int_eq(history_observation_encode(arena, &observation, &data, &length), BASE_OK);
	ck_assert_uint_le(length, sizeof(old));
	/* 2: neither domains nor names */
	memcpy(old, data, 70);
	memcpy(old + 70, (const unsigned char *)data + 75, length - 75);
	old[0] = 2;
	ck_assert_int_eq(history_observation_decode(arena, old, length - 5, &again), BASE_OK);
	ck_assert_uint_eq(again.people_count, observation.people_count);
	ck_assert_uint_eq(again.person_count, observation.person_count);
	ck_assert(!again.knows_domains);
	/* 1: nor people */
	memmove(old + 54, old + 58, length - 58);
	old[0] = 1;
	ck_assert_int_eq(history_observation_decode(arena, old, length - 9, &again), BASE_OK);
	ck_assert_uint_eq(again.people_count, observation.recipient_count);
	ck_assert_uint_eq(again.member_sum, observation.member_sum);
	old[0] = 4;
	ck_assert_int_eq(history_observation_decode(arena, old, length - 9, &again), BASE_REFUSE);
	base_arena_free(&arena);
}
END_TEST

/* The same address is another number at another site. */
START_TEST(keys_differ_per_site)
{
	unsigned char bytes[32] = { 1 };
	struct base_key *one, *two;
	const char *why = "";

	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	ck_assert_int_eq(base_key_from_bytes(bytes, &one), BASE_OK);
	bytes[31] = 1;
	ck_assert_int_eq(base_key_from_bytes(bytes, &two), BASE_OK);
	ck_assert_uint_eq(history_hash(one, ME), history_hash(one, ME));
	ck_assert_uint_ne(history_hash(one, ME), history_hash(two, ME));
	base_key_free(&one);
	base_key_free(&two);
}
END_TEST

/* --- with a store ------------------------------------------------------------------ */

static char directory[] = "/tmp/oops-test-memory-XXXXXX";

/* The history goes on where it was, in a memory over a store. */
static void
history_reopen(struct past *past)
{
	struct history_options options = {
		.driver = "sqlite", .directory = directory, .create = true
	};
	const char *why = "";

	history_close(&past->history);
	ck_assert_msg(history_open(&options, &past->history, &why) == BASE_OK, "%s", why);
}

START_TEST(store_keeps_what_was_learned)
{
	struct past past;
	struct past_verdict verdict;
	struct judge_facts facts;
	const char *others, *why = "";

	folder_make(directory);
	past_begin(&past);
	history_reopen(&past);
	past_teach(&past, 25);
	past_send(&past, "p41@example.com", past_people(past.arena, 0, 40), "all@x", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	others =
	    base_arena_printf(past.arena, "p41@example.com,%s", past_people(past.arena, 1, 39));
	for (int i = 0; i < 2; i++) {
		facts = past_facts(&past, past_mail(&past, ME, others, "r@x", "all@x"));
		ck_assert_ptr_nonnull(facts.recall->records->profile);
		ck_assert_uint_eq(facts.recall->records->profile->sends, 25);
		ck_assert_ptr_nonnull(facts.recall->records->thread);
		ck_assert_uint_eq(facts.recall->records->thread->size, 41);
		ck_assert_uint_eq(facts.recall->records->site->sends, 31);
		verdict = past_judge(&past, ME, others, "r@x", "all@x");
		ck_assert_int_eq(verdict.action, SETTINGS_CONFIRM);
		history_reopen(&past);
	}
	/* Closing writes what is still queued. */
	past_send(&past, ME, others, "r@x", "all@x");
	history_reopen(&past);
	verdict = past_judge(&past, ME, others, "r2@x", "all@x");
	ck_assert_int_eq(verdict.action, SETTINGS_TAG);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* What is learned shows within a second, without a flush; the store holds no address. */
START_TEST(learning_shows_soon)
{
	struct past past;
	struct judge_facts facts;
	int waited = 0;
	char command[200];

	folder_make(directory);
	past_begin(&past);
	history_reopen(&past);
	past_send(&past, ME, "someone@example.com", "id@x", "");
	do {
		base_sleep_ms(50);
		facts = past_facts(&past, past_mail(&past, ME, "p1@example.com", "r@x", ""));
	} while (!facts.recall->records->profile && ++waited < 20);
	ck_assert_ptr_nonnull(facts.recall->records->profile);
	history_reopen(&past);
	snprintf(command, sizeof(command), "! grep -rqi -e example -e someone %s", directory);
	ck_assert_int_eq(system(command), 0);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* The observation of a mail to these people, as bytes. */
static const void *
observation_of(struct past *past, const char *recipients, const char *id, size_t *length_r)
{
	const void *observation = NULL;
	const char *why = "";

	ck_assert_int_eq(
	    history_observation(past->key, past->arena, ME, past_mail(past, ME, recipients, id, ""),
		0, 0.01, &observation, length_r, &why),
	    BASE_OK);
	return observation;
}

/* The parts of one send: what knows more takes the place of what still waits. */
START_TEST(parts_teach_one_audience)
{
	static const char *const parts[] = { "p1@example.com,p2@example.com",
		"p1@example.com,p2@example.com,p3@example.com" };
	struct past past;
	struct judge_facts facts;
	const void *observation;
	const char *why = "";
	size_t length;

	folder_make(directory);
	past_begin(&past);
	history_reopen(&past);
	observation = observation_of(&past, parts[0], "id@x", &length);
	ck_assert_int_eq(history_observe(past.history, observation, length, &why), BASE_OK);
	observation = observation_of(&past, parts[0], "other@x", &length);
	ck_assert_int_eq(history_observe(past.history, observation, length, &why), BASE_OK);
	observation = observation_of(&past, parts[1], "id@x", &length);
	ck_assert_int_eq(history_observe_instead(past.history, observation, length, &why), BASE_OK);
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	facts = past_facts(&past, past_mail(&past, ME, parts[1], "r@x", ""));
	ck_assert_uint_eq(facts.recall->records->profile->sends, 2);
	ck_assert_uint_eq(facts.recall->records->profile->largest, 3);
	/* once it is written, nothing waits: it is learned beside it */
	ck_assert_int_eq(history_observe_instead(past.history, observation, length, &why), BASE_OK);
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	facts = past_facts(&past, past_mail(&past, ME, parts[1], "r@x", ""));
	ck_assert_uint_eq(facts.recall->records->profile->sends, 3);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* Inbound mail: its thread, and who is heard from; nobody's habits. */
START_TEST(inbound_teaches_threads)
{
	struct past past;
	struct mail_transaction *mail;
	struct judge_facts facts;

	past_begin(&past);
	mail = past_mail(&past, "out@else.org", ME, "in@x", "");
	mail->to = past_addresses(past.arena, "p5@example.com,p6@example.com");
	past_learn(&past, "", mail);
	facts = past_facts(&past, past_mail(&past, ME, "out@else.org", "r@x", "in@x"));
	ck_assert_ptr_nonnull(facts.recall->records->thread);
	ck_assert_uint_eq(facts.recall->records->thread->size, 4);
	ck_assert_uint_eq(facts.recall->records->thread->hidden_count, 1);
	ck_assert_uint_eq(facts.recall->records->thread->hidden[0], facts.recall->actor);
	ck_assert_ptr_nonnull(facts.recall->records->profile);
	ck_assert_uint_eq(facts.recall->records->profile->sends, 0);
	ck_assert_uint_eq(facts.recall->records->profile->received, 1);
	ck_assert_ptr_null(facts.recall->records->site);
	facts = past_facts(&past, past_mail(&past, "out@else.org", ME, "r@x", ""));
	ck_assert_ptr_null(facts.recall->records->profile);
	past_end(&past);
}
END_TEST

/* The score that 999 of 1,000 stay below. */
START_TEST(site_score_is_the_percentile)
{
	struct history_global site = { 0 };
	struct history_observation observation = {
		.time = 1700000000, .recipient_count = 1, .people_count = 1
	};
	struct history_parent answer = { 0 };
	struct history_calibration calibration = HISTORY_CALIBRATION;

	for (int i = 0; i < 999; i++) {
		observation.score = 0.05;
		history_global_observe(&site, &observation, &answer, 3000);
	}
	ck_assert_double_eq(history_global_score(&site, &calibration), 0);
	for (int i = 0; i < 4001; i++) {
		observation.score = i < 20 ? 0.95 : 0.05;
		history_global_observe(&site, &observation, &answer, 3000);
	}
	/* 20 of 5,000 are above: the 99.9th is among them, the 99.5th is not. */
	ck_assert_double_eq_tol(history_global_score(&site, &calibration), 0.95, 0.005);
	calibration.quantile = 0.995;
	ck_assert_double_eq_tol(history_global_score(&site, &calibration), 0.05, 0.005);
	/* at most so much of the share above is used */
	calibration.margin = 0.3;
	ck_assert_double_eq_tol(history_global_score(&site, &calibration), 0.95, 0.005);
	calibration = HISTORY_CALIBRATION;
	calibration.needed = 5001;
	ck_assert_double_eq(history_global_score(&site, &calibration), 0);
	/* with a short half-life the 20 are forgotten sooner */
	calibration.needed = 1000;
	observation.score = 0.05;
	for (int i = 0; i < 3000; i++)
		history_global_observe(&site, &observation, &answer, 200);
	ck_assert_double_eq_tol(history_global_score(&site, &calibration), 0.05, 0.005);
}
END_TEST

/*
 * Two of 2,000 are one in a thousand, of which 0.8 is used: 1.6. The tail is twice as wide:
 * four, at log odds of 5, 5.2, 5.4 and 9, of which the mean excess over 5 is 1.15. So the bar is
 * at 5 + 1.15 * ln(4 / 1.6) = 6.05, and not where one of the four happens to be.
 */
START_TEST(site_score_is_reported_by_its_tail)
{
	static const double tail[] = { 5, 5.2, 5.4, 9 };
	struct history_global site = { 0 };
	struct history_observation observation = {
		.time = 1700000000, .recipient_count = 1, .people_count = 1
	};
	struct history_parent answer = { 0 };
	struct history_calibration calibration = HISTORY_CALIBRATION;
	double score;

	calibration.margin = 0.8;
	for (int i = 0; i < 2000; i++) {
		observation.score = i < 4 ? 1 / (1 + exp(-tail[i])) : 0.05;
		history_global_observe(&site, &observation, &answer, 1e9);
	}
	score = history_global_score(&site, &calibration);
	ck_assert_double_eq_tol(log(score / (1 - score)), 6.05, 0.03);
}
END_TEST

/* A send of this score is learned. */
static void
scored_send(struct past *past, double score)
{
	const struct mail_transaction *mail = past_mail(past, ME, "p5@example.com", "", "");
	const char *why = "";
	const void *observation;
	size_t length;

	ck_assert_int_eq(history_observation(past->key, past->arena, ME, mail, 0, score,
			     &observation, &length, &why),
	    BASE_OK);
	ck_assert_int_eq(history_observe(past->history, observation, length, &why), BASE_OK);
}

/* A tag has a percentile of its own, which is never above the one of a stop. */
START_TEST(tag_percentile_is_settable)
{
	static const struct {
		double tag_quantile, score;
	} rows[] = { { 0.99, 0.05 }, { 0.9999, 0.95 }, { 0.998, 0.95 }, { 0.5, 0.05 } };
	struct past past;
	struct history_calibration calibration = HISTORY_CALIBRATION;

	past_begin(&past);
	for (int i = 0; i < 1000; i++)
		scored_send(&past, i % 200 == 0 ? 0.95 : 0.05);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct judge_facts facts;

		calibration.tag_quantile = rows[i].tag_quantile;
		history_calibrate(past.history, &calibration);
		facts = past_facts(&past, past_mail(&past, ME, "p5@example.com", "r@x", ""));
		ck_assert_double_eq_tol(facts.recall->site_score, 0.95, 0.005);
		ck_assert_double_eq_tol(facts.recall->site_tag_score, rows[i].score, 0.005);
	}
	past_end(&past);
}
END_TEST

/* --- another key -------------------------------------------------------------------- */

#define OLD_KEY "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"
#define NEW_KEY "100102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"

/* The history's key from a file with this text. */
static void
key_change(struct past *past, const char *text)
{
	char path[100];
	const char *why = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/key", directory);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	chmod(path, 0600);
	base_key_free(&past->key);
	ck_assert_msg(base_key_load(path, &past->key, &why) == BASE_OK, "%s", why);
}

/* How many sends of p0's are known now. */
static unsigned
sends_known(struct past *past)
{
	struct judge_facts facts;
	const char *why = "";

	ck_assert_int_eq(history_flush(past->history, &why), BASE_OK);
	facts = past_facts(past, past_mail(past, ME, "p1@example.com", "r@x", ""));
	return facts.recall->records->profile ? facts.recall->records->profile->sends : 0;
}

/* While the old key is valid all is known; then what was learned since the new one came. */
START_TEST(history_outlives_its_key)
{
	struct past past;

	folder_make(directory);
	past_begin(&past);
	history_reopen(&past);
	key_change(&past, OLD_KEY "\n");
	past_send(&past, ME, "p1@example.com", "a@x", "");
	past_send(&past, ME, "p1@example.com", "b@x", "");
	ck_assert_uint_eq(sends_known(&past), 2);
	key_change(&past, NEW_KEY "\n" OLD_KEY " replaced 1 until 99999999999\n");
	ck_assert_uint_eq(sends_known(&past), 2);
	past_send(&past, ME, "p1@example.com", "c@x", "");
	ck_assert_uint_eq(sends_known(&past), 3);
	key_change(&past, NEW_KEY "\n" OLD_KEY " replaced 1 until 2\n");
	ck_assert_uint_eq(sends_known(&past), 1);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* --- importing and forgetting ------------------------------------------------------- */

/* Everything in the memory's file, for comparing and scanning. */
static char *
file_read(const char *name, size_t *length_r)
{
	char path[200], *data;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	data = malloc(64u << 20);
	*length_r = fread(data, 1, 64u << 20, file);
	fclose(file);
	return data;
}

/* Is any of the address in any file of the directory: as text, its hash, half its hash? */
static void
scan(const struct base_key *key, const char *address, bool is_there)
{
	uint64_t hash = history_hash(key, address);
	static const char *const names[] = { "memory.db", "memory.db-wal", "memory.db-shm" };
	bool has_hash = false, has_half = false;

	for (size_t i = 0; i < 3; i++) {
		size_t length;
		char *data = file_read(names[i], &length);
		uint64_t swapped = __builtin_bswap64(hash); /* as SQLite writes a key */

		ck_assert_ptr_null(memmem(data, length, address, strlen(address)));
		has_hash |= memmem(data, length, &hash, 8) != NULL ||
			    memmem(data, length, &swapped, 8) != NULL;
		has_half |= memmem(data, length, (char *)&hash + 4, 4) != NULL;
		free(data);
	}
	ck_assert_msg(has_hash == is_there, "%s: hash there: %d", address, has_hash);
	ck_assert_msg(has_half == is_there, "%s: half there: %d", address, has_half);
}

/* Is a hash in a file of the directory: as records hold it, or as SQLite writes a key? */
static bool
is_there(uint64_t hash)
{
	static const char *const names[] = { "memory.db", "memory.db-wal" };
	uint64_t swapped = __builtin_bswap64(hash);
	bool is = false;

	for (size_t i = 0; i < 2; i++) {
		size_t length;
		char *data = file_read(names[i], &length);

		is |= memmem(data, length, &hash, 8) != NULL ||
		      memmem(data, length, &swapped, 8) != NULL;
		free(data);
	}
	return is;
}

/* A site with this key learns the mail that the other one learns. */
static void
site_make(struct past *past, unsigned char first_byte)
{
	unsigned char bytes[32] = { first_byte };
	const char *why = "";

	folder_make(directory);
	past_begin(past);
	base_key_free(&past->key);
	ck_assert_int_eq(base_key_from_bytes(bytes, &past->key), BASE_OK);
	past->now = base_now() - 86400;
	history_reopen(past);
	past_send(past, "p1@example.com", "p0@example.com,p2@example.com", "1@x", "");
	past_send(past, "p0@example.com", "p1@example.com,p2@example.com", "2@x", "1@x");
	ck_assert_int_eq(history_flush(past->history, &why), BASE_OK);
}

/* Two sites with the same mail have no hash in common: nobody can join their histories. */
START_TEST(stores_of_two_sites_have_nothing_in_common)
{
	static const char *const names[] = { "p0@example.com", "p1@example.com", "p2@example.com",
		"1@x", "2@x" };
	struct past sites[2];
	char directories[2][sizeof(directory)];

	for (int i = 0; i < 2; i++) {
		site_make(&sites[i], (unsigned char)(1 + i));
		memcpy(directories[i], directory, sizeof(directory));
	}
	for (int i = 0; i < 2; i++) {
		memcpy(directory, directories[i], sizeof(directory));
		for (size_t name = 0; name < sizeof(names) / sizeof(*names); name++) {
			ck_assert(is_there(history_hash(sites[i].key, names[name])));
			ck_assert(!is_there(history_hash(sites[!i].key, names[name])));
		}
	}
	for (int i = 0; i < 2; i++) {
		memcpy(directory, directories[i], sizeof(directory));
		past_end(&sites[i]);
		folder_remove(directory);
	}
}
END_TEST

/* An import's memory, over the same directory. */
static struct history *
importer_open(void)
{
	struct history_options options = {
		.driver = "sqlite", .directory = directory, .create = true, .observe_at_once = true
	};
	struct history *history;
	const char *why = "";

	ck_assert_msg(history_open(&options, &history, &why) == BASE_OK, "%s", why);
	return history;
}

/* Imports one mail in a batch of its own; NONE: it was known. */
static enum base_result
import(struct past *past, struct history *history, const char *sender, const char *recipients,
    const char *id)
{
	const void *observation;
	size_t length;
	const char *why = "";
	enum base_result result;

	ck_assert_int_eq(
	    history_observation(past->key, past->arena, sender,
		past_mail(past, sender, recipients, id, ""), 0, 0.1, &observation, &length, &why),
	    BASE_OK);
	ck_assert_msg(history_import_begin(history, &why) == BASE_OK, "%s", why);
	result = history_import_known(history, past->key, observation, length, &why);
	if (result == BASE_NONE)
		ck_assert_int_eq(
		    history_import(history, past->key, observation, length, &why), BASE_OK);
	ck_assert_msg(history_import_end(history, &why) == BASE_OK, "%s", why);
	return result == BASE_NONE ? BASE_OK : BASE_NONE;
}

/* What an import or the daemon has learned is not learned again; parts of one act are. */
START_TEST(import_learns_once)
{
	struct past past;
	struct history *importer;
	struct judge_facts facts;
	const char *why = "";

	folder_make(directory);
	past_begin(&past);
	past.now = base_now() - 88 * 86400; /* older threads would expire */
	history_reopen(&past);
	past_send(&past, ME, "p1@example.com", "live@x", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	importer = importer_open();
	ck_assert_int_eq(import(&past, importer, ME, "p1@example.com", "live@x"), BASE_NONE);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "old@x"), BASE_OK);
	ck_assert_int_eq(import(&past, importer, ME, "p3@example.com", "old@x"), BASE_OK);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "old@x"), BASE_NONE);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", ""), BASE_OK);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", ""), BASE_NONE);
	past.now++;
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", ""), BASE_OK);
	history_close(&importer);
	facts = past_facts(&past, past_mail(&past, ME, "p1@example.com", "r@x", ""));
	ck_assert_uint_eq(facts.recall->records->profile->sends, 5);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

#define BOTH_KEYS NEW_KEY "\n" OLD_KEY " replaced 1 until 99999999999\n"

/* A mail is known before and after a rotation, and when the old key's time has ended. */
START_TEST(import_outlives_its_key)
{
	struct past past;
	struct history *importer;

	folder_make(directory);
	past_begin(&past);
	past.now = base_now() - 88 * 86400; /* older threads would expire */
	history_reopen(&past);
	importer = importer_open();
	key_change(&past, OLD_KEY "\n");
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "a@x"), BASE_OK);
	key_change(&past, BOTH_KEYS);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "a@x"), BASE_NONE);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "b@x"), BASE_OK);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "b@x"), BASE_NONE);
	ck_assert_int_eq(import(&past, importer, ME, "p3@example.com", "b@x"), BASE_OK);
	ck_assert_uint_eq(sends_known(&past), 3);
	key_change(&past, NEW_KEY "\n" OLD_KEY " replaced 1 until 2\n");
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "b@x"), BASE_NONE);
	ck_assert_int_eq(import(&past, importer, ME, "p3@example.com", "b@x"), BASE_NONE);
	ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", "a@x"), BASE_OK);
	/* another part of what an import learned: its note tells, under this key too */
	ck_assert_int_eq(import(&past, importer, ME, "p4@example.com", "b@x"), BASE_OK);
	history_close(&importer);
	ck_assert_uint_eq(sends_known(&past), 4);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* A store_record_each() function that counts. */
static bool
row_count(void *context, uint64_t key, const void *data, size_t length)
{
	(void)key, (void)data, (void)length;
	++*(size_t *)context;
	return true;
}

/* How many profiles the store has once what is over at `now` is gone. */
static size_t
profiles_at(int64_t now)
{
	struct store_options options = { .driver = "sqlite", .directory = directory };
	struct store *store = NULL;
	const char *why = "";
	size_t count = 0;

	ck_assert_int_eq(store_open(&options, STORE_MEMORY, &store, &why), BASE_OK);
	ck_assert_int_eq(store_record_expire(store, now, &why), BASE_OK);
	ck_assert_int_eq(store_record_each(store, STORE_PROFILE, row_count, &count, &why), BASE_OK);
	store_close(&store);
	return count;
}

/* Nobody can read what was learned under a key that is gone: it goes in its time. */
START_TEST(profiles_outlive_their_key_by_400_days_at_most)
{
	struct past past;
	const char *why = "";
	int64_t now;

	folder_make(directory);
	past_begin(&past);
	now = past.now = base_now();
	history_reopen(&past);
	key_change(&past, OLD_KEY "\n");
	past_send(&past, ME, "p1@example.com", "a@x", "");
	key_change(&past, NEW_KEY "\n" OLD_KEY " replaced 1 until 2\n");
	past.now = now + 2 * 86400;
	past_send(&past, ME, "p1@example.com", "b@x", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	ck_assert_uint_eq(profiles_at(now + 399 * 86400), 4);
	ck_assert_uint_eq(profiles_at(now + 401 * 86400), 2);
	ck_assert_uint_eq(profiles_at(now + 403 * 86400), 0);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* Two writers of the same profile lose nothing of each other's. */
START_TEST(import_beside_the_daemon_loses_nothing)
{
	struct past past;
	struct history *importer;
	struct judge_facts facts;
	const char *why = "";
	char id[20];

	folder_make(directory);
	past_begin(&past);
	past.now = base_now() - 88 * 86400; /* older threads would expire */
	history_reopen(&past);
	importer = importer_open();
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "live%d@x", i);
		past_send(&past, ME, "p1@example.com", id, "");
		snprintf(id, sizeof(id), "old%d@x", i);
		ck_assert_int_eq(import(&past, importer, ME, "p2@example.com", id), BASE_OK);
		base_arena_reset(past.arena);
	}
	history_close(&importer);
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	facts = past_facts(&past, past_mail(&past, ME, "p1@example.com", "r@x", ""));
	ck_assert_uint_eq(facts.recall->records->profile->sends, 600);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* Old mail that is learned late moves no time back, and keeps no row from living on. */
START_TEST(older_mail_moves_nothing_back)
{
	struct past past;
	struct history *importer;
	struct judge_facts facts;
	const char *why = "";

	folder_make(directory);
	past_begin(&past);
	past.now = base_now() - 88 * 86400; /* older threads would expire */
	history_reopen(&past);
	past_send(&past, ME, "p1@example.com,p2@example.com", "new@x", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	importer = importer_open();
	past.now -= 300 * 86400;
	ck_assert_int_eq(
	    import(&past, importer, ME, "p1@example.com,p2@example.com", "old@x"), BASE_OK);
	history_close(&importer);
	facts = past_facts(&past, past_mail(&past, ME, "p1@example.com", "r@x", ""));
	ck_assert_uint_gt(facts.recall->records->profile->last, (uint64_t)past.now);
	ck_assert_uint_eq(facts.recall->records->profile->first, (uint64_t)past.now);
	ck_assert_uint_gt(
	    facts.recall->records->profile->contacts[0].last_sent, (uint64_t)past.now);
	ck_assert_uint_eq(facts.recall->records->profile->sent[0].count, 2);
	ck_assert_float_eq(facts.recall->records->profile->sent[0].rhythm.gap, 0);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* --- forgetting -------------------------------------------------------------------- */

#define GONE "p3@example.com"

/* One person less, in every count. */
START_TEST(observation_forgets_one_person)
{
	struct history_person people[] = {
		{ .hash = 10, .places = HISTORY_IN_ENVELOPE },
		{ .hash = 20, .places = HISTORY_IN_ENVELOPE | HISTORY_IN_TO },
		{ .hash = 30, .places = HISTORY_IN_ENVELOPE },
	};
	struct history_observation observation = { .time = 100,
		.is_send = true,
		.sender = 1,
		.recipient_count = 3,
		.recipient_sum = 60,
		.people_count = 3,
		.member_count = 4,
		.member_sum = 61,
		.people = people,
		.person_count = 3 };
	struct history_forgotten forgotten;
	const char *why = "";

	ck_assert_int_eq(base_crypto_start(&why), BASE_OK);
	forgotten = history_forgotten_new(20, 200);
	history_observation_forget(&observation, &forgotten, 1);
	ck_assert_uint_eq(observation.person_count, 2);
	ck_assert_uint_eq(observation.recipient_count, 2);
	ck_assert_uint_eq(observation.recipient_sum, 40);
	ck_assert_uint_eq(observation.people_count, 2);
	ck_assert_uint_eq(observation.member_count, 3);
	ck_assert_uint_eq(observation.member_sum, 41);
}
END_TEST

/* An audience written to may outlive a contact of it; its sum must not. */
START_TEST(sums_forget_whom_no_contact_stands_for)
{
	static const struct {
		uint64_t sum;
		uint32_t size;
		uint64_t audiences[2]; /* of the contacts 10 and 20 */
		uint64_t gone;
		size_t count; /* of audiences left */
		uint64_t left;
	} rows[] = {
		{ 30, 1, { 0, 0 }, 30, 0, 0 },  /* a list that was the only recipient */
		{ 40, 2, { 1, 0 }, 30, 0, 0 },  /* and 10 */
		{ 60, 3, { 1, 1 }, 30, 1, 30 }, /* and 10 and 20 */
		{ 60, 3, { 1, 1 }, 40, 1, 60 }, /* another's */
		{ 60, 3, { 1, 1 }, 20, 1, 40 }, /* a contact's */
		{ 30, 2, { 1, 1 }, 20, 0, 0 },
		{ 90, 4, { 1, 1 }, 30, 1, 90 }, /* two are missing: it tells of neither */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct history_sent_audience sent[] = { { .sum = rows[i].sum,
		    .size = rows[i].size } };
		struct history_contact contacts[] = { { .hash = 10,
							  .audiences = rows[i].audiences[0] },
			{ .hash = 20, .audiences = rows[i].audiences[1] } };
		struct history_profile profile = {
			.contacts = contacts, .contact_count = 2, .sent = sent, .sent_count = 1
		};

		(void)history_profile_forget(&profile, rows[i].gone);
		ck_assert_msg(profile.sent_count == rows[i].count, "row %zu", i);
		if (profile.sent_count)
			ck_assert_uint_eq(profile.sent[0].sum, rows[i].left);
		ck_assert(!history_profile_reveals(&profile, rows[i].gone));
	}
}
END_TEST

/* Does no sum of an audience tell the hash: alone, or by the hashes of others in the record? */
static bool
sums_check(void *context, uint64_t key, const void *data, size_t length)
{
	struct base_arena *arena = base_arena_new(1u << 20);
	uint64_t hash = *(uint64_t *)context;
	struct history_profile *profile;

	(void)key;
	ck_assert_int_eq(history_profile_decode(arena, data, length, &profile), BASE_OK);
	for (size_t i = 0; i < profile->sent_count; i++) {
		uint64_t left = profile->sent[i].sum;

		ck_assert_uint_ne(left, hash);
		for (size_t j = 0; j < profile->contact_count; j++) {
			const struct history_contact *contact = &profile->contacts[j];

			ck_assert_uint_ne(profile->sent[i].sum - contact->hash, hash);
			if (contact->audiences >> i & 1)
				left -= contact->hash;
		}
		ck_assert_uint_ne(left, hash);
	}
	base_arena_free(&arena);
	return true;
}

/* The same of all profiles in the file. */
static void
sums_scan(const struct base_key *key, const char *address)
{
	struct store_options options = { .driver = "sqlite", .directory = directory };
	uint64_t hash = history_hash(key, address);
	struct store *store;
	const char *why = "";

	ck_assert_int_eq(store_open(&options, STORE_MEMORY, &store, &why), BASE_OK);
	ck_assert_int_eq(store_record_each(store, STORE_PROFILE, sums_check, &hash, &why), BASE_OK);
	store_close(&store);
}

/* Three people who wrote once to GONE, and then to so many others that the contact went. */
static void
evict(struct past *past)
{
	static const char *const with[] = { "", "p8@example.com,",
		"p7@example.com,p8@example.com," };

	for (int i = 0; i < 3; i++) {
		const char *owner = base_arena_printf(past->arena, "owner%d@x", i);

		past->people = i == 0 ? 40 : 0; /* GONE is a list's address */
		past_send(past, owner, base_arena_printf(past->arena, "%s" GONE, with[i]), "", "");
		past->people = 0;
		for (unsigned first = 0; first < 600; first += 20)
			past_send(past, owner,
			    base_arena_printf(past->arena, "%s%s", with[i],
				past_people(past->arena, 1000 + first, 20)),
			    "", "");
	}
}

/* They have no contact any more, nor an audience that is nobody else's. */
static void
evicted_check(struct past *past)
{
	static const size_t audiences[] = { 30, 30, 31 };

	for (int i = 0; i < 3; i++) {
		const char *owner = base_arena_printf(past->arena, "owner%d@x", i);
		struct judge_facts facts = past_facts(past, past_mail(past, owner, GONE, "", ""));

		ck_assert_ptr_null(history_contact_find(
		    facts.recall->records->profile, history_hash(past->key, GONE)));
		ck_assert_uint_eq(facts.recall->records->profile->sent_count, audiences[i]);
	}
}

/* No trace in any file; what others know of others stays. */
START_TEST(forget_leaves_no_trace)
{
	struct history_options options = { .driver = "sqlite", .directory = directory };
	struct history_forgotten_count count;
	struct past past;
	struct judge_facts facts;
	struct history *importer;
	const char *all, *why = "";

	folder_make(directory);
	past_begin(&past);
	past.now = base_now() - 88 * 86400; /* older threads would expire */
	history_reopen(&past);
	all = past_people(past.arena, 1, 8);
	for (int i = 0; i < 10; i++) {
		past_send(&past, ME, all, base_arena_printf(past.arena, "a%d@x", i), "");
		past_send(&past, ME, "p1@example.com," GONE, "b@x", "");
		past_send(&past, GONE, ME, base_arena_printf(past.arena, "c%d@x", i), "b@x");
		past_send(&past, GONE, base_arena_printf(past.arena, ME ",%s", all),
		    base_arena_printf(past.arena, "d%d@x", i), "");
	}
	evict(&past);
	for (int i = 10; i < 2000; i++) /* so that pages were split and filled again */
		past_send(&past, base_arena_printf(past.arena, "p%d@example.com", i),
		    i % 7 ? "p1@example.com" : GONE, "", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	importer = importer_open();
	ck_assert_int_eq(import(&past, importer, GONE, "p2@example.com", "e@x"), BASE_OK);
	history_close(&importer);
	evicted_check(&past);
	scan(past.key, GONE, true);
	ck_assert_msg(history_forget(&options, past.key, GONE, &count, &why) == BASE_OK, "%s", why);
	ck_assert_uint_ge(count.removed, 20);
	ck_assert_uint_ge(count.changed, 200);
	scan(past.key, GONE, false);
	sums_scan(past.key, GONE);
	scan(past.key, "p1@example.com", true);
	facts = past_facts(&past, past_mail(&past, ME, all, "r@x", ""));
	ck_assert_uint_eq(facts.recall->records->profile->sends, 20);
	ck_assert_uint_eq(facts.recall->records->profile->sent_count, 1);
	ck_assert_uint_eq(facts.recall->records->profile->sent[0].size, 7);
	/* Again: nothing is left to be done. */
	ck_assert_int_eq(history_forget(&options, past.key, GONE, &count, &why), BASE_OK);
	ck_assert_uint_eq(count.removed + count.changed, 0);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* No trace under any key of the file, be its time over or not. */
START_TEST(forget_finds_every_key)
{
	static const char *const files[] = { BOTH_KEYS,
		NEW_KEY "\n" OLD_KEY " replaced 1 until 2\n" };
	struct history_options options = { .driver = "sqlite", .directory = directory };
	unsigned char marks[BASE_KEY_MAX][HISTORY_MARK_SIZE];
	struct history_forgotten_count count;
	const struct base_key *keys[BASE_KEY_MAX];
	struct past past;
	const char *why = "";

	folder_make(directory);
	past_begin(&past);
	past.now = base_now() - 100; /* older rows would expire */
	history_reopen(&past);
	key_change(&past, BOTH_KEYS);
	past_send(&past, GONE, ME, "a@x", "");
	past_send(&past, ME, "p1@example.com," GONE, "b@x", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	key_change(&past, files[_i]);
	ck_assert_uint_eq(base_key_valid(past.key, BASE_KEY_EVER, keys), 2);
	ck_assert_uint_eq(history_observation_marks(past.key, GONE, marks), 2);
	scan(keys[0], GONE, true);
	scan(keys[1], GONE, true);
	ck_assert_msg(history_forget(&options, past.key, GONE, &count, &why) == BASE_OK, "%s", why);
	ck_assert_uint_ge(count.removed, 2);
	scan(keys[0], GONE, false);
	scan(keys[1], GONE, false);
	ck_assert_uint_eq(sends_known(&past), 1);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* An observation that waited in the daemon's queue is not written back; later mail is learned. */
START_TEST(forgotten_stays_forgotten)
{
	struct history_options options = { .driver = "sqlite", .directory = directory };
	struct history_forgotten_count count;
	struct past past;
	struct judge_facts facts;
	struct history *importer;
	const char *why = "";

	folder_make(directory);
	past_begin(&past);
	history_reopen(&past);
	importer = importer_open();
	past.now = base_now() - 20000;
	ck_assert_int_eq(import(&past, importer, ME, GONE, "e@x"), BASE_OK);
	history_close(&importer);
	ck_assert_int_eq(history_forget(&options, past.key, GONE, &count, &why), BASE_OK);
	/* as if they had been queued before: the mails are older */
	past_send(&past, GONE, "p1@example.com", "f@x", "");
	past_send(&past, ME, "p1@example.com," GONE, "g@x", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	scan(past.key, GONE, false);
	facts = past_facts(&past, past_mail(&past, ME, GONE, "r@x", "g@x"));
	ck_assert_uint_eq(facts.recall->records->thread->size, 2);
	past.now = base_now() + 100;
	past_send(&past, GONE, "p1@example.com", "h@x", "");
	ck_assert_int_eq(history_flush(past.history, &why), BASE_OK);
	scan(past.key, GONE, true);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* What cannot be queued is counted and told. */
static void
failure_count(void *context, const struct history_outage *outage)
{
	ck_assert_uint_gt(strlen(outage->why), 0);
	*(uint64_t *)context += outage->dropped;
}

START_TEST(dropped_observations_are_reported)
{
	uint64_t reported = 0, refused = 0;
	struct history_options options = { .driver = "sqlite",
		.directory = directory,
		.create = true,
		.outage = failure_count,
		.context = &reported };
	struct past past;
	struct history *history, *importer;
	const void *observation;
	size_t length;
	const char *why = "";

	folder_make(directory);
	past_begin(&past);
	ck_assert_int_eq(history_open(&options, &history, &why), BASE_OK);
	importer = importer_open();
	ck_assert_int_eq(history_import_begin(importer, &why), BASE_OK); /* the lock is taken */
	ck_assert_int_eq(
	    history_observation(past.key, past.arena, ME, past_mail(&past, ME, GONE, "x@x", ""), 0,
		0.1, &observation, &length, &why),
	    BASE_OK);
	for (int i = 0; i < 40000; i++)
		refused += history_observe(history, observation, length, &why) == BASE_RETRY;
	ck_assert_int_eq(history_import_end(importer, &why), BASE_OK);
	history_close(&importer);
	ck_assert_int_eq(history_flush(history, &why), BASE_OK);
	history_close(&history);
	ck_assert_uint_gt(refused, 10000);
	ck_assert_uint_eq(reported, refused);
	past_end(&past);
	folder_remove(directory);
}
END_TEST

/* Who was in Cc is kept, and forgotten; a record of before that was kept still reads. */
START_TEST(copied_are_remembered)
{
	struct base_arena *arena = base_arena_new(1u << 20);
	struct history_thread thread = { .originator = 5,
		.size = 3,
		.time = 9,
		.members = { 5, 6, 7 },
		.member_count = 3,
		.copied = { 7 },
		.copied_count = 1,
		.knows_copied = true,
		.has_header = true };
	struct history_thread *again;
	const void *data;
	size_t length;

	ck_assert_int_eq(history_thread_encode(arena, &thread, &data, &length), BASE_OK);
	ck_assert_int_eq(history_thread_decode(arena, data, length, &again), BASE_OK);
	ck_assert(again->knows_copied);
	ck_assert_uint_eq(again->copied_count, 1);
	ck_assert_uint_eq(again->copied[0], 7);
	ck_assert(history_thread_forget(again, 7));
	ck_assert_uint_eq(again->copied_count, 0);
	thread.knows_copied = false;
	ck_assert_int_eq(history_thread_encode(arena, &thread, &data, &length), BASE_OK);
	ck_assert_int_eq(history_thread_decode(arena, data, length, &again), BASE_OK);
	ck_assert(!again->knows_copied && again->has_header);
	ck_assert_uint_eq(again->copied_count, 0);
	ck_assert_uint_eq(again->member_count, 3);
	base_arena_free(&arena);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("memory");
	TCase *record = tcase_create("record"), *store = tcase_create("store");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(record, 300);
	tcase_set_timeout(store, 300);
	tcase_add_test(record, copied_are_remembered);
	tcase_add_test(record, profile_round_trips_and_is_bounded);
	tcase_add_test(record, confirmed_audiences_stay_confirmed);
	tcase_add_test(record, corrupt_records_are_unknown);
	tcase_add_test(record, observation_round_trips_and_holds_no_address);
	tcase_add_test(record, older_observations_are_understood);
	tcase_add_test(record, older_profiles_are_understood);
	tcase_add_test(record, domains_are_remembered);
	tcase_add_loop_test(
	    record, rhythms_are_found, 0, (int)(sizeof(rhythms) / sizeof(*rhythms)));
	tcase_add_test(record, names_are_lookalike_in_any_form);
	tcase_add_test(record, names_are_learned);
	tcase_add_test(record, keys_differ_per_site);
	tcase_add_test(record, inbound_teaches_threads);
	tcase_add_test(record, site_score_is_the_percentile);
	tcase_add_test(record, site_score_is_reported_by_its_tail);
	tcase_add_test(record, tag_percentile_is_settable);
	tcase_add_test(record, observation_forgets_one_person);
	tcase_add_test(record, sums_forget_whom_no_contact_stands_for);
	tcase_add_test(store, stores_of_two_sites_have_nothing_in_common);
	tcase_add_test(store, store_keeps_what_was_learned);
	tcase_add_test(store, learning_shows_soon);
	tcase_add_test(store, parts_teach_one_audience);
	tcase_add_test(store, history_outlives_its_key);
	tcase_add_test(store, import_learns_once);
	tcase_add_test(store, import_outlives_its_key);
	tcase_add_test(store, import_beside_the_daemon_loses_nothing);
	tcase_add_test(store, profiles_outlive_their_key_by_400_days_at_most);
	tcase_add_test(store, older_mail_moves_nothing_back);
	tcase_add_test(store, forget_leaves_no_trace);
	tcase_add_loop_test(store, forget_finds_every_key, 0, 2);
	tcase_add_test(store, forgotten_stays_forgotten);
	tcase_add_test(store, dropped_observations_are_reported);
	suite_add_tcase(suite, record);
	suite_add_tcase(suite, store);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
