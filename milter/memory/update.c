/*
 * NAME
 *	memory/update - what one lesson changes in one record
 *
 * Weights grow forward: an event at time t counts 2^((t - epoch) / half-life), so that
 *nothing else needs to be touched when time passes. Now and then a record's epoch moves up,
 *before the numbers become large.
 */
#include <string.h>

#include "milter/memory/internal.h"

#define UPDATE_EPOCH_AGE 16 /* half-lives after which the epoch moves */
#define UPDATE_GAP_SHARE 0.3f

/* What one event at `now` adds to weights of `epoch`. */
static float
weight_now(int64_t epoch, int64_t now)
{
	return (float)exp2((double)(now - epoch) / MEMORY_HALF_LIFE);
}

/* Is the epoch so old that it should move? Then `factor_r` brings weights to `now`. */
static bool
epoch_is_old(int64_t epoch, int64_t now, float *factor_r)
{
	if ((double)(now - epoch) / MEMORY_HALF_LIFE < UPDATE_EPOCH_AGE)
		return false;
	*factor_r = (float)memory_fade(epoch, now);
	return true;
}

/* Mail is not always learned in its order: a time only ever moves on. */
static void
later(uint32_t *time, int64_t now)
{
	if ((uint32_t)now > *time)
		*time = (uint32_t)now;
}

static void
scale(float *values, size_t count, float factor)
{
	for (size_t i = 0; i < count; i++)
		values[i] *= factor;
}

/* Moves a profile's epoch when it is time. */
static void
profile_renew(struct memory_profile *profile, int64_t now)
{
	float factor;

	if (!epoch_is_old(profile->epoch, now, &factor))
		return;
	for (size_t i = 0; i < profile->contact_count; i++) {
		profile->contacts[i].sent *= factor;
		profile->contacts[i].alone *= factor;
		profile->contacts[i].received *= factor;
	}
	for (size_t i = 0; i < profile->sent_count; i++)
		profile->sent[i].weight *= factor;
	scale(profile->sizes, MEMORY_SIZE_CLASSES, factor);
	scale(profile->could, MEMORY_PARENT_CLASSES, factor);
	scale(profile->did, MEMORY_PARENT_CLASSES, factor);
	profile->total *= factor;
	profile->epoch = now;
}

/* A profile that knows nothing. */
struct memory_profile *
memory_profile_new(struct base_arena *arena, int64_t epoch)
{
	struct memory_profile *profile = base_arena_alloc(arena, sizeof(*profile));

	if (profile)
		profile->epoch = epoch;
	return profile;
}

/* --- lists that grow --------------------------------------------------------------- */

/* Room for one more element: the list itself, a larger copy, or NULL when the arena is
 * full. */
static void *
list_grown(struct base_arena *arena, void *list, size_t count, size_t *room, size_t max,
    size_t size)
{
	size_t larger = *room < 4 ? 4 : *room * 2;
	void *copy;

	if (count < *room)
		return list;
	if (larger > max)
		larger = max;
	copy = base_arena_array(arena, larger, size);
	if (!copy)
		return NULL;
	if (count)
		memcpy(copy, list, count * size);
	*room = larger;
	return copy;
}

/* How much a full profile would lose with this contact. */
static double
contact_worth(
    const struct memory_contact *contact, const struct memory_profile *profile, int64_t now)
{
	int64_t last = contact->last_sent > contact->last_received ? contact->last_sent
								   : contact->last_received;
	double fade = memory_fade(profile->epoch, now);

	return (4 * (double)contact->sent + (double)contact->received) * fade +
	       0.5 * exp2((double)(last - now) / MEMORY_HALF_LIFE * 2);
}

/* Removes an audience written to; the last one takes its place, and its bit. */
void
memory_sent_remove(struct memory_profile *profile, size_t slot)
{
	size_t last = --profile->sent_count;

	profile->sent[slot] = profile->sent[last];
	for (size_t i = 0; i < profile->contact_count; i++) {
		uint64_t *audiences = &profile->contacts[i].audiences;
		uint64_t had = *audiences >> last & 1;

		*audiences &= ~(UINT64_C(1) << slot | UINT64_C(1) << last);
		if (slot != last)
			*audiences |= had << slot;
	}
}

/*
 * Removes the audiences of one or two that a contact belongs to, before it goes: their sum is
 * its hash, or tells it by the other one's, and nobody would know any more whose it is.
 */
static void
sent_small_remove(struct memory_profile *profile, uint64_t audiences)
{
	for (size_t slot = profile->sent_count; slot-- > 0;)
		if (audiences >> slot & 1 && profile->sent[slot].size <= 2)
			memory_sent_remove(profile, slot);
}

/* Makes room in a full profile: the contact of least worth goes. */
static void
contact_evict(struct memory_profile *profile, int64_t now)
{
	size_t least = 0;
	double least_worth = INFINITY;

	for (size_t i = 0; i < profile->contact_count; i++) {
		double worth = contact_worth(&profile->contacts[i], profile, now);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	sent_small_remove(profile, profile->contacts[least].audiences);
	profile->contact_count--;
	memmove(&profile->contacts[least], &profile->contacts[least + 1],
	    (profile->contact_count - least) * sizeof(*profile->contacts));
}

/* The contact, made if need be. NULL: arena full. */
static struct memory_contact *
contact_get(
    struct base_arena *arena, struct memory_profile *profile, uint64_t hash, int64_t now)
{
	size_t place = memory_contact_place(profile, hash);
	struct memory_contact *contacts;

	if (place < profile->contact_count && profile->contacts[place].hash == hash)
		return &profile->contacts[place];
	if (profile->contact_count >= MEMORY_MAX_CONTACTS) {
		contact_evict(profile, now);
		place = memory_contact_place(profile, hash);
	}
	contacts = list_grown(arena, profile->contacts, profile->contact_count,
	    &profile->contact_room, MEMORY_MAX_CONTACTS, sizeof(*contacts));
	if (!contacts)
		return NULL;
	profile->contacts = contacts;
	memmove(&contacts[place + 1], &contacts[place],
	    (profile->contact_count - place) * sizeof(*contacts));
	profile->contact_count++;
	contacts[place] = (struct memory_contact){ .hash = hash, .heard = MEMORY_NO_SLOT };
	return &contacts[place];
}

/* The slot of least worth among the audiences written to. */
static size_t
sent_least(const struct memory_profile *profile, int64_t now)
{
	double fade = memory_fade(profile->epoch, now), least_worth = INFINITY;
	size_t least = 0;

	for (size_t i = 0; i < profile->sent_count; i++) {
		const struct memory_sent *sent = &profile->sent[i];
		double worth =
		    (double)sent->weight * fade +
		    exp2(((double)sent->last - (double)now) / MEMORY_HALF_LIFE * 4);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	return least;
}

/* The slot of an audience written to, made if need be; MEMORY_MAX_SENT: arena full. */
static size_t
sent_slot(struct base_arena *arena, struct memory_profile *profile, uint64_t sum,
    uint32_t size, int64_t now)
{
	size_t slot;
	struct memory_sent *list;

	for (slot = 0; slot < profile->sent_count; slot++)
		if (profile->sent[slot].sum == sum && profile->sent[slot].size == size)
			return slot;
	if (profile->sent_count < MEMORY_MAX_SENT) {
		list = list_grown(arena, profile->sent, profile->sent_count,
		    &profile->sent_room, MEMORY_MAX_SENT, sizeof(*list));
		if (!list)
			return MEMORY_MAX_SENT;
		profile->sent = list;
		slot = profile->sent_count++;
	} else {
		slot = sent_least(profile, now);
		for (size_t i = 0; i < profile->contact_count; i++)
			profile->contacts[i].audiences &= ~(UINT64_C(1) << slot);
	}
	profile->sent[slot] =
	    (struct memory_sent){ .sum = sum, .size = size, .first = (uint32_t)now };
	return slot;
}

/* The slot of least worth among the audiences received from. */
static size_t
heard_least(const struct memory_profile *profile, int64_t now)
{
	double least_worth = INFINITY;
	size_t least = 0;

	for (size_t i = 0; i < profile->heard_count; i++) {
		const struct memory_heard *heard = &profile->heard[i];
		double worth =
		    exp2(((double)heard->last - (double)now) / MEMORY_HALF_LIFE * 4) *
		    (1 + log2(heard->count)) * (heard->size >= 15 ? 2 : 1);

		if (worth < least_worth) {
			least_worth = worth;
			least = i;
		}
	}
	return least;
}

/* The slot of an audience received from, made if need be; MEMORY_MAX_HEARD: arena full. */
static size_t
heard_slot(struct base_arena *arena, struct memory_profile *profile, uint64_t owner,
    const struct memory_lesson *lesson)
{
	size_t slot;
	struct memory_heard *list, *heard;

	for (slot = 0; slot < profile->heard_count; slot++)
		if (profile->heard[slot].sum == lesson->member_sum)
			return slot;
	if (profile->heard_count < MEMORY_MAX_HEARD) {
		list = list_grown(arena, profile->heard, profile->heard_count,
		    &profile->heard_room, MEMORY_MAX_HEARD, sizeof(*list));
		if (!list)
			return MEMORY_MAX_HEARD;
		profile->heard = list;
		slot = profile->heard_count++;
	} else {
		slot = heard_least(profile, lesson->time);
		for (size_t i = 0; i < profile->contact_count; i++)
			if (profile->contacts[i].heard == slot)
				profile->contacts[i].heard = MEMORY_NO_SLOT;
	}
	heard = &profile->heard[slot];
	*heard = (struct memory_heard){
		.sum = lesson->member_sum,
		.size = lesson->member_count - 1,
	};
	for (size_t i = 0; i < lesson->person_count && heard->sketch_count < MEMORY_SKETCH;
	     i++)
		if (lesson->people[i].hash != owner)
			heard->sketch[heard->sketch_count++] =
			    (uint32_t)(lesson->people[i].hash >> 32);
	return slot;
}

/* Leaves a large audience's mark; false: arena full. */
static bool
list_mark(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson)
{
	struct memory_list mark = {
		.with = (uint32_t)(lesson->member_sum >> 32),
		.without = (uint32_t)((lesson->member_sum - lesson->sender) >> 32),
	};
	struct memory_list *lists;

	for (size_t i = 0; i < profile->list_count; i++)
		if (profile->lists[i].with == mark.with)
			return true;
	if (profile->list_count < MEMORY_MAX_LISTS) {
		lists = list_grown(arena, profile->lists, profile->list_count,
		    &profile->list_room, MEMORY_MAX_LISTS, sizeof(*lists));
		if (!lists)
			return false;
		profile->lists = lists;
		lists[profile->list_count++] = mark;
		return true;
	}
	profile->lists[profile->list_next] = mark;
	profile->list_next = (profile->list_next + 1) % MEMORY_MAX_LISTS;
	return true;
}

/* --- the sender's own profile ------------------------------------------------------ */

/* Counts a send in an audience's own record. */
static void
sent_count(struct memory_sent *sent, float weight, int64_t now)
{
	if (sent->last && now >= sent->last) {
		float gap = (float)now - (float)sent->last;

		if (sent->count == 1) {
			sent->gap = gap;
		} else {
			sent->deviation +=
			    UPDATE_GAP_SHARE * (fabsf(gap - sent->gap) - sent->deviation);
			sent->gap += UPDATE_GAP_SHARE * (gap - sent->gap);
		}
	}
	sent->weight += weight;
	later(&sent->last, now);
	if (sent->count < UINT32_MAX)
		sent->count++;
}

/* Everybody of one send becomes a contact; they are the first of the recipients. */
static enum base_result
profile_contacts(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson, const uint64_t *recipients, size_t count,
    float weight)
{
	for (size_t i = 0; i < count; i++) {
		struct memory_contact *contact =
		    contact_get(arena, profile, recipients[i], lesson->time);

		if (!contact)
			return BASE_BROKEN;
		contact->sent += weight;
		later(&contact->last_sent, lesson->time);
		if (lesson->recipient_count == 1 && lesson->people_count == 1)
			contact->alone += weight;
	}
	return BASE_OK;
}

/* The audience that they make. After the contacts: one that goes can take audiences along. */
static enum base_result
profile_audience(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson, const uint64_t *recipients, size_t count,
    float weight)
{
	size_t slot;

	if (lesson->recipient_count < 1 || lesson->people_count < 2)
		return BASE_OK;
	slot = sent_slot(
	    arena, profile, lesson->recipient_sum, lesson->recipient_count, lesson->time);
	if (slot == MEMORY_MAX_SENT)
		return BASE_BROKEN;
	sent_count(&profile->sent[slot], weight, lesson->time);
	for (size_t i = 0; i < count; i++) {
		size_t place = memory_contact_place(profile, recipients[i]);

		if (place < profile->contact_count &&
		    profile->contacts[place].hash == recipients[i])
			profile->contacts[place].audiences |= UINT64_C(1) << slot;
	}
	return BASE_OK;
}

/* The owner answered all of an audience received from, or its author alone. */
static void
heard_answered(struct memory_profile *profile, const struct memory_answer *answer)
{
	bool is_to_all = memory_answer_is_to_all(answer);

	for (size_t i = 0; i < profile->heard_count; i++) {
		struct memory_heard *heard = &profile->heard[i];

		if (!answer->kind || answer->is_small || heard->sum != answer->sum)
			continue;
		if (is_to_all && heard->answered < UINT8_MAX)
			heard->answered++;
		if (!is_to_all && answer->is_choice && heard->declined < UINT8_MAX)
			heard->declined++;
	}
}

/* The sender's profile learns a send. */
enum base_result
memory_profile_sent(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson, const uint64_t *recipients, size_t count,
    const struct memory_answer *answer)
{
	enum base_result result;
	float weight;

	if (count > MEMORY_SAMPLE)
		count = MEMORY_SAMPLE;
	profile_renew(profile, lesson->time);
	weight = weight_now(profile->epoch, lesson->time);
	if (answer->is_choice) {
		unsigned size_class = memory_parent_class(answer->others);

		profile->could[size_class] += weight;
		if (answer->taken >= MEMORY_WHOLE)
			profile->did[size_class] += weight;
	}
	heard_answered(profile, answer);
	if (!profile->first || lesson->time < profile->first)
		profile->first = (uint32_t)lesson->time;
	later(&profile->last, lesson->time);
	if (profile->sends < UINT32_MAX)
		profile->sends++;
	if (lesson->people_count > profile->largest)
		profile->largest = lesson->people_count;
	profile->sizes[memory_size_class(lesson->people_count)] += weight;
	profile->total += weight;
	result = profile_contacts(arena, profile, lesson, recipients, count, weight);
	if (result == BASE_OK)
		result =
		    profile_audience(arena, profile, lesson, recipients, count, weight);
	return result;
}

/* --- a recipient's profile --------------------------------------------------------- */

/* Who wrote to an audience. */
static void
heard_voice(struct memory_heard *heard, uint64_t sender, int64_t now)
{
	size_t i = 0;

	if (heard->count && heard->last_voice != sender && heard->turns < UINT16_MAX)
		heard->turns++;
	if (now >= heard->last)
		heard->last_voice = sender;
	later(&heard->last, now);
	if (heard->count < UINT32_MAX)
		heard->count++;
	while (i < heard->voice_count && heard->voices[i] != sender)
		i++;
	if (i == heard->voice_count && i < MEMORY_MAX_VOICES)
		heard->voices[heard->voice_count++] = sender;
}

/* A recipient's profile learns that it was written to. */
enum base_result
memory_profile_heard(struct base_arena *arena, struct memory_profile *profile,
    uint64_t owner, const struct memory_lesson *lesson)
{
	struct memory_contact *contact;
	size_t slot = MEMORY_NO_SLOT;

	profile_renew(profile, lesson->time);
	if (profile->received < UINT32_MAX)
		profile->received++;
	if (lesson->member_count > MEMORY_HEARD_MIN) {
		slot = heard_slot(arena, profile, owner, lesson);
		if (slot == MEMORY_MAX_HEARD)
			return BASE_BROKEN;
		heard_voice(&profile->heard[slot], lesson->sender, lesson->time);
		if (lesson->member_count > MEMORY_LIST_MIN &&
		    !list_mark(arena, profile, lesson))
			return BASE_BROKEN;
	}
	contact = contact_get(arena, profile, lesson->sender, lesson->time);
	if (!contact)
		return BASE_BROKEN;
	contact->received += weight_now(profile->epoch, lesson->time);
	if (lesson->time < contact->last_received)
		return BASE_OK;
	contact->last_received = (uint32_t)lesson->time;
	contact->heard = (uint8_t)slot;
	contact->heard_size =
	    (uint8_t)(lesson->member_count > 256 ? 255 : lesson->member_count - 1);
	return BASE_OK;
}

/* --- threads ----------------------------------------------------------------------- */

/* Adds a hash to a sorted list with a maximum: the lowest stay. */
static uint8_t
hashes_add(uint64_t *hashes, uint8_t count, size_t room, uint64_t hash)
{
	size_t place = memory_hash_place(hashes, count, hash);

	if (place == room || (place < count && hashes[place] == hash))
		return count;
	if (count == room)
		count--;
	memmove(&hashes[place + 1], &hashes[place], (count - place) * sizeof(*hashes));
	hashes[place] = hash;
	return count + 1;
}

/* The people of a mail as a thread's members. */
static void
thread_members(struct memory_thread *thread, const struct memory_lesson *lesson)
{
	for (size_t i = 0; i < lesson->person_count; i++) {
		const struct memory_person *person = &lesson->people[i];

		thread->member_count = hashes_add(thread->members, thread->member_count,
		    MEMORY_MAX_MEMBERS, person->hash);
		if (lesson->has_header && person->places == MEMORY_IN_ENVELOPE)
			thread->hidden_count = hashes_add(thread->hidden,
			    thread->hidden_count, MEMORY_MAX_HIDDEN, person->hash);
		if ((person->places & (MEMORY_IN_TO | MEMORY_IN_CC)) == MEMORY_IN_CC)
			thread->copied_count = hashes_add(thread->copied,
			    thread->copied_count, MEMORY_MAX_HIDDEN, person->hash);
	}
	if (lesson->sender)
		thread->member_count = hashes_add(thread->members, thread->member_count,
		    MEMORY_MAX_MEMBERS, lesson->sender);
}

/* Who wrote before in the thread that this message answers. */
static void
thread_answerers(struct memory_thread *thread, const struct memory_thread *parent)
{
	thread->answerers[0] = thread->originator;
	thread->answerer_count = 1;
	for (size_t i = 0; parent && i < parent->answerer_count &&
			   thread->answerer_count < MEMORY_MAX_ANSWERERS;
	     i++)
		if (parent->answerers[i] != thread->originator)
			thread->answerers[thread->answerer_count++] = parent->answerers[i];
}

/* How many people have a message: its author and, where lists are known, those behind them. */
static uint32_t
lesson_members(const struct memory_lesson *lesson)
{
	uint32_t people = lesson->people_count;

	if (people < UINT32_MAX && lesson->sender != 0)
		people++;
	return people > lesson->member_count ? people : lesson->member_count;
}

/* A message that may be answered. A second transaction of the same one adds its people. */
void
memory_thread_learn(struct memory_thread *thread, const struct memory_lesson *lesson,
    const struct memory_thread *parent, const struct memory_answer *answer)
{
	if (thread->time && thread->originator != lesson->sender)
		return;
	thread->has_header = lesson->has_header || thread->has_header;
	thread->knows_copied =
	    thread->has_header && (thread->knows_copied || !thread->time);
	thread->is_one_domain =
	    lesson->is_one_domain && (thread->is_one_domain || !thread->time);
	thread->originator = lesson->sender;
	thread->time = (uint32_t)lesson->time;
	thread_members(thread, lesson);
	if (lesson_members(lesson) > thread->size) {
		thread->size = lesson_members(lesson);
		thread->sum = lesson->member_sum;
	}
	if (thread->size < thread->member_count)
		thread->size = thread->member_count;
	thread_answerers(thread, parent);
	if (parent && memory_answer_is_to_all(answer))
		thread->answered_all = parent->answered_all;
}
