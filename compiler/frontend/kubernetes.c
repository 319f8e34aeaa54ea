/* Kubernetes objects to their readers: which kinds count, which are passed over, and lists of them. What two objects
 * must not both say is checked at the end. */
#include "compiler/frontend/kubernetes.h"
#include "compiler/frontend/manifest.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

static const struct manifest_kind kinds[] = {
    {"networking.k8s.io/v1", "NetworkPolicy", true, network_policy_read},
    {"v1", "Namespace", false, namespace_manifest_read},
    {"v1", "Pod", false, pod_read},
    {"v1", "Node", false, node_manifest_read},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

bool kubernetes_is_object(const struct yaml_node *root)
{
	return yaml_get(root, "apiVersion") != NULL && yaml_get(root, "kind") != NULL &&
	       yaml_get(root, "ringfence") == NULL;
}

/* The text of a key; NULL where there is none. */
static const char *text_of(const struct yaml_node *root, const char *key)
{
	const struct yaml_node *node = yaml_get(root, key);
	return node != NULL && node->kind == YAML_SCALAR && !yaml_is_null(node) ? node->text : NULL;
}

static void read_items(struct frontend *frontend, const struct yaml_node *root, const struct manifest_kind *kind);

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

static void read_kind(struct frontend *frontend, const struct yaml_node *root, const struct manifest_kind *kind)
{
	frontend->manifest_count++;
	if (kind->policy && frontend->inventory_only)
		diagnostics_error(frontend->diagnostics, root->span,
				  "a %s does not belong in a workload file: policy stands in the policy directory",
				  kind->kind);
	else
		kind->read(frontend, root);
}

/* `assumed` is what the entries of a PodList are, which do not say so themselves. */
static void read_object(struct frontend *frontend, const struct yaml_node *root, const struct manifest_kind *assumed)
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
			read_items(frontend, root, &kinds[i]);
			return;
		}
		if (kind[length] == 0)
			found = &kinds[i];
	}
	if (kind != NULL && strcmp(kind, "List") == 0 && strcmp(api_version, "v1") == 0)
		read_items(frontend, root, NULL);
	else if (found != NULL)
		read_kind(frontend, root, found);
	else
		skip(frontend, root, api_version, kind);
}

static void read_items(struct frontend *frontend, const struct yaml_node *root, const struct manifest_kind *kind)
{
	size_t count;
	struct yaml_node **items = manifest_items(frontend, yaml_get(root, "items"), "items", &count);
	frontend->list_count++;
	for (size_t i = 0; i < count; i++) {
		if (items[i]->kind == YAML_MAPPING)
			read_object(frontend, items[i], kind);
		else
			diagnostics_error(frontend->diagnostics, items[i]->span, "an object must be a mapping");
	}
}

void kubernetes_read(struct frontend *frontend, const struct yaml_node *root)
{
	read_object(frontend, root, NULL);
}

static int compare_isolations(const void *left, const void *right)
{
	const struct isolation *a = *(struct isolation *const *)left, *b = *(struct isolation *const *)right;
	int order = strcmp(a->name_space, b->name_space);
	if (order == 0)
		order = strcmp(a->name, b->name);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

/* What a Node object and a native entry say of one node holds together, as what two sources of a daemon say does: a
 * native entry names what the cluster does not know, such as a bridge's gateway. */
static void add_told_node(struct frontend *frontend, struct node *told, size_t native_count)
{
	struct inventory *inventory = &frontend->inventory;
	struct node *node = NULL;
	for (size_t i = 0; i < native_count && node == NULL; i++)
		if (strcmp(inventory->nodes[i]->name, told->name) == 0)
			node = inventory->nodes[i];
	if (node == NULL) {
		*arena_push(frontend->arena, inventory->nodes, inventory->node_count) = told;
		return;
	}
	for (size_t i = 0; i < told->address_count; i++) {
		bool known = false;
		for (size_t j = 0; j < node->address_count && !known; j++)
			known = address_compare(&node->addresses[j], &told->addresses[i]) == 0;
		if (!known)
			*arena_push(frontend->arena, node->addresses, node->address_count) = told->addresses[i];
	}
	for (size_t i = 0; i < told->pool_count; i++)
		*arena_push(frontend->arena, node->pools, node->pool_count) = told->pools[i];
}

void kubernetes_finish(struct frontend *frontend)
{
	size_t native_count = frontend->inventory.node_count;
	for (size_t i = 0; i < frontend->told_node_count; i++)
		add_told_node(frontend, frontend->told_nodes[i], native_count);
	struct policy *policy = &frontend->policy;
	size_t first = policy->service_count;
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
	inventory_add_hosts(&frontend->inventory, frontend->arena);
}
