/* Questions about flows: who is meant, what is the verdict, who reaches whom. All answers come from verdict_of. */
#ifndef RINGFENCE_EXPLAIN_H
#define RINGFENCE_EXPLAIN_H

#include <ringfence/verdict.h>

struct arena;

/* The endpoints that a word of the command line stands for: a workload at each of its addresses, a service's workloads,
 * or one that carries just the labels it requires, an address, or a built-in peer. */
struct endpoints {
	struct endpoint *items;
	size_t count;
	const struct service *service; /* set when the word names one */
};

/* Resolves [workload:|service:]NAMESPACE/NAME, an address, or any, cluster, world, node. Returns NULL, or why not. */
const char *endpoints_find(struct arena *arena, const struct world *world, const char *word,
			   struct endpoints *endpoints);

/* Adds a workload at each of its addresses; without one it is still a workload. A host workload is at each address of
 * its node, at some other one of a family (no address, but its family) of which the node has none, and at a loopback
 * one. */
void endpoints_add_workload(struct arena *arena, const struct inventory *inventory, struct endpoints *endpoints,
			    const struct workload *workload);

/* One endpoint that stands for a service without inventory. */
struct endpoint endpoint_of_service(struct arena *arena, const struct service *service);

/* Resolves PORT/PROTOCOL, icmp (an echo request), icmp/TYPE, or a name: of the destination service, else of a port of
 * the destination workload itself. Returns NULL, or why not. */
const char *flow_port_find(struct arena *arena, const struct world *world, const struct endpoints *to, const char *word,
			   uint16_t *protocol, uint16_t *port);

/* The verdict for all pairs of endpoints of one family, and of the family that ICMP is of: the first that is denied,
 * else the first. `flow` gets the pair. */
struct verdict verdict_of_endpoints(const struct world *world, const struct endpoints *from, const struct endpoints *to,
				    uint16_t protocol, uint16_t port, struct flow *flow);

/* The same for a port as a word of the command line. `icmp` is an echo request of the version that each pair of
 * endpoints has. Returns NULL, or why there is no such port. */
const char *verdict_of_word(struct arena *arena, const struct world *world, const struct endpoints *from,
			    const struct endpoints *to, const char *word, struct verdict *verdict, struct flow *flow);

/* Names an end as people do: shop/web-1 (10.0.1.11). Returns text in `arena`. */
const char *endpoint_name(struct arena *arena, const struct endpoint *end);

/* What decided a side, in words, and the statement it stands in (NULL span file: none). */
const char *side_text(const struct side *side, struct span *span);

/* What of an allow does not fit a denied flow. */
enum miss_kind { MISS_SOURCE, MISS_DESTINATION, MISS_DIRECTION, MISS_PORT, MISS_EXPIRED, MISS_KINDS };

struct miss {
	enum miss_kind kind;
	const char *text; /* the port is 5433/tcp */
};

struct near_allow {
	const struct allow *allow;
	const char *text; /* what it allows, of its ends those that come nearest: shop/web -> shop/db on 5432/tcp */
	struct miss misses[MISS_KINDS];
	size_t miss_count;
};

struct nearest {
	struct near_allow *items;
	size_t count;
	const char *unnamed[2]; /* by direction: that no allow at all speaks of this denied end, or NULL */
};

/* Finds the allows that come nearest to a denied flow, fewest misses first, then by file and line: at most `most` for
 * each side that lacks one. An allow of which neither end fits, in either direction, is not near. Empty where the flow
 * is allowed, or where no allow could open it (a quarantine, an unknown address). */
struct nearest nearest_find(struct arena *arena, const struct world *world, const struct flow *flow,
			    const struct verdict *verdict, size_t most);

/* A pair that may talk, and on which ports. */
struct reachable {
	const char *from, *to;
	struct port_range ports;
	const struct allow *allow;
};

struct reach {
	struct reachable *items;
	size_t count;
};

/* Lists what may reach what, sorted by names: services, networks and built-in peers, or with `workloads` the workloads
 * of the inventory. Each line was asked of verdict_of. With `from` (not NULL), which `word` names, only what that may
 * reach. */
struct reach reach_list(struct arena *arena, const struct world *world, bool workloads, const struct endpoints *from,
			const char *word);

#endif
