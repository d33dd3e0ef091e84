/*
 * table_learn - what one lesson changes: the sender's habits and the site's, the threads, and what
 * each recipient has heard
 */
#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/memory/table.h"

/* A profile to change. */
static enum base_result
profile_change(struct memory_table *table, uint64_t key, int64_t time,
    struct memory_profile **profile_r, const char **why_r)
{
	enum base_result result = memory_table_change(table, STORE_PROFILE, key,
	    sizeof(struct memory_profile), time, (void **)profile_r, why_r);

	if (result == BASE_OK && (*profile_r)->epoch == 0)
		(*profile_r)->epoch = time;
	return result;
}

/* What a lesson is about, once the records it needs are found. */
struct table_lesson {
	bool is_first; /* of the keys: the site, which has none, learns once */
	struct memory_lesson lesson;
	uint64_t *recipients;
	size_t recipient_count;
	struct memory_thread *parent; /* NULL: unknown */
	struct memory_answer answer;
};

/* The sender's habits and the site's. */
static enum base_result
learn_sender(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	const struct memory_lesson *lesson = &about->lesson;
	struct memory_profile *profile;
	struct memory_site *site;
	enum base_result result;

	result = profile_change(table, lesson->sender, lesson->time, &profile, why_r);
	if (result == BASE_OK)
		result = memory_table_change(table, STORE_SITE, TABLE_SITE_KEY, sizeof(*site),
		    lesson->time, (void **)&site, why_r);
	if (result != BASE_OK)
		return result;
	about->answer = memory_answer_find(profile, about->parent, lesson->sender,
	    about->recipients, about->recipient_count, lesson->people_count, lesson->time);
	if (about->is_first)
		memory_site_learn(site, lesson, &about->answer, table->half_life);
	result = memory_profile_sent(table->arena, profile, lesson, about->recipients,
	    about->recipient_count, &about->answer);
	if (result != BASE_OK)
		*why_r = base_why("no more room for records");
	return result;
}

/*
 * Writes what a lesson has changed so far, once that is much, and goes on with an empty table:
 * all records that were found before are gone.
 */
static enum base_result
lesson_cut(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	enum base_result result;

	if (!table->store || base_arena_held(table->arena) < TABLE_CUT(table->max_bytes))
		return BASE_OK;
	about->parent = NULL;
	result = memory_table_write(table, why_r);
	if (result == BASE_OK) {
		table->was_cut = true;
		result = memory_table_begin(table, why_r);
	}
	return result;
}

/* Those who got it: last, because a lesson may be cut here. */
static enum base_result
learn_recipients(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	const struct memory_lesson *lesson = &about->lesson;
	enum base_result result = BASE_OK;

	for (size_t i = 0;
	     i < about->recipient_count && i < MEMORY_LESSON_TAUGHT && result == BASE_OK; i++) {
		struct memory_profile *profile;

		result = lesson_cut(table, about, why_r);
		if (result == BASE_OK)
			result = profile_change(
			    table, about->recipients[i], lesson->time, &profile, why_r);
		if (result != BASE_OK)
			return result;
		result = memory_profile_heard(table->arena, profile, about->recipients[i], lesson);
		if (result != BASE_OK)
			*why_r = base_why("no more room for records");
	}
	return result;
}

/* The message's own thread row, and the parent's count of answers to all. */
static enum base_result
learn_thread(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	const struct memory_lesson *lesson = &about->lesson;
	struct memory_thread *thread;
	enum base_result result = BASE_OK;

	if (about->parent && memory_answer_is_to_all(&about->answer)) {
		result = memory_table_change(table, STORE_THREAD, lesson->parent, sizeof(*thread),
		    lesson->time, (void **)&thread, why_r);
		if (result == BASE_OK && thread->answered_all < UINT8_MAX)
			thread->answered_all++;
	}
	if (result != BASE_OK || !lesson->message || lesson->message == lesson->parent)
		return result;
	result = memory_table_change(table, STORE_THREAD, lesson->message, sizeof(*thread),
	    lesson->time, (void **)&thread, why_r);
	if (result == BASE_OK)
		memory_thread_learn(thread, lesson, about->parent, &about->answer);
	return result;
}

/* The parent's thread, if any, and the recipients. */
static enum base_result
lesson_prepare(struct memory_table *table, struct table_lesson *about, const char **why_r)
{
	enum base_result result = BASE_NONE;

	if (memory_lesson_recipients(table->scratch, &about->lesson, &about->recipients,
		&about->recipient_count) != BASE_OK) {
		*why_r = base_why("no memory for a lesson");
		return BASE_BROKEN;
	}
	if (about->lesson.parent)
		result = memory_table_thread(table, about->lesson.parent, &about->parent, why_r);
	return result == BASE_NONE ? BASE_OK : result;
}

/* All that one lesson changes under its key. */
static enum base_result
lesson_learn(
    struct memory_table *table, const void *data, size_t length, bool is_first, const char **why_r)
{
	struct table_lesson about = { 0 };
	enum base_result result;

	base_arena_reset(table->scratch);
	result = memory_lesson_decode(table->scratch, data, length, &about.lesson);
	if (result != BASE_OK) {
		*why_r = base_why("%zu bytes are not a lesson", length);
		return result;
	}
	memory_lesson_forget(&about.lesson, table->forgotten, table->forgotten_count);
	about.is_first = is_first;
	if (!about.lesson.sender)
		return BASE_OK;
	result = lesson_cut(table, &about, why_r);
	if (result == BASE_OK)
		result = lesson_prepare(table, &about, why_r);
	if (result == BASE_OK && about.lesson.is_send)
		result = learn_sender(table, &about, why_r);
	else if (result == BASE_OK)
		about.answer =
		    memory_answer_find(NULL, about.parent, about.lesson.sender, about.recipients,
			about.recipient_count, about.lesson.people_count, about.lesson.time);
	if (result == BASE_OK)
		result = learn_thread(table, &about, why_r);
	if (result == BASE_OK)
		result = learn_recipients(table, &about, why_r);
	return result;
}

/* All that the lessons of one mail change: one for each key. */
enum base_result
memory_table_learn(struct memory_table *table, const void *data, size_t length, const char **why_r)
{
	struct store_blob parts[BASE_KEY_MAX];
	size_t count = memory_lessons_split(data, length, parts);
	enum base_result result = BASE_OK;

	table->was_cut = false;
	if (count == 0) {
		*why_r = base_why("%zu bytes are not a lesson", length);
		return BASE_REFUSE;
	}
	for (size_t i = 0; i < count && result == BASE_OK; i++)
		result = lesson_learn(table, parts[i].data, parts[i].length, i == 0, why_r);
	return result;
}
