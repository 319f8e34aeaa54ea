/* Who may reach whom: candidates from the allows, each asked of the verdict function. */
#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdlib.h>
#include <string.h>

struct party {
	const char *name;
	struct endpoint end;
	const struct network *network; /* the party is this network */
};

struct parties {
	struct party *items;
	size_t count;
};

static void add(struct arena *arena, struct parties *parties, const char *name, struct endpoint end,
		const struct network *network)
{
	*arena_push(arena, parties->items, parties->count) = (struct party){name, end, network};
}

static struct parties list_parties(struct arena *arena, const struct world *world, bool workloads)
{
	static const struct {
		const char *name;
		enum peer_kind kind;
	} built_in[] = {{"any", PEER_ANY}, {"node", PEER_NODE}};
	const struct policy *policy = world->policy;
	struct parties parties = {0};
	for (size_t i = 0; !workloads && i < policy->service_count; i++)
		add(arena, &parties,
		    arena_printf(arena, "%s/%s", policy->services[i]->name_space, policy->services[i]->name),
		    endpoint_of_service(arena, policy->services[i]), NULL);
	for (size_t i = 0; workloads && i < world->inventory->workload_count; i++) {
		const struct workload *workload = world->inventory->workloads[i];
		struct endpoint end = {.workload = workload};
		if (workload->address_count > 0) {
			end.has_address = true;
			end.address = workload->addresses[0];
		}
		add(arena, &parties, arena_printf(arena, "%s/%s", workload->name_space, workload->name), end, NULL);
	}
	for (size_t i = 0; i < policy->network_count; i++) {
		const struct network *network = policy->networks[i];
		struct endpoint end = {.has_address = true, .address = network->cidrs[0].address};
		add(arena, &parties, arena_printf(arena, "%s/%s", network->name_space, network->name), end, network);
	}
	for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
		add(arena, &parties, built_in[i].name, (struct endpoint){.stands_for = built_in[i].kind}, NULL);
	return parties;
}

/* A network as a whole matches a peer only where the peer is that network, or any. */
static bool matches(const struct world *world, const struct peer *peer, const struct party *party,
		    const struct party *other)
{
	if (party->network == NULL)
		return peer_matches(world, peer, &party->end, &other->end);
	return peer->kind == PEER_ANY || (peer->kind == PEER_NETWORK && peer->network == party->network);
}

static void add_ports(struct arena *arena, struct reach *reach, const struct world *world, const struct party *from,
		      const struct party *to, const struct allow *allow, const struct target *target)
{
	for (size_t i = 0; i < target->port_count; i++) {
		struct port_range ports = target->ports[i];
		uint16_t protocol = ports.protocol == PROTOCOL_ANY ? PROTOCOL_TCP : ports.protocol;
		struct flow flow = {from->end, to->end, protocol, ports.first};
		if (from->network == NULL && to->network == NULL && !verdict_of(world, &flow).allowed)
			continue;
		*arena_push(arena, reach->items, reach->count) = (struct reachable){from->name, to->name, ports, allow};
	}
}

static void add_allow(struct arena *arena, struct reach *reach, const struct world *world,
		      const struct parties *parties, const struct allow *allow)
{
	for (size_t i = 0; i < parties->count; i++) {
		const struct party *from = &parties->items[i];
		for (size_t j = 0; j < parties->count; j++) {
			const struct party *to = &parties->items[j];
			if (i == j || (from->end.workload == NULL && to->end.workload == NULL))
				continue;
			bool matched = false;
			for (size_t k = 0; k < allow->flows.from_count && !matched; k++)
				matched = matches(world, &allow->flows.from[k], from, to);
			for (size_t k = 0; matched && k < allow->flows.to_count; k++)
				if (matches(world, &allow->flows.to[k].peer, to, from))
					add_ports(arena, reach, world, from, to, allow, &allow->flows.to[k]);
		}
	}
}

/* Pairs of workloads of which neither end is isolated talk on any port. */
static void add_open(struct arena *arena, struct reach *reach, const struct world *world, const struct parties *parties)
{
	const struct isolation *by;
	for (size_t i = 0; i < parties->count; i++)
		for (size_t j = 0; j < parties->count; j++) {
			const struct workload *a = parties->items[i].end.workload, *b = parties->items[j].end.workload;
			if (i == j || a == NULL || b == NULL || a->conflict || b->conflict ||
			    workload_isolated(world, a, EGRESS, &by) || workload_isolated(world, b, INGRESS, &by))
				continue;
			*arena_push(arena, reach->items, reach->count) = (struct reachable){
			    parties->items[i].name, parties->items[j].name, {PROTOCOL_ANY, 0, 65535}, NULL};
		}
}

static int compare(const void *left, const void *right)
{
	const struct reachable *a = left, *b = right;
	int order = strcmp(a->from, b->from);
	if (order == 0)
		order = strcmp(a->to, b->to);
	if (order == 0)
		order = a->ports.protocol - b->ports.protocol;
	if (order == 0)
		order = a->ports.first - b->ports.first;
	return order != 0 ? order : a->ports.last - b->ports.last;
}

struct reach reach_list(struct arena *arena, const struct world *world, bool workloads)
{
	struct reach reach = {0};
	struct parties parties = list_parties(arena, world, workloads);
	for (size_t i = 0; i < world->policy->allow_count; i++) {
		const struct allow *allow = world->policy->allows[i];
		if (allow->until == 0 || allow->until > world->at)
			add_allow(arena, &reach, world, &parties, allow);
	}
	if (workloads)
		add_open(arena, &reach, world, &parties);
	if (reach.count > 1)
		qsort(reach.items, reach.count, sizeof *reach.items, compare);
	size_t kept = 0;
	for (size_t i = 0; i < reach.count; i++)
		if (kept == 0 || compare(&reach.items[kept - 1], &reach.items[i]) != 0)
			reach.items[kept++] = reach.items[i];
	reach.count = kept;
	return reach;
}
