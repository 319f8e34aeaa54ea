/* See follow.h. */
#include "tests/unit/follow.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_workload(const struct workload *a, const struct workload *b)
{
	bool same = a->labels.count == b->labels.count && a->address_count == b->address_count &&
		    a->port_count == b->port_count && a->conflict == b->conflict && a->quarantine == b->quarantine &&
		    a->interface_count == b->interface_count && same_text(a->node, b->node);
	for (size_t i = 0; same && i < a->interface_count; i++)
		same = strcmp(a->interfaces[i], b->interfaces[i]) == 0;
	for (size_t i = 0; same && i < a->labels.count; i++)
		same = strcmp(a->labels.items[i].key, b->labels.items[i].key) == 0 &&
		       strcmp(a->labels.items[i].value, b->labels.items[i].value) == 0;
	for (size_t i = 0; same && i < a->address_count; i++)
		same = address_compare(&a->addresses[i], &b->addresses[i]) == 0;
	for (size_t i = 0; same && i < a->port_count; i++)
		same = strcmp(a->ports[i].name, b->ports[i].name) == 0 &&
		       memcmp(&a->ports[i].port, &b->ports[i].port, sizeof a->ports[i].port) == 0;
	return same;
}

static bool holds(const struct inventory *inventory, const struct workload *workload)
{
	const struct workload *there = inventory_workload(inventory, workload->name_space, workload->name);
	return there != NULL && same_workload(there, workload);
}

struct plan *follow_inventory(struct lowering *lowering, struct inventory *live, const struct inventory *next,
			      struct arena *arena)
{
	const struct inventory before = *live;
	for (size_t i = 0; i < before.workload_count; i++)
		if (!holds(next, before.workloads[i]))
			lowering_leave(lowering, before.workloads[i]);
	*live = *next;
	for (size_t i = 0; i < next->workload_count; i++)
		if (!holds(&before, next->workloads[i]))
			lowering_enter(lowering, next->workloads[i]);
	return lowering_finish(lowering, arena);
}
