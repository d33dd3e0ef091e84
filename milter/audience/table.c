/* table - lists and people as a graph, and the walk that counts each person once */
#include "milter/audience/internal.h"
#include "milter/base/arena.h"
#include "milter/base/clock.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "milter/mail/mail.h"

/* The order of the tree. */
static int
compare_names(const void *a, const void *b)
{
	return strcmp(
	    ((const struct audience_entry *)a)->name, ((const struct audience_entry *)b)->name);
}

/* What tdestroy() does with an entry: the arena frees it. */
static void
forget_entry(void *entry)
{
	(void)entry;
}

/* An empty table. */
struct audience_table *
audience_table_new(const struct settings *settings)
{
	struct base_arena *arena = base_arena_new(AUDIENCE_MAX_MEMORY);
	struct audience_table *table =
	    arena == NULL ? NULL : base_arena_alloc(arena, sizeof(*table));

	if (table != NULL) {
		table->files = base_arena_array(arena, AUDIENCE_MAX_FILES, sizeof(*table->files));
		table->includes =
		    base_arena_array(arena, AUDIENCE_MAX_FILES, sizeof(struct audience_entry *));
	}
	if (table == NULL || table->files == NULL || table->includes == NULL) {
		base_arena_free(&arena);
		return NULL;
	}
	table->arena = arena;
	table->settings = settings;
	return table;
}

void
audience_table_free(struct audience_table **table)
{
	struct base_arena *arena;

	if (*table == NULL)
		return;
	tdestroy((*table)->tree, forget_entry);
	arena = (*table)->arena;
	base_arena_free(&arena);
	*table = NULL;
}

/* The entry of a name, NULL if there is none. */
static struct audience_entry *
find(const struct audience_table *table, const char *name)
{
	const struct audience_entry wanted = { .name = name };
	void *const *place = tfind(&wanted, &table->tree, compare_names);

	return place == NULL ? NULL : *place;
}

struct audience_entry *
audience_table_entry(struct audience_table *table, const char *name)
{
	struct audience_entry *entry = find(table, name);

	if (entry != NULL)
		return entry;
	entry = base_arena_alloc(table->arena, sizeof(*entry));
	if (entry == NULL)
		return NULL;
	entry->name = base_arena_strdup(table->arena, name);
	entry->number = table->entry_count;
	entry->members_end = &entry->members;
	if (entry->name == NULL || tsearch(entry, &table->tree, compare_names) == NULL)
		return NULL;
	table->entry_count++;
	return entry;
}

bool
audience_table_member(struct audience_table *table, struct audience_entry *list,
    struct audience_entry *member, bool is_final)
{
	struct audience_edge *edge;

	if (table->member_count >= AUDIENCE_MAX_MEMBERS) {
		list->is_partial = true;
		return true;
	}
	edge = table->spare;
	if (edge != NULL)
		table->spare = edge->next;
	else
		edge = base_arena_alloc(table->arena, sizeof(*edge));
	if (edge == NULL)
		return false;
	edge->next = NULL;
	edge->to = member;
	edge->is_final = is_final;
	*list->members_end = edge;
	list->members_end = &edge->next;
	table->member_count++;
	return true;
}

/* The local name of an address in a local domain, as a file spells it; NULL if it is none.
 */
static struct audience_entry *
find_local_name(const struct audience_table *table, const char *address)
{
	const struct settings *settings = table->settings;
	const char *domain = mail_domain_of(address);
	size_t length = (size_t)(domain - address);
	char name[MAIL_MAX_ADDRESS + 1];

	if (domain[0] == '\0' || length < 2 || length > sizeof(name))
		return NULL;
	memcpy(name, address, length - 1);
	name[length - 1] = '\0';
	for (size_t i = 0; i < settings->identity.local_domain_count; i++)
		if (strcmp(domain, settings->identity.local_domains[i]) == 0)
			return find(table, name);
	return NULL;
}

/* What virtual(5) has for all addresses of a domain, unless it only renames the domain. */
static struct audience_entry *
find_whole_domain(const struct audience_table *table, const char *address)
{
	const char *domain = mail_domain_of(address);
	struct audience_entry *entry;

	if (domain[0] == '\0' || domain - address < 2)
		return NULL;
	entry = find(table, domain - 1);
	return entry != NULL && entry->members != NULL && entry->members->to->name[0] != '@' ? entry
											     : NULL;
}

/* What an address stands for when it has no entry of its own. */
static struct audience_entry *
find_other(const struct audience_table *table, const char *address)
{
	struct audience_entry *entry = find_local_name(table, address);

	return entry != NULL ? entry : find_whole_domain(table, address);
}

/* An entry, or what it stands for. */
static const struct audience_entry *
meant(const struct audience_entry *entry)
{
	return entry->same != NULL && !entry->is_list ? entry->same : entry;
}

/* Links one entry, once: twalk_r() shows an inner node three times. */
static void
link_entry(const void *place, VISIT visit, void *context)
{
	const struct audience_table *table = context;
	struct audience_entry *entry = *(struct audience_entry *const *)place;

	if (visit != leaf && visit != postorder)
		return;
	entry->same = find_other(table, entry->name);
	if (entry->same != NULL && !entry->is_list && entry->fixed > 0 && entry->same->fixed == 0)
		entry->same->fixed = entry->fixed;
}

void
audience_table_link(struct audience_table *table)
{
	twalk_r(table->tree, link_entry, table);
}

/* Takes a list's members away. */
static void
drop_members(struct audience_table *table, struct audience_entry *list)
{
	struct audience_edge *edge;

	while ((edge = list->members) != NULL) {
		list->members = edge->next;
		edge->next = table->spare;
		table->spare = edge;
		table->member_count--;
	}
	list->members_end = &list->members;
}

bool
audience_table_answer(struct audience_table *table, const struct audience_result *answer)
{
	struct audience_entry *entry = audience_table_entry(table, answer->name);
	bool is_read = true;

	if (entry == NULL)
		return false;
	if (entry->same == NULL)
		entry->same = find_other(table, entry->name);
	entry->expires_ms = answer->expires_ms;
	if (answer->has_failed) {
		entry->is_partial = entry->is_partial || !entry->is_list;
		return true;
	}
	drop_members(table, entry);
	entry->fixed = answer->people > 1 ? answer->people : 0;
	entry->is_list = entry->fixed > 0 || answer->members != NULL;
	entry->is_partial = false;
	if (answer->members != NULL)
		is_read = audience_members_read(table, entry, answer->members);
	entry->is_partial = entry->is_partial || !is_read;
	for (struct audience_edge *edge = entry->members; edge != NULL; edge = edge->next)
		if (edge->to->same == NULL)
			edge->to->same = find_other(table, edge->to->name);
	return is_read;
}

/* One count under way. */
struct walk {
	struct audience_asks *asks; /* NULL: none are possible */
	unsigned char *seen;        /* a bit per entry: expanded as a list */
	unsigned char *counted;     /* a bit per entry: counted as a person */
	unsigned long people;
	unsigned long largest; /* of the sizes of lists whose members nobody knows */
	unsigned long sizes;   /* how many of those there are */
	unsigned long lists;   /* recipients that are lists */
	bool is_partial;
	bool has_repeat;     /* somebody was found who is the sender or counted already */
	unsigned long known; /* people and sizes that are not guesses */
};

/* Sets an entry's bit; was it clear before? */
static bool
set_bit(unsigned char *bits, const struct audience_entry *entry)
{
	unsigned char bit = (unsigned char)(1u << (entry->number % 8));
	bool was_clear = (bits[entry->number / 8] & bit) == 0;

	bits[entry->number / 8] |= bit;
	return was_clear;
}

/* Notes that a program is to be asked, unless what it said is still good. */
static void
walk_ask(struct walk *walk, const struct audience_entry *entry)
{
	bool is_ours = entry->expires_ms != 0 || (!entry->is_list && entry->fixed == 0);

	if (walk->asks != NULL && is_ours && entry->expires_ms <= base_tick_ms())
		audience_asks_add(walk->asks, entry->name);
}

/* Counts a person, a program or a file once. */
static void
walk_person(struct walk *walk, const struct audience_entry *entry)
{
	if (!set_bit(walk->counted, entry)) {
		walk->has_repeat = true;
		return;
	}
	walk_ask(walk, entry);
	walk->people++;
	walk->known += !entry->is_partial;
	walk->is_partial = walk->is_partial || entry->is_partial;
}

/* Counts who stands behind an entry; the depth is bounded, so recursion is too. */
static void
walk_entry(struct walk *walk, const struct audience_entry *entry, unsigned depth)
{
	entry = meant(entry);
	if (!entry->is_list && entry->fixed == 0) {
		walk_person(walk, entry);
		return;
	}
	if (!set_bit(walk->seen, entry))
		return;
	walk_ask(walk, entry);
	if (entry->fixed > 0) {
		if (walk->largest < entry->fixed)
			walk->largest = entry->fixed;
		walk->sizes++;
		walk->known++;
		return;
	}
	walk->is_partial = walk->is_partial || entry->is_partial || depth >= AUDIENCE_MAX_DEPTH;
	if (depth >= AUDIENCE_MAX_DEPTH)
		return;
	for (const struct audience_edge *edge = entry->members; edge != NULL; edge = edge->next) {
		const struct audience_entry *to = meant(edge->to);

		if (to == entry && entry->same != NULL)
			walk_entry(walk, entry->same, depth + 1);
		else if (edge->is_final || to == entry)
			walk_person(walk, to);
		else
			walk_entry(walk, to, depth + 1);
	}
}

/* Is it a list in people's eyes? An alias that only gives a person another name is none. */
static bool
is_many(const struct audience_entry *entry)
{
	for (unsigned depth = 0; depth < AUDIENCE_MAX_DEPTH; depth++) {
		entry = meant(entry);
		if (entry->fixed > 0 || entry->is_partial)
			return true;
		if (entry->members == NULL)
			return false;
		if (entry->members->next != NULL)
			return true;
		if (entry->members->is_final)
			return false;
		entry = entry->members->to;
	}
	return false;
}

/*
 * Takes in the lists that are known by their size alone. Everybody else, and everybody of the
 * smaller ones, may be on the largest: no more than that one, or the people, is certain.
 */
static void
walk_end(struct walk *walk)
{
	if (walk->sizes > 1 || (walk->sizes == 1 && walk->people > 0))
		walk->is_partial = true;
	if (walk->people < walk->largest)
		walk->people = walk->largest;
}

/*
 * Marks the sender as counted, by whatever name: who writes is none of the people that it goes
 * to. A list that sends stays a list.
 */
static void
walk_sender(const struct walk *walk, const struct audience_table *table, const char *sender,
    unsigned char *seen)
{
	const struct audience_entry *entry = find(table, sender);
	struct walk marking = *walk;

	marking.asks = NULL;
	marking.seen = seen;
	if (entry == NULL)
		entry = find_other(table, sender);
	if (entry != NULL && !is_many(entry))
		walk_entry(&marking, entry, 0);
}

/* Takes in one recipient. */
static void
walk_recipient(
    struct walk *walk, const struct audience_table *table, const char *address, const char *sender)
{
	const struct audience_entry *entry = find(table, address);

	if (entry == NULL)
		entry = find_other(table, address);
	if (entry != NULL) {
		walk->lists += is_many(entry);
		walk_entry(walk, entry, 0);
		return;
	}
	if (walk->asks != NULL)
		audience_asks_add(walk->asks, address);
	if (strcmp(address, sender) == 0) {
		walk->has_repeat = true;
		return;
	}
	walk->people++;
	walk->known++;
}

size_t
audience_recipients(const struct mail_transaction *transaction, const char *sender)
{
	const struct mail_addresses *set = &transaction->recipients;
	bool is_there = false;

	for (size_t i = 0; i < set->count && !is_there; i++)
		is_there = strcmp(set->items[i], sender) == 0;
	return set->seen - (is_there && set->seen > 1);
}

/* When there is no memory to tell people apart: every recipient is somebody. */
static void
count_roughly(
    const struct mail_transaction *transaction, const char *sender, struct audience *audience_r)
{
	audience_r->kind = AUDIENCE_AT_LEAST;
	audience_r->people = audience_recipients(transaction, sender);
	audience_r->lists = 0;
}

void
audience_table_count(const struct audience_table *table, const struct mail_transaction *transaction,
    const char *sender, struct audience_asks *asks, struct audience *audience_r)
{
	const struct mail_addresses *recipients = &transaction->recipients;
	size_t bytes = table->entry_count / 8 + 1;
	struct walk walk = { .is_partial = recipients->capped, .asks = asks };

	walk.seen = calloc(3, bytes);
	if (walk.seen == NULL) {
		count_roughly(transaction, sender, audience_r);
		return;
	}
	walk.counted = walk.seen + bytes;
	walk_sender(&walk, table, sender, walk.seen + 2 * bytes);
	for (size_t i = 0; i < recipients->count; i++)
		walk_recipient(&walk, table, recipients->items[i], sender);
	free(walk.seen);
	walk_end(&walk);
	if (walk.people == 0 && recipients->count > 0) {
		walk.people = 1; /* an empty list, or nobody but the sender */
		walk.is_partial = walk.is_partial || !walk.has_repeat;
	}
	audience_r->kind = !walk.is_partial  ? AUDIENCE_EXACT
			   : walk.known == 0 ? AUDIENCE_UNKNOWN
					     : AUDIENCE_AT_LEAST;
	audience_r->people = walk.people;
	audience_r->lists = walk.lists;
}
