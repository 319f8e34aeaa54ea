/* The blast radius of an end: what a breach of it, then of what it reaches, and so on, can reach. From verdict_of.
 *
 * A breach goes on from workloads. The world, networks and nodes are reached, and it ends there. A workload that is in
 * two services may do what either may, so a breach of one service goes on with what the other is allowed. */
#ifndef RINGFENCE_BLAST_H
#define RINGFENCE_BLAST_H

#include <ringfence/explain.h>

struct arena;

/* One end to the next, with all ports that are open and all statements that open them. */
struct hop {
	const char *from, *to;
	struct port_range *ports; /* merged, in order */
	size_t port_count;
	struct span *statements; /* by file and line; none: nothing isolates either end */
	size_t statement_count;
};

enum reached_kind { REACHED_SERVICE, REACHED_WORKLOAD, REACHED_OUTSIDE };

struct reached {
	enum reached_kind kind;
	const char *name;
	size_t workloads; /* of the inventory, that are reached under this name */
	const struct hop **path;
	size_t hop_count; /* 0: a service that has a workload in common with what is breached */
};

struct blast {
	bool by_workloads;     /* and not by services */
	struct reached *items; /* by number of hops, then name */
	size_t count;
	size_t services, workloads, others; /* reached; workloads are counted with an inventory, others are outside */
	size_t depth;			    /* hops of the longest path */
};

/* Finds what a breach of `from`, which `word` names, can reach. Ends are services, and workloads that no service
 * selects, or with `workloads` those of the inventory. A service that no workload of the inventory carries is reached
 * and goes on as one that could exist, but not with `workloads`. All in `arena`. */
struct blast blast_find(struct arena *arena, const struct world *world, const struct endpoints *from, const char *word,
			bool workloads);

/* A service from which a breach reaches more services than it may. */
struct radius {
	const struct service *service;
	size_t services;		/* that it reaches, itself left out */
	const struct reached *furthest; /* an example: a longest path */
};

struct radii {
	struct radius *items; /* in the order of the policy */
	size_t count;
	size_t largest; /* of any service */
};

/* Finds the services with a blast radius of more than `most` services. All in `arena`. */
struct radii radii_find(struct arena *arena, const struct world *world, size_t most);

#endif
