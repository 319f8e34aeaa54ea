/* NetworkPolicy (networking.k8s.io/v1) to policy, as the API server would take it: an isolation, and an allow for each
 * rule, which counts on the side of the pods that the policy selects. */
#include "compiler/frontend/manifest.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- label selectors ---- */

struct selector_parts {
	const struct yaml_node *labels, *expressions;
};
KEEPS(match_labels_read, struct selector_parts, labels)
KEEPS(match_expressions_read, struct selector_parts, expressions)
static const struct key selector_keys[] = {
    UNTYPED_KEY("matchLabels", false, match_labels_read),
    UNTYPED_KEY("matchExpressions", false, match_expressions_read),
};

struct expression_parts {
	const struct yaml_node *key, *operator, * values;
};
KEEPS(expression_key_read, struct expression_parts, key)
KEEPS(expression_operator_read, struct expression_parts, operator)
KEEPS(expression_values_read, struct expression_parts, values)
static const struct key expression_keys[] = {
    UNTYPED_KEY("key", true, expression_key_read),
    UNTYPED_KEY("operator", true, expression_operator_read),
    UNTYPED_KEY("values", false, expression_values_read),
};

static const struct {
	const char *name;
	enum requirement_kind kind;
	bool takes_values;
} operators[] = {
    {"In", REQUIRE_IN, true},
    {"NotIn", REQUIRE_NOT_IN, true},
    {"Exists", REQUIRE_EXISTS, false},
    {"DoesNotExist", REQUIRE_ABSENT, false},
};
enum { OPERATOR_COUNT = sizeof operators / sizeof *operators };

/* The index of the operator; OPERATOR_COUNT after an error. */
static size_t operator_find(struct frontend *frontend, const struct yaml_node *node)
{
	const char *names[OPERATOR_COUNT];
	const char *text = scalar_read(frontend, node, "`operator`");
	for (size_t i = 0; text != NULL && i < OPERATOR_COUNT; i++) {
		if (strcmp(operators[i].name, text) == 0)
			return i;
		names[i] = operators[i].name;
	}
	if (text != NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "there is no operator `%s`", text);
		if (!diagnostics_suggest(frontend->diagnostics, text, names, OPERATOR_COUNT))
			diagnostics_help(frontend->diagnostics, "known here: In, NotIn, Exists, DoesNotExist");
	}
	return OPERATOR_COUNT;
}

static void expression_read(struct frontend *frontend, const struct yaml_node *node, struct selector *selector)
{
	struct expression_parts parts = {0};
	STRICT(frontend, node, expression_keys, "a match expression", &parts);
	if (parts.key == NULL || parts.operator== NULL)
		return;
	size_t found = operator_find(frontend, parts.operator), count;
	struct requirement requirement = {.key = label_key_read(frontend, parts.key)};
	struct yaml_node **values = manifest_items(frontend, parts.values, "values", &count);
	if (found == OPERATOR_COUNT)
		return;
	requirement.kind = operators[found].kind;
	if (operators[found].takes_values && count == 0)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` needs `values`", operators[found].name);
	if (!operators[found].takes_values && count > 0)
		diagnostics_error(frontend->diagnostics, parts.values->span, "`%s` takes no `values`",
				  operators[found].name);
	for (size_t i = 0; i < count; i++) {
		const char *value = label_value_read(frontend, values[i]);
		if (value != NULL)
			*arena_push(frontend->arena, requirement.values, requirement.value_count) = value;
	}
	if (requirement.key != NULL)
		*arena_push(frontend->arena, selector->items, selector->count) = requirement;
}

/* NULL: absent, which selects everything, as {} does. */
static struct selector label_selector_read(struct frontend *frontend, const struct yaml_node *node)
{
	struct selector selector = {0};
	struct selector_parts parts = {0};
	if (node == NULL)
		return selector;
	STRICT(frontend, node, selector_keys, "a label selector", &parts);
	if (parts.labels != NULL) {
		struct labels labels = {0};
		manifest_labels_read(frontend, parts.labels, &labels);
		for (size_t i = 0; i < labels.count; i++) {
			struct requirement requirement = {.kind = REQUIRE_IN, .key = labels.items[i].key};
			*arena_push(frontend->arena, requirement.values, requirement.value_count) =
			    labels.items[i].value;
			*arena_push(frontend->arena, selector.items, selector.count) = requirement;
		}
	}
	size_t count;
	struct yaml_node **items = manifest_items(frontend, parts.expressions, "matchExpressions", &count);
	for (size_t i = 0; i < count; i++)
		expression_read(frontend, items[i], &selector);
	return selector;
}

/* ---- peers ---- */

struct block_parts {
	const struct yaml_node *cidr, *except;
};
KEEPS(block_cidr_read, struct block_parts, cidr)
KEEPS(block_except_read, struct block_parts, except)
static const struct key block_keys[] = {
    UNTYPED_KEY("cidr", true, block_cidr_read),
    UNTYPED_KEY("except", false, block_except_read),
};

/* The API takes host bits that are set, and means the network. Returns false after an error. */
static bool block_prefix_read(struct frontend *frontend, const struct yaml_node *node, struct prefix *prefix)
{
	const char *text = scalar_read(frontend, node, "a network");
	if (text == NULL)
		return false;
	const char *problem = strchr(text, '/') != NULL ? prefix_parse_masked(prefix, text)
							: "the API wants ADDRESS/LENGTH, such as 192.0.2.1/32";
	if (problem != NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no network: %s", text, problem);
		return false;
	}
	struct prefix exact;
	char masked[ADDRESS_TEXT_SIZE];
	if (prefix_parse(&exact, text) != NULL)
		diagnostics_warning(frontend->diagnostics, node->span, "`%s` means %s", text,
				    prefix_format(prefix, masked));
	return true;
}

static void ip_block_read(struct frontend *frontend, const struct yaml_node *node, struct peer *peer)
{
	struct block_parts parts = {0};
	struct network *network = arena_alloc(frontend->arena, sizeof *network);
	struct prefix prefix, inner;
	peer->kind = PEER_NETWORK;
	peer->network = network;
	network->span = node->span;
	STRICT(frontend, node, block_keys, "an ipBlock", &parts);
	if (parts.cidr == NULL || !block_prefix_read(frontend, parts.cidr, &prefix))
		return;
	*arena_push(frontend->arena, network->cidrs, network->cidr_count) = prefix;
	size_t count;
	struct yaml_node **items = manifest_items(frontend, parts.except, "except", &count);
	for (size_t i = 0; i < count; i++) {
		if (!block_prefix_read(frontend, items[i], &inner))
			continue;
		if (inner.length <= prefix.length || !prefix_contains(&prefix, &inner.address))
			diagnostics_warning(frontend->diagnostics, items[i]->span,
					    "`except` should be a part of the network, or the API server refuses it");
		*arena_push(frontend->arena, network->except, network->except_count) = inner;
	}
}

struct peer_parts {
	const struct yaml_node *block, *pods, *namespaces;
};
KEEPS(peer_block_read, struct peer_parts, block)
KEEPS(peer_pods_read, struct peer_parts, pods)
KEEPS(peer_namespaces_read, struct peer_parts, namespaces)
static const struct key peer_keys[] = {
    UNTYPED_KEY("ipBlock", false, peer_block_read),
    UNTYPED_KEY("podSelector", false, peer_pods_read),
    UNTYPED_KEY("namespaceSelector", false, peer_namespaces_read),
};

/* The pods of a policy's own namespace that a selector means. */
static struct peer own_pods(struct frontend *frontend, const char *name_space, const struct selector *pods,
			    const char *name, struct span span)
{
	struct peer peer = {
	    .kind = PEER_LABELS, .labels = *pods, .scope = NAMESPACES_LISTED, .name = name, .span = span};
	*arena_push(frontend->arena, peer.namespaces, peer.namespace_count) = name_space;
	return peer;
}

static struct peer peer_read(struct frontend *frontend, const struct yaml_node *node, const char *name_space)
{
	struct peer_parts parts = {0};
	STRICT(frontend, node, peer_keys, "a peer", &parts);
	struct selector pods = label_selector_read(frontend, parts.pods);
	struct peer peer = own_pods(frontend, name_space, &pods, flow_text(frontend->arena, node), node->span);
	if (parts.namespaces != NULL) {
		peer.namespace_labels = label_selector_read(frontend, parts.namespaces);
		peer.scope = peer.namespace_labels.count > 0 ? NAMESPACES_LABELS : NAMESPACES_ANY;
	}
	bool selects = parts.pods != NULL || parts.namespaces != NULL;
	if (parts.block != NULL && selects) {
		diagnostics_error(frontend->diagnostics, node->span, "an `ipBlock` cannot stand with a selector");
		diagnostics_help(frontend->diagnostics, "make two entries of it: they are alternatives");
	}
	if (parts.block == NULL && !selects && node->kind == YAML_MAPPING) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "a peer needs `podSelector`, `namespaceSelector` or `ipBlock`");
		diagnostics_help(frontend->diagnostics, "namespaceSelector: {} is every pod; leave the list out for "
							"everyone");
	}
	if (parts.block != NULL)
		ip_block_read(frontend, parts.block, &peer);
	return peer;
}

/* ---- ports ---- */

struct port_parts {
	const struct yaml_node *port, *end, *protocol;
};
KEEPS(port_number_read, struct port_parts, port)
KEEPS(port_end_read, struct port_parts, end)
KEEPS(port_protocol_read, struct port_parts, protocol)
static const struct key port_keys[] = {
    UNTYPED_KEY("port", false, port_number_read),
    UNTYPED_KEY("endPort", false, port_end_read),
    UNTYPED_KEY("protocol", false, port_protocol_read),
};

/* What YAML or JSON readers take for a number or a truth value, and we for a name: refused, since they would disagree.
 */
static bool is_ambiguous(const struct yaml_node *node)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"};
	char *end;
	if (!node->plain)
		return false;
	strtod(node->text, &end); /* 8e1, 0x50 */
	bool number = end != node->text && *end == 0;
	bool based = node->text[0] == '0' && (node->text[1] == 'b' || node->text[1] == 'o');
	for (size_t i = 0; i < sizeof words / sizeof *words && !number; i++)
		number = strcmp(words[i], node->text) == 0;
	return number || based;
}

/* IANA service names, which the API wants: at most 15 characters, and a letter among them (RFC 6335, 5.1). */
static bool is_service_name(const char *text)
{
	size_t length = strlen(text);
	return length > 0 && length <= 15 && is_label_name(text) && strstr(text, "--") == NULL &&
	       strcspn(text, "abcdefghijklmnopqrstuvwxyz") < length;
}

static void named_port_read(struct frontend *frontend, const struct port_parts *parts, uint16_t protocol,
			    struct target *target)
{
	const char *name = scalar_read(frontend, parts->port, "`port`");
	if (name == NULL)
		return;
	if (!is_service_name(name) || is_ambiguous(parts->port)) {
		diagnostics_error(frontend->diagnostics, parts->port->span,
				  "`port` must be a number, or the name of a container port");
		if (strspn(name, "0123456789") == strlen(name))
			diagnostics_help(frontend->diagnostics, "a number stands without quotes and leading zeros");
		else if (is_ambiguous(parts->port))
			diagnostics_help(frontend->diagnostics,
					 "a name that YAML takes for something else needs quotes");
	} else if (parts->end != NULL) {
		diagnostics_error(frontend->diagnostics, parts->end->span, "`endPort` needs a `port` that is a number");
	} else {
		*arena_push(frontend->arena, target->container_ports, target->container_port_count) =
		    (struct port_name){name, protocol};
	}
}

static void rule_port_read(struct frontend *frontend, const struct yaml_node *node, struct target *target)
{
	struct port_parts parts = {0};
	STRICT(frontend, node, port_keys, "a port", &parts);
	uint16_t protocol = manifest_protocol_read(frontend, parts.protocol);
	struct port_range range = {protocol, 0, 65535};
	if (parts.port == NULL && parts.end != NULL) {
		diagnostics_error(frontend->diagnostics, parts.end->span, "`endPort` needs a `port`");
		return;
	}
	if (parts.port != NULL && !manifest_is_number(parts.port)) {
		named_port_read(frontend, &parts, protocol, target);
		return;
	}
	if (parts.port != NULL)
		range.first = range.last = manifest_number_read(frontend, parts.port, "port");
	if (parts.end != NULL) {
		range.last = manifest_number_read(frontend, parts.end, "endPort");
		if (range.first != 0 && range.last != 0 && range.last < range.first)
			diagnostics_error(frontend->diagnostics, parts.end->span, "`endPort` is less than `port`");
	}
	*arena_push(frontend->arena, target->ports, target->port_count) = range;
}

/* ---- rules ---- */

/* A NetworkPolicy while it is read. */
struct policy_parts {
	struct metadata metadata;
	const struct yaml_node *pods, *ingress, *egress, *types;
	struct selector selector;
};
KEEPS(spec_pods_read, struct policy_parts, pods)
KEEPS(spec_ingress_read, struct policy_parts, ingress)
KEEPS(spec_egress_read, struct policy_parts, egress)
KEEPS(spec_types_read, struct policy_parts, types)
static const struct key spec_keys[] = {
    UNTYPED_KEY("podSelector", false, spec_pods_read),
    UNTYPED_KEY("ingress", false, spec_ingress_read),
    UNTYPED_KEY("egress", false, spec_egress_read),
    UNTYPED_KEY("policyTypes", false, spec_types_read),
};

struct rule_parts {
	const struct yaml_node *peers, *ports;
};
KEEPS(rule_peers_read, struct rule_parts, peers)
KEEPS(rule_ports_read, struct rule_parts, ports)
static const struct key ingress_keys[] = {UNTYPED_KEY("from", false, rule_peers_read),
					  UNTYPED_KEY("ports", false, rule_ports_read)};
static const struct key egress_keys[] = {UNTYPED_KEY("to", false, rule_peers_read),
					 UNTYPED_KEY("ports", false, rule_ports_read)};

/* An absent or empty list of peers is everyone. */
static struct peer *rule_peers(struct frontend *frontend, const struct policy_parts *policy,
			       const struct yaml_node *rule, const struct yaml_node *list, const char *what,
			       size_t *count)
{
	struct peer *peers = NULL;
	size_t item_count;
	struct yaml_node **items = manifest_items(frontend, list, what, &item_count);
	*count = 0;
	for (size_t i = 0; i < item_count; i++)
		*arena_push(frontend->arena, peers, *count) =
		    peer_read(frontend, items[i], policy->metadata.name_space);
	if (*count == 0)
		*arena_push(frontend->arena, peers, *count) =
		    (struct peer){.kind = PEER_ANY, .name = "any", .span = rule->span};
	return peers;
}

/* An absent or empty list of ports is all of them. */
static struct target rule_target(struct frontend *frontend, const struct yaml_node *list)
{
	struct target target = {0};
	size_t count;
	struct yaml_node **items = manifest_items(frontend, list, "ports", &count);
	for (size_t i = 0; i < count; i++)
		rule_port_read(frontend, items[i], &target);
	if (count == 0)
		*arena_push(frontend->arena, target.ports, target.port_count) =
		    (struct port_range){PROTOCOL_ANY, 0, 65535};
	return target;
}

static void rule_read(struct frontend *frontend, const struct policy_parts *policy, const struct yaml_node *node,
		      enum direction direction)
{
	struct rule_parts parts = {0};
	bool ingress = direction == INGRESS;
	manifest_strict_read(frontend, node, ingress ? ingress_keys : egress_keys, 2,
			     ingress ? "an ingress rule" : "an egress rule", &parts);
	size_t count;
	struct peer *peers = rule_peers(frontend, policy, node, parts.peers, ingress ? "from" : "to", &count);
	struct target target = rule_target(frontend, parts.ports);
	const char *name = policy->pods != NULL ? flow_text(frontend->arena, policy->pods) : "{}";
	struct peer subject = own_pods(frontend, policy->metadata.name_space, &policy->selector, name, node->span);
	struct allow *allow = arena_alloc(frontend->arena, sizeof *allow);
	allow->counts[direction] = true;
	allow->span = node->span;
	if (ingress) {
		allow->flows.from = peers;
		allow->flows.from_count = count;
		target.peer = subject;
		*arena_push(frontend->arena, allow->flows.to, allow->flows.to_count) = target;
	} else {
		*arena_push(frontend->arena, allow->flows.from, allow->flows.from_count) = subject;
		for (size_t i = 0; i < count; i++) {
			target.peer = peers[i];
			*arena_push(frontend->arena, allow->flows.to, allow->flows.to_count) = target;
		}
	}
	const struct yaml_node *const says[] = {policy->pods, parts.peers, parts.ports};
	const char *prefix = arena_printf(frontend->arena, "%s NetworkPolicy %s", policy->metadata.name_space,
					  ingress ? "ingress" : "egress");
	allow->key = node_text(frontend->arena, prefix, says, 3);
	*arena_push(frontend->arena, frontend->policy.allows, frontend->policy.allow_count) = allow;
}

/* Left out, the types are Ingress, and Egress where there is an egress rule. */
static void types_read(struct frontend *frontend, const struct policy_parts *policy, bool directions[2])
{
	size_t count, egress_count = policy->egress != NULL ? policy->egress->count : 0;
	struct yaml_node **items = manifest_items(frontend, policy->types, "policyTypes", &count);
	directions[INGRESS] = count == 0;
	directions[EGRESS] = count == 0 && egress_count > 0;
	for (size_t i = 0; i < count; i++) {
		const char *text = scalar_read(frontend, items[i], "a policy type");
		bool ingress = text != NULL && strcmp(text, "Ingress") == 0,
		     egress = text != NULL && strcmp(text, "Egress") == 0;
		directions[INGRESS] = directions[INGRESS] || ingress;
		directions[EGRESS] = directions[EGRESS] || egress;
		if (text != NULL && !ingress && !egress)
			diagnostics_error(frontend->diagnostics, items[i]->span,
					  "a policy type is Ingress or Egress, and not `%s`", text);
	}
}

static const struct key policy_keys[] = {
    UNTYPED_KEY("apiVersion", false, NULL), UNTYPED_KEY("kind", false, NULL),	UNTYPED_KEY("metadata", false, NULL),
    UNTYPED_KEY("spec", false, NULL),	    UNTYPED_KEY("status", false, NULL),
};

void network_policy_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct policy_parts policy = {0};
	const struct yaml_node *spec = yaml_get(root, "spec");
	keys_check(frontend, root, policy_keys, sizeof policy_keys / sizeof *policy_keys, "a NetworkPolicy");
	if (!manifest_metadata_read(frontend, root, &policy.metadata))
		return;
	if (spec != NULL && !yaml_is_null(spec))
		STRICT(frontend, spec, spec_keys, "the spec of a NetworkPolicy", &policy);
	policy.selector = label_selector_read(frontend, policy.pods);
	struct isolation *isolation = arena_alloc(frontend->arena, sizeof *isolation);
	*isolation = (struct isolation){.name_space = policy.metadata.name_space,
					.name = policy.metadata.name,
					.workloads = policy.selector,
					.span = policy.metadata.span};
	types_read(frontend, &policy, isolation->directions);
	*arena_push(frontend->arena, frontend->policy.isolations, frontend->policy.isolation_count) = isolation;
	static const char *const names[] = {[EGRESS] = "egress", [INGRESS] = "ingress"};
	const struct yaml_node *const lists[] = {[EGRESS] = policy.egress, [INGRESS] = policy.ingress};
	for (size_t direction = 0; direction < 2; direction++) {
		size_t count, before = frontend->policy.allow_count;
		struct yaml_node **items = manifest_items(frontend, lists[direction], names[direction], &count);
		for (size_t i = 0; i < count; i++)
			rule_read(frontend, &policy, items[i], (enum direction)direction);
		if (!isolation->directions[direction])
			frontend->policy.allow_count = before; /* read for their errors: the API passes them over */
	}
}
