/* From what is in the kernel to what should be: chooses between elements in place and a new generation. */
#include <ringfence/arena.h>
#include <ringfence/reconcile.h>

/* What a reconciliation is made of. */
struct reconciling {
	struct arena *arena;
	const struct world *world;
	const char *node;
	const struct ruleset *actual; /* NULL: there is no table */
	struct plan **plan;
	struct diagnostics *diagnostics;
	struct ruleset *desired;
};

static struct lowering *lower(struct reconciling *r, struct arena *arena, uint32_t generation)
{
	struct lowering *lowering = lowering_create(r->world, r->node, generation, r->actual, r->diagnostics);
	r->desired = lowering != NULL ? lowering_ruleset(lowering, arena, true) : NULL;
	return lowering;
}

/* Within the generation that is there, where that will do; NULL where it will not. */
static struct lowering *stay(struct reconciling *r, enum change change)
{
	struct arena *trial = arena_create();
	struct lowering *lowering = lower(r, trial, r->actual->generation);
	bool settled = lowering == NULL;
	if (lowering != NULL && plan_fits_generation(r->actual, r->desired)) {
		plan_keep_sizes(r->actual, r->desired);
		lowering_keep_sizes(lowering);
		*r->plan = plan_make(trial, r->actual, r->desired);
		settled = change == CHANGE_REPAIR || (*r->plan)->count == 0;
	}
	arena_pass(trial, settled ? r->arena : NULL);
	if (settled)
		return lowering;
	lowering_destroy(lowering);
	return NULL;
}

static struct lowering *follow(struct reconciling *r, enum change change)
{
	bool none = ruleset_is_none(r->actual);
	uint32_t generation = none ? 1 : generation_next(r->actual->generation);
	struct lowering *lowering = NULL;
	if (!none && r->actual->generation > 0 && change != CHANGE_GENERATION)
		lowering = stay(r, change);
	if (lowering != NULL || (r->diagnostics != NULL && r->diagnostics->errors > 0))
		return lowering;
	lowering = lower(r, r->arena, generation);
	if (lowering != NULL)
		*r->plan = plan_make(r->arena, none ? NULL : r->actual, r->desired);
	return lowering;
}

struct lowering *reconcile_lowering(struct arena *arena, const struct world *world, const char *node,
				    const struct ruleset *actual, enum change change, struct plan **plan,
				    struct diagnostics *diagnostics)
{
	struct reconciling r = {arena, world, node, actual, plan, diagnostics, NULL};
	return follow(&r, change);
}

struct ruleset *reconcile(struct arena *arena, const struct world *world, const char *node,
			  const struct ruleset *actual, enum change change, struct plan **plan,
			  struct diagnostics *diagnostics)
{
	struct reconciling r = {arena, world, node, actual, plan, diagnostics, NULL};
	struct lowering *lowering = follow(&r, change);
	if (lowering != NULL)
		lowering_leave_to(lowering, arena);
	return r.desired;
}
