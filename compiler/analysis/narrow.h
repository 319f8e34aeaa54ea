/* A smaller policy for flows between known ends: of a large one only few statements can decide them, and verdict_of
 * asks each that it is given. */
#ifndef COMPILER_ANALYSIS_NARROW_H
#define COMPILER_ANALYSIS_NARROW_H

#include <ringfence/explain.h>

#include <stdint.h>

struct arena;
struct narrowing;

/* What may have to do with some ends as sources, or as destinations: a bit for each statement of the policy. */
struct involved {
	uint64_t *allows;     /* that may speak of one of them, and are alive */
	uint64_t *isolations; /* that select one of them */
};

/* A world of only what two sets of ends involve. */
struct narrow {
	struct world world;
	struct policy policy;
};

/* Prepares look-ups in `world`, which must not change; lives in `arena`. */
struct narrowing *narrowing_create(struct arena *arena, const struct world *world);

/* What `ends` involve as sources (EGRESS) or destinations (INGRESS); the bits live in `arena`. */
struct involved narrowing_involve(const struct narrowing *narrowing, struct arena *arena, const struct endpoints *ends,
				  enum direction direction);

/* A world with room for any of its parts, to be filled again and again; lives in `arena`. */
struct narrow *narrow_create(struct arena *arena, const struct narrowing *narrowing);

/* Fills `narrow`: a flow from one of the sources to one of the destinations has the verdict there that it has in the
 * whole world, statements included. */
void narrow_to(struct narrow *narrow, const struct narrowing *narrowing, const struct involved *sources,
	       const struct involved *destinations);

#endif
