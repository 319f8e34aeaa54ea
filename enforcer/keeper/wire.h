/* What goes over the socket between the process that plans and its keeper: a request with its bytes, a reply, one after
 * the other.
 *
 *     request  kind, channel, length | that many bytes
 *     reply    struct keeper_reply   | with a descriptor where one was asked for
 *
 * Both ends are one program on one machine, so the numbers are as the machine has them. The keeper believes none. */
#ifndef ENFORCER_KEEPER_WIRE_H
#define ENFORCER_KEEPER_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum keeper_kind {
	KEEPER_OPEN,  /* a socket for the channel, in place of the one it had; the reply carries it */
	KEEPER_SEND,  /* netlink messages over the channel's socket */
	KEEPER_APPLY, /* a plan (encoding.h) */
	KEEPER_TURN,  /* connections to turn around: struct turning (turning.h), up to TURNINGS_MOST */
	KEEPER_KINDS
};

/* Sockets that the process that plans reads from. */
enum keeper_channel {
	KEEPER_TABLES,	    /* questions to nf_tables, and to conntrack at the first load */
	KEEPER_LOG,	    /* the log group */
	KEEPER_USAGE,	    /* questions to nf_tables, while others are on their way */
	KEEPER_CONNECTIONS, /* the connections of conntrack */
	KEEPER_CHANNELS
};

struct keeper_request {
	uint32_t kind, channel, length;
};

/* A plan of 2,000,000 elements with both ends and a time has 144 MB. */
enum { KEEPER_SEND_MOST = 1 << 17, KEEPER_APPLY_MOST = 1 << 28, KEEPER_PIECES_MOST = 16 };

struct keeper_reply {
	int32_t error; /* 0, or a negative errno */
	uint32_t transaction;
	uint64_t bytes;
	uint32_t port; /* of the socket that plans are applied over */
	char object[128];
};

/* Each returns 0 or a negative errno; -EPIPE where the other end is gone. */
int wire_send(int fd, struct iovec *pieces, size_t count);
int wire_receive(int fd, void *to, size_t length);

/* The same of a reply, with a descriptor (-1: none) that is copied; or is the caller's, closed on exec. */
int wire_reply(int fd, const struct keeper_reply *reply, int passed);
int wire_take_reply(int fd, struct keeper_reply *reply, int *passed);

#endif
