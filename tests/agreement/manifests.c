/* NetworkPolicies at random, with every field of the API. */
#include "tests/agreement/parts.h"

/* ---- selectors ---- */

static json_t *make_expression(const struct made_requirement *requirement)
{
	static const char *const operators[] = {
	    [MADE_IN] = "In", [MADE_NOT_IN] = "NotIn", [MADE_EXISTS] = "Exists", [MADE_ABSENT] = "DoesNotExist"};
	json_t *expression =
	    made(json_pack("{s:s,s:s}", "key", requirement->key, "operator", operators[requirement->kind]));
	json_t *values = made(json_array());
	for (unsigned i = 0; i < requirement->value_count; i++)
		json_array_append_new(values, made_text("%s", requirement->values[i]));
	if (requirement->value_count > 0)
		json_object_set(expression, "values", values);
	json_decref(values);
	return expression;
}

static json_t *make_selector(struct generator *g, bool of_spaces)
{
	struct made_requirement items[REQUIREMENTS_MOST];
	size_t count = make_requirements(g, items, REQUIREMENTS_MOST, of_spaces);
	json_t *labels = made(json_object()), *expressions = made(json_array()), *selector = made(json_object());
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind == MADE_IN && items[i].value_count == 1)
			json_object_set_new(labels, items[i].key, made_text("%s", items[i].values[0]));
		else
			json_array_append_new(expressions, make_expression(&items[i]));
	}
	if (json_object_size(labels) > 0)
		json_object_set(selector, "matchLabels", labels);
	if (json_array_size(expressions) > 0)
		json_object_set(selector, "matchExpressions", expressions);
	json_decref(labels);
	json_decref(expressions);
	return selector;
}

/* ---- peers ---- */

static json_t *make_block(struct generator *g)
{
	struct made_prefix whole = make_prefix(g), part, written = whole;
	if (whole.far == NULL && whole.length < 4 && one_in(&g->random, 6))
		written.number++; /* the API takes bits of the host for none */
	json_t *block = made(json_pack("{s:o}", "cidr", prefix_text(&written))), *except = made(json_array());
	for (unsigned i = 0, count = roll(&g->random, 3); i < count; i++)
		if (make_part(g, &whole, &part))
			json_array_append_new(except, prefix_text(&part));
	if (json_array_size(except) > 0)
		json_object_set(block, "except", except);
	json_decref(except);
	return block;
}

static json_t *make_peer(struct generator *g)
{
	json_t *peer = made(json_object());
	unsigned kind = roll(&g->random, 8);
	if (kind < 2 && has(g, FEATURE_CIDR)) {
		json_object_set_new(peer, "ipBlock", make_block(g));
		return peer;
	}
	if (kind != 7)
		json_object_set_new(peer, "podSelector", make_selector(g, false));
	if (kind >= 5)
		json_object_set_new(peer, "namespaceSelector", make_selector(g, true));
	return peer;
}

/* ---- ports ---- */

static json_t *make_port_entry(struct generator *g)
{
	static const char *const protocols[] = {"TCP", "UDP", "SCTP"};
	json_t *entry = made(json_object());
	unsigned kind = roll(&g->random, 8), first = make_port(g);
	bool ranges = has(g, FEATURE_RANGES), named = has(g, FEATURE_NAMED_PORTS);
	if (kind < 2 && named) {
		json_object_set_new(entry, "port", made_text("%s", PICK(&g->random, port_names)));
	} else if (kind < 4 && ranges) {
		json_object_set_new(entry, "port", made(json_integer(first)));
		json_object_set_new(entry, "endPort",
				    made(json_integer(one_in(&g->random, 4) ? 65535 : first + roll(&g->random, 3))));
	} else if (kind < 7) {
		json_object_set_new(entry, "port", made(json_integer(first)));
	}
	if (one_in(&g->random, 2))
		json_object_set_new(entry, "protocol",
				    made_text("%s", protocols[roll(&g->random, has(g, FEATURE_SCTP) ? 3 : 2)]));
	return entry;
}

/* ---- rules ---- */

static json_t *make_list(struct generator *g, json_t *(*make)(struct generator *), const unsigned counts[5])
{
	json_t *list = made(json_array());
	for (unsigned i = 0, count = counts[roll(&g->random, 5)]; i < count; i++)
		json_array_append_new(list, make(g));
	return list;
}

/* A list that is left out, and one that is empty, mean the same in a rule: everything. */
static void put_list(struct generator *g, json_t *rule, const char *key, json_t *list)
{
	if (json_array_size(list) > 0 || one_in(&g->random, 2))
		json_object_set(rule, key, list);
	json_decref(list);
}

static json_t *make_rule(struct generator *g, const char *peers)
{
	static const unsigned peer_counts[5] = {0, 1, 1, 2, 2}, port_counts[5] = {0, 0, 1, 1, 2};
	json_t *rule = made(json_object());
	put_list(g, rule, peers, make_list(g, make_peer, peer_counts));
	put_list(g, rule, "ports", make_list(g, make_port_entry, port_counts));
	return rule;
}

static json_t *make_ingress_rule(struct generator *g)
{
	return make_rule(g, "from");
}

static json_t *make_egress_rule(struct generator *g)
{
	return make_rule(g, "to");
}

json_t *make_network_policy(struct generator *g)
{
	static const unsigned counts[5] = {0, 1, 1, 1, 2};
	json_t *spec = made(json_pack("{s:o}", "podSelector", make_selector(g, false)));
	unsigned types = roll(&g->random, 5);
	if (types == 1)
		json_object_set_new(spec, "policyTypes", made(json_pack("[s]", "Ingress")));
	else if (types == 2)
		json_object_set_new(spec, "policyTypes", made(json_pack("[s]", "Egress")));
	else if (types >= 3)
		json_object_set_new(spec, "policyTypes", made(json_pack("[s,s]", "Ingress", "Egress")));
	if (!one_in(&g->random, 5))
		json_object_set_new(spec, "ingress", make_list(g, make_ingress_rule, counts));
	if (!one_in(&g->random, 4))
		json_object_set_new(spec, "egress", make_list(g, make_egress_rule, counts));
	return made(json_pack("{s:s,s:s,s:{s:o,s:s},s:o}", "apiVersion", "networking.k8s.io/v1", "kind",
			      "NetworkPolicy", "metadata", "name", made_text("p%u", g->policies++), "namespace",
			      PICK(&g->random, space_names), "spec", spec));
}
