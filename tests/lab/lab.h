/* A small network for tests with real packets, in one process: a network namespace for each host, a router between
 * them that forwards, and a host outside that answers for whatever address a test gives it.
 *
 *   outside --- [ router: the ruleset is loaded here ] --- host 0
 *                                                      --- host 1 ...
 *
 * All traffic between two hosts passes the router's forward hook, and what the router itself sends and gets its output
 * and input hooks. Nothing has a way out of these namespaces, and they vanish with the process, whatever ends it. */
#ifndef TESTS_LAB_H
#define TESTS_LAB_H

#include <ringfence/address.h>

#include <linux/if_packet.h>
#include <stddef.h>

struct lab;

/* Hosts are numbered from 0; these two stand for the others. */
enum { LAB_OUTSIDE = 10000, LAB_ROUTER = 10001 };

/* Makes the network with `hosts` hosts without addresses. Needs root and iproute2. NULL after a message on stderr. */
struct lab *lab_create(size_t hosts);
void lab_destroy(struct lab *lab);

/* Gives `host` an address, with a route to it in the router; once more changes nothing. Returns 0 or a negative errno.
 */
int lab_add_address(struct lab *lab, size_t host, const struct address *address);

/* Takes all addresses away again and makes the router forget all connections. Returns 0 or a negative errno. */
int lab_reset(struct lab *lab);

/* Makes the router forget all connections. Returns 0 or a negative errno. */
int lab_forget_connections(struct lab *lab);

/* Runs the calling thread in the router's namespace until lab_leave: for kernel_open, nft, sysctl. */
int lab_enter_router(struct lab *lab);
void lab_leave(struct lab *lab);

/* Opens a packet socket of the caller's own in the namespace of a host, which it closes; whole packets without a link
 * header are sent to `*router` and received. Returns it, or a negative errno. */
int lab_open(struct lab *lab, size_t host, struct sockaddr_ll *router);

/* An attempt of a connection: a TCP handshake, a datagram and its echo, an SCTP INIT and its answer, an ICMP request.
 */
struct lab_probe {
	size_t from, to; /* hosts that have these addresses */
	struct address source, destination;
	uint16_t protocol; /* IPPROTO_TCP, UDP, SCTP, ICMP, ICMPV6 */
	uint16_t port;	   /* for ICMP: type << 8 */
	bool request_arrived, answer_arrived;
	uint16_t key; /* the lab's own: the source port, or the number of an echo */
};

/* Makes all attempts at once, each as a connection of its own, and returns when every answer is there, or when nothing
 * new arrived for `milliseconds`. Returns 0 or a negative errno. */
int lab_probe(struct lab *lab, struct lab_probe *probes, size_t count, int milliseconds);

/* Sends one more packet on each connection that lab_probe made, and has it answered; where no answer came the server
 * sends one unasked, for a connection that is cut must be so both ways. `request_arrived` and `answer_arrived` are
 * anew. Not for connections of the router, whose kernel ends them at once. */
int lab_probe_again(struct lab *lab, struct lab_probe *probes, size_t count, int milliseconds);

#endif
