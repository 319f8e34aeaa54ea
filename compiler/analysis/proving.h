/* What the two halves of the proof share: invariants.c compares statements, exposure.c asks about the inventory. */
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

/* The place of a statement as FILE:LINE. */
const char *span_text(struct arena *arena, const struct span *span);

/* Asks the verdict function about the workloads at hand. */
void exposure_search(struct proving *proving, const struct never *never);

#endif
