/* check/rights - may each program do with its files what it does? see internal.h */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "milter/base/arena.h"
#include "milter/base/result.h"
#include "milter/base/user.h"
#include "milter/check/internal.h"
#include "milter/config/reload.h"
#include "milter/config/role.h"
#include "milter/store/store.h"

#define RIGHTS_MAX 400       /* files; those of further lists are left out */
#define LOW_BYTES (64 << 20) /* less room than this is a warning */
#define LOW_FILES 1000

/* The files of one program. */
struct rights {
	struct check *check;
	const char *program;
	struct process_file *files;
	size_t count;
};

/* One more file; NULL is none. Folders go first: what is in them is told once. */
static void
need(struct rights *rights, enum process_need need, const char *path)
{
	if (path != NULL && rights->count < RIGHTS_MAX)
		rights->files[rights->count++] =
		    (struct process_file){ .path = path, .need = need };
}

/* The same below a folder. */
static void
need_in(struct rights *rights, enum process_need kind, const char *folder, const char *name)
{
	need(rights, kind, base_arena_printf(rights->check->arena, "%s/%s", folder, name));
}

/* A database with the files that SQLite has beside it. */
static void
need_database(struct rights *rights, const char *folder, const char *name)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		need(rights, PROCESS_WRITES,
		    base_arena_printf(rights->check->arena, "%s/%s%s", folder, name, ends[i]));
}

/* The folder that a unix socket is made in. */
static void
need_socket_folder(struct rights *rights)
{
	struct check *check = rights->check;
	const char *slash;
	struct endpoint ours;

	if (endpoint_read(check->arena, check->settings->milter.socket, &ours) &&
	    ours.path != NULL && (slash = strrchr(ours.path, '/')) != NULL)
		need(rights, PROCESS_WRITES,
		    base_arena_strndup(check->arena, ours.path,
			slash == ours.path ? 1 : (size_t)(slash - ours.path)));
}

/* The file that Postfix reads for a table "TYPE:PATH"; NULL: none, or not by that name. */
static const char *
table_file(struct check *check, const char *table)
{
	static const struct {
		const char *type, *end;
	} types[] = { { "hash:", ".db" }, { "btree:", ".db" }, { "lmdb:", ".lmdb" },
		{ "cdb:", ".cdb" }, { "texthash:", "" }, { "regexp:", "" }, { "pcre:", "" },
		{ "ldap:", "" }, { "mysql:", "" }, { "pgsql:", "" }, { "sqlite:", "" } };

	for (size_t i = 0; table != NULL && i < sizeof(types) / sizeof(*types); i++) {
		size_t length = strlen(types[i].type);

		if (strncmp(table, types[i].type, length) == 0 && table[length] == '/')
			return base_arena_printf(
			    check->arena, "%s%s", table + length, types[i].end);
	}
	return NULL;
}

/* A table whose file is not there: the programs ask Postfix, and so do not miss it themselves. */
static void
check_table(struct check *check, const char *table)
{
	const char *file = table_file(check, table);

	if (file != NULL && access(file, F_OK) != 0 && errno == ENOENT)
		check_fault(check, "make it (postmap, postalias), or take it out of lists",
		    "lists: table = \"%s\": %s is not there: how many people stand behind its "
		    "names is not known",
		    table, file);
}

/* What the entries of `lists` name. */
static void
need_lists(struct rights *rights)
{
	const struct settings *settings = rights->check->settings;

	for (size_t i = 0; i < settings->list_count; i++) {
		const struct settings_list *list = &settings->lists[i];

		need(rights, PROCESS_READS, list->aliases);
		need(rights, PROCESS_READS, list->file);
		need(rights, PROCESS_READS, list->folder);
		need(rights, PROCESS_READS, list->virtual);
		need(rights, PROCESS_READS, table_file(rights->check, list->table));
		if (list->command_count > 0)
			need(rights, PROCESS_ENTERS, list->command[0]);
	}
}

/* The site's own sentences, which both programs read. */
static void
need_templates(struct rights *rights)
{
	const struct settings *settings = rights->check->settings;

	need(rights, PROCESS_READS, settings->notice.template);
	for (size_t i = 0; i < settings->policy_count; i++)
		if (settings->policies[i].template != settings->notice.template)
			need(rights, PROCESS_READS, settings->policies[i].template);
}

static void
need_milter(struct rights *rights)
{
	const struct settings *settings = rights->check->settings;
	const char *state = settings->state_directory;

	need(rights, PROCESS_READS, settings->path);
	need(rights, PROCESS_READS, settings->key_file);
	need(rights, PROCESS_READS, settings->judge.scorecard);
	need(rights, PROCESS_READS, settings->identity.logins);
	need(rights, PROCESS_READS, settings->notice.ca_file);
	need_templates(rights);
	need_lists(rights);
	need(rights, PROCESS_WRITES, state);
	need_in(rights, PROCESS_WRITES, state, "holds");
	need_database(rights, state, STORE_HOLDS_PATH);
	need_database(rights, state, STORE_MEMORY_PATH);
	need_in(rights, PROCESS_WRITES, state, "oops-milter.run");
	need_in(rights, PROCESS_WRITES, state, CONFIG_RUN_LEARNING ".run");
	need_socket_folder(rights);
	need(rights, PROCESS_CONNECTS, settings->mta.queue_socket);
	need(rights, PROCESS_CAPACITY, state);
	need_in(rights, PROCESS_CAPACITY, state, "holds");
}

static void
need_web(struct rights *rights)
{
	const struct settings *settings = rights->check->settings;
	const char *state = settings->state_directory;

	need(rights, PROCESS_READS, settings->path);
	need_templates(rights);
	need(rights, PROCESS_ENTERS, state);
	need_in(rights, PROCESS_WRITES, state, "holds");
	need_database(rights, state, STORE_HOLDS_PATH);
	need_in(rights, PROCESS_WRITES, state, "holds/oops-web.run");
}

/* Who tried it, for people. */
static const char *
user_name(const struct process_user *user)
{
	const struct passwd *entry;

	if (!user->is_running)
		return user->role.user;
	entry = getpwuid(user->uid);
	return entry != NULL ? entry->pw_name : base_why("%u", user->uid);
}

/* What to do about a file that is in the way; NULL: no memory. */
static const char *
change_for(struct check *check, const struct process_user *user, const struct process_file *file)
{
	struct stat status = { .st_uid = 0 };

	if (file->error == EROFS)
		return "mount the file system that it is on for writing";
	if (file->need == PROCESS_CAPACITY)
		return base_arena_printf(check->arena,
		    "make room there (or raise the quota of user %s)", user_name(user));
	(void)stat(file->barrier, &status);
	return base_arena_printf(check->arena,
	    "owner, group or mode of %s: it belongs to user %u, group %u, and has mode %04o",
	    file->barrier, (unsigned)status.st_uid, (unsigned)status.st_gid,
	    (unsigned)status.st_mode & 07777);
}

/* What cannot be done, in the words of the line. */
static const char *
need_text(enum process_need need)
{
	static const char *const texts[] = { [PROCESS_READS] = "read",
		[PROCESS_WRITES] = "read and write",
		[PROCESS_ENTERS] = "use",
		[PROCESS_CONNECTS] = "connect to",
		[PROCESS_CAPACITY] = "put another 4 MiB into" };

	return texts[need];
}

/* One file that is in the way, with whose it is. */
static void
report_file(
    const struct rights *rights, const struct process_user *user, const struct process_file *file)
{
	struct check *check = rights->check;
	const char *change = change_for(check, user, file);

	check_fault(check, change != NULL ? change : file->barrier,
	    "files: %s, as user %s, cannot %s %s: %s", rights->program, user_name(user),
	    need_text(file->need), file->path, strerror(file->error));
}

/* Tells every file that is in the way; what is not there was told where it is missed. */
static void
report_files(const struct rights *rights, const struct process_user *user)
{
	const char *last = "";
	size_t faults = 0;

	for (size_t i = 0; i < rights->count; i++) {
		const struct process_file *file = &rights->files[i];

		if (file->error == 0 || file->error == ENOENT)
			continue;
		/* one folder in the way of many files is one fault, and so is a file system */
		if (faults++ == 0 || (strcmp(last, file->barrier) != 0 && file->error != EROFS))
			report_file(rights, user, file);
		last = file->barrier;
	}
	if (faults == 0)
		check_ok(rights->check, "files: %s, as user %s, can do what it must with %zu files",
		    rights->program, user_name(user), rights->count);
}

/* Whose rights a program has: those of the user that it runs as, or else would. */
static struct process_user
user_of(const struct check_program *program, struct base_role role)
{
	struct process_user user = { .role = role };

	return program->is_found && program->process.user.uid != 0 ? program->process.user : user;
}

/* The files of one program. */
static void
check_files(struct check *check, const char *name, const struct check_program *program,
    struct base_role role, void (*collect)(struct rights *rights))
{
	struct rights rights = { .check = check, .program = name };
	struct process_user user = user_of(program, role);
	const char *why = "no memory";
	enum base_result result = BASE_BROKEN;

	rights.files = base_arena_array(check->arena, RIGHTS_MAX, sizeof(*rights.files));
	if (rights.files != NULL) {
		collect(&rights);
		result = process_try(&user, check->arena, rights.files, rights.count, &why);
	}
	if (result == BASE_OK)
		report_files(&rights, &user);
	else if (result == BASE_NONE)
		check_warn(check, "run oopsctl check as root",
		    "files: whether %s can use its files is not known: %s", name, why);
	else
		check_fault(check,
		    result == BASE_REFUSE ? "that setting, to a user that exists"
					  : "the disk or mount that they are on",
		    "files: %s: %s", name, why);
}

/* A group, for people. */
static const char *
group_name(unsigned gid)
{
	const struct group *entry = getgrgid(gid);

	return entry != NULL ? entry->gr_name : base_why("%u", gid);
}

/* Tells that `program` cannot use what `other` makes in the folder. */
static void
report_share(struct check *check, const char *program, const struct process_user *user,
    const char *other, const struct process_file *file)
{
	struct stat status;
	const char *change;

	if (stat(file->path, &status) == 0 && !(status.st_mode & S_ISGID))
		change = base_arena_printf(check->arena, "chmod 2770 %s", file->path);
	else
		change = base_arena_printf(check->arena, "usermod -a -G %s %s, and start %s anew",
		    group_name(file->gid), user_name(user), program);
	check_fault(check, change != NULL ? change : file->path,
	    "files: %s, as user %s, is not in group %s, and so cannot use what %s makes in "
	    "%s",
	    program, user_name(user), group_name(file->gid), other, file->path);
}

/*
 * Whichever program opens the database of held mail first makes files beside it, for its owner and
 * its group: can the other use them? Where that cannot be tried, it was told with their files.
 */
static void
check_share(struct check *check)
{
	const char *const names[] = { "oops-milter", "oops-web" };
	const struct process_user users[] = {
		user_of(&check->milter, config_role_milter(check->settings)),
		user_of(&check->web, config_role_web(check->settings)),
	};
	const char *folder =
	    base_arena_printf(check->arena, "%s/holds", check->settings->state_directory);
	const char *why = "";
	bool is_shared = true;

	for (size_t i = 0; folder != NULL && i < 2; i++) {
		struct process_file file = { .path = folder, .need = PROCESS_MAKES };

		if (process_try(&users[i], check->arena, &file, 1, &why) != BASE_OK ||
		    file.error != 0)
			return;
		file.need = PROCESS_SHARES;
		if (process_try(&users[1 - i], check->arena, &file, 1, &why) != BASE_OK)
			return;
		if (file.error != 0)
			report_share(check, names[1 - i], &users[1 - i], names[i], &file);
		is_shared = is_shared && file.error == 0;
	}
	if (folder != NULL && is_shared)
		check_ok(
		    check, "files: oops-milter and oops-web share what each makes in %s", folder);
}

/* Is the disk nearly full? */
static void
check_disk(struct check *check)
{
	const char *path = check->settings->state_directory;
	struct statvfs disk;
	uint64_t left;

	if (statvfs(path, &disk) != 0)
		return; /* told with the store */
	left = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (left < LOW_BYTES || (disk.f_files > 0 && disk.f_favail < LOW_FILES))
		check_warn(check, "make room there, before mail passes unjudged",
		    "disk: %s has room for %llu MiB and %llu files", path,
		    (unsigned long long)(left >> 20), (unsigned long long)disk.f_favail);
	else
		check_ok(check, "disk: %s has room for %llu MiB", path,
		    (unsigned long long)(left >> 20));
}

void
check_rights(struct check *check)
{
	for (size_t i = 0; i < check->settings->list_count; i++)
		check_table(check, check->settings->lists[i].table);
	check_files(
	    check, "oops-milter", &check->milter, config_role_milter(check->settings), need_milter);
	check_files(check, "oops-web", &check->web, config_role_web(check->settings), need_web);
	check_share(check);
	check_disk(check);
}
