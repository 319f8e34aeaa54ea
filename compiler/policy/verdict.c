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

static bool selects(const char *name_space, const struct selector *selector, const struct workload *workload)
{
	return strcmp(name_space, workload->name_space) == 0 && selector_matches(selector, &workload->labels);
}

bool is_alive(const struct world *world, int64_t until)
{
	return until == 0 || until > world->at;
}

bool workload_isolated(const struct world *world, const struct workload *workload, enum direction direction,
		       const struct isolation **by)
{
	*by = NULL;
	for (size_t i = 0; i < world->policy->isolation_count && *by == NULL; i++) {
		const struct isolation *isolation = world->policy->isolations[i];
		if (isolation->directions[direction] && selects(isolation->name_space, &isolation->workloads, workload))
			*by = isolation;
	}
	return *by != NULL || policy_isolates_unmatched(world->policy);
}

bool workload_trusts_node(const struct policy *policy, const struct workload *workload)
{
	bool selected = false;
	for (size_t i = 0; i < policy->isolation_count; i++) {
		const struct isolation *isolation = policy->isolations[i];
		if (!selects(isolation->name_space, &isolation->workloads, workload))
			continue;
		if (isolation->service != NULL)
			return false;
		selected = true;
	}
	return selected;
}

const struct quarantine *quarantine_of(const struct world *world, const struct workload *workload)
{
	for (size_t i = 0; i < world->policy->quarantine_count; i++) {
		const struct quarantine *quarantine = world->policy->quarantines[i];
		if (is_alive(world, quarantine->until) && strcmp(quarantine->name, workload->name) == 0 &&
		    strcmp(quarantine->name_space, workload->name_space) == 0)
			return quarantine;
	}
	return workload->quarantine;
}

bool quarantine_is_of_operator(const struct quarantine *quarantine)
{
	return quarantine->span.file == NULL;
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

static bool is_host_workload(const struct workload *workload)
{
	return workload != NULL && workload_is_host(workload);
}

/* A loopback address is the node to its host workloads; nobody else ever meets one. */
static bool is_own_loopback(const struct endpoint *end, const struct endpoint *other)
{
	return end->has_address && is_host_workload(other->workload) && address_is_loopback(&end->address);
}

/* An end as the other one sees it: a host workload has the addresses of its node, and is that. */
static struct endpoint seen_by(const struct endpoint *end, const struct endpoint *other)
{
	if (!is_host_workload(end->workload))
		return *end;
	struct endpoint node = *end;
	const char *place = other->workload != NULL ? other->workload->node : NULL;
	bool same = place != NULL && end->workload->node != NULL && strcmp(place, end->workload->node) == 0;
	node.workload = NULL;
	node.stands_for = same ? PEER_NODE : PEER_NETWORK; /* of another node: none of those that stand for many */
	return node;
}

/* Whether `end` is the node that the workload at the other end runs on. */
static bool is_node_of(const struct world *world, const struct endpoint *end, const struct endpoint *other)
{
	if (end->workload != NULL || other->workload == NULL)
		return false;
	if (!end->has_address)
		return end->stands_for == PEER_NODE;
	if (is_own_loopback(end, other))
		return true;
	const struct node *node = inventory_node_at(world->inventory, &end->address);
	return node != NULL && other->workload->node != NULL && strcmp(node->name, other->workload->node) == 0;
}

bool peer_matches(const struct world *world, const struct peer *peer, const struct endpoint *end,
		  const struct endpoint *other)
{
	switch (peer->kind) {
	case PEER_SERVICE:
		return end->workload != NULL &&
		       selects(peer->service->name_space, &peer->service->workloads, end->workload);
	case PEER_LABELS:
		return end->workload != NULL && labels_match(world, peer, end->workload);
	case PEER_NETWORK:
		return end->has_address && network_contains(peer->network, &end->address);
	case PEER_ANY:
		return true;
	case PEER_CLUSTER:
		return end->workload != NULL || (!end->has_address && end->stands_for == PEER_CLUSTER);
	case PEER_WORLD:
		if (end->workload != NULL || is_own_loopback(end, other))
			return false;
		return end->has_address ? inventory_node_at(world->inventory, &end->address) == NULL
					: end->stands_for == PEER_WORLD;
	case PEER_NODE:
		return is_node_of(world, end, other);
	}
	return false;
}

bool peer_may_match(const struct world *world, const struct peer *peer, const struct endpoint *end)
{
	const struct endpoint nobody = {.stands_for = PEER_ANY};
	if (peer->kind == PEER_NODE)
		return end->workload == NULL || is_host_workload(end->workload);
	if (peer->kind == PEER_WORLD && is_host_workload(end->workload))
		return true; /* at an address that its node is not known to have */
	return peer_matches(world, peer, end, &nobody);
}

bool target_opens(const struct target *target, const struct workload *destination, uint16_t protocol, uint16_t port)
{
	for (size_t i = 0; i < target->port_count; i++) {
		if (port_range_holds(&target->ports[i], protocol, port))
			return true;
	}
	for (size_t i = 0; destination != NULL && i < target->container_port_count; i++) {
		const struct port_name *wanted = &target->container_ports[i];
		for (size_t j = 0; j < destination->port_count; j++) {
			if (strcmp(destination->ports[j].name, wanted->name) == 0 &&
			    (wanted->protocol == PROTOCOL_ANY || wanted->protocol == protocol) &&
			    port_range_holds(&destination->ports[j].port, protocol, port))
				return true;
		}
	}
	return false;
}

bool flows_hold(const struct world *world, const struct flows *flows, const struct flow *flow)
{
	bool from = false;
	for (size_t i = 0; i < flows->from_count && !from; i++)
		from = peer_matches(world, &flows->from[i], &flow->from, &flow->to);
	for (size_t i = 0; from && i < flows->to_count; i++)
		if (peer_matches(world, &flows->to[i].peer, &flow->to, &flow->from) &&
		    target_opens(&flows->to[i], flow->to.workload, flow->protocol, flow->port))
			return true;
	return false;
}

/* An end that is no workload: nothing isolates it, but an address for workloads that none has is closed. */
static struct side judge_stranger(const struct world *world, const struct endpoint *end)
{
	bool unknown = end->has_address && inventory_in_pool(world->inventory, &end->address) &&
		       inventory_node_at(world->inventory, &end->address) == NULL;
	return (struct side){.allowed = !unknown, .reason = unknown ? REASON_UNKNOWN : REASON_NOT_ISOLATED};
}

/* A flow as one of its ends sees it. An own end that is a host workload is told by its cgroup, not by an address. */
static struct flow flow_seen(const struct flow *flow, enum direction direction)
{
	struct flow seen = *flow;
	struct endpoint *end = direction == EGRESS ? &seen.from : &seen.to;
	struct endpoint *other = direction == EGRESS ? &seen.to : &seen.from;
	*other = seen_by(other, end);
	end->has_address = end->has_address && !is_host_workload(end->workload);
	return seen;
}

/* One side of a flow: may this end send, or receive, it? */
static struct side judge_side(const struct world *world, const struct flow *whole, enum direction direction)
{
	const struct flow seen = flow_seen(whole, direction), *flow = &seen;
	const struct endpoint *end = direction == EGRESS ? &flow->from : &flow->to;
	const struct endpoint *other = direction == EGRESS ? &flow->to : &flow->from;
	if (end->workload == NULL)
		return judge_stranger(world, end);
	struct side side = {.quarantine = quarantine_of(world, end->workload)};
	if (end->workload->conflict || side.quarantine != NULL) {
		side.reason = end->workload->conflict ? REASON_CONFLICT : REASON_QUARANTINE;
		return side;
	}
	side.allowed = true;
	if (!workload_isolated(world, end->workload, direction, &side.isolated_by)) {
		side.reason = REASON_NOT_ISOLATED;
		return side;
	}
	if (is_node_of(world, other, end) && workload_trusts_node(world->policy, end->workload)) {
		side.reason = REASON_NODE;
		return side;
	}
	for (size_t i = 0; i < world->policy->allow_count && side.allow == NULL; i++) {
		const struct allow *allow = world->policy->allows[i];
		if (allow->counts[direction] && is_alive(world, allow->until) && flows_hold(world, &allow->flows, flow))
			side.allow = allow;
	}
	side.allowed = side.allow != NULL;
	side.reason = side.allowed ? REASON_ALLOW : REASON_NO_ALLOW;
	return side;
}

struct verdict verdict_of(const struct world *world, const struct flow *flow)
{
	/* A host workload reaches itself as its node, by a loopback or node address. */
	if (flow->from.workload != NULL && flow->from.workload == flow->to.workload &&
	    !is_host_workload(flow->from.workload)) {
		struct side self = {.allowed = true, .reason = REASON_SELF};
		return (struct verdict){.allowed = true, .egress = self, .ingress = self};
	}
	struct verdict verdict = {.egress = judge_side(world, flow, EGRESS),
				  .ingress = judge_side(world, flow, INGRESS)};
	verdict.allowed = verdict.egress.allowed && verdict.ingress.allowed;
	return verdict;
}
