/* Words of a command line to endpoints and ports, and verdicts to words. */
#include "compiler/analysis/samples.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <string.h>

static void add(struct arena *arena, struct endpoints *endpoints, struct endpoint end)
{
	*arena_push(arena, endpoints->items, endpoints->count) = end;
}

/* At each address of its node, then at a loopback address of each family. Where the inventory names none of a family
 * for the node, it may have one all the same. */
static void add_host_workload(struct arena *arena, const struct inventory *inventory, struct endpoints *endpoints,
			      const struct workload *workload)
{
	static const char *const loopbacks[] = {"127.0.0.1", "::1"};
	const struct node *node = workload->node != NULL ? inventory_node(inventory, workload->node) : NULL;
	bool has[2] = {false, false};
	struct endpoint end = {.workload = workload, .has_address = true};
	for (size_t i = 0; node != NULL && i < node->address_count; i++) {
		end.address = node->addresses[i];
		has[end.address.family == 6] = true;
		add(arena, endpoints, end);
	}
	for (size_t i = 0; i < 2; i++)
		if (!has[i])
			add(arena, endpoints,
			    (struct endpoint){.workload = workload, .address = {.family = i == 0 ? 4 : 6}});
	for (size_t i = 0; i < 2; i++)
		if (address_parse(&end.address, loopbacks[i]) == NULL)
			add(arena, endpoints, end);
}

void endpoints_add_workload(struct arena *arena, const struct inventory *inventory, struct endpoints *endpoints,
			    const struct workload *workload)
{
	if (workload_is_host(workload)) {
		add_host_workload(arena, inventory, endpoints, workload);
		return;
	}
	for (size_t i = 0; i < workload->address_count; i++)
		add(arena, endpoints,
		    (struct endpoint){.workload = workload, .has_address = true, .address = workload->addresses[i]});
	if (workload->address_count == 0)
		add(arena, endpoints, (struct endpoint){.workload = workload});
}

struct endpoint endpoint_of_service(struct arena *arena, const struct service *service)
{
	struct workload *workload = arena_alloc(arena, sizeof *workload);
	workload->name_space = service->name_space;
	workload->name = arena_printf(arena, "(any %s)", service->name);
	workload->span = service->span;
	for (size_t i = 0; i < service->workloads.count; i++) {
		const struct requirement *item = &service->workloads.items[i];
		const char *value = item->kind == REQUIRE_IN	   ? item->values[0]
				    : item->kind == REQUIRE_EXISTS ? ""
								   : NULL;
		if (value != NULL)
			*arena_push(arena, workload->labels.items, workload->labels.count) =
			    (struct label){item->key, value};
	}
	return (struct endpoint){.workload = workload};
}

static void add_service(struct arena *arena, const struct world *world, struct endpoints *endpoints,
			const struct service *service)
{
	endpoints->service = service;
	for (size_t i = 0; i < world->inventory->workload_count; i++) {
		const struct workload *workload = world->inventory->workloads[i];
		if (strcmp(workload->name_space, service->name_space) == 0 &&
		    selector_matches(&service->workloads, &workload->labels))
			endpoints_add_workload(arena, world->inventory, endpoints, workload);
	}
	if (endpoints->count == 0)
		add(arena, endpoints, endpoint_of_service(arena, service));
}

static const char *find_named(struct arena *arena, const struct world *world, const char *word,
			      struct endpoints *endpoints)
{
	const char *kind = word;
	bool service_only = strncmp(word, "service:", 8) == 0, workload_only = strncmp(word, "workload:", 9) == 0;
	word += service_only ? 8 : workload_only ? 9 : 0;
	const char *slash = strchr(word, '/');
	const char *name_space = slash != NULL ? arena_copy(arena, word, (size_t)(slash - word)) : "default";
	const char *name = slash != NULL ? slash + 1 : word;
	const struct workload *workload = service_only ? NULL : inventory_workload(world->inventory, name_space, name);
	const struct service *service = NULL;
	for (size_t i = 0; !workload_only && i < world->policy->service_count && service == NULL; i++)
		if (strcmp(world->policy->services[i]->name_space, name_space) == 0 &&
		    strcmp(world->policy->services[i]->name, name) == 0)
			service = world->policy->services[i];
	if (workload != NULL && service != NULL)
		return arena_printf(arena, "`%s` is a workload and a service: write workload:%s or service:%s", kind,
				    word, word);
	if (workload != NULL)
		endpoints_add_workload(arena, world->inventory, endpoints, workload);
	else if (service != NULL)
		add_service(arena, world, endpoints, service);
	else
		return arena_printf(arena, "no workload, service or address `%s`", kind);
	return NULL;
}

/* The world is one address of each piece that the policy tells apart: what holds for it holds for every one. */
static void add_world(struct arena *arena, const struct world *world, struct endpoints *endpoints)
{
	struct samples samples;
	samples_init(&samples, arena, world);
	for (size_t i = 0; i < samples.address_count; i++)
		if (samples.addresses[i].outside)
			add(arena, endpoints,
			    (struct endpoint){.has_address = true, .address = samples.addresses[i].address});
	if (endpoints->count == 0)
		add(arena, endpoints, (struct endpoint){.stands_for = PEER_WORLD});
}

const char *endpoints_find(struct arena *arena, const struct world *world, const char *word,
			   struct endpoints *endpoints)
{
	static const struct {
		const char *name;
		enum peer_kind kind;
	} built_in[] = {{"any", PEER_ANY}, {"cluster", PEER_CLUSTER}, {"world", PEER_WORLD}, {"node", PEER_NODE}};
	*endpoints = (struct endpoints){0};
	for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
		if (strcmp(word, built_in[i].name) != 0)
			continue;
		if (built_in[i].kind == PEER_WORLD) {
			add_world(arena, world, endpoints);
			return NULL;
		}
		add(arena, endpoints, (struct endpoint){.stands_for = built_in[i].kind});
		return NULL;
	}
	struct endpoint end = {.has_address = true};
	const char *problem = address_parse(&end.address, word);
	if (problem == NULL) {
		end.workload = inventory_at(world->inventory, &end.address);
		add(arena, endpoints, end);
		return NULL;
	}
	if (end.address.family != 0)
		return arena_printf(arena, "`%s`: %s", word, problem);
	return find_named(arena, world, word, endpoints);
}

static bool named(const struct named_port *ports, size_t count, const char *name, struct port_range *range)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(ports[i].name, name) != 0)
			continue;
		*range = ports[i].port;
		return true;
	}
	return false;
}

/* Looks a port's name up in the services of the destination, then in its workloads. */
static bool find_port(const struct world *world, const struct endpoints *to, const char *name, struct port_range *range)
{
	const struct policy *policy = world->policy;
	const struct workload *workload = to->count > 0 ? to->items[0].workload : NULL;
	for (size_t i = 0; workload != NULL && i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		bool destination = to->service != NULL ? service == to->service
						       : strcmp(service->name_space, workload->name_space) == 0 &&
							     selector_matches(&service->workloads, &workload->labels);
		if (destination && named(service->ports, service->port_count, name, range))
			return true;
	}
	for (size_t i = 0; i < to->count; i++) {
		workload = to->items[i].workload;
		if (workload != NULL && named(workload->ports, workload->port_count, name, range))
			return true;
	}
	return false;
}

const char *flow_port_find(struct arena *arena, const struct world *world, const struct endpoints *to, const char *word,
			   uint16_t *protocol, uint16_t *port)
{
	struct port_range range;
	const char *problem = port_range_parse(&range, word);
	if (problem != NULL && !find_port(world, to, word, &range))
		return arena_printf(arena, "port `%s`: %s, or a name that the destination declares", word, problem);
	uint16_t requests[8];
	if (icmp_requests(&range, requests) > 0)
		range.first = range.last = requests[0]; /* all of ICMP: the first is the echo request */
	if (range.protocol == PROTOCOL_ANY || range.first != range.last)
		return arena_printf(arena, "port `%s`: a flow has one port", word);
	*protocol = range.protocol;
	*port = range.first;
	return NULL;
}

/* All pairs of one question, and the verdict so far. */
struct asking {
	const struct world *world;
	const struct endpoints *from, *to;
	struct verdict verdict;
	struct flow flow;
	bool any; /* a pair was asked */
};

/* Asks about each pair until one is denied. With `addressed` only those of which an end has an address. */
static void ask_pairs(struct asking *asking, uint16_t protocol, uint16_t port, bool addressed)
{
	for (size_t i = 0; i < asking->from->count; i++) {
		for (size_t j = 0; j < asking->to->count; j++) {
			struct flow flow = {asking->from->items[i], asking->to->items[j], protocol, port};
			if (!ends_fit(&flow.from, &flow.to, protocol) ||
			    (addressed && !flow.from.has_address && !flow.to.has_address))
				continue;
			if (asking->any && !asking->verdict.allowed)
				return;
			struct verdict verdict = verdict_of(asking->world, &flow);
			if (!asking->any || !verdict.allowed) {
				asking->verdict = verdict;
				asking->flow = flow;
			}
			asking->any = true;
		}
	}
}

static struct verdict answer(struct asking *asking, uint16_t protocol, uint16_t port, struct flow *flow)
{
	if (!asking->any) { /* no family in common: no packet can go */
		asking->flow = (struct flow){asking->from->items[0], asking->to->items[0], protocol, port};
		asking->verdict.egress.reason = asking->verdict.ingress.reason = REASON_NO_ALLOW;
	}
	*flow = asking->flow;
	return asking->verdict;
}

struct verdict verdict_of_endpoints(const struct world *world, const struct endpoints *from, const struct endpoints *to,
				    uint16_t protocol, uint16_t port, struct flow *flow)
{
	struct asking asking = {.world = world, .from = from, .to = to};
	ask_pairs(&asking, protocol, port, false);
	return answer(&asking, protocol, port, flow);
}

const char *verdict_of_word(struct arena *arena, const struct world *world, const struct endpoints *from,
			    const struct endpoints *to, const char *word, struct verdict *verdict, struct flow *flow)
{
	static const struct port_range version6 = {PROTOCOL_ICMPV6, 0, 65535};
	struct asking asking = {.world = world, .from = from, .to = to};
	uint16_t protocol, port;
	const char *wrong = flow_port_find(arena, world, to, word, &protocol, &port);
	if (wrong != NULL)
		return wrong;
	ask_pairs(&asking, protocol, port, false);
	if (strcmp(word, "icmp") == 0)
		ask_pairs(&asking, PROTOCOL_ICMPV6, port_sample(&version6), true);
	*verdict = answer(&asking, protocol, port, flow);
	return NULL;
}

const char *endpoint_name(struct arena *arena, const struct endpoint *end)
{
	char address[ADDRESS_TEXT_SIZE] = "";
	if (end->has_address)
		address_format(&end->address, address);
	if (end->workload != NULL && end->has_address)
		return arena_printf(arena, "%s/%s (%s)", end->workload->name_space, end->workload->name, address);
	if (end->workload != NULL)
		return arena_printf(arena, "%s/%s", end->workload->name_space, end->workload->name);
	if (end->has_address)
		return arena_copy(arena, address, strlen(address));
	switch (end->stands_for) {
	case PEER_CLUSTER:
		return "cluster";
	case PEER_WORLD:
		return "world";
	case PEER_NODE:
		return "node";
	case PEER_ANY:
	case PEER_SERVICE:
	case PEER_NETWORK:
	case PEER_LABELS:
		break;
	}
	return "any";
}

const char *side_text(const struct side *side, struct span *span)
{
	*span = (struct span){0};
	switch (side->reason) {
	case REASON_SELF:
		return "a workload always reaches itself";
	case REASON_NOT_ISOLATED:
		return "nothing isolates this end";
	case REASON_ALLOW:
		*span = side->allow->span;
		return "allowed by this statement";
	case REASON_NO_ALLOW:
		if (side->isolated_by == NULL)
			return "no allow matches; workloads that no service selects are denied";
		*span = side->isolated_by->span;
		return side->isolated_by->service != NULL ? "no allow matches; isolated by this service"
							  : "no rule matches; isolated by this NetworkPolicy";
	case REASON_UNKNOWN:
		return "an address for workloads that no source knows is closed";
	case REASON_CONFLICT:
		return "another workload has one of its addresses";
	case REASON_QUARANTINE:
		*span = side->quarantine->span;
		return span->file != NULL ? "in quarantine" : "in quarantine by an operator of the node";
	case REASON_NODE:
		return "a pod and its own node always reach each other";
	}
	return "";
}
