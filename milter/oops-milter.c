/*
 * NAME
 *	oops-milter - stops mail that its sender may not have meant to send
 *
 * SYNOPSIS
 *	oops-milter -c FILE [-f] [-t]
 *
 * WHAT IT DOES
 *	Serves the milter socket of Postfix or Sendmail, and carries out what becomes of
 *	held mail. -f stays in the foreground, -t checks the settings and ends.
 *
 * DIAGNOSTICS
 *	Exits with 0 after an orderly stop, 64 for wrong arguments, 69 when the store or the
 *	socket cannot be opened, 78 for wrong settings (each fault as "file:line: text").
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "milter/audience/audience.h"
#include "milter/base/base.h"
#include "milter/hold/hold.h"
#include "milter/judge/judge.h"
#include "milter/memory/memory.h"
#include "milter/notice/notice.h"
#include "milter/queue/queue.h"
#include "milter/session/session.h"
#include "milter/settings/settings.h"

#define PROGRAM "oops-milter"
#define SCORECARD_MAX (1u << 20)
#define QUEUE_TIMEOUT_MS 30000
#define KEEP_SECONDS (30 * 86400) /* how long a settled hold can still be looked at */

struct options {
	const char *file;
	bool foreground;
	bool test;
};

/* Everything that is open while the program runs, in the order of opening. */
struct program {
	struct settings *settings;
	struct base_key *key;
	struct judge_scorecard *scorecard;
	struct audience_directory *audience;
	struct memory *memory;
	struct hold *hold;
	struct queue_client *queue;
	struct hold_keeper *keeper;
	struct notice_postman *postman;
};

/* Reads the arguments; false: they are wrong. */
static bool
options_read(int argc, char **argv, struct options *options_r)
{
	int option;

	*options_r = (struct options){ 0 };
	while ((option = getopt(argc, argv, "c:ft")) != -1) {
		if (option == 'c')
			options_r->file = optarg;
		else if (option == 'f')
			options_r->foreground = true;
		else if (option == 't')
			options_r->test = true;
		else
			return false;
	}
	return optind == argc && options_r->file != NULL;
}

/* Says on the terminal why the program does not start. */
static void
complain(const char *what, const char *why)
{
	fprintf(stderr, PROGRAM ": %s: %s\n", what, why);
}

/* Loads the settings; every fault goes to the terminal. */
static bool
settings_read(const char *file, struct settings **settings_r)
{
	struct settings_errors errors = { 0 };
	enum base_result result = settings_load(file, settings_r, &errors);
	size_t i;

	for (i = 0; i < errors.count; i++)
		fprintf(stderr, "%s:%d: %s\n", errors.items[i].file, errors.items[i].line,
		    errors.items[i].text);
	settings_errors_free(&errors);
	return result == BASE_OK;
}

/* The scorecard that the settings name, or the one compiled in. */
static enum base_result
scorecard_read(const struct settings *settings, struct judge_scorecard **scorecard_r,
    const char **why_r)
{
	const char *path = settings->judge.scorecard;
	struct base_arena *arena;
	enum base_result result;
	size_t length;
	char *text;

	if (path == NULL)
		return judge_scorecard_default(scorecard_r, why_r);
	arena = base_arena_new(SCORECARD_MAX + 4096);
	if (arena == NULL) {
		*why_r = "no memory";
		return BASE_BROKEN;
	}
	result = base_file_read(arena, path, SCORECARD_MAX, &text, &length, why_r);
	if (result == BASE_OK)
		result = judge_scorecard_parse(text, length, path, scorecard_r, why_r);
	base_arena_free(&arena);
	return result;
}

/* What the settings name beside themselves: key, scorecard, lists. */
static bool
program_read(struct program *program)
{
	const char *why = "";

	if (base_key_load(program->settings->key_file, &program->key, &why) != BASE_OK)
		complain("key_file", why);
	else if (scorecard_read(program->settings, &program->scorecard, &why) != BASE_OK)
		complain("judge.scorecard", why);
	else if (audience_directory_new(program->settings, &program->audience, &why) !=
		 BASE_OK)
		complain("lists", why);
	else
		return true;
	return false;
}

/* Called by the keeper after a held send has left. */
static void
sent(void *context, const void *lesson, size_t length)
{
	const char *why = "";

	/* the hold forgets the lesson when we return: it must be in the history by then */
	if (memory_learn(context, lesson, length, &why) != BASE_OK ||
	    memory_flush(context, &why) != BASE_OK)
		base_log(BASE_LOG_WARNING, "a sent mail was not learned: %s", why);
}

/* Opens the two databases. */
static bool
program_open(struct program *program)
{
	const struct settings *settings = program->settings;
	const struct memory_options memory = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.create = true };
	const struct hold_options hold = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.node = settings->node,
		.create = true };
	const char *why = "";

	if (hold_open(&hold, &program->hold, &why) != BASE_OK)
		complain("held mail", why);
	else if (memory_open(&memory, program->key, &program->memory, &why) != BASE_OK)
		complain("history", why);
	else
		return true;
	return false;
}

/* Starts the keeper and the postman, then makes the milter socket. */
static bool
program_start(struct program *program, struct session_site *site_r)
{
	struct hold_keeper_options keeper = {
		.sent = sent, .context = program->memory, .keep_seconds = KEEP_SECONDS
	};
	const char *why = "no memory";

	*site_r = (struct session_site){ .settings = program->settings,
		.key = program->key,
		.scorecard = program->scorecard,
		.audience = program->audience,
		.memory = program->memory,
		.hold = program->hold };
	program->queue =
	    queue_client_new(program->settings->mta.queue_socket, QUEUE_TIMEOUT_MS);
	keeper.queue = program->queue;
	if (program->queue == NULL)
		complain("queue", why);
	else if (session_open(site_r, &why) != BASE_OK)
		complain("milter.socket", why);
	else if (hold_keeper_start(program->hold, &keeper, &program->keeper, &why) !=
		 BASE_OK)
		complain("keeper", why);
	else if (notice_postman_start(program->hold, program->settings, program->key,
		     &program->postman, &why) != BASE_OK)
		complain("postman", why);
	else
		return true;
	return false;
}

/* Closes what is open, in reverse. */
static void
program_close(struct program *program)
{
	notice_postman_stop(&program->postman);
	hold_keeper_stop(&program->keeper);
	queue_client_free(&program->queue);
	memory_close(&program->memory);
	hold_close(&program->hold);
	audience_directory_free(&program->audience);
	judge_scorecard_free(&program->scorecard);
	base_key_free(&program->key);
	settings_free(&program->settings);
}

/*
 * Goes to the background: the parent waits on the terminal until the child has everything
 * open or has said why not. Returns, in the child, where to tell it; -1 if that cannot be
 * done.
 */
static int
background_enter(void)
{
	int ends[2], status = 0;
	char byte;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (child == 0) {
		close(ends[0]);
		setsid();
		return ends[1];
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) == 1)
		_exit(EX_OK);
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE);
}

/* Everything is open: lets go of the terminal and of the waiting parent. */
static void
background_ready(int ready)
{
	int null;

	if (ready < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	if (chdir("/") != 0 || write(ready, "+", 1) != 1)
		base_log(BASE_LOG_WARNING, "background: %s", strerror(errno));
	close(ready);
}

/* Opens everything, serves, and returns the exit code. */
static int
run(struct program *program, int ready)
{
	struct session_site site;
	const char *why = "";
	int code = EX_OK;

	if (!program_open(program) || !program_start(program, &site))
		return EX_UNAVAILABLE;
	background_ready(ready);
	base_log(BASE_LOG_INFO, "listening on %s", program->settings->milter.socket);
	if (session_run(&why) != BASE_OK) {
		base_log(BASE_LOG_ERROR, "%s", why);
		code = EX_OSERR;
	}
	base_log(BASE_LOG_INFO, "stopping");
	return code;
}

int
main(int argc, char **argv)
{
	struct program program = { 0 };
	struct options options;
	const char *why = "";
	int code = EX_CONFIG, ready = -1;

	if (!options_read(argc, argv, &options)) {
		fprintf(stderr, "usage: " PROGRAM " -c FILE [-f] [-t]\n");
		return EX_USAGE;
	}
	/* Each thread would otherwise get a heap of its own that keeps what it once needed. */
	mallopt(M_ARENA_MAX, 2);
	signal(SIGPIPE, SIG_IGN);
	if (base_crypto_start(&why) != BASE_OK) {
		complain("libsodium", why);
		return EX_SOFTWARE;
	}
	if (settings_read(options.file, &program.settings) && program_read(&program))
		code = EX_OK;
	if (code == EX_OK && !options.test) {
		if (!options.foreground)
			ready = background_enter();
		session_signals_block();
		base_log_open(PROGRAM, options.foreground);
		code = run(&program, ready);
	}
	program_close(&program);
	return code;
}
