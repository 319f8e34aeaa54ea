/* Native documents: their keys, services, networks and settings. inventory.c reads who is there, and statements.c what
 * refers to names.
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

/* ---- what a document defines ---- */

const struct value_type built_in_type = {
    VALUE_BY_CHOICE(built_in_names), .title = "any (everything), cluster (every known workload), world (every other "
					      "address but the nodes'), node (the machine of the other end)"};

/* A name but that of a built-in peer. */
static void definition_pattern(FILE *stream)
{
	fputs("(?!(", stream);
	for (size_t i = 0, written = 0; i < PEER_KINDS; i++)
		if (built_in_names[i] != NULL)
			fprintf(stream, "%s%s", written++ > 0 ? "|" : "", built_in_names[i]);
	fputs(")$)" NAME_PATTERN, stream);
}

static const struct value_type definition_type = {.kind = VALUE_TEXT,
						  .name = "definition",
						  .title = "a name: 1 to 63 of a-z, 0-9 and `-`, and no built-in peer",
						  .write_pattern = definition_pattern};

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

static const char *const deny_names[] = {[DENY_DROP] = "drop", [DENY_REJECT] = "reject"};
const struct value_type deny_type = {VALUE_BY_CHOICE(deny_names)};

void deny_read(struct frontend *frontend, const struct yaml_node *node, enum deny *deny)
{
	int value = choice_read(frontend, node, "deny", &deny_type);
	if (value >= 0)
		*deny = (enum deny)value;
}

static void service_deny_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	deny_read(frontend, node, &((struct service *)object)->deny);
}

static const char *const mode_names[] = {[MODE_ENFORCE] = "enforce", [MODE_AUDIT] = "audit"};
const struct value_type mode_type = {VALUE_BY_CHOICE(mode_names)};

void mode_read(struct frontend *frontend, const struct yaml_node *node, enum mode *mode)
{
	int value = choice_read(frontend, node, "mode", &mode_type);
	if (value >= 0)
		*mode = (enum mode)value;
}

static void service_mode_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct service *service = object;
	mode_read(frontend, node, &service->mode);
	service->mode_span = node->span;
}

static const struct key service_keys[] = {
    {"workloads", true, service_workloads_read, &selector_type,
     "Which workloads of the namespace are this service: whatever carries these labels."},
    {"ports", false, service_ports_read, &named_ports_type,
     "The ports it serves, by name. A statement that names no ports means all of them."},
    {"deny", false, service_deny_read, &deny_type,
     "How what its workloads deny ends: drop is silence (the default), reject answers TCP with a reset and all else "
     "with "
     "an ICMP error. Of several services of a workload, all have to say reject."},
    {"mode", false, service_mode_read, &mode_type,
     "enforce, or audit: what its workloads would deny is logged and let through, quarantines excepted. Of several "
     "services of a workload, all have to say audit. Left out: as `settings` says."},
};

static const struct value_type service_type = {VALUE_BY_KEYS(service_keys), .name = "service", .title = "a service"};
static const struct value_type services_type = {.kind = VALUE_MAP, .names = &definition_type, .of = &service_type};

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
		service->name = defined_name(frontend, &node->items[i], "a service's name");
		service->span = node->items[i].span;
		KEYS_READ(frontend, &node->items[i + 1], service_keys, "a service", service);
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
    {"cidrs", true, network_cidrs_read, &prefixes_type, "What the network holds: one prefix or a list."},
    {"except", false, network_except_read, &prefixes_type, "What of that it does not hold."},
};

static const struct value_type network_keys_type = {VALUE_BY_KEYS(network_keys), .title = "{cidrs: ..., except: ...}"};
static const struct value_type *const network_types[] = {&prefixes_type, &network_keys_type, NULL};
static const struct value_type network_type = {.kind = VALUE_EITHER, .either = network_types};
static const struct value_type networks_type = {.kind = VALUE_MAP, .names = &definition_type, .of = &network_type};

static void networks_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct document *document = object;
	if (node->kind != YAML_MAPPING)
		not_a_mapping(frontend, node, "networks");
	for (size_t i = 0; node->kind == YAML_MAPPING && i + 1 < node->count; i += 2) {
		struct network *network = arena_alloc(frontend->arena, sizeof *network);
		network->name_space = document->name_space;
		network->name = defined_name(frontend, &node->items[i], "a network's name");
		network->span = node->items[i].span;
		if (node->items[i + 1].kind == YAML_MAPPING)
			KEYS_READ(frontend, &node->items[i + 1], network_keys, "a network", network);
		else
			network_cidrs_read(frontend, &node->items[i + 1], network);
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

static const char *const unmatched_names[] = {[UNMATCHED_DENY] = "deny", [UNMATCHED_ALLOW] = "allow"};
static const struct value_type unmatched_type = {VALUE_BY_CHOICE(unmatched_names)};

static void unmatched_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)object;
	struct policy *policy = &frontend->policy;
	int value = choice_read(frontend, node, "unmatched", &unmatched_type);
	if (value < 0)
		return;
	if (policy->unmatched != UNMATCHED_DEFAULT) {
		given_twice(frontend, "unmatched", node->span, policy->unmatched_span);
	} else {
		policy->unmatched = (enum unmatched)value;
		policy->unmatched_span = node->span;
	}
}

static void settings_mode_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)object;
	struct policy *policy = &frontend->policy;
	enum mode mode = MODE_UNSAID;
	mode_read(frontend, node, &mode);
	if (mode == MODE_UNSAID)
		return;
	if (policy->mode_span.file != NULL) {
		given_twice(frontend, "mode", node->span, policy->mode_span);
	} else {
		policy->audit = mode == MODE_AUDIT;
		policy->mode_span = node->span;
	}
}

static void settings_deny_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)object;
	struct policy *policy = &frontend->policy;
	enum deny deny = DENY_UNSAID;
	deny_read(frontend, node, &deny);
	if (deny == DENY_UNSAID)
		return;
	if (policy->deny != DENY_UNSAID) {
		given_twice(frontend, "deny", node->span, policy->deny_span);
	} else {
		policy->deny = deny;
		policy->deny_span = node->span;
	}
}

static const struct key settings_keys[] = {
    {"unmatched", false, unmatched_read, &unmatched_type,
     "What holds for workloads that no service selects: deny isolates them (the default where there is any service), "
     "allow leaves them open."},
    {"mode", false, settings_mode_read, &mode_type,
     "enforce (the default), or audit: what would be denied is logged and let through, quarantines excepted. A "
     "service's "
     "own mode goes before it."},
    {"deny", false, settings_deny_read, &deny_type,
     "How what is denied ends: drop is silence (the default), reject is an answer. A node's and a service's own go "
     "before "
     "it."},
};

static const struct value_type settings_type = {VALUE_BY_KEYS(settings_keys), .name = "settings",
						.title = "settings of the whole input"};

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

static const struct value_type lint_off_type = {
    .kind = VALUE_CHOICE, .choices = &lints[0].name, .choice_count = LINTS, .stride = sizeof *lints};
static const struct value_type lint_offs_type = {.kind = VALUE_ONE_OR_MORE, .of = &lint_off_type};

static const struct key lint_keys[] = {
    {"off", true, lint_offs_read, &lint_offs_type,
     "Lints that say nothing of the services and statements of this document."},
};

static const struct value_type lint_type = {VALUE_BY_KEYS(lint_keys), .name = "lint", .title = "lints of a document"};

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

static const char *const versions[] = {"v1"};
static const struct value_type version_type = {VALUE_BY_CHOICE(versions)};

static const struct key document_keys[] = {
    {"ringfence", true, NULL, &version_type, "The version of the language: v1."},
    {"namespace", false, NULL /* read before the others */, &name_type,
     "The namespace that the names in this document belong to; `default` when left out."},
    {"services", false, services_read, &services_type,
     "Services by name. A workload that a service selects sends and receives only what an allow says."},
    {"networks", false, networks_read, &networks_type,
     "Networks by name, each a set of addresses: a prefix, a list of them, or {cidrs: ..., except: ...}."},
    {"allow", false, allows_read, &allows_type,
     "Who may call whom. Nothing is open that no allow opens; the order means nothing."},
    {"never", false, nevers_read, &nevers_type, "What no allow may ever open. `ringfence check` proves it."},
    {"tests", false, tests_read, &tests_type, "What is open and what is not. `ringfence test` runs them."},
    {"quarantine", false, quarantines_read, &quarantines_type,
     "Workloads that have no allowed flow, whatever any allow says."},
    {"settings", false, settings_read, &settings_type, "What holds for the whole input. Each may be given once in it."},
    {"lint", false, lint_read, &lint_type, "Lints of `ringfence check` that are not for this document."},
    {"namespaces", false, namespaces_read, &namespaces_type, "Inventory: namespaces by name, with their labels."},
    {"nodes", false, nodes_read, &nodes_type, "Inventory: machines by name, with their addresses."},
    {"workloads", false, workloads_read, &workloads_type, "Inventory: who runs where."},
};

const struct value_type document_type = {VALUE_BY_KEYS(document_keys), .title = "Ringfence policy and inventory"};

/* Refuses policy in a file that whoever starts workloads may write (inventory_only). */
static void refuse_policy(struct frontend *frontend, const struct yaml_node *root)
{
	static const char *const inventory_keys[] = {"ringfence", "namespace", "namespaces", "nodes", "workloads"};
	for (size_t i = 0; i < root->count; i += 2) {
		bool inventory = false;
		for (size_t j = 0; j < sizeof inventory_keys / sizeof *inventory_keys; j++)
			inventory = inventory || strcmp(root->items[i].text, inventory_keys[j]) == 0;
		if (!inventory)
			diagnostics_error(
			    frontend->diagnostics, root->items[i].span,
			    "`%s` does not belong in a workload file: policy stands in the policy directory",
			    root->items[i].text);
	}
}

static int compare_names(const char *space_a, const char *a, const char *space_b, const char *b)
{
	int order = strcmp(space_a, space_b);
	return order != 0 ? order : strcmp(a, b);
}

static void service_texts(const void *item, const char **texts)
{
	texts[0] = ((const struct service *)item)->name_space;
	texts[1] = ((const struct service *)item)->name;
}

static int compare_services(const void *left, const void *right)
{
	const struct service *a = left, *b = right;
	int order = compare_names(a->name_space, a->name, b->name_space, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static const struct order service_order = {service_texts, compare_services};

static void network_texts(const void *item, const char **texts)
{
	texts[0] = ((const struct network *)item)->name_space;
	texts[1] = ((const struct network *)item)->name;
}

static int compare_networks(const void *left, const void *right)
{
	const struct network *a = left, *b = right;
	int order = compare_names(a->name_space, a->name, b->name_space, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static const struct order network_order = {network_texts, compare_networks};

static void defined_twice(struct frontend *frontend, const char *name, const struct span *first,
			  const struct span *second)
{
	diagnostics_error(frontend->diagnostics, *second, "`%s` is defined twice", name);
	diagnostics_help(frontend->diagnostics, "it stands at %s:%u:%u already", first->file, first->line,
			 first->column);
}

struct named_peer *named_peer_find(const struct frontend *frontend, const char *whole)
{
	struct table_slot *slot = table_first(&frontend->names, table_hash_text(0, whole));
	while (slot != NULL && strcmp(((const struct named_peer *)slot->item)->name, whole) != 0)
		slot = table_next(&frontend->names, slot);
	return slot != NULL ? slot->item : NULL;
}

/* What is known under a whole name; nothing yet, where it is new. */
static struct named_peer *name_entry(struct frontend *frontend, const char *name_space, const char *name)
{
	const char *whole = arena_printf(frontend->arena, "%s/%s", name_space, name);
	struct named_peer *named = named_peer_find(frontend, whole);
	if (named != NULL)
		return named;
	named = arena_alloc(frontend->waiting, sizeof *named);
	named->name = whole;
	table_add(&frontend->names, table_hash_text(0, whole), named, 0);
	return named;
}

static void check_names(struct frontend *frontend)
{
	struct policy *policy = &frontend->policy;
	order_sort(policy->services, policy->service_count, &service_order);
	order_sort(policy->networks, policy->network_count, &network_order);
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		struct named_peer *named = name_entry(frontend, service->name_space, service->name);
		if (named->service != NULL)
			defined_twice(frontend, service->name, &named->service->span, &service->span);
		named->service = service;
	}
	for (size_t i = 0; i < policy->network_count; i++) {
		const struct network *network = policy->networks[i];
		struct named_peer *named = name_entry(frontend, network->name_space, network->name);
		if (named->service != NULL)
			defined_twice(frontend, network->name, &named->service->span, &network->span);
		else if (named->network != NULL)
			defined_twice(frontend, network->name, &named->network->span, &network->span);
		named->network = network;
	}
}

/* A service isolates whoever it selects, in both directions. Those by NetworkPolicies, read already, follow. */
static void add_isolations(struct frontend *frontend)
{
	struct policy *policy = &frontend->policy;
	struct isolation **others = policy->isolations;
	size_t other_count = policy->isolation_count, count = policy->service_count + other_count;
	policy->isolations = arena_alloc(frontend->arena, count * sizeof(struct isolation *));
	policy->isolation_count = count;
	for (size_t i = 0; i < policy->service_count; i++) {
		const struct service *service = policy->services[i];
		struct isolation *isolation = arena_alloc(frontend->arena, sizeof *isolation);
		*isolation = (struct isolation){.name_space = service->name_space,
						.name = service->name,
						.workloads = service->workloads,
						.directions = {true, true},
						.service = service,
						.span = service->span};
		policy->isolations[i] = isolation;
	}
	if (other_count > 0)
		memcpy(policy->isolations + policy->service_count, others, other_count * sizeof(struct isolation *));
}

void native_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct document document = {root, "default"};
	const struct yaml_node *name_space = yaml_get(root, "namespace");
	if (frontend->waiting == NULL)
		frontend->waiting = arena_create();
	if (name_space != NULL)
		document_namespace_read(frontend, name_space, &document);
	if (frontend->inventory_only)
		refuse_policy(frontend, root);
	KEYS_READ(frontend, root, document_keys, "a document", &document);
}

void native_check_definitions(struct frontend *frontend)
{
	check_names(frontend);
	add_isolations(frontend);
}
