/* A lowering: the ruleset of a node as it follows from a policy, kept so that one workload can come, go or change at
 * the cost of its own elements.
 *
 * Made of a world, it holds the chains and sets, and for each workload knows which elements are due to it; it does not
 * hold those, but can fill them in. All that depends on the policy, on nodes and on namespaces is fixed: when these
 * change, or time passes an `until`, another lowering is made. */
#ifndef RINGFENCE_LOWERING_H
#define RINGFENCE_LOWERING_H

#include <ringfence/plan.h>

struct lowering;

/* Lowers `world` for `node` (NULL: every workload is local) as generation `generation`. Policy, inventory and `node`
 * must outlive the lowering; the caller ends it with lowering_destroy. Where sets are shared is chosen by sizes; where
 * `like` (may be NULL) is of the same generation, as there. NULL, with an error in `diagnostics`, when the ruleset
 * would have more than RULESET_ELEMENTS_MAX elements. */
struct lowering *lowering_create(const struct world *world, const char *node, uint32_t generation,
				 const struct ruleset *like, struct diagnostics *diagnostics);
void lowering_destroy(struct lowering *lowering); /* NULL is allowed */

/* Ends it as well, but a ruleset that was borrowed from it lives on with `arena`. */
void lowering_leave_to(struct lowering *lowering, struct arena *arena);

/* The number of its generation, whether another would have more shared sets, and how many elements its sets have. */
uint32_t lowering_generation(const struct lowering *lowering);
bool lowering_is_outgrown(const struct lowering *lowering);
size_t lowering_elements(const struct lowering *lowering);

/* What a pass of the compiler chose for something, and why, in words. */
struct choice {
	const char *pass, *subject, *chosen, *why;
};

/* What the rules and sets of a class of workloads say, in one direction. */
struct class_meaning {
	const char *text; /* equal for equal classes; borrowed from the lowering until the next change of it */
	enum direction direction;
	bool even; /* what it lets pass, or not, between two workloads, the class of the other does as well */
};

/* Finds the class of a chain; false where the chain is of none. */
bool lowering_class(const struct lowering *lowering, const char *chain, struct class_meaning *meaning);

/* Everything that was chosen, pass by pass; in `arena`, and borrowed from the lowering. */
const struct choice *lowering_choices(const struct lowering *lowering, struct arena *arena, size_t *count);

/* Its chains and sets, in `arena` and borrowed from the lowering until the next change of it; with all elements, or
 * with none, where the sets only tell their sizes. */
struct ruleset *lowering_ruleset(struct lowering *lowering, struct arena *arena, bool elements);

/* Takes over the sizes of the sets in the ruleset that it gave last, with elements: those of the kernel's sets. */
void lowering_keep_sizes(struct lowering *lowering);

/* A workload goes from the inventory, or comes; it is known again by the pointer of its name. Call lowering_leave for
 * every one that changes, as it was, and then lowering_enter for every one as it is in the inventory by now; a change
 * of conflicts concerns everyone whose conflict begins or ends, or who is in conflict and gets or loses an address by
 * it (inventory_at). Then call lowering_finish once. */
void lowering_leave(struct lowering *lowering, const struct workload *workload);
void lowering_enter(struct lowering *lowering, const struct workload *workload);

/* Ends a change: returns what to apply, in `arena`, so that no packet meets half of it (dataplane.md, "What atomic
 * takes"); it points into the lowering until the next change of it. NULL where that cannot be done element by element,
 * or a set would be too full: then another generation is due. The lowering has changed in either case.
 *
 * Element by element go: one workload that comes, goes, or changes and keeps its addresses; several that come, or that
 * go; and any that have no rules here. So a workload that moves is better taken as one that goes and one that comes. */
struct plan *lowering_finish(struct lowering *lowering, struct arena *arena);

/* Rules that no workload has any more stay, so that the next one is a matter of elements; only the latest few. This is
 * for a timer, between changes: returns a plan, in `arena`, that deletes those which were there at the call before,
 * too, so that no packet is on its way to them. */
struct plan *lowering_sweep(struct lowering *lowering, struct arena *arena);

#endif
