/* What a process can and cannot do once it is confined, by Landlock and by its list of system calls: tried in a child
 * for each case. */
#include "enforcer/sandbox/landlock.h"
#include "enforcer/sandbox/sanitized.h"
#include "enforcer/sandbox/seccomp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>

enum { KILLED = 300, PATH_SIZE = 96 };

static char directory[] = "/tmp/ringfence-sandbox-XXXXXX"; /* `open` and `own` are granted, `other` is not */

static const char *in(const char *name)
{
	static char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

/* Runs `action` in a child that is confined by `confine`. Returns 0, an errno, KILLED for one that was ended by
 * seccomp, or 255 where it could not be confined. */
static int confined(int (*confine)(void), int (*action)(void))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || confine() != 0)
			_exit(255);
		_exit(action());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : 254;
	return WEXITSTATUS(status);
}

/* ---- files ---- */

static int some_paths(void)
{
	char open_path[PATH_SIZE], own_path[PATH_SIZE];
	snprintf(open_path, sizeof open_path, "%s", in("open"));
	snprintf(own_path, sizeof own_path, "%s", in("own"));
	const struct landlock_path paths[] = {{open_path, false}, {own_path, true}, {"/nowhere/at/all", false}};
	return landlock_confine(paths, sizeof paths / sizeof *paths, NULL, 0);
}

static int no_paths(void)
{
	return landlock_confine(NULL, 0, NULL, 0);
}

static int try_open(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0600);
	return fd >= 0 ? 0 : errno;
}

static int read_open(void)
{
	return try_open(in("open/file"), O_RDONLY);
}

static int write_open(void)
{
	return try_open(in("open/file"), O_WRONLY);
}

static int make_open(void)
{
	return try_open(in("open/new"), O_WRONLY | O_CREAT);
}

static int read_other(void)
{
	return try_open(in("other/file"), O_RDONLY);
}

static int read_passwd(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int write_own(void)
{
	return try_open(in("own/new"), O_WRONLY | O_CREAT);
}

static int replace_own(void)
{
	char from[PATH_SIZE];
	snprintf(from, sizeof from, "%s", in("own/a"));
	int error = try_open(from, O_WRONLY | O_CREAT);
	return error != 0 ? error : rename(from, in("own/b")) == 0 ? 0 : errno;
}

static int make_device(void)
{
	return mknod(in("own/device"), S_IFCHR | 0600, 0x103) == 0 ? 0 : errno;
}

static int link_out(void)
{
	return symlink("/etc/passwd", in("own/link")) == 0 ? 0 : errno;
}

static int execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int connect_tcp(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? 0 : errno;
}

static int signal_outside(void)
{
	return kill(getppid(), 0) == 0 ? 0 : errno;
}

struct attempt {
	const char *name;
	int (*action)(void);
	int wanted;
};

static void try_all(int (*confine)(void), const struct attempt *attempts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int got = confined(confine, attempts[i].action);
		if (got != attempts[i].wanted)
			fail_msg("%s: %d, not %d", attempts[i].name, got, attempts[i].wanted);
	}
}
#define TRY_ALL(confine, attempts) try_all((confine), (attempts), sizeof(attempts) / sizeof *(attempts))

static bool has_landlock(void)
{
	if (confined(no_paths, read_passwd) != 255)
		return true;
	print_message("skipped: this kernel has no Landlock\n");
	return false;
}

static void only_what_is_named_is_within_reach(void **state)
{
	static const struct attempt attempts[] = {
	    {"reading where reading is granted", read_open, 0},
	    {"writing there", write_open, EACCES},
	    {"making a file there", make_open, EACCES},
	    {"reading elsewhere", read_other, EACCES},
	    {"reading /etc/passwd", read_passwd, EACCES},
	    {"making a file of its own", write_own, 0},
	    {"replacing a file of its own", replace_own, 0},
	    {"making a device", make_device, EACCES},
	    {"making a link", link_out, EACCES},
	    {"starting a program", execute, EACCES},
	    {"connecting by TCP", connect_tcp, EACCES},
	    {"a signal to another process", signal_outside, EPERM},
	};
	(void)state;
	if (!has_landlock())
		skip();
	TRY_ALL(some_paths, attempts);
}

static void nothing_named_is_nothing_within_reach(void **state)
{
	static const struct attempt attempts[] = {{"reading", read_open, EACCES},
						  {"a file of its own", write_own, EACCES}};
	(void)state;
	if (!has_landlock())
		skip();
	TRY_ALL(no_paths, attempts);
}

/* ---- ports ---- */

/* A port of loopback where somebody listens, and another one. */
static uint16_t ports[2];

static int one_port(void)
{
	return landlock_confine(NULL, 0, ports, 1);
}

static int connect_to(uint16_t port)
{
	const struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 ? 0 : errno;
}

static int connect_named(void)
{
	return connect_to(ports[0]);
}

static int connect_other(void)
{
	return connect_to(ports[1]);
}

static void only_ports_that_are_named_can_be_connected_to(void **state)
{
	static const struct attempt attempts[] = {{"the port", connect_named, 0}, {"another", connect_other, EACCES}};
	(void)state;
	if (!has_landlock())
		skip();
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
		socklen_t size = sizeof at;
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
		assert_int_equal(listen(fd, 8), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
		ports[i] = ntohs(at.sin_port);
	}
	TRY_ALL(one_port, attempts);
}

/* ---- system calls ---- */

static int keeper_list(void)
{
	return seccomp_confine(SECCOMP_KEEPER);
}

static int planner_list(void)
{
	return seccomp_confine(SECCOMP_PLANNER);
}

static int caller_list(void)
{
	return seccomp_confine(SECCOMP_CALLER);
}

static int open_socket(int family, int type, int protocol)
{
	return socket(family, type | SOCK_CLOEXEC, protocol) >= 0 ? 0 : errno;
}

static int netfilter_socket(void)
{
	return open_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
}

static int route_socket(void)
{
	return open_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static int internet_socket(void)
{
	return open_socket(AF_INET, SOCK_STREAM, 0);
}

static int raw_socket(void)
{
	return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int local_socket(void)
{
	return open_socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int executable_memory(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory != MAP_FAILED ? 0 : errno;
}

static int make_process(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0 ? 0 : errno;
}

static void *nothing(void *context)
{
	return context;
}

static int make_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, nothing, NULL);
	return error == 0 ? pthread_join(thread, NULL) : error;
}

static int load_module(void)
{
	return syscall(SYS_finit_module, -1, "", 0) == 0 ? 0 : errno;
}

static int load_program(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) >= 0 ? 0 : errno;
}

static int enter_namespace(void)
{
	return syscall(SYS_setns, -1, 0) == 0 ? 0 : errno;
}

static int change_root(void)
{
	return chroot("/") == 0 ? 0 : errno;
}

static int ordinary_work(void)
{
	void *memory = malloc(1 << 22);
	if (memory == NULL)
		return 1;
	memset(memory, 1, 1 << 22);
	free(memory);
	return 0;
}

/* Both lists: what whoever takes over a process would ask for first. */
static void the_keeper_is_ended_by_what_is_not_its_work(void **state)
{
	static const struct attempt attempts[] = {
	    {"memory", ordinary_work, 0},
	    {"a socket of netfilter", netfilter_socket, 0},
	    {"another netlink socket", route_socket, KILLED},
	    {"an internet socket", internet_socket, KILLED},
	    {"a local socket", local_socket, KILLED},
	    {"executable memory", executable_memory, KILLED},
	    {"a program", execute, KILLED},
	    {"a process", make_process, SANITIZED ? 0 : KILLED},
	    {"a kernel module", load_module, KILLED},
	    {"a program of BPF", load_program, KILLED},
	    {"a namespace", enter_namespace, KILLED},
	    {"another root", change_root, KILLED},
	};
	(void)state;
	TRY_ALL(keeper_list, attempts);
}

static void the_planner_is_refused_what_is_not_its_work(void **state)
{
	static const struct attempt attempts[] = {
	    {"memory", ordinary_work, 0},
	    {"reading a file", read_open, 0},
	    {"a local socket", local_socket, 0},
	    {"a netlink socket for routes", route_socket, 0},
	    {"a socket of netfilter", netfilter_socket, EPERM},
	    {"an internet socket", internet_socket, EPERM},
	    {"executable memory", executable_memory, EPERM},
	    {"a program", execute, EPERM},
	    {"a thread", make_thread, 0},
	    {"a process", make_process, SANITIZED ? 0 : EPERM},
	    {"a kernel module", load_module, EPERM},
	    {"a program of BPF", load_program, EPERM},
	    {"a namespace", enter_namespace, EPERM},
	    {"another root", change_root, EPERM},
	};
	(void)state;
	TRY_ALL(planner_list, attempts);
}

static void who_calls_servers_may_open_their_sockets_and_no_more(void **state)
{
	static const struct attempt attempts[] = {
	    {"a local socket", local_socket, 0},
	    {"an internet socket", internet_socket, 0},
	    {"a raw socket", raw_socket, EPERM},
	    {"a socket of netfilter", netfilter_socket, EPERM},
	    {"executable memory", executable_memory, EPERM},
	    {"a program", execute, EPERM},
	    {"a thread", make_thread, 0},
	    {"a process", make_process, SANITIZED ? 0 : EPERM},
	};
	(void)state;
	TRY_ALL(caller_list, attempts);
}

static void the_lists_are_short(void **state)
{
	(void)state;
	print_message("system calls allowed: keeper %zu, planner %zu, with servers to call %zu\n",
		      seccomp_allowed(SECCOMP_KEEPER), seccomp_allowed(SECCOMP_PLANNER),
		      seccomp_allowed(SECCOMP_CALLER));
	assert_true(seccomp_allowed(SECCOMP_KEEPER) < seccomp_allowed(SECCOMP_PLANNER));
	if (!SANITIZED)
		assert_true(seccomp_allowed(SECCOMP_CALLER) <= 100); /* of some 360 */
}

static int make_files(void **state)
{
	static const char *const names[] = {"open", "own", "other"};
	char path[PATH_SIZE + 8];
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s", in(names[i]));
		if (mkdir(path, 0700) != 0)
			return -1;
		strcat(path, "/file");
		if (try_open(path, O_WRONLY | O_CREAT) != 0)
			return -1;
	}
	return 0;
}

static int remove_files(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -r '%s'", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_what_is_named_is_within_reach),
	    cmocka_unit_test(nothing_named_is_nothing_within_reach),
	    cmocka_unit_test(only_ports_that_are_named_can_be_connected_to),
	    cmocka_unit_test(the_keeper_is_ended_by_what_is_not_its_work),
	    cmocka_unit_test(the_planner_is_refused_what_is_not_its_work),
	    cmocka_unit_test(who_calls_servers_may_open_their_sockets_and_no_more),
	    cmocka_unit_test(the_lists_are_short),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
