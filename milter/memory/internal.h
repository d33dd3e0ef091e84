/*
 * NAME
 *	memory/internal - lessons, codecs and updates, for the files of this module and its tests
 *
 * WHAT IT DOES
 *	codec.c turns records into bytes and back; any bytes are accepted safely. lesson.c
 *	does the same for what is to be learned. update_sent.c, update_heard.c and
 *	update_thread.c apply a lesson to one record, forget_record.c takes a person out of
 *	one; table.c holds decoded records between two writes.
 */
#ifndef OOPS_MEMORY_INTERNAL_H
#define OOPS_MEMORY_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/memory/memory.h"
#include "milter/memory/record.h"
#include "milter/store/record.h"
#include "milter/store/store.h"

/* --- lessons ----------------------------------------------------------------------- */

/* kept: the lowest hashes; counts and sums are of all */
#define MEMORY_LESSON_PEOPLE 1024
#define MEMORY_LESSON_DOMAINS 16
#define MEMORY_LESSON_TAUGHT 256 /* recipients whose own profile learns of a send */

enum memory_place {
	MEMORY_IN_ENVELOPE = 1,
	MEMORY_IN_TO = 2,
	MEMORY_IN_CC = 4,
};

struct memory_person {
	uint64_t hash;
	uint32_t name;  /* of its display name, 0 for none */
	uint8_t places; /* enum memory_place */
};

struct memory_lesson {
	int64_t time;
	double score;             /* negative: not judged */
	bool is_send;             /* of a local person: habits are learned, not only the thread */
	uint64_t sender;          /* actor, or who is heard from; 0 for nobody */
	uint32_t sender_name;     /* hash of the sender's display name, 0 for none */
	uint64_t message;         /* its id, 0 for none */
	uint64_t parent;          /* the id it answers, 0 for none */
	uint32_t recipient_count; /* of the envelope, sender left out */
	uint64_t recipient_sum;
	uint32_t people_count; /* behind the recipients; they themselves where no list is known */
	uint32_t member_count; /* envelope, To, Cc and the sender */
	uint64_t member_sum;
	bool has_header;                         /* To or Cc was there, so who is hidden is known */
	bool is_one_domain;                      /* everybody is of the sender's organisation */
	bool knows_domains;                      /* false: a lesson of before they were kept */
	bool is_confirmed;                       /* its sender was asked about this very audience */
	uint64_t domains[MEMORY_LESSON_DOMAINS]; /* hashes of the recipients' outside ones */
	uint8_t domain_count;
	struct memory_person *people; /* sorted by hash, sender left out */
	size_t person_count;
};

/* BROKEN: arena full. */
enum base_result memory_lesson_make(struct base_arena *arena, const struct base_key *key,
    const char *actor, const struct mail_transaction *transaction, size_t people, double score,
    struct memory_lesson *lesson_r, const char **why_r);
enum base_result memory_lesson_encode(struct base_arena *arena, const struct memory_lesson *lesson,
    const void **data_r, size_t *length_r);
/* REFUSE: not a lesson. */
enum base_result memory_lesson_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_lesson *lesson_r);
/*
 * The same mail's lessons under several keys, the oldest first, as the bytes of one; BROKEN:
 * arena full. And back: how many, 0 when they are cut.
 */
enum base_result memory_lessons_join(struct base_arena *arena, const struct store_blob *parts,
    size_t count, const void **data_r, size_t *length_r);
size_t memory_lessons_split(
    const void *data, size_t length, struct store_blob parts_r[BASE_KEY_MAX]);
/* Are two lessons (encoded) about the same message of the same sender's? */
bool memory_lesson_is_of_same(const void *a, size_t a_length, const void *b, size_t b_length);
/* The envelope's recipients as sorted hashes; at most `lesson->person_count`. */
enum base_result memory_lesson_recipients(struct base_arena *arena,
    const struct memory_lesson *lesson, uint64_t **hashes_r, size_t *count_r);
uint64_t memory_hash(const struct base_key *key, const char *text);

/* --- domains ----------------------------------------------------------------------- */

/* The outside domains of the recipients, for a sender's address. */
void memory_lesson_domains(const struct base_key *key, const char *sender,
    const struct mail_transaction *transaction, struct memory_lesson *lesson);
/* Fills in the domains of the recall's recipients, who were found before. */
void memory_domains_find(const struct base_key *key, const char *actor,
    const struct mail_transaction *transaction, struct memory_recall *recall);

/* --- names ------------------------------------------------------------------------- */

/* Of a display name, whatever its case and the order of its words; 0: no person's name. */
uint32_t memory_name_hash(const struct base_key *key, const char *text);

/* --- recipients -------------------------------------------------------------------- */

/* Fills in recipients and the records' hashes; all else but domains is there. */
enum base_result memory_recipients_find(struct base_arena *arena, const struct base_key *key,
    const struct mail_transaction *transaction, struct memory_recall *recall,
    struct memory_records *records, const char **why_r);
/* Somebody who need not be a recipient, as a contact of the recall's sender. */
void memory_contact_author(
    const struct memory_recall *recall, uint64_t hash, struct memory_recipient *author_r);
/*
 * Fills in who is a look-alike; recipients and domains are there. Not every two edits are found,
 * see alike.c.
 */
void memory_alike_find(const struct base_key *key, const struct mail_transaction *transaction,
    struct memory_recall *recall);

/* --- records as bytes -------------------------------------------------------------- */

/* Encoders cannot exceed MEMORY_MAX_RECORD. BROKEN: arena full. */
enum base_result memory_profile_encode(struct base_arena *arena,
    const struct memory_profile *profile, const void **data_r, size_t *length_r);
enum base_result memory_thread_encode(struct base_arena *arena, const struct memory_thread *thread,
    const void **data_r, size_t *length_r);
enum base_result memory_site_encode(struct base_arena *arena, const struct memory_site *site,
    const void **data_r, size_t *length_r);
/* NONE: these bytes are not a record; it counts as never seen. BROKEN: arena full. */
enum base_result memory_profile_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_profile **profile_r);
enum base_result memory_thread_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_thread **thread_r);
enum base_result memory_site_decode(
    struct base_arena *arena, const void *data, size_t length, struct memory_site **site_r);

/* --- updates: pure ----------------------------------------------------------------- */

/* NULL: arena full. */
struct memory_profile *memory_profile_new(struct base_arena *arena, int64_t epoch);

/* The sender's own profile learns a send. `parent` may be NULL. BROKEN: arena full. */
enum base_result memory_profile_sent(struct base_arena *arena, struct memory_profile *profile,
    const struct memory_lesson *lesson, const uint64_t *recipients, size_t count,
    const struct memory_answer *answer);
/* A recipient's profile learns that it was written to. */
enum base_result memory_profile_heard(struct base_arena *arena, struct memory_profile *profile,
    uint64_t owner, const struct memory_lesson *lesson);
/* Removes an audience written to; the last one takes its place. */
void memory_sent_remove(struct memory_profile *profile, size_t slot);
/* `thread` is zeroed when new. `parent` may be NULL. */
void memory_thread_learn(struct memory_thread *thread, const struct memory_lesson *lesson,
    const struct memory_thread *parent, const struct memory_answer *answer);
void memory_site_learn(struct memory_site *site, const struct memory_lesson *lesson,
    const struct memory_answer *answer, double half_life);
/* The score that most of the site's recent sends stay below; 0 when too few were seen. */
double memory_site_score(
    const struct memory_site *site, const struct memory_calibration *calibration);

/* --- forgetting -------------------------------------------------------------------- */

#define MEMORY_FORGOTTEN_KEPT 3600 /* seconds: longer than any lesson waits in a queue */
#define MEMORY_MAX_FORGOTTEN 4096  /* looked at */

/*
 * Somebody who was forgotten while lessons about them may still wait in a program's queue.
 * Neither the address nor its hash is kept: only a hash of the hash, by a key that is
 * random each time.
 */
struct memory_forgotten {
	unsigned char key[32];
	uint64_t mark;
	int64_t time; /* lessons of mail up to then are not to be learned */
};

#define MEMORY_FORGOTTEN_BYTES 48

struct memory_forgotten memory_forgotten_new(uint64_t hash, int64_t now);
void memory_forgotten_encode(
    const struct memory_forgotten *forgotten, unsigned char bytes_r[MEMORY_FORGOTTEN_BYTES]);
bool memory_forgotten_decode(const void *data, size_t length, struct memory_forgotten *forgotten_r);
/* Takes those who were forgotten since out of a lesson; without its sender it is empty. */
void memory_lesson_forget(
    struct memory_lesson *lesson, const struct memory_forgotten *forgotten, size_t count);
/* Does an audience written to tell the person's hash, though no contact of them is there? */
bool memory_profile_tells(const struct memory_profile *profile, uint64_t hash);
/* Take a person out of a record; false: the record is as it was. */
bool memory_profile_forget(struct memory_profile *profile, uint64_t hash);
bool memory_thread_forget(struct memory_thread *thread, uint64_t hash);

/* --- decoded records between two writes -------------------------------------------- */

struct memory_table;

#define MEMORY_TABLE_BYTES (32u << 20) /* decoded records of one transaction, at most */

/* `store` may be NULL: then nothing is ever read or written. NULL: no memory. */
struct memory_table *memory_table_new(struct store *store, size_t max_bytes);
void memory_table_free(struct memory_table **table);
/* In how many sends the site's scores fade by half from now on. */
void memory_table_half_life(struct memory_table *table, double sends);
/*
 * The record as it is in the table, else in the store. NONE: never seen. What comes out
 * lives until memory_table_write() or memory_table_reset().
 */
enum base_result memory_table_profile(struct memory_table *table, uint64_t key,
    struct memory_profile **profile_r, const char **why_r);
enum base_result memory_table_thread(
    struct memory_table *table, uint64_t key, struct memory_thread **thread_r, const char **why_r);
enum base_result memory_table_site(
    struct memory_table *table, struct memory_site **site_r, const char **why_r);
/*
 * All that one lesson changes. A lesson that changes very much is cut: what it has changed so
 * far, and all before it, is written, and the rest begins with an empty table.
 */
enum base_result memory_table_learn(
    struct memory_table *table, const void *lesson, size_t length, const char **why_r);
/* Was the lesson before cut? Then whatever was learned before it is written, come what may. */
bool memory_table_was_cut(const struct memory_table *table);
/* Has it as much as one transaction should? Never without a store. */
bool memory_table_is_full(const struct memory_table *table);
/*
 * Takes the store's write lock, before anything is read that will be changed: so nobody
 * else's change is lost. The table is empty afterwards. No store, or begun already: OK.
 */
enum base_result memory_table_begin(struct memory_table *table, const char **why_r);
/* Writes what changed since then as one transaction, then forgets all, written or not. */
enum base_result memory_table_write(struct memory_table *table, const char **why_r);
/* Gives the lock back without writing. */
void memory_table_abandon(struct memory_table *table);
void memory_table_reset(struct memory_table *table);

#endif
