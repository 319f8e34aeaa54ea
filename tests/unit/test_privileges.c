/* What a process can and cannot do after privileges_drop: tried in a child for each case, once as the keeper and once
 * as the process that plans. */
#include "enforcer/sandbox/privileges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool net_admin; /* what the child keeps */

/* An ordinary user, in groups that are not the user's. */
static int drop(void)
{
	static const gid_t groups[] = {0, 1};
	struct user user;
	int error = user_find("nobody", &user);

	if (geteuid() != 0)
		user_self(&user);
	else if (setgroups(sizeof groups / sizeof *groups, groups) != 0)
		return -errno;
	return error != 0 ? error : privileges_drop(&user, net_admin);
}

/* Runs `action` after the drop in a child, and returns the child's status: 0, an errno, or 255 when the drop failed. */
static int after_drop(int (*action)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int error = drop();

		if (error != 0)
			fprintf(stderr, "privileges_drop: %s\n", strerror(-error));
		_exit(error != 0 ? 255 : action());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP) >= 0 ? 0 : errno;
}

static int packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0 ? 0 : errno;
}

static int low_port(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
}

static int give_file_away(void)
{
	char path[] = "/tmp/ringfence-privileges-XXXXXX";
	int error;

	if (mkstemp(path) < 0)
		return 254;
	error = chown(path, 1, 1) == 0 ? 0 : errno;
	unlink(path);
	return error;
}

static int set_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return clock_settime(CLOCK_REALTIME, &now) == 0 ? 0 : errno;
}

static int mount_something(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL) == 0 ? 0 : errno;
}

static int become_another(void)
{
	return setuid(1) == 0 ? 0 : errno;
}

/* Asks for every table, and reads to the end of the dump. */
static int dump_tables(void)
{
	union {
		char bytes[65536];
		struct nlmsghdr aligned;
	} buffer;
	struct mnl_socket *socket = mnl_socket_open(NETLINK_NETFILTER);
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer.bytes);
	struct nfgenmsg *header;
	int length, more = 1;

	request->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(request, sizeof *header);
	header->nfgen_family = NFPROTO_UNSPEC;
	if (socket == NULL || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return errno;
	while (more > 0) {
		length = (int)mnl_socket_recvfrom(socket, buffer.bytes, sizeof buffer.bytes);
		more = length <= 0 ? -1 : mnl_cb_run(buffer.bytes, (size_t)length, 0, 0, NULL, NULL);
	}
	mnl_socket_close(socket);
	return more == 0 ? 0 : errno;
}

/* Every set of capabilities is as promised, and nothing new can come by execve. */
static int look_at_sets(void)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value;

	for (cap_value_t cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		cap_flag_value_t expected = cap == CAP_NET_ADMIN && net_admin ? CAP_SET : CAP_CLEAR;

		for (cap_flag_t set = CAP_EFFECTIVE; set <= CAP_INHERITABLE; set++)
			if (cap_get_flag(caps, cap, set, &value) != 0 ||
			    value != (set == CAP_INHERITABLE ? CAP_CLEAR : expected))
				return 1;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != (cap == CAP_NET_ADMIN))
			return 2;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != 0)
			return 3;
	}
	cap_free(caps);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 4;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 5;
}

static int drop_again(void)
{
	return drop() == 0 ? 0 : 1;
}

static int become_root(void)
{
	return setresuid(0, 0, 0) == 0 ? 0 : errno;
}

/* Root's files, by its user and by its group. */
static int read_shadow(void)
{
	return open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int look_at_groups(void)
{
	gid_t groups[USER_GROUPS_MOST];
	int count = getgroups(USER_GROUPS_MOST, groups);

	for (int i = 0; i < count; i++)
		if (groups[i] < 2)
			return 1;
	return getegid() == 0 || getgid() == 0 ? 2 : count < 0 ? 3 : 0;
}

/* With `lost` taken away first, privileges_drop says that it may not. */
static int without(cap_value_t lost)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		cap_t caps = cap_get_proc();

		if (cap_set_flag(caps, CAP_EFFECTIVE, 1, &lost, CAP_CLEAR) != 0 ||
		    cap_set_flag(caps, CAP_PERMITTED, 1, &lost, CAP_CLEAR) != 0 || cap_set_proc(caps) != 0)
			_exit(254);
		cap_free(caps);
		_exit(-drop());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool is_root(void)
{
	if (geteuid() == 0)
		return true;
	print_message("skipped: capabilities can only be dropped by root\n");
	return false;
}

static void nothing_but_the_packet_filter_is_left(void **state)
{
	static const struct {
		const char *name;
		int (*action)(void);
		int before, keeper, planner;
	} cases[] = {
	    {"a raw socket", raw_socket, 0, EPERM, EPERM},
	    {"a packet socket", packet_socket, 0, EPERM, EPERM},
	    {"a port below 1024", low_port, 0, EACCES, EACCES},
	    {"chown", give_file_away, 0, EPERM, EPERM},
	    {"setting the time", set_time, 0, EPERM, EPERM},
	    {"mount", mount_something, -1, EPERM, EPERM},
	    {"setuid", become_another, -1, EPERM, EPERM},
	    {"setuid to root", become_root, -1, EPERM, EPERM},
	    {"root's files", read_shadow, 0, EACCES, EACCES},
	    {"root's groups", look_at_groups, -1, 0, 0},
	    {"a dump of nf_tables", dump_tables, 0, 0, EPERM},
	    {"the capability sets", look_at_sets, -1, 0, 0},
	    {"a second drop", drop_again, -1, 0, 0},
	};

	(void)state;
	if (!is_root())
		skip();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int before = cases[i].before == 0 ? cases[i].action() : 0;

		if (before != 0)
			print_message("%s: not possible here before the drop either (%s)\n", cases[i].name,
				      strerror(before));
		for (int keeper = 0; keeper < 2; keeper++) {
			net_admin = keeper;
			int wanted = keeper ? cases[i].keeper : cases[i].planner, after = after_drop(cases[i].action);

			if (after != wanted)
				fail_msg("%s: %d after the drop of the %s, not %d", cases[i].name, after,
					 keeper ? "keeper" : "planner", wanted);
		}
	}
}

static void missing_net_admin_is_refused(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	net_admin = true;
	assert_int_equal(without(CAP_NET_ADMIN), EPERM);
}

static void bounding_set_that_cannot_be_emptied_is_refused(void **state)
{
	(void)state;
	if (!is_root())
		skip();
	assert_int_equal(without(CAP_SETPCAP), EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_but_the_packet_filter_is_left),
	    cmocka_unit_test(missing_net_admin_is_refused),
	    cmocka_unit_test(bounding_set_that_cannot_be_emptied_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
