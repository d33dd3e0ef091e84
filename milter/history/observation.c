/*
 * NAME
 *	history/observation - what there is to learn from one mail, as hashes
 */
#include <string.h>
#include <stdlib.h>

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/history/internal.h"
#include "milter/history/wire.h"

#define OBSERVATION_VERSION 3  /* 1 has no people_count, 2 neither domains nor names */
#define OBSERVATION_NAMED 0x80 /* among a person's places: a name follows */

/* Keyed hash of an address or a message id; never 0. */
uint64_t
history_hash(const struct base_key *key, const char *text)
{
	uint64_t hash = base_key_hash64(key, BASE_KEY_MEMORY, text, strlen(text));

	return hash ? hash : 1;
}

/* Orders people by hash. */
static int
person_compare(const void *a, const void *b)
{
	uint64_t left = ((const struct history_person *)a)->hash;
	uint64_t right = ((const struct history_person *)b)->hash;

	return left < right ? -1 : left > right;
}

/* Adds one place's addresses to a list that has room. */
static size_t
people_add(struct history_person *people, size_t count, const struct base_key *key,
    const struct mail_addresses *addresses, uint8_t place)
{
	for (size_t i = 0; i < addresses->count; i++)
		people[count++] = (struct history_person){
			.hash = history_hash(key, addresses->items[i]),
			.places = place,
		};
	return count;
}

/* Sorts, joins the same person's places, leaves the sender out. */
static size_t
people_join(struct history_person *people, size_t count, uint64_t sender)
{
	size_t kept = 0;

	qsort(people, count, sizeof(*people), person_compare);
	for (size_t i = 0; i < count; i++) {
		if (people[i].hash == sender)
			continue;
		if (kept && people[kept - 1].hash == people[i].hash)
			people[kept - 1].places |= people[i].places;
		else
			people[kept++] = people[i];
	}
	return kept;
}

/* The display names of To and Cc, and of the author if that is who sends. */
static void
observation_names(const struct base_key *key, const char *sender,
    const struct mail_transaction *transaction, struct history_observation *observation)
{
	if (strcmp(transaction->from, sender) == 0)
		observation->sender_name = history_name_hash(key, transaction->from_name);
	for (size_t i = 0; i < transaction->name_count; i++) {
		struct history_person about = { .hash = history_hash(
						    key, transaction->names[i].address) };
		struct history_person *person = bsearch(&about, observation->people,
		    observation->person_count, sizeof(about), person_compare);

		if (person)
			person->name = history_name_hash(key, transaction->names[i].name);
	}
}

/* Counts and sums over all people, before the list is cut. */
static void
observation_sum(struct history_observation *observation)
{
	for (size_t i = 0; i < observation->person_count; i++) {
		const struct history_person *person = &observation->people[i];

		observation->member_count++;
		observation->member_sum += person->hash;
		if (person->places & HISTORY_IN_ENVELOPE) {
			observation->recipient_count++;
			observation->recipient_sum += person->hash;
		}
	}
	if (observation->sender) {
		observation->member_count++;
		observation->member_sum += observation->sender;
	}
}

/* Who the mail is from: the actor, else the author it names, else the envelope's. */
static const char *
observation_sender(const char *actor, const struct mail_transaction *transaction)
{
	if (*actor)
		return actor;
	return *transaction->from ? transaction->from : transaction->envelope_sender;
}

/* Are all addresses of the sender's organisation? */
static bool
are_inside(const struct mail_transaction *transaction, const char *sender,
    const struct mail_addresses *addresses)
{
	for (size_t i = 0; i < addresses->count; i++)
		if (!mail_is_inside(transaction, sender, addresses->items[i]))
			return false;
	return true;
}

/* Gathers one mail into an observation. */
enum base_result
history_observation_make(struct base_arena *arena, const struct base_key *key, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score,
    struct history_observation *observation_r, const char **why_r)
{
	const char *sender = observation_sender(actor, transaction);
	struct history_observation observation = {
		.time = transaction->time,
		.score = score,
		.is_send = *actor != '\0',
		.sender = *sender ? history_hash(key, sender) : 0,
		.has_header = transaction->to.count + transaction->cc.count > 0,
	};
	size_t count =
	    transaction->recipients.count + transaction->to.count + transaction->cc.count;

	observation.is_one_domain = are_inside(transaction, sender, &transaction->recipients) &&
				    are_inside(transaction, sender, &transaction->to) &&
				    are_inside(transaction, sender, &transaction->cc);
	history_observation_domains(key, sender, transaction, &observation);
	if (*transaction->message_id)
		observation.message = history_hash(key, transaction->message_id);
	if (*transaction->in_reply_to)
		observation.parent = history_hash(key, transaction->in_reply_to);
	observation.people = base_arena_array(arena, count + 1, sizeof(*observation.people));
	if (!observation.people) {
		*why_r = base_why("no memory for %zu recipients", count);
		return BASE_BROKEN;
	}
	count =
	    people_add(observation.people, 0, key, &transaction->recipients, HISTORY_IN_ENVELOPE);
	count = people_add(observation.people, count, key, &transaction->to, HISTORY_IN_TO);
	count = people_add(observation.people, count, key, &transaction->cc, HISTORY_IN_CC);
	observation.person_count = people_join(observation.people, count, observation.sender);
	observation_names(key, sender, transaction, &observation);
	observation_sum(&observation);
	observation.people_count = people == 0           ? observation.recipient_count
				   : people < UINT32_MAX ? (uint32_t)people
							 : UINT32_MAX;
	if (observation.person_count > HISTORY_OBSERVATION_PEOPLE)
		observation.person_count = HISTORY_OBSERVATION_PEOPLE;
	*observation_r = observation;
	return BASE_OK;
}

/* The envelope's recipients, sorted because people are. */
enum base_result
history_observation_recipients(struct base_arena *arena,
    const struct history_observation *observation, uint64_t **hashes_r, size_t *count_r)
{
	uint64_t *hashes = base_arena_array(arena, observation->person_count + 1, sizeof(*hashes));
	size_t count = 0;

	if (!hashes)
		return BASE_BROKEN;
	for (size_t i = 0; i < observation->person_count; i++)
		if (observation->people[i].places & HISTORY_IN_ENVELOPE)
			hashes[count++] = observation->people[i].hash;
	*hashes_r = hashes;
	*count_r = count;
	return BASE_OK;
}

/* An observation as bytes, to be kept until the mail has really left. */
enum base_result
history_observation_encode(struct base_arena *arena, const struct history_observation *observation,
    const void **data_r, size_t *length_r)
{
	struct history_wire wire = history_wire_new(
	    arena, 80 + observation->domain_count * 8u + observation->person_count * 13);

	if (!wire.data)
		return BASE_BROKEN;
	history_put(&wire, OBSERVATION_VERSION, 1);
	history_put(&wire,
	    (observation->is_send ? 1 : 0) | (observation->has_header ? 2 : 0) |
		(observation->is_one_domain ? 4 : 0) | (observation->knows_domains ? 8 : 0) |
		(observation->is_confirmed ? 16 : 0),
	    1);
	history_put(&wire, (uint64_t)observation->time, 8);
	history_put_double(&wire, observation->score);
	history_put(&wire, observation->sender, 8);
	history_put(&wire, observation->message, 8);
	history_put(&wire, observation->parent, 8);
	history_put(&wire, observation->recipient_count, 4);
	history_put(&wire, observation->recipient_sum, 8);
	history_put(&wire, observation->people_count, 4);
	history_put(&wire, observation->member_count, 4);
	history_put(&wire, observation->member_sum, 8);
	history_put_hashes(&wire, observation->domains, observation->domain_count);
	history_put(&wire, observation->sender_name, 4);
	history_put(&wire, observation->person_count, 2);
	for (size_t i = 0; i < observation->person_count; i++) {
		history_put(&wire, observation->people[i].hash, 8);
		history_put(&wire,
		    observation->people[i].places |
			(observation->people[i].name ? OBSERVATION_NAMED : 0),
		    1);
		if (observation->people[i].name)
			history_put(&wire, observation->people[i].name, 4);
	}
	*data_r = wire.data;
	*length_r = wire.length;
	return BASE_OK;
}

/* Reads the people of an observation; false unless they are sorted and distinct. */
static bool
people_decode(struct history_wire *wire, struct history_observation *observation)
{
	for (size_t i = 0; i < observation->person_count; i++) {
		observation->people[i].hash = history_take(wire, 8);
		observation->people[i].places = (uint8_t)history_take(wire, 1);
		if (observation->people[i].places & OBSERVATION_NAMED)
			observation->people[i].name = (uint32_t)history_take(wire, 4);
		observation->people[i].places &= (uint8_t)~OBSERVATION_NAMED;
		if (i && observation->people[i].hash <= observation->people[i - 1].hash)
			return false;
	}
	return history_wire_is_done(wire);
}

/* Bytes as an observation. */
enum base_result
history_observation_decode(struct base_arena *arena, const void *data, size_t length,
    struct history_observation *observation_r)
{
	struct history_wire wire = history_wire_over(data, length);
	struct history_observation observation = { 0 };
	uint64_t flags, version = history_take(&wire, 1);

	if (version == 0 || version > OBSERVATION_VERSION)
		return BASE_REFUSE;
	flags = history_take(&wire, 1);
	observation.is_send = flags & 1;
	observation.has_header = flags & 2;
	observation.is_one_domain = flags & 4;
	observation.knows_domains = flags & 8;
	observation.is_confirmed = flags & 16;
	observation.time = (int64_t)history_take(&wire, 8);
	observation.score = history_take_double(&wire);
	observation.sender = history_take(&wire, 8);
	observation.message = history_take(&wire, 8);
	observation.parent = history_take(&wire, 8);
	observation.recipient_count = (uint32_t)history_take(&wire, 4);
	observation.recipient_sum = history_take(&wire, 8);
	observation.people_count =
	    version == 1 ? observation.recipient_count : (uint32_t)history_take(&wire, 4);
	observation.member_count = (uint32_t)history_take(&wire, 4);
	observation.member_sum = history_take(&wire, 8);
	if (version > 2) {
		observation.domain_count =
		    history_take_hashes(&wire, observation.domains, HISTORY_OBSERVATION_DOMAINS);
		observation.sender_name = (uint32_t)history_take(&wire, 4);
	}
	observation.person_count = history_take(&wire, 2);
	if (wire.failed || observation.person_count > HISTORY_OBSERVATION_PEOPLE ||
	    observation.time < 0 || observation.time > UINT32_MAX)
		return BASE_REFUSE;
	observation.people =
	    base_arena_array(arena, observation.person_count + 1, sizeof(*observation.people));
	if (!observation.people)
		return BASE_BROKEN;
	if (!people_decode(&wire, &observation))
		return BASE_REFUSE;
	*observation_r = observation;
	return BASE_OK;
}

#define OBSERVATIONS_MARK 255 /* no version of an observation */

/* One observation as it is; more of them behind a mark, each with its length. */
enum base_result
history_observations_join(struct base_arena *arena, const struct store_blob *parts, size_t count,
    const void **data_r, size_t *length_r)
{
	size_t capacity = 1;
	struct history_wire wire;

	for (size_t i = 0; i < count; i++)
		capacity += 4 + parts[i].length;
	if (count == 1) {
		*data_r = parts[0].data;
		*length_r = parts[0].length;
		return BASE_OK;
	}
	wire = history_wire_new(arena, capacity);
	if (!wire.data)
		return BASE_BROKEN;
	history_put(&wire, OBSERVATIONS_MARK, 1);
	for (size_t i = 0; i < count; i++) {
		history_put(&wire, parts[i].length, 4);
		memcpy(wire.data + wire.length, parts[i].data, parts[i].length);
		wire.length += parts[i].length;
	}
	*data_r = wire.data;
	*length_r = wire.length;
	return BASE_OK;
}

/* The observations in these bytes; 0: they are cut, or too many. */
size_t
history_observations_split(const void *data, size_t length, struct store_blob parts_r[BASE_KEY_MAX])
{
	struct history_wire wire = history_wire_over(data, length);
	size_t count = 0;

	if (history_take(&wire, 1) != OBSERVATIONS_MARK) {
		parts_r[0] = (struct store_blob){ .data = data, .length = length };
		return 1;
	}
	while (!wire.failed && wire.length < length) {
		size_t part = history_take(&wire, 4);

		if (wire.failed || count == BASE_KEY_MAX || part == 0 ||
		    part > length - wire.length)
			return 0;
		parts_r[count++] =
		    (struct store_blob){ .data = (const unsigned char *)data + wire.length,
			    .length = part };
		wire.length += part;
	}
	return count;
}

/* Whose message it is about; false: not an observation, or the message has no id. */
static bool
observation_subject(const void *data, size_t length, uint64_t *sender_r, uint64_t *message_r)
{
	struct history_wire wire = history_wire_over(data, length);
	bool is_observation = history_take(&wire, 1) == OBSERVATION_VERSION;

	history_take(&wire, 1); /* flags, time, score */
	history_take(&wire, 8);
	history_take(&wire, 8);
	*sender_r = history_take(&wire, 8);
	*message_r = history_take(&wire, 8);
	return is_observation && !wire.failed && *sender_r != 0 && *message_r != 0;
}

/* Compares what two observations are about. */
bool
history_observation_is_of_same(const void *a, size_t a_length, const void *b, size_t b_length)
{
	uint64_t a_sender, a_message, b_sender, b_message;
	struct store_blob ours[BASE_KEY_MAX], others[BASE_KEY_MAX];

	if (!history_observations_split(a, a_length, ours) ||
	    !history_observations_split(b, b_length, others))
		return false;
	return observation_subject(ours[0].data, ours[0].length, &a_sender, &a_message) &&
	       observation_subject(others[0].data, others[0].length, &b_sender, &b_message) &&
	       a_sender == b_sender && a_message == b_message;
}
