/* Networks to pools. Of other drivers than `bridge` either the addresses are not this host's to give (macvlan, ipvlan:
 * those of the network outside; overlay: of many hosts), or the packets meet no hook here. */
#include "enforcer/sources/docker_networks.h"

#include "enforcer/sources/docker_json.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* A bridge whose gateway is somebody else has this option. */
static bool has_own_gateway(const json_t *network)
{
	const char *inhibited =
	    docker_text(json_object_get(network, "Options"), "com.docker.network.bridge.inhibit_ipv4");
	return inhibited == NULL || strcmp(inhibited, "true") != 0;
}

/* Returns what is wrong with it, or NULL. */
static const char *take_subnet(struct arena *arena, const json_t *network, const json_t *config, struct node *node)
{
	const char *subnet = docker_text(config, "Subnet"), *gateway = docker_text(config, "Gateway");
	struct prefix pool;
	struct address address;
	if (subnet == NULL || prefix_parse_masked(&pool, subnet) != NULL || pool.length == 0)
		return "its subnet is none";
	*arena_push(arena, node->pools, node->pool_count) = pool;
	if (gateway == NULL || gateway[0] == 0 || !has_own_gateway(network))
		return NULL;
	if (!docker_address(&address, gateway) || !prefix_contains(&pool, &address))
		return "its gateway is no address of it";
	*arena_push(arena, node->addresses, node->address_count) = address;
	return NULL;
}

static void take_network(struct arena *arena, const json_t *network, struct node *node,
			 struct docker_networks *networks)
{
	const json_t *configs = json_object_get(json_object_get(network, "IPAM"), "Config");
	const char *name = docker_text(network, "Name"), *driver = docker_text(network, "Driver");
	size_t at;
	json_t *config;
	if (driver == NULL || strcmp(driver, "bridge") != 0)
		return;
	json_array_foreach((json_t *)configs, at, config)
	{
		const char *wrong = take_subnet(arena, network, config, node);
		if (wrong != NULL)
			*arena_push(arena, networks->why, networks->why_count) =
			    arena_printf(arena, "network %s: %s",
					 name != NULL ? docker_shown(arena, name) : "without a name", wrong);
	}
}

static int compare_addresses(const void *left, const void *right)
{
	return address_compare(left, right);
}

static int compare_pools(const void *left, const void *right)
{
	const struct prefix *a = left, *b = right;
	int order = address_compare(&a->address, &b->address);
	return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* Another order of the list is no other network. */
static void sort(struct node *node)
{
	if (node->pool_count > 1)
		qsort(node->pools, node->pool_count, sizeof *node->pools, compare_pools);
	if (node->address_count > 1)
		qsort(node->addresses, node->address_count, sizeof *node->addresses, compare_addresses);
}

bool docker_networks_read(struct arena *arena, const json_t *list, const char *node_name,
			  struct docker_networks *networks)
{
	struct node *node = arena_alloc(arena, sizeof *node);
	size_t at;
	json_t *network;
	*networks = (struct docker_networks){0};
	if (json_array_size(list) == 0 || json_array_size(list) > DOCKER_NETWORKS_MOST)
		return false;
	node->name = node_name;
	json_array_foreach((json_t *)list, at, network) take_network(arena, network, node, networks);
	sort(node);
	*arena_push(arena, networks->inventory.nodes, networks->inventory.node_count) = node;
	return true;
}
