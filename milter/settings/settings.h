/*
 * NAME
 *	settings - the configuration file as one checked, frozen value
 *
 * WHAT IT DOES
 *	Reads a libconfig file, checks every key and value, fills in defaults, and collects
 *	every error with file and line, so that an admin sees all of them at once. Unknown
 *	keys are errors. Domains and addresses are kept in the form in which those of mail
 *	are compared (mail.h), however the file writes them.
 *
 * WHAT IT NEVER DOES
 *	It opens no socket and looks up no name; it does not read the key, the scorecard or
 *	the list files that it names.
 *
 * OWNERSHIP
 *	A struct settings and all its strings live until settings_free(). It never changes.
 *
 * DIAGNOSTICS
 *	REFUSE: the file is wrong (errors tell where). BROKEN: it cannot be read. Programs
 *	exit with 78 (EX_CONFIG) for both.
 */
#ifndef OOPS_SETTINGS_H
#define OOPS_SETTINGS_H

#include "milter/base/arena.h"
#include "milter/base/buffer.h"
#include "milter/base/result.h"
#include "milter/mail/end.h"

/* What happens to a send, in rising order of interruption. */
enum settings_action {
	SETTINGS_PASS,    /* nothing */
	SETTINGS_TAG,     /* a header is added */
	SETTINGS_UNDO,    /* held for the undo window */
	SETTINGS_CONFIRM, /* held until the sender confirms */
};

enum settings_on_error { SETTINGS_ERROR_ACCEPT, SETTINGS_ERROR_TEMPFAIL };
enum settings_tls {
	SETTINGS_TLS_AUTO, /* required, unless the server is on this host */
	SETTINGS_TLS_REQUIRED,
	SETTINGS_TLS_IF_OFFERED,
	SETTINGS_TLS_OFF,
};

const char *settings_action_str(enum settings_action action);
const char *settings_end_str(enum mail_end end);

struct settings_network {
	int family;                /* AF_INET or AF_INET6 */
	unsigned char address[16]; /* network order; the first 4 bytes for AF_INET */
	unsigned prefix;           /* bits */
};

/* One entry of `lists`: one source of members, all others are NULL or 0; or only an owner. */
struct settings_list {
	const char *settings_file; /* where the entry is; NULL: built in */
	int line;
	const char *address;   /* normalised, without its extension */
	unsigned long members; /* people */
	const char *aliases;   /* path of an aliases(5) file */
	const char *file;      /* path of a file with one member a line; with an address */
	const char *folder;    /* of such files; their names are the addresses of the lists */
	const char *virtual;   /* path of a virtual(5) file */
	const char **command;  /* prints how many are behind the address behind its arguments */
	size_t command_count;
	const char *table;    /* "TYPE:PATH", as postmap(1) has it */
	int64_t timeout;      /* seconds that a command or postmap may take */
	int64_t cache;        /* seconds that their answers are good for */
	const char **domains; /* of the lists in a folder, table or command; none: the local ones */
	size_t domain_count;
	/* who looks after the list, normalised and whole, or NULL; with an address */
	const char *owner;
};

/* Who gets the letters about what a person sends as another address. */
enum settings_letters {
	SETTINGS_LETTERS_PERSON,
	SETTINGS_LETTERS_MAILBOX, /* the address that is sent as */
};

/* One entry of identity.delegates: who may send as these addresses. */
struct settings_delegate {
	const char **addresses; /* "user@domain" without its extension, or "@domain" */
	size_t address_count;
	const char **persons; /* likewise, cut by mail_account_delimiters() alone */
	size_t person_count;
	const char **logins; /* as the MTA tells them */
	size_t login_count;
	enum settings_letters letters_to;
};

/* Whom a rule's recipients must be. */
enum settings_reach {
	SETTINGS_REACH_ANY,
	SETTINGS_REACH_INSIDE,  /* all are of the sender's organisation: mail_is_inside() */
	SETTINGS_REACH_OUTSIDE, /* one at least is not */
};

/* Minutes since midnight, from <= t < to; to < from goes past midnight. */
struct settings_hours {
	unsigned from, to;
};

/* What a rule is for: every criterion given must fit; of several values one is enough. */
struct settings_match {
	const char **senders; /* "user@domain" without its extension, or "@domain" */
	size_t sender_count;
	const char **logins;
	size_t login_count;
	struct settings_network *networks; /* of the client */
	size_t network_count;
	const char **recipients; /* as senders; one of them is written to */
	size_t recipient_count;
	enum settings_reach reach;
	unsigned long people_min, people_max; /* 0: no limit */
	struct settings_hours *hours;
	size_t hours_count;
	unsigned *weekdays; /* 0 Sunday .. 6 */
	size_t weekday_count;
	const char **reasons; /* names of signals, one of which adds points */
	size_t reason_count;
};

/* What must be known before anything is held. */
struct settings_learning {
	unsigned long sends;          /* of a sender; 0: nothing */
	unsigned long sends_new_site; /* the same, while the site's own scores are unknown */
	unsigned long site_sends;     /* of the site as a whole; 0: nothing */
	double new_site_odds;         /* times the threshold's odds, until then */
};

/*
 * How often people are interrupted at most: beyond it confirm becomes undo, and undo
 * becomes tag. 0: no limit.
 */
struct settings_budget {
	unsigned long sender_day;    /* holds of one sender in 24 hours */
	unsigned long site_thousand; /* holds for 1,000 sends of the site in 24 hours */
	unsigned long site_day;      /* of the site in 24 hours, however few its sends are */
};

/* One entry of `policy`: the first whose match fits decides. */
struct settings_policy {
	const char *name; /* "rule 1" unless given */
	struct settings_match match;
	enum settings_action action;
	double threshold;     /* score from which `action` is taken, 0..1 */
	double tag_threshold; /* score from which at least a tag is set; > 1: never */
	enum settings_on_error on_error;
	int64_t window;  /* seconds, of undo */
	int64_t expires; /* seconds, of confirm */
	enum mail_end on_expiry;
	struct settings_learning learning;
	struct settings_budget budget; /* of its own; what counts are all holds */
	const char *language;          /* of the letter and the pages */
	const char *template; /* path of the site's own sentences; NULL: the shipped ones */
	const char *file;     /* where the rule stands; NULL for the built-in one */
	int line;             /* in it, 0 for the built-in one */
};

struct settings {
	const char *path; /* of the file, "(defaults)" */
	const char *node;
	const char *state_directory;
	const char *key_file;
	int64_t key_keeps; /* seconds that a key stays valid after another took its place */

	const char *user;  /* name or number: whom oops-milter becomes when root starts it */
	const char *group; /* name or number; "": that user's own */

	struct {
		const char *socket;   /* as smfi_setconn() takes it */
		unsigned socket_mode; /* permission bits of a unix socket */
	} milter;

	struct {
		const char *kind;              /* "postfix" or "sendmail" */
		const char *config_directory;  /* Postfix's */
		const char *command_directory; /* postsuper, postqueue, postcat */
		const char *sendmail_program;  /* what Sendmail's queue is run with */
		const char *sendmail_config;   /* sendmail.cf: where its queue is */
		const char *queue_socket;
		const char
		    *queue_user; /* name or number: oops-queued serves nobody else but root */
	} mta;

	struct {
		const char *driver; /* "sqlite" or "postgresql" */
		const char *dsn;
	} store;

	struct {
		const char *listen_host;
		unsigned listen_port;
		const char *base_url; /* without a slash at the end */
		const char *user;     /* as the other, of oops-web */
		const char *group;
		struct settings_network *trusted_proxies; /* whose X-Forwarded-For counts */
		size_t trusted_proxy_count;
	} web;

	struct {
		const char **local_domains; /* normalised; subdomains are not included */
		size_t local_domain_count;
		const char *recipient_delimiter; /* characters, "" for none */
		struct settings_network *trusted_networks;
		size_t trusted_network_count;
		const char *logins;       /* path of a file "login address"; NULL: none */
		const char *login_domain; /* of logins without one; NULL: see identity.h */
		bool envelope_is_checked; /* by the MTA, against the login */
		struct settings_delegate *delegates;
		size_t delegate_count;
		const char **machines; /* persons as in delegates, and logins (without '@') */
		size_t machine_count;
		bool spf;            /* is an SPF pass a proof? */
		int64_t spf_timeout; /* seconds a mail waits for the DNS at most */
		int64_t spf_cache;   /* seconds a result is remembered; 0: not */
	} identity;

	struct settings_list *lists;
	size_t list_count;

	struct {
		const char *scorecard; /* path, NULL for the one compiled in */
		struct settings_learning learning;
		double quantile;          /* share of the site's own sends that stay below a stop */
		double tag_quantile;      /* the same for a tag */
		double margin;            /* of the share above it that is used */
		unsigned long half_life;  /* sends, of the site's own scores */
		unsigned long min_scores; /* sends, before they count */
	} judge;

	struct settings_budget budget;

	bool monitor; /* nothing is held: what would be is tagged only */

	struct {
		bool show_reasons; /* in the header of tagged mail that stays inside */
	} tag;

	struct {
		int64_t window;          /* seconds */
		int64_t announce_within; /* seconds a window waits for its letter */
		int64_t grace;           /* seconds an undone mail can still be sent */
		enum mail_end then;      /* RETURN or DELETE, after the grace */
	} undo;

	struct {
		int64_t expires;         /* seconds */
		enum mail_end on_expiry; /* RETURN or SEND */
	} confirm;

	struct {
		bool enabled;
		unsigned long replies; /* answers to everybody that pass within the window */
		int64_t window;        /* seconds */
		unsigned long people;  /* who must be written to for an answer to count */
		int64_t hold;          /* seconds that a block lasts */
		enum mail_end on_end;  /* of what it holds: RETURN or SEND */
		const char *owner;     /* address; NULL: nobody is told of lists without an owner */
	} storm;

	struct {
		const char *smtp;      /* URL for libcurl */
		enum settings_tls tls; /* of smtp:// */
		const char *ca_file;   /* path; NULL: what the system trusts */
		/* letters about held mail to one person in 24 hours; 0: no limit */
		unsigned long person_day;
		const char *from; /* address of the From field */
		const char *language;
		const char *template; /* path; NULL: none */
		/* seconds a link can still show what happened after the mail left */
		int64_t link_expires;
	} notice;

	struct settings_policy *policies; /* never empty: the built-in rule comes last */
	size_t policy_count;
};

/* One fault of the file. */
struct settings_error {
	const char *file;
	int line;         /* 0 when it is about the whole file */
	const char *text; /* which value, what is wrong, what would be right */
};

struct settings_errors {
	struct settings_error *items;
	size_t count;
	size_t capacity;
	struct base_arena *arena;
};

/*
 * Reads and checks. `errors` needs no preparation. On REFUSE and BROKEN `errors` holds at least one
 * entry; free it with settings_errors_free() in any case.
 */
enum base_result settings_load(
    const char *path, struct settings **settings_r, struct settings_errors *errors);
/* The same for programs: NULL after every fault was written to standard error, one a line. */
struct settings *settings_load_or_report(const char *path);
/* The same of a file that is open, for who may not open it; the faults call it `name`. */
struct settings *settings_input_or_report(int fd, const char *name);
/*
 * Everything at its default, and examples for what only a site knows (example.com): for tools
 * that need no site (oopsctl backtest). NULL: no memory.
 */
struct settings *settings_defaults(void);
void settings_free(struct settings **settings);
void settings_errors_free(struct settings_errors *errors);
/* Appends it for people, as a line: "FILE:LINE: TEXT", or "FILE: TEXT" of the whole file. */
void settings_error_print(const struct settings_error *error, struct base_buffer *text_r);

/* Is an address (normalised) one of these, each "user@domain" or "@domain"? */
bool settings_addresses_have(const char *const *list, size_t count, const char *address);
/* Is an address in one of these networks? AF_INET or AF_INET6; others are in none. */
struct sockaddr_storage;
bool settings_networks_have(
    const struct settings_network *networks, size_t count, const struct sockaddr_storage *address);
/* Can it be a mailbox in a local domain (mail_address_is_mailbox())? */
bool settings_is_local(const struct settings *settings, const char *address);

/* "90", "120s", "5m", "2h", "3d" in seconds. REFUSE otherwise or beyond ten years. */
enum base_result settings_duration_parse(const char *text, int64_t *seconds_r);

#endif
