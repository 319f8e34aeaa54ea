/* The netlink socket that batches are sent on and answers are read from.
 *
 * The kernel asks for CAP_NET_ADMIN of whoever opened a socket and of whoever sends over it (netlink_net_capable in
 * net/netlink/af_netlink.c), but of nobody who reads what comes back. So a process without it reads from a socket over
 * which an agent, another process, sends. */
#ifndef ENFORCER_KERNEL_SOCKET_H
#define ENFORCER_KERNEL_SOCKET_H

#include <ringfence/plan.h>
#include <ringfence/turning.h>

#include <libmnl/libmnl.h>
#include <sys/uio.h>

/* Who may, for those who may not. Each function returns 0 or a negative errno, but apply. */
struct kernel_agent {
	void *context;

	/* Opens a socket; the fd is the caller's. */
	int (*open)(void *context, int *fd);

	/* Sends over the socket opened last; as kernel_send. */
	int (*send)(void *context, const struct iovec *pieces, size_t count);

	/* As kernel_apply, over a socket of the agent's own. */
	struct answer (*apply)(void *context, const struct plan *plan, int64_t at);

	/* As connections_turn, over the same. */
	int (*turn)(void *context, const struct turning *items, size_t count);

	uint32_t port; /* of that socket */
};

struct kernel {
	struct mnl_socket *socket;
	const struct kernel_agent *agent; /* NULL: the process itself */
	uint32_t sequence;
	int send_buffer; /* bytes that it was made wide for */
};

/* As kernel_open, for a process that has `agent`, which must outlive it. */
int kernel_open_by(struct kernel **kernel, const struct kernel_agent *agent);

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

/* An answer while it is heard, over whatever netlink socket. */
struct hearing {
	uint32_t sequence; /* of the question */
	void *context;
	void (*take)(void *context, const struct nlmsghdr *message); /* each part of it; NULL: there are none */
	bool changed; /* what is told of changed meanwhile (NLM_F_DUMP_INTR) */
};

/* Takes a datagram of it. Returns 0 where more is to come, 1 where it ends, or the negative errno that it is. */
int kernel_hear(struct hearing *hearing, const void *bytes, size_t length);

/* Reads all of it, of a question that was sent and is answered by then: a dump, or one with NLM_F_ACK. Returns 0 or a
 * negative errno. */
int kernel_hear_all(struct kernel *kernel, struct hearing *hearing);

/* A clock that only goes on, for what is read in slices. */
uint64_t kernel_microseconds(void);

#endif
