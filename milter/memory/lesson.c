/*
 * NAME
 *	memory/lesson - what there is to learn from one mail, as hashes
 */
#include <string.h>
#include <stdlib.h>

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/mail/mail.h"
#include "milter/memory/internal.h"
#include "milter/memory/wire.h"

#define LESSON_VERSION 3  /* 1 has no people_count, 2 neither domains nor names */
#define LESSON_NAMED 0x80 /* among a person's places: a name follows */

/* Keyed hash of an address or a message id; never 0. */
uint64_t
memory_hash(const struct base_key *key, const char *text)
{
	uint64_t hash = base_key_hash64(key, BASE_KEY_MEMORY, text, strlen(text));

	return hash ? hash : 1;
}

/* Orders people by hash. */
static int
person_compare(const void *a, const void *b)
{
	uint64_t left = ((const struct memory_person *)a)->hash;
	uint64_t right = ((const struct memory_person *)b)->hash;

	return left < right ? -1 : left > right;
}

/* Adds one place's addresses to a list that has room. */
static size_t
people_add(struct memory_person *people, size_t count, const struct base_key *key,
    const struct mail_addresses *addresses, uint8_t place)
{
	for (size_t i = 0; i < addresses->count; i++)
		people[count++] = (struct memory_person){
			.hash = memory_hash(key, addresses->items[i]),
			.places = place,
		};
	return count;
}

/* Sorts, joins the same person's places, leaves the sender out. */
static size_t
people_join(struct memory_person *people, size_t count, uint64_t sender)
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
lesson_names(const struct base_key *key, const char *sender,
    const struct mail_transaction *transaction, struct memory_lesson *lesson)
{
	if (strcmp(transaction->from, sender) == 0)
		lesson->sender_name = memory_name_hash(key, transaction->from_name);
	for (size_t i = 0; i < transaction->name_count; i++) {
		struct memory_person about = { .hash = memory_hash(
						   key, transaction->names[i].address) };
		struct memory_person *person = bsearch(
		    &about, lesson->people, lesson->person_count, sizeof(about), person_compare);

		if (person)
			person->name = memory_name_hash(key, transaction->names[i].name);
	}
}

/* Counts and sums over all people, before the list is cut. */
static void
lesson_sum(struct memory_lesson *lesson)
{
	for (size_t i = 0; i < lesson->person_count; i++) {
		const struct memory_person *person = &lesson->people[i];

		lesson->member_count++;
		lesson->member_sum += person->hash;
		if (person->places & MEMORY_IN_ENVELOPE) {
			lesson->recipient_count++;
			lesson->recipient_sum += person->hash;
		}
	}
	if (lesson->sender) {
		lesson->member_count++;
		lesson->member_sum += lesson->sender;
	}
}

/* Who the mail is from: the actor, else the author it names, else the envelope's. */
static const char *
lesson_sender(const char *actor, const struct mail_transaction *transaction)
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

/* Gathers one mail into a lesson. */
enum base_result
memory_lesson_make(struct base_arena *arena, const struct base_key *key, const char *actor,
    const struct mail_transaction *transaction, size_t people, double score,
    struct memory_lesson *lesson_r, const char **why_r)
{
	const char *sender = lesson_sender(actor, transaction);
	struct memory_lesson lesson = {
		.time = transaction->time,
		.score = score,
		.is_send = *actor != '\0',
		.sender = *sender ? memory_hash(key, sender) : 0,
		.has_header = transaction->to.count + transaction->cc.count > 0,
	};
	size_t count =
	    transaction->recipients.count + transaction->to.count + transaction->cc.count;

	lesson.is_one_domain = are_inside(transaction, sender, &transaction->recipients) &&
			       are_inside(transaction, sender, &transaction->to) &&
			       are_inside(transaction, sender, &transaction->cc);
	memory_lesson_domains(key, sender, transaction, &lesson);
	if (*transaction->message_id)
		lesson.message = memory_hash(key, transaction->message_id);
	if (*transaction->in_reply_to)
		lesson.parent = memory_hash(key, transaction->in_reply_to);
	lesson.people = base_arena_array(arena, count + 1, sizeof(*lesson.people));
	if (!lesson.people) {
		*why_r = base_why("no memory for %zu recipients", count);
		return BASE_BROKEN;
	}
	count = people_add(lesson.people, 0, key, &transaction->recipients, MEMORY_IN_ENVELOPE);
	count = people_add(lesson.people, count, key, &transaction->to, MEMORY_IN_TO);
	count = people_add(lesson.people, count, key, &transaction->cc, MEMORY_IN_CC);
	lesson.person_count = people_join(lesson.people, count, lesson.sender);
	lesson_names(key, sender, transaction, &lesson);
	lesson_sum(&lesson);
	lesson.people_count = people == 0           ? lesson.recipient_count
			      : people < UINT32_MAX ? (uint32_t)people
						    : UINT32_MAX;
	if (lesson.person_count > MEMORY_LESSON_PEOPLE)
		lesson.person_count = MEMORY_LESSON_PEOPLE;
	*lesson_r = lesson;
	return BASE_OK;
}

/* The envelope's recipients, sorted because people are. */
enum base_result
memory_lesson_recipients(struct base_arena *arena, const struct memory_lesson *lesson,
    uint64_t **hashes_r, size_t *count_r)
{
	uint64_t *hashes = base_arena_array(arena, lesson->person_count + 1, sizeof(*hashes));
	size_t count = 0;

	if (!hashes)
		return BASE_BROKEN;
	for (size_t i = 0; i < lesson->person_count; i++)
		if (lesson->people[i].places & MEMORY_IN_ENVELOPE)
			hashes[count++] = lesson->people[i].hash;
	*hashes_r = hashes;
	*count_r = count;
	return BASE_OK;
}

/* A lesson as bytes, to be kept until the mail has really left. */
enum base_result
memory_lesson_encode(struct base_arena *arena, const struct memory_lesson *lesson,
    const void **data_r, size_t *length_r)
{
	struct memory_wire wire =
	    memory_wire_new(arena, 80 + lesson->domain_count * 8u + lesson->person_count * 13);

	if (!wire.data)
		return BASE_BROKEN;
	memory_put(&wire, LESSON_VERSION, 1);
	memory_put(&wire,
	    (lesson->is_send ? 1 : 0) | (lesson->has_header ? 2 : 0) |
		(lesson->is_one_domain ? 4 : 0) | (lesson->knows_domains ? 8 : 0) |
		(lesson->is_confirmed ? 16 : 0),
	    1);
	memory_put(&wire, (uint64_t)lesson->time, 8);
	memory_put_double(&wire, lesson->score);
	memory_put(&wire, lesson->sender, 8);
	memory_put(&wire, lesson->message, 8);
	memory_put(&wire, lesson->parent, 8);
	memory_put(&wire, lesson->recipient_count, 4);
	memory_put(&wire, lesson->recipient_sum, 8);
	memory_put(&wire, lesson->people_count, 4);
	memory_put(&wire, lesson->member_count, 4);
	memory_put(&wire, lesson->member_sum, 8);
	memory_put_hashes(&wire, lesson->domains, lesson->domain_count);
	memory_put(&wire, lesson->sender_name, 4);
	memory_put(&wire, lesson->person_count, 2);
	for (size_t i = 0; i < lesson->person_count; i++) {
		memory_put(&wire, lesson->people[i].hash, 8);
		memory_put(&wire,
		    lesson->people[i].places | (lesson->people[i].name ? LESSON_NAMED : 0), 1);
		if (lesson->people[i].name)
			memory_put(&wire, lesson->people[i].name, 4);
	}
	*data_r = wire.data;
	*length_r = wire.length;
	return BASE_OK;
}

/* Reads the people of a lesson; false unless they are sorted and distinct. */
static bool
people_decode(struct memory_wire *wire, struct memory_lesson *lesson)
{
	for (size_t i = 0; i < lesson->person_count; i++) {
		lesson->people[i].hash = memory_take(wire, 8);
		lesson->people[i].places = (uint8_t)memory_take(wire, 1);
		if (lesson->people[i].places & LESSON_NAMED)
			lesson->people[i].name = (uint32_t)memory_take(wire, 4);
		lesson->people[i].places &= (uint8_t)~LESSON_NAMED;
		if (i && lesson->people[i].hash <= lesson->people[i - 1].hash)
			return false;
	}
	return memory_wire_is_done(wire);
}

/* Bytes as a lesson. */
enum base_result
memory_lesson_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_lesson *lesson_r)
{
	struct memory_wire wire = memory_wire_over(data, length);
	struct memory_lesson lesson = { 0 };
	uint64_t flags, version = memory_take(&wire, 1);

	if (version == 0 || version > LESSON_VERSION)
		return BASE_REFUSE;
	flags = memory_take(&wire, 1);
	lesson.is_send = flags & 1;
	lesson.has_header = flags & 2;
	lesson.is_one_domain = flags & 4;
	lesson.knows_domains = flags & 8;
	lesson.is_confirmed = flags & 16;
	lesson.time = (int64_t)memory_take(&wire, 8);
	lesson.score = memory_take_double(&wire);
	lesson.sender = memory_take(&wire, 8);
	lesson.message = memory_take(&wire, 8);
	lesson.parent = memory_take(&wire, 8);
	lesson.recipient_count = (uint32_t)memory_take(&wire, 4);
	lesson.recipient_sum = memory_take(&wire, 8);
	lesson.people_count =
	    version == 1 ? lesson.recipient_count : (uint32_t)memory_take(&wire, 4);
	lesson.member_count = (uint32_t)memory_take(&wire, 4);
	lesson.member_sum = memory_take(&wire, 8);
	if (version > 2) {
		lesson.domain_count =
		    memory_take_hashes(&wire, lesson.domains, MEMORY_LESSON_DOMAINS);
		lesson.sender_name = (uint32_t)memory_take(&wire, 4);
	}
	lesson.person_count = memory_take(&wire, 2);
	if (wire.failed || lesson.person_count > MEMORY_LESSON_PEOPLE || lesson.time < 0 ||
	    lesson.time > UINT32_MAX)
		return BASE_REFUSE;
	lesson.people = base_arena_array(arena, lesson.person_count + 1, sizeof(*lesson.people));
	if (!lesson.people)
		return BASE_BROKEN;
	if (!people_decode(&wire, &lesson))
		return BASE_REFUSE;
	*lesson_r = lesson;
	return BASE_OK;
}

#define LESSONS_MARK 255 /* no version of a lesson */

/* One lesson as it is; more of them behind a mark, each with its length. */
enum base_result
memory_lessons_join(struct base_arena *arena, const struct store_blob *parts, size_t count,
    const void **data_r, size_t *length_r)
{
	size_t room = 1;
	struct memory_wire wire;

	for (size_t i = 0; i < count; i++)
		room += 4 + parts[i].length;
	if (count == 1) {
		*data_r = parts[0].data;
		*length_r = parts[0].length;
		return BASE_OK;
	}
	wire = memory_wire_new(arena, room);
	if (!wire.data)
		return BASE_BROKEN;
	memory_put(&wire, LESSONS_MARK, 1);
	for (size_t i = 0; i < count; i++) {
		memory_put(&wire, parts[i].length, 4);
		memcpy(wire.data + wire.length, parts[i].data, parts[i].length);
		wire.length += parts[i].length;
	}
	*data_r = wire.data;
	*length_r = wire.length;
	return BASE_OK;
}

/* The lessons in these bytes; 0: they are cut, or too many. */
size_t
memory_lessons_split(const void *data, size_t length, struct store_blob parts_r[BASE_KEY_MAX])
{
	struct memory_wire wire = memory_wire_over(data, length);
	size_t count = 0;

	if (memory_take(&wire, 1) != LESSONS_MARK) {
		parts_r[0] = (struct store_blob){ .data = data, .length = length };
		return 1;
	}
	while (!wire.failed && wire.length < length) {
		size_t part = memory_take(&wire, 4);

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

/* Whose message it is about; false: not a lesson, or the message has no id. */
static bool
lesson_subject(const void *data, size_t length, uint64_t *sender_r, uint64_t *message_r)
{
	struct memory_wire wire = memory_wire_over(data, length);
	bool is_lesson = memory_take(&wire, 1) == LESSON_VERSION;

	memory_take(&wire, 1); /* flags, time, score */
	memory_take(&wire, 8);
	memory_take(&wire, 8);
	*sender_r = memory_take(&wire, 8);
	*message_r = memory_take(&wire, 8);
	return is_lesson && !wire.failed && *sender_r != 0 && *message_r != 0;
}

/* Compares what two lessons are about. */
bool
memory_lesson_is_of_same(const void *a, size_t a_length, const void *b, size_t b_length)
{
	uint64_t a_sender, a_message, b_sender, b_message;
	struct store_blob ours[BASE_KEY_MAX], others[BASE_KEY_MAX];

	if (!memory_lessons_split(a, a_length, ours) || !memory_lessons_split(b, b_length, others))
		return false;
	return lesson_subject(ours[0].data, ours[0].length, &a_sender, &a_message) &&
	       lesson_subject(others[0].data, others[0].length, &b_sender, &b_message) &&
	       a_sender == b_sender && a_message == b_message;
}
