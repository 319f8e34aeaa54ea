/* What holds for each end of the graph in hops.h: which allows may speak of it, and whether it is open without one. */
#include "compiler/analysis/hops.h"

#include <ringfence/arena.h>

#include <stdlib.h>

/* Whether a peer may match an end; of a node only the peer's kind tells, and the flow is asked for. */
static bool may_match(const struct world *world, const struct peer *peer, const struct hop_end *end)
{
	bool is_node = end->kind == HOP_OWN_NODE || end->kind == HOP_OTHER_NODE;
	if (is_node || (peer->kind == PEER_NODE && end->kind == HOP_OUTSIDE))
		return peer->kind != PEER_SERVICE && peer->kind != PEER_LABELS && peer->kind != PEER_CLUSTER;
	for (size_t i = 0; peer->kind == PEER_SERVICE && i < end->service_count; i++)
		if (end->services[i] == peer->service)
			return true;
	for (size_t i = 0; peer->kind != PEER_SERVICE && i < end->at.count; i++)
		if (peer_may_match(world, peer, &end->at.items[i]))
			return true;
	return false;
}

static bool speaks(const struct hops *hops, const struct allow *allow, const struct hop_end *end,
		   enum direction direction, bool services_too)
{
	const struct flows *flows = &allow->flows;
	size_t count = direction == EGRESS ? flows->from_count : flows->to_count;
	for (size_t i = 0; i < count; i++) {
		const struct peer *peer = direction == EGRESS ? &flows->from[i] : &flows->to[i].peer;
		if ((services_too || peer->kind != PEER_SERVICE) && may_match(hops->world, peer, end))
			return true;
	}
	return false;
}

static void make_speaks(const struct hops *hops, struct hop_end *end)
{
	size_t words = hops->world->policy->allow_count / 64 + 1;
	for (int i = EGRESS; i <= INGRESS; i++)
		end->speaks[i] = arena_alloc(hops->arena, words * sizeof(uint64_t));
}

/* A service and an end that is of it. */
struct carrier {
	const struct service *service;
	struct hop_end *end;
};

struct carriers {
	struct carrier *items; /* sorted by service */
	size_t count;
};

static int compare_carriers(const void *left, const void *right)
{
	uintptr_t a = (uintptr_t)((const struct carrier *)left)->service;
	uintptr_t b = (uintptr_t)((const struct carrier *)right)->service;
	return (a > b) - (a < b);
}

static void mark_carriers(const struct carriers *carriers, const struct service *service, enum direction direction,
			  size_t number)
{
	size_t low = 0, high = carriers->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if ((uintptr_t)carriers->items[middle].service < (uintptr_t)service)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < carriers->count && carriers->items[low].service == service; low++)
		hops_set(carriers->items[low].end->speaks[direction], number);
}

/* Most peers are services, whose ends are looked up; only the others are compared with each end. */
static void mark_allow(const struct hops *hops, const struct carriers *carriers, size_t number)
{
	const struct allow *allow = hops->world->policy->allows[number];
	for (int direction = EGRESS; direction <= INGRESS; direction++) {
		size_t count = direction == EGRESS ? allow->flows.from_count : allow->flows.to_count;
		bool others = false;
		for (size_t i = 0; i < count; i++) {
			const struct peer *peer =
			    direction == EGRESS ? &allow->flows.from[i] : &allow->flows.to[i].peer;
			others = others || peer->kind != PEER_SERVICE;
			if (peer->kind == PEER_SERVICE)
				mark_carriers(carriers, peer->service, (enum direction)direction, number);
		}
		for (size_t i = 0; others && i < hops->end_count; i++)
			if (speaks(hops, allow, &hops->ends[i], (enum direction)direction, false))
				hops_set(hops->ends[i].speaks[direction], number);
	}
}

static void find_all_speaks(const struct hops *hops)
{
	const struct policy *policy = hops->world->policy;
	struct carriers carriers = {0};
	for (size_t i = 0; i < hops->end_count; i++) {
		make_speaks(hops, &hops->ends[i]);
		for (size_t j = 0; j < hops->ends[i].service_count; j++)
			*arena_push(hops->arena, carriers.items, carriers.count) =
			    (struct carrier){hops->ends[i].services[j], &hops->ends[i]};
	}
	if (carriers.count > 1)
		qsort(carriers.items, carriers.count, sizeof *carriers.items, compare_carriers);
	for (size_t i = 0; i < policy->allow_count; i++)
		if (is_alive(hops->world, policy->allows[i]->until))
			mark_allow(hops, &carriers, i);
}

/* The same for one end beside the others. */
static void find_speaks(const struct hops *hops, struct hop_end *end)
{
	const struct policy *policy = hops->world->policy;
	make_speaks(hops, end);
	for (int i = EGRESS; i <= INGRESS; i++)
		for (size_t j = 0; j < policy->allow_count; j++)
			if (is_alive(hops->world, policy->allows[j]->until) &&
			    speaks(hops, policy->allows[j], end, (enum direction)i, true))
				hops_set(end->speaks[i], j);
}

/* What passes without an allow: asked with none, towards nobody. A node and what is not ours receives all. */
static void find_open(const struct hops *hops, struct hop_end *end)
{
	struct policy policy = *hops->world->policy;
	policy.allow_count = 0;
	policy.isolations = end->isolations;
	policy.isolation_count = end->isolation_count;
	const struct world world = {&policy, hops->world->inventory, hops->world->at};
	const struct endpoint nobody = {.stands_for = PEER_ANY};
	for (size_t i = 0; i < end->at.count; i++) {
		const struct flow out = {end->at.items[i], nobody, PROTOCOL_TCP, 1};
		const struct flow in = {nobody, end->at.items[i], PROTOCOL_TCP, 1};
		end->open[EGRESS] = end->open[EGRESS] || verdict_of(&world, &out).egress.allowed;
		end->open[INGRESS] = end->open[INGRESS] || verdict_of(&world, &in).ingress.allowed;
	}
}

void hops_find_statements(struct hops *hops)
{
	find_all_speaks(hops);
	for (size_t i = 0; i < hops->end_count; i++)
		find_open(hops, &hops->ends[i]);
}

void hops_find_statements_of(const struct hops *hops, struct hop_end *end)
{
	find_speaks(hops, end);
	find_open(hops, end);
}
