/* A netlink socket to nf_tables: opening it, and reading from it what the kernel, and nobody else, has said. */
#include "enforcer/kernel/socket.h"

#include <ringfence/plan.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { RECEIVE_BUFFER = 1 << 22 };

static int take_socket(struct kernel *kernel)
{
	int fd, error = kernel->agent->open(kernel->agent->context, &fd);
	if (error != 0)
		return error;
	kernel->socket = mnl_socket_fdopen(fd);
	if (kernel->socket != NULL)
		return 0;
	error = -errno;
	close(fd);
	return error;
}

static int open_socket(struct kernel *kernel)
{
	int receive = RECEIVE_BUFFER, yes = 1;
	kernel->send_buffer = 0;
	if (kernel->agent != NULL)
		return take_socket(kernel);
	kernel->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (kernel->socket == NULL || mnl_socket_bind(kernel->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	setsockopt(mnl_socket_get_fd(kernel->socket), SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive);
	/* Errors then say which attribute, and do not carry the whole message back (netlink(7)). */
	setsockopt(mnl_socket_get_fd(kernel->socket), SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof yes);
	setsockopt(mnl_socket_get_fd(kernel->socket), SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof yes);
	return 0;
}

int kernel_open_by(struct kernel **result, const struct kernel_agent *agent)
{
	struct kernel *kernel = calloc(1, sizeof *kernel);
	*result = NULL;
	if (kernel == NULL)
		return -ENOMEM;
	kernel->agent = agent;
	int error = open_socket(kernel);
	if (error != 0) {
		kernel_close(kernel);
		return error;
	}
	kernel->sequence = 1;
	*result = kernel;
	return 0;
}

int kernel_open(struct kernel **kernel)
{
	return kernel_open_by(kernel, NULL);
}

int kernel_reopen(struct kernel *kernel)
{
	if (kernel->socket != NULL)
		mnl_socket_close(kernel->socket);
	kernel->socket = NULL;
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
	return kernel->agent != NULL ? kernel->agent->port : mnl_socket_get_portid(kernel->socket);
}

int kernel_send(struct kernel *kernel, struct iovec *pieces, size_t count)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	if (kernel->agent != NULL)
		return kernel->agent->send(kernel->agent->context, pieces, count);
	const struct msghdr whole = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = pieces, .msg_iovlen = count};
	while (sendmsg(mnl_socket_get_fd(kernel->socket), &whole, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int kernel_receive_many(struct kernel *kernel, struct iovec *spaces, size_t count)
{
	struct mmsghdr headers[KERNEL_RECEIVE_MOST];
	struct sockaddr_nl from[KERNEL_RECEIVE_MOST];
	int got;
	for (size_t i = 0; i < count; i++)
		headers[i].msg_hdr = (struct msghdr){
		    .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &spaces[i], .msg_iovlen = 1};
	do
		got = recvmmsg(mnl_socket_get_fd(kernel->socket), headers, (unsigned)count, MSG_DONTWAIT, NULL);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	for (int i = 0; i < got; i++) {
		if ((headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0)
			return -EMSGSIZE;
		spaces[i].iov_len = from[i].nl_pid == 0 ? headers[i].msg_len : 0;
	}
	return got;
}

ssize_t kernel_receive(struct kernel *kernel, void *buffer, size_t size)
{
	for (;;) {
		struct iovec space = {buffer, size};
		int got = kernel_receive_many(kernel, &space, 1);
		if (got < 0 || space.iov_len > 0)
			return got < 0 ? got : (ssize_t)space.iov_len;
	}
}

int kernel_hear(struct hearing *hearing, const void *bytes, size_t length)
{
	int left = (int)length;
	const struct nlmsghdr *message = bytes;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		const int *error = mnl_nlmsg_get_payload(message);
		if (message->nlmsg_seq != hearing->sequence)
			continue;
		hearing->changed = hearing->changed || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
			return mnl_nlmsg_get_payload_len(message) < sizeof *error ? -EBADMSG : *error < 0 ? *error : 1;
		if (hearing->take != NULL)
			hearing->take(hearing->context, message);
	}
	return 0;
}

int kernel_hear_all(struct kernel *kernel, struct hearing *hearing)
{
	_Alignas(struct nlmsghdr) char answer[1 << 16];
	int step = 0;
	while (step == 0) {
		ssize_t got = kernel_receive(kernel, answer, sizeof answer);
		step = got == -EAGAIN ? -EPROTO : got < 0 ? (int)got : kernel_hear(hearing, answer, (size_t)got);
	}
	return step < 0 ? step : 0;
}

uint64_t kernel_microseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
