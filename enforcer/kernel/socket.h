/* The netlink socket that batches are sent on and answers are read from. */
#ifndef ENFORCER_KERNEL_SOCKET_H
#define ENFORCER_KERNEL_SOCKET_H

#include <libmnl/libmnl.h>
#include <sys/uio.h>

struct kernel {
	struct mnl_socket *socket;
	uint32_t sequence;
	int send_buffer; /* bytes that it was made wide for */
};

/* Gives `kernel` another socket, in the calling thread's network namespace: what was still to come over the old one is
 * gone. Returns 0 or a negative errno; `kernel` can then only be closed. */
int kernel_reopen(struct kernel *kernel);

/* Sends the pieces, each of whole messages, as one. Returns 0 or a negative errno. A signal does not matter. */
int kernel_send(struct kernel *kernel, struct iovec *pieces, size_t count);

enum { KERNEL_RECEIVE_MOST = 64 };

/* Reads up to `count` (KERNEL_RECEIVE_MOST) datagrams from the kernel, each into its space, and leaves its length
 * there: 0 when it came from somebody else. Never waits. Returns how many, -EAGAIN when there is none, -ENOBUFS when
 * some were lost since the last call (more may be there), -EMSGSIZE when one is longer than its space, or another
 * negative errno. */
int kernel_receive_many(struct kernel *kernel, struct iovec *spaces, size_t count);

/* Reads one, and returns its length, or a negative errno in the same way. */
ssize_t kernel_receive(struct kernel *kernel, void *buffer, size_t size);

#endif
