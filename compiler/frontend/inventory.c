/* namespaces, nodes and workloads of native documents to an inventory, and what must not stand there twice. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

static void address_read(struct frontend *frontend, const struct yaml_node *node, struct address **list, size_t *count)
{
	struct address address;
	const char *text = scalar_read(frontend, node, "an address");
	if (text == NULL)
		return;
	const char *problem = address_parse(&address, text);
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no address: %s", text, problem);
	else
		*arena_push(frontend->arena, *list, *count) = address;
}

/* A list of addresses; an empty one is none. */
static void addresses_read(struct frontend *frontend, const struct yaml_node *node, struct address **list,
			   size_t *count)
{
	if (node->kind != YAML_SEQUENCE)
		diagnostics_error(frontend->diagnostics, node->span, "`addresses` must be a list");
	for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->count; i++)
		address_read(frontend, &node->items[i], list, count);
}

/* ---- namespaces ---- */

static void space_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	labels_read(frontend, node, &((struct name_space *)object)->labels);
}

static const struct key namespace_keys[] = {
    {"labels", false, space_labels_read, &labels_type,
     "Its labels. Every namespace has kubernetes.io/metadata.name: NAME besides."}};
static const struct value_type namespace_type = {VALUE_BY_KEYS(namespace_keys), .name = "namespace",
						 .title = "a namespace"};
const struct value_type namespaces_type = {.kind = VALUE_MAP, .names = &name_type, .of = &namespace_type};

/* Every namespace has its name as a label, and none can have another's. */
static void space_name_label(struct frontend *frontend, struct name_space *space)
{
	for (size_t i = 0; i < space->labels.count; i++) {
		if (strcmp(space->labels.items[i].key, "kubernetes.io/metadata.name") != 0)
			continue;
		if (strcmp(space->labels.items[i].value, space->name) != 0)
			diagnostics_error(frontend->diagnostics, space->span,
					  "the label kubernetes.io/metadata.name of a namespace is its name");
		return;
	}
	*arena_push(frontend->arena, space->labels.items, space->labels.count) =
	    (struct label){"kubernetes.io/metadata.name", space->name};
}

void namespaces_read(struct frontend *frontend, const struct yaml_node *node, void *document)
{
	(void)document;
	if (node->kind != YAML_MAPPING)
		diagnostics_error(frontend->diagnostics, node->span, "`namespaces` must be a mapping of names");
	for (size_t i = 0; node->kind == YAML_MAPPING && i + 1 < node->count; i += 2) {
		struct name_space *space = arena_alloc(frontend->arena, sizeof *space);
		space->name = name_read(frontend, &node->items[i], "a namespace");
		space->span = node->items[i].span;
		KEYS_READ(frontend, &node->items[i + 1], namespace_keys, "a namespace", space);
		if (space->name == NULL)
			continue;
		space_name_label(frontend, space);
		*arena_push(frontend->arena, frontend->inventory.namespaces, frontend->inventory.namespace_count) =
		    space;
	}
}

/* ---- nodes ---- */

static const struct value_type host_name_type = {.kind = VALUE_TEXT,
						 .name = "host_name",
						 .title = "a host name: 1 to 253 letters, digits and `._-`",
						 .pattern = "[A-Za-z0-9_][A-Za-z0-9._-]{0,252}",
						 .plain = PLAIN_NUMBER | PLAIN_TRUTH};

/* A host name, which also names a file of `compile --all-nodes`. */
const char *host_name_read(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	const char *text = scalar_read(frontend, node, what);
	if (text == NULL)
		return NULL;
	if (text[0] != 0 && is_word(text, "._-", 253) && text[0] != '.' && text[0] != '-')
		return text;
	diagnostics_error(frontend->diagnostics, node->span,
			  "%s must be a host name: 1 to 253 letters, digits and `._-`", what);
	return NULL;
}

static void node_addresses_read(struct frontend *frontend, const struct yaml_node *value, void *object)
{
	struct node *node = object;
	addresses_read(frontend, value, &node->addresses, &node->address_count);
}

static void node_pools_read(struct frontend *frontend, const struct yaml_node *value, void *object)
{
	struct node *node = object;
	struct prefix_list list = {0};
	prefixes_read(frontend, value, &list);
	node->pools = list.items;
	node->pool_count = list.count;
}

static void node_deny_read(struct frontend *frontend, const struct yaml_node *value, void *object)
{
	deny_read(frontend, value, &((struct node *)object)->deny);
}

static const struct key node_keys[] = {
    {"addresses", false, node_addresses_read, &addresses_type,
     "The machine's own addresses, which the peer `node` means."},
    {"workload_networks", false, node_pools_read, &prefixes_type,
     "The addresses that it gives to workloads. One that no source knows is closed."},
    {"deny", false, node_deny_read, &deny_type,
     "How what its workloads deny ends, where no service of theirs says it: drop is silence, reject is an answer."},
};
static const struct value_type node_type = {VALUE_BY_KEYS(node_keys), .name = "node", .title = "a node"};
const struct value_type nodes_type = {.kind = VALUE_MAP, .names = &host_name_type, .of = &node_type};

void nodes_read(struct frontend *frontend, const struct yaml_node *value, void *document)
{
	(void)document;
	if (value->kind != YAML_MAPPING)
		diagnostics_error(frontend->diagnostics, value->span, "`nodes` must be a mapping of names");
	for (size_t i = 0; value->kind == YAML_MAPPING && i + 1 < value->count; i += 2) {
		struct node *node = arena_alloc(frontend->arena, sizeof *node);
		node->name = host_name_read(frontend, &value->items[i], "a node's name");
		node->span = value->items[i].span;
		KEYS_READ(frontend, &value->items[i + 1], node_keys, "a node", node);
		if (node->name != NULL)
			*arena_push(frontend->arena, frontend->inventory.nodes, frontend->inventory.node_count) = node;
	}
}

/* ---- workloads ---- */

static void workload_name_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct workload *)object)->name = name_read(frontend, node, "a workload's name");
}

static void workload_namespace_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *name = name_read(frontend, node, "a workload's namespace");
	if (name != NULL)
		((struct workload *)object)->name_space = name;
}

static void workload_node_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct workload *)object)->node = host_name_read(frontend, node, "a workload's node");
}

static void workload_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	labels_read(frontend, node, &((struct workload *)object)->labels);
}

static void workload_addresses_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct workload *workload = object;
	addresses_read(frontend, node, &workload->addresses, &workload->address_count);
}

/* The kernel's rule for interface names (dev_valid_name in net/core/dev.c), less what a ruleset text cannot quote. */
static void interface_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct workload *workload = object;
	const char *name = scalar_read(frontend, node, "an interface");
	if (name == NULL)
		return;
	size_t length = strlen(name), valid = 0;
	for (size_t i = 0; i < length; i++)
		valid += name[i] > ' ' && name[i] < 0x7f && strchr("/:\"\\*", name[i]) == NULL;
	if (length == 0 || length > 15 || valid != length || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		diagnostics_error(frontend->diagnostics, node->span,
				  "an interface name has 1 to 15 characters, none of / : \" \\ * or space");
	else
		*arena_push(frontend->arena, workload->interfaces, workload->interface_count) = name;
}

static void workload_interface_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	one_or_more_read(frontend, node, "`interface`", interface_read, object);
}

/* Where systemd and its like put a unit. Its path is never opened by the compiler. */
static void workload_cgroup_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *path = scalar_read(frontend, node, "a cgroup");
	if (path == NULL)
		return;
	if (cgroup_level(path) == 0) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "a cgroup is a path below the root of cgroup2, of 1 to %d parts", CGROUP_LEVELS);
		diagnostics_help(frontend->diagnostics, "write system.slice/nginx.service, without a slash in front");
		return;
	}
	((struct workload *)object)->cgroup = path;
}

static void workload_ports_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct workload *workload = object;
	named_ports_read(frontend, node, &workload->ports, &workload->port_count);
}

static const struct value_type interface_type = {.kind = VALUE_TEXT,
						 .title = "an interface: 1 to 15 characters",
						 .pattern = "(?!\\.{1,2}$)[!#-)+-.0-9;-\\[\\]-~]{1,15}",
						 .plain = PLAIN_NUMBER | PLAIN_NEGATIVE | PLAIN_TRUTH};

static const struct value_type interfaces_type = {.kind = VALUE_ONE_OR_MORE, .of = &interface_type};

static const struct value_type cgroup_type = {
    .kind = VALUE_TEXT,
    .title = "a path below the root of cgroup2, such as system.slice/nginx.service",
    .pattern = "(?!\\.{1,2}(/|$))[!-.0-~]{1,255}(/(?!\\.{1,2}(/|$))[!-.0-~]{1,255}){0,7}",
    .plain = PLAIN_NUMBER | PLAIN_NEGATIVE | PLAIN_TRUTH};

static const struct key workload_keys[] = {
    {"name", true, workload_name_read, &name_type, "Its name, once in its namespace."},
    {"namespace", false, workload_namespace_read, &name_type, "Its namespace. Left out: the document's."},
    {"node", false, workload_node_read, &host_name_type, "The node that it runs on."},
    {"labels", false, workload_labels_read, &labels_type, "Its labels, by which services select it."},
    {"addresses", false, workload_addresses_read, &addresses_type,
     "Its addresses. No other workload or node has them."},
    {"interface", false, workload_interface_read, &interfaces_type,
     "The host's side of its interfaces: packets from there with another source are dropped."},
    {"cgroup", false, workload_cgroup_read, &cgroup_type,
     "Of a service of the node itself, in place of addresses: its cgroup."},
    {"ports", false, workload_ports_read, &named_ports_type, "Its own named ports, for peers by labels."},
};
static const struct value_type workload_type = {VALUE_BY_KEYS(workload_keys), .name = "workload",
						.title = "a workload"};
const struct value_type workloads_type = {.kind = VALUE_LIST, .of = &workload_type};

/* What a host workload must have, and must not. */
static void check_host_workload(struct frontend *frontend, const struct workload *workload)
{
	const char *wrong = workload->address_count > 0	    ? "has no `addresses`: it has those of its node"
			    : workload->interface_count > 0 ? "has no `interface`"
			    : workload->node == NULL	    ? "needs its `node`"
							    : NULL;
	if (workload->cgroup == NULL || wrong == NULL)
		return;
	diagnostics_error(frontend->diagnostics, workload->span, "a workload with a `cgroup` %s", wrong);
}

void workloads_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const struct document *document = object;
	if (node->kind != YAML_SEQUENCE)
		diagnostics_error(frontend->diagnostics, node->span, "`workloads` must be a list");
	for (size_t i = 0; node->kind == YAML_SEQUENCE && i < node->count; i++) {
		struct workload *workload = arena_alloc(frontend->arena, sizeof *workload);
		workload->name_space = document->name_space;
		workload->span = node->items[i].span;
		const struct yaml_node *name = yaml_get(&node->items[i], "name");
		KEYS_READ(frontend, &node->items[i], workload_keys, "a workload", workload);
		if (name != NULL)
			workload->span = name->span;
		check_host_workload(frontend, workload);
		if (workload->name != NULL)
			*arena_push(frontend->arena, frontend->inventory.workloads,
				    frontend->inventory.workload_count) = workload;
	}
}

/* ---- what must not stand twice ---- */

struct owner {
	struct address address;
	const struct span *span;
};

static void workload_texts(const void *item, const char **texts)
{
	texts[0] = ((const struct workload *)item)->name_space;
	texts[1] = ((const struct workload *)item)->name;
}

static int compare_names(const struct workload *a, const struct workload *b)
{
	int order = a->name_space != b->name_space ? strcmp(a->name_space, b->name_space) : 0;
	return order != 0 ? order : strcmp(a->name, b->name);
}

/* Among equal names by place, so that the second is the one complained of. */
static int compare_workloads(const void *left, const void *right)
{
	const struct workload *a = left, *b = right;
	int order = compare_names(a, b);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static const struct order workload_order = {workload_texts, compare_workloads};

static int compare_spaces(const void *left, const void *right)
{
	const struct name_space *a = *(struct name_space *const *)left, *b = *(struct name_space *const *)right;
	int order = strcmp(a->name, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static int compare_nodes(const void *left, const void *right)
{
	const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
	int order = strcmp(a->name, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static int compare_owners(const void *left, const void *right)
{
	const struct owner *a = left, *b = right;
	int order = address_compare(&a->address, &b->address);
	if (order == 0)
		order = strcmp(a->span->file, b->span->file);
	if (order == 0)
		order = a->span->line < b->span->line ? -1 : a->span->line > b->span->line;
	return order;
}

static void twice(struct frontend *frontend, const char *what, const char *name, struct span first, struct span second)
{
	diagnostics_error(frontend->diagnostics, second, "%s `%s` stands twice", what, name);
	diagnostics_help(frontend->diagnostics, "it stands at %s:%u:%u already", first.file, first.line, first.column);
}

static void check_addresses(struct frontend *frontend)
{
	struct inventory *inventory = &frontend->inventory;
	size_t room = 1, count = 0;
	if (inventory_distinct(inventory))
		return; /* as a rule, and known already: sorting all addresses takes long */
	for (size_t i = 0; i < inventory->workload_count; i++)
		room += inventory->workloads[i]->address_count;
	for (size_t i = 0; i < inventory->node_count; i++)
		room += inventory->nodes[i]->address_count;
	struct owner *owners = malloc(room * sizeof *owners);
	if (owners == NULL)
		abort();
	for (size_t i = 0; i < inventory->workload_count; i++)
		for (size_t j = 0; j < inventory->workloads[i]->address_count; j++)
			owners[count++] =
			    (struct owner){inventory->workloads[i]->addresses[j], &inventory->workloads[i]->span};
	for (size_t i = 0; i < inventory->node_count; i++)
		for (size_t j = 0; j < inventory->nodes[i]->address_count; j++)
			owners[count++] = (struct owner){inventory->nodes[i]->addresses[j], &inventory->nodes[i]->span};
	qsort(owners, count, sizeof *owners, compare_owners);
	for (size_t i = 1; i < count; i++) {
		char text[ADDRESS_TEXT_SIZE];
		if (address_compare(&owners[i - 1].address, &owners[i].address) == 0)
			twice(frontend, "address", address_format(&owners[i].address, text), *owners[i - 1].span,
			      *owners[i].span);
	}
	free(owners);
}

static int compare_cgroups(const void *left, const void *right)
{
	const struct workload *a = *(struct workload *const *)left, *b = *(struct workload *const *)right;
	int order = strcmp(a->cgroup, b->cgroup);
	if (order == 0)
		order = strcmp(a->node != NULL ? a->node : "", b->node != NULL ? b->node : "");
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static void check_cgroups(struct frontend *frontend)
{
	const struct inventory *inventory = &frontend->inventory;
	struct workload **hosts = NULL;
	size_t count = 0;
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (inventory->workloads[i]->cgroup != NULL)
			*arena_push(frontend->arena, hosts, count) = inventory->workloads[i];
	if (count > 1)
		qsort(hosts, count, sizeof *hosts, compare_cgroups);
	for (size_t i = 1; i < count; i++) {
		const struct workload *a = hosts[i - 1], *b = hosts[i];
		if (strcmp(a->cgroup, b->cgroup) == 0 &&
		    strcmp(a->node != NULL ? a->node : "", b->node != NULL ? b->node : "") == 0)
			twice(frontend, "cgroup", b->cgroup, a->span, b->span);
	}
}

void inventory_check(struct frontend *frontend)
{
	struct inventory *inventory = &frontend->inventory;
	order_sort(inventory->workloads, inventory->workload_count, &workload_order);
	if (inventory->namespace_count > 1)
		qsort(inventory->namespaces, inventory->namespace_count, sizeof *inventory->namespaces, compare_spaces);
	if (inventory->node_count > 1)
		qsort(inventory->nodes, inventory->node_count, sizeof *inventory->nodes, compare_nodes);
	for (size_t i = 1; i < inventory->workload_count; i++)
		if (compare_names(inventory->workloads[i - 1], inventory->workloads[i]) == 0)
			twice(frontend, "workload", inventory->workloads[i]->name, inventory->workloads[i - 1]->span,
			      inventory->workloads[i]->span);
	for (size_t i = 1; i < inventory->namespace_count; i++)
		if (strcmp(inventory->namespaces[i - 1]->name, inventory->namespaces[i]->name) == 0)
			twice(frontend, "namespace", inventory->namespaces[i]->name, inventory->namespaces[i - 1]->span,
			      inventory->namespaces[i]->span);
	for (size_t i = 1; i < inventory->node_count; i++)
		if (strcmp(inventory->nodes[i - 1]->name, inventory->nodes[i]->name) == 0)
			twice(frontend, "node", inventory->nodes[i]->name, inventory->nodes[i - 1]->span,
			      inventory->nodes[i]->span);
	check_addresses(frontend);
	check_cgroups(frontend);
}
