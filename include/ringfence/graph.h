/* Who talks to whom, as nodes and edges: what the forms of `ringfence graph` are drawn from.
 *
 * An edge is there only where reach_list, and so verdict_of, found an open port. */
#ifndef RINGFENCE_GRAPH_H
#define RINGFENCE_GRAPH_H

#include <ringfence/verdict.h>

struct arena;

enum graph_kind { GRAPH_SERVICE, GRAPH_WORKLOAD, GRAPH_NETWORK, GRAPH_ANY, GRAPH_WORLD, GRAPH_NODE };

/* What became of something since the policy that the graph is compared with. */
enum graph_change { GRAPH_SAME, GRAPH_ADDED, GRAPH_REMOVED, GRAPH_CHANGED };

struct graph_node {
	const char *id;		/* as `reach` names it: NAMESPACE/NAME, an inline cidr, any, world, node */
	const char *name_space; /* NULL: it belongs to none */
	const char *name;	/* without the namespace */
	enum graph_kind kind;
	enum graph_change change;
	const struct service *service; /* GRAPH_SERVICE */
	const struct network *network; /* GRAPH_NETWORK, and NULL for an inline cidr */
	struct span span;	       /* file NULL: it is defined nowhere */
	size_t workload_count;	       /* of the inventory, that a service selects */
};

/* Ports of an edge that are open for one reason. */
struct graph_line {
	struct port_range ports;
	const struct allow *allow; /* NULL: open because nothing isolates an end */
	enum graph_change change;  /* a removed line is one of the other policy, and so is its allow */
};

struct graph_edge {
	size_t from, to; /* numbers of nodes */
	enum graph_change change;
	struct graph_line *lines;
	size_t line_count;
};

struct graph {
	struct graph_node *nodes; /* sorted by id */
	size_t node_count;
	struct graph_edge *edges; /* sorted by the ids of their ends */
	size_t edge_count;
	bool has_inventory; /* workload_count means something */
};

/* Draws `world`: every service, or with `workloads` every workload of the inventory, and the peers outside that may
 * talk with one. With `before`, which may be NULL, what only that policy has is there too and each thing is marked; a
 * service or network of another name that means the same is the same node. Everything lives in `arena`, and names what
 * the two worlds hold. */
struct graph graph_make(struct arena *arena, const struct world *world, const struct world *before, bool workloads);

#endif
