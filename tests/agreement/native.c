/* Native documents at random: services, networks, allows, quarantines, settings. */
#include "tests/agreement/parts.h"

/* ---- selectors ---- */

static json_t *values_of(const struct made_requirement *requirement)
{
	json_t *values = made(json_array());
	for (unsigned i = 0; i < requirement->value_count; i++)
		json_array_append_new(values, made_text("%s", requirement->values[i]));
	return values;
}

static json_t *requirement_value(struct generator *g, const struct made_requirement *requirement)
{
	switch (requirement->kind) {
	case MADE_IN:
		if (requirement->value_count == 1 && one_in(&g->random, 2))
			return made_text("%s", requirement->values[0]);
		return values_of(requirement);
	case MADE_NOT_IN:
		return made(json_pack("{s:o}", "not", values_of(requirement)));
	case MADE_EXISTS:
	case MADE_ABSENT:
		break;
	}
	return made(json_pack("{s:b}", "exists", requirement->kind == MADE_EXISTS));
}

static json_t *make_selector(struct generator *g, bool of_spaces)
{
	struct made_requirement items[REQUIREMENTS_MOST];
	size_t count = make_requirements(g, items, REQUIREMENTS_MOST, of_spaces);
	json_t *selector = made(json_object());
	for (size_t i = 0; i < count; i++)
		json_object_set_new(selector, items[i].key, requirement_value(g, &items[i]));
	return selector;
}

/* ---- networks ---- */

static json_t *make_network(struct generator *g, const char *key)
{
	json_t *network = made(json_object()), *cidrs = made(json_array()), *except = made(json_array());
	for (unsigned i = 0, count = 1 + roll(&g->random, 2); i < count; i++) {
		struct made_prefix whole = make_prefix(g), part;
		json_array_append_new(cidrs, prefix_text(&whole));
		if (one_in(&g->random, 2) && make_part(g, &whole, &part))
			json_array_append_new(except, prefix_text(&part));
	}
	json_object_set_new(network, key, cidrs);
	if (json_array_size(except) > 0)
		json_object_set_new(network, "except", except);
	else
		json_decref(except);
	return network;
}

/* ---- peers ---- */

/* What the destinations of an allow say about ports. */
struct destinations {
	bool names[2];	  /* port_names that can be said */
	bool all_declare; /* so that ports can be left out */
};

static json_t *service_peer(struct generator *g, unsigned own, struct destinations *to)
{
	unsigned space = one_in(&g->random, 2) ? own : roll(&g->random, SPACES),
		 number = roll(&g->random, SERVICES_MOST);
	const struct made_service *service = &g->services[space][number];
	if (!service->there)
		return NULL;
	to->names[0] = to->names[0] || service->has_ports[0];
	to->names[1] = to->names[1] || service->has_ports[1];
	to->all_declare = to->all_declare && (service->has_ports[0] || service->has_ports[1]);
	return space == own ? made_text("s%u", number) : made_text("%s/s%u", space_names[space], number);
}

static void name_everything(struct destinations *to)
{
	*to = (struct destinations){{true, true}, false};
}

static json_t *labels_peer(struct generator *g, struct destinations *to)
{
	json_t *peer = made(json_pack("{s:o}", "labels", make_selector(g, false)));
	unsigned scope = roll(&g->random, 5);
	if (scope == 1)
		json_object_set_new(peer, "namespaces", made_text("any"));
	else if (scope == 2)
		json_object_set_new(peer, "namespaces", made(json_pack("[s]", PICK(&g->random, space_names))));
	else if (scope == 3)
		json_object_set_new(peer, "namespaces", made(json_pack("[s,s]", space_names[0], space_names[2])));
	else if (scope == 4)
		json_object_set_new(peer, "namespaces", made(json_pack("{s:o}", "labels", make_selector(g, true))));
	name_everything(to);
	return peer;
}

static json_t *built_in_peer(struct generator *g, struct destinations *to)
{
	static const struct {
		const char *name;
		enum feature feature;
		bool named;
	} peers[] = {{"any", FEATURE_BUILT_IN, true},
		     {"cluster", FEATURE_BUILT_IN, true},
		     {"world", FEATURE_WORLD, false},
		     {"node", FEATURE_NODE, false}};
	unsigned one = roll(&g->random, 4);
	if (!has(g, peers[one].feature))
		return NULL;
	to->all_declare = false;
	if (peers[one].named)
		name_everything(to);
	return made_text("%s", peers[one].name);
}

static json_t *network_peer(struct generator *g, unsigned own, struct destinations *to)
{
	if (!has(g, FEATURE_CIDR))
		return NULL;
	to->all_declare = false;
	if (!one_in(&g->random, 3))
		return make_network(g, "cidr");
	unsigned space = roll(&g->random, SPACES);
	return space == own ? made_text("net") : made_text("%s/net", space_names[space]);
}

static json_t *make_peer(struct generator *g, unsigned space, struct destinations *to)
{
	json_t *peer = NULL;
	while (peer == NULL) {
		unsigned kind = roll(&g->random, 10);
		peer = kind < 4	  ? service_peer(g, space, to)
		       : kind < 7 ? labels_peer(g, to)
		       : kind < 8 ? built_in_peer(g, to)
				  : network_peer(g, space, to);
	}
	return peer;
}

static json_t *make_peers(struct generator *g, unsigned space, struct destinations *to)
{
	unsigned count = PICK(&g->random, ((const unsigned[]){1, 1, 1, 2, 3}));
	if (count == 1 && one_in(&g->random, 2))
		return make_peer(g, space, to);
	json_t *peers = made(json_array());
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(peers, make_peer(g, space, to));
	return peers;
}

/* ---- ports ---- */

static json_t *make_icmp(struct generator *g)
{
	static const char *const forms[] = {"icmp", "icmpv6", "icmp/echo-request", "icmpv6/echo-request",
					    "icmp/timestamp-request"};
	return made_text("%s", PICK(&g->random, forms));
}

static json_t *make_one_port(struct generator *g)
{
	unsigned port = make_port(g); /* before the protocol: compilers differ in the order of arguments */
	return made_text("%u/%s", port, make_protocol(g));
}

static json_t *make_range(struct generator *g)
{
	unsigned first = make_port(g);
	const char *protocol = make_protocol(g);
	switch (roll(&g->random, 4)) {
	case 0:
		return made_text("%u-65535/%s", first, protocol);
	case 1:
		return made_text("1-%u/%s", first, protocol);
	default:
		return made_text("%u-%u/%s", first, first + roll(&g->random, 3), protocol);
	}
}

static json_t *make_port_text(struct generator *g, const struct destinations *to)
{
	unsigned kind = roll(&g->random, 10), name = roll(&g->random, 2);
	if (kind == 0)
		return made_text("any");
	if (kind == 1 && has(g, FEATURE_ICMP))
		return make_icmp(g);
	if (kind < 4 && has(g, FEATURE_RANGES))
		return make_range(g);
	if (kind < 6 && has(g, FEATURE_NAMED_PORTS) && to->names[name])
		return made_text("%s", port_names[name]);
	return make_one_port(g);
}

static void put_ports(struct generator *g, json_t *allow, const struct destinations *to)
{
	if (to->all_declare && one_in(&g->random, 2))
		return;
	json_t *ports = made(json_array());
	for (unsigned i = 0, count = 1 + roll(&g->random, 3); i < count; i++)
		json_array_append_new(ports, make_port_text(g, to));
	json_object_set_new(allow, "ports", ports);
}

/* ---- statements ---- */

static void put_until(struct generator *g, json_t *statement)
{
	static const char *const times[] = {"2020-01-01", "2020-01-01T12:00:00Z", "2060-12-31", "2060-01-01T00:00:00Z"};
	if (has(g, FEATURE_UNTIL) && one_in(&g->random, 3))
		json_object_set_new(statement, "until", made_text("%s", PICK(&g->random, times)));
}

json_t *make_allow(struct generator *g, unsigned space)
{
	struct destinations from = {.all_declare = true}, to = {.all_declare = true};
	json_t *allow = made(json_object());
	json_object_set_new(allow, "from", make_peers(g, space, &from));
	json_object_set_new(allow, "to", make_peers(g, space, &to));
	put_ports(g, allow, &to);
	put_until(g, allow);
	if (has(g, FEATURE_LOG) && one_in(&g->random, 4))
		json_object_set_new(allow, "log", made(json_true()));
	if (has(g, FEATURE_RATE) && one_in(&g->random, 3))
		json_object_set_new(allow, "rate", made_text("10000/second per source"));
	return allow;
}

json_t *make_quarantine(struct generator *g)
{
	const struct made_workload *workload = &g->workloads[roll(&g->random, (unsigned)g->workload_count)];
	json_t *quarantine = made(json_pack("{s:o}", "workload", made_text("%s/%s", workload->space, workload->name)));
	put_until(g, quarantine);
	return quarantine;
}

static json_t *make_service(struct generator *g, const struct made_service *service)
{
	json_t *ports = made(json_object());
	for (unsigned i = 0; i < 2; i++)
		if (service->has_ports[i] && has(g, FEATURE_RANGES) && one_in(&g->random, 3))
			json_object_set_new(ports, port_names[i], make_range(g));
		else if (service->has_ports[i])
			json_object_set_new(ports, port_names[i], make_one_port(g));
	json_t *made_one = made(json_pack("{s:o,s:o}", "workloads", make_selector(g, false), "ports", ports));
	if (has(g, FEATURE_AUDITED) && one_in(&g->random, 2))
		json_object_set_new(made_one, "mode", made_text(one_in(&g->random, 3) ? "enforce" : "audit"));
	return made_one;
}

json_t *make_native_policy(struct generator *g, unsigned space)
{
	json_t *services = made(json_object()), *allows = made(json_array());
	json_t *document = made(json_pack("{s:s,s:s}", "ringfence", "v1", "namespace", space_names[space]));
	for (unsigned i = 0; i < SERVICES_MOST; i++)
		if (g->services[space][i].there)
			json_object_set_new(services, ((const char *[]){"s0", "s1", "s2"})[i],
					    make_service(g, &g->services[space][i]));
	json_object_set_new(document, "services", services);
	if (has(g, FEATURE_CIDR))
		json_object_set_new(document, "networks", made(json_pack("{s:o}", "net", make_network(g, "cidrs"))));
	for (unsigned i = 0, count = 1 + roll(&g->random, 4); i < count; i++)
		json_array_append_new(allows, make_allow(g, space));
	json_object_set_new(document, "allow", allows);
	if (has(g, FEATURE_QUARANTINE) && one_in(&g->random, 3))
		json_object_set_new(document, "quarantine", made(json_pack("[o]", make_quarantine(g))));
	return document;
}
