/* Words of a command line to endpoints and ports, and verdicts to words. */
#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <string.h>

static void add(struct arena *arena, struct endpoints *endpoints, struct endpoint end)
{
	*arena_push(arena, endpoints->items, endpoints->count) = end;
}

/* A workload at each of its addresses; without one it is still a workload. */
static void add_workload(struct arena *arena, struct endpoints *endpoints, const struct workload *workload)
{
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
			add_workload(arena, endpoints, workload);
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
		add_workload(arena, endpoints, workload);
	else if (service != NULL)
		add_service(arena, world, endpoints, service);
	else
		return arena_printf(arena, "no workload, service or address `%s`", kind);
	return NULL;
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

const char *flow_port_find(struct arena *arena, const struct world *world, const struct endpoints *to, const char *word,
			   uint16_t *protocol, uint16_t *port)
{
	struct port_range range;
	const char *problem = port_range_parse(&range, word);
	const struct policy *policy = world->policy;
	const struct workload *workload = to->count > 0 ? to->items[0].workload : NULL;
	for (size_t i = 0; problem != NULL && workload != NULL && i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		if (to->service != NULL ? service != to->service
					: strcmp(service->name_space, workload->name_space) != 0 ||
					      !selector_matches(&service->workloads, &workload->labels))
			continue;
		for (size_t j = 0; j < service->port_count && problem != NULL; j++) {
			if (strcmp(service->ports[j].name, word) == 0) {
				range = service->ports[j].port;
				problem = NULL;
			}
		}
	}
	if (problem != NULL)
		return arena_printf(arena, "port `%s`: %s, or a name that the destination declares", word, problem);
	if (range.protocol == PROTOCOL_ANY || range.first != range.last)
		return arena_printf(arena, "port `%s`: a flow has one port", word);
	*protocol = range.protocol;
	*port = range.first;
	return NULL;
}

struct verdict verdict_of_endpoints(const struct world *world, const struct endpoints *from, const struct endpoints *to,
				    uint16_t protocol, uint16_t port, struct flow *flow)
{
	struct verdict first = {0};
	bool any = false;
	for (size_t i = 0; i < from->count; i++) {
		for (size_t j = 0; j < to->count; j++) {
			const struct endpoint *a = &from->items[i], *b = &to->items[j];
			if (a->has_address && b->has_address && a->address.family != b->address.family)
				continue;
			struct flow one = {*a, *b, protocol, port};
			struct verdict verdict = verdict_of(world, &one);
			if (!any || (first.allowed && !verdict.allowed)) {
				first = verdict;
				*flow = one;
			}
			any = true;
			if (!verdict.allowed)
				return first;
		}
	}
	if (!any) { /* no family in common: no packet can go */
		*flow = (struct flow){from->items[0], to->items[0], protocol, port};
		first.egress.reason = first.ingress.reason = REASON_NO_ALLOW;
	}
	return first;
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
		return "in quarantine";
	case REASON_NODE:
		return "a pod and its own node always reach each other";
	}
	return "";
}
