/* A small network for tests with real packets, in one process: a network namespace for each host, a router between
 * them that forwards, and a host `outside` that answers for whatever address a test gives it.
 *
 *   outside --- [ router: the ruleset is loaded here ] --- host 0
 *                                                      --- host 1 ...
 *
 * Every address is a /32 or a /128 with a route in the router, so all traffic between two hosts passes the router's
 * forward hook. Nothing has a way out of these namespaces, and they vanish with the process, whatever ends it. */
#ifndef TESTS_LAB_H
#define TESTS_LAB_H

#include <ringfence/address.h>

#include <stddef.h>

struct lab;

/* Hosts are numbered from 0; these two stand for the others in a probe. */
enum { LAB_OUTSIDE = 10000, LAB_ROUTER = 10001 };

/* Makes the network with `hosts` hosts without addresses. Needs root. NULL after a message on stderr. */
struct lab *lab_create(size_t hosts);
void lab_destroy(struct lab *lab);

/* Gives `host` an address (LAB_ROUTER: the node's own; LAB_OUTSIDE: routed there). Returns 0 or a negative errno. */
int lab_add_address(struct lab *lab, size_t host, const struct address *address);

/* Takes all addresses away again, closes all sockets and forgets all connections. */
void lab_reset(struct lab *lab);

/* Runs the calling thread in the router's namespace until lab_leave: for kernel_open, nft, sysctl. */
int lab_enter_router(struct lab *lab);
void lab_leave(struct lab *lab);

/* One attempt of a connection: TCP connects, UDP and ICMP send and want the answer back, SCTP sends an INIT. */
struct lab_probe {
	size_t from, to; /* hosts that have these addresses */
	struct address source, destination;
	uint16_t protocol; /* IPPROTO_TCP, UDP, SCTP, ICMP, ICMPV6 */
	uint16_t port;	   /* for ICMP: type << 8 */
	bool request_arrived, answer_arrived;
};

/* Makes all attempts at once, each as a connection of its own, with listeners where they are needed, and waits at most
 * `milliseconds` for the answers of those that did not arrive. Returns 0 or a negative errno when the question could
 * not be asked. */
int lab_probe(struct lab *lab, struct lab_probe *probes, size_t count, int milliseconds);

#endif
