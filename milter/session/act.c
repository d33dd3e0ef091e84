/* act - the table of recent acts; see act.h */
#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/key.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/session/act.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "milter/mail/mail.h"

#define BUCKETS 4096    /* a power of two */
#define LIKE_LOOKS 64   /* acts that are compared, the latest first */
#define PART_NAMES 64   /* names of one act; beyond them none is added for being alike */
#define AWAIT_SECONDS 3 /* for the fate of a mail that a parallel session is looking at */

/* One name of an act: each part may have a Message-ID of its own. */
struct act_name {
	LIST_ENTRY(act_name) in_bucket;
	LIST_ENTRY(act_name) in_act;
	LIST_ENTRY(act_name) in_thread; /* if it has a thread's name */
	unsigned char id[BASE_MAC_SIZE];
	unsigned char thread[BASE_MAC_SIZE];
	bool has_thread;
	int64_t mail; /* which mail of the act */
	bool is_taught;
	struct act *act;
};

LIST_HEAD(act_names, act_name);

struct act {
	TAILQ_ENTRY(act) in_age;
	LIST_ENTRY(act) in_bucket; /* by what makes it alike, if there is that */
	int64_t began;
	unsigned char author[BASE_MAC_SIZE];
	unsigned char act[BASE_MAC_SIZE]; /* of its first part's names */
	unsigned char like[BASE_MAC_SIZE];
	bool has_like;
	unsigned char body[BASE_MAC_SIZE];
	bool has_body;
	unsigned char header[BASE_MAC_SIZE]; /* of its first part */
	bool is_individual;                  /* all of its parts are */
	unsigned char audience[BASE_MAC_SIZE];
	int64_t mail_count;
	size_t taught;
	enum settings_action held;
	size_t held_count;          /* parts that are held, or are to be */
	bool is_open;               /* nothing was held, nothing passed yet */
	size_t left;                /* recipients of the first mail who have it */
	struct base_buffer left_to; /* some of them, one a line */
	struct act_names names;
	size_t name_count, part_count;
	struct base_buffer recipients; /* addresses, each with its NUL */
};

LIST_HEAD(act_bucket, act);

struct session_acts {
	struct base_key *key;
	pthread_mutex_t lock;
	TAILQ_HEAD(, act) by_age;
	pthread_cond_t decided;
	struct act_names by_id[BUCKETS];
	struct act_names by_thread[BUCKETS];
	struct act_bucket by_like[BUCKETS];
	size_t count, bytes, names;
};

/* --- one act ---------------------------------------------------------------------- */

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

/* Takes an act out of the table. */
static void
act_remove(struct session_acts *acts, struct act *act)
{
	struct act_name *name;

	while ((name = LIST_FIRST(&act->names)) != NULL) {
		LIST_REMOVE(name, in_act);
		LIST_REMOVE(name, in_bucket);
		if (name->has_thread)
			LIST_REMOVE(name, in_thread);
		free(name);
		acts->names--;
	}
	if (act->has_like)
		LIST_REMOVE(act, in_bucket);
	TAILQ_REMOVE(&acts->by_age, act, in_age);
	acts->count--;
	acts->bytes -= act->recipients.length;
	base_buffer_free(&act->recipients);
	base_buffer_free(&act->left_to);
	free(act);
}

/* Gives an act one more name. */
static struct act_name *
act_name_add(
    struct session_acts *acts, struct act *act, const struct session_act_names *names, int64_t mail)
{
	struct act_name *name = calloc(1, sizeof(*name));

	if (name == NULL)
		return NULL;
	memcpy(name->id, names->id, BASE_MAC_SIZE);
	memcpy(name->thread, names->thread, BASE_MAC_SIZE);
	name->has_thread = names->has_thread;
	name->mail = mail;
	name->act = act;
	LIST_INSERT_HEAD(&act->names, name, in_act);
	LIST_INSERT_HEAD(&acts->by_id[bucket_of(names->id)], name, in_bucket);
	if (name->has_thread)
		LIST_INSERT_HEAD(&acts->by_thread[bucket_of(name->thread)], name, in_thread);
	act->name_count++;
	acts->names++;
	return name;
}

/* An act of this name; NULL: no memory. */
static struct act_name *
act_new(struct session_acts *acts, const struct session_act_names *names, int64_t now)
{
	struct act *act = calloc(1, sizeof(*act));
	struct act_name *name;

	if (act == NULL)
		return NULL;
	act->began = now;
	act->is_open = true;
	act->mail_count = 1;
	act->is_individual = names->is_individual;
	memcpy(act->author, names->author, BASE_MAC_SIZE);
	memcpy(act->header, names->header, BASE_MAC_SIZE);
	memcpy(act->audience, names->audience, BASE_MAC_SIZE);
	base_buffer_init(&act->left_to, SESSION_ACT_LEFT_BYTES);
	act->held = SETTINGS_PASS;
	memcpy(act->act, names->act, BASE_MAC_SIZE);
	memcpy(act->like, names->like, BASE_MAC_SIZE);
	act->has_like = names->has_like;
	base_buffer_init(&act->recipients, SESSION_ACT_BYTES / 8);
	if (act->has_like)
		LIST_INSERT_HEAD(&acts->by_like[bucket_of(act->like)], act, in_bucket);
	TAILQ_INSERT_TAIL(&acts->by_age, act, in_age);
	acts->count++;
	name = act_name_add(acts, act, names, 0);
	if (name == NULL)
		act_remove(acts, act);
	return name;
}

/* Calls each() for everybody who got a part; false when that was false. */
static bool
act_each(const struct act *act, bool (*each)(void *context, const char *address), void *context)
{
	const char *at = base_buffer_text(&act->recipients);
	const char *end = at + act->recipients.length;

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

/* Writes down who gets this part, unless it is known. What is too much is left out. */
static void
act_add(struct session_acts *acts, struct act *act, const struct mail_addresses *recipients,
    const struct mail_addresses *known)
{
	for (size_t i = 0; i < recipients->count; i++) {
		const char *address = recipients->items[i];
		size_t before = act->recipients.length;

		if (mail_addresses_has(known, address))
			continue;
		base_buffer_append(&act->recipients, address, strlen(address) + 1);
		acts->bytes += act->recipients.length - before;
	}
}

/* --- finding ---------------------------------------------------------------------- */

/* Is a share of the table, 1: all of it, taken? */
static bool
is_taken(size_t count, size_t bytes, size_t names, size_t share)
{
	return count >= SESSION_ACT_MAX / share || bytes >= SESSION_ACT_BYTES / share ||
	       names >= SESSION_ACT_NAMES / share;
}

/*
 * The oldest act of an author who has his share of the table; NULL: there is room for more of them.
 */
static struct act *
share_find(struct session_acts *acts, const unsigned char author[BASE_MAC_SIZE])
{
	struct act *act, *own = NULL;
	size_t count = 0, bytes = 0, names = 0;

	TAILQ_FOREACH(act, &acts->by_age, in_age)
	{
		if (!mac_equals(act->author, author))
			continue;
		if (own == NULL)
			own = act;
		count++;
		bytes += act->recipients.length;
		names += act->name_count;
	}
	return is_taken(count, bytes, names, SESSION_ACT_SHARE) ? own : NULL;
}

/* Drops what is old, what is beyond this author's share, and the oldest while there is too much. */
static void
acts_expire(struct session_acts *acts, const unsigned char author[BASE_MAC_SIZE], int64_t now)
{
	struct act *act;

	while ((act = TAILQ_FIRST(&acts->by_age)) != NULL &&
	       (act->began < now - SESSION_ACT_SECONDS || act->began > now + 1))
		act_remove(acts, act);
	while (is_taken(acts->count, acts->bytes, acts->names, SESSION_ACT_SHARE) &&
	       (act = share_find(acts, author)) != NULL)
		act_remove(acts, act);
	while (is_taken(acts->count, acts->bytes, acts->names, 1))
		act_remove(acts, TAILQ_FIRST(&acts->by_age));
}

/*
 * Can they be parts of one mail? A client that splits one leaves its header as it is; a program
 * that writes to each person by himself names each by himself.
 */
static bool
is_of_one_mail(const struct act *act, const struct session_act_names *names)
{
	return (!act->is_individual && !names->is_individual) ||
	       mac_equals(act->header, names->header);
}

/* The name of a mail that is known, or NULL. */
static struct act_name *
name_find(struct session_acts *acts, const struct session_act_names *names)
{
	struct act_name *name;

	LIST_FOREACH(name, &acts->by_id[bucket_of(names->id)], in_bucket)
	if (mac_equals(name->id, names->id) && (name->mail > 0 || is_of_one_mail(name->act, names)))
		return name;
	return NULL;
}

/* The act one of whose mails this one answers, to the same people: one more mail of it. */
static struct act *
series_find_parent(struct session_acts *acts, const struct session_act_names *names,
    const unsigned char parent[BASE_MAC_SIZE])
{
	struct act_name *name;

	LIST_FOREACH(name, &acts->by_thread[bucket_of(parent)], in_thread)
	if (mac_equals(name->thread, parent) && mac_equals(name->act->audience, names->audience))
		return name->act;
	return NULL;
}

/* The same for any mail that it answers. */
static struct act *
series_find(struct session_acts *acts, const struct session_act_names *names)
{
	struct act *act = NULL;

	for (size_t i = 0; act == NULL && i < names->parent_count; i++)
		act = series_find_parent(acts, names, names->parents[i]);
	return act;
}

/* May this mail be a part of that act? Not if somebody would get it twice. */
static bool
is_alike(const struct act *act, const struct session_act_names *names,
    const struct mail_addresses *recipients)
{
	return mac_equals(act->like, names->like) && act->name_count < PART_NAMES &&
	       is_of_one_mail(act, names) && act_each(act, is_not_in, (void *)recipients);
}

/*
 * An act that this mail may be a part of although its name is another one; NULL: none. When
 * `body` is known, the one that has the same, or else one that passed before its body was read.
 * `own` is the mail's own act. Somebody who sends many such mails at once is not looked through.
 */
static struct act *
like_find(struct session_acts *acts, const struct session_act_names *names,
    const struct mail_addresses *recipients, const unsigned char *body, const struct act *own)
{
	struct act *act, *unread = NULL;
	size_t looks = 0;

	if (!names->has_like)
		return NULL;
	LIST_FOREACH(act, &acts->by_like[bucket_of(names->like)], in_bucket)
	{
		if (looks++ == LIKE_LOOKS)
			break;
		if (act == own || !is_alike(act, names, recipients))
			continue;
		if (body == NULL || (act->has_body && mac_equals(act->body, body)))
			return act;
		if (!act->has_body)
			unread = act;
	}
	return unread;
}

/* --- joining ---------------------------------------------------------------------- */

/* Does a mail repeat what an act has had, instead of being one more part of it? */
static bool
is_repeat(const struct act *act, const struct session_act_names *names,
    const struct mail_addresses *recipients)
{
	return !mac_equals(act->header, names->header) ||
	       !act_each(act, is_not_in, (void *)recipients);
}

/* Joins an act: tells what is known, and writes down who gets this part. */
static enum base_result
act_join(struct session_acts *acts, struct base_arena *arena, struct act_name *name,
    const struct session_act_names *names, const struct mail_addresses *recipients,
    struct session_act_part *part_r)
{
	struct act *act = name->act;
	struct session_act_part part = { .held = act->held,
		.mail = name->mail,
		.has_passed = act->left > 0,
		.is_open = act->is_open,
		.is_repeat = name->mail == 0 && is_repeat(act, names, recipients) };
	struct gathering gathering = { arena, &part.others };

	memcpy(part.act, act->act, BASE_MAC_SIZE);
	if (!act_each(act, gather, &gathering))
		return BASE_BROKEN;
	act_add(acts, act, recipients, &part.others);
	act->part_count++;
	*part_r = part;
	return BASE_OK;
}

/* Begins an act of this name. */
static enum base_result
begin(struct session_acts *acts, const struct session_act_names *names,
    const struct mail_addresses *recipients, int64_t now)
{
	const struct mail_addresses nobody = { 0 };
	struct act_name *name = act_new(acts, names, now);

	if (name == NULL)
		return BASE_BROKEN;
	act_add(acts, name->act, recipients, &nobody);
	name->act->part_count++;
	return BASE_OK;
}

/* Begins or joins the act of this name. */
static enum base_result
enter(struct session_acts *acts, struct base_arena *arena, const struct session_act_names *names,
    const struct mail_addresses *recipients, int64_t now, struct session_act_part *part_r)
{
	struct act_name *name = name_find(acts, names);
	struct session_act_part part = { .held = SETTINGS_PASS };
	struct act *act;

	if (name == NULL && (act = series_find(acts, names)) != NULL)
		name = act_name_add(acts, act, names, act->mail_count++);
	if (name != NULL) {
		name->act->is_individual &= names->is_individual;
		return act_join(acts, arena, name, names, recipients, part_r);
	}
	memcpy(part.act, names->act, BASE_MAC_SIZE);
	part.wants_body = like_find(acts, names, recipients, NULL, NULL) != NULL;
	if (!part.wants_body && begin(acts, names, recipients, now) != BASE_OK)
		return BASE_BROKEN;
	*part_r = part;
	return BASE_OK;
}

enum base_result
session_acts_enter(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, const struct mail_addresses *recipients, int64_t now,
    struct session_act_part *part_r)
{
	enum base_result result;

	pthread_mutex_lock(&acts->lock);
	acts_expire(acts, names->author, now);
	result = enter(acts, arena, names, recipients, now, part_r);
	pthread_mutex_unlock(&acts->lock);
	return result;
}

enum base_result
session_acts_renew(struct session_acts *acts, const struct session_act_names *names,
    const struct mail_addresses *recipients, int64_t now, struct session_act_part *part_r)
{
	struct session_act_part part = { .held = SETTINGS_PASS, .is_open = true };
	enum base_result result;
	struct act_name *name;

	memcpy(part.act, names->act, BASE_MAC_SIZE);
	pthread_mutex_lock(&acts->lock);
	name = name_find(acts, names);
	if (name != NULL)
		act_remove(acts, name->act);
	result = begin(acts, names, recipients, now);
	pthread_mutex_unlock(&acts->lock);
	if (result == BASE_OK)
		*part_r = part;
	return result;
}

/* Makes a mail that had an act of its own a part of another one. */
static struct act_name *
act_merge(struct session_acts *acts, struct act_name *name, struct act *into,
    const struct session_act_names *names)
{
	if (name != NULL)
		act_remove(acts, name->act);
	into->is_individual &= names->is_individual;
	return act_name_add(acts, into, names, 0);
}

/* The name of a mail whose body is known now: its own act's, or that of one just like it. */
static struct act_name *
settle(struct session_acts *acts, const struct session_act_names *names,
    const struct mail_addresses *recipients, const unsigned char *body, int64_t now)
{
	struct act_name *name = name_find(acts, names);
	struct act *own = name != NULL ? name->act : NULL, *act = NULL;

	if (own != NULL && (own->has_body || name->mail > 0))
		return name;
	if (own == NULL || own->part_count == 1)
		act = like_find(acts, names, recipients, body, own);
	if (act != NULL)
		name = act_merge(acts, name, act, names);
	else if (own == NULL)
		name = act_new(acts, names, now);
	if (name == NULL)
		return NULL;
	name->act->has_body = true;
	memcpy(name->act->body, body, BASE_MAC_SIZE);
	return name;
}

enum base_result
session_acts_settle(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, const struct mail_addresses *recipients,
    const unsigned char body[BASE_MAC_SIZE], int64_t now, struct session_act_part *part_r)
{
	enum base_result result = BASE_BROKEN;
	struct act_name *name;

	pthread_mutex_lock(&acts->lock);
	acts_expire(acts, names->author, now);
	name = settle(acts, names, recipients, body, now);
	if (name != NULL)
		result = act_join(acts, arena, name, names, recipients, part_r);
	pthread_mutex_unlock(&acts->lock);
	return result;
}

/* --- what became of it ------------------------------------------------------------ */

/* Something is known now of an act's first mail. */
static void
act_decide(struct session_acts *acts, struct act *act)
{
	act->is_open = false;
	pthread_cond_broadcast(&acts->decided);
}

enum base_result
session_acts_hold(struct session_acts *acts, struct base_arena *arena,
    const struct session_act_names *names, enum settings_action action,
    struct session_act_left *left_r)
{
	struct session_act_left left = { .to = "" };
	struct act_name *name;

	pthread_mutex_lock(&acts->lock);
	name = name_find(acts, names);
	if (name != NULL) {
		if (name->act->held < action)
			name->act->held = action;
		name->act->held_count++;
		left.count = name->act->left;
		left.to = base_arena_strdup(arena, base_buffer_text(&name->act->left_to));
		act_decide(acts, name->act);
	}
	pthread_mutex_unlock(&acts->lock);
	if (left.to == NULL) {
		session_acts_unhold(acts, names);
		return BASE_BROKEN;
	}
	*left_r = left;
	return BASE_OK;
}

void
session_acts_unhold(struct session_acts *acts, const struct session_act_names *names)
{
	struct act_name *name;

	pthread_mutex_lock(&acts->lock);
	name = name_find(acts, names);
	if (name != NULL && name->act->held_count > 0 && --name->act->held_count == 0)
		name->act->held = SETTINGS_PASS;
	pthread_mutex_unlock(&acts->lock);
}

/* Counts those who get a part of the first mail. */
static void
act_leave(struct session_acts *acts, struct act_name *name, size_t count, const char *visible)
{
	if (name->mail == 0) {
		name->act->left += count;
		base_buffer_puts(&name->act->left_to, visible);
	}
	act_decide(acts, name->act);
}

void
session_acts_leave(struct session_acts *acts, const struct session_act_names *names, size_t count,
    const char *visible)
{
	struct act_name *name;

	pthread_mutex_lock(&acts->lock);
	name = name_find(acts, names);
	if (name != NULL)
		act_leave(acts, name, count, visible);
	pthread_mutex_unlock(&acts->lock);
}

bool
session_acts_pass(struct session_acts *acts, const struct session_act_names *names, size_t count,
    const char *visible, enum settings_action *held_r)
{
	struct act_name *name;
	bool is_held = false;

	pthread_mutex_lock(&acts->lock);
	name = name_find(acts, names);
	if (name != NULL && name->act->held > SETTINGS_PASS) {
		is_held = true;
		*held_r = name->act->held;
	} else if (name != NULL)
		act_leave(acts, name, count, visible);
	pthread_mutex_unlock(&acts->lock);
	return !is_held;
}

void
session_acts_await(
    struct session_acts *acts, const struct session_act_names *names, struct session_act_part *part)
{
	struct act_name *name;
	struct timespec end;
	bool is_late = false;

	clock_gettime(CLOCK_MONOTONIC, &end); /* nobody sets it */
	end.tv_sec += AWAIT_SECONDS;
	pthread_mutex_lock(&acts->lock);
	/* Found anew after each wait: whoever had the lock meanwhile may have ended the act. */
	while ((name = name_find(acts, names)) != NULL && name->act->is_open && !is_late)
		is_late = pthread_cond_timedwait(&acts->decided, &acts->lock, &end) != 0;
	if (name != NULL) {
		part->held = name->act->held;
		part->has_passed = name->act->left > 0;
		part->is_open = name->act->is_open;
	}
	pthread_mutex_unlock(&acts->lock);
}

struct session_act_lesson
session_acts_teach(
    struct session_acts *acts, const struct session_act_names *names, size_t recipients)
{
	struct session_act_lesson before = { 0 };
	struct act_name *name;

	pthread_mutex_lock(&acts->lock);
	name = name_find(acts, names);
	if (name != NULL) {
		before.is_message = name->is_taught;
		before.recipients = name->act->taught;
		name->is_taught = true;
		if (name->act->taught < recipients)
			name->act->taught = recipients;
	}
	pthread_mutex_unlock(&acts->lock);
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

struct session_acts *
session_acts_new(void)
{
	struct session_acts *acts = calloc(1, sizeof(*acts));
	pthread_condattr_t steady;

	if (acts == NULL)
		return NULL;
	acts->key = key_new();
	if (acts->key == NULL) {
		free(acts);
		return NULL;
	}
	pthread_mutex_init(&acts->lock, NULL);
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_cond_init(&acts->decided, &steady);
	pthread_condattr_destroy(&steady);
	TAILQ_INIT(&acts->by_age);
	return acts;
}

const struct base_key *
session_acts_key(const struct session_acts *acts)
{
	return acts->key;
}

void
session_acts_free(struct session_acts **acts)
{
	struct act *act;

	if (*acts == NULL)
		return;
	while ((act = TAILQ_FIRST(&(*acts)->by_age)) != NULL)
		act_remove(*acts, act);
	pthread_mutex_destroy(&(*acts)->lock);
	pthread_cond_destroy(&(*acts)->decided);
	base_key_free(&(*acts)->key);
	free(*acts);
	*acts = NULL;
}
