/* Namespaces, wires and routes of a path. The client and the server own whole networks of addresses, by local routes.
 */
#include "tests/bench/packets/path.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int complain(const char *what)
{
	fprintf(stderr, "packets: %s: %s\n", what, strerror(errno));
	return -1;
}

struct sockaddr_storage path_peer(int family, uint32_t number)
{
	struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
	uint32_t host = htonl(number + 1);
	if (family == AF_INET) {
		((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(0x0a000000) | host;
	} else {
		uint8_t *bytes = ((struct sockaddr_in6 *)&address)->sin6_addr.s6_addr;
		memcpy(bytes, "\xfd\0\0\1", 4);
		memcpy(bytes + 12, &host, sizeof host);
	}
	return address;
}

struct sockaddr_storage path_service(int family, uint32_t number, uint16_t port)
{
	struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
	if (family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
		v4->sin_addr.s_addr = htonl(0xac100001 + number);
		v4->sin_port = htons(port);
	} else {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
		memcpy(v6->sin6_addr.s6_addr, "\xfd\0\0\2", 4);
		v6->sin6_addr.s6_addr[15] = (uint8_t)(number + 1);
		v6->sin6_port = htons(port);
	}
	return address;
}

/* Runs `then` in a namespace and comes back. */
static int inside(int name_space, int (*then)(const void *), const void *with)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0 || (name_space >= 0 && setns(name_space, CLONE_NEWNET) != 0))
		return complain("cannot enter a network namespace");
	int result = then(with);
	if (setns(home, CLONE_NEWNET) != 0)
		abort(); /* everything after would go to the wrong place */
	close(home);
	return result;
}

static int make_namespace(const void *unused)
{
	(void)unused;
	return unshare(CLONE_NEWNET) == 0 ? open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
}

static int execute(const void *with)
{
	const char *const *command = with;
	pid_t child = fork();
	if (child < 0)
		return complain("fork");
	if (child == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is for records */
		execvp(command[0], (char *const *)(uintptr_t)command);
		complain(command[0]);
		_exit(127);
	}
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return complain("waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	fprintf(stderr, "packets: %s ended with status 0x%x\n", command[0], (unsigned)status);
	return -1;
}

int path_run(int name_space, const char *const *command)
{
	return inside(name_space, execute, command);
}

static int open_socket(const void *with)
{
	const int *kind = with;
	int fd = socket(kind[0], kind[1] | SOCK_CLOEXEC, 0);
	return fd < 0 ? complain("socket") : fd;
}

int path_socket(int name_space, int family, int type)
{
	return inside(name_space, open_socket, (const int[]){family, type});
}

static int shell(int name_space, const char *script)
{
	return path_run(name_space, (const char *const[]){"sh", "-ec", script, NULL});
}

int path_make(struct path *path)
{
	int *ends[] = {&path->client, &path->router, &path->server};
	for (size_t i = 0; i < 3; i++)
		*ends[i] = -1;
	for (size_t i = 0; i < 3; i++)
		if ((*ends[i] = inside(-1, make_namespace, NULL)) < 0)
			return complain("cannot make a network namespace");
	char wires[512];
	snprintf(wires, sizeof wires,
		 "for key in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 >/proc/sys/net/$key; done\n"
		 "for key in all default; do echo 0 >/proc/sys/net/ipv4/conf/$key/rp_filter; done\n"
		 "ip link add peers type veth peer name eth0 netns /proc/%d/fd/%d\n"
		 "ip link add local type veth peer name eth0 netns /proc/%d/fd/%d\n",
		 (int)getpid(), path->client, (int)getpid(), path->server);
	static const char host[] = "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter\n"
				   "echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind\n"
				   "echo 0 >/proc/sys/net/ipv4/tcp_slow_start_after_idle\n"
				   "ip -batch - <<END\n"
				   "link set lo up\nlink set eth0 up\n"
				   "addr add 192.0.2.%1$d/30 dev eth0\naddr add 2001:db8:%1$d::2/64 dev eth0 nodad\n"
				   "route add local %2$s dev lo\nroute add local %3$s dev lo\n"
				   "route add default via 192.0.2.%4$d\nroute add ::/0 via 2001:db8:%1$d::1\nEND\n";
	static const char router[] =
	    "ip -batch - <<END\n"
	    "link set lo up\nlink set peers up\nlink set local up\n"
	    "addr add 192.0.2.1/30 dev peers\naddr add 192.0.2.5/30 dev local\n"
	    "addr add 2001:db8:2::1/64 dev peers nodad\naddr add 2001:db8:6::1/64 dev local nodad\n"
	    "route add 10.0.0.0/8 via 192.0.2.2\nroute add 172.16.0.0/16 via 192.0.2.6\n"
	    "route add fd00:1::/32 via 2001:db8:2::2\nroute add fd00:2::/32 via 2001:db8:6::2\nEND\n";
	char client[1024], server[1024];
	snprintf(client, sizeof client, host, 2, "10.0.0.0/8", "fd00:1::/32", 1);
	snprintf(server, sizeof server, host, 6, "172.16.0.0/16", "fd00:2::/32", 5);
	return shell(path->router, wires) == 0 && shell(path->client, client) == 0 &&
		       shell(path->server, server) == 0 && shell(path->router, router) == 0
		   ? 0
		   : -1;
}

void path_finish(struct path *path)
{
	const int ends[] = {path->client, path->router, path->server};
	for (size_t i = 0; i < 3; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}
