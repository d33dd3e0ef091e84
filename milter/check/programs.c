/* check/programs - the three programs: do they answer, and what runs there? see internal.h */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/clock.h"
#include "milter/base/result.h"
#include "milter/base/run.h"
#include "milter/base/user.h"
#include "milter/check/internal.h"
#include "milter/check/probe.h"
#include "milter/queue/queue.h"
#include "milter/config/reload.h"
#include "milter/config/role.h"
#include "milter/store/store.h"

/* --- do they answer? --------------------------------------------------------------- */

/* It did not tell what is on hold: is it not there, or busy? */
static void
report_queued(struct check *check, enum base_result result, const char *why)
{
	if (result == BASE_REFUSE && geteuid() != 0) /* root may ask */
		check_fault(
		    check, "run oopsctl as root, or mta.queue_user", "oops-queued: %s", why);
	else if (check->queued.pid > 0)
		check_fault(check,
		    "look at its log, and whether the tools of the mail server answer; run "
		    "oopsctl check again",
		    "oops-queued: runs (process %d), but does not tell what is on hold: %s",
		    check->queued.pid, why);
	else
		check_fault(check, "start oops-queued", "oops-queued: %s", why);
}

/* Does oops-queued answer, and us? */
static void
answer_queued(struct check *check)
{
	const char *path = check->settings->mta.queue_socket, *why = "no memory", *no_pid;
	struct queue_client *client = queue_client_new(path, CHECK_QUEUE_MS);
	enum base_result result = BASE_BROKEN;

	(void)probe_owner(path, &check->queued.pid, &no_pid);
	if (client != NULL)
		result = queue_scan(client, check->arena, &check->files, &check->file_count, &why);
	queue_client_free(&client);
	check->has_files = result == BASE_OK;
	if (check->has_files)
		check_ok(check, "oops-queued: answers at %s, %zu %s on hold for us", path,
		    check->file_count,
		    check->file_count == 1 ? "queue file is" : "queue files are");
	else
		report_queued(check, result, why);
}

/* Does the milter answer where the settings say? */
static void
answer_milter(struct check *check)
{
	struct endpoint ours;
	const char *name = NULL, *why = "";

	if (!endpoint_read(check->arena, check->settings->milter.socket, &ours) ||
	    (name = endpoint_text(check->arena, &ours)) == NULL)
		return;
	check->milter_answers = probe_milter(&ours, name, &why) == BASE_OK;
	if (check->milter_answers)
		check_ok(check, "oops-milter: answers at %s", name);
	else
		check_fault(check, "start oops-milter, or milter.socket", "oops-milter: %s", why);
	if (ours.path != NULL && check->milter_answers)
		(void)probe_owner(ours.path, &check->milter.pid, &why);
}

/* Can the milter write what it learns? It alone knows since when not. */
static void
check_learning(struct check *check)
{
	const char *directory = base_arena_printf(
	    check->arena, "%s%s", check->settings->state_directory, CONFIG_RUN_MILTER);
	struct base_run_view *view = base_arena_alloc(check->arena, sizeof(*view));
	const char *why = "";

	if (directory == NULL || view == NULL ||
	    base_run_look(directory, CONFIG_RUN_LEARNING, view, &why) != BASE_OK)
		return; /* it does not run, which is told with its socket */
	if (strcmp(view->answer, "refused") != 0) {
		check_ok(check, "learning: what passes is learned");
		return;
	}
	check_fault(check,
	    "room on its disk, its owner, or who has it locked; if it is damaged, a copy in its "
	    "place",
	    "learning: " STORE_MEMORY_PATH " cannot be used since %.*s",
	    (int)strcspn(view->text, "\n"), view->text);
}

void
check_answers(struct check *check)
{
	answer_queued(check);
	answer_milter(check);
	check_learning(check);
}

/* --- what runs there? --------------------------------------------------------------- */

/* A user for people. */
static const char *
user_text(struct check *check, unsigned uid)
{
	const struct passwd *user = getpwuid(uid);
	const char *text = user != NULL
			       ? base_arena_printf(check->arena, "%s (%u)", user->pw_name, uid)
			       : base_arena_printf(check->arena, "%u", uid);

	return text != NULL ? text : "";
}

/* Does it run as the user of the settings? */
static void
check_user(struct check *check, const char *name, const struct check_program *program,
    const struct base_role *role)
{
	unsigned uid = program->process.user.uid, wanted;

	if (uid == 0)
		check_fault(check,
		    base_arena_printf(check->arena,
			"restart it; root's rights go once %s names a user", role->user_setting),
		    "%s: runs as root (process %d)", name, program->pid);
	else if (base_user_number(role->user, &wanted) == BASE_OK && wanted != uid)
		check_warn(check,
		    base_arena_printf(check->arena,
			"%s = \"NAME\" in the settings, or who "
			"starts it",
			role->user_setting),
		    "%s: runs as user %s, and %s = \"%s\"", name, user_text(check, uid),
		    role->user_setting, role->user);
}

/* What is true of each of the three; `role` NULL: it has to be root. */
static void
check_process(struct check *check, const char *name, const struct check_program *program,
    const struct base_role *role)
{
	const struct process *process = &program->process;

	if (role != NULL)
		check_user(check, name, program, role);
	if (process->is_replaced)
		check_warn(check, base_arena_printf(check->arena, "restart %s", name),
		    "%s: %s was replaced after it was started: an older one runs", name,
		    process->program);
	check_ok(check, "%s: process %d, %s, as user %s", name, program->pid,
	    process->program[0] != '\0' ? process->program : "its program is not told",
	    user_text(check, process->user.uid));
}

/* Two paths of one file? */
static bool
is_same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* It runs by other settings than those that are looked at. */
static void
report_other(struct check *check, const char *name, const char *settings)
{
	check_fault(check,
	    base_arena_printf(check->arena, "oopsctl -c %s check, or restart %s with -c %s",
		settings, name, check->settings->path),
	    "%s: runs by %s, not by %s", name, settings, check->settings->path);
}

/* oops-milter or oops-web, by the file that tells what became of its settings. */
static void
check_daemon(struct check *check, const char *name, const char *below,
    struct check_program *program, const struct base_role *role, bool answers)
{
	const char *directory =
	    base_arena_printf(check->arena, "%s%s", check->settings->state_directory, below);
	struct base_run_view *view = base_arena_alloc(check->arena, sizeof(*view));
	enum base_result result = BASE_BROKEN;
	const char *why = "";

	if (directory == NULL || view == NULL)
		return;
	for (int i = 0;
	     i < 50 && (result = base_run_look(directory, name, view, &why)) == BASE_RETRY; i++)
		base_sleep_ms(20);
	if (result == BASE_OK)
		program->pid = view->pid;
	program->is_found =
	    program->pid > 0 && process_read(program->pid, &program->process, &why) == BASE_OK;
	if (program->is_found)
		check_process(check, name, program, role);
	if (result == BASE_OK && !config_run_is_by(view, check->settings->path))
		report_other(check, name, view->settings);
	else if (result == BASE_NONE && answers)
		check_warn(check,
		    base_arena_printf(check->arena,
			"restart it; before, if %s/%s.run is "
			"there, give it to the user of %s",
			directory, name, name),
		    "%s: oopsctl reload does not find it: it has not locked %s/%s.run", name,
		    directory, name);
}

/* Is the user that oops-queued serves the one that oops-milter runs as, or would? */
static void
check_queue_user(struct check *check, const struct base_role *milter)
{
	const char *served = check->settings->mta.queue_user;
	unsigned uid, wanted = check->milter.process.user.uid;

	if (base_user_number(served, &uid) != BASE_OK)
		check_fault(check,
		    "mta: { queue_user = \"NAME\"; } in the settings, a user that exists",
		    "oops-queued: there is no user %s to serve", served);
	else if (!check->milter.is_found && base_user_number(milter->user, &wanted) != BASE_OK)
		return; /* told with its files */
	else if (uid != wanted && wanted != 0)
		check_fault(check,
		    "mta: { queue_user = \"NAME\"; } in the settings, or the user of oops-milter",
		    "oops-queued: it serves user %s alone, and oops-milter is user %s: it cannot "
		    "release what it holds",
		    served, user_text(check, wanted));
	else
		check_ok(check, "oops-queued: serves user %s", served);
}

void
check_programs(struct check *check)
{
	struct base_role milter = config_role_milter(check->settings);
	struct base_role web = config_role_web(check->settings);
	struct check_program *queued = &check->queued;
	const char *why = "";

	check_daemon(check, "oops-milter", CONFIG_RUN_MILTER, &check->milter, &milter,
	    check->milter_answers);
	check_daemon(check, "oops-web", CONFIG_RUN_WEB, &check->web, &web, check->web_answers);
	check_queue_user(check, &milter);
	queued->is_found =
	    queued->pid > 0 && process_read(queued->pid, &queued->process, &why) == BASE_OK;
	if (!queued->is_found)
		return;
	check_process(check, "oops-queued", queued, NULL);
	if (queued->process.settings[0] != '\0' &&
	    !is_same_file(queued->process.settings, check->settings->path))
		report_other(check, "oops-queued", queued->process.settings);
}
