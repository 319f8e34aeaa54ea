/* Look-ups in an inventory: by name, and by address. */
#include <ringfence/arena.h>
#include <ringfence/inventory.h>

#include <stdlib.h>
#include <string.h>

struct node_place {
	struct address address;
	const struct node *node;
};

/* Arrays sorted by what they are looked up by. */
struct inventory_index {
	const struct workload **by_name;
	struct place *places;
	size_t place_count;
	struct node_place *nodes;
	size_t node_count;
	bool address_twice;
};

static int compare_workloads(const void *left, const void *right)
{
	const struct workload *a = *(const struct workload *const *)left, *b = *(const struct workload *const *)right;
	int order = strcmp(a->name_space, b->name_space);
	return order != 0 ? order : strcmp(a->name, b->name);
}

/* In a conflict the workload that is not in conflict has the address. */
static int compare_places(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	int order = address_compare(&a->address, &b->address);
	return order != 0 ? order : a->workload->conflict - b->workload->conflict;
}

static int compare_node_places(const void *left, const void *right)
{
	return address_compare(&((const struct node_place *)left)->address,
			       &((const struct node_place *)right)->address);
}

static void index_places(struct inventory *inventory, struct arena *arena)
{
	struct inventory_index *index = inventory->index;
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < inventory->workload_count; i++)
		count += inventory->workloads[i]->address_count;
	index->places = arena_alloc(arena, (count + 1) * sizeof *index->places);
	count = 0;
	for (size_t i = 0; i < inventory->workload_count; i++)
		for (size_t j = 0; j < inventory->workloads[i]->address_count; j++) {
			const struct address *address = &inventory->workloads[i]->addresses[j];
			if (inventory_node_at(inventory, address) != NULL)
				index->address_twice = true; /* a node's address stays the node's */
			else
				index->places[count++] = (struct place){*address, inventory->workloads[i]};
		}
	if (count > 1)
		qsort(index->places, count, sizeof *index->places, compare_places);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || address_compare(&index->places[kept - 1].address, &index->places[i].address) != 0)
			index->places[kept++] = index->places[i];
		else if (index->places[kept - 1].workload != index->places[i].workload)
			index->address_twice = true;
	}
	index->place_count = kept;
}

void inventory_index(struct inventory *inventory, struct arena *arena)
{
	struct inventory_index *index = arena_alloc(arena, sizeof *index);
	inventory->index = index;
	index->by_name = arena_alloc(arena, (inventory->workload_count + 1) * sizeof *index->by_name);
	for (size_t i = 0; i < inventory->workload_count; i++)
		index->by_name[i] = inventory->workloads[i];
	if (inventory->workload_count > 1)
		qsort(index->by_name, inventory->workload_count, sizeof *index->by_name, compare_workloads);
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			*arena_push(arena, index->nodes, index->node_count) =
			    (struct node_place){inventory->nodes[i]->addresses[j], inventory->nodes[i]};
	if (index->node_count > 1)
		qsort(index->nodes, index->node_count, sizeof *index->nodes, compare_node_places);
	index_places(inventory, arena);
}

bool inventory_has_conflicts(const struct inventory *inventory)
{
	const struct inventory_index *index = inventory->index;
	bool conflict = index->address_twice;
	for (size_t i = 1; i < inventory->workload_count && !conflict; i++)
		conflict = compare_workloads(&index->by_name[i - 1], &index->by_name[i]) == 0;
	return conflict;
}

const struct place *inventory_places(const struct inventory *inventory, size_t *count)
{
	*count = inventory->index->place_count;
	return inventory->index->places;
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

static int compare_address_places(const void *address, const void *place)
{
	return address_compare(address, &((const struct place *)place)->address);
}

static int compare_address_nodes(const void *address, const void *place)
{
	return address_compare(address, &((const struct node_place *)place)->address);
}

const struct workload *inventory_at(const struct inventory *inventory, const struct address *address)
{
	const struct inventory_index *index = inventory->index;
	const struct place *place = index->place_count == 0 ? NULL
							    : bsearch(address, index->places, index->place_count,
								      sizeof *index->places, compare_address_places);
	return place != NULL ? place->workload : NULL;
}

const struct node *inventory_node_at(const struct inventory *inventory, const struct address *address)
{
	const struct inventory_index *index = inventory->index;
	const struct node_place *place = index->node_count == 0 ? NULL
								: bsearch(address, index->nodes, index->node_count,
									  sizeof *index->nodes, compare_address_nodes);
	return place != NULL ? place->node : NULL;
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
