/* session - the milter socket, the signals, the end; see session.h */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/session/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* libmilter's own default: a slow client may take two hours between its header and its dot. */
#define PEER_SECONDS 7210
#define BACKLOG 200
/* How long the end waits for answers that are being worked out. */
#define DRAIN_MS 30000

/*
 * libmilter gives its callbacks no pointer of ours, and a signal handler has none either:
 * this is the one place for what they need.
 */
static struct {
	const struct session_services *services;
	struct session_submissions *submissions;
	atomic_int busy;   /* callbacks that are using the services */
	atomic_bool ended; /* nobody may use it any more */
	int note[2];       /* pipe: signal numbers, and 0 when libmilter has returned */
} capacity = { .note = { -1, -1 } };

static const int taken_signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

const struct session_services *
session_services(void)
{
	return capacity.services;
}

struct session_submissions *
session_submissions(void)
{
	return capacity.submissions;
}

bool
session_enter(void)
{
	atomic_fetch_add(&capacity.busy, 1);
	if (!atomic_load(&capacity.ended))
		return true;
	atomic_fetch_sub(&capacity.busy, 1);
	return false;
}

void
session_leave(void)
{
	atomic_fetch_sub(&capacity.busy, 1);
}

/* --- the socket ------------------------------------------------------------------- */

/* The path of a unix socket in libmilter's notation, NULL for other kinds. */
static const char *
unix_path(const char *name)
{
	if (strncmp(name, "unix:", 5) == 0)
		return name + 5;
	if (strncmp(name, "local:", 6) == 0)
		return name + 6;
	return strchr(name, ':') == NULL ? name : NULL;
}

/* Can libmilter put its socket here? A file that nobody listens on is libmilter's to remove. */
static enum base_result
path_check(const char *path, const char **why_r)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat status;
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path)) {
		*why_r = base_why("%s: longer than the %zu bytes of a unix socket's path", path,
		    sizeof(address.sun_path) - 1);
		return BASE_REFUSE;
	}
	strcpy(address.sun_path, path);
	if (lstat(path, &status) != 0)
		return BASE_OK;
	if (!S_ISSOCK(status.st_mode)) {
		*why_r = base_why("%s: there is something else than a socket", path);
		return BASE_BROKEN;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		*why_r = base_why("socket: %s", strerror(errno));
		return BASE_BROKEN;
	}
	error = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
	close(fd);
	if (error == ECONNREFUSED || error == ENOENT)
		return BASE_OK;
	*why_r = error == 0 ? base_why("%s: another program listens there already", path)
			    : base_why("%s: %s", path, strerror(error));
	return BASE_BROKEN;
}

/* Is there a directory that we may make the socket in? libmilter tells only the system log. */
static enum base_result
directory_check(const char *path, const char **why_r)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash == NULL)
		return BASE_OK;
	*(slash == directory ? slash + 1 : slash) = '\0';
	if (access(directory, W_OK | X_OK) == 0)
		return base_folder_guard(path, geteuid(), why_r);
	*why_r = base_why("%s: no socket can be made there: %s", directory, strerror(errno));
	return BASE_BROKEN;
}

/* Opens it; who may connect to a unix socket is settled from the first moment on. */
static enum base_result
socket_open(const struct settings *settings, const char **why_r)
{
	const char *path = unix_path(settings->milter.socket);
	enum base_result result = BASE_OK;
	mode_t mask;
	int opened;

	if (path != NULL)
		result = path_check(path, why_r);
	if (path != NULL && result == BASE_OK)
		result = directory_check(path, why_r);
	if (result != BASE_OK)
		return result;
	mask = umask(0777 & ~(mode_t)settings->milter.socket_mode);
	errno = 0;
	opened = smfi_opensocket(path != NULL);
	umask(mask);
	if (opened == MI_SUCCESS)
		return BASE_OK;
	*why_r = base_why("the milter socket %s cannot be made: %s", settings->milter.socket,
	    errno != 0 ? strerror(errno) : "see the system log");
	return BASE_BROKEN;
}

/* --- the signals ------------------------------------------------------------------ */

/* The set of signals that session_run() takes. */
static void
taken_set(sigset_t *set_r)
{
	size_t i;

	sigemptyset(set_r);
	for (i = 0; i < sizeof(taken_signals) / sizeof(taken_signals[0]); i++)
		sigaddset(set_r, taken_signals[i]);
}

void
session_signals_block(void)
{
	sigset_t set;

	taken_set(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Puts one byte into the pipe; all that a signal handler may safely do. */
static void
note(int number)
{
	unsigned char byte = (unsigned char)number;
	int error = errno;

	if (write(capacity.note[1], &byte, 1) != 1) {
		/* A full pipe already holds more than anybody has to be told. */
	}
	errno = error;
}

/*
 * From now on the main thread takes the signals. libmilter waits for SIGTERM, SIGINT and
 * SIGHUP in a thread of its own and ends at each; the system gives a signal to the main thread
 * as long as that has not blocked it, and gives one that it ignores to nobody.
 */
static void
signals_take(void)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART };
	sigset_t set;
	size_t i;

	sigemptyset(&action.sa_mask);
	taken_set(&set);
	for (i = 0; i < sizeof(taken_signals) / sizeof(taken_signals[0]); i++)
		(void)sigaction(taken_signals[i], &action, NULL);
	(void)signal(SIGHUP, SIG_IGN);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* --- running ---------------------------------------------------------------------- */

/* Tells libmilter who we are and where the MTA finds us, and makes the socket. */
static enum base_result
milter_open(const struct settings *settings, const char **why_r)
{
	static char program[] = "oops-milter";
	struct smfiDesc description = { .xxfi_name = program,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_QUARANTINE,
		.xxfi_connect = session_on_connect,
		.xxfi_helo = session_on_helo,
		.xxfi_envfrom = session_on_sender,
		.xxfi_envrcpt = session_on_recipient,
		.xxfi_header = session_on_field,
		.xxfi_eoh = session_on_header_end,
		.xxfi_body = session_on_body,
		.xxfi_eom = session_on_message_end,
		.xxfi_abort = session_on_abort,
		.xxfi_close = session_on_close,
		.xxfi_negotiate = session_negotiate };
	char name[256];

	capacity.submissions = session_submissions_new();
	if (capacity.submissions == NULL) {
		*why_r = "no memory for recent acts";
		return BASE_BROKEN;
	}
	snprintf(name, sizeof(name), "%s", settings->milter.socket);
	if (smfi_setconn(name) != MI_SUCCESS) {
		*why_r = base_why("%s: no address of a milter socket", name);
		return BASE_REFUSE;
	}
	if (smfi_register(description) != MI_SUCCESS ||
	    smfi_settimeout(PEER_SECONDS) != MI_SUCCESS || smfi_setbacklog(BACKLOG) != MI_SUCCESS) {
		*why_r = "libmilter does not take this program's description";
		return BASE_BROKEN;
	}
	return socket_open(settings, why_r);
}

enum base_result
session_open(const struct session_services *services, const char **why_r)
{
	const struct config *config = config_acquire(services->sites);
	enum base_result result = milter_open(config->settings, why_r);

	capacity.services = services;
	config_release(&config);
	return result;
}

/*
 * libmilter's loop. It must not begin before pthread_create() is over, which keeps the main
 * thread from taking signals. It fails when it can go on no longer; it succeeds when its own
 * thread for signals was faster than ours to take the one that asks for the end.
 */
static void *
serve(void *begin)
{
	while (sem_wait(begin) != 0)
		continue;
	session_signals_block();
	note(smfi_main() == MI_SUCCESS ? SIGTERM : 0);
	return NULL;
}

/* Waits for the end: OK when a signal asked for it. Reloads at each SIGUSR1 until then. */
static enum base_result
wait_for_end(void (*reload)(void *context), void *context, const char **why_r)
{
	unsigned char number;
	ssize_t got;

	for (;;) {
		got = read(capacity.note[0], &number, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got != 1 || number == 0) {
			*why_r = "libmilter gave up: see the system log";
			return BASE_BROKEN;
		}
		if (number == SIGTERM || number == SIGINT)
			return BASE_OK;
		if (number == SIGUSR1)
			reload(context);
	}
}

/*
 * Takes the services away from the callbacks and waits for those that are using it, but not for
 * ever. libmilter is not asked to stop: that takes up to five seconds, and frees
 * connections whose callbacks are still at work. It ends with the program; until then new
 * mail is told to come again, and the MTA finds no socket to begin with.
 */
static void
rooms_withdraw(void)
{
	const struct config *config = config_acquire(capacity.services->sites);
	const char *path = unix_path(config->settings->milter.socket);
	int64_t end = base_tick_ms() + DRAIN_MS;

	if (path != NULL)
		(void)unlink(path);
	config_release(&config);
	atomic_store(&capacity.ended, true);
	while (atomic_load(&capacity.busy) > 0 && base_tick_ms() < end)
		base_sleep_ms(5);
}

enum base_result
session_run(void (*reload)(void *context), void *context, const char **why_r)
{
	enum base_result result;
	pthread_t thread;
	sem_t begin;
	int error;

	if (pipe2(capacity.note, O_CLOEXEC) != 0) {
		*why_r = base_why("pipe: %s", strerror(errno));
		return BASE_BROKEN;
	}
	(void)fcntl(capacity.note[1], F_SETFL, O_NONBLOCK);
	signals_take();
	(void)sem_init(&begin, 0, 0);
	error = pthread_create(&thread, NULL, serve, &begin);
	if (error != 0) {
		*why_r = base_why("no thread: %s", strerror(error));
		return BASE_BROKEN;
	}
	(void)pthread_detach(thread);
	(void)sem_post(&begin);
	result = wait_for_end(reload, context, why_r);
	session_signals_block();
	rooms_withdraw();
	return result;
}
