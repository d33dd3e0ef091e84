/* narrow - for Linux: Landlock rules about files, through its system calls; see narrow.h */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "milter/base/result.h"
#include "milter/narrow/narrow.h"

/*
 * What <linux/landlock.h> says, in full: the kernel that runs this may know more than the headers
 * by which it was built. The numbers of the calls are the same on all machines.
 */
enum { CREATE_RULESET = 444, ADD_RULE, RESTRICT_SELF };
enum { ASK_VERSION = 1, PATH_BENEATH = 1 };

#define BIT(number) (UINT64_C(1) << (number))
#define WRITE_FILE BIT(1)
#define READ_FILE BIT(2)
#define READ_DIR BIT(3)
#define REMOVE_FILE BIT(5)
#define MAKE_REG BIT(8)

struct ruleset {
	uint64_t files, networks, scopes;
};

struct beneath {
	uint64_t allowed;
	int32_t folder;
} __attribute__((packed));

/* All that this version can refuse; 13 rights over files are in the first one. */
static struct ruleset
all_of(long version)
{
	unsigned files = 13u + (version >= 2) + (version >= 3) + (version >= 5);

	return (struct ruleset){ .files = BIT(files) - 1, .scopes = version >= 6 ? 3 : 0 };
}

/* False: errno tells; a folder that is not there is none. */
static bool
folder_allow(int rules, const char *path, uint64_t allowed)
{
	struct beneath beneath = { allowed, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	bool is_added;
	int error;

	if (beneath.folder < 0)
		return errno == ENOENT;
	is_added = syscall(ADD_RULE, rules, PATH_BENEATH, &beneath, 0) == 0;
	error = errno;
	close(beneath.folder);
	errno = error;
	return is_added;
}

enum base_result
narrow_files(const char *const *folders, size_t count, bool reads_all, const char **why_r)
{
	long version = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
	struct ruleset all = all_of(version);
	bool is_done;
	int rules;

	if (version < 1) {
		*why_r = base_why("the kernel has no Landlock: %s", strerror(errno));
		return BASE_NONE;
	}
	rules = (int)syscall(CREATE_RULESET, &all, sizeof(all), 0);
	is_done = rules >= 0 && (!reads_all || folder_allow(rules, "/", READ_FILE | READ_DIR)) &&
		  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	for (size_t i = 0; is_done && i < count; i++)
		is_done = folder_allow(
		    rules, folders[i], READ_FILE | READ_DIR | WRITE_FILE | MAKE_REG | REMOVE_FILE);
	is_done = is_done && syscall(RESTRICT_SELF, rules, 0) == 0;
	if (!is_done)
		*why_r = base_why("Landlock rules cannot be set: %s", strerror(errno));
	if (rules >= 0)
		close(rules);
	return is_done ? BASE_OK : BASE_NONE;
}
