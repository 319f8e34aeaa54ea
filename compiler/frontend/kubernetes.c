/* Kubernetes manifests to policy and inventory, as the API server would take them (networking.k8s.io/v1 and v1).
 *
 * A NetworkPolicy becomes an isolation and an allow for each rule, which counts on the side of the pods it selects. A
 * field that is null is as one that is absent; null in a list is an error, as kubectl says too. */
#include "compiler/frontend/kubernetes.h"
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

struct manifest_kind {
	const char *api_version, *kind;
	bool policy; /* and not inventory */
	void (*read)(struct frontend *frontend, const struct yaml_node *root);
};

/* ---- reading objects ---- */

/* Calls the reader of every key that is there and not null. */
static void fields_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
			void *object)
{
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *value = yaml_get(node, keys[i].name);
		if (value != NULL && !yaml_is_null(value))
			keys[i].read(frontend, value, object);
	}
}

/* An object of which every key counts: an unknown one is an error. */
static void strict_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
			const char *what, void *object)
{
	if (!keys_check(frontend, node, keys, count, what))
		return;
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *value = keys[i].required ? yaml_get(node, keys[i].name) : NULL;
		if (value != NULL && yaml_is_null(value))
			diagnostics_error(frontend->diagnostics, value->span, "`%s` is null, and %s needs it",
					  keys[i].name, what);
	}
	fields_read(frontend, node, keys, count, object);
}

/* An object of which we need a part. */
static void lenient_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
			 const char *what, void *object)
{
	if (node->kind == YAML_MAPPING)
		fields_read(frontend, node, keys, count, object);
	else
		diagnostics_error(frontend->diagnostics, node->span, "%s must be a mapping", what);
}

#define STRICT(frontend, node, keys, what, object) \
	strict_read((frontend), (node), (keys), sizeof(keys) / sizeof *(keys), (what), (object))
#define LENIENT(frontend, node, keys, what, object) \
	lenient_read((frontend), (node), (keys), sizeof(keys) / sizeof *(keys), (what), (object))

/* The entries of a list; NULL or null: none. An entry that is null is an error, and left out. */
static struct yaml_node **list_items(struct frontend *frontend, const struct yaml_node *list, const char *what,
				     size_t *count)
{
	struct yaml_node **items = NULL;
	*count = 0;
	if (list == NULL || yaml_is_null(list))
		return NULL;
	if (list->kind != YAML_SEQUENCE)
		diagnostics_error(frontend->diagnostics, list->span, "`%s` must be a list", what);
	for (size_t i = 0; list->kind == YAML_SEQUENCE && i < list->count; i++) {
		if (!yaml_is_null(list->items[i])) {
			*arena_push(frontend->arena, items, *count) = list->items[i];
			continue;
		}
		diagnostics_error(frontend->diagnostics, list->items[i]->span, "an entry of `%s` is null", what);
		diagnostics_help(frontend->diagnostics, "remove it: null would be read as everything");
	}
	return items;
}

/* Readers that keep a node for later: the object is a `const struct yaml_node *`. */
static void keep(const struct yaml_node *node, void *object, size_t offset)
{
	*(const struct yaml_node **)(void *)((char *)object + offset) = node;
}

#define KEEPS(name, type, field)                                                                \
	static void name(struct frontend *frontend, const struct yaml_node *node, void *object) \
	{                                                                                       \
		(void)frontend;                                                                 \
		keep(node, object, offsetof(type, field));                                      \
	}

/* A mapping of texts: a native selector's list of one value is none. */
static void manifest_labels_read(struct frontend *frontend, const struct yaml_node *node, struct labels *labels)
{
	size_t before = frontend->diagnostics->errors;
	for (size_t i = 1; node->kind == YAML_MAPPING && i < node->count; i += 2)
		if (node->items[i]->kind != YAML_SCALAR)
			diagnostics_error(frontend->diagnostics, node->items[i - 1]->span, "label `%s` must be a text",
					  node->items[i - 1]->text);
	if (frontend->diagnostics->errors == before)
		labels_read(frontend, node, labels);
}

/* ---- metadata ---- */

struct metadata {
	const char *name, *name_space;
	struct labels labels;
	struct span span; /* of the name */
};

static void metadata_name_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct metadata *metadata = object;
	const char *name = scalar_read(frontend, node, "`metadata.name`");
	metadata->span = node->span;
	if (name != NULL && is_domain_name(name))
		metadata->name = name;
	else if (name != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`metadata.name` must be a name (RFC 1123)");
}

static void metadata_namespace_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	if (node->kind == YAML_SCALAR && node->text[0] == 0)
		return; /* as if it were absent */
	const char *name = name_read(frontend, node, "`metadata.namespace`");
	if (name != NULL)
		((struct metadata *)object)->name_space = name;
}

static void metadata_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	manifest_labels_read(frontend, node, &((struct metadata *)object)->labels);
}

static void passed_over(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)frontend;
	(void)node;
	(void)object;
}

/* All of ObjectMeta, so that a namespace that is misspelled does not become the default one. */
static const struct key metadata_keys[] = {
    {"name", false, metadata_name_read},
    {"namespace", false, metadata_namespace_read},
    {"labels", false, metadata_labels_read},
    {"annotations", false, passed_over},
    {"clusterName", false, passed_over},
    {"creationTimestamp", false, passed_over},
    {"deletionGracePeriodSeconds", false, passed_over},
    {"deletionTimestamp", false, passed_over},
    {"finalizers", false, passed_over},
    {"generateName", false, passed_over},
    {"generation", false, passed_over},
    {"initializers", false, passed_over},
    {"managedFields", false, passed_over},
    {"ownerReferences", false, passed_over},
    {"resourceVersion", false, passed_over},
    {"selfLink", false, passed_over},
    {"uid", false, passed_over},
};

/* Returns false after an error, when the object has no name to go by. */
static bool metadata_read(struct frontend *frontend, const struct yaml_node *root, struct metadata *metadata)
{
	const struct yaml_node *node = yaml_get(root, "metadata");
	size_t before = frontend->diagnostics->errors;
	*metadata = (struct metadata){.name_space = "default"};
	if (node != NULL && !yaml_is_null(node))
		STRICT(frontend, node, metadata_keys, "`metadata`", metadata);
	if (metadata->name == NULL && frontend->diagnostics->errors == before)
		diagnostics_error(frontend->diagnostics, node != NULL ? node->span : root->span,
				  "the object needs `metadata.name`");
	return metadata->name != NULL;
}

/* ---- label selectors ---- */

struct selector_parts {
	const struct yaml_node *labels, *expressions;
};
KEEPS(match_labels_read, struct selector_parts, labels)
KEEPS(match_expressions_read, struct selector_parts, expressions)
static const struct key selector_keys[] = {
    {"matchLabels", false, match_labels_read},
    {"matchExpressions", false, match_expressions_read},
};

struct expression_parts {
	const struct yaml_node *key, *operator, * values;
};
KEEPS(expression_key_read, struct expression_parts, key)
KEEPS(expression_operator_read, struct expression_parts, operator)
KEEPS(expression_values_read, struct expression_parts, values)
static const struct key expression_keys[] = {
    {"key", true, expression_key_read},
    {"operator", true, expression_operator_read},
    {"values", false, expression_values_read},
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
	struct yaml_node **values = list_items(frontend, parts.values, "values", &count);
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
	struct yaml_node **items = list_items(frontend, parts.expressions, "matchExpressions", &count);
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
    {"cidr", true, block_cidr_read},
    {"except", false, block_except_read},
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
	struct yaml_node **items = list_items(frontend, parts.except, "except", &count);
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
    {"ipBlock", false, peer_block_read},
    {"podSelector", false, peer_pods_read},
    {"namespaceSelector", false, peer_namespaces_read},
};

/* The pods of a policy's own namespace that a selector means. */
static struct peer own_pods(struct frontend *frontend, const char *name_space, const struct selector *pods,
			    struct span span)
{
	struct peer peer = {
	    .kind = PEER_LABELS, .labels = *pods, .scope = NAMESPACES_LISTED, .name = "podSelector", .span = span};
	*arena_push(frontend->arena, peer.namespaces, peer.namespace_count) = name_space;
	return peer;
}

static struct peer peer_read(struct frontend *frontend, const struct yaml_node *node, const char *name_space)
{
	struct peer_parts parts = {0};
	STRICT(frontend, node, peer_keys, "a peer", &parts);
	struct selector pods = label_selector_read(frontend, parts.pods);
	struct peer peer = own_pods(frontend, name_space, &pods, node->span);
	peer.name = flow_text(frontend->arena, node);
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
    {"port", false, port_number_read},
    {"endPort", false, port_end_read},
    {"protocol", false, port_protocol_read},
};

/* TCP where it is left out. Returns 0 after an error. */
static uint16_t protocol_read(struct frontend *frontend, const struct yaml_node *node)
{
	static const char *const names[] = {"TCP", "UDP", "SCTP"};
	static const uint16_t numbers[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP};
	const char *text = node != NULL ? scalar_read(frontend, node, "`protocol`") : "TCP";
	for (size_t i = 0; text != NULL && i < 3; i++)
		if (strcmp(names[i], text) == 0)
			return numbers[i];
	if (text != NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "there is no protocol `%s` here", text);
		diagnostics_help(frontend->diagnostics, "known here: TCP, UDP, SCTP");
	}
	return 0;
}

static bool is_number(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->plain && node->text[0] != 0 &&
	       (node->text[0] != '0' || node->text[1] == 0) && /* an octal number, to some readers */
	       strspn(node->text, "0123456789") == strlen(node->text);
}

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

/* Returns 0 after an error. */
static uint16_t number_read(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	unsigned long value = is_number(node) && strlen(node->text) <= 5 ? strtoul(node->text, NULL, 10) : 0;
	if (value >= 1 && value <= 65535)
		return (uint16_t)value;
	diagnostics_error(frontend->diagnostics, node->span, "`%s` must be a number from 1 to 65535", what);
	return 0;
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
			diagnostics_help(frontend->diagnostics, "a number stands without quotes");
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
	uint16_t protocol = protocol_read(frontend, parts.protocol);
	struct port_range range = {protocol, 0, 65535};
	if (parts.port == NULL && parts.end != NULL) {
		diagnostics_error(frontend->diagnostics, parts.end->span, "`endPort` needs a `port`");
		return;
	}
	if (parts.port != NULL && !is_number(parts.port)) {
		named_port_read(frontend, &parts, protocol, target);
		return;
	}
	if (parts.port != NULL)
		range.first = range.last = number_read(frontend, parts.port, "port");
	if (parts.end != NULL) {
		range.last = number_read(frontend, parts.end, "endPort");
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
    {"podSelector", false, spec_pods_read},
    {"ingress", false, spec_ingress_read},
    {"egress", false, spec_egress_read},
    {"policyTypes", false, spec_types_read},
};

struct rule_parts {
	const struct yaml_node *peers, *ports;
};
KEEPS(rule_peers_read, struct rule_parts, peers)
KEEPS(rule_ports_read, struct rule_parts, ports)
static const struct key ingress_keys[] = {{"from", false, rule_peers_read}, {"ports", false, rule_ports_read}};
static const struct key egress_keys[] = {{"to", false, rule_peers_read}, {"ports", false, rule_ports_read}};

/* An absent or empty list of peers is everyone. */
static struct peer *rule_peers(struct frontend *frontend, const struct policy_parts *policy,
			       const struct yaml_node *rule, const struct yaml_node *list, const char *what,
			       size_t *count)
{
	struct peer *peers = NULL;
	size_t item_count;
	struct yaml_node **items = list_items(frontend, list, what, &item_count);
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
	struct yaml_node **items = list_items(frontend, list, "ports", &count);
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
	strict_read(frontend, node, ingress ? ingress_keys : egress_keys, 2,
		    ingress ? "an ingress rule" : "an egress rule", &parts);
	size_t count;
	struct peer *peers = rule_peers(frontend, policy, node, parts.peers, ingress ? "from" : "to", &count);
	struct target target = rule_target(frontend, parts.ports);
	struct peer subject = own_pods(frontend, policy->metadata.name_space, &policy->selector, node->span);
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
	struct yaml_node **items = list_items(frontend, policy->types, "policyTypes", &count);
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
    {"apiVersion", false, NULL}, {"kind", false, NULL},	  {"metadata", false, NULL},
    {"spec", false, NULL},	 {"status", false, NULL},
};

static void network_policy_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct policy_parts policy = {0};
	const struct yaml_node *spec = yaml_get(root, "spec");
	keys_check(frontend, root, policy_keys, sizeof policy_keys / sizeof *policy_keys, "a NetworkPolicy");
	if (!metadata_read(frontend, root, &policy.metadata))
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
		struct yaml_node **items = list_items(frontend, lists[direction], names[direction], &count);
		for (size_t i = 0; i < count; i++)
			rule_read(frontend, &policy, items[i], (enum direction)direction);
		if (!isolation->directions[direction])
			frontend->policy.allow_count = before; /* read for their errors: the API passes them over */
	}
}

/* ---- inventory ---- */

static void namespace_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct metadata metadata;
	if (!metadata_read(frontend, root, &metadata))
		return;
	struct name_space *space = arena_alloc(frontend->arena, sizeof *space);
	*space = (struct name_space){.name = metadata.name, .span = metadata.span};
	*arena_push(frontend->arena, space->labels.items, space->labels.count) =
	    (struct label){"kubernetes.io/metadata.name", space->name};
	for (size_t i = 0; i < metadata.labels.count; i++)
		if (strcmp(metadata.labels.items[i].key, "kubernetes.io/metadata.name") != 0)
			*arena_push(frontend->arena, space->labels.items, space->labels.count) =
			    metadata.labels.items[i];
	*arena_push(frontend->arena, frontend->inventory.namespaces, frontend->inventory.namespace_count) = space;
}

/* An address of the machine that a pod runs on. */
struct host {
	const char *node;
	struct address address;
	struct span span;
};

struct pod_parts {
	const struct yaml_node *node_name, *host_network, *containers, *init_containers; /* spec */
	const struct yaml_node *phase, *pod_ip, *pod_ips, *host_ip, *host_ips;		 /* status */
};
KEEPS(pod_node_name_read, struct pod_parts, node_name)
KEEPS(pod_host_network_read, struct pod_parts, host_network)
KEEPS(pod_containers_read, struct pod_parts, containers)
KEEPS(pod_init_containers_read, struct pod_parts, init_containers)
KEEPS(pod_phase_read, struct pod_parts, phase)
KEEPS(pod_ip_read, struct pod_parts, pod_ip)
KEEPS(pod_ips_read, struct pod_parts, pod_ips)
KEEPS(pod_host_ip_read, struct pod_parts, host_ip)
KEEPS(pod_host_ips_read, struct pod_parts, host_ips)
static const struct key pod_spec_keys[] = {
    {"nodeName", false, pod_node_name_read},
    {"hostNetwork", false, pod_host_network_read},
    {"containers", false, pod_containers_read},
    {"initContainers", false, pod_init_containers_read},
};
static const struct key pod_status_keys[] = {
    {"phase", false, pod_phase_read},	 {"podIP", false, pod_ip_read},		{"podIPs", false, pod_ips_read},
    {"hostIP", false, pod_host_ip_read}, {"hostIPs", false, pod_host_ips_read},
};

struct container_parts {
	const struct yaml_node *ports, *restart_policy;
};
KEEPS(container_ports_read, struct container_parts, ports)
KEEPS(container_restart_read, struct container_parts, restart_policy)
static const struct key container_keys[] = {
    {"ports", false, container_ports_read},
    {"restartPolicy", false, container_restart_read},
};

struct container_port_parts {
	const struct yaml_node *name, *port, *protocol;
};
KEEPS(container_port_name_read, struct container_port_parts, name)
KEEPS(container_port_number_read, struct container_port_parts, port)
KEEPS(container_port_protocol_read, struct container_port_parts, protocol)
static const struct key container_port_keys[] = {
    {"name", false, container_port_name_read},
    {"containerPort", false, container_port_number_read},
    {"protocol", false, container_port_protocol_read},
};

static void container_port_read(struct frontend *frontend, const struct yaml_node *node, struct workload *workload)
{
	struct container_port_parts parts = {0};
	LENIENT(frontend, node, container_port_keys, "a container's port", &parts);
	if (parts.name == NULL)
		return; /* what has no name is named by nobody */
	struct named_port port = {.name = scalar_read(frontend, parts.name, "a port's name")};
	port.port.protocol = protocol_read(frontend, parts.protocol);
	if (parts.port == NULL)
		diagnostics_error(frontend->diagnostics, node->span, "a container's port needs `containerPort`");
	else
		port.port.first = port.port.last = number_read(frontend, parts.port, "containerPort");
	bool known = port.name == NULL;
	for (size_t i = 0; i < workload->port_count && !known; i++)
		known = strcmp(workload->ports[i].name, port.name) == 0 &&
			workload->ports[i].port.protocol == port.port.protocol;
	if (!known) /* of two with one name the first counts, as for Kubernetes */
		*arena_push(frontend->arena, workload->ports, workload->port_count) = port;
}

/* Of init containers those count that go on running: sidecars. */
static void containers_read(struct frontend *frontend, const struct yaml_node *list, bool init,
			    struct workload *workload)
{
	size_t count, port_count;
	struct yaml_node **items = list_items(frontend, list, init ? "initContainers" : "containers", &count);
	for (size_t i = 0; i < count; i++) {
		struct container_parts parts = {0};
		LENIENT(frontend, items[i], container_keys, "a container", &parts);
		const struct yaml_node *restart = parts.restart_policy;
		if (init && (restart == NULL || restart->kind != YAML_SCALAR || strcmp(restart->text, "Always") != 0))
			continue;
		struct yaml_node **ports = list_items(frontend, parts.ports, "ports", &port_count);
		for (size_t j = 0; j < port_count; j++)
			container_port_read(frontend, ports[j], workload);
	}
}

static void add_ip(struct frontend *frontend, const struct yaml_node *node, struct address **list, size_t *count)
{
	struct address address;
	const char *text = scalar_read(frontend, node, "an address");
	if (text == NULL || text[0] == 0) /* empty: none yet */
		return;
	const char *problem = address_parse(&address, text);
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no address: %s", text, problem);
	else
		*arena_push(frontend->arena, *list, *count) = address;
}

/* `list` as [{ip: ADDRESS}], or `one` where there is no list. */
static struct address *ips_read(struct frontend *frontend, const struct yaml_node *list, const struct yaml_node *one,
				const char *what, size_t *count)
{
	struct address *addresses = NULL;
	size_t item_count;
	struct yaml_node **items = list_items(frontend, list, what, &item_count);
	*count = 0;
	for (size_t i = 0; i < item_count; i++) {
		const struct yaml_node *ip = items[i]->kind == YAML_MAPPING ? yaml_get(items[i], "ip") : items[i];
		if (ip != NULL && !yaml_is_null(ip))
			add_ip(frontend, ip, &addresses, count);
	}
	if (*count == 0 && one != NULL)
		add_ip(frontend, one, &addresses, count);
	return addresses;
}

static bool is_over(const struct pod_parts *pod)
{
	return pod->phase != NULL && pod->phase->kind == YAML_SCALAR &&
	       (strcmp(pod->phase->text, "Succeeded") == 0 || strcmp(pod->phase->text, "Failed") == 0);
}

/* A pod of the host's network has the node's addresses, and one that is over has none: neither is a workload. */
static void pod_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct metadata metadata;
	struct pod_parts pod = {0};
	const struct yaml_node *spec = yaml_get(root, "spec"), *status = yaml_get(root, "status");
	if (!metadata_read(frontend, root, &metadata))
		return;
	if (spec != NULL && !yaml_is_null(spec))
		LENIENT(frontend, spec, pod_spec_keys, "`spec`", &pod);
	if (status != NULL && !yaml_is_null(status))
		LENIENT(frontend, status, pod_status_keys, "`status`", &pod);
	const char *node = pod.node_name != NULL && !(pod.node_name->kind == YAML_SCALAR && pod.node_name->text[0] == 0)
			       ? host_name_read(frontend, pod.node_name, "`nodeName`")
			       : NULL;
	size_t host_count;
	struct address *hosts = ips_read(frontend, pod.host_ips, pod.host_ip, "hostIPs", &host_count);
	for (size_t i = 0; node != NULL && i < host_count; i++)
		*arena_push(frontend->arena, frontend->hosts, frontend->host_count) =
		    (struct host){node, hosts[i], metadata.span};
	if ((pod.host_network != NULL && truth_read(frontend, pod.host_network, "`hostNetwork`")) || is_over(&pod))
		return;
	struct workload *workload = arena_alloc(frontend->arena, sizeof *workload);
	*workload = (struct workload){.name_space = metadata.name_space,
				      .name = metadata.name,
				      .node = node,
				      .labels = metadata.labels,
				      .span = metadata.span};
	workload->addresses = ips_read(frontend, pod.pod_ips, pod.pod_ip, "podIPs", &workload->address_count);
	containers_read(frontend, pod.containers, false, workload);
	containers_read(frontend, pod.init_containers, true, workload);
	*arena_push(frontend->arena, frontend->inventory.workloads, frontend->inventory.workload_count) = workload;
}

/* ---- nodes, as far as pods tell ---- */

static int compare_hosts(const void *left, const void *right)
{
	const struct host *a = left, *b = right;
	int order = strcmp(a->node, b->node);
	if (order == 0)
		order = address_compare(&a->address, &b->address);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static int compare_addresses(const void *left, const void *right)
{
	return address_compare(left, right);
}

/* Every address that a workload or a node of the inventory has, sorted. */
static struct address *taken_addresses(struct frontend *frontend, size_t *count)
{
	const struct inventory *inventory = &frontend->inventory;
	struct address *taken = NULL;
	*count = 0;
	for (size_t i = 0; i < inventory->workload_count; i++)
		for (size_t j = 0; j < inventory->workloads[i]->address_count; j++)
			*arena_push(frontend->arena, taken, *count) = inventory->workloads[i]->addresses[j];
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			*arena_push(frontend->arena, taken, *count) = inventory->nodes[i]->addresses[j];
	if (*count > 1)
		qsort(taken, *count, sizeof *taken, compare_addresses);
	return taken;
}

/* Nodes that only pods speak of. What the inventory says of a node, or of an address, stands. */
static void add_nodes(struct frontend *frontend)
{
	struct inventory *inventory = &frontend->inventory;
	size_t taken_count, native_count = inventory->node_count;
	const struct address *taken = taken_addresses(frontend, &taken_count);
	struct node *node = NULL;
	if (frontend->host_count > 1)
		qsort(frontend->hosts, frontend->host_count, sizeof *frontend->hosts, compare_hosts);
	for (size_t i = 0; i < frontend->host_count; i++) {
		const struct host *host = &frontend->hosts[i];
		bool known = i > 0 && address_compare(&host[-1].address, &host->address) == 0;
		if (taken_count > 0)
			known = known ||
				bsearch(&host->address, taken, taken_count, sizeof *taken, compare_addresses) != NULL;
		for (size_t j = 0; j < native_count && !known; j++)
			known = strcmp(inventory->nodes[j]->name, host->node) == 0;
		if (known)
			continue;
		if (node == NULL || strcmp(node->name, host->node) != 0) {
			node = arena_alloc(frontend->arena, sizeof *node);
			*node = (struct node){.name = host->node, .told_by_pods = true, .span = host->span};
			*arena_push(frontend->arena, inventory->nodes, inventory->node_count) = node;
		}
		*arena_push(frontend->arena, node->addresses, node->address_count) = host->address;
	}
}

/* ---- objects ---- */

static const struct manifest_kind kinds[] = {
    {"networking.k8s.io/v1", "NetworkPolicy", true, network_policy_read},
    {"v1", "Namespace", false, namespace_read},
    {"v1", "Pod", false, pod_read},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

bool kubernetes_is_object(const struct yaml_node *root)
{
	return yaml_get(root, "apiVersion") != NULL && yaml_get(root, "kind") != NULL &&
	       yaml_get(root, "ringfence") == NULL;
}

/* The text of a key, or NULL. */
static const char *text_of(const struct yaml_node *root, const char *key)
{
	const struct yaml_node *node = yaml_get(root, key);
	return node != NULL && node->kind == YAML_SCALAR ? node->text : NULL;
}

static void add_items(struct frontend *frontend, const struct yaml_node *root, const struct manifest_kind *kind);

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);
	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* An object of a kind that is none of ours. Other policies are worth a word: their author expects them to count. */
static void skip(struct frontend *frontend, const struct yaml_node *root, const char *api_version, const char *kind)
{
	static const char *const others[] = {"Ingress", "IngressClass", "IPAddress", "ServiceCIDR"};
	static const char *const right[] = {"NetworkPolicy"};
	const struct span span = yaml_get(root, "kind")->span;
	bool core = strchr(api_version, '/') == NULL, ours = strncmp(api_version, "networking.k8s.io/", 18) == 0;
	bool old = strncmp(api_version, "extensions/", 11) == 0, known = !ours;
	for (size_t i = 0; i < sizeof others / sizeof *others && !known; i++)
		known = strncmp(others[i], kind, strlen(others[i])) == 0;
	frontend->skipped_count++;
	if ((core || ours || old) && strncmp(kind, right[0], strlen(right[0])) == 0) {
		diagnostics_error(frontend->diagnostics, span, "a NetworkPolicy of %s is of no API in use",
				  api_version);
		diagnostics_help(frontend->diagnostics, "write apiVersion: networking.k8s.io/v1");
	} else if (!known) {
		diagnostics_error(frontend->diagnostics, span, "there is no kind `%s` in %s", kind, api_version);
		diagnostics_suggest(frontend->diagnostics, kind, right, 1);
	} else if (ends_with(kind, "NetworkPolicy") || ends_with(kind, "NetworkPolicyList")) {
		diagnostics_warning(frontend->diagnostics, span, "%s of %s is not enforced by Ringfence", kind,
				    api_version);
	}
}

/* `assumed` is what the entries of a PodList are, which do not say so themselves. */
static void add_object(struct frontend *frontend, const struct yaml_node *root, const struct manifest_kind *assumed)
{
	const char *api_version = text_of(root, "apiVersion"), *kind = text_of(root, "kind");
	const struct manifest_kind *found = kind == NULL && api_version == NULL ? assumed : NULL;
	if (found == NULL && (kind == NULL || api_version == NULL)) {
		diagnostics_error(frontend->diagnostics, root->span, "an object needs `apiVersion` and `kind`");
		return;
	}
	for (size_t i = 0; i < KIND_COUNT && kind != NULL; i++) {
		size_t length = strlen(kinds[i].kind);
		if (strcmp(kinds[i].api_version, api_version) != 0 || strncmp(kinds[i].kind, kind, length) != 0)
			continue;
		if (strcmp(kind + length, "List") == 0) {
			add_items(frontend, root, &kinds[i]);
			return;
		}
		if (kind[length] == 0)
			found = &kinds[i];
	}
	if (kind != NULL && strcmp(kind, "List") == 0 && strcmp(api_version, "v1") == 0)
		add_items(frontend, root, NULL);
	else if (found != NULL)
		*arena_push(frontend->arena, frontend->manifests, frontend->manifest_count) =
		    (struct manifest){found, root};
	else
		skip(frontend, root, api_version, kind);
}

static void add_items(struct frontend *frontend, const struct yaml_node *root, const struct manifest_kind *kind)
{
	size_t count;
	struct yaml_node **items = list_items(frontend, yaml_get(root, "items"), "items", &count);
	frontend->list_count++;
	for (size_t i = 0; i < count; i++) {
		if (items[i]->kind == YAML_MAPPING)
			add_object(frontend, items[i], kind);
		else
			diagnostics_error(frontend->diagnostics, items[i]->span, "an object must be a mapping");
	}
}

void kubernetes_add(struct frontend *frontend, const struct yaml_node *root)
{
	add_object(frontend, root, NULL);
}

static int compare_isolations(const void *left, const void *right)
{
	const struct isolation *a = *(struct isolation *const *)left, *b = *(struct isolation *const *)right;
	int order = strcmp(a->name_space, b->name_space);
	if (order == 0)
		order = strcmp(a->name, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

/* Sorts the isolations by NetworkPolicies, which follow those by services. */
static void sort_isolations(struct frontend *frontend, size_t first)
{
	struct policy *policy = &frontend->policy;
	if (policy->isolation_count > first)
		qsort(policy->isolations + first, policy->isolation_count - first, sizeof *policy->isolations,
		      compare_isolations);
	for (size_t i = first + 1; i < policy->isolation_count; i++) {
		const struct isolation *a = policy->isolations[i - 1], *b = policy->isolations[i];
		if (strcmp(a->name_space, b->name_space) != 0 || strcmp(a->name, b->name) != 0)
			continue;
		diagnostics_error(frontend->diagnostics, b->span, "NetworkPolicy `%s` of namespace %s stands twice",
				  b->name, b->name_space);
		diagnostics_help(frontend->diagnostics, "it stands at %s:%u:%u already", a->span.file, a->span.line,
				 a->span.column);
	}
}

void kubernetes_read(struct frontend *frontend)
{
	size_t services = frontend->policy.isolation_count;
	for (size_t i = 0; i < frontend->manifest_count; i++) {
		const struct manifest *manifest = &frontend->manifests[i];
		if (!manifest->kind->policy || !frontend->inventory_only) {
			manifest->kind->read(frontend, manifest->root);
			continue;
		}
		diagnostics_error(frontend->diagnostics, manifest->root->span,
				  "a %s does not belong in a workload file: policy stands in the policy directory",
				  manifest->kind->kind);
	}
	sort_isolations(frontend, services);
	add_nodes(frontend);
}
