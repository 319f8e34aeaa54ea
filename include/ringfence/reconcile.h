/* From what is in the kernel to what should be: lower, plan, apply. */
#ifndef RINGFENCE_RECONCILE_H
#define RINGFENCE_RECONCILE_H

#include <ringfence/plan.h>

/* How a change may be made. */
enum change {
	CHANGE_ONE_WORKLOAD, /* in place where it fits: one key changes at a time, so no packet meets a mix */
	CHANGE_ANY,	     /* as a new generation, unless nothing differs */
	CHANGE_REPAIR,	     /* in place where it fits: what differs is damage, and the sooner it is gone the better */
};

/* Lowers `world` for `node` so that it can follow `actual` (may be NULL), and returns it; `*plan` is what to apply,
 * empty when nothing differs. All in `arena`; the plan also points into `actual`. NULL, with an error in `diagnostics`,
 * when the ruleset would be too large. */
struct ruleset *reconcile(struct arena *arena, const struct world *world, const char *node,
			  const struct ruleset *actual, enum change change, struct plan **plan,
			  struct diagnostics *diagnostics);

#endif
