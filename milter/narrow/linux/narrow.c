/* narrow - for Linux: capabilities, and a seccomp filter of our own; see narrow.h */
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "milter/base/result.h"
#include "milter/narrow/narrow.h"

/* Calls of the x32 kind have this bit in their number, under the same architecture. */
#define X32_BIT 0x40000000u

#define BIT(capability) (1u << (capability))

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define GO_ON BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* If it is this call, the next statement counts, else the one after it. */
#define IF_IS(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1)
#define NEVER(call) IF_IS(__NR_##call), ANSWER(EPERM)

/*
 * What this process has no use for and a stranger in it would. It is a list of what is refused, not
 * of what is needed: that one differs between C libraries, and changes with them.
 */
static struct sock_filter filter[] = {
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OOPS_AUDIT_ARCH, 1, 0),
	ANSWER(EPERM),
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
	ANSWER(EPERM),
	/* other programs, and other processes */
	NEVER(execve),
	NEVER(execveat),
	NEVER(ptrace),
	NEVER(process_vm_readv),
	NEVER(process_vm_writev),
	NEVER(pidfd_getfd),
	NEVER(kcmp),
	/* mounts, roots and name spaces */
	NEVER(mount),
	NEVER(umount2),
	NEVER(pivot_root),
	NEVER(chroot),
	NEVER(unshare),
	NEVER(setns),
	NEVER(move_mount),
	NEVER(open_tree),
	NEVER(fsopen),
	NEVER(fsmount),
	NEVER(fsconfig),
	NEVER(fspick),
	NEVER(open_by_handle_at),
	NEVER(mknodat),
	/* the kernel and the machine */
	NEVER(init_module),
	NEVER(finit_module),
	NEVER(delete_module),
	NEVER(kexec_load),
	NEVER(bpf),
	NEVER(perf_event_open),
	NEVER(userfaultfd),
	NEVER(reboot),
	NEVER(swapon),
	NEVER(swapoff),
	NEVER(acct),
	NEVER(quotactl),
	NEVER(syslog),
	NEVER(settimeofday),
	NEVER(clock_settime),
	NEVER(clock_adjtime),
	NEVER(adjtimex),
	NEVER(sethostname),
	NEVER(setdomainname),
	NEVER(personality),
	NEVER(add_key),
	NEVER(request_key),
	NEVER(keyctl),
	/* a way round this filter */
	NEVER(io_uring_setup),
	NEVER(io_uring_enter),
	NEVER(io_uring_register),
	/* networks */
	IF_IS(__NR_socket),
	BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
	GO_ON,
	LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
	ANSWER(EAFNOSUPPORT),
	GO_ON,
};

/* Leaves the capabilities `kept` alone; no program is run that could have more. */
static bool
capabilities_leave(unsigned kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	/* what was not there is not asked for */
	data[0].effective = data[0].permitted = data[0].permitted & kept;
	data[1].effective = data[1].permitted = 0;
	data[0].inheritable = data[1].inheritable = 0;
	return syscall(SYS_capset, &header, data) == 0;
}

enum base_result
narrow_enter(bool keeps_files, const char **why_r)
{
	const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	unsigned files = BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_CHOWN);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    !capabilities_leave(keeps_files ? files : 0)) {
		*why_r = base_why("capabilities cannot be given up: %s", strerror(errno));
		return BASE_BROKEN;
	}
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
		return BASE_OK;
	*why_r = base_why("the kernel takes no seccomp filter: %s", strerror(errno));
	return BASE_NONE;
}
