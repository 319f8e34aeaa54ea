/* Addresses of machines, as pods tell them, to nodes of an inventory.
 *
 * What pods tell fills gaps and takes nothing from anyone: an old pod that is still listed must not move an address. */
#include <ringfence/arena.h>
#include <ringfence/inventory.h>

#include <stdlib.h>
#include <string.h>

static int compare_hosts(const void *left, const void *right)
{
	const struct host *a = left, *b = right;
	int order = strcmp(a->node, b->node);
	if (order == 0)
		order = address_compare(&a->address, &b->address);
	if (order == 0)
		order = strcmp(a->span.file, b->span.file);
	if (order == 0)
		order = a->span.line < b->span.line ? -1 : a->span.line > b->span.line;
	return order;
}

/* An address and who has it first: 0 a workload or a node, then the hosts as they are sorted. */
struct claim {
	struct address address;
	size_t rank;
};

static int compare_claims(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	int order = address_compare(&a->address, &b->address);
	return order != 0 ? order : (a->rank > b->rank) - (a->rank < b->rank);
}

/* Marks the hosts, by index, that are the first to have their address. */
static bool *first_hosts(const struct inventory *inventory, struct arena *arena)
{
	struct claim *claims = NULL;
	size_t count = 0;
	for (size_t i = 0; i < inventory->workload_count; i++)
		for (size_t j = 0; j < inventory->workloads[i]->address_count; j++)
			*arena_push(arena, claims, count) = (struct claim){inventory->workloads[i]->addresses[j], 0};
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			*arena_push(arena, claims, count) = (struct claim){inventory->nodes[i]->addresses[j], 0};
	for (size_t i = 0; i < inventory->host_count; i++)
		*arena_push(arena, claims, count) = (struct claim){inventory->hosts[i].address, i + 1};
	qsort(claims, count, sizeof *claims, compare_claims);
	bool *first = arena_alloc(arena, inventory->host_count * sizeof *first);
	for (size_t i = 0; i < count; i++)
		if (claims[i].rank > 0 && (i == 0 || address_compare(&claims[i - 1].address, &claims[i].address) != 0))
			first[claims[i].rank - 1] = true;
	return first;
}

void inventory_add_hosts(struct inventory *inventory, struct arena *arena)
{
	if (inventory->host_count == 0)
		return;
	qsort(inventory->hosts, inventory->host_count, sizeof *inventory->hosts, compare_hosts);
	const bool *first = first_hosts(inventory, arena);
	const size_t named = inventory->node_count;
	struct node *node = NULL;
	for (size_t i = 0; i < inventory->host_count; i++) {
		const struct host *host = &inventory->hosts[i];
		bool known = false;
		for (size_t j = 0; j < named && first[i] && !known; j++)
			known = strcmp(inventory->nodes[j]->name, host->node) == 0;
		if (known || !first[i])
			continue;
		if (node == NULL || strcmp(node->name, host->node) != 0) {
			node = arena_alloc(arena, sizeof *node);
			*node = (struct node){.name = host->node, .told = true, .span = host->span};
			*arena_push(arena, inventory->nodes, inventory->node_count) = node;
		}
		*arena_push(arena, node->addresses, node->address_count) = host->address;
	}
}
