/* The node speaks to its pods from a bridge's or a tunnel's address, which lies in the network that it gives to pods:
 * to everybody else one that no pod has, and so closed. */
#include "enforcer/sources/kubernetes_node.h"

#include <ringfence/arena.h>

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
	return address_compare(left, right);
}

/* Returns false for what is no address of IP. */
static bool take(struct address *address, const struct sockaddr *from)
{
	*address = (struct address){0};
	if (from != NULL && from->sa_family == AF_INET) {
		address->family = 4;
		memcpy(address->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
	} else if (from != NULL && from->sa_family == AF_INET6) {
		address->family = 6;
		memcpy(address->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
	}
	return address->family != 0;
}

struct node_addresses node_addresses_read(struct arena *arena, const struct node *node)
{
	struct node_addresses own = {0};
	struct ifaddrs *all = NULL;
	if (node->pool_count == 0 || getifaddrs(&all) != 0)
		return own;
	for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
		struct address address;
		bool within = false;
		if (!take(&address, at->ifa_addr))
			continue;
		for (size_t i = 0; i < node->pool_count && !within; i++)
			within = prefix_contains(&node->pools[i], &address);
		for (size_t i = 0; i < own.count && within; i++) /* each port of a pod may have the same */
			within = address_compare(&own.items[i], &address) != 0;
		if (within)
			*arena_push(arena, own.items, own.count) = address;
	}
	freeifaddrs(all);
	if (own.count > 1)
		qsort(own.items, own.count, sizeof *own.items, compare);
	return own;
}

void node_addresses_keep(struct node_addresses *kept, const struct node_addresses *addresses)
{
	free(kept->items);
	*kept = (struct node_addresses){calloc(addresses->count + 1, sizeof *kept->items), addresses->count};
	if (kept->items == NULL)
		abort();
	if (addresses->count > 0)
		memcpy(kept->items, addresses->items, addresses->count * sizeof *kept->items);
}

bool node_addresses_are_same(const struct node_addresses *a, const struct node_addresses *b)
{
	bool same = a->count == b->count;
	for (size_t i = 0; same && i < a->count; i++)
		same = address_compare(&a->items[i], &b->items[i]) == 0;
	return same;
}
