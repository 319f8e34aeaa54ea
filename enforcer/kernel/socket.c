/* A netlink socket to nf_tables: opening it, and reading from it what the kernel, and nobody else, has said. */
#include "enforcer/kernel/socket.h"

#include <ringfence/plan.h>

#include <errno.h>
#include <stdlib.h>

enum { RECEIVE_BUFFER = 1 << 22 };

static int open_socket(struct kernel *kernel)
{
	int receive = RECEIVE_BUFFER, yes = 1;
	kernel->send_buffer = 0;
	kernel->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (kernel->socket == NULL || mnl_socket_bind(kernel->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	setsockopt(mnl_socket_get_fd(kernel->socket), SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive);
	/* Errors then say which attribute, and do not carry the whole message back (netlink(7)). */
	setsockopt(mnl_socket_get_fd(kernel->socket), SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes);
	setsockopt(mnl_socket_get_fd(kernel->socket), SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
	return 0;
}

int kernel_open(struct kernel **result)
{
	struct kernel *kernel = calloc(1, sizeof *kernel);
	*result = NULL;
	if (kernel == NULL)
		return -ENOMEM;
	int error = open_socket(kernel);
	if (error != 0) {
		kernel_close(kernel);
		return error;
	}
	kernel->sequence = 1;
	*result = kernel;
	return 0;
}

int kernel_reopen(struct kernel *kernel)
{
	if (kernel->socket != NULL)
		mnl_socket_close(kernel->socket);
	return open_socket(kernel);
}

void kernel_close(struct kernel *kernel)
{
	if (kernel == NULL)
		return;
	if (kernel->socket != NULL)
		mnl_socket_close(kernel->socket);
	free(kernel);
}

uint32_t kernel_port(const struct kernel *kernel)
{
	return mnl_socket_get_portid(kernel->socket);
}

int kernel_send(struct kernel *kernel, struct iovec *pieces, size_t count)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	const struct msghdr whole = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = pieces, .msg_iovlen = count};
	while (sendmsg(mnl_socket_get_fd(kernel->socket), &whole, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

ssize_t kernel_receive(struct kernel *kernel, void *buffer, size_t size)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		struct iovec space = {buffer, size};
		struct msghdr header = {
		    .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &space, .msg_iovlen = 1};
		ssize_t got = recvmsg(mnl_socket_get_fd(kernel->socket), &header, MSG_DONTWAIT);
		if (got < 0 && errno != EINTR)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		if (got >= 0 && from.nl_pid == 0)
			return (header.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : got;
	}
}
