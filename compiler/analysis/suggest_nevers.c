/* Which atoms would break a `never`.
 *
 * An atom breaks one where both could speak of its source, of its destination and of its port, for workloads that could
 * exist and for those of the inventory. Each end is asked about by itself and once for each candidate, so that a
 * hundred thousand atoms cost no more than a few thousand ends. What this finds is never less than what the proof of
 * the policy with the atom would, and may be more: an atom too few is told, one too many would open what must be
 * closed. */
#include "compiler/analysis/meet.h"
#include "compiler/analysis/suggesting.h"

struct marking {
	const struct world *world;
	struct meeting_place place;
	bool has_hosts; /* some workload of the inventory is a host workload */
};

/* Whether a peer of a never may mean an address that is no workload's. */
static bool peer_means_address(const struct marking *marking, const struct peer *peer, const struct address *address)
{
	const struct inventory *inventory = marking->world->inventory;
	bool is_node = inventory_node_at(inventory, address) != NULL;
	switch (peer->kind) {
	case PEER_NETWORK:
		return network_contains(peer->network, address);
	case PEER_NODE:
		return is_node;
	case PEER_ANY:
	case PEER_WORLD:
		return true;
	case PEER_SERVICE:
	case PEER_LABELS:
	case PEER_CLUSTER:
		/* a workload could have it one day, and a host workload has it where it is a node's */
		return inventory_in_pool(inventory, address) || (is_node && marking->has_hosts);
	}
	return true;
}

static bool holds_workload(const struct world *world, const struct network *network, const struct workload *workload)
{
	const struct node *node = workload_is_host(workload) && workload->node != NULL
				      ? inventory_node(world->inventory, workload->node)
				      : NULL;
	for (size_t i = 0; node != NULL && i < node->address_count; i++)
		if (network_contains(network, &node->addresses[i]))
			return true;
	for (size_t i = 0; i < workload->address_count; i++)
		if (network_contains(network, &workload->addresses[i]))
			return true;
	return false;
}

/* What no statement says: the addresses that workloads and nodes of the inventory have. */
static bool network_means(const struct world *world, const struct network *network, const struct candidate *candidate)
{
	for (size_t i = 0; i < candidate->workload_count; i++)
		if (holds_workload(world, network, candidate->workloads[i]))
			return true;
	const struct inventory *inventory = world->inventory;
	for (size_t i = 0; candidate->peer.kind == PEER_NODE && i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			if (network_contains(network, &inventory->nodes[i]->addresses[j]))
				return true;
	return false;
}

static bool peer_means(const struct marking *marking, const struct peer *peer, const struct candidate *candidate)
{
	struct meeting example;
	if (candidate->is_address)
		return peer_means_address(marking, peer, &candidate->peer.network->cidrs[0].address);
	for (int part = 0; part < PART_COUNT; part++)
		if (peers_meet(&marking->place, peer, &candidate->peer, (enum part)part, &example))
			return true;
	return peer->kind == PEER_NETWORK && network_means(marking->world, peer->network, candidate);
}

/* A port by its name may be any, at a workload that calls it so. */
static bool target_holds(const struct target *target, const struct atom *atom)
{
	return target->container_port_count > 0 || target_opens(target, NULL, atom->protocol, atom->port);
}

/* What a never speaks of: by candidate, and for destinations by the never's targets. */
struct spoken {
	const struct never *never;
	bool *from, *to;
};

static bool is_node(const struct candidates *candidates, size_t number)
{
	return candidate_at(candidates, number)->peer.kind == PEER_NODE;
}

/* Whether an allow lets a caller that the never speaks of call its node (EGRESS), or whom it speaks of be called. */
static bool meets_beside_node(const struct marking *marking, const struct never *never, const struct allow *allow,
			      enum direction end)
{
	const struct flows *spoken = &never->flows, *flows = &allow->flows;
	size_t count = end == EGRESS ? flows->to_count : flows->from_count;
	bool node = false, meets = false;
	struct meeting example;
	for (size_t i = 0; i < count && !node; i++) {
		const struct peer *peer = end == EGRESS ? &flows->to[i].peer : &flows->from[i];
		node = peer->kind == PEER_NODE || peer->kind == PEER_NETWORK;
	}
	for (size_t i = 0; node && i < (end == EGRESS ? spoken->from_count : spoken->to_count); i++)
		for (size_t j = 0; !meets && j < (end == EGRESS ? flows->from_count : flows->to_count); j++)
			meets = end == EGRESS ? peers_meet(&marking->place, &spoken->from[i], &flows->from[j],
							   PART_WORKLOAD, &example)
					      : peers_meet(&marking->place, &spoken->to[i].peer, &flows->to[j].peer,
							   PART_WORKLOAD, &example);
	return meets;
}

/* Whether something opens the other side of a flow of the never where its end is `node` on this one: another service of
 * that node may then be this end. */
static bool has_counterpart(const struct marking *marking, const struct candidates *candidates,
			    const struct spoken *spoken, const struct atom *atoms, size_t atom_count,
			    enum direction end)
{
	const struct policy *policy = marking->world->policy;
	size_t targets = spoken->never->flows.to_count;
	bool found = !policy_isolates_unmatched(policy);
	for (size_t i = 0; i < policy->allow_count && !found; i++)
		found = meets_beside_node(marking, spoken->never, policy->allows[i], end);
	for (size_t i = 0; i < atom_count && !found; i++) {
		if (!is_node(candidates, atoms[i].ends[1 - end]))
			continue;
		found = end == EGRESS && spoken->from[atoms[i].ends[EGRESS]];
		for (size_t j = 0; end == INGRESS && j < targets && !found; j++)
			found = spoken->to[atoms[i].ends[INGRESS] * targets + j];
	}
	return found;
}

static void mark(const struct marking *marking, const struct candidates *candidates, const struct never *never,
		 struct atom *atoms, size_t atom_count)
{
	size_t count = candidates_count(candidates);
	const struct flows *flows = &never->flows;
	struct arena *arena = marking->place.arena;
	bool *from = arena_alloc(arena, count + 1), *to = arena_alloc(arena, count * flows->to_count + 1);
	for (size_t i = 0; i < count; i++) {
		const struct candidate *candidate = candidate_at(candidates, i);
		for (size_t j = 0; j < flows->from_count && !from[i]; j++)
			from[i] = peer_means(marking, &flows->from[j], candidate);
		for (size_t j = 0; j < flows->to_count; j++)
			to[i * flows->to_count + j] = peer_means(marking, &flows->to[j].peer, candidate);
	}
	const struct spoken spoken = {never, from, to};
	bool caller = has_counterpart(marking, candidates, &spoken, atoms, atom_count, EGRESS);
	bool called = has_counterpart(marking, candidates, &spoken, atoms, atom_count, INGRESS);
	for (size_t i = 0; i < count; i++) {
		from[i] = from[i] || (caller && is_node(candidates, i));
		for (size_t j = 0; j < flows->to_count; j++)
			to[i * flows->to_count + j] = to[i * flows->to_count + j] || (called && is_node(candidates, i));
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
	struct marking marking = {.world = world, .has_hosts = inventory_has_hosts(world->inventory)};
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
	meeting_place_init(&marking.place, scratch, &named, &samples);
	for (size_t i = 0; i < policy.never_count; i++)
		mark(&marking, candidates, policy.nevers[i], atoms, atom_count);
	arena_free(scratch);
}
