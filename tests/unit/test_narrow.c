/* narrow: what oops-queued's processes are refused, tried in children that gave up their rights. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "milter/base/result.h"
#include "milter/narrow/narrow.h"

#define CAP_SYS_ADMIN 21 /* as <linux/capability.h> has it */

static char folder[] = "/tmp/narrow-XXXXXX";
static char inside[100], outside[100], other[100];

static void
setup(void)
{
	strcpy(strrchr(folder, '-'), "-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(inside, sizeof(inside), "%s/queue", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	snprintf(outside, sizeof(outside), "%s/other/file", folder);
	ck_assert_int_eq(mkdir(inside, 0700) | mkdir(other, 0700), 0);
	close(creat(outside, 0600));
}

static void
teardown(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* How a child ends that could not try, and why; what else it ends with is the failed line. */
#define IS_ABSENT 255

/* Ends the child where a call does not end with this errno (0: it works). */
#define EXPECT(call, error) expect(__LINE__, (errno = 0, (call)) < 0 ? errno : 0, error)
#define EXPECT_IS(number, wanted) expect(__LINE__, number, wanted)

static void
expect(int line, int seen, int wanted)
{
	if (seen == wanted)
		return;
	fprintf(stderr, "line %d: %d and not %d\n", line, seen, wanted);
	_exit(1);
}

/* What is absent in this kernel is no fault of ours; else it must have worked. */
static void
need(enum base_result result, const char *why)
{
	if (result == BASE_OK)
		return;
	fprintf(stderr, "skipped: %s\n", why);
	_exit(result == BASE_NONE ? IS_ABSENT : 2);
}

/* What it says is on standard error. */
static void
in_child(void (*job)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		job();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(
	    status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == IS_ABSENT), "%d", status);
}

/* --- the worker -------------------------------------------------------------------------- */

/* What neither worker may, whatever files it keeps. */
static void
try_the_system(void)
{
	char *const arguments[] = { (char *)"false", NULL }; /* were it run, that would fail */
	char *const none[] = { NULL };

	EXPECT(socket(AF_INET, SOCK_STREAM, 0), EAFNOSUPPORT);
	EXPECT(socket(AF_INET6, SOCK_DGRAM, 0), EAFNOSUPPORT);
	EXPECT(socket(AF_NETLINK, SOCK_RAW, 0), EAFNOSUPPORT);
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0), 0);
	EXPECT(execve("/bin/false", arguments, none), EPERM);
	EXPECT(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM);
	EXPECT(mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
	EXPECT(chroot("/"), EPERM);
	EXPECT(chmod(outside, 04755), EPERM);
	EXPECT(chown(outside, 1, 1), EPERM);
	EXPECT(truncate(outside, 0), EPERM);
	EXPECT(setuid(0), geteuid() == 0 ? 0 : EPERM);
	EXPECT(setgid(4711), EPERM);
}

static void
worker_of_sendmail(void)
{
	const char *const folders[] = { inside, "/nowhere/at/all" };
	char name[120], moved[120];
	const char *why = "";

	need(narrow_enter(true, &why), why);
	try_the_system();
	need(narrow_files(folders, 2, false, &why), why);
	EXPECT(open("/etc/shadow", O_WRONLY), EACCES);
	EXPECT(open("/etc/passwd", O_RDONLY), EACCES);
	EXPECT(open("/", O_RDONLY | O_DIRECTORY), EACCES);
	EXPECT(open(outside, O_WRONLY), EACCES);
	EXPECT(unlink(outside), EACCES);
	snprintf(name, sizeof(name), "%s/new", other);
	EXPECT(open(name, O_CREAT | O_WRONLY, 0600), EACCES);
	EXPECT(kill(getppid(), 0), EPERM);
	/* and what it needs */
	snprintf(name, sizeof(name), "%s/hfID", inside);
	snprintf(moved, sizeof(moved), "%s/qfID", inside);
	EXPECT(open(name, O_CREAT | O_EXCL | O_RDWR, 0600), 0);
	EXPECT(rename(name, moved), 0);
	EXPECT(open(inside, O_RDONLY | O_DIRECTORY), 0);
	EXPECT(open(moved, O_RDWR), 0);
	EXPECT(fchmod(open(moved, O_RDONLY), 01600), 0);
	EXPECT(link(outside, name), EXDEV);
	EXPECT(rename(moved, outside), EACCES);
	EXPECT(unlink(moved), 0);
}

static void
worker_of_postfix(void)
{
	const char *why = "";
	char name[120];

	need(narrow_enter(false, &why), why);
	try_the_system();
	need(narrow_files(NULL, 0, true, &why), why);
	EXPECT(open(outside, O_RDONLY), 0);
	EXPECT(open(inside, O_RDONLY | O_DIRECTORY), 0);
	EXPECT(open(outside, O_WRONLY), EACCES);
	EXPECT(unlink(outside), EACCES);
	snprintf(name, sizeof(name), "%s/maildrop", inside);
	EXPECT(open(name, O_CREAT | O_WRONLY, 0600), EACCES);
	EXPECT(chown(outside, 1, 1), EPERM);
	EXPECT(fchown(open(outside, O_RDONLY), 1, 1), EPERM);
}

START_TEST(test_worker_of_sendmail)
{
	in_child(worker_of_sendmail);
}
END_TEST

START_TEST(test_worker_of_postfix)
{
	in_child(worker_of_postfix);
}
END_TEST

/* --- what runs the MTA's tools ----------------------------------------------------------- */

static void
runner(void)
{
	char *const arguments[] = { (char *)"sh", (char *)"-c",
		(char *)"test $(id -u) = 0 && ! mount -t tmpfs none /mnt 2>/dev/null", NULL };
	const char *why = "";

	need(narrow_tools(&why), why);
	EXPECT(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL), EPERM);
	EXPECT(mount("none", "/tmp", "tmpfs", 0, NULL), EPERM);
	EXPECT_IS(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0), 0);
	/* a delivery may need all of these */
	EXPECT(socket(AF_INET, SOCK_STREAM, 0), 0);
	EXPECT(open(outside, O_WRONLY), 0);
	EXPECT(chown(outside, 1, 1), 0);
	EXPECT_IS(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	EXPECT(execv("/bin/sh", arguments), 0);
}

START_TEST(test_runner)
{
	in_child(runner);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("narrow");
	TCase *worker = tcase_create("worker"), *tools = tcase_create("tools");
	SRunner *all = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(worker, setup, teardown);
	tcase_add_checked_fixture(tools, setup, teardown);
	tcase_add_test(worker, test_worker_of_sendmail);
	tcase_add_test(worker, test_worker_of_postfix);
	tcase_add_test(tools, test_runner);
	suite_add_tcase(suite, worker);
	suite_add_tcase(suite, tools);
	if (geteuid() != 0) {
		puts("not root: nothing to give up");
		srunner_free(all);
		return 77;
	}
	srunner_run_all(all, CK_NORMAL);
	failed = srunner_ntests_failed(all);
	srunner_free(all);
	return failed != 0;
}
