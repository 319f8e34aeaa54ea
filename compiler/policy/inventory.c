/* Look-ups in an inventory: by name, and by address. */
#include <ringfence/arena.h>
#include <ringfence/inventory.h>

#include <stdlib.h>
#include <string.h>

struct at {
	struct address address;
	const void *owner;
	bool conflict;
};

/* Arrays sorted by what they are looked up by. */
struct inventory_index {
	const struct workload **by_name;
	struct at *workload_at, *node_at;
	size_t workload_at_count, node_at_count;
};

static int compare_workloads(const void *left, const void *right)
{
	const struct workload *a = *(const struct workload *const *)left, *b = *(const struct workload *const *)right;
	int order = strcmp(a->name_space, b->name_space);
	return order != 0 ? order : strcmp(a->name, b->name);
}

static int compare_at(const void *left, const void *right)
{
	return address_compare(&((const struct at *)left)->address, &((const struct at *)right)->address);
}

/* In a conflict the workload that is not in conflict has the address. */
static int compare_owners(const void *left, const void *right)
{
	int order = compare_at(left, right);
	return order != 0 ? order : ((const struct at *)left)->conflict - ((const struct at *)right)->conflict;
}

/* Sorts, and keeps the first owner of each address. Returns how many remain. */
static size_t sort_owners(struct at *items, size_t count)
{
	size_t kept = 0;
	if (count > 1)
		qsort(items, count, sizeof *items, compare_owners);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || compare_at(&items[kept - 1], &items[i]) != 0)
			items[kept++] = items[i];
	return kept;
}

void inventory_index(struct inventory *inventory, struct arena *arena)
{
	struct inventory_index *index = arena_alloc(arena, sizeof *index);
	inventory->index = index;
	index->by_name = arena_alloc(arena, (inventory->workload_count + 1) * sizeof *index->by_name);
	for (size_t i = 0; i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		index->by_name[i] = workload;
		for (size_t j = 0; j < workload->address_count; j++)
			*arena_push(arena, index->workload_at, index->workload_at_count) =
				(struct at){workload->addresses[j], workload, workload->conflict};
	}
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			*arena_push(arena, index->node_at, index->node_at_count) =
				(struct at){inventory->nodes[i]->addresses[j], inventory->nodes[i], false};
	if (inventory->workload_count > 1)
		qsort(index->by_name, inventory->workload_count, sizeof *index->by_name, compare_workloads);
	index->workload_at_count = sort_owners(index->workload_at, index->workload_at_count);
	index->node_at_count = sort_owners(index->node_at, index->node_at_count);
}

const struct workload *inventory_workload(const struct inventory *inventory, const char *name_space, const char *name)
{
	if (inventory->workload_count == 0)
		return NULL;
	struct workload wanted = {.name_space = name_space, .name = name};
	const struct workload *key = &wanted;
	const struct workload **found = bsearch(&key, inventory->index->by_name, inventory->workload_count,
						sizeof *inventory->index->by_name, compare_workloads);
	return found != NULL ? *found : NULL;
}

static const void *find_at(const struct at *items, size_t count, const struct address *address)
{
	struct at key = {.address = *address};
	const struct at *found = count > 0 ? bsearch(&key, items, count, sizeof key, compare_at) : NULL;
	return found != NULL ? found->owner : NULL;
}

const struct workload *inventory_at(const struct inventory *inventory, const struct address *address)
{
	return find_at(inventory->index->workload_at, inventory->index->workload_at_count, address);
}

const struct node *inventory_node_at(const struct inventory *inventory, const struct address *address)
{
	return find_at(inventory->index->node_at, inventory->index->node_at_count, address);
}

const struct name_space *inventory_namespace(const struct inventory *inventory, const char *name)
{
	for (size_t i = 0; i < inventory->namespace_count; i++)
		if (strcmp(inventory->namespaces[i]->name, name) == 0)
			return inventory->namespaces[i];
	return NULL;
}

const struct node *inventory_node(const struct inventory *inventory, const char *name)
{
	for (size_t i = 0; i < inventory->node_count; i++)
		if (strcmp(inventory->nodes[i]->name, name) == 0)
			return inventory->nodes[i];
	return NULL;
}

bool inventory_in_pool(const struct inventory *inventory, const struct address *address)
{
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->pool_count; j++)
			if (prefix_contains(&inventory->nodes[i]->pools[j], address))
				return true;
	return false;
}
