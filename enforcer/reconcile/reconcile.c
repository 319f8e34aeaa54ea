/* From what is in the kernel to what should be: chooses between elements in place and a new generation. */
#include <ringfence/reconcile.h>

struct ruleset *reconcile(struct arena *arena, const struct world *world, const char *node,
			  const struct ruleset *actual, enum change change, struct plan **plan,
			  struct diagnostics *diagnostics)
{
	uint32_t generation = actual != NULL && actual->generation > 0 ? actual->generation : 1;
	struct ruleset *desired = ruleset_lower(arena, world, node, generation, diagnostics);
	if (desired == NULL)
		return NULL;
	if (actual == NULL || actual->generation == 0)
		actual = actual != NULL && actual->chain_count + actual->set_count > 0 ? actual : NULL;
	if (actual == NULL) {
		*plan = plan_make(arena, NULL, desired);
		return desired;
	}
	if (plan_fits_generation(actual, desired)) {
		plan_keep_sizes(actual, desired);
		*plan = plan_make(arena, actual, desired);
		bool in_place = change == CHANGE_REPAIR || (change == CHANGE_ONE_WORKLOAD && desired->elementwise);
		if (in_place || (*plan)->count == 0)
			return desired;
	}
	desired = ruleset_lower(arena, world, node, generation_next(generation), diagnostics);
	if (desired == NULL)
		return NULL;
	*plan = plan_make(arena, actual, desired);
	return desired;
}
