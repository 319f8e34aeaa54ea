/* What the parts of the proof share: invariants.c compares statements, host_neighbours.c pairs of them, exposure.c asks
 * about the inventory. */
#ifndef COMPILER_ANALYSIS_PROVING_H
#define COMPILER_ANALYSIS_PROVING_H

#include "compiler/analysis/meet.h"

#include <ringfence/invariants.h>

struct proving {
	struct arena *arena;
	const struct world *world;
	struct samples samples;
	struct meeting_place place;
	struct proof proof;
	struct exposure *exposure; /* made when it is first needed */
};

/* Adds a way in which a never is broken; NULL when enough are named of it, or this one is already. */
struct broken *proving_add(struct proving *proving, const struct never *never, const struct allow *egress,
			   const struct allow *ingress);

/* Fills the example of `broken` from where two statements meet. */
void proving_describe(const struct proving *proving, struct broken *broken, const struct meeting *from,
		      struct meeting *to, const struct common_ports *ports);

/* Where unmatched workloads are open, anything that nothing isolates may be what a never speaks of. Where
 * NetworkPolicies leave them open without a word, as Kubernetes does, that is for the inventory at hand to show. */
bool proving_leaves_open(const struct policy *policy);

/* Whether an end that `peer` speaks of could be free in a direction: an end that is no workload, or one that nothing
 * isolates. */
bool proving_free_end(struct proving *proving, const struct peer *peer, enum part part, enum direction direction,
		      struct meeting *meeting);

/* What opens a never between two host workloads of one node. */
void prove_neighbours(struct proving *proving, const struct never *never);

/* The place of a statement as FILE:LINE. */
const char *span_text(struct arena *arena, const struct span *span);

/* Asks the verdict function about the workloads at hand. */
void exposure_search(struct proving *proving, const struct never *never);

#endif
