/* What a policy means: the verdict of a flow.
 *
 * This is the one place. explain, reach, tests and the checks of the dataplane ask here; the lowering to nftables is
 * separate and is compared with this. Read it beside language.md, "Who is isolated" and "What a flow's verdict is". */
#include <ringfence/verdict.h>

#include <string.h>

bool policy_isolates_unmatched(const struct policy *policy)
{
	if (policy->unmatched == UNMATCHED_DEFAULT)
		return policy->service_count > 0;
	return policy->unmatched == UNMATCHED_DENY;
}

static bool service_selects(const struct service *service, const struct workload *workload)
{
	return strcmp(service->name_space, workload->name_space) == 0 &&
	       selector_matches(&service->workloads, &workload->labels);
}

bool workload_isolated(const struct world *world, const struct workload *workload, const struct service **by)
{
	*by = NULL;
	for (size_t i = 0; i < world->policy->service_count && *by == NULL; i++)
		if (service_selects(world->policy->services[i], workload))
			*by = world->policy->services[i];
	return *by != NULL || policy_isolates_unmatched(world->policy);
}

static bool labels_match(const struct world *world, const struct peer *peer, const struct workload *workload)
{
	bool in_scope = peer->scope == NAMESPACES_ANY;
	for (size_t i = 0; peer->scope == NAMESPACES_LISTED && i < peer->namespace_count && !in_scope; i++)
		in_scope = strcmp(peer->namespaces[i], workload->name_space) == 0;
	if (peer->scope == NAMESPACES_LABELS) {
		struct label own = {"kubernetes.io/metadata.name", workload->name_space};
		const struct labels bare = {&own, 1};
		const struct name_space *space = inventory_namespace(world->inventory, workload->name_space);
		in_scope = selector_matches(&peer->namespace_labels, space != NULL ? &space->labels : &bare);
	}
	return in_scope && selector_matches(&peer->labels, &workload->labels);
}

/* Whether `end` is the node that the workload at the other end runs on. */
static bool is_node_of(const struct world *world, const struct endpoint *end, const struct endpoint *other)
{
	if (end->workload != NULL || other->workload == NULL)
		return false;
	if (!end->has_address)
		return end->stands_for == PEER_NODE;
	const struct node *node = inventory_node_at(world->inventory, &end->address);
	return node != NULL && other->workload->node != NULL && strcmp(node->name, other->workload->node) == 0;
}

bool peer_matches(const struct world *world, const struct peer *peer, const struct endpoint *end,
		  const struct endpoint *other)
{
	switch (peer->kind) {
	case PEER_SERVICE:
		return end->workload != NULL && service_selects(peer->service, end->workload);
	case PEER_LABELS:
		return end->workload != NULL && labels_match(world, peer, end->workload);
	case PEER_NETWORK:
		return end->has_address && network_contains(peer->network, &end->address);
	case PEER_ANY:
		return true;
	case PEER_CLUSTER:
		return end->workload != NULL || (!end->has_address && end->stands_for == PEER_CLUSTER);
	case PEER_WORLD:
		if (end->workload != NULL)
			return false;
		return end->has_address ? inventory_node_at(world->inventory, &end->address) == NULL
					: end->stands_for == PEER_WORLD;
	case PEER_NODE:
		return is_node_of(world, end, other);
	}
	return false;
}

bool target_opens(const struct target *target, const struct workload *destination, uint16_t protocol, uint16_t port)
{
	for (size_t i = 0; i < target->port_count; i++) {
		const struct port_range *range = &target->ports[i];
		if (range->protocol == PROTOCOL_ANY ||
		    (range->protocol == protocol && range->first <= port && port <= range->last))
			return true;
	}
	for (size_t i = 0; destination != NULL && i < target->container_port_count; i++)
		for (size_t j = 0; j < destination->port_count; j++)
			if (strcmp(destination->ports[j].name, target->container_ports[i]) == 0 &&
			    destination->ports[j].port.protocol == protocol &&
			    destination->ports[j].port.first <= port && port <= destination->ports[j].port.last)
				return true;
	return false;
}

static bool allow_matches(const struct world *world, const struct allow *allow, const struct flow *flow)
{
	if (allow->until != 0 && allow->until <= world->at)
		return false;
	bool from = false;
	for (size_t i = 0; i < allow->from_count && !from; i++)
		from = peer_matches(world, &allow->from[i], &flow->from, &flow->to);
	for (size_t i = 0; from && i < allow->to_count; i++)
		if (peer_matches(world, &allow->to[i].peer, &flow->to, &flow->from) &&
		    target_opens(&allow->to[i], flow->to.workload, flow->protocol, flow->port))
			return true;
	return false;
}

/* One side of a flow: may `end` send, or receive, it? A native allow counts on both sides. */
static struct side judge_side(const struct world *world, const struct endpoint *end, const struct flow *flow)
{
	struct side side = {0};
	if (end->workload == NULL) {
		bool unknown = end->has_address && inventory_in_pool(world->inventory, &end->address) &&
			       inventory_node_at(world->inventory, &end->address) == NULL;
		side.allowed = !unknown;
		side.reason = unknown ? REASON_UNKNOWN : REASON_NOT_ISOLATED;
		return side;
	}
	if (end->workload->conflict) {
		side.reason = REASON_CONFLICT;
		return side;
	}
	if (!workload_isolated(world, end->workload, &side.isolated_by)) {
		side.allowed = true;
		side.reason = REASON_NOT_ISOLATED;
		return side;
	}
	for (size_t i = 0; i < world->policy->allow_count && side.allow == NULL; i++)
		if (allow_matches(world, world->policy->allows[i], flow))
			side.allow = world->policy->allows[i];
	side.allowed = side.allow != NULL;
	side.reason = side.allowed ? REASON_ALLOW : REASON_NO_ALLOW;
	return side;
}

struct verdict verdict_of(const struct world *world, const struct flow *flow)
{
	if (flow->from.workload != NULL && flow->from.workload == flow->to.workload) {
		struct side self = {.allowed = true, .reason = REASON_SELF};
		return (struct verdict){true, self, self};
	}
	struct verdict verdict;
	verdict.egress = judge_side(world, &flow->from, flow);
	verdict.ingress = judge_side(world, &flow->to, flow);
	verdict.allowed = verdict.egress.allowed && verdict.ingress.allowed;
	return verdict;
}
