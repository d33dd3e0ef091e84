/*
 * NAME
 *	oops-milter - stops mail that its sender may not have meant to send
 *
 * SYNOPSIS
 *	oops-milter -c FILE [-f] [-t]
 *	oops-milter --help | --version
 *
 * WHAT IT DOES
 *	Serves the milter socket of Postfix or Sendmail, and carries out what becomes of
 *	held mail. -f stays in the foreground, -t checks the settings and ends. SIGUSR1 reads
 *	the settings and all that they name again; if anything is wrong, the old stay in force.
 *	Started as root it becomes the user of the settings before it opens anything; with -t, too.
 *
 * DIAGNOSTICS
 *	Exits with 0 after an orderly stop, 64 for wrong arguments, 69 when the store or the
 *	socket cannot be opened, 71 when it may have too few files open or cannot go to the
 *	background, 77 when root's rights cannot be given up, 78 for wrong settings
 *	(each fault as "file:line: text"), a user among them that there is not.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "milter/audit/audit.h"
#include "milter/base/background.h"
#include "milter/base/buffer.h"
#include "milter/base/clock.h"
#include "milter/base/file.h"
#include "milter/base/log.h"
#include "milter/base/options.h"
#include "milter/base/random.h"
#include "milter/base/result.h"
#include "milter/base/run.h"
#include "milter/base/user.h"
#include "milter/hold/hold.h"
#include "milter/identity/identity.h"
#include "milter/history/history.h"
#include "milter/notice/adopt.h"
#include "milter/notice/notice.h"
#include "milter/queue/queue.h"
#include "milter/session/session.h"
#include "milter/config/reload.h"
#include "milter/config/role.h"
#include "milter/config/config.h"
#include "milter/store/store.h"

#define PROGRAM "oops-milter"
#define QUEUE_TIMEOUT_MS 30000
#define ADOPT_REST_MS 1000 /* until oops-queued is asked again */
#define LEARN_WAIT_MS 1000 /* for what was sent to be learned */
/* 200 of the MTA's processes at a time, and what is open besides: databases, letters, lists */
#define FILES_NEEDED 256
#define KEEP_SECONDS (30 * 86400) /* how long a settled hold can still be looked at */

/* Everything that is open while the program runs, in the order of opening. */
struct program {
	char *file; /* of the settings; absolute, for the background is elsewhere */
	struct session_services services;
	struct base_run *run;
	struct base_run *learning; /* how it goes; NULL: nobody is told */
	struct queue_client *queue;
	struct hold_scheduler *scheduler;
	struct notice_mailer *mailer;
	/* what is on hold is taken into a database that was begun anew */
	bool must_adopt, has_adopter;
	pthread_t adopter;
	atomic_bool is_ending;
};

/* Says on the terminal why the program does not start. */
static void
complain(const char *what, const char *why)
{
	fprintf(stderr, PROGRAM ": %s: %s\n", what, why);
}

/* The first generation; every fault goes to the terminal. */
static bool
program_read(struct program *program)
{
	const struct config *config = NULL;
	struct base_buffer faults;

	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	if (config_load(program->file, &config, &faults) == BASE_OK)
		program->services.sites = config_current_new(&config);
	fputs(base_buffer_text(&faults), stderr);
	base_buffer_free(&faults);
	config_release(&config);
	return program->services.sites != NULL;
}

/* The history goes by the settings in force. */
static void
program_calibrate(struct program *program)
{
	const struct config *config = config_acquire(program->services.sites);
	struct history_calibration calibration = judge_calibration(config->settings);

	history_calibrate(program->services.history, &calibration);
	config_release(&config);
}

/* Takes new settings if they are good, and tells the log and the audit. */
static void
program_reload(void *context)
{
	struct program *program = context;
	const struct config *next = NULL;
	struct base_buffer faults;
	enum base_result result;

	base_buffer_init(&faults, CONFIG_MAX_FAULTS);
	result = config_load(program->file, &next, &faults);
	if (result == BASE_OK)
		result = config_replace(program->services.sites, &next, &faults);
	if (result == BASE_OK)
		program_calibrate(program);
	config_release(&next);
	config_reload_report(
	    program->run, PROGRAM, program->file, result == BASE_OK, base_buffer_text(&faults));
	base_buffer_free(&faults);
}

/* Makes the file that tells `oopsctl check` how learning goes, while there is room for it. */
static void
learning_open(struct program *program, const struct settings *settings)
{
	char directory[4096];
	const char *why = "";

	snprintf(
	    directory, sizeof(directory), "%s%s", settings->state_directory, CONFIG_RUN_MILTER);
	if (base_run_open(directory, CONFIG_RUN_LEARNING, NULL, &program->learning, &why) !=
	    BASE_OK)
		base_log(BASE_LOG_WARNING, "oopsctl check will not know whether we learn: %s", why);
}

/* Tells it. */
static void
learning_note(struct program *program, const struct history_outage *outage)
{
	struct base_buffer text;
	const char *why = "";
	time_t began = (time_t)outage->since;
	struct tm parts;
	char since[40];

	localtime_r(&began, &parts);
	strftime(since, sizeof(since), "%F %T %z", &parts);
	base_buffer_init(&text, 1024);
	if (outage->is_away)
		base_buffer_printf(&text, "%s: %zu mails wait to be learned: %s\n", since,
		    outage->waiting, outage->why);
	if (program->learning != NULL && base_run_answer(program->learning, !outage->is_away,
					     base_buffer_text(&text), &why) != BASE_OK)
		base_log(BASE_LOG_WARNING, "%s", why);
	base_buffer_free(&text);
}

/* Called by the memory's writer: when trouble begins, when it is over, and when mail was lost to
 * it, once a minute at most. */
static void
learning_failure(void *context, const struct history_outage *outage)
{
	char lost[80] = "", what[400];

	if (outage->dropped > 0)
		snprintf(
		    lost, sizeof(lost), "; %" PRIu64 " mails were not learned", outage->dropped);
	if (outage->is_away)
		snprintf(what, sizeof(what),
		    "what is learned waits: memory.db cannot be used: %s%s", outage->why, lost);
	else if (outage->since != 0)
		snprintf(what, sizeof(what), "learning goes on, it had waited since %" PRId64 "%s",
		    outage->since, lost);
	else
		snprintf(what, sizeof(what), "%s: %s", *lost != '\0' ? lost + 2 : "learning",
		    outage->why);
	audit_event(
	    AUDIT_ERROR, NULL, { "where", "memory" }, { "what", what }, { "answer", "accept" });
	learning_note(context, outage);
}

/* Called by the scheduler after a held send has left. */
static void
sent(void *context, const void *observation, size_t length)
{
	struct program *program = context;
	const char *why = "";

	/* one that finds the queue full is counted and told with the others */
	(void)history_observe(program->services.history, observation, length, &why);
}

/*
 * The holds forget these observations when we return: they should be in the history by then. While
 * it is in trouble, which is told as such, they wait in its queue instead of the scheduler here.
 */
static void
all_sent(void *context)
{
	struct program *program = context;
	const char *why = "";

	(void)history_flush_within(program->services.history, LEARN_WAIT_MS, &why);
}

/*
 * A damaged database goes out of the way, and is never deleted: nothing could be held until
 * somebody came to look. True: it is gone, and one can be begun anew.
 */
static bool
damaged_set_aside(const struct settings *settings, enum store_kind kind)
{
	const struct store_options options = { .driver = settings->store.driver,
		.directory = settings->state_directory };
	const char *name = "", *why = "";
	char what[400], answer[4200];

	if (!store_is_damaged(&options, kind, &why))
		return false;
	snprintf(what, sizeof(what), "%s is damaged: %s",
	    kind == STORE_HOLDS ? STORE_HOLDS_PATH : STORE_MEMORY_PATH, why);
	if (store_set_aside(&options, kind, &name, &why) != BASE_OK) {
		base_log(BASE_LOG_ERROR, "%s; %s", what, why);
		return false;
	}
	snprintf(answer, sizeof(answer), "set aside as %s", name);
	base_log(BASE_LOG_ERROR, "%s; %s, and begun anew", what, answer);
	audit_event(
	    AUDIT_ERROR, NULL, { "where", "store" }, { "what", what }, { "answer", answer });
	return true;
}

/* One file that was adopted, or left alone. */
static void
adopt_report(void *context, const char *line)
{
	(void)context;
	base_log(BASE_LOG_WARNING, "%s", line);
}

/* Adopts what is on hold, as soon as oops-queued answers. */
static enum base_result
adopt_all(struct program *program, struct queue_client *queue, struct notice_adopted *done_r,
    const char **why_r)
{
	const struct config *config = config_acquire(program->services.sites);
	const struct notice_adoption by = { .settings = config->settings,
		.hold = program->services.hold,
		.queue = queue,
		.key = config->key,
		.report = adopt_report };
	enum base_result result = notice_adopt(&by, done_r, why_r);

	config_release(&config);
	return result;
}

/* A thread: until every file was looked at. */
static void *
adopter_main(void *context)
{
	struct program *program = context;
	const struct config *config = config_acquire(program->services.sites);
	struct queue_client *queue =
	    queue_client_new(config->settings->mta.queue_socket, QUEUE_TIMEOUT_MS);
	struct notice_adopted done = { 0 };
	enum base_result result = queue != NULL ? BASE_RETRY : BASE_BROKEN;
	const char *why = "no memory";
	char what[400];

	config_release(&config);
	while (result == BASE_RETRY && !atomic_load(&program->is_ending)) {
		result = adopt_all(program, queue, &done, &why);
		if (result == BASE_RETRY)
			base_sleep_ms(ADOPT_REST_MS);
	}
	queue_client_free(&queue);
	if (result == BASE_OK && done.adopted + done.left == 0)
		return NULL; /* as on the first day of a site */
	snprintf(what, sizeof(what), "mail on hold: %u adopted, %u left alone%s%s", done.adopted,
	    done.left, result != BASE_OK ? ": " : "", result != BASE_OK ? why : "");
	audit_event(AUDIT_ERROR, NULL, { "where", "store" }, { "what", what },
	    { "answer", STORE_HOLDS_PATH " was begun anew" });
	return NULL;
}

/*
 * Held mail; a damaged database of it is begun anew. Whatever made it begin, what is on hold is
 * adopted later: nobody else looks for it.
 */
static enum base_result
holds_open(struct program *program, const struct settings *settings,
    const struct hold_options *options, const char **why_r)
{
	(void)damaged_set_aside(settings, STORE_HOLDS);
	return hold_open(options, &program->services.hold, why_r);
}

/* The history; it can be large, so it is read only when it cannot be opened. */
static enum base_result
program_history_open(struct program *program, const struct settings *settings,
    const struct history_options *options, const char **why_r)
{
	enum base_result result = history_open(options, &program->services.history, why_r);

	if (result == BASE_BROKEN && damaged_set_aside(settings, STORE_MEMORY))
		result = history_open(options, &program->services.history, why_r);
	return result;
}

/* Opens the two databases. */
static bool
program_open(struct program *program, const struct settings *settings)
{
	const struct history_options history = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.create = true,
		.outage = learning_failure,
		.context = program };
	const struct hold_options hold = { .driver = settings->store.driver,
		.directory = settings->state_directory,
		.node = settings->node,
		.create = true,
		.is_new_r = &program->must_adopt };
	const char *why = "";

	if (holds_open(program, settings, &hold, &why) != BASE_OK)
		complain("held mail", why);
	else if (program_history_open(program, settings, &history, &why) != BASE_OK)
		complain("history", why);
	else {
		program_calibrate(program);
		return true;
	}
	return false;
}

/* Starts the scheduler and the mailer, then makes the milter socket. */
static bool
program_start(struct program *program, const struct settings *settings)
{
	struct session_services *services = &program->services;
	struct hold_scheduler_options scheduler = {
		.sent = sent, .all_sent = all_sent, .context = program, .keep_seconds = KEEP_SECONDS
	};
	const char *why = "no memory";

	program->queue = queue_client_new(settings->mta.queue_socket, QUEUE_TIMEOUT_MS);
	scheduler.queue = program->queue;
	if (program->queue == NULL)
		complain("queue", why);
	else if (session_open(services, &why) != BASE_OK)
		complain("milter.socket", why);
	else if (hold_scheduler_start(services->hold, &scheduler, &program->scheduler, &why) !=
		 BASE_OK)
		complain("keeper", why);
	else if (notice_mailer_start(services->hold, services->sites, &program->mailer, &why) !=
		 BASE_OK)
		complain("postman", why);
	else {
		program->has_adopter = program->must_adopt && pthread_create(&program->adopter,
								  NULL, adopter_main, program) == 0;
		return true;
	}
	return false;
}

/* Closes what is open, in reverse. */
static void
program_close(struct program *program)
{
	atomic_store(&program->is_ending, true);
	if (program->has_adopter)
		pthread_join(program->adopter, NULL);
	notice_mailer_stop(&program->mailer);
	hold_scheduler_stop(&program->scheduler);
	queue_client_free(&program->queue);
	base_run_close(&program->run);
	history_close(&program->services.history);
	base_run_close(&program->learning);
	hold_close(&program->services.hold);
	config_current_free(&program->services.sites);
	free(program->file);
}

/* Everything is open: lets go of the terminal, if there is one to leave. */
static void
announce(const struct settings *settings, int ready)
{
	const char *why = "";

	if (ready >= 0 && base_background_ready(ready, &why) != BASE_OK)
		base_log(BASE_LOG_WARNING, "%s", why);
	base_log(BASE_LOG_INFO, "listening on %s", settings->milter.socket);
}

/* Opens everything by the first generation. */
static bool
program_begin(struct program *program, int ready)
{
	const struct config *config = config_acquire(program->services.sites);
	bool is_open;

	learning_open(program, config->settings); /* before there is anything to tell */
	is_open =
	    program_open(program, config->settings) && program_start(program, config->settings);
	if (is_open) {
		program->run = config_run_open(
		    config->settings->state_directory, CONFIG_RUN_MILTER, PROGRAM, program->file);
		announce(config->settings, ready);
	}
	config_release(&config);
	return is_open;
}

/* Opens everything, serves, and returns the exit code. */
static int
run(struct program *program, bool is_foreground)
{
	const char *why = "";
	int code = EX_OK, ready = -1;

	if (!is_foreground && base_background_enter(&ready, &why) != BASE_OK) {
		complain("start", why);
		return EX_OSERR;
	}
	session_signals_block();
	base_log_open(PROGRAM, is_foreground);
	if (base_files_allow(FILES_NEEDED, &why) != BASE_OK) {
		complain("open files", why);
		return EX_OSERR;
	}
	if (!program_begin(program, ready))
		return EX_UNAVAILABLE;
	if (session_run(program_reload, program, &why) != BASE_OK) {
		base_log(BASE_LOG_ERROR, "%s", why);
		code = EX_OSERR;
	}
	base_log(BASE_LOG_INFO, "stopping");
	return code;
}

/* One value of those that oops-queued is told; it has to be one line. */
static bool
queue_value_report(const char *value)
{
	return value[strcspn(value, "\n")] == '\0' && printf("%s\n", value) > 0;
}

/*
 * What oops-queued needs of the settings on standard input, for it: as root it never reads them
 * itself. Nobody's rights are enough here.
 */
static int
queue_settings_report(const char *name)
{
	struct settings *settings = settings_input_or_report(STDIN_FILENO, name);
	char uid[16] = "-";
	bool is_reported;
	unsigned number;

	if (settings == NULL)
		return EX_CONFIG;
	if (base_user_number(settings->mta.queue_user, &number) == BASE_OK)
		snprintf(uid, sizeof(uid), "%u", number);
	/* in the order of enum queue_value */
	is_reported = queue_value_report(settings->mta.kind) &&
		      queue_value_report(settings->mta.config_directory) &&
		      queue_value_report(settings->mta.command_directory) &&
		      queue_value_report(settings->mta.sendmail_program) &&
		      queue_value_report(settings->mta.sendmail_config) &&
		      queue_value_report(settings->mta.queue_socket) &&
		      queue_value_report(settings->mta.queue_user) && queue_value_report(uid) &&
		      fflush(stdout) == 0;
	settings_free(&settings);
	return is_reported ? EX_OK : EX_IOERR;
}

int
main(int argc, char **argv)
{
	struct program program = { 0 };
	struct base_options options;
	enum base_result read;
	const char *why = "";
	int code = EX_CONFIG;

	if (argc == 2 && strcmp(argv[1], IDENTITY_SPF_OPTION) == 0)
		return identity_spf_serve();
	if (argc == 3 && strcmp(argv[1], QUEUE_SETTINGS_OPTION) == 0)
		return queue_settings_report(argv[2]);
	read = base_options_read(PROGRAM, argc, argv, &options);
	if (read != BASE_OK)
		return base_options_code(read);
	/* Each thread would otherwise get a heap of its own that keeps what it once needed. */
	mallopt(M_ARENA_MAX, 2);
	signal(SIGPIPE, SIG_IGN);
	if (base_crypto_start(&why) != BASE_OK) {
		complain("libsodium", why);
		return EX_SOFTWARE;
	}
	program.file = base_path_absolute(options.file);
	if (program.file != NULL &&
	    config_role_enter(PROGRAM, program.file, config_role_milter, &code) &&
	    program_read(&program))
		code = options.is_test ? EX_OK : run(&program, options.is_foreground);
	program_close(&program);
	return code;
}
