/* The made workloads, namespaces and nodes as documents: native ones, and the manifests of a cluster. */
#include "tests/agreement/parts.h"

#include <stdio.h>
#include <string.h>

static void append_address(json_t *list, unsigned family, unsigned number, bool ips)
{
	json_t *text = family == 0 ? made_text("10.77.0.%u", number) : made_text("fd77::%x", number);
	json_array_append_new(list, ips ? made(json_pack("{s:o}", "ip", text)) : text);
}

static json_t *node_addresses(const struct generator *g, unsigned number, bool ips)
{
	json_t *addresses = made(json_array());
	for (unsigned family = 0; family < 2; family++)
		if (g->node_families[family])
			append_address(addresses, family, number, ips);
	return addresses;
}

/* The addresses of a workload, each as a text or as {ip: TEXT}. */
static json_t *addresses_of(const struct made_workload *workload, bool ips)
{
	json_t *addresses = made(json_array());
	for (unsigned i = 0; i < workload->number_count; i++)
		for (unsigned family = 0; family < 2; family++)
			if (workload->families[i][family])
				append_address(addresses, family, workload->numbers[i], ips);
	return addresses;
}

static json_t *labels_of(const struct made_workload *workload)
{
	static const char *const keys[] = {"app", "tier", "env"};
	json_t *labels = made(json_object());
	for (unsigned i = 0; i < 3; i++)
		if (workload->labels[i] != NULL)
			json_object_set_new(labels, keys[i], made_text("%s", workload->labels[i]));
	return labels;
}

static json_t *workload_entry(const struct made_workload *workload)
{
	json_t *ports = made(json_object());
	json_t *entry = made(json_pack("{s:s,s:s,s:o,s:o}", "name", workload->name, "namespace", workload->space,
				       "labels", labels_of(workload), "addresses", addresses_of(workload, false)));
	if (workload->node != NULL)
		json_object_set_new(entry, "node", made_text("%s", workload->node));
	if (workload->guarded)
		json_object_set_new(entry, "interface", made_text("v%u", workload->numbers[0]));
	unsigned first = workload->ports[0];
	if (first != 0 && workload->port_more > 0)
		json_object_set_new(ports, port_names[0],
				    made_text("%u-%u/%s", first, first + workload->port_more, workload->protocol));
	else if (first != 0)
		json_object_set_new(ports, port_names[0], made_text("%u/%s", first, workload->protocol));
	if (workload->ports[1] != 0)
		json_object_set_new(ports, port_names[1], made_text("%u/udp", workload->ports[1]));
	if (json_object_size(ports) > 0)
		json_object_set(entry, "ports", ports);
	json_decref(ports);
	return entry;
}

static json_t *container_port(const struct made_workload *workload, unsigned i)
{
	json_t *port = made(json_pack("{s:s,s:i}", "name", port_names[i], "containerPort", (int)workload->ports[i]));
	const char *protocol = i == 0 ? workload->protocol : "udp";
	if (strcmp(protocol, "tcp") != 0) /* which is meant where none is said */
		json_object_set_new(port, "protocol", made_text(strcmp(protocol, "udp") == 0 ? "UDP" : "SCTP"));
	return port;
}

/* Containers with the ports; the second port is that of a sidecar where pods are odd. */
static json_t *pod_spec(const struct generator *g, const struct made_workload *workload)
{
	json_t *first = made(json_array()), *second = made(json_array());
	bool sidecar = has(g, FEATURE_ODD_PODS);
	if (workload->ports[0] != 0)
		json_array_append_new(first, container_port(workload, 0));
	if (workload->ports[1] != 0)
		json_array_append_new(sidecar ? second : first, container_port(workload, 1));
	json_t *spec = made(json_pack("{s:[{s:s,s:o}]}", "containers", "name", "main", "ports", first));
	if (sidecar)
		json_object_set_new(
		    spec, "initContainers",
		    made(json_pack("[{s:s,s:s,s:O}]", "name", "side", "restartPolicy", "Always", "ports", second)));
	json_decref(second);
	return spec;
}

/* A pod as the API server shows it: PHASE and its addresses, and the addresses of its node where nothing else says
 * them. */
static json_t *pod_of(const struct generator *g, const struct made_workload *workload, const char *phase)
{
	json_t *spec = pod_spec(g, workload);
	json_t *status = made(json_pack("{s:s,s:o}", "phase", phase, "podIPs", addresses_of(workload, true)));
	if (workload->node != NULL)
		json_object_set_new(spec, "nodeName", made_text("%s", workload->node));
	if (workload->node != NULL && g->nodes_by_pods) {
		bool first = strcmp(workload->node, NODE_NAME) == 0;
		json_object_set_new(status, "hostIPs",
				    node_addresses(g, first ? NODE_NUMBER : OTHER_NODE_NUMBER, true));
	}
	return made(json_pack("{s:s,s:s,s:{s:s,s:s,s:o},s:o,s:o}", "apiVersion", "v1", "kind", "Pod", "metadata",
			      "name", workload->name, "namespace", workload->space, "labels", labels_of(workload),
			      "spec", spec, "status", status));
}

/* One that is over, whose address is another's now, and one of the host's network: no workloads. */
static void put_odd_pods(const struct generator *g, json_t *documents)
{
	struct made_workload over = g->workloads[0], host = g->workloads[1];
	snprintf(over.name, sizeof over.name, "over");
	snprintf(host.name, sizeof host.name, "host");
	json_array_append_new(documents, pod_of(g, &over, "Succeeded"));
	host.node = NODE_NAME;
	json_t *pod = pod_of(g, &host, "Running");
	json_object_set_new(json_object_get(pod, "spec"), "hostNetwork", made(json_true()));
	json_object_set_new(json_object_get(pod, "status"), "podIPs", node_addresses(g, NODE_NUMBER, true));
	json_array_append_new(documents, pod);
}

static json_t *space_entry(const struct generator *g, unsigned space, bool manifest)
{
	json_t *labels = made(json_object());
	if (g->space_teams[space] != NULL)
		json_object_set_new(labels, "team", made_text("%s", g->space_teams[space]));
	if (!manifest)
		return made(json_pack("{s:o}", "labels", labels));
	return made(json_pack("{s:s,s:s,s:{s:s,s:o}}", "apiVersion", "v1", "kind", "Namespace", "metadata", "name",
			      space_names[space], "labels", labels));
}

/* Pools cover all addresses of both nodes, or those of one family or node only. */
static json_t *nodes_entry(const struct generator *g)
{
	static const char *const pools[][2][2] = {{{"10.77.0.0/29", "fd77::/125"}, {"10.77.0.8/29", "fd77::8/125"}},
						  {{"10.77.0.0/30", "10.77.0.4/30"}, {"fd77::8/126", NULL}},
						  {{"fd77::/124", NULL}, {NULL, NULL}}};
	static const char *const names[2] = {NODE_NAME, OTHER_NODE_NAME};
	static const unsigned numbers[2] = {NODE_NUMBER, OTHER_NODE_NUMBER};
	json_t *nodes = made(json_object());
	for (unsigned i = 0; i < 2; i++) {
		json_t *list = made(json_array());
		json_t *node = made(json_pack("{s:o}", "addresses", node_addresses(g, numbers[i], false)));
		for (unsigned j = 0; j < 2 && g->pools > 0; j++)
			if (pools[g->pools - 1][i][j] != NULL)
				json_array_append_new(list, made_text("%s", pools[g->pools - 1][i][j]));
		if (json_array_size(list) > 0)
			json_object_set(node, "workload_networks", list);
		json_decref(list);
		json_object_set_new(nodes, names[i], node);
	}
	return nodes;
}

static json_t *native_inventory(const struct generator *g)
{
	json_t *workloads = made(json_array()), *spaces = made(json_object());
	json_t *document = made(json_pack("{s:s}", "ringfence", "v1"));
	if (!g->nodes_by_pods)
		json_object_set_new(document, "nodes", nodes_entry(g));
	for (unsigned i = 0; i < SPACES && g->declared_spaces && !has(g, FEATURE_PODS); i++)
		json_object_set_new(spaces, space_names[i], space_entry(g, i, false));
	json_object_set_new(document, "namespaces", spaces);
	for (size_t i = 0; i < g->workload_count; i++)
		if (!g->workloads[i].away && (!has(g, FEATURE_PODS) || i % 4 == 3))
			json_array_append_new(workloads, workload_entry(&g->workloads[i]));
	json_object_set_new(document, "workloads", workloads);
	return document;
}

static json_t *pod_inventory(const struct generator *g)
{
	json_t *documents = made(json_array());
	for (unsigned i = 0; i < SPACES && g->declared_spaces; i++)
		json_array_append_new(documents, space_entry(g, i, true));
	for (size_t i = 0; i < g->workload_count; i++)
		if (!g->workloads[i].away && i % 4 != 3)
			json_array_append_new(documents, pod_of(g, &g->workloads[i], "Running"));
	if (has(g, FEATURE_ODD_PODS))
		put_odd_pods(g, documents);
	return documents;
}

void put_inventory(struct generator *g, json_t *files)
{
	json_object_set_new(files, "inventory.yaml", made(json_pack("[o]", native_inventory(g))));
	if (has(g, FEATURE_PODS))
		json_object_set_new(files, "pods.json", pod_inventory(g));
}
