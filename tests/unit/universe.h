/* Small random policies of which everything can be asked: the ends and ports that tell their flows apart are few. */
#ifndef TESTS_UNIT_UNIVERSE_H
#define TESTS_UNIT_UNIVERSE_H

#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/verdict.h>

enum {
	UNIVERSE_NOW = 1800057599, /* 2027-01-15T23:59:59Z */
	UNIVERSE_PARTS = 11,
	UNIVERSE_WORKLOADS = 20,
	UNIVERSE_PLACES = 2 * UNIVERSE_WORKLOADS, /* each workload at each of its addresses */
	UNIVERSE_STRANGERS = 9,
	UNIVERSE_ENDS = UNIVERSE_PLACES + UNIVERSE_STRANGERS,
	UNIVERSE_PORTS = 7,
};

/* What was read of one text; freed with its arena. */
struct reading {
	struct arena *arena;
	struct diagnostics diagnostics;
	struct frontend frontend;
};

/* Reads a text that must be right, at UNIVERSE_NOW. */
struct world universe_read(struct reading *reading, const char *name, const char *text);

/* The next number of a sequence. */
uint32_t universe_next(uint32_t *seed);

/* A policy with its inventory, to be freed. Each part comes from a seed of its own, so that two policies can have parts
 * in common; they have the same kind where the last is the same modulo 3. */
char *universe_policy(const uint32_t parts[UNIVERSE_PARTS]);

/* Every end there is, places first: each workload at each address, addresses inside and outside of each network, nodes.
 */
struct endpoint universe_end(const struct world *world, size_t number);

/* One port of each kind. */
extern const struct port_range universe_ports[UNIVERSE_PORTS];

/* Whether a packet can go so: the ends are of one family, which ICMP has too. */
bool universe_fits(const struct flow *flow);

#endif
