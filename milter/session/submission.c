/* submission - the table of recent submissions; see submission.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/session/submission.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "milter/mail/mail.h"

#define BUCKETS 4096    /* a power of two */
#define LIKE_LOOKS 64   /* submissions that are compared, the latest first */
#define ENTRY_NAMES 64  /* names of one submission; beyond them none is added for being alike */
#define AWAIT_SECONDS 3 /* for the fate of a mail that a parallel session is looking at */

/* One name of a submission: each queue entry may have a Message-ID of its own. */
struct submission_name {
	LIST_ENTRY(submission_name) in_bucket;
	LIST_ENTRY(submission_name) in_submission;
	LIST_ENTRY(submission_name) in_thread; /* if it has a thread's name */
	unsigned char id[BASE_MAC_SIZE];
	unsigned char thread[BASE_MAC_SIZE];
	bool has_thread;
	int64_t mail; /* which mail of the submission */
	bool is_taught;
	struct submission *submission;
};

LIST_HEAD(submission_names, submission_name);

struct submission {
	TAILQ_ENTRY(submission) in_age;
	LIST_ENTRY(submission) in_bucket; /* by what makes it alike, if there is that */
	int64_t began;
	unsigned char author[BASE_MAC_SIZE];
	unsigned char submission[BASE_MAC_SIZE]; /* of its first queue entry's names */
	unsigned char like[BASE_MAC_SIZE];
	bool has_like;
	unsigned char body[BASE_MAC_SIZE];
	bool has_body;
	unsigned char header[BASE_MAC_SIZE]; /* of its first queue entry */
	bool is_individual;                  /* all of its queue entries are */
	unsigned char audience[BASE_MAC_SIZE];
	int64_t mail_count;
	size_t taught;
	enum settings_action held;
	size_t held_count;          /* queue entries that are held, or are to be */
	bool is_open;               /* nothing was held, nothing passed yet */
	size_t left;                /* recipients of the first mail who have it */
	struct base_buffer left_to; /* some of them, one a line */
	struct submission_names names;
	size_t name_count, entry_count;
	struct base_buffer recipients; /* addresses, each with its NUL */
};

LIST_HEAD(submission_bucket, submission);

struct session_submissions {
	struct base_key *key;
	pthread_mutex_t lock;
	TAILQ_HEAD(, submission) by_age;
	pthread_cond_t decided;
	struct submission_names by_id[BUCKETS];
	struct submission_names by_thread[BUCKETS];
	struct submission_bucket by_like[BUCKETS];
	size_t count, bytes, names;
};

/* --- one submission ---------------------------------------------------------------------- */

/* Which bucket a name is in: it is a keyed hash, so any of its bits will do. */
static size_t
bucket_of(const unsigned char mac[BASE_MAC_SIZE])
{
	return (mac[0] | (size_t)mac[1] << 8) % BUCKETS;
}

static bool
mac_equals(const unsigned char a[BASE_MAC_SIZE], const unsigned char b[BASE_MAC_SIZE])
{
	return memcmp(a, b, BASE_MAC_SIZE) == 0;
}

/* Takes a submission out of the table. */
static void
submission_remove(struct session_submissions *submissions, struct submission *submission)
{
	struct submission_name *name;

	while ((name = LIST_FIRST(&submission->names)) != NULL) {
		LIST_REMOVE(name, in_submission);
		LIST_REMOVE(name, in_bucket);
		if (name->has_thread)
			LIST_REMOVE(name, in_thread);
		free(name);
		submissions->names--;
	}
	if (submission->has_like)
		LIST_REMOVE(submission, in_bucket);
	TAILQ_REMOVE(&submissions->by_age, submission, in_age);
	submissions->count--;
	submissions->bytes -= submission->recipients.length;
	base_buffer_free(&submission->recipients);
	base_buffer_free(&submission->left_to);
	free(submission);
}

/* Gives an act one more name. */
static struct submission_name *
submission_name_add(struct session_submissions *submissions, struct submission *submission,
    const struct session_submission_names *names, int64_t mail)
{
	struct submission_name *name = calloc(1, sizeof(*name));

	if (name == NULL)
		return NULL;
	memcpy(name->id, names->id, BASE_MAC_SIZE);
	memcpy(name->thread, names->thread, BASE_MAC_SIZE);
	name->has_thread = names->has_thread;
	name->mail = mail;
	name->submission = submission;
	LIST_INSERT_HEAD(&submission->names, name, in_submission);
	LIST_INSERT_HEAD(&submissions->by_id[bucket_of(names->id)], name, in_bucket);
	if (name->has_thread)
		LIST_INSERT_HEAD(&submissions->by_thread[bucket_of(name->thread)], name, in_thread);
	submission->name_count++;
	submissions->names++;
	return name;
}

/* A submission of this name; NULL: no memory. */
static struct submission_name *
submission_new(struct session_submissions *submissions,
    const struct session_submission_names *names, int64_t now)
{
	struct submission *submission = calloc(1, sizeof(*submission));
	struct submission_name *name;

	if (submission == NULL)
		return NULL;
	submission->began = now;
	submission->is_open = true;
	submission->mail_count = 1;
	submission->is_individual = names->is_individual;
	memcpy(submission->author, names->author, BASE_MAC_SIZE);
	memcpy(submission->header, names->header, BASE_MAC_SIZE);
	memcpy(submission->audience, names->audience, BASE_MAC_SIZE);
	base_buffer_init(&submission->left_to, SESSION_SUBMISSION_LEFT_BYTES);
	submission->held = SETTINGS_PASS;
	memcpy(submission->submission, names->submission, BASE_MAC_SIZE);
	memcpy(submission->like, names->like, BASE_MAC_SIZE);
	submission->has_like = names->has_like;
	base_buffer_init(&submission->recipients, SESSION_SUBMISSION_BYTES / 8);
	if (submission->has_like)
		LIST_INSERT_HEAD(
		    &submissions->by_like[bucket_of(submission->like)], submission, in_bucket);
	TAILQ_INSERT_TAIL(&submissions->by_age, submission, in_age);
	submissions->count++;
	name = submission_name_add(submissions, submission, names, 0);
	if (name == NULL)
		submission_remove(submissions, submission);
	return name;
}

/* Calls each() for everybody who got a queue entry; false when that was false. */
static bool
submission_each(const struct submission *submission,
    bool (*each)(void *context, const char *address), void *context)
{
	const char *at = base_buffer_text(&submission->recipients);
	const char *end = at + submission->recipients.length;

	for (; at < end; at += strlen(at) + 1)
		if (!each(context, at))
			return false;
	return true;
}

/* Adds one address to a set. */
struct gathering {
	struct base_arena *arena;
	struct mail_addresses *set;
};

static bool
gather(void *context, const char *address)
{
	struct gathering *gathering = context;

	return mail_addresses_add(gathering->arena, gathering->set, address) == BASE_OK;
}

static bool
is_not_in(void *context, const char *address)
{
	return !mail_addresses_has(context, address);
}

/* Writes down who gets this queue entry, unless it is known. What is too much is left out. */
static void
submission_add(struct session_submissions *submissions, struct submission *submission,
    const struct mail_addresses *recipients, const struct mail_addresses *known)
{
	for (size_t i = 0; i < recipients->count; i++) {
		const char *address = recipients->items[i];
		size_t before = submission->recipients.length;

		if (mail_addresses_has(known, address))
			continue;
		base_buffer_append(&submission->recipients, address, strlen(address) + 1);
		submissions->bytes += submission->recipients.length - before;
	}
}

/* --- finding ---------------------------------------------------------------------- */

/* Is a share of the table, 1: all of it, taken? */
static bool
is_taken(size_t count, size_t bytes, size_t names, size_t share)
{
	return count >= SESSION_SUBMISSION_MAX / share ||
	       bytes >= SESSION_SUBMISSION_BYTES / share ||
	       names >= SESSION_SUBMISSION_NAMES / share;
}

/*
 * The oldest submission of an author who has his share of the table; NULL: there is room for more
 * of them.
 */
static struct submission *
share_find(struct session_submissions *submissions, const unsigned char author[BASE_MAC_SIZE])
{
	struct submission *submission, *own = NULL;
	size_t count = 0, bytes = 0, names = 0;

	TAILQ_FOREACH(submission, &submissions->by_age, in_age)
	{
		if (!mac_equals(submission->author, author))
			continue;
		if (own == NULL)
			own = submission;
		count++;
		bytes += submission->recipients.length;
		names += submission->name_count;
	}
	return is_taken(count, bytes, names, SESSION_SUBMISSION_SHARE) ? own : NULL;
}

/* Drops what is old, what is beyond this author's share, and the oldest while there is too much. */
static void
submissions_expire(
    struct session_submissions *submissions, const unsigned char author[BASE_MAC_SIZE], int64_t now)
{
	struct submission *submission;

	while (
	    (submission = TAILQ_FIRST(&submissions->by_age)) != NULL &&
	    (submission->began < now - SESSION_SUBMISSION_SECONDS || submission->began > now + 1))
		submission_remove(submissions, submission);
	while (is_taken(submissions->count, submissions->bytes, submissions->names,
		   SESSION_SUBMISSION_SHARE) &&
	       (submission = share_find(submissions, author)) != NULL)
		submission_remove(submissions, submission);
	while (is_taken(submissions->count, submissions->bytes, submissions->names, 1))
		submission_remove(submissions, TAILQ_FIRST(&submissions->by_age));
}

/*
 * Can they be queue entries of one mail? A client that splits one leaves its header as it is; a
 * program that writes to each person by himself names each by himself.
 */
static bool
is_of_one_mail(const struct submission *submission, const struct session_submission_names *names)
{
	return (!submission->is_individual && !names->is_individual) ||
	       mac_equals(submission->header, names->header);
}

/* The name of a mail that is known, or NULL. */
static struct submission_name *
name_find(struct session_submissions *submissions, const struct session_submission_names *names)
{
	struct submission_name *name;

	LIST_FOREACH(name, &submissions->by_id[bucket_of(names->id)], in_bucket)
	if (mac_equals(name->id, names->id) &&
	    (name->mail > 0 || is_of_one_mail(name->submission, names)))
		return name;
	return NULL;
}

/* The act one of whose mails this one answers, to the same people: one more mail of it. */
static struct submission *
series_find_parent(struct session_submissions *submissions,
    const struct session_submission_names *names, const unsigned char parent[BASE_MAC_SIZE])
{
	struct submission_name *name;

	LIST_FOREACH(name, &submissions->by_thread[bucket_of(parent)], in_thread)
	if (mac_equals(name->thread, parent) &&
	    mac_equals(name->submission->audience, names->audience))
		return name->submission;
	return NULL;
}

/* The same for any mail that it answers. */
static struct submission *
series_find(struct session_submissions *submissions, const struct session_submission_names *names)
{
	struct submission *submission = NULL;

	for (size_t i = 0; submission == NULL && i < names->parent_count; i++)
		submission = series_find_parent(submissions, names, names->parents[i]);
	return submission;
}

/* May this mail be a queue entry of that submission? Not if somebody would get it twice. */
static bool
is_alike(const struct submission *submission, const struct session_submission_names *names,
    const struct mail_addresses *recipients)
{
	return mac_equals(submission->like, names->like) && submission->name_count < ENTRY_NAMES &&
	       is_of_one_mail(submission, names) &&
	       submission_each(submission, is_not_in, (void *)recipients);
}

/*
 * A submission that this mail may be a queue entry of although its name is another one; NULL: none.
 * When `body` is known, the one that has the same, or else one that passed before its body was
 * read. `own` is the mail's own submission. Somebody who sends many such mails at once is not
 * looked through.
 */
static struct submission *
like_find(struct session_submissions *submissions, const struct session_submission_names *names,
    const struct mail_addresses *recipients, const unsigned char *body,
    const struct submission *own)
{
	struct submission *submission, *unread = NULL;
	size_t looks = 0;

	if (!names->has_like)
		return NULL;
	LIST_FOREACH(submission, &submissions->by_like[bucket_of(names->like)], in_bucket)
	{
		if (looks++ == LIKE_LOOKS)
			break;
		if (submission == own || !is_alike(submission, names, recipients))
			continue;
		if (body == NULL || (submission->has_body && mac_equals(submission->body, body)))
			return submission;
		if (!submission->has_body)
			unread = submission;
	}
	return unread;
}

/* --- joining ---------------------------------------------------------------------- */

/* Does a mail repeat what a submission has had, instead of being one more entry of it? */
static bool
is_repeat(const struct submission *submission, const struct session_submission_names *names,
    const struct mail_addresses *recipients)
{
	return !mac_equals(submission->header, names->header) ||
	       !submission_each(submission, is_not_in, (void *)recipients);
}

/* Joins a submission: tells what is known, and writes down who gets this queue entry. */
static enum base_result
submission_join(struct session_submissions *submissions, struct base_arena *arena,
    struct submission_name *name, const struct session_submission_names *names,
    const struct mail_addresses *recipients, struct session_submission_entry *entry_r)
{
	struct submission *submission = name->submission;
	struct session_submission_entry entry = { .held = submission->held,
		.mail = name->mail,
		.has_passed = submission->left > 0,
		.is_open = submission->is_open,
		.is_repeat = name->mail == 0 && is_repeat(submission, names, recipients) };
	struct gathering gathering = { arena, &entry.others };

	memcpy(entry.submission, submission->submission, BASE_MAC_SIZE);
	if (!submission_each(submission, gather, &gathering))
		return BASE_BROKEN;
	submission_add(submissions, submission, recipients, &entry.others);
	submission->entry_count++;
	*entry_r = entry;
	return BASE_OK;
}

/* Begins a submission of this name. */
static enum base_result
begin(struct session_submissions *submissions, const struct session_submission_names *names,
    const struct mail_addresses *recipients, int64_t now)
{
	const struct mail_addresses nobody = { 0 };
	struct submission_name *name = submission_new(submissions, names, now);

	if (name == NULL)
		return BASE_BROKEN;
	submission_add(submissions, name->submission, recipients, &nobody);
	name->submission->entry_count++;
	return BASE_OK;
}

/* Begins or joins the submission of this name. */
static enum base_result
enter(struct session_submissions *submissions, struct base_arena *arena,
    const struct session_submission_names *names, const struct mail_addresses *recipients,
    int64_t now, struct session_submission_entry *entry_r)
{
	struct submission_name *name = name_find(submissions, names);
	struct session_submission_entry entry = { .held = SETTINGS_PASS };
	struct submission *submission;

	if (name == NULL && (submission = series_find(submissions, names)) != NULL)
		name =
		    submission_name_add(submissions, submission, names, submission->mail_count++);
	if (name != NULL) {
		name->submission->is_individual &= names->is_individual;
		return submission_join(submissions, arena, name, names, recipients, entry_r);
	}
	memcpy(entry.submission, names->submission, BASE_MAC_SIZE);
	entry.wants_body = like_find(submissions, names, recipients, NULL, NULL) != NULL;
	if (!entry.wants_body && begin(submissions, names, recipients, now) != BASE_OK)
		return BASE_BROKEN;
	*entry_r = entry;
	return BASE_OK;
}

enum base_result
session_submissions_enter(struct session_submissions *submissions, struct base_arena *arena,
    const struct session_submission_names *names, const struct mail_addresses *recipients,
    int64_t now, struct session_submission_entry *entry_r)
{
	enum base_result result;

	pthread_mutex_lock(&submissions->lock);
	submissions_expire(submissions, names->author, now);
	result = enter(submissions, arena, names, recipients, now, entry_r);
	pthread_mutex_unlock(&submissions->lock);
	return result;
}

enum base_result
session_submissions_renew(struct session_submissions *submissions,
    const struct session_submission_names *names, const struct mail_addresses *recipients,
    int64_t now, struct session_submission_entry *entry_r)
{
	struct session_submission_entry entry = { .held = SETTINGS_PASS, .is_open = true };
	enum base_result result;
	struct submission_name *name;

	memcpy(entry.submission, names->submission, BASE_MAC_SIZE);
	pthread_mutex_lock(&submissions->lock);
	name = name_find(submissions, names);
	if (name != NULL)
		submission_remove(submissions, name->submission);
	result = begin(submissions, names, recipients, now);
	pthread_mutex_unlock(&submissions->lock);
	if (result == BASE_OK)
		*entry_r = entry;
	return result;
}

/* Makes a mail that had a submission of its own a queue entry of another one. */
static struct submission_name *
submission_merge(struct session_submissions *submissions, struct submission_name *name,
    struct submission *into, const struct session_submission_names *names)
{
	if (name != NULL)
		submission_remove(submissions, name->submission);
	into->is_individual &= names->is_individual;
	return submission_name_add(submissions, into, names, 0);
}

/* The name of a mail whose body is known now: its own submission's, or that of one just like it. */
static struct submission_name *
settle(struct session_submissions *submissions, const struct session_submission_names *names,
    const struct mail_addresses *recipients, const unsigned char *body, int64_t now)
{
	struct submission_name *name = name_find(submissions, names);
	struct submission *own = name != NULL ? name->submission : NULL, *submission = NULL;

	if (own != NULL && (own->has_body || name->mail > 0))
		return name;
	if (own == NULL || own->entry_count == 1)
		submission = like_find(submissions, names, recipients, body, own);
	if (submission != NULL)
		name = submission_merge(submissions, name, submission, names);
	else if (own == NULL)
		name = submission_new(submissions, names, now);
	if (name == NULL)
		return NULL;
	name->submission->has_body = true;
	memcpy(name->submission->body, body, BASE_MAC_SIZE);
	return name;
}

enum base_result
session_submissions_commit(struct session_submissions *submissions, struct base_arena *arena,
    const struct session_submission_names *names, const struct mail_addresses *recipients,
    const unsigned char body[BASE_MAC_SIZE], int64_t now, struct session_submission_entry *entry_r)
{
	enum base_result result = BASE_BROKEN;
	struct submission_name *name;

	pthread_mutex_lock(&submissions->lock);
	submissions_expire(submissions, names->author, now);
	name = settle(submissions, names, recipients, body, now);
	if (name != NULL)
		result = submission_join(submissions, arena, name, names, recipients, entry_r);
	pthread_mutex_unlock(&submissions->lock);
	return result;
}

/* --- what became of it ------------------------------------------------------------ */

/* Something is known now of a submission's first mail. */
static void
submission_decide(struct session_submissions *submissions, struct submission *submission)
{
	submission->is_open = false;
	pthread_cond_broadcast(&submissions->decided);
}

enum base_result
session_submissions_hold(struct session_submissions *submissions, struct base_arena *arena,
    const struct session_submission_names *names, enum settings_action action,
    struct session_submission_left *left_r)
{
	struct session_submission_left left = { .to = "" };
	struct submission_name *name;

	pthread_mutex_lock(&submissions->lock);
	name = name_find(submissions, names);
	if (name != NULL) {
		if (name->submission->held < action)
			name->submission->held = action;
		name->submission->held_count++;
		left.count = name->submission->left;
		left.to = base_arena_strdup(arena, base_buffer_text(&name->submission->left_to));
		submission_decide(submissions, name->submission);
	}
	pthread_mutex_unlock(&submissions->lock);
	if (left.to == NULL) {
		session_submissions_unhold(submissions, names);
		return BASE_BROKEN;
	}
	*left_r = left;
	return BASE_OK;
}

void
session_submissions_unhold(
    struct session_submissions *submissions, const struct session_submission_names *names)
{
	struct submission_name *name;

	pthread_mutex_lock(&submissions->lock);
	name = name_find(submissions, names);
	if (name != NULL && name->submission->held_count > 0 && --name->submission->held_count == 0)
		name->submission->held = SETTINGS_PASS;
	pthread_mutex_unlock(&submissions->lock);
}

/* Counts those who get the first mail. */
static void
submission_leave(struct session_submissions *submissions, struct submission_name *name,
    size_t count, const char *visible)
{
	if (name->mail == 0) {
		name->submission->left += count;
		base_buffer_puts(&name->submission->left_to, visible);
	}
	submission_decide(submissions, name->submission);
}

void
session_submissions_leave(struct session_submissions *submissions,
    const struct session_submission_names *names, size_t count, const char *visible)
{
	struct submission_name *name;

	pthread_mutex_lock(&submissions->lock);
	name = name_find(submissions, names);
	if (name != NULL)
		submission_leave(submissions, name, count, visible);
	pthread_mutex_unlock(&submissions->lock);
}

bool
session_submissions_pass(struct session_submissions *submissions,
    const struct session_submission_names *names, size_t count, const char *visible,
    enum settings_action *held_r)
{
	struct submission_name *name;
	bool is_held = false;

	pthread_mutex_lock(&submissions->lock);
	name = name_find(submissions, names);
	if (name != NULL && name->submission->held > SETTINGS_PASS) {
		is_held = true;
		*held_r = name->submission->held;
	} else if (name != NULL)
		submission_leave(submissions, name, count, visible);
	pthread_mutex_unlock(&submissions->lock);
	return !is_held;
}

void
session_submissions_await(struct session_submissions *submissions,
    const struct session_submission_names *names, struct session_submission_entry *entry)
{
	struct submission_name *name;
	struct timespec end;
	bool is_late = false;

	clock_gettime(CLOCK_MONOTONIC, &end); /* nobody sets it */
	end.tv_sec += AWAIT_SECONDS;
	pthread_mutex_lock(&submissions->lock);
	/*
	 * Found anew after each wait: whoever had the lock meanwhile may have ended the submission.
	 */
	while (
	    (name = name_find(submissions, names)) != NULL && name->submission->is_open && !is_late)
		is_late =
		    pthread_cond_timedwait(&submissions->decided, &submissions->lock, &end) != 0;
	if (name != NULL) {
		entry->held = name->submission->held;
		entry->has_passed = name->submission->left > 0;
		entry->is_open = name->submission->is_open;
	}
	pthread_mutex_unlock(&submissions->lock);
}

struct session_submission_observation
session_submissions_observe(struct session_submissions *submissions,
    const struct session_submission_names *names, size_t recipients)
{
	struct session_submission_observation before = { 0 };
	struct submission_name *name;

	pthread_mutex_lock(&submissions->lock);
	name = name_find(submissions, names);
	if (name != NULL) {
		before.is_message = name->is_taught;
		before.recipients = name->submission->taught;
		name->is_taught = true;
		if (name->submission->taught < recipients)
			name->submission->taught = recipients;
	}
	pthread_mutex_unlock(&submissions->lock);
	return before;
}

/* A key that nobody else has, and that ends with the table. */
static struct base_key *
key_new(void)
{
	struct base_key *key = NULL;
	unsigned char bytes[32];

	base_random(bytes, sizeof(bytes));
	return base_key_from_bytes(bytes, &key) == BASE_OK ? key : NULL;
}

struct session_submissions *
session_submissions_new(void)
{
	struct session_submissions *submissions = calloc(1, sizeof(*submissions));
	pthread_condattr_t steady;

	if (submissions == NULL)
		return NULL;
	submissions->key = key_new();
	if (submissions->key == NULL) {
		free(submissions);
		return NULL;
	}
	pthread_mutex_init(&submissions->lock, NULL);
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&submissions->decided, &steady);
	pthread_condattr_destroy(&steady);
	TAILQ_INIT(&submissions->by_age);
	return submissions;
}

const struct base_key *
session_submissions_key(const struct session_submissions *submissions)
{
	return submissions->key;
}

void
session_submissions_free(struct session_submissions **submissions)
{
	struct submission *submission;

	if (*submissions == NULL)
		return;
	while ((submission = TAILQ_FIRST(&(*submissions)->by_age)) != NULL)
		submission_remove(*submissions, submission);
	pthread_mutex_destroy(&(*submissions)->lock);
	pthread_cond_destroy(&(*submissions)->decided);
	base_key_free(&(*submissions)->key);
	free(*submissions);
	*submissions = NULL;
}
