/* Pod, Namespace and Node (v1) to inventory, as `kubectl get` prints them. */
#include "compiler/frontend/manifest.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

void namespace_manifest_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct metadata metadata;
	if (!manifest_metadata_read(frontend, root, &metadata))
		return;
	if (!is_label_name(metadata.name))
		diagnostics_error(frontend->diagnostics, metadata.span,
				  "a namespace's name has 1 to 63 of a-z, 0-9 and `-`");
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
    UNTYPED_KEY("nodeName", false, pod_node_name_read),
    UNTYPED_KEY("hostNetwork", false, pod_host_network_read),
    UNTYPED_KEY("containers", false, pod_containers_read),
    UNTYPED_KEY("initContainers", false, pod_init_containers_read),
};
static const struct key pod_status_keys[] = {
    UNTYPED_KEY("phase", false, pod_phase_read),      UNTYPED_KEY("podIP", false, pod_ip_read),
    UNTYPED_KEY("podIPs", false, pod_ips_read),	      UNTYPED_KEY("hostIP", false, pod_host_ip_read),
    UNTYPED_KEY("hostIPs", false, pod_host_ips_read),
};

struct container_parts {
	const struct yaml_node *ports, *restart_policy;
};
KEEPS(container_ports_read, struct container_parts, ports)
KEEPS(container_restart_read, struct container_parts, restart_policy)
static const struct key container_keys[] = {
    UNTYPED_KEY("ports", false, container_ports_read),
    UNTYPED_KEY("restartPolicy", false, container_restart_read),
};

struct container_port_parts {
	const struct yaml_node *name, *port, *protocol;
};
KEEPS(container_port_name_read, struct container_port_parts, name)
KEEPS(container_port_number_read, struct container_port_parts, port)
KEEPS(container_port_protocol_read, struct container_port_parts, protocol)
static const struct key container_port_keys[] = {
    UNTYPED_KEY("name", false, container_port_name_read),
    UNTYPED_KEY("containerPort", false, container_port_number_read),
    UNTYPED_KEY("protocol", false, container_port_protocol_read),
};

static void container_port_read(struct frontend *frontend, const struct yaml_node *node, struct workload *workload)
{
	struct container_port_parts parts = {0};
	LENIENT(frontend, node, container_port_keys, "a container's port", &parts);
	struct named_port port = {0};
	if (parts.name != NULL)
		port.name = scalar_read(frontend, parts.name, "a port's name");
	if (port.name == NULL || port.name[0] == 0)
		return; /* what has no name is named by nobody */
	port.port.protocol = manifest_protocol_read(frontend, parts.protocol);
	if (parts.port == NULL)
		diagnostics_error(frontend->diagnostics, node->span, "a container's port needs `containerPort`");
	else
		port.port.first = port.port.last = manifest_number_read(frontend, parts.port, "containerPort");
	bool known = false;
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
	struct yaml_node **items = manifest_items(frontend, list, init ? "initContainers" : "containers", &count);
	for (size_t i = 0; i < count; i++) {
		struct container_parts parts = {0};
		LENIENT(frontend, items[i], container_keys, "a container", &parts);
		const char *restart = parts.restart_policy != NULL
					  ? scalar_read(frontend, parts.restart_policy, "`restartPolicy`")
					  : NULL;
		if (init && (restart == NULL || strcmp(restart, "Always") != 0))
			continue;
		struct yaml_node **ports = manifest_items(frontend, parts.ports, "ports", &port_count);
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
	struct yaml_node **items = manifest_items(frontend, list, what, &item_count);
	*count = 0;
	for (size_t i = 0; i < item_count; i++) {
		const struct yaml_node *ip = yaml_get(items[i], "ip");
		if (items[i]->kind != YAML_MAPPING)
			diagnostics_error(frontend->diagnostics, items[i]->span,
					  "an entry of `%s` is a mapping such as {ip: 192.0.2.1}", what);
		else if (ip != NULL && !yaml_is_null(ip))
			add_ip(frontend, ip, &addresses, count);
	}
	if (*count == 0 && one != NULL)
		add_ip(frontend, one, &addresses, count);
	return addresses;
}

static bool is_over(struct frontend *frontend, const struct pod_parts *pod)
{
	const char *phase = pod->phase != NULL ? scalar_read(frontend, pod->phase, "`phase`") : NULL;
	return phase != NULL && (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0);
}

/* A pod of the host's network has the node's addresses, and one that is over has none: neither is a workload. */
void pod_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct metadata metadata;
	struct pod_parts pod = {0};
	const struct yaml_node *spec = yaml_get(root, "spec"), *status = yaml_get(root, "status");
	if (!manifest_metadata_read(frontend, root, &metadata))
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
		*arena_push(frontend->arena, frontend->inventory.hosts, frontend->inventory.host_count) =
		    (struct host){node, hosts[i], metadata.span};
	bool of_host = pod.host_network != NULL && truth_read(frontend, pod.host_network, "`hostNetwork`");
	if (is_over(frontend, &pod) || of_host)
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

struct node_parts {
	const struct yaml_node *cidr, *cidrs, *addresses;
};
KEEPS(node_cidr_read, struct node_parts, cidr)
KEEPS(node_cidrs_read, struct node_parts, cidrs)
KEEPS(node_addresses_read, struct node_parts, addresses)
static const struct key node_spec_keys[] = {
    UNTYPED_KEY("podCIDR", false, node_cidr_read),
    UNTYPED_KEY("podCIDRs", false, node_cidrs_read),
};
static const struct key node_status_keys[] = {UNTYPED_KEY("addresses", false, node_addresses_read)};

struct node_address_parts {
	const struct yaml_node *type, *address;
};
KEEPS(node_address_type_read, struct node_address_parts, type)
KEEPS(node_address_read, struct node_address_parts, address)
static const struct key node_address_keys[] = {
    UNTYPED_KEY("type", false, node_address_type_read),
    UNTYPED_KEY("address", false, node_address_read),
};

/* Of an entry that is no address, but a name, nothing; one that stands there twice counts once. */
static void add_node_address(struct frontend *frontend, const struct yaml_node *item, struct node *node)
{
	struct node_address_parts parts = {0};
	LENIENT(frontend, item, node_address_keys, "an address of a node", &parts);
	const char *type = parts.type != NULL ? scalar_read(frontend, parts.type, "`type`") : NULL;
	bool is_address = type != NULL && (strcmp(type, "InternalIP") == 0 || strcmp(type, "ExternalIP") == 0);
	if (!is_address || parts.address == NULL)
		return;
	size_t before = node->address_count;
	add_ip(frontend, parts.address, &node->addresses, &node->address_count);
	for (size_t i = 0; i < before && node->address_count > before; i++)
		if (address_compare(&node->addresses[i], &node->addresses[before]) == 0)
			node->address_count = before;
}

static void add_pool(struct frontend *frontend, const struct yaml_node *cidr, struct prefix_list *pools)
{
	if (cidr->kind != YAML_SCALAR || cidr->text[0] != 0) /* empty: none yet */
		prefixes_read(frontend, cidr, pools);
}

void node_manifest_read(struct frontend *frontend, const struct yaml_node *root)
{
	struct metadata metadata;
	struct node_parts parts = {0};
	const struct yaml_node *spec = yaml_get(root, "spec"), *status = yaml_get(root, "status");
	if (!manifest_metadata_read(frontend, root, &metadata))
		return;
	if (spec != NULL && !yaml_is_null(spec))
		LENIENT(frontend, spec, node_spec_keys, "`spec`", &parts);
	if (status != NULL && !yaml_is_null(status))
		LENIENT(frontend, status, node_status_keys, "`status`", &parts);
	struct node *node = arena_alloc(frontend->arena, sizeof *node);
	*node = (struct node){.name = metadata.name, .span = metadata.span};
	size_t count;
	struct yaml_node **items = manifest_items(frontend, parts.addresses, "addresses", &count);
	for (size_t i = 0; i < count; i++)
		add_node_address(frontend, items[i], node);
	struct prefix_list pools = {0};
	items = manifest_items(frontend, parts.cidrs, "podCIDRs", &count);
	for (size_t i = 0; i < count; i++)
		add_pool(frontend, items[i], &pools);
	if (count == 0 && parts.cidr != NULL)
		add_pool(frontend, parts.cidr, &pools);
	node->pools = pools.items;
	node->pool_count = pools.count;
	*arena_push(frontend->arena, frontend->told_nodes, frontend->told_node_count) = node;
}
