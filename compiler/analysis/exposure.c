/* Proves `never` against the inventory at hand, for what statements alone do not decide: rules of NetworkPolicies,
 * which count on one side, ends that nothing isolates, and addresses of workloads and nodes inside networks.
 *
 * One or two workloads of each kind, one address of each piece and one port of each piece are asked of verdict_of. */
#include "compiler/analysis/proving.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <string.h>

enum { WORK_MOST = 200000000 }; /* verdicts, each as dear as the policy has statements */

struct exposure {
	bool needed;
	bool hosts_only;    /* statements have said all of flows without a host workload */
	struct world world; /* without quarantines */
	struct endpoint *ends;
	size_t end_count;
	size_t work, work_each;
};

/* ---- is there anything to ask? ---- */

struct crossing {
	const struct inventory *inventory;
	bool crosses; /* a network of the policy holds the address of a workload or a node */
};

static void look_at_network(struct crossing *crossing, const struct peer *peer)
{
	const struct inventory *inventory = crossing->inventory;
	size_t count;
	const struct place *places = inventory_places(inventory, &count);
	for (size_t i = 0; peer->kind == PEER_NETWORK && i < count && !crossing->crosses; i++)
		crossing->crosses = network_contains(peer->network, &places[i].address);
	for (size_t i = 0; peer->kind == PEER_NETWORK && i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count && !crossing->crosses; j++)
			crossing->crosses = network_contains(peer->network, &inventory->nodes[i]->addresses[j]);
}

static void look_at_flows(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		look_at_network(context, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++)
		look_at_network(context, &flows->to[i].peer);
}

/* Where everything is isolated, every allow counts on both sides and no network holds a known address, the comparison
 * of statements has said all. */
static bool is_needed(const struct world *world)
{
	const struct policy *policy = world->policy;
	if (world->inventory->workload_count == 0)
		return false;
	bool needed = !policy_isolates_unmatched(policy);
	for (size_t i = 0; i < policy->isolation_count && !needed; i++)
		needed = policy->isolations[i]->service == NULL;
	for (size_t i = 0; i < policy->allow_count && !needed; i++)
		needed = !policy->allows[i]->counts[EGRESS] || !policy->allows[i]->counts[INGRESS];
	struct crossing crossing = {world->inventory, needed};
	if (!needed)
		policy_each_flows(world, look_at_flows, &crossing);
	return crossing.crosses;
}

/* ---- the ends to ask about ---- */

static void add_end(struct proving *proving, struct exposure *exposure, struct endpoint end)
{
	for (size_t i = 0; end.workload == NULL && i < exposure->end_count; i++)
		if (exposure->ends[i].workload == NULL &&
		    address_compare(&exposure->ends[i].address, &end.address) == 0)
			return;
	*arena_push(proving->arena, exposure->ends, exposure->end_count) = end;
}

static void add_workload(struct proving *proving, struct exposure *exposure, const struct workload *workload)
{
	const struct inventory *inventory = proving->world->inventory;
	const struct node *node = workload->node != NULL ? inventory_node(inventory, workload->node) : NULL;
	if (workload->conflict)
		return;
	struct endpoints endpoints = {0};
	samples_add_workload(&proving->samples, proving->arena, proving->world, &endpoints, workload);
	for (size_t i = 0; i < endpoints.count; i++)
		add_end(proving, exposure, endpoints.items[i]);
	for (size_t i = 0; node != NULL && i < node->address_count; i++)
		add_end(proving, exposure, (struct endpoint){.has_address = true, .address = node->addresses[i]});
}

static struct exposure *prepare(struct proving *proving)
{
	struct exposure *exposure = arena_alloc(proving->arena, sizeof *exposure);
	struct policy *policy = arena_alloc(proving->arena, sizeof *policy);
	const struct samples *samples = &proving->samples;
	*policy = *proving->world->policy;
	policy->quarantine_count = 0;
	exposure->world = *proving->world;
	exposure->world.policy = policy;
	bool hosts = inventory_has_hosts(proving->world->inventory);
	exposure->hosts_only = hosts && !is_needed(proving->world);
	exposure->needed = hosts || is_needed(proving->world);
	exposure->work_each = 1 + policy->allow_count + policy->isolation_count;
	for (size_t i = 0; exposure->needed && i < samples->workload_count; i++)
		add_workload(proving, exposure, samples->workloads[i]);
	for (size_t i = 0; exposure->needed && i < samples->address_count; i++)
		if (samples->addresses[i].outside)
			add_end(proving, exposure,
				(struct endpoint){.has_address = true, .address = samples->addresses[i].address});
	for (size_t i = 0; hosts && i < samples->loopback_count; i++)
		add_end(proving, exposure, (struct endpoint){.has_address = true, .address = samples->loopbacks[i]});
	return exposure;
}

/* ---- asking ---- */

/* What lets a side pass, in words. */
static const char *side_opener(struct arena *arena, const struct flow *flow, const struct side *side,
			       enum direction direction)
{
	const struct endpoint *end = direction == EGRESS ? &flow->from : &flow->to;
	if (side->allow != NULL)
		return span_text(arena, &side->allow->span);
	if (end->workload == NULL)
		return NULL; /* not ours to close */
	if (side->reason == REASON_NODE)
		return arena_printf(arena, "the trust between %s and its node", endpoint_name(arena, end));
	return arena_printf(arena, "nothing isolates %s for %s", endpoint_name(arena, end),
			    direction == EGRESS ? "egress" : "ingress");
}

/* Whether comparing statements said so already. */
static bool is_known(const struct proof *proof, const struct never *never, const struct allow *allow)
{
	if (allow == NULL)
		return false;
	for (size_t i = proof->count; i > 0 && proof->items[i - 1].never == never; i--)
		if (proof->items[i - 1].allows[EGRESS] == allow && proof->items[i - 1].allows[INGRESS] == allow)
			return true;
	return false;
}

static void record(struct proving *proving, const struct never *never, const struct flow *flow,
		   const struct port_range *ports, const struct verdict *verdict)
{
	struct arena *arena = proving->arena;
	const struct side *sides[] = {&verdict->egress, &verdict->ingress};
	const char *openers[2];
	char port[48];
	if (is_known(&proving->proof, never, sides[EGRESS]->allow) ||
	    is_known(&proving->proof, never, sides[INGRESS]->allow))
		return;
	struct broken *broken = proving_add(proving, never, sides[EGRESS]->allow, sides[INGRESS]->allow);
	if (broken == NULL)
		return;
	for (int i = EGRESS; i <= INGRESS; i++) {
		openers[i] = side_opener(arena, flow, sides[i], (enum direction)i);
		if (sides[i]->allow != NULL)
			broken->openers[i] = sides[i]->allow->span;
	}
	broken->from = endpoint_name(arena, &flow->from);
	broken->to = endpoint_name(arena, &flow->to);
	broken->ports = (struct port_range){flow->protocol, ports->first, ports->last};
	broken->flow = *flow;
	bool one_opener = openers[EGRESS] == NULL || openers[INGRESS] == NULL ||
			  (sides[EGRESS]->allow != NULL && sides[EGRESS]->allow == sides[INGRESS]->allow);
	const char *first = openers[EGRESS] != NULL ? openers[EGRESS] : openers[INGRESS];
	bool by_allow = sides[EGRESS]->allow != NULL || sides[INGRESS]->allow != NULL;
	broken->opened_by = arena_printf(arena, "%s%s%s%s", by_allow ? "" : "default: ", first,
					 one_opener ? "" : " and ", one_opener ? "" : openers[INGRESS]);
	struct port_range one = {flow->protocol, flow->port, flow->port};
	broken->example = arena_printf(arena, "%s -> %s, %s", broken->from, broken->to, port_range_format(&one, port));
}

static bool is_end(const struct exposure *exposure, const struct peer *peer, const struct endpoint *end,
		   const struct endpoint *other)
{
	return peer_matches(&exposure->world, peer, end, other);
}

static bool any_source(const struct exposure *exposure, const struct never *never, const struct endpoint *from,
		       const struct endpoint *to)
{
	for (size_t i = 0; i < never->flows.from_count; i++)
		if (is_end(exposure, &never->flows.from[i], from, to))
			return true;
	return false;
}

static void ask_ports(struct proving *proving, const struct never *never, const struct target *target,
		      const struct endpoint *from, const struct endpoint *to)
{
	struct exposure *exposure = proving->exposure;
	for (size_t i = 0; i < proving->samples.ports.count; i++) {
		const struct port_range *piece = &proving->samples.ports.items[i];
		struct flow flow = {*from, *to, piece->protocol, port_sample(piece)};
		if (!target_opens(target, to->workload, flow.protocol, flow.port) || !ends_fit(from, to, flow.protocol))
			continue;
		exposure->work += exposure->work_each;
		struct verdict verdict = verdict_of(&exposure->world, &flow);
		if (verdict.allowed)
			record(proving, never, &flow, piece, &verdict);
	}
}

static bool is_host(const struct endpoint *end)
{
	return end->workload != NULL && workload_is_host(end->workload);
}

/* A loopback address of no workload is the node to its host workloads, and nobody meets it else. */
static bool is_met(const struct endpoint *end, const struct endpoint *other)
{
	return end->workload != NULL || !address_is_loopback(&end->address) || is_host(other);
}

static void ask_pair(struct proving *proving, const struct never *never, const struct endpoint *from,
		     const struct endpoint *to)
{
	const struct exposure *exposure = proving->exposure;
	bool hosts = is_host(from) || is_host(to);
	if ((from->workload == to->workload && !hosts) || (exposure->hosts_only && !hosts) ||
	    !ends_fit(from, to, PROTOCOL_TCP)) /* both strangers, or one with itself */
		return;
	if (!is_met(from, to) || !is_met(to, from))
		return;
	if (!any_source(exposure, never, from, to))
		return;
	for (size_t i = 0; i < never->flows.to_count; i++)
		if (is_end(exposure, &never->flows.to[i].peer, to, from))
			ask_ports(proving, never, &never->flows.to[i], from, to);
}

void exposure_search(struct proving *proving, const struct never *never)
{
	if (proving->exposure == NULL)
		proving->exposure = prepare(proving);
	struct exposure *exposure = proving->exposure;
	for (size_t i = 0; i < exposure->end_count; i++) {
		for (size_t j = 0; j < exposure->end_count; j++) {
			exposure->work++;
			if (exposure->work > WORK_MOST) {
				proving->proof.cut = true;
				return;
			}
			ask_pair(proving, never, &exposure->ends[i], &exposure->ends[j]);
		}
	}
}
