/* From what is in the kernel to what should be: lower, and plan. */
#ifndef RINGFENCE_RECONCILE_H
#define RINGFENCE_RECONCILE_H

#include <ringfence/lowering.h>

/* How a change may be made. */
enum change {
	CHANGE_ANY,	   /* as a new generation, unless nothing differs */
	CHANGE_GENERATION, /* as a new generation in any case: `actual` needs no elements */
	CHANGE_REPAIR,	   /* in place where it fits: what differs is damage, and the sooner it is gone the better */
};

/* Lowers `world` for `node` so that it can follow `actual` (may be NULL), and returns the lowering, which the caller
 * ends; `*plan`, in `arena`, is what to apply, empty when nothing differs. It points into `actual` and the lowering,
 * until the next change of that. NULL, with an error in `diagnostics`, when the ruleset would be too large. */
struct lowering *reconcile_lowering(struct arena *arena, const struct world *world, const char *node,
				    const struct ruleset *actual, enum change change, struct plan **plan,
				    struct diagnostics *diagnostics);

/* The same from one policy to another, or as time passes: `enforced` is what the kernel holds, and no workload, node or
 * namespace has changed since. What stays is known by what it says, so nothing is read back. NULL where packets could
 * meet half of the change, or sets should be shared now that were not: then another generation is due. */
struct lowering *reconcile_policy(struct arena *arena, struct lowering *enforced, const struct world *world,
				  const char *node, struct plan **plan);

/* The same where no workload will come or go: returns the whole ruleset, in `arena`. */
struct ruleset *reconcile(struct arena *arena, const struct world *world, const char *node,
			  const struct ruleset *actual, enum change change, struct plan **plan,
			  struct diagnostics *diagnostics);

#endif
