/* base/user: whoever gives up root has it no more, and nobody shares our sockets' folders. */
#include "milter/base/result.h"
#include "milter/base/user.h"

#include <check.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALONE 64009 /* a number that no account has */

/* What a child says of itself by its exit code. */
enum said { SAID_GOOD, SAID_RESULT, SAID_NUMBERS, SAID_GROUPS, SAID_BACK, SAID_UMASK };

/* Is the process in exactly the groups that the system says the account is in? */
static bool
has_groups_of(const char *name, gid_t gid)
{
	gid_t wanted[100], have[100];
	int count = 100, found;

	if (name == NULL)
		return getgroups(100, have) == 0;
	if (getgrouplist(name, gid, wanted, &count) < 0)
		return false;
	found = getgroups(100, have);
	for (int i = 0; i < found; i++) {
		bool is_wanted = false;

		for (int j = 0; j < count; j++)
			is_wanted = is_wanted || wanted[j] == have[i];
		if (!is_wanted)
			return false;
	}
	return found == count;
}

/* Becomes the user in a child, which looks at itself. */
static int
become(const char *user, const char *group, const char *name, uid_t uid, gid_t gid)
{
	const struct base_role role = { "user", user, "group", group };
	pid_t child = fork();
	const char *why;
	int status = 0;

	if (child == 0) {
		if (base_user_become(&role, &why) != BASE_OK)
			_exit(SAID_RESULT);
		if (getuid() != uid || geteuid() != uid || getegid() != gid)
			_exit(SAID_NUMBERS);
		if (!has_groups_of(name, gid))
			_exit(SAID_GROUPS);
		if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 ||
		    access("/etc/shadow", R_OK) == 0)
			_exit(SAID_BACK);
		_exit(umask(0) == 007 ? SAID_GOOD : SAID_UMASK);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* An account that is in more groups than its own, if there is one; else nobody. */
static const char *
account(void)
{
	static char name[100] = "nobody";
	struct group *group;

	setgrent();
	while ((group = getgrent()) != NULL) {
		struct passwd *entry = group->gr_mem[0] == NULL ? NULL : getpwnam(group->gr_mem[0]);

		/* who is in the group of shadow may read it without being root */
		if (entry == NULL || entry->pw_uid == 0 || entry->pw_gid == 0 ||
		    strcmp(group->gr_name, "shadow") == 0)
			continue;
		snprintf(name, sizeof(name), "%s", entry->pw_name);
		break;
	}
	endgrent();
	return name;
}

START_TEST(a_number_is_alone_in_its_group)
{
	if (geteuid() == 0)
		ck_assert_int_eq(become("64009", "64010", NULL, ALONE, 64010), SAID_GOOD);
}
END_TEST

START_TEST(an_account_comes_with_its_groups)
{
	const char *name = account();
	struct passwd *entry = getpwnam(name);
	char number[20];

	if (geteuid() != 0 || entry == NULL)
		return;
	ck_assert_int_eq(become(name, "", name, entry->pw_uid, entry->pw_gid), SAID_GOOD);
	snprintf(number, sizeof(number), "%u", entry->pw_uid);
	ck_assert_int_eq(become(number, "", name, entry->pw_uid, entry->pw_gid), SAID_GOOD);
	ck_assert_int_eq(become(name, "64010", name, entry->pw_uid, 64010), SAID_GOOD);
}
END_TEST

static const struct {
	const char *user, *group, *why;
} refused[] = {
	{ "no-such-oops", "", "user = \"no-such-oops\": there is no such user" },
	{ "64009x", "", "user = \"64009x\": there is no such user" },
	{ "64009", "", "user = \"64009\": no account has this number: name its group by group" },
	{ "64009", "no-such-oops", "group = \"no-such-oops\": there is no such group" },
	{ "root", "", "user = \"root\": not root nor root's group: use a user of its own" },
	{ "0", "64010", "user = \"0\": not root nor root's group: use a user of its own" },
	{ "64009", "0", "user = \"64009\": not root nor root's group: use a user of its own" },
	{ "64009", "root", "user = \"64009\": not root nor root's group: use a user of its own" },
};

START_TEST(nobody_and_root_are_refused)
{
	const struct base_role role = { "user", refused[_i].user, "group", refused[_i].group };
	const char *why = "";

	if (geteuid() != 0) {
		ck_assert_int_eq(base_user_become(&role, &why), BASE_NONE);
		return;
	}
	ck_assert_int_eq(base_user_become(&role, &why), BASE_REFUSE);
	ck_assert_str_eq(why, refused[_i].why);
	ck_assert_uint_eq(geteuid(), 0);
}
END_TEST

START_TEST(a_user_is_a_name_or_a_number)
{
	unsigned uid = 1;

	ck_assert_int_eq(base_user_number("root", &uid), BASE_OK);
	ck_assert_uint_eq(uid, 0);
	ck_assert_int_eq(base_user_number("64009", &uid), BASE_OK);
	ck_assert_uint_eq(uid, ALONE);
	ck_assert_int_eq(base_user_number("no-such-oops", &uid), BASE_NONE);
	ck_assert_int_eq(base_user_number("4294967295", &uid), BASE_NONE);
	ck_assert_int_eq(base_user_number("99999999999999999999", &uid), BASE_NONE);
	ck_assert_uint_eq(uid, ALONE);
}
END_TEST

static const struct {
	mode_t mode;
	enum base_result result;
} folders[] = {
	{ 0700, BASE_OK },
	{ 0755, BASE_OK },
	{ 02750, BASE_OK },
	{ 01777, BASE_OK },
	{ 03770, BASE_OK },
	{ 0770, BASE_REFUSE },
	{ 02775, BASE_REFUSE },
	{ 0707, BASE_REFUSE },
	{ 0777, BASE_REFUSE },
};

START_TEST(a_folder_that_others_may_write_to_is_refused)
{
	char folder[] = "/tmp/oops-user-XXXXXX", path[100];
	const char *why = "";

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	ck_assert_int_eq(chmod(folder, folders[_i].mode), 0);
	ck_assert_int_eq(base_folder_guard(path, geteuid(), &why), folders[_i].result);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(folder, ALONE, ALONE), 0);
		ck_assert_int_eq(chmod(folder, folders[_i].mode), 0);
		ck_assert_int_eq(base_folder_guard(path, ALONE, &why), folders[_i].result);
		ck_assert_int_eq(base_folder_guard(path, ALONE + 1, &why), BASE_REFUSE);
	}
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(base_folder_guard(path, geteuid(), &why), BASE_BROKEN);
}
END_TEST

/* Whoever may write above it can replace the folder with all that is in it. */
START_TEST(a_folder_above_that_others_may_write_to_is_refused)
{
	char top[] = "/tmp/oops-user-XXXXXX", middle[100], link[100], path[120];
	const char *why = "";

	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(middle, sizeof(middle), "%s/middle", top);
	snprintf(link, sizeof(link), "%s/link", top);
	snprintf(path, sizeof(path), "%s/low", middle);
	ck_assert_int_eq(mkdir(middle, 0755), 0);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(symlink(path, link), 0);
	for (int i = 0; i < 2; i++) {
		snprintf(
		    path, sizeof(path), "%s/%s", i ? link : middle, i ? "socket" : "low/socket");
		ck_assert_int_eq(chmod(middle, 0755), 0);
		ck_assert_int_eq(base_folder_guard(path, geteuid(), &why), BASE_OK);
		ck_assert_int_eq(chmod(middle, 0777), 0);
		ck_assert_int_eq(base_folder_guard(path, geteuid(), &why), BASE_REFUSE);
		ck_assert_ptr_nonnull(strstr(why, "/middle can be written by anybody"));
		ck_assert_int_eq(chmod(middle, 01777), 0);
		ck_assert_int_eq(base_folder_guard(path, geteuid(), &why), BASE_OK);
	}
	ck_assert_int_eq(chmod(top, 0770), 0); /* where the link itself is */
	ck_assert_int_eq(base_folder_guard(path, geteuid(), &why), BASE_REFUSE);
	ck_assert_int_eq(chmod(top, 0700), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(middle, ALONE, ALONE), 0);
		ck_assert_int_eq(base_folder_guard(path, 0, &why), BASE_REFUSE);
		ck_assert_int_eq(base_folder_guard(path, ALONE, &why), BASE_OK);
	}
	ck_assert_int_eq(unlink(link), 0);
	snprintf(path, sizeof(path), "%s/low", middle);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(middle), 0);
	ck_assert_int_eq(rmdir(top), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("user");
	TCase *tcase = tcase_create("users and folders");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_number_is_alone_in_its_group);
	tcase_add_test(tcase, an_account_comes_with_its_groups);
	tcase_add_loop_test(
	    tcase, nobody_and_root_are_refused, 0, sizeof(refused) / sizeof(*refused));
	tcase_add_test(tcase, a_user_is_a_name_or_a_number);
	tcase_add_test(tcase, a_folder_above_that_others_may_write_to_is_refused);
	tcase_add_loop_test(tcase, a_folder_that_others_may_write_to_is_refused, 0,
	    sizeof(folders) / sizeof(*folders));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
