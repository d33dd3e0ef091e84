/*
 * NAME
 *	history/internal - observations, codecs and updates, for the files of this module and its
 *	tests
 *
 * WHAT IT DOES
 *	codec.c turns records into bytes and back; any bytes are accepted safely. observation.c
 *	does the same for what is to be learned. update_sent.c, update_received.c and
 *	update_thread.c apply an observation to one record, forget_record.c takes a person out of
 *	one; table.c holds decoded records between two writes.
 */
#ifndef OOPS_HISTORY_INTERNAL_H
#define OOPS_HISTORY_INTERNAL_H

#include "milter/base/arena.h"
#include "milter/base/key.h"
#include "milter/base/result.h"
#include "milter/history/history.h"
#include "milter/history/record.h"
#include "milter/store/record.h"
#include "milter/store/store.h"

/* --- observations ----------------------------------------------------------------------- */

/* kept: the lowest hashes; counts and sums are of all */
#define HISTORY_OBSERVATION_PEOPLE 1024
#define HISTORY_OBSERVATION_DOMAINS 16
#define HISTORY_OBSERVATION_OBSERVED 256 /* recipients whose own profile learns of a send */

enum history_field {
	HISTORY_IN_ENVELOPE = 1,
	HISTORY_IN_TO = 2,
	HISTORY_IN_CC = 4,
};

struct history_person {
	uint64_t hash;
	uint32_t name;  /* of its display name, 0 for none */
	uint8_t places; /* enum history_field */
};

struct history_observation {
	int64_t time;
	double score;             /* negative: not judged */
	bool is_send;             /* of a local person: habits are learned, not only the thread */
	uint64_t sender;          /* actor, or who is received from; 0 for nobody */
	uint32_t sender_name;     /* hash of the sender's display name, 0 for none */
	uint64_t message;         /* its id, 0 for none */
	uint64_t parent;          /* the id it answers, 0 for none */
	uint32_t recipient_count; /* of the envelope, sender left out */
	uint64_t recipient_sum;
	uint32_t people_count; /* behind the recipients; they themselves where no list is known */
	uint32_t member_count; /* envelope, To, Cc and the sender */
	uint64_t member_sum;
	bool has_header;    /* To or Cc was there, so who is hidden is known */
	bool is_one_domain; /* everybody is of the sender's organisation */
	/* false: an observation of before they were kept */
	bool knows_domains;
	bool is_confirmed; /* its sender was asked about this very audience */
	uint64_t domains[HISTORY_OBSERVATION_DOMAINS]; /* hashes of the recipients' outside ones */
	uint8_t domain_count;
	struct history_person *people; /* sorted by hash, sender left out */
	size_t person_count;
};

/* BROKEN: arena full. */
enum base_result history_observation_make(struct base_arena *arena, const struct base_key *key,
    const char *actor, const struct mail_transaction *transaction, size_t people, double score,
    struct history_observation *observation_r, const char **why_r);
enum base_result history_observation_encode(struct base_arena *arena,
    const struct history_observation *observation, const void **data_r, size_t *length_r);
/* REFUSE: not an observation. */
enum base_result history_observation_decode(struct base_arena *arena, const void *data,
    size_t length, struct history_observation *observation_r);
/*
 * The same mail's observations under several keys, the oldest first, as the bytes of one; BROKEN:
 * arena full. And back: how many, 0 when they are cut.
 */
enum base_result history_observations_join(struct base_arena *arena, const struct store_blob *parts,
    size_t count, const void **data_r, size_t *length_r);
size_t history_observations_split(
    const void *data, size_t length, struct store_blob parts_r[BASE_KEY_MAX]);
/* Are two observations (encoded) about the same message of the same sender's? */
bool history_observation_is_of_same(const void *a, size_t a_length, const void *b, size_t b_length);
/* The envelope's recipients as sorted hashes; at most `observation->person_count`. */
enum base_result history_observation_recipients(struct base_arena *arena,
    const struct history_observation *observation, uint64_t **hashes_r, size_t *count_r);
uint64_t history_hash(const struct base_key *key, const char *text);

/* --- domains ----------------------------------------------------------------------- */

/* The outside domains of the recipients, for a sender's address. */
void history_observation_domains(const struct base_key *key, const char *sender,
    const struct mail_transaction *transaction, struct history_observation *observation);
/* Fills in the domains of the recall's recipients, who were found before. */
void history_domains_find(const struct base_key *key, const char *actor,
    const struct mail_transaction *transaction, struct history_recall *recall);

/* --- names ------------------------------------------------------------------------- */

/* Of a display name, whatever its case and the order of its words; 0: no person's name. */
uint32_t history_name_hash(const struct base_key *key, const char *text);

/* --- recipients -------------------------------------------------------------------- */

/* Fills in recipients and the records' hashes; all else but domains is there. */
enum base_result history_recipients_find(struct base_arena *arena, const struct base_key *key,
    const struct mail_transaction *transaction, struct history_recall *recall,
    struct history_records *records, const char **why_r);
/* Somebody who need not be a recipient, as a contact of the recall's sender. */
void history_contact_author(
    const struct history_recall *recall, uint64_t hash, struct history_recipient *author_r);
/*
 * Fills in who is a look-alike; recipients and domains are there. Not every two edits are found,
 * see lookalike.c.
 */
void history_lookalikes_find(const struct base_key *key, const struct mail_transaction *transaction,
    struct history_recall *recall);

/* --- records as bytes -------------------------------------------------------------- */

/* Encoders cannot exceed HISTORY_MAX_RECORD. BROKEN: arena full. */
enum base_result history_profile_encode(struct base_arena *arena,
    const struct history_profile *profile, const void **data_r, size_t *length_r);
enum base_result history_thread_encode(struct base_arena *arena,
    const struct history_thread *thread, const void **data_r, size_t *length_r);
enum base_result history_global_encode(struct base_arena *arena, const struct history_global *site,
    const void **data_r, size_t *length_r);
/* NONE: these bytes are not a record; it counts as never seen. BROKEN: arena full. */
enum base_result history_profile_decode(
    struct base_arena *arena, const void *data, size_t length, struct history_profile **profile_r);
enum base_result history_thread_decode(
    struct base_arena *arena, const void *data, size_t length, struct history_thread **thread_r);
enum base_result history_global_decode(
    struct base_arena *arena, const void *data, size_t length, struct history_global **site_r);

/* --- updates: pure ----------------------------------------------------------------- */

/* NULL: arena full. */
struct history_profile *history_profile_new(struct base_arena *arena, int64_t epoch);

/* The sender's own profile learns a send. `parent` may be NULL. BROKEN: arena full. */
enum base_result history_profile_sent(struct base_arena *arena, struct history_profile *profile,
    const struct history_observation *observation, const uint64_t *recipients, size_t count,
    const struct history_parent *answer);
/* A recipient's profile learns that it was written to. */
enum base_result history_profile_received(struct base_arena *arena, struct history_profile *profile,
    uint64_t owner, const struct history_observation *observation);
/* Removes an audience written to; the last one takes its place. */
void history_sent_remove(struct history_profile *profile, size_t slot);
/* `thread` is zeroed when new. `parent` may be NULL. */
void history_thread_observe(struct history_thread *thread,
    const struct history_observation *observation, const struct history_thread *parent,
    const struct history_parent *answer);
void history_global_observe(struct history_global *site,
    const struct history_observation *observation, const struct history_parent *answer,
    double half_life);
/* The score that most of the site's recent sends stay below; 0 when too few were seen. */
double history_global_score(
    const struct history_global *site, const struct history_calibration *calibration);

/* --- forgetting -------------------------------------------------------------------- */

#define HISTORY_FORGOTTEN_KEPT 3600 /* seconds: longer than any observation waits in a queue */
#define HISTORY_MAX_FORGOTTEN 4096  /* looked at */

/*
 * Somebody who was forgotten while observations about them may still wait in a program's queue.
 * Neither the address nor its hash is kept: only a hash of the hash, by a key that is
 * random each time.
 */
struct history_forgotten {
	unsigned char key[32];
	uint64_t mark;
	int64_t time; /* observations of mail up to then are not to be learned */
};

#define HISTORY_FORGOTTEN_BYTES 48

struct history_forgotten history_forgotten_new(uint64_t hash, int64_t now);
void history_forgotten_encode(
    const struct history_forgotten *forgotten, unsigned char bytes_r[HISTORY_FORGOTTEN_BYTES]);
bool history_forgotten_decode(
    const void *data, size_t length, struct history_forgotten *forgotten_r);
/* Takes those who were forgotten since out of an observation; without its sender it is empty. */
void history_observation_forget(struct history_observation *observation,
    const struct history_forgotten *forgotten, size_t count);
/* Does an audience written to tell the person's hash, though no contact of them is there? */
bool history_profile_reveals(const struct history_profile *profile, uint64_t hash);
/* Take a person out of a record; false: the record is as it was. */
bool history_profile_forget(struct history_profile *profile, uint64_t hash);
bool history_thread_forget(struct history_thread *thread, uint64_t hash);

/* --- decoded records between two writes -------------------------------------------- */

struct history_table;

#define HISTORY_TABLE_BYTES (32u << 20) /* decoded records of one transaction, at most */

/* `store` may be NULL: then nothing is ever read or written. NULL: no memory. */
struct history_table *history_table_new(struct store *store, size_t max_bytes);
void history_table_free(struct history_table **table);
/* In how many sends the site's scores fade by half from now on. */
void history_table_half_life(struct history_table *table, double sends);
/*
 * The record as it is in the table, else in the store. NONE: never seen. What comes out
 * lives until history_table_write() or history_table_reset().
 */
enum base_result history_table_profile(struct history_table *table, uint64_t key,
    struct history_profile **profile_r, const char **why_r);
enum base_result history_table_thread(struct history_table *table, uint64_t key,
    struct history_thread **thread_r, const char **why_r);
enum base_result history_table_global(
    struct history_table *table, struct history_global **site_r, const char **why_r);
/*
 * All that one observation changes. An observation that changes very much is cut: what it has
 * changed so far, and all before it, is written, and the rest begins with an empty table.
 */
enum base_result history_table_observe(
    struct history_table *table, const void *observation, size_t length, const char **why_r);
/* Was the observation before cut? Then whatever was learned before it is written, come what may. */
bool history_table_was_cut(const struct history_table *table);
/* Has it as much as one transaction should? Never without a store. */
bool history_table_is_full(const struct history_table *table);
/*
 * Takes the store's write lock, before anything is read that will be changed: so nobody
 * else's change is lost. The table is empty afterwards. No store, or begun already: OK.
 */
enum base_result history_table_begin(struct history_table *table, const char **why_r);
/* Writes what changed since then as one transaction, then forgets all, written or not. */
enum base_result history_table_write(struct history_table *table, const char **why_r);
/* Gives the lock back without writing. */
void history_table_abandon(struct history_table *table);
void history_table_reset(struct history_table *table);

#endif
