/* narrow - for Linux: capabilities, and seccomp filters of our own; see narrow.h */
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

/* Machines that came later have not the calls that take a path without a folder. */
#ifndef __NR_chmod
#define __NR_chmod __NR_fchmodat
#define __NR_chown __NR_fchownat
#define __NR_lchown __NR_fchownat
#define __NR_mknod __NR_mknodat
#endif
/* Calls that are younger than the headers may be. */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif
#ifndef __NR_setxattrat
#define __NR_setxattrat 463
#define __NR_removexattrat 466
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- calls ----------------------------------------------------------------------------- */

/*
 * These are lists of what is refused, not of what is needed: that one differs between C libraries,
 * and changes with them.
 *
 * Nothing that handles mail has a use for these: neither we, nor the MTA's tools, nor what delivers
 * a mail for them. Name spaces and keys are left: a program that delivers may shut itself in. So is
 * tracing, which without its capability reaches no process that has more rights.
 */
static const unsigned machine_calls[] = {
	/* mounts */
	__NR_mount, __NR_umount2, __NR_pivot_root, __NR_move_mount, __NR_open_tree, __NR_fsopen,
	__NR_fsmount, __NR_fsconfig, __NR_fspick, __NR_open_by_handle_at,
	/* the kernel and the machine */
	__NR_init_module, __NR_finit_module, __NR_delete_module, __NR_kexec_load, __NR_bpf,
	__NR_perf_event_open, __NR_userfaultfd, __NR_reboot, __NR_swapon, __NR_swapoff, __NR_acct,
	__NR_syslog, __NR_settimeofday, __NR_clock_settime, __NR_clock_adjtime, __NR_adjtimex,
	__NR_sethostname, __NR_setdomainname
};

/* What a process that runs no other has no use for, and a stranger in it would. */
static const unsigned stranger_calls[] = {
	/* other programs and processes */
	__NR_execve, __NR_execveat, __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev,
	__NR_pidfd_getfd, __NR_kcmp,
	/* roots, name spaces and devices */
	__NR_chroot, __NR_unshare, __NR_setns, __NR_mknod, __NR_mknodat, __NR_quotactl,
	__NR_personality, __NR_add_key, __NR_request_key, __NR_keyctl,
	/* files by their path, which no rule of Landlock is about: only what is open is changed */
	__NR_chmod, __NR_fchmodat, __NR_fchmodat2, __NR_chown, __NR_lchown, __NR_fchownat,
	__NR_truncate, __NR_utimensat, __NR_setxattr, __NR_lsetxattr, __NR_setxattrat,
	__NR_removexattr, __NR_lremovexattr, __NR_removexattrat,
	/* a way round this filter */
	__NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register
};

/* --- filters --------------------------------------------------------------------------- */

/* Calls of the x32 kind have this bit in their number, under the same architecture. */
#define X32_BIT 0x40000000u

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* If it is this one, the next statement counts, else the one after it. */
#define IF_IS(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1)
#define IF_IS_NOT(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 1, 0)

/* How a filter begins: calls of another kind have other numbers. */
static const struct sock_filter filter_start[] = { LOAD(arch), IF_IS_NOT(OOPS_AUDIT_ARCH),
	REFUSE(EPERM), LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
	REFUSE(EPERM) };

/* How it ends where all is allowed that is not refused, and where networks are not. */
static const struct sock_filter filter_end[] = { ALLOW };
static const struct sock_filter filter_end_unix[] = { IF_IS(__NR_socket),
	BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), ALLOW, LOAD(args[0]), IF_IS_NOT(AF_UNIX),
	REFUSE(EAFNOSUPPORT), ALLOW };

struct filter {
	struct sock_filter code[2 * (COUNT_OF(machine_calls) + COUNT_OF(stranger_calls)) + 20];
	unsigned short length;
};

static void
filter_append(struct filter *filter, const struct sock_filter *code, size_t count)
{
	memcpy(filter->code + filter->length, code, count * sizeof(*code));
	filter->length += (unsigned short)count;
}

static void
filter_refuse(struct filter *filter, const unsigned *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct sock_filter code[] = { IF_IS(calls[i]), REFUSE(EPERM) };

		filter_append(filter, code, COUNT_OF(code));
	}
}

static enum base_result
filter_install(struct filter *filter, const char **why_r)
{
	const struct sock_fprog program = { filter->length, filter->code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
		return BASE_OK;
	*why_r = base_why("the kernel takes no seccomp filter: %s", strerror(errno));
	return BASE_NONE;
}

/* --- capabilities ---------------------------------------------------------------------- */

#define BIT(capability) (UINT64_C(1) << (capability))

/* What belongs to the calls above: no program of a delivery gets these either. */
static const unsigned machine_capabilities[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_MODULE,
	CAP_SYS_RAWIO, CAP_SYS_PTRACE, CAP_SYS_PACCT, CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_TIME,
	CAP_SYS_TTY_CONFIG, CAP_MKNOD, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN, CAP_SYSLOG, CAP_WAKE_ALARM,
	CAP_BLOCK_SUSPEND, CAP_AUDIT_CONTROL, CAP_AUDIT_READ, CAP_PERFMON, CAP_BPF,
	CAP_CHECKPOINT_RESTORE };

/* Leaves those in `kept` alone; what was not there is not asked for. */
static bool
capabilities_leave(uint64_t kept)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	for (size_t i = 0; i < COUNT_OF(data); i++) {
		data[i].permitted &= (uint32_t)(kept >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) == 0;
}

/* --- what narrow.h has ----------------------------------------------------------------- */

/*
 * The filter comes first: without CAP_SYS_ADMIN it would need that no program gets more rights, and
 * what delivers to a local user may be set-uid.
 */
enum base_result
narrow_tools(const char **why_r)
{
	struct filter filter = { .length = 0 };
	enum base_result result;
	uint64_t lost = 0;

	filter_append(&filter, filter_start, COUNT_OF(filter_start));
	filter_refuse(&filter, machine_calls, COUNT_OF(machine_calls));
	filter_append(&filter, filter_end, COUNT_OF(filter_end));
	result = filter_install(&filter, why_r);
	for (size_t i = 0; i < COUNT_OF(machine_capabilities); i++) {
		lost |= BIT(machine_capabilities[i]);
		/* one that this kernel does not know is not there */
		if (prctl(PR_CAPBSET_DROP, machine_capabilities[i], 0, 0, 0) != 0 &&
		    errno != EINVAL) {
			*why_r = base_why("capabilities are left to programs: %s", strerror(errno));
			result = BASE_NONE;
		}
	}
	if (!capabilities_leave(~lost)) {
		*why_r = base_why("capabilities cannot be given up: %s", strerror(errno));
		return BASE_BROKEN;
	}
	return result;
}

enum base_result
narrow_enter(bool keeps_files, const char **why_r)
{
	uint64_t files = BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_CHOWN);
	struct filter filter = { .length = 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    !capabilities_leave(keeps_files ? files : 0)) {
		*why_r = base_why("capabilities cannot be given up: %s", strerror(errno));
		return BASE_BROKEN;
	}
	filter_append(&filter, filter_start, COUNT_OF(filter_start));
	filter_refuse(&filter, machine_calls, COUNT_OF(machine_calls));
	filter_refuse(&filter, stranger_calls, COUNT_OF(stranger_calls));
	filter_append(&filter, filter_end_unix, COUNT_OF(filter_end_unix));
	return filter_install(&filter, why_r);
}
