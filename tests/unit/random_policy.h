/* Small random policies with an inventory, and all the flows that can be asked of them. */
#ifndef TESTS_UNIT_RANDOM_POLICY_H
#define TESTS_UNIT_RANDOM_POLICY_H

#include <ringfence/verdict.h>

enum { RANDOM_PARTS = 11, RANDOM_PORTS = 8, RANDOM_WORKLOADS = 20, RANDOM_STRANGERS = 10 };

/* The next of a row of numbers. */
uint32_t random_next(uint32_t *seed);

/* Each part of a policy comes from a seed of its own, so that two policies can have parts in common. Freed by the
 * caller. */
char *random_policy(const uint32_t parts[RANDOM_PARTS]);

/* The ports that tell its statements apart. */
extern const struct port_range random_ports[RANDOM_PORTS];

/* Every end there is, 2 * RANDOM_WORKLOADS + RANDOM_STRANGERS: each workload at each of its two addresses (a host
 * workload at its node's and at a loopback one), addresses inside and outside of each network, and nodes. */
struct endpoint random_end(const struct world *world, size_t number);

/* Whether a packet can go so. */
bool random_fits(const struct flow *flow);

/* A flow between two ends. A host workload meets IPv6 at an address of its node that the inventory does not name. */
struct flow random_flow_of(const struct world *world, size_t from, size_t to, const struct port_range *port);

/* Puts both ends, which are host workloads, at the loopback address of IPv6. */
void random_over_loopback(struct flow *flow);

/* Whether two workloads, by their ends, may talk at some of their addresses. */
bool random_any_allowed(const struct world *world, size_t from, size_t to, const struct port_range *port);

/* The seeds of two policies that have most parts in common. */
void random_change(uint32_t seed, uint32_t before[RANDOM_PARTS], uint32_t after[RANDOM_PARTS]);

#endif
