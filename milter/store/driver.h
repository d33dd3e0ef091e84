/*
 * NAME
 *	driver - the table of operations that a kind of database offers; private to store
 *
 * CONTRACT
 *	Each operation means what store.h says of the function of its name. store.c holds
 *	the lock around every one of them, so a driver needs none. Between begin and commit or
 *	rollback an operation that failed with anything but NONE or REFUSE may have ended
 *	the transaction; then everything up to the end fails as well.
 */
#ifndef OOPS_STORE_DRIVER_H
#define OOPS_STORE_DRIVER_H

#include "milter/base/arena.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/store/store.h"

struct store_driver {
	const char *name;

	enum base_result (*open)(const struct store_options *options, enum store_kind kind,
	    void **database_r, const char **why_r);
	void (*close)(void *database);
	bool (*is_damaged)(
	    const struct store_options *options, enum store_kind kind, const char **why_r);
	enum base_result (*set_aside)(const struct store_options *options, enum store_kind kind,
	    const char **name_r, const char **why_r);
	bool (*is_lost)(void *database);
	bool (*is_short)(void *database);
	enum base_result (*begin)(void *database, const char **why_r);
	enum base_result (*commit)(void *database, const char **why_r);
	void (*rollback)(void *database);
	enum base_result (*tidy)(void *database, const char **why_r);
	enum base_result (*compact)(void *database, const char **why_r);
	enum base_result (*check)(void *database, int *version_r, const char **why_r);

	enum base_result (*hold_insert)(
	    void *database, const struct store_hold *hold, const char **why_r);
	enum base_result (*hold_get)(void *database, struct base_arena *arena, const char *id,
	    struct store_hold **hold_r, const char **why_r);
	enum base_result (*hold_by_token)(void *database, struct base_arena *arena,
	    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_hold **hold_r,
	    const char **why_r);
	enum base_result (*hold_by_act)(void *database, struct base_arena *arena, const char *node,
	    const void *act, size_t length, int64_t since, struct store_hold **hold_r,
	    const char **why_r);
	enum base_result (*hold_update)(
	    void *database, const struct store_hold *hold, int expected, const char **why_r);
	enum base_result (*hold_postpone)(
	    void *database, const char *id, int64_t time, const char **why_r);
	enum base_result (*hold_look)(
	    void *database, const char *id, int64_t now, int64_t rest, const char **why_r);
	enum base_result (*hold_due)(void *database, struct base_arena *arena, enum store_due which,
	    const char *node, int64_t now, struct store_hold **holds_r, size_t room,
	    size_t *count_r, const char **why_r);
	enum base_result (*due_ids)(void *database, struct base_arena *arena, enum store_due which,
	    const char *node, int64_t now, const char ***ids_r, size_t room, size_t *count_r,
	    const char **why_r);
	enum base_result (*hold_letters)(void *database, const char *sender, int64_t since,
	    int64_t *count_r, const char **why_r);
	enum base_result (*hold_next_due)(
	    void *database, const char *node, int64_t *due_r, const char **why_r);
	enum base_result (*hold_list)(void *database, struct base_arena *arena, bool all_states,
	    const struct store_hold *before, struct store_hold **holds_r, size_t room,
	    size_t *count_r, const char **why_r);
	enum base_result (*hold_count)(void *database, const char *sender, int64_t since,
	    int64_t *count_r, const char **why_r);
	enum base_result (*hold_count_unlimited)(void *database, const char *sender, int64_t since,
	    int64_t *count_r, const char **why_r);
	enum base_result (*hold_shift)(
	    void *database, const struct store_shift *shift, const char **why_r);
	enum base_result (*budget_add)(
	    void *database, int64_t time, int64_t since, const char **why_r);
	enum base_result (*budget_count)(
	    void *database, int64_t since, int64_t *count_r, const char **why_r);
	enum base_result (*hold_purge)(void *database, int64_t time, const char **why_r);
	enum base_result (*hold_naming)(void *database, struct base_arena *arena,
	    const char *address, const void *mark, size_t length, struct store_hold **holds_r,
	    size_t room, size_t *count_r, const char **why_r);
	enum base_result (*hold_remove)(void *database, const char *id, const char **why_r);

	enum base_result (*part_insert)(void *database, const struct store_part *part,
	    const void *lesson, size_t lesson_length, const char **why_r);
	enum base_result (*part_update)(
	    void *database, const struct store_part *part, const char **why_r);
	enum base_result (*part_rename)(void *database, const struct store_part *part,
	    const char *queue_id, const char **why_r);
	enum base_result (*part_list)(void *database, struct base_arena *arena, const char *hold_id,
	    struct store_part **parts_r, size_t *count_r, const char **why_r);
	enum base_result (*part_lesson)(void *database, struct base_arena *arena,
	    const struct store_part *part, struct store_blob *lesson_r, const char **why_r);
	enum base_result (*part_wipe)(void *database, const char *hold_id, const char **why_r);

	enum base_result (*token_insert)(void *database, const unsigned char hash[BASE_HASH_SIZE],
	    const char *hold_id, int64_t expires, const char **why_r);

	enum base_result (*storm_insert)(
	    void *database, const struct store_storm *storm, const char **why_r);
	enum base_result (*storm_update)(
	    void *database, const struct store_storm *storm, int expected, const char **why_r);
	enum base_result (*storm_get)(void *database, struct base_arena *arena, const char *id,
	    struct store_storm **storm_r, const char **why_r);
	enum base_result (*storm_by_token)(void *database, struct base_arena *arena,
	    const unsigned char hash[BASE_HASH_SIZE], int64_t now, struct store_storm **storm_r,
	    const char **why_r);
	enum base_result (*storm_by_topic)(void *database, struct base_arena *arena,
	    const struct store_blob *topic, int64_t now, struct store_storm **storm_r,
	    const char **why_r);
	enum base_result (*storm_some)(void *database, struct base_arena *arena,
	    enum store_storm_set set, const char *node, int64_t now, struct store_storm **storms_r,
	    size_t room, size_t *count_r, const char **why_r);
	enum base_result (*storm_release)(void *database, const char *id, const int states[2],
	    int64_t now, int on_end, const char **why_r);
	enum base_result (*storm_held)(
	    void *database, const char *id, size_t *count_r, const char **why_r);
	enum base_result (*storm_told)(
	    void *database, const char *id, const char *sender, const char **why_r);
	enum base_result (*storm_forget)(void *database, const char *address, const char **why_r);
	enum base_result (*storm_purge)(
	    void *database, int64_t time, int64_t answers_time, const char **why_r);
	enum base_result (*answer_insert)(
	    void *database, const struct store_answer *answer, const char **why_r);
	enum base_result (*answer_has)(void *database, const struct store_blob *topic,
	    const struct store_blob *act, const char **why_r);
	enum base_result (*answer_topic)(void *database, struct base_arena *arena,
	    const struct store_blob *message, struct store_blob *topic_r, const char **why_r);
	enum base_result (*answer_people)(void *database, struct base_arena *arena,
	    const struct store_blob *topic, int64_t since, size_t room, const char **people_r,
	    const char **why_r);
	enum base_result (*answer_forget)(void *database, int64_t now, const char **why_r);
	enum base_result (*answer_count)(void *database, const struct store_blob *topic,
	    int64_t since, size_t *answers_r, size_t *answerers_r, const char **why_r);

	enum base_result (*record_get)(void *database, struct base_arena *arena,
	    enum store_record kind, uint64_t key, struct store_blob *blob_r, const char **why_r);
	enum base_result (*record_put)(void *database, enum store_record kind, uint64_t key,
	    const void *data, size_t length, int64_t expires, const char **why_r);
	enum base_result (*record_delete)(
	    void *database, enum store_record kind, uint64_t key, const char **why_r);
	enum base_result (*record_each)(void *database, enum store_record kind,
	    bool (*each)(void *context, uint64_t key, const void *data, size_t length),
	    void *context, const char **why_r);
	/* Removes some; NONE: nothing left to remove. */
	enum base_result (*record_expire)(void *database, int64_t now, const char **why_r);
};

extern const struct store_driver store_sqlite_driver;

#endif
