/* Native documents, the first pass: services, networks, settings and quarantines, everything with a name. What refers
 * to names is read by statements.c when all are known.
 *
 * The tables of keys at the end of each part are the language's grammar. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>
#include <ringfence/lint.h>

#include <stdlib.h>
#include <string.h>

const char *const built_in_names[PEER_KINDS] = {
    [PEER_ANY] = "any", [PEER_CLUSTER] = "cluster", [PEER_WORLD] = "world", [PEER_NODE] = "node"};

bool built_in(const char *name, enum peer_kind *kind)
{
	for (size_t i = 0; i < PEER_KINDS; i++) {
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

void network_cidrs_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct network *network = object;
	struct prefix_list list = {network->cidrs, network->cidr_count};
	prefixes_read(frontend, node, &list);
	network->cidrs = list.items;
	network->cidr_count = list.count;
}

void network_except_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct network *network = object;
	struct prefix_list list = {0};
	prefixes_read(frontend, node, &list);
	network->except = list.items;
	network->except_count = list.count;
}

static const struct key network_keys[] = {
    {"cidrs", true, network_cidrs_read},
    {"except", false, network_except_read},
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
			network_cidrs_read(frontend, node->items[i + 1], network);
		if (network->name != NULL)
			*arena_push(frontend->arena, frontend->policy.networks, frontend->policy.network_count) =
			    network;
	}
}

/* A setting is the whole input's: two places could only disagree. */
static void given_twice(struct frontend *frontend, const char *what, struct span again, struct span first)
{
	diagnostics_error(frontend->diagnostics, again, "`%s` may be given once", what);
	diagnostics_help(frontend->diagnostics, "it stands at %s:%u already", first.file, first.line);
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
		given_twice(frontend, "unmatched", node->span, policy->unmatched_span);
	} else {
		policy->unmatched = value;
		policy->unmatched_span = node->span;
	}
}

static void mode_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)object;
	struct policy *policy = &frontend->policy;
	const char *text = scalar_read(frontend, node, "`mode`");
	if (text == NULL)
		return;
	if (strcmp(text, "enforce") != 0 && strcmp(text, "audit") != 0) {
		diagnostics_error(frontend->diagnostics, node->span, "`mode` must be enforce or audit");
	} else if (policy->mode_span.file != NULL) {
		given_twice(frontend, "mode", node->span, policy->mode_span);
	} else {
		policy->audit = strcmp(text, "audit") == 0;
		policy->mode_span = node->span;
	}
}

static const struct key settings_keys[] = {
    {"unmatched", false, unmatched_read},
    {"mode", false, mode_read},
};

static void settings_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	KEYS_READ(frontend, node, settings_keys, "`settings`", object);
}

static void lint_off_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	uint32_t *off = object;
	const char *names[LINTS], *text = scalar_read(frontend, node, "a lint");
	if (text == NULL)
		return;
	for (size_t i = 0; i < LINTS; i++) {
		if (strcmp(lints[i].name, text) == 0) {
			*off |= UINT32_C(1) << i;
			return;
		}
		names[i] = lints[i].name;
	}
	diagnostics_error(frontend->diagnostics, node->span, "there is no lint `%s`", text);
	if (!diagnostics_suggest(frontend->diagnostics, text, names, LINTS))
		diagnostics_help(frontend->diagnostics, "`ringfence help check` lists them");
}

static void lint_offs_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	one_or_more_read(frontend, node, "`off`", lint_off_read, object);
}

static const struct key lint_keys[] = {{"off", true, lint_offs_read}};

static void lint_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct document *document = object;
	struct lint_switch lint = {.document = document->root->span};
	KEYS_READ(frontend, node, lint_keys, "`lint`", &lint.off);
	*arena_push(frontend->arena, frontend->policy.lint_switches, frontend->policy.lint_switch_count) = lint;
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
    {"allow", false, NULL}, /* these four: statements.c, when all names are known */
    {"never", false, NULL},
    {"tests", false, NULL},
    {"quarantine", false, NULL},
    {"settings", false, settings_read},
    {"lint", false, lint_read},
    {"namespaces", false, namespaces_read},
    {"nodes", false, nodes_read},
    {"workloads", false, workloads_read},
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

static void defined_twice(struct frontend *frontend, const char *name, const struct span *first,
			  const struct span *second)
{
	diagnostics_error(frontend->diagnostics, *second, "`%s` is defined twice", name);
	diagnostics_help(frontend->diagnostics, "it stands at %s:%u:%u already", first->file, first->line,
			 first->column);
}

const struct service *find_service(const struct policy *policy, const char *name_space, const char *name)
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

const struct network *find_network(const struct policy *policy, const char *name_space, const char *name)
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

/* A service isolates whoever it selects, in both directions. */
static void add_isolations(struct frontend *frontend)
{
	for (size_t i = 0; i < frontend->policy.service_count; i++) {
		const struct service *service = frontend->policy.services[i];
		struct isolation *isolation = arena_alloc(frontend->arena, sizeof *isolation);
		*isolation = (struct isolation){.name_space = service->name_space,
						.name = service->name,
						.workloads = service->workloads,
						.directions = {true, true},
						.service = service,
						.span = service->span};
		*arena_push(frontend->arena, frontend->policy.isolations, frontend->policy.isolation_count) = isolation;
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
	add_isolations(frontend);
}
