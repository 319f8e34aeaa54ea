/* Random worlds that are dense: few addresses, few ports, networks that cut through pools, so that everything overlaps
 * everything. */
#ifndef TESTS_UNIT_WORLDS_H
#define TESTS_UNIT_WORLDS_H

#include <ringfence/verdict.h>

#include <stdio.h>

/* How many there are: workloads w0 and on, hosts (an address of each family), and ports from 1 on. */
enum { WORKLOADS = 7, HOSTS = 18, PORT_MOST = 7 };

/* Begins a row of numbers, and gives the next below `sides`. */
void sow(uint64_t seed);
unsigned roll(unsigned sides);

/* What a world is made of. Nodes are n0 and n1. */
struct making {
	FILE *out;
	bool services;
	bool network_policies, audit; /* some, if any */
	unsigned pools;		      /* their form, below POOL_FORMS */
};
enum { POOL_FORMS = 3 };

void write_policy(const struct making *making);
/* Nodes, namespaces and workloads, as a document behind others; no two have one address. */
void write_inventory(const struct making *making);

/* A random flow's ends, protocol and port; sometimes an end is no host of the world. */
struct tuple {
	struct address source, destination;
	uint8_t protocol;
	uint16_t port;
};
struct address host(uint8_t family, unsigned number);
struct tuple random_tuple(void);

#endif
