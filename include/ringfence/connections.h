/* Open connections, as conntrack has them: those of every family and protocol in the network namespace of a socket to
 * nf_tables. Reading them changes nothing, counters included. */
#ifndef RINGFENCE_CONNECTIONS_H
#define RINGFENCE_CONNECTIONS_H

#include <ringfence/address.h>
#include <ringfence/plan.h>

/* How far a connection has come. */
enum connection_stage {
	CONNECTION_UNANSWERED, /* nothing has come back yet, if anything ever does */
	CONNECTION_OPEN,       /* both ends have spoken */
	CONNECTION_OVER,       /* closed, and only remembered for a while */
};

/* One, with the ends that the rules judge: who sent its first packet, and who answers, which is the destination behind
 * destination NAT. */
struct connection {
	struct address source, destination;
	uint16_t protocol;
	uint16_t source_port, port; /* of the destination; of ICMP the request, type << 8 | code; else 0 */
	bool has_port;
	enum connection_stage stage;
	bool counted; /* conntrack counts its bytes */
	uint64_t sent, received;
	uint32_t id;	   /* conntrack's own name of it */
	uint8_t tcp_state; /* enum tcp_conntrack; 0 where it is no TCP */
	bool picked_up;	   /* TCP that conntrack saw in its middle first: who began it, it does not know */
	bool plain;	   /* no NAT, and no zone, mark, label or helper of anybody's */
};

/* Hears of each connection; `context` is the reader's. */
struct connections_reader {
	void *context;
	void (*take)(void *context, const struct connection *connection);
};

/* Asks for them over `kernel`, which is used for nothing else until they are read. Returns 0 or a negative errno. */
int connections_start(struct kernel *kernel);

/* Goes on for `budget` microseconds, and until the datagram then at hand is read; UINT64_MAX: to the end. Memory is
 * bounded, however many there are. One that moves in the kernel's table meanwhile may be told twice, or not at all.
 * Returns 0 to go on, 1 at the end, or a negative errno: -EPERM without CAP_NET_ADMIN, and where the kernel refuses
 * what it was asked, as one without nf_conntrack_netlink does. */
int connections_step(struct kernel *kernel, const struct connections_reader *reader, uint64_t budget);

/* For tests: takes one message as if the kernel had said it. */
struct nlmsghdr;
void connections_take(const struct nlmsghdr *message, const struct connections_reader *reader);

#endif
