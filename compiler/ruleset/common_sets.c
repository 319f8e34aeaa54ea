/* The sets that every node has: who is local, whose rules hold, which address belongs where. */
#include "compiler/ruleset/lowering.h"

#include <stddef.h>
#include <string.h>

/* Of `rate`: sources that the kernel keeps count of at once, and for how long. */
enum { METER_SOURCES = 65535, METER_SECONDS_LEAST = 60 };

static struct store *add_store(struct lowering *l, const char *name, enum key_type key, enum role role)
{
	struct store *store = store_create(l->arena, name, key, role);
	*arena_push(l->arena, l->stores, l->store_count) = store;
	return store;
}

/* One of a generation. */
static struct store *add_own(struct lowering *l, const char *name, enum key_type key, enum role role)
{
	return add_store(l, own_name(l->arena, l->generation, name), key, role);
}

static void add_ends(struct lowering *l)
{
	static const struct {
		const char *names[2];
		enum key_type keys[2];
		enum role role;
		bool map;
		size_t offset;
	} forms[] = {
	    {{"local4", "local6"}, {KEY_ADDRESS4, KEY_ADDRESS6}, ROLE_END, false, offsetof(struct lowering, local)},
	    {{"self4", "self6"}, {KEY_PAIR4, KEY_PAIR6}, ROLE_SELF, false, offsetof(struct lowering, self)},
	    {{"guard4", "guard6"}, {KEY_GUARD4, KEY_GUARD6}, ROLE_GUARD, false, offsetof(struct lowering, guard)},
	    {{"egress4", "egress6"}, {KEY_ADDRESS4, KEY_ADDRESS6}, ROLE_END, true, offsetof(struct lowering, egress)},
	    {{"ingress4", "ingress6"},
	     {KEY_ADDRESS4, KEY_ADDRESS6},
	     ROLE_END,
	     true,
	     offsetof(struct lowering, ingress)},
	};
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct store **stores = (struct store **)(void *)((char *)l + forms[i].offset);
		for (size_t family = 0; family < 2; family++) {
			stores[family] = add_own(l, forms[i].names[family], forms[i].keys[family], forms[i].role);
			stores[family]->form.map = forms[i].map;
		}
	}
	l->guarded = add_own(l, "guarded", KEY_INTERFACE, ROLE_DOOR);
}

/* Addresses that the node gives to workloads, less those of nodes. */
static struct ranges pools_of(struct lowering *l, uint8_t family)
{
	const struct inventory *inventory = l->world.inventory;
	struct ranges ranges = {0};
	for (size_t i = 0; i < inventory->node_count; i++) {
		const struct node *one = inventory->nodes[i];
		if (l->node != NULL && strcmp(one->name, l->node) != 0)
			continue;
		struct ranges more = ranges_of(l->arena, one->pools, one->pool_count, NULL, 0, family);
		for (size_t j = 0; j < more.count; j++)
			*arena_push(l->arena, ranges.items, ranges.count) = more.items[j];
		for (size_t j = 0; j < one->pool_count; j++)
			if (one->pools[j].address.family == family)
				*arena_push(l->arena, l->pool_prefixes[family == 6],
					    l->pool_prefix_counts[family == 6]) = one->pools[j];
	}
	ranges_merge(&ranges);
	for (size_t i = 0; i < inventory->node_count && ranges.count > 0; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			if (inventory->nodes[i]->addresses[j].family == family)
				ranges = ranges_without(l->arena, ranges, &inventory->nodes[i]->addresses[j]);
	return ranges;
}

static void add_nodes(struct lowering *l, struct store *store, uint8_t family)
{
	const struct inventory *inventory = l->world.inventory;
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			if (inventory->nodes[i]->addresses[j].family == family)
				put_address(store_push(l->arena, store), &inventory->nodes[i]->addresses[j], NULL);
}

static void add_pools(struct lowering *l)
{
	for (size_t family = 0; family < 2; family++) {
		l->pools[family] = pools_of(l, family == 0 ? 4 : 6);
		if (l->pools[family].count == 0)
			continue;
		l->pool[family] = add_own(l, family == 0 ? "pool4" : "pool6", address_keys[family], ROLE_END);
		l->pool[family]->form.interval = true;
		for (size_t i = 0; i < l->pools[family].count; i++)
			put_box(store_push(l->arena, l->pool[family]),
				&(struct box){.addresses = l->pools[family].items[i]}, false, 0, NULL);
		l->known[family] = add_own(l, family == 0 ? "known4" : "known6", address_keys[family], ROLE_KNOWN);
		add_nodes(l, l->known[family], family == 0 ? 4 : 6);
	}
}

/* Whether the policy speaks of `world`, whose rules ask who is known. */
static bool speaks_of_world(const struct policy *policy)
{
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			if (flows->from[j].kind == PEER_WORLD)
				return true;
		for (size_t j = 0; j < flows->to_count; j++)
			if (flows->to[j].peer.kind == PEER_WORLD)
				return true;
	}
	return false;
}

/* Every known workload and node. */
static void add_inside(struct lowering *l)
{
	for (size_t family = 0; family < 2; family++) {
		l->inside[family] = add_own(l, family == 0 ? "inside4" : "inside6", address_keys[family], ROLE_INSIDE);
		add_nodes(l, l->inside[family], family == 0 ? 4 : 6);
	}
}

static bool has_store(const struct lowering *l, const char *name)
{
	for (size_t i = 0; i < l->store_count; i++)
		if (strcmp(l->stores[i]->form.name, name) == 0)
			return true;
	return false;
}

/* Of no generation, so that the next counts on where this one was. The key says the rate, too. */
static const char *meter_name(struct lowering *l, const struct allow *allow, unsigned family)
{
	uint32_t hash = 2166136261; /* FNV-1a */
	for (const char *at = allow->key; *at != 0; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619;
	const char *name = arena_printf(l->arena, "rate_%08x_%u", hash, family);
	for (unsigned i = 2; has_store(l, name); i++)
		name = arena_printf(l->arena, "rate_%08x_%u_%u", hash, family, i);
	return name;
}

static void add_meter(struct lowering *l, const struct allow *allow)
{
	struct meter *meter = arena_push(l->arena, l->meters, l->meter_count);
	meter->allow = allow;
	for (size_t family = 0; family < 2; family++) {
		const char *name = meter_name(l, allow, family == 0 ? 4 : 6);
		meter->stores[family] = add_store(l, name, address_keys[family], ROLE_SELF);
		struct set *set = &meter->stores[family]->form;
		set->dynamic = set->timeout = true;
		set->size = METER_SOURCES;
		set->forget_after =
		    2 * allow->rate.seconds > METER_SECONDS_LEAST ? 2 * allow->rate.seconds : METER_SECONDS_LEAST;
	}
}

/* What `log` and `rate` need. */
static void add_judged(struct lowering *l)
{
	const struct policy *policy = l->world.policy;
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct allow *allow = policy->allows[i];
		for (size_t family = 0; family < 2 && (allow->log || allow->rate.count > 0); family++)
			if (l->judged[family] == NULL)
				l->judged[family] =
				    add_own(l, family == 0 ? "judged4" : "judged6", address_keys[family], ROLE_END);
		if (allow->rate.count > 0)
			add_meter(l, allow);
	}
}

void common_sets(struct lowering *l)
{
	add_ends(l);
	add_pools(l);
	if (speaks_of_world(l->world.policy))
		add_inside(l);
	add_judged(l);
	host_sets(l);
}
