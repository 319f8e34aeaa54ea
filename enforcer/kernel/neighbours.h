/* Who is around this node: its links, its own addresses, and the neighbours that it has spoken to, by rtnetlink. Needs
 * no privilege. */
#ifndef ENFORCER_KERNEL_NEIGHBOURS_H
#define ENFORCER_KERNEL_NEIGHBOURS_H

#include <ringfence/address.h>

enum { LINK_NAME_SIZE = 16, LINK_ADDRESS_SIZE = 6 };

struct link {
	int index, master; /* master: the bridge that it is a port of, or 0 */
	char name[LINK_NAME_SIZE];
	int space; /* the number of the network namespace that its other end is in; -1: none */
	bool bridge;
	bool
	    calls[2]; /* of a bridge: it asks the hooks of IP itself, by family (nf_call_iptables, nf_call_ip6tables) */
};

struct own_address {
	int link;
	struct address address;
	uint8_t length; /* of its network, in bits */
};

struct neighbour {
	int link;
	struct address address;
	uint8_t hardware[LINK_ADDRESS_SIZE];
	bool has_hardware;
	uint32_t age; /* seconds since it was last heard of */
};

/* Each is called for everything that there is, links first. What changes meanwhile may be told twice. */
struct neighbours_reader {
	void *context;
	void (*link)(void *context, const struct link *link);
	void (*own)(void *context, const struct own_address *own);
	void (*neighbour)(void *context, const struct neighbour *neighbour);
};

struct neighbours;

/* Opens a socket in the current network namespace. `*neighbours` is the caller's to destroy. Returns 0 or a negative
 * errno. */
int neighbours_create(struct neighbours **neighbours);

/* NULL is allowed. */
void neighbours_destroy(struct neighbours *neighbours);

/* Begins to read anew. */
void neighbours_start(struct neighbours *neighbours);

/* Goes on for `budget` microseconds, and until the datagram then at hand is read. Returns 0 to go on, 1 at the end, or
 * a negative errno; begin anew then. */
int neighbours_step(struct neighbours *neighbours, const struct neighbours_reader *reader, uint64_t budget);

/* For tests: takes one message as if the kernel had said it. */
struct nlmsghdr;
void neighbours_take(const struct nlmsghdr *message, const struct neighbours_reader *reader);

#endif
