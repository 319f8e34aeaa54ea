/* The traffic of one path, both ends in this thread, on one CPU: sending a packet carries it through both wires and the
 * router's forward hook to its receiver before the call returns. So the CPU time of this thread is the whole cost of
 * the traffic, and what others do on the machine, idle times and queues are not in it. */
#ifndef TESTS_BENCH_PACKETS_TRAFFIC_H
#define TESTS_BENCH_PACKETS_TRAFFIC_H

#include "tests/bench/packets/path.h"
#include "tests/bench/packets/rules.h"

#include <stdint.h>

struct traffic;

/* What was carried, and the CPU time that it took. */
struct amount {
	uint64_t count; /* packets, connections or bytes */
	uint64_t nanoseconds;
};

/* Opens the ends: flows spread evenly over the peers and services. NULL after a message on stderr. */
struct traffic *traffic_create(const struct path *path, const struct load *load);
void traffic_destroy(struct traffic *traffic);

/* Each carries about as much as told, less where it takes long, and returns 0, or -1 after a message on stderr where
 * something did not arrive. Datagrams are of 32 bytes. A connection is a handshake, a request and an answer of 64 bytes
 * each, and an orderly end. */
int traffic_packets(struct traffic *traffic, uint64_t packets, struct amount *amount);
int traffic_connections(struct traffic *traffic, uint64_t connections, struct amount *amount);
int traffic_bulk(struct traffic *traffic, uint64_t bytes, struct amount *amount);

#endif
