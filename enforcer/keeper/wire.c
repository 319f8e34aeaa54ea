/* Bytes over a stream socket, whole, see wire.h. */
#include "enforcer/keeper/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int wire_send(int fd, struct iovec *pieces, size_t count)
{
	while (count > 0) {
		const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			return -errno;
		for (size_t left = sent > 0 ? (size_t)sent : 0; count > 0 && (left > 0 || pieces->iov_len == 0);) {
			size_t step = left < pieces->iov_len ? left : pieces->iov_len;
			pieces->iov_base = (char *)pieces->iov_base + step;
			pieces->iov_len -= step;
			left -= step;
			if (pieces->iov_len == 0) {
				pieces++;
				count--;
			}
		}
	}
	return 0;
}

int wire_receive(int fd, void *to, size_t length)
{
	for (size_t have = 0; have < length;) {
		ssize_t got = recv(fd, (char *)to + have, length - have, 0);
		if (got == 0)
			return -EPIPE;
		if (got < 0 && errno != EINTR)
			return -errno;
		have += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

/* Room for one descriptor beside the bytes (cmsg(3)). */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr aligned;
};

int wire_reply(int fd, const struct keeper_reply *reply, int passed)
{
	union control control = {0};
	struct iovec whole = {(void *)reply, sizeof *reply};
	struct msghdr message = {.msg_iov = &whole, .msg_iovlen = 1};
	if (passed < 0)
		return wire_send(fd, &whole, 1);
	message.msg_control = control.bytes;
	message.msg_controllen = sizeof control.bytes;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof passed);
	memcpy(CMSG_DATA(header), &passed, sizeof passed);
	ssize_t sent;
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0		       ? -errno
	       : sent == sizeof *reply ? 0
				       : -EPIPE; /* so few bytes are sent at once, or not at all */
}

int wire_take_reply(int fd, struct keeper_reply *reply, int *passed)
{
	union control control = {0};
	struct iovec whole = {reply, sizeof *reply};
	struct msghdr message = {
	    .msg_iov = &whole, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	ssize_t got;
	*passed = -1;
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : -EPIPE;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof *passed))
		memcpy(passed, CMSG_DATA(header), sizeof *passed);
	return wire_receive(fd, (char *)reply + got, sizeof *reply - (size_t)got);
}
