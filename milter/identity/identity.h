/*
 * NAME
 *	identity - who is really sending: login, trusted network, local submission, SPF
 *
 * WHAT IT DOES
 *	Decides whether a send is proved to come from one of the site's own people, and from
 *	whom. Only such sends are judged, and only to such people do we ever write.
 *
 * WHAT IT NEVER DOES
 *	It does not believe header fields without a proof.
 *
 * THE PERSON
 *	Login, envelope sender and From may name three people. The person is who is proved.
 *	Letters and links go to the person and nobody else, and it is the person whose budget is
 *	spent and who is counted. Whose a login is:
 *	- what the file identity.logins says: "login address [more addresses of the same person]";
 *	- else the login itself, if it is an address in a local domain;
 *	- else the envelope sender, if it is local and identity.envelope_is_checked: then the MTA
 *	  has compared it with the login (Postfix: reject_sender_login_mismatch);
 *	- else, for a login without a domain, login@identity.login_domain, or login@ the one domain
 *	  of identity.local_domains. With several of them and no login_domain it is nobody's: what a
 *	  mail names proves no domain;
 *	- else nobody.
 *	Of a login, and of what a letter goes to, only '+' is cut off: with '-' in
 *	identity.recipient_delimiter, too, anna-maria may share the habits of anna, but no letter.
 *	Without a login (network, local submission) the person is a local Resent-From, else a local
 *	envelope sender, else a local From.
 *
 * THE ACTOR
 *	The address whose habits are compared and learned, and whose rules apply. It is the local
 *	address that the mail itself names: From, else the envelope sender. Whoever resends a mail
 *	is its author: the newest Resent-From stands for From (RFC 5322 3.6.6). With a login that
 *	address counts only if the login may send as it: its own, one more address of its own
 *	(identity.logins), or one that identity.delegates lets it use: a shared mailbox, a colleague
 *	or a role has habits of its own, whoever sends as it. Otherwise the actor is the person, and
 *	the address is not believed. A login's send is judged also when From and envelope sender are
 *	both strangers.
 *
 *	When the actor is not the person's own address, the person's habits are looked at too: "sent
 *	as a shared mailbox to people whom you write to yourself". letters_to = "mailbox" in the
 *	entry of identity.delegates has the letters go to the actor instead.
 *
 *	The audit line shows sender= (the actor), proof=, login=, person= (when it is not the
 *	actor), envelope= and from=.
 *
 * NOBODY IN PARTICULAR
 *	A login that is nobody's, in a mail with a local From, and an SPF pass prove that somebody
 *	of the site sends, and not who. Such mail is compared with the habits of the address that it
 *	names, but there is no person: nobody to write to, to count or to teach, so it can be tagged
 *	at most.
 *
 * ADDRESSES
 *	An address whose local part is a route (victim%outside@us), a program or a file is nobody's
 *	here: mail_address_is_mailbox().
 *
 *	A login counts for more than the submission by command, that for more than the network,
 *	and that for more than SPF; the first that holds is the proof. A null reverse-path has no
 *	actor: bounces and receipts are sent by programs.
 *
 * SPF (RFC 7208)
 *	Only asked for mail with no other proof whose envelope sender is in a local domain: a
 *	cloud service that sends for us. A pass proves that domain, and From only if it is in the
 *	same one. Whoever may send through a service that the domain's record names can pass, and
 *	such a service has other customers: no person is proved. Anything else than a pass, within
 *	the time limit, proves nothing.
 *
 * THREADS
 *	identity_find() may be called by any; it may wait for the DNS, but never longer than
 *	identity.spf_timeout. SPF has worker threads of its own, started when needed.
 *
 * PROCESSES
 *	libspf2 reads what strangers write, and has overrun its buffers before. So each of the
 *	threads that check has a process at hand, this very program run anew with the only argument
 *	--check-spf, with no descriptor but its socket and the standard ones. It may die: that check
 *	is not proved, who listens for trouble is told, and the next check starts another one. After
 *	3 deaths in a row it waits for a second, then twice as long each time, up to 64 s. Records
 *	over 2,048 bytes or with more than 64 percent signs are not shown to libspf2 at all.
 *
 * BOUNDS
 *	A file of logins has 8 MiB and 20 addresses of one login. 4,096 results are remembered, 8
 *	threads check, 256 checks wait; more are not proved.
 *
 * DIAGNOSTICS
 *	identity_find() cannot fail: what cannot be proved is IDENTITY_NONE, without an actor.
 *	identity_logins_load(): REFUSE, the file is wrong or too large; BROKEN, it cannot be read,
 *	is no regular file, or no memory; RETRY, it does not answer in time. identity_spf_new():
 *	BROKEN, no memory.
 */
#ifndef OOPS_IDENTITY_H
#define OOPS_IDENTITY_H

#include <sys/socket.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/identity/value.h"
#include "milter/mail/transaction.h"
#include "milter/settings/settings.h"

/* What the MTA told us of the connection. */
struct identity_peer {
	const char *login;               /* {auth_authen}, "" without SMTP AUTH */
	struct sockaddr_storage address; /* ss_family AF_UNSPEC when unknown */
	bool is_local_submission;        /* non-SMTP: the sendmail command */
	const char *helo;                /* the name the client gave; NULL or "" when unknown */
};

struct identity_logins;
struct identity_spf;

/* What is asked besides the settings. */
struct identity_sources {
	struct identity_logins *logins; /* NULL: no file of logins */
	struct identity_spf *spf;       /* NULL: SPF is not asked */
};

/* Told when a process that makes checks died or could not be started. Any thread. */
typedef void identity_failure_fn(const char *what);

/* What the settings name; sources_r is all NULL before. Close it also when it failed. */
enum base_result identity_sources_open(const struct settings *settings,
    identity_failure_fn *failure, struct identity_sources *sources_r, const char **why_r);
/* Not while somebody asks. */
void identity_sources_close(struct identity_sources *sources);

/* The file of identity.logins; NULL when the settings name none. REFUSE: why_r begins FILE:LINE. */
enum base_result identity_logins_load(
    const struct settings *settings, struct identity_logins **logins_r, const char **why_r);
void identity_logins_free(struct identity_logins **logins);

/* What SPF needs, as the settings say; NULL when they say that it is not asked. */
enum base_result identity_spf_new(const struct settings *settings, identity_failure_fn *failure,
    struct identity_spf **spf_r, const char **why_r);
/* Not while somebody asks. Checks that still wait for the DNS end by themselves. */
void identity_spf_free(struct identity_spf **spf);

/* The only argument of the program that makes checks: it calls nothing but identity_spf_serve(). */
#define IDENTITY_SPF_OPTION "--check-spf"
/* Answers the questions that come on standard input, a socket, until it is closed. */
int identity_spf_serve(void);

/* Copies a socket address (IPv4-mapped IPv6 becomes IPv4); NULL gives AF_UNSPEC. */
void identity_peer_address(struct identity_peer *peer, const struct sockaddr *address);

/*
 * The identity's strings are those of the transaction, of the settings and sources, in the arena,
 * or literals. sources NULL: nothing but the settings is asked. Without memory there is no person.
 */
void identity_find(const struct settings *settings, const struct identity_sources *sources,
    struct base_arena *arena, const struct identity_peer *peer,
    const struct mail_transaction *transaction, struct identity *identity_r);

#endif
