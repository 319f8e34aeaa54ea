/* Native documents to a policy: services, networks and settings first, then the allows that refer to them.
 *
 * The tables of keys at the end of each part are the language's grammar. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const built_in_names[] = {
    [PEER_ANY] = "any", [PEER_CLUSTER] = "cluster", [PEER_WORLD] = "world", [PEER_NODE] = "node"};

/* The built-in peer called `name`; false when it is none. */
static bool built_in(const char *name, enum peer_kind *kind)
{
	for (size_t i = 0; i < sizeof built_in_names / sizeof *built_in_names; i++) {
		if (built_in_names[i] != NULL && strcmp(built_in_names[i], name) == 0) {
			*kind = (enum peer_kind)i;
			return true;
		}
	}
	return false;
}

/* ---- first pass: names ---- */

/* Reads the name a service or network is defined by. */
static const char *defined_name(struct frontend *frontend, const struct yaml_node *key, const char *what)
{
	enum peer_kind kind;
	const char *name = name_read(frontend, key, what);
	if (name == NULL || !built_in(name, &kind))
		return name;
	diagnostics_error(frontend->diagnostics, key->span, "`%s` is a built-in peer and cannot be defined", name);
	return NULL;
}

static void service_workloads_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	selector_read(frontend, node, &((struct service *)object)->workloads);
}

static void service_ports_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct service *service = object;
	named_ports_read(frontend, node, &service->ports, &service->port_count);
}

static const struct key service_keys[] = {
    {"workloads", true, service_workloads_read},
    {"ports", false, service_ports_read},
};

static void not_a_mapping(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	diagnostics_error(frontend->diagnostics, node->span, "`%s` must be a mapping of names", what);
}

static void services_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct document *document = object;
	if (node->kind != YAML_MAPPING)
		not_a_mapping(frontend, node, "services");
	for (size_t i = 0; node->kind == YAML_MAPPING && i + 1 < node->count; i += 2) {
		struct service *service = arena_alloc(frontend->arena, sizeof *service);
		service->name_space = document->name_space;
		service->name = defined_name(frontend, node->items[i], "a service's name");
		service->span = node->items[i]->span;
		KEYS_READ(frontend, node->items[i + 1], service_keys, "a service", service);
		if (service->name != NULL)
			*arena_push(frontend->arena, frontend->policy.services, frontend->policy.service_count) =
			    service;
	}
}

static void cidrs_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct network *network = object;
	struct prefix_list list = {network->cidrs, network->cidr_count};
	prefixes_read(frontend, node, &list);
	network->cidrs = list.items;
	network->cidr_count = list.count;
}

static void except_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct network *network = object;
	struct prefix_list list = {0};
	prefixes_read(frontend, node, &list);
	network->except = list.items;
	network->except_count = list.count;
}

static const struct key network_keys[] = {
    {"cidrs", true, cidrs_read},
    {"except", false, except_read},
};

static void networks_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct document *document = object;
	if (node->kind != YAML_MAPPING)
		not_a_mapping(frontend, node, "networks");
	for (size_t i = 0; node->kind == YAML_MAPPING && i + 1 < node->count; i += 2) {
		struct network *network = arena_alloc(frontend->arena, sizeof *network);
		network->name_space = document->name_space;
		network->name = defined_name(frontend, node->items[i], "a network's name");
		network->span = node->items[i]->span;
		if (node->items[i + 1]->kind == YAML_MAPPING)
			KEYS_READ(frontend, node->items[i + 1], network_keys, "a network", network);
		else
			cidrs_read(frontend, node->items[i + 1], network);
		if (network->name != NULL)
			*arena_push(frontend->arena, frontend->policy.networks, frontend->policy.network_count) =
			    network;
	}
}

static void unmatched_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)object;
	struct policy *policy = &frontend->policy;
	const char *text = scalar_read(frontend, node, "`unmatched`");
	if (text == NULL)
		return;
	enum unmatched value = strcmp(text, "deny") == 0 ? UNMATCHED_DENY : UNMATCHED_ALLOW;
	if (strcmp(text, "deny") != 0 && strcmp(text, "allow") != 0) {
		diagnostics_error(frontend->diagnostics, node->span, "`unmatched` must be deny or allow");
	} else if (policy->unmatched != UNMATCHED_DEFAULT) {
		diagnostics_error(frontend->diagnostics, node->span, "`unmatched` may be given once");
		diagnostics_help(frontend->diagnostics, "it stands at %s:%u already", policy->unmatched_span.file,
				 policy->unmatched_span.line);
	} else {
		policy->unmatched = value;
		policy->unmatched_span = node->span;
	}
}

static const struct key settings_keys[] = {
    {"unmatched", false, unmatched_read},
    {"mode", false, unsupported_key},
};

static void settings_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	KEYS_READ(frontend, node, settings_keys, "`settings`", object);
}

static void document_namespace_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct document *document = object;
	const char *name = name_read(frontend, node, "`namespace`");
	if (name != NULL)
		document->name_space = name;
}

static const struct key document_keys[] = {
    {"ringfence", true, NULL},
    {"namespace", false, NULL}, /* read before the others */
    {"services", false, services_read},
    {"networks", false, networks_read},
    {"allow", false, NULL}, /* second pass */
    {"settings", false, settings_read},
    {"namespaces", false, namespaces_read},
    {"nodes", false, nodes_read},
    {"workloads", false, workloads_read},
    {"never", false, unsupported_key},
    {"tests", false, unsupported_key},
    {"quarantine", false, unsupported_key},
};

/* Refuses policy in a file that whoever starts workloads may write (inventory_only). */
static void refuse_policy(struct frontend *frontend, const struct yaml_node *root)
{
	static const char *const inventory_keys[] = {"ringfence", "namespace", "namespaces", "nodes", "workloads"};
	for (size_t i = 0; i < root->count; i += 2) {
		bool inventory = false;
		for (size_t j = 0; j < sizeof inventory_keys / sizeof *inventory_keys; j++)
			inventory = inventory || strcmp(root->items[i]->text, inventory_keys[j]) == 0;
		if (!inventory)
			diagnostics_error(
			    frontend->diagnostics, root->items[i]->span,
			    "`%s` does not belong in a workload file: policy stands in the policy directory",
			    root->items[i]->text);
	}
}

static int compare_names(const char *space_a, const char *a, const char *space_b, const char *b)
{
	int order = strcmp(space_a, space_b);
	return order != 0 ? order : strcmp(a, b);
}

static int compare_spans(const struct span *a, const struct span *b)
{
	int files = strcmp(a->file, b->file);
	if (files != 0)
		return files;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

static int compare_services(const void *left, const void *right)
{
	const struct service *a = *(struct service *const *)left, *b = *(struct service *const *)right;
	int order = compare_names(a->name_space, a->name, b->name_space, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static int compare_networks(const void *left, const void *right)
{
	const struct network *a = *(struct network *const *)left, *b = *(struct network *const *)right;
	int order = compare_names(a->name_space, a->name, b->name_space, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static int compare_allows(const void *left, const void *right)
{
	const struct allow *a = *(struct allow *const *)left, *b = *(struct allow *const *)right;
	int order = strcmp(a->key, b->key);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static void defined_twice(struct frontend *frontend, const char *name, const struct span *first,
			  const struct span *second)
{
	diagnostics_error(frontend->diagnostics, *second, "`%s` is defined twice", name);
	diagnostics_help(frontend->diagnostics, "it stands at %s:%u:%u already", first->file, first->line,
			 first->column);
}

static const struct service *find_service(const struct policy *policy, const char *name_space, const char *name)
{
	struct service wanted = {.name_space = name_space, .name = name};
	for (size_t low = 0, high = policy->service_count; low < high;) {
		size_t middle = low + (high - low) / 2;
		const struct service *service = policy->services[middle];
		int order = compare_names(wanted.name_space, wanted.name, service->name_space, service->name);
		if (order == 0)
			return service;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static const struct network *find_network(const struct policy *policy, const char *name_space, const char *name)
{
	for (size_t i = 0; i < policy->network_count; i++)
		if (compare_names(name_space, name, policy->networks[i]->name_space, policy->networks[i]->name) == 0)
			return policy->networks[i];
	return NULL;
}

static void check_definitions(struct frontend *frontend)
{
	struct policy *policy = &frontend->policy;
	if (policy->service_count > 1)
		qsort(policy->services, policy->service_count, sizeof *policy->services, compare_services);
	if (policy->network_count > 1)
		qsort(policy->networks, policy->network_count, sizeof *policy->networks, compare_networks);
	for (size_t i = 1; i < policy->service_count; i++) {
		const struct service *a = policy->services[i - 1], *b = policy->services[i];
		if (compare_names(a->name_space, a->name, b->name_space, b->name) == 0)
			defined_twice(frontend, b->name, &a->span, &b->span);
	}
	for (size_t i = 0; i < policy->network_count; i++) {
		const struct network *network = policy->networks[i], *before = i > 0 ? policy->networks[i - 1] : NULL;
		const struct service *service = find_service(policy, network->name_space, network->name);
		if (service != NULL)
			defined_twice(frontend, network->name, &service->span, &network->span);
		else if (before != NULL &&
			 compare_names(before->name_space, before->name, network->name_space, network->name) == 0)
			defined_twice(frontend, network->name, &before->span, &network->span);
	}
}

void native_read_definitions(struct frontend *frontend)
{
	for (size_t i = 0; i < frontend->document_count; i++) {
		struct document *document = &frontend->documents[i];
		const struct yaml_node *name_space = yaml_get(document->root, "namespace");
		if (name_space != NULL)
			document_namespace_read(frontend, name_space, document);
		if (frontend->inventory_only)
			refuse_policy(frontend, document->root);
		KEYS_READ(frontend, document->root, document_keys, "a document", document);
	}
	check_definitions(frontend);
	inventory_check(frontend);
}

/* ---- second pass: allows ---- */

struct reading_allow {
	struct allow *allow;
	const struct document *document;
	const struct yaml_node *ports; /* NULL: left out */
	struct peer *peers;	       /* the list being read */
	size_t peer_count;
};

/* Suggests a name of the namespace, or says that there is none. */
static void suggest_peer(struct frontend *frontend, const char *name_space, const char *name)
{
	const struct policy *policy = &frontend->policy;
	const char **names = NULL;
	size_t count = 0;
	for (size_t i = 0; i < policy->service_count; i++)
		if (strcmp(policy->services[i]->name_space, name_space) == 0)
			*arena_push(frontend->arena, names, count) = policy->services[i]->name;
	for (size_t i = 0; i < policy->network_count; i++)
		if (strcmp(policy->networks[i]->name_space, name_space) == 0)
			*arena_push(frontend->arena, names, count) = policy->networks[i]->name;
	if (diagnostics_suggest(frontend->diagnostics, name, names, count))
		return;
	for (size_t i = 0; i < policy->service_count; i++) {
		if (strcmp(policy->services[i]->name, name) == 0) {
			diagnostics_help(frontend->diagnostics, "there is `%s/%s`", policy->services[i]->name_space,
					 name);
			return;
		}
	}
	for (size_t i = 0; i < sizeof built_in_names / sizeof *built_in_names; i++)
		if (built_in_names[i] != NULL &&
		    diagnostics_suggest(frontend->diagnostics, name, &built_in_names[i], 1))
			return;
	diagnostics_help(frontend->diagnostics, "define it under `services` or `networks` of namespace %s", name_space);
}

/* Resolves NAME or NAMESPACE/NAME. Returns false after an error. */
static bool name_peer(struct frontend *frontend, const struct yaml_node *node, const char *own, struct peer *peer)
{
	const char *text = scalar_read(frontend, node, "a peer");
	if (text == NULL)
		return false;
	peer->name = text;
	if (built_in(text, &peer->kind)) {
		if (peer->kind == PEER_WORLD)
			unsupported_key(frontend, node, NULL);
		return true;
	}
	const char *slash = strchr(text, '/');
	const char *name_space = slash != NULL ? arena_copy(frontend->arena, text, (size_t)(slash - text)) : own;
	const char *name = slash != NULL ? slash + 1 : text;
	peer->name = arena_printf(frontend->arena, "%s/%s", name_space, name);
	peer->service = find_service(&frontend->policy, name_space, name);
	peer->network = peer->service == NULL ? find_network(&frontend->policy, name_space, name) : NULL;
	peer->kind = peer->service != NULL ? PEER_SERVICE : PEER_NETWORK;
	if (peer->service != NULL || peer->network != NULL)
		return true;
	struct address address;
	if (address_parse(&address, slash != NULL ? name_space : text) == NULL) {
		diagnostics_error(frontend->diagnostics, node->span, "a peer is a name, and `%s` is an address", text);
		diagnostics_help(frontend->diagnostics, "an address is written {cidr: %s}", text);
		return false;
	}
	diagnostics_error(frontend->diagnostics, node->span, "no service or network `%s` in namespace `%s`", name,
			  name_space);
	suggest_peer(frontend, name_space, name);
	return false;
}

static void peer_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	peer->kind = PEER_LABELS;
	selector_read(frontend, node, &peer->labels);
}

static void scope_name_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	const char *name = name_read(frontend, node, "a namespace");
	if (name != NULL)
		*arena_push(frontend->arena, peer->namespaces, peer->namespace_count) = name;
}

static void scope_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	peer->scope = NAMESPACES_LABELS;
	selector_read(frontend, node, &peer->namespace_labels);
}

static const struct key scope_keys[] = {{"labels", true, scope_labels_read}};

static void peer_namespaces_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	if (node->kind == YAML_MAPPING)
		KEYS_READ(frontend, node, scope_keys, "`namespaces`", peer);
	else if (node->kind == YAML_SCALAR && strcmp(node->text, "any") == 0)
		peer->scope = NAMESPACES_ANY;
	else
		one_or_more_read(frontend, node, "`namespaces`", scope_name_read, peer);
}

static void peer_cidr_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	cidrs_read(frontend, node, (struct network *)peer->network);
}

static void peer_except_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	except_read(frontend, node, (struct network *)peer->network);
}

static const struct key label_peer_keys[] = {
    {"labels", true, peer_labels_read},
    {"namespaces", false, peer_namespaces_read},
};

static const struct key cidr_peer_keys[] = {
    {"cidr", true, peer_cidr_read},
    {"except", false, peer_except_read},
};

static void mapping_peer(struct frontend *frontend, const struct yaml_node *node, const char *own, struct peer *peer)
{
	if (yaml_get(node, "cidr") != NULL) {
		struct network *network = arena_alloc(frontend->arena, sizeof *network);
		network->span = node->span;
		peer->kind = PEER_NETWORK;
		peer->network = network;
		KEYS_READ(frontend, node, cidr_peer_keys, "a peer by address", peer);
		char text[ADDRESS_TEXT_SIZE] = "";
		if (network->cidr_count > 0)
			prefix_format(&network->cidrs[0], text);
		peer->name = arena_printf(frontend->arena, "cidr %s", text);
		return;
	}
	peer->kind = PEER_LABELS;
	peer->name = "labels";
	KEYS_READ(frontend, node, label_peer_keys, "a peer by labels", peer);
	if (yaml_get(node, "namespaces") == NULL)
		*arena_push(frontend->arena, peer->namespaces, peer->namespace_count) = own;
}

static void peer_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading_allow *reading = object;
	struct peer peer = {.span = node->span};
	if (node->kind == YAML_MAPPING)
		mapping_peer(frontend, node, reading->document->name_space, &peer);
	else if (!name_peer(frontend, node, reading->document->name_space, &peer))
		return;
	*arena_push(frontend->arena, reading->peers, reading->peer_count) = peer;
}

static void from_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading_allow *reading = object;
	reading->peers = NULL;
	reading->peer_count = 0;
	one_or_more_read(frontend, node, "`from`", peer_read, reading);
	reading->allow->from = reading->peers;
	reading->allow->from_count = reading->peer_count;
}

static void to_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading_allow *reading = object;
	struct allow *allow = reading->allow;
	reading->peers = NULL;
	reading->peer_count = 0;
	one_or_more_read(frontend, node, "`to`", peer_read, reading);
	for (size_t i = 0; i < reading->peer_count; i++)
		arena_push(frontend->arena, allow->to, allow->to_count)->peer = reading->peers[i];
}

static void ports_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)frontend;
	((struct reading_allow *)object)->ports = node; /* read when the destinations are known */
}

static void until_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading_allow *reading = object;
	const char *text = scalar_read(frontend, node, "`until`");
	const char *problem = text != NULL ? time_parse(&reading->allow->until, text) : NULL;
	if (text != NULL && reading->allow->until < 1)
		reading->allow->until = 1; /* long past; 0 would mean never */
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no time: %s", text, problem);
}

static void why_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct reading_allow *)object)->allow->why = scalar_read(frontend, node, "`why`");
}

static void owner_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct reading_allow *)object)->allow->owner = scalar_read(frontend, node, "`owner`");
}

static const struct key allow_keys[] = {
    {"from", true, from_read},	     {"to", true, to_read},
    {"ports", false, ports_read},    {"until", false, until_read},
    {"why", false, why_read},	     {"owner", false, owner_read},
    {"log", false, unsupported_key}, {"rate", false, unsupported_key},
};

/* Gives every destination the ports its service declares, since the allow names none. */
static void default_ports(struct frontend *frontend, struct allow *allow)
{
	for (size_t i = 0; i < allow->to_count; i++) {
		struct target *target = &allow->to[i];
		const struct service *service = target->peer.kind == PEER_SERVICE ? target->peer.service : NULL;
		if (service == NULL || service->port_count == 0) {
			diagnostics_error(frontend->diagnostics, target->peer.span,
					  "`%s` declares no ports, so this allow must name them", target->peer.name);
			diagnostics_help(frontend->diagnostics,
					 "add `ports: [443/tcp]`, or `ports: [any]` where all are meant");
			continue;
		}
		for (size_t j = 0; j < service->port_count; j++)
			*arena_push(frontend->arena, target->ports, target->port_count) = service->ports[j].port;
	}
}

/* Resolves a port's name at each destination: it counts for those that declare it, and one must. */
static void named_port(struct frontend *frontend, const struct yaml_node *node, struct allow *allow)
{
	const char **names = NULL;
	size_t name_count = 0;
	bool found = false;
	for (size_t i = 0; i < allow->to_count; i++) {
		struct target *target = &allow->to[i];
		if (target->peer.kind == PEER_LABELS || target->peer.kind == PEER_CLUSTER ||
		    target->peer.kind == PEER_ANY) {
			*arena_push(frontend->arena, target->container_ports, target->container_port_count) =
			    node->text;
			found = true;
		}
		const struct service *service = target->peer.kind == PEER_SERVICE ? target->peer.service : NULL;
		for (size_t j = 0; service != NULL && j < service->port_count; j++) {
			*arena_push(frontend->arena, names, name_count) = service->ports[j].name;
			if (strcmp(service->ports[j].name, node->text) != 0)
				continue;
			*arena_push(frontend->arena, target->ports, target->port_count) = service->ports[j].port;
			found = true;
		}
	}
	if (found || allow->to_count == 0)
		return;
	diagnostics_error(frontend->diagnostics, node->span, "no destination here declares a port `%s`", node->text);
	if (!diagnostics_suggest(frontend->diagnostics, node->text, names, name_count))
		diagnostics_help(frontend->diagnostics,
				 "write PORT/PROTOCOL, such as 8080/tcp, or declare it under the service's `ports`");
}

static void allow_port_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct allow *allow = object;
	const char *text = scalar_read(frontend, node, "a port");
	if (text == NULL)
		return;
	bool name = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text) &&
		    strspn(text, "0123456789-") != strlen(text) && strcmp(text, "any") != 0;
	if (name) {
		named_port(frontend, node, allow);
		return;
	}
	struct port_range port;
	const char *problem = port_range_parse(&port, text);
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no port: %s", text, problem);
	for (size_t i = 0; problem == NULL && i < allow->to_count; i++)
		*arena_push(frontend->arena, allow->to[i].ports, allow->to[i].port_count) = port;
}

static void write_node(FILE *stream, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR)
		fprintf(stream, "%zu:%s", strlen(node->text), node->text);
	else
		fputs(node->kind == YAML_MAPPING ? "{" : "[", stream);
	for (size_t i = 0; i < node->count; i++)
		write_node(stream, node->items[i]);
	if (node->kind != YAML_SCALAR)
		fputs("}", stream);
}

/* What an allow says as text, so that its place among the others and in its file does not matter. */
static const char *allow_key(struct frontend *frontend, const struct yaml_node *node, const char *name_space)
{
	static const char *const parts[] = {"from", "to", "ports", "until"};
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	fputs(name_space, stream);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		const struct yaml_node *part = yaml_get(node, parts[i]);
		fputc(' ', stream);
		if (part != NULL)
			write_node(stream, part);
	}
	fclose(stream);
	char *key = arena_copy(frontend->arena, text, size);
	free(text);
	return key;
}

static void allow_read(struct frontend *frontend, const struct yaml_node *node, const struct document *document)
{
	struct allow *allow = arena_alloc(frontend->arena, sizeof *allow);
	struct reading_allow reading = {.allow = allow, .document = document};
	allow->span = node->span;
	allow->key = allow_key(frontend, node, document->name_space);
	KEYS_READ(frontend, node, allow_keys, "an allow", &reading);
	if (reading.ports != NULL)
		one_or_more_read(frontend, reading.ports, "`ports`", allow_port_read, allow);
	else
		default_ports(frontend, allow);
	*arena_push(frontend->arena, frontend->policy.allows, frontend->policy.allow_count) = allow;
}

void native_read_allows(struct frontend *frontend)
{
	for (size_t i = 0; i < frontend->document_count; i++) {
		const struct yaml_node *list = yaml_get(frontend->documents[i].root, "allow");
		if (list == NULL || frontend->inventory_only)
			continue;
		if (list->kind != YAML_SEQUENCE)
			diagnostics_error(frontend->diagnostics, list->span, "`allow` must be a list of statements");
		for (size_t j = 0; list->kind == YAML_SEQUENCE && j < list->count; j++)
			allow_read(frontend, list->items[j], &frontend->documents[i]);
	}
	struct policy *policy = &frontend->policy;
	if (policy->allow_count > 1)
		qsort(policy->allows, policy->allow_count, sizeof *policy->allows, compare_allows);
}
