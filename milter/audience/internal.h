/*
 * NAME
 *	audience/internal - the table of lists and people
 *
 * WHAT IT DOES
 *	A table is a graph: each name is an entry, each member of a list an edge to another
 *	entry. It is built once from the settings and the files, and only read from then on,
 *	so that several threads may count at the same time.
 *
 * OWNERSHIP
 *	Entries, edges and names live in the table's arena.
 */
#ifndef OOPS_AUDIENCE_INTERNAL_H
#define OOPS_AUDIENCE_INTERNAL_H

#include <sys/stat.h>

#include "milter/audience/audience.h"
#include "milter/base/arena.h"
#include "milter/base/result.h"

#define AUDIENCE_MAX_MEMBERS 100000     /* of all lists together, repeats included */
#define AUDIENCE_MAX_DEPTH 20           /* of lists within lists */
#define AUDIENCE_MAX_FILES 1000         /* alias files and the files they include */
#define AUDIENCE_MAX_FILE (16u << 20)   /* bytes of one file */
#define AUDIENCE_MAX_NAMES (1u << 20)   /* bytes of the names in one folder */
#define AUDIENCE_MAX_MEMORY (96u << 20) /* of one table */
#define AUDIENCE_MAX_ASKED 10000        /* addresses that programs are asked about at once */
#define AUDIENCE_CHECK_MS 1000          /* files are looked at no more often than this */

struct audience_edge;

/* One name: a list, a person, or (with a '|' or '/') a program or a file. */
struct audience_entry {
	const char *name; /* "jane", "jane@elsewhere.example", "|/usr/bin/robot", ":include:/x" */
	unsigned number;  /* 0, 1, ... */
	/* what an address stands for, a list apart: a local name, all of its domain, or NULL */
	struct audience_entry *same;
	struct audience_edge *members;
	struct audience_edge **members_end;
	unsigned long fixed; /* people, as the settings say; 0: they do not */
	int64_t expires_ms;  /* of what a program said, by base_tick_ms(); 0: none was asked */
	bool is_list;        /* has a line of its own in a file */
	bool is_partial;     /* there may be more people behind it than we can see */
};

struct audience_edge {
	struct audience_edge *next;
	struct audience_entry *to;
	bool is_final; /* "\jane": her mailbox, whatever list has her name */
};

/* A file as it was when it was read. */
struct audience_file {
	const char *path;
	enum base_result state; /* as base_file_look() has it */
	struct stat stat;
};

struct audience_table {
	struct base_arena *arena;
	const struct settings *settings;
	void *tree; /* of entries by name, see tsearch(3) */
	unsigned entry_count;
	size_t member_count;
	struct audience_edge *spare;      /* edges of answers that are out of date */
	struct audience_entry **includes; /* entries of ":include:" names, still to be read */
	size_t include_count;
	struct audience_file *files;
	size_t file_count;
};

/* --- inside.c ---------------------------------------------------------------------- */

/*
 * The organisations of the local domains; the caller frees `items`, whose texts are the
 * settings'. Without a list of public suffixes: those domains alone. False: no memory.
 */
bool audience_inside_make(const struct settings *settings, struct mail_domains *inside_r);

/* --- table.c ------------------------------------------------------------------------ */

struct audience_table *audience_table_new(const struct settings *settings);
void audience_table_free(struct audience_table **table);
/* The entry of a name (lower case), made if need be; NULL: no memory. */
struct audience_entry *audience_table_entry(struct audience_table *table, const char *name);
/* Adds a member to a list; beyond the maximum the list becomes partial. False: no memory.
 */
bool audience_table_member(struct audience_table *table, struct audience_entry *list,
    struct audience_entry *member, bool is_final);
/* Once everything is read: finds the addresses that are local names in another spelling. */
void audience_table_link(struct audience_table *table);
struct audience_asks;
struct audience_result;

/* Puts what a program said in the place of what it said before. False: no memory. */
bool audience_table_answer(struct audience_table *table, const struct audience_result *answer);
/* audience_count() by one table; asks: gets what is to be asked first, or NULL. */
void audience_table_count(const struct audience_table *table,
    const struct mail_transaction *transaction, const char *sender, struct audience_asks *asks,
    struct audience *audience_r);

/* --- aliases.c ---------------------------------------------------------------------- */

/* What a file looks like. */
enum audience_form {
	AUDIENCE_ALIASES,  /* aliases(5): "name: member, member" */
	AUDIENCE_VIRTUAL,  /* virtual(5): "address member, member" */
	AUDIENCE_INCLUDED, /* what ":include:" names: members, all of one list */
	AUDIENCE_MEMBERS,  /* one member a line, all of one list; nothing but people */
};

#define AUDIENCE_INCLUDE ":include:"
#define AUDIENCE_MORE "..." /* as a line of AUDIENCE_MEMBERS: there are more than are named */

/* Reads one file; `list` gets the members where the form has no names. */
enum base_result audience_file_read(struct audience_table *table, enum audience_form form,
    const char *path, struct audience_entry *list, const char **why_r);
/* The entry of an address or a local name; what is neither is somebody all the same. */
struct audience_entry *audience_address_entry(
    struct audience_table *table, struct base_arena *scratch, const char *text);

/* The members that a text of virtual(5) names. False: it is malformed, or no memory. */
bool audience_members_read(
    struct audience_table *table, struct audience_entry *list, const char *text);

/* --- ask.c -------------------------------------------------------------------------- */

struct audience_asker;

/* What a program said about one address. */
struct audience_result {
	const char *name;
	unsigned long people; /* of a command: up to 1 is no list */
	const char *members;  /* of a table, as virtual(5) has them; NULL: it is no list */
	bool has_failed;      /* what was known before stays in use */
	int64_t expires_ms;   /* by base_tick_ms() */
};

/* What one message needs to know. */
struct audience_asks {
	const struct settings *settings;
	struct base_arena *arena;
	int64_t began_ms; /* time limits count from here, whatever is asked */
	void (*store)(void *context, const struct audience_result *answers, size_t count);
	void *context;
	const char **names;
	size_t count;
	unsigned runs; /* of commands so far */
	bool is_short; /* there was no room for everything */
};

/* NULL when the settings name no program. False: no memory. */
bool audience_asker_new(const struct settings *settings, struct audience_asker **asker_r);
void audience_asker_free(struct audience_asker **asker);
/* Notes an address if there is a program to be asked about it. */
void audience_asks_add(struct audience_asks *asks, const char *address);
/*
 * Asks until the time of each source is up, one run at a time about the same thing. False:
 * nothing was asked.
 */
bool audience_ask(struct audience_asker *asker, struct audience_asks *asks);
/* Why a program did not answer, once until it does again. */
bool audience_asker_changes(struct audience_asker *asker, const char **why_r);

/* --- sources.c ---------------------------------------------------------------------- */

/* Reads every file that the settings name and those that they include. */
enum base_result audience_table_read(struct audience_table *table, const char **why_r);
/* Notes how a file looks now, once per path. False: there are too many. */
bool audience_table_watch(struct audience_table *table, const char *path);
/*
 * Does any file look other than when it was read? OK: yes. NONE: no. RETRY: not as far as can be
 * told, since one does not answer.
 */
enum base_result audience_table_look(const struct audience_table *table, const char **why_r);

#endif
