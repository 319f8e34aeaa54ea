/* Runs the tests of a policy: ends and ports of each to flows, each flow to a verdict, and the first that differs.
 *
 * The ends are those that the policy tells apart, so that a test of a network or of a range is about all of it. */
#include "compiler/analysis/narrowing.h"
#include "compiler/analysis/samples.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/tests.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMBINATIONS_MOST = 64 }; /* of values in the lists of one selector */

struct running {
	struct arena *arena;
	const struct world *world;
	const struct samples *samples;
	struct narrowing *narrowing;
	const struct world *asked; /* as much of the world as can decide the flows that are asked now */
	struct test_result *result;
};

/* ---- ends ---- */

static void add(const struct running *running, struct endpoints *ends, struct endpoint end)
{
	*arena_push(running->arena, ends->items, ends->count) = end;
}

static void add_workload(const struct running *running, struct endpoints *ends, const struct workload *workload)
{
	for (size_t i = 0; i < workload->address_count; i++)
		add(running, ends, (struct endpoint){workload, true, workload->addresses[i], PEER_SERVICE});
	if (workload->address_count == 0)
		add(running, ends, (struct endpoint){.workload = workload});
}

/* The workloads of the inventory that a peer matches. */
static void add_known(const struct running *running, struct endpoints *ends, const struct peer *peer)
{
	const struct samples *samples = running->samples;
	for (size_t i = 0; i < samples->workload_count; i++) {
		const struct endpoint end = {.workload = samples->workloads[i]}, other = {.stands_for = PEER_ANY};
		if (peer_matches(running->world, peer, &end, &other))
			add_workload(running, ends, samples->workloads[i]);
	}
}

/* Workloads with just the labels that a service requires: of a list of values, one with each. */
static void add_required(const struct running *running, struct endpoints *ends, const struct service *service)
{
	size_t combinations = 1;
	for (size_t i = 0; i < service->workloads.count; i++)
		if (service->workloads.items[i].kind == REQUIRE_IN)
			combinations *= service->workloads.items[i].value_count;
	for (size_t number = 0; number < combinations && number < COMBINATIONS_MOST; number++) {
		struct service one = *service;
		size_t rest = number;
		one.workloads.items =
		    arena_alloc(running->arena, (service->workloads.count + 1) * sizeof *one.workloads.items);
		for (size_t i = 0; i < service->workloads.count; i++) {
			struct requirement *item = &one.workloads.items[i];
			*item = service->workloads.items[i];
			if (item->kind != REQUIRE_IN)
				continue;
			item->values += rest % item->value_count;
			rest /= item->value_count;
			item->value_count = 1;
		}
		add(running, ends, endpoint_of_service(running->arena, &one));
	}
}

/* Workloads with just the labels that a peer by labels requires. */
static void add_labelled(const struct running *running, struct endpoints *ends, const struct peer *peer,
			 const char *name_space)
{
	const struct service like = {.name_space = name_space,
				     .name = arena_printf(running->arena, "with %s", peer->name),
				     .workloads = peer->labels,
				     .span = peer->span};
	add_required(running, ends, &like);
}

/* Every namespace that the inventory or a statement names, each once. */
struct spaces {
	struct arena *arena;
	const char **items;
	size_t count;
};

static void add_space(struct spaces *spaces, const char *name)
{
	for (size_t i = 0; i < spaces->count; i++)
		if (strcmp(spaces->items[i], name) == 0)
			return;
	*arena_push(spaces->arena, spaces->items, spaces->count) = name;
}

static void add_spaces(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		for (size_t j = 0; j < flows->from[i].namespace_count; j++)
			add_space(context, flows->from[i].namespaces[j]);
	for (size_t i = 0; i < flows->to_count; i++)
		for (size_t j = 0; j < flows->to[i].peer.namespace_count; j++)
			add_space(context, flows->to[i].peer.namespaces[j]);
}

static struct spaces list_spaces(const struct running *running, const char *own)
{
	struct spaces spaces = {.arena = running->arena};
	const struct world *world = running->world;
	add_space(&spaces, own);
	for (size_t i = 0; i < world->inventory->namespace_count; i++)
		add_space(&spaces, world->inventory->namespaces[i]->name);
	for (size_t i = 0; i < world->policy->isolation_count; i++)
		add_space(&spaces, world->policy->isolations[i]->name_space);
	policy_each_flows(world, add_spaces, &spaces);
	return spaces;
}

static void add_labels(const struct running *running, struct endpoints *ends, const struct peer *peer)
{
	const struct inventory *inventory = running->world->inventory;
	size_t before = ends->count;
	for (size_t i = 0; peer->scope == NAMESPACES_LISTED && i < peer->namespace_count; i++)
		add_labelled(running, ends, peer, peer->namespaces[i]);
	if (peer->scope == NAMESPACES_ANY) {
		struct spaces spaces = list_spaces(running, running->result->test->name_space);
		for (size_t i = 0; i < spaces.count; i++)
			add_labelled(running, ends, peer, spaces.items[i]);
	}
	for (size_t i = 0; peer->scope == NAMESPACES_LABELS && i < inventory->namespace_count; i++)
		if (selector_matches(&peer->namespace_labels, &inventory->namespaces[i]->labels))
			add_labelled(running, ends, peer, inventory->namespaces[i]->name);
	if (ends->count == before)
		running->result->problem = arena_printf(
		    running->arena, "no namespace of the inventory has the labels that `%s` asks for", peer->name);
	add_known(running, ends, peer);
}

/* What every statement speaks of by labels. */
struct speaking {
	const struct running *running;
	struct endpoints *ends;
};

static void add_spoken_peer(const struct speaking *speaking, const struct peer *peer)
{
	const struct inventory *inventory = speaking->running->world->inventory;
	if (peer->kind != PEER_LABELS)
		return;
	for (size_t i = 0; peer->scope == NAMESPACES_LISTED && i < peer->namespace_count; i++)
		add_labelled(speaking->running, speaking->ends, peer, peer->namespaces[i]);
	for (size_t i = 0; peer->scope == NAMESPACES_LABELS && i < inventory->namespace_count; i++)
		if (selector_matches(&peer->namespace_labels, &inventory->namespaces[i]->labels))
			add_labelled(speaking->running, speaking->ends, peer, inventory->namespaces[i]->name);
	if (peer->scope == NAMESPACES_ANY)
		add_labelled(speaking->running, speaking->ends, peer, speaking->running->result->test->name_space);
}

static void add_spoken(void *context, const struct flows *flows)
{
	for (size_t i = 0; i < flows->from_count; i++)
		add_spoken_peer(context, &flows->from[i]);
	for (size_t i = 0; i < flows->to_count; i++)
		add_spoken_peer(context, &flows->to[i].peer);
}

/* All that the policy knows of: its services, and who its statements name by labels. */
static void add_services(const struct running *running, struct endpoints *ends)
{
	const struct policy *policy = running->world->policy;
	struct speaking speaking = {running, ends};
	for (size_t i = 0; i < policy->service_count; i++)
		add_required(running, ends, policy->services[i]);
	policy_each_flows(running->world, add_spoken, &speaking);
}

static void add_addresses(const struct running *running, struct endpoints *ends, const struct peer *peer)
{
	const struct samples *samples = running->samples;
	size_t before = ends->count;
	for (size_t i = 0; i < samples->address_count; i++) {
		struct endpoint end = {.has_address = true, .address = samples->addresses[i].address};
		bool inside = peer->kind == PEER_NETWORK ? network_contains(peer->network, &end.address)
							 : samples->addresses[i].outside;
		end.workload = inventory_at(running->world->inventory, &end.address);
		if (inside)
			add(running, ends, end);
	}
	size_t count;
	const struct place *places = inventory_places(running->world->inventory, &count);
	for (size_t i = 0; peer->kind == PEER_NETWORK && i < count; i++)
		if (network_contains(peer->network, &places[i].address))
			add(running, ends,
			    (struct endpoint){places[i].workload, true, places[i].address, PEER_SERVICE});
	if (ends->count == before && peer->kind == PEER_NETWORK)
		running->result->problem = arena_printf(running->arena, "`%s` holds no address", peer->name);
}

static void add_peer(const struct running *running, struct endpoints *ends, const struct peer *peer)
{
	switch (peer->kind) {
	case PEER_SERVICE:
		add_required(running, ends, peer->service);
		add_known(running, ends, peer);
		break;
	case PEER_LABELS:
		add_labels(running, ends, peer);
		break;
	case PEER_NETWORK:
	case PEER_WORLD:
		add_addresses(running, ends, peer);
		break;
	case PEER_ANY:
		add_addresses(running, ends, peer);
		__attribute__((fallthrough));
	case PEER_CLUSTER:
		add_services(running, ends);
		add_known(running, ends, peer);
		add(running, ends, (struct endpoint){.stands_for = peer->kind});
		break;
	case PEER_NODE:
		add(running, ends, (struct endpoint){.stands_for = PEER_NODE});
		break;
	}
}

/* ---- flows ---- */

static void ask(const struct running *running, const struct flow *flow)
{
	struct test_result *result = running->result;
	const struct endpoint *from = &flow->from, *to = &flow->to;
	if ((from->workload == NULL && to->workload == NULL) || !ends_fit(from, to, flow->protocol))
		return;
	struct verdict verdict = verdict_of(running->asked, flow);
	if (verdict.egress.reason == REASON_SELF)
		return;
	bool as_expected = verdict.allowed == result->test->expect_allow;
	if (result->flow_count++ == 0 || (result->passed && !as_expected)) {
		result->flow = *flow;
		result->verdict = verdict;
	}
	result->passed = result->passed && as_expected;
}

/* A destination that stands for workloads has the ports that the test calls by name: one that no statement names. */
static struct endpoint with_named_ports(const struct running *running, const struct target *target, struct endpoint end)
{
	const struct port_list *pieces = &running->samples->ports;
	if (target->container_port_count == 0 || end.workload == NULL || end.has_address ||
	    inventory_workload(running->world->inventory, end.workload->name_space, end.workload->name) == end.workload)
		return end;
	struct workload *workload = arena_alloc(running->arena, sizeof *workload);
	*workload = *end.workload;
	for (size_t i = 0; i < target->container_port_count; i++) {
		const struct port_name *name = &target->container_ports[i];
		uint16_t protocol = name->protocol == PROTOCOL_ANY ? PROTOCOL_TCP : name->protocol;
		uint16_t port = 1;
		for (size_t j = 0; j < pieces->count; j++)
			if (pieces->items[j].protocol == protocol)
				port = pieces->items[j].last;
		*arena_push(running->arena, workload->ports, workload->port_count) =
		    (struct named_port){name->name, {protocol, port, port}};
	}
	end.workload = workload;
	return end;
}

static void ask_range(const struct running *running, struct flow *flow, const struct port_range *range)
{
	const struct port_list *pieces = &running->samples->ports;
	for (size_t i = 0; i < pieces->count; i++) {
		struct port_range part = pieces->items[i];
		if (range->protocol != PROTOCOL_ANY && range->protocol != part.protocol)
			continue;
		part.first = range->first > part.first ? range->first : part.first;
		part.last = range->last < part.last ? range->last : part.last;
		if (part.first > part.last)
			continue;
		flow->protocol = part.protocol;
		flow->port = port_sample(&part);
		ask(running, flow);
	}
}

static void ask_target(const struct running *running, const struct target *target, const struct endpoint *from,
		       const struct endpoint *to)
{
	struct flow flow = {.from = *from, .to = *to};
	for (size_t i = 0; i < target->port_count; i++)
		ask_range(running, &flow, &target->ports[i]);
	for (size_t i = 0; i < target->container_port_count; i++) {
		const struct port_name *name = &target->container_ports[i];
		for (size_t j = 0; to->workload != NULL && j < to->workload->port_count; j++) {
			const struct named_port *port = &to->workload->ports[j];
			if (strcmp(port->name, name->name) == 0 &&
			    (name->protocol == PROTOCOL_ANY || name->protocol == port->port.protocol))
				ask_range(running, &flow, &port->port);
		}
	}
}

/* ---- a name for a test ---- */

static const char *ports_text(struct arena *arena, const struct flows *flows)
{
	const char *text = "";
	char port[48];
	for (size_t i = 0; i < flows->to_count; i++) {
		const struct target *target = &flows->to[i];
		for (size_t j = 0; j < target->port_count + target->container_port_count; j++) {
			const char *one = j < target->port_count ? port_range_format(&target->ports[j], port)
								 : target->container_ports[j - target->port_count].name;
			const char *seen = strstr(text, one);
			size_t length = strlen(one);
			if (seen != NULL && (seen == text || seen[-1] == ' ') &&
			    (seen[length] == 0 || seen[length] == ','))
				continue;
			text = arena_printf(arena, "%s%s%s", text, *text != 0 ? ", " : "", one);
		}
	}
	return text;
}

static const char *test_name(struct arena *arena, const struct policy_test *test)
{
	const char *from = "", *to = "";
	for (size_t i = 0; i < test->flows.from_count; i++)
		from = arena_printf(arena, "%s%s%s", from, i > 0 ? ", " : "", test->flows.from[i].name);
	for (size_t i = 0; i < test->flows.to_count; i++)
		to = arena_printf(arena, "%s%s%s", to, i > 0 ? ", " : "", test->flows.to[i].peer.name);
	return arena_printf(arena, "%s -> %s %s: %s", from, to, ports_text(arena, &test->flows),
			    test->expect_allow ? "allow" : "deny");
}

static void run(struct running *running)
{
	struct test_result *result = running->result;
	const struct flows *flows = &result->test->flows;
	struct endpoints from = {0};
	result->passed = true;
	for (size_t i = 0; i < flows->from_count; i++)
		add_peer(running, &from, &flows->from[i]);
	const struct scope *sources = narrowing_scope(running->narrowing, &from);
	for (size_t i = 0; i < flows->to_count && result->problem == NULL; i++) {
		struct endpoints to = {0};
		add_peer(running, &to, &flows->to[i].peer);
		for (size_t j = 0; j < to.count; j++)
			to.items[j] = with_named_ports(running, &flows->to[i], to.items[j]);
		const struct scope *destinations = narrowing_scope(running->narrowing, &to);
		running->asked = narrowing_world(running->narrowing, sources, destinations);
		for (size_t j = 0; j < from.count; j++)
			for (size_t k = 0; k < to.count; k++)
				ask_target(running, &flows->to[i], &from.items[j], &to.items[k]);
	}
	if (result->flow_count == 0 && result->problem == NULL)
		result->problem = "there is no such flow: one end must be a workload, and both of one family";
	result->passed = result->passed && result->problem == NULL;
}

struct test_result *tests_run(struct arena *arena, const struct world *world)
{
	const struct policy *policy = world->policy;
	struct samples samples;
	struct test_result *results = arena_alloc(arena, (policy->test_count + 1) * sizeof *results);
	samples_init(&samples, arena, world);
	struct narrowing *narrowing = narrowing_create(arena, world);
	for (size_t i = 0; i < policy->test_count; i++) {
		struct running running = {arena, world, &samples, narrowing, NULL, &results[i]};
		results[i].test = policy->tests[i];
		results[i].name = test_name(arena, policy->tests[i]);
		run(&running);
	}
	narrowing_finish(narrowing);
	return results;
}
