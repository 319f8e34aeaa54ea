/* Two lists of system calls, made into filters by libseccomp. A call that a machine does not know is passed over.
 *
 * The keeper does one thing, so a call that is not in its list means that it is not itself any more, and ends it: the
 * table stays. The process that plans uses libraries which may ask for something new in a later version; such a call
 * fails, and the library goes another way or says so. */
#include "enforcer/sandbox/seccomp.h"

#include "enforcer/sandbox/sanitized.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Memory, time, and the end: what every C program does. */
#define BASIC                                                                                                  \
	"brk", "madvise", "munmap", "mremap", "clock_gettime", "clock_nanosleep", "restart_syscall", "futex",  \
	    "rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "getpid", "gettid", "tgkill", "write", "writev", \
	    "close", "exit", "exit_group"

/* Sockets that are there. */
#define SOCKETS "sendmsg", "recvmsg", "recvfrom", "sendto", "recvmmsg", "bind", "getsockname", "setsockopt", "poll"

/* A sanitizer looks at memory and at itself, and for leaks from a process of its own. */
#if SANITIZED
#define MORE                                                                                                          \
	, "clone", "ptrace", "wait4", "sched_yield", "sigaltstack", "readlink", "prctl", "arch_prctl", "getppid",     \
	    "sched_getaffinity", "openat", "read", "getdents", "getdents64", "process_vm_readv", "mprotect", "fstat", \
	    "newfstatat", "lseek", "getrlimit", "prlimit64", "setrlimit", "waitid", "pipe2", "open", "stat"
#else
#define MORE
#endif

static const char *const keeper_calls[] = {BASIC, SOCKETS, "membarrier", "nanosleep" MORE, NULL};

/* Files: policy, workloads, state; the loop; clients: control, metrics, the journal, systemd; what it is, and what it
 * used. */
#define PLANNER                                                                                                    \
	BASIC, SOCKETS, "openat", "read", "lseek", "fstat", "newfstatat", "statx", "getdents64", "readlink",       \
	    "readlinkat", "faccessat", "faccessat2", "fcntl", "renameat", "renameat2", "unlink", "unlinkat",       \
	    "mkdirat", "fsync", "fdatasync", "ftruncate", "fallocate", "fchmod", "flock", "fstatfs", "umask",      \
	    "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "epoll_create1", "epoll_ctl", "epoll_wait",  \
	    "epoll_pwait", "epoll_pwait2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "signalfd4",    \
	    "eventfd2", "ppoll", "accept4", "connect", "listen", "shutdown", "getsockopt", "getpeername", "ioctl", \
	    "getrandom", "getuid", "geteuid", "getgid", "getegid", "getrusage", "sysinfo", "prlimit64",            \
	    "set_robust_list", "rseq", "wait4", "waitid", "mprotect"

static const char *const planner_calls[] = {PLANNER MORE, NULL};

/* libcurl looks up names in a thread, which wakes it by a pair of sockets. */
static const char *const caller_calls[] = {PLANNER, "socketpair", "pipe2", "sendmmsg", "uname", "stat" MORE, NULL};

static const struct list {
	const char *const *calls;
	uint32_t otherwise;
} lists[SECCOMP_COUNT] = {
    [SECCOMP_KEEPER] = {keeper_calls, SCMP_ACT_KILL_PROCESS},
    [SECCOMP_PLANNER] = {planner_calls, SCMP_ACT_ERRNO(EPERM)},
    [SECCOMP_CALLER] = {caller_calls, SCMP_ACT_ERRNO(EPERM)},
};

static int allow_calls(scmp_filter_ctx filter, const char *const *calls)
{
	int error = 0;
	for (; *calls != NULL && error == 0; calls++) {
		int number = seccomp_syscall_resolve_name(*calls);
		if (number == __NR_SCMP_ERROR || number < 0) /* negative: another machine's */
			continue;
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (error == -EEXIST)
			error = 0;
	}
	return error;
}

/* A thread writes files, so that the others need not wait for the disk. clone3(2) hides its flags from a filter: glibc
 * goes on with clone where it is not there. */
static int allow_threads(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
	int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread);
	return error == 0 ? seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) : error;
}

/* Those of servers, and of the resolver of names. */
static int allow_network(scmp_filter_ctx filter)
{
	static const int families[] = {AF_INET, AF_INET6}, kinds[] = {SOCK_STREAM, SOCK_DGRAM};
	int error = 0;
	for (size_t i = 0; i < 4 && error == 0; i++) {
		const struct scmp_arg_cmp arguments[] = {SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i / 2], 0),
							 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xff, (scmp_datum_t)kinds[i % 2])};
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, arguments);
	}
	return error;
}

/* Memory is never made executable; and of new sockets the keeper opens those of netfilter, the other one those of local
 * services and, where a source asks for it, those of servers. */
static int allow_some(scmp_filter_ctx filter, enum seccomp_who who)
{
	const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &not_executable);
	const struct scmp_arg_cmp netfilter[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
						 SCMP_A2(SCMP_CMP_EQ, NETLINK_NETFILTER, 0)};
	const struct scmp_arg_cmp route[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
					     SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE, 0)};
	const struct scmp_arg_cmp local = SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0);
	if (error == 0 && who == SECCOMP_KEEPER)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, netfilter);
	if (error == 0 && who == SECCOMP_CALLER)
		error = allow_network(filter);
	if (error == 0 && who != SECCOMP_KEEPER)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, route);
	if (error == 0 && who != SECCOMP_KEEPER)
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &local);
	if (error == 0 && who != SECCOMP_KEEPER)
		error = allow_threads(filter);
	return error;
}

int seccomp_confine(enum seccomp_who who)
{
	scmp_filter_ctx filter = seccomp_init(lists[who].otherwise);
	if (filter == NULL)
		return -ENOMEM;
	int error = allow_calls(filter, lists[who].calls);
	if (error == 0)
		error = allow_some(filter, who);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

size_t seccomp_allowed(enum seccomp_who who)
{
	size_t count = who == SECCOMP_KEEPER ? 2 : 3; /* mmap, socket and clone, in part */
	for (const char *const *call = lists[who].calls; *call != NULL; call++)
		count += seccomp_syscall_resolve_name(*call) >= 0;
	return count;
}
