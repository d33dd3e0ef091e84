/*
 * NAME
 *	settings/internal - the schema: which keys there are, and how each is read
 *
 * WHAT IT DOES
 *	A table row says everything about a key: name, type, default, limits, where its
 *	value goes. The reader walks the file along the tables and collects errors; it never stops
 *	at the first.
 *
 * OWNERSHIP
 *	Everything read lives in the arena of the settings, every error in that of the
 *	errors.
 */
#ifndef OOPS_SETTINGS_INTERNAL_H
#define OOPS_SETTINGS_INTERNAL_H

#include <libconfig.h>

#include "milter/base/arena.h"
#include "milter/settings/settings.h"

#define SETTINGS_MAX_FILE 1048576 /* bytes of a settings file */
#define SETTINGS_MAX_MEMORY 16777216
#define SETTINGS_MAX_ENTRIES 10000 /* of any list in it */
#define SETTINGS_MAX_INCLUDES 10   /* within each other, as libconfig takes them */
#define SETTINGS_MAX_ERRORS 200
/* bytes of a path, what struct sockaddr_un holds on Linux */
#define SETTINGS_MAX_SOCKET 107
#define SETTINGS_MAX_SECONDS (INT64_C(3653) * 86400) /* ten years */
#define SETTINGS_DAY 86400

struct settings_reader {
	const char *path; /* of the main file */
	struct base_arena *arena;
	struct settings *settings;
	struct settings_errors *errors;
	bool is_short; /* memory ran out */
};

/* What a value may look like in the file. */
enum settings_shape {
	SETTINGS_TEXT = 1,
	SETTINGS_WHOLE = 2, /* a whole number */
	SETTINGS_REAL = 4,
	SETTINGS_TRUTH = 8,
	SETTINGS_SEVERAL = 16, /* ( ... ) or [ ... ] of what the other bits allow */
	SETTINGS_ENTRIES = 32, /* ( { ... }, { ... } ): read by policy.c */
};

struct settings_key;

/*
 * Reads the value's text into the target. NULL: done (or memory is short, see is_short);
 * otherwise what is wrong with it and what would be right.
 */
typedef const char *settings_parse_fn(
    struct settings_reader *reader, const struct settings_key *key, const char *text, void *target);

struct settings_type {
	unsigned shapes;
	settings_parse_fn *parse;
	const char *wrong; /* said of a value of another shape: what it is not, what is right */
	size_t item_size;  /* of one element, for SETTINGS_SEVERAL */
};

/* A word that a key accepts. */
struct settings_choice {
	const char *word;
	int value;
	const char *refusal; /* known, but not possible: why */
};

struct settings_key {
	const char *name; /* with its groups: "undo.window" */
	const struct settings_type *type;
	size_t offset;        /* of the target in the struct that the table describes */
	const char *fallback; /* the default as text; NULL: what is in the target already */
	const char *required; /* only the site knows it: an example, which is its placeholder */
	int64_t min;          /* of numbers and durations */
	int64_t max;
	const struct settings_choice *choices; /* ends with a NULL word */
	size_t count_offset;                   /* SETTINGS_SEVERAL: of the number of elements */
};

/* Tables end with a NULL name. */
extern const struct settings_key settings_keys[];          /* of struct settings */
extern const struct settings_key settings_list_keys[];     /* of struct settings_list */
extern const struct settings_key settings_delegate_keys[]; /* of struct settings_delegate */
extern const struct settings_key settings_rule_keys[];     /* of struct settings_policy */

/* A type whose values are texts. */
#define SETTINGS_TEXT_TYPE(name, parser, sentence)                                                 \
	const struct settings_type settings_type_##name = {                                        \
		.shapes = SETTINGS_TEXT, .parse = parser, .wrong = sentence                        \
	}

/* --- types.c, nettypes.c
 * ------------------------------------------------------------------------ */

extern const struct settings_type settings_type_node, settings_type_path,
    settings_type_path_optional, settings_type_path_socket, settings_type_milter_socket,
    settings_type_mode, settings_type_word, settings_type_choice, settings_type_user,
    settings_type_group, settings_type_text_optional, settings_type_listen, settings_type_base_url,
    settings_type_domains, settings_type_domain_optional, settings_type_networks,
    settings_type_truth, settings_type_duration, settings_type_smtp, settings_type_address,
    settings_type_address_optional, settings_type_address_folded, settings_type_language,
    settings_type_fraction, settings_type_people, settings_type_texts, settings_type_table,
    settings_type_name, settings_type_senders, settings_type_persons, settings_type_entries,
    settings_type_count, settings_type_logins, settings_type_accounts, settings_type_hours,
    settings_type_choices, settings_type_reasons, settings_type_delimiters;

/* --- text.c ------------------------------------------------------------------------- */

/* A copy in the settings' arena; NULL sets is_short. */
char *settings_keep(struct settings_reader *reader, const char *text, size_t length);
/*
 * A domain, or an address ("user@domain" or "@domain") in the form in which those of mail are
 * compared. What is wrong with it, or NULL.
 */
const char *settings_keep_domain(
    struct settings_reader *reader, const char *domain, const char **normal_r);
const char *settings_keep_address(
    struct settings_reader *reader, const char *address, const char **normal_r);
/*
 * The same without its extension, for an address that is compared with mail's and never
 * written to. Only for keys of lists and rules, which are read when the delimiters are known.
 */
const char *settings_keep_casefolded(
    struct settings_reader *reader, const char *address, const char **folded_r);
/* The same for an account, which is not cut by all delimiters: see mail_account_delimiters(). */
const char *settings_keep_account(
    struct settings_reader *reader, const char *address, const char **account_r);
/* settings_keep() into a target that is a const char *; for types whose values need no
 * change. */
const char *settings_keep_as_is(struct settings_reader *reader, const char *text, void *target);
/* Are there control characters or spaces in it? */
bool settings_has_blanks(const char *text);
bool settings_is_domain(const char *text, size_t length);
bool settings_is_address(const char *text);
/* Decimal digits only, at most `max`. */
bool settings_is_number(const char *text, size_t length, unsigned long max, unsigned long *r);
/* Is it an IPv4 address or an IPv6 address without brackets? */
bool settings_is_ip(const char *text, size_t length);
/* "10.0.0.0/8", "::1", "::ffff:10.0.0.0/104" (which is the same as the first). */
const char *settings_network_parse(const char *text, struct settings_network *network_r);

/* --- schema.c ----------------------------------------------------------------------- */

/* One more error; line 0: of the whole file. */
void settings_error_add(struct settings_reader *reader, const char *file, int line,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same, about an element of the file. */
void settings_error_at(struct settings_reader *reader, const config_setting_t *setting,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Fills in the defaults of a table, and the placeholders if asked for. */
void settings_read_defaults(struct settings_reader *reader, const struct settings_key *table,
    void *base, bool with_placeholders);
/* Reads one group along a table into `base`; `label` stands before its names in errors. */
void settings_read_group(struct settings_reader *reader, const struct settings_key *table,
    config_setting_t *group, const char *label, void *base);

/* --- delegates.c -------------------------------------------------------------------- */

/* What identity.* means beyond its keys: delegates, and login_domain. NULL: the defaults. */
void settings_read_identity(struct settings_reader *reader, const config_t *config);

/* --- policy.c ----------------------------------------------------------------------- */

/* Is the entry of a list a group? An error otherwise. */
bool settings_entry_is_group(
    struct settings_reader *reader, const config_setting_t *entry, const char *name, int number);
/* Does the file have a usable list of entries here, and how many? */
int settings_entry_count(
    struct settings_reader *reader, const config_setting_t *entries, const char *name);
/* lists.c: says what is missing or too much in one entry of lists. */
void settings_list_check(struct settings_reader *reader, const config_setting_t *entry,
    const char *label, const struct settings_list *list);
void settings_read_lists(struct settings_reader *reader, config_setting_t *lists);
/* Also puts the built-in rule at the end; rules may be NULL. */
void settings_read_policy(struct settings_reader *reader, config_setting_t *rules);

#endif
