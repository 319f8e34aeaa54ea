/* Classes that have lost their last workload: they stay for a while.
 *
 * Where a workload of the class comes back, or another takes its place, this is a matter of elements then. And the
 * kernel takes the rules of a chain away at once: a packet that was sent there just before must have arrived. */
#include "compiler/ruleset/lowering.h"

#include <utlist.h>

enum { EMPTY_MOST = 64 /* classes: a hostile source of workloads must not fill the kernel with them */ };

void class_empty(struct lowering *l, struct class *class)
{
	class->empty = true;
	class->swept = false;
	l->empty_count++;
	DL_APPEND2(l->empties, class, previous_empty, next_empty);
}

void class_revive(struct lowering *l, struct class *class)
{
	class->empty = false;
	l->empty_count--;
	DL_DELETE2(l->empties, class, previous_empty, next_empty);
}

static void delete_class(struct lowering *l, struct transaction *transaction, struct class *class)
{
	operation_add(l, transaction, OPERATION_FLUSH_CHAIN, class->chain->name);
	for (size_t i = 0; i < class->group_count; i++) {
		if (class->groups[i].peers != NULL)
			continue;
		l->element_count -= class->groups[i].store->count;
		operation_add(l, transaction, OPERATION_DELETE_SET, class->groups[i].store->form.name);
	}
	operation_add(l, transaction, OPERATION_DELETE_CHAIN, class->chain->name);
	counters_leave(l, class);
	class_revive(l, class);
	groups_forget(l, class);
	class_free(l, class);
}

/* Shared sets that no class uses any more; no rule names them by then. */
static void delete_shared(struct lowering *l, struct transaction *transaction)
{
	struct peer_set *set, *next;
	HASH_ITER(hh, l->peer_sets, set, next)
	{
		if (set->users > 0)
			continue;
		for (size_t family = 0; family < 2; family++) {
			l->element_count -= set->stores[family]->count;
			operation_add(l, transaction, OPERATION_DELETE_SET, set->stores[family]->form.name);
		}
		sharing_forget(l, set);
	}
}

void empties_limit(struct lowering *l, struct transaction *transaction)
{
	transaction->settled = l->empty_count > EMPTY_MOST; /* some may have been emptied just now */
	while (l->empty_count > EMPTY_MOST)
		delete_class(l, transaction, l->empties);
	delete_shared(l, transaction);
}

struct plan *lowering_sweep(struct lowering *l, struct arena *arena)
{
	struct plan *plan = arena_alloc(arena, sizeof *plan);
	struct class *class, *next;
	change_begin(l);
	DL_FOREACH_SAFE2(l->empties, class, next, next_empty)
	{
		if (class->swept)
			delete_class(l, &plan->transactions[0], class);
		else
			class->swept = true;
	}
	delete_shared(l, &plan->transactions[0]);
	counters_sweep(l, &plan->transactions[0]);
	plan->count = plan->transactions[0].count > 0;
	arena_pass(l->scratch, arena);
	l->scratch = NULL;
	return plan;
}
