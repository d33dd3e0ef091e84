/* spf_process - checks in a process that may die: both ends of it; see internal.h */
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/identity/internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "milter/mail/mail.h"

#define LATE_MS 500  /* how much later than asked for an answer may come */
#define MAX_FILES 32 /* that the process may have open */
#define FIRST_FD 3   /* it gets its end of the socket as standard input */

/* A question and an answer, as they pass between two runs of the same program. */
struct request {
	struct sockaddr_storage client;
	int64_t patience_ms;
	char helo[MAIL_MAX_DOMAIN + 1];
	char sender[MAIL_MAX_DOMAIN + 1];
};

struct answer {
	int32_t result;
	int32_t is_particular;
};

/* --- the process that asks ------------------------------------------------------------ */

/* Starts this very program again as the other end. The caller closes both ends when it fails. */
static int
spawn(int fd, pid_t *pid_r)
{
	static char program[] = "/proc/self/exe", option[] = IDENTITY_SPF_OPTION;
	char *arguments[] = { program, option, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	error = posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
	if (error == 0)
		error = posix_spawn(pid_r, program, &files, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return error;
}

/* Starts it if it does not run. */
static bool
start(struct identity_helper *helper)
{
	int ends[2], error;

	if (helper->pid > 0)
		return true;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		snprintf(helper->what, sizeof(helper->what), "no socket for a check: %s",
		    strerror(errno));
		return false;
	}
	error = spawn(ends[1], &helper->pid);
	close(ends[1]);
	if (error == 0) {
		helper->fd = ends[0];
		return true;
	}
	close(ends[0]);
	helper->pid = 0;
	snprintf(helper->what, sizeof(helper->what), "no process for a check: %s", strerror(error));
	return false;
}

/* Ends it, and keeps in words how it ended. */
void
identity_helper_end(struct identity_helper *helper)
{
	int status = 0;

	if (helper->pid <= 0)
		return;
	close(helper->fd);
	/* one that has ended already stays as it ended */
	(void)kill(helper->pid, SIGKILL);
	while (waitpid(helper->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		snprintf(helper->what, sizeof(helper->what),
		    "the process of a check was ended by signal %d", WTERMSIG(status));
	else
		snprintf(helper->what, sizeof(helper->what), "the process of a check ended with %d",
		    WEXITSTATUS(status));
	helper->pid = 0;
}

/* Waits for bytes, or the end of them; false: not in time. */
static bool
wait_until(int fd, int64_t end)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	int64_t left;

	while ((left = end - base_tick_ms()) > 0) {
		int ready = poll(&poller, 1, left > 1000 ? 1000 : (int)left);

		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return true;
	}
	return false;
}

/* Waits until a process that hung up is gone, so that its own reason is what is told. */
static void
wait_gone(const struct identity_helper *helper)
{
	siginfo_t about;

	for (int i = 0; i < 100; i++) {
		about.si_pid = 0;
		if (waitid(P_PID, (id_t)helper->pid, &about, WEXITED | WNOWAIT | WNOHANG) != 0 ||
		    about.si_pid != 0)
			return;
		base_sleep_ms(10);
	}
}

enum base_result
identity_helper_ask(struct identity_helper *helper, const struct identity_spf_question *question,
    int64_t deadline, struct identity_spf_finding *finding_r)
{
	struct request request = { .client = *question->client,
		.patience_ms = deadline - base_tick_ms() };
	struct answer answer = { .result = -1 };

	snprintf(request.helo, sizeof(request.helo), "%s", question->helo);
	snprintf(request.sender, sizeof(request.sender), "%s", question->sender);
	if (!start(helper))
		return BASE_BROKEN;
	if (send(helper->fd, &request, sizeof(request), MSG_NOSIGNAL) == (ssize_t)sizeof(request)) {
		if (!wait_until(helper->fd, deadline + LATE_MS)) {
			identity_helper_end(helper); /* the DNS holds it up */
			return BASE_RETRY;
		}
		if (recv(helper->fd, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
			answer.result = -1;
	}
	if (answer.result < IDENTITY_SPF_NONE || answer.result > IDENTITY_SPF_PERMERROR) {
		wait_gone(helper);
		identity_helper_end(helper);
		return BASE_BROKEN;
	}
	finding_r->result = (enum identity_spf_result)answer.result;
	finding_r->is_particular = answer.is_particular != 0;
	return BASE_OK;
}

/* --- the process that checks ---------------------------------------------------------- */

/* Gives up all that a check does not need. */
static void
shed(void)
{
	const struct rlimit none = { 0, 0 }, files = { MAX_FILES, MAX_FILES };

	closefrom(FIRST_FD);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)setrlimit(RLIMIT_NPROC, &none);
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* One check. */
static struct answer
answer_make(struct request *request)
{
	const struct identity_spf_question question = {
		.client = &request->client, .helo = request->helo, .sender = request->sender
	};
	struct identity_spf_finding finding;

	request->helo[sizeof(request->helo) - 1] = '\0';
	request->sender[sizeof(request->sender) - 1] = '\0';
	finding = identity_spf_check(
	    &question, identity_dns_system, NULL, base_tick_ms() + request->patience_ms);
	return (struct answer){ (int32_t)finding.result, finding.is_particular };
}

int
identity_spf_serve(void)
{
	struct request request;
	struct answer answer;

	shed();
	while (recv(STDIN_FILENO, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
		answer = answer_make(&request);
		if (send(STDIN_FILENO, &answer, sizeof(answer), MSG_NOSIGNAL) !=
		    (ssize_t)sizeof(answer))
			break;
	}
	/* nobody asks any more: there is nothing to bring in order */
	_exit(0);
}
