/* Which atoms would break a `never`.
 *
 * An atom breaks one where both could speak of its source, of its destination and of its port, for workloads that could
 * exist and for those of the inventory. Each end is asked about by itself and once for each candidate, so that a
 * hundred thousand atoms cost no more than a few thousand ends. What this finds is never less than what the proof of
 * the policy with the atom would, and may be more: an atom too few is told, one too many would open what must be
 * closed. */
#include "compiler/analysis/meet.h"
#include "compiler/analysis/suggesting.h"

/* Whether a peer of a never may mean an address that is no workload's. */
static bool peer_means_address(const struct world *world, const struct peer *peer, const struct address *address)
{
	switch (peer->kind) {
	case PEER_NETWORK:
		return network_contains(peer->network, address);
	case PEER_NODE:
		return inventory_node_at(world->inventory, address) != NULL;
	case PEER_ANY:
	case PEER_WORLD:
		return true;
	case PEER_SERVICE:
	case PEER_LABELS:
	case PEER_CLUSTER:
		return inventory_in_pool(world->inventory, address); /* a workload could have it one day */
	}
	return true;
}

/* What no statement says: the addresses that workloads and nodes of the inventory have. */
static bool network_means(const struct world *world, const struct network *network, const struct candidate *candidate)
{
	for (size_t i = 0; i < candidate->workload_count; i++)
		for (size_t j = 0; j < candidate->workloads[i]->address_count; j++)
			if (network_contains(network, &candidate->workloads[i]->addresses[j]))
				return true;
	const struct inventory *inventory = world->inventory;
	for (size_t i = 0; candidate->peer.kind == PEER_NODE && i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			if (network_contains(network, &inventory->nodes[i]->addresses[j]))
				return true;
	return false;
}

static bool peer_means(const struct meeting_place *place, const struct peer *peer, const struct candidate *candidate)
{
	struct meeting example;
	if (candidate->is_address)
		return peer_means_address(place->world, peer, &candidate->peer.network->cidrs[0].address);
	for (int part = 0; part < PART_COUNT; part++)
		if (peers_meet(place, peer, &candidate->peer, (enum part)part, &example))
			return true;
	return peer->kind == PEER_NETWORK && network_means(place->world, peer->network, candidate);
}

/* A port by its name may be any, at a workload that calls it so. */
static bool target_holds(const struct target *target, const struct atom *atom)
{
	return target->container_port_count > 0 || target_opens(target, NULL, atom->protocol, atom->port);
}

static void mark(const struct meeting_place *place, const struct candidates *candidates, const struct never *never,
		 struct atom *atoms, size_t atom_count)
{
	size_t count = candidates_count(candidates);
	const struct flows *flows = &never->flows;
	bool *from = arena_alloc(place->arena, count + 1), *to = arena_alloc(place->arena, count * flows->to_count + 1);
	for (size_t i = 0; i < count; i++) {
		const struct candidate *candidate = candidate_at(candidates, i);
		for (size_t j = 0; j < flows->from_count && !from[i]; j++)
			from[i] = peer_means(place, &flows->from[j], candidate);
		for (size_t j = 0; j < flows->to_count; j++)
			to[i * flows->to_count + j] = peer_means(place, &flows->to[j].peer, candidate);
	}
	for (size_t i = 0; i < atom_count; i++)
		for (size_t j = 0; j < flows->to_count && atoms[i].breaks == NULL && from[atoms[i].ends[EGRESS]]; j++)
			if (to[atoms[i].ends[INGRESS] * flows->to_count + j] && target_holds(&flows->to[j], &atoms[i]))
				atoms[i].breaks = never;
}

void nevers_mark(const struct world *world, const struct candidates *candidates, struct atom *atoms, size_t atom_count)
{
	if (world->policy->never_count == 0)
		return;
	struct arena *scratch = arena_create();
	struct samples samples;
	struct meeting_place place;
	struct policy policy = *world->policy;
	struct world named = *world; /* in which every network that is proposed is named, and so has a sample */
	named.policy = &policy;
	policy.allows = NULL;
	policy.allow_count = 0;
	for (size_t i = 0; i < candidates_count(candidates); i++) {
		const struct candidate *candidate = candidate_at(candidates, i);
		if (candidate->is_address || candidate->peer.kind != PEER_NETWORK)
			continue;
		struct allow *allow = arena_alloc(scratch, sizeof *allow);
		*arena_push(scratch, allow->flows.from, allow->flows.from_count) = candidate->peer;
		*arena_push(scratch, policy.allows, policy.allow_count) = allow;
	}
	samples_init(&samples, scratch, &named);
	meeting_place_init(&place, scratch, &named, &samples);
	for (size_t i = 0; i < policy.never_count; i++)
		mark(&place, candidates, policy.nevers[i], atoms, atom_count);
	arena_free(scratch);
}
